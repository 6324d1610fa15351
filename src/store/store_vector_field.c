/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named fields of vectors as part of the state. */
#include "store/store_vector_field.h"

#include "store/store_private.h"
#include "store/store_vector_swap.h"

#include <string.h>

static uint32_t *field_set(const ng_store *store, uint32_t slot)
{
    return (uint32_t *)(void *)store->vector_fields.sets.base + slot;
}

static ng_status field_refuse(const char *what, uint64_t value)
{
    return ngi_fail(NG_E_CORRUPT, "op does not fit the state: %s %llu", what,
                    (unsigned long long)value);
}

/* --- life ------------------------------------------------------------------------------------ */

static void field_destroy(const ng_store *store, store_vector_field *field)
{
    if (field == NULL)
        return;
    ngi_vectors_destroy(field->vectors);
    ngi_free(store_account_of(store, STORE_VECTORS), field, sizeof *field);
}

static ng_status field_create(const ng_store *store, const store_vector_spec *spec,
                              store_vector_field **out)
{
    ngi_mem *mem = store_account_of(store, STORE_VECTORS);
    void *block;
    ng_status status = ngi_alloc(mem, sizeof **out, "field of vectors", &block);
    if (status != NG_OK)
        return status;
    store_vector_field *field = block;
    *field = (store_vector_field){.spec = *spec};
    atomic_init(&field->holders, 1);
    status = ngi_vectors_create(store->os, mem, store->max_tokens, &field->vectors);
    if (status == NG_OK && spec->dimensions != 0)
        status = ngi_vectors_reserve(field->vectors, spec->dimensions, 0, 0);
    if (status == NG_OK)
        *out = field;
    else
        field_destroy(store, field);
    return status;
}

ng_status ngi_vector_fields_init(ng_store *store)
{
    const store_vector_spec spec = {.metric = NG_VECTOR_COSINE};
    ng_status status = field_create(store, &spec, &store->vector_fields.main);
    if (status != NG_OK)
        return status;
    store->vector_fields.main->was_main = true;
    store->vector_fields.main->epoch = UINT64_MAX; /* as none that is counted */
    store->vectors = store->vector_fields.main->vectors;
    return ngi_table_init(&store->vector_fields.sets, store->os,
                          store_account_of(store, STORE_VECTORS), sizeof(uint32_t),
                          (size_t)store->max_tokens + 1, "fields of vectors");
}

void ngi_vector_fields_release(ng_store *store)
{
    store_vector_fields *all = &store->vector_fields;
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX; i++)
        if (all->fields[i] != NULL)
            ngi_vector_field_let_go(store, all->fields[i]);
    if (all->main != NULL)
        ngi_vector_field_let_go(store, all->main);
    store->vectors = NULL;
    for (store_vector_field *field = all->retired, *next; field != NULL; field = next) {
        next = field->next_retired;
        field_destroy(store, field);
    }
    field_destroy(store, all->pending);
    ngi_table_release(&all->sets);
    memset(all, 0, sizeof *all);
}

void ngi_vector_field_hold(store_vector_field *field)
{
    atomic_fetch_add_explicit(&field->holders, 1, memory_order_relaxed);
}

void ngi_vector_field_let_go(const ng_store *store, store_vector_field *field)
{
    if (atomic_fetch_sub_explicit(&field->holders, 1, memory_order_acq_rel) != 1)
        return;
    if (!field->was_main) {
        field_destroy(store, field);
        return;
    }
    ngi_vectors_retire(field->vectors);
    store_vector_field *_Atomic *retired = &store_mutable(store)->vector_fields.retired;
    field->next_retired = *retired;
    while (!atomic_compare_exchange_weak(retired, &field->next_retired, field)) {
    }
}

static void field_install(ng_store *store, ng_vector_field_id id, store_vector_field *field)
{
    store_vector_fields *all = &store->vector_fields;
    field->epoch = ++all->epoch;
    all->fields[id] = field;
    all->count++;
}

/* --- finding and checking -------------------------------------------------------------------- */

store_vector_field *ngi_vector_field(const ng_store *store, ng_vector_field_id id)
{
    return id <= NGI_VECTOR_FIELDS_MAX ? store->vector_fields.fields[id] : NULL;
}

ngi_vectors *ngi_vector_field_index(const ng_store *store, ng_vector_field_id id)
{
    const store_vector_field *field = ngi_vector_field(store, id);
    return id == 0 ? store->vectors : field != NULL ? field->vectors : NULL;
}

ng_vector_field_id ngi_vector_field_named(const ng_store *store, const char *name, size_t bytes)
{
    for (ng_vector_field_id id = 1; id <= NGI_VECTOR_FIELDS_MAX; id++) {
        const store_vector_field *field = store->vector_fields.fields[id];
        if (field != NULL && strlen(field->spec.name) == bytes &&
            memcmp(field->spec.name, name, bytes) == 0)
            return id;
    }
    return 0;
}

ng_status ngi_vector_field_fail(ng_vector_field_id id)
{
    return ngi_fail(NG_E_NOT_FOUND, "vector field %u not found", id);
}

ng_status ngi_vector_field_check_name(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > NGI_VECTOR_FIELD_NAME_MAX)
        return ngi_fail(NG_E_INVALID, "vector field name of %zu bytes is outside 1..%d", bytes,
                        NGI_VECTOR_FIELD_NAME_MAX);
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return ngi_fail(NG_E_INVALID,
                            "vector field name '%.*s' has a character outside [a-z0-9_.-]",
                            (int)bytes, name);
    }
    return NG_OK;
}

ng_status ngi_vector_field_check_spec(uint32_t dimensions, uint32_t metric)
{
    if (dimensions < NGI_DIMENSIONS_MIN || dimensions > NGI_DIMENSIONS_MAX)
        return ngi_fail(NG_E_INVALID, "dimensions %u is outside %d..%d", dimensions,
                        NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
    if (metric > NG_VECTOR_L2)
        return ngi_fail(NG_E_INVALID, "metric %u is outside 0..%d", metric, NG_VECTOR_L2);
    return NG_OK;
}

uint32_t ngi_vector_fields_of(const ng_store *store, uint32_t slot)
{
    return ngi_table_covers(&store->vector_fields.sets, slot)
               ? ngi_shared_u32(field_set(store, slot))
               : 0;
}

/* --- vectors of tokens ----------------------------------------------------------------------- */

void ngi_vector_fields_measure(const ngi_op_vectors *item, store_vectors_need *need)
{
    for (uint32_t i = 0; i < item->count; i++) {
        if (item->vectors[i].dimensions == 0)
            continue;
        need->puts[item->vectors[i].field]++;
        if (item->slot > need->max_slot)
            need->max_slot = item->slot;
    }
}

ng_status ngi_vector_fields_reserve(ng_store *store, const store_vectors_need *need)
{
    store_vector_fields *all = &store->vector_fields;
    if (NGI_LIKELY(need->max_slot == 0))
        return NG_OK;
    ng_status status = ngi_table_reserve(&all->sets, (size_t)need->max_slot + 1);
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX && status == NG_OK; i++)
        if (need->puts[i] > 0)
            status = ngi_vectors_reserve(all->fields[i]->vectors, all->fields[i]->spec.dimensions,
                                         need->puts[i], need->max_slot);
    return status;
}

void ngi_vector_fields_set(ng_store *store, uint32_t slot, uint32_t set)
{
    store_vector_fields *all = &store->vector_fields;
    if (!ngi_table_covers(&all->sets, slot) || *field_set(store, slot) == set)
        return;
    ngi_table_touch(&all->sets, slot, 1);
    ngi_shared_set_u32(field_set(store, slot), set);
    if (slot >= all->set_end)
        all->set_end = slot + 1;
}

void ngi_vector_fields_put(ng_store *store, const ngi_op_vectors *item)
{
    uint32_t set = ngi_vector_fields_of(store, item->slot);
    for (uint32_t i = 0; i < item->count; i++) {
        const ngi_op_field_vector *vector = &item->vectors[i];
        ngi_vectors *vectors = store->vector_fields.fields[vector->field]->vectors;
        uint32_t bit = 1u << vector->field;
        if (vector->dimensions > 0)
            ngi_vectors_put(vectors, item->slot, vector->floats);
        else
            ngi_vectors_remove(vectors, item->slot);
        set = vector->dimensions > 0 ? set | bit : set & ~bit;
    }
    ngi_vector_fields_set(store, item->slot, set);
}

void ngi_vector_fields_remove(ng_store *store, uint32_t slot)
{
    for (uint32_t left = ngi_vector_fields_of(store, slot); left != 0; left &= left - 1)
        ngi_vectors_remove(store->vector_fields.fields[__builtin_ctz(left)]->vectors, slot);
    ngi_vector_fields_set(store, slot, 0);
}

/* --- ops ------------------------------------------------------------------------------------- */

/* By the bits of the exponent: what is not finite has all of them. */
bool ngi_vector_floats_are_finite(const uint8_t *floats, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((ngi_get_u32(floats + 4 * i) & 0x7F800000u) == 0x7F800000u)
            return false;
    return true;
}

ng_status ngi_vector_fields_verify(const ng_store *store, const ngi_op_vectors *item, bool deep)
{
    for (uint32_t i = 0; i < item->count; i++) {
        const ngi_op_field_vector *vector = &item->vectors[i];
        const store_vector_field *field = ngi_vector_field(store, vector->field);
        if (field == NULL)
            return field_refuse("vector field", vector->field);
        if (vector->dimensions != 0 && vector->dimensions != field->spec.dimensions)
            return field_refuse("dimensions", vector->dimensions);
        if (deep && !ngi_vector_floats_are_finite(vector->floats, vector->dimensions))
            return field_refuse("a number that is not finite in vector field", vector->field);
    }
    return NG_OK;
}

static ng_status prepare_put(ng_store *store, const ngi_op *op)
{
    store_vector_fields *all = &store->vector_fields;
    store_vector_spec spec = {0};
    size_t bytes = op->body_bytes >= NGI_OP_VECTOR_FIELD_FIXED ? ngi_get_u32(op->body + 4) : 0;
    size_t padded = NGI_OP_VECTOR_FIELD_FIXED + (bytes + 7) / 8 * 8;
    if (bytes == 0 || bytes > NGI_VECTOR_FIELD_NAME_MAX || op->body_bytes != padded)
        return ngi_fail(NG_E_CORRUPT, "malformed op: vector field");
    for (size_t i = NGI_OP_VECTOR_FIELD_FIXED + bytes; i < padded; i++)
        if (op->body[i] != 0)
            return ngi_fail(NG_E_CORRUPT, "malformed op: padding of a vector field");
    uint32_t id = ngi_get_u32(op->body), metric = ngi_get_u32(op->body + 12);
    spec.dimensions = ngi_get_u32(op->body + 8);
    spec.metric = (ng_vector_metric)metric;
    memcpy(spec.name, op->body + NGI_OP_VECTOR_FIELD_FIXED, bytes);
    if (ngi_vector_field_check_name(spec.name, bytes) != NG_OK ||
        ngi_vector_field_check_spec(spec.dimensions, metric) != NG_OK)
        return ngi_fail_prefix(NG_E_CORRUPT, "op does not fit the state");
    if (id == 0 || id > NGI_VECTOR_FIELDS_MAX || all->fields[id] != NULL)
        return field_refuse("vector field", id);
    if (ngi_vector_field_named(store, spec.name, bytes) != 0)
        return field_refuse("a second name for the same vector field", id);
    field_destroy(store, all->pending); /* of an op that was not written after all */
    all->pending = NULL;
    return field_create(store, &spec, &all->pending);
}

ng_status ngi_vector_field_prepare(ng_store *store, const ngi_op *op, bool foreign)
{
    if (op->kind == NGI_OP_VECTOR_FIELD_SWAP)
        return ngi_vector_swap_prepare(store, op, foreign);
    if (op->kind == NGI_OP_VECTOR_FIELD_PUT)
        return prepare_put(store, op);
    if (op->body_bytes != 8 || ngi_get_u32(op->body + 4) != 0)
        return ngi_fail(NG_E_CORRUPT, "malformed op: vector field");
    if (ngi_vector_field(store, ngi_get_u32(op->body)) == NULL)
        return field_refuse("vector field", ngi_get_u32(op->body));
    return NG_OK;
}

static void apply_drop(ng_store *store, ng_vector_field_id id)
{
    store_vector_fields *all = &store->vector_fields;
    store_vector_field *field = all->fields[id];
    uint32_t bit = 1u << id, end = 0;
    for (uint32_t slot = 1; slot < all->set_end; slot++) {
        uint32_t set = *field_set(store, slot);
        if ((set & bit) != 0) {
            bool begun = ngi_change_begin(store_stripe(store, slot));
            ngi_vector_fields_set(store, slot, set & ~bit);
            ngi_change_end(store_stripe(store, slot), begun);
        }
        if ((set & ~bit) != 0)
            end = slot + 1;
    }
    all->set_end = end;
    all->fields[id] = NULL;
    all->count--;
    field->is_dropped = true;
    ngi_vector_field_let_go(store, field);
}

void ngi_vector_field_apply(ng_store *store, const ngi_op *op)
{
    if (op->kind == NGI_OP_VECTOR_FIELD_SWAP) {
        ngi_vector_swap_apply(store, op);
        return;
    }
    if (op->kind == NGI_OP_VECTOR_FIELD_DROP) {
        apply_drop(store, ngi_get_u32(op->body));
        return;
    }
    field_install(store, ngi_get_u32(op->body), store->vector_fields.pending);
    store->vector_fields.pending = NULL;
}

/* --- images and loading ---------------------------------------------------------------------- */

size_t ngi_vector_image_encode(ng_vector_field_id id, const store_vector_spec *spec, uint8_t *out)
{
    size_t bytes = strlen(spec->name);
    size_t whole = STORE_FIELD_IMAGE_FIXED + (bytes + 7) / 8 * 8;
    memset(out, 0, whole);
    ngi_put_u32(out, id);
    ngi_put_u32(out + 4, (uint32_t)bytes);
    ngi_put_u32(out + 8, spec->dimensions);
    ngi_put_u32(out + 12, (uint32_t)spec->metric);
    ngi_put_u64(out + 16, spec->vector_count);
    memcpy(out + STORE_FIELD_IMAGE_FIXED, spec->name, bytes);
    return whole;
}

size_t ngi_vector_image_decode(const uint8_t *in, size_t available, ng_vector_field_id *id,
                               store_vector_spec *out)
{
    uint8_t again[STORE_FIELD_IMAGE_MAX];
    if (available < STORE_FIELD_IMAGE_FIXED || ngi_get_u32(in + 4) > NGI_VECTOR_FIELD_NAME_MAX)
        return 0;
    size_t bytes = ngi_get_u32(in + 4), whole = STORE_FIELD_IMAGE_FIXED + (bytes + 7) / 8 * 8;
    const char *name = (const char *)in + STORE_FIELD_IMAGE_FIXED;
    uint32_t metric = ngi_get_u32(in + 12);
    *id = ngi_get_u32(in);
    *out = (store_vector_spec){.dimensions = ngi_get_u32(in + 8),
                               .metric = (ng_vector_metric)metric,
                               .vector_count = ngi_get_u64(in + 16)};
    if (*id == 0 || *id > NGI_VECTOR_FIELDS_MAX || available < whole ||
        ngi_vector_field_check_name(name, bytes) != NG_OK ||
        ngi_vector_field_check_spec(out->dimensions, metric) != NG_OK)
        return 0;
    memcpy(out->name, name, bytes);
    return ngi_vector_image_encode(*id, out, again) == whole && memcmp(again, in, whole) == 0
               ? whole
               : 0;
}

ng_status ngi_vector_field_load(ng_store *store, ng_vector_field_id id,
                                const store_vector_spec *spec)
{
    store_vector_field *field;
    if (ngi_vector_field(store, id) != NULL ||
        ngi_vector_field_named(store, spec->name, strlen(spec->name)) != 0)
        return ngi_fail(NG_E_CORRUPT, "vector field %u does not fit the state", id);
    ng_status status = field_create(store, spec, &field);
    if (status == NG_OK)
        field_install(store, id, field);
    return status;
}

ng_status ngi_vector_field_load_rows(ng_store *store, ng_vector_field_id id, const uint8_t *slots,
                                     const uint8_t *rows, uint32_t count)
{
    store_vector_field *field = ngi_vector_field(store, id);
    size_t row_bytes = (size_t)field->spec.dimensions * 4;
    uint32_t last = ngi_get_u32(slots + 4 * ((size_t)count - 1));
    ng_status status = ngi_table_reserve(&store->vector_fields.sets, (size_t)last + 1);
    if (status == NG_OK)
        status = ngi_vectors_reserve(field->vectors, field->spec.dimensions, count, last);
    for (uint32_t i = 0; i < count && status == NG_OK; i++) {
        uint32_t slot = ngi_get_u32(slots + 4 * (size_t)i);
        ngi_vectors_put(field->vectors, slot, rows + i * row_bytes);
        ngi_vector_fields_set(store, slot, ngi_vector_fields_of(store, slot) | 1u << id);
    }
    return status;
}

/* --- verification and memory ----------------------------------------------------------------- */

/* Bits of a slot against the indexes. */
static ng_status check_slot(const ng_store *store, uint32_t slot)
{
    uint32_t set = ngi_vector_fields_of(store, slot), found = 0;
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX; i++) {
        const store_vector_field *field = store->vector_fields.fields[i];
        if (field != NULL && ngi_vectors_get(field->vectors, slot) != NULL)
            found |= 1u << i;
    }
    if (found != set)
        return ngi_fail(NG_E_INTERNAL, "token %u has vectors in fields %x, its bits say %x", slot,
                        found, set);
    if (set != 0 && (store_live_slot(store, slot) == 0 || slot >= store->vector_fields.set_end))
        return ngi_fail(NG_E_INTERNAL, "slot %u has vectors in fields %x", slot, set);
    return NG_OK;
}

ng_status ngi_vector_fields_check(const ng_store *store)
{
    const store_vector_fields *all = &store->vector_fields;
    uint32_t there = 0;
    ng_status status = NG_OK;
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX && status == NG_OK; i++) {
        const store_vector_field *field = all->fields[i];
        if (field == NULL)
            continue;
        there++;
        if (field->spec.dimensions != ngi_vectors_dimensions(field->vectors) ||
            ngi_vector_field_named(store, field->spec.name, strlen(field->spec.name)) != i)
            return ngi_fail(NG_E_INTERNAL, "vector field %u is not what it should be", i);
        status = ngi_vectors_check(field->vectors);
        if (status != NG_OK)
            return ngi_fail_prefix(status, field->spec.name);
    }
    if (there != all->count)
        return ngi_fail(NG_E_INTERNAL, "there are %u vector fields, the counter says %u", there,
                        all->count);
    for (uint32_t slot = 0; slot < store_slot_end(store) && there > 0 && status == NG_OK; slot++)
        status = check_slot(store, slot);
    return status;
}

static void memory_add(ng_memory_use *sum, const ng_memory_use *part)
{
    sum->bytes += part->bytes;
    sum->used_bytes += part->used_bytes;
    sum->items += part->items;
}

void ngi_vector_fields_memory(const ng_store *store, ng_memory_use *floats, ng_memory_use *images,
                              ng_memory_use *rows)
{
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX; i++) {
        const store_vector_field *field = store->vector_fields.fields[i];
        ng_memory_use parts[3];
        if (field == NULL)
            continue;
        ngi_vectors_memory(field->vectors, &parts[0], &parts[1], &parts[2]);
        memory_add(floats, &parts[0]);
        memory_add(images, &parts[1]);
        memory_add(rows, &parts[2]);
        rows->used_bytes += sizeof *field;
    }
    rows->bytes += sizeof(store_vector_field); /* the default one; its index is counted already */
    rows->used_bytes += sizeof(store_vector_field);
    rows->used_bytes += store->vector_fields.set_end * sizeof(uint32_t);
    if (store->vector_fields.epoch == 0)
        return;
    /* All that the account has: with the tables above, and with fields that were dropped and are held. */
    size_t whole =
        atomic_load_explicit(&store->accounts[STORE_VECTORS].used_bytes, memory_order_relaxed);
    rows->bytes = whole - floats->bytes - images->bytes;
}
