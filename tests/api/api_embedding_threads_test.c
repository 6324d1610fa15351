/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Readers and searches of every kind while the embedding is switched to and fro, and fields that were the
 * default one are dropped; bounded by counts, meaningful under ThreadSanitizer. Nobody is ever refused but
 * for dimensions that are no longer those of the store. */
#include "api_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WORDS 300
#define READERS 3
#define SIZE_A 8
#define SIZE_B 5

typedef struct shared_state {
    ng_store *store;
    ng_token_id ids[WORDS];
    atomic_bool done;
    atomic_int wrong;
    atomic_uint_fast64_t answers;
    int rounds;
} shared_state;

/* Whose vector it is can be told from any one of its numbers; so can which embedding. */
static float number(int embedding, int word, int k)
{
    return (float)(embedding * 1000 + word + 1 + k * k) *
           ((word * 31 + k * 17 + embedding) % 7 < 3 ? -1 : 1);
}

static void fill(float *out, int embedding, int word)
{
    for (int k = 0; k < (embedding == 0 ? SIZE_A : SIZE_B); k++)
        out[k] = number(embedding, word, k);
}

static void expect(shared_state *shared, bool is_right)
{
    if (!is_right)
        atomic_fetch_add(&shared->wrong, 1);
    atomic_fetch_add(&shared->answers, 1);
}

/* One whole vector of one of both, and never two halves or none. */
static void read_vector(shared_state *shared, int word)
{
    float got[SIZE_A], wanted[SIZE_A];
    size_t count = 0;
    ng_status status = ng_token_vector(shared->store, shared->ids[word], got, SIZE_A, &count);
    expect(shared, status == NG_OK && (count == SIZE_A || count == SIZE_B));
    fill(wanted, count == SIZE_A ? 0 : 1, word);
    expect(shared, memcmp(got, wanted, count * sizeof *got) == 0);
}

static void read_info(shared_state *shared, int word)
{
    ng_token_info info;
    ng_status status = ng_token_get(shared->store, shared->ids[word], &info);
    expect(shared, status == NG_OK && info.has_vector);
}

/* By the vector of either; one of both is refused at any time, if not both are. */
static void search(shared_state *shared, int word)
{
    for (int embedding = 0; embedding < 2; embedding++) {
        float query[SIZE_A];
        ng_score hit = {0};
        size_t count = 0;
        fill(query, embedding, word);
        ng_status status = ng_vector_nearest(shared->store, query, embedding == 0 ? SIZE_A : SIZE_B,
                                             NULL, &hit, 1, &count);
        expect(shared, status == NG_E_INVALID || (status == NG_OK && count == 1));
    }
}

static void ask(shared_state *shared, int word)
{
    char text[64];
    ng_query_result *result = NULL;
    double similarity = 0;
    snprintf(text, sizeof text, "w%d w%d", word, (word + 1) % WORDS);
    ng_status status = ng_query(shared->store, text, NULL, &result);
    expect(shared, status == NG_OK || status == NG_E_CANCELLED);
    ng_query_result_destroy(result);
    status = ng_token_similarity(shared->store, shared->ids[word], shared->ids[(word + 7) % WORDS],
                                 NG_PLAIN_COSINE, &similarity);
    expect(shared, status == NG_OK && similarity >= -1 && similarity <= 1);
}

static void look_back(shared_state *shared, int word)
{
    ng_view *view;
    float got[2][SIZE_A];
    size_t counts[2];
    if (ng_view_open(shared->store, NULL, &view) != NG_OK) {
        expect(shared, false);
        return;
    }
    for (int i = 0; i < 2; i++)
        expect(shared,
               ng_view_token_vector(view, shared->ids[word], got[i], SIZE_A, &counts[i]) == NG_OK);
    expect(shared,
           counts[0] == counts[1] && memcmp(got[0], got[1], counts[0] * sizeof(float)) == 0);
    ng_view_close(view);
}

static void *reader(void *context)
{
    shared_state *shared = context;
    for (int word = 0; !atomic_load(&shared->done); word = (word + 1) % WORDS) {
        read_vector(shared, word);
        read_info(shared, word);
        if (word % 4 == 0)
            search(shared, word);
        if (word % 16 == 1)
            ask(shared, word);
        if (word % 32 == 2)
            look_back(shared, word);
    }
    return NULL;
}

static void switch_to(ng_store *store, const char *field, const char *keep_as)
{
    const ng_embedding_switch_options options = {.struct_size = sizeof options,
                                                 .field = field,
                                                 .keep_as = keep_as};
    ASSERT_OK(ng_embedding_switch(store, &options, NULL));
}

/* Embedding `embedding` into a named field. */
static void fill_field(shared_state *shared, const char *name, int embedding)
{
    const ng_vector_field_options options = {.struct_size = sizeof options,
                                             .dimensions = embedding == 0 ? SIZE_A : SIZE_B};
    ng_vector_field_id id;
    ASSERT_OK(ng_vector_field_create(shared->store, name, &options, NULL, &id));
    for (int i = 0; i < WORDS; i++) {
        float values[SIZE_A];
        const ng_field_vector vector = {.field = id,
                                        .values = values,
                                        .dimensions = options.dimensions};
        ng_token_fields fields = api_fields();
        fill(values, embedding, i);
        fields.set = NG_FIELD_VECTORS;
        fields.vectors = &vector;
        fields.vector_count = 1;
        ASSERT_OK(ng_token_update(shared->store, shared->ids[i], &fields, NULL));
    }
}

/* There, the old field dropped and made anew from nothing, and back. */
static void switch_and_drop(shared_state *shared)
{
    ng_vector_field_id id;
    switch_to(shared->store, "b", "a");
    ASSERT_OK(ng_vector_field_find(shared->store, "a", &id));
    ASSERT_OK(ng_vector_field_drop(shared->store, id, NULL));
    fill_field(shared, "a", 0);
    switch_to(shared->store, "a", "b");
}

static void test_readers_beside_switches(void **state)
{
    (void)state;
    shared_state *shared = calloc(1, sizeof *shared);
    pthread_t threads[READERS];
    const char *rounds = getenv("NG_TEST_ROUNDS");
    assert_non_null(shared);
    shared->rounds = rounds != NULL ? atoi(rounds) : 800;
    shared->store = api_memory_store();
    for (int i = 0; i < WORDS; i++) {
        char label[16];
        float values[SIZE_A];
        ng_token_fields fields = api_fields();
        fill(values, 0, i);
        snprintf(label, sizeof label, "w%d", i);
        fields.set = NG_FIELD_VECTOR | NG_FIELD_LABEL;
        fields.collection = NG_COLLECTION_SEMANTIC;
        fields.label = label;
        fields.label_bytes = strlen(label);
        fields.vector = values;
        fields.vector_dimensions = SIZE_A;
        ASSERT_OK(ng_token_create(shared->store, &fields, NULL, &shared->ids[i]));
    }
    fill_field(shared, "b", 1);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, shared), 0);
    for (int i = 0; i < shared->rounds; i++) {
        if (i % 4 == 3) {
            switch_and_drop(shared);
        } else {
            switch_to(shared->store, "b", "a");
            switch_to(shared->store, "a", "b");
        }
    }
    atomic_store(&shared->done, true);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&shared->wrong), 0);
    assert_true(atomic_load(&shared->answers) > 0);
    ng_check_report report;
    ASSERT_OK(ng_check(shared->store, &report));
    assert_string_equal(report.first_problem, "");
    ASSERT_OK(ng_close(shared->store));
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_beside_switches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
