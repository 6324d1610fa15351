/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What mind/ and api/ may call: tables, indexes and log bound together.
 *
 * Arguments are already checked for NULL and struct_size; values are checked here, against the
 * limits and the constitution. Every function documents itself in neurograph.h under the name
 * without the "i" unless said. */
#ifndef NGI_STORE_H
#define NGI_STORE_H

#include "base/base_mem.h"
#include "os/os.h"

/** As ng_open, with the system and the memory to use; both must outlive the store. */
NG_MUST_USE ng_status ngi_store_open(ngi_os *os, ngi_mem *mem, const char *path,
                                     const ng_open_options *options, ng_store **out);
ng_status ngi_store_close(ng_store *store);

/** For what a call needs while it runs; counted as part of the store. */
ngi_mem *ngi_store_mem(const ng_store *store);
/** The memory that the store was opened with. */
ngi_mem *ngi_store_root_mem(const ng_store *store);
ngi_os *ngi_store_os(const ng_store *store);
/** How many threads a call may use: the processors there are, 1 if the host forbids threads. */
unsigned ngi_store_thread_count(const ng_store *store);

NG_MUST_USE ng_status ngi_store_wait_durable(ng_store *store, ng_seq seq);
void ngi_store_positions(const ng_store *store, ng_seq *applied, ng_seq *durable);
NG_MUST_USE ng_status ngi_store_info(const ng_store *store, ng_info *out);
NG_MUST_USE ng_status ngi_store_memory(const ng_store *store, ng_memory *out);
NG_MUST_USE ng_status ngi_store_check(ng_store *store, ng_check_report *out);
NG_MUST_USE ng_status ngi_store_hash(ng_store *store, uint64_t *out);
NG_MUST_USE ng_status ngi_store_cdna_get(const ng_store *store, ng_cdna *out);
NG_MUST_USE ng_status ngi_store_cdna_set(ng_store *store, const ng_cdna *cdna,
                                         const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_collection_create(ng_store *store, const char *name,
                                                  const ng_write_options *write,
                                                  ng_collection_id *out);
NG_MUST_USE ng_status ngi_store_collection_find(const ng_store *store, const char *name,
                                                ng_collection_id *out);
NG_MUST_USE ng_status ngi_store_collection_get(const ng_store *store, ng_collection_id id,
                                               char name[65], uint64_t *token_count);
NG_MUST_USE ng_status ngi_store_collection_list(const ng_store *store, ng_collection_info *out,
                                                size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_collection_clear(ng_store *store, ng_collection_id id,
                                                 const ng_write_options *write,
                                                 uint64_t *deleted_count);
NG_MUST_USE ng_status ngi_store_collection_drop(ng_store *store, ng_collection_id id,
                                                const ng_write_options *write,
                                                uint64_t *deleted_count);

/** Creates (ids[i] == 0, or ids NULL) and updates (ids[i] != 0) up to NGI_BATCH_MAX tokens in one
 *  op: all or none. No id but 0 may appear twice. `out` (may be NULL) receives all ids by position. */
NG_MUST_USE ng_status ngi_store_token_put(ng_store *store, const ng_token_id *ids,
                                          const ng_token_fields *fields, size_t count,
                                          const ng_write_options *write, ng_token_id *out);
/** As ng_token_upsert_many. */
NG_MUST_USE ng_status ngi_store_token_upsert(ng_store *store, const ng_token_fields *fields,
                                             size_t count, const ng_write_options *write,
                                             ng_token_id *out, bool *created);
/** ng_token_read for one kind of processor. */
typedef ng_status (*ngi_store_reader)(const ng_store *store, ng_token_id id, ng_token *out);

/** What an ng_store begins with, so that the hottest call is one jump. */
typedef struct ngi_store_head {
    ngi_store_reader token_read; /* immutable */
} ngi_store_head;

static inline NG_MUST_USE ng_status ngi_store_token_read(const ng_store *store, ng_token_id id,
                                                         ng_token *out)
{
    return ((const ngi_store_head *)(const void *)store)->token_read(store, id, out);
}

NG_MUST_USE ng_status ngi_store_token_delete(ng_store *store, ng_token_id id,
                                             const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_token_delete_many(ng_store *store, const ng_token_id *ids,
                                                  size_t count, const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_token_exists(const ng_store *store, ng_token_id id, bool *out);
NG_MUST_USE ng_status ngi_store_token_read_many(const ng_store *store, const ng_token_id *ids,
                                                size_t count, ng_token *out, size_t *found);
NG_MUST_USE ng_status ngi_store_token_get_many(const ng_store *store, const ng_token_id *ids,
                                               size_t count, ng_token_info *out, size_t *found);
NG_MUST_USE ng_status ngi_store_token_get(const ng_store *store, ng_token_id id,
                                          ng_token_info *out);
NG_MUST_USE ng_status ngi_store_token_find(const ng_store *store, ng_collection_id collection,
                                           const char *label, size_t label_bytes, ng_token_id *out);
NG_MUST_USE ng_status ngi_store_token_label(const ng_store *store, ng_token_id id, char *out,
                                            size_t capacity, size_t *bytes);
/** Sees one label, under the shared lock: it returns soon and calls no store. */
typedef void (*ngi_label_visit_fn)(void *context, ng_token_id id, const char *label, size_t bytes,
                                   bool has_vector);
/** Shows every label of a collection in ascending order of ids; what a writer does meanwhile may or
 *  may not be seen. Errors: NG_E_LATCHED. */
NG_MUST_USE ng_status ngi_store_label_walk(const ng_store *store, ng_collection_id collection,
                                           ngi_label_visit_fn visit, void *context);
NG_MUST_USE ng_status ngi_store_token_vector(const ng_store *store, ng_token_id id, float *out,
                                             size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_token_vector_in(const ng_store *store, ng_token_id id,
                                                ng_vector_field_id field, float *out,
                                                size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_token_tags(const ng_store *store, ng_token_id id, char *out,
                                           size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_store_token_data(const ng_store *store, ng_token_id id, char *out,
                                           size_t capacity, size_t *bytes);
NG_MUST_USE ng_status ngi_store_token_search(const ng_store *store,
                                             const ng_token_search_options *options,
                                             ng_token_id *out, size_t capacity, size_t *count,
                                             uint64_t *total);
NG_MUST_USE ng_status ngi_store_index_declare(ng_store *store, const char *name, const char *path,
                                              ng_index_type type, const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_index_drop(ng_store *store, const char *name,
                                           const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_index_list(const ng_store *store, ng_index_info *out,
                                           size_t capacity, size_t *count);
/** See ng_token_expire; `count` may be NULL. */
NG_MUST_USE ng_status ngi_store_expire(ng_store *store, uint64_t limit,
                                       const ng_write_options *write, uint64_t *count);
NG_MUST_USE ng_status ngi_store_token_list(const ng_store *store, ng_collection_id collection,
                                           ng_token_id after, ng_token_id *out, size_t capacity,
                                           size_t *count);
NG_MUST_USE ng_status ngi_store_token_page(const ng_store *store, const ng_page_options *options,
                                           ng_token_id *out, size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_token_count(const ng_store *store, ng_collection_id collection,
                                            bool active_only, uint64_t *out);
bool ngi_store_token_coordinates(const ng_store *store, const ng_token *record, ng_space space,
                                 float out[NG_AXIS_COUNT]);

typedef enum ngi_connection_put_flags {
    NGI_CONNECTION_SKIP_EXISTING = 1 << 0, /* leave (source, target, type) alone if it is there */
    NGI_CONNECTION_CURATED = 1 << 1 /* a lexicon: degree limits are for learning, not for it */
} ngi_connection_put_flags;

/** Creates up to NGI_BATCH_MAX connections in one op: all or none. `out` and `created` may be NULL;
 *  a skipped connection gets the id of the one that is there. `origin` as in ng_connection. */
NG_MUST_USE ng_status ngi_store_connection_put(ng_store *store, const ng_connection_fields *fields,
                                               size_t count, unsigned put_flags, uint32_t origin,
                                               const ng_write_options *write, ng_connection_id *out,
                                               size_t *created);
/** What a call that writes connections asks for. */
typedef enum ngi_link_verb {
    NGI_LINK_CREATE,
    NGI_LINK_UPDATE,
    NGI_LINK_UPSERT,
    NGI_LINK_ACTIVATE,
    NGI_LINK_REPLACE /* inside a transaction, by ngi_txn_connection_replace */
} ngi_link_verb;

typedef struct ngi_link_request {
    ngi_link_verb verb;
    unsigned put_flags;                 /* ngi_connection_put_flags; create */
    size_t count;                       /* 1..NGI_BATCH_MAX: NG_E_INVALID */
    const ng_connection_id *ids;        /* update, activate */
    const ng_connection_fields *fields; /* create, update, upsert */
    uint32_t origin;                    /* of new ones whose fields do not say */
    const ng_write_options *write;
    ng_connection_id *out; /* ids by position, create and upsert; may be NULL */
    bool *created;         /* whether it was, by position, upsert; may be NULL */
} ngi_link_request;

/** One op, all or none. `created` (may be NULL) receives how many are new. */
NG_MUST_USE ng_status ngi_store_connection_write(ng_store *store, const ngi_link_request *request,
                                                 size_t *created);
NG_MUST_USE ng_status ngi_store_connection_delete(ng_store *store, ng_connection_id id,
                                                  const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_connection_delete_many(ng_store *store, const ng_connection_id *ids,
                                                       size_t count, const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_connection_get(const ng_store *store, ng_connection_id id,
                                               ng_connection *out);
NG_MUST_USE ng_status ngi_store_connection_get_many(const ng_store *store,
                                                    const ng_connection_id *ids, size_t count,
                                                    ng_connection *out, size_t *found);
NG_MUST_USE ng_status ngi_store_connection_list(const ng_store *store,
                                                const ng_connection_list_options *options,
                                                ng_connection_id *ids, ng_connection *records,
                                                size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_connection_count(const ng_store *store,
                                                 const ng_connection_filter *filter,
                                                 ng_connection_counts *out);
NG_MUST_USE ng_status ngi_store_connection_decode(const ng_store *store, ng_connection_id id,
                                                  const ng_connection *record, uint64_t time_us,
                                                  ng_connection_info *out);
NG_MUST_USE ng_status ngi_store_connection_force_in(const ng_store *store, ng_connection_id id,
                                                    ng_space space, uint64_t time_us,
                                                    double *distance, double *force);
NG_MUST_USE ng_status ngi_store_token_connections(const ng_store *store, ng_token_id id,
                                                  const ng_edge_options *options, ng_edge *out,
                                                  size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_connections_between(const ng_store *store, ng_token_id a,
                                                    ng_token_id b, ng_edge *out, size_t capacity,
                                                    size_t *count);
NG_MUST_USE ng_status ngi_store_path_find(const ng_store *store, ng_token_id from, ng_token_id to,
                                          const ng_path_options *options, ng_edge *out,
                                          size_t capacity, size_t *count);

/** As ng_grid_range; `radius` < 0 means "the `capacity` nearest", within options->max_distance. */
NG_MUST_USE ng_status ngi_store_grid_search(const ng_store *store, ng_space space,
                                            const float center[NG_AXIS_COUNT], float radius,
                                            const ng_search_options *options, ng_hit *out,
                                            size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_token_neighbors(const ng_store *store, ng_token_id id,
                                                ng_space space, const ng_search_options *options,
                                                ng_hit *out, size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_grid_box(const ng_store *store, ng_space space,
                                         const float low[NG_AXIS_COUNT],
                                         const float high[NG_AXIS_COUNT],
                                         const ng_search_options *options, ng_hit *out,
                                         size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_grid_count(const ng_store *store, ng_space space,
                                           const float center[NG_AXIS_COUNT], float radius,
                                           const ng_search_options *options, uint64_t *count);
NG_MUST_USE ng_status ngi_store_grid_box_count(const ng_store *store, ng_space space,
                                               const float low[NG_AXIS_COUNT],
                                               const float high[NG_AXIS_COUNT],
                                               const ng_search_options *options, uint64_t *count);
NG_MUST_USE ng_status ngi_store_grid_influence(const ng_store *store, ng_space space,
                                               const float center[NG_AXIS_COUNT], float radius,
                                               const ng_search_options *options, double *influence,
                                               uint64_t *count);
NG_MUST_USE ng_status ngi_store_grid_many(const ng_store *store, ng_space space,
                                          const float (*centers)[NG_AXIS_COUNT],
                                          size_t center_count, float radius, size_t max_hits,
                                          const ng_search_options *options, ng_hit *out,
                                          size_t *counts);
/** `members` may be NULL; `query` may not. */
NG_MUST_USE ng_status ngi_store_grid_clusters(const ng_store *store, ng_space space,
                                              const ng_cluster_query *query,
                                              const ng_search_options *options, ng_cluster *out,
                                              size_t capacity, size_t *count,
                                              ng_cluster_members *members);
NG_MUST_USE ng_status ngi_store_grid_fields(const ng_store *store, ng_space space,
                                            const ng_grid_field_query *query,
                                            const ng_search_options *options, ng_grid_field *out,
                                            size_t capacity, size_t *count);
/** As ng_multi_range; `radius` < 0 means "the nearest". */
NG_MUST_USE ng_status ngi_store_multi_search(const ng_store *store, const ng_multi_query *query,
                                             float radius, const ng_search_options *options,
                                             ng_hit *out, size_t capacity, size_t *count);
/** See ng_grid_create; every member of `config` is set. */
NG_MUST_USE ng_status ngi_store_grid_create(ng_store *store, const char *name,
                                            const ng_grid_config *config,
                                            const ng_write_options *write, ng_grid_id *out);
NG_MUST_USE ng_status ngi_store_grid_drop(ng_store *store, ng_grid_id id,
                                          const ng_write_options *write);
/** See ng_grid_add; `leave`: ng_grid_remove. */
NG_MUST_USE ng_status ngi_store_grid_members(ng_store *store, ng_grid_id id, const ng_token_id *ids,
                                             size_t count, bool leave,
                                             const ng_write_options *write,
                                             uint64_t *changed_count);
NG_MUST_USE ng_status ngi_store_grid_get(const ng_store *store, ng_grid_id id, ng_grid_info *out);
NG_MUST_USE ng_status ngi_store_grid_list(const ng_store *store, ng_grid_info *out, size_t capacity,
                                          size_t *count);
NG_MUST_USE ng_status ngi_store_grid_has(const ng_store *store, ng_grid_id id, ng_token_id token,
                                         bool *out);
NG_MUST_USE ng_status ngi_store_grid_stats(const ng_store *store, ng_space space,
                                           ng_grid_stats *out);
NG_MUST_USE ng_status ngi_store_grid_rebuild(ng_store *store, unsigned spaces);

/** See ng_vector_field_create and what follows it. */
NG_MUST_USE ng_status ngi_store_vector_field_create(ng_store *store, const char *name,
                                                    const ng_vector_field_options *options,
                                                    const ng_write_options *write,
                                                    ng_vector_field_id *out);
NG_MUST_USE ng_status ngi_store_vector_field_drop(ng_store *store, ng_vector_field_id id,
                                                  const ng_write_options *write);
NG_MUST_USE ng_status ngi_store_vector_field_get(const ng_store *store, ng_vector_field_id id,
                                                 ng_vector_field_info *out);
NG_MUST_USE ng_status ngi_store_vector_field_find(const ng_store *store, const char *name,
                                                  ng_vector_field_id *out);
NG_MUST_USE ng_status ngi_store_vector_field_list(const ng_store *store, ng_vector_field_info *out,
                                                  size_t capacity, size_t *count);

/** See ng_vector_graph_build, ng_vector_graph_get, ng_vector_graph_drop. */
NG_MUST_USE ng_status ngi_store_vector_graph_build(ng_store *store,
                                                   const ng_vector_graph_options *options,
                                                   ng_progress_fn progress, void *progress_context);
NG_MUST_USE ng_status ngi_store_vector_graph_get(const ng_store *store, ng_vector_field_id id,
                                                 ng_vector_graph *out);
NG_MUST_USE ng_status ngi_store_vector_graph_drop(ng_store *store, ng_vector_field_id id);
/** Whether an approximate search of the default field with this setting would walk through a graph. */
NG_MUST_USE ng_status ngi_store_graph_serves(const ng_store *store, int32_t remove_components,
                                             bool *out);
/** See ng_token_similarity_in; of a named field. */
NG_MUST_USE ng_status ngi_store_similarity_in(const ng_store *store, ng_vector_field_id id,
                                              ng_token_id a, ng_token_id b, double *out);
NG_MUST_USE ng_status ngi_store_vector_nearest(const ng_store *store, const float *vector,
                                               size_t dimensions, const ng_vector_options *options,
                                               ng_score *out, size_t capacity, size_t *count);
NG_MUST_USE ng_status ngi_store_similarity_many(const ng_store *store,
                                                const ng_token_id (*pairs)[2], size_t count,
                                                int32_t remove_components, double *out,
                                                size_t *found);
/** Of `a` with `b`, which may be the same array. */
NG_MUST_USE ng_status ngi_store_similarity_matrix(const ng_store *store, const ng_token_id *a,
                                                  size_t a_count, const ng_token_id *b,
                                                  size_t b_count, int32_t remove_components,
                                                  double *out, size_t *found);
/** `scores` may be NULL. */
NG_MUST_USE ng_status ngi_store_odd_one_out(const ng_store *store, const ng_token_id *ids,
                                            size_t count, int32_t remove_components, size_t *out,
                                            double *scores);
NG_MUST_USE ng_status ngi_store_similarity(const ng_store *store, ng_token_id a, ng_token_id b,
                                           int32_t remove_components, double *out);

/** Mean and principal components of the vectors, as stored by an op. */
typedef struct ngi_projection {
    uint32_t dimensions;
    uint32_t component_count; /* 1..NGI_COMPONENTS_MAX */
    uint64_t vector_count;    /* vectors it was computed from */
    uint64_t clipped_count;   /* coordinates that did not fit their axis */
    double explained[24];     /* fraction of the variance, each component */
    float *mean;              /* [dimensions] */
    float *components;        /* [component_count][dimensions], orthonormal */
} ngi_projection;

/** Stores a projection as an op; the arrays are copied. */
/** The default field and field `id`, of cosines, exchange their vectors in one op; `name` (1..64 bytes) is
 *  that of the field afterwards. `projection` is for the new default field, NULL = it has none.
 *  Errors: NG_E_NOT_FOUND (field, or one of the two has no vectors), NG_E_INVALID (name, metric, dimensions
 *  of the projection, or not those that the store was opened for), NG_E_EXISTS (name); of the first what
 *  the second would say now. */
NG_MUST_USE ng_status ngi_store_vector_field_may_swap(const ng_store *store, ng_vector_field_id id,
                                                      const char *name);
NG_MUST_USE ng_status ngi_store_vector_field_swap(ng_store *store, ng_vector_field_id id,
                                                  const char *name,
                                                  const ngi_projection *projection,
                                                  const ng_write_options *write);
/** The body of PROJECTION_PUT, ngi_op_projection_bytes. */
void ngi_projection_encode(const ngi_projection *projection, uint8_t *body);
NG_MUST_USE ng_status ngi_store_projection_set(ng_store *store, const ngi_projection *projection,
                                               const ng_write_options *write);
/** Copies the projection; its arrays come from the store's memory hook and are released with
 *  ngi_projection_release. NG_E_NOT_FOUND if there is none. */
NG_MUST_USE ng_status ngi_store_projection_get(const ng_store *store, ngi_projection *out);
void ngi_projection_release(ngi_mem *mem, ngi_projection *projection);
/** Counts the projections stored. A query made of several calls is of one piece if it is the same
 *  before and after them. */
uint64_t ngi_store_projection_version(const ng_store *store);

/** The query vector for ng_query: dst += sign x (v - mean, top components removed, normalised) of
 *  token `id`, in float64. NG_E_ABSENT if it has no vector. With NG_PLAIN_COSINE only normalised.
 *  ngi_store_vector_nearest_prepared takes such a vector as it is. */
NG_MUST_USE ng_status ngi_store_vector_accumulate(const ng_store *store, ng_token_id id,
                                                  double sign, int32_t remove_components,
                                                  double *dst, size_t dimensions);
/** The same of a vector that is given: into dst, which is overwritten; `*version` receives that of the
 *  projection. Errors: NG_E_INVALID (other dimensions, not finite, no direction), NG_E_NOT_FOUND (the
 *  store has no vectors). */
NG_MUST_USE ng_status ngi_store_vector_direction(const ng_store *store, const float *vector,
                                                 size_t dimensions, int32_t remove_components,
                                                 double *dst, uint64_t *version);
/** dst += the unit vectors, as accumulate adds them, of those of `ids` that have one, in the order given;
 *  `*added` receives how many. Ids that are no token are passed over. All under one hold of the shared lock. */
NG_MUST_USE ng_status ngi_store_vector_sum(const ng_store *store, const ng_token_id *ids,
                                           size_t count, int32_t remove_components, double *dst,
                                           size_t dimensions, size_t *added);
NG_MUST_USE ng_status ngi_store_vector_nearest_prepared(const ng_store *store, const double *vector,
                                                        size_t dimensions,
                                                        const ng_vector_options *options,
                                                        ng_score *out, size_t capacity,
                                                        size_t *count, uint64_t *compared);

#endif
