/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file of embeddings of any format, compressed or not: any bytes as the file. It is told what it
 * is, and read as that. */
#include "fuzz.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_words.h"

#include <math.h>

#define GZIP_PATH "/sim/words"
#define GZIP_RATIO_MAX 1100 /* deflate makes at most 1032 bytes of one */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fail_mem mem;
    fail_mem_init(&mem, 0);
    sim_disk *disk = sim_disk_create(1);
    ngi_os *os = sim_disk_os(disk);
    sim_disk_file_put(disk, GZIP_PATH, data, bytes);
    sim_disk_file_put(disk, GZIP_PATH ".vocab", "a\nb\nc\n", 6);
    ng_format format = NG_FORMAT_AUTO;
    ngi_words words = {0};
    ng_status status = ngi_words_detect(&mem.mem, os, GZIP_PATH, &format);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    if (status == NG_OK) {
        FUZZ_CHECK(format != NG_FORMAT_AUTO && format != NG_FORMAT_WORDNET);
        status = ngi_words_open(&words, &mem.mem, os, format, GZIP_PATH, NULL);
    }
    bool end = false;
    size_t count = 0;
    while (status == NG_OK && !end) {
        ngi_word word;
        status = ngi_words_next(&words, &word, &end);
        FUZZ_CHECK(ngi_reader_consumed(ngi_words_reader(&words)) <= bytes);
        if (status != NG_OK || end)
            break;
        for (uint32_t i = 0; i < ngi_words_dimensions(&words); i++)
            FUZZ_CHECK(isfinite(word.vector[i]));
        FUZZ_CHECK(++count <= bytes * GZIP_RATIO_MAX);
    }
    FUZZ_CHECK(status == NG_OK || ng_last_error()[0] != '\0');
    ngi_words_close(&words);
    FUZZ_CHECK(sim_disk_open_count(disk) == 0);
    sim_disk_destroy(disk);
    fuzz_no_leak(&mem);
    return 0;
}

static void seed(fuzz_seed_fn each, void *context, const char *name, const made_file *file)
{
    made_file zipped = {0};
    made_gzip(&zipped, file->data, file->bytes);
    each(context, name, zipped.data, zipped.bytes);
    made_release(&zipped);
}

/* Deflate data that is only stored, so that mutations reach what is in it; the check is then wrong,
 * but only at the end. */
static void seed_stored(fuzz_seed_fn each, void *context, const char *name, const made_file *file)
{
    static const uint8_t head[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1};
    made_file stored = {0};
    made_put(&stored, head, sizeof head);
    made_half(&stored, (uint16_t)file->bytes);
    made_half(&stored, (uint16_t)~file->bytes);
    made_put(&stored, file->data, file->bytes);
    made_put(&stored, "........", 8);
    each(context, name, stored.data, stored.bytes);
    made_release(&stored);
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    made_file file = {0};
    made_text(&file, "3 2\nthe 0.25 -1\nof 1e-3 2\nslovo 4 5\n");
    each(context, "gzip-not", file.data, file.bytes);
    seed(each, context, "gzip-text", &file);
    seed_stored(each, context, "gzip-stored-text", &file);
    made_release(&file);
    made_text(&file, "{\"dimensions\":2,\"vectors\":{\"a\":[0.5,-0.25,0.6,0],\"b\":[1,2,2.2,1]}}");
    seed(each, context, "gzip-json", &file);
    seed_stored(each, context, "gzip-stored-json", &file);
    made_release(&file);
    made_text(&file, "2 2\na ");
    for (int i = 0; i < 2; i++)
        made_float(&file, -0.25f);
    made_text(&file, "\nb ");
    for (int i = 0; i < 2; i++)
        made_float(&file, 0.5f);
    each(context, "gzip-not-binary", file.data, file.bytes);
    seed(each, context, "gzip-binary", &file);
    seed_stored(each, context, "gzip-stored-binary", &file);
    made_release(&file);
    made_npy_header(&file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }");
    for (int i = 0; i < 6; i++)
        made_float(&file, 0.5f);
    each(context, "gzip-not-npy", file.data, file.bytes);
    seed(each, context, "gzip-npy", &file);
    seed_stored(each, context, "gzip-stored-npy", &file);
    made_release(&file);
    made_gzip(&file, "a 1 2\n", 6);
    made_gzip(&file, "b 3 4\n", 6);
    made_put(&file, "\0\0", 2);
    each(context, "gzip-members", file.data, file.bytes);
    made_release(&file);
    char *zeros = calloc(1, 1 << 20);
    FUZZ_CHECK(zeros != NULL);
    made_gzip(&file, zeros, 1 << 20);
    each(context, "gzip-bomb", file.data, file.bytes);
    free(zeros);
    made_release(&file);
}
