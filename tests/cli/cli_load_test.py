#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command load: formats, limits, idempotence, interruption, and input that is wrong."""
import json
import os
import pty
import signal
import subprocess
import unittest

from cli_support import (BINARY, DIMENSIONS, SYNSETS, CliTest, glove_lines, many_glove_lines, words,
                         write_glove, write_wordnet)


class LoadTest(CliTest):
    def test_glove(self):
        lines = glove_lines()
        report = self.json("load", write_glove(self.path("words.txt")))
        self.assertEqual((report["format"], report["collection"], report["interrupted"]),
                         ("glove", "semantic", False))
        self.assertEqual((report["words_read"], report["words_created"], report["dimensions"]),
                         (len(lines), len(lines), DIMENSIONS))
        self.assertGreater(report["components"], 0)
        self.assertEqual(len(report["explained_variance_by_component"]), report["components"])
        self.assertAlmostEqual(sum(report["explained_variance_by_component"]),
                               report["explained_variance"])
        self.assertGreater(report["peak_rss_bytes"], 1 << 20)
        self.assertGreater(report["disk_bytes"], 0)
        self.assertEqual(report["token_count"], len(lines))

    def test_again_changes_nothing(self):
        self.load_words()
        before = self.state()
        report = self.load_words()
        self.assertEqual((report["words_created"], report["words_unchanged"]),
                         (0, len(glove_lines())))
        self.assertEqual(self.state()["state_hash"], before["state_hash"])

    def test_text(self):
        rows = dict(self.rows("load", write_glove(self.path("words.txt"))))
        count = str(len(glove_lines()))
        self.assertEqual((rows["format"], rows["words read"], rows["created"]),
                         ("glove", count, count))
        for key in ("explained variance", "coordinates clipped", "total time", "peak memory",
                    "store disk"):
            self.assertIn(key, rows)

    def test_limit_components_and_collection(self):
        path = write_glove(self.path("words.txt"))
        report = self.json("load", path, "--limit", "5", "--components", "3", "--collection",
                           "small")
        self.assertEqual((report["words_read"], report["components"], report["collection"]),
                         (5, 3, "small"))
        self.assertEqual(self.json("stats")["collections"]["small"], 5)

    def test_wink(self):
        path = self.path("wink.json")
        vectors = {word: [round(x, 5) for x in vector] + [1.0, i]
                   for i, (word, vector) in enumerate(words())}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"precision": 5, "l2NormIndex": DIMENSIONS, "wordIndex": DIMENSIONS + 1,
                       "dimensions": DIMENSIONS, "unkVector": [0.0] * DIMENSIONS,
                       "size": len(vectors), "words": list(vectors), "vectors": vectors}, file)
        report = self.json("load", path)
        self.assertEqual((report["format"], report["words_created"]), ("wink", len(vectors)))

    def test_wordnet(self):
        report = self.load_wordnet()
        lemmas = {lemma for _, _, lemmas, _ in SYNSETS for lemma in lemmas}
        self.assertEqual(report["format"], "wordnet")
        self.assertGreater(report["lemmas_created"], 0)
        self.assertLessEqual(report["lemmas_created"], len(lemmas))
        self.assertEqual(sum(report["relations_by_type"].values()), report["relations_read"])
        self.assertIn("Hypernym", report["relations_by_type"])
        self.assertEqual(report["connection_count"], report["connections_created"])
        again = self.json("load", self.path("wordnet"), "--format", "wordnet")
        self.assertEqual((again["connections_created"], again["connections_existing"]),
                         (0, report["connections_created"]))
        rows = dict(self.rows("load", self.path("wordnet")))
        self.assertEqual(rows["relation Hypernym"], str(again["relations_by_type"]["Hypernym"]))


class WrongInputTest(CliTest):
    def setUp(self):
        super().setUp()
        self.ok("put", "kept")
        self.before = self.state()

    def refused(self, code, text, *args):
        self.fails(code, text, "load", *args)
        self.assertEqual(self.state(), self.before)

    def broken(self, line, text):
        """The lines of the words with one of them replaced."""
        lines = glove_lines()
        lines[line - 1] = text
        return write_glove(self.path("broken.txt"), lines)

    def test_missing_file(self):
        self.refused(3, "nothing.txt", self.path("nothing.txt"))

    def test_wrong_dimension(self):
        self.refused(6, "line 5: ", self.broken(5, "cow 1 2 3 4 5 6 7"))
        self.refused(6, "line 9: ", self.broken(9, "cow 1 2 3 4 5 6 7 8 9"))

    def test_a_wrong_line_far_behind_changes_nothing(self):
        lines = many_glove_lines(5000)
        lines[4998] = "cow 1 2 3"
        path = write_glove(self.path("broken.txt"), lines)
        self.refused(6, "line 4999: ", path)
        lines[4998] = "cow 1 2 3 4 5 6 7 8"
        report = self.json("load", write_glove(path, lines))
        self.assertEqual((report["words_created"], report["token_count"]), (5000, 5001))

    def test_not_a_number(self):
        self.refused(6, "line 3: ", self.broken(3, "cow 1 2 3 nan 5 6 7 8"))
        self.refused(6, "line 3: ", self.broken(3, "cow 1 2 3 inf 5 6 7 8"))
        self.refused(6, "line 3: ", self.broken(3, "cow 1 2 3 x 5 6 7 8"))
        self.refused(6, "line 3: ", self.broken(3, "cow 1 2 3 1e999 5 6 7 8"))

    def test_truncated_file(self):
        path = write_glove(self.path("words.txt"))
        with open(path, "r+b") as file:
            file.truncate(os.path.getsize(path) - 20)
        self.refused(6, f"line {len(glove_lines())}", path)

    def test_empty_file_and_binary_file(self):
        with open(self.path("empty"), "wb"):
            pass
        self.refused(6, "empty", self.path("empty"))
        with open(self.path("binary"), "wb") as file:
            file.write(bytes(range(256)) * 40)
        self.refused(6, "binary", self.path("binary"))

    def test_truncated_json(self):
        with open(self.path("wink.json"), "w", encoding="utf-8") as file:
            file.write('{"precision": 5, "l2NormIndex": 8, "wordIndex": 9, "dimensions": 8, "vect')
        self.refused(6, "wink.json", self.path("wink.json"))

    def test_wordnet_with_a_file_missing_or_cut(self):
        directory = write_wordnet(self.path("wordnet"))
        verbs = os.path.join(directory, "data.verb")
        with open(verbs, "r+b") as file:
            file.truncate(os.path.getsize(verbs) - 25)
        self.refused(6, "data.verb", directory)
        os.remove(verbs)
        self.refused(3, "data.verb", directory)

    def test_directory_without_wordnet(self):
        os.mkdir(self.path("directory"))
        self.refused(3, "data.noun", self.path("directory"))

    def test_another_dimension_than_the_store_has(self):
        self.ok("put", "vectored", "--vector", "1,2,3")
        self.before = self.state()
        path = write_glove(self.path("words.txt"))
        self.refused(6, f"{path}: vectors of 8 dimensions, this store has 3", path)

    def test_arguments(self):
        path = write_glove(self.path("words.txt"))
        self.refused(2, "--format", path, "--format", "word2vec")
        self.refused(2, "--limit", path, "--limit", "0")
        self.refused(2, "--limit", path, "--limit", "many")
        self.refused(2, "--components", path, "--components", "25")
        self.refused(2, "--collection", path, "--collection", "Not Allowed")
        self.refused(2, "one file", path, path)
        self.refused(2, "one file")

    def test_a_missing_file_makes_no_store(self):
        self.fails(3, "nothing.txt", "--store", self.path("new"), "load", self.path("nothing.txt"),
                   store=None)
        self.assertFalse(os.path.exists(self.path("new")))


class InterruptTest(CliTest):
    def interrupt(self, path):
        """Loads with progress on a terminal and interrupts it when the first of it is seen."""
        leader, follower = pty.openpty()
        with subprocess.Popen([BINARY, "--store", self.store, "load", path, "--json"],
                              stdout=subprocess.PIPE, stderr=follower, stdin=subprocess.DEVNULL,
                              env=self.environment()) as process:
            os.close(follower)
            shown = os.read(leader, 1)
            process.send_signal(signal.SIGINT)
            while True:
                try:
                    part = os.read(leader, 65536)
                except OSError:
                    break
                if not part:
                    break
                shown += part
            os.close(leader)
            result = process.stdout.read()
        return process.returncode, result, shown.decode()

    def test_the_store_stays_valid_and_the_same_command_completes_it(self):
        # A machine may be so fast that the load is over first; then a longer one is tried.
        for count in (20000, 80000, 320000):
            path = write_glove(self.path("many.txt"), many_glove_lines(count))
            code, result, shown = self.interrupt(path)
            if code != 0:
                break
            self.store = self.path(f"store{count}")
        self.assertEqual(code, 130, shown)
        self.assertIn("interrupted", shown)
        self.assertIn("the store is valid", shown)
        self.assertTrue(json.loads(result)["interrupted"])
        self.assertTrue(self.json("check")["ok"])
        report = self.json("load", path)
        self.assertEqual(report["token_count"], count)
        self.assertEqual(report["words_created"] + report["words_unchanged"], count)

    def test_progress_is_one_line_on_a_terminal_and_silent_when_quick_in_a_pipe(self):
        path = write_glove(self.path("words.txt"))
        leader, follower = pty.openpty()
        with subprocess.Popen([BINARY, "--store", self.store, "load", path],
                              stdout=subprocess.DEVNULL, stderr=follower,
                              env=self.environment()) as process:
            os.close(follower)
            shown = b""
            while True:
                try:
                    part = os.read(leader, 65536)
                except OSError:
                    break
                if not part:
                    break
                shown += part
            os.close(leader)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"words", shown)
        self.assertNotIn(b"\n", shown)
        self.assertTrue(shown.endswith(b"\r\033[K"))
        self.assertEqual(self.run_cli("load", path, "--quiet").stderr, b"")


if __name__ == "__main__":
    unittest.main()
