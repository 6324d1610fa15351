/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One number for the whole state, of a view: equal states give equal numbers on every machine.
 * Reads in slices, so that writers go on. */
#include "store/store_view.h"
#include "wal/wal_stream.h"

#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* for the size of its state */
#include <xxhash.h>

#define HASH_ROWS_BYTES (1u << 20) /* of vectors in one slice */

/* One block: first the state, which XXH3 wants aligned to 64 bytes, then the arrays of a slice. */
typedef struct hash_job {
    const ng_view *view;
    void *block;
    size_t block_bytes;
    XXH3_state_t *state;
    uint32_t slice; /* tokens or connections read at once */
    union {
        ng_token *tokens;
        ng_connection *connections;
    } records;
    store_side *sides;
    uint16_t *lengths;
    uint32_t *slots; /* that have a vector */
    float *rows;
    ngi_buffer texts;
} hash_job;

static void hash_bytes(hash_job *job, const void *data, size_t bytes)
{
    XXH3_64bits_update(job->state, data, bytes);
}

static void hash_u64(hash_job *job, uint64_t value)
{
    uint8_t bytes[8];
    ngi_put_u64(bytes, value);
    hash_bytes(job, bytes, sizeof bytes);
}

static size_t hash_round_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static ng_status hash_begin(hash_job *job, const ng_view *view)
{
    size_t row_bytes = view->dimensions * sizeof(float);
    *job = (hash_job){.view = view, .slice = NGI_SLICE_ITEMS};
    if (row_bytes * job->slice > HASH_ROWS_BYTES)
        job->slice = (uint32_t)(HASH_ROWS_BYTES / row_bytes);
    _Static_assert(sizeof(ng_token) == sizeof(ng_connection), "one array serves both");
    const size_t sizes[] = {sizeof(XXH3_state_t),
                            job->slice * sizeof(ng_token),
                            job->slice * sizeof(store_side),
                            job->slice * sizeof(uint32_t),
                            job->slice * sizeof(uint16_t),
                            job->slice * row_bytes};
    enum { PARTS = sizeof sizes / sizeof sizes[0] };
    job->block_bytes = 64;
    for (int i = 0; i < PARTS; i++)
        job->block_bytes += hash_round_up(sizes[i]);
    ng_status status = ngi_alloc(view->store->mem, job->block_bytes, "state hash", &job->block);
    if (status != NG_OK)
        return status;
    void *parts[PARTS];
    uint8_t *at = (uint8_t *)job->block + (64 - (uintptr_t)job->block % 64) % 64;
    for (int i = 0; i < PARTS; i++) {
        parts[i] = at;
        at += hash_round_up(sizes[i]);
    }
    job->state = parts[0];
    job->records.tokens = parts[1];
    job->sides = parts[2];
    job->slots = parts[3];
    job->lengths = parts[4];
    job->rows = parts[5];
    XXH3_INITSTATE(job->state);
    XXH3_64bits_reset(job->state);
    return NG_OK;
}

static void hash_end(hash_job *job)
{
    ngi_mem *mem = job->view->store->mem;
    ngi_buffer_release(mem, &job->texts);
    ngi_free(mem, job->block, job->block_bytes);
}

static void hash_vector(hash_job *job, const float *row, uint32_t dimensions)
{
    hash_u64(job, row != NULL);
    for (uint32_t i = 0; row != NULL && i < dimensions; i++) {
        uint8_t bytes[4];
        ngi_put_f32(bytes, row[i]);
        hash_bytes(job, bytes, sizeof bytes);
    }
}

/* The slice [first, first + count) of tokens, which has been read. */
static void hash_token_slice(hash_job *job, uint32_t first, uint32_t count, uint32_t vector_count)
{
    const uint8_t *text = job->texts.data;
    uint32_t vector = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool has_vector = vector < vector_count && job->slots[vector] == first + i;
        if (job->records.tokens[i].slot != 0) {
            uint8_t image[64];
            ngi_token_encode(&job->records.tokens[i], image);
            hash_bytes(job, image, sizeof image);
            hash_u64(job, job->sides[i].updated_us);
            hash_u64(job, (uint64_t)job->sides[i].version << 32 | job->sides[i].collection);
            hash_u64(job, job->lengths[i]);
            if (job->lengths[i] > 0)
                hash_bytes(job, text, job->lengths[i]);
            hash_vector(job, has_vector ? job->rows + (size_t)vector * job->view->dimensions : NULL,
                        job->view->dimensions);
        }
        text += job->lengths[i];
        vector += has_vector;
    }
}

/* The vectors of one named field; `rows` has HASH_ROWS_BYTES. */
static ng_status hash_field(hash_job *job, ng_vector_field_id id, float *rows)
{
    const ng_view *view = job->view;
    uint32_t dimensions = view->fields[id].dimensions;
    uint32_t slice = (uint32_t)(HASH_ROWS_BYTES / (dimensions * sizeof *rows));
    if (slice > job->slice) /* which job->slots has room for */
        slice = job->slice;
    for (uint32_t first = 1, count; first < view->set_end; first += count) {
        uint32_t found;
        count = view->set_end - first < slice ? view->set_end - first : slice;
        ng_status status = ngi_view_field_vectors(view, id, first, count, job->slots, rows, &found);
        if (status != NG_OK)
            return status;
        for (uint32_t i = 0; i < found; i++) {
            hash_u64(job, job->slots[i]);
            hash_vector(job, rows + (size_t)i * dimensions, dimensions);
        }
    }
    return NG_OK;
}

static ng_status hash_tokens(hash_job *job)
{
    const ng_view *view = job->view;
    ng_status status = NG_OK;
    hash_u64(job, view->slot_end);
    for (uint32_t first = 1, count; first < view->slot_end; first += count) {
        uint32_t vector_count;
        count = view->slot_end - first < job->slice ? view->slot_end - first : job->slice;
        job->texts.bytes = 0;
        NGI_TRY(ngi_view_records(view, first, count, job->records.tokens));
        NGI_TRY(ngi_view_sides(view, first, count, job->sides));
        NGI_TRY(ngi_view_labels(view, first, count, job->lengths, &job->texts));
        NGI_TRY(ngi_view_vectors(view, first, count, job->slots, job->rows, &vector_count));
        hash_token_slice(job, first, count, vector_count);
    }
out:
    return status;
}

static ng_status hash_connections(hash_job *job)
{
    const ng_view *view = job->view;
    hash_u64(job, view->id_end);
    for (uint32_t first = 1, count; first < view->id_end; first += count) {
        count = view->id_end - first < job->slice ? view->id_end - first : job->slice;
        ng_status status = ngi_view_connections(view, first, count, job->records.connections);
        if (status != NG_OK)
            return status;
        for (uint32_t i = 0; i < count; i++) {
            if (job->records.connections[i].source == 0)
                continue;
            uint8_t image[64];
            ngi_connection_encode(&job->records.connections[i], image);
            hash_u64(job, first + i);
            hash_bytes(job, image, sizeof image);
        }
    }
    return NG_OK;
}

/* Nothing of a store that has none, so that its number is what it always was. */
static ng_status hash_attributes(hash_job *job)
{
    const ng_view *view = job->view;
    void *block = NULL;
    ng_status status = NG_OK;
    if (view->attribute_count == 0)
        return NG_OK;
    NGI_TRY(ngi_alloc(view->store->mem, NGI_STREAM_BLOCK_BYTES, "state hash", &block));
    for (uint32_t next = 1; next < view->slot_end;) {
        ngi_view_items items = {.out = block, .capacity = NGI_STREAM_BLOCK_BYTES};
        NGI_TRY(ngi_view_attributes(view, &next, &items));
        hash_bytes(job, block, items.bytes);
    }
out:
    ngi_free(view->store->mem, block, NGI_STREAM_BLOCK_BYTES);
    return status;
}

/* Likewise. */
static ng_status hash_grids(hash_job *job)
{
    const ng_view *view = job->view;
    void *block = NULL;
    ng_status status = NG_OK;
    if (view->grid_count == 0)
        return NG_OK;
    NGI_TRY(ngi_alloc(view->store->mem, NGI_STREAM_BLOCK_BYTES, "state hash", &block));
    hash_bytes(job, block, ngi_view_grids(view, block));
    for (uint32_t next = 1; next < view->member_end;) {
        ngi_view_items items = {.out = block, .capacity = NGI_STREAM_BLOCK_BYTES};
        NGI_TRY(ngi_view_members(view, &next, &items));
        hash_bytes(job, block, items.bytes);
    }
out:
    ngi_free(view->store->mem, block, NGI_STREAM_BLOCK_BYTES);
    return status;
}

/* Likewise: images, then of each field its vectors by slots that ascend. */
static ng_status hash_fields(hash_job *job)
{
    const ng_view *view = job->view;
    uint8_t images[NGI_VECTOR_FIELDS_MAX * STORE_FIELD_IMAGE_MAX];
    void *block;
    ng_status status = NG_OK;
    if (view->field_count == 0)
        return NG_OK;
    hash_bytes(job, images, ngi_view_fields(view, images));
    NGI_TRY(ngi_alloc(view->store->mem, HASH_ROWS_BYTES, "state hash", &block));
    for (uint32_t id = 1; id <= NGI_VECTOR_FIELDS_MAX && status == NG_OK; id++)
        if (view->fields[id].vector_count > 0)
            status = hash_field(job, id, block);
    ngi_free(view->store->mem, block, HASH_ROWS_BYTES);
out:
    return status;
}

static void hash_small(hash_job *job)
{
    const ng_view *view = job->view;
    for (uint32_t i = 0; i < view->collection_count; i++)
        hash_bytes(job, view->collections[i].name, sizeof view->collections[i].name);
    uint8_t cdna[NGI_CDNA_BYTES];
    ngi_cdna_encode(&view->cdna, cdna);
    hash_bytes(job, cdna, sizeof cdna);
    if (view->projection.bytes > 0)
        hash_bytes(job, view->projection.data, view->projection.bytes);
}

ng_status ngi_view_state_hash(const ng_view *view, uint64_t *out)
{
    hash_job job;
    ng_status status = ngi_view_read_begin(view); /* an empty state is not read below */
    if (status != NG_OK)
        return status;
    ngi_view_read_end(view);
    status = hash_begin(&job, view);
    if (status != NG_OK)
        return status;
    hash_u64(&job, view->seq);
    NGI_TRY(hash_tokens(&job));
    NGI_TRY(hash_connections(&job));
    hash_small(&job);
    NGI_TRY(hash_attributes(&job));
    NGI_TRY(hash_grids(&job));
    if (view->indexes.bytes > 0)
        hash_bytes(&job, view->indexes.data, view->indexes.bytes);
    NGI_TRY(hash_fields(&job));
    *out = XXH3_64bits_digest(job.state);
out:
    hash_end(&job);
    return status;
}

ng_status ngi_store_hash(ng_store *store, uint64_t *out)
{
    if (ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    ng_view *view;
    ng_status status = ngi_view_open(store, NULL, true, &view);
    if (status != NG_OK)
        return status;
    status = ngi_view_state_hash(view, out);
    ngi_view_close(view);
    return status;
}
