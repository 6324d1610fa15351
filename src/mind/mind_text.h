/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folding: the one form in which words are stored as labels and looked up.
 *
 * Folding is Unicode compatibility composition with full case folding (NFKC plus case folding,
 * without removing default-ignorable code points: the zero-width joiners carry meaning in Persian
 * and Hindi). Runs of blanks, whatever their code points, and of control codes become one space,
 * and none remains at either end, so that a folded text splits into words at single spaces. */
#ifndef NGI_MIND_TEXT_H
#define NGI_MIND_TEXT_H

#include "base/base_error.h"
#include "model/model_text.h"

#define NGI_FOLD_BYTES_MAX 4096 /* of input; a query text is the longest that is folded */

/** Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool ngi_text_is_utf8(const char *text, size_t bytes);
/** Folds `text` into `out` (not terminated); `*out_bytes` may become 0.
 *  Errors: NG_E_INVALID (not UTF-8), NG_E_LIMIT (input too long, or the result does not fit). */
NG_MUST_USE ng_status ngi_text_fold(const char *text, size_t bytes, char *out, size_t capacity,
                                    size_t *out_bytes);

#endif
