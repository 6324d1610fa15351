#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words that are spelled wrong, weighed and quoted; hits that are narrowed; `similarity` and `odd`."""
import json
import math
import unittest

from cli_support import CliTest, words

SCRIPTS = ["кошка", "ледяной чай", "日本語", "아침 식사", "قهوة", "café", "q\u0301x\u0327y", "👩‍💻👍🏽"]


def vectors():
    """As they were loaded: rounded to five decimals."""
    return {word: [float(f"{x:.5f}") for x in vector] for word, vector in words()
            if " " not in word}


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))


class WordsTest(CliTest):
    def setUp(self):
        super().setUp()
        self.load_words()
        self.vectors = vectors()


class SpellingTest(WordsTest):
    def test_nearest_label_stands_in(self):
        answer = self.json("query", "cofee", "-n", "2")
        self.assertEqual(answer["hits"], self.json("query", "coffee", "-n", "2")["hits"])
        self.assertEqual([(c["given"], c["used"], c["distance"]) for c in answer["corrections"]],
                         [("cofee", "coffee", 1)])
        self.assertEqual(answer["unknown"], [])
        self.assertNotIn("suggestions", answer)
        done = self.run_cli("query", "cofee")
        self.assertIn(b"cofee is not known; answered for coffee", done.stderr)
        self.assertEqual(self.json("query", "coffee")["corrections"], [])

    def test_not_if_one_is_known_or_it_is_refused(self):
        answer = self.json("query", "cofee tea", "--suggest", "2")
        self.assertEqual((answer["corrections"], answer["unknown"]), ([], ["cofee"]))
        self.assertEqual([(s["given"], s["label"]) for s in answer["suggestions"]],
                         [("cofee", "coffee")])
        self.fails(3, "cofee", "query", "cofee", "--no-spelling")
        self.fails(3, "zzyzx", "query", "zzyzx")
        self.fails(2, "0..10", "query", "dog", "--suggest", "11")

    def test_of_a_file(self):
        done = self.run_cli("query", "--file", "-", "--json", stdin=b"cofee\ndog\n")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([len(a["corrections"]) for a in answers], [1, 0])
        self.assertIn(b"line 1: cofee", done.stderr)


class GrammarTest(WordsTest):
    def test_weights(self):
        answer = self.json("query", "3*king - 0.5*man", "--remove", "0", "-n", "40")
        self.assertEqual([(t["text"], t["sign"], t["weight"]) for t in answer["terms"]],
                         [("king", 1, 3), ("man", -1, 0.5)])
        unit = {w: [x / math.hypot(*v) for x in v] for w, v in self.vectors.items()}
        wanted = [3 * a - 0.5 * b for a, b in zip(unit["king"], unit["man"])]
        for hit in answer["hits"]:
            vector = {w.casefold(): v for w, v in self.vectors.items()}[hit["label"]]
            self.assertAlmostEqual(hit["score"], cosine(wanted, vector), places=6)
        self.fails(2, "weight 0", "query", "0*king")
        self.fails(2, "0..1000", "query", "1000.5*king")

    def test_quotation_marks(self):
        self.ok("put", "ice cream", "--collection", "semantic",
                "--vector", "1,2,3,4,5,6,7,8")
        self.assertEqual([t["text"] for t in self.json("query", '"Ice  Cream" + tea')["terms"]],
                         ["ice cream", "tea"])
        self.assertEqual(self.json("query", '"tea coffee" dog')["unknown"], ["tea coffee"])
        self.fails(2, "more than 8", "query", '"a b c d e f g h i"')


class NarrowedTest(WordsTest):
    def test_spaces(self):
        hits = self.json("query", "dog", "--in", "L5", "--in", "abstract", "-n", "3")["hits"]
        self.assertEqual([set(hit["coordinates"]) for hit in hits], [{"cognitive", "abstract"}] * 3)
        for hit in hits:
            stored = self.json("get", f"#{hit['id']}")["spaces"]
            self.assertEqual(hit["coordinates"]["cognitive"], stored["cognitive"])
        rows = self.rows("query", "dog", "--in", "L5", "-n", "1")
        self.assertEqual(len(rows[0]), 5)
        self.assertEqual(len(rows[0][4].split(",")), 3)
        self.assertEqual(self.run_cli("query", "dog", "--in", "physical").returncode, 1)

    def test_conditions(self):
        self.ok("index", "size", "--type", "integer")
        self.ok("put", "wolf", "--collection", "semantic", "--tag", "wild", "--data", '{"size":3}')
        self.ok("put", "fox", "--collection", "semantic", "--tag", "wild", "--data", '{"size":1}')

        def labels(*options):
            return [h["label"] for h in self.json("query", "dog", *options)["hits"]]

        self.assertEqual(sorted(labels("--tag", "wild")), ["fox", "wolf"])
        self.assertEqual(labels("--where", "size>=2"), ["wolf"])
        self.assertEqual(labels("--where", "size>=2", "--where", "size<=3", "-n", "1"), ["wolf"])
        self.assertNotIn("wolf", labels("--without-tag", "wild", "-n", "100"))
        self.fails(3, "no index", "query", "dog", "--where", "weight=1")
        self.fails(2, "--in", "query", "dog", "--in", "L9")


class SimilarityTest(WordsTest):
    def score(self, a, b, *options):
        return self.json("similarity", a, b, *options)["similarity"]

    def test_two_words(self):
        expected = cosine(self.vectors["dog"], self.vectors["cat"])
        self.assertAlmostEqual(self.score("dog", "cat", "--remove", "0"), expected, places=6)
        self.assertEqual(self.rows("similarity", "Dog", "cat", "--remove", "0"),
                         [["Dog", "cat", f"{expected:.4f}"]])
        hits = {h["label"]: h["score"] for h in self.json("query", "dog", "-n", "40")["hits"]}
        for word in ("cat", "tea", "queen"):
            self.assertAlmostEqual(self.score("dog", word), hits[word], places=12)
        self.assertEqual(self.score("dog", "cat"), self.score("cat", "dog"))
        self.assertAlmostEqual(self.score("dog", "dog"), 1)
        dog = self.json("get", "label:dog")["id"]
        self.assertEqual(self.json("similarity", f"#{dog}", "cat")["a"],
                         {"text": f"#{dog}", "id": dog})

    def test_pairs(self):
        with open(self.path("pairs"), "w", encoding="utf-8") as file:
            file.write("dog\tcat\r\n\nDOG\tcat\textra\ndog\tdog\n猫\t日本\n")
        rows = self.rows("similarity", "--pairs", self.path("pairs"))
        self.assertEqual([row[:2] for row in rows],
                         [["dog", "cat"], ["DOG", "cat"], ["dog", "dog"], ["猫", "日本"]])
        self.assertEqual(rows[0][2], rows[1][2])
        done = self.run_cli("--json", "similarity", "--pairs", "-",
                            stdin=b"dog\tcat\nnobody\tcat\n#1\t#999\n\xff\tcat\n")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 1)
        self.assertEqual(lines[0]["similarity"], self.score("dog", "cat"))
        self.assertEqual([line["similarity"] for line in lines[1:]], [None] * 3)
        self.assertIn(b"line 2: 'nobody' is not known", done.stderr)
        self.assertEqual(self.ok("similarity", "--pairs", "-"), "")

    def test_many_pairs(self):
        names = list(self.vectors)
        pairs = [(a, b) for a in names for b in names] * 3
        text = "".join(f"{a}\t{b}\n" for a, b in pairs).encode()
        rows = self.rows("similarity", "--pairs", "-", "--remove", "0", stdin=text)
        self.assertEqual([tuple(row[:2]) for row in rows], pairs)
        for (a, b), row in zip(pairs, rows):
            self.assertAlmostEqual(float(row[2]), cosine(self.vectors[a], self.vectors[b]),
                                   delta=1e-4)

    def test_matrix(self):
        names = ["dog", "cat", "tea", "dog"]
        answer = self.json("similarity", "--matrix", *names)
        self.assertEqual(answer["words"], names)
        for i, a in enumerate(names):
            for j, b in enumerate(names):
                self.assertEqual(answer["matrix"][i][j], self.score(a, b))
        rows = self.rows("similarity", "--matrix", *names)
        self.assertEqual([row[0] for row in rows], names)
        self.assertEqual({len(row) for row in rows}, {5})
        self.assertEqual(len(self.rows("similarity", "--matrix", "dog")), 1)
        self.assertEqual(len(self.rows("similarity", "--matrix", *["dog"] * 100)[0]), 101)

    def test_without_a_vector(self):
        self.ok("put", "ghost", "--collection", "semantic")
        self.fails(3, "no vector", "similarity", "ghost", "cat")
        done = self.run_cli("--json", "similarity", "--matrix", "ghost", "cat")
        self.assertEqual(done.returncode, 1)
        self.assertIsNone(json.loads(done.stdout)["matrix"][0][1])
        done = self.run_cli("--json", "odd", "ghost", "cat", "dog", "tea")
        self.assertEqual(done.returncode, 0)
        self.assertIsNone(json.loads(done.stdout)["scores"][0]["score"])
        self.assertIn(b"without a vector: ghost", done.stderr)
        self.fails(3, "2 of the 3", "odd", "ghost", "cat", "dog")

    def test_odd(self):
        names = ["dog", "cat", "coffee", "wolf", "fox"]
        answer = self.json("odd", *names)
        self.assertEqual(answer["odd"]["text"], "coffee")
        self.assertEqual([s["text"] for s in answer["scores"]], names)
        for each in answer["scores"]:
            others = [self.score(each["text"], n) for n in names if n != each["text"]]
            self.assertAlmostEqual(each["score"], sum(others) / len(others), places=12)
        rows = self.rows("odd", *names)
        self.assertEqual([row[0] for row in rows], ["coffee", "dog", "cat", "wolf", "fox"])

    def test_errors(self):
        before = self.state()
        self.fails(2, "two words", "similarity", "dog")
        self.fails(2, "two words", "similarity")
        self.fails(2, "--pairs", "similarity", "dog", "cat", "--pairs", "-")
        self.fails(2, "1..100", "similarity", "--matrix")
        self.fails(2, "1..100", "similarity", "--matrix", *["dog"] * 101)
        self.fails(2, "3..1000", "odd", "dog", "cat")
        self.fails(2, "3..1000", "odd", *["dog"] * 1001)
        self.fails(2, "--remove", "odd", "dog", "cat", "tea", "--remove", "25")
        self.fails(3, "'nobody'", "similarity", "dog", "nobody")
        self.fails(3, "'nobody'", "odd", "dog", "nobody", "cat")
        self.fails(3, "'#0'", "similarity", "dog", "#0")
        self.fails(3, "'dog'", "similarity", "dog", "cat", "--collection", "runtime")
        self.fails(3, "missing", "similarity", "--pairs", self.path("missing"))
        self.fails(6, "line 1 is not", "similarity", "--pairs", "-", stdin=b"dog cat\n")
        self.fails(6, "line 1 is not", "similarity", "--pairs", "-", stdin=b"do\0g\tcat\n")
        self.assertEqual(self.state(), before)


class ScriptsTest(CliTest):
    def test_labels_of_every_script(self):
        for i, word in enumerate(SCRIPTS):
            self.ok("put", word, "--collection", "semantic", "--vector", f"1,{i / 10},0.5")
        for word in SCRIPTS:
            answer = self.json("query", word.upper(), "--remove", "0")
            self.assertEqual([t["text"] for t in answer["terms"]], [word])
            self.assertEqual({h["label"] for h in answer["hits"]}, set(SCRIPTS) - {word})
        for given, used in [("кожка", "кошка"), ("日木語", "日本語"), ("قهوه", "قهوة"), ("cafe", "café"),
                            ("👩‍💻👍🏿", "👩‍💻👍🏽"), ('"아침 식샤"', "아침 식사")]:
            corrections = self.json("query", given)["corrections"]
            self.assertEqual([(c["used"], c["distance"]) for c in corrections], [(used, 1)])
        pairs = "".join(f"{a}\t{b}\n" for a, b in zip(SCRIPTS, SCRIPTS[1:])).encode()
        rows = self.rows("similarity", "--pairs", "-", stdin=pairs)
        self.assertEqual([row[0] for row in rows], SCRIPTS[:-1])
        self.assertEqual(self.json("similarity", "--matrix", *SCRIPTS)["words"], SCRIPTS)


if __name__ == "__main__":
    unittest.main()
