/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the two halves of making up ops share. */
#ifndef TWIN_RANDOM_H
#define TWIN_RANDOM_H

#include "twin.h"

/** Zeroed memory; never NULL. */
void *twin_allocate(size_t bytes);
/** A coordinate, from few places and their neighbourhood. */
int twin_random_raw(test_random *random);

/** Each makes up one op, which has no link if none could be found. A single one may have to be
 *  refused, for one reason, which is in op->expected; a batch holds only what is right. */
void twin_random_connect(const twin_state *twin, test_random *random, twin_op *op);
void twin_random_relink(const twin_state *twin, test_random *random, twin_op *op);
void twin_random_join(const twin_state *twin, test_random *random, twin_op *op);
void twin_random_disconnect(const twin_state *twin, test_random *random, twin_op *op);
void twin_random_activate(const twin_state *twin, test_random *random, twin_op *op);
/** Makes one of the links wrong. */
void twin_spoil_link(const twin_state *twin, test_random *random, twin_op *op);

#endif
