/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every kind of search in space against looking at every token of the twin. */
#include "twin.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HITS_MAX 4096
#define PI 3.14159265358979323846

typedef struct space_hit {
    ng_token_id id;
    double distance;
    const twin_token *token;
} space_hit;

/* One question: where, how measured, which tokens. */
typedef struct space_question {
    const twin_state *twin;
    const ng_store *store;
    ng_space space;
    uint32_t metric;
    int16_t raw[NG_AXIS_COUNT];
    float center[NG_AXIS_COUNT];
    ng_filter filter;
    ng_search_options options;
    space_hit *hits; /* by distance, then id */
    size_t count;
} space_question;

static int by_distance(const void *left, const void *right)
{
    const space_hit *a = left, *b = right;
    if ((float)a->distance != (float)b->distance)
        return (float)a->distance < (float)b->distance ? -1 : 1;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* In units of the space: sums of integers by their scales, so equal distances are equal numbers where
 * the axes have one scale. */
static double distance_of(const space_question *q, const int16_t raw[NG_AXIS_COUNT])
{
    double sum = 0, most = 0, scale = q->twin->scales[q->space][0];
    bool even = scale == q->twin->scales[q->space][1] && scale == q->twin->scales[q->space][2];
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        double d = fabs((double)(raw[axis] - q->raw[axis]));
        if (!even)
            d = d / (double)q->twin->scales[q->space][axis];
        sum += q->metric == NG_METRIC_EUCLIDEAN ? d * d : d;
        most = d > most ? d : most;
    }
    double length = q->metric == NG_METRIC_CHEBYSHEV   ? most
                    : q->metric == NG_METRIC_EUCLIDEAN ? sqrt(sum)
                                                       : sum;
    return even ? length / scale : length;
}

static void question_measure(space_question *q)
{
    q->count = 0;
    for (size_t i = 0; i < q->twin->token_count && q->count < HITS_MAX; i++) {
        const twin_token *token = &q->twin->tokens[i];
        int16_t raw[NG_AXIS_COUNT];
        memcpy(raw, token->record.coordinates[q->space], sizeof raw);
        if (!token->alive || raw[0] == NG_COORDINATE_ABSENT ||
            !twin_filter_takes(&q->filter, token))
            continue;
        q->hits[q->count++] = (space_hit){token->id, distance_of(q, raw), token};
    }
    qsort(q->hits, q->count, sizeof *q->hits, by_distance);
}

static void question_random(space_question *q, test_random *random)
{
    const twin_token *token = twin_random_token(q->twin, random);
    q->space = (ng_space)test_random_below(random, NG_SPACE_COUNT);
    q->metric = (uint32_t)test_random_below(random, 3);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int16_t near =
            token == NULL ? NG_COORDINATE_ABSENT : token->record.coordinates[q->space][axis];
        q->raw[axis] = near != NG_COORDINATE_ABSENT && test_random_chance(random, 80)
                           ? near
                           : (int16_t)((int)test_random_below(random, 65535) - 32767);
        q->center[axis] = twin_decode(q->twin, q->space, axis, q->raw[axis]);
    }
    twin_random_filter(q->twin, random, &q->filter);
    q->options = (ng_search_options){.struct_size = sizeof q->options, .metric = q->metric};
    if (test_random_chance(random, 60))
        q->options.filter = &q->filter;
    else
        q->filter = (ng_filter){.struct_size = sizeof q->filter};
    question_measure(q);
}

/* A radius that no token is at: distances of the twin are rounded otherwise than the store's. */
static float clear_radius(const space_question *q, test_random *random)
{
    double radius = test_random_unit(random) * 40;
    if (q->count > 1) {
        size_t at = test_random_below(random, q->count - 1);
        radius = (q->hits[at].distance + q->hits[at + 1].distance) / 2;
    }
    for (size_t i = 0; i < q->count; i++)
        if (fabs(q->hits[i].distance - radius) <= 1e-5 * radius)
            return -1;
    return (float)radius;
}

static size_t within(const space_question *q, float radius)
{
    size_t count = 0;
    while (count < q->count && q->hits[count].distance <= (double)radius)
        count++;
    return count;
}

/* Ids of equal distances may stand in another order here, so ids are compared as a set, and each with
 * its own distance. */
static const char *compare(const space_question *q, const char *what, const ng_hit *got,
                           size_t count, size_t wanted, bool ordered, char *out)
{
    if (count != wanted)
        return TWIN_DIFFER(out, "%s: %zu hits, expected %zu", what, count, wanted);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < q->count && q->hits[at].id != got[i].id)
            at++;
        if (at == q->count ||
            fabs((double)got[i].distance - q->hits[at].distance) > 1e-6 * q->hits[at].distance)
            return TWIN_DIFFER(out, "%s: hit %zu, token %" PRIu64 " at %.9g", what, i, got[i].id,
                               (double)got[i].distance);
        if (ordered &&
            fabs(q->hits[i].distance - q->hits[at].distance) > 1e-6 * q->hits[at].distance)
            return TWIN_DIFFER(out, "%s: hit %zu, token %" PRIu64 ", is out of order", what, i,
                               got[i].id);
        if (ordered && i > 0 && got[i].distance == got[i - 1].distance &&
            got[i].id <= got[i - 1].id && q->metric != NG_METRIC_EUCLIDEAN)
            return TWIN_DIFFER(out, "%s: hits %zu and %zu are out of order", what, i - 1, i);
    }
    return NULL;
}

static const char *failed(ng_status status, const char *what, char *out)
{
    return status == NG_OK
               ? NULL
               : TWIN_DIFFER(out, "%s: %s %s", what, ng_status_name(status), ng_last_error());
}

static __attribute__((noinline)) const char *ask_range(space_question *q, float radius, char *out)
{
    static _Thread_local ng_hit hits[HITS_MAX];
    size_t count = 0, wanted = within(q, radius);
    uint64_t counted = 0;
    const char *what = "ng_grid_range";
    ng_status status =
        ng_grid_range(q->store, q->space, q->center, radius, &q->options, hits, HITS_MAX, &count);
    const char *difference = failed(status, what, out);
    if (difference == NULL)
        difference = compare(q, what, hits, count, wanted, true, out);
    q->options.flags = NG_SEARCH_UNORDERED;
    if (difference == NULL)
        difference = failed(ng_grid_range(q->store, q->space, q->center, radius, &q->options, hits,
                                          HITS_MAX, &count),
                            what, out);
    q->options.flags = 0;
    if (difference == NULL)
        difference = compare(q, "ng_grid_range unordered", hits, count, wanted, false, out);
    if (difference == NULL)
        difference =
            failed(ng_grid_count(q->store, q->space, q->center, radius, &q->options, &counted),
                   "ng_grid_count", out);
    if (difference == NULL && counted != wanted)
        return TWIN_DIFFER(out, "ng_grid_count: %" PRIu64 ", expected %zu", counted, wanted);
    return difference;
}

static const char *ask_nearest(space_question *q, float radius, char *out)
{
    static _Thread_local ng_hit hits[HITS_MAX];
    size_t count = 0, limit = 1 + q->count / 3;
    const char *what = "ng_grid_nearest";
    const char *difference =
        failed(ng_grid_nearest(q->store, q->space, q->center, &q->options, hits, limit, &count),
               what, out);
    if (difference == NULL)
        difference = compare(q, what, hits, count, q->count < limit ? q->count : limit, true, out);
    if (difference != NULL || radius <= 0)
        return difference;
    size_t near = within(q, radius);
    q->options.max_distance = radius;
    difference =
        failed(ng_grid_nearest(q->store, q->space, q->center, &q->options, hits, limit, &count),
               what, out);
    q->options.max_distance = 0;
    if (difference == NULL)
        difference = compare(q, "ng_grid_nearest within", hits, count, near < limit ? near : limit,
                             true, out);
    return difference;
}

static const char *ask_many(space_question *q, float radius, char *out)
{
    ng_hit hits[3 * 8];
    float centers[3][NG_AXIS_COUNT];
    size_t counts[3];
    size_t wanted = radius < 0 ? (q->count < 8 ? q->count : 8) : within(q, radius);
    for (int i = 0; i < 3; i++)
        memcpy(centers[i], q->center, sizeof centers[i]);
    const char *difference =
        failed(ng_grid_many(q->store, q->space, (const float(*)[NG_AXIS_COUNT])centers, 3, radius,
                            8, &q->options, hits, counts),
               "ng_grid_many", out);
    for (int i = 0; i < 3 && difference == NULL; i++) {
        if (counts[i] != wanted)
            return TWIN_DIFFER(out, "ng_grid_many: %zu hits, expected %zu", counts[i], wanted);
        size_t shown = wanted < 8 ? wanted : 8;
        difference = compare(q, "ng_grid_many", hits + 8 * i, shown, shown, true, out);
    }
    return difference;
}

static bool in_box(const space_question *q, const twin_token *token, const int16_t *low,
                   const int16_t *high)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int16_t raw = token->record.coordinates[q->space][axis];
        if (raw < low[axis] || raw > high[axis])
            return false;
    }
    return true;
}

static const char *ask_box(space_question *q, test_random *random, char *out)
{
    static _Thread_local ng_hit hits[HITS_MAX];
    int16_t low[NG_AXIS_COUNT], high[NG_AXIS_COUNT];
    float from[NG_AXIS_COUNT], to[NG_AXIS_COUNT];
    uint32_t span = test_random_chance(random, 50) ? 60000 : 3000;
    size_t wanted = 0, count = 0;
    uint64_t counted = 0;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int a = q->raw[axis] - (int)test_random_below(random, span);
        int b = q->raw[axis] + (int)test_random_below(random, span);
        low[axis] = (int16_t)(a < -NG_COORDINATE_MAX ? -NG_COORDINATE_MAX : a);
        high[axis] = (int16_t)(b > NG_COORDINATE_MAX ? NG_COORDINATE_MAX : b);
        from[axis] = twin_decode(q->twin, q->space, axis, low[axis]);
        to[axis] = twin_decode(q->twin, q->space, axis, high[axis]);
    }
    for (size_t i = 0; i < q->count; i++)
        wanted += in_box(q, q->hits[i].token, low, high);
    const char *difference =
        failed(ng_grid_box(q->store, q->space, from, to, &q->options, hits, HITS_MAX, &count),
               "ng_grid_box", out);
    if (difference == NULL)
        difference = failed(ng_grid_box_count(q->store, q->space, from, to, &q->options, &counted),
                            "ng_grid_box_count", out);
    if (difference != NULL)
        return difference;
    if (count != wanted || counted != wanted)
        return TWIN_DIFFER(out, "ng_grid_box: %zu, counted %" PRIu64 ", expected %zu", count,
                           counted, wanted);
    for (size_t i = 0; i < count; i++) {
        const twin_token *token = twin_find(q->twin, hits[i].id);
        if (token == NULL || !in_box(q, token, low, high) ||
            (i > 0 && hits[i].distance < hits[i - 1].distance))
            return TWIN_DIFFER(out, "ng_grid_box: hit %zu, token %" PRIu64, i, hits[i].id);
    }
    return NULL;
}

static const char *ask_density(space_question *q, float radius, char *out)
{
    double density = 0;
    uint64_t count = 0;
    ng_status status =
        ng_grid_density(q->store, q->space, q->center, radius, &q->options, &density, &count);
    if (q->metric != NG_METRIC_EUCLIDEAN)
        return status == NG_E_INVALID ? NULL
                                      : TWIN_DIFFER(out, "ng_grid_density by metric %u", q->metric);
    double r = (double)radius, wanted = (double)within(q, radius) / (4.0 / 3 * PI * r * r * r);
    if (status != NG_OK || fabs(density - wanted) > 1e-9 * wanted)
        return TWIN_DIFFER(out, "ng_grid_density: %.17g, expected %.17g", density, wanted);
    return NULL;
}

static const char *ask_influence(space_question *q, float radius, char *out)
{
    double influence = 0, wanted = 0;
    uint64_t count = 0, expected = 0;
    for (size_t i = 0; i < within(q, radius); i++) {
        double field = q->hits[i].token->record.field_radius / 100.0;
        double distance = (double)(float)q->hits[i].distance;
        if (field == 0 || distance > field)
            continue;
        wanted += q->hits[i].token->record.field_strength / 255.0 * (1 - distance / field);
        expected++;
    }
    ng_status status =
        ng_grid_influence(q->store, q->space, q->center, radius, &q->options, &influence, &count);
    if (status != NG_OK || fabs(influence - wanted) > 1e-6 * (1 + wanted))
        return TWIN_DIFFER(out,
                           "ng_grid_influence: %.17g of %" PRIu64 ", expected %.17g of %" PRIu64,
                           influence, count, wanted, expected);
    return NULL;
}

const char *twin_compare_space(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out)
{
    static _Thread_local space_hit hits[HITS_MAX];
    space_question q = {.twin = twin, .store = store, .hits = hits};
    question_random(&q, random);
    float radius = clear_radius(&q, random);
    const char *difference = ask_nearest(&q, radius, out);
    if (difference == NULL)
        difference = ask_box(&q, random, out);
    if (difference == NULL)
        difference = ask_many(&q, -1, out);
    if (difference != NULL || radius <= 0)
        return difference;
    difference = ask_range(&q, radius, out);
    if (difference == NULL)
        difference = ask_many(&q, radius, out);
    if (difference == NULL)
        difference = ask_density(&q, radius, out);
    if (difference == NULL)
        difference = ask_influence(&q, radius, out);
    return difference;
}

/* --- several spaces -------------------------------------------------------------------------- */

/* Centres are float32: distances differ by their rounding. */
static double slack(double distance)
{
    return 1e-4 + 1e-5 * distance;
}

static bool multi_distance(const twin_state *twin, const twin_token *token,
                           const ng_multi_query *query, const float *weights, double *out)
{
    double sum = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if (!(query->spaces >> space & 1))
            continue;
        if (token->record.coordinates[space][0] == NG_COORDINATE_ABSENT)
            return false;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            double at = (double)twin_decode(twin, (ng_space)space, axis,
                                            token->record.coordinates[space][axis]);
            double d = at - (double)query->centers[space][axis];
            sum += (double)weights[space] * d * d;
        }
    }
    *out = sqrt(sum);
    return true;
}

const char *twin_compare_multi(const twin_state *twin, const ng_store *store, test_random *random,
                               char *out)
{
    static _Thread_local space_hit hits[HITS_MAX];
    static _Thread_local ng_hit got[HITS_MAX];
    space_question q = {.twin = twin, .store = store, .hits = hits};
    question_random(&q, random);
    ng_multi_query query = {.struct_size = sizeof query,
                            .spaces = (uint8_t)(1 + test_random_below(random, 255))};
    const twin_token *token = twin_random_token(twin, random);
    bool own_weights = test_random_chance(random, 50);
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        query.weights[space] = own_weights ? 0.25f + (float)test_random_unit(random) : 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            int16_t raw =
                token == NULL ? NG_COORDINATE_ABSENT : token->record.coordinates[space][axis];
            query.centers[space][axis] =
                twin_decode(twin, (ng_space)space, axis, raw == NG_COORDINATE_ABSENT ? 0 : raw);
        }
    }
    q.metric = q.options.metric = NG_METRIC_EUCLIDEAN;
    q.count = 0;
    for (size_t i = 0; i < twin->token_count && q.count < HITS_MAX; i++) {
        const twin_token *each = &twin->tokens[i];
        double distance;
        if (each->alive && twin_filter_takes(&q.filter, each) &&
            multi_distance(twin, each, &query, own_weights ? query.weights : twin->cdna.scales,
                           &distance))
            hits[q.count++] = (space_hit){each->id, distance, each};
    }
    qsort(hits, q.count, sizeof *hits, by_distance);
    size_t limit = 1 + test_random_below(random, 20), count = 0;
    const char *difference = failed(ng_multi_nearest(store, &query, &q.options, got, limit, &count),
                                    "ng_multi_nearest", out);
    for (size_t i = 0; i < count && difference == NULL; i++) {
        size_t at = 0;
        while (at < q.count && hits[at].id != got[i].id)
            at++;
        if (at == q.count ||
            fabs((double)got[i].distance - hits[i].distance) > slack(hits[i].distance) ||
            fabs((double)got[i].distance - hits[at].distance) > slack(hits[at].distance))
            difference = TWIN_DIFFER(out, "ng_multi_nearest: hit %zu, token %" PRIu64 " at %.9g", i,
                                     got[i].id, (double)got[i].distance);
    }
    if (difference == NULL && count != (q.count < limit ? q.count : limit))
        return TWIN_DIFFER(out, "ng_multi_nearest: %zu hits of %zu, limit %zu", count, q.count,
                           limit);
    float radius = clear_radius(&q, random);
    if (difference != NULL || radius <= 1e-3f)
        return difference;
    difference = failed(ng_multi_range(store, &query, radius, &q.options, got, HITS_MAX, &count),
                        "ng_multi_range", out);
    size_t least = within(&q, radius - (float)slack((double)radius)),
           most = within(&q, radius + (float)slack((double)radius));
    if (difference == NULL && (count < least || count > most))
        return TWIN_DIFFER(out, "ng_multi_range: %zu hits, expected %zu", count, least);
    return difference;
}
