/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is valid of a damaged snapshot, as a whole state: every block with a right checksum, put
 * together as a stream would have it and given to the loader, which verifies it once more.
 *
 * What a lost block takes with it is chosen so that the rest fits: connections to lost tokens go;
 * tokens whose sides are lost stay, in the default collection and with version 1; a label that would
 * then be there twice goes; collections whose names are lost get new ones.
 *
 * The state is put together twice: first to count, because a head says the counts, then to load. */
#include "store/store_salvage_private.h"

#include "base/base_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- finding blocks -------------------------------------------------------------------------- */

/* Whether the numbers of a block make sense together; its checksum is right. */
static bool block_is_sound(const ngi_block *block)
{
    uint32_t record_bytes = salvage_record_bytes(block->kind);
    uint64_t end = block->kind == NGI_BLOCK_CONNECTIONS ? NGI_CONNECTIONS_MAX_LIMIT + 1u
                                                        : NGI_TOKENS_MAX_LIMIT + 1u;
    if (block->kind == NGI_BLOCK_FIELD_VECTORS)
        return block->first >> 32 >= 1 && block->first >> 32 <= NGI_VECTOR_FIELDS_MAX &&
               (block->first & UINT32_MAX) <= end && block->count <= end;
    if (block->first > end || block->count > end - block->first)
        return false;
    if (record_bytes != 0)
        return block->bytes == (uint64_t)block->count * record_bytes;
    if (block->kind == NGI_BLOCK_VECTORS)
        return block->bytes % block->count == 0 && block->bytes / block->count % 4 == 0 &&
               block->bytes / block->count >= 4 * (1 + NGI_DIMENSIONS_MIN);
    return true;
}

static ng_status salvage_block_at(salvage *job, uint64_t offset, salvage_block *out, bool *found)
{
    const uint8_t *data;
    size_t available;
    ngi_block block;
    uint32_t crc;
    *found = false;
    ng_status status =
        ngi_repair_window_at(&job->window, offset, NGI_BLOCK_HEADER_BYTES, &data, &available);
    if (status != NG_OK || available < NGI_BLOCK_HEADER_BYTES ||
        !ngi_block_header_decode(data, &block, &crc) ||
        !ngi_repair_window_may_try(&job->window, block.bytes))
        return status;
    size_t bytes = NGI_BLOCK_HEADER_BYTES + (size_t)block.bytes;
    status = ngi_repair_window_at(&job->window, offset, bytes, &data, &available);
    if (status != NG_OK || available < bytes)
        return status;
    *found =
        ngi_block_crc(job->repair->salt, data, data + NGI_BLOCK_HEADER_BYTES, block.bytes) == crc &&
        block_is_sound(&block);
    if (!*found)
        job->window.wasted_bytes += bytes;
    *out = (salvage_block){.kind = block.kind,
                           .first = block.first,
                           .count = block.count,
                           .bytes = block.bytes,
                           .offset = offset + NGI_BLOCK_HEADER_BYTES};
    return NG_OK;
}

static int salvage_compare(const void *a, const void *b)
{
    const salvage_block *x = a;
    const salvage_block *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void salvage_lose_bytes(salvage *job, uint64_t begin, uint64_t end)
{
    const ng_loss loss = {.file = job->name, .offset = begin, .bytes = end - begin};
    if (end > begin)
        ngi_repair_lose(job->repair, &loss, "damaged: %llu bytes of the state are lost",
                        (unsigned long long)(end - begin));
}

/* Every valid block wherever it stands; what lies between is reported. */
static ng_status salvage_find(salvage *job)
{
    uint64_t offset = NGI_STREAM_HEAD_BYTES, bad = NGI_STREAM_HEAD_BYTES;
    uint64_t end = job->window.file_bytes;
    while (offset < end) {
        salvage_block block;
        bool found;
        ng_status status = salvage_block_at(job, offset, &block, &found);
        if (status != NG_OK)
            return status;
        if (!found) {
            const uint8_t *data;
            size_t available;
            ngi_stream_totals totals;
            status =
                ngi_repair_window_at(&job->window, offset, NGI_STREAM_END_BYTES, &data, &available);
            if (status != NG_OK)
                return status;
            if (available >= NGI_STREAM_END_BYTES &&
                ngi_stream_end_decode(data, job->repair->salt, &totals))
                break; /* the end mark */
            offset += 8;
            continue;
        }
        status = REPAIR_GROW(job, blocks, block_capacity, block_count);
        if (status != NG_OK)
            return status;
        job->blocks[job->block_count++] = block;
        salvage_lose_bytes(job, bad, offset);
        offset += ngi_block_stride(block.bytes);
        bad = offset;
    }
    salvage_lose_bytes(job, bad, offset < end ? offset : end);
    if (job->block_count > 1)
        qsort(job->blocks, job->block_count, sizeof *job->blocks, salvage_compare);
    return NG_OK;
}

/* --- what the state was ---------------------------------------------------------------------- */

static ng_status salvage_read_head(salvage *job, ng_seq seq)
{
    const uint8_t *data;
    size_t available;
    ng_status status =
        ngi_repair_window_at(&job->window, 0, NGI_STREAM_HEAD_BYTES, &data, &available);
    if (status != NG_OK)
        return status;
    job->has_head = available >= NGI_STREAM_HEAD_BYTES &&
                    ngi_stream_head_decode(data, &job->head) == NG_OK && job->head.whole &&
                    job->head.state_seq == seq;
    if (!job->has_head) {
        const ng_loss loss = {.file = job->name, .bytes = NGI_STREAM_HEAD_BYTES};
        ngi_repair_lose(job->repair, &loss, "the head is damaged");
        job->head = (ngi_stream_head){.slot_end = 1, .id_end = 1, .collection_count = 2};
    }
    job->head.whole = true;
    job->head.state_seq = job->head.after = seq;
    job->head.identity = job->repair->identity;
    return NG_OK;
}

/* Without the head, the blocks say how far the tables reach; the log says the time. */
static void salvage_guess_head(salvage *job)
{
    ngi_stream_head *head = &job->head;
    for (size_t i = 0; i < job->block_count && !job->has_head; i++) {
        const salvage_block *block = &job->blocks[i];
        uint32_t end = (uint32_t)(block->first + block->count);
        if (block->kind == NGI_BLOCK_TOKENS && end > head->slot_end)
            head->slot_end = end;
        if (block->kind == NGI_BLOCK_CONNECTIONS && end > head->id_end)
            head->id_end = end;
        if (block->kind == NGI_BLOCK_COLLECTIONS && end > head->collection_count &&
            end <= NGI_COLLECTIONS_MAX)
            head->collection_count = end;
        uint32_t dimensions = block->bytes / block->count / 4 - 1;
        if (block->kind == NGI_BLOCK_VECTORS && head->dimensions == 0 &&
            dimensions <= NGI_DIMENSIONS_MAX)
            head->dimensions = dimensions;
    }
    for (size_t i = 0; i < job->repair->op_count && !job->has_head; i++)
        if (job->repair->ops[i].seq == head->state_seq)
            head->state_time_us = job->repair->ops[i].time_us;
}

static ng_status salvage_alloc(salvage *job, size_t bytes, void *out)
{
    void *block;
    ng_status status = ngi_alloc(job->repair->mem, bytes, "repair of a snapshot", &block);
    if (status == NG_OK) {
        memset(block, 0, bytes);
        memcpy(out, &block, sizeof block);
    }
    return status;
}

/* Which slots are live, and which of them have a side. */
static ng_status salvage_survey(salvage *job)
{
    ngi_stream_head *head = &job->head;
    uint32_t most = NGI_STREAM_BLOCK_BYTES / sizeof(ng_token);
    for (uint32_t first = 0; first < head->slot_end; first += most) {
        uint32_t count = head->slot_end - first < most ? head->slot_end - first : most;
        ng_status status = ngi_salvage_fill(job, NGI_BLOCK_TOKENS, first, count, job->payload);
        if (status != NG_OK)
            return status;
        for (uint32_t i = 0; i < count; i++) {
            ng_token record;
            memcpy(&record, job->payload + (size_t)i * sizeof record, sizeof record);
            if (record.slot != 0 && record.slot == first + i &&
                ngi_token_validate(&record) == NG_OK)
                salvage_bit_set(job->live, first + i);
        }
        status = ngi_salvage_fill(job, NGI_BLOCK_SIDES, first, count, job->payload);
        if (status != NG_OK)
            return status;
        for (uint32_t i = 0; i < count; i++) {
            store_side side;
            memcpy(&side, job->payload + (size_t)i * sizeof side, sizeof side);
            bool known = side.version != 0 && side.collection < NGI_COLLECTIONS_MAX;
            if (!salvage_bit(job->live, first + i))
                continue;
            if (known)
                salvage_bit_set(job->sided, first + i);
            else
                job->lost_sides = true;
            if (!known || side.collection == 0)
                salvage_bit_set(job->default_collection, first + i);
            if (known && side.collection >= head->collection_count)
                head->collection_count = side.collection + 1;
        }
    }
    return NG_OK;
}

/* Names of their own for collections whose names are lost. */
static void salvage_make_names(salvage *job)
{
    uint32_t lost = 0;
    for (uint32_t i = 2; i < job->head.collection_count; i++) {
        if (job->names[i].name[0] != '\0' || salvage_bit(job->dropped_collections, i))
            continue;
        lost++;
        snprintf(job->names[i].name, sizeof job->names[i].name, "recovered-%u", i);
    }
    const ng_loss loss = {.file = job->name};
    if (lost > 0)
        ngi_repair_lose(job->repair, &loss,
                        "names of %u collections are lost: they are now recovered-N", lost);
}

/* --- reporting ------------------------------------------------------------------------------- */

/* Numbers of a table that no block has. */
static void salvage_report_table(salvage *job, uint16_t kind, uint32_t end, const char *what)
{
    const ng_loss loss = {.file = job->name};
    uint64_t reached = 1;
    for (size_t b = 0; b <= job->block_count; b++) {
        bool is_end = b == job->block_count;
        if (!is_end && job->blocks[b].kind != kind)
            continue;
        uint64_t first = is_end ? end : job->blocks[b].first;
        if (first > reached)
            ngi_repair_lose(job->repair, &loss, "%s %llu..%llu are lost", what,
                            (unsigned long long)reached, (unsigned long long)first - 1);
        if (!is_end && job->blocks[b].first + job->blocks[b].count > reached)
            reached = job->blocks[b].first + job->blocks[b].count;
    }
}

static void salvage_report_count(salvage *job, const char *what, uint64_t was, uint64_t is)
{
    const ng_loss loss = {.file = job->name};
    if (was > is)
        ngi_repair_lose(job->repair, &loss, "%llu of %llu %s are lost",
                        (unsigned long long)(was - is), (unsigned long long)was, what);
}

/* After the first pass: `said` is the head as it was read. */
static void salvage_report(salvage *job, const ngi_stream_head *said)
{
    const ngi_stream_head *head = &job->head;
    const ng_loss loss = {.file = job->name};
    salvage_report_table(job, NGI_BLOCK_TOKENS, head->slot_end, "tokens");
    salvage_report_table(job, NGI_BLOCK_SIDES, head->slot_end,
                         "version, time and collection of tokens");
    salvage_report_table(job, NGI_BLOCK_CONNECTIONS, head->id_end, "connections");
    if (job->dropped_connections > 0)
        ngi_repair_lose(job->repair, &loss,
                        "%llu connections are dropped because their tokens are lost",
                        (unsigned long long)job->dropped_connections);
    if (!job->has_head)
        return;
    salvage_report_count(job, "labels", said->label_count, head->label_count);
    salvage_report_count(job, "vectors", said->vector_count, head->vector_count);
    salvage_report_count(job, "tags, payloads and expiries of tokens", said->attribute_count,
                         head->attribute_count);
    salvage_report_count(job, "declared fields", said->index_count, head->index_count);
}

/* --- the steps ------------------------------------------------------------------------------- */

static ng_status salvage_load(salvage *job)
{
    store_repair *repair = job->repair;
    ng_status status = ngi_loader_begin(repair->store, &job->head, &job->loader);
    if (status != NG_OK)
        return status;
    status = ngi_salvage_pass(job);
    if (status == NG_OK)
        status = ngi_loader_end(job->loader);
    else
        ngi_loader_abandon(job->loader);
    job->loader = NULL;
    if (status == NG_OK) {
        repair->seq = job->head.state_seq;
        repair->time_us = job->head.state_time_us;
    }
    return status;
}

static ng_status salvage_run(salvage *job, ng_seq seq)
{
    ng_status status;
    NGI_TRY(ngi_repair_window_open(job->repair, job->name, &job->window));
    NGI_TRY(salvage_read_head(job, seq));
    const ngi_stream_head said = job->head;
    NGI_TRY(salvage_find(job));
    if (job->block_count == 0)
        goto out; /* nothing of it is left */
    salvage_guess_head(job);
    job->bit_bytes = ((size_t)job->head.slot_end / 64 + 1) * 8;
    NGI_TRY(salvage_alloc(job, NGI_STREAM_BLOCK_BYTES, &job->payload));
    NGI_TRY(salvage_alloc(job, job->bit_bytes, &job->live));
    NGI_TRY(salvage_alloc(job, job->bit_bytes, &job->sided));
    NGI_TRY(salvage_alloc(job, job->bit_bytes, &job->default_collection));
    NGI_TRY(salvage_alloc(job, NGI_COLLECTIONS_MAX / 8, &job->dropped_collections));
    NGI_TRY(salvage_survey(job));
    NGI_TRY(salvage_alloc(job, job->head.collection_count * sizeof *job->names, &job->names));
    NGI_TRY(ngi_salvage_read_names(job));
    salvage_make_names(job);
    NGI_TRY(ngi_salvage_hash_labels(job));
    NGI_TRY(ngi_salvage_pass(job));
    salvage_report(job, &said);
    status = salvage_load(job);
out:
    return status;
}

ng_status ngi_repair_salvage(store_repair *repair, ng_seq snapshot)
{
    salvage job = {.repair = repair, .mem = repair->mem};
    ngi_mem *mem = repair->mem;
    ngi_repair_snapshot_name(snapshot, job.name);
    ng_status status = salvage_run(&job, snapshot);
    ngi_repair_window_close(&job.window);
    ngi_free(mem, job.blocks, job.block_capacity * sizeof *job.blocks);
    ngi_free(mem, job.hashes, job.hash_capacity * sizeof *job.hashes);
    ngi_free(mem, job.names, job.head.collection_count * sizeof *job.names);
    ngi_free(mem, job.payload, NGI_STREAM_BLOCK_BYTES);
    ngi_free(mem, job.live, job.bit_bytes);
    ngi_free(mem, job.sided, job.bit_bytes);
    ngi_free(mem, job.default_collection, job.bit_bytes);
    ngi_free(mem, job.dropped_collections, NGI_COLLECTIONS_MAX / 8);
    return status;
}
