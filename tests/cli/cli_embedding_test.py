#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""`load --field`, and `embedding`: compare, switch, back."""
import unittest

from cli_support import CliTest, glove_lines, words, write_glove


def turned_lines(size, skip=3):
    """The words of glove_lines, but the first ones, with their numbers in another order, and zeroes."""
    pairs = [(word, vector) for word, vector in words() if " " not in word][skip:]
    return [f"{word} " + " ".join(f"{x:.5f}" for x in
                                  (vector[::-1] + [0.0] * size)[:size]) for word, vector in pairs]


class EmbeddingTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_words()
        self.count = len(glove_lines())
        self.new = write_glove(self.path("new.txt"), turned_lines(10))

    def fields(self):
        return {f["name"]: (f["dimensions"], f["vectors"]) for f in self.json("vectors")["fields"]}

    def test_load_into_a_field(self):
        report = self.json("load", self.new, "--field", "new")
        self.assertEqual((report["field"], report["words_updated"], report["components"]),
                         ("new", self.count - 3, 0))
        self.assertEqual(self.fields(), {"": (8, self.count), "new": (10, self.count - 3)})
        more = write_glove(self.path("more.txt"), turned_lines(10) + ["nobody " + "1 " * 10])
        report = self.json("load", more, "--field", "new", "--existing")
        self.assertEqual((report["words_skipped"], report["words_created"]), (1, 0))
        self.fails(6, "'new' has 10", "load", self.path("words.txt"), "--field", "new")
        broken = write_glove(self.path("broken.txt"), ["one 1 2 x"])
        self.fails(6, "broken.txt line 1", "load", broken, "--field", "never")
        self.assertEqual(sorted(self.fields()), ["", "new"])
        self.fails(2, "--weave", "load", self.new, "--field", "new", "--weave")

    def test_compare_switch_and_back(self):
        self.ok("load", self.new, "--field", "new")
        answer = self.json("query", "cat")["hits"]
        report = self.json("embedding", "compare", "--field", "new", "--neighbors", "3")
        compared = report["comparison"]
        self.assertEqual((compared["shared"], compared["lost"], compared["gained"]),
                         (self.count - 3, 3, 0))
        self.assertGreater(compared["recall"], 0.9)
        self.assertIn("recall of 3 neighbours",
                      self.ok("embedding", "compare", "--field", "new", "--neighbors", "3"))
        self.fails(2, "--yes", "embedding", "switch", "--field", "new")
        self.assertEqual(self.fields()[""], (8, self.count))
        report = self.json("embedding", "switch", "--field", "new", "--keep-as", "old", "--yes")
        self.assertEqual((report["switch"]["dimensions"], report["switch"]["left"]), (10, 3))
        self.assertEqual(self.fields(), {"": (10, self.count - 3), "old": (8, self.count)})
        again = self.json("embedding", "switch", "--field", "new", "--keep-as", "old", "--yes")
        self.assertTrue(again["switch"]["was_switched"])
        self.ok("embedding", "back", "--field", "old", "--keep-as", "new")
        self.assertEqual(self.fields(), {"": (8, self.count), "new": (10, self.count - 3)})
        self.assertEqual(self.json("query", "cat")["hits"], answer)
        self.ok("check")

    def test_align_and_default_names(self):
        self.ok("load", self.new, "--field", "new")
        report = self.json("embedding", "switch", "--field", "new", "--align", "--yes")
        self.assertEqual((report["switch"]["aligned"], report["switch"]["left"]), (3, 0))
        self.assertEqual(self.fields(), {"": (10, self.count), "previous": (8, self.count)})
        self.ok("embedding", "back")
        self.assertEqual(self.fields(), {"": (8, self.count), "next": (10, self.count)})

    def test_usage(self):
        self.fails(2, "compare, switch, back", "embedding")
        self.fails(2, "compare, switch, back", "embedding", "swap")
        self.fails(2, "--field", "embedding", "compare")
        self.fails(2, "compare", "embedding", "compare", "--field", "x", "--yes")
        self.fails(3, "x", "embedding", "compare", "--field", "x")
        self.fails(3, "previous", "embedding", "back")


if __name__ == "__main__":
    unittest.main()
