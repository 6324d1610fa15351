/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A stream: the whole state of a store at one op, or ops, or both, with checksums. Snapshots,
 * backups and the feed are streams; layout in docs/format/stream.md.
 *
 *     head | state blocks ... | ops (frames as in the log) ... | end
 *
 * A block holds up to NGI_STREAM_BLOCK_BYTES of payload of one kind, so that a reader needs no more
 * memory than that and a loader can read blocks side by side. Tables are images of fixed records,
 * little-endian, which is what the records are in memory.
 *
 * Everything read is from outside: lengths are verified before they are used, and a stream may end
 * anywhere. Threads: one at a time for one writer or reader. */
#ifndef NGI_WAL_STREAM_H
#define NGI_WAL_STREAM_H

#include "wal/wal.h"

#define NGI_STREAM_BLOCK_BYTES (1u << 20)

typedef enum ngi_block_kind {
    NGI_BLOCK_TOKENS = 1,      /* record 64 of slots first.. ; slot 0 = none there */
    NGI_BLOCK_SIDES = 2,       /* u64 updated_us, u32 version, u32 collection, of slots first.. */
    NGI_BLOCK_LABELS = 3,      /* u16 bytes of each slot first.. (0 = none), then all texts */
    NGI_BLOCK_VECTORS = 4,     /* u32 slot[count], then dimensions x f32 of each */
    NGI_BLOCK_CONNECTIONS = 5, /* record 64 of ids first.. ; source 0 = none there */
    NGI_BLOCK_COLLECTIONS = 6, /* u32 name_bytes, name, of collections first.. */
    NGI_BLOCK_CDNA = 7,        /* 384 bytes */
    NGI_BLOCK_PROJECTION = 8,  /* body of PROJECTION_PUT */
    NGI_BLOCK_ATTRIBUTES = 9,  /* items of ATTRIBUTES_PUT, of slots ascending */
    NGI_BLOCK_GRIDS = 10,      /* images of named grids, ids ascending; at most one block */
    NGI_BLOCK_MEMBERS = 11,    /* u32 slot, u32 0, u64 grids[2] of members, slots ascending */
    NGI_BLOCK_INDEXES = 12,    /* bodies of INDEX_PUT */
    NGI_BLOCK_VECTOR_FIELDS =
        13, /* images of named fields of vectors, ascending; at most one block */
    NGI_BLOCK_FIELD_VECTORS = 14 /* as VECTORS, of one field: first = field << 32 | slot */
} ngi_block_kind;
#define NGI_BLOCK_KIND_MAX NGI_BLOCK_FIELD_VECTORS

/** What a stream is of. */
typedef struct ngi_stream_head {
    ngi_manifest identity; /* uuid, created_us, encoding of the store it comes from */
    bool whole;            /* begins with the state at `state_seq` */
    ng_seq state_seq;
    uint64_t state_time_us;
    uint32_t slot_end, id_end; /* of that state, as the next */
    uint32_t dimensions;       /* 0 = no vectors */
    uint32_t collection_count;
    uint64_t token_count, connection_count, label_count, vector_count;
    uint64_t attribute_count; /* tokens that have any */
    uint32_t index_count;
    ng_seq after; /* its ops are those after this one; state_seq if whole */
} ngi_stream_head;

typedef struct ngi_block {
    uint16_t kind;
    uint64_t first;
    uint32_t count;
    uint32_t bytes;
    const uint8_t *payload; /* 8-byte aligned */
} ngi_block;

typedef struct ngi_stream_writer {
    ng_sink_fn sink;
    void *sink_context;
    uint32_t salt;
    uint64_t bytes; /* written so far */
    uint64_t block_count, op_count;
    ng_seq last_seq;
    uint64_t last_time_us;
} ngi_stream_writer;

NG_MUST_USE ng_status ngi_stream_begin(ngi_stream_writer *writer, const ngi_stream_head *head,
                                       ng_sink_fn sink, void *sink_context);
NG_MUST_USE ng_status ngi_stream_block(ngi_stream_writer *writer, const ngi_block *block);
/** A frame as the cursor gives it, of the store that the head names. */
NG_MUST_USE ng_status ngi_stream_frame(ngi_stream_writer *writer, const uint8_t *frame,
                                       size_t frame_bytes, const ngi_op *op);
NG_MUST_USE ng_status ngi_stream_end(ngi_stream_writer *writer);

typedef enum ngi_stream_item { NGI_ITEM_BLOCK, NGI_ITEM_OP, NGI_ITEM_END } ngi_stream_item;

typedef struct ngi_stream_reader ngi_stream_reader;

/** Reads the head. Errors: NG_E_FORMAT (not a stream), NG_E_VERSION, NG_E_CORRUPT (with the
 *  offset), NG_E_NOMEM, those of the source. */
NG_MUST_USE ng_status ngi_stream_reader_open(ngi_mem *mem, ng_source_fn source,
                                             void *source_context, ngi_stream_head *head,
                                             ngi_stream_reader **out);
void ngi_stream_reader_close(ngi_stream_reader *reader);
/** The next item; what it points to is valid until the next call. A stream that ends before its end
 *  mark, has items after it, or seqs that do not follow each other is NG_E_CORRUPT. */
NG_MUST_USE ng_status ngi_stream_next(ngi_stream_reader *reader, ngi_stream_item *item,
                                      ngi_block *block, ngi_op *op);
/** Bytes consumed: where the item returned last ended. */
uint64_t ngi_stream_offset(const ngi_stream_reader *reader);

/* For loading a file with several threads: the same decoding at a given place. */
#define NGI_STREAM_HEAD_BYTES 512u
#define NGI_BLOCK_HEADER_BYTES 32u
#define NGI_STREAM_END_BYTES 48u
#define NGI_STREAM_BLOCK_MAGIC 0x6C62474Eu /* "NGbl" */
#define NGI_STREAM_END_MAGIC 0x6E65474Eu   /* "NGen" */
NG_MUST_USE ng_status ngi_stream_head_decode(const uint8_t in[NGI_STREAM_HEAD_BYTES],
                                             ngi_stream_head *out);
/** False unless it is the header of a state block; `crc` receives the checksum that header and
 *  payload must have together, see ngi_block_crc. */
bool ngi_block_header_decode(const uint8_t in[NGI_BLOCK_HEADER_BYTES], ngi_block *out,
                             uint32_t *crc);
uint32_t ngi_block_crc(uint32_t salt, const uint8_t header[NGI_BLOCK_HEADER_BYTES],
                       const void *payload, size_t bytes);
/** Bytes of a block with this payload in the stream: padded to a multiple of 8. */
static inline uint64_t ngi_block_stride(uint32_t bytes)
{
    return NGI_BLOCK_HEADER_BYTES + (((uint64_t)bytes + 7) & ~UINT64_C(7));
}
uint32_t ngi_stream_salt(const ngi_manifest *identity);
/** What the end mark says of all before it. */
typedef struct ngi_stream_totals {
    uint64_t bytes; /* where the end mark begins */
    uint64_t block_count, op_count;
    ng_seq last_seq; /* newest op; that of the state, or `after`, if there is none */
    uint64_t last_time_us;
} ngi_stream_totals;
/** False unless it is a whole end mark of a stream with this salt. */
bool ngi_stream_end_decode(const uint8_t in[NGI_STREAM_END_BYTES], uint32_t salt,
                           ngi_stream_totals *out);

/** Of a stream: reads it through, verifying every checksum; `*last` receives its newest seq. */
NG_MUST_USE ng_status ngi_stream_verify(ngi_mem *mem, ng_source_fn source, void *source_context,
                                        ngi_stream_head *head, ng_seq *last, uint64_t *bytes);

#endif
