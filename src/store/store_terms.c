/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Interned texts. */
#include "store/store_terms.h"

/* Of a text, by its number. */
typedef struct store_term {
    uint32_t uses;
    uint32_t next_free; /* of one without uses */
} store_term;

static store_term *term_at(const store_terms *terms, uint32_t number)
{
    return (store_term *)(void *)terms->uses.base + number;
}

ng_status ngi_terms_init(store_terms *terms, ngi_os *os, ngi_mem *mem)
{
    *terms = (store_terms){.end = 1};
    ng_status status = ngi_labels_init(&terms->texts, os, mem, NGI_TERMS_MAX);
    if (status != NG_OK)
        return status;
    status = ngi_table_init(&terms->uses, os, mem, sizeof(store_term), (size_t)NGI_TERMS_MAX + 1,
                            "tags and keywords");
    if (status != NG_OK)
        ngi_terms_release(terms);
    return status;
}

void ngi_terms_release(store_terms *terms)
{
    ngi_table_release(&terms->uses);
    ngi_labels_release(&terms->texts);
    *terms = (store_terms){0};
}

ng_status ngi_terms_reserve(store_terms *terms, size_t count, size_t bytes)
{
    ng_status status;
    size_t end = (size_t)terms->end + count;
    if (count == 0)
        return NG_OK;
    /* A text that a change takes from its last user makes way only after the new ones are there. */
    if (terms->texts.used_count + count > NGI_TERMS_MAX)
        return ngi_fail(NG_E_LIMIT, "the store holds at most %u different tags or keywords",
                        NGI_TERMS_MAX);
    if (end > (size_t)NGI_TERMS_MAX + 1)
        end = (size_t)NGI_TERMS_MAX + 1; /* the rest are free ones */
    NGI_TRY(ngi_table_reserve(&terms->uses, end));
    NGI_TRY(ngi_labels_reserve(&terms->texts, count, bytes, (uint32_t)end - 1));
out:
    return status;
}

uint32_t ngi_terms_find(const store_terms *terms, const char *text, size_t bytes)
{
    return ngi_labels_find(&terms->texts, 0, text, bytes);
}

ng_status ngi_terms_use(store_terms *terms, const char *text, size_t bytes, uint32_t *out)
{
    uint32_t number = ngi_terms_find(terms, text, bytes);
    if (number == 0) {
        bool again = terms->free_number != 0;
        number = again ? terms->free_number : terms->end;
        ng_status status = ngi_labels_put(&terms->texts, number, 0, text, bytes);
        if (status != NG_OK)
            return status;
        if (again)
            terms->free_number = term_at(terms, number)->next_free;
        else
            terms->end++;
        *term_at(terms, number) = (store_term){0};
    }
    term_at(terms, number)->uses++;
    *out = number;
    return NG_OK;
}

void ngi_terms_unuse(store_terms *terms, uint32_t number)
{
    store_term *own = term_at(terms, number);
    if (--own->uses > 0)
        return;
    ngi_labels_remove(&terms->texts, number);
    own->next_free = terms->free_number;
    terms->free_number = number;
}

uint32_t ngi_terms_uses(const store_terms *terms, uint32_t number)
{
    return number != 0 ? term_at(terms, number)->uses : 0;
}

const char *ngi_terms_text(const store_terms *terms, uint32_t number, size_t *bytes)
{
    *bytes = 0;
    return number < terms->end ? ngi_labels_get(&terms->texts, number, bytes) : NULL;
}

uint64_t ngi_terms_used_bytes(const store_terms *terms)
{
    const ngi_labels *texts = &terms->texts;
    return texts->arena_bytes - texts->wasted_bytes +
           texts->used_count * (sizeof(ngi_labels_entry) + sizeof(store_term));
}

ng_status ngi_terms_check(const store_terms *terms, const uint32_t *counted)
{
    uint32_t used = 0, free_count = 0;
    for (uint32_t number = 1; number < terms->end; number++) {
        if (term_at(terms, number)->uses != counted[number])
            return ngi_fail(NG_E_INTERNAL, "tag or keyword %u: %u uses counted, %u found", number,
                            term_at(terms, number)->uses, counted[number]);
        used += counted[number] > 0;
    }
    for (uint32_t number = terms->free_number; number != 0 && free_count < terms->end; free_count++)
        number = term_at(terms, number)->next_free;
    if (used != terms->texts.used_count || used + free_count != terms->end - 1)
        return ngi_fail(NG_E_INTERNAL,
                        "%u tags or keywords in use and %u free are not the %u there are", used,
                        free_count, terms->end - 1);
    return ngi_labels_check(&terms->texts);
}
