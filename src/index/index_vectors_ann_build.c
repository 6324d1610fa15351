/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph of all rows at once.
 *
 *   1. Every row joins the groups of the GROUPS_OF_ROW leaders nearest to it; the leaders become the
 *      entries. Groups that are too large are split by leaders of their own.
 *   2. In a group every row is compared with every other, and keeps the nearest as candidates.
 *   3. The candidates of candidates are compared as well.
 *   4. Links are chosen from the candidates,
 *   5. and from the rows that chose the row. */
#include "index/index_vectors_ann_private.h"

#include "base/base_limits.h"

#define GROUPS_OF_ROW 4u
#define GROUP_ROWS_MAX 2000u
#define GROUP_SPLIT_ROWS 700u /* that a leader of a group that is split should get */
#define GROUP_LEADERS_MAX 1024u
#define NEAR_IN_GROUP 16u
#define CANDIDATES 40u
#define NEXT_CANDIDATES 12u /* of so many, so many */
#define CHOSEN_FROM_MAX 256u

/* Images that are compared with others, together in memory. Rounded up to whole blocks. */
typedef struct build_tile {
    int8_t *images;
    float *scales;
    int32_t *sums;
    uint32_t count;
} build_tile;

typedef struct build_range {
    uint32_t begin, end;
} build_range;

typedef struct build_job {
    ngi_ann *ann;
    const ngi_ann_source *source;
    ngi_table block;
    size_t used;
    uint64_t compared; /* of members */

    ann_candidate *candidates; /* [rows][CANDIDATES], best first */
    float *worst;              /* by row: a score that does not become a candidate */
    uint8_t *counts;           /* by row */
    uint32_t *rows;            /* [row_count], those that are there */
    uint32_t row_count;
    uint32_t *members, *spare; /* [row_count x GROUPS_OF_ROW], of groups */
    uint32_t *marks;           /* by row */
    build_tile tile, leaders;
    build_range *ranges; /* a stack of groups that are too large */
    uint32_t range_count;
} build_job;

/* --- memory ---------------------------------------------------------------------------------- */

/* One table, so that it stands in huge pages; the first time its size is only summed up. */
static void *build_take(build_job *job, size_t bytes)
{
    uint8_t *at = job->block.base == NULL ? NULL : job->block.base + job->used;
    job->used += (bytes + NGI_ANN_LINE - 1) / NGI_ANN_LINE * NGI_ANN_LINE;
    return at;
}

static void build_take_tile(build_job *job, build_tile *tile, size_t rows)
{
    rows = (rows / NGI_ANN_BLOCK + 1) * NGI_ANN_BLOCK;
    tile->images = build_take(job, rows * job->ann->stride);
    tile->scales = build_take(job, rows * sizeof(float));
    tile->sums = build_take(job, rows * sizeof(int32_t));
}

static void build_lay_out(build_job *job)
{
    size_t rows = job->source->row_end, members = rows * GROUPS_OF_ROW;
    job->used = 0;
    job->candidates = build_take(job, rows * CANDIDATES * sizeof(ann_candidate));
    job->worst = build_take(job, rows * sizeof(float));
    job->counts = build_take(job, rows);
    job->rows = build_take(job, rows * sizeof(uint32_t));
    job->marks = build_take(job, rows * sizeof(uint32_t));
    job->members = build_take(job, members * sizeof(uint32_t));
    job->spare = build_take(job, members * sizeof(uint32_t));
    job->ranges = build_take(job, (members / GROUP_ROWS_MAX + 1) * sizeof(build_range));
    build_take_tile(job, &job->tile, GROUP_ROWS_MAX);
    build_take_tile(job, &job->leaders, GROUP_LEADERS_MAX);
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
out:
    return status;
}

static bool build_goes_on(const build_job *job, double done)
{
    return job->source->go_on == NULL || job->source->go_on(job->source->context, done);
}

/* --- candidates ------------------------------------------------------------------------------ */

static void candidate_add(build_job *job, uint32_t row, ann_candidate candidate)
{
    ann_candidate *list = job->candidates + (size_t)row * CANDIDATES;
    unsigned count = job->counts[row], at = count;
    while (at > 0 && ann_is_better(candidate, list[at - 1]))
        at--;
    if (at > 0 && list[at - 1].row == candidate.row)
        return;
    if (count < CANDIDATES)
        job->counts[row] = (uint8_t)++count;
    else if (at == CANDIDATES)
        return;
    for (unsigned i = count - 1; i > at; i--)
        list[i] = list[i - 1];
    list[at] = candidate;
    if (count == CANDIDATES)
        job->worst[row] = list[CANDIDATES - 1].score;
}

static void tile_fill(const build_job *job, build_tile *tile, const uint32_t *rows, uint32_t count)
{
    const ngi_ann *ann = job->ann;
    tile->count = count;
    for (uint32_t i = 0; i < count; i++) {
        ngi_ann_tail tail = ann_tail(ann, rows[i]);
        memcpy(tile->images + i * ann->stride, ann_image(ann, rows[i]), ann->stride);
        tile->scales[i] = tail.scale;
        tile->sums[i] = tail.sum;
    }
}

static ngi_ann_block tile_block(const build_job *job, const build_tile *tile, uint32_t first)
{
    return (ngi_ann_block){tile->images + first * job->ann->stride, tile->scales + first,
                           tile->sums + first};
}

/* The images of a tile nearest to the query: numbers of images, best first. */
static unsigned tile_nearest(const build_job *job, const build_tile *tile,
                             const ngi_ann_query *query, float scale, float threshold,
                             unsigned wanted, ann_candidate *out)
{
    float scores[NGI_ANN_BLOCK];
    unsigned count = 0;
    for (uint32_t first = 0; first < tile->count; first += NGI_ANN_BLOCK) {
        const ngi_ann_block block = tile_block(job, tile, first);
        uint32_t above = job->ann->kernels->scores(query, &block, scale, threshold, scores);
        if (tile->count - first < NGI_ANN_BLOCK)
            above &= (1u << (tile->count - first)) - 1;
        for (; above != 0; above &= above - 1) {
            unsigned i = (unsigned)__builtin_ctz(above), at;
            if (!(scores[i] > threshold))
                continue; /* it has risen meanwhile */
            at = count < wanted ? count++ : wanted - 1;
            for (; at > 0 && scores[i] > out[at - 1].score; at--)
                out[at] = out[at - 1];
            out[at] = (ann_candidate){scores[i], first + i};
            if (count == wanted)
                threshold = out[wanted - 1].score;
        }
    }
    return count;
}

/* Compares all rows of a group with each other. */
static void group_compare(build_job *job, const uint32_t *rows, uint32_t count)
{
    ngi_ann_query query;
    ann_candidate near[NEAR_IN_GROUP + 1];
    tile_fill(job, &job->tile, rows, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        float scale = ngi_ann_query_row(job->ann, row, &query);
        unsigned found =
            tile_nearest(job, &job->tile, &query, scale, job->worst[row], NEAR_IN_GROUP + 1, near);
        for (unsigned k = 0; k < found; k++)
            if (rows[near[k].row] != row)
                candidate_add(job, row, (ann_candidate){near[k].score, rows[near[k].row]});
    }
}

/* --- groups ---------------------------------------------------------------------------------- */

static double groups_done(const build_job *job)
{
    return 0.7 * (double)job->compared / ((double)job->row_count * GROUPS_OF_ROW);
}

static uint32_t group_leaders(uint32_t rows, uint32_t rows_each)
{
    uint32_t leaders = rows / rows_each + 1;
    return leaders < GROUP_LEADERS_MAX ? leaders : GROUP_LEADERS_MAX;
}

/* Rows spread evenly over those given become leaders. */
static void leaders_fill(build_job *job, const uint32_t *rows, uint32_t count, uint32_t leaders)
{
    uint32_t chosen[GROUP_LEADERS_MAX];
    for (uint32_t i = 0; i < leaders; i++)
        chosen[i] = rows[(uint64_t)i * count / leaders];
    tile_fill(job, &job->leaders, chosen, leaders);
}

/* Sorts rows into `out` by their leaders, of which each has up to `each`; ends[i] receives where those
 * of leader i end. `owners` is for count x each numbers. */
static bool group_sort(build_job *job, const uint32_t *rows, uint32_t count, unsigned each,
                       uint32_t *owners, uint32_t *out, uint32_t ends[GROUP_LEADERS_MAX])
{
    ngi_ann_query query;
    ann_candidate near[GROUPS_OF_ROW];
    uint32_t leaders = job->leaders.count, sum = 0;
    if (each > leaders)
        each = leaders;
    memset(ends, 0, leaders * sizeof *ends);
    for (uint32_t i = 0; i < count; i++) {
        float scale = ngi_ann_query_row(job->ann, rows[i], &query);
        unsigned found = tile_nearest(job, &job->leaders, &query, scale, -2, each, near);
        for (unsigned k = 0; k < each; k++) {
            uint32_t owner = k < found ? near[k].row : k; /* a zero vector has none nearer */
            owners[(size_t)i * each + k] = owner;
            ends[owner]++;
        }
        if (i % GROUP_ROWS_MAX == 0 && !build_goes_on(job, groups_done(job)))
            return false;
    }
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

/* Compares the groups of members [begin, ends[...]), and leaves those on the stack that are too
 * large; a group that could not be split is cut in pieces. */
static bool groups_take(build_job *job, uint32_t begin, const uint32_t *ends, uint32_t leaders)
{
    uint32_t from = begin, all = ends[leaders - 1];
    for (uint32_t i = 0; i < leaders; i++) {
        uint32_t end = begin + ends[i], size = end - from;
        bool is_whole = size == all && leaders > 1;
        for (; is_whole && size > GROUP_ROWS_MAX; size = end - from) {
            group_compare(job, job->members + from, GROUP_ROWS_MAX);
            from += GROUP_ROWS_MAX;
            job->compared += GROUP_ROWS_MAX;
        }
        if (size > GROUP_ROWS_MAX) {
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

static bool build_groups(build_job *job)
{
    ngi_ann *ann = job->ann;
    uint32_t ends[GROUP_LEADERS_MAX] = {0};
    uint32_t leaders = group_leaders(job->row_count, ANN_ENTRY_ROWS);
    leaders_fill(job, job->rows, job->row_count, leaders);
    ann->entry_count = leaders;
    for (uint32_t i = 0; i < leaders; i++)
        ann->entries[i] = job->rows[(uint64_t)i * job->row_count / leaders];
    if (!group_sort(job, job->rows, job->row_count, GROUPS_OF_ROW, job->spare, job->members,
                    ends) ||
        !groups_take(job, 0, ends, leaders))
        return false;
    while (job->range_count > 0) {
        build_range range = job->ranges[--job->range_count];
        uint32_t count = range.end - range.begin, *members = job->members + range.begin;
        leaders = group_leaders(count, GROUP_SPLIT_ROWS);
        leaders_fill(job, members, count, leaders);
        uint32_t *sorted = job->spare + range.begin;
        if (!group_sort(job, members, count, 1, job->marks, sorted, ends))
            return false;
        memcpy(members, sorted, count * sizeof *members);
        if (!groups_take(job, range.begin, ends, leaders))
            return false;
    }
    return true;
}

/* --- candidates of candidates ---------------------------------------------------------------- */

static void next_candidates(build_job *job, uint32_t row)
{
    ngi_ann_query query;
    uint32_t near[NEXT_CANDIDATES], fresh[NEXT_CANDIDATES * NEXT_CANDIDATES];
    unsigned near_count = 0, fresh_count = 0;
    const ann_candidate *own = job->candidates + (size_t)row * CANDIDATES;
    job->marks[row] = row + 1;
    for (unsigned i = 0; i < job->counts[row]; i++) {
        job->marks[own[i].row] = row + 1;
        if (i < NEXT_CANDIDATES)
            near[near_count++] = own[i].row;
    }
    for (unsigned i = 0; i < near_count; i++) {
        const ann_candidate *others = job->candidates + (size_t)near[i] * CANDIDATES;
        for (unsigned j = 0; j < NEXT_CANDIDATES && j < job->counts[near[i]]; j++) {
            uint32_t other = others[j].row;
            if (job->marks[other] == row + 1)
                continue;
            job->marks[other] = row + 1;
            ann_fetch(job->ann, other);
            fresh[fresh_count++] = other;
        }
    }
    float scale = ngi_ann_query_row(job->ann, row, &query);
    for (unsigned i = 0; i < fresh_count; i++) {
        float score = ann_score(job->ann, &query, scale, fresh[i]);
        if (score > job->worst[row])
            candidate_add(job, row, (ann_candidate){score, fresh[i]});
        if (score > job->worst[fresh[i]])
            candidate_add(job, fresh[i], (ann_candidate){score, row});
    }
}

/* --- links ----------------------------------------------------------------------------------- */

static void build_own_links(const build_job *job, uint32_t row)
{
    uint32_t links[ANN_OWN_LINKS];
    unsigned count = ngi_ann_choose(job->ann, row, job->candidates + (size_t)row * CANDIDATES,
                                    job->counts[row], ANN_OWN_LINKS, links);
    ngi_ann_set_links(job->ann, row, links, count);
}

/* ends[row] = where the rows that chose it end in `choosers`. */
static void build_choosers(build_job *job, uint32_t *ends, uint32_t *choosers)
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
static void build_links(const build_job *job, uint32_t row, const uint32_t *choosers,
                        uint32_t count)
{
    const ngi_ann *ann = job->ann;
    ann_candidate near[CHOSEN_FROM_MAX];
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
    float scale = ngi_ann_query_row(ann, row, &query);
    for (unsigned i = 0; i < all; i++)
        ann_fetch(ann, fresh[i]);
    for (unsigned i = 0; i < all; i++)
        near[i] = (ann_candidate){ann_score(ann, &query, scale, fresh[i]), fresh[i]};
    ngi_ann_sort(near, all);
    ngi_ann_set_links(ann, row, links, ngi_ann_choose(ann, row, near, all, NGI_ANN_LINKS, links));
}

static bool build_all_links(build_job *job)
{
    /* candidates are not needed any more when there are choosers */
    uint32_t *ends = job->marks, *choosers = (uint32_t *)(void *)job->candidates, begin = 0;
    for (uint32_t i = 0; i < job->row_count; i++) {
        build_own_links(job, job->rows[i]);
        if (i % GROUP_ROWS_MAX == 0 && !build_goes_on(job, 0.8 + 0.12 * i / job->row_count))
            return false;
    }
    build_choosers(job, ends, choosers);
    for (uint32_t row = 0; row < job->ann->row_end; begin = ends[row++]) {
        if (*ann_state_of(job->ann, row) == ANN_PRESENT)
            build_links(job, row, choosers + begin, ends[row] - begin);
        if (row % GROUP_ROWS_MAX == 0 && !build_goes_on(job, 0.92 + 0.08 * row / job->ann->row_end))
            return false;
    }
    return true;
}

/* --- all of it ------------------------------------------------------------------------------- */

static bool build_images(build_job *job, float *vector)
{
    const ngi_ann_source *source = job->source;
    for (uint32_t row = 0; row < source->row_end; row++) {
        bool is_there = source->vector(source->context, row, vector);
        ngi_ann_set_state(job->ann, row, is_there ? ANN_PRESENT : ANN_ABSENT);
        ngi_ann_set_links(job->ann, row, NULL, 0);
        if (!is_there)
            continue;
        ngi_ann_set_image(job->ann, row, vector);
        job->worst[row] = -2;
        job->rows[job->row_count++] = row;
        if (row % GROUP_ROWS_MAX == 0 && !build_goes_on(job, 0))
            return false;
    }
    return true;
}

static bool build_run(build_job *job, float *vector)
{
    if (!build_images(job, vector))
        return false;
    if (job->row_count == 0)
        return true;
    if (!build_groups(job))
        return false;
    memset(job->marks, 0, job->source->row_end * sizeof *job->marks);
    for (uint32_t i = 0; i < job->row_count; i++) {
        next_candidates(job, job->rows[i]);
        if (i % GROUP_ROWS_MAX == 0 && !build_goes_on(job, 0.7 + 0.1 * i / job->row_count))
            return false;
    }
    return build_all_links(job);
}

ng_status ngi_ann_build(ngi_ann *ann, const ngi_ann_source *source)
{
    build_job job = {.ann = ann, .source = source};
    float vector[NGI_DIMENSIONS_MAX];
    ng_status status = NG_OK;
    ngi_ann_clear(ann);
    if (source->row_end == 0)
        return NG_OK;
    NGI_TRY(ngi_ann_reserve(ann, source->row_end));
    NGI_TRY(build_begin(&job));
    if (!build_run(&job, vector)) {
        ngi_ann_clear(ann);
        status = ngi_fail(NG_E_CANCELLED, "the graph of vectors was not built: cancelled");
    }
out:
    ngi_table_release(&job.block);
    return status;
}
