/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Loads into real stores: what is created, that a second load writes nothing, that an interrupted
 * one is completed to the same result, and that failures of memory, reads and syncs leave valid
 * stores. */
#include "mind/mind.h"

#include "base/base_limits.h"
#include "mind/mind_testing.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)
#define MANY 9000u /* words: several batches of words, and of coordinates */
#define MANY_DIMENSIONS 5u

static ng_store *open_store(testing *t, const char *path)
{
    ng_store *store = NULL;
    assert_ok(ngi_store_open(&t->os, &t->mem, path, NULL, &store));
    return store;
}

static void close_store(ng_store *store)
{
    ng_check_report report;
    assert_ok(ngi_store_check(store, &report));
    assert_string_equal(report.first_problem, "");
    assert_ok(ngi_store_close(store));
}

static ng_bootstrap_report load(ng_store *store, const char *path,
                                const ng_bootstrap_options *options)
{
    ng_bootstrap_report report;
    memset(&report, 0xAA, sizeof report);
    assert_ok(ngi_mind_bootstrap(store, path, options, &report));
    assert_int_equal(report.words_created + report.words_updated + report.words_unchanged +
                         report.duplicates,
                     report.words_read);
    return report;
}

static ng_token_id find(ng_store *store, const char *label)
{
    ng_token_id id = 0;
    assert_ok(ngi_store_token_find(store, NG_COLLECTION_SEMANTIC, label, strlen(label), &id));
    return id;
}

static ng_info info_of(ng_store *store)
{
    ng_info info;
    assert_ok(ngi_store_info(store, &info));
    return info;
}

/* "w0 ... w8999" with random vectors of decreasing variance. `changed` words get other vectors. */
static void write_many(testing *t, uint32_t count, uint32_t changed)
{
    uint64_t seed = 42;
    char *text = malloc((size_t)count * 100), *p = text;
    for (uint32_t i = 0; i < count; i++) {
        p += sprintf(p, "w%u", i);
        for (unsigned d = 0; d < MANY_DIMENSIONS; d++) {
            float value = testing_float(&seed) / (float)(d + 1);
            p += sprintf(p, " %.6f", (double)(i < changed ? value / 2 : value));
        }
        *p++ = '\n';
    }
    testing_write(t, "many.txt", text, (size_t)(p - text));
    free(text);
}

/* Both stores hold the same words with the same coordinates, and the same projection. */
static void check_same(ng_store *a, ng_store *b, uint32_t count)
{
    ngi_projection pa, pb;
    assert_ok(ngi_store_projection_get(a, &pa));
    assert_ok(ngi_store_projection_get(b, &pb));
    assert_int_equal(pa.component_count, pb.component_count);
    assert_int_equal(pa.vector_count, pb.vector_count);
    assert_int_equal(pa.clipped_count, pb.clipped_count);
    assert_memory_equal(pa.explained, pb.explained, sizeof pa.explained);
    assert_memory_equal(pa.mean, pb.mean, pa.dimensions * sizeof(float));
    assert_memory_equal(pa.components, pb.components,
                        (size_t)pa.dimensions * pa.component_count * sizeof(float));
    ngi_projection_release(ngi_store_mem(a), &pa);
    ngi_projection_release(ngi_store_mem(b), &pb);
    for (uint32_t i = 0; i < count; i++) {
        char label[16];
        ng_token ta, tb;
        snprintf(label, sizeof label, "w%u", i);
        assert_ok(ngi_store_token_read(a, find(a, label), &ta));
        assert_ok(ngi_store_token_read(b, find(b, label), &tb));
        if (memcmp(ta.coordinates, tb.coordinates, sizeof ta.coordinates) != 0)
            fail_msg("%s has other coordinates", label);
    }
}

static const char small[] = "the 1 0 0\nCat 0 2 0\ncat 9 9 9\ndog 0 3 1\n\xEF\xBC\xA4og 1 1 1\n"
                            "\xC2\xA0 4 4 4\nfish -1 0.5 2\n";

static void test_words(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_bootstrap_report report = load(store, testing_write_text(t, "g.txt", small), NULL);
    assert_int_equal(report.format, NG_FORMAT_GLOVE);
    assert_int_equal(report.words_read, 7);
    assert_int_equal(report.words_created, 4);
    assert_int_equal(report.duplicates, 3); /* cat, full width Dog, and a word that is all blank */
    assert_int_equal(report.dimensions, 3);
    assert_int_equal(report.components, 3);
    assert_true(fabs(report.explained_variance - 1) < 1e-9);
    assert_true(report.total_seconds >= 0);

    ng_token_info token;
    float vector[3];
    size_t count;
    char label[16];
    ng_token_id cat = find(store, "cat");
    assert_ok(ngi_store_token_get(store, cat, &token));
    assert_int_equal(token.collection, NG_COLLECTION_SEMANTIC);
    assert_int_equal(token.record.flags, NG_TOKEN_ACTIVE | NG_TOKEN_PERSISTENT |
                                             (NG_ENTITY_CONCEPT << NG_TOKEN_ENTITY_SHIFT));
    assert_ok(ngi_store_token_label(store, cat, label, sizeof label, NULL));
    assert_string_equal(label, "cat");
    assert_ok(ngi_store_token_vector(store, cat, vector, 3, &count));
    assert_int_equal(count, 3);
    assert_true(vector[0] == 0 && vector[1] == 2); /* the first of the two */
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        assert_int_equal(token.record.coordinates[space][0] == NG_COORDINATE_ABSENT,
                         space != NG_SPACE_ABSTRACT);
    ng_info info = info_of(store);
    assert_int_equal(info.token_count, 4);
    assert_int_equal(info.vector_count, 4);
    assert_int_equal(info.component_count, 3);
    assert_int_equal(info.applied_seq, info.durable_seq);
    close_store(store);
}

static void test_second_load_writes_nothing(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    write_many(t, 3000, 0);
    load(store, t->path, NULL);
    uint64_t hash, again;
    assert_ok(ngi_store_hash(store, &hash));
    ng_seq seq = info_of(store).applied_seq;
    ng_bootstrap_report report = load(store, t->path, NULL);
    assert_int_equal(report.words_unchanged, 3000);
    assert_int_equal(report.components, 5);
    assert_true(report.explained_variance > 0.99);
    assert_int_equal(info_of(store).applied_seq, seq);
    assert_ok(ngi_store_hash(store, &again));
    assert_int_equal(hash, again);
    close_store(store);
}

static void test_changed_vectors_are_updated(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL), *fresh = open_store(t, NULL);
    write_many(t, MANY, 0);
    load(store, t->path, NULL);
    write_many(t, MANY, 1500);
    ng_bootstrap_report report = load(store, t->path, NULL);
    assert_int_equal(report.words_created, 0);
    assert_int_equal(report.words_updated, 1500);
    assert_int_equal(report.words_unchanged, MANY - 1500);
    load(fresh, t->path, NULL);
    check_same(store, fresh, MANY);
    close_store(store);
    close_store(fresh);
}

static void test_coordinates_are_the_projection(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    write_many(t, MANY, 0);
    ng_bootstrap_report report = load(store, t->path, NULL);
    ngi_projection p;
    uint64_t at_the_end = 0;
    assert_ok(ngi_store_projection_get(store, &p));
    /* Within an axis, the coordinate is linear in the projection; the ends are where it is cut. */
    double scale[5] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < MANY; i++) {
            char label[16];
            float vector[5];
            size_t count;
            ng_token token;
            snprintf(label, sizeof label, "w%u", i);
            ng_token_id id = find(store, label);
            assert_ok(ngi_store_token_vector(store, id, vector, 5, &count));
            assert_ok(ngi_store_token_read(store, id, &token));
            for (unsigned k = 0; k < 5; k++) {
                double along = 0;
                for (unsigned d = 0; d < 5; d++)
                    along += ((double)vector[d] - p.mean[d]) * p.components[k * 5 + d];
                int16_t raw =
                    token.coordinates[k < 3 ? NG_SPACE_ABSTRACT : NG_SPACE_COGNITIVE][k % 3];
                bool is_cut = abs(raw) == NG_COORDINATE_MAX;
                at_the_end += pass == 0 && is_cut;
                if (pass == 0 && !is_cut && fabs(along) > 0.05)
                    scale[k] = raw / along;
                if (pass == 1 && !is_cut)
                    assert_true(fabs(raw - along * scale[k]) < 12);
            }
            assert_int_equal(token.coordinates[NG_SPACE_COGNITIVE][2], 0);
        }
    }
    assert_true(report.clipped_count > 0 && report.clipped_count <= 5 * MANY / 1000);
    assert_true(at_the_end >= report.clipped_count && at_the_end < report.clipped_count + 20);
    assert_int_equal(info_of(store).clipped_count, report.clipped_count);
    ngi_projection_release(&t->mem, &p);
    close_store(store);
}

static void test_other_number_of_components(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL), *fresh = open_store(t, NULL);
    write_many(t, 5000, 0);
    ng_bootstrap_options options = {.struct_size = sizeof options, .components = 2};
    load(store, t->path, NULL);
    ng_bootstrap_report report = load(store, t->path, &options); /* fewer: a space is left */
    assert_int_equal(report.components, 2);
    load(fresh, t->path, &options);
    check_same(store, fresh, 5000);
    load(store, t->path, NULL); /* more: it is filled again */
    load(fresh, t->path, NULL);
    check_same(store, fresh, 5000);
    options.components = 25;
    assert_int_equal(ngi_mind_bootstrap(store, t->path, &options, NULL), NG_E_INVALID);
    assert_message("components 25 is outside 1..24");
    close_store(store);
    close_store(fresh);
}

static void test_max_words_and_collection(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_bootstrap_options options = {.struct_size = sizeof options, .max_words = 1100};
    write_many(t, 2000, 0);
    assert_ok(ngi_store_collection_create(store, "other", NULL, &options.collection));
    ng_bootstrap_report report = load(store, t->path, &options);
    assert_int_equal(report.words_read, 1100);
    ng_token_id id;
    assert_ok(ngi_store_token_find(store, options.collection, "w1099", 5, &id));
    assert_int_equal(ngi_store_token_find(store, options.collection, "w1100", 5, &id),
                     NG_E_NOT_FOUND);
    assert_int_equal(ngi_store_token_find(store, NG_COLLECTION_SEMANTIC, "w0", 2, &id),
                     NG_E_NOT_FOUND);
    options.max_words = 0;
    report = load(store, t->path, &options);
    assert_int_equal(report.words_unchanged, 1100);
    assert_int_equal(report.words_created, 900);
    options.collection = 77;
    assert_int_equal(ngi_mind_bootstrap(store, t->path, &options, NULL), NG_E_NOT_FOUND);
    close_store(store);
}

static void test_wink(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    testing_write_text(t, "w.json",
                       " {\"dimensions\":2,\"size\":2,\"vectors\":{\"The\":[1,2,2.2,0],"
                       "\"cat\":[3,4,5,1]},\"unkVector\":[0,0,0,-1]}");
    ng_bootstrap_report report = load(store, t->path, NULL);
    assert_int_equal(report.format, NG_FORMAT_WINK);
    assert_int_equal(report.words_created, 2);
    float vector[2];
    size_t count;
    assert_ok(ngi_store_token_vector(store, find(store, "the"), vector, 2, &count));
    assert_true(vector[0] == 1 && vector[1] == 2);
    close_store(store);
}

static void write_wordnet(testing *t)
{
    testing_write_text(t, "data.noun",
                       "  1 licence\n"
                       "00000001 05 n 02 Dog 0 domestic_dog 0 001 @ 00000002 n 0000 | a dog\n"
                       "00000002 05 n 01 canine 0 001 ~ 00000001 n 0000 | a canine\n"
                       "00000003 05 n 01 Dog 1 001 @ 00000002 n 0000 | another\n");
    testing_write_text(t, "data.verb",
                       "00000001 30 v 01 bark 0 001 > 00000002 v 0000 01 + 02 00 | to bark\n"
                       "00000002 30 v 01 sound 0 000 01 + 08 01 | to sound\n");
    testing_write_text(t, "data.adj", "");
    testing_write_text(t, "data.adv", "");
}

static void test_wordnet(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    load(store, testing_write_text(t, "g.txt", small), NULL);
    remove(t->path);
    write_wordnet(t);
    ng_token_id dog = find(store, "dog");
    ng_bootstrap_report report = load(store, t->directory, NULL);
    assert_int_equal(report.format, NG_FORMAT_WORDNET);
    assert_int_equal(report.lemmas_created, 4);
    assert_int_equal(report.relations_read, 7);
    assert_int_equal(report.connections_created, 7);
    assert_int_equal(report.connections_existing, 0);
    assert_int_equal(report.relations_by_type[0], 2);
    assert_int_equal(report.relations_by_type[2], 2);
    assert_int_equal(report.relations_by_type[3], 2);
    assert_int_equal(report.relations_by_type[16], 1);
    assert_int_equal(find(store, "dog"), dog);

    ng_edge edges[4];
    ng_connection link;
    size_t count;
    assert_ok(ngi_store_connections_between(store, dog, find(store, "canine"), edges, 4, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(edges[i].source == dog, edges[i].type == 2);
    assert_ok(ngi_store_connections_between(store, find(store, "bark"), find(store, "sound"), edges,
                                            4, &count));
    assert_int_equal(count, 1);
    assert_ok(ngi_store_connection_get(store, edges[0].id, &link));
    assert_int_equal(link.type, 0x10);
    assert_int_equal(link.mutability, NG_IMMUTABLE);
    assert_int_equal(link.confidence, 255);
    assert_int_equal(link.flags, NG_CONNECTION_ACTIVE | NG_CONNECTION_PERSISTENT);
    assert_int_equal(link.origin, 2);
    assert_true(link.pull_strength == 1);

    ng_seq seq = info_of(store).applied_seq;
    report = load(store, t->directory, NULL);
    assert_int_equal(report.lemmas_created, 0);
    assert_int_equal(report.connections_created, 0);
    assert_int_equal(report.connections_existing, 7);
    assert_int_equal(info_of(store).applied_seq, seq);

    /* A lemma that came first gets its vector later, and its coordinates. */
    report = load(store, testing_write_text(t, "g2.txt", "canine 1 2 3\n"), NULL);
    assert_int_equal(report.words_updated, 1);
    ng_token_info token;
    assert_ok(ngi_store_token_get(store, find(store, "canine"), &token));
    assert_true(token.has_vector);
    assert_true(token.record.coordinates[NG_SPACE_ABSTRACT][0] != NG_COORDINATE_ABSENT);
    close_store(store);
}

static void test_errors_change_nothing(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_bootstrap_report report;
    char *text = malloc(100000), *p = text;
    for (int i = 0; i < 1100; i++)
        p += sprintf(p, "w%d 1 2 3\n", i);
    (void)sprintf(p, "bad 1 2\n");
    testing_write_text(t, "g.txt", text);
    free(text);
    assert_int_equal(ngi_mind_bootstrap(store, t->path, NULL, &report), NG_E_FORMAT);
    assert_message("g.txt line 1101: expected 3 numbers, got 2");
    assert_int_equal(report.words_read, 0);
    assert_int_equal(info_of(store).token_count, 0);
    assert_int_equal(info_of(store).applied_seq, 0);
    assert_int_equal(info_of(store).component_count, 0);
    load(store, testing_write_text(t, "three.txt", "one 1 2 3\n"), NULL);

    assert_int_equal(ngi_mind_bootstrap(store, testing_path(t, "none"), NULL, &report),
                     NG_E_NOT_FOUND);
    assert_message("/none");
    assert_int_equal(ngi_mind_bootstrap(store, "", NULL, &report), NG_E_INVALID);
    assert_int_equal(ngi_mind_bootstrap(store, t->directory, NULL, NULL), NG_E_NOT_FOUND);
    assert_message("/data.noun");
    assert_int_equal(ngi_mind_bootstrap(store, testing_write_text(t, "d.txt", "a 1 2\n"), NULL,
                                        NULL),
                     NG_E_FORMAT);
    assert_message("d.txt: vectors of 2 dimensions, this store has 3");
    p = malloc(3000);
    memset(p, 'x', 2000);
    (void)sprintf(p + 2000, " 1 2 3\n");
    assert_int_equal(ngi_mind_bootstrap(store, testing_write_text(t, "l.txt", p), NULL, NULL),
                     NG_E_FORMAT);
    assert_message("l.txt line 1: the word 'xxx");
    assert_message("is longer than 1024 bytes");
    free(p);
    ng_bootstrap_options options = {.struct_size = sizeof options, .format = (ng_format)9};
    assert_int_equal(ngi_mind_bootstrap(store, t->path, &options, NULL), NG_E_INVALID);
    close_store(store);
}

typedef struct watcher {
    size_t left; /* calls until it says stop; SIZE_MAX = never */
    size_t call_count;
    char phases[256];
    uint64_t done;
    bool is_sane;
} watcher;

static bool watch(void *context, const ng_progress *progress)
{
    watcher *w = context;
    size_t bytes = strlen(w->phases), phase = strlen(progress->phase);
    if (bytes < phase + 1 || strncmp(w->phases + bytes - phase - 1, progress->phase, phase) != 0) {
        testing_append(w->phases, sizeof w->phases, progress->phase);
        testing_append(w->phases, sizeof w->phases, " ");
        w->done = 0;
    }
    w->is_sane &= progress->done >= w->done && progress->seconds >= 0 &&
                  (progress->total == 0 || progress->done <= progress->total);
    w->done = progress->done;
    w->call_count++;
    return w->left == SIZE_MAX || w->left-- > 0;
}

static void test_progress(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    watcher w = {.left = SIZE_MAX, .is_sane = true};
    ng_bootstrap_options options = {.struct_size = sizeof options,
                                    .progress = watch,
                                    .progress_context = &w};
    write_many(t, 5000, 0);
    t->fast_clock = true;
    load(store, t->path, &options);
    assert_true(w.is_sane);
    assert_true(w.call_count > 20);
    assert_string_equal(w.phases, "checking words projection coordinates ");
    memset(w.phases, 0, sizeof w.phases);
    load(store, t->path, &options);
    assert_string_equal(w.phases, "checking words ");
    remove(t->path);
    write_wordnet(t);
    memset(w.phases, 0, sizeof w.phases);
    load(store, t->directory, &options);
    assert_true(w.is_sane);
    assert_string_equal(w.phases, "lemmas relations ");
    close_store(store);
}

/* Cancels at call 1, 2, 3, ...; each time the store is valid and the next load completes it. */
static void test_cancelled_loads_are_completed(void **state)
{
    testing *t = *state;
    ng_store *fresh = open_store(t, NULL);
    t->fast_clock = true;
    write_many(t, MANY, 0);
    load(fresh, t->path, NULL);
    size_t cancelled = 0;
    for (size_t at = 0;; at += 3) {
        ng_store *store = open_store(t, NULL);
        watcher w = {.left = at};
        ng_bootstrap_report report;
        ng_bootstrap_options options = {.struct_size = sizeof options,
                                        .progress = watch,
                                        .progress_context = &w};
        ng_status status = ngi_mind_bootstrap(store, t->path, &options, &report);
        if (status == NG_OK) {
            close_store(store);
            break;
        }
        assert_int_equal(status, NG_E_CANCELLED);
        assert_message("was cancelled");
        cancelled++;
        load(store, t->path, NULL);
        check_same(store, fresh, MANY);
        close_store(store);
    }
    assert_true(cancelled > 10);
    close_store(fresh);
}

/* A load that changes the number of components, and the vectors of some words, on a store whose
 * disk fails at sync 1, 2, 3, ...; reopened, whatever was kept is completed. */
static void check_cut_loads(testing *t, uint32_t changed)
{
    char path[128];
    ng_store *fresh = open_store(t, NULL);
    ng_bootstrap_options fewer = {.struct_size = sizeof fewer, .components = 2};
    snprintf(path, sizeof path, "%s.store", t->directory);
    write_many(t, MANY, changed);
    load(fresh, t->path, &fewer);
    size_t failed = 0;
    ng_status status = NG_E_LATCHED;
    for (size_t at = 1; status != NG_OK; at++) {
        write_many(t, MANY, 0);
        ng_store *store = open_store(t, path);
        load(store, t->path, NULL);
        write_many(t, MANY, changed);
        t->sync_count = 0;
        t->fail_sync = at;
        status = ngi_mind_bootstrap(store, t->path, &fewer, NULL);
        t->fail_sync = 0;
        (void)ngi_store_close(store);
        if (status != NG_OK)
            failed++;
        store = open_store(t, path);
        load(store, t->path, &fewer);
        check_same(store, fresh, MANY);
        close_store(store);
        testing_remove_directory(path);
    }
    assert_true(failed > 3);
    close_store(fresh);
}

static void test_loads_cut_by_a_failing_disk_are_completed(void **state)
{
    check_cut_loads(*state, 2000);
    check_cut_loads(*state, 0); /* no word lacks coordinates: this is what the mark is for */
}

/* Allocation, then read, number 1, 2, 3, ... fails; the load after it completes. */
static void test_failing_memory_and_reads(void **state)
{
    testing *t = *state;
    testing_write_text(t, "g.txt", small);
    char words[160], *lexicon = t->directory;
    snprintf(words, sizeof words, "%s", t->path);
    write_wordnet(t);
    for (int kind = 0; kind < 4; kind++) {
        const char *path = kind < 2 ? words : lexicon;
        ng_status status = NG_E_NOMEM;
        size_t failures = 0;
        for (size_t at = 1; status != NG_OK; at++) {
            ng_store *store = open_store(t, NULL);
            t->memory_count = t->read_count = 0;
            t->fail_memory = kind % 2 == 0 ? at : 0;
            t->fail_read = kind % 2 == 1 ? at : 0;
            status = ngi_mind_bootstrap(store, path, NULL, NULL);
            t->fail_memory = t->fail_read = 0;
            if (status != NG_OK) {
                assert_int_equal(status, kind % 2 == 0 ? NG_E_NOMEM : NG_E_IO);
                failures++;
                load(store, path, NULL);
            }
            assert_int_equal(info_of(store).token_count, kind < 2 ? 4 : 5);
            close_store(store);
        }
        assert_true(failures >= (kind % 2 == 0 ? 10 : 2));
    }
}

static void test_one_word_and_equal_vectors(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t, NULL);
    ng_bootstrap_report report = load(store, testing_write_text(t, "g.txt", "a 1 2 3 4"), NULL);
    assert_int_equal(report.words_created, 1);
    assert_true(report.explained_variance == 0);
    assert_int_equal(report.clipped_count, 0);
    ng_token token;
    assert_ok(ngi_store_token_read(store, find(store, "a"), &token));
    assert_int_equal(token.coordinates[NG_SPACE_ABSTRACT][0], 0);
    assert_int_equal(token.coordinates[NG_SPACE_COGNITIVE][1], 0);
    report = load(store, testing_write_text(t, "g.txt", "a 1 2 3 4\nb 1 2 3 4\n"), NULL);
    assert_int_equal(report.words_created, 1);
    assert_int_equal(report.words_unchanged, 1);
    assert_ok(ngi_store_token_read(store, find(store, "b"), &token));
    assert_int_equal(token.coordinates[NG_SPACE_ABSTRACT][0], 0);
    close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_words),
        TEST(test_second_load_writes_nothing),
        TEST(test_changed_vectors_are_updated),
        TEST(test_coordinates_are_the_projection),
        TEST(test_other_number_of_components),
        TEST(test_max_words_and_collection),
        TEST(test_wink),
        TEST(test_wordnet),
        TEST(test_errors_change_nothing),
        TEST(test_progress),
        TEST(test_cancelled_loads_are_completed),
        TEST(test_loads_cut_by_a_failing_disk_are_completed),
        TEST(test_failing_memory_and_reads),
        TEST(test_one_word_and_equal_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
