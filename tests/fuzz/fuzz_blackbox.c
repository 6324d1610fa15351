/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The black box: any bytes in its file. Input: u8 flags (bit 7 checksum of the header made right),
 * then the beginning of the file; the rest of its size is zeroes. Events come in order of number
 * with text that ends; opening it makes it usable, whatever it was. */
#include "fuzz_image.h"

#include "os/os_blackbox.h"

#define BOX_BYTES (256u * 1001u)

static void look(void *context, const ng_event *event)
{
    uint64_t *last = context;
    FUZZ_CHECK(event->number > *last);
    FUZZ_CHECK(strlen(event->kind) < 16 && strlen(event->text) < 192);
    *last = event->number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t file[BOX_BYTES];
    uint8_t flags = bytes != 0 ? data[0] : 0;
    size_t length = bytes == 0 ? 0 : bytes - 1 < BOX_BYTES ? bytes - 1 : BOX_BYTES;
    memset(file, 0, sizeof file);
    if (length != 0)
        memcpy(file, data + 1, length);
    if (flags & 0x80)
        fuzz_fix_file("BLACKBOX", file, BOX_BYTES, 0);
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    sim_disk_file_put(disk, "/sim/BLACKBOX", file, flags & 1 ? length : BOX_BYTES);
    uint64_t last = 0;
    ng_seq durable = 0;
    (void)!ngi_blackbox_read(os, "/sim", look, &last);
    (void)!ngi_blackbox_durable(os, "/sim", &durable);
    ngi_blackbox *box = NULL;
    FUZZ_CHECK(ngi_blackbox_open(os, "/sim", &box) == NG_OK);
    ngi_blackbox_note(box, "test", 7, "%s", "a note");
    ngi_blackbox_publish(box, 5);
    ngi_blackbox_close(box);
    last = 0;
    FUZZ_CHECK(ngi_blackbox_read(os, "/sim", look, &last) == NG_OK);
    FUZZ_CHECK(last != 0);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    ngi_blackbox *box = NULL;
    FUZZ_CHECK(ngi_blackbox_open(os, "/sim", &box) == NG_OK);
    for (unsigned i = 0; i < 5; i++)
        ngi_blackbox_note(box, "seed", i, "event %u", i);
    ngi_blackbox_publish(box, 4);
    ngi_blackbox_close(box);
    size_t bytes = 0;
    uint8_t *file = sim_disk_file_copy(disk, "/sim/BLACKBOX", &bytes);
    FUZZ_CHECK(file != NULL);
    uint8_t seed[1 + 8 * 256];
    for (unsigned flags = 0; flags < 4; flags++) {
        char name[32];
        seed[0] = (uint8_t)((flags & 1) | (flags >> 1) << 7);
        memcpy(seed + 1, file, sizeof seed - 1);
        snprintf(name, sizeof name, "box-%u", flags);
        each(context, name, seed, sizeof seed);
    }
    free(file);
    sim_disk_destroy(disk);
}
