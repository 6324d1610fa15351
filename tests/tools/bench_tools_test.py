#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/bench_collect.py, bench_readme.py and bench_curve.py: results go in, are replaced, reach a page
and a picture."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from xml.dom import minidom

TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                     "tools")
ONE = "BENCH name=read ours=37.5 rival=5 rival_name=mutex_map unit=M/s ratio=7.5 n=1000000\n"
CURVES = ('# words.json: 19000 unit vectors of 100 dimensions, 1000 held out\n'
          '# curve ann ours "as it is": 10/0.7000/40000.0 14/0.9000/10000.0 20/1.0000/500.0\n'
          '# curve ann lib "a & b": 10/0.8500/900.0 20/0.9900/300.0\n'
          '# curve ann lib "c": 10/0.8400/800.0 20/0.9950/350.0\n'
          '# curve ann_heldout ours "as it is": 10/0.9500/2000.0\n')


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

    def draw(self, text):
        source, target = self.results + ".log", self.results + ".svg"
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        return self.run_tool("bench_curve.py", source, target), target

    def test_curves_become_a_picture_with_a_line_a_side(self):
        done, target = self.draw("before\n" + CURVES + ONE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        picture = minidom.parse(target)
        points = [line.getAttribute("points").split()
                  for line in picture.getElementsByTagName("polyline")]
        # Cut off at 0.8; of the rival what its own points beat is left out; one point is a line too.
        self.assertEqual([len(each) for each in points], [3, 2, 1])
        words = [node.firstChild.data for node in picture.getElementsByTagName("text")]
        for word in ("NeuroGraph", "lib", "words of the set", "words held out", "0.99", "10,000",
                     "recall of the ten nearest", "queries a second, one thread"):
            self.assertIn(word, words)
        self.assertTrue(words[-1].endswith(", 19,000 vectors of 100 dimensions"), words[-1])

    def test_curves_go_right_and_down(self):
        points = minidom.parse(self.draw(CURVES)[1]).getElementsByTagName("polyline")[0]
        places = [tuple(map(float, each.split(","))) for each in
                  points.getAttribute("points").split()]
        self.assertEqual(places, sorted(places))
        self.assertEqual([y for _, y in places], sorted(y for _, y in places))

    def test_no_picture_without_curves(self):
        for text, reason in ((ONE, "no '# curve' lines in it"),
                             (CURVES.splitlines()[1].split(" 14/")[0] + "\n",
                              "no point reaches a recall of 0.8")):
            done, target = self.draw(text)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)
            self.assertFalse(os.path.exists(target))


if __name__ == "__main__":
    unittest.main()
