/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions of neurograph.h: argument checks. */
#include "api/api_private.h"
#include "store/store_txn.h"

ng_status ng_txn_begin(ng_store *store, const ng_txn_options *options, ng_txn **out)
{
    API_REQUIRE(out);
    *out = NULL;
    API_REQUIRE(store);
    API_OPTIONS(options);
    return ngi_txn_begin(store, options, out);
}

ng_status ng_txn_commit(ng_txn *txn, const ng_write_options *write)
{
    API_REQUIRE(txn);
    ng_status status = ngi_api_check_write(write);
    if (status == NG_OK)
        return ngi_txn_commit(txn, write);
    ngi_txn_rollback(txn); /* it ends in any case */
    return status;
}

void ng_txn_rollback(ng_txn *txn)
{
    ngi_txn_rollback(txn);
}

ng_status ng_txn_if_version(ng_txn *txn, ng_token_id id, uint32_t version)
{
    API_REQUIRE(txn);
    return ngi_txn_if_version(txn, id, version);
}

ng_status ng_txn_if_absent(ng_txn *txn, ng_collection_id collection, const char *label,
                           size_t label_bytes)
{
    API_REQUIRE(txn);
    API_REQUIRE(label);
    return ngi_txn_if_absent(txn, collection, label, label_bytes);
}

ng_status ng_txn_token_get(const ng_txn *txn, ng_token_id id, ng_token_info *out)
{
    API_REQUIRE(txn);
    API_REQUIRE(out);
    return ngi_txn_token_get(txn, id, out);
}

ng_status ng_txn_token_find(const ng_txn *txn, ng_collection_id collection, const char *label,
                            size_t label_bytes, ng_token_id *out)
{
    API_REQUIRE(txn);
    API_REQUIRE(label);
    API_REQUIRE(out);
    return ngi_txn_token_find(txn, collection, label, label_bytes, out);
}

ng_status ng_txn_token_label(const ng_txn *txn, ng_token_id id, char *out, size_t capacity,
                             size_t *bytes)
{
    API_REQUIRE(txn);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_txn_token_label(txn, id, out, capacity, bytes);
}

ng_status ng_txn_token_vector(const ng_txn *txn, ng_token_id id, float *out, size_t capacity,
                              size_t *count)
{
    API_REQUIRE(txn);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_txn_token_vector(txn, id, out, capacity, count);
}

ng_status ng_txn_connection_get(const ng_txn *txn, ng_connection_id id, ng_connection *out)
{
    API_REQUIRE(txn);
    API_REQUIRE(out);
    return ngi_txn_connection_get(txn, id, out);
}

ng_status ng_txn_token_vector_in(const ng_txn *txn, ng_token_id id, ng_vector_field_id field,
                                 float *out, size_t capacity, size_t *count)
{
    API_REQUIRE(txn);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_txn_token_vector_in(txn, id, field, out, capacity, count);
}

ng_status ng_txn_token_tags(const ng_txn *txn, ng_token_id id, char *out, size_t capacity,
                            size_t *bytes)
{
    API_REQUIRE(txn);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_txn_token_tags(txn, id, out, capacity, bytes);
}

ng_status ng_txn_token_data(const ng_txn *txn, ng_token_id id, char *out, size_t capacity,
                            size_t *bytes)
{
    API_REQUIRE(txn);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_txn_token_data(txn, id, out, capacity, bytes);
}
