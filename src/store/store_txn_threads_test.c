/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions of several threads at once, beside plain writers and readers; meant to run under
 * ThreadSanitizer as well. */
#include "store/store_txn_testing.h"

#define ACCOUNTS 12
#define THREADS 4
#define TRANSFERS 400

typedef struct bank {
    txn_fixture f;
    ng_token_id accounts[ACCOUNTS];
    atomic_bool stop;
    atomic_uint done_count, conflict_count;
} bank;

typedef struct teller {
    bank *b;
    uint64_t seed;
} teller;

/* Weights are multiples of 1/1024, so sums are exact. */
static ng_status bank_move(bank *b, ng_txn *txn, ng_token_id from, ng_token_id to)
{
    ng_token_info source;
    ng_token_info target;
    ng_status status;
    NGI_TRY(ngi_txn_token_get(txn, from, &source));
    NGI_TRY(ngi_txn_token_get(txn, to, &target));
    float amount =
        source.record.weight >= 1.0f / 1024 && target.record.weight < 1.0f ? 1.0f / 1024 : 0.0f;
    NGI_TRY(txn_reweigh(&b->f, txn, from, source.record.weight - amount));
    NGI_TRY(txn_reweigh(&b->f, txn, to, target.record.weight + amount));
out:
    return status;
}

/* Reads in a transaction are of the committed state at the time of each: what was read before it was
 * staged may be older, which only the versions at commit tell. So a teller asks for them. */
static ng_status bank_transfer(bank *b, uint64_t *seed)
{
    ng_txn *txn = txn_begin(&b->f);
    ng_token_id from = b->accounts[testing_below(seed, ACCOUNTS)];
    ng_token_id to = b->accounts[testing_below(seed, ACCOUNTS)];
    ng_token_info before[2];
    ng_status status = NG_OK;
    NGI_TRY(ngi_txn_token_get(txn, from, &before[0]));
    NGI_TRY(ngi_txn_token_get(txn, to, &before[1]));
    NGI_TRY(ngi_txn_if_version(txn, from, before[0].version));
    NGI_TRY(ngi_txn_if_version(txn, to, before[1].version));
    if (from != to)
        NGI_TRY(bank_move(b, txn, from, to));
    /* What comes and goes on the way takes part in ids, labels and connections. */
    ng_token_id slip = txn_create(&b->f, txn, NULL);
    txn_connect(&b->f, txn, slip, from);
    if (testing_below(seed, 2) == 0)
        NGI_TRY(txn_delete(&b->f, txn, slip));
    if (testing_below(seed, 8) == 0) {
        ngi_txn_rollback(txn);
        return NG_E_CANCELLED;
    }
    return ngi_txn_commit(txn, NULL);
out:
    ngi_txn_rollback(txn);
    return status;
}

static void *teller_run(void *context)
{
    teller *t = context;
    for (int i = 0; i < TRANSFERS; i++) {
        ng_status status = bank_transfer(t->b, &t->seed);
        atomic_fetch_add(&t->b->done_count, status == NG_OK);
        atomic_fetch_add(&t->b->conflict_count, status == NG_E_CONFLICT);
        if (status != NG_OK && status != NG_E_CONFLICT && status != NG_E_CANCELLED)
            abort();
    }
    return NULL;
}

static void *writer_run(void *context)
{
    teller *t = context;
    while (!atomic_load(&t->b->stop)) {
        ng_token_id id = 0;
        ng_status status = txn_try_create(&t->b->f, NULL, NULL, &id);
        if (status == NG_OK)
            status = txn_delete(&t->b->f, NULL, id);
        ng_token record;
        if (status != NG_OK ||
            ngi_store_token_read(t->b->f.store, t->b->accounts[0], &record) != NG_OK)
            abort();
    }
    return NULL;
}

static void test_sum_is_kept(void **state)
{
    (void)state;
    bank *b = calloc(1, sizeof *b);
    uint64_t seed = testing_seed("sum_is_kept");
    ngi_mem_init(&b->f.memory.mem, 0); /* without the counting hook, which is for one thread */
    assert_int_equal(ngi_store_open(ngi_os_system(), &b->f.memory.mem, NULL, NULL, &b->f.store),
                     NG_OK);
    for (int i = 0; i < ACCOUNTS; i++) {
        b->accounts[i] = txn_create(&b->f, NULL, NULL);
        assert_int_equal(txn_reweigh(&b->f, NULL, b->accounts[i], 0.5f), NG_OK);
    }
    ngi_thread threads[THREADS];
    ngi_thread writer;
    teller tellers[THREADS + 1];
    for (int i = 0; i <= THREADS; i++)
        tellers[i] = (teller){.b = b, .seed = testing_random(&seed)};
    assert_int_equal(ngi_thread_start(&writer, writer_run, &tellers[THREADS]), NG_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(ngi_thread_start(&threads[i], teller_run, &tellers[i]), NG_OK);
    for (int i = 0; i < THREADS; i++)
        ngi_thread_join(&threads[i]);
    atomic_store(&b->stop, true);
    ngi_thread_join(&writer);

    float sum = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        ng_token record;
        assert_int_equal(ngi_store_token_read(b->f.store, b->accounts[i], &record), NG_OK);
        sum += record.weight;
    }
    assert_true(sum == 0.5f * ACCOUNTS);
    assert_int_equal(atomic_load(&b->f.store->commit_count), atomic_load(&b->done_count));
    assert_int_equal(atomic_load(&b->f.store->conflict_count), atomic_load(&b->conflict_count));
    assert_true(atomic_load(&b->done_count) > 0);
    txn_close(&b->f);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sum_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
