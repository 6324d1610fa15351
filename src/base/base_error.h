/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The detail of the last error, one buffer per thread.
 *
 * Every function that fails calls ngi_fail exactly where it finds out, with the field, the value
 * and the range, or the file and the offset; callers pass the status up unchanged. */
#ifndef NGI_BASE_ERROR_H
#define NGI_BASE_ERROR_H

#include "neurograph.h"

#include <stdarg.h>

#define NGI_PRINTF(format_index, first_index)                                                      \
    __attribute__((format(printf, format_index, first_index)))

/** Stores the message for ng_last_error of this thread and returns `status`. */
ng_status ngi_fail(ng_status status, const char *format, ...) NGI_PRINTF(2, 3);
/* So that an analyser sees that a failure is never NG_OK. */
#define ngi_fail(status, ...) (ngi_fail(status, __VA_ARGS__), (status))
/** Puts "prefix: " before the message stored last, and returns `status`. */
ng_status ngi_fail_prefix(ng_status status, const char *prefix);
/** Of an item of a batch that failed: puts "item 3: " before the message, unless the batch has only
 *  one. Returns `status`, which may be NG_OK: then it does nothing. */
ng_status ngi_fail_item(ng_status status, size_t index, size_t count);
/** The message stored last on this thread. */
const char *ngi_last_error(void);
/** Restores a message that was saved before a call that may have replaced it. */
void ngi_error_set(const char *message);

/** Stores the detail of a conflict for ng_last_conflict of this thread. ngi_fail with another status
 *  than NG_E_CONFLICT forgets it. */
void ngi_conflict_set(const ng_conflict *conflict);

/** Remembers the first failure: `status = step` unless one has failed before. */
#define NGI_KEEP_FIRST(status, step)                                                               \
    do {                                                                                           \
        ng_status kept_status = (step);                                                            \
        if ((status) == NG_OK)                                                                     \
            (status) = kept_status;                                                                \
    } while (0)

/** Leaves through `out` if a step failed. The function has `ng_status status` and a label `out`. */
#define NGI_TRY(step)                                                                              \
    do {                                                                                           \
        status = (step);                                                                           \
        if (status != NG_OK)                                                                       \
            goto out;                                                                              \
    } while (0)

#define NGI_LIKELY(x) __builtin_expect(!!(x), 1)
#define NGI_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
