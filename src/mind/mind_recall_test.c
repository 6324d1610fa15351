/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recalls on random stores against a twin that knows nothing of indexes: every token's parts are
 * computed from raw data (float64 cosines with the projection, distances from raw coordinates, best
 * paths by relaxing all connections hop by hop), fused, moved by the priors of feedback that was given
 * before some of the questions, and taken back after them, and sorted. */
#include "mind/mind.h"

#include "base/base_limits.h"
#include "mind/mind_testing.h"

#include <math.h>

#define DIMENSIONS 7u
#define COMPONENTS 3u
#define TOKENS_MAX 3000u
#define LINKS_MAX 9000u
#define CLOSE 1e-9 /* between two ways of summing in float64 */
#define NOW_US UINT64_C(1900000000000000)

typedef struct twin_token {
    bool alive;
    ng_collection_id collection;
    bool has_vector, tagged;
    float vector[DIMENSIONS];
    ng_token record;
} twin_token;

typedef struct twin {
    testing *t;
    ng_store *store;
    char path[200];
    uint64_t random;
    ng_info info;
    float mean[DIMENSIONS];
    float components[COMPONENTS][DIMENSIONS];
    twin_token tokens[TOKENS_MAX + 1];
    uint32_t token_count;
    ng_connection links[LINKS_MAX];
    ng_connection_id link_ids[LINKS_MAX];
    size_t link_count;
    int32_t priors[TOKENS_MAX + 1]; /* of the question that is asked, in 1e-9 */
    unsigned moved;                 /* hits that a prior moved */
} twin;

/* What one recall asks, with room for what it points to. */
typedef struct question {
    ng_recall_options options;
    float vector[DIMENSIONS];
    ng_token_id tokens[4], from[4], exclude[8];
    ng_recall_near near[3];
    ng_recall_through through;
    ng_filter filter;
    ng_text tag;
} question;

typedef struct expected {
    ng_token_id id;
    double score;
    double parts[NG_RECALL_PART_COUNT];
    double distance;
} expected;

static uint32_t below(twin *w, uint32_t bound)
{
    return (uint32_t)(testing_random(&w->random) % bound);
}

static bool chance(twin *w, unsigned percent)
{
    return below(w, 100) < percent;
}

/* --- the store ------------------------------------------------------------------------------- */

static void make_token(twin *w)
{
    twin_token *token = &w->tokens[w->token_count + 1];
    ng_token_fields fields = {.struct_size = sizeof fields, .set = NG_FIELD_WEIGHT};
    const ng_text tag = {"red", 3};
    ng_token_id id = 0;
    bool is_clone = w->token_count > 0 && chance(w, 15); /* so that there are ties */
    const twin_token *model = &w->tokens[1 + (is_clone ? below(w, w->token_count) : 0)];
    fields.weight = (float)below(w, 11) / 10;
    fields.collection = token->collection = chance(w, 70) ? NG_COLLECTION_SEMANTIC : 0;
    token->has_vector = is_clone ? model->has_vector : chance(w, 75);
    for (unsigned d = 0; d < DIMENSIONS; d++)
        token->vector[d] = is_clone ? model->vector[d] : testing_float(&w->random) + 0.2f;
    if (token->has_vector) {
        fields.set |= NG_FIELD_VECTOR;
        fields.vector = token->vector;
        fields.vector_dimensions = DIMENSIONS;
    }
    for (unsigned space = 0; space < 3; space++) {
        if (is_clone ? model->record.coordinates[space][0] == NG_COORDINATE_ABSENT : chance(w, 30))
            continue;
        fields.spaces_set |= (uint8_t)(1u << space);
        for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
            int raw = is_clone ? model->record.coordinates[space][axis] : (int)below(w, 601) - 300;
            fields.coordinates[space][axis] =
                (float)((double)raw / w->info.scales[space][axis]) + w->info.origins[space][axis];
        }
    }
    token->tagged = chance(w, 10);
    if (token->tagged) {
        fields.set |= NG_FIELD_TAGS;
        fields.tags = &tag;
        fields.tag_count = 1;
    }
    assert_ok(ngi_store_token_put(w->store, NULL, &fields, 1, NULL, &id));
    assert_int_equal(id, ++w->token_count);
    assert_ok(ngi_store_token_read(w->store, id, &token->record));
    token->alive = true;
}

static void make_link(twin *w)
{
    static const uint8_t types[] = {0x00, 0x01, 0x50, 0x91};
    static const float pulls[] = {0, 0, 1, 0.7f, 0.3f, -0.5f, 4};
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = 1 + below(w, w->token_count),
                                   .target = 1 + below(w, w->token_count),
                                   .set = NG_CFIELD_TYPE | NG_CFIELD_FLAGS | NG_CFIELD_PULL |
                                          NG_CFIELD_CONFIDENCE | NG_CFIELD_MUTABILITY};
    ng_connection_id id = 0;
    fields.type = types[below(w, 4)];
    fields.flags = NG_CONNECTION_ACTIVE;
    fields.flags |= chance(w, 20) ? NG_CONNECTION_BIDIRECTIONAL : 0;
    fields.flags |= chance(w, 10) ? NG_CONNECTION_INHIBITORY : 0;
    fields.pull_strength = pulls[below(w, 7)];
    fields.confidence = (float)below(w, 11) / 10;
    fields.mutability = (uint8_t)below(w, 3);
    const ngi_link_request request = {.verb = NGI_LINK_CREATE,
                                      .count = 1,
                                      .fields = &fields,
                                      .out = &id};
    ng_status status = ngi_store_connection_write(w->store, &request, NULL);
    if (status == NG_E_INVALID || status == NG_E_EXISTS)
        return; /* to itself, or there already */
    assert_ok(status);
    w->link_ids[w->link_count] = id;
    assert_ok(ngi_store_connection_get(w->store, id, &w->links[w->link_count++]));
}

/* An orthonormal projection of some rows of noise. */
static void make_projection(twin *w)
{
    for (unsigned d = 0; d < DIMENSIONS; d++)
        w->mean[d] = 0.2f + testing_float(&w->random) / 8;
    for (unsigned c = 0; c < COMPONENTS; c++) {
        double row[DIMENSIONS], norm = 0;
        for (unsigned d = 0; d < DIMENSIONS; d++)
            row[d] = (double)testing_float(&w->random);
        for (unsigned b = 0; b < c; b++) {
            double dot = 0;
            for (unsigned d = 0; d < DIMENSIONS; d++)
                dot += row[d] * (double)w->components[b][d];
            for (unsigned d = 0; d < DIMENSIONS; d++)
                row[d] -= dot * (double)w->components[b][d];
        }
        for (unsigned d = 0; d < DIMENSIONS; d++)
            norm += row[d] * row[d];
        for (unsigned d = 0; d < DIMENSIONS; d++)
            w->components[c][d] = (float)(row[d] / sqrt(norm));
    }
    const ngi_projection projection = {.dimensions = DIMENSIONS,
                                       .component_count = COMPONENTS,
                                       .vector_count = 1,
                                       .mean = w->mean,
                                       .components = &w->components[0][0]};
    assert_ok(ngi_store_projection_set(w->store, &projection, NULL));
}

static void delete_some(twin *w)
{
    for (uint32_t i = 0; i < w->token_count / 20; i++) {
        uint32_t id = 1 + below(w, w->token_count);
        if (!w->tokens[id].alive)
            continue;
        assert_ok(ngi_store_token_delete(w->store, id, NULL));
        w->tokens[id].alive = false;
    }
    size_t kept = 0;
    for (size_t i = 0; i < w->link_count; i++) {
        if (!w->tokens[w->links[i].source].alive || !w->tokens[w->links[i].target].alive)
            continue;
        w->link_ids[kept] = w->link_ids[i];
        w->links[kept++] = w->links[i];
    }
    w->link_count = kept;
}

static void open_store(twin *w)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .durability = NG_DURABILITY_NONE};
    assert_ok(ngi_store_open(&w->t->os, &w->t->mem, w->path, &options, &w->store));
    assert_ok(ngi_store_info(w->store, &w->info));
}

static twin *twin_create(uint32_t token_count, size_t link_tries, uint64_t seed)
{
    twin *w = calloc(1, sizeof *w);
    void *t = NULL;
    ng_cdna cdna;
    assert_non_null(w);
    testing_set_up(&t);
    w->t = t;
    w->random = seed;
    snprintf(w->path, sizeof w->path, "%s-store", w->t->directory);
    open_store(w);
    assert_ok(ngi_store_cdna_get(w->store, &cdna));
    cdna.scales[0] = 1.5f;
    cdna.scales[1] = 0.5f;
    assert_ok(ngi_store_cdna_set(w->store, &cdna, NULL));
    while (w->token_count < token_count)
        make_token(w);
    make_projection(w);
    for (size_t i = 0; i < link_tries; i++)
        make_link(w);
    delete_some(w);
    return w;
}

static void twin_destroy(twin *w)
{
    void *t = w->t;
    assert_ok(ngi_store_close(w->store));
    testing_remove_directory(w->path);
    free(w);
    testing_tear_down(&t);
}

/* --- questions ------------------------------------------------------------------------------- */

static ng_token_id some_token(twin *w)
{
    ng_token_id id;
    do
        id = 1 + below(w, w->token_count);
    while (!w->tokens[id].alive);
    return id;
}

static void ask_near(twin *w, question *q)
{
    static const float scales[] = {0, 0.5f, 1, 2.5f};
    unsigned first = below(w, 3);
    q->options.near = q->near;
    q->options.near_count = 1 + below(w, 3);
    for (unsigned i = 0; i < q->options.near_count; i++) {
        ng_recall_near *near = &q->near[i];
        near->space = (ng_space)((first + i) % 3);
        near->scale = scales[below(w, 4)];
        near->radius = chance(w, 30) ? 0.4f + (float)below(w, 20) / 10 : 0;
        ng_token_id id = some_token(w);
        if (chance(w, 40) && w->tokens[id].record.coordinates[near->space][0] != INT16_MIN)
            near->token = id;
        else
            for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++)
                near->at[axis] =
                    (float)(((double)below(w, 401) - 200) / w->info.scales[near->space][axis]) +
                    w->info.origins[near->space][axis];
    }
}

static void ask_through(twin *w, question *q)
{
    static const double decays[] = {0, 1, 0.5, 0.9};
    q->options.through = &q->through;
    q->through.direction = (ng_direction)below(w, 4);
    q->through.max_hops = below(w, 7);
    q->through.decay = decays[below(w, 4)];
    q->through.time_us = NOW_US;
    if (chance(w, 50))
        q->through.types.bits[0] = 3;
    if (chance(w, 30))
        q->through.types.bits[1] = 1u << 16; /* 0x50 */
    if (q->options.tokens == NULL || chance(w, 50)) {
        q->through.from = q->from;
        q->through.from_count = 1 + below(w, 3);
        for (size_t i = 0; i < q->through.from_count; i++)
            q->from[i] = some_token(w);
    }
}

static void ask_meaning(twin *w, question *q)
{
    static const int32_t removes[] = {0, NG_PLAIN_COSINE, 1, 3};
    q->options.remove_components = removes[below(w, 4)];
    if (chance(w, 50)) {
        q->options.vector = q->vector;
        q->options.dimensions = DIMENSIONS;
        for (unsigned d = 0; d < DIMENSIONS; d++)
            q->vector[d] = testing_float(&w->random);
        return;
    }
    q->options.tokens = q->tokens;
    q->options.token_count = 1 + below(w, 3);
    for (size_t i = 0; i < q->options.token_count; i++)
        q->tokens[i] = some_token(w); /* perhaps without a vector */
}

static void ask_filter(twin *w, question *q)
{
    q->options.filter = &q->filter;
    q->filter.struct_size = sizeof q->filter;
    if (chance(w, 30)) {
        q->filter.by_weight = true;
        q->filter.weight_min = 0.3f;
        q->filter.weight_max = 0.8f;
    }
    if (chance(w, 30)) {
        q->tag = (ng_text){"red", 3};
        q->filter.tags_all = &q->tag;
        q->filter.tags_all_count = 1;
    }
    if (chance(w, 30))
        q->filter.by_collection = true; /* runtime */
    if (chance(w, 20))
        q->filter.spaces_all = 1;
    if (chance(w, 20))
        q->filter.exclude = some_token(w);
}

static void make_question(twin *w, question *q)
{
    static const double weights[] = {0, 0.5, 1, 3};
    memset(q, 0, sizeof *q);
    q->options.struct_size = sizeof q->options;
    unsigned asked = 1 + below(w, 7);
    if (asked & 1)
        ask_meaning(w, q);
    if (asked & 2)
        ask_near(w, q);
    if (asked & 4)
        ask_through(w, q);
    if (chance(w, 50)) {
        q->options.by_weights = true;
        for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
            q->options.weights[part] = asked >> part & 1 ? weights[below(w, 4)] : 0;
        unsigned sure = asked & 1 ? 0 : asked & 2 ? 1 : 2;
        q->options.weights[sure] += 0.25;
    }
    for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
        if ((asked >> part & 1) != 0 && chance(w, 20))
            q->options.require |= (uint8_t)(1u << part);
    if (chance(w, 40))
        ask_filter(w, q);
    if (chance(w, 20)) {
        q->options.by_collection = true;
        q->options.collection = NG_COLLECTION_SEMANTIC;
    }
    if (chance(w, 30)) {
        q->options.exclude = q->exclude;
        q->options.exclude_count = 8;
        for (unsigned i = 0; i < 8; i++)
            q->exclude[i] = 1 + below(w, w->token_count); /* deleted ones as well */
    }
    q->options.include_asked = chance(w, 30);
    q->options.spaces = chance(w, 15) ? 2 : 0;
    q->options.threshold = chance(w, 20) ? 0.3 : 0;
    q->options.limit = chance(w, 80) ? below(w, 30) : 1 + below(w, 400);
    q->options.explain = chance(w, 70);
}

/* --- the twin's answer ----------------------------------------------------------------------- */

/* The vector as it is compared; false without a direction. */
static bool twin_unit(const twin *w, const float *vector, int32_t remove, double out[DIMENSIONS])
{
    unsigned count = remove == 0 ? 2 : remove < 0 ? 0 : (unsigned)remove;
    double norm = 0;
    for (unsigned d = 0; d < DIMENSIONS; d++)
        out[d] = (double)vector[d] - (count > 0 ? (double)w->mean[d] : 0);
    /* Twice, because the components are orthogonal as float32 only. */
    for (unsigned c = 0; c < 2 * count; c++) {
        double dot = 0, own = 0;
        const float *row = w->components[c % count];
        for (unsigned d = 0; d < DIMENSIONS; d++) {
            dot += out[d] * (double)row[d];
            own += (double)row[d] * (double)row[d];
        }
        for (unsigned d = 0; d < DIMENSIONS; d++)
            out[d] -= dot / own * (double)row[d];
    }
    for (unsigned d = 0; d < DIMENSIONS; d++)
        norm += out[d] * out[d];
    for (unsigned d = 0; d < DIMENSIONS; d++)
        out[d] /= sqrt(norm);
    return norm > 0;
}

static void twin_meaning(const twin *w, const question *q, double *out)
{
    const ng_recall_options *o = &q->options;
    double query[DIMENSIONS] = {0}, unit[DIMENSIONS], norm = 0;
    if (o->vector != NULL)
        assert_true(twin_unit(w, o->vector, o->remove_components, query));
    for (size_t i = 0; i < o->token_count; i++) {
        if (!w->tokens[o->tokens[i]].has_vector)
            continue;
        assert_true(twin_unit(w, w->tokens[o->tokens[i]].vector, o->remove_components, unit));
        for (unsigned d = 0; d < DIMENSIONS; d++)
            query[d] += unit[d];
    }
    for (unsigned d = 0; d < DIMENSIONS; d++)
        norm += query[d] * query[d];
    for (uint32_t id = 1; id <= w->token_count && norm > 0; id++) {
        double dot = 0;
        if (!w->tokens[id].has_vector ||
            !twin_unit(w, w->tokens[id].vector, o->remove_components, unit))
            continue;
        for (unsigned d = 0; d < DIMENSIONS; d++)
            dot += unit[d] * query[d] / sqrt(norm);
        out[id] = fmax(dot, 0);
    }
}

static void twin_space(twin *w, const question *q, double *out, double *distances)
{
    ng_cdna cdna;
    assert_ok(ngi_store_cdna_get(w->store, &cdna));
    for (uint32_t id = 1; id <= w->token_count; id++) {
        double x = 0, apart = 0, whole = 0;
        bool is_in = true;
        for (size_t i = 0; i < q->options.near_count; i++) {
            const ng_recall_near *near = &q->near[i];
            double d2 = 0, weight = (double)cdna.scales[near->space];
            double scale = near->scale > 0 ? (double)near->scale : 1;
            for (unsigned axis = 0; axis < NG_AXIS_COUNT; axis++) {
                double steps = w->info.scales[near->space][axis];
                double origin = (double)w->info.origins[near->space][axis];
                double at = near->token != 0
                                ? w->tokens[near->token].record.coordinates[near->space][axis]
                                : rint(((double)near->at[axis] - origin) * steps);
                double raw = w->tokens[id].record.coordinates[near->space][axis];
                is_in = is_in && raw != (double)NG_COORDINATE_ABSENT;
                d2 += (raw - at) / steps * ((raw - at) / steps);
            }
            is_in = is_in && (near->radius == 0.0f || (float)sqrt(d2) <= near->radius);
            x += weight * d2 / (scale * scale);
            apart += weight * d2;
            whole += weight;
        }
        if (!is_in)
            continue;
        out[id] = 1 / (1 + x / whole);
        distances[id] = sqrt(apart / whole);
    }
}

static void relax(double *now, const double *before, uint32_t from, uint32_t to, double factor)
{
    if (before[from] * factor > now[to])
        now[to] = before[from] * factor;
}

static void twin_relation(const twin *w, const question *q, double *out)
{
    static double reach[2][TOKENS_MAX + 1];
    const ng_recall_through *through = &q->through;
    const ng_token_id *from = through->from != NULL ? through->from : q->options.tokens;
    size_t count = through->from != NULL ? through->from_count : q->options.token_count;
    unsigned direction = through->direction != 0 ? through->direction : NG_OUTGOING;
    uint32_t hops = through->max_hops != 0 ? through->max_hops : 2;
    double decay = through->decay > 0 ? through->decay : 0.8;
    bool any = (through->types.bits[0] | through->types.bits[1]) == 0;
    memset(reach, 0, sizeof reach);
    for (size_t i = 0; i < count; i++)
        reach[0][from[i]] = 1;
    for (uint32_t hop = 1; hop <= hops; hop++) {
        double *before = reach[(hop - 1) % 2], *now = reach[hop % 2];
        memset(now, 0, sizeof reach[0]);
        for (size_t i = 0; i < w->link_count; i++) {
            const ng_connection *link = &w->links[i];
            double pull = (double)link->pull_strength;
            bool both = (link->flags & NG_CONNECTION_BIDIRECTIONAL) != 0;
            if (!any && (through->types.bits[link->type >> 6] >> (link->type & 63) & 1) == 0)
                continue;
            if (((link->flags & NG_CONNECTION_INHIBITORY) != 0) != (pull < 0))
                continue;
            double factor = ng_connection_confidence(link, NOW_US);
            factor *= pull == 0 ? 1 : fmin(fabs(pull), 1);
            factor *= hop == 1 ? 1 : decay;
            if ((direction & NG_OUTGOING) != 0 || both)
                relax(now, before, link->source, link->target, factor);
            if ((direction & NG_INCOMING) != 0 || both)
                relax(now, before, link->target, link->source, factor);
        }
        for (size_t i = 0; i < count; i++)
            now[from[i]] = 0; /* paths begin there, and do not lead there */
        for (uint32_t id = 1; id <= w->token_count; id++)
            if (now[id] > 0 && !(now[id] <= out[id]))
                out[id] = now[id];
    }
}

static bool twin_has(const ng_token_id *ids, size_t count, ng_token_id id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool twin_counts(const twin *w, const question *q, ng_token_id id)
{
    const ng_recall_options *o = &q->options;
    const twin_token *token = &w->tokens[id];
    bool is_named = twin_has(o->tokens, o->token_count, id) ||
                    twin_has(q->through.from, q->through.from_count, id);
    for (size_t i = 0; i < o->near_count; i++)
        is_named = is_named || q->near[i].token == id;
    if (!token->alive || twin_has(o->exclude, o->exclude_count, id) ||
        (is_named && !o->include_asked))
        return false;
    if (o->spaces != 0 && token->record.coordinates[1][0] == NG_COORDINATE_ABSENT)
        return false;
    const ng_filter *f = &q->filter;
    if (o->by_collection && !f->by_collection && token->collection != o->collection)
        return false;
    return (!f->by_collection || token->collection == f->collection) &&
           (!f->by_weight ||
            (token->record.weight >= f->weight_min && token->record.weight <= f->weight_max)) &&
           (f->tags_all_count == 0 || token->tagged) && f->exclude != id &&
           (f->spaces_all == 0 || token->record.coordinates[0][0] != NG_COORDINATE_ABSENT);
}

static int by_score(const void *a, const void *b)
{
    const expected *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* Every hit, best first. Returns how many. */
static size_t twin_answer(twin *w, const question *q, expected *out)
{
    static double parts[NG_RECALL_PART_COUNT][TOKENS_MAX + 1], distances[TOKENS_MAX + 1];
    const ng_recall_options *o = &q->options;
    bool asks[NG_RECALL_PART_COUNT] = {o->vector != NULL || o->tokens != NULL, o->near_count > 0,
                                       o->through != NULL};
    size_t count = 0;
    for (uint32_t id = 0; id <= w->token_count; id++) {
        distances[id] = (double)NAN;
        for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
            parts[part][id] = (double)NAN;
    }
    if (asks[NG_RECALL_MEANING])
        twin_meaning(w, q, parts[NG_RECALL_MEANING]);
    if (asks[NG_RECALL_SPACE])
        twin_space(w, q, parts[NG_RECALL_SPACE], distances);
    if (asks[NG_RECALL_RELATION])
        twin_relation(w, q, parts[NG_RECALL_RELATION]);
    for (uint32_t id = 1; id <= w->token_count; id++) {
        expected hit = {.id = id, .distance = distances[id]};
        double whole = 0;
        bool has = true;
        for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++) {
            double weight = o->by_weights ? o->weights[part] : asks[part] ? 1 : 0;
            hit.parts[part] = parts[part][id];
            whole += weight;
            hit.score += isnan(hit.parts[part]) ? 0 : weight * hit.parts[part];
            has = has && ((o->require >> part & 1) == 0 || !isnan(hit.parts[part]));
        }
        hit.score = hit.score / whole + 1e-9 * w->priors[id];
        if (has && hit.score > 0 && hit.score >= o->threshold && twin_counts(w, q, id))
            out[count++] = hit;
    }
    qsort(out, count, sizeof *out, by_score);
    return count;
}

/* --- comparing ------------------------------------------------------------------------------- */

static void assert_close(double got, double wanted)
{
    if (isnan(wanted))
        assert_true(isnan(got));
    else if (!(fabs(got - wanted) < CLOSE))
        fail_msg("%.17g is not %.17g", got, wanted);
}

/* The path leads from a beginning to the hit, and is as good as the part says. */
static void check_path(twin *w, const question *q, const ng_recall_hit *hit)
{
    const ng_recall_through *through = &q->through;
    const ng_token_id *from = through->from != NULL ? through->from : q->options.tokens;
    size_t from_count = through->from != NULL ? through->from_count : q->options.token_count;
    double score = 1, decay = through->decay > 0 ? through->decay : 0.8;
    if (isnan(hit->parts[NG_RECALL_RELATION])) {
        assert_int_equal(hit->path_count, 0);
        assert_null(hit->path);
        return;
    }
    assert_in_range(hit->path_count, 1, through->max_hops != 0 ? through->max_hops : 2);
    ng_token_id at = hit->id;
    for (size_t i = hit->path_count; i-- > 0;) {
        const ng_edge *edge = &hit->path[i];
        ng_connection record;
        assert_ok(ngi_store_connection_get(w->store, edge->id, &record));
        assert_true(record.source == edge->source && record.target == edge->target);
        assert_true(record.type == edge->type && record.flags == edge->flags);
        assert_true(edge->source == at || edge->target == at);
        at = edge->source == at ? edge->target : edge->source;
        double pull = (double)record.pull_strength;
        score *= ng_connection_confidence(&record, NOW_US) * (pull == 0 ? 1 : fmin(fabs(pull), 1)) *
                 (i > 0 ? decay : 1);
    }
    assert_true(twin_has(from, from_count, at));
    assert_close(score, hit->parts[NG_RECALL_RELATION]);
}

static void check_steps(const question *q, const ng_recall_result *result)
{
    if (!q->options.explain) {
        assert_int_equal(result->step_count, 0);
        return;
    }
    assert_true(result->step_count >= 2);
    const ng_recall_step *last = &result->steps[result->step_count - 1];
    assert_string_equal(last->name, "score");
    assert_int_equal(last->candidates, result->candidates);
    for (size_t i = 0; i < result->step_count; i++)
        assert_true(strlen(result->steps[i].text) > 0);
}

/* Equal to the last bit in all that is measured. */
static bool is_twin_of(const twin *w, const expected *a, const expected *b)
{
    return memcmp(a->parts, b->parts, sizeof a->parts) == 0 &&
           w->priors[a->id] == w->priors[b->id] &&
           memcmp(w->tokens[a->id].vector, w->tokens[b->id].vector, sizeof w->mean) == 0;
}

/* What is no hit does not belong there: it is worse than the last one, or equal with a higher id; or, if
 * there was room, its score is no more than what was asked for. */
static void check_left_out(const twin *w, const ng_recall_result *result, const expected *all,
                           size_t total, size_t limit, double threshold)
{
    const ng_recall_hit *last = result->hits + result->hit_count - 1;
    const expected *worst = NULL;
    for (size_t i = 0; i < total && result->hit_count == limit; i++)
        worst = all[i].id == last->id ? &all[i] : worst;
    for (size_t i = 0; i < total; i++) {
        bool is_in = false;
        for (size_t k = 0; k < result->hit_count && !is_in; k++)
            is_in = result->hits[k].id == all[i].id;
        if (is_in)
            continue;
        if (worst == NULL)
            assert_true(all[i].score < threshold + CLOSE);
        else if (is_twin_of(w, worst, &all[i]))
            assert_true(all[i].id > worst->id);
        else
            assert_true(all[i].score < worst->score + CLOSE);
    }
}

static void check(twin *w, const question *q, const ng_recall_result *result)
{
    static expected all[TOKENS_MAX];
    size_t total = twin_answer(w, q, all);
    size_t limit = q->options.limit != 0 ? q->options.limit : 10;
    assert_true(result->is_exact);
    assert_true(result->hit_count <= limit && result->candidates >= result->hit_count);
    for (size_t i = 0; i < result->hit_count; i++) {
        const ng_recall_hit *hit = &result->hits[i];
        size_t at = 0;
        while (at < total && all[at].id != hit->id)
            at++;
        assert_true(at < total);
        assert_close(hit->score, all[at].score);
        assert_close(hit->score, all[i].score);
        assert_close(hit->distance, all[at].distance);
        assert_close(hit->prior, 1e-9 * w->priors[hit->id]);
        w->moved += w->priors[hit->id] != 0;
        for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
            assert_close(hit->parts[part], all[at].parts[part]);
        assert_true(i == 0 || result->hits[i - 1].score > hit->score ||
                    (result->hits[i - 1].score == hit->score && result->hits[i - 1].id < hit->id));
        check_path(w, q, hit);
        for (size_t k = 0; k < q->options.near_count; k++)
            if (!isnan(hit->parts[NG_RECALL_SPACE]))
                assert_true(hit->spaces >> q->near[k].space & 1);
    }
    check_left_out(w, result, all, total, limit, q->options.threshold);
    check_steps(q, result);
}

/* How often each plan was chosen. */
typedef struct plans {
    unsigned filter, radius, relation, threshold;
} plans;

static void count_plan(plans *plan, const ng_recall_result *result)
{
    for (size_t i = 0; i < result->step_count; i++) {
        if (strcmp(result->steps[i].name, "plan") != 0)
            continue;
        const char *text = result->steps[i].text;
        plan->filter += strncmp(text, "the filter", 10) == 0;
        plan->radius += strncmp(text, "the radius", 10) == 0;
        plan->relation += strncmp(text, "the relation", 12) == 0;
        plan->threshold += strncmp(text, "the best", 8) == 0;
    }
}

/* --- feedback -------------------------------------------------------------------------------- */

static void reload_links(twin *w)
{
    for (size_t i = 0; i < w->link_count; i++)
        assert_ok(ngi_store_connection_get(w->store, w->link_ids[i], &w->links[i]));
}

/* Says something about a token as an answer to the question. Returns the number of the feedback. */
static uint64_t give(twin *w, const question *q)
{
    static const double limits[] = {0, 1, 0.5}, strengths[] = {0, 1, 0.25};
    bool is_right = chance(w, 60);
    ng_feedback_options options = {.struct_size = sizeof options,
                                   .tokens = q->options.tokens,
                                   .token_count = q->options.token_count,
                                   .hit = some_token(w),
                                   .type = is_right ? NG_FEEDBACK_POSITIVE : NG_FEEDBACK_NEGATIVE};
    ng_feedback_result *result = NULL;
    options.limit = limits[below(w, 3)];
    options.strength = strengths[below(w, 3)];
    assert_ok(ngi_mind_feedback(w->store, &options, NULL, &result));
    uint64_t id = result->items[0].id;
    if (!result->is_repeated && id != 0) {
        double limit = options.limit > 0 ? options.limit : 0.2;
        double step = (options.strength > 0 ? options.strength : 1) / 2 *
                      ((is_right ? limit : -limit) * 1e9 - w->priors[options.hit]);
        w->priors[options.hit] += (int32_t)(step < 0 ? floor(step) : ceil(step));
    }
    bool is_new = !result->is_repeated;
    ngi_mind_feedback_result_destroy(result);
    return is_new ? id : 0;
}

/* Takes it back: everything is as it was. */
static void take_back(twin *w, uint64_t id)
{
    ng_feedback_result *result = NULL;
    if (id == 0)
        return;
    assert_ok(ngi_mind_feedback_undo(w->store, id, NULL, &result));
    for (size_t i = 0; i < result->items[0].effect_count; i++)
        assert_true(result->items[0].effects[i].is_restored);
    ngi_mind_feedback_result_destroy(result);
}

enum { GIVEN_MAX = 4 };

static void run(twin *w, unsigned rounds, plans *plan)
{
    question *q = malloc(sizeof *q);
    assert_non_null(q);
    for (unsigned i = 0; i < rounds; i++) {
        ng_recall_result *result = NULL;
        uint64_t before = w->random;
        uint64_t given[GIVEN_MAX] = {0};
        make_question(w, q);
        for (size_t k = 0; k < GIVEN_MAX && q->options.tokens != NULL && i % 3 != 0; k++)
            given[k] = give(w, q);
        reload_links(w);
        ng_status status = ngi_mind_recall(w->store, &q->options, &result);
        if (status != NG_OK)
            fail_msg("round %u, state %llu: %s", i, (unsigned long long)before, ngi_last_error());
        check(w, q, result);
        count_plan(plan, result);
        ngi_mind_recall_result_destroy(result);
        for (size_t k = GIVEN_MAX; k-- > 0;)
            take_back(w, given[k]);
        memset(w->priors, 0, sizeof w->priors);
    }
    free(q);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_small_stores(void **state)
{
    uint64_t seed = testing_seed();
    static const uint32_t counts[] = {1, 2, 9, 60, 400};
    plans plan = {0};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        twin *w = twin_create(counts[i] + 2, 3u * counts[i], seed + i);
        run(w, 200, &plan);
        twin_destroy(w);
    }
    assert_true(plan.filter > 0 && plan.relation > 0);
}

static void test_a_store_too_large_for_every_token(void **state)
{
    plans plan = {0};
    (void)state;
    twin *w = twin_create(TOKENS_MAX, LINKS_MAX, testing_seed());
    run(w, 400, &plan);
    assert_true(plan.filter > 0 && plan.radius > 0 && plan.relation > 0 && plan.threshold > 50);
    assert_true(w->moved > 20);
    twin_destroy(w);
}

static void test_the_same_answers_after_reopening(void **state)
{
    enum { QUESTIONS = 40 };
    static question questions[QUESTIONS];
    ng_recall_result *before[QUESTIONS] = {0};
    (void)state;
    twin *w = twin_create(1500, 4000, testing_seed() + 77);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        make_question(w, &questions[i]);
        assert_ok(ngi_mind_recall(w->store, &questions[i].options, &before[i]));
    }
    assert_ok(ngi_store_close(w->store));
    open_store(w);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        ng_recall_result *after = NULL;
        assert_ok(ngi_mind_recall(w->store, &questions[i].options, &after));
        assert_int_equal(after->hit_count, before[i]->hit_count);
        assert_int_equal(after->candidates, before[i]->candidates);
        for (size_t k = 0; k < after->hit_count; k++) {
            const ng_recall_hit *a = &after->hits[k], *b = &before[i]->hits[k];
            assert_int_equal(a->id, b->id);
            assert_memory_equal(&a->score, &b->score, sizeof a->score);
            assert_memory_equal(a->parts, b->parts, sizeof a->parts);
            assert_int_equal(a->path_count, b->path_count);
            for (size_t e = 0; e < a->path_count; e++)
                assert_int_equal(a->path[e].id, b->path[e].id);
        }
        ngi_mind_recall_result_destroy(after);
        ngi_mind_recall_result_destroy(before[i]);
    }
    twin_destroy(w);
}

/* Each request for memory fails once: no leak, the reason is said, and the next answer is whole. */
static void test_memory(void **state)
{
    (void)state;
    twin *w = twin_create(1200, 3000, testing_seed() + 5);
    question *q = malloc(sizeof *q);
    ng_recall_result *result = NULL;
    assert_non_null(q);
    do
        make_question(w, q);
    while (q->options.tokens == NULL || q->options.near_count == 0 || q->options.through == NULL);
    assert_ok(ngi_mind_recall(w->store, &q->options, &result)); /* derives norms */
    ngi_mind_recall_result_destroy(result);
    size_t used = atomic_load(&w->t->mem.used_bytes), failures = 0;
    for (size_t n = 1;; n++) {
        w->t->fail_memory = w->t->memory_count + n;
        ng_status status = ngi_mind_recall(w->store, &q->options, &result);
        bool reached = w->t->memory_count >= w->t->fail_memory;
        w->t->fail_memory = 0;
        if (status == NG_OK) {
            check(w, q, result);
            ngi_mind_recall_result_destroy(result);
        } else {
            assert_int_equal(status, NG_E_NOMEM);
            failures++;
        }
        assert_int_equal(atomic_load(&w->t->mem.used_bytes), used);
        if (!reached)
            break;
    }
    assert_true(failures > 5);
    free(q);
    twin_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_stores),
        cmocka_unit_test(test_a_store_too_large_for_every_token),
        cmocka_unit_test(test_the_same_answers_after_reopening),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
