/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The anchors of one run: the built-in words, and those of a user's file, which add to them and
 * override them.
 *
 *     # a comment; blank lines are passed over
 *     emotion TAB angry TAB -0.65 TAB 0.8 TAB 0.3
 *     action,run,0.75,0.8,0.65,0.05
 *
 * A line with a tab is split at tabs, another one at commas. */
#ifndef NGI_MIND_ANCHOR_LIST_H
#define NGI_MIND_ANCHOR_LIST_H

#include "mind/mind_anchor_words.h"
#include "mind/mind_table.h"
#include "os/os.h"

typedef struct ngi_anchor {
    uint32_t word; /* number among `words` */
    ng_modality modality;
    uint64_t line; /* of the file; 0 = built in */
    float values[NGI_ANCHOR_VALUES_MAX];
} ngi_anchor;

/** Zeroed = empty. */
typedef struct ngi_anchors {
    ngi_strings words; /* folded */
    ngi_keys index;    /* of word and modality, to the position in `list` */
    ngi_anchor *list;
    size_t capacity, count;
} ngi_anchors;

void ngi_anchors_release(ngi_mem *mem, ngi_anchors *anchors);
/** Adds the built-in words. */
NG_MUST_USE ng_status ngi_anchors_add_built_in(ngi_mem *mem, ngi_anchors *anchors);
/** Adds what a file says, perhaps compressed with gzip. Errors: NG_E_FORMAT "FILE line N: ...",
 *  NG_E_LIMIT, NG_E_NOT_FOUND, NG_E_IO. */
NG_MUST_USE ng_status ngi_anchors_read(ngi_mem *mem, ngi_os *os, const char *path,
                                       ngi_anchors *anchors);

#endif
