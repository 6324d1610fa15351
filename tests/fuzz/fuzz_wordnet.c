/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* WordNet: any bytes as its four files. Input: their contents, with a byte 0 between. Relations that
 * come out are between words that there are. */
#include "fuzz.h"

#include "base/base_limits.h"
#include "mind/mind_wordnet.h"

#define WORDNET_PATH "/sim/wordnet"

static void put_files(sim_disk *disk, const uint8_t *data, size_t bytes)
{
    static const char *const names[] = {"/data.noun", "/data.verb", "/data.adj", "/data.adv"};
    FUZZ_CHECK(sim_disk_os(disk)->make_directory(sim_disk_os(disk), WORDNET_PATH) == NG_OK);
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *end = i < 3 && bytes != 0 ? memchr(data, 0, bytes) : NULL;
        size_t length = end != NULL ? (size_t)(end - data) : bytes;
        char path[64];
        snprintf(path, sizeof path, "%s%s", WORDNET_PATH, names[i]);
        sim_disk_file_put(disk, path, data, length);
        size_t used = length + (end != NULL);
        data += used;
        bytes -= used;
    }
}

static void walk(ngi_mem *mem, ngi_wordnet *wordnet)
{
    ngi_relation relations[64];
    size_t count = 1;
    uint32_t words = ngi_wordnet_word_count(wordnet);
    while (count > 0) {
        ng_status status = ngi_wordnet_next(mem, wordnet, relations, 64, &count);
        FUZZ_CHECK(status == NG_OK && count <= 64);
        for (size_t i = 0; i < count; i++) {
            FUZZ_CHECK(relations[i].source < words && relations[i].target < words);
            FUZZ_CHECK(relations[i].source != relations[i].target);
        }
    }
    for (uint32_t i = 0; i < words; i++) {
        size_t bytes = 0;
        const char *word = ngi_wordnet_word(wordnet, i, &bytes);
        FUZZ_CHECK(word != NULL && bytes > 0 && bytes <= NGI_LABEL_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    put_files(disk, data, bytes);
    ngi_wordnet *wordnet = NULL;
    ng_status status = ngi_wordnet_load(&mem.mem, sim_disk_os(disk), WORDNET_PATH, NULL, &wordnet);
    if (status == NG_OK)
        walk(&mem.mem, wordnet);
    else
        FUZZ_CHECK(ng_last_error()[0] != '\0');
    ngi_wordnet_destroy(&mem.mem, wordnet);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    static const char good[] =
        "  1 A licence.  \n"
        "00000001 05 n 02 Dog 0 domestic_dog 0 002 @ 00000002 n 0000 ~ 00000003 n 0000 | a dog\n"
        "00000002 05 n 01 canine 0 002 ~ 00000001 n 0000 -c 00000001 v 0000 | a canine  \n"
        "00000003 05 n 02 puppy 0 dog 1 001 @i 00000001 n 0000 | a young dog\n\0"
        "00000001 30 v 01 bark 0 002 ;c 00000002 n 0000 > 00000002 v 0000 01 + 02 00 | to bark\n"
        "00000002 30 v 02 noise 0 sound 0 000 01 + 08 01 | to sound\n\0"
        "00000001 00 a 02 good(p) 0 well(ip) 0 001 ! 00000002 a 0201 | fine\n"
        "00000002 00 s 01 bad(a) 0 001 & 00000001 a 0000 | not (a) fine\n\0"
        "00000001 02 r 01 badly 0 001 \\ 00000002 a 0101 | so\n";
    each(context, "good", good, sizeof good - 1);
    static const char few[] = "00000001 05 n ff a 0 001 @ 00000001 n 0101 | x\n\0\0\0";
    each(context, "few", few, sizeof few - 1);
    each(context, "empty", "", 0);
}
