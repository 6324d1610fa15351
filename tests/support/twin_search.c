/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searches of a store against brute force over the twin. */
#include "twin.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HITS_MAX 4096
#define SCORE_TOLERANCE 1e-9 /* float64 sums in another order */

typedef struct brute_hit {
    ng_token_id id;
    uint64_t squared;
    double value; /* distance as reported, or score */
} brute_hit;

static int brute_by_distance(const void *left, const void *right)
{
    const brute_hit *a = left, *b = right;
    if (a->squared != b->squared)
        return a->squared < b->squared ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int brute_by_score(const void *left, const void *right)
{
    const brute_hit *a = left, *b = right;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
    uint64_t x = a, y = b;
    while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x == 0 ? 0 : a / x * b;
}

/* All tokens in `space`, nearest first. */
static size_t brute_grid(const twin_state *twin, ng_space space, const int16_t center[3],
                         const ng_filter *filter, brute_hit *hits)
{
    const uint32_t *scale = twin->scales[space];
    uint64_t steps = common_multiple(common_multiple(scale[0], scale[1]), scale[2]);
    size_t count = 0;
    for (size_t i = 0; i < twin->token_count; i++) {
        const twin_token *token = &twin->tokens[i];
        int16_t raw[NG_AXIS_COUNT]; /* a copy: the record is packed, its members may be anywhere */
        memcpy(raw, token->record.coordinates[space], sizeof raw);
        if (!token->alive || raw[0] == NG_COORDINATE_ABSENT || !twin_filter_takes(filter, token))
            continue;
        uint64_t squared = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            int64_t d = (int64_t)(raw[axis] - center[axis]) * (int64_t)(steps / scale[axis]);
            squared += (uint64_t)(d * d);
        }
        hits[count++] = (brute_hit){.id = token->id,
                                    .squared = squared,
                                    .value = sqrt((double)squared) / (double)steps};
    }
    qsort(hits, count, sizeof *hits, brute_by_distance);
    return count;
}

static const char *compare_hits(const char *what, const ng_hit *got, size_t got_count,
                                size_t capacity, const brute_hit *wanted, size_t wanted_count,
                                char *out)
{
    size_t shown = got_count < capacity ? got_count : capacity;
    if (got_count != wanted_count)
        return TWIN_DIFFER(out, "%s: %zu hits, expected %zu", what, got_count, wanted_count);
    for (size_t i = 0; i < shown; i++) {
        if (got[i].id != wanted[i].id ||
            fabs((double)got[i].distance - wanted[i].value) > 1e-6 * wanted[i].value)
            return TWIN_DIFFER(out,
                               "%s: hit %zu is %" PRIu64 " at %.9g, expected %" PRIu64 " at %.9g",
                               what, i, got[i].id, (double)got[i].distance, wanted[i].id,
                               wanted[i].value);
    }
    return NULL;
}

static const char *compare_range(const ng_store *store, test_random *random, ng_space space,
                                 const float center[3], const ng_filter *filter,
                                 const brute_hit *wanted, size_t count, char *out)
{
    const ng_search_options options = {.struct_size = sizeof options, .filter = filter};
    ng_hit hits[HITS_MAX];
    float radius = 0;
    if (count != 0 && test_random_chance(random, 80))
        radius = (float)wanted[test_random_below(random, count)].value; /* exactly at a token */
    else if (test_random_chance(random, 80))
        radius = (float)(test_random_unit(random) * 40);
    size_t inside = 0, got = 0;
    while (inside < count && (float)wanted[inside].value <= radius)
        inside++;
    size_t capacity = test_random_chance(random, 30) ? test_random_below(random, 5) : HITS_MAX;
    ng_status status = ng_grid_range(store, space, center, radius, &options, hits, capacity, &got);
    if (status != NG_OK)
        return TWIN_DIFFER(out, "ng_grid_range: %s %s", ng_status_name(status), ng_last_error());
    return compare_hits("ng_grid_range", hits, got, capacity, wanted, inside, out);
}

static const char *compare_nearest(const twin_state *twin, const ng_store *store,
                                   test_random *random, ng_space space, const float center[3],
                                   const ng_filter *filter, const brute_hit *wanted, size_t count,
                                   char *out)
{
    const ng_search_options options = {.struct_size = sizeof options, .filter = filter};
    ng_hit hits[64];
    size_t got = 0, limit = 1 + test_random_below(random, 64);
    ng_status status = ng_grid_nearest(store, space, center, &options, hits, limit, &got);
    if (status != NG_OK)
        return TWIN_DIFFER(out, "ng_grid_nearest: %s %s", ng_status_name(status), ng_last_error());
    const char *difference = compare_hits("ng_grid_nearest", hits, got, limit, wanted,
                                          count < limit ? count : limit, out);
    const twin_token *token = difference == NULL ? twin_random_token(twin, random) : NULL;
    if (token == NULL)
        return difference;
    static _Thread_local brute_hit around[HITS_MAX * 4];
    status = ng_token_neighbors(store, token->id, space, NULL, hits, limit, &got);
    if (token->record.coordinates[space][0] == NG_COORDINATE_ABSENT) {
        if (status != NG_E_ABSENT)
            return TWIN_DIFFER(out, "ng_token_neighbors(%" PRIu64 ") where it is not: %s",
                               token->id, ng_status_name(status));
        return NULL;
    }
    if (status != NG_OK)
        return TWIN_DIFFER(out, "ng_token_neighbors: %s", ng_last_error());
    ng_filter others = {.struct_size = sizeof others, .exclude = token->id};
    int16_t raw[NG_AXIS_COUNT];
    memcpy(raw, token->record.coordinates[space], sizeof raw);
    count = brute_grid(twin, space, raw, &others, around);
    return compare_hits("ng_token_neighbors", hits, got, limit, around,
                        count < limit ? count : limit, out);
}

const char *twin_compare_grid(const twin_state *twin, const ng_store *store, test_random *random,
                              char *out)
{
    static _Thread_local brute_hit hits[HITS_MAX * 4];
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        int16_t raw[3];
        float center[3];
        const twin_token *token = twin_random_token(twin, random);
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            raw[axis] = (int16_t)((int)test_random_below(random, 2001) - 1000);
            if (token != NULL && token->record.coordinates[space][axis] != NG_COORDINATE_ABSENT)
                raw[axis] = token->record.coordinates[space][axis];
            center[axis] = twin_decode(twin, (ng_space)space, axis, raw[axis]);
        }
        ng_filter filter;
        twin_random_filter(twin, random, &filter);
        size_t count = brute_grid(twin, (ng_space)space, raw, &filter, hits);
        const char *difference = compare_range(store, random, (ng_space)space, center, &filter,
                                               hits, count < HITS_MAX ? count : HITS_MAX, out);
        if (difference == NULL)
            difference = compare_nearest(twin, store, random, (ng_space)space, center, &filter,
                                         hits, count, out);
        if (difference != NULL)
            return difference;
    }
    return NULL;
}

/* The vector as it counts in a cosine: centred, `removed` components taken out, length 1. A vector
 * of which nothing is left has no direction: false. */
static bool brute_prepare(const twin_state *twin, const float *vector, int32_t remove_components,
                          double *out)
{
    uint32_t dimensions = twin->dimensions, removed = 0;
    bool is_plain = remove_components == NG_PLAIN_COSINE || twin->projection.mean == NULL;
    for (uint32_t i = 0; i < dimensions; i++)
        out[i] = (double)vector[i] - (is_plain ? 0 : (double)twin->projection.mean[i]);
    if (!is_plain)
        removed = remove_components == 0 ? 2 : (uint32_t)remove_components;
    if (removed > twin->projection.component_count)
        removed = twin->projection.component_count;
    double before[64];
    memcpy(before, out, dimensions * sizeof *before);
    for (uint32_t k = 0; k < removed; k++) {
        const float *basis = twin->projection.components + (size_t)k * dimensions;
        double dot = 0;
        for (uint32_t i = 0; i < dimensions; i++)
            dot += before[i] * (double)basis[i];
        for (uint32_t i = 0; i < dimensions; i++)
            out[i] -= dot * (double)basis[i];
    }
    double norm = 0;
    for (uint32_t i = 0; i < dimensions; i++)
        norm += out[i] * out[i];
    if (norm < 1e-12)
        return false;
    for (uint32_t i = 0; i < dimensions; i++)
        out[i] /= sqrt(norm);
    return true;
}

static size_t brute_scores(const twin_state *twin, const double *query, int32_t remove_components,
                           const ng_filter *filter, brute_hit *hits)
{
    size_t count = 0;
    for (size_t i = 0; i < twin->token_count; i++) {
        const twin_token *token = &twin->tokens[i];
        double row[64], dot = 0;
        if (!token->alive || token->vector == NULL || !twin_filter_takes(filter, token) ||
            !brute_prepare(twin, token->vector, remove_components, row))
            continue;
        for (uint32_t k = 0; k < twin->dimensions; k++)
            dot += query[k] * row[k];
        hits[count++] = (brute_hit){.id = token->id, .value = dot};
    }
    qsort(hits, count, sizeof *hits, brute_by_score);
    return count;
}

/* Rows whose scores differ by less than the tolerance may change places, so each place is compared
 * by its score, and each id by its own score. */
static const char *compare_scores(const ng_score *got, size_t got_count, const brute_hit *wanted,
                                  size_t wanted_count, size_t limit, char *out)
{
    if (got_count != (wanted_count < limit ? wanted_count : limit))
        return TWIN_DIFFER(out, "ng_vector_nearest: %zu hits of limit %zu, expected %zu", got_count,
                           limit, wanted_count);
    for (size_t i = 0; i < got_count; i++) {
        size_t at = 0;
        while (at < wanted_count && wanted[at].id != got[i].id)
            at++;
        if (at == wanted_count || fabs(got[i].score - wanted[i].value) > SCORE_TOLERANCE ||
            fabs(got[i].score - wanted[at].value) > SCORE_TOLERANCE)
            return TWIN_DIFFER(out,
                               "ng_vector_nearest: hit %zu is %" PRIu64 " with %.17g, expected "
                               "%" PRIu64 " with %.17g",
                               i, got[i].id, got[i].score, wanted[i].id, wanted[i].value);
        if (i != 0 && (got[i].score > got[i - 1].score ||
                       (got[i].score == got[i - 1].score && got[i].id <= got[i - 1].id)))
            return TWIN_DIFFER(out, "ng_vector_nearest: hits %zu and %zu are out of order", i - 1,
                               i);
    }
    return NULL;
}

const char *twin_compare_vectors(const twin_state *twin, const ng_store *store, test_random *random,
                                 char *out)
{
    static _Thread_local brute_hit hits[HITS_MAX * 4];
    static const int32_t choices[] = {NG_PLAIN_COSINE, 0, 1, 3};
    if (twin->dimensions == 0)
        return NULL;
    float vector[64];
    double query[64];
    const twin_token *token = twin_random_token(twin, random);
    for (uint32_t i = 0; i < twin->dimensions; i++)
        vector[i] = token != NULL && token->vector != NULL
                        ? token->vector[i]
                        : (float)(test_random_unit(random) - 0.5);
    ng_filter filter;
    twin_random_filter(twin, random, &filter);
    ng_vector_options options = {.struct_size = sizeof options, .filter = &filter};
    options.remove_components = choices[test_random_below(random, 4)];
    if (!brute_prepare(twin, vector, options.remove_components, query))
        return NULL;
    size_t count = brute_scores(twin, query, options.remove_components, &filter, hits);
    ng_score scores[64];
    size_t got = 0, limit = 1 + test_random_below(random, 64);
    ng_status status =
        ng_vector_nearest(store, vector, twin->dimensions, &options, scores, limit, &got);
    if (status == NG_E_NOT_FOUND &&
        brute_scores(twin, query, options.remove_components, &(ng_filter){0}, hits) == 0)
        return NULL;
    if (options.remove_components > (int32_t)twin->projection.component_count) {
        if (status != NG_E_INVALID)
            return TWIN_DIFFER(out, "ng_vector_nearest without %d components: %s",
                               options.remove_components, ng_status_name(status));
        return NULL;
    }
    if (status != NG_OK)
        return TWIN_DIFFER(out, "ng_vector_nearest: %s %s", ng_status_name(status),
                           ng_last_error());
    return compare_scores(scores, got, hits, count, limit, out);
}

static bool edge_goes(const twin_connection *connection, ng_direction direction, bool backward)
{
    if (connection->record.flags & NG_CONNECTION_BIDIRECTIONAL)
        return true;
    return (int)direction & (backward ? NG_INCOMING : NG_OUTGOING);
}

/* Hops from `from` to `to`, level by level over all connections; -1 if there is no way. */
static int brute_path(const twin_state *twin, const twin_token *from, const twin_token *to,
                      ng_direction direction, int max_hops)
{
    int *level = calloc(twin->token_count, sizeof *level);
    if (level == NULL)
        abort();
    level[from - twin->tokens] = 1;
    bool grows = true;
    for (int hop = 1; hop <= max_hops && grows && level[to - twin->tokens] == 0; hop++) {
        grows = false;
        for (size_t i = 0; i < twin->connection_count; i++) {
            const twin_connection *connection = &twin->connections[i];
            if (!connection->alive)
                continue;
            int *source = &level[twin_find(twin, connection->source) - twin->tokens];
            int *target = &level[twin_find(twin, connection->target) - twin->tokens];
            if (*source == hop && *target == 0 && edge_goes(connection, direction, false))
                grows = (*target = hop + 1);
            else if (*target == hop && *source == 0 && edge_goes(connection, direction, true))
                grows = (*source = hop + 1);
        }
    }
    int hops = level[to - twin->tokens] - 1;
    free(level);
    return hops;
}

static const char *compare_path(const twin_state *twin, const ng_edge *path, size_t count,
                                ng_token_id from, ng_token_id to, ng_direction direction, char *out)
{
    ng_token_id at = from;
    for (size_t i = 0; i < count; i++) {
        const twin_connection *connection = twin_find_connection(twin, path[i].id);
        if (connection == NULL || !connection->alive)
            return TWIN_DIFFER(out, "ng_path_find: step %zu is no connection", i);
        if (connection->source == at && edge_goes(connection, direction, false))
            at = connection->target;
        else if (connection->target == at && edge_goes(connection, direction, true))
            at = connection->source;
        else
            return TWIN_DIFFER(out, "ng_path_find: step %zu does not go on from %" PRIu64, i, at);
    }
    if (at != to)
        return TWIN_DIFFER(out, "ng_path_find: ends at %" PRIu64 ", not at %" PRIu64, at, to);
    return NULL;
}

const char *twin_compare_paths(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out)
{
    const twin_token *from = twin_random_token(twin, random);
    const twin_token *to = twin_random_token(twin, random);
    if (from == NULL)
        return NULL;
    ng_path_options options = {.struct_size = sizeof options};
    options.direction = (ng_direction)test_random_below(random, 4);
    options.max_hops = (uint32_t)test_random_below(random, 6);
    ng_direction direction = options.direction == 0 ? NG_OUTGOING : options.direction;
    int hops =
        brute_path(twin, from, to, direction, options.max_hops == 0 ? 32 : (int)options.max_hops);
    ng_edge path[64];
    size_t count = 99;
    ng_status status = ng_path_find(store, from->id, to->id, &options, path, 64, &count);
    if (status != (hops < 0 ? NG_E_NOT_FOUND : NG_OK))
        return TWIN_DIFFER(out, "ng_path_find(%" PRIu64 ", %" PRIu64 "): %s, expected %d hops",
                           from->id, to->id, ng_status_name(status), hops);
    if (hops < 0)
        return NULL;
    if (count != (size_t)hops)
        return TWIN_DIFFER(out, "ng_path_find(%" PRIu64 ", %" PRIu64 "): %zu hops, expected %d",
                           from->id, to->id, count, hops);
    return compare_path(twin, path, count, from->id, to->id, direction, out);
}
