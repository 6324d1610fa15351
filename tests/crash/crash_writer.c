/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The child process: four threads that write until it is killed. */
#include "crash_writer.h"

#include "test_random.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct crash_thread {
    crash_board *board;
    crash_lane *lane;
    const char *directory;
    ng_store *store;
    uint32_t writer;
    int pipe_fd;
} crash_thread;

void crash_expect(uint32_t writer, uint32_t number, uint32_t revision, ng_token_fields *out,
                  char label[40])
{
    memset(out, 0, sizeof *out);
    int bytes = snprintf(label, 40, "w%u-%u-r%u", writer, number, revision);
    out->struct_size = sizeof *out;
    out->set = NG_FIELD_LABEL | NG_FIELD_WEIGHT | NG_FIELD_RADIUS;
    out->label = label;
    out->label_bytes = (size_t)bytes;
    out->weight = (float)((number * 31 + revision) % 1000) / 1000;
    out->field_radius = (float)(revision % 200) / 100;
    out->spaces_set = 1;
    out->coordinates[0][0] = (float)writer;
    out->coordinates[0][1] = (float)(number % 300);
    out->coordinates[0][2] = (float)(revision % 300);
}

/* What was promised before the call, so that a kill inside it can be settled. */
static void lane_begin(crash_lane *lane, crash_kind kind, uint32_t item, uint32_t count)
{
    lane->pending_item = item;
    lane->pending_count = count;
    atomic_signal_fence(memory_order_seq_cst);
    lane->pending = kind;
    atomic_signal_fence(memory_order_seq_cst);
}

static void lane_end(crash_thread *thread)
{
    atomic_signal_fence(memory_order_seq_cst);
    thread->lane->pending = CRASH_NONE;
    thread->lane->acknowledged++;
    if (write(thread->pipe_fd, "a", 1) != 1)
        snprintf(thread->lane->problem, sizeof thread->lane->problem, "the pipe is closed");
}

static ng_status writer_create(crash_thread *thread, uint32_t count)
{
    crash_lane *lane = thread->lane;
    ng_token_fields fields[CRASH_BATCH];
    char labels[CRASH_BATCH][40];
    ng_token_id ids[CRASH_BATCH];
    uint32_t first = lane->count;
    for (uint32_t i = 0; i < count; i++)
        crash_expect(thread->writer, first + i, 0, &fields[i], labels[i]);
    lane_begin(lane, count == 1 ? CRASH_CREATE : CRASH_BATCH_CREATE, first, count);
    ng_status status = count == 1 ? ng_token_create(thread->store, fields, NULL, ids)
                                  : ng_token_create_many(thread->store, fields, count, NULL, ids);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < count; i++)
        lane->items[first + i] = (crash_item){.life = CRASH_ALIVE, .id = ids[i]};
    lane->count = first + count;
    return NG_OK;
}

static ng_status writer_update(crash_thread *thread, uint32_t number)
{
    crash_item *item = &thread->lane->items[number];
    ng_token_fields fields;
    char label[40];
    crash_expect(thread->writer, number, item->revision + 1, &fields, label);
    lane_begin(thread->lane, CRASH_UPDATE, number, 1);
    ng_status status = ng_token_update(thread->store, item->id, &fields, NULL);
    if (status == NG_OK)
        item->revision++;
    return status;
}

static ng_status writer_delete(crash_thread *thread, uint32_t number)
{
    crash_lane *lane = thread->lane;
    lane_begin(lane, CRASH_DELETE, number, 1);
    ng_status status = ng_token_delete(thread->store, lane->items[number].id, NULL);
    if (status != NG_OK)
        return status;
    lane->items[number].life = CRASH_DEAD;
    lane->items[number].link = 0;
    for (uint32_t i = 0; i < lane->count; i++) {
        if (lane->items[i].link != 0 && lane->items[i].link_to == number)
            lane->items[i].link = 0;
    }
    return NG_OK;
}

static ng_status writer_connect(crash_thread *thread, uint32_t number, uint32_t to)
{
    crash_lane *lane = thread->lane;
    crash_item *item = &lane->items[number];
    ng_connection_fields fields = {.struct_size = sizeof fields,
                                   .source = item->id,
                                   .target = lane->items[to].id,
                                   .set = NG_CFIELD_PULL,
                                   .pull_strength = (float)(number % 10)};
    lane->pending_to = to;
    lane_begin(lane, CRASH_CONNECT, number, 1);
    ng_connection_id id;
    ng_status status = ng_connection_create(thread->store, &fields, NULL, &id);
    if (status == NG_OK) {
        item->link_to = to;
        item->link = id;
    }
    return status;
}

static ng_status writer_disconnect(crash_thread *thread, uint32_t number)
{
    crash_item *item = &thread->lane->items[number];
    lane_begin(thread->lane, CRASH_DISCONNECT, number, 1);
    ng_status status = ng_connection_delete(thread->store, item->link, NULL);
    if (status == NG_OK)
        item->link = 0;
    return status;
}

/* New items, the first connected to an old one that is updated: all of it or nothing. */
static ng_status transaction_fill(crash_thread *thread, ng_txn *txn, ng_token_id *ids,
                                  ng_connection_id *link)
{
    crash_lane *lane = thread->lane;
    const crash_item *old = &lane->items[lane->pending_to];
    ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    ng_token_fields fields[CRASH_BATCH];
    char labels[CRASH_BATCH][40];
    crash_expect(thread->writer, lane->pending_to, old->revision + 1, &fields[0], labels[0]);
    ng_status status = ng_token_update(thread->store, old->id, &fields[0], &write);
    for (uint32_t i = 0; i < lane->pending_count; i++)
        crash_expect(thread->writer, lane->pending_item + i, 0, &fields[i], labels[i]);
    if (status == NG_OK)
        status = ng_token_create_many(thread->store, fields, lane->pending_count, &write, ids);
    ng_connection_fields ends = {.struct_size = sizeof ends,
                                 .source = status == NG_OK ? ids[0] : 0,
                                 .target = old->id};
    if (status == NG_OK)
        status = ng_connection_create(thread->store, &ends, &write, link);
    return status;
}

static ng_status writer_transact(crash_thread *thread, uint32_t number, uint32_t count)
{
    crash_lane *lane = thread->lane;
    ng_token_id ids[CRASH_BATCH];
    ng_connection_id link = 0;
    ng_txn *txn = NULL;
    uint32_t first = lane->count;
    lane->pending_to = number;
    lane_begin(lane, CRASH_TRANSACTION, first, count);
    ng_status status = ng_txn_begin(thread->store, NULL, &txn);
    if (status != NG_OK)
        return status;
    status = transaction_fill(thread, txn, ids, &link);
    if (status != NG_OK) {
        ng_txn_rollback(txn);
        return status;
    }
    status = ng_txn_commit(txn, NULL);
    if (status != NG_OK)
        return status;
    for (uint32_t i = 0; i < count; i++)
        lane->items[first + i] = (crash_item){.life = CRASH_ALIVE, .id = ids[i]};
    lane->items[first].link = link;
    lane->items[first].link_to = number;
    lane->items[number].revision++;
    lane->transactions++;
    atomic_signal_fence(memory_order_seq_cst);
    lane->count = first + count;
    return NG_OK;
}

static ng_status writer_checkpoint(crash_thread *thread)
{
    ng_status status = ng_checkpoint(thread->store, NULL, NULL, NULL);
    thread->lane->checkpoints += status == NG_OK;
    return status == NG_E_BUSY ? NG_OK : status;
}

/* An increment if the log still reaches back to the backup before, else a full one. While it runs,
 * this writer's own items stand still, so the backup must have exactly them. */
static ng_status writer_backup(crash_thread *thread, bool incremental)
{
    crash_board *board = thread->board;
    char path[600];
    ng_stream_report report;
    ng_backup_options options = {.struct_size = sizeof options, .incremental = incremental};
    snprintf(path, sizeof path, "%s/backup", thread->directory);
    ng_status status = ng_backup(thread->store, path, &options, &report);
    if (incremental && (status == NG_E_NOT_FOUND || status == NG_E_GONE)) {
        options.incremental = false;
        status = ng_backup(thread->store, path, &options, &report);
    }
    if (status == NG_E_EXISTS)
        return NG_OK; /* nothing has happened since the one before */
    if (status != NG_OK)
        return status;
    uint32_t next = board->backup == 1 ? 2 : 1;
    crash_backup *note = &board->backups[next - 1];
    note->seq = report.seq;
    note->count = thread->lane->count;
    memcpy(note->items, thread->lane->items, note->count * sizeof *note->items);
    atomic_signal_fence(memory_order_seq_cst);
    board->backup = next;
    thread->lane->backups++;
    return NG_OK;
}

static bool writer_pick(crash_thread *thread, test_random *random, uint32_t *number)
{
    crash_lane *lane = thread->lane;
    for (int attempt = 0; attempt < 20 && lane->count != 0; attempt++) {
        *number = (uint32_t)test_random_below(random, lane->count);
        if (lane->items[*number].life == CRASH_ALIVE)
            return true;
    }
    return false;
}

static ng_status writer_step(crash_thread *thread, test_random *random)
{
    crash_lane *lane = thread->lane;
    uint32_t number = 0, to = 0;
    uint64_t roll = test_random_below(random, 100);
    bool has_item = writer_pick(thread, random, &number);
    bool has_room = lane->count + CRASH_BATCH < CRASH_ITEMS_MAX;
    if (roll < 1)
        return writer_checkpoint(thread);
    if (roll < 3 && thread->writer == 0)
        return writer_backup(thread, test_random_chance(random, 70));
    if (has_room && has_item && roll < 18)
        return writer_transact(thread, number,
                               1 + (uint32_t)test_random_below(random, CRASH_BATCH));
    if (has_room && (!has_item || roll < 33))
        return writer_create(thread, 1);
    if (has_room && roll < 38)
        return writer_create(thread, CRASH_BATCH);
    if (has_item && roll < 50)
        return writer_delete(thread, number);
    if (has_item && roll < 65 && lane->items[number].link == 0 &&
        writer_pick(thread, random, &to) && to != number)
        return writer_connect(thread, number, to);
    if (has_item && roll < 75 && lane->items[number].link != 0)
        return writer_disconnect(thread, number);
    return has_item ? writer_update(thread, number) : NG_E_LIMIT;
}

static void *writer_main(void *argument)
{
    crash_thread *thread = argument;
    test_random random = {thread->lane->random};
    while (thread->lane->problem[0] == '\0') {
        ng_status status = writer_step(thread, &random);
        thread->lane->random = random.state;
        if (status == NG_OK)
            lane_end(thread);
        else
            snprintf(thread->lane->problem, sizeof thread->lane->problem, "writer %u: %s (%s)",
                     thread->writer, ng_status_name(status), ng_last_error());
    }
    return NULL;
}

void crash_write_until_killed(crash_board *board, const char *directory, int pipe_fd)
{
    char path[600];
    ng_store *store;
    crash_thread threads[CRASH_WRITERS];
    pthread_t handles[CRASH_WRITERS];
    ng_open_options options = {.struct_size = sizeof options,
                               .segment_bytes = 64 << 10,
                               .checkpoint_bytes = 256 << 10};
    snprintf(path, sizeof path, "%s/store", directory);
    if (ng_open(path, &options, &store) != NG_OK) {
        snprintf(board->lanes[0].problem, sizeof board->lanes[0].problem, "open: %.150s",
                 ng_last_error());
        return;
    }
    for (uint32_t i = 0; i < CRASH_WRITERS; i++) {
        threads[i] = (crash_thread){.board = board,
                                    .lane = &board->lanes[i],
                                    .directory = directory,
                                    .store = store,
                                    .writer = i,
                                    .pipe_fd = pipe_fd};
        if (pthread_create(&handles[i], NULL, writer_main, &threads[i]) != 0)
            return;
    }
    for (uint32_t i = 0; i < CRASH_WRITERS; i++)
        pthread_join(handles[i], NULL);
}
