/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing and reading the graphs of vectors.
 *
 *     header   for each graph: graph block, slot blocks, link blocks
 *
 * A block is its kind, the bytes of its body, the CRC32C of the body, the body. */
#include "store/store_graph_file.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"
#include "store/store_file.h"

#include <stdio.h>
#include <string.h>

#define FILE_NAME "graphs"
#define NEW_NAME "graphs.new"
#define MAGIC "NGGRAPH\n"
#define VERSION 1u
#define HEADER_BYTES 48u
#define BLOCK_HEAD 12u
#define BLOCK_ROWS 512u /* of one hold of the lock */
#define SLOTS_MAX (BLOCK_ROWS * 4u)
#define LINKS_MAX (BLOCK_ROWS * (8u + 4u * NGI_VECTORS_LINKS))
#define GRAPH_BYTES 16u

typedef enum graphs_kind {
    KIND_GRAPH = 1,
    KIND_SLOTS = 2,
    KIND_LINKS = 3,
    KIND_END = 4
} graphs_kind;

/* --- writing --------------------------------------------------------------------------------- */

typedef struct graphs_writer {
    ng_store *store;
    store_file_sink sink;
    uint8_t *body; /* [LINKS_MAX] */
} graphs_writer;

static ng_status write_block(graphs_writer *writer, graphs_kind kind, size_t bytes)
{
    uint8_t head[BLOCK_HEAD];
    ngi_put_u32(head, (uint32_t)kind);
    ngi_put_u32(head + 4, (uint32_t)bytes);
    ngi_put_u32(head + 8, ngi_crc32c(0, writer->body, bytes));
    ng_status status = ngi_file_sink(&writer->sink, head, sizeof head);
    return status != NG_OK || bytes == 0 ? status
                                         : ngi_file_sink(&writer->sink, writer->body, bytes);
}

static ng_status write_header(graphs_writer *writer, ng_seq seq)
{
    uint8_t header[HEADER_BYTES] = {0};
    memcpy(header, MAGIC, 8);
    ngi_put_u32(header + 8, VERSION);
    memcpy(header + 16, writer->store->uuid, 16);
    ngi_put_u64(header + 32, seq);
    ngi_put_u32(header + 12, ngi_crc32c(0, header + 16, HEADER_BYTES - 16));
    return ngi_file_sink(&writer->sink, header, sizeof header);
}

/* Rows [*row, ...) of one hold of the lock, as slots or as links; `*bytes` = 0: there was nothing to
 * write. False = no more rows. */
static bool write_rows(const graphs_writer *writer, const ngi_vectors *vectors, graphs_kind kind,
                       uint32_t *row, size_t *bytes)
{
    uint32_t links[NGI_VECTORS_LINKS], end = ngi_vectors_row_end(vectors);
    uint8_t *at = writer->body;
    unsigned count;
    for (uint32_t i = 0; i < BLOCK_ROWS && *row < end; i++, ++*row) {
        uint32_t slot = ngi_vectors_graph_links(vectors, *row, links, &count);
        if (slot == 0)
            continue;
        ngi_put_u32(at, slot);
        at += 4;
        if (kind == KIND_SLOTS)
            continue;
        ngi_put_u32(at, count);
        at += 4;
        for (unsigned k = 0; k < count; k++, at += 4)
            ngi_put_u32(at, links[k]);
    }
    *bytes = (size_t)(at - writer->body);
    return *row < end;
}

static ng_status write_all_rows(graphs_writer *writer, ng_vector_field_id id, graphs_kind kind)
{
    ng_store *store = writer->store;
    uint32_t row = 0;
    bool more = true;
    while (more) {
        size_t bytes = 0;
        ngi_rwlock_read(&store->index_lock);
        const ngi_vectors *vectors = ngi_vector_field_index(store, id);
        more = vectors != NULL && write_rows(writer, vectors, kind, &row, &bytes);
        ngi_store_read_end(store);
        ng_status status = bytes > 0 ? write_block(writer, kind, bytes) : NG_OK;
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

/* `*has` = the field has a graph. */
static ng_status write_graph(graphs_writer *writer, ng_vector_field_id id, bool *has)
{
    ng_store *store = writer->store;
    ngi_vectors_graph_info info = {0};
    uint32_t dimensions = 0;
    ng_status status;
    ngi_rwlock_read(&store->index_lock);
    const ngi_vectors *vectors = ngi_vector_field_index(store, id);
    *has = vectors != NULL && ngi_vectors_graph_get(vectors, &info);
    if (*has)
        dimensions = ngi_vectors_dimensions(vectors);
    ngi_store_read_end(store);
    if (!*has)
        return NG_OK;
    ngi_put_u32(writer->body, id);
    ngi_put_u32(writer->body + 4, (uint32_t)info.select);
    ngi_put_u32(writer->body + 8, dimensions);
    ngi_put_u32(writer->body + 12, 0);
    NGI_TRY(write_block(writer, KIND_GRAPH, GRAPH_BYTES));
    NGI_TRY(write_all_rows(writer, id, KIND_SLOTS));
    NGI_TRY(write_all_rows(writer, id, KIND_LINKS));
out:
    return status;
}

static ng_status write_file(graphs_writer *writer, const char *path, ng_seq seq, unsigned *graphs)
{
    ngi_os *os = writer->store->os;
    ng_status status = os->file_open(os, path, NGI_OPEN_WRITE | NGI_OPEN_CREATE | NGI_OPEN_TRUNCATE,
                                     &writer->sink.file);
    if (status != NG_OK)
        return status;
    NGI_TRY(write_header(writer, seq));
    for (ng_vector_field_id id = 0; id <= NGI_VECTOR_FIELDS_MAX; id++) {
        bool has = false;
        NGI_TRY(write_graph(writer, id, &has));
        *graphs += has;
    }
    NGI_TRY(write_block(writer, KIND_END, 0));
    NGI_TRY(ngi_file_sink_flush(&writer->sink));
    NGI_TRY(os->file_sync(os, writer->sink.file));
out:
    os->file_close(os, writer->sink.file);
    return status;
}

static bool graphs_any(ng_store *store)
{
    bool any = false;
    ngi_rwlock_read(&store->index_lock);
    for (ng_vector_field_id id = 0; id <= NGI_VECTOR_FIELDS_MAX && !any; id++) {
        ngi_vectors_graph_info info;
        const ngi_vectors *vectors = ngi_vector_field_index(store, id);
        any = vectors != NULL && ngi_vectors_graph_get(vectors, &info);
    }
    ngi_store_read_end(store);
    return any;
}

static ng_status graphs_write(ng_store *store, const char *path, const char *temporary)
{
    ngi_os *os = store->os;
    graphs_writer writer = {.store = store, .sink = {.os = os, .mem = store->mem}};
    void *block = NULL;
    unsigned graphs = 0;
    ng_seq seq = ngi_wal_applied(store->wal);
    ng_status status = ngi_alloc(store->mem, LINKS_MAX, "graph of vectors", &block);
    if (status != NG_OK)
        return status;
    writer.body = block;
    NGI_TRY(write_file(&writer, temporary, seq, &graphs));
    NGI_TRY(ngi_wal_wait(store->wal, seq)); /* or other ops could come to have these numbers */
    NGI_TRY(os->rename(os, temporary, path));
    NGI_TRY(os->sync_directory(os, store->path));
    ngi_blackbox_note(store->box, "graphs", seq, "%u kept", graphs);
out:
    if (status != NG_OK)
        (void)!os->remove(os, temporary);
    ngi_file_sink_release(&writer.sink);
    ngi_free(store->mem, block, LINKS_MAX);
    return status;
}

void ngi_graphs_save(ng_store *store)
{
    char path[STORE_PATH_BYTES], temporary[STORE_PATH_BYTES], reason[512];
    if (store->path == NULL || store->read_only)
        return;
    snprintf(reason, sizeof reason, "%s", ngi_last_error());
    ng_status status = ngi_file_path(store->path, FILE_NAME, path);
    if (status == NG_OK)
        status = ngi_file_path(store->path, NEW_NAME, temporary);
    ngi_mutex_lock(&store->graphs_lock);
    if (status == NG_OK && graphs_any(store))
        status = graphs_write(store, path, temporary);
    else if (status == NG_OK)
        (void)!store->os->remove(store->os, path);
    ngi_mutex_unlock(&store->graphs_lock);
    if (status != NG_OK)
        ngi_blackbox_note(store->box, "graphs", 0, "not kept: %s", ngi_last_error());
    ngi_error_set(reason);
}

/* --- reading --------------------------------------------------------------------------------- */

typedef struct graphs_reader {
    ng_store *store;
    store_file_source source;
    uint8_t *body; /* [LINKS_MAX] */
    graphs_kind kind;
    size_t bytes;
    ngi_vectors *vectors; /* of the graph that is being read; NULL = it is passed over */
    ngi_vectors_job job;
} graphs_reader;

static ng_status graphs_damaged(const char *what)
{
    return ngi_fail(NG_E_CORRUPT, "graphs of vectors: %s", what);
}

static ng_status read_exactly(graphs_reader *reader, void *out, size_t bytes)
{
    uint8_t *at = out;
    while (bytes > 0) {
        size_t got;
        ng_status status = ngi_file_source(&reader->source, at, bytes, &got);
        if (status != NG_OK)
            return status;
        if (got == 0)
            return graphs_damaged("the file ends too early");
        at += got;
        bytes -= got;
    }
    return NG_OK;
}

/* `*seq` = 0: of another store. */
static ng_status read_header(graphs_reader *reader, ng_seq *seq)
{
    uint8_t header[HEADER_BYTES];
    ng_status status = read_exactly(reader, header, sizeof header);
    if (status != NG_OK)
        return status;
    if (memcmp(header, MAGIC, 8) != 0)
        return graphs_damaged("this is no such file");
    if (ngi_get_u32(header + 8) != VERSION)
        return ngi_fail(NG_E_VERSION, "graphs of vectors: version %u is not %u",
                        ngi_get_u32(header + 8), VERSION);
    if (ngi_get_u32(header + 12) != ngi_crc32c(0, header + 16, HEADER_BYTES - 16))
        return graphs_damaged("checksum of the header");
    bool is_own = memcmp(header + 16, reader->store->uuid, 16) == 0;
    *seq = is_own ? ngi_get_u64(header + 32) : 0;
    return NG_OK;
}

static ng_status read_block(graphs_reader *reader)
{
    uint8_t head[BLOCK_HEAD];
    ng_status status = read_exactly(reader, head, sizeof head);
    if (status != NG_OK)
        return status;
    uint32_t kind = ngi_get_u32(head);
    reader->bytes = ngi_get_u32(head + 4);
    if (kind < KIND_GRAPH || kind > KIND_END || reader->bytes > LINKS_MAX || reader->bytes % 4 != 0)
        return graphs_damaged("a block that is none");
    reader->kind = (graphs_kind)kind;
    status = read_exactly(reader, reader->body, reader->bytes);
    if (status == NG_OK && ngi_get_u32(head + 8) != ngi_crc32c(0, reader->body, reader->bytes))
        status = graphs_damaged("checksum of a block");
    return status;
}

/* Ends the graph that was being read. */
static void read_end_graph(graphs_reader *reader, bool is_whole)
{
    if (reader->vectors == NULL)
        return;
    ngi_vectors_restore_end(&reader->job);
    (void)ngi_vectors_job_end(reader->vectors, &reader->job, is_whole);
    reader->vectors = NULL;
}

/* A field that is not there any more, or has other vectors, is passed over. */
static ng_status read_graph(graphs_reader *reader)
{
    if (reader->bytes != GRAPH_BYTES)
        return graphs_damaged("a graph of another size");
    uint32_t id = ngi_get_u32(reader->body);
    int32_t select = (int32_t)ngi_get_u32(reader->body + 4);
    ngi_vectors *vectors = id <= NGI_VECTOR_FIELDS_MAX
                               ? ngi_vector_field_index(reader->store, (ng_vector_field_id)id)
                               : NULL;
    ngi_vectors_graph_info info;
    if (vectors == NULL || ngi_vectors_graph_get(vectors, &info) ||
        ngi_vectors_dimensions(vectors) != ngi_get_u32(reader->body + 8) ||
        ngi_vectors_count(vectors) == 0)
        return NG_OK;
    ng_status status = ngi_vectors_job_begin(vectors, select, &reader->job);
    if (status != NG_OK)
        return status == NG_E_INVALID ? NG_OK : status; /* components that there are no more */
    reader->vectors = vectors;
    return ngi_vectors_restore_begin(vectors, &reader->job);
}

static ng_status read_slots(graphs_reader *reader)
{
    for (size_t at = 0; at < reader->bytes && reader->vectors != NULL; at += 4)
        ngi_vectors_restore_slot(reader->vectors, &reader->job, ngi_get_u32(reader->body + at));
    return NG_OK;
}

static ng_status read_links(graphs_reader *reader)
{
    uint32_t links[NGI_VECTORS_LINKS];
    for (size_t at = 0; at < reader->bytes;) {
        if (reader->bytes - at < 8)
            return graphs_damaged("links that are cut off");
        uint32_t slot = ngi_get_u32(reader->body + at);
        uint32_t count = ngi_get_u32(reader->body + at + 4);
        at += 8;
        if (count > NGI_VECTORS_LINKS || (reader->bytes - at) / 4 < count)
            return graphs_damaged("more links than there are");
        for (uint32_t i = 0; i < count; i++, at += 4)
            links[i] = ngi_get_u32(reader->body + at);
        if (reader->vectors != NULL)
            ngi_vectors_restore_links(reader->vectors, &reader->job, slot, links, count);
    }
    return NG_OK;
}

static ng_status read_graphs(graphs_reader *reader)
{
    for (;;) {
        ng_status status = read_block(reader);
        if (status == NG_OK && (reader->kind == KIND_GRAPH || reader->kind == KIND_END))
            read_end_graph(reader, true);
        if (status != NG_OK || reader->kind == KIND_END)
            return status;
        status = reader->kind == KIND_GRAPH   ? read_graph(reader)
                 : reader->kind == KIND_SLOTS ? read_slots(reader)
                                              : read_links(reader);
        if (status != NG_OK)
            return status;
    }
}

ng_status ngi_graphs_read(ng_store *store, ngi_file file)
{
    graphs_reader reader = {.store = store, .source = {.os = store->os, .file = file}};
    void *block = NULL;
    ng_seq seq;
    ng_status status;
    NGI_TRY(ngi_alloc(store->mem, LINKS_MAX, "graph of vectors", &block));
    reader.body = block;
    NGI_TRY(read_header(&reader, &seq));
    if (seq != 0)
        NGI_TRY(read_graphs(&reader));
out:
    read_end_graph(&reader, false);
    ngi_free(store->mem, block, LINKS_MAX);
    return status;
}

static bool graphs_open(const ng_store *store, ngi_file *file)
{
    char path[STORE_PATH_BYTES];
    return store->path != NULL && ngi_file_path(store->path, FILE_NAME, path) == NG_OK &&
           store->os->file_open(store->os, path, NGI_OPEN_READ, file) == NG_OK;
}

ng_seq ngi_graphs_seq(ng_store *store)
{
    ngi_file file;
    ng_seq seq = 0;
    if (!graphs_open(store, &file))
        return 0;
    graphs_reader reader = {.store = store, .source = {.os = store->os, .file = file}};
    if (read_header(&reader, &seq) != NG_OK)
        seq = 0;
    store->os->file_close(store->os, file);
    return seq;
}

void ngi_graphs_load(ng_store *store)
{
    ngi_file file;
    if (!graphs_open(store, &file))
        return;
    ng_status status = ngi_graphs_read(store, file);
    store->os->file_close(store->os, file);
    if (status != NG_OK)
        ngi_blackbox_note(store->box, "graphs", 0, "not used: %s", ngi_last_error());
}
