/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tags, data and expiry of the twin. */
#include "twin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TAGS_MAX 32
#define TAG_WORDS 40
#define DATA_MAX 65536

static void *attributes_allocate(size_t bytes)
{
    void *block = calloc(1, bytes == 0 ? 1 : bytes);
    if (block == NULL)
        abort();
    return block;
}

static int tag_order(const ng_text *a, const ng_text *b)
{
    size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order = memcmp(a->text, b->text, shorter);
    return order != 0 ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

/* The least that comes after `last`, or NULL: slow, and right. */
static const ng_text *tag_after(const ng_text *tags, size_t count, const ng_text *last)
{
    const ng_text *least = NULL;
    for (size_t i = 0; i < count; i++) {
        if ((last == NULL || tag_order(&tags[i], last) > 0) &&
            (least == NULL || tag_order(&tags[i], least) < 0))
            least = &tags[i];
    }
    return least;
}

static void take_tags(twin_token *token, const ng_token_fields *fields)
{
    free(token->tags);
    token->tags = attributes_allocate(fields->tag_count * 65);
    token->tag_bytes = 0;
    const ng_text *tag = NULL;
    while ((tag = tag_after(fields->tags, fields->tag_count, tag)) != NULL) {
        memcpy(token->tags + token->tag_bytes, tag->text, tag->bytes);
        token->tag_bytes += tag->bytes + 1;
    }
}

const char *const twin_index_names[TWIN_INDEXES] = {"n", "word"};

bool twin_data_values(const twin_token *token, unsigned *n, char word[16])
{
    size_t bytes = token->data_bytes;
    return bytes > 0 && token->data[bytes - 1] == '}' &&
           sscanf(token->data, "{\"n\": %u, \"word\": \"%15[^\"]", n, word) == 2;
}

ng_status twin_perform_index(ng_store *store, const twin_op *op, const ng_write_options *write)
{
    static const ng_index_type types[TWIN_INDEXES] = {NG_INDEX_INTEGER, NG_INDEX_KEYWORD};
    const char *name = twin_index_names[op->index];
    return op->drops ? ng_index_drop(store, name, write)
                     : ng_index_declare(store, name, name, types[op->index], write);
}

const char *twin_compare_indexes(const twin_state *twin, const ng_store *store, char *out)
{
    ng_index_info infos[TWIN_INDEXES];
    size_t count = 0, declared = 0;
    uint64_t values = 0;
    unsigned n;
    char word[16];
    for (size_t i = 0; i < twin->token_count; i++)
        values += twin->tokens[i].alive && twin_data_values(&twin->tokens[i], &n, word);
    ng_status status = ng_index_list(store, infos, TWIN_INDEXES, &count);
    for (int i = 0; i < TWIN_INDEXES; i++)
        declared += twin->indexes[i];
    if (status != NG_OK || count != declared)
        return TWIN_DIFFER(out, "%zu indexes (%s), expected %zu", count, ng_status_name(status),
                           declared);
    for (size_t i = 0; i < count; i++) {
        if (infos[i].count != values)
            return TWIN_DIFFER(out, "index %s has %" PRIu64 " values, expected %" PRIu64,
                               infos[i].name, infos[i].count, values);
    }
    return NULL;
}

void twin_take_attributes(twin_token *token, const ng_token_fields *fields)
{
    if (fields->set & NG_FIELD_TAGS)
        take_tags(token, fields);
    if (fields->set & NG_FIELD_DATA) {
        free(token->data);
        token->data = attributes_allocate(fields->data_bytes);
        token->data_bytes = fields->data_bytes;
        if (fields->data_bytes > 0)
            memcpy(token->data, fields->data, fields->data_bytes);
    }
    if (fields->set & NG_FIELD_EXPIRY)
        token->expires_us = fields->expires_us;
}

static void random_tags(test_random *random, ng_token_fields *fields)
{
    size_t count = test_random_chance(random, 10) ? test_random_below(random, TAGS_MAX + 1)
                                                  : test_random_below(random, 5);
    ng_text *tags = attributes_allocate(count * sizeof *tags);
    for (size_t i = 0; i < count; i++) {
        char *text = attributes_allocate(65);
        unsigned word = (unsigned)test_random_below(random, TAG_WORDS);
        int bytes = word == 7 ? snprintf(text, 65, "%064u", word)
                              : snprintf(text, 65, word % 3 == 0 ? "метка %u" : "tag-%u", word);
        tags[i] = (ng_text){text, (size_t)bytes};
    }
    fields->set |= NG_FIELD_TAGS;
    fields->tags = tags;
    fields->tag_count = count;
}

static void random_data(test_random *random, ng_token_fields *fields)
{
    size_t bytes = test_random_chance(random, 5) ? test_random_below(random, 8000)
                                                 : test_random_below(random, 200);
    char *text = attributes_allocate(bytes + 96);
    int head = snprintf(text, 96, "{\"n\": %llu, \"word\": \"w%llu\", \"rest\": \"",
                        (unsigned long long)test_random_below(random, 50),
                        (unsigned long long)test_random_below(random, 9));
    memset(text + head, 'r', bytes);
    memcpy(text + (size_t)head + bytes, "\"}", 2);
    fields->set |= NG_FIELD_DATA;
    fields->data = text;
    fields->data_bytes = (size_t)head + bytes + 2;
    if (test_random_chance(random, 20))
        fields->data_bytes -= 1; /* no JSON any more */
}

void twin_random_attributes(test_random *random, ng_token_fields *fields, bool is_update)
{
    if (test_random_chance(random, is_update ? 20 : 35))
        random_tags(random, fields);
    if (test_random_chance(random, is_update ? 15 : 25))
        random_data(random, fields);
    else if (is_update && test_random_chance(random, 5))
        fields->set |= NG_FIELD_DATA; /* no bytes: takes the payload away */
    if (test_random_chance(random, 15)) {
        fields->set |= NG_FIELD_EXPIRY;
        /* Far in the future, or never: nothing expires on its own. */
        if (test_random_chance(random, 70))
            fields->expires_us =
                UINT64_C(9000000000000000) + test_random_below(random, 20) * 1000000;
    }
}

void twin_spoil_attributes(test_random *random, ng_token_fields *fields)
{
    twin_attributes_release(fields);
    if (test_random_chance(random, 50)) {
        ng_text *tags = attributes_allocate(sizeof *tags);
        char *text = attributes_allocate(66);
        bool is_long = test_random_chance(random, 50);
        memset(text, is_long ? 'l' : 0x1F, 65);
        *tags = (ng_text){text, is_long ? 65 : 3};
        fields->set |= NG_FIELD_TAGS;
        fields->tags = tags;
        fields->tag_count = 1;
        return;
    }
    bool is_long = test_random_chance(random, 30);
    size_t bytes = is_long ? DATA_MAX + 1 : 7;
    char *text = attributes_allocate(bytes);
    memset(text, is_long ? 'l' : test_random_chance(random, 50) ? 0xFF : 0, bytes);
    fields->set |= NG_FIELD_DATA;
    fields->data = text;
    fields->data_bytes = bytes;
}

void twin_attributes_release(ng_token_fields *fields)
{
    for (size_t i = 0; i < fields->tag_count; i++)
        free((void *)(uintptr_t)fields->tags[i].text);
    free((void *)(uintptr_t)fields->tags);
    free((void *)(uintptr_t)fields->data);
    fields->tags = NULL;
    fields->data = NULL;
    fields->tag_count = fields->data_bytes = 0;
}

uint32_t twin_tag_count(const twin_token *token)
{
    uint32_t count = 0;
    for (size_t i = 0; i < token->tag_bytes; i++)
        count += token->tags[i] == '\0';
    return count;
}

static bool same_bytes(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return a_bytes == b_bytes && (a_bytes == 0 || memcmp(a, b, a_bytes) == 0);
}

bool twin_same_attributes(const twin_token *a, const twin_token *b)
{
    return same_bytes(a->tags, a->tag_bytes, b->tags, b->tag_bytes) &&
           same_bytes(a->data, a->data_bytes, b->data, b->data_bytes) &&
           a->expires_us == b->expires_us;
}

const char *twin_compare_attributes(const ng_store *store, const ng_txn *txn,
                                    const twin_token *token, char *out)
{
    static _Thread_local char text[DATA_MAX + 1];
    size_t bytes = SIZE_MAX;
    ng_status status = txn != NULL ? ng_txn_token_tags(txn, token->id, text, sizeof text, &bytes)
                                   : ng_token_tags(store, token->id, text, sizeof text, &bytes);
    if (status != NG_OK || !same_bytes(text, bytes, token->tags, token->tag_bytes))
        return TWIN_DIFFER(out, "token %" PRIu64 ": %zu bytes of tags (%s), expected %zu",
                           token->id, bytes, ng_status_name(status), token->tag_bytes);
    bytes = SIZE_MAX;
    status = txn != NULL ? ng_txn_token_data(txn, token->id, text, sizeof text, &bytes)
                         : ng_token_data(store, token->id, text, sizeof text, &bytes);
    if (status != NG_OK || !same_bytes(text, bytes, token->data, token->data_bytes) ||
        text[bytes] != '\0')
        return TWIN_DIFFER(out, "token %" PRIu64 ": %zu bytes of data (%s), expected %zu",
                           token->id, bytes, ng_status_name(status), token->data_bytes);
    return NULL;
}
