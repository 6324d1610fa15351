/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text to terms: fold, split, mark the operators, match labels from the left, longest first. */
#include "mind/mind_terms.h"

#include "mind/mind_text.h"

#include <string.h>

#define TERMS_WEIGHT_BYTES 15u /* of a weight: more digits than a double holds are a word */

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
    terms->words[terms->word_count].quoted = 0;
    terms->words[terms->word_count].weight = 0;
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

/* Reads "2.5*" at the beginning of a word; returns its bytes, 0 if there is no weight. */
static size_t terms_read_weight(const char *word, size_t bytes, double *weight)
{
    double value = 0, unit = 1;
    size_t at = 0, digits = 0;
    bool is_fraction = false;
    for (; at < bytes && at < TERMS_WEIGHT_BYTES; at++) {
        if (word[at] == '.' && !is_fraction && digits > 0) {
            is_fraction = true;
            digits = 0;
            continue;
        }
        if (word[at] < '0' || word[at] > '9')
            break;
        digits++;
        value = value * 10 + (word[at] - '0');
        unit = is_fraction ? unit * 10 : unit;
    }
    if (digits == 0 || at + 1 >= bytes || word[at] != '*')
        return 0;
    *weight = value / unit;
    return at + 1;
}

/* The quotation mark that closes a phrase of `text`, which begins behind the opening one. NULL: none
 * does, or there is nothing between them. */
static const char *terms_find_close(const char *text, const char *stop)
{
    for (const char *at = text; at < stop; at++) {
        if (*at == '"' && (at + 1 == stop || at[1] == ' '))
            return at > text && !(at == text + 1 && *text == ' ') ? at : NULL;
    }
    return NULL;
}

/* Adds the words of a phrase in quotation marks. */
static ng_status terms_add_phrase(ngi_terms *terms, const char *text, const char *stop)
{
    size_t first = terms->word_count;
    while (text < stop) {
        const char *end = memchr(text, ' ', (size_t)(stop - text));
        if (end == NULL)
            end = stop;
        if (end > text) {
            terms_add_word(terms, text, (size_t)(end - text));
            terms->words[terms->word_count - 1].is_operator = false;
        }
        text = end + (end < stop);
    }
    if (terms->word_count - first > NGI_PHRASE_WORDS_MAX)
        return ngi_fail(NG_E_INVALID, "text has a phrase of %zu words, more than %d",
                        terms->word_count - first, NGI_PHRASE_WORDS_MAX);
    terms->words[first].quoted = (uint8_t)(terms->word_count - first);
    return NG_OK;
}

static bool terms_is_plain(const char *word, size_t bytes)
{
    return memchr(word, '_', bytes) == NULL && memchr(word, '*', bytes) == NULL && *word != '"';
}

/* Adds what begins at `*text` and moves behind it. */
static ng_status terms_take(ngi_terms *terms, const char **text, const char *stop,
                            const terms_lookup *lookup)
{
    const char *word = *text;
    const char *end = memchr(word, ' ', (size_t)(stop - word));
    end = end == NULL ? stop : end;
    *text = end + (end < stop);
    ng_token_id id;
    ng_status status = NG_OK;
    if (!terms_is_plain(word, (size_t)(end - word)))
        status = terms_find(lookup, word, (size_t)(end - word), &id);
    if (status != NG_E_NOT_FOUND) {
        if (status == NG_OK)
            terms_add_word(terms, word, (size_t)(end - word));
        return status;
    }
    double weight = 0;
    size_t first = terms->word_count;
    size_t weight_bytes = terms_read_weight(word, (size_t)(end - word), &weight);
    if (weight_bytes > 0 && !(weight > 0 && weight <= NGI_QUERY_WEIGHT_MAX))
        return ngi_fail(NG_E_INVALID, "text has the weight %g, which is outside 0..%d, 0 excluded",
                        weight, NGI_QUERY_WEIGHT_MAX);
    word += weight_bytes;
    const char *close = *word == '"' ? terms_find_close(word + 1, stop) : NULL;
    if (close != NULL) {
        status = terms_add_phrase(terms, word + 1, close);
        *text = close + 1 + (close + 1 < stop);
    } else {
        status = NG_OK;
        if (!terms_add_parts(terms, word, (size_t)(end - word)))
            terms_add_word(terms, word, (size_t)(end - word));
        if (weight_bytes > 0)
            terms->words[first].is_operator = false;
    }
    terms->words[first].weight = weight;
    return status;
}

static ng_status terms_split(ngi_terms *terms, const char *text, size_t bytes,
                             const terms_lookup *lookup)
{
    ng_status status = NG_OK;
    for (const char *stop = text + bytes; text < stop && status == NG_OK;)
        status = terms_take(terms, &text, stop, lookup);
    return status;
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

/* Whether a run of `run` words from `first` on may take one more. */
static bool terms_runs_on(const ngi_terms *terms, size_t first, size_t run)
{
    size_t next = first + run;
    return next < terms->word_count && !terms->words[next].is_operator &&
           terms->words[next].quoted == 0 && terms->words[next].weight == 0;
}

/* The term that begins at word `first`. */
static ng_status terms_match(ngi_terms *terms, size_t first, const terms_lookup *lookup,
                             ngi_term *out)
{
    size_t quoted = terms->words[first].quoted;
    size_t run = quoted > 0 ? quoted : 1, least = run;
    while (quoted == 0 && run < NGI_PHRASE_WORDS_MAX && terms_runs_on(terms, first, run))
        run++;
    ng_status status = NG_E_NOT_FOUND;
    for (; status == NG_E_NOT_FOUND && run >= least; run--) {
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
        term->weight = terms->words[i].weight > 0 ? terms->words[i].weight : 1;
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
