/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Between tables and streams: writes the state that a view shows, and loads one into an empty
 * store. And the snapshot files of a store: `00000000000000000042.snap` holds the state after op
 * 42. */
#ifndef NGI_STORE_SNAPSHOT_H
#define NGI_STORE_SNAPSHOT_H

#include "store/store_view.h"
#include "wal/wal_stream.h"

/** Progress of long work: where to report, and the phase's numbers. May be NULL everywhere. */
typedef struct store_progress {
    ng_progress_fn call;
    void *context;
    ngi_os *os;
    uint64_t began_ns, last_ns;
    ng_progress at;
} store_progress;

void ngi_progress_begin(store_progress *progress, const char *phase, uint64_t total);
/** Reports a few times a second; NG_E_CANCELLED if the caller wants to stop. */
NG_MUST_USE ng_status ngi_progress_step(store_progress *progress, uint64_t done, uint64_t items);

void ngi_snapshot_head(const ng_view *view, ngi_stream_head *out);
/** Writes head and state blocks of a view to `writer`, of which the caller has set sink and
 *  sink_context; ngi_stream_end is the caller's. The progress phase that the caller has begun gets
 *  its total: slots and ids, once for each kind of block. */
NG_MUST_USE ng_status ngi_snapshot_write(const ng_view *view, ngi_stream_writer *writer,
                                         store_progress *progress);
/** Puts one block into the tables of a store that has no ops and is not yet shared. The blocks of a
 *  state come in order of kind. Verifies all that memory safety needs. NG_E_CORRUPT. */
typedef struct store_loader store_loader;
NG_MUST_USE ng_status ngi_loader_begin(ng_store *store, const ngi_stream_head *head,
                                       store_loader **out);
NG_MUST_USE ng_status ngi_loader_block(store_loader *loader, const ngi_block *block);
/** After the last block: derives lists, label index and counters, and compares them with the
 *  head's. Frees the loader, also when it fails; NULL-safe abandon below. */
NG_MUST_USE ng_status ngi_loader_end(store_loader *loader);
void ngi_loader_abandon(store_loader *loader);

/** Loads a snapshot file into an empty store, with as many threads as there are processors (one
 *  if the store is manual). */
NG_MUST_USE ng_status ngi_snapshot_load(ng_store *store, const char *path, ngi_stream_head *head);
/** Writes the view's snapshot into the store's directory under its name, verified by reading it
 *  back, synced, and with its directory entry synced. `*bytes` receives its size. A failure leaves no
 *  file that is not a verified snapshot. */
NG_MUST_USE ng_status ngi_snapshot_save(const ng_view *view, store_progress *progress,
                                        uint64_t *bytes);
/** Seqs of the snapshot files in a directory, newest first; at most `capacity`. */
NG_MUST_USE ng_status ngi_snapshot_list(ngi_os *os, const char *directory, ng_seq *out,
                                        size_t capacity, size_t *count);
void ngi_snapshot_path(const char *directory, ng_seq seq, char *out, size_t capacity);
/** Verifies every checksum of a snapshot file. */
NG_MUST_USE ng_status ngi_snapshot_verify(ngi_os *os, ngi_mem *mem, const char *path,
                                          const ngi_manifest *manifest, uint64_t *bytes);
/** Opens the newest usable snapshot of the store into its tables before the log is replayed: the
 *  MANIFEST's, or, if that one is damaged, the one before (noted in the black box). `*seq` 0 =
 *  there is none, or none can be used, but the log reaches back to op 1. NG_E_CORRUPT, or NG_E_IO if
 *  it cannot be read, if the MANIFEST names one, none can be used, and the log does not. Also sets
 *  what `upkeep` knows of the snapshot. */
NG_MUST_USE ng_status ngi_snapshot_recover(ng_store *store, const ngi_manifest *manifest,
                                           ng_seq *seq, uint64_t *time_us);

/** See ng_checkpoint. */
NG_MUST_USE ng_status ngi_store_checkpoint(ng_store *store, ng_progress_fn progress,
                                           void *progress_context, ng_checkpoint_report *out);

#endif
