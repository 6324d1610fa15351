/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* UTF-8 as JSON needs it: one decoder, used to check what comes in and to clean what goes out. */
#ifndef NGS_JSON_TEXT_H
#define NGS_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/** Length (1..4) of the code point at `bytes`, 0 if it is not UTF-8: overlong forms, surrogates
 *  and values above U+10FFFF are not. `count` > 0 bytes may be looked at. */
static inline size_t ngs_utf8_length(const unsigned char *bytes, size_t count)
{
    unsigned char lead = bytes[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (count < length)
        return 0;
    /* The second byte alone tells overlong forms, surrogates and too large values. */
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/** Code points in valid UTF-8. */
static inline size_t ngs_utf8_count(const char *bytes, size_t count)
{
    size_t points = 0;
    for (size_t i = 0; i < count; i++)
        points += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return points;
}

#endif
