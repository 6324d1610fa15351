/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions, for the functions that write: what they do when `write->txn` is set. Behaviour is
 * that of neurograph.h. */
#ifndef NGI_STORE_TXN_H
#define NGI_STORE_TXN_H

#include "store/store_private.h"

NG_MUST_USE ng_status ngi_txn_begin(ng_store *store, const ng_txn_options *options, ng_txn **out);
NG_MUST_USE ng_status ngi_txn_commit(ng_txn *txn, const ng_write_options *write);
void ngi_txn_rollback(ng_txn *txn);
ng_store *ngi_txn_store(const ng_txn *txn);

/** What ngi_store_token_put and ngi_store_token_upsert are about. */
typedef struct ngi_txn_put {
    const ng_token_id *ids; /* NULL: all are created, or found by their labels */
    const ng_token_fields *fields;
    size_t count;
    bool by_label;
    bool *created; /* by position, or NULL */
} ngi_txn_put;

NG_MUST_USE ng_status ngi_txn_token_put(ng_txn *txn, const ngi_txn_put *put,
                                        const ng_write_options *write, ng_token_id *out);
NG_MUST_USE ng_status ngi_txn_token_delete(ng_txn *txn, const ng_token_id *ids, size_t count,
                                           const ng_write_options *write);
/** `request->write` and what else it says that is not for transactions are checked. */
NG_MUST_USE ng_status ngi_txn_connection_write(ng_txn *txn, const ngi_link_request *request);
/** Replaces a record that the transaction sees as `before`, as `after`, with the same ends and type.
 *  Errors: NG_E_CONFLICT (it is another one by now), NG_E_NOMEM, NG_E_LIMIT. */
NG_MUST_USE ng_status ngi_txn_connection_replace(ng_txn *txn, ng_connection_id id,
                                                 const ng_connection *before,
                                                 const ng_connection *after);
NG_MUST_USE ng_status ngi_txn_connection_delete(ng_txn *txn, const ng_connection_id *ids,
                                                size_t count, const ng_write_options *write);

NG_MUST_USE ng_status ngi_txn_if_version(ng_txn *txn, ng_token_id id, uint32_t version);
NG_MUST_USE ng_status ngi_txn_if_absent(ng_txn *txn, ng_collection_id collection, const char *label,
                                        size_t label_bytes);
NG_MUST_USE ng_status ngi_txn_token_get(const ng_txn *txn, ng_token_id id, ng_token_info *out);
NG_MUST_USE ng_status ngi_txn_token_find(const ng_txn *txn, ng_collection_id collection,
                                         const char *label, size_t label_bytes, ng_token_id *out);
NG_MUST_USE ng_status ngi_txn_token_label(const ng_txn *txn, ng_token_id id, char *out,
                                          size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_txn_token_vector(const ng_txn *txn, ng_token_id id, float *out,
                                           size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_txn_token_vector_in(const ng_txn *txn, ng_token_id id,
                                              ng_vector_field_id field, float *out, size_t capacity,
                                              size_t *count);
NG_MUST_USE ng_status ngi_txn_token_tags(const ng_txn *txn, ng_token_id id, char *out,
                                         size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_txn_token_data(const ng_txn *txn, ng_token_id id, char *out,
                                         size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_txn_connection_get(const ng_txn *txn, ng_connection_id id,
                                             ng_connection *out);

#endif
