/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Following a log by its files alone.
 *
 * Invariants:
 *  1. A frame is believed only if it was read in a call whose limit covers it. What was read ahead of
 *     the limit may be cut off and written anew by another process: it is read again.
 *  2. `next` is the seq of the frame that is read next. It is at most `after` + 1 when the cursor is
 *     opened, and grows by one a frame; frames up to `after` are passed over.
 *  3. A segment is left for the next one only when its frames end and the next one's header says that
 *     it begins with `next`. */
#include "wal/wal_cursor.h"

#include "wal/wal_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURSOR_READ_BYTES (256u << 10) /* what is read beyond the limit is read again */

struct ngi_wal_cursor {
    wal_home home;
    ng_seq after;
    ng_seq next;
    ng_seq snapshot_seq; /* of the MANIFEST when it was opened */
    ng_seq trusted;      /* limit of the call that filled the reader's window */
    uint64_t number;     /* of the segment that is open, or is to be opened next */
    bool is_open;        /* the reader is */
    size_t taken;        /* bytes of the frame returned last, not yet passed over */
    wal_reader reader;
};

typedef struct cursor_list {
    ngi_mem *mem;
    ngi_buffer numbers; /* u64 each */
} cursor_list;

static ng_status cursor_see_file(void *context, const char *name)
{
    cursor_list *list = context;
    uint64_t number = ngi_wal_segment_number(name);
    if (number == 0)
        return NG_OK;
    ng_status status = ngi_buffer_reserve(list->mem, &list->numbers, sizeof number, "segments");
    if (status == NG_OK) {
        memcpy(list->numbers.data + list->numbers.bytes, &number, sizeof number);
        list->numbers.bytes += sizeof number;
    }
    return status;
}

static int cursor_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers of the segment files, ascending. To be released also when it fails. */
static ng_status cursor_list_files(const wal_home *home, cursor_list *out)
{
    *out = (cursor_list){.mem = home->mem};
    ng_status status = home->os->list_directory(home->os, home->path, cursor_see_file, out);
    if (status == NG_OK && out->numbers.bytes > 0)
        qsort(out->numbers.data, out->numbers.bytes / sizeof(uint64_t), sizeof(uint64_t),
              cursor_compare);
    return status;
}

static uint64_t cursor_number(const cursor_list *list, size_t index)
{
    uint64_t number;
    memcpy(&number, list->numbers.data + index * sizeof number, sizeof number);
    return number;
}

/* Opens a segment and reads its header. `*found` false: the file is not there, or `is_newest` and
 * without a header yet (a spare). The reader is open only if it was found. */
static ng_status cursor_open_segment(const wal_home *home, wal_segment *segment, bool is_newest,
                                     wal_reader *reader, bool *found)
{
    bool is_whole = true;
    *found = false;
    ng_status status = ngi_wal_reader_open(home, segment->number, NGI_OPEN_READ, reader);
    reader->read_bytes = WAL_SEGMENT_HEADER; /* often nothing but the header is needed */
    if (status == NG_OK)
        status = ngi_wal_reader_header(reader, segment, &is_whole);
    reader->read_bytes = CURSOR_READ_BYTES;
    *found = status == NG_OK;
    if (status == NG_OK)
        return NG_OK;
    ngi_wal_reader_close(reader);
    bool is_absent = status == NG_E_NOT_FOUND || (status == NG_E_CORRUPT && !is_whole && is_newest);
    return is_absent ? NG_OK : status;
}

static ng_status cursor_fail_gone(const wal_home *home, ng_seq wanted, ng_seq first)
{
    return ngi_fail(NG_E_GONE, "%s: op %llu is not in the log any more; the log starts at op %llu",
                    home->path, (unsigned long long)wanted, (unsigned long long)first);
}

/* Opens the newest segment, with a number up to `limit`, that begins at or before op `wanted`.
 * `*first` receives where the oldest segment seen begins, 0 if there is none. */
static ng_status cursor_seek(ngi_wal_cursor *cursor, ng_seq wanted, uint64_t limit, ng_seq *first)
{
    cursor_list list;
    *first = 0;
    ng_status status = cursor_list_files(&cursor->home, &list);
    size_t count = list.numbers.bytes / sizeof(uint64_t);
    for (size_t i = count; i > 0 && status == NG_OK; i--) {
        wal_segment segment = {.number = cursor_number(&list, i - 1)};
        bool found = false;
        if (segment.number <= limit)
            status =
                cursor_open_segment(&cursor->home, &segment, i == count, &cursor->reader, &found);
        if (status != NG_OK || !found)
            continue;
        *first = segment.first_seq;
        if (segment.first_seq <= wanted) {
            cursor->is_open = true;
            cursor->number = segment.number;
            cursor->next = segment.first_seq;
            break;
        }
        ngi_wal_reader_close(&cursor->reader);
    }
    ngi_buffer_release(cursor->home.mem, &list.numbers);
    return status;
}

/* Finds the first op after `after` in a log that may be retired meanwhile. */
static ng_status cursor_begin(ngi_wal_cursor *cursor, const ngi_manifest *manifest)
{
    ng_seq wanted = cursor->after + 1;
    ng_seq first = 0;
    ng_status status = cursor_seek(cursor, wanted, UINT64_MAX, &first);
    if (status != NG_OK || cursor->is_open)
        return status;
    if (first != 0)
        return cursor_fail_gone(&cursor->home, wanted, first);
    /* There is no log yet. The first segment will begin behind the snapshot. */
    if (cursor->after < manifest->snapshot_seq)
        return cursor_fail_gone(&cursor->home, wanted, manifest->snapshot_seq + 1);
    cursor->next = manifest->snapshot_seq + 1;
    cursor->number = manifest->first_segment;
    return NG_OK;
}

ng_status ngi_wal_cursor_open(ngi_os *os, ngi_mem *mem, const char *directory,
                              const ngi_manifest *manifest, ng_seq after, ngi_wal_cursor **out)
{
    void *block;
    void *path = NULL;
    size_t bytes = strlen(directory) + 1;
    *out = NULL;
    if (bytes > WAL_PATH_BYTES - 64 || after == UINT64_MAX)
        return ngi_fail(NG_E_INVALID, "a path of %zu bytes or op %llu is too much", bytes - 1,
                        (unsigned long long)after);
    ng_status status = ngi_alloc(mem, sizeof(ngi_wal_cursor), "log cursor", &block);
    if (status != NG_OK)
        return status;
    ngi_wal_cursor *cursor = block;
    *cursor = (ngi_wal_cursor){.after = after, .snapshot_seq = manifest->snapshot_seq};
    ngi_wal_home_init(&cursor->home, os, mem, manifest->uuid);
    NGI_TRY(ngi_alloc(mem, bytes, "path", &path));
    memcpy(path, directory, bytes);
    cursor->home.path = path;
    NGI_TRY(cursor_begin(cursor, manifest));
    *out = cursor;
    return NG_OK;
out:
    if (path != NULL)
        ngi_free(mem, path, bytes);
    ngi_free(mem, cursor, sizeof *cursor);
    return status;
}

void ngi_wal_cursor_close(ngi_wal_cursor *cursor)
{
    if (cursor == NULL)
        return;
    ngi_mem *mem = cursor->home.mem;
    if (cursor->is_open)
        ngi_wal_reader_close(&cursor->reader);
    ngi_free(mem, cursor->home.path, strlen(cursor->home.path) + 1);
    ngi_free(mem, cursor, sizeof *cursor);
}

/* The frames of the open segment end before `next`, which is durable: it should be the first of the
 * next segment. `*moved` false: it is not there. */
static ng_status cursor_move_on(ngi_wal_cursor *cursor, bool *moved)
{
    wal_segment segment = {.number = cursor->is_open ? cursor->number + 1 : cursor->number};
    wal_reader reader;
    ng_status status = cursor_open_segment(&cursor->home, &segment, true, &reader, moved);
    if (status != NG_OK || !*moved)
        return status;
    if (segment.first_seq != cursor->next) {
        ngi_wal_reader_close(&reader);
        *moved = false;
        return NG_OK;
    }
    if (cursor->is_open)
        ngi_wal_reader_close(&cursor->reader);
    cursor->reader = reader;
    cursor->is_open = true;
    cursor->number = segment.number;
    return NG_OK;
}

/* Looks for the op in the files as they are now: segments may have been retired, and one that had
 * only its header may have been given up by a process that recovered the store and went on in the
 * one before. */
static ng_status cursor_restart(ngi_wal_cursor *cursor)
{
    ng_seq first = 0;
    bool is_empty = cursor->is_open && cursor->reader.offset == WAL_SEGMENT_HEADER;
    uint64_t limit = is_empty ? cursor->number - 1 : UINT64_MAX;
    if (cursor->next > cursor->after)
        cursor->after = cursor->next - 1;
    if (cursor->is_open)
        ngi_wal_reader_close(&cursor->reader);
    cursor->is_open = false;
    ng_status status = cursor_seek(cursor, cursor->after + 1, limit, &first);
    if (status == NG_OK && !cursor->is_open && first != 0)
        return cursor_fail_gone(&cursor->home, cursor->after + 1, first);
    return status;
}

/* Says why an op that is durable cannot be read: it was never in this log, because the log ended
 * before a snapshot and went on behind it; or it is damaged. */
static ng_status cursor_fail_absent(ngi_wal_cursor *cursor)
{
    uint64_t offset = 0;
    uint64_t rest = 0;
    if (cursor->is_open) {
        offset = cursor->reader.offset;
        wal_segment segment = {.number = cursor->number + 1};
        wal_reader reader;
        bool found;
        bool was_durable;
        ng_status status =
            ngi_wal_reader_look_behind(&cursor->reader, cursor->next, &rest, &was_durable);
        if (status == NG_OK)
            status = cursor_open_segment(&cursor->home, &segment, true, &reader, &found);
        if (status != NG_OK)
            return status;
        if (found)
            ngi_wal_reader_close(&reader);
        if (found && rest == 0 && segment.first_seq > cursor->next &&
            segment.first_seq - 1 <= cursor->snapshot_seq)
            return cursor_fail_gone(&cursor->home, cursor->next, segment.first_seq);
    }
    return ngi_wal_fail_damaged(&cursor->home, cursor->number, offset, cursor->next);
}

/* Reads the frame `next` where the cursor stands, or in the next segment. */
static ng_status cursor_read(ngi_wal_cursor *cursor, ng_seq limit, bool *restarted,
                             wal_frame *frame)
{
    if (cursor->is_open && cursor->next > cursor->trusted) {
        ng_status status = ngi_wal_reader_refresh(&cursor->reader);
        if (status != NG_OK)
            return status;
        cursor->trusted = limit;
    }
    for (;;) { /* as often as there are segment files without frames */
        bool ok = false;
        bool moved = false;
        ng_status status = NG_OK;
        if (cursor->is_open)
            status = ngi_wal_reader_frame(&cursor->reader, frame, &ok);
        if (status != NG_OK || (ok && frame->op.seq == cursor->next))
            return status;
        status = cursor_move_on(cursor, &moved);
        if (status == NG_OK && !moved && *restarted)
            return cursor_fail_absent(cursor);
        if (status == NG_OK && !moved)
            status = cursor_restart(cursor);
        if (status != NG_OK)
            return status;
        *restarted = *restarted || !moved;
    }
}

ng_status ngi_wal_cursor_next(ngi_wal_cursor *cursor, ng_seq limit, ngi_op *op,
                              const uint8_t **frame, size_t *frame_bytes, bool *found)
{
    bool restarted = false;
    *found = false;
    for (;;) {
        if (cursor->taken > 0)
            ngi_wal_reader_skip(&cursor->reader, cursor->taken);
        cursor->taken = 0;
        if (cursor->next > limit)
            return NG_OK;
        wal_frame read = {0};
        ng_status status = cursor_read(cursor, limit, &restarted, &read);
        if (status != NG_OK)
            return status;
        cursor->taken = read.bytes;
        cursor->next++;
        if (read.op.seq <= cursor->after)
            continue;
        *op = read.op;
        *frame = read.op.body - WAL_FRAME_HEADER;
        *frame_bytes = read.bytes;
        *found = true;
        return NG_OK;
    }
}

static ng_seq seq_max(ng_seq a, ng_seq b)
{
    return a > b ? a : b;
}

/* Reads a segment to its end: its newest valid frame, and up to which op that one and the header
 * prove that all was durable. */
static ng_status cursor_scan(wal_reader *reader, const wal_segment *segment, ng_seq *newest,
                             ng_seq *proved)
{
    ng_seq next = segment->first_seq;
    bool ok = true;
    *newest = seq_max(*newest, next - 1);
    *proved = seq_max(*proved, next - 1);
    while (ok) {
        wal_frame frame;
        ng_status status = ngi_wal_reader_frame(reader, &frame, &ok);
        if (status != NG_OK)
            return status;
        ok = ok && frame.op.seq == next;
        if (!ok)
            break;
        *newest = seq_max(*newest, next++);
        *proved = seq_max(*proved, wal_frame_proof(&frame));
        ngi_wal_reader_skip(reader, frame.bytes);
    }
    return NG_OK;
}

/* What the newest segment with frames says; one behind it may have only its header. */
static ng_status cursor_scan_newest(const wal_home *home, ng_seq *newest, ng_seq *proved)
{
    cursor_list list;
    ng_status status = cursor_list_files(home, &list);
    size_t count = list.numbers.bytes / sizeof(uint64_t);
    bool has_frames = false;
    for (size_t i = count; i > 0 && status == NG_OK && !has_frames; i--) {
        wal_segment segment = {.number = cursor_number(&list, i - 1)};
        wal_reader reader;
        bool found;
        status = cursor_open_segment(home, &segment, i == count, &reader, &found);
        if (status != NG_OK || !found)
            continue;
        status = cursor_scan(&reader, &segment, newest, proved);
        has_frames = reader.offset > WAL_SEGMENT_HEADER;
        ngi_wal_reader_close(&reader);
    }
    ngi_buffer_release(home->mem, &list.numbers);
    return status;
}

ng_status ngi_wal_known_durable(ngi_os *os, ngi_mem *mem, const char *directory,
                                const ngi_manifest *manifest, ng_seq *out)
{
    wal_home home = {0};
    ng_seq published = 0;
    ng_seq newest = 0;
    ng_seq proved = 0;
    void *path;
    size_t bytes = strlen(directory) + 1;
    *out = 0;
    if (bytes > WAL_PATH_BYTES - 64)
        return ngi_fail(NG_E_INVALID, "a path of %zu bytes is too long", bytes - 1);
    ngi_wal_home_init(&home, os, mem, manifest->uuid);
    ng_status status = ngi_alloc(mem, bytes, "path", &path);
    if (status != NG_OK)
        return status;
    memcpy(path, directory, bytes);
    home.path = path;
    /* The box first: what it says has been written by then. Without one the frames still know. */
    if (ngi_blackbox_durable(os, directory, &published) != NG_OK)
        published = 0;
    status = cursor_scan_newest(&home, &newest, &proved);
    ngi_free(mem, path, bytes);
    if (status != NG_OK)
        return status;
    newest = seq_max(newest, manifest->snapshot_seq);
    proved =
        seq_max(seq_max(proved, published), seq_max(manifest->clean_seq, manifest->snapshot_seq));
    *out = proved < newest ? proved : newest;
    return NG_OK;
}
