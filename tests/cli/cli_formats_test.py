#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command load on the same vectors in every format, as NumPy and Python's gzip write them: the
store does not change, and its hash neither."""
import gzip
import io
import json
import os
import struct
import unittest

import numpy

from cli_support import CliTest, words

# Phrases are only for formats in which a word may have blanks.
WORDS = [(word, numpy.array(vector, dtype="<f4")) for word, vector in words() if " " not in word]
MATRIX = numpy.array([vector for _, vector in WORDS])
NAMES = "".join(word + "\n" for word, _ in WORDS).encode()


def text(header=False, end=""):
    lines = [f"{len(WORDS)} {MATRIX.shape[1]}"] if header else []
    lines += [" ".join([word, *(repr(float(x)) for x in vector)]) + end for word, vector in WORDS]
    return ("\n".join(lines) + "\n").encode()


def wink():
    vectors = {word: [*map(float, vector), 1.0, i] for i, (word, vector) in enumerate(WORDS)}
    return json.dumps({"dimensions": MATRIX.shape[1], "size": len(vectors), "words": list(vectors),
                       "vectors": vectors}).encode()


def word2vec(behind):
    data = f"{len(WORDS)} {MATRIX.shape[1]}\n".encode()
    for word, vector in WORDS:
        data += word.encode() + b" " + struct.pack(f"<{len(vector)}f", *vector) + behind
    return data


def npy(array, version=None):
    data = io.BytesIO()
    numpy.lib.format.write_array(data, array, version=version)
    return data.getvalue()


FORMS = {  # name: (content, format that is recognised)
    "glove.txt": (text(), "glove"),
    "word2vec.txt": (text(header=True), "glove"),
    "fasttext.vec": (text(header=True, end=" "), "glove"),
    "windows.txt": (b"\xEF\xBB\xBF" + text().replace(b"\n", b"\r\n"), "glove"),
    "wink.json": (wink(), "wink"),
    "word2vec.bin": (word2vec(b"\n"), "word2vec-binary"),
    "gensim.bin": (word2vec(b""), "word2vec-binary"),
    "float32.npy": (npy(MATRIX), "npy"),
    "float64.npy": (npy(MATRIX.astype("<f8")), "npy"),
    "version2.npy": (npy(MATRIX, (2, 0)), "npy"),
    "version3.npy": (npy(MATRIX, (3, 0)), "npy"),
}


class FormatsBase(CliTest):
    def setUp(self):
        super().setUp()
        self.write("vocab.txt", NAMES)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)


class FormatsTest(FormatsBase):
    def hash(self):
        return self.ok("hash").split()[0]

    def answers(self):
        answers = [self.json("query", word) for word in ("dog", "coffee", "king - man")]
        return [{**answer, "seconds": 0, "signal": ""} for answer in answers]

    def test_every_format_leaves_the_store_of_the_text_as_it_is(self):
        self.json("load", self.write("first.txt", text()))
        before = self.hash()
        for name, (data, form) in FORMS.items():
            for zipped in (False, True):
                with self.subTest(name=name, zipped=zipped):
                    path = self.write(name, gzip.compress(data) if zipped else data)
                    report = self.json("load", path)
                    self.assertEqual((report["format"], report["words_unchanged"]),
                                     (form, len(WORDS)))
                    self.assertEqual(self.hash(), before)
                    self.assertEqual(self.json("load", path, "--format", form)["words_unchanged"],
                                     len(WORDS))

    def test_every_format_makes_a_store_that_answers_the_same(self):
        expected = None
        for name, (data, _) in FORMS.items():
            with self.subTest(name=name):
                self.store = self.path(name + ".store")
                report = self.json("load", self.write(name, gzip.compress(data)))
                self.assertEqual(report["words_created"], len(WORDS))
                again = self.json("load", self.path(name))
                self.assertEqual((again["words_created"], again["words_unchanged"]),
                                 (0, len(WORDS)))
                answers = self.answers()
                expected = expected or answers
                self.assertEqual(answers, expected)

    def test_half_precision(self):
        half = MATRIX.astype("<f2")
        first = self.json("load", self.write("half.npy", npy(half)))
        self.assertEqual(first["words_created"], len(WORDS))
        second = self.json("load", self.write("wide.npy", npy(half.astype("<f4"))))
        self.assertEqual(second["words_unchanged"], len(WORDS))

    def test_members_and_levels_of_gzip(self):
        data = text()
        cut = len(data) // 3
        members = gzip.compress(data[:cut], 0) + gzip.compress(data[cut:], 9) + bytes(512)
        self.assertEqual(self.json("load", self.write("members", members))["words_created"],
                         len(WORDS))

    def test_phrases_in_a_vocabulary(self):
        path = self.write("phrases.npy", npy(MATRIX[:3]))
        words_path = self.write("w", gzip.compress("ice cream\nкот\nNew York\n".encode()))
        report = self.json("load", path, "--vocabulary", words_path)
        self.assertEqual(report["words_created"], 3)
        self.assertEqual(self.json("get", "ice cream")["label"], "ice cream")

    def test_odd_blanks_of_fasttext(self):
        data = "3 2\n,\u00a0 1 2 \na\u3000b 3 4 \n\u2028x 5 6 \n".encode()
        report = self.json("load", self.write("odd.vec", data))
        self.assertEqual((report["format"], report["words_created"]), ("glove", 3))


class WrongFormatsTest(FormatsBase):
    def setUp(self):
        super().setUp()
        self.ok("put", "kept")
        self.before = self.state()

    def refused(self, text_of_error, name, data, *args, code=6):
        self.fails(code, text_of_error, "load", self.write(name, data), *args)
        self.assertEqual(self.state(), self.before)

    def test_arrays(self):
        objects = io.BytesIO()
        numpy.save(objects, MATRIX.astype(object), allow_pickle=True)
        record = numpy.zeros(3, dtype=[("a", "<f4"), ("b", "<f4")])
        for says, data in (("dtype '>f4'", npy(MATRIX.astype(">f4"))),
                           ("dtype '<i8'", npy(MATRIX.astype("<i8"))),
                           ("dtype '|O'", objects.getvalue()),
                           ("dtype [('a', '<f4'), ('b', '<f4')]", npy(record)),
                           ("Fortran order", npy(numpy.asfortranarray(MATRIX))),
                           ("the shape (8,) is not", npy(MATRIX[0])),
                           ("the shape (1, ", npy(MATRIX[None])),
                           ("has no words", npy(MATRIX[:0])),
                           (f"vocab.txt: {len(WORDS)} lines, but ", npy(MATRIX[:-1])),
                           ("(truncated file)", npy(MATRIX)[:-1]),
                           ("more than the", npy(MATRIX) + b"x"),
                           ("number 1 of row 1 is not finite", npy(MATRIX * numpy.inf)),
                           ("number 1 of row 1 is not finite", npy(MATRIX.astype("<f8") * 1e300))):
            with self.subTest(says=says):
                self.refused(says, "x.npy", data)
                self.refused(says, "x.npy", gzip.compress(data))

    def test_binary(self):
        data = word2vec(b"\n")
        self.refused("(truncated file)", "x.bin", data[:-9])
        self.refused("more than the", "x.bin", data + b"x")
        self.refused("is not finite", "x.bin", data.replace(struct.pack("<f", MATRIX[1][1]),
                                                            struct.pack("<f", numpy.nan)))
        self.refused("line 1: 1 numbers are outside 2..4096", "x.bin", b"5 1\n" + data[4:])

    def test_gzip(self):
        data = gzip.compress(text())
        at = len(data)
        self.refused(f"truncated file, at byte {at - 1}", "x.gz", data[:-1])
        self.refused("incorrect data check", "x.gz", data[:-8] + bytes(8))
        self.refused(f"x.gz byte {at}: damaged gzip data", "x.gz", data + b"more")
        self.refused("truncated file, at byte 2", "x.gz", data[:2])

    def test_what_is_known_and_not_read(self):
        archive = io.BytesIO()
        numpy.savez(archive, MATRIX)
        self.refused("x.npz: is a zip archive", "x.npz", archive.getvalue())
        self.refused("is a model of fastText", "x.bin", struct.pack("<ii", 793712314, 12) + bytes(9))

    def test_arguments(self):
        self.refused("vocabulary", "x.txt", text(), "--vocabulary", self.path("vocab.txt"), code=2)
        self.refused("nowhere", "x.npy", npy(MATRIX), "--vocabulary", self.path("nowhere"), code=3)
        self.refused("--format", "x.npy", npy(MATRIX), "--format", "numpy", code=2)
        os.remove(self.path("vocab.txt"))
        self.refused("no vocabulary", "lone.npy", npy(MATRIX), code=3)
        self.refused("x.txt line 1: is a word with 8 numbers", "x.npy", npy(MATRIX))

    def test_a_missing_vocabulary_makes_no_store(self):
        path = self.write("x.npy", npy(MATRIX))
        self.fails(3, "nowhere", "--store", self.path("new"), "load", path, "--vocabulary",
                   self.path("nowhere"), store=None)
        self.assertFalse(os.path.exists(self.path("new")))


if __name__ == "__main__":
    unittest.main()
