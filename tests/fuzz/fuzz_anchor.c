/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A user's anchors: any bytes as the file. What comes out is in range and each word once. */
#include "fuzz.h"

#include "mind/mind_anchor_list.h"

#define ANCHOR_PATH "/sim/anchors.tsv"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    sim_disk_file_put(disk, ANCHOR_PATH, data, bytes);
    ngi_anchors anchors = {0};
    ng_status status = ngi_anchors_read(&mem.mem, sim_disk_os(disk), ANCHOR_PATH, &anchors);
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    uint64_t line = 0;
    for (size_t i = 0; i < anchors.count; i++) {
        const ngi_anchor *anchor = &anchors.list[i];
        if (anchor->line == 0) /* the one that failed */
            continue;
        const ng_modality_info *info = ngi_modality(anchor->modality);
        size_t word_bytes;
        (void)ngi_strings_get(&anchors.words, anchor->word, &word_bytes);
        FUZZ_CHECK(word_bytes > 0 && anchor->line > line);
        line = anchor->line;
        for (uint32_t v = 0; v < info->value_count; v++)
            FUZZ_CHECK(anchor->values[v] >= info->low && anchor->values[v] <= info->high);
    }
    ngi_anchors_release(&mem.mem, &anchors);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    static const char *const seeds[] = {"# mine\nemotion\tangry\t-0.65\t0.8\t0.3\n",
                                        "action,run,0.75,0.8,0.65,0.05\r\n\ncolour,sky,0,.5,1",
                                        "emotion\ta\t0\t0\t0\nemotion\tA\t0\t0\t0\n",
                                        "sound\tx\tnan\t1e99\t-1\n",
                                        "spatial,hot dog, 1 ,-1,0\ncolor\tr\t1\t0\n",
                                        "emotion\t\xFF\t0\t0\t0\n",
                                        ""};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char name[32];
        snprintf(name, sizeof name, "anchor-%zu", i);
        each(context, name, seeds[i], strlen(seeds[i]));
    }
}
