/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One recall: what its steps share.
 *
 *      mind_recall.c         from end to end: options, tries, what becomes the result
 *      mind_recall_ask.c     what is asked: a direction, places, what is reached
 *      mind_recall_rank.c    candidates, their score, the best of them
 *      mind_recall_result.c  the answer as one block
 */
#ifndef NGI_MIND_RECALL_H
#define NGI_MIND_RECALL_H

#include "mind/mind_query.h"
#include "mind/mind_table.h"
#include "store/store_recall.h"

#define NGI_RECALL_STEP_ROOM 160

typedef struct ngi_recall_note {
    const char *name;
    uint64_t candidates, microseconds;
    char text[NGI_RECALL_STEP_ROOM];
} ngi_recall_note;

/** A candidate with its parts; NaN where it has none. */
typedef struct ngi_recall_scored {
    ng_token_id id;
    double score;
    double parts[NG_RECALL_PART_COUNT];
    double distance;
} ngi_recall_scored;

typedef struct ngi_recall_job {
    const ng_store *store;
    ngi_mem *mem;
    ngi_os *os;
    const ng_recall_options *options;
    uint64_t begin_ns;
    ng_status stopped; /* why recall_go_on said no */

    /* What is asked. */
    bool asks[NG_RECALL_PART_COUNT];
    double weights[NG_RECALL_PART_COUNT];
    uint32_t limit;
    ngi_query_job query; /* with a text */
    size_t dimensions;
    double *sum;             /* [dimensions], of a vector or of examples */
    const double *direction; /* NULL = none; `sum`, or that of the query */
    size_t direction_dimensions;
    size_t without_vector; /* examples */
    ng_filter filter;
    ngi_recall_place places[NG_SPACE_COUNT];
    size_t place_count;
    uint8_t place_spaces;
    ng_token_id *left_out; /* [left_out_capacity]: what the question names, and options->exclude */
    size_t left_out_count, left_out_capacity;
    ngi_graph_reach reach;
    ngi_recall_probe *probe;

    /* Candidates. */
    ngi_keys seen; /* left out, or measured */
    ng_token_id pending[NGI_RECALL_SLICE];
    size_t pending_count;
    uint64_t measured;       /* that the filter lets through */
    uint64_t score_ns;       /* spent on measuring */
    ngi_recall_scored *best; /* a heap, the worst at the top; best first when ranking has ended */
    size_t best_count, best_capacity;
    bool is_approximate;

    ngi_recall_note notes[NGI_RECALL_STEPS_MAX]; /* of the plan */
    size_t note_count;
} ngi_recall_job;

/** Whether deadline and caller let it go on; else the status and its message. */
NG_MUST_USE ng_status ngi_recall_check(ngi_recall_job *job);
/** For searches that ask now and then; `context` is the job. The reason is in job->stopped. */
bool ngi_recall_go_on(void *context);
/** What is left of deadline and cancellation, for a search in space. */
ng_search_options ngi_recall_search(const ngi_recall_job *job);
/** A step of the plan that began at `begin_ns`; nothing without options->explain. */
void ngi_recall_explain(ngi_recall_job *job, const char *name, uint64_t candidates,
                        uint64_t nanoseconds, const char *format, ...) NGI_PRINTF(5, 6);
uint64_t ngi_recall_now(const ngi_recall_job *job);

/** Options, and everything up to `probe`. Errors: those of ng_recall but NG_E_TIMEOUT. */
NG_MUST_USE ng_status ngi_recall_ask(ngi_recall_job *job);
/** The parts fused: sum of weight x part / sum of weights; a part that is NaN, or negative, counts 0.
 *  Never falls when a part grows, also as rounded: the bound of what was not seen rests on it. */
double ngi_recall_fuse(const double weights[NG_RECALL_PART_COUNT],
                       const double parts[NG_RECALL_PART_COUNT]);
/** Fills job->best. */
NG_MUST_USE ng_status ngi_recall_rank(ngi_recall_job *job);
/** The answer of job->best. Owns: destroyed by ngi_mind_recall_result_destroy. */
NG_MUST_USE ng_status ngi_recall_result_create(ngi_recall_job *job, ng_recall_result **out);

#endif
