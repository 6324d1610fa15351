/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A graph that is being made of all rows at once, from inside:
 *
 *   1. build    the codes of all rows; of rows with the same ones all but the first stand aside until the
 *               end, as they would be each other's only neighbours
 *   2. groups   every row joins the groups of the leaders nearest to it, and keeps as candidates the
 *               nearest rows in each
 *   3. join     the candidates of a row, and the rows that it is a candidate of, are compared with each
 *               other (Dong et al. 2011, "NN-Descent")
 *   4. links    are chosen from the candidates, and from the rows that chose the row */
#ifndef NGI_INDEX_VECTORS_ANN_BUILD_H
#define NGI_INDEX_VECTORS_ANN_BUILD_H

#include "index/index_vectors_ann_private.h"

#define BUILD_GROUPS 6u        /* of a row */
#define BUILD_GROUP_ROWS 5000u /* that are compared at most */
#define BUILD_LEADERS_MAX 1024u
#define BUILD_NEAR 12u       /* rows that a row keeps of a group */
#define BUILD_CANDIDATES 40u /* of a row */
#define BUILD_JOINED 24u     /* candidates that are compared, and rows whose candidate it is */
#define BUILD_STEP 2000u     /* rows between two questions whether to go on */
#define BUILD_FRESH                                                                                \
    0x80000000u /* of the row of a candidate: it has not been compared with others yet */

/* Rows that are compared with batches of queries, by panels. */
typedef struct build_panels {
    uint8_t *codes;
    float *scales, *shifts;
    uint32_t count; /* of rows */
} build_panels;

typedef struct build_range {
    uint32_t begin, end;
} build_range;

/* A row with the same codes as an earlier one. */
typedef struct build_copy {
    uint32_t first, row;
} build_copy;

/* The nearest rows of some panels, best first, equal scores in their order there. */
typedef struct build_near {
    unsigned count;
    ann_candidate best[BUILD_NEAR + 1]; /* numbers of rows in the panels */
} build_near;

typedef struct build_job {
    ngi_ann *ann;
    const ngi_ann_source *source;
    ngi_table block;
    size_t used;

    size_t width;    /* of the codes of a row: a multiple of four */
    int8_t *codes;   /* [rows][width] */
    float *scales;   /* by row; so the others */
    float *shifts;   /* half of the squared length */
    int32_t *excess; /* 128 x the sum of the codes */
    uint32_t *rows;  /* [row_count], those that are there and no copies, in order */
    uint32_t row_count;
    build_copy *copies; /* [copy_count], those of one row together */
    uint32_t copy_count;

    ann_candidate *candidates; /* [rows][BUILD_CANDIDATES], best first */
    float *worst;              /* by row: a score that does not become a candidate */
    uint8_t *counts;           /* by row: candidates */
    uint32_t *marks;           /* by row */
    ngi_ann_batch *batch;
    build_panels panels;

    uint32_t *members, *spare; /* [row_count x BUILD_GROUPS], of groups */
    build_panels leaders;
    build_range *ranges; /* a stack of groups that are too large */
    uint32_t range_count;
    uint64_t compared; /* of members */

    uint32_t *choosers;      /* [rows][BUILD_JOINED], rows whose candidate a row is */
    uint8_t *chooser_counts; /* by row */
} build_job;

static inline bool build_goes_on(const build_job *job, double done)
{
    return job->source->go_on == NULL || job->source->go_on(job->source->context, done);
}

static inline ann_candidate *build_candidates(const build_job *job, uint32_t row)
{
    return job->candidates + (size_t)row * BUILD_CANDIDATES;
}

/** Copies rows into panels. */
void ngi_ann_panels_fill(const build_job *job, build_panels *panels, const uint32_t *rows,
                         uint32_t count);
/** Up to NGI_ANN_BATCH rows become the batch of queries. Thresholds are their `worst`. */
void ngi_ann_batch_fill(const build_job *job, const uint32_t *rows, unsigned count);
void ngi_ann_panel_compare(const build_job *job, const build_panels *panels, uint32_t first,
                           ngi_ann_compared *out);

/** Phases 2 to 4; false = they were stopped. */
bool ngi_ann_build_groups(build_job *job);
bool ngi_ann_build_join(build_job *job);
bool ngi_ann_build_links(build_job *job);

#endif
