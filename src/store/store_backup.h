/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Backups in a directory: behind ng_backup and ng_restore. Arguments are checked for NULL; behaviour
 * is that of neurograph.h. */
#ifndef NGI_STORE_BACKUP_H
#define NGI_STORE_BACKUP_H

#include "store/store_restore.h"
#include "store/store_stream.h"

/** `options` and `out` may be NULL. */
NG_MUST_USE ng_status ngi_store_backup(ng_store *store, const char *directory,
                                       const ng_backup_options *options, ng_stream_report *out);
NG_MUST_USE ng_status ngi_store_restore(ngi_os *os, ngi_mem *mem, const char *from, const char *to,
                                        const ng_restore_options *options, ng_stream_report *out);

#endif
