/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A bank whose books always balance, if transactions are whole and views are of one moment.
 *
 * Writers move amounts between accounts in three collections, each move one transaction of up to
 * five tokens and four connections. Readers open views meanwhile and verify the books with every
 * call that a view has:
 *
 *   1. The amounts of all accounts and vouchers add up to what was there at the beginning.
 *   2. A token's record, label and vector say the same amount, and its label leads back to it.
 *   3. There are as many tokens and connections as at the beginning; every connection is found from
 *      both of its ends, which are there.
 *   4. Each writer counts its transactions in a token of its own: all counts together are the
 *      view's seq less that of the beginning. So no op was part of a transaction, and none is missing.
 *   5. What a view says stays the same for as long as it is open.
 *
 * Another thread forgets views: each is closed by its limit, once, and reported. */
#include "api_support.h"

#include "test_directory.h"
#include "test_random.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define COLLECTIONS 3
#define ACCOUNTS 144 /* in all collections in turn */
#define WRITERS 4
#define READERS 2
#define RECEIPTS 8 /* connections between accounts, of each writer */
#define VOUCHERS 6 /* tokens connected with an account, of each writer */
#define BEGIN_AMOUNT 50
#define BEGIN_TOTAL (ACCOUNTS * BEGIN_AMOUNT)
#define RECORD_MODULUS 10000u /* a record holds so much of an amount; more than the total */
#define TOKENS (ACCOUNTS + WRITERS * (1 + VOUCHERS))
#define CONNECTIONS (WRITERS * (RECEIPTS + VOUCHERS))
#define OPEN_VIEWS 4       /* of a reader */
#define ENDLESS_MS 3600000 /* lifetime of views that only the other limit may close */
#define PATIENCE                                                                                   \
    50 /* writers give up waiting for a forgotten view after so many times their work */

enum {
    KIND_ACCOUNT = NG_ENTITY_OBJECT,
    KIND_VOUCHER = NG_ENTITY_EVENT,
    KIND_WRITER = NG_ENTITY_RULE
};

typedef struct bank_state {
    ng_store *store;
    ng_collection_id collections[COLLECTIONS];
    ng_token_id accounts[ACCOUNTS];
    ng_seq begin_seq;
    uint64_t quota; /* commits of each writer */
    atomic_int writers_left;
    atomic_uint_fast64_t commits, conflicts, views;
    atomic_uint_fast64_t expired_by_age, expired_by_bytes;
    atomic_int wrong;
    char wrong_text[1024]; /* of the first wrong answer; read after joining */
} bank_state;

typedef struct writer_state {
    bank_state *bank;
    unsigned number;
    test_random random;
    ng_token_id token;
    uint64_t commits, serial;
    ng_connection_id receipts[RECEIPTS]; /* a ring: the oldest is at `receipt` */
    ng_token_id vouchers[VOUCHERS];
    unsigned receipt, voucher;
} writer_state;

static void note_wrong(bank_state *bank, const char *what)
{
    if (atomic_fetch_add(&bank->wrong, 1) == 0)
        snprintf(bank->wrong_text, sizeof bank->wrong_text, "%s (last error: %s)", what,
                 ng_last_error());
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            note_wrong(bank, #condition);                                                          \
    } while (0)

/* --- tokens that say an amount ---------------------------------------------------------------- */

typedef struct amount_fields {
    ng_token_fields fields;
    char label[64];
    float vector[4];
} amount_fields;

static const ng_token_fields *say_amount(amount_fields *out, int kind, unsigned owner,
                                         uint64_t serial, uint64_t amount)
{
    const char *name = kind == KIND_ACCOUNT   ? "account"
                       : kind == KIND_VOUCHER ? "voucher"
                                              : "writer";
    *out = (amount_fields){.fields = api_fields()};
    out->fields.set = NG_FIELD_LABEL | NG_FIELD_VECTOR | NG_FIELD_ENTITY;
    out->fields.entity = (uint8_t)kind;
    out->fields.spaces_set = 1;
    out->fields.coordinates[0][0] = (float)(amount % RECORD_MODULUS);
    out->fields.label = out->label;
    out->fields.label_bytes =
        (size_t)snprintf(out->label, sizeof out->label, "%s-%u-%llu=%llu", name, owner,
                         (unsigned long long)serial, (unsigned long long)amount);
    out->vector[0] = (float)amount;
    out->vector[3] = 1;
    out->fields.vector = out->vector;
    out->fields.vector_dimensions = 4;
    return &out->fields;
}

static uint64_t record_amount(const ng_token *record)
{
    return (uint64_t)record->coordinates[0][0]; /* the store's scale is 1 */
}

static int record_kind(const ng_token *record)
{
    return (record->flags & NG_TOKEN_ENTITY_MASK) >> NG_TOKEN_ENTITY_SHIFT;
}

/* --- writers ---------------------------------------------------------------------------------- */

/* Reads an amount and sets it anew, if it is still the one that was read. `*change` is taken from an
 * amount that is too small as far as it goes; then it is less afterwards. */
static ng_status change_amount(writer_state *writer, ng_txn *txn, ng_token_id id, int64_t *change)
{
    amount_fields next;
    ng_token_info info;
    ng_status status = ng_txn_token_get(txn, id, &info);
    if (status != NG_OK)
        return status;
    bank_state *bank = writer->bank;
    int64_t amount = (int64_t)record_amount(&info.record);
    if (amount + *change < 0)
        *change = -amount;
    unsigned number = 0;
    while (number < ACCOUNTS && bank->accounts[number] != id)
        number++;
    EXPECT(number < ACCOUNTS && record_kind(&info.record) == KIND_ACCOUNT);
    const ng_write_options write = {.struct_size = sizeof write,
                                    .txn = txn,
                                    .if_version = info.version};
    return ng_token_update(bank->store, id,
                           say_amount(&next, KIND_ACCOUNT, number, 0, (uint64_t)(amount + *change)),
                           &write);
}

/* The part that every transaction has. */
static ng_status count_commit(writer_state *writer, ng_txn *txn)
{
    amount_fields next;
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    return ng_token_update(writer->bank->store, writer->token,
                           say_amount(&next, KIND_WRITER, writer->number, 0, writer->commits + 1),
                           &write);
}

static ng_status connect(writer_state *writer, ng_txn *txn, ng_token_id source, ng_token_id target,
                         uint8_t type, ng_connection_id *out)
{
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    const ng_connection_fields fields = {.struct_size = sizeof fields,
                                         .source = source,
                                         .target = target,
                                         .set = NG_CFIELD_TYPE,
                                         .type = type};
    return ng_connection_create(writer->bank->store, &fields, &write, out);
}

static uint8_t receipt_type(const writer_state *writer)
{
    return (uint8_t)(0x50 + writer->number);
}

/* From one account to another; a receipt takes the place of the oldest one, unless there is one
 * between these two. */
static ng_status stage_transfer(writer_state *writer, ng_txn *txn, ng_token_id from, ng_token_id to,
                                ng_connection_id *receipt)
{
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    int64_t change = -(int64_t)test_random_below(&writer->random, 20);
    ng_status status = change_amount(writer, txn, from, &change);
    change = -change;
    if (status == NG_OK)
        status = change_amount(writer, txn, to, &change);
    if (status != NG_OK)
        return status;
    *receipt = 0;
    status = connect(writer, txn, from, to, receipt_type(writer), receipt);
    if (status == NG_E_EXISTS)
        return NG_OK;
    return status != NG_OK ? status
                           : ng_connection_delete(writer->bank->store,
                                                  writer->receipts[writer->receipt], &write);
}

/* From an account to a new voucher, and from the oldest voucher to another account. The voucher's
 * connection goes with it. */
static ng_status stage_voucher(writer_state *writer, ng_txn *txn, ng_token_id from, ng_token_id to,
                               ng_token_id *voucher)
{
    bank_state *bank = writer->bank;
    const ng_write_options write = {.struct_size = sizeof write, .txn = txn};
    amount_fields made;
    ng_token_info oldest;
    ng_connection_id id;
    int64_t change = -(int64_t)test_random_below(&writer->random, 20);
    ng_status status = change_amount(writer, txn, from, &change);
    if (status != NG_OK)
        return status;
    ng_token_fields fields =
        *say_amount(&made, KIND_VOUCHER, writer->number, ++writer->serial, (uint64_t)-change);
    fields.collection = bank->collections[test_random_below(&writer->random, COLLECTIONS)];
    EXPECT(ng_token_create(bank->store, &fields, &write, voucher) == NG_OK);
    EXPECT(connect(writer, txn, *voucher, from, 0x10, &id) == NG_OK);
    EXPECT(ng_txn_token_get(txn, writer->vouchers[writer->voucher], &oldest) == NG_OK);
    change = (int64_t)record_amount(&oldest.record);
    EXPECT(ng_token_delete(bank->store, writer->vouchers[writer->voucher], &write) == NG_OK);
    return change_amount(writer, txn, to, &change);
}

/* NOLINTBEGIN(misc-no-recursion): a transaction that collides begins one that does not */
/* Two transactions change the same account: the second to commit is told. */
static void collide(writer_state *writer, ng_token_id from, ng_token_id to);

/* Tries one transaction; false if somebody else was first. */
static bool try_transaction(writer_state *writer, ng_token_id from, ng_token_id to, bool collides)
{
    bank_state *bank = writer->bank;
    ng_txn *txn;
    ng_connection_id receipt = 0;
    ng_token_id voucher = 0;
    bool with_voucher = !collides && test_random_chance(&writer->random, 30);
    EXPECT(ng_txn_begin(bank->store, NULL, &txn) == NG_OK);
    ng_status status = with_voucher ? stage_voucher(writer, txn, from, to, &voucher)
                                    : stage_transfer(writer, txn, from, to, &receipt);
    if (status != NG_OK) {
        EXPECT(status == NG_E_CONFLICT);
        ng_txn_rollback(txn);
        return false;
    }
    EXPECT(count_commit(writer, txn) == NG_OK);
    if (collides)
        collide(writer, from, to);
    status = ng_txn_commit(txn, NULL);
    EXPECT(status == NG_OK || status == NG_E_CONFLICT);
    EXPECT(!collides || status == NG_E_CONFLICT);
    if (status != NG_OK)
        return false;
    writer->commits++;
    atomic_fetch_add(&bank->commits, 1);
    if (receipt != 0) {
        writer->receipts[writer->receipt] = receipt;
        writer->receipt = (writer->receipt + 1) % RECEIPTS;
    } else if (voucher != 0) {
        writer->vouchers[writer->voucher] = voucher;
        writer->voucher = (writer->voucher + 1) % VOUCHERS;
    }
    return true;
}

static void transact(writer_state *writer, ng_token_id from, ng_token_id to, bool collides)
{
    while (!try_transaction(writer, from, to, collides)) {
        atomic_fetch_add(&writer->bank->conflicts, 1);
        collides = false;
    }
}

static void collide(writer_state *writer, ng_token_id from, ng_token_id to)
{
    transact(writer, from, to, false);
}
/* NOLINTEND(misc-no-recursion) */

static bool is_patient(const writer_state *writer)
{
    bank_state *bank = writer->bank;
    return writer->commits < PATIENCE * bank->quota &&
           (atomic_load(&bank->expired_by_age) == 0 || atomic_load(&bank->expired_by_bytes) == 0);
}

static void *writer_main(void *argument)
{
    writer_state *writer = argument;
    bank_state *bank = writer->bank;
    while ((writer->commits < bank->quota || is_patient(writer)) &&
           atomic_load(&bank->wrong) == 0) {
        size_t from = test_random_below(&writer->random, ACCOUNTS);
        size_t to = (from + 1 + test_random_below(&writer->random, ACCOUNTS - 1)) % ACCOUNTS;
        transact(writer, bank->accounts[from], bank->accounts[to], writer->commits % 64 == 0);
    }
    atomic_fetch_sub(&bank->writers_left, 1);
    return NULL;
}

/* --- what a view says ------------------------------------------------------------------------- */

typedef struct books_state {
    uint64_t total, commits, tokens, out_edges, in_edges;
} books_state;

static void read_edges(bank_state *bank, const ng_view *view, const ng_token_info *info,
                       books_state *books)
{
    ng_edge edges[CONNECTIONS];
    size_t count = 0, outgoing = 0;
    EXPECT(ng_view_token_connections(view, info->id, NULL, edges, CONNECTIONS, &count) == NG_OK);
    EXPECT(count == info->out_degree + info->in_degree && count <= CONNECTIONS);
    for (size_t i = 0; i < count && i < CONNECTIONS; i++) {
        ng_connection record;
        ng_token_info other;
        bool is_source = edges[i].source == info->id;
        EXPECT(is_source || edges[i].target == info->id);
        EXPECT(ng_view_connection_get(view, edges[i].id, &record) == NG_OK);
        EXPECT(record.source == edges[i].source && record.target == edges[i].target &&
               record.type == edges[i].type);
        EXPECT(ng_view_token_get(view, is_source ? edges[i].target : edges[i].source, &other) ==
               NG_OK);
        EXPECT(i == 0 || is_source != (edges[i - 1].source == info->id) ||
               edges[i].id < edges[i - 1].id);
        outgoing += is_source;
    }
    EXPECT(outgoing == info->out_degree);
    books->out_edges += info->out_degree;
    books->in_edges += info->in_degree;
}

static void read_token(bank_state *bank, const ng_view *view, ng_collection_id collection,
                       ng_token_id id, books_state *books)
{
    ng_token_info info;
    char label[64];
    size_t bytes = 0, dimensions = 0;
    float vector[4] = {0};
    ng_token_id found = 0;
    EXPECT(ng_view_token_get(view, id, &info) == NG_OK);
    EXPECT(info.id == id && info.collection == collection && info.has_vector);
    EXPECT(ng_view_token_label(view, id, label, sizeof label, &bytes) == NG_OK);
    EXPECT(ng_view_token_vector(view, id, vector, 4, &dimensions) == NG_OK && dimensions == 4);
    EXPECT(ng_view_token_find(view, collection, label, bytes, &found) == NG_OK && found == id);
    const char *says = strchr(label, '=');
    uint64_t amount = says != NULL ? strtoull(says + 1, NULL, 10) : UINT64_MAX;
    EXPECT(amount % RECORD_MODULUS == record_amount(&info.record));
    EXPECT((float)amount == vector[0] && vector[3] == 1);
    if (record_kind(&info.record) == KIND_WRITER) {
        EXPECT(info.version == amount + 1);
        books->commits += amount;
    } else {
        books->total += amount;
    }
    books->tokens++;
    read_edges(bank, view, &info, books);
}

static void read_collection(bank_state *bank, const ng_view *view, ng_collection_id collection,
                            books_state *books)
{
    ng_token_id page[50], after = 0, found;
    char name[65];
    uint64_t said = 0, before = books->tokens;
    size_t count = 50;
    EXPECT(ng_view_collection_get(view, collection, name, &said) == NG_OK);
    while (count == 50) {
        EXPECT(ng_view_token_list(view, collection, after, page, 50, &count) == NG_OK);
        for (size_t i = 0; i < count; i++) {
            EXPECT(page[i] > after);
            after = page[i];
            read_token(bank, view, collection, page[i], books);
        }
    }
    EXPECT(books->tokens - before == said);
    EXPECT(ng_view_token_find(view, collection, "account-0-0=x", 13, &found) == NG_E_NOT_FOUND);
}

/* Verifies the books and returns the hash of the view's state. */
static uint64_t read_books(bank_state *bank, const ng_view *view)
{
    books_state books = {0};
    ng_view_info info;
    ng_cdna cdna;
    uint64_t hash = 0;
    ng_view_info_get(view, &info);
    EXPECT(!info.expired && info.collection_count == COLLECTIONS + 1 && info.dimensions == 4);
    EXPECT(info.token_count == TOKENS && info.connection_count == CONNECTIONS);
    EXPECT(ng_view_cdna_get(view, &cdna) == NG_OK && cdna.max_out_degree == 1000);
    for (ng_collection_id i = 0; i < info.collection_count; i++)
        read_collection(bank, view, i, &books);
    EXPECT(books.total == BEGIN_TOTAL);
    EXPECT(books.tokens == TOKENS);
    EXPECT(books.out_edges == CONNECTIONS && books.in_edges == CONNECTIONS);
    EXPECT(bank->begin_seq + books.commits == info.seq);
    EXPECT(ng_view_state_hash(view, &hash) == NG_OK);
    return hash;
}

typedef struct held_view {
    ng_view *view; /* NULL = none */
    uint64_t hash;
} held_view;

static void *reader_main(void *argument)
{
    bank_state *bank = argument;
    const ng_view_options options = {.struct_size = sizeof options,
                                     .lifetime_ms = ENDLESS_MS,
                                     .max_copied_bytes = UINT64_MAX};
    test_random random = {(uintptr_t)&options};
    held_view held[OPEN_VIEWS] = {0};
    while (atomic_load(&bank->writers_left) > 0 && atomic_load(&bank->wrong) == 0) {
        held_view *at = &held[test_random_below(&random, OPEN_VIEWS)];
        if (at->view == NULL) {
            EXPECT(ng_view_open(bank->store, &options, &at->view) == NG_OK);
            at->hash = read_books(bank, at->view);
            atomic_fetch_add(&bank->views, 1);
        } else if (test_random_chance(&random, 50)) {
            EXPECT(read_books(bank, at->view) == at->hash);
        } else {
            ng_view_close(at->view);
            at->view = NULL;
        }
    }
    for (size_t i = 0; i < OPEN_VIEWS; i++) {
        EXPECT(held[i].view == NULL || read_books(bank, held[i].view) == held[i].hash);
        ng_view_close(held[i].view);
    }
    return NULL;
}

/* --- forgotten views -------------------------------------------------------------------------- */

static void expect_expired(bank_state *bank, const ng_view *view, const char *limit)
{
    ng_view_info info;
    ng_token_info token;
    ng_connection connection;
    ng_cdna cdna;
    ng_token_id id = bank->accounts[0];
    char text[65];
    float vector[4];
    ng_edge edges[4];
    size_t count;
    uint64_t number;
    ng_view_info_get(view, &info);
    EXPECT(info.expired && info.token_count == TOKENS);
    EXPECT(ng_view_token_get(view, id, &token) == NG_E_EXPIRED);
    EXPECT(strstr(ng_last_error(), limit) != NULL);
    EXPECT(ng_view_token_label(view, id, text, 65, &count) == NG_E_EXPIRED);
    EXPECT(ng_view_token_vector(view, id, vector, 4, &count) == NG_E_EXPIRED);
    EXPECT(ng_view_token_find(view, 0, "a", 1, &id) == NG_E_EXPIRED);
    EXPECT(ng_view_token_list(view, 0, 0, &id, 1, &count) == NG_E_EXPIRED);
    EXPECT(ng_view_connection_get(view, 1, &connection) == NG_E_EXPIRED);
    EXPECT(ng_view_token_connections(view, 1, NULL, edges, 4, &count) == NG_E_EXPIRED);
    EXPECT(ng_view_cdna_get(view, &cdna) == NG_E_EXPIRED);
    EXPECT(ng_view_collection_get(view, 0, text, &number) == NG_E_EXPIRED);
    EXPECT(ng_view_state_hash(view, &number) == NG_E_EXPIRED);
}

/* Opens a view and does not look at it again before the store says that it has closed one: nobody
 * else's views have a limit that can be reached. False if the writers ended first. */
static bool forget_view(bank_state *bank, const ng_view_options *options, const char *limit)
{
    ng_view *view;
    ng_info before, now;
    EXPECT(ng_store_info(bank->store, &before) == NG_OK);
    EXPECT(ng_view_open(bank->store, options, &view) == NG_OK);
    do {
        (void)ng_wait_change(bank->store, before.applied_seq, 20);
        EXPECT(ng_store_info(bank->store, &now) == NG_OK);
    } while (now.expired_view_count == before.expired_view_count &&
             atomic_load(&bank->writers_left) > 0 && atomic_load(&bank->wrong) == 0);
    EXPECT(now.expired_view_count <= before.expired_view_count + 1);
    bool is_expired = now.expired_view_count != before.expired_view_count;
    if (is_expired)
        expect_expired(bank, view, limit);
    ng_view_close(view);
    EXPECT(ng_store_info(bank->store, &before) == NG_OK);
    is_expired |= before.expired_view_count != now.expired_view_count; /* just before closing */
    return is_expired;
}

static void *forgetter_main(void *argument)
{
    bank_state *bank = argument;
    const ng_view_options brief = {.struct_size = sizeof brief,
                                   .lifetime_ms = 5,
                                   .max_copied_bytes = UINT64_MAX};
    const ng_view_options narrow = {.struct_size = sizeof narrow,
                                    .lifetime_ms = ENDLESS_MS,
                                    .max_copied_bytes = 32768};
    while (atomic_load(&bank->writers_left) > 0 && atomic_load(&bank->wrong) == 0) {
        if (forget_view(bank, &brief, "ms, its limit is 5 ms"))
            atomic_fetch_add(&bank->expired_by_age, 1);
        if (forget_view(bank, &narrow, "KiB for the view, its limit is 32 KiB"))
            atomic_fetch_add(&bank->expired_by_bytes, 1);
    }
    return NULL;
}

typedef struct found_events {
    uint64_t first, by_age, by_bytes;
} found_events;

static void find_event(void *context, const ng_event *event)
{
    found_events *found = context;
    if (found->first == 0)
        found->first = event->number;
    if (strcmp(event->kind, "view") != 0)
        return;
    found->by_age += strstr(event->text, "expired: the view was open for") != NULL;
    found->by_bytes += strstr(event->text, "expired: writers copied") != NULL;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void open_writer(bank_state *bank, writer_state *writer, unsigned number)
{
    amount_fields amount;
    ng_store *store = bank->store;
    *writer = (writer_state){.bank = bank, .number = number, .random = {number + 1}};
    ASSERT_OK(ng_token_create(store, say_amount(&amount, KIND_WRITER, number, 0, 0), NULL,
                              &writer->token));
    for (unsigned i = 0; i < RECEIPTS; i++)
        writer->receipts[i] = api_link(store, bank->accounts[i], bank->accounts[i + 1],
                                       receipt_type(writer), NG_CONNECTION_ACTIVE);
    for (unsigned i = 0; i < VOUCHERS; i++) {
        ASSERT_OK(ng_token_create(store,
                                  say_amount(&amount, KIND_VOUCHER, number, ++writer->serial, 0),
                                  NULL, &writer->vouchers[i]));
        api_link(store, writer->vouchers[i], bank->accounts[i], 0x10, NG_CONNECTION_ACTIVE);
    }
}

static void open_bank(bank_state *bank, const char *path, const ng_open_options *options)
{
    amount_fields amount;
    ASSERT_OK(ng_open(path, options, &bank->store));
    bank->collections[0] = NG_COLLECTION_RUNTIME;
    ASSERT_OK(ng_collection_create(bank->store, "savings", NULL, &bank->collections[1]));
    ASSERT_OK(ng_collection_create(bank->store, "business", NULL, &bank->collections[2]));
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        ng_token_fields fields = *say_amount(&amount, KIND_ACCOUNT, i, 0, BEGIN_AMOUNT);
        fields.collection = bank->collections[i % COLLECTIONS];
        ASSERT_OK(ng_token_create(bank->store, &fields, NULL, &bank->accounts[i]));
    }
}

static void run_bank(bank_state *bank, writer_state writers[WRITERS])
{
    pthread_t threads[WRITERS + READERS + 1];
    size_t count = 0;
    for (unsigned i = 0; i < WRITERS; i++)
        open_writer(bank, &writers[i], i);
    ng_positions(bank->store, &bank->begin_seq, NULL);
    atomic_init(&bank->writers_left, WRITERS);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[count++], NULL, writer_main, &writers[i]), 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[count++], NULL, reader_main, bank), 0);
    assert_int_equal(pthread_create(&threads[count++], NULL, forgetter_main, bank), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (atomic_load(&bank->wrong) != 0)
        fail_msg("%d wrong answers, first: %s", atomic_load(&bank->wrong), bank->wrong_text);
}

/* The books of a view of the store as it is, and its hash, which is also the store's. */
static uint64_t close_books(bank_state *bank)
{
    ng_view *view;
    uint64_t of_store = 0;
    ASSERT_OK(ng_view_open(bank->store, NULL, &view));
    uint64_t hash = read_books(bank, view);
    ng_view_close(view);
    ASSERT_OK(ng_state_hash(bank->store, &of_store));
    assert_true(hash == of_store);
    if (atomic_load(&bank->wrong) != 0)
        fail_msg("%d wrong answers, first: %s", atomic_load(&bank->wrong), bank->wrong_text);
    return hash;
}

/* A checkpoint that goes on at the end has a view of its own, with pages. After one that is complete
 * none is due. */
static void await_checkpoint(ng_store *store)
{
    ng_status status;
    while ((status = ng_checkpoint(store, NULL, NULL, NULL)) == NG_E_BUSY)
        sched_yield();
    ASSERT_OK(status);
}

static void expect_reports(bank_state *bank, const char *path)
{
    ng_info info;
    uint64_t commits = atomic_load(&bank->commits), by_age = atomic_load(&bank->expired_by_age),
             by_bytes = atomic_load(&bank->expired_by_bytes);
    await_checkpoint(bank->store);
    ASSERT_OK(ng_store_info(bank->store, &info));
    assert_int_equal(info.applied_seq, bank->begin_seq + commits);
    assert_int_equal(info.commit_count, commits);
    assert_true(info.conflict_count >= atomic_load(&bank->conflicts));
    assert_true(atomic_load(&bank->conflicts) >= WRITERS);
    assert_true(atomic_load(&bank->views) > 0);
    assert_int_equal(info.open_txn_count, 0);
    assert_int_equal(info.open_view_count, 0);
    assert_int_equal(info.view_bytes, 0);
    assert_true(by_age > 0 && by_bytes > 0);
    assert_int_equal(info.expired_view_count, by_age + by_bytes);
    found_events found = {0};
    ASSERT_OK(ng_blackbox_read(path, find_event, &found));
    if (found.first == 1) { /* nothing has been overwritten */
        assert_int_equal(found.by_age, by_age);
        assert_int_equal(found.by_bytes, by_bytes);
    }
    print_message("%llu transactions, %llu conflicts, %llu views, %llu + %llu forgotten\n",
                  (unsigned long long)commits, (unsigned long long)atomic_load(&bank->conflicts),
                  (unsigned long long)atomic_load(&bank->views), (unsigned long long)by_age,
                  (unsigned long long)by_bytes);
}

/* The log is written in groups, not op by op, and checkpoints go on beside everything else. */
static void test_books_balance(void **state)
{
    (void)state;
    static bank_state bank;
    static writer_state writers[WRITERS];
    char *directory = test_directory_create();
    char path[600];
    ng_check_report report;
    ng_open_options options = {.struct_size = sizeof options,
                               .durability = NG_DURABILITY_INTERVAL,
                               .segment_bytes = 1 << 20,
                               .checkpoint_bytes = 4 << 20,
                               .scales[0] = {1, 1, 1}};
    bank.quota = (test_environment("NG_TEST_TRANSACTIONS", 100000) + WRITERS - 1) / WRITERS;
    test_path(path, sizeof path, directory, "bank");
    open_bank(&bank, path, &options);
    run_bank(&bank, writers);
    expect_reports(&bank, path);
    uint64_t hash = close_books(&bank);
    ASSERT_OK(ng_close(bank.store));
    ASSERT_OK(ng_open(path, &options, &bank.store));
    assert_true(close_books(&bank) == hash);
    ASSERT_OK(ng_check(bank.store, &report));
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.tokens, TOKENS);
    assert_int_equal(report.connections, CONNECTIONS);
    ASSERT_OK(ng_close(bank.store));
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_books_balance),
    };
    return cmocka_run_group_tests_name("views beside transactions", tests, NULL, NULL);
}
