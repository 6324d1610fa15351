/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Random histories of several open transactions and plain writers, against a naive model.
 *
 * The model keeps the committed state in plain arrays, and for each transaction the list of what it
 * has staged. Everything a transaction sees is found by walking that list and then the committed
 * state; whether a commit succeeds is found by asking of every staged thing what the public header
 * says. After each step statuses must agree, after each commit the whole state. At the end of a
 * history the store is opened again: the log gives the same hash. */
#include "store/store_txn_testing.h"

#include <unistd.h>

#define MODEL_IDS 4096 /* of tokens and of connections in one history */
#define MODEL_TXNS 4
#define MODEL_STAGED 64
#define MODEL_LABELS 10

typedef struct model_token {
    bool live, was_live;
    uint32_t version, collection;
    int label; /* -1 = none */
    float weight;
    float vector; /* of every element; 0 = none */
} model_token;

typedef struct model_link {
    bool live, was_live;
    uint32_t source, target;
    uint8_t type;
} model_link;

typedef struct staged_token {
    uint32_t slot;
    uint32_t base; /* committed version, 0 = created */
    bool deleted;
    bool label_set, vector_set;
    model_token value;
} staged_token;

typedef struct staged_link {
    uint32_t id;
    bool created, deleted;
    model_link value;
} staged_link;

typedef struct model_txn {
    ng_txn *txn;
    staged_token tokens[MODEL_STAGED];
    staged_link links[MODEL_STAGED];
    uint32_t token_count, link_count;
} model_txn;

typedef struct model {
    txn_fixture f;
    uint64_t seed;
    model_token tokens[MODEL_IDS];
    model_link links[MODEL_IDS];
    model_txn txns[MODEL_TXNS];
    uint32_t slot_end, id_end;
    uint32_t commits, conflicts;
} model;

static const char *model_label(int label)
{
    static const char *const names[MODEL_LABELS] = {"l0", "l1", "l2",   "l3",   "l4",
                                                    "l5", "l6", "long", "word", "x"};
    return names[label];
}

static uint32_t below(model *m, uint32_t limit)
{
    return testing_below(&m->seed, limit);
}

/* --- what a transaction sees; `t` NULL is the committed state ------------------------------- */

static staged_token *staged_of(model_txn *t, uint32_t slot)
{
    for (uint32_t i = 0; t != NULL && i < t->token_count; i++) {
        if (t->tokens[i].slot == slot)
            return &t->tokens[i];
    }
    return NULL;
}

static staged_link *staged_link_of(model_txn *t, uint32_t id)
{
    for (uint32_t i = 0; t != NULL && i < t->link_count; i++) {
        if (t->links[i].id == id)
            return &t->links[i];
    }
    return NULL;
}

/* The token as seen; live is false if it is not. */
static model_token seen_token(model *m, model_txn *t, uint32_t slot)
{
    const staged_token *staged = staged_of(t, slot);
    if (staged == NULL)
        return m->tokens[slot];
    model_token seen = staged->value;
    seen.live = !staged->deleted;
    seen.version = staged->base + 1;
    if (!staged->label_set)
        seen.label = staged->base != 0 ? m->tokens[slot].label : -1;
    if (!staged->vector_set)
        seen.vector = staged->base != 0 ? m->tokens[slot].vector : 0;
    return seen;
}

static uint32_t seen_holder(model *m, model_txn *t, uint32_t collection, int label)
{
    for (uint32_t i = 0; t != NULL && i < t->token_count; i++) {
        const staged_token *staged = &t->tokens[i];
        if (!staged->deleted && staged->label_set && staged->value.label == label &&
            staged->value.collection == collection)
            return staged->slot;
    }
    for (uint32_t slot = 1; slot < m->slot_end; slot++) {
        const staged_token *staged = staged_of(t, slot);
        if (m->tokens[slot].live && m->tokens[slot].collection == collection &&
            m->tokens[slot].label == label &&
            (staged == NULL || (!staged->deleted && !staged->label_set)))
            return slot;
    }
    return 0;
}

static bool seen_link(model *m, model_txn *t, uint32_t id, model_link *out)
{
    const staged_link *staged = staged_link_of(t, id);
    *out = staged != NULL ? staged->value : m->links[id];
    if (staged != NULL)
        return staged->created && !staged->deleted;
    const staged_token *source = staged_of(t, out->source);
    const staged_token *target = staged_of(t, out->target);
    return out->live && !(source != NULL && source->deleted) &&
           !(target != NULL && target->deleted);
}

static uint32_t seen_joining(model *m, model_txn *t, const model_link *wanted)
{
    for (uint32_t id = 1; id < m->id_end; id++) {
        model_link link;
        if (seen_link(m, t, id, &link) && link.source == wanted->source &&
            link.target == wanted->target && link.type == wanted->type)
            return id;
    }
    return 0;
}

/* --- changing the model ---------------------------------------------------------------------- */

static staged_token *stage(model *m, model_txn *t, uint32_t slot)
{
    staged_token *staged = staged_of(t, slot);
    if (staged != NULL)
        return staged;
    assert_true(t->token_count < MODEL_STAGED);
    staged = &t->tokens[t->token_count++];
    *staged = (staged_token){.slot = slot, .base = m->tokens[slot].version};
    staged->value = m->tokens[slot];
    return staged;
}

static void remove_committed(model *m, uint32_t slot)
{
    m->tokens[slot] = (model_token){.was_live = true, .label = -1};
    for (uint32_t id = 1; id < m->id_end; id++) {
        if (m->links[id].source == slot || m->links[id].target == slot)
            m->links[id].live = false;
    }
}

static bool staged_fits(model *m, model_txn *t)
{
    for (uint32_t i = 0; i < t->token_count; i++) {
        const staged_token *staged = &t->tokens[i];
        const model_token *present = &m->tokens[staged->slot];
        if (staged->base != 0 && (!present->live || present->version != staged->base))
            return false;
        if (staged->deleted || !staged->label_set || staged->value.label < 0)
            continue;
        for (uint32_t slot = 1; slot < m->slot_end; slot++) {
            const staged_token *other = staged_of(t, slot);
            if (slot != staged->slot && m->tokens[slot].live &&
                m->tokens[slot].label == staged->value.label &&
                m->tokens[slot].collection == staged->value.collection &&
                (other == NULL || (!other->deleted && !other->label_set)))
                return false;
        }
    }
    for (uint32_t i = 0; i < t->link_count; i++) {
        const staged_link *staged = &t->links[i];
        if (!staged->created && !m->links[staged->id].live)
            return false;
        if (!staged->created || staged->deleted)
            continue;
        if (!seen_token(m, t, staged->value.source).live ||
            !seen_token(m, t, staged->value.target).live)
            return false;
        for (uint32_t id = 1; id < m->id_end; id++) {
            model_link link;
            if (staged_link_of(t, id) == NULL && seen_link(m, t, id, &link) &&
                link.source == staged->value.source && link.target == staged->value.target &&
                link.type == staged->value.type)
                return false;
        }
    }
    return true;
}

static void staged_apply(model *m, model_txn *t)
{
    for (uint32_t i = 0; i < t->link_count; i++) {
        if (!t->links[i].created)
            m->links[t->links[i].id].live = false;
    }
    for (uint32_t i = 0; i < t->token_count; i++) {
        const staged_token *staged = &t->tokens[i];
        model_token next = seen_token(m, t, staged->slot);
        if (staged->base != 0 && staged->deleted)
            remove_committed(m, staged->slot);
        else if (!staged->deleted)
            m->tokens[staged->slot] = next;
        m->tokens[staged->slot].was_live = true; /* also what came and went inside */
    }
    for (uint32_t i = 0; i < t->link_count; i++) {
        const staged_link *staged = &t->links[i];
        m->links[staged->id].was_live = true;
        if (staged->created && !staged->deleted) {
            m->links[staged->id] = staged->value;
            m->links[staged->id].live = m->links[staged->id].was_live = true;
        }
    }
}

/* --- comparing ------------------------------------------------------------------------------- */

static void compare_token(model *m, model_txn *t, uint32_t slot)
{
    model_token want = seen_token(m, t, slot);
    ng_store *store = m->f.store;
    ng_token_info info;
    ng_status status = t != NULL ? ngi_txn_token_get(t->txn, slot, &info)
                                 : ngi_store_token_get(store, slot, &info);
    assert_int_equal(status, want.live ? NG_OK : NG_E_NOT_FOUND);
    if (!want.live)
        return;
    char label[32];
    size_t bytes;
    float vector[3];
    size_t count;
    assert_int_equal(info.id, slot);
    assert_int_equal(info.version, want.version);
    assert_int_equal(info.collection, want.collection);
    assert_true(info.record.weight == want.weight);
    assert_int_equal(info.has_vector, want.vector > 0);
    status = t != NULL ? ngi_txn_token_label(t->txn, slot, label, sizeof label, &bytes)
                       : ngi_store_token_label(store, slot, label, sizeof label, &bytes);
    assert_int_equal(status, NG_OK);
    assert_string_equal(label, want.label >= 0 ? model_label(want.label) : "");
    status = t != NULL ? ngi_txn_token_vector(t->txn, slot, vector, 3, &count)
                       : ngi_store_token_vector(store, slot, vector, 3, &count);
    assert_int_equal(status, NG_OK);
    assert_int_equal(count, want.vector > 0 ? 3 : 0);
    assert_true(count == 0 || vector[2] == want.vector);
}

static void compare(model *m, model_txn *t)
{
    for (uint32_t slot = 1; slot < m->slot_end; slot++)
        compare_token(m, t, slot);
    for (uint32_t collection = 0; collection < 2; collection++) {
        for (int label = 0; label < MODEL_LABELS; label++) {
            const char *text = model_label(label);
            ng_token_id found = 0;
            uint32_t want = seen_holder(m, t, collection, label);
            ng_status status =
                t != NULL
                    ? ngi_txn_token_find(t->txn, collection, text, strlen(text), &found)
                    : ngi_store_token_find(m->f.store, collection, text, strlen(text), &found);
            assert_int_equal(status, want != 0 ? NG_OK : NG_E_NOT_FOUND);
            assert_int_equal(found, want);
        }
    }
    for (uint32_t id = 1; id < m->id_end; id++) {
        model_link want;
        ng_connection record;
        bool is_there = seen_link(m, t, id, &want);
        ng_status status = t != NULL ? ngi_txn_connection_get(t->txn, id, &record)
                                     : ngi_store_connection_get(m->f.store, id, &record);
        assert_int_equal(status, is_there ? NG_OK : NG_E_NOT_FOUND);
        assert_true(!is_there || (record.source == want.source && record.target == want.target &&
                                  record.type == want.type));
    }
}

/* --- steps ----------------------------------------------------------------------------------- */

static void mark_slot(model *m, uint32_t slot)
{
    assert_in_range(slot, 1, MODEL_IDS - 1);
    /* Of nobody: not there, never was, and in no transaction. */
    assert_false(m->tokens[slot].live || m->tokens[slot].was_live);
    for (int i = 0; i < MODEL_TXNS; i++)
        assert_null(m->txns[i].txn != NULL ? staged_of(&m->txns[i], slot) : NULL);
    if (slot >= m->slot_end)
        m->slot_end = slot + 1;
}

static void mark_id(model *m, uint32_t id)
{
    assert_in_range(id, 1, MODEL_IDS - 1);
    assert_false(m->links[id].live || m->links[id].was_live);
    for (int i = 0; i < MODEL_TXNS; i++)
        assert_null(m->txns[i].txn != NULL ? staged_link_of(&m->txns[i], id) : NULL);
    if (id >= m->id_end)
        m->id_end = id + 1;
}

typedef struct change {
    ng_token_fields fields;
    float floats[3];
    bool label_set, weight_set, vector_set;
    int label;
    float weight, vector;
} change;

static void random_change(model *m, change *c)
{
    *c = (change){.fields = {.struct_size = sizeof c->fields}, .label = -1};
    c->label_set = below(m, 2) == 0;
    c->weight_set = below(m, 2) == 0;
    c->vector_set = below(m, 4) == 0;
    if (c->label_set) {
        c->label = (int)below(m, MODEL_LABELS + 2) - 2;
        c->label = c->label < 0 ? -1 : c->label;
        c->fields.set |= NG_FIELD_LABEL;
        c->fields.label = c->label >= 0 ? model_label(c->label) : NULL;
        c->fields.label_bytes = c->label >= 0 ? strlen(c->fields.label) : 0;
    }
    if (c->weight_set) {
        c->weight = (float)below(m, 101) / 128.0f;
        c->fields.set |= NG_FIELD_WEIGHT;
        c->fields.weight = c->weight;
    }
    if (c->vector_set) {
        c->vector = (float)below(m, 4);
        for (int i = 0; i < 3; i++)
            c->floats[i] = c->vector;
        c->fields.set |= NG_FIELD_VECTOR;
        c->fields.vector = c->floats;
        c->fields.vector_dimensions = c->vector > 0 ? 3 : 0;
    }
}

/* What a change does to a token that has `holder` among the labels. */
static ng_status change_status(model *m, model_txn *t, const change *c, uint32_t collection,
                               uint32_t slot, bool *same_label)
{
    *same_label = false;
    if (!c->label_set || c->label < 0)
        return NG_OK;
    uint32_t holder = seen_holder(m, t, collection, c->label);
    *same_label = holder != 0 && holder == slot;
    return holder == 0 || holder == slot ? NG_OK : NG_E_EXISTS;
}

static void change_value(const change *c, model_token *value)
{
    if (c->label_set)
        value->label = c->label;
    if (c->weight_set)
        value->weight = c->weight;
    if (c->vector_set)
        value->vector = c->vector;
}

static void step_create(model *m, model_txn *t)
{
    change c;
    bool same;
    random_change(m, &c);
    c.fields.collection = below(m, 2);
    ng_write_options write = txn_write(t != NULL ? t->txn : NULL);
    ng_token_id id = 0;
    ng_status want = change_status(m, t, &c, c.fields.collection, 0, &same);
    assert_int_equal(ngi_store_token_put(m->f.store, NULL, &c.fields, 1, &write, &id), want);
    if (want != NG_OK)
        return;
    mark_slot(m, (uint32_t)id);
    model_token value = {.live = true,
                         .was_live = true,
                         .version = 1,
                         .label = -1,
                         .weight = 1,
                         .collection = c.fields.collection};
    change_value(&c, &value);
    if (t == NULL) {
        m->tokens[id] = value;
        return;
    }
    staged_token *staged = stage(m, t, (uint32_t)id);
    staged->value = value;
    staged->base = 0;
    staged->label_set = c.label_set;
    staged->vector_set = c.vector_set;
}

static void step_update(model *m, model_txn *t)
{
    change c;
    bool same = false;
    random_change(m, &c);
    uint32_t slot = 1 + below(m, m->slot_end + 1);
    model_token seen = seen_token(m, t, slot);
    ng_write_options write = txn_write(t != NULL ? t->txn : NULL);
    write.if_version = below(m, 3) == 0 ? 1 + below(m, 4) : 0;
    ng_status want = NG_OK;
    if (!seen.live)
        want = NG_E_NOT_FOUND;
    else if (write.if_version != 0 && write.if_version != seen.version)
        want = NG_E_CONFLICT;
    else
        want = change_status(m, t, &c, seen.collection, slot, &same);
    ng_token_id id = slot;
    assert_int_equal(ngi_store_token_put(m->f.store, &id, &c.fields, 1, &write, NULL), want);
    if (want != NG_OK)
        return;
    if (t == NULL) {
        change_value(&c, &m->tokens[slot]);
        m->tokens[slot].version++;
        return;
    }
    staged_token *staged = stage(m, t, slot);
    if (same)
        c.label_set = false; /* as it is */
    change_value(&c, &staged->value);
    staged->label_set |= c.label_set;
    staged->vector_set |= c.vector_set;
}

static void step_delete(model *m, model_txn *t)
{
    uint32_t slot = 1 + below(m, m->slot_end + 1);
    bool is_live = seen_token(m, t, slot).live;
    assert_int_equal(txn_delete(&m->f, t != NULL ? t->txn : NULL, slot),
                     is_live ? NG_OK : NG_E_NOT_FOUND);
    if (!is_live)
        return;
    if (t == NULL) {
        remove_committed(m, slot);
        return;
    }
    stage(m, t, slot)->deleted = true;
    for (uint32_t i = 0; i < t->link_count; i++) {
        staged_link *link = &t->links[i];
        if (link->created && (link->value.source == slot || link->value.target == slot))
            link->deleted = true;
    }
}

static void step_connect(model *m, model_txn *t)
{
    model_link value = {.live = true, .was_live = true, .type = (uint8_t)(64 + below(m, 2))};
    value.source = 1 + below(m, m->slot_end);
    value.target = 1 + below(m, m->slot_end);
    ng_connection_fields fields = txn_link(value.source, value.target);
    fields.set = NG_CFIELD_TYPE;
    fields.type = value.type;
    ng_status want = NG_OK;
    if (!seen_token(m, t, value.source).live || !seen_token(m, t, value.target).live)
        want = NG_E_NOT_FOUND;
    else if (value.source == value.target)
        want = NG_E_INVALID;
    else if (seen_joining(m, t, &value) != 0)
        want = NG_E_EXISTS;
    ng_write_options write = txn_write(t != NULL ? t->txn : NULL);
    ng_connection_id id = 0;
    assert_int_equal(ngi_store_connection_put(m->f.store, &fields, 1, 0, 0, &write, &id, NULL),
                     want);
    if (want != NG_OK)
        return;
    mark_id(m, (uint32_t)id);
    if (t == NULL) {
        m->links[id] = value;
        return;
    }
    assert_true(t->link_count < MODEL_STAGED);
    t->links[t->link_count++] = (staged_link){.id = (uint32_t)id, .created = true, .value = value};
}

static void step_disconnect(model *m, model_txn *t)
{
    uint32_t id = 1 + below(m, m->id_end);
    model_link link;
    bool is_there = seen_link(m, t, id, &link);
    assert_int_equal(txn_disconnect(&m->f, t != NULL ? t->txn : NULL, id),
                     is_there ? NG_OK : NG_E_NOT_FOUND);
    if (!is_there)
        return;
    staged_link *staged = staged_link_of(t, id);
    if (t == NULL)
        m->links[id].live = false;
    else if (staged != NULL)
        staged->deleted = true;
    else
        t->links[t->link_count++] = (staged_link){.id = id, .deleted = true, .value = link};
}

static void step_end(model *m, model_txn *t)
{
    bool commit = below(m, 5) != 0;
    if (commit) {
        bool fits = staged_fits(m, t);
        bool is_empty = true;
        for (uint32_t i = 0; i < t->token_count; i++)
            is_empty &= t->tokens[i].base == 0 && t->tokens[i].deleted;
        for (uint32_t i = 0; i < t->link_count; i++)
            is_empty &= t->links[i].created && t->links[i].deleted;
        ng_seq before = txn_seq(&m->f);
        assert_int_equal(ngi_txn_commit(t->txn, NULL), fits ? NG_OK : NG_E_CONFLICT);
        assert_int_equal(txn_seq(&m->f), before + (fits && !is_empty));
        assert_true(fits || ng_last_conflict(NULL));
        if (fits)
            staged_apply(m, t);
        m->commits += fits;
        m->conflicts += !fits;
    } else {
        ngi_txn_rollback(t->txn);
    }
    memset(t, 0, sizeof *t);
    compare(m, NULL);
}

static void step(model *m)
{
    static void (*const steps[])(model *, model_txn *) = {step_create, step_update, step_delete,
                                                          step_connect, step_disconnect};
    static const uint32_t chances[] = {30, 35, 8, 20, 7};
    uint32_t which = below(m, MODEL_TXNS + 1);
    model_txn *t = which < MODEL_TXNS ? &m->txns[which] : NULL;
    if (t != NULL && t->txn == NULL)
        t->txn = txn_begin(&m->f);
    bool is_full = t != NULL && (t->token_count >= MODEL_STAGED || t->link_count >= MODEL_STAGED);
    if (t != NULL && (is_full || below(m, 12) == 0)) {
        if (below(m, 3) == 0)
            compare(m, t);
        step_end(m, t);
        return;
    }
    uint32_t chance = below(m, 100);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (chance < chances[i]) {
            steps[i](m, t);
            return;
        }
        chance -= chances[i];
    }
}

static void remove_store(const char *path)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static void run_history(const char *path, uint64_t seed)
{
    const ng_open_options options = {.struct_size = sizeof options,
                                     .flags = NG_OPEN_MANUAL,
                                     .durability = NG_DURABILITY_NONE,
                                     .max_tokens = MODEL_IDS - 1,
                                     .max_connections = MODEL_IDS - 1};
    model *m = calloc(1, sizeof *m);
    m->seed = seed;
    m->slot_end = m->id_end = 1;
    txn_open(&m->f, path, &options);
    for (int i = 0; i < 1200; i++)
        step(m);
    for (int i = 0; i < MODEL_TXNS; i++)
        ngi_txn_rollback(m->txns[i].txn);
    memset(m->txns, 0, sizeof m->txns);
    compare(m, NULL);
    txn_check(&m->f);
    assert_true(m->commits > 10 && m->conflicts > 3);
    uint64_t hash = txn_hash(&m->f);
    if (path != NULL) {
        assert_int_equal(ngi_store_close(m->f.store), NG_OK);
        testing_memory_check(&m->f.memory);
        txn_open(&m->f, path, &options);
        assert_true(txn_hash(&m->f) == hash);
        compare(m, NULL);
    }
    txn_close(&m->f);
    free(m);
}

static void test_in_memory(void **state)
{
    (void)state;
    uint64_t seed = testing_seed("in_memory");
    for (int i = 0; i < 6; i++)
        run_history(NULL, testing_random(&seed));
}

static void test_reopened(void **state)
{
    (void)state;
    uint64_t seed = testing_seed("reopened");
    char directory[] = "/tmp/ng-txn-XXXXXX";
    assert_non_null(mkdtemp(directory));
    for (int i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%d", directory, i);
        run_history(path, testing_random(&seed));
    }
    remove_store(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_reopened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
