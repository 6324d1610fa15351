# SPDX-License-Identifier: AGPL-3.0-or-later
"""Search in space: every endpoint below /grid against distances computed here."""

import math
import random
import unittest

from http_server import ServerTest

FAR = 1e9


def distance(a, b, metric="euclidean"):
    steps = [abs(x - y) for x, y in zip(a, b)]
    if metric == "manhattan":
        return sum(steps)
    return max(steps) if metric == "chebyshev" else math.dist(a, b)


class GridTest(ServerTest):
    def setUp(self):
        super().setUp()
        chance = random.Random(7)
        self.points = {}
        items = []
        for _ in range(200):
            at = [chance.randrange(-1000, 1000) / 100 for _ in range(3)]
            items.append({"l1_physical": dict(zip("xyz", at)), "field_radius": 2.0})
        reply = self.post("/tokens/batch", {"create": items})
        self.assertIn(reply.status, (200, 201), reply.body)
        page = {"next_after": 0}
        while page["next_after"] is not None:
            page = self.get(f"/tokens?limit=100&after={page['next_after']}").data
            for token in page["tokens"]:
                self.points[token["id"]] = token["coordinates"]["L1"]
        self.assertEqual(len(self.points), 200)

    def near(self, center, radius=FAR, metric="euclidean", without=()):
        found = [(distance(center, at, metric), i) for i, at in self.points.items()]
        return [i for d, i in sorted((round(d, 4), i) for d, i in found)
                if d <= radius and i not in without]

    def data(self, path, **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        reply = self.get(f"/grid/{path}?{query}")
        self.assertEqual(reply.status, 200, reply.body)
        return reply.data

    @staticmethod
    def ids(hits):
        return [hit["token_id"] for hit in hits]


class Searches(GridTest):
    def test_range(self):
        data = self.data("0/range", space=0, x=1, y=2, z=3, radius=5)
        self.assertEqual(list(data), ["grid_id", "space", "center", "radius", "results", "count",
                                      "total"])
        self.assertEqual((data["grid_id"], data["space"], data["center"], data["radius"]),
                         (0, 0, [1, 2, 3], 5))
        self.assertEqual(self.ids(data["results"]), self.near([1, 2, 3], 5))
        self.assertEqual(data["count"], len(data["results"]))
        for hit in data["results"]:
            self.assertAlmostEqual(hit["distance"],
                                   distance([1, 2, 3], self.points[hit["token_id"]]), places=4)
        few = self.data("0/range", x=1, y=2, z=3, radius=5, limit=2)
        self.assertEqual((few["results"], few["count"], few["total"]),
                         (data["results"][:2], 2, data["count"]))
        loose = self.data("0/range", x=1, y=2, z=3, radius=5, unordered="true")
        self.assertEqual(sorted(self.ids(loose["results"])), sorted(self.ids(data["results"])))

    def test_defaults_are_the_origin_and_ten(self):
        data = self.data("0/range")
        self.assertEqual((data["center"], data["radius"]), ([0, 0, 0], 10))
        self.assertEqual(self.ids(data["results"]), self.near([0, 0, 0], 10))

    def test_a_space_by_number_and_by_name(self):
        lone = self.create(l2_sensory={"x": 0.5}, l1_physical=None)["id"]
        for space in ("1", "L2", "sensory", "L2Sensory"):
            data = self.data("0/range", space=space)
            self.assertEqual((data["space"], self.ids(data["results"])), (1, [lone]))

    def test_metrics(self):
        for metric in ("euclidean", "manhattan", "chebyshev"):
            data = self.data("0/range", x=1, radius=6, metric=metric)
            self.assertEqual(self.ids(data["results"]), self.near([1, 0, 0], 6, metric))

    def test_nearest(self):
        data = self.data("0/nearest", x=-4, y=4, limit=7)
        self.assertEqual(self.ids(data["results"]), self.near([-4, 4, 0])[:7])
        bounded = self.data("0/nearest", x=-4, y=4, limit=100, max_distance=3)
        self.assertEqual(self.ids(bounded["results"]), self.near([-4, 4, 0], 3))

    def test_box(self):
        data = self.data("0/box", low="-2,-3,-4", high="5,6,7")
        inside = [i for i, at in self.points.items()
                  if all(a <= v <= b for a, v, b in zip((-2, -3, -4), at, (5, 6, 7)))]
        self.assertEqual(sorted(self.ids(data["results"])), sorted(inside))
        self.assertEqual((data["low"], data["high"]), ([-2, -3, -4], [5, 6, 7]))
        count = self.data("0/count", low="-2,-3,-4", high="5,6,7")
        self.assertEqual(count["count"], len(inside))

    def test_count_density_influence(self):
        inside = self.near([1, 1, 1], 4)
        self.assertEqual(self.data("0/count", x=1, y=1, z=1, radius=4)["count"], len(inside))
        data = self.data("0/density", x=1, y=1, z=1, radius=4)
        self.assertEqual(data["tokens_in_range"], len(inside))
        self.assertEqual(data["position"], [1, 1, 1])
        self.assertAlmostEqual(data["density"], len(inside) / (4 / 3 * math.pi * 64), places=6)
        data = self.data("0/influence", x=1, y=1, z=1, radius=4)
        reach = [distance([1, 1, 1], self.points[i]) for i in inside]
        self.assertAlmostEqual(data["influence"], sum(1 - d / 2 for d in reach if d <= 2),
                               places=4)
        self.assertEqual(data["tokens_reaching"], sum(d <= 2 for d in reach))

    def test_neighbors(self):
        token = next(iter(self.points))
        data = self.data(f"0/neighbors/{token}", radius=6, max_results=5)
        self.assertEqual(list(data), ["grid_id", "center_token_id", "space", "radius", "neighbors",
                                      "count"])
        self.assertEqual(data["center_token_id"], token)
        expected = self.near(self.points[token], 6, without=(token,))[:5]
        self.assertEqual((self.ids(data["neighbors"]), data["count"]), (expected, len(expected)))

    def test_of_a_collection_and_of_any(self):
        lone = self.create(collection="semantic", l1_physical={"x": 1})["id"]
        everyone = dict(x=1, radius=1000)
        self.assertNotIn(lone, self.ids(self.data("0/range", **everyone)["results"]))
        semantic = self.data("0/range", collection="semantic", **everyone)
        self.assertEqual(self.ids(semantic["results"]), [lone])
        self.assertEqual(self.data("0/range", collection="any", **everyone)["total"], 201)
        self.assertEqual(self.data("0/count", collection="any", flags=0, **everyone)["count"], 201)
        self.assertEqual(self.data("0")["token_count"], 200)
        self.assertEqual(self.data("0", collection="any")["token_count"], 201)
        self.assertEqual(self.data("0", collection="semantic")["token_count"], 1)
        self.assertEqual(self.data("0/count", collection="any", exclude=lone, **everyone)["count"],
                         200)

    def test_status_and_the_grid(self):
        self.assertEqual(self.data("status"), {"available": True, "grids_count": 1,
                                               "message": "Grid is available"})
        self.assertEqual(self.data("0"), {
            "grid_id": 0, "name": None, "token_count": 200,
            "config": {"bucket_size": 10, "density_threshold": 0.5, "min_field_nodes": 3}})


class Groups(GridTest):
    def components(self, radius):
        """Of all points, which are cores here: sets of ids."""
        left, found = set(self.points), []
        while left:
            group, queue = set(), [left.pop()]
            while queue:
                one = queue.pop()
                group.add(one)
                near = {i for i in left
                        if round(distance(self.points[one], self.points[i]), 6) <= radius}
                left -= near
                queue += near
            found.append(group)
        return sorted(found, key=lambda group: (-len(group), min(group)))

    def test_clusters(self):
        wanted = self.components(3)
        data = self.data("0/clusters", radius=3, min_tokens=1, limit=1000, members=1000)
        self.assertEqual(list(data), ["grid_id", "space", "radius", "min_tokens", "clusters", "count",
                                      "total", "members", "token_count"])
        self.assertEqual([(c["token_count"], c["core_count"], c["lowest_id"])
                          for c in data["clusters"]],
                         [(len(group), len(group), min(group)) for group in wanted])
        self.assertEqual((data["count"], data["total"], data["token_count"]),
                         (len(wanted), len(wanted), 200))
        self.assertEqual([m["token_id"] for m in data["members"]], sorted(self.points))
        for member in data["members"]:
            self.assertIn(member["token_id"], wanted[member["cluster"] - 1])
        largest = data["clusters"][0]
        for axis in range(3):
            at = [self.points[i][axis] for i in wanted[0]]
            self.assertAlmostEqual(largest["center"][axis], sum(at) / len(at), places=4)
            self.assertAlmostEqual(largest["low"][axis], min(at), places=4)
            self.assertAlmostEqual(largest["high"][axis], max(at), places=4)
        few = self.data("0/clusters", radius=3, min_tokens=1, limit=1, members=2)
        self.assertEqual((few["clusters"], few["count"], few["total"]),
                         ([largest], 1, len(wanted)))
        self.assertEqual(few["members"], data["members"][:2])
        self.assertEqual(few["token_count"], 200)

    def test_clusters_without_members(self):
        data = self.data("0/clusters", radius=100)
        self.assertEqual((data["total"], data["min_tokens"]), (1, 3))
        self.assertNotIn("members", data)
        self.assertEqual(self.data("0/clusters", radius=100, space=5)["clusters"], [])

    def test_fields(self):
        volume = 4 / 3 * math.pi * 8
        counts = {i: len(self.near(at, 2)) for i, at in self.points.items()}
        sources = [i for i, count in counts.items() if count >= 3 and count / volume > 0.01]
        data = self.data("0/fields", density_threshold=0.01, limit=1000)
        self.assertEqual(list(data), ["grid_id", "space", "fields", "count", "total"])
        self.assertEqual(sum(f["source_count"] for f in data["fields"]), len(sources))
        self.assertAlmostEqual(max(f["density"] for f in data["fields"]),
                               max(counts.values()) / volume, places=4)
        self.assertEqual(self.data("0/fields")["total"], 0)
        made = self.post("/grid/create", {"density_threshold": 0.01, "min_field_nodes": 1}).data
        for i in self.points:
            self.post(f"/grid/{made['grid_id']}/tokens/{i}")
        own = self.data(f"{made['grid_id']}/fields", limit=1000)
        self.assertEqual(sum(f["source_count"] for f in own["fields"]), 200)


class Named(GridTest):
    def test_life(self):
        made = self.post("/grid/create", {"name": "some", "bucket_size": 2.5})
        self.assertEqual(made.status, 201, made.body)
        config = {"bucket_size": 2.5, "density_threshold": 0.5, "min_field_nodes": 3}
        self.assertEqual(made.data, {"grid_id": 1, "name": "some", "config": config,
                                     "status": "created"})
        self.assertEqual(self.post("/grid/create").data["grid_id"], 2)
        members = sorted(self.points)[:60]
        for number, token in enumerate(members, 1):
            reply = self.post(f"/grid/1/tokens/{token}")
            self.assertEqual(reply.data, {"grid_id": 1, "token_id": token, "status": "added",
                                          "grid_size": number})
        self.assertEqual(self.data("1"), {"grid_id": 1, "name": "some", "token_count": 60,
                                          "config": config})
        self.assertEqual(self.data("status")["grids_count"], 3)
        listed = self.get("/grid").data
        self.assertEqual([(g["grid_id"], g["token_count"]) for g in listed["grids"]],
                         [(0, 200), (1, 60), (2, 0)])
        self.points = {i: self.points[i] for i in members}
        data = self.data("1/range", x=1, radius=8)
        self.assertEqual(data["grid_id"], 1)
        self.assertEqual(self.ids(data["results"]), self.near([1, 0, 0], 8))
        data = self.data(f"1/neighbors/{members[0]}", radius=100, max_results=9)
        self.assertEqual(self.ids(data["neighbors"]),
                         self.near(self.points[members[0]], without=members[:1])[:9])
        reply = self.post("/grid/1/query", {"centers": [[0, 0, 0]], "limit": 5})
        self.assertEqual(self.ids(reply.data["results"][0]["results"]), self.near([0, 0, 0])[:5])
        self.assertEqual(self.delete(f"/grid/1/tokens/{members[3]}").status, 204)
        self.assertEqual(self.delete(f"/tokens/{members[4]}").status, 204)
        self.assertEqual(self.data("1")["token_count"], 58)
        self.assertEqual(self.data("1/count", radius=1000)["count"], 58)
        self.assertEqual(self.delete("/grid/1").status, 204)
        self.check_error(self.delete("/grid/1"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/1/range"), 404, "RESOURCE_NOT_FOUND")

    def test_grid_0_has_every_token(self):
        token = next(iter(self.points))
        self.assertEqual(self.post(f"/grid/0/tokens/{token}").data["grid_size"], 200)
        self.assertEqual(self.delete(f"/grid/0/tokens/{token}").status, 204)
        self.assertEqual(self.data("0")["token_count"], 200)
        self.check_error(self.delete("/grid/0"), 403, "PERMISSION_DENIED")
        self.check_error(self.post("/grid/0/tokens/99999"), 404, "RESOURCE_NOT_FOUND")

    def test_errors(self):
        for body, field in (({"name": "A"}, "body.name"), ({"name": ""}, "body.name"),
                            ({"name": "x" * 65}, "body.name"), ({"name": 1}, "body.name"),
                            ({"bucket_size": 0.05}, "body.bucket_size"),
                            ({"density_threshold": 2}, "body.density_threshold"),
                            ({"min_field_nodes": 0}, "body.min_field_nodes"),
                            ({"size": 1}, "body.size")):
            self.check_error(self.post("/grid/create", body), 422, "VALIDATION_ERROR", [field])
        self.post("/grid/create", {"name": "one"})
        self.check_error(self.post("/grid/create", {"name": "one"}), 409,
                         "RESOURCE_ALREADY_EXISTS")
        self.check_error(self.post("/grid/1/tokens/99999"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/grid/7/tokens/1"), 404, "RESOURCE_NOT_FOUND")
        for _ in range(99):
            self.assertEqual(self.post("/grid/create").status, 201)
        self.check_error(self.post("/grid/create"), 400, "RESOURCE_LIMIT_EXCEEDED")


class Bodies(GridTest):
    def ask(self, **body):
        reply = self.post("/grid/0/query", body)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.data

    def test_many_centers(self):
        centers = [[0, 0, 0], [5, -5, 1], [-9, 9, 9]]
        data = self.ask(centers=centers, space="physical", limit=4)
        self.assertEqual([row["center"] for row in data["results"]], centers)
        for row in data["results"]:
            self.assertEqual(self.ids(row["results"]), self.near(row["center"])[:4])
        data = self.ask(centers=centers, radius=6, limit=3, metric="chebyshev", unordered=False)
        for row in data["results"]:
            inside = self.near(row["center"], 6, "chebyshev")
            self.assertEqual(row["total"], len(inside))
            self.assertEqual(self.ids(row["results"]), inside[:3])

    def test_several_spaces(self):
        near = self.create(l1_physical={"x": 1}, l8_abstract={"x": 0.5})["id"]
        far = self.create(l1_physical={"x": 2}, l8_abstract={"x": 0.0})["id"]
        spaces = {"physical": {"at": [1, 0, 0], "weight": 4}, "7": {"at": [0, 0, 0]}}
        data = self.ask(spaces=spaces)
        self.assertEqual(data["spaces"], [0, 7])
        self.assertEqual([(h["token_id"], round(h["distance"], 3)) for h in data["results"]],
                         [(near, 0.5), (far, 2.0)])
        data = self.ask(spaces=spaces, radius=1)
        self.assertEqual((self.ids(data["results"]), data["radius"]), ([near], 1))

    def test_errors(self):
        for body, field in (
            ({}, "body.centers"),
            ({"centers": []}, "body.centers"),
            ({"centers": [[1, 2]]}, "body.centers[0]"),
            ({"centers": [[1, 2, 3]], "spaces": {"0": {"at": [1, 2, 3]}}}, "body.spaces"),
            ({"spaces": {"nine": {"at": [1, 2, 3]}}}, "body.spaces"),
            ({"spaces": {"0": {}}}, "body.spaces.0.at"),
            ({"spaces": {"0": {"at": [1, 2, 3], "mass": 1}}}, "body.spaces.0.mass"),
            ({"spaces": {"0": {"at": [1, 2, 3], "weight": -1}}}, "body.spaces.0.weight"),
            ({"spaces": {"0": {"at": [1, 2, 3]}, "L1": {"at": [1, 2, 3]}}}, "body.spaces.L1"),
            ({"spaces": {"0": {"at": [1, 2, 3]}}, "space": 0}, "body.space"),
            ({"centers": [[1, 2, 3]], "space": 8}, "body.space"),
            ({"centers": [[1, 2, 3]], "metric": "none"}, "body.metric"),
            ({"centers": [[1, 2, 3]], "limit": 0}, "body.limit"),
            ({"centers": [[1, 2, 3]] * 1001}, "body.centers"),
            ({"centers": [[1, 2, 3]] * 200, "limit": 1000}, "body.limit"),
            ({"centers": [[1, 2, 3]], "radius": 0.01}, "body.radius"),
            ({"centers": [[1, 2, 3]], "radius": 1, "max_distance": 1}, "body.max_distance"),
            ({"centers": [[1, 2, 3]], "timeout_ms": 0}, "body.timeout_ms"),
            ({"centers": [[1e6, 2, 3]]}, "body"),
            ({"centers": [[1, 2, 3]], "other": 1}, "body.other"),
        ):
            reply = self.post("/grid/0/query", body)
            self.assertEqual(reply.status, 422, (str(body)[:80], reply.body))
            self.assertIn(field, reply.fields, (str(body)[:80], reply.fields))
        reply = self.post("/grid/0/query", {"centers": [[1, 2, 3]], "collection": "none"})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")


class Errors(GridTest):
    def test_parameters(self):
        for path, field in (
            ("range?space=8", "query.space"),
            ("range?space=physic", "query.space"),
            ("range?x=one", "query.x"),
            ("range?x=1e99", "query.x"),
            ("range?radius=0.05", "query.radius"),
            ("range?radius=", "query.radius"),
            ("range?limit=1001", "query.limit"),
            ("range?metric=cosine", "query.metric"),
            ("range?unordered=1", "query.unordered"),
            ("range?timeout_ms=0", "query.timeout_ms"),
            ("range?flags=65536", "query.flags"),
            ("range?x=100000", "query"),
            ("range?low=1,2,3", "query"),
            ("nearest?radius=3", "query"),
            ("density?metric=euclidean", "query"),
            ("box", "query.low"),
            ("box?low=1,2,3", "query.high"),
            ("box?low=1,2&high=1,2,3", "query.low"),
            ("box?low=2,2,2&high=1,2,3", "query"),
            ("count?low=1,2,3&high=1,2,3&radius=4", "query.low"),
            ("neighbors/1?limit=3", "query"),
            ("clusters", "query.radius"),
            ("clusters?radius=0", "query.radius"),
            ("clusters?radius=1&min_tokens=0", "query.min_tokens"),
            ("clusters?radius=1&members=100001", "query.members"),
            ("clusters?radius=1&density_threshold=1", "query"),
            ("fields?radius=1", "query"),
            ("fields?metric=manhattan", "query"),
            ("fields?density_threshold=0", "query.density_threshold"),
            ("neighbors/one", "path.token_id"),
        ):
            reply = self.get(f"/grid/0/{path}")
            self.check_error(reply, 422, "VALIDATION_ERROR")
            self.assertIn(field, reply.fields, path)

    def test_what_is_not_there(self):
        self.check_error(self.get("/grid/1/range"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/1"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/one"), 422, "VALIDATION_ERROR", ["path.grid_id"])
        self.check_error(self.get("/grid/0/range?collection=none"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/0/neighbors/99999"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/0/neighbors/0"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/0/neighbors/1?space=5"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/0/nothing"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/grid/0/neighbors/1/2"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/grid/0/range"), 405, "METHOD_NOT_ALLOWED")


if __name__ == "__main__":
    unittest.main()
