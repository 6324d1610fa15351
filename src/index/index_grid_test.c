/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The spatial trees: random changes and searches against looking at every point, for every
 * distribution, metric and kernel; what fails leaves no trace. */
#include "index/index_grid_testing.h"

#include "index/index_grid_kernels.h"

typedef struct fixture {
    ngi_os os;
    ngi_mem mem;
    ngi_grid *grid;
    ngi_grid_tree tree;
    grid_test_twin twin;
    uint64_t random;
} fixture;

static fixture *make_fixture(const char *test)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->os = testing_os();
    f->random = testing_seed(test);
    ngi_mem_init(&f->mem, 0);
    assert_int_equal(ngi_grid_create(&f->os, &f->mem, 1u << 20, &f->grid), NG_OK);
    return f;
}

static void end_fixture(fixture *f)
{
    ngi_grid_destroy(f->grid);
    assert_int_equal(atomic_load(&f->mem.used_bytes), 0);
    free(f);
}

static void check(fixture *f)
{
    if (ngi_grid_check(f->grid, &f->tree) != NG_OK)
        fail_msg("%s", ngi_last_error());
}

/* One op of `count` changes of different slots; `removal` in percent. */
static void change(fixture *f, grid_test_distribution distribution, uint32_t count,
                   uint32_t removal)
{
    static bool seen[GRID_TEST_SLOTS + 1];
    memset(seen, 0, sizeof seen);
    ngi_grid_begin(f->grid);
    assert_int_equal(ngi_grid_reserve(f->grid, &f->tree, count), NG_OK);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = 1 + testing_below(&f->random, GRID_TEST_SLOTS);
        int16_t now[NG_AXIS_COUNT];
        if (seen[slot])
            continue;
        seen[slot] = true;
        grid_test_point(distribution, &f->random, now);
        bool stays = testing_below(&f->random, 100) >= removal;
        assert_int_equal(ngi_grid_put(f->grid, &f->tree, slot,
                                      f->twin.is_there[slot] ? f->twin.at[slot] : NULL,
                                      stays ? now : NULL),
                         NG_OK);
        memcpy(f->twin.at[slot], now, sizeof now);
        f->twin.is_there[slot] = stays;
    }
    assert_int_equal(ngi_grid_publish(f->grid), NG_OK);
}

static bool accept_thirds(void *context, uint32_t slot)
{
    (void)context;
    return slot % 3 == 0;
}

static void random_search(fixture *f, grid_test_distribution distribution, ng_metric kind,
                          ngi_grid_search *out)
{
    ngi_encoding encoding;
    ngi_encoding_default(&encoding);
    *out = (ngi_grid_search){.bound = UINT64_MAX};
    ngi_metric_init(&out->metric, &encoding,
                    testing_below(&f->random, 2) ? NG_SPACE_PHYSICAL : NG_SPACE_TEMPORAL, kind);
    grid_test_point(distribution, &f->random, out->center);
    out->by_box = testing_below(&f->random, 4) == 0;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int low = out->center[axis] - (int)testing_below(&f->random, 2000);
        int high = out->center[axis] + (int)testing_below(&f->random, 2000);
        out->low[axis] = (int16_t)(low < -NG_COORDINATE_MAX ? -NG_COORDINATE_MAX : low);
        out->high[axis] = (int16_t)(high > NG_COORDINATE_MAX ? NG_COORDINATE_MAX : high);
    }
    if (testing_below(&f->random, 4) != 0) {
        float scale = testing_below(&f->random, 2) ? 1e-2f : 1e-4f;
        out->bound =
            ngi_metric_bound(&out->metric, (float)testing_below(&f->random, 100000) * scale);
    }
    if (testing_below(&f->random, 3) == 0)
        out->exclude_slot = 1 + testing_below(&f->random, GRID_TEST_SLOTS);
    if (testing_below(&f->random, 3) == 0)
        out->accept = accept_thirds;
}

static void expect_search(fixture *f, ngi_grid_search *search, size_t capacity)
{
    static ngi_grid_hit wanted[GRID_TEST_SLOTS], hits[GRID_TEST_SLOTS + 1];
    size_t count = grid_test_brute(&f->twin, search, wanted);
    size_t kept = count < capacity ? count : capacity;
    uint64_t bound = search->bound;
    search->hits = hits;
    search->capacity = capacity;
    ngi_grid_range(f->grid, &f->tree, search);
    assert_int_equal(search->found, count);
    assert_int_equal(search->count, kept);
    assert_memory_equal(hits, wanted, kept * sizeof *hits);
    ngi_grid_nearest(f->grid, &f->tree, search);
    assert_int_equal(search->count, kept);
    assert_memory_equal(hits, wanted, kept * sizeof *hits);
    ngi_grid_count(f->grid, &f->tree, search);
    assert_int_equal(search->found, count);
    ngi_grid_collect(f->grid, &f->tree, search);
    assert_int_equal(search->found, count);
    assert_int_equal(search->count, kept);
    qsort(hits, search->count, sizeof *hits, grid_test_compare);
    if (kept == count)
        assert_memory_equal(hits, wanted, kept * sizeof *hits);
    for (size_t i = 1; i < search->count; i++)
        assert_true(grid_test_compare(&hits[i - 1], &hits[i]) < 0);
    assert_true(search->bound == bound);
}

static void search_all(fixture *f, grid_test_distribution distribution)
{
    static const size_t capacities[] = {0, 1, 10, 32, 33, 100, GRID_TEST_SLOTS};
    for (int kind = 0; kind < 3; kind++) {
        ngi_grid_search search;
        random_search(f, distribution, (ng_metric)kind, &search);
        for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++)
            expect_search(f, &search, capacities[i]);
    }
}

static void run_distribution(grid_test_distribution distribution)
{
    fixture *f = make_fixture("grid");
    for (uint32_t step = 0; step < 1200; step++) {
        uint32_t count = step % 7 == 0 ? 1 + testing_below(&f->random, 400) : 1;
        change(f, distribution, count, step > 600 && step < 900 ? 85 : 30);
        if (step % 60 == 0)
            check(f);
        if (step % 30 == 0)
            search_all(f, distribution);
    }
    check(f);
    change(f, distribution, GRID_TEST_SLOTS * 8, 100); /* nearly all go */
    check(f);
    search_all(f, distribution);
    end_fixture(f);
}

#define DISTRIBUTION_TEST(name, value)                                                             \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run_distribution(value);                                                                   \
    }

DISTRIBUTION_TEST(test_uniform, GRID_TEST_UNIFORM)
DISTRIBUTION_TEST(test_few_places, GRID_TEST_FEW)
DISTRIBUTION_TEST(test_all_equal, GRID_TEST_EQUAL)
DISTRIBUTION_TEST(test_line, GRID_TEST_LINE)
DISTRIBUTION_TEST(test_plane, GRID_TEST_PLANE)
DISTRIBUTION_TEST(test_corners, GRID_TEST_CORNERS)
DISTRIBUTION_TEST(test_dense, GRID_TEST_DENSE)
DISTRIBUTION_TEST(test_nested, GRID_TEST_NESTED)

static void test_empty_and_one(void **state)
{
    (void)state;
    fixture *f = make_fixture("grid");
    ngi_grid_search search = {.bound = UINT64_MAX};
    ngi_grid_stats stats;
    search.metric = (ngi_metric){.factor = {1, 1, 1}, .steps = 100};
    expect_search(f, &search, 10);
    ngi_grid_stats_get(f->grid, &f->tree, &stats);
    assert_int_equal(stats.points, 0);
    assert_int_equal(stats.depth, 0);
    change(f, GRID_TEST_EQUAL, 1, 0);
    check(f);
    expect_search(f, &search, 10);
    ngi_grid_stats_get(f->grid, &f->tree, &stats);
    assert_int_equal(stats.points, 1);
    assert_int_equal(stats.depth, 2);
    assert_int_equal(stats.low[0], 5);
    assert_int_equal(stats.high[2], 5);
    ngi_grid_clear(f->grid, &f->tree);
    check(f);
    assert_int_equal(f->tree.count, 0);
    memset(f->twin.is_there, 0, sizeof f->twin.is_there);
    expect_search(f, &search, 10);
    end_fixture(f);
}

static size_t twin_points(const fixture *f, ngi_grid_point *out)
{
    size_t count = 0;
    for (uint32_t slot = GRID_TEST_SLOTS; slot > 0; slot--) {
        if (!f->twin.is_there[slot])
            continue;
        out[count].slot = slot;
        memcpy(out[count++].at, f->twin.at[slot], sizeof out->at);
    }
    return count;
}

static void test_build(void **state)
{
    (void)state;
    static ngi_grid_point points[GRID_TEST_SLOTS];
    static const uint32_t sizes[] = {0, 1, 35, 36, 48, 49, 72, 97, 700, GRID_TEST_SLOTS * 4};
    for (int distribution = 0; distribution < GRID_TEST_COUNT; distribution++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fixture *f = make_fixture("grid build");
            if (sizes[i] > 0)
                change(f, (grid_test_distribution)distribution, sizes[i], 0);
            size_t count = twin_points(f, points);
            assert_int_equal(ngi_grid_build(f->grid, &f->tree, points, count), NG_OK);
            check(f);
            assert_int_equal(f->tree.count, count);
            search_all(f, (grid_test_distribution)distribution);
            change(f, (grid_test_distribution)distribution, 300, 40);
            check(f);
            search_all(f, (grid_test_distribution)distribution);
            end_fixture(f);
        }
    }
}

typedef struct many_points {
    int16_t (*at)[NG_AXIS_COUNT]; /* by slot */
    bool *is_seen;
    uint32_t count;
} many_points;

static bool see_point(void *context, uint32_t slot, const int16_t at[NG_AXIS_COUNT])
{
    many_points *many = context;
    assert_in_range(slot, 1, many->count);
    assert_false(many->is_seen[slot]);
    assert_memory_equal(at, many->at[slot], sizeof many->at[slot]);
    many->is_seen[slot] = true;
    return true;
}

/* Slots in order, the other way round, and in none. `count` is no multiple of 7919. */
static uint32_t many_slot(uint32_t i, uint32_t count, int order)
{
    if (order == 2)
        return 1 + (uint32_t)((uint64_t)i * 7919 % count);
    return order == 0 ? 1 + i : count - i;
}

static void build_many(many_points *many, int order, ngi_grid_stats *stats)
{
    fixture *f = make_fixture("grid build many");
    ngi_grid_point *points = calloc(many->count, sizeof *points);
    assert_non_null(points);
    for (uint32_t i = 0; i < many->count; i++) {
        points[i].slot = many_slot(i, many->count, order);
        memcpy(points[i].at, many->at[points[i].slot], sizeof points->at);
    }
    assert_int_equal(ngi_grid_build(f->grid, &f->tree, points, many->count), NG_OK);
    check(f);
    assert_int_equal(f->tree.count, many->count);
    memset(many->is_seen, 0, (many->count + 1) * sizeof *many->is_seen);
    ngi_grid_each(f->grid, &f->tree, see_point, many);
    ngi_grid_stats_get(f->grid, &f->tree, stats);
    free(points);
    end_fixture(f);
}

/* More points than are sorted at a time, all of them in one bucket or not, in any order of slots: the
 * tree is the same. */
static void test_build_many(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4097, 16384, 16385, 100000};
    uint64_t random = testing_seed("grid build many");
    many_points many = {.at = calloc(100001, sizeof *many.at),
                        .is_seen = calloc(100001, sizeof *many.is_seen)};
    assert_non_null(many.at);
    assert_non_null(many.is_seen);
    for (int distribution = 0; distribution < GRID_TEST_COUNT; distribution++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            many.count = sizes[i];
            for (uint32_t slot = 1; slot <= many.count; slot++)
                grid_test_point((grid_test_distribution)distribution, &random, many.at[slot]);
            /* one alone, far away, so that the others have much in common */
            if (i % 2 == 1)
                many.at[many.count / 2][0] = -NG_COORDINATE_MAX;
            ngi_grid_stats first, stats;
            build_many(&many, 0, &first);
            for (int order = 1; order < 3; order++) {
                build_many(&many, order, &stats);
                assert_int_equal(stats.leaves, first.leaves);
                assert_int_equal(stats.nodes, first.nodes);
                assert_int_equal(stats.depth, first.depth);
            }
        }
    }
    free(many.is_seen);
    free(many.at);
}

/* What is let go of is used again: a tree that moves for ever does not grow. */
static void test_memory_stays(void **state)
{
    (void)state;
    fixture *f = make_fixture("grid memory");
    for (int i = 0; i < 500; i++)
        change(f, GRID_TEST_UNIFORM, 500, 0);
    size_t before = atomic_load(&f->mem.used_bytes);
    for (int i = 0; i < 2000; i++)
        change(f, GRID_TEST_UNIFORM, 500, 0);
    assert_true(atomic_load(&f->mem.used_bytes) <= before + before / 4);
    end_fixture(f);
}

static bool stop_at_once(void *context)
{
    ++*(unsigned *)context;
    return false;
}

static void test_stop(void **state)
{
    (void)state;
    fixture *f = make_fixture("grid stop");
    static ngi_grid_hit hits[GRID_TEST_SLOTS];
    ngi_grid_point *points = calloc(200000, sizeof *points);
    assert_non_null(points);
    for (uint32_t i = 0; i < 200000; i++) {
        points[i].slot = i + 1;
        grid_test_point(GRID_TEST_UNIFORM, &f->random, points[i].at);
    }
    assert_int_equal(ngi_grid_build(f->grid, &f->tree, points, 200000), NG_OK);
    unsigned asked = 0;
    ngi_grid_search search = {.metric = {.factor = {1, 1, 1}, .steps = 100},
                              .bound = UINT64_MAX,
                              .accept = accept_thirds,
                              .go_on = stop_at_once,
                              .context = &asked,
                              .hits = hits,
                              .capacity = GRID_TEST_SLOTS};
    ngi_grid_count(f->grid, &f->tree, &search);
    assert_true(search.is_stopped);
    assert_int_equal(asked, 1);
    assert_true(search.found < 200000 / 3);
    ngi_grid_range(f->grid, &f->tree, &search);
    assert_true(search.is_stopped);
    assert_int_equal(asked, 2);
    ngi_grid_nearest(f->grid, &f->tree, &search);
    assert_true(search.is_stopped);
    free(points);
    end_fixture(f);
}

static bool count_questions(void *context)
{
    ++*(unsigned *)context;
    return true;
}

/* Of a crowd at one distance only those with the lowest slots are looked at: a search asks whether to
 * go on every 64 leaves, and this one ends before. */
static void test_crowd_is_not_walked(void **state)
{
    (void)state;
    fixture *f = make_fixture("grid crowd");
    const uint32_t count = 100000;
    static ngi_grid_hit hits[10];
    ngi_grid_point *points = calloc(count, sizeof *points);
    assert_non_null(points);
    for (uint32_t i = 0; i < count; i++)
        points[i].slot = i + 1;
    assert_int_equal(ngi_grid_build(f->grid, &f->tree, points, count), NG_OK);
    for (int distance = 0; distance < 2; distance++) {
        unsigned asked = 0;
        ngi_grid_search search = {.metric = {.factor = {1, 1, 1}, .steps = 100},
                                  .center = {(int16_t)(100 * distance), 0, 0},
                                  .bound = UINT64_MAX,
                                  .go_on = count_questions,
                                  .context = &asked,
                                  .hits = hits,
                                  .capacity = 10};
        ngi_grid_nearest(f->grid, &f->tree, &search);
        assert_int_equal(search.count, 10);
        for (uint32_t i = 0; i < 10; i++)
            assert_int_equal(hits[i].slot, i + 1);
        assert_int_equal(asked, 0);
    }
    free(points);
    end_fixture(f);
}

/* Room is enough when every leaf is full, and not much more than what is used. */
static void test_room(void **state)
{
    (void)state;
    for (int distribution = 0; distribution < GRID_TEST_COUNT; distribution++) {
        for (uint32_t size = 1; size <= 4096; size *= 4) {
            fixture *f = make_fixture("grid room");
            ngi_grid_point *points = calloc(8 * 4096, sizeof *points);
            assert_non_null(points);
            uint32_t slot = 1;
            for (; slot <= 4 * 4096; slot++) {
                points[slot - 1].slot = slot;
                grid_test_point((grid_test_distribution)distribution, &f->random,
                                points[slot - 1].at);
            }
            assert_int_equal(ngi_grid_build(f->grid, &f->tree, points, slot - 1), NG_OK);
            for (int op = 0; op < 4; op++) {
                ngi_grid_begin(f->grid);
                assert_int_equal(ngi_grid_reserve(f->grid, &f->tree, size), NG_OK);
                for (uint32_t i = 0; i < size; i++, slot++) {
                    int16_t at[NG_AXIS_COUNT];
                    grid_test_point((grid_test_distribution)distribution, &f->random, at);
                    assert_int_equal(ngi_grid_put(f->grid, &f->tree, slot, NULL, at), NG_OK);
                }
                assert_int_equal(ngi_grid_publish(f->grid), NG_OK);
            }
            check(f);
            assert_true(atomic_load(&f->mem.used_bytes) <
                        8 * ngi_grid_tree_bytes(&f->tree) + (1u << 20));
            free(points);
            end_fixture(f);
        }
    }
}

static void test_mistakes_are_found(void **state)
{
    (void)state;
    fixture *f = make_fixture("grid mistakes");
    const int16_t here[NG_AXIS_COUNT] = {1, 2, 3}, there[NG_AXIS_COUNT] = {4, 5, 6};
    ngi_grid_begin(f->grid);
    assert_int_equal(ngi_grid_put(f->grid, &f->tree, 7, NULL, here), NG_E_INTERNAL); /* no room */
    assert_int_equal(ngi_grid_publish(f->grid), NG_OK);
    ngi_grid_begin(f->grid);
    assert_int_equal(ngi_grid_reserve(f->grid, &f->tree, 2), NG_OK);
    assert_int_equal(ngi_grid_put(f->grid, &f->tree, 7, NULL, here), NG_OK);
    assert_int_equal(ngi_grid_publish(f->grid), NG_OK);
    ngi_grid_begin(f->grid);
    assert_int_equal(ngi_grid_reserve(f->grid, &f->tree, 2), NG_OK);
    assert_int_equal(ngi_grid_put(f->grid, &f->tree, 7, there, here), NG_OK);
    assert_int_equal(ngi_grid_publish(f->grid), NG_E_INTERNAL); /* it is not there */
    end_fixture(f);
}

/* Memory runs out at every allocation of an op in turn. */
static void test_no_memory(void **state)
{
    (void)state;
    fixture *f = make_fixture("grid no memory");
    static ngi_grid_point points[GRID_TEST_SLOTS];
    change(f, GRID_TEST_UNIFORM, 2000, 0);
    size_t count = twin_points(f, points);
    size_t used = atomic_load(&f->mem.used_bytes);
    bool failed = false;
    for (size_t more = 0;; more += 4096) {
        f->mem.max_bytes = used + more;
        ng_status status = ngi_grid_build(f->grid, &f->tree, points, count);
        f->mem.max_bytes = 0;
        check(f);
        if (status == NG_OK)
            break;
        assert_true(status == NG_E_NOMEM || status == NG_E_LIMIT);
        failed = true;
        search_all(f, GRID_TEST_UNIFORM);
    }
    assert_true(failed);
    search_all(f, GRID_TEST_UNIFORM);
    end_fixture(f);
}

static void test_order_of_many(void **state)
{
    (void)state;
    uint64_t random = testing_seed("grid order");
    static ngi_grid_hit hits[5000], wanted[5000];
    for (int round = 0; round < 60; round++) {
        size_t count = testing_below(&random, 5000);
        uint64_t most = round % 3 == 0 ? 3 : round % 3 == 1 ? UINT32_MAX : UINT64_MAX;
        ngi_grid_search search = {.hits = hits, .capacity = 5000, .bound = UINT64_MAX};
        for (size_t i = 0; i < count; i++) {
            wanted[i] = (ngi_grid_hit){testing_random(&random) % most, 5000 - i};
            ngi_grid_keep(&search, wanted[i].value, (uint32_t)wanted[i].slot);
        }
        ngi_grid_keep_end(&search);
        qsort(wanted, count, sizeof *wanted, grid_test_compare);
        assert_int_equal(search.count, count);
        assert_memory_equal(hits, wanted, count * sizeof *hits);
    }
}

/* --- kernels --------------------------------------------------------------------------------- */

static void random_leaf(uint64_t *random, int most, int16_t at[3][NGI_GRID_LEAF_MAX],
                        uint32_t *slots)
{
    for (unsigned i = 0; i < NGI_GRID_LEAF_MAX; i++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
            at[axis][i] = grid_test_within(random, most);
        slots[i] = 1 + testing_below(random, 1000000);
    }
}

static void compare_kernels(const ngi_grid_kernels *kernels, uint64_t *random, int most)
{
    const ngi_grid_kernels *portable = ngi_grid_kernels_at(0);
    int16_t points[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX];
    const int16_t(*at)[NGI_GRID_LEAF_MAX] = (const int16_t(*)[NGI_GRID_LEAF_MAX])points;
    uint32_t slots[NGI_GRID_LEAF_MAX], mine[NGI_GRID_FANOUT], theirs[NGI_GRID_FANOUT];
    int16_t center[NG_AXIS_COUNT];
    ngi_grid_boxes boxes;
    ngi_grid_hit a[NGI_GRID_WITHIN_MAX], b[NGI_GRID_WITHIN_MAX];
    uint32_t picked[NGI_GRID_FANOUT], wanted_picks[NGI_GRID_FANOUT];
    random_leaf(random, most, points, slots);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        center[axis] = grid_test_within(random, most);
        for (unsigned i = 0; i < NGI_GRID_FANOUT; i++) {
            int16_t x = grid_test_within(random, most), y = grid_test_within(random, most);
            boxes.low[axis][i] = x < y ? x : y;
            boxes.high[axis][i] = x < y ? y : x;
        }
    }
    uint32_t bound = (uint32_t)(testing_random(random) % (32766u * 32766u + 1));
    unsigned count = 1 + testing_below(random, NGI_GRID_LEAF_MAX);
    unsigned wanted = 1 + testing_below(random, count);
    assert_int_equal(kernels->boxes(&boxes, center, bound, mine),
                     portable->boxes(&boxes, center, bound, theirs));
    assert_memory_equal(mine, theirs, sizeof mine);
    unsigned found = portable->within(at, slots, count, center, bound, b);
    assert_int_equal(kernels->within(at, slots, count, center, bound, a), found);
    assert_memory_equal(a, b, found * sizeof *a);
    uint32_t mask = (uint32_t)testing_random(random) & 0xFFFF;
    unsigned picks = portable->pick(mask, slots, wanted_picks);
    assert_int_equal(picks, __builtin_popcount(mask));
    assert_int_equal(kernels->pick(mask, slots, picked), picks);
    assert_memory_equal(picked, wanted_picks, picks * sizeof *picked);
    assert_int_equal(kernels->reach(at, count, center, wanted),
                     portable->reach(at, count, center, wanted));
}

static void compare_reports(const ngi_grid_kernels *kernels, uint64_t *random)
{
    uint64_t mine[2 * 37] = {0}, theirs[2 * 37];
    size_t count = testing_below(random, 38);
    for (size_t i = 0; i < count; i++) {
        mine[2 * i] = testing_random(random) >> testing_below(random, 64);
        mine[2 * i + 1] = 1 + testing_below(random, 1u << 30);
    }
    memcpy(theirs, mine, sizeof mine);
    kernels->report(mine, count, 10000);
    ngi_grid_kernels_at(0)->report(theirs, count, 10000);
    for (size_t i = 0; i < count; i++) {
        ng_hit a, b;
        memcpy(&a, &mine[2 * i], sizeof a);
        memcpy(&b, &theirs[2 * i], sizeof b);
        assert_true(a.id == b.id);
        assert_memory_equal(&a.distance, &b.distance, sizeof a.distance);
    }
}

static void test_kernels(void **state)
{
    (void)state;
    uint64_t random = testing_seed("grid kernels");
    static const int ranges[] = {0, 1, 100, 3000, NG_COORDINATE_MAX};
    const ngi_grid_kernels *kernels;
    for (size_t k = 0; (kernels = ngi_grid_kernels_at(k)) != NULL; k++) {
        printf("kernels: %s\n", kernels->name);
        for (int i = 0; i < 20000; i++)
            compare_kernels(kernels, &random, ranges[i % 5]);
        for (int i = 0; i < 2000; i++)
            compare_reports(kernels, &random);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),       cmocka_unit_test(test_few_places),
        cmocka_unit_test(test_all_equal),     cmocka_unit_test(test_line),
        cmocka_unit_test(test_plane),         cmocka_unit_test(test_corners),
        cmocka_unit_test(test_dense),         cmocka_unit_test(test_nested),
        cmocka_unit_test(test_empty_and_one), cmocka_unit_test(test_build),
        cmocka_unit_test(test_build_many),    cmocka_unit_test(test_memory_stays),
        cmocka_unit_test(test_stop),          cmocka_unit_test(test_crowd_is_not_walked),
        cmocka_unit_test(test_room),          cmocka_unit_test(test_mistakes_are_found),
        cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_order_of_many),
        cmocka_unit_test(test_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
