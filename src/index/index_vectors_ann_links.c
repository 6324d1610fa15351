/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Links of all rows: chosen from their candidates, and then from the rows that chose them as well. */
#include "index/index_vectors_ann_build.h"

#define CHOSEN_FROM_MAX 256u
#define COPIES_EACH 8u /* copies that one of them leads to */
#define COPY_LINKS 24u

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

/* Where a link can be put among those of a row: at the end, or in place of one whose row has others
 * that lead to it; NGI_ANN_LINKS = nowhere. */
static unsigned reach_place(const ngi_ann *ann, uint32_t row, const uint32_t *counts)
{
    const uint32_t *links = ann_links(ann, row);
    unsigned count = ann_link_count(links);
    if (count < NGI_ANN_LINKS)
        return count;
    while (count > 0 && counts[links[count - 1]] < 2)
        count--;
    return count > 0 ? count - 1 : NGI_ANN_LINKS;
}

/* A row that no other leads to would never be found: the nearest of its links leads to it. Of many rows
 * that are equal each leads to the next. */
static void links_reach(const build_job *job)
{
    const ngi_ann *ann = job->ann;
    uint32_t *counts = job->marks, *last = job->choosers;
    memset(counts, 0, ann->row_end * sizeof *counts);
    for (uint32_t i = 0; i < job->row_count; i++) {
        const uint32_t *links = ann_links(ann, job->rows[i]);
        for (unsigned k = 0; k < ann_link_count(links); k++)
            counts[links[k]]++;
        last[job->rows[i]] = job->rows[i];
    }
    for (uint32_t i = 0; i < job->row_count; i++) {
        uint32_t row = job->rows[i], *links = ann_links(ann, row);
        if (counts[row] > 0 || links[0] == ANN_NONE)
            continue;
        uint32_t from = links[0], at = last[from];
        unsigned place = reach_place(ann, at, counts);
        if (place == NGI_ANN_LINKS)
            continue;
        links = ann_links(ann, at);
        if (links[place] == ANN_NONE && place + 1 < NGI_ANN_LINKS)
            links[place + 1] = ANN_NONE;
        else if (links[place] != ANN_NONE)
            counts[links[place]]--;
        links[place] = row;
        counts[row]++;
        if (reach_place(ann, at, counts) == NGI_ANN_LINKS)
            last[from] = row;
    }
}

/* Copies are linked as a tree below the first, and lead on as that one does. */
static void links_copies(const build_job *job)
{
    const ngi_ann *ann = job->ann;
    uint32_t begin = 0;
    for (uint32_t i = 0; i < job->copy_count; i++) {
        const build_copy *copy = &job->copies[i];
        if (copy->first != job->copies[begin].first)
            begin = i;
        uint32_t at = i - begin;
        uint32_t parent =
            at < COPIES_EACH ? copy->first : job->copies[begin + at / COPIES_EACH - 1].row;
        uint32_t *links = ann_links(ann, parent), own[COPY_LINKS] = {copy->first};
        unsigned count = ann_link_count(links), own_count = 1;
        if (count > NGI_ANN_LINKS - COPIES_EACH + at % COPIES_EACH)
            count = NGI_ANN_LINKS - COPIES_EACH + at % COPIES_EACH;
        const uint32_t *onward = ann_links(ann, copy->first);
        for (unsigned k = 0; k < ann_link_count(onward) && own_count < COPY_LINKS; k++)
            if (onward[k] != copy->row)
                own[own_count++] = onward[k];
        ngi_ann_set_links(ann, copy->row, own, own_count);
        links[count] = copy->row;
        if (count + 1 < NGI_ANN_LINKS)
            links[count + 1] = ANN_NONE;
    }
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
    links_reach(job);
    links_copies(job);
    return true;
}
