/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings as JSON: any bytes as the file. Words that come out are finite numbers with a name. */
#include "fuzz.h"

#include "mind/mind_wink.h"

#include <math.h>

#define WINK_PATH "/sim/words.json"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    sim_disk_file_put(disk, WINK_PATH, data, bytes);
    ngi_wink *wink = NULL;
    ng_status status = ngi_wink_open(&mem.mem, sim_disk_os(disk), WINK_PATH, &wink);
    bool end = false;
    size_t words = 0;
    while (status == NG_OK && !end) {
        ngi_word word;
        status = ngi_wink_next(wink, &word, &end);
        if (status != NG_OK || end)
            break;
        FUZZ_CHECK(wink->dimensions >= NGI_DIMENSIONS_MIN &&
                   wink->dimensions <= NGI_DIMENSIONS_MAX);
        for (uint32_t i = 0; i < wink->dimensions; i++)
            FUZZ_CHECK(isfinite(word.vector[i]));
        FUZZ_CHECK(++words <= bytes);
    }
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    ngi_wink_close(&mem.mem, wink);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    static const char whole[] =
        "{\"precision\":8,\"l2NormIndex\":2,\"wordIndex\":3,\"dimensions\":2,\"unkVector\":[0,0,0,"
        "-1],\"size\":2,\"words\":[\"a\",\"b\"],\"vectors\":{\"a\":[0.5,-0.25,0.6,0],"
        "\"b\":[1,2,2.2,1]}}";
    static const char *const seeds[] = {
        whole,
        "{\"vectors\":{\"\\u0441\\ud83d\\ude00\":[1,2,3,0]},\"dimensions\":2}",
        "{\"dimensions\":2,\"vectors\":{\"x\":[1e999,2,0,0]}}",
        "{\"a\":{\"b\":[[[[{}]]]]},\"vectors\":{}}",
        "[1,2,3]",
        "{\"vectors\":{\"a\":[1,2,3,0],\"a\":[1,2,3,1]}} x",
        "{\"vectors\":{\"\\u0000\":[1,2,3,0]}}",
        ""};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char name[32];
        snprintf(name, sizeof name, "wink-%zu", i);
        each(context, name, seeds[i], strlen(seeds[i]));
    }
}
