/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* memory_*: bytes of a token, of a point in a space and of a connection, and what it takes to fill,
 * open and query 10 million tokens. Beside each is the target; there is no rival.
 *
 * Two stores, both with logs: 10 M tokens in two spaces with labels of 8 bytes, and 1 M such tokens
 * with 4 M connections. Each is filled by one child process, and opened and queried by another, so
 * that the peak of each (VmHWM) is its own.
 *
 *   memory_token, memory_token_10m   records and side arrays, bytes a token
 *   memory_point, memory_point_10m   indexes of the spaces, bytes a token and space
 *   memory_connection                records and lists with their heads, bytes a connection
 *   memory_fill_10m, memory_open_10m peak of the process, MiB
 *
 * Invariants: 1. what was opened has the hash of what was closed.
 *             2. the parts that the library reports add up to what it reports as a whole. */
#include "bench_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPACES 0x81u /* physical and abstract */
#define SPACE_COUNT 2
#define SEED 0x9E3779B97F4A7C15ull
#define LINKS_OF_EACH 4
#define QUERIES 1000
#define TOKENS_MAX 10000000u

#define TOKEN_TARGET 100.0
#define POINT_TARGET 24.0
#define CONNECTION_TARGET 96.0
#define PEAK_TARGET_MIB 4096.0

/* What children report; shared with them. */
typedef struct memory_result {
    ng_memory memory;
    uint64_t hash;
    double peak_mib;
    bool good;
} memory_result;

typedef struct memory_case {
    char path[BENCH_PATH_MAX];
    uint64_t token_count;
    uint64_t link_count;   /* 0, or LINKS_OF_EACH a token */
    memory_result *result; /* of the last child */
    memory_result filled;  /* of the one that filled the store: tables are ahead of their growth */
} memory_case;

static double peak_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmHWM: %lf", &kib) == 1) {
            break;
        }
    }
    fclose(file);
    return kib / 1024;
}

static ng_store *store_open(const memory_case *data)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .max_tokens = TOKENS_MAX,
                                     .durability = NG_DURABILITY_NONE,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER,
                                     .max_memory_bytes = NG_NEVER};
    ng_store *store = NULL;
    (void)bench_ok(ng_open(data->path, &options, &store), "ng_open");
    return store;
}

/** The targets of each token are the same steps away, so no connection is made twice. */
static bool links_create(ng_store *store, const memory_case *data)
{
    static const uint64_t steps[LINKS_OF_EACH] = {1, 104729, 350377, 611953};
    const ng_write_options write = {.struct_size = sizeof write, .durability = NG_DURABILITY_NONE};
    ng_connection_fields *fields = calloc(BENCH_BATCH, sizeof *fields);
    ng_connection_id *ids = calloc(BENCH_BATCH, sizeof *ids);
    bool good = (fields != NULL && ids != NULL) || bench_complain("out of memory");
    for (uint64_t done = 0; good && done < data->link_count;) {
        size_t batch = 0;
        for (; batch < BENCH_BATCH && done < data->link_count; batch++, done++) {
            uint64_t source = done / LINKS_OF_EACH;
            uint64_t target = (source + steps[done % LINKS_OF_EACH]) % data->token_count;
            fields[batch] = (ng_connection_fields){.struct_size = sizeof *fields,
                                                   .source = source + 1,
                                                   .target = target + 1};
        }
        good = bench_ok(ng_connection_create_many(store, fields, batch, &write, ids),
                        "ng_connection_create_many");
    }
    free(fields);
    free(ids);
    return good;
}

static bool memory_take(ng_store *store, memory_result *result)
{
    uint64_t sum = 0;
    if (!bench_ok(ng_state_hash(store, &result->hash), "ng_state_hash") ||
        !bench_ok(ng_store_memory(store, &result->memory), "ng_store_memory")) {
        return false;
    }
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++) {
        sum += result->memory.parts[part].bytes;
    }
    return sum == result->memory.bytes || bench_complain("the parts are not the whole");
}

static bool child_fill(memory_case *data)
{
    uint64_t random = SEED;
    double began = bench_clock_seconds();
    ng_store *store = store_open(data);
    if (store == NULL) {
        return false;
    }
    bool good = bench_tokens_create_labelled(store, data->token_count, SPACES, &random) &&
                links_create(store, data);
    double filled = bench_clock_seconds();
    good = good && bench_ok(ng_checkpoint(store, NULL, NULL, NULL), "ng_checkpoint") &&
           memory_take(store, data->result);
    printf("# filled in %.1f s\n", filled - began);
    return bench_ok(ng_close(store), "ng_close") && good;
}

static bool query_once(ng_store *store, const memory_case *data, uint64_t *random)
{
    ng_token_id id = 0;
    ng_token_info info;
    ng_hit hits[10];
    size_t count = 0;
    uint64_t number = 1 + bench_random(random) % data->token_count;
    bench_label label = bench_label_of(number);
    return bench_ok(ng_token_find(store, NG_COLLECTION_RUNTIME, label.text, sizeof label.text, &id),
                    "ng_token_find") &&
           bench_ok(ng_token_get(store, id, &info), "ng_token_get") &&
           (id == number || bench_complain("label %llu leads to token %llu",
                                           (unsigned long long)number, (unsigned long long)id)) &&
           (info.out_degree == (data->link_count > 0 ? LINKS_OF_EACH : 0) ||
            bench_complain("token %llu has %u connections", (unsigned long long)id,
                           info.out_degree)) &&
           (number % 100 != 0 ||
            bench_ok(ng_token_neighbors(store, id, NG_SPACE_ABSTRACT, NULL, hits, 10, &count),
                     "ng_token_neighbors"));
}

static bool child_open(memory_case *data)
{
    uint64_t random = SEED;
    double began = bench_clock_seconds();
    ng_store *store = store_open(data);
    if (store == NULL) {
        return false;
    }
    printf("# opened in %.2f s\n", bench_clock_seconds() - began);
    bool good = true;
    for (int i = 0; good && i < QUERIES; i++) {
        good = query_once(store, data, &random);
    }
    good = good && memory_take(store, data->result);
    return bench_ok(ng_close(store), "ng_close") && good;
}

/** Runs `work` in a process of its own. */
static bool child_run(memory_case *data, bool (*work)(memory_case *))
{
    fflush(stdout);
    data->result->good = false;
    pid_t child = fork();
    if (child < 0) {
        return bench_complain("no process for a store");
    }
    if (child == 0) {
        data->result->good = work(data);
        data->result->peak_mib = peak_mib();
        fflush(stdout);
        _exit(data->result->good ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int state = 0;
    return waitpid(child, &state, 0) == child && WIFEXITED(state) && data->result->good;
}

static void parts_print(const memory_case *data, const char *what)
{
    const ng_memory *memory = &data->result->memory;
    printf("# %s, %llu tokens, %llu connections: %.1f MiB taken, %.1f in use, peak of the process "
           "%.0f MiB\n",
           what, (unsigned long long)data->token_count, (unsigned long long)data->link_count,
           (double)memory->bytes / 1048576, (double)memory->used_bytes / 1048576,
           data->result->peak_mib);
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++) {
        const ng_memory_use *use = &memory->parts[part];
        printf("#   %-17s %14llu bytes %14llu in use %10llu items %8.1f each\n",
               ng_memory_part_name((ng_memory_part)part), (unsigned long long)use->bytes,
               (unsigned long long)use->used_bytes, (unsigned long long)use->items,
               use->bytes_per_item);
    }
}

/** A row against a target, the less the better. */
static void row_print(const char *name, const char *unit, double value, double target, uint64_t n)
{
    bench_side ours = {.name = "ours", .values = &value, .median = value};
    bench_side rival = {.name = "target", .values = &target, .median = target};
    double ratio = bench_row_print(name, unit, BENCH_LOWER_IS_BETTER, &ours, &rival, n);
    bench_target_print(name, "target", ratio, 1);
}

static double bytes_of(const memory_case *data, ng_memory_part first, ng_memory_part last)
{
    double bytes = 0;
    for (int part = (int)first; part <= (int)last; part++) {
        bytes += (double)data->filled.memory.parts[part].bytes;
    }
    return bytes;
}

static bool case_run(memory_case *data)
{
    if (!child_run(data, child_fill)) {
        return false;
    }
    data->filled = *data->result;
    parts_print(data, "filled");
    if (!child_run(data, child_open)) {
        return false;
    }
    parts_print(data, "opened");
    bench_directory_remove(data->path);
    return data->result->hash == data->filled.hash ||
           bench_complain("the opened store has another hash");
}

static void tokens_print(const memory_case *data, const char *token_row, const char *point_row)
{
    double tokens = (double)data->token_count;
    row_print(token_row, "bytes", bytes_of(data, NG_MEMORY_TOKENS, NG_MEMORY_TOKEN_SIDES) / tokens,
              TOKEN_TARGET, data->token_count);
    row_print(point_row, "bytes",
              bytes_of(data, NG_MEMORY_GRID, NG_MEMORY_GRID) / (tokens * SPACE_COUNT), POINT_TARGET,
              data->token_count);
}

static bool cases_run(memory_case *data, const char *directory, uint64_t token_count,
                      uint64_t connected_count)
{
    data->token_count = token_count;
    if (!bench_path_join(directory, "tokens", data->path) || !case_run(data)) {
        return false;
    }
    tokens_print(data, "memory_token_10m", "memory_point_10m");
    row_print("memory_fill_10m", "MiB", data->filled.peak_mib, PEAK_TARGET_MIB, token_count);
    row_print("memory_open_10m", "MiB", data->result->peak_mib, PEAK_TARGET_MIB, token_count);
    data->token_count = connected_count;
    data->link_count = LINKS_OF_EACH * connected_count;
    if (!bench_path_join(directory, "connected", data->path) || !case_run(data)) {
        return false;
    }
    tokens_print(data, "memory_token", "memory_point");
    row_print("memory_connection", "bytes",
              bytes_of(data, NG_MEMORY_CONNECTIONS, NG_MEMORY_CONNECTION_HEADS) /
                  (double)data->link_count,
              CONNECTION_TARGET, data->link_count);
    return true;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 1};
    uint64_t token_count = TOKENS_MAX, connected_count = 1000000;
    const bench_option options[] = {
        {"dir", BENCH_TEXT, &settings.dir, "where stores are made (fresh, in ./build or .)"},
        {"tokens", BENCH_COUNT, &token_count, "tokens of the first store"},
        {"connected", BENCH_COUNT, &connected_count,
         "tokens of the second store, with four connections each"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "bytes of tokens and connections",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    char directory[BENCH_PATH_MAX];
    memory_case *data = calloc(1, sizeof *data);
    if (data == NULL || token_count > TOKENS_MAX || connected_count > TOKENS_MAX / LINKS_OF_EACH ||
        connected_count < 1000) {
        bench_complain("at most 10000000 tokens; connected: 1000 to 2500000");
        free(data);
        return EXIT_FAILURE;
    }
    void *shared = mmap(NULL, sizeof(memory_result), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool good = shared != MAP_FAILED && bench_directory_create(settings.dir, directory);
    if (good) {
        data->result = shared;
        bench_machine_print();
        printf("# ours: neurograph %s; %s on %s\n", ng_version(), directory,
               bench_directory_filesystem(directory));
        good = cases_run(data, directory, token_count, connected_count);
        bench_directory_remove(directory);
    }
    free(data);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
