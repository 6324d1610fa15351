/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The black box: what is noted is there after a crash; what is damaged is passed over. */
#include "os/os_blackbox.h"
#include "os/os_testing.h"
#include "os/os_thread.h"

#include "base/base_bytes.h"
#include "base/base_crc.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES 256256u
#define SEEN_MAX 1100u

typedef struct seen_event {
    uint64_t number, time_us, seq;
    uint32_t thread, process;
    char kind[17], text[193];
} seen_event;

typedef struct seen {
    size_t count;
    seen_event events[SEEN_MAX];
} seen;

typedef struct fixture {
    char directory[64];
    char path[96];
    ngi_os *os;
    seen seen;
    uint8_t image[FILE_BYTES];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->os = ngi_os_system();
    snprintf(f->directory, sizeof f->directory, "/tmp/neurograph-box-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof f->path, "%s/BLACKBOX", f->directory);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"BLACKBOX", "BLACKBOX.new", "blackbox.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->directory, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->directory), 0);
    free(f);
    return 0;
}

static ngi_blackbox *open_box(const fixture *f)
{
    ngi_blackbox *box = NULL;
    assert_int_equal(ngi_blackbox_open(f->os, f->directory, &box), NG_OK);
    assert_non_null(box);
    return box;
}

static void see(void *context, const ng_event *event)
{
    seen *all = context;
    assert_true(all->count < SEEN_MAX);
    seen_event *to = &all->events[all->count++];
    to->number = event->number;
    to->time_us = event->time_us;
    to->seq = event->seq;
    to->thread = event->thread;
    to->process = event->process;
    snprintf(to->kind, sizeof to->kind, "%s", event->kind);
    snprintf(to->text, sizeof to->text, "%s", event->text);
}

static void read_events(fixture *f)
{
    f->seen.count = 0;
    assert_int_equal(ngi_blackbox_read(f->os, f->directory, see, &f->seen), NG_OK);
    for (size_t i = 1; i < f->seen.count; i++)
        assert_true(f->seen.events[i].number > f->seen.events[i - 1].number);
}

static void load_image(fixture *f)
{
    FILE *file = fopen(f->path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(f->image, 1, FILE_BYTES, file), FILE_BYTES);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

static void store_image(const fixture *f, size_t bytes)
{
    FILE *file = fopen(f->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(f->image, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* Makes the checksum of a record right again after it was changed. */
static void seal_record(fixture *f, size_t slot)
{
    uint8_t *record = f->image + 256 * (slot + 1);
    ngi_put_u32(record + 24, 0);
    ngi_put_u32(record + 24, ngi_crc32c(0, record, 256));
}

static void test_none(void **state)
{
    fixture *f = *state;
    ng_seq durable = 77;
    assert_int_equal(ngi_blackbox_read(f->os, f->directory, see, &f->seen), NG_E_NOT_FOUND);
    assert_non_null(strstr(ngi_last_error(), f->path));
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_E_NOT_FOUND);
    assert_int_equal(durable, 77);
    assert_int_equal(access(f->path, F_OK), -1);
    ngi_blackbox_note(NULL, "kind", 1, "nothing %d", 1);
    ngi_blackbox_publish(NULL, 1);
    assert_int_equal(ngi_blackbox_dump(NULL, "no box"), NG_OK);
    ngi_blackbox_close(NULL);
}

static void test_empty_one_and_many(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    read_events(f);
    assert_int_equal(f->seen.count, 0);
    uint64_t before = f->os->clock_us(f->os);
    ngi_blackbox_note(box, "open", 42, "store %s opened in %d ms", "x", 17);
    uint64_t after = f->os->clock_us(f->os);
    read_events(f);
    assert_int_equal(f->seen.count, 1);
    const seen_event *event = &f->seen.events[0];
    assert_int_equal(event->number, 1);
    assert_int_equal(event->seq, 42);
    assert_string_equal(event->kind, "open");
    assert_string_equal(event->text, "store x opened in 17 ms");
    assert_int_equal(event->process, (uint32_t)getpid());
    assert_int_equal(event->thread, ngi_os_thread_id());
    assert_true(before <= event->time_us && event->time_us <= after);

    for (uint32_t i = 2; i <= 2500; i++) {
        ngi_blackbox_note(box, "many", i, "event %u", i);
        if (i != 999 && i != 1000 && i != 1001 && i != 2500)
            continue;
        read_events(f);
        assert_int_equal(f->seen.count, i < 1000 ? i : 1000);
        assert_int_equal(f->seen.events[f->seen.count - 1].number, i);
        assert_int_equal(f->seen.events[0].number, i < 1000 ? 1 : i - 999);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "event %u", 1501 + i);
        assert_string_equal(f->seen.events[i].text, text);
    }
    ngi_blackbox_close(box);
}

static void test_opened_again(void **state)
{
    fixture *f = *state;
    for (uint32_t round = 0; round < 4; round++) {
        ngi_blackbox *box = open_box(f);
        for (uint32_t i = 0; i < 300; i++)
            ngi_blackbox_note(box, "round", round, "%u", i);
        ngi_blackbox_close(box);
        load_image(f); /* has the length that the format says */
    }
    read_events(f);
    assert_int_equal(f->seen.count, 1000);
    assert_int_equal(f->seen.events[0].number, 201);
    assert_int_equal(f->seen.events[999].number, 1200);
    assert_int_equal(f->seen.events[999].seq, 3);
}

static void test_texts(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    char text[301];
    memset(text, 'a', 300);
    text[300] = '\0';
    ngi_blackbox_note(box, "a kind that is too long", 1, "%s", text);
    memcpy(text + 189, "\xE2\x82\xAC", 3); /* cut inside a character */
    ngi_blackbox_note(box, "", 2, "%s", text);
    ngi_blackbox_note(box, "bytes", 3,
                      "two\nlines\t\x7F \xC3\xA4 \xFF\xC0\x80 \xED\xA0\x80 \xF5 %%");
    ngi_blackbox_note(box, "empty", 4, "%s", "");
    ngi_blackbox_note(box, "legal", 5, "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\xE0\xA0\x80\xED\x9F\xBF");
    ngi_blackbox_close(box);
    read_events(f);
    assert_int_equal(f->seen.count, 5);
    assert_string_equal(f->seen.events[0].kind, "a kind that is ");
    assert_int_equal(strlen(f->seen.events[0].text), 191);
    assert_int_equal(strspn(f->seen.events[0].text, "a"), 191);
    assert_int_equal(strlen(f->seen.events[1].text), 191);
    assert_string_equal(f->seen.events[1].text + 188, "a??");
    assert_string_equal(f->seen.events[2].text, "two lines   \xC3\xA4 ??? ??? ? %");
    assert_string_equal(f->seen.events[3].text, "");
    assert_string_equal(f->seen.events[4].text,
                        "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\xE0\xA0\x80\xED\x9F\xBF");
}

static void test_damaged_records_are_passed_over(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    for (uint32_t i = 1; i <= 20; i++)
        ngi_blackbox_note(box, "note", i, "event %u", i);
    ngi_blackbox_close(box);
    load_image(f);
    f->image[256 * 3 + 255] ^= 1;        /* event 3: its last byte */
    ngi_put_u64(f->image + 256 * 5, 99); /* event 5: a number of another place */
    seal_record(f, 4);
    memset(f->image + 256 * 7 + 16, 0, 240); /* event 7: half of it never written */
    ngi_put_u64(f->image + 256 * 9,
                UINT64_C(0xFFFFFFFFFFFFFC21)); /* 9: a number without room above */
    seal_record(f, 8);
    memset(f->image + 256 * 11 + 40, 'k', 16); /* event 11: texts that do not end */
    memset(f->image + 256 * 11 + 64, 't', 192);
    seal_record(f, 10);
    store_image(f, FILE_BYTES);
    read_events(f);
    assert_int_equal(f->seen.count, 16);
    for (size_t i = 0; i < f->seen.count; i++) {
        assert_int_equal(f->seen.events[i].number, f->seen.events[i].seq);
        assert_int_not_equal(f->seen.events[i].number, 5);
    }
    assert_int_equal(f->seen.events[6].number, 11);
    assert_string_equal(f->seen.events[6].kind, "kkkkkkkkkkkkkkkk");
    assert_int_equal(strlen(f->seen.events[6].text), 192);

    /* A writer goes on behind the newest event that is whole. */
    box = open_box(f);
    ngi_blackbox_note(box, "note", 21, "more");
    ngi_blackbox_close(box);
    read_events(f);
    assert_int_equal(f->seen.events[f->seen.count - 1].number, 21);
}

static void test_an_event_older_than_a_round_is_left_out(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    for (uint32_t i = 1; i <= 5; i++)
        ngi_blackbox_note(box, "note", i, "event %u", i);
    ngi_blackbox_close(box);
    load_image(f);
    ngi_put_u64(f->image + 256 * 3, 1003);
    seal_record(f, 2);
    store_image(f, FILE_BYTES);
    read_events(f);
    assert_int_equal(f->seen.count, 3);
    assert_int_equal(f->seen.events[0].number, 4);
    assert_int_equal(f->seen.events[2].number, 1003);
}

static void expect_made_anew(fixture *f, size_t bytes, ng_status expected)
{
    ng_seq durable;
    store_image(f, bytes);
    assert_int_equal(ngi_blackbox_read(f->os, f->directory, see, &f->seen), expected);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), expected);
    ngi_blackbox *box = open_box(f);
    read_events(f);
    assert_int_equal(f->seen.count, 0);
    ngi_blackbox_note(box, "new", 1, "begun anew");
    ngi_blackbox_close(box);
    read_events(f);
    assert_int_equal(f->seen.count, 1);
    assert_int_equal(f->seen.events[0].number, 1);
}

static void test_damaged_files_are_made_anew(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    ngi_blackbox_note(box, "old", 1, "before");
    ngi_blackbox_close(box);
    load_image(f);
    expect_made_anew(f, 0, NG_E_CORRUPT);
    expect_made_anew(f, 7, NG_E_CORRUPT);
    expect_made_anew(f, 63, NG_E_CORRUPT);
    for (size_t at = 0; at < 64; at++) {
        f->image[at] ^= 0x40;
        expect_made_anew(f, FILE_BYTES, at >= 8 && at < 12 ? NG_E_VERSION : NG_E_CORRUPT);
        f->image[at] ^= 0x40;
    }
    ngi_put_u32(f->image + 8, 0);
    expect_made_anew(f, FILE_BYTES, NG_E_CORRUPT);
    memset(f->image, 0, FILE_BYTES);
    expect_made_anew(f, FILE_BYTES, NG_E_CORRUPT);
}

static void test_a_cut_file_is_read_as_far_as_it_goes(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    for (uint32_t i = 1; i <= 9; i++)
        ngi_blackbox_note(box, "note", i, "event %u", i);
    ngi_blackbox_close(box);
    load_image(f);
    store_image(f, 256 * 5 + 60);
    read_events(f);
    assert_int_equal(f->seen.count, 4);
    box = open_box(f); /* another size: made anew */
    ngi_blackbox_close(box);
    read_events(f);
    assert_int_equal(f->seen.count, 0);
}

static void test_durable(void **state)
{
    fixture *f = *state;
    ng_seq durable = 1;
    ngi_blackbox *box = open_box(f);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
    assert_int_equal(durable, 0);
    static const ng_seq published[] = {5, 3, 5, UINT64_C(1) << 40, 6};
    for (size_t i = 0; i < 5; i++)
        ngi_blackbox_publish(box, published[i]);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
    assert_true(durable == UINT64_C(1) << 40);
    ngi_blackbox_close(box);

    load_image(f);
    f->image[128] ^= 1;
    store_image(f, FILE_BYTES);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_E_CORRUPT);
    assert_non_null(strstr(ngi_last_error(), "BLACKBOX: damaged at offset 128"));
    memset(f->image + 128, 0, 16);
    store_image(f, FILE_BYTES);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_E_CORRUPT);

    box = open_box(f); /* what was published before says nothing about the log of now */
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
    assert_int_equal(durable, 0);
    ngi_blackbox_publish(box, 2);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
    assert_int_equal(durable, 2);
    ngi_blackbox_close(box);
}

typedef struct crowd {
    ngi_blackbox *box;
    uint32_t number;
    uint32_t rounds;
    ngi_thread thread;
} crowd;

static void *crowd_run(void *context)
{
    crowd *me = context;
    for (uint32_t i = 1; i <= me->rounds; i++) {
        ngi_blackbox_note(me->box, "crowd", i, "thread %u event %u", me->number, i);
        ngi_blackbox_publish(me->box, (ng_seq)i * 8 + me->number);
    }
    return NULL;
}

static void test_many_threads_and_a_reader(void **state)
{
    fixture *f = *state;
    enum { THREADS = 4, ROUNDS = 5000 };
    crowd all[THREADS];
    ngi_blackbox *box = open_box(f);
    for (uint32_t i = 0; i < THREADS; i++) {
        all[i] = (crowd){.box = box, .number = i, .rounds = ROUNDS};
        assert_int_equal(ngi_thread_start(&all[i].thread, crowd_run, &all[i]), NG_OK);
    }
    ng_seq last = 0;
    for (int i = 0; i < 50; i++) {
        ng_seq durable;
        read_events(f);
        for (size_t k = 0; k < f->seen.count; k++) {
            const seen_event *event = &f->seen.events[k];
            uint32_t number, step;
            assert_int_equal(sscanf(event->text, "thread %u event %u", &number, &step), 2);
            assert_int_equal(step, event->seq);
            assert_true(number < THREADS);
        }
        assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
        assert_true(durable >= last);
        last = durable;
    }
    for (uint32_t i = 0; i < THREADS; i++)
        ngi_thread_join(&all[i].thread);
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &last), NG_OK);
    assert_int_equal(last, ROUNDS * 8 + THREADS - 1);
    read_events(f);
    /* A thread that was held up while 1000 events passed by spoils one of them. */
    assert_in_range(f->seen.count, 1000 - 2 * THREADS, 1000);
    assert_true(f->seen.events[0].number > THREADS * ROUNDS - 1000);
    assert_true(f->seen.events[f->seen.count - 1].number <= THREADS * ROUNDS);
    ngi_blackbox_close(box);
}

static void test_after_kill(void **state)
{
    fixture *f = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ngi_blackbox *box = NULL;
        if (ngi_blackbox_open(f->os, f->directory, &box) != NG_OK)
            _exit(1);
        ngi_blackbox_note(box, "crash", 7, "the last words of %d", (int)getpid());
        ngi_blackbox_publish(box, 6);
        kill(getpid(), SIGKILL);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    read_events(f);
    assert_int_equal(f->seen.count, 1);
    assert_int_equal(f->seen.events[0].process, (uint32_t)child);
    assert_int_equal(f->seen.events[0].thread, (uint32_t)child);
    assert_int_equal(f->seen.events[0].seq, 7);
    ng_seq durable;
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
    assert_int_equal(durable, 6);
}

static void test_readers_change_nothing(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    ngi_blackbox_note(box, "note", 1, "one");
    ngi_blackbox_close(box);
    assert_int_equal(chmod(f->path, 0400), 0);
    assert_int_equal(chmod(f->directory, 0500), 0);
    struct stat before, after;
    assert_int_equal(stat(f->path, &before), 0);
    read_events(f);
    assert_int_equal(f->seen.count, 1);
    ng_seq durable;
    assert_int_equal(ngi_blackbox_durable(f->os, f->directory, &durable), NG_OK);
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(chmod(f->directory, 0700), 0);
}

static void test_in_memory(void **state)
{
    (void)state;
    ngi_blackbox *box = NULL;
    assert_int_equal(ngi_blackbox_open(ngi_os_system(), NULL, &box), NG_OK);
    for (uint32_t i = 0; i < 1500; i++)
        ngi_blackbox_note(box, "memory", i, "%u", i);
    ngi_blackbox_publish(box, 9);
    assert_int_equal(ngi_blackbox_dump(box, "no place"), NG_OK);
    ngi_blackbox_close(box);
}

static void test_dump(void **state)
{
    fixture *f = *state;
    ngi_blackbox *box = open_box(f);
    ngi_blackbox_note(box, "one", 1, "quote \" backslash \\ euro \xE2\x82\xAC bad \xFF");
    ngi_blackbox_note(box, "two", 2, "plain");
    assert_int_equal(ngi_blackbox_dump(box, "counter \"x\" is 3, not 4"), NG_OK);
    char path[128];
    snprintf(path, sizeof path, "%s/blackbox.json", f->directory);
    static char text[600 << 10];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    assert_int_equal(strncmp(text,
                             "{\"reason\":\"counter \\\"x\\\" is 3, not 4\",\"time_us\":", 48),
                     0);
    assert_non_null(strstr(text, ",\"kind\":\"one\",\"text\":\"quote \\\" backslash \\\\ euro "
                                 "\xE2\x82\xAC bad ?\"},\n{\"number\":2,"));
    assert_string_equal(text + length - 28, "\"kind\":\"two\",\"text\":\"plain\"}]}\n" + 3);

    /* A full one, with the longest texts, replaces it. */
    char longest[192];
    memset(longest, '"', 191);
    longest[191] = '\0';
    for (int i = 0; i < 1000; i++)
        ngi_blackbox_note(box, "long", 3, "%s", longest);
    assert_int_equal(ngi_blackbox_dump(box, "again"), NG_OK);
    ngi_blackbox_close(box);
    file = fopen(path, "rb");
    assert_non_null(file);
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    size_t events = 0;
    for (const char *at = text; (at = strstr(at, "{\"number\":")) != NULL; at++)
        events++;
    assert_int_equal(events, 1000);
    assert_null(strstr(text, "plain"));
}

/* Call number `fail_at` of those that can fail does. */
typedef struct failing {
    ngi_os os;
    int calls, fail_at;
    int open_files, mapped;
} failing;

static bool failing_now(ngi_os *os)
{
    failing *all = os->context;
    return ++all->calls == all->fail_at;
}

static ng_status failing_open(ngi_os *os, const char *path, unsigned mode, ngi_file *out)
{
    if (failing_now(os))
        return ngi_fail(NG_E_IO, "refused by the test");
    ng_status status = ngi_os_system()->file_open(ngi_os_system(), path, mode, out);
    ((failing *)os->context)->open_files += status == NG_OK;
    return status;
}

static void failing_close(ngi_os *os, ngi_file file)
{
    ((failing *)os->context)->open_files--;
    ngi_os_system()->file_close(ngi_os_system(), file);
}

static ng_status failing_write(ngi_os *os, ngi_file file, const void *data, size_t bytes,
                               uint64_t offset)
{
    if (failing_now(os))
        return ngi_fail(NG_E_DISK_FULL, "refused by the test");
    return ngi_os_system()->file_write(ngi_os_system(), file, data, bytes, offset);
}

static ng_status failing_map(ngi_os *os, ngi_file file, size_t bytes, void **out)
{
    if (failing_now(os))
        return ngi_fail(NG_E_DISK_FULL, "refused by the test");
    ng_status status = ngi_os_system()->file_map(ngi_os_system(), file, bytes, out);
    ((failing *)os->context)->mapped += status == NG_OK;
    return status;
}

static void failing_unmap(ngi_os *os, void *address, size_t bytes)
{
    ((failing *)os->context)->mapped--;
    ngi_os_system()->file_unmap(ngi_os_system(), address, bytes);
}

static ng_status failing_rename(ngi_os *os, const char *from, const char *to)
{
    if (failing_now(os))
        return ngi_fail(NG_E_IO, "refused by the test");
    return ngi_os_system()->rename(ngi_os_system(), from, to);
}

static ng_status failing_sparse(ngi_os *os, size_t bytes, void **out)
{
    if (failing_now(os))
        return ngi_fail(NG_E_NOMEM, "refused by the test");
    ng_status status = ngi_os_system()->memory_map_sparse(ngi_os_system(), bytes, out);
    ((failing *)os->context)->mapped += status == NG_OK;
    return status;
}

static void failing_release(ngi_os *os, void *address, size_t bytes)
{
    ((failing *)os->context)->mapped--;
    ngi_os_system()->memory_release(ngi_os_system(), address, bytes);
}

static void test_failures_leave_nothing_behind(void **state)
{
    fixture *f = *state;
    failing all = {.os = *ngi_os_system()};
    all.os.context = &all;
    all.os.file_open = failing_open;
    all.os.file_close = failing_close;
    all.os.file_write = failing_write;
    all.os.file_map = failing_map;
    all.os.file_unmap = failing_unmap;
    all.os.rename = failing_rename;
    all.os.memory_map_sparse = failing_sparse;
    all.os.memory_release = failing_release;
    ngi_blackbox *box = NULL;
    char temporary[128];
    snprintf(temporary, sizeof temporary, "%s/BLACKBOX.new", f->directory);
    int failures = 0;
    for (;; failures++) {
        all.calls = 0;
        all.fail_at = failures + 1;
        ng_status status = ngi_blackbox_open(&all.os, f->directory, &box);
        if (status == NG_OK)
            break;
        assert_null(box);
        assert_int_equal(all.open_files, 0);
        assert_int_equal(all.mapped, 0);
        assert_int_equal(access(f->path, F_OK), -1);
        assert_int_equal(access(temporary, F_OK), -1);
        assert_string_equal(ngi_last_error(), "refused by the test");
    }
    assert_int_equal(failures, 6); /* memory, open, open the new one, write, map, rename */
    ngi_blackbox_close(box);
    assert_int_equal(all.open_files, 0);
    assert_int_equal(all.mapped, 0);

    char path[5000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    all.fail_at = 0;
    assert_int_equal(ngi_blackbox_open(&all.os, path, &box), NG_E_INVALID);
    assert_int_equal(ngi_blackbox_read(&all.os, path, see, &f->seen), NG_E_INVALID);
    assert_int_equal(all.mapped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_one_and_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_opened_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_records_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_older_than_a_round_is_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_files_are_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cut_file_is_read_as_far_as_it_goes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_threads_and_a_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_change_nothing, set_up, tear_down),
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test_setup_teardown(test_dump, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_leave_nothing_behind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
