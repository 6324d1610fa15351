/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bodies of ops: what each kind says, in bytes. Effects, never commands: the resulting records.
 *
 * Kinds are pinned; all integers are little-endian; layouts in docs/format/log.md.
 *
 *   TOKENS_PUT          u32 count, u32 dimensions, then `count` items:
 *                       record 64, u32 collection, u32 version, u16 label_bytes (0xFFFF = keep the
 *                       label, 0 = none), u16 vector (0 keep, 1 none, 2 given), label padded to a
 *                       multiple of 4, then dimensions x f32 if given
 *   TOKENS_DELETE       u32 count, u32 0, u32 slot[count]; the cascade follows from the state
 *   CONNECTIONS_PUT     u32 count, u32 0, then u32 id, u32 0, record 64
 *   CONNECTIONS_DELETE  u32 count, u32 0, u32 id[count]
 *   COLLECTION_PUT      u32 id, u32 name_bytes, name
 *   CDNA_PUT            384 bytes, see docs/cdna.md
 *   PROJECTION_PUT      u32 dimensions, u32 components, u64 vector_count, u64 clipped_count,
 *                       f64 explained[24], f32 mean[dimensions],
 *                       f32 component[components][dimensions]
 */
#ifndef NGI_WAL_OP_H
#define NGI_WAL_OP_H

#include "base/base_bytes.h"
#include "wal/wal.h"

typedef enum ngi_op_kind {
    NGI_OP_TOKENS_PUT = 1,
    NGI_OP_TOKENS_DELETE = 2,
    NGI_OP_CONNECTIONS_PUT = 3,
    NGI_OP_CONNECTIONS_DELETE = 4,
    NGI_OP_COLLECTION_PUT = 5,
    NGI_OP_CDNA_PUT = 6,
    NGI_OP_PROJECTION_PUT = 7
} ngi_op_kind;

#define NGI_OP_LIST_HEADER 8u
#define NGI_OP_TOKEN_FIXED 76u
#define NGI_OP_CONNECTION_BYTES 72u
#define NGI_OP_PROJECTION_HEADER (24u + 8u * 24u)
#define NGI_OP_LABEL_KEEP 0xFFFFu

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

void ngi_op_list_encode(uint8_t *body, uint32_t count, uint32_t second);
/** Bytes of an item with this label and so many floats (0 unless a vector is given). */
size_t ngi_op_token_bytes(size_t label_bytes, size_t floats);
/** Encodes an item and returns where the next one goes. `floats` native, may be NULL unless SET. */
uint8_t *ngi_op_token_encode(uint8_t *at, const ngi_op_token *token, const float *floats,
                             size_t dimensions);
uint8_t *ngi_op_connection_encode(uint8_t *at, uint32_t id, const ng_connection *record);

/** Opens a list body. Errors: NG_E_CORRUPT when it is malformed, like all below. */
NG_MUST_USE ng_status ngi_op_list_open(const ngi_op *op, ngi_op_reader *out);
NG_MUST_USE ng_status ngi_op_token_next(ngi_op_reader *reader, ngi_op_token *out);
NG_MUST_USE ng_status ngi_op_connection_next(ngi_op_reader *reader, uint32_t *id,
                                             ng_connection *out);
NG_MUST_USE ng_status ngi_op_u32_next(ngi_op_reader *reader, uint32_t *out);
/** All items read and nothing behind them. */
NG_MUST_USE ng_status ngi_op_list_close(const ngi_op_reader *reader);

size_t ngi_op_projection_bytes(uint32_t dimensions, uint32_t component_count);
NG_MUST_USE ng_status ngi_op_projection_decode(const ngi_op *op, ngi_op_projection *out);

#endif
