/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The answer of a recall: a column for each part that was asked for, and below each hit the path
 * that led to it. */
#include "cli_edge.h"
#include "cli_output.h"
#include "cli_query.h"
#include "cli_recall.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RECALL_COLUMNS_MAX (7 + NG_RECALL_PART_COUNT + NG_SPACE_COUNT)

/* What one answer is printed with. */
typedef struct recall_view {
    const cli_context *context;
    const cli_recall *recall;
    const char *text; /* NULL = none */
    bool shows[NG_RECALL_PART_COUNT];
    bool has_prior; /* of any hit */
    const ng_recall_result *result;
} recall_view;

/* The part of the answer that is about words. */
static ng_query_result recall_words(const ng_recall_result *result)
{
    return (ng_query_result){.terms = result->terms,
                             .term_count = result->term_count,
                             .corrections = result->corrections,
                             .correction_count = result->correction_count,
                             .suggestions = result->suggestions,
                             .suggestion_count = result->suggestion_count,
                             .unknown_count = result->unknown_count};
}

/* ---- JSON ---- */

static void recall_json_hit(const recall_view *view, cli_json *json, size_t i)
{
    const ng_recall_hit *hit = &view->result->hits[i];

    cli_json_object(json, NULL);
    cli_json_u64(json, "rank", i + 1);
    cli_json_u64(json, "id", hit->id);
    cli_json_text(json, "label", hit->label[0] != '\0' ? hit->label : NULL);
    cli_json_double(json, "score", hit->score);
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++)
        if (view->shows[part])
            cli_json_double(json, ng_recall_part_name((ng_recall_part)part), hit->parts[part]);
    if (view->shows[NG_RECALL_MEANING])
        cli_json_double(json, "prior", hit->prior);
    if (view->shows[NG_RECALL_SPACE])
        cli_json_double(json, "distance", hit->distance);
    if (hit->spaces != 0) {
        cli_json_object(json, "coordinates");
        for (unsigned space = 0; space < NG_SPACE_COUNT; space++) {
            if ((hit->spaces & 1u << space) == 0)
                continue;
            cli_json_array(json, ng_space_name((ng_space)space));
            for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
                cli_json_float(json, NULL, hit->coordinates[space][axis]);
            cli_json_close(json);
        }
        cli_json_close(json);
    }
    if (view->shows[NG_RECALL_RELATION]) {
        cli_json_array(json, "path");
        for (size_t k = 0; k < hit->path_count; k++)
            cli_json_edge(view->context, json, NULL, &hit->path[k]);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void recall_json_steps(cli_json *json, const ng_recall_result *result)
{
    cli_json_array(json, "steps");
    for (size_t i = 0; i < result->step_count; i++) {
        const ng_recall_step *step = &result->steps[i];

        cli_json_object(json, NULL);
        cli_json_text(json, "name", step->name);
        cli_json_u64(json, "candidates", step->candidates);
        cli_json_u64(json, "microseconds", step->microseconds);
        cli_json_text(json, "text", step->text);
        cli_json_close(json);
    }
    cli_json_close(json);
}

static void recall_json(const recall_view *view)
{
    const ng_recall_result *result = view->result;
    const ng_query_result words = recall_words(result);
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "query", view->text);
    cli_json_text(&json, "signal", result->signal);
    cli_query_json_terms(view->context, &json, &words);
    cli_query_json_spellings(&json, &words, view->recall->options.suggest > 0);
    cli_json_array(&json, "hits");
    for (size_t i = 0; i < result->hit_count; i++)
        recall_json_hit(view, &json, i);
    cli_json_close(&json);
    cli_json_u64(&json, "candidates", result->candidates);
    cli_json_bool(&json, "exact", result->is_exact);
    if (view->recall->options.explain)
        recall_json_steps(&json, result);
    cli_json_double(&json, "seconds", result->seconds);
    cli_json_close(&json);
    cli_json_end(&json);
}

/* ---- text ---- */

static void recall_append(char **text, const char *more)
{
    size_t used = *text != NULL ? strlen(*text) : 0, bytes = strlen(more) + 1;

    *text = cli_reallocate(*text, used + bytes, 1);
    memcpy(*text + used, more, bytes);
}

/* "  dog -Hypernym-> canine <-Hypernym- wolf": the arrow shows which way the connection points. */
static void recall_path(const recall_view *view, cli_table *table, const ng_recall_hit *hit)
{
    char name[CLI_LABEL_ROOM], type[CLI_TYPE_ROOM], *text = NULL;
    ng_token_id at = hit->id;

    if (hit->path_count == 0)
        return;
    for (size_t i = hit->path_count; i-- > 0;)
        at = hit->path[i].source == at ? hit->path[i].target : hit->path[i].source;
    recall_append(&text, "  ");
    recall_append(&text, cli_token_name(view->context, at, name));
    for (size_t i = 0; i < hit->path_count; i++) {
        const ng_edge *edge = &hit->path[i];
        bool forward = edge->source == at;
        bool both = (edge->flags & NG_CONNECTION_BIDIRECTIONAL) != 0;

        at = forward ? edge->target : edge->source;
        recall_append(&text, forward && !both ? " -" : " <-");
        recall_append(&text, cli_type_name(edge->type, type));
        recall_append(&text, forward || both ? "-> " : "- ");
        recall_append(&text, cli_token_name(view->context, at, name));
    }
    cli_table_note(table, text);
    free(text);
}

static void recall_number(cli_table *table, double value)
{
    if (isnan(value))
        cli_table_cell(table, "-");
    else
        cli_table_cell(table, "%.4f", value);
}

static void recall_place(cli_table *table, const ng_recall_hit *hit, unsigned space)
{
    char numbers[NG_AXIS_COUNT][CLI_NUMBER_ROOM];

    for (int axis = 0; axis < NG_AXIS_COUNT; axis++)
        cli_show_float(hit->coordinates[space][axis], numbers[axis]);
    if ((hit->spaces & 1u << space) != 0)
        cli_table_cell(table, "%s,%s,%s", numbers[0], numbers[1], numbers[2]);
    else
        cli_table_cell(table, "-");
}

/* The spaces whose coordinates are shown. */
static unsigned recall_spaces(const cli_recall *recall)
{
    unsigned spaces = recall->options.spaces;

    for (size_t i = 0; i < recall->options.near_count; i++)
        spaces |= 1u << (unsigned)recall->near[i].space;
    return spaces;
}

static size_t recall_columns(const recall_view *view, bool named,
                             cli_column columns[RECALL_COLUMNS_MAX])
{
    size_t count = 0;
    unsigned spaces = recall_spaces(view->recall);

    if (named)
        columns[count++] = (cli_column){"query", false};
    columns[count++] = (cli_column){"rank", true};
    columns[count++] = (cli_column){"label", false};
    columns[count++] = (cli_column){"score", true};
    for (int part = 0; part < NG_RECALL_PART_COUNT; part++)
        if (view->shows[part])
            columns[count++] = (cli_column){ng_recall_part_name((ng_recall_part)part), true};
    if (view->shows[NG_RECALL_SPACE])
        columns[count++] = (cli_column){"distance", true};
    columns[count++] = (cli_column){"id", true};
    for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
        if ((spaces & 1u << space) != 0)
            columns[count++] = (cli_column){ng_space_name((ng_space)space), false};
    if (view->has_prior)
        columns[count++] = (cli_column){"prior", true};
    return count;
}

static void recall_text(const recall_view *view, bool many)
{
    /* In a pipe the rows of many queries are told apart by their first column. */
    bool named = many && !view->context->terminal;
    unsigned spaces = recall_spaces(view->recall);
    cli_column columns[RECALL_COLUMNS_MAX];
    cli_table table;

    cli_table_init(&table, columns, recall_columns(view, named, columns));
    for (size_t i = 0; i < view->result->hit_count; i++) {
        const ng_recall_hit *hit = &view->result->hits[i];

        if (named)
            cli_table_cell(&table, "%s", view->text);
        cli_table_cell(&table, "%zu", i + 1);
        cli_table_cell(&table, "%s", hit->label);
        cli_table_cell(&table, "%.4f", hit->score);
        for (int part = 0; part < NG_RECALL_PART_COUNT; part++)
            if (view->shows[part])
                recall_number(&table, hit->parts[part]);
        if (view->shows[NG_RECALL_SPACE])
            recall_number(&table, hit->distance);
        cli_table_cell(&table, "%" PRIu64, hit->id);
        for (unsigned space = 0; space < NG_SPACE_COUNT; space++)
            if ((spaces & 1u << space) != 0)
                recall_place(&table, hit, space);
        if (view->has_prior)
            cli_table_cell(&table, "%+.4f", hit->prior);
        recall_path(view, &table, hit);
    }
    if (many)
        cli_heading(view->context, view->text);
    cli_table_print(view->context, &table);
    if (many && view->context->terminal)
        putchar('\n');
}

static void recall_notes(const recall_view *view, const char *where)
{
    const ng_query_result words = recall_words(view->result);

    for (size_t i = 0; i < view->result->step_count && !view->context->json; i++) {
        const ng_recall_step *step = &view->result->steps[i];

        cli_note(view->context, "%s%s: %s (%" PRIu64 " us)", where, step->name, step->text,
                 step->microseconds);
    }
    cli_query_note_spelling(view->context, &words, where);
    cli_query_note_gaps(view->context, &words, where);
    if (view->text == NULL && view->result->unknown_count > 0)
        cli_note(view->context, "%s%zu of the examples have no vector", where,
                 view->result->unknown_count);
    if (!view->result->is_exact)
        cli_note(view->context, "%snot exact: not every token that is reached was looked at",
                 where);
}

int cli_recall_answer(const cli_context *context, const cli_recall *recall, const char *text,
                      const char *where, bool many)
{
    ng_recall_options options = recall->options;
    recall_view view = {.context = context, .recall = recall, .text = text};
    ng_recall_result *result = NULL;
    ng_status status;
    int code = CLI_OK;

    options.text = text;
    view.shows[NG_RECALL_MEANING] = text != NULL || options.tokens != NULL;
    view.shows[NG_RECALL_SPACE] = options.near_count > 0;
    view.shows[NG_RECALL_RELATION] = options.through != NULL;
    status = ng_recall(context->store, &options, &result);
    if (status != NG_OK) {
        if (many && context->json)
            cli_query_json_error(text, status);
        return cli_fail(context, cli_exit_of(status), "%s%s", where, ng_last_error());
    }
    view.result = result;
    for (size_t i = 0; i < result->hit_count; i++)
        view.has_prior |= result->hits[i].prior < 0 || result->hits[i].prior > 0;
    if (context->json)
        recall_json(&view);
    else
        recall_text(&view, many);
    recall_notes(&view, where);
    if (result->hit_count == 0) {
        cli_note(context, "%snothing found", where);
        code = CLI_NOTHING;
    }
    ng_recall_result_destroy(result);
    return code;
}
