/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A store that is open goes on in its own directory: when that is moved, when another store takes its
 * name, and when the process changes its working directory. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "neurograph.h"

typedef struct fixture {
    char root[64];
    char before[512]; /* working directory */
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    assert_non_null(self);
    snprintf(self->root, sizeof self->root, "/tmp/neurograph-moved-XXXXXX");
    assert_non_null(mkdtemp(self->root));
    assert_non_null(getcwd(self->before, sizeof self->before));
    assert_int_equal(chdir(self->root), 0);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    char command[128];
    assert_int_equal(chdir(self->before), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", self->root);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    free(self);
    return 0;
}

/* Small segments, so that a few writes begin a new one. */
static ng_store *open_store(const char *path)
{
    ng_open_options options = {.struct_size = sizeof options, .segment_bytes = 1u << 20};
    ng_store *store;
    assert_int_equal(ng_open(path, &options, &store), NG_OK);
    return store;
}

static void fill(ng_store *store, int ops)
{
    static ng_token_id ids[4096];
    static ng_token_fields fields[4096];
    for (size_t i = 0; i < 4096; i++)
        fields[i].struct_size = sizeof fields[i];
    for (int i = 0; i < ops; i++)
        assert_int_equal(ng_token_create_many(store, fields, 4096, NULL, ids), NG_OK);
}

static uint64_t state_hash(ng_store *store)
{
    uint64_t hash;
    assert_int_equal(ng_state_hash(store, &hash), NG_OK);
    return hash;
}

static void expect_sound(ng_store *store)
{
    ng_check_report report;
    assert_int_equal(ng_check(store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
}

static void close_store(ng_store *store)
{
    assert_int_equal(ng_close(store), NG_OK);
}

static void test_another_store_takes_the_name(void **state)
{
    (void)state;
    ng_store *store = open_store("memory");
    fill(store, 3);
    assert_int_equal(rename("memory", "moved"), 0);
    ng_store *other = open_store("memory");
    fill(other, 9);
    uint64_t other_hash = state_hash(other);
    close_store(other);

    fill(store, 9); /* begins segments */
    assert_int_equal(ng_checkpoint(store, NULL, NULL, NULL), NG_OK);
    fill(store, 9);
    ng_checkpoint_report report;
    assert_int_equal(ng_checkpoint(store, NULL, NULL, &report), NG_OK);
    assert_true(report.segments_removed > 0);
    fill(store, 1);
    expect_sound(store);
    uint64_t hash = state_hash(store);
    close_store(store);

    other = open_store("memory");
    expect_sound(other);
    assert_true(state_hash(other) == other_hash);
    close_store(other);
    store = open_store("moved");
    expect_sound(store);
    assert_true(state_hash(store) == hash);
    close_store(store);
}

static void test_the_name_has_gone(void **state)
{
    (void)state;
    ng_store *store = open_store("memory/");
    fill(store, 3);
    assert_int_equal(rename("memory", "moved"), 0);
    fill(store, 9);
    assert_int_equal(ng_checkpoint(store, NULL, NULL, NULL), NG_OK);
    uint64_t hash = state_hash(store);
    close_store(store);
    assert_int_equal(access("memory", F_OK), -1);
    store = open_store("moved");
    expect_sound(store);
    assert_true(state_hash(store) == hash);
    close_store(store);
}

static void test_working_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"memory", ".", "../below/memory"};
    assert_int_equal(mkdir("below", 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(chdir("below"), 0);
        assert_true(i != 1 || (mkdir("here", 0700) == 0 && chdir("here") == 0));
        ng_store *store = open_store(names[i]);
        uint64_t before = state_hash(store);
        assert_int_equal(chdir(((const fixture *)*state)->root), 0);
        fill(store, 9);
        assert_int_equal(ng_checkpoint(store, NULL, NULL, NULL), NG_OK);
        fill(store, 9);
        expect_sound(store);
        uint64_t hash = state_hash(store);
        assert_true(hash != before);
        close_store(store);
        store = open_store(i == 1 ? "below/here" : "below/memory");
        assert_true(state_hash(store) == hash);
        close_store(store);
    }
    assert_int_equal(access("MANIFEST", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_another_store_takes_the_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_name_has_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_working_directory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
