/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Made-up ops about connections. */
#include "twin_random.h"

#include <math.h>
#include <string.h>

static const twin_connection *find_link(const twin_state *twin, const ng_connection_fields *fields)
{
    for (size_t i = 0; i < twin->connection_count; i++) {
        const twin_connection *connection = &twin->connections[i];
        if (connection->alive && connection->source == fields->source &&
            connection->target == fields->target && connection->record.type == fields->type)
            return connection;
    }
    return NULL;
}

static bool link_exists(const twin_state *twin, const ng_connection_fields *fields)
{
    return find_link(twin, fields) != NULL;
}

static bool link_exceeds_degree(const twin_state *twin, const ng_connection_fields *fields)
{
    const ng_cdna *cdna = &twin->cdna;
    uint32_t out = twin_degree(twin, fields->source, NG_OUTGOING);
    uint32_t in = twin_degree(twin, fields->target, NG_INCOMING);
    return out >= cdna->max_out_degree || in >= cdna->max_in_degree ||
           out + twin_degree(twin, fields->source, NG_INCOMING) >= cdna->max_total_degree ||
           in + twin_degree(twin, fields->target, NG_OUTGOING) >= cdna->max_total_degree;
}

static bool type_is_allowed(const twin_state *twin, uint8_t type)
{
    const uint64_t *bits = twin->cdna.allowed_types.bits;
    bool is_open = (bits[0] | bits[1] | bits[2] | bits[3]) == 0;
    return is_open || (bits[type >> 6] >> (type & 63) & 1);
}

static void random_target(const twin_state *twin, test_random *random, ng_connection_fields *fields)
{
    if (test_random_chance(random, 10)) {
        fields->set |= NG_CFIELD_TARGET_OF;
        fields->target_of = twin_random_token(twin, random)->id;
    } else if (test_random_chance(random, 10)) {
        fields->set |= NG_CFIELD_TARGET_VECTOR;
        fields->target_spaces = (uint8_t)test_random_next(random);
        for (int space = 0; space < NG_SPACE_COUNT; space++)
            fields->target_vector[space] =
                twin_decode(twin, (ng_space)space, 0, twin_random_raw(random));
    }
}

/* All members but the ends and the type, some of the time each. */
static void random_link_fields(const twin_state *twin, test_random *random,
                               ng_connection_fields *fields)
{
    if (test_random_chance(random, 40)) {
        fields->set |= NG_CFIELD_FLAGS;
        fields->flags = (uint8_t)test_random_next(random);
    }
    if (test_random_chance(random, 20))
        fields->flags_set = (uint8_t)test_random_next(random);
    if (test_random_chance(random, 20))
        fields->flags_clear = (uint8_t)(test_random_next(random) & ~fields->flags_set);
    if (test_random_chance(random, 30)) {
        fields->set |= NG_CFIELD_LEVELS;
        fields->active_levels = (uint8_t)test_random_next(random);
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_CFIELD_MUTABILITY;
        fields->mutability = (uint8_t)test_random_below(random, 3);
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_CFIELD_RIGIDITY;
        fields->rigidity = (float)test_random_below(random, 256) / 255;
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_CFIELD_PULL;
        fields->pull_strength = twin->cdna.min_pull_strength +
                                (float)test_random_unit(random) *
                                    (twin->cdna.max_pull_strength - twin->cdna.min_pull_strength);
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_CFIELD_DISTANCE;
        fields->preferred_distance = 0.01f + (float)test_random_unit(random) * 99;
    }
    if (test_random_chance(random, 30)) {
        fields->set |= NG_CFIELD_CONFIDENCE;
        fields->confidence = (float)test_random_below(random, 256) / 255;
    }
    if (test_random_chance(random, 20)) {
        fields->set |= NG_CFIELD_LEARNING_RATE;
        fields->learning_rate = (float)test_random_below(random, 256) / 255;
    }
    if (test_random_chance(random, 20)) {
        fields->set |= NG_CFIELD_DECAY_RATE;
        fields->decay_rate = (float)test_random_below(random, 128) / 255;
    }
    if (test_random_chance(random, 10)) {
        fields->set |= NG_CFIELD_ORIGIN;
        fields->origin = (uint32_t)test_random_below(random, 3);
    }
    random_target(twin, random, fields);
}

static void random_link(const twin_state *twin, test_random *random, ng_connection_fields *fields)
{
    fields->struct_size = sizeof *fields;
    fields->source = twin_random_token(twin, random)->id;
    do {
        fields->target = twin_random_token(twin, random)->id;
    } while (fields->target == fields->source);
    fields->set = NG_CFIELD_TYPE;
    fields->type = (uint8_t)(test_random_below(random, 11) * 16 + test_random_below(random, 3));
    random_link_fields(twin, random, fields);
}

/* A single link may be refused for one reason; a batch holds only links that are right, from
 * different sources to different targets, so that it is refused only when it is damaged later. */
void twin_random_connect(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_CONNECT;
    op->as_batch = test_random_chance(random, 25);
    size_t wanted = op->as_batch ? 1 + test_random_below(random, TWIN_BATCH_MAX) : 1;
    op->links = twin_allocate(wanted * sizeof *op->links);
    for (int attempt = 0; attempt < 200 && op->count < wanted; attempt++) {
        ng_connection_fields fields = {0};
        random_link(twin, random, &fields);
        bool is_forbidden = !type_is_allowed(twin, fields.type);
        bool is_double = link_exists(twin, &fields);
        bool is_over = link_exceeds_degree(twin, &fields);
        int reasons = is_forbidden + is_double + is_over;
        if (reasons > (op->as_batch ? 0 : 1))
            continue;
        bool is_alone = true;
        for (size_t i = 0; i < op->count; i++) {
            const ng_connection_fields *other = &op->links[i].fields;
            is_alone = is_alone && other->source != fields.source &&
                       other->target != fields.target && other->source != fields.target &&
                       other->target != fields.source;
        }
        if (!is_alone)
            continue;
        op->expected = is_forbidden ? NG_E_FORBIDDEN
                       : is_double  ? NG_E_EXISTS
                       : is_over    ? NG_E_LIMIT
                                    : NG_OK;
        op->links[op->count++].fields = fields;
    }
}

/* A constitution that has changed may forbid what an update leaves alone. */
static ng_status relink_status(const twin_state *twin, const twin_connection *connection,
                               const ng_connection_fields *fields)
{
    const ng_connection *record = &connection->record;
    uint8_t type = fields->set & NG_CFIELD_TYPE ? fields->type : record->type;
    float pull = fields->set & NG_CFIELD_PULL ? fields->pull_strength : record->pull_strength;
    ng_connection_fields after = {.source = connection->source,
                                  .target = connection->target,
                                  .type = type};
    if (!type_is_allowed(twin, type))
        return NG_E_FORBIDDEN;
    if (pull < twin->cdna.min_pull_strength || pull > twin->cdna.max_pull_strength)
        return NG_E_INVALID;
    return type != record->type && link_exists(twin, &after) ? NG_E_EXISTS : NG_OK;
}

/* Whether no other link of the op is about the same two tokens. */
static bool link_is_alone(const twin_op *op, ng_token_id source, ng_token_id target)
{
    for (size_t i = 0; i < op->count; i++) {
        if (op->links[i].fields.source == source && op->links[i].fields.target == target)
            return false;
    }
    return true;
}

void twin_random_relink(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_RELINK;
    op->as_batch = test_random_chance(random, 25);
    size_t wanted = op->as_batch ? 1 + test_random_below(random, TWIN_BATCH_MAX) : 1;
    op->links = twin_allocate(wanted * sizeof *op->links);
    for (int attempt = 0; attempt < 50 && op->count < wanted; attempt++) {
        const twin_connection *connection = twin_random_connection(twin, random);
        ng_connection_fields fields = {.struct_size = sizeof fields,
                                       .source = connection->source,
                                       .target = connection->target};
        random_link_fields(twin, random, &fields);
        if (test_random_chance(random, 30)) {
            fields.set |= NG_CFIELD_TYPE;
            fields.type =
                (uint8_t)(connection->record.type / 16 * 16 + test_random_below(random, 3));
        }
        ng_status status = relink_status(twin, connection, &fields);
        if ((status != NG_OK && op->as_batch) ||
            !link_is_alone(op, connection->source, connection->target))
            continue;
        op->expected = status;
        op->links[op->count].id = connection->id;
        op->links[op->count++].fields = fields;
    }
}

void twin_random_join(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_JOIN;
    op->as_batch = test_random_chance(random, 25);
    size_t wanted = op->as_batch ? 1 + test_random_below(random, 4) : 1;
    op->links = twin_allocate(wanted * sizeof *op->links);
    for (int attempt = 0; attempt < 50 && op->count < wanted; attempt++) {
        ng_connection_fields fields = {0};
        random_link(twin, random, &fields);
        const twin_connection *connection = twin_random_connection(twin, random);
        if (connection != NULL && test_random_chance(random, 60)) {
            fields.source = connection->source;
            fields.target = connection->target;
            fields.type = connection->record.type;
        }
        connection = find_link(twin, &fields);
        ng_status status = NG_OK;
        if (connection != NULL)
            status = relink_status(twin, connection, &fields);
        else if (!type_is_allowed(twin, fields.type))
            status = NG_E_FORBIDDEN;
        else if (link_exceeds_degree(twin, &fields))
            status = NG_E_LIMIT;
        bool is_alone = link_is_alone(op, fields.source, fields.target);
        for (size_t i = 0; i < op->count; i++)
            is_alone = is_alone && op->links[i].fields.source != fields.source &&
                       op->links[i].fields.target != fields.target &&
                       op->links[i].fields.source != fields.target &&
                       op->links[i].fields.target != fields.source;
        if ((status != NG_OK && op->as_batch) || !is_alone)
            continue;
        op->expected = status;
        op->links[op->count].id = connection != NULL ? connection->id : 0;
        op->links[op->count++].fields = fields;
    }
}

void twin_random_disconnect(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_DISCONNECT;
    op->connection = twin_random_connection(twin, random)->id;
    if (test_random_chance(random, 60))
        return;
    op->as_batch = true;
    op->links = twin_allocate(3 * sizeof *op->links);
    op->links[op->count++].id = op->connection;
    op->connection = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        ng_connection_id id = twin_random_connection(twin, random)->id;
        bool is_there = false;
        for (size_t i = 0; i < op->count; i++)
            is_there |= op->links[i].id == id;
        if (!is_there)
            op->links[op->count++].id = id;
    }
}

void twin_random_activate(const twin_state *twin, test_random *random, twin_op *op)
{
    op->kind = TWIN_ACTIVATE;
    op->as_batch = test_random_chance(random, 50);
    op->count = op->as_batch ? 1 + test_random_below(random, TWIN_BATCH_MAX) : 1;
    op->links = twin_allocate(op->count * sizeof *op->links);
    for (size_t i = 0; i < op->count; i++)
        op->links[i].id = i > 0 && test_random_chance(random, 20)
                              ? op->links[i - 1].id
                              : twin_random_connection(twin, random)->id;
}

void twin_spoil_link(const twin_state *twin, test_random *random, twin_op *op)
{
    ng_connection_fields *fields = &op->links[test_random_below(random, op->count)].fields;
    op->expected = NG_E_INVALID;
    switch (test_random_below(random, 6)) {
    case 0:
        fields->target = fields->source;
        break;
    case 1:
        fields->set |= NG_CFIELD_TYPE;
        fields->type = 0xB0;
        break;
    case 2:
        fields->set |= NG_CFIELD_PULL;
        fields->pull_strength = test_random_chance(random, 50) ? NAN : 10.5f;
        break;
    case 3:
        fields->set |= NG_CFIELD_DISTANCE;
        fields->preferred_distance = 0;
        break;
    case 4:
        fields->set |= NG_CFIELD_CONFIDENCE;
        fields->confidence = 1.5f;
        break;
    default:
        fields->target = twin->tokens[twin->token_count - 1].id + 77;
        op->expected = NG_E_NOT_FOUND;
        break;
    }
}
