/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Declared fields: values taken from payloads, and found by them. */
#include "store/store_fields.h"

#include <string.h>

static uint64_t *field_keys(const store_field *field)
{
    return (uint64_t *)(void *)field->keys.base;
}

/* --- life ------------------------------------------------------------------------------------ */

ng_status ngi_fields_init(store_fields *fields, ngi_os *os, ngi_mem *mem, uint32_t max_tokens)
{
    *fields = (store_fields){.os = os, .mem = mem, .max_tokens = max_tokens};
    return ngi_terms_init(&fields->keywords, os, mem);
}

static void field_destroy(store_fields *fields, store_field *field)
{
    if (field == NULL)
        return;
    ngi_ordered_release(&field->by_key);
    ngi_table_release(&field->keys);
    ngi_free(fields->mem, field, sizeof *field);
}

void ngi_fields_release(store_fields *fields)
{
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++)
        field_destroy(fields, fields->fields[i]);
    field_destroy(fields, fields->pending);
    ngi_terms_release(&fields->keywords);
    *fields = (store_fields){0};
}

static ng_status field_create(store_fields *fields, const ngi_field_spec *spec, store_field **out)
{
    void *block;
    size_t slots = (size_t)fields->max_tokens + 1;
    ng_status status = ngi_alloc(fields->mem, sizeof(store_field), "index", &block);
    if (status != NG_OK)
        return status;
    store_field *field = block;
    *field = (store_field){.spec = *spec};
    NGI_TRY(ngi_table_init(&field->keys, fields->os, fields->mem, sizeof(uint64_t), slots,
                           "values of a field"));
    NGI_TRY(ngi_ordered_init(&field->by_key, fields->os, fields->mem, slots, "tokens by field"));
    *out = field;
out:
    if (status != NG_OK)
        field_destroy(fields, field);
    return status;
}

/* --- values ---------------------------------------------------------------------------------- */

/* The values of a payload for all fields. */
static void fields_extract(const store_fields *fields, const char *data, size_t bytes,
                           ngi_field_value out[NGI_FIELDS_MAX])
{
    const ngi_field_spec *specs[NGI_FIELDS_MAX];
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++)
        specs[i] = fields->fields[i] != NULL ? &fields->fields[i]->spec : NULL;
    ngi_fields_extract(specs, NGI_FIELDS_MAX, data, bytes, out);
}

static void measure_value(const store_fields *fields, const ngi_field_spec *spec,
                          const ngi_field_value *value, store_fields_need *need)
{
    if (spec->type != NG_INDEX_KEYWORD ||
        ngi_terms_find(&fields->keywords, value->text, value->text_bytes) != 0)
        return;
    need->keywords++;
    need->keyword_bytes += value->text_bytes;
}

void ngi_fields_measure(const store_fields *fields, uint32_t slot, const char *data, size_t bytes,
                        store_fields_need *need)
{
    ngi_field_value values[NGI_FIELDS_MAX];
    if (fields->count == 0)
        return;
    fields_extract(fields, data, bytes, values);
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++) {
        if (values[i].key == 0)
            continue;
        measure_value(fields, &fields->fields[i]->spec, &values[i], need);
        need->values[i]++;
        if (slot > need->max_slot)
            need->max_slot = slot;
    }
}

static ng_status field_reserve(store_field *field, uint32_t values, uint32_t max_slot)
{
    ng_status status = ngi_table_reserve(&field->keys, (size_t)max_slot + 1);
    return status != NG_OK ? status : ngi_ordered_reserve(&field->by_key, values);
}

ng_status ngi_fields_reserve(store_fields *fields, const store_fields_need *need)
{
    ng_status status = ngi_terms_reserve(&fields->keywords, need->keywords, need->keyword_bytes);
    for (size_t i = 0; i < NGI_FIELDS_MAX && status == NG_OK; i++)
        if (need->values[i] > 0)
            status = field_reserve(fields->fields[i], need->values[i], need->max_slot);
    return status;
}

static ng_status value_remove(store_fields *fields, store_field *field, uint32_t slot)
{
    uint64_t key = ngi_field_key(field, slot);
    if (key == 0)
        return NG_OK;
    if (!ngi_ordered_remove(&field->by_key, key, slot))
        return ngi_fail(NG_E_INTERNAL, "token %u is not found by field '%s'", slot,
                        field->spec.name);
    if (field->spec.type == NG_INDEX_KEYWORD)
        ngi_terms_unuse(&fields->keywords, (uint32_t)key);
    field_keys(field)[slot] = 0;
    return NG_OK;
}

static ng_status value_add(store_fields *fields, store_field *field, uint32_t slot,
                           const ngi_field_value *value)
{
    uint64_t key = value->key;
    if (slot >= field->keys.committed_bytes / sizeof(uint64_t))
        return ngi_fail(NG_E_INTERNAL, "no room was made for field '%s' of token %u",
                        field->spec.name, slot);
    if (field->spec.type == NG_INDEX_KEYWORD) {
        uint32_t number;
        ng_status status =
            ngi_terms_use(&fields->keywords, value->text, value->text_bytes, &number);
        if (status != NG_OK)
            return status;
        key = number;
    }
    field_keys(field)[slot] = key;
    return ngi_ordered_insert(&field->by_key, key, slot);
}

ng_status ngi_fields_put(store_fields *fields, uint32_t slot, const char *data, size_t bytes)
{
    ngi_field_value values[NGI_FIELDS_MAX];
    ng_status status = NG_OK;
    if (fields->count == 0)
        return NG_OK;
    fields_extract(fields, data, bytes, values);
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++) {
        if (fields->fields[i] == NULL)
            continue;
        NGI_TRY(value_remove(fields, fields->fields[i], slot));
        if (values[i].key != 0)
            NGI_TRY(value_add(fields, fields->fields[i], slot, &values[i]));
    }
out:
    return status;
}

/* --- building and dropping ------------------------------------------------------------------- */

/* Gives the keywords of a field back. */
static void field_unuse(store_fields *fields, const store_field *field)
{
    ngi_ordered_entry entry;
    ngi_ordered_cursor cursor = ngi_ordered_seek(&field->by_key, 0, 0);
    while (field->spec.type == NG_INDEX_KEYWORD &&
           ngi_ordered_next(&field->by_key, &cursor, &entry))
        ngi_terms_unuse(&fields->keywords, (uint32_t)entry.key);
}

static ng_status build_slot(store_fields *fields, store_field *field, uint32_t slot,
                            const char *data, size_t bytes)
{
    const ngi_field_spec *spec = &field->spec;
    ngi_field_value value;
    store_fields_need need = {0};
    ngi_fields_extract(&spec, 1, data, bytes, &value);
    if (value.key == 0)
        return NG_OK;
    measure_value(fields, spec, &value, &need);
    ng_status status = ngi_terms_reserve(&fields->keywords, need.keywords, need.keyword_bytes);
    if (status == NG_OK)
        status = field_reserve(field, 1, slot);
    return status != NG_OK ? status : value_add(fields, field, slot, &value);
}

ng_status ngi_fields_build(store_fields *fields, const ngi_field_spec *spec, uint32_t slot_end,
                           store_fields_read read, const void *context)
{
    store_field *field = NULL;
    void *data;
    ng_status status = ngi_alloc(fields->mem, NGI_DATA_BYTES_MAX + 1, "index", &data);
    if (status != NG_OK)
        return status;
    NGI_TRY(field_create(fields, spec, &field));
    for (uint32_t slot = 1; slot < slot_end; slot++) {
        size_t bytes = read(context, slot, data);
        if (bytes > 0)
            NGI_TRY(build_slot(fields, field, slot, data, bytes));
    }
    if (fields->pending != NULL) { /* of an op that was not written after all */
        field_unuse(fields, fields->pending);
        field_destroy(fields, fields->pending);
    }
    fields->pending = field;
out:
    if (status != NG_OK && field != NULL) {
        field_unuse(fields, field);
        field_destroy(fields, field);
    }
    ngi_free(fields->mem, data, NGI_DATA_BYTES_MAX + 1);
    return status;
}

void ngi_fields_install(store_fields *fields, uint32_t number)
{
    fields->fields[number] = fields->pending;
    fields->pending = NULL;
    fields->count++;
}

void ngi_fields_drop(store_fields *fields, uint32_t number)
{
    field_unuse(fields, fields->fields[number]);
    field_destroy(fields, fields->fields[number]);
    fields->fields[number] = NULL;
    fields->count--;
}

/* --- looking --------------------------------------------------------------------------------- */

const store_field *ngi_fields_find(const store_fields *fields, const char *name)
{
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++)
        if (fields->fields[i] != NULL && strcmp(fields->fields[i]->spec.name, name) == 0)
            return fields->fields[i];
    return NULL;
}

uint64_t ngi_fields_key(const store_fields *fields, const store_field *field, const ng_value *value)
{
    switch (field->spec.type) {
    case NG_INDEX_KEYWORD:
        return value->keyword.bytes > 0
                   ? ngi_terms_find(&fields->keywords, value->keyword.text, value->keyword.bytes)
                   : 0;
    case NG_INDEX_FLOAT:
        return ngi_field_key_float(value->real);
    default:
        return ngi_field_key_integer(value->integer);
    }
}

uint64_t ngi_fields_used_bytes(const store_fields *fields)
{
    uint64_t bytes = ngi_terms_used_bytes(&fields->keywords);
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++)
        if (fields->fields[i] != NULL)
            bytes += sizeof(store_field) + ngi_ordered_used_bytes(&fields->fields[i]->by_key) +
                     fields->fields[i]->by_key.count * sizeof(uint64_t);
    return bytes;
}

/* --- verification ---------------------------------------------------------------------------- */

typedef struct fields_check {
    const store_fields *fields;
    uint32_t *uses; /* of keywords, counted */
    uint64_t values[NGI_FIELDS_MAX];
} fields_check;

static ng_status check_value(fields_check *check, size_t i, uint32_t slot,
                             const ngi_field_value *value)
{
    const store_fields *fields = check->fields;
    const store_field *field = fields->fields[i];
    uint64_t key = ngi_field_key(field, slot), wanted = value->key;
    if (wanted != 0 && field->spec.type == NG_INDEX_KEYWORD) {
        wanted = ngi_terms_find(&fields->keywords, value->text, value->text_bytes);
        if (wanted == 0)
            return ngi_fail(NG_E_INTERNAL, "the keyword of field '%s' of token %u is not there",
                            field->spec.name, slot);
        check->uses[wanted]++;
    }
    if (key != wanted || (key != 0 && !ngi_ordered_has(&field->by_key, key, slot)))
        return ngi_fail(NG_E_INTERNAL, "field '%s' of token %u is not indexed as it is",
                        field->spec.name, slot);
    check->values[i] += key != 0;
    return NG_OK;
}

static ng_status check_slots(fields_check *check, uint32_t slot_end, store_fields_read read,
                             const void *context, char *data)
{
    const store_fields *fields = check->fields;
    for (uint32_t slot = 1; slot < slot_end; slot++) {
        ngi_field_value values[NGI_FIELDS_MAX];
        size_t bytes = read(context, slot, data);
        fields_extract(fields, data, bytes, values);
        for (size_t i = 0; i < NGI_FIELDS_MAX; i++) {
            ng_status status =
                fields->fields[i] != NULL ? check_value(check, i, slot, &values[i]) : NG_OK;
            if (status != NG_OK)
                return status;
        }
    }
    return NG_OK;
}

static ng_status check_sums(const fields_check *check)
{
    const store_fields *fields = check->fields;
    uint32_t count = 0;
    for (size_t i = 0; i < NGI_FIELDS_MAX; i++) {
        const store_field *field = fields->fields[i];
        if (field == NULL)
            continue;
        count++;
        if (check->values[i] != field->by_key.count)
            return ngi_fail(NG_E_INTERNAL, "field '%s': %llu values are indexed, %llu are there",
                            field->spec.name, (unsigned long long)field->by_key.count,
                            (unsigned long long)check->values[i]);
        ng_status status = ngi_ordered_check(&field->by_key);
        if (status != NG_OK)
            return status;
    }
    if (count != fields->count || fields->pending != NULL)
        return ngi_fail(NG_E_INTERNAL, "%u fields are declared, %u counted", count, fields->count);
    return ngi_terms_check(&fields->keywords, check->uses);
}

ng_status ngi_fields_check(const store_fields *fields, uint32_t slot_end, store_fields_read read,
                           const void *context)
{
    fields_check check = {.fields = fields};
    size_t uses_bytes = fields->keywords.end * sizeof *check.uses;
    void *uses = NULL, *data = NULL;
    ng_status status;
    NGI_TRY(ngi_alloc(fields->mem, uses_bytes, "check", &uses));
    NGI_TRY(ngi_alloc(fields->mem, NGI_DATA_BYTES_MAX + 1, "check", &data));
    memset(uses, 0, uses_bytes);
    check.uses = uses;
    if (fields->count > 0)
        NGI_TRY(check_slots(&check, slot_end, read, context, data));
    NGI_TRY(check_sums(&check));
out:
    ngi_free(fields->mem, uses, uses_bytes);
    ngi_free(fields->mem, data, NGI_DATA_BYTES_MAX + 1);
    return status;
}
