/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A first store: three words with vectors, a connection, a search, a path.
 *
 *     cc first_store.c $(pkg-config --cflags --libs neurograph) -o first_store
 *     ./first_store my-store
 *
 * Run it twice: the second time the words are there already. */
#include <neurograph.h>
#include <stdio.h>
#include <string.h>

static const struct word {
    const char *text;
    float vector[3];
} words[] = {{"cat", {0.9f, 0.1f, 0.0f}},
             {"dog", {0.8f, 0.2f, 0.1f}},
             {"animal", {0.5f, 0.5f, 0.5f}}};

enum { WORD_COUNT = sizeof words / sizeof words[0] };

/* The words as tokens, all in one op: on disk when this returns. */
static ng_status add_words(ng_store *store, ng_token_id ids[WORD_COUNT])
{
    ng_token_fields fields[WORD_COUNT];
    memset(fields, 0, sizeof fields);
    for (int i = 0; i < WORD_COUNT; i++) {
        ng_token_fields *f = &fields[i];
        f->struct_size = sizeof *f;
        f->set = NG_FIELD_LABEL | NG_FIELD_VECTOR | NG_FIELD_ENTITY;
        f->entity = NG_ENTITY_CONCEPT;
        f->label = words[i].text;
        f->label_bytes = strlen(words[i].text);
        f->vector = words[i].vector;
        f->vector_dimensions = 3;
    }
    return ng_token_create_many(store, fields, WORD_COUNT, NULL, ids);
}

static ng_status connect_words(ng_store *store, ng_token_id cat, ng_token_id animal)
{
    ng_connection_fields link = {.struct_size = sizeof link,
                                 .source = cat,
                                 .target = animal,
                                 .set = NG_CFIELD_TYPE};
    ng_connection_id id;
    ng_status status = ng_connection_type_parse("Hypernym", &link.type);
    return status ? status : ng_connection_create(store, &link, NULL, &id);
}

static ng_status fill(ng_store *store)
{
    ng_token_id ids[WORD_COUNT];
    ng_status status = add_words(store, ids);
    return status ? status : connect_words(store, ids[0], ids[2]);
}

static ng_status ask(ng_store *store)
{
    ng_token_id cat, animal;
    ng_status status = ng_token_find(store, NG_COLLECTION_RUNTIME, "cat", 3, &cat);
    if (status == NG_OK)
        status = ng_token_find(store, NG_COLLECTION_RUNTIME, "animal", 6, &animal);
    if (status != NG_OK)
        return status;

    ng_vector_options options = {.struct_size = sizeof options,
                                 .remove_components = NG_PLAIN_COSINE,
                                 .exclude = &cat,
                                 .exclude_count = 1};
    ng_score best;
    size_t count;
    char label[64];
    status = ng_vector_nearest(store, words[0].vector, 3, &options, &best, 1, &count);
    if (status == NG_OK)
        status = ng_token_label(store, best.id, label, sizeof label, NULL);
    if (status != NG_OK)
        return status;
    printf("nearest to cat: %s (cosine %.3f)\n", label, best.score);

    ng_edge step;
    status = ng_path_find(store, cat, animal, NULL, &step, 1, &count);
    if (status == NG_OK)
        printf("cat is a kind of animal: %zu step, %s\n", count,
               ng_connection_type_name(step.type));
    return status;
}

int main(int argc, char **argv)
{
    ng_store *store;
    ng_token_id found;
    ng_status status = ng_open(argc > 1 ? argv[1] : "first-store", NULL, &store);
    if (status != NG_OK) {
        fprintf(stderr, "%s: %s\n", ng_status_name(status), ng_last_error());
        return 1;
    }
    if (ng_token_find(store, NG_COLLECTION_RUNTIME, "cat", 3, &found) == NG_E_NOT_FOUND)
        status = fill(store);
    if (status == NG_OK)
        status = ask(store);
    if (status != NG_OK)
        fprintf(stderr, "%s: %s\n", ng_status_name(status), ng_last_error());
    ng_status closed = ng_close(store);
    return status != NG_OK || closed != NG_OK;
}
