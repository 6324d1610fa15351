/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Readers of every kind beside writers, bounded by counts; meaningful under ThreadSanitizer.
 *
 * Each writer keeps a pair of tokens whose three coordinates, weight and radius always say the same
 * number: a torn read would show two. */
#include "api_support.h"

#include "test_directory.h"
#include "test_random.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WRITERS 2
#define TOKENS_OF_WRITER 50

typedef struct shared_state {
    ng_store *store;
    atomic_int writers_left;
    atomic_int wrong; /* calls that answered what cannot be */
    atomic_uint_fast64_t reads;
    uint64_t rounds; /* of each writer */
} shared_state;

typedef struct worker_state {
    shared_state *shared;
    uint64_t number;
} worker_state;

static const char *wrong_text; /* of the first wrong answer; written once, read after joining */

static void note_wrong(shared_state *shared, const char *what)
{
    if (atomic_fetch_add(&shared->wrong, 1) == 0)
        wrong_text = what;
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            note_wrong(shared, #condition);                                                        \
    } while (0)

static void set_number(ng_token_fields *fields, float vector[8], uint64_t number)
{
    *fields = api_fields();
    fields->set = NG_FIELD_WEIGHT | NG_FIELD_RADIUS | NG_FIELD_VECTOR;
    fields->weight = (float)(number % 200) / 200;
    fields->field_radius = (float)(number % 200) / 100;
    fields->spaces_set = 1;
    for (int i = 0; i < 3; i++)
        fields->coordinates[0][i] = (float)(number % 200);
    for (int i = 0; i < 8; i++)
        vector[i] = (float)((number * (uint64_t)(i + 3)) % 17 + 1);
    fields->vector = vector;
    fields->vector_dimensions = 8;
}

static bool is_whole(const ng_token *record)
{
    long number = record->coordinates[0][0] / 100;
    return record->coordinates[0][1] == record->coordinates[0][0] &&
           record->coordinates[0][2] == record->coordinates[0][0] &&
           record->field_radius == number && lrintf(record->weight * 200) == number;
}

/* A collection of the writer's own: filled, changed by the batch, and dropped under the readers. */
static void write_collection(worker_state *worker, const ng_write_options *write)
{
    shared_state *shared = worker->shared;
    ng_store *store = shared->store;
    ng_token_fields fields[4];
    ng_token_id ids[4];
    float vector[8];
    char name[32], labels[4][8];
    ng_collection_id collection = 0;
    bool created[4];
    snprintf(name, sizeof name, "writer-%llu", (unsigned long long)worker->number);
    EXPECT(ng_collection_create(store, name, write, &collection) == NG_OK);
    for (size_t i = 0; i < 4; i++) {
        set_number(&fields[i], vector, i);
        fields[i].set = (fields[i].set & ~(uint32_t)NG_FIELD_VECTOR) | NG_FIELD_LABEL;
        fields[i].collection = collection;
        fields[i].label = labels[i];
        fields[i].label_bytes = (size_t)snprintf(labels[i], sizeof labels[i], "w%zu", i);
    }
    EXPECT(ng_token_create_many(store, fields, 2, write, ids) == NG_OK);
    EXPECT(ng_token_upsert_many(store, fields, 4, write, ids, created) == NG_OK);
    EXPECT(!created[0] && created[3]);
    EXPECT(ng_token_update_many(store, ids, fields, 4, write) == NG_OK);
    EXPECT(ng_token_delete_many(store, ids, 2, write) == NG_OK);
    EXPECT(ng_collection_drop(store, collection, write, NULL) == NG_OK);
}

static void *writer_main(void *argument)
{
    worker_state *worker = argument;
    shared_state *shared = worker->shared;
    ng_store *store = shared->store;
    test_random random = {worker->number};
    ng_token_id own[TOKENS_OF_WRITER];
    ng_token_fields fields;
    float vector[8];
    ng_write_options nowait = {.struct_size = sizeof nowait, .flags = NG_WRITE_NOWAIT};
    for (size_t i = 0; i < TOKENS_OF_WRITER; i++) {
        set_number(&fields, vector, i);
        EXPECT(ng_token_create(store, &fields, &nowait, &own[i]) == NG_OK);
    }
    for (uint64_t round = 0; round < shared->rounds; round++) {
        size_t at = test_random_below(&random, TOKENS_OF_WRITER);
        size_t to = (at + 1 + test_random_below(&random, TOKENS_OF_WRITER - 1)) % TOKENS_OF_WRITER;
        ng_write_options *write = round % 16 == 0 ? NULL : &nowait;
        ng_connection_fields ends = {.struct_size = sizeof ends,
                                     .source = own[at],
                                     .target = own[to]};
        ng_connection_id link;
        char label[32];
        set_number(&fields, vector, round);
        if (round % 64 == 63)
            write_collection(worker, &nowait);
        switch (test_random_below(&random, 6)) {
        case 0:
            EXPECT(ng_token_delete(store, own[at], write) == NG_OK);
            EXPECT(ng_token_create(store, &fields, write, &own[at]) == NG_OK);
            break;
        case 1:
            fields.set |= NG_FIELD_LABEL;
            fields.label = label;
            fields.label_bytes =
                (size_t)snprintf(label, sizeof label, "w%llu-%llu",
                                 (unsigned long long)worker->number, (unsigned long long)round);
            EXPECT(ng_token_update(store, own[at], &fields, write) == NG_OK);
            break;
        case 2:
            if (ng_connection_create(store, &ends, write, &link) == NG_OK && round % 3 == 0)
                EXPECT(ng_connection_delete(store, link, write) == NG_OK);
            break;
        default:
            EXPECT(ng_token_update(store, own[at], &fields, write) == NG_OK);
            break;
        }
    }
    atomic_fetch_sub(&shared->writers_left, 1);
    return NULL;
}

/* A token may be deleted between any two calls; every other answer must be right. */
static bool is_found(ng_status status)
{
    return status == NG_OK || status == NG_E_NOT_FOUND;
}

static void read_tokens(shared_state *shared, test_random *random)
{
    ng_token_id page[64];
    size_t count = 0, bytes = 0;
    ng_token record;
    ng_token_info info;
    char label[64];
    float vector[8];
    EXPECT(ng_token_list(shared->store, NG_COLLECTION_RUNTIME, test_random_below(random, 100), page,
                         64, &count) == NG_OK);
    for (size_t i = 0; i < count; i++) {
        EXPECT(i == 0 || page[i] > page[i - 1]);
        ng_status status = ng_token_read(shared->store, page[i], &record);
        EXPECT(is_found(status));
        EXPECT(status != NG_OK || (is_whole(&record) && record.slot == page[i]));
        status = ng_token_get(shared->store, page[i], &info);
        EXPECT(is_found(status));
        EXPECT(status != NG_OK || is_whole(&info.record));
        status = ng_token_label(shared->store, page[i], label, sizeof label, &bytes);
        EXPECT(is_found(status));
        EXPECT(status != NG_OK || bytes == 0 || label[0] == 'w');
        status = ng_token_vector(shared->store, page[i], vector, 8, &bytes);
        EXPECT(is_found(status));
        EXPECT(status != NG_OK || (bytes == 8 && vector[0] >= 1 && vector[7] <= 17));
    }
}

/* The same by the batch, of all collections, in either direction. */
static void read_batches(shared_state *shared, test_random *random)
{
    ng_page_options options = {.struct_size = sizeof options,
                               .collection = NG_COLLECTION_ANY,
                               .offset = test_random_below(random, 30),
                               .descending = test_random_chance(random, 50)};
    ng_token_id page[32];
    ng_token records[32];
    ng_token_info infos[32];
    size_t count = 0, found = 0, whole = 0;
    uint64_t tokens = 0, active = 0;
    bool exists = true;
    EXPECT(ng_token_page(shared->store, &options, page, 32, &count) == NG_OK);
    EXPECT(ng_token_read_many(shared->store, page, count, records, &found) == NG_OK);
    for (size_t i = 0; i < count; i++) {
        EXPECT(i == 0 || (options.descending ? page[i] < page[i - 1] : page[i] > page[i - 1]));
        EXPECT(records[i].slot == 0 || (records[i].slot == page[i] && is_whole(&records[i])));
        whole += records[i].slot != 0;
    }
    EXPECT(whole == found);
    EXPECT(ng_token_get_many(shared->store, page, count, infos, &found) == NG_OK);
    for (size_t i = 0; i < count; i++)
        EXPECT(infos[i].id == 0 || (infos[i].id == page[i] && is_whole(&infos[i].record)));
    EXPECT(ng_token_exists(shared->store, 1 + test_random_below(random, 300), &exists) == NG_OK);
    EXPECT(ng_token_count(shared->store, NG_COLLECTION_ANY, false, &tokens) == NG_OK);
    EXPECT(ng_token_count(shared->store, NG_COLLECTION_RUNTIME, true, &active) == NG_OK);
    ng_collection_info list[4];
    EXPECT(ng_collection_list(shared->store, list, 4, &count) == NG_OK);
    EXPECT(count >= 2 && list[1].id == NG_COLLECTION_SEMANTIC);
}

static void read_graph(shared_state *shared, test_random *random)
{
    ng_edge edges[64];
    size_t count = 0;
    ng_token_id a = 1 + test_random_below(random, 100), b = 1 + test_random_below(random, 100);
    ng_status status = ng_token_connections(shared->store, a, NULL, edges, 64, &count);
    EXPECT(is_found(status));
    for (size_t i = 0; status == NG_OK && i < count && i < 64; i++)
        EXPECT(edges[i].source == a || edges[i].target == a);
    EXPECT(is_found(ng_connections_between(shared->store, a, b, edges, 64, &count)));
    EXPECT(is_found(ng_path_find(shared->store, a, b, NULL, edges, 64, &count)));
    ng_connection record;
    EXPECT(is_found(ng_connection_get(shared->store, 1 + test_random_below(random, 200), &record)));
}

static void read_searches(shared_state *shared, test_random *random)
{
    ng_hit hits[16];
    ng_score scores[16];
    size_t count = 0;
    float vector[8];
    ng_token_fields fields;
    set_number(&fields, vector, test_random_below(random, 1000));
    EXPECT(ng_grid_range(shared->store, NG_SPACE_PHYSICAL, fields.coordinates[0], 30, NULL, hits,
                         16, &count) == NG_OK);
    for (size_t i = 1; i < count && i < 16; i++)
        EXPECT(hits[i].distance >= hits[i - 1].distance);
    EXPECT(ng_grid_nearest(shared->store, NG_SPACE_PHYSICAL, fields.coordinates[0], NULL, hits, 16,
                           &count) == NG_OK);
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE};
    ng_status status = ng_vector_nearest(shared->store, vector, 8, &options, scores, 16, &count);
    EXPECT(is_found(status));
    for (size_t i = 1; status == NG_OK && i < count; i++)
        EXPECT(scores[i].score <= scores[i - 1].score);
    status = ng_token_neighbors(shared->store, 1 + test_random_below(random, 100),
                                NG_SPACE_PHYSICAL, NULL, hits, 16, &count);
    EXPECT(is_found(status));
}

static void read_whole(shared_state *shared)
{
    ng_info info;
    ng_cdna cdna;
    ng_check_report report;
    uint64_t hash;
    ng_seq applied = 0, durable = 0;
    ng_token_id id;
    ng_positions(shared->store, &applied, &durable);
    EXPECT(ng_store_info(shared->store, &info) == NG_OK);
    EXPECT(info.applied_seq >= applied && info.active_token_count <= info.token_count);
    EXPECT(ng_wait_durable(shared->store, applied) == NG_OK);
    EXPECT(ng_cdna_get(shared->store, &cdna) == NG_OK);
    EXPECT(ng_check(shared->store, &report) == NG_OK && report.problem_count == 0);
    EXPECT(ng_state_hash(shared->store, &hash) == NG_OK);
    EXPECT(is_found(ng_token_find(shared->store, 0, "w1-7", 4, &id)));
}

static void *reader_main(void *argument)
{
    worker_state *worker = argument;
    shared_state *shared = worker->shared;
    test_random random = {worker->number};
    uint64_t turns = 0;
    while (atomic_load(&shared->writers_left) > 0) {
        switch ((turns++ + worker->number) % 5) {
        case 0:
            read_tokens(shared, &random);
            break;
        case 1:
            read_graph(shared, &random);
            break;
        case 2:
            read_searches(shared, &random);
            break;
        case 3:
            read_batches(shared, &random);
            break;
        default:
            if (turns % 10 == 0)
                read_whole(shared);
            break;
        }
    }
    atomic_fetch_add(&shared->reads, turns);
    return NULL;
}

static void run_threads(ng_store *store, uint64_t rounds, size_t readers)
{
    shared_state shared = {.store = store, .rounds = rounds};
    pthread_t threads[16];
    worker_state workers[16];
    size_t count = WRITERS + readers;
    wrong_text = NULL;
    atomic_init(&shared.writers_left, WRITERS);
    for (size_t i = 0; i < count; i++) {
        workers[i] = (worker_state){.shared = &shared, .number = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? writer_main : reader_main,
                                        &workers[i]),
                         0);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (atomic_load(&shared.wrong) != 0)
        fail_msg("%d wrong answers, first: %s", atomic_load(&shared.wrong), wrong_text);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.token_count, WRITERS * TOKENS_OF_WRITER);
    ng_check_report report;
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
}

static void test_memory_store(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    run_threads(store, test_environment("NG_TEST_STEPS", 3000), 3);
    ASSERT_OK(ng_close(store));
}

static void test_file_store(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    uint64_t before = 0, after = 1;
    ng_open_options options = {.struct_size = sizeof options, .segment_bytes = 64 << 10};
    test_path(path, sizeof path, directory, "store");
    ASSERT_OK(ng_open(path, &options, &store));
    run_threads(store, test_environment("NG_TEST_STEPS", 1500), 2);
    ASSERT_OK(ng_state_hash(store, &before));
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, &options, &store));
    ASSERT_OK(ng_state_hash(store, &after));
    assert_true(before == after);
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

/* The same label from all writers at once: one wins, the others are told who has it. */
typedef struct racer_state {
    ng_store *store;
    pthread_barrier_t *start;
    int won;
} racer_state;

#define RACES 200

static void *racer_main(void *argument)
{
    racer_state *racer = argument;
    ng_write_options nowait = {.struct_size = sizeof nowait, .flags = NG_WRITE_NOWAIT};
    for (int i = 0; i < RACES; i++) {
        char label[32];
        ng_token_id id = 0;
        ng_token_fields fields = api_fields();
        fields.set = NG_FIELD_LABEL;
        fields.label = label;
        fields.label_bytes = (size_t)snprintf(label, sizeof label, "race %d", i);
        pthread_barrier_wait(racer->start);
        ng_status status = ng_token_create(racer->store, &fields, &nowait, &id);
        if (status == NG_OK)
            racer->won++;
        else if (status != NG_E_EXISTS)
            racer->won -= 1000000;
    }
    return NULL;
}

static void test_one_label_many_writers(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    pthread_barrier_t start;
    pthread_t threads[4];
    racer_state racers[4];
    int won = 0;
    assert_int_equal(pthread_barrier_init(&start, NULL, 4), 0);
    for (int i = 0; i < 4; i++) {
        racers[i] = (racer_state){.store = store, .start = &start};
        assert_int_equal(pthread_create(&threads[i], NULL, racer_main, &racers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        won += racers[i].won;
    }
    assert_int_equal(won, RACES);
    pthread_barrier_destroy(&start);
    ng_info info;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.token_count, RACES);
    ASSERT_OK(ng_close(store));
}

/* Many writers that all wait for the disk, so that groups of every size follow each other across
 * segments: each acknowledged op is durable, and the log holds each exactly once. */
#define GROUP_WRITERS 8

typedef struct group_writer {
    ng_store *store;
    uint64_t count;
    uint64_t wrong;
} group_writer;

static void *group_main(void *argument)
{
    group_writer *writer = argument;
    for (uint64_t i = 0; i < writer->count; i++) {
        ng_token_id id = 0;
        ng_seq seq = 0, durable = 0;
        ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
        write.flags = i % 5 == 0 ? NG_WRITE_NOWAIT : 0;
        writer->wrong += ng_token_create(writer->store, NULL, &write, &id) != NG_OK;
        if (i % 10 == 0)
            writer->wrong += ng_wait_durable(writer->store, seq) != NG_OK;
        ng_positions(writer->store, NULL, &durable);
        writer->wrong += durable < seq && i % 5 != 0;
    }
    return NULL;
}

static void test_group_commit(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char path[600];
    ng_store *store = NULL;
    pthread_t threads[GROUP_WRITERS];
    group_writer writers[GROUP_WRITERS];
    uint64_t before = 0, after = 1, steps = test_environment("NG_TEST_STEPS", 500);
    ng_open_options options = {.struct_size = sizeof options, .segment_bytes = 64 << 10};
    test_path(path, sizeof path, directory, "store");
    ASSERT_OK(ng_open(path, &options, &store));
    for (int i = 0; i < GROUP_WRITERS; i++) {
        writers[i] = (group_writer){.store = store, .count = steps};
        assert_int_equal(pthread_create(&threads[i], NULL, group_main, &writers[i]), 0);
    }
    for (int i = 0; i < GROUP_WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(writers[i].wrong, 0);
    }
    ng_info info;
    ng_check_report report;
    ASSERT_OK(ng_store_info(store, &info));
    assert_int_equal(info.applied_seq, GROUP_WRITERS * steps);
    assert_int_equal(info.token_count, GROUP_WRITERS * steps);
    assert_true(info.sync_count < info.applied_seq); /* or nothing was shared */
    ASSERT_OK(ng_state_hash(store, &before));
    ASSERT_OK(ng_wait_durable(store, info.applied_seq));
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.log_ops, GROUP_WRITERS * steps);
    ASSERT_OK(ng_close(store));
    ASSERT_OK(ng_open(path, &options, &store));
    ASSERT_OK(ng_state_hash(store, &after));
    assert_true(before == after);
    ASSERT_OK(ng_close(store));
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_store),
        cmocka_unit_test(test_file_store),
        cmocka_unit_test(test_group_commit),
        cmocka_unit_test(test_one_label_many_writers),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
