/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writes, reads, views, transactions and checkpoints, with faults in them, and the list of all
 * scenarios. */
#include "fault_nth.h"

#include "mind/mind_formats_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

nth_extra nth;

const twin_mix nth_mix = {.target_tokens = 30,
                          .bad_percent = 0,
                          .use_projection = true,
                          .dimensions = 4};

#define NTH_TAGS 5 /* more than stand in the entry itself */

void *nth_copy(const void *data, size_t bytes)
{
    void *copy = malloc(bytes);
    assert_non_null(copy);
    return memcpy(copy, data, bytes);
}

void nth_items(twin_op *op, twin_kind kind, size_t count)
{
    op->kind = kind;
    op->count = count;
    op->items = calloc(count, sizeof *op->items);
    assert_non_null(op->items);
    for (size_t i = 0; i < count; i++)
        op->items[i].fields.struct_size = sizeof op->items[i].fields;
}

static void nth_fill(const twin_state *twin, ng_token_fields *fields, const char *label)
{
    float vector[64] = {0.5f, -1, 2, 3};
    fields->set = NG_FIELD_LABEL | NG_FIELD_VECTOR | NG_FIELD_WEIGHT;
    fields->weight = 0.5f;
    fields->label = nth_copy(label, strlen(label));
    fields->label_bytes = strlen(label);
    fields->vector_dimensions = twin->dimensions != 0 ? twin->dimensions : 4;
    fields->vector = nth_copy(vector, fields->vector_dimensions * sizeof *vector);
    fields->spaces_set = 3;
    ng_text *tags = calloc(NTH_TAGS, sizeof *tags);
    assert_non_null(tags);
    for (size_t i = 0; i < NTH_TAGS; i++) {
        char tag[16];
        snprintf(tag, sizeof tag, "fault %zu", i);
        tags[i] = (ng_text){nth_copy(tag, strlen(tag)), strlen(tag)};
    }
    static const char data[] =
        "{\"n\": 7, \"word\": \"w3\", \"rest\": \"more than one unit of a chain "
        "has room for, so that a second one is needed, and a third\"}";
    fields->set |= NG_FIELD_TAGS | NG_FIELD_DATA | NG_FIELD_EXPIRY;
    fields->tags = tags;
    fields->tag_count = NTH_TAGS;
    fields->data = nth_copy(data, strlen(data));
    fields->data_bytes = strlen(data);
    fields->expires_us = UINT64_C(9100000000000000);
}

static void build_create(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_CREATE, 1);
    nth_fill(twin, &op->items[0].fields, "created with everything");
}

static void build_batch(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_CREATE, TWIN_BATCH_MAX);
    for (size_t i = 0; i < op->count; i++) {
        char label[64];
        snprintf(label, sizeof label, "one of a batch, number %zu", i);
        nth_fill(twin, &op->items[i].fields, label);
    }
}

static ng_token_id nth_live(const twin_state *twin, size_t skip)
{
    for (size_t i = 0; i < twin->token_count; i++) {
        if (twin->tokens[i].alive && skip-- == 0)
            return twin->tokens[i].id;
    }
    return 0;
}

static void build_update(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_UPDATE, 1);
    op->items[0].id = nth_live(twin, 2);
    nth_fill(twin, &op->items[0].fields, "another label, longer than the one that was there");
}

static void build_delete(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_DELETE;
    op->token = nth_live(twin, 0);
    for (size_t i = 0; i < twin->connection_count; i++) {
        if (twin->connections[i].alive)
            op->token = twin->connections[i].source; /* so that the deletion cascades */
    }
}

static void build_update_batch(const twin_state *twin, twin_op *op)
{
    nth_items(op, TWIN_UPDATE, 6);
    op->as_batch = true;
    for (size_t i = 0; i < op->count; i++) {
        char label[64];
        snprintf(label, sizeof label, "label of a batch of changes, number %zu", i);
        op->items[i].id = nth_live(twin, op->count - i); /* does not ascend */
        nth_fill(twin, &op->items[i].fields, label);
    }
}

/* Every other one is there. */
static void build_upsert(const twin_state *twin, twin_op *op)
{
    size_t labelled = 0;
    nth_items(op, TWIN_UPSERT, 6);
    op->as_batch = true;
    for (size_t i = 0; i < op->count; i++) {
        char text[64];
        twin_item *item = &op->items[i];
        snprintf(text, sizeof text, "perhaps there, number %zu", i);
        nth_fill(twin, &item->fields, text);
        item->created = i % 2 == 0;
        if (item->created)
            continue;
        const twin_token *token = &twin->tokens[labelled];
        while (!token->alive || token->label_bytes == 0)
            token = &twin->tokens[++labelled];
        labelled++;
        free((void *)(uintptr_t)item->fields.label);
        item->fields.label = nth_copy(token->label, token->label_bytes);
        item->fields.label_bytes = token->label_bytes;
        item->fields.collection = token->collection;
        item->id = token->id;
    }
}

static void build_delete_batch(const twin_state *twin, twin_op *op)
{
    build_delete(twin, op);
    op->as_batch = true;
    op->deleted[op->count++] = op->token;
    for (size_t i = 0; op->count < 6; i++) {
        if (nth_live(twin, i) != op->token)
            op->deleted[op->count++] = nth_live(twin, i);
    }
}

static void nth_link(const twin_state *twin, twin_op *op, size_t count)
{
    op->kind = TWIN_CONNECT;
    op->count = count;
    op->links = calloc(count, sizeof *op->links);
    assert_non_null(op->links);
    for (size_t i = 0; i < count; i++) {
        op->links[i].fields.struct_size = sizeof op->links[i].fields;
        op->links[i].fields.source = nth_live(twin, i);
        op->links[i].fields.target = nth_live(twin, i + 1);
        op->links[i].fields.set = NG_CFIELD_TYPE;
        op->links[i].fields.type = 0xAF; /* not one that random ops use */
    }
}

static void build_connect(const twin_state *twin, twin_op *op)
{
    nth_link(twin, op, 1);
}

static void build_connect_batch(const twin_state *twin, twin_op *op)
{
    nth_link(twin, op, 5);
}

static void build_disconnect(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_DISCONNECT;
    for (size_t i = 0; i < twin->connection_count; i++) {
        if (twin->connections[i].alive)
            op->connection = twin->connections[i].id;
    }
}

/* Changes of connections that are there. */
static void nth_links_of(const twin_state *twin, twin_op *op, twin_kind kind, size_t count)
{
    op->kind = kind;
    op->links = calloc(count, sizeof *op->links);
    assert_non_null(op->links);
    for (size_t i = 0; i < twin->connection_count && op->count < count; i++) {
        const twin_connection *connection = &twin->connections[i];
        if (!connection->alive)
            continue;
        twin_link *link = &op->links[op->count++];
        link->id = connection->id;
        link->fields.struct_size = sizeof link->fields;
        link->fields.source = connection->source;
        link->fields.target = connection->target;
        link->fields.set = NG_CFIELD_TYPE | NG_CFIELD_PULL | NG_CFIELD_CONFIDENCE;
        link->fields.type = kind == TWIN_RELINK ? 0xAE : connection->record.type;
        link->fields.pull_strength = 0.25f;
        link->fields.confidence = 0.75f;
    }
    assert_int_equal(op->count, count);
}

static void build_relink(const twin_state *twin, twin_op *op)
{
    nth_links_of(twin, op, TWIN_RELINK, 1);
}

/* A change of one that is there, and a new one. */
static void build_join(const twin_state *twin, twin_op *op)
{
    nth_links_of(twin, op, TWIN_JOIN, 2);
    op->links[1].id = 0;
    op->links[1].fields.type = 0xAE;
}

static void build_activate(const twin_state *twin, twin_op *op)
{
    nth_links_of(twin, op, TWIN_ACTIVATE, 3);
}

static void build_disconnect_batch(const twin_state *twin, twin_op *op)
{
    nth_links_of(twin, op, TWIN_DISCONNECT, 3);
}

static void build_collection(const twin_state *twin, twin_op *op)
{
    (void)twin;
    op->kind = TWIN_COLLECTION;
    snprintf(op->name, sizeof op->name, "new.collection");
}

static void build_clear(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_CLEAR;
    op->collection = twin_find(twin, nth_live(twin, 5))->collection;
}

static void build_drop(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_DROP;
    for (size_t i = 0; i < twin->token_count; i++) {
        if (twin->tokens[i].alive && twin->tokens[i].collection > NG_COLLECTION_SEMANTIC)
            op->collection = twin->tokens[i].collection;
    }
}

/* A collection of its own with a token in it, so that there is something to drop. */
static void prepare_drop(fault_run *run)
{
    twin_op made = {0};
    twin_op filled = {0};
    build_collection(&run->twin, &made);
    assert_int_equal(fault_run_op(run, &made, 0), NG_OK);
    nth_items(&filled, TWIN_CREATE, 3);
    for (size_t i = 0; i < filled.count; i++)
        filled.items[i].fields.collection = (ng_collection_id)run->twin.collection_count - 1;
    assert_int_equal(fault_run_op(run, &filled, 0), NG_OK);
}

static void build_cdna(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_CDNA;
    op->cdna = twin->cdna;
    op->cdna.decay_rate = 0.125f;
}

static void build_projection(const twin_state *twin, twin_op *op)
{
    op->kind = TWIN_PROJECTION;
    op->projection.dimensions = twin->dimensions;
    op->projection.component_count = 1;
    op->projection.mean = calloc(twin->dimensions, sizeof(float));
    op->projection.components = calloc(twin->dimensions, sizeof(float));
    assert_non_null(op->projection.mean);
    assert_non_null(op->projection.components);
    op->projection.mean[0] = 0.25f;
    op->projection.components[1] = 1;
}

static void build_index(const twin_state *twin, twin_op *op)
{
    (void)twin;
    op->kind = TWIN_INDEX;
    op->index = 1; /* of keywords */
}

void nth_create_one(fault_run *run)
{
    twin_op op = {0};
    build_create(&run->twin, &op);
    assert_int_equal(fault_run_op(run, &op, 0), NG_OK);
}

bool nth_is_documented(ng_status status)
{
    static const ng_status documented[] = {NG_OK,        NG_E_NOMEM,   NG_E_IO,
                                           NG_E_LATCHED, NG_E_EXPIRED, NG_E_DISK_FULL};
    for (size_t i = 0; i < sizeof documented / sizeof *documented; i++) {
        if (status == documented[i])
            return true;
    }
    return false;
}

static ng_status act_open(fault_run *run)
{
    return fault_run_open(run);
}

static ng_status act_close(fault_run *run)
{
    return fault_run_close(run);
}

static ng_status act_check(fault_run *run)
{
    ng_check_report report;
    ng_status status = ng_check(run->store, &report);
    if (status == NG_OK && sim_disk_fault_count(run->disk) == 0)
        assert_int_equal(report.problem_count, 0);
    return status;
}

static ng_status act_hash(fault_run *run)
{
    uint64_t hash;
    return ng_state_hash(run->store, &hash);
}

static ng_status act_grid(fault_run *run)
{
    ng_hit hits[50];
    size_t count;
    const float center[3] = {0};
    ng_status status =
        ng_grid_range(run->store, NG_SPACE_PHYSICAL, center, 1000, NULL, hits, 50, &count);
    if (status == NG_OK)
        status = ng_grid_nearest(run->store, NG_SPACE_TEMPORAL, center, NULL, hits, 50, &count);
    return status;
}

static ng_status act_clusters(fault_run *run)
{
    const ng_cluster_query query = {.struct_size = sizeof query, .radius = 40, .min_tokens = 2};
    const ng_grid_field_query asked = {.struct_size = sizeof asked,
                                       .density_threshold = 1e-9f,
                                       .min_tokens = 1};
    ng_cluster clusters[8];
    ng_grid_field fields[8];
    ng_cluster_member items[50];
    ng_cluster_members members = {.items = items, .capacity = 50};
    size_t count;
    ng_status status = ng_grid_clusters(run->store, NG_SPACE_PHYSICAL, &query, NULL, clusters, 8,
                                        &count, &members);
    if (status == NG_OK)
        status = ng_grid_fields(run->store, NG_SPACE_PHYSICAL, &asked, NULL, fields, 8, &count);
    return status;
}

/* One that all sources of candidates serve, and one that none does. */
static ng_status act_find(fault_run *run)
{
    const ng_text tag = {"fault 1", 7};
    const ng_predicate predicate = {.index = "n"};
    ng_filter filter = {.struct_size = sizeof filter, .tags_all = &tag, .tags_all_count = 1};
    ng_token_search_options options = {.struct_size = sizeof options, .filter = &filter};
    ng_token_id ids[16];
    size_t count;
    uint64_t total;
    ng_status status = ng_token_search(run->store, &options, ids, 16, &count, &total);
    filter = (ng_filter){.struct_size = sizeof filter};
    if (run->twin.indexes[0]) {
        filter.predicates = &predicate;
        filter.predicate_count = 1;
    }
    options.prefix = "label";
    options.prefix_bytes = 5;
    if (status == NG_OK)
        status = ng_token_search(run->store, &options, ids, 16, &count, &total);
    return status;
}

/* None of the history is left. */
static void prepare_unindexed(fault_run *run)
{
    twin_op op = {.kind = TWIN_INDEX, .index = 1, .drops = true};
    if (run->twin.indexes[op.index])
        assert_int_equal(fault_run_op(run, &op, 0), NG_OK);
}

static void prepare_indexed(fault_run *run)
{
    for (unsigned i = 0; i < TWIN_INDEXES; i++) {
        twin_op op = {.kind = TWIN_INDEX, .index = i};
        assert_int_equal(fault_run_op(run, &op, 0), NG_OK);
    }
    nth_create_one(run);
}

static void prepare_indexed_snapshot(fault_run *run)
{
    assert_int_equal(fault_run_open(run), NG_OK);
    prepare_indexed(run);
    assert_int_equal(ng_checkpoint(run->store, NULL, NULL, NULL), NG_OK);
    assert_int_equal(fault_run_close(run), NG_OK);
}

/* With a payload, so that values are taken from it. */
static ng_status act_create_indexed(fault_run *run)
{
    twin_op op = {0};
    build_batch(&run->twin, &op);
    return fault_run_op(run, &op, 0);
}

static ng_status act_drop_index(fault_run *run)
{
    twin_op op = {.kind = TWIN_INDEX, .index = 1, .drops = true};
    return fault_run_op(run, &op, 0);
}

/* Nothing has expired: the clock of the simulated disk is before every expiry of the twin. */
static ng_status act_expire(fault_run *run)
{
    uint64_t count = 9;
    ng_status status = ng_token_expire(run->store, 100, NULL, &count);
    if (status == NG_OK)
        assert_int_equal(count, 0);
    return status;
}

static ng_status act_vectors(fault_run *run)
{
    ng_score scores[20];
    size_t count;
    const float vector[4] = {1, 2, 3, 4};
    return ng_vector_nearest(run->store, vector, 4, NULL, scores, 20, &count);
}

static ng_status act_path(fault_run *run)
{
    ng_edge path[64];
    size_t count;
    ng_path_options options = {.struct_size = sizeof options, .direction = NG_BOTH};
    const twin_state *twin = &run->twin;
    ng_token_id from = nth_live(twin, 0), to = nth_live(twin, twin->live_tokens - 1);
    ng_status status = ng_path_find(run->store, from, to, &options, path, 64, &count);
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

static ng_status act_query(fault_run *run)
{
    ng_query_result *result = NULL;
    ng_query_options options = {.struct_size = sizeof options,
                                .collection = NG_COLLECTION_SEMANTIC,
                                .why = true};
    ng_status status = ng_query(run->store, "alpha - beta + gamma", &options, &result);
    if (status == NG_OK)
        assert_true(result->term_count == 3);
    ng_query_result_destroy(result);
    return status;
}

/* No word is known, so that labels are looked through, and what is near is shown. */
static ng_status act_spelling(fault_run *run)
{
    ng_query_item items[2];
    ng_query_options options = {.struct_size = sizeof options,
                                .collection = NG_COLLECTION_SEMANTIC,
                                .suggest = 3,
                                .spaces = 1};
    items[0] = (ng_query_item){.text = "alhpa - betaa", .options = &options};
    items[1] = (ng_query_item){.text = "zzzzzzzz alpha", .options = &options};
    ng_status status = ng_query_batch(run->store, items, 2);
    for (size_t i = 0; i < 2; i++) {
        if (status == NG_OK)
            status = items[i].status;
        ng_query_result_destroy(items[i].result);
    }
    return status;
}

static ng_status act_similarity(fault_run *run)
{
    ng_token_id ids[20];
    ng_token_id pairs[20][2];
    double out[400];
    size_t odd;
    for (size_t i = 0; i < 20; i++)
        ids[i] = pairs[i][0] = pairs[19 - i][1] = nth_live(&run->twin, i);
    double one;
    ng_status status = ng_token_similarity(run->store, ids[0], ids[0], 0, &one);
    if (status == NG_OK || status == NG_E_ABSENT)
        status = ng_similarity_many(run->store, (const ng_token_id(*)[2])pairs, 20, 0, out, NULL);
    if (status == NG_OK)
        status = ng_similarity_matrix(run->store, ids, 20, NULL, 0, 0, out, NULL);
    if (status == NG_OK)
        status = ng_odd_one_out(run->store, ids, 20, 0, &odd, NULL);
    return status == NG_E_ABSENT ? NG_OK : status;
}

/* Everything that a recall can ask. */
static ng_status act_recall(fault_run *run)
{
    const ng_recall_near near = {.space = NG_SPACE_SENSORY, .scale = 2};
    const ng_recall_through through = {.direction = NG_BOTH, .max_hops = 3};
    const ng_recall_options options = {.struct_size = sizeof options,
                                       .text = "alpha - beta + gamma",
                                       .near = &near,
                                       .near_count = 1,
                                       .through = &through,
                                       .any_collection = true,
                                       .explain = true};
    ng_recall_result *result = NULL;
    ng_status status = ng_recall(run->store, &options, &result);
    if (status == NG_OK)
        assert_true(result->term_count == 3 && result->step_count >= 3);
    ng_recall_result_destroy(result);
    return status;
}

/* --- views --- */

static ng_status act_view(fault_run *run)
{
    ng_view *view = NULL;
    ng_token_id id = nth_live(&run->twin, 1), found;
    ng_token_info info;
    ng_edge edges[16];
    ng_token_id ids[16];
    size_t count;
    uint64_t hash;
    ng_status status = ng_view_open(run->store, NULL, &view);
    if (status != NG_OK)
        return status;
    status = ng_view_token_get(view, id, &info);
    if (status == NG_OK)
        status = ng_view_token_find(view, NG_COLLECTION_SEMANTIC, "beta", 4, &found);
    if (status == NG_OK)
        status = ng_view_token_list(view, NG_COLLECTION_ANY, 0, ids, 16, &count);
    if (status == NG_OK)
        status = ng_view_token_connections(view, id, NULL, edges, 16, &count);
    if (status == NG_OK)
        status = ng_view_state_hash(view, &hash);
    ng_view_close(view);
    return status;
}

static void prepare_view(fault_run *run)
{
    assert_int_equal(ng_state_hash(run->store, &nth.hash), NG_OK);
    assert_int_equal(ng_view_open(run->store, NULL, &nth.view), NG_OK);
}

/* A writer copies pages for the view. It goes on when that fails, and the view says so. */
static ng_status act_write_under_view(fault_run *run)
{
    twin_op op = {0};
    build_update(&run->twin, &op);
    ng_status status = fault_run_op(run, &op, 0);
    uint64_t hash = 0;
    ng_status read = ng_view_state_hash(nth.view, &hash);
    if (read == NG_OK)
        assert_int_equal(hash, nth.hash);
    ng_view_close(nth.view);
    nth.view = NULL;
    return status != NG_OK ? status : read;
}

/* --- transactions --- */

static ng_status act_transaction(fault_run *run)
{
    test_random random = {41};
    return fault_run_transact(run, &nth_mix, &random, NG_DURABILITY_DEFAULT);
}

/* --- named grids --- */

static ng_status named_steps(ng_store *store)
{
    uint64_t hash;
    ng_token_fields fields[4];
    ng_token_id ids[4];
    ng_grid_id id = 0;
    ng_status status;
    for (int i = 0; i < 4; i++)
        fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                      .spaces_set = 5,
                                      .coordinates = {{(float)i, 1, 2}}};
    NGI_TRY(ng_token_create_many(store, fields, 4, NULL, ids));
    NGI_TRY(ng_grid_create(store, "faulty", NULL, NULL, &id));
    NGI_TRY(ng_grid_add(store, id, ids, 3, NULL, NULL));
    fields[0].coordinates[0][0] = 9;
    NGI_TRY(ng_token_update(store, ids[0], fields, NULL));
    NGI_TRY(ng_token_delete(store, ids[1], NULL));
    NGI_TRY(ng_state_hash(store, &hash));
    NGI_TRY(ng_grid_remove(store, id, ids, 1, NULL, NULL));
    NGI_TRY(ng_grid_drop(store, id, NULL));
out:
    return status;
}

/* In a store of its own, in memory; what failed has left it as it was before that call. `again`,
 * if any, is done when nothing fails any more. */
ng_status nth_own_store(fault_run *run, ng_status (*steps)(ng_store *store),
                        void (*again)(ng_store *store))
{
    ng_store *store = NULL;
    ng_check_report report;
    char message[512];
    ng_status status = ngi_store_open(sim_disk_os(run->disk), &run->mem.mem, NULL, NULL, &store);
    if (status != NG_OK)
        return status;
    status = steps(store);
    snprintf(message, sizeof message, "%s", ng_last_error());
    fail_mem_plan(&run->mem, 0, false);
    sim_disk_fail(run->disk, NULL);
    assert_int_equal(ng_check(store, &report), NG_OK);
    assert_string_equal(report.first_problem, "");
    if (again != NULL)
        again(store);
    assert_int_equal(ngi_store_close(store), NG_OK);
    ngi_error_set(status != NG_OK ? message : "");
    return status;
}

static ng_status act_named(fault_run *run)
{
    return nth_own_store(run, named_steps, NULL);
}

/* Tokens in two grids, for faults while they change or go. */
static void prepare_named(fault_run *run)
{
    ng_grid_id ids[2];
    ng_token_id token;
    for (int i = 0; i < 2; i++)
        assert_int_equal(ng_grid_create(run->store, NULL, NULL, NULL, &ids[i]), NG_OK);
    for (size_t skip = 0; (token = nth_live(&run->twin, skip)) != 0; skip++)
        assert_int_equal(ng_grid_add(run->store, ids[skip % 2], &token, 1, NULL, NULL), NG_OK);
    nth_create_one(run);
}

/* --- checkpoints --- */

static ng_status act_checkpoint(fault_run *run)
{
    return ng_checkpoint(run->store, NULL, NULL, NULL);
}

static void prepare_tick(fault_run *run)
{
    assert_int_equal(fault_run_close(run), NG_OK);
    run->options.durability = NG_DURABILITY_INTERVAL;
    run->options.interval_ms = 1;
    run->options.checkpoint_seconds = 1;
    assert_int_equal(fault_run_open(run), NG_OK);
    nth_create_one(run);
    ngi_os *os = sim_disk_os(run->disk);
    sim_disk_set_clock(run->disk, os->clock_us(os) + 2000000, 1);
}

static ng_status act_tick(fault_run *run)
{
    ng_status status = ng_tick(run->store, 0, NULL);
    ng_seq durable = 0;
    ng_positions(run->store, NULL, &durable);
    if (durable > run->acknowledged)
        run->acknowledged = durable;
    return status;
}

static ng_status act_read_only(fault_run *run)
{
    ng_open_options options = run->options;
    run->options.flags |= NG_OPEN_READ_ONLY;
    ng_status status = fault_run_open(run);
    run->options = options;
    if (status == NG_OK) {
        sim_disk_fail(run->disk, NULL);
        fail_mem_plan(&run->mem, 0, false);
        fault_run_verify(run);
        assert_int_equal(fault_run_close(run), NG_OK);
    }
    return status;
}

const nth_scenario nth_scenarios[] = {
    {.name = "open new", .act = act_open, .begins_closed = true, .is_new = true},
    {.name = "create", .build = build_create},
    {.name = "create a batch", .build = build_batch},
    {.name = "update", .build = build_update},
    {.name = "update a batch", .build = build_update_batch},
    {.name = "upsert a batch", .build = build_upsert},
    {.name = "delete", .build = build_delete},
    {.name = "delete a batch", .build = build_delete_batch},
    {.name = "connect", .build = build_connect},
    {.name = "connect a batch", .build = build_connect_batch},
    {.name = "delete connection", .build = build_disconnect},
    {.name = "update connection", .build = build_relink},
    {.name = "upsert a batch of connections", .build = build_join},
    {.name = "activate a batch", .build = build_activate},
    {.name = "delete a batch of connections", .build = build_disconnect_batch},
    {.name = "collection", .build = build_collection},
    {.name = "clear", .build = build_clear},
    {.name = "drop", .build = build_drop, .prepare = prepare_drop},
    {.name = "constitution", .build = build_cdna},
    {.name = "projection", .build = build_projection},
    {.name = "declare an index", .build = build_index, .prepare = prepare_unindexed},
    {.name = "create with indexes", .act = act_create_indexed, .prepare = prepare_indexed},
    {.name = "drop an index", .act = act_drop_index, .prepare = prepare_indexed},
    {.name = "reopen with indexes",
     .act = act_open,
     .begins_closed = true,
     .prepare = prepare_indexed_snapshot},
    {.name = "expire", .act = act_expire},
    {.name = "search of tokens", .act = act_find, .prepare = prepare_indexed},
    {.name = "grid search", .act = act_grid},
    {.name = "clusters and fields", .act = act_clusters},
    {.name = "vector search", .act = act_vectors},
    {.name = "path", .act = act_path},
    {.name = "query", .act = act_query},
    {.name = "query by spelling", .act = act_spelling},
    {.name = "recall", .act = act_recall},
    {.name = "similarities", .act = act_similarity},
    {.name = "check", .act = act_check},
    {.name = "hash", .act = act_hash},
    {.name = "close", .act = act_close, .ends_closed = true},
    {.name = "reopen", .act = act_open, .begins_closed = true},
    {.name = "reopen from a snapshot",
     .act = act_open,
     .begins_closed = true,
     .has_snapshot = true},
    {.name = "open for reading", .act = act_read_only, .begins_closed = true, .has_snapshot = true},
    {.name = "view", .act = act_view},
    {.name = "write under a view", .act = act_write_under_view, .prepare = prepare_view},
    {.name = "transaction", .act = act_transaction},
    {.name = "named grids", .act = act_named},
    {.name = "feedback", .act = nth_feedback},
    {.name = "update a batch of members", .build = build_update_batch, .prepare = prepare_named},
    {.name = "delete members", .build = build_delete_batch, .prepare = prepare_named},
    {.name = "checkpoint with grids", .act = act_checkpoint, .prepare = prepare_named},
    {.name = "stream with grids", .act = nth_stream, .prepare = prepare_named},
    {.name = "load", .act = nth_load, .prepare = nth_prepare_load},
    {.name = "weave", .act = nth_weave, .prepare = nth_prepare_load},
    {.name = "anchor", .act = nth_anchor, .prepare = nth_prepare_anchor},
    {.name = "switch", .act = nth_switch, .prepare = nth_prepare_load},
    {.name = "first checkpoint", .act = act_checkpoint},
    {.name = "second checkpoint", .act = act_checkpoint, .has_snapshot = true},
    {.name = "check with a snapshot", .act = act_check, .has_snapshot = true},
    {.name = "tick", .act = act_tick, .prepare = prepare_tick},
    {.name = "stream", .act = nth_stream},
    {.name = "stream of ops", .act = nth_stream_ops},
    {.name = "stream of a directory", .act = nth_stream_path, .has_snapshot = true},
    {.name = "restore", .act = nth_restore, .prepare = nth_prepare_stream},
    {.name = "backup", .act = nth_backup},
    {.name = "incremental backup", .act = nth_increment, .prepare = nth_prepare_backup},
    {.name = "restore of backups", .act = nth_restore_backups, .prepare = nth_prepare_backups},
    {.name = "repair", .act = nth_repair, .prepare = nth_prepare_repair, .has_snapshot = true},
    {.name = "follow", .act = nth_follow, .prepare = nth_prepare_follow},
};

const size_t nth_scenario_count = sizeof nth_scenarios / sizeof *nth_scenarios;
