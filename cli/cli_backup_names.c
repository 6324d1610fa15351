/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names of backups. A name that is not one of them is passed over. */
#include "cli_backup_names.h"
#include "cli_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_DIGITS 20
#define NAMES_HEAD_BYTES 4096 /* of a file, more than the head of a stream */

typedef struct backup_file {
    bool full;
    ng_seq after, seq;
    char name[CLI_BACKUP_NAME_ROOM];
} backup_file;

typedef struct backup_files {
    backup_file *list;
    size_t count, capacity;
} backup_files;

void cli_backup_name(const ng_stream_report *report, char out[CLI_BACKUP_NAME_ROOM])
{
    if (report->incremental)
        snprintf(out, CLI_BACKUP_NAME_ROOM, "%020" PRIu64 "-%020" PRIu64 ".incremental",
                 report->after, report->seq);
    else
        snprintf(out, CLI_BACKUP_NAME_ROOM, "%020" PRIu64 ".full", report->seq);
}

char *cli_backup_path(const char *directory, const char *name)
{
    size_t room = strlen(directory) + strlen(name) + 2;
    char *path = cli_allocate(room, 1);

    snprintf(path, room, "%s/%s", directory, name);
    return path;
}

/* A name is one of ours if it is the name of what it says. */
static bool names_parse(const char *name, backup_file *out)
{
    ng_stream_report report = {0};
    char expected[CLI_BACKUP_NAME_ROOM];

    if (strlen(name) >= sizeof out->name || strspn(name, "0123456789") != NAMES_DIGITS)
        return false;
    errno = 0;
    report.seq = strtoull(name, NULL, 10);
    if (name[NAMES_DIGITS] == '-') {
        report.incremental = true;
        report.after = report.seq;
        report.seq = strtoull(name + NAMES_DIGITS + 1, NULL, 10);
    }
    cli_backup_name(&report, expected);
    if (errno != 0 || strcmp(name, expected) != 0)
        return false;
    *out = (backup_file){.full = !report.incremental, .after = report.after, .seq = report.seq};
    memcpy(out->name, expected, sizeof expected);
    return true;
}

static backup_files names_read(const char *directory)
{
    backup_files files = {0};
    const struct dirent *entry;
    DIR *stream = opendir(directory);

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        backup_file file;

        if (!names_parse(entry->d_name, &file))
            continue;
        if (files.count == files.capacity) {
            files.capacity = files.capacity > 0 ? 2 * files.capacity : 16;
            files.list = cli_reallocate(files.list, files.capacity, sizeof *files.list);
        }
        files.list[files.count++] = file;
    }
    if (stream != NULL)
        closedir(stream);
    return files;
}

bool cli_backup_newest(const char *directory, ng_seq *out)
{
    backup_files files = names_read(directory);
    bool found = false, longer = true;

    *out = 0;
    for (size_t i = 0; i < files.count; i++) {
        if (files.list[i].full && (!found || files.list[i].seq > *out)) {
            *out = files.list[i].seq;
            found = true;
        }
    }
    /* Each round takes one increment at least, or is the last. */
    while (found && longer) {
        longer = false;
        for (size_t i = 0; i < files.count; i++) {
            const backup_file *file = &files.list[i];

            if (!file->full && file->after <= *out && file->seq > *out) {
                *out = file->seq;
                longer = true;
            }
        }
    }
    free(files.list);
    return found;
}

typedef struct names_head {
    int fd;
    size_t left;
} names_head;

static ng_status names_head_source(void *context, void *data, size_t capacity, size_t *bytes)
{
    names_head *head = context;
    ng_status status = cli_backup_file_source(&head->fd, data,
                                              capacity < head->left ? capacity : head->left, bytes);

    head->left -= *bytes;
    return status;
}

bool cli_backup_uuid(const char *directory, char out[37])
{
    backup_files files = names_read(directory);
    bool found = false;

    for (size_t i = 0; i < files.count && !found; i++) {
        char *path = cli_backup_path(directory, files.list[i].name);
        names_head head = {.fd = open(path, O_RDONLY | O_CLOEXEC), .left = NAMES_HEAD_BYTES};

        /* The head is enough: that the rest is missing does not matter here. */
        if (head.fd >= 0 && ng_stream_verify(names_head_source, &head, out, NULL) != NG_E_IO)
            found = out[0] != '\0';
        if (head.fd >= 0)
            close(head.fd);
        free(path);
    }
    free(files.list);
    return found;
}

ng_status cli_backup_file_source(void *context, void *data, size_t capacity, size_t *bytes)
{
    const int *fd = context;
    ssize_t count;

    do
        count = read(*fd, data, capacity);
    while (count < 0 && errno == EINTR);
    *bytes = count > 0 ? (size_t)count : 0;
    return count >= 0 ? NG_OK : NG_E_IO;
}

bool cli_backup_sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return done;
}
