#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Builds the benchmarks and runs those of an area, or all; merges their results into
# build/bench.json.
#
#   tools/bench.sh [--docs] all|AREA [PROGRAM-ARGUMENTS...]    programs: build/bench/bin/bench_AREA_*
#
# Areas: core, durability, index, semantic. What a program prints is kept in build/bench/PROGRAM.log.
# After bench_semantic_ann its curves are drawn into build/ann.svg, and with --docs into docs/img/ann.svg.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

curve=build/ann.svg
if [[ ${1:-} == --docs ]]; then
    curve=docs/img/ann.svg
    shift
fi
area=${1:?name an area, such as core, or all}
shift
tools/setup.sh build data test bench
cmake --preset bench --log-level=NOTICE >/dev/null
cmake --build --preset bench --parallel "$(nproc)"

pattern="bench_${area}_*"
also=$pattern
[[ $area != all ]] || pattern='bench_*'
# Commits belong to two areas.
[[ $area != durability ]] || also=bench_core_commit
# So do exact searches by vector.
[[ $area != semantic ]] || also=bench_core_vector
# So do reads of tokens.
[[ $area != index ]] || also=bench_core_token_read
mapfile -t programs < <(find build/bench/bin -maxdepth 1 -type f -executable \
    \( -name "$pattern" -o -name "$also" \) | sort)
[[ ${#programs[@]} -gt 0 ]] || {
    echo "bench: there is no program build/bench/bin/$pattern" >&2
    exit 1
}

failed=0
for program in "${programs[@]}"; do
    printf '\nbench: %s\n' "$program"
    log=build/bench/$(basename "$program").log
    if ! "$program" "$@" </dev/null | tee "$log" | tools/bench_collect.py build/bench.json; then
        echo "bench: $program FAILED" >&2
        failed=1
    elif [[ $program == */bench_semantic_ann ]]; then
        mkdir -p "$(dirname "$curve")"
        tools/bench_curve.py "$log" "$curve"
    fi
done
printf '\nbench: results are in build/bench.json\n'
exit "$failed"
