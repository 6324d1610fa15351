/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Named grids: what a caller is told, and, with random operations, that a search in one finds exactly
 * its members, through reopening, checkpoints, backups and copies. */
#include "api_support.h"

#include "test_directory.h"
#include "test_random.h"

#include <math.h>
#include <stdlib.h>

#define TOKENS 300
#define GRIDS 6

/* --- the calls ------------------------------------------------------------------------------- */

static void assert_clean(ng_store *store)
{
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_string_equal(report.first_problem, "");
}

static size_t near_in(const ng_store *store, ng_grid_id grid, ng_hit *hits, size_t capacity)
{
    const float origin[3] = {0};
    const ng_search_options options = {.struct_size = sizeof options, .grid = grid};
    size_t count = 0;
    ASSERT_OK(
        ng_grid_range(store, NG_SPACE_PHYSICAL, origin, 1000, &options, hits, capacity, &count));
    return count;
}

static void test_create_list_drop(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_grid_id id = 0, second = 0;
    ng_grid_info info, list[4];
    size_t count = 0;
    const ng_grid_config config = {.struct_size = sizeof config,
                                   .bucket_size = 2.5f,
                                   .density_threshold = 0.25f,
                                   .min_field_nodes = 7};
    ASSERT_OK(ng_grid_create(store, "kitchen", NULL, NULL, &id));
    ASSERT_OK(ng_grid_create(store, NULL, &config, NULL, &second));
    assert_int_equal(id, 1);
    assert_int_equal(second, 2);
    ASSERT_OK(ng_grid_get(store, 1, &info));
    assert_string_equal(info.name, "kitchen");
    assert_true(info.config.bucket_size == 10.0f && info.config.density_threshold == 0.5f);
    assert_int_equal(info.config.min_field_nodes, 3);
    ASSERT_OK(ng_grid_list(store, list, 4, &count));
    assert_int_equal(count, 2);
    assert_true(list[1].config.bucket_size == 2.5f && list[1].config.density_threshold == 0.25f);
    assert_string_equal(list[1].name, "");
    ASSERT_OK(ng_grid_drop(store, 1, NULL));
    ASSERT_FAILS(ng_grid_get(store, 1, &info), NG_E_NOT_FOUND, "grid 1");
    ASSERT_OK(ng_grid_create(store, "kitchen", NULL, NULL, &id));
    assert_int_equal(id, 3); /* not the number of the one that was dropped */
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_errors(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_grid_id id = 0, other;
    ng_token_id token = api_at(store, NG_SPACE_PHYSICAL, 1, 2, 3), ids[2] = {token, 99};
    ng_grid_info info;
    ng_hit hit;
    size_t count;
    bool member;
    const float at[3] = {0};
    ng_grid_config config = {.struct_size = sizeof config, .bucket_size = 0.05f};
    ng_search_options options = {.struct_size = sizeof options, .grid = 5};
    ng_txn *txn = NULL;
    ASSERT_OK(ng_grid_create(store, "a", NULL, NULL, &id));
    ASSERT_FAILS(ng_grid_create(store, "a", NULL, NULL, &other), NG_E_EXISTS, "grid 1", "'a'");
    ASSERT_FAILS(ng_grid_create(store, "", NULL, NULL, &other), NG_E_INVALID, "0 bytes");
    ASSERT_FAILS(ng_grid_create(store, "A", NULL, NULL, &other), NG_E_INVALID, "'A'");
    ASSERT_FAILS(ng_grid_create(store, "b", &config, NULL, &other), NG_E_INVALID, "bucket_size");
    config = (ng_grid_config){.struct_size = sizeof config, .density_threshold = 1.5f};
    ASSERT_FAILS(ng_grid_create(store, "b", &config, NULL, &other), NG_E_INVALID, "density");
    config = (ng_grid_config){.struct_size = sizeof config, .min_field_nodes = 101};
    ASSERT_FAILS(ng_grid_create(store, "b", &config, NULL, &other), NG_E_INVALID, "min_field");
    ASSERT_FAILS(ng_grid_drop(store, 0, NULL), NG_E_NOT_FOUND, "grid 0");
    ASSERT_FAILS(ng_grid_drop(store, 101, NULL), NG_E_NOT_FOUND, "grid 101");
    ASSERT_FAILS(ng_grid_get(store, 2, &info), NG_E_NOT_FOUND, "grid 2");
    ASSERT_FAILS(ng_grid_add(store, 2, ids, 1, NULL, NULL), NG_E_NOT_FOUND, "grid 2");
    ASSERT_FAILS(ng_grid_add(store, 1, ids, 2, NULL, NULL), NG_E_NOT_FOUND, "item 1");
    ASSERT_FAILS(ng_grid_add(store, 1, ids, 0, NULL, NULL), NG_E_INVALID, "count 0");
    ASSERT_FAILS(ng_grid_has(store, 2, token, &member), NG_E_NOT_FOUND, "grid 2");
    ASSERT_FAILS(ng_grid_has(store, 1, 99, &member), NG_E_NOT_FOUND, "Token");
    ASSERT_FAILS(ng_grid_nearest(store, NG_SPACE_PHYSICAL, at, &options, &hit, 1, &count),
                 NG_E_NOT_FOUND, "grid 5");
    ASSERT_OK(ng_txn_begin(store, NULL, &txn));
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ASSERT_FAILS(ng_grid_create(store, "b", NULL, &write, &other), NG_E_INVALID, "transaction");
    ASSERT_FAILS(ng_grid_add(store, 1, ids, 1, &write, NULL), NG_E_INVALID, "transaction");
    ng_txn_rollback(txn);
    for (int i = 1; i < 100; i++)
        ASSERT_OK(ng_grid_create(store, NULL, NULL, NULL, &other));
    ASSERT_FAILS(ng_grid_create(store, "b", NULL, NULL, &other), NG_E_LIMIT, "100");
    ASSERT_OK(ng_grid_drop(store, 40, NULL));
    ASSERT_OK(ng_grid_create(store, "b", NULL, NULL, &other));
    assert_int_equal(other, 40); /* all have been given */
    ASSERT_OK(ng_close(store));
}

static void test_members(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_grid_id id = 0;
    uint64_t changed = 0;
    ng_seq seq = 1;
    bool member = false;
    ng_hit hits[8];
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ng_token_id ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = api_at(store, NG_SPACE_PHYSICAL, (float)i, 0, 0);
    ASSERT_OK(ng_grid_create(store, "line", NULL, NULL, &id));
    const ng_token_id twice[4] = {ids[2], ids[0], ids[2], ids[0]};
    ASSERT_OK(ng_grid_add(store, id, twice, 4, NULL, &changed));
    assert_int_equal(changed, 2);
    ASSERT_OK(ng_grid_add(store, id, twice, 4, &write, &changed));
    assert_int_equal(changed, 0);
    assert_int_equal(seq, 0);
    assert_int_equal(near_in(store, id, hits, 8), 2);
    assert_true(hits[0].id == ids[0] && hits[1].id == ids[2]);
    ASSERT_OK(ng_grid_has(store, id, ids[2], &member));
    assert_true(member);
    ASSERT_OK(ng_grid_has(store, id, ids[1], &member));
    assert_false(member);
    /* A member that is deleted leaves, one that moves moves. */
    ng_token_fields fields = api_fields();
    fields.spaces_set = 1 << NG_SPACE_PHYSICAL;
    fields.coordinates[NG_SPACE_PHYSICAL][0] = 20;
    ASSERT_OK(ng_token_update(store, ids[0], &fields, NULL));
    assert_int_equal(near_in(store, id, hits, 8), 2);
    assert_true(hits[0].id == ids[2] && hits[1].distance == 20.0f);
    ASSERT_OK(ng_token_delete(store, ids[2], NULL));
    assert_int_equal(near_in(store, id, hits, 8), 1);
    ASSERT_OK(ng_grid_remove(store, id, ids, 2, NULL, &changed));
    assert_int_equal(changed, 1);
    assert_int_equal(near_in(store, id, hits, 8), 0);
    assert_int_equal(near_in(store, 0, hits, 8), 3);
    assert_clean(store);
    ASSERT_OK(ng_close(store));
}

static void test_several_spaces(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_grid_id id = 0;
    ng_token_id ids[40];
    for (int i = 0; i < 40; i++) {
        ng_token_fields fields = api_fields();
        fields.spaces_set = 1 << NG_SPACE_PHYSICAL | 1 << NG_SPACE_EMOTIONAL;
        fields.coordinates[NG_SPACE_PHYSICAL][0] = (float)i;
        fields.coordinates[NG_SPACE_EMOTIONAL][1] = (float)i / 100;
        ASSERT_OK(ng_token_create(store, &fields, NULL, &ids[i]));
    }
    ASSERT_OK(ng_grid_create(store, NULL, NULL, NULL, &id));
    const ng_token_id some[3] = {ids[30], ids[11], ids[20]};
    ASSERT_OK(ng_grid_add(store, id, some, 3, NULL, NULL));
    ng_multi_query query = {.struct_size = sizeof query,
                            .spaces = 1 << NG_SPACE_PHYSICAL | 1 << NG_SPACE_EMOTIONAL,
                            .weights = {[NG_SPACE_PHYSICAL] = 1, [NG_SPACE_EMOTIONAL] = 1}};
    const ng_search_options options = {.struct_size = sizeof options, .grid = id};
    ng_hit hits[8];
    size_t count = 0;
    ASSERT_OK(ng_multi_nearest(store, &query, &options, hits, 8, &count));
    assert_int_equal(count, 3);
    assert_true(hits[0].id == ids[11] && hits[1].id == ids[20] && hits[2].id == ids[30]);
    ASSERT_OK(ng_multi_range(store, &query, 15, &options, hits, 8, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(ng_close(store));
}

/* --- random operations ----------------------------------------------------------------------- */

typedef struct model {
    test_random random;
    char *directory;
    ng_store *store;
    bool alive[TOKENS];
    ng_token_id ids[TOKENS];
    bool there[GRIDS];
    ng_grid_id grids[GRIDS];
    bool members[GRIDS][TOKENS];
} model;

static void model_open(model *m)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .max_tokens = 20000,
                                     .segment_bytes = 65536};
    ASSERT_OK(ng_open(m->directory, &options, &m->store));
}

static ng_token_fields model_fields(model *m)
{
    ng_token_fields fields = api_fields();
    unsigned spaces = (unsigned)test_random_below(&m->random, 256);
    fields.spaces_set = (uint8_t)spaces;
    fields.spaces_clear = (uint8_t)~spaces;
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        for (int axis = 0; axis < 3; axis++)
            fields.coordinates[space][axis] = (float)(test_random_unit(&m->random) - 0.5);
    return fields;
}

static void model_token(model *m)
{
    size_t i = test_random_below(&m->random, TOKENS);
    ng_token_fields fields = model_fields(m);
    if (!m->alive[i]) {
        fields.spaces_clear = 0;
        ASSERT_OK(ng_token_create(m->store, &fields, NULL, &m->ids[i]));
        m->alive[i] = true;
    } else if (test_random_chance(&m->random, 60)) {
        ASSERT_OK(ng_token_update(m->store, m->ids[i], &fields, NULL));
    } else {
        ASSERT_OK(ng_token_delete(m->store, m->ids[i], NULL));
        m->alive[i] = false;
        for (int grid = 0; grid < GRIDS; grid++)
            m->members[grid][i] = false;
    }
}

static void model_grid(model *m, int grid)
{
    if (m->there[grid] && test_random_chance(&m->random, 5)) {
        ASSERT_OK(ng_grid_drop(m->store, m->grids[grid], NULL));
        m->there[grid] = false;
        memset(m->members[grid], 0, sizeof m->members[grid]);
    } else if (!m->there[grid]) {
        ASSERT_OK(ng_grid_create(m->store, NULL, NULL, NULL, &m->grids[grid]));
        m->there[grid] = true;
    }
}

static void model_members(model *m, int grid)
{
    ng_token_id ids[32];
    size_t count = 0;
    bool leave = test_random_chance(&m->random, 40);
    uint64_t expected = 0, changed = 0;
    for (int n = 0; n < 32; n++) {
        size_t i = test_random_below(&m->random, TOKENS);
        if (!m->alive[i])
            continue;
        ids[count++] = m->ids[i];
        expected += m->members[grid][i] == leave;
        m->members[grid][i] = !leave;
    }
    if (count == 0)
        return;
    if (leave)
        ASSERT_OK(ng_grid_remove(m->store, m->grids[grid], ids, count, NULL, &changed));
    else
        ASSERT_OK(ng_grid_add(m->store, m->grids[grid], ids, count, NULL, &changed));
    assert_int_equal(changed, expected);
}

/* Distances of members as their records say, against a search. */
static void model_compare(const model *m, const ng_store *store, int grid, ng_space space)
{
    static ng_hit hits[TOKENS];
    const float center[3] = {0.1f, -0.2f, 0};
    const ng_search_options options = {.struct_size = sizeof options, .grid = m->grids[grid]};
    size_t count = 0, expected = 0;
    ASSERT_OK(ng_grid_range(store, space, center, 0.4f, &options, hits, TOKENS, &count));
    for (size_t i = 0; i < TOKENS; i++) {
        ng_token record;
        float at[3];
        if (!m->members[grid][i])
            continue;
        ASSERT_OK(ng_token_read(store, m->ids[i], &record));
        if (!ng_token_coordinates(store, &record, space, at))
            continue;
        double d = sqrt(pow((double)(at[0] - center[0]), 2) + pow((double)(at[1] - center[1]), 2) +
                        pow((double)(at[2] - center[2]), 2));
        if (fabs(d - 0.4) < 0.002)
            continue; /* the rounding of the center decides */
        bool found = false;
        for (size_t h = 0; h < count; h++)
            found |= hits[h].id == m->ids[i];
        assert_int_equal(found, d < 0.4);
        expected += d < 0.4;
    }
    assert_true(count >= expected);
    for (size_t h = 0; h < count; h++) {
        bool is_member = false;
        ASSERT_OK(ng_grid_has(store, m->grids[grid], hits[h].id, &is_member));
        assert_true(is_member);
    }
}

static void model_verify(const model *m, ng_store *store)
{
    assert_clean(store);
    for (int grid = 0; grid < GRIDS; grid++) {
        ng_grid_info info;
        uint64_t count = 0;
        if (!m->there[grid])
            continue;
        for (size_t i = 0; i < TOKENS; i++)
            count += m->members[grid][i];
        ASSERT_OK(ng_grid_get(store, m->grids[grid], &info));
        assert_int_equal(info.member_count, count);
        for (int space = 0; space < NG_SPACE_COUNT; space++)
            model_compare(m, store, grid, (ng_space)space);
    }
}

static uint64_t hash_of(ng_store *store)
{
    uint64_t hash = 0;
    ASSERT_OK(ng_state_hash(store, &hash));
    return hash;
}

/* A store in `path` is equal to what was. */
static void model_verify_copy(const model *m, char *path, uint64_t hash)
{
    ng_store *other = NULL;
    ASSERT_OK(ng_open(path, NULL, &other));
    assert_true(hash_of(other) == hash);
    model_verify(m, other);
    ASSERT_OK(ng_close(other));
    test_directory_remove(strdup(path));
}

/* Closed and opened, sometimes from a snapshot; a restored backup; what a repair saves. */
static void model_reopen(model *m)
{
    char *backups = test_directory_create(), *copies = test_directory_create();
    char copy[512];
    ng_repair_report report;
    uint64_t hash = hash_of(m->store);
    if (test_random_chance(&m->random, 50))
        ASSERT_OK(ng_checkpoint(m->store, NULL, NULL, NULL));
    ASSERT_OK(ng_backup(m->store, backups, NULL, NULL));
    ASSERT_OK(ng_close(m->store));
    snprintf(copy, sizeof copy, "%s/repaired", copies);
    ASSERT_OK(ng_repair(m->directory, copy, NULL, NULL, &report));
    assert_int_equal(report.losses, 0);
    model_verify_copy(m, copy, hash);
    model_open(m);
    assert_true(hash_of(m->store) == hash);
    snprintf(copy, sizeof copy, "%s/copy", copies);
    ASSERT_OK(ng_restore(backups, copy, NULL, NULL));
    model_verify_copy(m, copy, hash);
    test_directory_remove(backups);
    test_directory_remove(copies);
}

static void test_random_operations(void **state)
{
    (void)state;
    uint64_t seed = test_environment("NG_TEST_SEED", 21);
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->random.state = seed;
    m->directory = test_directory_create();
    print_message("NG_TEST_SEED=%llu\n", (unsigned long long)seed);
    model_open(m);
    for (int step = 0; step < 1200; step++) {
        int grid = (int)test_random_below(&m->random, GRIDS);
        if (test_random_chance(&m->random, 70))
            model_token(m);
        else
            model_grid(m, grid);
        if (m->there[grid] && test_random_chance(&m->random, 30))
            model_members(m, grid);
        if (step % 60 == 59)
            model_verify(m, m->store);
        if (step % 300 == 299)
            model_reopen(m);
    }
    ASSERT_OK(ng_grid_rebuild(m->store, 0));
    model_verify(m, m->store);
    ASSERT_OK(ng_close(m->store));
    test_directory_remove(m->directory);
    free(m);
}

/* A view that was open meanwhile streams what was there when it was opened. */
static void test_hash_tells_grids_apart(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_grid_id id = 0;
    ng_token_id token = api_at(store, NG_SPACE_PHYSICAL, 1, 2, 3);
    ng_view *view = NULL;
    uint64_t before, after, seen;
    ASSERT_OK(ng_grid_create(store, "x", NULL, NULL, &id));
    ASSERT_OK(ng_view_open(store, NULL, &view));
    before = hash_of(store);
    ASSERT_OK(ng_grid_add(store, id, &token, 1, NULL, NULL));
    after = hash_of(store);
    assert_true(before != after);
    ASSERT_OK(ng_view_state_hash(view, &seen));
    assert_true(seen == before);
    ng_view_close(view);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_list_drop),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_several_spaces),
        cmocka_unit_test(test_hash_tells_grids_apart),
        cmocka_unit_test(test_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
