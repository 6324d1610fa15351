/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a caller gets of feedback: one block of header, items, effects and texts. It comes from malloc, so
 * that it may outlive the store. */
#include "mind/mind_feedback.h"

#include <string.h>

typedef struct feedback_header {
    size_t bytes; /* of the whole block */
    ng_feedback_result result;
} feedback_header;

static ng_status page_append(ngi_feedback_page *page, ngi_buffer *buffer, const void *data,
                             size_t bytes)
{
    ng_status status = ngi_buffer_reserve(page->mem, buffer, bytes, "answer of feedback");
    if (status == NG_OK) {
        memcpy(buffer->data + buffer->bytes, data, bytes);
        buffer->bytes += bytes;
    }
    return status;
}

static ng_status page_add_effect(ngi_feedback_page *page, const ngi_feedback_change *change)
{
    ng_feedback_effect effect = {.kind =
                                     change->is_connection ? NG_EFFECT_CONNECTION : NG_EFFECT_PRIOR,
                                 .token = change->is_connection ? 0 : change->id,
                                 .before = change->before * NGI_PRIOR_UNIT,
                                 .after = change->after * NGI_PRIOR_UNIT,
                                 .is_restored = change->is_restored};
    if (change->is_connection) {
        effect.connection = change->id;
        effect.source = change->source;
        effect.target = change->target;
        effect.type = (uint8_t)change->type;
        effect.before = change->before / 255.0;
        effect.after = change->after / 255.0;
        effect.evidence_before = change->evidence_before;
        effect.evidence_after = change->evidence_after;
    }
    return page_append(page, &page->effects, &effect, sizeof effect);
}

ng_status ngi_feedback_page_add(ngi_feedback_page *page, const ngi_feedback *feedback)
{
    ng_feedback_info info = {.id = feedback->id,
                             .type = feedback->type,
                             .hit = feedback->hit,
                             .correct = feedback->correct,
                             .seq = feedback->seq,
                             .time_us = feedback->time_us,
                             .actor = feedback->actor,
                             .strength = (double)feedback->strength / NGI_FEEDBACK_WHOLE,
                             .effect_count = feedback->change_count};
    ng_status status;
    memcpy(info.signal, feedback->signal, sizeof info.signal);
    NGI_TRY(page_append(page, &page->items, &info, sizeof info));
    NGI_TRY(page_append(page, &page->text, feedback->text, strlen(feedback->text) + 1));
    for (size_t i = 0; i < feedback->change_count; i++)
        NGI_TRY(page_add_effect(page, &feedback->changes[i]));
out:
    return status;
}

ng_status ngi_feedback_page_finish(const ngi_feedback_page *page, bool is_repeated,
                                   ng_feedback_result **out)
{
    size_t count = page->items.bytes / sizeof(ng_feedback_info);
    size_t bytes =
        sizeof(feedback_header) + page->items.bytes + page->effects.bytes + page->text.bytes;
    ngi_mem own; /* only for the way it allocates: the block does not depend on it afterwards */
    void *block;
    ngi_mem_init(&own, 0);
    ng_status status = ngi_alloc(&own, bytes, "answer", &block);
    if (status != NG_OK)
        return status;
    feedback_header *header = block;
    ng_feedback_info *items = (ng_feedback_info *)(void *)(header + 1);
    ng_feedback_effect *effects = (ng_feedback_effect *)(void *)(items + count);
    char *text = (char *)effects + page->effects.bytes;
    if (count > 0)
        memcpy(items, page->items.data, page->items.bytes);
    if (page->effects.bytes > 0)
        memcpy(effects, page->effects.data, page->effects.bytes);
    if (page->text.bytes > 0)
        memcpy(text, page->text.data, page->text.bytes);
    for (size_t i = 0; i < count; i++) {
        items[i].text = text;
        text += strlen(text) + 1;
        items[i].effects = effects;
        effects += items[i].effect_count;
    }
    header->bytes = bytes;
    header->result =
        (ng_feedback_result){.items = items, .count = count, .is_repeated = is_repeated};
    *out = &header->result;
    return NG_OK;
}

void ngi_feedback_page_release(ngi_feedback_page *page)
{
    ngi_buffer_release(page->mem, &page->items);
    ngi_buffer_release(page->mem, &page->effects);
    ngi_buffer_release(page->mem, &page->text);
}

ng_status ngi_feedback_present(ngi_mem *mem, const ngi_feedback *feedback, bool is_repeated,
                               ng_feedback_result **out)
{
    ngi_feedback_page page = {.mem = mem};
    ng_status status = ngi_feedback_page_add(&page, feedback);
    if (status == NG_OK)
        status = ngi_feedback_page_finish(&page, is_repeated, out);
    ngi_feedback_page_release(&page);
    return status;
}

void ngi_mind_feedback_result_destroy(ng_feedback_result *result)
{
    if (result == NULL)
        return;
    feedback_header *header =
        (feedback_header *)(void *)((char *)result - offsetof(feedback_header, result));
    ngi_mem own;
    ngi_mem_init(&own, 0);
    size_t bytes = header->bytes;
    if (ngi_mem_charge(&own, bytes, "answer") == NG_OK)
        ngi_free(&own, header, bytes);
}
