#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Checks the rules of this repository that a machine can check.

  includes   a folder of src/ includes only itself and the folders below it; the modules of index/
             never see each other; everything outside src/ uses the public header only
  system     system headers belong to src/os/ and to tests, so that tests can replace the system
  names      file names are unique in the tree, and in src/ begin with the name of their folder
  licence    every source file has its SPDX line
  size       no source file is longer than 1,000 lines
  words      no marks of unfinished work
  root       the root stays under twenty visible entries
  symbols    the shared library exports nothing but ng_*

Usage: check_layers.py [--root DIR] [--library libneurograph.so]
Prints one line a finding, "file:line: text", and exits with 1 if there is any.
"""
import argparse
import os
import re
import subprocess
import sys

LAYERS = ["base", "os", "model", "index", "wal", "store", "mind", "api"]  # lowest first
PUBLIC_HEADER = "neurograph.h"
USERS_OF_THE_API = ["cli", "server", "bench", "examples", "python"]
# header of one of them -> others that may include it
SHARED_BY_USERS = {"server.h": {"cli"}, "server_pipe.h": {"cli"}, "json_in.h": {"cli"}}
PLAIN_HEADERS = {  # standard C, instructions of the processor, and three libraries of values
    "arm_acle.h", "arm_neon.h", "assert.h", "ctype.h", "errno.h", "float.h", "immintrin.h",
    "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h",
    "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h", "utf8proc.h", "xxhash.h",
    "zlib.h",
}
TESTS = ("_test.c", "_testing.h")  # beside the code: tests, and what the tests of a folder share
MODULE_OF = {"kernels": "vectors"}  # index_kernels is a part of index_vectors
LINES_MAX = 1000
HEADER_LINES_MAX = 4000  # the whole API is one header, mostly documentation
ROOT_ENTRIES_MAX = 19
SPDX = "SPDX-License-Identifier: AGPL-3.0-or-later"
SPDX_WITHIN_LINES = 3
# Spelt in halves, so that this file does not find itself.
UNFINISHED_WORDS = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]
UNFINISHED = re.compile(r"\b(" + "|".join(UNFINISHED_WORDS) + r")\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')

CODE = (".c", ".h", ".cc", ".cpp", ".hpp")
SOURCE = CODE + (".py", ".sh", ".cmake", ".in", ".html", ".js", ".css", ".ts", ".tsx")
SOURCE_NAMES = {"CMakeLists.txt", "Makefile", "run"}
MAY_REPEAT = {"CMakeLists.txt", "README.md", "__init__.py"}
NOT_OURS = {".git", ".cache", "build", "__pycache__", "node_modules"}


class Checker:
    def __init__(self, root):
        self.root = root
        self.findings = []

    def report(self, path, line, text):
        self.findings.append(f"{path}:{line}: {text}")

    def files(self):
        """Paths of all files of the repository, relative to its root, in order."""
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if f not in NOT_OURS)
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), self.root).replace(os.sep, "/")

    def run(self):
        seen = {}
        for path in self.files():
            name = path.rsplit("/", 1)[-1]
            if not (name.endswith(SOURCE) or name in SOURCE_NAMES):
                continue
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            self.check_name(path, name, seen)
            self.check_text(path, name, lines)
            if name.endswith(CODE):
                self.check_includes(path, lines)
        self.check_root()

    def check_name(self, path, name, seen):
        if name not in MAY_REPEAT:
            if name in seen:
                self.report(path, 1, f"the name {name} is taken by {seen[name]}")
            seen.setdefault(name, path)
        parts = path.split("/")
        if parts[0] == "src" and len(parts) == 3 and name.endswith(CODE):
            module = parts[1]
            if module not in LAYERS:
                self.report(path, 1, f"{module}/ is not a layer; the layers are {' '.join(LAYERS)}")
            elif not re.match(rf"{module}(_|\.)", name):
                self.report(path, 1, f"the name does not begin with {module}_")
        elif parts[0] == "src" and name.endswith(CODE):
            self.report(path, 1, "code in src/ stands in src/<layer>/")

    def check_text(self, path, name, lines):
        if not any(SPDX in line for line in lines[:SPDX_WITHIN_LINES]):
            self.report(path, 1, f"no line '{SPDX}' at the top")
        most = HEADER_LINES_MAX if name == PUBLIC_HEADER else LINES_MAX
        if len(lines) > most:
            self.report(path, len(lines), f"{len(lines)} lines; {most} is the limit")
        for number, line in enumerate(lines, 1):
            found = UNFINISHED.search(line)
            if found:
                self.report(path, number, f"'{found.group()}' marks unfinished work")

    def check_includes(self, path, lines):
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            ours, system = match.groups()
            top = path.split("/")[0]
            if top == "src":
                text = self.src_own(path, ours) if ours else self.src_system(path, system)
            elif top in USERS_OF_THE_API:
                text = self.user_own(path, ours) if ours else None
            elif top == "include":
                text = self.public_header(ours, system)
            else:
                text = None  # tests may look inside
            if text:
                self.report(path, number, text)

    @staticmethod
    def public_header(ours, system):
        if ours:
            return f'the public header stands alone, without "{ours}"'
        if system not in PLAIN_HEADERS:
            return f"<{system}> is not a header of standard C"
        return None

    def src_own(self, path, header):
        if header == PUBLIC_HEADER:
            return None
        layer = path.split("/")[1]
        if layer not in LAYERS:
            return None  # reported by its name
        parts = header.split("/")
        if len(parts) != 2 or parts[0] not in LAYERS:
            return f'"{header}": write the path from src/, such as "base/base_error.h"'
        if not os.path.exists(os.path.join(self.root, "src", header)):
            return f'"{header}" does not exist'
        if header.endswith(TESTS) and not path.endswith(TESTS):
            return f'"{header}" is for tests'
        if LAYERS.index(parts[0]) > LAYERS.index(layer):
            return f"{layer}/ is below {parts[0]}/ and must not include it"
        if layer == parts[0] == "index":
            mine, other = index_module(path), index_module(header)
            if mine != other:
                return f"index_{mine} must not see index_{other}; they meet in store/"
        return None

    @staticmethod
    def src_system(path, header):
        layer, name = path.split("/")[1:3]
        if header == PUBLIC_HEADER:
            return f'write "{PUBLIC_HEADER}"'
        if header in PLAIN_HEADERS or layer == "os" or name.endswith(TESTS):
            return None
        return f"<{header}> is a system header; only src/os/ and tests include those"

    def user_own(self, path, header):
        top, folder = path.split("/")[0], os.path.dirname(path)
        name = header.rsplit("/", 1)[-1]
        if header == PUBLIC_HEADER or top in SHARED_BY_USERS.get(name, ()):
            return None
        for base in (folder, top, ""):
            place = os.path.normpath(os.path.join(base, header))
            if place.split("/")[0] == top and os.path.exists(os.path.join(self.root, place)):
                return None
        return f'"{header}": {top}/ may include "{PUBLIC_HEADER}" and its own headers only'

    def check_root(self):
        entries = [e for e in os.listdir(self.root) if not e.startswith(".") and e not in NOT_OURS]
        if len(entries) > ROOT_ENTRIES_MAX:
            self.report(".", 1, f"{len(entries)} entries in the root; fewer than "
                                f"{ROOT_ENTRIES_MAX + 1} are wanted")

    def check_symbols(self, library):
        listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                                 capture_output=True, text=True).stdout
        symbols = [line.split()[-1] for line in listing.splitlines() if line.strip()]
        for symbol in symbols:
            if not symbol.startswith("ng_"):
                self.report(library, 1, f"exports {symbol}, which does not begin with ng_")
        if not symbols:
            self.report(library, 1, "exports nothing")


def index_module(path):
    """index/index_vectors_private.h -> vectors; index/index_kernels.c -> vectors."""
    name = re.sub(r"^index_", "", path.rsplit("/", 1)[-1])
    module = re.split(r"[_.]", name)[0]
    return MODULE_OF.get(module, module)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=here, help="the repository (default: this one)")
    parser.add_argument("--library", help="shared library whose exported symbols are checked")
    options = parser.parse_args(arguments)
    checker = Checker(options.root)
    checker.run()
    if options.library:
        checker.check_symbols(options.library)
    for finding in checker.findings:
        print(finding)
    print(f"check_layers: {len(checker.findings)} findings" if checker.findings
          else "check_layers: ok")
    return 1 if checker.findings else 0


if __name__ == "__main__":
    sys.exit(main())
