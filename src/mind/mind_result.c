/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Gathers the parts of an answer in growing buffers, then lays them out in their block. */
#include "mind/mind_result.h"

#include <string.h>

typedef struct result_header {
    size_t bytes; /* of the whole block */
    ng_query_result result;
} result_header;

typedef struct result_parts {
    const ng_store *store;
    ngi_mem *mem;
    const ngi_terms *terms;
    ngi_buffer hits;  /* of ng_query_hit; label and why hold offsets until they are laid out */
    ngi_buffer edges; /* of ng_edge */
    ngi_buffer text;  /* strings that end with NUL */
} result_parts;

static ng_status result_label(result_parts *parts, ng_token_id id)
{
    ngi_buffer *text = &parts->text;
    size_t bytes = 0;
    ng_status status =
        ngi_buffer_reserve(parts->mem, text, NGI_LABEL_BYTES_MAX + 1, "labels of an answer");
    if (status != NG_OK)
        return status;
    char *out = (char *)text->data + text->bytes;
    *out = 0;
    status = ngi_store_token_label(parts->store, id, out, NGI_LABEL_BYTES_MAX + 1, &bytes);
    if (status == NG_OK)
        text->bytes += bytes + 1;
    return status;
}

static ng_status result_why(result_parts *parts, ng_token_id hit, size_t *count)
{
    ngi_buffer *edges = &parts->edges;
    ng_status status = ngi_buffer_reserve(parts->mem, edges, NGI_RESULT_EDGES_MAX * sizeof(ng_edge),
                                          "connections of an answer");
    if (status != NG_OK)
        return status;
    ng_edge *out = (ng_edge *)(void *)(edges->data + edges->bytes);
    *count = 0;
    for (size_t i = 0; i < parts->terms->count && *count < NGI_RESULT_EDGES_MAX; i++) {
        ng_token_id term = parts->terms->terms[i].id;
        size_t room = NGI_RESULT_EDGES_MAX - *count, found = 0;
        bool is_repeated = false;
        for (size_t j = 0; j < i; j++)
            is_repeated |= parts->terms->terms[j].id == term;
        if (term == 0 || term == hit || is_repeated)
            continue;
        status = ngi_store_connections_between(parts->store, term, hit, out + *count, room, &found);
        if (status == NG_E_NOT_FOUND)
            continue; /* one of the two was deleted meanwhile */
        if (status != NG_OK)
            return status;
        *count += found < room ? found : room;
    }
    edges->bytes += *count * sizeof(ng_edge);
    return NG_OK;
}

static ng_status result_hit(result_parts *parts, const ng_score *score, bool why)
{
    ng_query_hit hit = {.id = score->id, .score = score->score};
    ng_status status = result_label(parts, score->id);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status == NG_OK && why)
        status = result_why(parts, score->id, &hit.why_count);
    if (status == NG_OK)
        status = ngi_buffer_reserve(parts->mem, &parts->hits, sizeof hit, "hits of an answer");
    if (status != NG_OK)
        return status;
    memcpy(parts->hits.data + parts->hits.bytes, &hit, sizeof hit);
    parts->hits.bytes += sizeof hit;
    return NG_OK;
}

/* Moves the parts behind the header, which stands at the beginning of `bytes` zeroed bytes. */
static void result_lay_out(const result_parts *parts, result_header *header)
{
    const ngi_terms *terms = parts->terms;
    size_t hit_count = parts->hits.bytes / sizeof(ng_query_hit);
    ng_query_hit *hits = (ng_query_hit *)(void *)(header + 1);
    ng_query_term *out_terms = (ng_query_term *)(void *)(hits + hit_count);
    ng_edge *edges = (ng_edge *)(void *)(out_terms + terms->count);
    char *text = (char *)edges + parts->edges.bytes;

    if (hit_count > 0)
        memcpy(hits, parts->hits.data, parts->hits.bytes);
    if (parts->edges.bytes > 0)
        memcpy(edges, parts->edges.data, parts->edges.bytes);
    if (parts->text.bytes > 0)
        memcpy(text, parts->text.data, parts->text.bytes);
    for (size_t i = 0; i < hit_count; i++) {
        hits[i].label = text;
        text += strlen(text) + 1; /* labels have no control codes, so no NUL within */
        hits[i].why = hits[i].why_count > 0 ? edges : NULL;
        edges += hits[i].why_count;
    }
    for (size_t i = 0; i < terms->count; i++) {
        const ngi_term *term = &terms->terms[i];
        memcpy(text, terms->text + term->begin, term->bytes);
        text[term->bytes] = 0;
        out_terms[i] = (ng_query_term){.text = text, .sign = term->sign, .id = term->id};
        text += term->bytes + 1;
    }
    header->result = (ng_query_result){.hits = hits,
                                       .hit_count = hit_count,
                                       .terms = out_terms,
                                       .term_count = terms->count};
}

static ng_status result_finish(const result_parts *parts, ng_query_result **out)
{
    size_t bytes = sizeof(result_header) + parts->hits.bytes + parts->edges.bytes +
                   parts->terms->count * sizeof(ng_query_term) + parts->text.bytes;
    for (size_t i = 0; i < parts->terms->count; i++)
        bytes += parts->terms->terms[i].bytes + 1;
    ngi_mem own; /* only for the way it allocates: the block does not depend on it afterwards */
    void *block;
    ngi_mem_init(&own, 0);
    ng_status status = ngi_alloc(&own, bytes, "answer", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, bytes);
    result_header *header = block;
    header->bytes = bytes;
    result_lay_out(parts, header);
    *out = &header->result;
    return NG_OK;
}

ng_status ngi_result_create(const ng_store *store, const ngi_terms *terms, const ng_score *scores,
                            size_t score_count, bool why, ng_query_result **out)
{
    result_parts parts = {.store = store, .mem = ngi_store_mem(store), .terms = terms};
    ng_status status = NG_OK;
    for (size_t i = 0; i < score_count && status == NG_OK; i++)
        status = result_hit(&parts, &scores[i], why);
    if (status == NG_OK)
        status = result_finish(&parts, out);
    ngi_buffer_release(parts.mem, &parts.hits);
    ngi_buffer_release(parts.mem, &parts.edges);
    ngi_buffer_release(parts.mem, &parts.text);
    return status;
}

void ngi_mind_query_result_destroy(ng_query_result *result)
{
    if (result == NULL)
        return;
    result_header *header =
        (result_header *)(void *)((char *)result - offsetof(result_header, result));
    ngi_mem own;
    ngi_mem_init(&own, 0);
    size_t bytes = header->bytes;
    if (ngi_mem_charge(&own, bytes, "answer") == NG_OK)
        ngi_free(&own, header, bytes);
}
