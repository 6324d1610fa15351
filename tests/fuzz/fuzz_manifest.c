/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* MANIFEST: any bytes. Input: u8 flags (bit 7 checksum made right), then the file. What is read can
 * be written, and is read as it was. */
#include "fuzz_image.h"

#include "wal/wal_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    uint8_t *file = malloc(bytes);
    FUZZ_CHECK(file != NULL);
    memcpy(file, data + 1, bytes - 1);
    if (data[0] & 0x80)
        fuzz_fix_file("MANIFEST", file, bytes - 1, 0);
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    sim_disk_file_put(disk, "/sim/MANIFEST", file, bytes - 1);
    ngi_manifest first, second;
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    ng_status status = ngi_manifest_read(os, "/sim", &first);
    if (status == NG_OK) {
        size_t length = 0;
        FUZZ_CHECK(ngi_manifest_write(os, "/sim", &first) == NG_OK);
        FUZZ_CHECK(ngi_manifest_read(os, "/sim", &second) == NG_OK);
        FUZZ_CHECK(memcmp(first.uuid, second.uuid, sizeof first.uuid) == 0);
        FUZZ_CHECK(memcmp(&first.encoding, &second.encoding, sizeof first.encoding) == 0);
        FUZZ_CHECK(first.created_us == second.created_us && first.clean_seq == second.clean_seq);
        FUZZ_CHECK(first.snapshot_seq == second.snapshot_seq &&
                   first.first_segment == second.first_segment);
        uint8_t *written = sim_disk_file_copy(disk, "/sim/MANIFEST", &length);
        FUZZ_CHECK(length <= bytes - 1); /* what stands behind it does not count */
        free(written);
    } else {
        FUZZ_CHECK(strstr(ng_last_error(), "MANIFEST") != NULL);
    }
    sim_disk_destroy(disk);
    free(file);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    for (unsigned base = 0; base < 2; base++) {
        size_t bytes = 0;
        uint8_t *file = fuzz_store_file(base, "MANIFEST", &bytes);
        uint8_t *seed = malloc(bytes + 1);
        FUZZ_CHECK(seed != NULL);
        memcpy(seed + 1, file, bytes);
        for (unsigned fix = 0; fix < 2; fix++) {
            char name[32];
            seed[0] = (uint8_t)(fix << 7);
            snprintf(name, sizeof name, "manifest-%u-%u", base, fix);
            each(context, name, seed, bytes + 1);
        }
        free(seed);
        free(file);
    }
}
