/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For unit tests only: that every change of a mirrored table is announced. Whatever is put and
 * removed, a mirror must still show the bytes of the moment when it was attached. */
#ifndef NGI_OS_MIRROR_TESTING_H
#define NGI_OS_MIRROR_TESTING_H

#include "os/os_mirror.h"
#include "os/os_testing.h"

#define WATCH_TABLES_MAX 3
#define WATCH_ROUNDS 6
#define WATCH_STEPS 1500

/* Mirrors of the tables of one index, attached at one moment. */
typedef struct watch {
    ngi_mirror_group group;
    ngi_mirror mirrors[WATCH_TABLES_MAX];
    uint8_t *bytes[WATCH_TABLES_MAX];
    size_t elements[WATCH_TABLES_MAX];
    int count;
} watch;

static inline void watch_begin(watch *w, ngi_table *const *tables, const size_t *elements,
                               int count)
{
    *w = (watch){.group.copied_bytes_max = SIZE_MAX, .count = count};
    for (int i = 0; i < count; i++) {
        assert_int_equal(ngi_mirror_attach(&w->mirrors[i], tables[i], elements[i], &w->group),
                         NG_OK);
        size_t bytes = elements[i] * tables[i]->element_bytes;
        w->elements[i] = elements[i];
        w->bytes[i] = malloc(bytes + 1);
        if (bytes > 0)
            memcpy(w->bytes[i], tables[i]->base, bytes);
    }
}

static inline void watch_compare(const watch *w)
{
    for (int i = 0; i < w->count; i++) {
        size_t bytes = w->elements[i] * w->mirrors[i].table->element_bytes;
        uint8_t *read = malloc(bytes + 1);
        ngi_mirror_read(&w->mirrors[i], 0, w->elements[i], read);
        assert_memory_equal(read, w->bytes[i], bytes);
        free(read);
    }
}

static inline void watch_end(watch *w)
{
    watch_compare(w);
    for (int i = 0; i < w->count; i++) {
        ngi_mirror_detach(&w->mirrors[i]);
        ngi_mirror_destroy(&w->mirrors[i]);
        free(w->bytes[i]);
    }
}

/* Runs `step` while mirrors are attached and leave, two at a time, in either order. `used` says how
 * many elements of each table are in use. */
static inline void watch_churn(void *index, ngi_table *const *tables, int count,
                               void (*used)(void *index, size_t *elements),
                               void (*step)(void *index, uint64_t *seed), uint64_t *seed)
{
    size_t elements[WATCH_TABLES_MAX];
    for (int i = 0; i < WATCH_STEPS; i++)
        step(index, seed);
    for (int round = 0; round < WATCH_ROUNDS; round++) {
        watch older, newer;
        used(index, elements);
        watch_begin(&older, tables, elements, count);
        for (int i = 0; i < WATCH_STEPS / 4; i++)
            step(index, seed);
        watch_compare(&older);
        used(index, elements);
        watch_begin(&newer, tables, elements, count);
        for (int i = 0; i < WATCH_STEPS / 4; i++)
            step(index, seed);
        watch_end(round % 2 ? &older : &newer);
        for (int i = 0; i < WATCH_STEPS / 4; i++)
            step(index, seed);
        watch_end(round % 2 ? &newer : &older);
    }
}

#endif
