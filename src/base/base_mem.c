/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The memory hook, its default, and the growable buffer. */
#include "base/base_mem.h"

#include <stdlib.h>

static void *mem_resize_malloc(ngi_mem *mem, void *block, size_t old_bytes, size_t new_bytes)
{
    (void)mem;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_bytes);
}

void ngi_mem_init(ngi_mem *mem, size_t max_bytes)
{
    mem->resize = mem_resize_malloc;
    mem->context = NULL;
    atomic_init(&mem->used_bytes, 0);
    mem->max_bytes = max_bytes;
    mem->parent = NULL;
    mem->bound_bytes = NULL;
}

static void *mem_resize_account(ngi_mem *account, void *block, size_t old_bytes, size_t new_bytes)
{
    return account->parent->resize(account->parent, block, old_bytes, new_bytes);
}

void ngi_mem_account_init(ngi_mem *account, ngi_mem *parent)
{
    ngi_mem_init(account, 0);
    account->resize = mem_resize_account;
    account->parent = parent;
}

/* `most` 0 = no limit. */
static ng_status mem_take(ngi_mem *mem, size_t bytes, size_t most, const char *what)
{
    size_t before = atomic_fetch_add_explicit(&mem->used_bytes, bytes, memory_order_relaxed);
    if (most == 0 || before + bytes <= most)
        return NG_OK;
    atomic_fetch_sub_explicit(&mem->used_bytes, bytes, memory_order_relaxed);
    return ngi_fail(NG_E_LIMIT, "%s: %zu more bytes exceed the memory limit of %zu; %zu are used",
                    what, bytes, most, before);
}

ng_status ngi_mem_charge(ngi_mem *mem, size_t bytes, const char *what)
{
    if (mem->parent == NULL)
        return mem_take(mem, bytes, mem->max_bytes, what);
    size_t most = mem->parent->max_bytes;
    size_t bound =
        mem->bound_bytes != NULL ? atomic_load_explicit(mem->bound_bytes, memory_order_relaxed) : 0;
    if (bound != 0 && (most == 0 || bound < most))
        most = bound;
    ng_status status = mem_take(mem->parent, bytes, most, what);
    if (status == NG_OK)
        atomic_fetch_add_explicit(&mem->used_bytes, bytes, memory_order_relaxed);
    return status;
}

void ngi_mem_uncharge(ngi_mem *mem, size_t bytes)
{
    atomic_fetch_sub_explicit(&mem->used_bytes, bytes, memory_order_relaxed);
    if (mem->parent != NULL)
        atomic_fetch_sub_explicit(&mem->parent->used_bytes, bytes, memory_order_relaxed);
}

ng_status ngi_resize(ngi_mem *mem, void **block, size_t old_bytes, size_t new_bytes,
                     const char *what)
{
    if (new_bytes == 0) {
        ngi_free(mem, *block, old_bytes);
        *block = NULL;
        return NG_OK;
    }
    if (new_bytes > old_bytes) {
        ng_status status = ngi_mem_charge(mem, new_bytes - old_bytes, what);
        if (status != NG_OK)
            return status;
    }
    void *moved = mem->resize(mem, *block, old_bytes, new_bytes);
    if (moved == NULL) {
        if (new_bytes > old_bytes)
            ngi_mem_uncharge(mem, new_bytes - old_bytes);
        return ngi_fail(NG_E_NOMEM, "%s: out of memory for %zu bytes", what, new_bytes);
    }
    if (new_bytes < old_bytes)
        ngi_mem_uncharge(mem, old_bytes - new_bytes);
    *block = moved;
    return NG_OK;
}

ng_status ngi_alloc(ngi_mem *mem, size_t bytes, const char *what, void **out)
{
    *out = NULL;
    return ngi_resize(mem, out, 0, bytes == 0 ? 1 : bytes, what);
}

void ngi_free(ngi_mem *mem, void *block, size_t bytes)
{
    if (block == NULL)
        return;
    if (bytes == 0)
        bytes = 1; /* as ngi_alloc rounded it */
    mem->resize(mem, block, bytes, 0);
    ngi_mem_uncharge(mem, bytes);
}

ng_status ngi_buffer_reserve(ngi_mem *mem, ngi_buffer *buffer, size_t more, const char *what)
{
    if (more <= buffer->capacity_bytes - buffer->bytes)
        return NG_OK;
    size_t capacity = buffer->capacity_bytes < 4096 ? 4096 : buffer->capacity_bytes;
    while (capacity - buffer->bytes < more) {
        if (capacity > SIZE_MAX / 2)
            return ngi_fail(NG_E_NOMEM, "%s: out of memory", what);
        capacity *= 2;
    }
    void *block = buffer->data;
    ng_status status = ngi_resize(mem, &block, buffer->capacity_bytes, capacity, what);
    if (status == NG_OK) {
        buffer->data = block;
        buffer->capacity_bytes = capacity;
    }
    return status;
}

void ngi_buffer_release(ngi_mem *mem, ngi_buffer *buffer)
{
    if (buffer->data != NULL)
        ngi_free(mem, buffer->data, buffer->capacity_bytes);
    *buffer = (ngi_buffer){0};
}
