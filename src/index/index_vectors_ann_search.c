/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Best-first search in the graph of vectors. */
#include "index/index_vectors_ann_private.h"

#include "base/base_limits.h"

#define SEEN_LEAST 4096u    /* places of a table of what was seen: a power of two */
#define SEEN_PER_EFFORT 64u /* what is mostly enough, and half of it free */
#define ENTRIES 8u          /* a search begins at so many */
#define WIDTH 4u /* rows whose links are followed together: their neighbours arrive together */

/* Rows that were seen: a hash table of row + 1, at most half full. */
typedef struct ann_seen {
    ngi_mem *mem;
    uint32_t *places;
    uint32_t mask, count;
} ann_seen;

#define DONE_BIT 0x80000000u /* of a row in a beam: its links were followed */

/* The best rows so far, best first. */
typedef struct ann_beam {
    ann_candidate *best;
    uint32_t count, capacity;
    uint32_t next; /* those before are done */
} ann_beam;

typedef struct ann_walk {
    const ngi_ann *ann;
    ngi_ann_query query;
    float scale;
    ann_seen seen;
    ann_beam beam;
    ann_beam found; /* those that count, if not all do */
    bool (*accept)(void *context, uint32_t row);
    void *context;
} ann_walk;

/* --- what was seen --------------------------------------------------------------------------- */

static ng_status seen_init(ann_seen *seen, ngi_mem *mem, uint32_t wanted)
{
    uint32_t places = SEEN_LEAST;
    void *block;
    while (places < wanted)
        places *= 2;
    size_t bytes = places * sizeof(uint32_t);
    ng_status status = ngi_alloc(mem, bytes, "search for vectors", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, bytes);
    *seen = (ann_seen){.mem = mem, .places = block, .mask = places - 1};
    return NG_OK;
}

static void seen_release(ann_seen *seen)
{
    if (seen->places != NULL)
        ngi_free(seen->mem, seen->places, (seen->mask + (size_t)1) * sizeof(uint32_t));
}

/* False if it was there already. There is room. */
static bool seen_add(ann_seen *seen, uint32_t row)
{
    uint32_t at = row * 2654435769u >> 7 & seen->mask;
    while (seen->places[at] != 0) {
        if (seen->places[at] == row + 1)
            return false;
        at = (at + 1) & seen->mask;
    }
    seen->places[at] = row + 1;
    seen->count++;
    return true;
}

/* Room for `more` rows. */
static ng_status seen_reserve(ann_seen *seen, uint32_t more)
{
    ann_seen larger;
    if (NGI_LIKELY(seen->count + more <= seen->mask / 2))
        return NG_OK;
    ng_status status = seen_init(&larger, seen->mem, 4 * (seen->mask + 1));
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i <= seen->mask; i++)
        if (seen->places[i] != 0)
            (void)seen_add(&larger, seen->places[i] - 1);
    seen_release(seen);
    *seen = larger;
    return NG_OK;
}

/* --- the best -------------------------------------------------------------------------------- */

static ann_candidate beam_at(const ann_beam *beam, uint32_t i)
{
    return (ann_candidate){beam->best[i].score, beam->best[i].row & ~DONE_BIT};
}

static inline bool beam_wants(const ann_beam *beam, ann_candidate candidate)
{
    return beam->count < beam->capacity || ann_is_better(candidate, beam_at(beam, beam->count - 1));
}

/* Puts candidates, which it sorts, among the best: all at once, as moving those behind them is what
 * costs. */
static void beam_merge(ann_beam *beam, ann_candidate *fresh, unsigned count)
{
    uint32_t old = beam->count, to = old + count;
    if (count == 0)
        return;
    ngi_ann_sort(fresh, count);
    beam->count = to < beam->capacity ? to : beam->capacity;
    while (count > 0) {
        bool is_old = old > 0 && ann_is_better(fresh[count - 1], beam_at(beam, old - 1));
        ann_candidate worst = is_old ? beam->best[--old] : fresh[--count];
        if (--to < beam->capacity)
            beam->best[to] = worst;
    }
    beam->next = to < beam->next ? to : beam->next;
}

/* The best rows whose links were not followed, up to WIDTH; their links are fetched. */
static unsigned beam_take(const ngi_ann *ann, ann_beam *beam, uint32_t rows[WIDTH])
{
    unsigned count = 0;
    while (beam->next < beam->count && (beam->best[beam->next].row & DONE_BIT) != 0)
        beam->next++;
    for (uint32_t at = beam->next; at < beam->count && count < WIDTH; at++) {
        uint32_t row = beam->best[at].row;
        if ((row & DONE_BIT) != 0)
            continue;
        beam->best[at].row |= DONE_BIT;
        rows[count++] = row;
        for (size_t i = 0; i < NGI_ANN_LINKS; i += NGI_ANN_LINE / sizeof(uint32_t))
            __builtin_prefetch(ann_links(ann, row) + i);
    }
    return count;
}

/* --- the walk -------------------------------------------------------------------------------- */

/* Of the candidates those that may count: asked only about those that would be among the best. */
static void walk_find(ann_walk *walk, const ann_candidate *fresh, unsigned count)
{
    ann_candidate found[WIDTH * NGI_ANN_LINKS];
    unsigned found_count = 0;
    for (unsigned i = 0; i < count; i++)
        if (beam_wants(&walk->found, fresh[i]) &&
            *ann_state_of(walk->ann, fresh[i].row) == ANN_PRESENT &&
            (walk->accept == NULL || walk->accept(walk->context, fresh[i].row)))
            found[found_count++] = fresh[i];
    beam_merge(&walk->found, found, found_count);
}

static ng_status walk_rows(ann_walk *walk, const uint32_t *rows, unsigned count)
{
    const ngi_ann *ann = walk->ann;
    uint32_t fresh[WIDTH * NGI_ANN_LINKS];
    float scores[WIDTH * NGI_ANN_LINKS];
    ann_candidate wanted[WIDTH * NGI_ANN_LINKS];
    unsigned fresh_count = 0;
    ng_status status = seen_reserve(&walk->seen, count);
    if (status != NG_OK)
        return status;
    for (unsigned i = 0; i < count; i++) {
        if (!seen_add(&walk->seen, rows[i]))
            continue;
        ann_fetch(ann, rows[i]);
        fresh[fresh_count++] = rows[i];
    }
    ann->kernels->list(&walk->query, (const int8_t *)ann->images.base, fresh, fresh_count,
                       walk->scale, scores);
    unsigned wanted_count = 0;
    for (unsigned i = 0; i < fresh_count; i++) {
        wanted[wanted_count] = (ann_candidate){scores[i], fresh[i]};
        wanted_count += beam_wants(&walk->beam, wanted[wanted_count]);
    }
    beam_merge(&walk->beam, wanted, wanted_count);
    if (walk->found.capacity > 0) {
        for (unsigned i = 0; i < fresh_count; i++)
            wanted[i] = (ann_candidate){scores[i], fresh[i]};
        walk_find(walk, wanted, fresh_count);
    }
    return NG_OK;
}

/* Those of the entries that are nearest. */
static unsigned walk_entries(const ann_walk *walk, uint32_t out[ENTRIES])
{
    const ngi_ann *ann = walk->ann;
    ann_candidate best[ENTRIES];
    ann_beam beam = {.best = best, .capacity = ENTRIES};
    for (uint32_t i = 0; i < ann->entry_count; i++) {
        uint32_t row = ann->entries[i];
        ann_candidate candidate = {ann_score(ann, &walk->query, walk->scale, row), row};
        beam_merge(&beam, &candidate, beam_wants(&beam, candidate));
    }
    for (uint32_t i = 0; i < beam.count; i++)
        out[i] = best[i].row;
    return beam.count;
}

static ng_status walk_run(ann_walk *walk)
{
    uint32_t rows[ENTRIES > WIDTH ? ENTRIES : WIDTH], near[WIDTH * NGI_ANN_LINKS];
    ng_status status = walk_rows(walk, rows, walk_entries(walk, rows));
    while (status == NG_OK) {
        unsigned count = beam_take(walk->ann, &walk->beam, rows), near_count = 0;
        if (count == 0)
            break;
        for (unsigned i = 0; i < count; i++) {
            const uint32_t *links = ann_links(walk->ann, rows[i]);
            unsigned link_count = ann_link_count(links);
            memcpy(&near[near_count], links, link_count * sizeof *links);
            near_count += link_count;
        }
        status = walk_rows(walk, near, near_count);
    }
    return status;
}

ng_status ngi_ann_search(const ngi_ann *ann, const float *unit_query, uint32_t effort,
                         bool (*accept)(void *context, uint32_t row), void *context,
                         ngi_ann_hit *out, uint32_t *count)
{
    ann_walk walk = {.ann = ann, .accept = accept, .context = context};
    size_t bytes = 2 * effort * sizeof(ann_candidate);
    void *block = NULL;
    ng_status status = NG_OK;
    *count = 0;
    if (ann->entry_count == 0)
        return NG_OK;
    NGI_TRY(seen_init(&walk.seen, ann->mem, effort * SEEN_PER_EFFORT));
    NGI_TRY(ngi_alloc(ann->mem, bytes, "search for vectors", &block));
    ann_candidate *candidates = block;
    walk.beam = (ann_beam){.best = candidates, .capacity = effort};
    if (accept != NULL || ngi_ann_removed_count(ann) > 0)
        walk.found = (ann_beam){.best = candidates + effort, .capacity = effort};
    walk.scale = ngi_ann_query_vector(ann, unit_query, &walk.query);
    NGI_TRY(walk_run(&walk));
    const ann_beam *found = walk.found.capacity > 0 ? &walk.found : &walk.beam;
    for (*count = 0; *count < found->count; ++*count) {
        ann_candidate hit = beam_at(found, *count);
        out[*count] = (ngi_ann_hit){hit.score, hit.row};
    }
out:
    ngi_free(ann->mem, block, bytes);
    seen_release(&walk.seen);
    return status;
}
