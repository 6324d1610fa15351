/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a word has against what it should have, and the batches that make up the difference. */
#include "mind/mind_weave.h"

#include "model/model_types.h"

#include <string.h>

#define WEAVE_TRIES 8 /* of a batch whose ends others delete meanwhile */

/* --- what is there ---------------------------------------------------------------------------- */

static ng_status weave_reserve_edges(ngi_weave *weave, size_t count)
{
    void *edges = weave->edges, *records = weave->records;
    size_t capacity = weave->edge_capacity;
    ng_status status = ngi_resize(weave->mem, &edges, capacity * sizeof *weave->edges,
                                  count * sizeof *weave->edges, "connections of a word");
    if (status != NG_OK)
        return status;
    weave->edges = edges;
    status = ngi_resize(weave->mem, &records, capacity * sizeof *weave->records,
                        count * sizeof *weave->records, "connections of a word");
    if (status != NG_OK) {
        ngi_free(weave->mem, edges, count * sizeof *weave->edges);
        ngi_free(weave->mem, weave->records, capacity * sizeof *weave->records);
        weave->edges = NULL;
        weave->records = NULL;
        weave->edge_capacity = 0;
        return status;
    }
    weave->records = records;
    weave->edge_capacity = count;
    return NG_OK;
}

/* The SimilarTo connections that leave a word, and their records. */
static ng_status weave_look(ngi_weave *weave, ng_token_id id)
{
    const ng_edge_options options = {.struct_size = sizeof options,
                                     .direction = NG_OUTGOING,
                                     .types.bits[NGI_TYPE_SIMILAR_TO >> 6] =
                                         UINT64_C(1) << (NGI_TYPE_SIMILAR_TO & 63)};
    size_t count = 0, found;
    ng_status status;
    weave->edge_count = 0;
    for (;;) {
        status = ngi_store_token_connections(weave->store, id, &options, weave->edges,
                                             weave->edge_capacity, &count);
        if (status != NG_OK || count <= weave->edge_capacity)
            break;
        status = weave_reserve_edges(weave, 2 * count);
        if (status != NG_OK)
            break;
    }
    ng_connection_id ids[NGI_BATCH_MAX];
    for (size_t at = 0; at < count && status == NG_OK; at += NGI_BATCH_MAX) {
        size_t part = count - at < NGI_BATCH_MAX ? count - at : NGI_BATCH_MAX;
        for (size_t i = 0; i < part; i++)
            ids[i] = weave->edges[at + i].id;
        status =
            ngi_store_connection_get_many(weave->store, ids, part, weave->records + at, &found);
    }
    if (status == NG_OK)
        weave->edge_count = count;
    return status;
}

static size_t weave_edge_to(const ngi_weave *weave, ng_token_id target)
{
    size_t i = 0;
    while (i < weave->edge_count && weave->edges[i].target != target)
        i++;
    return i;
}

/* --- batches ---------------------------------------------------------------------------------- */

static void weave_link(ngi_weave *weave, ng_token_id source, const ng_score *hit)
{
    weave->links[weave->link_count++] =
        (ng_connection_fields){.struct_size = sizeof(ng_connection_fields),
                               .source = source,
                               .target = hit->id,
                               .set = NG_CFIELD_TYPE | NG_CFIELD_FLAGS | NG_CFIELD_MUTABILITY |
                                      NG_CFIELD_PULL | NG_CFIELD_CONFIDENCE | NG_CFIELD_ORIGIN,
                               .type = NGI_TYPE_SIMILAR_TO,
                               .flags = NG_CONNECTION_ACTIVE | NG_CONNECTION_PERSISTENT,
                               .mutability = NG_IMMUTABLE,
                               .pull_strength = (float)hit->score,
                               .confidence = 1,
                               .origin = NGI_MIND_ORIGIN_WEAVING};
}

static bool weave_is_there(const ngi_weave *weave, ng_token_id id)
{
    bool exists;
    return ngi_store_token_exists(weave->store, id, &exists) == NG_OK && exists;
}

/* Drops what cannot be written because a token was deleted. False: nothing was dropped. */
static bool weave_drop_links(ngi_weave *weave)
{
    size_t kept = 0, count = weave->link_count;
    for (size_t i = 0; i < count; i++)
        if (weave_is_there(weave, weave->links[i].source) &&
            weave_is_there(weave, weave->links[i].target))
            weave->links[kept++] = weave->links[i];
    weave->link_count = kept;
    return kept < count;
}

static bool weave_drop_removals(ngi_weave *weave)
{
    size_t kept = 0, count = weave->removal_count;
    ng_connection record;
    for (size_t i = 0; i < count; i++)
        if (ngi_store_connection_get(weave->store, weave->removals[i], &record) == NG_OK)
            weave->removals[kept++] = weave->removals[i];
    weave->removal_count = kept;
    return kept < count;
}

static ng_status weave_flush_links(ngi_weave *weave)
{
    ng_status status = NG_OK;
    for (int tries = 0; weave->link_count > 0; tries++) {
        ng_seq seq;
        ng_write_options write = ngi_task_write(&seq);
        const ngi_link_request request = {.verb = NGI_LINK_UPSERT,
                                          .put_flags = NGI_CONNECTION_CURATED,
                                          .count = weave->link_count,
                                          .fields = weave->links,
                                          .write = &write};
        size_t created = 0;
        status = ngi_store_connection_write(weave->store, &request, &created);
        if (status == NG_E_NOT_FOUND && tries < WEAVE_TRIES && weave_drop_links(weave))
            continue;
        if (status != NG_OK)
            return status;
        weave->report.connections_created += created;
        weave->report.connections_changed += weave->link_count - created;
        weave->link_count = 0;
        return ngi_task_committed(&weave->task, seq);
    }
    return NG_OK;
}

static ng_status weave_flush_removals(ngi_weave *weave)
{
    ng_status status = NG_OK;
    for (int tries = 0; weave->removal_count > 0; tries++) {
        ng_seq seq;
        ng_write_options write = ngi_task_write(&seq);
        status = ngi_store_connection_delete_many(weave->store, weave->removals,
                                                  weave->removal_count, &write);
        if (status == NG_E_NOT_FOUND && tries < WEAVE_TRIES && weave_drop_removals(weave))
            continue;
        if (status != NG_OK)
            return status;
        weave->report.connections_removed += weave->removal_count;
        weave->removal_count = 0;
        return ngi_task_committed(&weave->task, seq);
    }
    return NG_OK;
}

ng_status ngi_weave_flush(ngi_weave *weave)
{
    ng_status status = weave_flush_links(weave);
    return status != NG_OK ? status : weave_flush_removals(weave);
}

ng_status ngi_weave_remove(ngi_weave *weave, ng_connection_id id)
{
    if (weave->removal_count == NGI_BATCH_MAX) {
        ng_status status = weave_flush_removals(weave);
        if (status != NG_OK)
            return status;
    }
    weave->removals[weave->removal_count++] = id;
    return NG_OK;
}

/* --- a word ----------------------------------------------------------------------------------- */

/* One neighbour: made, changed, or as it should be. Marks its edge as wanted. */
static void weave_want(ngi_weave *weave, ng_token_id source, const ng_score *hit)
{
    size_t at = weave_edge_to(weave, hit->id);
    if (at == weave->edge_count || weave->records[at].source == 0) { /* 0: removed meanwhile */
        weave_link(weave, source, hit);
        return;
    }
    const ng_connection *record = &weave->records[at];
    if (!ngi_weave_is_woven(record))
        weave->report.connections_others++;
    else if (record->pull_strength == (float)hit->score)
        weave->report.connections_unchanged++;
    else
        weave_link(weave, source, hit);
    weave->edges[at].id = 0;
}

ng_status ngi_weave_compare(ngi_weave *weave, size_t word)
{
    const ng_score *hits = weave->hits + word * weave->options.neighbors;
    ng_token_id id = weave->ids[word];
    ng_status status = NG_OK;
    if (weave->link_count + weave->options.neighbors > NGI_BATCH_MAX)
        status = weave_flush_links(weave);
    if (status == NG_OK)
        status = weave_look(weave, id);
    if (status != NG_OK)
        return status == NG_E_NOT_FOUND ? NG_OK : status; /* it was deleted meanwhile */
    weave->report.words++;
    weave->report.without_vector += weave->has_direction[word] ? 0 : 1;
    for (uint32_t i = 0; i < weave->hit_counts[word]; i++)
        weave_want(weave, id, &hits[i]);
    for (size_t i = 0; i < weave->edge_count && status == NG_OK; i++)
        if (weave->edges[i].id != 0 && ngi_weave_is_woven(&weave->records[i]))
            status = ngi_weave_remove(weave, weave->edges[i].id);
    return status;
}
