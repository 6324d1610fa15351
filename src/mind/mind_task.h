/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What long work that writes in batches shares: phases, progress, and how far it runs ahead of the
 * disk. */
#ifndef NGI_MIND_TASK_H
#define NGI_MIND_TASK_H

#include "store/store.h"

typedef struct ngi_task {
    ng_store *store;
    ngi_os *os;
    const char *what; /* of it was cancelled: "loading words.txt" */
    ng_progress_fn progress;
    void *progress_context;
    ng_seq last_seq; /* of the newest batch; the next one waits for it */

    const char *phase;
    uint64_t phase_begin_ns;
    uint64_t shown_ns; /* when the progress function was called last */
} ngi_task;

/** Seconds since `begin_ns`. */
double ngi_task_seconds(const ngi_task *task, uint64_t begin_ns);
/** Begins a phase and shows it. Errors: NG_E_CANCELLED. */
NG_MUST_USE ng_status ngi_task_begin(ngi_task *task, const char *phase, uint64_t total);
/** Shows progress if a fifth of a second has passed since the last time. Errors: NG_E_CANCELLED. */
NG_MUST_USE ng_status ngi_task_progress(ngi_task *task, uint64_t done, uint64_t total,
                                        uint64_t items);
/** Shows the end of a phase. Errors: NG_E_CANCELLED. */
NG_MUST_USE ng_status ngi_task_end(ngi_task *task, uint64_t total, uint64_t items);
/** Options of a write that returns when it is applied. */
ng_write_options ngi_task_write(ng_seq *seq);
/** After a batch was applied as op `seq` (0: nothing had to change): waits until the batch before
 *  it is on disk, so that at most two are in flight. */
NG_MUST_USE ng_status ngi_task_committed(ngi_task *task, ng_seq seq);
/** Ends the work, which came to `status`: waits until everything is on disk, also what another thread
 *  wrote without waiting, because what was found there counts as done. Returns the first failure, and
 *  its message is the last one. */
NG_MUST_USE ng_status ngi_task_finish(const ngi_task *task, ng_status status);

#endif
