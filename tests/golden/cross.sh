#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The golden store as several builds make it and read it: all must print what golden.txt and
# golden_fields.txt say.
#
#   tests/golden/cross.sh [FOLDER]    FOLDER keeps the builds; else a temporary one
#
# Builds: -O0; -O3 for this very machine; 64-bit ARM, run by qemu, if its compiler is there (Debian:
# gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user). Exit code 77: only one build was possible.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ $# -gt 0 ]]; then
    folder=$1
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi

# The store and what is below it; nothing of it needs a library but xxHash, which is its header.
sources=(tests/golden/golden_replay.c tests/golden/golden_build.c tests/support/sample_store.c)
sources+=(tests/support/sim_{disk,memory,control,image}.c)
for layer in base os model index wal store; do
    for file in src/"$layer"/*.c; do
        [[ $file == *_test.c ]] || sources+=("$file")
    done
done
mkdir -p "$folder/include"
for header in /usr/include/xxhash.h /usr/include/xxh3.h; do
    [[ ! -e $header ]] || cp "$header" "$folder/include/"
done

build() { # NAME COMPILER FLAG...
    local name=$1 compiler=$2
    shift 2
    "$compiler" -std=c17 -D_GNU_SOURCE -DNG_VERSION_TEXT="\"$(cat VERSION)\"" -DXXH_INLINE_ALL \
        -fno-math-errno -ffp-contract=off -I include -I src -I tests/support -I tests/golden \
        -I "$folder/include" "$@" -o "$folder/$name" "${sources[@]}" -lpthread -lm
}

wanted=$folder/wanted.txt
grep -E '^(file|state) ' tests/golden/golden.txt >"$wanted"
last=$(sed -n 's/^state last //p' "$wanted")
printf 'opened %s\nrestored %s\n' "$last" "$last" >>"$wanted"

failed=0
compare() { # NAME COMMAND...
    local name=$1
    shift
    "$@" >"$folder/$name.txt"
    if diff -u "$wanted" "$folder/$name.txt" && diff <("$@" --fields) tests/golden/golden_fields.txt; then
        printf '%-8s equal\n' "$name"
    else
        printf '%-8s DIFFERS\n' "$name"
        failed=1
    fi
}

compiler=${CC:-cc}
build plain "$compiler" -O0
compare plain "$folder/plain"
build native "$compiler" -O3 -march=native
compare native "$folder/native"
builds=2
if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then
    build arm64 aarch64-linux-gnu-gcc -O2 -static
    compare arm64 qemu-aarch64 "$folder/arm64"
    builds=3
fi
[[ $failed -eq 0 ]] || exit 1
[[ $builds -gt 2 ]] || exit 77
