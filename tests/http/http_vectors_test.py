# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fields of vectors over HTTP: made, filled, searched, dropped; graphs of approximate search."""

import unittest

from http_server import ServerTest


class Fields(ServerTest):
    def test_made_listed_and_dropped(self):
        default = {"id": 0, "name": "", "dimensions": 0, "metric": "cosine", "vectors": 0}
        self.assertEqual(self.get("/vectors/fields").data["fields"], [default])
        made = self.post("/vectors/fields", {"name": "image", "dimensions": 4})
        self.assertEqual(made.status, 201)
        image = {"id": 1, "name": "image", "dimensions": 4, "metric": "cosine", "vectors": 0}
        self.assertEqual(made.data["fields"], [default, image])
        self.assertEqual(
            self.post("/vectors/fields", {"name": "click", "dimensions": 2, "metric": "dot"}).status,
            201)
        self.check_error(self.post("/vectors/fields", {"name": "image", "dimensions": 4}), 409,
                         "RESOURCE_ALREADY_EXISTS")
        dropped = self.delete("/vectors/fields/image")
        self.assertEqual(dropped.status, 200)
        self.assertEqual([field["name"] for field in dropped.data["fields"]], ["", "click"])
        self.check_error(self.delete("/vectors/fields/image"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.delete("/vectors/fields/%22"), 404, "RESOURCE_NOT_FOUND")

    def test_refused(self):
        for body, field in (
            ({"dimensions": 4}, "body.name"),
            ({"name": "a"}, "body.dimensions"),
            ({"name": "a", "dimensions": 1}, "body.dimensions"),
            ({"name": "a", "dimensions": 4097}, "body.dimensions"),
            ({"name": "a", "dimensions": "4"}, "body.dimensions"),
            ({"name": "a", "dimensions": 4, "metric": "euclid"}, "body.metric"),
            ({"name": "A", "dimensions": 4}, "body"),
            ({"name": "", "dimensions": 4}, "body"),
            ({"name": "x" * 65, "dimensions": 4}, "body"),
            ({"name": 'a"b', "dimensions": 4}, "body"),
            ({"name": "a\u0000b", "dimensions": 4}, "body"),
            ({"name": "a", "dimensions": 4, "size": 1}, "body.size"),
        ):
            reply = self.post("/vectors/fields", body)
            self.check_error(reply, 422, "VALIDATION_ERROR", [field])
        for i in range(15):
            self.assertEqual(
                self.post("/vectors/fields", {"name": "f%d" % i, "dimensions": 2}).status, 201)
        self.check_error(self.post("/vectors/fields", {"name": "more", "dimensions": 2}), 400,
                         "RESOURCE_LIMIT_EXCEEDED")



class Embedding(ServerTest):
    """Another embedding in a field: compared, switched to, switched back from."""

    def setUp(self):
        super().setUp()
        self.post("/vectors/fields", {"name": "new", "dimensions": 2})
        for i in range(6):
            body = {"label": "w%d" % i, "collection": "semantic", "vector": [1.0, i, -i * i]}
            if i > 0:
                body["vectors"] = {"new": [i - 3.0, 1.0]}
            self.assertEqual(self.post("/tokens", body).status, 201)

    def test_compared(self):
        reply = self.post("/vectors/fields/new/compare", {"k": 2, "sample": 4, "seed": 1})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual((reply.data["shared"], reply.data["lost"], reply.data["gained"]),
                         (5, 1, 0))
        self.assertEqual((reply.data["sampled"], reply.data["k"]), (4, 2))
        self.assertTrue(0 <= reply.data["jaccard"] <= reply.data["recall"] <= 1)
        self.assertEqual(self.post("/vectors/fields/new/compare").data["sampled"], 5)

    def test_switched_and_back(self):
        reply = self.post("/vectors/fields/new/switch", {"keep_as": "old"})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual((reply.data["was_switched"], reply.data["dimensions"],
                          reply.data["left"]), (False, 2, 1))
        fields = self.get("/vectors/fields").data["fields"]
        self.assertEqual([(f["name"], f["dimensions"], f["vectors"]) for f in fields],
                         [("", 2, 5), ("old", 3, 6)])
        again = self.post("/vectors/fields/new/switch", {"keep_as": "old"})
        self.assertEqual((again.status, again.data["was_switched"]), (200, True))
        self.assertEqual(self.post("/vectors/fields/old/switch", {"keep_as": "new"}).status, 200)
        fields = self.get("/vectors/fields").data["fields"]
        self.assertEqual([(f["name"], f["dimensions"], f["vectors"]) for f in fields],
                         [("", 3, 6), ("new", 2, 5)])

    def test_refused(self):
        for path, body, field in (
            ("compare", {"k": 0}, "body.k"),
            ("compare", {"sample": 100001}, "body.sample"),
            ("compare", {"keep_as": "x"}, "body.keep_as"),
            ("switch", {"k": 1}, "body.k"),
            ("switch", {"components": 25}, "body.components"),
            ("switch", {"align_missing": 1}, "body.align_missing"),
            ("switch", {"keep_as": "A b"}, "body"),
            ("switch", {"keep_as": "new"}, "body"),
        ):
            reply = self.post("/vectors/fields/new/" + path, body)
            self.check_error(reply, 422, "VALIDATION_ERROR", [field])
        for path in ("compare", "switch"):
            self.check_error(self.post("/vectors/fields/none/" + path), 404, "RESOURCE_NOT_FOUND")
            self.check_error(self.post("/vectors/fields/new/" + path, {"collection": "none"}), 404,
                             "RESOURCE_NOT_FOUND")


class Vectors(ServerTest):
    def setUp(self):
        super().setUp()
        self.post("/vectors/fields", {"name": "image", "dimensions": 3})
        self.post("/vectors/fields", {"name": "click", "dimensions": 2, "metric": "dot"})

    def nearest(self, **body):
        reply = self.post("/tokens/nearest", body)
        self.assertEqual(reply.status, 200, reply)
        return [hit["token"]["label"] for hit in reply.data["hits"]]

    def test_given_shown_and_taken(self):
        token = self.create(label="a", vector=[1, 2],
                            vectors={"image": [1, 2, 3], "click": [1, 1]})
        self.assertEqual((token["has_vector"], token["vector_fields"]), (True, ["image", "click"]))
        token = self.put("/tokens/1", {"weight": 0.25}).data
        self.assertEqual(token["vector_fields"], ["image", "click"])
        token = self.put("/tokens/1", {"vectors": {"image": None}}).data
        self.assertEqual(token["vector_fields"], ["click"])
        made = self.post("/tokens/batch", {
            "create": [{"label": "b", "vectors": {"image": [0, 0, 1]}}],
            "update": [{"id": 1, "vectors": {"image": [3, 2, 1]}}]})
        self.assertEqual(made.status, 200)
        self.assertEqual(self.get("/tokens/1").data["vector_fields"], ["image", "click"])
        self.assertEqual(self.get("/tokens/2").data["vector_fields"], ["image"])
        self.assertEqual(self.create()["vector_fields"], [])

    def test_refused(self):
        for body, field in (
            ({"vectors": [1]}, "body.vectors"),
            ({"vectors": {"other": [1, 2]}}, "body.vectors.other"),
            ({"vectors": {"": [1, 2]}}, "body.vectors."),
            ({"vectors": {"image": [1, 2]}}, "body.vectors.image"),
            ({"vectors": {"image": []}}, "body.vectors.image"),
            ({"vectors": {"image": [1, 2, "3"]}}, "body.vectors.image[2]"),
            ({"vectors": {"image": [1, 2, 1e300]}}, "body.vectors.image[2]"),
            ({"vectors": {"image": 7}}, "body.vectors.image"),
        ):
            self.check_error(self.post("/tokens", body), 422, "VALIDATION_ERROR", [field])
        twice = '{"vectors": {"image": [1,2,3], "image": [1,2,3]}}'
        self.assertEqual(self.post("/tokens", twice.encode()).status, 422)
        self.assertEqual(self.get("/tokens").data["total"], 0)

    def test_nearest(self):
        self.create(label="a", vectors={"image": [1, 0, 0]}, tags=["x"])
        self.create(label="b", vectors={"image": [1, 1, 0]})
        self.create(label="c", vectors={"image": [0, 0, 1]}, tags=["x"])
        self.create(label="d", vector=[1, 2])
        self.assertEqual(self.nearest(vector=[2, 0, 0], field="image"), ["a", "b", "c"])
        self.assertEqual(self.nearest(vector=[2, 0, 0], field="image", limit=1), ["a"])
        self.assertEqual(self.nearest(token=1, field="image"), ["b", "c"])
        self.assertEqual(self.nearest(token=1, field="image", exclude=[2]), ["c"])
        self.assertEqual(
            self.nearest(vector=[1, 1, 0], field="image", filter={"tags": ["x"]}), ["a", "c"])
        self.assertEqual(
            self.nearest(vector=[1, 1, 0], field="image", collection="semantic"), [])
        self.assertEqual(self.nearest(vector=[1, 2]), ["d"])
        reply = self.post("/tokens/nearest", {"vector": [1, 0, 0], "field": "image"}).data
        self.assertEqual((reply["field"], reply["metric"]), ("image", "cosine"))
        self.assertAlmostEqual(reply["hits"][1]["score"], 0.5 ** 0.5, 6)

    def test_nearest_refused(self):
        self.create(label="a", vectors={"image": [1, 0, 0]})
        for body, field in (
            ({"field": "image"}, "body.vector"),
            ({"vector": [1, 2, 3], "token": 1}, "body.token"),
            ({"vector": [1, 2, 3], "field": "none"}, "body.field"),
            ({"vector": [1, 2], "field": "image"}, "body"),
            ({"vector": [0, 0, 0], "field": "image"}, "body"),
            ({"vector": [1, 2, 3], "field": "image", "remove_components": 2}, "body"),
            ({"vector": [1, 2, 3], "field": "image", "effort": 10001}, "body.effort"),
            ({"vector": [1, 2, 3], "field": "image", "limit": 0}, "body.limit"),
            ({"vector": [1, 2, 3], "field": "image", "exclude": [0]}, "body.exclude[0]"),
            ({"vector": [1, 2, 3], "field": "image", "collection": "none"}, "body.collection"),
            ({"vector": "image"}, "body.vector"),
            ({"vector": [1, 2, 3], "k": 1}, "body.k"),
        ):
            self.check_error(self.post("/tokens/nearest", body), 422, "VALIDATION_ERROR", [field])
        self.check_error(self.post("/tokens/nearest", {"token": 9, "field": "image"}), 404,
                         "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/tokens/nearest", {"token": 1, "field": "click"}), 404,
                         "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/tokens/nearest", {"vector": [1, 2], "field": "click"}), 404,
                         "RESOURCE_NOT_FOUND")

    def test_graph(self):
        for i in range(30):
            self.create(label="t%d" % i, vectors={"image": [1, i, i * i % 7]})
        exact = self.nearest(vector=[1, 5, 2], field="image")
        self.check_error(self.get("/vectors/graph?field=image"), 404, "RESOURCE_NOT_FOUND")
        built = self.post("/vectors/graph", {"field": "image"})
        self.assertEqual(built.status, 201)
        self.assertEqual((built.data["field"], built.data["vectors"]), ("image", 30))
        self.assertEqual(self.get("/vectors/graph?field=image").data, built.data)
        self.assertEqual(self.nearest(vector=[1, 5, 2], field="image", effort=30), exact)
        self.check_error(self.get("/vectors/graph"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/vectors/graph"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/vectors/graph", {"field": "none"}), 422, "VALIDATION_ERROR",
                         ["body.field"])
        self.check_error(self.get("/vectors/graph?name=image"), 422, "VALIDATION_ERROR", ["query"])
        self.assertEqual(self.delete("/vectors/graph?field=image").status, 204)
        self.assertEqual(self.delete("/vectors/graph?field=image").status, 204)
        self.check_error(self.get("/vectors/graph?field=image"), 404, "RESOURCE_NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
