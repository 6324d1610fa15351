/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A word with its vector, as the readers of embedding files hand it out. */
#ifndef NGI_MIND_WORDS_H
#define NGI_MIND_WORDS_H

#include "base/base_limits.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ngi_word {
    const char *text; /* UTF-8 as in the file; valid until the next call */
    size_t bytes;
    const float *vector; /* [dimensions], finite; valid until the next call */
    const char *unit;    /* "line" or "byte": what `position` counts */
    uint64_t position;
} ngi_word;

#endif
