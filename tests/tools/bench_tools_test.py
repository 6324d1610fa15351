#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/bench_collect.py and bench_readme.py: results go in, are replaced, and reach a page."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                     "tools")
ONE = "BENCH name=read ours=37.5 rival=5 rival_name=mutex_map unit=M/s ratio=7.5 n=1000000\n"


class Tools(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.results = os.path.join(place.name, "bench.json")
        self.readme = os.path.join(place.name, "README.md")

    def run_tool(self, name, *arguments, text=""):
        return subprocess.run([sys.executable, os.path.join(TOOLS, name), *arguments], input=text,
                              capture_output=True, text=True, check=False)

    def collect(self, text):
        return self.run_tool("bench_collect.py", self.results, text=text)

    def rows(self):
        with open(self.results, encoding="utf-8") as file:
            return json.load(file)

    def test_a_result_passes_through_and_is_stored_with_numbers(self):
        done = self.collect("starting\n" + ONE)
        self.assertEqual((done.returncode, done.stdout), (0, "starting\n" + ONE))
        self.assertEqual(self.rows(), [{"name": "read", "ours": 37.5, "rival": 5,
                                        "rival_name": "mutex_map", "unit": "M/s", "ratio": 7.5,
                                        "n": 1000000}])

    def test_quoted_values(self):
        self.collect(ONE.replace("name=read", 'name="read one token"'))
        self.assertEqual(self.rows()[0]["name"], "read one token")

    def test_the_same_name_and_rival_is_replaced_in_place(self):
        self.collect(ONE + ONE.replace("mutex_map", "other"))
        self.collect(ONE.replace("37.5", "40.25"))
        self.assertEqual([(r["rival_name"], r["ours"]) for r in self.rows()],
                         [("mutex_map", 40.25), ("other", 37.5)])

    def test_no_result_keeps_what_is_there(self):
        self.collect(ONE)
        self.assertEqual(self.collect("").returncode, 0)
        self.assertEqual(len(self.rows()), 1)

    def test_wrong_lines_are_named_and_left_out(self):
        for wrong, reason in ((ONE.replace(" unit=M/s", ""), "'unit' is missing"),
                              (ONE.replace("37.5", "fast"), "ours=fast is not a number"),
                              (ONE.replace("37.5", "nan"), "ours=nan is not finite"),
                              (ONE.replace("37.5", "1e999"), "is not finite"),
                              (ONE.replace("n=1000000", "m=1"), "'m=1' is not one of"),
                              (ONE.replace("unit=", "name="), "'name' stands twice")):
            done = self.collect(wrong)
            self.assertEqual(done.returncode, 1, wrong)
            self.assertIn(reason, done.stderr)
            self.assertEqual(self.rows(), [])

    def write_readme(self, text):
        with open(self.readme, "w", encoding="utf-8") as file:
            file.write(text)

    def test_the_page_is_filled_between_its_markers_only(self):
        self.collect(ONE)
        self.write_readme("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
        for _ in range(2):  # the second time finds what the first wrote
            done = self.run_tool("bench_readme.py", self.results, self.readme)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(self.readme, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("before\n<!-- bench -->\nMeasured "))
        self.assertTrue(text.endswith("\n<!-- /bench -->\nafter\n"))
        self.assertNotIn("old", text)
        self.assertEqual(text.count("| read | 37.5 | mutex_map: 5 | M/s | 7.50 | 1,000,000 |"), 1)

    def test_a_page_without_markers_is_left_as_it_was(self):
        self.collect(ONE)
        for text in ("nothing\n", "<!-- /bench -->\n<!-- bench -->\n", "<!-- bench -->\n"):
            self.write_readme(text)
            done = self.run_tool("bench_readme.py", self.results, self.readme)
            self.assertEqual(done.returncode, 1)
            self.assertIn("must stand there once each", done.stderr)
            with open(self.readme, encoding="utf-8") as file:
                self.assertEqual(file.read(), text)


if __name__ == "__main__":
    unittest.main()
