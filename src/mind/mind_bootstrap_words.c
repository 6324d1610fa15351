/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Words with vectors into the store.
 *
 * The input is read twice: once to check it, once to load it.
 *
 * A word becomes a token of the collection whose label is the folded word. Batches go in as one op
 * each, and the next batch is parsed while the one before is on its way to the disk.
 *
 * Invariants: 1. A token whose vector this phase writes has no coordinates in the spaces of the
 *                projection afterwards, by the same op. So a token that has them was placed by a
 *                projection that had seen its vector, or one that is being replaced: see
 *                mind_bootstrap_projection.c.
 *             2. Bit `slot` of `seen` is set for the tokens this load has met. */
#include "mind/mind_private.h"

#include "mind/mind_axes.h"
#include "mind/mind_table.h"
#include "mind/mind_text.h"
#include "mind/mind_words.h"

#include <inttypes.h>
#include <string.h>

#define WORDS_BATCH_MAX 1024
#define WORDS_VECTOR_BYTES_MAX ((size_t)1 << 20) /* of a batch, but one vector at least */
#define WORDS_LABEL_BYTES ((size_t)64 << 10)

typedef struct words_job {
    ngi_load *load;
    ngi_words input;

    size_t dimensions; /* 0 until the first word */
    uint8_t spaces;    /* that the projection fills */
    size_t capacity;   /* words of a batch */
    size_t count;
    ng_token_fields *fields; /* [capacity] */
    ng_token_id *ids;        /* [capacity]; 0 = create */
    float *vectors;          /* [capacity + 1][dimensions]; the last one is scratch */
    ng_field_vector *placed; /* [capacity]: of a named field; or NULL */
    char *labels;
    size_t label_bytes;
    ngi_strings created; /* labels this batch creates */

    uint64_t *seen;
    size_t seen_count; /* of 64-bit words */
} words_job;

static ng_status words_open(words_job *job)
{
    ngi_load *load = job->load;
    return ngi_words_open(&job->input, load->mem, load->os, load->report.format, load->path,
                          load->options.vocabulary);
}

static uint64_t words_consumed(const words_job *job)
{
    return ngi_reader_consumed(ngi_words_reader(&job->input));
}

static void words_release(words_job *job)
{
    ngi_mem *mem = job->load->mem;
    ngi_words_close(&job->input);
    ngi_free(mem, job->fields, job->capacity * sizeof *job->fields);
    ngi_free(mem, job->ids, job->capacity * sizeof *job->ids);
    ngi_free(mem, job->vectors, (job->capacity + 1) * job->dimensions * sizeof(float));
    ngi_free(mem, job->placed, job->capacity * sizeof *job->placed);
    ngi_free(mem, job->labels, WORDS_LABEL_BYTES);
    ngi_strings_release(mem, &job->created);
    ngi_free(mem, job->seen, job->seen_count * sizeof *job->seen);
}

/* Sizes the batch, once the first word has told the dimensions. */
static ng_status words_size_batch(words_job *job)
{
    ngi_load *load = job->load;
    ngi_mem *mem = load->mem;
    ng_status status;
    void *block;

    job->dimensions = ngi_words_dimensions(&job->input);
    size_t fitting = WORDS_VECTOR_BYTES_MAX / (job->dimensions * sizeof(float));
    job->capacity = fitting < WORDS_BATCH_MAX ? fitting : WORDS_BATCH_MAX;
    if (load->options.components > job->dimensions)
        load->options.components = (uint32_t)job->dimensions;
    job->spaces = load->options.field == 0 ? ngi_axes_spaces(load->options.components) : 0;
    load->report.dimensions = (uint32_t)job->dimensions;

    NGI_TRY(ngi_alloc(mem, job->capacity * sizeof *job->fields, "word batch", &block));
    job->fields = block;
    NGI_TRY(ngi_alloc(mem, job->capacity * sizeof *job->ids, "word batch", &block));
    job->ids = block;
    NGI_TRY(ngi_alloc(mem, (job->capacity + 1) * job->dimensions * sizeof(float), "word batch",
                      &block));
    job->vectors = block;
    if (load->options.field != 0) {
        NGI_TRY(ngi_alloc(mem, job->capacity * sizeof *job->placed, "word batch", &block));
        job->placed = block;
    }
    NGI_TRY(ngi_alloc(mem, WORDS_LABEL_BYTES, "word batch", &block));
    job->labels = block;
out:
    return status;
}

/* Sets the bit of a token; `*was_seen` tells whether it was set. */
static ng_status words_see(words_job *job, ng_token_id id, bool *was_seen)
{
    size_t index = (uint32_t)id / 64;
    uint64_t bit = (uint64_t)1 << (id % 64);
    if (index >= job->seen_count) {
        size_t larger = (index + 1) * 2;
        void *block = job->seen;
        ng_status status = ngi_resize(job->load->mem, &block, job->seen_count * sizeof *job->seen,
                                      larger * sizeof *job->seen, "words seen");
        if (status != NG_OK)
            return status;
        job->seen = block;
        memset(job->seen + job->seen_count, 0, (larger - job->seen_count) * sizeof *job->seen);
        job->seen_count = larger;
    }
    *was_seen = (job->seen[index] & bit) != 0;
    job->seen[index] |= bit;
    return NG_OK;
}

static ng_status words_flush(words_job *job)
{
    ngi_load *load = job->load;
    ng_seq seq;
    ng_write_options write = ngi_task_write(&seq);
    if (job->count == 0)
        return NG_OK;
    ng_token_id out[WORDS_BATCH_MAX];
    ng_status status =
        ngi_store_token_put(load->store, job->ids, job->fields, job->count, &write, out);
    for (size_t i = 0; status == NG_OK && i < job->count; i++) {
        bool was_seen;
        if (job->ids[i] == 0)
            load->report.words_created++;
        else
            load->report.words_updated++;
        status = words_see(job, out[i], &was_seen);
    }
    job->count = 0;
    job->label_bytes = 0;
    ngi_strings_clear(&job->created);
    return status != NG_OK ? status : ngi_task_committed(&load->task, seq);
}

static void words_vector(const words_job *job, ng_token_fields *fields, const float *vector)
{
    if (job->placed == NULL) {
        fields->set = NG_FIELD_VECTOR;
        fields->vector = vector;
        fields->vector_dimensions = job->dimensions;
        return;
    }
    ng_field_vector *placed = &job->placed[job->count];
    *placed = (ng_field_vector){.field = job->load->options.field,
                                .values = vector,
                                .dimensions = job->dimensions};
    fields->set = NG_FIELD_VECTORS;
    fields->vectors = placed;
    fields->vector_count = 1;
}

/* The next free entry of the batch, with a copy of the vector. */
static ng_token_fields *words_append(words_job *job, ng_token_id id, const float *vector)
{
    float *copy = job->vectors + job->count * job->dimensions;
    memcpy(copy, vector, job->dimensions * sizeof *copy);
    ng_token_fields *fields = &job->fields[job->count];
    *fields = (ng_token_fields){.struct_size = sizeof *fields,
                                .collection = job->load->options.collection};
    words_vector(job, fields, copy);
    job->ids[job->count++] = id;
    return fields;
}

static void words_create(words_job *job, const char *label, size_t bytes, const float *vector)
{
    ng_token_fields *fields = words_append(job, 0, vector);
    char *copy = job->labels + job->label_bytes;
    memcpy(copy, label, bytes);
    job->label_bytes += bytes;
    fields->set |= NG_FIELD_ENTITY | NG_FIELD_FLAGS | NG_FIELD_LABEL;
    fields->entity = NG_ENTITY_CONCEPT;
    fields->flags = NG_TOKEN_ACTIVE | NG_TOKEN_PERSISTENT;
    fields->label = copy;
    fields->label_bytes = bytes;
}

/* A word that has its token already. */
static ng_status words_existing(words_job *job, ng_token_id id, const float *vector)
{
    ngi_load *load = job->load;
    float *stored = job->vectors + job->capacity * job->dimensions;
    size_t count = 0;
    bool was_seen = false;
    ng_status status = words_see(job, id, &was_seen);
    if (status != NG_OK)
        return status;
    if (was_seen) {
        load->report.duplicates++;
        return NG_OK;
    }
    status = ngi_store_token_vector_in(load->store, id, load->options.field, stored,
                                       job->dimensions, &count);
    if (status != NG_OK)
        return status;
    if (count == job->dimensions && memcmp(stored, vector, count * sizeof *vector) == 0) {
        load->report.words_unchanged++;
        return NG_OK;
    }
    words_append(job, id, vector)->spaces_clear = job->spaces;
    return NG_OK;
}

static ng_status words_fold(const ngi_word *word, char *label, size_t *bytes)
{
    ng_status status = ngi_text_fold(word->text, word->bytes, label, NGI_LABEL_BYTES_MAX, bytes);
    if (status == NG_OK)
        return NG_OK;
    ngi_excerpt excerpt = ngi_text_excerpt(word->text, word->bytes);
    return ngi_fail(NG_E_FORMAT, "%s %s %" PRIu64 ": the word '%s' is longer than %d bytes",
                    word->path, word->unit, word->position, excerpt.text, NGI_LABEL_BYTES_MAX);
}

static ng_status words_add(words_job *job, const ngi_word *word)
{
    ngi_load *load = job->load;
    char label[NGI_LABEL_BYTES_MAX];
    size_t bytes;
    ng_token_id id;
    ng_status status = words_fold(word, label, &bytes);
    if (status != NG_OK)
        return status;
    load->report.words_read++;
    if (bytes == 0) {
        load->report.duplicates++; /* nothing but blanks and control codes: no label is left */
        return NG_OK;
    }
    status = ngi_store_token_find(load->store, load->options.collection, label, bytes, &id);
    if (status == NG_OK)
        return words_existing(job, id, word->vector);
    if (status != NG_E_NOT_FOUND)
        return status;
    if (load->options.existing_only) {
        load->report.words_skipped++;
        return NG_OK;
    }
    uint32_t number;
    bool is_new;
    status = ngi_strings_add(load->mem, &job->created, label, bytes, &number, &is_new);
    if (status != NG_OK)
        return status;
    if (is_new)
        words_create(job, label, bytes, word->vector);
    else
        load->report.duplicates++;
    return NG_OK;
}

static bool words_is_enough(const ngi_load *load, uint64_t count)
{
    return load->options.max_words != 0 && count == load->options.max_words;
}

/* Parses and applies one batch. */
static ng_status words_batch(words_job *job, bool *end)
{
    ngi_load *load = job->load;
    uint64_t begin_ns = load->os->monotonic_ns(load->os);
    ng_status status = NG_OK;
    *end = false;
    for (size_t i = 0; i < WORDS_BATCH_MAX && !*end && status == NG_OK; i++) {
        ngi_word word;
        *end = words_is_enough(load, load->report.words_read);
        if (*end)
            break;
        status = ngi_words_next(&job->input, &word, end);
        if (status == NG_OK && !*end && job->dimensions == 0)
            status = words_size_batch(job);
        if (status == NG_OK && !*end)
            status = words_add(job, &word);
        if (job->count == job->capacity ||
            job->label_bytes > WORDS_LABEL_BYTES - NGI_LABEL_BYTES_MAX)
            break;
    }
    load->report.parse_seconds += ngi_task_seconds(&load->task, begin_ns);
    return status != NG_OK ? status : words_flush(job);
}

/* A field has vectors of one length; found out here, so that the error names the file. */
static ng_status words_check_dimensions(const words_job *job)
{
    ng_vector_field_info info;
    const ngi_load *load = job->load;
    uint32_t dimensions = ngi_words_dimensions(&job->input);
    ng_status status = ngi_store_vector_field_get(load->store, load->options.field, &info);
    if (status != NG_OK || info.dimensions == 0 || info.dimensions == dimensions)
        return status;
    if (info.id != 0)
        return ngi_fail(NG_E_FORMAT, "%s: vectors of %" PRIu32 " dimensions, field '%s' has %u",
                        load->path, dimensions, info.name, info.dimensions);
    return ngi_fail(NG_E_FORMAT, "%s: vectors of %" PRIu32 " dimensions, this store has %u",
                    load->path, dimensions, info.dimensions);
}

/* Reads the whole input and writes nothing, so that bad input changes nothing. It costs a third of
 * a load. */
static ng_status words_check(words_job *job, uint64_t size)
{
    ngi_load *load = job->load;
    char label[NGI_LABEL_BYTES_MAX];
    uint64_t count = 0;
    bool end = false;
    ng_status status = ngi_task_begin(&load->task, "checking", size);
    while (status == NG_OK && !end && !words_is_enough(load, count)) {
        ngi_word word;
        size_t bytes;
        status = ngi_words_next(&job->input, &word, &end);
        if (status != NG_OK || end)
            break;
        status = words_fold(&word, label, &bytes);
        if (status == NG_OK && count++ == 0)
            status = words_check_dimensions(job);
        if (status == NG_OK && count % WORDS_BATCH_MAX == 0)
            status = ngi_task_progress(&load->task, words_consumed(job), size, count);
    }
    return status != NG_OK ? status : ngi_task_end(&load->task, size, count);
}

ng_status ngi_load_words(ngi_load *load)
{
    words_job job = {.load = load};
    uint64_t size = 0;
    bool end = false;
    ng_status status = words_open(&job);
    if (status == NG_OK) {
        size = ngi_words_reader(&job.input)->size_bytes;
        status = words_check(&job, size);
    }
    words_release(&job);
    job = (words_job){.load = load};
    if (status == NG_OK)
        status = words_open(&job);
    if (status == NG_OK)
        status = ngi_task_begin(&load->task, "words", size);
    while (status == NG_OK && !end) {
        status = words_batch(&job, &end);
        if (status == NG_OK)
            status =
                ngi_task_progress(&load->task, words_consumed(&job), size, load->report.words_read);
    }
    if (status == NG_OK)
        status = ngi_task_end(&load->task, size, load->report.words_read);
    words_release(&job);
    return status;
}
