/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The black box: a header of 256 bytes and 1000 records of 256 bytes, offsets below and in
 * docs/format/blackbox.md. It is written through a mapping and read through file_read.
 *
 * Invariants
 * 1. Event number n stands in record (n - 1) % 1000; numbers never fall while the file exists.
 * 2. A record counts only if its checksum is right and its number belongs into its place, so that
 *    one that was half written, or written over by two, is passed over.
 * 3. The durable seq counts only if the word behind it is its complement. It is 0 from opening until
 *    the log has said what it holds: what an earlier process published could exceed a log that lost
 *    its tail since.
 *
 * Threads: every word of the mapping is an atomic; the checksum of a record is stored last. Two
 * writers meet in one record only if one is held up while 1000 events pass by. */
#include "os/os_blackbox.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"

#include <stdatomic.h>
#include <stdio.h>

#define BLACKBOX_MAGIC "NGBLKBX\n"
#define BLACKBOX_VERSION 1u
#define BLACKBOX_RECORD 256u
#define BLACKBOX_WORDS (BLACKBOX_RECORD / 8u)
#define BLACKBOX_BYTES ((size_t)BLACKBOX_RECORD * (1 + NGI_BLACKBOX_EVENTS))
#define BLACKBOX_PATH_BYTES 4352
#define BLACKBOX_NUMBER_MAX (UINT64_MAX >> 1)
#define BLACKBOX_KIND_BYTES 16
#define BLACKBOX_TEXT_BYTES 192
#define BLACKBOX_READ_TRIES 1000 /* of a durable seq that is being replaced */
#define NO_FILE (-1)

enum { /* header */
       AT_VERSION = 8,
       AT_CRC = 12,
       AT_RECORD_BYTES = 16,
       AT_RECORD_COUNT = 20,
       AT_CREATED = 24,
       HEADER_CHECKED = 64, /* the checksum covers [AT_RECORD_BYTES, here) */
       AT_DURABLE = 128,
       AT_DURABLE_CHECK = 136
};

enum { /* record */
       AT_NUMBER = 0,
       AT_TIME = 8,
       AT_SEQ = 16,
       AT_RECORD_CRC = 24,
       AT_THREAD = 28,
       AT_PROCESS = 32,
       AT_KIND = 40,
       AT_TEXT = 64
};
_Static_assert(AT_TEXT + BLACKBOX_TEXT_BYTES == BLACKBOX_RECORD, "fits");
_Static_assert(AT_KIND + BLACKBOX_KIND_BYTES <= AT_TEXT, "fits");

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would not be shared with other processes");

typedef _Atomic(uint64_t) blackbox_word; /* little-endian, whatever the machine */

struct ngi_blackbox {
    ngi_os *os;
    blackbox_word *words;        /* the image; immutable pointer */
    atomic_uint_fast64_t number; /* given last */
    size_t own_bytes;            /* of this block, with the image if there is no file */
    ngi_file file;
    uint32_t process;
    char directory[BLACKBOX_PATH_BYTES]; /* empty: memory only */
};

static uint64_t blackbox_little(uint64_t value)
{
    uint8_t bytes[8];
    ngi_put_u64(bytes, value);
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* ------------------------------------------------------------------------------------- header */

static void blackbox_header_encode(uint64_t created_us, uint8_t out[BLACKBOX_RECORD])
{
    memset(out, 0, BLACKBOX_RECORD);
    memcpy(out, BLACKBOX_MAGIC, 8);
    ngi_put_u32(out + AT_VERSION, BLACKBOX_VERSION);
    ngi_put_u32(out + AT_RECORD_BYTES, BLACKBOX_RECORD);
    ngi_put_u32(out + AT_RECORD_COUNT, NGI_BLACKBOX_EVENTS);
    ngi_put_u64(out + AT_CREATED, created_us);
    ngi_put_u32(out + AT_CRC, ngi_crc32c(0, out + AT_RECORD_BYTES, HEADER_CHECKED - 16));
    ngi_put_u64(out + AT_DURABLE, 0);
    ngi_put_u64(out + AT_DURABLE_CHECK, ~UINT64_C(0));
}

static ng_status blackbox_header_check(const uint8_t *in, size_t bytes, const char *path)
{
    if (bytes < HEADER_CHECKED || memcmp(in, BLACKBOX_MAGIC, 8) != 0)
        return ngi_fail(NG_E_CORRUPT, "%s: not a black box", path);
    uint32_t version = ngi_get_u32(in + AT_VERSION);
    if (version > BLACKBOX_VERSION)
        return ngi_fail(NG_E_VERSION, "%s: format version %u, this library reads up to %u", path,
                        version, BLACKBOX_VERSION);
    if (version == 0 || ngi_get_u32(in + AT_RECORD_BYTES) != BLACKBOX_RECORD ||
        ngi_get_u32(in + AT_RECORD_COUNT) != NGI_BLACKBOX_EVENTS ||
        ngi_get_u32(in + AT_CRC) != ngi_crc32c(0, in + AT_RECORD_BYTES, HEADER_CHECKED - 16))
        return ngi_fail(NG_E_CORRUPT, "%s: damaged at offset %d", path, AT_CRC);
    return NG_OK;
}

static ng_status blackbox_path(const char *directory, const char *name,
                               char out[BLACKBOX_PATH_BYTES])
{
    int length = snprintf(out, BLACKBOX_PATH_BYTES, "%s/%s", directory, name);
    if (length < 0 || length >= BLACKBOX_PATH_BYTES)
        return ngi_fail(NG_E_INVALID, "%.64s...: the path is longer than %d bytes", directory,
                        BLACKBOX_PATH_BYTES - 1);
    return NG_OK;
}

/* ------------------------------------------------------------------------------------- events */

static uint32_t blackbox_record_crc(const uint8_t record[BLACKBOX_RECORD])
{
    static const uint8_t none[4];
    uint32_t crc = ngi_crc32c(0, record, AT_RECORD_CRC);
    crc = ngi_crc32c(crc, none, sizeof none);
    return ngi_crc32c(crc, record + AT_THREAD, BLACKBOX_RECORD - AT_THREAD);
}

/* Copies record `slot` and returns its number, 0 if there is no whole event in it. */
static uint64_t blackbox_load(blackbox_word *words, size_t slot, uint8_t record[BLACKBOX_RECORD])
{
    blackbox_word *from = words + (1 + slot) * BLACKBOX_WORDS;
    if (atomic_load_explicit(&from[AT_NUMBER / 8], memory_order_relaxed) == 0)
        return 0; /* as most are in a young store */
    for (size_t i = 0; i < BLACKBOX_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);
        memcpy(record + 8 * i, &word, sizeof word);
    }
    uint64_t number = ngi_get_u64(record + AT_NUMBER);
    if (number == 0 || number > BLACKBOX_NUMBER_MAX || (number - 1) % NGI_BLACKBOX_EVENTS != slot ||
        ngi_get_u32(record + AT_RECORD_CRC) != blackbox_record_crc(record))
        return 0;
    return number;
}

static uint64_t blackbox_newest(blackbox_word *words)
{
    uint8_t record[BLACKBOX_RECORD];
    uint64_t newest = 0;
    for (size_t slot = 0; slot < NGI_BLACKBOX_EVENTS; slot++) {
        uint64_t number = blackbox_load(words, slot, record);
        if (number > newest)
            newest = number;
    }
    return newest;
}

/* Length of the UTF-8 character at `text`, 0 if it is none (RFC 3629: shortest form, no surrogates,
 * at most U+10FFFF). The NUL at the end is no continuation, so nothing is read behind it. */
static size_t blackbox_character(const uint8_t *text)
{
    uint8_t lead = text[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((lead == 0xE0 && text[1] < 0xA0) || (lead == 0xED && text[1] > 0x9F) ||
        (lead == 0xF0 && text[1] < 0x90) || (lead == 0xF4 && text[1] > 0x8F))
        return 0;
    return length;
}

/* Makes one line of UTF-8 of what stands in a record: it may have been cut inside a character, and
 * the bytes come from a file. */
static void blackbox_clean(char *text)
{
    uint8_t *at = (uint8_t *)text;
    while (*at != '\0') {
        size_t length = blackbox_character(at);
        if (length == 0)
            *at = '?';
        else if (*at < ' ' || *at == 0x7F)
            *at = ' ';
        at += length == 0 ? 1 : length;
    }
}

/* Calls `each` with the last events, oldest first. Those that are added meanwhile are left out. */
static void blackbox_scan(blackbox_word *words, ng_event_fn each, void *context)
{
    uint64_t newest = blackbox_newest(words);
    for (size_t i = 0; i < NGI_BLACKBOX_EVENTS; i++) {
        uint8_t record[BLACKBOX_RECORD];
        size_t slot = (size_t)((newest + i) % NGI_BLACKBOX_EVENTS);
        uint64_t number = blackbox_load(words, slot, record);
        if (number == 0 || number > newest || number + NGI_BLACKBOX_EVENTS <= newest)
            continue;
        char kind[BLACKBOX_KIND_BYTES + 1] = "";
        char text[BLACKBOX_TEXT_BYTES + 1] = "";
        memcpy(kind, record + AT_KIND, BLACKBOX_KIND_BYTES);
        memcpy(text, record + AT_TEXT, BLACKBOX_TEXT_BYTES);
        blackbox_clean(kind);
        blackbox_clean(text);
        ng_event event = {.number = number,
                          .time_us = ngi_get_u64(record + AT_TIME),
                          .seq = ngi_get_u64(record + AT_SEQ),
                          .thread = ngi_get_u32(record + AT_THREAD),
                          .process = ngi_get_u32(record + AT_PROCESS),
                          .kind = kind,
                          .text = text};
        each(context, &event);
    }
}

/* ------------------------------------------------------------------------------- open and close */

/* Whether an open file is a black box that can be written to. */
static bool blackbox_is_usable(ngi_os *os, ngi_file file, const char *path)
{
    uint8_t header[BLACKBOX_RECORD];
    uint64_t bytes = 0;
    size_t got = 0;
    return os->file_size(os, file, &bytes) == NG_OK && bytes == BLACKBOX_BYTES &&
           os->file_read(os, file, header, sizeof header, 0, &got) == NG_OK &&
           blackbox_header_check(header, got, path) == NG_OK;
}

static ng_status blackbox_map(ngi_blackbox *box, ngi_file file)
{
    void *image = NULL;
    ng_status status = box->os->file_map(box->os, file, BLACKBOX_BYTES, &image);
    if (status != NG_OK)
        return status;
    box->file = file;
    box->words = image;
    return NG_OK;
}

/* Makes it under another name, so that nobody who reads meets half of a header. Not synced: after a
 * crash of the machine an empty file is made anew like a damaged one. */
static ng_status blackbox_make(ngi_blackbox *box, const char *path)
{
    ngi_os *os = box->os;
    char temporary[BLACKBOX_PATH_BYTES];
    uint8_t header[BLACKBOX_RECORD];
    ngi_file file;
    ng_status status = blackbox_path(box->directory, NGI_BLACKBOX_NAME ".new", temporary);
    if (status != NG_OK)
        return status;
    status =
        os->file_open(os, temporary, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE, &file);
    if (status != NG_OK)
        return status;
    blackbox_header_encode(os->clock_us(os), header);
    NGI_TRY(os->file_write(os, file, header, sizeof header, 0));
    NGI_TRY(blackbox_map(box, file));
    NGI_TRY(os->rename(os, temporary, path));
    return NG_OK;
out:
    if (box->words != NULL)
        os->file_unmap(os, (void *)box->words, BLACKBOX_BYTES);
    box->words = NULL;
    box->file = NO_FILE;
    os->file_close(os, file);
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    (void)!os->remove(os, temporary); /* the next attempt truncates what is left */
    ngi_error_set(reason);
    return status;
}

static ng_status blackbox_attach(ngi_blackbox *box)
{
    ngi_os *os = box->os;
    char path[BLACKBOX_PATH_BYTES];
    ngi_file file;
    ng_status status = blackbox_path(box->directory, NGI_BLACKBOX_NAME, path);
    if (status != NG_OK)
        return status;
    status = os->file_open(os, path, NGI_OPEN_WRITE, &file);
    if (status == NG_E_NOT_FOUND)
        return blackbox_make(box, path);
    if (status != NG_OK)
        return status;
    if (!blackbox_is_usable(os, file, path)) {
        os->file_close(os, file);
        return blackbox_make(box, path);
    }
    status = blackbox_map(box, file);
    if (status != NG_OK)
        os->file_close(os, file);
    return status;
}

static void blackbox_set_durable(ngi_blackbox *box, ng_seq durable)
{
    atomic_store(&box->words[AT_DURABLE / 8], blackbox_little(durable));
    atomic_store(&box->words[AT_DURABLE_CHECK / 8], blackbox_little(~durable));
}

ng_status ngi_blackbox_open(ngi_os *os, const char *directory, ngi_blackbox **out)
{
    /* The image of a box without a file begins at a multiple of its words. */
    size_t head_bytes =
        (sizeof(ngi_blackbox) + BLACKBOX_RECORD - 1) & ~(size_t)(BLACKBOX_RECORD - 1);
    size_t own_bytes = directory == NULL ? head_bytes + BLACKBOX_BYTES : head_bytes;
    void *block = NULL;
    *out = NULL;
    ng_status status = os->memory_map_sparse(os, own_bytes, &block);
    if (status != NG_OK)
        return status;
    ngi_blackbox *box = block;
    box->os = os;
    box->own_bytes = own_bytes;
    box->file = NO_FILE;
    box->process = ngi_os_process_id();
    if (directory == NULL) {
        box->words = (blackbox_word *)(void *)((uint8_t *)block + head_bytes);
    } else {
        size_t length = strlen(directory);
        if (length < sizeof box->directory) {
            memcpy(box->directory, directory, length);
            status = blackbox_attach(box);
        } else {
            status = ngi_fail(NG_E_INVALID, "%.64s...: the path is too long", directory);
        }
    }
    if (status != NG_OK) {
        os->memory_release(os, block, own_bytes);
        return status;
    }
    atomic_init(&box->number, blackbox_newest(box->words));
    blackbox_set_durable(box, 0);
    *out = box;
    return NG_OK;
}

void ngi_blackbox_close(ngi_blackbox *box)
{
    if (box == NULL)
        return;
    ngi_os *os = box->os;
    if (box->file != NO_FILE) {
        os->file_unmap(os, (void *)box->words, BLACKBOX_BYTES);
        os->file_close(os, box->file);
    }
    os->memory_release(os, box, box->own_bytes);
}

/* ------------------------------------------------------------------------------------- writing */

/* The system is asked once per thread; the process stands beside it because a number does not
 * survive a fork. */
static uint32_t blackbox_thread(uint32_t process)
{
    static _Thread_local uint32_t known_process, known_thread;
    if (known_process != process) {
        known_thread = ngi_os_thread_id();
        known_process = process;
    }
    return known_thread;
}

void ngi_blackbox_note(ngi_blackbox *box, const char *kind, ng_seq seq, const char *format, ...)
{
    if (box == NULL)
        return;
    uint64_t number = atomic_fetch_add_explicit(&box->number, 1, memory_order_relaxed) + 1;
    uint8_t record[BLACKBOX_RECORD] = {0};
    ngi_put_u64(record + AT_NUMBER, number);
    ngi_put_u64(record + AT_TIME, box->os->clock_us(box->os));
    ngi_put_u64(record + AT_SEQ, seq);
    ngi_put_u32(record + AT_THREAD, blackbox_thread(box->process));
    ngi_put_u32(record + AT_PROCESS, box->process);
    snprintf((char *)record + AT_KIND, BLACKBOX_KIND_BYTES, "%s", kind);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf((char *)record + AT_TEXT, BLACKBOX_TEXT_BYTES, format, arguments);
    va_end(arguments);
    ngi_put_u32(record + AT_RECORD_CRC, blackbox_record_crc(record));

    size_t slot = (size_t)((number - 1) % NGI_BLACKBOX_EVENTS);
    blackbox_word *to = box->words + (1 + slot) * BLACKBOX_WORDS;
    for (size_t i = 0; i < BLACKBOX_WORDS; i++) {
        uint64_t word;
        memcpy(&word, record + 8 * i, sizeof word);
        if (i != AT_RECORD_CRC / 8)
            atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
    uint64_t last;
    memcpy(&last, record + AT_RECORD_CRC, sizeof last);
    atomic_store_explicit(&to[AT_RECORD_CRC / 8], last, memory_order_release);
}

void ngi_blackbox_publish(ngi_blackbox *box, ng_seq durable)
{
    if (box == NULL)
        return;
    blackbox_word *value = &box->words[AT_DURABLE / 8];
    blackbox_word *check = &box->words[AT_DURABLE_CHECK / 8];
    uint64_t now = atomic_load(value);
    do {
        if (blackbox_little(now) >= durable)
            return;
    } while (!atomic_compare_exchange_weak(value, &now, blackbox_little(durable)));
    /* Whoever stores the check last has seen afterwards that it belongs to the value. */
    do {
        now = atomic_load(value);
        atomic_store(check, ~now);
    } while (atomic_load(value) != now);
}

/* ------------------------------------------------------------------------------------- reading */

ng_status ngi_blackbox_durable(ngi_os *os, const char *directory, ng_seq *out)
{
    char path[BLACKBOX_PATH_BYTES];
    ngi_file file;
    ng_status status = blackbox_path(directory, NGI_BLACKBOX_NAME, path);
    if (status == NG_OK)
        status = os->file_open(os, path, NGI_OPEN_READ, &file);
    if (status != NG_OK)
        return status;
    bool whole = false;
    for (int i = 0; i < BLACKBOX_READ_TRIES && status == NG_OK && !whole; i++) {
        uint8_t header[BLACKBOX_RECORD] = {0};
        size_t got = 0;
        status = os->file_read(os, file, header, sizeof header, 0, &got);
        if (status == NG_OK)
            status = blackbox_header_check(header, got, path);
        *out = ngi_get_u64(header + AT_DURABLE);
        whole = ngi_get_u64(header + AT_DURABLE_CHECK) == ~*out;
    }
    os->file_close(os, file);
    if (status == NG_OK && !whole)
        status = ngi_fail(NG_E_CORRUPT, "%s: damaged at offset %d", path, AT_DURABLE);
    return status;
}

/* Reads the file into `image`; what is missing at its end stays zero, which is no event. */
static ng_status blackbox_read_image(ngi_os *os, const char *path, uint8_t *image)
{
    ngi_file file;
    size_t got = 0;
    ng_status status = os->file_open(os, path, NGI_OPEN_READ, &file);
    if (status != NG_OK)
        return status;
    status = os->file_read(os, file, image, BLACKBOX_BYTES, 0, &got);
    os->file_close(os, file);
    return status != NG_OK ? status : blackbox_header_check(image, got, path);
}

ng_status ngi_blackbox_read(ngi_os *os, const char *directory, ng_event_fn each, void *context)
{
    char path[BLACKBOX_PATH_BYTES];
    void *image = NULL;
    ng_status status = blackbox_path(directory, NGI_BLACKBOX_NAME, path);
    if (status == NG_OK)
        status = os->memory_map_sparse(os, BLACKBOX_BYTES, &image);
    if (status != NG_OK)
        return status;
    status = blackbox_read_image(os, path, image);
    if (status == NG_OK)
        blackbox_scan(image, each, context);
    os->memory_release(os, image, BLACKBOX_BYTES);
    return status;
}

/* ---------------------------------------------------------------------------------------- dump */

/* A stream of JSON into a file, without memory from the heap: it is written when an invariant is
 * broken, which may be the heap's. */
typedef struct blackbox_dump {
    ngi_os *os;
    ngi_file file;
    ng_status status; /* of the first write that failed */
    uint64_t offset;
    size_t used;
    bool any;
    char buffer[4096];
} blackbox_dump;

static void dump_flush(blackbox_dump *dump)
{
    if (dump->status == NG_OK && dump->used > 0)
        dump->status =
            dump->os->file_write(dump->os, dump->file, dump->buffer, dump->used, dump->offset);
    dump->offset += dump->used;
    dump->used = 0;
}

static void dump_bytes(blackbox_dump *dump, const char *data, size_t bytes)
{
    if (dump->used + bytes > sizeof dump->buffer)
        dump_flush(dump);
    memcpy(dump->buffer + dump->used, data, bytes);
    dump->used += bytes;
}

static void dump_number(blackbox_dump *dump, const char *before, uint64_t value)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%s%llu", before, (unsigned long long)value);
    dump_bytes(dump, text, (size_t)length);
}

/* `text` went through blackbox_clean: no control characters are left. */
static void dump_string(blackbox_dump *dump, const char *before, const char *text)
{
    dump_bytes(dump, before, strlen(before));
    dump_bytes(dump, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            dump_bytes(dump, "\\", 1);
        dump_bytes(dump, text, 1);
    }
    dump_bytes(dump, "\"", 1);
}

static void dump_event(void *context, const ng_event *event)
{
    blackbox_dump *dump = context;
    dump_number(dump, dump->any ? ",\n{\"number\":" : "\n{\"number\":", event->number);
    dump->any = true;
    dump_number(dump, ",\"time_us\":", event->time_us);
    dump_number(dump, ",\"seq\":", event->seq);
    dump_number(dump, ",\"thread\":", event->thread);
    dump_number(dump, ",\"process\":", event->process);
    dump_string(dump, ",\"kind\":", event->kind);
    dump_string(dump, ",\"text\":", event->text);
    dump_bytes(dump, "}", 1);
}

static void dump_document(blackbox_dump *dump, ngi_blackbox *box, const char *reason)
{
    char line[512];
    snprintf(line, sizeof line, "%s", reason);
    blackbox_clean(line);
    dump_string(dump, "{\"reason\":", line);
    dump_number(dump, ",\"time_us\":", box->os->clock_us(box->os));
    dump_number(dump, ",\"process\":", box->process);
    dump_bytes(dump, ",\"events\":[", 11);
    blackbox_scan(box->words, dump_event, dump);
    dump_bytes(dump, "]}\n", 3);
    dump_flush(dump);
}

ng_status ngi_blackbox_dump(ngi_blackbox *box, const char *reason)
{
    if (box == NULL || box->directory[0] == '\0')
        return NG_OK; /* there is no place for it */
    ngi_os *os = box->os;
    char path[BLACKBOX_PATH_BYTES];
    char temporary[BLACKBOX_PATH_BYTES];
    blackbox_dump dump = {.os = os};
    ng_status status = blackbox_path(box->directory, "blackbox.json", path);
    if (status == NG_OK)
        status = blackbox_path(box->directory, "blackbox.json.new", temporary);
    if (status == NG_OK)
        status = os->file_open(os, temporary, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE,
                               &dump.file);
    if (status != NG_OK)
        return status;
    dump_document(&dump, box, reason);
    status = dump.status;
    if (status == NG_OK)
        status = os->file_sync(os, dump.file);
    os->file_close(os, dump.file);
    return status == NG_OK ? os->rename(os, temporary, path) : status;
}
