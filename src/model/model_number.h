/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Decimal text to number, equal to strtod of the C locale and several times faster for the short
 * numbers that embeddings consist of. */
#ifndef NGI_MODEL_NUMBER_H
#define NGI_MODEL_NUMBER_H

#include <stdbool.h>

typedef enum ngi_number_status {
    NGI_NUMBER_OK = 0,
    NGI_NUMBER_GARBAGE,   /* does not begin like a decimal number; hexadecimal is garbage too */
    NGI_NUMBER_NOT_FINITE /* "nan", "inf", "infinity" in any case, or beyond the type's range */
} ngi_number_status;

/** Parses [+-]digits[.digits][e[+-]digits] (a digit at least on one side of the point) at `text`,
 *  which must be followed somewhere by a byte that is none of these, such as a NUL. `*end` receives
 *  where the number ends (`text` for garbage); whether a delimiter is there, the caller sees. */
ngi_number_status ngi_number_parse(const char *text, const char **end, double *out);
/** The same, rounded once more to float: (float)strtod(text). */
ngi_number_status ngi_number_parse_float(const char *text, const char **end, float *out);

#endif
