/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Embeddings as an array of NumPy with a vocabulary: two bytes tell how long the vocabulary is, then
 * it comes, then the array. */
#include "fuzz.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_npy.h"
#include "mind/mind_text.h"

#include <math.h>

#define NPY_PATH "/sim/words.npy"
#define VOCABULARY_PATH "/sim/words.vocab"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    fuzz_input input = {data, bytes};
    size_t length = fuzz_u16(&input);
    const uint8_t *vocabulary = fuzz_bytes(&input, length, &length);
    sim_disk_file_put(disk, VOCABULARY_PATH, vocabulary, length);
    sim_disk_file_put(disk, NPY_PATH, input.at, input.left);
    ngi_npy *npy = NULL;
    ng_status status = ngi_npy_open(&mem.mem, sim_disk_os(disk), NPY_PATH, NULL, &npy);
    bool end = false;
    size_t words = 0;
    while (status == NG_OK && !end) {
        ngi_word word;
        FUZZ_CHECK(npy->shape.dimensions >= NGI_DIMENSIONS_MIN &&
                   npy->shape.dimensions <= NGI_DIMENSIONS_MAX);
        status = ngi_npy_next(npy, &word, &end);
        if (status != NG_OK || end)
            break;
        for (uint32_t i = 0; i < npy->shape.dimensions; i++)
            FUZZ_CHECK(isfinite(word.vector[i]));
        FUZZ_CHECK(ngi_text_is_utf8(word.text, word.bytes));
        FUZZ_CHECK(++words <= npy->shape.rows);
    }
    FUZZ_CHECK(status != NG_OK || words == npy->shape.rows);
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    ngi_npy_close(&mem.mem, npy);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

static void seed(fuzz_seed_fn each, void *context, const char *name, unsigned major,
                 const char *dictionary)
{
    static const char words[] = "the\nice cream\n\xD0\xB4\r\n";
    made_file file = {0};
    made_half(&file, sizeof words - 1);
    made_text(&file, words);
    made_npy_header(&file, major, dictionary);
    for (int i = 0; i < 12; i++)
        made_float(&file, 0.75f * (float)i);
    each(context, name, file.data, file.bytes);
    made_release(&file);
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    seed(each, context, "npy-f4", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }");
    seed(each, context, "npy-f8", 2, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }");
    seed(each, context, "npy-f2", 3, "{'shape': (3, 8), 'descr': '<f2', 'fortran_order': False}");
    seed(each, context, "npy-order", 1,
         "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }");
    seed(
        each, context, "npy-record", 1,
        "{'descr': [('a', '<f4'), ('b', '>i2', (2, 3))], 'fortran_order': False, 'shape': (3,), }");
    seed(each, context, "npy-vast", 1,
         "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999, 4096), }");
    each(context, "npy-empty", "", 0);
}
