/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bodies and parameters of requests: from bytes to checked values, with the path of every field that
 * is wrong.
 *
 * The readers note problems in the request instead of failing, so one answer lists all of them;
 * the caller asks ngs_problems_reply when it has read everything. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_private.h"

static bool body_malformed(ngs_request *request, const ngs_json_error *error)
{
    if (error->message[0] == '\0') {
        ngs_reply_status_text(request, NG_E_NOMEM, "no memory to parse the body");
        return false;
    }
    char field[64];
    snprintf(field, sizeof field, "body[%zu]", error->offset);
    ngs_problem(request, field, "json_invalid", "malformed JSON: %s", error->message);
    ngs_problems_reply(request);
    return false;
}

bool ngs_body_open(ngs_request *request, ngs_json_parser **parser, ngs_json_walk *walk)
{
    *parser = NULL;
    if (request->body_size == 0) {
        ngs_problem(request, "body", "missing",
                    "a JSON object is required; {} takes every default");
        ngs_problems_reply(request);
        return false;
    }
    ngs_json_value root;
    ngs_json_error error = {0};
    *parser = ngs_parser_take(request->server);
    if (*parser == NULL ||
        !ngs_json_parse(*parser, request->body, request->body_size, &root, &error)) {
        body_malformed(request, &error);
    } else if (ngs_json_type_of(root) != NGS_JSON_OBJECT) {
        ngs_wrong_type(request, root, "body", "an object");
        ngs_problems_reply(request);
    } else if (ngs_json_begin(root, walk)) {
        return true;
    }
    if (*parser != NULL)
        ngs_parser_give(request->server, *parser);
    *parser = NULL;
    return false;
}

void ngs_wrong_type(ngs_request *request, ngs_json_value value, const char *field,
                    const char *expected)
{
    ngs_problem(request, field, "type_error", "%s is expected, not %s", expected,
                ngs_json_type_name(ngs_json_type_of(value)));
}

void ngs_unknown_field(ngs_request *request, const char *key, size_t key_count, bool twice)
{
    char field[80];
    snprintf(field, sizeof field, "body.%.*s", (int)(key_count < 64 ? key_count : 64), key);
    if (twice)
        ngs_problem(request, field, "duplicate_field", "the field occurs twice");
    else
        ngs_problem(request, field, "unknown_field", "no such field");
}

bool ngs_read_float(ngs_request *request, ngs_json_value value, const char *field, double min,
                    double max, float *out)
{
    double number;
    if (!ngs_json_double(value, &number)) {
        ngs_wrong_type(request, value, field, "a number");
        return false;
    }
    /* Compared as float32, so that 2.55 is inside 0..2.55 whichever way it was rounded. */
    if ((float)number < (float)min || (float)number > (float)max) {
        ngs_problem(request, field, "value_error", "%.9g is outside %.9g..%.9g", number, min, max);
        return false;
    }
    if (!isfinite((float)number)) {
        ngs_problem(request, field, "value_error", "%.9g does not fit a float32", number);
        return false;
    }
    *out = (float)number;
    return true;
}

bool ngs_read_u32(ngs_request *request, ngs_json_value value, const char *field, uint32_t min,
                  uint32_t max, uint32_t *out)
{
    int64_t signed_number = 0;
    uint64_t number = 0;
    bool negative = ngs_json_i64(value, &signed_number) && signed_number < 0;
    if (ngs_json_type_of(value) != NGS_JSON_INTEGER) {
        ngs_wrong_type(request, value, field, "an integer");
        return false;
    }
    if (negative) {
        ngs_problem(request, field, "value_error", "%lld is outside %u..%u",
                    (long long)signed_number, min, max);
        return false;
    }
    if (!ngs_json_u64(value, &number) || number < min || number > max) {
        ngs_problem(request, field, "value_error", "%llu is outside %u..%u",
                    (unsigned long long)number, min, max);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

bool ngs_read_id(ngs_request *request, ngs_json_value value, const char *field, uint64_t *out)
{
    uint64_t number = 0;
    if (ngs_json_type_of(value) != NGS_JSON_INTEGER) {
        ngs_wrong_type(request, value, field, "an integer");
        return false;
    }
    if (!ngs_json_u64(value, &number) || number == 0) {
        ngs_problem(request, field, "value_error", "the id is outside 1..2^64-1");
        return false;
    }
    *out = number;
    return true;
}

bool ngs_read_bool(ngs_request *request, ngs_json_value value, const char *field, bool *out)
{
    if (ngs_json_bool(value, out))
        return true;
    ngs_wrong_type(request, value, field, "a boolean");
    return false;
}

bool ngs_read_string(ngs_request *request, ngs_json_value value, const char *field,
                     const char **out, size_t *count)
{
    if (ngs_json_string(value, out, count))
        return true;
    ngs_wrong_type(request, value, field, "a string");
    return false;
}

void ngs_read_param(ngs_request *request, const ngs_param *param, uint64_t min, uint64_t max,
                    uint64_t *out)
{
    char field[64];
    size_t length = strspn(param->value, "0123456789");
    errno = 0;
    unsigned long long value = strtoull(param->value, NULL, 10);
    snprintf(field, sizeof field, "query.%s", param->name);
    if (length == 0 || param->value[length] != '\0')
        ngs_problem(request, field, "type_error",
                    "an integer in %llu..%llu is expected, not \"%.32s\"", (unsigned long long)min,
                    (unsigned long long)max, param->value);
    else if (errno != 0 || value < min || value > max)
        ngs_problem(request, field, "value_error", "%.32s is outside %llu..%llu", param->value,
                    (unsigned long long)min, (unsigned long long)max);
    *out = value;
}

float *ngs_read_numbers(ngs_request *request, ngs_json_value value, const char *field,
                        size_t *count)
{
    ngs_json_walk walk;
    ngs_json_value element;
    *count = 0;
    if (ngs_json_type_of(value) != NGS_JSON_ARRAY || !ngs_json_begin(value, &walk)) {
        ngs_wrong_type(request, value, field, "an array of numbers");
        return NULL;
    }
    float *numbers = malloc(NGS_DIMENSIONS_MAX * sizeof *numbers);
    if (numbers == NULL) {
        ngs_problem(request, field, "memory", "no memory for a vector");
        return NULL;
    }
    while (ngs_json_next(&walk, NULL, NULL, &element)) {
        char path[NGS_FIELD_CHARS];
        snprintf(path, sizeof path, "%s[%zu]", field, *count);
        if (*count == NGS_DIMENSIONS_MAX)
            ngs_problem(request, field, "value_error", "more than %d dimensions",
                        NGS_DIMENSIONS_MAX);
        if (*count == NGS_DIMENSIONS_MAX ||
            !ngs_read_float(request, element, path, -HUGE_VAL, HUGE_VAL, &numbers[*count])) {
            free(numbers);
            *count = 0;
            return NULL;
        }
        ++*count;
    }
    if (*count == 0) {
        ngs_problem(request, field, "value_error",
                    "0 dimensions is outside 1..%d; null means no vector", NGS_DIMENSIONS_MAX);
        free(numbers);
        return NULL;
    }
    /* A batch may have thousands of them. */
    float *fitting = realloc(numbers, *count * sizeof *numbers);
    return fitting != NULL ? fitting : numbers;
}
