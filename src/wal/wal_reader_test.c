/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking behind a bad place, among bytes that were made to look like frames. */
#include "wal/wal_testing.h"

#define FIRST "00000001.log"
#define BEHIND (64 + 64) /* a header, and op 1 with 24 bytes */
#define STEP 4096u       /* prefixes of the file are kept for multiples of this */

/* What would prove that op 2 was durable if its checksum were right. */
static void put_frame(uint8_t *at, uint64_t frame_bytes)
{
    ngi_put_u32(at, WAL_FRAME_MAGIC);
    ngi_put_u32(at + 4, 0);
    ngi_put_u32(at + 8, (uint32_t)(frame_bytes - WAL_FRAME_HEADER));
    ngi_put_u32(at + 12, LOG_KIND);
    ngi_put_u64(at + 16, 3);
    ngi_put_u64(at + 24, 1);
    ngi_put_u64(at + 32, 0);
}

/* Frames up to the end of the area, or a little less, wherever there is room for a header. */
static uint8_t *lookalikes(size_t bytes, uint64_t *seed)
{
    uint8_t *area = malloc(bytes);
    assert_non_null(area);
    memset(area, 0x5A, bytes);
    for (size_t at = 8; at + 64 <= bytes; at += 40) {
        uint64_t less = 8 * (uint64_t)testing_below(seed, 4);
        put_frame(area + at, ((bytes - at) & ~(size_t)7) - less);
    }
    return area;
}

static ngi_wal *begin(log_fixture *f)
{
    ngi_wal *wal = log_must_open(f);
    assert_int_equal(ngi_wal_wait(wal, log_append(wal, 24)), NG_OK);
    return wal;
}

/* As much as one op may hold is looked through, though every word of it claims all that follows. */
static void test_as_large_as_an_op(void **state)
{
    log_fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    const size_t bytes = 12u << 20;
    log_abandon(begin(f));
    uint8_t *area = lookalikes(bytes, &seed);
    log_poke(f, FIRST, BEHIND, area, bytes);
    free(area);
    ngi_wal *wal = log_must_open(f);
    ngi_wal_stats stats;
    ngi_wal_stats_get(wal, &stats);
    assert_int_equal(ngi_wal_applied(wal), 1);
    assert_true(stats.recovered_bytes_cut > bytes - 64);
    assert_int_equal(ngi_wal_close(wal), NG_OK);
    log_expect(f, 1);
}

/* A true frame is found among them, wherever it begins and ends, and a false one is not. */
static void test_true_one_is_found(void **state)
{
    log_fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    const size_t bytes = 5 * STEP + 1000;
    wal_home home = {0};
    log_abandon(begin(f));
    ngi_wal_home_init(&home, NULL, NULL, f->manifest.uuid);
    f->read_only = true;
    for (int i = 0; i < 400; i++) {
        uint8_t *area = lookalikes(bytes, &seed);
        size_t most = bytes / 8 - 8;
        size_t at = 8 * (size_t)(1 + testing_below(&seed, (uint32_t)most));
        if (i % 3 == 0) /* around a multiple of the step */
            at = STEP * (1 + at / STEP % 4) + 8 * (size_t)testing_below(&seed, 5) - 24;
        size_t room = (bytes - at) & ~(size_t)7;
        size_t frame_bytes = 40 + 8 * (size_t)testing_below(&seed, (uint32_t)(room - 32) / 8);
        if (i % 3 == 1)
            frame_bytes = room;
        put_frame(area + at, frame_bytes);
        uint32_t crc = ngi_wal_frame_crc(home.salt, area + at, frame_bytes);
        bool is_true = i % 4 != 0;
        ngi_put_u32(area + at + 4, is_true ? crc : crc ^ (1u << testing_below(&seed, 32)));
        log_poke(f, FIRST, BEHIND, area, bytes);
        free(area);
        ngi_wal *wal = NULL;
        ng_status status = log_open(f, &wal);
        assert_int_equal(status, is_true ? NG_E_CORRUPT : NG_OK);
        if (is_true)
            assert_non_null(strstr(ng_last_error(), "damaged at offset 128, where op 2 should be"));
        else
            assert_int_equal(ngi_wal_close(wal), NG_OK);
    }
}

/* Each call and each request of memory fails once: opening tells the reason, or can do without. */
static void test_failures(void **state)
{
    log_fixture *f = *state;
    uint64_t seed = testing_seed(__func__);
    const size_t bytes = 3 * STEP;
    log_abandon(begin(f));
    uint8_t *area = lookalikes(bytes, &seed);
    log_poke(f, FIRST, BEHIND, area, bytes);
    free(area);
    long before = log_file_bytes(f, FIRST);
    f->read_only = true;
    for (int kind = 0; kind < 2; kind++) {
        bool done = false;
        unsigned refused = 0;
        for (unsigned n = 1; !done; n++) {
            ngi_wal *wal = NULL;
            if (kind == 0)
                log_disk_plan(&f->disk, n, false, NG_E_IO);
            else
                log_memory_plan(&f->memory, n);
            ng_status status = log_open(f, &wal);
            done = kind == 0 ? !log_disk_has_failed(&f->disk) : !log_memory_has_failed(&f->memory);
            log_disk_plan(&f->disk, 0, false, NG_OK);
            log_memory_plan(&f->memory, 0);
            refused += status != NG_OK;
            if (status == NG_OK) {
                assert_int_equal(ngi_wal_applied(wal), 1);
                assert_int_equal(ngi_wal_close(wal), NG_OK);
            } else {
                assert_false(done);
                assert_int_equal(status, kind == 0 ? NG_E_IO : NG_E_NOMEM);
            }
            assert_int_equal(log_file_bytes(f, FIRST), before);
        }
        assert_true(refused > 5);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, log_set_up, log_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_as_large_as_an_op),
        T(test_true_one_is_found),
        T(test_failures),
    };
    return cmocka_run_group_tests_name("wal_reader", tests, NULL, NULL);
}
