/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* faiss as a side: a child process of Python that runs bench_ann_faiss.py, which says how they talk.
 * Vectors go to it, and rows come back, by files in a directory that is removed at the end. What is
 * timed is timed in the child, around one call for all queries. */
#include "bench_ann.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Lists probed; with lists of 4096 and of 1024. */
static const size_t probes[] = {1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 0};

/* The names are those that bench_ann_faiss.py makes an index of. */
static const bench_ann_way ways[] = {
    {.name = "HNSW32", .efforts = bench_ann_graph_efforts},
    {.name = "IVF4096,Flat", .efforts = probes},
    {.name = "IVF1024,Flat", .efforts = probes},
    {.name = "IVF1024,SQ8", .is_extra = true, .efforts = probes},
    {.name = "IVF1024,PQ50x4fs,RFlat", .efforts = probes},
    {.name = "HNSW16", .is_extra = true, .efforts = bench_ann_graph_efforts},
    {.name = "IVF4096,SQ8", .is_extra = true, .efforts = probes},
    {.name = "IVF4096,PQ50x4fs,RFlat", .is_extra = true, .efforts = probes},
};

#define ANSWER_MAX 512

typedef struct faiss_child {
    pid_t pid;
    FILE *to, *from;
    char version[ANSWER_MAX];
    char directory[BENCH_PATH_MAX], rows[BENCH_PATH_MAX], found[BENCH_PATH_MAX];
} faiss_child;

typedef struct faiss_index {
    faiss_child *child;
    unsigned number;
    uint64_t bytes;
} faiss_index;

/* ---------------------------------------------------------------------------------------------
 * Talking
 * ------------------------------------------------------------------------------------------- */

/** Waits for an answer; `out` receives what stands behind "ok ". */
static bool answer_read(faiss_child *child, char out[ANSWER_MAX])
{
    char line[ANSWER_MAX];
    if (fgets(line, sizeof line, child->from) == NULL) {
        return bench_complain("faiss: the process has ended");
    }
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "ok ", 3) != 0) {
        return bench_complain("faiss: %s", line);
    }
    snprintf(out, ANSWER_MAX, "%s", line + 3);
    return true;
}

static bool child_ask(faiss_child *child, char out[ANSWER_MAX], const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool child_ask(faiss_child *child, char out[ANSWER_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool is_sent = vfprintf(child->to, format, arguments) > 0 && fflush(child->to) == 0;
    va_end(arguments);
    return is_sent ? answer_read(child, out) : bench_complain("faiss: the process has ended");
}

static bool rows_write(const faiss_child *child, const bench_ann_vectors *vectors)
{
    FILE *file = fopen(child->rows, "wb");
    size_t count = vectors->count * vectors->dimensions;
    bool good = file != NULL && fwrite(vectors->unit, sizeof *vectors->unit, count, file) == count;
    if (file != NULL) {
        good = fclose(file) == 0 && good;
    }
    return good || bench_complain("%s: cannot be written", child->rows);
}

static bool found_read(const faiss_child *child, uint32_t *out, size_t count)
{
    FILE *file = fopen(child->found, "rb");
    bool good = file != NULL && fread(out, sizeof *out, count, file) == count;
    if (file != NULL) {
        fclose(file);
    }
    return good || bench_complain("%s: cannot be read", child->found);
}

/* ---------------------------------------------------------------------------------------------
 * The side
 * ------------------------------------------------------------------------------------------- */

static void *faiss_build(const bench_ann *side, const bench_ann_vectors *vectors, size_t way,
                         double *seconds)
{
    faiss_child *child = side->context;
    char answer[ANSWER_MAX];
    faiss_index *self = calloc(1, sizeof *self);
    if (self == NULL) {
        bench_complain("out of memory");
        return NULL;
    }
    self->child = child;
    bool good = rows_write(child, vectors) &&
                child_ask(child, answer, "build\t%s\t%zu\t%s\n", side->ways[way].name,
                          vectors->dimensions, child->rows);
    if (good && sscanf(answer, "%u %lf %" SCNu64, &self->number, seconds, &self->bytes) != 3) {
        good = bench_complain("faiss: \"%s\" is no answer to build", answer);
    }
    if (!good) {
        free(self);
        return NULL;
    }
    return self;
}

/** What it would write to a file. */
static uint64_t faiss_bytes(void *index)
{
    const faiss_index *self = index;
    return self->bytes;
}

static bool faiss_search(void *index, const bench_ann_vectors *queries, size_t effort,
                         uint32_t *out, double *seconds)
{
    const faiss_index *self = index;
    faiss_child *child = self->child;
    char answer[ANSWER_MAX];
    return rows_write(child, queries) &&
           child_ask(child, answer, "search\t%u\t%zu\t%d\t%zu\t%s\t%s\n", self->number, effort,
                     BENCH_ANN_NEAREST, queries->dimensions, child->rows, child->found) &&
           (sscanf(answer, "%lf", seconds) == 1 ||
            bench_complain("faiss: \"%s\" is no answer to search", answer)) &&
           found_read(child, out, queries->count * BENCH_ANN_NEAREST);
}

static void faiss_destroy(void *index)
{
    faiss_index *self = index;
    char answer[ANSWER_MAX];
    if (self != NULL) {
        child_ask(self->child, answer, "drop\t%u\n", self->number);
        free(self);
    }
}

/* ---------------------------------------------------------------------------------------------
 * The process
 * ------------------------------------------------------------------------------------------- */

static void child_run(const char *python, const int to[2], const int from[2])
{
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    close(to[0]);
    close(to[1]);
    close(from[0]);
    close(from[1]);
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    execlp(python, python, BENCH_FAISS_SCRIPT, (char *)NULL);
    _exit(127);
}

static bool child_start(faiss_child *child, const char *python)
{
    int to[2], from[2];
    if (pipe(to) != 0) {
        return bench_complain("faiss: no pipe");
    }
    if (pipe(from) != 0) {
        close(to[0]);
        close(to[1]);
        return bench_complain("faiss: no pipe");
    }
    fflush(stdout);
    child->pid = fork();
    if (child->pid == 0) {
        child_run(python, to, from);
    }
    close(to[0]);
    close(from[1]);
    child->to = fdopen(to[1], "w");
    child->from = fdopen(from[0], "r");
    signal(SIGPIPE, SIG_IGN); /* a child that has ended is a complaint */
    return (child->pid > 0 && child->to != NULL && child->from != NULL) ||
           bench_complain("faiss: %s cannot be started", python);
}

/** The end of its input ends the child. */
static void child_destroy(faiss_child *child)
{
    if (child->to != NULL) {
        fclose(child->to);
    }
    if (child->from != NULL) {
        fclose(child->from);
    }
    if (child->pid > 0) {
        waitpid(child->pid, NULL, 0);
    }
    if (child->directory[0] != '\0') {
        bench_directory_remove(child->directory);
    }
    free(child);
}

static void faiss_close(bench_ann *side)
{
    child_destroy(side->context);
}

bool bench_ann_open_faiss(const char *python, bench_ann *out)
{
    faiss_child *child = calloc(1, sizeof *child);
    if (child == NULL) {
        return bench_complain("out of memory");
    }
    if (!bench_directory_create(NULL, child->directory) ||
        !bench_path_join(child->directory, "rows", child->rows) ||
        !bench_path_join(child->directory, "found", child->found) || !child_start(child, python) ||
        !answer_read(child, child->version)) {
        child_destroy(child);
        return false;
    }
    *out = (bench_ann){.name = "faiss",
                       .version = child->version,
                       .context = child,
                       .ways = ways,
                       .way_count = sizeof ways / sizeof ways[0],
                       .build = faiss_build,
                       .bytes = faiss_bytes,
                       .search = faiss_search,
                       .destroy = faiss_destroy,
                       .close = faiss_close};
    return true;
}
