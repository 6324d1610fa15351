/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings in the binary form of word2vec: any bytes as the file. */
#include "fuzz.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_text.h"
#include "mind/mind_word2vec.h"

#include <math.h>

#define WORD2VEC_PATH "/sim/words.bin"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    sim_disk_file_put(disk, WORD2VEC_PATH, data, bytes);
    ngi_word2vec *word2vec = NULL;
    ng_status status = ngi_word2vec_open(&mem.mem, sim_disk_os(disk), WORD2VEC_PATH, &word2vec);
    bool end = false;
    size_t words = 0;
    while (status == NG_OK && !end) {
        ngi_word word;
        status = ngi_word2vec_next(word2vec, &word, &end);
        if (status != NG_OK || end)
            break;
        FUZZ_CHECK(word2vec->dimensions >= NGI_DIMENSIONS_MIN &&
                   word2vec->dimensions <= NGI_DIMENSIONS_MAX);
        for (uint32_t i = 0; i < word2vec->dimensions; i++)
            FUZZ_CHECK(isfinite(word.vector[i]));
        FUZZ_CHECK(word.bytes > 0 && word.bytes <= NGI_WORD_BYTES_MAX);
        FUZZ_CHECK(ngi_text_is_utf8(word.text, word.bytes));
        FUZZ_CHECK(++words <= word2vec->announced_words);
    }
    FUZZ_CHECK(status != NG_OK || words == word2vec->announced_words);
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    ngi_word2vec_close(&mem.mem, word2vec);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

static void seed(fuzz_seed_fn each, void *context, const char *name, const char *header,
                 const char *behind)
{
    made_file file = {0};
    made_text(&file, header);
    for (int i = 0; i < 3; i++) {
        made_text(&file, i == 0 ? "</s> " : i == 1 ? "New_York " : "слово ");
        made_float(&file, 0.25f * (float)i);
        made_float(&file, -1);
        made_text(&file, behind);
    }
    each(context, name, file.data, file.bytes);
    made_release(&file);
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    seed(each, context, "word2vec-lines", "3 2\n", "\n");
    seed(each, context, "word2vec-plain", "3 2\n", "");
    seed(each, context, "word2vec-more", "900000000000000000 2 \r\n", "");
    seed(each, context, "word2vec-wide", "1 4096\n", "");
    each(context, "word2vec-text", "2 2\nthe 1 2\ncat 3 4\n", 20);
    each(context, "word2vec-empty", "", 0);
}
