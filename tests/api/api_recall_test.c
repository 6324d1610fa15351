/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recall through the public header: texts, ties, paths, what repels, limits, plans, every refused
 * argument, deadlines. That answers are those of measuring every token is tested beside the code
 * (src/mind/mind_recall_test.c). */
#include "api_support.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define IS_A 0x00
#define HAS 0x10

static ng_recall_options plain(void)
{
    return (ng_recall_options){.struct_size = sizeof(ng_recall_options),
                               .remove_components = NG_PLAIN_COSINE};
}

static ng_recall_result *recall(const ng_store *store, const ng_recall_options *options)
{
    ng_recall_result *result = NULL;
    ASSERT_OK(ng_recall(store, options, &result));
    assert_non_null(result);
    return result;
}

static ng_token_id add(ng_store *store, const char *label, float a, float b, float x)
{
    const float vector[2] = {a, b};
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL | NG_FIELD_VECTOR;
    fields.collection = NG_COLLECTION_SEMANTIC;
    fields.label = label;
    fields.label_bytes = strlen(label);
    fields.vector = vector;
    fields.vector_dimensions = 2;
    fields.spaces_set = 1u << NG_SPACE_PHYSICAL;
    fields.coordinates[NG_SPACE_PHYSICAL][0] = x;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static ng_connection_id join(ng_store *store, ng_token_id source, ng_token_id target, uint8_t type,
                             uint8_t flags, float pull, float confidence)
{
    ng_connection_id id = 0;
    const ng_connection_fields fields = {.struct_size = sizeof fields,
                                         .source = source,
                                         .target = target,
                                         .set = NG_CFIELD_TYPE | NG_CFIELD_FLAGS | NG_CFIELD_PULL |
                                                NG_CFIELD_CONFIDENCE | NG_CFIELD_MUTABILITY,
                                         .type = type,
                                         .flags = flags,
                                         .mutability = NG_LEARNABLE,
                                         .pull_strength = pull,
                                         .confidence = confidence};
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    return id;
}

static void assert_near(double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-6))
        fail_msg("%.9g is not %.9g", got, wanted);
}

/* --- answers --------------------------------------------------------------------------------- */

static void test_one_part_is_a_query(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_query_options query = {.struct_size = sizeof query, .remove_components = NG_PLAIN_COSINE};
    ng_recall_options options = plain();
    ng_query_result *expected = NULL;
    add(store, "coffee", 1, 0.1f, 0);
    add(store, "tea", 1, 0.3f, 0);
    add(store, "cup", 1, 0.9f, 0);
    add(store, "road", -1, 0.1f, 0); /* no hit of a recall: its cosine is negative */
    ASSERT_OK(ng_query(store, "2*cofee", &query, &expected));
    options.text = "2*cofee";
    ng_recall_result *result = recall(store, &options);
    assert_int_equal(result->hit_count, 2);
    assert_int_equal(expected->hit_count, 3);
    for (size_t i = 0; i < 2; i++) {
        const ng_recall_hit *hit = &result->hits[i];
        assert_int_equal(hit->id, expected->hits[i].id);
        assert_string_equal(hit->label, expected->hits[i].label);
        assert_true(hit->score == expected->hits[i].score);
        assert_true(hit->parts[NG_RECALL_MEANING] == hit->score);
        assert_true(isnan(hit->parts[NG_RECALL_SPACE]) && isnan(hit->parts[NG_RECALL_RELATION]));
        assert_true(isnan(hit->distance) && hit->path == NULL && hit->spaces == 0);
    }
    assert_int_equal(result->correction_count, 1);
    assert_string_equal(result->corrections[0].label, "coffee");
    assert_int_equal(result->term_count, 1);
    assert_true(result->terms[0].weight == 2);
    assert_int_equal(result->step_count, 0);
    assert_true(result->is_exact);
    ng_query_result_destroy(expected);
    ASSERT_OK(ng_close(store));
    assert_string_equal(result->hits[0].label, "tea"); /* it does not need the store */
    ng_recall_result_destroy(result);
    ng_recall_result_destroy(NULL);
}

static void test_three_parts_fused(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id dog = add(store, "dog", 1, 0, 0);
    ng_token_id wolf = add(store, "wolf", 4, 3, 2);
    ng_token_id tail = add(store, "tail", 0, 1, 1);
    ng_token_id far = api_labelled(store, "far");
    ng_connection_id is_a = join(store, dog, wolf, IS_A, NG_CONNECTION_ACTIVE, 1, 1);
    join(store, wolf, tail, HAS, NG_CONNECTION_ACTIVE, 0.5f, 1);
    join(store, wolf, far, HAS, NG_CONNECTION_ACTIVE, 1, 1);
    const ng_recall_near near = {.space = NG_SPACE_PHYSICAL, .token = dog, .scale = 2};
    const ng_recall_through through = {.max_hops = 2, .decay = 0.5};
    ng_recall_options options = plain();
    options.text = "dog";
    options.near = &near;
    options.near_count = 1;
    options.through = &through;
    options.by_weights = true;
    options.weights[NG_RECALL_MEANING] = 2;
    options.weights[NG_RECALL_SPACE] = 1;
    options.weights[NG_RECALL_RELATION] = 1;
    options.any_collection = true;
    ng_recall_result *result = recall(store, &options);
    assert_int_equal(result->hit_count, 3);
    const ng_recall_hit *hit = &result->hits[0];
    assert_int_equal(hit->id, wolf);
    assert_near(hit->parts[NG_RECALL_MEANING], 0.8);
    assert_near(hit->parts[NG_RECALL_SPACE], 0.5); /* half at the scale */
    assert_near(hit->parts[NG_RECALL_RELATION], 1);
    assert_near(hit->score, (2 * 0.8 + 0.5 + 1) / 4);
    assert_near(hit->distance, 2);
    assert_int_equal(hit->path_count, 1);
    assert_int_equal(hit->path[0].id, is_a);
    assert_int_equal(hit->spaces, 1u << NG_SPACE_PHYSICAL);
    assert_near((double)hit->coordinates[NG_SPACE_PHYSICAL][0], 2);
    hit = &result->hits[1];
    assert_int_equal(hit->id, tail);
    assert_near(hit->parts[NG_RECALL_SPACE], 0.8);
    assert_near(hit->parts[NG_RECALL_RELATION], 0.5 * 0.5);
    assert_int_equal(hit->path_count, 2);
    assert_near(hit->score, (0.8 + 0.25) / 4);
    hit = &result->hits[2]; /* of another collection, with neither vector nor place */
    assert_int_equal(hit->id, far);
    assert_true(isnan(hit->parts[NG_RECALL_MEANING]) && isnan(hit->parts[NG_RECALL_SPACE]));
    assert_near(hit->score, 0.5 / 4);
    ng_recall_result_destroy(result);

    options.include_asked = true; /* the dog itself: nearest in all but relation */
    options.require = 1u << NG_RECALL_MEANING;
    options.threshold = 0.3;
    result = recall(store, &options);
    assert_int_equal(result->hit_count, 2);
    assert_int_equal(result->hits[0].id, wolf);
    assert_int_equal(result->hits[1].id, dog);
    assert_near(result->hits[1].score, 0.75);
    ng_recall_result_destroy(result);
    ASSERT_OK(ng_close(store));
}

/* The lowest ids of more equal ones than any batch has. */
static void test_ties(void **state)
{
    enum { COUNT = 1500 };
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id hub = api_labelled(store, "hub"), first = 0;
    const ng_recall_through through = {.from = &hub, .from_count = 1};
    ng_recall_options options = plain();
    ng_connection_fields *fields = calloc(COUNT, sizeof *fields);
    ng_connection_id *ids = calloc(COUNT, sizeof *ids);
    assert_non_null(fields);
    assert_non_null(ids);
    for (unsigned i = 0; i < COUNT; i++) {
        ng_token_id id = api_token(store);
        first = i == 0 ? id : first;
        fields[i] = (ng_connection_fields){.struct_size = sizeof *fields,
                                           .source = hub,
                                           .target = id,
                                           .set = NG_CFIELD_FLAGS,
                                           .flags = NG_CONNECTION_ACTIVE};
    }
    ng_cdna cdna;
    ASSERT_OK(ng_cdna_get(store, &cdna));
    cdna.max_out_degree = 2 * COUNT;
    cdna.max_total_degree = 2 * COUNT;
    ASSERT_OK(ng_cdna_set(store, &cdna, NULL));
    ASSERT_OK(ng_connection_create_many(store, fields, COUNT, NULL, ids));
    options.through = &through;
    options.limit = 3;
    options.explain = true;
    ng_recall_result *result = recall(store, &options);
    assert_int_equal(result->hit_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(result->hits[i].id, first + i);
    assert_true(result->hits[0].score == result->hits[2].score);
    assert_int_equal(result->candidates, COUNT);
    assert_string_equal(result->steps[0].name, "relation");
    assert_int_equal(result->steps[0].candidates, COUNT);
    ng_recall_result_destroy(result);
    free(fields);
    free(ids);
    ASSERT_OK(ng_close(store));
}

static size_t reached(const ng_store *store, const ng_recall_through *through)
{
    ng_recall_options options = plain();
    options.through = through;
    options.limit = 100;
    ng_recall_result *result = recall(store, &options);
    size_t count = result->hit_count;
    ng_recall_result_destroy(result);
    return count;
}

static void test_what_is_followed(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id a = api_labelled(store, "a"), b = api_labelled(store, "b");
    ng_token_id c = api_labelled(store, "c"), d = api_labelled(store, "d");
    ng_token_id e = api_labelled(store, "e"), f = api_labelled(store, "f");
    join(store, a, b, IS_A, NG_CONNECTION_ACTIVE, 0, 0.6f);
    join(store, a, c, IS_A, NG_CONNECTION_ACTIVE, -2, 1);                            /* repels */
    join(store, a, d, IS_A, NG_CONNECTION_ACTIVE | NG_CONNECTION_INHIBITORY, 2, 1);  /* repels */
    join(store, a, e, IS_A, NG_CONNECTION_ACTIVE | NG_CONNECTION_INHIBITORY, -2, 1); /* attracts */
    join(store, f, a, HAS, NG_CONNECTION_ACTIVE, 1, 1);
    ng_recall_through through = {.from = &a, .from_count = 1};
    assert_int_equal(reached(store, &through), 2); /* b, e */
    through.direction = NG_INCOMING;
    assert_int_equal(reached(store, &through), 1); /* f */
    through.direction = NG_BOTH;
    assert_int_equal(reached(store, &through), 3);
    through.types.bits[0] = UINT64_C(1) << HAS;
    assert_int_equal(reached(store, &through), 1);
    through.types = (ng_type_set){0};
    through.max_tokens = 1;
    ng_recall_options options = plain();
    options.through = &through;
    ng_recall_result *result = recall(store, &options);
    assert_int_equal(result->hit_count, 1);
    assert_false(result->is_exact); /* there are more */
    ng_recall_result_destroy(result);
    through.max_tokens = 3;
    result = recall(store, &options);
    assert_int_equal(result->hit_count, 3);
    assert_true(result->is_exact);
    assert_near(result->hits[2].score, 153 / 255.0); /* stored in 255ths */
    ng_recall_result_destroy(result);
    ASSERT_OK(ng_close(store));
}

static void test_nothing_to_find(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    const ng_recall_near near = {.space = NG_SPACE_MOTOR, .radius = 1};
    ng_recall_options options = plain();
    options.near = &near;
    options.near_count = 1;
    ng_recall_result *result = recall(store, &options); /* an empty store */
    assert_int_equal(result->hit_count, 0);
    assert_int_equal(result->candidates, 0);
    ng_recall_result_destroy(result);
    ng_token_id lone = api_labelled(store, "lone");
    options = plain();
    options.tokens = &lone;
    options.token_count = 1;
    result = recall(store, &options); /* an example without a vector */
    assert_int_equal(result->hit_count, 0);
    assert_int_equal(result->unknown_count, 1);
    ng_recall_result_destroy(result);
    ASSERT_OK(ng_close(store));
}

/* A graph answers with what it finds, and says so. */
static void test_effort(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    for (unsigned i = 0; i < 1200; i++) {
        char label[16];
        snprintf(label, sizeof label, "w%u", i);
        add(store, label, (float)cos(i * 0.37), (float)sin(i * 0.37), 0);
    }
    const ng_vector_graph_options plain_graph = {.struct_size = sizeof plain_graph,
                                                 .remove_components = NG_PLAIN_COSINE};
    ASSERT_OK(ng_vector_graph_build(store, &plain_graph, NULL, NULL));
    ng_recall_options options = plain();
    options.text = "w7";
    ng_recall_result *exact = recall(store, &options);
    options.effort = 200;
    ng_recall_result *result = recall(store, &options);
    assert_true(exact->is_exact);
    assert_false(result->is_exact);
    assert_int_equal(result->hits[0].id, exact->hits[0].id);
    ng_recall_result_destroy(result);
    ng_recall_result_destroy(exact);
    ASSERT_OK(ng_close(store));
}

/* --- refused --------------------------------------------------------------------------------- */

static void refuse(const ng_store *store, const ng_recall_options *options, ng_status status,
                   const char *text)
{
    ng_recall_result *result = (ng_recall_result *)(uintptr_t)store;
    ASSERT_FAILS(ng_recall(store, options, &result), status, text);
    assert_null(result);
}

static void test_refused_meaning(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id dog = add(store, "dog", 1, 0, 0), anti = add(store, "anti", -1, 0, 0);
    const float vector[3] = {1, 0, (float)NAN};
    ng_recall_result *result = NULL;
    ng_recall_options o = plain();
    refuse(store, &o, NG_E_INVALID, "nothing is asked");
    ASSERT_FAILS(ng_recall(NULL, &o, &result), NG_E_INVALID, "store is NULL");
    ASSERT_FAILS(ng_recall(store, NULL, &result), NG_E_INVALID, "options is NULL");
    ASSERT_FAILS(ng_recall(store, &o, NULL), NG_E_INVALID, "out is NULL");
    o.text = "dog";
    o.struct_size = 8;
    refuse(store, &o, NG_E_INVALID, "options.struct_size 8");
    o.struct_size = sizeof o;
    ng_filter filter = {.struct_size = 3};
    o.filter = &filter;
    refuse(store, &o, NG_E_INVALID, "filter.struct_size 3");
    o.filter = NULL;
    o.vector = vector;
    o.dimensions = 2;
    refuse(store, &o, NG_E_INVALID, "one of text, vector and tokens");
    o.text = NULL;
    o.dimensions = 3;
    refuse(store, &o, NG_E_INVALID, "vector has 3 dimensions");
    o.dimensions = 0;
    refuse(store, &o, NG_E_INVALID, "dimensions 0 is outside 1..4096");
    o.dimensions = 2;
    o.vector = vector + 1;
    refuse(store, &o, NG_E_INVALID, "vector[1] is not finite");
    o = plain();
    o.dimensions = 2;
    refuse(store, &o, NG_E_INVALID, "vector is NULL");
    o = plain();
    o.token_count = 1;
    refuse(store, &o, NG_E_INVALID, "tokens is NULL");
    const ng_token_id both[2] = {dog, anti}, absent = 77;
    o.tokens = both;
    o.token_count = 65;
    refuse(store, &o, NG_E_INVALID, "token_count 65 is outside 1..64");
    o.token_count = 2;
    refuse(store, &o, NG_E_INVALID, "cancel each other out");
    o.tokens = &absent;
    o.token_count = 1;
    refuse(store, &o, NG_E_NOT_FOUND, "0000004D");
    o = plain();
    o.text = "nobody knows";
    refuse(store, &o, NG_E_NOT_FOUND, "nobody knows");
    o.text = "dog";
    o.remove_components = 25;
    refuse(store, &o, NG_E_INVALID, "remove_components 25 is outside -1..24");
    o.remove_components = 3; /* there is no projection */
    refuse(store, &o, NG_E_INVALID, "3");
    o = plain();
    o.text = "dog";
    o.effort = 10001;
    refuse(store, &o, NG_E_INVALID, "effort 10001 is outside 0..10000");
    o.effort = 0;
    o.suggest = 11;
    refuse(store, &o, NG_E_INVALID, "suggest 11 is outside 0..10");
    o.suggest = 0;
    o.by_collection = true;
    o.collection = 9;
    refuse(store, &o, NG_E_NOT_FOUND, "collection 9");
    ASSERT_OK(ng_close(store));
}

static void test_refused_space_and_relation(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id dog = add(store, "dog", 1, 0, 0);
    ng_recall_near near[2] = {{.space = NG_SPACE_SENSORY, .token = dog}};
    ng_recall_options o = plain();
    o.near_count = 1;
    refuse(store, &o, NG_E_INVALID, "near is NULL");
    o.near = near;
    refuse(store, &o, NG_E_ABSENT, "no coordinates in space sensory");
    near[0].token = 99;
    refuse(store, &o, NG_E_NOT_FOUND, "00000063");
    near[0].token = 0;
    near[0].space = (ng_space)8;
    refuse(store, &o, NG_E_INVALID, "near[0].space 8 is outside 0..7");
    near[0].space = NG_SPACE_SENSORY;
    near[0].scale = -1;
    refuse(store, &o, NG_E_INVALID, "near[0].scale -1 is outside");
    near[0].scale = (float)NAN;
    refuse(store, &o, NG_E_INVALID, "near[0].scale");
    near[0].scale = 0;
    near[0].radius = (float)INFINITY;
    refuse(store, &o, NG_E_INVALID, "near[0].radius inf");
    near[0].radius = 0;
    near[0].at[1] = 1e9f;
    refuse(store, &o, NG_E_INVALID, "near[0]: ");
    near[0].at[1] = 0;
    near[1] = near[0];
    o.near_count = 2;
    refuse(store, &o, NG_E_INVALID, "near[1].space: sensory is given twice");
    o.near_count = 9;
    refuse(store, &o, NG_E_INVALID, "near_count 9 is outside 0..8");

    ng_recall_through through = {0};
    o = plain();
    o.through = &through;
    refuse(store, &o, NG_E_INVALID, "say where paths begin");
    through.from_count = 1;
    refuse(store, &o, NG_E_INVALID, "through.from is NULL");
    const ng_token_id absent = 77;
    through.from = &absent;
    refuse(store, &o, NG_E_NOT_FOUND, "0000004D");
    through.from_count = 65;
    refuse(store, &o, NG_E_INVALID, "through.from_count 65 is outside 1..64");
    through.from = &dog;
    through.from_count = 1;
    through.max_hops = 7;
    refuse(store, &o, NG_E_INVALID, "through.max_hops 7 is outside 1..6");
    through.max_hops = 0;
    through.decay = 1.5;
    refuse(store, &o, NG_E_INVALID, "through.decay 1.5 is outside 0..1");
    through.decay = (double)NAN;
    refuse(store, &o, NG_E_INVALID, "through.decay");
    through.decay = 0;
    through.direction = (ng_direction)4;
    refuse(store, &o, NG_E_INVALID, "through.direction 4 is outside 0..3");
    through.direction = NG_BOTH;
    through.max_tokens = 10000001;
    refuse(store, &o, NG_E_INVALID, "through.max_tokens 10000001 is outside 1..10000000");
    ASSERT_OK(ng_close(store));
}

static bool cancel(void *context)
{
    ++*(unsigned *)context;
    return true;
}

static void test_refused_ranking(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    add(store, "dog", 1, 0, 0);
    ng_recall_options o = plain();
    o.text = "dog";
    o.by_weights = true;
    refuse(store, &o, NG_E_INVALID, "weights: at least one must be above 0");
    o.weights[NG_RECALL_MEANING] = -1;
    refuse(store, &o, NG_E_INVALID, "weights.meaning -1 is outside 0..1e+06");
    o.weights[NG_RECALL_MEANING] = (double)NAN;
    refuse(store, &o, NG_E_INVALID, "weights.meaning");
    o.weights[NG_RECALL_MEANING] = 1;
    o.weights[NG_RECALL_SPACE] = 1;
    refuse(store, &o, NG_E_INVALID, "weights.space 1: nothing is asked");
    o.weights[NG_RECALL_SPACE] = 0;
    o.require = 1u << NG_RECALL_RELATION;
    refuse(store, &o, NG_E_INVALID, "require: nothing is asked about relation");
    o.require = 8;
    refuse(store, &o, NG_E_INVALID, "require 0x8");
    o.require = 0;
    o.threshold = 1.1;
    refuse(store, &o, NG_E_INVALID, "threshold 1.1 is outside 0..1");
    o.threshold = 0;
    o.limit = 10001;
    refuse(store, &o, NG_E_INVALID, "limit 10001 is outside 1..10000");
    o.limit = 0;
    o.exclude_count = 1;
    refuse(store, &o, NG_E_INVALID, "exclude is NULL");
    o.exclude_count = 1001;
    refuse(store, &o, NG_E_INVALID, "exclude_count 1001 is outside 0..1000");
    o.exclude_count = 0;
    unsigned asked = 0;
    o.cancelled = cancel;
    o.context = &asked;
    refuse(store, &o, NG_E_CANCELLED, "cancelled");
    assert_int_equal(asked, 1);
    ASSERT_OK(ng_close(store));
}

/* Thousands of connections take longer than a microsecond on every machine. */
static void test_deadline(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    ng_token_id hub = api_labelled(store, "hub"), before = hub;
    for (unsigned i = 0; i < 900; i++) {
        ng_token_id id = api_token(store);
        api_link(store, before, id, NG_CONNECTION_TYPE_DEFAULT, NG_CONNECTION_ACTIVE);
        api_link(store, id, hub, NG_CONNECTION_TYPE_DEFAULT, NG_CONNECTION_BIDIRECTIONAL);
        before = i % 30 == 0 ? hub : id;
    }
    const ng_recall_through through = {.from = &hub, .from_count = 1, .max_hops = 6};
    ng_recall_options options = plain();
    ng_recall_result *result = NULL;
    options.through = &through;
    options.timeout_us = 1;
    ASSERT_FAILS(ng_recall(store, &options, &result), NG_E_TIMEOUT, "more than 1 us");
    options.timeout_us = UINT32_MAX;
    result = recall(store, &options);
    assert_true(result->hit_count > 0);
    ng_recall_result_destroy(result);
    ASSERT_OK(ng_close(store));
}

/* Tokens, vectors, places and connections that come and go while others recall. */
typedef struct restless {
    ng_store *store;
    ng_token_id hub;
    atomic_bool stop;
    unsigned rounds;
} restless;

static void *write_and_delete(void *context)
{
    restless *r = context;
    ng_token_id ids[64] = {0};
    for (; !atomic_load(&r->stop); r->rounds++) {
        ng_token_id *id = &ids[r->rounds % 64];
        char label[24];
        if (*id != 0)
            ASSERT_OK(ng_token_delete(r->store, *id, NULL));
        snprintf(label, sizeof label, "word %u", r->rounds);
        *id = add(r->store, label, (float)cos(r->rounds), (float)sin(r->rounds),
                  (float)(r->rounds % 7));
        join(r->store, r->hub, *id, IS_A, NG_CONNECTION_ACTIVE, 1, 0.5f);
        ng_token_id other = ids[(r->rounds + 31) % 64];
        if (other != 0)
            join(r->store, *id, other, HAS, NG_CONNECTION_BIDIRECTIONAL, 0.5f, 1);
    }
    return NULL;
}

static void test_beside_a_writer(void **state)
{
    (void)state;
    restless r = {.store = api_memory_store()};
    pthread_t writer;
    r.hub = add(r.store, "hub", 1, 0, 0);
    assert_int_equal(pthread_create(&writer, NULL, write_and_delete, &r), 0);
    const ng_recall_near near = {.space = NG_SPACE_PHYSICAL, .token = r.hub};
    const ng_recall_through through = {.max_hops = 4};
    ng_recall_options options = plain();
    options.text = "hub";
    options.near = &near;
    options.near_count = 1;
    options.through = &through;
    size_t found = 0;
    for (unsigned i = 0; i < 300 || found == 0; i++) {
        ng_recall_result *result = recall(r.store, &options);
        for (size_t k = 0; k < result->hit_count; k++) {
            const ng_recall_hit *hit = &result->hits[k];
            assert_true(hit->score > 0 && hit->score <= 1);
            assert_true(k == 0 || hit->score <= result->hits[k - 1].score);
            assert_true(hit->path_count <= 4);
            for (unsigned part = 0; part < NG_RECALL_PART_COUNT; part++)
                assert_true(isnan(hit->parts[part]) ||
                            (hit->parts[part] >= 0 && hit->parts[part] <= 1));
        }
        found += result->hit_count;
        ng_recall_result_destroy(result);
    }
    atomic_store(&r.stop, true);
    assert_int_equal(pthread_join(writer, NULL), 0);
    ASSERT_OK(ng_close(r.store));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ng_recall_part_name(NG_RECALL_MEANING), "meaning");
    assert_string_equal(ng_recall_part_name(NG_RECALL_SPACE), "space");
    assert_string_equal(ng_recall_part_name(NG_RECALL_RELATION), "relation");
    assert_null(ng_recall_part_name(NG_RECALL_PART_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_part_is_a_query),
        cmocka_unit_test(test_three_parts_fused),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_what_is_followed),
        cmocka_unit_test(test_nothing_to_find),
        cmocka_unit_test(test_effort),
        cmocka_unit_test(test_refused_meaning),
        cmocka_unit_test(test_refused_space_and_relation),
        cmocka_unit_test(test_refused_ranking),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_beside_a_writer),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
