/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A store on a simulated disk with counted memory, beside its twin and a journal of its ops. */
#ifndef FAULT_RUN_H
#define FAULT_RUN_H

#include "fail_mem.h"
#include "sim_disk.h"
#include "store/store.h"
#include "twin.h"

#define FAULT_PATH "/sim/store"
#define FAULT_SEGMENT_BYTES (64u << 10) /* the smallest, so that segments change often */

typedef struct fault_run {
    sim_disk *disk;
    fail_mem mem;
    ng_open_options options;
    ng_store *store; /* NULL while closed */
    twin_state twin; /* of all ops of the journal */
    bool has_twin;
    ng_cdna first_cdna; /* of the store when it was made */
    twin_op *journal;
    uint64_t *hashes; /* of the state after each op of the journal, 0 = not known */
    size_t count, capacity;
    bool keeps_hashes;
    ng_seq acknowledged; /* newest op known to be durable */
    twin_op doubt;       /* op whose call failed after the machine had begun it */
    bool has_doubt;
} fault_run;

/** Takes over the disk. The options are those of a small manual store, to be changed at will. */
void fault_run_init(fault_run *run, sim_disk *disk);
/** Everything must be closed. */
void fault_run_release(fault_run *run);
/** Opens the store at FAULT_PATH with the options; begins the twin if there is none yet. */
ng_status fault_run_open(fault_run *run);
/** Closes the store and requires that no memory and no file is left; returns what close did. */
ng_status fault_run_close(fault_run *run);
/** Does a made-up op. Returns NG_OK when the store answered as the twin expects, whether the op was
 *  to succeed or to be refused; any other answer is returned, and the op kept as doubtful. */
ng_status fault_run_step(fault_run *run, const twin_mix *mix, test_random *random,
                         uint32_t write_flags);
/** Does this op, which is taken over, likewise. */
ng_status fault_run_op(fault_run *run, twin_op *op, uint32_t write_flags);
/** Does a made-up transaction, likewise. */
ng_status fault_run_transact(fault_run *run, const twin_mix *mix, test_random *random,
                             ng_durability durability);
/** A call failed, the disk is whole again, and the store is still open: either it is latched, or
 *  nothing has changed and it goes on. Returns whether it is latched. */
bool fault_run_failed(fault_run *run);
/** Opens the store for reading only, requires that it holds what fault_run_recovered asks for, that
 *  it refuses to write, and that not a byte on the disk has changed. */
void fault_run_read_only(fault_run *run);
/** The open store must hold exactly the ops of the journal up to its newest seq, or those and the
 *  doubtful one; all acknowledged ones among them. What is not there is dropped from the journal,
 *  and the twin is made anew. */
void fault_run_recovered(fault_run *run);
/** The open store must equal the twin and pass ng_check. */
void fault_run_verify(const fault_run *run);

#endif
