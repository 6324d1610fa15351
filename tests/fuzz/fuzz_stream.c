/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A changed stream: read through, restored into a new store, and applied to one that follows.
 *
 * Input: u8 flags (bit 0 which stream, bit 7 checksums made right), then changes (fuzz_image.h).
 * What is restored opens and is consistent; a failed restore leaves nothing behind. */
#include "fuzz_image.h"

#include "sample_store.h"
#include "store/store_restore.h"
#include "store/store_stream.h"

#define RESTORED "/sim/restored"

typedef struct fuzz_source {
    const uint8_t *data;
    size_t bytes, at;
} fuzz_source;

static ng_status give(void *context, void *data, size_t capacity, size_t *bytes)
{
    fuzz_source *source = context;
    size_t left = source->bytes - source->at;
    *bytes = left < capacity ? left : capacity;
    if (*bytes > 1000)
        *bytes = 1000; /* in pieces */
    memcpy(data, source->data + source->at, *bytes);
    source->at += *bytes;
    return NG_OK;
}

static void read_through(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    fuzz_source source = {data, bytes, 0};
    ngi_stream_head head;
    ng_seq last = 0;
    uint64_t length = 0;
    ng_status status = ngi_stream_verify(&mem.mem, give, &source, &head, &last, &length);
    FUZZ_CHECK(status != NG_OK || length == bytes);
    fuzz_no_leak(&mem);
}

static void check_restored(sim_disk *disk, fail_mem *mem)
{
    ng_store *store = NULL;
    ng_open_options options = sample_options();
    ng_check_report report;
    FUZZ_CHECK(ngi_store_open(sim_disk_os(disk), &mem->mem, RESTORED, &options, &store) == NG_OK);
    FUZZ_CHECK(ngi_store_check(store, &report) == NG_OK);
    FUZZ_CHECK(report.problem_count == 0);
    FUZZ_CHECK(ngi_store_close(store) == NG_OK);
}

/* The stream of ops goes to a copy made of the whole one, which was not changed. */
static void apply(sim_disk *disk, fail_mem *mem, const uint8_t *data, size_t bytes)
{
    fuzz_input none = {NULL, 0};
    fuzz_source source = {NULL, 0, 0};
    uint8_t *whole = fuzz_stream_image(0, &none, false, &source.bytes);
    source.data = whole;
    ng_restore_options options = {.struct_size = sizeof options, .follow = true};
    ngi_os *os = sim_disk_os(disk);
    FUZZ_CHECK(ngi_store_stream_restore(os, &mem->mem, give, &source, RESTORED, &options, NULL) ==
               NG_OK);
    free(whole);
    ng_store *store = NULL;
    ng_open_options small = sample_options();
    ng_check_report report;
    source = (fuzz_source){data, bytes, 0};
    FUZZ_CHECK(ngi_store_open(os, &mem->mem, RESTORED, &small, &store) == NG_OK);
    ng_status status = ngi_store_stream_apply(store, give, &source, NULL);
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    FUZZ_CHECK(ngi_store_check(store, &report) == NG_OK);
    FUZZ_CHECK(report.problem_count == 0);
    FUZZ_CHECK(ngi_store_close(store) == NG_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    uint8_t flags = fuzz_u8(&input);
    size_t length = 0;
    uint8_t *stream = fuzz_stream_image(flags & 1, &input, (flags & 0x80) != 0, &length);
    read_through(stream, length);
    fail_mem mem;
    fail_mem_init(&mem, 64u << 20);
    sim_disk *disk = sim_disk_create(1);
    fuzz_source source = {stream, length, 0};
    ng_status status =
        ngi_store_stream_restore(sim_disk_os(disk), &mem.mem, give, &source, RESTORED, NULL, NULL);
    if (status == NG_OK) {
        check_restored(disk, &mem);
    } else {
        FUZZ_CHECK(ng_last_error()[0] != '\0');
        FUZZ_CHECK(sim_disk_files(disk, NULL, 0) == 0);
        if (flags & 1)
            apply(disk, &mem, stream, length);
    }
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    free(stream);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    uint8_t seed[64];
    for (uint8_t base = 0; base < FUZZ_STREAMS; base++) {
        for (unsigned fix = 0; fix < 2; fix++) {
            for (unsigned i = 0; i < 40; i++) {
                char name[32];
                seed[0] = (uint8_t)(base | fix << 7);
                uint8_t *end = fuzz_put_change(seed + 1, i % 2 ? FUZZ_ADD : FUZZ_OVERWRITE, 0,
                                               (uint16_t)(i < 20 ? i * 8 : 512 + i * 100),
                                               "\xff\xff\xff\x7f", 4);
                snprintf(name, sizeof name, "stream-%u-%u-%u", base, fix, i);
                each(context, name, seed, (size_t)(end - seed));
            }
        }
        each(context, base == 0 ? "whole" : "ops", &base, 1);
    }
}
