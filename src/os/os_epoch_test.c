/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What readers hold back, the shared slot, and readers that follow pointers beside a writer that
 * uses memory again as soon as it may: ThreadSanitizer sees any use that is too early, and so does a
 * reader, because the words of a node say the same number. */
#include "os/os_epoch.h"

#include "base/base_limits.h"
#include "os/os_testing.h"
#include "os/os_thread.h"

typedef struct fixture {
    testing_memory memory;
    ngi_epoch *epoch;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    testing_memory_init(&f->memory);
    assert_int_equal(ngi_epoch_create(&f->memory.mem, &f->epoch), NG_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ngi_epoch_destroy(f->epoch);
    testing_memory_check(&f->memory);
    free(f);
    return 0;
}

static void test_memory_runs_out(void **state)
{
    fixture *f = *state;
    ngi_epoch *none = NULL;
    size_t used = atomic_load(&f->memory.mem.used_bytes);
    f->memory.fail_at = f->memory.request_count + 1;
    assert_int_equal(ngi_epoch_create(&f->memory.mem, &none), NG_E_NOMEM);
    assert_null(none);
    assert_int_equal(atomic_load(&f->memory.mem.used_bytes), used);
    ngi_epoch_destroy(NULL);
}

static void test_nobody_holds_nothing(void **state)
{
    fixture *f = *state;
    for (uint64_t stamp = 1; stamp < 100; stamp++) {
        assert_int_equal(ngi_epoch_oldest(f->epoch), stamp);
        assert_int_equal(ngi_epoch_advance(f->epoch), stamp);
    }
}

static void test_a_reader_holds_what_came_after_it(void **state)
{
    fixture *f = *state;
    uint64_t before = ngi_epoch_advance(f->epoch);
    unsigned early = ngi_epoch_enter(f->epoch);
    uint64_t first = ngi_epoch_advance(f->epoch);
    unsigned late = ngi_epoch_enter(f->epoch);
    uint64_t second = ngi_epoch_advance(f->epoch);
    assert_int_not_equal(early, late);
    assert_true(before < ngi_epoch_oldest(f->epoch));
    assert_int_equal(ngi_epoch_oldest(f->epoch), first);
    ngi_epoch_leave(f->epoch, early);
    assert_int_equal(ngi_epoch_oldest(f->epoch), second);
    ngi_epoch_leave(f->epoch, late);
    assert_int_equal(ngi_epoch_oldest(f->epoch), second + 1);
}

static void test_readers_beyond_the_slots_share_one(void **state)
{
    fixture *f = *state;
    unsigned slots[NGI_EPOCH_SLOTS];
    bool seen[NGI_EPOCH_SLOTS] = {false};
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++) {
        slots[i] = ngi_epoch_enter(f->epoch);
        assert_true(slots[i] < NGI_EPOCH_SLOTS && !seen[slots[i]]);
        seen[slots[i]] = true;
    }
    uint64_t first = ngi_epoch_advance(f->epoch);
    unsigned shared = ngi_epoch_enter(f->epoch);
    uint64_t second = ngi_epoch_advance(f->epoch);
    assert_int_equal(ngi_epoch_enter(f->epoch), shared);
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++) {
        assert_int_equal(ngi_epoch_oldest(f->epoch), first);
        ngi_epoch_leave(f->epoch, slots[i]);
    }
    /* Both who share it hold back what the first of them may see. */
    assert_int_equal(ngi_epoch_oldest(f->epoch), second);
    ngi_epoch_leave(f->epoch, shared);
    assert_int_equal(ngi_epoch_oldest(f->epoch), second);
    ngi_epoch_leave(f->epoch, shared);
    assert_int_equal(ngi_epoch_oldest(f->epoch), second + 1);
    /* It starts anew for the next who needs it. */
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++)
        slots[i] = ngi_epoch_enter(f->epoch);
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++)
        (void)ngi_epoch_advance(f->epoch);
    assert_int_equal(ngi_epoch_enter(f->epoch), shared);
    for (unsigned i = 0; i < NGI_EPOCH_SLOTS; i++)
        ngi_epoch_leave(f->epoch, slots[i]);
    assert_int_equal(ngi_epoch_oldest(f->epoch), second + 1 + NGI_EPOCH_SLOTS);
    ngi_epoch_leave(f->epoch, shared);
}

/* --- readers beside the writer ----------------------------------------------------------------- */

#define CHAIN 4  /* nodes from the root */
#define WORDS 8  /* of a node */
#define NODES 64 /* few, so that they are used again at once */
#define READS_MIN 1000

typedef struct node {
    uint64_t words[WORDS]; /* plain: only the epochs keep reader and writer apart */
    struct node *next;
} node;

typedef struct stress {
    ngi_epoch *epoch;
    node *_Atomic root;
    node nodes[NODES];
    node *free[NODES];
    uint32_t free_count;
    node *waiting[NODES]; /* unlinked, oldest first */
    uint64_t stamps[NODES];
    uint32_t waiting_count;
    uint64_t rounds, reused;
    unsigned depth; /* slots that a reader takes */
    atomic_bool over;
    atomic_uint wrong;
    atomic_uint_fast64_t reads;
} stress;

static void stress_reclaim(stress *s)
{
    uint64_t oldest = ngi_epoch_oldest(s->epoch);
    uint32_t count = 0;
    while (count < s->waiting_count && s->stamps[count] < oldest)
        count++;
    for (uint32_t i = 0; i < count; i++) {
        memset(s->waiting[i], 0xAB, sizeof(node));
        s->free[s->free_count++] = s->waiting[i];
    }
    s->reused += count;
    s->waiting_count -= count;
    for (uint32_t i = 0; i < s->waiting_count; i++) {
        s->waiting[i] = s->waiting[i + count];
        s->stamps[i] = s->stamps[i + count];
    }
}

static node *stress_chain(stress *s, uint64_t value)
{
    node *head = NULL;
    for (int i = 0; i < CHAIN; i++) {
        node *added = s->free[--s->free_count];
        for (int k = 0; k < WORDS; k++)
            added->words[k] = value;
        added->next = head;
        head = added;
    }
    return head;
}

static void stress_write(stress *s)
{
    /* On a busy machine the readers may begin late. */
    uint64_t round = 1;
    while (round <= s->rounds ||
           atomic_load_explicit(&s->reads, memory_order_relaxed) < READS_MIN) {
        stress_reclaim(s);
        if (s->free_count < CHAIN)
            continue; /* readers hold all of it; they leave on their own */
        node *old = atomic_load_explicit(&s->root, memory_order_relaxed);
        atomic_store_explicit(&s->root, stress_chain(s, round++), memory_order_release);
        uint64_t stamp = ngi_epoch_advance(s->epoch);
        for (; old != NULL; old = old->next) {
            s->waiting[s->waiting_count] = old;
            s->stamps[s->waiting_count++] = stamp;
        }
    }
    atomic_store(&s->over, true);
}

static unsigned stress_enter(stress *s)
{
    unsigned slots[NGI_EPOCH_SLOTS] = {0};
    for (unsigned i = 0; i < s->depth; i++)
        slots[i] = ngi_epoch_enter(s->epoch);
    for (unsigned i = 0; i + 1 < s->depth; i++)
        ngi_epoch_leave(s->epoch, slots[i]);
    return slots[s->depth - 1];
}

static void *stress_read(void *context)
{
    stress *s = context;
    uint64_t last = 0;
    while (!atomic_load_explicit(&s->over, memory_order_relaxed)) {
        unsigned slot = stress_enter(s);
        const node *at = atomic_load_explicit(&s->root, memory_order_acquire);
        uint64_t value = at->words[0], length = 0;
        bool is_whole = value >= last;
        for (; at != NULL; at = at->next, length++) {
            for (int k = 0; k < WORDS; k++)
                is_whole = is_whole && at->words[k] == value;
        }
        ngi_epoch_leave(s->epoch, slot);
        if (!is_whole || length != CHAIN)
            atomic_fetch_add(&s->wrong, 1);
        last = value;
        atomic_fetch_add_explicit(&s->reads, 1, memory_order_relaxed);
    }
    return NULL;
}

static void stress_run(ngi_epoch *epoch, uint64_t rounds, unsigned depth)
{
    static stress s;
    ngi_thread threads[3];
    memset(&s, 0, sizeof s);
    s.epoch = epoch;
    s.rounds = rounds;
    s.depth = depth;
    for (uint32_t i = 0; i < NODES; i++)
        s.free[s.free_count++] = &s.nodes[i];
    atomic_store(&s.root, stress_chain(&s, 0));
    for (int i = 0; i < 3; i++)
        assert_int_equal(ngi_thread_start(&threads[i], stress_read, &s), NG_OK);
    stress_write(&s);
    for (int i = 0; i < 3; i++)
        ngi_thread_join(threads + i);
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(s.reused >= (s.rounds - NODES / CHAIN) * CHAIN);
}

static void test_readers_beside_the_writer(void **state)
{
    fixture *f = *state;
    stress_run(f->epoch, 20000, 1);
}

/* The same with readers that take more slots than there are and give up all but the last: so that
 * the shared one is what protects many of them. */
static void test_readers_that_share_beside_the_writer(void **state)
{
    fixture *f = *state;
    stress_run(f->epoch, 1000, NGI_EPOCH_SLOTS * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory_runs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_holds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reader_holds_what_came_after_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_beyond_the_slots_share_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_beside_the_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_that_share_beside_the_writer, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
