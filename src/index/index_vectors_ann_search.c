/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Best-first search in the graph of vectors. */
#include "index/index_vectors_ann_private.h"

#include "base/base_limits.h"

#define SEEN_LEAST 4096u    /* places of a table of what was seen: a power of two */
#define SEEN_PER_EFFORT 64u /* what is mostly enough, and half of it free */
#define ENTRIES 8u          /* a search begins at so many */

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

static void beam_offer(ann_beam *beam, ann_candidate candidate)
{
    bool is_full = beam->count == beam->capacity;
    uint32_t low = 0, high = is_full ? beam->count - 1 : beam->count;
    beam->count = high + 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (ann_is_better(beam_at(beam, middle), candidate))
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t behind = beam->count - 1 - low;
    memmove(&beam->best[low + 1], &beam->best[low], behind * sizeof *beam->best);
    beam->best[low] = candidate;
    beam->next = low < beam->next ? low : beam->next;
}

static bool beam_find(const ann_beam *beam, uint32_t *at)
{
    while (*at < beam->count && (beam->best[*at].row & DONE_BIT) != 0)
        ++*at;
    return *at < beam->count;
}

/* The best row whose links were not followed; those of the one behind it are fetched. */
static bool beam_take(const ngi_ann *ann, ann_beam *beam, uint32_t *row)
{
    if (!beam_find(beam, &beam->next))
        return false;
    *row = beam->best[beam->next].row;
    beam->best[beam->next].row |= DONE_BIT;
    uint32_t behind = beam->next + 1;
    if (beam_find(beam, &behind))
        for (size_t i = 0; i < NGI_ANN_LINKS; i += NGI_ANN_LINE / sizeof(uint32_t))
            __builtin_prefetch(ann_links(ann, beam->best[behind].row) + i);
    return true;
}

/* --- the walk -------------------------------------------------------------------------------- */

/* A row that may count: asked only about those that would be among the best. */
static void walk_find(ann_walk *walk, ann_candidate candidate)
{
    if (beam_wants(&walk->found, candidate) &&
        *ann_state_of(walk->ann, candidate.row) == ANN_PRESENT &&
        (walk->accept == NULL || walk->accept(walk->context, candidate.row)))
        beam_offer(&walk->found, candidate);
}

static ng_status walk_rows(ann_walk *walk, const uint32_t *rows, unsigned count)
{
    const ngi_ann *ann = walk->ann;
    uint32_t fresh[NGI_ANN_LINKS];
    float scores[NGI_ANN_LINKS];
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
    for (unsigned i = 0; i < fresh_count; i++) {
        ann_candidate candidate = {scores[i], fresh[i]};
        if (beam_wants(&walk->beam, candidate))
            beam_offer(&walk->beam, candidate);
        if (walk->found.capacity > 0)
            walk_find(walk, candidate);
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
        if (beam_wants(&beam, candidate))
            beam_offer(&beam, candidate);
    }
    for (uint32_t i = 0; i < beam.count; i++)
        out[i] = best[i].row;
    return beam.count;
}

static ng_status walk_run(ann_walk *walk)
{
    uint32_t entries[ENTRIES], row;
    ng_status status = walk_rows(walk, entries, walk_entries(walk, entries));
    while (status == NG_OK && beam_take(walk->ann, &walk->beam, &row)) {
        const uint32_t *links = ann_links(walk->ann, row);
        status = walk_rows(walk, links, ann_link_count(links));
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
