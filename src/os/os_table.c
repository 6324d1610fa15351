/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Growing arrays in reserved address space. */
#include "os/os_table.h"

#define PAGE_BYTES 65536u          /* a multiple of every page size in use */
#define HUGE_BYTES (2u << 20)      /* a large table is committed in these, for huge pages */
#define STEP_BYTES_MAX (32u << 20) /* grows by a part of itself, at most this */
#define STEP_DIVISOR 8u            /* that part; a small one, because what is ahead is charged */

static size_t table_round_up(size_t bytes)
{
    size_t unit = bytes > HUGE_BYTES / 2 ? HUGE_BYTES : PAGE_BYTES;
    return (bytes + unit - 1) / unit * unit;
}

ng_status ngi_table_init(ngi_table *table, ngi_os *os, ngi_mem *mem, size_t element_bytes,
                         size_t max_elements, const char *what)
{
    *table = (ngi_table){.element_bytes = element_bytes, .os = os, .mem = mem, .what = what};
    size_t bytes = table_round_up(element_bytes * max_elements);
    void *base = NULL;
    ng_status status = os->memory_reserve(os, bytes, &base);
    if (status != NG_OK)
        return ngi_fail_prefix(status, what);
    table->base = base;
    table->reserved_bytes = bytes;
    return NG_OK;
}

ng_status ngi_table_reserve(ngi_table *table, size_t elements)
{
    if (NGI_UNLIKELY(elements > table->reserved_bytes / table->element_bytes))
        return ngi_fail(NG_E_LIMIT, "%s: %zu elements are more than the %zu it can hold",
                        table->what, elements, table->reserved_bytes / table->element_bytes);
    size_t wanted = elements * table->element_bytes;
    if (NGI_LIKELY(wanted <= table->committed_bytes))
        return NG_OK;
    size_t step = table->committed_bytes / STEP_DIVISOR;
    if (step > STEP_BYTES_MAX)
        step = STEP_BYTES_MAX;
    size_t target = table->committed_bytes + step;
    target = table_round_up(wanted > target ? wanted : target);
    if (target > table->reserved_bytes)
        target = table->reserved_bytes;
    size_t more = target - table->committed_bytes;
    ng_status status = ngi_mem_charge(table->mem, more, table->what);
    if (status != NG_OK) {
        /* Near a limit nothing is kept ahead. */
        target = (wanted + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        more = target - table->committed_bytes;
        status = ngi_mem_charge(table->mem, more, table->what);
    }
    if (status != NG_OK)
        return status;
    status = table->os->memory_commit(table->os, table->base + table->committed_bytes, more);
    if (status != NG_OK) {
        ngi_mem_uncharge(table->mem, more);
        return ngi_fail_prefix(status, table->what);
    }
    atomic_store_explicit(&table->committed_bytes, target, memory_order_release);
    return NG_OK;
}

void ngi_table_release(ngi_table *table)
{
    if (table->base != NULL) {
        ngi_mem_uncharge(table->mem, table->committed_bytes);
        table->os->memory_release(table->os, table->base, table->reserved_bytes);
    }
    *table = (ngi_table){0};
}
