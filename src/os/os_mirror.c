/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pages of tables as they were. See os_mirror.h for the chain and its invariants. */
#include "os/os_mirror.h"

#include <string.h>

#define PAGE NGI_MIRROR_PAGE_BYTES
#define WORD_PAGES 64u

static size_t mirror_words(const ngi_mirror *mirror)
{
    return (mirror->bytes / PAGE + WORD_PAGES - 1) / WORD_PAGES;
}

/* Of the sparse memory: pages, then bits. */
static size_t mirror_map_bytes(const ngi_mirror *mirror)
{
    return mirror->bytes + mirror_words(mirror) * sizeof(uint64_t);
}

static bool mirror_has(const ngi_mirror *mirror, size_t page)
{
    return (mirror->bits[page / WORD_PAGES] >> (page % WORD_PAGES) & 1u) != 0;
}

static void mirror_break(ngi_mirror *mirror, bool over_limit)
{
    mirror->group->broken = true;
    mirror->group->over_limit = over_limit;
}

/* Takes a page into the mirror; false if it cannot be charged, and then the group is broken. */
static bool mirror_take(ngi_mirror *mirror, size_t page, const uint8_t *from)
{
    ngi_mirror_group *group = mirror->group;
    if (group->copied_bytes_max - group->copied_bytes < PAGE) {
        mirror_break(mirror, true);
        return false;
    }
    if (ngi_mem_charge(group->mem, PAGE, "pages of a view") != NG_OK) {
        mirror_break(mirror, false);
        return false;
    }
    group->copied_bytes += PAGE;
    mirror->copied_bytes += PAGE;
    memcpy(mirror->base + page * PAGE, from, PAGE);
    mirror->bits[page / WORD_PAGES] |= UINT64_C(1) << (page % WORD_PAGES);
    return true;
}

/* Keeps a page for all mirrors from `mirror` on to older ones that need it: those before the first
 * that has it. Once the newest of them has taken it, the older ones find it there. */
static void mirror_keep(ngi_mirror *mirror, size_t page, const uint8_t *from)
{
    for (; mirror != NULL; mirror = mirror->older) {
        if (page * PAGE >= mirror->bytes || mirror_has(mirror, page))
            return;
        if (!mirror->leaving && !mirror->group->broken && mirror_take(mirror, page, from))
            return;
    }
}

void ngi_table_touch_mirror(ngi_table *table, size_t first, size_t count)
{
    if (count == 0)
        return;
    size_t last = ((first + count) * table->element_bytes - 1) / PAGE;
    for (size_t page = first * table->element_bytes / PAGE; page <= last; page++)
        mirror_keep(table->mirror, page, table->base + page * PAGE);
}

ng_status ngi_mirror_attach(ngi_mirror *mirror, ngi_table *table, size_t elements,
                            ngi_mirror_group *group)
{
    *mirror = (ngi_mirror){.table = table, .group = group};
    if (group->mem == NULL)
        group->mem = table->mem;
    size_t used = elements * table->element_bytes;
    if (used > table->committed_bytes)
        used = table->committed_bytes;
    if (table->base == NULL || used == 0)
        return NG_OK;
    mirror->bytes = (used + PAGE - 1) / PAGE * PAGE;
    void *base = NULL;
    ng_status status = table->os->memory_map_sparse(table->os, mirror_map_bytes(mirror), &base);
    if (status != NG_OK) {
        *mirror = (ngi_mirror){0};
        return ngi_fail_prefix(status, table->what);
    }
    mirror->base = base;
    mirror->bits = (uint64_t *)(void *)(mirror->base + mirror->bytes);
    mirror->older = table->mirror;
    if (mirror->older != NULL)
        mirror->older->newer = mirror;
    table->mirror = mirror;
    mirror->attached = true;
    return NG_OK;
}

static void mirror_unlink(ngi_mirror *mirror)
{
    if (mirror->newer != NULL)
        mirror->newer->older = mirror->older;
    else
        mirror->table->mirror = mirror->older;
    if (mirror->older != NULL)
        mirror->older->newer = mirror->newer;
    mirror->older = mirror->newer = NULL;
    mirror->attached = false;
}

/* A page that has moved is not charged to its old place. */
static void mirror_drop(ngi_mirror *mirror, size_t page)
{
    mirror->bits[page / WORD_PAGES] &= ~(UINT64_C(1) << (page % WORD_PAGES));
    mirror->copied_bytes -= PAGE;
    mirror->group->copied_bytes -= PAGE;
    ngi_mem_uncharge(mirror->group->mem, PAGE);
}

bool ngi_mirror_detach_step(ngi_mirror *mirror, size_t max_pages)
{
    if (!mirror->attached)
        return true;
    mirror->leaving = true;
    size_t words = mirror_words(mirror);
    for (; mirror->older != NULL && mirror->leaving_word < words; mirror->leaving_word++) {
        if (max_pages == 0)
            return false;
        uint64_t left = mirror->bits[mirror->leaving_word];
        for (; left != 0; left &= left - 1) {
            size_t page = mirror->leaving_word * WORD_PAGES + (unsigned)__builtin_ctzll(left);
            /* First given up here, so that a store at its limit can charge it there. */
            mirror_drop(mirror, page);
            mirror_keep(mirror->older, page, mirror->base + page * PAGE);
            max_pages -= max_pages > 0;
        }
    }
    mirror_unlink(mirror);
    return true;
}

void ngi_mirror_detach(ngi_mirror *mirror)
{
    while (!ngi_mirror_detach_step(mirror, SIZE_MAX)) {
    }
}

void ngi_mirror_destroy(ngi_mirror *mirror)
{
    if (mirror->base != NULL) {
        ngi_mem_uncharge(mirror->group->mem, mirror->copied_bytes);
        mirror->table->os->memory_release(mirror->table->os, mirror->base,
                                          mirror_map_bytes(mirror));
    }
    *mirror = (ngi_mirror){0};
}

/* Where a page is that the mirror covers. */
static const uint8_t *mirror_find(const ngi_mirror *mirror, size_t page)
{
    for (const ngi_mirror *at = mirror; at != NULL; at = at->newer)
        if (mirror_has(at, page))
            return at->base + page * PAGE;
    return mirror->table->base + page * PAGE;
}

void ngi_mirror_read(const ngi_mirror *mirror, size_t first, size_t count, void *out)
{
    if (count == 0)
        return;
    uint8_t *target = out;
    size_t element_bytes = mirror->table->element_bytes;
    size_t at = first * element_bytes, end = at + count * element_bytes;
    while (at < end && at < mirror->bytes) {
        size_t page = at / PAGE, within = at % PAGE;
        size_t piece = end - at < PAGE - within ? end - at : PAGE - within;
        memcpy(target, mirror_find(mirror, page) + within, piece);
        target += piece;
        at += piece;
    }
    if (at < end)
        memset(target, 0, end - at);
}

bool ngi_mirror_changed(const ngi_mirror *mirror, size_t *at, size_t max_pages,
                        bool (*each)(void *context, const uint8_t *page, size_t offset_bytes),
                        void *context)
{
    for (size_t word = *at / PAGE / WORD_PAGES; word * WORD_PAGES * PAGE < mirror->bytes; word++) {
        uint64_t left = 0;
        for (const ngi_mirror *newer = mirror; newer != NULL; newer = newer->newer)
            left |= newer->bits[word];
        for (; left != 0; left &= left - 1) {
            size_t page = word * WORD_PAGES + (unsigned)__builtin_ctzll(left);
            if (page * PAGE < *at || page * PAGE >= mirror->bytes)
                continue;
            if (max_pages-- == 0)
                return true;
            *at = (page + 1) * PAGE;
            if (!each(context, mirror_find(mirror, page), page * PAGE))
                return false;
        }
    }
    return false;
}
