/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What hangs together in space: clusters of tokens, and the fields that dense places give rise to.
 *
 * Both work on a copy of the points, without a lock, and are exact: they compare integers, and what they
 * find does not depend on the order of anything.
 *
 * Clusters (Ester, Kriegel, Sander and Xu 1996, "DBSCAN"): a token with at least `min_tokens` within the
 * bound, itself counted, is a core. Cores within the bound of each other are of one cluster. Another
 * token within the bound of a core is of the cluster of the nearest one, of equally near ones of that
 * with the lowest slot; what is left is noise.
 *
 * Fields: a token whose field reaches, and whose ball of that radius has tokens enough and dense enough,
 * gives rise to a field. Two that are nearer than the sum of their radii give rise to one.
 *
 * Cost: O(n log n) for clusters but for places where the count is close to min_tokens, which are counted
 * one by one. Fields are counted one by one where tokens may be dense enough: each costs the leaves that
 * the surface of its ball cuts, as ngi_grid_count does. Memory: about 60 bytes a token. */
#ifndef NGI_INDEX_GRID_CLUSTER_H
#define NGI_INDEX_GRID_CLUSTER_H

#include "base/base_mem.h"
#include "model/model_space.h"

/** A token. */
typedef struct ngi_cluster_point {
    uint32_t slot;
    int16_t at[NG_AXIS_COUNT];
    uint8_t reach;    /* radius of its field, in hundredths of a unit; 0 = none. Fields only */
    uint8_t strength; /* of its field, in parts of 255; likewise */
} ngi_cluster_point;

typedef struct ngi_cluster_job {
    ngi_mem *mem;
    ngi_metric metric;
    const ngi_cluster_point *points; /* as ngi_grid_copy gives them */
    uint32_t count;
    bool (*go_on)(void *context); /* asked now and then, or NULL; false = stop */
    void *context;
    bool is_stopped; /* it said so: nothing was found */
} ngi_cluster_job;

/** `center` in raw steps; `radius` in the space's units. */
typedef struct ngi_cluster {
    uint64_t token_count, core_count;
    uint32_t least; /* lowest slot */
    int16_t low[NG_AXIS_COUNT], high[NG_AXIS_COUNT];
    double center[NG_AXIS_COUNT]; /* the mean */
    double radius;                /* Euclidean, from there to the farthest of them */
} ngi_cluster;

/** Finds clusters. `*out`, of `*count`, and `*numbers`, of job.count, are the caller's afterwards
 *  (ngi_free): the largest cluster first, of equals that with the lowest slot; and for each point the
 *  number of its cluster from 1, 0 = noise. NULL if there is no cluster, or no point. NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_cluster_find(ngi_cluster_job *job, uint64_t bound, uint64_t min_tokens,
                                       ngi_cluster **out, uint32_t *count, uint32_t **numbers);

typedef struct ngi_field {
    uint64_t token_count;         /* within the ball of any source */
    uint64_t source_count;        /* tokens that gave rise to it */
    uint32_t least;               /* lowest slot of a source */
    double center[NG_AXIS_COUNT]; /* mean of the sources by strength, or plain if none has any */
    double radius;                /* what covers the ball of each source */
    double density;               /* the greatest in the ball of a source */
    double strength;              /* sum over the sources, 1 for each at most */
} ngi_field;

/** Finds fields; the metric is the Euclidean. A source has at least `min_tokens` in its ball, and a
 *  density above `density_threshold`, in tokens for each unit of volume. `*out` is the caller's
 *  afterwards (ngi_free), NULL if there is none: that of the most tokens first, of equals that with
 *  the lowest slot of a source. NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_field_find(ngi_cluster_job *job, double density_threshold,
                                     uint64_t min_tokens, ngi_field **out, uint32_t *count);

/** Tokens for each unit of volume in a ball of `reach` hundredths. */
double ngi_field_density(uint64_t count, uint8_t reach);
/** The largest value of a distance that is less than `reach` hundredths of a unit; reach >= 1. */
uint64_t ngi_field_nearer(const ngi_metric *metric, unsigned reach);

#endif
