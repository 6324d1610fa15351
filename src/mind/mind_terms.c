/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text to terms: fold, split, mark the operators, match labels from the left, longest first. */
#include "mind/mind_terms.h"

#include "mind/mind_text.h"

#include <string.h>

typedef struct terms_lookup {
    ngi_label_find_fn find;
    void *context;
} terms_lookup;

static ng_status terms_find(const terms_lookup *lookup, const char *label, size_t bytes,
                            ng_token_id *id)
{
    *id = 0;
    if (bytes > NGI_LABEL_BYTES_MAX)
        return NG_E_NOT_FOUND;
    return lookup->find(lookup->context, label, bytes, id);
}

static void terms_add_word(ngi_terms *terms, const char *word, size_t bytes)
{
    if (terms->text_bytes > 0)
        terms->text[terms->text_bytes++] = ' ';
    memcpy(terms->text + terms->text_bytes, word, bytes);
    terms->words[terms->word_count].begin = (uint32_t)terms->text_bytes;
    terms->words[terms->word_count].bytes = (uint32_t)bytes;
    terms->words[terms->word_count].is_operator = bytes == 1 && (*word == '+' || *word == '-');
    terms->word_count++;
    terms->text_bytes += bytes;
}

/* Adds what stands between underscores; false if that is nothing. */
static bool terms_add_parts(ngi_terms *terms, const char *word, size_t bytes)
{
    bool any = false;
    for (const char *stop = word + bytes; word < stop;) {
        const char *end = memchr(word, '_', (size_t)(stop - word));
        if (end == NULL)
            end = stop;
        if (end > word) {
            terms_add_word(terms, word, (size_t)(end - word));
            any = true;
        }
        word = end + (end < stop);
    }
    return any;
}

static ng_status terms_split(ngi_terms *terms, const char *text, size_t bytes,
                             const terms_lookup *lookup)
{
    for (const char *stop = text + bytes; text < stop;) {
        const char *end = memchr(text, ' ', (size_t)(stop - text));
        if (end == NULL)
            end = stop;
        size_t word_bytes = (size_t)(end - text);
        ng_token_id id;
        ng_status status = NG_OK;
        if (memchr(text, '_', word_bytes) != NULL)
            status = terms_find(lookup, text, word_bytes, &id);
        if (status != NG_OK && status != NG_E_NOT_FOUND)
            return status;
        if (status == NG_OK || !terms_add_parts(terms, text, word_bytes))
            terms_add_word(terms, text, word_bytes);
        text = end + (end < stop);
    }
    return NG_OK;
}

/* A text of nothing but operators: the last one is meant as a word. */
static void terms_free_operator(ngi_terms *terms)
{
    for (size_t i = 0; i < terms->word_count; i++) {
        if (!terms->words[i].is_operator)
            return;
    }
    terms->words[terms->word_count - 1].is_operator = false;
}

/* The term that begins at word `first`. */
static ng_status terms_match(ngi_terms *terms, size_t first, const terms_lookup *lookup,
                             ngi_term *out)
{
    size_t run = 1;
    while (run < NGI_PHRASE_WORDS_MAX && first + run < terms->word_count &&
           !terms->words[first + run].is_operator)
        run++;
    ng_status status = NG_E_NOT_FOUND;
    for (; status == NG_E_NOT_FOUND && run > 0; run--) {
        uint32_t begin = terms->words[first].begin;
        uint32_t end = terms->words[first + run - 1].begin + terms->words[first + run - 1].bytes;
        *out = (ngi_term){.begin = begin,
                          .bytes = end - begin,
                          .first_word = (uint32_t)first,
                          .word_count = (uint32_t)run};
        status = terms_find(lookup, terms->text + begin, end - begin, &out->id);
    }
    if (status == NG_E_NOT_FOUND)
        out->id = 0;
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

static ng_status terms_build(ngi_terms *terms, const terms_lookup *lookup)
{
    int sign = 1;
    for (size_t i = 0; i < terms->word_count;) {
        if (terms->words[i].is_operator) {
            char symbol = terms->text[terms->words[i].begin];
            if (++i == terms->word_count)
                return ngi_fail(NG_E_INVALID, "operator '%c' at the end has no word after it",
                                symbol);
            sign = symbol == '-' ? -sign : sign;
            continue;
        }
        if (terms->count == NGI_QUERY_TERMS_MAX)
            return ngi_fail(NG_E_INVALID, "text has more than %d words or phrases",
                            NGI_QUERY_TERMS_MAX);
        ngi_term *term = &terms->terms[terms->count];
        ng_status status = terms_match(terms, i, lookup, term);
        if (status != NG_OK)
            return status;
        term->sign = sign;
        terms->count++;
        i += term->word_count;
        sign = 1;
    }
    return NG_OK;
}

ng_status ngi_terms_parse(ngi_terms *terms, const char *text, size_t bytes, ngi_label_find_fn find,
                          void *context)
{
    char folded[NGI_QUERY_BYTES_MAX];
    size_t folded_bytes = 0;
    terms_lookup lookup = {find, context};

    terms->text_bytes = terms->word_count = terms->count = 0;
    if (bytes > NGI_QUERY_BYTES_MAX)
        return ngi_fail(NG_E_INVALID, "text of %zu bytes is longer than %d", bytes,
                        NGI_QUERY_BYTES_MAX);
    if (!ngi_text_is_utf8(text, bytes))
        return ngi_fail(NG_E_INVALID, "text is not valid UTF-8");
    ng_status status = ngi_text_fold(text, bytes, folded, sizeof folded, &folded_bytes);
    if (status != NG_OK)
        return ngi_fail(NG_E_INVALID, "text is longer than %d bytes when folded",
                        NGI_QUERY_BYTES_MAX);
    if (folded_bytes == 0)
        return ngi_fail(NG_E_INVALID, "text is empty");
    status = terms_split(terms, folded, folded_bytes, &lookup);
    if (status != NG_OK)
        return status;
    terms_free_operator(terms);
    return terms_build(terms, &lookup);
}
