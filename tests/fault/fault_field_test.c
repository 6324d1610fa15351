/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fields of vectors with the 1st, 2nd, 3rd ... allocation failing, then the 1st, 2nd, 3rd ... call of
 * the system, until nothing fails any more. After each: no crash, no leak; a call that failed changed
 * nothing; and what is recovered after the power went is the state before the call or after it. */
#include "fail_mem.h"
#include "neurograph.h"
#include "sim_disk.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIELD_PATH "/sim/store"
#define FAULTS_MAX 2000 /* a call that never gets through is an endless retry */

typedef struct run {
    fail_mem mem;
    sim_disk *disk;
    ng_store *store;
    ng_view *view;   /* that a scenario opens before; closed after it */
    uint64_t before; /* hash */
} run;

typedef struct scenario {
    const char *name;
    ng_status (*act)(run *r);
    void (*prepare)(run *r); /* or NULL */
    bool is_write;
} scenario;

static ng_status open_store(run *r)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .flags = NG_OPEN_MANUAL,
                                     .max_tokens = 4096,
                                     .max_connections = 4096,
                                     .segment_bytes = 64 << 10,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
    return ngi_store_open(sim_disk_os(r->disk), &r->mem.mem, FIELD_PATH, &options, &r->store);
}

static void close_store(run *r)
{
    char text[128];
    ng_status status = ngi_store_close(r->store);
    r->store = NULL;
    assert_true(status == NG_OK || status == NG_E_LATCHED);
    const char *leak = fail_mem_leak(&r->mem, text, sizeof text);
    if (leak != NULL)
        fail_msg("after close: %s", leak);
}

static uint64_t hash_of(ng_store *store)
{
    uint64_t hash = 0;
    ng_check_report report;
    assert_int_equal(ng_state_hash(store, &hash), NG_OK);
    assert_int_equal(ng_check(store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
    return hash;
}

static ng_status create_field(run *r, const char *name, uint32_t dimensions)
{
    ng_vector_field_id id;
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = dimensions};
    return ng_vector_field_create(r->store, name, &options, NULL, &id);
}

/* Into fields 1 and 2, of tokens that are there (`ids`) or not. */
static ng_status put_vectors(run *r, const ng_token_id *ids, size_t count,
                             const ng_write_options *write)
{
    static const float values[64] = {1, 2, 3, -4, 5};
    const ng_field_vector vectors[2] = {{2, values, 64}, {1, values + 1, 3}};
    const ng_text tag = {"t", 1};
    ng_token_fields fields[4] = {{0}};
    ng_token_id made[4];
    for (size_t i = 0; i < count; i++)
        fields[i] = (ng_token_fields){.struct_size = sizeof *fields,
                                      .set = NG_FIELD_VECTORS | NG_FIELD_TAGS,
                                      .tags = &tag,
                                      .tag_count = 1,
                                      .vectors = vectors,
                                      .vector_count = 1 + i % 2};
    return ids != NULL ? ng_token_update_many(r->store, ids, fields, count, write)
                       : ng_token_create_many(r->store, fields, count, write, made);
}

static void set_up_store(run *r)
{
    memset(r, 0, sizeof *r);
    fail_mem_init(&r->mem, 0);
    r->disk = sim_disk_create(5);
    assert_int_equal(open_store(r), NG_OK);
    assert_int_equal(create_field(r, "image", 3), NG_OK);
    assert_int_equal(create_field(r, "sound", 64), NG_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(put_vectors(r, NULL, 4, NULL), NG_OK);
}

/* --- what is done ---------------------------------------------------------------------------- */

static ng_status act_create_field(run *r)
{
    return create_field(r, "taste", 4096);
}

static ng_status act_drop_field(run *r)
{
    return ng_vector_field_drop(r->store, 2, NULL);
}

static ng_status act_create(run *r)
{
    return put_vectors(r, NULL, 4, NULL);
}

static ng_status act_update(run *r)
{
    return put_vectors(r, (const ng_token_id[]){2, 5, 9, 1}, 4, NULL);
}

static ng_status act_delete(run *r)
{
    return ng_token_delete_many(r->store, (const ng_token_id[]){2, 5}, 2, NULL);
}

static ng_status act_transaction(run *r)
{
    ng_txn *txn = NULL;
    ng_status status = ng_txn_begin(r->store, NULL, &txn);
    if (status != NG_OK)
        return status;
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    status = put_vectors(r, (const ng_token_id[]){3, 4}, 2, &write);
    if (status == NG_OK)
        status = put_vectors(r, NULL, 3, &write);
    if (status == NG_OK)
        status = put_vectors(r, (const ng_token_id[]){4, 3}, 2, &write);
    if (status == NG_OK)
        return ng_txn_commit(txn, NULL);
    ng_txn_rollback(txn);
    return status;
}

static ng_status act_hash(run *r)
{
    uint64_t hash;
    return ng_state_hash(r->store, &hash);
}

static ng_status act_view(run *r)
{
    ng_view *view = NULL;
    float values[64];
    size_t count;
    ng_status status = ng_view_open(r->store, NULL, &view);
    if (status == NG_OK)
        status = ng_view_token_vector_in(view, 1, 2, values, 64, &count);
    ng_view_close(view);
    return status;
}

static ng_status act_search(run *r)
{
    static const float query[64] = {1};
    ng_score scores[8];
    size_t count;
    const ng_vector_options options = {.struct_size = sizeof options, .field = 2, .effort = 20};
    return ng_vector_nearest(r->store, query, 64, &options, scores, 8, &count);
}

static ng_status act_graph(run *r)
{
    const ng_vector_graph_options options = {.struct_size = sizeof options, .field = 2};
    return ng_vector_graph_build(r->store, &options, NULL, NULL);
}

static ng_status act_checkpoint(run *r)
{
    return ng_checkpoint(r->store, NULL, NULL, NULL);
}

static void prepare_snapshot(run *r)
{
    assert_int_equal(act_checkpoint(r), NG_OK);
    assert_int_equal(act_update(r), NG_OK);
}

static void prepare_view(run *r)
{
    assert_int_equal(ng_view_open(r->store, NULL, &r->view), NG_OK);
}

static void prepare_graph(run *r)
{
    assert_int_equal(act_graph(r), NG_OK);
    assert_int_equal(act_update(r), NG_OK);
}

static const scenario scenarios[] = {
    {"create a field", act_create_field, NULL, true},
    {"drop a field", act_drop_field, NULL, true},
    {"drop a field under a view", act_drop_field, prepare_view, true},
    {"create tokens", act_create, NULL, true},
    {"change tokens", act_update, NULL, true},
    {"change tokens under a view", act_update, prepare_view, true},
    {"delete tokens", act_delete, NULL, true},
    {"a transaction", act_transaction, NULL, true},
    {"state hash", act_hash, NULL, false},
    {"a view", act_view, NULL, false},
    {"a search", act_search, NULL, false},
    {"a search by graph", act_search, prepare_graph, false},
    {"build a graph", act_graph, NULL, false},
    {"checkpoint", act_checkpoint, NULL, false},
    {"replay", open_store, NULL, false},
    {"load a snapshot", open_store, prepare_snapshot, false},
};

/* --- faults ---------------------------------------------------------------------------------- */

typedef enum fault_kind {
    FAIL_ALLOCATION,
    FAIL_ALLOCATIONS_FROM,
    FAIL_CALL,
    FAIL_KINDS
} fault_kind;

static void arm(run *r, fault_kind kind, uint64_t n)
{
    const sim_fault fault = {.kinds = SIM_ALL_CALLS,
                             .at = n,
                             .partial_write = true,
                             .status = NG_E_IO};
    if (kind == FAIL_CALL)
        sim_disk_fail(r->disk, &fault);
    else
        fail_mem_plan(&r->mem, n, kind == FAIL_ALLOCATIONS_FROM);
}

static uint64_t disarm(run *r)
{
    sim_disk_fail(r->disk, NULL);
    fail_mem_plan(&r->mem, 0, false);
    return sim_disk_fault_count(r->disk) + fail_mem_failed(&r->mem);
}

static bool is_documented(ng_status status)
{
    return status == NG_OK || status == NG_E_NOMEM || status == NG_E_IO || status == NG_E_LATCHED ||
           status == NG_E_DISK_FULL;
}

/* The power goes; returns the state that is recovered. */
static uint64_t recover(run *r)
{
    sim_disk *crashed = sim_disk_crash(r->disk, 3);
    close_store(r);
    sim_disk_destroy(r->disk);
    r->disk = crashed;
    assert_int_equal(open_store(r), NG_OK);
    return hash_of(r->store);
}

/* One fault; false when there was none left to make. */
static bool fault_once(const scenario *s, fault_kind kind, uint64_t n)
{
    run r;
    ng_token record;
    set_up_store(&r);
    if (s->prepare != NULL)
        s->prepare(&r);
    r.before = hash_of(r.store);
    if (s->act == open_store)
        close_store(&r);
    arm(&r, kind, n);
    ng_status status = s->act(&r);
    bool fired = disarm(&r) > 0;
    if (!is_documented(status) || (!fired && status != NG_OK))
        fail_msg("%s, fault %llu: %s: %s", s->name, (unsigned long long)n, ng_status_name(status),
                 ng_last_error());
    ng_view_close(r.view);
    if (r.store == NULL)
        assert_int_equal(open_store(&r), NG_OK);
    bool is_latched = ng_token_read(r.store, 1, &record) == NG_E_LATCHED;
    uint64_t after = is_latched ? r.before : hash_of(r.store);
    if (!is_latched && (status != NG_OK || !s->is_write))
        assert_true(after == r.before);
    uint64_t recovered = recover(&r);
    if (!is_latched)
        assert_true(recovered == after);
    close_store(&r);
    sim_disk_destroy(r.disk);
    return fired;
}

static void test_every_fault(void **state)
{
    const scenario *s = *state;
    for (int kind = 0; kind < FAIL_KINDS; kind++) {
        uint64_t n = 1;
        while (fault_once(s, (fault_kind)kind, n))
            if (++n == FAULTS_MAX)
                fail_msg("%s does not get through", s->name);
        print_message("%s: %llu faults of kind %d\n", s->name, (unsigned long long)(n - 1), kind);
    }
}

int main(void)
{
    struct CMUnitTest tests[sizeof scenarios / sizeof *scenarios];
    size_t count = sizeof scenarios / sizeof *scenarios;
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = scenarios[i].name,
                                       .test_func = test_every_fault,
                                       .initial_state = (void *)(uintptr_t)&scenarios[i]};
    return _cmocka_run_group_tests("every fault of vector fields", tests, count, NULL, NULL);
}
