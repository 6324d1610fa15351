#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# How much of src/ the unit, API, model and fault tests run, by gcov.
#
#   tools/coverage.sh              builds, runs those tests with small counts, prints the table;
#                                  fails as well if a test does
#   tools/coverage.sh --table      prints the table of the last run again
#   tools/coverage.sh --missing FILE
#                                  the lines of a source file whose branches were not all taken
#
# Fails if less than 85 % of the lines of src/, or of the branches of src/wal, were run.
#
# What counts. Lines and branches of the library as it is tested, from one set of objects that all
# tests link; test files are left out. A branch counts if gcov sees it on a line with code: not those
# the compiler made up (--exclude-unreachable-branches) or that belong to exceptions, which C does not
# have (--exclude-throw-branches), and not the one in assert(), whose other side ends the program.
# The two sides of `if`, each operand of && and ||, and each case of a switch are branches of their
# own: an error that is only passed on (NGI_TRY) counts as taken when a test made it happen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BUILD=build/coverage
readonly CSV=$BUILD/coverage.csv
readonly LINES_MIN=85
readonly WAL_BRANCHES_MIN=85

run_tests() {
    find "$BUILD" -name '*.gcda' -delete
    # Sanitizers and the nightly tests look for mistakes; here a few rounds of each are enough.
    NG_TEST_SCHEDULES=60 NG_TEST_STEPS=2000 NG_TEST_STRIDE=997 NG_TEST_FLIPS=60 \
        NG_TEST_HISTORIES=200 NG_TEST_TRANSACTIONS=5000 \
        ctest --preset coverage --parallel 2 --no-tests=error \
        --tests-regex '^(unit|api|model|fault)\.' --label-exclude nightly
}

# report FILTER OPTION...
report() {
    local filter=$1
    shift
    gcovr --root . --filter "$filter" --exclude '.*_test(ing)?\.[ch]$' \
        --exclude-unreachable-branches --exclude-throw-branches \
        --exclude-branches-by-pattern '.*\bassert\(.*' \
        --object-directory "$BUILD" "$@" "$BUILD/src/CMakeFiles/neurograph_objects.dir"
}

# Columns of the CSV: file, lines, lines run, a share, branches, branches taken, a share, ...
print_table() {
    awk -F, -v lines_min=$LINES_MIN -v branches_min=$WAL_BRANCHES_MIN '
        function percent(part, whole) { return whole == 0 ? 100 : 100 * part / whole }
        function row(name, i) {
            printf "%-30s %6d / %6d %6.1f %% %6d / %6d %6.1f %%\n", name, line_hit[i], line_all[i],
                percent(line_hit[i], line_all[i]), branch_hit[i], branch_all[i],
                percent(branch_hit[i], branch_all[i])
        }
        function add(i) {
            line_all[i] += $2; line_hit[i] += $3; branch_all[i] += $5; branch_hit[i] += $6
        }
        NR == 1 { next }
        {
            split($1, part, "/")
            folder = part[1] "/" part[2]
            if (!(folder in line_all)) folders[++folder_count] = folder
            add(folder); add("src")
            if (folder == "src/wal") { add($1); files[++file_count] = $1 }
        }
        END {
            printf "%-30s %24s %24s\n", "", "lines run", "branches taken"
            for (i = 1; i <= folder_count; i++) row(folders[i], folders[i])
            row("src", "src")
            print ""
            for (i = 1; i <= file_count; i++) row(files[i], files[i])
            lines = percent(line_hit["src"], line_all["src"])
            branches = percent(branch_hit["src/wal"], branch_all["src/wal"])
            if (line_all["src"] == 0 || branch_all["src/wal"] == 0 || lines < lines_min ||
                branches < branches_min) {
                printf "coverage: FAILED: lines of src/ %.1f %% (wanted %d), branches of src/wal " \
                    "%.1f %% (wanted %d)\n", lines, lines_min, branches, branches_min
                exit 1
            }
        }' "$CSV"
}

case ${1:-} in
'')
    cmake --preset coverage --log-level=NOTICE >/dev/null
    cmake --build --preset coverage --parallel "$(nproc)"
    tests=0
    run_tests || tests=$?
    report src/ --csv "$CSV"
    print_table
    exit "$tests"
    ;;
--table)
    [[ -f $CSV ]] || {
        echo 'coverage: there is no table yet; run tools/coverage.sh' >&2
        exit 1
    }
    print_table
    ;;
--missing)
    [[ -n ${2:-} ]] || {
        echo 'usage: tools/coverage.sh --missing FILE' >&2
        exit 2
    }
    report "$2\$" --branches
    ;;
*)
    echo 'usage: tools/coverage.sh [--table | --missing FILE]' >&2
    exit 2
    ;;
esac
