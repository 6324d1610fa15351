/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Excerpts of input. */
#include "model/model_text.h"

#include "model/model_token.h"

#include <string.h>

ngi_excerpt ngi_text_excerpt(const char *text, size_t bytes)
{
    static const char more[] = "...";
    ngi_excerpt excerpt;
    size_t used = 0;

    while (bytes > 0) {
        uint32_t code = 0;
        size_t n = ngi_utf8_next((const uint8_t *)text, bytes, &code);
        bool is_shown = n > 0 && (code >= 0x80 ? code >= 0xA0 : code >= 0x20 && code != 0x7F);
        size_t taken = n > 0 ? n : 1;
        size_t put = is_shown ? taken : 1;
        if (used + put + sizeof more > sizeof excerpt.text) {
            memcpy(excerpt.text + used, more, sizeof more - 1);
            used += sizeof more - 1;
            break;
        }
        if (is_shown)
            memcpy(excerpt.text + used, text, put);
        else
            excerpt.text[used] = '?';
        used += put;
        text += taken;
        bytes -= taken;
    }
    excerpt.text[used] = 0;
    return excerpt;
}
