/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The label index against a naive twin, with runs of colliding hashes, and memory that runs out. */
#include "index/index_labels.h"
#include "os/os_testing.h"

#include <xxhash.h>

#define SLOTS 4096u

typedef struct twin {
    char *text; /* NULL = no label */
    size_t bytes;
    uint32_t collection;
} twin;

static void put_reserved(ngi_labels *labels, uint32_t slot, uint32_t collection, const char *text,
                         size_t bytes)
{
    assert_int_equal(ngi_labels_reserve(labels, 1, bytes, slot), NG_OK);
    assert_int_equal(ngi_labels_put(labels, slot, collection, text, bytes), NG_OK);
}

static void put_text(ngi_labels *labels, uint32_t slot, uint32_t collection, const char *text)
{
    put_reserved(labels, slot, collection, text, strlen(text));
}

static void expect_ok(const ngi_labels *labels)
{
    if (ngi_labels_check(labels) != NG_OK)
        fail_msg("%s", ng_last_error());
}

static void test_empty(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    size_t bytes = 9;
    assert_int_equal(ngi_labels_find(&labels, 0, "x", 1), 0);
    assert_null(ngi_labels_get(&labels, 1, &bytes));
    assert_int_equal(bytes, 0);
    assert_null(ngi_labels_get(&labels, UINT32_MAX, &bytes));
    ngi_labels_remove(&labels, 1);
    ngi_labels_remove(&labels, UINT32_MAX);
    ng_memory_use index, texts;
    ngi_labels_memory(&labels, &index, &texts);
    assert_true(index.bytes + texts.bytes == atomic_load(&memory.mem.used_bytes));
    expect_ok(&labels);
    ngi_labels_release(&labels);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static void test_few(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    put_text(&labels, 7, 0, "cat");
    put_text(&labels, 9, 1, "cat"); /* the same text in another collection is another label */
    put_text(&labels, SLOTS, 0, "cats");
    assert_int_equal(ngi_labels_find(&labels, 0, "cat", 3), 7);
    assert_int_equal(ngi_labels_find(&labels, 1, "cat", 3), 9);
    assert_int_equal(ngi_labels_find(&labels, 2, "cat", 3), 0);
    assert_int_equal(ngi_labels_find(&labels, 0, "cats", 4), SLOTS);
    assert_int_equal(ngi_labels_find(&labels, 0, "cats", 2), 0);
    assert_int_equal(ngi_labels_find(&labels, 0, "", 0), 0);
    size_t bytes;
    assert_memory_equal(ngi_labels_get(&labels, SLOTS, &bytes), "cats", 4);
    assert_int_equal(bytes, 4);
    expect_ok(&labels);
    ngi_labels_remove(&labels, 7);
    assert_int_equal(ngi_labels_find(&labels, 0, "cat", 3), 0);
    assert_int_equal(ngi_labels_find(&labels, 1, "cat", 3), 9);
    assert_null(ngi_labels_get(&labels, 7, &bytes));
    assert_int_equal(labels.wasted_bytes, 8);
    put_text(&labels, 7, 1, "dog"); /* into the room of the removed text */
    assert_int_equal(labels.wasted_bytes, 0);
    assert_int_equal(labels.arena_bytes, 24);
    expect_ok(&labels);
    ng_memory_use index, texts;
    ngi_labels_memory(&labels, &index, &texts);
    assert_true(index.bytes + texts.bytes == atomic_load(&memory.mem.used_bytes));
    assert_true(index.items == labels.used_count && texts.used_bytes <= texts.bytes);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

/* Texts whose hashes nearly agree in the bits that choose among the first 64 buckets, so that probing,
 * wrapping and closing gaps all happen at once. */
static void test_one_run(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    enum { RUN = 40 };
    char texts[RUN][16];
    uint32_t made = 0;
    for (unsigned i = 0; made < RUN; i++) {
        int bytes = snprintf(texts[made], sizeof texts[made], "t%u", i);
        if ((XXH3_64bits_withSeed(texts[made], (size_t)bytes, 5) >> 26 & 63) >= 60)
            made++;
    }
    uint64_t seed = testing_seed(__func__);
    bool present[RUN] = {false};
    for (int round = 0; round < 4000; round++) {
        uint32_t i = testing_below(&seed, RUN);
        if (present[i])
            ngi_labels_remove(&labels, i + 1);
        else
            put_text(&labels, i + 1, 5, texts[i]);
        present[i] = !present[i];
        for (uint32_t k = 0; k < RUN; k++)
            assert_int_equal(ngi_labels_find(&labels, 5, texts[k], strlen(texts[k])),
                             present[k] ? k + 1 : 0);
        expect_ok(&labels);
    }
    assert_int_equal(labels.bucket_count, 64);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

typedef struct hashed {
    uint32_t hash;
    uint32_t number;
} hashed;

static int compare_hashed(const void *left, const void *right)
{
    const hashed *a = left, *b = right;
    return (a->hash > b->hash) - (a->hash < b->hash);
}

enum { HASHED = 300000 };

/* Puts first in the array two numbers whose hashes agree in all 32 bits that the index keeps. */
static void find_collision(hashed *all)
{
    qsort(all, HASHED, sizeof *all, compare_hashed);
    for (size_t i = 1; i < HASHED; i++) {
        if (all[i].hash == all[i - 1].hash) {
            all[0] = all[i - 1];
            all[1] = all[i];
            return;
        }
    }
    fail_msg("no two of %d hashes agree", HASHED);
}

static void test_equal_hashes(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    hashed *all = malloc(HASHED * sizeof *all);
    char text[2][16];
    for (uint32_t i = 0; i < HASHED; i++) { /* two texts of one length in one collection */
        snprintf(text[0], sizeof text[0], "%08u", i);
        all[i] = (hashed){.hash = (uint32_t)XXH3_64bits_withSeed(text[0], 8, 3), .number = i};
    }
    find_collision(all);
    for (uint32_t i = 0; i < 2; i++)
        snprintf(text[i], sizeof text[i], "%08u", all[i].number);
    put_text(&labels, 1, 3, text[0]);
    assert_int_equal(ngi_labels_find(&labels, 3, text[1], 8), 0);
    put_text(&labels, 2, 3, text[1]);
    assert_int_equal(ngi_labels_find(&labels, 3, text[0], 8), 1);
    assert_int_equal(ngi_labels_find(&labels, 3, text[1], 8), 2);
    expect_ok(&labels);
    for (uint32_t i = 0; i < HASHED; i++) /* one text in two collections */
        all[i] = (hashed){.hash = (uint32_t)XXH3_64bits_withSeed("cat", 3, i), .number = i};
    find_collision(all);
    put_text(&labels, 3, all[0].number, "cat");
    assert_int_equal(ngi_labels_find(&labels, all[1].number, "cat", 3), 0);
    put_text(&labels, 4, all[1].number, "cat");
    assert_int_equal(ngi_labels_find(&labels, all[0].number, "cat", 3), 3);
    assert_int_equal(ngi_labels_find(&labels, all[1].number, "cat", 3), 4);
    ngi_labels_remove(&labels, 1);
    ngi_labels_remove(&labels, 3);
    assert_int_equal(ngi_labels_find(&labels, 3, text[0], 8), 0);
    assert_int_equal(ngi_labels_find(&labels, 3, text[1], 8), 2);
    assert_int_equal(ngi_labels_find(&labels, all[1].number, "cat", 3), 4);
    expect_ok(&labels);
    free(all);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static size_t random_text(uint64_t *seed, char text[NGI_LABEL_BYTES_MAX])
{
    uint32_t kind = testing_below(seed, 100);
    size_t bytes = kind < 60   ? 1 + testing_below(seed, 2)
                   : kind < 95 ? 1 + testing_below(seed, 40)
                               : NGI_LABEL_BYTES_MAX - testing_below(seed, 9);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)('a' + testing_below(seed, 4));
    return bytes;
}

static uint32_t twin_find(const twin *twins, uint32_t collection, const char *text, size_t bytes)
{
    for (uint32_t slot = 1; slot <= SLOTS; slot++) {
        const twin *t = &twins[slot];
        if (t->text != NULL && t->collection == collection && t->bytes == bytes &&
            memcmp(t->text, text, bytes) == 0)
            return slot;
    }
    return 0;
}

static void compare_all(const ngi_labels *labels, const twin *twins)
{
    size_t used = 0;
    for (uint32_t slot = 1; slot <= SLOTS; slot++) {
        size_t bytes;
        const char *text = ngi_labels_get(labels, slot, &bytes);
        assert_int_equal(text != NULL, twins[slot].text != NULL);
        if (text == NULL)
            continue;
        used++;
        assert_int_equal(bytes, twins[slot].bytes);
        assert_memory_equal(text, twins[slot].text, bytes);
        assert_int_equal(ngi_labels_find(labels, twins[slot].collection, text, bytes), slot);
    }
    assert_int_equal(labels->used_count, used);
    expect_ok(labels);
}

static void test_against_twin(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    static twin twins[SLOTS + 1];
    uint64_t seed = testing_seed(__func__);
    for (int step = 0; step < 60000; step++) {
        /* Grow, then shrink, then grow again: gaps and free texts of all ages. */
        uint32_t removals = step / 15000 % 2 == 0 ? 25 : 75;
        uint32_t slot = 1 + testing_below(&seed, SLOTS);
        char text[NGI_LABEL_BYTES_MAX];
        size_t bytes = random_text(&seed, text);
        uint32_t collection = testing_below(&seed, 3);
        if (testing_below(&seed, 100) < removals) {
            ngi_labels_remove(&labels, slot);
            free(twins[slot].text);
            twins[slot] = (twin){0};
        } else if (twins[slot].text == NULL) {
            uint32_t holder = ngi_labels_find(&labels, collection, text, bytes);
            if (step % 16 == 0)
                assert_int_equal(holder, twin_find(twins, collection, text, bytes));
            if (holder == 0) {
                put_reserved(&labels, slot, collection, text, bytes);
                twins[slot] = (twin){.text = malloc(NGI_LABEL_BYTES_MAX),
                                     .bytes = bytes,
                                     .collection = collection};
                memcpy(twins[slot].text, text, bytes);
            }
        }
        if (step % 2500 == 0)
            compare_all(&labels, twins);
    }
    compare_all(&labels, twins);
    for (uint32_t slot = 1; slot <= SLOTS; slot++) {
        ngi_labels_remove(&labels, slot);
        free(twins[slot].text);
        twins[slot] = (twin){0};
    }
    compare_all(&labels, twins);
    assert_int_equal(labels.wasted_bytes, labels.arena_bytes);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

/* One token that is renamed for ever takes the room of one text of each size. */
static void test_renaming_does_not_grow(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, 1), NG_OK);
    char text[32];
    for (int i = 0; i < 300000; i++) {
        int bytes = snprintf(text, sizeof text, "name %d", i);
        ngi_labels_remove(&labels, 1);
        put_reserved(&labels, 1, 0, text, (size_t)bytes);
    }
    assert_true(labels.arena_bytes <= 8 + 16);
    expect_ok(&labels);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static void test_many(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    const uint32_t count = 100000;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, count), NG_OK);
    assert_int_equal(ngi_labels_reserve(&labels, count, (size_t)count * 8, count), NG_OK);
    memory.fail_at = memory.request_count + 1; /* from here nothing may ask for memory */
    char text[16];
    for (uint32_t slot = 1; slot <= count; slot++) {
        int bytes = snprintf(text, sizeof text, "w%u", slot);
        assert_int_equal(ngi_labels_put(&labels, slot, 1, text, (size_t)bytes), NG_OK);
    }
    for (uint32_t slot = 1; slot <= count; slot++) {
        int bytes = snprintf(text, sizeof text, "w%u", slot);
        assert_int_equal(ngi_labels_find(&labels, 1, text, (size_t)bytes), slot);
        assert_int_equal(ngi_labels_find(&labels, 0, text, (size_t)bytes), 0);
    }
    assert_int_equal(memory.request_count + 1, memory.fail_at);
    expect_ok(&labels);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static void test_beyond_the_last_slot(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, 10), NG_OK);
    assert_int_equal(ngi_labels_reserve(&labels, 1, 1, UINT32_MAX - 1), NG_E_LIMIT);
    assert_int_equal(ngi_labels_reserve(&labels, 1, (size_t)1 << 40, 1), NG_E_LIMIT);
    put_text(&labels, 10, 0, "last");
    expect_ok(&labels);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static void test_memory_fails(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t fail_at = 1;; fail_at++) {
        testing_memory memory;
        testing_memory_init(&memory);
        ngi_labels labels;
        assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
        memory.fail_at = memory.request_count + fail_at;
        ng_status status = NG_OK;
        uint32_t slot = 1;
        for (; slot <= 200; slot++) {
            char text[16];
            int bytes = snprintf(text, sizeof text, "w%u", slot);
            status = ngi_labels_reserve(&labels, 1, (size_t)bytes, slot);
            if (status != NG_OK)
                break;
            assert_int_equal(ngi_labels_put(&labels, slot, 0, text, (size_t)bytes), NG_OK);
        }
        assert_int_equal(labels.used_count, slot - 1);
        expect_ok(&labels);
        if (status != NG_OK) {
            failures++;
            assert_int_equal(status, NG_E_NOMEM);
            put_text(&labels, slot, 0, "next time"); /* memory is back */
            assert_int_equal(ngi_labels_find(&labels, 0, "next time", 9), slot);
            expect_ok(&labels);
        }
        ngi_labels_release(&labels);
        testing_memory_check(&memory);
        if (status == NG_OK)
            break;
    }
    assert_true(failures >= 5);
}

static void expect_refused(ngi_labels *labels, uint32_t slot, const char *text, size_t bytes,
                           const char *message)
{
    size_t arena_bytes = labels->arena_bytes, used_count = labels->used_count;
    assert_int_equal(ngi_labels_put(labels, slot, 0, text, bytes), NG_E_INTERNAL);
    if (strstr(ng_last_error(), message) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ng_last_error(), message);
    assert_int_equal(labels->arena_bytes, arena_bytes);
    assert_int_equal(labels->used_count, used_count);
    expect_ok(labels);
}

static void test_broken_puts_change_nothing(void **state)
{
    (void)state;
    static char text[NGI_LABEL_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, 100000), NG_OK);
    expect_refused(&labels, 1, "a", 1, "no room was made for token 1");
    put_text(&labels, 1, 0, "a");
    expect_refused(&labels, 0, "b", 1, "no room was made for token 0");
    expect_refused(&labels, 100000, "b", 1, "no room was made for token 100000");
    expect_refused(&labels, 1, "b", 1, "token 1 has a label");
    expect_refused(&labels, 2, "", 0, "label of 0 bytes is outside 1..1024");
    expect_refused(&labels, 2, text, sizeof text, "label of 1025 bytes is outside 1..1024");
    char name[16];
    uint32_t slot = 2; /* until the buckets of one reserve are used up */
    for (; slot <= labels.bucket_count / 4 * 3; slot++)
        assert_int_equal(ngi_labels_put(&labels, slot, 0, name,
                                        (size_t)snprintf(name, 16, "%u", slot)),
                         NG_OK);
    expect_refused(&labels, slot, "b", 1, "no room was made for the label of token 49");
    assert_int_equal(ngi_labels_find(&labels, 0, "b", 1), 0);
    put_text(&labels, slot, 0, "b");
    assert_int_equal(ngi_labels_reserve(&labels, 1000, 1000, 2000), NG_OK);
    while (labels.arena.committed_bytes - labels.arena_bytes >= NGI_LABEL_BYTES_MAX) {
        text[0] = (char)('A' + ++slot % 26);
        text[1] = (char)('A' + slot / 26 % 26);
        assert_int_equal(ngi_labels_put(&labels, slot, 0, text, NGI_LABEL_BYTES_MAX), NG_OK);
    }
    text[2] = 'y';
    expect_refused(&labels, slot + 1, text, NGI_LABEL_BYTES_MAX,
                   "no room was made for the label of token");
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

static void expect_broken(const ngi_labels *labels, const char *message)
{
    assert_int_equal(ngi_labels_check(labels), NG_E_INTERNAL);
    if (strstr(ng_last_error(), message) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", ng_last_error(), message);
}

static void test_check_sees_damage(void **state)
{
    (void)state;
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    put_text(&labels, 1, 0, "one");
    put_text(&labels, 2, 0, "two");
    put_text(&labels, 3, 0, "three");
    ngi_labels_remove(&labels, 3);
    expect_ok(&labels);
    labels.used_count++;
    expect_broken(&labels, "3 labels counted");
    labels.used_count--;
    labels.wasted_bytes += 8;
    expect_broken(&labels, "wasted");
    labels.wasted_bytes -= 8;
    uint64_t first_free = labels.free_units[1];
    labels.free_units[1] = 0;
    expect_broken(&labels, "are lost");
    labels.free_units[1] = first_free;
    labels.arena.base[0] ^= 1;
    expect_broken(&labels, "text and hash of token 1 differ");
    labels.arena.base[0] ^= 1;
    for (size_t i = 0; i < labels.bucket_count; i++) {
        uint32_t slot = labels.buckets[i].slot;
        if (slot == 0)
            continue;
        labels.buckets[i].slot = 3;
        expect_broken(&labels, "token 3, which has no label");
        labels.buckets[i].slot = slot;
        labels.buckets[i].hash ^= 1;
        expect_broken(&labels, "has another hash than token");
        labels.buckets[i].hash ^= 1;
    }
    expect_ok(&labels);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_against_twin),
        cmocka_unit_test(test_renaming_does_not_grow),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_beyond_the_last_slot),
        cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_broken_puts_change_nothing),
        cmocka_unit_test(test_check_sees_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
