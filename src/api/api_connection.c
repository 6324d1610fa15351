/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections of neurograph.h: argument checks. */
#include "api/api_private.h"

/* --- writing --------------------------------------------------------------------------------- */

/* Sizes of all fields; a count that is out of range is refused below. */
static ng_status api_check_fields(const ng_connection_fields *fields, size_t count)
{
    for (size_t i = 0; i < count && count <= NGI_BATCH_MAX; i++)
        API_OPTIONS(&fields[i]);
    return NG_OK;
}

static ng_status api_write(ng_store *store, const ngi_link_request *request)
{
    API_REQUIRE(store);
    API_WRITE(request->write);
    if (request->fields != NULL) {
        ng_status status = api_check_fields(request->fields, request->count);
        if (status != NG_OK)
            return status;
    }
    return ngi_store_connection_write(store, request, NULL);
}

ng_status ng_connection_create(ng_store *store, const ng_connection_fields *fields,
                               const ng_write_options *write, ng_connection_id *out)
{
    return ng_connection_create_many(store, fields, 1, write, out);
}

ng_status ng_connection_create_many(ng_store *store, const ng_connection_fields *fields,
                                    size_t count, const ng_write_options *write,
                                    ng_connection_id *out)
{
    API_REQUIRE(fields);
    API_REQUIRE(out);
    const ngi_link_request request = {
        .verb = NGI_LINK_CREATE, .fields = fields, .count = count, .write = write, .out = out};
    return api_write(store, &request);
}

ng_status ng_connection_update(ng_store *store, ng_connection_id id,
                               const ng_connection_fields *fields, const ng_write_options *write)
{
    return ng_connection_update_many(store, &id, fields, 1, write);
}

ng_status ng_connection_update_many(ng_store *store, const ng_connection_id *ids,
                                    const ng_connection_fields *fields, size_t count,
                                    const ng_write_options *write)
{
    API_REQUIRE(ids);
    API_REQUIRE(fields);
    const ngi_link_request request = {
        .verb = NGI_LINK_UPDATE, .ids = ids, .fields = fields, .count = count, .write = write};
    return api_write(store, &request);
}

ng_status ng_connection_upsert(ng_store *store, const ng_connection_fields *fields,
                               const ng_write_options *write, ng_connection_id *out, bool *created)
{
    return ng_connection_upsert_many(store, fields, 1, write, out, created);
}

ng_status ng_connection_upsert_many(ng_store *store, const ng_connection_fields *fields,
                                    size_t count, const ng_write_options *write,
                                    ng_connection_id *out, bool *created)
{
    API_REQUIRE(fields);
    API_REQUIRE(out);
    const ngi_link_request request = {.verb = NGI_LINK_UPSERT,
                                      .fields = fields,
                                      .count = count,
                                      .write = write,
                                      .out = out,
                                      .created = created};
    return api_write(store, &request);
}

ng_status ng_connection_activate(ng_store *store, ng_connection_id id,
                                 const ng_write_options *write)
{
    return ng_connection_activate_many(store, &id, 1, write);
}

ng_status ng_connection_activate_many(ng_store *store, const ng_connection_id *ids, size_t count,
                                      const ng_write_options *write)
{
    API_REQUIRE(ids);
    const ngi_link_request request = {.verb = NGI_LINK_ACTIVATE,
                                      .ids = ids,
                                      .count = count,
                                      .write = write};
    return api_write(store, &request);
}

ng_status ng_connection_delete(ng_store *store, ng_connection_id id, const ng_write_options *write)
{
    return ng_connection_delete_many(store, &id, 1, write);
}

ng_status ng_connection_delete_many(ng_store *store, const ng_connection_id *ids, size_t count,
                                    const ng_write_options *write)
{
    API_REQUIRE(store);
    API_REQUIRE(ids);
    API_WRITE(write);
    return ngi_store_connection_delete_many(store, ids, count, write);
}

/* --- reading --------------------------------------------------------------------------------- */

ng_status ng_connection_get(const ng_store *store, ng_connection_id id, ng_connection *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    return ngi_store_connection_get(store, id, out);
}

ng_status ng_connection_get_many(const ng_store *store, const ng_connection_id *ids, size_t count,
                                 ng_connection *out, size_t *found)
{
    size_t ignored;
    API_REQUIRE(store);
    API_REQUIRE(ids);
    API_REQUIRE(out);
    return ngi_store_connection_get_many(store, ids, count, out, found != NULL ? found : &ignored);
}

ng_status ng_connection_list(const ng_store *store, const ng_connection_list_options *options,
                             ng_connection_id *ids, ng_connection *records, size_t capacity,
                             size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    ng_status status = ngi_api_check_list(options);
    return status != NG_OK
               ? status
               : ngi_store_connection_list(store, options, ids, records, capacity, count);
}

ng_status ngi_api_check_list(const ng_connection_list_options *options)
{
    API_OPTIONS(options);
    if (options != NULL)
        API_OPTIONS(options->filter);
    return NG_OK;
}

ng_status ng_connection_count(const ng_store *store, const ng_connection_filter *filter,
                              ng_connection_counts *out)
{
    API_REQUIRE(store);
    API_REQUIRE(out);
    API_OPTIONS(filter);
    return ngi_store_connection_count(store, filter, out);
}

ng_status ng_connection_decode(const ng_store *store, ng_connection_id id,
                               const ng_connection *record, uint64_t time_us,
                               ng_connection_info *out)
{
    API_REQUIRE(store);
    API_REQUIRE(record);
    API_REQUIRE(out);
    return ngi_store_connection_decode(store, id, record, time_us, out);
}

ng_status ng_connection_force_in(const ng_store *store, ng_connection_id id, ng_space space,
                                 uint64_t time_us, double *distance, double *force)
{
    API_REQUIRE(store);
    API_REQUIRE(force);
    return ngi_store_connection_force_in(store, id, space, time_us, distance, force);
}

ng_status ng_token_connections(const ng_store *store, ng_token_id id,
                               const ng_edge_options *options, ng_edge *out, size_t capacity,
                               size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    API_OPTIONS(options);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_token_connections(store, id, options, out, capacity, count);
}

ng_status ng_connections_between(const ng_store *store, ng_token_id a, ng_token_id b, ng_edge *out,
                                 size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_connections_between(store, a, b, out, capacity, count);
}

ng_status ng_path_find(const ng_store *store, ng_token_id from, ng_token_id to,
                       const ng_path_options *options, ng_edge *out, size_t capacity, size_t *count)
{
    API_REQUIRE(store);
    API_REQUIRE(count);
    API_OPTIONS(options);
    if (capacity > 0)
        API_REQUIRE(out);
    return ngi_store_path_find(store, from, to, options, out, capacity, count);
}
