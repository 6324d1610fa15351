/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searches of the vector index against scoring every row: the same slots and the same bits, for
 * data made to be hard (near-ties, copies, zeros, huge and tiny values), for every version of the
 * kernels, and while the index changes between slices. */
#include "index/index_vectors_private.h"

#include "base/base_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs the two above first. */
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Roughly normal: the sum of four uniform numbers. */
static double test_normal(uint64_t *state)
{
    double sum = -2;
    for (int i = 0; i < 4; i++)
        sum += (double)(test_random(state) >> 11) / 9007199254740992.0;
    return sum;
}

static void test_encode(uint8_t *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ngi_put_f32(out + 4 * i, values[i]);
}

static void test_put(ngi_vectors *vectors, uint32_t slot, const float *values)
{
    uint8_t bytes[4 * NGI_DIMENSIONS_MAX];
    uint32_t dimensions = ngi_vectors_dimensions(vectors);
    assert_int_equal(ngi_vectors_reserve(vectors, dimensions, 1, slot), NG_OK);
    test_encode(bytes, values, dimensions);
    ngi_vectors_put(vectors, slot, bytes);
}

static void test_prepare(ngi_vectors *vectors, int32_t remove_components)
{
    while (!ngi_vectors_is_prepared(vectors, remove_components))
        assert_int_equal(ngi_vectors_prepare(vectors, remove_components, 64), NG_OK);
}

static ngi_vectors *test_create(ngi_mem *mem, uint32_t max_slots, uint32_t dimensions)
{
    ngi_vectors *vectors = NULL;
    ngi_mem_init(mem, 0);
    assert_int_equal(ngi_vectors_create(ngi_os_system(), mem, max_slots, &vectors), NG_OK);
    assert_int_equal(ngi_vectors_reserve(vectors, dimensions, 1, max_slots), NG_OK);
    return vectors;
}

static void test_destroy(ngi_vectors *vectors, ngi_mem *mem)
{
    assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    ngi_vectors_destroy(vectors);
    assert_int_equal(atomic_load(&mem->used_bytes), 0);
}

/* A projection of random directions, made orthogonal one after the other, as float32. */
static void test_project(ngi_vectors *vectors, uint32_t count, double mean_size, uint64_t *seed)
{
    size_t dimensions = ngi_vectors_dimensions(vectors);
    float *values = malloc((count + 1) * dimensions * sizeof *values);
    uint8_t *bytes = malloc((count + 1) * dimensions * 4);
    assert_non_null(values);
    assert_non_null(bytes);
    for (size_t i = 0; i < dimensions; i++)
        values[i] = (float)(test_normal(seed) * mean_size);
    for (uint32_t c = 1; c <= count; c++) {
        double direction[NGI_DIMENSIONS_MAX];
        double norm = 0;
        for (size_t i = 0; i < dimensions; i++)
            direction[i] = test_normal(seed);
        for (uint32_t other = 1; other < c; other++) {
            const float *with = values + other * dimensions;
            double product = 0;
            for (size_t i = 0; i < dimensions; i++)
                product += direction[i] * (double)with[i];
            for (size_t i = 0; i < dimensions; i++)
                direction[i] -= product * (double)with[i];
        }
        for (size_t i = 0; i < dimensions; i++)
            norm += direction[i] * direction[i];
        for (size_t i = 0; i < dimensions; i++)
            values[c * dimensions + i] = (float)(direction[i] / sqrt(norm));
    }
    test_encode(bytes, values, (count + 1) * dimensions);
    assert_int_equal(ngi_vectors_reserve_projection(vectors, (uint32_t)dimensions, count), NG_OK);
    ngi_vectors_set_projection(vectors, bytes, bytes + 4 * dimensions, count);
    free(values);
    free(bytes);
}

/* ---------------------------------------------------------------------------------------------
 * Scoring every row
 * ------------------------------------------------------------------------------------------- */

typedef struct test_search {
    const double *query;
    int32_t remove_components;
    size_t limit;
    size_t slice_rows;
    bool (*accept)(void *context, uint32_t slot);
    void *context;
} test_search;

static int hit_order(const void *a, const void *b)
{
    const ngi_vector_hit *x = a;
    const ngi_vector_hit *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* Scores all slots with the portable kernels and without any derived value; returns how many
 * belong to the result, which `*out` (from malloc) begins with. */
static size_t brute_search(const ngi_vectors *vectors, const test_search *ask, ngi_vector_hit **out)
{
    uint32_t setting;
    ngi_projector projector;
    double query[NGI_DIMENSIONS_MAX];
    double residual[NGI_DIMENSIONS_MAX];
    size_t dimensions = ngi_vectors_dimensions(vectors);
    double peak = 0;
    assert_int_equal(ngi_vectors_resolve(vectors, ask->remove_components, &setting), NG_OK);
    ngi_projector_init(&projector, vectors, setting);
    memcpy(query, ask->query, dimensions * sizeof *query);
    bool is_cosine = ask->remove_components >= NG_PLAIN_COSINE;
    for (size_t i = 0; i < dimensions; i++)
        peak = fmax(peak, fabs(ask->query[i]));
    for (size_t i = 0; is_cosine && i < dimensions; i++)
        query[i] = ask->query[i] / peak;
    double norm = is_cosine ? ngi_projector_query(&projector, query) : 1;
    for (size_t i = 0; i < dimensions; i++)
        query[i] /= norm;
    const ngi_kernels *portable = ngi_kernels_at(0);
    const float *mean = vectors->projection;
    double mean_dot = projector.component_count == 0 ? 0 : portable->dot(query, mean, dimensions);
    ngi_vector_hit *hits = malloc((ngi_vectors_count(vectors) + 1) * sizeof *hits);
    assert_non_null(hits);
    size_t count = 0;
    for (uint32_t slot = 1; slot <= vectors->max_slots; slot++) {
        const float *row = ngi_vectors_get(vectors, slot);
        double inverse = row == NULL ? 0 : ngi_projector_row(&projector, row, residual);
        if (inverse == 0 || (ask->accept != NULL && !ask->accept(ask->context, slot)))
            continue;
        double score = (portable->dot(query, row, dimensions) - mean_dot) * inverse;
        if (is_cosine)
            score = fmin(1, fmax(-1, score));
        else if (ask->remove_components == NGI_SELECT_L2)
            score = ngi_vectors_nearness(query, row, dimensions);
        hits[count++] = (ngi_vector_hit){.score = score, .slot = slot};
    }
    qsort(hits, count, sizeof *hits, hit_order);
    *out = hits;
    return count < ask->limit ? count : ask->limit;
}

static size_t run_search(const ngi_vectors *vectors, const test_search *ask, ngi_vector_hit *out,
                         uint64_t *compared)
{
    ngi_vector_search *search = NULL;
    assert_int_equal(ngi_vector_search_begin(vectors, ask->query, ask->remove_components,
                                             ask->limit, ask->accept, ask->context, &search),
                     NG_OK);
    size_t row = 0;
    while (ngi_vector_search_slice(search, &row, ask->slice_rows))
        continue;
    assert_false(ngi_vector_search_slice(search, &row, ask->slice_rows));
    size_t found = ngi_vector_search_finish(search, out, compared);
    ngi_vector_search_destroy(search);
    return found;
}

static void assert_same_hits(const ngi_vector_hit *got, size_t got_count,
                             const ngi_vector_hit *want, size_t want_count)
{
    assert_int_equal(got_count, want_count);
    for (size_t i = 0; i < got_count; i++) {
        if (got[i].slot != want[i].slot || got[i].score != want[i].score)
            fail_msg("hit %zu: slot %u score %.17g, but should be slot %u score %.17g", i,
                     got[i].slot, got[i].score, want[i].slot, want[i].score);
    }
}

/* One search with every version of the kernels. */
static void compare_search(ngi_vectors *vectors, const test_search *ask)
{
    ngi_vector_hit *want = NULL;
    size_t want_count = brute_search(vectors, ask, &want);
    ngi_vector_hit *got = malloc((ngi_vectors_count(vectors) + 1) * sizeof *got);
    assert_non_null(got);
    for (size_t version = 0; ngi_kernels_at(version) != NULL; version++) {
        uint64_t compared = 0;
        vectors->kernels = ngi_kernels_at(version);
        size_t count = run_search(vectors, ask, got, &compared);
        assert_same_hits(got, count, want, want_count);
        assert_int_equal(compared, ngi_vectors_count(vectors));
    }
    vectors->kernels = ngi_kernels_best();
    free(got);
    free(want);
}

static bool accept_thirds(void *context, uint32_t slot)
{
    ++*(size_t *)context;
    return slot % 3 == 0;
}

static bool accept_none(void *context, uint32_t slot)
{
    (void)context;
    return slot == UINT32_MAX;
}

/* Searches near row `slot` and somewhere, with and without a filter, small and large limits. */
static void compare_searches(ngi_vectors *vectors, uint32_t slot, int32_t remove_components,
                             uint64_t *seed)
{
    static const size_t LIMITS[] = {1, 10, SIZE_MAX};
    size_t asked = 0;
    double query[NGI_DIMENSIONS_MAX] = {0};
    if (slot == 0 || !ngi_vectors_accumulate(vectors, slot, NULL, 3, remove_components, query)) {
        for (size_t i = 0; i < ngi_vectors_dimensions(vectors); i++)
            query[i] = test_normal(seed);
    }
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        test_search ask = {.query = query,
                           .remove_components = remove_components,
                           .limit = LIMITS[i],
                           .slice_rows = 4096};
        compare_search(vectors, &ask);
        ask.slice_rows = 1 + test_random(seed) % 50;
        ask.accept = accept_thirds;
        ask.context = &asked;
        compare_search(vectors, &ask);
    }
    test_search nothing = {.query = query,
                           .remove_components = remove_components,
                           .limit = 5,
                           .slice_rows = SIZE_MAX,
                           .accept = accept_none};
    compare_search(vectors, &nothing);
    assert_true(asked > 0);
}

/* ---------------------------------------------------------------------------------------------
 * Data that is hard
 * ------------------------------------------------------------------------------------------- */

typedef void (*test_fill)(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed);

static void fill_normal(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    (void)slot;
    for (uint32_t i = 0; i < dimensions; i++)
        row[i] = (float)test_normal(seed);
}

/* Ten centres; around each, rows that differ in the last bits of float32. */
static void fill_near_ties(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    uint64_t centre = 0x2545F4914F6CDD1Du + slot % 10;
    fill_normal(row, dimensions, slot, &centre);
    for (uint32_t i = 0; i < dimensions; i++)
        row[i] *= 1 + (float)test_normal(seed) * 1e-6f;
}

static void fill_copies(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    uint64_t same = 0x2545F4914F6CDD1Du + slot % 2;
    (void)seed;
    fill_normal(row, dimensions, slot, &same);
    for (uint32_t i = 0; i < dimensions; i++)
        row[i] *= slot % 4 < 2 ? 1.0f : 4.0f; /* the same direction to the bit */
}

static void fill_zeros(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    fill_normal(row, dimensions, slot, seed);
    if (slot % 2 == 0)
        memset(row, 0, dimensions * sizeof *row);
}

/* Lengths from 1e-38 (and below, where float32 loses bits) to the largest. */
static void fill_magnitudes(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    static const float SIZES[] = {1e-30f, 1e30f, 1, 1e-43f, 1.5e38f, 1e-38f, 1e10f, 1e-5f};
    fill_normal(row, dimensions, slot, seed);
    for (uint32_t i = 0; i < dimensions; i++)
        row[i] *= SIZES[slot % (sizeof SIZES / sizeof *SIZES)];
}

/* One value dwarfs the rest, so that the image holds nothing of them. */
static void fill_spikes(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    fill_normal(row, dimensions, slot, seed);
    row[slot % dimensions] = slot % 2 == 0 ? 1e4f : -1e4f;
}

/* Multiples of one half, in few dimensions: many scores are equal. */
static void fill_lattice(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    (void)slot;
    for (uint32_t i = 0; i < dimensions; i++)
        row[i] = (float)(int)(test_random(seed) % 5) * 0.5f - 1;
}

static const test_fill FILLS[] = {fill_normal,     fill_near_ties, fill_copies, fill_zeros,
                                  fill_magnitudes, fill_spikes,    fill_lattice};

static void compare_data(test_fill fill, uint32_t dimensions, uint32_t rows, uint64_t *seed)
{
    ngi_mem mem;
    float row[NGI_DIMENSIONS_MAX] = {0};
    ngi_vectors *vectors = test_create(&mem, rows + 10, dimensions);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t slot = (uint32_t)((i * 7919ull) % rows) + 1; /* rows in another order than slots */
        if (ngi_vectors_get(vectors, slot) != NULL)
            continue;
        fill(row, dimensions, slot, seed);
        test_put(vectors, slot, row);
    }
    compare_searches(vectors, 1, NG_PLAIN_COSINE, seed); /* nothing derived yet */
    assert_int_equal(ngi_vectors_prepare(vectors, NG_PLAIN_COSINE, rows / 2), NG_OK);
    compare_searches(vectors, rows, NG_PLAIN_COSINE, seed); /* half of it */
    test_prepare(vectors, NG_PLAIN_COSINE);
    compare_searches(vectors, rows / 2 + 1, 0, seed);
    compare_searches(vectors, 0, NG_PLAIN_COSINE, seed);
    for (int32_t measure = NGI_SELECT_L2; measure <= NGI_SELECT_DOT; measure++) {
        compare_searches(vectors, 2, measure, seed);
        assert_int_equal(ngi_vectors_prepare(vectors, measure, rows / 3), NG_OK);
        compare_searches(vectors, rows / 3 + 1, measure, seed);
        test_prepare(vectors, measure);
        compare_searches(vectors, rows / 4 + 1, measure, seed);
        compare_searches(vectors, 0, measure, seed);
    }
    uint32_t components = dimensions > 8 ? 8 : dimensions - 1;
    test_project(vectors, components, 0.5, seed);
    assert_int_equal(ngi_vectors_prepare(vectors, 0, rows / 3), NG_OK);
    compare_searches(vectors, 1, 0, seed);
    test_prepare(vectors, 0);
    compare_searches(vectors, rows / 3 + 1, 0, seed);
    test_prepare(vectors, (int32_t)components);
    compare_searches(vectors, 0, (int32_t)components, seed);
    test_destroy(vectors, &mem);
}

static void test_equals_scoring_every_row(void **state)
{
    (void)state;
    static const uint32_t DIMENSIONS[] = {2, 3, 17, 64, 101};
    uint64_t seed = 0x9E3779B97F4A7C15u;
    const char *given = getenv("NG_TEST_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 0) | 1;
    print_message("NG_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (size_t fill = 0; fill < sizeof FILLS / sizeof *FILLS; fill++) {
        for (size_t i = 0; i < sizeof DIMENSIONS / sizeof *DIMENSIONS; i++)
            compare_data(FILLS[fill], DIMENSIONS[i], 700, &seed);
    }
}

static void test_one_row(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (size_t fill = 0; fill < sizeof FILLS / sizeof *FILLS; fill++)
        compare_data(FILLS[fill], 5, 3, &seed);
}

static void test_most_dimensions(void **state)
{
    (void)state;
    uint64_t seed = 78;
    compare_data(fill_normal, NGI_DIMENSIONS_MAX, 40, &seed);
    compare_data(fill_near_ties, NGI_DIMENSIONS_MAX - 1, 40, &seed);
}

static void fill_equal_values(float *row, uint32_t dimensions, uint32_t slot, uint64_t *seed)
{
    (void)seed;
    for (uint32_t i = 0; i < dimensions; i++)
        row[i] = slot % 2 == 0 ? 1.0f : -1.0f;
}

/* Every code of the image and of the query at its largest: the sums come near 2^31. */
static void test_sums_stay_in_range(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t seed = 79;
    float row[NGI_DIMENSIONS_MAX] = {0};
    ngi_vectors *vectors = test_create(&mem, 40, NGI_DIMENSIONS_MAX);
    for (uint32_t slot = 1; slot <= 40; slot++) {
        fill_equal_values(row, NGI_DIMENSIONS_MAX, slot, &seed);
        test_put(vectors, slot, row);
    }
    test_prepare(vectors, NG_PLAIN_COSINE);
    compare_searches(vectors, 1, NG_PLAIN_COSINE, &seed);
    compare_searches(vectors, 2, NG_PLAIN_COSINE, &seed);
    test_destroy(vectors, &mem);
}

/* Rows close to the mean: a tiny residual, so every rounding is magnified. */
static void test_rows_near_the_mean(void **state)
{
    (void)state;
    enum { DIMENSIONS = 24, ROWS = 500 };
    ngi_mem mem;
    uint64_t seed = 80;
    float row[DIMENSIONS] = {0};
    ngi_vectors *vectors = test_create(&mem, ROWS, DIMENSIONS);
    test_project(vectors, 3, 10, &seed);
    for (uint32_t slot = 1; slot <= ROWS; slot++) {
        double away = slot % 5 == 0 ? 0 : pow(10, -(double)(slot % 8));
        for (size_t i = 0; i < DIMENSIONS; i++)
            row[i] = vectors->projection[i] + (float)(test_normal(&seed) * away);
        test_put(vectors, slot, row);
    }
    for (int32_t k = 1; k <= 3; k++) {
        test_prepare(vectors, k);
        compare_searches(vectors, 1, k, &seed);
        compare_searches(vectors, 7, k, &seed);
        compare_searches(vectors, 0, k, &seed);
    }
    test_destroy(vectors, &mem);
}

/* A row that changed has an image again as soon as one setting is prepared; what another setting
 * knew of the old row must not be used. */
static void test_settings_are_separate(void **state)
{
    (void)state;
    enum { DIMENSIONS = 8, ROWS = 300 };
    ngi_mem mem;
    uint64_t seed = 85;
    float row[NGI_DIMENSIONS_MAX] = {0};
    ngi_vectors *vectors = test_create(&mem, ROWS, DIMENSIONS);
    for (uint32_t slot = 1; slot <= ROWS; slot++) {
        fill_normal(row, DIMENSIONS, slot, &seed);
        test_put(vectors, slot, row);
    }
    test_project(vectors, 3, 1, &seed);
    test_prepare(vectors, NG_PLAIN_COSINE);
    test_prepare(vectors, 3);
    for (uint32_t slot = 1; slot <= ROWS; slot += 2) {
        for (size_t i = 0; i < DIMENSIONS; i++)
            row[i] = vectors->projection[i] + (float)(test_normal(&seed) * 0.01);
        ngi_vectors_remove(vectors, slot + slot % 4 / 2);
        test_put(vectors, slot, row);
    }
    test_prepare(vectors, NG_PLAIN_COSINE);
    assert_false(ngi_vectors_is_prepared(vectors, 3));
    for (uint32_t slot = 1; slot < 10; slot++) {
        compare_searches(vectors, slot, 3, &seed);
        compare_searches(vectors, slot, NG_PLAIN_COSINE, &seed);
    }
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * What a score means
 * ------------------------------------------------------------------------------------------- */

/* The cosine of two centred, projected vectors, straight from its definition. */
static long double definition(const ngi_vectors *vectors, const float *a, const float *b,
                              uint32_t components)
{
    long double basis[4][32];
    long double x[32];
    long double y[32];
    size_t n = ngi_vectors_dimensions(vectors);
    const float *mean = vectors->projection;
    for (size_t i = 0; i < n; i++) {
        x[i] = (long double)a[i] - (components > 0 ? (long double)mean[i] : 0);
        y[i] = (long double)b[i] - (components > 0 ? (long double)mean[i] : 0);
    }
    for (uint32_t c = 0; c < components; c++) {
        for (size_t i = 0; i < n; i++)
            basis[c][i] = (long double)mean[(c + 1) * n + i];
        long double norm = 0;
        for (uint32_t other = 0; other < c; other++) {
            long double product = 0;
            for (size_t i = 0; i < n; i++)
                product += basis[c][i] * basis[other][i];
            for (size_t i = 0; i < n; i++)
                basis[c][i] -= product * basis[other][i];
        }
        for (size_t i = 0; i < n; i++)
            norm += basis[c][i] * basis[c][i];
        long double px = 0;
        long double py = 0;
        for (size_t i = 0; i < n; i++) {
            basis[c][i] /= sqrtl(norm);
            px += basis[c][i] * x[i];
            py += basis[c][i] * y[i];
        }
        for (size_t i = 0; i < n; i++) {
            x[i] -= px * basis[c][i];
            y[i] -= py * basis[c][i];
        }
    }
    long double xy = 0;
    long double xx = 0;
    long double yy = 0;
    for (size_t i = 0; i < n; i++) {
        xy += x[i] * y[i];
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    return xy / sqrtl(xx * yy);
}

static void test_scores_are_cosines(void **state)
{
    (void)state;
    enum { DIMENSIONS = 30, ROWS = 200 };
    ngi_mem mem;
    uint64_t seed = 81;
    float row[DIMENSIONS] = {0};
    ngi_vector_hit hits[ROWS];
    ngi_vectors *vectors = test_create(&mem, ROWS, DIMENSIONS);
    for (uint32_t slot = 1; slot <= ROWS; slot++) {
        fill_normal(row, DIMENSIONS, slot, &seed);
        test_put(vectors, slot, row);
    }
    test_project(vectors, 4, 0.7, &seed);
    static const int32_t REMOVE[] = {NG_PLAIN_COSINE, 0, 1, 4};
    static const uint32_t MEANS[] = {0, 2, 1, 4};
    for (size_t k = 0; k < 4; k++) {
        double query[DIMENSIONS] = {0};
        test_prepare(vectors, REMOVE[k]);
        assert_true(ngi_vectors_accumulate(vectors, 9, NULL, 1e-5, REMOVE[k], query));
        test_search ask = {.query = query,
                           .remove_components = REMOVE[k],
                           .limit = ROWS,
                           .slice_rows = 100};
        assert_int_equal(run_search(vectors, &ask, hits, NULL), ROWS);
        assert_int_equal(hits[0].slot, 9);
        assert_true(fabs(hits[0].score - 1) < 1e-14);
        for (size_t i = 0; i < ROWS; i++) {
            long double want = definition(vectors, ngi_vectors_get(vectors, 9),
                                          ngi_vectors_get(vectors, hits[i].slot), MEANS[k]);
            assert_true(fabsl((long double)hits[i].score - want) < 1e-13L);
            assert_true(i == 0 || hits[i - 1].score >= hits[i].score);
        }
    }
    test_destroy(vectors, &mem);
}

/* Scores by product and distance are what their definitions say, to the last bits of a double. */
static void test_scores_by_length(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t seed = 5;
    float row[24];
    double query[24];
    ngi_vectors *vectors = test_create(&mem, 200, 24);
    for (uint32_t slot = 1; slot <= 200; slot++) {
        for (size_t i = 0; i < 24; i++)
            row[i] = slot == 9 ? 0 : (float)(test_normal(&seed) * 50);
        test_put(vectors, slot, row);
    }
    for (size_t i = 0; i < 24; i++)
        query[i] = test_normal(&seed);
    for (int32_t measure = NGI_SELECT_L2; measure <= NGI_SELECT_DOT; measure++) {
        ngi_vector_hit hits[200];
        const test_search ask = {.query = query,
                                 .remove_components = measure,
                                 .limit = 200,
                                 .slice_rows = 64};
        test_prepare(vectors, measure);
        assert_int_equal(run_search(vectors, &ask, hits, NULL), 200);
        for (size_t i = 0; i < 200; i++) {
            const float *values = ngi_vectors_get(vectors, hits[i].slot);
            long double sum = 0;
            for (size_t j = 0; j < 24; j++) {
                long double difference = (long double)query[j] - values[j];
                sum += measure == NGI_SELECT_L2 ? -difference * difference
                                                : (long double)query[j] * values[j];
            }
            assert_true(fabsl(sum - hits[i].score) <= 1e-13L * fmaxl(1, fabsl(sum)) * 100);
            assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
        }
        assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    }
    test_destroy(vectors, &mem);
}

static void test_ties_go_by_slot(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vector_hit hits[10];
    double query[2] = {1, 2};
    ngi_vectors *vectors = test_create(&mem, 300, 2);
    for (uint32_t slot = 300; slot >= 1; slot--)
        test_put(vectors, slot,
                 (float[]){slot % 2 == 0 ? 1.0f : 2.0f, slot % 2 == 0 ? 2.0f : 4.0f});
    test_search ask = {.query = query, .limit = 10, .slice_rows = 7};
    for (int prepared = 0; prepared < 2; prepared++) {
        assert_int_equal(run_search(vectors, &ask, hits, NULL), 10);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(hits[i].slot, i + 1);
            assert_true(hits[i].score == hits[0].score);
        }
        test_prepare(vectors, 0);
    }
    test_destroy(vectors, &mem);
}

static void test_zero_rows_are_never_found(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t compared = 0;
    ngi_vector_hit hits[4];
    double query[3] = {-1, 0, 0}; /* worse than the score 0 that a zero row might seem to have */
    ngi_vectors *vectors = test_create(&mem, 10, 3);
    test_put(vectors, 1, (float[]){0, 0, 0});
    test_put(vectors, 2, (float[]){1, 0, 0});
    test_put(vectors, 3, (float[]){-0.0f, 0, 0});
    test_search ask = {.query = query, .limit = 4, .slice_rows = 100};
    for (int prepared = 0; prepared < 2; prepared++) {
        assert_int_equal(run_search(vectors, &ask, hits, &compared), 1);
        assert_int_equal(hits[0].slot, 2);
        assert_true(hits[0].score == -1);
        assert_int_equal(compared, 3);
        test_prepare(vectors, 0);
    }
    test_destroy(vectors, &mem);
}

static void test_accept_is_asked_last(void **state)
{
    (void)state;
    ngi_mem mem;
    size_t asked = 0;
    ngi_vector_hit hits[1];
    double query[2] = {1, 0};
    ngi_vectors *vectors = test_create(&mem, 3000, 2);
    for (uint32_t slot = 1; slot <= 3000; slot++)
        test_put(vectors, slot, (float[]){1, (float)slot}); /* slot by slot farther away */
    test_prepare(vectors, 0);
    test_search ask = {
        .query = query, .limit = 1, .slice_rows = 4096, .accept = accept_thirds, .context = &asked};
    assert_int_equal(run_search(vectors, &ask, hits, NULL), 1);
    assert_int_equal(hits[0].slot, 3);
    assert_int_equal(asked, 3); /* 1 and 2 would have entered; 4 and later would not */
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * Queries that are refused, and extreme ones
 * ------------------------------------------------------------------------------------------- */

static void test_queries(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t seed = 82;
    ngi_vector_search *search = NULL;
    ngi_vectors *vectors = test_create(&mem, 10, 3);
    assert_int_equal(ngi_vectors_reserve_projection(vectors, 3, 1), NG_OK);
    test_put(vectors, 1, (float[]){1, 2, 3});
    static const double BAD[][3] = {{0, 0, 0},
                                    {0, (double)NAN, 1},
                                    {1, 1, (double)INFINITY},
                                    {-0.0, 0, 0}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ngi_vector_search_begin(vectors, BAD[i], 0, 1, NULL, NULL, &search),
                         NG_E_INVALID);
    double good[3] = {1, 2, 3};
    assert_int_equal(ngi_vector_search_begin(vectors, good, 0, 0, NULL, NULL, &search),
                     NG_E_INVALID);
    assert_int_equal(ngi_vector_search_begin(vectors, good, 1, 1, NULL, NULL, &search),
                     NG_E_INVALID);
    assert_null(search);
    ngi_vector_search_destroy(NULL);
    static const double SIZES[] = {1e308, 5e-324, 1e-300};
    for (size_t i = 0; i < 3; i++) {
        double query[3] = {SIZES[i], -SIZES[i], SIZES[i]};
        test_search ask = {.query = query, .limit = 3, .slice_rows = 100};
        ngi_vector_hit hits[3];
        assert_int_equal(run_search(vectors, &ask, hits, NULL), 1);
        assert_true(fabs(hits[0].score - 2 / sqrt(42)) < 1e-15);
    }
    test_project(vectors, 1, 0, &seed);
    double removed[3]; /* the component itself: nothing of it is left */
    for (size_t i = 0; i < 3; i++)
        removed[i] = (double)vectors->projection[3 + i];
    assert_int_equal(ngi_vector_search_begin(vectors, removed, 1, 1, NULL, NULL, &search),
                     NG_E_INVALID);
    test_destroy(vectors, &mem);
}

static void test_an_empty_index_finds_nothing(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t compared = 5;
    double query[3] = {1, 0, 0};
    ngi_vectors *vectors = test_create(&mem, 10, 3);
    test_search ask = {.query = query, .limit = 3, .slice_rows = 100};
    assert_int_equal(run_search(vectors, &ask, NULL, &compared), 0);
    assert_int_equal(compared, 0);
    test_put(vectors, 1, (float[]){1, 2, 3});
    test_prepare(vectors, 0);
    ngi_vectors_remove(vectors, 1);
    assert_int_equal(run_search(vectors, &ask, NULL, &compared), 0);
    assert_int_equal(compared, 0);
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * Changes between slices
 * ------------------------------------------------------------------------------------------- */

#define CHANGE_SLOTS 400u
#define CHANGE_DIMENSIONS 6u

static bool accept_even(void *context, uint32_t slot)
{
    (void)context;
    return slot % 2 == 0;
}

/* Changes a slot with an odd number, or prepares some rows. */
static void change_something(ngi_vectors *vectors, uint64_t *seed)
{
    float row[NGI_DIMENSIONS_MAX] = {0};
    uint32_t slot = (uint32_t)(test_random(seed) % (CHANGE_SLOTS / 2)) * 2 + 1;
    uint64_t pick = test_random(seed) % 8;
    if (pick < 3) {
        ngi_vectors_remove(vectors, slot);
    } else if (pick < 7) {
        fill_normal(row, CHANGE_DIMENSIONS, slot, seed);
        test_put(vectors, slot, row);
    } else {
        assert_int_equal(ngi_vectors_prepare(vectors, 0, test_random(seed) % 100), NG_OK);
    }
}

static size_t search_under_change(ngi_vectors *vectors, const test_search *ask, uint64_t *seed,
                                  ngi_vector_hit *hits)
{
    ngi_vector_search *search = NULL;
    assert_int_equal(ngi_vector_search_begin(vectors, ask->query, 0, ask->limit, ask->accept,
                                             ask->context, &search),
                     NG_OK);
    size_t row = 0;
    bool more = true;
    while (more) {
        more = ngi_vector_search_slice(search, &row, ask->slice_rows);
        for (int i = 0; i < 20; i++)
            change_something(vectors, seed);
    }
    size_t found = ngi_vector_search_finish(search, hits, NULL);
    ngi_vector_search_destroy(search);
    return found;
}

static void check_each_slot_once(const ngi_vector_hit *hits, size_t count)
{
    bool seen[CHANGE_SLOTS + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        assert_false(seen[hits[i].slot]);
        seen[hits[i].slot] = true;
        assert_true(i == 0 || hit_order(&hits[i - 1], &hits[i]) < 0);
    }
}

static void test_changes_between_slices(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t seed = 83;
    float row[NGI_DIMENSIONS_MAX] = {0};
    ngi_vector_hit hits[CHANGE_SLOTS];
    ngi_vectors *vectors = test_create(&mem, CHANGE_SLOTS, CHANGE_DIMENSIONS);
    for (uint32_t slot = 1; slot <= CHANGE_SLOTS; slot++) {
        fill_normal(row, CHANGE_DIMENSIONS, slot, &seed);
        test_put(vectors, slot, row);
    }
    test_project(vectors, 2, 0.3, &seed);
    for (int round = 0; round < 300; round++) {
        double query[CHANGE_DIMENSIONS];
        for (size_t i = 0; i < CHANGE_DIMENSIONS; i++)
            query[i] = test_normal(&seed);
        test_search ask = {.query = query,
                           .limit = round % 3 == 0 ? CHANGE_SLOTS : 8,
                           .slice_rows = 50};
        size_t found = search_under_change(vectors, &ask, &seed, hits);
        assert_true(found >= 8);
        check_each_slot_once(hits, found);
        ask.accept = accept_even;
        ngi_vector_hit *want = NULL;
        size_t want_count = brute_search(vectors, &ask, &want);
        found = search_under_change(vectors, &ask, &seed, hits);
        assert_same_hits(hits, found, want, want_count);
        free(want);
        assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    }
    test_destroy(vectors, &mem);
}

static void test_a_new_projection_between_slices(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t seed = 84;
    float row[NGI_DIMENSIONS_MAX] = {0};
    double query[CHANGE_DIMENSIONS] = {1, 2, 3, 4, 5, 6};
    ngi_vector_hit hits[CHANGE_SLOTS];
    ngi_vectors *vectors = test_create(&mem, CHANGE_SLOTS, CHANGE_DIMENSIONS);
    for (uint32_t slot = 1; slot <= CHANGE_SLOTS; slot++) {
        fill_normal(row, CHANGE_DIMENSIONS, slot, &seed);
        test_put(vectors, slot, row);
    }
    for (uint32_t components = 0; components <= 5; components += 5) {
        test_project(vectors, 4, 0.3, &seed);
        test_prepare(vectors, 4);
        ngi_vector_search *search = NULL;
        size_t at = 0;
        assert_int_equal(ngi_vector_search_begin(vectors, query, 4, CHANGE_SLOTS, NULL, NULL,
                                                 &search),
                         NG_OK);
        assert_true(ngi_vector_search_slice(search, &at, 100));
        if (components == 0)
            ngi_vectors_set_projection(vectors, NULL, NULL, 0);
        else
            test_project(vectors, components, 3, &seed);
        while (ngi_vector_search_slice(search, &at, 100))
            continue;
        assert_int_equal(ngi_vector_search_finish(search, hits, NULL), CHANGE_SLOTS);
        check_each_slot_once(hits, CHANGE_SLOTS);
        ngi_vector_search_destroy(search);
    }
    test_destroy(vectors, &mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_scoring_every_row),
        cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_most_dimensions),
        cmocka_unit_test(test_sums_stay_in_range),
        cmocka_unit_test(test_rows_near_the_mean),
        cmocka_unit_test(test_settings_are_separate),
        cmocka_unit_test(test_scores_are_cosines),
        cmocka_unit_test(test_scores_by_length),
        cmocka_unit_test(test_ties_go_by_slot),
        cmocka_unit_test(test_zero_rows_are_never_found),
        cmocka_unit_test(test_accept_is_asked_last),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_an_empty_index_finds_nothing),
        cmocka_unit_test(test_changes_between_slices),
        cmocka_unit_test(test_a_new_projection_between_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
