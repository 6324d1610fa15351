/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bodies of ops: what each kind says, in bytes. Effects, never commands: the resulting records.
 *
 * Kinds are pinned; all integers are little-endian; layouts in docs/format/log.md.
 *
 *   TOKENS_PUT          u32 count, u32 dimensions, then `count` items:
 *                       u32 slot, u32 collection, u32 version, u32 timestamp, f32 weight, u16 flags,
 *                       u16 label_bytes (0xFFFF = keep the label, 0 = none), u8 field_radius,
 *                       u8 field_strength, u8 spaces (a bit per space with coordinates), u8 vector
 *                       (0 keep, 1 none, 2 given), then 3 x i16 for each of those spaces, padded to
 *                       a multiple of 4, the label, padded likewise, dimensions x f32 if given
 *   TOKENS_DELETE       u32 count, u32 0, u32 slot[count]; the cascade follows from the state
 *   CONNECTIONS_PUT     u32 count, u32 0, then u32 id, u32 0, record 64
 *   CONNECTIONS_DELETE  u32 count, u32 0, u32 id[count]
 *   COLLECTION_PUT      u32 id, u32 name_bytes, name
 *   COLLECTION_DROP     u32 id, u32 count, u32 slot[count]: all its tokens, ascending
 *   CDNA_PUT            384 bytes, see docs/cdna.md
 *   PROJECTION_PUT      u32 dimensions, u32 components, u64 vector_count, u64 clipped_count,
 *                       f64 explained[24], f32 mean[dimensions],
 *                       f32 component[components][dimensions]
 *   TRANSACTION         u32 parts, u32 0, then each part: u16 kind, u16 0, u32 body_bytes, body
 *                       padded to a multiple of 8. Each of CONNECTIONS_DELETE, TOKENS_DELETE,
 *                       TOKENS_PUT, ATTRIBUTES_PUT, VECTORS_PUT, CONNECTIONS_PUT at most once, in this
 *                       order
 *   GRID_PUT            u32 id, u32 name_bytes, f32 bucket_size, f32 density_threshold,
 *                       u32 min_field_nodes, u32 0, name
 *   GRID_DROP           u32 id, u32 0
 *   GRID_MEMBERS        u32 count, u32 id | bit 31: they leave, u32 slot[count], ascending
 *   ATTRIBUTES_PUT      part of a transaction alone: u32 count, u32 0, then `count` items:
 *                       u32 slot, u8 what is set (1 tags, 2 data, 4 expiry), u8 tag_count,
 *                       u16 tag_bytes, u32 data_bytes, u32 0, u64 expires_us, the tags (u8 bytes,
 *                       text), the data, 1 to 8 zeroes up to a multiple of 8
 *
 *   INDEX_PUT           u32 number, u8 type, u8 rule, u8 name_bytes, u8 0, u16 path_bytes, u16 0, u32 0,
 *                       name, path, padded to a multiple of 8
 *   INDEX_DELETE        u32 number, u32 0
 *   VECTOR_FIELD_PUT    u32 number, u32 name_bytes, u32 dimensions, u32 metric, name, padded to a
 *                       multiple of 8
 *   VECTOR_FIELD_DROP   u32 number, u32 0
 *   VECTORS_PUT         part of a transaction alone: u32 count, u32 0, then `count` items:
 *                       u32 slot, u32 vectors, then each, by ascending field: u16 field,
 *                       u16 dimensions (0 = it is removed), dimensions x f32; then zeroes up to a
 *                       multiple of 8
 *   VECTOR_FIELD_SWAP   u32 number, u32 name_bytes, u32 projection_bytes, u32 0, name padded to a
 *                       multiple of 8, a body of PROJECTION_PUT or nothing: the default field and
 *                       field `number` exchange their vectors, the field gets the name, and the
 *                       default field the projection (nothing: it has none)
 *
 * Padding is zero, so the same effects are the same bytes. */
#ifndef NGI_WAL_OP_H
#define NGI_WAL_OP_H

#include "base/base_bytes.h"
#include "base/base_limits.h"
#include "model/model_fields.h"
#include "wal/wal.h"

typedef enum ngi_op_kind {
    NGI_OP_TOKENS_PUT = 1,
    NGI_OP_TOKENS_DELETE = 2,
    NGI_OP_CONNECTIONS_PUT = 3,
    NGI_OP_CONNECTIONS_DELETE = 4,
    NGI_OP_COLLECTION_PUT = 5,
    NGI_OP_CDNA_PUT = 6,
    NGI_OP_PROJECTION_PUT = 7,
    NGI_OP_TRANSACTION = 8,
    NGI_OP_ATTRIBUTES_PUT = 9,
    NGI_OP_COLLECTION_DROP = 10,
    NGI_OP_GRID_PUT = 11,
    NGI_OP_GRID_DROP = 12,
    NGI_OP_GRID_MEMBERS = 13,
    NGI_OP_INDEX_PUT = 14,
    NGI_OP_INDEX_DELETE = 15,
    NGI_OP_VECTOR_FIELD_PUT = 16,
    NGI_OP_VECTOR_FIELD_DROP = 17,
    NGI_OP_VECTORS_PUT = 18,
    NGI_OP_VECTOR_FIELD_SWAP = 19
} ngi_op_kind;

#define NGI_OP_LIST_HEADER 8u
#define NGI_OP_TOKEN_FIXED 28u
#define NGI_OP_SPACE_BYTES 6u
#define NGI_OP_CONNECTION_BYTES 72u
#define NGI_OP_PROJECTION_HEADER (24u + 8u * 24u)
#define NGI_OP_GRID_FIXED 24u
#define NGI_OP_GRID_LEAVE 0x80000000u
#define NGI_OP_INDEX_FIXED 16u
#define NGI_OP_INDEX_MAX (NGI_OP_INDEX_FIXED + NGI_COLLECTION_NAME_MAX + NGI_FIELD_PATH_MAX + 8)
#define NGI_OP_LABEL_KEEP 0xFFFFu
#define NGI_OP_PARTS_HEADER 8u
#define NGI_OP_PART_HEADER 8u
#define NGI_OP_PARTS_MAX 6u
#define NGI_OP_ATTRIBUTES_FIXED 24u
/* The longest item: it fits a block of a stream. */
#define NGI_OP_ATTRIBUTES_MAX                                                                      \
    (NGI_OP_ATTRIBUTES_FIXED + NGI_TAGS_MAX * (1 + NGI_TAG_BYTES_MAX) + NGI_DATA_BYTES_MAX + 8)

#define NGI_OP_VECTOR_FIELD_FIXED 16u
#define NGI_OP_VECTOR_FIELD_MAX (NGI_OP_VECTOR_FIELD_FIXED + NGI_VECTOR_FIELD_NAME_MAX + 7u)
#define NGI_OP_VECTORS_FIXED 8u
#define NGI_OP_VECTOR_HEADER 4u

typedef enum ngi_op_vector {
    NGI_VECTOR_KEEP = 0,
    NGI_VECTOR_NONE = 1,
    NGI_VECTOR_SET = 2
} ngi_op_vector;

/** One item of TOKENS_PUT. Label and vector point into the body when decoded. */
typedef struct ngi_op_token {
    ng_token record;
    uint32_t collection;
    uint32_t version;
    uint16_t label_bytes; /* NGI_OP_LABEL_KEEP, 0, or the length */
    uint16_t vector;      /* ngi_op_vector */
    const char *label;
    const uint8_t *floats; /* little-endian, [dimensions] */
} ngi_op_token;

typedef enum ngi_attribute {
    NGI_ATTRIBUTE_TAGS = 1,
    NGI_ATTRIBUTE_DATA = 2,
    NGI_ATTRIBUTE_EXPIRY = 4
} ngi_attribute;

/** One item of ATTRIBUTES_PUT: what is not in `set` stays as it is. */
typedef struct ngi_op_attributes {
    uint32_t slot;
    uint8_t set;       /* ngi_attribute bits, at least one */
    uint8_t tag_count; /* at most NGI_TAGS_MAX */
    uint16_t tag_bytes;
    uint32_t data_bytes; /* at most NGI_DATA_BYTES_MAX; 0 = none */
    uint64_t expires_us; /* 0 = never */
    const uint8_t *tags; /* u8 bytes, text each; ascending by bytes, each once */
    const char *data;    /* in a body or block a zero byte follows */
} ngi_op_attributes;

/** A vector of an item of VECTORS_PUT. */
typedef struct ngi_op_field_vector {
    uint32_t field;
    uint32_t dimensions;   /* 0 = it is removed */
    const uint8_t *floats; /* little-endian, [dimensions] */
} ngi_op_field_vector;

/** One item of VECTORS_PUT: fields that it does not name stay as they are. */
typedef struct ngi_op_vectors {
    uint32_t slot;
    uint32_t count; /* 1..NGI_VECTOR_FIELDS_MAX, fields ascend */
    ngi_op_field_vector vectors[NGI_VECTOR_FIELDS_MAX];
} ngi_op_vectors;

/** Walks the items of a body. */
typedef struct ngi_op_reader {
    const uint8_t *next;
    const uint8_t *end;
    uint32_t left;       /* items not yet read */
    uint32_t dimensions; /* TOKENS_PUT only */
} ngi_op_reader;

typedef struct ngi_op_projection {
    uint32_t dimensions;
    uint32_t component_count;
    uint64_t vector_count;
    uint64_t clipped_count;
    double explained[24];
    const uint8_t *mean;       /* little-endian floats */
    const uint8_t *components; /* little-endian floats */
} ngi_op_projection;

/** What an item of TOKENS_PUT is about, without the rest of it. */
typedef struct ngi_op_token_key {
    uint32_t slot;
    uint32_t collection;
    uint16_t label_bytes; /* as in ngi_op_token */
    const char *label;    /* likewise */
} ngi_op_token_key;

/** A TRANSACTION taken apart: ops with the seq, time and actor of the whole. */
typedef struct ngi_op_parts {
    ngi_op part[NGI_OP_PARTS_MAX];
    uint32_t count;
} ngi_op_parts;

void ngi_op_list_encode(uint8_t *body, uint32_t count, uint32_t second);
/** The most bytes that an item with this label and so many floats (0 unless a vector is given)
 *  takes, whatever its coordinates. */
size_t ngi_op_token_bytes(size_t label_bytes, size_t floats);
/** Encodes an item and returns where the next one goes. `floats` native, may be NULL unless SET. */
uint8_t *ngi_op_token_encode(uint8_t *at, const ngi_op_token *token, const float *floats,
                             size_t dimensions);
uint8_t *ngi_op_connection_encode(uint8_t *at, uint32_t id, const ng_connection *record);

/** The bytes of an item with so many bytes of tags and data. */
size_t ngi_op_attributes_bytes(size_t tag_bytes, size_t data_bytes);
/** Encodes an item and returns where the next one goes. With `data` NULL the caller fills its bytes,
 *  which begin at NGI_OP_ATTRIBUTES_FIXED + tag_bytes. */
uint8_t *ngi_op_attributes_encode(uint8_t *at, const ngi_op_attributes *item);
/** Adds to `item` what it does not set and `before` does. */
void ngi_op_attributes_merge(ngi_op_attributes *item, const ngi_op_attributes *before);
/** Decodes an item that this library has encoded and nobody has changed. */
void ngi_op_attributes_decode(const uint8_t *at, ngi_op_attributes *out);

/** The bytes of an item with so many vectors of so many floats in all. */
size_t ngi_op_vectors_bytes(size_t count, size_t floats);
/** Encodes an item and returns where the next one goes. */
uint8_t *ngi_op_vectors_encode(uint8_t *at, const ngi_op_vectors *item);
/** Decodes an item that this library has encoded and nobody has changed. */
void ngi_op_vectors_decode(const uint8_t *at, ngi_op_vectors *out);
/** Adds to `item` the fields that it does not name and `before` does. */
void ngi_op_vectors_merge(ngi_op_vectors *item, const ngi_op_vectors *before);

/** Encodes a declaration; returns its bytes, at most NGI_OP_INDEX_MAX. */
size_t ngi_op_index_encode(uint8_t *body, uint32_t number, const ngi_field_spec *spec);
/** Decodes and validates a declaration at the begin of `body`; `*used` receives its bytes.
 *  NG_E_CORRUPT; NG_E_VERSION (a later rule). */
NG_MUST_USE ng_status ngi_op_index_decode(const uint8_t *body, size_t bytes, uint32_t *number,
                                          ngi_field_spec *out, size_t *used);
/** Begins a TRANSACTION; returns where the body of the first part goes. */
uint8_t *ngi_op_parts_begin(uint8_t *body);
/** Ends the part whose body of `bytes` bytes stands at `part`, and returns where the body of the next
 *  one goes. */
uint8_t *ngi_op_part_end(uint8_t *part, ngi_op_kind kind, size_t bytes);
/** After the last part: `next` as returned by ngi_op_part_end. Returns the bytes of the body. */
size_t ngi_op_parts_end(uint8_t *body, uint32_t count, const uint8_t *next);

/** Opens a list body. Errors: NG_E_CORRUPT when it is malformed, like all below. */
NG_MUST_USE ng_status ngi_op_list_open(const ngi_op *op, ngi_op_reader *out);
NG_MUST_USE ng_status ngi_op_token_next(ngi_op_reader *reader, ngi_op_token *out);
/** Reads past an item; what it says about coordinates and floats is not looked at. */
NG_MUST_USE ng_status ngi_op_token_skip(ngi_op_reader *reader, ngi_op_token_key *out);
NG_MUST_USE ng_status ngi_op_connection_next(ngi_op_reader *reader, uint32_t *id,
                                             ng_connection *out);
NG_MUST_USE ng_status ngi_op_u32_next(ngi_op_reader *reader, uint32_t *out);
/** Verifies the item itself: lengths, and that tags are valid, ascend and are each there once; with
 *  `deep` also that the data is valid. */
NG_MUST_USE ng_status ngi_op_attributes_next(ngi_op_reader *reader, bool deep,
                                             ngi_op_attributes *out);
/** Verifies the item itself: lengths, and that fields ascend. */
NG_MUST_USE ng_status ngi_op_vectors_next(ngi_op_reader *reader, ngi_op_vectors *out);
/** All items read and nothing behind them. */
NG_MUST_USE ng_status ngi_op_list_close(const ngi_op_reader *reader);

/** Takes a TRANSACTION apart; the bodies of the parts are not looked at. */
NG_MUST_USE ng_status ngi_op_parts_decode(const ngi_op *op, ngi_op_parts *out);

size_t ngi_op_projection_bytes(uint32_t dimensions, uint32_t component_count);
NG_MUST_USE ng_status ngi_op_projection_decode(const ngi_op *op, ngi_op_projection *out);

#endif
