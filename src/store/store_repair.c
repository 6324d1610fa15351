/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Repair: what the damaged store is, where to begin, and the order of the steps. */
#include "store/store_repair_private.h"

#include "base/base_bytes.h"
#include "base/base_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOTS_MAX 4096 /* a store keeps two or three */

ng_status ngi_repair_grow(ngi_mem *mem, void *items, size_t *capacity, size_t count,
                          size_t item_bytes)
{
    if (count < *capacity)
        return NG_OK;
    size_t more = *capacity == 0 ? 64 : 2 * *capacity;
    void *block;
    memcpy(&block, items, sizeof block);
    ng_status status =
        ngi_resize(mem, &block, *capacity * item_bytes, more * item_bytes, "list for repair");
    if (status == NG_OK) {
        memcpy(items, &block, sizeof block);
        *capacity = more;
    }
    return status;
}

void ngi_repair_lose(store_repair *repair, const ng_loss *where, const char *format, ...)
{
    repair->report.losses++;
    if (repair->each == NULL)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ng_loss loss = *where;
    loss.text = text;
    repair->each(repair->context, &loss);
}

void ngi_repair_segment_name(uint64_t number, char out[REPAIR_NAME_BYTES])
{
    snprintf(out, REPAIR_NAME_BYTES, "%08llu.log", (unsigned long long)number);
}

void ngi_repair_snapshot_name(ng_seq seq, char out[REPAIR_NAME_BYTES])
{
    snprintf(out, REPAIR_NAME_BYTES, "%020llu.snap", (unsigned long long)seq);
}

ng_status ngi_repair_new_store(store_repair *repair)
{
    if (repair->store != NULL)
        (void)ngi_store_close(repair->store);
    repair->store = NULL;
    repair->seq = repair->time_us = 0;
    return ngi_store_create_memory(repair->os, repair->mem, &repair->identity, &repair->store);
}

/* --- what is there --------------------------------------------------------------------------- */

static ng_status repair_see(void *context, const char *name)
{
    store_repair *job = context;
    char canonical[REPAIR_NAME_BYTES];
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    if (end == name)
        return NG_OK;
    ngi_repair_segment_name(number, canonical);
    if (number != 0 && strcmp(name, canonical) == 0) {
        ng_status status = REPAIR_GROW(job, segments, segment_capacity, segment_count);
        if (status == NG_OK)
            job->segments[job->segment_count++] = (repair_segment){.number = number};
        return status;
    }
    ngi_repair_snapshot_name(number, canonical);
    if (strcmp(name, canonical) != 0 || job->snapshot_count >= SNAPSHOTS_MAX)
        return NG_OK;
    ng_status status = REPAIR_GROW(job, snapshots, snapshot_capacity, snapshot_count);
    if (status == NG_OK)
        job->snapshots[job->snapshot_count++] = number;
    return status;
}

static int repair_compare_segments(const void *a, const void *b)
{
    uint64_t x = ((const repair_segment *)a)->number;
    uint64_t y = ((const repair_segment *)b)->number;
    return x < y ? -1 : x > y;
}

static int repair_compare_snapshots(const void *a, const void *b)
{
    ng_seq x = *(const ng_seq *)a;
    ng_seq y = *(const ng_seq *)b;
    return x > y ? -1 : x < y;
}

static ng_status repair_list(store_repair *repair)
{
    ng_status status = repair->os->list_directory(repair->os, repair->path, repair_see, repair);
    if (status != NG_OK)
        return status;
    if (repair->segment_count > 1)
        qsort(repair->segments, repair->segment_count, sizeof *repair->segments,
              repair_compare_segments);
    if (repair->snapshot_count > 1)
        qsort(repair->snapshots, repair->snapshot_count, sizeof *repair->snapshots,
              repair_compare_snapshots);
    return NG_OK;
}

/* Nobody may write meanwhile. Without a lock file, or the right to open it, nobody does. */
static ng_status repair_lock(const store_repair *repair, ngi_file *lock)
{
    char path[STORE_PATH_BYTES];
    *lock = STORE_NO_FILE;
    ng_status status = ngi_file_path(repair->path, "LOCK", path);
    if (status != NG_OK)
        return status;
    status = repair->os->file_open(repair->os, path, NGI_OPEN_READ, lock);
    if (status == NG_E_NOT_FOUND)
        return NG_OK;
    if (status != NG_OK)
        return status;
    status = repair->os->file_lock(repair->os, *lock, false);
    if (status == NG_E_BUSY)
        return ngi_fail(NG_E_BUSY, "%s: open in another process", repair->path);
    return status;
}

/* --- what it was ----------------------------------------------------------------------------- */

/* From the head of a snapshot: uuid, creation time, encoding. */
static bool repair_identity_of_snapshot(store_repair *repair, ng_seq seq, ng_status *status)
{
    char path[STORE_PATH_BYTES];
    uint8_t image[NGI_STREAM_HEAD_BYTES] = {0};
    ngi_stream_head head;
    ngi_file file;
    size_t got = 0;
    ngi_snapshot_path(repair->path, seq, path, sizeof path);
    *status = repair->os->file_open(repair->os, path, NGI_OPEN_READ, &file);
    if (*status != NG_OK)
        return false;
    *status = repair->os->file_read(repair->os, file, image, sizeof image, 0, &got);
    repair->os->file_close(repair->os, file);
    if (*status != NG_OK || ngi_stream_head_decode(image, &head) != NG_OK)
        return false;
    repair->source = head.identity;
    return true;
}

static bool repair_identity_of_segment(store_repair *repair, uint64_t number, ng_status *status)
{
    bool whole = false;
    ng_seq first_seq;
    uint64_t created_us = 0;
    *status = ngi_repair_segment_head(repair, number, repair->source.uuid, &first_seq, &created_us,
                                      &whole);
    if (*status != NG_OK || !whole)
        return false;
    repair->source.created_us = created_us;
    ngi_encoding_default(&repair->source.encoding);
    const ng_loss loss = {.file = "MANIFEST"};
    ngi_repair_lose(repair, &loss,
                    "scales, origins and creation time are lost: the defaults are taken");
    return true;
}

/* Without MANIFEST any whole head says whose bytes these are. */
static ng_status repair_identify(store_repair *repair)
{
    ng_status status = ngi_manifest_read(repair->os, repair->path, &repair->source);
    repair->has_manifest = status == NG_OK;
    if (status == NG_OK)
        return NG_OK;
    if (status != NG_E_NOT_FOUND && status != NG_E_CORRUPT && status != NG_E_VERSION)
        return status;
    /* A newer version, or a damaged number of it: the other files know. */
    bool is_newer = status == NG_E_VERSION;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    if (status == NG_E_NOT_FOUND && repair->segment_count == 0 && repair->snapshot_count == 0)
        return ngi_fail(NG_E_NOT_FOUND, "%s: no store there", repair->path);
    const ng_loss loss = {.file = "MANIFEST"};
    ngi_repair_lose(repair, &loss, status == NG_E_NOT_FOUND ? "missing" : "damaged");
    repair->source = (ngi_manifest){.format_version = NGI_FORMAT_VERSION, .first_segment = 1};
    bool found = false;
    status = NG_OK;
    for (size_t i = 0; i < repair->snapshot_count && !found && status == NG_OK; i++)
        found = repair_identity_of_snapshot(repair, repair->snapshots[i], &status);
    for (size_t i = 0; i < repair->segment_count && !found && status == NG_OK; i++)
        found = repair_identity_of_segment(repair, repair->segments[i].number, &status);
    if (status != NG_OK || found)
        return status;
    if (is_newer) {
        ngi_error_set(reason);
        return NG_E_VERSION;
    }
    return ngi_fail(NG_E_CORRUPT,
                    "%s: MANIFEST and the heads of all files are lost: nothing can be saved",
                    repair->path);
}

/* --- where to begin -------------------------------------------------------------------------- */

static ng_status repair_load_blocks(store_repair *repair, ngi_stream_reader *reader,
                                    const ngi_stream_head *head, ng_seq seq)
{
    store_loader *loader = NULL;
    ngi_stream_item item = NGI_ITEM_BLOCK;
    ngi_stream_head own = *head;
    own.identity = repair->identity;
    ng_status status = NG_OK;
    if (memcmp(head->identity.uuid, repair->source.uuid, sizeof repair->source.uuid) != 0)
        return ngi_fail(NG_E_CORRUPT, "belongs to another store");
    if (!head->whole || head->state_seq != seq)
        return ngi_fail(NG_E_CORRUPT, "not the state after op %llu", (unsigned long long)seq);
    NGI_TRY(ngi_loader_begin(repair->store, &own, &loader));
    for (;;) {
        ngi_block block;
        ngi_op op;
        NGI_TRY(ngi_stream_next(reader, &item, &block, &op));
        if (item != NGI_ITEM_BLOCK)
            break;
        NGI_TRY(ngi_loader_block(loader, &block));
    }
    status = ngi_loader_end(loader);
    loader = NULL;
    if (status == NG_OK && item != NGI_ITEM_END)
        status = ngi_fail(NG_E_CORRUPT, "ops in a snapshot");
out:
    ngi_loader_abandon(loader);
    return status;
}

/* Loads a snapshot into a new store; `*loaded` false, and the loss reported, if it is damaged. */
static ng_status repair_load(store_repair *repair, ng_seq seq, bool *loaded)
{
    char path[STORE_PATH_BYTES];
    char name[REPAIR_NAME_BYTES];
    store_file_source source = {.os = repair->os};
    ngi_stream_reader *reader = NULL;
    ngi_stream_head head;
    uint64_t offset = 0;
    *loaded = false;
    ngi_snapshot_path(repair->path, seq, path, sizeof path);
    ng_status status = ngi_repair_new_store(repair);
    if (status != NG_OK)
        return status;
    NGI_TRY(repair->os->file_open(repair->os, path, NGI_OPEN_READ, &source.file));
    status = ngi_stream_reader_open(repair->mem, ngi_file_source, &source, &head, &reader);
    if (status == NG_OK) {
        status = repair_load_blocks(repair, reader, &head, seq);
        offset = ngi_stream_offset(reader);
    }
    ngi_stream_reader_close(reader);
    repair->os->file_close(repair->os, source.file);
    if (status == NG_OK) {
        *loaded = true;
        repair->seq = seq;
        repair->time_us = head.state_time_us;
        return NG_OK;
    }
    if (status != NG_E_CORRUPT && status != NG_E_FORMAT)
        return status;
    ngi_repair_snapshot_name(seq, name);
    const ng_loss loss = {.file = name, .offset = offset};
    ngi_repair_lose(repair, &loss, "%s", ngi_last_error());
    status = NG_OK;
out:
    return status;
}

/* Whether the log alone leads to the newest snapshot's op. */
static bool repair_log_is_complete(const store_repair *repair, ng_seq until)
{
    size_t at = 0;
    for (; at < repair->op_count && repair->ops[at].seq == at + 1; at++)
        ;
    return at >= until;
}

static ng_status repair_choose(store_repair *repair)
{
    bool loaded = false;
    ng_status status = NG_OK;
    ng_seq newest = repair->snapshot_count > 0 ? repair->snapshots[0] : 0;
    ng_seq named = repair->has_manifest ? repair->source.snapshot_seq : 0;
    if (named > newest) {
        char name[REPAIR_NAME_BYTES];
        ngi_repair_snapshot_name(named, name);
        const ng_loss loss = {.file = name};
        ngi_repair_lose(repair, &loss, "missing");
    }
    for (size_t i = 0; i < repair->snapshot_count && !loaded && status == NG_OK; i++)
        status = repair_load(repair, repair->snapshots[i], &loaded);
    if (status != NG_OK || loaded)
        return status;
    status = ngi_repair_new_store(repair);
    if (status == NG_OK && newest != 0 && !repair_log_is_complete(repair, newest))
        status = ngi_repair_salvage(repair, newest);
    if (status != NG_E_CORRUPT)
        return status;
    char name[REPAIR_NAME_BYTES];
    ngi_repair_snapshot_name(newest, name);
    const ng_loss loss = {.file = name};
    ngi_repair_lose(repair, &loss, "what is left of it does not fit together: %s",
                    ngi_last_error());
    return ngi_repair_new_store(repair);
}

/* --- the steps ------------------------------------------------------------------------------- */

static ng_status repair_run(store_repair *repair, const char *to)
{
    ng_status status = NG_OK;
    NGI_TRY(repair_list(repair));
    NGI_TRY(repair_identify(repair));
    repair->source.encoding.clip = false;
    repair->salt = ngi_stream_salt(&repair->source);
    repair->identity = repair->source;
    NGI_TRY(ngi_restore_identity(repair->os, &repair->identity));
    NGI_TRY(ngi_repair_scan(repair));
    NGI_TRY(repair_choose(repair));
    NGI_TRY(ngi_repair_report_log(repair, repair->seq));
    NGI_TRY(ngi_repair_apply(repair));
    NGI_TRY(ngi_restore_write(repair->store, &repair->identity, repair->seq, repair->time_us, to,
                              NULL));
    ng_repair_report *report = &repair->report;
    report->tokens = repair->store->token_count;
    report->connections = repair->store->graph.count;
    report->labels = repair->store->labels.used_count;
    report->vectors = ngi_vectors_count(repair->store->vectors);
    report->attributes = repair->store->attributes.count;
    report->seq = repair->seq;
out:
    return status;
}

static void repair_release(store_repair *repair)
{
    ngi_mem *mem = repair->mem;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)ngi_store_close(repair->store);
    ngi_error_set(reason);
    ngi_free(mem, repair->snapshots, repair->snapshot_capacity * sizeof *repair->snapshots);
    ngi_free(mem, repair->segments, repair->segment_capacity * sizeof *repair->segments);
    ngi_free(mem, repair->ops, repair->op_capacity * sizeof *repair->ops);
    ngi_free(mem, repair->places, repair->place_capacity * sizeof *repair->places);
    ngi_free(mem, repair->claims, repair->claim_capacity * sizeof *repair->claims);
}

ng_status ngi_store_repair(ngi_os *os, ngi_mem *mem, const char *path, const char *to,
                           ng_loss_fn each, void *context, ng_repair_report *out)
{
    store_repair job = {.os = os, .mem = mem, .path = path, .each = each, .context = context};
    uint64_t began_ns = os->monotonic_ns(os);
    ngi_file lock = STORE_NO_FILE;
    ng_status status = ngi_restore_check_target(os, to);
    if (status == NG_OK)
        status = repair_lock(&job, &lock);
    if (status == NG_OK)
        status = repair_run(&job, to);
    if (lock != STORE_NO_FILE)
        os->file_close(os, lock);
    job.report.seconds = (double)(os->monotonic_ns(os) - began_ns) / 1e9;
    if (status == NG_OK && out != NULL)
        *out = job.report;
    repair_release(&job);
    return status;
}
