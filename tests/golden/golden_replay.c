/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Prints the golden store as this build makes it, and what reading it back gives.
 *
 *     golden_replay           sums of the files, and the states; equal for every build (cross.sh)
 *     golden_replay --text    golden.txt
 *     golden_replay --fields  golden_fields.txt */
#include "golden_build.h"

#include <stdlib.h>
#include <string.h>

static uint64_t opened(const golden_set *golden)
{
    sim_disk *disk = golden_disk(golden);
    uint64_t hash = 0;
    if (golden_open(disk, GOLDEN_STORE, 0, &hash) != NG_OK) {
        fprintf(stderr, "golden store: %s\n", ng_last_error());
        exit(1);
    }
    sim_disk_destroy(disk);
    return hash;
}

static uint64_t restored(const golden_set *golden)
{
    const golden_file *streams[] = {golden_find(golden, "whole.full"),
                                    golden_find(golden, "ops.incremental")};
    sim_disk *disk = sim_disk_create(3);
    uint64_t hash = 0;
    if (golden_restore(disk, streams, 2, "/sim/restored") != NG_OK ||
        golden_open(disk, "/sim/restored", 0, &hash) != NG_OK) {
        fprintf(stderr, "golden store: %s\n", ng_last_error());
        exit(1);
    }
    sim_disk_destroy(disk);
    return hash;
}

int main(int argc, char **argv)
{
    golden_set golden;
    bool has_fields = argc == 2 && strcmp(argv[1], "--fields") == 0;
    bool is_text = has_fields || (argc == 2 && strcmp(argv[1], "--text") == 0);
    golden_make(&golden, has_fields);
    golden_print(&golden, stdout, is_text);
    if (!is_text) {
        printf("opened %016llx\n", (unsigned long long)opened(&golden));
        printf("restored %016llx\n", (unsigned long long)restored(&golden));
    }
    golden_release(&golden);
    return 0;
}
