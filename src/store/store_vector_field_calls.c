/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fields of vectors as a caller meets them: made, dropped, found, listed, and held while searched. */
#include "store/store_private.h"

#include <string.h>

/* The next number, or, when all have been given, the lowest that is free: who still holds the number of
 * a field that was dropped should rather be told so than find another field. */
static ng_status field_number(const ng_store *store, ng_vector_field_id *out)
{
    ng_vector_field_id next = NGI_VECTOR_FIELDS_MAX;
    while (next > 0 && ngi_vector_field(store, next) == NULL)
        next--;
    *out = next + 1;
    if (*out <= NGI_VECTOR_FIELDS_MAX)
        return NG_OK;
    for (*out = 1; *out <= NGI_VECTOR_FIELDS_MAX; ++*out)
        if (ngi_vector_field(store, *out) == NULL)
            return NG_OK;
    return ngi_fail(NG_E_LIMIT, "the store holds at most %d vector fields", NGI_VECTOR_FIELDS_MAX);
}

static ng_status field_place(const ng_store *store, const char *name, ng_vector_field_id *out)
{
    ng_vector_field_id other = ngi_vector_field_named(store, name, strlen(name));
    if (other != 0)
        return ngi_fail(NG_E_EXISTS, "vector field %u is already named '%s'", other, name);
    return field_number(store, out);
}

ng_status ngi_store_vector_field_create(ng_store *store, const char *name,
                                        const ng_vector_field_options *options,
                                        const ng_write_options *write, ng_vector_field_id *out)
{
    size_t bytes = strnlen(name, NGI_VECTOR_FIELD_NAME_MAX + 1);
    size_t padded = (bytes + 7) / 8 * 8;
    ng_vector_field_id id;
    ng_status status = ngi_vector_field_check_name(name, bytes);
    if (status == NG_OK)
        status = ngi_vector_field_check_spec(options->dimensions, (uint32_t)options->metric);
    if (status == NG_OK)
        status = ngi_store_write_begin(store, NGI_OP_VECTOR_FIELD_FIXED + padded, write);
    if (status != NG_OK)
        return status;
    status = field_place(store, name, &id);
    if (status != NG_OK) {
        ngi_store_write_abandon(store);
        return status;
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, id);
    ngi_put_u32(body + 4, (uint32_t)bytes);
    ngi_put_u32(body + 8, options->dimensions);
    ngi_put_u32(body + 12, (uint32_t)options->metric);
    memset(body + NGI_OP_VECTOR_FIELD_FIXED, 0, padded);
    memcpy(body + NGI_OP_VECTOR_FIELD_FIXED, name, bytes);
    status = ngi_store_write_commit(store, NGI_OP_VECTOR_FIELD_PUT,
                                    NGI_OP_VECTOR_FIELD_FIXED + padded, write);
    if (status == NG_OK)
        *out = id;
    return status;
}

ng_status ngi_store_vector_field_drop(ng_store *store, ng_vector_field_id id,
                                      const ng_write_options *write)
{
    if (id == 0)
        return ngi_fail(NG_E_INVALID, "the default field of vectors cannot be dropped");
    ng_status status = ngi_store_write_begin(store, 8, write);
    if (status != NG_OK)
        return status;
    if (ngi_vector_field(store, id) == NULL) {
        ngi_store_write_abandon(store);
        return ngi_vector_field_fail(id);
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, id);
    ngi_put_u32(body + 4, 0);
    return ngi_store_write_commit(store, NGI_OP_VECTOR_FIELD_DROP, 8, write);
}

/* False if it is not there. */
static bool field_info(const ng_store *store, ng_vector_field_id id, ng_vector_field_info *out)
{
    const store_vector_field *field = ngi_vector_field(store, id);
    if (id != 0 && field == NULL)
        return false;
    *out = (ng_vector_field_info){.id = id, .metric = NG_VECTOR_COSINE};
    const ngi_vectors *vectors = field == NULL ? store->vectors : field->vectors;
    out->dimensions = ngi_vectors_dimensions(vectors);
    out->vector_count = ngi_vectors_count(vectors);
    if (field == NULL)
        return true;
    out->metric = field->spec.metric;
    memcpy(out->name, field->spec.name, sizeof field->spec.name);
    return true;
}

ng_status ngi_store_vector_field_get(const ng_store *store, ng_vector_field_id id,
                                     ng_vector_field_info *out)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    if (!field_info(store, id, out))
        status = ngi_vector_field_fail(id);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_vector_field_find(const ng_store *store, const char *name,
                                      ng_vector_field_id *out)
{
    *out = 0;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK || name[0] == '\0') {
        if (status == NG_OK)
            ngi_store_read_end(store);
        return status;
    }
    *out = ngi_vector_field_named(store, name, strlen(name));
    ngi_store_read_end(store);
    return *out != 0 ? NG_OK : ngi_fail(NG_E_NOT_FOUND, "no vector field '%.80s'", name);
}

ng_status ngi_store_vector_field_list(const ng_store *store, ng_vector_field_info *out,
                                      size_t capacity, size_t *count)
{
    *count = 0;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (ng_vector_field_id id = 0; id <= NGI_VECTOR_FIELDS_MAX; id++) {
        ng_vector_field_info info;
        if (!field_info(store, id, &info))
            continue;
        if (*count < capacity)
            out[*count] = info;
        ++*count;
    }
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- searching ------------------------------------------------------------------------------- */

int32_t ngi_vector_field_select(ng_vector_metric metric)
{
    return metric == NG_VECTOR_DOT  ? NGI_SELECT_DOT
           : metric == NG_VECTOR_L2 ? NGI_SELECT_L2
                                    : NG_PLAIN_COSINE;
}

ng_status ngi_searched_begin(const ng_store *store, ng_vector_field_id id,
                             int32_t remove_components, store_searched *out)
{
    *out = (store_searched){.store = store, .select = remove_components};
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    store_vector_field *field = ngi_vector_field(store, id);
    if (id == 0)
        out->held = store->vector_fields.main;
    else if (field == NULL)
        status = ngi_vector_field_fail(id);
    else if (remove_components > 0)
        status = ngi_fail(NG_E_INVALID, "remove_components %d: field '%s' has no components",
                          remove_components, field->spec.name);
    else
        out->held = out->field = field;
    if (status == NG_OK && out->field != NULL)
        out->select = ngi_vector_field_select(out->field->spec.metric);
    if (status == NG_OK) {
        ngi_vector_field_hold(out->held);
        out->vectors = out->held->vectors;
    }
    ngi_store_read_end(store);
    return status;
}

void ngi_searched_end(const store_searched *searched)
{
    if (searched->held != NULL)
        ngi_vector_field_let_go(searched->store, searched->held);
}

ng_status ngi_searched_read_begin(const store_searched *searched)
{
    ng_status status = ngi_store_read_begin(searched->store);
    if (status != NG_OK || !searched->held->is_dropped)
        return status;
    ngi_store_read_end(searched->store);
    if (searched->field == NULL)
        return ngi_fail(NG_E_CANCELLED, "the vectors have been exchanged for others, and dropped");
    return ngi_fail(NG_E_NOT_FOUND, "vector field '%s' was dropped", searched->field->spec.name);
}

uint64_t ngi_searched_version(const store_searched *searched)
{
    return searched->field == NULL ? ngi_vectors_projection_version(searched->vectors) : 0;
}
