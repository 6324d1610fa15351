/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Growing arrays in reserved address space. */
#include "os/os_table.h"

#include <string.h>

#define PAGE_BYTES NGI_TABLE_UNIT_BYTES
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

/* --- what was given back --------------------------------------------------------------------- */

#define WORD_UNITS 64u

static bool hole_has(const ngi_table *table, size_t unit)
{
    size_t word = unit / WORD_UNITS;
    return word < table->hole_words && (table->holes[word] >> (unit % WORD_UNITS) & 1u) != 0;
}

static ng_status hole_reserve(ngi_table *table, size_t unit_end)
{
    size_t words = (unit_end + WORD_UNITS - 1) / WORD_UNITS;
    if (words <= table->hole_words)
        return NG_OK;
    if (words < 2 * table->hole_words)
        words = 2 * table->hole_words;
    void *block = table->holes;
    ng_status status = ngi_resize(table->mem, &block, table->hole_words * sizeof(uint64_t),
                                  words * sizeof(uint64_t), table->what);
    if (status != NG_OK)
        return status;
    table->holes = block;
    memset(table->holes + table->hole_words, 0, (words - table->hole_words) * sizeof(uint64_t));
    table->hole_words = words;
    return NG_OK;
}

void ngi_table_discard(ngi_table *table, size_t first, size_t count)
{
    size_t begin = (first * table->element_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    size_t end = (first + count) * table->element_bytes / PAGE_BYTES;
    if (end > table->committed_bytes / PAGE_BYTES)
        end = table->committed_bytes / PAGE_BYTES;
    if (begin >= end || hole_reserve(table, end) != NG_OK)
        return;
    for (size_t unit = begin; unit < end; unit++) {
        if (hole_has(table, unit))
            continue;
        table->os->memory_discard(table->os, table->base + unit * PAGE_BYTES, PAGE_BYTES);
        table->holes[unit / WORD_UNITS] |= UINT64_C(1) << (unit % WORD_UNITS);
        table->hole_count++;
        ngi_mem_uncharge(table->mem, PAGE_BYTES);
    }
}

ng_status ngi_table_fill(ngi_table *table, size_t first, size_t count)
{
    if (table->hole_count == 0 || count == 0)
        return NG_OK;
    size_t begin = first * table->element_bytes / PAGE_BYTES, holes = 0;
    size_t end = ((first + count) * table->element_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    for (size_t unit = begin; unit < end; unit++)
        holes += hole_has(table, unit);
    ng_status status = ngi_mem_charge(table->mem, holes * PAGE_BYTES, table->what);
    if (status != NG_OK)
        return status;
    for (size_t unit = begin; unit < end; unit++)
        if (hole_has(table, unit))
            table->holes[unit / WORD_UNITS] &= ~(UINT64_C(1) << (unit % WORD_UNITS));
    table->hole_count -= holes;
    return NG_OK;
}

bool ngi_table_is_hole(const ngi_table *table, size_t element)
{
    return NGI_UNLIKELY(table->hole_count > 0) &&
           hole_has(table, element * table->element_bytes / PAGE_BYTES);
}

void ngi_table_empty(ngi_table *table)
{
    size_t committed = table->committed_bytes;
    ngi_mem_uncharge(table->mem, committed - table->hole_count * PAGE_BYTES);
    ngi_free(table->mem, table->holes, table->hole_words * sizeof(uint64_t));
    table->holes = NULL;
    table->hole_words = table->hole_count = 0;
    atomic_store_explicit(&table->committed_bytes, 0, memory_order_release);
    if (committed > 0)
        table->os->memory_discard(table->os, table->base, committed);
}

void ngi_table_release(ngi_table *table)
{
    if (table->base != NULL) {
        ngi_free(table->mem, table->holes, table->hole_words * sizeof(uint64_t));
        table->hole_words = 0;
        ngi_mem_uncharge(table->mem, ngi_table_bytes(table));
        table->os->memory_release(table->os, table->base, table->reserved_bytes);
    }
    *table = (ngi_table){0};
}
