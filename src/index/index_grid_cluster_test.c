/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clusters and fields against twins that look at every pair, for every distribution and metric; what is
 * stopped or fails leaves nothing. */
#include "index/index_grid_cluster.h"

#include "index/index_grid_testing.h"

#include <math.h>

#define POINTS_MAX 700u

typedef struct fixture {
    testing_memory memory;
    ngi_grid *grid;
    ngi_grid_tree tree;
    ngi_cluster_point points[POINTS_MAX]; /* as the copy of the tree has them */
    uint32_t count;
    uint64_t random;
    ngi_cluster_job job;
    uint32_t root[POINTS_MAX]; /* the twin's: component of each point */
} fixture;

static fixture *make_fixture(const char *test)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    testing_memory_init(&f->memory);
    f->random = testing_seed(test);
    assert_int_equal(ngi_grid_create(&f->memory.os, &f->memory.mem, 1u << 20, &f->grid), NG_OK);
    return f;
}

static void end_fixture(fixture *f)
{
    ngi_grid_destroy(f->grid);
    testing_memory_check(&f->memory);
    free(f);
}

static bool copy_point(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    fixture *f = context;
    ngi_cluster_point *point = &f->points[f->count++];
    *point = (ngi_cluster_point){.slot = slot};
    memcpy(point->at, at, sizeof point->at);
    return true;
}

/* Points of a distribution, by way of a tree that has been changed. */
static void fill(fixture *f, grid_test_distribution distribution, uint32_t count, uint32_t reaches)
{
    static ngi_grid_point points[POINTS_MAX];
    ngi_grid_search search = {0};
    for (uint32_t i = 0; i < count; i++) {
        points[i].slot = i + 1;
        grid_test_point(distribution, &f->random, points[i].at);
        if (i > 0 && testing_below(&f->random, 4) == 0) /* some where others are */
            memcpy(points[i].at, points[testing_below(&f->random, i)].at, sizeof points[i].at);
    }
    assert_int_equal(ngi_grid_build(f->grid, &f->tree, points, count), NG_OK);
    for (uint32_t i = 0; i < count / 10; i++) { /* the build has reordered them */
        int16_t now[NG_AXIS_COUNT];
        grid_test_point(distribution, &f->random, now);
        ngi_grid_begin(f->grid);
        assert_int_equal(ngi_grid_reserve(f->grid, &f->tree, 1), NG_OK);
        assert_int_equal(ngi_grid_put(f->grid, &f->tree, points[i].slot, points[i].at, now), NG_OK);
        assert_int_equal(ngi_grid_publish(f->grid), NG_OK);
    }
    f->count = 0;
    ngi_grid_copy(f->grid, &f->tree, &search, copy_point, f);
    assert_int_equal(f->count, count);
    for (uint32_t i = 0; i < count; i++) {
        f->points[i].reach = (uint8_t)testing_below(&f->random, reaches);
        f->points[i].strength = (uint8_t)testing_below(&f->random, 256);
    }
    f->job = (ngi_cluster_job){.mem = &f->memory.mem,
                               .points = f->points,
                               .count = count,
                               .metric = f->job.metric};
}

static void set_metric(fixture *f, uint32_t scale, uint32_t scale_z, ng_metric kind)
{
    ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    encoding.scale[0][0] = encoding.scale[0][1] = scale;
    encoding.scale[0][2] = scale_z;
    ngi_metric_init(&f->job.metric, &encoding, NG_SPACE_PHYSICAL, kind);
}

static uint64_t value_between(const fixture *f, uint32_t a, uint32_t b)
{
    return ngi_metric_value(&f->job.metric, f->points[a].at, f->points[b].at);
}

/* A bound that a few, many or all of the others are within. */
static uint64_t random_bound(fixture *f)
{
    uint32_t a = testing_below(&f->random, f->count), b = testing_below(&f->random, f->count);
    uint64_t value = value_between(f, a, b);
    return testing_below(&f->random, 3) == 0 ? value : value >> testing_below(&f->random, 12);
}

/* Components of the points of `among`, by colouring: roots are the first points. */
static void twin_components(fixture *f, const bool *among,
                            bool (*are_linked)(const fixture *f, uint32_t a, uint32_t b))
{
    uint32_t queue[POINTS_MAX], head, tail;
    for (uint32_t i = 0; i < f->count; i++)
        f->root[i] = UINT32_MAX;
    for (uint32_t first = 0; first < f->count; first++) {
        if (!among[first] || f->root[first] != UINT32_MAX)
            continue;
        f->root[first] = first;
        queue[0] = first;
        for (head = 0, tail = 1; head < tail; head++) {
            for (uint32_t i = 0; i < f->count; i++) {
                if (!among[i] || f->root[i] != UINT32_MAX || !are_linked(f, queue[head], i))
                    continue;
                f->root[i] = first;
                queue[tail++] = i;
            }
        }
    }
}

/* --- lengths --------------------------------------------------------------------------------- */

static void test_nearer_is_exact(void **state)
{
    (void)state;
    static const uint32_t scales[] = {1, 3, 7, 100, 999, 10000, 65536, 1000000};
    ngi_metric metric = {.factor = {1, 1, 1}};
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        for (unsigned reach = 1; reach <= 510; reach++) {
            metric.steps = scales[s];
            uint64_t most = ngi_field_nearer(&metric, reach), length = (uint64_t)reach * scales[s];
            assert_true(length < UINT32_MAX);
            /* value x 10^4 < length^2, by quotients that do not overflow */
            uint64_t square = length * length;
            assert_int_equal(most, (square - 1) / 10000);
        }
    }
    metric.steps = 1e6 * 32768;
    assert_int_equal(ngi_field_nearer(&metric, 510), UINT64_MAX);
    metric.steps = 128501960; /* 255 / 100 of it are 327679998 */
    assert_int_equal(ngi_field_nearer(&metric, 255), UINT64_C(327679998) * 327679998 - 1);
    assert_true(ngi_field_density(1, 100) < 0.2388 && ngi_field_density(1, 100) > 0.2387);
    assert_true(ngi_field_density(300, 1) > 300 * ngi_field_density(1, 1) - 1);
}

/* --- the copy -------------------------------------------------------------------------------- */

static bool accept_odd(void *context, uint32_t slot)
{
    (void)context;
    return slot % 2 == 1;
}

static bool stop_at_fifth(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    copy_point(context, slot, at);
    return ((fixture *)context)->count < 5;
}

static void test_copy(void **state)
{
    (void)state;
    fixture *f = make_fixture("copy");
    ngi_grid_search search = {0};
    ngi_grid_copy(f->grid, &f->tree, &search, copy_point, f);
    assert_int_equal(f->count, 0);
    for (int distribution = 0; distribution < GRID_TEST_COUNT; distribution++) {
        fill(f, (grid_test_distribution)distribution, POINTS_MAX, 1);
        for (uint32_t i = 1; i < f->count; i++) {
            uint64_t before = ngi_grid_place(f->points[i - 1].at);
            uint64_t place = ngi_grid_place(f->points[i].at);
            assert_true(before < place ||
                        (before == place && f->points[i - 1].slot < f->points[i].slot));
        }
        f->count = 0;
        search = (ngi_grid_search){.accept = accept_odd, .exclude_slot = 7};
        ngi_grid_copy(f->grid, &f->tree, &search, copy_point, f);
        assert_int_equal(f->count, POINTS_MAX / 2 - 1);
        f->count = 0;
        ngi_grid_copy(f->grid, &f->tree, &search, stop_at_fifth, f);
        assert_int_equal(f->count, 5);
    }
    end_fixture(f);
}

/* --- clusters -------------------------------------------------------------------------------- */

static uint64_t twin_bound;

static bool cores_are_linked(const fixture *f, uint32_t a, uint32_t b)
{
    return value_between(f, a, b) <= twin_bound;
}

/* The component of each point: of a core its own, of another that of its nearest core. */
static void twin_clusters(fixture *f, uint64_t bound, uint64_t min_tokens, bool *is_core)
{
    twin_bound = bound;
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t count = 0;
        for (uint32_t j = 0; j < f->count; j++)
            count += value_between(f, i, j) <= bound;
        is_core[i] = count >= min_tokens;
    }
    twin_components(f, is_core, cores_are_linked);
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t j = 0; j < f->count && !is_core[i]; j++) {
            uint64_t value = value_between(f, i, j);
            if (!is_core[j] || value > bound)
                continue;
            if (best == UINT32_MAX || value < value_between(f, i, best) ||
                (value == value_between(f, i, best) && f->points[j].slot < f->points[best].slot))
                best = j;
        }
        if (best != UINT32_MAX)
            f->root[i] = f->root[best];
    }
}

static void compare_cluster(const fixture *f, const ngi_cluster *cluster, uint32_t number,
                            const uint32_t *numbers, const bool *is_core)
{
    ngi_cluster twin = {.least = UINT32_MAX};
    double farthest = 0;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int64_t sum = 0;
        int low = INT16_MAX, high = INT16_MIN;
        twin.token_count = 0;
        for (uint32_t i = 0; i < f->count; i++) {
            if (numbers[i] != number)
                continue;
            int at = f->points[i].at[axis];
            sum += at;
            low = at < low ? at : low;
            high = at > high ? at : high;
            twin.token_count++;
        }
        assert_int_equal(cluster->low[axis], low);
        assert_int_equal(cluster->high[axis], high);
        assert_true(cluster->center[axis] == (double)sum / (double)twin.token_count);
    }
    for (uint32_t i = 0; i < f->count; i++) {
        if (numbers[i] != number)
            continue;
        double squared = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            double d = (f->points[i].at[axis] - cluster->center[axis]) *
                       (double)f->job.metric.factor[axis];
            squared += d * d;
        }
        farthest = sqrt(squared) > farthest ? sqrt(squared) : farthest;
        twin.core_count += is_core[i];
        twin.least = f->points[i].slot < twin.least ? f->points[i].slot : twin.least;
    }
    assert_int_equal(cluster->token_count, twin.token_count);
    assert_int_equal(cluster->core_count, twin.core_count);
    assert_int_equal(cluster->least, twin.least);
    assert_true(fabs(cluster->radius * f->job.metric.steps - farthest) <= farthest * 1e-12);
}

static void compare_clusters(fixture *f, uint64_t bound, uint64_t min_tokens)
{
    static bool is_core[POINTS_MAX];
    static uint32_t number_of[POINTS_MAX]; /* by the twin's root */
    ngi_cluster *clusters;
    uint32_t *numbers, count, components = 0;
    assert_int_equal(ngi_cluster_find(&f->job, bound, min_tokens, &clusters, &count, &numbers),
                     NG_OK);
    twin_clusters(f, bound, min_tokens, is_core);
    memset(number_of, 0, sizeof number_of);
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->root[i] == UINT32_MAX) {
            assert_int_equal(numbers[i], 0);
            continue;
        }
        assert_in_range(numbers[i], 1, count);
        components += f->root[i] == i;
        if (number_of[f->root[i]] == 0)
            number_of[f->root[i]] = numbers[i];
        assert_int_equal(number_of[f->root[i]], numbers[i]);
    }
    assert_int_equal(components, count);
    for (uint32_t i = 0; i < count; i++) {
        compare_cluster(f, &clusters[i], i + 1, numbers, is_core);
        assert_true(i == 0 || clusters[i - 1].token_count > clusters[i].token_count ||
                    (clusters[i - 1].token_count == clusters[i].token_count &&
                     clusters[i - 1].least < clusters[i].least));
    }
    ngi_free(&f->memory.mem, clusters, count * sizeof *clusters);
    ngi_free(&f->memory.mem, numbers, f->count * sizeof *numbers);
}

static void test_clusters(void **state)
{
    (void)state;
    fixture *f = make_fixture("clusters");
    for (int distribution = 0; distribution < GRID_TEST_COUNT; distribution++) {
        for (unsigned kind = 0; kind < 3; kind++) {
            for (unsigned step = 0; step < 12; step++) {
                static const uint32_t sizes[] = {1, 2, 47, 49, 300, POINTS_MAX};
                set_metric(f, 100, step % 3 == 2 ? 1000 : 100, (ng_metric)kind);
                fill(f, (grid_test_distribution)distribution, sizes[step % 6], 1);
                uint64_t bound = random_bound(f);
                uint64_t min_tokens = 1 + testing_below(&f->random, step % 2 ? 6 : f->count + 1);
                compare_clusters(f, step == 0 ? UINT64_MAX : bound, min_tokens);
            }
        }
    }
    end_fixture(f);
}

/* --- fields ---------------------------------------------------------------------------------- */

static bool sources_are_linked(const fixture *f, uint32_t a, uint32_t b)
{
    unsigned reach = (unsigned)f->points[a].reach + f->points[b].reach;
    return value_between(f, a, b) <= ngi_field_nearer(&f->job.metric, reach);
}

static bool twin_is_in(const fixture *f, uint32_t point, uint32_t source)
{
    float radius = f->points[source].reach / 100.0f;
    return value_between(f, point, source) <= ngi_metric_bound(&f->job.metric, radius);
}

static void compare_field(const fixture *f, const ngi_field *field, uint32_t root,
                          const double *density)
{
    double sum[2][NG_AXIS_COUNT] = {{0}}, strength = 0, sources = 0, radius = 0, densest = 0;
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        bool is_in = false;
        for (uint32_t j = 0; j < f->count && !is_in; j++)
            is_in = f->root[j] == root && twin_is_in(f, i, j);
        tokens += is_in;
        if (f->root[i] != root)
            continue;
        sources++;
        strength += f->points[i].strength;
        densest = density[i] > densest ? density[i] : densest;
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            sum[0][axis] += f->points[i].at[axis];
            sum[1][axis] += f->points[i].at[axis] * (double)f->points[i].strength;
        }
    }
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        assert_true(field->center[axis] ==
                    (strength > 0 ? sum[1][axis] / strength : sum[0][axis] / sources));
    for (uint32_t i = 0; i < f->count; i++) {
        double squared = 0;
        for (int axis = 0; axis < NG_AXIS_COUNT && f->root[i] == root; axis++) {
            double d =
                (f->points[i].at[axis] - field->center[axis]) * (double)f->job.metric.factor[axis];
            squared += d * d;
        }
        double reach = sqrt(squared) / f->job.metric.steps + f->points[i].reach / 100.0;
        if (f->root[i] == root && reach > radius)
            radius = reach;
    }
    assert_int_equal(field->token_count, tokens);
    assert_int_equal(field->source_count, sources);
    assert_true(field->density == densest);
    assert_true(field->strength == strength / 255.0);
    assert_true(fabs(field->radius - radius) <= radius * 1e-12);
}

static void compare_fields(fixture *f, double threshold, uint64_t min_tokens)
{
    static bool is_source[POINTS_MAX];
    static double density[POINTS_MAX];
    ngi_field *fields;
    uint32_t count, components = 0;
    assert_int_equal(ngi_field_find(&f->job, threshold, min_tokens, &fields, &count), NG_OK);
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t within = 0;
        for (uint32_t j = 0; j < f->count && f->points[i].reach > 0; j++)
            within += twin_is_in(f, j, i);
        density[i] = within > 0 ? ngi_field_density(within, f->points[i].reach) : 0;
        is_source[i] = within >= min_tokens && density[i] > threshold;
    }
    twin_components(f, is_source, sources_are_linked);
    for (uint32_t i = 0; i < f->count; i++)
        components += f->root[i] == i;
    assert_int_equal(components, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = 0;
        while (f->points[first].slot != fields[i].least)
            first++;
        compare_field(f, &fields[i], f->root[first], density);
        assert_true(i == 0 || fields[i - 1].token_count > fields[i].token_count ||
                    (fields[i - 1].token_count == fields[i].token_count &&
                     fields[i - 1].least < fields[i].least));
    }
    ngi_free(&f->memory.mem, fields, count * sizeof *fields);
}

static void test_fields(void **state)
{
    (void)state;
    fixture *f = make_fixture("fields");
    for (int distribution = 0; distribution < GRID_TEST_COUNT; distribution++) {
        for (unsigned step = 0; step < 24; step++) {
            static const uint32_t scales[] = {1, 100, 1000, 7000, 30000};
            static const uint32_t sizes[] = {1, 2, 47, 49, 300, POINTS_MAX};
            uint32_t scale = scales[testing_below(&f->random, 5)];
            set_metric(f, scale, step % 4 == 3 ? 3 * scale : scale, NG_METRIC_EUCLIDEAN);
            fill(f, (grid_test_distribution)distribution, sizes[step % 6], step % 3 == 0 ? 4 : 256);
            if (step % 5 == 0)
                for (uint32_t i = 0; i < f->count; i++)
                    f->points[i].strength = 0;
            /* about what the densest have, or anything */
            uint32_t some = 1 + testing_below(&f->random, f->count > 0 ? f->count : 1);
            double threshold = step % 2 ? ngi_field_density(some, f->points[0].reach | 16) : 1e-9;
            compare_fields(f, threshold, 1 + testing_below(&f->random, 4));
        }
    }
    end_fixture(f);
}

/* --- what goes wrong ------------------------------------------------------------------------- */

static bool go_on_awhile(void *context)
{
    unsigned *left = context;
    return (*left)-- > 0;
}

/* Stopped at each question in turn, until there is none left. */
static void test_stop(void **state)
{
    (void)state;
    fixture *f = make_fixture("stop");
    unsigned left, stops = 0;
    ngi_cluster *clusters;
    ngi_field *fields;
    uint32_t *numbers, count;
    set_metric(f, 10000, 30000, NG_METRIC_EUCLIDEAN);
    fill(f, GRID_TEST_UNIFORM, POINTS_MAX, 256);
    f->job.go_on = go_on_awhile;
    f->job.context = &left;
    for (unsigned patience = 0; patience == stops; patience++) {
        left = patience;
        assert_int_equal(ngi_cluster_find(&f->job, UINT64_C(9000) * 9000 * 9, 30, &clusters, &count,
                                          &numbers),
                         NG_OK);
        assert_true(f->job.is_stopped == (numbers == NULL));
        assert_true(!f->job.is_stopped || (clusters == NULL && count == 0));
        stops += f->job.is_stopped;
        ngi_free(&f->memory.mem, clusters, count * sizeof *clusters);
        ngi_free(&f->memory.mem, numbers, numbers != NULL ? f->count * sizeof *numbers : 0);
    }
    assert_true(stops > 1);
    stops = 0;
    for (unsigned patience = 0; patience == stops; patience++) {
        left = patience;
        assert_int_equal(ngi_field_find(&f->job, 1e-9, 1, &fields, &count), NG_OK);
        assert_true(!f->job.is_stopped || (fields == NULL && count == 0));
        stops += f->job.is_stopped;
        ngi_free(&f->memory.mem, fields, count * sizeof *fields);
    }
    assert_true(stops > 1);
    end_fixture(f);
}

static void test_no_memory(void **state)
{
    (void)state;
    fixture *f = make_fixture("no memory");
    ngi_cluster *clusters;
    ngi_field *fields;
    uint32_t *numbers, count;
    set_metric(f, 1000, 1000, NG_METRIC_EUCLIDEAN);
    fill(f, GRID_TEST_DENSE, 200, 256);
    size_t used = atomic_load(&f->memory.mem.used_bytes);
    bool failed = true;
    for (size_t at = 1; failed; at++) {
        f->memory.request_count = 0;
        f->memory.fail_at = at;
        ng_status status = ngi_cluster_find(&f->job, 400 * 400, 3, &clusters, &count, &numbers);
        failed = status != NG_OK;
        assert_true(!failed || (status == NG_E_NOMEM && clusters == NULL && numbers == NULL));
        ngi_free(&f->memory.mem, clusters, count * sizeof *clusters);
        ngi_free(&f->memory.mem, numbers, failed ? 0 : f->count * sizeof *numbers);
        assert_int_equal(atomic_load(&f->memory.mem.used_bytes), used);
    }
    failed = true;
    for (size_t at = 1; failed; at++) {
        f->memory.request_count = 0;
        f->memory.fail_at = at;
        ng_status status = ngi_field_find(&f->job, 1e-9, 3, &fields, &count);
        failed = status != NG_OK;
        assert_true(!failed || (status == NG_E_NOMEM && fields == NULL));
        ngi_free(&f->memory.mem, fields, count * sizeof *fields);
        assert_int_equal(atomic_load(&f->memory.mem.used_bytes), used);
    }
    f->memory.fail_at = 0;
    end_fixture(f);
}

static void test_nothing(void **state)
{
    (void)state;
    fixture *f = make_fixture("nothing");
    ngi_cluster *clusters;
    ngi_field *fields;
    uint32_t *numbers, count = 1;
    set_metric(f, 100, 100, NG_METRIC_EUCLIDEAN);
    f->job.mem = &f->memory.mem;
    assert_int_equal(ngi_cluster_find(&f->job, 10, 1, &clusters, &count, &numbers), NG_OK);
    assert_true(clusters == NULL && numbers == NULL && count == 0);
    count = 1;
    assert_int_equal(ngi_field_find(&f->job, 0.5, 3, &fields, &count), NG_OK);
    assert_true(fields == NULL && count == 0);
    end_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearer_is_exact),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
