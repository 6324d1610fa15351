/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings as text: any bytes as the file. Words that come out are finite numbers with a name. */
#include "fuzz.h"

#include "mind/mind_glove.h"

#include <math.h>

#define GLOVE_PATH "/sim/words.txt"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    sim_disk_file_put(disk, GLOVE_PATH, data, bytes);
    ngi_glove *glove = NULL;
    ng_status status = ngi_glove_open(&mem.mem, sim_disk_os(disk), GLOVE_PATH, &glove);
    bool end = false;
    size_t words = 0;
    while (status == NG_OK && !end) {
        ngi_word word;
        status = ngi_glove_next(glove, &word, &end);
        if (status != NG_OK || end)
            break;
        FUZZ_CHECK(glove->dimensions >= NGI_DIMENSIONS_MIN &&
                   glove->dimensions <= NGI_DIMENSIONS_MAX);
        for (uint32_t i = 0; i < glove->dimensions; i++)
            FUZZ_CHECK(isfinite(word.vector[i]));
        FUZZ_CHECK(word.bytes > 0 && ++words <= bytes);
    }
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    ngi_glove_close(&mem.mem, glove);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    static const char *const seeds[] = {"the 0.418 0.24968 -0.41242\nof 0.70853 0.57088 -0.4716\n",
                                        "3 2\nalpha 1 2\nbeta -1e-3 4E2\ngamma 0 .5\n",
                                        "a\t1\t2\r\nb\t3\t4\r\n",
                                        "word nan inf\n",
                                        "x 1e400 1e-400\n",
                                        "\xEF\xBB\xBFslovo 1 2\n\n",
                                        "one 1\ntwo 1 2\n",
                                        ""};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char name[32];
        snprintf(name, sizeof name, "glove-%zu", i);
        each(context, name, seeds[i], strlen(seeds[i]));
    }
}
