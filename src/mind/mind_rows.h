/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The payloads of feedback: one JSON object of integers, texts and rows of integers. Integers alone, so
 * that no number depends on a locale or on a rounding. */
#ifndef NGI_MIND_ROWS_H
#define NGI_MIND_ROWS_H

#include "store/store.h"

#define NGI_ROW_NUMBERS_MAX 12

/** A member that is read; others are passed over. */
typedef struct ngi_row_field {
    const char *name;
    int64_t *number; /* an integer */
    char *text;      /* or a text [text_room], longer ones are refused */
    size_t text_room;
    /** or an array of rows of integers. False: refused. */
    bool (*row)(void *context, const int64_t *numbers, size_t count);
    void *context;
} ngi_row_field;

/** Reads a payload; false: it is not one object with the members wanted, each of its kind. A member
 *  that is not there leaves what it would set. */
bool ngi_rows_read(const char *data, size_t bytes, const ngi_row_field *fields, size_t count);
/** The payload of a token, with its NUL, in `out`, whose memory is that of the store. NG_E_NOT_FOUND,
 *  NG_E_NOMEM. */
NG_MUST_USE ng_status ngi_rows_data(const ng_store *store, ng_token_id id, ngi_buffer *out);

/** Appends to a payload: text as it is, and as a string of JSON. */
NG_MUST_USE ng_status ngi_rows_add(ngi_mem *mem, ngi_buffer *out, const char *format, ...)
    NGI_PRINTF(3, 4);
NG_MUST_USE ng_status ngi_rows_add_text(ngi_mem *mem, ngi_buffer *out, const char *text);

#endif
