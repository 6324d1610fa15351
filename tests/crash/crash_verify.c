/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store after a kill, compared with what the writers noted. */
#include "crash_writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WRONG(out, capacity, ...) (snprintf((out), (capacity), __VA_ARGS__), (out))

/* The id of the token with the label of that revision, or 0. */
static ng_token_id verify_find(ng_store *store, uint32_t writer, uint32_t number, uint32_t revision)
{
    ng_token_fields fields;
    char label[40];
    ng_token_id id = 0;
    crash_expect(writer, number, revision, &fields, label);
    if (ng_token_find(store, NG_COLLECTION_RUNTIME, label, fields.label_bytes, &id) != NG_OK)
        return 0;
    return id;
}

static void forget_links(crash_lane *lane, uint32_t number)
{
    for (uint32_t i = 0; i < lane->count; i++) {
        if (i == number || lane->items[i].link_to == number)
            lane->items[i].link = 0;
    }
}

static ng_connection_id verify_link(ng_store *store, const crash_lane *lane)
{
    ng_edge edges[16];
    size_t count = 0;
    const crash_item *from = &lane->items[lane->pending_item];
    const crash_item *to = &lane->items[lane->pending_to];
    if (ng_connections_between(store, from->id, to->id, edges, 16, &count) != NG_OK)
        return 0;
    for (size_t i = 0; i < count && i < 16; i++) {
        if (edges[i].source == from->id)
            return edges[i].id;
    }
    return 0;
}

/* A transaction: the update, every new token and the connection, or none of them. */
static const char *settle_transaction(crash_lane *lane, uint32_t writer, ng_store *store, char *out,
                                      size_t capacity)
{
    uint32_t number = lane->pending_item, found = 0;
    crash_item *old = &lane->items[lane->pending_to], *items = &lane->items[number];
    if (lane->count > number)
        return NULL; /* noted */
    bool is_noted = items[0].life == CRASH_ALIVE && items[0].link != 0 &&
                    verify_find(store, writer, lane->pending_to, old->revision) != 0 &&
                    verify_find(store, writer, lane->pending_to, old->revision + 1) == 0;
    for (uint32_t i = 0; i < lane->pending_count; i++) {
        ng_token_id id = verify_find(store, writer, number + i, 0);
        items[i] = (crash_item){.life = CRASH_ALIVE, .id = id};
        found += id != 0;
    }
    bool is_updated = verify_find(store, writer, lane->pending_to, old->revision + 1) != 0;
    items[0].link_to = lane->pending_to;
    items[0].link = found == lane->pending_count ? verify_link(store, lane) : 0;
    bool has_link = items[0].link != 0;
    if (found == 0 && !is_updated) {
        memset(items, 0, lane->pending_count * sizeof *items);
        return NULL;
    }
    if (found != lane->pending_count || !has_link || (!is_updated && !is_noted))
        return WRONG(out, capacity,
                     "writer %u: of a transaction, %u of %u tokens, the connection %d and the "
                     "update %d are there",
                     writer, found, lane->pending_count, has_link, is_updated);
    old->revision += is_updated;
    lane->count = number + lane->pending_count;
    return NULL;
}

/* The op that was under way: in the store or not, both are right, but nothing between. */
static const char *settle(crash_lane *lane, uint32_t writer, ng_store *store, char *out,
                          size_t capacity)
{
    uint32_t number = lane->pending_item, found = 0;
    crash_item *item = &lane->items[number];
    ng_token record;
    ng_connection link;
    switch (lane->pending) {
    case CRASH_NONE:
        break;
    case CRASH_CREATE:
    case CRASH_BATCH_CREATE:
        if (lane->count > number) /* noted, but the note that it is done was cut off */
            break;
        for (uint32_t i = 0; i < lane->pending_count; i++) {
            ng_token_id id = verify_find(store, writer, number + i, 0);
            lane->items[number + i] = (crash_item){.life = CRASH_ALIVE, .id = id};
            found += id != 0;
        }
        if (found != 0 && found != lane->pending_count)
            return WRONG(out, capacity, "writer %u: %u of a batch of %u from item %u are there",
                         writer, found, lane->pending_count, number);
        if (found == 0)
            memset(item, 0, lane->pending_count * sizeof *item);
        else
            lane->count = number + lane->pending_count;
        break;
    case CRASH_TRANSACTION: {
        const char *wrong = settle_transaction(lane, writer, store, out, capacity);
        if (wrong != NULL)
            return wrong;
        break;
    }
    case CRASH_UPDATE:
        if (verify_find(store, writer, number, item->revision + 1) != 0)
            item->revision++;
        break;
    case CRASH_DELETE:
        if (item->life == CRASH_ALIVE && ng_token_read(store, item->id, &record) == NG_OK)
            break;
        item->life = CRASH_DEAD;
        forget_links(lane, number);
        break;
    case CRASH_CONNECT:
        item->link_to = lane->pending_to;
        item->link = verify_link(store, lane);
        break;
    case CRASH_DISCONNECT:
        if (item->link != 0 && ng_connection_get(store, item->link, &link) != NG_OK)
            item->link = 0;
        break;
    }
    lane->pending = CRASH_NONE;
    return NULL;
}

static const char *verify_item(const crash_item *items, uint32_t writer, uint32_t number,
                               ng_store *store, char *out, size_t capacity)
{
    const crash_item *item = &items[number];
    ng_token record;
    ng_status status = ng_token_read(store, item->id, &record);
    if (item->life == CRASH_DEAD)
        return status == NG_E_NOT_FOUND
                   ? NULL
                   : WRONG(out, capacity, "writer %u: item %u was deleted and is there", writer,
                           number);
    if (status != NG_OK)
        return WRONG(out, capacity, "writer %u: item %u was acknowledged and is lost (%s)", writer,
                     number, ng_last_error());
    ng_token_fields wanted;
    char label[40], stored[64] = "";
    float at[3] = {0};
    crash_expect(writer, number, item->revision, &wanted, label);
    bool is_there = ng_token_coordinates(store, &record, NG_SPACE_PHYSICAL, at);
    if (ng_token_label(store, item->id, stored, sizeof stored, NULL) != NG_OK ||
        strcmp(stored, label) != 0)
        return WRONG(out, capacity, "writer %u: item %u has label %s, expected %s", writer, number,
                     stored, label);
    if (!is_there || memcmp(at, wanted.coordinates[0], sizeof at) != 0 ||
        record.weight != wanted.weight ||
        record.field_radius != lrint((double)wanted.field_radius * 100))
        return WRONG(out, capacity, "writer %u: item %u is a mixture of revisions around %u",
                     writer, number, item->revision);
    ng_edge edges[4];
    size_t count = 0;
    const ng_edge_options outgoing = {.struct_size = sizeof outgoing, .direction = NG_OUTGOING};
    if (ng_token_connections(store, item->id, &outgoing, edges, 4, &count) != NG_OK ||
        count != (item->link != 0))
        return WRONG(out, capacity, "writer %u: item %u has %zu connections, expected %d", writer,
                     number, count, item->link != 0);
    if (count == 1 && (edges[0].id != item->link || edges[0].target != items[item->link_to].id))
        return WRONG(out, capacity, "writer %u: item %u is connected elsewhere", writer, number);
    return NULL;
}

const char *crash_verify(crash_board *board, ng_store *store, char *out, size_t capacity)
{
    uint64_t tokens = 0, links = 0;
    ng_info info;
    for (uint32_t writer = 0; writer < CRASH_WRITERS; writer++) {
        crash_lane *lane = &board->lanes[writer];
        const char *wrong = settle(lane, writer, store, out, capacity);
        for (uint32_t i = 0; i < lane->count && wrong == NULL; i++) {
            wrong = verify_item(lane->items, writer, i, store, out, capacity);
            tokens += lane->items[i].life == CRASH_ALIVE;
            links += lane->items[i].link != 0;
        }
        if (wrong != NULL)
            return wrong;
    }
    if (ng_store_info(store, &info) != NG_OK || info.token_count != tokens ||
        info.connection_count != links || info.label_count != tokens)
        return WRONG(out, capacity,
                     "the store has %llu tokens, %llu labels and %llu connections, expected %llu, "
                     "%llu and %llu",
                     (unsigned long long)info.token_count, (unsigned long long)info.label_count,
                     (unsigned long long)info.connection_count, (unsigned long long)tokens,
                     (unsigned long long)tokens, (unsigned long long)links);
    ng_check_report report;
    if (ng_check(store, &report) != NG_OK)
        return WRONG(out, capacity, "ng_check: %s", ng_last_error());
    if (report.problem_count != 0)
        return WRONG(out, capacity, "ng_check: %s", report.first_problem);
    return NULL;
}

const char *crash_verify_backup(const crash_board *board, ng_store *store, char *out,
                                size_t capacity)
{
    const crash_backup *note = &board->backups[board->backup - 1];
    ng_seq applied = 0;
    ng_positions(store, &applied, NULL);
    if (applied != note->seq)
        return WRONG(out, capacity, "the backup of op %llu restores op %llu",
                     (unsigned long long)note->seq, (unsigned long long)applied);
    const char *wrong = NULL;
    for (uint32_t i = 0; i < note->count && wrong == NULL; i++)
        wrong = verify_item(note->items, 0, i, store, out, capacity);
    ng_check_report report;
    if (wrong == NULL && ng_check(store, &report) != NG_OK)
        return WRONG(out, capacity, "ng_check of the backup: %s", ng_last_error());
    if (wrong == NULL && report.problem_count != 0)
        return WRONG(out, capacity, "ng_check of the backup: %s", report.first_problem);
    return wrong;
}
