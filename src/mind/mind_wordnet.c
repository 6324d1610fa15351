/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The walk over the relations of a loaded lexicon, and its life. */
#include "mind/mind_wordnet_private.h"

#include <string.h>

ng_status ngi_wordnet_load(ngi_mem *mem, ngi_os *os, const char *directory,
                           const ngi_wordnet_watch *watch, ngi_wordnet **out)
{
    void *block = NULL;
    ng_status status = ngi_alloc(mem, sizeof(ngi_wordnet), "lexicon", &block);
    if (status != NG_OK)
        return status;
    ngi_wordnet *wordnet = block;
    memset(wordnet, 0, sizeof *wordnet);
    status = ngi_wordnet_read(mem, os, directory, watch, wordnet);
    if (status != NG_OK) {
        ngi_wordnet_destroy(mem, wordnet);
        return status;
    }
    *out = wordnet;
    return NG_OK;
}

void ngi_wordnet_destroy(ngi_mem *mem, ngi_wordnet *wordnet)
{
    if (wordnet == NULL)
        return;
    ngi_strings_release(mem, &wordnet->strings);
    ngi_buffer_release(mem, &wordnet->synsets.buffer);
    ngi_buffer_release(mem, &wordnet->words.buffer);
    ngi_buffer_release(mem, &wordnet->pointers.buffer);
    ngi_keys_release(mem, &wordnet->by_offset);
    ngi_keys_release(mem, &wordnet->seen);
    ngi_free(mem, wordnet, sizeof *wordnet);
}

uint32_t ngi_wordnet_word_count(const ngi_wordnet *wordnet)
{
    return wordnet->strings.count;
}

const char *ngi_wordnet_word(const ngi_wordnet *wordnet, uint32_t number, size_t *bytes)
{
    return ngi_strings_get(&wordnet->strings, number, bytes);
}

void ngi_wordnet_position(const ngi_wordnet *wordnet, uint64_t *done, uint64_t *total)
{
    *done = wordnet->synset;
    *total = wordnet_synset_count(wordnet);
}

/* The words [first, end) on one side of a step. */
typedef struct wordnet_side {
    uint32_t first, end;
} wordnet_side;

static wordnet_side wordnet_side_of(const ngi_wordnet *wordnet, uint32_t synset, unsigned word)
{
    const wordnet_synset *s = wordnet_synset_at(wordnet, synset);
    if (word != 0)
        return (wordnet_side){s->first_word + word - 1, s->first_word + word};
    return (wordnet_side){s->first_word, s[1].first_word};
}

/* The current pair of words, as a relation; false when the step has no more pairs. */
static bool wordnet_pair(ngi_wordnet *wordnet, ngi_relation *out)
{
    const wordnet_synset *s = wordnet_synset_at(wordnet, wordnet->synset);
    wordnet_side from = wordnet_side_of(wordnet, wordnet->synset, 0), to = from;
    bool is_reversed = false;
    uint8_t type = 0; /* Synonym */
    if (wordnet->step > 0) {
        const wordnet_pointer *p =
            wordnet_pointer_at(wordnet, s->first_pointer + wordnet->step - 1);
        from = wordnet_side_of(wordnet, wordnet->synset, p->source_word);
        to = wordnet_side_of(wordnet, p->target, p->target_word);
        is_reversed = p->is_reversed;
        type = p->type;
    }
    if (wordnet->b == to.end - to.first) {
        wordnet->b = 0;
        wordnet->a++;
    }
    if (wordnet->a == from.end - from.first)
        return false;
    uint32_t source = wordnet_word_at(wordnet, from.first + wordnet->a);
    uint32_t target = wordnet_word_at(wordnet, to.first + wordnet->b++);
    *out =
        is_reversed ? (ngi_relation){target, source, type} : (ngi_relation){source, target, type};
    return true;
}

/* Past the last pair of a step: to the next pointer or synset. */
static void wordnet_advance(ngi_wordnet *wordnet)
{
    const wordnet_synset *s = wordnet_synset_at(wordnet, wordnet->synset);
    wordnet->a = wordnet->b = 0;
    if (wordnet->step++ == s[1].first_pointer - s->first_pointer) {
        wordnet->step = 0;
        wordnet->synset++;
    }
}

ng_status ngi_wordnet_next(ngi_mem *mem, ngi_wordnet *wordnet, ngi_relation *out, size_t capacity,
                           size_t *count)
{
    *count = 0;
    while (*count < capacity && wordnet->synset < wordnet_synset_count(wordnet)) {
        ngi_relation relation;
        bool is_new;
        if (!wordnet_pair(wordnet, &relation)) {
            wordnet_advance(wordnet);
            continue;
        }
        if (relation.source == relation.target)
            continue;
        uint64_t key =
            (uint64_t)relation.source << 36 | (uint64_t)relation.target << 8 | relation.type;
        ng_status status = ngi_keys_add(mem, &wordnet->seen, key, &is_new);
        if (status != NG_OK)
            return status;
        if (is_new)
            out[(*count)++] = relation;
    }
    return NG_OK;
}
