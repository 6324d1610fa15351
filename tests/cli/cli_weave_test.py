#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""`weave`, `load --weave` and `similarity --fused`."""
import json
import math
import signal
import subprocess
import unittest

from cli_support import BINARY, CliTest, many_glove_lines, words, write_glove, write_wordnet

COUNTS = ("connections_created", "connections_changed", "connections_unchanged",
          "connections_removed")


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))


class WeaveTest(CliTest):
    def woven(self, word):
        """Neighbours of a word by woven connections."""
        rows = self.json("connections", "--type", "SimilarTo")["connections"]
        return {row["target"]["label"] for row in rows if row["source"]["label"] == word}

    def counts(self, *args):
        report = self.json("weave", *args)
        return tuple(report[name] for name in COUNTS)

    def test_weave_again_and_undo(self):
        self.load_words()
        vectors = {w: [float(f"{x:.5f}") for x in v] for w, v in words() if " " not in w}
        count = len(vectors)
        args = ("--neighbors", "3", "--remove", "0", "--min-similarity", "-1")
        report = self.json("weave", *args)
        self.assertEqual((report["words"], report["connections_created"], report["effort"]),
                         (count, 3 * count, 0))
        nearest = sorted((w for w in vectors if w != "dog"),
                         key=lambda w: -cosine(vectors["dog"], vectors[w]))[:3]
        self.assertEqual(self.woven("dog"), set(nearest))
        before = self.ok("hash")
        self.assertEqual(self.counts(*args), (0, 0, 3 * count, 0))
        self.assertEqual(self.ok("hash"), before)
        self.assertEqual(self.counts(*args[2:], "--neighbors", "1"), (0, 0, count, 2 * count))
        self.assertEqual(self.counts(*args[2:], "--neighbors", "2", "--exact"),
                         (count, 0, count, 0))
        self.assertEqual(self.counts(*args, "--effort", "50"), (count, 0, 2 * count, 0))
        path = self.ok("path", "dog", nearest[0], "--types", "SimilarTo")
        self.assertEqual(path, f"dog -SimilarTo-> {nearest[0]}\n")
        hits = self.json("query", "dog", "--why", "--remove", "0")["hits"]
        self.assertIn("SimilarTo", json.dumps(hits[0]))
        report = self.json("weave", "--undo")
        self.assertEqual((report["undo"], report["connections_removed"]), (True, 3 * count))
        self.assertEqual(self.woven("dog"), set())
        self.ok("check")

    def test_rows(self):
        self.load_words()
        rows = dict(self.rows("weave", "-n", "5"))
        self.assertEqual((rows["words woven"], rows["search"]), ("5", "exact"))
        self.assertEqual(self.rows("weave", "--undo")[0], ["collection", "semantic"])

    def test_load_weaves(self):
        report = self.json("load", write_glove(self.path("w.txt")), "--weave=2")
        self.assertEqual(report["weave"]["words"], report["words_created"])
        created = report["weave"]["connections_created"]
        self.assertTrue(0 < created <= 2 * report["words_created"])
        self.assertEqual(report["connection_count"], created)
        again = self.json("load", self.path("w.txt"), "--weave")
        self.assertEqual(again["weave"]["connections_removed"], 0)
        rows = dict(self.rows("load", self.path("w.txt"), "--weave"))
        self.assertEqual(rows["words woven"], str(report["words_created"]))
        self.assertNotIn("weave", self.json("load", self.path("w.txt")))
        self.fails(2, "1..100", "load", self.path("w.txt"), "--weave=0")
        self.fails(2, "1..100", "load", self.path("w.txt"), "--weave=many")

    def test_wordnet_is_left_alone(self):
        self.load_words()
        self.json("load", write_wordnet(self.path("wordnet")))
        before = self.json("stats")
        self.json("weave", "--min-similarity", "0")
        self.json("weave", "--undo")
        self.assertEqual(self.json("stats")["connection_count"], before["connection_count"])
        self.assertEqual(self.ok("path", "dog", "animal", "--types", "hypernym").split()[0], "dog")

    def test_interrupted_and_completed(self):
        self.json("load", write_glove(self.path("many.txt"), many_glove_lines(12000)))
        args = [BINARY, "--store", self.store, "weave", "--min-similarity", "0"]
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=self.environment())
        process.stderr.read(1)  # it has begun to say how far it is, or has ended
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertIn(process.returncode, (0, 130))
        if process.returncode == 130:
            self.assertIn(b"the same command completes it", errors)
        self.json("weave", "--min-similarity", "0")
        self.assertEqual(self.counts("--min-similarity", "0"), (0, 0, 120000, 0))
        self.ok("check")

    def test_errors(self):
        self.fails(3, "", "weave")
        self.load_words()
        for args, text in [(["--neighbors", "0"], "1..100"), (["--neighbors", "101"], "1..100"),
                           (["--min-similarity", "1.1"], "-1..1"),
                           (["--min-similarity", "nan"], "--min-similarity"),
                           (["--effort", "10001"], "1..10000"),
                           (["--exact", "--effort", "5"], "--effort"),
                           (["--undo", "--neighbors", "5"], "--undo"),
                           (["--remove", "25"], "0..24"), (["--limit", "0"], "--limit"),
                           (["a", "b"], "")]:
            with self.subTest(args=args):
                self.fails(2, text, "weave", *args)
        self.fails(3, "nowhere", "weave", "--collection", "nowhere")


class FusedTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_words()
        self.json("load", write_wordnet(self.path("wordnet")))

    def test_one(self):
        answer = self.json("similarity", "--fused", "dog", "canine")
        self.assertTrue(answer["by_vectors"] and answer["by_links"])
        self.assertEqual((answer["hops"], answer["antonyms"]), (1, False))
        self.assertAlmostEqual(answer["similarity"],
                               (answer["retrofitted"] + answer["taxonomic"]) / 2)
        plain = self.json("similarity", "dog", "canine")
        self.assertEqual(answer["cosine"], plain["similarity"])
        answer = self.json("similarity", "--fused", "coffee", "tea")
        self.assertFalse(answer["by_links"])
        self.assertIsNone(answer["taxonomic"])
        self.assertAlmostEqual(answer["similarity"], answer["cosine"])
        answer = self.json("similarity", "--fused", "domestic dog", "dog")
        self.assertEqual((answer["similarity"], answer["cosine"]), (1, None))
        row = self.rows("similarity", "--fused", "dog", "canine")[0]
        self.assertEqual((len(row), row[:2]), (7, ["dog", "canine"]))

    def test_pairs(self):
        text = "dog\tcanine\nhot\tcold\nentity\tlonely island\nzorp\tdog\ndomestic dog\tcat\n"
        done = self.run_cli("--json", "similarity", "--fused", "--pairs", "-", stdin=text.encode())
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(rows[0]["similarity"],
                         self.json("similarity", "--fused", "dog", "canine")["similarity"])
        self.assertEqual([row["similarity"] is None for row in rows],
                         [False, True, True, True, True])
        self.assertTrue(rows[1]["antonyms"])
        done = self.run_cli("similarity", "--fused", "--pairs", "-", stdin=text.encode())
        self.assertEqual(len(done.stdout.splitlines()), 5)

    def test_errors(self):
        self.fails(2, "--matrix", "similarity", "--fused", "--matrix", "dog", "cat")
        self.fails(3, "zorp", "similarity", "--fused", "zorp", "cat")
        self.assertNotEqual(self.run_cli("similarity", "--fused", "hot", "cold").returncode, 0)


if __name__ == "__main__":
    unittest.main()
