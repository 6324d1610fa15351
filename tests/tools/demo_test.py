#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/demo.py with a command that is a script: what it must notice, it notices."""
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Behaves like `neurograph`, except where the file next to it, a JSON object, says otherwise.
COMMAND = '''#!%s
import json, os, sys
place = os.path.dirname(os.path.abspath(__file__))
change = json.load(open(os.path.join(place, "change.json")))
store, what, rest = sys.argv[2], sys.argv[3], sys.argv[4:]
os.makedirs(store, exist_ok=True)
with open(os.path.join(place, "log"), "a") as log:
    log.write(" ".join(sys.argv[3:]) + "\\n")
if what == "load":
    words = "wordnet" not in rest[0]
    n = change.get("words", int(rest[rest.index("--limit") + 1]) if "--limit" in rest else 341479)
    print(json.dumps({"words_read": n if words else 0, "relations_read": 0 if words else 250000,
        "words_created": n if words else 0, "lemmas_created": 0, "connections_created": 0,
        "connection_count": change.get("connections", 250000), "total_seconds": 1.5,
        "peak_rss_bytes": 1 << 20}))
    open(os.path.join(place, "words"), "a").write(str(n) if words else "")
elif what == "stats":
    n = int(open(os.path.join(place, "words")).read())
    print(json.dumps({"token_count": n, "connection_count": 250000, "vector_count": n,
        "dimensions": 100, "memory_bytes": 1, "disk_bytes": 1, "open_us": 1,
        "explained_variance": [0.25, 0.125]}))
elif what == "query":
    names = [f"word{i}" for i in range(change.get("rows", 10))]
    if "king" in rest[0]:
        names[change.get("queen", 1)] = "queen"
    if rest[0] == "coffee" and os.path.exists(os.path.join(place, "given")):
        names.insert(change.get("first", 0), names.pop())
    for i, name in enumerate(names):
        print(i + 1, name, "0.5", sep="\\t")
    if "--through" in rest:
        print(change.get("why", "  dog -Hypernym-> canine"))
elif what == "weave":
    print(json.dumps({"words": 5, "without_vector": 1, "connections_created": 3,
        "connections_changed": 0, "connections_unchanged": change.get("woven", 5),
        "total_seconds": 0.5}))
elif what == "anchor":
    print(json.dumps({"modalities": [{"modality": "emotion", "space": "emotional", "found": 190,
        "others": "predicted", "axes": [{"name": "valence", "r2": 0.81}]},
        {"modality": "sound", "space": "temporal", "found": 3, "others": "left out", "axes": []}]}))
elif what == "similarity":
    print("coffee", "tea", *change.get("fused", ["0.7", "0.6", "0.8", "0.6", ""]), sep="\\t")
elif what == "get":
    print(change.get("get", "label\\tcoffee\\ncoffee -SimilarTo-> tea"))
elif what == "path":
    print(change.get("path", "dog -Hypernym-> canine -Hypernym-> animal"))
elif what == "neighbors":
    after = "log" in change and "check" in open(os.path.join(place, "log")).read()
    like = change.get("like", "furious") if "emotional" in rest else "near4"
    for i in range(10):
        print(i, "other" if after and i == 9 else like if i == 4 else f"near{i}", sep="\\t")
elif what == "feedback" and rest[0] == "--undo":
    if "kept" not in change:
        os.remove(os.path.join(place, "given"))
elif what == "feedback":
    open(os.path.join(place, "given"), "w").close()
    print(json.dumps({"id": 7, "effects": [
        {"kind": "prior", "token": {"label": rest[3]}, "before": 0, "after": 0.5},
        {"kind": "connection", "type": "AssociatedWith", "before": 0.5, "after": 0.625}]}))
elif what == "check":
    sys.exit(change.get("check", 0))
'''


class Demo(unittest.TestCase):
    def run_demo(self, *arguments, **change):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        command = os.path.join(place.name, "neurograph")
        with open(command, "w", encoding="utf-8") as file:
            file.write(COMMAND % sys.executable)
        os.chmod(command, os.stat(command).st_mode | stat.S_IXUSR)
        with open(os.path.join(place.name, "change.json"), "w", encoding="utf-8") as file:
            json.dump(change, file)
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "demo.py"), "--command",
                               command, "--place", os.path.join(place.name, "demo"), "--vectors",
                               "vectors.json", "--wordnet", "wordnet", *arguments],
                              capture_output=True, text=True, check=False, cwd=place.name)
        return done.returncode, done.stdout, done.stderr

    def test_all_is_well(self):
        code, out, err = self.run_demo()
        self.assertEqual((code, err), (0, ""))
        for text in ("341,479 words in 1.5 s, 227,653 a second; peak memory 1 MiB",
                     "they explain 37.5 % of the variance", "same answers after reopening: yes",
                     "dog -Hypernym-> canine -Hypernym-> animal", "Set-up and build", "serve",
                     "emotion -> emotional: 190 anchors; of words held out it explains valence 81 %;"):
            self.assertIn(text, out)

    def test_feedback(self):
        code, out, _ = self.run_demo()
        self.assertEqual(code, 0)
        for text in ('"word9" should have been the answer to "coffee"', "word9: 0.00 -> 0.50",
                     "AssociatedWith: 0.50 -> 0.62", "feedback --undo 7",
                     "the same answers as before: yes"):
            self.assertIn(text, out)
        code, _, err = self.run_demo(first=1)
        self.assertEqual((code, err), (1, "demo: FAILED: after feedback the first answer is word0 "
                                          "and not word9\n"))
        code, out, err = self.run_demo(kept=True)
        self.assertEqual((code, err), (1, "demo: FAILED: other answers after feedback was taken "
                                          "back\n"))

    def test_no_reason(self):
        code, _, err = self.run_demo(why="  dog -Hyponym-> pug")
        self.assertEqual((code, err), (1, "demo: FAILED: no ten answers by meaning, space and "
                                          "relation with a reason\n"))

    def test_fewer_words(self):
        code, out, _ = self.run_demo("--words", "20000")
        self.assertEqual(code, 0)
        self.assertIn("load vectors.json --limit 20000", out)
        self.assertIn("20,000 words", out)

    def test_a_number_of_words_that_cannot_be(self):
        for number in ("0", "341480", "many"):
            self.assertEqual(self.run_demo("--words", number)[0], 2)

    def expect_failure(self, text, *arguments, **change):
        code, out, err = self.run_demo(*arguments, **change)
        self.assertEqual(code, 1, out)
        self.assertIn("demo: FAILED: ", err)
        self.assertIn(text, err)

    def test_queen(self):
        self.assertEqual(self.run_demo(queen=2)[0], 0)
        self.expect_failure("queen is not among the first 3", queen=3)

    def test_wrong_counts(self):
        self.expect_failure("341,479 words were expected; 341,478 were read", words=341478)
        self.expect_failure("20,000 words were expected", "--words", "20000", words=341479)
        self.expect_failure("only 5 connections", connections=5)

    def test_too_few_answers(self):
        self.expect_failure("gave 9 answers and not 10", rows=9)

    def test_nothing_woven(self):
        self.expect_failure("only 7 connections were woven between 4 words", woven=4)
        self.expect_failure("coffee was not woven to any word", get="label coffee")
        self.expect_failure("coffee and tea have no fused similarity", fused=["0.0"])

    def test_nothing_like_angry(self):
        self.expect_failure("no word like angry", like="near4")

    def test_no_path(self):
        self.expect_failure("there is no path from dog to animal", path="dog")
        self.expect_failure("there is no path from dog to animal", path="")

    def test_other_answers_after_reopening(self):
        self.expect_failure("other answers after reopening: neighbors cat", log=True)

    def test_a_store_with_problems(self):
        self.expect_failure("'neurograph check' ended with 1", check=1)


if __name__ == "__main__":
    unittest.main()
