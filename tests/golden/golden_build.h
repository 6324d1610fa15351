/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The golden store: one of every op, transactions, a snapshot with log behind it, and two backup
 * streams, written on a simulated system whose clock and random numbers are fixed. So its bytes
 * depend on the formats alone.
 *
 * A second one, golden_fields.txt, has named fields of vectors as well.
 *
 * As text (golden.txt): for each file a line `file NAME BYTES XXH3`, then lines of 64 hexadecimal
 * digits with its bytes, and for each state a line `state NAME HASH`. */
#ifndef GOLDEN_BUILD_H
#define GOLDEN_BUILD_H

#include "sim_disk.h"

#include <stdio.h>

#define GOLDEN_STORE "/sim/store"
#define GOLDEN_FILES_MAX 16
#define GOLDEN_STATES 2 /* that of the snapshot, and the last */

typedef struct golden_file {
    char
        name[64]; /* in the store's directory; "whole.full" and "ops.incremental" are the streams */
    uint8_t *data;
    size_t bytes;
} golden_file;

typedef struct golden_set {
    golden_file files[GOLDEN_FILES_MAX];
    size_t file_count;
    uint64_t states[GOLDEN_STATES];
} golden_set;

/** Writes the store with this library, the second one if `has_fields`. */
void golden_make(golden_set *out, bool has_fields);
/** Reads the text back. Ends the program if it is not one. */
void golden_read(FILE *from, golden_set *out);
void golden_release(golden_set *golden);
/** With the bytes, or only their sums. */
void golden_print(const golden_set *golden, FILE *to, bool with_bytes);

const golden_file *golden_find(const golden_set *golden, const char *name);
bool golden_is_stream(const golden_file *file);
/** A disk with the files of the store. */
sim_disk *golden_disk(const golden_set *golden);
/** State hash of the store on the disk, opened with these flags beside those of the sample store.
 *  The message of a failure stays. */
ng_status golden_open(sim_disk *disk, const char *path, uint32_t flags, uint64_t *hash);
/** Restores streams, one after the other, into `to` on the disk. */
ng_status golden_restore(sim_disk *disk, const golden_file *const *streams, size_t count,
                         const char *to);

#endif
