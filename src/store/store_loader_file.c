/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A snapshot file, read by several threads: each takes the next block, reads its payload to where
 * it belongs, and verifies it.
 *
 * Invariants:
 *   1. Blocks are taken in the order of the file, under `lock`; a block of another kind only when
 *      nobody is busy with one before it (tables are measured by those before them).
 *   2. What is not an image of a table is accepted under `serial`.
 *   3. The failure that is reported is the one nearest to the begin of the file among those met. */
#include "store/store_loader.h"

#include "base/base_crc.h"

#include <stdio.h>
#include <string.h>

#define THREADS_MAX 8u
#define READ_BYTES ((size_t)128 << 10) /* at once: still in the cache when its checksum is taken */
#define BYTES_PER_THREAD (4u << 20)    /* below, starting a thread costs more than it helps */

typedef struct file_walk {
    ngi_os *os;
    ngi_file file;
    const char *path;
    uint64_t file_bytes;
    uint32_t salt;
    ng_seq state_seq;
    uint64_t state_time_us;
    store_loader *loader; /* NULL: only verify */
    store_progress *progress;

    ngi_mutex serial;
    ngi_mutex lock; /* guards all below */
    ngi_cond idle;  /* `busy` has become 0, or there is a failure */
    uint64_t offset;
    uint64_t block_count;
    uint16_t kind;
    unsigned busy;
    bool is_done;
    ng_status status;
    uint64_t failed_offset;
    char message[512];
} file_walk;

typedef struct walk_worker {
    file_walk *walk;
    uint8_t *scratch; /* [NGI_STREAM_BLOCK_BYTES], for payloads that go nowhere as they are */
    ngi_thread thread;
    bool is_caller;
} walk_worker;

typedef struct walk_block {
    ngi_block block;
    uint64_t offset;
    uint32_t crc;
    uint8_t header[NGI_BLOCK_HEADER_BYTES];
} walk_block;

static ng_status walk_damaged(uint64_t offset, const char *what)
{
    return ngi_fail(NG_E_CORRUPT, "damaged at offset %llu: %s", (unsigned long long)offset, what);
}

/* --- taking blocks, with the lock held ------------------------------------------------------- */

static void walk_fail(file_walk *walk, ng_status status, uint64_t offset)
{
    if (walk->status != NG_OK && walk->failed_offset <= offset)
        return;
    walk->status = status;
    walk->failed_offset = offset;
    snprintf(walk->message, sizeof walk->message, "%s", ngi_last_error());
}

static ng_status walk_end(file_walk *walk, const uint8_t mark[NGI_STREAM_END_BYTES])
{
    ngi_stream_totals totals;
    if (!ngi_stream_end_decode(mark, walk->salt, &totals))
        return walk_damaged(walk->offset, "wrong checksum of the end mark");
    if (totals.bytes != walk->offset || totals.block_count != walk->block_count ||
        totals.op_count != 0 || totals.last_seq != walk->state_seq ||
        totals.last_time_us != walk->state_time_us)
        return walk_damaged(walk->offset, "the end mark does not agree with what is before it");
    if (walk->offset + NGI_STREAM_END_BYTES != walk->file_bytes)
        return walk_damaged(walk->offset, "bytes behind the end mark");
    walk->is_done = true;
    return NG_OK;
}

/* What stands at `offset`: a block's header, or the end. */
static ng_status walk_look(file_walk *walk, walk_block *out)
{
    uint8_t image[NGI_STREAM_END_BYTES] = {0};
    size_t got = 0;
    ng_status status =
        walk->os->file_read(walk->os, walk->file, image, sizeof image, walk->offset, &got);
    if (status != NG_OK)
        return status;
    if (got < sizeof image)
        return walk_damaged(walk->offset, "the file is cut off");
    if (ngi_get_u32(image) == NGI_STREAM_END_MAGIC)
        return walk_end(walk, image);
    out->offset = walk->offset;
    memcpy(out->header, image, sizeof out->header);
    if (!ngi_block_header_decode(image, &out->block, &out->crc))
        return walk_damaged(walk->offset, "the header of a block is not valid");
    if (out->block.kind < walk->kind)
        return walk_damaged(walk->offset, "a block is out of place");
    if (ngi_block_stride(out->block.bytes) > walk->file_bytes - walk->offset)
        return walk_damaged(walk->offset, "the file is cut off");
    return NG_OK;
}

static bool walk_take(file_walk *walk, walk_block *out)
{
    ng_status status = NG_OK;
    ngi_mutex_lock(&walk->lock);
    while (walk->status == NG_OK && !walk->is_done) {
        status = walk_look(walk, out);
        if (status != NG_OK || walk->is_done)
            break;
        if (out->block.kind == walk->kind || walk->busy == 0)
            break;
        ngi_cond_wait(&walk->idle, &walk->lock); /* and look again: others may have gone on */
    }
    bool goes_on = status == NG_OK && walk->status == NG_OK && !walk->is_done;
    if (goes_on && walk->loader != NULL) {
        status = ngi_loader_admit(walk->loader, &out->block);
        goes_on = status == NG_OK;
    }
    if (goes_on) {
        walk->kind = out->block.kind;
        walk->offset += ngi_block_stride(out->block.bytes);
        walk->block_count++;
        walk->busy++;
    } else if (status != NG_OK) {
        walk_fail(walk, status, walk->offset);
        ngi_cond_broadcast(&walk->idle);
    }
    ngi_mutex_unlock(&walk->lock);
    return goes_on;
}

static void walk_give_back(file_walk *walk, ng_status status, uint64_t offset)
{
    ngi_mutex_lock(&walk->lock);
    if (status != NG_OK)
        walk_fail(walk, status, offset);
    walk->busy--;
    if (walk->busy == 0 || status != NG_OK)
        ngi_cond_broadcast(&walk->idle);
    ngi_mutex_unlock(&walk->lock);
}

/* --- reading them ---------------------------------------------------------------------------- */

static ng_status worker_read(const walk_worker *worker, walk_block *item)
{
    file_walk *walk = worker->walk;
    ngi_block *block = &item->block;
    uint8_t *place = walk->loader != NULL ? ngi_loader_place(walk->loader, block) : NULL;
    size_t padded = (size_t)ngi_block_stride(block->bytes) - NGI_BLOCK_HEADER_BYTES, got = 0;
    if (place == NULL)
        place = worker->scratch; /* records need no padding, so only this one may be read behind */
    block->payload = place;
    uint32_t crc = ngi_block_crc(walk->salt, item->header, place, 0);
    for (size_t at = 0; at < padded; at += READ_BYTES) {
        size_t want = padded - at < READ_BYTES ? padded - at : READ_BYTES;
        ng_status status = walk->os->file_read(walk->os, walk->file, place + at, want,
                                               item->offset + NGI_BLOCK_HEADER_BYTES + at, &got);
        if (status != NG_OK)
            return status;
        if (got < want)
            return walk_damaged(item->offset, "the file is cut off");
        crc = ngi_crc32c(crc, place + at, want < block->bytes - at ? want : block->bytes - at);
    }
    if (crc != item->crc)
        return walk_damaged(item->offset, "wrong checksum of a block");
    for (size_t i = block->bytes; i < padded; i++)
        if (place[i] != 0)
            return walk_damaged(item->offset, "padding of a block is not zero");
    return NG_OK;
}

static ng_status worker_accept(file_walk *walk, const walk_block *item)
{
    if (walk->loader == NULL)
        return NG_OK;
    bool is_table = ngi_loader_place(walk->loader, &item->block) != NULL;
    if (!is_table)
        ngi_mutex_lock(&walk->serial);
    ng_status status = ngi_loader_accept(walk->loader, &item->block);
    if (!is_table)
        ngi_mutex_unlock(&walk->serial);
    if (status == NG_E_CORRUPT) {
        char place[48];
        snprintf(place, sizeof place, "block at offset %llu", (unsigned long long)item->offset);
        return ngi_fail_prefix(status, place);
    }
    return status;
}

static void *worker_run(void *context)
{
    walk_worker *worker = context;
    file_walk *walk = worker->walk;
    walk_block item;
    while (walk_take(walk, &item)) {
        ng_status status = worker_read(worker, &item);
        if (status == NG_OK)
            status = worker_accept(walk, &item);
        if (status == NG_OK && worker->is_caller)
            status = ngi_progress_step(walk->progress, item.offset, item.offset);
        walk_give_back(walk, status, item.offset);
    }
    return NULL;
}

/* Runs with as many threads as can be had; the caller's is one of them. */
static ng_status walk_run(file_walk *walk, ngi_mem *mem, unsigned thread_count)
{
    walk_worker workers[THREADS_MAX];
    size_t blocks = (size_t)(walk->file_bytes / BYTES_PER_THREAD) + 1;
    unsigned count = thread_count < THREADS_MAX ? thread_count : THREADS_MAX;
    if (count > blocks)
        count = (unsigned)blocks;
    if (count == 0)
        count = 1;
    void *scratch;
    size_t bytes = (size_t)count * NGI_STREAM_BLOCK_BYTES;
    ng_status status = ngi_alloc(mem, bytes, "snapshot reader", &scratch);
    if (status != NG_OK)
        return status;
    for (unsigned i = 0; i < count; i++)
        workers[i] =
            (walk_worker){.walk = walk,
                          .scratch = (uint8_t *)scratch + (size_t)i * NGI_STREAM_BLOCK_BYTES,
                          .is_caller = i == 0};
    unsigned started = 1;
    while (started < count &&
           ngi_thread_start(&workers[started].thread, worker_run, &workers[started]) == NG_OK)
        started++;
    (void)worker_run(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        ngi_thread_join(&workers[i].thread);
    ngi_free(mem, scratch, bytes);
    if (walk->status != NG_OK)
        ngi_error_set(walk->message);
    return walk->status;
}

static ng_status walk_init_locks(file_walk *walk)
{
    ng_status status = ngi_mutex_init(&walk->serial);
    if (status != NG_OK)
        return status;
    status = ngi_mutex_init(&walk->lock);
    if (status == NG_OK) {
        status = ngi_cond_init(&walk->idle);
        if (status == NG_OK)
            return NG_OK;
        ngi_mutex_destroy(&walk->lock);
    }
    ngi_mutex_destroy(&walk->serial);
    return status;
}

static void walk_destroy_locks(file_walk *walk)
{
    ngi_cond_destroy(&walk->idle);
    ngi_mutex_destroy(&walk->lock);
    ngi_mutex_destroy(&walk->serial);
}

/* --- the file -------------------------------------------------------------------------------- */

static ng_status walk_read_head(file_walk *walk, const ngi_manifest *identity,
                                ngi_stream_head *head)
{
    uint8_t image[NGI_STREAM_HEAD_BYTES];
    size_t got = 0;
    ng_status status = walk->os->file_size(walk->os, walk->file, &walk->file_bytes);
    if (status == NG_OK)
        status = walk->os->file_read(walk->os, walk->file, image, sizeof image, 0, &got);
    if (status != NG_OK)
        return status;
    if (got < sizeof image)
        return walk_damaged(got, "the file is cut off");
    status = ngi_stream_head_decode(image, head);
    if (status == NG_E_FORMAT)
        return walk_damaged(0, "not a snapshot");
    if (status != NG_OK)
        return status;
    if (!head->whole)
        return walk_damaged(40, "not a snapshot");
    /* So that no head makes us take memory for blocks that cannot be there. */
    uint64_t least = (uint64_t)(head->slot_end - 1) * (sizeof(ng_token) + sizeof(store_side)) +
                     (uint64_t)(head->id_end - 1) * sizeof(ng_connection);
    if (least > walk->file_bytes)
        return walk_damaged(walk->file_bytes, "the file is cut off");
    if (identity != NULL && memcmp(head->identity.uuid, identity->uuid, sizeof identity->uuid) != 0)
        return ngi_fail(NG_E_CORRUPT, "belongs to another store");
    walk->salt = ngi_stream_salt(&head->identity);
    walk->state_seq = head->state_seq;
    walk->state_time_us = head->state_time_us;
    walk->offset = NGI_STREAM_HEAD_BYTES;
    return NG_OK;
}

/* Loads, or only verifies, the blocks behind the head. */
static ng_status walk_blocks(file_walk *walk, ngi_mem *mem, ng_store *store,
                             const ngi_stream_head *head, unsigned thread_count)
{
    ng_status status = NG_OK;
    if (store != NULL)
        NGI_TRY(ngi_loader_begin_trusted(store, head, true, &walk->loader));
    if (store != NULL)
        NGI_TRY(ngi_loader_reserve(walk->loader));
    NGI_TRY(walk_init_locks(walk));
    status = walk_run(walk, mem, thread_count);
    walk_destroy_locks(walk);
    if (status == NG_OK && store != NULL) {
        status = ngi_loader_end(walk->loader);
        walk->loader = NULL;
    }
out:
    ngi_loader_abandon(walk->loader);
    return status;
}

ng_status ngi_snapshot_read(ngi_os *os, ngi_mem *mem, const char *path,
                            const ngi_manifest *identity, ng_store *store, unsigned thread_count,
                            store_progress *progress, ngi_stream_head *head, uint64_t *bytes)
{
    file_walk walk = {.os = os, .path = path, .progress = progress};
    ng_status status = os->file_open(os, path, NGI_OPEN_READ, &walk.file);
    if (status != NG_OK)
        return status;
    NGI_TRY(walk_read_head(&walk, identity, head));
    if (progress != NULL)
        progress->at.total = walk.file_bytes;
    NGI_TRY(walk_blocks(&walk, mem, store, head, thread_count));
    NGI_TRY(ngi_progress_step(progress, walk.file_bytes, walk.file_bytes));
out:
    os->file_close(os, walk.file);
    if (bytes != NULL)
        *bytes = walk.file_bytes;
    return status == NG_E_CORRUPT || status == NG_E_VERSION ? ngi_fail_prefix(status, path)
                                                            : status;
}
