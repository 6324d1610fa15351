/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The answer to a recall: one block of header, hits, connections, steps and text, and beside it the
 * answer to its text, whose terms and spellings it shows. Both come from malloc, so that they may
 * outlive the store. */
#include "mind/mind_recall.h"

#include <math.h>
#include <string.h>

typedef struct recall_header {
    size_t bytes;           /* of the whole block */
    ng_query_result *query; /* NULL = no text */
    ng_recall_result result;
} recall_header;

/* What the block is made of, before it is. */
typedef struct recall_parts {
    ngi_recall_job *job;
    ng_recall_hit *hits; /* [job->best_count]; label and path are set when they are laid out */
    size_t hit_count;
    ngi_buffer edges; /* of ng_edge, hit after hit */
    ngi_buffer text;  /* labels, each with its NUL */
} recall_parts;

static ng_status result_label(recall_parts *parts, ng_token_id id)
{
    ngi_buffer *text = &parts->text;
    size_t bytes = 0;
    ng_status status =
        ngi_buffer_reserve(parts->job->mem, text, NGI_LABEL_BYTES_MAX + 1, "labels of an answer");
    if (status != NG_OK)
        return status;
    char *out = (char *)text->data + text->bytes;
    *out = 0;
    status = ngi_store_token_label(parts->job->store, id, out, NGI_LABEL_BYTES_MAX + 1, &bytes);
    if (status == NG_OK)
        text->bytes += bytes + 1;
    return status;
}

static ng_status result_path(recall_parts *parts, ng_recall_hit *hit)
{
    ngi_buffer *edges = &parts->edges;
    const ngi_graph_path_step *step = ngi_graph_reach_of(&parts->job->reach, (uint32_t)hit->id);
    if (step == NULL)
        return NG_OK;
    ng_status status =
        ngi_buffer_reserve(parts->job->mem, edges, NGI_RECALL_HOPS_MAX * sizeof(ng_edge),
                           "paths of an answer");
    if (status != NG_OK)
        return status;
    ng_edge *out = (ng_edge *)(void *)(edges->data + edges->bytes);
    status =
        ngi_store_recall_path(parts->job->store, &parts->job->reach, step, out, &hit->path_count);
    edges->bytes += hit->path_count * sizeof(ng_edge);
    return status;
}

static ng_status result_coordinates(const recall_parts *parts, ng_recall_hit *hit)
{
    const ngi_recall_job *job = parts->job;
    unsigned spaces = job->options->spaces | job->place_spaces;
    ng_token record;
    if (spaces == 0)
        return NG_OK;
    ng_status status = ngi_store_token_read(job->store, hit->id, &record);
    for (unsigned space = 0; status == NG_OK && space < NG_SPACE_COUNT; space++) {
        if ((spaces & 1u << space) != 0 &&
            ngi_store_token_coordinates(job->store, &record, (ng_space)space,
                                        hit->coordinates[space]))
            hit->spaces |= (uint8_t)(1u << space);
    }
    return status;
}

/* One hit; nothing if the token was deleted since it was found. */
static ng_status result_hit(recall_parts *parts, const ngi_recall_scored *scored)
{
    ng_recall_hit hit = {.id = scored->id,
                         .score = scored->score,
                         .distance = scored->distance,
                         .prior =
                             NGI_PRIOR_UNIT * ngi_cue_prior_of(&parts->job->query.cue, scored->id)};
    memcpy(hit.parts, scored->parts, sizeof hit.parts);
    ng_status status = result_coordinates(parts, &hit);
    if (status == NG_OK)
        status = result_label(parts, hit.id);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status == NG_OK)
        status = result_path(parts, &hit);
    if (status == NG_OK)
        parts->hits[parts->hit_count++] = hit;
    return status;
}

static size_t result_steps_bytes(const ngi_recall_job *job)
{
    size_t bytes = job->note_count * sizeof(ng_recall_step);
    for (size_t i = 0; i < job->note_count; i++)
        bytes += strlen(job->notes[i].text) + 1;
    return bytes;
}

static void result_lay_out_query(recall_header *header)
{
    const ng_query_result *query = header->query;
    ng_recall_result *result = &header->result;
    if (query == NULL)
        return;
    result->terms = query->terms;
    result->term_count = query->term_count;
    result->corrections = query->corrections;
    result->correction_count = query->correction_count;
    result->suggestions = query->suggestions;
    result->suggestion_count = query->suggestion_count;
    result->unknown_count = query->unknown_count;
}

static void result_lay_out(const recall_parts *parts, recall_header *header)
{
    const ngi_recall_job *job = parts->job;
    ng_recall_hit *hits = (ng_recall_hit *)(void *)(header + 1);
    ng_edge *edges = (ng_edge *)(void *)(hits + parts->hit_count);
    ng_recall_step *steps = (ng_recall_step *)(void *)((char *)edges + parts->edges.bytes);
    char *text = (char *)(steps + job->note_count);
    if (parts->hit_count > 0)
        memcpy(hits, parts->hits, parts->hit_count * sizeof *hits);
    if (parts->edges.bytes > 0)
        memcpy(edges, parts->edges.data, parts->edges.bytes);
    if (parts->text.bytes > 0)
        memcpy(text, parts->text.data, parts->text.bytes);
    for (size_t i = 0; i < parts->hit_count; i++) {
        hits[i].label = text;
        text += strlen(text) + 1; /* labels have no control codes, so no NUL within */
        hits[i].path = hits[i].path_count > 0 ? edges : NULL;
        edges += hits[i].path_count;
    }
    for (size_t i = 0; i < job->note_count; i++) {
        const ngi_recall_note *note = &job->notes[i];
        size_t bytes = strlen(note->text) + 1;
        memcpy(text, note->text, bytes);
        steps[i] = (ng_recall_step){.name = note->name,
                                    .candidates = note->candidates,
                                    .microseconds = note->microseconds,
                                    .text = text};
        text += bytes;
    }
    header->result =
        (ng_recall_result){.hits = hits,
                           .hit_count = parts->hit_count,
                           .unknown_count = job->without_vector,
                           .steps = steps,
                           .step_count = job->note_count,
                           .candidates = job->measured,
                           .is_exact = !job->is_approximate,
                           .seconds = (double)(ngi_recall_now(job) - job->begin_ns) * 1e-9};
    result_lay_out_query(header);
}

/* Hits and the connections that led to them, for feedback. */
static void result_remember(const ngi_recall_job *job, ng_recall_result *result)
{
    ngi_answer answer = {0};
    for (size_t i = 0; i < result->hit_count && i < NGI_ANSWER_HITS_MAX; i++) {
        const ng_recall_hit *hit = &result->hits[i];
        ngi_answer_hit *kept = &answer.hits[answer.hit_count++];
        kept->id = hit->id;
        kept->path_count = (uint32_t)hit->path_count;
        for (size_t j = 0; j < hit->path_count; j++)
            kept->path[j] = (uint32_t)hit->path[j].id;
    }
    ngi_cue_answered(job->store, &job->query.cue, &answer, result->signal);
}

static ng_status result_finish(const recall_parts *parts, ng_recall_result **out)
{
    ngi_recall_job *job = parts->job;
    size_t bytes = sizeof(recall_header) + parts->hit_count * sizeof(ng_recall_hit) +
                   parts->edges.bytes + parts->text.bytes + result_steps_bytes(job);
    ng_query_result *query = NULL;
    ngi_mem own; /* only for the way it allocates: the block does not depend on it afterwards */
    void *block;
    ng_status status = job->options->text != NULL ? ngi_query_result(&job->query, &query) : NG_OK;
    if (status != NG_OK)
        return status;
    ngi_mem_init(&own, 0);
    status = ngi_alloc(&own, bytes, "answer", &block);
    if (status != NG_OK) {
        ngi_mind_query_result_destroy(query);
        return status;
    }
    memset(block, 0, bytes);
    recall_header *header = block;
    header->bytes = bytes;
    header->query = query;
    result_lay_out(parts, header);
    result_remember(job, &header->result);
    *out = &header->result;
    return NG_OK;
}

ng_status ngi_recall_result_create(ngi_recall_job *job, ng_recall_result **out)
{
    recall_parts parts = {.job = job};
    size_t bytes = job->best_count * sizeof *parts.hits;
    void *block;
    ng_status status = ngi_alloc(job->mem, bytes, "hits of an answer", &block);
    if (status != NG_OK)
        return status;
    parts.hits = block;
    for (size_t i = 0; i < job->best_count; i++)
        NGI_TRY(result_hit(&parts, &job->best[i]));
    NGI_TRY(result_finish(&parts, out));
out:
    ngi_free(job->mem, parts.hits, bytes);
    ngi_buffer_release(job->mem, &parts.edges);
    ngi_buffer_release(job->mem, &parts.text);
    return status;
}

void ngi_mind_recall_result_destroy(ng_recall_result *result)
{
    if (result == NULL)
        return;
    recall_header *header =
        (recall_header *)(void *)((char *)result - offsetof(recall_header, result));
    ngi_mem own;
    ngi_mem_init(&own, 0);
    size_t bytes = header->bytes;
    ngi_mind_query_result_destroy(header->query);
    if (ngi_mem_charge(&own, bytes, "answer") == NG_OK)
        ngi_free(&own, header, bytes);
}
