/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The route table, and what happens between a handler and the sending of its reply.
 *
 * Paths match with and without one trailing slash. "{id}" stands for one part of a path; a path that
 * is written out comes before one that its last part could be the id of. */
#include "server_private.h"

#define API "/api/v1"
#define ROUTE_SEARCH (NGS_ROUTE_PARAMS | NGS_ROUTE_POOL)
#define ROUTE_ID "{id}"

static const ngs_route routes[] = {
    {NGS_GET, "/", ngs_system_root, 0},
    {NGS_GET, API "/tokens/search", ngs_token_search, NGS_ROUTE_PARAMS | NGS_ROUTE_POOL},
    {NGS_GET, API "/tokens/{id}", ngs_token_get, 0},
    {NGS_POST, API "/tokens", ngs_token_create, NGS_ROUTE_BODY},
    {NGS_GET, API "/tokens", ngs_token_list, NGS_ROUTE_PARAMS},
    {NGS_PUT, API "/tokens/{id}", ngs_token_update, NGS_ROUTE_BODY},
    {NGS_DELETE, API "/tokens/{id}", ngs_token_delete, 0},
    {NGS_POST, API "/tokens/batch", ngs_token_batch, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/tokens/examples/create", ngs_token_examples, 0},
    {NGS_DELETE, API "/tokens/admin/clear", ngs_token_clear, NGS_ROUTE_PARAMS | NGS_ROUTE_POOL},
    {NGS_GET, API "/collections", ngs_collection_list, 0},
    {NGS_POST, API "/collections", ngs_collection_create, NGS_ROUTE_BODY},
    {NGS_GET, API "/collections/{id}", ngs_collection_get, 0},
    {NGS_DELETE, API "/collections/{id}", ngs_collection_drop, NGS_ROUTE_POOL},
    {NGS_GET, API "/tokens/{id}/connections", ngs_token_connections, NGS_ROUTE_PARAMS},
    {NGS_GET, API "/connections/types", ngs_connection_types, NGS_ROUTE_PARAMS},
    {NGS_GET, API "/connections/between", ngs_connection_between, NGS_ROUTE_PARAMS},
    {NGS_POST, API "/connections/batch", ngs_connection_batch, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_GET, API "/connections/{id}", ngs_connection_get, 0},
    {NGS_PUT, API "/connections/{id}", ngs_connection_update, NGS_ROUTE_BODY},
    {NGS_PATCH, API "/connections/{id}", ngs_connection_update, NGS_ROUTE_BODY},
    {NGS_DELETE, API "/connections/{id}", ngs_connection_delete, 0},
    {NGS_POST, API "/connections/{id}/activate", ngs_connection_activate, NGS_ROUTE_BODY},
    {NGS_GET, API "/connections/{id}/force", ngs_connection_force, NGS_ROUTE_PARAMS},
    {NGS_POST, API "/connections", ngs_connection_create, NGS_ROUTE_BODY | NGS_ROUTE_PARAMS},
    {NGS_GET, API "/connections", ngs_connection_list, NGS_ROUTE_PARAMS},
    {NGS_GET, API "/indexes", ngs_index_list, 0},
    {NGS_POST, API "/indexes", ngs_index_declare, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_DELETE, API "/indexes/{id}", ngs_index_drop, NGS_ROUTE_POOL},
    {NGS_GET, API "/grid/status", ngs_grid_status, 0},
    {NGS_GET, API "/grid", ngs_grid_list, 0},
    {NGS_POST, API "/grid/create", ngs_grid_create, NGS_ROUTE_BODY},
    {NGS_GET, API "/grid/{id}", ngs_grid_get, NGS_ROUTE_PARAMS},
    {NGS_DELETE, API "/grid/{id}", ngs_grid_drop, NGS_ROUTE_POOL},
    {NGS_POST, API "/grid/{id}/tokens/{id}", ngs_grid_add, 0},
    {NGS_DELETE, API "/grid/{id}/tokens/{id}", ngs_grid_remove, 0},
    {NGS_GET, API "/grid/{id}/neighbors/{id}", ngs_grid_neighbors, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/range", ngs_grid_range, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/box", ngs_grid_box, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/nearest", ngs_grid_nearest, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/count", ngs_grid_count, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/influence", ngs_grid_influence, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/density", ngs_grid_density, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/clusters", ngs_grid_clusters, ROUTE_SEARCH},
    {NGS_GET, API "/grid/{id}/fields", ngs_grid_fields, ROUTE_SEARCH},
    {NGS_POST, API "/grid/{id}/query", ngs_grid_query, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/query", ngs_query, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/query/batch", ngs_query_batch, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/feedback", ngs_feedback_give, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_GET, API "/feedback", ngs_feedback_list, NGS_ROUTE_PARAMS | NGS_ROUTE_POOL},
    {NGS_POST, API "/feedback/{id}/undo", ngs_feedback_undo, NGS_ROUTE_POOL},
    {NGS_DELETE, API "/feedback/{id}", ngs_feedback_undo, NGS_ROUTE_POOL},
    {NGS_POST, API "/similarity", ngs_similarity, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/odd", ngs_odd, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/tokens/nearest", ngs_nearest, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_GET, API "/vectors/fields", ngs_field_list, 0},
    {NGS_POST, API "/vectors/fields", ngs_field_create, NGS_ROUTE_BODY},
    {NGS_DELETE, API "/vectors/fields/{id}", ngs_field_drop, NGS_ROUTE_POOL},
    {NGS_POST, API "/vectors/fields/{id}/compare", ngs_embedding_compare,
     NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_POST, API "/vectors/fields/{id}/switch", ngs_embedding_switch,
     NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_GET, API "/vectors/graph", ngs_graph_get, NGS_ROUTE_PARAMS},
    {NGS_POST, API "/vectors/graph", ngs_graph_build, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_DELETE, API "/vectors/graph", ngs_graph_drop, NGS_ROUTE_PARAMS | NGS_ROUTE_POOL},
    {NGS_GET, API "/feed", ngs_feed_get, NGS_ROUTE_PARAMS},
    {NGS_GET, API "/admin/backup", ngs_backup_get, NGS_ROUTE_PARAMS},
    {NGS_POST, API "/admin/checkpoint", ngs_checkpoint, NGS_ROUTE_BODY | NGS_ROUTE_POOL},
    {NGS_GET, API "/health", ngs_system_health, NGS_ROUTE_ALWAYS},
    {NGS_GET, API "/health/live", ngs_system_live, NGS_ROUTE_ALWAYS},
    {NGS_GET, API "/health/ready", ngs_system_ready, NGS_ROUTE_ALWAYS},
    {NGS_GET, API "/health/startup", ngs_system_startup, NGS_ROUTE_ALWAYS},
    {NGS_GET, API "/status", ngs_system_status, NGS_ROUTE_ALWAYS},
    {NGS_GET, API "/stats/memory", ngs_system_memory, 0},
};

/* Whether `path` of `length` bytes is the pattern. Each "{id}" takes one part that is not empty; the
 * first goes to request->id_text, the second to request->second_text. */
static bool route_matches(ngs_request *request, const char *pattern, const char *path,
                          size_t length)
{
    char *ids[] = {request->id_text, request->second_text};
    for (size_t id = 0;; id++) {
        size_t fixed = strcspn(pattern, "{");
        if (length < fixed || memcmp(pattern, path, fixed) != 0)
            return false;
        pattern += fixed;
        path += fixed;
        length -= fixed;
        if (*pattern == '\0' || id == sizeof ids / sizeof ids[0])
            return *pattern == '\0' && length == 0;
        size_t part = 0;
        while (part < length && path[part] != '/')
            part++;
        if (part == 0)
            return false;
        size_t bytes = part < NGS_ID_TEXT_MAX ? part : NGS_ID_TEXT_MAX;
        memcpy(ids[id], path, bytes);
        ids[id][bytes] = '\0';
        pattern += sizeof ROUTE_ID - 1;
        path += part;
        length -= part;
    }
}

unsigned ngs_route_find(ngs_request *request, const char *path)
{
    ngs_method method = request->method == NGS_HEAD ? NGS_GET : request->method;
    size_t length = strlen(path);
    unsigned allow = 0;
    if (length > 1 && path[length - 1] == '/')
        length--;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!route_matches(request, routes[i].pattern, path, length))
            continue;
        if (routes[i].method != method) {
            allow |= routes[i].method;
            continue;
        }
        request->route = &routes[i];
        return 0;
    }
    if (allow == 0)
        return NGS_ROUTE_NO_PATH;
    return allow | NGS_OPTIONS | ((allow & NGS_GET) != 0 ? (unsigned)NGS_HEAD : 0);
}

void ngs_route_run(ngs_request *request)
{
    request->wants_worker = false;
    request->wants_feed = false;
    if ((request->route->flags & NGS_ROUTE_PARAMS) != 0 && request->params_overflow) {
        ngs_problem(request, "query", "value_error", "more than %d parameters", NGS_PARAMS_MAX);
        ngs_problems_reply(request);
        return;
    }
    request->route->handler(request);
}

bool ngs_request_settled(ngs_request *request)
{
    ng_seq applied = 0;
    ng_seq durable = 0;
    if (!request->settles || request->server->relaxed)
        return true;
    /* Read after the handler has read the store: whatever the reply shows is at most `applied`. */
    ng_positions(request->server->store, &applied, &durable);
    request->barrier = applied;
    return applied <= durable;
}

void ngs_request_settle(ngs_request *request)
{
    if (ngs_request_settled(request))
        ngs_http_resume(request);
    else
        ngs_commit_push(request->server->commit, request);
}
