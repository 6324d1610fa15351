/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The text of a query, taken apart:
 *
 *     query    = { operator } term { { operator } term }
 *     operator = "+" | "-"                       standing alone between blanks
 *     term     = [ weight ] ( phrase | run )
 *     weight   = digits [ "." digits ] "*"       right before what it weighs
 *     phrase   = '"' up to 8 words '"'           one label, or unknown as a whole
 *     run      = the longest run of up to 8 words that is a label, or one unknown word
 *
 * The signs of several operators multiply, and hold for the next term alone. A text of nothing but
 * operators means the last of them as the word it is; elsewhere an operator needs a term behind it.
 * A word with '_' that is no label stands for its parts. A word that is a label is never taken for a
 * weight or the beginning of a phrase, nor is a quotation mark that no other one answers; a run does
 * not reach over the beginning of a phrase or a weight, and within quotation marks "+" and "-" are
 * words.
 *
 * Which words are labels is asked through a function, so this needs no store. */
#ifndef NGI_MIND_TERMS_H
#define NGI_MIND_TERMS_H

#include "base/base_limits.h"
#include "base/base_mem.h"

#define NGI_PHRASE_WORDS_MAX 8

/** Finds a label: NG_OK with its token, NG_E_NOT_FOUND, or a failure. */
typedef ng_status (*ngi_label_find_fn)(void *context, const char *label, size_t bytes,
                                       ng_token_id *id);

typedef struct ngi_term {
    uint32_t begin, bytes;           /* in `text`; its words are separated by single blanks */
    uint32_t first_word, word_count; /* in `words` */
    int sign;
    double weight;  /* above 0 */
    ng_token_id id; /* 0 = unknown */
} ngi_term;

typedef struct ngi_terms {
    char text[NGI_QUERY_BYTES_MAX + 1];
    size_t text_bytes;
    struct {
        uint32_t begin, bytes;
        bool is_operator;
        uint8_t quoted; /* words of the phrase in quotation marks that begins here, 0 = none */
        double weight;  /* of the term that begins here, 0 = none is given */
    } words[NGI_QUERY_BYTES_MAX / 2 + 1];
    size_t word_count;
    ngi_term terms[NGI_QUERY_TERMS_MAX];
    size_t count;
} ngi_terms;

/** Takes `text` apart. Errors: NG_E_INVALID (empty, too long, not UTF-8, more than
 *  NGI_QUERY_TERMS_MAX terms, an operator without a term, a weight out of range, a phrase of more
 *  than NGI_PHRASE_WORDS_MAX words), and those of `find`. */
NG_MUST_USE ng_status ngi_terms_parse(ngi_terms *terms, const char *text, size_t bytes,
                                      ngi_label_find_fn find, void *context);

#endif
