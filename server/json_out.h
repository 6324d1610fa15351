/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON out: an append writer. There is no tree; the caller writes the punctuation.
 *
 * Invariants
 * 1. bytes[0..size) is what was written so far; size <= capacity.
 * 2. Once an append found no memory, `failed` stays true and further appends do nothing, so a
 *    writer checks once, at the end.
 * 3. Whatever is appended as a string comes out as valid JSON and valid UTF-8.
 * The buffer comes from malloc, because the HTTP library releases it with free. */
#ifndef NGS_JSON_OUT_H
#define NGS_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ngs_out {
    char *bytes;
    size_t size;
    size_t capacity;
    bool failed;
} ngs_out;

#define NGS_NUMBER_CHARS 40 /* room for any number the writer prints */

void ngs_out_release(ngs_out *out);
/** Room for `count` more bytes; false (and `failed`) without memory. */
bool ngs_out_reserve(ngs_out *out, size_t count);
void ngs_out_raw(ngs_out *out, const char *bytes, size_t count);
void ngs_out_char(ngs_out *out, char c);
/** A string with quotes; bytes that are not UTF-8 become U+FFFD. */
void ngs_out_string(ngs_out *out, const char *bytes, size_t count);
void ngs_out_u64(ngs_out *out, uint64_t value);
void ngs_out_i64(ngs_out *out, int64_t value);
void ngs_out_bool(ngs_out *out, bool value);
/** The fewest digits that read back as the same float32; `null` if it is not finite. */
void ngs_out_float(ngs_out *out, float value);
/** With exactly three decimals, for times and percentages. */
void ngs_out_fixed3(ngs_out *out, double value);

/** Writes the digits of ngs_out_float into `text`; returns how many. */
size_t ngs_float_text(char text[NGS_NUMBER_CHARS], float value);

static inline void ngs_out_text(ngs_out *out, const char *text)
{
    ngs_out_raw(out, text, strlen(text));
}

static inline void ngs_out_string_z(ngs_out *out, const char *text)
{
    ngs_out_string(out, text, strlen(text));
}

#endif
