/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Chains of units.
 *
 * Invariants: 1. every unit below unit_end is in one chain or in the free list, once.
 *             2. a chain of n bytes has ngi_chains_units(n) units; the last one's `next` is 0. */
#include "index/index_chains.h"

#include <string.h>

static ngi_chains_unit *unit_at(const ngi_chains *chains, uint32_t unit)
{
    return (ngi_chains_unit *)(void *)chains->units.base + unit;
}

ng_status ngi_chains_init(ngi_chains *chains, ngi_os *os, ngi_mem *mem, size_t max_units,
                          const char *what)
{
    *chains = (ngi_chains){.unit_end = 1};
    _Static_assert(sizeof(ngi_chains_unit) == NGI_CHAINS_UNIT_BYTES, "a unit is a cache line");
    return ngi_table_init(&chains->units, os, mem, sizeof(ngi_chains_unit), max_units + 1, what);
}

void ngi_chains_release(ngi_chains *chains)
{
    ngi_table_release(&chains->units);
    *chains = (ngi_chains){0};
}

ng_status ngi_chains_reserve(ngi_chains *chains, size_t units)
{
    if (units <= chains->free_count)
        return NG_OK;
    return ngi_table_reserve(&chains->units, chains->unit_end + units - chains->free_count);
}

static uint32_t unit_take(ngi_chains *chains)
{
    uint32_t unit = chains->free_unit;
    if (unit != 0) {
        chains->free_unit = unit_at(chains, unit)->next;
        chains->free_count--;
        return unit;
    }
    if (chains->unit_end >= chains->units.committed_bytes / sizeof(ngi_chains_unit))
        return 0;
    return chains->unit_end++;
}

uint32_t ngi_chains_put(ngi_chains *chains, const void *data, size_t bytes)
{
    size_t room = chains->units.committed_bytes / sizeof(ngi_chains_unit);
    room = (room > chains->unit_end ? room - chains->unit_end : 0) + chains->free_count;
    if (bytes == 0 || ngi_chains_units(bytes) > room)
        return 0;
    const uint8_t *from = data;
    uint32_t first = unit_take(chains);
    for (uint32_t unit = first; bytes > 0;) {
        size_t piece = bytes < NGI_CHAINS_CONTENT_BYTES ? bytes : NGI_CHAINS_CONTENT_BYTES;
        uint32_t next = bytes > piece ? unit_take(chains) : 0;
        ngi_table_touch(&chains->units, unit, 1);
        unit_at(chains, unit)->next = next;
        memcpy(unit_at(chains, unit)->bytes, from, piece);
        from += piece;
        bytes -= piece;
        unit = next;
    }
    return first;
}

void ngi_chains_remove(ngi_chains *chains, uint32_t first, size_t bytes)
{
    size_t units = ngi_chains_units(bytes);
    uint32_t last = first;
    if (units == 0)
        return;
    for (size_t i = 1; i < units; i++)
        last = unit_at(chains, last)->next;
    ngi_table_touch(&chains->units, last, 1);
    unit_at(chains, last)->next = chains->free_unit;
    chains->free_unit = first;
    chains->free_count += (uint32_t)units;
}

void ngi_chains_read(const ngi_chains *chains, uint32_t first, size_t bytes, void *out)
{
    uint8_t *to = out;
    for (uint32_t unit = first; bytes > 0; unit = unit_at(chains, unit)->next) {
        size_t piece = bytes < NGI_CHAINS_CONTENT_BYTES ? bytes : NGI_CHAINS_CONTENT_BYTES;
        memcpy(to, unit_at(chains, unit)->bytes, piece);
        to += piece;
        bytes -= piece;
    }
}

uint64_t ngi_chains_used_bytes(const ngi_chains *chains)
{
    uint64_t used = chains->unit_end > 0 ? chains->unit_end - 1u - chains->free_count : 0;
    return used * NGI_CHAINS_UNIT_BYTES;
}

ng_status ngi_chains_check_one(const ngi_chains *chains, uint32_t first, size_t bytes,
                               uint64_t *used)
{
    size_t units = ngi_chains_units(bytes);
    uint32_t unit = first;
    for (size_t i = 0; i < units; i++) {
        if (unit == 0 || unit >= chains->unit_end)
            return ngi_fail(NG_E_INTERNAL, "%s: the chain from unit %u ends after %zu of %zu units",
                            chains->units.what, first, i, units);
        unit = unit_at(chains, unit)->next;
    }
    if (unit != 0)
        return ngi_fail(NG_E_INTERNAL, "%s: the chain from unit %u goes on after %zu units",
                        chains->units.what, first, units);
    *used += units;
    return NG_OK;
}

ng_status ngi_chains_check(const ngi_chains *chains, uint64_t used)
{
    uint32_t found = 0;
    for (uint32_t unit = chains->free_unit; unit != 0 && found <= chains->free_count; found++) {
        if (unit >= chains->unit_end)
            break;
        unit = unit_at(chains, unit)->next;
    }
    if (found != chains->free_count || used + found != chains->unit_end - 1u)
        return ngi_fail(NG_E_INTERNAL,
                        "%s: %llu units used and %u of %u free are not the %u there are",
                        chains->units.what, (unsigned long long)used, found, chains->free_count,
                        chains->unit_end - 1);
    return NG_OK;
}
