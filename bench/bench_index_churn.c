/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* grid_churn: how fast one thread searches while another moves tokens, 500,000 a second.
 *
 *   ours   queries a second beside the writer
 *   quiet  the same queries of the same store, packed, with nobody writing
 *
 * A move takes a token to a place near another one of the first positions, so that what the queries
 * find stays alike. Afterwards the writer moves as fast as it can, alone and beside queries; '#'
 * lines.
 *
 * Invariants: 1. a turn beside the writer begins when it has written for a while, and ends before
 *                it ends.
 *             2. a writer that does not keep its rate is named in a '#' line.
 *             3. at the end every token is where the writer left it, answers are those of a scan
 *                over these places, and ng_check finds nothing.
 * Threads: `stop` ends the writer (relaxed); its positions are read after it was joined. */
#include "bench_store.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20261129
#define NEAREST 10
#define SAMPLE_QUERIES 200   /* that choose the radius */
#define MOVES 500            /* of one op */
#define STRIDE 7919          /* between the tokens of an op: a prime, so that none comes twice */
#define WARM_SECONDS 0.2     /* of writing before a turn */
#define FLAT_OUT_SECONDS 1.0 /* of writing without pause */
#define FLAT_OUT 1e18        /* a rate that nobody reaches */
#define CHECKED_QUERIES 100

typedef struct churn_case {
    ng_store *store;
    bench_point *origins;   /* [token_count], first positions */
    bench_point *positions; /* [token_count], where tokens are: the writer's */
    bench_point *centers;   /* [center_count] */
    size_t token_count, center_count;
    float radius, jitter;
    double rate;      /* moves a second */
    double reached;   /* lowest rate of a turn */
    uint64_t op;      /* batches written so far */
    uint64_t random;  /* the writer's */
    ng_hit *hits;     /* [token_count] */
    ng_token_id *ids; /* [MOVES] */
    ng_token_fields *fields;
} churn_case;

/* ---------------------------------------------------------------------------------------------
 * The writer
 * ------------------------------------------------------------------------------------------- */

typedef struct writer {
    churn_case *data;
    double rate;
    pthread_t handle;
    atomic_bool stop;
    uint64_t moves;
    double seconds, cpu_seconds;
    bool good;
} writer;

/** Moves the next MOVES tokens in one op. */
static bool batch_move(churn_case *data)
{
    size_t first = (size_t)(data->op * MOVES * STRIDE % data->token_count);
    for (size_t i = 0; i < MOVES; i++) {
        size_t token = (first + i * STRIDE) % data->token_count;
        const bench_point *near =
            &data->origins[(bench_random(&data->random) >> 11) % data->token_count];
        bench_points_sample(near, 1, data->jitter, bench_random(&data->random) | 1,
                            &data->positions[token], 1);
        data->ids[i] = token + 1;
        for (int axis = 0; axis < 3; axis++) {
            data->fields[i].coordinates[NG_SPACE_PHYSICAL][axis] = data->positions[token].at[axis];
        }
    }
    data->op++;
    return bench_store_move(data->store, data->ids, data->fields, MOVES);
}

static void *writer_run(void *argument)
{
    writer *self = argument;
    double cpu_began = bench_cpu_seconds();
    double began = bench_clock_seconds();
    while (self->good && !atomic_load_explicit(&self->stop, memory_order_relaxed)) {
        double due = began + (double)(self->moves + MOVES) / self->rate;
        if (due > bench_clock_seconds()) {
            bench_sleep_until(due);
        }
        self->good = batch_move(self->data);
        self->moves += MOVES;
    }
    self->seconds = bench_clock_seconds() - began;
    self->cpu_seconds = bench_cpu_seconds() - cpu_began;
    return NULL;
}

static bool writer_start(writer *out, churn_case *data, double rate)
{
    *out = (writer){.data = data, .rate = rate, .good = true};
    return pthread_create(&out->handle, NULL, writer_run, out) == 0 ||
           bench_complain("cannot start a thread");
}

/** Moves a second. */
static bool writer_stop(writer *old, double *rate)
{
    atomic_store_explicit(&old->stop, true, memory_order_relaxed);
    pthread_join(old->handle, NULL);
    *rate = (double)old->moves / old->seconds;
    return old->good;
}

/* ---------------------------------------------------------------------------------------------
 * Turns
 * ------------------------------------------------------------------------------------------- */

typedef struct churn_turn {
    churn_case *data;
    bool by_radius;
    bool beside_writer;
    uint64_t queries;   /* of all turns */
    double cpu_seconds; /* that these took */
} churn_turn;

static bool center_ask(const churn_case *data, size_t center, bool by_radius, size_t *count)
{
    const float *at = data->centers[center].at;
    const bench_ball ball = {.center = at, .radius = data->radius, .unordered = true};
    return by_radius ? bench_store_radius(data->store, &ball, data->hits, data->token_count, count)
                     : bench_store_nearest(data->store, at, data->hits, NEAREST, count);
}

/** Asks for a while; queries a second. */
static bool queries_run(churn_turn *turn, double seconds, double *rate)
{
    const churn_case *data = turn->data;
    double cpu_began = bench_cpu_seconds();
    double began = bench_clock_seconds();
    double elapsed = 0;
    uint64_t done = 0;
    while (elapsed < seconds) {
        size_t count;
        if (!center_ask(data, done % data->center_count, turn->by_radius, &count)) {
            return false;
        }
        done++;
        elapsed = bench_clock_seconds() - began;
    }
    *rate = (double)done / elapsed;
    turn->queries += done;
    turn->cpu_seconds += bench_cpu_seconds() - cpu_began;
    return true;
}

/** Queries a second. */
static bool turn_round(void *context, const bench_settings *settings, double *out)
{
    churn_turn *turn = context;
    churn_case *data = turn->data;
    if (!turn->beside_writer) {
        return bench_store_pack(data->store, 1u << NG_SPACE_PHYSICAL) &&
               queries_run(turn, settings->seconds, out);
    }
    writer other;
    double rate = 0;
    if (!writer_start(&other, data, data->rate)) {
        return false;
    }
    bench_sleep_until(bench_clock_seconds() + WARM_SECONDS);
    bool good = queries_run(turn, settings->seconds, out);
    good = writer_stop(&other, &rate) && good;
    data->reached = rate < data->reached ? rate : data->reached;
    return good;
}

static bool kind_run(churn_case *data, bool by_radius, const bench_settings *settings)
{
    const char *rival = by_radius ? "quiet_radius" : "quiet_knn";
    const char *name = "grid_churn";
    churn_turn turns[] = {{.data = data, .by_radius = by_radius, .beside_writer = true},
                          {.data = data, .by_radius = by_radius}};
    bench_side sides[] = {
        {.name = "ours", .round = turn_round, .context = &turns[0]},
        {.name = rival, .round = turn_round, .context = &turns[1]},
    };
    data->reached = INFINITY;
    bool good = bench_rounds_run(settings, name, "queries/s", sides, 2);
    if (good) {
        printf("# %s against %s: the writer made at least %.0f moves a second of %.0f%s\n", name,
               rival, data->reached, data->rate,
               data->reached < 0.95 * data->rate ? ": TOO FEW, the ratio flatters" : "");
        printf("# %s against %s: ratio %.3f by processor time of the searching thread\n", name,
               rival,
               (double)turns[0].queries / turns[0].cpu_seconds /
                   ((double)turns[1].queries / turns[1].cpu_seconds));
        double ratio = bench_row_print(name, "queries/s", BENCH_HIGHER_IS_BETTER, &sides[0],
                                       &sides[1], data->token_count);
        bench_target_print(name, rival, ratio, 0.5);
    }
    bench_sides_release(sides, 2);
    return good;
}

/** Moves as fast as they go: alone, and beside queries. */
static bool flat_out_run(churn_case *data)
{
    for (int beside = 0; beside < 2; beside++) {
        writer other;
        double moves = 0;
        double queries = 0;
        churn_turn turn = {.data = data, .by_radius = true};
        bool good = true;
        if (!writer_start(&other, data, FLAT_OUT)) {
            return false;
        }
        if (beside == 0) {
            bench_sleep_until(bench_clock_seconds() + FLAT_OUT_SECONDS);
        } else {
            good = queries_run(&turn, FLAT_OUT_SECONDS, &queries);
        }
        if (!writer_stop(&other, &moves) || !good) {
            return false;
        }
        printf("# grid_churn flat out, %s: %.0f moves a second, %.0f ns of processor time each",
               beside == 0 ? "alone" : "beside queries", moves,
               other.cpu_seconds * 1e9 / (double)other.moves);
        if (beside != 0) {
            printf(", %.0f searches by radius a second", queries);
        }
        putchar('\n');
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * Checking
 * ------------------------------------------------------------------------------------------- */

static bool positions_verify(const churn_case *data)
{
    for (size_t i = 0; i < data->token_count; i++) {
        ng_token token;
        if (!bench_ok(ng_token_read(data->store, i + 1, &token), "ng_token_read")) {
            return false;
        }
        for (int axis = 0; axis < 3; axis++) {
            float raw = token.coordinates[NG_SPACE_PHYSICAL][axis];
            if (raw != data->positions[i].at[axis]) {
                return bench_complain("token %zu is not where it was moved to", i + 1);
            }
        }
    }
    return true;
}

/** As many tokens as a scan counts, each within the radius; of the nearest, none is missing. */
static bool answers_verify(const churn_case *data)
{
    double bound = (double)data->radius * (double)data->radius;
    size_t queries = data->center_count < CHECKED_QUERIES ? data->center_count : CHECKED_QUERIES;
    for (size_t query = 0; query < queries; query++) {
        size_t inside = 0;
        size_t nearer = 0;
        size_t count;
        if (!center_ask(data, query, false, &count)) {
            return false;
        }
        size_t last = (size_t)data->hits[(count < NEAREST ? count : NEAREST) - 1].id - 1;
        double farthest = bench_points_squared(&data->positions[last], &data->centers[query]);
        for (size_t i = 0; i < data->token_count; i++) {
            double squared = bench_points_squared(&data->positions[i], &data->centers[query]);
            inside += squared <= bound;
            nearer += squared < farthest;
        }
        if (!center_ask(data, query, true, &count)) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            size_t token = (size_t)data->hits[i].id - 1;
            if (bench_points_squared(&data->positions[token], &data->centers[query]) > bound) {
                return bench_complain("query %zu: token %zu is too far", query, token + 1);
            }
        }
        if (count != inside || nearer >= NEAREST) {
            return bench_complain("query %zu: %zu tokens within the radius, found %zu; %zu are "
                                  "nearer than the last of the nearest",
                                  query, inside, count, nearer);
        }
    }
    printf("# grid_churn checked: positions, and the answers to %zu queries\n", queries);
    return true;
}

static bool store_verify(const churn_case *data)
{
    ng_check_report report;
    if (!positions_verify(data) || !answers_verify(data) ||
        !bench_ok(ng_check(data->store, &report), "ng_check")) {
        return false;
    }
    return report.problem_count == 0 || bench_complain("ng_check: %s", report.first_problem);
}

/* ---------------------------------------------------------------------------------------------
 * Set-up
 * ------------------------------------------------------------------------------------------- */

/** Mean hits of the first queries; of a bench_hits_fn. */
static bool hits_measure(void *context, float radius, double *out)
{
    churn_case *data = context;
    size_t queries = data->center_count < SAMPLE_QUERIES ? data->center_count : SAMPLE_QUERIES;
    size_t sum = 0;
    data->radius = radius;
    for (size_t i = 0; i < queries; i++) {
        size_t count;
        if (!center_ask(data, i, true, &count)) {
            return false;
        }
        sum += count;
    }
    *out = (double)sum / (double)queries;
    return true;
}

static bool case_init(churn_case *data, bench_shape shape)
{
    size_t bytes = data->token_count * sizeof *data->origins;
    data->random = SEED;
    data->origins = malloc(bytes);
    data->positions = malloc(bytes);
    data->centers = malloc(data->center_count * sizeof *data->centers);
    data->hits = malloc(data->token_count * sizeof *data->hits);
    data->ids = malloc(MOVES * sizeof *data->ids);
    data->fields = calloc(MOVES, sizeof *data->fields);
    if (data->origins == NULL || data->positions == NULL || data->centers == NULL ||
        data->hits == NULL || data->ids == NULL || data->fields == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < MOVES; i++) {
        data->fields[i] = (ng_token_fields){.struct_size = sizeof data->fields[i],
                                            .spaces_set = 1u << NG_SPACE_PHYSICAL};
    }
    if (!bench_points_fill(shape, data->origins, data->token_count, SEED)) {
        return false;
    }
    memcpy(data->positions, data->origins, bytes);
    bench_points_sample(data->origins, data->token_count, 0, SEED + 1, data->centers,
                        data->center_count);
    if (!bench_store_create(data->origins, data->token_count, &data->store) ||
        !bench_store_pack(data->store, 1u << NG_SPACE_PHYSICAL) ||
        !bench_radius_choose(hits_measure, data, &data->radius)) {
        return false;
    }
    data->jitter = data->radius / 4;
    printf("# %s: %zu tokens, %zu queries, radius %g\n", bench_shape_name(shape), data->token_count,
           data->center_count, (double)data->radius);
    return true;
}

static void case_release(churn_case *data)
{
    ng_close(data->store);
    free(data->origins);
    free(data->positions);
    free(data->centers);
    free(data->hits);
    free(data->ids);
    free(data->fields);
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 9, .seconds = 0.5};
    uint64_t token_count = 1000000;
    uint64_t center_count = 10000;
    churn_case data = {.rate = 500000};
    const char *shape = "uniform";
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "length of a turn"},
        {"tokens", BENCH_COUNT, &token_count, "tokens"},
        {"queries", BENCH_COUNT, &center_count, "different queries"},
        {"rate", BENCH_REAL, &data.rate, "moves a second"},
        {"data", BENCH_TEXT, &shape, "uniform or clustered"},
    };
    bench_parsed parsed =
        bench_options_parse(argc, argv, "search beside a writer that moves tokens", options,
                            sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (token_count < MOVES || token_count > 10000000 || token_count % STRIDE == 0 ||
        center_count > 10000000) {
        bench_complain("from %d to 10000000 tokens, not a multiple of %d", MOVES, STRIDE);
        return EXIT_FAILURE;
    }
    data.token_count = (size_t)token_count;
    data.center_count = (size_t)center_count;
    bench_machine_print();
    printf(
        "# ours: neurograph %s, store in memory; one thread searches, one writes ops of %d moves\n",
        ng_version(), MOVES);
    bool clustered = strcmp(shape, bench_shape_name(BENCH_CLUSTERED)) == 0;
    bool good = case_init(&data, clustered ? BENCH_CLUSTERED : BENCH_UNIFORM) &&
                kind_run(&data, true, &settings) && kind_run(&data, false, &settings) &&
                flat_out_run(&data) && store_verify(&data);
    case_release(&data);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
