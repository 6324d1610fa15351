/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows of the graph of vectors: images, links, what comes and goes. */
#include "index/index_vectors_ann_private.h"

#include "base/base_limits.h"

#include <math.h>
#include <stdlib.h>

#define INSERT_EFFORT 128u
#define SORT_BY_INSERTION 64u
#define ANN_CLIP                                                                                   \
    0.8f /* of the largest number: what codes of four bits reach, as larger ones are few */

/* --- life ------------------------------------------------------------------------------------ */

ng_status ngi_ann_create(ngi_os *os, ngi_mem *mem, uint32_t dimensions, uint32_t max_rows,
                         ngi_ann **out)
{
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ngi_ann), "graph of vectors", &block);
    if (status != NG_OK)
        return status;
    ngi_ann *ann = block;
    bool is_whole = dimensions + sizeof(ngi_ann_tail) <= NGI_ANN_LINE;
    size_t half = is_whole ? dimensions : (dimensions + 1) / 2, bytes = half + sizeof(ngi_ann_tail);
    *ann = (ngi_ann){.os = os,
                     .mem = mem,
                     .kernels = ngi_ann_kernels_best(),
                     .dimensions = dimensions,
                     .code_max = is_whole ? ANN_CODE_MAX : ANN_HALF_CODE_MAX,
                     .half = half,
                     .stride = (bytes + NGI_ANN_LINE - 1) / NGI_ANN_LINE * NGI_ANN_LINE};
    NGI_TRY(ngi_table_init(&ann->images, os, mem, ann->stride, max_rows, "images of vectors"));
    NGI_TRY(ngi_table_init(&ann->links, os, mem, NGI_ANN_LINKS * sizeof(uint32_t), max_rows,
                           "links of vectors"));
    NGI_TRY(ngi_table_init(&ann->states, os, mem, 1, max_rows, "graph of vectors"));
    *out = ann;
out:
    if (status != NG_OK)
        ngi_ann_destroy(ann);
    return status;
}

void ngi_ann_destroy(ngi_ann *ann)
{
    if (ann == NULL)
        return;
    ngi_table_release(&ann->states);
    ngi_table_release(&ann->links);
    ngi_table_release(&ann->images);
    ngi_free(ann->mem, ann, sizeof *ann);
}

uint32_t ngi_ann_count(const ngi_ann *ann)
{
    return ann->counts[ANN_PRESENT];
}

bool ngi_ann_has(const ngi_ann *ann, uint32_t row)
{
    return row < ann->row_end && *ann_state_of(ann, row) == ANN_PRESENT;
}

uint32_t ngi_ann_removed_count(const ngi_ann *ann)
{
    return ann->counts[ANN_REMOVED] + ann->counts[ANN_REMOVED_LATE];
}

uint64_t ngi_ann_bytes(const ngi_ann *ann)
{
    return sizeof *ann + ngi_table_bytes(&ann->images) + ngi_table_bytes(&ann->links) +
           ngi_table_bytes(&ann->states);
}

ng_status ngi_ann_reserve(ngi_ann *ann, uint32_t rows)
{
    ng_status status;
    NGI_TRY(ngi_table_reserve(&ann->images, rows));
    NGI_TRY(ngi_table_reserve(&ann->links, rows));
    NGI_TRY(ngi_table_reserve(&ann->states, rows));
out:
    return status;
}

void ngi_ann_set_state(ngi_ann *ann, uint32_t row, ann_state state)
{
    for (; ann->row_end <= row; ann->row_end++) {
        *ann_state_of(ann, ann->row_end) = ANN_ABSENT;
        ann_links(ann, ann->row_end)[0] = ANN_NONE;
        ann->counts[ANN_ABSENT]++;
    }
    ann->counts[*ann_state_of(ann, row)]--;
    ann->counts[state]++;
    *ann_state_of(ann, row) = (uint8_t)state;
}

void ngi_ann_clear(ngi_ann *ann)
{
    ann->row_end = ann->entry_count = ann->clean_next = 0;
    memset(ann->counts, 0, sizeof ann->counts);
}

/* --- images ---------------------------------------------------------------------------------- */

/* The code of a number: 2 code - code_max times half of `step` is nearest to it. */
static unsigned image_code(const ngi_ann *ann, float value, float step)
{
    float most = (float)ann->code_max, code = floorf(value / step) + (most + 1) / 2;
    return (unsigned)(code < 0 ? 0 : code > most ? most : code);
}

void ngi_ann_set_image(const ngi_ann *ann, uint32_t row, const float *vector)
{
    uint8_t *image = ann_image(ann, row);
    ngi_ann_tail tail = {0};
    float most = 0;
    double length = 0, product = 0, codes_length = 0;
    memset(image, 0, ann->stride);
    for (uint32_t i = 0; i < ann->dimensions; i++)
        most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
    if (most > 0) {
        float reach = ann->code_max == ANN_HALF_CODE_MAX ? most * ANN_CLIP : most;
        float step = reach / ((float)(ann->code_max + 1) / 2);
        for (uint32_t i = 0; i < ann->dimensions; i++) {
            unsigned code = image_code(ann, vector[i], step);
            double value = (double)vector[i];
            length += value * value;
            double stands_for = 2 * (double)code - ann->code_max;
            product += value * stands_for;
            codes_length += stands_for * stands_for;
            if (i < ann->half)
                image[i] |= (uint8_t)code;
            else
                image[i - ann->half] |= (uint8_t)(code << 4);
        }
        tail = (ngi_ann_tail){(float)(length / product), (float)(length / 2), 0};
        /* the error is at right angles to the vector, as the scale is */
        double error = length / product * (length / product) * codes_length - length;
        tail.deviation = error > 0 ? (float)sqrt(error / ann->dimensions) : 0;
    }
    memcpy(image + ann->stride - sizeof tail, &tail, sizeof tail);
}

double ngi_ann_deviation(const ngi_ann *ann, uint32_t row, double length, double peak)
{
    ngi_ann_tail tail = ann_tail(ann, row);
    double step = peak / ANN_QUERY_MAX; /* what is left out of it is even in [-step/2, step/2] */
    return (double)tail.deviation * length + sqrt(2 * (double)tail.shift / 12) * step;
}

static void query_begin(const ngi_ann *ann, ngi_ann_query *query)
{
    query->stride = ann->stride;
    query->excess = 0;
    query->mask = (uint8_t)ann->code_max;
    query->shifted = 1;
    memset(query->low + ann->half, 0, ann->stride - ann->half);
    memset(query->high, 0, ann->stride);
}

static void query_set(const ngi_ann *ann, ngi_ann_query *query, uint32_t i, int code)
{
    query->excess += (int)ann->code_max * code;
    if (i < ann->half)
        query->low[i] = (int8_t)code;
    else
        query->high[i - ann->half] = (int8_t)code;
}

void ngi_ann_query_vector(const ngi_ann *ann, const float *vector, ngi_ann_query *query)
{
    float most = 0;
    query_begin(ann, query);
    for (uint32_t i = 0; i < ann->dimensions; i++)
        most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
    query->scale = most / ANN_QUERY_MAX;
    for (uint32_t i = 0; i < ann->dimensions; i++)
        query_set(ann, query, i, most > 0 ? (int)lrintf(vector[i] / most * ANN_QUERY_MAX) : 0);
}

void ngi_ann_query_row(const ngi_ann *ann, uint32_t row, ngi_ann_query *query)
{
    const uint8_t *image = ann_image(ann, row);
    int sum = 0;
    query_begin(ann, query);
    query->scale = ann_tail(ann, row).scale;
    for (size_t i = 0; i < ann->half; i++) {
        query->low[i] = (int8_t)(2 * (image[i] & query->mask) - query->mask);
        sum += query->low[i];
    }
    for (size_t i = ann->half; i < ann->dimensions; i++) {
        int8_t *high = &query->high[i - ann->half];
        *high = (int8_t)(2 * (image[i - ann->half] >> 4) - query->mask);
        sum += *high;
    }
    query->excess = (int)ann->code_max * sum;
}

/* --- links ----------------------------------------------------------------------------------- */

static int candidate_compare(const void *a, const void *b)
{
    const ann_candidate *x = a, *y = b;
    return ann_is_better(*x, *y) ? -1 : ann_is_better(*y, *x);
}

void ngi_ann_sort(ann_candidate *candidates, size_t count)
{
    if (count <= SORT_BY_INSERTION) {
        for (size_t i = 1; i < count; i++) {
            ann_candidate moved = candidates[i];
            size_t at = i;
            for (; at > 0 && ann_is_better(moved, candidates[at - 1]); at--)
                candidates[at] = candidates[at - 1];
            candidates[at] = moved;
        }
        return;
    }
    qsort(candidates, count, sizeof *candidates, candidate_compare);
}

/* Whether one of the links is much nearer to a row than `distance`; distances are halves of squared
 * ones. */
static bool choose_is_shadowed(const ngi_ann *ann, uint32_t row, float distance,
                               const uint32_t *links, unsigned count)
{
    ngi_ann_query query;
    float scores[NGI_ANN_LINKS], shift = ann_tail(ann, row).shift;
    ngi_ann_query_row(ann, row, &query);
    ann->kernels->list(&query, ann->images.base, links, count, scores);
    for (unsigned i = 0; i < count; i++)
        if ((shift - scores[i]) * ANN_SHADOW <= distance)
            return true;
    return false;
}

/* Whether one of the links is a copy of a row. */
static bool choose_is_copy(const ngi_ann *ann, uint32_t row, const uint32_t *links, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (memcmp(ann_image(ann, row), ann_image(ann, links[i]), ann->stride) == 0)
            return true;
    return false;
}

unsigned ngi_ann_choose(const ngi_ann *ann, uint32_t row, const ann_candidate *candidates,
                        size_t count, unsigned wanted, uint32_t *out)
{
    uint32_t spare[ANN_LEAST_LINKS];
    float own_shift = ann_tail(ann, row).shift;
    unsigned chosen = 0, spare_count = 0;
    for (size_t i = 0; i < count && chosen < wanted; i++) {
        uint32_t other = candidates[i].row;
        if (other == row || (i > 0 && other == candidates[i - 1].row))
            continue;
        if (!choose_is_shadowed(ann, other, own_shift - candidates[i].score, out, chosen))
            out[chosen++] = other;
        else if (chosen + spare_count < ANN_LEAST_LINKS && !choose_is_copy(ann, other, out, chosen))
            spare[spare_count++] = other;
    }
    for (unsigned i = 0; i < spare_count && chosen < ANN_LEAST_LINKS && chosen < wanted; i++)
        out[chosen++] = spare[i];
    return chosen;
}

void ngi_ann_set_links(const ngi_ann *ann, uint32_t row, const uint32_t *links, unsigned count)
{
    uint32_t *own = ann_links(ann, row);
    if (count > 0)
        memcpy(own, links, count * sizeof *own);
    if (count < NGI_ANN_LINKS)
        own[count] = ANN_NONE;
}

/* Adds a link from `row` to `other`, or chooses anew if there is no room. */
static void link_add(const ngi_ann *ann, uint32_t row, uint32_t other)
{
    uint32_t *links = ann_links(ann, row), chosen[NGI_ANN_LINKS];
    unsigned count = ann_link_count(links);
    for (unsigned i = 0; i < count; i++)
        if (links[i] == other)
            return;
    if (count < NGI_ANN_LINKS) {
        links[count] = other;
        if (count + 1 < NGI_ANN_LINKS)
            links[count + 1] = ANN_NONE;
        return;
    }
    ngi_ann_query query;
    ann_candidate candidates[NGI_ANN_LINKS + 1];
    ngi_ann_query_row(ann, row, &query);
    for (unsigned i = 0; i < count; i++)
        candidates[i] = (ann_candidate){ann_score(ann, &query, links[i]), links[i]};
    candidates[count] = (ann_candidate){ann_score(ann, &query, other), other};
    ngi_ann_sort(candidates, count + 1);
    count = ngi_ann_choose(ann, row, candidates, count + 1, NGI_ANN_LINKS, chosen);
    ngi_ann_set_links(ann, row, chosen, count);
}

static bool link_leads(const ngi_ann *ann, uint32_t from, uint32_t row)
{
    const uint32_t *links = ann_links(ann, from);
    for (unsigned k = 0; k < NGI_ANN_LINKS && links[k] != ANN_NONE; k++)
        if (links[k] == row)
            return true;
    return false;
}

/* One of the nearest rows has to lead to a new one: if none does, the first that has room, else the
 * nearest in place of its last link. Where many rows are equal none of them would. */
static void link_reach(const ngi_ann *ann, const ann_candidate *near, unsigned count, uint32_t row)
{
    for (unsigned i = 0; i < count; i++)
        if (link_leads(ann, near[i].row, row))
            return;
    for (unsigned i = 0; i < count; i++) {
        if (ann_link_count(ann_links(ann, near[i].row)) < NGI_ANN_LINKS) {
            link_add(ann, near[i].row, row);
            return;
        }
    }
    if (count > 0)
        ann_links(ann, near[0].row)[NGI_ANN_LINKS - 1] = row;
}

/* --- rows that come and go ------------------------------------------------------------------- */

static void entry_add(ngi_ann *ann, uint32_t row)
{
    uint64_t rows = (uint64_t)ann->entry_count * ANN_ENTRY_ROWS;
    if (ann->entry_count < ANN_ENTRIES_MAX && ann->counts[ANN_PRESENT] > rows)
        ann->entries[ann->entry_count++] = row;
}

ng_status ngi_ann_insert(ngi_ann *ann, uint32_t row, const float *vector)
{
    ngi_ann_hit near[INSERT_EFFORT];
    ann_candidate candidates[INSERT_EFFORT];
    uint32_t links[ANN_OWN_LINKS], count;
    const ngi_ann_request request = {.query = vector, .effort = INSERT_EFFORT};
    ng_status status = ngi_ann_search(ann, &request, near, &count);
    if (status != NG_OK)
        return status;
    memcpy(candidates, near, count * sizeof *near);
    ngi_ann_set_state(ann, row, ANN_PRESENT);
    ngi_ann_set_image(ann, row, vector);
    unsigned chosen = ngi_ann_choose(ann, row, candidates, count, ANN_OWN_LINKS, links);
    ngi_ann_set_links(ann, row, links, chosen);
    for (unsigned i = 0; i < chosen; i++)
        link_add(ann, links[i], row);
    link_reach(ann, candidates, count, row);
    entry_add(ann, row);
    return NG_OK;
}

void ngi_ann_remove(ngi_ann *ann, uint32_t row)
{
    if (ngi_ann_has(ann, row))
        ngi_ann_set_state(ann, row, ann->clean_next > 0 ? ANN_REMOVED_LATE : ANN_REMOVED);
}

/* --- past what was removed ------------------------------------------------------------------- */

#define CLEAN_CANDIDATES (NGI_ANN_LINKS * (NGI_ANN_LINKS + 1))

/* The links of a row that are there, and those of the others in their place. */
static void clean_row(const ngi_ann *ann, uint32_t row)
{
    const uint32_t *links = ann_links(ann, row);
    uint32_t near[CLEAN_CANDIDATES], chosen[NGI_ANN_LINKS];
    ann_candidate candidates[CLEAN_CANDIDATES];
    unsigned count = ann_link_count(links), found = 0, removed = 0;
    for (unsigned i = 0; i < count; i++) {
        bool is_removed = *ann_state_of(ann, links[i]) != ANN_PRESENT;
        const uint32_t *others = is_removed ? ann_links(ann, links[i]) : &links[i];
        unsigned other_count = is_removed ? ann_link_count(others) : 1;
        removed += is_removed;
        for (unsigned j = 0; j < other_count; j++)
            if (*ann_state_of(ann, others[j]) == ANN_PRESENT)
                near[found++] = others[j];
    }
    if (removed == 0)
        return;
    ngi_ann_query query;
    ngi_ann_query_row(ann, row, &query);
    for (unsigned i = 0; i < found; i++)
        candidates[i] = (ann_candidate){ann_score(ann, &query, near[i]), near[i]};
    ngi_ann_sort(candidates, found);
    count = ngi_ann_choose(ann, row, candidates, found, NGI_ANN_LINKS, chosen);
    ngi_ann_set_links(ann, row, chosen, count);
}

/* Entries that were removed are replaced by rows that are there, spread over all of them. */
static void clean_entries(ngi_ann *ann)
{
    uint32_t kept = 0, next = 0;
    for (uint32_t i = 0; i < ann->entry_count; i++)
        if (*ann_state_of(ann, ann->entries[i]) == ANN_PRESENT)
            ann->entries[kept++] = ann->entries[i];
    ann->entry_count = kept;
    uint32_t step = ann->row_end / ANN_ENTRIES_MAX + 1;
    step = step > ANN_ENTRY_ROWS ? step : ANN_ENTRY_ROWS;
    for (; next < ann->row_end; next += step)
        if (*ann_state_of(ann, next) == ANN_PRESENT)
            entry_add(ann, next);
    for (next = 0; next < ann->row_end && ann->entry_count == 0; next++)
        if (*ann_state_of(ann, next) == ANN_PRESENT)
            entry_add(ann, next);
}

static void clean_end(ngi_ann *ann)
{
    clean_entries(ann);
    for (uint32_t row = 0; row < ann->row_end; row++) {
        ann_state state = *ann_state_of(ann, row);
        if (state == ANN_REMOVED) {
            ngi_ann_set_links(ann, row, NULL, 0);
            ngi_ann_set_state(ann, row, ANN_ABSENT);
        } else if (state == ANN_REMOVED_LATE) {
            ngi_ann_set_state(ann, row, ANN_REMOVED);
        }
    }
    ann->clean_next = 0;
}

bool ngi_ann_clean(ngi_ann *ann, uint32_t max_rows)
{
    uint32_t row = ann->clean_next, left = ann->row_end - row;
    uint32_t end = left > max_rows ? row + max_rows : ann->row_end;
    for (; row < end; row++)
        if (*ann_state_of(ann, row) == ANN_PRESENT || *ann_state_of(ann, row) == ANN_REMOVED_LATE)
            clean_row(ann, row);
    ann->clean_next = end;
    if (end < ann->row_end)
        return true;
    clean_end(ann);
    return false;
}

/* --- kept and brought back ------------------------------------------------------------------- */

unsigned ngi_ann_get_links(const ngi_ann *ann, uint32_t row, uint32_t out[NGI_ANN_LINKS])
{
    const uint32_t *links = ann_links(ann, row);
    unsigned count = ann_link_count(links), kept = 0;
    for (unsigned i = 0; i < count; i++)
        if (ngi_ann_has(ann, links[i]))
            out[kept++] = links[i];
    return kept;
}

void ngi_ann_restore_row(ngi_ann *ann, uint32_t row, const float *vector)
{
    ngi_ann_set_state(ann, row, ANN_PRESENT);
    ngi_ann_set_image(ann, row, vector);
    ngi_ann_set_links(ann, row, NULL, 0);
}

void ngi_ann_restore_links(ngi_ann *ann, uint32_t row, const uint32_t *links, unsigned count)
{
    uint32_t kept[NGI_ANN_LINKS];
    unsigned kept_count = 0;
    for (unsigned i = 0; i < count && kept_count < NGI_ANN_LINKS; i++) {
        bool is_new = links[i] != row && ngi_ann_has(ann, links[i]);
        for (unsigned k = 0; k < kept_count; k++)
            is_new = is_new && kept[k] != links[i];
        if (is_new)
            kept[kept_count++] = links[i];
    }
    ngi_ann_set_links(ann, row, kept, kept_count);
}

void ngi_ann_restore_end(ngi_ann *ann)
{
    ann->entry_count = 0;
    clean_entries(ann);
}

/* --- verification ---------------------------------------------------------------------------- */

static ng_status check_row(const ngi_ann *ann, uint32_t row)
{
    const uint32_t *links = ann_links(ann, row);
    unsigned count = ann_link_count(links);
    if (*ann_state_of(ann, row) == ANN_ABSENT && count > 0)
        return ngi_fail(NG_E_INTERNAL, "vectors: absent row %u has %u links", row, count);
    for (unsigned i = 0; i < count; i++) {
        if (links[i] == row || links[i] >= ann->row_end ||
            *ann_state_of(ann, links[i]) == ANN_ABSENT)
            return ngi_fail(NG_E_INTERNAL, "vectors: row %u has a link to row %u", row, links[i]);
        for (unsigned j = 0; j < i; j++)
            if (links[i] == links[j])
                return ngi_fail(NG_E_INTERNAL, "vectors: row %u has two links to row %u", row,
                                links[i]);
    }
    return NG_OK;
}

ng_status ngi_ann_check(const ngi_ann *ann)
{
    uint32_t counts[ANN_STATES] = {0};
    ng_status status;
    for (uint32_t row = 0; row < ann->row_end; row++) {
        counts[*ann_state_of(ann, row)]++;
        NGI_TRY(check_row(ann, row));
    }
    status = NG_OK;
    if (memcmp(counts, ann->counts, sizeof counts) != 0)
        return ngi_fail(NG_E_INTERNAL, "vectors: %u rows are there, counted %u",
                        counts[ANN_PRESENT], ann->counts[ANN_PRESENT]);
    for (uint32_t i = 0; i < ann->entry_count; i++)
        if (ann->entries[i] >= ann->row_end || *ann_state_of(ann, ann->entries[i]) == ANN_ABSENT)
            return ngi_fail(NG_E_INTERNAL, "vectors: entry %u is row %u", i, ann->entries[i]);
    if (counts[ANN_PRESENT] > 0 && ann->entry_count == 0)
        return ngi_fail(NG_E_INTERNAL, "vectors: %u rows and no entry", counts[ANN_PRESENT]);
out:
    return status;
}
