# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST /feedback: answers named by their signal, what changes, what is refused; list and undo."""

import os
import unittest
import uuid

from http_server import Server, ServerTest

WORDS = {
    "cat": [1.0, 0.1, 0.0, 0.0],
    "dog": [0.9, 0.2, 0.0, 0.1],
    "lion": [0.8, 0.1, 0.3, 0.0],
    "car": [0.6, 1.0, 0.1, 0.0],
}


class FeedbackTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.ids = {label: self.create(label=label, vector=vector, collection="semantic")["id"]
                    for label, vector in WORDS.items()}

    def ask(self, text="cat", **fields):
        reply = self.post("/query", {"text": text, "remove_components": -1, **fields})
        self.assertEqual(reply.status, 200, reply.body)
        return reply.data

    def give(self, status=201, **fields):
        reply = self.post("/feedback", fields)
        self.assertEqual(reply.status, status, reply.body)
        return reply.data

    def refused(self, status, field, message, **fields):
        reply = self.post("/feedback", fields)
        self.assertEqual(reply.status, status, reply.body)
        self.assertIn(message, reply.body["detail"])
        if field is not None:
            self.assertIn(field, reply.fields)

    def test_by_the_signal_alone(self):
        answer = self.ask()
        self.assertEqual([row["label"] for row in answer["tokens"]], ["dog", "lion", "car"])
        given = self.give(signal_id=answer["signal_id"], type="negative")
        self.assertEqual((given["feedback_id"], given["applied"], given["repeated"]),
                         (1, True, False))
        self.assertEqual(given["hit"], {"token_id": self.ids["dog"], "label": "dog"})
        self.assertEqual((given["query_text"], given["signal_id"]), ("cat", answer["signal_id"]))
        self.assertEqual(given["effects"], [{"kind": "prior", "token": given["hit"], "before": 0.0,
                                             "after": -0.1}])
        self.assertEqual(given["adjustments"], {"weights_updated": 1, "connections_weakened": 0,
                                                "connections_strengthened": 0})
        after = self.ask()
        rows = {row["label"]: row for row in after["tokens"]}
        self.assertEqual(after["tokens"][0]["label"], "lion")
        self.assertAlmostEqual(rows["dog"]["score"], answer["tokens"][0]["score"] - 0.1, places=5)
        self.assertAlmostEqual(rows["dog"]["prior"], -0.1, places=6)
        again = self.give(200, signal=answer["signal_id"], feedback_type="negative", hit="dog")
        self.assertEqual((again["feedback_id"], again["applied"], again["repeated"]),
                         (1, False, True))
        self.assertEqual(self.ask()["tokens"], after["tokens"])
        self.assertEqual(uuid.UUID(answer["signal_id"]).version, 8)
        self.assertNotEqual(after["signal_id"], answer["signal_id"])

    def test_correction_by_words_and_undo(self):
        before = self.ask()["tokens"]
        link = self.post("/connections", {"source_id": self.ids["cat"],
                                          "target_id": self.ids["car"]}).data
        given = self.give(text="Cat", type="correction", hit="dog", correct=self.ids["car"],
                          prior_limit=1, strength=1)
        self.assertEqual(given["correct"]["label"], "car")
        self.assertEqual(given["adjustments"], {"weights_updated": 2, "connections_weakened": 0,
                                                "connections_strengthened": 1})
        self.assertEqual(self.ask()["tokens"][0]["label"], "car")
        recall = self.ask(explain=True)
        self.assertEqual(recall["tokens"][0]["prior"], 0.5)
        self.assertEqual(recall["confidence"], min(recall["tokens"][0]["score"], 1))
        self.assertIn("prior", [step["name"] for step in recall["steps"]])
        by_example = self.post("/query", {"tokens": ["cat"], "remove_components": -1}).data
        self.assertEqual(by_example["tokens"][0]["label"], "car")
        undone = self.post("/feedback/1/undo", None)
        self.assertEqual(undone.status, 200, undone.body)
        self.assertTrue(undone.data["undone"])
        self.assertEqual([e["restored"] for e in undone.data["effects"]], [True] * 3)
        self.assertEqual(self.ask()["tokens"], before)
        self.assertEqual(self.get(f"/connections/{link['id']}").data, link)
        self.assertEqual(self.post("/feedback/1/undo", None).status, 404)
        self.assertEqual(self.delete("/feedback/1").status, 404)

    def test_list(self):
        self.assertEqual(self.get("/feedback").data, {"feedback": [], "next_before": None})
        for hit in ("dog", "lion", "car"):
            self.give(text="cat", type="positive", hit=hit)
        self.assertEqual(self.delete("/feedback/2").status, 200)
        page = self.get("/feedback?limit=1").data
        self.assertEqual(([f["feedback_id"] for f in page["feedback"]], page["next_before"]),
                         ([3], 3))
        page = self.get("/feedback?limit=5&before=3").data
        self.assertEqual(([f["hit"]["label"] for f in page["feedback"]], page["next_before"]),
                         (["dog"], None))
        self.assertEqual(set(page["feedback"][0]), {
            "feedback_id", "type", "signal_id", "query_text", "hit", "correct", "strength", "seq",
            "time", "actor", "effects", "adjustments"})
        self.assertGreater(page["feedback"][0]["seq"], 0)
        for path, field in (("?limit=0", "query.limit"), ("?limit=101", "query.limit"),
                            ("?before=x", "query.before"), ("?since=1", "query")):
            reply = self.get("/feedback" + path)
            self.assertEqual((reply.status, reply.fields), (422, [field]))
        self.assertEqual(self.post("/feedback/x/undo", None).status, 422)

    def test_what_is_refused(self):
        signal = self.ask()["signal_id"]
        self.refused(422, "body.type", "required", signal_id=signal)
        self.refused(422, "body.type", "positive, negative, correction", signal_id=signal,
                     type="neutral")
        self.refused(422, "body", "signal, text or tokens", type="positive", hit="dog")
        self.refused(422, "body", "not that of an answer", type="positive", signal_id="x")
        self.refused(422, "body", "another question", type="positive", signal_id=signal,
                     text="dog", hit="cat")
        self.refused(404, None, "last 128 answers", type="positive",
                     signal_id="00000000-0000-8001-8000-000000000001")
        self.refused(404, None, "wibble", type="positive", text="cat", hit="wibble")
        self.refused(404, None, "wibble", type="positive", text="wibble", hit="cat")
        self.refused(404, None, "nowhere", type="positive", text="cat", hit="dog",
                     collection="nowhere")
        self.refused(422, "body", "hit", type="positive", text="cat")
        self.refused(422, "body", "correct", type="correction", text="cat", hit="dog")
        for field, value in (("strength", 0), ("strength", 2), ("prior_limit", -1), ("text", 1),
                             ("prior_limit", "x"), ("hit", []), ("tokens", "cat"),
                             ("connections", 7), ("signal_id", 5), ("nonsense", 1)):
            self.refused(422, f"body.{field}", "", **{"type": "positive", "hit": "dog", "text": "cat",
                                                      field: value})
        self.refused(422, "body.connections[0]", "", type="positive", text="cat", hit="dog",
                     connections=["x"])
        self.refused(422, "body.connections", "32", type="positive", text="cat", hit="dog",
                     connections=list(range(1, 40)))
        self.assertEqual(self.get("/feedback").data["feedback"], [])

    def test_it_survives_a_kill(self):
        answer = self.ask()
        self.give(signal_id=answer["signal_id"], type="negative")
        after = self.ask()["tokens"]
        self.connection.close()
        self.server.process.kill()
        self.server.wait()
        self.server = Server(os.path.join(self.root, "store"))
        self.connection = self.server.connect()
        self.assertEqual(self.ask()["tokens"], after)
        self.refused(404, None, "last 128 answers", signal_id=answer["signal_id"], type="negative")
        again = self.give(200, signal_id=answer["signal_id"], type="negative", text="cat",
                          hit="dog")
        self.assertTrue(again["repeated"])
        self.assertEqual(self.delete("/feedback/1").status, 200)
        self.assertEqual(self.ask()["tokens"], answer["tokens"])


if __name__ == "__main__":
    unittest.main()
