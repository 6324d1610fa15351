/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Directories that exist as long as a test. */
#include "test_directory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 4

char *test_directory_create(void)
{
    const char *root = getenv("TMPDIR");
    if (root == NULL || *root == '\0')
        root = "/tmp";
    char *path = malloc(512);
    if (path == NULL)
        abort();
    snprintf(path, 512, "%s/neurograph-test-XXXXXX", root);
    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
    return path;
}

const char *test_path(char *out, size_t capacity, const char *directory, const char *name)
{
    snprintf(out, capacity, "%s/%s", directory, name);
    return out;
}

void test_file_write(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || (bytes != 0 && fwrite(data, 1, bytes, file) != bytes) ||
        fclose(file) != 0) {
        perror(path);
        abort();
    }
}

/* Empties the directory on top of the stack; a directory found in it is pushed and done first. */
void test_directory_remove(char *path)
{
    if (path == NULL)
        return;
    char stack[DEPTH_MAX][1024];
    int depth = 1;
    snprintf(stack[0], sizeof stack[0], "%s", path);
    while (depth > 0) {
        const char *top = stack[depth - 1];
        DIR *directory = opendir(top);
        int deeper = 0;
        const struct dirent *entry;
        while (directory != NULL && !deeper && (entry = readdir(directory)) != NULL) {
            char child[1024];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int bytes = snprintf(child, sizeof child, "%s/%s", top, entry->d_name);
            if (bytes < (int)sizeof child && unlink(child) != 0 && depth < DEPTH_MAX) {
                memcpy(stack[depth], child, sizeof child);
                deeper = 1;
            }
        }
        if (directory != NULL)
            closedir(directory);
        if (deeper) {
            depth++;
            continue;
        }
        if (rmdir(top) != 0 && directory != NULL)
            fprintf(stderr, "%s: could not be removed\n", top);
        depth--;
    }
    free(path);
}
