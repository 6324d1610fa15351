/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows, projections and derived values of the vector index: what is stored comes back, what is
 * invalid is refused, what fails leaves no trace, and a naive twin agrees after random changes. */
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

static float test_float(uint64_t *state)
{
    return (float)((double)(test_random(state) >> 11) / 4503599627370496.0 - 1);
}

static void test_encode(uint8_t *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ngi_put_f32(out + 4 * i, values[i]);
}

static void test_put(ngi_vectors *vectors, uint32_t slot, const float *values)
{
    uint32_t dimensions = ngi_vectors_dimensions(vectors);
    uint8_t *bytes = malloc(4 * (size_t)dimensions + 1);
    assert_non_null(bytes);
    test_encode(bytes + 1, values, dimensions); /* at an odd address */
    ngi_vectors_put(vectors, slot, bytes + 1);
    free(bytes);
}

static void test_project(ngi_vectors *vectors, const float *mean, const float *components,
                         uint32_t count)
{
    uint32_t dimensions = ngi_vectors_dimensions(vectors);
    uint8_t *bytes = malloc(4 * (size_t)dimensions * (count + 1));
    assert_non_null(bytes);
    test_encode(bytes, mean, dimensions);
    test_encode(bytes + 4 * (size_t)dimensions, components, (size_t)dimensions * count);
    assert_int_equal(ngi_vectors_reserve_projection(vectors, dimensions, count), NG_OK);
    ngi_vectors_set_projection(vectors, bytes, bytes + 4 * (size_t)dimensions, count);
    free(bytes);
}

static void test_prepare(ngi_vectors *vectors, int32_t remove_components, size_t max_rows)
{
    while (!ngi_vectors_is_prepared(vectors, remove_components))
        assert_int_equal(ngi_vectors_prepare(vectors, remove_components, max_rows), NG_OK);
}

static ngi_vectors *test_create(ngi_mem *mem, uint32_t max_slots)
{
    ngi_vectors *vectors = NULL;
    ngi_mem_init(mem, 0);
    assert_int_equal(ngi_vectors_create(ngi_os_system(), mem, max_slots, &vectors), NG_OK);
    return vectors;
}

static void test_destroy(ngi_vectors *vectors, ngi_mem *mem)
{
    assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    ngi_vectors_destroy(vectors);
    assert_int_equal(atomic_load(&mem->used_bytes), 0);
}

static void assert_message_has(const char *part)
{
    if (strstr(ngi_last_error(), part) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ngi_last_error(), part);
}

/* ---------------------------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------------------------- */

static void test_empty(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 10);
    double sum[2] = {5, 6};
    float vector[2] = {1, 2};
    assert_int_equal(ngi_vectors_dimensions(vectors), 0);
    assert_int_equal(ngi_vectors_count(vectors), 0);
    ng_memory_use floats, images, rows;
    ngi_vectors_memory(vectors, &floats, &images, &rows);
    assert_true(rows.bytes >= sizeof(ngi_vectors));
    assert_true(floats.bytes + images.bytes + rows.bytes == atomic_load(&mem.used_bytes));
    assert_null(ngi_vectors_get(vectors, 0));
    assert_null(ngi_vectors_get(vectors, 1));
    assert_null(ngi_vectors_get(vectors, UINT32_MAX));
    ngi_vectors_remove(vectors, 1);
    ngi_vectors_remove(vectors, UINT32_MAX);
    assert_true(ngi_vectors_is_prepared(vectors, 0));
    assert_int_equal(ngi_vectors_prepare(vectors, 0, 100), NG_OK);
    assert_false(ngi_vectors_accumulate(vectors, 1, NULL, 1, 0, sum));
    assert_false(ngi_vectors_accumulate(vectors, 0, vector, 1, 0, sum));
    assert_true(sum[0] == 5 && sum[1] == 6);
    test_destroy(vectors, &mem);
    ngi_vectors_destroy(NULL);
}

static void test_reserve_checks(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 10);
    assert_int_equal(ngi_vectors_reserve(vectors, 1, 1, 1), NG_E_INVALID);
    assert_message_has("dimensions 1 ");
    assert_int_equal(ngi_vectors_reserve(vectors, 4097, 1, 1), NG_E_INVALID);
    assert_message_has("2..4096");
    assert_int_equal(ngi_vectors_reserve(vectors, 3, 1, 11), NG_E_LIMIT);
    assert_message_has("slot 11");
    assert_int_equal(ngi_vectors_dimensions(vectors), 0);
    assert_int_equal(ngi_vectors_reserve(vectors, 3, 1, 10), NG_OK);
    assert_int_equal(ngi_vectors_dimensions(vectors), 3);
    assert_int_equal(ngi_vectors_reserve(vectors, 4, 1, 1), NG_E_INVALID);
    assert_message_has("4");
    assert_message_has("3");
    assert_int_equal(ngi_vectors_count(vectors), 0);
    test_destroy(vectors, &mem);
}

static void test_bits_come_back(void **state)
{
    (void)state;
    static const uint32_t BITS[4] = {0x80000000u, 0x00000001u, 0x7F7FFFFFu, 0xC0490FDBu};
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 4);
    uint8_t bytes[17];
    for (size_t i = 0; i < 4; i++)
        ngi_put_u32(bytes + 1 + 4 * i, BITS[i]);
    assert_int_equal(ngi_vectors_reserve(vectors, 4, 1, 4), NG_OK);
    ngi_vectors_put(vectors, 4, bytes + 1);
    assert_memory_equal(ngi_vectors_get(vectors, 4), BITS, sizeof BITS);
    assert_null(ngi_vectors_get(vectors, 3));
    assert_null(ngi_vectors_get(vectors, 0));
    test_destroy(vectors, &mem);
}

static void test_replace_remove_reuse(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 3);
    assert_int_equal(ngi_vectors_reserve(vectors, 2, 3, 3), NG_OK);
    test_put(vectors, 1, (float[]){1, 0});
    test_put(vectors, 2, (float[]){2, 0});
    test_put(vectors, 3, (float[]){3, 0});
    const float *row = ngi_vectors_get(vectors, 2);
    assert_int_equal(ngi_vectors_reserve(vectors, 2, 2, 3), NG_OK); /* full, but these replace */
    test_put(vectors, 2, (float[]){4, 0});
    assert_ptr_equal(ngi_vectors_get(vectors, 2), row);
    assert_true(row[0] == 4);
    assert_int_equal(ngi_vectors_count(vectors), 3);
    ngi_vectors_remove(vectors, 2);
    ngi_vectors_remove(vectors, 2);
    assert_null(ngi_vectors_get(vectors, 2));
    assert_int_equal(ngi_vectors_count(vectors), 2);
    assert_int_equal(ngi_vectors_reserve(vectors, 2, 1, 3), NG_OK);
    test_put(vectors, 2, (float[]){5, 0});
    assert_ptr_equal(ngi_vectors_get(vectors, 2), row);
    assert_int_equal(ngi_vectors_count(vectors), 3);
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * Failures
 * ------------------------------------------------------------------------------------------- */

/* A system and a memory hook of which call number `left` + 1 fails. */
typedef struct test_fault {
    ngi_os os;
    ngi_mem mem;
    unsigned left;
    bool failed;
} test_fault;

static bool fault_now(test_fault *fault)
{
    fault->failed = fault->failed || fault->left == 0;
    return fault->left == 0 || fault->left-- == 0;
}

static ng_status fault_reserve(ngi_os *os, size_t bytes, void **out)
{
    if (fault_now(os->context))
        return ngi_fail(NG_E_NOMEM, "no address space");
    return ngi_os_system()->memory_reserve(ngi_os_system(), bytes, out);
}

static ng_status fault_commit(ngi_os *os, void *address, size_t bytes)
{
    if (fault_now(os->context))
        return ngi_fail(NG_E_NOMEM, "no memory");
    return ngi_os_system()->memory_commit(ngi_os_system(), address, bytes);
}

static void *fault_resize(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return fault_now(mem->context) ? NULL : realloc(block, new_bytes);
}

static ng_status fault_steps(test_fault *fault, ngi_vectors **vectors)
{
    ng_status status;
    uint8_t bytes[2 * 3 * 4] = {0};
    double query[3] = {1, 2, 3};
    NGI_TRY(ngi_vectors_create(&fault->os, &fault->mem, 100, vectors));
    NGI_TRY(ngi_vectors_reserve(*vectors, 3, 20, 20));
    test_put(*vectors, 20, (float[]){1, 2, 4});
    NGI_TRY(ngi_vectors_reserve_projection(*vectors, 3, 1));
    test_encode(bytes + 12, (float[]){1, 0, 0}, 3);
    ngi_vectors_set_projection(*vectors, bytes, bytes + 12, 1);
    NGI_TRY(ngi_vectors_prepare(*vectors, NG_PLAIN_COSINE, 1));
    NGI_TRY(ngi_vectors_prepare(*vectors, 1, 1));
    ngi_vector_search *search = NULL;
    NGI_TRY(ngi_vector_search_begin(*vectors, query, 1, 5, NULL, NULL, &search));
    ngi_vector_search_destroy(search);
out:
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (unsigned n = 0;; n++) {
        test_fault fault = {.os = *ngi_os_system(), .left = n};
        ngi_mem_init(&fault.mem, 0);
        fault.os.context = &fault;
        fault.os.memory_reserve = fault_reserve;
        fault.os.memory_commit = fault_commit;
        fault.mem.context = &fault;
        fault.mem.resize = fault_resize;
        ngi_vectors *vectors = NULL;
        ng_status status = fault_steps(&fault, &vectors);
        assert_int_equal(status, fault.failed ? NG_E_NOMEM : NG_OK);
        failures += fault.failed;
        if (vectors != NULL) {
            assert_int_equal(ngi_vectors_check(vectors), NG_OK);
            fault.left = 1000; /* from here on memory is there again */
            fault.failed = false;
            assert_int_equal(ngi_vectors_reserve(vectors, 3, 5, 50), NG_OK);
            test_put(vectors, 50, (float[]){7, 8, 9});
            test_prepare(vectors, NG_PLAIN_COSINE, 100);
            assert_int_equal(ngi_vectors_check(vectors), NG_OK);
        }
        ngi_vectors_destroy(vectors);
        assert_int_equal(atomic_load(&fault.mem.used_bytes), 0);
        if (status == NG_OK)
            break;
    }
    assert_in_range(failures, 10, 100);
}

static void test_a_failed_first_reserve_fixes_nothing(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = NULL;
    ngi_mem_init(&mem, sizeof(ngi_vectors) + 100);
    assert_int_equal(ngi_vectors_create(ngi_os_system(), &mem, 10, &vectors), NG_OK);
    assert_int_not_equal(ngi_vectors_reserve(vectors, 50, 1, 1), NG_OK);
    assert_int_equal(ngi_vectors_dimensions(vectors), 0);
    mem.max_bytes = 0;
    assert_int_equal(ngi_vectors_reserve(vectors, 60, 1, 1), NG_OK);
    assert_int_equal(ngi_vectors_dimensions(vectors), 60);
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * Projections
 * ------------------------------------------------------------------------------------------- */

static void test_remove_components_checks(void **state)
{
    (void)state;
    ngi_mem mem;
    uint32_t setting;
    ngi_vectors *vectors = test_create(&mem, 10);
    assert_int_equal(ngi_vectors_reserve(vectors, 4, 1, 1), NG_OK);
    test_put(vectors, 1, (float[]){1, 2, 3, 4});
    assert_int_equal(ngi_vectors_resolve(vectors, 0, &setting), NG_OK);
    assert_int_equal(setting, VECTORS_PLAIN);
    assert_int_equal(ngi_vectors_resolve(vectors, 1, &setting), NG_E_INVALID);
    assert_message_has("remove_components 1");
    assert_int_equal(ngi_vectors_prepare(vectors, 1, 10), NG_E_INVALID);
    assert_false(ngi_vectors_is_prepared(vectors, 1));

    test_project(vectors, (float[]){0, 0, 0, 0}, (float[]){1, 0, 0, 0}, 1);
    assert_int_equal(ngi_vectors_resolve(vectors, 0, &setting), NG_OK);
    assert_int_equal(setting, 1);
    float three[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
    test_project(vectors, (float[]){0, 0, 0, 0}, three, 3);
    assert_int_equal(ngi_vectors_resolve(vectors, 0, &setting), NG_OK);
    assert_int_equal(setting, 2);
    assert_int_equal(ngi_vectors_resolve(vectors, 3, &setting), NG_OK);
    assert_int_equal(setting, 3);
    assert_int_equal(ngi_vectors_resolve(vectors, NG_PLAIN_COSINE, &setting), NG_OK);
    assert_int_equal(setting, VECTORS_PLAIN);
    assert_int_equal(ngi_vectors_resolve(vectors, NGI_SELECT_DOT, &setting), NG_OK);
    assert_int_equal(setting, VECTORS_DOT);
    assert_int_equal(ngi_vectors_resolve(vectors, NGI_SELECT_L2, &setting), NG_OK);
    assert_int_equal(setting, VECTORS_L2);
    assert_int_equal(ngi_vectors_resolve(vectors, 4, &setting), NG_E_INVALID);
    assert_message_has("remove_components 4");
    assert_message_has("the 3 ");
    assert_int_equal(ngi_vectors_resolve(vectors, NGI_SELECT_L2 - 1, &setting), NG_E_INVALID);
    assert_int_equal(ngi_vectors_resolve(vectors, 25, &setting), NG_E_INVALID);
    assert_int_equal(ngi_vectors_resolve(vectors, INT32_MIN, &setting), NG_E_INVALID);

    ngi_vectors_set_projection(vectors, NULL, NULL, 0);
    assert_int_equal(ngi_vectors_resolve(vectors, 0, &setting), NG_OK);
    assert_int_equal(setting, VECTORS_PLAIN);
    test_destroy(vectors, &mem);
}

static void test_projection_checks(void **state)
{
    (void)state;
    ngi_mem mem;
    uint32_t setting;
    ngi_vectors *vectors = test_create(&mem, 10);
    assert_int_equal(ngi_vectors_reserve_projection(vectors, 30, 0), NG_E_INVALID);
    assert_message_has("component_count 0 is outside 1..24");
    assert_int_equal(ngi_vectors_reserve_projection(vectors, 30, 25), NG_E_INVALID);
    assert_int_equal(ngi_vectors_reserve_projection(vectors, 2, 3), NG_E_INVALID);
    assert_message_has("1..2");
    /* Before the first vector a projection fixes the dimensions. */
    assert_int_equal(ngi_vectors_reserve_projection(vectors, 2, 2), NG_OK);
    assert_int_equal(ngi_vectors_dimensions(vectors), 2);
    assert_int_equal(ngi_vectors_reserve_projection(vectors, 3, 1), NG_E_INVALID);
    assert_int_equal(ngi_vectors_reserve(vectors, 3, 1, 1), NG_E_INVALID);
    /* The default leaves one dimension. */
    test_project(vectors, (float[]){0, 0}, (float[]){1, 0, 0, 1}, 2);
    assert_int_equal(ngi_vectors_resolve(vectors, 0, &setting), NG_OK);
    assert_int_equal(setting, 1);
    test_destroy(vectors, &mem);
}

static void test_accumulate(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 10);
    double sum[3] = {0};
    assert_int_equal(ngi_vectors_reserve(vectors, 3, 4, 4), NG_OK);
    test_put(vectors, 1, (float[]){3, 4, 0});
    test_put(vectors, 2, (float[]){0, 0, 0});
    test_put(vectors, 3, (float[]){1, 1, 1});
    assert_true(ngi_vectors_accumulate(vectors, 1, NULL, 1, 0, sum));
    assert_true(fabs(sum[0] - 0.6) < 1e-15 && fabs(sum[1] - 0.8) < 1e-15 && sum[2] == 0);
    assert_true(ngi_vectors_accumulate(vectors, 0, (float[]){0, 0, 9}, -2, NG_PLAIN_COSINE, sum));
    assert_true(sum[2] == -2);
    double before[3];
    memcpy(before, sum, sizeof sum);
    assert_false(ngi_vectors_accumulate(vectors, 2, NULL, 1, 0, sum));
    assert_false(ngi_vectors_accumulate(vectors, 4, NULL, 1, 0, sum));
    assert_false(ngi_vectors_accumulate(vectors, 1, NULL, 1, 1, sum));

    test_project(vectors, (float[]){1, 1, 1}, (float[]){0, 1, 0}, 1);
    assert_false(ngi_vectors_accumulate(vectors, 3, NULL, 1, 1, sum));               /* the mean */
    assert_false(ngi_vectors_accumulate(vectors, 0, (float[]){1, 7, 1}, 1, 1, sum)); /* all gone */
    assert_false(ngi_vectors_accumulate(vectors, 2, NULL, 1, 1, sum)); /* zero stays without */
    assert_memory_equal(sum, before, sizeof sum);
    double centred[3] = {0};
    assert_true(ngi_vectors_accumulate(vectors, 1, NULL, 1, 1, centred)); /* (2, 3, -1) */
    assert_true(fabs(centred[0] - 2 / sqrt(5)) < 1e-15);
    assert_true(fabs(centred[1]) < 1e-15);
    assert_true(fabs(centred[2] + 1 / sqrt(5)) < 1e-15);
    test_destroy(vectors, &mem);
}

/* Components as float32 are not orthonormal; the residual must still be free of them, and copies
 * and zeros among them must do no harm. */
static void test_crooked_components(void **state)
{
    (void)state;
    enum { DIMENSIONS = 20, COMPONENTS = 6 };
    ngi_mem mem;
    uint64_t seed = 6364136223846793005u;
    float mean[DIMENSIONS];
    float components[COMPONENTS * DIMENSIONS];
    float vector[DIMENSIONS];
    ngi_vectors *vectors = test_create(&mem, 10);
    assert_int_equal(ngi_vectors_reserve(vectors, DIMENSIONS, 1, 1), NG_OK);
    for (size_t i = 0; i < DIMENSIONS; i++) {
        mean[i] = test_float(&seed);
        vector[i] = test_float(&seed);
    }
    for (size_t i = 0; i < (size_t)COMPONENTS * DIMENSIONS; i++)
        components[i] = test_float(&seed);
    memcpy(components + 3 * DIMENSIONS, components, sizeof mean); /* a copy */
    memset(components + 4 * DIMENSIONS, 0, sizeof mean);          /* nothing */
    test_put(vectors, 1, vector);
    test_project(vectors, mean, components, COMPONENTS);
    for (int32_t k = 1; k <= COMPONENTS; k++) {
        double sum[DIMENSIONS] = {0};
        assert_true(ngi_vectors_accumulate(vectors, 1, NULL, 1, k, sum));
        double norm = 0;
        for (size_t i = 0; i < DIMENSIONS; i++)
            norm += sum[i] * sum[i];
        assert_true(fabs(norm - 1) < 1e-14);
        for (int32_t c = 0; c < k; c++) {
            double product = 0;
            for (size_t i = 0; i < DIMENSIONS; i++)
                product += sum[i] * (double)components[c * DIMENSIONS + (int)i];
            assert_true(fabs(product) < 1e-13);
        }
    }
    test_prepare(vectors, COMPONENTS, 1);
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * Derived values
 * ------------------------------------------------------------------------------------------- */

static void test_prepare_in_steps(void **state)
{
    (void)state;
    ngi_mem mem;
    uint64_t seed = 1442695040888963407u;
    ngi_vectors *vectors = test_create(&mem, 100);
    assert_int_equal(ngi_vectors_reserve(vectors, 2, 40, 40), NG_OK);
    for (uint32_t slot = 1; slot <= 40; slot++)
        test_put(vectors, slot, (float[]){test_float(&seed), test_float(&seed)});
    assert_false(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    assert_int_equal(ngi_vectors_prepare(vectors, NG_PLAIN_COSINE, 0), NG_OK);
    for (int step = 0; step < 4; step++) {
        assert_false(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
        assert_int_equal(ngi_vectors_prepare(vectors, NG_PLAIN_COSINE, 10), NG_OK);
        assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    }
    assert_true(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    assert_true(ngi_vectors_is_prepared(vectors, 0));
    test_put(vectors, 7, (float[]){1, 0});
    assert_false(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    assert_int_equal(ngi_vectors_prepare(vectors, NG_PLAIN_COSINE, 1), NG_OK);
    assert_true(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    ngi_vectors_remove(vectors, 8);
    assert_true(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    test_put(vectors, 8, (float[]){1, 0});
    assert_false(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    test_destroy(vectors, &mem);
}

static void test_a_new_projection_needs_preparing(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 100);
    assert_int_equal(ngi_vectors_reserve(vectors, 3, 2, 2), NG_OK);
    test_put(vectors, 1, (float[]){1, 2, 3});
    test_put(vectors, 2, (float[]){3, 2, 1});
    test_project(vectors, (float[]){1, 0, 0}, (float[]){0, 1, 0, 0, 0, 1}, 2);
    test_prepare(vectors, NG_PLAIN_COSINE, 10);
    test_prepare(vectors, 1, 10);
    double first = *ngi_vectors_inverse_at(&vectors->settings[1], 0); /* slot 1 loses its y */
    assert_true(fabs(first - 1.0 / 3) < 1e-15);
    test_project(vectors, (float[]){0, 0, 0}, (float[]){0, 0, 1}, 1);
    assert_true(ngi_vectors_is_prepared(vectors, NG_PLAIN_COSINE));
    assert_false(ngi_vectors_is_prepared(vectors, 1));
    test_prepare(vectors, 1, 1);
    assert_int_equal(ngi_vectors_check(vectors), NG_OK);
    double second = *ngi_vectors_inverse_at(&vectors->settings[1], 0);
    assert_true(fabs(second - 1 / sqrt(5)) < 1e-15);
    test_destroy(vectors, &mem);
}

/* Values that the API refuses; a damaged file must not do more than find nothing. */
static void test_rows_that_are_not_finite(void **state)
{
    (void)state;
    ngi_mem mem;
    double sum[3] = {0};
    ngi_vectors *vectors = test_create(&mem, 100);
    assert_int_equal(ngi_vectors_reserve(vectors, 3, 4, 4), NG_OK);
    test_put(vectors, 1, (float[]){NAN, 1, 1});
    test_put(vectors, 2, (float[]){1, INFINITY, 1});
    test_put(vectors, 3, (float[]){1, 1, -INFINITY});
    test_put(vectors, 4, (float[]){FLT_MAX, FLT_MAX, -FLT_MAX});
    test_prepare(vectors, NG_PLAIN_COSINE, 10);
    for (uint32_t slot = 1; slot <= 3; slot++)
        assert_false(ngi_vectors_accumulate(vectors, slot, NULL, 1, 0, sum));
    assert_true(ngi_vectors_accumulate(vectors, 4, NULL, 1, 0, sum));
    test_destroy(vectors, &mem);
}

static void test_check_finds_damage(void **state)
{
    (void)state;
    ngi_mem mem;
    ngi_vectors *vectors = test_create(&mem, 100);
    assert_int_equal(ngi_vectors_reserve(vectors, 2, 3, 3), NG_OK);
    for (uint32_t slot = 1; slot <= 3; slot++)
        test_put(vectors, slot, (float[4]){(float)slot, 1});
    ngi_vectors_remove(vectors, 2);
    test_prepare(vectors, NG_PLAIN_COSINE, 10);
    assert_int_equal(ngi_vectors_check(vectors), NG_OK);

    int8_t *panel = ngi_vectors_panel_at(vectors, 0);
    panel[0] = (int8_t)(panel[0] - 5);
    assert_int_equal(ngi_vectors_check(vectors), NG_E_INTERNAL);
    assert_message_has("image");
    panel[0] = (int8_t)(panel[0] + 5);

    double *inverse = ngi_vectors_inverse_at(&vectors->settings[VECTORS_PLAIN], 2);
    *inverse *= 2;
    assert_int_equal(ngi_vectors_check(vectors), NG_E_INTERNAL);
    assert_message_has("row 2");
    *inverse /= 2;

    vectors->settings[VECTORS_PLAIN].derived_count++;
    assert_int_equal(ngi_vectors_check(vectors), NG_E_INTERNAL);
    vectors->settings[VECTORS_PLAIN].derived_count--;

    vectors->count++;
    assert_int_equal(ngi_vectors_check(vectors), NG_E_INTERNAL);
    vectors->count--;

    ngi_vectors_info_at(vectors, 0)->slot = 3;
    assert_int_equal(ngi_vectors_check(vectors), NG_E_INTERNAL);
    assert_message_has("slot 3");
    ngi_vectors_info_at(vectors, 0)->slot = 1;
    test_destroy(vectors, &mem);
}

/* ---------------------------------------------------------------------------------------------
 * A naive twin
 * ------------------------------------------------------------------------------------------- */

#define TWIN_SLOTS 60u
#define TWIN_DIMENSIONS 5u

typedef struct test_twin {
    bool present[TWIN_SLOTS + 1];
    float values[TWIN_SLOTS + 1][TWIN_DIMENSIONS];
} test_twin;

static void twin_compare(const test_twin *twin, const ngi_vectors *vectors)
{
    uint64_t count = 0;
    for (uint32_t slot = 1; slot <= TWIN_SLOTS; slot++) {
        const float *row = ngi_vectors_get(vectors, slot);
        assert_int_equal(row != NULL, twin->present[slot]);
        count += twin->present[slot];
        if (row != NULL)
            assert_memory_equal(row, twin->values[slot], sizeof twin->values[slot]);
    }
    assert_int_equal(ngi_vectors_count(vectors), count);
    assert_int_equal(ngi_vectors_check(vectors), NG_OK);
}

static void twin_step(test_twin *twin, ngi_vectors *vectors, uint64_t *seed)
{
    uint32_t slot = (uint32_t)(test_random(seed) % TWIN_SLOTS) + 1;
    uint64_t pick = test_random(seed) % 20;
    if (pick < 9) {
        assert_int_equal(ngi_vectors_reserve(vectors, TWIN_DIMENSIONS, 1, slot), NG_OK);
        for (size_t i = 0; i < TWIN_DIMENSIONS; i++)
            twin->values[slot][i] = test_float(seed);
        twin->present[slot] = true;
        test_put(vectors, slot, twin->values[slot]);
    } else if (pick < 15) {
        twin->present[slot] = false;
        ngi_vectors_remove(vectors, slot);
    } else if (pick < 19) {
        int32_t setting = (int32_t)(test_random(seed) % 4) - 1;
        if (setting <= (int32_t)vectors->component_count)
            assert_int_equal(ngi_vectors_prepare(vectors, setting, test_random(seed) % 30), NG_OK);
    } else {
        float values[3 * TWIN_DIMENSIONS] = {0};
        for (size_t i = 0; i < 3 * (size_t)TWIN_DIMENSIONS; i++)
            values[i] = test_float(seed);
        uint32_t components = (uint32_t)(1 + test_random(seed) % 2);
        test_project(vectors, values, values + TWIN_DIMENSIONS, components);
    }
}

static void test_random_changes(void **state)
{
    (void)state;
    uint64_t seed = 0x9E3779B97F4A7C15u;
    const char *given = getenv("NG_TEST_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 0) | 1;
    print_message("NG_TEST_SEED=%llu\n", (unsigned long long)seed);
    ngi_mem mem;
    test_twin twin = {0};
    ngi_vectors *vectors = test_create(&mem, TWIN_SLOTS);
    assert_int_equal(ngi_vectors_reserve(vectors, TWIN_DIMENSIONS, 0, 0), NG_OK);
    for (int step = 0; step < 4000; step++) {
        twin_step(&twin, vectors, &seed);
        twin_compare(&twin, vectors);
    }
    test_destroy(vectors, &mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_reserve_checks),
        cmocka_unit_test(test_bits_come_back),
        cmocka_unit_test(test_replace_remove_reuse),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_a_failed_first_reserve_fixes_nothing),
        cmocka_unit_test(test_remove_components_checks),
        cmocka_unit_test(test_projection_checks),
        cmocka_unit_test(test_accumulate),
        cmocka_unit_test(test_crooked_components),
        cmocka_unit_test(test_prepare_in_steps),
        cmocka_unit_test(test_a_new_projection_needs_preparing),
        cmocka_unit_test(test_rows_that_are_not_finite),
        cmocka_unit_test(test_check_finds_damage),
        cmocka_unit_test(test_random_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
