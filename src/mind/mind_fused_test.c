/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fused similarity against its formulas, computed anew from vectors and connections; words that lack
 * one of the two or both; antonyms; senses; one by one against many; and obvious orders of real words. */
#include "mind/mind.h"

#include "mind/mind_taxonomy.h"
#include "mind/mind_testing.h"
#include "model/model_types.h"

#include <math.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)
#define DIMENSIONS 6u
#define WORDS 60u
#define REAL_WORDS 20000u

static ng_store *open_store(testing *t)
{
    ng_store *store = NULL;
    assert_ok(ngi_store_open(&t->os, &t->mem, NULL, NULL, &store));
    return store;
}

static ng_token_id put(ng_store *store, const float *vector)
{
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = vector != NULL ? NG_FIELD_VECTOR : 0,
                                    .collection = NG_COLLECTION_SEMANTIC,
                                    .vector = vector,
                                    .vector_dimensions = DIMENSIONS};
    ng_token_id id = 0;
    assert_ok(ngi_store_token_put(store, NULL, &fields, 1, NULL, &id));
    return id;
}

static void join(ng_store *store, ng_token_id source, ng_token_id target, uint8_t type)
{
    const ng_connection_fields fields = {.struct_size = sizeof fields,
                                         .source = source,
                                         .target = target,
                                         .set = NG_CFIELD_TYPE,
                                         .type = type};
    assert_ok(ngi_store_connection_put(store, &fields, 1,
                                       NGI_CONNECTION_SKIP_EXISTING | NGI_CONNECTION_CURATED, 0,
                                       NULL, NULL, NULL));
}

static void synonyms(ng_store *store, ng_token_id a, ng_token_id b)
{
    join(store, a, b, NGI_TYPE_SYNONYM);
    join(store, b, a, NGI_TYPE_SYNONYM);
}

/* `below` is a kind of `above`. */
static void kind(ng_store *store, ng_token_id below, ng_token_id above)
{
    join(store, below, above, NGI_TYPE_HYPERNYM);
    join(store, above, below, NGI_TYPE_HYPONYM);
}

static ng_fused fused(const ng_store *store, ng_token_id a, ng_token_id b, int32_t remove)
{
    const ng_fused_options options = {.struct_size = sizeof options, .remove_components = remove};
    ng_fused out;
    memset(&out, 0xAA, sizeof out);
    assert_ok(ngi_mind_similarity_fused(store, a, b, &options, &out));
    return out;
}

static double li(unsigned hops, unsigned depth)
{
    return exp(-0.2 * hops) * tanh(0.6 * depth);
}

/* --- the formulas ----------------------------------------------------------------------------- */

static bool unit_of(const ng_store *store, ng_token_id id, double out[DIMENSIONS])
{
    float vector[DIMENSIONS];
    size_t count = 0;
    double norm = 0;
    if (ngi_store_token_vector(store, id, vector, DIMENSIONS, &count) != NG_OK ||
        count != DIMENSIONS)
        return false;
    for (size_t d = 0; d < DIMENSIONS; d++)
        norm += (double)vector[d] * (double)vector[d];
    for (size_t d = 0; d < DIMENSIONS && norm > 0; d++)
        out[d] = (double)vector[d] / sqrt(norm);
    return norm > 0;
}

static uint32_t naive_moved(const ng_store *store, ng_token_id id, double out[DIMENSIONS])
{
    ng_edge edges[512];
    const ng_edge_options options = {.struct_size = sizeof options, .direction = NG_OUTGOING};
    bool linked[WORDS + 1] = {false};
    double unit[DIMENSIONS], sum[DIMENSIONS] = {0};
    size_t count = 0;
    uint32_t n = 0;
    assert_ok(ngi_store_token_connections(store, id, &options, edges, 512, &count));
    for (size_t i = 0; i < count; i++) {
        uint8_t type = edges[i].type;
        if (type == NGI_TYPE_SYNONYM || type == NGI_TYPE_HYPERNYM || type == NGI_TYPE_HYPONYM ||
            type == NGI_TYPE_SIMILAR)
            linked[edges[i].target] = true;
    }
    for (ng_token_id other = 1; other <= WORDS; other++) {
        if (!linked[other] || !unit_of(store, other, unit))
            continue;
        n++;
        for (size_t d = 0; d < DIMENSIONS; d++)
            sum[d] += unit[d];
    }
    assert_true(unit_of(store, id, out));
    for (size_t d = 0; d < DIMENSIONS && n > 0; d++)
        out[d] += sum[d] / n;
    return n;
}

static double naive_cosine(const double *x, const double *y)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t d = 0; d < DIMENSIONS; d++) {
        xy += x[d] * y[d];
        xx += x[d] * x[d];
        yy += y[d] * y[d];
    }
    return xy / sqrt(xx * yy);
}

static void check_pair(const ng_store *store, ng_token_id a, ng_token_id b)
{
    double ua[DIMENSIONS], ub[DIMENSIONS], qa[DIMENSIONS], qb[DIMENSIONS];
    bool has = unit_of(store, a, ua) && unit_of(store, b, ub);
    ng_fused got;
    ng_status status =
        ngi_mind_similarity_fused(store, a, b,
                                  &(ng_fused_options){sizeof(ng_fused_options),
                                                      .remove_components = NG_PLAIN_COSINE},
                                  &got);
    assert_int_equal(got.by_vectors, has);
    assert_true(status == (has || got.by_links ? NG_OK : NG_E_ABSENT));
    if (has) {
        assert_int_equal(naive_moved(store, a, qa), got.linked_a);
        assert_int_equal(naive_moved(store, b, qb), got.linked_b);
        assert_true(fabs(got.cosine - naive_cosine(ua, ub)) < 1e-9);
        assert_true(fabs(got.retrofitted - naive_cosine(qa, qb)) < 1e-9);
    } else {
        assert_true(isnan(got.cosine) && isnan(got.retrofitted));
        assert_int_equal(got.linked_a + got.linked_b, 0);
    }
    double vectors = got.antonyms && got.retrofitted > 0 ? 0 : got.retrofitted;
    double score = has && got.by_links ? (vectors + got.taxonomic) / 2
                   : has               ? vectors
                                       : got.taxonomic;
    assert_true(score == got.score || (isnan(score) && isnan(got.score)));
    assert_true(got.by_links ? got.taxonomic >= 0 && got.taxonomic <= 1 : isnan(got.taxonomic));
}

static void test_recomputed(void **state)
{
    static const uint8_t types[] = {NGI_TYPE_SYNONYM, NGI_TYPE_ANTONYM,    NGI_TYPE_HYPERNYM,
                                    NGI_TYPE_HYPONYM, NGI_TYPE_MERONYM,    NGI_TYPE_SIMILAR,
                                    NGI_TYPE_ALSO,    NGI_TYPE_SIMILAR_TO, NGI_TYPE_DERIVATION};
    testing *t = *state;
    ng_store *store = open_store(t);
    uint64_t seed = testing_seed();
    for (uint32_t i = 0; i < WORDS; i++) {
        float vector[DIMENSIONS];
        for (size_t d = 0; d < DIMENSIONS; d++)
            vector[d] = i % 12 == 5 ? 0 : testing_float(&seed);
        put(store, i % 7 == 3 ? NULL : vector);
    }
    for (int i = 0; i < 250; i++) {
        ng_token_id a = 1 + testing_random(&seed) % (WORDS - 5);
        ng_token_id b = 1 + testing_random(&seed) % (WORDS - 5);
        if (a != b)
            join(store, a, b, types[testing_random(&seed) % sizeof types]);
    }
    for (ng_token_id a = 1; a <= WORDS; a++)
        for (ng_token_id b = 1; b <= WORDS; b++)
            check_pair(store, a, b);
    assert_ok(ngi_store_close(store));
}

/* --- paths ------------------------------------------------------------------------------------ */

enum { ENTITY = 1, ANIMAL, MAMMAL, DOG, CAT, CANINE, FELINE, PLANT, ROSE, HOUND, LONELY, TREE };

static void put_animals(ng_store *store)
{
    for (int i = 0; i < 12; i++)
        put(store, NULL);
    kind(store, ANIMAL, ENTITY);
    kind(store, PLANT, ENTITY);
    kind(store, ROSE, PLANT);
    kind(store, TREE, PLANT);
    kind(store, MAMMAL, ANIMAL);
    kind(store, CANINE, MAMMAL);
    kind(store, FELINE, MAMMAL);
    kind(store, DOG, CANINE);
    kind(store, CAT, FELINE);
    synonyms(store, DOG, HOUND);
}

static void check_path(const ng_store *store, ng_token_id a, ng_token_id b, unsigned hops,
                       unsigned depth)
{
    for (int turn = 0; turn < 2; turn++) {
        ng_fused got = fused(store, turn ? b : a, turn ? a : b, 0);
        assert_true(got.by_links && !got.by_vectors);
        assert_int_equal(got.hops, hops);
        assert_int_equal(got.depth, depth);
        assert_true(fabs(got.taxonomic - (hops == 0 ? 1 : li(hops, depth))) < 1e-12);
        assert_true(got.score == got.taxonomic);
    }
}

static void test_paths(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    put_animals(store);
    check_path(store, DOG, CAT, 4, 3);
    check_path(store, DOG, CANINE, 1, 4);
    check_path(store, DOG, ANIMAL, 3, 2);
    check_path(store, DOG, ROSE, 6, 1);
    check_path(store, DOG, ENTITY, 4, 1);
    check_path(store, ROSE, TREE, 2, 2);
    check_path(store, DOG, HOUND, 0, 0);
    ng_fused same = fused(store, CAT, CAT, 0);
    assert_true(same.score == 1);
    ng_fused none = {0};
    assert_int_equal(ngi_mind_similarity_fused(store, DOG, LONELY, NULL, &none), NG_E_ABSENT);
    assert_message("neither vectors nor links");
    assert_true(isnan(none.score));
    assert_int_equal(ngi_mind_similarity_fused(store, DOG, 99, NULL, &none), NG_E_NOT_FOUND);
    assert_ok(ngi_store_close(store));
}

/* "canine" is a tooth as well: what is above a tooth is not above what is canine with others. */
static void test_senses_are_told_apart(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    ng_token_id root, body, animal, canine, canid, tooth, eyetooth, dog, molar;
    for (ng_token_id *
             all[] = {&root, &body, &animal, &canine, &canid, &tooth, &eyetooth, &dog, &molar},
            **each = all;
         each < all + 9; each++)
        **each = put(store, NULL);
    kind(store, body, root);
    kind(store, animal, root);
    kind(store, tooth, body);
    kind(store, canine, animal);
    kind(store, canid, animal);
    kind(store, canine, tooth);
    kind(store, eyetooth, tooth);
    kind(store, molar, tooth);
    synonyms(store, canine, canid);
    synonyms(store, canine, eyetooth);
    kind(store, dog, canine);
    kind(store, dog, canid);
    assert_int_equal(fused(store, dog, animal, 0).hops, 2);
    assert_int_equal(fused(store, dog, molar, 0).hops, 6);    /* by the root */
    assert_int_equal(fused(store, canine, molar, 0).hops, 2); /* itself it may be either */
    assert_ok(ngi_store_close(store));
}

/* Several ways up from one word cost a hop each; by its synonyms, some are known to be of other senses. */
static void test_unknown_senses_cost(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    ng_token_id word, bank, money, river, shore, water, value;
    for (ng_token_id *all[] = {&word, &bank, &money, &river, &shore, &water, &value}, **each = all;
         each < all + 7; each++)
        **each = put(store, NULL);
    kind(store, word, bank);
    kind(store, bank, money);
    kind(store, bank, river);
    kind(store, river, water);
    kind(store, money, value);
    assert_int_equal(fused(store, word, river, 0).hops, 3); /* 1, and 2 for two ways */
    kind(store, shore, river);
    synonyms(store, shore, bank);
    assert_int_equal(fused(store, word, money, 0).hops, 2); /* the other one is the shore's */
    assert_int_equal(fused(store, word, river, 0).hops, NG_FUSED_NO_PATH);
    assert_true(fused(store, word, river, 0).score == 0);
    assert_ok(ngi_store_close(store));
}

static void test_adjectives_and_antonyms(void **state)
{
    static const float x[] = {1, 0, 0, 0, 0, 0}, y[] = {0.9f, 0.1f, 0, 0, 0, 0};
    testing *t = *state;
    ng_store *store = open_store(t);
    ng_token_id hot = put(store, x), cold = put(store, y), warm = put(store, y);
    ng_token_id heated = put(store, NULL), plain = put(store, x);
    join(store, hot, cold, NGI_TYPE_ANTONYM); /* one way is enough */
    join(store, hot, warm, NGI_TYPE_SIMILAR);
    join(store, heated, warm, NGI_TYPE_SIMILAR);
    ng_fused got = fused(store, hot, warm, NG_PLAIN_COSINE);
    assert_true(got.by_links && got.hops == 1 && got.depth == 0); /* one way is enough */
    assert_true(got.score == (got.retrofitted + got.taxonomic) / 2);
    got = fused(store, hot, heated, 0);
    assert_true(got.by_links && !got.by_vectors && got.hops == 2 && got.depth == 0);
    assert_true(fabs(got.score - exp(-0.4)) < 1e-12);
    for (int turn = 0; turn < 2; turn++) {
        got = fused(store, turn ? cold : hot, turn ? hot : cold, NG_PLAIN_COSINE);
        assert_true(got.antonyms && got.retrofitted > 0.9 && got.score == 0);
    }
    got = fused(store, hot, plain, NG_PLAIN_COSINE);
    assert_true(!got.antonyms && !got.by_links && got.linked_a == 1 && got.linked_b == 0);
    assert_true(got.cosine == 1 && got.retrofitted < 1);
    assert_ok(ngi_store_close(store));
}

/* --- cycles and crowds ------------------------------------------------------------------------ */

static void test_cycles_and_crowds(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    ng_token_id first = put(store, NULL), second = put(store, NULL), third = put(store, NULL);
    ng_token_id crowd = put(store, NULL), under = put(store, NULL);
    kind(store, first, second);
    kind(store, second, third);
    kind(store, third, first);
    assert_int_equal(fused(store, first, third, 0).hops, 1);
    for (int i = 0; i < 3000; i++) { /* from some number on, more than the limits of a search */
        ng_token_id above = put(store, NULL);
        kind(store, under, above);
        kind(store, above, crowd);
        if (i == 200)
            assert_int_equal(fused(store, under, crowd, 0).hops, 2);
    }
    ng_fused got;
    assert_int_equal(ngi_mind_similarity_fused(store, under, crowd, NULL, &got), NG_E_ABSENT);
    assert_ok(ngi_store_close(store));
}

/* --- many, and without memory ----------------------------------------------------------------- */

static void test_many(void **state)
{
    testing *t = *state;
    ng_store *store = open_store(t);
    ng_token_id pairs[144][2];
    ng_fused many[144], one;
    size_t found = 7;
    put_animals(store);
    for (size_t i = 0; i < 144; i++) {
        pairs[i][0] = 1 + i / 12;
        pairs[i][1] = i % 12 == 11 ? 0xFFFFF : 1 + i % 12;
    }
    assert_ok(ngi_mind_similarity_fused_many(store, (const ng_token_id(*)[2])pairs, 144, NULL, many,
                                             &found));
    size_t wanted = 0;
    for (size_t i = 0; i < 144; i++) {
        ng_status status = ngi_mind_similarity_fused(store, pairs[i][0], pairs[i][1], NULL, &one);
        wanted += status == NG_OK ? 1 : 0;
        assert_int_equal(isnan(many[i].score), status != NG_OK);
        assert_true(status != NG_OK || (many[i].score == one.score && many[i].hops == one.hops &&
                                        many[i].depth == one.depth));
    }
    assert_int_equal(found, wanted);
    assert_ok(ngi_mind_similarity_fused_many(store, NULL, 0, NULL, NULL, &found));
    assert_int_equal(found, 0);
    const ng_fused_options bad = {.struct_size = sizeof bad, .remove_components = 25};
    assert_int_equal(ngi_mind_similarity_fused(store, 1, 2, &bad, &one), NG_E_INVALID);
    assert_message("remove_components 25 is outside -1..24");
    assert_ok(ngi_store_close(store));
}

static void test_failing_memory(void **state)
{
    testing *t = *state;
    static const float x[] = {1, 0, 0, 2, 0, 0};
    ng_store *store = open_store(t);
    size_t failures = 0;
    put_animals(store);
    ng_token_id a = put(store, x), b = put(store, x);
    kind(store, a, CANINE);
    kind(store, b, CAT);
    (void)fused(store, a, b, NG_PLAIN_COSINE); /* what is derived once */
    for (size_t n = 1;; n++) {
        const ng_fused_options options = {.struct_size = sizeof options,
                                          .remove_components = NG_PLAIN_COSINE};
        ng_fused got;
        t->fail_memory = t->memory_count + n;
        ng_status status = ngi_mind_similarity_fused(store, a, b, &options, &got);
        t->fail_memory = 0;
        if (status == NG_OK)
            break;
        assert_int_equal(status, NG_E_NOMEM);
        assert_true(isnan(got.score));
        failures++;
    }
    assert_true(failures >= 5);
    assert_ok(ngi_store_close(store));
}

/* --- real words ------------------------------------------------------------------------------- */

static double real_score(const ng_store *store, const char *a, const char *b)
{
    ng_token_id x, y;
    assert_ok(ngi_mind_word_find(store, NG_COLLECTION_SEMANTIC, a, strlen(a), &x));
    assert_ok(ngi_mind_word_find(store, NG_COLLECTION_SEMANTIC, b, strlen(b), &y));
    return fused(store, x, y, 0).score;
}

static void test_real_words(void **state)
{
    static const char *const orders[][4] = {
        {"car", "automobile", "car", "banana"}, {"dog", "cat", "dog", "car"},
        {"big", "large", "big", "small"},       {"hot", "warm", "hot", "cold"},
        {"begin", "start", "begin", "end"},     {"coast", "shore", "coast", "string"},
        {"coffee", "tea", "coffee", "wall"},    {"quick", "fast", "quick", "slow"},
        {"happy", "glad", "happy", "sad"},      {"boat", "ship", "boat", "window"}};
    testing *t = *state;
    const char *vectors = getenv("NG_TEST_VECTORS"), *wordnet = getenv("NG_TEST_WORDNET");
    if (vectors == NULL || access(vectors, R_OK) != 0 || wordnet == NULL ||
        access(wordnet, R_OK) != 0)
        skip();
    ng_store *store = open_store(t);
    const ng_bootstrap_options load = {.struct_size = sizeof load, .max_words = REAL_WORDS};
    assert_ok(ngi_mind_bootstrap(store, vectors, &load, NULL));
    assert_ok(ngi_mind_bootstrap(store, wordnet, NULL, NULL));
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const char *const *o = orders[i];
        if (real_score(store, o[0], o[1]) <= real_score(store, o[2], o[3]))
            fail_msg("%s %s is not above %s %s", o[0], o[1], o[2], o[3]);
    }
    assert_true(real_score(store, "ice cream", "frozen dessert") > 0.5); /* without vectors */
    assert_ok(ngi_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_recomputed),
        TEST(test_paths),
        TEST(test_senses_are_told_apart),
        TEST(test_unknown_senses_cost),
        TEST(test_adjectives_and_antonyms),
        TEST(test_cycles_and_crowds),
        TEST(test_many),
        TEST(test_failing_memory),
        TEST(test_real_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
