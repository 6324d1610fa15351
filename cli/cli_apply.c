/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command `apply`: writes from a file, as one transaction or as one for every N lines.
 *
 * Invariants
 *   1. A transaction is applied as a whole or not at all; what is printed has been committed.
 *   2. An error names the line, counted from 1, and what had been committed before it.
 *   3. A line is kept only while it is read, so a file may be larger than memory with --batch.
 */
#include "cli_apply.h"
#include "cli_args.h"
#include "cli_json.h"
#include "cli_names.h"
#include "cli_output.h"
#include "cli_signal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define APPLY_LINE_MAX ((size_t)16 << 20) /* more than any op may have */
#define APPLY_BATCH_MAX 4096u             /* what a transaction holds */

enum { APPLY_BATCH = CLI_OPTION_FIRST, APPLY_IF_SEQ };

/* A line of the transaction in hand, for the answer. */
typedef struct apply_result {
    uint64_t line;
    apply_op op;
    uint64_t id;
    char *as; /* NULL = none */
} apply_result;

typedef struct applier {
    cli_context *context;
    const char *path;
    FILE *input;
    uint64_t batch; /* lines of a transaction; 0 = all */
    ng_seq if_seq;  /* of the first transaction */
    ngs_json_parser *parser;
    apply_line line;
    cli_names names;
    ng_txn *txn; /* NULL between transactions */
    uint64_t line_number;
    uint64_t committed_line; /* everything up to here is in the store */
    uint64_t transactions;
    ng_seq seq; /* of the newest of them */
    apply_result *results;
    size_t result_count, result_capacity;
} applier;

/* ---- messages ---- */

/* What was committed before the failure. */
static const char *apply_say_before(const applier *self, char out[96])
{
    out[0] = '\0';
    if (self->transactions > 0)
        snprintf(out, 96, " (lines 1..%" PRIu64 " are applied, up to seq %" PRIu64 ")",
                 self->committed_line, self->seq);
    return out;
}

static CLI_PRINTF(3, 4) int apply_fail(const applier *self, int code, const char *format, ...)
{
    char text[APPLY_TEXT_MAX + 400], before[96];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return cli_fail(self->context, code, "%s line %" PRIu64 ": %s%s", self->path, self->line_number,
                    text, apply_say_before(self, before));
}

/* A transaction that did not commit: it is not the last line that is wrong. */
static int apply_fail_commit(const applier *self, ng_status status)
{
    char before[96];
    uint64_t first = self->committed_line + 1;

    if (first >= self->line_number)
        return cli_fail(self->context, cli_exit_of(status), "%s line %" PRIu64 ": %s%s", self->path,
                        self->line_number, ng_last_error(), apply_say_before(self, before));
    return cli_fail(self->context, cli_exit_of(status), "%s lines %" PRIu64 "..%" PRIu64 ": %s%s",
                    self->path, first, self->line_number, ng_last_error(),
                    apply_say_before(self, before));
}

static int apply_fail_status(const applier *self, ng_status status)
{
    const char *detail = ng_last_error();

    return apply_fail(self, cli_exit_of(status), "%s",
                      detail[0] != '\0' ? detail : ng_status_text(status));
}

/* ---- references ---- */

/* A collection by name; it is made if new, which is no part of the transaction. */
static int apply_collection(const applier *self, apply_text name, ng_collection_id *out)
{
    char text[80];
    ng_status status;

    if (name.count >= sizeof text)
        return apply_fail(self, CLI_USAGE, "collection: the name is longer than 64 bytes");
    memcpy(text, name.bytes, name.count);
    text[name.count] = '\0';
    status = ng_collection_create(self->context->store, text, NULL, out);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_named(const applier *self, apply_text text, bool connection, uint64_t *out)
{
    const cli_name *name = cli_names_find(&self->names, text.bytes + 1, text.count - 1);

    if (name == NULL)
        return apply_fail(self, CLI_NOT_FOUND, "no line before this one has \"as\": \"%.*s\"",
                          (int)(text.count - 1 < 64 ? text.count - 1 : 64), text.bytes + 1);
    if (name->connection != connection)
        return apply_fail(self, CLI_USAGE, "$%.64s is a %s", name->text,
                          name->connection ? "connection" : "token");
    *out = name->id;
    return CLI_OK;
}

/* "#12" or, for a connection, "12". */
static bool apply_id_text(apply_text text, bool bare, uint64_t *out)
{
    char digits[24];
    size_t skip = text.bytes[0] == '#';

    if (text.count - skip >= sizeof digits || (skip == 0 && !bare))
        return false;
    memcpy(digits, text.bytes + skip, text.count - skip);
    digits[text.count - skip] = '\0';
    return cli_digits(digits, out) && *out != 0;
}

/* A label in the collection of the line, or in each of them in order. */
static int apply_label(const applier *self, apply_text label, ng_token_id *out)
{
    static const char prefix[] = "label:";
    ng_collection_id first = 0, last;
    ng_status status;
    ng_info info;

    if (label.count > sizeof prefix - 1 && memcmp(label.bytes, prefix, sizeof prefix - 1) == 0) {
        label.bytes += sizeof prefix - 1;
        label.count -= sizeof prefix - 1;
    }
    status = ng_store_info(self->context->store, &info);
    if (status != NG_OK)
        return apply_fail_status(self, status);
    last = info.collection_count;
    if (self->line.collection.bytes != NULL) {
        int code = apply_collection(self, self->line.collection, &first);

        if (code != CLI_OK)
            return code;
        last = first + 1;
    }
    for (ng_collection_id each = first; each < last; each++) {
        status = ng_txn_token_find(self->txn, each, label.bytes, label.count, out);
        if (status == NG_OK)
            return CLI_OK;
        if (status != NG_E_NOT_FOUND)
            return apply_fail_status(self, status);
    }
    return apply_fail(self, CLI_NOT_FOUND, "no token is labelled '%.*s'",
                      (int)(label.count < 200 ? label.count : 200), label.bytes);
}

static int apply_token(const applier *self, const apply_reference *reference, ng_token_id *out)
{
    *out = reference->id;
    if (reference->id != 0 || apply_id_text(reference->text, false, out))
        return CLI_OK;
    if (reference->text.bytes[0] == '$')
        return apply_named(self, reference->text, false, out);
    return apply_label(self, reference->text, out);
}

static int apply_connection(const applier *self, const apply_reference *reference,
                            ng_connection_id *out)
{
    *out = reference->id;
    if (reference->id != 0 || apply_id_text(reference->text, true, out))
        return CLI_OK;
    if (reference->text.bytes[0] == '$')
        return apply_named(self, reference->text, true, out);
    return apply_fail(self, CLI_USAGE, "connection: '%.*s' is neither an id nor a $name",
                      (int)(reference->text.count < 64 ? reference->text.count : 64),
                      reference->text.bytes);
}

/* ---- writes; each gives the id that it was about ---- */

static void apply_persistent(applier *self)
{
    if (self->line.persistent > 0)
        self->line.fields.flags_set = NG_TOKEN_PERSISTENT;
    else if (self->line.persistent == 0)
        self->line.fields.flags_clear = NG_TOKEN_PERSISTENT;
}

/* Where a token is made: NG_COLLECTION_RUNTIME unless the line says. */
static int apply_place(applier *self)
{
    self->line.fields.collection = NG_COLLECTION_RUNTIME;
    if (self->line.collection.bytes == NULL)
        return CLI_OK;
    return apply_collection(self, self->line.collection, &self->line.fields.collection);
}

/* The numbers of the fields that the line names. */
static int apply_vector_fields(applier *self)
{
    for (size_t i = 0; i < self->line.fields.vector_count; i++) {
        const apply_text *text = &self->line.field_names[i];
        char name[CLI_FIELD_NAME_ROOM + 1];
        ng_status status;

        snprintf(name, sizeof name, "%.*s",
                 (int)(text->count < sizeof name ? text->count : sizeof name - 1), text->bytes);
        status = ng_vector_field_find(self->context->store, name, &self->line.vectors[i].field);
        if (status != NG_OK)
            return apply_fail_status(self, status);
    }
    return CLI_OK;
}

static int apply_create(applier *self, const ng_write_options *write, uint64_t *id)
{
    ng_token_fields *fields = &self->line.fields;
    ng_status status;
    int code = apply_place(self);

    if (code == CLI_OK)
        code = apply_vector_fields(self);
    if (code != CLI_OK)
        return code;
    /* A token begins in no space, without label and vector: nothing to take away. */
    fields->spaces_clear = 0;
    if (fields->label_bytes == 0)
        fields->set &= ~(uint32_t)NG_FIELD_LABEL;
    if (fields->vector_dimensions == 0)
        fields->set &= ~(uint32_t)NG_FIELD_VECTOR;
    apply_persistent(self);
    status = ng_token_create(self->context->store, fields, write, id);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_update(applier *self, const ng_write_options *write, uint64_t *id)
{
    ng_status status;
    int code = apply_token(self, &self->line.token, id);

    if (code == CLI_OK)
        code = apply_vector_fields(self);
    if (code != CLI_OK)
        return code;
    apply_persistent(self);
    status = ng_token_update(self->context->store, *id, &self->line.fields, write);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_put(applier *self, const ng_write_options *write, uint64_t *id)
{
    ng_status status;
    int code = apply_place(self);

    if (code == CLI_OK)
        code = apply_vector_fields(self);
    if (code != CLI_OK)
        return code;
    apply_persistent(self);
    status = ng_token_upsert(self->context->store, &self->line.fields, write, id, NULL);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_delete(applier *self, const ng_write_options *write, uint64_t *id)
{
    int code = apply_token(self, &self->line.token, id);
    ng_status status;

    if (code != CLI_OK)
        return code;
    status = ng_token_delete(self->context->store, *id, write);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

/* What the fields of a connection refer to. */
static int apply_link_fields(applier *self)
{
    if (!self->line.target_of.given)
        return CLI_OK;
    return apply_token(self, &self->line.target_of, &self->line.link.target_of);
}

static int apply_ends(applier *self)
{
    ng_connection_fields *link = &self->line.link;
    int code = apply_token(self, &self->line.source, &link->source);

    if (code == CLI_OK)
        code = apply_token(self, &self->line.target, &link->target);
    return code == CLI_OK ? apply_link_fields(self) : code;
}

static int apply_connect(applier *self, const ng_write_options *write, uint64_t *id)
{
    ng_status status;
    int code = apply_ends(self);

    if (code != CLI_OK)
        return code;
    status = ng_connection_create(self->context->store, &self->line.link, write, id);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_put_connection(applier *self, const ng_write_options *write, uint64_t *id)
{
    ng_status status;
    int code = apply_ends(self);

    if (code != CLI_OK)
        return code;
    status = ng_connection_upsert(self->context->store, &self->line.link, write, id, NULL);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_update_connection(applier *self, const ng_write_options *write, uint64_t *id)
{
    int code = apply_connection(self, &self->line.connection, id);
    ng_status status;

    if (code == CLI_OK)
        code = apply_link_fields(self);
    if (code != CLI_OK)
        return code;
    status = ng_connection_update(self->context->store, *id, &self->line.link, write);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_activate(applier *self, const ng_write_options *write, uint64_t *id)
{
    int code = apply_connection(self, &self->line.connection, id);
    ng_status status;

    if (code != CLI_OK)
        return code;
    status = ng_connection_activate(self->context->store, *id, write);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

static int apply_disconnect(applier *self, const ng_write_options *write, uint64_t *id)
{
    int code = apply_connection(self, &self->line.connection, id);
    ng_status status;

    if (code != CLI_OK)
        return code;
    status = ng_connection_delete(self->context->store, *id, write);
    return status == NG_OK ? CLI_OK : apply_fail_status(self, status);
}

/* ---- transactions ---- */

static void apply_result_add(applier *self, uint64_t id)
{
    apply_result *result;

    if (self->result_count == self->result_capacity) {
        self->result_capacity = self->result_capacity > 0 ? 2 * self->result_capacity : 64;
        self->results = cli_reallocate(self->results, self->result_capacity, sizeof *self->results);
    }
    result = &self->results[self->result_count++];
    *result = (apply_result){.line = self->line_number, .op = self->line.op, .id = id};
    if (self->line.as.bytes != NULL)
        result->as = cli_copy(self->line.as.bytes, self->line.as.count);
}

static void apply_results_clear(applier *self)
{
    for (size_t i = 0; i < self->result_count; i++)
        free(self->results[i].as);
    self->result_count = 0;
}

static void apply_print_json(const applier *self)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_u64(&json, "seq", self->seq);
    cli_json_array(&json, "ops");
    for (size_t i = 0; i < self->result_count; i++) {
        const apply_result *result = &self->results[i];

        cli_json_object(&json, NULL);
        cli_json_u64(&json, "line", result->line);
        cli_json_text(&json, "op", apply_op_names[result->op]);
        cli_json_u64(&json, "id", result->id);
        cli_json_text(&json, "as", result->as);
        cli_json_close(&json);
    }
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}

static void apply_print(const applier *self)
{
    static const cli_column columns[] = {
        {"line", true}, {"op", false}, {"id", true}, {"as", false}, {"seq", true}};
    cli_table table;

    if (self->context->json) {
        apply_print_json(self);
        return;
    }
    if (self->result_count == 0)
        return;
    cli_table_init(&table, columns, 5);
    for (size_t i = 0; i < self->result_count; i++) {
        const apply_result *result = &self->results[i];

        cli_table_cell(&table, "%" PRIu64, result->line);
        cli_table_cell(&table, "%s", apply_op_names[result->op]);
        cli_table_cell(&table, "%" PRIu64, result->id);
        cli_table_cell(&table, "%s", result->as != NULL ? result->as : "");
        cli_table_cell(&table, "%" PRIu64, self->seq);
    }
    cli_table_print(self->context, &table);
}

static int apply_begin(applier *self)
{
    ng_txn_options options = {.struct_size = sizeof options,
                              .if_seq = self->transactions == 0 ? self->if_seq : 0};
    ng_status status = ng_txn_begin(self->context->store, &options, &self->txn);

    return status == NG_OK ? CLI_OK : cli_fail_status(self->context, status);
}

static int apply_commit(applier *self)
{
    ng_seq seq = 0;
    ng_write_options write = {.struct_size = sizeof write, .seq = &seq};
    ng_txn *txn = self->txn;
    ng_status status;

    self->txn = NULL;
    status = ng_txn_commit(txn, &write);
    if (status != NG_OK)
        return apply_fail_commit(self, status);
    if (seq != 0)
        self->seq = seq;
    self->transactions++;
    self->committed_line = self->line_number;
    apply_print(self);
    fflush(stdout); /* a producer that waits for its acknowledgement gets it now */
    apply_results_clear(self);
    return CLI_OK;
}

/* The line as read becomes a part of the transaction. */
static int apply_stage(applier *self)
{
    static int (*const writes[])(applier *, const ng_write_options *,
                                 uint64_t *) = {apply_create,
                                                apply_update,
                                                apply_put,
                                                apply_delete,
                                                apply_connect,
                                                apply_disconnect,
                                                apply_update_connection,
                                                apply_put_connection,
                                                apply_activate};
    const apply_text *as = &self->line.as;
    ng_write_options write = {.struct_size = sizeof write, .if_version = self->line.if_version};
    uint64_t id = 0;
    int code = self->txn == NULL ? apply_begin(self) : CLI_OK;

    if (code != CLI_OK)
        return code;
    write.txn = self->txn;
    if (as->bytes != NULL && cli_names_find(&self->names, as->bytes, as->count) != NULL)
        return apply_fail(self, CLI_USAGE, "as: '%.*s' is the name of an earlier line",
                          (int)(as->count < 64 ? as->count : 64), as->bytes);
    code = writes[self->line.op](self, &write, &id);
    if (code != CLI_OK)
        return code;
    if (as->bytes != NULL)
        cli_names_add(&self->names, as->bytes, as->count, id, self->line.op >= APPLY_CONNECT);
    apply_result_add(self, id);
    return CLI_OK;
}

/* ---- the file ---- */

/* Room for the bytes that the parser may read beyond the text. */
static int apply_pad(const applier *self, char **line, size_t *capacity, size_t bytes)
{
    if (bytes > APPLY_LINE_MAX)
        return apply_fail(self, CLI_DATA, "the line is longer than %zu bytes", APPLY_LINE_MAX);
    if (bytes + NGS_JSON_PADDING > *capacity) {
        *capacity = bytes + NGS_JSON_PADDING;
        *line = cli_reallocate(*line, *capacity, 1);
    }
    memset(*line + bytes, 0, NGS_JSON_PADDING);
    return CLI_OK;
}

static int apply_text_line(applier *self, char **line, size_t *capacity, size_t bytes)
{
    char error[APPLY_TEXT_MAX];
    int code;

    if (bytes > 0 && (*line)[bytes - 1] == '\n')
        bytes--;
    if (bytes > 0 && (*line)[bytes - 1] == '\r')
        bytes--;
    (*line)[bytes] = '\0';
    if (strspn(*line, " \t") == bytes)
        return CLI_OK;
    code = apply_pad(self, line, capacity, bytes);
    if (code != CLI_OK)
        return code;
    if (!apply_line_read(self->parser, *line, bytes, &self->line, error))
        return apply_fail(self, CLI_DATA, "%s", error);
    code = apply_stage(self);
    if (code == CLI_OK && self->batch > 0 && self->result_count == self->batch)
        code = apply_commit(self);
    return code;
}

static int apply_lines(applier *self)
{
    char *line = NULL;
    size_t capacity = 0;
    int code = CLI_OK;

    while (code == CLI_OK) {
        ssize_t bytes;

        errno = 0;
        bytes = getline(&line, &capacity, self->input);
        if (bytes < 0)
            break;
        self->line_number++;
        code = apply_text_line(self, &line, &capacity, (size_t)bytes);
        if (code == CLI_OK && cli_signal_came())
            code = apply_fail(self, CLI_INTERRUPTED, "interrupted");
    }
    free(line);
    if (code == CLI_OK && ferror(self->input))
        code = cli_fail(self->context, CLI_IO, "%s: %s", self->path,
                        errno != 0 ? strerror(errno) : "input error");
    /* Also of a file without writes: its conditions are verified, and there is an answer. */
    if (code == CLI_OK && (self->txn != NULL || self->transactions == 0)) {
        if (self->txn == NULL)
            code = apply_begin(self);
        if (code == CLI_OK)
            code = apply_commit(self);
    }
    return code;
}

static int apply_work(applier *self)
{
    int code = cli_store_open(self->context, 0);

    if (code != CLI_OK)
        return code;
    self->parser = ngs_json_parser_create();
    if (self->parser == NULL)
        return cli_fail(self->context, CLI_REFUSED, "no memory for JSON");
    self->line.vector = cli_allocate((size_t)(1 + APPLY_FIELDS_MAX) * APPLY_DIMENSIONS_MAX,
                                     sizeof *self->line.vector);
    cli_signal_catch();
    code = apply_lines(self);
    ng_txn_rollback(self->txn);
    apply_results_clear(self);
    free(self->results);
    free(self->line.vector);
    cli_names_release(&self->names);
    ngs_json_parser_destroy(self->parser);
    return code;
}

static int apply_operands(applier *self, const cli_args *args)
{
    cli_context *context = self->context;

    if (args->operand_count < 1 || args->operand_count > 2)
        return cli_fail(context, CLI_USAGE, "give a file or -, and before it a store");
    self->path = args->operands[args->operand_count - 1];
    if (args->operand_count == 2 && context->store_path != NULL)
        return cli_fail(context, CLI_USAGE, "the store is given twice, by --store and as '%s'",
                        args->operands[0]);
    if (args->operand_count == 2)
        context->store_path = args->operands[0];
    if (strcmp(self->path, "-") == 0) {
        self->path = "standard input";
        self->input = stdin;
        return CLI_OK;
    }
    self->input = fopen(self->path, "re");
    if (self->input == NULL)
        return cli_fail(context, errno == ENOENT || errno == ENOTDIR ? CLI_NOT_FOUND : CLI_IO,
                        "%s: %s", self->path, strerror(errno));
    return CLI_OK;
}

static int apply_run(cli_context *context, int argc, char **argv)
{
    applier self = {.context = context};
    cli_args args;
    int option, code;

    cli_args_begin(&args, context, argc, argv);
    while ((option = cli_args_next(&args)) > 0) {
        if (option == APPLY_BATCH ? !cli_parse_u64(&args, 1, APPLY_BATCH_MAX, &self.batch)
                                  : !cli_parse_u64(&args, 1, UINT64_MAX, &self.if_seq))
            return CLI_USAGE;
    }
    if (option < 0)
        return args.exit_code;
    code = apply_operands(&self, &args);
    if (code == CLI_OK)
        code = apply_work(&self);
    if (self.input != NULL && self.input != stdin)
        fclose(self.input);
    return code;
}

static const cli_option apply_options[] = {
    {"batch", APPLY_BATCH, "N", "a transaction for every N lines, 1..4096; default one for all"},
    {"if-seq", APPLY_IF_SEQ, "N", "only if the newest op of the store has this seq"},
    CLI_DURABILITY_ROW,
    CLI_LIMIT_ROWS,
    {NULL, 0, NULL, NULL},
};

static const int apply_exits[] = {CLI_OK,   CLI_USAGE,   CLI_NOT_FOUND,   CLI_BUSY, CLI_IO,
                                  CLI_DATA, CLI_REFUSED, CLI_INTERRUPTED, -1};

const cli_command cli_command_apply = {
    .name = "apply",
    .arguments = "[OPTION]... [STORE] FILE | -",
    .summary = "Apply the writes in a file, all or nothing",
    .description =
        "Every line is a JSON object: {\"op\":\"create\"}, update, put or delete of a token; "
        "connect,\n"
        "update_connection, put_connection, activate or disconnect of a connection.\n"
        "All lines are one transaction, which happens as a whole or not at all; an error names\n"
        "its line. \"as\":\"a\" names what a line creates, and \"$a\" stands for it in later "
        "lines.\n"
        "Prints line, op, id, name and seq. Creates the store if there is none. The fields of\n"
        "each op are in docs/cli.md.",
    .options = apply_options,
    .examples = "neurograph apply ./memory changes.ndjson\n"
                "producer | neurograph apply - --batch 1000 --durability interval\n"
                "neurograph apply changes.ndjson --if-seq 1200 --json",
    .exit_codes = apply_exits,
    .run = apply_run,
};
