/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* UTF-8 for tables and messages. Labels, file names and arguments come from outside: an escape
 * sequence in one of them must not reach the terminal, and a wide character must not break a
 * column.
 *
 * Invariants
 *   1. Decoding accepts exactly well-formed UTF-8 (no overlong form, no surrogate, <= U+10FFFF).
 *   2. What is printed contains no C0 or C1 control character.
 */
#include "cli_text.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

void cli_text_start(void)
{
    /* Only the character type: numbers keep their decimal point. wcwidth needs a UTF-8 locale even
     * when the user's is not one, because what we print is UTF-8 in any case. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        setlocale(LC_CTYPE, "");
}

static size_t text_tail(const unsigned char *bytes, size_t left, size_t size, uint32_t *code)
{
    uint32_t value = bytes[0] & (0x7Fu >> size);
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};

    if (left < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0u) != 0x80u)
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return size;
}

size_t cli_text_decode(const char *text, size_t left, uint32_t *code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t size = 0;

    if (bytes[0] < 0x80) {
        *code = bytes[0];
        return 1;
    }
    if (bytes[0] >= 0xC2 && bytes[0] <= 0xDF)
        size = text_tail(bytes, left, 2, code);
    else if (bytes[0] >= 0xE0 && bytes[0] <= 0xEF)
        size = text_tail(bytes, left, 3, code);
    else if (bytes[0] >= 0xF0 && bytes[0] <= 0xF4)
        size = text_tail(bytes, left, 4, code);
    if (size > 0)
        return size;
    *code = CLI_TEXT_BAD;
    return 1;
}

static int text_is_control(uint32_t code)
{
    return code == CLI_TEXT_BAD || code < 0x20 || (code >= 0x7F && code < 0xA0);
}

size_t cli_text_width(const char *text)
{
    size_t left = strlen(text);
    size_t width = 0;

    while (left > 0) {
        uint32_t code;
        size_t size = cli_text_decode(text, left, &code);
        int columns = text_is_control(code) ? 1 : wcwidth((wchar_t)code);

        width += columns < 0 ? 1 : (size_t)columns;
        text += size;
        left -= size;
    }
    return width;
}

void cli_text_print(FILE *out, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        uint32_t code;
        size_t size = cli_text_decode(text, left, &code);

        if (text_is_control(code))
            fputs("\xEF\xBF\xBD", out);
        else
            fwrite(text, 1, size, out);
        text += size;
        left -= size;
    }
}
