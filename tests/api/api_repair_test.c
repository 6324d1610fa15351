/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Repair: everything that is not damaged is saved, and what is lost is named exactly. Damage is done
 * to the files, by the formats in docs/format. */
#include "api_stream_support.h"

#include <sys/stat.h>
#include <unistd.h>

#define LOSSES_MAX 256

typedef struct loss {
    char file[64], text[512];
    uint64_t offset, bytes;
    ng_seq first, last;
} loss;

typedef struct frame {
    ng_seq seq;
    uint64_t offset, bytes;
} frame;

typedef struct fixture {
    char *root; /* a directory for everything */
    char path[700], copy[700];
    ng_store *store;
    test_random random;
    loss losses[LOSSES_MAX];
    size_t loss_count;
    ng_repair_report report;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->root = test_directory_create();
    test_path(f->path, sizeof f->path, f->root, "store");
    test_path(f->copy, sizeof f->copy, f->root, "copy");
    f->store = api_disk_store(f->path);
    f->random.state = 11;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ASSERT_OK(ng_close(f->store));
    test_directory_remove(f->root);
    free(f);
    return 0;
}

static void close_store(fixture *f)
{
    ASSERT_OK(ng_close(f->store));
    f->store = NULL;
}

/* --- files ----------------------------------------------------------------------------------- */

static const char *file_path(const fixture *f, const char *name)
{
    static char path[2][1024];
    static int turn;
    turn ^= 1;
    return test_path(path[turn], sizeof path[turn], f->path, name);
}

static uint8_t *read_all(const char *path, size_t *bytes)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    *bytes = (size_t)info.st_size;
    uint8_t *data = malloc(*bytes + 1);
    FILE *file = fopen(path, "rb");
    assert_true(data != NULL && file != NULL);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

/* Overwrites bytes of a file of the store. */
static void damage(const fixture *f, const char *name, uint64_t offset, size_t bytes, int value)
{
    FILE *file = fopen(file_path(f, name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
    for (size_t i = 0; i < bytes; i++)
        assert_true(fputc(value, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

/* The frames of an undamaged segment. */
static size_t read_frames(const fixture *f, const char *name, frame *out, size_t capacity)
{
    size_t bytes, count = 0;
    uint8_t *data = read_all(file_path(f, name), &bytes);
    size_t at = 64;
    while (at + 40 <= bytes && memcmp(data + at, "NGop", 4) == 0) {
        uint32_t body;
        memcpy(&body, data + at + 8, sizeof body);
        frame found = {.offset = at, .bytes = (40 + (uint64_t)body + 7) & ~UINT64_C(7)};
        memcpy(&found.seq, data + at + 16, sizeof found.seq);
        assert_true(count < capacity);
        out[count++] = found;
        at += found.bytes;
    }
    free(data);
    return count;
}

/* Offset of the payload of the first block of a kind in a snapshot. */
static uint64_t find_block(const fixture *f, const char *name, uint16_t kind, uint64_t *bytes)
{
    size_t size;
    uint8_t *data = read_all(file_path(f, name), &size);
    uint64_t at = 512;
    while (at + 32 <= size && memcmp(data + at, "NGbl", 4) == 0) {
        uint16_t found;
        uint32_t payload;
        memcpy(&found, data + at + 8, sizeof found);
        memcpy(&payload, data + at + 16, sizeof payload);
        *bytes = 32 + (((uint64_t)payload + 7) & ~UINT64_C(7));
        if (found == kind) {
            free(data);
            return at;
        }
        at += *bytes;
    }
    fail_msg("no block of kind %u", kind);
    return 0;
}

static void note_loss(void *context, const ng_loss *lost)
{
    fixture *f = context;
    assert_true(f->loss_count < LOSSES_MAX);
    loss *kept = &f->losses[f->loss_count++];
    *kept = (loss){.offset = lost->offset,
                   .bytes = lost->bytes,
                   .first = lost->first,
                   .last = lost->last};
    snprintf(kept->file, sizeof kept->file, "%s", lost->file);
    snprintf(kept->text, sizeof kept->text, "%s", lost->text);
}

static ng_status repair(fixture *f)
{
    f->loss_count = 0;
    ng_status status = ng_repair(f->path, f->copy, note_loss, f, &f->report);
    if (status == NG_OK)
        assert_int_equal(f->report.losses, f->loss_count);
    return status;
}

static void remove_copy(const fixture *f)
{
    char command[900];
    snprintf(command, sizeof command, "rm -rf '%s'", f->copy);
    assert_int_equal(system(command), 0);
}

static void assert_loss(const fixture *f, size_t at, const char *file, uint64_t offset,
                        uint64_t bytes, ng_seq first, ng_seq last)
{
    assert_true(at < f->loss_count);
    const loss *lost = &f->losses[at];
    assert_string_equal(lost->file, file);
    assert_int_equal(lost->offset, offset);
    assert_int_equal(lost->bytes, bytes);
    assert_int_equal(lost->first, first);
    assert_int_equal(lost->last, last);
    assert_true(lost->text[0] != '\0');
}

/* `count` tokens labelled by their ids, an op each. */
static void write_tokens(fixture *f, unsigned count)
{
    ng_info info;
    ASSERT_OK(ng_store_info(f->store, &info));
    char label[32];
    for (unsigned i = 1; i <= count; i++) {
        snprintf(label, sizeof label, "t%llu", (unsigned long long)info.token_count + i);
        api_labelled(f->store, label);
    }
}

/* Whether exactly the tokens of write_tokens are in the copy but those from `first` to `last`. */
static void assert_tokens(const fixture *f, unsigned count, unsigned first, unsigned last)
{
    ng_store *copy = api_disk_store(f->copy);
    char label[32];
    for (unsigned i = 1; i <= count; i++) {
        ng_token_id id = 0;
        snprintf(label, sizeof label, "t%u", i);
        ng_status status = ng_token_find(copy, 0, label, strlen(label), &id);
        assert_int_equal(status, i >= first && i <= last ? NG_E_NOT_FOUND : NG_OK);
        assert_int_equal(id, status == NG_OK ? i : 0);
    }
    api_assert_clean(copy);
    ASSERT_OK(ng_close(copy));
}

/* --- the log --------------------------------------------------------------------------------- */

static void test_nothing_is_damaged(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 200; i++)
            api_random_write(f->store, &f->random);
        if (round > 1)
            ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
        uint64_t hash = api_hash(f->store);
        ng_seq seq = api_seq(f->store);
        ng_info info;
        ASSERT_OK(ng_store_info(f->store, &info));
        close_store(f);
        ASSERT_OK(repair(f));
        assert_int_equal(f->loss_count, 0);
        assert_int_equal(f->report.seq, seq);
        assert_int_equal(f->report.tokens, info.token_count);
        assert_int_equal(f->report.connections, info.connection_count);
        assert_int_equal(f->report.labels, info.label_count);
        assert_int_equal(f->report.vectors, info.vector_count);
        assert_int_equal(f->report.ops_missing + f->report.ops_refused, 0);
        api_assert_is(f->copy, hash, seq);
        remove_copy(f);
        f->store = api_disk_store(f->path); /* it was not changed */
        assert_true(api_hash(f->store) == hash);
    }
}

static void test_a_flipped_byte_in_the_log(void **state)
{
    fixture *f = *state;
    static frame frames[64];
    write_tokens(f, 30);
    close_store(f);
    size_t count = read_frames(f, "00000001.log", frames, 64);
    assert_int_equal(count, 30);
    for (size_t i = 0; i < count; i += 4) {
        size_t bytes;
        uint8_t *before = read_all(file_path(f, "00000001.log"), &bytes);
        uint64_t at = frames[i].offset + test_random_below(&f->random, frames[i].bytes);
        damage(f, "00000001.log", at, 1, before[at] ^ 0x40);
        ASSERT_OK(repair(f));
        assert_int_equal(f->loss_count, 1);
        assert_int_equal(f->losses[0].bytes > 0, true);
        assert_loss(f, 0, "00000001.log", frames[i].offset, f->losses[0].bytes, i + 1, i + 1);
        if (i + 1 < count)
            assert_int_equal(f->losses[0].bytes, frames[i].bytes);
        assert_int_equal(f->report.ops_missing, 1);
        assert_int_equal(f->report.ops_applied, count - 1);
        assert_tokens(f, 30, (unsigned)i + 1, (unsigned)i + 1);
        remove_copy(f);
        test_file_write(file_path(f, "00000001.log"), before, bytes);
        free(before);
    }
}

static void test_lost_sectors(void **state)
{
    fixture *f = *state;
    static frame frames[128];
    write_tokens(f, 100);
    close_store(f);
    assert_int_equal(read_frames(f, "00000001.log", frames, 128), 100);
    /* Zeroes from within op 20 to within op 50. */
    uint64_t begin = frames[19].offset + 8;
    damage(f, "00000001.log", begin, frames[49].offset + 8 - begin, 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000001.log", frames[19].offset, frames[50].offset - frames[19].offset, 20,
                50);
    assert_int_equal(f->report.ops_missing, 31);
    assert_tokens(f, 100, 20, 50);
    remove_copy(f);
    /* Two places. */
    damage(f, "00000001.log", frames[80].offset, 4, 0xFF);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 2);
    assert_loss(f, 1, "00000001.log", frames[80].offset, frames[80].bytes, 81, 81);
    assert_int_equal(f->report.ops_missing, 32);
    assert_int_equal(f->report.seq, 100);
}

static void test_the_end_of_the_log(void **state)
{
    fixture *f = *state;
    static frame frames[64];
    char command[2000], running[700];
    write_tokens(f, 30);
    api_make_durable(f->store);
    /* As a crash leaves it: not closed, something half written behind the last op. */
    test_path(running, sizeof running, f->root, "running");
    snprintf(command, sizeof command, "cp -r '%s' '%s'", f->path, running);
    assert_int_equal(system(command), 0);
    close_store(f);
    /* Closed: MANIFEST says that op 30 was durable. */
    assert_int_equal(read_frames(f, "00000001.log", frames, 64), 30);
    uint64_t cut = frames[28].offset + 10;
    assert_int_equal(truncate(file_path(f, "00000001.log"), (off_t)cut), 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000001.log", frames[28].offset, f->losses[0].bytes, 29, 30);
    assert_int_equal(f->report.seq, 28);
    assert_tokens(f, 30, 29, 30);
    remove_copy(f);
    /* Cut between two ops: nothing stands there, but they were durable. */
    assert_int_equal(truncate(file_path(f, "00000001.log"), (off_t)frames[28].offset), 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000001.log", frames[28].offset, 0, 29, 30);
    remove_copy(f);

    snprintf(f->path, sizeof f->path, "%s", running);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 0); /* what was preallocated is no tail */
    remove_copy(f);
    damage(f, "00000001.log", frames[29].offset + frames[29].bytes, 100, 0x55);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000001.log", frames[29].offset + frames[29].bytes, f->losses[0].bytes, 0,
                0);
    assert_true(f->losses[0].bytes >= 100 && f->losses[0].bytes < 108);
    assert_non_null(strstr(f->losses[0].text, "torn tail"));
    assert_tokens(f, 30, 0, 0);
}

/* Writes until there are four segments. */
static unsigned write_segments(fixture *f)
{
    unsigned count = 0;
    while (access(file_path(f, "00000004.log"), F_OK) != 0) {
        write_tokens(f, 50);
        count += 50;
    }
    close_store(f);
    return count;
}

static void test_a_missing_segment(void **state)
{
    fixture *f = *state;
    static frame frames[4096];
    unsigned count = write_segments(f);
    size_t in_second = read_frames(f, "00000002.log", frames, 4096);
    ng_seq first = frames[0].seq, last = frames[in_second - 1].seq;
    assert_int_equal(unlink(file_path(f, "00000002.log")), 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000002.log", 0, 0, first, last);
    assert_non_null(strstr(f->losses[0].text, "missing"));
    assert_int_equal(f->report.ops_missing, in_second);
    assert_tokens(f, count, (unsigned)first, (unsigned)last);
    remove_copy(f);
    /* The first one as well: MANIFEST knows where the log began. */
    assert_int_equal(unlink(file_path(f, "00000001.log")), 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000001.log", 0, 0, 1, last);
    assert_tokens(f, count, 1, (unsigned)last);
}

static void test_a_damaged_header_of_a_segment(void **state)
{
    fixture *f = *state;
    unsigned count = write_segments(f);
    damage(f, "00000003.log", 20, 30, 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, "00000003.log", 0, 64, 0, 0);
    assert_tokens(f, count, 0, 0);
}

static void test_ops_that_no_longer_fit(void **state)
{
    fixture *f = *state;
    static frame frames[16];
    ng_token_id a = api_labelled(f->store, "a");
    ng_token_id b = api_labelled(f->store, "b");
    ng_token_id c = api_labelled(f->store, "c");
    api_link(f->store, a, b, 0x50, NG_CONNECTION_ACTIVE); /* 4: refused when b is lost */
    api_link(f->store, a, c, 0x50, NG_CONNECTION_ACTIVE);
    ASSERT_OK(ng_token_delete(f->store, b, NULL)); /* 6: likewise */
    ASSERT_OK(ng_token_delete(f->store, c, NULL));
    close_store(f);
    assert_int_equal(read_frames(f, "00000001.log", frames, 16), 7);
    damage(f, "00000001.log", frames[1].offset + 4, 4, 0x77);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 3);
    assert_loss(f, 0, "00000001.log", frames[1].offset, frames[1].bytes, 2, 2);
    assert_loss(f, 1, "00000001.log", frames[3].offset, frames[3].bytes, 4, 4);
    assert_loss(f, 2, "00000001.log", frames[5].offset, frames[5].bytes, 6, 6);
    assert_int_equal(f->report.ops_refused, 2);
    assert_int_equal(f->report.ops_missing, 1);
    assert_int_equal(f->report.ops_applied, 4);
    assert_int_equal(f->report.tokens, 1);
    assert_int_equal(f->report.connections, 0);
}

/* --- MANIFEST -------------------------------------------------------------------------------- */

static void test_a_lost_manifest(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 300; i++)
        api_random_write(f->store, &f->random);
    ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
    for (int i = 0; i < 100; i++)
        api_random_write(f->store, &f->random);
    uint64_t hash = api_hash(f->store);
    ng_seq seq = api_seq(f->store);
    close_store(f);
    const off_t sizes[] = {300, 10, 0, -1};
    for (int i = 0; i < 4; i++) {
        if (sizes[i] >= 0)
            assert_int_equal(truncate(file_path(f, "MANIFEST"), sizes[i]), 0);
        else
            assert_int_equal(unlink(file_path(f, "MANIFEST")), 0);
        ASSERT_OK(repair(f));
        assert_int_equal(f->loss_count, 1);
        assert_string_equal(f->losses[0].file, "MANIFEST");
        api_assert_is(f->copy, hash, seq); /* the snapshot says what it said */
        remove_copy(f);
    }
}

static void test_only_a_log_is_left(void **state)
{
    fixture *f = *state;
    write_tokens(f, 50);
    close_store(f);
    assert_int_equal(unlink(file_path(f, "MANIFEST")), 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 2);
    assert_non_null(strstr(f->losses[1].text, "defaults"));
    assert_tokens(f, 50, 0, 0);
    remove_copy(f);
    damage(f, "00000001.log", 0, 64, 0);
    ASSERT_FAILS(repair(f), NG_E_CORRUPT, "nothing can be saved");
    assert_int_equal(api_entries(f->root), 1);
}

/* --- snapshots ------------------------------------------------------------------------------- */

static void snapshot_name(ng_seq seq, char out[64])
{
    snprintf(out, 64, "%020llu.snap", (unsigned long long)seq);
}

static void test_the_snapshot_before(void **state)
{
    fixture *f = *state;
    char name[64];
    ng_info info;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++)
            api_random_write(f->store, &f->random);
        ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
    }
    for (int i = 0; i < 50; i++)
        api_random_write(f->store, &f->random);
    uint64_t hash = api_hash(f->store);
    ng_seq seq = api_seq(f->store);
    ASSERT_OK(ng_store_info(f->store, &info));
    close_store(f);
    snapshot_name(info.snapshot_seq, name);
    uint64_t bytes, at = find_block(f, name, 1, &bytes);
    damage(f, name, at + 40, 8, 0xEE);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, name, at, 0, 0, 0);
    assert_int_equal(f->report.ops_missing, 0);
    api_assert_is(f->copy, hash, seq);
    remove_copy(f);
    assert_int_equal(unlink(file_path(f, name)), 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    assert_loss(f, 0, name, 0, 0, 0, 0);
    assert_string_equal(f->losses[0].text, "missing");
    api_assert_is(f->copy, hash, seq);
}

#define LARGE 20000u /* two blocks of tokens and of connections */
#define BLOCK 16384u /* records in a full one */

/* Tokens with a label each, every 10th with a vector; a ring of connections. */
static void write_large(ng_store *store)
{
    enum { BATCH = 1000 };
    static ng_token_fields fields[BATCH];
    static ng_connection_fields links[BATCH];
    static char labels[BATCH][16];
    static float vectors[BATCH][4];
    static uint64_t ids[BATCH];
    for (unsigned first = 1; first <= LARGE; first += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            snprintf(labels[i], sizeof labels[i], "t%u", first + i);
            fields[i] = api_fields();
            fields[i].set = NG_FIELD_LABEL;
            fields[i].label = labels[i];
            fields[i].label_bytes = strlen(labels[i]);
            if ((first + i) % 10 == 0) {
                fields[i].set |= NG_FIELD_VECTOR;
                for (int k = 0; k < 4; k++)
                    vectors[i][k] = (float)(first + i) + (float)k;
                fields[i].vector = vectors[i];
                fields[i].vector_dimensions = 4;
            }
        }
        ASSERT_OK(ng_token_create_many(store, fields, BATCH, NULL, ids));
    }
    for (unsigned first = 1; first <= LARGE; first += BATCH) {
        for (unsigned i = 0; i < BATCH; i++)
            links[i] = (ng_connection_fields){.struct_size = sizeof links[i],
                                              .source = first + i,
                                              .target = (first + i) % LARGE + 1};
        ASSERT_OK(ng_connection_create_many(store, links, BATCH, NULL, ids));
    }
}

/* A store with nothing but a snapshot; returns its name. */
static void only_a_snapshot(fixture *f, char name[64])
{
    char command[900];
    api_blob blob = {0};
    ASSERT_OK(ng_stream_write(f->store, NULL, api_blob_sink, &blob, NULL));
    snapshot_name(api_seq(f->store), name);
    close_store(f);
    snprintf(command, sizeof command, "rm -r '%s'", f->path);
    assert_int_equal(system(command), 0);
    ASSERT_OK(ng_stream_restore(api_blob_source, &blob, f->path, NULL, NULL));
    api_blob_release(&blob);
}

static bool has_loss(const fixture *f, const char *text)
{
    for (size_t i = 0; i < f->loss_count; i++)
        if (strstr(f->losses[i].text, text) != NULL)
            return true;
    return false;
}

static void test_a_lost_block_of_tokens(void **state)
{
    fixture *f = *state;
    char name[64];
    write_large(f->store);
    only_a_snapshot(f, name);
    uint64_t bytes, at = find_block(f, name, 1, &bytes) + bytes; /* the second one */
    damage(f, name, at + 100, 1, 0xEE);
    ASSERT_OK(repair(f));
    assert_loss(f, 1, name, at, (LARGE + 1 - BLOCK) * 64 + 32, 0, 0);
    assert_true(has_loss(f, "tokens 16384..20000 are lost"));
    assert_true(has_loss(f, "3618 connections are dropped"));
    assert_true(has_loss(f, "3617 of 20000 labels"));
    assert_true(has_loss(f, "362 of 2000 vectors"));
    assert_int_equal(f->loss_count, 6); /* the first: that the snapshot does not load */
    assert_int_equal(f->report.tokens, BLOCK - 1);
    assert_int_equal(f->report.labels, BLOCK - 1);
    assert_int_equal(f->report.vectors, (BLOCK - 1) / 10);
    assert_int_equal(f->report.connections, BLOCK - 2);
    assert_int_equal(f->report.seq, 40);
    assert_tokens(f, LARGE, BLOCK, LARGE);
    /* What the saved store gives out next is new. */
    ng_store *copy = api_disk_store(f->copy);
    assert_int_equal(api_token(copy), LARGE + 1);
    float vector[4];
    size_t count;
    ASSERT_OK(ng_token_vector(copy, 50, vector, 4, &count));
    assert_true(count == 4 && vector[0] == 50 && vector[3] == 53);
    ASSERT_OK(ng_close(copy));
}

static void test_lost_sides(void **state)
{
    fixture *f = *state;
    char name[64];
    ng_collection_id other;
    ng_token_fields fields = api_fields();
    ng_token_id first, second;
    ASSERT_OK(ng_collection_create(f->store, "other", NULL, &other));
    fields.set = NG_FIELD_LABEL;
    fields.label = "same";
    fields.label_bytes = 4;
    ASSERT_OK(ng_token_create(f->store, &fields, NULL, &first));
    fields.collection = other;
    ASSERT_OK(ng_token_create(f->store, &fields, NULL, &second));
    fields.label = "single";
    fields.label_bytes = 6;
    ASSERT_OK(ng_token_create(f->store, &fields, NULL, &second));
    api_link(f->store, first, second, 0x50, NG_CONNECTION_ACTIVE);
    only_a_snapshot(f, name);
    uint64_t bytes, at = find_block(f, name, 2, &bytes);
    damage(f, name, at + 40, 1, 0xEE);
    ASSERT_OK(repair(f));
    assert_true(has_loss(f, "version, time and collection of tokens 1..3"));
    assert_true(has_loss(f, "2 of 3 labels"));
    assert_int_equal(f->report.tokens, 3);
    assert_int_equal(f->report.connections, 1);
    ng_store *copy = api_disk_store(f->copy);
    ng_token_info info;
    ASSERT_OK(ng_token_find(copy, 0, "single", 6, &second));
    ASSERT_OK(ng_token_get(copy, second, &info));
    assert_int_equal(info.version, 1);
    assert_int_equal(info.collection, 0);
    assert_int_equal(ng_token_find(copy, 0, "same", 4, &second), NG_E_NOT_FOUND);
    api_assert_clean(copy);
    ASSERT_OK(ng_close(copy));
}

/* Every kind of block, one after the other: the rest is always saved. */
static void test_each_block_of_a_small_snapshot(void **state)
{
    fixture *f = *state;
    char name[64];
    const float vector[] = {1, 2, 3};
    ng_token_fields fields = api_fields();
    ng_collection_id other;
    ng_cdna cdna;
    ASSERT_OK(ng_collection_create(f->store, "other", NULL, &other));
    ASSERT_OK(ng_cdna_get(f->store, &cdna));
    cdna.scales[1] = 7;
    ASSERT_OK(ng_cdna_set(f->store, &cdna, NULL));
    fields.set = NG_FIELD_LABEL | NG_FIELD_VECTOR;
    fields.collection = other;
    fields.label = "word";
    fields.label_bytes = 4;
    fields.vector = vector;
    fields.vector_dimensions = 3;
    fields.set |= NG_FIELD_TAGS | NG_FIELD_DATA;
    fields.tags = &(ng_text){"tag", 3};
    fields.tag_count = 1;
    fields.data = "{}";
    fields.data_bytes = 2;
    ng_token_id word;
    ASSERT_OK(ng_token_create(f->store, &fields, NULL, &word));
    api_link(f->store, word, api_token(f->store), 0x50, NG_CONNECTION_ACTIVE);
    only_a_snapshot(f, name);
    size_t size;
    uint8_t *whole = read_all(file_path(f, name), &size);
    for (uint16_t kind = 0; kind <= 9; kind++) {
        if (kind == 8)
            continue; /* there is no projection */
        uint64_t bytes, at = kind == 0 ? 60 : find_block(f, name, kind, &bytes);
        damage(f, name, at + 33, 1, whole[at + 33] ^ 1);
        ASSERT_OK(repair(f));
        assert_true(f->loss_count >= 2);
        assert_int_equal(f->report.tokens, kind == 1 ? 0 : 2);
        assert_int_equal(f->report.labels, kind == 1 || kind == 3 ? 0 : 1);
        assert_int_equal(f->report.vectors, kind == 1 || kind == 4 ? 0 : 1);
        assert_int_equal(f->report.attributes, kind == 1 || kind == 9 ? 0 : 1);
        assert_int_equal(f->report.connections, kind == 1 || kind == 5 ? 0 : 1);
        ng_store *copy = api_disk_store(f->copy);
        ASSERT_OK(ng_cdna_get(copy, &cdna));
        assert_true(cdna.scales[1] == (kind == 7 ? 1 : 7));
        assert_int_equal(ng_collection_find(copy, kind == 6 ? "recovered-2" : "other", &other),
                         NG_OK);
        api_assert_clean(copy);
        ASSERT_OK(ng_close(copy));
        remove_copy(f);
        test_file_write(file_path(f, name), whole, size);
    }
    /* The end mark: nothing is lost, and that is said. */
    damage(f, name, size - 1, 1, whole[size - 1] ^ 1);
    ASSERT_OK(repair(f));
    assert_int_equal(f->report.tokens, 2);
    assert_int_equal(f->report.vectors, 1);
    free(whole);
}

/* No snapshot loads, but the log reaches back to the first op: it is the better source. */
static void test_the_log_instead_of_a_snapshot(void **state)
{
    fixture *f = *state;
    char name[64];
    for (int i = 0; i < 100; i++)
        api_random_write(f->store, &f->random);
    ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
    uint64_t hash = api_hash(f->store);
    ng_seq seq = api_seq(f->store);
    close_store(f);
    snapshot_name(seq, name);
    damage(f, name, 600, 100, 0);
    ASSERT_OK(repair(f));
    assert_int_equal(f->loss_count, 1);
    api_assert_is(f->copy, hash, seq);
}

/* --- refusals, and anything at all ----------------------------------------------------------- */

static void test_refusals(void **state)
{
    fixture *f = *state;
    write_tokens(f, 5);
    ASSERT_FAILS(repair(f), NG_E_BUSY, "open in another");
    close_store(f);
    ASSERT_FAILS(ng_repair(f->path, f->root, NULL, NULL, NULL), NG_E_EXISTS, "not empty");
    ASSERT_FAILS(ng_repair("/nowhere", f->copy, NULL, NULL, NULL), NG_E_NOT_FOUND, "nowhere");
    ASSERT_FAILS(ng_repair(f->root, f->copy, NULL, NULL, NULL), NG_E_NOT_FOUND, "no store");
    ASSERT_FAILS(ng_repair(NULL, f->copy, NULL, NULL, NULL), NG_E_INVALID, "path");
    ASSERT_FAILS(ng_repair(f->path, NULL, NULL, NULL, NULL), NG_E_INVALID, "to");
    /* Open for reading only: that does not disturb. */
    ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_READ_ONLY};
    ng_store *reader = NULL;
    ASSERT_OK(ng_open(f->path, &options, &reader));
    ASSERT_OK(ng_repair(f->path, f->copy, NULL, NULL, NULL));
    ASSERT_OK(ng_close(reader));
    assert_tokens(f, 5, 0, 0);
}

static const char *pick_file(const fixture *f, test_random *random, char out[300])
{
    DIR *directory = opendir(f->path);
    assert_non_null(directory);
    uint64_t seen = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.' && test_random_below(random, ++seen) == 0)
            snprintf(out, 300, "%s", entry->d_name);
    closedir(directory);
    return out;
}

static void damage_something(fixture *f)
{
    char name[300];
    struct stat info;
    pick_file(f, &f->random, name);
    assert_int_equal(stat(file_path(f, name), &info), 0);
    if (info.st_size == 0)
        return;
    uint64_t size = (uint64_t)info.st_size;
    uint64_t at = test_random_below(&f->random, size);
    uint64_t bytes = 1 + test_random_below(&f->random, 200);
    if (bytes > size - at)
        bytes = size - at;
    switch (test_random_below(&f->random, 8)) {
    case 0:
        assert_int_equal(truncate(file_path(f, name), (off_t)at), 0);
        break;
    case 1:
        assert_int_equal(unlink(file_path(f, name)), 0);
        break;
    case 2:
        damage(f, name, at, bytes, 0);
        break;
    default:
        damage(f, name, at, 1, (int)test_random_below(&f->random, 256));
    }
}

static void test_anything_at_all(void **state)
{
    fixture *f = *state;
    char command[3000], original[700];
    unsigned saved = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 150; i++)
            api_random_write(f->store, &f->random);
        if (round < 2)
            ASSERT_OK(ng_checkpoint(f->store, NULL, NULL, NULL));
    }
    close_store(f);
    test_path(original, sizeof original, f->root, "original");
    snprintf(command, sizeof command, "cp -r '%s' '%s'", f->path, original);
    assert_int_equal(system(command), 0);
    for (int round = 0; round < 100; round++) {
        snprintf(command, sizeof command, "rm -rf '%s' '%s' && cp -r '%s' '%s'", f->path, f->copy,
                 original, f->path);
        assert_int_equal(system(command), 0);
        for (uint64_t i = test_random_below(&f->random, 6); i > 0; i--)
            damage_something(f);
        ng_status status = repair(f);
        if (status == NG_OK) {
            ng_store *copy = api_disk_store(f->copy);
            api_assert_clean(copy);
            assert_int_equal(api_seq(copy), f->report.seq);
            ASSERT_OK(ng_close(copy));
            saved++;
        } else if (status != NG_E_CORRUPT && status != NG_E_NOT_FOUND) {
            fail_msg("round %d: %s: %s", round, ng_status_name(status), ng_last_error());
        } else {
            assert_int_equal(access(f->copy, F_OK), -1);
        }
    }
    assert_true(saved > 80);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_damaged),
        TEST(test_a_flipped_byte_in_the_log),
        TEST(test_lost_sectors),
        TEST(test_the_end_of_the_log),
        TEST(test_a_missing_segment),
        TEST(test_a_damaged_header_of_a_segment),
        TEST(test_ops_that_no_longer_fit),
        TEST(test_a_lost_manifest),
        TEST(test_only_a_log_is_left),
        TEST(test_the_snapshot_before),
        TEST(test_a_lost_block_of_tokens),
        TEST(test_lost_sides),
        TEST(test_each_block_of_a_small_snapshot),
        TEST(test_the_log_instead_of_a_snapshot),
        TEST(test_refusals),
        TEST(test_anything_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
