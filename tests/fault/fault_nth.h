/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is done with faults in it (fault_nth_test.c), and what must be right whatever failed. */
#ifndef FAULT_NTH_H
#define FAULT_NTH_H

#include "fault_run.h"

typedef struct nth_scenario {
    const char *name;
    void (*build)(const twin_state *twin, twin_op *op); /* a write, or ... */
    ng_status (*act)(fault_run *run);                   /* ... anything else */
    void (*prepare)(fault_run *run);                    /* before the faults, or NULL */
    bool begins_closed;                                 /* the store was closed before the action */
    bool ends_closed;                                   /* the action closes the store */
    bool is_new;                                        /* the action makes the store */
    bool has_snapshot;                                  /* a checkpoint and more ops before */
} nth_scenario;

/** What a scenario keeps between its parts. */
typedef struct nth_extra {
    ng_view *view;
    uint64_t hash;
    uint8_t *data; /* a stream */
    size_t bytes, capacity, at;
    ng_seq seq;
    ng_store *other;
    fail_mem other_mem;
} nth_extra;

extern nth_extra nth;
extern const twin_mix nth_mix;
extern const nth_scenario nth_scenarios[];
extern const size_t nth_scenario_count;

/* fault_nth_scenarios.c */
void nth_items(twin_op *op, twin_kind kind, size_t count);
void *nth_copy(const void *data, size_t bytes);
/** One more token with everything. */
void nth_create_one(fault_run *run);
/** Whether a call may fail so for want of memory or because of the disk. */
bool nth_is_documented(ng_status status);

/** A store of its own beside the one of the run: steps that may fail, then again without faults. */
ng_status nth_own_store(fault_run *run, ng_status (*steps)(ng_store *store),
                        void (*again)(ng_store *store));

/* fault_nth_mind.c */
ng_status nth_feedback(fault_run *run);
void nth_prepare_load(fault_run *run);
ng_status nth_load(fault_run *run);
ng_status nth_weave(fault_run *run);
void nth_prepare_anchor(fault_run *run);
ng_status nth_anchor(fault_run *run);
ng_status nth_switch(fault_run *run);

/* fault_nth_streams.c: backups and what is made from them */
ng_status nth_stream(fault_run *run);
ng_status nth_stream_ops(fault_run *run);
ng_status nth_stream_path(fault_run *run);
void nth_prepare_stream(fault_run *run);
ng_status nth_restore(fault_run *run);
ng_status nth_backup(fault_run *run);
void nth_prepare_backup(fault_run *run);
ng_status nth_increment(fault_run *run);
void nth_prepare_backups(fault_run *run);
ng_status nth_restore_backups(fault_run *run);
void nth_prepare_repair(fault_run *run);
ng_status nth_repair(fault_run *run);
void nth_prepare_follow(fault_run *run);
ng_status nth_follow(fault_run *run);

#endif
