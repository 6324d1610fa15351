/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Graphs of vectors in a store that is closed, killed, cut or damaged and opened again. */
#include "api_support.h"

#include "test_directory.h"
#include "test_random.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIMENSIONS 24u
#define TOKENS 2000u
#define FOUND 10u

static const ng_vector_graph_options plain = {.struct_size = sizeof plain,
                                              .remove_components = NG_PLAIN_COSINE};

typedef struct fixture {
    char *directory;
    ng_store *store;
    test_random random;
} fixture;

static void open_store(fixture *f)
{
    const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MANUAL};
    ASSERT_OK(ng_open(f->directory, &options, &f->store));
}

static void reopen(fixture *f)
{
    ASSERT_OK(ng_close(f->store));
    open_store(f);
}

static void random_vector(fixture *f, float out[DIMENSIONS])
{
    uint64_t centre = test_random_below(&f->random, 60);
    for (uint32_t i = 0; i < DIMENSIONS; i++)
        out[i] = sinf((float)(centre * 31 + i * 7)) +
                 (float)test_random_below(&f->random, 1001) / 1000.0f - 0.5f;
}

/* Gives the token another vector, or makes one if `id` is 0. */
static void write_token(fixture *f, ng_token_id id)
{
    float vector[DIMENSIONS];
    ng_token_fields fields = api_fields();
    random_vector(f, vector);
    fields.set = NG_FIELD_VECTOR;
    fields.vector = vector;
    fields.vector_dimensions = DIMENSIONS;
    if (id == 0)
        ASSERT_OK(ng_token_create(f->store, &fields, NULL, &id));
    else
        ASSERT_OK(ng_token_update(f->store, id, &fields, NULL));
}

static fixture *make_fixture(const char *name)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->directory = test_directory_create();
    f->random.state = test_environment("NG_TEST_SEED", 20261129);
    print_message("%s: NG_TEST_SEED=%llu\n", name, (unsigned long long)f->random.state);
    open_store(f);
    static float vectors[TOKENS][DIMENSIONS];
    static ng_token_fields fields[TOKENS];
    static ng_token_id ids[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++) {
        random_vector(f, vectors[i]);
        fields[i] = api_fields();
        fields[i].set = NG_FIELD_VECTOR;
        fields[i].vector = vectors[i];
        fields[i].vector_dimensions = DIMENSIONS;
    }
    ASSERT_OK(ng_token_create_many(f->store, fields, TOKENS, NULL, ids));
    return f;
}

static void free_fixture(fixture *f)
{
    ASSERT_OK(ng_close(f->store));
    test_directory_remove(f->directory);
    free(f);
}

static bool has_graph(const fixture *f)
{
    ng_vector_graph graph;
    return ng_vector_graph_get(f->store, 0, &graph) == NG_OK && graph.row_count > 0;
}

static double recall(fixture *f)
{
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE};
    size_t right = 0;
    for (unsigned turn = 0; turn < 30; turn++) {
        float query[DIMENSIONS];
        ng_score all[FOUND], some[FOUND];
        size_t count;
        random_vector(f, query);
        options.effort = 0;
        ASSERT_OK(ng_vector_nearest(f->store, query, DIMENSIONS, &options, all, FOUND, &count));
        options.effort = 100;
        ASSERT_OK(ng_vector_nearest(f->store, query, DIMENSIONS, &options, some, FOUND, &count));
        for (size_t i = 0; i < FOUND; i++)
            for (size_t j = 0; j < count; j++)
                right += all[i].id == some[j].id;
    }
    ng_check_report report;
    ASSERT_OK(ng_check(f->store, &report));
    assert_string_equal(report.first_problem, "");
    return (double)right / (30.0 * FOUND);
}

static void change_some(fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ng_token_id id = 1 + test_random_below(&f->random, TOKENS);
        bool exists = false;
        write_token(f, 0);
        ASSERT_OK(ng_token_exists(f->store, id, &exists));
        if (exists && i % 2 == 0)
            ASSERT_OK(ng_token_delete(f->store, id, NULL));
        else if (exists)
            write_token(f, id);
    }
}

static void test_reopened(void **state)
{
    (void)state;
    fixture *f = make_fixture("graph reopened");
    reopen(f);
    assert_false(has_graph(f));
    ASSERT_OK(ng_vector_graph_build(f->store, &plain, NULL, NULL));
    ng_vector_graph before, after;
    ASSERT_OK(ng_vector_graph_get(f->store, 0, &before));
    for (unsigned round = 0; round < 4; round++) {
        reopen(f); /* the log alone; then with a snapshot behind, before and at the graph */
        ASSERT_OK(ng_vector_graph_get(f->store, 0, &after));
        assert_true(after.row_count > before.row_count / 2);
        assert_true(recall(f) > 0.95);
        change_some(f, 100);
        if (round == 1 || round == 3)
            ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
        if (round == 3)
            change_some(f, 100);
    }
    reopen(f);
    assert_true(has_graph(f));
    assert_true(recall(f) > 0.95);
    ASSERT_OK(ng_vector_graph_drop(f->store, 0));
    reopen(f);
    assert_false(has_graph(f));
    free_fixture(f);
}

static void test_killed(void **state)
{
    (void)state;
    fixture *f = make_fixture("graph killed");
    ASSERT_OK(ng_close(f->store));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_store(f);
        ASSERT_OK(ng_vector_graph_build(f->store, &plain, NULL, NULL));
        change_some(f, 50);
        _exit(0); /* nothing is closed */
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    open_store(f);
    assert_true(has_graph(f));
    assert_true(recall(f) > 0.95);
    free_fixture(f);
}

static void test_fields(void **state)
{
    (void)state;
    fixture *f = make_fixture("graph of a field");
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = 3,
                                             .metric = NG_VECTOR_L2};
    const ng_vector_graph_options field = {.struct_size = sizeof field, .field = 1};
    ng_vector_field_id id;
    ASSERT_OK(ng_vector_field_create(f->store, "where", &options, NULL, &id));
    for (ng_token_id token = 1; token <= 500; token++) {
        const float place[3] = {(float)token, (float)(token % 7), 1};
        const ng_field_vector vector = {.field = id, .values = place, .dimensions = 3};
        ng_token_fields fields = api_fields();
        fields.set = NG_FIELD_VECTORS;
        fields.vectors = &vector;
        fields.vector_count = 1;
        ASSERT_OK(ng_token_update(f->store, token, &fields, NULL));
    }
    ASSERT_OK(ng_vector_graph_build(f->store, &field, NULL, NULL));
    ASSERT_OK(ng_vector_graph_build(f->store, &plain, NULL, NULL));
    reopen(f);
    ng_vector_graph graph;
    ASSERT_OK(ng_vector_graph_get(f->store, id, &graph));
    assert_int_equal(graph.row_count, 500);
    assert_true(has_graph(f));
    ng_score hit;
    size_t count;
    const ng_vector_options near = {.struct_size = sizeof near, .effort = 20, .field = id};
    ASSERT_OK(ng_vector_nearest(f->store, (float[]){77, 0, 1}, 3, &near, &hit, 1, &count));
    assert_int_equal(hit.id, 77);
    ASSERT_OK(ng_vector_field_drop(f->store, id, NULL)); /* behind the graph in the log */
    reopen(f);
    ASSERT_FAILS(ng_vector_graph_get(f->store, id, &graph), NG_E_NOT_FOUND, "field");
    assert_true(has_graph(f));
    free_fixture(f);
}

/* Whatever stands in the file, the store opens, and its answers are right. */
static void test_damaged(void **state)
{
    (void)state;
    fixture *f = make_fixture("graph damaged");
    char path[256];
    struct stat file;
    snprintf(path, sizeof path, "%s/graphs", f->directory);
    ASSERT_OK(ng_vector_graph_build(f->store, &plain, NULL, NULL));
    ASSERT_OK(ng_close(f->store));
    assert_int_equal(stat(path, &file), 0);
    for (unsigned turn = 0; turn < 40; turn++) {
        uint8_t byte, other;
        off_t at = turn < 12 ? (off_t)(turn * 5)
                             : (off_t)test_random_below(&f->random, (uint64_t)file.st_size);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = (uint8_t)(byte ^ (1u << test_random_below(&f->random, 8)));
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        open_store(f);
        assert_true(recall(f) > 0.95); /* mostly exact: there is no graph */
        ASSERT_OK(ng_close(f->store));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    for (unsigned cut = 1; cut < 12; cut++) {
        assert_int_equal(truncate(path, file.st_size * (12 - cut) / 12), 0);
        open_store(f);
        assert_false(has_graph(f));
        assert_true(recall(f) == 1);
        ASSERT_OK(ng_close(f->store));
    }
    open_store(f);
    ASSERT_OK(ng_vector_graph_build(f->store, &plain, NULL, NULL));
    reopen(f);
    assert_true(has_graph(f));
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reopened),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests_name("graphs in files", tests, NULL, NULL);
}
