/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Another embedding in place of the one that is there: compared, switched to, switched back from; beside
 * views and transactions, interrupted at every step, killed, reopened. */
#include "api_stream_support.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 60
#define OLD_ONLY 6 /* the last words; the first GAINED have a new vector alone */
#define GAINED 4
#define OLD_SIZE 12
#define NEW_SIZE 14
#define MOST 14

typedef struct fixture {
    char *root;
    char path[600], old_path[600], new_path[600];
    ng_store *store;
    ng_vector_field_id field;
} fixture;

/* Numbers of a word: those of the new embedding are the old ones in another order, with a little noise. */
static float number(int word, int k)
{
    uint32_t h = (uint32_t)word * 2654435761u + (uint32_t)k * 40503u + 12345u;
    h ^= h >> 13;
    h *= 1274126177u;
    h ^= h >> 16;
    return (float)(h % 2001) / 1000 - 1 + (float)(word % 5 == k % 5) * 2;
}

static float new_number(int word, int k)
{
    float noise = 0.2f * (number(word, k + 50) - number(word, k + 55));
    return k >= OLD_SIZE ? noise : noise - number(word, k * 5 % OLD_SIZE);
}

/* A file of GloVe of words [first, end). */
static void write_file(const char *path, int first, int end, int size, float (*of)(int, int))
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = first; i < end; i++) {
        fprintf(file, "word%d", i);
        for (int k = 0; k < size; k++)
            fprintf(file, " %.9g", (double)of(i, k));
        fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->root = test_directory_create();
    test_path(f->path, sizeof f->path, f->root, "store");
    test_path(f->old_path, sizeof f->old_path, f->root, "old.txt");
    test_path(f->new_path, sizeof f->new_path, f->root, "new.txt");
    write_file(f->old_path, GAINED, WORDS, OLD_SIZE, number);
    write_file(f->new_path, 0, WORDS - OLD_ONLY, NEW_SIZE, new_number);
    f->store = api_disk_store(f->path);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ASSERT_OK(ng_close(f->store));
    test_directory_remove(f->root);
    free(f);
    return 0;
}

static void make_field(fixture *f, const char *name, uint32_t size)
{
    const ng_vector_field_options options = {.struct_size = sizeof options, .dimensions = size};
    ASSERT_OK(ng_vector_field_create(f->store, name, &options, NULL, &f->field));
}

/* Both embeddings, and the projection of the first. */
static void load_both(fixture *f)
{
    ng_bootstrap_options options = {.struct_size = sizeof options, .components = 6};
    ng_bootstrap_report report;
    ASSERT_OK(ng_bootstrap(f->store, f->old_path, &options, &report));
    assert_int_equal(report.components, 6);
    make_field(f, "new", NEW_SIZE);
    options.field = f->field;
    ASSERT_OK(ng_bootstrap(f->store, f->new_path, &options, &report));
    assert_int_equal(report.words_read, WORDS - OLD_ONLY);
    assert_int_equal(report.words_created, GAINED);
    assert_int_equal(report.words_updated, WORDS - OLD_ONLY - GAINED);
    assert_int_equal(report.components, 0);
    ASSERT_OK(ng_bootstrap(f->store, f->new_path, &options, &report));
    assert_int_equal(report.words_unchanged, WORDS - OLD_ONLY);
}

static ng_token_id word(ng_store *store, int i)
{
    char label[32];
    ng_token_id id = 0;
    snprintf(label, sizeof label, "word%d", i);
    ASSERT_OK(ng_word_find(store, NG_COLLECTION_SEMANTIC, label, strlen(label), &id));
    return id;
}

/* That a word has this vector there, or none (size 0). */
static void assert_vector(ng_store *store, ng_vector_field_id field, int i, int size,
                          float (*of)(int, int))
{
    float values[MOST];
    size_t count = 77;
    ASSERT_OK(ng_token_vector_in(store, word(store, i), field, values, MOST, &count));
    assert_int_equal(count, size);
    for (int k = 0; k < size; k++)
        assert_true(values[k] == of(i, k));
}

static void assert_vectors(ng_store *store, ng_vector_field_id old_in, ng_vector_field_id new_in)
{
    for (int i = 0; i < WORDS; i++) {
        assert_vector(store, old_in, i, i < GAINED ? 0 : OLD_SIZE, number);
        assert_vector(store, new_in, i, i < WORDS - OLD_ONLY ? NEW_SIZE : 0, new_number);
    }
}

static ng_embedding_switch_options options_of(const char *field, const char *keep_as)
{
    return (ng_embedding_switch_options){.struct_size = sizeof(ng_embedding_switch_options),
                                         .field = field,
                                         .keep_as = keep_as};
}

static void switch_to(ng_store *store, const char *field, const char *keep_as)
{
    const ng_embedding_switch_options options = options_of(field, keep_as);
    ASSERT_OK(ng_embedding_switch(store, &options, NULL));
}

/* Everything that a switch may change, but versions and times. */
typedef struct picture {
    int16_t coordinates[WORDS][NG_SPACE_COUNT][NG_AXIS_COUNT];
    uint16_t fields[WORDS];
    bool has_vector[WORDS];
    uint32_t dimensions;
    double explained[24];
} picture;

static void take_picture(ng_store *store, picture *out)
{
    ng_info info;
    memset(out, 0, sizeof *out);
    ASSERT_OK(ng_store_info(store, &info));
    out->dimensions = info.dimensions;
    memcpy(out->explained, info.explained_variance, sizeof out->explained);
    for (int i = 0; i < WORDS; i++) {
        ng_token_info token;
        ASSERT_OK(ng_token_get(store, word(store, i), &token));
        memcpy(out->coordinates[i], token.record.coordinates, sizeof out->coordinates[i]);
        out->fields[i] = token.vector_fields;
        out->has_vector[i] = token.has_vector;
    }
}

static bool has_coordinates(const picture *p, int i)
{
    for (int space = 0; space < NG_SPACE_COUNT; space++)
        if (p->coordinates[i][space][0] != NG_COORDINATE_ABSENT)
            return true;
    return false;
}

/* --- the exchange ---------------------------------------------------------------------------- */

static void test_there_and_back(void **state)
{
    fixture *f = *state;
    picture before, between, after;
    ng_vector_field_info info;
    ng_embedding_switch_options options = options_of("new", NULL);
    ng_embedding_switch_report report;
    load_both(f);
    take_picture(f->store, &before);
    ASSERT_OK(ng_embedding_switch(f->store, &options, &report));
    assert_false(report.was_switched);
    assert_int_equal(report.kept, f->field);
    assert_int_equal(report.dimensions, NEW_SIZE);
    assert_int_equal(report.components, 6);
    assert_int_equal(report.left, OLD_ONLY);
    assert_int_equal(report.aligned, 0);
    assert_vectors(f->store, f->field, 0);
    ASSERT_OK(ng_vector_field_get(f->store, f->field, &info));
    assert_string_equal(info.name, "previous");
    assert_int_equal(info.dimensions, OLD_SIZE);
    assert_int_equal(info.vector_count, WORDS - GAINED);
    ASSERT_OK(ng_vector_field_get(f->store, 0, &info));
    assert_int_equal(info.dimensions, NEW_SIZE);
    assert_int_equal(info.vector_count, WORDS - OLD_ONLY);
    take_picture(f->store, &between);
    for (int i = 0; i < WORDS; i++) {
        assert_int_equal(has_coordinates(&between, i), i < WORDS - OLD_ONLY);
        assert_int_equal(between.has_vector[i], i < WORDS - OLD_ONLY);
        assert_int_equal(between.fields[i], i < GAINED ? 0 : 1u << f->field);
    }
    assert_memory_not_equal(before.coordinates[20], between.coordinates[20],
                            sizeof before.coordinates[20]);
    api_assert_clean(f->store);
    options = options_of("previous", "new");
    ASSERT_OK(ng_embedding_switch(f->store, &options, &report));
    assert_int_equal(report.left, GAINED);
    assert_vectors(f->store, 0, f->field);
    take_picture(f->store, &after);
    /* What was gained and is lost again had no place before and has none afterwards. */
    assert_memory_equal(&before, &after, sizeof before);
    api_assert_clean(f->store);
}

/* Vectors of ten tokens in both fields, as bytes. */
typedef struct plain_picture {
    float values[10][2][5];
    size_t counts[10][2];
    ng_token records[10];
    uint64_t others[10][4]; /* whether it has vectors, in which fields, version, time */
} plain_picture;

static void take_plain(ng_store *store, plain_picture *out)
{
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < 10; i++) {
        for (uint32_t field = 0; field < 2; field++)
            ASSERT_OK(ng_token_vector_in(store, i + 1, field, out->values[i][field], 5,
                                         &out->counts[i][field]));
        ng_token_info info;
        ASSERT_OK(ng_token_get(store, i + 1, &info));
        const uint64_t others[4] = {info.has_vector, info.vector_fields, info.version,
                                    info.updated_us};
        out->records[i] = info.record;
        memcpy(out->others[i], others, sizeof others);
    }
}

/* Without a projection the op is all: what was before, bit for bit, with versions and times. */
static void test_back_is_the_same_state(void **state)
{
    fixture *f = *state;
    plain_picture before, after;
    uint64_t between;
    make_field(f, "b", 5);
    for (int i = 0; i < 10; i++) {
        float a[3] = {1, (float)i, -2}, b[5] = {0, 1, 2, (float)i, 4};
        ng_field_vector other = {.field = 1, .values = b, .dimensions = 5};
        ng_token_fields fields = api_fields();
        fields.set = NG_FIELD_VECTOR | (i % 3 != 0 ? (uint32_t)NG_FIELD_VECTORS : 0);
        fields.vector = a;
        fields.vector_dimensions = i % 4 != 0 ? 3 : 0;
        fields.vectors = &other;
        fields.vector_count = i % 3 != 0 ? 1 : 0;
        ng_token_id id;
        ASSERT_OK(ng_token_create(f->store, &fields, NULL, &id));
    }
    take_plain(f->store, &before);
    ng_seq seq = api_seq(f->store);
    switch_to(f->store, "b", "a");
    assert_int_equal(api_seq(f->store), seq + 1);
    switch_to(f->store, "a", "b");
    take_plain(f->store, &after);
    assert_memory_equal(&before, &after, sizeof before);
    switch_to(f->store, "b", "a");
    between = api_hash(f->store);
    api_assert_clean(f->store);
    ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
    ASSERT_OK(ng_close(f->store));
    f->store = api_disk_store(f->path); /* by the snapshot */
    assert_true(api_hash(f->store) == between);
    switch_to(f->store, "a", "b");
    switch_to(f->store, "b", "a");
    between = api_hash(f->store);
    ASSERT_OK(ng_close(f->store));
    f->store = api_disk_store(f->path); /* by the log */
    assert_true(api_hash(f->store) == between);
    api_assert_clean(f->store);
}

/* What is searched by the default field answers by the new vectors, in their dimensions. */
static void test_searches(void **state)
{
    fixture *f = *state;
    ng_score hit;
    size_t count = 0;
    float vector[MOST];
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE};
    const ng_vector_graph_options graph = {.struct_size = sizeof graph};
    ng_query_result *result = NULL;
    load_both(f);
    ASSERT_OK(ng_vector_graph_build(f->store, &graph, NULL, NULL));
    switch_to(f->store, "new", "old");
    for (int k = 0; k < MOST; k++)
        vector[k] = number(20, k);
    ASSERT_FAILS(ng_vector_nearest(f->store, vector, OLD_SIZE, &options, &hit, 1, &count),
                 NG_E_INVALID, "12", "14");
    options.field = f->field;
    ASSERT_OK(ng_vector_nearest(f->store, vector, OLD_SIZE, &options, &hit, 1, &count));
    assert_true(count == 1 && hit.id == word(f->store, 20));
    for (int k = 0; k < NEW_SIZE; k++)
        vector[k] = new_number(21, k);
    options.field = 0;
    for (int32_t remove = -1; remove <= 6; remove += 1) {
        options.remove_components = remove;
        ASSERT_OK(ng_vector_nearest(f->store, vector, NEW_SIZE, &options, &hit, 1, &count));
        assert_true(count == 1 && hit.id == word(f->store, 21));
    }
    ASSERT_OK(ng_query(f->store, "word22 word23", NULL, &result));
    ng_query_result_destroy(result);
    switch_to(f->store, "old", "new");
    ASSERT_OK(ng_query(f->store, "word22 word23", NULL, &result));
    ng_query_result_destroy(result);
}

static void test_keeps_coordinates(void **state)
{
    fixture *f = *state;
    picture before, after;
    ng_embedding_switch_options options = options_of("new", "old");
    ng_embedding_switch_report report;
    load_both(f);
    take_picture(f->store, &before);
    options.keep_coordinates = true;
    ASSERT_OK(ng_embedding_switch(f->store, &options, &report));
    take_picture(f->store, &after);
    assert_memory_equal(before.coordinates, after.coordinates, sizeof before.coordinates);
    assert_memory_not_equal(before.explained, after.explained, sizeof before.explained);
    assert_int_equal(report.components, 6);
}

static void test_aligns_what_is_missing(void **state)
{
    fixture *f = *state;
    picture before, after;
    ng_embedding_switch_options options = options_of("new", "old");
    ng_embedding_switch_report report;
    load_both(f);
    take_picture(f->store, &before);
    options.align_missing = true;
    ASSERT_OK(ng_embedding_switch(f->store, &options, &report));
    assert_int_equal(report.aligned, OLD_ONLY);
    assert_int_equal(report.left, 0);
    for (int i = WORDS - OLD_ONLY; i < WORDS; i++) {
        float values[MOST];
        double dot = 0, xx = 0, yy = 0;
        size_t count = 0;
        ASSERT_OK(ng_token_vector(f->store, word(f->store, i), values, MOST, &count));
        assert_int_equal(count, NEW_SIZE);
        for (int k = 0; k < NEW_SIZE; k++) {
            dot += (double)values[k] * (double)new_number(i, k);
            xx += (double)values[k] * (double)values[k];
            yy += (double)new_number(i, k) * (double)new_number(i, k);
        }
        assert_true(dot / sqrt(xx * yy) > 0.9); /* where the new model would have put it */
    }
    switch_to(f->store, "old", "new");
    take_picture(f->store, &after);
    assert_memory_equal(before.coordinates, after.coordinates, sizeof before.coordinates);
    for (int i = GAINED; i < WORDS; i++)
        assert_vector(f->store, 0, i, OLD_SIZE, number);
}

/* --- beside others --------------------------------------------------------------------------- */

static void test_views_keep_their_moment(void **state)
{
    fixture *f = *state;
    ng_view *before, *after;
    uint64_t hash;
    float values[MOST];
    size_t count;
    load_both(f);
    ASSERT_OK(ng_view_open(f->store, NULL, &before));
    hash = api_hash(f->store);
    switch_to(f->store, "new", "old");
    ASSERT_OK(ng_view_open(f->store, NULL, &after));
    ASSERT_OK(ng_vector_field_drop(f->store, f->field, NULL));
    ASSERT_OK(ng_token_delete(f->store, word(f->store, 30), NULL));
    for (int pass = 0; pass < 2; pass++) {
        ng_view *view = pass == 0 ? before : after;
        ng_token_id id = word(f->store, 20);
        ASSERT_OK(ng_view_token_vector(view, id, values, MOST, &count));
        assert_int_equal(count, pass == 0 ? OLD_SIZE : NEW_SIZE);
        assert_true(values[3] == (pass == 0 ? number(20, 3) : new_number(20, 3)));
        ASSERT_OK(ng_view_token_vector_in(view, id, f->field, values, MOST, &count));
        assert_int_equal(count, pass == 0 ? NEW_SIZE : OLD_SIZE);
        assert_true(values[3] == (pass == 0 ? new_number(20, 3) : number(20, 3)));
    }
    uint64_t seen = 0;
    ASSERT_OK(ng_view_state_hash(before, &seen));
    assert_true(seen == hash);
    ng_view_close(before);
    ng_view_close(after);
    api_assert_clean(f->store);
    /* The old ones are gone for good; a new field takes the number again only later. */
    make_field(f, "third", OLD_SIZE);
    api_assert_clean(f->store);
}

static void exchange(ng_store *store, const char *field, const char *keep_as)
{
    ng_embedding_switch_options options = options_of(field, keep_as);
    options.keep_coordinates = true;
    ASSERT_OK(ng_embedding_switch(store, &options, NULL));
}

/* What was staged for one embedding does not end up in the other, nor where it was before and is again. */
static void test_transactions_conflict(void **state)
{
    fixture *f = *state;
    const float values[MOST] = {1, 2, 3};
    load_both(f);
    const ng_field_vector other = {.field = f->field, .values = values, .dimensions = NEW_SIZE};
    for (int pass = 0; pass < 4; pass++) {
        ng_txn *txn;
        ng_token_fields fields = api_fields();
        ASSERT_OK(ng_txn_begin(f->store, NULL, &txn));
        const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
        fields.set = pass % 2 == 0 ? NG_FIELD_VECTOR : NG_FIELD_VECTORS;
        fields.vector = pass % 2 == 0 ? values : NULL;
        fields.vector_dimensions = pass % 2 == 0 ? OLD_SIZE : 0;
        fields.vectors = pass % 2 == 0 ? NULL : &other;
        fields.vector_count = pass % 2 == 0 ? 0 : 1;
        ASSERT_OK(ng_token_update(f->store, word(f->store, 20), &fields, &write));
        exchange(f->store, "new", "old");
        if (pass < 2)
            assert_int_equal(ng_txn_commit(txn, NULL), NG_E_CONFLICT);
        exchange(f->store, "old", "new");
        if (pass >= 2)
            assert_int_equal(ng_txn_commit(txn, NULL), NG_E_CONFLICT);
    }
    assert_vectors(f->store, 0, f->field);
    api_assert_clean(f->store);
}

static void test_a_follower_goes_along(void **state)
{
    fixture *f = *state;
    char copy_path[600];
    ng_store *copy;
    api_blob blob = {0};
    ng_restore_options restore = {.struct_size = sizeof restore, .follow = true};
    load_both(f);
    ASSERT_OK(ng_stream_write(f->store, NULL, api_blob_sink, &blob, NULL));
    test_path(copy_path, sizeof copy_path, f->root, "copy");
    ASSERT_OK(ng_stream_restore(api_blob_source, &blob, copy_path, &restore, NULL));
    api_blob_release(&blob);
    copy = api_disk_store(copy_path);
    switch_to(f->store, "new", "old");
    blob = (api_blob){0};
    const ng_stream_options options = {.struct_size = sizeof options,
                                       .incremental = true,
                                       .after = api_seq(copy)};
    ASSERT_OK(ng_stream_write(f->store, &options, api_blob_sink, &blob, NULL));
    ASSERT_OK(ng_stream_apply(copy, api_blob_source, &blob, NULL));
    api_blob_release(&blob);
    assert_true(api_hash(copy) == api_hash(f->store));
    assert_vectors(copy, f->field, 0);
    api_assert_clean(copy);
    ASSERT_OK(ng_close(copy));
}

/* --- interruptions --------------------------------------------------------------------------- */

static bool count_down(void *context, const ng_progress *progress)
{
    int *left = context;
    (void)progress;
    return --*left >= 0;
}

/* Stopped after any report of progress, the same call completes it: the state of one that was not. */
static void test_stopped_anywhere(void **state)
{
    fixture *f = *state;
    picture wanted, got;
    ng_embedding_switch_options options = options_of("new", "old");
    options.align_missing = true;
    load_both(f);
    ASSERT_OK(ng_embedding_switch(f->store, &options, NULL));
    take_picture(f->store, &wanted);
    switch_to(f->store, "old", "new");
    int stops = 0;
    for (ng_status status = NG_E_CANCELLED; status == NG_E_CANCELLED; stops++) {
        int left = stops;
        ng_embedding_switch_report report;
        options.progress = count_down;
        options.progress_context = &left;
        status = ng_embedding_switch(f->store, &options, &report);
        if (status != NG_OK)
            assert_int_equal(status, NG_E_CANCELLED);
        options.progress = NULL;
        api_assert_clean(f->store);
        ASSERT_OK(ng_embedding_switch(f->store, &options, &report));
        take_picture(f->store, &got);
        assert_memory_equal(&wanted, &got, sizeof wanted);
        switch_to(f->store, "old", "new");
    }
    assert_true(stops > 4);
}

static bool kill_at(void *context, const ng_progress *progress)
{
    int *left = context;
    (void)progress;
    if (--*left < 0)
        (void)raise(SIGKILL);
    return true;
}

static void test_killed_anywhere(void **state)
{
    fixture *f = *state;
    picture wanted, got;
    ng_embedding_switch_options options = options_of("new", "old");
    load_both(f);
    ASSERT_OK(ng_embedding_switch(f->store, &options, NULL));
    take_picture(f->store, &wanted);
    switch_to(f->store, "old", "new");
    int kills = 0;
    for (bool is_killed = true; is_killed; kills++) {
        int left = kills, ended = 0;
        ASSERT_OK(ng_close(f->store));
        f->store = NULL;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            ng_store *store = api_disk_store(f->path);
            options.progress = kill_at;
            options.progress_context = &left;
            ng_status status = ng_embedding_switch(store, &options, NULL);
            _exit(status == NG_OK && ng_close(store) == NG_OK ? 0 : 1);
        }
        assert_true(waitpid(child, &ended, 0) == child);
        is_killed = WIFSIGNALED(ended);
        assert_true(is_killed || WEXITSTATUS(ended) == 0);
        f->store = api_disk_store(f->path);
        api_assert_clean(f->store);
        ASSERT_OK(ng_embedding_switch(f->store, &options, NULL));
        take_picture(f->store, &got);
        assert_memory_equal(&wanted, &got, sizeof wanted);
        assert_vectors(f->store, f->field, 0);
        switch_to(f->store, "old", "new");
    }
    assert_true(kills > 3);
}

/* --- comparing ------------------------------------------------------------------------------- */

static void test_compares(void **state)
{
    fixture *f = *state;
    ng_embedding_compare_options options = {.struct_size = sizeof options, .k = 5};
    ng_embedding_report report, again;
    uint64_t hash;
    load_both(f);
    hash = api_hash(f->store);
    options.field = f->field;
    ASSERT_OK(ng_embedding_compare(f->store, &options, &report));
    assert_int_equal(report.shared, WORDS - GAINED - OLD_ONLY);
    assert_int_equal(report.lost, OLD_ONLY);
    assert_int_equal(report.gained, GAINED);
    assert_int_equal(report.old_dimensions, OLD_SIZE);
    assert_int_equal(report.new_dimensions, NEW_SIZE);
    assert_int_equal(report.sampled, report.shared);
    assert_int_equal(report.fitted + report.held_out, report.shared);
    assert_true(report.fitted_cosine > 0.9 && report.held_out_cosine > 0.9);
    assert_true(report.recall > 0.3 && report.recall < 1);
    assert_true(report.jaccard > 0.1 && report.jaccard < report.recall);
    assert_int_equal(report.worst_count, NG_EMBEDDING_WORST);
    for (uint32_t i = 1; i < report.worst_count; i++)
        assert_true(report.worst[i - 1].kept < report.worst[i].kept ||
                    (report.worst[i - 1].kept == report.worst[i].kept &&
                     report.worst[i - 1].id < report.worst[i].id));
    assert_true(api_hash(f->store) == hash);
    options.sample = 7;
    options.seed = 99;
    ASSERT_OK(ng_embedding_compare(f->store, &options, &report));
    ASSERT_OK(ng_embedding_compare(f->store, &options, &again));
    assert_int_equal(report.sampled, 7);
    assert_memory_equal(report.worst, again.worst, sizeof report.worst);
    assert_true(report.recall == again.recall);
}

/* The same vectors lose nothing; vectors of other words keep what chance keeps. */
static void test_compares_what_is_known(void **state)
{
    fixture *f = *state;
    ng_embedding_compare_options options = {.struct_size = sizeof options, .k = 5};
    ng_embedding_report report;
    ng_bootstrap_options load = {.struct_size = sizeof load};
    ASSERT_OK(ng_bootstrap(f->store, f->old_path, &load, NULL));
    make_field(f, "same", OLD_SIZE);
    options.field = load.field = f->field;
    ASSERT_OK(ng_bootstrap(f->store, f->old_path, &load, NULL));
    ASSERT_OK(ng_embedding_compare(f->store, &options, &report));
    assert_true(report.recall == 1 && report.jaccard == 1);
    assert_true(report.fitted_cosine > 1 - 1e-12 && report.held_out_cosine > 1 - 1e-12);
    assert_int_equal(report.worst_count, 0);
    make_field(f, "other", OLD_SIZE);
    for (int i = GAINED; i < WORDS; i++) {
        float values[OLD_SIZE];
        ng_field_vector other = {.field = f->field, .values = values, .dimensions = OLD_SIZE};
        ng_token_fields fields = api_fields();
        for (int k = 0; k < OLD_SIZE; k++)
            values[k] = number(1000 + i * 7, k + 3);
        fields.set = NG_FIELD_VECTORS;
        fields.vectors = &other;
        fields.vector_count = 1;
        ASSERT_OK(ng_token_update(f->store, word(f->store, i), &fields, NULL));
    }
    options.field = f->field;
    ASSERT_OK(ng_embedding_compare(f->store, &options, &report));
    assert_true(report.recall < 0.5);
    assert_true(report.held_out_cosine < report.fitted_cosine);
}

/* --- errors ---------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
    fixture *f = *state;
    ng_embedding_compare_options compare = {.struct_size = sizeof compare, .field = 1};
    ng_embedding_switch_options options = options_of("new", "old");
    const ng_vector_field_options dot = {.struct_size = sizeof dot,
                                         .dimensions = 4,
                                         .metric = NG_VECTOR_DOT};
    ng_embedding_report report;
    ng_vector_field_id id;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_NOT_FOUND, "field 1");
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_NOT_FOUND, "new");
    make_field(f, "new", NEW_SIZE);
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_NOT_FOUND, "no vectors");
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_NOT_FOUND, "no vectors");
    ng_bootstrap_options load = {.struct_size = sizeof load, .field = f->field};
    ASSERT_OK(ng_bootstrap(f->store, f->new_path, &load, NULL));
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_NOT_FOUND, "no vectors");
    load.field = 0;
    ASSERT_OK(ng_bootstrap(f->store, f->old_path, &load, NULL));
    ASSERT_OK(ng_vector_field_create(f->store, "dot", &dot, NULL, &id));
    uint64_t hash = api_hash(f->store);
    compare.field = id;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_INVALID, "dot", "cosine");
    compare.field = 0;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_INVALID, "field 0");
    compare.field = 16;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_INVALID, "field 16");
    compare.field = 1;
    compare.k = 101;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_INVALID, "k 101");
    compare.k = 1;
    compare.sample = 100001;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_INVALID, "sample 100001");
    compare.sample = 1;
    compare.collection = 77;
    ASSERT_FAILS(ng_embedding_compare(f->store, &compare, &report), NG_E_NOT_FOUND, "77");
    options.field = "dot";
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_INVALID, "cosine");
    options = options_of("new", "dot");
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_EXISTS, "dot");
    options = options_of("new", "new");
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_INVALID, "keep_as");
    options = options_of("new", "No!");
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_INVALID, "No!");
    options = options_of(NULL, NULL);
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_INVALID, "field");
    options = options_of("new", NULL);
    options.components = 25;
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_INVALID, "components 25");
    options.struct_size = 1;
    ASSERT_FAILS(ng_embedding_switch(f->store, &options, NULL), NG_E_INVALID, "struct_size");
    assert_true(api_hash(f->store) == hash);
}

static void test_load_into_a_field(void **state)
{
    fixture *f = *state;
    ng_bootstrap_options load = {.struct_size = sizeof load, .existing_only = true};
    ng_bootstrap_report report;
    make_field(f, "new", NEW_SIZE);
    load.field = f->field;
    ASSERT_OK(ng_bootstrap(f->store, f->new_path, &load, &report));
    assert_int_equal(report.words_skipped, WORDS - OLD_ONLY);
    assert_int_equal(report.words_created + report.words_updated, 0);
    ASSERT_FAILS(ng_bootstrap(f->store, f->old_path, &load, NULL), NG_E_FORMAT, "old.txt", "12",
                 "'new' has 14");
    load.field = 9;
    ASSERT_FAILS(ng_bootstrap(f->store, f->new_path, &load, NULL), NG_E_NOT_FOUND, "9");
    load.field = f->field;
    load.format = NG_FORMAT_WORDNET;
    ASSERT_FAILS(ng_bootstrap(f->store, f->root, &load, NULL), NG_E_INVALID, "field");
}

/* A store that was opened for one number of dimensions refuses another. */
static void test_dimensions_of_the_store(void **state)
{
    fixture *f = *state;
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = NG_OPEN_MANUAL,
                               .dimensions = OLD_SIZE};
    const ng_embedding_switch_options there = options_of("new", "old");
    load_both(f);
    ASSERT_OK(ng_close(f->store));
    f->store = NULL;
    ASSERT_OK(ng_open(f->path, &options, &f->store));
    ASSERT_FAILS(ng_embedding_switch(f->store, &there, NULL), NG_E_INVALID, "14", "12");
    assert_vectors(f->store, 0, f->field);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),
        TEST(test_back_is_the_same_state),
        TEST(test_searches),
        TEST(test_keeps_coordinates),
        TEST(test_aligns_what_is_missing),
        TEST(test_views_keep_their_moment),
        TEST(test_transactions_conflict),
        TEST(test_a_follower_goes_along),
        TEST(test_stopped_anywhere),
        TEST(test_killed_anywhere),
        TEST(test_compares),
        TEST(test_compares_what_is_known),
        TEST(test_errors),
        TEST(test_load_into_a_field),
        TEST(test_dimensions_of_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
