/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A transaction of made-up writes. Its parts are made up and applied against a copy of the twin, and
 * what differs between the two at the end is what the transaction did. */
#include "twin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 10

typedef struct txn_run {
    const twin_state *base;
    ng_store *store;
    test_random *random;
    twin_mix mix; /* of the parts */
    ng_txn *txn;
    twin_state work; /* the base with the parts so far */
    twin_op *op;
    char *out;
} txn_run;

static bool is_part(twin_kind kind)
{
    return kind == TWIN_CREATE || kind == TWIN_UPDATE || kind == TWIN_UPSERT ||
           kind == TWIN_DELETE || kind == TWIN_CONNECT || kind == TWIN_DISCONNECT ||
           kind == TWIN_RELINK || kind == TWIN_JOIN || kind == TWIN_ACTIVATE;
}

/* What the transaction decided: the times of its own reading, which are not yet those of the
 * commit, and the records of new connections. */
static bool part_learn(const txn_run *run, twin_op *part)
{
    ng_token_info info;
    for (size_t i = 0; part->items != NULL && i < part->count; i++) {
        if (ng_txn_token_get(run->txn, part->items[i].id, &info) != NG_OK)
            return false;
        part->items[i].timestamp = info.record.timestamp;
        part->items[i].updated_us = info.updated_us;
    }
    for (size_t i = 0; part->kind != TWIN_DISCONNECT && part->links != NULL && i < part->count;
         i++) {
        ng_connection record;
        if (ng_txn_connection_get(run->txn, part->links[i].id, &record) != NG_OK ||
            !twin_learn_link(&run->work, part, i, &record))
            return false;
    }
    return true;
}

static const char *compare_text(const txn_run *run, const twin_token *token)
{
    char text[1100];
    size_t bytes = 0;
    if (ng_txn_token_label(run->txn, token->id, text, sizeof text, &bytes) != NG_OK ||
        bytes != token->label_bytes || (bytes != 0 && memcmp(text, token->label, bytes) != 0))
        return TWIN_DIFFER(run->out, "transaction: token %" PRIu64 " has another label", token->id);
    if (bytes == 0)
        return NULL;
    ng_token_id found = 0;
    ng_status status = ng_txn_token_find(run->txn, token->collection, token->label, bytes, &found);
    if (status != NG_OK || found != token->id)
        return TWIN_DIFFER(run->out,
                           "transaction: label of token %" PRIu64 " finds %" PRIu64 " (%s)",
                           token->id, found, ng_status_name(status));
    return NULL;
}

/* Reads through the transaction see its own writes over the committed state. */
static const char *compare_part_token(const txn_run *run, ng_token_id id)
{
    const twin_token *token = twin_find(&run->work, id);
    ng_token_info info;
    ng_status status = ng_txn_token_get(run->txn, id, &info);
    if (token == NULL || !token->alive)
        return status == NG_E_NOT_FOUND
                   ? NULL
                   : TWIN_DIFFER(run->out, "transaction: deleted token %" PRIu64 ": %s", id,
                                 ng_status_name(status));
    if (status != NG_OK)
        return TWIN_DIFFER(run->out, "transaction: token %" PRIu64 ": %s (%s)", id,
                           ng_status_name(status), ng_last_error());
    if (memcmp(&info.record, &token->record, sizeof token->record) != 0 || info.id != id ||
        info.collection != token->collection || info.tag_count != twin_tag_count(token) ||
        info.data_bytes != token->data_bytes || info.expires_us != token->expires_us ||
        info.has_vector != (token->vector != NULL))
        return TWIN_DIFFER(run->out, "transaction: token %" PRIu64 " differs", id);
    float vector[64];
    size_t count = 0, wanted = token->vector == NULL ? 0 : run->work.dimensions;
    status = ng_txn_token_vector(run->txn, id, vector, 64, &count);
    if (status != NG_OK || count != wanted ||
        (count != 0 && memcmp(vector, token->vector, count * sizeof *vector) != 0))
        return TWIN_DIFFER(run->out, "transaction: vector of token %" PRIu64 " differs", id);
    const char *difference = twin_compare_attributes(NULL, run->txn, token, run->out);
    if (difference == NULL)
        difference = twin_compare_named(&run->work, NULL, run->txn, token, run->out);
    return difference != NULL ? difference : compare_text(run, token);
}

static const char *compare_part(const txn_run *run, const twin_op *part)
{
    const char *difference = NULL;
    for (size_t i = 0; part->items != NULL && i < part->count && difference == NULL; i++)
        difference = compare_part_token(run, part->items[i].id);
    if (difference == NULL && part->kind == TWIN_DELETE)
        difference = compare_part_token(run, part->token);
    for (size_t i = 0; part->kind == TWIN_DELETE && i < part->count && difference == NULL; i++)
        difference = compare_part_token(run, part->deleted[i]);
    const twin_token *any = twin_random_token(&run->work, run->random);
    if (difference == NULL && any != NULL)
        difference = compare_part_token(run, any->id);
    for (size_t i = 0; i < run->work.connection_count && difference == NULL; i++) {
        const twin_connection *connection = &run->work.connections[i];
        ng_connection record;
        ng_status status = ng_txn_connection_get(run->txn, connection->id, &record);
        if (status != (connection->alive ? NG_OK : NG_E_NOT_FOUND) ||
            (connection->alive && memcmp(&record, &connection->record, sizeof record) != 0))
            return TWIN_DIFFER(run->out, "transaction: connection %" PRIu64 " differs (%s)",
                               connection->id, ng_status_name(status));
    }
    return difference;
}

/* One more write. False when the transaction cannot go on; `*status` says why. */
static bool txn_part(txn_run *run, ng_status *status)
{
    twin_op part;
    twin_random_op(&run->work, &run->mix, run->random, &part);
    if (!is_part(part.kind)) {
        twin_op_release(&part);
        return true;
    }
    part.txn = run->txn;
    *status = twin_perform(run->store, &part, 0);
    if (*status != part.expected) {
        (void)TWIN_DIFFER(run->out, "transaction: %s: %s (%s), expected %s",
                          twin_kind_name(part.kind), ng_status_name(*status), ng_last_error(),
                          ng_status_name(part.expected));
    } else if (*status == NG_OK) {
        part.seq = run->work.seq; /* so that it counts as done */
        if (part.seq == 0)
            part.seq = 1;
        if (!part_learn(run, &part)) {
            (void)TWIN_DIFFER(run->out, "transaction: what it wrote is not there (%s)",
                              ng_last_error());
        } else {
            twin_apply(&run->work, &part);
            run->work.seq = run->base->seq;
            twin_forget(&run->work, run->base);
            (void)compare_part(run, &part);
        }
    }
    twin_op_release(&part);
    return run->out[0] == '\0';
}

static void *effects_grow(void *items, size_t count, size_t item_bytes)
{
    void *grown = realloc(items, (count + 1) * item_bytes);
    if (grown == NULL)
        abort();
    return grown;
}

static void effects_token(const txn_run *run, twin_token *after)
{
    twin_effects *effects = &run->op->effects;
    const twin_token *before = twin_find(run->base, after->id);
    if (before != NULL && before->alive && !after->alive) {
        effects->deleted =
            effects_grow(effects->deleted, effects->deleted_count, sizeof *effects->deleted);
        effects->deleted[effects->deleted_count++] = after->id;
    }
    bool is_untouched = before != NULL && before->version == after->version;
    if (!after->alive || is_untouched)
        return;
    effects->puts = effects_grow(effects->puts, effects->put_count, sizeof *effects->puts);
    twin_token *put = &effects->puts[effects->put_count++];
    *put = *after;
    put->version = before == NULL ? 1 : before->version + 1; /* once, however often it changed */
    after->label = NULL;                                     /* it is the effect's now */
    after->vector = NULL;
    memset(after->named, 0, sizeof after->named);
    after->tags = after->data = NULL;
}

static void effects_connection(const txn_run *run, const twin_connection *after)
{
    twin_effects *effects = &run->op->effects;
    const twin_connection *before = twin_find_connection(run->base, after->id);
    bool is_changed = before != NULL && before->alive && after->alive &&
                      memcmp(&before->record, &after->record, sizeof after->record) != 0;
    if ((before == NULL && after->alive) || is_changed) {
        effects->linked =
            effects_grow(effects->linked, effects->linked_count, sizeof *effects->linked);
        effects->linked[effects->linked_count++] = *after;
    }
    if (before != NULL && before->alive && !after->alive &&
        twin_find(&run->work, after->source)->alive &&
        twin_find(&run->work, after->target)->alive) {
        effects->unlinked =
            effects_grow(effects->unlinked, effects->unlinked_count, sizeof *effects->unlinked);
        effects->unlinked[effects->unlinked_count++] = after->id;
    }
}

/* Conditions of the commit; one of them may be false. */
static ng_status txn_conditions(txn_run *run)
{
    twin_op *op = run->op;
    const twin_token *token = twin_random_token(run->base, run->random);
    if (token == NULL || !test_random_chance(run->random, run->mix.condition_percent * 2))
        return NG_OK;
    bool is_false = op->expected == NG_OK && test_random_chance(run->random, 40);
    ng_status status = NG_OK;
    if (test_random_chance(run->random, 50)) {
        uint32_t version = token->version + is_false;
        status = ng_txn_if_version(run->txn, token->id, version);
        op->if_version = version;
        op->conflict = is_false ? NG_CONFLICT_VERSION : op->conflict;
    } else {
        /* A label is only surely taken if the transaction leaves its holder alone. */
        const twin_token *after = twin_find(&run->work, token->id);
        is_false = is_false && token->label != NULL && after->alive &&
                   twin_is_same(token, after, run->work.dimensions);
        const char *label = is_false ? token->label : "nobody has this one";
        size_t bytes = is_false ? token->label_bytes : strlen(label);
        status = ng_txn_if_absent(run->txn, token->collection, label, bytes);
        op->conflict = is_false ? NG_CONFLICT_PRESENT : op->conflict;
    }
    if (is_false)
        op->expected = NG_E_CONFLICT;
    return status;
}

static ng_status txn_begin(txn_run *run)
{
    ng_txn_options options = {.struct_size = sizeof options};
    if (run->base->seq > 1 && test_random_chance(run->random, run->mix.condition_percent)) {
        bool is_false = test_random_chance(run->random, 50);
        options.if_seq = run->base->seq - is_false;
        run->op->if_seq = options.if_seq;
        run->op->conflict = is_false ? NG_CONFLICT_SEQ : NG_CONFLICT_NONE;
        run->op->expected = is_false ? NG_E_CONFLICT : NG_OK;
    }
    return ng_txn_begin(run->store, &options, &run->txn);
}

static ng_status txn_end(txn_run *run, bool commits)
{
    if (!commits) {
        ng_txn_rollback(run->txn);
        return NG_OK;
    }
    for (size_t i = 0; i < run->work.token_count; i++)
        effects_token(run, &run->work.tokens[i]);
    for (size_t i = 0; i < run->work.connection_count; i++)
        effects_connection(run, &run->work.connections[i]);
    ng_write_options write = {.struct_size = sizeof write,
                              .actor = 7,
                              .seq = &run->op->seq,
                              .durability = run->op->durability};
    return ng_txn_commit(run->txn, &write);
}

ng_status twin_transact(const twin_state *twin, ng_store *store, const twin_mix *mix,
                        test_random *random, twin_op *op, char *out)
{
    ng_durability durability = op->durability;
    memset(op, 0, sizeof *op);
    op->kind = TWIN_TRANSACTION;
    op->durability = durability;
    out[0] = '\0';
    txn_run run = {.base = twin, .store = store, .random = random, .mix = *mix, .op = op};
    run.out = out;
    run.mix.condition_percent = 0;
    if (twin->dimensions == 0)
        run.mix.dimensions = 0; /* which vector would be the first is then no question */
    ng_status status = txn_begin(&run);
    if (status != NG_OK)
        return status;
    twin_clone(twin, &run.work);
    size_t parts = test_random_below(random, PARTS_MAX + 1);
    bool goes_on = true;
    for (size_t i = 0; i < parts && goes_on; i++)
        goes_on = txn_part(&run, &status);
    run.mix.condition_percent = mix->condition_percent;
    if (goes_on)
        status = txn_conditions(&run);
    if (!goes_on || status != NG_OK) {
        ng_txn_rollback(run.txn);
        op->expected = NG_OK;
    } else {
        bool commits = test_random_chance(random, 90);
        if (!commits)
            op->expected = NG_OK;
        status = txn_end(&run, commits);
    }
    twin_release(&run.work);
    return status;
}
