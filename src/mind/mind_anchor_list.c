/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Built-in anchors and a user's file as one list. */
#include "mind/mind_anchor_list.h"

#include "base/base_limits.h"
#include "mind/mind_gzip.h"
#include "mind/mind_text.h"
#include "model/model_number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_FIELDS_MAX (2 + NGI_ANCHOR_VALUES_MAX)

typedef struct list_field {
    const char *text;
    size_t bytes;
} list_field;

typedef struct list_file {
    ngi_mem *mem;
    ngi_reader reader;
    ngi_anchors *anchors;
    size_t count; /* of anchors in it */
} list_file;

void ngi_anchors_release(ngi_mem *mem, ngi_anchors *anchors)
{
    ngi_strings_release(mem, &anchors->words);
    ngi_keys_release(mem, &anchors->index);
    ngi_free(mem, anchors->list, anchors->capacity * sizeof *anchors->list);
    *anchors = (ngi_anchors){0};
}

static ng_status list_grow(ngi_mem *mem, ngi_anchors *anchors)
{
    size_t larger = anchors->capacity == 0 ? 1024 : anchors->capacity * 2;
    void *block = anchors->list;
    ng_status status = ngi_resize(mem, &block, anchors->capacity * sizeof *anchors->list,
                                  larger * sizeof *anchors->list, "anchors");
    if (status == NG_OK) {
        anchors->list = block;
        anchors->capacity = larger;
    }
    return status;
}

/* The entry of a word in a modality: a new one, with line 0, or the one that is there. */
static ng_status list_entry(ngi_mem *mem, ngi_anchors *anchors, ng_modality modality,
                            const char *word, size_t bytes, ngi_anchor **out)
{
    uint32_t number, position;
    bool is_new;
    ng_status status = ngi_strings_add(mem, &anchors->words, word, bytes, &number, &is_new);
    if (status != NG_OK)
        return status;
    uint64_t key = ((uint64_t)number + 1) * NG_MODALITY_COUNT + (uint64_t)modality;
    if (ngi_keys_get(&anchors->index, key, &position)) {
        *out = &anchors->list[position];
        return NG_OK;
    }
    if (anchors->count == anchors->capacity)
        status = list_grow(mem, anchors);
    if (status == NG_OK)
        status = ngi_keys_put(mem, &anchors->index, key, (uint32_t)anchors->count, &is_new);
    if (status != NG_OK)
        return status;
    *out = &anchors->list[anchors->count++];
    **out = (ngi_anchor){.word = number, .modality = modality};
    return NG_OK;
}

ng_status ngi_anchors_add_built_in(ngi_mem *mem, ngi_anchors *anchors)
{
    ng_status status = NG_OK;
    for (int m = 0; m < NG_MODALITY_COUNT; m++) {
        size_t count;
        const ngi_anchor_entry *words = ngi_anchor_words((ng_modality)m, &count);
        for (size_t i = 0; i < count && status == NG_OK; i++) {
            ngi_anchor *anchor;
            status = list_entry(mem, anchors, (ng_modality)m, words[i].word, strlen(words[i].word),
                                &anchor);
            for (unsigned v = 0; v < NGI_ANCHOR_VALUES_MAX && status == NG_OK; v++)
                anchor->values[v] = (float)(words[i].values[v] / 100.0);
        }
    }
    return status;
}

/* --- a file ---------------------------------------------------------------------------------- */

static bool list_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static list_field list_trim(const char *begin, const char *end)
{
    while (begin < end && list_is_blank(*begin))
        begin++;
    while (end > begin && list_is_blank(end[-1]))
        end--;
    return (list_field){begin, (size_t)(end - begin)};
}

/* Splits a line; a field too many is counted and not kept. */
static size_t list_split(const char *text, size_t bytes, list_field fields[LIST_FIELDS_MAX])
{
    const char *end = text + bytes;
    char separator = memchr(text, '\t', bytes) != NULL ? '\t' : ',';
    size_t count = 0;
    for (;;) {
        const char *stop = memchr(text, separator, (size_t)(end - text));
        if (count < LIST_FIELDS_MAX)
            fields[count] = list_trim(text, stop != NULL ? stop : end);
        count++;
        if (stop == NULL)
            return count;
        text = stop + 1;
    }
}

static ng_status list_value(const ng_modality_info *info, unsigned index, const list_field *field,
                            float *out)
{
    ngi_excerpt excerpt = ngi_text_excerpt(field->text, field->bytes);
    const char *end;
    ngi_number_status number = ngi_number_parse_float(field->text, &end, out);
    if (number == NGI_NUMBER_GARBAGE || end != field->text + field->bytes)
        return ngi_fail(NG_E_FORMAT, "%s: '%s' is not a number", info->values[index], excerpt.text);
    if (number != NGI_NUMBER_OK || *out < info->low || *out > info->high)
        return ngi_fail(NG_E_FORMAT, "%s %s is outside %g..%g", info->values[index], excerpt.text,
                        (double)info->low, (double)info->high);
    return NG_OK;
}

/* The word of a line, folded as labels are. */
static ng_status list_word(const list_field *field, char *out, size_t *bytes)
{
    ng_status status = ngi_text_fold(field->text, field->bytes, out, NGI_LABEL_BYTES_MAX, bytes);
    if (status == NG_E_LIMIT)
        return ngi_fail(NG_E_FORMAT, "the word is longer than %d bytes", NGI_LABEL_BYTES_MAX);
    if (status != NG_OK)
        return ngi_fail(NG_E_FORMAT, "the word is not valid UTF-8");
    return *bytes > 0 ? NG_OK : ngi_fail(NG_E_FORMAT, "the word is empty");
}

static ng_status list_put(list_file *file, ng_modality modality, const char *word, size_t bytes,
                          const float values[NGI_ANCHOR_VALUES_MAX])
{
    ngi_anchor *anchor;
    if (file->count == NGI_ANCHORS_MAX)
        return ngi_fail(NG_E_LIMIT, "more than %u anchors", NGI_ANCHORS_MAX);
    ng_status status = list_entry(file->mem, file->anchors, modality, word, bytes, &anchor);
    if (status != NG_OK)
        return status;
    if (anchor->line != 0)
        return ngi_fail(NG_E_FORMAT, "'%s' of %s stands in line %" PRIu64 " already",
                        ngi_text_excerpt(word, bytes).text, ngi_modality(modality)->name,
                        anchor->line);
    anchor->line = file->reader.line;
    memcpy(anchor->values, values, sizeof anchor->values);
    file->count++;
    return NG_OK;
}

static ng_status list_line(list_file *file, const ngi_line *line)
{
    list_field all = list_trim(line->text, line->text + line->bytes);
    list_field fields[LIST_FIELDS_MAX] = {0};
    float values[NGI_ANCHOR_VALUES_MAX] = {0};
    char word[NGI_LABEL_BYTES_MAX];
    size_t bytes;
    ng_modality modality;
    if (all.bytes == 0 || *all.text == '#')
        return NG_OK;
    size_t count = list_split(line->text, line->bytes, fields);
    ng_status status = ngi_modality_parse(fields[0].text, fields[0].bytes, &modality);
    if (status != NG_OK)
        return status;
    const ng_modality_info *info = ngi_modality(modality);
    if (count != 2 + info->value_count)
        return ngi_fail(NG_E_FORMAT, "expected %s, a word and %u numbers, got %zu fields",
                        info->name, info->value_count, count);
    status = list_word(&fields[1], word, &bytes);
    for (unsigned v = 0; v < info->value_count && status == NG_OK; v++)
        status = list_value(info, v, &fields[2 + v], &values[v]);
    return status != NG_OK ? status : list_put(file, modality, word, bytes, values);
}

/* What is wrong with a line, with its place. */
static ng_status list_fail(const list_file *file, ng_status status)
{
    char message[1024];
    if (status != NG_E_FORMAT && status != NG_E_INVALID && status != NG_E_LIMIT)
        return status;
    snprintf(message, sizeof message, "%s", ngi_last_error());
    return ngi_fail(status == NG_E_LIMIT ? status : NG_E_FORMAT, "%s line %" PRIu64 ": %s",
                    file->reader.path, file->reader.line, message);
}

ng_status ngi_anchors_read(ngi_mem *mem, ngi_os *os, const char *path, ngi_anchors *anchors)
{
    list_file file = {.mem = mem, .anchors = anchors};
    bool end = false;
    ng_status status = ngi_gzip_reader_open(&file.reader, os, mem, path);
    while (status == NG_OK) {
        ngi_line line;
        status = ngi_reader_line(&file.reader, &line, &end);
        if (status != NG_OK || end)
            break;
        status = list_fail(&file, list_line(&file, &line));
    }
    ngi_reader_close(&file.reader);
    return status;
}
