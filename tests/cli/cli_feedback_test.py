#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command feedback: what it changes in later queries, lists, and takes back."""
import unittest

from cli_support import CliTest


class FeedbackTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_words()
        self.load_wordnet()

    def hits(self, *args):
        return self.json("query", *args)["hits"]

    def labels(self, *args):
        return [hit["label"] for hit in self.hits(*args)]

    def test_it_changes_the_next_answer_and_is_undone(self):
        before = self.hits("dog", "--limit", "20")
        first, last = before[0]["label"], before[-1]["label"]
        given = self.json("feedback", "dog", first, "--correct", last, "--prior-limit", "1")
        self.assertEqual((given["id"], given["type"], given["query"], given["repeated"]),
                         (1, "correction", "dog", False))
        self.assertEqual((given["hit"]["label"], given["correct"]["label"]), (first, last))
        priors = {e["token"]["label"]: e for e in given["effects"] if e["kind"] == "prior"}
        self.assertEqual((priors[first]["after"], priors[last]["after"]), (-0.5, 0.5))
        after = {h["label"]: h for h in self.hits("DOG", "--limit", "20")}
        self.assertEqual(after[last]["prior"], 0.5)
        self.assertAlmostEqual(after[last]["score"], before[-1]["score"] + 0.5, places=9)
        self.assertTrue(all(h["prior"] == 0 for h in self.hits("cat", "--limit", "20")))
        undone = self.json("feedback", "--undo", "1")
        self.assertTrue(undone["undone"])
        self.assertTrue(all(effect["restored"] for effect in undone["effects"]))
        self.assertEqual(self.hits("dog", "--limit", "20"), before)
        self.fails(3, "feedback 1 not found", "feedback", "--undo", "1")

    def test_once_for_a_question_or_an_answer(self):
        label = self.labels("dog", "--limit", "1")[0]
        self.json("feedback", "dog", label, "--negative")
        state = self.state()
        done = self.run_cli("--json", "feedback", "2*Dog", label, "--negative")
        self.assertIn(b"it was given before, as 1", done.stderr)
        self.assertEqual(self.state(), state)
        signals = [self.json("query", "dog")["signal"] for _ in range(2)]
        self.assertEqual(len(set(signals)), 2)
        for signal in signals:
            again = self.json("feedback", "dog", label, "--negative", "--signal", signal)
            self.assertFalse(again["repeated"])
        self.assertEqual([f["id"] for f in self.json("feedback", "--list")["feedback"]], [3, 2, 1])
        self.fails(2, "another question", "feedback", "cat", label, "--negative", "--signal",
                   signals[0])

    def test_a_word_without_a_vector_may_be_the_answer(self):
        self.assertNotIn("lonely island", self.labels("dog", "--limit", "100"))
        self.ok("feedback", "dog", "cat", "--correct", "lonely island")
        hit = [h for h in self.hits("dog", "--limit", "100") if h["label"] == "lonely island"][0]
        self.assertEqual((hit["score"], hit["prior"]), (0.1, 0.1))

    def test_text(self):
        rows = self.rows("feedback", "dog", "cat", "--positive")
        self.assertEqual((rows[0][0], rows[0][2:]), ("1", ["positive", "dog", "cat", "-"]))
        self.assertEqual(rows[1], ["  cat 0.0000 -> 0.1000"])
        listed = self.rows("feedback", "--list", "--limit", "5")
        self.assertEqual(listed, rows)
        hit = [row for row in self.rows("query", "dog", "--limit", "20") if row[1] == "cat"][0]
        self.assertEqual(hit[4], "+0.1000")
        recall = self.rows("query", "--like", "dog", "--limit", "20")
        self.assertEqual([row[-1] for row in recall if row[1] == "cat"], ["+0.1000"])
        self.assertEqual(self.rows("feedback", "--undo", "1")[1], ["  cat 0.1000 -> 0.0000"])
        self.assertEqual(self.ok("feedback", "--list"), "")
        self.assertEqual(len(self.rows("query", "dog")[0]), 4)

    def test_links_learn(self):
        link = self.json("link", "dog", "coffee", "--collection", "semantic")
        fixed = [e["id"] for e in self.json("get", "dog", "--connections")["connections"]
                 if e["id"] != link["id"]]
        before = [self.json("connection", str(i)) for i in fixed]
        given = self.json("feedback", "dog", "coffee", "--positive", "--strength", "1")
        effect = [e for e in given["effects"] if e["kind"] == "connection"][0]
        self.assertEqual((effect["connection"], effect["evidence_after"]), (link["id"], 1))
        self.assertGreater(effect["after"], effect["before"])
        self.json("feedback", "dog", "canine", "--negative")
        self.assertEqual([self.json("connection", str(i)) for i in fixed], before)

    def test_what_is_refused(self):
        state = self.state()
        self.fails(2, "give a query and a hit", "feedback", "dog", "--positive")
        self.fails(2, "one of --positive", "feedback", "dog", "cat")
        self.fails(2, "one of --positive", "feedback", "dog", "cat", "--positive", "--negative")
        self.fails(2, "stand alone", "feedback", "--list", "--undo", "1")
        self.fails(2, "stand alone", "feedback", "--list", "dog")
        self.fails(2, "strength", "feedback", "dog", "cat", "--positive", "--strength", "2")
        self.fails(2, "prior-limit", "feedback", "dog", "cat", "--positive", "--prior-limit", "0")
        self.fails(2, "the hit itself", "feedback", "dog", "cat", "--correct", "cat")
        self.fails(2, "signal", "feedback", "dog", "cat", "--positive", "--signal", "x")
        self.fails(3, "wibble", "feedback", "dog", "wibble", "--positive")
        self.fails(3, "wibblewobble", "feedback", "wibblewobble", "cat", "--positive")
        self.assertEqual(self.state(), state)


if __name__ == "__main__":
    unittest.main()
