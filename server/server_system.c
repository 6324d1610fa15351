/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Health, status and the root: what operators and load balancers ask.
 *
 * live and startup never touch the store, so a store that has stopped cannot make a supervisor
 * think that the process hangs. Figures are the process's own: memory from /proc/self/statm,
 * processor time since the previous sample. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "server_private.h"

#define SYSTEM_CPU_SAMPLE_NS 100000000 /* shorter intervals measure the clock, not the load */

static double system_uptime(const ngs_server *server)
{
    return (double)(ngs_now_ns() - server->started_ns) / 1e9;
}

static const char *system_backend(const ngs_server *server)
{
    return server->store_path[0] != '\0' ? "runtime" : "memory";
}

/* Whether the store still answers. Slot 1 need not exist: only a latched store says LATCHED. */
static ng_status system_probe(const ngs_server *server)
{
    ng_token record;
    ng_status status = ng_token_read(server->store, 1, &record);
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

static double system_memory_mb(void)
{
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0);
}

static double system_cpu_percent(ngs_server *server)
{
    struct timespec used_time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used_time);
    int64_t used = (int64_t)used_time.tv_sec * 1000000000 + used_time.tv_nsec;
    int64_t now = ngs_now_ns();
    pthread_mutex_lock(&server->lock);
    int64_t span = now - server->cpu_sample_ns;
    if (span >= SYSTEM_CPU_SAMPLE_NS) {
        server->cpu_percent = 100.0 * (double)(used - server->cpu_used_ns) / (double)span;
        server->cpu_sample_ns = now;
        server->cpu_used_ns = used;
    }
    double percent = server->cpu_percent;
    pthread_mutex_unlock(&server->lock);
    return percent;
}

void ngs_system_root(ngs_request *request)
{
    ngs_out *out = ngs_reply_bare(request, 200);
    ngs_out_text(out, "{\"name\":\"NeuroGraph\",\"version\":");
    ngs_out_string_z(out, ng_version());
    ngs_out_text(out, ",\"storage_backend\":");
    ngs_out_string_z(out, system_backend(request->server));
    ngs_out_text(out, ",\"links\":{\"health\":\"/api/v1/health\",\"status\":\"/api/v1/status\","
                      "\"tokens\":\"/api/v1/tokens\",\"query\":\"/api/v1/query\"},"
                      "\"health\":\"/api/v1/health\"}");
}

void ngs_system_health(ngs_request *request)
{
    ngs_server *server = request->server;
    ng_info info;
    request->settles = true;
    ng_status status = system_probe(server);
    if (status == NG_OK)
        status = ng_store_info(server->store, &info);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"status\":\"healthy\",\"uptime_seconds\":");
    ngs_out_fixed3(out, system_uptime(server));
    ngs_out_text(out, ",\"version\":");
    ngs_out_string_z(out, ng_version());
    ngs_out_text(out, ",\"runtime_metrics\":{\"tokens_count\":");
    ngs_out_u64(out, info.token_count);
    ngs_out_text(out, ",\"storage_backend\":");
    ngs_out_string_z(out, system_backend(server));
    ngs_out_text(out, "}}");
}

void ngs_system_live(ngs_request *request)
{
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"status\":\"alive\",\"uptime_seconds\":");
    ngs_out_fixed3(out, system_uptime(request->server));
    ngs_out_char(out, '}');
}

void ngs_system_startup(ngs_request *request)
{
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"started\":true,\"uptime_seconds\":");
    ngs_out_fixed3(out, system_uptime(request->server));
    ngs_out_char(out, '}');
}

void ngs_system_ready(ngs_request *request)
{
    if (atomic_load_explicit(&request->server->draining, memory_order_acquire)) {
        request->retry_after_s = 1;
        ngs_reply_error(request, 503, "SERVICE_UNAVAILABLE", "{\"ready\":false}",
                        "the server is stopping");
        return;
    }
    if (system_probe(request->server) != NG_OK) {
        ngs_reply_error(request, 503, "STORE_LATCHED", "{\"ready\":false}",
                        "the store does not answer: %s", ng_last_error());
        return;
    }
    ngs_out_text(ngs_reply_data(request, 200),
                 "{\"ready\":true,\"checks\":{\"runtime\":\"ok\",\"token_storage\":\"ok\","
                 "\"grid_storage\":\"ok\"}}");
}

static void status_out_counts(ngs_out *out, const char *name, uint64_t total, uint64_t active)
{
    ngs_out_text(out, name);
    ngs_out_text(out, "{\"total\":");
    ngs_out_u64(out, total);
    ngs_out_text(out, ",\"active\":");
    ngs_out_u64(out, active);
    ngs_out_char(out, '}');
}

static void status_out_server(ngs_out *out, ngs_server *server)
{
    ngs_pool_counts counts = ngs_pool_count(server->pool);
    ngs_out_text(out, ",\"requests\":{\"in_flight\":");
    ngs_out_u64(out, ngs_http_in_flight(server->http));
    ngs_out_text(out, "},\"query_pool\":{\"threads\":");
    ngs_out_u64(out, counts.threads);
    ngs_out_text(out, ",\"running\":");
    ngs_out_u64(out, counts.running);
    ngs_out_text(out, ",\"queued\":");
    ngs_out_u64(out, counts.queued);
    ngs_out_text(out, ",\"queue_max\":");
    ngs_out_u64(out, counts.queue_max);
    ngs_out_char(out, '}');
}

/* How often the process had to be started again; null without a supervisor. */
static void status_out_supervision(ngs_out *out, const ng_supervision *supervision)
{
    ngs_out_text(out, ",\"supervision\":");
    if (supervision == NULL) {
        ngs_out_text(out, "null");
        return;
    }
    ngs_out_text(out, "{\"restarts\":");
    ngs_out_u64(out, supervision->restarts);
    ngs_out_text(out, ",\"last_reason\":");
    if (supervision->restarts == 0)
        ngs_out_text(out, "null");
    else
        ngs_out_string_z(out, supervision->reason);
    ngs_out_char(out, '}');
}

static void status_out_components(ngs_out *out, const char *state)
{
    static const char *const components[] = {"runtime", "token_storage", "connection_storage",
                                             "grid", "cdna"};
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
        ngs_out_text(out, i == 0 ? ",\"components\":{" : ",");
        ngs_out_string_z(out, components[i]);
        ngs_out_char(out, ':');
        ngs_out_string_z(out, i == 0 ? "running" : state);
    }
    ngs_out_char(out, '}');
}

static void status_out_store(ngs_out *out, const ng_info *info)
{
    if (info == NULL) {
        ngs_out_text(out, ",\"tokens\":null,\"connections\":null");
        return;
    }
    status_out_counts(out, ",\"tokens\":", info->token_count, info->active_token_count);
    status_out_counts(out, ",\"connections\":", info->connection_count,
                      info->active_connection_count);
}

/* A store that latched refuses every read; what can be said about the process is said. */
void ngs_system_status(ngs_request *request)
{
    ngs_server *server = request->server;
    ng_info info;
    ng_cdna cdna;
    bool draining = atomic_load_explicit(&server->draining, memory_order_acquire);
    ng_status status = ng_store_info(server->store, &info);
    if (status == NG_OK)
        status = ng_cdna_get(server->store, &cdna);
    bool latched = status == NG_E_LATCHED;
    request->settles = !latched;
    if (status != NG_OK && !latched) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"state\":");
    ngs_out_string_z(out, draining ? "draining" : latched ? "degraded" : "running");
    ngs_out_text(out, ",\"uptime_seconds\":");
    ngs_out_fixed3(out, system_uptime(server));
    status_out_store(out, latched ? NULL : &info);
    ngs_out_text(out, ",\"memory_usage_mb\":");
    ngs_out_fixed3(out, system_memory_mb());
    ngs_out_text(out, ",\"cpu_usage_percent\":");
    ngs_out_fixed3(out, system_cpu_percent(server));
    status_out_components(out, latched ? "latched" : "running");
    ngs_out_text(out, ",\"cdna_profile\":");
    if (latched)
        ngs_out_text(out, "null");
    else
        ngs_out_u64(out, cdna.profile);
    ngs_out_text(out, ",\"storage_backend\":");
    ngs_out_string_z(out, system_backend(server));
    status_out_server(out, server);
    status_out_supervision(out, server->limits.supervision);
    ngs_out_char(out, '}');
}

static void memory_out_part(ngs_out *out, ng_memory_part part, const ng_memory_use *use)
{
    ngs_out_string_z(out, ng_memory_part_name(part));
    ngs_out_text(out, ":{\"bytes\":");
    ngs_out_u64(out, use->bytes);
    ngs_out_text(out, ",\"used_bytes\":");
    ngs_out_u64(out, use->used_bytes);
    ngs_out_text(out, ",\"items\":");
    ngs_out_u64(out, use->items);
    ngs_out_text(out, ",\"bytes_per_item\":");
    ngs_out_fixed3(out, use->bytes_per_item);
    ngs_out_text(out, ",\"text\":");
    ngs_out_string_z(out, ng_memory_part_text(part));
    ngs_out_char(out, '}');
}

static void memory_out_counts(ngs_out *out, const ng_info *info)
{
    ngs_out_text(out, ",\"refused_count\":");
    ngs_out_u64(out, info->memory_refused_count);
    ngs_out_text(out, ",\"cleanup_count\":");
    ngs_out_u64(out, info->cleanup_count);
    ngs_out_text(out, ",\"evicted_connection_count\":");
    ngs_out_u64(out, info->evicted_connection_count);
    ngs_out_text(out, ",\"evicted_token_count\":");
    ngs_out_u64(out, info->evicted_token_count);
}

void ngs_system_memory(ngs_request *request)
{
    ng_memory memory;
    ng_info info;
    ng_status status = ng_store_memory(request->server->store, &memory);
    if (status == NG_OK)
        status = ng_store_info(request->server->store, &info);
    if (status != NG_OK) {
        ngs_reply_status(request, status);
        return;
    }
    ngs_out *out = ngs_reply_data(request, 200);
    ngs_out_text(out, "{\"bytes\":");
    ngs_out_u64(out, memory.bytes);
    ngs_out_text(out, ",\"used_bytes\":");
    ngs_out_u64(out, memory.used_bytes);
    ngs_out_text(out, ",\"limit_bytes\":");
    if (memory.limit_bytes == NG_NEVER)
        ngs_out_text(out, "null");
    else
        ngs_out_u64(out, memory.limit_bytes);
    memory_out_counts(out, &info);
    ngs_out_text(out, ",\"parts\":{");
    for (int part = 0; part < NG_MEMORY_PART_COUNT; part++) {
        if (part > 0)
            ngs_out_char(out, ',');
        memory_out_part(out, (ng_memory_part)part, &memory.parts[part]);
    }
    ngs_out_text(out, "}}");
}
