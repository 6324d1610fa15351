/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Opening and closing, options of opening and writing, positions, info, check. */
#include "api_support.h"

#include "test_directory.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_statuses(void **state)
{
    (void)state;
#define CHECK(name, value, text)                                                                   \
    assert_int_equal(name, value);                                                                 \
    assert_string_equal(ng_status_name(name), #name);                                              \
    assert_string_equal(ng_status_text(name), text);
    NG_STATUS_TABLE(CHECK)
#undef CHECK
    assert_non_null(ng_status_name((ng_status)999));
    assert_non_null(ng_status_text((ng_status)999));
    assert_non_null(strchr(ng_version(), '.'));
}

static void test_null_arguments(void **state)
{
    (void)state;
    ng_store *store = NULL;
    ng_seq seq = 7;
    assert_int_equal(ng_close(NULL), NG_OK);
    ASSERT_FAILS(ng_open(NULL, NULL, NULL), NG_E_INVALID, "out", "NULL");
    ng_info info;
    ASSERT_FAILS(ng_store_info(NULL, &info), NG_E_INVALID, "store");
    store = api_memory_store();
    ASSERT_FAILS(ng_store_info(store, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_check(store, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_state_hash(store, NULL), NG_E_INVALID, "out");
    ASSERT_FAILS(ng_wait_durable(NULL, 1), NG_E_INVALID, "store");
    ng_positions(store, NULL, NULL);
    ng_positions(store, &seq, NULL);
    assert_int_equal(seq, 0);
    ASSERT_OK(ng_close(store));
}

static void test_options_are_checked(void **state)
{
    (void)state;
    ng_store *store = (ng_store *)(uintptr_t)1;
    ng_open_options options = {.struct_size = sizeof options};
    ASSERT_OK(ng_open(NULL, &options, &store));
    ASSERT_OK(ng_close(store));
    options.struct_size = 0;
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "struct_size");
    assert_null(store);
    options.struct_size = sizeof options + 8;
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "struct_size");
    options = (ng_open_options){.struct_size = sizeof options, .flags = 1u << 30};
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "flags");
    options = (ng_open_options){.struct_size = sizeof options, .dimensions = 1};
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "dimensions 1", "2..4096");
    options.dimensions = 4097;
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "dimensions 4097");
    options = (ng_open_options){.struct_size = sizeof options, .segment_bytes = 1000};
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "segment_bytes 1000");
    options = (ng_open_options){.struct_size = sizeof options, .max_tokens = UINT32_MAX};
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "max_tokens");
    options = (ng_open_options){.struct_size = sizeof options, .max_connections = UINT32_MAX};
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "max_connections");
    options = (ng_open_options){.struct_size = sizeof options};
    options.scales[3][1] = 2000000;
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "scale y", "emotional", "2000000");
    options = (ng_open_options){.struct_size = sizeof options};
    options.origins[0][0] = INFINITY;
    ASSERT_FAILS(ng_open(NULL, &options, &store), NG_E_INVALID, "origin x", "physical");
    assert_null(store);
}

static void test_write_options_are_checked(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id id = 0;
    ng_write_options write = {.struct_size = 1};
    ASSERT_FAILS(ng_token_create(store, NULL, &write, &id), NG_E_INVALID, "struct_size");
    write = (ng_write_options){.struct_size = sizeof write, .flags = 4};
    ASSERT_FAILS(ng_token_create(store, NULL, &write, &id), NG_E_INVALID, "flags");
    ASSERT_FAILS(ng_token_delete(store, 1, &write), NG_E_INVALID, "flags");
    ASSERT_FAILS(ng_connection_delete(store, 1, &write), NG_E_INVALID, "flags");
    ng_seq seq = 0, applied = 0, durable = 0;
    write = (ng_write_options){.struct_size = sizeof write, .actor = 5, .seq = &seq};
    ASSERT_OK(ng_token_create(store, NULL, &write, &id));
    assert_int_equal(seq, 1);
    write.flags = NG_WRITE_NOWAIT;
    ASSERT_OK(ng_token_create(store, NULL, &write, &id));
    assert_int_equal(seq, 2);
    ASSERT_OK(ng_wait_durable(store, seq));
    ng_positions(store, &applied, &durable);
    assert_int_equal(applied, 2);
    assert_int_equal(durable, 2);
    ASSERT_OK(ng_wait_durable(store, 0));
    ASSERT_FAILS(ng_wait_durable(store, 3), NG_E_INVALID, "3", "2");
    ASSERT_OK(ng_close(store));
}

/* A failed write leaves neither an op nor a used id behind. */
static void test_failed_write_takes_no_seq(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_WEIGHT;
    fields.weight = 2;
    ng_token_id id = 0;
    ng_seq applied = 9;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "weight 2", "0..1");
    ng_positions(store, &applied, NULL);
    assert_int_equal(applied, 0);
    assert_int_equal(api_token(store), 1);
    ASSERT_OK(ng_close(store));
}

static void fill(ng_store *store)
{
    char label[32];
    for (int i = 0; i < 50; i++) {
        snprintf(label, sizeof label, "token %d", i);
        api_labelled(store, label);
    }
    for (ng_token_id i = 1; i < 50; i++)
        api_link(store, i, i + 1, NG_CONNECTION_TYPE_DEFAULT, NG_CONNECTION_ACTIVE);
    ASSERT_OK(ng_token_delete(store, 20, NULL));
}

static void test_reopen_gives_the_same_state(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    uint64_t before = 0, after = 1;
    ng_info first, second;
    test_path(path, sizeof path, directory, "store");
    ASSERT_OK(ng_open(path, NULL, &store));
    fill(store);
    ASSERT_OK(ng_state_hash(store, &before));
    ASSERT_OK(ng_store_info(store, &first));
    assert_string_equal(first.path, path);
    assert_int_equal(strlen(first.uuid), 36);
    assert_int_equal(first.token_count, 49);
    assert_int_equal(first.connection_count, 47);
    assert_int_equal(first.label_count, 49);
    assert_int_equal(first.op_count, 100);
    assert_int_equal(first.applied_seq, 100);
    assert_int_equal(first.durable_seq, 100);
    assert_true(first.sync_count >= 1 && first.segment_count == 1);
    assert_true(first.log_bytes > 0 && first.disk_bytes >= first.log_bytes);
    assert_true(first.memory_bytes >= first.memory_token_bytes + first.memory_connection_bytes);
    assert_int_equal(first.recovered_ops, 0);
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, NULL, &store));
    ASSERT_OK(ng_state_hash(store, &after));
    ASSERT_OK(ng_store_info(store, &second));
    assert_true(before == after);
    assert_string_equal(first.uuid, second.uuid);
    assert_int_equal(second.created_us, first.created_us);
    assert_int_equal(second.recovered_ops, 100);
    assert_int_equal(second.recovered_bytes_cut, 0);
    assert_int_equal(second.op_count, 0);
    assert_int_equal(second.token_count, 49);
    assert_int_equal(second.ids_left, first.ids_left);
    assert_int_equal(api_token(store), 51); /* not 20, not 50 */
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

/* Equal ops make equal states, whatever the store is made of, when they carry equal times; so only
 * an empty store's hash is compared here, and that each change changes the hash. */
static void test_state_hash_tells_states_apart(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    uint64_t hashes[5];
    ng_token_fields fields = api_fields();
    ASSERT_OK(ng_state_hash(store, &hashes[0]));
    api_labelled(store, "a");
    ASSERT_OK(ng_state_hash(store, &hashes[1]));
    fields.set = NG_FIELD_WEIGHT;
    fields.weight = 0.5f;
    ASSERT_OK(ng_token_update(store, 1, &fields, NULL));
    ASSERT_OK(ng_state_hash(store, &hashes[2]));
    api_token(store);
    ASSERT_OK(ng_state_hash(store, &hashes[3]));
    api_link(store, 1, 2, 0, 1);
    ASSERT_OK(ng_state_hash(store, &hashes[4]));
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < i; k++)
            assert_true(hashes[i] != hashes[k]);
    }
    uint64_t again = 0;
    ASSERT_OK(ng_state_hash(store, &again));
    assert_true(again == hashes[4]);
    ASSERT_OK(ng_close(store));
}

static void test_must_exist(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    struct stat status;
    ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MUST_EXIST};
    test_path(path, sizeof path, directory, "none");
    ASSERT_FAILS(ng_open(path, &options, &store), NG_E_NOT_FOUND, "none");
    assert_null(store);
    assert_int_not_equal(stat(path, &status), 0); /* nothing was made */
    ASSERT_OK(ng_open(path, NULL, &store));
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, &options, &store));
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

static void test_places_that_are_no_store(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600], file[700];
    ng_store *store = NULL;
    test_path(path, sizeof path, directory, "file");
    test_file_write(path, "text", 4);
    assert_int_not_equal(ng_open(path, NULL, &store), NG_OK);
    assert_non_null(strstr(ng_last_error(), "file"));
    assert_null(store);
    test_path(path, sizeof path, directory, "missing/deep");
    ASSERT_FAILS(ng_open(path, NULL, &store), NG_E_NOT_FOUND, "deep");
    test_path(path, sizeof path, directory, "other");
    assert_int_equal(mkdir(path, 0777), 0);
    test_path(file, sizeof file, path, "holiday.jpg");
    test_file_write(file, "pixels", 6);
    ASSERT_FAILS(ng_open(path, NULL, &store), NG_E_INVALID, "not empty");
    assert_int_equal(unlink(file), 0);
    ASSERT_OK(ng_open(path, NULL, &store)); /* an empty directory may become a store */
    ASSERT_OK(ng_close(store));
    char long_path[6000];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_not_equal(ng_open(long_path, NULL, &store), NG_OK);
    assert_int_not_equal(ng_open("", NULL, &store), NG_OK);
    assert_null(store);
    test_directory_remove(directory);
}

static void test_two_stores_in_one_process(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *first = NULL, *second = NULL, *memory = api_memory_store();
    ASSERT_OK(ng_open(test_path(path, sizeof path, directory, "a"), NULL, &first));
    ASSERT_OK(ng_open(test_path(path, sizeof path, directory, "b"), NULL, &second));
    assert_int_equal(api_labelled(first, "same"), 1);
    assert_int_equal(api_labelled(second, "same"), 1);
    assert_int_equal(api_labelled(memory, "same"), 1);
    ASSERT_OK(ng_token_delete(second, 1, NULL));
    ng_token record;
    ASSERT_OK(ng_token_read(first, 1, &record));
    ASSERT_OK(ng_token_read(memory, 1, &record));
    ng_info a, b;
    ASSERT_OK(ng_store_info(first, &a));
    ASSERT_OK(ng_store_info(second, &b));
    assert_string_not_equal(a.uuid, b.uuid);
    ASSERT_OK(ng_close(second));
    ASSERT_OK(ng_token_read(first, 1, &record));
    ASSERT_OK(ng_close(first));
    ASSERT_OK(ng_close(memory));
    test_directory_remove(directory);
}

static void test_busy_names_the_process(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600], wanted[64], byte = 0;
    test_path(path, sizeof path, directory, "store");
    int up[2], down[2];
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t child = fork();
    if (child == 0) {
        ng_store *own = NULL;
        bool is_open = ng_open(path, NULL, &own) == NG_OK;
        bool is_told = write(up[1], is_open ? "y" : "n", 1) == 1 && read(down[0], &byte, 1) == 1;
        _exit(is_open && is_told && ng_close(own) == NG_OK ? 0 : 1);
    }
    assert_true(read(up[0], &byte, 1) == 1 && byte == 'y');
    ng_store *store = NULL;
    snprintf(wanted, sizeof wanted, "in use by pid %d", (int)child);
    ASSERT_FAILS(ng_open(path, NULL, &store), NG_E_BUSY, wanted);
    assert_null(store);
    assert_true(write(down[1], "x", 1) == 1);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ASSERT_OK(ng_open(path, NULL, &store));
    ng_store *again = NULL;
    snprintf(wanted, sizeof wanted, "in use by pid %d", (int)getpid());
    ASSERT_FAILS(ng_open(path, NULL, &again), NG_E_BUSY, wanted);
    ASSERT_OK(ng_close(store));
    for (int i = 0; i < 2; i++) {
        close(up[i]);
        close(down[i]);
    }
    test_directory_remove(directory);
}

static void test_limits_of_a_store(void **state)
{
    (void)state;
    ng_store *store = NULL;
    ng_token_id id = 0;
    ng_connection_id link = 0;
    ng_info info;
    ng_open_options options = {.struct_size = sizeof options,
                               .max_tokens = 3,
                               .max_connections = 1};
    ASSERT_OK(ng_open(NULL, &options, &store));
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.ids_left, 3);
    ng_token_fields batch[4] = {api_fields(), api_fields(), api_fields(), api_fields()};
    ng_token_id ids[4];
    ASSERT_FAILS(ng_token_create_many(store, batch, 4, NULL, ids), NG_E_LIMIT, "3");
    ASSERT_OK(ng_token_create_many(store, batch, 3, NULL, ids));
    ASSERT_FAILS(ng_token_create(store, NULL, NULL, &id), NG_E_LIMIT, "3");
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.ids_left, 0);
    api_link(store, 1, 2, 0, 1);
    ng_connection_fields ends = {.struct_size = sizeof ends, .source = 2, .target = 3};
    ASSERT_FAILS(ng_connection_create(store, &ends, NULL, &link), NG_E_LIMIT, "1");
    ASSERT_OK(ng_token_delete(store, 3, NULL)); /* a full store can still be emptied */
    ASSERT_OK(ng_close(store));

    options = (ng_open_options){.struct_size = sizeof options, .max_memory_bytes = 1 << 20};
    ng_status status = ng_open(NULL, &options, &store);
    for (int i = 0; i < 200000 && status == NG_OK; i++)
        status = ng_token_create(store, NULL, NULL, &id);
    assert_int_equal(status, NG_E_LIMIT);
    assert_non_null(strstr(ng_last_error(), "memory limit of 1048576"));
    ASSERT_OK(ng_store_info(store, &info));
    assert_true(info.token_count > 100 && info.memory_bytes <= 1 << 20);
    ng_token record;
    ASSERT_OK(ng_token_read(store, 1, &record));
    ASSERT_OK(ng_close(store));
}

static void test_clip(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    ng_token_id id = 0;
    ng_token record;
    ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_CLIP};
    ng_token_fields fields = api_fields();
    fields.spaces_set = 1;
    fields.coordinates[0][0] = 1e6f;
    fields.coordinates[0][1] = -1e6f;
    test_path(path, sizeof path, directory, "store");
    ASSERT_OK(ng_open(path, NULL, &store));
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "coordinate x",
                 "physical", "1000000", "-327.67..327.67");
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, &options, &store)); /* an option of the opening, not of the store */
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_token_read(store, id, &record));
    assert_int_equal(record.coordinates[0][0], NG_COORDINATE_MAX);
    assert_int_equal(record.coordinates[0][1], -NG_COORDINATE_MAX);
    fields.coordinates[0][0] = NAN;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "coordinate x");
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, NULL, &store));
    fields.coordinates[0][0] = 1e6f;
    ASSERT_FAILS(ng_token_create(store, &fields, NULL, &id), NG_E_INVALID, "coordinate x");
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

static void test_scales_stay(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    ng_info info;
    float point[3];
    ng_token record;
    ng_open_options options = {.struct_size = sizeof options};
    options.scales[NG_SPACE_MOTOR][2] = 12;
    options.origins[NG_SPACE_MOTOR][2] = -40;
    test_path(path, sizeof path, directory, "store");
    ASSERT_OK(ng_open(path, &options, &store));
    ng_token_id id = api_at(store, NG_SPACE_MOTOR, 1, 2, 3);
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, NULL, &store));
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.scales[NG_SPACE_MOTOR][2], 12);
    assert_true(info.origins[NG_SPACE_MOTOR][2] == -40);
    ASSERT_OK(ng_token_read(store, id, &record));
    assert_int_equal(record.coordinates[NG_SPACE_MOTOR][2], 43 * 12);
    assert_true(ng_token_coordinates(store, &record, NG_SPACE_MOTOR, point));
    assert_true(point[0] == 1 && point[1] == 2 && point[2] == 3);
    assert_false(ng_token_coordinates(store, &record, NG_SPACE_SOCIAL, point));
    assert_false(ng_token_coordinates(store, &record, (ng_space)8, point));
    assert_false(ng_token_coordinates(store, NULL, NG_SPACE_MOTOR, point));
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

static void test_dimensions_of_another_store(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    ng_token_id id;
    const float vector[3] = {1, 2, 3};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = 3;
    test_path(path, sizeof path, directory, "store");
    ASSERT_OK(ng_open(path, NULL, &store));
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    ASSERT_OK(ng_close(store));
    ng_open_options options = {.struct_size = sizeof options, .dimensions = 5};
    ASSERT_FAILS(ng_open(path, &options, &store), NG_E_INVALID, "5", "3");
    options.dimensions = 3;
    ASSERT_OK(ng_open(path, &options, &store));
    ASSERT_OK(ng_close(store));
    ng_store *memory = NULL;
    options.dimensions = 4;
    ASSERT_OK(ng_open(NULL, &options, &memory));
    ASSERT_FAILS(ng_token_create(memory, &fields, NULL, &id), NG_E_INVALID, "3", "4");
    ASSERT_OK(ng_close(memory));
    test_directory_remove(directory);
}

static void test_check_counts(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.tokens, 0);
    assert_int_equal(report.problem_count, 0);
    fill(store);
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.tokens, 49);
    assert_int_equal(report.connections, 47);
    assert_int_equal(report.labels, 49);
    assert_int_equal(report.vectors, 0);
    assert_int_equal(report.problem_count, 0);
    assert_string_equal(report.first_problem, "");
    ASSERT_OK(ng_close(store));
}

static void test_memory_store_info(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_string_equal(info.path, "");
    assert_int_equal(info.token_count, 0);
    assert_int_equal(info.collection_count, 2);
    assert_int_equal(info.disk_bytes, 0);
    assert_int_equal(info.segment_count, 0);
    assert_int_equal(info.dimensions, 0);
    assert_int_equal(info.ids_left, 10000000);
    assert_int_equal(info.format_version, 1);
    assert_int_equal(info.scales[NG_SPACE_PHYSICAL][0], 100);
    assert_int_equal(info.scales[NG_SPACE_TEMPORAL][2], 1000);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_write_options_are_checked),
        cmocka_unit_test(test_failed_write_takes_no_seq),
        cmocka_unit_test(test_reopen_gives_the_same_state),
        cmocka_unit_test(test_state_hash_tells_states_apart),
        cmocka_unit_test(test_must_exist),
        cmocka_unit_test(test_places_that_are_no_store),
        cmocka_unit_test(test_two_stores_in_one_process),
        cmocka_unit_test(test_busy_names_the_process),
        cmocka_unit_test(test_limits_of_a_store),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_scales_stay),
        cmocka_unit_test(test_dimensions_of_another_store),
        cmocka_unit_test(test_check_counts),
        cmocka_unit_test(test_memory_store_info),
    };
    return cmocka_run_group_tests_name("opening and closing", tests, NULL, NULL);
}
