/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The reader of WordNet's data files: every field is checked where it is read, and every pointer
 * once all four files are in. */
#include "mind/mind_wordnet_private.h"

#include "base/base_limits.h"
#include "mind/mind_text.h"
#include "os/os_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORDNET_PATH_MAX 4096
#define WORDNET_WATCH_LINES 4096 /* lines between two questions whether to go on */
#define WORDNET_RECORDS_MAX (1u << 28)

static const char *const wordnet_file_names[WORDNET_PART_COUNT] = {"data.noun", "data.verb",
                                                                   "data.adj", "data.adv"};

/* Pointer symbols; see wninput(5WN). Core categories of connections: 0x0N Semantic, 0x10 Cause. */
static const struct wordnet_symbol {
    char text[3];
    uint8_t type;
    bool is_reversed;
} wordnet_symbols[] = {{"!", 0x01, false},  {"@", 0x02, false},  {"@i", 0x02, false},
                       {"~", 0x03, false},  {"~i", 0x03, false}, {"%m", 0x04, false},
                       {"%s", 0x04, false}, {"%p", 0x04, false}, {"#m", 0x05, false},
                       {"#s", 0x05, false}, {"#p", 0x05, false}, {"*", 0x07, false},
                       {"$", 0x08, false},  {"&", 0x08, false},  {"^", 0x09, false},
                       {"=", 0x0A, false},  {"+", 0x0B, false},  {"\\", 0x0B, false},
                       {"<", 0x0B, false},  {";c", 0x0C, false}, {";u", 0x0C, false},
                       {";r", 0x0C, false}, {"-c", 0x0C, true},  {"-u", 0x0C, true},
                       {"-r", 0x0C, true},  {">", 0x10, false}};

/* One line being read: fields are separated by single blanks. */
typedef struct wordnet_cursor {
    const char *path;
    uint64_t line;
    const char *at;
    bool is_terminated;
} wordnet_cursor;

typedef struct wordnet_field {
    const char *text;
    size_t bytes;
} wordnet_field;

static ng_status wordnet_fail(const wordnet_cursor *cursor, const char *what, wordnet_field field)
{
    if (!cursor->is_terminated)
        return ngi_fail(NG_E_FORMAT, "%s: ends in the middle of line %" PRIu64 " (truncated file)",
                        cursor->path, cursor->line);
    ngi_excerpt excerpt = ngi_text_excerpt(field.text, field.bytes);
    return ngi_fail(NG_E_FORMAT, "%s line %" PRIu64 ": '%s' is not %s", cursor->path, cursor->line,
                    excerpt.text, what);
}

static wordnet_field wordnet_take(wordnet_cursor *cursor)
{
    while (*cursor->at == ' ')
        cursor->at++;
    const char *begin = cursor->at;
    while (*cursor->at != ' ' && *cursor->at != 0)
        cursor->at++;
    return (wordnet_field){begin, (size_t)(cursor->at - begin)};
}

/* A number of exactly `digits` digits in base 10 or 16. */
static ng_status wordnet_take_number(wordnet_cursor *cursor, unsigned base, size_t digits,
                                     const char *what, uint32_t *out)
{
    wordnet_field field = wordnet_take(cursor);
    uint32_t value = 0;
    if (field.bytes != digits)
        return wordnet_fail(cursor, what, field);
    for (size_t i = 0; i < digits; i++) {
        char c = field.text[i];
        unsigned digit = 99;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        if (digit >= base)
            return wordnet_fail(cursor, what, field);
        value = value * base + digit;
    }
    *out = value;
    return NG_OK;
}

static ng_status wordnet_take_part(wordnet_cursor *cursor, wordnet_part *out)
{
    static const char letters[] = "nvars";
    static const wordnet_part parts[] = {WORDNET_NOUN, WORDNET_VERB, WORDNET_ADJECTIVE,
                                         WORDNET_ADVERB, WORDNET_ADJECTIVE};
    wordnet_field field = wordnet_take(cursor);
    const char *letter = field.bytes == 1 ? strchr(letters, *field.text) : NULL;
    if (letter == NULL)
        return wordnet_fail(cursor, "a part of speech (n, v, a, s, r)", field);
    *out = parts[letter - letters];
    return NG_OK;
}

static ng_status wordnet_append(ngi_mem *mem, wordnet_array *array, const void *record,
                                size_t bytes)
{
    if (array->count == WORDNET_RECORDS_MAX)
        return ngi_fail(NG_E_LIMIT, "a lexicon of more than %u records", WORDNET_RECORDS_MAX);
    ng_status status = ngi_buffer_reserve(mem, &array->buffer, bytes, "lexicon");
    if (status != NG_OK)
        return status;
    memcpy(array->buffer.data + array->buffer.bytes, record, bytes);
    array->buffer.bytes += bytes;
    array->count++;
    return NG_OK;
}

/* Bytes of a lemma without the syntactic marker that adjectives may carry. */
static size_t wordnet_unmarked(wordnet_field field)
{
    static const char *const markers[] = {"(p)", "(a)", "(ip)"};
    for (size_t i = 0; i < sizeof markers / sizeof markers[0]; i++) {
        size_t bytes = strlen(markers[i]);
        if (field.bytes > bytes && memcmp(field.text + field.bytes - bytes, markers[i], bytes) == 0)
            return field.bytes - bytes;
    }
    return field.bytes;
}

/* Folds a lemma: '_' to blank, the marker off. */
static ng_status wordnet_fold(const wordnet_cursor *cursor, wordnet_field field, char *out,
                              size_t *bytes)
{
    char plain[NGI_LABEL_BYTES_MAX];
    size_t n = wordnet_unmarked(field);
    if (n > sizeof plain)
        return wordnet_fail(cursor, "a word of at most 1024 bytes", field);
    for (size_t i = 0; i < n; i++)
        plain[i] = field.text[i] == '_' ? ' ' : field.text[i];
    ng_status status = ngi_text_fold(plain, n, out, NGI_LABEL_BYTES_MAX, bytes);
    if (status != NG_OK || *bytes == 0)
        return wordnet_fail(cursor, "a word", field);
    return NG_OK;
}

static ng_status wordnet_read_words(ngi_mem *mem, ngi_wordnet *wordnet, wordnet_cursor *cursor,
                                    uint32_t *word_count)
{
    ng_status status =
        wordnet_take_number(cursor, 16, 2, "a count of words (2 hexadecimal digits)", word_count);
    if (status != NG_OK)
        return status;
    if (*word_count == 0)
        return wordnet_fail(cursor, "a count of words from 1", (wordnet_field){"00", 2});
    for (uint32_t i = 0; i < *word_count; i++) {
        char folded[NGI_LABEL_BYTES_MAX];
        size_t bytes = 0;
        uint32_t number, lex_id;
        bool is_new;
        status = wordnet_fold(cursor, wordnet_take(cursor), folded, &bytes);
        if (status == NG_OK)
            status =
                wordnet_take_number(cursor, 16, 1, "a lexical id (a hexadecimal digit)", &lex_id);
        if (status == NG_OK)
            status = ngi_strings_add(mem, &wordnet->strings, folded, bytes, &number, &is_new);
        if (status == NG_OK)
            status = wordnet_append(mem, &wordnet->words, &number, sizeof number);
        if (status != NG_OK)
            return status;
    }
    return NG_OK;
}

static ng_status wordnet_read_symbol(wordnet_cursor *cursor, wordnet_pointer *pointer)
{
    wordnet_field field = wordnet_take(cursor);
    for (size_t i = 0; i < sizeof wordnet_symbols / sizeof wordnet_symbols[0]; i++) {
        const struct wordnet_symbol *symbol = &wordnet_symbols[i];
        if (field.bytes == strlen(symbol->text) &&
            memcmp(field.text, symbol->text, field.bytes) == 0) {
            pointer->type = symbol->type;
            pointer->is_reversed = symbol->is_reversed;
            return NG_OK;
        }
    }
    return wordnet_fail(cursor, "a pointer symbol", field);
}

static ng_status wordnet_read_pointer(ngi_mem *mem, ngi_wordnet *wordnet, wordnet_cursor *cursor,
                                      uint32_t word_count)
{
    wordnet_pointer pointer;
    wordnet_part part;
    uint32_t ends = 0;
    memset(&pointer, 0, sizeof pointer);
    ng_status status = wordnet_read_symbol(cursor, &pointer);
    if (status == NG_OK)
        status =
            wordnet_take_number(cursor, 10, 8, "a synset's offset (8 digits)", &pointer.target);
    if (status == NG_OK)
        status = wordnet_take_part(cursor, &part);
    const char *field = cursor->at + (*cursor->at == ' ');
    if (status == NG_OK)
        status =
            wordnet_take_number(cursor, 16, 4, "source and target (4 hexadecimal digits)", &ends);
    if (status != NG_OK)
        return status;
    pointer.part = (uint8_t)part;
    pointer.source_word = (uint8_t)(ends >> 8);
    pointer.target_word = (uint8_t)ends;
    if (pointer.source_word > word_count ||
        (pointer.source_word == 0) != (pointer.target_word == 0))
        return wordnet_fail(cursor, "source and target of a pointer of this synset",
                            (wordnet_field){field, 4});
    return wordnet_append(mem, &wordnet->pointers, &pointer, sizeof pointer);
}

static ng_status wordnet_read_pointers(ngi_mem *mem, ngi_wordnet *wordnet, wordnet_cursor *cursor,
                                       uint32_t word_count)
{
    uint32_t count = 0;
    ng_status status = wordnet_take_number(cursor, 10, 3, "a count of pointers (3 digits)", &count);
    for (uint32_t i = 0; status == NG_OK && i < count; i++)
        status = wordnet_read_pointer(mem, wordnet, cursor, word_count);
    return status;
}

static ng_status wordnet_read_synset(ngi_mem *mem, ngi_wordnet *wordnet, wordnet_cursor *cursor,
                                     wordnet_part part)
{
    wordnet_synset synset = {.first_word = wordnet->words.count,
                             .first_pointer = wordnet->pointers.count,
                             .line = (uint32_t)cursor->line,
                             .part = (uint8_t)part};
    uint32_t offset = 0, lex_file, word_count = 0;
    wordnet_part stated_part = part;
    bool is_new;
    wordnet_field first = {cursor->at, strcspn(cursor->at, " ")};

    ng_status status = wordnet_take_number(cursor, 10, 8, "a synset's offset (8 digits)", &offset);
    if (status == NG_OK)
        status = wordnet_take_number(cursor, 10, 2, "a lexicographer file (2 digits)", &lex_file);
    if (status == NG_OK)
        status = wordnet_take_part(cursor, &stated_part);
    if (status == NG_OK && stated_part != part)
        return wordnet_fail(cursor, "the part of speech of this file",
                            (wordnet_field){cursor->at - 1, 1});
    if (status == NG_OK)
        status = wordnet_read_words(mem, wordnet, cursor, &word_count);
    if (status == NG_OK)
        status = wordnet_read_pointers(mem, wordnet, cursor, word_count);
    if (status == NG_OK && strchr(cursor->at, '|') == NULL)
        return wordnet_fail(cursor, "followed by a gloss", first);
    if (status == NG_OK)
        status = ngi_keys_put(mem, &wordnet->by_offset, (uint64_t)(part + 1) << 32 | offset,
                              wordnet->synsets.count, &is_new);
    if (status == NG_OK && !is_new)
        return wordnet_fail(cursor, "the offset of one synset only", first);
    if (status == NG_OK)
        status = wordnet_append(mem, &wordnet->synsets, &synset, sizeof synset);
    return status;
}

static ng_status wordnet_join(const char *directory, wordnet_part part, char path[WORDNET_PATH_MAX])
{
    size_t bytes = strlen(directory);
    const char *slash = bytes > 0 && directory[bytes - 1] == '/' ? "" : "/";
    int n = snprintf(path, WORDNET_PATH_MAX, "%s%s%s", directory, slash, wordnet_file_names[part]);
    if (n < 0 || n >= WORDNET_PATH_MAX)
        return ngi_fail(NG_E_INVALID, "path of %zu bytes is too long", bytes);
    return NG_OK;
}

static ng_status wordnet_read_file(ngi_mem *mem, const char *path, ngi_reader *reader,
                                   const ngi_wordnet_watch *watch, ngi_wordnet *wordnet,
                                   wordnet_part part)
{
    for (;;) {
        ngi_line line;
        bool end;
        ng_status status = ngi_reader_line(reader, &line, &end);
        if (status != NG_OK || end)
            return status;
        if (watch != NULL && reader->line % WORDNET_WATCH_LINES == 0) {
            status = watch->step(watch->context, wordnet->strings.count);
            if (status != NG_OK)
                return status;
        }
        if (line.bytes == 0 || *line.text == ' ')
            continue;
        wordnet_cursor cursor = {path, reader->line, line.text, line.is_terminated};
        status = wordnet_read_synset(mem, wordnet, &cursor, part);
        if (status != NG_OK)
            return status;
    }
}

static ng_status wordnet_fail_pointer(const char *directory, const wordnet_synset *synset,
                                      const char *what, uint32_t target)
{
    char path[WORDNET_PATH_MAX];
    ng_status status = wordnet_join(directory, synset->part, path);
    if (status != NG_OK)
        return status;
    return ngi_fail(NG_E_FORMAT, "%s line %" PRIu32 ": a pointer to %s %08" PRIu32 ", which %s",
                    path, synset->line, "synset", target, what);
}

/* Replaces the offsets of targets by indexes, and checks that they and their words exist. */
static ng_status wordnet_resolve(const char *directory, ngi_wordnet *wordnet)
{
    for (uint32_t s = 0; s < wordnet_synset_count(wordnet); s++) {
        const wordnet_synset *synset = wordnet_synset_at(wordnet, s);
        for (uint32_t i = synset->first_pointer; i < synset[1].first_pointer; i++) {
            wordnet_pointer *p = wordnet_pointer_at(wordnet, i);
            uint32_t target;
            uint64_t key = (uint64_t)(p->part + 1) << 32 | p->target;
            if (!ngi_keys_get(&wordnet->by_offset, key, &target))
                return wordnet_fail_pointer(directory, synset, "does not exist", p->target);
            const wordnet_synset *other = wordnet_synset_at(wordnet, target);
            if (p->target_word > other[1].first_word - other->first_word)
                return wordnet_fail_pointer(directory, synset, "has fewer words", p->target);
            p->target = target;
        }
    }
    return NG_OK;
}

ng_status ngi_wordnet_read(ngi_mem *mem, ngi_os *os, const char *directory,
                           const ngi_wordnet_watch *watch, ngi_wordnet *wordnet)
{
    for (wordnet_part part = 0; part < WORDNET_PART_COUNT; part++) {
        char path[WORDNET_PATH_MAX];
        ngi_reader reader;
        ng_status status = wordnet_join(directory, part, path);
        if (status == NG_OK)
            status = ngi_reader_open(&reader, os, mem, path);
        if (status != NG_OK)
            return status;
        status = wordnet_read_file(mem, path, &reader, watch, wordnet, part);
        ngi_reader_close(&reader);
        if (status != NG_OK)
            return status;
    }
    if (wordnet->synsets.count == 0)
        return ngi_fail(NG_E_FORMAT, "%s: the data files have no synsets", directory);
    wordnet_synset end = {.first_word = wordnet->words.count,
                          .first_pointer = wordnet->pointers.count};
    ng_status status = wordnet_append(mem, &wordnet->synsets, &end, sizeof end);
    return status != NG_OK ? status : wordnet_resolve(directory, wordnet);
}
