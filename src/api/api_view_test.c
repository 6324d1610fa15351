/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Views through neurograph.h: arguments, and what an expired one leaves in the black box. */
#include "neurograph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_invalid(ng_status status, const char *message)
{
    assert_int_equal(status, NG_E_INVALID);
    assert_string_equal(ng_last_error(), message);
}

static void test_arguments(void **state)
{
    (void)state;
    ng_store *store;
    const ng_open_options memory = {.struct_size = sizeof memory, .flags = NG_OPEN_MANUAL};
    assert_int_equal(ng_open(NULL, &memory, &store), NG_OK);
    ng_view *view = (ng_view *)&view;
    expect_invalid(ng_view_open(NULL, NULL, &view), "store is NULL");
    assert_null(view);
    expect_invalid(ng_view_open(store, NULL, NULL), "out is NULL");
    const ng_view_options wrong = {.struct_size = 3};
    expect_invalid(ng_view_open(store, &wrong, &view), "options.struct_size 3 is not 24");
    assert_int_equal(ng_view_open(store, NULL, &view), NG_OK);
    ng_view_close(NULL);
    ng_view_info info;
    ng_view_info_get(NULL, &info);
    assert_true(info.expired);
    ng_view_info_get(view, NULL);
    ng_view_info_get(view, &info);
    assert_false(info.expired);
    size_t count;
    uint64_t hash, of_store;
    ng_token_id id;
    expect_invalid(ng_view_token_get(NULL, 1, NULL), "view is NULL");
    expect_invalid(ng_view_token_get(view, 1, NULL), "out is NULL");
    expect_invalid(ng_view_token_label(NULL, 1, NULL, 0, NULL), "view is NULL");
    expect_invalid(ng_view_token_label(view, 1, NULL, 1, NULL), "out is NULL");
    expect_invalid(ng_view_token_vector(NULL, 1, NULL, 0, &count), "view is NULL");
    expect_invalid(ng_view_token_vector(view, 1, NULL, 0, NULL), "count is NULL");
    expect_invalid(ng_view_token_vector(view, 1, NULL, 1, &count), "out is NULL");
    expect_invalid(ng_view_token_find(NULL, 0, "a", 1, &id), "view is NULL");
    expect_invalid(ng_view_token_find(view, 0, NULL, 1, &id), "label is NULL");
    expect_invalid(ng_view_token_find(view, 0, "a", 1, NULL), "out is NULL");
    expect_invalid(ng_view_token_list(NULL, 0, 0, NULL, 0, &count), "view is NULL");
    expect_invalid(ng_view_token_list(view, 0, 0, NULL, 0, NULL), "count is NULL");
    expect_invalid(ng_view_token_list(view, 0, 0, NULL, 1, &count), "out is NULL");
    expect_invalid(ng_view_connection_get(NULL, 1, NULL), "view is NULL");
    expect_invalid(ng_view_connection_get(view, 1, NULL), "out is NULL");
    expect_invalid(ng_view_token_connections(NULL, 1, NULL, NULL, 0, &count), "view is NULL");
    expect_invalid(ng_view_token_connections(view, 1, NULL, NULL, 0, NULL), "count is NULL");
    expect_invalid(ng_view_token_connections(view, 1, NULL, NULL, 1, &count), "out is NULL");
    expect_invalid(ng_view_cdna_get(NULL, NULL), "view is NULL");
    expect_invalid(ng_view_cdna_get(view, NULL), "out is NULL");
    expect_invalid(ng_view_collection_get(NULL, 0, NULL, NULL), "view is NULL");
    expect_invalid(ng_view_state_hash(NULL, &hash), "view is NULL");
    expect_invalid(ng_view_state_hash(view, NULL), "out is NULL");
    assert_int_equal(ng_view_state_hash(view, &hash), NG_OK);
    assert_int_equal(ng_state_hash(store, &of_store), NG_OK);
    assert_true(hash == of_store);
    ng_view_close(view);
    assert_int_equal(ng_close(store), NG_OK);
}

typedef struct found_event {
    int count;
    char text[192];
    ng_seq seq;
} found_event;

static void find_event(void *context, const ng_event *event)
{
    found_event *found = context;
    if (strcmp(event->kind, "view") != 0)
        return;
    found->count++;
    found->seq = event->seq;
    snprintf(found->text, sizeof found->text, "%s", event->text);
}

static void test_expiry_is_noted(void **state)
{
    (void)state;
    char directory[] = "/tmp/api_view_test_XXXXXX", command[64];
    assert_non_null(mkdtemp(directory));
    ng_store *store;
    const ng_open_options manual = {.struct_size = sizeof manual, .flags = NG_OPEN_MANUAL};
    assert_int_equal(ng_open(directory, &manual, &store), NG_OK);
    ng_token_id id;
    assert_int_equal(ng_token_create(store, NULL, NULL, &id), NG_OK);
    ng_view *view, *closed;
    const ng_view_options brief = {.struct_size = sizeof brief, .lifetime_ms = 1};
    assert_int_equal(ng_view_open(store, NULL, &closed), NG_OK);
    ng_view_close(closed); /* closing is no event */
    assert_int_equal(ng_view_open(store, &brief, &view), NG_OK);
    ng_token_info token;
    ng_status status = NG_OK;
    while (status == NG_OK) /* ends by itself after a millisecond */
        status = ng_view_token_get(view, id, &token);
    assert_int_equal(status, NG_E_EXPIRED);
    char message[192];
    snprintf(message, sizeof message, "expired: %s", ng_last_error());
    assert_non_null(strstr(message, "its limit is 1 ms"));
    ng_view_close(view);
    assert_int_equal(ng_close(store), NG_OK);
    found_event found = {0};
    assert_int_equal(ng_blackbox_read(directory, find_event, &found), NG_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.seq, 1);
    assert_string_equal(found.text, message);
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

/* A store in memory has no thread that would look for it. */
static void test_forgotten_in_memory(void **state)
{
    (void)state;
    ng_store *store;
    ng_view *view;
    ng_info info = {0};
    const ng_view_options brief = {.struct_size = sizeof brief, .lifetime_ms = 1};
    assert_int_equal(ng_open(NULL, NULL, &store), NG_OK);
    assert_int_equal(ng_view_open(store, &brief, &view), NG_OK);
    while (info.expired_view_count == 0) { /* ends by itself after a millisecond */
        assert_int_equal(ng_tick(store, 0, NULL), NG_OK);
        assert_int_equal(ng_store_info(store, &info), NG_OK);
    }
    assert_int_equal(info.open_view_count, 0);
    uint64_t hash;
    assert_int_equal(ng_view_state_hash(view, &hash), NG_E_EXPIRED);
    ng_view_close(view);
    assert_int_equal(ng_close(store), NG_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_expiry_is_noted),
        cmocka_unit_test(test_forgotten_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
