/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Progress of long work: tells the caller a few times a second, and learns whether to go on. */
#include "store/store_snapshot.h"

#define REPORT_NS UINT64_C(200000000)

void ngi_progress_begin(store_progress *progress, const char *phase, uint64_t total)
{
    if (progress == NULL || progress->call == NULL)
        return;
    progress->began_ns = progress->os->monotonic_ns(progress->os);
    progress->last_ns = 0; /* the first step reports, so that short work can be stopped as well */
    progress->at = (ng_progress){.phase = phase, .total = total};
}

ng_status ngi_progress_step(store_progress *progress, uint64_t done, uint64_t items)
{
    if (progress == NULL || progress->call == NULL)
        return NG_OK;
    uint64_t now = progress->os->monotonic_ns(progress->os);
    bool is_end = progress->at.total != 0 && done >= progress->at.total;
    if (progress->last_ns != 0 && !is_end && now - progress->last_ns < REPORT_NS)
        return NG_OK;
    progress->last_ns = now != 0 ? now : 1;
    progress->at.done = done;
    progress->at.items = items;
    progress->at.seconds = (double)(now - progress->began_ns) / 1e9;
    if (progress->call(progress->context, &progress->at))
        return NG_OK;
    return ngi_fail(NG_E_CANCELLED, "stopped during phase %s, after %llu", progress->at.phase,
                    (unsigned long long)done);
}
