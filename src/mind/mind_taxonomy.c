/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is above a word, group by group, and where two words meet.
 *
 * All sets are arrays of ids in ascending order, so that the order in which connections were made does
 * not matter. Everything has a limit; what lies beyond one is not seen. */
#include "mind/mind_taxonomy.h"

#include "model/model_types.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAXON_REACH 6u /* hops upwards: two words that meet beyond it have little in common */
#define TAXON_GROUPS_MAX 256u
#define TAXON_SET_MAX 1024u /* words above a word */
#define TAXON_PARENTS_MAX 4096u
#define TAXON_WORDS_MAX 16384u  /* of which connections are read */
#define TAXON_EDGES_MAX 131072u /* connections passed over for one word, milliseconds at worst */
#define TAXON_HOP 0.2           /* Li, Bandar and McLean's alpha and beta */
#define TAXON_DEPTH 0.6

/* The sets of a word, in `pool`. */
typedef struct taxon_word {
    size_t begin;
    uint32_t above_count; /* words of Hypernym connections */
    uint32_t same_count;  /* behind them, of Synonym */
    uint32_t like_count;  /* behind them, of Similar */
    uint32_t degree;      /* connections that leave it: what reading it costs */
    uint32_t counted_in;  /* number of the closure that it was looked at for last */
} taxon_word;

typedef struct taxon_set {
    ng_token_id ids[TAXON_SET_MAX];
    size_t count;
} taxon_set;

typedef struct taxon_group {
    ng_token_id *ids; /* in the closure's pool */
    uint32_t count;
    uint32_t hops;  /* from the word */
    uint32_t depth; /* 1 = nothing was seen above */
    uint32_t first_parent, parent_count;
    bool is_done;
    bool is_leaf; /* reached by Similar: it leads no further, and has no depth */
} taxon_group;

/* What is above one word. */
typedef struct taxon_closure {
    taxon_group groups[TAXON_GROUPS_MAX];
    uint32_t group_count;
    uint32_t parents[TAXON_PARENTS_MAX]; /* numbers of groups */
    uint32_t parent_count;
    ng_token_id pool[TAXON_PARENTS_MAX];
    uint32_t pool_count;
} taxon_closure;

struct ngi_taxonomy {
    const ng_store *store;
    ngi_mem *mem;
    ngi_keys by_id;   /* to numbers of words */
    ngi_buffer words; /* taxon_word */
    ngi_buffer pool;  /* ng_token_id */
    ng_edge *edges;   /* [edge_capacity] */
    size_t edge_capacity;
    taxon_closure closures[2];
    uint32_t closure_number; /* 1, 2, 3, ... */
    uint64_t edge_count; /* of the words looked at for it, also of those that were known: what is
                                found does not depend on the pairs before */
    taxon_set set;
    uint32_t component[TAXON_SET_MAX]; /* of the words of the set */
};

/* --- sets ------------------------------------------------------------------------------------- */

static int taxon_order(const void *a, const void *b)
{
    ng_token_id x = *(const ng_token_id *)a, y = *(const ng_token_id *)b;
    return (x > y) - (x < y);
}

static size_t taxon_sort(ng_token_id *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ids, count, sizeof *ids, taxon_order);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

static bool taxon_has(const ng_token_id *ids, size_t count, ng_token_id id)
{
    return count > 0 && bsearch(&id, ids, count, sizeof id, taxon_order) != NULL;
}

static size_t taxon_shared(const taxon_group *a, const taxon_group *b)
{
    size_t shared = 0;
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        if (a->ids[i] == b->ids[j])
            shared++;
        if (a->ids[i] <= b->ids[j])
            i++;
        else
            j++;
    }
    return shared;
}

/* --- words ------------------------------------------------------------------------------------ */

static ng_status taxon_edges(ngi_taxonomy *t, ng_token_id id, size_t *count)
{
    ng_edge_options options = {.struct_size = sizeof options, .direction = NG_OUTGOING};
    options.types.bits[0] = UINT64_C(1) << NGI_TYPE_HYPERNYM | UINT64_C(1) << NGI_TYPE_SYNONYM |
                            UINT64_C(1) << NGI_TYPE_SIMILAR;
    for (;;) {
        void *block = t->edges;
        ng_status status =
            ngi_store_token_connections(t->store, id, &options, t->edges, t->edge_capacity, count);
        if (status != NG_OK || *count <= t->edge_capacity)
            return status;
        size_t wanted = 2 * *count;
        status = ngi_resize(t->mem, &block, t->edge_capacity * sizeof *t->edges,
                            wanted * sizeof *t->edges, "connections of a word");
        if (status != NG_OK)
            return status;
        t->edges = block;
        t->edge_capacity = wanted;
    }
}

/* The targets of one type among the edges, behind what the pool has. */
static uint32_t taxon_take(ngi_taxonomy *t, size_t count, uint8_t type, ng_token_id id)
{
    ng_token_id *ids = (ng_token_id *)(void *)(t->pool.data + t->pool.bytes);
    size_t taken = 0;
    for (size_t i = 0; i < count && taken < TAXON_SET_MAX; i++)
        if (t->edges[i].type == type && t->edges[i].target != id)
            ids[taken++] = t->edges[i].target;
    taken = taxon_sort(ids, taken);
    t->pool.bytes += taken * sizeof *ids;
    return (uint32_t)taken;
}

/* The number of a word, read if it was not yet. A word that is gone has no connections. */
static ng_status taxon_number(ngi_taxonomy *t, ng_token_id id, uint32_t *number)
{
    ng_token_info info = {0};
    size_t count = 0;
    bool is_new;
    ng_status status = NG_OK;
    if (ngi_keys_get(&t->by_id, id, number))
        return NG_OK;
    *number = (uint32_t)(t->words.bytes / sizeof(taxon_word));
    if (*number < TAXON_WORDS_MAX)
        status = ngi_store_token_get(t->store, id, &info);
    if (status == NG_OK && info.out_degree > 0)
        status = taxon_edges(t, id, &count);
    if (status == NG_E_NOT_FOUND) {
        count = 0;
        status = NG_OK;
    }
    if (status != NG_OK)
        return status;
    NGI_TRY(ngi_buffer_reserve(t->mem, &t->words, sizeof(taxon_word), "words of a taxonomy"));
    NGI_TRY(ngi_buffer_reserve(t->mem, &t->pool, 3 * count * sizeof(ng_token_id),
                               "words of a taxonomy"));
    NGI_TRY(ngi_keys_put(t->mem, &t->by_id, id, *number, &is_new));
    taxon_word word = {.begin = t->pool.bytes / sizeof(ng_token_id), .degree = info.out_degree};
    word.above_count = taxon_take(t, count, NGI_TYPE_HYPERNYM, id);
    word.same_count = taxon_take(t, count, NGI_TYPE_SYNONYM, id);
    word.like_count = taxon_take(t, count, NGI_TYPE_SIMILAR, id);
    memcpy(t->words.data + t->words.bytes, &word, sizeof word);
    t->words.bytes += sizeof word;
out:
    return status;
}

static taxon_word taxon_word_of(const ngi_taxonomy *t, uint32_t number)
{
    taxon_word word;
    memcpy(&word, t->words.data + number * sizeof word, sizeof word);
    return word;
}

/* Valid until another word is read. */
static const ng_token_id *taxon_above(const ngi_taxonomy *t, const taxon_word *word)
{
    return (const ng_token_id *)(const void *)t->pool.data + word->begin;
}

static ng_status taxon_look(ngi_taxonomy *t, ng_token_id id, taxon_word *word)
{
    uint32_t number;
    ng_status status = taxon_number(t, id, &number);
    if (status != NG_OK)
        return status;
    *word = taxon_word_of(t, number);
    if (word->counted_in == t->closure_number)
        return NG_OK;
    word->counted_in = t->closure_number;
    t->edge_count += word->degree;
    memcpy(t->words.data + number * sizeof *word, word, sizeof *word);
    return NG_OK;
}

/* --- what is above a group -------------------------------------------------------------------- */

static void taxon_set_copy(taxon_set *set, const ng_token_id *ids, size_t count)
{
    set->count = count;
    memcpy(set->ids, ids, count * sizeof *ids);
}

/* Keeps of the set what `ids` has, or with `has` false what it has not. */
static void taxon_set_keep(taxon_set *set, const ng_token_id *ids, size_t count, bool has)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (taxon_has(ids, count, set->ids[i]) == has)
            set->ids[kept++] = set->ids[i];
    set->count = kept;
}

/* What is above each word of a group, or, if there is no such, above any. */
static ng_status taxon_above_all(ngi_taxonomy *t, const taxon_group *group)
{
    taxon_set *set = &t->set;
    taxon_word word;
    ng_status status = NG_OK;
    for (uint32_t i = 0; i < group->count && status == NG_OK; i++) {
        status = taxon_look(t, group->ids[i], &word);
        if (status == NG_OK && i == 0)
            taxon_set_copy(set, taxon_above(t, &word), word.above_count);
        else if (status == NG_OK)
            taxon_set_keep(set, taxon_above(t, &word), word.above_count, true);
    }
    for (uint32_t i = 0; i < group->count && status == NG_OK && (set->count == 0 || i > 0); i++) {
        status = taxon_look(t, group->ids[i], &word);
        size_t room = TAXON_SET_MAX - set->count;
        size_t count = status == NG_OK && word.above_count < room ? word.above_count : room;
        if (status != NG_OK)
            break;
        memcpy(set->ids + set->count, taxon_above(t, &word), count * sizeof *set->ids);
        set->count = taxon_sort(set->ids, set->count + count);
    }
    return status;
}

static uint32_t taxon_component(uint32_t *component, uint32_t i)
{
    while (component[i] != i)
        i = component[i] = component[component[i]];
    return i;
}

/* Words of the set that are synonyms, directly or by others of it, get one component: the number of the
 * first of them. `*ways` receives how many there are. */
static ng_status taxon_join(ngi_taxonomy *t, uint32_t *ways)
{
    taxon_set *set = &t->set;
    taxon_word word;
    for (uint32_t i = 0; i < set->count; i++)
        t->component[i] = i;
    for (uint32_t i = 0; i < set->count; i++) {
        ng_status status = taxon_look(t, set->ids[i], &word);
        if (status != NG_OK)
            return status;
        const ng_token_id *same = taxon_above(t, &word) + word.above_count;
        for (uint32_t j = 0; j < set->count; j++) {
            if (j == i || !taxon_has(same, word.same_count, set->ids[j]))
                continue;
            uint32_t x = taxon_component(t->component, i), y = taxon_component(t->component, j);
            t->component[x > y ? x : y] = x > y ? y : x;
        }
    }
    *ways = 0;
    for (uint32_t i = 0; i < set->count; i++)
        *ways += (t->component[i] = taxon_component(t->component, i)) == i ? 1 : 0;
    return NG_OK;
}

/* Several ways up from one word: without those that its synonyms have as well, unless none is left. */
static ng_status taxon_narrow(ngi_taxonomy *t, ng_token_id id, uint32_t *ways)
{
    taxon_set *set = &t->set;
    taxon_word word, same;
    ng_status status = taxon_look(t, id, &word);
    for (uint32_t i = 0; status == NG_OK && i < word.same_count && set->count > 0; i++) {
        status = taxon_look(t, taxon_above(t, &word)[word.above_count + i], &same);
        if (status != NG_OK)
            break;
        taxon_set_keep(set, taxon_above(t, &same), same.above_count, false);
    }
    if (status != NG_OK)
        return status;
    if (set->count == 0)
        taxon_set_copy(set, taxon_above(t, &word), word.above_count);
    return taxon_join(t, ways);
}

/* --- closures --------------------------------------------------------------------------------- */

static uint32_t taxon_group_find(const taxon_closure *closure, const taxon_group *wanted)
{
    uint32_t i = 0;
    for (; i < closure->group_count; i++) {
        const taxon_group *group = &closure->groups[i];
        if (group->count == wanted->count && group->is_leaf == wanted->is_leaf &&
            memcmp(group->ids, wanted->ids, group->count * sizeof *group->ids) == 0)
            break;
    }
    return i;
}

/* A group with these words, `hops` from the word; known or new. Beyond a limit it is left out. */
static void taxon_reach(taxon_closure *closure, const taxon_group *wanted, uint32_t child)
{
    uint32_t at = taxon_group_find(closure, wanted);
    if (at == TAXON_GROUPS_MAX || closure->parent_count == TAXON_PARENTS_MAX)
        return;
    if (at == closure->group_count) {
        closure->groups[closure->group_count++] = *wanted;
        closure->pool_count += wanted->count;
    }
    taxon_group *group = &closure->groups[at];
    if (wanted->hops < group->hops)
        group->hops = wanted->hops;
    if (at != child && !wanted->is_leaf) {
        closure->parents[closure->parent_count++] = at;
        closure->groups[child].parent_count++;
    }
}

/* The components of the set, `hops` from the word, become parents of group `child`. */
static void taxon_rise(const ngi_taxonomy *t, taxon_closure *closure, uint32_t child, uint32_t hops,
                       bool is_leaf)
{
    const taxon_set *set = &t->set;
    for (uint32_t first = 0; first < set->count && hops <= TAXON_REACH; first++) {
        if (t->component[first] != first)
            continue;
        taxon_group group = {.ids = closure->pool + closure->pool_count,
                             .hops = hops,
                             .is_leaf = is_leaf,
                             .is_done = is_leaf};
        for (uint32_t i = first; i < set->count; i++)
            if (t->component[i] == first && closure->pool_count + group.count < TAXON_PARENTS_MAX)
                group.ids[group.count++] = set->ids[i];
        if (group.count > 0)
            taxon_reach(closure, &group, child);
    }
}

static ng_status taxon_expand_word(ngi_taxonomy *t, taxon_closure *closure)
{
    taxon_word word;
    uint32_t ways;
    ng_status status;
    NGI_TRY(taxon_look(t, closure->pool[0], &word));
    taxon_set_copy(&t->set, taxon_above(t, &word), word.above_count);
    NGI_TRY(taxon_join(t, &ways));
    taxon_rise(t, closure, 0, 1, false);
    taxon_set_copy(&t->set, taxon_above(t, &word) + word.above_count + word.same_count,
                   word.like_count);
    NGI_TRY(taxon_join(t, &ways));
    taxon_rise(t, closure, 0, 1, true);
out:
    return status;
}

static ng_status taxon_expand(ngi_taxonomy *t, taxon_closure *closure, uint32_t at)
{
    taxon_group *group = &closure->groups[at];
    uint32_t ways;
    ng_status status;
    group->is_done = true;
    group->first_parent = closure->parent_count;
    if (at == 0)
        return taxon_expand_word(t, closure);
    NGI_TRY(taxon_above_all(t, group));
    taxon_set_keep(&t->set, group->ids, group->count, false);
    NGI_TRY(taxon_join(t, &ways));
    if (ways > 1 && group->count == 1)
        NGI_TRY(taxon_narrow(t, group->ids[0], &ways));
    taxon_rise(t, closure, at, group->hops + ways, false);
out:
    return status;
}

/* Steps to the nearest group above which nothing was seen, and one. */
static void taxon_measure(taxon_closure *closure)
{
    for (uint32_t i = 0; i < closure->group_count; i++)
        closure->groups[i].depth = closure->groups[i].parent_count == 0 ? 1 : UINT32_MAX;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < closure->group_count; i++) {
            taxon_group *group = &closure->groups[i];
            for (uint32_t j = 0; j < group->parent_count; j++) {
                uint32_t above = closure->groups[closure->parents[group->first_parent + j]].depth;
                if (above != UINT32_MAX && above + 1 < group->depth) {
                    group->depth = above + 1;
                    changed = true;
                }
            }
        }
    }
}

static ng_status taxon_close(ngi_taxonomy *t, taxon_closure *closure, ng_token_id id)
{
    closure->group_count = closure->pool_count = 1;
    closure->parent_count = 0;
    closure->pool[0] = id;
    closure->groups[0] = (taxon_group){.ids = closure->pool, .count = 1};
    t->closure_number++;
    t->edge_count = 0;
    for (uint32_t hops = 0; hops < TAXON_REACH && t->edge_count < TAXON_EDGES_MAX;) {
        uint32_t at = 0;
        while (at < closure->group_count &&
               (closure->groups[at].is_done || closure->groups[at].hops != hops))
            at++;
        if (at == closure->group_count) {
            hops++;
            continue;
        }
        ng_status status = taxon_expand(t, closure, at);
        if (status != NG_OK)
            return status;
    }
    taxon_measure(closure);
    return NG_OK;
}

/* --- two words -------------------------------------------------------------------------------- */

static void taxon_meet(const taxon_group *a, const taxon_group *b, ngi_taxonomic *out)
{
    size_t shared = taxon_shared(a, b);
    if (2 * shared <= (a->count < b->count ? a->count : b->count))
        return;
    bool has_depth = !a->is_leaf && !b->is_leaf;
    uint32_t depth = !has_depth ? 0 : a->depth > b->depth ? a->depth : b->depth;
    double similarity = exp(-TAXON_HOP * (a->hops + b->hops));
    if (has_depth)
        similarity *= tanh(TAXON_DEPTH * depth);
    if (out->hops != NG_FUSED_NO_PATH && similarity <= out->similarity)
        return;
    out->similarity = similarity;
    out->hops = a->hops + b->hops;
    out->depth = depth;
}

ng_status ngi_taxonomy_compare(ngi_taxonomy *t, ng_token_id a, ng_token_id b, ngi_taxonomic *out)
{
    taxon_word word_a, word_b;
    ng_status status;
    *out = (ngi_taxonomic){.hops = NG_FUSED_NO_PATH};
    NGI_TRY(taxon_look(t, a, &word_a));
    NGI_TRY(taxon_look(t, b, &word_b));
    if (taxon_has(taxon_above(t, &word_a) + word_a.above_count, word_a.same_count, b) ||
        taxon_has(taxon_above(t, &word_b) + word_b.above_count, word_b.same_count, a)) {
        *out = (ngi_taxonomic){.is_known = true, .similarity = 1};
        return NG_OK;
    }
    bool has_a = word_a.above_count + word_a.like_count > 0;
    bool has_b = word_b.above_count + word_b.like_count > 0;
    if (!has_a && !has_b)
        return NG_OK;
    NGI_TRY(taxon_close(t, &t->closures[0], a));
    NGI_TRY(taxon_close(t, &t->closures[1], b));
    for (uint32_t i = 0; i < t->closures[0].group_count; i++)
        for (uint32_t j = 0; j < t->closures[1].group_count; j++)
            taxon_meet(&t->closures[0].groups[i], &t->closures[1].groups[j], out);
    out->is_known = (has_a && has_b) || out->hops != NG_FUSED_NO_PATH;
out:
    return status;
}

ng_status ngi_taxonomy_create(const ng_store *store, ngi_taxonomy **out)
{
    ngi_mem *mem = ngi_store_mem(store);
    void *block;
    ng_status status = ngi_alloc(mem, sizeof(ngi_taxonomy), "taxonomy", &block);
    if (status != NG_OK)
        return status;
    ngi_taxonomy *t = block;
    memset(t, 0, sizeof *t);
    t->store = store;
    t->mem = mem;
    *out = t;
    return NG_OK;
}

void ngi_taxonomy_destroy(ngi_taxonomy *t)
{
    if (t == NULL)
        return;
    ngi_keys_release(t->mem, &t->by_id);
    ngi_buffer_release(t->mem, &t->words);
    ngi_buffer_release(t->mem, &t->pool);
    ngi_free(t->mem, t->edges, t->edge_capacity * sizeof *t->edges);
    ngi_free(t->mem, t, sizeof *t);
}
