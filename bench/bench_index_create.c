/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* create_plain, create_indexed: tokens created a second, in batches of 1000 by one thread.
 *
 *   create_plain      without coordinates and label
 *   create_indexed    in two spaces, with a label of 8 bytes
 *   ..._log           the same into a store with a log, durability none
 *
 * The rival is the rate that is promised. A turn fills a fresh store; only the calls that create
 * are timed, not the filling of records, which is the caller's. Pages of memory that the store
 * touches for the first time are in it.
 *
 * Invariants: 1. after a turn the store holds exactly the tokens created. */
#include "bench_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES 0x81u
#define SEED 20261129
#define PLAIN_TARGET 12e6
#define INDEXED_TARGET 1.5e6

typedef struct create_case {
    const char *name;
    const char *directory; /* NULL = in memory */
    uint64_t token_count;
    bool indexed;
    uint64_t round;
    double cpu_seconds; /* inside the calls, of all rounds */
    double target;
    ng_token_fields fields[BENCH_BATCH];
    bench_label labels[BENCH_BATCH];
    ng_token_id ids[BENCH_BATCH];
} create_case;

/** Creates the tokens; seconds inside the calls. */
static bool tokens_create(create_case *data, ng_store *store, double *seconds)
{
    const ng_write_options write = {.struct_size = sizeof write, .durability = NG_DURABILITY_NONE};
    uint64_t random = SEED;
    *seconds = 0;
    for (uint64_t done = 0; done < data->token_count;) {
        uint64_t left = data->token_count - done;
        size_t batch = left < BENCH_BATCH ? (size_t)left : BENCH_BATCH;
        bench_tokens_fill(data->fields, batch, data->indexed ? SPACES : 0, &random);
        if (data->indexed) {
            bench_tokens_label(data->fields, data->labels, batch, done + 1);
        }
        double cpu_began = bench_cpu_seconds();
        double began = bench_clock_seconds();
        ng_status status = ng_token_create_many(store, data->fields, batch, &write, data->ids);
        *seconds += bench_clock_seconds() - began;
        data->cpu_seconds += bench_cpu_seconds() - cpu_began;
        if (!bench_ok(status, "ng_token_create_many")) {
            return false;
        }
        done += batch;
    }
    return true;
}

static bool store_verify(const create_case *data, const ng_store *store)
{
    ng_info info;
    if (!bench_ok(ng_store_info(store, &info), "ng_store_info")) {
        return false;
    }
    uint64_t labels = data->indexed ? data->token_count : 0;
    if (info.token_count != data->token_count || info.label_count != labels) {
        return bench_complain("%s: the store has %llu tokens and %llu labels", data->name,
                              (unsigned long long)info.token_count,
                              (unsigned long long)info.label_count);
    }
    return true;
}

/** Million tokens a second. */
static bool create_round(void *context, const bench_settings *settings, double *out)
{
    create_case *data = context;
    const ng_open_options options = {.struct_size = sizeof options,
                                     .checkpoint_bytes = NG_NEVER,
                                     .checkpoint_seconds = NG_NEVER};
    char path[BENCH_PATH_MAX];
    char name[64];
    ng_store *store = NULL;
    double seconds = 0;
    (void)settings;
    snprintf(name, sizeof name, "%s-%llu", data->name, (unsigned long long)++data->round);
    if (data->directory != NULL && !bench_path_join(data->directory, name, path)) {
        return false;
    }
    bool good =
        bench_ok(ng_open(data->directory != NULL ? path : NULL, &options, &store), "ng_open") &&
        tokens_create(data, store, &seconds) && store_verify(data, store);
    good = bench_ok(ng_close(store), "ng_close") && good;
    if (data->directory != NULL) {
        bench_directory_remove(path);
    }
    *out = good ? (double)data->token_count / seconds / 1e6 : 0;
    return good;
}

static bool target_round(void *context, const bench_settings *settings, double *out)
{
    (void)settings;
    *out = ((const create_case *)context)->target / 1e6;
    return true;
}

static bool case_run(create_case *data, const bench_settings *settings)
{
    bench_side sides[] = {
        {.name = "ours", .round = create_round, .context = data},
        {.name = "target", .round = target_round, .context = data},
    };
    bool good = bench_rounds_run(settings, data->name, "Mtokens/s", sides, 2);
    if (good) {
        printf("# %s: %.3g Mtokens/s by processor time of the thread\n", data->name,
               (double)(data->token_count * settings->rounds) / data->cpu_seconds / 1e6);
        double ratio = bench_row_print(data->name, "Mtokens/s", BENCH_HIGHER_IS_BETTER, &sides[0],
                                       &sides[1], data->token_count);
        bench_target_print(data->name, "target", ratio, 1);
    }
    bench_sides_release(sides, 2);
    return good;
}

static bool cases_run(const bench_settings *settings, uint64_t token_count, const char *directory)
{
    static const struct {
        const char *name;
        bool indexed, logged;
    } cases[] = {
        {"create_plain", false, false},
        {"create_plain_log", false, true},
        {"create_indexed", true, false},
        {"create_indexed_log", true, true},
    };
    create_case *data = calloc(1, sizeof *data);
    bool good = data != NULL || bench_complain("out of memory");
    for (size_t i = 0; good && i < sizeof cases / sizeof cases[0]; i++) {
        *data = (create_case){.name = cases[i].name,
                              .directory = cases[i].logged ? directory : NULL,
                              .token_count = token_count,
                              .indexed = cases[i].indexed,
                              .target = cases[i].indexed ? INDEXED_TARGET : PLAIN_TARGET};
        good = case_run(data, settings);
    }
    free(data);
    return good;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7};
    uint64_t token_count = 1000000;
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "stores filled, each way"},
        {"dir", BENCH_TEXT, &settings.dir, "where stores are made (fresh, in ./build or .)"},
        {"tokens", BENCH_COUNT, &token_count, "tokens of a store"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "creation of tokens in batches", options,
                                              sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    char directory[BENCH_PATH_MAX];
    if (token_count > 10000000) {
        bench_complain("at most 10000000 tokens");
        return EXIT_FAILURE;
    }
    if (!bench_directory_create(settings.dir, directory)) {
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# ours: neurograph %s; batches of %d, one thread; logs: %s on %s, durability none\n",
           ng_version(), BENCH_BATCH, directory, bench_directory_filesystem(directory));
    bool good = cases_run(&settings, token_count, directory);
    bench_directory_remove(directory);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
