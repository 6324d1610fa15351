/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every scenario with its 1st, 2nd, 3rd ... allocation failing, then its 1st, 2nd, 3rd ... call of
 * the system, until nothing fails any more. After each: no crash, no leak, no open file; a call
 * that failed changed nothing, unless it latched the store, in which case its op is there whole or
 * not at all once the store is reopened. */
#include "fault_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FAULTS_MAX 3000 /* a scenario that never gets through is an endless retry */

typedef struct nth_scenario {
    const char *name;
    void (*build)(const twin_state *twin, twin_op *op); /* a write, or ... */
    ng_status (*act)(fault_run *run);                   /* ... anything else */
    bool begins_closed;                                 /* the store was closed before the action */
    bool ends_closed;                                   /* the action closes the store */
    bool is_new;                                        /* the action makes the store */
} nth_scenario;

typedef enum fault_kind {
    FAIL_ALLOCATION,
    FAIL_ALLOCATIONS_FROM,
    FAIL_CALL,
    FAIL_CALL_FULL,
    FAIL_CALLS_FROM,
    FAIL_KINDS
} fault_kind;

static const twin_mix nth_mix = {.target_tokens = 30,
                                 .bad_percent = 0,
                                 .use_projection = true,
                                 .dimensions = 4};

static void *nth_copy(const void *data, size_t bytes)
{
    void *copy = malloc(bytes);
    assert_non_null(copy);
    return memcpy(copy, data, bytes);
}

static void nth_items(twin_op *op, twin_kind kind, size_t count)
{
    op->kind = kind;
    op->count = count;
    op->items = calloc(count, sizeof *op->items);
    assert_non_null(op->items);
    for (size_t i = 0; i < count; i++)
        op->items[i].fields.struct_size = sizeof op->items[i].fields;
}

static void nth_fill(const twin_state *twin, ng_token_fields *fields, const char *label)
{
    float vector[64] = {0.5f, -1, 2, 3};
    fields->set = NG_FIELD_LABEL | NG_FIELD_VECTOR | NG_FIELD_WEIGHT;
    fields->weight = 0.5f;
    fields->label = nth_copy(label, strlen(label));
    fields->label_bytes = strlen(label);
    fields->vector_dimensions = twin->dimensions != 0 ? twin->dimensions : 4;
    fields->vector = nth_copy(vector, fields->vector_dimensions * sizeof *vector);
    fields->spaces_set = 3;
}

static void build_create(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_CREATE, 1);
    nth_fill(twin, &op->items[0].fields, "created with everything");
}

static void build_batch(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_CREATE, TWIN_BATCH_MAX);
    for (size_t i = 0; i < op->count; i++) {
        char label[64];
        snprintf(label, sizeof label, "one of a batch, number %zu", i);
        nth_fill(twin, &op->items[i].fields, label);
    }
}

static ng_token_id nth_live(const twin_state *twin, size_t nth)
{
    for (size_t i = 0; i < twin->token_count; i++) {
        if (twin->tokens[i].alive && nth-- == 0)
            return twin->tokens[i].id;
    }
    return 0;
}

static void build_update(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_UPDATE, 1);
    op->items[0].id = nth_live(twin, 2);
    nth_fill(twin, &op->items[0].fields, "another label, longer than the one that was there");
}

static void build_delete(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_DELETE;
    op->token = nth_live(twin, 0);
    for (size_t i = 0; i < twin->connection_count; i++) {
        if (twin->connections[i].alive)
            op->token = twin->connections[i].source; /* so that the deletion cascades */
    }
}

static void nth_link(const twin_state *twin, twin_op *op, size_t count)
{
    op->kind = TWIN_CONNECT;
    op->count = count;
    op->links = calloc(count, sizeof *op->links);
    assert_non_null(op->links);
    for (size_t i = 0; i < count; i++) {
        op->links[i].fields.struct_size = sizeof op->links[i].fields;
        op->links[i].fields.source = nth_live(twin, i);
        op->links[i].fields.target = nth_live(twin, i + 1);
        op->links[i].fields.set = NG_CFIELD_TYPE;
        op->links[i].fields.type = 0xAF; /* not one that random ops use */
    }
}

static void build_connect(const twin_state *twin, twin_op *op)
{
    nth_link(twin, op, 1);
}

static void build_connect_batch(const twin_state *twin, twin_op *op)
{
    nth_link(twin, op, 5);
}

static void build_disconnect(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_DISCONNECT;
    for (size_t i = 0; i < twin->connection_count; i++) {
        if (twin->connections[i].alive)
            op->connection = twin->connections[i].id;
    }
}

static void build_collection(const twin_state *twin, twin_op *op)
{
    (void)twin;
    op->kind = TWIN_COLLECTION;
    snprintf(op->name, sizeof op->name, "new.collection");
}

static void build_cdna(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_CDNA;
    op->cdna = twin->cdna;
    op->cdna.decay_rate = 0.125f;
}

static void build_projection(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_PROJECTION;
    op->projection.dimensions = twin->dimensions;
    op->projection.component_count = 1;
    op->projection.mean = calloc(twin->dimensions, sizeof(float));
    op->projection.components = calloc(twin->dimensions, sizeof(float));
    assert_non_null(op->projection.mean);
    assert_non_null(op->projection.components);
    op->projection.mean[0] = 0.25f;
    op->projection.components[1] = 1;
}

static ng_status act_open(fault_run *run)
{
    return fault_run_open(run);
}

static ng_status act_close(fault_run *run)
{
    return fault_run_close(run);
}

static ng_status act_check(fault_run *run)
{
    ng_check_report report;
    ng_status status = ng_check(run->store, &report);
    if (status == NG_OK && sim_disk_fault_count(run->disk) == 0)
        assert_int_equal(report.problem_count, 0);
    return status;
}

static ng_status act_hash(fault_run *run)
{
    uint64_t hash;
    return ng_state_hash(run->store, &hash);
}

static ng_status act_grid(fault_run *run)
{
    ng_hit hits[50];
    size_t count;
    const float center[3] = {0};
    ng_status status =
        ng_grid_range(run->store, NG_SPACE_PHYSICAL, center, 1000, NULL, hits, 50, &count);
    if (status == NG_OK)
        status = ng_grid_nearest(run->store, NG_SPACE_TEMPORAL, center, NULL, hits, 50, &count);
    return status;
}

static ng_status act_vectors(fault_run *run)
{
    ng_score scores[20];
    size_t count;
    const float vector[4] = {1, 2, 3, 4};
    return ng_vector_nearest(run->store, vector, 4, NULL, scores, 20, &count);
}

static ng_status act_path(fault_run *run)
{
    ng_edge path[64];
    size_t count;
    ng_path_options options = {.struct_size = sizeof options, .direction = NG_BOTH};
    ng_token_id from = nth_live(&run->twin, 0), to = nth_live(&run->twin, 7);
    ng_status status = ng_path_find(run->store, from, to, &options, path, 64, &count);
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

static ng_status act_query(fault_run *run)
{
    ng_query_result *result = NULL;
    ng_query_options options = {.struct_size = sizeof options,
                                .collection = NG_COLLECTION_SEMANTIC,
                                .why = true};
    ng_status status = ng_query(run->store, "alpha - beta + gamma", &options, &result);
    if (status == NG_OK)
        assert_true(result->term_count == 3);
    ng_query_result_destroy(result);
    return status;
}

static const nth_scenario scenarios[] = {
    {.name = "open new", .act = act_open, .begins_closed = true, .is_new = true},
    {.name = "create", .build = build_create},
    {.name = "create a batch", .build = build_batch},
    {.name = "update", .build = build_update},
    {.name = "delete", .build = build_delete},
    {.name = "connect", .build = build_connect},
    {.name = "connect a batch", .build = build_connect_batch},
    {.name = "delete connection", .build = build_disconnect},
    {.name = "collection", .build = build_collection},
    {.name = "constitution", .build = build_cdna},
    {.name = "projection", .build = build_projection},
    {.name = "grid search", .act = act_grid},
    {.name = "vector search", .act = act_vectors},
    {.name = "path", .act = act_path},
    {.name = "query", .act = act_query},
    {.name = "check", .act = act_check},
    {.name = "hash", .act = act_hash},
    {.name = "close", .act = act_close, .ends_closed = true},
    {.name = "reopen", .act = act_open, .begins_closed = true},
};

static void nth_word(fault_run *run, const char *word, float first)
{
    twin_op op = {0};
    float vector[4] = {first, 1, first * first, -2};
    nth_items(&op, TWIN_CREATE, 1);
    ng_token_fields *fields = &op.items[0].fields;
    fields->collection = NG_COLLECTION_SEMANTIC;
    fields->set = NG_FIELD_LABEL | NG_FIELD_VECTOR;
    fields->label = nth_copy(word, strlen(word));
    fields->label_bytes = strlen(word);
    fields->vector = nth_copy(vector, sizeof vector);
    fields->vector_dimensions = 4;
    assert_int_equal(fault_run_op(run, &op, 0), NG_OK);
}

/* The same store each time: words with vectors, and some of everything else. */
static void nth_setup(fault_run *run, const nth_scenario *scenario)
{
    test_random random = {77};
    fault_run_init(run, sim_disk_create(9));
    if (scenario->is_new)
        return;
    assert_int_equal(fault_run_open(run), NG_OK);
    nth_word(run, "alpha", 0.25f);
    nth_word(run, "beta", -1.5f);
    nth_word(run, "gamma", 3);
    nth_word(run, "delta", 0.125f);
    for (int i = 0; i < 40; i++) {
        twin_op op;
        twin_random_op(&run->twin, &nth_mix, &random, &op);
        if (op.kind == TWIN_CDNA || op.kind == TWIN_DELETE)
            twin_op_release(&op); /* the scenarios count on tokens and on the usual limits */
        else
            assert_int_equal(fault_run_op(run, &op, 0), NG_OK);
    }
    if (scenario->begins_closed) {
        assert_int_equal(fault_run_close(run), NG_OK);
    }
}

static void nth_arm(fault_run *run, fault_kind kind, uint64_t n)
{
    sim_fault fault = {.kinds = SIM_ALL_CALLS, .at = n, .partial_write = true, .status = NG_E_IO};
    switch (kind) {
    case FAIL_ALLOCATION:
    case FAIL_ALLOCATIONS_FROM:
        fail_mem_plan(&run->mem, n, kind == FAIL_ALLOCATIONS_FROM);
        return;
    case FAIL_CALL_FULL:
        fault.kinds = SIM_WRITE | SIM_ALLOCATE | SIM_TRUNCATE | SIM_OPEN | SIM_SYNC;
        fault.status = NG_E_DISK_FULL;
        break;
    case FAIL_CALLS_FROM:
        fault.from_then_on = true;
        break;
    case FAIL_CALL:
    case FAIL_KINDS:
        break;
    }
    sim_disk_fail(run->disk, &fault);
}

static uint64_t nth_disarm(fault_run *run)
{
    sim_disk_fail(run->disk, NULL);
    fail_mem_plan(&run->mem, 0, false);
    return sim_disk_fault_count(run->disk) + fail_mem_failed(&run->mem);
}

static ng_status nth_act(fault_run *run, const nth_scenario *scenario)
{
    if (scenario->build == NULL)
        return scenario->act(run);
    twin_op op = {0};
    scenario->build(&run->twin, &op);
    return fault_run_op(run, &op, 0);
}

/* What the failed action promised, with the disk and the memory whole again. */
static void nth_verify(fault_run *run, const nth_scenario *scenario, ng_status status,
                       const char *message)
{
    if (status != NG_OK && message[0] == '\0')
        fail_msg("%s without a message", ng_status_name(status));
    if (run->store == NULL) {
        assert_int_equal(fault_run_open(run), NG_OK);
        if (!scenario->is_new)
            fault_run_verify(run);
    }
    bool is_latched = status == NG_E_LATCHED;
    if (!is_latched) {
        ng_token record;
        ng_status read = ng_token_read(run->store, 1, &record);
        is_latched = read == NG_E_LATCHED;
    }
    if (!is_latched) {
        fault_run_verify(run); /* a failed call changed nothing */
        assert_int_equal(fault_run_close(run), NG_OK);
    } else {
        assert_int_equal(fault_run_close(run), NG_E_LATCHED);
    }
    assert_int_equal(fault_run_open(run), NG_OK);
    if (is_latched)
        fault_run_recovered(run);
    else
        fault_run_verify(run);
    test_random random = {5};
    for (int i = 0; i < 3; i++)
        assert_int_equal(fault_run_step(run, &nth_mix, &random, 0), NG_OK);
    fault_run_verify(run);
    assert_int_equal(fault_run_close(run), NG_OK);
}

static uint64_t nth_run(const nth_scenario *scenario, fault_kind kind)
{
    for (uint64_t n = 1; n < FAULTS_MAX; n++) {
        fault_run run;
        char message[512];
        nth_setup(&run, scenario);
        nth_arm(&run, kind, n);
        ng_status status = nth_act(&run, scenario);
        snprintf(message, sizeof message, "%s", ng_last_error());
        uint64_t fired = nth_disarm(&run);
        if (fired == 0 && status != NG_OK)
            fail_msg("%s failed without a fault: %s", scenario->name, message);
        nth_verify(&run, scenario, status, message);
        fault_run_release(&run);
        if (fired == 0)
            return n - 1;
    }
    fail_msg("%s does not get through after %d faults", scenario->name, FAULTS_MAX);
    return 0;
}

static void test_every_fault(void **state)
{
    const nth_scenario *scenario = *state;
    uint64_t faults[FAIL_KINDS];
    for (int kind = 0; kind < FAIL_KINDS; kind++)
        faults[kind] = nth_run(scenario, (fault_kind)kind);
    print_message("%s: %llu allocations, %llu calls\n", scenario->name,
                  (unsigned long long)faults[FAIL_ALLOCATION],
                  (unsigned long long)faults[FAIL_CALL]);
    if (scenario->build != NULL)
        assert_true(faults[FAIL_CALL] >= 2); /* at least the write and the sync were failed */
}

int main(void)
{
    struct CMUnitTest tests[sizeof scenarios / sizeof *scenarios];
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        tests[i] = (struct CMUnitTest){.name = scenarios[i].name,
                                       .test_func = test_every_fault,
                                       .initial_state = (void *)(uintptr_t)&scenarios[i]};
    return cmocka_run_group_tests_name("every fault of every call", tests, NULL, NULL);
}
