/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `follow`: keeps a store that is a copy of another one, op by op.
 *
 *      no store -> copying -> following <-> away (waits longer each time) -> ended
 *                     ^           |
 *                     +- --again -+ GONE
 *
 * Invariants
 *   1. STORE is at every moment the state of the source after some op, also on disk: the copy gets
 *      its name when it is whole, and increments are applied op by op. So either side may be
 *      killed at any time, and the next run goes on.
 *   2. Only a store that follows is ever replaced or removed.
 *   3. The pause between two attempts doubles up to FOLLOW_PAUSE_MAX_MS while the source is away.
 */
#include "cli_args.h"
#include "cli_backup_names.h"
#include "cli_json.h"
#include "cli_output.h"
#include "cli_progress.h"
#include "cli_signal.h"
#include "cli_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_PIECE_BYTES (UINT64_C(4) << 20) /* of one increment */
#define FOLLOW_WAIT_MS 10000u                  /* that a server keeps a request for the next op */
#define FOLLOW_PAUSE_MIN_MS 100u
#define FOLLOW_PAUSE_MAX_MS 10000u
#define FOLLOW_DAMAGED_MAX 3u /* increments in a row that came damaged and brought nothing */

enum { FOLLOW_ONCE = CLI_OPTION_FIRST, FOLLOW_INTERVAL, FOLLOW_AGAIN };

typedef struct follower {
    cli_context *context;
    const char *from;
    cli_source *source;
    cli_progress progress;
    bool once, again;
    uint64_t interval_ms;
    bool copied;       /* the store was made by this run */
    bool away;         /* and it was said */
    bool unproved;     /* the source may not be what it was: its newest common op is compared */
    uint32_t pause_ms; /* before the next attempt */
    unsigned damaged;
    uint64_t ops;
    double began;
} follower;

typedef enum follow_next {
    FOLLOW_ON,
    FOLLOW_IDLE,
    FOLLOW_AWAY,
    FOLLOW_COPY,
    FOLLOW_END
} follow_next;

static double follow_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- the copy ---- */

/* Whether there is nothing at `path`, or an empty directory. */
static bool follow_absent(const char *path)
{
    const struct dirent *entry;
    DIR *stream = opendir(path);
    bool absent = true;

    if (stream == NULL)
        return errno == ENOENT;
    while (absent && (entry = readdir(stream)) != NULL)
        absent = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(stream);
    return absent;
}

/* Removes a store and its files; it holds no directories. */
static bool follow_remove(const char *path)
{
    const struct dirent *entry;
    DIR *stream = opendir(path);
    bool done = stream != NULL;

    while (done && (entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            done = unlinkat(dirfd(stream), entry->d_name, 0) == 0;
    }
    if (stream != NULL)
        closedir(stream);
    return done && rmdir(path) == 0;
}

static bool follow_sync_parent(const char *path)
{
    char *copy = cli_copy(path, strlen(path));
    bool done = cli_backup_sync_directory(dirname(copy));

    free(copy);
    return done;
}

/* Copies the whole source to `to`. */
static ng_status follow_copy_to(follower *self, const char *to)
{
    ng_restore_options options = {.struct_size = sizeof options,
                                  .follow = true,
                                  .progress = cli_progress_or_stop,
                                  .progress_context = &self->progress};
    cli_source_request wanted = {0};
    ng_status status = cli_source_begin(self->source, &wanted);

    if (status == NG_OK)
        status = ng_stream_restore(cli_source_read, self->source, to, &options, NULL);
    status = cli_source_end(self->source, status);
    cli_progress_end(&self->progress);
    return status;
}

/* What is left of a replacement that was interrupted: the new copy, or the old one. */
static int follow_clear(const follower *self, const char *path)
{
    ng_open_options options = {.struct_size = sizeof options,
                               .flags = NG_OPEN_MUST_EXIST | NG_OPEN_READ_ONLY};
    ng_store *store = NULL;
    ng_info info = {0};

    if (follow_absent(path))
        return CLI_OK;
    if (ng_open(path, &options, &store) == NG_OK) {
        if (ng_store_info(store, &info) != NG_OK)
            info.follows = false;
        ng_close(store);
    }
    if (!info.follows)
        return cli_fail(self->context, CLI_REFUSED, "%s is in the way, and is not a copy", path);
    if (!follow_remove(path))
        return cli_fail(self->context, CLI_IO, "%s: %s", path, strerror(errno));
    return CLI_OK;
}

/* Puts the new copy in the place of the old one, in one step, and removes the old one. */
static int follow_swap(const follower *self, const char *fresh, const char *path)
{
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_EXCHANGE) != 0)
        return cli_fail(self->context, CLI_IO, "%s cannot take the place of %s: %s", fresh, path,
                        strerror(errno));
    if (!follow_sync_parent(path) || !follow_remove(fresh) || !follow_sync_parent(path))
        return cli_fail(self->context, CLI_IO, "%s: %s", fresh, strerror(errno));
    return CLI_OK;
}

/* ---- errors ---- */

/* The source said no for a while: says so once, and how long to wait. */
static follow_next follow_away(follower *self)
{
    cli_progress_end(&self->progress);
    if (!self->away)
        cli_note(self->context, "%s is away (%s); trying again until it is back", self->from,
                 cli_source_text(self->source));
    self->away = self->unproved = true;
    return FOLLOW_AWAY;
}

static follow_next follow_fail(follower *self, ng_status status, int *code, const char *hint)
{
    /* What the library says of a directory names it already. */
    bool remote = cli_source_is_remote(self->source);

    cli_progress_end(&self->progress);
    *code = cli_fail(self->context, cli_exit_of(status), "%s%s%s%s", remote ? self->from : "",
                     remote ? ": " : "", cli_source_text(self->source), hint);
    return FOLLOW_END;
}

/* Which of the failures pass by themselves. A directory is away when it is not there or not to be
 * read: a file system that is mounted later. */
static follow_next follow_failure(follower *self, ng_status status, bool progress, int *code)
{
    bool away =
        cli_source_failed(self->source) &&
        (status == NG_E_IO || (status == NG_E_NOT_FOUND && !cli_source_is_remote(self->source)));

    if (status == NG_E_CANCELLED && cli_signal_came()) {
        *code = CLI_OK;
        return FOLLOW_END;
    }
    if (status == NG_E_CORRUPT && !progress && ++self->damaged < FOLLOW_DAMAGED_MAX)
        away = true;
    if (status == NG_E_CORRUPT && progress)
        return FOLLOW_ON;
    if (away && !self->once)
        return follow_away(self);
    if (status == NG_E_GONE && self->again)
        return FOLLOW_COPY;
    switch (status) {
    case NG_E_GONE:
        return follow_fail(self, status, code, "; the copy must be made anew: add --again");
    case NG_E_INVALID:
    case NG_E_CONFLICT:
        if (self->again)
            return FOLLOW_COPY;
        return follow_fail(self, NG_E_CONFLICT, code,
                           "; the copy cannot go on from this store: --again makes it anew");
    default:
        return follow_fail(self, status, code, "");
    }
}

/* ---- following ---- */

static void follow_back(follower *self)
{
    if (self->away)
        cli_note(self->context, "%s is back", self->from);
    self->away = false;
    self->damaged = 0;
    self->pause_ms = FOLLOW_PAUSE_MIN_MS;
}

static void follow_show(follower *self, ng_seq seq)
{
    ng_seq newest = cli_source_seq(self->source);
    double seconds = follow_now() - self->began;
    char lag[48] = "", text[160];

    if (cli_source_is_remote(self->source))
        snprintf(lag, sizeof lag, "  lag %" PRIu64, newest > seq ? newest - seq : 0);
    snprintf(text, sizeof text, "seq %" PRIu64 "%s  %.0f ops/s", seq, lag,
             seconds > 0 ? (double)self->ops / seconds : 0);
    cli_progress_line(&self->progress, text);
}

/* One increment. FOLLOW_IDLE: there was none. The first one, and the first after the source was away,
 * begins with the op that the copy has already, which the library compares. */
static follow_next follow_step(follower *self, int *code)
{
    ng_store *store = self->context->store;
    cli_source_request wanted = {.incremental = true, .max_bytes = FOLLOW_PIECE_BYTES};
    ng_stream_report report = {0};
    ng_status status;
    ng_seq before, after;
    bool overlaps;

    ng_positions(store, &before, NULL);
    overlaps = self->unproved && before > 0;
    wanted.after = overlaps ? before - 1 : before;
    wanted.wait_ms = self->once || overlaps ? 0 : FOLLOW_WAIT_MS;
    status = cli_source_begin(self->source, &wanted);
    if (status == NG_OK)
        status = ng_stream_apply(store, cli_source_read, self->source, &report);
    status = cli_source_end(self->source, status);
    ng_positions(store, &after, NULL);
    self->ops += after - before;
    if (status == NG_OK || (status == NG_E_GONE && overlaps))
        self->unproved = false; /* gone: the source keeps the ops behind it alone, if any */
    if (status == NG_E_GONE && overlaps)
        return FOLLOW_ON;
    if (status != NG_OK)
        return follow_failure(self, status, after > before, code);
    follow_back(self);
    follow_show(self, after);
    return after > before || overlaps ? FOLLOW_ON : FOLLOW_IDLE;
}

static int follow_close(follower *self)
{
    return cli_store_close(self->context, CLI_OK);
}

static int follow_open(follower *self)
{
    ng_info info;
    int code = cli_store_open(self->context, NG_OPEN_MUST_EXIST);

    if (code != CLI_OK)
        return code;
    if (ng_store_info(self->context->store, &info) != NG_OK)
        return cli_fail_status(self->context, NG_E_LATCHED);
    if (!info.follows)
        return cli_fail(self->context, CLI_REFUSED,
                        "%s is a store of its own, not a copy that follows another; name one that"
                        " does not exist yet",
                        cli_store_path(self->context));
    return CLI_OK;
}

/* Waits before the next attempt, longer each time; true when a signal came. */
static bool follow_pause(follower *self)
{
    uint32_t ms = self->pause_ms;

    self->pause_ms = 2 * ms < FOLLOW_PAUSE_MAX_MS ? 2 * ms : FOLLOW_PAUSE_MAX_MS;
    return cli_signal_wait(ms);
}

/* Makes the copy, at `to`, until it is there. */
static follow_next follow_copy(follower *self, const char *to, int *code)
{
    for (;;) {
        follow_next next;
        ng_status status = follow_copy_to(self, to);

        if (status == NG_OK) {
            follow_back(self);
            self->copied = true;
            return FOLLOW_ON;
        }
        next = follow_failure(self, status, false, code);
        if (next == FOLLOW_COPY) /* of the whole state this cannot be helped by another copy */
            return follow_fail(self, status, code, "");
        if (next != FOLLOW_AWAY)
            return next;
        if (follow_pause(self))
            return FOLLOW_END;
    }
}

/* Makes the copy anew and puts it in the place of the old one. */
static follow_next follow_replace(follower *self, int *code)
{
    const char *path = cli_store_path(self->context);
    size_t bytes = strlen(path);
    char *fresh;
    follow_next next = FOLLOW_END;

    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    fresh = cli_allocate(bytes + sizeof ".again", 1);
    snprintf(fresh, bytes + sizeof ".again", "%.*s.again", (int)bytes, path);
    cli_note(self->context, "%s; the copy is made anew", cli_source_text(self->source));
    *code = follow_clear(self, fresh);
    if (*code == CLI_OK)
        next = follow_copy(self, fresh, code);
    if (next == FOLLOW_ON) {
        *code = follow_close(self);
        if (*code == CLI_OK)
            *code = follow_swap(self, fresh, path);
        if (*code == CLI_OK)
            *code = follow_open(self);
        if (*code != CLI_OK)
            next = FOLLOW_END;
    }
    free(fresh);
    return next;
}

static int follow_loop(follower *self)
{
    int code = CLI_OK;

    while (!cli_signal_came()) {
        follow_next next = follow_step(self, &code);

        if (next == FOLLOW_COPY)
            next = follow_replace(self, &code);
        if (next == FOLLOW_END || (next == FOLLOW_IDLE && self->once))
            break;
        if (next == FOLLOW_AWAY)
            follow_pause(self);
        /* A server keeps the request until there is something; a directory has to be looked at. */
        if (next == FOLLOW_IDLE && !cli_source_is_remote(self->source))
            cli_signal_wait((uint32_t)self->interval_ms);
    }
    return code;
}

/* ---- the answer ---- */

static int follow_print(follower *self)
{
    ng_store *store = self->context->store;
    char hash_text[24] = "";
    uint64_t hash;
    ng_seq seq;
    cli_json json;

    ng_positions(store, &seq, NULL);
    if (self->once) {
        ng_status status = ng_state_hash(store, &hash);

        if (status != NG_OK)
            return cli_fail_status(self->context, status);
        snprintf(hash_text, sizeof hash_text, "%016" PRIx64, hash);
    }
    if (!self->context->json) {
        printf("%s%s%" PRIu64 "\n", hash_text, self->once ? " " : "", seq);
        return CLI_OK;
    }
    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "seq", seq);
    cli_json_text(&json, "state_hash", self->once ? hash_text : NULL);
    cli_json_u64(&json, "ops", self->ops);
    cli_json_bool(&json, "copied", self->copied);
    cli_json_close(&json);
    cli_json_end(&json);
    return CLI_OK;
}

static int follow_work(follower *self)
{
    const char *path = cli_store_path(self->context);
    int code = CLI_OK;

    if (follow_absent(path) && follow_copy(self, path, &code) != FOLLOW_ON)
        return code != CLI_OK ? code : CLI_INTERRUPTED;
    code = follow_open(self);
    if (code == CLI_OK)
        code = follow_loop(self);
    cli_progress_end(&self->progress);
    return code == CLI_OK && self->context->store != NULL ? follow_print(self) : code;
}

static int follow_run(cli_context *context, int argc, char **argv)
{
    follower self = {.context = context,
                     .unproved = true,
                     .interval_ms = 200,
                     .pause_ms = FOLLOW_PAUSE_MIN_MS};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == FOLLOW_ONCE)
            self.once = true;
        else if (option == FOLLOW_AGAIN)
            self.again = true;
        else if (!cli_parse_u64(&args, 1, 60000, &self.interval_ms))
            return CLI_USAGE;
    }
    if (option < 0)
        return args.exit_code;
    if (args.operand_count == 0 || args.operands[0][0] == '\0')
        return cli_fail(context, CLI_USAGE, "which source? see 'neurograph follow --help'");
    self.from = args.operands[0];
    code = cli_args_store(&args, 1);
    if (code != CLI_OK)
        return code;
    self.source = cli_source_create(context, self.from);
    if (self.source == NULL)
        return CLI_USAGE;
    self.began = follow_now();
    cli_signal_catch();
    cli_progress_begin(&self.progress, context);
    code = follow_work(&self);
    cli_source_destroy(self.source);
    return code;
}

static const cli_option follow_options[] = {
    {"once", FOLLOW_ONCE, NULL, "catch up, print hash and seq, and end"},
    {"interval-ms", FOLLOW_INTERVAL, "N", "between two looks at a directory; default 200"},
    {"again", FOLLOW_AGAIN, NULL, "make the copy anew when it cannot be continued"},
    CLI_DURABILITY_ROW,
    {NULL, 0, NULL, NULL},
};

static const int follow_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                   CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_follow = {
    .name = "follow",
    .arguments = "[OPTION]... SOURCE [STORE]",
    .summary = "Keep a copy of a store up to date, op by op",
    .description =
        "SOURCE is the URL of a server, http://HOST:PORT, or the directory of a store, which may\n"
        "be in use. Makes STORE if it does not exist, otherwise goes on where it was. STORE can "
        "be\n"
        "read but not written. When the source goes away it is tried again until it is back.\n"
        "Runs until SIGTERM or Ctrl-C, which is exit code 0; prints the seq it has reached.",
    .options = follow_options,
    .examples = "neurograph follow http://127.0.0.1:8000 ./copy\n"
                "neurograph follow ./memory ./copy --once\n"
                "neurograph follow http://127.0.0.1:8000 ./copy --again",
    .exit_codes = follow_exits,
    .run = follow_run,
};
