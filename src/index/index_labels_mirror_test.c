/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every change of the mirrored tables of the label index is announced, so that views keep what was
 * there. */
#include "index/index_labels.h"
#include "os/os_mirror_testing.h"

#define SLOTS 3000u

static void labels_used(void *index, size_t *elements)
{
    const ngi_labels *labels = index;
    elements[0] = labels->entries.committed_bytes / sizeof(ngi_labels_entry);
    elements[1] = labels->arena_bytes / NGI_LABELS_UNIT_BYTES;
}

static void labels_step(void *index, uint64_t *seed)
{
    ngi_labels *labels = index;
    uint32_t slot = 1 + testing_below(seed, SLOTS);
    ngi_labels_remove(labels, slot);
    if (testing_below(seed, 4) == 0)
        return;
    char text[NGI_LABEL_BYTES_MAX];
    size_t bytes = (size_t)snprintf(text, 32, "%u %u ", slot, testing_below(seed, 1000000));
    for (uint32_t more = testing_below(seed, 1 + testing_below(seed, 900)); more > 0; more--)
        text[bytes++] = 'x';
    assert_int_equal(ngi_labels_reserve(labels, 1, bytes, slot), NG_OK);
    assert_int_equal(ngi_labels_put(labels, slot, 0, text, bytes), NG_OK);
}

static void test_every_change_is_announced(void **state)
{
    (void)state;
    uint64_t seed = testing_seed(__func__);
    testing_memory memory;
    testing_memory_init(&memory);
    ngi_labels labels;
    assert_int_equal(ngi_labels_init(&labels, &memory.os, &memory.mem, SLOTS), NG_OK);
    ngi_table *const tables[] = {&labels.entries, &labels.arena};
    watch_churn(&labels, tables, 2, labels_used, labels_step, &seed);
    assert_int_equal(ngi_labels_check(&labels), NG_OK);
    ngi_labels_release(&labels);
    testing_memory_check(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change_is_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
