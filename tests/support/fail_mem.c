/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The memory hook of fault tests. */
#include "fail_mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 64 bytes, so that a block is aligned as by malloc and apart from its header's cache line. */
#define HEADER_BYTES 64
#define HEADER_LIVE 0x4C495645u
#define HEADER_DEAD 0x44454144u

typedef struct mem_header {
    uint64_t bytes;
    uint32_t state;
} mem_header;

static mem_header *header_of(void *block, size_t old_bytes)
{
    mem_header *header = (mem_header *)(void *)((uint8_t *)block - HEADER_BYTES);
    if (header->state != HEADER_LIVE || header->bytes != old_bytes) {
        fprintf(stderr, "memory hook: block %p of %llu bytes given back as %zu bytes%s\n", block,
                (unsigned long long)header->bytes, old_bytes,
                header->state == HEADER_DEAD ? ", twice" : "");
        abort();
    }
    return header;
}

static bool mem_fails_now(fail_mem *fail)
{
    uint64_t number = atomic_fetch_add(&fail->requests, 1) + 1;
    uint64_t at = atomic_load(&fail->fail_at);
    bool fires = at != 0 && (fail->from_then_on ? number >= at : number == at);
    if (fires)
        atomic_fetch_add(&fail->failed, 1);
    return fires;
}

static void mem_release(fail_mem *fail, void *block, size_t old_bytes)
{
    if (block == NULL)
        return;
    mem_header *header = header_of(block, old_bytes);
    header->state = HEADER_DEAD;
    free(header);
    atomic_fetch_sub(&fail->live_bytes, old_bytes);
    atomic_fetch_sub(&fail->live_blocks, 1);
}

/* Always moves: whoever keeps a pointer across a resize is found by the address sanitizer. */
static void *mem_resize(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    fail_mem *fail = mem->context;
    if (new_bytes == 0) {
        mem_release(fail, block, old_bytes);
        return NULL;
    }
    if (mem_fails_now(fail))
        return NULL;
    mem_header *header = malloc(HEADER_BYTES + new_bytes);
    if (header == NULL)
        return NULL;
    header->bytes = new_bytes;
    header->state = HEADER_LIVE;
    uint8_t *moved = (uint8_t *)header + HEADER_BYTES;
    memset(moved, 0xA5, new_bytes);
    if (block != NULL)
        memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    atomic_fetch_add(&fail->live_bytes, new_bytes);
    atomic_fetch_add(&fail->live_blocks, 1);
    mem_release(fail, block, old_bytes);
    return moved;
}

void fail_mem_init(fail_mem *fail, size_t max_bytes)
{
    ngi_mem_init(&fail->mem, max_bytes);
    fail->mem.resize = mem_resize;
    fail->mem.context = fail;
    atomic_init(&fail->requests, 0);
    atomic_init(&fail->fail_at, 0);
    atomic_init(&fail->failed, 0);
    atomic_init(&fail->live_bytes, 0);
    atomic_init(&fail->live_blocks, 0);
    fail->from_then_on = false;
}

void fail_mem_plan(fail_mem *fail, uint64_t at, _Bool from_then_on)
{
    fail->from_then_on = from_then_on;
    atomic_store(&fail->requests, 0);
    atomic_store(&fail->fail_at, at);
}

uint64_t fail_mem_failed(const fail_mem *fail)
{
    return atomic_load(&fail->failed);
}

const char *fail_mem_leak(const fail_mem *fail, char *out, size_t capacity)
{
    uint64_t bytes = atomic_load(&fail->live_bytes), blocks = atomic_load(&fail->live_blocks);
    size_t used = atomic_load(&fail->mem.used_bytes);
    if (bytes == 0 && blocks == 0 && used == 0)
        return NULL;
    snprintf(out, capacity, "%llu bytes in %llu blocks are live, %zu bytes are accounted for",
             (unsigned long long)bytes, (unsigned long long)blocks, used);
    return out;
}
