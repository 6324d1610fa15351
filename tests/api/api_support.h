/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the tests of the public header share. */
#ifndef API_SUPPORT_H
#define API_SUPPORT_H

#include "neurograph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/** The call fails with this status and a message that has every one of these parts in it. */
#define ASSERT_FAILS(call, wanted, ...)                                                            \
    api_assert_failed((call), (wanted), #call, (const char *const[]){__VA_ARGS__, NULL}, __FILE__, \
                      __LINE__)
#define ASSERT_OK(call) api_assert_ok((call), #call, __FILE__, __LINE__)

static inline void api_assert_ok(ng_status status, const char *call, const char *file, int line)
{
    if (status == NG_OK)
        return;
    print_error("%s: %s (%s)\n", call, ng_status_name(status), ng_last_error());
    _fail(file, line);
}

static inline void api_assert_failed(ng_status status, ng_status wanted, const char *call,
                                     const char *const *parts, const char *file, int line)
{
    char message[1024];
    snprintf(message, sizeof message, "%s", ng_last_error());
    if (status != wanted) {
        print_error("%s: %s (%s), expected %s\n", call, ng_status_name(status), message,
                    ng_status_name(wanted));
        _fail(file, line);
    }
    for (; *parts != NULL; parts++) {
        if (strstr(message, *parts) == NULL) {
            print_error("%s: '%s' does not say '%s'\n", call, message, *parts);
            _fail(file, line);
        }
    }
}

/** A store in memory. */
static inline ng_store *api_memory_store(void)
{
    ng_store *store = NULL;
    ASSERT_OK(ng_open(NULL, NULL, &store));
    return store;
}

static inline ng_token_fields api_fields(void)
{
    return (ng_token_fields){.struct_size = sizeof(ng_token_fields)};
}

static inline ng_token_id api_token(ng_store *store)
{
    ng_token_id id = 0;
    ASSERT_OK(ng_token_create(store, NULL, NULL, &id));
    return id;
}

static inline ng_token_id api_labelled(ng_store *store, const char *label)
{
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.set = NG_FIELD_LABEL;
    fields.label = label;
    fields.label_bytes = strlen(label);
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

/** A token at a point of one space. */
static inline ng_token_id api_at(ng_store *store, ng_space space, float x, float y, float z)
{
    ng_token_id id = 0;
    ng_token_fields fields = api_fields();
    fields.spaces_set = (uint8_t)(1 << space);
    fields.coordinates[space][0] = x;
    fields.coordinates[space][1] = y;
    fields.coordinates[space][2] = z;
    ASSERT_OK(ng_token_create(store, &fields, NULL, &id));
    return id;
}

static inline ng_connection_id api_link(ng_store *store, ng_token_id source, ng_token_id target,
                                        uint8_t type, uint8_t flags)
{
    ng_connection_id id = 0;
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = source,
                                   .target = target,
                                   .set = NG_CFIELD_TYPE | NG_CFIELD_FLAGS,
                                   .type = type,
                                   .flags = flags};
    ASSERT_OK(ng_connection_create(store, &fields, NULL, &id));
    return id;
}

#endif
