# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tags, payloads and expiries over HTTP; search of tokens; indexes."""

import time
import unittest

from http_server import ServerTest


class Attributes(ServerTest):
    def test_given_shown_and_taken(self):
        token = self.create(tags=["red", "a b", "red"], data='{"size": 3}', ttl_seconds=1000)
        self.assertEqual(token["tags"], ["a b", "red"])
        self.assertEqual(token["data"], '{"size": 3}')
        self.assertRegex(token["expires_at"], r"^\d{4}-\d\d-\d\dT")
        self.assertEqual(self.create()["tags"], [])
        self.assertIsNone(self.create()["data"])
        token = self.put("/tokens/1", {"weight": 0.25}).data
        self.assertEqual((token["tags"], token["data"]), (["a b", "red"], '{"size": 3}'))
        token = self.put("/tokens/1", {"tags": ["blue"], "data": None, "expires_at": None}).data
        self.assertEqual((token["tags"], token["data"], token["expires_at"]),
                         (["blue"], None, None))
        token = self.put("/tokens/1", {"tags": None, "expires_at": 4102444800.5}).data
        self.assertEqual((token["tags"], token["expires_at"]), ([], "2100-01-01T00:00:00.500000Z"))

    def test_refused(self):
        for body in (
            {"tags": "red"},
            {"tags": [1]},
            {"tags": ["x"] * 33},
            {"tags": [""]},
            {"tags": ["x" * 65]},
            {"data": 7},
            {"data": "x" * 65537},
            {"ttl_seconds": 0},
            {"ttl_seconds": -1},
            {"expires_at": "soon"},
            {"expires_at": 0},
            {"expires_at": 2e9, "ttl_seconds": 5},
        ):
            self.assertEqual(self.post("/tokens", body).status, 422, body)
        self.assertEqual(self.get("/tokens").data["total"], 0)

    def test_batch(self):
        made = self.post("/tokens/batch", {"create": [{"tags": ["x"]}, {"data": "text"}]})
        self.assertEqual(made.status, 200)
        self.assertEqual(self.get("/tokens/1").data["tags"], ["x"])
        self.assertEqual(self.get("/tokens/2").data["data"], "text")


class Search(ServerTest):
    def setUp(self):
        super().setUp()
        self.create(label="apple", tags=["red", "round"], weight=0.25)
        self.create(label="axe", tags=["red"], entity_type=1, l1_physical=None,
                    l4_emotional={"x": 0.5})
        self.create(label="ball", tags=["round"])

    def found(self, query):
        return [token["label"] for token in self.get("/tokens/search?" + query).data["tokens"]]

    def test_parameters(self):
        self.assertEqual(self.found(""), ["apple", "axe", "ball"])
        self.assertEqual(self.found("prefix=a"), ["apple", "axe"])
        self.assertEqual(self.found("tags=red,round"), ["apple"])
        self.assertEqual(self.found("any_tags=red,round&without_tags=red"), ["ball"])
        self.assertEqual(self.found("entity_type=object"), ["axe"])
        self.assertEqual(self.found("entity_type=1"), ["axe"])
        self.assertEqual(self.found("min_weight=0.3"), ["axe", "ball"])
        self.assertEqual(self.found("max_weight=0.3"), ["apple"])
        self.assertEqual(self.found("space=L4"), ["axe"])
        self.assertEqual(self.found(f"created_from={int(time.time()) - 1000}"),
                         ["apple", "axe", "ball"])
        self.assertEqual(self.found("created_to=1000"), [])
        self.assertEqual(self.found("collection=semantic"), [])
        self.assertEqual(self.found("collection=*"), ["apple", "axe", "ball"])

    def test_pages(self):
        page = self.get("/tokens/search?limit=2").data
        self.assertEqual((page["total"], page["limit"], page["next_after"]), (3, 2, 2))
        page = self.get("/tokens/search?limit=2&after=2").data
        self.assertEqual((len(page["tokens"]), page["total"], page["next_after"]), (1, 3, None))

    def test_refused(self):
        for query in ("tags=" + ",".join(["x"] * 33), "entity_type=16", "min_weight=heavy",
                      "space=L9", "created_from=x", "limit=0", "nothing=1", "tags=,",
                      "min_weight=0.5&max_weight=0.25", "prefix=" + "x" * 1025):
            self.assertEqual(self.get("/tokens/search?" + query).status, 422, query)
        self.assertEqual(self.get("/tokens/search?collection=nothing").status, 404)


class Indexes(ServerTest):
    def test_life(self):
        self.create(data='{"kind": "fruit"}')
        self.assertEqual(self.get("/indexes").data, {"indexes": []})
        made = self.post("/indexes", {"name": "kind", "type": "keyword"})
        self.assertEqual(made.status, 201)
        rows = {"indexes": [{"name": "kind", "path": "kind", "type": "keyword", "values": 1}]}
        self.assertEqual(made.data, rows)
        again = self.post("/indexes", {"name": "kind", "type": "keyword", "path": "kind"})
        self.assertEqual((again.status, again.data), (200, rows))
        self.assertEqual(self.post("/indexes", {"name": "kind", "type": "float"}).status, 409)
        self.assertEqual(self.delete("/indexes/kind").data, {"indexes": []})
        self.assertEqual(self.delete("/indexes/kind").status, 404)

    def test_refused(self):
        for body in ({}, {"name": "a"}, {"type": "float"}, {"name": "A", "type": "float"},
                     {"name": "a", "type": "text"}, {"name": "a", "type": "float", "path": "a..b"},
                     {"name": "a", "type": "float", "more": 1}, {"name": 1, "type": "float"}):
            self.assertEqual(self.post("/indexes", body).status, 422, body)


if __name__ == "__main__":
    unittest.main()
