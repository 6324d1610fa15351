/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The words whose place in a space is known: a list for each modality, of our own writing and
 * judgement, and how the values of a word become the three axes of its space. */
#ifndef NGI_MIND_ANCHOR_WORDS_H
#define NGI_MIND_ANCHOR_WORDS_H

#include "base/base_error.h"

#define NGI_ANCHOR_VALUES_MAX 4

typedef struct ngi_anchor_entry {
    const char *word;                     /* folded: it is looked up as it stands */
    int8_t values[NGI_ANCHOR_VALUES_MAX]; /* in hundredths */
} ngi_anchor_entry;

extern const ngi_anchor_entry ngi_anchor_colour[], ngi_anchor_emotion[], ngi_anchor_sound[],
    ngi_anchor_action[], ngi_anchor_spatial[];
extern const size_t ngi_anchor_colour_count, ngi_anchor_emotion_count, ngi_anchor_sound_count,
    ngi_anchor_action_count, ngi_anchor_spatial_count;

/** As ng_modality_get; `modality` is valid. */
const ng_modality_info *ngi_modality(ng_modality modality);
/** As ng_modality_parse, with `bytes` bytes. */
NG_MUST_USE ng_status ngi_modality_parse(const char *text, size_t bytes, ng_modality *out);
/** The list of a modality. */
const ngi_anchor_entry *ngi_anchor_words(ng_modality modality, size_t *count);
/** What values mean on an axis of the modality's space, still within its range. */
double ngi_anchor_axis(ng_modality modality, const float values[NGI_ANCHOR_VALUES_MAX],
                       unsigned axis);

#endif
