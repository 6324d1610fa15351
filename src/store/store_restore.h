/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Makes new stores: builds one in memory from streams and ops, then writes it as a directory.
 *
 * States: begin -> feed (once or more) -> finish -> release. Nothing is on disk before finish. */
#ifndef NGI_STORE_RESTORE_H
#define NGI_STORE_RESTORE_H

#include "store/store_snapshot.h"

typedef struct store_restore {
    ngi_os *os;
    ngi_mem *mem;
    ng_restore_options options;
    const char *to;
    ng_store *store;       /* in memory; NULL before the first stream */
    ngi_manifest identity; /* of the new store */
    uint8_t source_uuid[16];
    ng_seq seq; /* newest op in it */
    uint64_t time_us;
    bool complete; /* the next op is beyond what is wanted */
    store_progress progress;
    ng_stream_report report;
    uint64_t began_ns;
} store_restore;

/** Refuses a `to` that is there and not an empty directory. `options` may be NULL. */
NG_MUST_USE ng_status ngi_restore_begin(store_restore *restore, ngi_os *os, ngi_mem *mem,
                                        const char *to, const ng_restore_options *options);
/** Takes a whole state or ops that go on from what is there; nothing more once `complete`. */
NG_MUST_USE ng_status ngi_restore_feed(store_restore *restore, ng_source_fn source,
                                       void *source_context);
/** Verifies the state and writes the store. `out` may be NULL. */
NG_MUST_USE ng_status ngi_restore_finish(store_restore *restore, ng_stream_report *out);
/** Gives back what it holds; of a zeroed one, or one that failed, too. */
void ngi_restore_release(store_restore *restore);

/** See ng_stream_restore. */
NG_MUST_USE ng_status ngi_store_stream_restore(ngi_os *os, ngi_mem *mem, ng_source_fn source,
                                               void *source_context, const char *to,
                                               const ng_restore_options *options,
                                               ng_stream_report *out);

/* For repair, which fills a store in other ways. */

/** `*identity` becomes that of a new store: the same encoding and creation time, a uuid of its own,
 *  nothing in it. */
NG_MUST_USE ng_status ngi_restore_identity(ngi_os *os, ngi_manifest *identity);
/** Applies an op to a store in memory whose log is not used yet. */
NG_MUST_USE ng_status ngi_restore_replay(ng_store *store, const ngi_op *op);
/** NG_E_EXISTS unless `to` is absent or an empty directory. */
NG_MUST_USE ng_status ngi_restore_check_target(ngi_os *os, const char *to);
/** Verifies the state of a store in memory, whose newest op is `seq`, and writes it to `to`, all or
 *  nothing. `identity` is the store's, with the origin uuid that the new one is to have. */
NG_MUST_USE ng_status ngi_restore_write(ng_store *store, const ngi_manifest *identity, ng_seq seq,
                                        uint64_t time_us, const char *to, store_progress *progress);

#endif
