/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Neighbours of a row are neighbours of each other, more often than not: the candidates of a row and
 * the rows whose candidate it is are compared with each other, those that were not compared here
 * before with all, in several rounds. */
#include "index/index_vectors_ann_build.h"

#define ROUNDS 2u

/* A row comes in once, in order of score: found by halving. */
static void candidate_add(build_job *job, uint32_t row, ann_candidate candidate)
{
    ann_candidate *list = build_candidates(job, row);
    unsigned count = job->counts[row], at = 0, left = count;
    while (left > 0) {
        unsigned half = left / 2;
        ann_candidate middle = {list[at + half].score, list[at + half].row & ~BUILD_FRESH};
        bool is_before = ann_is_better(middle, candidate);
        at += is_before ? half + 1 : 0;
        left = is_before ? left - half - 1 : half;
    }
    if (at == BUILD_CANDIDATES || (at < count && (list[at].row & ~BUILD_FRESH) == candidate.row))
        return;
    if (count < BUILD_CANDIDATES)
        job->counts[row] = (uint8_t)++count;
    memmove(list + at + 1, list + at, (count - 1 - at) * sizeof *list);
    list[at] = (ann_candidate){candidate.score, candidate.row | BUILD_FRESH};
    if (count == BUILD_CANDIDATES)
        job->worst[row] = list[count - 1].score;
}

/* For each row those whose candidate it is; of many, a choice that depends on the rows alone. */
static void join_choosers(build_job *job)
{
    memset(job->chooser_counts, 0, job->source->row_end);
    for (uint32_t i = 0; i < job->row_count; i++) {
        uint32_t row = job->rows[i];
        const ann_candidate *own = build_candidates(job, row);
        for (unsigned k = 0; k < job->counts[row] && k < BUILD_JOINED; k++) {
            uint32_t other = own[k].row & ~BUILD_FRESH, fresh = own[k].row & BUILD_FRESH;
            uint32_t *choosers = job->choosers + (size_t)other * BUILD_JOINED;
            uint32_t at = job->chooser_counts[other];
            if (at < BUILD_JOINED)
                job->chooser_counts[other]++;
            else
                at = (row * 2654435761u >> 16) % (3 * BUILD_JOINED);
            if (at < BUILD_JOINED)
                choosers[at] = row | fresh;
        }
    }
}

/* The rows that are compared around `row`, fresh ones first; they are not fresh there any more. */
static unsigned join_rows(build_job *job, uint32_t row, uint32_t *out, unsigned *fresh_count)
{
    ann_candidate *own = build_candidates(job, row);
    uint32_t *choosers = job->choosers + (size_t)row * BUILD_JOINED, old[2 * BUILD_JOINED];
    unsigned fresh = 0, old_count = 0;
    for (unsigned k = 0; k < job->counts[row] && k < BUILD_JOINED; k++) {
        uint32_t other = own[k].row & ~BUILD_FRESH;
        job->marks[other] = row + 1;
        if ((own[k].row & BUILD_FRESH) != 0)
            out[fresh++] = own[k].row = other;
        else
            old[old_count++] = other;
    }
    for (unsigned k = 0; k < job->chooser_counts[row]; k++) {
        uint32_t other = choosers[k] & ~BUILD_FRESH;
        if (job->marks[other] == row + 1)
            continue;
        job->marks[other] = row + 1;
        if ((choosers[k] & BUILD_FRESH) != 0)
            out[fresh++] = other;
        else
            old[old_count++] = other;
    }
    memcpy(out + fresh, old, old_count * sizeof *old);
    *fresh_count = fresh;
    return fresh + old_count;
}

static void join_fetch(const build_job *job, const uint32_t *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const char *codes = (const char *)job->codes + rows[i] * job->width;
        const char *candidates = (const char *)build_candidates(job, rows[i]);
        for (size_t at = 0; at < job->width; at += NGI_ANN_LINE)
            __builtin_prefetch(codes + at);
        for (size_t at = 0; at < BUILD_CANDIDATES * sizeof(ann_candidate); at += NGI_ANN_LINE)
            __builtin_prefetch(candidates + at);
        __builtin_prefetch(&job->worst[rows[i]]);
    }
}

static void join_row(build_job *job, uint32_t row)
{
    uint32_t rows[2 * BUILD_JOINED];
    ngi_ann_compared compared;
    unsigned fresh, count = join_rows(job, row, rows, &fresh);
    if (fresh == 0)
        return;
    join_fetch(job, rows, count);
    ngi_ann_panels_fill(job, &job->panels, rows, count);
    for (unsigned first = 0; first < count; first += NGI_ANN_BATCH) {
        unsigned batch = count - first < NGI_ANN_BATCH ? count - first : NGI_ANN_BATCH;
        unsigned others = first < fresh ? count : fresh;
        ngi_ann_batch_fill(job, rows + first, batch);
        for (unsigned panel = 0; panel < others; panel += NGI_ANN_PANEL) {
            ngi_ann_panel_compare(job, &job->panels, panel, &compared);
            for (unsigned i = 0; i < batch; i++) {
                unsigned end = first + i < fresh ? count : fresh;
                for (unsigned above = compared.above[i]; above != 0; above &= above - 1) {
                    unsigned k = (unsigned)__builtin_ctz(above), other = panel + k;
                    if (other < end && other != first + i)
                        candidate_add(job, rows[first + i],
                                      (ann_candidate){compared.scores[i][k], rows[other]});
                }
            }
        }
    }
}

bool ngi_ann_build_join(build_job *job)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(job->marks, 0, job->source->row_end * sizeof *job->marks);
        join_choosers(job);
        for (uint32_t i = 0; i < job->row_count; i++) {
            double part = (double)i / job->row_count;
            join_row(job, job->rows[i]);
            if (i % BUILD_STEP == 0 && !build_goes_on(job, 0.6 + 0.2 * (round + part) / ROUNDS))
                return false;
        }
    }
    return true;
}
