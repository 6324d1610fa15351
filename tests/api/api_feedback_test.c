/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Feedback through the public header: that it changes the next answer and no other, lasts, is bounded,
 * counts once, and is taken back. That ranks with priors are exact is tested beside the code
 * (src/mind/mind_recall_test.c). */
#include "api_support.h"

#include "test_directory.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define IS_A 0x00
#define NEAR_TO 0x50

static ng_token_id add(ng_store *store, const char *label, float a, float b)
{
    const float vector[2] = {a, b};
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL | (a != 0.0f || b != 0.0f ? NG_FIELD_VECTOR : 0);
    fields.collection = NG_COLLECTION_SEMANTIC;
    fields.label = label;
    fields.label_bytes = strlen(label);
    fields.vector = vector;
    fields.vector_dimensions = 2;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static ng_connection_id join(ng_store *store, ng_token_id source, ng_token_id target,
                             ng_mutability mutability)
{
    ng_connection_id id = 0;
    const ng_connection_fields fields = {.struct_size = sizeof fields,
                                         .source = source,
                                         .target = target,
                                         .set =
                                             NG_CFIELD_TYPE | NG_CFIELD_MUTABILITY | NG_CFIELD_PULL,
                                         .type = mutability == NG_IMMUTABLE ? IS_A : NEAR_TO,
                                         .mutability = (uint8_t)mutability,
                                         .pull_strength = 1};
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    return id;
}

/* What the tests ask about: by meaning "coffee" finds tea, cup, mug and milk, in this order. */
typedef struct shop {
    ng_store *store;
    ng_token_id coffee, tea, cup, mug, milk, sugar, bean;
} shop;

static void shop_fill(shop *s)
{
    s->coffee = add(s->store, "coffee", 1, 0);
    s->tea = add(s->store, "tea", 1, 0.1f);
    s->cup = add(s->store, "cup", 1, 0.4f);
    s->mug = add(s->store, "mug", 1, 0.5f);
    s->milk = add(s->store, "milk", 1, 0.6f);
    s->sugar = add(s->store, "sugar", 0.2f, 1);
    s->bean = add(s->store, "bean", 0, 0);
}

static shop shop_open(void)
{
    shop s = {.store = api_memory_store()};
    shop_fill(&s);
    return s;
}

static ng_query_result *ask(const ng_store *store, const char *text, uint32_t limit)
{
    const ng_query_options options = {.struct_size = sizeof options,
                                      .remove_components = NG_PLAIN_COSINE,
                                      .limit = limit};
    ng_query_result *result = NULL;
    ASSERT_OK(ng_query(store, text, &options, &result));
    return result;
}

static const ng_query_hit *hit_of(const ng_query_result *result, ng_token_id id)
{
    for (size_t i = 0; i < result->hit_count; i++)
        if (result->hits[i].id == id)
            return &result->hits[i];
    return NULL;
}

static double prior_of(const ng_store *store, const char *text, ng_token_id id)
{
    ng_query_result *result = ask(store, text, 100);
    const ng_query_hit *hit = hit_of(result, id);
    double prior = hit != NULL ? hit->prior : 0;
    ng_query_result_destroy(result);
    return prior;
}

static ng_token_id best(const ng_store *store, const char *text)
{
    ng_query_result *result = ask(store, text, 1);
    ng_token_id id = result->hit_count > 0 ? result->hits[0].id : 0;
    ng_query_result_destroy(result);
    return id;
}

static ng_feedback_options plain(const char *text, ng_feedback_type type, ng_token_id hit)
{
    return (ng_feedback_options){.struct_size = sizeof(ng_feedback_options),
                                 .text = text,
                                 .type = type,
                                 .hit = hit};
}

static ng_feedback_result *give(ng_store *store, const ng_feedback_options *options)
{
    ng_feedback_result *result = NULL;
    ASSERT_OK(ng_feedback(store, options, NULL, &result));
    assert_non_null(result);
    assert_int_equal(result->count, 1);
    return result;
}

/* Gives feedback and returns its number. */
static uint64_t say(ng_store *store, const char *text, ng_feedback_type type, ng_token_id hit)
{
    const ng_feedback_options options = plain(text, type, hit);
    ng_feedback_result *result = give(store, &options);
    uint64_t id = result->items[0].id;
    ng_feedback_result_destroy(result);
    return id;
}

/* As an answer to a question that was just asked: every time counts. */
static void say_again(ng_store *store, const char *text, ng_feedback_type type, ng_token_id hit)
{
    ng_query_result *asked = ask(store, text, 3);
    ng_feedback_options options = plain(NULL, type, hit);
    options.signal = asked->signal;
    ng_feedback_result_destroy(give(store, &options));
    ng_query_result_destroy(asked);
}

static void assert_near(double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-7))
        fail_msg("%.9g is not %.9g", got, wanted);
}

static uint64_t count_given(const ng_store *store)
{
    ng_feedback_result *list = NULL;
    ASSERT_OK(ng_feedback_list(store, 0, 1000, &list));
    uint64_t count = list->count;
    ng_feedback_result_destroy(list);
    return count;
}

/* --- what it changes ------------------------------------------------------------------------- */

static void test_the_next_answer_is_another(void **state)
{
    (void)state;
    shop s = shop_open();
    assert_int_equal(best(s.store, "coffee"), s.tea);
    ng_feedback_options options = plain("coffee", NG_FEEDBACK_POSITIVE, s.cup);
    ng_feedback_result *result = give(s.store, &options);
    const ng_feedback_info *info = &result->items[0];
    assert_false(result->is_repeated);
    assert_int_equal(info->id, 1);
    assert_string_equal(info->text, "coffee");
    assert_int_equal(info->hit, s.cup);
    assert_int_equal(info->effect_count, 1);
    assert_int_equal(info->effects[0].kind, NG_EFFECT_PRIOR);
    assert_int_equal(info->effects[0].token, s.cup);
    assert_near(info->effects[0].before, 0);
    assert_near(info->effects[0].after, 0.1);
    ng_feedback_result_destroy(result);
    ng_query_result *answer = ask(s.store, "coffee", 10);
    const ng_query_hit *cup = hit_of(answer, s.cup);
    assert_int_equal(answer->hits[0].id, s.cup);
    assert_near(cup->prior, 0.1);
    assert_near(cup->score, 1 / sqrt(1.16) + 0.1);
    assert_near(hit_of(answer, s.tea)->prior, 0);
    ng_query_result_destroy(answer);
    say(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.tea);
    answer = ask(s.store, "coffee", 10);
    assert_near(hit_of(answer, s.tea)->prior, -0.1);
    assert_int_equal(answer->hits[0].id, s.cup);
    ng_query_result_destroy(answer);
    ASSERT_OK(ng_close(s.store));
}

static void test_a_cue_is_what_was_asked_for(void **state)
{
    static const char *const same[] = {"COFFEE - sugar", "-sugar", "- sugar + coffee",
                                       "2*coffee - 2*sugar", "coffee + coffee - 2*sugar"};
    static const char *const others[] = {"coffee",           "coffee + sugar", "sugar - coffee",
                                         "2*coffee - sugar", "tea - sugar",    "coffee sugar milk"};
    (void)state;
    shop s = shop_open();
    say(s.store, "coffee - sugar", NG_FEEDBACK_POSITIVE, s.cup);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(same[i], "-sugar") != 0) /* a word of its own */
            assert_near(prior_of(s.store, same[i], s.cup), 0.1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_near(prior_of(s.store, others[i], s.cup), 0);
    ng_feedback_result *list = NULL;
    ASSERT_OK(ng_feedback_list(s.store, 0, 10, &list));
    assert_string_equal(list->items[0].text, "coffee - sugar");
    ng_feedback_result_destroy(list);
    ASSERT_OK(ng_close(s.store));
}

static void test_a_correction_is_both(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_connection_id wrong = join(s.store, s.coffee, s.tea, NG_LEARNABLE);
    ng_connection_id right = join(s.store, s.bean, s.coffee, NG_HYPOTHESIS);
    ng_feedback_options options = plain("coffee", NG_FEEDBACK_CORRECTION, s.tea);
    options.correct = s.bean;
    ng_feedback_result *result = give(s.store, &options);
    const ng_feedback_info *info = &result->items[0];
    assert_int_equal(info->effect_count, 4);
    assert_int_equal(info->correct, s.bean);
    for (size_t i = 0; i < info->effect_count; i++) {
        const ng_feedback_effect *effect = &info->effects[i];
        bool falls = effect->token == s.tea || effect->connection == wrong;
        assert_true(falls ? effect->after < effect->before : effect->after > effect->before);
        assert_true(falls || effect->token == s.bean || effect->connection == right);
    }
    ng_feedback_result_destroy(result);
    ng_query_result *answer = ask(s.store, "coffee", 10);
    assert_near(hit_of(answer, s.tea)->prior, -0.1);
    assert_near(hit_of(answer, s.bean)->prior,
                0.1); /* without a vector it is found by that alone */
    assert_near(hit_of(answer, s.bean)->score, 0.1);
    ng_query_result_destroy(answer);
    ASSERT_OK(ng_close(s.store));
}

static void test_links_learn_by_their_rule(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_connection before, after;
    ng_connection_id learns = join(s.store, s.cup, s.coffee, NG_LEARNABLE);
    ng_connection_id fixed = join(s.store, s.coffee, s.cup, NG_IMMUTABLE);
    ng_connection_id subtracted = join(s.store, s.sugar, s.cup, NG_LEARNABLE);
    ng_connection fixed_before, subtracted_before;
    ASSERT_OK(ng_connection_get(s.store, learns, &before));
    ASSERT_OK(ng_connection_get(s.store, fixed, &fixed_before));
    ASSERT_OK(ng_connection_get(s.store, subtracted, &subtracted_before));
    say(s.store, "coffee - sugar", NG_FEEDBACK_POSITIVE, s.cup);
    ASSERT_OK(ng_connection_get(s.store, learns, &after));
    assert_int_equal(after.confidence, before.confidence + before.learning_rate);
    assert_int_equal(after.evidence_count, before.evidence_count + 1);
    assert_true(after.flags & NG_CONNECTION_MODIFIED);
    before = after;
    say(s.store, "coffee - sugar", NG_FEEDBACK_NEGATIVE, s.cup);
    ASSERT_OK(ng_connection_get(s.store, learns, &after));
    assert_int_equal(after.confidence, before.confidence - before.learning_rate / 2);
    assert_int_equal(after.evidence_count, before.evidence_count);
    ASSERT_OK(ng_connection_get(s.store, fixed, &after));
    assert_memory_equal(&after, &fixed_before, sizeof after);
    ASSERT_OK(ng_connection_get(s.store, subtracted, &after));
    assert_memory_equal(&after, &subtracted_before, sizeof after);
    ASSERT_OK(ng_close(s.store));
}

/* By relation alone: coffee -> cup -> bean. */
static ng_recall_result *recall_through(const shop *s)
{
    const ng_recall_through through = {.from = &s->coffee, .from_count = 1, .max_hops = 2};
    const ng_recall_options options = {.struct_size = sizeof options, .through = &through};
    ng_recall_result *result = NULL;
    ASSERT_OK(ng_recall(s->store, &options, &result));
    return result;
}

static void test_the_path_of_a_recall_learns(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_connection_id first = join(s.store, s.coffee, s.cup, NG_LEARNABLE);
    ng_connection_id second = join(s.store, s.cup, s.bean, NG_LEARNABLE);
    ng_recall_result *answer = recall_through(&s);
    assert_int_equal(answer->hit_count, 2);
    double score = answer->hits[1].score;
    ng_feedback_options options = plain(NULL, NG_FEEDBACK_POSITIVE, s.bean);
    options.signal = answer->signal;
    ng_feedback_result *result = give(s.store, &options);
    assert_int_equal(result->items[0].effect_count, 2); /* nothing was asked in words: no prior */
    assert_int_equal(result->items[0].effects[0].connection, first);
    assert_int_equal(result->items[0].effects[1].connection, second);
    ng_feedback_result_destroy(result);
    ng_recall_result_destroy(answer);
    answer = recall_through(&s);
    assert_int_equal(answer->hits[1].id, s.bean);
    assert_true(answer->hits[1].score > score);
    ng_recall_result_destroy(answer);
    options.signal = NULL;
    options.text = "coffee";
    options.connections = &second; /* the same, said by hand */
    options.connection_count = 1;
    result = give(s.store, &options);
    assert_int_equal(result->items[0].effect_count, 2);
    ng_feedback_result_destroy(result);
    ASSERT_OK(ng_close(s.store));
}

static void test_a_recall_has_the_same_prior(void **state)
{
    (void)state;
    shop s = shop_open();
    say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.cup);
    ng_recall_options options = {.struct_size = sizeof options,
                                 .text = "coffee",
                                 .remove_components = NG_PLAIN_COSINE,
                                 .explain = true};
    for (int by_example = 0; by_example < 2; by_example++) {
        ng_recall_result *answer = NULL;
        bool told = false;
        ASSERT_OK(ng_recall(s.store, &options, &answer));
        assert_int_equal(answer->hits[0].id, s.cup);
        assert_near(answer->hits[0].prior, 0.1);
        assert_near(answer->hits[0].score, answer->hits[0].parts[NG_RECALL_MEANING] + 0.1);
        for (size_t i = 0; i < answer->step_count; i++)
            told |= strcmp(answer->steps[i].name, "prior") == 0;
        assert_true(told);
        ng_recall_result_destroy(answer);
        options.text = NULL;
        options.tokens = &s.coffee;
        options.token_count = 1;
    }
    ASSERT_OK(ng_close(s.store));
}

static void test_limits_and_exclusions_hold(void **state)
{
    (void)state;
    shop s = shop_open();
    say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.milk);
    say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.coffee); /* asked for: left out */
    ng_query_result *answer = ask(s.store, "coffee", 1);
    assert_int_equal(answer->hit_count, 1);
    assert_int_equal(answer->hits[0].id, s.tea);
    ng_query_result_destroy(answer);
    say_again(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.milk);
    assert_int_equal(best(s.store, "coffee"), s.milk);
    ng_query_options options = {.struct_size = sizeof options,
                                .remove_components = NG_PLAIN_COSINE,
                                .include_query_words = true,
                                .by_threshold = true,
                                .threshold = 1.001};
    ASSERT_OK(ng_query(s.store, "coffee", &options, &answer));
    assert_int_equal(answer->hit_count, 2); /* only what a prior lifts above 1 */
    assert_int_equal(answer->hits[0].id, s.coffee);
    assert_int_equal(answer->hits[1].id, s.milk);
    ng_query_result_destroy(answer);
    const ng_filter filter = {.struct_size = sizeof filter, .exclude = s.milk};
    options = (ng_query_options){.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE,
                                 .filter = &filter};
    ASSERT_OK(ng_query(s.store, "coffee", &options, &answer));
    assert_null(hit_of(answer, s.milk));
    ng_query_result_destroy(answer);
    ASSERT_OK(ng_token_delete(s.store, s.milk, NULL));
    assert_int_equal(best(s.store, "coffee"), s.tea);
    ASSERT_OK(ng_close(s.store));
}

/* --- how often it counts --------------------------------------------------------------------- */

static void test_once_for_one_answer(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_query_result *asked = ask(s.store, "coffee", 3);
    ng_feedback_options options = plain(NULL, NG_FEEDBACK_NEGATIVE, 0); /* its first hit */
    uint64_t hash = 0, again = 0;
    ng_seq seq = 7;
    const ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    options.signal = asked->signal;
    ng_feedback_result *first = give(s.store, &options);
    assert_int_equal(first->items[0].hit, s.tea);
    assert_string_equal(first->items[0].signal, asked->signal);
    ASSERT_OK(ng_state_hash(s.store, &hash));
    ng_feedback_result *second = NULL;
    options.text = "coffee"; /* the same, said in more words */
    options.hit = s.tea;
    ASSERT_OK(ng_feedback(s.store, &options, &write, &second));
    ASSERT_OK(ng_state_hash(s.store, &again));
    assert_int_equal(hash, again);
    assert_int_equal(seq, 0);
    assert_true(second->is_repeated);
    assert_int_equal(second->items[0].id, first->items[0].id);
    assert_int_equal(second->items[0].effect_count, 1);
    ng_feedback_result_destroy(first);
    ng_feedback_result_destroy(second);
    options.type = NG_FEEDBACK_POSITIVE; /* another opinion is another feedback */
    second = give(s.store, &options);
    assert_false(second->is_repeated);
    ng_feedback_result_destroy(second);
    assert_int_equal(count_given(s.store), 2);
    ng_query_result_destroy(asked);
    say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.mug);
    say(s.store, "Coffee", NG_FEEDBACK_POSITIVE, s.mug); /* without a signal: once for a question */
    assert_near(prior_of(s.store, "coffee", s.mug), 0.1);
    ASSERT_OK(ng_close(s.store));
}

static void test_a_thousand_are_bounded(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_connection record;
    ng_connection_id link = join(s.store, s.coffee, s.milk, NG_LEARNABLE);
    double last = 0;
    for (int i = 0; i < 1000; i++) {
        say_again(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.milk);
        double prior = prior_of(s.store, "coffee", s.milk);
        assert_true(prior >= last && prior <= 0.2);
        last = prior;
    }
    assert_near(last, 0.2);
    ASSERT_OK(ng_connection_get(s.store, link, &record));
    assert_int_equal(record.confidence, 255);
    assert_int_equal(record.evidence_count, 1000);
    ASSERT_OK(ng_connection_delete(s.store, link, NULL));
    uint64_t count = 0, more = 0;
    ASSERT_OK(ng_token_count(s.store, NG_COLLECTION_ANY, false, &count));
    say_again(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.milk); /* nothing is left to change */
    ASSERT_OK(ng_token_count(s.store, NG_COLLECTION_ANY, false, &more));
    assert_int_equal(count, more);
    say_again(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.milk);
    assert_near(prior_of(s.store, "coffee", s.milk), 0);
    ASSERT_OK(ng_close(s.store));
}

static void test_strength_and_limit(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_feedback_options options = plain("coffee", NG_FEEDBACK_POSITIVE, s.mug);
    options.strength = 0.5;
    options.limit = 1;
    ng_feedback_result_destroy(give(s.store, &options));
    assert_near(prior_of(s.store, "coffee", s.mug), 0.25);
    options.type = NG_FEEDBACK_NEGATIVE;
    options.strength = 0;
    options.limit = 0;
    ng_feedback_result_destroy(give(s.store, &options));
    assert_near(prior_of(s.store, "coffee", s.mug), 0.025);
    ASSERT_OK(ng_close(s.store));
}

static void test_a_cue_has_64_priors(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_token_id ids[65];
    for (int i = 0; i < 65; i++) {
        char label[16];
        snprintf(label, sizeof label, "word%d", i);
        ids[i] = add(s.store, label, 1, 1);
        ng_feedback_options options = plain("coffee", NG_FEEDBACK_POSITIVE, ids[i]);
        ng_feedback_result *result = NULL;
        if (i < 64)
            ng_feedback_result_destroy(give(s.store, &options));
        else
            ASSERT_FAILS(ng_feedback(s.store, &options, NULL, &result), NG_E_LIMIT, "64");
    }
    ASSERT_OK(ng_token_delete(s.store, ids[5], NULL)); /* whose prior makes room */
    say(s.store, "coffee", NG_FEEDBACK_POSITIVE, ids[64]);
    assert_near(prior_of(s.store, "coffee", ids[64]), 0.1);
    assert_near(prior_of(s.store, "coffee", ids[0]), 0.1);
    ASSERT_OK(ng_close(s.store));
}

static void test_the_last_128_answers_are_known(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_query_result *old = ask(s.store, "coffee", 3), *kept = ask(s.store, "coffee", 3);
    ng_feedback_options options = plain(NULL, NG_FEEDBACK_POSITIVE, 0);
    ng_feedback_result *result = NULL;
    assert_string_not_equal(old->signal, kept->signal);
    for (int i = 0; i < 127; i++)
        ng_query_result_destroy(ask(s.store, "tea", 3));
    options.signal = old->signal;
    ASSERT_FAILS(ng_feedback(s.store, &options, NULL, &result), NG_E_NOT_FOUND, "last 128");
    options.signal = kept->signal;
    ng_feedback_result_destroy(give(s.store, &options));
    options.signal = old->signal; /* with the question it is as good as ever */
    options.text = "coffee";
    options.hit = s.cup;
    ng_feedback_result_destroy(give(s.store, &options));
    ng_query_result_destroy(old);
    ng_query_result_destroy(kept);
    ASSERT_OK(ng_close(s.store));
}

static void test_an_answer_without_hits(void **state)
{
    (void)state;
    ng_store *store = api_memory_store();
    add(store, "alone", 1, 0);
    ng_query_result *asked = ask(store, "alone", 3);
    ng_feedback_options options = plain(NULL, NG_FEEDBACK_POSITIVE, 0);
    ng_feedback_result *result = NULL;
    options.signal = asked->signal;
    ASSERT_FAILS(ng_feedback(store, &options, NULL, &result), NG_E_ABSENT, "hit");
    ng_query_result_destroy(asked);
    ASSERT_OK(ng_close(store));
}

static void test_a_million_tokens_are_enough(void **state)
{
    enum { BATCH = 4000 };
    static ng_token_fields fields[BATCH];
    static ng_token_id ids[BATCH];
    (void)state;
    shop s = shop_open();
    ng_collection_id collection;
    uint64_t first = say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.cup); /* three of them */
    ASSERT_OK(ng_collection_find(s.store, "feedback", &collection));
    for (int i = 0; i < BATCH; i++)
        fields[i] = (ng_token_fields){.struct_size = sizeof fields[i], .collection = collection};
    for (int i = 0; i < 1000000 / BATCH - 1; i++)
        ASSERT_OK(ng_token_create_many(s.store, fields, BATCH, NULL, ids));
    ASSERT_OK(ng_token_create_many(s.store, fields, BATCH - 6, NULL, ids));
    uint64_t last = say(s.store, "tea", NG_FEEDBACK_POSITIVE, s.cup); /* one cue, one given */
    ng_feedback_options options = plain("milk", NG_FEEDBACK_POSITIVE, s.cup);
    ng_feedback_result *result = NULL;
    ASSERT_FAILS(ng_feedback(s.store, &options, NULL, &result), NG_E_LIMIT, "999999", "1000000");
    ASSERT_OK(ng_feedback_undo(s.store, first, NULL, NULL));
    ng_feedback_result_destroy(give(s.store, &options));
    ASSERT_OK(ng_feedback_undo(s.store, last, NULL, NULL));
    ASSERT_OK(ng_close(s.store));
}

/* --- undo ------------------------------------------------------------------------------------ */

static void test_undo_restores_to_the_bit(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_connection before, after;
    ng_connection_id link = join(s.store, s.coffee, s.tea, NG_LEARNABLE);
    ASSERT_OK(ng_connection_get(s.store, link, &before));
    ng_query_result *answer = ask(s.store, "coffee", 10);
    uint64_t id = say(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.tea);
    uint64_t other = say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.mug);
    assert_int_equal(best(s.store, "coffee"), s.mug);
    ng_feedback_result *undone = NULL;
    ASSERT_OK(ng_feedback_undo(s.store, id, NULL, &undone));
    assert_int_equal(undone->count, 1);
    assert_int_equal(undone->items[0].effect_count, 2);
    assert_true(undone->items[0].effects[0].is_restored);
    assert_true(undone->items[0].effects[1].is_restored);
    ng_feedback_result_destroy(undone);
    ASSERT_OK(ng_connection_get(s.store, link, &after));
    assert_memory_equal(&before, &after, sizeof after);
    assert_near(prior_of(s.store, "coffee", s.tea), 0);
    assert_near(prior_of(s.store, "coffee", s.mug), 0.1);
    ASSERT_FAILS(ng_feedback_undo(s.store, id, NULL, NULL), NG_E_NOT_FOUND, "feedback 1 not found");
    ASSERT_OK(ng_feedback_undo(s.store, other, NULL, NULL));
    ng_query_result *now = ask(s.store, "coffee", 10);
    assert_int_equal(now->hit_count, answer->hit_count);
    for (size_t i = 0; i < now->hit_count; i++) {
        assert_int_equal(now->hits[i].id, answer->hits[i].id);
        assert_true(now->hits[i].score == answer->hits[i].score);
    }
    ng_query_result_destroy(now);
    ng_query_result_destroy(answer);
    assert_int_equal(say(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.tea),
                     3); /* it may be given again */
    ng_collection_id collection;
    uint64_t count;
    ASSERT_OK(ng_feedback_undo(s.store, 3, NULL, NULL));
    ASSERT_OK(ng_collection_find(s.store, "feedback", &collection));
    ASSERT_OK(ng_token_count(s.store, collection, false, &count));
    assert_int_equal(count, 1); /* the number given last is all that is left */
    ASSERT_OK(ng_close(s.store));
}

static void test_undo_says_what_it_leaves(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_connection_id link = join(s.store, s.coffee, s.tea, NG_LEARNABLE);
    ng_connection_id gone = join(s.store, s.tea, s.coffee, NG_LEARNABLE);
    uint64_t id = say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.tea);
    const ng_connection_fields fields = {.struct_size = sizeof fields,
                                         .set = NG_CFIELD_CONFIDENCE,
                                         .confidence = 0.25f};
    ASSERT_OK(ng_connection_update(s.store, link, &fields, NULL));
    ASSERT_OK(ng_connection_delete(s.store, gone, NULL));
    ng_feedback_result *undone = NULL;
    ASSERT_OK(ng_feedback_undo(s.store, id, NULL, &undone));
    assert_int_equal(undone->items[0].effect_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(undone->items[0].effects[i].is_restored ==
                    (undone->items[0].effects[i].kind == NG_EFFECT_PRIOR));
    ng_feedback_result_destroy(undone);
    ng_connection record;
    ASSERT_OK(ng_connection_get(s.store, link, &record));
    assert_int_equal(record.confidence, 64);
    id = say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.cup);
    say_again(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.cup);
    ASSERT_OK(ng_feedback_undo(s.store, id, NULL, &undone));
    assert_false(undone->items[0].effects[0].is_restored);
    ng_feedback_result_destroy(undone);
    assert_near(prior_of(s.store, "coffee", s.cup), 0.15);
    ASSERT_OK(ng_close(s.store));
}

/* --- list ------------------------------------------------------------------------------------ */

static void test_list_newest_first(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_feedback_result *list = NULL;
    ASSERT_OK(ng_feedback_list(s.store, 0, 10, &list));
    assert_int_equal(list->count, 0);
    ng_feedback_result_destroy(list);
    ng_seq seq = 0;
    const ng_write_options write = {.struct_size = sizeof write, .seq = &seq, .actor = 42};
    ng_feedback_options options = plain("tea", NG_FEEDBACK_POSITIVE, s.cup);
    ng_feedback_result *result = NULL;
    ASSERT_OK(ng_feedback(s.store, &options, &write, &result));
    assert_int_equal(result->items[0].seq, seq);
    ng_feedback_result_destroy(result);
    say(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.tea);
    say(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.milk);
    ASSERT_OK(ng_feedback_undo(s.store, 2, NULL, NULL));
    ASSERT_OK(ng_feedback_list(s.store, 0, 10, &list));
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[0].id, 3);
    const ng_feedback_info *info = &list->items[1];
    assert_int_equal(info->id, 1);
    assert_int_equal(info->actor, 42);
    assert_int_equal(info->seq, seq);
    assert_true(info->time_us > 0 && info->time_us <= list->items[0].time_us);
    assert_string_equal(info->text, "tea");
    assert_int_equal(info->type, NG_FEEDBACK_POSITIVE);
    assert_near(info->strength, 1);
    assert_int_equal(info->effect_count, 1);
    ng_feedback_result_destroy(list);
    ASSERT_OK(ng_feedback_list(s.store, 0, 1, &list));
    assert_int_equal(list->count, 1);
    assert_int_equal(list->items[0].id, 3);
    ng_feedback_result_destroy(list);
    ASSERT_OK(ng_feedback_list(s.store, 3, 10, &list));
    assert_int_equal(list->count, 1);
    assert_int_equal(list->items[0].id, 1);
    ng_feedback_result_destroy(list);
    ASSERT_FAILS(ng_feedback_list(s.store, 0, 0, &list), NG_E_INVALID, "limit 0");
    ASSERT_FAILS(ng_feedback_list(s.store, 0, 1001, &list), NG_E_INVALID, "limit 1001");
    ASSERT_OK(ng_close(s.store));
    ng_feedback_result_destroy(NULL);
}

/* --- what is refused ------------------------------------------------------------------------- */

#define REFUSED(status, ...) ASSERT_FAILS(ng_feedback(s.store, &o, NULL, &r), status, __VA_ARGS__)

static void test_arguments(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_feedback_result *r = NULL;
    ng_connection_id links[33] = {0};
    ng_token_id unknown = 999;
    ng_query_result *asked = ask(s.store, "coffee", 3);
    ng_feedback_options o = plain(NULL, NG_FEEDBACK_POSITIVE, s.tea), good;
    REFUSED(NG_E_INVALID, "signal, text or tokens");
    good = o = plain("coffee", NG_FEEDBACK_POSITIVE, s.tea);
    o.struct_size = 1;
    REFUSED(NG_E_INVALID, "struct_size");
    o = good;
    o.type = 0;
    REFUSED(NG_E_INVALID, "type 0");
    o.type = 4;
    REFUSED(NG_E_INVALID, "type 4");
    o = good;
    o.tokens = &s.coffee;
    o.token_count = 1;
    REFUSED(NG_E_INVALID, "one of text and tokens");
    o.text = NULL;
    o.token_count = 0;
    REFUSED(NG_E_INVALID, "token_count 0");
    o.token_count = 65;
    REFUSED(NG_E_INVALID, "token_count 65");
    o.token_count = 1;
    o.tokens = &unknown;
    REFUSED(NG_E_NOT_FOUND, "000003E7");
    o = good;
    o.connection_count = 1;
    REFUSED(NG_E_INVALID, "connection_count 1");
    o.connections = links;
    o.connection_count = 33;
    REFUSED(NG_E_INVALID, "connection_count 33");
    o.connection_count = 1;
    REFUSED(NG_E_NOT_FOUND, "connection 0");
    const double bad[] = {-0.1, 1.5, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < 4; i++) {
        o = good;
        o.strength = bad[i];
        REFUSED(NG_E_INVALID, "strength");
        o = good;
        o.limit = bad[i];
        REFUSED(NG_E_INVALID, "limit");
    }
    o = good;
    o.correct = s.cup;
    REFUSED(NG_E_INVALID, "correct");
    o.type = NG_FEEDBACK_CORRECTION;
    o.correct = 0;
    REFUSED(NG_E_INVALID, "correct");
    o.correct = s.tea;
    REFUSED(NG_E_INVALID, "the hit itself");
    o.correct = 999;
    REFUSED(NG_E_NOT_FOUND, "correct", "000003E7");
    o = good;
    o.hit = 999;
    REFUSED(NG_E_NOT_FOUND, "hit", "000003E7");
    o.hit = 0;
    REFUSED(NG_E_INVALID, "hit");
    o = good;
    o.text = "wibblewobble";
    REFUSED(NG_E_NOT_FOUND, "wibblewobble");
    o.text = "";
    REFUSED(NG_E_INVALID, "empty");
    o = good;
    o.signal = asked->signal;
    o.text = "tea";
    REFUSED(NG_E_INVALID, "another question");
    static const char *const signals[] = {"",
                                          "x",
                                          "00000000-0000-4000-8000-000000000000",
                                          "00000000-0000-8000-0000-000000000000",
                                          "00000000-0000-8000-8000-00000000000g",
                                          "00000000-0000-8000-8000-0000000000000",
                                          "0000000000000-8000-8000-000000000000"};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        o.signal = signals[i];
        REFUSED(NG_E_INVALID, "is not that of an answer");
    }
    o.text = NULL;
    o.signal = "00000000-0000-8001-8000-000000000001";
    REFUSED(NG_E_NOT_FOUND, "last 128 answers");
    ASSERT_FAILS(ng_feedback(NULL, &good, NULL, &r), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_feedback(s.store, NULL, NULL, &r), NG_E_INVALID, "options");
    ASSERT_FAILS(ng_feedback(s.store, &good, NULL, NULL), NG_E_INVALID, "out");
    const ng_write_options versioned = {.struct_size = sizeof versioned, .if_version = 1};
    ASSERT_FAILS(ng_feedback(s.store, &good, &versioned, &r), NG_E_INVALID, "if_version");
    ASSERT_FAILS(ng_feedback_undo(s.store, 1, NULL, &r), NG_E_NOT_FOUND, "feedback 1 not found");
    ASSERT_FAILS(ng_feedback_undo(NULL, 1, NULL, &r), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_feedback_list(NULL, 0, 1, &r), NG_E_INVALID, "store");
    ASSERT_FAILS(ng_feedback_list(s.store, 0, 1, NULL), NG_E_INVALID, "out");
    assert_null(r);
    ng_query_result_destroy(asked);
    assert_near(prior_of(s.store, "coffee", s.tea), 0);
    ASSERT_OK(ng_close(s.store));
}

static void test_a_condition_on_the_seq(void **state)
{
    (void)state;
    shop s = shop_open();
    ng_seq seq = 0;
    ng_feedback_result *result = NULL;
    ng_write_options write = {.struct_size = sizeof write, .if_seq = 1};
    const ng_feedback_options options = plain("coffee", NG_FEEDBACK_POSITIVE, s.tea);
    ASSERT_FAILS(ng_feedback(s.store, &options, &write, &result), NG_E_CONFLICT, "seq");
    ng_positions(s.store, &seq, NULL);
    write.if_seq = seq; /* also when the collection is made for it */
    ASSERT_OK(ng_feedback(s.store, &options, &write, &result));
    ng_feedback_result_destroy(result);
    ASSERT_FAILS(ng_feedback_undo(s.store, 1, &write, NULL), NG_E_CONFLICT, "seq");
    ng_positions(s.store, &write.if_seq, NULL);
    ASSERT_OK(ng_feedback_undo(s.store, 1, &write, NULL));
    ASSERT_OK(ng_close(s.store));
}

static void test_names(void **state)
{
    (void)state;
    ng_feedback_type type;
    assert_string_equal(ng_feedback_type_name(NG_FEEDBACK_CORRECTION), "correction");
    assert_null(ng_feedback_type_name(0));
    assert_null(ng_feedback_type_name(4));
    ASSERT_OK(ng_feedback_type_parse("Positive", &type));
    assert_int_equal(type, NG_FEEDBACK_POSITIVE);
    ASSERT_FAILS(ng_feedback_type_parse("good", &type), NG_E_INVALID, "\"good\"", "correction");
    ASSERT_FAILS(ng_feedback_type_parse(NULL, &type), NG_E_INVALID, "NULL");
}

/* --- what others write ----------------------------------------------------------------------- */

/* Payloads that are not what feedback writes: they are not there, and never a crash. */
static void test_payloads_are_not_trusted(void **state)
{
    static const char *const payloads[] = {
        "",
        "[]",
        "{",
        "{\"priors\":[[2,100000000]]}",
        "{\"terms\":[[1,1000000]],\"priors\":7}",
        "{\"terms\":[[1,1000000]],\"priors\":[[2,1e3]]}",
        "{\"terms\":[[1,1000000]],\"priors\":[[2,5000000000]]}",
        "{\"terms\":[[1,1000000]],\"priors\":[[2,1],[2,1]]}",
        "{\"terms\":[[1,1000000],[1,1000000]],\"priors\":[[2,1]]}",
        "{\"terms\":[[1,1000000]],\"priors\":[[2,0]]}",
        "{\"terms\":[[1,1000000]],\"priors\":[[2,1,1]]}",
        "{\"terms\":[[1,1000000]],\"priors\":[[1,2,3,4,5,6,7,8,9,10,11,12,13,14]]}",
        "{\"terms\":[[2,1000000]],\"priors\":[[2,1]]}",
        "{\"terms\":[[1,99999999999999999999999]],\"priors\":[[2,1]]}"};
    (void)state;
    shop s = shop_open();
    say(s.store, "coffee", NG_FEEDBACK_POSITIVE, s.tea);
    ng_collection_id collection;
    ng_token_id ids[8];
    size_t count = 0;
    ASSERT_OK(ng_collection_find(s.store, "feedback", &collection));
    ASSERT_OK(ng_token_list(s.store, collection, 0, ids, 8, &count));
    assert_int_equal(count, 3); /* the cue, what was given, the number */
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        ng_token_fields fields = api_fields();
        fields.set = NG_FIELD_DATA;
        fields.data = payloads[i];
        fields.data_bytes = strlen(payloads[i]);
        for (size_t k = 0; k < count; k++)
            ASSERT_OK(ng_token_update(s.store, ids[k], &fields, NULL));
        assert_near(prior_of(s.store, "coffee", s.tea), 0);
        assert_int_equal(count_given(s.store), 0);
        ng_feedback_result *result = NULL;
        const ng_feedback_options options = plain("coffee", NG_FEEDBACK_NEGATIVE, s.tea);
        ASSERT_FAILS(ng_feedback(s.store, &options, NULL, &result), NG_E_INVALID, "another one's");
        ASSERT_FAILS(ng_feedback_undo(s.store, 1, NULL, NULL), NG_E_NOT_FOUND, "");
    }
    uint64_t deleted = 0;
    ASSERT_OK(ng_collection_clear(s.store, collection, NULL, &deleted)); /* forgets it all */
    assert_int_equal(deleted, 3);
    assert_int_equal(say(s.store, "coffee", NG_FEEDBACK_NEGATIVE, s.tea), 1);
    ASSERT_OK(ng_close(s.store));
}

/* --- durable --------------------------------------------------------------------------------- */

static void test_it_lasts(void **state)
{
    (void)state;
    char *path = test_directory_create();
    char store_path[256], copies[256], restored[256];
    snprintf(store_path, sizeof store_path, "%s/store", path);
    snprintf(copies, sizeof copies, "%s/copies", path);
    snprintf(restored, sizeof restored, "%s/restored", path);
    shop s = {0};
    ASSERT_OK(ng_open(store_path, NULL, &s.store));
    shop_fill(&s);
    ng_query_result *asked = ask(s.store, "coffee", 3);
    ng_feedback_options options = plain(NULL, NG_FEEDBACK_POSITIVE, s.milk);
    options.signal = asked->signal;
    options.limit = 1;
    ng_feedback_result_destroy(give(s.store, &options));
    uint64_t before = 0, after = 0;
    ASSERT_OK(ng_state_hash(s.store, &before));
    for (int round = 0; round < 2; round++) {
        ASSERT_OK(ng_close(s.store));
        ASSERT_OK(ng_open(store_path, NULL, &s.store));
        ASSERT_OK(ng_state_hash(s.store, &after));
        assert_int_equal(before, after);
        assert_int_equal(best(s.store, "coffee"), s.milk);
        ng_feedback_result *result = NULL; /* the answer is forgotten, what was said is not */
        options.text = NULL;
        ASSERT_FAILS(ng_feedback(s.store, &options, NULL, &result), NG_E_NOT_FOUND, "signal");
        options.text = "coffee";
        result = give(s.store, &options);
        assert_true(result->is_repeated);
        ng_feedback_result_destroy(result);
        ASSERT_OK(
            ng_checkpoint(s.store, NULL, NULL, NULL)); /* once from the log, once from a snapshot */
    }
    ng_check_report report;
    ASSERT_OK(ng_check(s.store, &report));
    ASSERT_OK(ng_backup(s.store, copies, NULL, NULL));
    ASSERT_OK(ng_feedback_undo(s.store, 1, NULL, NULL));
    assert_int_equal(best(s.store, "coffee"), s.tea);
    ng_query_result_destroy(asked);
    ASSERT_OK(ng_close(s.store));
    ASSERT_OK(ng_restore(copies, restored, NULL, NULL)); /* from before it was taken back */
    const ng_open_options reading = {.struct_size = sizeof reading, .flags = NG_OPEN_READ_ONLY};
    ASSERT_OK(ng_open(restored, &reading, &s.store));
    assert_int_equal(best(s.store, "coffee"), s.milk);
    assert_int_equal(count_given(s.store), 1);
    ng_feedback_result *result = NULL;
    options = plain("coffee", NG_FEEDBACK_NEGATIVE, s.milk);
    ASSERT_FAILS(ng_feedback(s.store, &options, NULL, &result), NG_E_READ_ONLY, "");
    ASSERT_FAILS(ng_feedback_undo(s.store, 1, NULL, NULL), NG_E_READ_ONLY, "");
    ASSERT_OK(ng_close(s.store));
    test_directory_remove(path);
}

/* --- many at once ---------------------------------------------------------------------------- */

enum { THREADS = 4, TIMES = 40 };

typedef struct worker {
    shop *shop;
    int number;
    int failed, given;
} worker;

static void *work(void *context)
{
    worker *w = context;
    const ng_query_options query = {.struct_size = sizeof query,
                                    .remove_components = NG_PLAIN_COSINE};
    for (int i = 0; i < TIMES; i++) {
        ng_query_result *asked = NULL;
        ng_feedback_result *given = NULL;
        if (ng_query(w->shop->store, i % 2 ? "coffee" : "tea", &query, &asked) != NG_OK) {
            w->failed++;
            continue;
        }
        ng_feedback_options options =
            plain(NULL, w->number % 2 ? NG_FEEDBACK_POSITIVE : NG_FEEDBACK_NEGATIVE, w->shop->mug);
        options.signal = asked->signal;
        ng_status status = ng_feedback(w->shop->store, &options, NULL, &given);
        w->failed += status != NG_OK;
        w->given += status == NG_OK && given->items[0].id != 0;
        if (status == NG_OK && i % 4 == 3 && given->items[0].id != 0) {
            w->failed += ng_feedback_undo(w->shop->store, given->items[0].id, NULL, NULL) != NG_OK;
            w->given--;
        }
        ng_feedback_result_destroy(given);
        ng_query_result_destroy(asked);
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    shop s = shop_open();
    pthread_t threads[THREADS];
    worker workers[THREADS] = {0};
    int given = 0;
    join(s.store, s.coffee, s.mug, NG_LEARNABLE);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.shop = &s, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failed, 0);
        given += workers[i].given;
    }
    assert_int_equal(count_given(s.store), given);
    assert_true(fabs(prior_of(s.store, "coffee", s.mug)) <= 0.2);
    ng_check_report report;
    ASSERT_OK(ng_check(s.store, &report));
    ASSERT_OK(ng_close(s.store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_answer_is_another),
        cmocka_unit_test(test_a_cue_is_what_was_asked_for),
        cmocka_unit_test(test_a_correction_is_both),
        cmocka_unit_test(test_links_learn_by_their_rule),
        cmocka_unit_test(test_the_path_of_a_recall_learns),
        cmocka_unit_test(test_a_recall_has_the_same_prior),
        cmocka_unit_test(test_limits_and_exclusions_hold),
        cmocka_unit_test(test_once_for_one_answer),
        cmocka_unit_test(test_a_thousand_are_bounded),
        cmocka_unit_test(test_strength_and_limit),
        cmocka_unit_test(test_a_cue_has_64_priors),
        cmocka_unit_test(test_the_last_128_answers_are_known),
        cmocka_unit_test(test_a_million_tokens_are_enough),
        cmocka_unit_test(test_an_answer_without_hits),
        cmocka_unit_test(test_undo_restores_to_the_bit),
        cmocka_unit_test(test_undo_says_what_it_leaves),
        cmocka_unit_test(test_list_newest_first),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_a_condition_on_the_seq),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_payloads_are_not_trusted),
        cmocka_unit_test(test_it_lasts),
        cmocka_unit_test(test_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
