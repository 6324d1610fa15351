#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The commands query and path on words and relations that were loaded."""
import json
import math
import subprocess
import unittest

from cli_support import BINARY, GROUPS, CliTest, words


class QueryTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_words()

    def test_answers_by_meaning(self):
        answer = self.json("query", "dog", "--limit", "3")
        self.assertEqual(answer["query"], "dog")
        self.assertEqual([h["rank"] for h in answer["hits"]], [1, 2, 3])
        scores = [h["score"] for h in answer["hits"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertNotIn("dog", [h["label"] for h in answer["hits"]])
        self.assertEqual([(t["text"], t["sign"]) for t in answer["terms"]], [("dog", 1)])
        self.assertEqual(answer["unknown"], [])

    def test_plain_cosine_is_the_cosine_of_the_vectors(self):
        vectors = {word: [float(f"{x:.5f}") for x in vector] for word, vector in words()
                   if " " not in word}

        def cosine(a, b):
            return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))

        expected = sorted(((cosine(vectors["dog"], v), w) for w, v in vectors.items()
                           if w != "dog"), reverse=True)[:5]
        hits = self.json("query", "dog", "--remove", "0", "--limit", "5")["hits"]
        folded = [w.casefold() for _, w in expected]
        self.assertEqual([h["label"].casefold() for h in hits], folded)
        for hit, (score, _) in zip(hits, expected):
            self.assertAlmostEqual(hit["score"], score, places=5)
        self.assertTrue(set(folded) <= set(GROUPS["animals"]))

    def test_arguments_are_joined_and_minus_subtracts(self):
        answer = self.json("query", "king", "-", "man", "+", "woman")
        self.assertEqual(answer["query"], "king - man + woman")
        self.assertEqual([(t["text"], t["sign"]) for t in answer["terms"]],
                         [("king", 1), ("man", -1), ("woman", 1)])

    def test_text(self):
        rows = self.rows("query", "dog", "--limit", "2")
        self.assertEqual([row[0] for row in rows], ["1", "2"])
        self.assertEqual([len(row) for row in rows], [4, 4])
        self.assertEqual(self.json("get", "#" + rows[0][3])["label"], rows[0][1])

    def test_threshold_and_nothing_found(self):
        hits = self.json("query", "dog", "--threshold", "0.5")["hits"]
        self.assertTrue(all(h["score"] >= 0.5 for h in hits))
        answer = self.json("query", "dog", "--threshold", "1.5", code=1)
        self.assertEqual(answer["hits"], [])
        done = self.run_cli("query", "dog", "--threshold", "1.5")
        self.assertEqual((done.returncode, done.stdout), (1, b""))

    def test_words_of_the_query_on_demand(self):
        hits = self.json("query", "dog", "--words", "--limit", "1")["hits"]
        self.assertEqual(hits[0]["label"], "dog")
        self.assertAlmostEqual(hits[0]["score"], 1)

    def test_unknown_words_are_named(self):
        done = self.run_cli("query", "dog zzyzx")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"zzyzx", done.stderr)
        self.assertEqual(self.json("query", "dog zzyzx")["unknown"], ["zzyzx"])
        self.fails(3, "zzyzx", "query", "zzyzx")

    def test_why(self):
        self.load_wordnet()
        hits = self.json("query", "dog", "--why", "--limit", "40")["hits"]
        why = {h["label"]: [(w["type"], w["source"]["label"], w["target"]["label"])
                            for w in h["why"]] for h in hits}
        self.assertIn(("Hypernym", "dog", "canine"), why["canine"])
        lines = self.ok("query", "dog", "--why", "--limit", "40").splitlines()
        self.assertIn("  dog -Hypernym-> canine", lines)

    def test_file(self):
        with open(self.path("queries"), "w", encoding="utf-8") as file:
            file.write("dog\n\n  \nzzyzx\r\ncoffee tea\r\n")
        done = self.run_cli("query", "--file", self.path("queries"), "--json", "--limit", "2")
        self.assertEqual(done.returncode, 1)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([a["query"] for a in answers], ["dog", "zzyzx", "coffee tea"])
        self.assertEqual(answers[1]["error"]["code"], "NG_E_NOT_FOUND")
        self.assertEqual([len(a.get("hits", [])) for a in answers], [2, 0, 2])
        self.assertRegex(done.stderr.decode(),
                         r"\Aneurograph: query: line 4: [^\n]*zzyzx[^\n]*\n\Z")

    def test_file_without_json_names_the_query_in_each_row(self):
        rows = self.rows("query", "--file", "-", "--limit", "1", stdin=b"dog\ncoffee\n")
        self.assertEqual([row[:2] for row in rows], [["dog", "1"], ["coffee", "1"]])

    def test_each_line_is_answered_before_the_next_is_read(self):
        with subprocess.Popen([BINARY, "--store", self.store, "query", "--file", "-", "--json"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=self.environment()) as process:
            for word in ("dog", "tea"):
                process.stdin.write(word.encode() + b"\n")
                process.stdin.flush()
                self.assertEqual(json.loads(process.stdout.readline())["query"], word)
            process.stdin.close()
        self.assertEqual(process.returncode, 0)

    def test_errors(self):
        before = self.state()
        self.fails(2, "a text or --file", "query")
        self.fails(2, "a text or --file", "query", "dog", "--file", "-")
        self.fails(2, "", "query", "")
        self.fails(2, "--limit", "query", "dog", "--limit", "0")
        self.fails(2, "10000", "query", "dog", "--limit", "10001")
        self.fails(2, "--remove", "query", "dog", "--remove", "-1")
        self.fails(2, "--remove", "query", "dog", "--remove", "25")
        self.fails(2, "--threshold", "query", "dog", "--threshold", "nan")
        self.fails(3, "dog", "query", "dog", "--collection", "runtime")
        self.fails(3, "nobody", "query", "dog", "--collection", "nobody")
        self.fails(3, "missing", "query", "--file", self.path("missing"))
        self.fails(6, "NUL", "query", "--file", "-", stdin=b"do\0g\n")
        self.assertEqual(self.state(), before)


class PathTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_wordnet()

    def test_text(self):
        self.assertIn(self.ok("path", "dog", "animal"),
                      ("dog -Hypernym-> domestic animal -Hypernym-> animal\n",
                       "dog -Hypernym-> canine -Hypernym-> animal\n"))

    def test_json(self):
        answer = self.json("path", "dog", "entity", "--types", "hypernym")
        self.assertEqual(answer["hops"], 3)
        self.assertEqual([t["label"] for t in answer["tokens"]][::3], ["dog", "entity"])
        self.assertEqual([c["type"] for c in answer["connections"]], ["Hypernym"] * 3)
        for edge, a, b in zip(answer["connections"], answer["tokens"], answer["tokens"][1:]):
            self.assertEqual((edge["source"], edge["target"]), (a, b))

    def test_directions(self):
        self.ok("put", "x")
        self.ok("put", "y")
        self.ok("put", "z")
        self.ok("link", "x", "y")
        self.ok("link", "z", "y", "--bidirectional", "--type", "synonym")
        self.assertEqual(self.ok("path", "y", "x", "--direction", "in"),
                         "y <-AssociatedWith- x\n")
        self.assertEqual(self.ok("path", "x", "z"), "x -AssociatedWith-> y <-Synonym-> z\n")
        self.fails(1, "no path", "path", "y", "x")
        self.assertEqual(self.ok("path", "y", "x", "--direction", "both"),
                         "y <-AssociatedWith- x\n")

    def test_from_a_token_to_itself(self):
        self.assertEqual(self.ok("path", "dog", "dog"), "dog\n")
        self.assertEqual(self.json("path", "dog", "dog")["hops"], 0)

    def test_ids(self):
        dog = self.json("get", "dog")["id"]
        self.assertEqual(self.ok("path", f"#{dog}", "animal"), self.ok("path", "dog", "animal"))

    def test_errors(self):
        before = self.state()
        self.fails(1, "no path from dog to lonely island", "path", "dog", "lonely island")
        self.fails(1, "within 2 hops", "path", "dog", "entity", "--max-hops", "2", "--types",
                   "hypernym")
        self.fails(3, "'unicorn'", "path", "dog", "unicorn")
        self.fails(2, "id 0 is not a token", "path", "dog", "#0")
        self.fails(2, "--types", "path", "dog", "animal", "--types", "hypernym,")
        self.fails(2, "--types", "path", "dog", "animal", "--types", "nonsense")
        self.fails(2, "--direction", "path", "dog", "animal", "--direction", "up")
        self.fails(2, "--max-hops", "path", "dog", "animal", "--max-hops", "0")
        self.fails(2, "two tokens", "path", "dog")
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
