/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The answer of the command `neighbors`. */
#include "cli_near.h"
#include "cli_json.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdlib.h>

/* What is found without a limit is counted first, because all of it is wanted. */
static bool near_is_bounded(const cli_near_request *request)
{
    return request->by_radius || request->by_box;
}

static ng_status near_search(const cli_context *context, const cli_near_request *request,
                             ng_hit *out, size_t capacity, size_t *count)
{
    const ng_store *store = context->store;
    const ng_search_options *options = &request->options;

    if (request->several)
        return request->by_radius
                   ? ng_multi_range(store, &request->query, request->radius, options, out, capacity,
                                    count)
                   : ng_multi_nearest(store, &request->query, options, out, capacity, count);
    if (request->by_box)
        return ng_grid_box(store, request->space, request->low, request->high, options, out,
                           capacity, count);
    if (request->by_radius)
        return ng_grid_range(store, request->space, request->at, request->radius, options, out,
                             capacity, count);
    return ng_grid_nearest(store, request->space, request->at, options, out, capacity, count);
}

/* ---- where the search was, in JSON ---- */

static void near_json_triple(cli_json *json, const char *key, const float at[NG_AXIS_COUNT])
{
    cli_json_array(json, key);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_json_float(json, NULL, at[axis]);
    cli_json_close(json);
}

static void near_json_spaces(cli_json *json, const ng_multi_query *query)
{
    cli_json_object(json, "spaces");
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        if ((query->spaces >> space & 1) == 0)
            continue;
        cli_json_object(json, ng_space_name((ng_space)space));
        near_json_triple(json, "at", query->centers[space]);
        if (query->weights[space] > 0)
            cli_json_float(json, "weight", query->weights[space]);
        else
            cli_json_null(json, "weight");
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void near_json_where(cli_json *json, const cli_near_request *request)
{
    if (request->several) {
        near_json_spaces(json, &request->query);
    } else {
        cli_json_text(json, "space", ng_space_name(request->space));
        if (request->by_box) {
            near_json_triple(json, "low", request->low);
            near_json_triple(json, "high", request->high);
        } else {
            near_json_triple(json, "at", request->at);
        }
    }
    if (request->token != 0)
        cli_json_u64(json, "token", request->token);
    else
        cli_json_null(json, "token");
    if (request->by_radius)
        cli_json_float(json, "radius", request->radius);
}

/* ---- hits ---- */

static void near_print_json(const cli_context *context, const cli_near_request *request,
                            const ng_hit *hits, size_t shown, size_t total)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    near_json_where(&json, request);
    if (near_is_bounded(request))
        cli_json_u64(&json, "total", total);
    cli_json_array(&json, "hits");
    for (size_t i = 0; i < shown; i++) {
        char label[CLI_LABEL_ROOM];

        cli_json_object(&json, NULL);
        cli_json_u64(&json, "id", hits[i].id);
        cli_json_text(&json, "label", cli_token_label(context, hits[i].id, label));
        cli_json_float(&json, "distance", hits[i].distance);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void near_print_text(const cli_context *context, const ng_hit *hits, size_t shown)
{
    static const cli_column columns[] = {{"id", true}, {"label", false}, {"distance", true}};
    cli_table table;

    cli_table_init(&table, columns, 3);
    for (size_t i = 0; i < shown; i++) {
        char label[CLI_LABEL_ROOM], number[CLI_NUMBER_ROOM];

        if (cli_token_label(context, hits[i].id, label) == NULL)
            label[0] = '\0';
        cli_table_cell(&table, "%" PRIu64, hits[i].id);
        cli_table_cell(&table, "%s", label);
        cli_table_cell(&table, "%s", cli_show_float(hits[i].distance, number));
    }
    cli_table_print(context, &table);
}

static void near_print(const cli_context *context, const cli_near_request *request,
                       const ng_hit *hits, size_t shown, size_t total)
{
    if (context->json)
        near_print_json(context, request, hits, shown, total);
    else
        near_print_text(context, hits, shown);
    if (near_is_bounded(request) && total > shown)
        cli_note(context, "%zu more within the %s; use --limit", total - shown,
                 request->by_box ? "box" : "radius");
    if (shown > 0)
        return;
    if (request->several)
        cli_note(context, "no token is there in these spaces");
    else
        cli_note(context, "no token is there in the %s space", ng_space_name(request->space));
}

static int near_answer_hits(const cli_context *context, const cli_near_request *request)
{
    size_t capacity = request->limit > 0 ? (size_t)request->limit : CLI_LIMIT_DEFAULT;
    ng_hit *hits = NULL;
    size_t count = 0, shown;
    ng_status status = NG_OK;

    if (near_is_bounded(request)) {
        status = near_search(context, request, NULL, 0, &count);
        if (request->limit == 0 || count < capacity)
            capacity = count;
    }
    if (status == NG_OK) {
        hits = cli_allocate(capacity, sizeof *hits);
        status = near_search(context, request, hits, capacity, &count);
    }
    shown = count < capacity ? count : capacity;
    if (status == NG_OK)
        near_print(context, request, hits, shown, count);
    free(hits);
    if (status != NG_OK)
        return cli_fail_status(context, status);
    return shown > 0 ? CLI_OK : CLI_NOTHING;
}

/* ---- one number ---- */

static ng_status near_measure(const cli_context *context, const cli_near_request *request,
                              double *value, uint64_t *count)
{
    const ng_store *store = context->store;
    const ng_search_options *options = &request->options;

    if (request->kind == CLI_NEAR_DENSITY)
        return ng_grid_density(store, request->space, request->at, request->radius, options, value,
                               count);
    if (request->kind == CLI_NEAR_INFLUENCE)
        return ng_grid_influence(store, request->space, request->at, request->radius, options,
                                 value, count);
    if (request->by_box)
        return ng_grid_box_count(store, request->space, request->low, request->high, options,
                                 count);
    return ng_grid_count(store, request->space, request->at, request->radius, options, count);
}

static int near_answer_number(const cli_context *context, const cli_near_request *request)
{
    double value = 0;
    uint64_t count = 0;
    cli_json json;
    ng_status status = near_measure(context, request, &value, &count);

    if (status != NG_OK)
        return cli_fail_status(context, status);
    if (context->json) {
        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        near_json_where(&json, request);
        cli_json_u64(&json, "count", count);
        if (request->kind == CLI_NEAR_DENSITY)
            cli_json_double(&json, "density", value);
        if (request->kind == CLI_NEAR_INFLUENCE)
            cli_json_double(&json, "influence", value);
        cli_json_close(&json);
        cli_json_end(&json);
    } else if (request->kind == CLI_NEAR_COUNT) {
        printf("%" PRIu64 "\n", count);
    } else {
        printf("%.9g\n", value);
    }
    return CLI_OK;
}

int cli_near_answer(const cli_context *context, const cli_near_request *request)
{
    if (request->kind == CLI_NEAR_HITS)
        return near_answer_hits(context, request);
    return near_answer_number(context, request);
}
