/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Interned texts: each stands once, under a number that counts its uses, and goes when nobody uses it
 * any more. Tags are such texts, and the values of declared keyword fields.
 *
 * Invariants: 1. a number below `end` has a text and uses, or stands in the free list, once.
 *             2. no two numbers have the same text.
 *
 * Guard: as of labels; views keep the texts. */
#ifndef NGI_STORE_TERMS_H
#define NGI_STORE_TERMS_H

#include "index/index_labels.h"

typedef struct store_terms {
    ngi_labels texts;     /* number -> text and back, all in collection 0 */
    ngi_table uses;       /* store_term by number; 0 is none */
    uint32_t end;         /* first number that was never used */
    uint32_t free_number; /* first of the free ones, 0 = none */
} store_terms;

NG_MUST_USE ng_status ngi_terms_init(store_terms *terms, ngi_os *os, ngi_mem *mem);
/** Terms that are all zero bytes are allowed. */
void ngi_terms_release(store_terms *terms);
/** Makes room for `count` new texts of `bytes` bytes in all. NG_E_LIMIT, NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_terms_reserve(store_terms *terms, size_t count, size_t bytes);
/** The number of a text, or 0. */
uint32_t ngi_terms_find(const store_terms *terms, const char *text, size_t bytes);
/** The number of a text, which gets one more use. NG_E_INTERNAL if no room was made for it. */
NG_MUST_USE ng_status ngi_terms_use(store_terms *terms, const char *text, size_t bytes,
                                    uint32_t *out);
void ngi_terms_unuse(store_terms *terms, uint32_t number);
/** 0 for number 0. */
uint32_t ngi_terms_uses(const store_terms *terms, uint32_t number);
/** NULL if there is no such number. */
const char *ngi_terms_text(const store_terms *terms, uint32_t number, size_t *bytes);
uint64_t ngi_terms_used_bytes(const store_terms *terms);
/** Verifies the invariants, and that each number has as many uses as were counted [end]. */
NG_MUST_USE ng_status ngi_terms_check(const store_terms *terms, const uint32_t *counted);

#endif
