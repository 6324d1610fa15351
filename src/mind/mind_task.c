/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Phases, progress and durability of long work. */
#include "mind/mind_task.h"

#include <stdio.h>

#define TASK_SHOW_NS UINT64_C(200000000) /* "a few times a second" */
#define TASK_MESSAGE_MAX 1024

double ngi_task_seconds(const ngi_task *task, uint64_t begin_ns)
{
    return (double)(task->os->monotonic_ns(task->os) - begin_ns) * 1e-9;
}

static ng_status task_show(ngi_task *task, uint64_t done, uint64_t total, uint64_t items)
{
    if (task->progress == NULL)
        return NG_OK;
    ng_progress progress = {.phase = task->phase,
                            .done = done,
                            .total = total,
                            .items = items,
                            .seconds = ngi_task_seconds(task, task->phase_begin_ns)};
    task->shown_ns = task->os->monotonic_ns(task->os);
    if (!task->progress(task->progress_context, &progress))
        return ngi_fail(NG_E_CANCELLED, "%s was cancelled", task->what);
    return NG_OK;
}

ng_status ngi_task_begin(ngi_task *task, const char *phase, uint64_t total)
{
    task->phase = phase;
    task->phase_begin_ns = task->os->monotonic_ns(task->os);
    return task_show(task, 0, total, 0);
}

ng_status ngi_task_progress(ngi_task *task, uint64_t done, uint64_t total, uint64_t items)
{
    if (task->os->monotonic_ns(task->os) - task->shown_ns < TASK_SHOW_NS)
        return NG_OK;
    return task_show(task, done, total, items);
}

ng_status ngi_task_end(ngi_task *task, uint64_t total, uint64_t items)
{
    return task_show(task, total, total, items);
}

ng_write_options ngi_task_write(ng_seq *seq)
{
    *seq = 0;
    return (ng_write_options){.struct_size = sizeof(ng_write_options),
                              .flags = NG_WRITE_NOWAIT,
                              .seq = seq};
}

ng_status ngi_task_committed(ngi_task *task, ng_seq seq)
{
    if (seq == 0)
        return NG_OK;
    ng_seq before = task->last_seq;
    task->last_seq = seq;
    return before == 0 ? NG_OK : ngi_store_wait_durable(task->store, before);
}

static ng_status task_wait(const ngi_task *task)
{
    ng_seq applied = 0, durable = 0;
    ngi_store_positions(task->store, &applied, &durable);
    return applied <= durable ? NG_OK : ngi_store_wait_durable(task->store, applied);
}

ng_status ngi_task_finish(const ngi_task *task, ng_status status)
{
    if (status == NG_OK)
        return task_wait(task);
    char message[TASK_MESSAGE_MAX];
    snprintf(message, sizeof message, "%s", ngi_last_error());
    ng_status waited = task_wait(task); /* the batches before the failure are kept */
    (void)waited;
    ngi_error_set(message);
    return status;
}
