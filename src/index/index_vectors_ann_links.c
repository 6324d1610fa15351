/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Links of all rows: chosen from their candidates, and then from the rows that chose them as well. */
#include "index/index_vectors_ann_build.h"

#define CHOSEN_FROM_MAX 256u

static void links_own(const build_job *job, uint32_t row)
{
    ann_candidate *candidates = build_candidates(job, row);
    uint32_t links[ANN_OWN_LINKS];
    for (unsigned i = 0; i < job->counts[row]; i++) {
        candidates[i].row &= ~BUILD_FRESH;
        ann_fetch(job->ann, candidates[i].row);
    }
    unsigned count =
        ngi_ann_choose(job->ann, row, candidates, job->counts[row], ANN_OWN_LINKS, links);
    ngi_ann_set_links(job->ann, row, links, count);
}

/* ends[row] = where the rows that chose it end in `choosers`. */
static void links_choosers(const build_job *job, uint32_t *ends, uint32_t *choosers)
{
    const ngi_ann *ann = job->ann;
    uint32_t sum = 0;
    memset(ends, 0, ann->row_end * sizeof *ends);
    for (uint32_t i = 0; i < job->row_count; i++) {
        const uint32_t *links = ann_links(ann, job->rows[i]);
        for (unsigned k = 0; k < ann_link_count(links); k++)
            ends[links[k]]++;
    }
    for (uint32_t row = 0; row < ann->row_end; row++) {
        uint32_t own = ends[row];
        ends[row] = sum;
        sum += own;
    }
    for (uint32_t i = 0; i < job->row_count; i++) {
        const uint32_t *links = ann_links(ann, job->rows[i]);
        for (unsigned k = 0; k < ann_link_count(links); k++)
            choosers[ends[links[k]]++] = job->rows[i];
    }
}

/* Links of a row from its own and from those who chose it. */
static void links_both(const build_job *job, uint32_t row, const uint32_t *choosers, uint32_t count)
{
    const ngi_ann *ann = job->ann;
    ann_candidate near[CHOSEN_FROM_MAX];
    float scores[CHOSEN_FROM_MAX];
    uint32_t links[NGI_ANN_LINKS], fresh[CHOSEN_FROM_MAX];
    unsigned own = ann_link_count(ann_links(ann, row)), all = own;
    memcpy(fresh, ann_links(ann, row), own * sizeof *fresh);
    for (uint32_t i = 0; i < count && all < CHOSEN_FROM_MAX; i++) {
        bool is_own = false;
        for (unsigned k = 0; k < own; k++)
            is_own |= fresh[k] == choosers[i];
        if (!is_own)
            fresh[all++] = choosers[i];
    }
    if (all <= NGI_ANN_LINKS) {
        ngi_ann_set_links(ann, row, fresh, all);
        return;
    }
    ngi_ann_query query;
    ngi_ann_query_row(ann, row, &query);
    for (unsigned i = 0; i < all; i++)
        ann_fetch(ann, fresh[i]);
    ann->kernels->list(&query, ann->images.base, fresh, all, scores);
    for (unsigned i = 0; i < all; i++)
        near[i] = (ann_candidate){scores[i], fresh[i]};
    ngi_ann_sort(near, all);
    ngi_ann_set_links(ann, row, links, ngi_ann_choose(ann, row, near, all, NGI_ANN_LINKS, links));
}

bool ngi_ann_build_links(build_job *job)
{
    /* candidates are not needed any more when there are choosers */
    uint32_t *ends = job->marks, *choosers = (uint32_t *)(void *)job->candidates, begin = 0;
    for (uint32_t i = 0; i < job->row_count; i++) {
        links_own(job, job->rows[i]);
        if (i % BUILD_STEP == 0 && !build_goes_on(job, 0.8 + 0.12 * i / job->row_count))
            return false;
    }
    links_choosers(job, ends, choosers);
    for (uint32_t row = 0; row < job->ann->row_end; begin = ends[row++]) {
        if (*ann_state_of(job->ann, row) == ANN_PRESENT)
            links_both(job, row, choosers + begin, ends[row] - begin);
        if (row % BUILD_STEP == 0 && !build_goes_on(job, 0.92 + 0.08 * row / job->ann->row_end))
            return false;
    }
    return true;
}
