/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A fuzz target as an ordinary test: its seeds and many mutations of them, the same ones each time;
 * or the files that are named.
 *
 *     fuzz_X_replay                  seeds and mutations; NG_TEST_SEED and NG_FUZZ_ROUNDS change them
 *     fuzz_X_replay FILE...          these inputs
 *     fuzz_X_replay --seeds FOLDER   writes the seeds there, for libFuzzer to begin with */
#include "fuzz.h"

#include "test_random.h"

#define INPUT_MAX 65536

typedef struct replay {
    uint64_t seeds, rounds, runs; /* rounds: mutations of each seed */
    test_random random;
    const char *folder;
    uint8_t other[INPUT_MAX]; /* the seed before, to splice with */
    size_t other_bytes;
} replay;

static void run(replay *run, const uint8_t *data, size_t bytes)
{
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes); /* reading beyond it is then seen */
    FUZZ_CHECK(exact != NULL);
    if (bytes != 0)
        memcpy(exact, data, bytes);
    (void)LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    run->runs++;
}

/* Small numbers, borders and powers of two: what lengths and counts go wrong with. */
static uint8_t interesting(test_random *random)
{
    static const uint8_t values[] = {0, 1, 2, 7, 8, 16, 31, 32, 64, 127, 128, 254, 255};
    return test_random_chance(random, 50) ? values[test_random_below(random, sizeof values)]
                                          : (uint8_t)test_random_next(random);
}

static size_t mutate(replay *run, uint8_t *data, size_t bytes)
{
    test_random *random = &run->random;
    size_t at = bytes == 0 ? 0 : test_random_below(random, bytes);
    size_t length = 1 + test_random_below(random, 8);
    switch (test_random_below(random, 7)) {
    case 0: /* one bit */
        if (bytes != 0)
            data[at] ^= (uint8_t)(1u << test_random_below(random, 8));
        return bytes;
    case 1: /* one byte */
        if (bytes != 0)
            data[at] = interesting(random);
        return bytes;
    case 2: /* cut */
        return at;
    case 3: /* take out */
        if (at + length > bytes)
            return bytes;
        memmove(data + at, data + at + length, bytes - at - length);
        return bytes - length;
    case 4: /* put in */
        if (bytes + length > INPUT_MAX)
            return bytes;
        memmove(data + at + length, data + at, bytes - at);
        for (size_t i = 0; i < length; i++)
            data[at + i] = interesting(random);
        return bytes + length;
    case 5: /* repeat */
        if (bytes + length > INPUT_MAX || at + length > bytes)
            return bytes;
        memmove(data + at + length, data + at, bytes - at);
        return bytes + length;
    default: /* go on as another seed does */
        if (run->other_bytes <= at)
            return bytes;
        memcpy(data + at, run->other + at, run->other_bytes - at);
        return run->other_bytes;
    }
}

static void write_seed(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void count_seed(void *context, const char *name, const void *data, size_t bytes)
{
    replay *all = context;
    (void)name;
    (void)data;
    (void)bytes;
    all->seeds++;
}

static void take_seed(void *context, const char *name, const void *data, size_t bytes)
{
    replay *all = context;
    static uint8_t mutated[INPUT_MAX];
    if (all->folder != NULL) {
        write_seed(all->folder, name, data, bytes);
        return;
    }
    FUZZ_CHECK(bytes <= INPUT_MAX);
    run(all, data, bytes);
    for (uint64_t i = 0; i < all->rounds; i++) {
        size_t length = bytes;
        memcpy(mutated, data, bytes);
        for (uint64_t k = test_random_below(&all->random, 6) + 1; k > 0; k--)
            length = mutate(all, mutated, length);
        run(all, mutated, length);
    }
    memcpy(all->other, data, bytes);
    all->other_bytes = bytes;
}

static void replay_file(replay *all, const char *path)
{
    static uint8_t data[INPUT_MAX * 16];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t bytes = fread(data, 1, sizeof data, file);
    fclose(file);
    run(all, data, bytes);
}

int main(int argc, char **argv)
{
    static replay all;
    fuzz_seeds(count_seed, &all);
    all.rounds = test_environment("NG_FUZZ_ROUNDS", 2500) / (all.seeds == 0 ? 1 : all.seeds) + 1;
    all.random.state = test_environment("NG_TEST_SEED", 1);
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        all.folder = argv[2];
    if (argc > 1 && all.folder == NULL) {
        for (int i = 1; i < argc; i++)
            replay_file(&all, argv[i]);
    } else {
        fuzz_seeds(take_seed, &all);
    }
    printf("%llu inputs\n", (unsigned long long)all.runs);
    return 0;
}
