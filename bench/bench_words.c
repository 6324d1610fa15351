/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Word vectors, and what is nearest among them. See bench_words.h. */
#include "bench_words.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_ROWS 4096   /* of one sgemm */
#define SCAN_QUERIES 100 /* likewise */
#define SCAN_KEPT 32     /* by float32, to be scored again */
#define SEED 4242

/* ---------------------------------------------------------------------------------------------
 * Loading
 * ------------------------------------------------------------------------------------------- */

/** Makes `row` a unit vector; false if it has no direction. */
static bool row_normalise(float *row, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++) {
        sum += (double)row[i] * (double)row[i];
    }
    for (size_t i = 0; i < dimensions && sum > 0; i++) {
        row[i] = (float)((double)row[i] / sqrt(sum));
    }
    return sum > 0;
}

static bool rows_copy(const ng_store *store, bench_words *out)
{
    ng_info info;
    size_t listed = 0;
    if (!bench_ok(ng_store_info(store, &info), "ng_store_info")) {
        return false;
    }
    out->dimensions = info.dimensions;
    out->unit = malloc(info.token_count * out->dimensions * sizeof *out->unit);
    ng_token_id *ids = malloc(info.token_count * sizeof *ids);
    bool good = out->unit != NULL && ids != NULL
                    ? bench_ok(ng_token_list(store, NG_COLLECTION_SEMANTIC, 0, ids,
                                             info.token_count, &listed),
                               "ng_token_list")
                    : bench_complain("out of memory");
    for (size_t i = 0; good && i < listed; i++) {
        float *row = out->unit + out->count * out->dimensions;
        size_t length = 0;
        good = bench_ok(ng_token_vector(store, ids[i], row, out->dimensions, &length),
                        "ng_token_vector");
        out->count += length == out->dimensions && row_normalise(row, length);
    }
    free(ids);
    return good;
}

/** Random rows change places with the last ones. */
static bool rows_hold_out(bench_words *words, size_t held_out_count)
{
    uint64_t random = SEED;
    if (words->count < held_out_count + BENCH_NEAREST) {
        return bench_complain("%zu words are too few", words->count);
    }
    for (size_t i = 0; i < held_out_count; i++) {
        float *last = words->unit + --words->count * words->dimensions;
        float *chosen =
            words->unit + (bench_random(&random) >> 11) % (words->count + 1) * words->dimensions;
        for (size_t j = 0; j < words->dimensions; j++) {
            float kept = chosen[j];
            chosen[j] = last[j];
            last[j] = kept;
        }
    }
    words->held_out = words->unit + words->count * words->dimensions;
    words->held_out_count = held_out_count;
    return true;
}

bool bench_words_load(const char *path, uint64_t limit, size_t held_out_count, bench_words *out)
{
    ng_store *store = NULL;
    const ng_bootstrap_options options = {.struct_size = sizeof options, .max_words = limit};
    *out = (bench_words){0};
    bool good = bench_ok(ng_open(NULL, NULL, &store), "ng_open") &&
                bench_ok(ng_bootstrap(store, path, &options, NULL), path) && rows_copy(store, out);
    ng_close(store);
    if (!good || !rows_hold_out(out, held_out_count)) {
        bench_words_release(out);
        return false;
    }
    printf("# %s: %zu unit vectors of %zu dimensions, %zu held out\n", path, out->count,
           out->dimensions, out->held_out_count);
    return true;
}

void bench_words_release(bench_words *old)
{
    free(old->unit);
    *old = (bench_words){0};
}

/* ---------------------------------------------------------------------------------------------
 * What is nearest
 * ------------------------------------------------------------------------------------------- */

double bench_words_score(const bench_words *words, const float *query, uint32_t row)
{
    const float *vector = bench_words_row(words, row);
    double sum = 0;
    for (size_t i = 0; i < words->dimensions; i++) {
        sum += (double)vector[i] * (double)query[i];
    }
    return sum;
}

typedef struct best_rows {
    size_t count;
    float scores[SCAN_KEPT]; /* best first */
    uint32_t rows[SCAN_KEPT];
} best_rows;

static void best_add(best_rows *best, const float *scores, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        if (best->count == SCAN_KEPT && scores[i] <= best->scores[SCAN_KEPT - 1]) {
            continue;
        }
        size_t place = best->count < SCAN_KEPT ? best->count++ : SCAN_KEPT - 1;
        for (; place > 0 && best->scores[place - 1] < scores[i]; place--) {
            best->scores[place] = best->scores[place - 1];
            best->rows[place] = best->rows[place - 1];
        }
        best->scores[place] = scores[i];
        best->rows[place] = (uint32_t)(first + i);
    }
}

static int descending_compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a < b) - (a > b);
}

static double best_tenth(const bench_words *words, const float *query, const best_rows *best)
{
    double scores[SCAN_KEPT];
    for (size_t i = 0; i < best->count; i++) {
        scores[i] = bench_words_score(words, query, best->rows[i]);
    }
    qsort(scores, best->count, sizeof *scores, descending_compare);
    return scores[BENCH_NEAREST - 1];
}

static void queries_scan(const bench_words *words, const float *queries, size_t query_count,
                         float *scores, best_rows *best)
{
    const blasint dimensions = (blasint)words->dimensions;
    memset(best, 0, query_count * sizeof *best);
    for (size_t first = 0; first < words->count; first += SCAN_ROWS) {
        size_t left = words->count - first;
        size_t count = left < SCAN_ROWS ? left : SCAN_ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)query_count, (blasint)count,
                    dimensions, 1.0f, queries, dimensions, bench_words_row(words, first),
                    dimensions, 0.0f, scores, (blasint)count);
        for (size_t i = 0; i < query_count; i++) {
            best_add(&best[i], scores + i * count, count, first);
        }
    }
}

bool bench_words_tenths(const bench_words *words, const float *queries, size_t query_count,
                        double *out)
{
    float *scores = malloc(sizeof *scores * SCAN_QUERIES * SCAN_ROWS);
    best_rows *best = malloc(sizeof *best * SCAN_QUERIES);
    bool good = scores != NULL && best != NULL;
    for (size_t done = 0; good && done < query_count; done += SCAN_QUERIES) {
        size_t left = query_count - done;
        size_t count = left < SCAN_QUERIES ? left : SCAN_QUERIES;
        const float *block = queries + done * words->dimensions;
        queries_scan(words, block, count, scores, best);
        for (size_t i = 0; i < count; i++) {
            out[done + i] = best_tenth(words, block + i * words->dimensions, &best[i]);
        }
    }
    free(scores);
    free(best);
    return good || bench_complain("out of memory");
}

size_t bench_words_right(const bench_words *words, const float *query, double tenth,
                         const uint32_t *rows)
{
    size_t right = 0;
    for (size_t i = 0; i < BENCH_NEAREST; i++) {
        bool is_new = rows[i] < words->count;
        for (size_t j = 0; j < i; j++) {
            is_new = is_new && rows[j] != rows[i];
        }
        right += is_new && bench_words_score(words, query, rows[i]) >= tenth - BENCH_TIE_MAX;
    }
    return right;
}

/* ---------------------------------------------------------------------------------------------
 * Tokens
 * ------------------------------------------------------------------------------------------- */

bool bench_words_create(ng_store *store, const bench_words *words, size_t first, size_t count,
                        const bench_words_tokens *how)
{
    ng_token_fields *fields = calloc(BENCH_BATCH, sizeof *fields);
    ng_token_id ids[BENCH_BATCH];
    bool good = true;
    if (fields == NULL) {
        return bench_complain("out of memory");
    }
    for (size_t done = 0; good && done < count; done += BENCH_BATCH) {
        size_t batch = count - done < BENCH_BATCH ? count - done : BENCH_BATCH;
        for (size_t i = 0; i < batch; i++) {
            fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                          .set = NG_FIELD_VECTOR,
                                          .collection = how->collection,
                                          .vector = bench_words_row(words, first + done + i),
                                          .vector_dimensions = words->dimensions};
            if (how->decorate != NULL) {
                how->decorate(how->context, first + done + i, &fields[i]);
            }
        }
        good =
            bench_ok(ng_token_create_many(store, fields, batch, NULL, ids), "ng_token_create_many");
    }
    free(fields);
    return good;
}
