/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Typed values of declared fields, by one pass over a payload for all of them. */
#include "model/model_fields.h"

#include "model/model_json.h"
#include "model/model_token.h"

#include <math.h>
#include <string.h>

/* --- keys ------------------------------------------------------------------------------------ */

uint64_t ngi_field_key_integer(int64_t value)
{
    return (uint64_t)value ^ UINT64_C(1) << 63; /* the least one becomes 0: none */
}

uint64_t ngi_field_key_float(double value)
{
    uint64_t bits;
    if (isnan(value))
        return 0;
    value += 0.0; /* -0 is 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/* --- time ------------------------------------------------------------------------------------ */

/* `count` digits. */
static bool time_digits(const char **at, const char *end, int count, int *out)
{
    int value = 0;
    if (end - *at < count)
        return false;
    for (int i = 0; i < count; i++) {
        char c = *(*at)++;
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *out = value;
    return true;
}

static bool time_char(const char **at, const char *end, char wanted)
{
    if (*at == end || **at != wanted)
        return false;
    ++*at;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; by eras of 400 years, after H. Hinnant. */
static int64_t time_days(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool time_date(const char **at, const char *end, int64_t *days)
{
    static const int8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!time_digits(at, end, 4, &year) || !time_char(at, end, '-') ||
        !time_digits(at, end, 2, &month) || !time_char(at, end, '-') ||
        !time_digits(at, end, 2, &day) || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (month == 2 && leap))
        return false;
    *days = time_days(year, month, day);
    return true;
}

/* Up to six decimals count, any number may stand there. */
static bool time_fraction(const char **at, const char *end, int64_t *out_us)
{
    int64_t unit = 100000, us = 0;
    const char *begin = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at, unit /= 10)
        us += (**at - '0') * unit;
    *out_us = us;
    return *at > begin;
}

/* "Z", or the hours and minutes by which the place is ahead. */
static bool time_zone(const char **at, const char *end, int64_t *ahead_s)
{
    int hours, minutes;
    *ahead_s = 0;
    if (*at < end && (**at == 'Z' || **at == 'z')) {
        ++*at;
        return true;
    }
    if (*at == end || (**at != '+' && **at != '-'))
        return false;
    int sign = *(*at)++ == '-' ? -1 : 1;
    if (!time_digits(at, end, 2, &hours) || !time_char(at, end, ':') ||
        !time_digits(at, end, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ahead_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool ngi_field_parse_time(const char *text, size_t bytes, int64_t *out_us)
{
    const char *at = text, *end = text + bytes;
    int64_t days, us = 0, ahead_s;
    int hour, minute, second;
    if (!time_date(&at, end, &days))
        return false;
    if (at == end) {
        *out_us = days * 86400 * 1000000;
        return true;
    }
    if (!(time_char(&at, end, 'T') || time_char(&at, end, 't') || time_char(&at, end, ' ')) ||
        !time_digits(&at, end, 2, &hour) || !time_char(&at, end, ':') ||
        !time_digits(&at, end, 2, &minute) || !time_char(&at, end, ':') ||
        !time_digits(&at, end, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (time_char(&at, end, '.') && !time_fraction(&at, end, &us))
        return false;
    if (!time_zone(&at, end, &ahead_s) || at != end)
        return false;
    int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - ahead_s;
    *out_us = seconds * 1000000 + us;
    return true;
}

/* --- numbers, from their text ---------------------------------------------------------------- */

/* The digits at `*at`, as long as the value is at most `most`. */
static bool number_digits(const char **at, const char *end, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    const char *begin = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return *at > begin;
}

static uint64_t key_of_integer(const char *text, size_t bytes)
{
    const char *at = text, *end = text + bytes;
    uint64_t value;
    bool negative = time_char(&at, end, '-');
    if (!number_digits(&at, end, INT64_MAX, &value) || at != end)
        return 0;
    return ngi_field_key_integer(negative ? -(int64_t)value : (int64_t)value);
}

static uint64_t key_of_seconds(const char *text, size_t bytes)
{
    const char *at = text, *end = text + bytes;
    uint64_t seconds;
    int64_t us = 0;
    bool negative = time_char(&at, end, '-');
    if (!number_digits(&at, end, INT64_MAX / 1000000 - 1, &seconds))
        return 0;
    if (time_char(&at, end, '.') && !time_fraction(&at, end, &us))
        return 0;
    if (at != end)
        return 0;
    int64_t value = (int64_t)seconds * 1000000 + us;
    return ngi_field_key_integer(negative ? -value : value);
}

/* --- declarations ---------------------------------------------------------------------------- */

const char *ngi_field_type_name(ng_index_type type)
{
    static const char *const names[] = {NULL, "keyword", "integer", "float", "time"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : NULL;
}

static ng_status field_check_name(const char *name)
{
    size_t bytes = strnlen(name, NGI_COLLECTION_NAME_MAX + 1);
    if (bytes < 1 || bytes > NGI_COLLECTION_NAME_MAX)
        return ngi_fail(NG_E_INVALID, "index name of %zu bytes is outside 1..%d", bytes,
                        NGI_COLLECTION_NAME_MAX);
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != bytes)
        return ngi_fail(NG_E_INVALID, "index name '%s' has a character outside [a-z0-9_.-]", name);
    return NG_OK;
}

ng_status ngi_field_validate(const ngi_field_spec *spec)
{
    ng_status status = field_check_name(spec->name);
    if (status != NG_OK)
        return status;
    if (ngi_field_type_name(spec->type) == NULL)
        return ngi_fail(NG_E_INVALID, "index type %u is outside 1..4", (unsigned)spec->type);
    size_t bytes = strnlen(spec->path, NGI_FIELD_PATH_MAX + 1);
    status = ngi_name_validate("index path", spec->path, bytes, NGI_FIELD_PATH_MAX);
    if (status != NG_OK)
        return status;
    unsigned levels = 1;
    for (const char *at = spec->path; *at != '\0'; at++)
        levels += *at == '.';
    bool empty_key =
        spec->path[0] == '.' || spec->path[bytes - 1] == '.' || strstr(spec->path, "..") != NULL;
    if (levels > NGI_FIELD_LEVELS_MAX || empty_key)
        return ngi_fail(NG_E_INVALID, "index path '%s' does not name 1..%d keys", spec->path,
                        NGI_FIELD_LEVELS_MAX);
    return NG_OK;
}

/* --- extraction ------------------------------------------------------------------------------ */

typedef struct extraction {
    const ngi_field_spec *const *specs;
    size_t count;
    ngi_field_value *out;
    ngi_json json;
    unsigned depth;                  /* of the object that is being read */
    uint8_t matched[NGI_FIELDS_MAX]; /* keys of each path that lead to this place */
    const char *begin[NGI_FIELDS_MAX][NGI_FIELD_LEVELS_MAX + 1]; /* of the key for each depth */
} extraction;

/* After a key: which paths go on here. Path i has matched `depth - 1` keys before. */
static bool extraction_key(extraction *job)
{
    bool any = false;
    for (size_t i = 0; i < job->count; i++) {
        if (job->specs[i] == NULL || job->matched[i] + 1u < job->depth)
            continue;
        const char *key = job->begin[i][job->depth];
        size_t bytes = key != NULL ? strcspn(key, ".") : 0;
        bool same = key != NULL && !job->json.is_text_cut && bytes == job->json.text_bytes &&
                    memcmp(key, job->json.text, bytes) == 0;
        job->matched[i] = (uint8_t)(same ? job->depth : job->depth - 1);
        any |= same;
        if (same && job->depth < NGI_FIELD_LEVELS_MAX)
            job->begin[i][job->depth + 1] = key[bytes] == '.' ? key + bytes + 1 : NULL;
    }
    return any;
}

static uint64_t extraction_value(const extraction *job, ng_index_type type, ngi_json_event event,
                                 ngi_field_value *value)
{
    const ngi_json *json = &job->json;
    int64_t us;
    bool is_number = event == NGI_JSON_NUMBER;
    switch (type) {
    case NG_INDEX_KEYWORD: {
        const char *text = event == NGI_JSON_TRUE    ? "true"
                           : event == NGI_JSON_FALSE ? "false"
                                                     : NULL;
        size_t bytes = text != NULL ? strlen(text) : json->text_bytes;
        if (text == NULL && event == NGI_JSON_STRING && !json->is_text_cut)
            text = json->text;
        if (text == NULL || bytes < 1 || bytes > NGI_KEYWORD_BYTES_MAX)
            return 0;
        memcpy(value->text, text, bytes);
        value->text_bytes = (uint16_t)bytes;
        return 1;
    }
    case NG_INDEX_INTEGER:
        return is_number ? key_of_integer(json->number_text, json->number_bytes) : 0;
    case NG_INDEX_FLOAT:
        return is_number ? ngi_field_key_float(json->number) : 0;
    case NG_INDEX_TIME:
        if (event == NGI_JSON_STRING && !json->is_text_cut &&
            ngi_field_parse_time(json->text, json->text_bytes, &us))
            return ngi_field_key_integer(us);
        return is_number ? key_of_seconds(json->number_text, json->number_bytes) : 0;
    }
    return 0;
}

/* A value behind a key that some path has matched. `seen` bit i: path i has been there. */
static void extraction_take(extraction *job, ngi_json_event event, uint32_t *seen)
{
    for (size_t i = 0; i < job->count; i++) {
        bool is_end = job->specs[i] != NULL && job->matched[i] == job->depth &&
                      (job->depth == NGI_FIELD_LEVELS_MAX || job->begin[i][job->depth + 1] == NULL);
        if (!is_end || (*seen >> i & 1) != 0)
            continue;
        *seen |= UINT32_C(1) << i;
        job->out[i].key = extraction_value(job, job->specs[i]->type, event, &job->out[i]);
    }
}

/* Reads the document to its end; false if it is not one. */
static bool extraction_run(extraction *job)
{
    ngi_json_event event;
    uint32_t seen = 0;
    bool matches = false;
    if (ngi_json_next(&job->json, &event) != NG_OK || event != NGI_JSON_OBJECT_BEGIN)
        return false;
    for (job->depth = 1; job->depth > 0;) {
        if (ngi_json_next(&job->json, &event) != NG_OK)
            return false;
        if (event == NGI_JSON_KEY) {
            matches = extraction_key(job);
            continue;
        }
        if (event == NGI_JSON_OBJECT_END) {
            job->depth--;
            for (size_t i = 0; i < job->count && job->depth > 0; i++)
                if (job->matched[i] >= job->depth)
                    job->matched[i] = (uint8_t)(job->depth - 1);
            continue;
        }
        if (matches)
            extraction_take(job, event, &seen);
        bool goes_in =
            matches && event == NGI_JSON_OBJECT_BEGIN && job->depth < NGI_FIELD_LEVELS_MAX;
        if (goes_in)
            job->depth++;
        else if (ngi_json_skip(&job->json, event) != NG_OK)
            return false;
    }
    return ngi_json_next(&job->json, &event) == NG_OK && event == NGI_JSON_END;
}

void ngi_fields_extract(const ngi_field_spec *const *specs, size_t count, const char *data,
                        size_t bytes, ngi_field_value *out)
{
    extraction job = {.specs = specs, .count = count, .out = out};
    ngi_reader reader;
    for (size_t i = 0; i < count; i++) {
        out[i].key = 0;
        if (specs[i] != NULL)
            job.begin[i][1] = specs[i]->path;
    }
    if (bytes == 0 || count == 0)
        return;
    ngi_reader_of_memory(&reader, data, bytes, "data");
    ngi_json_init(&job.json, &reader);
    if (extraction_run(&job))
        return;
    for (size_t i = 0; i < count; i++)
        out[i].key = 0;
}
