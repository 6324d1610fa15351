/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* WordNet into the store: lemmas that have no token become tokens without a vector, and every
 * relation becomes a connection, curated and therefore immutable. Both are looked up first, so that
 * a second load writes nothing and an interrupted one goes on where it stopped. */
#include "mind/mind_private.h"

#include "base/base_limits.h"
#include "mind/mind_wordnet.h"

#include <string.h>

#define LEXICON_LEMMAS_BATCH 1024

typedef struct lexicon_job {
    ngi_load *load;
    ngi_wordnet *wordnet;
    ng_token_id *ids; /* [word_count] */
    uint32_t word_count;

    /* Lemmas on their way. */
    ng_token_fields *fields; /* [LEXICON_LEMMAS_BATCH] */
    uint32_t *numbers;       /* [LEXICON_LEMMAS_BATCH] */
    size_t count;

    /* Relations on their way. */
    ngi_relation *relations;     /* [NGI_BATCH_MAX] */
    ng_connection_fields *links; /* [NGI_BATCH_MAX] */
} lexicon_job;

static void lexicon_release(lexicon_job *job)
{
    ngi_mem *mem = job->load->mem;
    ngi_free(mem, job->ids, job->word_count * sizeof *job->ids);
    ngi_free(mem, job->fields, LEXICON_LEMMAS_BATCH * sizeof *job->fields);
    ngi_free(mem, job->numbers, LEXICON_LEMMAS_BATCH * sizeof *job->numbers);
    ngi_free(mem, job->relations, NGI_BATCH_MAX * sizeof *job->relations);
    ngi_free(mem, job->links, NGI_BATCH_MAX * sizeof *job->links);
    ngi_wordnet_destroy(mem, job->wordnet);
}

static ng_status lexicon_alloc(lexicon_job *job)
{
    ngi_mem *mem = job->load->mem;
    ng_status status;
    void *block;
    job->word_count = ngi_wordnet_word_count(job->wordnet);
    NGI_TRY(ngi_alloc(mem, job->word_count * sizeof *job->ids, "lemmas", &block));
    job->ids = block;
    NGI_TRY(ngi_alloc(mem, LEXICON_LEMMAS_BATCH * sizeof *job->fields, "lemma batch", &block));
    job->fields = block;
    NGI_TRY(ngi_alloc(mem, LEXICON_LEMMAS_BATCH * sizeof *job->numbers, "lemma batch", &block));
    job->numbers = block;
    NGI_TRY(ngi_alloc(mem, NGI_BATCH_MAX * sizeof *job->relations, "relation batch", &block));
    job->relations = block;
    NGI_TRY(ngi_alloc(mem, NGI_BATCH_MAX * sizeof *job->links, "relation batch", &block));
    job->links = block;
out:
    return status;
}

static ng_status lexicon_reading(void *context, uint64_t words)
{
    lexicon_job *job = context;
    return ngi_task_progress(&job->load->task, 0, 0, words);
}

static ng_status lexicon_read(lexicon_job *job)
{
    ngi_load *load = job->load;
    ngi_wordnet_watch watch = {lexicon_reading, job};
    uint64_t begin_ns = load->os->monotonic_ns(load->os);
    ng_status status = ngi_task_begin(&load->task, "lemmas", 0);
    if (status == NG_OK)
        status = ngi_wordnet_load(load->mem, load->os, load->path, &watch, &job->wordnet);
    load->report.parse_seconds = ngi_task_seconds(&load->task, begin_ns);
    return status != NG_OK ? status : lexicon_alloc(job);
}

static ng_status lexicon_flush(lexicon_job *job)
{
    ngi_load *load = job->load;
    ng_token_id out[LEXICON_LEMMAS_BATCH];
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    if (job->count == 0)
        return NG_OK;
    ng_status status = ngi_store_token_put(load->store, NULL, job->fields, job->count, &write, out);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < job->count; i++)
        job->ids[job->numbers[i]] = out[i];
    load->report.lemmas_created += job->count;
    job->count = 0;
    return ngi_task_committed(&load->task, seq);
}

static ng_status lexicon_lemma(lexicon_job *job, uint32_t number)
{
    ngi_load *load = job->load;
    size_t bytes;
    const char *label = ngi_wordnet_word(job->wordnet, number, &bytes);
    ng_status status = ngi_store_token_find(load->store, load->options.collection, label, bytes,
                                            &job->ids[number]);
    if (status != NG_E_NOT_FOUND)
        return status;
    job->fields[job->count] =
        (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                          .set = NG_FIELD_ENTITY | NG_FIELD_FLAGS | NG_FIELD_LABEL,
                          .collection = load->options.collection,
                          .entity = NG_ENTITY_CONCEPT,
                          .flags = NG_TOKEN_ACTIVE | NG_TOKEN_PERSISTENT,
                          .label = label,
                          .label_bytes = bytes};
    job->numbers[job->count++] = number;
    return job->count == LEXICON_LEMMAS_BATCH ? lexicon_flush(job) : NG_OK;
}

static ng_status lexicon_lemmas(lexicon_job *job)
{
    ng_status status = NG_OK;
    for (uint32_t number = 0; number < job->word_count && status == NG_OK; number++) {
        status = lexicon_lemma(job, number);
        if (status == NG_OK && number % LEXICON_LEMMAS_BATCH == 0)
            status = ngi_task_progress(&job->load->task, number, job->word_count, number);
    }
    if (status == NG_OK)
        status = lexicon_flush(job);
    return status != NG_OK ? status
                           : ngi_task_end(&job->load->task, job->word_count, job->word_count);
}

static void lexicon_link(const lexicon_job *job, const ngi_relation *relation,
                         ng_connection_fields *out)
{
    *out =
        (ng_connection_fields){.struct_size = sizeof *out,
                               .source = job->ids[relation->source],
                               .target = job->ids[relation->target],
                               .set = NG_CFIELD_TYPE | NG_CFIELD_FLAGS | NG_CFIELD_MUTABILITY |
                                      NG_CFIELD_PULL | NG_CFIELD_CONFIDENCE,
                               .type = relation->type,
                               .flags = NG_CONNECTION_ACTIVE | NG_CONNECTION_PERSISTENT,
                               .mutability =
                                   NG_IMMUTABLE, /* also Cause, whose category would be learnable */
                               .pull_strength = 1,
                               .confidence = 1};
}

static ng_status lexicon_put(lexicon_job *job, size_t count)
{
    ngi_load *load = job->load;
    size_t created = 0;
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    for (size_t i = 0; i < count; i++)
        lexicon_link(job, &job->relations[i], &job->links[i]);
    ng_status status =
        ngi_store_connection_put(load->store, job->links, count,
                                 NGI_CONNECTION_SKIP_EXISTING | NGI_CONNECTION_CURATED,
                                 NGI_MIND_ORIGIN_BOOTSTRAP, &write, NULL, &created);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        load->report.relations_by_type[job->relations[i].type]++;
    load->report.relations_read += count;
    load->report.connections_created += created;
    load->report.connections_existing += count - created;
    return ngi_task_committed(&load->task, seq);
}

static ng_status lexicon_relations(lexicon_job *job)
{
    ngi_load *load = job->load;
    uint64_t done, total;
    ngi_wordnet_position(job->wordnet, &done, &total);
    ng_status status = ngi_task_begin(&load->task, "relations", total);
    while (status == NG_OK) {
        size_t count = 0;
        status = ngi_wordnet_next(load->mem, job->wordnet, job->relations, NGI_BATCH_MAX, &count);
        if (status != NG_OK || count == 0)
            break;
        status = lexicon_put(job, count);
        ngi_wordnet_position(job->wordnet, &done, &total);
        if (status == NG_OK)
            status = ngi_task_progress(&load->task, done, total, load->report.relations_read);
    }
    return status != NG_OK ? status : ngi_task_end(&load->task, total, load->report.relations_read);
}

ng_status ngi_load_lexicon(ngi_load *load)
{
    lexicon_job job = {.load = load};
    ng_status status = lexicon_read(&job);
    if (status == NG_OK)
        status = lexicon_lemmas(&job);
    if (status == NG_OK)
        status = lexicon_relations(&job);
    lexicon_release(&job);
    return status;
}
