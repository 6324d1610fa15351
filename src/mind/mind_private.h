/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One run of a load: what its phases share. */
#ifndef NGI_MIND_PRIVATE_H
#define NGI_MIND_PRIVATE_H

#include "mind/mind.h"
#include "mind/mind_task.h"

#define NGI_MIND_ORIGIN_BOOTSTRAP 2u /* ng_connection.origin */

typedef struct ngi_load {
    ng_store *store;
    ngi_mem *mem;
    ngi_os *os;
    const char *path;
    ng_bootstrap_options options; /* defaults filled in */
    ng_bootstrap_report report;
    ngi_task task;
} ngi_load;

/** The phases; each checks the state of the store first and does only what is missing. */
NG_MUST_USE ng_status ngi_load_words(ngi_load *load);
NG_MUST_USE ng_status ngi_load_projection(ngi_load *load);
NG_MUST_USE ng_status ngi_load_lexicon(ngi_load *load);

#endif
