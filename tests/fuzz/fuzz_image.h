/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Images of whole stores and streams, and an input as a list of changes to them.
 *
 * A random file is refused at its first checksum; a real one with a few changes, its checksums made
 * right again, gets to what lies behind. A change is
 *
 *     u8 what, u8 file, u16 offset, u8 bytes, and the bytes for what needs them. */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include "fuzz.h"

#define FUZZ_STORE "/sim/store"
#define FUZZ_STORES 3  /* log only; a snapshot and log; closed by a crash */
#define FUZZ_STREAMS 2 /* whole; ops only */
#define FUZZ_FILES_MAX 16

typedef enum fuzz_change {
    FUZZ_OVERWRITE,
    FUZZ_CUT,
    FUZZ_REMOVE,
    FUZZ_APPEND,
    FUZZ_ZERO,
    FUZZ_ADD,    /* `bytes` - 128 to the 32-bit number there */
    FUZZ_REPEAT, /* what stands at the offset, at the end of the file */
    FUZZ_SWAP,   /* with another file */
    FUZZ_CHANGES
} fuzz_change;

/** A disk with the store number `base` in FUZZ_STORE, changed as the input says until its end. With
 *  `fix` the checksums of all files are made right again. */
sim_disk *fuzz_store_image(unsigned base, fuzz_input *input, bool fix);
/** A stream, changed likewise. Release with free. */
uint8_t *fuzz_stream_image(unsigned base, fuzz_input *input, bool fix, size_t *bytes);
/** The file of the store number `base` with this end of its name. Release with free. */
uint8_t *fuzz_store_file(unsigned base, const char *end, size_t *bytes);

/** Makes the checksums of a file right, by the end of its name. */
void fuzz_fix_file(const char *name, uint8_t *data, size_t bytes, uint32_t salt);
/** Writes a change into `out` and returns where the next one goes. */
uint8_t *fuzz_put_change(uint8_t *out, fuzz_change what, uint8_t file, uint16_t offset,
                         const void *data, uint8_t bytes);

#endif
