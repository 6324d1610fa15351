/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Loads of the same vectors from every format: the stores are equal, bit for bit; loads that were
 * cancelled, and failures of memory and reads, are made good by the next load; bad input changes
 * nothing. */
#include "mind/mind.h"

#include "mind/mind_formats_testing.h"
#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, testing_tear_down)
#define WORDS 5000u /* several batches */
#define DIMENSIONS 5u

typedef enum made_form {
    TEXT,
    HEADED_TEXT,
    BINARY,
    BINARY_LINES,
    ARRAY,
    WIDE_ARRAY,
    JSON,
    FORMS
} made_form;

static const ng_format formats[FORMS] = {NG_FORMAT_GLOVE,
                                         NG_FORMAT_GLOVE,
                                         NG_FORMAT_WORD2VEC_BINARY,
                                         NG_FORMAT_WORD2VEC_BINARY,
                                         NG_FORMAT_NPY,
                                         NG_FORMAT_NPY,
                                         NG_FORMAT_WINK};

static uint64_t still_clock(ngi_os *os)
{
    (void)os;
    return UINT64_C(1700000000000000);
}

/* A clock that stands still, so that equal loads make equal stores. */
static int set_up(void **state)
{
    int result = testing_set_up(state);
    testing *t = *state;
    t->os.clock_us = still_clock;
    return result;
}

static void put_beginning(made_file *file, made_form form, unsigned count)
{
    char text[128];
    if (form == HEADED_TEXT || form == BINARY || form == BINARY_LINES) {
        snprintf(text, sizeof text, "%u %u\n", count, DIMENSIONS);
        made_text(file, text);
    } else if (form == ARRAY || form == WIDE_ARRAY) {
        snprintf(text, sizeof text,
                 "{'descr': '<f%d', 'fortran_order': False, 'shape': (%u, %u), }",
                 form == ARRAY ? 4 : 8, count, DIMENSIONS);
        made_npy_header(file, 1, text);
    } else if (form == JSON) {
        made_text(file, "{\"vectors\":{");
    }
}

static void put_word(made_file *file, made_form form, unsigned index,
                     const float vector[DIMENSIONS])
{
    char text[64];
    bool is_binary = form == BINARY || form == BINARY_LINES;
    snprintf(text, sizeof text, form == JSON ? "%s\"w%u\":[" : "%sw%u",
             form == JSON && index > 0 ? "," : "", index);
    if (form != ARRAY && form != WIDE_ARRAY)
        made_text(file, text);
    if (is_binary)
        made_text(file, " ");
    for (unsigned d = 0; d < DIMENSIONS; d++) {
        snprintf(text, sizeof text, form == JSON ? "%.9g," : " %.9g", (double)vector[d]);
        if (is_binary || form == ARRAY)
            made_float(file, vector[d]);
        else if (form == WIDE_ARRAY)
            made_double(file, (double)vector[d]);
        else
            made_text(file, text);
    }
    if (form == JSON)
        made_text(file, "1,0]");
    else if (form == TEXT || form == HEADED_TEXT || form == BINARY_LINES)
        made_text(file, "\n");
}

/* "w0", "w1", ... with random vectors, as file "f" (and "f.vocab"), also of other calls the same. */
static void write_words(testing *t, made_form form, bool is_zipped, unsigned count)
{
    uint64_t seed = 42;
    made_file file = {0}, zipped = {0}, words = {0};
    put_beginning(&file, form, count);
    for (unsigned i = 0; i < count; i++) {
        float vector[DIMENSIONS];
        char text[16];
        for (unsigned d = 0; d < DIMENSIONS; d++)
            vector[d] = testing_float(&seed) / (float)(d + 1);
        put_word(&file, form, i, vector);
        snprintf(text, sizeof text, "w%u\n", i);
        made_text(&words, text);
    }
    if (form == JSON)
        made_text(&file, "}}");
    testing_write(t, "f.vocab", words.data, words.bytes);
    made_gzip(&zipped, file.data, file.bytes);
    if (is_zipped)
        testing_write(t, "f", zipped.data, zipped.bytes);
    else
        testing_write(t, "f", file.data, file.bytes);
    made_release(&file);
    made_release(&zipped);
    made_release(&words);
}

static ng_store *open_store(testing *t)
{
    ng_store *store = NULL;
    assert_ok(ngi_store_open(&t->os, &t->mem, NULL, NULL, &store));
    return store;
}

/* Closes it, and returns the hash of what is in it. */
static uint64_t close_store(ng_store *store)
{
    ng_check_report report;
    uint64_t hash;
    assert_ok(ngi_store_check(store, &report));
    assert_string_equal(report.first_problem, "");
    assert_ok(ngi_store_hash(store, &hash));
    assert_ok(ngi_store_close(store));
    return hash;
}

static ng_bootstrap_report load(testing *t, ng_store *store)
{
    ng_bootstrap_report report;
    assert_ok(ngi_mind_bootstrap(store, testing_path(t, "f"), NULL, &report));
    return report;
}

static uint64_t text_hash(testing *t)
{
    ng_store *store = open_store(t);
    write_words(t, TEXT, false, WORDS);
    assert_int_equal(load(t, store).words_created, WORDS);
    return close_store(store);
}

static void test_every_format_gives_the_same_store(void **state)
{
    testing *t = *state;
    uint64_t expected = text_hash(t);
    ng_store *first = open_store(t);
    for (int i = 0; i < 2 * FORMS; i++) {
        ng_store *store = open_store(t);
        write_words(t, (made_form)(i / 2), i % 2 == 1, WORDS);
        ng_bootstrap_report report = load(t, store);
        assert_int_equal(report.format, formats[i / 2]);
        assert_int_equal(report.words_created, WORDS);
        assert_int_equal(report.dimensions, DIMENSIONS);
        report = load(t, store); /* once more: nothing to do */
        assert_int_equal(report.words_unchanged, WORDS);
        assert_true(close_store(store) == expected);
        report = load(t, first); /* the one before was another format */
        assert_int_equal(report.words_created, i == 0 ? WORDS : 0);
        assert_int_equal(report.words_unchanged, i == 0 ? 0 : WORDS);
    }
    assert_true(close_store(first) == expected);
}

typedef struct watcher {
    size_t left; /* calls until it says stop; SIZE_MAX = never */
    const char *phase;
    uint64_t done;
    size_t call_count;
} watcher;

static bool watch(void *context, const ng_progress *progress)
{
    watcher *w = context;
    if (w->phase != progress->phase)
        w->done = 0;
    w->phase = progress->phase;
    assert_true(progress->done >= w->done && progress->done <= progress->total);
    w->done = progress->done;
    w->call_count++;
    return w->left == SIZE_MAX || w->left-- > 0;
}

static void test_progress_counts_bytes_of_the_file(void **state)
{
    testing *t = *state;
    t->fast_clock = true;
    for (int i = 0; i < FORMS; i++) {
        ng_store *store = open_store(t);
        watcher w = {.left = SIZE_MAX};
        ng_bootstrap_options options = {.struct_size = sizeof options,
                                        .progress = watch,
                                        .progress_context = &w};
        write_words(t, (made_form)i, true, WORDS);
        assert_ok(ngi_mind_bootstrap(store, testing_path(t, "f"), &options, NULL));
        assert_true(w.call_count > 10);
        close_store(store);
    }
}

/* Cancels at call 1, 4, 7, ...; each time the same load completes it to the same store. */
static void test_cancelled_loads_are_completed(void **state)
{
    testing *t = *state;
    uint64_t expected = text_hash(t);
    const made_form forms[] = {BINARY, ARRAY, TEXT};
    for (size_t i = 0; i < 3; i++) {
        size_t cancelled = 0, kept = 0;
        ng_status status = NG_E_CANCELLED;
        write_words(t, forms[i], true, WORDS);
        t->fast_clock = true;
        for (size_t at = 0; status != NG_OK; at += 3) {
            ng_store *store = open_store(t);
            watcher w = {.left = at};
            ng_bootstrap_report report;
            ng_bootstrap_options options = {.struct_size = sizeof options,
                                            .progress = watch,
                                            .progress_context = &w};
            status = ngi_mind_bootstrap(store, testing_path(t, "f"), &options, &report);
            if (status != NG_OK) {
                assert_int_equal(status, NG_E_CANCELLED);
                cancelled++;
                kept += report.words_created > 0 && report.words_created < WORDS;
                assert_int_equal(load(t, store).words_unchanged, report.words_created);
            }
            assert_true(close_store(store) == expected);
        }
        t->fast_clock = false;
        assert_true(cancelled > 5 && kept > 0);
    }
}

static void test_failing_memory_and_reads(void **state)
{
    testing *t = *state;
    for (int i = 0; i < 8; i++) {
        const made_form forms[] = {BINARY, ARRAY, JSON, TEXT};
        bool is_memory = i % 2 == 0;
        ng_status status = NG_E_NOMEM;
        size_t failures = 0;
        write_words(t, forms[i / 2], true, 6);
        for (size_t at = 1; status != NG_OK; at++) {
            ng_store *store = open_store(t);
            t->memory_count = t->read_count = 0;
            t->fail_memory = is_memory ? at : 0;
            t->fail_read = is_memory ? 0 : at;
            status = ngi_mind_bootstrap(store, testing_path(t, "f"), NULL, NULL);
            t->fail_memory = t->fail_read = 0;
            if (status != NG_OK) {
                assert_int_equal(status, is_memory ? NG_E_NOMEM : NG_E_IO);
                failures++;
                load(t, store);
            }
            close_store(store);
        }
        assert_true(failures >= (is_memory ? 15 : 6)); /* three times opened, each twice read */
    }
}

static void check_refused(testing *t, ng_store *store, const ng_bootstrap_options *options,
                          ng_status expected, const char *message)
{
    ng_info info;
    assert_int_equal(ngi_mind_bootstrap(store, testing_path(t, "f"), options, NULL), expected);
    assert_message(message);
    assert_ok(ngi_store_info(store, &info));
    assert_int_equal(info.applied_seq, 0);
}

/* What is wrong stands at the end of the file, where it is found before anything is written. */
static void test_errors_change_nothing(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    ng_bootstrap_options options = {.struct_size = sizeof options};
    for (int i = 0; i < FORMS; i++) {
        ngi_file file;
        uint64_t bytes;
        write_words(t, (made_form)i, true, WORDS);
        assert_ok(t->os.file_open(&t->os, testing_path(t, "f"), NGI_OPEN_WRITE, &file));
        assert_ok(t->os.file_size(&t->os, file, &bytes));
        assert_ok(t->os.file_truncate(&t->os, file, bytes - 1));
        t->os.file_close(&t->os, file);
        check_refused(t, store, NULL, NG_E_FORMAT, "f: ends in the middle of its gzip data");
    }
    write_words(t, ARRAY, false, WORDS);
    testing_write_text(t, "f.vocab", "a\nb\n");
    check_refused(t, store, NULL, NG_E_FORMAT, "f.vocab: 2 lines, but ");
    options.vocabulary = "/nonexistent/words";
    check_refused(t, store, &options, NG_E_NOT_FOUND, "/nonexistent/words");
    write_words(t, BINARY, false, WORDS);
    check_refused(t, store, &options, NG_E_INVALID, "vocabulary: ");
    options.vocabulary = NULL;
    options.format = NG_FORMAT_NPY;
    check_refused(t, store, &options, NG_E_FORMAT, "f byte 0: '5000 5' does not begin a .npy file");
    options.format = NG_FORMAT_GLOVE;
    check_refused(t, store, &options, NG_E_FORMAT, "f line 2: ");
    write_words(t, ARRAY, true, WORDS);
    options.format = NG_FORMAT_WORD2VEC_BINARY;
    check_refused(t, store, &options, NG_E_FORMAT, "f line 1: '?NUMPY");
    options.format = (ng_format)6;
    check_refused(t, store, &options, NG_E_INVALID, "format 6 is outside 0..5");
    close_store(store);
}

/* The word that is too long is one of the vocabulary, and the message says so. */
static void test_a_word_too_long(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    char words[2100];
    write_words(t, ARRAY, false, 2);
    memset(words, 'x', sizeof words);
    memcpy(words + sizeof words - 5, "\nb\n", 4);
    testing_write_text(t, "f.vocab", words);
    check_refused(t, store, NULL, NG_E_FORMAT, "f.vocab line 1: the word 'xxx");
    write_words(t, ARRAY, false, 3);
    testing_write_text(t, "f.vocab", "cat\n\nIce Cream\n");
    ng_bootstrap_report report = load(t, store);
    assert_int_equal(report.words_created, 2);
    assert_int_equal(report.duplicates, 1); /* a row without a word */
    ng_token_id id;
    assert_ok(ngi_store_token_find(store, NG_COLLECTION_SEMANTIC, "ice cream", 9, &id));
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_format_gives_the_same_store),
        TEST(test_progress_counts_bytes_of_the_file),
        TEST(test_cancelled_loads_are_completed),
        TEST(test_failing_memory_and_reads),
        TEST(test_errors_change_nothing),
        TEST(test_a_word_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
