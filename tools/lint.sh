#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# What a machine can say about the source: layout, mistakes, layers, shell scripts.
#
#   tools/lint.sh [FILE...]       checks those files, or all of them
#   tools/lint.sh --format        rewrites all C and C++ instead
#
# clang-tidy reads the flags of each file from build/release/compile_commands.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly DATABASE=build/release
jobs=$(nproc)

code_files() {
    local -a folders=()
    local folder
    for folder in include src cli server bench tests examples; do
        [[ ! -d $folder ]] || folders+=("$folder")
    done
    find "${folders[@]}" -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) | sort
}

if [[ ${1:-} == --format ]]; then
    code_files | xargs -r clang-format -i
    exit 0
fi

failed=()
step() {
    local name=$1
    shift
    if "$@"; then
        printf 'lint: %-14s ok\n' "$name"
    else
        printf 'lint: %-14s FAILED\n' "$name"
        failed+=("$name")
    fi
}

if [[ $# -gt 0 ]]; then
    mapfile -t files < <(printf '%s\n' "$@" | grep -E '\.(c|h|cpp)$' || true)
else
    mapfile -t files < <(code_files)
fi

# Only files that the build compiles have flags; headers are checked through them.
tidy_files() {
    local file
    for file in "${files[@]}"; do
        if [[ $file != *.h ]] && grep -qF "/$file\"" "$DATABASE/compile_commands.json"; then
            echo "$file"
        fi
    done
}

run_format() { printf '%s\0' "${files[@]}" | xargs -0 -r clang-format --dry-run -Werror; }
run_tidy() {
    # One file a run: with several, clang-tidy 14 takes every va_list for uninitialised.
    # "N warnings generated" counts what the system headers gave and the filter took away.
    tidy_files | xargs -r -P "$jobs" -n 1 clang-tidy --quiet -p "$DATABASE" 2> >(grep -vE \
        'warnings? (generated|treated)|^$' >&2)
}
run_shellcheck() {
    find tools tests .ci -type f \( -name '*.sh' -o -name run \) -print0 | xargs -0 shellcheck
}

[[ ${#files[@]} -eq 0 ]] || step clang-format run_format
[[ ${#files[@]} -eq 0 ]] || step clang-tidy run_tidy
step layers python3 tools/check_layers.py
if command -v shellcheck >/dev/null; then
    step shellcheck run_shellcheck
else
    echo "lint: shellcheck     is not installed, left out"
fi
[[ ${#failed[@]} -eq 0 ]] || exit 1
