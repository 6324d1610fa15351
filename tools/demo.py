#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Loads word vectors and WordNet into a store, asks, reopens the store and compares the answers.
Then feedback changes an answer, and is taken back.

Everything goes through the command `neurograph`, and each command opens and closes the store. The
demo ends with 1 if a count is wrong, an answer is missing, or an answer changed after reopening.
"""
import argparse
import json
import os
import subprocess
import sys
import time

WORDS_IN_ALL = 341479
WORDNET_RELATIONS_AT_LEAST = 100000
WOVEN_AT_LEAST = 2  # connections, for each word
QUEEN_WITHIN = 3
LIKE_ANGRY = {"anger", "furious", "fury", "outraged", "enraged", "irate", "rage"}
QUESTIONS = (
    ("the ten words nearest in meaning to cat", ["query", "cat", "--limit", "10"]),
    ("... to coffee", ["query", "coffee", "--limit", "10"]),
    ("... to quantum", ["query", "quantum", "--limit", "10"]),
    ("king is to man as what is to woman?", ["query", "king - man + woman", "--limit", "10"]),
    ("what kind of thing is a dog?", ["path", "dog", "animal", "--types", "hypernym"]),
    ("how like are coffee and tea, by vectors and connections together?",
     ["similarity", "--fused", "coffee", "tea"]),
    ("the neighbours that coffee was woven to",
     ["get", "coffee", "--connections", "--limit", "10"]),
    ("like a dog in meaning, near it in the abstract space and a kind of it: one list, with reasons",
     ["query", "dog", "--near", "abstract@dog", "--through", "hypernym,hyponym", "--hops", "2",
      "--weights", "relation=0.5", "--limit", "10"]),
    ("the words nearest to cat in the abstract space",
     ["neighbors", "cat", "--space", "abstract", "--limit", "10"]),
    ("the words nearest to angry in the emotional space",
     ["neighbors", "angry", "--space", "emotional", "--limit", "10"]),
)


class Failure(Exception):
    """What the demo promised and did not show."""


class Demo:
    def __init__(self, options):
        self.options = options
        # A store of all words cannot serve the short demo, nor the other way round.
        self.store = os.path.join(options.place, f"store-{options.words or 'all'}")
        self.times = [("Set-up and build", options.build_seconds)]

    def run(self, arguments, show=True):
        """Runs `neurograph` on the store and returns what it printed."""
        command = [self.options.command, "--store", self.store, *arguments]
        if show:
            print("$ neurograph " + " ".join(f"'{a}'" if " " in a else a for a in arguments))
            sys.stdout.flush()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Failure(f"'neurograph {' '.join(arguments)}' ended with {done.returncode}")
        return done.stdout

    def stats(self):
        return json.loads(self.run(["stats", "--json"], show=False))

    def load(self, title, unit, path, *more):
        heading(title)
        print(f"$ neurograph load {path} {' '.join(more)}".rstrip())
        sys.stdout.flush()
        began = time.monotonic()
        report = json.loads(self.run(["load", path, *more, "--json"], show=False))
        self.times.append((title, time.monotonic() - began))
        done, seconds = report[f"{unit}_read"], report["total_seconds"]
        print(f"  {done:,} {unit} in {seconds:.1f} s, {done / max(seconds, 1e-9):,.0f} a second; "
              f"peak memory {mebibytes(report['peak_rss_bytes'])}")
        if not report["words_created"] + report["lemmas_created"] + report["connections_created"]:
            print("  All of it was in the store already, from an earlier run; nothing was written.")
        return report

    def load_words(self):
        more = ["--limit", str(self.options.words)] if self.options.words else []
        report = self.load("Word vectors", "words", self.options.vectors, *more)
        wanted = self.options.words or WORDS_IN_ALL
        have = self.stats()["vector_count"]
        if report["words_read"] != wanted or have != wanted:
            raise Failure(f"{wanted:,} words were expected; {report['words_read']:,} were read "
                          f"and {have:,} have a vector")

    def load_wordnet(self):
        report = self.load("WordNet", "relations", self.options.wordnet)
        if report["connection_count"] < WORDNET_RELATIONS_AT_LEAST:
            raise Failure(f"only {report['connection_count']:,} connections were made of "
                          f"{report['relations_read']:,} relations")

    def weave(self):
        heading("Weaving: each word and the words nearest to it")
        print("$ neurograph weave")
        sys.stdout.flush()
        began = time.monotonic()
        report = json.loads(self.run(["weave", "--json"], show=False))
        self.times.append(("Weaving", time.monotonic() - began))
        made = report["connections_created"] + report["connections_changed"]
        there = made + report["connections_unchanged"]
        words = report["words"] - report["without_vector"]
        print(f"  {there:,} connections of {words:,} words in {report['total_seconds']:.1f} s, "
              f"{made:,} of them new")
        if there < WOVEN_AT_LEAST * words:
            raise Failure(f"only {there:,} connections were woven between {words:,} words")

    def show_store(self):
        heading("The store")
        stats = self.stats()
        print(f"  {stats['token_count']:,} tokens, {stats['connection_count']:,} connections, "
              f"{stats['vector_count']:,} vectors of {stats['dimensions']} numbers")
        print(f"  {mebibytes(stats['memory_bytes'])} in memory, "
              f"{mebibytes(stats['disk_bytes'])} on disk, opened in "
              f"{stats['open_us'] / 1e6:.1f} s")
        explained = stats["explained_variance"]
        print(f"  {len(explained)} principal components are the coordinates in the eight spaces; "
              f"they explain {100 * sum(explained):.1f} % of the variance")

    def anchor(self):
        heading("Anchors: colours, feelings, sounds, actions and words of place")
        print("$ neurograph anchor")
        sys.stdout.flush()
        began = time.monotonic()
        report = json.loads(self.run(["anchor", "--json"], show=False))
        self.times.append(("Anchors", time.monotonic() - began))
        for each in report["modalities"]:
            explained = ", ".join(f"{axis['name']} {100 * axis['r2']:.0f} %"
                                  for axis in each["axes"])
            print(f"  {each['modality']} -> {each['space']}: {each['found']} anchors; of words held "
                  f"out it explains {explained or 'nothing: too few'}; others {each['others']}")

    def ask(self, show):
        answers = []
        began = time.monotonic()
        for title, arguments in QUESTIONS:
            if show:
                heading(title)
            answer = self.run(arguments, show)
            if show:
                show_rows(answer)
            answers.append(answer)
        self.times.append(("Questions" if show else "The same questions again",
                           time.monotonic() - began))
        return answers

    @staticmethod
    def judge(answers):
        """What must be in the answers, whatever the number of words."""
        for (_, arguments), answer in zip(QUESTIONS, answers):
            rows = answer.decode().splitlines()
            if arguments[0] == "path":
                steps = rows[0].split(" ") if rows else []
                if not steps or steps[0] != "dog" or steps[-1] != "animal":
                    raise Failure("there is no path from dog to animal")
            elif arguments[0] == "similarity":
                if len(rows) != 1 or not 0 < float(rows[0].split("\t")[2]) <= 1:
                    raise Failure("coffee and tea have no fused similarity")
            elif arguments[0] == "get":
                if not any("coffee -SimilarTo-> " in row for row in rows):
                    raise Failure("coffee was not woven to any word")
            elif "--through" in arguments:
                hits = [row for row in rows if not row.startswith(" ")]
                if len(hits) != 10 or not any("-Hypernym->" in row for row in rows):
                    raise Failure("no ten answers by meaning, space and relation with a reason")
            elif len(rows) != 10:
                raise Failure(f"'{' '.join(arguments)}' gave {len(rows)} answers and not 10")
            elif "emotional" in arguments:
                if not LIKE_ANGRY & {word for row in rows for word in row.split("\t")}:
                    raise Failure("no word like angry is near it in the emotional space")
            elif "king" in arguments[1]:
                first = [word for row in rows[:QUEEN_WITHIN] for word in row.split("\t")]
                if "queen" not in first:
                    raise Failure(f"queen is not among the first {QUEEN_WITHIN} answers to "
                                  f"'{arguments[1]}'")

    def reopen(self, answers):
        heading("Closed, checked and opened again")
        began = time.monotonic()
        self.run(["check"])
        self.times.append(("Check", time.monotonic() - began))
        again = self.ask(show=False)
        same = again == answers
        print(f"  same answers after reopening: {'yes' if same else 'no'}")
        if not same:
            changed = [" ".join(a) for (_, a), x, y in zip(QUESTIONS, answers, again) if x != y]
            raise Failure("other answers after reopening: " + "; ".join(changed))

    def feedback(self, answers):
        """The last of ten answers is said to be the right one; then that is taken back."""
        number, question = next((i, a) for i, (_, a) in enumerate(QUESTIONS) if a[1] == "coffee")
        labels = [row.split("\t")[1] for row in answers[number].decode().splitlines()]
        heading(f"\"{labels[-1]}\" should have been the answer to \"coffee\"")
        began = time.monotonic()
        given = json.loads(self.run(["feedback", "coffee", labels[0], "--correct", labels[-1],
                                     "--prior-limit", "1", "--json"]))
        for effect in given["effects"]:
            name = effect["token"]["label"] if effect["kind"] == "prior" else effect["type"]
            print(f"  {name}: {effect['before']:.2f} -> {effect['after']:.2f}")
        changed = self.run(question)
        show_rows(changed)
        self.run(["feedback", "--undo", str(given["id"])])
        again = self.run(question, show=False)
        first = changed.decode().split("\t")[1]
        print(f"  the same answers as before: {'yes' if again == answers[number] else 'no'}")
        self.times.append(("Feedback", time.monotonic() - began))
        if first != labels[-1]:
            raise Failure(f"after feedback the first answer is {first} and not {labels[-1]}")
        if again != answers[number]:
            raise Failure("other answers after feedback was taken back")

    def finish(self):
        heading("How long it took")
        for title, seconds in self.times:
            print(f"  {title:<28}{seconds:6.1f} s")
        heading("What to try next")
        command = f"{self.options.command} --store {self.store}"
        print(f"  {command} query 'strong coffee' --why")
        print(f"  {command} serve --listen 127.0.0.1:8000 &")
        print("  curl -s http://127.0.0.1:8000/api/v1/query -H 'Content-Type: application/json' "
              "-d '{\"text\": \"ocean\"}'")


def heading(text):
    print(f"\n== {text}")
    sys.stdout.flush()


def show_rows(answer):
    """Rows with tabs between their cells, as columns."""
    rows = [line.split("\t") for line in answer.decode().splitlines()]
    full = max(map(len, rows), default=0)
    widths = [max(map(len, column)) for column in zip(*(r for r in rows if len(r) == full))]
    for row in rows:
        cells = map(str.ljust, row, widths) if len(row) == full else row
        print("  " + "  ".join(cells).rstrip())


def mebibytes(count):
    return f"{count / 1048576:,.0f} MiB"


def positive(text):
    value = int(text)
    if not 1 <= value <= WORDS_IN_ALL:
        raise argparse.ArgumentTypeError(f"{value} is outside 1..{WORDS_IN_ALL}")
    return value


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=positive, help="only the N most frequent words")
    parser.add_argument("--build-seconds", type=float, default=0.0, help="shown among the times")
    for name, text in (("command", "the command neurograph"), ("place", "folder for the store"),
                       ("vectors", "file of word vectors"), ("wordnet", "folder of WordNet")):
        parser.add_argument(f"--{name}", required=True, help=text)
    options = parser.parse_args(arguments)
    os.makedirs(options.place, exist_ok=True)
    demo = Demo(options)
    try:
        demo.load_words()
        demo.load_wordnet()
        demo.weave()
        demo.show_store()
        demo.anchor()
        answers = demo.ask(show=True)
        demo.judge(answers)
        demo.reopen(answers)
        demo.feedback(answers)
    except Failure as failure:
        print(f"demo: FAILED: {failure}", file=sys.stderr)
        return 1
    demo.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
