/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The file of graphs of vectors: any bytes. Input: u8 flags (bit 7 checksums made right), then the file.
 * It is read or refused; what was read is whole, and answers. */
#include "fuzz_image.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "store/store_graph_file.h"

#define GRAPHS "/sim/store/graphs"
#define VECTORS 60u
#define DIMENSIONS 6u

static sim_disk *disk;
static ng_store *store;
static ngi_mem mem;

static void number(float out[DIMENSIONS], unsigned i)
{
    for (unsigned k = 0; k < DIMENSIONS; k++)
        out[k] = (float)((i * 7 + k * i * 3) % 19) - 9;
}

/* A store with vectors in the default field and in a named one, and a graph of each. */
static void build(void)
{
    const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MANUAL};
    const ng_vector_field_options wanted = {.struct_size = sizeof wanted,
                                            .dimensions = DIMENSIONS,
                                            .metric = NG_VECTOR_L2};
    const ng_vector_graph_options first = {.struct_size = sizeof first,
                                           .remove_components = NG_PLAIN_COSINE};
    const ng_vector_graph_options second = {.struct_size = sizeof second, .field = 1};
    ng_vector_field_id id;
    ngi_mem_init(&mem, 0);
    disk = sim_disk_create(1);
    FUZZ_CHECK(ngi_store_open(sim_disk_os(disk), &mem, FUZZ_STORE, &options, &store) == NG_OK);
    FUZZ_CHECK(ngi_store_vector_field_create(store, "second", &wanted, NULL, &id) == NG_OK);
    for (unsigned i = 1; i <= VECTORS; i++) {
        float values[DIMENSIONS];
        ng_token_id token;
        number(values, i);
        const ng_field_vector vector = {.field = id, .values = values, .dimensions = DIMENSIONS};
        const ng_token_fields fields = {.struct_size = sizeof fields,
                                        .set = NG_FIELD_VECTOR | NG_FIELD_VECTORS,
                                        .vector = values,
                                        .vector_dimensions = DIMENSIONS,
                                        .vectors = &vector,
                                        .vector_count = 1};
        FUZZ_CHECK(ngi_store_token_put(store, NULL, &fields, 1, NULL, &token) == NG_OK);
    }
    FUZZ_CHECK(ngi_store_vector_graph_build(store, &first, NULL, NULL) == NG_OK);
    FUZZ_CHECK(ngi_store_vector_graph_build(store, &second, NULL, NULL) == NG_OK);
}

static void fix(uint8_t *file, size_t bytes)
{
    if (bytes < 48)
        return;
    ngi_put_u32(file + 12, ngi_crc32c(0, file + 16, 32));
    for (size_t at = 48; bytes - at >= 12;) {
        size_t body = ngi_get_u32(file + at + 4);
        if (body > bytes - at - 12)
            return;
        ngi_put_u32(file + at + 8, ngi_crc32c(0, file + at + 12, body));
        at += 12 + body;
    }
}

/* What is there answers, and then goes. */
static void look(ng_vector_field_id field)
{
    float query[DIMENSIONS];
    ng_score hits[5];
    size_t count;
    const ng_vector_options options = {.struct_size = sizeof options,
                                       .remove_components = field == 0 ? NG_PLAIN_COSINE : 0,
                                       .effort = 10,
                                       .field = field};
    number(query, 3);
    FUZZ_CHECK(ngi_store_vector_nearest(store, query, DIMENSIONS, &options, hits, 5, &count) ==
               NG_OK);
    FUZZ_CHECK(count == 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    if (store == NULL)
        build();
    uint8_t *file = malloc(bytes);
    FUZZ_CHECK(file != NULL);
    memcpy(file, data + 1, bytes - 1);
    if (data[0] & 0x80)
        fix(file, bytes - 1);
    sim_disk_file_put(disk, "/sim/given", file, bytes - 1);
    ngi_os *os = sim_disk_os(disk);
    ngi_file given;
    FUZZ_CHECK(os->file_open(os, "/sim/given", NGI_OPEN_READ, &given) == NG_OK);
    for (ng_vector_field_id field = 0; field < 2; field++)
        FUZZ_CHECK(ngi_store_vector_graph_drop(store, field) == NG_OK);
    ng_status status = ngi_graphs_read(store, given);
    FUZZ_CHECK(status == NG_OK || strstr(ng_last_error(), "graphs of vectors") != NULL);
    os->file_close(os, given);
    FUZZ_CHECK(ngi_vectors_check(store->vectors) == NG_OK);
    for (ng_vector_field_id field = 0; field < 2; field++)
        look(field);
    free(file);
    return 0;
}

void fuzz_seeds(fuzz_seed_fn each, void *context)
{
    size_t bytes = 0;
    if (store == NULL)
        build();
    uint8_t *file = sim_disk_file_copy(disk, GRAPHS, &bytes);
    FUZZ_CHECK(file != NULL);
    uint8_t *seed = malloc(bytes + 1);
    FUZZ_CHECK(seed != NULL);
    memcpy(seed + 1, file, bytes);
    for (unsigned fixed = 0; fixed < 2; fixed++) {
        char name[32];
        seed[0] = (uint8_t)(fixed << 7);
        snprintf(name, sizeof name, "graphs-%u", fixed);
        each(context, name, seed, bytes + 1);
    }
    free(seed);
    free(file);
}
