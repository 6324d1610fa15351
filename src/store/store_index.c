/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Declared fields of payloads: declaring, dropping, listing. */
#include "store/store_private.h"

#include <string.h>

static bool index_number(const ng_store *store, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < NGI_FIELDS_MAX; i++) {
        const store_field *field = store->attributes.fields.fields[i];
        if (field != NULL && strcmp(field->spec.name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool index_free_number(const ng_store *store, uint32_t *out)
{
    for (uint32_t i = 0; i < NGI_FIELDS_MAX; i++) {
        if (store->attributes.fields.fields[i] == NULL) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* With the log's lock. `*number` is where it goes; `*done` if it is there already. */
static ng_status index_place(const ng_store *store, const ngi_field_spec *spec, uint32_t *number,
                             bool *done)
{
    *done = index_number(store, spec->name, number);
    if (*done) {
        const ngi_field_spec *old = &store->attributes.fields.fields[*number]->spec;
        if (old->type == spec->type && strcmp(old->path, spec->path) == 0)
            return NG_OK;
        return ngi_fail(NG_E_EXISTS, "index '%s' is of '%s' as %s", old->name, old->path,
                        ngi_field_type_name(old->type));
    }
    if (!index_free_number(store, number))
        return ngi_fail(NG_E_LIMIT, "the store holds at most %d indexes", NGI_FIELDS_MAX);
    return NG_OK;
}

ng_status ngi_store_index_declare(ng_store *store, const char *name, const char *path,
                                  ng_index_type type, const ng_write_options *write)
{
    ngi_field_spec spec = {.type = type};
    uint32_t number;
    bool done;
    strncpy(spec.name, name, sizeof spec.name - 1);
    strncpy(spec.path, path, sizeof spec.path - 1);
    if (strlen(name) >= sizeof spec.name || strlen(path) >= sizeof spec.path)
        return ngi_fail(NG_E_INVALID,
                        "index name of %zu or path of %zu bytes is outside 1..%d, 1..%d",
                        strlen(name), strlen(path), NGI_COLLECTION_NAME_MAX, NGI_FIELD_PATH_MAX);
    ng_status status = ngi_field_validate(&spec);
    if (status == NG_OK)
        status = ngi_store_write_begin(store, NGI_OP_INDEX_MAX, write);
    if (status != NG_OK)
        return status;
    status = index_place(store, &spec, &number, &done);
    if (status != NG_OK || done) {
        ngi_store_write_abandon(store);
        if (done && write != NULL && write->seq != NULL)
            *write->seq = 0;
        return status;
    }
    size_t bytes = ngi_op_index_encode(ngi_wal_body(store->wal), number, &spec);
    return ngi_store_write_commit(store, NGI_OP_INDEX_PUT, bytes, write);
}

ng_status ngi_store_index_drop(ng_store *store, const char *name, const ng_write_options *write)
{
    uint32_t number;
    ng_status status = ngi_store_write_begin(store, 8, write);
    if (status != NG_OK)
        return status;
    if (!index_number(store, name, &number)) {
        ngi_store_write_abandon(store);
        return ngi_fail(NG_E_NOT_FOUND, "no index '%.80s'", name);
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, number);
    ngi_put_u32(body + 4, 0);
    return ngi_store_write_commit(store, NGI_OP_INDEX_DELETE, 8, write);
}

ng_status ngi_store_index_list(const ng_store *store, ng_index_info *out, size_t capacity,
                               size_t *count)
{
    *count = 0;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++) {
        const store_field *field = store->attributes.fields.fields[i];
        if (field == NULL)
            continue;
        if (*count < capacity) {
            ng_index_info *info = &out[*count];
            *info = (ng_index_info){.type = field->spec.type, .count = field->by_key.count};
            memcpy(info->name, field->spec.name, sizeof info->name);
            memcpy(info->path, field->spec.path, sizeof info->path);
        }
        ++*count;
    }
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- ops ------------------------------------------------------------------------------------- */

ng_status ngi_store_prepare_index_put(ng_store *store, const uint8_t *body, size_t bytes,
                                      size_t *used)
{
    ngi_field_spec spec;
    uint32_t number, other;
    ng_status status = ngi_op_index_decode(body, bytes, &number, &spec, used);
    if (status != NG_OK)
        return status;
    if (store->attributes.fields.fields[number] != NULL || index_number(store, spec.name, &other))
        return ngi_fail(NG_E_CORRUPT, "op does not fit the state: index %u '%s'", number,
                        spec.name);
    return ngi_attributes_build(&store->attributes, &spec);
}

ng_status ngi_store_prepare_index_delete(const ng_store *store, const ngi_op *op)
{
    if (op->body_bytes != 8 || ngi_get_u32(op->body + 4) != 0 ||
        ngi_get_u32(op->body) >= NGI_FIELDS_MAX ||
        store->attributes.fields.fields[ngi_get_u32(op->body)] == NULL)
        return ngi_fail(NG_E_CORRUPT, "op does not fit the state: index");
    return NG_OK;
}

size_t ngi_store_encode_indexes(const ng_store *store, uint8_t *out, uint32_t *count)
{
    uint8_t *at = out;
    *count = 0;
    for (uint32_t i = 0; i < NGI_FIELDS_MAX; i++) {
        const store_field *field = store->attributes.fields.fields[i];
        if (field == NULL)
            continue;
        at += ngi_op_index_encode(at, i, &field->spec);
        ++*count;
    }
    return (size_t)(at - out);
}
