/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The images that fuzz targets start from, and the changes to them. */
#include "fuzz_image.h"

#include "base/base_crc.h"
#include "sample_store.h"
#include "store/store_snapshot.h"
#include "store/store_stream.h"

#define STREAM_NAME "/stream.full"
#define SALT_OFFSET 16 /* of the uuid in MANIFEST */

typedef struct fuzz_bytes_list {
    uint8_t *data;
    size_t bytes, capacity;
} fuzz_bytes_list;

static sim_disk *stores[FUZZ_STORES];
static fuzz_bytes_list streams[FUZZ_STREAMS];

static ng_status append(void *context, const void *data, size_t bytes)
{
    fuzz_bytes_list *list = context;
    if (list->bytes + bytes > list->capacity) {
        list->capacity = (list->bytes + bytes) * 2;
        list->data = realloc(list->data, list->capacity);
        FUZZ_CHECK(list->data != NULL);
    }
    memcpy(list->data + list->bytes, data, bytes);
    list->bytes += bytes;
    return NG_OK;
}

static void write_streams(ng_store *store)
{
    ng_stream_options ops = {.struct_size = sizeof ops, .incremental = true, .after = 3};
    FUZZ_CHECK(ngi_store_stream_write(store, NULL, append, &streams[0], NULL) == NG_OK);
    FUZZ_CHECK(ngi_store_stream_write(store, &ops, append, &streams[1], NULL) == NG_OK);
}

/* The black box is not part of what is fuzzed here, and a quarter of a megabyte. */
static void drop_box(sim_disk *disk)
{
    sim_disk_file_erase(disk, FUZZ_STORE "/BLACKBOX");
}

static void build(unsigned base)
{
    ngi_mem mem;
    ngi_mem_init(&mem, 0);
    sample_state sample = {0};
    ng_store *store = NULL;
    ng_open_options options = sample_options();
    sim_disk *disk = sim_disk_create(base + 1);
    FUZZ_CHECK(ngi_store_open(sim_disk_os(disk), &mem, FUZZ_STORE, &options, &store) == NG_OK);
    for (unsigned stage = 0; stage < SAMPLE_STAGES; stage++) {
        FUZZ_CHECK(sample_write(store, &sample, stage) == NG_OK);
        if (base == 1 && stage == 1)
            FUZZ_CHECK(ngi_store_checkpoint(store, NULL, NULL, NULL) == NG_OK);
    }
    if (base == 0)
        write_streams(store);
    sim_disk *kept = base == 2 ? sim_disk_clone(disk) : NULL;
    FUZZ_CHECK(ngi_store_close(store) == NG_OK);
    stores[base] = kept != NULL ? kept : sim_disk_clone(disk);
    drop_box(stores[base]);
    sim_disk_destroy(disk);
}

static void build_all(void)
{
    for (unsigned i = 0; i < FUZZ_STORES && stores[i] == NULL; i++)
        build(i);
}

/* One change of `data`; the result has room for 255 bytes more than it had. */
static size_t change_bytes(fuzz_change what, uint8_t *data, size_t bytes, size_t offset,
                           fuzz_input *input, size_t length)
{
    size_t got = 0;
    if (offset > bytes)
        offset = bytes;
    size_t inside = length < bytes - offset ? length : bytes - offset;
    switch (what) {
    case FUZZ_OVERWRITE: {
        const uint8_t *from = fuzz_bytes(input, inside, &got);
        memcpy(data + offset, from, got);
        return bytes;
    }
    case FUZZ_APPEND: {
        const uint8_t *from = fuzz_bytes(input, length, &got);
        memcpy(data + bytes, from, got);
        return bytes + got;
    }
    case FUZZ_CUT:
        return offset;
    case FUZZ_ZERO:
        memset(data + offset, 0, inside);
        return bytes;
    case FUZZ_ADD:
        if (bytes - offset >= 4) {
            uint32_t value;
            memcpy(&value, data + offset, 4);
            value += (uint32_t)length - 128;
            memcpy(data + offset, &value, 4);
        }
        return bytes;
    case FUZZ_REPEAT:
        memmove(data + bytes, data + offset, inside);
        return bytes + inside;
    default:
        return bytes;
    }
}

static void change_store(sim_disk *disk, fuzz_input *input)
{
    static char paths[FUZZ_FILES_MAX][SIM_PATH_BYTES];
    size_t count = sim_disk_files(disk, paths, FUZZ_FILES_MAX);
    fuzz_change what = (fuzz_change)(fuzz_u8(input) % FUZZ_CHANGES);
    size_t file = fuzz_u8(input), offset = fuzz_u16(input), length = fuzz_u8(input);
    if (count == 0 || count > FUZZ_FILES_MAX)
        return;
    const char *path = paths[file % count];
    size_t bytes = 0, other_bytes = 0;
    if (what == FUZZ_REMOVE) {
        sim_disk_file_erase(disk, path);
        return;
    }
    uint8_t *data = sim_disk_file_copy(disk, path, &bytes);
    if (what == FUZZ_SWAP) {
        const char *other = paths[length % count];
        uint8_t *other_data = sim_disk_file_copy(disk, other, &other_bytes);
        sim_disk_file_put(disk, other, data, bytes);
        sim_disk_file_put(disk, path, other_data, other_bytes);
        free(other_data);
    } else {
        data = realloc(data, bytes + 256);
        FUZZ_CHECK(data != NULL);
        size_t after = change_bytes(what, data, bytes, offset, input, length);
        sim_disk_file_put(disk, path, data, after);
    }
    free(data);
}

static void fix_all(sim_disk *disk)
{
    static char paths[FUZZ_FILES_MAX][SIM_PATH_BYTES];
    size_t count = sim_disk_files(disk, paths, FUZZ_FILES_MAX), bytes = 0;
    uint32_t salt = 0;
    uint8_t *manifest = sim_disk_file_copy(disk, FUZZ_STORE "/MANIFEST", &bytes);
    if (manifest != NULL && bytes >= SALT_OFFSET + 16)
        salt = ngi_crc32c(0, manifest + SALT_OFFSET, 16);
    free(manifest);
    for (size_t i = 0; i < count && i < FUZZ_FILES_MAX; i++) {
        uint8_t *data = sim_disk_file_copy(disk, paths[i], &bytes);
        fuzz_fix_file(paths[i], data, bytes, salt);
        sim_disk_file_put(disk, paths[i], data, bytes);
        free(data);
    }
}

sim_disk *fuzz_store_image(unsigned base, fuzz_input *input, bool fix)
{
    build_all();
    sim_disk *disk = sim_disk_clone(stores[base % FUZZ_STORES]);
    while (input->left > 0)
        change_store(disk, input);
    if (fix)
        fix_all(disk);
    return disk;
}

uint8_t *fuzz_stream_image(unsigned base, fuzz_input *input, bool fix, size_t *bytes)
{
    build_all();
    const fuzz_bytes_list *from = &streams[base % FUZZ_STREAMS];
    uint8_t *data = malloc(from->bytes + 256);
    FUZZ_CHECK(data != NULL);
    memcpy(data, from->data, from->bytes);
    *bytes = from->bytes;
    while (input->left > 0) {
        fuzz_change what = (fuzz_change)(fuzz_u8(input) % FUZZ_CHANGES);
        (void)fuzz_u8(input);
        size_t offset = fuzz_u16(input), length = fuzz_u8(input);
        *bytes = change_bytes(what, data, *bytes, offset, input, length);
        data = realloc(data, *bytes + 256);
        FUZZ_CHECK(data != NULL);
    }
    if (fix)
        fuzz_fix_file(STREAM_NAME, data, *bytes, 0);
    return data;
}

uint8_t *fuzz_store_file(unsigned base, const char *end, size_t *bytes)
{
    static char paths[FUZZ_FILES_MAX][SIM_PATH_BYTES];
    build_all();
    sim_disk *disk = stores[base % FUZZ_STORES];
    size_t count = sim_disk_files(disk, paths, FUZZ_FILES_MAX);
    for (size_t i = 0; i < count && i < FUZZ_FILES_MAX; i++) {
        size_t length = strlen(paths[i]), wanted = strlen(end);
        if (length >= wanted && strcmp(paths[i] + length - wanted, end) == 0)
            return sim_disk_file_copy(disk, paths[i], bytes);
    }
    fprintf(stderr, "no file of the sample store ends with %s\n", end);
    abort();
}

uint8_t *fuzz_put_change(uint8_t *out, fuzz_change what, uint8_t file, uint16_t offset,
                         const void *data, uint8_t bytes)
{
    *out++ = (uint8_t)what;
    *out++ = file;
    *out++ = (uint8_t)offset;
    *out++ = (uint8_t)(offset >> 8);
    *out++ = bytes;
    if (data != NULL) {
        memcpy(out, data, bytes);
        out += bytes;
    }
    return out;
}
