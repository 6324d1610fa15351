/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The black box: the last 1000 events of a store in a mapped file, so that they are still there
 * after the process has crashed. Layout in docs/format/blackbox.md.
 *
 * Writing an event is a reservation of a number and a copy of 256 bytes: no lock, no system call, no
 * failure. An event whose writer died in the middle is passed over by its checksum.
 *
 * The header also says up to which op the log was durable, so that another process can follow the
 * log without being told more than what is safe.
 *
 * Threads: note and publish from any thread; open and close once. */
#ifndef NGI_OS_BLACKBOX_H
#define NGI_OS_BLACKBOX_H

#include "os/os.h"

#define NGI_BLACKBOX_EVENTS 1000u
#define NGI_BLACKBOX_NAME "BLACKBOX"

typedef struct ngi_blackbox ngi_blackbox;

/** Opens or makes `directory`/BLACKBOX; one that is damaged or of another size is made anew, keeping
 *  nothing. `directory` NULL: events stay in memory. */
NG_MUST_USE ng_status ngi_blackbox_open(ngi_os *os, const char *directory, ngi_blackbox **out);
/** NULL is allowed, here and below. */
void ngi_blackbox_close(ngi_blackbox *box);
/** Adds an event; `kind` at most 15 bytes, the text is cut at 191. */
void ngi_blackbox_note(ngi_blackbox *box, const char *kind, ng_seq seq, const char *format, ...)
    NGI_PRINTF(4, 5);
/** Up to which op the log is durable; release. */
void ngi_blackbox_publish(ngi_blackbox *box, ng_seq durable);
/** Of a store in `directory`, open in another process or not. NG_E_NOT_FOUND without a black box.
 */
NG_MUST_USE ng_status ngi_blackbox_durable(ngi_os *os, const char *directory, ng_seq *out);
/** Writes all events as one JSON document into `directory`/blackbox.json (a dump after a broken
 *  invariant). `reason` is part of it. */
NG_MUST_USE ng_status ngi_blackbox_dump(ngi_blackbox *box, const char *reason);
/** See ng_blackbox_read. */
NG_MUST_USE ng_status ngi_blackbox_read(ngi_os *os, const char *directory, ng_event_fn each,
                                        void *context);

#endif
