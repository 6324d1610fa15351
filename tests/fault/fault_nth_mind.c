/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Scenarios of loading, weaving, anchoring, feedback and another embedding. */
#include "fault_nth.h"

#include "mind/mind_formats_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- feedback --- */

static ng_status feedback_say(ng_store *store, ng_feedback_options *options)
{
    ng_seq before = 0, after = 0;
    ng_query_result *answer = NULL;
    ng_feedback_result *given = NULL;
    ng_status status;
    NGI_TRY(ng_query(store, "cup", NULL, &answer));
    options->signal = answer->signal;
    ng_positions(store, &before, NULL);
    status = ng_feedback(store, options, NULL, &given);
    ng_positions(store, &after, NULL);
    if (status != NG_OK) /* nothing but the collection that it needs may have been made */
        assert_true(given == NULL && after <= before + 1);
out:
    options->signal = NULL;
    ng_feedback_result_destroy(given);
    ng_query_result_destroy(answer);
    return status;
}

/* A correction that moves two priors and teaches a connection, once, twice, listed and taken back. */
static ng_status feedback_steps(ng_store *store)
{
    static const char *const labels[] = {"cup", "tea", "milk"};
    const float vector[2] = {1, 0.5f};
    ng_token_fields fields[3];
    ng_token_id ids[3];
    ng_connection_id link;
    ng_feedback_result *list = NULL;
    ng_status status;
    for (int i = 0; i < 3; i++)
        fields[i] = (ng_token_fields){.struct_size = sizeof fields[i],
                                      .set = NG_FIELD_LABEL | NG_FIELD_VECTOR,
                                      .collection = NG_COLLECTION_SEMANTIC,
                                      .label = labels[i],
                                      .label_bytes = strlen(labels[i]),
                                      .vector = vector,
                                      .vector_dimensions = 2};
    NGI_TRY(ng_token_create_many(store, fields, 3, NULL, ids));
    const ng_connection_fields joins = {.struct_size = sizeof joins,
                                        .source = ids[0],
                                        .target = ids[1]};
    ng_feedback_options options = {.struct_size = sizeof options,
                                   .text = "cup",
                                   .type = NG_FEEDBACK_CORRECTION,
                                   .hit = ids[1],
                                   .correct = ids[2]};
    NGI_TRY(ng_connection_create(store, &joins, NULL, &link));
    NGI_TRY(feedback_say(store, &options));
    NGI_TRY(feedback_say(store, &options));
    NGI_TRY(ng_feedback_list(store, 0, 10, &list));
    assert_true(list->count == 2 && list->items[0].effect_count == 3);
    NGI_TRY(ng_feedback_undo(store, 2, NULL, NULL));
    NGI_TRY(ng_feedback_undo(store, 1, NULL, NULL));
out:
    ng_feedback_result_destroy(list);
    return status;
}

ng_status nth_feedback(fault_run *run)
{
    return nth_own_store(run, feedback_steps, NULL);
}

/* --- loads --- */

#define LOADED_PATH "/sim/X.npy.gz"

/* An array and its vocabulary, both compressed. */
void nth_prepare_load(fault_run *run)
{
    made_file array = {0}, file = {0};
    made_npy_header(&array, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }");
    for (int i = 0; i < 6; i++)
        made_float(&array, (float)(i * i) - 7);
    made_gzip(&file, array.data, array.bytes);
    sim_disk_file_put(run->disk, LOADED_PATH, file.data, file.bytes);
    made_release(&file);
    made_gzip(&file, "the\nice cream\ncat\n", 18);
    sim_disk_file_put(run->disk, "/sim/X.txt", file.data, file.bytes);
    made_release(&file);
    made_release(&array);
}

static ng_status load_steps(ng_store *store)
{
    return ng_bootstrap(store, LOADED_PATH, NULL, NULL);
}

/* The load after the one that failed completes it. */
static void load_again(ng_store *store)
{
    ng_bootstrap_report report;
    ng_info info;
    if (ng_bootstrap(store, LOADED_PATH, NULL, &report) != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(report.words_created + report.words_unchanged, 3);
    assert_int_equal(ng_store_info(store, &info), NG_OK);
    assert_int_equal(info.vector_count, 3);
    assert_int_equal(info.component_count, 2);
}

ng_status nth_load(fault_run *run)
{
    return nth_own_store(run, load_steps, load_again);
}

/* Loaded, woven, and compared by vectors and connections. */
static ng_status weave_steps(ng_store *store)
{
    const ng_weave_options options = {.struct_size = sizeof options,
                                      .neighbors = 1,
                                      .by_min_similarity = true,
                                      .min_similarity = -1,
                                      .effort = 16};
    const ng_connection_fields kind = {
        .struct_size = sizeof kind, .source = 1, .target = 3, .set = NG_CFIELD_TYPE, .type = 2};
    ng_connection_id id;
    ng_fused fused;
    ng_status status = ng_bootstrap(store, LOADED_PATH, NULL, NULL);
    if (status == NG_OK)
        status = ng_weave(store, &options, NULL);
    if (status == NG_OK)
        status = ng_connection_create(store, &kind, NULL, &id);
    if (status == NG_OK)
        status = ng_similarity_fused(store, 1, 3, NULL, &fused);
    return status;
}

static void weave_again(ng_store *store)
{
    const ng_weave_options options = {.struct_size = sizeof options,
                                      .neighbors = 1,
                                      .by_min_similarity = true,
                                      .min_similarity = -1};
    ng_weave_report report;
    load_again(store);
    if (ng_weave(store, &options, &report) != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(report.connections_created + report.connections_unchanged, 3);
    assert_int_equal(ng_unweave(store, NULL, &report), NG_OK);
    assert_int_equal(report.connections_removed, 3);
}

ng_status nth_weave(fault_run *run)
{
    return nth_own_store(run, weave_steps, weave_again);
}

/* --- anchors --- */

#define ANCHOR_WORDS_PATH "/sim/words.txt"
#define ANCHOR_RATED_PATH "/sim/rated.tsv"
#define ANCHOR_WORDS 24

/* Enough words for a regression, of more dimensions than there are anchors. */
void nth_prepare_anchor(fault_run *run)
{
    char words[ANCHOR_WORDS * 400], rated[ANCHOR_WORDS * 40];
    size_t used = 0, rated_used = 0;
    for (int i = 0; i < ANCHOR_WORDS; i++) {
        used += (size_t)snprintf(words + used, sizeof words - used, "w%d", i);
        for (int d = 0; d < 26; d++)
            used +=
                (size_t)snprintf(words + used, sizeof words - used, " %d", (i * d * 7 + d) % 13);
        words[used++] = '\n';
        if (i < ANCHOR_WORDS - 2)
            rated_used +=
                (size_t)snprintf(rated + rated_used, sizeof rated - rated_used,
                                 "emotion,w%d,%g,0.%d,-0.%d\n", i, i / 40.0, i % 7, i % 5);
    }
    sim_disk_file_put(run->disk, ANCHOR_WORDS_PATH, words, used);
    sim_disk_file_put(run->disk, ANCHOR_RATED_PATH, rated, rated_used);
}

static ng_anchor_options anchor_options(void)
{
    return (ng_anchor_options){.struct_size = sizeof(ng_anchor_options),
                               .modalities = 1u << NG_MODALITY_EMOTION,
                               .path = ANCHOR_RATED_PATH,
                               .only_file = true,
                               .fill = NG_ANCHOR_FILL_ALWAYS,
                               .lambda = 1};
}

static ng_status anchor_steps(ng_store *store)
{
    const ng_anchor_options options = anchor_options();
    ng_status status = ng_bootstrap(store, ANCHOR_WORDS_PATH, NULL, NULL);
    if (status == NG_OK)
        status = ng_anchor(store, &options, NULL);
    if (status == NG_OK)
        status = ng_anchor_remove(store, NULL, NULL);
    return status;
}

static void anchor_again(ng_store *store)
{
    const ng_anchor_options options = anchor_options();
    ng_anchor_report report;
    assert_int_equal(ng_bootstrap(store, ANCHOR_WORDS_PATH, NULL, NULL), NG_OK);
    if (ng_anchor(store, &options, &report) != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(report.words, ANCHOR_WORDS);
    assert_int_equal(report.modalities[NG_MODALITY_EMOTION].predicted_count, 2);
    assert_int_equal(ng_anchor_remove(store, NULL, &report), NG_OK);
    assert_int_equal(report.words_changed, ANCHOR_WORDS);
}

ng_status nth_anchor(fault_run *run)
{
    return nth_own_store(run, anchor_steps, anchor_again);
}

/* A second embedding of the same words, compared, aligned where it has none, switched to. */
static ng_status switch_steps(ng_store *store)
{
    const ng_vector_field_options plain = {.struct_size = sizeof plain, .dimensions = 2};
    ng_bootstrap_options load = {.struct_size = sizeof load, .max_words = 2};
    ng_embedding_compare_options compare = {.struct_size = sizeof compare, .k = 1};
    const ng_embedding_switch_options there = {.struct_size = sizeof there,
                                               .field = "new",
                                               .keep_as = "old",
                                               .align_missing = true};
    ng_embedding_report report;
    ng_status status = ng_bootstrap(store, LOADED_PATH, NULL, NULL);
    if (status == NG_OK)
        status = ng_vector_field_create(store, "new", &plain, NULL, &load.field);
    if (status == NG_OK)
        status = ng_bootstrap(store, LOADED_PATH, &load, NULL);
    compare.field = load.field;
    if (status == NG_OK)
        status = ng_embedding_compare(store, &compare, &report);
    return status == NG_OK ? ng_embedding_switch(store, &there, NULL) : status;
}

/* The same after the failure, from wherever it has come to, and back. */
static void switch_again(ng_store *store)
{
    const ng_embedding_switch_options there = {.struct_size = sizeof there,
                                               .field = "new",
                                               .keep_as = "old",
                                               .align_missing = true};
    const ng_embedding_switch_options back = {.struct_size = sizeof back,
                                              .field = "old",
                                              .keep_as = "new"};
    const ng_vector_field_options plain = {.struct_size = sizeof plain, .dimensions = 2};
    ng_bootstrap_options load = {.struct_size = sizeof load, .max_words = 2};
    ng_vector_field_id kept;
    ng_info info;
    if (ng_vector_field_find(store, "old", &kept) != NG_OK) {
        load_again(store);
        if (ng_vector_field_find(store, "new", &load.field) != NG_OK)
            assert_int_equal(ng_vector_field_create(store, "new", &plain, NULL, &load.field),
                             NG_OK);
        assert_int_equal(ng_bootstrap(store, LOADED_PATH, &load, NULL), NG_OK);
    }
    if (ng_embedding_switch(store, &there, NULL) != NG_OK)
        fail_msg("%s", ng_last_error());
    assert_int_equal(ng_store_info(store, &info), NG_OK);
    assert_int_equal(info.vector_count, 3);
    assert_int_equal(info.component_count, 2);
    if (ng_embedding_switch(store, &back, NULL) != NG_OK)
        fail_msg("%s", ng_last_error());
    load_again(store);
}

ng_status nth_switch(fault_run *run)
{
    return nth_own_store(run, switch_steps, switch_again);
}
