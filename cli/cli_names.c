/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names by open addressing, so that a file with millions of them is read in one pass. */
#include "cli_names.h"
#include "cli_output.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_FIRST 64u

/* FNV-1a. */
static uint64_t names_hash(const char *text, size_t bytes)
{
    uint64_t hash = 0xCBF29CE484222325u;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001B3u;
    return hash;
}

/* The slot of the name, or the free one where it would be; there always is a free one. */
static cli_name *names_slot(const cli_names *names, const char *text, size_t bytes)
{
    size_t at = (size_t)names_hash(text, bytes) & (names->capacity - 1);

    for (;;) {
        cli_name *slot = &names->slots[at];

        if (slot->text == NULL || (slot->bytes == bytes && memcmp(slot->text, text, bytes) == 0))
            return slot;
        at = (at + 1) & (names->capacity - 1);
    }
}

const cli_name *cli_names_find(const cli_names *names, const char *text, size_t bytes)
{
    const cli_name *slot;

    if (names->count == 0)
        return NULL;
    slot = names_slot(names, text, bytes);
    return slot->text != NULL ? slot : NULL;
}

static void names_grow(cli_names *names)
{
    cli_names bigger = {.count = names->count,
                        .capacity = names->capacity > 0 ? 2 * names->capacity : NAMES_FIRST};

    bigger.slots = cli_allocate(bigger.capacity, sizeof *bigger.slots);
    for (size_t i = 0; i < names->capacity; i++) {
        const cli_name *old = &names->slots[i];

        if (old->text != NULL)
            *names_slot(&bigger, old->text, old->bytes) = *old;
    }
    free(names->slots);
    *names = bigger;
}

void cli_names_add(cli_names *names, const char *text, size_t bytes, uint64_t id, bool connection)
{
    cli_name *slot;

    if (2 * (names->count + 1) > names->capacity)
        names_grow(names);
    slot = names_slot(names, text, bytes);
    *slot = (cli_name){.text = cli_copy(text, bytes),
                       .bytes = bytes,
                       .id = id,
                       .connection = connection};
    names->count++;
}

void cli_names_release(cli_names *names)
{
    for (size_t i = 0; i < names->capacity; i++)
        free(names->slots[i].text);
    free(names->slots);
    *names = (cli_names){0};
}
