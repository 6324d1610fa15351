/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The log of a damaged store: valid frames wherever they stand, what is missing between them, and
 * the ops applied to what was saved of the state. Bytes as in docs/format/log.md.
 *
 * A frame carries its seq and a checksum with the store's salt, so it is what it says wherever it is
 * found; the order of the files only tells where a missing op was. */
#include "store/store_repair_private.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "base/base_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_MAGIC "NGLOG\r\n\x1a"
#define SEGMENT_HEADER 64u
#define FRAME_MAGIC 0x706F474Eu /* "NGop" */
#define FRAME_HEADER 40u

/* --- headers --------------------------------------------------------------------------------- */

ng_status ngi_repair_segment_head(const store_repair *repair, uint64_t number, uint8_t uuid[16],
                                  ng_seq *first_seq, uint64_t *created_us, bool *whole)
{
    char name[REPAIR_NAME_BYTES];
    repair_window window;
    const uint8_t *head;
    size_t available = 0;
    *whole = false;
    *first_seq = 0;
    ngi_repair_segment_name(number, name);
    ng_status status = ngi_repair_window_open(repair, name, &window);
    if (status != NG_OK)
        return status;
    status = ngi_repair_window_at(&window, 0, SEGMENT_HEADER, &head, &available);
    if (status == NG_OK && available >= SEGMENT_HEADER && memcmp(head, SEGMENT_MAGIC, 8) == 0 &&
        ngi_get_u32(head + 12) == ngi_crc32c(0, head + 16, SEGMENT_HEADER - 16) &&
        ngi_get_u32(head + 8) == NGI_FORMAT_VERSION && ngi_get_u64(head + 32) == number) {
        *whole = true;
        memcpy(uuid, head + 16, 16);
        *first_seq = ngi_get_u64(head + 40);
        *created_us = ngi_get_u64(head + 48);
    }
    ngi_repair_window_close(&window);
    return status;
}

/* --- frames ---------------------------------------------------------------------------------- */

/* The length of what claims to be a frame at the begin of `data`, or 0. */
static size_t log_frame_length(const uint8_t *data, size_t available, uint64_t left)
{
    if (available < FRAME_HEADER || ngi_get_u32(data) != FRAME_MAGIC ||
        ngi_get_u16(data + 14) != 0 || ngi_get_u64(data + 16) == 0)
        return 0;
    uint32_t body_bytes = ngi_get_u32(data + 8);
    uint64_t bytes = (FRAME_HEADER + (uint64_t)body_bytes + 7) & ~UINT64_C(7);
    return body_bytes <= NGI_OP_BYTES_MAX && bytes <= left ? (size_t)bytes : 0;
}

static ng_status log_frame_at(const store_repair *repair, repair_window *window, uint64_t offset,
                              const uint8_t **frame, size_t *frame_bytes)
{
    const uint8_t *data;
    size_t available;
    *frame = NULL;
    *frame_bytes = 0;
    ng_status status = ngi_repair_window_at(window, offset, FRAME_HEADER, &data, &available);
    if (status != NG_OK)
        return status;
    size_t bytes = log_frame_length(data, available, window->file_bytes - offset);
    if (bytes == 0 || !ngi_repair_window_may_try(window, bytes))
        return NG_OK;
    status = ngi_repair_window_at(window, offset, bytes, &data, &available);
    if (status != NG_OK)
        return status;
    if (ngi_get_u32(data + 4) != ngi_crc32c(repair->salt, data + 8, bytes - 8)) {
        window->wasted_bytes += bytes;
        return NG_OK;
    }
    *frame = data;
    *frame_bytes = bytes;
    return NG_OK;
}

static ng_status log_add_op(store_repair *repair, uint64_t segment, uint64_t offset,
                            const uint8_t *frame, size_t frame_bytes)
{
    ng_status status = REPAIR_GROW(repair, ops, op_capacity, op_count);
    if (status == NG_OK)
        repair->ops[repair->op_count++] = (repair_op){.seq = ngi_get_u64(frame + 16),
                                                      .segment = segment,
                                                      .offset = offset,
                                                      .time_us = ngi_get_u64(frame + 24),
                                                      .frame_bytes = (uint32_t)frame_bytes};
    return status;
}

static ng_status log_add_place(store_repair *repair, const repair_place *place)
{
    ng_status status = REPAIR_GROW(repair, places, place_capacity, place_count);
    if (status == NG_OK)
        repair->places[repair->place_count++] = *place;
    return status;
}

/* How many of the next bytes, at most 8, and whether they are all zero. */
static ng_status log_word(repair_window *window, uint64_t offset, size_t *bytes, bool *zero)
{
    const uint8_t *data;
    size_t available;
    ng_status status = ngi_repair_window_at(window, offset, 8, &data, &available);
    if (status != NG_OK)
        return status;
    *bytes = available < 8 ? available : 8;
    *zero = true;
    for (size_t i = 0; i < *bytes; i++)
        *zero &= data[i] == 0;
    return NG_OK;
}

/* Frames from `offset` on. Where there is none up to the next one, that is a place; at the end only
 * up to the last byte that is not zero, because behind the log a file is zero. */
static ng_status log_scan_frames(store_repair *repair, repair_window *window, uint64_t segment,
                                 uint64_t offset)
{
    repair_place place = {.segment = segment, .text = "damaged"};
    bool bad = false;
    uint64_t nonzero_end = 0;
    ng_status status = NG_OK;
    while (offset < window->file_bytes) {
        const uint8_t *frame;
        size_t bytes;
        NGI_TRY(log_frame_at(repair, window, offset, &frame, &bytes));
        if (frame != NULL) {
            NGI_TRY(log_add_op(repair, segment, offset, frame, bytes));
            if (bad) {
                place.bytes = offset - place.offset;
                NGI_TRY(log_add_place(repair, &place));
            }
            bad = false;
            offset += bytes;
            continue;
        }
        bool zero;
        NGI_TRY(log_word(window, offset, &bytes, &zero));
        if (!bad)
            place.offset = nonzero_end = offset;
        bad = true;
        offset += bytes;
        if (!zero)
            nonzero_end = offset;
    }
    if (bad && nonzero_end > place.offset) {
        place.bytes = nonzero_end - place.offset;
        status = log_add_place(repair, &place);
    }
out:
    return status;
}

static ng_status log_scan_segment(store_repair *repair, repair_segment *segment, bool is_last)
{
    char name[REPAIR_NAME_BYTES];
    repair_window window = {0};
    uint8_t uuid[16];
    uint64_t created_us;
    bool whole;
    size_t ops_before = repair->op_count, places_before = repair->place_count;
    repair_place head = {.segment = segment->number, .text = "the header is damaged"};
    ngi_repair_segment_name(segment->number, name);
    ng_status status = ngi_repair_segment_head(repair, segment->number, uuid, &segment->first_seq,
                                               &created_us, &whole);
    if (status != NG_OK)
        return status;
    NGI_TRY(ngi_repair_window_open(repair, name, &window));
    head.bytes = window.file_bytes < SEGMENT_HEADER ? window.file_bytes : SEGMENT_HEADER;
    if (whole && memcmp(uuid, repair->source.uuid, sizeof uuid) != 0) {
        segment->first_seq = 0;
        head.bytes = window.file_bytes;
        head.text = "belongs to another store";
        status = log_add_place(repair, &head);
        goto out;
    }
    if (!whole)
        NGI_TRY(log_add_place(repair, &head));
    NGI_TRY(log_scan_frames(repair, &window, segment->number, SEGMENT_HEADER));
    /* A last file with nothing in it is one whose creation was cut short. */
    if (!whole && is_last && repair->op_count == ops_before &&
        repair->place_count == places_before + 1)
        repair->place_count--;
out:
    ngi_repair_window_close(&window);
    return status;
}

/* --- where what is missing was --------------------------------------------------------------- */

static int log_compare_places(const void *a, const void *b)
{
    const repair_place *x = a;
    const repair_place *y = b;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int log_compare_ops(const void *a, const void *b)
{
    const repair_op *x = a;
    const repair_op *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Holes in the numbers of the segments; one place for each, however wide. */
static ng_status log_find_holes(store_repair *repair)
{
    uint64_t expected = repair->has_manifest ? repair->source.first_segment : 0;
    for (size_t i = 0; i < repair->segment_count; i++) {
        uint64_t number = repair->segments[i].number;
        if (expected != 0 && number > expected) {
            const repair_place place = {.segment = expected,
                                        .text = number - expected == 1
                                                    ? "missing"
                                                    : "missing, and others behind it"};
            ng_status status = log_add_place(repair, &place);
            if (status != NG_OK)
                return status;
        }
        if (expected == 0 || number >= expected)
            expected = number + 1;
    }
    return NG_OK;
}

static bool log_op_is_before(const repair_op *op, const repair_place *place)
{
    return op->segment < place->segment ||
           (op->segment == place->segment && op->offset < place->offset);
}

/* The ops next to each place, from frames and from what headers say. Ops are in order of place. */
static void log_find_neighbours(store_repair *repair)
{
    ng_seq before = 0, next = 0;
    size_t op = 0, segment = 0;
    for (size_t i = 0; i < repair->place_count; i++) {
        repair_place *place = &repair->places[i];
        for (; op < repair->op_count && log_op_is_before(&repair->ops[op], place); op++)
            if (repair->ops[op].seq > before)
                before = repair->ops[op].seq;
        for (;
             segment < repair->segment_count && repair->segments[segment].number <= place->segment;
             segment++)
            if (repair->segments[segment].first_seq > before + 1)
                before = repair->segments[segment].first_seq - 1;
        place->before = before;
    }
    op = repair->op_count;
    segment = repair->segment_count;
    for (size_t i = repair->place_count; i > 0; i--) {
        repair_place *place = &repair->places[i - 1];
        for (; op > 0 && !log_op_is_before(&repair->ops[op - 1], place); op--)
            if (next == 0 || repair->ops[op - 1].seq < next)
                next = repair->ops[op - 1].seq;
        for (; segment > 0 && repair->segments[segment - 1].number > place->segment; segment--) {
            ng_seq first = repair->segments[segment - 1].first_seq;
            if (first != 0 && (next == 0 || first < next))
                next = first;
        }
        place->next = next;
        place->is_tail = next == 0;
    }
}

ng_status ngi_repair_scan(store_repair *repair)
{
    ng_status status = NG_OK;
    for (size_t i = 0; i < repair->segment_count; i++)
        NGI_TRY(log_scan_segment(repair, &repair->segments[i], i + 1 == repair->segment_count));
    NGI_TRY(log_find_holes(repair));
    if (repair->place_count > 1)
        qsort(repair->places, repair->place_count, sizeof *repair->places, log_compare_places);
    log_find_neighbours(repair);
    if (repair->op_count > 1)
        qsort(repair->ops, repair->op_count, sizeof *repair->ops, log_compare_ops);
    size_t kept = 0;
    for (size_t i = 0; i < repair->op_count; i++)
        if (kept == 0 || repair->ops[i].seq != repair->ops[kept - 1].seq)
            repair->ops[kept++] = repair->ops[i];
    repair->op_count = kept;
out:
    return status;
}

/* --- reporting ------------------------------------------------------------------------------- */

static ng_status log_claim(store_repair *repair, ng_seq first, ng_seq last)
{
    ng_status status = REPAIR_GROW(repair, claims, claim_capacity, claim_count);
    if (status == NG_OK)
        repair->claims[repair->claim_count++] = (repair_range){first, last};
    return status;
}

/* Reports a place with the ops that were there and are nowhere else. */
static ng_status log_report_place(store_repair *repair, const repair_place *place, ng_seq base,
                                  ng_seq durable)
{
    char name[REPAIR_NAME_BYTES];
    ng_seq low = place->before > base ? place->before : base;
    ng_seq high = place->is_tail ? durable : place->next - 1;
    if (repair->claim_count > 0 && repair->claims[repair->claim_count - 1].last > low)
        low = repair->claims[repair->claim_count - 1].last;
    ngi_repair_segment_name(place->segment, name);
    ng_loss loss = {.file = name, .offset = place->offset, .bytes = place->bytes};
    if (high > low) {
        loss.first = low + 1;
        loss.last = high;
        ngi_repair_lose(repair, &loss, "%s: ops %llu..%llu are lost", place->text,
                        (unsigned long long)loss.first, (unsigned long long)loss.last);
        return log_claim(repair, loss.first, loss.last);
    }
    if (place->is_tail && place->bytes > 0 && place->offset > 0)
        ngi_repair_lose(repair, &loss, "torn tail: nothing there is known to have been durable");
    else if (high > place->before)
        ngi_repair_lose(repair, &loss, "%s: its ops are in the snapshot", place->text);
    else
        ngi_repair_lose(repair, &loss, "%s: no op is lost", place->text);
    return NG_OK;
}

/* Reports a gap that no place explains: at the end of the op before it. */
static void log_report_gap(store_repair *repair, const repair_op *before, const repair_op *behind,
                           repair_range gap)
{
    char name[REPAIR_NAME_BYTES] = "MANIFEST";
    ng_loss loss = {.file = name, .first = gap.first, .last = gap.last};
    if (before != NULL) {
        ngi_repair_segment_name(before->segment, name);
        loss.offset = before->offset + before->frame_bytes;
    } else if (behind != NULL) {
        ngi_repair_segment_name(behind->segment, name);
        loss.offset = behind->offset;
    }
    ngi_repair_lose(repair, &loss, "ops %llu..%llu are nowhere in the log",
                    (unsigned long long)gap.first, (unsigned long long)gap.last);
}

/* Counts the ops of a gap and reports those that no place has claimed. */
static void log_take_gap(store_repair *repair, const repair_op *before, const repair_op *behind,
                         repair_range gap)
{
    repair->report.ops_missing += gap.last - gap.first + 1;
    ng_seq at = gap.first;
    for (size_t i = 0; i < repair->claim_count && at <= gap.last; i++) {
        const repair_range *claim = &repair->claims[i];
        if (claim->last < at || claim->first > gap.last)
            continue;
        if (claim->first > at)
            log_report_gap(repair, before, behind, (repair_range){at, claim->first - 1});
        at = claim->last + 1;
    }
    if (at <= gap.last)
        log_report_gap(repair, before, behind, (repair_range){at, gap.last});
}

ng_status ngi_repair_report_log(store_repair *repair, ng_seq base)
{
    ng_seq durable = repair->has_manifest ? repair->source.clean_seq : 0;
    ng_seq noted = 0;
    if (ngi_blackbox_durable(repair->os, repair->path, &noted) == NG_OK && noted > durable &&
        repair->has_manifest)
        durable = noted;
    for (size_t i = 0; i < repair->place_count; i++) {
        ng_status status = log_report_place(repair, &repair->places[i], base, durable);
        if (status != NG_OK)
            return status;
    }
    ng_seq reached = base;
    const repair_op *before = NULL;
    for (size_t i = 0; i < repair->op_count; i++) {
        const repair_op *op = &repair->ops[i];
        if (op->seq > reached + 1)
            log_take_gap(repair, before, op, (repair_range){reached + 1, op->seq - 1});
        if (op->seq > reached)
            reached = op->seq;
        before = op;
    }
    if (durable > reached)
        log_take_gap(repair, before, NULL, (repair_range){reached + 1, durable});
    return NG_OK;
}

/* --- applying -------------------------------------------------------------------------------- */

static ng_status log_apply_op(store_repair *repair, repair_window *window, const repair_op *found)
{
    char name[REPAIR_NAME_BYTES];
    const uint8_t *frame;
    size_t frame_bytes;
    ng_status status = log_frame_at(repair, window, found->offset, &frame, &frame_bytes);
    if (status != NG_OK)
        return status;
    if (frame == NULL) {
        status = ngi_fail(NG_E_CORRUPT, "cannot be read a second time");
    } else {
        const ngi_op op = {.seq = found->seq,
                           .time_us = found->time_us,
                           .body = frame + FRAME_HEADER,
                           .body_bytes = ngi_get_u32(frame + 8),
                           .actor = ngi_get_u32(frame + 32),
                           .kind = ngi_get_u16(frame + 12)};
        status = ngi_restore_replay(repair->store, &op);
    }
    if (status == NG_OK) {
        repair->seq = found->seq;
        repair->time_us = found->time_us;
        repair->report.ops_applied++;
    }
    if (status == NG_OK || status == NG_E_NOMEM || status == NG_E_INTERNAL)
        return status;
    ngi_repair_segment_name(found->segment, name);
    const ng_loss loss = {.file = name,
                          .offset = found->offset,
                          .bytes = found->frame_bytes,
                          .first = found->seq,
                          .last = found->seq};
    repair->report.ops_refused++;
    ngi_repair_lose(repair, &loss, "%s", ngi_last_error());
    return NG_OK;
}

ng_status ngi_repair_apply(store_repair *repair)
{
    repair_window window = {0};
    uint64_t segment = 0;
    ng_seq base = repair->seq;
    ng_status status = NG_OK;
    for (size_t i = 0; i < repair->op_count; i++) {
        const repair_op *op = &repair->ops[i];
        if (op->seq <= base)
            continue;
        if (op->segment != segment || window.os == NULL) {
            char name[REPAIR_NAME_BYTES];
            ngi_repair_window_close(&window);
            ngi_repair_segment_name(op->segment, name);
            NGI_TRY(ngi_repair_window_open(repair, name, &window));
            segment = op->segment;
        }
        NGI_TRY(log_apply_op(repair, &window, op));
    }
out:
    ngi_repair_window_close(&window);
    return status;
}
