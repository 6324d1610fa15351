/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Removing segments that a snapshot makes superfluous, and verifying those that are kept.
 *
 * The order makes every crash harmless: MANIFEST names the new first segment, durably, before a file
 * is removed; what an interrupted removal leaves has a lower number and is removed at the next
 * opening, or the next time. */
#include "wal/wal_private.h"

#include <string.h>

typedef struct removal {
    ngi_wal *wal;
    uint64_t first;
    uint64_t *removed;
    ng_status status; /* the first failure */
} removal;

static ng_status remove_see_file(void *context, const char *name)
{
    removal *run = context;
    ngi_wal *wal = run->wal;
    uint64_t number = ngi_wal_segment_number(name);
    if (number == 0 || number >= run->first)
        return NG_OK;
    char path[WAL_PATH_BYTES];
    ngi_wal_segment_path(&wal->home, number, path);
    ng_status status = wal->os->remove(wal->os, path);
    if (status == NG_OK) {
        (*run->removed)++;
        ngi_blackbox_note(wal->box, "segment", ngi_wal_applied(wal), "%s removed", name);
    } else if (status != NG_E_NOT_FOUND) {
        NGI_KEEP_FIRST(run->status, status);
    }
    return NG_OK;
}

ng_status ngi_wal_remove_below(ngi_wal *wal, uint64_t first, uint64_t *removed)
{
    removal run = {.wal = wal, .first = first, .removed = removed, .status = NG_OK};
    ng_status status = wal->os->list_directory(wal->os, wal->home.path, remove_see_file, &run);
    return status != NG_OK ? status : run.status;
}

/* What a retirement is asked for. */
typedef struct retention {
    ng_seq keep_after;
    uint64_t bytes, seconds;
    uint64_t now_us;
} retention;

/* How many of the oldest segments may go; the lock is held. */
static size_t retire_count(const ngi_wal *wal, const retention *keep)
{
    uint64_t behind = 0; /* bytes of the segments after the one looked at */
    for (size_t i = 0; i < wal->segment_count; i++)
        behind += wal->segments[i].end_bytes;
    for (size_t i = 0; i + 1 < wal->segment_count; i++) {
        const wal_segment *next = &wal->segments[i + 1];
        behind -= wal->segments[i].end_bytes;
        uint64_t age_us = keep->now_us > next->created_us ? keep->now_us - next->created_us : 0;
        bool is_superfluous =
            next->first_seq - 1 <= keep->keep_after && next->first_seq - 1 <= ngi_wal_durable(wal);
        bool is_old = keep->seconds == 0 || age_us / 1000000 > keep->seconds;
        if (!is_superfluous || !is_old || behind < keep->bytes)
            return i;
    }
    return wal->segment_count > 0 ? wal->segment_count - 1 : 0;
}

/* Takes the first `count` segments off the list; the lock is held. */
static uint64_t retire_forget(ngi_wal *wal, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += wal->segments[i].file_bytes;
    wal->segment_count -= count;
    if (count > 0)
        memmove(wal->segments, wal->segments + count, wal->segment_count * sizeof *wal->segments);
    return bytes;
}

ng_status ngi_wal_retire(ngi_wal *wal, ng_seq snapshot_seq, ng_seq keep_after,
                         uint64_t retain_bytes, uint64_t retain_seconds, uint64_t *segments,
                         uint64_t *bytes)
{
    *segments = *bytes = 0;
    if (wal->read_only)
        return ngi_fail(NG_E_READ_ONLY, "%s: open for reading only", wal->home.path);
    if (wal->home.path == NULL)
        return NG_OK;
    if (snapshot_seq > ngi_wal_durable(wal))
        return ngi_fail(NG_E_INVALID, "snapshot of op %llu, but only %llu are durable",
                        (unsigned long long)snapshot_seq, (unsigned long long)ngi_wal_durable(wal));
    retention keep = {.keep_after = keep_after < snapshot_seq ? keep_after : snapshot_seq,
                      .bytes = retain_bytes,
                      .seconds = retain_seconds,
                      .now_us = wal->os->clock_us(wal->os)};
    ngi_mutex_lock(&wal->manifest_lock);
    ngi_mutex_lock(&wal->lock);
    size_t count = retire_count(wal, &keep);
    ngi_manifest next = wal->manifest;
    next.snapshot_seq = snapshot_seq;
    next.first_segment = count > 0 ? wal->segments[count].number : next.first_segment;
    ngi_mutex_unlock(&wal->lock);

    ng_status status = NG_OK;
    if (ngi_wal_is_latched(wal)) {
        status = ngi_wal_fail_latched(wal);
        goto out;
    }
    NGI_TRY(ngi_manifest_write(wal->os, wal->home.path, &next));
    ngi_mutex_lock(&wal->lock); /* others have only appended to the list */
    wal->manifest = next;
    wal->snapshot_seq = snapshot_seq;
    *bytes = retire_forget(wal, count);
    ngi_mutex_unlock(&wal->lock);
    /* The snapshot counts by now. What cannot be removed goes the next time. */
    if (ngi_wal_remove_below(wal, next.first_segment, segments) != NG_OK) {
        *bytes = 0;
        ngi_blackbox_note(wal->box, "segment", ngi_wal_applied(wal), "not removed: %s",
                          ngi_last_error());
    }
    if (*segments > 0)
        (void)!wal->os->sync_directory(wal->os, wal->home.path);
out:
    ngi_mutex_unlock(&wal->manifest_lock);
    return status;
}

/* One segment as it stands when it is looked at, and what follows it. */
typedef struct verify_step {
    wal_segment segment;
    bool is_last;
    ng_seq end; /* seq after its newest op that is to be verified */
} verify_step;

/* The oldest segment with at least this number that has ops up to `limit`; false if there is none. */
static bool verify_next(ngi_wal *wal, uint64_t number, ng_seq limit, verify_step *out)
{
    bool found = false;
    ngi_mutex_lock(&wal->lock);
    for (size_t i = 0; i < wal->segment_count && !found; i++) {
        const wal_segment *segment = &wal->segments[i];
        if (segment->number < number || segment->first_seq > limit)
            continue;
        found = true;
        *out = (verify_step){.segment = *segment, .is_last = i + 1 == wal->segment_count};
        out->end = out->is_last ? limit + 1 : segment[1].first_seq;
        if (out->end > limit + 1) {
            out->end = limit + 1;
            out->is_last = true; /* ops follow that are not verified */
        }
    }
    ngi_mutex_unlock(&wal->lock);
    return found;
}

/* Whether a segment could not be read because it has been retired meanwhile. */
static bool verify_is_retired(ngi_wal *wal, uint64_t number)
{
    ngi_mutex_lock(&wal->lock);
    bool is_retired = wal->segment_count == 0 || wal->segments[0].number > number;
    ngi_mutex_unlock(&wal->lock);
    return is_retired;
}

/* Reads the frames of a segment from `*next` on, which receives the seq after the last one. It
 * may end early only where a snapshot has what is missing. */
static ng_status verify_frames(ngi_wal *wal, wal_reader *reader, const verify_step *step,
                               ng_seq *next, uint64_t *bytes)
{
    ng_status status = NG_OK;
    wal_frame frame;
    bool ok = true;
    while (*next < step->end) {
        NGI_TRY(ngi_wal_reader_frame(reader, &frame, &ok));
        if (!ok || frame.op.seq != *next)
            break;
        ngi_wal_reader_skip(reader, frame.bytes);
        (*next)++;
    }
    uint64_t offset = reader->offset;
    *bytes += offset;
    if (step->is_last && *next == step->end)
        return NG_OK;
    uint64_t rest = 0;
    bool was_durable = false;
    NGI_TRY(ngi_wal_reader_look_behind(reader, *next, &rest, &was_durable));
    ngi_mutex_lock(&wal->lock);
    bool is_covered =
        (!step->is_last || wal->ends_early) && step->end - 1 <= wal->manifest.snapshot_seq;
    ngi_mutex_unlock(&wal->lock);
    if (rest > 0 || (*next < step->end && !is_covered))
        status = ngi_wal_fail_damaged(&wal->home, reader->number, offset, *next);
out:
    return status;
}

static ng_status verify_segment(ngi_wal *wal, const verify_step *step, uint64_t *ops,
                                uint64_t *bytes)
{
    wal_segment header = step->segment;
    wal_reader reader;
    bool is_whole;
    ng_status status = ngi_wal_reader_open(&wal->home, header.number, NGI_OPEN_READ, &reader);
    if (status == NG_E_NOT_FOUND) {
        if (!verify_is_retired(wal, header.number))
            status = NG_E_CORRUPT; /* the message names the file */
        else
            status = NG_OK;
        goto out;
    }
    if (status != NG_OK)
        goto out;
    NGI_TRY(ngi_wal_reader_header(&reader, &header, &is_whole));
    ng_seq next = header.first_seq;
    if (next != step->segment.first_seq) {
        status = ngi_wal_fail_damaged(&wal->home, header.number, 0, step->segment.first_seq);
        goto out;
    }
    NGI_TRY(verify_frames(wal, &reader, step, &next, bytes));
    *ops += next - header.first_seq;
out:
    ngi_wal_reader_close(&reader);
    return status;
}

ng_status ngi_wal_verify(ngi_wal *wal, uint64_t *ops, uint64_t *bytes)
{
    *ops = 0;
    *bytes = 0;
    ng_seq limit = ngi_wal_durable(wal);
    verify_step step;
    uint64_t number = 0;
    while (verify_next(wal, number, limit, &step)) {
        ng_status status = verify_segment(wal, &step, ops, bytes);
        if (status != NG_OK)
            return status;
        number = step.segment.number + 1;
    }
    return NG_OK;
}
