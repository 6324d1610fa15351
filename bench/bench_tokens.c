/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Seeded tokens, in batches. See bench_tokens.h. */
#include "bench_tokens.h"

#include <stdlib.h>

bool bench_ok(ng_status status, const char *what)
{
    return status == NG_OK || bench_complain("%s: %s", what, ng_last_error());
}

void bench_tokens_fill(ng_token_fields *fields, size_t count, unsigned spaces, uint64_t *random)
{
    for (size_t i = 0; i < count; i++) {
        fields[i] =
            (ng_token_fields){.struct_size = sizeof fields[i], .spaces_set = (uint8_t)spaces};
        for (size_t space = 0; space < NG_SPACE_COUNT; space++) {
            uint64_t number = bench_random(random);
            for (size_t axis = 0; axis < NG_AXIS_COUNT; axis++) {
                /* -1..1, the narrowest range of all spaces; metres are spread further. */
                float unit = (float)(number >> (20 * axis) & 0xFFFFF) / 524288.0f - 1.0f;
                fields[i].coordinates[space][axis] = space == NG_SPACE_PHYSICAL ? 300 * unit : unit;
            }
        }
    }
}

bench_label bench_label_of(uint64_t number)
{
    static const char digits[32] = "abcdefghijklmnopqrstuvwxyz234567";
    bench_label label;
    /* Odd, so no two numbers get the same; neighbours do not look alike. */
    uint64_t mixed = number * 0x9E3779B97F4A7C15ull;
    for (int i = 0; i < BENCH_LABEL_BYTES; i++) {
        label.text[i] = digits[mixed >> (5 * i) & 31];
    }
    return label;
}

void bench_tokens_label(ng_token_fields *fields, bench_label *labels, size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        labels[i] = bench_label_of(first + i);
        fields[i].set |= NG_FIELD_LABEL;
        fields[i].label = labels[i].text;
        fields[i].label_bytes = BENCH_LABEL_BYTES;
    }
}

static bool tokens_create(ng_store *store, uint64_t count, unsigned spaces,
                          ng_durability durability, bench_label *labels, uint64_t *random)
{
    const ng_write_options write = {.struct_size = sizeof write, .durability = durability};
    ng_token_fields *fields = calloc(BENCH_BATCH, sizeof *fields);
    ng_token_id *ids = calloc(BENCH_BATCH, sizeof *ids);
    if (fields == NULL || ids == NULL) {
        free(fields);
        free(ids);
        return bench_complain("out of memory");
    }
    bool good = true;
    for (uint64_t done = 0; good && done < count;) {
        size_t batch = count - done < BENCH_BATCH ? (size_t)(count - done) : BENCH_BATCH;
        bench_tokens_fill(fields, batch, spaces, random);
        if (labels != NULL) {
            bench_tokens_label(fields, labels, batch, done + 1);
        }
        good = bench_ok(ng_token_create_many(store, fields, batch, &write, ids),
                        "ng_token_create_many");
        done += batch;
    }
    free(fields);
    free(ids);
    return good;
}

bool bench_tokens_create(ng_store *store, uint64_t count, unsigned spaces, ng_durability durability,
                         uint64_t *random)
{
    return tokens_create(store, count, spaces, durability, NULL, random);
}

bool bench_tokens_create_labelled(ng_store *store, uint64_t count, unsigned spaces,
                                  uint64_t *random)
{
    bench_label labels[BENCH_BATCH];
    return tokens_create(store, count, spaces, NG_DURABILITY_NONE, labels, random);
}
