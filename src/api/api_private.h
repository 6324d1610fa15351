/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Argument checks that every function of neurograph.h begins with. */
#ifndef NGI_API_PRIVATE_H
#define NGI_API_PRIVATE_H

#include "base/base_limits.h"
#include "store/store.h"

static __attribute__((cold, noinline, unused)) ng_status api_null(const char *name)
{
    return ngi_fail(NG_E_INVALID, "%s is NULL", name);
}

#define API_REQUIRE(argument)                                                                      \
    do {                                                                                           \
        if ((argument) == NULL)                                                                    \
            return api_null(#argument);                                                            \
    } while (0)

/* Every options struct says its size, so that a caller built against another version is refused
 * rather than misread. */
#define API_OPTIONS(options)                                                                       \
    do {                                                                                           \
        if ((options) != NULL && (options)->struct_size != sizeof *(options))                      \
            return ngi_fail(NG_E_INVALID, #options ".struct_size %zu is not %zu",                  \
                            (options)->struct_size, sizeof *(options));                            \
    } while (0)

/** Size, flags and durability of write options; NULL is right. */
NG_MUST_USE ng_status ngi_api_check_write(const ng_write_options *write);

/** The same of a write that is an op of its own: `what` is not part of a transaction and has no version. */
NG_MUST_USE ng_status ngi_api_check_alone(const ng_write_options *write, const char *what);
/** Whether it is a number of components that there can be, or NG_PLAIN_COSINE: NG_E_INVALID. */
NG_MUST_USE ng_status ngi_api_check_remove(int32_t remove_components);
/** Sizes of the options of a list of connections and of their filter; NULL is right. */
NG_MUST_USE ng_status ngi_api_check_list(const ng_connection_list_options *options);

#define API_WRITE(write)                                                                           \
    do {                                                                                           \
        ng_status write_status = ngi_api_check_write(write);                                       \
        if (write_status != NG_OK)                                                                 \
            return write_status;                                                                   \
    } while (0)

#endif
