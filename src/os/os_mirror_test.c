/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mirrors against naive copies of the table: chains in every order of leaving, limits, memory that
 * runs out, elements that lie across pages. */
#include "os/os_mirror.h"
#include "os/os_testing.h"

#define PAGE NGI_MIRROR_PAGE_BYTES
#define MANY SIZE_MAX /* pages in a step, or bytes in a group: no limit */

typedef struct fixture {
    testing_memory memory;
    ngi_table table;
    size_t elements;
} fixture;

/* A mirror and what it must show. */
typedef struct twin {
    ngi_mirror mirror;
    ngi_mirror_group group;
    uint8_t *bytes;
    size_t elements;
    bool is_open;
} twin;

static ng_status refuse_sparse(ngi_os *os, size_t bytes, void **out)
{
    (void)os;
    (void)out;
    return ngi_fail(NG_E_NOMEM, "no room for %zu bytes", bytes);
}

static void fixture_open(fixture *f, size_t element_bytes, size_t elements, size_t max_elements)
{
    memset(f, 0, sizeof *f);
    testing_memory_init(&f->memory);
    assert_int_equal(ngi_table_init(&f->table, &f->memory.os, &f->memory.mem, element_bytes,
                                    max_elements, "things"),
                     NG_OK);
    assert_int_equal(ngi_table_reserve(&f->table, elements), NG_OK);
    f->elements = elements;
}

static void fixture_close(fixture *f)
{
    assert_null(f->table.mirror);
    ngi_table_release(&f->table);
    testing_memory_check(&f->memory);
}

static void change(fixture *f, size_t first, size_t count, uint64_t *seed)
{
    ngi_table_touch(&f->table, first, count);
    uint8_t *bytes = f->table.base + first * f->table.element_bytes;
    for (size_t i = 0; i < count * f->table.element_bytes; i++)
        bytes[i] = (uint8_t)testing_random(seed);
}

static void twin_open(twin *t, fixture *f, size_t most)
{
    *t = (twin){.elements = f->elements, .group.copied_bytes_max = most, .is_open = true};
    assert_int_equal(ngi_mirror_attach(&t->mirror, &f->table, f->elements, &t->group), NG_OK);
    size_t bytes = f->elements * f->table.element_bytes;
    t->bytes = malloc(bytes);
    memcpy(t->bytes, f->table.base, bytes);
}

static void twin_free(twin *t)
{
    ngi_mirror_destroy(&t->mirror);
    free(t->bytes);
    t->is_open = false;
}

static void twin_close(twin *t)
{
    ngi_mirror_detach(&t->mirror);
    twin_free(t);
}

static void twin_compare(const twin *t, const fixture *f)
{
    size_t element_bytes = f->table.element_bytes;
    uint8_t *read = malloc(t->elements * element_bytes);
    ngi_mirror_read(&t->mirror, 0, t->elements, read);
    assert_memory_equal(read, t->bytes, t->elements * element_bytes);
    free(read);
}

static void test_one_mirror(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 64, 1000, 100000);
    uint64_t seed = testing_seed(__func__);
    change(&f, 0, f.elements, &seed);
    size_t before = atomic_load(&f.memory.mem.used_bytes);
    twin t;
    twin_open(&t, &f, MANY);
    assert_int_equal(atomic_load(&f.memory.mem.used_bytes), before);
    twin_compare(&t, &f);
    change(&f, 70, 1, &seed);
    assert_int_equal(t.group.copied_bytes, PAGE);
    assert_int_equal(atomic_load(&f.memory.mem.used_bytes), before + PAGE);
    change(&f, 64, 64, &seed); /* the same page */
    assert_int_equal(t.group.copied_bytes, PAGE);
    change(&f, 63, 2, &seed); /* the page before as well */
    assert_int_equal(t.group.copied_bytes, 2 * PAGE);
    ngi_table_touch(&f.table, 500, 0);
    assert_int_equal(t.group.copied_bytes, 2 * PAGE);
    twin_compare(&t, &f);
    for (size_t first = 0; first < 200; first += 7) { /* from any place */
        uint8_t read[64 * 100];
        ngi_mirror_read(&t.mirror, first, 100, read);
        assert_memory_equal(read, t.bytes + first * 64, sizeof read);
    }
    twin_close(&t);
    assert_int_equal(atomic_load(&f.memory.mem.used_bytes), before);
    fixture_close(&f);
}

static void test_what_did_not_exist(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 16, 1000, 1000000);
    uint64_t seed = testing_seed(__func__);
    change(&f, 0, 1000, &seed);
    twin t;
    twin_open(&t, &f, MANY);
    assert_int_equal(t.mirror.bytes, 4 * PAGE); /* 16,000 bytes are in use, not all committed */
    assert_int_equal(ngi_table_reserve(&f.table, 500000), NG_OK);
    change(&f, 1024, 400000, &seed);
    assert_int_equal(t.group.copied_bytes, 0);
    change(&f, 900, 1000, &seed); /* partly */
    assert_int_equal(t.group.copied_bytes, PAGE);
    uint8_t read[16 * 3000], zeroes[16 * 3000] = {0};
    memset(read, 0xAA, sizeof read);
    ngi_mirror_read(&t.mirror, 500, 3000, read);
    assert_memory_equal(read, t.bytes + 500 * 16, 500 * 16);
    assert_memory_equal(read + 500 * 16, zeroes, sizeof read - 500 * 16);
    memset(read, 0xAA, sizeof read);
    ngi_mirror_read(&t.mirror, 300000, 3000, read);
    assert_memory_equal(read, zeroes, sizeof read);
    ngi_mirror_read(&t.mirror, 0, 0, NULL);
    twin_compare(&t, &f);
    f.elements = 400000;
    twin newer; /* covers more */
    twin_open(&newer, &f, MANY);
    change(&f, 0, 400000, &seed);
    twin_compare(&t, &f);
    twin_compare(&newer, &f);
    assert_int_equal(t.group.copied_bytes, PAGE);
    twin_close(&newer); /* only what the older one covers goes to it */
    assert_int_equal(t.group.copied_bytes, 4 * PAGE);
    twin_compare(&t, &f);
    twin_close(&t);
    fixture_close(&f);
}

static void test_nothing_to_mirror(void **state)
{
    (void)state;
    ngi_table none = {0};
    ngi_mirror_group group = {.copied_bytes_max = MANY};
    ngi_mirror mirror;
    assert_int_equal(ngi_mirror_attach(&mirror, &none, 10, &group), NG_OK);
    assert_null(none.mirror);
    ngi_mirror_detach(&mirror);
    ngi_mirror_destroy(&mirror);
    ngi_mirror zeroed = {0};
    ngi_mirror_detach(&zeroed);
    ngi_mirror_destroy(&zeroed);
    fixture f;
    fixture_open(&f, 8, 0, 1000);
    assert_int_equal(ngi_mirror_attach(&mirror, &f.table, 0, &group), NG_OK);
    assert_int_equal(ngi_table_reserve(&f.table, 1000), NG_OK);
    uint64_t seed = testing_seed(__func__);
    change(&f, 0, 1000, &seed);
    uint64_t read[3] = {1, 2, 3};
    ngi_mirror_read(&mirror, 5, 3, read);
    assert_true(read[0] == 0 && read[1] == 0 && read[2] == 0);
    size_t at = 0;
    assert_false(ngi_mirror_changed(&mirror, &at, MANY, NULL, NULL));
    ngi_mirror_detach(&mirror);
    ngi_mirror_destroy(&mirror);
    /* More elements than are committed: there is nothing behind. */
    twin t;
    f.elements = 8192;
    twin_open(&t, &f, MANY);
    assert_int_equal(t.mirror.bytes, f.table.committed_bytes);
    twin_close(&t);
    fixture_close(&f);
}

/* A page that lies in a mirror which is leaving is found there until it has moved. */
static void random_leaving(twin *leaving, fixture *f, twin *others, size_t count, uint64_t *seed)
{
    leaving->is_open = false;
    while (!ngi_mirror_detach_step(&leaving->mirror, 1 + testing_below(seed, 3))) {
        size_t first = testing_below(seed, (uint32_t)f->elements);
        change(f, first, 1, seed);
        for (size_t i = 0; i < count; i++)
            if (others[i].is_open)
                twin_compare(&others[i], f);
    }
    assert_true(ngi_mirror_detach_step(&leaving->mirror, 1));
    twin_free(leaving);
}

static void random_changes(fixture *f, size_t times, uint64_t *seed)
{
    for (size_t i = 0; i < times; i++) {
        size_t first = testing_below(seed, (uint32_t)f->elements);
        size_t most = f->elements - first < 40 ? f->elements - first : 40;
        change(f, first, 1 + testing_below(seed, (uint32_t)most), seed);
    }
}

static void test_three_leave_in_every_order(void **state)
{
    (void)state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const size_t element_sizes[] = {1, 12, 64, 4100, 9000};
    uint64_t seed = testing_seed(__func__);
    for (size_t round = 0; round < 6 * 5 * 2; round++) {
        fixture f;
        size_t element_bytes = element_sizes[round / 6 % 5];
        fixture_open(&f, element_bytes, 200000 / element_bytes, 400000 / element_bytes);
        change(&f, 0, f.elements, &seed);
        twin twins[3];
        for (int i = 0; i < 3; i++) {
            twin_open(&twins[i], &f, MANY);
            random_changes(&f, 20, &seed);
        }
        for (int i = 0; i < 3; i++) {
            for (int k = 0; k < 3; k++)
                if (twins[k].is_open)
                    twin_compare(&twins[k], &f);
            if (round < 30)
                twin_close(&twins[orders[round % 6][i]]);
            else
                random_leaving(&twins[orders[round % 6][i]], &f, twins, 3, &seed);
            random_changes(&f, 20, &seed);
        }
        fixture_close(&f);
    }
}

static void test_random_chain(void **state)
{
    (void)state;
    enum { TWINS = 8 };
    uint64_t seed = testing_seed(__func__);
    fixture f;
    fixture_open(&f, 24, 1000, 200000);
    change(&f, 0, f.elements, &seed);
    twin twins[TWINS];
    memset(twins, 0, sizeof twins);
    for (int step = 0; step < 1500; step++) {
        twin *t = &twins[testing_below(&seed, TWINS)];
        uint32_t roll = testing_below(&seed, 10);
        if (roll < 2 && !t->is_open) {
            twin_open(t, &f, MANY);
        } else if (roll < 4 && t->is_open) {
            twin_compare(t, &f);
            if (roll == 2)
                twin_close(t);
            else
                random_leaving(t, &f, twins, TWINS, &seed);
        } else if (roll == 4 && f.elements < 30000) {
            f.elements += testing_below(&seed, 500);
            assert_int_equal(ngi_table_reserve(&f.table, f.elements), NG_OK);
        } else {
            random_changes(&f, 3, &seed);
        }
        if (t->is_open)
            twin_compare(t, &f);
    }
    for (int i = 0; i < TWINS; i++) {
        if (!twins[i].is_open)
            continue;
        twin_compare(&twins[i], &f);
        twin_close(&twins[i]);
    }
    fixture_close(&f);
}

/* A new mirror while another is leaving: the leaving one must still be found by the older. */
static void test_attached_while_one_leaves(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    fixture f;
    fixture_open(&f, 64, 100000, 100000);
    change(&f, 0, f.elements, &seed);
    twin oldest, leaving, newest;
    twin_open(&oldest, &f, MANY);
    twin_open(&leaving, &f, MANY);
    change(&f, 0, 50000, &seed);
    leaving.is_open = false;
    assert_false(ngi_mirror_detach_step(&leaving.mirror, 10));
    twin_open(&newest, &f, MANY);
    change(&f, 0, f.elements, &seed);
    twin_compare(&oldest, &f);
    twin_compare(&newest, &f);
    twin_close(&oldest); /* now nobody needs what is still to be moved */
    assert_true(ngi_mirror_detach_step(&leaving.mirror, 1));
    twin_free(&leaving);
    twin_compare(&newest, &f);
    twin_close(&newest);
    fixture_close(&f);
}

static void test_limit_of_a_group(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    fixture f;
    fixture_open(&f, 64, 1000, 1000);
    change(&f, 0, f.elements, &seed);
    twin older, newer;
    twin_open(&older, &f, 5 * PAGE);
    twin_open(&newer, &f, 3 * PAGE - 1);
    change(&f, 0, 128, &seed);
    assert_int_equal(newer.group.copied_bytes, 2 * PAGE);
    twin_compare(&newer, &f);
    assert_false(newer.group.broken);
    change(&f, 128, 1, &seed); /* a third page is one too many: the older takes it itself */
    assert_true(newer.group.broken && newer.group.over_limit);
    assert_int_equal(newer.group.copied_bytes, 2 * PAGE);
    assert_int_equal(older.group.copied_bytes, PAGE);
    assert_false(older.group.broken);
    twin_compare(&older, &f);
    change(&f, 192, 1, &seed);
    assert_int_equal(older.group.copied_bytes, 2 * PAGE);
    twin_compare(&older, &f);
    twin_close(&newer);
    assert_int_equal(older.group.copied_bytes, 4 * PAGE);
    twin_compare(&older, &f);
    change(&f, 256, 1, &seed);
    assert_false(older.group.broken);
    change(&f, 320, 1, &seed);
    assert_true(older.group.broken && older.group.over_limit);
    change(&f, 0, f.elements, &seed); /* the writer goes on */
    twin_close(&older);
    fixture_close(&f);
}

/* What moves to an older mirror counts there, and may be too much for it. */
static void test_limit_when_pages_move(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    fixture f;
    fixture_open(&f, 64, 1000, 1000);
    twin oldest, small, newest;
    twin_open(&oldest, &f, MANY);
    twin_open(&small, &f, 2 * PAGE);
    twin_open(&newest, &f, MANY);
    change(&f, 0, 64 * 6, &seed);
    twin_close(&newest);
    assert_true(small.group.broken && small.group.over_limit);
    assert_int_equal(small.group.copied_bytes, 2 * PAGE);
    assert_int_equal(oldest.group.copied_bytes, 4 * PAGE);
    twin_compare(&oldest, &f);
    twin_close(&small);
    twin_compare(&oldest, &f);
    twin_close(&oldest);
    fixture_close(&f);
}

static void test_no_memory_for_pages(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    fixture f;
    fixture_open(&f, 64, 1000, 1000);
    change(&f, 0, f.elements, &seed);
    twin older, newer;
    twin_open(&older, &f, MANY);
    change(&f, 0, 1, &seed);
    twin_open(&newer, &f, MANY);
    f.memory.mem.max_bytes = atomic_load(&f.memory.mem.used_bytes) + PAGE;
    change(&f, 0, 65, &seed); /* room for one page of two */
    assert_true(newer.group.broken && older.group.broken);
    assert_false(newer.group.over_limit || older.group.over_limit);
    change(&f, 0, f.elements, &seed);
    assert_int_equal(older.group.copied_bytes + newer.group.copied_bytes, 2 * PAGE);
    twin_close(&older);
    twin_close(&newer);
    fixture_close(&f);

    fixture_open(&f, 64, 1000, 1000);
    twin_open(&older, &f, MANY);
    f.memory.os.memory_map_sparse = refuse_sparse;
    ngi_mirror mirror;
    assert_int_equal(ngi_mirror_attach(&mirror, &f.table, 1000, &older.group), NG_E_NOMEM);
    assert_string_equal(ng_last_error(), "things: no room for 65544 bytes");
    assert_ptr_equal(f.table.mirror, &older.mirror);
    ngi_mirror_detach(&mirror);
    ngi_mirror_destroy(&mirror);
    twin_close(&older);
    fixture_close(&f);
}

typedef struct pages_seen {
    const twin *twin;
    size_t count, stop_after;
    bool seen[4096];
} pages_seen;

static bool see_page(void *context, const uint8_t *page, size_t offset_bytes)
{
    pages_seen *pages = context;
    assert_int_equal(offset_bytes % PAGE, 0);
    assert_false(pages->seen[offset_bytes / PAGE]);
    pages->seen[offset_bytes / PAGE] = true;
    assert_memory_equal(page, pages->twin->bytes + offset_bytes, PAGE);
    return ++pages->count != pages->stop_after;
}

static void test_changed_pages(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    fixture f;
    fixture_open(&f, 4096, 300, 300);
    change(&f, 0, f.elements, &seed);
    twin older, newer;
    twin_open(&older, &f, MANY);
    static const size_t first_changed[] = {0, 63, 64, 299}, then_changed[] = {1, 63, 128};
    for (size_t i = 0; i < 4; i++)
        change(&f, first_changed[i], 1, &seed);
    twin_open(&newer, &f, MANY);
    for (size_t i = 0; i < 3; i++)
        change(&f, then_changed[i], 1, &seed);
    static pages_seen pages;
    for (size_t step = 1; step < 8; step++) {
        pages = (pages_seen){.twin = &older};
        size_t at = 0, calls = 1;
        while (ngi_mirror_changed(&older.mirror, &at, step, see_page, &pages))
            calls++;
        assert_int_equal(pages.count, 6);
        assert_int_equal(calls, (6 + step - 1) / step);
        assert_true(pages.seen[0] && pages.seen[1] && pages.seen[63] && pages.seen[64] &&
                    pages.seen[128] && pages.seen[299]);
    }
    pages = (pages_seen){.twin = &newer};
    size_t at = 0;
    assert_false(ngi_mirror_changed(&newer.mirror, &at, MANY, see_page, &pages));
    assert_int_equal(pages.count, 3);
    pages = (pages_seen){.twin = &older, .stop_after = 2};
    at = 0;
    assert_false(ngi_mirror_changed(&older.mirror, &at, MANY, see_page, &pages));
    assert_int_equal(pages.count, 2);
    twin_close(&newer);
    twin_close(&older);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_mirror),
        cmocka_unit_test(test_what_did_not_exist),
        cmocka_unit_test(test_nothing_to_mirror),
        cmocka_unit_test(test_three_leave_in_every_order),
        cmocka_unit_test(test_random_chain),
        cmocka_unit_test(test_attached_while_one_leaves),
        cmocka_unit_test(test_limit_of_a_group),
        cmocka_unit_test(test_limit_when_pages_move),
        cmocka_unit_test(test_no_memory_for_pages),
        cmocka_unit_test(test_changed_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
