/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The state that a view shows, written as blocks of a stream in order of their kind.
 *
 * Invariants:
 *   1. Where a block begins and ends follows from the state alone, so equal states give equal
 *      bytes: tables in runs of as many records as fill a block, labels and vectors by slices of
 *      fixed slots, put together while they fit, attributes as many as fit.
 *   2. A lock is held for one slice at a time, by the view. */
#include "store/store_snapshot.h"

#include "store/store_loader.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(store_side) == 16 && offsetof(store_side, version) == 8 &&
                   offsetof(store_side, collection) == 12,
               "a side in memory is a side in a stream");
_Static_assert(NGI_OP_PROJECTION_HEADER + 4u * NGI_DIMENSIONS_MAX * (NGI_COMPONENTS_MAX + 1) <=
                   NGI_STREAM_BLOCK_BYTES,
               "the largest projection fits a block");
_Static_assert(NGI_GRIDS_MAX *STORE_GRID_IMAGE_MAX <= NGI_STREAM_BLOCK_BYTES, "all fit a block");
_Static_assert(NGI_VECTOR_FIELDS_MAX *STORE_FIELD_IMAGE_MAX <= NGI_STREAM_BLOCK_BYTES, "likewise");
_Static_assert(NGI_OP_ATTRIBUTES_MAX <= NGI_STREAM_BLOCK_BYTES, "the longest item fits a block");
_Static_assert(STORE_LABEL_SLICE *(2 + NGI_LABEL_BYTES_MAX) <= NGI_STREAM_BLOCK_BYTES,
               "a slice of the longest labels fits a block");

typedef struct snapshot_job {
    const ng_view *view;
    ngi_stream_writer *writer;
    store_progress *progress;
    uint8_t *payload; /* [NGI_STREAM_BLOCK_BYTES] */
    uint64_t done;    /* slots and ids so far, each once a kind */
} snapshot_job;

void ngi_snapshot_head(const ng_view *view, ngi_stream_head *out)
{
    const ng_store *store = view->store;
    *out = (ngi_stream_head){
        .identity = {.format_version = NGI_FORMAT_VERSION,
                     .created_us = store->created_us,
                     .encoding = store->encoding},
        .whole = true,
        .state_seq = view->seq,
        .state_time_us = view->time_us,
        .slot_end = view->slot_end,
        .id_end = view->id_end,
        .dimensions = view->dimensions,
        .collection_count = view->collection_count,
        .token_count = view->token_count,
        .connection_count = view->connection_count,
        .label_count = view->label_count,
        .vector_count = view->vector_count,
        .attribute_count = view->attribute_count,
        .index_count = view->index_count,
        .after = view->seq,
    };
    out->identity.encoding.clip = false; /* chosen anew each time a store is opened */
    memcpy(out->identity.uuid, store->uuid, sizeof out->identity.uuid);
}

static ng_status snapshot_step(snapshot_job *job, uint32_t items)
{
    job->done += items;
    return ngi_progress_step(job->progress, job->done, job->done);
}

/* --- tables ---------------------------------------------------------------------------------- */

static ng_status snapshot_read(const ng_view *view, ngi_block_kind kind, uint32_t first,
                               uint32_t count, void *out)
{
    if (kind == NGI_BLOCK_TOKENS)
        return ngi_view_records(view, first, count, out);
    if (kind == NGI_BLOCK_SIDES)
        return ngi_view_sides(view, first, count, out);
    return ngi_view_connections(view, first, count, out);
}

static ng_status snapshot_table(snapshot_job *job, ngi_block_kind kind, uint32_t end)
{
    uint32_t record_bytes = kind == NGI_BLOCK_SIDES ? sizeof(store_side) : sizeof(ng_token);
    uint32_t most = NGI_STREAM_BLOCK_BYTES / record_bytes;
    ng_status status = NG_OK;
    if (end <= 1)
        return NG_OK; /* number 0 is never used */
    for (uint32_t first = 0; first < end; first += most) {
        uint32_t count = end - first < most ? end - first : most;
        for (uint32_t at = 0; at < count; at += NGI_SLICE_ITEMS) {
            uint32_t slice = count - at < NGI_SLICE_ITEMS ? count - at : NGI_SLICE_ITEMS;
            NGI_TRY(snapshot_read(job->view, kind, first + at, slice,
                                  job->payload + (size_t)at * record_bytes));
        }
        const ngi_block block = {.kind = (uint16_t)kind,
                                 .first = first,
                                 .count = count,
                                 .bytes = count * record_bytes,
                                 .payload = job->payload};
        NGI_TRY(ngi_stream_block(job->writer, &block));
        NGI_TRY(snapshot_step(job, count));
    }
out:
    return status;
}

/* --- labels ---------------------------------------------------------------------------------- */

typedef struct label_run {
    uint32_t first, count; /* slots */
    uint16_t *lengths;     /* [STORE_LABEL_BLOCK_SLOTS + STORE_LABEL_SLICE] */
    ngi_buffer texts;      /* of the run, then of the slice read last */
    size_t text_bytes;     /* of the run */
} label_run;

static ng_status labels_flush(snapshot_job *job, label_run *run)
{
    if (run->count == 0)
        return NG_OK;
    size_t length_bytes = run->count * sizeof *run->lengths;
    memcpy(job->payload, run->lengths, length_bytes);
    memcpy(job->payload + length_bytes, run->texts.data, run->text_bytes);
    const ngi_block block = {.kind = NGI_BLOCK_LABELS,
                             .first = run->first,
                             .count = run->count,
                             .bytes = (uint32_t)(length_bytes + run->text_bytes),
                             .payload = job->payload};
    ng_status status = ngi_stream_block(job->writer, &block);
    if (status != NG_OK)
        return status;
    run->texts.bytes -= run->text_bytes;
    memmove(run->texts.data, run->texts.data + run->text_bytes, run->texts.bytes);
    run->text_bytes = 0;
    run->count = 0;
    return NG_OK;
}

/* Adds the slice whose lengths stand behind those of the run, and whose texts behind its. */
static ng_status labels_add(snapshot_job *job, label_run *run, uint32_t first, uint32_t count)
{
    uint16_t *lengths = run->lengths + run->count;
    bool fits = run->count + count <= STORE_LABEL_BLOCK_SLOTS &&
                (run->count + count) * sizeof *lengths + run->texts.bytes <= NGI_STREAM_BLOCK_BYTES;
    bool is_empty = run->texts.bytes == run->text_bytes;
    if (!fits || is_empty) {
        ng_status status = labels_flush(job, run);
        if (status != NG_OK || is_empty)
            return status; /* slots without labels need no block */
        memmove(run->lengths, lengths, count * sizeof *lengths);
    }
    if (run->count == 0)
        run->first = first;
    run->count += count;
    run->text_bytes = run->texts.bytes;
    return NG_OK;
}

static ng_status snapshot_labels(snapshot_job *job)
{
    const ng_view *view = job->view;
    ngi_mem *mem = view->store->mem;
    label_run run = {0};
    void *block = NULL;
    size_t bytes = (STORE_LABEL_BLOCK_SLOTS + STORE_LABEL_SLICE) * sizeof *run.lengths;
    if (view->label_count == 0)
        return NG_OK;
    ng_status status = ngi_alloc(mem, bytes, "snapshot", &block);
    if (status != NG_OK)
        return status;
    run.lengths = block;
    for (uint32_t first = 0; first < view->slot_end; first += STORE_LABEL_SLICE) {
        uint32_t left = view->slot_end - first;
        uint32_t count = left < STORE_LABEL_SLICE ? left : STORE_LABEL_SLICE;
        NGI_TRY(ngi_view_labels(view, first, count, run.lengths + run.count, &run.texts));
        NGI_TRY(labels_add(job, &run, first, count));
        NGI_TRY(snapshot_step(job, count));
    }
    NGI_TRY(labels_flush(job, &run));
out:
    ngi_buffer_release(mem, &run.texts);
    ngi_free(mem, block, bytes);
    return status;
}

/* --- vectors --------------------------------------------------------------------------------- */

typedef struct vector_run {
    ng_vector_field_id field; /* 0 = the default one */
    uint32_t most;            /* vectors in a block */
    uint32_t count;
    size_t row_bytes;
    uint32_t *slots; /* [most] */
    uint8_t *rows;   /* in the payload, behind the room of `most` slots */
} vector_run;

static ng_status vectors_flush(snapshot_job *job, vector_run *run)
{
    if (run->count == 0)
        return NG_OK;
    size_t slot_bytes = run->count * sizeof *run->slots;
    if (run->count < run->most)
        memmove(job->payload + slot_bytes, run->rows, run->count * run->row_bytes);
    memcpy(job->payload, run->slots, slot_bytes);
    const ngi_block block = {.kind = run->field == 0 ? NGI_BLOCK_VECTORS : NGI_BLOCK_FIELD_VECTORS,
                             .first = (uint64_t)run->field << 32 | run->slots[0],
                             .count = run->count,
                             .bytes = (uint32_t)(slot_bytes + run->count * run->row_bytes),
                             .payload = job->payload};
    run->count = 0;
    return ngi_stream_block(job->writer, &block);
}

static ng_status vectors_read(const snapshot_job *job, vector_run *run, uint32_t first,
                              uint32_t count, uint32_t *found)
{
    uint32_t *slots = run->slots + run->count;
    float *rows = (float *)(void *)(run->rows + run->count * run->row_bytes);
    if (run->field == 0)
        return ngi_view_vectors(job->view, first, count, slots, rows, found);
    return ngi_view_field_vectors(job->view, run->field, first, count, slots, rows, found);
}

/* Those of slots below `end`. */
static ng_status vectors_write(snapshot_job *job, ng_vector_field_id field, uint32_t dimensions,
                               uint32_t end)
{
    ngi_mem *mem = job->view->store->mem;
    vector_run run = {.field = field, .row_bytes = dimensions * sizeof(float)};
    /* Slices of an eighth, so that sparse vectors fill a block by seven eighths at least. */
    run.most = (uint32_t)(NGI_STREAM_BLOCK_BYTES / (sizeof *run.slots + run.row_bytes)) & ~7u;
    uint32_t slice = run.most / 8 < NGI_SLICE_ITEMS ? run.most / 8 : NGI_SLICE_ITEMS;
    void *block = NULL;
    ng_status status = ngi_alloc(mem, run.most * sizeof *run.slots, "snapshot", &block);
    if (status != NG_OK)
        return status;
    run.slots = block;
    run.rows = job->payload + run.most * sizeof *run.slots;
    for (uint32_t first = 0; first < end; first += slice) {
        uint32_t count = end - first < slice ? end - first : slice;
        if (run.count + slice > run.most)
            NGI_TRY(vectors_flush(job, &run));
        uint32_t found = 0;
        NGI_TRY(vectors_read(job, &run, first, count, &found));
        run.count += found;
        NGI_TRY(snapshot_step(job, count));
    }
    NGI_TRY(vectors_flush(job, &run));
out:
    ngi_free(mem, block, run.most * sizeof *run.slots);
    return status;
}

static ng_status snapshot_vectors(snapshot_job *job)
{
    const ng_view *view = job->view;
    return view->vector_count == 0 ? NG_OK
                                   : vectors_write(job, 0, view->dimensions, view->slot_end);
}

static ng_status snapshot_fields(snapshot_job *job)
{
    const ng_view *view = job->view;
    if (view->field_count == 0)
        return NG_OK;
    const ngi_block block = {.kind = NGI_BLOCK_VECTOR_FIELDS,
                             .count = view->field_count,
                             .bytes = (uint32_t)ngi_view_fields(view, job->payload),
                             .payload = job->payload};
    ng_status status = ngi_stream_block(job->writer, &block);
    for (uint32_t id = 1; id <= NGI_VECTOR_FIELDS_MAX && status == NG_OK; id++)
        if (view->fields[id].vector_count > 0)
            status = vectors_write(job, id, view->fields[id].dimensions, view->set_end);
    return status;
}

/* How many passes over slots that takes. */
static uint64_t snapshot_field_passes(const ng_view *view)
{
    uint64_t passes = 0;
    for (uint32_t id = 1; view->field_count > 0 && id <= NGI_VECTOR_FIELDS_MAX; id++)
        passes += view->fields[id].vector_count > 0;
    return passes;
}

/* --- the rest -------------------------------------------------------------------------------- */

static ng_status snapshot_collections(snapshot_job *job)
{
    const ng_view *view = job->view;
    for (uint32_t first = 0; first < view->collection_count; first += STORE_COLLECTION_BLOCK) {
        uint32_t left = view->collection_count - first;
        uint32_t count = left < STORE_COLLECTION_BLOCK ? left : STORE_COLLECTION_BLOCK;
        uint8_t *at = job->payload;
        for (uint32_t i = 0; i < count; i++) {
            const char *name = view->collections[first + i].name;
            size_t bytes = strnlen(name, NGI_COLLECTION_NAME_MAX);
            ngi_put_u32(at, (uint32_t)bytes);
            memcpy(at + 4, name, bytes);
            at += 4 + bytes;
        }
        const ngi_block block = {.kind = NGI_BLOCK_COLLECTIONS,
                                 .first = first,
                                 .count = count,
                                 .bytes = (uint32_t)(at - job->payload),
                                 .payload = job->payload};
        ng_status status = ngi_stream_block(job->writer, &block);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

static ng_status snapshot_cdna(snapshot_job *job)
{
    ngi_cdna_encode(&job->view->cdna, job->payload);
    const ngi_block block = {.kind = NGI_BLOCK_CDNA,
                             .count = 1,
                             .bytes = NGI_CDNA_BYTES,
                             .payload = job->payload};
    return ngi_stream_block(job->writer, &block);
}

static ng_status snapshot_projection(snapshot_job *job)
{
    const ngi_buffer *projection = &job->view->projection;
    const ngi_block block = {.kind = NGI_BLOCK_PROJECTION,
                             .count = 1,
                             .bytes = (uint32_t)projection->bytes,
                             .payload = projection->data};
    return projection->bytes > 0 ? ngi_stream_block(job->writer, &block) : NG_OK;
}

/* As many items as fit a block. */
static ng_status snapshot_attributes(snapshot_job *job)
{
    const ng_view *view = job->view;
    ngi_view_items items = {.out = job->payload, .capacity = NGI_STREAM_BLOCK_BYTES};
    ng_status status = NG_OK;
    for (uint32_t next = 1; view->attribute_count > 0 && next < view->slot_end;) {
        uint32_t before = next;
        NGI_TRY(ngi_view_attributes(view, &next, &items));
        NGI_TRY(snapshot_step(job, next - before));
        if (items.count == 0 || (!items.full && next < view->slot_end))
            continue;
        const ngi_block block = {.kind = NGI_BLOCK_ATTRIBUTES,
                                 .first = items.first,
                                 .count = items.count,
                                 .bytes = (uint32_t)items.bytes,
                                 .payload = job->payload};
        NGI_TRY(ngi_stream_block(job->writer, &block));
        items = (ngi_view_items){.out = job->payload, .capacity = NGI_STREAM_BLOCK_BYTES};
    }
out:
    return status;
}

static ng_status snapshot_members(snapshot_job *job)
{
    const ng_view *view = job->view;
    ngi_view_items items = {.out = job->payload, .capacity = NGI_STREAM_BLOCK_BYTES};
    ng_status status = NG_OK;
    for (uint32_t next = 1; next < view->member_end;) {
        uint32_t before = next;
        NGI_TRY(ngi_view_members(view, &next, &items));
        NGI_TRY(snapshot_step(job, next - before));
        if (items.count == 0 || (!items.full && next < view->member_end))
            continue;
        const ngi_block block = {.kind = NGI_BLOCK_MEMBERS,
                                 .first = items.first,
                                 .count = items.count,
                                 .bytes = (uint32_t)items.bytes,
                                 .payload = job->payload};
        NGI_TRY(ngi_stream_block(job->writer, &block));
        items = (ngi_view_items){.out = job->payload, .capacity = NGI_STREAM_BLOCK_BYTES};
    }
out:
    return status;
}

static ng_status snapshot_grids(snapshot_job *job)
{
    if (job->view->grid_count == 0)
        return NG_OK;
    const ngi_block block = {.kind = NGI_BLOCK_GRIDS,
                             .count = job->view->grid_count,
                             .bytes = (uint32_t)ngi_view_grids(job->view, job->payload),
                             .payload = job->payload};
    ng_status status = ngi_stream_block(job->writer, &block);
    return status == NG_OK ? snapshot_members(job) : status;
}

static ng_status snapshot_indexes(snapshot_job *job)
{
    const ng_view *view = job->view;
    const ngi_block block = {.kind = NGI_BLOCK_INDEXES,
                             .count = view->index_count,
                             .bytes = (uint32_t)view->indexes.bytes,
                             .payload = view->indexes.data};
    return view->index_count > 0 ? ngi_stream_block(job->writer, &block) : NG_OK;
}

ng_status ngi_snapshot_write(const ng_view *view, ngi_stream_writer *writer,
                             store_progress *progress)
{
    snapshot_job job = {.view = view, .writer = writer, .progress = progress};
    ngi_mem *mem = view->store->mem;
    ngi_stream_head head;
    void *block = NULL;
    ng_status status = ngi_alloc(mem, NGI_STREAM_BLOCK_BYTES, "snapshot", &block);
    if (status != NG_OK)
        return status;
    job.payload = block;
    uint64_t passes =
        2u + (view->label_count > 0) + (view->vector_count > 0) + (view->attribute_count > 0);
    uint64_t total = passes * view->slot_end + view->id_end + view->member_end +
                     snapshot_field_passes(view) * view->set_end;
    if (progress != NULL)
        progress->at.total = total;
    ngi_snapshot_head(view, &head);
    NGI_TRY(ngi_stream_begin(writer, &head, writer->sink, writer->sink_context));
    NGI_TRY(snapshot_table(&job, NGI_BLOCK_TOKENS, view->slot_end));
    NGI_TRY(snapshot_table(&job, NGI_BLOCK_SIDES, view->slot_end));
    NGI_TRY(snapshot_labels(&job));
    NGI_TRY(snapshot_vectors(&job));
    NGI_TRY(snapshot_table(&job, NGI_BLOCK_CONNECTIONS, view->id_end));
    NGI_TRY(snapshot_collections(&job));
    NGI_TRY(snapshot_cdna(&job));
    NGI_TRY(snapshot_projection(&job));
    NGI_TRY(snapshot_attributes(&job));
    NGI_TRY(snapshot_grids(&job));
    NGI_TRY(snapshot_indexes(&job));
    NGI_TRY(snapshot_fields(&job));
    NGI_TRY(ngi_progress_step(progress, total, total));
out:
    ngi_free(mem, block, NGI_STREAM_BLOCK_BYTES);
    return status;
}
