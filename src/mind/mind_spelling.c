/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Length, then signature, then a band of the matrix of distances. */
#include "mind/mind_spelling.h"

#include <string.h>
#include <utf8proc.h>

#define SPELLING_LABEL_MAX (NGI_SPELLING_CODES_MAX + NGI_SPELLING_EDITS_MAX) /* code points */
#define SPELLING_SHORT 4u /* up to here one edit, beyond two */

/* A label that is offered. */
typedef struct spelling_label {
    uint32_t codes[SPELLING_LABEL_MAX];
    uint32_t count;
    uint64_t signature;
} spelling_label;

static uint32_t spelling_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Row i of the matrix holds the distances of the first i code points of `a`; only the cells within
 * `cutoff` of the diagonal are filled, and one beside them on each side with "too far". */
uint32_t ngi_spelling_distance(const uint32_t *a, uint32_t a_count, const uint32_t *b,
                               uint32_t b_count, uint32_t cutoff)
{
    uint32_t rows[3][SPELLING_LABEL_MAX + 2] = {{0}}; /* so that an analyser sees no garbage */
    const uint32_t far = cutoff + 1;
    uint32_t least_before = 0;
    if (a_count > SPELLING_LABEL_MAX || b_count > SPELLING_LABEL_MAX ||
        a_count > b_count + cutoff || b_count > a_count + cutoff)
        return far;
    for (uint32_t j = 1; j <= b_count && j <= far; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a_count; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
        uint32_t low = i > cutoff ? i - cutoff : 1;
        uint32_t high = spelling_least(i + cutoff, b_count);
        uint32_t least = row[low - 1] = low == 1 ? spelling_least(i, far) : far;
        for (uint32_t j = low; j <= high; j++) {
            /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): j <= b_count */
            uint32_t cell = above[j - 1] + (a[i - 1] != b[j - 1]);
            cell = spelling_least(cell, spelling_least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cell = spelling_least(cell, above_that[j - 2] + 1);
            row[j] = spelling_least(cell, far);
            least = spelling_least(least, row[j]);
        }
        row[high + 1] = far;
        if (least == far && least_before == far)
            return far;
        least_before = least;
    }
    return rows[a_count % 3][b_count];
}

/* Decodes at most `capacity` code points, in lower case; false if there are more. */
static bool spelling_decode(const char *text, size_t bytes, uint32_t *codes, uint32_t capacity,
                            uint32_t *count, uint64_t *signature)
{
    uint32_t used = 0;
    uint64_t bits = 0;
    for (size_t at = 0; at < bytes; used++) {
        if (used == capacity)
            return false;
        uint32_t code = (unsigned char)text[at];
        if (code < 0x80) {
            code += code - 'A' < 26 ? 'a' - 'A' : 0;
            at++;
        } else {
            utf8proc_int32_t wide;
            utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                  (utf8proc_ssize_t)(bytes - at), &wide);
            if (n <= 0)
                return false; /* a label is any bytes that its writer chose */
            code = (uint32_t)utf8proc_tolower(wide);
            at += (size_t)n;
        }
        codes[used] = code;
        bits |= UINT64_C(1) << (code & 63);
    }
    *count = used;
    *signature = bits;
    return true;
}

bool ngi_spelling_begin(ngi_spelling *spelling, const char *word, size_t bytes, size_t want)
{
    spelling->want = want;
    spelling->count = 0;
    if (!spelling_decode(word, bytes, spelling->codes, NGI_SPELLING_CODES_MAX,
                         &spelling->code_count, &spelling->signature) ||
        spelling->code_count < 2)
        return false;
    spelling->cutoff = spelling->code_count <= SPELLING_SHORT ? 1 : NGI_SPELLING_EDITS_MAX;
    return true;
}

static bool spelling_is_before(const ngi_spelling_match *a, const ngi_spelling_match *b)
{
    if (a->distance != b->distance)
        return a->distance < b->distance;
    return a->has_vector && !b->has_vector; /* ids come in ascending order */
}

static void spelling_insert(ngi_spelling *spelling, const ngi_spelling_match *match)
{
    size_t at = spelling->count;
    while (at > 0 && spelling_is_before(match, &spelling->matches[at - 1]))
        at--;
    if (at == spelling->want)
        return;
    if (spelling->count < spelling->want)
        spelling->count++;
    for (size_t i = spelling->count - 1; i > at; i--)
        spelling->matches[i] = spelling->matches[i - 1];
    spelling->matches[at] = *match;
    if (spelling->count == spelling->want)
        spelling->cutoff = spelling->matches[spelling->count - 1].distance;
}

static void spelling_compare(ngi_spelling *spelling, const spelling_label *label, ng_token_id id,
                             bool has_vector)
{
    uint32_t cutoff = spelling->cutoff;
    if (label->count > spelling->code_count + cutoff ||
        spelling->code_count > label->count + cutoff ||
        (uint32_t)__builtin_popcountll(label->signature & ~spelling->signature) > cutoff ||
        (uint32_t)__builtin_popcountll(spelling->signature & ~label->signature) > cutoff)
        return;
    uint32_t distance = ngi_spelling_distance(spelling->codes, spelling->code_count, label->codes,
                                              label->count, cutoff);
    if (distance <= cutoff)
        spelling_insert(spelling, &(ngi_spelling_match){id, distance, has_vector});
}

void ngi_spelling_offer(ngi_spelling *spellings, size_t count, ng_token_id id, const char *label,
                        size_t bytes, bool has_vector)
{
    spelling_label decoded;
    if (bytes > 4 * SPELLING_LABEL_MAX ||
        !spelling_decode(label, bytes, decoded.codes, SPELLING_LABEL_MAX, &decoded.count,
                         &decoded.signature))
        return;
    for (size_t i = 0; i < count; i++)
        spelling_compare(&spellings[i], &decoded, id, has_vector);
}
