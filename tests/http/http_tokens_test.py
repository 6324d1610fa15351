# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tokens over HTTP: every field, every bound, lists and pages."""

import time
import unittest

from http_server import ServerTest

SPACES = [
    "l1_physical",
    "l2_sensory",
    "l3_motor",
    "l4_emotional",
    "l5_cognitive",
    "l6_social",
    "l7_temporal",
    "l8_abstract",
]
NOWHERE = {f"L{level}": None for level in range(1, 9)}


class Create(ServerTest):
    def test_defaults(self):
        before = int(time.time())
        token = self.create()
        self.assertEqual(token["id"], 1)
        self.assertEqual(token["id_hex"], "0x00000001")
        self.assertEqual(token["local_id"], 1)
        self.assertEqual((token["entity_type"], token["domain"]), (0, 0))
        self.assertEqual(
            (token["weight"], token["field_radius"], token["field_strength"]), (0.5, 1.0, 1.0)
        )
        self.assertEqual(token["flags"], {"active": True, "persistent": False})
        self.assertEqual(token["coordinates"], {**NOWHERE, "L1": [0.0, 0.0, 0.0]})
        self.assertIsNone(token["label"])
        self.assertEqual(token["collection"], "runtime")
        self.assertEqual(token["version"], 1)
        self.assertIs(token["has_vector"], False)
        self.assertEqual((token["out_degree"], token["in_degree"]), (0, 0))
        self.assertLessEqual(before, token["timestamp"])
        self.assertLessEqual(token["timestamp"], int(time.time()))
        self.assertGreaterEqual(token["age_seconds"], 0)
        self.assertRegex(token["updated_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def test_every_field(self):
        body = {space: {"x": 0.25, "y": -0.5, "z": 0.75} for space in SPACES}
        body.update(entity_type=15, domain=0, weight=0.75, field_radius=2.55, field_strength=0.2)
        body.update(persistent=True, label='naïve "q" \\ 猫', vector=[1, 2.5, -3e-3])
        token = self.create(**body)
        self.assertEqual(token["entity_type"], 15)
        self.assertEqual(
            (token["weight"], token["field_radius"], token["field_strength"]), (0.75, 2.55, 0.2)
        )
        self.assertEqual(token["coordinates"], {level: [0.25, -0.5, 0.75] for level in NOWHERE})
        self.assertEqual(token["flags"], {"active": True, "persistent": True})
        self.assertEqual(token["label"], body["label"])
        self.assertIs(token["has_vector"], True)
        self.assertEqual(
            self.get("/tokens/1").data,
            {**token, "age_seconds": self.get("/tokens/1").data["age_seconds"]},
        )

    def test_floats_are_short(self):
        reply = self.post("/tokens", {"weight": 0.1, "l2_sensory": {"x": 0.3, "y": 0.7, "z": 1}})
        self.assertIn(b'"weight":0.1,', reply.raw)
        self.assertIn(b'"L2":[0.3,0.7,1.0]', reply.raw)

    def test_partial_coordinates(self):
        self.assertEqual(
            self.create(l4_emotional={"x": 0.5})["coordinates"], {**NOWHERE, "L4": [0.5, 0.0, 0.0]}
        )
        self.assertEqual(
            self.create(l4_emotional={"x": 0.5, "y": 1})["coordinates"],
            {**NOWHERE, "L4": [0.5, 1.0, 0.0]},
        )
        self.assertEqual(
            self.create(l4_emotional={"z": 1})["coordinates"], {**NOWHERE, "L4": [0.0, 0.0, 1.0]}
        )
        self.assertEqual(
            self.create(l4_emotional={})["coordinates"], {**NOWHERE, "L4": [0.0, 0.0, 0.0]}
        )

    def test_null_means_in_no_space(self):
        self.assertEqual(self.create(l1_physical=None)["coordinates"], NOWHERE)
        self.assertEqual(self.create(l5_cognitive=None)["coordinates"], NOWHERE)
        token = self.create(l1_physical=None, l2_sensory={"x": 0.5})
        self.assertEqual(token["coordinates"], {**NOWHERE, "L2": [0.5, 0.0, 0.0]})

    def test_null_label_and_vector(self):
        token = self.create(label=None, vector=None)
        self.assertIsNone(token["label"])
        self.assertIs(token["has_vector"], False)

    def test_coordinate_127_is_ordinary(self):
        token = self.create(l1_physical={"x": 1.27, "y": 1.27, "z": 1.27})
        self.assertEqual(token["coordinates"]["L1"], [1.27, 1.27, 1.27])

    def test_ids_rise(self):
        self.assertEqual([self.create()["id"] for _ in range(5)], [1, 2, 3, 4, 5])
        self.assertEqual(self.delete("/tokens/5").status, 204)
        self.assertNotEqual(self.create()["id"], 5)

    def test_label_taken(self):
        self.create(label="cat")
        reply = self.post("/tokens", {"label": "cat"})
        self.check_error(reply, 409, "RESOURCE_ALREADY_EXISTS")
        self.assertEqual(self.get("/tokens").data["total"], 1)

    def test_collection(self):
        token = self.create(label="cat", collection="semantic")
        self.assertEqual(token["collection"], "semantic")
        self.create(label="cat")
        self.check_error(
            self.post("/tokens", {"collection": "nope"}),
            422,
            "VALIDATION_ERROR",
            ["body.collection"],
        )


class Refuse(ServerTest):
    def refuse(self, body, fields):
        self.check_error(self.post("/tokens", body), 422, "VALIDATION_ERROR", fields)

    def tearDown(self):
        self.assertEqual(
            self.get("/tokens?collection=*").data["total"], 0, "a refused token was stored"
        )

    def test_bounds(self):
        for field, values in {
            "entity_type": [-1, 16, 2**63, 2**64 - 1],
            "domain": [1, 15, 16, -1],
            "weight": [-0.01, 1.01, 1e300],
            "field_radius": [-0.01, 2.56, 1e40],
            "field_strength": [-0.01, 1.01],
        }.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.refuse({field: value}, ["body." + field])

    def test_wrong_types(self):
        wrong = {
            "entity_type": [1.0, "1", None, True, [], {}],
            "domain": ["0", None],
            "weight": ["0.5", None, True, [], {}],
            "field_radius": ["1", None],
            "field_strength": [False, None],
            "persistent": [0, 1, "true", None],
            "label": [1, True, [], {}],
            "collection": [0, None],
            "vector": [1, "x", {}, True],
            "l1_physical": [1, [1, 2, 3], "origin", True],
        }
        for field, values in wrong.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.refuse({field: value}, ["body." + field])

    def test_axes(self):
        self.refuse({"l3_motor": {"x": "1"}}, ["body.l3_motor.x"])
        self.refuse({"l3_motor": {"x": None}}, ["body.l3_motor.x"])
        self.refuse({"l3_motor": {"w": 1}}, ["body.l3_motor.w"])
        self.refuse({"l3_motor": {"xx": 1}}, ["body.l3_motor.xx"])
        self.refuse({"l3_motor": {"": 1}}, ["body.l3_motor."])
        self.refuse({"l3_motor": {"x": 1e300}}, ["body.l3_motor.x"])

    def test_out_of_range_coordinate(self):
        reply = self.post("/tokens", {"l1_physical": {"x": 400}})
        self.check_error(reply, 422, "VALIDATION_ERROR")
        self.assertIn("400", reply.error["message"])

    def test_label(self):
        self.refuse({"label": ""}, ["body.label"])
        self.refuse({"label": "x" * 1025}, ["body.label"])
        self.check_error(self.post("/tokens", {"label": "a\u0000b"}), 422, "VALIDATION_ERROR")
        self.check_error(self.post("/tokens", {"label": "a\nb"}), 422, "VALIDATION_ERROR")

    def test_vector(self):
        self.refuse({"vector": []}, ["body.vector"])
        self.refuse({"vector": [1, "2"]}, ["body.vector[1]"])
        self.refuse({"vector": [1, 2, None]}, ["body.vector[2]"])
        self.refuse({"vector": [1, 1e39]}, ["body.vector[1]"])
        self.refuse({"vector": [1] * 4097}, ["body.vector"])

    def test_unknown_fields(self):
        self.refuse({"wieght": 1}, ["body.wieght"])
        self.refuse({"Weight": 1}, ["body.Weight"])
        self.refuse({"": 1}, ["body."])
        self.refuse({"l9_other": {"x": 1}}, ["body.l9_other"])

    def test_all_problems_at_once(self):
        self.refuse(
            {"wieght": 1, "weight": "x", "entity_type": 99},
            ["body.wieght", "body.weight", "body.entity_type"],
        )

    def test_many_problems_are_counted(self):
        reply = self.post("/tokens", {f"f{i}": 1 for i in range(1000)})
        self.assertEqual(reply.error["details"]["count"], 1000)
        self.assertEqual(len(reply.fields), 16)


class Limits(ServerTest):
    def test_label_of_1024_bytes(self):
        label = "é" * 512
        self.assertEqual(self.create(label=label)["label"], label)

    def test_vector_of_4096_dimensions(self):
        self.assertIs(self.create(vector=[0.5] * 4096)["has_vector"], True)

    def test_vector_of_other_length(self):
        self.create(vector=[1, 2, 3])
        reply = self.post("/tokens", {"vector": [1, 2]})
        self.check_error(reply, 422, "VALIDATION_ERROR", ["body.vector"])

    def test_extreme_coordinates(self):
        token = self.create(l1_physical={"x": 327.67, "y": -327.67, "z": 0})
        self.assertEqual(token["coordinates"]["L1"], [327.67, -327.67, 0.0])


class Get(ServerTest):
    def test_not_found(self):
        for text, name in [
            ("42", "0000002A"),
            ("0", "00000000"),
            ("4294967296", "100000000"),
            (str(2**64 - 1), "F" * 16),
        ]:
            reply = self.get("/tokens/" + text)
            self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
            self.assertEqual(reply.body["detail"], f"Token {name} not found")

    def test_bad_ids(self):
        self.create()
        for text in [
            "x",
            "1x",
            "1.0",
            "0x1",
            "-1",
            "-",
            str(2**64),
            "1%00",
            "%00",
            "+1",
            "1%20",
            "1e0",
        ]:
            with self.subTest(id=text):
                self.check_error(
                    self.get("/tokens/" + text), 422, "VALIDATION_ERROR", ["path.token_id"]
                )

    def test_trailing_slash(self):
        self.create()
        self.assertEqual(self.get("/tokens/1/").status, 200)
        self.assertEqual(self.get("/tokens/").data["total"], 1)
        self.assertEqual(self.post("/tokens/", {}).status, 201)
        self.assertEqual(self.get("/tokens//").status, 404)
        self.assertEqual(self.get("/tokens/1//").status, 404)

    def test_escaped_path(self):
        self.create()
        self.assertEqual(self.get("/%74okens/%31").status, 200)


class Update(ServerTest):
    def setUp(self):
        super().setUp()
        self.token = self.create(
            weight=0.25, label="cat", vector=[1, 2], entity_type=3, l1_physical={"x": 1}
        )

    def update(self, **fields):
        reply = self.put("/tokens/1", fields)
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(self.get("/tokens/1").data["version"], reply.data["version"])
        return reply.data

    def test_nothing(self):
        token = self.update()
        self.assertEqual(token["version"], 1)
        self.assertEqual(token["weight"], 0.25)

    def test_one_field_leaves_the_others(self):
        token = self.update(weight=1)
        self.assertEqual(token["version"], 2)
        for name in [
            "label",
            "entity_type",
            "coordinates",
            "flags",
            "field_radius",
            "has_vector",
            "timestamp",
            "id",
        ]:
            self.assertEqual(token[name], self.token[name])
        self.assertEqual(token["weight"], 1.0)

    def test_coordinates(self):
        token = self.update(l1_physical=None, l8_abstract={"y": 0.5})
        self.assertEqual(token["coordinates"], {**NOWHERE, "L8": [0.0, 0.5, 0.0]})
        self.assertEqual(self.update(l8_abstract=None)["coordinates"], NOWHERE)

    def test_flags_and_type(self):
        token = self.update(persistent=True)
        self.assertEqual(
            (token["flags"], token["entity_type"]), ({"active": True, "persistent": True}, 3)
        )
        token = self.update(entity_type=5)
        self.assertEqual((token["flags"]["persistent"], token["entity_type"]), (True, 5))
        token = self.update(persistent=False, entity_type=0)
        self.assertEqual(
            (token["flags"], token["entity_type"]), ({"active": True, "persistent": False}, 0)
        )

    def test_label_and_vector(self):
        self.assertEqual(self.update(label="dog")["label"], "dog")
        self.create(label="cat")
        self.check_error(self.put("/tokens/1", {"label": "cat"}), 409, "RESOURCE_ALREADY_EXISTS")
        self.assertIsNone(self.update(label=None)["label"])
        self.assertIs(self.update(vector=None)["has_vector"], False)
        self.assertIs(self.update(vector=[3, 4])["has_vector"], True)

    def test_refused(self):
        for body, fields in [
            ({"collection": "runtime"}, ["body.collection"]),
            ({"domain": 1}, ["body.domain"]),
            ({"weight": None}, ["body.weight"]),
            ({"weight": 2}, ["body.weight"]),
            ({"id": 7}, ["body.id"]),
            ({"timestamp": 7}, ["body.timestamp"]),
        ]:
            self.check_error(self.put("/tokens/1", body), 422, "VALIDATION_ERROR", fields)
        self.assertEqual(self.get("/tokens/1").data["version"], 1)

    def test_missing(self):
        self.check_error(self.put("/tokens/77", {"weight": 1}), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.put("/tokens/77", {}), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.put("/tokens/0", {"persistent": True}), 404, "RESOURCE_NOT_FOUND")


class Delete(ServerTest):
    def test_once(self):
        self.create(label="cat")
        reply = self.delete("/tokens/1")
        self.assertEqual((reply.status, reply.raw), (204, b""))
        self.assertNotIn("content-type", reply.headers)
        self.check_error(self.delete("/tokens/1"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/tokens/1"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.put("/tokens/1", {}), 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(self.get("/tokens").data["total"], 0)
        self.assertNotEqual(self.create(label="cat")["id"], 1)


class List(ServerTest):
    def ids(self, query=""):
        reply = self.get("/tokens" + query)
        self.assertEqual(reply.status, 200, reply.body)
        return [token["id"] for token in reply.data["tokens"]]

    def test_empty(self):
        expected = {"tokens": [], "total": 0, "limit": 10, "offset": 0, "next_after": None}
        self.assertEqual(self.get("/tokens").data, expected)
        self.assertEqual(self.ids("?after=5&offset=7"), [])

    def test_pages(self):
        for i in range(25):
            self.create(label=f"t{i}")
        self.assertEqual(self.ids(), list(range(1, 11)))
        self.assertEqual(self.ids("?limit=100"), list(range(1, 26)))
        self.assertEqual(self.ids("?limit=3&offset=20"), [21, 22, 23])
        self.assertEqual(self.ids("?limit=10&offset=20"), [21, 22, 23, 24, 25])
        self.assertEqual(self.ids("?offset=25"), [])
        self.assertEqual(self.ids("?offset=4294967295"), [])
        self.assertEqual(self.ids("?limit=2&after=7"), [8, 9])
        self.assertEqual(self.ids("?limit=2&after=7&offset=3"), [11, 12])
        self.assertEqual(self.ids("?after=1000"), [])
        page = self.get("/tokens?limit=2&offset=1").data
        self.assertEqual(
            (page["total"], page["limit"], page["offset"], page["next_after"]), (25, 2, 1, 3)
        )

    def test_cursor_walks_everything_while_tokens_go(self):
        for _ in range(30):
            self.create()
        for gone in [3, 10, 11, 30]:
            self.delete(f"/tokens/{gone}")
        seen, after = [], 0
        while after is not None:
            page = self.get(f"/tokens?limit=4&after={after}").data
            seen += [token["id"] for token in page["tokens"]]
            after = page["next_after"]
        self.assertEqual(seen, [i for i in range(1, 31) if i not in (3, 10, 11, 30)])

    def test_far_offset(self):
        self.create()
        self.assertEqual(self.ids("?offset=5000"), [])

    def test_collections(self):
        self.create()
        self.create(collection="semantic", label="cat")
        self.create()
        self.assertEqual(self.ids(), [1, 3])
        self.assertEqual(self.ids("?collection=semantic"), [2])
        self.assertEqual(self.ids("?collection=*"), [1, 2, 3])
        self.assertEqual(self.get("/tokens?collection=*").data["total"], 3)
        self.assertEqual(self.get("/tokens?collection=semantic").data["total"], 1)
        self.check_error(self.get("/tokens?collection=nope"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/tokens?collection="), 404, "RESOURCE_NOT_FOUND")

    def test_bad_parameters(self):
        for query, fields in [
            ("?limit=0", ["query.limit"]),
            ("?limit=101", ["query.limit"]),
            ("?limit=-1", ["query.limit"]),
            ("?limit=", ["query.limit"]),
            ("?limit", ["query.limit"]),
            ("?limit=1.5", ["query.limit"]),
            ("?limit=x&offset=-3", ["query.limit", "query.offset"]),
            ("?offset=4294967296", ["query.offset"]),
            (f"?after={2**64}", ["query.after"]),
            (f"?after={2**64 - 1}", ["query.after"]),
            ("?after=x", ["query.after"]),
            ("?limti=5", ["query"]),
            ("?limit=1%00", ["query.limit"]),
        ]:
            with self.subTest(query=query):
                self.check_error(self.get("/tokens" + query), 422, "VALIDATION_ERROR", fields)
        many = "&".join(f"a{i}=1" for i in range(20))
        self.check_error(self.get("/tokens?" + many), 422, "VALIDATION_ERROR", ["query"])


if __name__ == "__main__":
    unittest.main()
