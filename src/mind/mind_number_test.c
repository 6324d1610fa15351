/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Numbers against strtod: every form that is accepted, every form that is not, and a
 * million at random. */
#include "model/model_number.h"

#include "mind/mind_testing.h"

#include <locale.h>
#include <math.h>

static void check_equals_strtod(const char *text)
{
    const char *end = NULL;
    float value = 0;
    char *expected_end = NULL;
    float expected = (float)strtod(text, &expected_end);
    ngi_number_status status = ngi_number_parse_float(text, &end, &value);
    if (status != (isfinite(expected) ? NGI_NUMBER_OK : NGI_NUMBER_NOT_FINITE) ||
        end != expected_end || (isfinite(expected) && memcmp(&value, &expected, sizeof value) != 0))
        fail_msg("'%s': status %d, %.9g at %td; strtod says %.9g at %td", text, (int)status,
                 (double)value, end - text, (double)expected, expected_end - text);
}

static void test_accepted_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "-.5",
                                        "1e5",
                                        "1E-5",
                                        "1e+5",
                                        "0e999",
                                        "00012",
                                        "1e22",
                                        "1e-22",
                                        "1e23",
                                        "1e-23",
                                        "9007199254740992",
                                        "9007199254740993",
                                        "123456789012345678901",
                                        "0.1234567890123456789012345",
                                        "3.4028234e38",
                                        "1.17549435e-38",
                                        "1e-45",
                                        "7e-46",
                                        "1e-400",
                                        "3.4028235677973362e38",
                                        "1e400",
                                        "-1e400",
                                        "3.5e38",
                                        "0.000000000000000000000000000001",
                                        "1e5x",
                                        "1ex",
                                        "1e+",
                                        "1.5.2",
                                        "12abc",
                                        "-0.038194 "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_equals_strtod(texts[i]);
}

static void test_garbage_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",   " 1",  "abc", "-",   "+", ".",  "-.",
                                        "e5", ".e5", "--1", "+-1", "n", "in", "\342\210\2221"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *end = NULL;
        double value = 7;
        assert_int_equal(ngi_number_parse(texts[i], &end, &value), NGI_NUMBER_GARBAGE);
        assert_ptr_equal(end, texts[i]);
        assert_true(value == 7);
    }
}

static void test_hexadecimal_ends_at_its_x(void **state)
{
    (void)state;
    const char *text = "0x1p3", *end = NULL;
    double value = 7;
    assert_int_equal(ngi_number_parse(text, &end, &value), NGI_NUMBER_OK);
    assert_ptr_equal(end, text + 1);
}

static void test_not_finite(void **state)
{
    (void)state;
    static const char *const texts[] = {"nan", "NaN", "-nan", "inf", "-INF", "+Infinity", "1e999"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *end = NULL;
        double value;
        assert_int_equal(ngi_number_parse(texts[i], &end, &value), NGI_NUMBER_NOT_FINITE);
        assert_ptr_equal(end, texts[i] + strlen(texts[i]));
    }
    const char *end = NULL;
    float value;
    assert_int_equal(ngi_number_parse_float("1e39", &end, &value), NGI_NUMBER_NOT_FINITE);
}

static char *put_digits(char *p, uint64_t *seed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *p++ = (char)('0' + testing_random(seed) % 10);
    return p;
}

static void test_a_million_random_numbers(void **state)
{
    (void)state;
    uint64_t seed = testing_seed();
    for (int i = 0; i < 1000000; i++) {
        char text[96], *p = text;
        uint64_t shape = testing_random(&seed);
        size_t limit = (shape & 1) != 0 ? 9 : 25;
        if ((shape & 2) != 0)
            *p++ = '-';
        p = put_digits(p, &seed, 1 + (shape >> 8) % limit);
        if ((shape & 12) != 0) {
            *p++ = '.';
            p = put_digits(p, &seed, (shape >> 16) % limit);
        }
        if ((shape & 48) == 0)
            p += sprintf(p, "%c%+d", (shape & 64) != 0 ? 'e' : 'E',
                         (int)((shape >> 24) % 700) - 350);
        *p = 0;
        check_equals_strtod(text);
    }
}

static void test_random_floats_survive_printing(void **state)
{
    (void)state;
    uint64_t seed = testing_seed();
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)testing_random(&seed);
        float expected, value;
        memcpy(&expected, &bits, sizeof expected);
        if (!isfinite(expected))
            continue;
        char text[64];
        const char *end;
        snprintf(text, sizeof text, "%.9g", (double)expected);
        assert_int_equal(ngi_number_parse_float(text, &end, &value), NGI_NUMBER_OK);
        assert_memory_equal(&value, &expected, sizeof value);
    }
}

int main(void)
{
    setlocale(LC_ALL, "C");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_forms),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_hexadecimal_ends_at_its_x),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_a_million_random_numbers),
        cmocka_unit_test(test_random_floats_survive_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
