/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writers that say in shared memory what they are about to do and what was acknowledged, and the
 * verification of a store by what they said.
 *
 * Each writer owns its tokens: nobody else touches them, so what must be there follows from its own
 * record. Each token is an item with a number and a revision, and every value in it (weight, three
 * coordinates, radius) is derived from writer, number and revision: a mixture of two revisions
 * betrays itself.
 *
 * Protocol of an op: fill in `pending`, perform the call, note the outcome in the items, count it
 * as acknowledged, tell the parent through the pipe. A process killed between leaves `pending`, and
 * the op may be in the store or not. */
#ifndef CRASH_WRITER_H
#define CRASH_WRITER_H

#include "neurograph.h"

#include <stdatomic.h>

#define CRASH_WRITERS 4
#define CRASH_ITEMS_MAX 4000 /* of a writer, in all rounds */
#define CRASH_BATCH 8

typedef enum crash_kind {
    CRASH_NONE,
    CRASH_CREATE, /* one item */
    CRASH_BATCH_CREATE,
    CRASH_UPDATE,
    CRASH_DELETE,
    CRASH_CONNECT, /* item -> next item of the writer */
    CRASH_DISCONNECT,
    CRASH_TRANSACTION /* an update of pending_to, and new items of which the first leads to it */
} crash_kind;

typedef enum crash_life { CRASH_UNBORN, CRASH_ALIVE, CRASH_DEAD } crash_life;

typedef struct crash_item {
    crash_life life;
    uint32_t revision;
    ng_token_id id;
    ng_connection_id link; /* to the item `link_to`, 0 = none */
    uint32_t link_to;
} crash_item;

typedef struct crash_lane {
    uint64_t random;
    uint32_t count; /* items begun */
    crash_kind pending;
    uint32_t pending_item;
    uint32_t pending_to;
    uint32_t pending_count;
    uint64_t acknowledged;
    uint64_t transactions, checkpoints, backups;
    char problem[200]; /* why the writer gave up; empty if it did not */
    crash_item items[CRASH_ITEMS_MAX];
} crash_lane;

/** A backup that was reported done, and what its writer's own items were then. */
typedef struct crash_backup {
    ng_seq seq;
    uint32_t count;
    crash_item items[CRASH_ITEMS_MAX];
} crash_backup;

/** In memory shared between the processes; survives the kill. */
typedef struct crash_board {
    crash_lane lanes[CRASH_WRITERS];
    crash_backup backups[2]; /* of writer 0; while one is being noted the other is whole */
    uint32_t backup;         /* 1 or 2: the newest; 0 = none yet */
} crash_board;

/** In the child: opens the store in `directory`/store and writes until it is killed, with backups
 *  to `directory`/backup; one byte goes to `pipe_fd` for each
 *  acknowledgement. Returns only if it could not go on. */
void crash_write_until_killed(crash_board *board, const char *directory, int pipe_fd);
/** What an item of that revision looks like. */
void crash_expect(uint32_t writer, uint32_t number, uint32_t revision, ng_token_fields *out,
                  char label[40]);
/** Settles every pending op by looking, and compares the store with the board. Returns NULL, or
 *  what is wrong. Afterwards the board says exactly what the store holds. */
const char *crash_verify(crash_board *board, ng_store *store, char *out, size_t capacity);
/** Compares a store restored from the newest backup with what was noted of it. */
const char *crash_verify_backup(const crash_board *board, ng_store *store, char *out,
                                size_t capacity);

#endif
