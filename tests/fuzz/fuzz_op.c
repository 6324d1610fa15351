/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bodies of ops as another store might have made them, applied one after the other.
 *
 * Input: items of u8 kind (of a real op: 1 to 19), u16 bytes, body. An op is refused as a whole or
 * leaves a consistent store. */
#include "fuzz_image.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "sample_store.h"
#include "store/store_private.h"

#define OPS_MAX 32

static ng_store *open_store(fail_mem *mem, sim_disk *disk)
{
    ng_store *store = NULL;
    sample_state sample = {0};
    ng_open_options options = sample_options();
    FUZZ_CHECK(ngi_store_open(sim_disk_os(disk), &mem->mem, NULL, &options, &store) == NG_OK);
    FUZZ_CHECK(sample_write(store, &sample, 0) == NG_OK);
    return store;
}

static void check_clean(ng_store *store)
{
    ng_check_report report;
    FUZZ_CHECK(ngi_store_check(store, &report) == NG_OK);
    FUZZ_CHECK(report.problem_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 64u << 20);
    sim_disk *disk = sim_disk_create(1);
    ng_store *store = open_store(&mem, disk);
    fuzz_input input = {data, bytes};
    for (int i = 0; i < OPS_MAX && input.left > 0; i++) {
        ng_seq applied = 0, after = 0;
        uint64_t before = 0, hash = 0;
        size_t got = 0;
        ngi_store_positions(store, &applied, NULL);
        ngi_op op = {.seq = applied + 1, .time_us = 1800000000000000u + applied};
        op.kind = fuzz_u8(&input);
        size_t wanted = fuzz_u16(&input);
        const uint8_t *body = fuzz_bytes(&input, wanted, &got);
        /* Of exactly its size, so that reading beyond it is seen. */
        uint8_t *copy = malloc(got == 0 ? 1 : got);
        FUZZ_CHECK(copy != NULL);
        if (got != 0)
            memcpy(copy, body, got);
        op.body = copy;
        op.body_bytes = (uint32_t)got;
        FUZZ_CHECK(ngi_store_hash(store, &before) == NG_OK);
        ng_status status = ngi_store_apply_stamped(store, &op);
        ngi_store_positions(store, &after, NULL);
        FUZZ_CHECK(after == applied + (status == NG_OK));
        FUZZ_CHECK(ngi_store_hash(store, &hash) == NG_OK);
        FUZZ_CHECK(status == NG_OK || hash == before);
        free(copy);
        check_clean(store);
    }
    FUZZ_CHECK(ngi_store_close(store) == NG_OK);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

/* The ops of the sample store, as they stand in its log: each alone, and all of them. */
void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    size_t bytes = 0, all_bytes = 0;
    uint8_t *log = fuzz_store_file(0, ".log", &bytes);
    uint8_t *all = malloc(bytes);
    FUZZ_CHECK(all != NULL);
    unsigned count = 0;
    for (size_t at = 64; at + 40 <= bytes && ngi_get_u32(log + at) == 0x706F474Eu;) {
        uint32_t body = ngi_get_u32(log + at + 8);
        if (at + 40 + body > bytes || body > 0xFFFF)
            break;
        uint8_t *item = all + all_bytes;
        item[0] = log[at + 12];
        item[1] = (uint8_t)body;
        item[2] = (uint8_t)(body >> 8);
        memcpy(item + 3, log + at + 40, body);
        char name[32];
        snprintf(name, sizeof name, "op-%u", count++);
        each(context, name, item, 3 + (size_t)body);
        all_bytes += 3 + (size_t)body;
        at += (40 + (size_t)body + 7) / 8 * 8;
    }
    FUZZ_CHECK(count > 10);
    /* A grid is made, gets tokens 2 and 4, loses 4, and is dropped. */
    static const uint8_t grids[] = {11,  28, 0, 1,    0, 0, 0, 4, 0, 0, 0,    0, 0,   0x20, 0x41,
                                    0,   0,  0, 0x3F, 3, 0, 0, 0, 0, 0, 0,    0, 'g', 'r',  'i',
                                    'd', /* */
                                    13,  16, 0, 2,    0, 0, 0, 1, 0, 0, 0,    2, 0,   0,    0,
                                    4,   0,  0, 0,                                             /* */
                                    13,  12, 0, 1,    0, 0, 0, 1, 0, 0, 0x80, 4, 0,   0,    0, /* */
                                    2,   12, 0, 1,    0, 0, 0, 0, 0, 0, 0,    2, 0,   0,    0, /* */
                                    12,  8,  0, 1,    0, 0, 0, 0, 0, 0, 0};
    each(context, "grids", grids, sizeof grids);
    /* Field 1 of two numbers is made and dropped. Vectors come in transactions only. */
    static const uint8_t fields[] = {16, 24, 0, 1, 0, 0,   0,   2, 0, 0, 0, 2, 0, 0,
                                     0,  1,  0, 0, 0, 'v', 'f', 0, 0, 0, 0, 0, 0, /* */
                                     17, 8,  0, 1, 0, 0,   0,   0, 0, 0, 0};
    each(context, "fields", fields, sizeof fields);
    each(context, "all", all, all_bytes);
    free(all);
    free(log);
}
