/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The life of a view, and its bulk reads. */
#include "store/store_view.h"

#include <stdio.h>
#include <string.h>

#define VIEW_DETACH_PAGES 64u /* moved for older views under one hold of the lock, each table */
#define VIEW_TEXTS_CHUNK 64u  /* label entries looked at together: on the stack */
#define VIEW_ROWS_CHUNK 256u

/* --- how long locks are held ------------------------------------------------------------------ */

static void view_hold_begin(ng_view *view)
{
    if (view->own)
        view->hold_began_ns = view->store->os->thread_ns(view->store->os);
}

static void view_hold_end(ng_view *view)
{
    if (!view->own)
        return;
    uint64_t held_ns = view->store->os->thread_ns(view->store->os) - view->hold_began_ns;
    if (held_ns > view->held_ns_max)
        view->held_ns_max = held_ns;
}

/* --- expiry ---------------------------------------------------------------------------------- */

static void view_say_age(char *out, size_t capacity, uint64_t age_ms, uint64_t limit_ms)
{
    bool seconds = limit_ms % 1000 == 0;
    uint64_t unit = seconds ? 1000 : 1;
    const char *name = seconds ? "s" : "ms";
    snprintf(out, capacity, "the view was open for %llu %s, its limit is %llu %s",
             (unsigned long long)(age_ms / unit), name, (unsigned long long)(limit_ms / unit),
             name);
}

/* `copied` is what would have been too much: rounded up, so that it is above the limit. */
static void view_say_bytes(char *out, size_t capacity, uint64_t copied, uint64_t limit)
{
    static const char *const names[] = {"bytes", "KiB", "MiB"};
    unsigned unit = 2;
    while (unit > 0 && limit % (UINT64_C(1) << (10 * unit)) != 0)
        unit--;
    uint64_t unit_bytes = UINT64_C(1) << (10 * unit);
    snprintf(out, capacity, "writers copied %llu %s for the view, its limit is %llu %s",
             (unsigned long long)((copied + unit_bytes - 1) / unit_bytes), names[unit],
             (unsigned long long)(limit / unit_bytes), names[unit]);
}

/* `now_ns` may be from before the view was opened, by another thread. */
static bool view_is_too_old(const ng_view *view, uint64_t now_ns)
{
    return view->lifetime_ns != 0 && now_ns >= view->opened_ns + view->lifetime_ns;
}

static uint64_t view_now(const ng_view *view)
{
    return view->lifetime_ns != 0 ? view->store->os->monotonic_ns(view->store->os) : 0;
}

/* Whether an open view must be closed. The caller holds index_lock. */
static bool view_is_due(const ng_view *view, uint64_t now_ns)
{
    return view->pages->group.broken || view_is_too_old(view, now_ns);
}

/* Takes the view off the list and its pages off it. The caller holds index_lock for writing. */
static store_view_pages *view_take_pages(ng_view *view)
{
    ng_store *store = view->store;
    store_view_pages *pages = view->pages;
    if (view->newer != NULL)
        view->newer->older = view->older;
    else
        store->newest_view = view->older;
    if (view->older != NULL)
        view->older->newer = view->newer;
    view->older = view->newer = NULL;
    view->pages = NULL;
    view->expired_bytes = pages->group.copied_bytes;
    if (!view->own)
        store->open_view_count--;
    return pages;
}

/* Likewise, because of a limit; NULL if there is no need to. */
static store_view_pages *view_expire_locked(ng_view *view, uint64_t now_ns)
{
    if (view->pages == NULL || !view_is_due(view, now_ns))
        return NULL;
    const ngi_mirror_group *group = &view->pages->group;
    char *text = view->expired_text;
    size_t capacity = sizeof view->expired_text;
    if (!group->broken)
        view_say_age(text, capacity, (now_ns - view->opened_ns) / 1000000,
                     view->lifetime_ns / 1000000);
    else if (group->over_limit)
        view_say_bytes(text, capacity, group->copied_bytes + NGI_MIRROR_PAGE_BYTES,
                       group->copied_bytes_max);
    else
        snprintf(text, capacity, "there was no memory for pages that the view needs");
    if (!view->own)
        atomic_fetch_add_explicit(&view->store->expired_view_count, 1, memory_order_relaxed);
    return view_take_pages(view);
}

/* After the mirrors were detached, or never attached. */
static void view_free_pages(ng_store *store, store_view_pages *pages)
{
    if (pages == NULL)
        return;
    for (int i = 0; i < VIEW_MIRROR_COUNT; i++)
        ngi_mirror_destroy(&pages->mirrors[i]);
    for (uint32_t i = 0; i <= NGI_VECTOR_FIELDS_MAX; i++)
        if (pages->fields[i] != NULL)
            ngi_vector_field_let_go(store, pages->fields[i]);
    ngi_free(store_account_of(store, STORE_VIEWS), pages, sizeof *pages);
}

/* Gives pages back that no view has any more. A short hold of the lock at a time: pages that older
 * views need are moved to them. `closing` is NULL unless the view is being closed. */
static void view_release_pages(ng_store *store, store_view_pages *pages, ng_view *closing)
{
    bool done = pages == NULL;
    while (!done) {
        done = true;
        ngi_rwlock_write(&store->index_lock);
        if (closing != NULL)
            view_hold_begin(closing);
        for (int i = 0; i < VIEW_MIRROR_COUNT; i++)
            done = ngi_mirror_detach_step(&pages->mirrors[i], VIEW_DETACH_PAGES) && done;
        if (closing != NULL)
            view_hold_end(closing);
        ngi_rwlock_write_end(&store->index_lock);
    }
    view_free_pages(store, pages);
}

static void view_note_expired(ng_store *store, ng_seq seq, const char *text)
{
    ngi_blackbox_note(store->box, "view", seq, "expired: %s", text);
}

/* At a read that finds the view due. */
static void view_expire(ng_view *view)
{
    ng_store *store = view->store;
    ngi_rwlock_write(&store->index_lock);
    store_view_pages *pages = view_expire_locked(view, view_now(view));
    ngi_rwlock_write_end(&store->index_lock);
    if (pages == NULL)
        return; /* somebody else was first */
    view_note_expired(store, view->seq, view->expired_text);
    view_release_pages(store, pages, NULL);
}

static bool view_any_due(const ng_store *store, uint64_t now_ns)
{
    for (const ng_view *view = store->newest_view; view != NULL; view = view->older)
        if (view_is_due(view, now_ns))
            return true;
    return false;
}

/* Expires one view; the caller of the view may close it as soon as the lock is let go of. */
static bool view_expire_one(ng_store *store, uint64_t now_ns)
{
    char text[sizeof store->newest_view->expired_text] = "";
    ng_seq seq = 0;
    store_view_pages *pages = NULL;
    ngi_rwlock_write(&store->index_lock);
    for (ng_view *view = store->newest_view, *older; view != NULL && pages == NULL; view = older) {
        older = view->older;
        pages = view_expire_locked(view, now_ns);
        if (pages != NULL) {
            memcpy(text, view->expired_text, sizeof text);
            seq = view->seq;
        }
    }
    ngi_rwlock_write_end(&store->index_lock);
    if (pages == NULL)
        return false;
    view_note_expired(store, seq, text);
    view_release_pages(store, pages, NULL);
    return true;
}

bool ngi_view_any_due(ng_store *store)
{
    uint64_t now_ns = store->os->monotonic_ns(store->os);
    ngi_rwlock_read(&store->index_lock);
    bool any = view_any_due(store, now_ns);
    ngi_rwlock_read_end(&store->index_lock);
    return any;
}

void ngi_view_expire_due(ng_store *store)
{
    bool any = ngi_view_any_due(store);
    while (any)
        any = view_expire_one(store, store->os->monotonic_ns(store->os));
}

uint64_t ngi_view_bytes(const ng_store *store)
{
    uint64_t bytes = 0;
    for (const ng_view *view = store->newest_view; view != NULL; view = view->older)
        bytes += view->pages->group.copied_bytes;
    return bytes;
}

/* --- opening and closing --------------------------------------------------------------------- */

static ng_status view_apply_options(ng_view *view, const ng_view_options *options)
{
    const ng_view_options none = {0};
    const ng_view_options *given = options != NULL ? options : &none;
    if (given->lifetime_ms > NGI_VIEW_LIFETIME_MS_MAX)
        return ngi_fail(NG_E_INVALID, "lifetime_ms %u is outside 1..%u", given->lifetime_ms,
                        NGI_VIEW_LIFETIME_MS_MAX);
    uint64_t lifetime_ms =
        given->lifetime_ms != 0 ? given->lifetime_ms : NGI_VIEW_LIFETIME_MS_DEFAULT;
    uint64_t most =
        given->max_copied_bytes != 0 ? given->max_copied_bytes : NGI_VIEW_COPIED_BYTES_DEFAULT;
    view->lifetime_ns = lifetime_ms * 1000000;
    view->pages->group.copied_bytes_max = most < SIZE_MAX ? (size_t)most : SIZE_MAX;
    return NG_OK;
}

static void view_free(ng_view *view)
{
    ngi_mem *mem = store_account_of(view->store, STORE_VIEWS);
    ngi_free(mem, view->collections, view->collection_count * sizeof *view->collections);
    if (view->grids != NULL)
        ngi_free(mem, view->grids, NGI_GRIDS_MAX * sizeof *view->grids);
    ngi_buffer_release(mem, &view->projection);
    ngi_buffer_release(mem, &view->indexes);
    if (view->fields != NULL)
        ngi_free(mem, view->fields, (NGI_VECTOR_FIELDS_MAX + 1) * sizeof *view->fields);
    view_free_pages(view->store, view->pages);
    ngi_free(mem, view, sizeof *view);
}

static ng_status view_create(ng_store *store, const ng_view_options *options, bool own,
                             ng_view **out)
{
    void *block;
    ngi_mem *mem = store_account_of(store, STORE_VIEWS);
    ng_status status = ngi_alloc(mem, sizeof(ng_view), "view", &block);
    if (status != NG_OK)
        return status;
    ng_view *view = block;
    *view = (ng_view){.store = store, .own = own};
    NGI_TRY(ngi_alloc(mem, sizeof *view->pages, "view", &block));
    view->pages = block;
    *view->pages = (store_view_pages){.group = {.mem = mem, .copied_bytes_max = SIZE_MAX}};
    if (!own)
        NGI_TRY(view_apply_options(view, options));
    *out = view;
out:
    if (status != NG_OK)
        view_free(view);
    return status;
}

static ng_status view_copy_grids(ng_view *view)
{
    const store_named *named = &view->store->named;
    void *block;
    if (named->count == 0)
        return NG_OK;
    ng_status status =
        ngi_alloc(store_account_of(view->store, STORE_VIEWS), sizeof named->grids, "view", &block);
    if (status != NG_OK)
        return status;
    view->grids = block;
    memcpy(view->grids, named->grids, sizeof named->grids);
    view->grid_count = named->count;
    view->member_end = named->member_end;
    return NG_OK;
}

/* Fields are held, so that one that is dropped can still be read through the view. */
static ng_status view_hold_fields(ng_view *view)
{
    const store_vector_fields *all = &view->store->vector_fields;
    void *block;
    size_t bytes = (NGI_VECTOR_FIELDS_MAX + 1) * sizeof *view->fields;
    ngi_vector_field_hold(all->main);
    view->pages->fields[0] = all->main;
    if (all->count == 0)
        return NG_OK;
    ng_status status = ngi_alloc(store_account_of(view->store, STORE_VIEWS), bytes, "view", &block);
    if (status != NG_OK)
        return status;
    view->fields = block;
    memset(block, 0, bytes);
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX; i++) {
        store_vector_field *field = all->fields[i];
        if (field == NULL)
            continue;
        ngi_vector_field_hold(field);
        view->pages->fields[i] = field;
        view->fields[i] = field->spec;
        view->fields[i].vector_count = ngi_vectors_count(field->vectors);
    }
    view->field_count = all->count;
    view->set_end = all->set_end;
    return NG_OK;
}

/* What is small is copied. */
static ng_status view_copy_state(ng_view *view)
{
    const ng_store *store = view->store;
    void *block;
    size_t bytes = store->collection_count * sizeof *store->collections;
    ngi_mem *mem = store_account_of(store, STORE_VIEWS);
    ng_status status = ngi_alloc(mem, bytes, "view", &block);
    if (status != NG_OK)
        return status;
    view->collections = block;
    view->collection_count = store->collection_count;
    memcpy(view->collections, store->collections, bytes);
    if (store->projection.bytes > 0) {
        status = ngi_buffer_reserve(mem, &view->projection, store->projection.bytes, "view");
        if (status != NG_OK)
            return status;
        memcpy(view->projection.data, store->projection.data, store->projection.bytes);
        view->projection.bytes = store->projection.bytes;
    }
    status = view_copy_grids(view);
    if (status == NG_OK)
        status = view_hold_fields(view);
    if (status != NG_OK)
        return status;
    if (store->attributes.fields.count > 0) {
        status =
            ngi_buffer_reserve(mem, &view->indexes,
                               (size_t)store->attributes.fields.count * NGI_OP_INDEX_MAX, "view");
        if (status != NG_OK)
            return status;
        view->indexes.bytes =
            ngi_store_encode_indexes(store, view->indexes.data, &view->index_count);
    }
    view->cdna = store->cdna;
    view->seq = ngi_wal_applied(store->wal);
    view->time_us = ngi_wal_applied_time(store->wal);
    view->slot_end = store_slot_end(store);
    view->id_end = store->graph.id_end;
    view->node_end = store->graph.node_end;
    view->dimensions = ngi_vectors_dimensions(store->vectors);
    view->token_count = store->token_count;
    view->connection_count = store->graph.count;
    view->label_count = store->labels.used_count;
    view->vector_count = ngi_vectors_count(store->vectors);
    view->attribute_count = store->attributes.count;
    view->unit_end = store->attributes.chains.unit_end;
    view->term_end = store->attributes.tags.end;
    return NG_OK;
}

static ng_status view_attach_field(ng_view *view, ng_vector_field_id id)
{
    store_view_pages *pages = view->pages;
    if (pages->fields[id] == NULL)
        return NG_OK;
    ngi_vectors *vectors = pages->fields[id]->vectors;
    ng_status status =
        ngi_mirror_attach(&pages->mirrors[VIEW_FIELD_SLOTS(id)], ngi_vectors_slot_table(vectors),
                          view->set_end, &pages->group);
    if (status == NG_OK)
        status =
            ngi_mirror_attach(&pages->mirrors[VIEW_FIELD_ROWS(id)], ngi_vectors_row_table(vectors),
                              ngi_vectors_row_end(vectors), &pages->group);
    return status;
}

static ng_status view_attach(ng_view *view)
{
    ng_store *store = view->store;
    const struct {
        ngi_table *table;
        size_t elements; /* in use */
    } tables[VIEW_TABLE_COUNT] = {
        [VIEW_RECORDS] = {&store->records, view->slot_end},
        [VIEW_SIDES] = {&store->sides, view->slot_end},
        [VIEW_LABEL_ENTRIES] = {&store->labels.entries, view->slot_end},
        [VIEW_LABEL_TEXTS] = {&store->labels.arena,
                              store->labels.arena_bytes / NGI_LABELS_UNIT_BYTES},
        [VIEW_VECTOR_SLOTS] = {ngi_vectors_slot_table(store->vectors), view->slot_end},
        [VIEW_VECTOR_ROWS] = {ngi_vectors_row_table(store->vectors),
                              ngi_vectors_row_end(store->vectors)},
        [VIEW_CONNECTIONS] = {&store->graph.records, view->id_end},
        [VIEW_LINKS] = {&store->graph.links, view->id_end},
        [VIEW_NODES] = {&store->graph.nodes, view->node_end},
        [VIEW_ATTRIBUTES] = {&store->attributes.entries, view->slot_end},
        [VIEW_CHAINS] = {&store->attributes.chains.units, view->unit_end},
        [VIEW_TERM_ENTRIES] = {&store->attributes.tags.texts.entries, view->term_end},
        [VIEW_TERM_TEXTS] = {&store->attributes.tags.texts.arena,
                             store->attributes.tags.texts.arena_bytes / NGI_LABELS_UNIT_BYTES},
        [VIEW_MEMBERS] = {&store->named.members, view->member_end},
        [VIEW_FIELD_SETS] = {&store->vector_fields.sets, view->set_end},
    };
    ng_status status = NG_OK;
    for (int i = 0; i < VIEW_TABLE_COUNT && status == NG_OK; i++)
        status = ngi_mirror_attach(&view->pages->mirrors[i], tables[i].table, tables[i].elements,
                                   &view->pages->group);
    for (uint32_t i = 1; i <= NGI_VECTOR_FIELDS_MAX && status == NG_OK; i++)
        status = view_attach_field(view, i);
    for (int i = 0; status != NG_OK && i < VIEW_MIRROR_COUNT; i++)
        ngi_mirror_detach(&view->pages->mirrors[i]);
    return status;
}

/* With the log's lock and index_lock held. */
static ng_status view_open_locked(ng_view *view)
{
    ng_store *store = view->store;
    if (!view->own && ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    if (!view->own && store->open_view_count >= NGI_VIEWS_MAX)
        return ngi_fail(NG_E_LIMIT, "%u views are open, which is the limit", NGI_VIEWS_MAX);
    ng_status status = view_copy_state(view);
    if (status == NG_OK)
        status = view_attach(view);
    if (status != NG_OK)
        return status;
    view->opened_ns = store->os->monotonic_ns(store->os);
    view->older = store->newest_view;
    if (view->older != NULL)
        view->older->newer = view;
    store->newest_view = view;
    if (!view->own)
        store->open_view_count++;
    return NG_OK;
}

ng_status ngi_view_open(ng_store *store, const ng_view_options *options, bool own, ng_view **out)
{
    *out = NULL;
    ngi_view_expire_due(store);
    ng_view *view;
    ng_status status = view_create(store, options, own, &view);
    if (status != NG_OK)
        return status;
    ngi_wal_lock(store->wal);
    ngi_rwlock_write(&store->index_lock);
    view_hold_begin(view);
    status = view_open_locked(view);
    view_hold_end(view);
    ngi_rwlock_write_end(&store->index_lock);
    ngi_wal_unlock(store->wal);
    if (status == NG_OK) {
        *out = view;
        return NG_OK;
    }
    view_free(view);
    return status;
}

static void view_close_pages(ng_view *view)
{
    ng_store *store = view->store;
    ngi_rwlock_write(&store->index_lock);
    store_view_pages *pages = view->pages != NULL ? view_take_pages(view) : NULL;
    ngi_rwlock_write_end(&store->index_lock);
    view_release_pages(store, pages, view);
}

void ngi_view_close(ng_view *view)
{
    if (view == NULL)
        return;
    view_close_pages(view);
    view_free(view);
}

void ngi_view_close_timed(ng_view *view, uint64_t *held_ns_max)
{
    view_close_pages(view);
    *held_ns_max = view->held_ns_max;
    view_free(view);
}

void ngi_view_info_get(const ng_view *view, ng_view_info *out)
{
    ngi_os *os = view->store->os;
    uint64_t now_ns = os->monotonic_ns(os);
    *out = (ng_view_info){.seq = view->seq,
                          .time_us = view->time_us,
                          .age_ms = (now_ns - view->opened_ns) / 1000000,
                          .lifetime_ms = view->lifetime_ns / 1000000,
                          .token_count = view->token_count,
                          .connection_count = view->connection_count,
                          .collection_count = view->collection_count,
                          .dimensions = view->dimensions};
    ngi_rwlock_read(&view->store->index_lock);
    out->expired = view->pages == NULL || view_is_due(view, now_ns);
    out->copied_bytes = view->pages != NULL ? view->pages->group.copied_bytes : view->expired_bytes;
    ngi_rwlock_read_end(&view->store->index_lock);
}

/* --- reading --------------------------------------------------------------------------------- */

ng_status ngi_view_read_begin(const ng_view *view)
{
    ng_store *store = view->store;
    if (!view->own && ngi_wal_is_latched(store->wal))
        return ngi_wal_fail_latched(store->wal);
    uint64_t now_ns = view_now(view);
    ngi_rwlock_read(&store->index_lock);
    if (NGI_LIKELY(view->pages != NULL && !view_is_due(view, now_ns))) {
        view_hold_begin((ng_view *)(uintptr_t)view);
        return NG_OK;
    }
    bool is_open = view->pages != NULL;
    ngi_rwlock_read_end(&store->index_lock);
    if (is_open) /* else whoever still reads an expired view would hold up everyone */
        view_expire((ng_view *)(uintptr_t)view);
    ngi_rwlock_read(&store->index_lock);
    ng_status status = ngi_fail(NG_E_EXPIRED, "%s", view->expired_text);
    ngi_rwlock_read_end(&store->index_lock);
    return status;
}

void ngi_view_read_end(const ng_view *view)
{
    view_hold_end((ng_view *)(uintptr_t)view);
    ngi_rwlock_read_end(&view->store->index_lock);
}

void ngi_view_read(const ng_view *view, unsigned table, size_t first, size_t count, size_t end,
                   void *out)
{
    const ngi_mirror *mirror = &view->pages->mirrors[table];
    size_t element_bytes = mirror->table->element_bytes;
    size_t present = first >= end ? 0 : end - first < count ? end - first : count;
    ngi_mirror_read(mirror, first, present, out);
    memset((uint8_t *)out + present * element_bytes, 0, (count - present) * element_bytes);
}

static ng_status view_read_slice(const ng_view *view, store_view_table table, uint32_t first,
                                 uint32_t count, void *out)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    ngi_view_read(view, table, first, count,
                  table == VIEW_CONNECTIONS ? view->id_end : view->slot_end, out);
    ngi_view_read_end(view);
    return NG_OK;
}

ng_status ngi_view_records(const ng_view *view, uint32_t first, uint32_t count, ng_token *out)
{
    return view_read_slice(view, VIEW_RECORDS, first, count, out);
}

ng_status ngi_view_sides(const ng_view *view, uint32_t first, uint32_t count, store_side *out)
{
    return view_read_slice(view, VIEW_SIDES, first, count, out);
}

ng_status ngi_view_connections(const ng_view *view, uint32_t first, uint32_t count,
                               ng_connection *out)
{
    return view_read_slice(view, VIEW_CONNECTIONS, first, count, out);
}

/* Appends the texts of some label entries; the last unit of a text may be in part. */
static ng_status view_append_texts(const ng_view *view, const ngi_labels_entry *entries,
                                   uint32_t count, ngi_buffer *texts)
{
    size_t more = 0;
    for (uint32_t i = 0; i < count; i++)
        more += ngi_labels_entry_bytes(&entries[i]);
    ng_status status =
        ngi_buffer_reserve(view->store->mem, texts, more + NGI_LABELS_UNIT_BYTES, "labels");
    if (status != NG_OK)
        return status;
    const ngi_mirror *mirror = &view->pages->mirrors[VIEW_LABEL_TEXTS];
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = ngi_labels_entry_bytes(&entries[i]);
        ngi_mirror_read(mirror, ngi_labels_entry_unit(&entries[i]), ngi_labels_units(bytes),
                        texts->data + texts->bytes);
        texts->bytes += bytes;
    }
    return NG_OK;
}

ng_status ngi_view_labels(const ng_view *view, uint32_t first, uint32_t count, uint16_t *lengths,
                          ngi_buffer *texts)
{
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    size_t bytes_before = texts->bytes;
    for (uint32_t done = 0; done < count && status == NG_OK;) {
        ngi_labels_entry entries[VIEW_TEXTS_CHUNK];
        uint32_t some = count - done < VIEW_TEXTS_CHUNK ? count - done : VIEW_TEXTS_CHUNK;
        ngi_view_read(view, VIEW_LABEL_ENTRIES, (size_t)first + done, some, view->slot_end,
                      entries);
        for (uint32_t i = 0; i < some; i++)
            lengths[done + i] = (uint16_t)ngi_labels_entry_bytes(&entries[i]);
        status = view_append_texts(view, entries, some, texts);
        done += some;
    }
    ngi_view_read_end(view);
    if (status != NG_OK)
        texts->bytes = bytes_before;
    return status;
}

/* Which tables the vectors of a field are in, up to which slot, and of how many dimensions. */
typedef struct view_vectors {
    unsigned slots, rows;
    uint32_t end, dimensions;
} view_vectors;

static ng_status view_read_vectors(const ng_view *view, const view_vectors *from, uint32_t first,
                                   uint32_t count, uint32_t *slots, float *rows, uint32_t *found)
{
    *found = 0;
    ng_status status = ngi_view_read_begin(view);
    if (status != NG_OK)
        return status;
    /* Without dimensions there were no tables. */
    for (uint32_t done = 0; done < count && from->dimensions != 0;) {
        uint32_t places[VIEW_ROWS_CHUNK];
        uint32_t some = count - done < VIEW_ROWS_CHUNK ? count - done : VIEW_ROWS_CHUNK;
        ngi_view_read(view, from->slots, (size_t)first + done, some, from->end, places);
        for (uint32_t i = 0; i < some; i++) {
            if (places[i] == 0)
                continue;
            ngi_mirror_read(&view->pages->mirrors[from->rows], places[i] - 1, 1,
                            rows + (size_t)*found * from->dimensions);
            slots[(*found)++] = first + done + i;
        }
        done += some;
    }
    ngi_view_read_end(view);
    return NG_OK;
}

ng_status ngi_view_vectors(const ng_view *view, uint32_t first, uint32_t count, uint32_t *slots,
                           float *rows, uint32_t *found)
{
    const view_vectors from = {VIEW_VECTOR_SLOTS, VIEW_VECTOR_ROWS, view->slot_end,
                               view->dimensions};
    return view_read_vectors(view, &from, first, count, slots, rows, found);
}

ng_status ngi_view_field_vectors(const ng_view *view, ng_vector_field_id id, uint32_t first,
                                 uint32_t count, uint32_t *slots, float *rows, uint32_t *found)
{
    const view_vectors from = {VIEW_FIELD_SLOTS(id), VIEW_FIELD_ROWS(id), view->set_end,
                               view->fields[id].dimensions};
    return view_read_vectors(view, &from, first, count, slots, rows, found);
}

size_t ngi_view_fields(const ng_view *view, uint8_t *out)
{
    size_t bytes = 0;
    for (uint32_t id = 1; view->fields != NULL && id <= NGI_VECTOR_FIELDS_MAX; id++)
        if (view->fields[id].name[0] != '\0')
            bytes += ngi_vector_image_encode(id, &view->fields[id], out + bytes);
    return bytes;
}
