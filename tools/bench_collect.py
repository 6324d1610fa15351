#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Passes the output of a benchmark through and merges its results into a JSON file.

Usage: bench_program | bench_collect.py build/bench.json

A result is a line of the form
    BENCH name=... ours=1.5 rival=3.0 rival_name=... unit=... ratio=2.0 n=...
and becomes an object with those members, numbers as numbers. A later result of the same name and
rival_name replaces the earlier one; the order of first appearance stays.
"""
import json
import os
import shlex
import sys

MEMBERS = ("name", "ours", "rival", "rival_name", "unit", "ratio", "n")
NUMBERS = ("ours", "rival", "ratio", "n")


def parse(line):
    """The object of a BENCH line; ValueError says what is wrong with it."""
    row = {}
    for part in shlex.split(line)[1:]:
        key, separator, value = part.partition("=")
        if not separator or key not in MEMBERS:
            raise ValueError(f"'{part}' is not one of {', '.join(MEMBERS)} with a value")
        if key in row:
            raise ValueError(f"'{key}' stands twice")
        row[key] = number(key, value) if key in NUMBERS else value
    for key in MEMBERS:
        if key not in row:
            raise ValueError(f"'{key}' is missing")
    return {key: row[key] for key in MEMBERS}


def number(key, text):
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{key}={text} is not a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{key}={text} is not finite")
    return int(text) if text.lstrip("-").isdigit() else value


def merge(rows, row):
    for index, other in enumerate(rows):
        if (other["name"], other["rival_name"]) == (row["name"], row["rival_name"]):
            rows[index] = row
            return
    rows.append(row)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    path, rows = arguments[0], []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
    wrong = 0
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.startswith("BENCH "):
            try:
                merge(rows, parse(line))
            except ValueError as error:
                print(f"bench_collect: {error}: {line.strip()}", file=sys.stderr)
                wrong += 1
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")
    os.replace(temporary, path)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
