#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command query when it asks for space and relation as well."""
import json
import math
import unittest

from cli_support import CliTest


class RecallTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_words()
        self.load_wordnet()

    def hits(self, *args):
        return self.json("query", *args)["hits"]

    def test_the_plain_query_stays_as_it_is(self):
        plain = self.json("query", "dog", "--limit", "3")
        self.assertNotIn("exact", plain)
        recall = self.json("query", "dog", "--limit", "3", "--weights", "meaning=5")
        self.assertTrue(recall["exact"])
        self.assertEqual([(h["id"], h["score"]) for h in plain["hits"]],
                         [(h["id"], h["score"]) for h in recall["hits"]])
        self.assertEqual(recall["terms"], plain["terms"])
        self.assertEqual(recall["hits"][0]["meaning"], recall["hits"][0]["score"])
        self.assertNotIn("space", recall["hits"][0])
        self.assertNotIn("path", recall["hits"][0])

    def test_relation_and_its_path(self):
        answer = self.json("query", "dog", "--through", "hypernym", "--hops", "2", "--limit", "5",
                           "--decay", "0.5", "--weights", "relation=3", "--explain")
        by_label = {h["label"]: h for h in answer["hits"]}
        canine, animal = by_label["canine"], by_label["animal"]
        self.assertEqual((canine["relation"], animal["relation"]), (1, 0.5))
        self.assertEqual([e["type"] for e in animal["path"]], ["Hypernym", "Hypernym"])
        self.assertEqual(animal["path"][0]["source"]["label"], "dog")
        self.assertEqual(animal["path"][1]["target"]["label"], "animal")
        for hit in answer["hits"]:
            parts = [hit["meaning"] or 0, hit["relation"] or 0]
            self.assertAlmostEqual(hit["score"], (parts[0] + 3 * parts[1]) / 4, places=12)
        names = [step["name"] for step in answer["steps"]]
        self.assertEqual((names[0], names[1], names[-1]), ("terms", "relation", "score"))
        self.assertEqual(answer["steps"][-1]["candidates"], answer["candidates"])
        only = self.hits("dog", "--through", "hypernym", "--require", "relation", "--hops", "1")
        self.assertTrue(all(len(h["path"]) == 1 for h in only))

    def test_space(self):
        answer = self.hits("--near", "abstract@dog~0.5", "--limit", "4")
        near = self.json("neighbors", "dog", "--limit", "4")["hits"]
        self.assertEqual([h["id"] for h in answer], [h["id"] for h in near])
        for hit, other in zip(answer, near):
            self.assertAlmostEqual(hit["distance"], other["distance"], places=5)
            self.assertAlmostEqual(hit["space"], 1 / (1 + (hit["distance"] / 0.5) ** 2), places=9)
            self.assertEqual(list(hit["coordinates"]), ["abstract"])
        at = ",".join(str(x) for x in answer[0]["coordinates"]["abstract"])
        first = self.hits("--near", f"abstract={at}", "--limit", "1")[0]
        self.assertEqual((first["id"], first["space"]), (answer[0]["id"], 1))
        radius = math.nextafter(answer[1]["distance"], 9)
        within = self.hits("dog", "--near", "abstract@dog", "--radius", str(radius + 1e-4),
                           "--require", "space")
        self.assertLess(len(within), 5)
        self.assertTrue({h["id"] for h in answer[:2]} <= {h["id"] for h in within})

    def test_examples(self):
        answer = self.json("query", "--like", "dog", "--like", "cat", "--limit", "3")
        self.assertIsNone(answer["query"])
        self.assertNotIn("dog", [h["label"] for h in answer["hits"]])
        one = self.hits("--like", "dog", "--limit", "3")
        words = self.hits("dog", "--limit", "3")
        self.assertEqual([h["id"] for h in one], [h["id"] for h in words])
        done = self.run_cli("query", "--like", "dog", "--like", "lonely island")
        self.assertIn(b"1 of the examples have no vector", done.stderr)
        self.assertEqual(self.hits("--like", "dog", "--words", "--limit", "1")[0]["label"], "dog")

    def test_text(self):
        rows = self.rows("query", "dog", "--through", "hypernym", "--near", "abstract@cat",
                         "--limit", "2", "--weights", "relation=9")
        self.assertEqual([len(row) for row in rows], [9, 1, 9, 1])
        self.assertEqual(rows[0][0], "1")
        self.assertRegex(rows[1][0], r"^  dog -Hypernym-> ")
        missing = self.rows("query", "--from", "dog", "--hops", "1", "--near", "motor=0,0,0",
                            "--limit", "1")
        self.assertEqual((len(missing[0]), missing[0][3], missing[0][5]), (8, "-", "-"))
        done = self.run_cli("query", "dog", "--explain", "--limit", "1")
        self.assertIn(b"neurograph: note: plan: ", done.stderr)
        self.assertEqual(self.run_cli("query", "dog", "--explain", "--quiet").stderr, b"")

    def test_file(self):
        done = self.run_cli("--json", "query", "--file", "-", "--through", "any",
                            stdin=b"dog\nqqqqqq\nking\n")
        self.assertEqual(done.returncode, 1)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["query"] for line in lines], ["dog", "qqqqqq", "king"])
        self.assertIn("error", lines[1])
        self.assertIn("path", lines[0]["hits"][0])

    def test_spelling_is_that_of_a_query(self):
        answer = self.json("query", "cofee", "--weights", "meaning=1")
        self.assertEqual(answer["corrections"][0]["used"], "coffee")

    def test_wrong_options(self):
        for args, text in (
                (("dog", "--near", "nowhere=1,2,3"), "--near: "),
                (("dog", "--near", "physical"), "--near: a place is SPACE=X,Y,Z or SPACE@TOKEN"),
                (("dog", "--near", "physical@"), "--near: a place is SPACE=X,Y,Z or SPACE@TOKEN"),
                (("dog", *["--near", "physical=1,2,3"] * 9), "--near: more than 8 places"),
                (("dog", *["--like", "cat"] * 65), "--like: more than 64 tokens"),
                (("dog", "--near", "physical=1,2"), "--near: '1,2' is not three numbers"),
                (("dog", "--near", "physical=1,2,3~0"), "--near: scale 0 is not above 0"),
                (("dog", "--radius", "1"), "--radius: comes after the --near"),
                (("dog", "--near", "abstract@cat", "--radius", "0"), "--radius: 0 is not above 0"),
                (("dog", "--near", "abstract@cat", "--near", "abstract@dog"), "given twice"),
                (("dog", "--through", "nothing"), "--through: "),
                (("dog", "--hops", "7"), "--hops"),
                (("dog", "--decay", "1.5"), "--decay: 1.5 is not above 0 and at most 1"),
                (("dog", "--direction", "up"), "--direction: 'up' is none of out, in, both"),
                (("dog", "--weights", "taste=1"), "--weights: 'taste' is none of"),
                (("dog", "--weights", "meaning"), "--weights: 'meaning' has no weight"),
                (("dog", "--weights", "meaning=x"), "--weights: 'x' is not a number"),
                (("dog", "--weights", "meaning=0"), "weights: at least one must be above 0"),
                (("dog", "--weights", "space=1"), "nothing is asked about it"),
                (("dog", "--require", "relation"), "nothing is asked about relation"),
                (("dog", "--like", "cat"), "--like: takes the place of a text"),
                (("dog", "--why", "--explain"), "--why"),
                (("dog", "--threshold", "2", "--explain"), "threshold 2 is outside 0..1"),
                (("--through", "any"), "give a text or --file, or --like, --near or --from")):
            with self.subTest(args=args):
                self.fails(2, text, "query", *args)
        self.fails(3, "qqqqqq", "query", "--like", "qqqqqq")
        self.fails(3, "no coordinates", "query", "--near", "motor@lonely island")


if __name__ == "__main__":
    unittest.main()
