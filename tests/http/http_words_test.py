# SPDX-License-Identifier: AGPL-3.0-or-later
"""Queries by words that are spelled wrong, weighed, quoted and narrowed; batches of queries;
POST /similarity and /odd."""

import json
import math
import unittest

from http_server import ServerTest

WORDS = {
    "coffee": [1.0, 0.1, 0.0, 0.0],
    "tea": [0.9, 0.3, 0.0, 0.1],
    "toffee": [0.5, 0.1, 0.6, 0.0],
    "ice cream": [0.0, 0.0, 1.0, 0.2],
    "car": [0.0, 1.0, 0.1, 0.0],
    "bus": [0.1, 0.9, 0.0, 0.3],
}
SCRIPTS = ["кошка", "ледяной чай", "日本語", "아침 식사", "قهوة", "café", "q\u0301x\u0327y", "👩‍💻👍🏽"]
PLAIN = {"remove_components": -1}


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))


class WordsTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.post("/indexes", {"name": "kind", "path": "kind", "type": "keyword"})
        self.post("/indexes", {"name": "size", "path": "size", "type": "integer"})
        self.post("/indexes", {"name": "cost", "path": "cost", "type": "float"})
        self.post("/indexes", {"name": "made", "path": "made", "type": "time"})
        self.ids = {}
        for size, (label, vector) in enumerate(WORDS.items()):
            fields = {"label": label, "vector": vector, "collection": "semantic", "entity_type": 5}
            fields["weight"] = 0.1 + size / 10
            if label in ("tea", "car", "bus"):
                fields["tags"] = ["daily", "green"] if label == "tea" else ["daily"]
                kind = "drink" if label == "tea" else "vehicle"
                fields["data"] = json.dumps({"kind": kind, "size": size, "cost": size + 0.5,
                                             "made": f"202{size}-01-01T00:00:00Z"})
            if label in ("tea", "car"):
                fields["l2_sensory"] = {"x": 0.5}
            self.ids[label] = self.create(**fields)["id"]

    def query(self, text, **more):
        reply = self.post("/query", {"text": text, **PLAIN, **more})
        self.assertEqual(reply.status, 200, reply.body)
        return reply.data

    def labels(self, text, **more):
        return [row["label"] for row in self.query(text, **more)["tokens"]]


class Spelling(WordsTest):
    def test_corrections(self):
        data = self.query("kofee", limit=2)
        self.assertEqual(
            data["corrections"],
            [{"given": "kofee", "used": "coffee", "token_id": self.ids["coffee"], "distance": 2}],
        )
        self.assertEqual(data["tokens"], self.query("coffee", limit=2)["tokens"])
        self.assertEqual((data["unknown"], data["suggestions"]), ([], None))
        data = self.query("kofee - zzzzzzz")
        self.assertEqual(data["unknown"], ["zzzzzzz"])

    def test_known_words_are_enough(self):
        data = self.query("kofee tea", suggest=3)
        self.assertEqual((data["corrections"], data["unknown"]), ([], ["kofee"]))
        self.assertEqual(
            [(row["given"], row["label"], row["distance"]) for row in data["suggestions"]],
            [("kofee", "coffee", 2), ("kofee", "toffee", 2)],
        )
        self.assertEqual(self.query("tea", suggest=3)["suggestions"], [])

    def test_switched_off(self):
        reply = self.post("/query", {"text": '2*kofee - "ise creem" + x', "spelling": False})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["details"], {"unknown": ["kofee", "ise creem", "x"]})
        self.assertEqual(self.query('"ise creem"')["corrections"][0]["used"], "ice cream")

    def test_scripts(self):
        for i, word in enumerate(SCRIPTS):
            self.create(label=word, vector=[1, i / 10, 0.5, 0], collection="semantic")
        for word in SCRIPTS:
            self.assertEqual(self.query(word.upper())["unknown"], [])
            self.assertEqual(self.query(word.upper())["corrections"], [])
        for given, used in [
            ("кожка", "кошка"),
            ("日木語", "日本語"),
            ("قهوه", "قهوة"),
            ("cafe", "café"),
            ("👩‍💻👍🏿", "👩‍💻👍🏽"),
            ('"아침 식샤"', "아침 식사"),
        ]:
            row = self.query(given)["corrections"][0]
            self.assertEqual((row["used"], row["distance"]), (used, 1))
        pairs = list(zip(SCRIPTS, SCRIPTS[1:]))
        data = self.post("/similarity", {"pairs": pairs}).data
        self.assertEqual((data["found"], data["unknown"]), (len(pairs), []))
        self.assertEqual(self.post("/similarity", {"a": ["неведомо"]}).data["unknown"], ["неведомо"])


class Narrowed(WordsTest):
    def test_filter(self):
        for filter_, expected in [
            ({}, ["tea", "toffee", "bus", "car", "ice cream"]),
            (None, ["tea", "toffee", "bus", "car", "ice cream"]),
            ({"tags": ["daily"]}, ["tea", "bus", "car"]),
            ({"tags": ["daily", "green"]}, ["tea"]),
            ({"any_tags": ["green", "red"]}, ["tea"]),
            ({"without_tags": ["daily"]}, ["toffee", "ice cream"]),
            ({"entity_type": 5, "max_weight": 0.25}, ["tea"]),
            ({"entity_type": "concept", "min_weight": 0.45}, ["bus", "car"]),
            ({"entity_type": 3}, []),
            ({"created_from": 4000000000}, []),
            ({"created_to": 4000000000, "tags": ["green"]}, ["tea"]),
            ({"flags": 1, "tags": ["green"]}, ["tea"]),
            ({"where": [{"index": "kind"}]}, ["tea", "bus", "car"]),
            ({"where": [{"index": "kind", "any_of": ["vehicle", "x"]}]}, ["bus", "car"]),
            ({"where": [{"index": "size", "low": 5}]}, ["bus"]),
            ({"where": [{"index": "size", "high": 4}, {"index": "kind"}]}, ["tea", "car"]),
            ({"where": [{"index": "cost", "low": 4.5, "high": 4.5}]}, ["car"]),
            ({"where": [{"index": "made", "low": 1700000000}]}, ["bus", "car"]),
        ]:
            with self.subTest(filter=filter_):
                self.assertEqual(self.labels("coffee", filter=filter_), expected)
        self.assertEqual(self.labels("coffee", filter={"tags": ["daily"]}, limit=1), ["tea"])
        self.assertEqual(
            self.labels("coffee", filter={"tags": ["daily"]}, spaces=["L2Sensory"]), ["tea", "car"]
        )

    def test_collection(self):
        self.create(label="rex", vector=[1, 0, 0, 0])
        self.create(label="max", vector=[0, 1, 0, 0])
        self.assertEqual(self.labels("rex", collection="runtime"), ["max"])
        reply = self.post("/query", {"text": "rex", "collection": "nobody's"})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertIn("nobody's", reply.error["message"])

    def test_weights_and_phrases(self):
        wanted = [2 * a / math.hypot(*WORDS["coffee"]) - b / math.hypot(*WORDS["car"])
                  for a, b in zip(WORDS["coffee"], WORDS["car"])]
        for row in self.query("2*coffee - car")["tokens"]:
            self.assertAlmostEqual(row["score"], cosine(wanted, WORDS[row["label"]]), places=6)
        self.assertNotIn("ice cream", self.labels('"Ice  Cream"'))

    def test_refused(self):
        many = ["x"] * 33
        for body, field in [
            ({"spelling": 1}, "body.spelling"),
            ({"suggest": 11}, "body.suggest"),
            ({"suggest": -1}, "body.suggest"),
            ({"collection": 5}, "body.collection"),
            ({"filter": []}, "body.filter"),
            ({"filter": {"tag": []}}, "body.filter.tag"),
            ({"filter": {"tags": "x"}}, "body.filter.tags"),
            ({"filter": {"tags": [1]}}, "body.filter.tags"),
            ({"filter": {"any_tags": many}}, "body.filter.any_tags"),
            ({"filter": {"entity_type": 16}}, "body.filter.entity_type"),
            ({"filter": {"entity_type": "ghost"}}, "body.filter.entity_type"),
            ({"filter": {"min_weight": "1"}}, "body.filter.min_weight"),
            ({"filter": {"created_to": -1}}, "body.filter.created_to"),
            ({"filter": {"flags": 65536}}, "body.filter.flags"),
            ({"filter": {"where": {}}}, "body.filter.where"),
            ({"filter": {"where": [1]}}, "body.filter.where[0]"),
            ({"filter": {"where": [{}]}}, "body.filter.where[0].index"),
            ({"filter": {"where": [{"index": "none"}]}}, "body.filter.where[0].index"),
            ({"filter": {"where": [{"index": "size", "low": "x"}]}}, "body.filter.where[0].low"),
            ({"filter": {"where": [{"index": "size", "low": 1.5}]}}, "body.filter.where[0].low"),
            ({"filter": {"where": [{"index": "kind", "any_of": []}]}},
             "body.filter.where[0].any_of"),
            ({"filter": {"where": [{"index": "kind", "any_of": ["x"] * 33}]}},
             "body.filter.where[0].any_of"),
            ({"filter": {"where": [{"index": "kind", "is": 1}]}}, "body.filter.where[0].is"),
            ({"filter": {"where": [{"index": "kind"}] * 9}}, "body.filter.where"),
            ({"filter": {"where": [{"index": "made", "low": 1e300}]}}, "body.filter.where[0].low"),
        ]:
            with self.subTest(body=body):
                reply = self.post("/query", {"text": "tea", **body})
                self.check_error(reply, 422, "VALIDATION_ERROR", [field])
        for body in [
            {"filter": {"tags": [""]}},
            {"filter": {"tags": ["x" * 65]}},
            {"filter": {"min_weight": 2, "max_weight": 1}},
            {"filter": {"where": [{"index": "kind", "low": "a"}]}},
            {"text": "0*tea"},
            {"text": '"a b c d e f g h i"'},
        ]:
            with self.subTest(body=body):
                self.check_error(self.post("/query", {"text": "tea", **body}), 422,
                                 "VALIDATION_ERROR")


class Batch(WordsTest):
    def test_by_position(self):
        queries = [
            {"text": "coffee", "limit": 2, **PLAIN},
            {"text": "zzzzzzz"},
            {"text": "", "limit": 0},
            {"text": "kofee", **PLAIN},
            "coffee",
            {"text": "tea", "collection": "nowhere"},
            {"text": "coffee", "limit": 2, **PLAIN},
        ]
        reply = self.post("/query/batch", {"queries": queries})
        self.assertEqual(reply.status, 200, reply.body)
        results = reply.data["results"]
        self.assertEqual((reply.data["count"], reply.data["failed"]), (7, 4))
        self.assertEqual([r["status"] for r in results], [200, 404, 422, 200, 422, 404, 200])
        for query, result in zip(queries, results):
            if not isinstance(query, dict):
                continue
            alone = self.post("/query", query)
            self.assertEqual(result["status"], alone.status)
            self.assertEqual(result["success"], alone.body["success"])
            self.assertEqual(result["error"], alone.body["error"])
            self.assertEqual(result.get("detail"), alone.body.get("detail"))
            if alone.data is None:
                self.assertIsNone(result["data"])
                continue
            for data in (result["data"], alone.data):
                data.pop("signal_id")
                data.pop("processing_time_ms")
            self.assertEqual(result["data"], alone.data)
        self.assertEqual([e["field"] for e in results[2]["error"]["details"]["errors"]],
                         ["body.text", "body.limit"])
        self.assertEqual(results[4]["error"]["details"]["errors"][0]["field"], "body")

    def test_many(self):
        reply = self.post("/query/batch", {"queries": [{"text": "tea", **PLAIN}] * 100})
        self.assertEqual(len(reply.data["results"]), 100)
        self.assertEqual(len({r["data"]["signal_id"] for r in reply.data["results"]}), 100)

    def test_refused(self):
        for body, fields in [
            ({}, ["body.queries"]),
            ({"queries": []}, ["body.queries"]),
            ({"queries": {}}, ["body.queries"]),
            ({"queries": None}, ["body.queries"]),
            ({"queries": [{"text": "tea"}] * 101}, ["body.queries"]),
            ({"queries": [{"text": "tea"}], "limit": 1}, ["body.limit"]),
        ]:
            with self.subTest(body=str(body)[:60]):
                self.check_error(self.post("/query/batch", body), 422, "VALIDATION_ERROR", fields)
        self.check_error(self.post("/query/batch", b"[]"), 422, "VALIDATION_ERROR", ["body"])
        twice = b'{"queries":[{"text":"tea"}],"queries":[]}'
        self.check_error(self.post("/query/batch", twice), 422, "VALIDATION_ERROR",
                         ["body.queries"])
        self.assertEqual(self.get("/query/batch").status, 405)


class Similarity(WordsTest):
    def test_pairs(self):
        pairs = [["coffee", "tea"], ["Coffee", self.ids["tea"]], ["tea", "tea"],
                 ["tea", "zorp"], [999999, "tea"], ["ice  cream", "car"]]
        reply = self.post("/similarity", {"pairs": pairs, **PLAIN})
        self.assertEqual(reply.status, 200, reply.body)
        values = reply.data["similarities"]
        self.assertAlmostEqual(values[0], cosine(WORDS["coffee"], WORDS["tea"]), places=6)
        self.assertEqual(values[0], values[1])
        self.assertAlmostEqual(values[2], 1)
        self.assertEqual(values[3:5], [None, None])
        self.assertAlmostEqual(values[5], cosine(WORDS["ice cream"], WORDS["car"]), places=6)
        self.assertEqual((reply.data["count"], reply.data["found"]), (6, 4))
        self.assertEqual(reply.data["unknown"], ["zorp", 999999])

    def test_matrix(self):
        names = list(WORDS)
        data = self.post("/similarity", {"a": names, **PLAIN}).data
        self.assertEqual((data["count"], data["found"]), (36, 36))
        for i, a in enumerate(names):
            for j, b in enumerate(names):
                self.assertAlmostEqual(data["matrix"][i][j], cosine(WORDS[a], WORDS[b]), places=6)
                self.assertEqual(data["matrix"][i][j], data["matrix"][j][i])
        data = self.post("/similarity", {"a": ["tea", "x"], "b": ["car", "bus", "tea"]}).data
        self.assertEqual([len(row) for row in data["matrix"]], [3, 3])
        self.assertEqual(data["matrix"][1], [None] * 3)
        self.assertEqual((data["found"], data["unknown"]), (3, ["x"]))

    def test_fused(self):
        pairs = [["coffee", "tea"], ["tea", "zorp"], ["car", "bus"], ["tea", "toffee"]]
        plain = self.post("/similarity", {"pairs": pairs, **PLAIN}).data["similarities"]
        for source, target, kind in [("tea", "coffee", "Synonym"), ("car", "bus", "Antonym"),
                                     ("bus", "car", "Hypernym")]:
            self.post("/connections", {"source": self.ids[source], "target": self.ids[target],
                                       "connection_type": kind})
        reply = self.post("/similarity", {"pairs": pairs, "fused": True, **PLAIN})
        self.assertEqual(reply.status, 200, reply.body)
        data = reply.data
        self.assertEqual((data["count"], data["found"], data["unknown"]), (4, 3, ["zorp"]))
        synonyms, unknown, antonyms, vectors = data["parts"]
        self.assertEqual((synonyms["by_links"], synonyms["taxonomic"], synonyms["hops"]),
                         (True, 1, 0))
        self.assertAlmostEqual(data["similarities"][0], (synonyms["retrofitted"] + 1) / 2, places=6)
        self.assertEqual((data["similarities"][1], unknown["cosine"]), (None, None))
        self.assertTrue(antonyms["antonyms"] and antonyms["retrofitted"] > 0)
        self.assertAlmostEqual(data["similarities"][2], antonyms["taxonomic"] / 2, places=6)
        self.assertFalse(vectors["by_links"])
        self.assertIsNone(vectors["hops"])
        for part, value in zip(data["parts"], plain):
            self.assertEqual(part["cosine"], value)
        again = self.post("/similarity", {"pairs": pairs, "fused": False, **PLAIN}).data
        self.assertEqual(again["similarities"], plain)

    def test_limits(self):
        reply = self.post("/similarity", {"pairs": [["tea", "car"]] * 10000})
        self.assertEqual(len(set(reply.data["similarities"])), 1)
        self.assertEqual(reply.data["found"], 10000)
        reply = self.post("/similarity", {"a": ["tea"] * 100, "b": ["car"] * 1000})
        self.assertEqual(reply.data["found"], 100000)

    def test_collection(self):
        self.assertEqual(
            self.post("/similarity", {"pairs": [["tea", "car"]], "collection": "runtime"}).data,
            {"similarities": [None], "count": 1, "found": 0, "unknown": ["tea", "car"]},
        )
        self.check_error(self.post("/similarity", {"a": ["tea"], "collection": "no"}), 404,
                         "RESOURCE_NOT_FOUND")

    def test_refused(self):
        for body, fields in [
            ({}, ["body.pairs"]),
            ({"pairs": [["tea", "car"]], "a": ["tea"]}, ["body.pairs"]),
            ({"pairs": []}, ["body.pairs"]),
            ({"pairs": "tea"}, ["body.pairs"]),
            ({"pairs": ["tea"]}, ["body.pairs[0]"]),
            ({"pairs": [["tea", "car"], ["tea"]]}, ["body.pairs[1]"]),
            ({"pairs": [["tea", "car", "bus"]]}, ["body.pairs[0]"]),
            ({"pairs": [["tea", 1.5]]}, ["body.pairs[0]"]),
            ({"pairs": [["tea", 0]]}, ["body.pairs[0]"]),
            ({"pairs": [["tea", None]]}, ["body.pairs[0]"]),
            ({"pairs": [["tea", "car"]] * 10001}, ["body.pairs"]),
            ({"a": []}, ["body.a"]),
            ({"a": ["tea"] * 1001}, ["body.a"]),
            ({"a": [["tea"]]}, ["body.a[0]"]),
            ({"a": ["tea"], "b": [True]}, ["body.b[0]"]),
            ({"a": ["tea"] * 101, "b": ["tea"] * 1000}, ["body.a"]),
            ({"a": ["tea"] * 1000}, ["body.a"]),
            ({"b": ["tea"], "pairs": [["tea", "car"]]}, ["body.b"]),
            ({"a": ["tea"], "words": ["tea"]}, ["body.words"]),
            ({"a": ["tea"], "fused": True}, ["body.fused"]),
            ({"pairs": [["tea", "car"]], "fused": 1}, ["body.fused"]),
            ({"a": ["tea"], "remove_components": "2"}, ["body.remove_components"]),
            ({"a": ["tea"], "remove_components": 5}, ["body.remove_components"]),
        ]:
            with self.subTest(body=str(body)[:60]):
                self.check_error(self.post("/similarity", body), 422, "VALIDATION_ERROR", fields)


class Odd(WordsTest):
    def test_odd(self):
        names = ["coffee", "tea", "car", "toffee"]
        reply = self.post("/odd", {"words": names, **PLAIN})
        self.assertEqual(reply.status, 200, reply.body)
        means = [sum(cosine(WORDS[a], WORDS[b]) for b in names if b != a) / 3 for a in names]
        self.assertEqual(reply.data["index"], 2)
        self.assertEqual(reply.data["odd"]["word"], "car")
        self.assertEqual([row["word"] for row in reply.data["scores"]], names)
        self.assertEqual([row["token_id"] for row in reply.data["scores"]],
                         [self.ids[name] for name in names])
        for row, mean in zip(reply.data["scores"], means):
            self.assertAlmostEqual(row["score"], mean, places=6)
        self.assertEqual(self.post("/odd", {"words": ["tea"] * 3, **PLAIN}).data["index"], 0)

    def test_without_a_vector(self):
        bare = self.create(label="bare", collection="semantic")["id"]
        data = self.post("/odd", {"words": ["tea", bare, "car", "bus"], **PLAIN}).data
        self.assertIsNone(data["scores"][1]["score"])
        self.assertEqual(data["odd"]["word"], "tea")
        reply = self.post("/odd", {"words": ["tea", bare, "car"]})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertIn("2 of the 3", reply.error["message"])

    def test_refused(self):
        for body, fields in [
            ({}, ["body.words"]),
            ({"words": ["tea", "car"]}, ["body.words"]),
            ({"words": ["tea"] * 1001}, ["body.words"]),
            ({"words": "tea"}, ["body.words"]),
            ({"words": ["tea", "car", {}]}, ["body.words[2]"]),
            ({"words": ["tea", "car", "bus"], "a": []}, ["body.a"]),
        ]:
            with self.subTest(body=str(body)[:60]):
                self.check_error(self.post("/odd", body), 422, "VALIDATION_ERROR", fields)
        reply = self.post("/odd", {"words": ["tea", "zorp", "car", 999999]})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["details"], {"unknown": ["zorp", 999999]})


if __name__ == "__main__":
    unittest.main()
