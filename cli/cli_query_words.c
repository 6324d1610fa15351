/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The words of a query, as its answers show them: in JSON, and as notes about those that could not take
 * part. */
#include "cli_output.h"
#include "cli_query.h"

#include <stdlib.h>
#include <string.h>

/* The terms that could not take part: unknown words, or words that have no vector. */
typedef struct query_gaps {
    char *unknown, *without_vector; /* joined with ", "; NULL = none */
} query_gaps;

static void query_join(char **list, const char *text)
{
    size_t used = *list != NULL ? strlen(*list) : 0;
    size_t bytes = strlen(text);

    *list = cli_reallocate(*list, used + bytes + 3, 1);
    if (used > 0)
        memcpy(*list + used, ", ", 2);
    memcpy(*list + used + (used > 0 ? 2 : 0), text, bytes + 1);
}

static bool query_has_vector(const cli_context *context, const ng_query_term *term)
{
    ng_token_info info;

    return ng_token_get(context->store, term->id, &info) == NG_OK && info.has_vector;
}

static query_gaps query_find_gaps(const cli_context *context, const ng_query_result *result)
{
    query_gaps gaps = {0};

    for (size_t i = 0; result->unknown_count > 0 && i < result->term_count; i++) {
        const ng_query_term *term = &result->terms[i];

        if (term->id == 0)
            query_join(&gaps.unknown, term->text);
        else if (!query_has_vector(context, term))
            query_join(&gaps.without_vector, term->text);
    }
    return gaps;
}

void cli_query_note_gaps(const cli_context *context, const ng_query_result *result,
                         const char *where)
{
    query_gaps gaps = query_find_gaps(context, result);

    if (gaps.unknown != NULL)
        cli_note(context, "%snot known: %s", where, gaps.unknown);
    if (gaps.without_vector != NULL)
        cli_note(context, "%swithout a vector: %s", where, gaps.without_vector);
    free(gaps.unknown);
    free(gaps.without_vector);
}

void cli_query_note_spelling(const cli_context *context, const ng_query_result *result,
                             const char *where)
{
    char *given = NULL;

    for (size_t i = 0; i < result->correction_count; i++)
        cli_note(context, "%s%s is not known; answered for %s", where, result->corrections[i].given,
                 result->corrections[i].label);
    for (size_t i = 0; i < result->suggestion_count; i++) {
        const ng_query_spelling *each = &result->suggestions[i];
        bool last = i + 1 == result->suggestion_count || each[1].given != each->given;

        query_join(&given, each->label);
        if (!last)
            continue;
        cli_note(context, "%sspelled like %s: %s", where, each->given, given);
        free(given);
        given = NULL;
    }
}

void cli_query_json_spellings(cli_json *json, const ng_query_result *result, bool suggestions)
{
    cli_json_array(json, "corrections");
    for (size_t i = 0; i < result->correction_count; i++) {
        const ng_query_spelling *each = &result->corrections[i];

        cli_json_object(json, NULL);
        cli_json_text(json, "given", each->given);
        cli_json_text(json, "used", each->label);
        cli_json_u64(json, "id", each->id);
        cli_json_u64(json, "distance", each->distance);
        cli_json_close(json);
    }
    cli_json_close(json);
    if (!suggestions)
        return;
    cli_json_array(json, "suggestions");
    for (size_t i = 0; i < result->suggestion_count; i++) {
        const ng_query_spelling *each = &result->suggestions[i];

        cli_json_object(json, NULL);
        cli_json_text(json, "given", each->given);
        cli_json_text(json, "label", each->label);
        cli_json_u64(json, "id", each->id);
        cli_json_u64(json, "distance", each->distance);
        cli_json_close(json);
    }
    cli_json_close(json);
}

void cli_query_json_terms(const cli_context *context, cli_json *json, const ng_query_result *result)
{
    cli_json_array(json, "terms");
    for (size_t i = 0; i < result->term_count; i++) {
        const ng_query_term *term = &result->terms[i];

        cli_json_object(json, NULL);
        cli_json_text(json, "text", term->text);
        cli_json_i64(json, "sign", term->sign);
        cli_json_double(json, "weight", term->weight);
        if (term->id != 0)
            cli_json_u64(json, "id", term->id);
        else
            cli_json_null(json, "id");
        cli_json_close(json);
    }
    cli_json_close(json);
    cli_json_array(json, "unknown");
    for (size_t i = 0; i < result->term_count; i++)
        if (result->terms[i].id == 0)
            cli_json_text(json, NULL, result->terms[i].text);
    cli_json_close(json);
    cli_json_array(json, "without_vector");
    for (size_t i = 0; i < result->term_count; i++)
        if (result->terms[i].id != 0 && !query_has_vector(context, &result->terms[i]))
            cli_json_text(json, NULL, result->terms[i].text);
    cli_json_close(json);
}

void cli_query_json_error(const char *text, ng_status status)
{
    cli_json json;

    cli_json_begin(&json, stdout);
    cli_json_object(&json, NULL);
    cli_json_text(&json, "query", text);
    cli_json_object(&json, "error");
    cli_json_text(&json, "code", ng_status_name(status));
    cli_json_text(&json, "message", ng_last_error());
    cli_json_close(&json);
    cli_json_close(&json);
    cli_json_end(&json);
}
