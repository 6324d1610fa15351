/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The limit of memory, to the byte, and what is evicted when it comes near. */
#include "store/store_memory.h"
#include "store/store_snapshot_testing.h"

/* --- the limit ------------------------------------------------------------------------------- */

static size_t taken(const ng_store *store)
{
    return atomic_load(&store->root->used_bytes);
}

static ng_store *open_limited(fixture *f, const char *path, uint64_t limit, uint32_t flags)
{
    ng_store *store;
    const ng_open_options options = {.struct_size = sizeof options,
                                     .flags = NG_OPEN_MANUAL | flags,
                                     .durability = NG_DURABILITY_NONE,
                                     .max_memory_bytes = limit,
                                     .segment_bytes = 1 << 20,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
    ng_status status = ngi_store_open(&f->memory.os, &f->memory.mem, path, &options, &store);
    if (status != NG_OK)
        fail_msg("open: %s", ng_last_error());
    return store;
}

static ng_status create_one(ng_store *store, uint32_t number)
{
    char label[300];
    snprintf(label, sizeof label, "%u%*s", number, 40 + (int)(number % 200), "z");
    const float vector[] = {(float)number, 1, 2, 3};
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_LABEL | NG_FIELD_VECTOR,
                                    .label = label,
                                    .label_bytes = strlen(label),
                                    .vector = vector,
                                    .vector_dimensions = 4};
    return ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL);
}

/* Returns how many tokens there are. */
static uint32_t create_until_full(ng_store *store)
{
    ng_status status;
    while ((status = create_one(store, (uint32_t)store->token_count)) == NG_OK) {
    }
    assert_int_equal(status, NG_E_LIMIT);
    return (uint32_t)store->token_count;
}

/* What the message of a refusal says: how many bytes more, and how many are used. */
static size_t refused_at(const ng_store *store)
{
    size_t more = 0, limit = 0, used = 0;
    const char *text = strchr(ng_last_error(), ':');
    assert_non_null(text);
    assert_int_equal(sscanf(text, ": %zu more bytes exceed the memory limit of %zu; %zu are", &more,
                            &limit, &used),
                     3);
    assert_int_equal(limit, store->memory_limit);
    assert_true(used <= limit && used + more > limit);
    return used + more;
}

/* One byte less than a create needs refuses it without a trace; with that byte it fits exactly. */
static void test_to_the_byte(void **state)
{
    fixture *f = *state;
    ng_store *store = open_limited(f, NULL, 8 << 20, 0);
    uint32_t count = create_until_full(store);
    assert_true(count > 1000);
    unsigned exact = 0;
    for (int round = 0; round < 20; round++) {
        uint64_t hash = hash_of(store);
        bool grew = false;
        ng_status status;
        while ((status = create_one(store, count)) != NG_OK) {
            assert_int_equal(status, NG_E_LIMIT);
            assert_int_equal(hash_of(store), hash);
            size_t needed = refused_at(store);
            store->memory_limit = needed - 1;
            grew = true;
            if (create_one(store, count) == NG_OK) {
                /* What readers had left was given back meanwhile. */
                assert_true(taken(store) < needed);
                break;
            }
            assert_int_equal(hash_of(store), hash);
            store->memory_limit = needed;
        }
        /* Buckets that grow need the old ones a moment longer. */
        assert_true(grew && taken(store) <= store->memory_limit);
        exact += taken(store) == store->memory_limit;
        count = create_until_full(store);
    }
    check_clean(store);
    assert_true(exact > 15);
    assert_true(store->memory_refused_count > 20);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A full store is opened, read, saved and emptied, also under a limit that it exceeds. */
static void test_full_store_can_be_emptied(void **state)
{
    fixture *f = *state;
    ng_checkpoint_report report;
    ng_view *view;
    ng_store *store = open_limited(f, f->directory, 4 << 20, 0);
    uint32_t count = create_until_full(store);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    for (uint64_t limit = 4 << 20; limit >= 1 << 20; limit /= 2) {
        store = open_limited(f, f->directory, limit, 0); /* by the log, then by the snapshot */
        assert_int_equal(store->token_count, count);
        assert_int_equal(hash_of(store), hash);
        ng_token_info info;
        assert_int_equal(ngi_store_token_get(store, count, &info), NG_OK);
        assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
        assert_int_equal(ngi_view_open(store, NULL, false, &view), NG_OK);
        ngi_view_close(view);
        assert_int_equal(ngi_store_close(store), NG_OK);
    }
    store = open_limited(f, f->directory, 1 << 20, 0);
    assert_int_equal(create_one(store, 1 << 20), NG_E_LIMIT);
    assert_int_equal(ngi_view_open(store, NULL, false, &view), NG_OK);
    for (uint32_t slot = 1; slot <= count; slot++)
        assert_int_equal(ngi_store_token_delete(store, slot, NULL), NG_OK);
    ngi_view_close(view);
    assert_int_equal(ngi_store_checkpoint(store, NULL, NULL, &report), NG_OK);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_limited(f, f->directory, 1 << 20, 0);
    assert_int_equal(store->token_count, 0);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* --- evictions ------------------------------------------------------------------------------- */

#define TOKENS 200u

typedef enum kind { EVICTABLE, ACTIVE, PERSISTENT, LEARNABLE, CONFIDENT, SEMANTIC, KINDS } kind;

/* Tokens 1..TOKENS of `runtime`, the next TOKENS of `semantic`. */
static void make_tokens(ng_store *store)
{
    for (uint32_t i = 0; i < 2 * TOKENS; i++) {
        const ng_token_fields fields = {.struct_size = sizeof fields,
                                        .collection = i < TOKENS ? NG_COLLECTION_RUNTIME
                                                                 : NG_COLLECTION_SEMANTIC};
        assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL), NG_OK);
    }
}

static kind kind_of(uint32_t id)
{
    return (kind)(id * 2654435761u >> 13 & 1 ? EVICTABLE : id % KINDS);
}

/* Connection `id`, between tokens that no other one of its type joins. */
static void make_connection(ng_store *store, uint32_t id)
{
    kind what = kind_of(id);
    uint32_t n = id / 16, first = n / (TOKENS - 1) % TOKENS, second = n % (TOKENS - 1);
    uint32_t offset = what == SEMANTIC ? TOKENS : 0;
    second += second >= first;
    ng_connection_fields fields = {
        .struct_size = sizeof fields,
        .source = 1 + offset + first,
        .target = 1 + (what == EVICTABLE && id % 5 == 0 ? TOKENS : offset) + second,
        .set = NG_CFIELD_TYPE | NG_CFIELD_FLAGS | NG_CFIELD_MUTABILITY | NG_CFIELD_CONFIDENCE,
        .type = (uint8_t)(id % 16),
        .mutability = what == LEARNABLE ? NG_LEARNABLE : NG_HYPOTHESIS,
        .confidence = what == CONFIDENT ? 26.0f / 255 : 25.0f / 255};
    if (what == ACTIVE)
        fields.flags = NG_CONNECTION_ACTIVE;
    if (what == PERSISTENT)
        fields.flags = NG_CONNECTION_PERSISTENT;
    ng_connection_id made;
    size_t created;
    ng_status status = ngi_store_connection_put(store, &fields, 1, NGI_CONNECTION_CURATED, 0, NULL,
                                                &made, &created);
    if (status != NG_OK)
        fail_msg("connection %u: %s", id, ng_last_error());
    assert_int_equal(made, id);
}

static uint64_t in_use(ng_store *store)
{
    ng_memory memory;
    assert_int_equal(ngi_store_memory(store, &memory), NG_OK);
    return memory.used_bytes;
}

/* A store of which more than 80 % is taken and 72 to 75 % in use. */
static ng_store *open_crowded(fixture *f, uint32_t connections)
{
    ng_store *store = open_limited(f, f->directory, NG_NEVER, NG_OPEN_CLEANUP);
    make_tokens(store);
    for (uint32_t id = 1; id <= connections; id++)
        make_connection(store, id);
    size_t by_use = (size_t)in_use(store) * 100 / 75, by_taken = taken(store) * 100 / 81;
    store->memory_limit = by_use < by_taken ? by_use : by_taken;
    assert_true(in_use(store) > store->memory_limit / 100 * 72);
    return store;
}

static void test_oldest_first_until_enough(void **state)
{
    fixture *f = *state;
    const uint32_t connections = 20000;
    ng_store *store = open_crowded(f, connections);
    uint64_t goal = store->memory_limit / 100 * 70;
    bool more = true;
    assert_true(ngi_cleanup_is_due(store));
    assert_int_equal(ngi_store_tick(store, 0, &more), NG_OK);
    assert_false(more);
    assert_true(in_use(store) <= goal && in_use(store) + 80 > goal); /* and not one more */
    uint32_t evicted = 0, last = 0;
    for (uint32_t id = 1; id <= connections; id++) {
        if (ngi_graph_get(&store->graph, id) != NULL)
            continue;
        assert_int_equal(kind_of(id), EVICTABLE);
        evicted++;
        last = id;
    }
    for (uint32_t id = 1; id < last; id++)
        assert_true(kind_of(id) != EVICTABLE || ngi_graph_get(&store->graph, id) == NULL);
    ng_info info;
    assert_int_equal(ngi_store_info(store, &info), NG_OK);
    assert_true(evicted > 100 && last < connections);
    assert_int_equal(info.evicted_connection_count, evicted);
    assert_int_equal(info.cleanup_count, 1);
    assert_int_equal(info.memory_limit_bytes, store->memory_limit);
    check_clean(store);
    uint64_t hash = hash_of(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    store = open_limited(f, f->directory, NG_NEVER, 0); /* evictions are ops */
    assert_int_equal(hash_of(store), hash);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* When nothing is left to evict it stops, and rests. */
static void test_ends_without_enough(void **state)
{
    fixture *f = *state;
    const uint32_t connections = 6000;
    ng_store *store = open_crowded(f, connections);
    uint32_t evictable = 0;
    for (uint32_t id = 1; id <= connections; id++)
        evictable += kind_of(id) == EVICTABLE;
    store->memory_limit = in_use(store) - evictable * 80;
    bool more = true;
    assert_int_equal(ngi_store_tick(store, 0, &more), NG_OK);
    assert_false(more);
    assert_false(ngi_cleanup_is_due(store));
    assert_int_equal(store->cleanup.evicted_connections, evictable);
    assert_int_equal(store->graph.count, connections - evictable);
    atomic_store(&store->cleanup.rest_until_ns, 0);
    assert_true(ngi_cleanup_is_due(store));
    assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
    assert_int_equal(store->cleanup.count, 2);
    assert_int_equal(store->graph.count, connections - evictable);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* Without the flag, or with room, nothing is evicted. */
static void test_only_when_asked(void **state)
{
    fixture *f = *state;
    ng_store *store = open_crowded(f, 3000);
    store->cleans = false;
    assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
    store->cleans = true;
    store->memory_limit = taken(store) / 79 * 100;
    assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
    store->memory_limit = 0;
    assert_int_equal(ngi_store_tick(store, 0, NULL), NG_OK);
    assert_int_equal(store->graph.count, 3000);
    assert_int_equal(store->cleanup.count, 0);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* A tick without time makes one step: one op, of at most NGI_CLEANUP_BATCH evictions. */
static void test_in_steps(void **state)
{
    fixture *f = *state;
    ng_store *store = open_crowded(f, 20000);
    store->memory_limit = taken(store) / 2; /* so that all that may go will go */
    uint64_t before = 0;
    bool more = true;
    for (unsigned steps = 0; more; steps++) {
        assert_true(steps < 100);
        ng_seq seq = ngi_wal_applied(store->wal);
        assert_int_equal(ngi_store_tick(store, 1, &more), NG_OK);
        uint64_t evicted = store->cleanup.evicted_connections;
        assert_true(evicted - before <= NGI_CLEANUP_BATCH);
        assert_int_equal(ngi_wal_applied(store->wal), seq + (evicted > before));
        before = evicted;
    }
    assert_true(before > 5000);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* Request N of memory is refused during the first step after opening: it is as if there had been
 * none, and it is made when there is memory again. */
static void test_without_memory(void **state)
{
    fixture *f = *state;
    ng_store *store = open_crowded(f, 3000);
    uint64_t hash = hash_of(store);
    bool fired = true;
    unsigned refused = 0;
    for (size_t n = 1; fired; n++) {
        assert_int_equal(ngi_store_close(store), NG_OK);
        store = open_limited(f, f->directory, NG_NEVER, NG_OPEN_CLEANUP);
        store->memory_limit = taken(store) / 2;
        f->memory.request_count = 0;
        f->memory.fail_at = n;
        ng_status status = ngi_cleanup_step(store, 0);
        fired = f->memory.request_count >= n;
        f->memory.fail_at = 0;
        assert_int_equal(status, fired ? NG_E_NOMEM : NG_OK);
        assert_int_equal(hash_of(store) == hash, fired);
        assert_int_equal(store->cleanup.evicted_connections > 0, !fired);
        if (fired) {
            assert_false(ngi_cleanup_is_due(store)); /* it rests */
            atomic_store(&store->cleanup.rest_until_ns, 0);
            assert_true(ngi_cleanup_is_due(store));
        }
        refused += fired;
    }
    assert_true(refused > 0);
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

/* --- expiry ---------------------------------------------------------------------------------- */

static void make_expiring(ng_store *store, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const ng_token_fields fields = {.struct_size = sizeof fields,
                                        .collection = i % 7 == 3 ? NG_COLLECTION_SEMANTIC
                                                                 : NG_COLLECTION_RUNTIME,
                                        .set = NG_FIELD_EXPIRY | NG_FIELD_FLAGS,
                                        .flags = i % 5 == 2 ? NG_TOKEN_PERSISTENT : 0,
                                        .expires_us = i % 2 == 0 ? 1 + i : UINT64_MAX - 1};
        assert_int_equal(ngi_store_token_put(store, NULL, &fields, 1, NULL, NULL), NG_OK);
    }
}

/* Expired tokens go, in steps, whatever memory is taken; those that are never evicted stay. */
static void test_expired_tokens(void **state)
{
    fixture *f = *state;
    const uint32_t count = 5000;
    ng_store *store = open_limited(f, f->directory, NG_NEVER, 0);
    make_expiring(store, count);
    bool more = true;
    assert_int_equal(ngi_store_tick(store, 0, &more), NG_OK);
    assert_false(more);
    assert_int_equal(store->token_count, count); /* not unless it is asked for */
    store->cleans = true;
    unsigned ticks = 0;
    for (more = true; more; ticks++)
        assert_int_equal(ngi_store_tick(store, 1, &more), NG_OK);
    uint32_t gone = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool goes = i % 2 == 0 && i % 5 != 2 && i % 7 != 3;
        assert_int_equal(store_live_slot(store, i + 1) == 0, goes);
        gone += goes;
    }
    assert_true(ticks > 1 && gone > NGI_CLEANUP_BATCH);
    ng_info info;
    assert_int_equal(ngi_store_info(store, &info), NG_OK);
    assert_int_equal(info.evicted_token_count, gone);
    uint64_t all;
    assert_int_equal(ngi_store_expire(store, UINT64_MAX, NULL, &all), NG_OK);
    assert_int_equal(all, count / 2 - gone); /* the caller may delete those as well */
    check_clean(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_to_the_byte),
        TEST(test_full_store_can_be_emptied),
        TEST(test_oldest_first_until_enough),
        TEST(test_ends_without_enough),
        TEST(test_only_when_asked),
        TEST(test_in_steps),
        TEST(test_without_memory),
        TEST(test_expired_tokens),
    };
    return cmocka_run_group_tests_name("memory limit and evictions", tests, NULL, NULL);
}
