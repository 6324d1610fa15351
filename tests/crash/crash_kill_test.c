/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* kill -9 at any moment: a child with four writers (single writes, batches, transactions, checkpoints
 * and backups) is killed after a random number of acknowledgements; every acknowledged op must be
 * in the store, nothing may be half there, the newest backup that was reported done restores to
 * what it was of, and the next child goes on in the same directory.
 *
 * NG_TEST_SEED repeats the numbers (the moment of a kill is the machine's), NG_TEST_ROUNDS (40)
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

static void kill_a_child(crash_board *board, const char *directory, uint64_t acknowledgements)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        crash_write_until_killed(board, directory, ends[1]);
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

typedef struct kill_seen {
    uint64_t acknowledged, pending, transactions, checkpoints, backups, restores;
} kill_seen;

static void count_board(const crash_board *board, kill_seen *seen)
{
    for (int i = 0; i < CRASH_WRITERS; i++) {
        seen->acknowledged += board->lanes[i].acknowledged;
        seen->transactions += board->lanes[i].transactions;
        seen->checkpoints += board->lanes[i].checkpoints;
        seen->backups += board->lanes[i].backups;
    }
}

static void count_event(void *context, const ng_event *event)
{
    assert_true(event->kind[0] != '\0');
    (*(uint64_t *)context)++;
}

/* What the process that was killed did last is still to be read. */
static void verify_black_box(const char *path)
{
    uint64_t count = 0;
    if (ng_blackbox_read(path, count_event, &count) != NG_OK)
        fail_msg("black box: %s", ng_last_error());
    assert_true(count > 0);
}

static void verify_store(crash_board *board, const char *path, uint32_t flags)
{
    char text[400];
    ng_store *store = NULL;
    ng_open_options options = {.struct_size = sizeof options, .flags = flags};
    if (ng_open(path, &options, &store) != NG_OK)
        fail_msg("%s", ng_last_error());
    const char *wrong = crash_verify(board, store, text, sizeof text);
    if (wrong != NULL)
        fail_msg("%s", wrong);
    assert_int_equal(ng_close(store), NG_OK);
}

static void verify_backup(const crash_board *board, const char *directory)
{
    char from[600], to[600], text[400];
    ng_store *store = NULL;
    const crash_backup *note = &board->backups[board->backup - 1];
    ng_restore_options options = {.struct_size = sizeof options, .seq = note->seq};
    test_path(from, sizeof from, directory, "backup");
    char *place = test_directory_create();
    test_path(to, sizeof to, place, "restored");
    if (ng_restore(from, to, &options, NULL) != NG_OK || ng_open(to, NULL, &store) != NG_OK)
        fail_msg("backup of op %llu: %s", (unsigned long long)note->seq, ng_last_error());
    const char *wrong = crash_verify_backup(board, store, text, sizeof text);
    if (wrong != NULL)
        fail_msg("%s", wrong);
    assert_int_equal(ng_close(store), NG_OK);
    test_directory_remove(place);
}

static void test_kill(void **state)
{
    (void)state;
    test_random random = {test_environment("NG_TEST_SEED", 5)};
    uint64_t rounds = test_environment("NG_TEST_ROUNDS", 40);
    crash_board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    char *directory = test_directory_create();
    char path[600];
    kill_seen seen = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < CRASH_WRITERS; i++)
            board->lanes[i].random = test_random_next(&random);
        kill_a_child(board, directory, 1 + test_random_below(&random, round % 5 == 0 ? 10 : 250));
        for (int i = 0; i < CRASH_WRITERS; i++)
            seen.pending += board->lanes[i].pending != CRASH_NONE;
        test_path(path, sizeof path, directory, "store");
        verify_black_box(path);
        if (test_random_chance(&random, 30))
            verify_store(board, path, NG_OPEN_READ_ONLY);
        verify_store(board, path, 0);
        if (board->backup != 0 && (round % 4 == 3 || is_board_full(board))) {
            verify_backup(board, directory);
            seen.restores++;
        }
        if (is_board_full(board)) {
            count_board(board, &seen);
            memset(board, 0, sizeof *board);
            test_directory_remove(directory);
            directory = test_directory_create();
        }
    }
    count_board(board, &seen);
    print_message("%llu kills, %llu ops acknowledged (%llu transactions), %llu under way when it "
                  "happened; %llu checkpoints, %llu backups, %llu restored\n",
                  (unsigned long long)rounds, (unsigned long long)seen.acknowledged,
                  (unsigned long long)seen.transactions, (unsigned long long)seen.pending,
                  (unsigned long long)seen.checkpoints, (unsigned long long)seen.backups,
                  (unsigned long long)seen.restores);
    if (rounds >= 40) {
        assert_true(seen.acknowledged > 1000 && seen.pending > 20);
        assert_true(seen.transactions > 100 && seen.checkpoints > 5);
        assert_true(seen.backups > 5 && seen.restores > 2);
    }
    munmap(board, sizeof *board);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests_name("killed writers", tests, NULL, NULL);
}
