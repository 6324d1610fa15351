#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Runs fuzz targets with libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tools/fuzz.sh TARGET|all [SECONDS]     seconds for each target, 60 unless told
#
# Targets are those of tests/fuzz. Inputs that found something new are kept in build/fuzz/corpus; one
# that breaks a promise is written to build/fuzz/found and named: fuzz_TARGET_replay FILE repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGETS=(log stream op manifest blackbox glove wink wordnet word2vec npy gzip graphs anchor)
wanted=${1:-}
seconds=${2:-60}

if [[ $wanted != all && " ${TARGETS[*]} " != *" $wanted "* ]] || [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
    printf 'usage: tools/fuzz.sh TARGET|all [SECONDS]; targets: %s\n' "${TARGETS[*]}" >&2
    exit 2
fi
command -v clang >/dev/null || {
    echo 'fuzz: clang is needed (Debian: clang)' >&2
    exit 1
}

cmake --preset fuzz --log-level=NOTICE >/dev/null
cmake --build --preset fuzz --parallel "$(nproc)"

failed=()
for target in "${TARGETS[@]}"; do
    [[ $wanted == all || $wanted == "$target" ]] || continue
    corpus=build/fuzz/corpus/$target
    found=build/fuzz/found
    mkdir -p "$corpus" "$found"
    build/fuzz/bin/"fuzz_${target}_replay" --seeds "$corpus" >/dev/null
    printf 'fuzz: %s, %s s\n' "$target" "$seconds"
    build/fuzz/bin/"fuzz_$target" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=4096 \
        -max_len=8192 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$found/$target-" "$corpus" || failed+=("$target")
done
if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'fuzz: FAILED: %s; inputs in build/fuzz/found\n' "${failed[*]}" >&2
    exit 1
fi
