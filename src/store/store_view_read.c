/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Single reads through a view: what store_token.c and store_connection.c answer, of its moment. */
#include "store/store_connection.h"
#include "store/store_view.h"

#include <string.h>

#define READ_CHUNK 64u            /* records looked at together: on the stack */
#define READ_FIND_PAGES 256u      /* of changed label entries, under one hold of the lock */
#define READ_STEPS_PER_LOCK 1024u /* edges, likewise */

/* --- tokens ---------------------------------------------------------------------------------- */

static uint32_t read_live_slot(const ng_view *view, ng_token_id id, ng_token *record)
{
    uint32_t slot = (uint32_t)id;
    if (id != slot || slot == 0 || slot >= view->slot_end)
        return 0;
    ngi_view_read(view, VIEW_RECORDS, slot, 1, view->slot_end, record);
    return record->slot;
}

ng_status ngi_view_read_token(const ng_view *view, ng_token_id id, ng_token *record)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    if (read_live_slot(view, id, record) != 0)
        return NG_OK;
    ngi_view_read_end(view);
    return ngi_store_fail_token(id);
}

/* Row + 1 of the slot's vector, or 0. */
static uint32_t read_vector_place(const ng_view *view, uint32_t slot)
{
    uint32_t place = 0;
    if (view->dimensions != 0)
        ngi_view_read(view, VIEW_VECTOR_SLOTS, slot, 1, view->slot_end, &place);
    return place;
}

/* A bit for each named field in which the slot has a vector. */
static uint16_t read_field_set(const ng_view *view, uint32_t slot)
{
    uint32_t set = 0;
    if (view->set_end != 0)
        ngi_view_read(view, VIEW_FIELD_SETS, slot, 1, view->set_end, &set);
    return (uint16_t)set;
}

static ngi_graph_node read_node(const ng_view *view, uint32_t slot)
{
    ngi_graph_node node = {0};
    ngi_view_read(view, VIEW_NODES, slot, 1, view->node_end, &node);
    return node;
}

ng_status ngi_view_token_get(const ng_view *view, ng_token_id id, ng_token_info *out)
{
    ng_token record = {0};
    ng_status status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    store_side side;
    ngi_view_read(view, VIEW_SIDES, record.slot, 1, view->slot_end, &side);
    ngi_graph_node node = read_node(view, record.slot);
    store_attribute_entry attributes;
    ngi_view_read(view, VIEW_ATTRIBUTES, record.slot, 1, view->slot_end, &attributes);
    *out = (ng_token_info){.id = id,
                           .record = record,
                           .updated_us = side.updated_us,
                           .version = side.version,
                           .collection = side.collection,
                           .out_degree = node.out_degree,
                           .in_degree = node.in_degree,
                           .has_vector = read_vector_place(view, record.slot) != 0,
                           .vector_fields = read_field_set(view, record.slot),
                           .tag_count = attributes.tag_count,
                           .data_bytes = attributes.data_bytes,
                           .expires_us = attributes.expires_us};
    ngi_view_read_end(view);
    return NG_OK;
}

/* The text of a label entry into `text`; returns its length. */
static size_t read_text(const ng_view *view, const ngi_labels_entry *entry,
                        char text[NGI_LABEL_BYTES_MAX])
{
    size_t bytes = ngi_labels_entry_bytes(entry);
    ngi_mirror_read(&view->pages->mirrors[VIEW_LABEL_TEXTS], ngi_labels_entry_unit(entry),
                    ngi_labels_units(bytes), text);
    return bytes;
}

ng_status ngi_view_token_label(const ng_view *view, ng_token_id id, char *out, size_t capacity,
                               size_t *bytes)
{
    ng_token record = {0};
    ng_status status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    ngi_labels_entry entry;
    char text[NGI_LABEL_BYTES_MAX];
    ngi_view_read(view, VIEW_LABEL_ENTRIES, record.slot, 1, view->slot_end, &entry);
    size_t length = read_text(view, &entry, text);
    ngi_view_read_end(view);
    if (capacity > 0) {
        size_t copied = length < capacity - 1 ? length : capacity - 1;
        memcpy(out, text, copied);
        out[copied] = '\0';
    }
    if (bytes != NULL)
        *bytes = length;
    return NG_OK;
}

ng_status ngi_view_token_vector(const ng_view *view, ng_token_id id, float *out, size_t capacity,
                                size_t *count)
{
    ng_token record = {0};
    ng_status status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    uint32_t place = read_vector_place(view, record.slot);
    *count = place != 0 ? view->dimensions : 0;
    float row[NGI_DIMENSIONS_MAX];
    if (place != 0 && capacity > 0)
        ngi_mirror_read(&view->pages->mirrors[VIEW_VECTOR_ROWS], place - 1, 1, row);
    ngi_view_read_end(view);
    size_t copied = *count < capacity ? *count : capacity;
    if (copied > 0)
        memcpy(out, row, copied * sizeof *out);
    return NG_OK;
}

ng_status ngi_view_token_vector_in(const ng_view *view, ng_token_id id, ng_vector_field_id field,
                                   float *out, size_t capacity, size_t *count)
{
    ng_token record = {0};
    uint32_t place = 0;
    float row[NGI_DIMENSIONS_MAX];
    *count = 0;
    if (field == 0)
        return ngi_view_token_vector(view, id, out, capacity, count);
    if (view->fields == NULL || field > NGI_VECTOR_FIELDS_MAX ||
        view->fields[field].name[0] == '\0')
        return ngi_vector_field_fail(field);
    ng_status status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    ngi_view_read(view, VIEW_FIELD_SLOTS(field), record.slot, 1, view->set_end, &place);
    if (place != 0)
        ngi_mirror_read(&view->pages->mirrors[VIEW_FIELD_ROWS(field)], place - 1, 1, row);
    ngi_view_read_end(view);
    *count = place != 0 ? view->fields[field].dimensions : 0;
    size_t copied = *count < capacity ? *count : capacity;
    if (copied > 0)
        memcpy(out, row, copied * sizeof *out);
    return NG_OK;
}

/* --- by label -------------------------------------------------------------------------------- */

typedef struct label_search {
    const ng_view *view;
    const char *text;
    size_t bytes;
    uint32_t collection;
    uint32_t hash;
    uint32_t found; /* slot, 0 = not yet */
} label_search;

/* Texts are compared only where everything else agrees. */
static bool find_matches(const label_search *search, const ngi_labels_entry *entry)
{
    if (entry->hash != search->hash || entry->collection != search->collection ||
        ngi_labels_entry_bytes(entry) != search->bytes)
        return false;
    char text[NGI_LABEL_BYTES_MAX];
    return read_text(search->view, entry, text) == search->bytes &&
           memcmp(text, search->text, search->bytes) == 0;
}

/* The live index knows the answer unless the slot's entry has changed since. */
static void find_live(label_search *search)
{
    const ng_view *view = search->view;
    uint32_t slot =
        ngi_labels_find(&view->store->labels, search->collection, search->text, search->bytes);
    if (slot == 0 || slot >= view->slot_end)
        return;
    ngi_labels_entry entry;
    ngi_view_read(view, VIEW_LABEL_ENTRIES, slot, 1, view->slot_end, &entry);
    if (find_matches(search, &entry))
        search->found = slot;
}

static bool find_in_page(void *context, const uint8_t *page, size_t offset_bytes)
{
    label_search *search = context;
    const ngi_labels_entry *entries = (const ngi_labels_entry *)(const void *)page;
    size_t first = offset_bytes / sizeof *entries;
    for (size_t i = 0; i < NGI_MIRROR_PAGE_BYTES / sizeof *entries; i++) {
        if (find_matches(search, &entries[i]) && first + i < search->view->slot_end) {
            search->found = (uint32_t)(first + i);
            return false;
        }
    }
    return true;
}

/* Between slices more pages change, but not one that hid the answer from find_live: that one had
 * changed before. */
static ng_status find_changed(label_search *search)
{
    const ng_view *view = search->view;
    size_t at = 0;
    while (ngi_mirror_changed(&view->pages->mirrors[VIEW_LABEL_ENTRIES], &at, READ_FIND_PAGES,
                              find_in_page, search)) {
        ngi_view_read_end(view);
        ng_status status = ngi_view_read_begin(view);
        if (status != NG_OK)
            return status;
    }
    ngi_view_read_end(view);
    return NG_OK;
}

static bool view_has_collection(const ng_view *view, ng_collection_id id)
{
    return id < view->collection_count && view->collections[id].name[0] != '\0';
}

ng_status ngi_view_token_find(const ng_view *view, ng_collection_id collection, const char *label,
                              size_t label_bytes, ng_token_id *out)
{
    *out = 0;
    if (!view_has_collection(view, collection))
        return ngi_store_fail_collection(collection);
    label_search search = {.view = view,
                           .text = label,
                           .bytes = label_bytes,
                           .collection = collection,
                           .hash = ngi_labels_hash(collection, label, label_bytes)};
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    if (label_bytes >= 1 && label_bytes <= NGI_LABEL_BYTES_MAX)
        find_live(&search);
    if (search.found != 0 || label_bytes < 1 || label_bytes > NGI_LABEL_BYTES_MAX)
        ngi_view_read_end(view);
    else
        status = find_changed(&search);
    if (status == NG_OK && search.found == 0)
        status = ngi_fail(NG_E_NOT_FOUND, "no token labelled '%.*s' in collection %s",
                          label_bytes > 80 ? 80 : (int)label_bytes, label,
                          view->collections[collection].name);
    *out = status == NG_OK ? search.found : 0;
    return status;
}

/* --- lists ----------------------------------------------------------------------------------- */

typedef struct list_job {
    const ng_view *view;
    ng_collection_id collection;
    ng_token_id *out;
    size_t capacity;
    size_t count;
} list_job;

static void list_chunk(list_job *job, uint32_t first, uint32_t count)
{
    const ng_view *view = job->view;
    ng_token records[READ_CHUNK];
    store_side sides[READ_CHUNK];
    ngi_view_read(view, VIEW_RECORDS, first, count, view->slot_end, records);
    if (job->collection != NG_COLLECTION_ANY)
        ngi_view_read(view, VIEW_SIDES, first, count, view->slot_end, sides);
    for (uint32_t i = 0; i < count && job->count < job->capacity; i++) {
        if (records[i].slot != 0 &&
            (job->collection == NG_COLLECTION_ANY || sides[i].collection == job->collection))
            job->out[job->count++] = first + i;
    }
}

ng_status ngi_view_token_list(const ng_view *view, ng_collection_id collection, ng_token_id after,
                              ng_token_id *out, size_t capacity, size_t *count)
{
    *count = 0;
    if (after > UINT32_MAX)
        return ngi_fail(NG_E_INVALID, "after %llu is not a token id", (unsigned long long)after);
    if (collection != NG_COLLECTION_ANY && !view_has_collection(view, collection))
        return ngi_store_fail_collection(collection);
    list_job job = {.view = view, .collection = collection, .out = out, .capacity = capacity};
    uint64_t slot = after + 1;
    do {
        ng_status status = ngi_view_read_begin(view);
        if (status != NG_OK)
            return status;
        for (uint32_t done = 0;
             done < NGI_SLICE_ITEMS && slot < view->slot_end && job.count < capacity;
             done += READ_CHUNK) {
            uint64_t left = view->slot_end - slot;
            uint32_t some = left < READ_CHUNK ? (uint32_t)left : READ_CHUNK;
            list_chunk(&job, (uint32_t)slot, some);
            slot += some;
        }
        ngi_view_read_end(view);
    } while (job.count < capacity && slot < view->slot_end);
    *count = job.count;
    return NG_OK;
}

/* --- connections ----------------------------------------------------------------------------- */

ng_status ngi_view_connection_get(const ng_view *view, ng_connection_id id, ng_connection *out)
{
    ng_connection record = {0};
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    if (id < view->id_end)
        ngi_view_read(view, VIEW_CONNECTIONS, (size_t)id, 1, view->id_end, &record);
    ngi_view_read_end(view);
    if (id == 0 || record.source == 0)
        return ngi_fail(NG_E_NOT_FOUND, "connection %llu not found", (unsigned long long)id);
    *out = record;
    return NG_OK;
}

static uint32_t read_collection(const ng_view *view, uint32_t slot)
{
    store_side side;
    ngi_view_read(view, VIEW_SIDES, slot, 1, view->slot_end, &side);
    return side.collection;
}

static void link_chunk(const ng_view *view, store_link_list *list, uint32_t count)
{
    ng_connection records[READ_CHUNK];
    uint32_t first = (uint32_t)list->next;
    ngi_view_read(view, VIEW_CONNECTIONS, first, count, view->id_end, records);
    for (uint32_t i = 0; i < count && ngi_link_list_wants(list); i++) {
        const ng_connection *record = &records[i];
        bool reads_sides = list->needs_collections && record->source != 0;
        ngi_link_list_take(list, first + i, record,
                           reads_sides ? read_collection(view, record->source) : 0,
                           reads_sides ? read_collection(view, record->target) : 0);
        list->next++;
    }
}

ng_status ngi_view_connection_list(const ng_view *view, const ng_connection_list_options *options,
                                   ng_connection_id *ids, ng_connection *records, size_t capacity,
                                   size_t *count)
{
    *count = 0;
    store_link_list list = {.ids = ids, .records = records, .capacity = capacity};
    if (options != NULL) {
        list.next = options->after < UINT32_MAX ? options->after + 1 : UINT32_MAX;
        list.offset = options->offset;
    }
    ngi_os *os = view->store->os;
    ng_status status = ngi_link_list_begin(&list, options != NULL ? options->filter : NULL,
                                           os->clock_us(os), view->collection_count);
    if (status != NG_OK)
        return status;
    do {
        status = ngi_view_read_begin(view);
        if (status != NG_OK)
            return status;
        for (uint32_t done = 0;
             done < NGI_SLICE_ITEMS && list.next < view->id_end && ngi_link_list_wants(&list);
             done += READ_CHUNK) {
            uint64_t left = view->id_end - list.next;
            link_chunk(view, &list, left < READ_CHUNK ? (uint32_t)left : READ_CHUNK);
        }
        ngi_view_read_end(view);
    } while (list.next < view->id_end && ngi_link_list_wants(&list));
    *count = list.count;
    return NG_OK;
}

typedef struct edge_walk {
    const ng_view *view;
    const ng_edge_options *options; /* or NULL */
    ng_edge *out;
    size_t capacity;
    size_t count;
    uint32_t steps; /* since the lock was taken */
} edge_walk;

static void walk_visit(edge_walk *walk, ngi_graph_side side, uint32_t id)
{
    ng_connection record;
    ngi_view_read(walk->view, VIEW_CONNECTIONS, id, 1, walk->view->id_end, &record);
    if (!ngi_graph_edge_passes(walk->options, side, record.type, record.flags))
        return;
    if (walk->count < walk->capacity)
        walk->out[walk->count] = (ng_edge){.id = id,
                                           .source = record.source,
                                           .target = record.target,
                                           .type = record.type,
                                           .flags = record.flags};
    walk->count++;
}

/* Walks one list of `left` connections; unlocked when it fails. */
static ng_status walk_list(edge_walk *walk, uint32_t id, uint32_t left, ngi_graph_side side,
                           bool incoming)
{
    for (; id != 0 && left > 0; left--) {
        if (walk->steps++ == READ_STEPS_PER_LOCK) {
            walk->steps = 0;
            ngi_view_read_end(walk->view);
            ng_status status = ngi_view_read_begin(walk->view);
            if (status != NG_OK)
                return status;
        }
        ngi_graph_links links;
        if (!side.is_resumed || id < walk->options->after->id)
            walk_visit(walk, side, id);
        ngi_view_read(walk->view, VIEW_LINKS, id, 1, walk->view->id_end, &links);
        id = incoming ? links.next_in : links.next_out;
    }
    return NG_OK;
}

ng_status ngi_view_token_connections(const ng_view *view, ng_token_id id,
                                     const ng_edge_options *options, ng_edge *out, size_t capacity,
                                     size_t *count)
{
    *count = 0;
    ng_token record = {0};
    ng_status status = ngi_edge_check(options, id);
    if (status == NG_OK)
        status = ngi_view_read_token(view, id, &record);
    if (status != NG_OK)
        return status;
    ngi_graph_node node = read_node(view, record.slot);
    edge_walk walk = {.view = view, .options = options, .out = out, .capacity = capacity};
    ngi_graph_side outgoing = ngi_graph_side_of(options, record.slot, false);
    ngi_graph_side incoming = ngi_graph_side_of(options, record.slot, true);
    if (outgoing.is_walked)
        status = walk_list(&walk, node.first_out, node.out_degree, outgoing, false);
    if (status == NG_OK && incoming.is_walked)
        status = walk_list(&walk, node.first_in, node.in_degree, incoming, true);
    if (status != NG_OK)
        return status;
    ngi_view_read_end(view);
    *count = walk.count;
    return NG_OK;
}

/* --- what was copied at opening -------------------------------------------------------------- */

ng_status ngi_view_cdna_get(const ng_view *view, ng_cdna *out)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    *out = view->cdna;
    ngi_view_read_end(view);
    return NG_OK;
}

ng_status ngi_view_collection_get(const ng_view *view, ng_collection_id id, char name[65],
                                  uint64_t *token_count)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    ngi_view_read_end(view);
    if (!view_has_collection(view, id))
        return ngi_store_fail_collection(id);
    if (name != NULL)
        memcpy(name, view->collections[id].name, sizeof view->collections[id].name);
    if (token_count != NULL)
        *token_count = view->collections[id].token_count;
    return NG_OK;
}
