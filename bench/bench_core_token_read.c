/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* token_read_2t: how fast threads copy random tokens out of a store.
 *
 * Sides, all with the same tokens and the same sequences of ids:
 *   ours        ng_token_read
 *   locked_map  one reader-writer lock around a chained hash map slot -> token
 *   bare_array  table[slot], no lock, no check: the floor that no store can beat
 *
 * Invariants: 1. every read ends with all 64 bytes in memory of the reader (copy_keep).
 *             2. the three sides produce the same sum over every sequence, checked before timing.
 * Threads: `stop` is the only field that two threads share (relaxed; it carries no data). */
#include "bench_harness.h"
#include "neurograph.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_DEFAULT 1000000
#define THREADS_DEFAULT 2
#define THREADS_MAX 64
#define BATCH 4096              /* most tokens one call creates */
#define SEQUENCE_IDS (1u << 20) /* ids a thread reads before it begins again */
#define CHUNK_IDS 1024          /* reads between two looks at `stop` */
#define NODE_NONE UINT32_MAX

/* ---------------------------------------------------------------------------------------------
 * The sides
 * ------------------------------------------------------------------------------------------- */

typedef struct map_node {
    uint32_t slot;
    uint32_t next; /* node, or NODE_NONE */
    ng_token token;
} map_node;

/** The rival: decent in all but the lock. Nodes and heads are preallocated; the hash spreads
 *  consecutive slots so well that nearly every chain has one node. */
typedef struct locked_map {
    pthread_rwlock_t lock;
    uint32_t *heads; /* [1 << head_bits] */
    unsigned head_bits;
    map_node *nodes;
    size_t heads_bytes, nodes_bytes;
} locked_map;

typedef struct token_case {
    ng_store *store;
    locked_map map;
    ng_token *table; /* [token_count + 1], by slot */
    size_t table_bytes;
    uint64_t token_count;
    uint64_t thread_count;
    ng_token_id *sequences[THREADS_MAX]; /* [SEQUENCE_IDS] each */
} token_case;

/** Reads `count` ids and adds what it read to `*sum`; false if an id was not there. */
typedef bool (*read_chunk_fn)(const token_case *data, const ng_token_id *ids, size_t count,
                              uint64_t *sum);

/** Makes the compiler keep the whole copy: without this it would load only what is summed. */
static inline uint64_t copy_keep(const ng_token *copy)
{
    __asm__ volatile("" : : "r"(copy) : "memory");
    return (uint64_t)copy->slot + (uint64_t)(uint16_t)copy->coordinates[0][0];
}

static bool ours_read(const token_case *data, const ng_token_id *ids, size_t count, uint64_t *sum)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        ng_token copy;
        if (ng_token_read(data->store, ids[i], &copy) != NG_OK) {
            return false;
        }
        total += copy_keep(&copy);
    }
    *sum += total;
    return true;
}

static inline uint32_t map_head(const locked_map *map, uint32_t slot)
{
    return (slot * 2654435769u) >> (32 - map->head_bits); /* Fibonacci hashing */
}

static bool map_read(const token_case *data, const ng_token_id *ids, size_t count, uint64_t *sum)
{
    const locked_map *map = &data->map;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = (uint32_t)ids[i];
        ng_token copy;
        pthread_rwlock_rdlock((pthread_rwlock_t *)&map->lock);
        uint32_t node = map->heads[map_head(map, slot)];
        while (node != NODE_NONE && map->nodes[node].slot != slot) {
            node = map->nodes[node].next;
        }
        if (node != NODE_NONE) {
            copy = map->nodes[node].token;
        }
        pthread_rwlock_unlock((pthread_rwlock_t *)&map->lock);
        if (node == NODE_NONE) {
            return false;
        }
        total += copy_keep(&copy);
    }
    *sum += total;
    return true;
}

static bool array_read(const token_case *data, const ng_token_id *ids, size_t count, uint64_t *sum)
{
    const ng_token *table = data->table;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        ng_token copy = table[(uint32_t)ids[i]];
        total += copy_keep(&copy);
    }
    *sum += total;
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Filling them
 * ------------------------------------------------------------------------------------------- */

/** Creates the tokens of our store: ids 1..token_count, each in two spaces. */
static bool store_fill(token_case *data)
{
    ng_token_fields *fields = calloc(BATCH, sizeof *fields);
    ng_token_id *ids = calloc(BATCH, sizeof *ids);
    uint64_t random = 0x9E3779B97F4A7C15ull;
    bool good = fields != NULL && ids != NULL;
    for (uint64_t done = 0; good && done < data->token_count;) {
        uint64_t left = data->token_count - done;
        size_t count = left < BATCH ? (size_t)left : BATCH;
        for (size_t i = 0; i < count; i++) {
            fields[i] = (ng_token_fields){.struct_size = sizeof fields[i], .spaces_set = 0x81};
            for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
                uint64_t number = bench_random(&random);
                fields[i].coordinates[0][axis] = (float)(number % 30000) / 100.0f;
                fields[i].coordinates[7][axis] = (float)(number >> 32 & 0xFFF) / 4096.0f;
            }
        }
        if (ng_token_create_many(data->store, fields, count, NULL, ids) != NG_OK) {
            good = bench_complain("ng_token_create_many: %s", ng_last_error());
        } else if (ids[0] != done + 1 || ids[count - 1] != done + count) {
            good = bench_complain("the ids of a new store are not 1, 2, 3, ...");
        }
        done += count;
    }
    free(fields);
    free(ids);
    return good;
}

static bool map_init(locked_map *map, uint64_t token_count)
{
    while (map->head_bits < 31 && (1ull << map->head_bits) < 2 * token_count) {
        map->head_bits++;
    }
    map->heads_bytes = sizeof *map->heads << map->head_bits;
    map->nodes_bytes = sizeof *map->nodes * token_count;
    map->heads = bench_pages_map(&map->heads_bytes);
    map->nodes = bench_pages_map(&map->nodes_bytes);
    if (map->heads == NULL || map->nodes == NULL) {
        return false;
    }
    memset(map->heads, 0xFF, sizeof *map->heads << map->head_bits);
    return pthread_rwlock_init(&map->lock, NULL) == 0;
}

/** Copies our tokens into the rivals. */
static bool rivals_fill(token_case *data)
{
    data->table_bytes = sizeof *data->table * (data->token_count + 1);
    data->table = bench_pages_map(&data->table_bytes);
    if (data->table == NULL || !map_init(&data->map, data->token_count)) {
        return false;
    }
    for (uint32_t slot = 1; slot <= data->token_count; slot++) {
        uint32_t node = slot - 1;
        if (ng_token_read(data->store, slot, &data->table[slot]) != NG_OK) {
            return bench_complain("ng_token_read: %s", ng_last_error());
        }
        uint32_t *head = &data->map.heads[map_head(&data->map, slot)];
        data->map.nodes[node] = (map_node){.slot = slot, .next = *head, .token = data->table[slot]};
        *head = node;
    }
    return true;
}

static bool sequences_fill(token_case *data)
{
    for (uint64_t thread = 0; thread < data->thread_count; thread++) {
        uint64_t random = 0x1234567 + 0x9E3779B97F4A7C15ull * (thread + 1);
        data->sequences[thread] = malloc(SEQUENCE_IDS * sizeof(ng_token_id));
        if (data->sequences[thread] == NULL) {
            return bench_complain("out of memory");
        }
        for (size_t i = 0; i < SEQUENCE_IDS; i++) {
            data->sequences[thread][i] = 1 + (bench_random(&random) >> 11) % data->token_count;
        }
    }
    return true;
}

static void case_release(token_case *data)
{
    for (uint64_t thread = 0; thread < data->thread_count; thread++) {
        free(data->sequences[thread]);
    }
    bench_pages_unmap(data->table, data->table_bytes);
    bench_pages_unmap(data->map.heads, data->map.heads_bytes);
    bench_pages_unmap(data->map.nodes, data->map.nodes_bytes);
    ng_close(data->store);
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct read_side {
    const token_case *data;
    read_chunk_fn read;
} read_side;

typedef struct read_worker {
    pthread_t handle;
    const read_side *side;
    const ng_token_id *sequence;
    pthread_barrier_t *start;
    atomic_bool *stop;
    uint64_t reads;
    uint64_t sum;
    double ended;
    bool good;
} read_worker;

static void *worker_run(void *argument)
{
    read_worker *worker = argument;
    size_t at = 0;
    worker->good = true;
    pthread_barrier_wait(worker->start);
    while (worker->good && !atomic_load_explicit(worker->stop, memory_order_relaxed)) {
        worker->good =
            worker->side->read(worker->side->data, worker->sequence + at, CHUNK_IDS, &worker->sum);
        worker->reads += CHUNK_IDS;
        at = (at + CHUNK_IDS) % SEQUENCE_IDS;
    }
    worker->ended = bench_clock_seconds();
    return NULL;
}

/** Million reads a second of all threads together. */
static bool side_round(void *context, const bench_settings *settings, double *out)
{
    const read_side *side = context;
    uint64_t thread_count = side->data->thread_count;
    read_worker workers[THREADS_MAX];
    pthread_barrier_t start;
    atomic_bool stop = false;
    memset(workers, 0, sizeof workers);
    pthread_barrier_init(&start, NULL, (unsigned)thread_count + 1);
    for (uint64_t i = 0; i < thread_count; i++) {
        workers[i].side = side;
        workers[i].sequence = side->data->sequences[i];
        workers[i].start = &start;
        workers[i].stop = &stop;
        if (pthread_create(&workers[i].handle, NULL, worker_run, &workers[i]) != 0) {
            bench_complain("cannot start a thread");
            abort(); /* the threads already started wait at the barrier for ever */
        }
    }
    pthread_barrier_wait(&start);
    double began = bench_clock_seconds();
    bench_sleep_until(began + settings->seconds);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    double ended = began;
    uint64_t reads = 0;
    bool good = true;
    for (uint64_t i = 0; i < thread_count; i++) {
        pthread_join(workers[i].handle, NULL);
        ended = workers[i].ended > ended ? workers[i].ended : ended;
        reads += workers[i].reads;
        good = good && workers[i].good;
    }
    pthread_barrier_destroy(&start);
    *out = (double)reads / (ended - began) / 1e6;
    return good || bench_complain("a read failed");
}

/** All sides must have read the same; this also brings their pages in before the first round. */
static bool sides_compare(const read_side *sides, size_t side_count, const token_case *data)
{
    for (uint64_t thread = 0; thread < data->thread_count; thread++) {
        uint64_t expected = 0;
        for (size_t i = 0; i < side_count; i++) {
            uint64_t sum = 0;
            if (!sides[i].read(data, data->sequences[thread], SEQUENCE_IDS, &sum)) {
                return bench_complain("a read failed");
            }
            expected = i == 0 ? sum : expected;
            if (sum != expected) {
                return bench_complain("the sides do not read the same tokens");
            }
        }
    }
    printf("# checked: all sides read the same tokens\n");
    return true;
}

static bool rounds_run(const token_case *data, const bench_settings *settings)
{
    read_side contexts[] = {{data, ours_read}, {data, map_read}, {data, array_read}};
    bench_side sides[] = {
        {.name = "ours", .round = side_round, .context = &contexts[0]},
        {.name = "locked_map", .round = side_round, .context = &contexts[1]},
        {.name = "bare_array", .round = side_round, .context = &contexts[2]},
    };
    static const double targets[] = {0, 6, 0.9}; /* by side, of two threads */
    size_t side_count = sizeof sides / sizeof sides[0];
    char name[32];
    snprintf(name, sizeof name, "token_read_%llut", (unsigned long long)data->thread_count);
    bool good = sides_compare(contexts, side_count, data) &&
                bench_rounds_run(settings, name, "Mreads/s", sides, side_count);
    for (size_t i = 1; good && i < side_count; i++) {
        double ratio = bench_row_print(name, "Mreads/s", BENCH_HIGHER_IS_BETTER, &sides[0],
                                       &sides[i], data->token_count);
        if (data->thread_count == THREADS_DEFAULT) {
            bench_target_print(name, sides[i].name, ratio, targets[i]);
        }
    }
    bench_sides_release(sides, side_count);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 15, .seconds = 0.25};
    token_case data = {.token_count = TOKENS_DEFAULT, .thread_count = THREADS_DEFAULT};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "length of a side's turn in a round"},
        {"only", BENCH_TEXT, &settings.only, "sides to run: ours,locked_map,bare_array"},
        {"tokens", BENCH_COUNT, &data.token_count, "tokens in the table"},
        {"threads", BENCH_COUNT, &data.thread_count, "reading threads"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "random token reads, stores in memory",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (data.thread_count > THREADS_MAX || data.token_count > (1u << 28)) {
        bench_complain("at most %d threads and %u tokens", THREADS_MAX, 1u << 28);
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# ours: neurograph %s, in memory; %llu tokens of %zu bytes, %llu threads\n",
           ng_version(), (unsigned long long)data.token_count, sizeof(ng_token),
           (unsigned long long)data.thread_count);
    printf("# locked_map: pthread_rwlock, read lock held around look-up and copy; "
           "bare_array: mmap, MADV_HUGEPAGE, no lock\n");
    ng_open_options open = {.struct_size = sizeof open, .max_tokens = (uint32_t)data.token_count};
    bool good = ng_open(NULL, &open, &data.store) == NG_OK;
    if (!good) {
        bench_complain("ng_open: %s", ng_last_error());
    }
    good = good && store_fill(&data) && rivals_fill(&data) && sequences_fill(&data) &&
           rounds_run(&data, &settings);
    case_release(&data);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
