/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mind/mind_cue.h"

#include "base/base_bytes.h"
#include "mind/mind_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CUE_HASH_BITS 60u
#define CUE_TERM_BYTES 12u

/* --- terms ----------------------------------------------------------------------------------- */

typedef struct cue_sum {
    ng_token_id id;
    double weight;
} cue_sum;

static int cue_by_id(const void *a, const void *b)
{
    ng_token_id left = ((const cue_sum *)a)->id, right = ((const cue_sum *)b)->id;
    return left < right ? -1 : left > right;
}

static uint64_t cue_hash(const ngi_cue *cue)
{
    uint8_t bytes[NGI_QUERY_TERMS_MAX * CUE_TERM_BYTES];
    if (cue->term_count == 0)
        return 0;
    for (size_t i = 0; i < cue->term_count; i++) {
        ngi_put_u64(bytes + i * CUE_TERM_BYTES, cue->terms[i].id);
        ngi_put_u32(bytes + i * CUE_TERM_BYTES + 8, (uint32_t)cue->terms[i].weight);
    }
    return XXH3_64bits(bytes, cue->term_count * CUE_TERM_BYTES) >> (64 - CUE_HASH_BITS);
}

/* What was asked for twice counts once, with the sum of its weights. */
static void cue_of_sums(ngi_cue *cue, cue_sum *sums, size_t count)
{
    size_t used = 0;
    double heaviest = 0;
    memset(cue, 0, sizeof *cue);
    if (count > 0)
        qsort(sums, count, sizeof *sums, cue_by_id);
    for (size_t i = 0; i < count; i++) {
        if (used > 0 && sums[used - 1].id == sums[i].id)
            sums[used - 1].weight += sums[i].weight;
        else
            sums[used++] = sums[i];
    }
    for (size_t i = 0; i < used; i++)
        heaviest = fmax(heaviest, fabs(sums[i].weight));
    for (size_t i = 0; i < used && heaviest > 0; i++) {
        int32_t weight = (int32_t)rint(sums[i].weight / heaviest * NGI_CUE_WEIGHT);
        if (weight != 0)
            cue->terms[cue->term_count++] = (ngi_cue_term){sums[i].id, weight};
    }
    cue->hash = cue_hash(cue);
}

void ngi_cue_of_terms(ngi_cue *cue, const ngi_terms *terms)
{
    cue_sum sums[NGI_QUERY_TERMS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < terms->count; i++)
        if (terms->terms[i].id != 0)
            sums[count++] =
                (cue_sum){terms->terms[i].id, terms->terms[i].sign * terms->terms[i].weight};
    cue_of_sums(cue, sums, count);
}

void ngi_cue_of_tokens(ngi_cue *cue, const ng_token_id *ids, size_t count)
{
    cue_sum sums[NGI_QUERY_TERMS_MAX];
    for (size_t i = 0; i < count && i < NGI_QUERY_TERMS_MAX; i++)
        sums[i] = (cue_sum){ids[i], 1};
    cue_of_sums(cue, sums, count);
}

_Static_assert(NGI_RECALL_TOKENS_MAX <= NGI_QUERY_TERMS_MAX, "examples fit a cue");

void ngi_cue_of_cue(ngi_cue *cue, const ngi_cue_term *terms, size_t count)
{
    memset(cue, 0, sizeof *cue);
    cue->term_count = count;
    memcpy(cue->terms, terms, count * sizeof *terms);
    cue->hash = cue_hash(cue);
}

/* --- priors ---------------------------------------------------------------------------------- */

int32_t ngi_cue_prior_of(const ngi_cue *cue, ng_token_id id)
{
    for (size_t i = 0; i < cue->prior_count; i++)
        if (cue->priors[i].id == id)
            return cue->priors[i].value;
    return 0;
}

bool ngi_cue_set_prior(ngi_cue *cue, ng_token_id id, int32_t value)
{
    size_t at = 0;
    while (at < cue->prior_count && cue->priors[at].id != id)
        at++;
    if (at == NGI_FEEDBACK_PRIORS_MAX)
        return value == 0;
    if (value != 0) {
        cue->priors[at] = (ngi_cue_prior){id, value};
        cue->prior_count += at == cue->prior_count;
    } else if (at < cue->prior_count) {
        cue->prior_count--;
        memmove(&cue->priors[at], &cue->priors[at + 1],
                (cue->prior_count - at) * sizeof *cue->priors);
    }
    return true;
}

/* --- the token ------------------------------------------------------------------------------- */

void ngi_cue_label(const ngi_cue *cue, char out[NGI_CUE_LABEL_ROOM])
{
    snprintf(out, NGI_CUE_LABEL_ROOM, "cue:%015" PRIx64, cue->hash);
}

ng_status ngi_cue_payload(ngi_mem *mem, const ngi_cue *cue, ngi_buffer *out)
{
    ng_status status;
    NGI_TRY(ngi_rows_add(mem, out, "{\"terms\":["));
    for (size_t i = 0; i < cue->term_count; i++)
        NGI_TRY(ngi_rows_add(mem, out, "%s[%" PRIu64 ",%d]", i > 0 ? "," : "", cue->terms[i].id,
                             (int)cue->terms[i].weight));
    NGI_TRY(ngi_rows_add(mem, out, "],\"priors\":["));
    for (size_t i = 0; i < cue->prior_count; i++)
        NGI_TRY(ngi_rows_add(mem, out, "%s[%" PRIu64 ",%d]", i > 0 ? "," : "", cue->priors[i].id,
                             (int)cue->priors[i].value));
    NGI_TRY(ngi_rows_add(mem, out, "]}"));
out:
    return status;
}

/* A payload under examination: that its terms are those of the cue. */
typedef struct cue_reading {
    ngi_cue *cue;
    size_t term_count;
} cue_reading;

static bool cue_read_term(void *context, const int64_t *numbers, size_t count)
{
    cue_reading *reading = context;
    const ngi_cue *cue = reading->cue;
    size_t at = reading->term_count++;
    return count == 2 && at < cue->term_count && (uint64_t)numbers[0] == cue->terms[at].id &&
           numbers[1] == cue->terms[at].weight;
}

static bool cue_read_prior(void *context, const int64_t *numbers, size_t count)
{
    ngi_cue *cue = ((cue_reading *)context)->cue;
    return count == 2 && numbers[0] > 0 && numbers[1] != 0 && numbers[1] >= -NGI_PRIOR_MAX &&
           numbers[1] <= NGI_PRIOR_MAX && ngi_cue_prior_of(cue, (ng_token_id)numbers[0]) == 0 &&
           ngi_cue_set_prior(cue, (ng_token_id)numbers[0], (int32_t)numbers[1]);
}

static ng_status cue_find(const ng_store *store, ngi_cue *cue)
{
    char label[NGI_CUE_LABEL_ROOM];
    ng_collection_id collection;
    ng_token_info info;
    ng_status status;
    ngi_cue_label(cue, label);
    NGI_TRY(ngi_store_collection_find(store, NGI_FEEDBACK_COLLECTION, &collection));
    NGI_TRY(ngi_store_token_find(store, collection, label, strlen(label), &cue->token));
    NGI_TRY(ngi_store_token_get(store, cue->token, &info));
    cue->version = info.version;
out:
    return status;
}

ng_status ngi_cue_load(const ng_store *store, ngi_cue *cue, bool *is_foreign)
{
    cue_reading reading = {.cue = cue};
    const ngi_row_field fields[] = {{.name = "terms", .row = cue_read_term, .context = &reading},
                                    {.name = "priors", .row = cue_read_prior, .context = &reading}};
    ngi_buffer data = {0};
    ng_status status = NG_OK;
    bool is_ours = true;
    cue->prior_count = 0;
    cue->token = 0;
    if (cue->term_count > 0)
        status = cue_find(store, cue);
    if (status == NG_OK && cue->token != 0) {
        status = ngi_rows_data(store, cue->token, &data);
        is_ours = status != NG_OK || (ngi_rows_read((const char *)data.data, data.bytes, fields,
                                                    sizeof fields / sizeof *fields) &&
                                      reading.term_count == cue->term_count);
    }
    ngi_buffer_release(ngi_store_mem(store), &data);
    if (status != NG_OK || !is_ours)
        cue->prior_count = 0;
    if (status == NG_E_NOT_FOUND) {
        cue->token = 0; /* or it was deleted meanwhile */
        status = NG_OK;
    }
    if (is_foreign != NULL)
        *is_foreign = !is_ours;
    return status;
}

/* --- text ------------------------------------------------------------------------------------ */

/* One term: its sign, a weight that is not the whole, and a label or "#id". */
static size_t cue_term_text(const ng_store *store, const ngi_cue_term *term, bool is_first,
                            char out[NGI_LABEL_BYTES_MAX + 32])
{
    static const char *const signs[2][2] = {{" + ", " - "}, {"", "- "}};
    int32_t weight = abs(term->weight);
    size_t bytes = 0, used = (size_t)sprintf(out, "%s", signs[is_first][term->weight < 0]);
    if (weight != NGI_CUE_WEIGHT) {
        used += (size_t)sprintf(out + used, "0.%06d", (int)weight);
        while (out[used - 1] == '0')
            used--;
        out[used++] = '*';
    }
    if (ngi_store_token_label(store, term->id, out + used, NGI_LABEL_BYTES_MAX + 1, &bytes) ==
            NG_OK &&
        bytes > 0)
        return used + bytes;
    return used + (size_t)sprintf(out + used, "#%" PRIu64, term->id);
}

void ngi_cue_text(const ng_store *store, const ngi_cue *cue, char *out, size_t room)
{
    char term[NGI_LABEL_BYTES_MAX + 32];
    size_t used = 0;
    for (size_t i = 0; i < cue->term_count; i++) {
        size_t bytes = cue_term_text(store, &cue->terms[i], i == 0, term);
        if (used + bytes + sizeof " ..." > room) {
            used += (size_t)snprintf(out + used, room - used, "%s", i == 0 ? "..." : " ...");
            break;
        }
        memcpy(out + used, term, bytes);
        used += bytes;
    }
    out[used] = 0;
}

/* --- signals --------------------------------------------------------------------------------- */

/* A UUID of version 8: 48 + 12 bits of the cue, 62 of the nonce. */
void ngi_signal_write(uint64_t cue, uint64_t nonce, char out[NG_SIGNAL_ROOM])
{
    uint64_t low = nonce | UINT64_C(1) << 63;
    snprintf(out, NG_SIGNAL_ROOM, "%08x-%04x-8%03x-%04x-%012" PRIx64,
             (unsigned)(cue >> 28 & 0xFFFFFFFF), (unsigned)(cue >> 12 & 0xFFFF),
             (unsigned)(cue & 0xFFF), (unsigned)(low >> 48), low & UINT64_C(0xFFFFFFFFFFFF));
}

static int signal_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

ng_status ngi_signal_read(const char *text, uint64_t *cue, uint64_t *nonce)
{
    uint64_t halves[2] = {0};
    size_t at = 0;
    for (size_t digits = 0; digits < 32; at++) {
        int digit = signal_digit(text[at]);
        bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
        if (is_dash ? text[at] != '-' : digit < 0)
            break;
        if (is_dash)
            continue;
        halves[digits / 16] = halves[digits / 16] << 4 | (uint64_t)digit;
        digits++;
    }
    if (at != NG_SIGNAL_ROOM - 1 || text[at] != 0 || (halves[0] >> 12 & 0xF) != 8 ||
        halves[1] >> 62 != 2)
        return ngi_fail(NG_E_INVALID, "signal \"%.40s\" is not that of an answer", text);
    *cue = (halves[0] >> 16) << 12 | (halves[0] & 0xFFF);
    *nonce = halves[1] & ((UINT64_C(1) << 62) - 1);
    return NG_OK;
}

void ngi_cue_answered(const ng_store *store, const ngi_cue *cue, ngi_answer *answer,
                      char signal[NG_SIGNAL_ROOM])
{
    answer->cue = cue->hash;
    answer->term_count = (uint32_t)cue->term_count;
    memcpy(answer->terms, cue->terms, sizeof answer->terms);
    ngi_store_answer_add(store, answer);
    ngi_signal_write(answer->cue, answer->nonce, signal);
}
