/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Help. It is printed from the tables that the options are parsed by, so the two cannot differ. */
#include "cli_args.h"
#include "cli_json.h"
#include "cli_output.h"

#include <stdio.h>
#include <string.h>

#define HELP_OPTION_WIDTH 24

const cli_option cli_general_options[] = {
    {"store", 's', "DIR", "the store; default $NEUROGRAPH_STORE, otherwise " CLI_STORE_DEFAULT},
    {"json", 'j', NULL, "print one JSON document; one a line where a command answers many"},
    {"quiet", 'q', NULL, "no progress and no notes on stderr"},
    {"color", CLI_OPTION_COLOR, "WHEN", "auto (default), always or never"},
    {"help", 'h', NULL, "print this help"},
    {NULL, 0, NULL, NULL},
};

static const char *const help_exit_texts[] = {
#define HELP_EXIT_TEXT(name, value, text) text,
    CLI_EXIT_TABLE(HELP_EXIT_TEXT)
#undef HELP_EXIT_TEXT
};

static const int help_exit_values[] = {
#define HELP_EXIT_VALUE(name, value, text) value,
    CLI_EXIT_TABLE(HELP_EXIT_VALUE)
#undef HELP_EXIT_VALUE
};

#define HELP_EXIT_COUNT (sizeof help_exit_values / sizeof help_exit_values[0])

static const char *help_exit_text(int code)
{
    for (size_t i = 0; i < HELP_EXIT_COUNT; i++)
        if (help_exit_values[i] == code)
            return help_exit_texts[i];
    return "";
}

static void help_options(const char *heading, const cli_option *options)
{
    if (options == NULL || options->name == NULL)
        return;
    printf("\n%s\n", heading);
    for (; options->name != NULL; options++) {
        char text[64];
        int used = options->value < CLI_OPTION_FIRST
                       ? snprintf(text, sizeof text, "-%c, ", options->value)
                       : snprintf(text, sizeof text, "    ");

        snprintf(text + used, sizeof text - (size_t)used, "--%s%s%s", options->name,
                 options->argument != NULL && strncmp(options->argument, "[=", 2) != 0 ? " " : "",
                 options->argument != NULL ? options->argument : "");
        if (strlen(text) > HELP_OPTION_WIDTH)
            printf("  %s\n  %-*s  %s\n", text, HELP_OPTION_WIDTH, "", options->help);
        else
            printf("  %-*s  %s\n", HELP_OPTION_WIDTH, text, options->help);
    }
}

static void help_indented(const char *heading, const char *lines)
{
    if (lines == NULL)
        return;
    printf("\n%s\n", heading);
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");

        printf("  %.*s\n", (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

static void help_command(const cli_command *command)
{
    printf("Usage: neurograph %s%s%s\n\n%s.\n", command->name,
           command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
    if (command->description != NULL)
        printf("\n%s\n", command->description);
    help_options("Options", command->options);
    help_options("General options", cli_general_options);
    help_indented("Examples", command->examples);
    printf("\nExit codes\n");
    for (const int *code = command->exit_codes; *code >= 0; code++)
        printf("  %3d  %s\n", *code, help_exit_text(*code));
}

static void help_program(const cli_command *const *commands)
{
    printf("Usage: neurograph [OPTION]... COMMAND [ARGUMENT]...\n\n"
           "Keeps tokens, connections and word vectors in a store, and answers by meaning,\n"
           "by relation and by position.\n\nCommands\n");
    for (; *commands != NULL; commands++)
        printf("  %-11s  %s\n", (*commands)->name, (*commands)->summary);
    help_options("General options, before or after the command", cli_general_options);
    help_indented("Examples", "neurograph load glove.6B.100d.txt\n"
                              "neurograph load /usr/share/wordnet\n"
                              "neurograph query king - man + woman\n"
                              "neurograph path dog animal --types hypernym\n"
                              "neurograph --store ./memory put \"blue cup\" --at physical=1,0.5,0");
    printf("\n'neurograph help COMMAND' tells more about a command, 'neurograph help exit-codes'\n"
           "about exit codes.\n");
}

void cli_help_print(const cli_command *const *commands, const cli_command *command)
{
    if (command != NULL)
        help_command(command);
    else
        help_program(commands);
}

void cli_help_exit_codes(const cli_context *context)
{
    static const cli_column columns[] = {{"code", true}, {"meaning", false}};
    cli_table table;

    cli_table_init(&table, columns, 2);
    for (size_t i = 0; i < HELP_EXIT_COUNT; i++) {
        cli_table_cell(&table, "%d", help_exit_values[i]);
        cli_table_cell(&table, "%s", help_exit_texts[i]);
    }
    cli_table_print(context, &table);
}

/* ---- the commands help and version ---- */

static void help_json_options(cli_json *json, const char *key, const cli_option *options)
{
    cli_json_array(json, key);
    for (; options != NULL && options->name != NULL; options++) {
        char letter[2] = {(char)options->value, '\0'};

        cli_json_object(json, NULL);
        cli_json_text(json, "name", options->name);
        cli_json_text(json, "short", options->value < CLI_OPTION_FIRST ? letter : NULL);
        cli_json_text(json, "argument", options->argument);
        cli_json_text(json, "help", options->help);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void help_json_exit_codes(cli_json *json, const int *codes)
{
    cli_json_object(json, "exit_codes");
    for (size_t i = 0; i < HELP_EXIT_COUNT; i++) {
        const int *code = codes;
        char key[16];

        while (code != NULL && *code >= 0 && *code != help_exit_values[i])
            code++;
        if (code != NULL && *code < 0)
            continue;
        snprintf(key, sizeof key, "%d", help_exit_values[i]);
        cli_json_text(json, key, help_exit_texts[i]);
    }
    cli_json_close(json);
}

static void help_json_command(cli_json *json, const cli_command *command)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "name", command->name);
    cli_json_text(json, "arguments", command->arguments);
    cli_json_text(json, "summary", command->summary);
    cli_json_text(json, "description", command->description);
    help_json_options(json, "options", command->options);
    cli_json_text(json, "examples", command->examples);
    help_json_exit_codes(json, command->exit_codes);
    cli_json_close(json);
}

static void help_json(const cli_command *command, bool exit_codes)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    if (command != NULL) {
        help_json_command(&json, command);
    } else {
        cli_json_object(&json, NULL);
        if (!exit_codes) {
            cli_json_array(&json, "commands");
            for (const cli_command *const *each = cli_commands; *each != NULL; each++)
                help_json_command(&json, *each);
            cli_json_close(&json);
            help_json_options(&json, "general_options", cli_general_options);
        }
        help_json_exit_codes(&json, NULL);
        cli_json_close(&json);
    }
    cli_json_end(&json);
}

static int help_run(cli_context *context, int argc, char **argv)
{
    const cli_command *topic = NULL;
    bool exit_codes = false;
    cli_args args;

    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count > 1)
        return cli_fail(context, CLI_USAGE, "one topic at a time, not %d", args.operand_count);
    if (args.operand_count == 1) {
        exit_codes = strcmp(args.operands[0], "exit-codes") == 0;
        topic = cli_command_named(args.operands[0]);
        if (topic == NULL && !exit_codes)
            return cli_command_unknown(context, args.operands[0]);
    }
    if (context->json)
        help_json(topic, exit_codes);
    else if (exit_codes)
        cli_help_exit_codes(context);
    else
        cli_help_print(cli_commands, topic);
    return CLI_OK;
}

static const int help_exits[] = {CLI_OK, CLI_USAGE, CLI_IO, -1};

const cli_command cli_command_help = {
    .name = "help",
    .arguments = "[COMMAND | exit-codes]",
    .summary = "Explain a command, or list the commands or the exit codes",
    .examples = "neurograph help query\nneurograph help exit-codes\nneurograph help --json",
    .exit_codes = help_exits,
    .run = help_run,
};

static int version_run(cli_context *context, int argc, char **argv)
{
    cli_args args;

    cli_args_begin(&args, context, argc, argv);
    if (cli_args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_fail(context, CLI_USAGE, "unexpected argument '%s'", args.operands[0]);
    if (context->json) {
        cli_json json;

        cli_json_begin(&json, stdout);
        cli_json_object(&json, NULL);
        cli_json_text(&json, "name", "neurograph");
        cli_json_text(&json, "version", NG_VERSION_TEXT);
        cli_json_text(&json, "library", ng_version());
        cli_json_close(&json);
        cli_json_end(&json);
        return CLI_OK;
    }
    printf("neurograph %s\n", NG_VERSION_TEXT);
    if (strcmp(ng_version(), NG_VERSION_TEXT) != 0)
        printf("library %s\n", ng_version());
    return CLI_OK;
}

const cli_command cli_command_version = {
    .name = "version",
    .arguments = "",
    .summary = "Print the version",
    .description = "'neurograph --version' does the same.",
    .examples = "neurograph version\nneurograph version --json",
    .exit_codes = help_exits,
    .run = version_run,
};
