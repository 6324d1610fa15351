/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* neurograph.h over the store and the mind: argument checks, and memory for stores opened here. */
#include "api/api_private.h"
#include "base/base_limits.h"
#include "mind/mind.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ng_status ngi_api_check_write(const ng_write_options *write)
{
    const uint32_t known = NG_WRITE_NOWAIT | NG_WRITE_IF_ABSENT;
    API_OPTIONS(write);
    if (write != NULL && (write->flags & ~known) != 0)
        return ngi_fail(NG_E_INVALID, "write.flags 0x%X has unknown bits", write->flags);
    if (write != NULL && write->durability > NG_DURABILITY_NONE)
        return ngi_fail(NG_E_INVALID, "write.durability %u is outside 0..3", write->durability);
    return NG_OK;
}

/* What is never part of a transaction, and has no condition but if_seq. */
ng_status ngi_api_check_alone(const ng_write_options *write, const char *what)
{
    ng_status status = ngi_api_check_write(write);
    if (status != NG_OK || write == NULL)
        return status;
    if (write->txn != NULL)
        return ngi_fail(NG_E_INVALID, "write.txn: %s is not part of a transaction", what);
    if (write->if_version != 0 || (write->flags & NG_WRITE_IF_ABSENT))
        return ngi_fail(NG_E_INVALID,
                        "write.if_version and NG_WRITE_IF_ABSENT are not for %s: use if_seq", what);
    return NG_OK;
}

/* --- store ----------------------------------------------------------------------------------- */

/* What a store that was opened here stands on. */
typedef struct api_ground {
    ngi_mem mem; /* first: ngi_store_root_mem finds the rest */
    ngi_os_home home;
} api_ground;

static void api_ground_free(api_ground *ground)
{
    ngi_os_home_release(&ground->home);
    free(ground);
}

ng_status ng_open_preset(const char *name, ng_open_options *options)
{
    API_REQUIRE(name);
    API_REQUIRE(options);
    bool seed = strcmp(name, "seed") == 0;
    if (!seed && strcmp(name, "default") != 0)
        return ngi_fail(NG_E_INVALID, "preset \"%.64s\" is neither default nor seed", name);
    options->max_tokens = seed ? NGI_SEED_TOKENS_MAX : 0;
    options->max_memory_bytes = seed ? NGI_SEED_MEMORY_BYTES : 0;
    options->flags &= ~(uint32_t)NG_OPEN_CLEANUP;
    options->flags |= seed ? NG_OPEN_CLEANUP : 0;
    return NG_OK;
}

ng_status ng_open(const char *path, const ng_open_options *options, ng_store **out)
{
    API_REQUIRE(out);
    *out = NULL;
    API_OPTIONS(options);
    api_ground *ground = malloc(sizeof *ground);
    if (ground == NULL)
        return ngi_fail(NG_E_NOMEM, "store: out of memory");
    ngi_mem_init(&ground->mem, 0); /* the store has a limit of its own */
    ngi_os *os = ngi_os_home_init(&ground->home, path);
    ng_status status = ngi_store_open(os, &ground->mem, path, options, out);
    if (status != NG_OK)
        api_ground_free(ground);
    return status;
}

ng_status ng_close(ng_store *store)
{
    if (store == NULL)
        return NG_OK;
    api_ground *ground = (api_ground *)ngi_store_root_mem(store);
    ng_status status = ngi_store_close(store);
    api_ground_free(ground);
    return status;
}

ng_status ng_wait_durable(ng_store *store, ng_seq seq)
{
    API_REQUIRE(store);
    return ngi_store_wait_durable(store, seq);
}

void ng_positions(const ng_store *store, ng_seq *applied, ng_seq *durable)
{
    if (store != NULL)
        ngi_store_positions(store, applied, durable);
}

ng_status ng_store_info(const ng_store *store, ng_info *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_info(store, out);
}

ng_status ng_store_memory(const ng_store *store, ng_memory *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_memory(store, out);
}

ng_status ng_check(ng_store *store, ng_check_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_check(store, out);
}

ng_status ng_state_hash(ng_store *store, uint64_t *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_hash(store, out);
}

ng_status ng_cdna_get(const ng_store *store, ng_cdna *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_cdna_get(store, out);
}

ng_status ng_cdna_set(ng_store *store, const ng_cdna *cdna, const ng_write_options *write)
{
    API_REQUIRE(store);
    API_REQUIRE(cdna);
    ng_status status = ngi_api_check_alone(write, "the constitution");
    return status != NG_OK ? status : ngi_store_cdna_set(store, cdna, write);
}

ng_status ng_collection_create(ng_store *store, const char *name, const ng_write_options *write,
                               ng_collection_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(name);
    API_REQUIRE(out);
    ng_status status = ngi_api_check_alone(write, "a collection");
    return status != NG_OK ? status : ngi_store_collection_create(store, name, write, out);
}

ng_status ng_collection_find(const ng_store *store, const char *name, ng_collection_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(name);
    API_REQUIRE(out);
    return ngi_store_collection_find(store, name, out);
}

ng_status ng_collection_get(const ng_store *store, ng_collection_id id, char name[65],
                            uint64_t *token_count)
{
    API_REQUIRE(store);
    return ngi_store_collection_get(store, id, name, token_count);
}

ng_status ng_collection_list(const ng_store *store, ng_collection_info *out, size_t capacity,
                             size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_collection_list(store, out, capacity, count);
}

ng_status ng_collection_clear(ng_store *store, ng_collection_id id, const ng_write_options *write,
                              uint64_t *deleted_count)
{
    uint64_t unused;
    API_REQUIRE(store);
    ng_status status = ngi_api_check_alone(write, "clearing a collection");
    if (status != NG_OK)
        return status;
    return ngi_store_collection_clear(store, id, write,
                                      deleted_count != NULL ? deleted_count : &unused);
}

ng_status ng_collection_drop(ng_store *store, ng_collection_id id, const ng_write_options *write,
                             uint64_t *deleted_count)
{
    uint64_t unused;
    API_REQUIRE(store);
    ng_status status = ngi_api_check_alone(write, "dropping a collection");
    if (status != NG_OK)
        return status;
    return ngi_store_collection_drop(store, id, write,
                                     deleted_count != NULL ? deleted_count : &unused);
}

/* --- tokens ---------------------------------------------------------------------------------- */

static ng_status api_check_fields(const ng_token_fields *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        API_OPTIONS(&fields[i]);
        if ((fields[i].set & NG_FIELD_LABEL) && fields[i].label_bytes > 0 && !fields[i].label)
            return api_null("fields.label");
        if ((fields[i].set & NG_FIELD_VECTOR) && fields[i].vector_dimensions > 0 &&
            !fields[i].vector)
            return api_null("fields.vector");
        if ((fields[i].set & NG_FIELD_VECTORS) && fields[i].vector_count > 0 && !fields[i].vectors)
            return api_null("fields.vectors");
        if ((fields[i].set & NG_FIELD_TAGS) && fields[i].tag_count > 0 && !fields[i].tags)
            return api_null("fields.tags");
        if ((fields[i].set & NG_FIELD_DATA) && fields[i].data_bytes > 0 && !fields[i].data)
            return api_null("fields.data");
    }
    return NG_OK;
}

ng_status ng_token_create(ng_store *store, const ng_token_fields *fields,
                          const ng_write_options *write, ng_token_id *out)
{
    const ng_token_fields none = {.struct_size = sizeof none};
    return ng_token_create_many(store, fields != NULL ? fields : &none, 1, write, out);
}

ng_status ng_token_create_many(ng_store *store, const ng_token_fields *fields, size_t count,
                               const ng_write_options *write, ng_token_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(fields);
    API_REQUIRE(out);
    API_WRITE(write);
    ng_status status = count <= NGI_BATCH_MAX ? api_check_fields(fields, count) : NG_OK;
    if (status != NG_OK)
        return status;
    return ngi_store_token_put(store, NULL, fields, count, write, out);
}

ng_status ng_token_read(const ng_store *store, ng_token_id id, ng_token *out)
{
    if (NGI_UNLIKELY(store == NULL))
        return api_null("store");
    if (NGI_UNLIKELY(out == NULL))
        return api_null("out");
    return ngi_store_token_read(store, id, out);
}

ng_status ng_token_get(const ng_store *store, ng_token_id id, ng_token_info *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_token_get(store, id, out);
}

ng_status ng_token_update(ng_store *store, ng_token_id id, const ng_token_fields *fields,
                          const ng_write_options *write)
{
    return ng_token_update_many(store, &id, fields, 1, write);
}

ng_status ng_token_update_many(ng_store *store, const ng_token_id *ids,
                               const ng_token_fields *fields, size_t count,
                               const ng_write_options *write)
{
    API_REQUIRE(store);
    API_REQUIRE(ids);
    API_REQUIRE(fields);
    API_WRITE(write);
    for (size_t i = 0; i < count && count <= NGI_BATCH_MAX; i++) {
        if (ids[i] == 0)
            return ngi_fail_item(ngi_fail(NG_E_INVALID, "id 0 is not a token; ids begin at 1"), i,
                                 count);
    }
    ng_status status = count <= NGI_BATCH_MAX ? api_check_fields(fields, count) : NG_OK;
    return status != NG_OK ? status : ngi_store_token_put(store, ids, fields, count, write, NULL);
}

ng_status ng_token_upsert(ng_store *store, const ng_token_fields *fields,
                          const ng_write_options *write, ng_token_id *out, bool *created)
{
    return ng_token_upsert_many(store, fields, 1, write, out, created);
}

ng_status ng_token_upsert_many(ng_store *store, const ng_token_fields *fields, size_t count,
                               const ng_write_options *write, ng_token_id *out, bool *created)
{
    API_REQUIRE(store);
    API_REQUIRE(fields);
    API_REQUIRE(out);
    API_WRITE(write);
    ng_status status = count <= NGI_BATCH_MAX ? api_check_fields(fields, count) : NG_OK;
    if (status != NG_OK)
        return status;
    return ngi_store_token_upsert(store, fields, count, write, out, created);
}

ng_status ng_token_delete(ng_store *store, ng_token_id id, const ng_write_options *write)
{
    API_REQUIRE(store);
    API_WRITE(write);
    return ngi_store_token_delete(store, id, write);
}

ng_status ng_token_delete_many(ng_store *store, const ng_token_id *ids, size_t count,
                               const ng_write_options *write)
{
    API_REQUIRE(store);
    API_REQUIRE(ids);
    API_WRITE(write);
    return ngi_store_token_delete_many(store, ids, count, write);
}

ng_status ng_token_exists(const ng_store *store, ng_token_id id, bool *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_token_exists(store, id, out);
}

ng_status ng_token_read_many(const ng_store *store, const ng_token_id *ids, size_t count,
                             ng_token *out, size_t *found)
{
    size_t unused;
    API_REQUIRE(store);
    if (count > 0) {
        API_REQUIRE(ids);
        API_REQUIRE(out);
    }
    return ngi_store_token_read_many(store, ids, count, out, found != NULL ? found : &unused);
}

ng_status ng_token_get_many(const ng_store *store, const ng_token_id *ids, size_t count,
                            ng_token_info *out, size_t *found)
{
    size_t unused;
    API_REQUIRE(store);
    if (count > 0) {
        API_REQUIRE(ids);
        API_REQUIRE(out);
    }
    return ngi_store_token_get_many(store, ids, count, out, found != NULL ? found : &unused);
}

ng_status ng_token_find(const ng_store *store, ng_collection_id collection, const char *label,
                        size_t label_bytes, ng_token_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(label);
    API_REQUIRE(out);
    return ngi_store_token_find(store, collection, label, label_bytes, out);
}

ng_status ng_token_label(const ng_store *store, ng_token_id id, char *out, size_t capacity,
                         size_t *bytes)
{
    API_REQUIRE(store);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_label(store, id, out, capacity, bytes);
}

ng_status ng_token_vector(const ng_store *store, ng_token_id id, float *out, size_t capacity,
                          size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_vector(store, id, out, capacity, count);
}

ng_status ng_token_vector_in(const ng_store *store, ng_token_id id, ng_vector_field_id field,
                             float *out, size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_vector_in(store, id, field, out, capacity, count);
}

ng_status ng_token_tags(const ng_store *store, ng_token_id id, char *out, size_t capacity,
                        size_t *bytes)
{
    API_REQUIRE(store);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_tags(store, id, out, capacity, bytes);
}

ng_status ng_token_data(const ng_store *store, ng_token_id id, char *out, size_t capacity,
                        size_t *bytes)
{
    API_REQUIRE(store);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_data(store, id, out, capacity, bytes);
}

ng_status ng_token_expire(ng_store *store, uint64_t limit, const ng_write_options *write,
                          uint64_t *count)
{
    API_REQUIRE(store);
    ng_status status = ngi_api_check_alone(write, "an expiry");
    return status != NG_OK ? status : ngi_store_expire(store, limit, write, count);
}

ng_status ng_token_search(const ng_store *store, const ng_token_search_options *options,
                          ng_token_id *out, size_t capacity, size_t *count, uint64_t *total)
{
    const ng_token_search_options none = {.struct_size = sizeof none};
    API_REQUIRE(store);
    API_REQUIRE(count);
    API_OPTIONS(options);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_search(store, options != NULL ? options : &none, out, capacity, count,
                                  total);
}

ng_status ng_index_declare(ng_store *store, const char *name, const char *path, ng_index_type type,
                           const ng_write_options *write)
{
    API_REQUIRE(store);
    API_REQUIRE(name);
    API_REQUIRE(path);
    ng_status status = ngi_api_check_alone(write, "an index");
    return status != NG_OK ? status : ngi_store_index_declare(store, name, path, type, write);
}

ng_status ng_index_drop(ng_store *store, const char *name, const ng_write_options *write)
{
    API_REQUIRE(store);
    API_REQUIRE(name);
    ng_status status = ngi_api_check_alone(write, "an index");
    return status != NG_OK ? status : ngi_store_index_drop(store, name, write);
}

ng_status ng_index_list(const ng_store *store, ng_index_info *out, size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_index_list(store, out, capacity, count);
}

ng_status ng_token_list(const ng_store *store, ng_collection_id collection, ng_token_id after,
                        ng_token_id *out, size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_list(store, collection, after, out, capacity, count);
}

ng_status ng_token_page(const ng_store *store, const ng_page_options *options, ng_token_id *out,
                        size_t capacity, size_t *count)
{
    const ng_page_options defaults = {.struct_size = sizeof defaults};
    API_REQUIRE(store);
    API_REQUIRE(count);
    API_OPTIONS(options);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_page(store, options != NULL ? options : &defaults, out, capacity, count);
}

ng_status ng_token_count(const ng_store *store, ng_collection_id collection, bool active_only,
                         uint64_t *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_token_count(store, collection, active_only, out);
}

void ng_token_from_state(const float state[NG_SPACE_COUNT], ng_token_fields *fields)
{
    if (state == NULL || fields == NULL)
        return;
    fields->spaces_set = 0xFF;
    fields->spaces_clear = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        fields->coordinates[space][0] = state[space];
        fields->coordinates[space][1] = fields->coordinates[space][2] = 0;
    }
}

uint8_t ng_token_to_state(const ng_store *store, const ng_token *record, float out[NG_SPACE_COUNT])
{
    uint8_t spaces = 0;
    for (int space = 0; out != NULL && space < NG_SPACE_COUNT; space++) {
        float point[NG_AXIS_COUNT] = {0};
        if (ng_token_coordinates(store, record, (ng_space)space, point))
            spaces |= (uint8_t)(1 << space);
        out[space] = point[0];
    }
    return spaces;
}

uint64_t ng_token_age(const ng_store *store, const ng_token *record)
{
    if (store == NULL || record == NULL)
        return 0;
    ngi_os *os = ngi_store_os(store);
    uint64_t now = os->clock_us(os) / 1000000;
    return now > record->timestamp ? now - record->timestamp : 0;
}

bool ng_token_coordinates(const ng_store *store, const ng_token *record, ng_space space,
                          float out[NG_AXIS_COUNT])
{
    if (store == NULL || record == NULL || (unsigned)space >= NG_SPACE_COUNT)
        return false;
    return ngi_store_token_coordinates(store, record, space, out);
}

/* --- bootstrap and query --------------------------------------------------------------------- */

ng_status ng_bootstrap(ng_store *store, const char *path, const ng_bootstrap_options *options,
                       ng_bootstrap_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(path);
    API_OPTIONS(options);
    return ngi_mind_bootstrap(store, path, options, out);
}

ng_status ng_query(const ng_store *store, const char *text, const ng_query_options *options,
                   ng_query_result **out)
{
    API_REQUIRE(store);
    API_REQUIRE(text);
    API_REQUIRE(out);
    *out = NULL;
    API_OPTIONS(options);
    if (options != NULL)
        API_OPTIONS(options->filter);
    ng_status status = options != NULL ? ngi_api_check_remove(options->remove_components) : NG_OK;
    return status != NG_OK ? status : ngi_mind_query(store, text, options, out);
}

ng_status ng_word_find(const ng_store *store, ng_collection_id collection, const char *word,
                       size_t bytes, ng_token_id *out)
{
    API_REQUIRE(store);
    API_REQUIRE(word);
    API_REQUIRE(out);
    return ngi_mind_word_find(store, collection, word, bytes, out);
}

ng_status ng_query_batch(const ng_store *store, ng_query_item *items, size_t count)
{
    API_REQUIRE(store);
    if (count > 0)
        API_REQUIRE(items);
    if (count > NGI_QUERY_BATCH_MAX)
        return ngi_fail(NG_E_INVALID, "count %zu is outside 0..%d", count, NGI_QUERY_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        ng_query_item *item = &items[i];
        item->result = NULL;
        item->error[0] = '\0';
        item->status = ng_query(store, item->text, item->options, &item->result);
        if (item->status != NG_OK)
            snprintf(item->error, sizeof item->error, "%s", ngi_last_error());
    }
    return NG_OK;
}

void ng_query_result_destroy(ng_query_result *result)
{
    ngi_mind_query_result_destroy(result);
}
