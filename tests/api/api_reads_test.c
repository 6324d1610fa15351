/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reads without a lock beside one writer: what must be true of every single answer, at whatever
 * moment it was taken. Bounded by counts; meaningful under ThreadSanitizer as well.
 *
 * The writer turns round, in each round doing one of the things below to one token:
 *   changing   version v: the weight, every number of the vector and the label all say v
 *   swapping   pairs that exchange their labels in one op: each label is always somebody's
 *   heirs      a label that passes to a new token, in the op that creates it: somebody always has it,
 *              and never an older one than before
 *   hubs       between HUB_LINKS and HUB_LINKS + 2 connections to fixed spokes
 *   passing    tokens that come with a label and go with their connections; labels beyond count
 *              make the index grow and its gaps close
 *   fixed      never changed: always found, always listed */
#include "api_support.h"

#include "test_directory.h"
#include "test_random.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CHANGING 8u
#define PAIRS 4u
#define HEIRS 4u
#define HUBS 4u
#define HUB_LINKS 12u
#define FIXED 64u
#define PASSING 48u
#define DIMENSIONS 24u
#define LABELS 5u /* that a changing token has in turn */
#define READERS 3u

typedef struct world {
    ng_store *store;
    ng_token_id changing[CHANGING], fixed[FIXED], hubs[HUBS], pairs[PAIRS][2];
    ng_token_id heirs[HEIRS];                /* who has the label now; the writer's alone */
    ng_connection_id links[HUBS][HUB_LINKS]; /* from each hub to fixed[0..HUB_LINKS) */
    uint64_t rounds;
    atomic_bool over;
    atomic_uint wrong;
    atomic_uint readers_seen;             /* each has read something of every kind */
    atomic_uint_fast64_t passed[PASSING]; /* ids of passing tokens, some gone */
} world;

static const char *wrong_text; /* of the first wrong answer; written once, read after joining */

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition) && atomic_fetch_add(&w->wrong, 1) == 0)                                   \
            wrong_text = #condition;                                                               \
    } while (0)

/* --- the writer -------------------------------------------------------------------------------- */

static const ng_write_options nowait = {.struct_size = sizeof nowait, .flags = NG_WRITE_NOWAIT};

static float weight_of(uint32_t version)
{
    return (float)(version % 1000) / 1000;
}

static size_t changing_label(char *out, size_t token, uint32_t version)
{
    /* Of changing lengths, so that texts move about in their arena. */
    return (size_t)snprintf(out, 64, "changing-%zu-%u-%.*s", token, version % LABELS,
                            (int)(version % LABELS * 7), "abcdefghijklmnopqrstuvwxyzabcdefghij");
}

static void set_version(ng_token_fields *fields, float *vector, char *label, size_t token,
                        uint32_t version)
{
    *fields = api_fields();
    fields->set = NG_FIELD_WEIGHT | NG_FIELD_VECTOR | NG_FIELD_LABEL;
    fields->weight = weight_of(version);
    for (uint32_t i = 0; i < DIMENSIONS; i++)
        vector[i] = (float)version;
    fields->vector = vector;
    fields->vector_dimensions = DIMENSIONS;
    fields->label = label;
    fields->label_bytes = changing_label(label, token, version);
}

static void write_changing(world *w, size_t token, uint32_t *versions)
{
    ng_token_fields fields;
    float vector[DIMENSIONS];
    char label[64];
    set_version(&fields, vector, label, token, ++versions[token]);
    EXPECT(ng_token_update(w->store, w->changing[token], &fields, &nowait) == NG_OK);
}

/* One op in which each takes the other's label. */
static void write_swap(world *w, size_t pair, uint32_t *swaps)
{
    ng_txn *txn = NULL;
    char label[2][32];
    EXPECT(ng_txn_begin(w->store, NULL, &txn) == NG_OK);
    ng_write_options inside = {.struct_size = sizeof inside, .txn = txn};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL;
    fields.label = "nobody's for a moment";
    fields.label_bytes = strlen(fields.label);
    EXPECT(ng_token_update(w->store, w->pairs[pair][0], &fields, &inside) == NG_OK);
    uint32_t turn = ++swaps[pair];
    for (uint32_t i = 2; i-- > 0;) {
        fields.label = label[i];
        fields.label_bytes =
            (size_t)snprintf(label[i], sizeof label[i], "pair-%zu-%u", pair, (i + turn) % 2);
        EXPECT(ng_token_update(w->store, w->pairs[pair][i], &fields, &inside) == NG_OK);
    }
    EXPECT(ng_txn_commit(txn, &nowait) == NG_OK);
}

static size_t heir_label(char *out, size_t heir)
{
    return (size_t)snprintf(out, 32, "the one label of heirs %zu", heir);
}

static void write_heir(world *w, size_t heir, uint64_t round)
{
    ng_txn *txn = NULL;
    char label[32], retired[32];
    EXPECT(ng_txn_begin(w->store, NULL, &txn) == NG_OK);
    ng_write_options inside = {.struct_size = sizeof inside, .txn = txn};
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL;
    fields.label = retired;
    fields.label_bytes =
        (size_t)snprintf(retired, sizeof retired, "retired %llu", (unsigned long long)round);
    EXPECT(ng_token_update(w->store, w->heirs[heir], &fields, &inside) == NG_OK);
    fields.label = label;
    fields.label_bytes = heir_label(label, heir);
    EXPECT(ng_token_create(w->store, &fields, &inside, &w->heirs[heir]) == NG_OK);
    EXPECT(ng_txn_commit(txn, &nowait) == NG_OK);
}

/* Two more connections in one op, and both taken away, one after the other. */
static void write_hub(world *w, size_t hub)
{
    ng_connection_fields fields[2];
    ng_connection_id ids[2];
    for (size_t i = 0; i < 2; i++)
        fields[i] = (ng_connection_fields){.struct_size = sizeof fields[i],
                                           .source = w->hubs[hub],
                                           .target = w->fixed[HUB_LINKS + i]};
    EXPECT(ng_connection_create_many(w->store, fields, 2, &nowait, ids) == NG_OK);
    EXPECT(ng_connection_delete(w->store, ids[0], &nowait) == NG_OK);
    EXPECT(ng_connection_delete(w->store, ids[1], &nowait) == NG_OK);
}

static void write_passing(world *w, size_t at, uint64_t round)
{
    char label[64];
    ng_token_id id = atomic_load_explicit(&w->passed[at], memory_order_relaxed);
    ng_connection_id link;
    if (id != 0 && round % 3 != 0)
        EXPECT(ng_token_delete(w->store, id, &nowait) == NG_OK);
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL;
    fields.label = label;
    fields.label_bytes =
        (size_t)snprintf(label, sizeof label, "passing-%llu-%.*s", (unsigned long long)round,
                         (int)(round % 30), "abcdefghijklmnopqrstuvwxyzabcdefghij");
    EXPECT(ng_token_create(w->store, &fields, &nowait, &id) == NG_OK);
    ng_connection_fields ends = {.struct_size = sizeof ends, .source = id, .target = w->fixed[at]};
    EXPECT(ng_connection_create(w->store, &ends, &nowait, &link) == NG_OK);
    atomic_store(&w->passed[at], id);
}

static void write_all(world *w)
{
    test_random random = {1};
    uint32_t versions[CHANGING], swaps[PAIRS] = {0};
    for (size_t i = 0; i < CHANGING; i++)
        versions[i] = 1;
    /* On a busy machine the readers may begin late. */
    for (uint64_t round = 0; round < w->rounds || atomic_load(&w->readers_seen) < READERS;
         round++) {
        switch (round % 5) {
        case 0:
            write_changing(w, test_random_below(&random, CHANGING), versions);
            break;
        case 1:
            write_swap(w, test_random_below(&random, PAIRS), swaps);
            break;
        case 2:
            write_hub(w, test_random_below(&random, HUBS));
            break;
        case 3:
            write_heir(w, test_random_below(&random, HEIRS), round);
            break;
        default:
            write_passing(w, test_random_below(&random, PASSING), round);
            break;
        }
    }
    atomic_store(&w->over, true);
}

/* --- readers ----------------------------------------------------------------------------------- */

typedef struct reader {
    world *w;
    test_random random;
    uint32_t versions[CHANGING]; /* the newest seen of each */
    ng_token_id heirs[HEIRS];
} reader;

static void read_changing(reader *r)
{
    world *w = r->w;
    size_t token = test_random_below(&r->random, CHANGING), count = 0;
    ng_token_id id = w->changing[token];
    ng_token_info info;
    float vector[DIMENSIONS];
    EXPECT(ng_token_get(w->store, id, &info) == NG_OK);
    EXPECT(info.id == id && info.record.slot == id && info.has_vector);
    EXPECT(info.version >= r->versions[token]);
    EXPECT(info.record.weight == weight_of(info.version));
    r->versions[token] = info.version;
    EXPECT(ng_token_vector(w->store, id, vector, DIMENSIONS, &count) == NG_OK);
    EXPECT(count == DIMENSIONS && vector[0] >= (float)info.version);
    for (uint32_t i = 1; i < DIMENSIONS; i++)
        EXPECT(vector[i] == vector[0]);
}

static void read_label(reader *r)
{
    world *w = r->w;
    size_t token = test_random_below(&r->random, CHANGING), bytes = 0, matches = 0;
    char label[64], wanted[64];
    EXPECT(ng_token_label(w->store, w->changing[token], label, sizeof label, &bytes) == NG_OK);
    for (uint32_t i = 0; i < LABELS; i++)
        matches += changing_label(wanted, token, i) == bytes && strcmp(wanted, label) == 0;
    EXPECT(matches == 1);
    /* Whoever has one of its labels is this token. */
    ng_token_id id = 0;
    bytes = changing_label(wanted, token, (uint32_t)test_random_below(&r->random, LABELS));
    ng_status status = ng_token_find(w->store, 0, wanted, bytes, &id);
    EXPECT(status == NG_E_NOT_FOUND || (status == NG_OK && id == w->changing[token]));
}

static void read_found(reader *r)
{
    world *w = r->w;
    char label[64];
    ng_token_id id = 0;
    size_t at = test_random_below(&r->random, FIXED), pair = test_random_below(&r->random, PAIRS);
    size_t bytes = (size_t)snprintf(label, sizeof label, "fixed-%zu", at);
    EXPECT(ng_token_find(w->store, 0, label, bytes, &id) == NG_OK && id == w->fixed[at]);
    bytes = (size_t)snprintf(label, sizeof label, "pair-%zu-%u", pair,
                             (unsigned)test_random_below(&r->random, 2));
    EXPECT(ng_token_find(w->store, 0, label, bytes, &id) == NG_OK);
    EXPECT(id == w->pairs[pair][0] || id == w->pairs[pair][1]);
    EXPECT(ng_token_label(w->store, w->pairs[pair][0], label, sizeof label, &bytes) == NG_OK);
    EXPECT(bytes == 8 && memcmp(label, "pair-", 5) == 0);
    EXPECT(ng_token_find(w->store, 0, "is not there", 12, &id) == NG_E_NOT_FOUND);
}

static void read_heir(reader *r)
{
    world *w = r->w;
    char label[32];
    size_t heir = test_random_below(&r->random, HEIRS), bytes = heir_label(label, heir);
    ng_token_id id = 0;
    ng_token record;
    EXPECT(ng_token_find(w->store, 0, label, bytes, &id) == NG_OK && id >= r->heirs[heir]);
    EXPECT(ng_token_read(w->store, id, &record) == NG_OK);
    r->heirs[heir] = id;
}

static void read_hub(reader *r)
{
    world *w = r->w;
    size_t hub = test_random_below(&r->random, HUBS), count = 0, kept = 0;
    size_t at = test_random_below(&r->random, HUB_LINKS);
    ng_token_info info;
    ng_connection record;
    ng_edge edges[HUB_LINKS + 4];
    EXPECT(ng_token_get(w->store, w->hubs[hub], &info) == NG_OK && info.in_degree == 0);
    EXPECT(info.out_degree >= HUB_LINKS && info.out_degree <= HUB_LINKS + 2);
    EXPECT(ng_token_connections(w->store, w->hubs[hub], NULL, edges, HUB_LINKS + 4, &count) ==
           NG_OK);
    EXPECT(count >= HUB_LINKS && count <= HUB_LINKS + 2);
    for (size_t i = 0; i < count && i < HUB_LINKS + 4; i++) {
        EXPECT(edges[i].source == w->hubs[hub] && (i == 0 || edges[i].id < edges[i - 1].id));
        for (size_t k = 0; k < HUB_LINKS; k++)
            kept += edges[i].id == w->links[hub][k] && edges[i].target == w->fixed[k];
    }
    EXPECT(kept == HUB_LINKS);
    EXPECT(ng_connections_between(w->store, w->fixed[at], w->hubs[hub], edges, 4, &count) == NG_OK);
    EXPECT(count == 1 && edges[0].id == w->links[hub][at]);
    EXPECT(ng_connection_get(w->store, w->links[hub][at], &record) == NG_OK);
    EXPECT(record.source == w->hubs[hub] && record.target == w->fixed[at]);
}

static void read_passing(reader *r)
{
    world *w = r->w;
    size_t at = test_random_below(&r->random, PASSING), count = 0, bytes = 0;
    char label[64];
    ng_token_info info;
    ng_token record;
    ng_edge edges[4];
    ng_token_id id = atomic_load(&w->passed[at]), found = 0;
    if (id == 0)
        return;
    /* It came with all that it has, and goes with all of it, for ever. */
    const ng_edge_options options = {.struct_size = sizeof options, .direction = NG_OUTGOING};
    ng_status status = ng_token_connections(w->store, id, &options, edges, 4, &count);
    EXPECT(status == NG_OK ? count == 1 && edges[0].source == id && edges[0].target == w->fixed[at]
                           : status == NG_E_NOT_FOUND);
    bool is_gone = status != NG_OK;
    status = ng_token_get(w->store, id, &info);
    EXPECT(status == NG_OK ? !is_gone && info.out_degree == 1 && info.version == 1
                           : status == NG_E_NOT_FOUND);
    is_gone = status != NG_OK;
    status = ng_token_label(w->store, id, label, sizeof label, &bytes);
    EXPECT(status == NG_OK ? !is_gone && memcmp(label, "passing-", 8) == 0
                           : status == NG_E_NOT_FOUND);
    if (status == NG_OK) {
        status = ng_token_find(w->store, 0, label, bytes, &found);
        EXPECT(status == NG_OK ? found == id : status == NG_E_NOT_FOUND);
        is_gone = status != NG_OK;
        status = ng_token_read(w->store, id, &record);
        EXPECT(status == NG_OK ? !is_gone && record.slot == id : status == NG_E_NOT_FOUND);
    }
}

static void read_list(reader *r)
{
    world *w = r->w;
    ng_token_id ids[256], after = 0;
    size_t count = 0, fixed = 0;
    do {
        EXPECT(ng_token_list(w->store, 0, after, ids, 256, &count) == NG_OK);
        for (size_t i = 0; i < count; i++) {
            EXPECT(ids[i] > after);
            after = ids[i];
            fixed += fixed < FIXED && w->fixed[fixed] == after;
        }
    } while (count == 256);
    EXPECT(fixed == FIXED);
}

static void *reader_main(void *argument)
{
    reader *r = argument;
    static void (*const kinds[])(reader *) = {read_changing, read_label,   read_found, read_heir,
                                              read_hub,      read_passing, read_list};
    for (uint64_t turn = 0; !atomic_load(&r->w->over); turn++) {
        kinds[turn % (sizeof kinds / sizeof *kinds)](r);
        if (turn == 600)
            atomic_fetch_add(&r->w->readers_seen, 1);
    }
    return NULL;
}

/* --- one run ----------------------------------------------------------------------------------- */

static void world_create(world *w, ng_store *store, uint64_t rounds)
{
    char label[64];
    float vector[DIMENSIONS];
    ng_token_fields fields;
    memset(w, 0, sizeof *w);
    w->store = store;
    w->rounds = rounds;
    for (size_t i = 0; i < FIXED; i++) {
        snprintf(label, sizeof label, "fixed-%zu", i);
        w->fixed[i] = api_labelled(store, label);
    }
    for (size_t i = 0; i < CHANGING; i++) {
        set_version(&fields, vector, label, i, 1);
        ASSERT_OK(ng_token_create(store, &fields, NULL, &w->changing[i]));
    }
    for (size_t i = 0; i < PAIRS; i++) {
        for (unsigned k = 0; k < 2; k++) {
            snprintf(label, sizeof label, "pair-%zu-%u", i, k);
            w->pairs[i][k] = api_labelled(store, label);
        }
    }
    for (size_t i = 0; i < HEIRS; i++) {
        heir_label(label, i);
        w->heirs[i] = api_labelled(store, label);
    }
    for (size_t i = 0; i < HUBS; i++) {
        w->hubs[i] = api_token(store);
        for (size_t k = 0; k < HUB_LINKS; k++)
            w->links[i][k] = api_link(store, w->hubs[i], w->fixed[k], 1, NG_CONNECTION_ACTIVE);
    }
}

static void test_every_answer_is_of_one_moment(void **state)
{
    (void)state;
    static world w;
    pthread_t threads[READERS];
    reader readers[READERS];
    ng_check_report report;
    ng_store *store = api_memory_store();
    world_create(&w, store, test_environment("NG_TEST_STEPS", 60000));
    wrong_text = NULL;
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (reader){.w = &w, .random = {i + 2}};
        assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &readers[i]), 0);
    }
    write_all(&w);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (atomic_load(&w.wrong) != 0)
        fail_msg("%u wrong answers, first: %s", atomic_load(&w.wrong), wrong_text);
    ASSERT_OK(ng_check(store, &report));
    assert_int_equal(report.problem_count, 0);
    ASSERT_OK(ng_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_answer_is_of_one_moment)};
    return cmocka_run_group_tests_name("reads", tests, NULL, NULL);
}
