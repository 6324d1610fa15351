/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* kill -9 at any moment: a child with four writers is killed after a random number of
 * acknowledgements; every acknowledged op must be in the store, nothing may be half there, and the
 * next child goes on in the same directory.
 *
 * NG_TEST_SEED repeats the numbers (the moment of a kill is the machine's), NG_TEST_ROUNDS (50)
 * sets how many children die. */
#include "crash_writer.h"

#include "test_directory.h"
#include "test_random.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Reads acknowledgements until `wanted` have come; false if the child ended before. */
static bool wait_for_acknowledgements(int fd, uint64_t wanted)
{
    char bytes[64];
    while (wanted > 0) {
        ssize_t got = read(fd, bytes, wanted < sizeof bytes ? wanted : sizeof bytes);
        if (got > 0)
            wanted -= (uint64_t)got;
        else if (got == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static void kill_a_child(crash_board *board, const char *path, uint64_t acknowledgements)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        crash_write_until_killed(board, path, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    bool goes_on = wait_for_acknowledgements(ends[0], acknowledgements);
    kill(child, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[0]);
    for (int i = 0; i < CRASH_WRITERS; i++) {
        if (board->lanes[i].problem[0] != '\0')
            fail_msg("%s", board->lanes[i].problem);
    }
    assert_true(goes_on);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The board has room for so many items; then another store begins. */
static bool is_board_full(const crash_board *board)
{
    for (int i = 0; i < CRASH_WRITERS; i++) {
        if (board->lanes[i].count > CRASH_ITEMS_MAX / 2)
            return true;
    }
    return false;
}

static uint64_t count_acknowledged(const crash_board *board)
{
    uint64_t count = 0;
    for (int i = 0; i < CRASH_WRITERS; i++)
        count += board->lanes[i].acknowledged;
    return count;
}

static void test_kill(void **state)
{
    (void)state;
    test_random random = {test_environment("NG_TEST_SEED", 5)};
    uint64_t rounds = test_environment("NG_TEST_ROUNDS", 50);
    crash_board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    char *directory = test_directory_create();
    char path[600], text[400];
    test_path(path, sizeof path, directory, "store");
    uint64_t pending = 0, acknowledged = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < CRASH_WRITERS; i++)
            board->lanes[i].random = test_random_next(&random);
        kill_a_child(board, path, 1 + test_random_below(&random, round % 5 == 0 ? 10 : 250));
        for (int i = 0; i < CRASH_WRITERS; i++)
            pending += board->lanes[i].pending != CRASH_NONE;
        ng_store *store = NULL;
        if (ng_open(path, NULL, &store) != NG_OK)
            fail_msg("round %llu: %s", (unsigned long long)round, ng_last_error());
        const char *wrong = crash_verify(board, store, text, sizeof text);
        if (wrong != NULL)
            fail_msg("round %llu: %s", (unsigned long long)round, wrong);
        assert_int_equal(ng_close(store), NG_OK);
        if (is_board_full(board)) {
            acknowledged += count_acknowledged(board);
            memset(board, 0, sizeof *board);
            test_directory_remove(directory);
            directory = test_directory_create();
            test_path(path, sizeof path, directory, "store");
        }
    }
    acknowledged += count_acknowledged(board);
    print_message("%llu kills, %llu ops acknowledged, %llu under way when it happened\n",
                  (unsigned long long)rounds, (unsigned long long)acknowledged,
                  (unsigned long long)pending);
    if (rounds >= 50)
        assert_true(acknowledged > 1000 && pending > 20);
    munmap(board, sizeof *board);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests_name("killed writers", tests, NULL, NULL);
}
