/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What was given, as a token of the collection `feedback`. */
#include "mind/mind_feedback.h"

#include "mind/mind_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define RECORD_LABEL_ROOM 32
#define RECORD_TYPE_ROOM 16
#define RECORD_SAME_MAX 4 /* records with one tag that are looked at: their hashes are equal */

enum { ROW_PRIOR = 0, ROW_CONNECTION = 1 };

/* --- names ----------------------------------------------------------------------------------- */

static size_t record_label(uint64_t id, char out[RECORD_LABEL_ROOM])
{
    return (size_t)snprintf(out, RECORD_LABEL_ROOM, "given:%" PRIu64, id);
}

static size_t record_tag(const ngi_feedback *feedback, char out[NGI_FEEDBACK_TAG_ROOM])
{
    char key[128];
    int bytes = snprintf(key, sizeof key, "%s %d %" PRIu64 " %" PRIu64, feedback->signal,
                         (int)feedback->type, feedback->hit, feedback->correct);
    return (size_t)snprintf(out, NGI_FEEDBACK_TAG_ROOM, "once:%016" PRIx64,
                            (uint64_t)XXH3_64bits(key, (size_t)bytes));
}

ng_status ngi_feedback_collection(const ng_store *store, ng_collection_id *out)
{
    return ngi_store_collection_find(store, NGI_FEEDBACK_COLLECTION, out);
}

/* --- reading --------------------------------------------------------------------------------- */

ng_status ngi_feedback_head(const ng_store *store, ng_collection_id collection, uint64_t *last,
                            ng_token_info *head)
{
    ngi_buffer data = {0};
    ng_token_id id;
    int64_t number = 0;
    const ngi_row_field field = {.name = "last", .number = &number};
    ng_status status;
    *head = (ng_token_info){0};
    *last = 0;
    NGI_TRY(
        ngi_store_token_find(store, collection, NGI_FEEDBACK_HEAD, strlen(NGI_FEEDBACK_HEAD), &id));
    NGI_TRY(ngi_store_token_get(store, id, head));
    NGI_TRY(ngi_rows_data(store, id, &data));
    if (ngi_rows_read((const char *)data.data, data.bytes, &field, 1) && number > 0)
        *last = (uint64_t)number;
out:
    ngi_buffer_release(ngi_store_mem(store), &data);
    return status == NG_E_NOT_FOUND ? NG_OK : status;
}

static bool record_read_term(void *context, const int64_t *numbers, size_t count)
{
    ngi_feedback *feedback = context;
    if (count != 2 || feedback->term_count == NGI_QUERY_TERMS_MAX || numbers[1] == 0 ||
        numbers[1] < -NGI_CUE_WEIGHT || numbers[1] > NGI_CUE_WEIGHT)
        return false;
    feedback->terms[feedback->term_count++] =
        (ngi_cue_term){(ng_token_id)numbers[0], (int32_t)numbers[1]};
    return true;
}

static bool record_read_change(void *context, const int64_t *numbers, size_t count)
{
    ngi_feedback *feedback = context;
    if (count < 4 || feedback->change_count == NGI_FEEDBACK_EFFECTS_MAX)
        return false;
    ngi_feedback_change *change = &feedback->changes[feedback->change_count++];
    *change = (ngi_feedback_change){.id = (uint64_t)numbers[1]};
    if (numbers[0] == ROW_PRIOR) {
        change->before = (int32_t)numbers[2];
        change->after = (int32_t)numbers[3];
        return count == 4 && numbers[2] >= -NGI_PRIOR_MAX && numbers[2] <= NGI_PRIOR_MAX &&
               numbers[3] >= -NGI_PRIOR_MAX && numbers[3] <= NGI_PRIOR_MAX;
    }
    if (numbers[0] != ROW_CONNECTION || count != 12)
        return false;
    for (size_t i = 1; i < count; i++)
        if (numbers[i] < 0 || numbers[i] > UINT32_MAX)
            return false;
    change->is_connection = true;
    change->source = (uint32_t)numbers[2];
    change->target = (uint32_t)numbers[3];
    change->type = (uint32_t)numbers[4];
    change->before = (int32_t)numbers[5];
    change->after = (int32_t)numbers[6];
    change->evidence_before = (uint32_t)numbers[7];
    change->evidence_after = (uint32_t)numbers[8];
    change->update_before = (uint32_t)numbers[9];
    change->update_after = (uint32_t)numbers[10];
    change->was_modified = numbers[11] != 0;
    return numbers[5] <= UINT8_MAX && numbers[6] <= UINT8_MAX && numbers[7] <= UINT16_MAX &&
           numbers[8] <= UINT16_MAX;
}

static bool record_decode(const char *data, size_t bytes, ngi_feedback *out)
{
    char type[RECORD_TYPE_ROOM] = "";
    int64_t hit = 0, correct = 0, seq = 0, time_us = 0, actor = 0, strength = 0;
    const ngi_row_field fields[] = {
        {.name = "type", .text = type, .text_room = sizeof type},
        {.name = "signal", .text = out->signal, .text_room = sizeof out->signal},
        {.name = "text", .text = out->text, .text_room = sizeof out->text},
        {.name = "hit", .number = &hit},
        {.name = "correct", .number = &correct},
        {.name = "seq", .number = &seq},
        {.name = "time_us", .number = &time_us},
        {.name = "actor", .number = &actor},
        {.name = "strength", .number = &strength},
        {.name = "terms", .row = record_read_term, .context = out},
        {.name = "effects", .row = record_read_change, .context = out}};
    if (!ngi_rows_read(data, bytes, fields, sizeof fields / sizeof *fields) ||
        ng_feedback_type_parse(type, &out->type) != NG_OK)
        return false;
    out->hit = (ng_token_id)hit;
    out->correct = (ng_token_id)correct;
    out->seq = (ng_seq)seq;
    out->time_us = (uint64_t)time_us;
    out->actor = (uint32_t)actor;
    out->strength = strength;
    return true;
}

static ng_status record_read(const ng_store *store, ng_token_id token, uint64_t id,
                             ngi_feedback *out)
{
    ngi_buffer data = {0};
    ng_status status = ngi_rows_data(store, token, &data);
    memset(out, 0, sizeof *out);
    if (status == NG_OK && !record_decode((const char *)data.data, data.bytes, out))
        status = ngi_fail(NG_E_NOT_FOUND,
                          "token %llu of the collection " NGI_FEEDBACK_COLLECTION
                          " is not what feedback has written",
                          (unsigned long long)token);
    ngi_buffer_release(ngi_store_mem(store), &data);
    out->id = status == NG_OK ? id : 0;
    out->token = token;
    return status;
}

ng_status ngi_feedback_load(const ng_store *store, ng_collection_id collection, uint64_t id,
                            ngi_feedback *out)
{
    char label[RECORD_LABEL_ROOM];
    ng_token_id token;
    ng_status status =
        ngi_store_token_find(store, collection, label, record_label(id, label), &token);
    if (status == NG_E_NOT_FOUND)
        return ngi_fail(NG_E_NOT_FOUND, "feedback %llu not found", (unsigned long long)id);
    return status == NG_OK ? record_read(store, token, id, out) : status;
}

/* The number of a token by its label; 0 if it is none. */
static ng_status record_id(const ng_store *store, ng_token_id token, uint64_t *id)
{
    char label[RECORD_LABEL_ROOM] = "";
    ng_status status = ngi_store_token_label(store, token, label, sizeof label, NULL);
    *id = 0;
    if (status == NG_OK && sscanf(label, "given:%" SCNu64, id) != 1)
        *id = 0;
    return status;
}

static bool record_is_same(const ngi_feedback *a, const ngi_feedback *b)
{
    return a->type == b->type && a->hit == b->hit && a->correct == b->correct &&
           strcmp(a->signal, b->signal) == 0;
}

ng_status ngi_feedback_find(const ng_store *store, ng_collection_id collection,
                            const ngi_feedback *like, ngi_feedback *out)
{
    char text[NGI_FEEDBACK_TAG_ROOM];
    const ng_text tag = {.text = text, .bytes = record_tag(like, text)};
    const ng_filter filter = {.struct_size = sizeof filter,
                              .collection = collection,
                              .by_collection = true,
                              .tags_all = &tag,
                              .tags_all_count = 1};
    const ng_token_search_options search = {.struct_size = sizeof search, .filter = &filter};
    ng_token_id tokens[RECORD_SAME_MAX];
    size_t count = 0;
    out->id = 0;
    ng_status status =
        ngi_store_token_search(store, &search, tokens, RECORD_SAME_MAX, &count, NULL);
    for (size_t i = 0; i < count && status == NG_OK; i++) {
        uint64_t id;
        status = record_id(store, tokens[i], &id);
        if (status == NG_OK && id != 0)
            status = record_read(store, tokens[i], id, out);
        if (status == NG_OK && id != 0 && record_is_same(like, out))
            return NG_OK;
        out->id = 0;
        status = status == NG_E_NOT_FOUND ? NG_OK : status; /* deleted meanwhile, or not ours */
    }
    return status;
}

/* --- writing --------------------------------------------------------------------------------- */

static ng_status record_add_change(ngi_mem *mem, const ngi_feedback_change *change, bool is_first,
                                   ngi_buffer *out)
{
    const char *comma = is_first ? "" : ",";
    if (!change->is_connection)
        return ngi_rows_add(mem, out, "%s[%d,%" PRIu64 ",%d,%d]", comma, ROW_PRIOR, change->id,
                            (int)change->before, (int)change->after);
    return ngi_rows_add(mem, out,
                        "%s[%d,%" PRIu64 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%d,%d,%" PRIu32
                        ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%d]",
                        comma, ROW_CONNECTION, change->id, change->source, change->target,
                        change->type, (int)change->before, (int)change->after,
                        change->evidence_before, change->evidence_after, change->update_before,
                        change->update_after, (int)change->was_modified);
}

static ng_status record_encode(ngi_mem *mem, const ngi_feedback *feedback, ngi_buffer *out)
{
    ng_status status;
    NGI_TRY(ngi_rows_add(mem, out, "{\"type\":\"%s\",\"signal\":\"%s\",\"text\":",
                         ng_feedback_type_name(feedback->type), feedback->signal));
    NGI_TRY(ngi_rows_add_text(mem, out, feedback->text));
    NGI_TRY(ngi_rows_add(mem, out,
                         ",\"hit\":%" PRIu64 ",\"correct\":%" PRIu64 ",\"seq\":%" PRIu64
                         ",\"time_us\":%" PRIu64 ",\"actor\":%" PRIu32 ",\"strength\":%" PRId64
                         ",\"terms\":[",
                         feedback->hit, feedback->correct, (uint64_t)feedback->seq,
                         feedback->time_us, feedback->actor, feedback->strength));
    for (size_t i = 0; i < feedback->term_count; i++)
        NGI_TRY(ngi_rows_add(mem, out, "%s[%" PRIu64 ",%d]", i > 0 ? "," : "",
                             feedback->terms[i].id, (int)feedback->terms[i].weight));
    NGI_TRY(ngi_rows_add(mem, out, "],\"effects\":["));
    for (size_t i = 0; i < feedback->change_count; i++)
        NGI_TRY(record_add_change(mem, &feedback->changes[i], i == 0, out));
    NGI_TRY(ngi_rows_add(mem, out, "]}"));
out:
    return status;
}

/* Makes the token with that label, or changes the one that is there as `known`, if that has an id. */
static ng_status record_put(ng_txn *txn, const ng_token_info *known, ng_token_fields *fields)
{
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_token_id id = known->id;
    fields->struct_size = sizeof *fields;
    fields->set |= NG_FIELD_DATA;
    if (id != 0) {
        write.if_version = known->version;
    } else {
        fields->set |= NG_FIELD_LABEL | NG_FIELD_FLAGS;
        fields->flags = NG_TOKEN_ACTIVE | NG_TOKEN_PERSISTENT;
    }
    return ngi_store_token_put(ngi_txn_store(txn), &id, fields, 1, &write, NULL);
}

ng_status ngi_feedback_stage(ng_txn *txn, ng_collection_id collection, const ngi_feedback *feedback)
{
    ngi_mem *mem = ngi_store_mem(ngi_txn_store(txn));
    char label[RECORD_LABEL_ROOM], text[NGI_FEEDBACK_TAG_ROOM];
    const ng_text tag = {.text = text, .bytes = record_tag(feedback, text)};
    const ng_token_info none = {0};
    ngi_buffer data = {0};
    ng_status status = record_encode(mem, feedback, &data);
    if (status == NG_OK) {
        ng_token_fields fields = {.set = NG_FIELD_TAGS,
                                  .collection = collection,
                                  .label = label,
                                  .label_bytes = record_label(feedback->id, label),
                                  .tags = &tag,
                                  .tag_count = 1,
                                  .data = (const char *)data.data,
                                  .data_bytes = data.bytes};
        status = record_put(txn, &none, &fields);
    }
    ngi_buffer_release(mem, &data);
    return status;
}

ng_status ngi_feedback_stage_head(ng_txn *txn, ng_collection_id collection,
                                  const ng_token_info *head, uint64_t last)
{
    char data[48];
    ng_token_fields fields = {.collection = collection,
                              .label = NGI_FEEDBACK_HEAD,
                              .label_bytes = strlen(NGI_FEEDBACK_HEAD),
                              .data = data};
    fields.data_bytes = (size_t)snprintf(data, sizeof data, "{\"last\":%" PRIu64 "}", last);
    return record_put(txn, head, &fields);
}

ng_status ngi_feedback_stage_cue(ng_txn *txn, ng_collection_id collection, const ngi_cue *cue)
{
    ng_store *store = ngi_txn_store(txn);
    ngi_mem *mem = ngi_store_mem(store);
    const ng_token_info known = {.id = cue->token, .version = cue->version};
    char label[NGI_CUE_LABEL_ROOM];
    ngi_buffer data = {0};
    if (cue->prior_count == 0) {
        const ng_write_options write = {.struct_size = sizeof write,
                                        .txn = txn,
                                        .if_version = cue->version};
        return cue->token != 0 ? ngi_store_token_delete(store, cue->token, &write) : NG_OK;
    }
    ngi_cue_label(cue, label);
    ng_status status = ngi_cue_payload(mem, cue, &data);
    if (status == NG_OK) {
        ng_token_fields fields = {.collection = collection,
                                  .label = label,
                                  .label_bytes = strlen(label),
                                  .data = (const char *)data.data,
                                  .data_bytes = data.bytes};
        status = record_put(txn, &known, &fields);
    }
    ngi_buffer_release(mem, &data);
    return status;
}
