/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A directory of backups, as ng_backup writes it, for files that came by another way. */
#ifndef CLI_BACKUP_NAMES_H
#define CLI_BACKUP_NAMES_H

#include "cli.h"

#define CLI_BACKUP_NAME_ROOM 64

/** "00000000000000000042.full", or with both seqs and ".incremental". */
void cli_backup_name(const ng_stream_report *report, char out[CLI_BACKUP_NAME_ROOM]);
/** "directory/name" in new memory. */
char *cli_backup_path(const char *directory, const char *name);
/** Newest op that the newest full backup and the increments after it have; false without one. */
bool cli_backup_newest(const char *directory, ng_seq *out);
/** Of the store whose backups are there; false if there are none. */
bool cli_backup_uuid(const char *directory, char out[37]);
/** An ng_source_fn over a descriptor; the context is a pointer to it. */
ng_status cli_backup_file_source(void *context, void *data, size_t capacity, size_t *bytes);
bool cli_backup_sync_directory(const char *directory);

#endif
