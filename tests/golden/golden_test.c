/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Formats stay: files written earlier open with the state they had, this library writes the very
 * same bytes, and each kind of damage gives its exact error.
 *
 * golden.txt holds the files as text, golden_fields.txt those of a store with named fields of vectors,
 * corrupt.txt the damage. After an intended change of a format: golden_replay --text
 * >tests/golden/golden.txt, likewise with --fields, and golden_test --errors prints the lines of
 * corrupt.txt as they now are. */
#include "golden_build.h"

#include "base/base_crc.h"
#include "fuzz_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static golden_set from_text, fields_from_text;

static void open_text(const char *name, FILE **out)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", GOLDEN_FOLDER, name);
    *out = fopen(path, "r");
    if (*out == NULL) {
        perror(path);
        exit(1);
    }
}

static void test_bytes_are_as_ever(void **state)
{
    const golden_set *kept = *state;
    golden_set now;
    golden_make(&now, kept == &fields_from_text);
    assert_int_equal(now.file_count, kept->file_count);
    for (size_t i = 0; i < now.file_count; i++) {
        const golden_file *file = &now.files[i], *wanted = golden_find(kept, file->name);
        if (wanted == NULL) {
            fail_msg("%s is new", file->name);
            return;
        }
        size_t at = 0;
        while (at < file->bytes && at < wanted->bytes && file->data[at] == wanted->data[at])
            at++;
        if (at != file->bytes || at != wanted->bytes)
            fail_msg("%s of %zu bytes (%zu expected) differs from offset %zu on", file->name,
                     file->bytes, wanted->bytes, at);
    }
    for (size_t i = 0; i < GOLDEN_STATES; i++)
        assert_int_equal(now.states[i], kept->states[i]);
    golden_release(&now);
}

static void test_store_opens(void **state)
{
    const golden_set *kept = *state;
    uint64_t hash = 0;
    sim_disk *disk = golden_disk(kept);
    assert_int_equal(golden_open(disk, GOLDEN_STORE, NG_OPEN_READ_ONLY, &hash), NG_OK);
    assert_int_equal(hash, kept->states[1]);
    assert_int_equal(golden_open(disk, GOLDEN_STORE, 0, &hash), NG_OK);
    assert_int_equal(hash, kept->states[1]);
    sim_disk_destroy(disk);
}

static void test_streams_restore(void **state)
{
    const golden_set *kept = *state;
    const golden_file *streams[] = {golden_find(kept, "whole.full"),
                                    golden_find(kept, "ops.incremental")};
    for (size_t count = 1; count <= 2; count++) {
        uint64_t hash = 0;
        sim_disk *disk = sim_disk_create(1);
        assert_int_equal(golden_restore(disk, streams, count, "/sim/restored"), NG_OK);
        assert_int_equal(golden_open(disk, "/sim/restored", 0, &hash), NG_OK);
        assert_int_equal(hash, kept->states[count - 1]);
        sim_disk_destroy(disk);
    }
}

/* One line of corrupt.txt: FILE EDIT[;EDIT...] => STATUS MESSAGE. Edits: cut N; set N HEX; remove;
 * fix (checksums made right). Numbers from the end of the file are negative. */
static bool edit(golden_file *file, char *text)
{
    long at = 0;
    char hex[64];
    if (strcmp(text, "remove") == 0)
        return false;
    if (strcmp(text, "fix") == 0) {
        const golden_file *manifest = golden_find(&from_text, "MANIFEST");
        fuzz_fix_file(file->name, file->data, file->bytes, ngi_crc32c(0, manifest->data + 16, 16));
        return true;
    }
    bool is_cut = sscanf(text, "cut %ld", &at) == 1;
    bool is_set = !is_cut && sscanf(text, "set %ld %63s", &at, hex) == 2;
    size_t offset = at < 0 ? file->bytes - (size_t)-at : (size_t)at;
    if ((!is_cut && !is_set) || offset >= file->bytes)
        fail_msg("corrupt.txt: what is '%s'?", text);
    if (is_cut)
        file->bytes = offset;
    for (size_t i = 0; is_set && hex[2 * i] != '\0' && offset + i < file->bytes; i++) {
        unsigned value = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        file->data[offset + i] = (uint8_t)value;
    }
    return true;
}

static ng_status damaged(const char *name, char *edits, char message[512])
{
    golden_set copy = from_text;
    golden_file *file = NULL;
    for (size_t i = 0; i < copy.file_count; i++) {
        if (strcmp(copy.files[i].name, name) == 0)
            file = &copy.files[i];
    }
    if (file == NULL) {
        fail_msg("corrupt.txt: there is no file %s", name);
        return NG_E_INTERNAL;
    }
    uint8_t *data = malloc(file->bytes);
    assert_non_null(data);
    memcpy(data, file->data, file->bytes);
    file->data = data;
    char *rest = NULL;
    bool is_there = true;
    for (char *one = strtok_r(edits, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest))
        is_there = edit(file, one + strspn(one, " ")) && is_there;
    if (!is_there)
        *file = copy.files[--copy.file_count];
    uint64_t hash = 0;
    sim_disk *disk = golden_disk(&copy);
    ng_status status;
    if (is_there && golden_is_stream(file)) {
        const golden_file *streams[] = {golden_find(&copy, "whole.full"),
                                        golden_find(&copy, "ops.incremental")};
        status = golden_restore(disk, streams, 2, "/sim/restored");
    } else {
        status = golden_open(disk, GOLDEN_STORE, 0, &hash);
    }
    snprintf(message, 512, "%s", status == NG_OK ? "" : ng_last_error());
    if (status == NG_OK && !golden_is_stream(file))
        assert_int_equal(hash, from_text.states[1]);
    sim_disk_destroy(disk);
    free(data);
    return status;
}

static bool corrupt_line(char *line, char **name, char **edits, char **wanted)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0')
        return false;
    char *arrow = strstr(line, " => "), *blank = strchr(line, ' ');
    assert_non_null(arrow);
    assert_non_null(blank);
    assert_true(blank < arrow);
    *arrow = '\0';
    *blank = '\0';
    *name = line;
    *edits = blank + 1;
    *wanted = arrow + 4;
    return true;
}

static void test_damage_gives_its_error(void **state)
{
    (void)state;
    FILE *table = NULL;
    char line[1024], message[512] = "", got[600];
    size_t count = 0;
    open_text("corrupt.txt", &table);
    while (fgets(line, sizeof line, table) != NULL) {
        char *name = NULL, *edits = NULL, *wanted = NULL, kept[256];
        if (!corrupt_line(line, &name, &edits, &wanted))
            continue;
        snprintf(kept, sizeof kept, "%.100s %.150s", name, edits);
        ng_status status = damaged(name, edits, message);
        snprintf(got, sizeof got, "%s%s%s", ng_status_name(status), message[0] ? " " : "", message);
        if (strcmp(got, wanted) != 0)
            fail_msg("%s\n  gives    %s\n  expected %s", kept, got, wanted);
        count++;
    }
    fclose(table);
    assert_true(count >= 30);
}

/* Prints corrupt.txt as it now is, for whoever changed a format. */
static void print_errors(void)
{
    FILE *table = NULL;
    char line[1024], message[512] = "";
    open_text("corrupt.txt", &table);
    while (fgets(line, sizeof line, table) != NULL) {
        char *name = NULL, *edits = NULL, *wanted = NULL, kept[256];
        snprintf(kept, sizeof kept, "%.255s", line);
        if (!corrupt_line(line, &name, &edits, &wanted)) {
            printf("%s", kept);
            continue;
        }
        snprintf(kept, sizeof kept, "%.100s %.150s", name, edits);
        ng_status status = damaged(name, edits, message);
        printf("%s => %s%s%s\n", kept, ng_status_name(status), message[0] ? " " : "", message);
    }
    fclose(table);
}

int main(int argc, char **argv)
{
    FILE *text = NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_bytes_are_as_ever, &from_text),
        cmocka_unit_test_prestate(test_store_opens, &from_text),
        cmocka_unit_test_prestate(test_streams_restore, &from_text),
        cmocka_unit_test_prestate(test_bytes_are_as_ever, &fields_from_text),
        cmocka_unit_test_prestate(test_store_opens, &fields_from_text),
        cmocka_unit_test_prestate(test_streams_restore, &fields_from_text),
        cmocka_unit_test(test_damage_gives_its_error),
    };
    open_text("golden.txt", &text);
    golden_read(text, &from_text);
    fclose(text);
    open_text("golden_fields.txt", &text);
    golden_read(text, &fields_from_text);
    fclose(text);
    int failed = 0;
    if (argc == 2 && strcmp(argv[1], "--errors") == 0)
        print_errors();
    else
        failed = cmocka_run_group_tests_name("golden files", tests, NULL, NULL);
    golden_release(&from_text);
    golden_release(&fields_from_text);
    return failed;
}
