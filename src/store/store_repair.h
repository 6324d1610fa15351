/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Saves what is valid of a damaged store into a new one: behind ng_repair. */
#ifndef NGI_STORE_REPAIR_H
#define NGI_STORE_REPAIR_H

#include "store/store_restore.h"

/** `each` and `out` may be NULL. */
NG_MUST_USE ng_status ngi_store_repair(ngi_os *os, ngi_mem *mem, const char *path, const char *to,
                                       ng_loss_fn each, void *context, ng_repair_report *out);

#endif
