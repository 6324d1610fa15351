/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Exact cosine search over the int8 image.
 *
 * With q the query (unit length, projected), q = h b + x where b is its int16 image, and a row
 * v = s c + r where c is its int8 image:
 *
 *   q.v = s h (b.c) + h b.r + x.v  <=  s (h (b.c) + |h b| error + |x| CODE_MAX sqrt(dimensions))
 *
 * since |r| <= s error and |v| <= s CODE_MAX sqrt(dimensions). Minus q.mean and times the inverse
 * norm this bounds the score from above; `gain` is s and `shift` |mean|, both times the inverse
 * norm. The filter computes the bound in float32, so `margin` also covers its roundings: fewer than
 * ten of 2^-24 each, of numbers no larger than |h b| CODE_MAX sqrt(dimensions) or |offset|.
 *
 * By scalar product there is no mean, and the inverse norm is 1. By distance the score is
 * 2 q.v - |v|^2 - |q|^2: gain and shift are 2 s and |v|^2, and |q|^2 is added to the threshold instead.
 *
 * Only rows whose bound reaches the worst hit kept so far are scored in float64. So the result is
 * that of scoring every row, and which rows were passed over cannot be seen.
 *
 * Invariants: 1. heap[0] is the worst of the hits kept; a heap of `capacity` hits is full.
 *             2. No pointer into the index is kept between slices but the index itself. */
#include "index/index_vectors_private.h"

#include <math.h>
#include <string.h>

#define BLOCK_PANELS 16u /* rows between two looks at the worst hit kept: 256 */
#define BLOCK_ROWS (BLOCK_PANELS * NGI_PANEL_ROWS)
#define ROUNDING 2e-6       /* relative; see the top of the file */
#define PREFETCH_BYTES 512u /* of a row that will be scored; the hardware fetches the rest */

struct ngi_vector_search {
    const ngi_vectors *vectors;
    ngi_projector projector;
    uint64_t projection_version; /* of the index when the projector was made */
    uint64_t change_count;       /* of the index when the search began */
    bool (*accept)(void *context, uint32_t slot);
    void *context;
    double *query;  /* [dimensions], unit length */
    int16_t *codes; /* [2 pair_count], its image */
    double mean_dot;
    double own_length; /* by distance, |q|^2; else 0 */
    ngi_bound bound;
    ngi_vector_hit *heap; /* [capacity] */
    size_t capacity;
    size_t count;
    uint64_t compared;
    size_t bytes; /* of this block, arrays included */
};

/* ---------------------------------------------------------------------------------------------
 * Query
 * ------------------------------------------------------------------------------------------- */

/* Scaling by the largest value first keeps squares in range for any finite query. */
static ng_status search_normalise(ngi_vector_search *search, const double *query)
{
    size_t dimensions = search->vectors->dimensions;
    double peak = 0;
    for (size_t i = 0; i < dimensions; i++) {
        if (!isfinite(query[i]))
            return ngi_fail(NG_E_INVALID, "query[%zu] is not finite", i);
        peak = fabs(query[i]) > peak ? fabs(query[i]) : peak;
    }
    if (!ngi_setting_is_cosine(search->projector.setting)) {
        memcpy(search->query, query, dimensions * sizeof *query);
        return NG_OK;
    }
    if (!(peak > 0))
        return ngi_fail(NG_E_INVALID, "query is the zero vector");
    for (size_t i = 0; i < dimensions; i++)
        search->query[i] = query[i] / peak;
    double norm = ngi_projector_query(&search->projector, search->query);
    if (!(norm > 0))
        return ngi_fail(NG_E_INVALID, "query is zero once %u components are removed",
                        search->projector.component_count);
    for (size_t i = 0; i < dimensions; i++)
        search->query[i] /= norm;
    return NG_OK;
}

/* The image of the query: as fine as int16 allows and as sums in 32 bits allow. */
static void search_quantise(ngi_vector_search *search)
{
    size_t dimensions = search->vectors->dimensions;
    size_t padded = 2 * (size_t)search->vectors->pair_count;
    double most = (double)INT32_MAX / (VECTORS_CODE_MAX * (double)padded);
    most = floor(most < INT16_MAX ? most : INT16_MAX);
    double peak = 0;
    for (size_t i = 0; i < dimensions; i++)
        peak = fabs(search->query[i]) > peak ? fabs(search->query[i]) : peak;
    double step = peak > 0 ? peak / most : 1;
    double lost = 0;
    double norm = 0;
    memset(search->codes, 0, padded * sizeof *search->codes);
    for (size_t i = 0; i < dimensions; i++) {
        double value = peak > 0 ? search->query[i] / peak * most : 0;
        int code = (int)(value < 0 ? value - 0.5 : value + 0.5);
        search->codes[i] = (int16_t)code;
        lost += (search->query[i] - step * code) * (search->query[i] - step * code);
        norm += (double)code * code;
    }
    double row_max = VECTORS_CODE_MAX * sqrt((double)dimensions);
    norm = step * sqrt(norm);
    search->bound.step = (float)step;
    search->bound.norm = (float)(norm * (1 + ROUNDING));
    search->bound.margin = (float)((sqrt(lost) + norm * ROUNDING) * row_max * (1 + ROUNDING));
}

/* What depends on the installed projection. */
static void search_centre(ngi_vector_search *search)
{
    const ngi_vectors *vectors = search->vectors;
    double offset = 0;
    search->mean_dot = 0;
    if (search->projector.component_count != 0) {
        const float *mean = ngi_vectors_mean(vectors);
        search->mean_dot = vectors->kernels->dot(search->query, mean, vectors->dimensions);
        if (search->projector.mean_norm > 0)
            offset = -search->mean_dot / search->projector.mean_norm;
    }
    /* The last term covers a mean_dot that is small because its terms cancel. */
    search->bound.offset = (float)(offset + fabs(offset) * ROUNDING + 1e-12);
    if (search->projector.setting == VECTORS_L2) {
        for (size_t i = 0; i < vectors->dimensions; i++)
            search->own_length += search->query[i] * search->query[i];
        search->bound.offset = -(float)(1 - 2 * ROUNDING);
    }
    search->projection_version = vectors->projection_version;
}

static ng_status search_alloc(const ngi_vectors *vectors, size_t limit, ngi_vector_search **out)
{
    size_t capacity = limit < vectors->max_slots ? limit : vectors->max_slots;
    size_t heap_bytes = capacity * sizeof(ngi_vector_hit);
    size_t query_bytes = vectors->dimensions * sizeof(double);
    size_t code_bytes = 2 * (size_t)vectors->pair_count * sizeof(int16_t);
    size_t bytes = sizeof(ngi_vector_search) + heap_bytes + query_bytes + code_bytes;
    void *block = NULL;
    ng_status status = ngi_alloc(vectors->mem, bytes, "vector search", &block);
    if (status != NG_OK)
        return status;
    ngi_vector_search *search = block;
    *search = (ngi_vector_search){.vectors = vectors, .capacity = capacity, .bytes = bytes};
    search->heap = (ngi_vector_hit *)(void *)(search + 1);
    search->query = (double *)(void *)(search->heap + capacity);
    search->codes = (int16_t *)(void *)(search->query + vectors->dimensions);
    *out = search;
    return NG_OK;
}

ng_status ngi_vector_search_begin(const ngi_vectors *vectors, const double *query,
                                  int32_t remove_components, size_t limit,
                                  bool (*accept)(void *context, uint32_t slot), void *context,
                                  ngi_vector_search **out)
{
    uint32_t setting;
    ngi_vector_search *search;
    ng_status status = ngi_vectors_resolve(vectors, remove_components, &setting);
    if (status != NG_OK)
        return status;
    if (limit == 0)
        return ngi_fail(NG_E_INVALID, "limit 0 is below 1");
    status = search_alloc(vectors, limit, &search);
    if (status != NG_OK)
        return status;
    search->accept = accept;
    search->context = context;
    search->change_count = vectors->change_count;
    ngi_projector_init(&search->projector, vectors, setting);
    status = search_normalise(search, query);
    if (status != NG_OK) {
        ngi_vector_search_destroy(search);
        return status;
    }
    search_quantise(search);
    search_centre(search);
    *out = search;
    return NG_OK;
}

void ngi_vector_search_destroy(ngi_vector_search *search)
{
    if (search != NULL)
        ngi_free(search->vectors->mem, search, search->bytes);
}

/* ---------------------------------------------------------------------------------------------
 * Heap of the best
 * ------------------------------------------------------------------------------------------- */

static bool search_is_worse(const ngi_vector_hit *a, const ngi_vector_hit *b)
{
    return a->score < b->score || (a->score == b->score && a->slot > b->slot);
}

static void search_sink(ngi_vector_hit *heap, size_t count, size_t at)
{
    ngi_vector_hit hit = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && search_is_worse(&heap[child + 1], &heap[child]))
            child++;
        if (!search_is_worse(&heap[child], &hit))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = hit;
}

static void search_rise(ngi_vector_hit *heap, size_t at)
{
    ngi_vector_hit hit = heap[at];
    while (at > 0 && search_is_worse(&hit, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = hit;
}

/* A vector that was removed and put again while the search ran may stand in a later row: then its
 * newer score takes the place of the older, so that no slot is found twice. */
static bool search_replace(ngi_vector_search *search, const ngi_vector_hit *hit)
{
    if (NGI_LIKELY(search->change_count == search->vectors->change_count))
        return false;
    for (size_t i = 0; i < search->count; i++) {
        if (search->heap[i].slot != hit->slot)
            continue;
        search->heap[i] = *hit;
        search_sink(search->heap, search->count, i);
        search_rise(search->heap, i);
        return true;
    }
    return false;
}

static void search_keep(ngi_vector_search *search, const ngi_vector_hit *hit)
{
    if (search_replace(search, hit))
        return;
    if (search->count < search->capacity) {
        search->heap[search->count] = *hit;
        search_rise(search->heap, search->count++);
    } else {
        search->heap[0] = *hit;
        search_sink(search->heap, search->count, 0);
    }
}

/* ---------------------------------------------------------------------------------------------
 * Scan
 * ------------------------------------------------------------------------------------------- */

/* The score that defines the order: float64, the same bits on every processor. */
static double search_measure(const ngi_vector_search *search, size_t row, double inverse)
{
    const ngi_vectors *vectors = search->vectors;
    const float *values = ngi_vectors_row_at(vectors, row);
    if (search->projector.setting == VECTORS_L2)
        return ngi_vectors_nearness(search->query, values, vectors->dimensions);
    double product = vectors->kernels->dot(search->query, values, vectors->dimensions);
    if (search->projector.setting == VECTORS_DOT)
        return product;
    double score = (product - search->mean_dot) * inverse;
    if (score > 1)
        return 1;
    return score < -1 ? -1 : score;
}

static void search_score(ngi_vector_search *search, size_t row)
{
    const ngi_vectors *vectors = search->vectors;
    ngi_vector_hit hit = {.slot = ngi_vectors_info_at(vectors, row)->slot};
    if (hit.slot == 0)
        return;
    double inverse = ngi_vectors_inverse(&search->projector, row);
    if (!(inverse > 0))
        return;
    hit.score = search_measure(search, row, inverse);
    if (search->count == search->capacity && !search_is_worse(&search->heap[0], &hit))
        return;
    if (search->accept != NULL && !search->accept(search->context, hit.slot))
        return;
    search_keep(search, &hit);
}

bool ngi_vector_search_score(const ngi_vector_search *search, uint32_t slot, double *out)
{
    const ngi_vectors *vectors = search->vectors;
    const float *values = ngi_vectors_get(vectors, slot);
    if (values == NULL)
        return false;
    size_t row = ngi_vectors_row_of(vectors, values);
    double inverse = ngi_vectors_inverse(&search->projector, row);
    if (!(inverse > 0))
        return false;
    *out = search_measure(search, row, inverse);
    return true;
}

void ngi_vector_search_offer(ngi_vector_search *search, uint32_t row)
{
    search_score(search, row);
    search->compared++;
}

void ngi_vector_search_offer_slot(ngi_vector_search *search, uint32_t slot)
{
    const ngi_vectors *vectors = search->vectors;
    const float *values = ngi_vectors_get(vectors, slot);
    if (values != NULL)
        ngi_vector_search_offer(search, ngi_vectors_row_of(vectors, values));
}

const double *ngi_vector_search_query(const ngi_vector_search *search)
{
    return search->query;
}

double ngi_vector_search_least(const ngi_vector_search *search)
{
    return search->count < search->capacity ? -INFINITY : search->heap[0].score;
}

bool ngi_vector_search_accepts(const ngi_vector_search *search, uint32_t slot)
{
    return search->accept == NULL || search->accept(search->context, slot);
}

bool ngi_vector_search_is_filtered(const ngi_vector_search *search)
{
    return search->accept != NULL;
}

const ngi_vectors *ngi_vector_search_vectors(const ngi_vector_search *search)
{
    return search->vectors;
}

/* Scores below it cannot enter; lowered by more than float32 and clamping could raise it. */
static float search_threshold(const ngi_vector_search *search)
{
    if (search->count < search->capacity)
        return -INFINITY;
    double least = search->heap[0].score;
    if (ngi_setting_is_cosine(search->projector.setting))
        return (float)least - 1e-6f;
    double raised = least + search->own_length;
    return (float)(raised - ROUNDING * (fabs(least) + search->own_length));
}

static size_t search_candidates(const ngi_vectors *vectors, const uint16_t *masks, size_t panel,
                                size_t panel_count, uint32_t *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < panel_count; i++) {
        for (unsigned mask = masks[i]; mask != 0; mask &= mask - 1) {
            size_t row = (panel + i) * NGI_PANEL_ROWS + (unsigned)__builtin_ctz(mask);
            const char *values = (const char *)ngi_vectors_row_at(vectors, row);
            for (size_t at = 0; at < PREFETCH_BYTES; at += 64)
                __builtin_prefetch(values + at);
            rows[count++] = (uint32_t)row;
        }
    }
    return count;
}

/* Rows [first, end) of the swept part of the search's setting. */
static void search_scan(ngi_vector_search *search, size_t first, size_t end)
{
    const ngi_vectors *vectors = search->vectors;
    const ngi_vectors_setting *setting = &vectors->settings[search->projector.setting];
    int32_t dots[BLOCK_ROWS];
    uint16_t masks[BLOCK_PANELS];
    uint32_t rows[BLOCK_ROWS];
    size_t panel_end = (end + NGI_PANEL_ROWS - 1) / NGI_PANEL_ROWS;
    for (size_t panel = first / NGI_PANEL_ROWS; panel < panel_end; panel += BLOCK_PANELS) {
        size_t count = panel_end - panel < BLOCK_PANELS ? panel_end - panel : BLOCK_PANELS;
        vectors->kernels->panel_dots(ngi_vectors_panel_at(vectors, panel), count, search->codes,
                                     vectors->pair_count, dots);
        search->bound.threshold = search_threshold(search);
        vectors->kernels->filter(&search->bound, dots, ngi_vectors_bounds_at(setting, panel),
                                 ngi_vectors_error_at(vectors, panel * NGI_PANEL_ROWS), count,
                                 masks);
        size_t candidates = search_candidates(vectors, masks, panel, count, rows);
        for (size_t i = 0; i < candidates; i++) {
            if (rows[i] >= first && rows[i] < end)
                search_score(search, rows[i]);
        }
    }
}

static uint64_t search_live(const ngi_vectors *vectors, size_t first, size_t end)
{
    if (vectors->count == vectors->row_end)
        return end - first;
    uint64_t live = 0;
    for (size_t row = first; row < end; row++)
        live += ngi_vectors_info_at(vectors, row)->slot != 0;
    return live;
}

/* After another projection was installed the search goes on in it, with as many components as
 * there are. */
static void search_renew(ngi_vector_search *search)
{
    const ngi_vectors *vectors = search->vectors;
    uint32_t components = search->projector.component_count;
    if (search->projection_version == vectors->projection_version ||
        !ngi_setting_is_cosine(search->projector.setting))
        return;
    components = components < vectors->component_count ? components : vectors->component_count;
    ngi_projector_init(&search->projector, vectors, components);
    search_centre(search);
}

bool ngi_vector_search_slice(ngi_vector_search *search, size_t *row, size_t max_rows)
{
    const ngi_vectors *vectors = search->vectors;
    if (*row >= vectors->row_end)
        return false;
    search_renew(search);
    size_t left = vectors->row_end - *row;
    size_t end = *row + (max_rows < left ? max_rows : left);
    size_t swept = vectors->settings[search->projector.setting].swept;
    size_t scanned = swept < end ? swept : end;
    search->compared += search_live(vectors, *row, end);
    if (*row < scanned) {
        search_scan(search, *row, scanned);
        *row = scanned;
    }
    for (; *row < end; ++*row)
        search_score(search, *row);
    return end < vectors->row_end;
}

size_t ngi_vector_search_finish(ngi_vector_search *search, ngi_vector_hit *out, uint64_t *compared)
{
    /* The worst goes to the end, again and again: best first is what remains. */
    size_t found = search->count;
    for (size_t left = found; left > 1; left--) {
        ngi_vector_hit worst = search->heap[0];
        search->heap[0] = search->heap[left - 1];
        search_sink(search->heap, left - 1, 0);
        search->heap[left - 1] = worst;
    }
    if (found > 0)
        memcpy(out, search->heap, found * sizeof *out);
    search->count = 0;
    if (compared != NULL)
        *compared = search->compared;
    return found;
}
