/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* commit_1w and commit_64w: durable single-record commits a second by 1 and by 64 writers.
 *
 * Every side gets a fresh directory on the same file system in every round, as many writer threads,
 * and the same records; every call is acknowledged only when its record is on disk. After its turn
 * a side is closed, opened anew, and must show every record it acknowledged.
 *
 * Invariants: 1. only the time between the start of the writers and the end of the last of them
 *                counts; opening, closing and verifying do not.
 *             2. a round fails unless the reopened store holds exactly the acknowledged records. */
#include "bench_commit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY_WRITERS_DEFAULT 64

void bench_record_fill(uint64_t key, uint8_t out[BENCH_RECORD_BYTES])
{
    uint64_t random = key ^ 0x9E3779B97F4A7C15ull;
    uint64_t number = key;
    for (size_t at = 0; at < BENCH_RECORD_BYTES; at += 8) {
        for (size_t i = 0; i < 8; i++) {
            out[at + i] = (uint8_t)(number >> (8 * i));
        }
        number = bench_random(&random);
    }
}

bool bench_record_is(uint64_t key, const void *data, size_t bytes)
{
    uint8_t expected[BENCH_RECORD_BYTES];
    bench_record_fill(key, expected);
    return bytes == sizeof expected && memcmp(data, expected, sizeof expected) == 0;
}

uint64_t bench_record_key(const uint8_t record[BENCH_RECORD_BYTES])
{
    uint64_t key = 0;
    for (size_t i = 8; i-- > 0;) {
        key = key << 8 | record[i];
    }
    return key;
}

/* ---------------------------------------------------------------------------------------------
 * A turn of one side
 * ------------------------------------------------------------------------------------------- */

typedef struct commit_side {
    const bench_engine *engine;
    const char *directory; /* of the whole run */
    unsigned writer_count;
    uint64_t record_count; /* acknowledged and verified in all rounds */
} commit_side;

/** What the writers of a turn share. */
typedef struct commit_turn {
    const bench_engine *engine;
    void *store;
    pthread_barrier_t start;
    atomic_bool stop;          /* relaxed: carries no data */
    atomic_uint_fast64_t next; /* keys handed out so far; relaxed: a number is all it is */
} commit_turn;

typedef struct commit_writer {
    pthread_t handle;
    commit_turn *turn;
    uint64_t acknowledged;
    double ended;
    bool good;
} commit_writer;

static void writer_put_all(commit_writer *self, void *writer)
{
    commit_turn *turn = self->turn;
    uint8_t record[BENCH_RECORD_BYTES];
    while (self->good && !atomic_load_explicit(&turn->stop, memory_order_relaxed)) {
        uint64_t key = 1 + atomic_fetch_add_explicit(&turn->next, 1, memory_order_relaxed);
        if (key > BENCH_RECORDS_MAX) {
            break;
        }
        bench_record_fill(key, record);
        self->good = turn->engine->put(writer, key, record);
        self->acknowledged += self->good;
    }
}

static void *writer_run(void *argument)
{
    commit_writer *self = argument;
    const bench_engine *engine = self->turn->engine;
    void *writer = NULL;
    self->good = engine->writer_open(self->turn->store, &writer);
    pthread_barrier_wait(&self->turn->start);
    if (self->good) {
        writer_put_all(self, writer);
    }
    self->ended = bench_clock_seconds();
    if (writer != NULL) {
        engine->writer_close(writer);
    }
    return NULL;
}

/** Runs the writers for `seconds`; `*records` acknowledged, at `*rate` a second. */
static bool turn_run(const commit_side *side, void *store, double seconds, uint64_t *records,
                     double *rate)
{
    commit_turn turn = {.engine = side->engine, .store = store};
    commit_writer *writers = calloc(side->writer_count, sizeof *writers);
    if (writers == NULL) {
        return bench_complain("out of memory");
    }
    pthread_barrier_init(&turn.start, NULL, side->writer_count + 1);
    for (unsigned i = 0; i < side->writer_count; i++) {
        writers[i].turn = &turn;
        if (pthread_create(&writers[i].handle, NULL, writer_run, &writers[i]) != 0) {
            bench_complain("cannot start a thread");
            abort(); /* the threads already started wait at the barrier for ever */
        }
    }
    pthread_barrier_wait(&turn.start);
    double began = bench_clock_seconds();
    bench_sleep_until(began + seconds);
    atomic_store_explicit(&turn.stop, true, memory_order_relaxed);
    double ended = began;
    bool good = true;
    *records = 0;
    for (unsigned i = 0; i < side->writer_count; i++) {
        pthread_join(writers[i].handle, NULL);
        ended = writers[i].ended > ended ? writers[i].ended : ended;
        *records += writers[i].acknowledged;
        good = good && writers[i].good;
    }
    pthread_barrier_destroy(&turn.start);
    free(writers);
    *rate = (double)*records / (ended - began);
    return good;
}

/** Commits a second. */
static bool side_round(void *context, const bench_settings *settings, double *out)
{
    commit_side *side = context;
    char directory[BENCH_PATH_MAX];
    void *store = NULL;
    uint64_t records = 0;
    uint64_t found = 0;
    if (!bench_directory_make(side->directory, side->engine->name, directory)) {
        return false;
    }
    bool good = side->engine->open(directory, side->writer_count, &store);
    if (good) {
        good = turn_run(side, store, settings->seconds, &records, out);
        side->engine->close(store);
    }
    good = good && side->engine->verify(directory, &found);
    if (good && found != records) {
        good = bench_complain("%s: %llu records acknowledged, %llu found after reopening",
                              side->engine->name, (unsigned long long)records,
                              (unsigned long long)found);
    }
    side->record_count += records;
    bench_directory_remove(directory);
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * The rows
 * ------------------------------------------------------------------------------------------- */

#define SIDES_MAX 8

typedef struct commit_plan {
    const bench_engine *engines[SIDES_MAX]; /* ours first; NULL after the last */
    unsigned writer_count;
} commit_plan;

/** Prints the row of each rival; of SQLite's two ways only the better one is a rival. */
static void rows_print(const char *name, const bench_side *sides, size_t side_count,
                       const commit_side *contexts)
{
    const bench_side *connections = NULL;
    const bench_side *mutex = NULL;
    for (size_t i = 1; i < side_count; i++) {
        if (contexts[i].engine == &bench_engine_sqlite_connections) {
            connections = &sides[i];
        } else if (contexts[i].engine == &bench_engine_sqlite_mutex) {
            mutex = &sides[i];
        }
    }
    for (size_t i = 1; i < side_count; i++) {
        bench_side rival = sides[i];
        if (&sides[i] == mutex) {
            continue;
        }
        if (&sides[i] == connections) {
            if (mutex != NULL && mutex->values != NULL && rival.values != NULL) {
                rival = mutex->median > rival.median ? *mutex : rival;
                printf("# %s sqlite: the better of its ways is %s\n", name, rival.name);
            }
            rival.name = "sqlite";
        }
        bench_row_print(name, "commits/s", BENCH_HIGHER_IS_BETTER, &sides[0], &rival,
                        contexts[0].record_count);
    }
}

static bool plan_run(const commit_plan *plan, const bench_settings *settings, const char *directory)
{
    bench_side sides[SIDES_MAX];
    commit_side contexts[SIDES_MAX];
    size_t side_count = 0;
    char name[32];
    snprintf(name, sizeof name, "commit_%uw", plan->writer_count);
    printf("#\n# %s: %u writers, %g s a turn\n", name, plan->writer_count, settings->seconds);
    while (side_count < SIDES_MAX && plan->engines[side_count] != NULL) {
        const bench_engine *engine = plan->engines[side_count];
        contexts[side_count] = (commit_side){.engine = engine,
                                             .directory = directory,
                                             .writer_count = plan->writer_count};
        sides[side_count] = (bench_side){.name = engine->name,
                                         .round = side_round,
                                         .context = &contexts[side_count]};
        side_count++;
    }
    bool good = bench_rounds_run(settings, name, "commits/s", sides, side_count);
    for (size_t i = 0; good && i < side_count; i++) {
        if (sides[i].values == NULL) {
            continue;
        }
        printf("# %s %s: %llu records acknowledged, all found after reopening\n", name,
               sides[i].name, (unsigned long long)contexts[i].record_count);
    }
    if (good) {
        rows_print(name, sides, side_count, contexts);
    }
    bench_sides_release(sides, side_count);
    return good;
}

static void describe_all(const commit_plan *plan)
{
    for (size_t i = 0; i < SIDES_MAX && plan->engines[i] != NULL; i++) {
        if (plan->engines[i] != &bench_engine_sqlite_mutex) { /* says what the other one says */
            plan->engines[i]->describe();
        }
    }
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7, .seconds = 0.7};
    uint64_t many = MANY_WRITERS_DEFAULT;
    const char *cases = "1w,many";
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "length of a side's turn in a round"},
        {"dir", BENCH_TEXT, &settings.dir, "where the stores are made (fresh, in ./build or .)"},
        {"only", BENCH_TEXT, &settings.only, "sides to run, such as ours,rocksdb"},
        {"writers", BENCH_COUNT, &many, "writers of the second case"},
        {"cases", BENCH_TEXT, &cases, "1w, many, or 1w,many"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "durable commits", options,
                                              sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    char directory[BENCH_PATH_MAX];
    if (many > BENCH_WRITERS_MAX) {
        bench_complain("--writers %llu is above %d", (unsigned long long)many, BENCH_WRITERS_MAX);
        return EXIT_FAILURE;
    }
    if (!bench_directory_create(settings.dir, directory)) {
        return EXIT_FAILURE;
    }
    const commit_plan one = {{&bench_engine_ours, &bench_engine_sqlite_connections,
                              &bench_engine_rocksdb, &bench_engine_lmdb,
                              &bench_engine_bare_fdatasync},
                             1};
    const commit_plan crowd = {{&bench_engine_ours, &bench_engine_rocksdb,
                                &bench_engine_sqlite_connections, &bench_engine_sqlite_mutex,
                                &bench_engine_lmdb, &bench_engine_bare_group},
                               (unsigned)many};
    bench_machine_print();
    printf("# stores: %s on %s\n", directory, bench_directory_filesystem(directory));
    describe_all(&one);
    bench_engine_bare_group.describe();
    bool good = (strstr(cases, "1w") == NULL || plan_run(&one, &settings, directory)) &&
                (strstr(cases, "many") == NULL || plan_run(&crowd, &settings, directory));
    bench_directory_remove(directory);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
