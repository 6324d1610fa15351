/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/store_private.h"

#include <string.h>

#define NONCE_BITS 62u
#define NONCE_CLOCK_SHIFT                                                                          \
    10u /* so many answers in a microsecond before nonces meet those to come */

#define RING_BYTES (NGI_ANSWERS_MAX * sizeof(ngi_answer))

ng_status ngi_answers_init(store_answers *answers)
{
    return ngi_mutex_init(&answers->lock);
}

void ngi_answers_release(store_answers *answers, ngi_mem *mem)
{
    ngi_free(mem, answers->ring, RING_BYTES);
    ngi_mutex_destroy(&answers->lock);
}

static void answers_keep(store_answers *answers, ngi_mem *mem, const ngi_answer *answer)
{
    void *block;
    if (answers->ring == NULL) {
        if (ngi_alloc(mem, RING_BYTES, "recent answers", &block) != NG_OK)
            return;
        answers->ring = memset(block, 0, RING_BYTES);
    }
    answers->ring[answers->next] = *answer;
    answers->next = (answers->next + 1) % NGI_ANSWERS_MAX;
}

void ngi_store_answer_add(const ng_store *store, ngi_answer *answer)
{
    store_answers *answers = &store_mutable(store)->answers;
    ngi_mutex_lock(&answers->lock);
    if (answers->nonce == 0)
        answers->nonce = store->os->clock_us(store->os) << NONCE_CLOCK_SHIFT;
    do
        answers->nonce = (answers->nonce + 1) & ((UINT64_C(1) << NONCE_BITS) - 1);
    while (answers->nonce == 0);
    answer->nonce = answers->nonce;
    answers_keep(answers, store->mem, answer);
    ngi_mutex_unlock(&answers->lock);
}

bool ngi_store_answer_find(const ng_store *store, uint64_t cue, uint64_t nonce, ngi_answer *out)
{
    store_answers *answers = &store_mutable(store)->answers;
    bool found = false;
    ngi_mutex_lock(&answers->lock);
    for (size_t i = 0; i < NGI_ANSWERS_MAX && !found && answers->ring != NULL; i++) {
        const ngi_answer *answer = &answers->ring[i];
        found = answer->nonce != 0 && answer->cue == cue && answer->nonce == nonce;
        if (found)
            *out = *answer;
    }
    ngi_mutex_unlock(&answers->lock);
    return found;
}
