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
    const ngi_result_request *request;
    const ngi_terms *terms; /* of it */
    ngi_buffer hits;        /* of ng_query_hit; label and why are set when they are laid out */
    ngi_buffer spellings;   /* of result_spelling: corrections, then suggestions */
    size_t correction_count;
    ngi_buffer edges; /* of ng_edge */
    ngi_buffer text;  /* strings that end with NUL: labels of the hits, then of the spellings */
} result_parts;

typedef struct result_spelling {
    uint32_t term; /* whose text is `given` */
    uint32_t distance;
    ng_token_id id;
} result_spelling;

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

static ng_status result_coordinates(const result_parts *parts, ng_query_hit *hit)
{
    ng_token record;
    ng_status status = ngi_store_token_read(parts->store, hit->id, &record);
    for (unsigned space = 0; status == NG_OK && space < NG_SPACE_COUNT; space++) {
        if ((parts->request->spaces & 1u << space) != 0 &&
            ngi_store_token_coordinates(parts->store, &record, (ng_space)space,
                                        hit->coordinates[space]))
            hit->spaces |= (uint8_t)(1u << space);
    }
    return status;
}

static ng_status result_hit(result_parts *parts, const ng_score *score)
{
    ng_query_hit hit = {.id = score->id,
                        .score = score->score,
                        .prior = NGI_PRIOR_UNIT * ngi_cue_prior_of(parts->request->cue, score->id)};
    ng_status status = NG_OK;
    if (parts->request->spaces != 0)
        status = result_coordinates(parts, &hit);
    if (status == NG_OK)
        status = result_label(parts, score->id);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status == NG_OK && parts->request->why)
        status = result_why(parts, score->id, &hit.why_count);
    if (status == NG_OK)
        status = ngi_buffer_reserve(parts->mem, &parts->hits, sizeof hit, "hits of an answer");
    if (status != NG_OK)
        return status;
    memcpy(parts->hits.data + parts->hits.bytes, &hit, sizeof hit);
    parts->hits.bytes += sizeof hit;
    return NG_OK;
}

static ng_status result_spelling_add(result_parts *parts, uint32_t term,
                                     const ngi_spelling_match *match)
{
    result_spelling spelling = {.term = term, .distance = match->distance, .id = match->id};
    ng_status status = ngi_buffer_reserve(parts->mem, &parts->spellings, sizeof spelling,
                                          "spellings of an answer");
    if (status == NG_OK)
        status = result_label(parts, match->id);
    if (status != NG_OK)
        return status == NG_E_NOT_FOUND ? NG_OK : status;
    memcpy(parts->spellings.data + parts->spellings.bytes, &spelling, sizeof spelling);
    parts->spellings.bytes += sizeof spelling;
    return NG_OK;
}

/* The first `most` matches of every word. */
static ng_status result_spellings(result_parts *parts, size_t most)
{
    const ngi_result_request *request = parts->request;
    ng_status status = NG_OK;
    for (size_t i = 0; i < request->spelling_count; i++) {
        const ngi_spelling *spelling = &request->spellings[i];
        for (size_t j = 0; j < spelling->count && j < most && status == NG_OK; j++)
            status = result_spelling_add(parts, request->spelling_terms[i], &spelling->matches[j]);
    }
    return status;
}

/* Where the next part of the block goes. */
typedef struct result_place {
    ng_query_hit *hits;
    ng_query_term *terms;
    ng_query_spelling *spellings;
    ng_edge *edges;
    char *text;
} result_place;

static void result_lay_out_terms(const ngi_terms *terms, result_place *place)
{
    for (size_t i = 0; i < terms->count; i++) {
        const ngi_term *term = &terms->terms[i];
        memcpy(place->text, terms->text + term->begin, term->bytes);
        place->text[term->bytes] = 0;
        place->terms[i] = (ng_query_term){.text = place->text,
                                          .sign = term->sign,
                                          .weight = term->weight,
                                          .id = term->id};
        place->text += term->bytes + 1;
    }
}

/* Moves the parts behind the header, which stands at the beginning of `bytes` zeroed bytes. */
static void result_lay_out(const result_parts *parts, result_header *header)
{
    size_t hit_count = parts->hits.bytes / sizeof(ng_query_hit);
    size_t spelling_count = parts->spellings.bytes / sizeof(result_spelling);
    result_place place = {.hits = (ng_query_hit *)(void *)(header + 1)};
    place.terms = (ng_query_term *)(void *)(place.hits + hit_count);
    place.spellings = (ng_query_spelling *)(void *)(place.terms + parts->terms->count);
    place.edges = (ng_edge *)(void *)(place.spellings + spelling_count);
    place.text = (char *)place.edges + parts->edges.bytes;

    if (hit_count > 0)
        memcpy(place.hits, parts->hits.data, parts->hits.bytes);
    if (parts->edges.bytes > 0)
        memcpy(place.edges, parts->edges.data, parts->edges.bytes);
    if (parts->text.bytes > 0)
        memcpy(place.text, parts->text.data, parts->text.bytes);
    for (size_t i = 0; i < hit_count; i++) {
        place.hits[i].label = place.text;
        place.text += strlen(place.text) + 1; /* labels have no control codes, so no NUL within */
        place.hits[i].why = place.hits[i].why_count > 0 ? place.edges : NULL;
        place.edges += place.hits[i].why_count;
    }
    const char *labels = place.text;
    for (size_t i = 0; i < spelling_count; i++)
        place.text += strlen(place.text) + 1;
    result_lay_out_terms(parts->terms, &place);
    for (size_t i = 0; i < spelling_count; i++) {
        result_spelling spelling;
        memcpy(&spelling, parts->spellings.data + i * sizeof spelling, sizeof spelling);
        place.spellings[i] = (ng_query_spelling){.given = place.terms[spelling.term].text,
                                                 .label = labels,
                                                 .id = spelling.id,
                                                 .distance = spelling.distance};
        labels += strlen(labels) + 1;
    }
    header->result =
        (ng_query_result){.hits = place.hits,
                          .hit_count = hit_count,
                          .terms = place.terms,
                          .term_count = parts->terms->count,
                          .corrections = place.spellings,
                          .correction_count = parts->correction_count,
                          .suggestions = place.spellings + parts->correction_count,
                          .suggestion_count = spelling_count - parts->correction_count};
}

static ng_status result_finish(const result_parts *parts, ng_query_result **out)
{
    size_t bytes = sizeof(result_header) + parts->hits.bytes + parts->edges.bytes +
                   parts->terms->count * sizeof(ng_query_term) + parts->text.bytes +
                   parts->spellings.bytes / sizeof(result_spelling) * sizeof(ng_query_spelling);
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

ng_status ngi_result_create(const ng_store *store, const ngi_result_request *request,
                            ng_query_result **out)
{
    result_parts parts = {.store = store,
                          .mem = ngi_store_mem(store),
                          .request = request,
                          .terms = request->terms};
    ng_status status = NG_OK;
    for (size_t i = 0; i < request->score_count; i++)
        NGI_TRY(result_hit(&parts, &request->scores[i]));
    if (request->is_corrected)
        NGI_TRY(result_spellings(&parts, 1));
    parts.correction_count = parts.spellings.bytes / sizeof(result_spelling);
    NGI_TRY(result_spellings(&parts, request->suggest));
    NGI_TRY(result_finish(&parts, out));
out:
    ngi_buffer_release(parts.mem, &parts.hits);
    ngi_buffer_release(parts.mem, &parts.spellings);
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
