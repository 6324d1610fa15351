#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""`anchor`: the built-in words, a file of one's own, what is reported, and the way back."""
import os
import unittest

from cli_support import CliTest, many_glove_lines, write_glove

RATED = 60


class AnchorTest(CliTest):
    def setUp(self):
        super().setUp()
        lines = many_glove_lines(200)
        self.json("load", write_glove(self.path("many.txt"), lines))
        self.rated = self.path("rated.tsv")
        with open(self.rated, "w", encoding="utf-8") as file:
            file.write("# of the tests\n")
            for line in lines[:RATED]:
                word, *numbers = line.split()
                values = [f"{float(x) / 2:.2f}" for x in numbers[:3]]
                file.write("\t".join(["emotion", word, *values]) + "\n")
        self.file = ["--modality", "emotion", "--file", self.rated, "--only-file"]

    def spaces(self, word):
        return self.json("get", word)["spaces"]

    def test_json(self):
        before = self.spaces("w1")
        report = self.json("anchor", *self.file)
        self.assertEqual(list(report), ["undone", "modalities", "words", "words_changed",
                                        "regression_seconds", "total_seconds"])
        self.assertEqual((report["undone"], report["words"]), (False, 200))
        self.assertEqual(len(report["modalities"]), 1)
        emotion = report["modalities"][0]
        self.assertEqual((emotion["modality"], emotion["space"], emotion["anchors"],
                          emotion["found"], emotion["unit"], emotion["others"]),
                         ("emotion", "emotional", RATED, RATED, 1, "predicted"))
        self.assertEqual(emotion["predicted_count"] + emotion["unreliable_count"], 200 - RATED)
        self.assertEqual([axis["name"] for axis in emotion["axes"]],
                         ["valence", "arousal", "dominance"])
        for axis in emotion["axes"]:
            self.assertGreater(axis["r2"], 0.99)
            self.assertLess(axis["rmse"], axis["rmse_of_mean"])
        with open(self.rated, encoding="utf-8") as file:
            values = [float(x) for x in file.read().splitlines()[2].split("\t")[2:]]
        after = self.spaces("w1")
        self.assertEqual(after["emotional"], values)
        self.assertEqual(after["abstract"], before["abstract"])
        self.assertEqual(self.json("anchor", *self.file)["words_changed"], 0)

        undone = self.json("anchor", "--undo")
        self.assertTrue(undone["undone"])
        self.assertEqual(len(undone["modalities"]), 5)
        self.assertEqual(self.spaces("w1"), before)

    def test_text(self):
        done = self.run_cli("anchor", *self.file, "--only-anchors")
        rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
        self.assertEqual([row[:4] for row in rows],
                         [["emotion", "emotional", axis, f"{RATED} of {RATED}"]
                          for axis in ("valence", "arousal", "dominance")])
        self.assertIn(b"emotion: other words in space emotional: left out\n", done.stderr)
        self.fails(3, "no coordinates", "neighbors", "w199", "--space", "emotional")
        done = self.run_cli("anchor", *self.file, "--fill-all")
        self.assertIn(b"140 other words are predicted in space emotional", done.stderr)
        self.assertEqual(len(self.rows("neighbors", "w199", "--space", "emotional", "-n", "5")), 5)
        self.assertEqual(self.run_cli("anchor", "--undo", "--quiet").stderr, b"")

    def test_limit_and_lambda(self):
        report = self.json("anchor", *self.file, "--fill-all", "--limit", "80", "--lambda", "0.5")
        self.assertEqual(report["modalities"][0]["predicted_count"], 80 - RATED)
        self.assertEqual(report["modalities"][0]["lambda"], 0.5)

    def test_lexicon(self):
        rows = [line.split("\t") for line in
                self.ok("anchor", "--print-lexicon", store=None).splitlines()]
        words = [row for row in rows if not row[0].startswith("#")]
        self.assertEqual({row[0] for row in words},
                         {"colour", "emotion", "sound", "action", "spatial"})
        self.assertIn(["colour", "red", "1", "0", "0"], words)
        self.assertTrue(all(len(row) == (6 if row[0] == "action" else 5) for row in words))
        self.assertFalse(os.path.exists(self.path("elsewhere")))
        entries = self.json("anchor", "--print-lexicon", "--modality", "spatial,color")
        self.assertEqual({entry["modality"] for entry in entries}, {"colour", "spatial"})
        # What is printed can be read again: here no word of it is in the store.
        lexicon = self.path("lexicon.tsv")
        with open(lexicon, "w", encoding="utf-8") as file:
            file.write(self.ok("anchor", "--print-lexicon"))
        self.fails(3, f"none of {len(words)} anchors", "anchor", "--file", lexicon, "--only-file")

    def test_errors(self):
        state = self.state()
        for code, text, arguments in (
                (2, "smell", ["--modality", "emotion,smell"]),
                (2, "\"\" is none of", ["--modality", ""]),
                (2, "--only-file needs --file", ["--only-file"]),
                (2, "exclude each other", ["--only-anchors", "--fill-all"]),
                (2, "--undo goes with", ["--undo", "--lambda", "1"]),
                (2, "--print-lexicon goes with", ["--print-lexicon", "--undo"]),
                (2, "--store", ["x"]),
                (2, "lambda -1 is outside", [*self.file, "--lambda", "-1"]),
                (3, "absent.tsv", ["--file", self.path("absent.tsv")]),
                (3, "nowhere", ["--collection", "nowhere"]),
                (3, "none of", [])):
            self.fails(code, text, "anchor", *arguments)
        with open(self.rated, "a", encoding="utf-8") as file:
            file.write("emotion\tw1\t0\t0\t3\n")
        self.fails(6, f"rated.tsv line {RATED + 2}: dominance 3 is outside -1..1", "anchor",
                   *self.file)
        self.assertEqual(self.state(), state)
        self.store = self.path("elsewhere")
        self.fails(3, "elsewhere", "anchor")
        self.assertFalse(os.path.exists(self.store))


if __name__ == "__main__":
    unittest.main()
