/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Places that stay where they are, packed for work on all of them at once: how many tokens are near
 * each, which of them hang together, which is the nearest.
 *
 *   places[]  ordered by Morton code, all different; tokens at one place are one entry with a weight
 *   leaves[]  48 places each, in the form that the kernels read
 *   nodes[]   a box for each leaf (level 0), for each 16 of those (level 1), ... up to one root
 *
 * What is below a node follows from its number: nothing points to anything. */
#ifndef NGI_INDEX_GRID_PACK_H
#define NGI_INDEX_GRID_PACK_H

#include "index/index_grid_cluster.h"
#include "index/index_grid_kernels.h"

#define PACK_FANOUT 16u
#define PACK_LEVELS_MAX 8u /* 48 * 16^7 places are more than there can be */
/* Most that are on a stack that is walked down nearest first. */
#define PACK_STACK (PACK_LEVELS_MAX * PACK_FANOUT)

/** The tokens at one place. */
typedef struct grid_place {
    int16_t at[NG_AXIS_COUNT];
    uint8_t reach;   /* of the fields that begin here, in hundredths of a unit */
    uint32_t weight; /* tokens */
    uint32_t first;  /* of job.points */
    uint32_t least;  /* lowest slot */
} grid_place;

typedef struct grid_box {
    int16_t low[NG_AXIS_COUNT], high[NG_AXIS_COUNT];
} grid_box;

typedef struct pack_node {
    grid_box box;
    uint32_t weight;
    uint32_t least; /* lowest slot */
    uint8_t reach_least, reach_most;
    bool is_one; /* all below hang together; once it is, it stays so */
} pack_node;

typedef struct pack_leaf {
    int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX];
    uint32_t weight[NGI_GRID_LEAF_MAX];
} pack_leaf;

typedef struct grid_pack {
    const grid_place *places;
    uint32_t count;
    uint32_t level_count;
    uint32_t level_first[PACK_LEVELS_MAX + 1]; /* its first node; that of the end too */
    pack_node *nodes;
    pack_leaf *leaves;
    uint32_t *scratch[2]; /* of a count: a number for each leaf */
} grid_pack;

/** A node by its level and its number there. */
typedef struct pack_ref {
    uint32_t level, index;
} pack_ref;

/** One job: what it works on, and memory that ends with it. */
typedef struct grid_work {
    ngi_cluster_job *job;
    const ngi_grid_kernels *kernels; /* for what is narrow */
    bool is_plain;                   /* the metric is one that the kernels know */
    uint64_t effort;                 /* since it was last asked whether to go on */
    struct {
        void *data;
        size_t bytes;
    } blocks[24];
    unsigned block_count;
} grid_work;

void ngi_work_begin(grid_work *work, ngi_cluster_job *job);
void ngi_work_end(grid_work *work);
/** Room for `count` items, zeroed, until ngi_work_end. NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_work_room(grid_work *work, size_t count, size_t item_bytes,
                                    const char *what, void *out);
/** False when the caller wants to stop; `effort` in comparisons of boxes, roughly. */
bool ngi_work_goes_on(grid_work *work, uint64_t effort);

/** The places of the job's points, their reach 0. */
NG_MUST_USE ng_status ngi_pack_places(grid_work *work, grid_place **out, uint32_t *count);
/** Packs places, which stay the caller's. */
NG_MUST_USE ng_status ngi_pack_build(grid_work *work, const grid_place *places, uint32_t count,
                                     grid_pack *out);

/** What is asked about the surroundings of places. */
typedef struct pack_question {
    uint64_t bound;
    uint64_t needed; /* a count below it may be given too low, but not as this many */
    bool exact;      /* else one from `needed` on may be given too low as well, but not below it */
} pack_question;

/** out[i] = tokens within the bound of the place asked[i] (NULL: of place i), ascending. */
void ngi_pack_count(grid_work *work, const grid_pack *pack, const pack_question *question,
                    const uint32_t *asked, uint32_t asked_count, uint32_t *out);

/** Which places hang together: two do if the value of their distance is at most within[sum of their
 *  reaches], and if both do with a third. root[i] = the first place of its component. Sets is_one. */
void ngi_pack_link(grid_work *work, grid_pack *pack, const uint64_t *within, uint32_t *root);

/** The place nearest to `at`, of equally near ones that of the lowest slot. False: none within. */
bool ngi_pack_nearest(grid_work *work, const grid_pack *pack, const int16_t at[NG_AXIS_COUNT],
                      uint64_t bound, uint32_t *out);

static inline uint32_t pack_level_count(const grid_pack *pack, uint32_t level)
{
    return pack->level_first[level + 1] - pack->level_first[level];
}

static inline pack_node *pack_node_at(const grid_pack *pack, pack_ref ref)
{
    return &pack->nodes[pack->level_first[ref.level] + ref.index];
}

static inline pack_ref pack_root(const grid_pack *pack)
{
    return (pack_ref){pack->level_count - 1, 0};
}

/* The children of a node of level 1 or above: `first`, and the end. */
static inline uint32_t pack_children(const grid_pack *pack, pack_ref ref, pack_ref *first)
{
    uint32_t end = (ref.index + 1) * PACK_FANOUT, all = pack_level_count(pack, ref.level - 1);
    *first = (pack_ref){ref.level - 1, ref.index * PACK_FANOUT};
    return end < all ? end : all;
}

/* The places below a node: the first, and the end. */
static inline uint32_t pack_first(pack_ref ref)
{
    return (uint32_t)((uint64_t)ref.index * NGI_GRID_LEAF_MAX << 4 * ref.level);
}

static inline uint32_t pack_end(const grid_pack *pack, pack_ref ref)
{
    uint64_t end = (uint64_t)(ref.index + 1) * NGI_GRID_LEAF_MAX << 4 * ref.level;
    return end < pack->count ? (uint32_t)end : pack->count;
}

static inline grid_box pack_point_box(const int16_t at[NG_AXIS_COUNT])
{
    return (grid_box){{at[0], at[1], at[2]}, {at[0], at[1], at[2]}};
}

static inline void pack_box_add(grid_box *box, const grid_box *more)
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        box->low[axis] = more->low[axis] < box->low[axis] ? more->low[axis] : box->low[axis];
        box->high[axis] = more->high[axis] > box->high[axis] ? more->high[axis] : box->high[axis];
    }
}

/* The least value between a point of one box and a point of the other. */
static inline uint64_t pack_least(const ngi_metric *metric, const grid_box *a, const grid_box *b)
{
    int32_t steps[NG_AXIS_COUNT];
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int32_t below = b->low[axis] - a->high[axis], above = a->low[axis] - b->high[axis];
        int32_t gap = below > above ? below : above;
        steps[axis] = gap > 0 ? gap : 0;
    }
    return ngi_metric_size(metric, steps);
}

/* The greatest. */
static inline uint64_t pack_most(const ngi_metric *metric, const grid_box *a, const grid_box *b)
{
    int32_t steps[NG_AXIS_COUNT];
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        int32_t up = b->high[axis] - a->low[axis], down = a->high[axis] - b->low[axis];
        steps[axis] = up > down ? up : down;
    }
    return ngi_metric_size(metric, steps);
}

/** The places of leaf `leaf` within the bound of `at`: `slot` of a hit says which of the leaf it is. */
unsigned ngi_pack_within(const grid_work *work, const grid_pack *pack, uint32_t leaf,
                         const int16_t at[NG_AXIS_COUNT], uint64_t bound,
                         ngi_grid_hit out[NGI_GRID_WITHIN_MAX]);

/** Euclidean distance in the space's units from a point in raw steps. */
double ngi_pack_distance(const ngi_metric *metric, const double from[NG_AXIS_COUNT],
                         const int16_t to[NG_AXIS_COUNT]);

#endif
