/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Made-up ops: mostly right, sometimes wrong in one known way.
 *
 * Few labels, points and endpoints are drawn from small pools, so that conflicts, ties and equal
 * points are common and not an accident. */
#include "twin_random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const twin_token *twin_random_token(const twin_state *twin, test_random *random)
{
    if (twin->live_tokens == 0)
        return NULL;
    for (;;) {
        const twin_token *token = &twin->tokens[test_random_below(random, twin->token_count)];
        if (token->alive)
            return token;
    }
}

const twin_connection *twin_random_connection(const twin_state *twin, test_random *random)
{
    if (twin->live_connections == 0)
        return NULL;
    for (;;) {
        const twin_connection *connection =
            &twin->connections[test_random_below(random, twin->connection_count)];
        if (connection->alive)
            return connection;
    }
}

ng_collection_id twin_random_collection(const twin_state *twin, test_random *random)
{
    for (;;) {
        ng_collection_id id = (ng_collection_id)test_random_below(random, twin->collection_count);
        if (twin->collections[id][0] != '\0')
            return id;
    }
}

float twin_decode(const twin_state *twin, ng_space space, int axis, int raw)
{
    return (float)((double)twin->origins[space][axis] + (double)raw / twin->scales[space][axis]);
}

void *twin_allocate(size_t bytes)
{
    void *block = calloc(1, bytes == 0 ? 1 : bytes);
    if (block == NULL)
        abort();
    return block;
}

int twin_random_raw(test_random *random)
{
    static const int centers[] = {0, 900, -1500, 20000};
    uint64_t kind = test_random_below(random, 10);
    if (kind < 6)
        return centers[test_random_below(random, 4)] + (int)test_random_below(random, 41) - 20;
    if (kind == 6)
        return test_random_chance(random, 50) ? NG_COORDINATE_MAX : -NG_COORDINATE_MAX;
    return (int)test_random_below(random, 65535) - NG_COORDINATE_MAX;
}

static void random_point(const twin_state *twin, test_random *random, ng_space space,
                         ng_token_fields *fields)
{
    const twin_token *other =
        test_random_chance(random, 15) ? twin_random_token(twin, random) : NULL;
    fields->spaces_set |= (uint8_t)(1 << space);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int raw = other != NULL ? other->record.coordinates[space][axis] : NG_COORDINATE_ABSENT;
        if (raw == NG_COORDINATE_ABSENT)
            raw = twin_random_raw(random);
        fields->coordinates[space][axis] = twin_decode(twin, space, axis, raw);
    }
}

static void random_label(test_random *random, ng_token_fields *fields)
{
    char text[1100];
    uint64_t number = test_random_below(random, 4000);
    int bytes = 0;
    switch (test_random_below(random, 6)) {
    case 0:
        bytes = snprintf(text, sizeof text, "слово %llu", (unsigned long long)number);
        break;
    case 1:
        memset(text, 'x', 1024);
        bytes = 1024;
        text[number % 1024] = 'y';
        break;
    default:
        bytes = snprintf(text, sizeof text, "label-%llu", (unsigned long long)number);
        break;
    }
    char *copy = twin_allocate((size_t)bytes);
    memcpy(copy, text, (size_t)bytes);
    fields->set |= NG_FIELD_LABEL;
    fields->label = copy;
    fields->label_bytes = (size_t)bytes;
}

static void random_vector(const twin_state *twin, const twin_mix *mix, test_random *random,
                          ng_token_fields *fields)
{
    uint32_t dimensions = twin->dimensions != 0 ? twin->dimensions : mix->dimensions;
    float *vector = twin_allocate(dimensions * sizeof *vector);
    const twin_token *other =
        test_random_chance(random, 15) ? twin_random_token(twin, random) : NULL;
    for (uint32_t i = 0; i < dimensions; i++)
        vector[i] = other != NULL && other->vector != NULL
                        ? other->vector[i]
                        : (float)(test_random_unit(random) * 2 - 1);
    fields->set |= NG_FIELD_VECTOR;
    fields->vector = vector;
    fields->vector_dimensions = dimensions;
}

static void random_fields(const twin_state *twin, const twin_mix *mix, test_random *random,
                          ng_token_fields *fields, bool is_update)
{
    fields->struct_size = sizeof *fields;
    float max_weight = twin->cdna.max_token_weight;
    if (test_random_chance(random, 50) || (!is_update && max_weight < 1)) {
        fields->set |= NG_FIELD_WEIGHT;
        fields->weight = (float)test_random_unit(random) * max_weight;
    }
    if (test_random_chance(random, 20)) {
        fields->set |= NG_FIELD_RADIUS;
        fields->field_radius = (float)test_random_below(random, 256) / 100;
    }
    if (test_random_chance(random, 20)) {
        fields->set |= NG_FIELD_STRENGTH;
        fields->field_strength = (float)test_random_below(random, 256) / 255;
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_FIELD_ENTITY;
        fields->entity = (uint8_t)test_random_below(random, 16);
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_FIELD_FLAGS;
        fields->flags =
            (uint16_t)(test_random_next(random) & (0xFFFF & ~(unsigned)NG_TOKEN_ENTITY_MASK));
    }
    if (test_random_chance(random, 20)) {
        unsigned bits = (unsigned)test_random_next(random) & ~(unsigned)NG_TOKEN_ENTITY_MASK;
        fields->flags_set = (uint16_t)(bits & 0x50A5);
        fields->flags_clear = (uint16_t)(bits & 0xA05A);
    }
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (test_random_chance(random, is_update ? 15 : 45))
            random_point(twin, random, (ng_space)space, fields);
        else if (is_update && test_random_chance(random, 8))
            fields->spaces_clear |= (uint8_t)(1 << space);
    }
    if (test_random_chance(random, is_update ? 15 : 50))
        random_label(random, fields);
    else if (is_update && test_random_chance(random, 5))
        fields->set |= NG_FIELD_LABEL; /* no bytes: takes the label away */
    if (mix->dimensions != 0 && test_random_chance(random, is_update ? 15 : 40))
        random_vector(twin, mix, random, fields);
    else if (is_update && test_random_chance(random, 5))
        fields->set |= NG_FIELD_VECTOR; /* no dimensions: takes the vector away */
    twin_random_vectors(twin, random, fields, is_update);
    twin_random_attributes(random, fields, is_update);
}

static bool same_label(const ng_token_fields *a, const ng_token_fields *b)
{
    return (a->set & b->set & NG_FIELD_LABEL) && a->collection == b->collection &&
           a->label_bytes == b->label_bytes && memcmp(a->label, b->label, a->label_bytes) == 0;
}

static void random_create(const twin_state *twin, const twin_mix *mix, test_random *random,
                          twin_op *op)
{
    op->kind = TWIN_CREATE;
    op->as_batch = test_random_chance(random, 25);
    op->count = op->as_batch ? 1 + test_random_below(random, TWIN_BATCH_MAX) : 1;
    op->items = twin_allocate(op->count * sizeof *op->items);
    for (size_t i = 0; i < op->count; i++) {
        ng_token_fields *fields = &op->items[i].fields;
        random_fields(twin, mix, random, fields, false);
        fields->collection = twin_random_collection(twin, random);
        bool is_taken =
            (fields->set & NG_FIELD_LABEL) &&
            twin_find_label(twin, fields->collection, fields->label, fields->label_bytes) != NULL;
        for (size_t k = 0; k < i; k++)
            is_taken = is_taken || same_label(&op->items[k].fields, fields);
        if (is_taken)
            op->expected = NG_E_EXISTS;
    }
}

/* The label of a token that is there, or, more often, of one that is not. */
static void random_label_known(const twin_state *twin, test_random *random, ng_token_fields *fields)
{
    const twin_token *other =
        test_random_chance(random, 60) ? twin_random_token(twin, random) : NULL;
    if (!(fields->set & NG_FIELD_LABEL))
        random_label(random, fields);
    if (other == NULL || other->label_bytes == 0)
        return;
    free((void *)(uintptr_t)fields->label);
    fields->label = memcpy(twin_allocate(other->label_bytes), other->label, other->label_bytes);
    fields->label_bytes = other->label_bytes;
    fields->collection = other->collection;
}

static void random_upsert(const twin_state *twin, const twin_mix *mix, test_random *random,
                          twin_op *op)
{
    op->kind = TWIN_UPSERT;
    op->as_batch = test_random_chance(random, 50);
    op->count = op->as_batch ? 1 + test_random_below(random, TWIN_BATCH_MAX) : 1;
    op->items = twin_allocate(op->count * sizeof *op->items);
    for (size_t i = 0; i < op->count; i++) {
        twin_item *item = &op->items[i];
        random_fields(twin, mix, random, &item->fields, false);
        item->fields.collection = twin_random_collection(twin, random);
        random_label_known(twin, random, &item->fields);
        const twin_token *holder = twin_find_label(twin, item->fields.collection,
                                                   item->fields.label, item->fields.label_bytes);
        item->created = holder == NULL;
        item->id = holder != NULL ? holder->id : 0;
        for (size_t k = 0; k < i; k++) {
            if (same_label(&op->items[k].fields, &item->fields))
                op->expected = NG_E_EXISTS;
        }
    }
}

/* What the store must answer to item `index`, those before it being right: a label may be one that
 * a token of the batch gives up before its turn. */
static ng_status update_expected(const twin_state *twin, const twin_op *op, size_t index)
{
    const ng_token_fields *fields = &op->items[index].fields;
    /* A weight that a newer constitution no longer allows must be mended by the same update. */
    if (twin_find(twin, op->items[index].id)->record.weight > twin->cdna.max_token_weight &&
        !(fields->set & NG_FIELD_WEIGHT))
        return NG_E_INVALID;
    if (!(fields->set & NG_FIELD_LABEL) || fields->label_bytes == 0)
        return NG_OK;
    const twin_token *holder =
        twin_find_label(twin, fields->collection, fields->label, fields->label_bytes);
    for (size_t i = 0; i < index; i++) {
        if (same_label(&op->items[i].fields, fields))
            return NG_E_EXISTS;
        if (holder != NULL && holder->id == op->items[i].id &&
            (op->items[i].fields.set & NG_FIELD_LABEL))
            holder = NULL;
    }
    return holder != NULL && holder->id != op->items[index].id ? NG_E_EXISTS : NG_OK;
}

/* One token, or several different ones. */
static size_t random_tokens(const twin_state *twin, test_random *random, const twin_token *first,
                            ng_token_id out[TWIN_BATCH_MAX])
{
    size_t count = 1;
    out[0] = first->id;
    for (size_t wanted = 1 + test_random_below(random, TWIN_BATCH_MAX); wanted > 1; wanted--) {
        ng_token_id id = twin_random_token(twin, random)->id;
        bool is_new = true;
        for (size_t i = 0; i < count; i++)
            is_new = is_new && out[i] != id;
        if (is_new)
            out[count++] = id;
    }
    return count;
}

static void random_update(const twin_state *twin, const twin_mix *mix, test_random *random,
                          const twin_token *token, twin_op *op)
{
    ng_token_id ids[TWIN_BATCH_MAX] = {token->id};
    op->kind = TWIN_UPDATE;
    op->as_batch = test_random_chance(random, 25);
    op->count = op->as_batch ? random_tokens(twin, random, token, ids) : 1;
    op->items = twin_allocate(op->count * sizeof *op->items);
    for (size_t i = 0; i < op->count; i++) {
        op->items[i].id = ids[i];
        random_fields(twin, mix, random, &op->items[i].fields, true);
        op->items[i].fields.collection = twin_find(twin, ids[i])->collection; /* not looked at */
        if (op->expected == NG_OK)
            op->expected = update_expected(twin, op, i);
    }
}

static void random_delete(const twin_state *twin, test_random *random, const twin_token *token,
                          twin_op *op)
{
    op->kind = TWIN_DELETE;
    op->token = token->id;
    op->as_batch = test_random_chance(random, 10);
    if (op->as_batch)
        op->count = random_tokens(twin, random, token, op->deleted);
}

static void random_cdna(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_CDNA;
    op->cdna = twin->cdna;
    op->cdna.max_token_weight = test_random_chance(random, 50) ? 1.0f : 0.75f;
    op->cdna.max_out_degree = test_random_chance(random, 50) ? 1000 : 6;
    op->cdna.max_in_degree = op->cdna.max_out_degree;
    op->cdna.max_total_degree = op->cdna.max_out_degree * 2;
    op->cdna.max_pull_strength = test_random_chance(random, 50) ? 10.0f : 5.0f;
    op->cdna.min_pull_strength = -op->cdna.max_pull_strength;
    op->cdna.scales[test_random_below(random, NG_SPACE_COUNT)] =
        0.5f + (float)test_random_below(random, 8) / 4;
    memset(&op->cdna.allowed_types, 0, sizeof op->cdna.allowed_types);
    if (test_random_chance(random, 30)) {
        memset(&op->cdna.allowed_types, 0xFF, sizeof op->cdna.allowed_types);
        op->cdna.allowed_types.bits[0] &= ~(1ull << test_random_below(random, 3));
        op->cdna.allowed_types.bits[2] &= (1ull << 48) - 1; /* types end at 0xAF */
        op->cdna.allowed_types.bits[3] = 0;
    }
}

/* Orthonormal rows by Gram and Schmidt, as a projection computed from real data would have. */
static void random_projection(const twin_state *twin, test_random *random, twin_op *op)
{
    uint32_t dimensions = twin->dimensions, count = dimensions < 3 ? 1 : 3;
    op->kind = TWIN_PROJECTION;
    op->projection.dimensions = dimensions;
    op->projection.component_count = count;
    op->projection.mean = twin_allocate(dimensions * sizeof(float));
    op->projection.components = twin_allocate((size_t)count * dimensions * sizeof(float));
    for (uint32_t i = 0; i < dimensions; i++)
        op->projection.mean[i] = (float)(test_random_unit(random) * 0.2 - 0.1);
    for (uint32_t row = 0; row < count; row++) {
        double values[64] = {0};
        for (uint32_t i = 0; i < dimensions; i++)
            values[i] = test_random_unit(random) * 2 - 1;
        for (uint32_t other = 0; other < row; other++) {
            const float *basis = op->projection.components + (size_t)other * dimensions;
            double dot = 0;
            for (uint32_t i = 0; i < dimensions; i++)
                dot += values[i] * (double)basis[i];
            for (uint32_t i = 0; i < dimensions; i++)
                values[i] -= dot * (double)basis[i];
        }
        double norm = 0;
        for (uint32_t i = 0; i < dimensions; i++)
            norm += values[i] * values[i];
        for (uint32_t i = 0; i < dimensions; i++)
            op->projection.components[(size_t)row * dimensions + i] =
                (float)(values[i] / sqrt(norm));
    }
}

static void spoil_fields(test_random *random, twin_op *op)
{
    ng_token_fields *fields = &op->items[test_random_below(random, op->count)].fields;
    op->expected = NG_E_INVALID;
    switch (test_random_below(random, 12)) {
    case 9:
        fields->flags_set |= 0x0100; /* of the entity type */
        break;
    case 10:
        fields->flags_set |= NG_TOKEN_DIRTY;
        fields->flags_clear |= NG_TOKEN_DIRTY;
        break;
    case 11:
        twin_spoil_attributes(random, fields);
        break;
    case 0:
        fields->set |= NG_FIELD_WEIGHT;
        fields->weight = 2;
        break;
    case 1:
        fields->set |= NG_FIELD_WEIGHT;
        fields->weight = NAN;
        break;
    case 2:
        fields->spaces_set |= 1;
        fields->spaces_clear &= 0xFE;
        fields->coordinates[0][1] = test_random_chance(random, 50) ? NAN : 1e9f;
        break;
    case 3:
        fields->set |= 1u << 20;
        break;
    case 4:
        fields->spaces_set |= 4;
        fields->spaces_clear |= 4;
        break;
    case 5:
        fields->set |= NG_FIELD_ENTITY;
        fields->entity = 16;
        break;
    case 6:
        fields->set |= NG_FIELD_RADIUS;
        fields->field_radius = 2.6f;
        break;
    case 7:
        fields->set |= NG_FIELD_STRENGTH;
        fields->field_strength = -0.1f;
        break;
    default:
        fields->struct_size = 8;
        break;
    }
}

/* The last id becomes that of a token which is not there, or the first one again. */
static void spoil_ids(test_random *random, ng_token_id dead, ng_token_id *last, ng_token_id first,
                      twin_op *op)
{
    bool is_twice = op->count > 1 && test_random_chance(random, 50);
    *last = is_twice ? first : dead;
    op->expected = is_twice ? NG_E_INVALID : NG_E_NOT_FOUND;
}

/* An id that no connection has yet. */
static ng_connection_id absent_connection(const twin_state *twin)
{
    size_t count = twin->connection_count;
    return count > 0 ? twin->connections[count - 1].id + 5 : 5;
}

/* Only ops that would have been right are spoiled, so that there is one reason to refuse them. */
static void random_spoil(const twin_state *twin, test_random *random, twin_op *op)
{
    ng_token_id dead = twin->token_count != 0 ? twin->tokens[twin->token_count - 1].id + 9 : 9;
    for (size_t i = 0; i < twin->token_count; i++) {
        if (!twin->tokens[i].alive && test_random_chance(random, 30))
            dead = twin->tokens[i].id;
    }
    switch (op->kind) {
    case TWIN_CREATE:
    case TWIN_UPDATE:
    case TWIN_UPSERT:
        if (op->kind == TWIN_UPDATE && test_random_chance(random, 30)) {
            spoil_ids(random, dead, &op->items[op->count - 1].id, op->items[0].id, op);
        } else {
            spoil_fields(random, op);
        }
        break;
    case TWIN_CONNECT:
    case TWIN_JOIN:
        if (op->count != 0)
            twin_spoil_link(twin, random, op);
        break;
    case TWIN_RELINK:
    case TWIN_ACTIVATE:
        if (op->count != 0) {
            op->links[op->count - 1].id = absent_connection(twin); /* NOLINT: count says so */
            op->expected = NG_E_NOT_FOUND;
        }
        break;
    case TWIN_DELETE:
        spoil_ids(random, dead, op->as_batch ? &op->deleted[op->count - 1] : &op->token,
                  op->deleted[0], op);
        break;
    case TWIN_DISCONNECT:
        op->connection = absent_connection(twin);
        if (op->count != 0)
            op->links[op->count - 1].id = op->connection; /* NOLINT: count says so */
        op->expected = NG_E_NOT_FOUND;
        break;
    case TWIN_COLLECTION:
        snprintf(op->name, sizeof op->name, "Not a name");
        op->expected = NG_E_INVALID;
        break;
    case TWIN_CLEAR:
    case TWIN_DROP:
        op->collection = (ng_collection_id)twin->collection_count;
        op->expected = NG_E_NOT_FOUND;
        break;
    case TWIN_CDNA:
        op->cdna.scales[0] = test_random_chance(random, 50) ? NAN : 0;
        op->expected = NG_E_INVALID;
        break;
    case TWIN_PROJECTION:
    case TWIN_INDEX:
    case TWIN_FIELD:
    case TWIN_TRANSACTION:
        break;
    }
}

/* A label that a batch gives twice is no conflict with what is there. */
static bool has_label_twice(const twin_op *op)
{
    for (size_t i = 0; op->items != NULL && i < op->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (same_label(&op->items[k].fields, &op->items[i].fields))
                return true;
        }
    }
    return false;
}

/* A condition that holds changes nothing; one that does not is the only reason to refuse the op. */
static void random_condition(const twin_state *twin, test_random *random, twin_op *op)
{
    bool may_be_absent = op->kind == TWIN_CREATE || op->kind == TWIN_CONNECT;
    if (op->expected == NG_E_EXISTS && may_be_absent && !has_label_twice(op)) {
        op->if_absent = true;
        op->expected = NG_E_CONFLICT;
        op->conflict = NG_CONFLICT_PRESENT;
    }
    if (op->expected != NG_OK)
        return;
    op->if_absent = may_be_absent && test_random_chance(random, 50);
    bool is_false = test_random_chance(random, 50);
    ng_token_id id = op->kind == TWIN_UPDATE ? op->items[0].id : op->token;
    const twin_token *token = id != 0 ? twin_find(twin, id) : NULL;
    bool is_single = op->kind == TWIN_CREATE || op->kind == TWIN_CONNECT || op->count <= 1;
    if (token != NULL && is_single && test_random_chance(random, 60)) {
        op->if_version = token->version + is_false;
        op->conflict = NG_CONFLICT_VERSION;
    } else if (twin->seq > 1) {
        op->if_seq = twin->seq - is_false;
        op->conflict = NG_CONFLICT_SEQ;
    } else {
        return;
    }
    op->expected = is_false ? NG_E_CONFLICT : NG_OK;
}

/* Mostly a clearing, which of the large ones is seldom: it ends what a run is about. */
static void random_collection(const twin_state *twin, test_random *random, twin_op *op)
{
    op->collection = twin_random_collection(twin, random);
    if (op->collection <= NG_COLLECTION_SEMANTIC)
        op->collection = twin_random_collection(twin, random);
    op->kind = test_random_chance(random, 50) ? TWIN_CLEAR : TWIN_DROP;
    if (op->kind == TWIN_DROP && op->collection <= NG_COLLECTION_SEMANTIC)
        op->expected = NG_E_FORBIDDEN;
}

void twin_random_op(const twin_state *twin, const twin_mix *mix, test_random *random, twin_op *op)
{
    memset(op, 0, sizeof *op);
    uint64_t roll = test_random_below(random, 100);
    bool is_crowded = twin->live_tokens >= mix->target_tokens;
    const twin_token *token = twin_random_token(twin, random);
    const twin_connection *connection = twin_random_connection(twin, random);
    if (test_random_chance(random, 1)) {
        op->kind = TWIN_INDEX;
        op->index = (unsigned)test_random_below(random, TWIN_INDEXES);
        op->drops = test_random_chance(random, 30);
        if (op->drops && !twin->indexes[op->index])
            op->expected = NG_E_NOT_FOUND;
    } else if (test_random_chance(random, 1)) {
        twin_random_field(twin, random, op);
    } else if (roll < 2 && twin->collection_count < TWIN_COLLECTIONS_MAX) {
        op->kind = TWIN_COLLECTION;
        snprintf(op->name, sizeof op->name, "c-%llu_%zu.x",
                 (unsigned long long)test_random_below(random, 1000), twin->collection_count);
    } else if (roll < 3 && test_random_chance(random, 50)) {
        random_collection(twin, random, op);
    } else if (roll < 3) {
        random_cdna(twin, random, op);
    } else if (roll < 4 && mix->use_projection && twin->dimensions != 0) {
        random_projection(twin, random, op);
    } else if (roll < (is_crowded ? 34 : 10) && token != NULL) {
        random_delete(twin, random, token, op);
    } else if (roll < 40 && token != NULL) {
        random_update(twin, mix, random, token, op);
    } else if (roll < 46) {
        random_upsert(twin, mix, random, op);
    } else if (roll < 75 && twin->live_tokens >= 2) {
        twin_random_connect(twin, random, op);
    } else if (roll < 80 && connection != NULL) {
        twin_random_disconnect(twin, random, op);
    } else if (roll < 84 && connection != NULL) {
        twin_random_relink(twin, random, op);
    } else if (roll < 87 && twin->live_tokens >= 2) {
        twin_random_join(twin, random, op);
    } else if (roll < 89 && connection != NULL) {
        twin_random_activate(twin, random, op);
    }
    if (op->kind == TWIN_CREATE || (op->links != NULL && op->count == 0)) {
        twin_op_release(op);
        random_create(twin, mix, random, op);
    }
    if (test_random_chance(random, mix->condition_percent))
        random_condition(twin, random, op);
    else if (op->expected == NG_OK && test_random_chance(random, mix->bad_percent))
        random_spoil(twin, random, op);
}
