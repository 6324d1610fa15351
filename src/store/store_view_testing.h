/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For unit tests only: a store whose clock stands still unless the test moves it, and random
 * changes of it with deletions, labels and vector rows that are used again. */
#ifndef NGI_STORE_VIEW_TESTING_H
#define NGI_STORE_VIEW_TESTING_H

#include "os/os_testing.h"
#include "store/store_view.h"

#define TOKENS 400u /* live ones at most, roughly */
#define NAMES 120u  /* labels in use: fewer than tokens, so that they move about */
#define DIMENSIONS 6

typedef struct fixture {
    ngi_mem mem;
    ngi_os os;
    uint64_t extra_ns; /* added to the clock */
    bool sparse_fails;
    ng_store *store;
} fixture;

static inline uint64_t fixture_ns(ngi_os *os)
{
    const fixture *f = os->context;
    return ngi_os_system()->monotonic_ns(ngi_os_system()) / 1000000000 + f->extra_ns;
}

static inline ng_status fixture_sparse(ngi_os *os, size_t bytes, void **out)
{
    const fixture *f = os->context;
    if (f->sparse_fails)
        return ngi_fail(NG_E_NOMEM, "no room for %zu bytes", bytes);
    return ngi_os_system()->memory_map_sparse(ngi_os_system(), bytes, out);
}

/* The system with a clock that stands still unless the test moves it. */
static inline void fixture_open(fixture *f, size_t max_bytes)
{
    memset(f, 0, sizeof *f);
    ngi_mem_init(&f->mem, max_bytes);
    f->os = *ngi_os_system();
    f->os.context = f;
    f->os.monotonic_ns = fixture_ns;
    f->os.memory_map_sparse = fixture_sparse;
    const ng_open_options options = {.struct_size = sizeof options, .flags = NG_OPEN_MANUAL};
    assert_int_equal(ngi_store_open(&f->os, &f->mem, NULL, &options, &f->store), NG_OK);
}

static inline void fixture_close(fixture *f)
{
    assert_null(f->store->newest_view);
    assert_int_equal(f->store->open_view_count, 0);
    ng_check_report report;
    assert_int_equal(ngi_store_check(f->store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    assert_int_equal(atomic_load(&f->mem.used_bytes), 0);
}

static inline int set_up(void **state)
{
    fixture *f = malloc(sizeof *f);
    fixture_open(f, 0);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static inline void expect_ok(ng_status status)
{
    if (status != NG_OK)
        fail_msg("%s", ng_last_error());
}

/* A write that may name what is not there, or is there. */
static inline void expect_usual(ng_status status)
{
    if (status != NG_E_EXISTS && status != NG_E_NOT_FOUND)
        expect_ok(status);
}

static inline ng_view *open_view(ng_store *store)
{
    ng_view *view;
    expect_ok(ngi_view_open(store, NULL, false, &view));
    return view;
}

static inline ng_token_id put_label(ng_store *store, ng_token_id id, ng_collection_id collection,
                                    const char *label)
{
    const ng_token_fields fields = {.struct_size = sizeof fields,
                                    .set = NG_FIELD_LABEL,
                                    .collection = collection,
                                    .label = label,
                                    .label_bytes = strlen(label)};
    ng_token_id out;
    expect_ok(ngi_store_token_put(store, &id, &fields, 1, NULL, &out));
    return out;
}

static inline size_t some_name(uint32_t number, char out[NGI_LABEL_BYTES_MAX])
{
    size_t bytes = (size_t)snprintf(out, 32, "name %u", number);
    while (number % 10 == 0 && bytes < 200 + number)
        out[bytes++] = 'x';
    return bytes;
}

static inline void some_fields(ng_token_fields *fields, char *label, float *vector, uint64_t *seed)
{
    *fields = (ng_token_fields){.struct_size = sizeof *fields};
    uint32_t roll = testing_below(seed, 8);
    if (roll < 5) {
        fields->set |= NG_FIELD_LABEL;
        fields->label = label;
        fields->label_bytes = roll == 0 ? 0 : some_name(testing_below(seed, NAMES), label);
    }
    roll = testing_below(seed, 8);
    if (roll < 4) {
        fields->set |= NG_FIELD_VECTOR;
        fields->vector = vector;
        fields->vector_dimensions = roll == 0 ? 0 : DIMENSIONS;
        for (int i = 0; i < DIMENSIONS; i++)
            vector[i] = (float)testing_below(seed, 100);
    }
    fields->spaces_set = 1;
    fields->coordinates[0][0] = (float)testing_below(seed, 100);
    fields->collection = testing_below(seed, 2);
}

static inline void churn_token(ng_store *store, uint64_t *seed)
{
    ng_token_fields fields;
    char label[NGI_LABEL_BYTES_MAX];
    float vector[DIMENSIONS];
    ng_token_id id = 0, out;
    some_fields(&fields, label, vector, seed);
    if (testing_below(seed, 2) == 0 && store_slot_end(store) > 1)
        id = 1 + testing_below(seed, store_slot_end(store) - 1);
    ng_status status = ngi_store_token_put(store, &id, &fields, 1, NULL, &out);
    expect_usual(status);
}

static inline void churn_connection(ng_store *store, uint64_t *seed)
{
    if (store_slot_end(store) < 3)
        return;
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = 1 + testing_below(seed, store_slot_end(store) - 1),
                                   .target = 1 + testing_below(seed, store_slot_end(store) - 1),
                                   .set = NG_CFIELD_TYPE,
                                   .type = (uint8_t)testing_below(seed, 3)};
    ng_status status =
        ngi_store_connection_put(store, &fields, 1, NGI_CONNECTION_CURATED, 0, NULL, NULL, NULL);
    assert_true(status == NG_OK || status == NG_E_EXISTS || status == NG_E_NOT_FOUND ||
                status == NG_E_INVALID);
}

static inline void churn_delete(ng_store *store, uint64_t *seed)
{
    ng_status status = NG_OK;
    if (store->token_count > TOKENS || (store_slot_end(store) > 1 && testing_below(seed, 3) == 0))
        status =
            ngi_store_token_delete(store, 1 + testing_below(seed, store_slot_end(store) - 1), NULL);
    else if (store->graph.id_end > 1)
        status =
            ngi_store_connection_delete(store, 1 + testing_below(seed, store->graph.id_end - 1),
                                        NULL);
    expect_usual(status);
}

static inline void churn(ng_store *store, int steps, uint64_t *seed)
{
    for (int i = 0; i < steps; i++) {
        uint32_t roll = testing_below(seed, 100);
        if (roll < 45) {
            churn_token(store, seed);
        } else if (roll < 70) {
            churn_connection(store, seed);
        } else if (roll < 98) {
            churn_delete(store, seed);
        } else if (roll == 98) {
            ng_cdna cdna;
            expect_ok(ngi_store_cdna_get(store, &cdna));
            cdna.decay_rate = (float)testing_below(seed, 100) / 100;
            expect_ok(ngi_store_cdna_set(store, &cdna, NULL));
        } else {
            char name[16];
            ng_collection_id id;
            snprintf(name, sizeof name, "c%u", testing_below(seed, 20));
            expect_ok(ngi_store_collection_create(store, name, NULL, &id));
        }
    }
}

#endif
