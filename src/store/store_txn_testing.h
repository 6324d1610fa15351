/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For tests of transactions: stores in memory that can run out of it, and short ways to write. */
#ifndef NGI_STORE_TXN_TESTING_H
#define NGI_STORE_TXN_TESTING_H

#include "os/os_testing.h"
#include "store/store_txn_private.h"

typedef struct txn_fixture {
    testing_memory memory;
    ng_store *store;
} txn_fixture;

static inline void txn_open(txn_fixture *f, const char *path, const ng_open_options *options)
{
    memset(f, 0, sizeof *f);
    testing_memory_init(&f->memory);
    assert_int_equal(ngi_store_open(&f->memory.os, &f->memory.mem, path, options, &f->store),
                     NG_OK);
}

static inline void txn_check(txn_fixture *f)
{
    ng_check_report report;
    assert_int_equal(ngi_store_check(f->store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
}

static inline void txn_close(txn_fixture *f)
{
    txn_check(f);
    assert_int_equal(atomic_load(&f->store->open_txn_count), 0);
    assert_int_equal(ngi_store_close(f->store), NG_OK);
    testing_memory_check(&f->memory);
}

static inline int txn_set_up(void **state)
{
    txn_fixture *f = malloc(sizeof *f);
    txn_open(f, NULL, NULL);
    *state = f;
    return 0;
}

static inline int txn_tear_down(void **state)
{
    txn_close(*state);
    free(*state);
    return 0;
}

static inline uint64_t txn_hash(txn_fixture *f)
{
    uint64_t hash = 0;
    assert_int_equal(ngi_store_hash(f->store, &hash), NG_OK);
    return hash;
}

static inline ng_seq txn_seq(const txn_fixture *f)
{
    ng_seq applied;
    ngi_store_positions(f->store, &applied, NULL);
    return applied;
}

static inline ng_token_fields txn_labelled(const char *label)
{
    return (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                             .set = NG_FIELD_LABEL,
                             .label = label,
                             .label_bytes = label != NULL ? strlen(label) : 0};
}

static inline ng_token_fields txn_weighted(float weight)
{
    return (ng_token_fields){.struct_size = sizeof(ng_token_fields),
                             .set = NG_FIELD_WEIGHT,
                             .weight = weight};
}

static inline ng_connection_fields txn_link(ng_token_id source, ng_token_id target)
{
    return (ng_connection_fields){.struct_size = sizeof(ng_connection_fields),
                                  .source = source,
                                  .target = target};
}

static inline ng_write_options txn_write(ng_txn *txn)
{
    return (ng_write_options){.struct_size = sizeof(ng_write_options), .txn = txn};
}

static inline ng_txn *txn_begin(txn_fixture *f)
{
    ng_txn *txn = NULL;
    assert_int_equal(ngi_txn_begin(f->store, NULL, &txn), NG_OK);
    return txn;
}

/* Each inside `txn`, or by itself if that is NULL. */

static inline ng_status txn_try_create(txn_fixture *f, ng_txn *txn, const char *label,
                                       ng_token_id *out)
{
    ng_token_fields fields = txn_labelled(label);
    ng_write_options write = txn_write(txn);
    return ngi_store_token_put(f->store, NULL, &fields, 1, &write, out);
}

static inline ng_token_id txn_create(txn_fixture *f, ng_txn *txn, const char *label)
{
    ng_token_id id = 0;
    assert_int_equal(txn_try_create(f, txn, label, &id), NG_OK);
    return id;
}

static inline ng_status txn_relabel(txn_fixture *f, ng_txn *txn, ng_token_id id, const char *label)
{
    ng_token_fields fields = txn_labelled(label);
    ng_write_options write = txn_write(txn);
    return ngi_store_token_put(f->store, &id, &fields, 1, &write, NULL);
}

static inline ng_status txn_reweigh(txn_fixture *f, ng_txn *txn, ng_token_id id, float weight)
{
    ng_token_fields fields = txn_weighted(weight);
    ng_write_options write = txn_write(txn);
    return ngi_store_token_put(f->store, &id, &fields, 1, &write, NULL);
}

static inline ng_status txn_delete(txn_fixture *f, ng_txn *txn, ng_token_id id)
{
    ng_write_options write = txn_write(txn);
    return ngi_store_token_delete(f->store, id, &write);
}

static inline ng_status txn_try_connect(txn_fixture *f, ng_txn *txn, ng_token_id source,
                                        ng_token_id target, ng_connection_id *out)
{
    ng_connection_fields fields = txn_link(source, target);
    ng_write_options write = txn_write(txn);
    return ngi_store_connection_put(f->store, &fields, 1, 0, 0, &write, out, NULL);
}

static inline ng_connection_id txn_connect(txn_fixture *f, ng_txn *txn, ng_token_id source,
                                           ng_token_id target)
{
    ng_connection_id id = 0;
    assert_int_equal(txn_try_connect(f, txn, source, target, &id), NG_OK);
    return id;
}

static inline ng_status txn_disconnect(txn_fixture *f, ng_txn *txn, ng_connection_id id)
{
    ng_write_options write = txn_write(txn);
    return ngi_store_connection_delete(f->store, id, &write);
}

/* Who has a label in the committed state, or 0. */
static inline ng_token_id txn_holder(txn_fixture *f, const char *label)
{
    ng_token_id id = 0;
    ng_status status = ngi_store_token_find(f->store, 0, label, strlen(label), &id);
    assert_true(status == NG_OK || status == NG_E_NOT_FOUND);
    return status == NG_OK ? id : 0;
}

static inline uint32_t txn_version(txn_fixture *f, ng_token_id id)
{
    ng_token_info info;
    return ngi_store_token_get(f->store, id, &info) == NG_OK ? info.version : 0;
}

#endif
