/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* UTF-8: decoding, the width on a terminal, and printing without control characters. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_TEXT_BAD UINT32_MAX

/** Lets wide characters be measured; once, before anything is printed. */
void cli_text_start(void);
/** Decodes one character of `left` > 0 bytes and returns its length; bytes that are not UTF-8
 *  give CLI_TEXT_BAD and length 1. */
size_t cli_text_decode(const char *text, size_t left, uint32_t *code);
/** Columns that `text` takes on a terminal, as cli_text_print prints it. */
size_t cli_text_width(const char *text);
/** Prints with every control character and every bad byte as U+FFFD. */
void cli_text_print(FILE *out, const char *text);

#endif
