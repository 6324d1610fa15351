/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Views: one moment of the store, kept by mirrors of its tables (os_mirror.h).
 *
 * Opening takes the writer's lock for a moment: attaches a mirror to every table and copies what is
 * small (counters, collections, constitution, projection). Reading takes the shared lock for a
 * bounded slice.
 *
 * States: open -> expired (ngi_view_expire_due, or at a read) -> closed (ngi_view_close). An
 * expired view keeps its handle but not its pages.
 *
 * Invariants: 1. `pages` is NULL if and only if the view has expired; the others are the store's
 *                list, newest first, and the newer of two views has the newer mirrors.
 *             2. what takes the pages off a view takes the view off the list under the same hold of
 *                index_lock, and is then the only one that knows the pages.
 *             3. a user's view that expires is counted and noted once. */
#ifndef NGI_STORE_VIEW_H
#define NGI_STORE_VIEW_H

#include "os/os_mirror.h"
#include "store/store_private.h"

/* Tables of a view, by index in store_view_pages.mirrors. */
typedef enum store_view_table {
    VIEW_RECORDS,
    VIEW_SIDES,
    VIEW_LABEL_ENTRIES,
    VIEW_LABEL_TEXTS,
    VIEW_VECTOR_SLOTS,
    VIEW_VECTOR_ROWS,
    VIEW_CONNECTIONS,
    VIEW_LINKS,
    VIEW_NODES,
    VIEW_ATTRIBUTES,
    VIEW_CHAINS,
    VIEW_TERM_ENTRIES,
    VIEW_TERM_TEXTS,
    VIEW_MEMBERS,
    VIEW_FIELD_SETS, /* uint32_t by slot, see store_vector_field.h */
    VIEW_TABLE_COUNT /* from here on two of each named field of vectors: slots, rows */
} store_view_table;

#define VIEW_FIELD_SLOTS(id) (VIEW_TABLE_COUNT + 2 * ((id)-1))
#define VIEW_FIELD_ROWS(id) (VIEW_FIELD_SLOTS(id) + 1)
#define VIEW_MIRROR_COUNT VIEW_FIELD_SLOTS(NGI_VECTOR_FIELDS_MAX + 1)

/* Apart from the view, so that expiring can give them back after the caller has closed the view. */
typedef struct store_view_pages {
    ngi_mirror_group group;
    ngi_mirror mirrors[VIEW_MIRROR_COUNT];
    store_vector_field *fields[NGI_VECTOR_FIELDS_MAX +
                               1]; /* that are held, by number, or NULL; [0] the default one */
} store_view_pages;

struct ng_view {
    ng_store *store;
    ng_view *older, *newer;  /* open ones; guard: index_lock */
    store_view_pages *pages; /* NULL = expired; guard: index_lock */
    char expired_text[128];  /* why; guard: index_lock */
    uint64_t expired_bytes;  /* copied until then; guard: index_lock */
    uint64_t hold_began_ns;  /* of the store's own views, which one thread reads at a time */
    uint64_t held_ns_max;    /* likewise: longest hold of a lock, processor time */
    bool own;                /* the store's: no limits, not counted; this and below immutable */
    uint64_t opened_ns, lifetime_ns; /* lifetime 0 = no limit */

    ng_seq seq;
    uint64_t time_us;
    uint32_t slot_end, id_end, node_end;
    uint32_t dimensions;
    uint32_t unit_end, term_end; /* of attributes */
    uint64_t token_count, connection_count, label_count, vector_count, attribute_count;
    store_collection *collections; /* [collection_count] */
    uint32_t collection_count;
    uint32_t grid_count, member_end; /* named grids; slots that may be in one */
    store_named_grid *grids;         /* [NGI_GRIDS_MAX], NULL if there is none */
    uint32_t field_count, set_end;   /* named fields of vectors; slots that may have one in any */
    store_vector_spec
        *fields; /* [NGI_VECTOR_FIELDS_MAX + 1], a name of "" is none; NULL likewise */
    ng_cdna cdna;
    ngi_buffer projection; /* body of PROJECTION_PUT; empty = none */
    ngi_buffer indexes;    /* bodies of INDEX_PUT, likewise */
    uint32_t index_count;
};

/** See ng_view_open; `own` views have no limits but memory, for checkpoint, backup and hash. */
NG_MUST_USE ng_status ngi_view_open(ng_store *store, const ng_view_options *options, bool own,
                                    ng_view **out);
/** NULL is allowed. */
void ngi_view_close(ng_view *view);
/** The same of an own view; `*held_ns_max` receives for how long it held the locks at most, at once,
 *  from opening to closing, in processor time. */
void ngi_view_close_timed(ng_view *view, uint64_t *held_ns_max);
/** Closes what has lived too long, or could not be kept. For the background thread, and before the
 *  next view is opened. Without any lock held. */
void ngi_view_expire_due(ng_store *store);
/** Whether it would close any. */
bool ngi_view_any_due(ng_store *store);
/** Bytes copied for all open views. With index_lock held for reading. */
uint64_t ngi_view_bytes(const ng_store *store);

/** Locks for reading one slice of the view. Errors: NG_E_EXPIRED, and NG_E_LATCHED unless the view
 *  is the store's own; not locked then. */
NG_MUST_USE ng_status ngi_view_read_begin(const ng_view *view);
void ngi_view_read_end(const ng_view *view);
/** Elements [first, first + count) of a table whose elements from `end` on are not in the view:
 *  they are zero. Between begin and end. */
void ngi_view_read(const ng_view *view, unsigned table, size_t first, size_t count, size_t end,
                   void *out);

/* Bulk reads, each under one hold of the shared lock: callers ask for at most NGI_SLICE_ITEMS, from
 * `first` on; beyond the view's end there are zeroes. They fail with NG_E_EXPIRED, and with
 * NG_E_LATCHED unless the view is the store's own. */
NG_MUST_USE ng_status ngi_view_records(const ng_view *view, uint32_t first, uint32_t count,
                                       ng_token *out);
NG_MUST_USE ng_status ngi_view_sides(const ng_view *view, uint32_t first, uint32_t count,
                                     store_side *out);
NG_MUST_USE ng_status ngi_view_connections(const ng_view *view, uint32_t first, uint32_t count,
                                           ng_connection *out);
/** lengths[i] = bytes of the label of slot first + i, 0 = none; the texts one after the other are
 *  appended to `texts`, which grows from the store's memory. */
NG_MUST_USE ng_status ngi_view_labels(const ng_view *view, uint32_t first, uint32_t count,
                                      uint16_t *lengths, ngi_buffer *texts);
/** The slots among [first, first + count) that have a vector, and their rows [dimensions] each. */
NG_MUST_USE ng_status ngi_view_vectors(const ng_view *view, uint32_t first, uint32_t count,
                                       uint32_t *slots, float *rows, uint32_t *found);

/** What is beside the tokens from slot `*next` on, as items of ATTRIBUTES_PUT that set what there is,
 *  up to `capacity` bytes in `out`. Looks at NGI_SLICE_ITEMS slots at most; `*next` becomes the first
 *  that was not looked at, or the one whose item has no room any more, and then items->full. */
typedef struct ngi_view_items {
    uint8_t *out;
    size_t capacity, bytes;
    uint32_t first, count; /* slot of the first item; items */
    bool full;
} ngi_view_items;
NG_MUST_USE ng_status ngi_view_attributes(const ng_view *view, uint32_t *next,
                                          ngi_view_items *items);

/** Images of all named grids in `out`, which has room for NGI_GRIDS_MAX of them; returns the bytes. */
size_t ngi_view_grids(const ng_view *view, uint8_t *out);
/** Members of named grids from slot `*next` on, STORE_MEMBER_BYTES each; otherwise the same as
 *  ngi_view_attributes, up to view->member_end. */
NG_MUST_USE ng_status ngi_view_members(const ng_view *view, uint32_t *next, ngi_view_items *items);

/** Images of all named fields of vectors in `out`, which has room for NGI_VECTOR_FIELDS_MAX of them;
 *  returns the bytes. */
size_t ngi_view_fields(const ng_view *view, uint8_t *out);
/** As ngi_view_vectors, of a named field that is in view->fields. */
NG_MUST_USE ng_status ngi_view_field_vectors(const ng_view *view, ng_vector_field_id id,
                                             uint32_t first, uint32_t count, uint32_t *slots,
                                             float *rows, uint32_t *found);

/* What neurograph.h says of these under ng_view_. */
void ngi_view_info_get(const ng_view *view, ng_view_info *out);
NG_MUST_USE ng_status ngi_view_token_get(const ng_view *view, ng_token_id id, ng_token_info *out);
NG_MUST_USE ng_status ngi_view_token_label(const ng_view *view, ng_token_id id, char *out,
                                           size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_view_token_vector(const ng_view *view, ng_token_id id, float *out,
                                            size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_view_token_vector_in(const ng_view *view, ng_token_id id,
                                               ng_vector_field_id field, float *out,
                                               size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_view_token_tags(const ng_view *view, ng_token_id id, char *out,
                                          size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_view_token_data(const ng_view *view, ng_token_id id, char *out,
                                          size_t capacity, size_t *bytes);
/** As ngi_view_read_begin, and finds a token; unlocked again when it fails. */
NG_MUST_USE ng_status ngi_view_read_token(const ng_view *view, ng_token_id id, ng_token *record);
NG_MUST_USE ng_status ngi_view_token_find(const ng_view *view, ng_collection_id collection,
                                          const char *label, size_t label_bytes, ng_token_id *out);
NG_MUST_USE ng_status ngi_view_token_list(const ng_view *view, ng_collection_id collection,
                                          ng_token_id after, ng_token_id *out, size_t capacity,
                                          size_t *count);
NG_MUST_USE ng_status ngi_view_connection_get(const ng_view *view, ng_connection_id id,
                                              ng_connection *out);
NG_MUST_USE ng_status ngi_view_connection_list(const ng_view *view,
                                               const ng_connection_list_options *options,
                                               ng_connection_id *ids, ng_connection *records,
                                               size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_view_token_connections(const ng_view *view, ng_token_id id,
                                                 const ng_edge_options *options, ng_edge *out,
                                                 size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_view_cdna_get(const ng_view *view, ng_cdna *out);
NG_MUST_USE ng_status ngi_view_collection_get(const ng_view *view, ng_collection_id id,
                                              char name[65], uint64_t *token_count);
/** Equal to ngi_store_hash at the view's moment. */
NG_MUST_USE ng_status ngi_view_state_hash(const ng_view *view, uint64_t *out);

#endif
