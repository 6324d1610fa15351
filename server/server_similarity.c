/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* POST /similarity: pairs of words, or each of some with each of others. POST /odd: the one of several
 * that does not belong to the others. A word is a string, looked up as a query does, or an id. Both
 * run on the pool. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_query.h"

enum { SIMILARITY_PAIRS, SIMILARITY_A, SIMILARITY_B, SIMILARITY_WORDS, SIMILARITY_LISTS };

static const char *const list_names[SIMILARITY_LISTS] = {"pairs", "a", "b", "words"};

/* The words of one field. */
typedef struct word_list {
    ngs_json_value value;
    bool given;
    ngs_json_value *words; /* [count] */
    ng_token_id *ids;      /* [count]; 0 = unknown */
    size_t count;
} word_list;

typedef struct similarity_body {
    ngs_request *request;
    ngs_json_parser *parser;
    word_list lists[SIMILARITY_LISTS];
    int32_t remove_components;
    bool fused;
    char name[80]; /* of the collection; empty = semantic */
    ng_collection_id collection;
    ngs_out unknown; /* words that are not known, with commas between */
} similarity_body;

static void similarity_release(similarity_body *body)
{
    for (int i = 0; i < SIMILARITY_LISTS; i++) {
        free(body->lists[i].words);
        free(body->lists[i].ids);
    }
    ngs_out_release(&body->unknown);
    if (body->parser != NULL)
        ngs_parser_give(body->request->server, body->parser);
}

/* ------------------------------------------------------------------------------------- reading */

/* The fields by their names; `lists` has a bit for each list that may be given. */
static bool similarity_fields(similarity_body *body, unsigned lists)
{
    ngs_json_walk walk;
    ngs_json_value value;
    const char *key;
    size_t count;
    bool components = false, fused = false;
    if (!ngs_body_open(body->request, &body->parser, &walk))
        return false;
    while (ngs_json_next(&walk, &key, &count, &value)) {
        int list = 0;
        while (list < SIMILARITY_LISTS &&
               ((lists & 1u << list) == 0 || strlen(list_names[list]) != count ||
                memcmp(list_names[list], key, count) != 0))
            list++;
        bool is_components = count == 17 && memcmp(key, "remove_components", 17) == 0;
        bool is_fused =
            (lists & 1u << SIMILARITY_PAIRS) != 0 && count == 5 && memcmp(key, "fused", 5) == 0;
        bool is_collection = count == 10 && memcmp(key, "collection", 10) == 0;
        if (list < SIMILARITY_LISTS && !body->lists[list].given) {
            body->lists[list].given = true;
            body->lists[list].value = value;
        } else if (is_components && !components) {
            components = true;
            ngs_read_components(body->request, value, &body->remove_components);
        } else if (is_fused && !fused) {
            fused = true;
            ngs_read_bool(body->request, value, "body.fused", &body->fused);
        } else if (is_collection && body->name[0] == '\0') {
            ngs_read_name(body->request, value, "body.collection", body->name, sizeof body->name);
        } else {
            ngs_unknown_field(body->request, key, count,
                              list < SIMILARITY_LISTS || is_components || is_fused ||
                                  is_collection);
        }
    }
    return true;
}

static bool word_check(ngs_request *request, ngs_json_value value, const char *field)
{
    uint64_t id;
    if (ngs_json_type_of(value) == NGS_JSON_STRING)
        return true;
    if (ngs_json_type_of(value) == NGS_JSON_INTEGER)
        return ngs_read_id(request, value, field, &id);
    ngs_wrong_type(request, value, field, "a word or an id");
    return false;
}

/* One element: a word, or with `pair` two of them. False: no more need be read. */
static bool list_element(ngs_request *request, word_list *list, ngs_json_value value,
                         const char *name, bool pair)
{
    ngs_json_walk walk;
    ngs_json_value word;
    char field[48];
    size_t words = 0;
    if (!pair) {
        snprintf(field, sizeof field, "body.%s[%zu]", name, list->count);
        list->words[list->count++] = value;
        return word_check(request, value, field) || request->problems.count <= NGS_PROBLEMS_MAX;
    }
    snprintf(field, sizeof field, "body.%s[%zu]", name, list->count / 2);
    bool valid = ngs_json_type_of(value) == NGS_JSON_ARRAY && ngs_json_begin(value, &walk);
    while (valid && ngs_json_next(&walk, NULL, NULL, &word)) {
        if (words < 2)
            list->words[list->count + words] = word;
        words++;
    }
    if (words != 2)
        ngs_problem(request, field, "type_error", "an array of two words or ids is expected");
    else if (word_check(request, list->words[list->count], field))
        word_check(request, list->words[list->count + 1], field);
    list->count += 2;
    return request->problems.count <= NGS_PROBLEMS_MAX;
}

/* From `least` to `most` elements. False without memory. */
static bool list_read(similarity_body *body, int which, size_t least, size_t most)
{
    word_list *list = &body->lists[which];
    ngs_request *request = body->request;
    bool pair = which == SIMILARITY_PAIRS;
    ngs_json_walk walk, counting;
    ngs_json_value element;
    size_t count = 0;
    char field[24];
    snprintf(field, sizeof field, "body.%s", list_names[which]);
    if (ngs_json_type_of(list->value) != NGS_JSON_ARRAY || !ngs_json_begin(list->value, &walk)) {
        ngs_wrong_type(request, list->value, field, pair ? "an array of pairs" : "an array");
        return true;
    }
    counting = walk;
    while (count <= most && ngs_json_next(&counting, NULL, NULL, &element))
        count++;
    if (count < least || count > most) {
        ngs_problem(request, field, "value_error", "%s%zu elements are outside %zu..%zu",
                    count > most ? "at least " : "", count, least, most);
        return true;
    }
    size_t words = pair ? 2 * count : count;
    list->words = calloc(words, sizeof *list->words);
    list->ids = calloc(words, sizeof *list->ids);
    if (list->words == NULL || list->ids == NULL)
        return false;
    while (ngs_json_next(&walk, NULL, NULL, &element) &&
           list_element(request, list, element, list_names[which], pair))
        ;
    return true;
}

static void out_word(ngs_out *out, ngs_json_value word)
{
    const char *text;
    size_t bytes;
    uint64_t id = 0;
    if (ngs_json_string(word, &text, &bytes)) {
        ngs_out_string(out, text, bytes);
    } else {
        (void)ngs_json_u64(word, &id);
        ngs_out_u64(out, id);
    }
}

/* The token of a word, 0 = there is none. */
static ng_status word_find(const similarity_body *body, ngs_json_value word, ng_token_id *out)
{
    const ng_store *store = body->request->server->store;
    const char *text;
    size_t bytes;
    bool exists = false;
    ng_status status;
    if (ngs_json_string(word, &text, &bytes)) {
        status = ng_word_find(store, body->collection, text, bytes, out);
    } else {
        (void)ngs_json_u64(word, out);
        status = ng_token_exists(store, *out, &exists);
        if (status == NG_OK && !exists)
            status = NG_E_NOT_FOUND;
    }
    if (status != NG_OK)
        *out = 0;
    return status == NG_E_NOT_FOUND || status == NG_E_INVALID ? NG_OK : status;
}

/* Looks up every word; false: replied. */
static bool similarity_resolve(similarity_body *body)
{
    ngs_request *request = body->request;
    ng_status status = NG_OK;
    body->collection = NG_COLLECTION_SEMANTIC;
    if (body->name[0] != '\0' &&
        ng_collection_find(request->server->store, body->name, &body->collection) != NG_OK) {
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Collection \"%.64s\" not found",
                        body->name);
        return false;
    }
    for (int i = 0; i < SIMILARITY_LISTS; i++) {
        word_list *list = &body->lists[i];
        for (size_t j = 0; j < list->count && status == NG_OK; j++) {
            status = word_find(body, list->words[j], &list->ids[j]);
            if (list->ids[j] != 0 || status != NG_OK)
                continue;
            if (body->unknown.size > 0)
                ngs_out_char(&body->unknown, ',');
            out_word(&body->unknown, list->words[j]);
        }
    }
    if (status != NG_OK)
        ngs_reply_status(request, status);
    return status == NG_OK;
}

/* ------------------------------------------------------------------------------------- writing */

static void out_value(ngs_out *out, double value)
{
    if (isnan(value))
        ngs_out_text(out, "null");
    else
        ngs_out_float(out, (float)value);
}

static void out_values(ngs_out *out, const double *values, size_t count)
{
    ngs_out_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        out_value(out, values[i]);
    }
    ngs_out_char(out, ']');
}

static void out_unknown(ngs_out *out, const ngs_out *unknown)
{
    ngs_out_text(out, ",\"unknown\":[");
    if (unknown->size > 0)
        ngs_out_raw(out, unknown->bytes, unknown->size);
    ngs_out_char(out, ']');
    if (unknown->failed)
        out->failed = true;
}

/* ------------------------------------------------------------------------------------ handlers */

static ng_status similarity_compute(const similarity_body *body, double *values, size_t *found)
{
    const ng_store *store = body->request->server->store;
    const word_list *pairs = &body->lists[SIMILARITY_PAIRS], *a = &body->lists[SIMILARITY_A],
                    *b = &body->lists[SIMILARITY_B];
    if (pairs->given)
        return ng_similarity_many(store, (const ng_token_id(*)[2])(const void *)pairs->ids,
                                  pairs->count / 2, body->remove_components, values, found);
    return ng_similarity_matrix(store, a->ids, a->count, b->given ? b->ids : NULL, b->count,
                                body->remove_components, values, found);
}

static void out_parts(ngs_out *out, const ng_fused *fused)
{
    ngs_out_text(out, "{\"by_vectors\":");
    ngs_out_bool(out, fused->by_vectors);
    ngs_out_text(out, ",\"by_links\":");
    ngs_out_bool(out, fused->by_links);
    ngs_out_text(out, ",\"antonyms\":");
    ngs_out_bool(out, fused->antonyms);
    ngs_out_text(out, ",\"cosine\":");
    out_value(out, fused->cosine);
    ngs_out_text(out, ",\"retrofitted\":");
    out_value(out, fused->retrofitted);
    ngs_out_text(out, ",\"taxonomic\":");
    out_value(out, fused->taxonomic);
    ngs_out_text(out, ",\"hops\":");
    if (fused->by_links && fused->hops != NG_FUSED_NO_PATH)
        ngs_out_u64(out, fused->hops);
    else
        ngs_out_text(out, "null");
    ngs_out_char(out, '}');
}

static void fused_reply(const similarity_body *body)
{
    const word_list *pairs = &body->lists[SIMILARITY_PAIRS];
    const ng_fused_options options = {.struct_size = sizeof options,
                                      .remove_components = body->remove_components};
    size_t count = pairs->count / 2, found = 0;
    ng_fused *fused = calloc(count, sizeof *fused);
    if (fused == NULL) {
        ngs_reply_status_text(body->request, NG_E_NOMEM, "no memory for the answer");
        return;
    }
    ng_status status = ng_similarity_fused_many(body->request->server->store,
                                                (const ng_token_id(*)[2])(const void *)pairs->ids,
                                                count, &options, fused, &found);
    if (status == NG_OK) {
        ngs_out *out = ngs_reply_data(body->request, 200);
        ngs_out_text(out, "{\"similarities\":[");
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                ngs_out_char(out, ',');
            out_value(out, fused[i].score);
        }
        ngs_out_text(out, "],\"parts\":[");
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                ngs_out_char(out, ',');
            out_parts(out, &fused[i]);
        }
        ngs_out_text(out, "],\"count\":");
        ngs_out_u64(out, count);
        ngs_out_text(out, ",\"found\":");
        ngs_out_u64(out, found);
        out_unknown(out, &body->unknown);
        ngs_out_char(out, '}');
    } else {
        ngs_reply_status(body->request, status);
    }
    free(fused);
}

static void similarity_reply(const similarity_body *body)
{
    const word_list *pairs = &body->lists[SIMILARITY_PAIRS], *a = &body->lists[SIMILARITY_A],
                    *b = &body->lists[SIMILARITY_B];
    size_t rows = pairs->given ? 1 : a->count, found = 0;
    size_t columns = pairs->given ? pairs->count / 2 : b->given ? b->count : a->count;
    double *values = calloc(rows * columns, sizeof *values);
    if (values == NULL) {
        ngs_reply_status_text(body->request, NG_E_NOMEM, "no memory for the answer");
        return;
    }
    ng_status status = similarity_compute(body, values, &found);
    if (status == NG_OK) {
        ngs_out *out = ngs_reply_data(body->request, 200);
        ngs_out_text(out, pairs->given ? "{\"similarities\":" : "{\"matrix\":[");
        for (size_t row = 0; row < rows; row++) {
            if (row > 0)
                ngs_out_char(out, ',');
            out_values(out, values + row * columns, columns);
        }
        ngs_out_text(out, pairs->given ? ",\"count\":" : "],\"count\":");
        ngs_out_u64(out, rows * columns);
        ngs_out_text(out, ",\"found\":");
        ngs_out_u64(out, found);
        out_unknown(out, &body->unknown);
        ngs_out_char(out, '}');
    } else {
        ngs_reply_status(body->request, status);
    }
    free(values);
}

/* What the lists mean together; false: replied. */
static bool similarity_check(similarity_body *body)
{
    word_list *lists = body->lists;
    ngs_request *request = body->request;
    bool memory = true;
    if (lists[SIMILARITY_PAIRS].given == lists[SIMILARITY_A].given)
        ngs_problem(request, "body.pairs", lists[SIMILARITY_A].given ? "value_error" : "missing",
                    "either pairs or a, which may have b beside it, are wanted");
    if (lists[SIMILARITY_B].given && !lists[SIMILARITY_A].given)
        ngs_problem(request, "body.b", "value_error", "it goes with a");
    if (body->fused && !lists[SIMILARITY_PAIRS].given)
        ngs_problem(request, "body.fused", "value_error", "it goes with pairs");
    if (lists[SIMILARITY_PAIRS].given)
        memory = list_read(body, SIMILARITY_PAIRS, 1, NGS_PAIRS_MAX);
    for (int i = SIMILARITY_A; i <= SIMILARITY_B && memory; i++)
        if (lists[i].given)
            memory = list_read(body, i, 1, NGS_WORDS_MAX);
    size_t columns =
        lists[SIMILARITY_B].given ? lists[SIMILARITY_B].count : lists[SIMILARITY_A].count;
    if (lists[SIMILARITY_A].count * columns > NGS_CELLS_MAX)
        ngs_problem(request, "body.a", "value_error", "%zu times %zu words are more than %d",
                    lists[SIMILARITY_A].count, columns, NGS_CELLS_MAX);
    if (!memory) {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the words");
        return false;
    }
    return !ngs_problems_reply(request);
}

void ngs_similarity(ngs_request *request)
{
    similarity_body body = {.request = request};
    const unsigned lists = 1u << SIMILARITY_PAIRS | 1u << SIMILARITY_A | 1u << SIMILARITY_B;
    request->settles = true;
    if (similarity_fields(&body, lists) && similarity_check(&body) && similarity_resolve(&body))
        (body.fused ? fused_reply : similarity_reply)(&body);
    similarity_release(&body);
}

static void out_score(ngs_out *out, ngs_json_value word, ng_token_id id, double score)
{
    ngs_out_text(out, "{\"word\":");
    out_word(out, word);
    ngs_out_text(out, ",\"token_id\":");
    ngs_out_u64(out, id);
    ngs_out_text(out, ",\"score\":");
    out_value(out, score);
    ngs_out_char(out, '}');
}

static void odd_reply(const similarity_body *body)
{
    const word_list *list = &body->lists[SIMILARITY_WORDS];
    double scores[NGS_WORDS_MAX];
    size_t odd = 0;
    if (body->unknown.size > 0) {
        ngs_out details = {0};
        ngs_out_text(&details, "{\"unknown\":[");
        ngs_out_raw(&details, body->unknown.bytes, body->unknown.size);
        ngs_out_raw(&details, "]}", 3); /* with its NUL */
        ngs_reply_error(body->request, 404, "RESOURCE_NOT_FOUND",
                        details.failed ? NULL : details.bytes, "some of the words are not known");
        ngs_out_release(&details);
        return;
    }
    ng_status status = ng_odd_one_out(body->request->server->store, list->ids, list->count,
                                      body->remove_components, &odd, scores);
    if (status != NG_OK) {
        ngs_reply_status(body->request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(body->request, 200);
    ngs_out_text(out, "{\"index\":");
    ngs_out_u64(out, odd);
    ngs_out_text(out, ",\"odd\":");
    out_score(out, list->words[odd], list->ids[odd], scores[odd]);
    ngs_out_text(out, ",\"scores\":[");
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            ngs_out_char(out, ',');
        out_score(out, list->words[i], list->ids[i], scores[i]);
    }
    ngs_out_text(out, "]}");
}

static bool odd_check(similarity_body *body)
{
    bool memory = true;
    if (!body->lists[SIMILARITY_WORDS].given)
        ngs_problem(body->request, "body.words", "missing", "the field is required");
    else
        memory = list_read(body, SIMILARITY_WORDS, 3, NGS_WORDS_MAX);
    if (!memory) {
        ngs_reply_status_text(body->request, NG_E_NOMEM, "no memory for the words");
        return false;
    }
    return !ngs_problems_reply(body->request);
}

void ngs_odd(ngs_request *request)
{
    similarity_body body = {.request = request};
    request->settles = true;
    if (similarity_fields(&body, 1u << SIMILARITY_WORDS) && odd_check(&body) &&
        similarity_resolve(&body))
        odd_reply(&body);
    similarity_release(&body);
}
