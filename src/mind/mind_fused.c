/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fused similarity: the cosine of vectors that were moved towards what they are connected with, and what
 * the taxonomy says, in one number. The method and its sources: docs/similarity.md.
 *
 * For a word with unit vector u and linked words 1..n (Synonym, Hypernym, Hyponym, Similar) that have one,
 *     q = u + (u1 + ... + un) / n
 * which is one step of retrofitting (Faruqui et al. 2015, alpha = 1, beta = 1 / degree) from where it
 * begins. The step depends on a word and its neighbours alone, so nothing has to be kept up. */
#include "mind/mind.h"

#include "base/base_limits.h"
#include "mind/mind_taxonomy.h"
#include "model/model_types.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FUSED_ATTEMPTS 4
#define FUSED_NORM_MIN 1e-9 /* below it a sum of unit vectors is rounding, not a direction */

typedef struct fused_job {
    const ng_store *store;
    ngi_mem *mem;
    int32_t remove_components;
    ngi_taxonomy *taxonomy;
    size_t dimensions; /* 0 = there are no vectors */
    double *moved[2];  /* [dimensions], one block */
    ng_edge *edges;    /* [edge_capacity] */
    ng_token_id *ids;  /* [edge_capacity] */
    size_t edge_capacity;
} fused_job;

/* --- room ------------------------------------------------------------------------------------- */

static void fused_close(fused_job *job)
{
    ngi_free(job->mem, job->moved[0], 2 * job->dimensions * sizeof(double));
    ngi_free(job->mem, job->edges, job->edge_capacity * (sizeof *job->edges + sizeof *job->ids));
    ngi_taxonomy_destroy(job->taxonomy);
}

static ng_status fused_open(fused_job *job, const ng_store *store, const ng_fused_options *options)
{
    ng_info info;
    void *block = NULL;
    *job = (fused_job){.store = store, .mem = ngi_store_mem(store)};
    if (options != NULL)
        job->remove_components = options->remove_components;
    if (job->remove_components < NG_PLAIN_COSINE || job->remove_components > NGI_COMPONENTS_MAX)
        return ngi_fail(NG_E_INVALID, "remove_components %d is outside %d..%d",
                        job->remove_components, NG_PLAIN_COSINE, NGI_COMPONENTS_MAX);
    ng_status status = ngi_store_info(store, &info);
    if (status == NG_OK && info.vector_count > 0)
        status = ngi_alloc(job->mem, 2 * (size_t)info.dimensions * sizeof(double),
                           "fused similarity", &block);
    if (status != NG_OK)
        return status;
    if (block != NULL) {
        job->dimensions = info.dimensions;
        job->moved[0] = block;
        job->moved[1] = job->moved[0] + job->dimensions;
    }
    status = ngi_taxonomy_create(store, &job->taxonomy);
    if (status != NG_OK)
        fused_close(job);
    return status;
}

/* --- vectors ---------------------------------------------------------------------------------- */

static ng_status fused_edges(fused_job *job, ng_token_id id, size_t *count)
{
    ng_edge_options options = {.struct_size = sizeof options, .direction = NG_OUTGOING};
    options.types.bits[0] = UINT64_C(1) << NGI_TYPE_SYNONYM | UINT64_C(1) << NGI_TYPE_ANTONYM |
                            UINT64_C(1) << NGI_TYPE_HYPERNYM | UINT64_C(1) << NGI_TYPE_HYPONYM |
                            UINT64_C(1) << NGI_TYPE_SIMILAR;
    for (;;) {
        const size_t item = sizeof *job->edges + sizeof *job->ids;
        void *block = job->edges;
        ng_status status = ngi_store_token_connections(job->store, id, &options, job->edges,
                                                       job->edge_capacity, count);
        if (status != NG_OK || *count <= job->edge_capacity)
            return status;
        size_t wanted = 2 * *count;
        status = ngi_resize(job->mem, &block, job->edge_capacity * item, wanted * item,
                            "connections of a word");
        if (status != NG_OK)
            return status;
        job->edges = block;
        job->ids = (ng_token_id *)(void *)(job->edges + wanted);
        job->edge_capacity = wanted;
    }
}

static int fused_order(const void *a, const void *b)
{
    ng_token_id x = *(const ng_token_id *)a, y = *(const ng_token_id *)b;
    return (x > y) - (x < y);
}

/* What a word is linked with, each once in ascending order, into ids; antonyms are none of it. */
static size_t fused_linked(fused_job *job, size_t count, ng_token_id other, bool *antonyms)
{
    size_t taken = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (job->edges[i].type != NGI_TYPE_ANTONYM)
            job->ids[taken++] = job->edges[i].target;
        else if (job->edges[i].target == other)
            *antonyms = true;
    }
    if (taken > 1)
        qsort(job->ids, taken, sizeof *job->ids, fused_order);
    for (size_t i = 0; i < taken; i++)
        if (kept == 0 || job->ids[kept - 1] != job->ids[i])
            job->ids[kept++] = job->ids[i];
    return kept < NGI_FUSED_LINKED_MAX ? kept : NGI_FUSED_LINKED_MAX;
}

/* The vector of a word, moved; without vectors only whether the two are antonyms. */
static ng_status fused_move(fused_job *job, ng_token_id id, ng_token_id other, bool has_vectors,
                            double *moved, uint32_t *linked, bool *antonyms)
{
    size_t count = 0, added = 0;
    ng_status status;
    NGI_TRY(fused_edges(job, id, &count));
    count = fused_linked(job, count, other, antonyms);
    if (!has_vectors)
        goto out;
    memset(moved, 0, job->dimensions * sizeof *moved);
    NGI_TRY(ngi_store_vector_sum(job->store, job->ids, count, job->remove_components, moved,
                                 job->dimensions, &added));
    for (size_t i = 0; i < job->dimensions && added > 0; i++)
        moved[i] /= (double)added;
    *linked = (uint32_t)added;
    NGI_TRY(ngi_store_vector_accumulate(job->store, id, 1.0, job->remove_components, moved,
                                        job->dimensions));
out:
    return status;
}

static double fused_cosine(const double *x, const double *y, size_t dimensions, double otherwise)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < dimensions; i++) {
        xy += x[i] * y[i];
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    if (sqrt(xx) < FUSED_NORM_MIN || sqrt(yy) < FUSED_NORM_MIN)
        return otherwise;
    double cosine = xy / (sqrt(xx) * sqrt(yy));
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

/* --- a pair ----------------------------------------------------------------------------------- */

static ng_status fused_vectors(fused_job *job, ng_token_id a, ng_token_id b, ng_fused *out)
{
    ng_status status = ngi_store_similarity(job->store, a, b, job->remove_components, &out->cosine);
    bool has = status == NG_OK && job->dimensions > 0;
    if (status != NG_OK && status != NG_E_ABSENT)
        return status;
    NGI_TRY(fused_move(job, a, b, has, job->moved[0], &out->linked_a, &out->antonyms));
    NGI_TRY(fused_move(job, b, a, has, job->moved[1], &out->linked_b, &out->antonyms));
    if (has) {
        out->retrofitted = fused_cosine(job->moved[0], job->moved[1], job->dimensions, out->cosine);
        out->by_vectors = true;
    } else {
        out->cosine = (double)NAN;
    }
out:
    return status;
}

static ng_status fused_links(fused_job *job, ng_token_id a, ng_token_id b, ng_fused *out)
{
    ngi_taxonomic taxonomic = {.is_known = true, .similarity = 1};
    ng_status status = NG_OK;
    if (a != b)
        status = ngi_taxonomy_compare(job->taxonomy, a, b, &taxonomic);
    if (status != NG_OK || !taxonomic.is_known)
        return status;
    out->by_links = true;
    out->taxonomic = taxonomic.similarity;
    out->hops = taxonomic.hops;
    out->depth = taxonomic.depth;
    return NG_OK;
}

static void fused_score(ng_fused *out)
{
    double vectors = out->antonyms && out->retrofitted > 0 ? 0 : out->retrofitted;
    if (out->by_vectors && out->by_links)
        out->score = (vectors + out->taxonomic) / 2;
    else if (out->by_vectors)
        out->score = vectors;
    else if (out->by_links)
        out->score = out->taxonomic;
}

static ng_fused fused_none(void)
{
    const double none = (double)NAN;
    return (ng_fused){.score = none,
                      .cosine = none,
                      .retrofitted = none,
                      .taxonomic = none,
                      .hops = NG_FUSED_NO_PATH};
}

/* Several calls of the store: they count only if all stood on the same projection. */
static ng_status fused_pair(fused_job *job, ng_token_id a, ng_token_id b, ng_fused *out)
{
    for (int i = 0; i < FUSED_ATTEMPTS; i++) {
        uint64_t version = ngi_store_projection_version(job->store);
        *out = fused_none();
        ng_status status = fused_vectors(job, a, b, out);
        if (status == NG_OK)
            status = fused_links(job, a, b, out);
        /* A vector went meanwhile, or all of them were exchanged for others. */
        if (status == NG_E_ABSENT ||
            (status != NG_OK && ngi_store_projection_version(job->store) != version))
            continue;
        if (status != NG_OK) {
            *out = fused_none();
            return status;
        }
        if (ngi_store_projection_version(job->store) == version) {
            fused_score(out);
            return NG_OK;
        }
    }
    return ngi_fail(NG_E_CANCELLED, "the projection or a vector changed during every attempt");
}

/* --- the calls -------------------------------------------------------------------------------- */

ng_status ngi_mind_similarity_fused(const ng_store *store, ng_token_id a, ng_token_id b,
                                    const ng_fused_options *options, ng_fused *out)
{
    fused_job job;
    *out = fused_none();
    ng_status status = fused_open(&job, store, options);
    if (status != NG_OK)
        return status;
    status = fused_pair(&job, a, b, out);
    if (status == NG_OK && !out->by_vectors && !out->by_links)
        status = ngi_fail(NG_E_ABSENT,
                          "tokens %llu and %llu have neither vectors nor links to compare by",
                          (unsigned long long)a, (unsigned long long)b);
    fused_close(&job);
    return status;
}

ng_status ngi_mind_similarity_fused_many(const ng_store *store, const ng_token_id (*pairs)[2],
                                         size_t count, const ng_fused_options *options,
                                         ng_fused *out, size_t *found)
{
    fused_job job;
    *found = 0;
    ng_status status = fused_open(&job, store, options);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        bool has_a = false, has_b = false;
        out[i] = fused_none();
        status = ngi_store_token_exists(store, pairs[i][0], &has_a);
        if (status == NG_OK)
            status = ngi_store_token_exists(store, pairs[i][1], &has_b);
        if (status != NG_OK || !has_a || !has_b)
            continue;
        status = fused_pair(&job, pairs[i][0], pairs[i][1], &out[i]);
        if (status == NG_E_NOT_FOUND) /* deleted meanwhile */
            status = NG_OK;
        *found += out[i].by_vectors || out[i].by_links ? 1 : 0;
    }
    fused_close(&job);
    if (status != NG_OK)
        *found = 0;
    return status;
}
