/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Random operations and transactions on a store and on its naive twin, compared after each step and,
 * every so often, completely; with views, checkpoints and reopening in between.
 *
 * NG_TEST_SEED repeats a run, NG_TEST_STEPS sets its length, NG_TEST_SEEDS how many there are, each
 * with the next seed. */
#include "store/store.h"
#include "test_directory.h"
#include "twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define STEPS_BETWEEN_COMPARISONS 500

typedef struct model_run {
    const char *name;
    char *directory; /* NULL: a store in memory */
    ng_open_options options;
    ng_store *store;
    twin_state twin;
    test_random random;
    uint64_t seed;
    uint64_t step;
    uint64_t transactions, views;
    uint64_t named_vectors; /* in named fields, that were compared */
    ng_view *view;
    uint64_t view_hash;
    twin_mix mix;
} model_run;

static void model_fail(const model_run *run, const char *what)
{
    fail_msg("%s, NG_TEST_SEED=%llu, step %llu: %s", run->name, (unsigned long long)run->seed,
             (unsigned long long)run->step, what);
}

static void model_open(model_run *run)
{
    char path[600];
    const char *given = NULL;
    if (run->directory != NULL)
        given = test_path(path, sizeof path, run->directory, "store");
    if (ng_open(given, &run->options, &run->store) != NG_OK)
        model_fail(run, ng_last_error());
}

/* The parts are all there is: nothing is left over, nothing is counted twice. Of a store in memory,
 * which has no threads of its own. */
static void model_check_memory(const model_run *run)
{
    ng_memory memory;
    if (run->directory != NULL)
        return;
    assert_int_equal(ng_store_memory(run->store, &memory), NG_OK);
    uint64_t taken = atomic_load(&ngi_store_root_mem(run->store)->used_bytes);
    if (memory.bytes != taken)
        model_fail(run, "the parts of the memory are not what was taken");
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++)
        if (memory.parts[part].used_bytes > memory.parts[part].bytes)
            model_fail(run, ng_memory_part_name((ng_memory_part)part));
    if (memory.parts[NG_MEMORY_VIEWS].items != (run->view != NULL))
        model_fail(run, "open views");
}

static void model_compare(model_run *run)
{
    char text[TWIN_DIFFERENCE_BYTES];
    const char *difference = twin_compare_all(&run->twin, run->store, text);
    for (int i = 0; i < 5 && difference == NULL; i++) {
        difference = twin_compare_grid(&run->twin, run->store, &run->random, text);
        if (difference == NULL)
            difference = twin_compare_vectors(&run->twin, run->store, &run->random, text);
        if (difference == NULL)
            difference = twin_compare_search(&run->twin, run->store, &run->random, text);
    }
    for (int i = 0; i < 10 && difference == NULL; i++)
        difference = twin_compare_links(&run->twin, run->store, &run->random, text);
    for (int i = 0; i < 20 && difference == NULL; i++)
        difference = twin_compare_paths(&run->twin, run->store, &run->random, text);
    if (difference != NULL)
        model_fail(run, difference);
    for (size_t i = 0; i < run->twin.token_count; i++)
        for (int field = 0; field < TWIN_FIELDS; field++)
            run->named_vectors += run->twin.tokens[i].named[field] != NULL;
    ng_check_report report;
    if (ng_check(run->store, &report) != NG_OK || report.problem_count != 0)
        model_fail(run, report.first_problem);
}

static void model_reopen(model_run *run)
{
    ng_view_close(run->view);
    run->view = NULL;
    uint64_t before = 0, after = 0;
    assert_int_equal(ng_state_hash(run->store, &before), NG_OK);
    if (ng_close(run->store) != NG_OK)
        model_fail(run, ng_last_error());
    model_open(run);
    assert_int_equal(ng_state_hash(run->store, &after), NG_OK);
    if (before != after)
        model_fail(run, "the state hash changed by reopening");
}

/* Searches that are cheap enough for every few steps. */
static const char *model_search(model_run *run, char *text)
{
    switch (run->step % 30) {
    case 0:
        return twin_compare_grid(&run->twin, run->store, &run->random, text);
    case 10:
        return twin_compare_vectors(&run->twin, run->store, &run->random, text);
    case 5:
    case 15:
        return twin_compare_search(&run->twin, run->store, &run->random, text);
    case 7:
    case 17:
        return twin_compare_space(&run->twin, run->store, &run->random, text);
    case 25:
        return twin_compare_multi(&run->twin, run->store, &run->random, text);
    case 8:
    case 18:
        return twin_compare_links(&run->twin, run->store, &run->random, text);
    case 20:
        return twin_compare_paths(&run->twin, run->store, &run->random, text);
    default:
        return NULL;
    }
}

static void model_transact(model_run *run)
{
    char text[TWIN_DIFFERENCE_BYTES];
    twin_op op = {.durability = NG_DURABILITY_NONE};
    ng_status status = twin_transact(&run->twin, run->store, &run->mix, &run->random, &op, text);
    if (text[0] != '\0')
        model_fail(run, text);
    if (status != op.expected) {
        snprintf(text, sizeof text, "transaction: %s (%s), expected %s", ng_status_name(status),
                 ng_last_error(), ng_status_name(op.expected));
        model_fail(run, text);
    }
    const char *difference = NULL;
    if (status == NG_E_CONFLICT)
        difference = twin_compare_conflict(&run->twin, &op, text);
    if (status == NG_OK) {
        if (!twin_learn(&run->twin, run->store, &op, false))
            model_fail(run, "what a transaction wrote is not there");
        twin_apply(&run->twin, &op);
        difference = twin_compare_op(&run->twin, run->store, &op, text);
        run->transactions++;
    }
    if (difference != NULL)
        model_fail(run, difference);
    twin_op_release(&op);
}

/* Opens a view, or compares the open one with what the store was when it was opened. */
static void model_view(model_run *run)
{
    /* However slow the machine is, and however much changes meanwhile. */
    const ng_view_options lasting = {.struct_size = sizeof lasting,
                                     .lifetime_ms = 3600000,
                                     .max_copied_bytes = NG_NEVER};
    uint64_t hash = 0;
    if (run->view == NULL) {
        assert_int_equal(ng_state_hash(run->store, &run->view_hash), NG_OK);
        assert_int_equal(ng_view_open(run->store, &lasting, &run->view), NG_OK);
        return;
    }
    if (ng_view_state_hash(run->view, &hash) != NG_OK)
        model_fail(run, ng_last_error());
    if (hash != run->view_hash)
        model_fail(run, "the view shows another state than when it was opened");
    ng_view_close(run->view);
    run->view = NULL;
    run->views++;
}

static void model_checkpoint(model_run *run)
{
    ng_checkpoint_report report;
    if (ng_checkpoint(run->store, NULL, NULL, &report) != NG_OK)
        model_fail(run, ng_last_error());
    assert_int_equal(report.seq, run->twin.seq);
}

static void model_step(model_run *run)
{
    char text[TWIN_DIFFERENCE_BYTES];
    twin_op op;
    twin_random_op(&run->twin, &run->mix, &run->random, &op);
    uint32_t flags = test_random_chance(&run->random, 95) ? NG_WRITE_NOWAIT : 0;
    ng_status status = twin_perform(run->store, &op, flags);
    if (status != op.expected) {
        snprintf(text, sizeof text, "%s: %s (%s), expected %s", twin_kind_name(op.kind),
                 ng_status_name(status), ng_last_error(), ng_status_name(op.expected));
        model_fail(run, text);
    }
    if (status == NG_E_CONFLICT && twin_compare_conflict(&run->twin, &op, text) != NULL)
        model_fail(run, text);
    if (status == NG_OK) {
        for (size_t i = 0; op.kind == TWIN_CREATE && i < op.count; i++) {
            if (twin_find(&run->twin, op.items[i].id) != NULL)
                model_fail(run, "an id was given twice");
        }
        if (!twin_learn(&run->twin, run->store, &op, false))
            model_fail(run, "what was written is not there");
        twin_apply(&run->twin, &op);
    }
    const char *difference = twin_compare_op(&run->twin, run->store, &op, text);
    if (difference == NULL)
        difference = model_search(run, text);
    if (difference != NULL)
        model_fail(run, difference);
    twin_op_release(&op);
}

static void model_run_steps(model_run *run, uint64_t steps)
{
    run->random.state = run->seed;
    print_message("%s: NG_TEST_SEED=%llu NG_TEST_STEPS=%llu\n", run->name,
                  (unsigned long long)run->seed, (unsigned long long)steps);
    model_open(run);
    twin_init(&run->twin, run->store);
    for (run->step = 1; run->step <= steps; run->step++) {
        if (test_random_chance(&run->random, 10))
            model_transact(run);
        else
            model_step(run);
        if (test_random_chance(&run->random, 2))
            model_view(run);
        if (run->directory != NULL && test_random_below(&run->random, 400) == 0)
            model_checkpoint(run);
        model_check_memory(run);
        if (run->step % STEPS_BETWEEN_COMPARISONS == 0)
            model_compare(run);
        if (run->directory != NULL && test_random_below(&run->random, 700) == 0)
            model_reopen(run);
    }
    model_compare(run);
    if (run->directory != NULL) {
        model_reopen(run);
        model_compare(run);
    }
    ng_view_close(run->view);
    run->view = NULL;
    assert_int_equal(ng_close(run->store), NG_OK);
    if (steps >= 1000)
        assert_true(run->transactions > steps / 20 && run->views > steps / 400);
    if (steps >= 5000) /* fields are seldom made, and dropped again */
        assert_true(run->named_vectors > 0);
    twin_release(&run->twin);
    test_directory_remove(run->directory);
}

static uint64_t model_steps(unsigned percent)
{
    return test_environment("NG_TEST_STEPS", 10000) * percent / 100;
}

/* Each seed begins with a store of its own. */
static void model_run_seeds(const model_run *first, bool has_files, unsigned percent)
{
    uint64_t seeds = test_environment("NG_TEST_SEEDS", 1);
    for (uint64_t i = 0; i < seeds; i++) {
        model_run run = *first;
        run.seed += i;
        run.directory = has_files ? test_directory_create() : NULL;
        model_run_steps(&run, model_steps(percent));
    }
}

static void test_file_store(void **state)
{
    (void)state;
    model_run run = {.name = "file store",
                     .seed = test_environment("NG_TEST_SEED", 20),
                     .options = {.struct_size = sizeof run.options,
                                 .max_tokens = 100000,
                                 .max_connections = 100000,
                                 .segment_bytes = 1 << 20},
                     .mix = {.target_tokens = 400,
                             .bad_percent = 8,
                             .condition_percent = 8,
                             .use_projection = true,
                             .dimensions = 6}};
    model_run_seeds(&run, true, 60);
}

static void test_memory_store(void **state)
{
    (void)state;
    model_run run = {.name = "memory store",
                     .seed = test_environment("NG_TEST_SEED", 21),
                     .options = {.struct_size = sizeof run.options},
                     .mix = {.target_tokens = 300,
                             .bad_percent = 8,
                             .condition_percent = 8,
                             .use_projection = true,
                             .dimensions = 33}};
    model_run_seeds(&run, false, 30);
}

/* Another encoding in every space, and a store that stays small enough to become empty. */
static void test_own_scales(void **state)
{
    (void)state;
    model_run run = {
        .name = "own scales",
        .seed = test_environment("NG_TEST_SEED", 22),
        .options = {.struct_size = sizeof run.options, .segment_bytes = 64 << 10},
        .mix = {.target_tokens = 8, .bad_percent = 10, .condition_percent = 10, .dimensions = 2}};
    static const uint32_t scales[NG_SPACE_COUNT] = {1, 7, 10, 64, 100, 1000, 4, 12};
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            run.options.scales[space][axis] = scales[space] * (uint32_t)(axis == 2 ? 3 : 1);
            run.options.origins[space][axis] = (float)(space * 8 - axis);
        }
    }
    model_run_seeds(&run, true, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_store),
        cmocka_unit_test(test_memory_store),
        cmocka_unit_test(test_own_scales),
    };
    return cmocka_run_group_tests_name("store against its twin", tests, NULL, NULL);
}
