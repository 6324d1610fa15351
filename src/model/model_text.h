/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text of some input, as it is shown in a message. */
#ifndef NGI_MODEL_TEXT_H
#define NGI_MODEL_TEXT_H

#include <stddef.h>

#define NGI_EXCERPT_BYTES 48

/** The beginning of some input for a message: whole code points, '?' for what cannot be shown. */
typedef struct ngi_excerpt {
    char text[NGI_EXCERPT_BYTES];
} ngi_excerpt;

ngi_excerpt ngi_text_excerpt(const char *text, size_t bytes);

#endif
