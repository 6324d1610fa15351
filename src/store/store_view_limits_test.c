/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How views end: both limits, memory that runs out, a store that stopped; and readers beside
 * writers. */
#include "store/store_view_testing.h"

static void expect_expired(const ng_view *view, const char *message)
{
    ng_token_id ids[1];
    ng_token_info token;
    ng_connection connection;
    ng_cdna cdna;
    size_t count;
    uint64_t hash;
    ngi_buffer texts = {0};
    assert_int_equal(ngi_view_token_get(view, 1, &token), NG_E_EXPIRED);
    assert_string_equal(ng_last_error(), message);
    assert_int_equal(ngi_view_token_label(view, 1, NULL, 0, NULL), NG_E_EXPIRED);
    assert_int_equal(ngi_view_token_vector(view, 1, NULL, 0, &count), NG_E_EXPIRED);
    assert_int_equal(ngi_view_token_find(view, 0, "a", 1, ids), NG_E_EXPIRED);
    assert_int_equal(ngi_view_token_list(view, 0, 0, ids, 1, &count), NG_E_EXPIRED);
    assert_int_equal(ngi_view_connection_get(view, 1, &connection), NG_E_EXPIRED);
    assert_int_equal(ngi_view_token_connections(view, 1, NULL, NULL, 0, &count), NG_E_EXPIRED);
    assert_int_equal(ngi_view_cdna_get(view, &cdna), NG_E_EXPIRED);
    assert_int_equal(ngi_view_collection_get(view, 0, NULL, NULL), NG_E_EXPIRED);
    assert_int_equal(ngi_view_state_hash(view, &hash), NG_E_EXPIRED);
    assert_int_equal(ngi_view_labels(view, 0, 0, NULL, &texts), NG_E_EXPIRED);
    assert_int_equal(ngi_view_vectors(view, 0, 0, NULL, NULL, &(uint32_t){0}), NG_E_EXPIRED);
    assert_int_equal(ngi_view_records(view, 0, 0, NULL), NG_E_EXPIRED);
    assert_string_equal(ng_last_error(), message);
    ng_view_info info;
    ngi_view_info_get(view, &info);
    assert_true(info.expired);
}

static void test_age(void **state)
{
    fixture *f = *state;
    put_label(f->store, 0, 0, "a");
    ng_view *usual, *brief, *longest, *refused;
    ng_view_options options = {.struct_size = sizeof options, .lifetime_ms = 1500};
    usual = open_view(f->store);
    expect_ok(ngi_view_open(f->store, &options, false, &brief));
    options.lifetime_ms = NGI_VIEW_LIFETIME_MS_MAX;
    expect_ok(ngi_view_open(f->store, &options, false, &longest));
    options.lifetime_ms++;
    assert_int_equal(ngi_view_open(f->store, &options, false, &refused), NG_E_INVALID);
    assert_string_equal(ng_last_error(), "lifetime_ms 3600001 is outside 1..3600000");
    assert_null(refused);
    ng_token_info token;
    f->extra_ns = UINT64_C(1400) * 1000000;
    expect_ok(ngi_view_token_get(brief, 1, &token));
    f->extra_ns = UINT64_C(1600) * 1000000;
    ng_view_info info;
    ngi_view_info_get(brief, &info);
    assert_true(info.expired && info.age_ms == 1600 && info.lifetime_ms == 1500);
    assert_int_equal(f->store->open_view_count, 3); /* nobody has looked yet */
    expect_expired(brief, "the view was open for 1600 ms, its limit is 1500 ms");
    assert_int_equal(f->store->open_view_count, 2);
    expect_ok(ngi_view_token_get(usual, 1, &token));
    f->extra_ns = UINT64_C(61) * 1000000000;
    ngi_view_expire_due(f->store); /* the background thread's */
    assert_int_equal(f->store->open_view_count, 1);
    expect_expired(usual, "the view was open for 61 s, its limit is 60 s");
    expect_ok(ngi_view_token_get(longest, 1, &token));
    f->extra_ns = UINT64_C(3601) * 1000000000;
    ng_view *next = open_view(f->store); /* as the next view is opened */
    assert_int_equal(f->store->open_view_count, 1);
    expect_expired(longest, "the view was open for 3601 s, its limit is 3600 s");
    assert_int_equal(atomic_load(&f->store->expired_view_count), 3);
    ngi_view_close(next);
    ngi_view_close(usual);
    ngi_view_close(brief);
    ngi_view_close(longest);
    ng_info store_info;
    expect_ok(ngi_store_info(f->store, &store_info));
    assert_int_equal(store_info.expired_view_count, 3);
    assert_int_equal(store_info.open_view_count, 0);
}

/* Who looks for views to expire has read the clock before the lock is had: meanwhile another thread
 * may open one. */
static void test_opened_after_the_clock_was_read(void **state)
{
    fixture *f = *state;
    f->extra_ns = UINT64_C(5) * 1000000000;
    ng_view *view = open_view(f->store);
    f->extra_ns = UINT64_C(4) * 1000000000;
    ngi_view_expire_due(f->store);
    assert_int_equal(f->store->open_view_count, 1);
    uint64_t hash;
    expect_ok(ngi_view_state_hash(view, &hash));
    ngi_view_close(view);
    assert_int_equal(atomic_load(&f->store->expired_view_count), 0);
}

static void test_copied_bytes(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 5000; i++)
        put_label(f->store, 0, 0, "");
    ng_view *mib, *kib, *odd, *usual = open_view(f->store);
    ng_view_options options = {.struct_size = sizeof options, .max_copied_bytes = 64 << 10};
    expect_ok(ngi_view_open(f->store, &options, false, &kib));
    options.max_copied_bytes = 10000;
    expect_ok(ngi_view_open(f->store, &options, false, &odd));
    options.max_copied_bytes = 1;
    ng_view *none;
    expect_ok(ngi_view_open(f->store, &options, false, &none));
    options.max_copied_bytes = 1 << 20;
    expect_ok(ngi_view_open(f->store, &options, false, &mib));
    uint64_t before, hash;
    expect_ok(ngi_view_state_hash(usual, &before));
    char name[16];
    for (ng_token_id id = 1; id <= 5000; id++) {
        snprintf(name, sizeof name, "label %u", (unsigned)id);
        put_label(f->store, id, 0, name);
    }
    ng_view_info info;
    ngi_view_info_get(mib, &info);
    assert_true(info.copied_bytes > 400000 && info.copied_bytes <= 1 << 20);
    assert_false(info.expired);
    uint64_t copied = info.copied_bytes;
    assert_int_equal(ngi_view_bytes(f->store), copied);
    ngi_view_close(mib); /* its pages go to those who need them: `none` has no room, nor `odd` */
    ngi_view_info_get(usual, &info);
    assert_true(info.copied_bytes <= copied && info.copied_bytes >= copied - (64 << 10) - 8192);
    expect_expired(none, "writers copied 4096 bytes for the view, its limit is 1 bytes");
    expect_expired(odd, "writers copied 12288 bytes for the view, its limit is 10000 bytes");
    expect_expired(kib, "writers copied 68 KiB for the view, its limit is 64 KiB");
    assert_int_equal(atomic_load(&f->store->expired_view_count), 3);
    ngi_view_close(none);
    ngi_view_close(odd);
    ngi_view_close(kib);
    ngi_view_info_get(usual, &info);
    assert_int_equal(info.copied_bytes, copied);
    expect_ok(ngi_view_state_hash(usual, &hash));
    assert_true(hash == before);
    ngi_view_close(usual);
}

static void test_no_memory_for_pages(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (size_t)1 << 30);
    for (int i = 0; i < 1000; i++)
        put_label(f.store, 0, 0, "");
    ng_view *own, *view = open_view(f.store);
    expect_ok(ngi_view_open(f.store, NULL, true, &own));
    f.mem.max_bytes = atomic_load(&f.mem.used_bytes) + 8192;
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_WEIGHT,
                                    .weight = 0.25f};
    for (ng_token_id id = 1; id <= 1000; id++) /* the writer does not notice */
        expect_ok(ngi_store_token_put(f.store, &id, &fields, 1, NULL, NULL));
    assert_true(atomic_load(&f.mem.used_bytes) <= f.mem.max_bytes);
    ng_token token;
    assert_int_equal(ngi_view_records(own, 1, 1, &token), NG_E_EXPIRED);
    expect_expired(view, "there was no memory for pages that the view needs");
    assert_int_equal(atomic_load(&f.store->expired_view_count),
                     1); /* the store's own do not count */
    ngi_view_close(own);
    ngi_view_close(view);
    f.mem.max_bytes = 0; /* for the check */
    fixture_close(&f);
}

static void test_own_views_have_no_limits(void **state)
{
    fixture *f = *state;
    put_label(f->store, 0, 0, "a");
    ng_view *own, *views[NGI_VIEWS_MAX], *refused;
    for (uint32_t i = 0; i < NGI_VIEWS_MAX; i++)
        views[i] = open_view(f->store);
    assert_int_equal(ngi_view_open(f->store, NULL, false, &refused), NG_E_LIMIT);
    assert_string_equal(ng_last_error(), "64 views are open, which is the limit");
    assert_null(refused);
    expect_ok(ngi_view_open(f->store, NULL, true, &own));
    assert_int_equal(f->store->open_view_count, NGI_VIEWS_MAX);
    ngi_view_close(views[7]);
    views[7] = open_view(f->store);
    f->extra_ns = UINT64_C(1000000) * 1000000000;
    ngi_view_expire_due(f->store);
    assert_int_equal(f->store->open_view_count, 0);
    assert_int_equal(atomic_load(&f->store->expired_view_count), NGI_VIEWS_MAX);
    ng_token token;
    expect_ok(ngi_view_records(own, 1, 1, &token));
    assert_int_equal(token.slot, 1);
    ng_view_info info;
    ngi_view_info_get(own, &info);
    assert_true(info.lifetime_ms == 0 && !info.expired);
    uint64_t hash;
    expect_ok(ngi_store_hash(f->store, &hash)); /* opens one too */
    for (uint32_t i = 0; i < NGI_VIEWS_MAX; i++)
        ngi_view_close(views[i]);
    ngi_view_close(own);
}

static void *fail_resize(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    (void)old_bytes;
    size_t *left = mem->context;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return (*left)-- == 0 ? NULL : realloc(block, new_bytes);
}

static void test_opening_fails(void **state)
{
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    churn(f->store, 300, &seed);
    size_t used = atomic_load(&f->mem.used_bytes), left;
    ng_view *view;
    void *(*resize)(ngi_mem *, void *, size_t, size_t) = f->mem.resize;
    f->mem.context = &left;
    f->mem.resize = fail_resize;
    ng_status status = NG_E_NOMEM;
    size_t failures = 0;
    for (; status != NG_OK; failures++) {
        left = failures;
        status = ngi_view_open(f->store, NULL, false, &view);
        if (status != NG_OK) {
            assert_int_equal(status, NG_E_NOMEM);
            assert_null(view);
            assert_int_equal(atomic_load(&f->mem.used_bytes), used);
            assert_null(f->store->records.mirror);
        }
    }
    assert_int_equal(failures, 4);
    ngi_view_close(view);
    f->mem.resize = resize;
    f->sparse_fails = true;
    assert_int_equal(ngi_view_open(f->store, NULL, false, &view), NG_E_NOMEM);
    assert_int_equal(f->store->open_view_count, 0);
    assert_null(f->store->records.mirror);
    uint64_t hash;
    assert_int_equal(ngi_store_hash(f->store, &hash), NG_E_NOMEM);
    f->sparse_fails = false;
    assert_int_equal(atomic_load(&f->mem.used_bytes), used);
    /* A hash has one allocation of its own, and texts. */
    view = open_view(f->store);
    f->mem.resize = fail_resize;
    for (size_t i = 0; i < 2; i++) {
        left = i;
        assert_int_equal(ngi_view_state_hash(view, &hash), NG_E_NOMEM);
    }
    f->mem.resize = resize;
    ngi_view_close(view);
    assert_int_equal(atomic_load(&f->mem.used_bytes), used);
}

static void test_of_a_latched_store(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0);
    put_label(f.store, 0, 0, "a");
    ng_view *own, *refused, *view = open_view(f.store);
    expect_ok(ngi_view_open(f.store, NULL, true, &own));
    ngi_wal_lock(f.store->wal);
    ngi_wal_latch(f.store->wal, NG_E_IO, "the disk is gone");
    ngi_wal_unlock(f.store->wal);
    ng_token token;
    uint64_t hash;
    assert_int_equal(ngi_view_records(view, 1, 1, &token), NG_E_LATCHED);
    assert_non_null(strstr(ng_last_error(), "the disk is gone"));
    expect_ok(ngi_view_records(own, 1, 1, &token));
    assert_int_equal(ngi_view_open(f.store, NULL, false, &refused), NG_E_LATCHED);
    assert_int_equal(ngi_store_hash(f.store, &hash), NG_E_LATCHED);
    ngi_view_close(own);
    ngi_view_close(view);
    (void)!ngi_store_close(f.store);
    assert_int_equal(atomic_load(&f.mem.used_bytes), 0);
}

/* --- threads --------------------------------------------------------------------------------- */

#define PARTY_OPS 4000 /* readers go on until there have been as many */

typedef struct party {
    ng_store *store;
    uint64_t seed;
    int rounds;
    atomic_bool *stop;
    atomic_uint expired;
} party;

/* Tokens come in pairs, with a label and a vector that are only ever taken away together. */
static void *party_write(void *context)
{
    party *p = context;
    while (!atomic_load(p->stop)) {
        char name[2][32];
        const float vector[DIMENSIONS] = {1, (float)testing_below(&p->seed, 100)};
        ng_token_fields fields[2];
        ng_token_id ids[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            snprintf(name[i], sizeof name[i], "%llx", (unsigned long long)testing_random(&p->seed));
            fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                          .set = NG_FIELD_LABEL | NG_FIELD_VECTOR,
                                          .label = name[i],
                                          .label_bytes = strlen(name[i]),
                                          .vector = vector,
                                          .vector_dimensions = DIMENSIONS};
        }
        /* Two at a time, or none: a view with one of them would be torn. */
        expect_ok(ngi_store_token_put(p->store, NULL, fields, 2, NULL, ids));
        const ng_connection_fields link = {.struct_size = sizeof link,
                                           .source = ids[0],
                                           .target = ids[1]};
        (void)!ngi_store_connection_put(p->store, &link, 1, NGI_CONNECTION_CURATED, 0, NULL, NULL,
                                        NULL);
        ng_token_id victim = 1 + testing_below(&p->seed, (uint32_t)ids[1]);
        const ng_token_fields none = {.struct_size = sizeof none,
                                      .set = NG_FIELD_LABEL | NG_FIELD_VECTOR};
        if (testing_below(&p->seed, 2) == 0)
            (void)!ngi_store_token_put(p->store, &victim, &none, 1, NULL, NULL);
    }
    return NULL;
}

/* What every view must show: pairs of tokens, true counters, labels that lead back. */
static ng_status party_look(const ng_view *view, uint64_t *seed)
{
    ng_view_info info;
    ngi_view_info_get(view, &info);
    ng_token_id ids[256], after = 0;
    size_t count = 256, tokens = 0;
    ng_status status = NG_OK;
    while (count == 256) {
        NGI_TRY(ngi_view_token_list(view, NG_COLLECTION_ANY, after, ids, 256, &count));
        tokens += count;
        after = count > 0 ? ids[count - 1] : after;
    }
    assert_int_equal(tokens, info.token_count);
    assert_int_equal(tokens % 2, 0);
    for (int i = 0; i < 20 && tokens > 0; i++) {
        ng_token_id found, id = 1 + testing_below(seed, (uint32_t)after);
        ng_token_info token;
        char label[64];
        size_t bytes;
        NGI_TRY(ngi_view_token_get(view, id, &token));
        NGI_TRY(ngi_view_token_label(view, id, label, sizeof label, &bytes));
        assert_int_equal(token.has_vector, bytes > 0); /* both are taken away together */
        if (bytes == 0)
            continue;
        NGI_TRY(ngi_view_token_find(view, 0, label, bytes, &found));
        assert_int_equal(found, id);
    }
out:
    return status;
}

static void *party_read(void *context)
{
    party *p = context;
    for (int round = 0; round < p->rounds || ngi_wal_applied(p->store->wal) < PARTY_OPS; round++) {
        ng_view *view;
        /* Some have room for a few pages only, so that they break while they are read. */
        const ng_view_options options = {.struct_size = sizeof options,
                                         .max_copied_bytes = round % 3 == 0 ? 64 << 10 : 0};
        ng_status status = ngi_view_open(p->store, &options, false, &view);
        assert_int_equal(status, NG_OK);
        uint64_t first = 0, second = 0;
        status = ngi_view_state_hash(view, &first);
        if (status == NG_OK)
            status = party_look(view, &p->seed);
        if (status == NG_OK)
            status = ngi_view_state_hash(view, &second);
        if (status == NG_OK)
            assert_true(first == second);
        else
            assert_int_equal(status, NG_E_EXPIRED);
        if (status == NG_E_EXPIRED)
            atomic_fetch_add(&p->expired, 1);
        ngi_view_close(view);
    }
    return NULL;
}

static void *party_expire(void *context)
{
    party *p = context;
    while (!atomic_load(p->stop)) {
        ngi_view_expire_due(p->store);
        uint64_t hash;
        ng_info info;
        assert_int_equal(ngi_store_info(p->store, &info), NG_OK);
        assert_int_equal(ngi_store_hash(p->store, &hash), NG_OK);
    }
    return NULL;
}

static void test_readers_beside_writers(void **state)
{
    enum { READERS = 3, WRITERS = 2 };
    fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    atomic_bool stop = false;
    party parties[READERS + WRITERS + 1];
    ngi_thread threads[READERS + WRITERS + 1];
    for (int i = 0; i < READERS + WRITERS + 1; i++) {
        parties[i] = (party){.store = f->store, .seed = seed + (uint64_t)i, .rounds = 15};
        parties[i].stop = &stop;
        assert_int_equal(ngi_thread_start(&threads[i],
                                          i < READERS             ? party_read
                                          : i < READERS + WRITERS ? party_write
                                                                  : party_expire,
                                          &parties[i]),
                         NG_OK);
    }
    unsigned expired = 0;
    for (int i = 0; i < READERS + WRITERS + 1; i++) {
        if (i == READERS)
            atomic_store(&stop, true);
        ngi_thread_join(&threads[i]);
        expired += atomic_load(&parties[i].expired);
    }
    assert_true(atomic_load(&f->store->expired_view_count) >= expired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_opened_after_the_clock_was_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copied_bytes, set_up, tear_down),
        cmocka_unit_test(test_no_memory_for_pages),
        cmocka_unit_test_setup_teardown(test_own_views_have_no_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_opening_fails, set_up, tear_down),
        cmocka_unit_test(test_of_a_latched_store),
        cmocka_unit_test_setup_teardown(test_readers_beside_writers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
