/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph of vectors beside a scan of everything: what is found, and what never may be. */
#include "index/index_vectors_ann_private.h"

#include "os/os_testing.h"

#include <math.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DIMENSIONS 24u
#define ROWS 6000u
#define FOUND 10u

typedef struct fixture {
    ngi_os os;
    ngi_mem mem;
    ngi_ann *ann;
    uint64_t random;
    float vectors[ROWS][DIMENSIONS];
    bool is_there[ROWS];
    double stop_at; /* go_on says no from here on */
} fixture;

static float random_float(uint64_t *random)
{
    return (float)(testing_random(random) >> 40) / (float)(1 << 23) - 1;
}

/* Unit vectors around a few hundred centres, as words are. */
static void make_vector(fixture *f, uint32_t row)
{
    float *vector = f->vectors[row], sum = 0;
    uint64_t centre = 1 + testing_below(&f->random, 200);
    for (uint32_t i = 0; i < DIMENSIONS; i++) {
        vector[i] = random_float(&centre) + 0.6f * random_float(&f->random);
        sum += vector[i] * vector[i];
    }
    for (uint32_t i = 0; i < DIMENSIONS; i++)
        vector[i] /= sqrtf(sum);
}

static bool give_vector(void *context, uint32_t row, float *out)
{
    const fixture *f = context;
    memcpy(out, f->vectors[row], sizeof f->vectors[row]);
    return f->is_there[row];
}

static bool go_on(void *context, double done)
{
    const fixture *f = context;
    assert_true(done >= 0 && done <= 1);
    return done < f->stop_at;
}

static ng_status build(fixture *f, uint32_t rows)
{
    const ngi_ann_source source = {
        .row_end = rows, .vector = give_vector, .go_on = go_on, .context = f, .mem = &f->mem};
    return ngi_ann_build(f->ann, &source);
}

static fixture *make_fixture(uint32_t rows, const char *name)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->os = testing_os();
    f->random = testing_seed(name);
    f->stop_at = 2;
    ngi_mem_init(&f->mem, 0);
    assert_int_equal(ngi_ann_create(&f->os, &f->mem, DIMENSIONS, ROWS, &f->ann), NG_OK);
    for (uint32_t row = 0; row < rows; row++) {
        make_vector(f, row);
        f->is_there[row] = true;
    }
    return f;
}

static void free_fixture(fixture *f)
{
    ngi_ann_destroy(f->ann);
    assert_int_equal(atomic_load(&f->mem.used_bytes), 0);
    free(f);
}

static double exact_score(const fixture *f, const float *query, uint32_t row)
{
    double sum = 0;
    for (uint32_t i = 0; i < DIMENSIONS; i++)
        sum += (double)query[i] * (double)f->vectors[row][i];
    return sum;
}

static ng_status search(const ngi_ann *ann, const float *query, uint32_t effort, ngi_ann_hit *hits,
                        uint32_t *count)
{
    const ngi_ann_request request = {.query = query, .effort = effort};
    return ngi_ann_search(ann, &request, hits, count);
}

static bool is_even(void *context, uint32_t row)
{
    (void)context;
    return row % 2 == 0;
}

/* The score of the last of the FOUND best rows. */
static double least_score(const fixture *f, const float *query, bool only_even)
{
    double best[FOUND];
    uint32_t count = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        double score = exact_score(f, query, row);
        if (!f->is_there[row] || (only_even && row % 2 != 0) ||
            (count == FOUND && score <= best[FOUND - 1]))
            continue;
        uint32_t at = count < FOUND ? count++ : FOUND - 1;
        for (; at > 0 && score > best[at - 1]; at--)
            best[at] = best[at - 1];
        best[at] = score;
    }
    return best[count - 1];
}

/* How many of the FOUND best rows a search finds, of 1. Verifies everything else about its answer. */
static double recall(fixture *f, uint32_t effort, bool only_even)
{
    ngi_ann_hit hits[512];
    uint32_t right = 0;
    for (unsigned turn = 0; turn < 50; turn++) {
        uint32_t count, row = testing_below(&f->random, ROWS);
        const float *query = f->vectors[row];
        const ngi_ann_request request = {.query = query,
                                         .effort = effort,
                                         .accept = only_even ? is_even : NULL};
        assert_int_equal(ngi_ann_search(f->ann, &request, hits, &count), NG_OK);
        assert_true(count <= effort);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(hits[i].row < ROWS && f->is_there[hits[i].row]);
            assert_true(!only_even || hits[i].row % 2 == 0);
            assert_true(i == 0 || hits[i].score < hits[i - 1].score ||
                        (hits[i].score == hits[i - 1].score && hits[i].row > hits[i - 1].row));
            double doubt = 6 * ngi_ann_deviation(f->ann, hits[i].row, 1, 1);
            assert_true(fabs((double)hits[i].score + 0.5 - exact_score(f, query, hits[i].row)) <
                        doubt);
        }
        /* a hit is right if fewer than FOUND rows are better */
        double least = least_score(f, query, only_even);
        for (uint32_t i = 0; i < count; i++)
            right += exact_score(f, query, hits[i].row) >= least;
    }
    return (double)right / (50.0 * FOUND);
}

static void test_build(void **state)
{
    (void)state;
    fixture *f = make_fixture(ROWS, "ann build");
    assert_int_equal(build(f, ROWS), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    assert_int_equal(ngi_ann_count(f->ann), ROWS);
    assert_true(recall(f, 64, false) > 0.95);
    assert_true(recall(f, 256, false) > 0.99);
    assert_true(recall(f, 256, true) > 0.97);
    free_fixture(f);
}

static void test_empty_and_few(void **state)
{
    (void)state;
    ngi_ann_hit hits[8];
    uint32_t count = 1;
    fixture *f = make_fixture(3, "ann few");
    assert_int_equal(search(f->ann, f->vectors[0], 8, hits, &count), NG_OK);
    assert_int_equal(count, 0);
    assert_int_equal(build(f, 0), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    for (uint32_t rows = 1; rows <= 3; rows++) {
        assert_int_equal(build(f, rows), NG_OK);
        assert_int_equal(ngi_ann_check(f->ann), NG_OK);
        assert_int_equal(search(f->ann, f->vectors[0], 8, hits, &count), NG_OK);
        assert_int_equal(count, rows);
        assert_int_equal(hits[0].row, 0);
    }
    f->is_there[0] = f->is_there[2] = false;
    assert_int_equal(build(f, 3), NG_OK);
    assert_int_equal(ngi_ann_count(f->ann), 1);
    assert_int_equal(search(f->ann, f->vectors[0], 8, hits, &count), NG_OK);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].row, 1);
    free_fixture(f);
}

/* Equal rows, and rows without direction, are rows like others. */
static void test_equal_and_zero(void **state)
{
    (void)state;
    ngi_ann_hit hits[64];
    uint32_t count;
    fixture *f = make_fixture(ROWS, "ann equal");
    for (uint32_t row = 1; row < ROWS; row++)
        memcpy(f->vectors[row], f->vectors[0], sizeof f->vectors[0]);
    memset(f->vectors[7], 0, sizeof f->vectors[7]);
    assert_int_equal(build(f, ROWS), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    assert_int_equal(search(f->ann, f->vectors[0], 64, hits, &count), NG_OK);
    assert_true(count > 0);
    assert_true(hits[0].score > 0.49f); /* product 1, half of the squared length off */
    free_fixture(f);
}

static void test_insert_and_remove(void **state)
{
    (void)state;
    fixture *f = make_fixture(ROWS, "ann changes");
    assert_int_equal(ngi_ann_reserve(f->ann, ROWS), NG_OK);
    for (uint32_t row = 0; row < ROWS; row++)
        assert_int_equal(ngi_ann_insert(f->ann, row, f->vectors[row]), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    assert_int_equal(ngi_ann_count(f->ann), ROWS);
    assert_true(recall(f, 128, false) > 0.97);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < ROWS / 8; i++) {
            uint32_t row = testing_below(&f->random, ROWS);
            ngi_ann_remove(f->ann, row);
            f->is_there[row] = false;
        }
        for (unsigned i = 0; i < ROWS / 8; i++) {
            uint32_t row = testing_below(&f->random, ROWS);
            make_vector(f, row);
            f->is_there[row] = true;
            assert_int_equal(ngi_ann_insert(f->ann, row, f->vectors[row]), NG_OK);
        }
        assert_int_equal(ngi_ann_check(f->ann), NG_OK);
        assert_true(recall(f, 128, false) > 0.95);
        while (ngi_ann_clean(f->ann, 1000)) {
            uint32_t row = testing_below(&f->random, ROWS);
            ngi_ann_remove(f->ann, row);
            f->is_there[row] = false;
        }
        assert_int_equal(ngi_ann_check(f->ann), NG_OK);
        assert_true(recall(f, 128, false) > 0.95);
    }
    for (uint32_t row = 0; row < ROWS; row++)
        ngi_ann_remove(f->ann, row);
    while (ngi_ann_clean(f->ann, 1000) || ngi_ann_removed_count(f->ann) > 0) {
    }
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    assert_int_equal(ngi_ann_count(f->ann), 0);
    free_fixture(f);
}

static void test_build_is_stopped(void **state)
{
    (void)state;
    fixture *f = make_fixture(ROWS, "ann stopped");
    for (f->stop_at = 0; f->stop_at < 1; f->stop_at += 0.05) {
        assert_int_equal(build(f, ROWS), NG_E_CANCELLED);
        assert_int_equal(ngi_ann_count(f->ann), 0);
        assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    }
    free_fixture(f);
}

static void test_same_source_same_graph(void **state)
{
    (void)state;
    fixture *f = make_fixture(ROWS, "ann same"), *g = make_fixture(0, "ann same");
    memcpy(g->vectors, f->vectors, sizeof f->vectors);
    memcpy(g->is_there, f->is_there, sizeof f->is_there);
    g->ann->kernels = ngi_ann_kernels_at(0);
    assert_int_equal(build(f, ROWS), NG_OK);
    assert_int_equal(build(g, ROWS), NG_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        unsigned count = ann_link_count(ann_links(f->ann, row));
        assert_int_equal(ann_link_count(ann_links(g->ann, row)), count);
        assert_memory_equal(ann_links(f->ann, row), ann_links(g->ann, row),
                            count * sizeof(uint32_t));
    }
    free_fixture(f);
    free_fixture(g);
}

/* Many copies of few rows: all are found when they came together, and enough of them when they came one
 * by one. */
static void test_copies(void **state)
{
    (void)state;
    static ngi_ann_hit hits[600];
    uint32_t count;
    fixture *f = make_fixture(20, "ann copies");
    for (uint32_t row = 20; row < 600; row++) {
        memcpy(f->vectors[row], f->vectors[row % 20], sizeof f->vectors[row]);
        f->is_there[row] = true;
    }
    memset(f->vectors[5], 0, sizeof f->vectors[5]);
    assert_int_equal(build(f, 600), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    assert_int_equal(search(f->ann, f->vectors[3], 600, hits, &count), NG_OK);
    assert_int_equal(count, 600);
    for (uint32_t row = 0; row < 600; row++)
        ngi_ann_remove(f->ann, row);
    while (ngi_ann_clean(f->ann, 1000) || ngi_ann_removed_count(f->ann) > 0) {
    }
    for (uint32_t row = 0; row < 600; row++)
        assert_int_equal(ngi_ann_insert(f->ann, row, f->vectors[row]), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    for (uint32_t row = 0; row < 20; row++) {
        assert_int_equal(search(f->ann, f->vectors[row], 64, hits, &count), NG_OK);
        assert_int_equal(count, 64);
        for (uint32_t i = 0; i < FOUND; i++)
            assert_true(hits[i].score == hits[0].score && hits[i].row % 20 == row);
    }
    free_fixture(f);
}

/* Rows of different lengths: the nearest by distance, and those with the largest product. */
static void test_lengths(void **state)
{
    (void)state;
    fixture *f = make_fixture(ROWS, "ann lengths");
    for (uint32_t row = 0; row < ROWS; row++) {
        float length = 1 + 0.5f * random_float(&f->random);
        for (uint32_t i = 0; i < DIMENSIONS; i++)
            f->vectors[row][i] *= length;
    }
    assert_int_equal(build(f, ROWS), NG_OK);
    assert_int_equal(ngi_ann_check(f->ann), NG_OK);
    for (unsigned by_product = 0; by_product < 2; by_product++) {
        unsigned right = 0;
        for (unsigned turn = 0; turn < 50; turn++) {
            ngi_ann_hit hits[256];
            uint32_t count;
            const float *query = f->vectors[testing_below(&f->random, ROWS)];
            const ngi_ann_request request = {.query = query,
                                             .effort = 256,
                                             .by_product = by_product != 0};
            assert_int_equal(ngi_ann_search(f->ann, &request, hits, &count), NG_OK);
            double best[2] = {-INFINITY, -INFINITY}; /* found, there */
            for (uint32_t i = 0; i < ROWS + count; i++) {
                uint32_t row = i < ROWS ? i : hits[i - ROWS].row;
                double shift = exact_score(f, f->vectors[row], row) / 2;
                double score = exact_score(f, query, row) - (by_product != 0 ? 0 : shift);
                double *kept = &best[i < ROWS];
                *kept = score > *kept ? score : *kept;
            }
            right += best[0] == best[1];
        }
        assert_true(right >= 49);
    }
    free_fixture(f);
}

/* Whatever request for memory fails, there is an answer, and the graph is whole. */
static void test_no_memory(void **state)
{
    (void)state;
    fixture *f = make_fixture(2000, "ann memory");
    ngi_ann_hit hits[16];
    uint32_t count;
    bool failed = true;
    for (size_t fail_at = 1; failed; fail_at++) {
        testing_memory memory;
        testing_memory_init(&memory);
        memory.fail_at = fail_at;
        ngi_ann *ann = NULL;
        const ngi_ann_source source = {.row_end = 2000,
                                       .vector = give_vector,
                                       .context = f,
                                       .mem = &memory.mem};
        ng_status status = ngi_ann_create(&memory.os, &memory.mem, DIMENSIONS, ROWS, &ann);
        if (status == NG_OK)
            status = ngi_ann_build(ann, &source);
        if (status == NG_OK)
            status = ngi_ann_insert(ann, 7, f->vectors[8]);
        if (status == NG_OK)
            status = search(ann, f->vectors[0], 16, hits, &count);
        failed = status != NG_OK;
        assert_true(!failed || status == NG_E_NOMEM);
        assert_true(ann == NULL || ngi_ann_check(ann) == NG_OK);
        ngi_ann_destroy(ann);
        testing_memory_check(&memory);
    }
    free_fixture(f);
}

static int8_t random_code(uint64_t *random)
{
    return (int8_t)((int)testing_below(random, 255) - 127);
}

/* Images of 16 rows, and a query, of any bytes where codes may be. */
static void compare_lists(const ngi_ann_kernels *kernels, uint32_t dimensions, uint64_t *random)
{
    static uint8_t images[NGI_ANN_PANEL * NGI_ANN_STRIDE_MAX];
    static ngi_ann_query query;
    bool is_whole = dimensions + sizeof(ngi_ann_tail) <= NGI_ANN_LINE;
    size_t half = is_whole ? dimensions : (dimensions + 1) / 2;
    size_t stride = (half + sizeof(ngi_ann_tail) + NGI_ANN_LINE - 1) / NGI_ANN_LINE * NGI_ANN_LINE;
    float mine[NGI_ANN_PANEL], theirs[NGI_ANN_PANEL];
    uint32_t rows[NGI_ANN_PANEL];
    memset(&query, 0, sizeof query);
    query.stride = stride;
    query.scale = random_float(random);
    query.mask = is_whole ? 127 : 15;
    query.shifted = (float)testing_below(random, 2);
    for (size_t i = 0; i < half; i++) {
        query.low[i] = random_code(random);
        query.high[i] = is_whole ? 0 : random_code(random);
        query.excess += query.mask * (query.low[i] + query.high[i]);
    }
    for (uint32_t i = 0; i < NGI_ANN_PANEL; i++) {
        const ngi_ann_tail tail = {random_float(random), random_float(random), 0};
        memset(images + i * stride, 0, stride);
        for (size_t k = 0; k < half; k++)
            images[i * stride + k] = (uint8_t)testing_below(random, 256);
        memcpy(images + (i + 1) * stride - sizeof tail, &tail, sizeof tail);
        rows[i] = testing_below(random, NGI_ANN_PANEL);
    }
    kernels->list(&query, images, rows, NGI_ANN_PANEL, mine);
    ngi_ann_kernels_at(0)->list(&query, images, rows, NGI_ANN_PANEL, theirs);
    assert_memory_equal(mine, theirs, sizeof mine);
}

static void compare_panels(const ngi_ann_kernels *kernels, uint32_t dimensions, uint64_t *random)
{
    static _Alignas(64) uint8_t codes[NGI_ANN_PANEL * NGI_ANN_WIDTH_MAX];
    static ngi_ann_batch batch;
    static ngi_ann_compared mine, theirs;
    float scales[NGI_ANN_PANEL], shifts[NGI_ANN_PANEL];
    batch.width = (dimensions + 3) / 4 * (size_t)4;
    for (uint32_t at = 0; at < NGI_ANN_BATCH; at++) {
        batch.scales[at] = random_float(random) / 8192;
        batch.thresholds[at] = random_float(random);
        batch.excess[at] = 0;
        memset(batch.codes[at], 0, sizeof batch.codes[at]);
        for (uint32_t i = 0; i < dimensions; i++) {
            batch.codes[at][i] = random_code(random);
            batch.excess[at] += 128 * batch.codes[at][i];
        }
    }
    for (uint32_t i = 0; i < NGI_ANN_PANEL; i++) {
        scales[i] = random_float(random);
        shifts[i] = random_float(random);
    }
    for (size_t i = 0; i < NGI_ANN_PANEL * batch.width; i++)
        codes[i] = (uint8_t)(random_code(random) + 128);
    const ngi_ann_panel panel = {codes, scales, shifts};
    kernels->compare(&batch, &panel, &mine);
    ngi_ann_kernels_at(0)->compare(&batch, &panel, &theirs);
    assert_memory_equal(mine.scores, theirs.scores, sizeof mine.scores);
    assert_memory_equal(mine.above, theirs.above, sizeof mine.above);
}

static void test_kernels(void **state)
{
    (void)state;
    static const uint32_t dimensions[] = {2, 3, 24, 56, 57, 100, 120, 128, 300, 768, 4096};
    uint64_t random = testing_seed("ann kernels");
    for (size_t i = 0; ngi_ann_kernels_at(i) != NULL; i++)
        for (size_t j = 0; j < 200; j++) {
            uint32_t wanted = dimensions[j % (sizeof dimensions / sizeof *dimensions)];
            compare_lists(ngi_ann_kernels_at(i), wanted, &random);
            compare_panels(ngi_ann_kernels_at(i), wanted, &random);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_empty_and_few),
        cmocka_unit_test(test_equal_and_zero),
        cmocka_unit_test(test_insert_and_remove),
        cmocka_unit_test(test_build_is_stopped),
        cmocka_unit_test(test_same_source_same_graph),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
