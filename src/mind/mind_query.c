/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A query from end to end: terms, what is spelled like them if none is known, their vectors summed,
 * the nearest words, why.
 *
 * A phrase that is a label without a vector (a lexicon has "ice cream", word embeddings have not)
 * takes part in `why` and counts as unknown, because no vector is invented for it. The words in it
 * still rank, as they would without the lexicon: otherwise loading one would take answers away. */
#include "mind/mind_query.h"

#include "mind/mind_text.h"
#include "store/store_recall.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_ATTEMPTS 4
#define QUERY_LIMIT_DEFAULT 10
#define QUERY_MESSAGE_BYTES 400

typedef ngi_query_job query_job;

static ng_status query_find(void *context, const char *label, size_t bytes, ng_token_id *id)
{
    const query_job *job = context;
    return ngi_store_token_find(job->store, job->options.collection, label, bytes, id);
}

static ng_status query_options(query_job *job, const ng_query_options *options)
{
    if (options != NULL)
        job->options = *options;
    if (job->options.limit == 0)
        job->options.limit = QUERY_LIMIT_DEFAULT;
    if (job->options.limit > NGI_QUERY_LIMIT_MAX)
        return ngi_fail(NG_E_INVALID, "limit %u is outside 1..%u", job->options.limit,
                        NGI_QUERY_LIMIT_MAX);
    if (job->options.by_threshold && !isfinite(job->options.threshold))
        return ngi_fail(NG_E_INVALID, "threshold is not finite");
    if (job->options.remove_components < NG_PLAIN_COSINE ||
        job->options.remove_components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "remove_components %d is outside %d..%d",
                        job->options.remove_components, NG_PLAIN_COSINE, NGI_COMPONENTS_MAX);
    if (job->options.suggest > NGI_QUERY_SUGGEST_MAX)
        return ngi_fail(NG_E_INVALID, "suggest %u is outside 0..%d", job->options.suggest,
                        NGI_QUERY_SUGGEST_MAX);
    if (job->options.collection == 0 && !job->options.by_collection)
        job->options.collection = NG_COLLECTION_SEMANTIC;
    return ngi_store_collection_get(job->store, job->options.collection, NULL, NULL);
}

/* None of the terms is known: says which. */
static ng_status query_fail_unknown(const query_job *job)
{
    char names[QUERY_MESSAGE_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < job->terms->count; i++) {
        const ngi_term *term = &job->terms->terms[i];
        bool fits = used + term->bytes + 8 < sizeof names;
        const char *text = fits ? job->terms->text + term->begin : "...";
        size_t bytes = fits ? term->bytes : 3;
        if (i > 0)
            names[used++] = ' ';
        memcpy(names + used, text, bytes);
        used += bytes;
        if (!fits)
            break;
    }
    return ngi_fail(NG_E_NOT_FOUND, "no word of the query is known: %.*s", (int)used, names);
}

static void query_offer(void *context, ng_token_id id, const char *label, size_t bytes,
                        bool has_vector)
{
    query_job *job = context;
    ngi_spelling_offer(job->spellings, job->spelling_count, id, label, bytes, has_vector);
}

/* Looks for labels that are spelled like the unknown words: `want` for each. */
static ng_status query_spell(query_job *job, size_t unknown_count, size_t want)
{
    void *block;
    ng_status status =
        ngi_alloc(job->mem, unknown_count * sizeof *job->spellings, "spellings of a query", &block);
    if (status != NG_OK)
        return status;
    job->spellings = block;
    job->spelling_capacity = unknown_count;
    for (size_t i = 0; i < job->terms->count; i++) {
        const ngi_term *term = &job->terms->terms[i];
        if (term->id == 0 && ngi_spelling_begin(&job->spellings[job->spelling_count],
                                                job->terms->text + term->begin, term->bytes, want))
            job->spelling_terms[job->spelling_count++] = (uint32_t)i;
    }
    if (job->spelling_count == 0)
        return NG_OK;
    return ngi_store_label_walk(job->store, job->options.collection, query_offer, job);
}

/* The best match of each unknown word stands in for it; false: none has one. */
static bool query_correct(query_job *job)
{
    for (size_t i = 0; i < job->spelling_count; i++) {
        const ngi_spelling *spelling = &job->spellings[i];
        if (spelling->count == 0)
            continue;
        job->terms->terms[job->spelling_terms[i]].id = spelling->matches[0].id;
        job->is_corrected = true;
    }
    return job->is_corrected;
}

static ng_status query_parse(query_job *job, const char *text)
{
    size_t unknown_count = 0;
    ng_status status = ngi_terms_parse(job->terms, text, strlen(text), query_find, job);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < job->terms->count; i++)
        unknown_count += job->terms->terms[i].id == 0 ? 1 : 0;
    bool is_lost = unknown_count == job->terms->count;
    if (is_lost && job->options.no_spelling)
        return query_fail_unknown(job);
    if (unknown_count > 0 && (is_lost || job->options.suggest > 0))
        status =
            query_spell(job, unknown_count, job->options.suggest > 0 ? job->options.suggest : 1);
    if (status == NG_OK && is_lost && !query_correct(job))
        status = query_fail_unknown(job);
    return status;
}

double ngi_query_norm(const double *vector, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++)
        sum += vector[i] * vector[i];
    return sqrt(sum);
}

/* sum += weight x unit vector of a token; *has_vector is false, and nothing added, without one. */
static ng_status query_add(const query_job *job, ng_token_id id, double weight, bool *has_vector)
{
    ng_status status =
        ngi_store_vector_accumulate(job->store, id, weight, job->options.remove_components,
                                    job->sum, job->dimensions);
    *has_vector = status == NG_OK;
    return status == NG_E_ABSENT ? NG_OK : status;
}

/* A phrase without a vector: adds the words in it, as if they had been asked for one by one. */
static ng_status query_add_words(query_job *job, const ngi_term *term)
{
    for (uint32_t i = 0; term->word_count > 1 && i < term->word_count; i++) {
        size_t word = term->first_word + i;
        ng_token_id id = 0;
        bool has_vector = false;
        ng_status status = query_find(job, job->terms->text + job->terms->words[word].begin,
                                      job->terms->words[word].bytes, &id);
        if (status == NG_E_NOT_FOUND)
            continue;
        if (status == NG_OK)
            status = query_add(job, id, term->sign * term->weight, &has_vector);
        if (status != NG_OK)
            return status;
        job->has_direction |= has_vector;
        job->exclude[job->exclude_count++] = id;
    }
    return NG_OK;
}

static ng_status query_add_term(query_job *job, const ngi_term *term)
{
    bool has_vector = false;
    ng_status status = NG_OK;
    if (term->id == 0) {
        job->unknown_count++;
        return NG_OK;
    }
    job->exclude[job->exclude_count++] = term->id;
    if (job->dimensions > 0)
        status = query_add(job, term->id, term->sign * term->weight, &has_vector);
    if (status != NG_OK)
        return status;
    if (has_vector) {
        job->has_direction = true;
        return NG_OK;
    }
    job->unknown_count++;
    return job->dimensions > 0 ? query_add_words(job, term) : NG_OK;
}

static ng_status query_sum(query_job *job)
{
    ng_info info;
    void *block;
    ng_status status = ngi_store_info(job->store, &info);
    if (status != NG_OK)
        return status;
    size_t dimensions = info.vector_count > 0 ? info.dimensions : 0;
    status = ngi_alloc(job->mem, dimensions * sizeof(double), "query vector", &block);
    if (status != NG_OK)
        return status;
    job->dimensions = dimensions;
    job->sum = block;
    memset(job->sum, 0, dimensions * sizeof(double));
    for (size_t i = 0; i < job->terms->count && status == NG_OK; i++)
        status = query_add_term(job, &job->terms->terms[i]);
    if (status == NG_OK && job->has_direction &&
        ngi_query_norm(job->sum, dimensions) < NGI_QUERY_NORM_MIN)
        status = ngi_fail(NG_E_INVALID, "the words of the query cancel each other out");
    return status;
}

/* --- the best -------------------------------------------------------------------------------- */

static int query_by_score(const void *a, const void *b)
{
    const ng_score *left = a, *right = b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static void query_filter(const query_job *job, ng_filter *filter)
{
    *filter = (ng_filter){.struct_size = sizeof *filter};
    if (job->options.filter != NULL)
        *filter = *job->options.filter;
    if (!filter->by_collection && filter->collection_count == 0) {
        filter->collection = job->options.collection;
        filter->by_collection = true;
    }
    filter->spaces_all |= job->options.spaces;
}

/* Tokens with a prior, whose scores are not their cosines alone. Returns how many. */
static size_t query_listed(const query_job *job, ng_token_id out[NGI_FEEDBACK_PRIORS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < job->cue.prior_count; i++) {
        bool is_left_out = false;
        for (size_t j = 0; j < job->exclude_count && !job->options.include_query_words; j++)
            is_left_out |= job->exclude[j] == job->cue.priors[i].id;
        if (!is_left_out)
            out[count++] = job->cue.priors[i].id;
    }
    return count;
}

/* Scores the tokens with a prior one by one; what lacks a vector counts 0, as in a recall. */
static ng_status query_rank_listed(query_job *job, const ng_filter *filter, const ng_token_id *ids,
                                   size_t count)
{
    const ngi_recall_spec spec = {.direction = job->has_direction ? job->sum : NULL,
                                  .dimensions = job->dimensions,
                                  .remove_components = job->options.remove_components,
                                  .filter = filter};
    ngi_recall_parts parts[NGI_FEEDBACK_PRIORS_MAX];
    ngi_recall_probe *probe = NULL;
    ng_status status = ngi_store_recall_open(job->store, &spec, &probe);
    if (status == NG_OK)
        status = ngi_store_recall_measure(probe, ids, count, parts);
    ngi_store_recall_close(probe);
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        bool has_cosine = parts[i].is_found && !isnan(parts[i].cosine);
        double prior = NGI_PRIOR_UNIT * ngi_cue_prior_of(&job->cue, ids[i]);
        job->candidates += has_cosine;
        if (has_cosine || (parts[i].is_found && prior > 0))
            job->scores[job->score_count++] =
                (ng_score){.id = ids[i], .score = (has_cosine ? parts[i].cosine : 0) + prior};
    }
    return status;
}

/* The nearest of the tokens without a prior; `listed` have one. */
static ng_status query_rank_others(query_job *job, const ng_filter *filter,
                                   const ng_token_id *listed, size_t listed_count)
{
    ng_token_id exclude[sizeof job->exclude / sizeof *job->exclude + NGI_FEEDBACK_PRIORS_MAX];
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = job->options.remove_components,
                                       .filter = filter,
                                       .exclude = exclude,
                                       .exclude_count =
                                           listed_count + (job->options.include_query_words
                                                               ? 0
                                                               : job->exclude_count)};
    memcpy(exclude, listed, listed_count * sizeof *exclude);
    memcpy(exclude + listed_count, job->exclude, job->exclude_count * sizeof *exclude);
    return ngi_store_vector_nearest_prepared(job->store, job->sum, job->dimensions, &options,
                                             job->scores, job->options.limit, &job->score_count,
                                             &job->candidates);
}

/* A prior changes the scores of a few tokens that are known: these are measured, the others ranked
 * without them, and so the best of both are the best of all. */
static ng_status query_rank(query_job *job)
{
    ng_token_id listed[NGI_FEEDBACK_PRIORS_MAX];
    size_t listed_count = query_listed(job, listed);
    size_t capacity = job->options.limit + listed_count;
    ng_filter filter;
    void *block;
    ng_status status =
        ngi_alloc(job->mem, capacity * sizeof *job->scores, "hits of a query", &block);
    if (status != NG_OK)
        return status;
    job->scores = block;
    job->score_capacity = capacity;
    query_filter(job, &filter);
    if (job->has_direction) /* else the words are known, but there is nothing to compare */
        status = query_rank_others(job, &filter, listed, listed_count);
    if (status == NG_OK && listed_count > 0)
        status = query_rank_listed(job, &filter, listed, listed_count);
    if (status != NG_OK)
        return status;
    if (listed_count > 0 && job->score_count > 0)
        qsort(job->scores, job->score_count, sizeof *job->scores, query_by_score);
    if (job->score_count > job->options.limit)
        job->score_count = job->options.limit;
    while (job->options.by_threshold && job->score_count > 0 &&
           job->scores[job->score_count - 1].score < job->options.threshold)
        job->score_count--;
    return NG_OK;
}

ng_status ngi_query_begin(ngi_query_job *job, const ng_store *store, const char *text,
                          const ng_query_options *options)
{
    void *block = NULL;
    ng_status status;
    *job = (ngi_query_job){.store = store, .mem = ngi_store_mem(store)};
    NGI_TRY(query_options(job, options));
    NGI_TRY(ngi_alloc(job->mem, sizeof *job->terms, "terms of a query", &block));
    job->terms = block;
    NGI_TRY(query_parse(job, text));
    NGI_TRY(query_sum(job));
    ngi_cue_of_terms(&job->cue, job->terms);
    NGI_TRY(ngi_cue_load(store, &job->cue, NULL));
out:
    return status;
}

void ngi_query_release(ngi_query_job *job)
{
    if (job->mem == NULL)
        return;
    ngi_free(job->mem, job->terms, sizeof *job->terms);
    ngi_free(job->mem, job->spellings, job->spelling_capacity * sizeof *job->spellings);
    ngi_free(job->mem, job->sum, job->dimensions * sizeof(double));
    ngi_free(job->mem, job->scores, job->score_capacity * sizeof *job->scores);
}

ng_status ngi_query_result(const ngi_query_job *job, ng_query_result **out)
{
    const ngi_result_request request = {.terms = job->terms,
                                        .cue = &job->cue,
                                        .scores = job->scores,
                                        .score_count = job->score_count,
                                        .why = job->options.why,
                                        .spaces = job->options.spaces,
                                        .spellings = job->spellings,
                                        .spelling_terms = job->spelling_terms,
                                        .spelling_count = job->spelling_count,
                                        .is_corrected = job->is_corrected,
                                        .suggest = job->options.suggest};
    ng_query_result *result = NULL;
    ng_status status = ngi_result_create(job->store, &request, &result);
    if (status != NG_OK)
        return status;
    result->unknown_count = job->unknown_count;
    result->candidates = job->candidates;
    *out = result;
    return NG_OK;
}

static void query_remember(const query_job *job, ng_query_result *result)
{
    ngi_answer answer = {0};
    for (size_t i = 0; i < result->hit_count && i < NGI_ANSWER_HITS_MAX; i++)
        answer.hits[answer.hit_count++].id = result->hits[i].id;
    ngi_cue_answered(job->store, &job->cue, &answer, result->signal);
}

static ng_status query_once(const ng_store *store, const char *text,
                            const ng_query_options *options, ng_query_result **out)
{
    query_job job;
    ngi_os *os = ngi_store_os(store);
    uint64_t begin_ns = os->monotonic_ns(os);
    ng_query_result *result = NULL;
    ng_status status;

    NGI_TRY(ngi_query_begin(&job, store, text, options));
    NGI_TRY(query_rank(&job));
    NGI_TRY(ngi_query_result(&job, &result));
    query_remember(&job, result);
    result->seconds = (double)(os->monotonic_ns(os) - begin_ns) * 1e-9;
    *out = result;
out:
    ngi_query_release(&job);
    return status;
}

/* The words are summed in one call of the store and ranked in another: an answer counts only if both
 * stood on the same projection. */
ng_status ngi_mind_query(const ng_store *store, const char *text, const ng_query_options *options,
                         ng_query_result **out)
{
    for (int i = 0; i < QUERY_ATTEMPTS; i++) {
        uint64_t version = ngi_store_projection_version(store);
        ng_status status = query_once(store, text, options, out);
        if (ngi_store_projection_version(store) == version)
            return status;
        if (status != NG_OK) /* perhaps because the vectors have been exchanged for others */
            continue;
        ngi_mind_query_result_destroy(*out);
        *out = NULL;
    }
    return ngi_fail(NG_E_CANCELLED, "the projection changed during every attempt");
}

ng_status ngi_mind_word_find(const ng_store *store, ng_collection_id collection, const char *word,
                             size_t bytes, ng_token_id *out)
{
    char folded[NGI_LABEL_BYTES_MAX];
    size_t folded_bytes = 0;
    if (!ngi_text_is_utf8(word, bytes))
        return ngi_fail(NG_E_INVALID, "word is not valid UTF-8");
    ng_status status = NG_E_NOT_FOUND;
    if (bytes > 0 && bytes <= NGI_LABEL_BYTES_MAX)
        status = ngi_store_token_find(store, collection, word, bytes, out);
    if (status != NG_E_NOT_FOUND)
        return status;
    status = ngi_text_fold(word, bytes, folded, sizeof folded, &folded_bytes);
    if (status == NG_OK && folded_bytes > 0)
        status = ngi_store_token_find(store, collection, folded, folded_bytes, out);
    else
        status = NG_E_NOT_FOUND;
    if (status == NG_E_NOT_FOUND)
        return ngi_fail(NG_E_NOT_FOUND, "no word \"%.*s\"", (int)(bytes < 200 ? bytes : 200), word);
    return status;
}
