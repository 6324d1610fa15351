/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The parts of a recall, as the tables have them. */
#include "store/store_recall.h"

#include "store/store_grid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOUND_SLACK 1e-5 /* of a distance that was rounded to float32: widens a bound */

struct ngi_recall_probe {
    const ng_store *store;
    ngi_recall_spec spec;
    store_filter filter;
    store_searched searched;   /* with a direction */
    ngi_vector_search *search; /* NULL = no direction */
    ng_multi_query query;      /* spaces and centers */
    int16_t centers[NG_SPACE_COUNT][NG_AXIS_COUNT];
    store_multi multi;               /* weights of distance^2 in x^2 */
    double factors[NG_SPACE_COUNT];  /* of the value of the metric in x^2 */
    double shares[NG_SPACE_COUNT];   /* of the value of the metric in distance^2 */
    uint64_t bounds[NG_SPACE_COUNT]; /* largest value within the radius */
};

/* --- opening --------------------------------------------------------------------------------- */

static ng_status probe_places(ngi_recall_probe *probe)
{
    const ng_store *store = probe->store;
    const ngi_recall_spec *spec = &probe->spec;
    double sum = 0;
    ng_cdna cdna;
    ng_status status = ngi_store_cdna_get(store, &cdna);
    for (size_t i = 0; i < spec->place_count; i++)
        sum += (double)cdna.scales[spec->places[i].space];
    for (size_t i = 0; i < spec->place_count && status == NG_OK; i++) {
        const ngi_recall_place *place = &spec->places[i];
        ng_space space = place->space;
        double share = (double)cdna.scales[space] / sum, steps = store->metrics[space].steps;
        probe->query.spaces |= (uint8_t)(1u << (unsigned)space);
        memcpy(probe->query.centers[space], place->at, sizeof place->at);
        probe->multi.weights[space] = share / (place->scale * place->scale);
        probe->factors[space] = probe->multi.weights[space] / (steps * steps);
        probe->shares[space] = share / (steps * steps);
        probe->bounds[space] = place->radius > 0
                                   ? ngi_metric_bound(&store->metrics[space], place->radius)
                                   : UINT64_MAX;
        status = ngi_grid_encode(store, space, place->at, probe->centers[space]);
        if (status != NG_OK) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "near[%zu]", i);
            return ngi_fail_prefix(status, prefix);
        }
    }
    return status;
}

/* Holds the default field. It may be another one than that by which the direction was made. */
static ng_status probe_vectors(ngi_recall_probe *probe)
{
    const ngi_recall_spec *spec = &probe->spec;
    ng_status status =
        ngi_searched_begin(probe->store, 0, spec->remove_components, &probe->searched);
    if (status == NG_OK)
        status = ngi_searched_prepare(&probe->searched);
    if (status == NG_OK)
        status = ngi_searched_read_begin(&probe->searched);
    if (status != NG_OK)
        return status;
    if (ngi_vectors_dimensions(probe->searched.vectors) != spec->dimensions)
        status = ngi_fail(NG_E_INVALID, "vector has %zu dimensions, this store has %u",
                          spec->dimensions, ngi_vectors_dimensions(probe->searched.vectors));
    ngi_store_read_end(probe->store);
    return status;
}

static ng_status probe_begin(ngi_recall_probe *probe)
{
    const ng_store *store = probe->store;
    ng_status status = ngi_filter_check(probe->spec.filter);
    if (status == NG_OK)
        status = probe_places(probe);
    if (status == NG_OK && probe->spec.direction != NULL)
        status = probe_vectors(probe);
    if (status == NG_OK)
        status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    status = ngi_filter_resolve(store, probe->spec.filter);
    if (status == NG_OK && probe->spec.direction != NULL)
        status =
            ngi_vector_search_begin(probe->searched.vectors, probe->spec.direction,
                                    probe->spec.remove_components, 1, NULL, NULL, &probe->search);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_recall_open(const ng_store *store, const ngi_recall_spec *spec,
                                ngi_recall_probe **out)
{
    void *block;
    ng_status status = ngi_alloc(store->mem, sizeof(ngi_recall_probe), "recall", &block);
    if (status != NG_OK)
        return status;
    ngi_recall_probe *probe = block;
    *probe = (ngi_recall_probe){.store = store,
                                .spec = *spec,
                                .filter = {.store = store, .filter = spec->filter},
                                .query = {.struct_size = sizeof probe->query}};
    probe->multi = (store_multi){.query = &probe->query, .radius = -1};
    status = probe_begin(probe);
    if (status == NG_OK)
        *out = probe;
    else
        ngi_store_recall_close(probe);
    return status;
}

void ngi_store_recall_close(ngi_recall_probe *probe)
{
    if (probe == NULL)
        return;
    ngi_vector_search_destroy(probe->search);
    ngi_searched_end(&probe->searched);
    ngi_free(probe->store->mem, probe, sizeof *probe);
}

/* --- random access --------------------------------------------------------------------------- */

static void probe_space(const ngi_recall_probe *probe, const ng_token *record,
                        ngi_recall_parts *out)
{
    double nearness = 0, distance = 0;
    for (int space = 0; space < NG_SPACE_COUNT; space++) {
        int16_t at[NG_AXIS_COUNT];
        if (!(probe->query.spaces >> space & 1))
            continue;
        memcpy(at, record->coordinates[space], sizeof at);
        if (at[0] == NG_COORDINATE_ABSENT)
            return;
        uint64_t value = ngi_metric_value(&probe->store->metrics[space], at, probe->centers[space]);
        if (value > probe->bounds[space])
            return;
        nearness += probe->factors[space] * (double)value;
        distance += probe->shares[space] * (double)value;
    }
    out->space = 1 / (1 + nearness);
    out->distance = sqrt(distance);
}

static void probe_measure(ngi_recall_probe *probe, ng_token_id id, ngi_recall_parts *out)
{
    const ng_store *store = probe->store;
    *out = (ngi_recall_parts){.cosine = (double)NAN, .space = (double)NAN, .distance = (double)NAN};
    uint32_t slot = store_live_slot(store, id);
    if (slot == 0 || !ngi_filter_accept(&probe->filter, slot))
        return;
    out->is_found = true;
    if (probe->search != NULL && !ngi_vector_search_score(probe->search, slot, &out->cosine))
        out->cosine = (double)NAN;
    if (probe->query.spaces != 0)
        probe_space(probe, &store_records(store)[slot], out);
}

ng_status ngi_store_recall_measure(ngi_recall_probe *probe, const ng_token_id *ids, size_t count,
                                   ngi_recall_parts *out)
{
    ng_status status = ngi_store_read_begin(probe->store);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        probe_measure(probe, ids[i], &out[i]);
    ngi_store_read_end(probe->store);
    return NG_OK;
}

/* --- candidates by space --------------------------------------------------------------------- */

/* The bound of x that a single place's radius gives; 0 = none. */
static float probe_reach(const ngi_recall_probe *probe)
{
    const ngi_recall_place *place = probe->spec.places;
    if (probe->spec.place_count != 1 || !(place->radius > 0))
        return 0;
    return (float)((double)place->radius / place->scale * (1 + BOUND_SLACK) + 1e-30);
}

ng_status ngi_store_recall_nearest(ngi_recall_probe *probe, const ng_search_options *options,
                                   ng_hit *out, size_t capacity, size_t *count, double *upper)
{
    ng_search_options own = *options;
    own.filter = probe->spec.filter;
    own.max_distance = probe_reach(probe);
    *upper = 0;
    ng_status status = ngi_multi_search(probe->store, &probe->multi, &own, out, capacity, count);
    if (status == NG_OK && *count == capacity && capacity > 0) {
        double x = (double)out[capacity - 1].distance * (1 - BOUND_SLACK);
        *upper = 1 / (1 + x * x);
    }
    return status;
}

ng_status ngi_store_recall_within(ngi_recall_probe *probe, const ng_search_options *options,
                                  ng_hit *out, size_t capacity, uint64_t *count)
{
    const ngi_recall_place *fewest = NULL;
    ng_search_options own = *options;
    ng_status status = NG_OK;
    own.filter = NULL;
    *count = UINT64_MAX;
    for (size_t i = 0; i < probe->spec.place_count && status == NG_OK; i++) {
        const ngi_recall_place *place = &probe->spec.places[i];
        uint64_t found;
        if (!(place->radius > 0))
            continue;
        status = ngi_store_grid_count(probe->store, place->space, place->at, place->radius, &own,
                                      &found);
        if (status != NG_OK || found >= *count)
            continue;
        *count = found;
        fewest = place;
    }
    if (status != NG_OK || fewest == NULL || *count > capacity)
        return status;
    size_t now;
    status = ngi_store_grid_search(probe->store, fewest->space, fewest->at, fewest->radius, &own,
                                   out, capacity, &now);
    *count = now; /* more may have come meanwhile */
    return status;
}

/* --- candidates by relation ------------------------------------------------------------------ */

/* A pause in which a writer may have the lock. */
typedef struct reach_pause {
    const ng_store *store;
    bool (*go_on)(void *context);
    void *context;
} reach_pause;

static bool reach_go_on(void *context)
{
    const reach_pause *pause = context;
    ngi_store_read_end(pause->store);
    bool goes_on = pause->go_on(pause->context);
    ngi_rwlock_read(&store_mutable(pause->store)->index_lock);
    return goes_on;
}

ng_status ngi_store_recall_reach(const ng_store *store, ngi_graph_reach_query *query,
                                 const ng_token_id *from, size_t from_count, ngi_graph_reach *out)
{
    uint32_t slots[NGI_RECALL_TOKENS_MAX];
    reach_pause pause = {store, query->go_on, query->context};
    ngi_graph_reach_query own = *query;
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    for (size_t i = 0; i < from_count && status == NG_OK; i++)
        status = ngi_store_slot(store, from[i], &slots[i]);
    own.from = slots;
    own.from_count = from_count;
    own.context = &pause;
    own.go_on = reach_go_on;
    if (own.time_us == 0)
        own.time_us = store->os->clock_us(store->os);
    if (status == NG_OK)
        status = ngi_graph_reach_find(&store->graph, store->mem, &own, out);
    ngi_store_read_end(store);
    return status;
}

ng_status ngi_store_recall_path(const ng_store *store, const ngi_graph_reach *reach,
                                const ngi_graph_path_step *step, ng_edge *out, size_t *count)
{
    ng_status status = ngi_store_read_begin(store);
    if (status != NG_OK)
        return status;
    *count = ngi_graph_reach_path(&store->graph, reach, step, out);
    ngi_store_read_end(store);
    return NG_OK;
}

/* --- candidates by meaning ------------------------------------------------------------------- */
