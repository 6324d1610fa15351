/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clinger's fast path: an integer below 2^53 and a power of ten up to 10^22 are exact doubles, so
 * one multiplication or division rounds once and gives the correctly rounded result (W. Clinger,
 * "How to read floating point numbers accurately", 1990). Everything else goes to the system. */
#include "model/model_number.h"

#include "os/os.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NUMBER_DIGITS_MAX 19      /* the most that always fit 64 bits */
#define NUMBER_EXPONENT_MAX 99999 /* larger ones are clamped: far beyond the range either way */

static const double number_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool number_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static const char *number_digits(const char *p, uint64_t *mantissa)
{
    uint64_t m = *mantissa;
    for (; number_is_digit(*p); p++)
        m = m * 10 + (uint64_t)(*p - '0');
    *mantissa = m;
    return p;
}

/* The exponent behind `p`, if a complete one is there; otherwise the number ends at `p`. */
static const char *number_exponent(const char *p, int *exponent)
{
    *exponent = 0;
    if (*p != 'e' && *p != 'E')
        return p;
    const char *q = p + 1;
    bool negative = *q == '-';
    if (*q == '-' || *q == '+')
        q++;
    if (!number_is_digit(*q))
        return p;
    int value = 0;
    for (; number_is_digit(*q); q++)
        value = value < NUMBER_EXPONENT_MAX ? value * 10 + (*q - '0') : value;
    *exponent = negative ? -value : value;
    return q;
}

/* `p` stands behind the sign. */
static const char *number_special(const char *p)
{
    static const char *const names[] = {"infinity", "inf", "nan"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = 0;
        while (names[i][n] != 0 && (p[n] | 0x20) == names[i][n])
            n++;
        if (names[i][n] == 0)
            return p + n;
    }
    return NULL;
}

static ngi_number_status number_slow(const char *text, const char *end, double *out)
{
    const char *stop = NULL;
    double value = ngi_os_parse_double(text, &stop);
    if (stop != end)
        return NGI_NUMBER_GARBAGE;
    *out = value;
    return isfinite(value) ? NGI_NUMBER_OK : NGI_NUMBER_NOT_FINITE;
}

ngi_number_status ngi_number_parse(const char *text, const char **end, double *out)
{
    const char *p = text;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;

    uint64_t mantissa = 0;
    const char *begin = p;
    p = number_digits(p, &mantissa);
    long digit_count = p - begin;
    long fraction_count = 0;
    if (*p == '.') {
        const char *fraction = p + 1;
        const char *stop = number_digits(fraction, &mantissa);
        fraction_count = stop - fraction;
        digit_count += fraction_count;
        p = stop;
    }
    if (digit_count == 0) {
        const char *special = number_special(begin);
        *end = special != NULL ? special : text;
        return special != NULL ? NGI_NUMBER_NOT_FINITE : NGI_NUMBER_GARBAGE;
    }
    int exponent;
    p = number_exponent(p, &exponent);
    *end = p;

    long power = exponent - fraction_count;
    if (digit_count > NUMBER_DIGITS_MAX || mantissa > (uint64_t)1 << DBL_MANT_DIG || power < -22 ||
        power > 22)
        return number_slow(text, p, out);
    double value = (double)mantissa;
    value = power < 0 ? value / number_powers[-power] : value * number_powers[power];
    *out = negative ? -value : value;
    return NGI_NUMBER_OK;
}

ngi_number_status ngi_number_parse_float(const char *text, const char **end, float *out)
{
    double value;
    ngi_number_status status = ngi_number_parse(text, end, &value);
    if (status != NGI_NUMBER_OK)
        return status;
    *out = (float)value;
    return isfinite(*out) ? NGI_NUMBER_OK : NGI_NUMBER_NOT_FINITE;
}
