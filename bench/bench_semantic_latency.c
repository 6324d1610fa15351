/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* churn_*, latency_vector_*, latency_query_*: how long a search by vector takes, also while vectors
 * come, change and go.
 *
 * First in quiet: ng_vector_nearest with `effort` beside the exact one, and ng_query of one word, which
 * is exact, beside ng_vector_nearest without it. Then
 *
 *   ours        one thread searches with `effort`; another adds, replaces and deletes vectors
 *   cpu_burner  the same searches; the other thread computes as long as the writer did
 *
 * churn_p99 is the 99th percentile of a search, churn_pause the longest one. churn_recall is the
 * recall in the worst tenth of the changes, beside that in the turns without changes: every
 * SAMPLE_EVERY-th search is repeated exactly, at once.
 *
 * Invariants: 1. changes come in threes: one added, one replaced, one deleted, so the size stays.
 *             2. the writer keeps its rate, otherwise a '#' line says what it reached.
 * Threads: `changes` and `stop` are relaxed atomics; what the other thread leaves is read after it was
 * joined. */
#include "bench_words.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20261129
#define SLICE_SECONDS 1e-3
#define SAMPLES_MAX (1u << 21)
#define SAMPLE_EVERY 20
#define TENTHS 10
#define POOL_SHARE 10 /* one word in so many is not in the store at first */
#define ROUNDS_MAX 100
#define WORDS_LEAST 1000

typedef struct tally {
    uint64_t right, all;
} tally;

typedef struct latency_case {
    bench_settings settings;
    uint64_t change_count, query_count, word_limit, effort;
    double rate; /* changes a second */
    const char *vectors;
    bench_words words;
    size_t in_store; /* rows 0..in_store - 1 are there at first */
    ng_store *store;
    uint32_t *samples; /* [SAMPLES_MAX], ns */
    /* The writer's: where each row is. */
    ng_token_id *ids; /* [live_count] */
    uint32_t *rows;   /* [words.count]: of ids, then those that are in no token */
    size_t live_count;
    uint64_t random;
    /* What turns leave. */
    uint64_t changes_before; /* made in earlier rounds */
    double duty, seconds, reached;
    tally tenths[TENTHS], quiet;
    double p50[2][ROUNDS_MAX], longest[2][ROUNDS_MAX]; /* by side */
    size_t turns[2];
} latency_case;

/* ---------------------------------------------------------------------------------------------
 * The store
 * ------------------------------------------------------------------------------------------- */

static void token_decorate(void *context, size_t row, ng_token_fields *fields)
{
    bench_label *labels = context;
    bench_tokens_label(fields, &labels[row % BENCH_BATCH], 1, row + 1);
}

static bool store_fill(latency_case *data)
{
    const ng_vector_graph_options plain = {.struct_size = sizeof plain,
                                           .remove_components = NG_PLAIN_COSINE};
    static bench_label labels[BENCH_BATCH];
    const bench_words_tokens how = {.collection = NG_COLLECTION_SEMANTIC,
                                    .decorate = token_decorate,
                                    .context = labels};
    if (data->words.count < WORDS_LEAST) {
        return bench_complain("%zu words are fewer than %d", data->words.count, WORDS_LEAST);
    }
    data->in_store = data->words.count - data->words.count / POOL_SHARE;
    data->samples = malloc(SAMPLES_MAX * sizeof *data->samples);
    data->ids = malloc(data->words.count * sizeof *data->ids);
    data->rows = malloc(data->words.count * sizeof *data->rows);
    if (data->samples == NULL || data->ids == NULL || data->rows == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < data->words.count; i++) {
        data->ids[i] = i + 1; /* of a fresh store, as far as there is one */
        data->rows[i] = (uint32_t)i;
    }
    data->live_count = data->in_store;
    return bench_ok(ng_open(NULL, NULL, &data->store), "ng_open") &&
           bench_words_create(data->store, &data->words, 0, data->in_store, &how) &&
           bench_ok(ng_vector_graph_build(data->store, &plain, NULL, NULL),
                    "ng_vector_graph_build");
}

/* ---------------------------------------------------------------------------------------------
 * Searches
 * ------------------------------------------------------------------------------------------- */

static bool nearest(const latency_case *data, size_t row, uint32_t effort,
                    ng_score out[BENCH_NEAREST], size_t *count)
{
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = NG_PLAIN_COSINE,
                                       .effort = effort};
    return bench_ok(ng_vector_nearest(data->store, bench_words_row(&data->words, row),
                                      data->words.dimensions, &options, out, BENCH_NEAREST, count),
                    "ng_vector_nearest");
}

/** Searches exactly what was just searched. A change between the two counts as an error of ours. */
static bool recall_sample(const latency_case *data, size_t row, const ng_score *found, size_t count,
                          tally *out)
{
    ng_score exact[BENCH_NEAREST];
    size_t exact_count;
    if (!nearest(data, row, 0, exact, &exact_count)) {
        return false;
    }
    out->all += exact_count;
    for (size_t i = 0; i < count && exact_count > 0; i++) {
        out->right += found[i].score >= exact[exact_count - 1].score - BENCH_TIE_MAX;
    }
    return true;
}

static int sample_compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static double percentile(uint32_t *samples, size_t count, size_t per_thousand)
{
    qsort(samples, count, sizeof *samples, sample_compare);
    size_t place = (count - 1) * per_thousand / 1000;
    return samples[place];
}

static void sample_add(latency_case *data, size_t *count, double seconds)
{
    if (*count < SAMPLES_MAX) {
        data->samples[(*count)++] = (uint32_t)fmin(seconds * 1e9, UINT32_MAX);
    }
}

/* ---------------------------------------------------------------------------------------------
 * In quiet
 * ------------------------------------------------------------------------------------------- */

typedef bool (*ask_fn)(latency_case *data, size_t row);

static bool ask_approximate(latency_case *data, size_t row)
{
    ng_score out[BENCH_NEAREST];
    size_t count;
    return nearest(data, row, (uint32_t)data->effort, out, &count);
}

static bool ask_exact(latency_case *data, size_t row)
{
    ng_score out[BENCH_NEAREST];
    size_t count;
    return nearest(data, row, 0, out, &count);
}

static bool ask_word(latency_case *data, size_t row)
{
    const ng_query_options options = {.struct_size = sizeof options,
                                      .limit = BENCH_NEAREST,
                                      .remove_components = NG_PLAIN_COSINE};
    bench_label label = bench_label_of(row + 1);
    char text[BENCH_LABEL_BYTES + 1] = {0};
    ng_query_result *result = NULL;
    memcpy(text, label.text, BENCH_LABEL_BYTES);
    bool good = bench_ok(ng_query(data->store, text, &options, &result), "ng_query") &&
                (result->hit_count > 0 || bench_complain("ng_query: \"%s\" has no hits", text));
    ng_query_result_destroy(result);
    return good;
}

typedef struct quiet_turn {
    latency_case *data;
    ask_fn ask;
    size_t per_thousand;
} quiet_turn;

static bool quiet_round(void *context, const bench_settings *settings, double *out)
{
    const quiet_turn *turn = context;
    latency_case *data = turn->data;
    uint64_t random = SEED + 1;
    size_t count = 0;
    (void)settings; /* a turn is a number of queries */
    for (size_t i = 0; i < data->query_count; i++) {
        size_t row = (bench_random(&random) >> 11) % data->in_store;
        double began = bench_clock_seconds();
        if (!turn->ask(data, row)) {
            return false;
        }
        sample_add(data, &count, bench_clock_seconds() - began);
    }
    *out = percentile(data->samples, count, turn->per_thousand);
    return true;
}

typedef struct quiet_row {
    const char *name, *rival_name;
    ask_fn ours, rival;
    size_t per_thousand;
    double target;
} quiet_row;

static bool quiet_run(latency_case *data, const quiet_row *row)
{
    quiet_turn turns[] = {{data, row->ours, row->per_thousand},
                          {data, row->rival, row->per_thousand}};
    bench_side sides[] = {
        {.name = "ours", .round = quiet_round, .context = &turns[0]},
        {.name = row->rival_name, .round = quiet_round, .context = &turns[1]},
    };
    bool good = bench_rounds_run(&data->settings, row->name, "ns", sides, 2);
    if (good) {
        double ratio = bench_row_print(row->name, "ns", BENCH_LOWER_IS_BETTER, &sides[0], &sides[1],
                                       data->in_store);
        bench_target_print(row->name, row->rival_name, ratio, row->target);
    }
    bench_sides_release(sides, 2);
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * The other thread
 * ------------------------------------------------------------------------------------------- */

typedef struct companion {
    latency_case *data;
    pthread_t handle;
    atomic_bool stop;
    atomic_uint_fast64_t changes;
    uint64_t wanted; /* changes of the turn */
    double seconds, cpu_seconds;
    bool good;
} companion;

static void rows_swap(latency_case *data, size_t a, size_t b)
{
    uint32_t kept = data->rows[a];
    data->rows[a] = data->rows[b];
    data->rows[b] = kept;
}

/** Change number `which`: invariant 1. */
static bool change_make(latency_case *data, uint64_t which)
{
    size_t pool = data->words.count - data->live_count;
    size_t from = data->live_count + (bench_random(&data->random) >> 11) % pool;
    size_t place = (bench_random(&data->random) >> 11) % data->live_count;
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_VECTOR,
                                    .collection = NG_COLLECTION_SEMANTIC,
                                    .vector = bench_words_row(&data->words, data->rows[from]),
                                    .vector_dimensions = data->words.dimensions};
    if (which % 3 == 0) {
        ng_token_fields added = fields;
        rows_swap(data, from, data->live_count);
        return bench_ok(ng_token_create(data->store, &added, NULL, &data->ids[data->live_count++]),
                        "ng_token_create");
    }
    if (which % 3 == 1) {
        rows_swap(data, from, place);
        ng_token_fields replaced = fields;
        replaced.collection = 0; /* of a creation only */
        return bench_ok(ng_token_update(data->store, data->ids[place], &replaced, NULL),
                        "ng_token_update");
    }
    ng_token_id id = data->ids[place];
    size_t last = --data->live_count;
    rows_swap(data, place, last);
    data->ids[place] = data->ids[last];
    return bench_ok(ng_token_delete(data->store, id, NULL), "ng_token_delete");
}

static void slice_wait(double *slice)
{
    double now = bench_clock_seconds();
    *slice = *slice + SLICE_SECONDS > now ? *slice + SLICE_SECONDS : now;
    bench_sleep_until(*slice);
}

static void *writer_run(void *argument)
{
    companion *self = argument;
    latency_case *data = self->data;
    double cpu_began = bench_cpu_seconds();
    double began = bench_clock_seconds(), slice = began;
    uint64_t made = 0;
    while (self->good && made < self->wanted) {
        uint64_t due = (uint64_t)((bench_clock_seconds() - began) * data->rate);
        for (; self->good && made < due && made < self->wanted; made++) {
            self->good = change_make(data, made);
            atomic_store_explicit(&self->changes, made + 1, memory_order_relaxed);
        }
        slice_wait(&slice);
    }
    self->seconds = bench_clock_seconds() - began;
    self->cpu_seconds = bench_cpu_seconds() - cpu_began;
    atomic_store_explicit(&self->stop, true, memory_order_relaxed);
    return NULL;
}

/** Computes in every slice as long as the writer did on average, for as long as it ran. */
static void *burner_run(void *argument)
{
    companion *self = argument;
    volatile uint64_t sink = 0;
    uint64_t random = SEED;
    double end = bench_clock_seconds() + self->data->seconds;
    for (double slice = bench_clock_seconds(); slice < end;) {
        double began = bench_cpu_seconds();
        while (bench_cpu_seconds() - began < self->data->duty) {
            for (int i = 0; i < 100; i++) {
                sink = sink ^ bench_random(&random);
            }
        }
        slice_wait(&slice);
    }
    atomic_store_explicit(&self->stop, true, memory_order_relaxed);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Turns beside it
 * ------------------------------------------------------------------------------------------- */

typedef struct churn_turn {
    latency_case *data;
    bool beside_writer;
} churn_turn;

/** Where the recall of a search counts that begins now. */
static tally *tally_of(latency_case *data, const churn_turn *turn, companion *other)
{
    uint64_t changes =
        data->changes_before + atomic_load_explicit(&other->changes, memory_order_relaxed);
    size_t tenth = (size_t)(changes * TENTHS / data->change_count);
    return !turn->beside_writer ? &data->quiet : &data->tenths[tenth < TENTHS ? tenth : TENTHS - 1];
}

/** Searches until the other thread stops. */
static bool searches_sample(const churn_turn *turn, companion *other, size_t *count)
{
    latency_case *data = turn->data;
    uint64_t random = SEED + 2;
    *count = 0;
    for (size_t i = 0; !atomic_load_explicit(&other->stop, memory_order_relaxed); i++) {
        ng_score found[BENCH_NEAREST];
        size_t found_count = 0, row = (bench_random(&random) >> 11) % data->words.count;
        double began = bench_clock_seconds();
        if (!nearest(data, row, (uint32_t)data->effort, found, &found_count)) {
            return false;
        }
        sample_add(data, count, bench_clock_seconds() - began);
        if (i % SAMPLE_EVERY == 0 &&
            !recall_sample(data, row, found, found_count, tally_of(data, turn, other))) {
            return false;
        }
    }
    return *count > 0 || bench_complain("no search was made: too few changes");
}

static void writer_account(latency_case *data, const companion *other)
{
    double rate = (double)other->wanted / other->seconds;
    data->changes_before += other->wanted;
    data->seconds = other->seconds;
    data->duty = other->cpu_seconds / other->seconds * SLICE_SECONDS;
    data->reached = rate < data->reached ? rate : data->reached;
}

static bool churn_round(void *context, const bench_settings *settings, double *out)
{
    const churn_turn *turn = context;
    latency_case *data = turn->data;
    companion other = {.data = data, .good = true, .wanted = data->change_count / settings->rounds};
    size_t count = 0;
    /* What the turn before has left to be brought into the graph is not of this one. */
    if (!ask_approximate(data, 0)) {
        return false;
    }
    if (pthread_create(&other.handle, NULL, turn->beside_writer ? writer_run : burner_run,
                       &other) != 0) {
        return bench_complain("cannot start a thread");
    }
    bool good = searches_sample(turn, &other, &count);
    pthread_join(other.handle, NULL);
    if (turn->beside_writer) {
        writer_account(data, &other);
    }
    if (!good || !other.good) {
        return false;
    }
    size_t round = data->turns[turn->beside_writer]++;
    *out = percentile(data->samples, count, 990);
    data->p50[turn->beside_writer][round] = percentile(data->samples, count, 500);
    data->longest[turn->beside_writer][round] = (double)data->samples[count - 1];
    return true;
}

static double tally_recall(const tally *sum)
{
    return sum->all > 0 ? (double)sum->right / (double)sum->all : NAN;
}

static void recall_print(const latency_case *data)
{
    double worst = 1;
    printf("# churn_recall by tenths of the changes:");
    for (size_t i = 0; i < TENTHS; i++) {
        double recall = tally_recall(&data->tenths[i]);
        printf(" %.4f", recall);
        worst = recall < worst ? recall : worst;
    }
    printf(", without changes %.4f\n", tally_recall(&data->quiet));
    if (data->quiet.right > 0 && worst > 0) {
        bench_pair_print(&(bench_pair){.name = "churn_recall",
                                       .rival_name = "quiet",
                                       .unit = "recall",
                                       .better = BENCH_HIGHER_IS_BETTER,
                                       .ours = worst,
                                       .rival = tally_recall(&data->quiet),
                                       .target = 0.99,
                                       .n = data->in_store});
    }
}

static void churn_row_print(const latency_case *data, const char *name, double ours, double rival)
{
    bench_pair_print(&(bench_pair){.name = name,
                                   .rival_name = "cpu_burner",
                                   .unit = "ns",
                                   .better = BENCH_LOWER_IS_BETTER,
                                   .ours = ours,
                                   .rival = rival,
                                   .target = 0.5,
                                   .n = data->in_store});
}

static bool churn_run(latency_case *data)
{
    churn_turn turns[] = {{data, true}, {data, false}};
    bench_side sides[] = {
        {.name = "ours", .round = churn_round, .context = &turns[0]},
        {.name = "cpu_burner", .round = churn_round, .context = &turns[1]},
    };
    data->reached = INFINITY;
    bool good = bench_rounds_run(&data->settings, "churn_p99", "ns", sides, 2);
    if (good) {
        size_t rounds = data->settings.rounds;
        printf(
            "# churn: at least %.0f changes a second of %.0f, %.0f %% of a processor in the last "
            "turn\n",
            data->reached, data->rate, data->duty / SLICE_SECONDS * 100);
        churn_row_print(data, "churn_p50", bench_median(data->p50[1], rounds),
                        bench_median(data->p50[0], rounds));
        churn_row_print(data, "churn_p99", sides[0].median, sides[1].median);
        churn_row_print(data, "churn_pause", bench_median(data->longest[1], rounds),
                        bench_median(data->longest[0], rounds));
        recall_print(data);
    }
    bench_sides_release(sides, 2);
    return good;
}

/* ---------------------------------------------------------------------------------------------
 * The program
 * ------------------------------------------------------------------------------------------- */

static const quiet_row quiet_rows[] = {
    {"latency_vector_p50", "exact", ask_approximate, ask_exact, 500, 5},
    {"latency_vector_p99", "exact", ask_approximate, ask_exact, 990, 5},
    {"latency_query_p50", "vector_exact", ask_word, ask_exact, 500, 0.8},
    {"latency_query_p99", "vector_exact", ask_word, ask_exact, 990, 0.8},
};

static bool case_run(latency_case *data)
{
    ng_check_report report;
    bool good =
        bench_words_load(data->vectors, data->word_limit, 0, &data->words) && store_fill(data);
    for (size_t i = 0; good && i < sizeof quiet_rows / sizeof quiet_rows[0]; i++) {
        good = quiet_run(data, &quiet_rows[i]);
    }
    good = good && churn_run(data);
    if (good && bench_ok(ng_check(data->store, &report), "ng_check") && report.problem_count > 0) {
        good = bench_complain("ng_check: %s", report.first_problem);
    }
    ng_close(data->store);
    free(data->samples);
    free(data->ids);
    free(data->rows);
    bench_words_release(&data->words);
    return good;
}

int main(int argc, char **argv)
{
    static latency_case data = {.settings = {.rounds = 4},
                                .change_count = 100000,
                                .query_count = 500,
                                .word_limit = BENCH_WORDS_MAX,
                                .effort = 200,
                                .rate = 2500,
                                .random = SEED,
                                .vectors = BENCH_WORDS_DEFAULT};
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &data.settings.rounds, "rounds, interleaved"},
        {"changes", BENCH_COUNT, &data.change_count, "changes of all rounds together"},
        {"rate", BENCH_REAL, &data.rate, "changes a second"},
        {"queries", BENCH_COUNT, &data.query_count, "searches of a turn in quiet"},
        {"words", BENCH_COUNT, &data.word_limit, "words at most"},
        {"effort", BENCH_COUNT, &data.effort, "of the approximate search"},
        {"vectors", BENCH_TEXT, &data.vectors, "embeddings (" BENCH_WORDS_DEFAULT ")"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "searches by vector beside a writer",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (data.settings.rounds > ROUNDS_MAX || data.effort > NG_VECTOR_EFFORT_MAX ||
        data.change_count < data.settings.rounds) {
        bench_complain("--rounds is at most %d and at most --changes, --effort at most %u",
                       ROUNDS_MAX, NG_VECTOR_EFFORT_MAX);
        return EXIT_FAILURE;
    }
    bench_machine_print();
    printf("# ours: neurograph %s, store in memory, effort %" PRIu64 ", %d nearest, plain cosine; "
           "one searches, one makes %g changes a second\n",
           ng_version(), data.effort, BENCH_NEAREST, data.rate);
    return case_run(&data) ? EXIT_SUCCESS : EXIT_FAILURE;
}
