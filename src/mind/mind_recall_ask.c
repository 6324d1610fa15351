/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a recall asks for: options are checked, words, examples and places looked up, and connections
 * followed. Nothing is ranked yet. */
#include "mind/mind_recall.h"

#include <math.h>
#include <string.h>

#define ASK_LIMIT_DEFAULT 10
#define ASK_HOPS_DEFAULT 2
#define ASK_DECAY_DEFAULT 0.8

/* --- options --------------------------------------------------------------------------------- */

static bool ask_is_outside(double value, double low, double high)
{
    return !(value >= low && value <= high); /* NaN is outside of everything */
}

static ng_status ask_check_meaning(const ng_recall_options *options)
{
    int ways = (options->text != NULL) + (options->vector != NULL) + (options->tokens != NULL);
    if (ways > 1)
        return ngi_fail(NG_E_INVALID, "give one of text, vector and tokens");
    if (options->vector == NULL && options->dimensions != 0)
        return ngi_fail(NG_E_INVALID, "vector is NULL with %zu dimensions", options->dimensions);
    if (options->vector != NULL &&
        (options->dimensions == 0 || options->dimensions > NGI_DIMENSIONS_MAX))
        return ngi_fail(NG_E_INVALID, "dimensions %zu is outside 1..%d", options->dimensions,
                        NGI_DIMENSIONS_MAX);
    if (options->tokens == NULL && options->token_count != 0)
        return ngi_fail(NG_E_INVALID, "tokens is NULL with a count of %zu", options->token_count);
    if (options->tokens != NULL &&
        (options->token_count == 0 || options->token_count > NGI_RECALL_TOKENS_MAX))
        return ngi_fail(NG_E_INVALID, "token_count %zu is outside 1..%d", options->token_count,
                        NGI_RECALL_TOKENS_MAX);
    if (options->remove_components < NG_PLAIN_COSINE ||
        options->remove_components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "remove_components %d is outside %d..%d",
                        options->remove_components, NG_PLAIN_COSINE, NGI_COMPONENTS_MAX);
    if (options->effort > NG_VECTOR_EFFORT_MAX)
        return ngi_fail(NG_E_INVALID, "effort %u is outside 0..%u", options->effort,
                        NG_VECTOR_EFFORT_MAX);
    if (options->suggest > NGI_QUERY_SUGGEST_MAX)
        return ngi_fail(NG_E_INVALID, "suggest %u is outside 0..%d", options->suggest,
                        NGI_QUERY_SUGGEST_MAX);
    return NG_OK;
}

static ng_status ask_check_near(const ng_recall_options *options)
{
    unsigned spaces = 0;
    if (options->near == NULL && options->near_count != 0)
        return ngi_fail(NG_E_INVALID, "near is NULL with a count of %zu", options->near_count);
    if (options->near_count > NG_SPACE_COUNT)
        return ngi_fail(NG_E_INVALID, "near_count %zu is outside 0..%d", options->near_count,
                        NG_SPACE_COUNT);
    for (size_t i = 0; i < options->near_count; i++) {
        const ng_recall_near *near = &options->near[i];
        if ((unsigned)near->space >= NG_SPACE_COUNT)
            return ngi_fail(NG_E_INVALID, "near[%zu].space %d is outside 0..7", i,
                            (int)near->space);
        if (spaces >> (unsigned)near->space & 1)
            return ngi_fail(NG_E_INVALID, "near[%zu].space: %s is given twice", i,
                            ng_space_name(near->space));
        spaces |= 1u << (unsigned)near->space;
        if (near->scale != 0.0f &&
            ask_is_outside((double)near->scale, NGI_RECALL_SCALE_MIN, NGI_RECALL_SCALE_MAX))
            return ngi_fail(NG_E_INVALID, "near[%zu].scale %g is outside %g..%g", i,
                            (double)near->scale, NGI_RECALL_SCALE_MIN, NGI_RECALL_SCALE_MAX);
        if (!isfinite(near->radius) || near->radius < 0)
            return ngi_fail(NG_E_INVALID, "near[%zu].radius %g is outside 0..inf", i,
                            (double)near->radius);
    }
    return NG_OK;
}

static ng_status ask_check_through(const ng_recall_options *options)
{
    const ng_recall_through *through = options->through;
    if (through == NULL)
        return NG_OK;
    if (through->from == NULL && through->from_count != 0)
        return ngi_fail(NG_E_INVALID, "through.from is NULL with a count of %zu",
                        through->from_count);
    if (through->from != NULL &&
        (through->from_count == 0 || through->from_count > NGI_RECALL_TOKENS_MAX))
        return ngi_fail(NG_E_INVALID, "through.from_count %zu is outside 1..%d",
                        through->from_count, NGI_RECALL_TOKENS_MAX);
    if (through->from == NULL && options->text == NULL && options->tokens == NULL)
        return ngi_fail(NG_E_INVALID,
                        "through.from: say where paths begin, or give a text or tokens");
    if ((int)through->direction < 0 || through->direction > NG_BOTH)
        return ngi_fail(NG_E_INVALID, "through.direction %d is outside 0..3",
                        (int)through->direction);
    if (through->max_hops > NGI_RECALL_HOPS_MAX)
        return ngi_fail(NG_E_INVALID, "through.max_hops %u is outside 1..%d", through->max_hops,
                        NGI_RECALL_HOPS_MAX);
    if (ask_is_outside(through->decay, 0, 1))
        return ngi_fail(NG_E_INVALID, "through.decay %g is outside 0..1", through->decay);
    if (through->max_tokens > NGI_RECALL_REACHED_MAX)
        return ngi_fail(NG_E_INVALID, "through.max_tokens %u is outside 1..%u", through->max_tokens,
                        NGI_RECALL_REACHED_MAX);
    return NG_OK;
}

static ng_status ask_weights(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    double sum = 0;
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++) {
        const char *name = ng_recall_part_name((ng_recall_part)part);
        double weight = options->by_weights ? options->weights[part] : job->asks[part] ? 1 : 0;
        if (ask_is_outside(weight, 0, NGI_RECALL_WEIGHT_MAX))
            return ngi_fail(NG_E_INVALID, "weights.%s %g is outside 0..%g", name, weight,
                            NGI_RECALL_WEIGHT_MAX);
        if (weight > 0 && !job->asks[part])
            return ngi_fail(NG_E_INVALID, "weights.%s %g: nothing is asked about it", name, weight);
        if ((options->require >> part & 1) != 0 && !job->asks[part])
            return ngi_fail(NG_E_INVALID, "require: nothing is asked about %s", name);
        job->weights[part] = weight;
        sum += weight;
    }
    if (options->require >> NG_RECALL_PART_COUNT != 0)
        return ngi_fail(NG_E_INVALID, "require 0x%X has unknown bits", options->require);
    if (!(sum > 0))
        return ngi_fail(NG_E_INVALID, "weights: at least one must be above 0");
    return NG_OK;
}

static ng_status ask_options(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    ng_status status;
    NGI_TRY(ask_check_meaning(options));
    NGI_TRY(ask_check_near(options));
    NGI_TRY(ask_check_through(options));
    job->asks[NG_RECALL_MEANING] =
        options->text != NULL || options->vector != NULL || options->tokens != NULL;
    job->asks[NG_RECALL_SPACE] = options->near_count > 0;
    job->asks[NG_RECALL_RELATION] = options->through != NULL;
    if (!job->asks[NG_RECALL_MEANING] && !job->asks[NG_RECALL_SPACE] &&
        !job->asks[NG_RECALL_RELATION])
        return ngi_fail(NG_E_INVALID,
                        "nothing is asked: give text, vector, tokens, near or through");
    NGI_TRY(ask_weights(job));
    if (ask_is_outside(options->threshold, 0, 1))
        return ngi_fail(NG_E_INVALID, "threshold %g is outside 0..1", options->threshold);
    job->limit = options->limit == 0 ? ASK_LIMIT_DEFAULT : options->limit;
    if (job->limit > NGI_QUERY_LIMIT_MAX)
        return ngi_fail(NG_E_INVALID, "limit %u is outside 1..%u", job->limit, NGI_QUERY_LIMIT_MAX);
    if (options->exclude_count > NGI_RECALL_EXCLUDE_MAX)
        return ngi_fail(NG_E_INVALID, "exclude_count %zu is outside 0..%u", options->exclude_count,
                        NGI_RECALL_EXCLUDE_MAX);
    if (options->exclude == NULL && options->exclude_count > 0)
        return ngi_fail(NG_E_INVALID, "exclude is NULL with a count of %zu",
                        options->exclude_count);
    if (options->any_collection && options->by_collection && options->text == NULL)
        return ngi_fail(NG_E_INVALID,
                        "any_collection and by_collection contradict each other without a text");
out:
    return status;
}

/* --- what is left out ------------------------------------------------------------------------ */

static void ask_leave_out(ngi_recall_job *job, const ng_token_id *ids, size_t count)
{
    if (count > 0)
        memcpy(job->left_out + job->left_out_count, ids, count * sizeof *ids);
    job->left_out_count += count;
}

static ng_status ask_left_out(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    const ng_recall_through *through = options->through;
    size_t from_count = through != NULL ? through->from_count : 0;
    size_t capacity = job->query.exclude_count + options->token_count + from_count +
                      job->place_count + options->exclude_count;
    void *block;
    ng_status status =
        ngi_alloc(job->mem, capacity * sizeof *job->left_out, "what a recall leaves out", &block);
    if (status != NG_OK)
        return status;
    job->left_out = block;
    job->left_out_capacity = capacity;
    ask_leave_out(job, options->exclude, options->exclude_count);
    if (!options->include_asked) {
        ask_leave_out(job, job->query.exclude, job->query.exclude_count);
        ask_leave_out(job, options->tokens, options->token_count);
        ask_leave_out(job, from_count > 0 ? through->from : NULL, from_count);
        for (size_t i = 0; i < job->place_count; i++)
            if (options->near[i].token != 0)
                ask_leave_out(job, &options->near[i].token, 1);
    }
    for (size_t i = 0; i < job->left_out_count && status == NG_OK; i++) {
        bool is_new;
        if (job->left_out[i] != 0)
            status = ngi_keys_add(job->mem, &job->seen, job->left_out[i], &is_new);
    }
    return status;
}

/* --- meaning --------------------------------------------------------------------------------- */

static ng_status ask_text(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    const ng_query_options query = {.struct_size = sizeof query,
                                    .limit = 1,
                                    .remove_components = options->remove_components,
                                    .collection = options->collection,
                                    .by_collection = options->by_collection,
                                    .no_spelling = options->no_spelling,
                                    .suggest = options->suggest};
    uint64_t begin_ns = ngi_recall_now(job);
    ng_status status = ngi_query_begin(&job->query, job->store, options->text, &query);
    if (status != NG_OK)
        return status;
    if (job->query.has_direction) {
        job->direction = job->query.sum;
        job->direction_dimensions = job->query.dimensions;
    }
    ngi_recall_explain(job, "terms", job->query.terms->count, ngi_recall_now(job) - begin_ns,
                       "%zu in the text, unknown or without a vector %zu%s",
                       job->query.terms->count, job->query.unknown_count,
                       job->query.is_corrected ? "; corrected by spelling" : "");
    return NG_OK;
}

static ng_status ask_sum(ngi_recall_job *job, size_t dimensions)
{
    void *block;
    ng_status status =
        ngi_alloc(job->mem, dimensions * sizeof *job->sum, "vector of a recall", &block);
    if (status != NG_OK)
        return status;
    job->dimensions = dimensions;
    job->sum = block;
    memset(job->sum, 0, dimensions * sizeof *job->sum);
    return NG_OK;
}

static ng_status ask_vector(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    uint64_t version;
    ng_status status = ask_sum(job, options->dimensions);
    if (status == NG_OK)
        status = ngi_store_vector_direction(job->store, options->vector, options->dimensions,
                                            options->remove_components, job->sum, &version);
    job->direction = job->sum;
    job->direction_dimensions = job->dimensions;
    return status;
}

/* The sum of the unit vectors of the examples: its direction is that of their mean. */
static ng_status ask_tokens(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    bool has_direction = false;
    ng_info info;
    ng_status status = ngi_store_info(job->store, &info);
    if (status == NG_OK)
        status = ask_sum(job, info.vector_count > 0 ? info.dimensions : 0);
    for (size_t i = 0; i < options->token_count && status == NG_OK; i++) {
        ng_token record;
        status = ngi_store_token_read(job->store, options->tokens[i], &record);
        if (status != NG_OK)
            break;
        status = job->dimensions == 0 ? NG_E_ABSENT
                                      : ngi_store_vector_accumulate(job->store, options->tokens[i],
                                                                    1.0, options->remove_components,
                                                                    job->sum, job->dimensions);
        has_direction |= status == NG_OK;
        job->without_vector += status == NG_E_ABSENT;
        status = status == NG_E_ABSENT ? NG_OK : status;
    }
    if (status != NG_OK || !has_direction)
        return status;
    if (ngi_query_norm(job->sum, job->dimensions) < NGI_QUERY_NORM_MIN)
        return ngi_fail(NG_E_INVALID, "the examples cancel each other out");
    job->direction = job->sum;
    job->direction_dimensions = job->dimensions;
    return NG_OK;
}

static ng_status ask_meaning(ngi_recall_job *job)
{
    if (job->options->text != NULL)
        return ask_text(job);
    if (job->options->vector != NULL)
        return ask_vector(job);
    return job->options->tokens != NULL ? ask_tokens(job) : NG_OK;
}

/* What feedback has learned about it; that of a text was read with it. */
static ng_status ask_prior(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    ngi_cue *cue = &job->query.cue;
    uint64_t begin_ns = ngi_recall_now(job);
    ng_status status = NG_OK;
    if (options->tokens != NULL) {
        ngi_cue_of_tokens(cue, options->tokens, options->token_count);
        status = ngi_cue_load(job->store, cue, NULL);
    }
    if (status == NG_OK && cue->prior_count > 0)
        ngi_recall_explain(job, "prior", cue->prior_count, ngi_recall_now(job) - begin_ns,
                           "feedback on this question moves %zu tokens", cue->prior_count);
    return status;
}

/* --- space and relation ---------------------------------------------------------------------- */

static ng_status ask_place(ngi_recall_job *job, size_t i)
{
    const ng_recall_near *near = &job->options->near[i];
    ngi_recall_place *place = &job->places[job->place_count++];
    *place = (ngi_recall_place){.space = near->space,
                                .scale = near->scale != 0.0f ? (double)near->scale : 1,
                                .radius = near->radius};
    job->place_spaces |= (uint8_t)(1u << (unsigned)near->space);
    memcpy(place->at, near->at, sizeof place->at);
    if (near->token == 0)
        return NG_OK;
    ng_token record;
    ng_status status = ngi_store_token_read(job->store, near->token, &record);
    if (status != NG_OK)
        return status;
    if (!ngi_store_token_coordinates(job->store, &record, near->space, place->at))
        return ngi_fail(NG_E_ABSENT, "near[%zu]: token %llu has no coordinates in space %s", i,
                        (unsigned long long)near->token, ng_space_name(near->space));
    return NG_OK;
}

/* Where paths begin; returns how many. */
static size_t ask_beginnings(const ngi_recall_job *job, ng_token_id out[NGI_RECALL_TOKENS_MAX])
{
    const ng_recall_options *options = job->options;
    const ng_token_id *from =
        options->through->from != NULL ? options->through->from : options->tokens;
    size_t count =
        options->through->from != NULL ? options->through->from_count : options->token_count;
    if (from != NULL) {
        memcpy(out, from, count * sizeof *out);
        return count;
    }
    for (size_t i = 0; i < job->query.terms->count; i++) {
        const ngi_term *term = &job->query.terms->terms[i];
        if (term->id != 0 && term->sign > 0)
            out[count++] = term->id;
    }
    return count;
}

_Static_assert(NGI_QUERY_TERMS_MAX <= NGI_RECALL_TOKENS_MAX, "every term may begin a path");

static ng_status ask_relation(ngi_recall_job *job)
{
    const ng_recall_through *through = job->options->through;
    ng_token_id from[NGI_RECALL_TOKENS_MAX];
    uint64_t begin_ns = ngi_recall_now(job);
    size_t from_count = ask_beginnings(job, from);
    ngi_graph_reach_query query = {
        .types = ngi_graph_types_any(&through->types) ? NULL : &through->types,
        .direction = through->direction != 0 ? (unsigned)through->direction : NG_OUTGOING,
        .max_hops = through->max_hops != 0 ? through->max_hops : ASK_HOPS_DEFAULT,
        .decay = through->decay > 0 ? through->decay : ASK_DECAY_DEFAULT,
        .max_tokens = through->max_tokens != 0 ? through->max_tokens : NGI_RECALL_REACHED_DEFAULT,
        .time_us = through->time_us,
        .go_on = ngi_recall_go_on,
        .context = job};
    ng_status status = ngi_store_recall_reach(job->store, &query, from, from_count, &job->reach);
    if (status == NG_OK && job->reach.is_stopped)
        status = job->stopped;
    if (status != NG_OK)
        return status;
    job->is_approximate |= job->reach.is_cut;
    ngi_recall_explain(job, "relation", job->reach.count, ngi_recall_now(job) - begin_ns,
                       "reached from %zu within %u hops: %zu tokens%s", from_count, query.max_hops,
                       job->reach.count,
                       job->reach.is_cut ? "; not all, max_tokens is reached" : "");
    return NG_OK;
}

/* --- the filter ------------------------------------------------------------------------------ */

static void ask_filter(ngi_recall_job *job)
{
    const ng_recall_options *options = job->options;
    ng_filter *filter = &job->filter;
    *filter = (ng_filter){.struct_size = sizeof *filter};
    if (options->filter != NULL)
        *filter = *options->filter;
    filter->spaces_all |= options->spaces;
    if (options->any_collection || filter->by_collection || filter->collection_count > 0)
        return;
    if (options->text != NULL) {
        filter->collection = job->query.options.collection; /* the default filled in */
        filter->by_collection = true;
    } else if (options->by_collection) {
        filter->collection = options->collection;
        filter->by_collection = true;
    }
}

ng_status ngi_recall_ask(ngi_recall_job *job)
{
    ng_status status;
    NGI_TRY(ask_options(job));
    NGI_TRY(ask_meaning(job));
    NGI_TRY(ask_prior(job));
    for (size_t i = 0; i < job->options->near_count; i++)
        NGI_TRY(ask_place(job, i));
    NGI_TRY(ask_left_out(job));
    ask_filter(job);
    const ngi_recall_spec spec = {.direction = job->direction,
                                  .dimensions = job->direction_dimensions,
                                  .remove_components = job->options->remove_components,
                                  .places = job->places,
                                  .place_count = job->place_count,
                                  .filter = &job->filter};
    NGI_TRY(ngi_store_recall_open(job->store, &spec, &job->probe));
    if (job->asks[NG_RECALL_RELATION])
        NGI_TRY(ask_relation(job));
out:
    return status;
}
