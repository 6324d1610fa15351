# SPDX-License-Identifier: AGPL-3.0-or-later
"""Connections over HTTP: every field, every bound, lists, pages, batches."""

import unittest

from http_server import API, ServerTest, send

FLAGS = [
    "active",
    "persistent",
    "bidirectional",
    "inhibitory",
    "modified",
    "reinforced",
    "decaying",
    "user",
]
NO_TARGET = {f"L{level}": 0.0 for level in range(1, 9)}


class ConnectionTest(ServerTest):
    def setUp(self):
        super().setUp()
        for label in ("one", "two", "three"):
            self.create(label=label)

    def link(self, source, target, **fields):
        reply = self.post("/connections", {"source": source, "target": target, **fields})
        self.assertEqual(reply.status, 201, reply.body)
        return reply.data

    def ids(self, path):
        reply = self.get(path)
        self.assertEqual(reply.status, 200, reply.body)
        return [connection["id"] for connection in reply.data["connections"]]


class Create(ConnectionTest):
    def test_defaults(self):
        connection = self.link(1, 2)
        self.assertEqual((connection["source_id"], connection["target_id"]), (1, 2))
        self.assertEqual(connection["connection_type"], "AssociatedWith")
        self.assertEqual(connection["type_code"], 0x50)
        self.assertEqual(connection["category"], "Associative")
        self.assertEqual(connection["mutability"], "learnable")
        self.assertEqual(connection["flags"], {flag: flag == "active" for flag in FLAGS})
        self.assertEqual(connection["active_levels"], [])
        self.assertEqual((connection["pull_strength"], connection["preferred_distance"]), (0.0, 1.0))
        self.assertEqual(connection["confidence"], connection["stored_confidence"])
        self.assertEqual((connection["activation_count"], connection["evidence_count"]), (0, 0))
        self.assertIsNone(connection["last_activation"])
        self.assertEqual(connection["created_at"], connection["last_update"])
        self.assertEqual(connection["origin"], 0)
        self.assertEqual(connection["target_vector"], NO_TARGET)
        self.assertEqual(self.get("/connections/1").data, connection)
        self.assertEqual(self.get("/tokens/1").data["out_degree"], 1)

    def test_every_field(self):
        connection = self.link(
            1,
            3,
            connection_type="hyper-nym",
            mutability="Learnable",
            flags={"inhibitory": True, "active": False, "user": True},
            active_levels=["L1", "emotional"],
            rigidity=0.2,
            pull_strength=-2.5,
            preferred_distance=7.25,
            confidence=0.8,
            learning_rate=0.4,
            decay_rate=0.6,
            origin=7,
            target_vector={"L1": 12.5, "social": -0.25, "L3": None},
        )
        self.assertEqual(connection["connection_type"], "Hypernym")
        self.assertEqual(connection["mutability"], "learnable")
        self.assertEqual(
            connection["flags"], {flag: flag in ("inhibitory", "user") for flag in FLAGS}
        )
        self.assertEqual(connection["active_levels"], ["L1", "L4"])
        self.assertEqual(
            [
                connection[name]
                for name in ("rigidity", "pull_strength", "preferred_distance", "confidence")
            ],
            [0.2, -2.5, 7.25, 0.8],
        )
        self.assertEqual((connection["learning_rate"], connection["decay_rate"]), (0.4, 0.6))
        self.assertEqual(connection["origin"], 7)
        self.assertEqual(
            connection["target_vector"],
            {**{f"L{level}": None for level in range(1, 9)}, "L1": 12.5, "L6": -0.25},
        )

    def test_other_names_of_the_ends(self):
        self.assertEqual(
            self.post("/connections", {"token_a": 2, "token_b": 1}).data["source_id"], 2
        )
        reply = self.post("/connections", {"source_id": 3, "target_id": 1})
        self.assertEqual((reply.status, reply.data["target_id"]), (201, 1))
        self.check_error(
            self.post("/connections", {"source": 1, "token_a": 1, "target": 2}),
            422,
            "VALIDATION_ERROR",
            ["body.token_a"],
        )

    def test_target_of_a_token(self):
        self.create(l7_temporal={"x": 1.5})
        vector = self.link(1, 2, target_token=4)["target_vector"]
        self.assertEqual(vector["L7"], 1.5)
        self.assertIsNone(vector["L1"])
        reply = self.post("/connections", {"source": 1, "target": 3, "target_token": 99})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertIn("00000063", reply.error["message"])

    def test_there_already(self):
        first = self.link(1, 2, connection_type=16)
        reply = self.post("/connections", {"source": 1, "target": 2, "connection_type": "Cause"})
        self.check_error(reply, 409, "RESOURCE_ALREADY_EXISTS")
        self.assertEqual(reply.error["details"]["connection"], first)
        reply = self.post(
            "/connections?upsert=true",
            {"source": 1, "target": 2, "connection_type": "Cause", "pull_strength": 2},
        )
        self.assertEqual((reply.status, reply.data["id"]), (200, first["id"]))
        self.assertEqual(reply.data["pull_strength"], 2.0)
        reply = self.post("/connections?upsert=true", {"source": 2, "target": 1})
        self.assertEqual((reply.status, reply.data["id"]), (201, 2))

    def test_missing_tokens(self):
        reply = self.post("/connections", {"source": 1, "target": 42})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["message"], "Token 0000002A not found")


class Refuse(ConnectionTest):
    def refuse(self, body, fields):
        reply = self.post("/connections", {"source": 1, "target": 2, **body})
        self.check_error(reply, 422, "VALIDATION_ERROR", fields)

    def tearDown(self):
        self.assertEqual(self.get("/connections").data["total"], 0)

    def test_bounds(self):
        for field, values in {
            "connection_type": [-1, 176, "Magic", "x" * 80, True, 1.5],
            "mutability": ["fixed", 1, None],
            "rigidity": [-0.1, 1.1, "0.5"],
            "pull_strength": [10.5, -11, 1e300, "1"],
            "preferred_distance": [0, 100.5, None],
            "confidence": [-0.01, 1.01],
            "learning_rate": [2],
            "decay_rate": [-1],
            "origin": [-1, 2**32],
            "flags": [1, [], "active"],
            "active_levels": ["L1", {"L1": True}],
            "target_vector": [1, []],
            "target_token": ["1", 0],
        }.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.refuse({field: value}, ["body." + field])

    def test_members(self):
        self.refuse({"flags": {"active": 1}}, ["body.flags.active"])
        self.refuse({"flags": {"loud": True}}, ["body.flags.loud"])
        self.refuse({"active_levels": ["L9"]}, ["body.active_levels[0]"])
        self.refuse({"active_levels": ["L1", 2]}, ["body.active_levels[1]"])
        self.refuse({"target_vector": {"L2": "x"}}, ["body.target_vector.L2"])
        self.refuse({"target_vector": {"L0": 1}}, ["body.target_vector.L0"])
        self.refuse({"target_vector": {"L1": 1, "physical": 2}}, ["body.target_vector.physical"])
        self.refuse({"target_vector": {"L2": 5}}, ["body.target_vector"])
        self.refuse({"target_vector": {"L1": 5}, "target_token": 1}, ["body.target_token"])
        reply = self.post(
            "/connections", b'{"source":1,"target":2,"flags":{"user":true,"user":false}}'
        )
        self.check_error(reply, 422, "VALIDATION_ERROR", ["body.flags.user"])

    def test_ends(self):
        self.check_error(
            self.post("/connections", {}),
            422,
            "VALIDATION_ERROR",
            ["body.source", "body.target"],
        )
        self.refuse({"target": 1}, ["body.source"])
        self.refuse({"target": -1}, ["body.target"])
        self.refuse({"id": 1}, ["body.id"])
        self.refuse({"strength": 1, "rigidity": 2}, ["body.strength", "body.rigidity"])
        self.check_error(
            self.post("/connections?upsert=1", {"source": 1, "target": 2}),
            422,
            "VALIDATION_ERROR",
            ["query.upsert"],
        )

    def test_paths(self):
        for method in (self.get, self.delete):
            self.check_error(method("/connections/7"), 404, "RESOURCE_NOT_FOUND")
            self.check_error(
                method("/connections/x"), 422, "VALIDATION_ERROR", ["path.connection_id"]
            )
        self.check_error(self.put("/connections/7", {}), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/connections/7/activate"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/connections/7/force"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/connections/7/nothing"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/connections//force"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.post("/connections/7"), 405, "METHOD_NOT_ALLOWED")
        reply = self.get("/connections/0")
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["message"], "Connection 0 not found")


class Change(ConnectionTest):
    def test_update(self):
        before = self.link(1, 2, connection_type="Cause")
        reply = self.put("/connections/1", {"pull_strength": 1.5, "flags": {"user": True}})
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(
            reply.data,
            {
                **before,
                "pull_strength": 1.5,
                "flags": {**before["flags"], "user": True, "modified": True},
            },
        )
        self.assertEqual(self.put("/connections/1", {}).data, reply.data)
        reply = send(self.connection, "PATCH", API + "/connections/1", {"connection_type": "Hypernym"})
        self.assertEqual(
            (reply.data["mutability"], reply.data["confidence"]), ("immutable", 1.0)
        )
        self.assertEqual(self.get("/connections/1").data, reply.data)

    def test_update_refused(self):
        self.link(1, 2, connection_type="Cause")
        self.link(1, 2, connection_type="Effect")
        reply = self.put("/connections/2", {"connection_type": "Cause"})
        self.check_error(reply, 409, "RESOURCE_ALREADY_EXISTS")
        self.check_error(
            self.put("/connections/2", {"source": 3}), 422, "VALIDATION_ERROR", ["body"]
        )
        self.check_error(
            self.put("/connections/2", {"pull_strength": 11}),
            422,
            "VALIDATION_ERROR",
            ["body.pull_strength"],
        )
        self.check_error(self.put("/connections/2", {"source": 42}), 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(self.put("/connections/2", {"source": 1}).status, 200)
        self.assertEqual(self.get("/connections/2").data["connection_type"], "Effect")

    def test_activate(self):
        before = self.link(1, 2)
        reply = self.post("/connections/1/activate")
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(reply.data["activation_count"], 1)
        self.assertTrue(reply.data["flags"]["reinforced"])
        self.assertIsNotNone(reply.data["last_activation"])
        self.assertGreater(reply.data["rigidity"], before["rigidity"])
        self.assertEqual(self.post("/connections/1/activate", {}).data["activation_count"], 2)
        self.check_error(
            self.post("/connections/1/activate", {"by": 2}), 422, "VALIDATION_ERROR", ["body.by"]
        )

    def test_delete(self):
        self.link(1, 2)
        reply = self.delete("/connections/1")
        self.assertEqual((reply.status, reply.raw), (204, b""))
        self.check_error(self.delete("/connections/1"), 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(self.get("/tokens/1").data["out_degree"], 0)

    def test_force(self):
        self.create(l1_physical={"x": 3, "y": 4})
        self.link(1, 4, rigidity=1, pull_strength=2, preferred_distance=3, confidence=1)
        reply = self.get("/connections/1/force")
        self.assertEqual(
            reply.data, {"id": 1, "space": "physical", "distance": 5.0, "force": 4.0}
        )
        reply = self.get("/connections/1/force?space=L6")
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertIn("social", reply.error["message"])
        self.check_error(
            self.get("/connections/1/force?space=L9"), 422, "VALIDATION_ERROR", ["query.space"]
        )


class Lists(ConnectionTest):
    def setUp(self):
        super().setUp()
        self.create(label="word", collection="semantic")
        self.link(1, 2, connection_type="Cause")
        self.link(2, 3, connection_type="Effect", mutability="hypothesis", confidence=0.2)
        self.link(1, 4, connection_type="Synonym")
        self.link(4, 3, flags={"user": True})
        self.link(3, 1, connection_type="Cause", flags={"bidirectional": True, "active": False})

    def test_pages(self):
        reply = self.get("/connections?limit=2")
        self.assertEqual((reply.data["total"], reply.data["next_after"]), (5, 2))
        self.assertEqual(reply.data["connections"][0], self.get("/connections/1").data)
        self.assertEqual(self.ids("/connections?limit=2&after=2"), [3, 4])
        reply = self.get("/connections?limit=2&after=4")
        self.assertEqual([c["id"] for c in reply.data["connections"]], [5])
        self.assertIsNone(reply.data["next_after"])
        self.assertEqual(self.ids("/connections?offset=3"), [4, 5])
        self.assertEqual(self.ids("/connections?offset=30000"), [])

    def test_filters(self):
        for query, wanted in {
            "type=Cause": [1, 5],
            "type=cause,Synonym": [1, 3, 5],
            "category=causal": [1, 2, 5],
            "category=causal,semantic&type=Synonym": [3],
            "mutability=immutable": [3],
            "mutability=hypothesis,immutable": [2, 3],
            "flags=user": [4],
            "flags=!active": [5],
            "flags=active,!user": [1, 2, 3],
            "confidence_min=0.9": [3],
            "confidence_max=0.3": [2],
            "confidence_min=0.1&confidence_max=0.4": [2],
            "source_collection=semantic": [4],
            "target_collection=semantic": [3],
            "source_collection=runtime&target_collection=runtime": [1, 2, 5],
            "category=causal&offset=1&limit=1": [2],
            "category=causal&after=2": [5],
        }.items():
            with self.subTest(query=query):
                self.assertEqual(self.ids("/connections?" + query), wanted)

    def test_total_of_a_filter(self):
        self.assertIsNone(self.get("/connections?type=Cause").data["total"])
        self.assertEqual(self.get("/connections?type=Cause&count=true&limit=1").data["total"], 2)

    def test_refused(self):
        for query, field in {
            "limit=0": "query.limit",
            "limit=101": "query.limit",
            "type=Nope": "query.type",
            "category=Nope": "query.category",
            "mutability=nope": "query.mutability",
            "flags=nope": "query.flags",
            "confidence_min=2": "query.confidence_min",
            "confidence_max=x": "query.confidence_max",
            "confidence_min=0.5&confidence_max=0.4": "query.confidence_min",
            "source_collection=nope": "query.source_collection",
            "count=yes": "query.count",
            "sort=id": "query",
        }.items():
            with self.subTest(query=query):
                self.check_error(
                    self.get("/connections?" + query), 422, "VALIDATION_ERROR", [field]
                )

    def test_of_a_token(self):
        reply = self.get("/tokens/1/connections")
        self.assertEqual(reply.status, 200, reply.body)
        data = reply.data
        self.assertEqual((data["token_id"], data["total"], data["returned"]), (1, 3, 3))
        self.assertEqual([c["id"] for c in data["connections"]], [3, 1, 5])
        self.assertEqual(
            [c["direction"] for c in data["connections"]], ["outgoing", "outgoing", "incoming"]
        )
        self.assertEqual(data["connections"][0]["target_label"], "word")
        self.assertEqual(data["connections"][2]["source_label"], "three")
        for query, wanted in {
            "direction=outgoing": [3, 1],
            "direction=incoming": [5],
            "direction=outgoing&both_ways=true": [3, 1, 5],
            "type=Cause": [1, 5],
            "category=Semantic": [3],
            "category=Semantic&type=Cause": [],
        }.items():
            with self.subTest(query=query):
                self.assertEqual(self.ids("/tokens/1/connections?" + query), wanted)

    def test_pages_of_a_token(self):
        seen, cursor, totals = [], "", set()
        while cursor is not None:
            query = "?limit=1" + (f"&cursor={cursor}" if cursor else "")
            data = self.get("/tokens/1/connections" + query).data
            seen += [c["id"] for c in data["connections"]]
            totals.add(data["total"])
            cursor = data["next_cursor"]
        self.assertEqual((seen, totals), ([3, 1, 5], {3}))
        for cursor in ("x", "out-", "out-0", "in-1x", "5"):
            self.check_error(
                self.get("/tokens/1/connections?cursor=" + cursor),
                422,
                "VALIDATION_ERROR",
                ["query.cursor"],
            )

    def test_of_a_token_refused(self):
        for query, field in {
            "direction=up": "query.direction",
            "both_ways=1": "query.both_ways",
        }.items():
            self.check_error(
                self.get("/tokens/1/connections?" + query), 422, "VALIDATION_ERROR", [field]
            )
        reply = self.get("/tokens/42/connections")
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["message"], "Token 0000002A not found")
        self.check_error(
            self.get("/tokens/x/connections"), 422, "VALIDATION_ERROR", ["path.token_id"]
        )

    def test_between(self):
        self.link(2, 1, connection_type="After")
        data = self.get("/connections/between?a=1&b=2").data
        self.assertEqual((data["a"], data["b"], data["total"]), (1, 2, 2))
        self.assertEqual(
            [(c["id"], c["direction"]) for c in data["connections"]],
            [(1, "outgoing"), (6, "incoming")],
        )
        self.assertEqual(self.get("/connections/between?a=1&b=1").data["total"], 0)
        self.check_error(
            self.get("/connections/between?a=1"), 422, "VALIDATION_ERROR", ["query.b"]
        )
        reply = self.get("/connections/between?a=1&b=42")
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(reply.error["message"], "Token 0000002A not found")

    def test_types(self):
        data = self.get("/connections/types").data
        self.assertEqual((data["total"], len(data["types"])), (176, 176))
        self.assertEqual(
            data["types"][16],
            {
                "type_code": 16,
                "name": "Cause",
                "category": "Causal",
                "mutability": "learnable",
                "count": None,
            },
        )
        self.assertEqual(data["types"][2]["mutability"], "immutable")
        counted = self.get("/connections/types?count=true").data["types"]
        self.assertEqual(counted[16]["count"], 2)
        self.assertEqual(sum(entry["count"] for entry in counted), 5)


class Batch(ConnectionTest):
    def test_everything_at_once(self):
        self.link(1, 2, connection_type="Cause")
        self.link(2, 3)
        reply = self.post(
            "/connections/batch",
            {
                "create": [
                    {"source": 1, "target": 3},
                    {"token_a": 1, "token_b": 2, "connection_type": "Cause"},
                ],
                "update": [{"id": 1, "connection_type": "Effect", "pull_strength": 3}],
                "upsert": [
                    {"source": 1, "target": 2, "connection_type": "Effect", "rigidity": 0},
                    {"source": 3, "target": 2},
                ],
                "delete": [2],
                "activate": [1, 1],
            },
        )
        self.assertEqual(reply.status, 200, reply.body)
        data = reply.data
        self.assertEqual(data["created"], [3, 4])
        self.assertEqual(data["updated"], [1])
        self.assertEqual(data["deleted"], [2])
        self.assertEqual(data["activated"], [1, 1])
        self.assertEqual(data["upserted"][0], {"id": 1, "created": False})
        self.assertTrue(data["upserted"][1]["created"])
        first = self.get("/connections/1").data
        self.assertEqual((first["connection_type"], first["activation_count"]), ("Effect", 2))
        self.assertEqual(first["pull_strength"], 3.0)
        self.check_error(self.get("/connections/2"), 404, "RESOURCE_NOT_FOUND")
        self.assertEqual(self.get("/connections").data["total"], 4)

    def test_all_or_nothing(self):
        self.link(1, 2)
        reply = self.post(
            "/connections/batch",
            {"activate": [1], "create": [{"source": 1, "target": 3}, {"source": 1, "target": 2}]},
        )
        self.check_error(reply, 409, "RESOURCE_ALREADY_EXISTS")
        self.assertIn("body.create[1]", reply.error["message"])
        reply = self.post("/connections/batch", {"delete": [1, 9]})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")
        self.assertIn("body.delete[1]", reply.error["message"])
        reply = self.post(
            "/connections/batch", {"create": [{"source": 1, "target": 3, "pull_strength": 99}]}
        )
        self.check_error(reply, 422, "VALIDATION_ERROR", ["body.create[0]"])
        self.assertEqual(self.get("/connections").data["total"], 1)
        self.assertEqual(self.get("/connections/1").data["activation_count"], 0)

    def test_refused(self):
        for body, fields in [
            ({"creates": []}, ["body.creates"]),
            ({"create": {}}, ["body.create"]),
            ({"create": [1]}, ["body.create[0]"]),
            ({"create": [{"source": 1}]}, ["body.create[0].target"]),
            ({"update": [{"pull_strength": 1}]}, ["body.update[0].id"]),
            ({"delete": ["1"]}, ["body.delete[0]"]),
            ({"activate": [1, None]}, ["body.activate[1]"]),
            ({"upsert": [{"source": 1, "target": 2, "id": 3}]}, ["body.upsert[0].id"]),
        ]:
            with self.subTest(body=body):
                self.check_error(
                    self.post("/connections/batch", body), 422, "VALIDATION_ERROR", fields
                )
        reply = self.post("/connections/batch", {"delete": [1] * 4097})
        self.check_error(reply, 422, "VALIDATION_ERROR", ["body.delete"])

    def test_nothing_to_do(self):
        reply = self.post("/connections/batch", {})
        self.assertEqual((reply.status, reply.data["seq"]), (200, None))


if __name__ == "__main__":
    unittest.main()
