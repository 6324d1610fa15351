/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The default field and a named one exchange their vectors.
 *
 * No vector moves: the two indexes change places, with their images, norms and graphs, and so do the two
 * bits of every token. Who holds an index (a view, a search, a graph that is being built) goes on with it.
 * The projection is that of the default field, so the same op brings that of the new one, or none: there is
 * no moment at which vectors are measured by the components of others. */
#include "store/store_vector_swap.h"

#include <string.h>

/* What an op says; pointers lead into its body. */
typedef struct swap_body {
    ng_vector_field_id id;
    const char *name;
    size_t name_bytes;
    ngi_op projection; /* a PROJECTION_PUT; no bytes: none */
} swap_body;

static size_t swap_padded(size_t name_bytes)
{
    return (name_bytes + 7) / 8 * 8;
}

static ng_status swap_decode(const ngi_op *op, swap_body *out)
{
    size_t bytes = op->body_bytes >= STORE_SWAP_FIXED ? ngi_get_u32(op->body + 4) : 0;
    if (bytes == 0 || bytes > NGI_VECTOR_FIELD_NAME_MAX || ngi_get_u32(op->body + 12) != 0)
        return ngi_fail(NG_E_CORRUPT, "malformed op: exchange of vector fields");
    size_t begin = STORE_SWAP_FIXED + swap_padded(bytes);
    uint32_t rest = ngi_get_u32(op->body + 8);
    if (op->body_bytes < begin || op->body_bytes - begin != rest)
        return ngi_fail(NG_E_CORRUPT, "malformed op: length of an exchange of vector fields");
    for (size_t i = STORE_SWAP_FIXED + bytes; i < begin; i++)
        if (op->body[i] != 0)
            return ngi_fail(NG_E_CORRUPT, "malformed op: padding of an exchange of vector fields");
    *out = (swap_body){.id = ngi_get_u32(op->body),
                       .name = (const char *)op->body + STORE_SWAP_FIXED,
                       .name_bytes = bytes,
                       .projection = {.kind = NGI_OP_PROJECTION_PUT,
                                      .body = op->body + begin,
                                      .body_bytes = rest}};
    return NG_OK;
}

/* --- prepare --------------------------------------------------------------------------------- */

static ng_status swap_check(const ng_store *store, const swap_body *body)
{
    const store_vector_field *field = ngi_vector_field(store, body->id);
    if (field == NULL || field->spec.metric != NG_VECTOR_COSINE)
        return ngi_fail(NG_E_CORRUPT, "op does not fit the state: vector field %u", body->id);
    if (ngi_vectors_dimensions(store->vectors) == 0)
        return ngi_fail(NG_E_CORRUPT, "op does not fit the state: the store has no vectors");
    if (ngi_vector_field_check_name(body->name, body->name_bytes) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    ng_vector_field_id other = ngi_vector_field_named(store, body->name, body->name_bytes);
    if (other != 0 && other != body->id)
        return ngi_fail(NG_E_CORRUPT,
                        "op does not fit the state: vector field %u has that name already", other);
    return NG_OK;
}

static ng_status swap_prepare_projection(ng_store *store, const swap_body *body, bool foreign)
{
    const store_vector_field *field = ngi_vector_field(store, body->id);
    ngi_op_projection decoded;
    ng_status status = ngi_op_projection_decode(&body->projection, &decoded);
    if (status != NG_OK)
        return status;
    if (decoded.dimensions != field->spec.dimensions)
        return ngi_fail(NG_E_CORRUPT, "op does not fit the state: dimensions %u",
                        decoded.dimensions);
    size_t floats = (size_t)decoded.dimensions * (1 + (size_t)decoded.component_count);
    if (foreign && !ngi_vector_floats_are_finite(decoded.mean, floats))
        return ngi_fail(NG_E_CORRUPT, "op does not fit the state: a projection is not finite");
    if (body->projection.body_bytes > store->projection.bytes)
        status =
            ngi_buffer_reserve(store->mem, &store->projection,
                               body->projection.body_bytes - store->projection.bytes, "projection");
    return status != NG_OK ? status
                           : ngi_vectors_reserve_projection(field->vectors, decoded.dimensions,
                                                            decoded.component_count);
}

ng_status ngi_vector_swap_prepare(ng_store *store, const ngi_op *op, bool foreign)
{
    swap_body body;
    ng_status status = swap_decode(op, &body);
    if (status == NG_OK)
        status = swap_check(store, &body);
    if (status == NG_OK && body.projection.body_bytes > 0)
        status = swap_prepare_projection(store, &body, foreign);
    if (status == NG_OK)
        status = ngi_table_reserve(&store->vector_fields.sets, store_slot_end(store));
    return status;
}

/* --- apply ----------------------------------------------------------------------------------- */

/* A token has bit `id` afterwards if it has a vector in the default field now. */
static void swap_bits(ng_store *store, ng_vector_field_id id)
{
    uint32_t bit = 1u << id, end = 0;
    for (uint32_t slot = 1; slot < store_slot_end(store); slot++) {
        uint32_t set = ngi_vector_fields_of(store, slot) & ~bit;
        if (ngi_vectors_get(store->vectors, slot) != NULL)
            set |= bit;
        ngi_vector_fields_set(store, slot, set);
        if (set != 0)
            end = slot + 1;
    }
    store->vector_fields.set_end = end;
}

static void swap_roles(ng_store *store, const swap_body *body)
{
    store_vector_fields *all = &store->vector_fields;
    store_vector_field *was = all->main, *now = all->fields[body->id];
    was->spec = (store_vector_spec){.dimensions = ngi_vectors_dimensions(was->vectors),
                                    .metric = NG_VECTOR_COSINE};
    memcpy(was->spec.name, body->name, body->name_bytes);
    was->epoch = ++all->epoch;
    now->spec = (store_vector_spec){.metric = NG_VECTOR_COSINE};
    now->epoch = ++all->epoch;
    now->was_main = true;
    all->fields[body->id] = was;
    all->main = now;
    store->vectors = now->vectors;
}

/* Of the new default field; the one before keeps its own for as long as somebody searches by it. */
static void swap_projection(ng_store *store, const swap_body *body)
{
    ngi_op_projection decoded = {0};
    store->projection.bytes = 0;
    store->projection_version++;
    if (body->projection.body_bytes > 0 &&
        ngi_op_projection_decode(&body->projection, &decoded) == NG_OK) {
        memcpy(store->projection.data, body->projection.body, body->projection.body_bytes);
        store->projection.bytes = body->projection.body_bytes;
    }
    ngi_vectors_set_projection(store->vectors, decoded.mean, decoded.components,
                               decoded.component_count);
}

void ngi_vector_swap_apply(ng_store *store, const ngi_op *op)
{
    bool begun[STORE_STRIPES];
    swap_body body;
    if (swap_decode(op, &body) != NG_OK)
        return; /* prepare has read the same bytes */
    for (uint32_t i = 0; i < STORE_STRIPES; i++)
        begun[i] = ngi_change_begin(&store->stripes[i]);
    swap_bits(store, body.id);
    swap_roles(store, &body);
    swap_projection(store, &body);
    for (uint32_t i = STORE_STRIPES; i-- > 0;)
        ngi_change_end(&store->stripes[i], begun[i]);
}

/* --- the call -------------------------------------------------------------------------------- */

/* With a lock held. */
static ng_status swap_may(const ng_store *store, ng_vector_field_id id, const char *name,
                          const ngi_projection *projection)
{
    const store_vector_field *field = ngi_vector_field(store, id);
    if (field == NULL)
        return ngi_vector_field_fail(id);
    if (field->spec.metric != NG_VECTOR_COSINE)
        return ngi_fail(NG_E_INVALID, "field '%s' is not compared by cosine", field->spec.name);
    if (ngi_vectors_count(field->vectors) == 0)
        return ngi_fail(NG_E_NOT_FOUND, "vector field '%s' has no vectors", field->spec.name);
    if (ngi_vectors_dimensions(store->vectors) == 0)
        return ngi_fail(NG_E_NOT_FOUND, "the store has no vectors");
    if (store->dimensions_wanted != 0 && field->spec.dimensions != store->dimensions_wanted)
        return ngi_fail(NG_E_INVALID, "field '%s' has %u dimensions, the store was opened for %u",
                        field->spec.name, field->spec.dimensions, store->dimensions_wanted);
    ng_vector_field_id other = ngi_vector_field_named(store, name, strlen(name));
    if (other != 0 && other != id)
        return ngi_fail(NG_E_EXISTS, "vector field %u is already named '%s'", other, name);
    if (projection != NULL && projection->dimensions != field->spec.dimensions)
        return ngi_fail(NG_E_INVALID, "the projection has %u dimensions, field '%s' has %u",
                        projection->dimensions, field->spec.name, field->spec.dimensions);
    return NG_OK;
}

ng_status ngi_store_vector_field_may_swap(const ng_store *store, ng_vector_field_id id,
                                          const char *name)
{
    ng_status status =
        ngi_vector_field_check_name(name, strnlen(name, NGI_VECTOR_FIELD_NAME_MAX + 1));
    if (status == NG_OK)
        status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = swap_may(store, id, name, NULL);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_vector_field_swap(ng_store *store, ng_vector_field_id id, const char *name,
                                      const ngi_projection *projection,
                                      const ng_write_options *write)
{
    size_t bytes = strnlen(name, NGI_VECTOR_FIELD_NAME_MAX + 1), padded = swap_padded(bytes);
    size_t rest = projection != NULL
                      ? ngi_op_projection_bytes(projection->dimensions, projection->component_count)
                      : 0;
    ng_status status = ngi_vector_field_check_name(name, bytes);
    if (status == NG_OK)
        status = ngi_store_write_begin(store, STORE_SWAP_FIXED + padded + rest, write);
    if (status != NG_OK)
        return status;
    status = swap_may(store, id, name, projection);
    if (status != NG_OK) {
        ngi_store_write_abandon(store);
        return status;
    }
    uint8_t *body = ngi_wal_body(store->wal);
    ngi_put_u32(body, id);
    ngi_put_u32(body + 4, (uint32_t)bytes);
    ngi_put_u32(body + 8, (uint32_t)rest);
    ngi_put_u32(body + 12, 0);
    memset(body + STORE_SWAP_FIXED, 0, padded);
    memcpy(body + STORE_SWAP_FIXED, name, bytes);
    if (projection != NULL)
        ngi_projection_encode(projection, body + STORE_SWAP_FIXED + padded);
    return ngi_store_write_commit(store, NGI_OP_VECTOR_FIELD_SWAP, STORE_SWAP_FIXED + padded + rest,
                                  write);
}
