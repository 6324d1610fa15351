#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the pages say can be followed: links lead somewhere, targets of make exist, C compiles."""
import glob
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = """#include <neurograph.h>
#include <stdio.h>
int main(void)
{
%s
return (int)ng_close(store);
}
"""


def pages():
    found = glob.glob("*.md", root_dir=ROOT) + [
        os.path.relpath(p, ROOT) for top in ("docs", "src", "server", "cli", "tests", "bench")
        for p in glob.glob(os.path.join(ROOT, top, "**", "*.md"), recursive=True)]
    for page in sorted(found):
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            yield page, file.read()


class Docs(unittest.TestCase):
    def test_links_lead_to_files(self):
        lost = []
        for page, text in pages():
            text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                if "://" in target or target.startswith("mailto:"):
                    continue
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
                    lost.append(f"{page} -> {target}")
        self.assertEqual(lost, [])

    def test_targets_of_make_exist(self):
        with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
            targets = set(re.findall(r"^([a-z-]+):", file.read(), flags=re.MULTILINE))
        for page, text in pages():
            for target in re.findall(r"(?:^\s*|`)make ([a-z-]+)", text, flags=re.MULTILINE):
                self.assertIn(target, targets, f"{page} names 'make {target}'")

    def test_c_in_the_readme_compiles(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```c\n(.*?)^```", file.read(), flags=re.DOTALL | re.MULTILINE)
        self.assertGreater(len(blocks), 0)
        for block in blocks:
            with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
                source.write(PROGRAM % block)
                source.flush()
                done = subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-Wall", "-Wextra", "-Werror",
                                       "-fsyntax-only", "-I", os.path.join(ROOT, "include"),
                                       source.name], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_versions_agree(self):
        with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as file:
            version = file.read().strip()
        for page in ("README.md", "CHANGELOG.md"):
            with open(os.path.join(ROOT, page), encoding="utf-8") as file:
                self.assertRegex(file.read(), rf"(?m)^## .*\b{re.escape(version)}\b", page)


if __name__ == "__main__":
    unittest.main()
