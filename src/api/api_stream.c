/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Checkpoint, backup, restore, repair, following: argument checks, and memory for work that has no
 * store of the caller's. */
#include "api/api_private.h"
#include "store/store_backup.h"
#include "store/store_repair.h"

/* The memory of one call: no limit of its own, and everything is given back at its end. */
static ngi_mem *api_memory(ngi_mem *mem)
{
    ngi_mem_init(mem, 0);
    return mem;
}

ng_status ng_checkpoint(ng_store *store, ng_progress_fn progress, void *progress_context,
                        ng_checkpoint_report *out)
{
    API_REQUIRE(store);
    return ngi_store_checkpoint(store, progress, progress_context, out);
}

ng_status ng_tick(ng_store *store, uint64_t budget_us, bool *more)
{
    API_REQUIRE(store);
    return ngi_store_tick(store, budget_us, more);
}

ng_seq ng_wait_change(ng_store *store, ng_seq after, uint32_t timeout_ms)
{
    return store != NULL ? ngi_wal_wait_change(store->wal, after, timeout_ms) : 0;
}

static ng_status api_check_stream(const ng_stream_options *options)
{
    API_OPTIONS(options);
    if (options == NULL || options->incremental)
        return NG_OK;
    if (options->after != 0 || options->last != 0 || options->max_bytes != 0)
        return ngi_fail(NG_E_INVALID, "options.after, last and max_bytes need incremental");
    return NG_OK;
}

ng_status ng_stream_write(ng_store *store, const ng_stream_options *options, ng_sink_fn sink,
                          void *sink_context, ng_stream_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(sink);
    ng_status status = api_check_stream(options);
    return status != NG_OK ? status
                           : ngi_store_stream_write(store, options, sink, sink_context, out);
}

ng_status ng_stream_write_path(const char *path, const ng_stream_options *options, ng_sink_fn sink,
                               void *sink_context, ng_stream_report *out)
{
    API_REQUIRE(path);
    API_REQUIRE(sink);
    ng_status status = api_check_stream(options);
    if (status != NG_OK)
        return status;
    ngi_mem mem;
    return ngi_store_stream_write_path(ngi_os_system(), api_memory(&mem), path, options, sink,
                                       sink_context, out);
}

ng_status ng_stream_apply(ng_store *store, ng_source_fn source, void *source_context,
                          ng_stream_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(source);
    return ngi_store_stream_apply(store, source, source_context, out);
}

ng_status ng_stream_restore(ng_source_fn source, void *source_context, const char *to,
                            const ng_restore_options *options, ng_stream_report *out)
{
    API_REQUIRE(source);
    API_REQUIRE(to);
    API_OPTIONS(options);
    ngi_mem mem;
    return ngi_store_stream_restore(ngi_os_system(), api_memory(&mem), source, source_context, to,
                                    options, out);
}

ng_status ng_backup(ng_store *store, const char *directory, const ng_backup_options *options,
                    ng_stream_report *out)
{
    API_REQUIRE(store);
    API_REQUIRE(directory);
    API_OPTIONS(options);
    return ngi_store_backup(store, directory, options, out);
}

ng_status ng_restore(const char *from, const char *to, const ng_restore_options *options,
                     ng_stream_report *out)
{
    API_REQUIRE(from);
    API_REQUIRE(to);
    API_OPTIONS(options);
    ngi_mem mem;
    return ngi_store_restore(ngi_os_system(), api_memory(&mem), from, to, options, out);
}

ng_status ng_repair(const char *path, const char *to, ng_loss_fn each, void *context,
                    ng_repair_report *out)
{
    API_REQUIRE(path);
    API_REQUIRE(to);
    ngi_mem mem;
    return ngi_store_repair(ngi_os_system(), api_memory(&mem), path, to, each, context, out);
}
