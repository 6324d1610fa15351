/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Directories that exist as long as a test, and small files in them. */
#ifndef TEST_DIRECTORY_H
#define TEST_DIRECTORY_H

#include <stddef.h>

/** Makes an empty directory below TMPDIR or /tmp. Ends the program if that fails. Release with
 *  test_directory_remove. */
char *test_directory_create(void);
/** Removes the directory (one level of files and the directories in it) and releases `path`. NULL
 *  is allowed. */
void test_directory_remove(char *path);
/** "directory/name", in a buffer of the caller. */
const char *test_path(char *out, size_t capacity, const char *directory, const char *name);
/** Writes a file as a whole. */
void test_file_write(const char *path, const void *data, size_t bytes);

#endif
