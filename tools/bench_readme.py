#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Writes the results of the benchmarks into README.md, between <!-- bench --> and <!-- /bench -->.

Usage: bench_readme.py [build/bench.json [README.md]]

The date is that of the results, the machine the one this runs on: build/ is never copied.
"""
import datetime
import json
import os
import sys

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def machine():
    model, cores, memory = "unknown processor", os.cpu_count() or 1, ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
        with open("/proc/meminfo", encoding="utf-8") as file:
            memory = f", {round(int(file.readline().split()[1]) / 1048576)} GiB"
    except (OSError, ValueError, IndexError):
        pass
    return f"{model}, {cores} cores{memory}"


def figure(value):
    """Three significant digits, thousands separated."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{round(value):,}"
    return f"{value:.3g}"


def block(rows, date, where):
    lines = [
        f"Measured {date} on {where}; each row is one run of one program with both sides in it,",
        "the median of interleaved rounds. A ratio is a result, a time is not: machines differ.",
        "",
        "| What | NeuroGraph | Rival | Unit | Ratio | n |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        lines.append(f"| {row['name']} | {figure(row['ours'])} | "
                     f"{row['rival_name']}: {figure(row['rival'])} | {row['unit']} | "
                     f"{row['ratio']:.2f} | {figure(row['n'])} |")
    return "\n".join(lines)


def replace(text, new):
    """`text` with `new` between the markers; ValueError when they are not there once, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{BEGIN} and {END} must stand there once each, in this order")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    return f"{head}{BEGIN}\n{new}\n{END}{tail}"


def main(arguments):
    results = arguments[0] if arguments else "build/bench.json"
    readme = arguments[1] if len(arguments) > 1 else "README.md"
    with open(results, encoding="utf-8") as file:
        rows = json.load(file)
    date = datetime.date.fromtimestamp(os.path.getmtime(results)).isoformat()
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    try:
        text = replace(text, block(rows, date, machine()))
    except ValueError as error:
        print(f"bench_readme: {readme}: {error}", file=sys.stderr)
        return 1
    with open(readme, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"bench_readme: {len(rows)} rows written to {readme}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
