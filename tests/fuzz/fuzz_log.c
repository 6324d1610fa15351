/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recovery of a store from a directory with changed files: log, snapshots, MANIFEST.
 *
 * Input: u8 flags (bits 0-1 which store, bit 7 checksums made right), then changes (fuzz_image.h).
 * Whatever is opened is consistent, reads the same again, and is the same when opened for reading.
 * Only files that opening does not need may be found damaged afterwards. A snapshot whose checksums
 * are right is believed but for what memory safety needs: of a forged one it is only required that
 * nothing ends the program. */
#include "fuzz_image.h"

#include "sample_store.h"
#include "store/store_restore.h"
#include "store/store_stream.h"

#define COPY_BYTES (1u << 20)

typedef struct copy_stream {
    uint8_t data[COPY_BYTES];
    size_t bytes, at;
} copy_stream;

static ng_status take(void *context, const void *data, size_t bytes)
{
    copy_stream *copy = context;
    FUZZ_CHECK(copy->bytes + bytes <= COPY_BYTES);
    memcpy(copy->data + copy->bytes, data, bytes);
    copy->bytes += bytes;
    return NG_OK;
}

static ng_status give(void *context, void *data, size_t capacity, size_t *bytes)
{
    copy_stream *copy = context;
    *bytes = copy->bytes - copy->at < capacity ? copy->bytes - copy->at : capacity;
    memcpy(data, copy->data + copy->at, *bytes);
    copy->at += *bytes;
    return NG_OK;
}

/* ng_check also reads files that opening passed over. Whether the state itself is sound, restoring
 * a copy of it says. */
static void check_state(ng_store *store, bool is_forged)
{
    static copy_stream copy;
    ng_check_report report;
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    FUZZ_CHECK(ngi_store_check(store, &report) == NG_OK);
    if (report.problem_count == 0 || is_forged)
        return;
    FUZZ_CHECK(strstr(report.first_problem, ".snap") != NULL ||
               strstr(report.first_problem, ".log") != NULL);
    copy.bytes = 0;
    copy.at = 0;
    sim_disk *disk = sim_disk_create(1);
    FUZZ_CHECK(ngi_store_stream_write(store, NULL, take, &copy, NULL) == NG_OK);
    FUZZ_CHECK(ngi_store_stream_restore(sim_disk_os(disk), &mem, give, &copy, "/sim/copy", NULL,
                                        NULL) == NG_OK);
    sim_disk_destroy(disk);
}

static ng_status open_hash(sim_disk *disk, uint32_t flags, bool fix, uint64_t *hash)
{
    fail_mem mem;
    fail_mem_init(&mem, 64u << 20);
    ng_store *store = NULL;
    ng_open_options options = sample_options();
    options.flags |= flags | NG_OPEN_MUST_EXIST;
    ng_status status = ngi_store_open(sim_disk_os(disk), &mem.mem, FUZZ_STORE, &options, &store);
    if (status == NG_OK) {
        ng_info info;
        FUZZ_CHECK(ngi_store_info(store, &info) == NG_OK);
        check_state(store, fix && info.recovered_snapshot_seq != 0);
        FUZZ_CHECK(ngi_store_hash(store, hash) == NG_OK);
        FUZZ_CHECK(ngi_store_close(store) == NG_OK);
    } else {
        FUZZ_CHECK(ng_last_error()[0] != '\0');
    }
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    fuzz_no_leak(&mem);
    return status;
}

/* Ops on what was opened: refused or done, or the store stops, but the program goes on. */
static void write_more(sim_disk *disk)
{
    ngi_mem mem;
    ngi_mem_init(&mem, 64u << 20);
    ng_store *store = NULL;
    sample_state sample = {0};
    ng_open_options options = sample_options();
    options.flags |= NG_OPEN_MUST_EXIST;
    if (ngi_store_open(sim_disk_os(disk), &mem, FUZZ_STORE, &options, &store) != NG_OK)
        return;
    for (ng_token_id id = 1; id < 20; id++) {
        ng_status status = ngi_store_token_delete(store, id, NULL);
        FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    }
    for (unsigned stage = 0; stage < SAMPLE_STAGES; stage++) {
        ng_status status = sample_write(store, &sample, stage);
        FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    }
    (void)ngi_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = {data, bytes};
    uint8_t flags = fuzz_u8(&input);
    bool fix = (flags & 0x80) != 0;
    sim_disk *disk = fuzz_store_image(flags & 3, &input, fix);
    uint64_t looked = 0, first = 0, second = 0;
    ng_status look = open_hash(disk, NG_OPEN_READ_ONLY, fix, &looked);
    ng_status status = open_hash(disk, 0, fix, &first);
    FUZZ_CHECK((look == NG_OK) == (status == NG_OK));
    if (status == NG_OK) {
        FUZZ_CHECK(looked == first);
        FUZZ_CHECK(open_hash(disk, 0, fix, &second) == NG_OK);
        FUZZ_CHECK(first == second);
    }
    write_more(disk);
    sim_disk_destroy(disk);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    uint8_t seed[64];
    for (uint8_t base = 0; base < FUZZ_STORES; base++) {
        for (unsigned fix = 0; fix < 2; fix++) {
            for (unsigned what = 0; what < FUZZ_CHANGES; what++) {
                char name[32];
                seed[0] = (uint8_t)(base | fix << 7);
                uint8_t *end = fuzz_put_change(seed + 1, (fuzz_change)what, (uint8_t)(what + base),
                                               (uint16_t)(64 + 40 * base), "\x07\x01\xff", 3);
                snprintf(name, sizeof name, "store-%u-%u-%u", base, fix, what);
                each(context, name, seed, (size_t)(end - seed));
            }
        }
        each(context, base == 0 ? "log" : base == 1 ? "snapshot" : "crash", &base, 1);
    }
}
