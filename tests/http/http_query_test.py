# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST /query: the fields, the answers, and what happens when many ask at once."""

import os
import random
import subprocess
import unittest
import uuid

from http_server import API, BINARY, Server, ServerTest

WORDS = {
    "cat": [1.0, 0.1, 0.0, 0.0],
    "dog": [0.9, 0.2, 0.0, 0.1],
    "lion": [0.8, 0.1, 0.3, 0.0],
    "car": [0.0, 1.0, 0.1, 0.0],
    "bus": [0.1, 0.9, 0.0, 0.3],
    "ice cream": [0.0, 0.0, 1.0, 0.2],
    "cold": [0.0, 0.1, 0.9, 0.1],
}
PLAIN = {"remove_components": -1}


class QueryTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.ids = {}
        for label, vector in WORDS.items():
            fields = {"label": label, "vector": vector, "collection": "semantic", "entity_type": 5}
            if label in ("dog", "car"):
                fields["l2_sensory"] = {"x": 0.5}
            if label == "car":
                fields["l4_emotional"] = {"y": 1}
            self.ids[label] = self.create(**fields)["id"]

    def query(self, text, **more):
        reply = self.post("/query", {"text": text, **PLAIN, **more})
        self.assertEqual(reply.status, 200, reply.body)
        return reply.data

    def labels(self, text, **more):
        return [row["label"] for row in self.query(text, **more)["tokens"]]


class Answers(QueryTest):
    def test_fields(self):
        data = self.query("cat", limit=2)
        self.assertEqual(
            set(data),
            {
                "signal_id",
                "query_text",
                "processing_time_ms",
                "confidence",
                "interpretation",
                "tokens",
                "connections",
                "total_candidates",
                "unknown",
                "corrections",
                "suggestions",
            },
        )
        self.assertEqual(uuid.UUID(data["signal_id"]).version, 8)
        self.assertEqual(data["query_text"], "cat")
        self.assertGreaterEqual(data["processing_time_ms"], 0)
        self.assertEqual(data["interpretation"], "semantic_query")
        self.assertIsNone(data["connections"])
        self.assertEqual(data["unknown"], [])
        self.assertEqual((data["corrections"], data["suggestions"]), ([], None))
        self.assertEqual([row["label"] for row in data["tokens"]], ["dog", "lion"])
        first = data["tokens"][0]
        self.assertEqual(set(first), {"token_id", "label", "score", "prior",
                                      "entity_type", "coordinates"})
        self.assertEqual((first["token_id"], first["entity_type"]), (self.ids["dog"], "Concept"))
        self.assertEqual(first["coordinates"]["L2"], [0.5, 0.0, 0.0])
        self.assertEqual(len(first["coordinates"]), 8)
        self.assertGreaterEqual(data["total_candidates"], len(data["tokens"]))
        dot = sum(a * b for a, b in zip(WORDS["cat"], WORDS["dog"]))
        norms = [sum(a * a for a in WORDS[word]) ** 0.5 for word in ("cat", "dog")]
        self.assertAlmostEqual(first["score"], dot / norms[0] / norms[1], places=4)
        self.assertEqual(data["confidence"], first["score"])
        scores = [row["score"] for row in self.query("cat")["tokens"]]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_limit(self):
        self.assertEqual(len(self.labels("cat", limit=1)), 1)
        self.assertEqual(len(self.labels("cat")), len(WORDS) - 1)
        self.assertEqual(len(self.labels("cat", limit=100)), len(WORDS) - 1)

    def test_threshold(self):
        self.assertEqual(self.labels("cat", threshold=0.9), ["dog", "lion"])
        data = self.query("cat", threshold=1)
        self.assertEqual((data["tokens"], data["confidence"]), ([], 0.0))
        self.assertEqual(len(self.labels("cat", threshold=0)), len(WORDS) - 1)

    def test_spaces(self):
        self.assertEqual(self.labels("cat", spaces=["L2Sensory"]), ["dog", "car"])
        self.assertEqual(self.labels("cat", spaces=["L2Sensory"], limit=1), ["dog"])
        rows = self.query("cat", spaces=["L4Emotional", "L2Sensory"])["tokens"]
        self.assertEqual([row["label"] for row in rows], ["car"])
        self.assertEqual(rows[0]["coordinates"], {"L2": [0.5, 0.0, 0.0], "L4": [0.0, 1.0, 0.0]})
        self.assertEqual(self.labels("cat", spaces=["L8Abstract"]), [])
        self.assertEqual(len(self.labels("cat", spaces=None)), len(WORDS) - 1)

    def test_phrases_and_case(self):
        self.assertEqual(self.labels("ICE CREAM", limit=1), ["cold"])
        self.assertEqual(self.query("Cat")["unknown"], [])

    def test_arithmetic(self):
        self.assertEqual(self.labels("cat - dog + bus", limit=1), ["car"])

    def test_unknown_words(self):
        data = self.query("cat zorp")
        self.assertEqual(data["unknown"], ["zorp"])
        self.assertEqual(data["tokens"][0]["label"], "dog")
        reply = self.post("/query", {"text": "zorp + blarg"})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["details"], {"unknown": ["zorp", "blarg"]})

    def test_trailing_slash(self):
        self.assertEqual(self.post("/query/", {"text": "cat"}).status, 200)

    def test_deleted_word_is_gone(self):
        self.delete(f"/tokens/{self.ids['dog']}")
        self.assertNotIn("dog", self.labels("cat"))
        self.check_error(self.post("/query", {"text": "dog"}), 404, "RESOURCE_NOT_FOUND")


class Refused(QueryTest):
    def test_fields(self):
        for body, fields in [
            ({}, ["body.text"]),
            ({"text": ""}, ["body.text"]),
            ({"text": 5}, ["body.text"]),
            ({"text": None}, ["body.text"]),
            ({"text": "x" * 1001}, ["body.text"]),
            ({"text": "a\u0000b"}, ["body.text"]),
            ({"text": "cat", "limit": 0}, ["body.limit"]),
            ({"text": "cat", "limit": 101}, ["body.limit"]),
            ({"text": "cat", "limit": "5"}, ["body.limit"]),
            ({"text": "cat", "limit": 5.5}, ["body.limit"]),
            ({"text": "cat", "threshold": -0.1}, ["body.threshold"]),
            ({"text": "cat", "threshold": 1.1}, ["body.threshold"]),
            ({"text": "cat", "threshold": "0"}, ["body.threshold"]),
            ({"text": "cat", "spaces": "L1Physical"}, ["body.spaces"]),
            ({"text": "cat", "spaces": []}, ["body.spaces"]),
            ({"text": "cat", "spaces": ["L1Physical", "L9Other"]}, ["body.spaces[1]"]),
            ({"text": "cat", "spaces": [1]}, ["body.spaces[0]"]),
            ({"text": "cat", "spaces": ["L1Physical"] * 50}, ["body.spaces"]),
            ({"text": "cat", "spaces": ["x" * 500]}, ["body.spaces[0]"]),
            ({"text": "cat", "include_connections": 1}, ["body.include_connections"]),
            ({"text": "cat", "remove_components": 1.5}, ["body.remove_components"]),
            ({"text": "cat", "remove_components": -2}, ["body.remove_components"]),
            ({"text": "cat", "top_k": 5}, ["body.top_k"]),
            ({"text": "cat", "limit": None}, ["body.limit"]),
        ]:
            with self.subTest(body=body):
                self.check_error(self.post("/query", body), 422, "VALIDATION_ERROR", fields)
        self.check_error(
            self.post("/query", b'{"text":"cat","text":"dog"}'),
            422,
            "VALIDATION_ERROR",
            ["body.text"],
        )
        self.check_error(self.post("/query", b""), 422, "VALIDATION_ERROR", ["body"])
        self.check_error(self.post("/query", b"{"), 422, "VALIDATION_ERROR")

    def test_blank(self):
        for text in [" ", "\t\n", "+", "-", "- + -"]:
            self.assertIn(self.post("/query", {"text": text}).status, (404, 422), text)

    def test_text_of_1000_characters(self):
        reply = self.post("/query", {"text": "cat " + "猫" * 996})
        self.assertEqual(reply.status, 200, reply.body)


class Empty(ServerTest):
    def test_no_vectors(self):
        reply = self.post("/query", {"text": "cat"})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertIn("no vectors", reply.error["message"])
        self.assertEqual(reply.error["details"]["vectors"], 0)


class Loaded(ServerTest):
    def test_components_are_removed_by_default(self):
        self.end()
        words = os.path.join(self.root, "words.txt")
        numbers = random.Random(7)
        with open(words, "w", encoding="utf-8") as file:
            for i in range(200):
                vector = " ".join(f"{numbers.gauss(3, 1):.4f}" for _ in range(30))
                file.write(f"w{i} {vector}\n")
        subprocess.run(
            [BINARY, "load", "--store", self.server.directory, words],
            check=True,
            capture_output=True,
        )
        self.server = Server(self.server.directory)
        self.assertEqual(self.server.announced_tokens, 200)
        self.connection = self.server.connect()

        def ask(**more):
            reply = self.post("/query", {"text": "w0", "limit": 100, **more})
            self.assertEqual(reply.status, 200, reply.body)
            self.assertEqual(
                reply.data["total_candidates"] >= 199, True, reply.data["total_candidates"]
            )
            return [(row["label"], row["score"]) for row in reply.data["tokens"]]

        usual, plain = ask(), ask(remove_components=-1)
        self.assertEqual(usual, ask(remove_components=0))
        self.assertEqual(usual, ask(remove_components=2))
        self.assertNotEqual(usual, plain)
        self.assertNotEqual(usual, ask(remove_components=5))
        # All vectors lean the same way, which only the plain cosine takes for likeness.
        self.assertGreater(min(score for _, score in plain), 0.8)
        self.assertLess(usual[0][1], 0.8)
        reply = self.post("/query", {"text": "w0", "remove_components": 4096})
        self.check_error(reply, 422, "VALIDATION_ERROR", ["body.remove_components"])
        spread = self.post("/query", {"text": "w0", "limit": 100, "spaces": ["L8Abstract"]}).data[
            "tokens"
        ]
        self.assertEqual(len(spread), 100)
        self.assertEqual(set(spread[0]["coordinates"]), {"L8"})


class Connections(QueryTest):
    def test_why(self):
        self.end()
        link = [
            BINARY,
            "link",
            "--store",
            self.server.directory,
            "--type",
            "Hypernym",
            "--pull",
            "2.5",
        ]
        subprocess.run(
            [*link, f"#{self.ids['dog']}", f"#{self.ids['cat']}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.server = Server(self.server.directory)
        self.connection = self.server.connect()
        data = self.query("cat", include_connections=True)
        self.assertEqual(len(data["connections"]), 1)
        edge = data["connections"][0]
        self.assertEqual((edge["source_id"], edge["target_id"]), (self.ids["dog"], self.ids["cat"]))
        self.assertEqual((edge["connection_type"], edge["strength"]), ("Hypernym", 2.5))
        self.assertEqual(self.query("bus", include_connections=True)["connections"], [])
        self.assertIsNone(self.query("cat", include_connections=False)["connections"])
        self.assertEqual(self.get("/status").data["connections"], {"total": 1, "active": 1})
        token = self.get(f"/tokens/{self.ids['dog']}").data
        self.assertEqual((token["out_degree"], token["in_degree"]), (1, 0))


class Crowd(QueryTest):
    options = ("--query-queue", "4", "--query-threads", "1")

    def test_many_at_once(self):
        """Some may be refused because the queue is short; all are answered, and rightly."""
        connections = [self.server.connect() for _ in range(64)]
        for connection in connections:
            self.addCleanup(connection.close)
        body = b'{"text":"cat","limit":1,"remove_components":-1}'
        for connection in connections:
            connection.request("POST", API + "/query", body, {"Content-Type": "application/json"})
        answers = 0
        for connection in connections:
            response = connection.getresponse()
            text = response.read()
            if response.status == 200:
                self.assertIn(b'"label":"dog"', text)
                answers += 1
            else:
                self.assertEqual(response.status, 503)
                self.assertEqual(response.getheader("Retry-After"), "1")
                self.assertIn(b'"SERVICE_UNAVAILABLE"', text)
        self.assertGreater(answers, 0)
        self.assertEqual(self.get("/status").data["query_pool"]["queued"], 0)
        self.assertEqual(self.get("/status").data["query_pool"]["queue_max"], 4)


if __name__ == "__main__":
    unittest.main()
