/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Progress of a long command.
 *
 * Invariants
 *   1. On a terminal the line is never wider than the window, so redrawing stays on one line.
 *   2. Not on a terminal: nothing in the first two seconds, then at most a line every two.
 */
#include "cli_progress.h"
#include "cli_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_REDRAW_SECONDS 0.1
#define PROGRESS_LINE_SECONDS 2.0
#define PROGRESS_BAR_WIDTH 24
#define PROGRESS_WINDOW_DEFAULT 80

static double progress_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void cli_progress_begin(cli_progress *progress, const cli_context *context)
{
    memset(progress, 0, sizeof *progress);
    progress->context = context;
    progress->terminal = isatty(STDERR_FILENO) == 1;
    progress->shown_at = progress_now();
}

static int progress_window(void)
{
    struct winsize window;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        return window.ws_col;
    return PROGRESS_WINDOW_DEFAULT;
}

static double progress_fraction(const ng_progress *state)
{
    if (state->total == 0)
        return -1;
    return state->done >= state->total ? 1 : (double)state->done / (double)state->total;
}

static size_t progress_add(char *out, size_t room, size_t used, const char *text)
{
    size_t bytes = strlen(text);

    if (used + bytes >= room)
        return used;
    memcpy(out + used, text, bytes + 1);
    return used + bytes;
}

static void progress_bar(double fraction, char out[PROGRESS_BAR_WIDTH + 3])
{
    int full = (int)(fraction * PROGRESS_BAR_WIDTH);

    out[0] = '[';
    for (int i = 0; i < PROGRESS_BAR_WIDTH; i++)
        out[1 + i] = i < full ? '#' : '-';
    out[PROGRESS_BAR_WIDTH + 1] = ']';
    out[PROGRESS_BAR_WIDTH + 2] = '\0';
}

/* "words [####----]  42%  12345  51000/s  ETA 7.1 s" */
static void progress_text(const cli_progress *progress, const ng_progress *state, char *out,
                          size_t room)
{
    double fraction = progress_fraction(state);
    char part[64], bar[PROGRESS_BAR_WIDTH + 3], number[CLI_NUMBER_ROOM];
    size_t used = progress_add(out, room, 0, state->phase);

    if (fraction >= 0) {
        progress_bar(fraction, bar);
        snprintf(part, sizeof part, " %s%s%3.0f%%", progress->terminal ? bar : "",
                 progress->terminal ? " " : "", fraction * 100);
        used = progress_add(out, room, used, part);
    }
    snprintf(part, sizeof part, "  %" PRIu64, state->items);
    used = progress_add(out, room, used, part);
    if (state->seconds > 0 && state->items > 0) {
        snprintf(part, sizeof part, "  %.0f/s", (double)state->items / state->seconds);
        used = progress_add(out, room, used, part);
    }
    if (fraction > 0 && fraction < 1) {
        cli_show_seconds(state->seconds * (1 - fraction) / fraction, number);
        snprintf(part, sizeof part, "  ETA %s", number);
        progress_add(out, room, used, part);
    }
}

static void progress_draw(cli_progress *progress, const char *text)
{
    fprintf(stderr, "\r%.*s\033[K", progress_window() - 1, text);
    progress->drawn = true;
}

void cli_progress_show(cli_progress *progress, const ng_progress *state)
{
    double now = progress_now();
    bool changed = strncmp(progress->phase, state->phase, sizeof progress->phase - 1) != 0;
    double pause = progress->terminal ? PROGRESS_REDRAW_SECONDS : PROGRESS_LINE_SECONDS;
    char text[256];

    if (progress->context->quiet)
        return;
    if (now - progress->shown_at < pause && !(progress->terminal && changed))
        return;
    snprintf(progress->phase, sizeof progress->phase, "%s", state->phase);
    progress->shown_at = now;
    progress_text(progress, state, text, sizeof text);
    if (progress->terminal)
        progress_draw(progress, text);
    else
        fprintf(stderr, "neurograph: %s: %s\n", progress->context->command->name, text);
    fflush(stderr);
}

void cli_progress_line(cli_progress *progress, const char *text)
{
    double now = progress_now();

    if (progress->context->quiet || !progress->terminal ||
        now - progress->shown_at < PROGRESS_REDRAW_SECONDS)
        return;
    progress->shown_at = now;
    progress_draw(progress, text);
    fflush(stderr);
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
