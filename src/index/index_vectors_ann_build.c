/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph of all rows at once: memory, codes, the order of the phases. */
#include "index/index_vectors_ann_build.h"

#include "base/base_limits.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

/* --- memory ---------------------------------------------------------------------------------- */

/* One table, so that it stands in huge pages; the first time its size is only summed up. */
static void *build_take(build_job *job, size_t bytes)
{
    uint8_t *at = job->block.base == NULL ? NULL : job->block.base + job->used;
    job->used += (bytes + NGI_ANN_LINE - 1) / NGI_ANN_LINE * NGI_ANN_LINE;
    return at;
}

static void build_take_panels(build_job *job, build_panels *panels, size_t rows)
{
    rows = (rows + NGI_ANN_PANEL - 1) / NGI_ANN_PANEL * NGI_ANN_PANEL;
    panels->codes = build_take(job, rows * job->width);
    panels->scales = build_take(job, rows * sizeof(float));
    panels->shifts = build_take(job, rows * sizeof(float));
}

static void build_lay_out(build_job *job)
{
    size_t rows = job->source->row_end, members = rows * BUILD_GROUPS;
    job->used = 0;
    job->codes = build_take(job, rows * job->width);
    job->scales = build_take(job, rows * sizeof(float));
    job->shifts = build_take(job, rows * sizeof(float));
    job->excess = build_take(job, rows * sizeof(int32_t));
    job->rows = build_take(job, rows * sizeof(uint32_t));
    job->copies = build_take(job, rows * sizeof(build_copy));
    job->candidates = build_take(job, rows * BUILD_CANDIDATES * sizeof(ann_candidate));
    job->worst = build_take(job, rows * sizeof(float));
    job->counts = build_take(job, rows);
    job->marks = build_take(job, rows * sizeof(uint32_t));
    job->batch = build_take(job, sizeof *job->batch);
    build_take_panels(job, &job->panels, BUILD_GROUP_ROWS);
    build_take_panels(job, &job->leaders, BUILD_LEADERS_MAX);
    job->members = build_take(job, members * sizeof(uint32_t));
    job->spare = build_take(job, members * sizeof(uint32_t));
    job->ranges = build_take(job, (members / BUILD_GROUP_ROWS + 1) * sizeof(build_range));
    job->choosers = build_take(job, rows * BUILD_JOINED * sizeof(uint32_t));
    job->chooser_counts = build_take(job, rows);
}

static ng_status build_begin(build_job *job)
{
    ng_status status;
    build_lay_out(job);
    size_t bytes = job->used;
    NGI_TRY(
        ngi_table_init(&job->block, job->ann->os, job->source->mem, 1, bytes, "graph of vectors"));
    NGI_TRY(ngi_table_reserve(&job->block, bytes));
    build_lay_out(job);
    job->batch->width = job->width;
out:
    return status;
}

/* --- codes ----------------------------------------------------------------------------------- */

static void build_encode(const build_job *job, uint32_t row, const float *vector)
{
    uint32_t dimensions = job->ann->dimensions;
    int8_t *codes = job->codes + row * job->width;
    float most = 0;
    double length = 0;
    int32_t sum = 0;
    memset(codes, 0, job->width);
    for (uint32_t i = 0; i < dimensions; i++)
        most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
    for (uint32_t i = 0; i < dimensions && most > 0; i++) {
        codes[i] = (int8_t)lrintf(vector[i] / most * ANN_QUERY_MAX);
        sum += codes[i];
        length += (double)vector[i] * (double)vector[i];
    }
    job->scales[row] = most / ANN_QUERY_MAX;
    job->shifts[row] = (float)(length / 2);
    job->excess[row] = 128 * sum;
}

static bool build_codes(build_job *job)
{
    const ngi_ann_source *source = job->source;
    float vector[NGI_DIMENSIONS_MAX];
    for (uint32_t row = 0; row < source->row_end; row++) {
        bool is_there = source->vector(source->context, row, vector);
        ngi_ann_set_state(job->ann, row, is_there ? ANN_PRESENT : ANN_ABSENT);
        ngi_ann_set_links(job->ann, row, NULL, 0);
        if (is_there) {
            ngi_ann_set_image(job->ann, row, vector);
            build_encode(job, row, vector);
            job->worst[row] = -INFINITY;
            job->rows[job->row_count++] = row;
        }
        if (row % BUILD_STEP == 0 && !build_goes_on(job, 0))
            return false;
    }
    return true;
}

/* --- copies ---------------------------------------------------------------------------------- */

typedef struct build_hashed {
    uint64_t hash;
    uint32_t row;
} build_hashed;

static int hashed_compare(const void *a, const void *b)
{
    const build_hashed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool build_is_copy(const build_job *job, uint32_t row, uint32_t other)
{
    return job->scales[row] == job->scales[other] &&
           memcmp(job->codes + row * job->width, job->codes + other * job->width, job->width) == 0;
}

/* Takes copies out of the rows. Candidates are not needed yet: there is room. */
static void build_find_copies(build_job *job)
{
    build_hashed *hashed = (build_hashed *)(void *)job->candidates;
    uint32_t kept = 0, first = 0;
    for (uint32_t i = 0; i < job->row_count; i++) {
        uint32_t row = job->rows[i];
        hashed[i] = (build_hashed){XXH3_64bits(job->codes + row * job->width, job->width), row};
    }
    qsort(hashed, job->row_count, sizeof *hashed, hashed_compare);
    for (uint32_t i = 1; i < job->row_count; i++) {
        uint32_t row = hashed[i].row;
        if (hashed[i].hash != hashed[first].hash || !build_is_copy(job, row, hashed[first].row)) {
            first = i;
            continue;
        }
        job->copies[job->copy_count++] = (build_copy){hashed[first].row, row};
        job->marks[row] = 1;
    }
    for (uint32_t i = 0; i < job->row_count; i++)
        if (job->marks[job->rows[i]] == 0)
            job->rows[kept++] = job->rows[i];
    job->row_count = kept;
}

void ngi_ann_panels_fill(const build_job *job, build_panels *panels, const uint32_t *rows,
                         uint32_t count)
{
    uint32_t end = (count + NGI_ANN_PANEL - 1) / NGI_ANN_PANEL * NGI_ANN_PANEL;
    panels->count = count;
    for (uint32_t i = 0; i < end; i++) {
        bool is_there = i < count;
        uint32_t row = rows[is_there ? i : 0];
        const int8_t *codes = job->codes + row * job->width;
        uint8_t *to =
            panels->codes + i / NGI_ANN_PANEL * NGI_ANN_PANEL * job->width + i % NGI_ANN_PANEL * 4;
        panels->scales[i] = is_there ? job->scales[row] : 0;
        panels->shifts[i] = is_there ? job->shifts[row] : INFINITY; /* so it is never above */
        for (size_t k = 0; k < job->width; k += 4) {
            uint32_t four;
            memcpy(&four, codes + k, sizeof four);
            four ^= 0x80808080u;
            memcpy(to + k * NGI_ANN_PANEL, &four, sizeof four);
        }
    }
}

void ngi_ann_batch_fill(const build_job *job, const uint32_t *rows, unsigned count)
{
    ngi_ann_batch *batch = job->batch;
    for (unsigned i = 0; i < NGI_ANN_BATCH; i++) {
        uint32_t row = rows[i < count ? i : 0];
        memcpy(batch->codes[i], job->codes + row * job->width, job->width);
        batch->scales[i] = job->scales[row];
        batch->excess[i] = job->excess[row];
        batch->thresholds[i] = i < count ? job->worst[row] : INFINITY;
    }
}

void ngi_ann_panel_compare(const build_job *job, const build_panels *panels, uint32_t first,
                           ngi_ann_compared *out)
{
    const ngi_ann_panel panel = {panels->codes + first * job->width, panels->scales + first,
                                 panels->shifts + first};
    job->ann->kernels->compare(job->batch, &panel, out);
}

/* --- all of it ------------------------------------------------------------------------------- */

static bool build_run(build_job *job)
{
    if (!build_codes(job))
        return false;
    build_find_copies(job);
    return job->row_count == 0 ||
           (ngi_ann_build_groups(job) && ngi_ann_build_join(job) && ngi_ann_build_links(job));
}

ng_status ngi_ann_build(ngi_ann *ann, const ngi_ann_source *source)
{
    build_job job = {.ann = ann, .source = source, .width = (ann->dimensions + 3) / 4 * (size_t)4};
    ng_status status = NG_OK;
    ngi_ann_clear(ann);
    if (source->row_end == 0)
        return NG_OK;
    NGI_TRY(ngi_ann_reserve(ann, source->row_end));
    NGI_TRY(build_begin(&job));
    if (!build_run(&job)) {
        ngi_ann_clear(ann);
        status = ngi_fail(NG_E_CANCELLED, "the graph of vectors was not built: cancelled");
    }
out:
    ngi_table_release(&job.block);
    return status;
}
