/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Seeded points, and those of real words. See bench_points.h. */
#include "bench_points.h"

#include "neurograph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTERS 1000
#define UNIFORM_REACH 30000 /* so that a jittered centre is still inside */
#define LIST_IDS 4096
#define RADIUS_MAX 4096

const char *bench_shape_name(bench_shape shape)
{
    static const char *const names[] = {"uniform", "clustered", "line",
                                        "plane",   "equal",     "extremes"};
    return names[shape];
}

static float coordinate(double value)
{
    return (float)rint(fmax(-BENCH_REACH, fmin(BENCH_REACH, value)));
}

/** A number in -1..1. */
static double unit_random(uint64_t *random)
{
    return (double)(bench_random(random) >> 11) * 0x1p-52 - 1;
}

static bench_point uniform_point(uint64_t *random)
{
    bench_point point;
    for (int axis = 0; axis < 3; axis++) {
        point.at[axis] = coordinate(UNIFORM_REACH * unit_random(random));
    }
    return point;
}

/* ---------------------------------------------------------------------------------------------
 * Shapes
 * ------------------------------------------------------------------------------------------- */

typedef struct cluster {
    bench_point center;
    double width[3]; /* standard deviations */
    double share;    /* of the points, with those of all clusters before it; the last has 1 */
} cluster;

/** Widths between 80 and 740 steps, and sizes, both spread evenly over their logarithms. */
static void clusters_fill(cluster *clusters, uint64_t *random)
{
    double total = 0;
    for (size_t i = 0; i < CLUSTERS; i++) {
        double width = 245 * exp(1.1 * unit_random(random));
        clusters[i].center = uniform_point(random);
        for (int axis = 0; axis < 3; axis++) {
            clusters[i].width[axis] = width * exp(0.5 * unit_random(random));
        }
        total += exp(2 * unit_random(random));
        clusters[i].share = total;
    }
    for (size_t i = 0; i < CLUSTERS; i++) {
        clusters[i].share /= total;
    }
}

static const cluster *cluster_choose(const cluster *clusters, uint64_t *random)
{
    double share = (double)(bench_random(random) >> 11) * 0x1p-53;
    size_t low = 0;
    size_t high = CLUSTERS - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (clusters[middle].share > share) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return &clusters[low];
}

static bool clustered_fill(bench_point *out, size_t count, uint64_t *random)
{
    cluster *clusters = calloc(CLUSTERS, sizeof *clusters);
    if (clusters == NULL) {
        return bench_complain("out of memory");
    }
    clusters_fill(clusters, random);
    for (size_t i = 0; i < count; i++) {
        const cluster *chosen = cluster_choose(clusters, random);
        for (int axis = 0; axis < 3; axis++) {
            double offset = chosen->width[axis] * bench_gaussian(random);
            out[i].at[axis] = coordinate((double)chosen->center.at[axis] + offset);
        }
    }
    free(clusters);
    return true;
}

static bench_point extreme_point(uint64_t *random)
{
    bench_point point;
    uint64_t number = bench_random(random);
    for (int axis = 0; axis < 3; axis++) {
        uint64_t bits = number >> (8 * axis);
        bool high = number >> 60 == 0 && (bits & 1) != 0; /* one of 16 leaves the first corner */
        float inside = (float)(bits >> 1 & 63);
        point.at[axis] = high ? BENCH_REACH - inside : inside - BENCH_REACH;
    }
    return point;
}

bool bench_points_fill(bench_shape shape, bench_point *out, size_t count, uint64_t seed)
{
    uint64_t random = seed;
    if (shape == BENCH_CLUSTERED) {
        return clustered_fill(out, count, &random);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = uniform_point(&random);
        if (shape == BENCH_LINE) {
            out[i].at[1] = out[i].at[2] = out[i].at[0];
        } else if (shape == BENCH_PLANE) {
            out[i].at[2] = 1234;
        } else if (shape == BENCH_EQUAL) {
            out[i] = (bench_point){{1234, -567, 89}};
        } else if (shape == BENCH_EXTREMES) {
            out[i] = extreme_point(&random);
        }
    }
    return true;
}

void bench_points_sample(const bench_point *points, size_t count, float jitter, uint64_t seed,
                         bench_point *out, size_t out_count)
{
    uint64_t random = seed;
    for (size_t i = 0; i < out_count; i++) {
        const bench_point *chosen = &points[(bench_random(&random) >> 11) % count];
        for (int axis = 0; axis < 3; axis++) {
            double offset = (double)jitter * unit_random(&random);
            out[i].at[axis] = coordinate((double)chosen->at[axis] + offset);
        }
    }
}

bool bench_radius_choose(bench_hits_fn hits, void *context, float *out)
{
    unsigned low = 1;
    unsigned high = 2;
    double mean = 0;
    for (; high < RADIUS_MAX; high *= 2) {
        if (!hits(context, (float)high, &mean)) {
            return false;
        }
        if (mean > BENCH_HITS) {
            break;
        }
        low = high;
    }
    high = high < RADIUS_MAX ? high : RADIUS_MAX;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (!hits(context, (float)middle, &mean)) {
            return false;
        }
        *(mean > BENCH_HITS ? &high : &low) = middle;
    }
    *out = (float)low;
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Words
 * ------------------------------------------------------------------------------------------- */

/** Copies the raw coordinates of every token that has some, at most `room` of them. */
static bool coordinates_copy(const ng_store *store, bench_point *out, size_t room, size_t *count)
{
    ng_token_id ids[LIST_IDS];
    ng_token_id after = 0;
    size_t listed = LIST_IDS;
    *count = 0;
    while (listed == LIST_IDS) {
        if (ng_token_list(store, NG_COLLECTION_SEMANTIC, after, ids, LIST_IDS, &listed) != NG_OK) {
            return bench_complain("ng_token_list: %s", ng_last_error());
        }
        for (size_t i = 0; i < listed; i++) {
            ng_token token;
            if (ng_token_read(store, ids[i], &token) != NG_OK) {
                return bench_complain("ng_token_read: %s", ng_last_error());
            }
            const int16_t *raw = token.coordinates[NG_SPACE_PHYSICAL];
            if (raw[0] != NG_COORDINATE_ABSENT && *count < room) {
                out[(*count)++] = (bench_point){{raw[0], raw[1], raw[2]}};
            }
        }
        after = listed > 0 ? ids[listed - 1] : after;
    }
    return true;
}

bool bench_points_of_words(const char *path, bench_point **out, size_t *count)
{
    const ng_bootstrap_options options = {.struct_size = sizeof options};
    ng_bootstrap_report report;
    ng_store *store = NULL;
    ng_info info;
    *out = NULL;
    if (ng_open(NULL, NULL, &store) != NG_OK ||
        ng_bootstrap(store, path, &options, &report) != NG_OK ||
        ng_store_info(store, &info) != NG_OK) {
        bench_complain("%s: %s", path, ng_last_error());
        ng_close(store);
        return false;
    }
    size_t room = info.token_count;
    *out = malloc((room + 1) * sizeof **out);
    bool good =
        *out != NULL ? coordinates_copy(store, *out, room, count) : bench_complain("out of memory");
    if (good && *count == 0) {
        good = bench_complain("%s: no word has coordinates", path);
    }
    ng_close(store);
    return good;
}
