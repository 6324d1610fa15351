/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every scenario with its 1st, 2nd, 3rd ... allocation failing, then its 1st, 2nd, 3rd ... call of
 * the system, until nothing fails any more. After each: no crash, no leak, no open file; a call
 * that failed changed nothing, unless it latched the store, in which case its op is there whole or
 * not at all once the store is reopened. */
#include "fault_nth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TESTS_MAX 96
#define FAULTS_MAX 3000 /* a scenario that never gets through is an endless retry */

typedef enum fault_kind {
    FAIL_ALLOCATION,
    FAIL_ALLOCATIONS_FROM,
    FAIL_CALL,
    FAIL_CALL_FULL,
    FAIL_CALLS_FROM,
    FAIL_KINDS
} fault_kind;

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
        if (op.kind == TWIN_CDNA || op.kind == TWIN_DELETE || op.kind == TWIN_UPDATE ||
            op.kind == TWIN_CLEAR || op.kind == TWIN_DROP)
            twin_op_release(&op); /* the scenarios count on words and on the usual limits */
        else
            assert_int_equal(fault_run_op(run, &op, 0), NG_OK);
    }
    if (scenario->has_snapshot) {
        assert_int_equal(ng_checkpoint(run->store, NULL, NULL, NULL), NG_OK);
        for (int i = 0; i < 5; i++)
            assert_int_equal(fault_run_step(run, &nth_mix, &random, 0), NG_OK);
    }
    if (scenario->begins_closed)
        assert_int_equal(fault_run_close(run), NG_OK);
    if (scenario->prepare != NULL)
        scenario->prepare(run);
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
    if (!nth_is_documented(status))
        fail_msg("%s: %s", ng_status_name(status), message);
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

static int nth_release(void **state)
{
    (void)state;
    free(nth.data);
    memset(&nth, 0, sizeof nth);
    return 0;
}

int main(void)
{
    static struct CMUnitTest tests[TESTS_MAX];
    if (nth_scenario_count > TESTS_MAX) {
        print_error("%zu scenarios are more than %d\n", nth_scenario_count, TESTS_MAX);
        return 1;
    }
    for (size_t i = 0; i < nth_scenario_count; i++)
        tests[i] = (struct CMUnitTest){.name = nth_scenarios[i].name,
                                       .test_func = test_every_fault,
                                       .initial_state = (void *)(uintptr_t)&nth_scenarios[i]};
    return _cmocka_run_group_tests("every fault of every call", tests, nth_scenario_count, NULL,
                                   nth_release);
}
