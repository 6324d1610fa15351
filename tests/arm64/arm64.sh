#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The unit tests of arithmetic and indexes, built for 64-bit ARM and run by qemu: NEON beside its
# portable twins. Tests with threads are left out: qemu stands still at the first one on some hosts.
#
#   tests/arm64/arm64.sh [FOLDER]    FOLDER keeps the builds; else a temporary one
#
# Wants (Debian): gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libcmocka-dev:arm64, which
# `tools/setup.sh arm64` installs. Exit code 77: they are not here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly COMPILER=aarch64-linux-gnu-gcc
readonly LIBRARIES=/usr/lib/aarch64-linux-gnu
for wanted in "$COMPILER" qemu-aarch64; do
    command -v "$wanted" >/dev/null || exit 77
done
[[ -e $LIBRARIES/libcmocka.so ]] || exit 77

if [[ $# -gt 0 ]]; then
    folder=$1
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/include" "$folder/objects"
for header in /usr/include/xxhash.h /usr/include/xxh3.h /usr/include/cmocka*.h; do
    [[ ! -e $header ]] || cp "$header" "$folder/include/"
done

flags=(-std=c17 -D_GNU_SOURCE -DNG_VERSION_TEXT="\"$(cat VERSION)\"" -DXXH_INLINE_ALL= -O2 -g
    -Wall -Wextra -Wshadow -Wconversion -Werror -fno-math-errno -ffp-contract=off
    -I include -I src -I "$folder/include")
sources=() tests=()
for layer in base os model index; do
    for file in src/"$layer"/*.c; do
        if [[ $file != *_test.c ]]; then
            sources+=("$file")
        elif [[ $layer == model || $layer == index ]] && ! grep -q ngi_thread_start "$file"; then
            tests+=("$file")
        fi
    done
done

# shellcheck disable=SC2016 # the inner shell expands it
for file in "${sources[@]}"; do
    printf '%s\0' "$file"
done | xargs -0 -P "$(nproc)" -I FILE sh -c '
    out=$1/objects/$(basename "$2" .c).o
    shift 2
    exec "$@" -c FILE -o "$out"' build "$folder" FILE "$COMPILER" "${flags[@]}"

failed=0
for test in "${tests[@]}"; do
    name=$(basename "$test" .c)
    "$COMPILER" "${flags[@]}" "$test" "$folder"/objects/*.o -o "$folder/$name" \
        -L "$LIBRARIES" -Wl,-rpath-link,"$LIBRARIES" -lcmocka -lpthread -lm
    if LD_LIBRARY_PATH=$LIBRARIES timeout --signal=KILL 600 qemu-aarch64 -L /usr/aarch64-linux-gnu "$folder/$name" \
        >"$folder/$name.log" 2>&1; then
        printf '%-28s passed\n' "$name"
    else
        printf '%-28s FAILED\n' "$name"
        tail -n 20 "$folder/$name.log"
        failed=1
    fi
done
exit "$failed"
