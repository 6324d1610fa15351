/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Says where a text stops being JSON.
 *
 * simdjson is fast because it does not know where it failed; this scanner runs only after it has
 * refused a text, so that the client is told a byte and a reason. A stack of two bits a level
 * replaces recursion.
 *
 * Invariants
 * 1. `at <= end`; every loop advances `at` or leaves.
 * 2. depth <= NGS_JSON_DEPTH_MAX, bit d of `objects` says that level d is an object. */
#include "json_in.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

typedef struct check_state {
    const char *begin;
    const char *at;
    const char *end;
    uint64_t objects;
    unsigned depth;
    const char *problem; /* NULL while all is well */
} check_state;

_Static_assert(NGS_JSON_DEPTH_MAX < 64, "one word holds the stack");

static bool check_fail(check_state *state, const char *problem)
{
    if (state->problem == NULL)
        state->problem = problem;
    return false;
}

static void check_blanks(check_state *state)
{
    while (state->at < state->end && memchr(" \t\r\n", *state->at, 4) != NULL)
        state->at++;
}

static bool check_escape(check_state *state)
{
    if (state->end - state->at < 2)
        return check_fail(state, "the string does not end");
    char kind = state->at[1];
    if (kind != 'u') {
        if (kind == '\0' || strchr("\"\\/bfnrt", kind) == NULL)
            return check_fail(state, "unknown escape in a string");
        state->at += 2;
        return true;
    }
    for (int i = 2; i < 6; i++) {
        if (state->end - state->at <= i)
            return check_fail(state, "the string does not end");
        char c = state->at[i];
        if (c == '\0' || strchr("0123456789abcdefABCDEF", c) == NULL)
            return check_fail(state, "\\u needs four hexadecimal digits");
    }
    state->at += 6;
    return true;
}

/* The value of the \uXXXX before `at`. */
static unsigned long check_unit(const check_state *state)
{
    char digits[5] = {0};
    memcpy(digits, state->at - 4, 4);
    return strtoul(digits, NULL, 16);
}

static bool check_surrogate(check_state *state)
{
    const char *first = state->at;
    if (!check_escape(state))
        return false;
    if (first[1] != 'u')
        return true;
    unsigned long unit = check_unit(state);
    if (unit < 0xD800 || unit > 0xDFFF)
        return true;
    if (unit <= 0xDBFF && state->end - state->at >= 6 && state->at[0] == '\\' &&
        state->at[1] == 'u') {
        if (!check_escape(state))
            return false;
        unsigned long low = check_unit(state);
        if (low >= 0xDC00 && low <= 0xDFFF)
            return true;
    }
    state->at = first;
    return check_fail(state, "half of a surrogate pair");
}

static bool check_string(check_state *state)
{
    state->at++;
    while (state->at < state->end) {
        unsigned char c = (unsigned char)*state->at;
        if (c == '"') {
            state->at++;
            return true;
        }
        if (c == '\\') {
            if (!check_surrogate(state))
                return false;
            continue;
        }
        if (c < 0x20)
            return check_fail(state, "control character in a string");
        size_t length =
            ngs_utf8_length((const unsigned char *)state->at, (size_t)(state->end - state->at));
        if (length == 0)
            return check_fail(state, "not UTF-8");
        state->at += length;
    }
    return check_fail(state, "the string does not end");
}

static size_t check_digits(check_state *state)
{
    const char *first = state->at;
    while (state->at < state->end && *state->at >= '0' && *state->at <= '9')
        state->at++;
    return (size_t)(state->at - first);
}

/* Whether the number of `count` characters at `first` fits a double, or 64 bits if whole. */
static bool check_fits(const char *first, size_t count, bool whole)
{
    char text[512];
    if (count >= sizeof text)
        return !whole; /* simdjson has accepted or refused it by value; only length is known here */
    memcpy(text, first, count);
    text[count] = '\0';
    if (!whole)
        return isfinite(strtod(text, NULL));
    errno = 0;
    if (text[0] == '-')
        (void)strtoll(text, NULL, 10);
    else
        (void)strtoull(text, NULL, 10);
    return errno == 0;
}

static bool check_number(check_state *state)
{
    const char *first = state->at;
    bool whole = true;
    if (*state->at == '-')
        state->at++;
    const char *digits = state->at;
    size_t count = check_digits(state);
    if (count == 0)
        return check_fail(state, "a digit is missing");
    if (count > 1 && *digits == '0') {
        state->at = first;
        return check_fail(state, "a number begins with 0");
    }
    if (state->at < state->end && *state->at == '.') {
        whole = false;
        state->at++;
        if (check_digits(state) == 0)
            return check_fail(state, "a digit is missing after the point");
    }
    if (state->at < state->end && (*state->at == 'e' || *state->at == 'E')) {
        whole = false;
        state->at++;
        if (state->at < state->end && (*state->at == '+' || *state->at == '-'))
            state->at++;
        if (check_digits(state) == 0)
            return check_fail(state, "a digit is missing in the exponent");
    }
    if (!check_fits(first, (size_t)(state->at - first), whole)) {
        state->at = first;
        return check_fail(state, "the number is too large");
    }
    return true;
}

static bool check_word(check_state *state)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(state->end - state->at) >= length &&
            memcmp(state->at, words[i], length) == 0) {
            state->at += length;
            return true;
        }
    }
    return check_fail(state, "a value is expected (NaN and Infinity are not JSON)");
}

static bool check_key(check_state *state)
{
    check_blanks(state);
    if (state->at >= state->end || *state->at != '"')
        return check_fail(state, "a key in quotes is expected");
    if (!check_string(state))
        return false;
    check_blanks(state);
    if (state->at >= state->end || *state->at != ':')
        return check_fail(state, "':' is expected after a key");
    state->at++;
    return true;
}

/* Opens a container; `*value_next` tells whether a value must follow (it is not empty). */
static bool check_open(check_state *state, bool *value_next)
{
    bool object = *state->at == '{';
    if (state->depth == NGS_JSON_DEPTH_MAX)
        return check_fail(state, "nested too deeply (the limit is 32)");
    state->depth++;
    state->objects = (state->objects << 1) | (object ? 1u : 0u);
    state->at++;
    check_blanks(state);
    *value_next = state->at >= state->end || *state->at != (object ? '}' : ']');
    return !(*value_next && object) || check_key(state);
}

/* After a value: closes what ends here, or takes the comma. False at the end or a problem. */
static bool check_after(check_state *state)
{
    while (state->depth > 0) {
        bool object = (state->objects & 1) != 0;
        check_blanks(state);
        if (state->at >= state->end)
            return check_fail(state, object ? "the object does not end" : "the array does not end");
        char c = *state->at;
        if (c == ',') {
            state->at++;
            return !object || check_key(state);
        }
        if (c != (object ? '}' : ']'))
            return check_fail(state, object ? "',' or '}' is expected" : "',' or ']' is expected");
        state->at++;
        state->depth--;
        state->objects >>= 1;
    }
    check_blanks(state);
    if (state->at < state->end)
        return check_fail(state, "text after the document");
    return false;
}

static bool check_value(check_state *state)
{
    check_blanks(state);
    if (state->at >= state->end)
        return check_fail(state, state->at == state->begin || state->depth == 0
                                     ? "the text is empty"
                                     : "a value is expected");
    char c = *state->at;
    if (c == '"')
        return check_string(state);
    if (c == '-' || (c >= '0' && c <= '9'))
        return check_number(state);
    return check_word(state);
}

bool ngs_json_locate(const char *bytes, size_t count, ngs_json_error *error)
{
    check_state state = {.begin = bytes, .at = bytes, .end = bytes + count};
    for (bool more = true; more;) {
        bool value_next = true;
        check_blanks(&state);
        if (state.at < state.end && (*state.at == '{' || *state.at == '[')) {
            if (!check_open(&state, &value_next))
                break;
            if (value_next)
                continue;
        } else if (!check_value(&state)) {
            break;
        }
        more = check_after(&state);
    }
    if (state.problem == NULL)
        return false;
    error->offset = (size_t)(state.at - bytes);
    snprintf(error->message, sizeof error->message, "%s", state.problem);
    return true;
}
