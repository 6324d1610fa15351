/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `neurograph`: finds the sub-command, runs it, and makes the exit code.
 *
 *      main -> general options -> command->run(context, argc, argv) -> close the store -> flush
 *
 * Invariants
 *   1. The store is closed here and nowhere else, whatever the command returned.
 *   2. A result that could not be written to stdout is never reported as done.
 */
#include "cli_args.h"
#include "cli_output.h"
#include "cli_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAIN_NAME_MAX 16
#define MAIN_NEAR_MAX 2 /* edits between what was typed and what is suggested */

const cli_command *const cli_commands[] = {
    &cli_command_load,
    &cli_command_weave,
    &cli_command_anchor,
    &cli_command_query,
    &cli_command_feedback,
    &cli_command_similarity,
    &cli_command_odd,
    &cli_command_path,
    &cli_command_get,
    &cli_command_put,
    &cli_command_rm,
    &cli_command_link,
    &cli_command_unlink,
    &cli_command_connection,
    &cli_command_connections,
    &cli_command_apply,
    &cli_command_ls,
    &cli_command_count,
    &cli_command_find,
    &cli_command_index,
    &cli_command_vectors,
    &cli_command_embedding,
    &cli_command_nearest,
    &cli_command_neighbors,
    &cli_command_grid,
    &cli_command_clusters,
    &cli_command_fields,
    &cli_command_stats,
    &cli_command_hash,
    &cli_command_check,
    &cli_command_checkpoint,
    &cli_command_backup,
    &cli_command_restore,
    &cli_command_follow,
    &cli_command_blackbox,
    &cli_command_serve,
    &cli_command_help,
    &cli_command_version,
    NULL,
};

const cli_command *cli_command_named(const char *name)
{
    for (const cli_command *const *each = cli_commands; *each != NULL; each++)
        if (strcmp((*each)->name, name) == 0)
            return *each;
    return NULL;
}

/* Edit distance of two short names, row by row. */
static size_t main_distance(const char *a, const char *b)
{
    size_t row[MAIN_NAME_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);

    if (a_length > MAIN_NAME_MAX || b_length > MAIN_NAME_MAX)
        return MAIN_NAME_MAX;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = replace < other ? replace : other;
        }
    }
    return row[b_length];
}

int cli_command_unknown(const cli_context *context, const char *name)
{
    const char *nearest = NULL;
    size_t best = MAIN_NEAR_MAX + 1;

    for (const cli_command *const *each = cli_commands; *each != NULL; each++) {
        size_t distance = main_distance(name, (*each)->name);

        if (distance < best && distance < strlen(name)) {
            best = distance;
            nearest = (*each)->name;
        }
    }
    if (nearest != NULL)
        return cli_fail(context, CLI_USAGE, "unknown command '%s'; did you mean '%s'?", name,
                        nearest);
    return cli_fail(context, CLI_USAGE, "unknown command '%s'; see 'neurograph help'", name);
}

static void main_start(cli_context *context)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    cli_text_start();
    context->terminal = isatty(STDOUT_FILENO) == 1;
    context->color_auto = context->terminal && (no_color == NULL || no_color[0] == '\0') &&
                          (terminal == NULL || strcmp(terminal, "dumb") != 0);
    context->color = context->color_auto;
}

static int main_run(cli_context *context, int argc, char **argv)
{
    const cli_command *command;
    cli_args args;

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        char name[] = "version";
        char *arguments[] = {name, NULL};

        context->command = &cli_command_version;
        return cli_command_version.run(context, 1, arguments);
    }
    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count == 0)
        return cli_fail(context, CLI_USAGE, "no command given; see 'neurograph help'");
    command = cli_command_named(args.operands[0]);
    if (command == NULL)
        return cli_command_unknown(context, args.operands[0]);
    context->command = command;
    return command->run(context, args.operand_count, args.operands);
}

int main(int argc, char **argv)
{
    cli_context context = {0};
    int code;

    main_start(&context);
    code = main_run(&context, argc, argv);
    code = cli_store_close(&context, code);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_OK)
        code = cli_fail(&context, CLI_IO, "cannot write the result: %s",
                        errno != 0 ? strerror(errno) : "output error");
    return code;
}
