/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Search in space by GET: what is near a token or a point, in a sphere or a box, how many and how
 * dense. Searches run on the pool, and end with 504 when their time is over: what a client may ask for
 * has no bound of its own.
 *
 * Grid 0 is the store's own. It has every token, and a search in it finds those of one collection; a
 * search in another grid finds its members. */
#include "server_grid.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------------------- what a search is */

bool ngs_grid_begin(ngs_request *request, ngs_grid_call *call)
{
    const char *text = request->id_text;
    size_t length = strspn(text, "0123456789");
    *call = (ngs_grid_call){.options = {.struct_size = sizeof call->options},
                            .filter = {.struct_size = sizeof call->filter},
                            .radius = NGS_GRID_RADIUS_DEFAULT,
                            .limit = NGS_GRID_LIMIT_DEFAULT,
                            .timeout_ms = request->server->limits.query_deadline_ms};
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    request->settles = true;
    if (length == 0 || text[length] != '\0') {
        ngs_problem(request, "path.grid_id", "type_error", "an integer is expected, not \"%.64s\"",
                    text);
        return !ngs_problems_reply(request);
    }
    if (errno == 0 && number <= UINT32_MAX) {
        ng_grid_info info;
        call->options.grid = (ng_grid_id)number;
        if (number == 0 || ng_grid_get(request->server->store, call->options.grid, &info) == NG_OK)
            return true;
    }
    ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Grid %.32s not found", text);
    return false;
}

bool ngs_grid_prepare(ngs_request *request, ngs_grid_call *call, const char *collection)
{
    const ngs_param named = {.name = "collection", .value = collection};
    bool any = collection != NULL ? strcmp(collection, "any") == 0 : call->options.grid != 0;
    if (!any && !ngs_param_collection(request, collection != NULL ? &named : NULL, true,
                                      &call->filter.collection))
        return false;
    call->filter.by_collection = !any && call->filter.collection != NG_COLLECTION_ANY;
    if (call->filter.by_collection || call->filter.flags_all != 0 || call->filter.exclude != 0)
        call->options.filter = &call->filter;
    /* The time since the request came counts, so that a client waits no longer than it was told. */
    int64_t left_us = (int64_t)call->timeout_ms * 1000 - (ngs_now_ns() - request->start_ns) / 1000;
    call->options.timeout_us = left_us < 1            ? 1
                               : left_us > UINT32_MAX ? UINT32_MAX
                                                      : (uint32_t)left_us;
    return true;
}

ng_hit *ngs_grid_room(ngs_request *request, uint64_t count)
{
    ng_hit *hits = calloc((size_t)count, sizeof *hits);
    if (hits == NULL)
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory for the answer");
    return hits;
}

void ngs_grid_fail(ngs_request *request, ng_status status)
{
    if (status != NG_E_INVALID) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_problem(request, request->method == NGS_POST ? "body" : "query", "value_error", "%s",
                ng_last_error());
    ngs_problems_reply(request);
}

bool ngs_grid_space(const char *text, ng_space *out)
{
    if (text[0] >= '0' && text[0] < '0' + NG_SPACE_COUNT && text[1] == '\0') {
        *out = (ng_space)(text[0] - '0');
        return true;
    }
    return ng_space_parse(text, out) == NG_OK;
}

bool ngs_grid_metric(const char *text, uint32_t *out)
{
    static const char *const names[] = {"euclidean", "manhattan", "chebyshev"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

void ngs_grid_out_triple(ngs_out *out, const float at[NG_AXIS_COUNT])
{
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        ngs_out_char(out, axis == 0 ? '[' : ',');
        ngs_out_float(out, at[axis]);
    }
    ngs_out_char(out, ']');
}

void ngs_grid_out_hits(ngs_out *out, const ng_hit *hits, size_t count)
{
    ngs_out_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        ngs_out_text(out, i == 0 ? "{\"token_id\":" : ",{\"token_id\":");
        ngs_out_u64(out, hits[i].id);
        ngs_out_text(out, ",\"distance\":");
        ngs_out_float(out, hits[i].distance);
        ngs_out_char(out, '}');
    }
    ngs_out_char(out, ']');
}

/* ---------------------------------------------------------------------------------- parameters */

static bool grid_number(ngs_request *request, const ngs_param *param, const char *text, char end,
                        float *out)
{
    char field[64];
    char *stop;
    snprintf(field, sizeof field, "query.%.32s", param->name);
    double value = strtod(text, &stop);
    if (stop == text || *stop != end)
        ngs_problem(request, field, "type_error", "%s expected, not \"%.48s\"",
                    end == '\0' && text == param->value ? "a number is" : "three numbers x,y,z are",
                    param->value);
    else if (!isfinite((float)value))
        ngs_problem(request, field, "value_error", "\"%.48s\" does not fit a float32",
                    param->value);
    else
        *out = (float)value;
    return stop != text && *stop == end;
}

static void grid_distance(ngs_request *request, const ngs_param *param, float least, float *out)
{
    char field[64];
    if (!grid_number(request, param, param->value, '\0', out) || *out >= least)
        return;
    snprintf(field, sizeof field, "query.%.32s", param->name);
    ngs_problem(request, field, "value_error", "%.9g is less than %.9g", (double)*out,
                (double)least);
}

static void grid_triple(ngs_request *request, const ngs_param *param, float out[NG_AXIS_COUNT])
{
    const char *text = param->value;
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        bool last = axis == NG_AXIS_COUNT - 1;
        if (!grid_number(request, param, text, last ? '\0' : ',', &out[axis]))
            return;
        text += last ? 0 : strcspn(text, ",") + 1;
    }
}

static void grid_read_space(ngs_request *request, const ngs_param *param, ng_space *out)
{
    if (!ngs_grid_space(param->value, out))
        ngs_problem(request, "query.space", "value_error",
                    "no space \"%.32s\"; spaces are 0..7, L1..L8, physical, sensory, motor, "
                    "emotional, cognitive, social, temporal, abstract",
                    param->value);
}

static void grid_read_order(ngs_request *request, const ngs_param *param, uint32_t *flags)
{
    if (strcmp(param->value, "true") == 0)
        *flags |= NG_SEARCH_UNORDERED;
    else if (strcmp(param->value, "false") != 0)
        ngs_problem(request, "query.unordered", "value_error",
                    "\"%.32s\" is neither false nor true", param->value);
}

static void grid_read_metric(ngs_request *request, const ngs_param *param, uint32_t *metric)
{
    if (!ngs_grid_metric(param->value, metric))
        ngs_problem(request, "query.metric", "value_error",
                    "\"%.32s\" is not euclidean, manhattan or chebyshev", param->value);
}

/* Of clusters and fields. */
static bool grid_read_group(ngs_request *request, const ngs_param *param, unsigned takes,
                            ngs_grid_call *call, ngs_grid_given *given)
{
    const char *name = param->name;
    if ((takes & NGS_GRID_TAKES_NEAR) != 0 && strcmp(name, "radius") == 0) {
        given->radius = true;
        grid_distance(request, param, NGS_GRID_NEAR_MIN, &call->radius);
    } else if ((takes & NGS_GRID_TAKES_DENSITY) != 0 && strcmp(name, "density_threshold") == 0) {
        grid_distance(request, param, NGS_GRID_NEAR_MIN, &call->density_threshold);
    } else if ((takes & NGS_GRID_TAKES_TOKENS) != 0 && strcmp(name, "min_tokens") == 0) {
        ngs_read_param(request, param, 1, UINT32_MAX, &call->min_tokens);
    } else if ((takes & NGS_GRID_TAKES_MEMBERS) != 0 && strcmp(name, "members") == 0) {
        ngs_read_param(request, param, 1, NGS_GRID_HITS_MAX, &call->member_limit);
    } else {
        return false;
    }
    return true;
}

static bool grid_read_where(ngs_request *request, const ngs_param *param, unsigned takes,
                            ngs_grid_call *call, ngs_grid_given *given)
{
    const char *name = param->name;
    if ((takes & NGS_GRID_TAKES_POINT) != 0 && name[0] >= 'x' && name[0] <= 'z' &&
        name[1] == '\0') {
        given->point = true;
        grid_number(request, param, param->value, '\0', &call->center[name[0] - 'x']);
    } else if ((takes & NGS_GRID_TAKES_RADIUS) != 0 && strcmp(name, "radius") == 0) {
        given->radius = true;
        grid_distance(request, param, NGS_GRID_RADIUS_MIN, &call->radius);
    } else if ((takes & NGS_GRID_TAKES_BOX) != 0 && strcmp(name, "low") == 0) {
        given->box |= 1;
        grid_triple(request, param, call->low);
    } else if ((takes & NGS_GRID_TAKES_BOX) != 0 && strcmp(name, "high") == 0) {
        given->box |= 2;
        grid_triple(request, param, call->high);
    } else if ((takes & NGS_GRID_TAKES_FAR) != 0 && strcmp(name, "max_distance") == 0) {
        grid_distance(request, param, 0, &call->options.max_distance);
    } else {
        return false;
    }
    return true;
}

static void grid_read_param(ngs_request *request, const ngs_param *param, unsigned takes,
                            ngs_grid_call *call, ngs_grid_given *given)
{
    const char *name = param->name;
    uint64_t number = 0;
    if (grid_read_where(request, param, takes, call, given) ||
        grid_read_group(request, param, takes, call, given))
        return;
    if (strcmp(name, "space") == 0) {
        grid_read_space(request, param, &call->space);
    } else if (strcmp(name, "collection") == 0) {
        given->collection = param->value;
    } else if (strcmp(name, "flags") == 0) {
        ngs_read_param(request, param, 0, UINT16_MAX, &number);
        call->filter.flags_all = (uint16_t)number;
    } else if (strcmp(name, "exclude") == 0) {
        ngs_read_param(request, param, 1, UINT64_MAX, &call->filter.exclude);
    } else if (strcmp(name, "timeout_ms") == 0) {
        ngs_read_param(request, param, 1, call->timeout_ms, &call->timeout_ms);
    } else if (((takes & NGS_GRID_TAKES_LIMIT) != 0 && strcmp(name, "limit") == 0) ||
               ((takes & NGS_GRID_TAKES_MAX) != 0 && strcmp(name, "max_results") == 0)) {
        ngs_read_param(request, param, 1, NGS_GRID_LIMIT_MAX, &call->limit);
    } else if ((takes & NGS_GRID_TAKES_METRIC) != 0 && strcmp(name, "metric") == 0) {
        grid_read_metric(request, param, &call->options.metric);
    } else if ((takes & NGS_GRID_TAKES_ORDER) != 0 && strcmp(name, "unordered") == 0) {
        grid_read_order(request, param, &call->options.flags);
    } else {
        ngs_problem(request, "query", "unknown_field", "no such parameter \"%.64s\"", name);
    }
}

bool ngs_grid_read(ngs_request *request, unsigned takes, ngs_grid_call *call, ngs_grid_given *given)
{
    *given = (ngs_grid_given){0};
    if (!ngs_grid_begin(request, call))
        return false;
    if ((takes & NGS_GRID_TAKES_LIMIT) != 0 &&
        (takes & (NGS_GRID_TAKES_RADIUS | NGS_GRID_TAKES_BOX)) != 0)
        call->limit = NGS_GRID_LIMIT_MAX; /* all within it are wanted */
    for (size_t i = 0; i < request->param_count; i++)
        grid_read_param(request, &request->params[i], takes, call, given);
    if ((takes & NGS_GRID_TAKES_NEAR) != 0 && !given->radius)
        ngs_problem(request, "query.radius", "missing", "the field is required");
    if (given->box != 0 && given->box != 3)
        ngs_problem(request, given->box == 1 ? "query.high" : "query.low", "missing",
                    "a box has two corners, low=x,y,z and high=x,y,z");
    if (given->box != 0 && (given->radius || given->point))
        ngs_problem(request, "query.low", "value_error",
                    "either a box or a point with a radius, not both");
    return !ngs_problems_reply(request) && ngs_grid_prepare(request, call, given->collection);
}

/* ------------------------------------------------------------------------------------ handlers */

ngs_out *ngs_grid_reply(ngs_request *request, const ngs_grid_call *call)
{
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"grid_id\":");
    ngs_out_u64(out, call->options.grid);
    ngs_out_text(out, ",\"space\":");
    ngs_out_u64(out, (uint64_t)call->space);
    return out;
}

static void grid_out_triple(ngs_out *out, const char *name, const float at[NG_AXIS_COUNT])
{
    ngs_out_text(out, name);
    ngs_grid_out_triple(out, at);
}

static void grid_out_float(ngs_out *out, const char *name, float value)
{
    ngs_out_text(out, name);
    ngs_out_float(out, value);
}

/* The end: hits under `name`, and how many; `total` when there may be more than are shown. */
static void grid_out_end(ngs_out *out, const char *name, const ng_hit *hits, size_t shown,
                         const size_t *total)
{
    ngs_out_text(out, name);
    ngs_grid_out_hits(out, hits, shown);
    ngs_out_text(out, ",\"count\":");
    ngs_out_u64(out, shown);
    if (total != NULL) {
        ngs_out_text(out, ",\"total\":");
        ngs_out_u64(out, *total);
    }
    ngs_out_char(out, '}');
}

bool ngs_grid_token(ngs_request *request, ng_token_id *out)
{
    const char *text = request->second_text;
    size_t length = strspn(text, "0123456789");
    errno = 0;
    *out = strtoull(text, NULL, 10);
    if (length == 0 || text[length] != '\0')
        ngs_problem(request, "path.token_id", "type_error", "an integer is expected, not \"%.64s\"",
                    text);
    else if (errno != 0)
        ngs_problem(request, "path.token_id", "value_error", "%.32s is outside 1..2^64-1", text);
    return !ngs_problems_reply(request);
}

void ngs_grid_neighbors(ngs_request *request)
{
    ngs_grid_call call;
    ngs_grid_given given;
    ng_token_id id;
    size_t count = 0;
    if (!ngs_grid_token(request, &id) ||
        !ngs_grid_read(request,
                       NGS_GRID_TAKES_RADIUS | NGS_GRID_TAKES_MAX | NGS_GRID_TAKES_METRIC |
                           NGS_GRID_TAKES_ALL,
                       &call, &given))
        return;
    ng_hit *hits = ngs_grid_room(request, call.limit);
    if (hits == NULL)
        return;
    call.options.max_distance = call.radius;
    ng_status status = ng_token_neighbors(request->server->store, id, call.space, &call.options,
                                          hits, (size_t)call.limit, &count);
    if (status == NG_E_NOT_FOUND || (status == NG_E_INVALID && id == 0)) {
        ngs_reply_error(request, 404, "RESOURCE_NOT_FOUND", NULL, "Token %08llX not found",
                        (unsigned long long)id);
    } else if (status != NG_OK) {
        ngs_grid_fail(request, status);
    } else {
        ngs_out *out = ngs_reply_data(request, 200);
        ngs_out_text(out, "{\"grid_id\":");
        ngs_out_u64(out, call.options.grid);
        ngs_out_text(out, ",\"center_token_id\":");
        ngs_out_u64(out, id);
        ngs_out_text(out, ",\"space\":");
        ngs_out_u64(out, (uint64_t)call.space);
        grid_out_float(out, ",\"radius\":", call.radius);
        grid_out_end(out, ",\"neighbors\":", hits, count, NULL);
    }
    free(hits);
}

/* A search whose hits are listed: what differs is which call, and how the reply begins. */
typedef ng_status (*grid_search_fn)(const ng_store *store, const ngs_grid_call *call, ng_hit *hits,
                                    size_t *count);
typedef void (*grid_show_fn)(ngs_out *out, const ngs_grid_call *call);

static void grid_search(ngs_request *request, const ngs_grid_call *call, grid_search_fn search,
                        grid_show_fn show)
{
    size_t total = 0;
    ng_hit *hits = ngs_grid_room(request, call->limit);
    if (hits == NULL)
        return;
    ng_status status = search(request->server->store, call, hits, &total);
    if (status != NG_OK) {
        ngs_grid_fail(request, status);
    } else {
        ngs_out *out = ngs_grid_reply(request, call);
        show(out, call);
        grid_out_end(out, ",\"results\":", hits, total < call->limit ? total : (size_t)call->limit,
                     &total);
    }
    free(hits);
}

static ng_status grid_search_range(const ng_store *store, const ngs_grid_call *call, ng_hit *hits,
                                   size_t *count)
{
    return ng_grid_range(store, call->space, call->center, call->radius, &call->options, hits,
                         (size_t)call->limit, count);
}

static void grid_show_range(ngs_out *out, const ngs_grid_call *call)
{
    grid_out_triple(out, ",\"center\":", call->center);
    grid_out_float(out, ",\"radius\":", call->radius);
}

void ngs_grid_range(ngs_request *request)
{
    ngs_grid_call call;
    ngs_grid_given given;
    if (ngs_grid_read(request,
                      NGS_GRID_TAKES_POINT | NGS_GRID_TAKES_RADIUS | NGS_GRID_TAKES_LIMIT |
                          NGS_GRID_TAKES_METRIC | NGS_GRID_TAKES_ORDER | NGS_GRID_TAKES_ALL,
                      &call, &given))
        grid_search(request, &call, grid_search_range, grid_show_range);
}

static ng_status grid_search_box(const ng_store *store, const ngs_grid_call *call, ng_hit *hits,
                                 size_t *count)
{
    return ng_grid_box(store, call->space, call->low, call->high, &call->options, hits,
                       (size_t)call->limit, count);
}

static void grid_show_box(ngs_out *out, const ngs_grid_call *call)
{
    grid_out_triple(out, ",\"low\":", call->low);
    grid_out_triple(out, ",\"high\":", call->high);
}

void ngs_grid_box(ngs_request *request)
{
    ngs_grid_call call;
    ngs_grid_given given;
    if (!ngs_grid_read(request,
                       NGS_GRID_TAKES_BOX | NGS_GRID_TAKES_LIMIT | NGS_GRID_TAKES_METRIC |
                           NGS_GRID_TAKES_ORDER | NGS_GRID_TAKES_ALL,
                       &call, &given))
        return;
    if (given.box == 0) {
        ngs_problem(request, "query.low", "missing",
                    "a box has two corners, low=x,y,z and high=x,y,z");
        ngs_problems_reply(request);
        return;
    }
    grid_search(request, &call, grid_search_box, grid_show_box);
}

static ng_status grid_search_nearest(const ng_store *store, const ngs_grid_call *call, ng_hit *hits,
                                     size_t *count)
{
    return ng_grid_nearest(store, call->space, call->center, &call->options, hits,
                           (size_t)call->limit, count);
}

static void grid_show_nearest(ngs_out *out, const ngs_grid_call *call)
{
    grid_out_triple(out, ",\"center\":", call->center);
}

void ngs_grid_nearest(ngs_request *request)
{
    ngs_grid_call call;
    ngs_grid_given given;
    if (ngs_grid_read(request,
                      NGS_GRID_TAKES_POINT | NGS_GRID_TAKES_LIMIT | NGS_GRID_TAKES_METRIC |
                          NGS_GRID_TAKES_FAR | NGS_GRID_TAKES_ALL,
                      &call, &given))
        grid_search(request, &call, grid_search_nearest, grid_show_nearest);
}

void ngs_grid_count(ngs_request *request)
{
    const ng_store *store = request->server->store;
    ngs_grid_call call;
    ngs_grid_given given;
    uint64_t count = 0;
    if (!ngs_grid_read(request,
                       NGS_GRID_TAKES_POINT | NGS_GRID_TAKES_RADIUS | NGS_GRID_TAKES_BOX |
                           NGS_GRID_TAKES_METRIC | NGS_GRID_TAKES_ALL,
                       &call, &given))
        return;
    ng_status status =
        given.box != 0
            ? ng_grid_box_count(store, call.space, call.low, call.high, &call.options, &count)
            : ng_grid_count(store, call.space, call.center, call.radius, &call.options, &count);
    if (status != NG_OK) {
        ngs_grid_fail(request, status);
        return;
    }
    ngs_out *out = ngs_grid_reply(request, &call);
    if (given.box != 0)
        grid_show_box(out, &call);
    else
        grid_show_range(out, &call);
    ngs_out_text(out, ",\"count\":");
    ngs_out_u64(out, count);
    ngs_out_char(out, '}');
}

/* Influence and density: {...,"position":[x,y,z],"radius":10,NAME:value,COUNTED:count} */
static void grid_field(ngs_request *request, bool influence)
{
    const ng_store *store = request->server->store;
    ngs_grid_call call;
    ngs_grid_given given;
    double value = 0;
    uint64_t count = 0;
    if (!ngs_grid_read(request, NGS_GRID_TAKES_POINT | NGS_GRID_TAKES_RADIUS | NGS_GRID_TAKES_ALL,
                       &call, &given))
        return;
    ng_status status = influence ? ng_grid_influence(store, call.space, call.center, call.radius,
                                                     &call.options, &value, &count)
                                 : ng_grid_density(store, call.space, call.center, call.radius,
                                                   &call.options, &value, &count);
    if (status != NG_OK) {
        ngs_grid_fail(request, status);
        return;
    }
    ngs_out *out = ngs_grid_reply(request, &call);
    grid_out_triple(out, ",\"position\":", call.center);
    grid_out_float(out, ",\"radius\":", call.radius);
    grid_out_float(out, influence ? ",\"influence\":" : ",\"density\":", (float)value);
    ngs_out_text(out, influence ? ",\"tokens_reaching\":" : ",\"tokens_in_range\":");
    ngs_out_u64(out, count);
    ngs_out_char(out, '}');
}

void ngs_grid_influence(ngs_request *request)
{
    grid_field(request, true);
}

void ngs_grid_density(ngs_request *request)
{
    grid_field(request, false);
}
