/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making, printing, reading and opening the golden store. */
#include "golden_build.h"

#include "sample_store.h"
#include "store/store_restore.h"
#include "store/store_stream.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#define LINE_BYTES 32 /* of a file on one line of the text */

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "golden store: %s (%s)\n", what, ng_last_error());
    abort();
}

static golden_file *golden_add(golden_set *golden, const char *name)
{
    require(golden->file_count < GOLDEN_FILES_MAX, "too many files");
    golden_file *file = &golden->files[golden->file_count++];
    snprintf(file->name, sizeof file->name, "%s", name);
    return file;
}

static ng_status append(void *context, const void *data, size_t bytes)
{
    golden_file *file = context;
    file->data = realloc(file->data, file->bytes + bytes + 1);
    require(file->data != NULL, "out of memory");
    memcpy(file->data + file->bytes, data, bytes);
    file->bytes += bytes;
    return NG_OK;
}

/* What depends on the process: its number in LOCK, the events of this run. */
static bool is_of_the_format(const char *name)
{
    return strcmp(name, "LOCK") != 0 && strcmp(name, "BLACKBOX") != 0;
}

static void take_files(golden_set *golden, sim_disk *disk)
{
    char paths[GOLDEN_FILES_MAX][SIM_PATH_BYTES];
    size_t count = sim_disk_files(disk, paths, GOLDEN_FILES_MAX);
    require(count <= GOLDEN_FILES_MAX, "too many files");
    for (size_t i = 0; i < count; i++) {
        const char *name = strrchr(paths[i], '/') + 1;
        if (!is_of_the_format(name))
            continue;
        golden_file *file = golden_add(golden, name);
        file->data = sim_disk_file_copy(disk, paths[i], &file->bytes);
    }
}

static void put_vectors(ng_store *store, ng_token_id id, const ng_field_vector *vectors,
                        size_t count)
{
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_VECTORS,
                                    .vectors = vectors,
                                    .vector_count = count};
    require(ngi_store_token_put(store, &id, &fields, 1, NULL, NULL) == NG_OK, "vectors");
}

static void make_field(ng_store *store, const char *name, uint32_t dimensions,
                       ng_vector_metric metric)
{
    ng_vector_field_id id = 0;
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = dimensions,
                                             .metric = metric};
    require(ngi_store_vector_field_create(store, name, &options, NULL, &id) == NG_OK, name);
}

static const float golden_values[8] = {0.5f, -1, 2.25f, 1e-20f, 3e20f, -0.0f, 7, 0.125f};

/* Three fields, of which the second is dropped. */
static void write_fields(ng_store *store, const sample_state *sample)
{
    const float *values = golden_values;
    make_field(store, "image", 5, NG_VECTOR_COSINE);
    make_field(store, "dropped", 2, NG_VECTOR_L2);
    make_field(store, "click.1", 3, NG_VECTOR_DOT);
    put_vectors(store, sample->tokens[0], (const ng_field_vector[]){{3, values, 3}, {1, values, 5}},
                2);
    put_vectors(store, sample->tokens[1], (const ng_field_vector[]){{2, values, 2}}, 1);
    put_vectors(store, sample->tokens[4], (const ng_field_vector[]){{1, values + 3, 5}}, 1);
    require(ngi_store_vector_field_drop(store, 2, NULL) == NG_OK, "drop");
}

/* The default field and "image" exchange their vectors, with a projection and without, and get others. */
static void exchange_fields(ng_store *store, const sample_state *sample)
{
    float mean[5] = {0.5f, -1, 2, 0, 0.25f}, component[5] = {0, 0, 1, 0, 0};
    const ngi_projection projection = {.dimensions = 5,
                                       .component_count = 1,
                                       .vector_count = 1,
                                       .explained = {0.75},
                                       .mean = mean,
                                       .components = component};
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_VECTOR,
                                    .vector = golden_values + 1,
                                    .vector_dimensions = 5};
    put_vectors(store, sample->tokens[1], (const ng_field_vector[]){{1, golden_values, 5}}, 1);
    require(ngi_store_vector_field_swap(store, 1, "words", &projection, NULL) == NG_OK, "there");
    require(ngi_store_token_put(store, &sample->tokens[0], &fields, 1, NULL, NULL) == NG_OK, "put");
    require(ngi_store_vector_field_swap(store, 1, "image", NULL, NULL) == NG_OK, "back");
    require(ngi_store_vector_field_swap(store, 1, "words.2", &projection, NULL) == NG_OK, "again");
}

static void write_more_fields(ng_store *store, const sample_state *sample)
{
    const float *values = golden_values;
    make_field(store, "l2", 2, NG_VECTOR_L2);
    put_vectors(store, sample->tokens[0], (const ng_field_vector[]){{1, NULL, 0}, {4, values, 2}},
                2);
    put_vectors(store, sample->tokens[1], (const ng_field_vector[]){{3, values + 2, 3}}, 1);
    require(ngi_store_token_delete(store, sample->tokens[4], NULL) == NG_OK, "delete");
    exchange_fields(store, sample);
}

static void write_all(golden_set *golden, ng_store *store, bool has_fields)
{
    sample_state sample = {0};
    ng_checkpoint_report report;
    ng_stream_options ops = {.struct_size = sizeof ops, .incremental = true};
    require(sample_write(store, &sample, 0) == NG_OK, "stage 0");
    require(sample_write(store, &sample, 1) == NG_OK, "stage 1");
    require(sample_write(store, &sample, 4) == NG_OK, "stage 4");
    if (has_fields)
        write_fields(store, &sample);
    require(ngi_store_checkpoint(store, NULL, NULL, &report) == NG_OK, "checkpoint");
    require(ngi_store_hash(store, &golden->states[0]) == NG_OK, "hash");
    require(ngi_store_stream_write(store, NULL, append, golden_add(golden, "whole.full"), NULL) ==
                NG_OK,
            "whole stream");
    require(sample_write(store, &sample, 2) == NG_OK, "stage 2");
    require(sample_write(store, &sample, 3) == NG_OK, "stage 3");
    require(sample_write(store, &sample, 4) == NG_OK, "stage 4 again");
    if (has_fields)
        write_more_fields(store, &sample);
    ops.after = report.seq;
    require(ngi_store_stream_write(store, &ops, append, golden_add(golden, "ops.incremental"),
                                   NULL) == NG_OK,
            "stream of ops");
    require(ngi_store_hash(store, &golden->states[1]) == NG_OK, "hash");
}

void golden_make(golden_set *out, bool has_fields)
{
    memset(out, 0, sizeof *out);
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    ng_store *store = NULL;
    ng_open_options options = sample_options();
    sim_disk *disk = sim_disk_create(20260101);
    require(ngi_store_open(sim_disk_os(disk), &mem, GOLDEN_STORE, &options, &store) == NG_OK,
            "open");
    write_all(out, store, has_fields);
    require(ngi_store_close(store) == NG_OK, "close");
    take_files(out, disk);
    sim_disk_destroy(disk);
}

void golden_release(golden_set *golden)
{
    for (size_t i = 0; i < golden->file_count; i++)
        free(golden->files[i].data);
    memset(golden, 0, sizeof *golden);
}

void golden_print(const golden_set *golden, FILE *to, bool with_bytes)
{
    static const char *const states[GOLDEN_STATES] = {"snapshot", "last"};
    for (size_t i = 0; i < golden->file_count; i++) {
        const golden_file *file = &golden->files[i];
        fprintf(to, "file %s %zu %016llx\n", file->name, file->bytes,
                (unsigned long long)XXH3_64bits(file->data, file->bytes));
        for (size_t at = 0; with_bytes && at < file->bytes; at++) {
            bool is_last = at % LINE_BYTES == LINE_BYTES - 1 || at + 1 == file->bytes;
            fprintf(to, "%02x%s", file->data[at], is_last ? "\n" : "");
        }
    }
    for (size_t i = 0; i < GOLDEN_STATES; i++)
        fprintf(to, "state %s %016llx\n", states[i], (unsigned long long)golden->states[i]);
}

static uint8_t hex_byte(const char *text)
{
    unsigned value = 0;
    require(sscanf(text, "%2x", &value) == 1, "not hexadecimal");
    return (uint8_t)value;
}

static void read_bytes(FILE *from, golden_file *file)
{
    char line[2 * LINE_BYTES + 3];
    file->data = malloc(file->bytes + 1);
    require(file->data != NULL, "out of memory");
    for (size_t at = 0; at < file->bytes; at += LINE_BYTES) {
        size_t wanted = file->bytes - at < LINE_BYTES ? file->bytes - at : LINE_BYTES;
        require(fgets(line, sizeof line, from) != NULL && strlen(line) >= 2 * wanted,
                "the text ends too early");
        for (size_t i = 0; i < wanted; i++)
            file->data[at + i] = hex_byte(line + 2 * i);
    }
}

void golden_read(FILE *from, golden_set *out)
{
    char line[256], name[64];
    unsigned long long bytes = 0, sum = 0;
    size_t states = 0;
    memset(out, 0, sizeof *out);
    while (fgets(line, sizeof line, from) != NULL) {
        if (sscanf(line, "file %63s %llu %llx", name, &bytes, &sum) == 3) {
            golden_file *file = golden_add(out, name);
            require(bytes < 1u << 20, "a file is too long");
            file->bytes = (size_t)bytes;
            read_bytes(from, file);
            require(XXH3_64bits(file->data, file->bytes) == sum, "bytes and sum differ");
        } else if (sscanf(line, "state %63s %llx", name, &sum) == 2 && states < GOLDEN_STATES) {
            out->states[states++] = sum;
        }
    }
    require(states == GOLDEN_STATES, "states are missing");
}

const golden_file *golden_find(const golden_set *golden, const char *name)
{
    for (size_t i = 0; i < golden->file_count; i++) {
        if (strcmp(golden->files[i].name, name) == 0)
            return &golden->files[i];
    }
    return NULL;
}

bool golden_is_stream(const golden_file *file)
{
    return strcmp(file->name, "whole.full") == 0 || strcmp(file->name, "ops.incremental") == 0;
}

sim_disk *golden_disk(const golden_set *golden)
{
    sim_disk *disk = sim_disk_create(7);
    require(sim_disk_os(disk)->make_directory(sim_disk_os(disk), GOLDEN_STORE) == NG_OK,
            "directory");
    for (size_t i = 0; i < golden->file_count; i++) {
        const golden_file *file = &golden->files[i];
        char path[SIM_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", GOLDEN_STORE, file->name);
        if (!golden_is_stream(file))
            sim_disk_file_put(disk, path, file->data, file->bytes);
    }
    return disk;
}

ng_status golden_open(sim_disk *disk, const char *path, uint32_t flags, uint64_t *hash)
{
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    ng_store *store = NULL;
    ng_open_options options = sample_options();
    options.flags |= flags;
    ng_status status = ngi_store_open(sim_disk_os(disk), &mem, path, &options, &store);
    if (status != NG_OK)
        return status;
    ng_check_report report;
    require(ngi_store_check(store, &report) == NG_OK, "check");
    /* A damaged snapshot that opening passed over stays, and is a problem. */
    require(report.problem_count == 0 || strstr(report.first_problem, ".snap") != NULL,
            report.first_problem);
    require(ngi_store_hash(store, hash) == NG_OK, "hash");
    require(ngi_store_close(store) == NG_OK, "close");
    return NG_OK;
}

typedef struct golden_source {
    const golden_file *file;
    size_t at;
} golden_source;

static ng_status give(void *context, void *data, size_t capacity, size_t *bytes)
{
    golden_source *source = context;
    size_t left = source->file->bytes - source->at;
    *bytes = left < capacity ? left : capacity;
    memcpy(data, source->file->data + source->at, *bytes);
    source->at += *bytes;
    return NG_OK;
}

ng_status golden_restore(sim_disk *disk, const golden_file *const *streams, size_t count,
                         const char *to)
{
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    store_restore restore = {0};
    ng_status status;
    NGI_TRY(ngi_restore_begin(&restore, sim_disk_os(disk), &mem, to, NULL));
    for (size_t i = 0; i < count; i++) {
        golden_source source = {streams[i], 0};
        NGI_TRY(ngi_restore_feed(&restore, give, &source));
    }
    NGI_TRY(ngi_restore_finish(&restore, NULL));
out:
    ngi_restore_release(&restore);
    return status;
}
