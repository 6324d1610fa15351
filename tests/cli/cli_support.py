# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the tests of the command line share: running it, and the files it is run on."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

BINARY = os.environ.get("NEUROGRAPH_BIN", "neurograph")
DIMENSIONS = 8
GROUPS = {
    "animals": ["dog", "cat", "horse", "cow", "wolf", "fox", "lion", "canine", "tail", "animal"],
    "drinks": ["coffee", "tea", "juice", "milk", "water", "wine", "beer", "cocoa", "ice cream"],
    "people": ["king", "queen", "man", "woman", "prince", "princess", "boy", "girl", "duke"],
    "wide": ["猫", "naïve", "Ünïcödé", "日本", "3.14", "2024"],
}
# id, part of speech, words, pointers (symbol, id of the target)
SYNSETS = [
    ("entity", "n", ["entity"], []),
    ("animal", "n", ["animal", "beast"], [("@", "entity")]),
    ("domestic", "n", ["domestic_animal"], [("@", "animal")]),
    ("canine", "n", ["canine"], [("@", "animal")]),
    ("dog", "n", ["dog", "domestic_dog"], [("@", "canine"), ("@", "domestic"), ("%p", "tail")]),
    ("tail", "n", ["tail"], [("#p", "dog")]),
    ("lonely", "n", ["lonely_island"], []),
    ("run", "v", ["run"], [("@", "move")]),
    ("move", "v", ["move"], []),
    ("hot", "a", ["hot"], [("!", "cold")]),
    ("cold", "a", ["cold"], [("!", "hot")]),
    ("fast", "r", ["fast"], []),
]
FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}


def words():
    """Words with vectors in which the words of a group are near each other; always the same."""
    chance = random.Random(7)
    for group in GROUPS.values():
        center = [chance.uniform(-1, 1) for _ in range(DIMENSIONS)]
        for word in group:
            yield word, [c + chance.uniform(-0.2, 0.2) for c in center]


def write_glove(path, lines=None):
    with open(path, "w", encoding="utf-8") as file:
        for line in glove_lines() if lines is None else lines:
            file.write(line + "\n")
    return path


def glove_lines():
    """Phrases are written with '_' by nobody here: GloVe separates by blanks, so they stay out."""
    return [f"{word} {' '.join(f'{x:.5f}' for x in vector)}" for word, vector in words()
            if " " not in word]


def many_glove_lines(count, seed=3):
    chance = random.Random(seed)
    return [f"w{i} " + " ".join(f"{chance.uniform(-1, 1):.4f}" for _ in range(DIMENSIONS))
            for i in range(count)]


def synset_lines(offsets):
    """The lines of each data file; every line has the same length whatever the offsets are."""
    files = {pos: ["  1 This is the licence of a dictionary that the tests made up.  "]
             for pos in FILES}
    pos_of = {name: pos for name, pos, _, _ in SYNSETS}
    for name, pos, lemmas, pointers in SYNSETS:
        fields = [f"{offsets.get(name, 0):08d}", "03", pos, f"{len(lemmas):02x}"]
        for lemma in lemmas:
            fields += [lemma, "0"]
        fields.append(f"{len(pointers):03d}")
        for symbol, target in pointers:
            fields += [symbol, f"{offsets.get(target, 0):08d}", pos_of[target], "0000"]
        if pos == "v":
            fields += ["01", "+", "02", "00"]
        files[pos].append(" ".join(fields) + " | a gloss  ")
    return files


def write_wordnet(directory):
    os.makedirs(directory)
    offsets, names = {}, {pos: [s[0] for s in SYNSETS if s[1] == pos] for pos in FILES}
    for pos, lines in synset_lines({}).items():
        at = len(lines[0]) + 1
        for name, line in zip(names[pos], lines[1:]):
            offsets[name] = at
            at += len(line) + 1
    for pos, lines in synset_lines(offsets).items():
        with open(os.path.join(directory, "data." + FILES[pos]), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(directory, "index." + FILES[pos]), "w", encoding="ascii") as file:
            for name, kind, lemmas, _ in SYNSETS:
                for lemma in lemmas if kind == pos else []:
                    file.write(f"{lemma} {pos} 1 0 1 0 {offsets[name]:08d}  \n")
    return directory


class CliTest(unittest.TestCase):
    """A directory of its own for each test, and ways to run the command in it."""

    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="neurograph-cli-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.store = self.path("store")

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def environment(self, **more):
        kept = {key: value for key, value in os.environ.items()
                if key not in ("NEUROGRAPH_STORE", "NO_COLOR")}
        return {**kept, "TERM": "xterm", **more}

    def run_cli(self, *args, store=True, stdin=None, cwd=None, **more):
        options = ["--store", self.store] if store is True else []
        return subprocess.run([BINARY, *options, *args], capture_output=True, check=False,
                              input=stdin if stdin is not None else b"", env=self.environment(),
                              cwd=cwd or self.directory, timeout=60, **more)

    def ok(self, *args, code=0, **more):
        """Runs it, expects the exit code, and returns what it printed."""
        done = self.run_cli(*args, **more)
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        return done.stdout.decode()

    def json(self, *args, **more):
        return json.loads(self.ok("--json", *args, **more))

    def rows(self, *args, **more):
        """The rows of a table in a pipe."""
        return [line.split("\t") for line in self.ok(*args, **more).splitlines()]

    def fails(self, code, text, *args, **more):
        """Expects the exit code, one line on stderr that holds `text`, and no result."""
        done = self.run_cli(*args, **more)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, (args, done.stdout, error))
        self.assertRegex(error, r"\Aneurograph: [^\n]+\n\Z")
        self.assertIn(text, error)
        self.assertEqual(done.stdout, b"")
        return error

    def state(self):
        """What must be the same after a command that failed."""
        stats = self.json("stats", "--hash")
        return {key: stats[key] for key in ("applied_seq", "durable_seq", "token_count",
                                            "connection_count", "vector_count", "state_hash")}

    def load_words(self):
        return self.json("load", write_glove(self.path("words.txt")), "--format", "glove")

    def load_wordnet(self):
        return self.json("load", write_wordnet(self.path("wordnet")))
