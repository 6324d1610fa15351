/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named fields of vectors of the twin. */
#include "twin.h"
#include "twin_random.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const field_names[TWIN_FIELDS] = {"image", "sound.1"};
static const uint32_t field_dimensions[TWIN_FIELDS] = {3, 6};
static const ng_vector_metric field_metrics[TWIN_FIELDS] = {NG_VECTOR_COSINE, NG_VECTOR_L2};

ng_status twin_perform_field(ng_store *store, twin_op *op, const ng_write_options *write)
{
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = field_dimensions[op->index],
                                             .metric = field_metrics[op->index]};
    if (op->drops)
        return ng_vector_field_drop(store, op->field, write);
    return ng_vector_field_create(store, field_names[op->index], &options, write, &op->field);
}

bool twin_learn_field(const ng_store *store, twin_op *op)
{
    return op->drops || ng_vector_field_find(store, field_names[op->index], &op->field) == NG_OK;
}

void twin_random_field(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_FIELD;
    op->index = (unsigned)test_random_below(random, TWIN_FIELDS);
    op->field = twin->fields[op->index];
    op->drops = test_random_chance(random, 30);
    if (op->drops && op->field == 0)
        op->expected = NG_E_INVALID; /* of the default one */
    else if (!op->drops && op->field != 0)
        op->expected = NG_E_EXISTS;
}

void twin_take_field(twin_state *twin, const twin_op *op)
{
    twin->fields[op->index] = op->drops ? 0 : op->field;
    for (size_t i = 0; op->drops && i < twin->token_count; i++) {
        free(twin->tokens[i].named[op->index]);
        twin->tokens[i].named[op->index] = NULL;
    }
}

/* --- of tokens ------------------------------------------------------------------------------- */

static float *copy_of(const float *values, uint32_t count)
{
    float *copy = values == NULL ? NULL : twin_allocate(count * sizeof *copy);
    if (copy != NULL)
        memcpy(copy, values, count * sizeof *copy);
    return copy;
}

void twin_copy_vectors(twin_token *to, const twin_token *from)
{
    for (int i = 0; i < TWIN_FIELDS; i++)
        to->named[i] = copy_of(from->named[i], field_dimensions[i]);
}

void twin_release_vectors(twin_token *token)
{
    for (int i = 0; i < TWIN_FIELDS; i++) {
        free(token->named[i]);
        token->named[i] = NULL;
    }
}

bool twin_same_vectors(const twin_token *a, const twin_token *b)
{
    for (int i = 0; i < TWIN_FIELDS; i++) {
        const float *x = a->named[i], *y = b->named[i];
        if ((x == NULL) != (y == NULL) ||
            (x != NULL && memcmp(x, y, field_dimensions[i] * sizeof *x) != 0))
            return false;
    }
    return true;
}

void twin_take_vectors(const twin_state *twin, twin_token *token, const ng_token_fields *fields)
{
    for (size_t v = 0; (fields->set & NG_FIELD_VECTORS) && v < fields->vector_count; v++) {
        const ng_field_vector *vector = &fields->vectors[v];
        for (int i = 0; i < TWIN_FIELDS; i++) {
            if (twin->fields[i] != vector->field)
                continue;
            free(token->named[i]);
            token->named[i] =
                vector->dimensions == 0 ? NULL : copy_of(vector->values, field_dimensions[i]);
        }
    }
}

void twin_random_vectors(const twin_state *twin, test_random *random, ng_token_fields *fields,
                         bool is_update)
{
    ng_field_vector *vectors = twin_allocate(TWIN_FIELDS * sizeof *vectors);
    fields->vectors = vectors;
    for (int i = TWIN_FIELDS - 1; i >= 0; i--) {
        if (twin->fields[i] == 0 || !test_random_chance(random, is_update ? 15 : 40))
            continue;
        ng_field_vector *vector = &vectors[fields->vector_count++];
        *vector = (ng_field_vector){.field = twin->fields[i]};
        fields->set |= NG_FIELD_VECTORS;
        if (test_random_chance(random, 20))
            continue; /* takes it away */
        float *values = twin_allocate(field_dimensions[i] * sizeof *values);
        for (uint32_t k = 0; k < field_dimensions[i]; k++)
            values[k] = (float)(test_random_unit(random) * 2 - 1);
        vector->values = values;
        vector->dimensions = field_dimensions[i];
    }
}

void twin_vectors_release(ng_token_fields *fields)
{
    for (size_t i = 0; i < fields->vector_count; i++)
        free((void *)(uintptr_t)fields->vectors[i].values);
    free((void *)(uintptr_t)fields->vectors);
    fields->vectors = NULL;
    fields->vector_count = 0;
}

/* --- comparing ------------------------------------------------------------------------------- */

static const char *compare_one(const twin_state *twin, const ng_store *store, const ng_txn *txn,
                               const twin_token *token, int i, char *out)
{
    float values[8];
    size_t count = 99, wanted = token->named[i] != NULL ? field_dimensions[i] : 0;
    ng_vector_field_id field = twin->fields[i];
    ng_status status = txn != NULL
                           ? ng_txn_token_vector_in(txn, token->id, field, values, 8, &count)
                           : ng_token_vector_in(store, token->id, field, values, 8, &count);
    if (status != NG_OK || count != wanted ||
        (count != 0 && memcmp(values, token->named[i], count * sizeof *values) != 0))
        return TWIN_DIFFER(out, "token %" PRIu64 ": vector of %zu in field %u (%s), expected %zu",
                           token->id, count, field, ng_status_name(status), wanted);
    return NULL;
}

const char *twin_compare_named(const twin_state *twin, const ng_store *store, const ng_txn *txn,
                               const twin_token *token, char *out)
{
    ng_token_info info;
    unsigned bits = 0;
    const char *difference = NULL;
    ng_status status = txn != NULL ? ng_txn_token_get(txn, token->id, &info)
                                   : ng_token_get(store, token->id, &info);
    for (int i = 0; i < TWIN_FIELDS && difference == NULL; i++) {
        if (token->named[i] != NULL)
            bits |= 1u << twin->fields[i];
        if (twin->fields[i] != 0)
            difference = compare_one(twin, store, txn, token, i, out);
    }
    if (difference == NULL && (status != NG_OK || info.vector_fields != bits))
        return TWIN_DIFFER(out, "token %" PRIu64 ": fields %x (%s), expected %x", token->id,
                           info.vector_fields, ng_status_name(status), bits);
    return difference;
}

const char *twin_compare_fields(const twin_state *twin, const ng_store *store, char *out)
{
    ng_vector_field_info infos[TWIN_FIELDS + 1];
    size_t count = 0, wanted = 1;
    ng_status status = ng_vector_field_list(store, infos, TWIN_FIELDS + 1, &count);
    for (int i = 0; i < TWIN_FIELDS; i++)
        wanted += twin->fields[i] != 0;
    if (status != NG_OK || count != wanted)
        return TWIN_DIFFER(out, "%zu vector fields (%s), expected %zu", count,
                           ng_status_name(status), wanted);
    for (int i = 0; i < TWIN_FIELDS; i++) {
        ng_vector_field_info info;
        uint64_t vectors = 0;
        for (size_t t = 0; t < twin->token_count; t++)
            vectors += twin->tokens[t].named[i] != NULL;
        if (twin->fields[i] == 0)
            continue;
        if (ng_vector_field_get(store, twin->fields[i], &info) != NG_OK ||
            strcmp(info.name, field_names[i]) != 0 || info.dimensions != field_dimensions[i] ||
            info.metric != field_metrics[i] || info.vector_count != vectors)
            return TWIN_DIFFER(out, "vector field %u has %" PRIu64 " vectors, expected %" PRIu64,
                               twin->fields[i], info.vector_count, vectors);
    }
    return NULL;
}
