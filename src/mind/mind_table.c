/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The two hash tables. Growth builds the larger table first, so a failure leaves the old one. */
#include "mind/mind_table.h"

#include <xxhash.h>

#include <string.h>

#define TABLE_CAPACITY_MIN ((size_t)1024)
#define STRINGS_COUNT_MAX (1u << 28) /* as many as there can be tokens; leaves 8 bits in a key */

/* Multiplication by an odd constant and a fold: keys are made of small numbers, whose low bits
 * alone would cluster. */
static size_t keys_home(uint64_t key, size_t capacity)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key ^ key >> 32) & (capacity - 1);
}

static size_t keys_find(const ngi_keys *table, uint64_t key)
{
    size_t i = keys_home(key, table->capacity);
    while (table->keys[i] != 0 && table->keys[i] != key)
        i = (i + 1) & (table->capacity - 1);
    return i;
}

static ng_status keys_grow(ngi_mem *mem, ngi_keys *table, bool is_map)
{
    ngi_keys larger = {.count = table->count};
    larger.capacity = table->capacity == 0 ? TABLE_CAPACITY_MIN : table->capacity * 2;
    void *block = NULL;
    ng_status status = ngi_alloc(mem, larger.capacity * sizeof(uint64_t), "key table", &block);
    if (status != NG_OK)
        return status;
    larger.keys = block;
    if (is_map) {
        status = ngi_alloc(mem, larger.capacity * sizeof(uint32_t), "key table", &block);
        if (status != NG_OK) {
            ngi_free(mem, larger.keys, larger.capacity * sizeof(uint64_t));
            return status;
        }
        larger.values = block;
    }
    memset(larger.keys, 0, larger.capacity * sizeof(uint64_t));
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->keys[i] == 0)
            continue;
        size_t to = keys_find(&larger, table->keys[i]);
        larger.keys[to] = table->keys[i];
        if (is_map)
            larger.values[to] = table->values[i];
    }
    ngi_keys_release(mem, table);
    *table = larger;
    return NG_OK;
}

/* The place of `key`, made if need be. */
static ng_status keys_insert(ngi_mem *mem, ngi_keys *table, uint64_t key, bool is_map,
                             size_t *place, bool *is_new)
{
    if (table->count >= table->capacity / 4 * 3) {
        ng_status status = keys_grow(mem, table, is_map);
        if (status != NG_OK)
            return status;
    }
    *place = keys_find(table, key);
    *is_new = table->keys[*place] == 0;
    if (*is_new) {
        table->keys[*place] = key;
        table->count++;
    }
    return NG_OK;
}

ng_status ngi_keys_add(ngi_mem *mem, ngi_keys *set, uint64_t key, bool *is_new)
{
    size_t place;
    return keys_insert(mem, set, key, false, &place, is_new);
}

ng_status ngi_keys_put(ngi_mem *mem, ngi_keys *map, uint64_t key, uint32_t value, bool *is_new)
{
    size_t place;
    ng_status status = keys_insert(mem, map, key, true, &place, is_new);
    if (status == NG_OK && *is_new)
        map->values[place] = value;
    return status;
}

bool ngi_keys_get(const ngi_keys *map, uint64_t key, uint32_t *value)
{
    if (map->count == 0)
        return false;
    size_t place = keys_find(map, key);
    if (map->keys[place] == 0)
        return false;
    *value = map->values[place];
    return true;
}

void ngi_keys_release(ngi_mem *mem, ngi_keys *table)
{
    ngi_free(mem, table->keys, table->capacity * sizeof(uint64_t));
    ngi_free(mem, table->values, table->values == NULL ? 0 : table->capacity * sizeof(uint32_t));
    *table = (ngi_keys){0};
}

const char *ngi_strings_get(const ngi_strings *strings, uint32_t number, size_t *bytes)
{
    uint64_t begin = number == 0 ? 0 : strings->ends[number - 1];
    *bytes = (size_t)(strings->ends[number] - begin);
    return (const char *)strings->text.data + begin;
}

static size_t strings_find(const ngi_strings *strings, const char *text, size_t bytes)
{
    size_t i = (size_t)XXH3_64bits(text, bytes) & (strings->slot_capacity - 1);
    for (; strings->slots[i] != 0; i = (i + 1) & (strings->slot_capacity - 1)) {
        size_t other_bytes;
        const char *other = ngi_strings_get(strings, strings->slots[i] - 1, &other_bytes);
        if (other_bytes == bytes && memcmp(other, text, bytes) == 0)
            break;
    }
    return i;
}

static ng_status strings_grow_slots(ngi_mem *mem, ngi_strings *strings)
{
    size_t capacity = strings->slot_capacity == 0 ? TABLE_CAPACITY_MIN : strings->slot_capacity * 2;
    void *block = NULL;
    ng_status status = ngi_alloc(mem, capacity * sizeof(uint32_t), "word table", &block);
    if (status != NG_OK)
        return status;
    memset(block, 0, capacity * sizeof(uint32_t));
    ngi_free(mem, strings->slots, strings->slot_capacity * sizeof(uint32_t));
    strings->slots = block;
    strings->slot_capacity = capacity;
    for (uint32_t n = 0; n < strings->count; n++) {
        size_t bytes;
        const char *text = ngi_strings_get(strings, n, &bytes);
        strings->slots[strings_find(strings, text, bytes)] = n + 1;
    }
    return NG_OK;
}

static ng_status strings_reserve(ngi_mem *mem, ngi_strings *strings, size_t bytes)
{
    ng_status status = NG_OK;
    if (strings->count == STRINGS_COUNT_MAX)
        return ngi_fail(NG_E_LIMIT, "more than %u distinct words", STRINGS_COUNT_MAX);
    if (strings->count >= strings->slot_capacity / 4 * 3)
        status = strings_grow_slots(mem, strings);
    if (status == NG_OK && strings->count == strings->count_capacity) {
        size_t larger =
            strings->count_capacity == 0 ? TABLE_CAPACITY_MIN : strings->count_capacity * 2;
        void *ends = strings->ends;
        status = ngi_resize(mem, &ends, strings->count_capacity * sizeof(uint64_t),
                            larger * sizeof(uint64_t), "word table");
        if (status == NG_OK) {
            strings->ends = ends;
            strings->count_capacity = larger;
        }
    }
    if (status == NG_OK)
        status = ngi_buffer_reserve(mem, &strings->text, bytes, "words");
    return status;
}

ng_status ngi_strings_add(ngi_mem *mem, ngi_strings *strings, const char *text, size_t bytes,
                          uint32_t *number, bool *is_new)
{
    ng_status status = strings_reserve(mem, strings, bytes);
    if (status != NG_OK)
        return status;
    size_t slot = strings_find(strings, text, bytes);
    *is_new = strings->slots[slot] == 0;
    if (*is_new) {
        if (bytes > 0)
            memcpy(strings->text.data + strings->text.bytes, text, bytes);
        strings->text.bytes += bytes;
        strings->ends[strings->count] = strings->text.bytes;
        strings->slots[slot] = ++strings->count;
    }
    *number = strings->slots[slot] - 1;
    return NG_OK;
}

void ngi_strings_clear(ngi_strings *strings)
{
    if (strings->slot_capacity > 0)
        memset(strings->slots, 0, strings->slot_capacity * sizeof(uint32_t));
    strings->text.bytes = 0;
    strings->count = 0;
}

void ngi_strings_release(ngi_mem *mem, ngi_strings *strings)
{
    ngi_buffer_release(mem, &strings->text);
    ngi_free(mem, strings->ends, strings->count_capacity * sizeof(uint64_t));
    ngi_free(mem, strings->slots, strings->slot_capacity * sizeof(uint32_t));
    *strings = (ngi_strings){0};
}
