/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Vectors of tokens in named fields as callers give and read them. */
#include "store/store_private.h"

#include <string.h>

bool ngi_fields_have_vectors(const ng_token_fields *fields)
{
    return (fields->set & NG_FIELD_VECTORS) != 0 && fields->vector_count > 0;
}

ng_status ngi_fields_vector_bytes(const ng_token_fields *fields, size_t *out)
{
    size_t floats = 0;
    *out = 0;
    if (!ngi_fields_have_vectors(fields))
        return NG_OK;
    if (fields->vector_count > NGI_VECTOR_FIELDS_MAX)
        return ngi_fail(NG_E_INVALID, "vector_count %zu is outside 0..%d", fields->vector_count,
                        NGI_VECTOR_FIELDS_MAX);
    for (size_t i = 0; i < fields->vector_count; i++) {
        size_t dimensions = fields->vectors[i].dimensions;
        if (dimensions > NGI_DIMENSIONS_MAX || (dimensions != 0 && dimensions < NGI_DIMENSIONS_MIN))
            return ngi_fail(NG_E_INVALID, "vectors[%zu].values has %zu dimensions, outside %d..%d",
                            i, dimensions, NGI_DIMENSIONS_MIN, NGI_DIMENSIONS_MAX);
        floats += dimensions;
    }
    *out = ngi_op_vectors_bytes(fields->vector_count, floats);
    return NG_OK;
}

ng_status ngi_fields_check_vectors(const ng_store *store, const ng_token_fields *fields)
{
    for (size_t i = 0; ngi_fields_have_vectors(fields) && i < fields->vector_count; i++) {
        const ng_field_vector *vector = &fields->vectors[i];
        const store_vector_field *field = ngi_vector_field(store, vector->field);
        if (field == NULL)
            return ngi_vector_field_fail(vector->field);
        if (vector->dimensions != 0 && vector->dimensions != field->spec.dimensions)
            return ngi_fail(NG_E_INVALID, "vector has %zu dimensions, field '%s' has %u",
                            vector->dimensions, field->spec.name, field->spec.dimensions);
    }
    return NG_OK;
}

void ngi_fields_vectors(const ng_token_fields *fields, uint32_t slot, ngi_op_vectors *out)
{
    *out = (ngi_op_vectors){.slot = slot};
    for (uint32_t field = 1; field <= NGI_VECTOR_FIELDS_MAX; field++) {
        for (size_t i = 0; i < fields->vector_count; i++) {
            const ng_field_vector *vector = &fields->vectors[i];
            if (vector->field == field)
                out->vectors[out->count++] =
                    (ngi_op_field_vector){.field = field,
                                          .dimensions = (uint32_t)vector->dimensions,
                                          .floats = (const uint8_t *)vector->values};
        }
    }
}

ng_status ngi_store_token_vector_in(const ng_store *store, ng_token_id id, ng_vector_field_id field,
                                    float *out, size_t capacity, size_t *count)
{
    uint32_t slot;
    *count = 0;
    if (field == 0)
        return ngi_store_token_vector(store, id, out, capacity, count);
    ng_status status = ngi_store_read_token(store, id, &slot);
    if (status != NG_OK)
        return status;
    const store_vector_field *in = ngi_vector_field(store, field);
    if (in != NULL)
        *count = ngi_vectors_read(in->vectors, slot, out, capacity);
    else
        status = ngi_vector_field_fail(field);
    ngi_store_read_end(store);
    return status;
}
