/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Graphs of approximate search in a file beside the snapshots, docs/format/graphs.md.
 *
 * They are derived: a file that is missing, damaged or older than the snapshot costs a new build, never an
 * answer. So a failure to write or to read one is noted in the black box and fails nothing else.
 *
 * What it holds is the graph of some moment at or after op `seq`. So it is taken while the log is replayed,
 * before the first op behind `seq`: a row whose vector that op or a later one changes leaves it, and comes
 * back like any other.
 *
 * Threads: save may be called from any thread, one at a time; load while the store is opened. */
#ifndef NGI_STORE_GRAPH_FILE_H
#define NGI_STORE_GRAPH_FILE_H

#include "store/store_private.h"

/** Writes all graphs that there are, in place of the file before; without any, removes it. */
void ngi_graphs_save(ng_store *store);
/** Work of ng_tick and of the store's own thread: brings into graphs what is missing, and links past what
 *  was removed, a few rows at a time. */
bool ngi_graphs_are_due(ng_store *store);
NG_MUST_USE ng_status ngi_graphs_step(ng_store *store, uint64_t deadline_ns);
/** The seq of the file; 0 = there is none that could be used. */
ng_seq ngi_graphs_seq(ng_store *store);
/** Takes the graphs in it. */
void ngi_graphs_load(ng_store *store);
/** The part of load that reads: of a file of any bytes. Errors: NG_E_CORRUPT, NG_E_NOMEM, NG_E_IO,
 *  NG_E_VERSION. Graphs that were whole before stay. */
NG_MUST_USE ng_status ngi_graphs_read(ng_store *store, ngi_file file);

#endif
