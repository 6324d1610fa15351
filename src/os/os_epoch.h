/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Epochs: when memory that a writer has unlinked may be used again, beside readers without locks.
 *
 *     reader                                   writer (one at a time)
 *     ------                                   ------
 *     slot = ngi_epoch_enter                   builds new nodes
 *     root = load (acquire)                    stores the new root (release)
 *     ... follows pointers ...                 stamp = ngi_epoch_advance: of all it unlinked
 *     ngi_epoch_leave(slot)                    ngi_epoch_oldest() > stamp: uses it again
 *
 * A counter says the present epoch. A reader notes it in a slot, a cache line that no other reader
 * touches, for as long as it follows pointers. What was unlinked in epoch E can be seen only by
 * readers that note E or less.
 *
 * Why that is enough: between the reader and the writer each stores first and looks second, all
 * four sequentially consistent (the reader notes its slot, then loads the counter; the writer
 * increments the counter, then loads the slots). So either the writer sees the note, which is not
 * above the epoch the reader works in; or the reader's load comes after the increment, synchronises
 * with it, and the reader sees the new root. A note of an epoch that is over holds back more than
 * it must, never less. Leaving is a release that the writer's look acquires: what a reader did
 * comes before the memory is used again.
 *
 * Invariants: 1. a slot is 0, or the epoch its reader noted, which is at least 1.
 *             2. the counter only grows.
 * Threads: any number of readers; the writer's two calls by one thread at a time. */
#ifndef NGI_OS_EPOCH_H
#define NGI_OS_EPOCH_H

#include "base/base_mem.h"

typedef struct ngi_epoch ngi_epoch;

NG_MUST_USE ng_status ngi_epoch_create(ngi_mem *mem, ngi_epoch **out);
/** No reader is inside. NULL is allowed. */
void ngi_epoch_destroy(ngi_epoch *epoch);
size_t ngi_epoch_memory_bytes(const ngi_epoch *epoch);

/** Begins to read; what is returned goes to ngi_epoch_leave, of the same or of another thread. A
 *  thread may be inside more than once. Never waits; costs one atomic exchange on a line of its
 *  own while there are no more than NGI_EPOCH_SLOTS readers. Those beyond share one slot, which is
 *  only given up when the last of them leaves: their memory comes back later. */
unsigned ngi_epoch_enter(ngi_epoch *epoch);
void ngi_epoch_leave(ngi_epoch *epoch, unsigned slot);

/** After the writer has stored a new root (release): the stamp of everything it unlinked by that. */
uint64_t ngi_epoch_advance(ngi_epoch *epoch);
/** No reader, present or future, can reach what has a stamp below this. Looks at every slot: worth
 *  calling when something waits to be used again, not for each op. */
uint64_t ngi_epoch_oldest(const ngi_epoch *epoch);

#endif
