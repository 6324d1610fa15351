/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Groups of rows that share a leader: in a group every row is compared with every other.
 *
 * Rows of a group stand in order, so that of equal scores the lower row comes first, here as
 * everywhere. */
#include "index/index_vectors_ann_build.h"

#include <math.h>

#define SPLIT_ROWS (BUILD_GROUP_ROWS / 3) /* that a leader of a group that is split should get */

/* The `wanted` rows nearest to each query of the batch that are above its threshold. */
static void groups_nearest(const build_job *job, const build_panels *panels, unsigned wanted,
                           build_near near[NGI_ANN_BATCH])
{
    float *thresholds = job->batch->thresholds;
    ngi_ann_compared compared;
    for (unsigned i = 0; i < NGI_ANN_BATCH; i++)
        near[i].count = 0;
    for (uint32_t first = 0; first < panels->count; first += NGI_ANN_PANEL) {
        ngi_ann_panel_compare(job, panels, first, &compared);
        for (unsigned i = 0; i < NGI_ANN_BATCH; i++) {
            ann_candidate *best = near[i].best;
            for (unsigned above = compared.above[i]; above != 0; above &= above - 1) {
                unsigned row = (unsigned)__builtin_ctz(above);
                float score = compared.scores[i][row];
                if (!(score > thresholds[i]))
                    continue; /* it has risen meanwhile */
                unsigned at = near[i].count < wanted ? near[i].count++ : wanted - 1;
                for (; at > 0 && score > best[at - 1].score; at--)
                    best[at] = best[at - 1];
                best[at] = (ann_candidate){score, first + row};
                if (near[i].count == wanted)
                    thresholds[i] = best[wanted - 1].score;
            }
        }
    }
}

/* Candidates of a row from those it has and the nearest of a group. */
static void candidates_merge(build_job *job, uint32_t row, const build_near *near,
                             const uint32_t *rows)
{
    ann_candidate *list = build_candidates(job, row), merged[BUILD_CANDIDATES];
    unsigned old = 0, old_count = job->counts[row], fresh = 0, count = 0;
    while (count < BUILD_CANDIDATES && (old < old_count || fresh < near->count)) {
        ann_candidate own = {-INFINITY, ANN_NONE}, other = {-INFINITY, ANN_NONE};
        if (old < old_count)
            own = (ann_candidate){list[old].score, list[old].row & ~BUILD_FRESH};
        if (fresh < near->count)
            other = (ann_candidate){near->best[fresh].score, rows[near->best[fresh].row]};
        bool is_same = own.row == other.row;
        if (other.row == row || (fresh < near->count && is_same)) {
            fresh++;
        } else if (old == old_count || (fresh < near->count && ann_is_better(other, own))) {
            merged[count++] = (ann_candidate){other.score, other.row | BUILD_FRESH};
            fresh++;
        } else {
            merged[count++] = list[old++];
        }
    }
    memcpy(list, merged, count * sizeof *merged);
    job->counts[row] = (uint8_t)count;
    if (count == BUILD_CANDIDATES)
        job->worst[row] = merged[count - 1].score;
}

static void group_compare(build_job *job, const uint32_t *rows, uint32_t count)
{
    build_near near[NGI_ANN_BATCH];
    if (count < 2)
        return;
    ngi_ann_panels_fill(job, &job->panels, rows, count);
    for (uint32_t first = 0; first < count; first += NGI_ANN_BATCH) {
        unsigned batch = count - first < NGI_ANN_BATCH ? count - first : NGI_ANN_BATCH;
        ngi_ann_batch_fill(job, rows + first, batch);
        groups_nearest(job, &job->panels, BUILD_NEAR + 1, near);
        for (unsigned i = 0; i < batch; i++)
            candidates_merge(job, rows[first + i], &near[i], rows);
    }
}

/* --- leaders --------------------------------------------------------------------------------- */

static double groups_done(const build_job *job)
{
    return 0.6 * (double)job->compared / ((double)job->row_count * BUILD_GROUPS);
}

static uint32_t leaders_wanted(uint32_t rows, uint32_t rows_each)
{
    uint32_t leaders = rows / rows_each + 1;
    return leaders < BUILD_LEADERS_MAX ? leaders : BUILD_LEADERS_MAX;
}

/* Rows spread evenly over those given become leaders. */
static void leaders_fill(build_job *job, const uint32_t *rows, uint32_t count, uint32_t leaders)
{
    uint32_t chosen[BUILD_LEADERS_MAX];
    for (uint32_t i = 0; i < leaders; i++)
        chosen[i] = rows[(uint64_t)i * count / leaders];
    ngi_ann_panels_fill(job, &job->leaders, chosen, leaders);
}

/* The `each` leaders nearest to rows, into owners[count][each]. */
static bool leaders_find(const build_job *job, const uint32_t *rows, uint32_t count, unsigned each,
                         uint32_t *owners)
{
    build_near near[NGI_ANN_BATCH];
    for (uint32_t first = 0; first < count; first += NGI_ANN_BATCH) {
        unsigned batch = count - first < NGI_ANN_BATCH ? count - first : NGI_ANN_BATCH;
        ngi_ann_batch_fill(job, rows + first, batch);
        for (unsigned i = 0; i < batch; i++)
            job->batch->thresholds[i] = -INFINITY;
        groups_nearest(job, &job->leaders, each, near);
        for (unsigned i = 0; i < batch; i++)
            for (unsigned k = 0; k < each; k++) /* fewer only if scores are no numbers */
                owners[(size_t)(first + i) * each + k] =
                    k < near[i].count ? near[i].best[k].row : k;
        if (first % BUILD_STEP == 0 && !build_goes_on(job, groups_done(job)))
            return false;
    }
    return true;
}

/* Sorts rows into `out` by their leaders, of which each has up to `each`; ends[i] receives where those
 * of leader i end. `owners` is for count x each numbers. */
static bool groups_sort(const build_job *job, const uint32_t *rows, uint32_t count, unsigned each,
                        uint32_t *owners, uint32_t *out, uint32_t ends[BUILD_LEADERS_MAX])
{
    uint32_t leaders = job->leaders.count, sum = 0;
    each = each < leaders ? each : leaders;
    if (!leaders_find(job, rows, count, each, owners))
        return false;
    memset(ends, 0, leaders * sizeof *ends);
    for (size_t i = 0; i < (size_t)count * each; i++)
        ends[owners[i]]++;
    for (uint32_t i = 0; i < leaders; i++) {
        uint32_t own = ends[i];
        ends[i] = sum;
        sum += own;
    }
    for (uint32_t i = 0; i < count; i++)
        for (unsigned k = 0; k < each; k++)
            out[ends[owners[(size_t)i * each + k]]++] = rows[i];
    return true;
}

/* --- groups ---------------------------------------------------------------------------------- */

/* Compares the groups of members [begin, ends[...]), and leaves those on the stack that are too
 * large; a group that could not be split is cut in pieces. */
static bool groups_take(build_job *job, uint32_t begin, const uint32_t *ends, uint32_t leaders)
{
    uint32_t from = begin, all = ends[leaders - 1];
    for (uint32_t i = 0; i < leaders; i++) {
        uint32_t end = begin + ends[i], size = end - from;
        bool is_whole = size == all && leaders > 1;
        for (; is_whole && size > BUILD_GROUP_ROWS; size = end - from) {
            group_compare(job, job->members + from, BUILD_GROUP_ROWS);
            from += BUILD_GROUP_ROWS;
            job->compared += BUILD_GROUP_ROWS;
        }
        if (size > BUILD_GROUP_ROWS) {
            job->ranges[job->range_count++] = (build_range){from, end};
        } else {
            group_compare(job, job->members + from, size);
            job->compared += size;
        }
        from = end;
        if (!build_goes_on(job, groups_done(job)))
            return false;
    }
    return true;
}

bool ngi_ann_build_groups(build_job *job)
{
    ngi_ann *ann = job->ann;
    uint32_t ends[BUILD_LEADERS_MAX] = {0};
    uint32_t leaders = leaders_wanted(job->row_count, ANN_ENTRY_ROWS);
    leaders_fill(job, job->rows, job->row_count, leaders);
    ann->entry_count = leaders;
    for (uint32_t i = 0; i < leaders; i++)
        ann->entries[i] = job->rows[(uint64_t)i * job->row_count / leaders];
    if (!groups_sort(job, job->rows, job->row_count, BUILD_GROUPS, job->spare, job->members,
                     ends) ||
        !groups_take(job, 0, ends, leaders))
        return false;
    while (job->range_count > 0) {
        build_range range = job->ranges[--job->range_count];
        uint32_t count = range.end - range.begin, *members = job->members + range.begin;
        uint32_t *sorted = job->spare + range.begin;
        leaders = leaders_wanted(count, SPLIT_ROWS);
        leaders_fill(job, members, count, leaders);
        if (!groups_sort(job, members, count, 1, job->marks, sorted, ends))
            return false;
        memcpy(members, sorted, count * sizeof *members);
        if (!groups_take(job, range.begin, ends, leaders))
            return false;
    }
    return true;
}
