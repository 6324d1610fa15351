/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The best candidates of a recall: exactly those that scoring every token would give.
 *
 * The plan looks for a small set that holds every possible hit:
 *
 *     filter     what the filter leaves, if a tag, a condition or a collection keeps it small
 *     radius     what is within a radius, if the space is required
 *     relation   what was reached, if the relation is required
 *
 * and measures all of the smallest. Without one, the threshold algorithm (Fagin, Lotem and Naor 2001):
 * each part that counts yields its best tokens in batches that grow eightfold, and the other parts of these
 * are looked up. A token that no part has yielded yet has at most the parts that the last ones
 * yielded had; when these fused are below the worst hit kept, nothing unseen can enter. Equal is not
 * below: of equal scores the lowest id counts, and that may still come.
 *
 * A prior of feedback is added to what is fused. The few tokens that have one are measured before
 * anything else, so the bound of what is unseen needs none.
 *
 * Invariants: 1. `seen` holds what is left out and what was measured: nothing is measured twice.
 *             2. best[0] is the worst of the hits kept; a heap of `limit` hits is full. */
#include "mind/mind_recall.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANK_FEW 1024u /* tokens measured one by one sooner than the vectors are passed over */
#define RANK_BATCH_MIN 64u
#define RANK_BATCH_GROWTH 8u
#define RANK_ROUNDS_MAX 16u /* more tokens than there can be, unless writers add as fast */

/* --- one score ------------------------------------------------------------------------------- */

double ngi_recall_fuse(const double weights[NG_RECALL_PART_COUNT],
                       const double parts[NG_RECALL_PART_COUNT])
{
    double sum = 0, whole = 0;
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++) {
        whole += weights[part];
        if (parts[part] > 0)
            sum += weights[part] * parts[part];
    }
    double score = sum / whole;
    return score < 1 ? score : 1;
}

/* --- the best -------------------------------------------------------------------------------- */

static bool rank_is_worse(const ngi_recall_scored *a, const ngi_recall_scored *b)
{
    return a->score < b->score || (a->score == b->score && a->id > b->id);
}

static void rank_sink(ngi_recall_scored *heap, size_t count, size_t at)
{
    ngi_recall_scored hit = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && rank_is_worse(&heap[child + 1], &heap[child]))
            child++;
        if (!rank_is_worse(&heap[child], &hit))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = hit;
}

static ng_status rank_grow(ngi_recall_job *job)
{
    void *block = job->best;
    size_t capacity = job->best_capacity == 0 ? RANK_BATCH_MIN : 2 * job->best_capacity;
    if (job->best_count < job->best_capacity)
        return NG_OK;
    ng_status status = ngi_resize(job->mem, &block, job->best_capacity * sizeof *job->best,
                                  capacity * sizeof *job->best, "hits of a recall");
    if (status == NG_OK) {
        job->best = block;
        job->best_capacity = capacity;
    }
    return status;
}

static ng_status rank_keep(ngi_recall_job *job, const ngi_recall_scored *hit)
{
    if (job->best_count == job->limit) {
        if (rank_is_worse(&job->best[0], hit)) {
            job->best[0] = *hit;
            rank_sink(job->best, job->best_count, 0);
        }
        return NG_OK;
    }
    ng_status status = rank_grow(job);
    if (status != NG_OK)
        return status;
    size_t at = job->best_count++;
    while (at > 0 && rank_is_worse(hit, &job->best[(at - 1) / 2])) {
        job->best[at] = job->best[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    job->best[at] = *hit;
    return NG_OK;
}

static int rank_by_score(const void *a, const void *b)
{
    return rank_is_worse(a, b) ? 1 : -1; /* no two have one id */
}

/* --- measuring ------------------------------------------------------------------------------- */

static bool rank_is_hit(const ngi_recall_job *job, const ngi_recall_scored *hit)
{
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++)
        if ((job->options->require >> part & 1) != 0 && isnan(hit->parts[part]))
            return false;
    return hit->score > 0 && hit->score >= job->options->threshold;
}

static ng_status rank_score(ngi_recall_job *job, ng_token_id id, const ngi_recall_parts *parts)
{
    ngi_recall_scored hit = {.id = id, .distance = parts->distance};
    const ngi_graph_path_step *step = ngi_graph_reach_of(&job->reach, (uint32_t)id);
    hit.parts[NG_RECALL_MEANING] = parts->cosine < 0 ? 0 : parts->cosine;
    hit.parts[NG_RECALL_SPACE] = parts->space;
    hit.parts[NG_RECALL_RELATION] = step != NULL ? step->score : (double)NAN;
    hit.score = ngi_recall_fuse(job->weights, hit.parts) +
                NGI_PRIOR_UNIT * ngi_cue_prior_of(&job->query.cue, id);
    job->measured++;
    return rank_is_hit(job, &hit) ? rank_keep(job, &hit) : NG_OK;
}

static ng_status rank_flush(ngi_recall_job *job)
{
    ngi_recall_parts parts[NGI_RECALL_SLICE];
    uint64_t begin_ns = ngi_recall_now(job);
    size_t count = job->pending_count;
    job->pending_count = 0;
    if (count == 0)
        return NG_OK;
    ng_status status = ngi_recall_check(job);
    if (status == NG_OK)
        status = ngi_store_recall_measure(job->probe, job->pending, count, parts);
    for (size_t i = 0; i < count && status == NG_OK; i++)
        if (parts[i].is_found)
            status = rank_score(job, job->pending[i], &parts[i]);
    job->score_ns += ngi_recall_now(job) - begin_ns;
    return status;
}

/* Offers one candidate, seen before or not. */
static ng_status rank_offer(ngi_recall_job *job, ng_token_id id)
{
    bool is_new;
    ng_status status = ngi_keys_add(job->mem, &job->seen, id, &is_new);
    if (status != NG_OK || !is_new)
        return status;
    job->pending[job->pending_count++] = id;
    return job->pending_count == NGI_RECALL_SLICE ? rank_flush(job) : NG_OK;
}

/* --- a small set ----------------------------------------------------------------------------- */

/* A set that holds every possible hit, if it is small. */
typedef struct rank_set {
    const char *name; /* NULL = there is none */
    uint64_t count;
    ng_token_id ids[RANK_FEW + 1];
    ng_hit within[RANK_FEW];
} rank_set;

/* Whether looking for what the filter leaves is worth a try. */
static ng_status rank_is_selective(const ngi_recall_job *job, bool *out)
{
    const ng_filter *filter = &job->filter;
    uint64_t count = UINT64_MAX;
    ng_status status = NG_OK;
    *out = filter->tags_all_count + filter->tags_any_count + filter->predicate_count > 0;
    if (*out)
        return NG_OK;
    if (!filter->by_collection && filter->collection_count == 0)
        status = ngi_store_token_count(job->store, NG_COLLECTION_ANY, false, &count);
    else if (filter->by_collection && filter->collection_count == 0)
        status = ngi_store_token_count(job->store, filter->collection, false, &count);
    *out = count <= RANK_FEW;
    return status;
}

static ng_status rank_try_filter(ngi_recall_job *job, rank_set *set)
{
    const ng_token_search_options search = {.struct_size = sizeof search, .filter = &job->filter};
    bool is_selective;
    size_t count = 0;
    ng_status status = rank_is_selective(job, &is_selective);
    if (status != NG_OK || !is_selective)
        return status;
    status = ngi_store_token_search(job->store, &search, set->ids, RANK_FEW + 1, &count, NULL);
    if (status == NG_OK && count <= RANK_FEW) {
        set->name = "filter";
        set->count = count;
    }
    return status;
}

static ng_status rank_try_radius(ngi_recall_job *job, rank_set *set)
{
    const ng_search_options search = ngi_recall_search(job);
    uint64_t count = UINT64_MAX;
    if ((job->options->require >> NG_RECALL_SPACE & 1) == 0)
        return NG_OK;
    ng_status status = ngi_store_recall_within(job->probe, &search, set->within, RANK_FEW, &count);
    if (status == NG_OK && count <= RANK_FEW && (set->name == NULL || count < set->count)) {
        set->name = "radius";
        set->count = count;
        for (size_t i = 0; i < count; i++)
            set->ids[i] = set->within[i].id;
    }
    return status;
}

static ng_status rank_offer_reached(ngi_recall_job *job, size_t from, size_t to)
{
    ng_status status = NG_OK;
    for (size_t i = from; i < to && status == NG_OK; i++)
        status = rank_offer(job, job->reach.steps[job->reach.best[i]].slot);
    return status;
}

/* Measures a small set; `*done` = there was one. */
static ng_status rank_by_set(ngi_recall_job *job, rank_set *set, bool *done)
{
    uint64_t begin_ns = ngi_recall_now(job);
    bool is_reached = (job->options->require >> NG_RECALL_RELATION & 1) != 0;
    ng_status status;
    set->name = NULL;
    NGI_TRY(rank_try_filter(job, set));
    NGI_TRY(rank_try_radius(job, set));
    is_reached = is_reached && (set->name == NULL || job->reach.count < set->count);
    if (is_reached) {
        set->name = "relation";
        set->count = job->reach.count;
    }
    *done = set->name != NULL;
    ngi_recall_explain(job, "plan", *done ? set->count : 0, ngi_recall_now(job) - begin_ns,
                       *done ? "the %s leaves so few that each is measured"
                             : "%sthe best of each part, until no other token can enter",
                       *done ? set->name : "");
    if (is_reached)
        NGI_TRY(rank_offer_reached(job, 0, job->reach.count));
    for (size_t i = 0; !is_reached && *done && i < set->count; i++)
        NGI_TRY(rank_offer(job, set->ids[i]));
    status = rank_flush(job);
out:
    return status;
}

/* --- the threshold algorithm ----------------------------------------------------------------- */

/* What one part has yielded. */
typedef struct rank_list {
    size_t taken;
    double upper; /* bound of the part of what it has not yielded; 0 = it yields no more */
} rank_list;

static ng_status rank_meaning(ngi_recall_job *job, size_t wanted, rank_list *list)
{
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = job->options->remove_components,
                                       .filter = &job->filter,
                                       .exclude = job->left_out,
                                       .exclude_count = job->left_out_count,
                                       .effort = job->options->effort};
    void *block;
    size_t count = 0;
    ng_status status =
        ngi_alloc(job->mem, wanted * sizeof(ng_score), "candidates of a recall", &block);
    if (status != NG_OK)
        return status;
    const ng_score *scores = block;
    NGI_TRY(ngi_store_vector_nearest_prepared(job->store, job->direction, job->direction_dimensions,
                                              &options, block, wanted, &count, NULL));
    for (size_t i = 0; i < count; i++)
        NGI_TRY(rank_offer(job, scores[i].id));
    list->taken = count;
    list->upper = count == wanted ? fmax(scores[count - 1].score, 0) : 0;
out:
    ngi_free(job->mem, block, wanted * sizeof(ng_score));
    return status;
}

static ng_status rank_space(ngi_recall_job *job, size_t wanted, rank_list *list)
{
    const ng_search_options search = ngi_recall_search(job);
    void *block;
    size_t count = 0;
    ng_status status =
        ngi_alloc(job->mem, wanted * sizeof(ng_hit), "candidates of a recall", &block);
    if (status != NG_OK)
        return status;
    const ng_hit *hits = block;
    NGI_TRY(ngi_store_recall_nearest(job->probe, &search, block, wanted, &count, &list->upper));
    for (size_t i = 0; i < count; i++)
        NGI_TRY(rank_offer(job, hits[i].id));
    list->taken = count;
out:
    ngi_free(job->mem, block, wanted * sizeof(ng_hit));
    return status;
}

static ng_status rank_relation(ngi_recall_job *job, size_t wanted, rank_list *list)
{
    const ngi_graph_reach *reach = &job->reach;
    size_t end = wanted < reach->count ? wanted : reach->count;
    ng_status status = rank_offer_reached(job, list->taken, end);
    list->taken = end;
    list->upper = end < reach->count ? reach->steps[reach->best[end - 1]].score : 0;
    return status;
}

/* The next batch of one part. */
static ng_status rank_batch(ngi_recall_job *job, int part, size_t wanted, rank_list *list)
{
    static ng_status (*const batches[NG_RECALL_PART_COUNT])(ngi_recall_job *, size_t,
                                                            rank_list *) = {rank_meaning,
                                                                            rank_space,
                                                                            rank_relation};
    uint64_t begin_ns = ngi_recall_now(job), score_ns = job->score_ns;
    ng_status status = batches[part](job, wanted, list);
    if (status == NG_OK)
        status = rank_flush(job);
    score_ns = job->score_ns - score_ns;
    if (status == NG_OK)
        ngi_recall_explain(job, ng_recall_part_name((ng_recall_part)part), list->taken,
                           ngi_recall_now(job) - begin_ns - score_ns,
                           list->upper > 0 ? "the best %zu; of any other the part is at most %.6f"
                                           : "all %zu that it can yield",
                           list->taken, list->upper);
    return status;
}

/* Whether a token that no part has yielded may still become a hit. */
static bool rank_is_open(const ngi_recall_job *job, const rank_list lists[NG_RECALL_PART_COUNT])
{
    double upper[NG_RECALL_PART_COUNT];
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++) {
        upper[part] = lists[part].upper;
        /* A negative cosine is a part as well, so the end of meaning says nothing of who has one. */
        if (part != NG_RECALL_MEANING && (job->options->require >> part & 1) != 0 &&
            job->weights[part] > 0 && !(upper[part] > 0))
            return false;
    }
    double bound = ngi_recall_fuse(job->weights, upper);
    if (!(bound > 0) || bound < job->options->threshold)
        return false;
    return job->best_count < job->limit || bound >= job->best[0].score;
}

/* How many tokens a batch of round `round` has: no more than there are, and one, so that a part that
 * yields them all is seen to end. */
static ng_status rank_wanted(const ngi_recall_job *job, unsigned round, size_t *out)
{
    uint64_t tokens;
    size_t wanted = 2 * (size_t)job->limit > RANK_BATCH_MIN ? 2 * job->limit : RANK_BATCH_MIN;
    ng_status status = ngi_store_token_count(job->store, NG_COLLECTION_ANY, false, &tokens);
    if (status != NG_OK)
        return status;
    while (round-- > 0 && wanted <= tokens)
        wanted *= RANK_BATCH_GROWTH;
    *out = wanted <= tokens ? wanted : (size_t)tokens + 1;
    return NG_OK;
}

static ng_status rank_listed(ngi_recall_job *job)
{
    ng_status status = NG_OK;
    for (size_t i = 0; i < job->query.cue.prior_count && status == NG_OK; i++)
        status = rank_offer(job, job->query.cue.priors[i].id);
    return status == NG_OK ? rank_flush(job) : status;
}

static ng_status rank_by_threshold(ngi_recall_job *job)
{
    rank_list lists[NG_RECALL_PART_COUNT] = {0};
    unsigned round = 0;
    ng_status status = rank_listed(job);
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++)
        lists[part].upper = job->weights[part] > 0 ? 1 : 0;
    if (job->direction == NULL)
        lists[NG_RECALL_MEANING].upper = 0;
    for (; round < RANK_ROUNDS_MAX && status == NG_OK && rank_is_open(job, lists); round++) {
        size_t wanted;
        status = rank_wanted(job, round, &wanted);
        for (int part = 0; part < NG_RECALL_PART_COUNT && status == NG_OK; part++) {
            if (lists[part].upper > 0)
                status = rank_batch(job, part, wanted, &lists[part]);
        }
    }
    job->is_approximate |= status == NG_OK && round == RANK_ROUNDS_MAX && rank_is_open(job, lists);
    return status;
}

/* --- all of it ------------------------------------------------------------------------------- */

static ng_status rank_note_effort(ngi_recall_job *job)
{
    bool serves = false;
    if (job->options->effort == 0 || job->direction == NULL)
        return NG_OK;
    ng_status status = ngi_store_graph_serves(job->store, job->options->remove_components, &serves);
    job->is_approximate |= serves;
    return status;
}

ng_status ngi_recall_rank(ngi_recall_job *job)
{
    void *block;
    bool done = false;
    ng_status status = ngi_alloc(job->mem, sizeof(rank_set), "candidates of a recall", &block);
    if (status != NG_OK)
        return status;
    status = rank_by_set(job, block, &done);
    ngi_free(job->mem, block, sizeof(rank_set));
    if (status == NG_OK && !done)
        status = rank_note_effort(job);
    if (status == NG_OK && !done)
        status = rank_by_threshold(job);
    if (status != NG_OK)
        return status;
    if (job->best_count > 0)
        qsort(job->best, job->best_count, sizeof *job->best, rank_by_score);
    ngi_recall_explain(job, "score", job->measured, job->score_ns,
                       "%llu tokens measured, %zu hits%s", (unsigned long long)job->measured,
                       job->best_count, job->is_approximate ? "; not exact" : "");
    return NG_OK;
}
