/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The words of two embeddings, and the map from one to the other. */
#include "mind/mind_embedding.h"

#include "base/base_limits.h"

#include <string.h>

#define EMBEDDING_PAGE 1024

static ng_status embedding_fields(ngi_embedding *e)
{
    ng_vector_field_info old_field, new_field;
    ng_status status = ngi_store_vector_field_get(e->store, 0, &old_field);
    if (status == NG_OK)
        status = ngi_store_vector_field_get(e->store, e->field, &new_field);
    if (status != NG_OK)
        return status;
    if (new_field.metric != NG_VECTOR_COSINE)
        return ngi_fail(NG_E_INVALID, "field '%s' is not compared by cosine", new_field.name);
    if (new_field.vector_count == 0)
        return ngi_fail(NG_E_NOT_FOUND, "vector field '%s' has no vectors", new_field.name);
    if (old_field.vector_count == 0)
        return ngi_fail(NG_E_NOT_FOUND, "the store has no vectors");
    e->old_dimensions = old_field.dimensions;
    e->new_dimensions = new_field.dimensions;
    return NG_OK;
}

static ng_status embedding_alloc(ngi_embedding *e)
{
    void *block;
    uint64_t token_count = 0;
    ng_status status;
    NGI_TRY(ngi_store_collection_get(e->store, e->collection, NULL, &token_count));
    NGI_TRY(ngi_alloc(e->mem, (size_t)token_count * sizeof *e->words, "words to compare", &block));
    e->words = block;
    e->capacity = (size_t)token_count;
    NGI_TRY(ngi_alloc(e->mem, e->old_dimensions * sizeof(float), "vector", &block));
    e->old_vector = block;
    NGI_TRY(ngi_alloc(e->mem, e->new_dimensions * sizeof(float), "vector", &block));
    e->new_vector = block;
out:
    return status;
}

static ng_status embedding_collect_one(ngi_embedding *e, ng_token_id id)
{
    ng_token_info info;
    ng_status status = ngi_store_token_get(e->store, id, &info);
    if (status != NG_OK)
        return status == NG_E_NOT_FOUND ? NG_OK : status; /* deleted since it was listed */
    unsigned has = info.has_vector ? NGI_EMBEDDING_OLD : 0;
    if ((unsigned)info.vector_fields >> e->field & 1u)
        has |= NGI_EMBEDDING_NEW;
    e->counts[has]++;
    if (has != 0)
        e->words[e->count++] = (ngi_embedding_word){.id = id, .has = (uint8_t)has};
    return NG_OK;
}

/* Tokens that come meanwhile and find no room are left out. */
static ng_status embedding_collect(ngi_embedding *e)
{
    ng_token_id page[EMBEDDING_PAGE], after = 0;
    size_t listed = EMBEDDING_PAGE;
    ng_status status = NG_OK;
    while (status == NG_OK && listed == EMBEDDING_PAGE && e->count < e->capacity) {
        status =
            ngi_store_token_list(e->store, e->collection, after, page, EMBEDDING_PAGE, &listed);
        for (size_t i = 0; i < listed && status == NG_OK && e->count < e->capacity; i++) {
            status = embedding_collect_one(e, page[i]);
            after = page[i];
        }
    }
    return status;
}

ng_status ngi_embedding_open(ngi_embedding *embedding)
{
    ng_status status = embedding_fields(embedding);
    if (status == NG_OK)
        status = embedding_alloc(embedding);
    return status != NG_OK ? status : embedding_collect(embedding);
}

void ngi_embedding_close(ngi_embedding *embedding)
{
    ngi_mem *mem = embedding->mem;
    ngi_procrustes_destroy(mem, embedding->map);
    ngi_free(mem, embedding->words, embedding->capacity * sizeof *embedding->words);
    ngi_free(mem, embedding->old_vector, embedding->old_dimensions * sizeof(float));
    ngi_free(mem, embedding->new_vector, embedding->new_dimensions * sizeof(float));
    *embedding = (ngi_embedding){0};
}

ng_status ngi_embedding_pair(const ngi_embedding *embedding, ng_token_id id, bool *found)
{
    size_t count = 0;
    *found = false;
    ng_status status = ngi_store_token_vector(embedding->store, id, embedding->old_vector,
                                              embedding->old_dimensions, &count);
    if (status == NG_OK && count == embedding->old_dimensions) {
        status =
            ngi_store_token_vector_in(embedding->store, id, embedding->field, embedding->new_vector,
                                      embedding->new_dimensions, &count);
        *found = status == NG_OK && count == embedding->new_dimensions;
    }
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

/* --- the map --------------------------------------------------------------------------------- */

ng_status ngi_embedding_scan(ngi_embedding *embedding, unsigned first, unsigned stride,
                             void (*each)(ngi_embedding *embedding, void *context), void *context)
{
    uint64_t shared = embedding->counts[NGI_EMBEDDING_BOTH];
    uint64_t there = shared > first ? (shared - first + stride - 1) / stride : 0;
    uint64_t wanted = there < NGI_EMBEDDING_FIT_MAX ? there : NGI_EMBEDDING_FIT_MAX;
    uint64_t number = 0, taken = 0;
    ng_status status = NG_OK;
    for (size_t i = 0; i < embedding->count && taken < wanted && status == NG_OK; i++) {
        bool found;
        if (embedding->words[i].has != NGI_EMBEDDING_BOTH)
            continue;
        /* The word of this number within its kind, if it is the next of `wanted` among `there`. */
        uint64_t at = number++;
        if (at < first || (at - first) % stride != 0 ||
            (at - first) / stride < taken * there / wanted)
            continue;
        taken++;
        status = ngi_embedding_pair(embedding, embedding->words[i].id, &found);
        if (status == NG_OK && found)
            each(embedding, context);
        if (status == NG_OK)
            status = ngi_task_progress(embedding->task, taken, wanted, taken);
    }
    return status;
}

static void embedding_add(ngi_embedding *e, void *context)
{
    (void)context;
    ngi_procrustes_add(e->map, e->old_vector, e->new_vector);
}

static ng_status embedding_solving(void *context)
{
    const ngi_embedding *e = context;
    return ngi_task_progress(e->task, 0, 0, 0);
}

ng_status ngi_embedding_fit(ngi_embedding *embedding, unsigned stride)
{
    const ngi_pca_watch watch = {embedding_solving, embedding};
    ng_status status;
    NGI_TRY(ngi_task_begin(embedding->task, "aligning", 0));
    NGI_TRY(ngi_procrustes_create(embedding->mem, embedding->old_dimensions,
                                  embedding->new_dimensions, &embedding->map));
    NGI_TRY(ngi_embedding_scan(embedding, 0, stride, embedding_add, NULL));
    NGI_TRY(ngi_procrustes_solve(embedding->map, &watch));
    NGI_TRY(ngi_task_end(embedding->task, 0, ngi_procrustes_count(embedding->map)));
out:
    return status;
}
