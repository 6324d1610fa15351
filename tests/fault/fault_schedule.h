/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Histories of a store on a simulated disk: writes, transactions, checkpoints, power failures, full
 * disks, in any order. A history is a list of steps, each with a seed of its own, so that any part
 * of the list is a history too: that is how a failing one is made small.
 *
 * After each recovery: nothing acknowledged is lost, nothing is there in part, and state and hash are
 * those of a prefix of what was done. */
#ifndef FAULT_SCHEDULE_H
#define FAULT_SCHEDULE_H

#include "fault_run.h"

typedef enum schedule_kind {
    STEP_WRITE,
    STEP_TRANSACTION,
    STEP_WAIT,       /* until the newest op is durable */
    STEP_TICK,       /* what is due */
    STEP_CHECKPOINT, /* a snapshot now */
    STEP_VIEW,       /* opens a view, or compares the one that is open and closes it */
    STEP_COPY,       /* a backup stream, restored elsewhere */
    STEP_CLOCK,      /* the clock goes on by up to an hour, or back */
    STEP_STOP,       /* the machine will stop at one of the next calls */
    STEP_FAULT,      /* some of the next calls will fail */
    STEP_FULL,       /* the disk has hardly any room */
    STEP_ROOM,       /* it has again */
    STEP_REOPEN,     /* a clean end, other options, a new begin */
    STEP_READ_ONLY,  /* a clean end, and a look at what is there */
    STEP_CRASH,      /* power fails, or only the process dies */
    STEP_KINDS
} schedule_kind;

typedef struct schedule_step {
    schedule_kind kind;
    uint64_t seed;
} schedule_step;

typedef struct fault_schedule {
    uint64_t seed;
    schedule_step *steps;
    size_t count;
} fault_schedule;

/** What histories met, so that a test that meets nothing fails. */
typedef struct schedule_seen {
    uint64_t steps[STEP_KINDS];
    uint64_t recoveries, ops_kept, ops_lost, tails_cut, doubts_kept, doubts_lost, rotations;
    uint64_t snapshots_loaded, transactions, conflicts, views_compared, copies, full, faulted,
        latched, kills;
} schedule_seen;

void schedule_make(fault_schedule *schedule, uint64_t seed);
/** The history that `text` describes, as schedule_minimise_and_print prints it. */
void schedule_read(fault_schedule *schedule, const char *text);
/** "write", for a step. */
const char *schedule_kind_name(schedule_kind kind);
void schedule_release(fault_schedule *schedule);
/** Plays a history; fails the running test if the store breaks a promise. */
void schedule_play(const fault_schedule *schedule, schedule_seen *seen);
/** Of a history that fails: takes away halves, quarters, ... and single steps as long as the rest
 *  fails too, in processes of their own, and prints what is left. */
void schedule_minimise_and_print(const fault_schedule *schedule);

#endif
