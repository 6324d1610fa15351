# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST /query by space and relation as well: the fields, the answers, what is refused."""

import unittest

from http_server import ServerTest

WORDS = {
    "cat": [1.0, 0.1, 0.0, 0.0],
    "dog": [0.9, 0.2, 0.0, 0.1],
    "lion": [0.8, 0.1, 0.3, 0.0],
    "car": [0.0, 1.0, 0.1, 0.0],
    "cold": [0.0, 0.1, 0.9, 0.1],
}
PLACES = {"cat": 0, "dog": 3, "lion": 1, "car": 0.5}


class RecallTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.ids = {}
        for label, vector in WORDS.items():
            place = {"x": PLACES[label]} if label in PLACES else None
            fields = {"label": label, "vector": vector, "collection": "semantic",
                      "l1_physical": place}
            self.ids[label] = self.create(**fields)["id"]
        self.links = [self.link("cat", "lion", 1), self.link("lion", "cold", 0.5)]

    def link(self, source, target, strength):
        reply = self.post("/connections", {
            "source_id": self.ids[source], "target_id": self.ids[target],
            "connection_type": "Hypernym", "pull_strength": strength, "confidence": 1})
        self.assertEqual(reply.status, 201, reply.body)
        return reply.data["id"]

    def ask(self, **fields):
        reply = self.post("/query", {"remove_components": -1, **fields})
        self.assertEqual(reply.status, 200, reply.body)
        return reply.data

    def test_a_plain_query_has_the_same_fields(self):
        plain = self.ask(text="cat")
        recall = self.ask(text="cat", explain=True)
        self.assertEqual(set(recall) - set(plain), {"exact", "steps"})
        self.assertEqual(set(recall["tokens"][0]) - set(plain["tokens"][0]),
                         {"parts", "distance", "path"})
        self.assertEqual([(row["label"], row["score"]) for row in recall["tokens"]],
                         [(row["label"], row["score"]) for row in plain["tokens"]])
        self.assertEqual((recall["exact"], recall["interpretation"]), (True, "recall"))
        self.assertEqual(recall["steps"][-1]["candidates"], recall["total_candidates"])
        self.assertIsNone(self.ask(text="cat", weights={"meaning": 2})["steps"])

    def test_all_parts(self):
        data = self.ask(text="cat", near={"space": "L1Physical", "token": "cat", "scale": 1},
                        through={"types": ["hypernym"], "max_hops": 2, "decay": 0.5},
                        weights={"meaning": 2}, include_connections=True, limit=4)
        rows = {row["label"]: row for row in data["tokens"]}
        lion, cold = rows["lion"], rows["cold"]
        self.assertEqual(data["tokens"][0]["label"], "lion")
        self.assertEqual((lion["parts"]["space"], lion["parts"]["relation"]), (0.5, 1.0))
        self.assertAlmostEqual(
            lion["score"], (2 * lion["parts"]["meaning"] + 0.5 + 1) / 4, places=5)
        self.assertEqual(lion["distance"], 1.0)
        self.assertEqual([edge["connection_id"] for edge in cold["path"]], self.links)
        self.assertAlmostEqual(cold["parts"]["relation"], 0.25, places=6)
        self.assertEqual((cold["parts"]["space"], cold["distance"]), (None, None))
        self.assertEqual(len(data["connections"]), 3)
        self.assertIsNone(rows["dog"]["parts"]["relation"])

    def test_without_a_text(self):
        data = self.ask(tokens=["cat", self.ids["dog"]])
        self.assertEqual((data["query_text"], data["tokens"][0]["label"]), (None, "lion"))
        data = self.ask(vector=WORDS["car"], limit=1)
        self.assertEqual(data["tokens"][0]["label"], "car")
        data = self.ask(near=[{"space": "physical", "at": [3, 0, 0], "radius": 0.5}],
                        require=["space"])
        self.assertEqual([row["label"] for row in data["tokens"]], ["dog"])
        data = self.ask(through={"from": ["cold"], "direction": "incoming", "max_hops": 1})
        self.assertEqual([row["label"] for row in data["tokens"]], ["lion"])
        data = self.ask(near={"space": "physical", "token": self.ids["cat"]}, include_asked=True,
                        filter={"max_weight": 1}, any_collection=True, limit=2)
        self.assertEqual([row["label"] for row in data["tokens"]], ["cat", "car"])
        data = self.ask(through={"from": ["cat"], "max_tokens": 1})
        self.assertFalse(data["exact"])

    def test_batch(self):
        reply = self.post("/query/batch", {"queries": [
            {"near": {"space": "physical", "at": [3, 0, 0]}, "limit": 1},
            {"text": "cat", "near": {"space": "nowhere", "at": [0, 0, 0]}},
            {"text": "qqqqqqqq", "explain": True},
            {"text": "cat"}]})
        results = reply.data["results"]
        self.assertEqual([r["status"] for r in results], [200, 422, 404, 200])
        self.assertEqual(results[0]["data"]["tokens"][0]["label"], "dog")
        self.assertEqual(results[2]["error"]["details"], {"unknown": ["qqqqqqqq"]})

    def test_not_found(self):
        for fields in ({"tokens": ["nobody"]}, {"tokens": [777]},
                       {"through": {"from": [777]}}, {"text": "cat", "collection": "none",
                                                      "explain": True},
                       {"near": {"space": "physical", "token": "nobody"}}):
            with self.subTest(fields=fields):
                reply = self.post("/query", fields)
                self.check_error(reply, 404, "RESOURCE_NOT_FOUND")

    def test_refused(self):
        near = {"space": "physical", "at": [0, 0, 0]}
        for fields, name in (
                ({"explain": True}, "body.text"),
                ({"near": {}}, "body.near[0]"),
                ({"near": [{**near, "token": 1}]}, "body.near[0]"),
                ({"near": [{"space": "physical"}]}, "body.near[0]"),
                ({"near": {**near, "sacle": 1}}, "body.near[0].sacle"),
                ({"near": {**near, "scale": 0}}, "body.near[0].scale"),
                ({"near": {**near, "radius": -1}}, "body.near[0].radius"),
                ({"near": {**near, "at": [1, 2]}}, "body.near[0].at"),
                ({"near": {**near, "at": [1, 2, "x"]}}, "body.near[0].at"),
                ({"near": {"space": "up", "at": [1, 2, 3]}}, "body.near[0].space"),
                ({"near": [near, near]}, "body"),
                ({"near": 7}, "body.near"),
                ({"near": []}, "body.near"),
                ({"near": [near] * 9}, "body.near"),
                ({"near": {"space": "motor", "token": "cat"}}, "body"),
                ({"tokens": []}, "body.tokens"),
                ({"tokens": [1.5]}, "body.tokens[0]"),
                ({"tokens": [1] * 65}, "body.tokens"),
                ({"vector": ["x"]}, "body.vector[0]"),
                ({"vector": []}, "body.vector"),
                ({"vector": [1, 2]}, "body"),
                ({"text": "cat", "tokens": ["cat"]}, "body"),
                ({"through": {}}, "body"),
                ({"text": "cat", "through": {"hops": 2}}, "body.through.hops"),
                ({"text": "cat", "through": {"max_hops": 7}}, "body.through.max_hops"),
                ({"text": "cat", "through": {"decay": 0}}, "body.through.decay"),
                ({"text": "cat", "through": {"types": ["x"]}}, "body.through.types[0]"),
                ({"text": "cat", "through": {"direction": "up"}}, "body.through.direction"),
                ({"text": "cat", "through": {"max_tokens": 0}}, "body.through.max_tokens"),
                ({"text": "cat", "through": {"from": []}}, "body.through.from"),
                ({"text": "cat", "through": []}, "body.through"),
                ({"text": "cat", "weights": {"taste": 1}}, "body.weights.taste"),
                ({"text": "cat", "weights": {"meaning": -1}}, "body.weights.meaning"),
                ({"text": "cat", "weights": {"space": 1}}, "body"),
                ({"text": "cat", "require": ["taste"]}, "body.require[0]"),
                ({"text": "cat", "require": ["space"]}, "body"),
                ({"text": "cat", "effort": 10001}, "body.effort"),
                ({"text": "cat", "explain": 1}, "body.explain"),
                ({"text": "cat", "any_collection": 1}, "body.any_collection"),
                ({"text": "cat", "include_asked": None}, "body.include_asked")):
            with self.subTest(fields=fields):
                reply = self.post("/query", fields)
                self.check_error(reply, 422, "VALIDATION_ERROR")
                self.assertIn(name, reply.fields)


if __name__ == "__main__":
    unittest.main()
