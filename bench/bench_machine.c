/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a benchmark says about the machine it ran on, and the memory and directories it gets there.
 * Apart from the harness because all of it is Linux. */
#include "bench_harness.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES (2u << 20)

/** First line of a file, or of the line of it that begins with `key`, without key and newline. */
static void line_read(const char *path, const char *key, char *out, size_t capacity)
{
    char line[512];
    snprintf(out, capacity, "unknown");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *value = line + strlen(key);
            value += strspn(value, " \t:");
            snprintf(out, capacity, "%.*s", (int)strcspn(value, "\n"), value);
            break;
        }
    }
    fclose(file);
}

const char *bench_simd_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni")) {
        return "AVX-512 VNNI";
    }
    if (__builtin_cpu_supports("avx512f")) {
        return "AVX-512";
    }
    if (__builtin_cpu_supports("avx2")) {
        return "AVX2";
    }
    return __builtin_cpu_supports("sse4.2") ? "SSE4.2" : "SSE2";
#elif defined(__aarch64__)
    return "NEON";
#else
    return "none known";
#endif
}

void bench_machine_print(void)
{
    char model[256];
    char load[256];
    char pages[256];
    struct utsname names = {.sysname = "unknown"};
    line_read("/proc/cpuinfo", "model name", model, sizeof model);
    line_read("/proc/loadavg", "", load, sizeof load);
    line_read("/sys/kernel/mm/transparent_hugepage/enabled", "", pages, sizeof pages);
    uname(&names);
    printf("# cpu: %s, %ld online, SIMD %s\n", model, sysconf(_SC_NPROCESSORS_ONLN),
           bench_simd_level());
    printf("# system: %s %s, huge pages %s, load %s\n", names.sysname, names.release, pages, load);
    printf("# compiler: %s\n", __VERSION__);
}

/* ---------------------------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------------------------- */

void *bench_pages_map(size_t *bytes)
{
    *bytes = (*bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    size_t room = *bytes + HUGE_PAGE_BYTES; /* so that an aligned part of it is long enough */
    uint8_t *base = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        bench_complain("no memory for %zu bytes: %s", room, strerror(errno));
        return NULL;
    }
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)base % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (before > 0) {
        munmap(base, before);
    }
    munmap(base + before + *bytes, HUGE_PAGE_BYTES - before);
    madvise(base + before, *bytes, MADV_HUGEPAGE);
    return base + before;
}

void bench_pages_unmap(void *base, size_t bytes)
{
    if (base != NULL) {
        munmap(base, bytes);
    }
}

/* ---------------------------------------------------------------------------------------------
 * Directories
 * ------------------------------------------------------------------------------------------- */

bool bench_path_join(const char *directory, const char *name, char out[BENCH_PATH_MAX])
{
    int length = snprintf(out, BENCH_PATH_MAX, "%s/%s", directory, name);
    if (length < 0 || length >= BENCH_PATH_MAX) {
        return bench_complain("the path %s/%s is too long", directory, name);
    }
    return true;
}

bool bench_directory_create(const char *parent, char out[BENCH_PATH_MAX])
{
    char pattern[BENCH_PATH_MAX];
    char absolute[PATH_MAX];
    struct stat status;
    if (parent == NULL) {
        parent = stat("build", &status) == 0 && S_ISDIR(status.st_mode) ? "build" : ".";
    }
    if (realpath(parent, absolute) == NULL) {
        return bench_complain("%s: %s", parent, strerror(errno));
    }
    if (!bench_path_join(absolute, "bench-XXXXXX", pattern)) {
        return false;
    }
    if (mkdtemp(pattern) == NULL) {
        return bench_complain("%s: %s", pattern, strerror(errno));
    }
    memcpy(out, pattern, sizeof pattern);
    return true;
}

bool bench_directory_make(const char *parent, const char *name, char out[BENCH_PATH_MAX])
{
    if (!bench_path_join(parent, name, out)) {
        return false;
    }
    if (mkdir(out, 0700) != 0) {
        return bench_complain("%s: %s", out, strerror(errno));
    }
    return true;
}

static int entry_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    if (remove(path) != 0) {
        bench_complain("%s: %s", path, strerror(errno));
    }
    return 0;
}

void bench_directory_remove(const char *path)
{
    nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

const char *bench_directory_filesystem(const char *path)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } known[] = {
        {0xEF53, "ext4"},        {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
        {0x794C7630, "overlay"}, {0x2FC12FC1, "zfs"}, {0xF2F52010, "f2fs"},  {0x6969, "nfs"},
    };
    struct statfs status;
    if (statfs(path, &status) == 0) {
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if ((unsigned long)status.f_type == known[i].magic) {
                return known[i].name;
            }
        }
    }
    return "other";
}
