/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Best-first search in the graph of vectors. */
#include "index/index_vectors_ann_private.h"

#include "base/base_limits.h"

#include <math.h>

#define WORD_BITS 64u
#define SORTED_RUN 12u
#define ENTRIES 8u /* a search begins at so many */
#define WIDTH 4u   /* rows whose links are followed together: their neighbours arrive together */

/* A row with its score as one number, larger is better: 32 bits that are in the order of scores, 31 that
 * are in the reverse order of rows, and a bit that says that its links were followed. */
typedef uint64_t ann_key;
#define KEY_DONE UINT64_C(1)
#define KEY_ROW_MAX 0x7FFFFFFFu

/* The best rows so far, best first. */
typedef struct ann_beam {
    ann_key *best;
    uint32_t count, capacity;
    uint32_t next; /* those before are done */
} ann_beam;

typedef struct ann_walk {
    const ngi_ann *ann;
    ngi_ann_query query;
    uint64_t *seen; /* a bit for each row */
    ann_beam beam;
    ann_beam found; /* those that count, if not all do */
    bool (*accept)(void *context, uint32_t row);
    void *context;
} ann_walk;

/* --- keys ------------------------------------------------------------------------------------ */

static inline ann_key key_of(float score, uint32_t row)
{
    uint32_t bits;
    float number = isnan(score) ? -INFINITY : score + 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &number, sizeof bits);
    bits ^= (bits & 0x80000000u) != 0 ? UINT32_MAX : 0x80000000u;
    return (ann_key)bits << 32 | (ann_key)(KEY_ROW_MAX - row) << 1;
}

static inline uint32_t key_row(ann_key key)
{
    return KEY_ROW_MAX - (uint32_t)(key >> 1 & KEY_ROW_MAX);
}

static float key_score(ann_key key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits ^= (bits & 0x80000000u) != 0 ? 0x80000000u : UINT32_MAX;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static void keys_insert(ann_key *keys, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        ann_key moved = keys[i];
        unsigned at = i;
        for (; at > 0 && moved > keys[at - 1]; at--)
            keys[at] = keys[at - 1];
        keys[at] = moved;
    }
}

/* Largest first, without branches that depend on the keys. */
static void keys_sort(ann_key *keys, unsigned count)
{
    ann_key other[WIDTH * NGI_ANN_LINKS], *from = keys, *to = other;
    for (unsigned begin = 0; begin < count; begin += SORTED_RUN)
        keys_insert(keys + begin, count - begin < SORTED_RUN ? count - begin : SORTED_RUN);
    for (unsigned run = SORTED_RUN; run < count; run *= 2) {
        for (unsigned begin = 0; begin < count; begin += 2 * run) {
            unsigned middle = begin + run < count ? begin + run : count;
            unsigned end = middle + run < count ? middle + run : count;
            unsigned a = begin, b = middle, at = begin;
            while (a < middle && b < end) {
                bool is_first = from[a] > from[b];
                to[at++] = is_first ? from[a] : from[b];
                a += is_first;
                b += !is_first;
            }
            memcpy(to + at, from + a, (middle - a) * sizeof *to);
            memcpy(to + at + (middle - a), from + b, (end - b) * sizeof *to);
        }
        ann_key *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != keys)
        memcpy(keys, from, count * sizeof *keys);
}

/* --- the best -------------------------------------------------------------------------------- */

static inline bool beam_wants(const ann_beam *beam, ann_key key)
{
    return beam->count < beam->capacity || key > beam->best[beam->count - 1];
}

/* Puts keys, which it sorts, among the best: all at once, as moving those behind them is what costs. */
static void beam_merge(ann_beam *beam, ann_key *fresh, unsigned count)
{
    uint32_t old = beam->count, to = old + count;
    if (count == 0)
        return;
    keys_sort(fresh, count);
    beam->count = to < beam->capacity ? to : beam->capacity;
    while (count > 0) {
        bool is_old = old > 0 && beam->best[old - 1] < fresh[count - 1];
        ann_key worst = is_old ? beam->best[--old] : fresh[--count];
        if (--to < beam->capacity)
            beam->best[to] = worst;
    }
    beam->next = to < beam->next ? to : beam->next;
}

/* The best rows whose links were not followed, up to WIDTH; their links are fetched. */
static unsigned beam_take(const ngi_ann *ann, ann_beam *beam, uint32_t rows[WIDTH])
{
    unsigned count = 0;
    while (beam->next < beam->count && (beam->best[beam->next] & KEY_DONE) != 0)
        beam->next++;
    for (uint32_t at = beam->next; at < beam->count && count < WIDTH; at++) {
        if ((beam->best[at] & KEY_DONE) != 0)
            continue;
        beam->best[at] |= KEY_DONE;
        rows[count] = key_row(beam->best[at]);
        for (size_t i = 0; i < NGI_ANN_LINKS; i += NGI_ANN_LINE / sizeof(uint32_t))
            __builtin_prefetch(ann_links(ann, rows[count]) + i);
        count++;
    }
    return count;
}

/* --- the walk -------------------------------------------------------------------------------- */

/* Of the candidates those that may count: asked only about those that would be among the best. */
static void walk_find(ann_walk *walk, const ann_key *fresh, unsigned count)
{
    ann_key found[WIDTH * NGI_ANN_LINKS];
    unsigned found_count = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t row = key_row(fresh[i]);
        if (beam_wants(&walk->found, fresh[i]) && *ann_state_of(walk->ann, row) == ANN_PRESENT &&
            (walk->accept == NULL || walk->accept(walk->context, row)))
            found[found_count++] = fresh[i];
    }
    beam_merge(&walk->found, found, found_count);
}

/* Marks rows as seen, and keeps those that were not. */
static unsigned walk_fresh(const ann_walk *walk, const uint32_t *rows, unsigned count,
                           uint32_t *fresh)
{
    unsigned fresh_count = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t *word = &walk->seen[rows[i] / WORD_BITS];
        uint64_t bit = UINT64_C(1) << rows[i] % WORD_BITS;
        fresh[fresh_count] = rows[i];
        fresh_count += (*word & bit) == 0;
        *word |= bit;
    }
    for (unsigned i = 0; i < fresh_count; i++)
        ann_fetch(walk->ann, fresh[i]);
    return fresh_count;
}

static void walk_rows(ann_walk *walk, const uint32_t *rows, unsigned count)
{
    const ngi_ann *ann = walk->ann;
    uint32_t fresh[WIDTH * NGI_ANN_LINKS] = {0};
    float scores[WIDTH * NGI_ANN_LINKS];
    ann_key wanted[WIDTH * NGI_ANN_LINKS];
    unsigned fresh_count = walk_fresh(walk, rows, count, fresh), wanted_count = 0;
    ann->kernels->list(&walk->query, ann->images.base, fresh, fresh_count, scores);
    for (unsigned i = 0; i < fresh_count; i++) {
        wanted[wanted_count] = key_of(scores[i], fresh[i]);
        wanted_count += beam_wants(&walk->beam, wanted[wanted_count]);
    }
    beam_merge(&walk->beam, wanted, wanted_count);
    if (walk->found.capacity > 0) {
        for (unsigned i = 0; i < fresh_count; i++)
            wanted[i] = key_of(scores[i], fresh[i]);
        walk_find(walk, wanted, fresh_count);
    }
}

/* Those of the entries that are nearest. */
static unsigned walk_entries(const ann_walk *walk, uint32_t out[ENTRIES])
{
    const ngi_ann *ann = walk->ann;
    ann_key best[ENTRIES];
    ann_beam beam = {.best = best, .capacity = ENTRIES};
    for (uint32_t i = 0; i < ann->entry_count; i++) {
        uint32_t row = ann->entries[i];
        ann_key key = key_of(ann_score(ann, &walk->query, row), row);
        beam_merge(&beam, &key, beam_wants(&beam, key));
    }
    for (uint32_t i = 0; i < beam.count; i++)
        out[i] = key_row(best[i]);
    return beam.count;
}

static void walk_run(ann_walk *walk)
{
    uint32_t rows[ENTRIES > WIDTH ? ENTRIES : WIDTH] = {0}, near[WIDTH * NGI_ANN_LINKS];
    unsigned count = walk_entries(walk, rows);
    walk_rows(walk, rows, count);
    while ((count = beam_take(walk->ann, &walk->beam, rows)) > 0) {
        unsigned near_count = 0;
        for (unsigned i = 0; i < count; i++) {
            const uint32_t *links = ann_links(walk->ann, rows[i]);
            unsigned link_count = ann_link_count(links);
            memcpy(&near[near_count], links, link_count * sizeof *links);
            near_count += link_count;
        }
        walk_rows(walk, near, near_count);
    }
}

ng_status ngi_ann_search(const ngi_ann *ann, const ngi_ann_request *request, ngi_ann_hit *out,
                         uint32_t *count)
{
    ann_walk walk = {.ann = ann, .accept = request->accept, .context = request->context};
    uint32_t effort = request->effort;
    uint32_t breadth = request->breadth > effort ? request->breadth : effort;
    size_t words = ann->row_end / WORD_BITS + 1;
    size_t bytes = words * sizeof(uint64_t) + ((size_t)breadth + effort) * sizeof(ann_key);
    void *block;
    *count = 0;
    if (ann->entry_count == 0)
        return NG_OK;
    ng_status status = ngi_alloc(ann->mem, bytes, "search for vectors", &block);
    if (status != NG_OK)
        return status;
    walk.seen = block;
    memset(walk.seen, 0, words * sizeof(uint64_t));
    ann_key *keys = walk.seen + words;
    walk.beam = (ann_beam){.best = keys, .capacity = breadth};
    if (request->accept != NULL || ngi_ann_removed_count(ann) > 0)
        walk.found = (ann_beam){.best = keys + breadth, .capacity = effort};
    ngi_ann_query_vector(ann, request->query, &walk.query);
    walk.query.shifted = request->by_product ? 0 : 1;
    walk_run(&walk);
    const ann_beam *found = walk.found.capacity > 0 ? &walk.found : &walk.beam;
    for (*count = 0; *count < found->count && *count < effort; ++*count) {
        ann_key key = found->best[*count];
        out[*count] = (ngi_ann_hit){key_score(key), key_row(key)};
    }
    ngi_free(ann->mem, block, bytes);
    return NG_OK;
}
