# SPDX-License-Identifier: AGPL-3.0-or-later
"""Many tokens over HTTP: batches, collections, clearing, examples, lists in both directions."""

import unittest

from http_server import ServerTest


class Batch(ServerTest):
    def test_create_update_delete_as_one_op(self):
        for label in ("a", "b", "c"):
            self.create(label=label)
        reply = self.post(
            "/tokens/batch",
            {
                "create": [{"label": "c", "weight": 0.25}, {"l1_physical": None}],
                "update": [{"id": 2, "label": "a"}, {"id": 1, "label": "z", "persistent": True}],
                "delete": [3],
            },
        )
        # Item 0 wants the label that item 1 gives up: it is not free yet.
        self.assertEqual(reply.status, 409, reply.body)
        self.assertIn("update[0]", reply.error["message"])
        reply = self.post(
            "/tokens/batch",
            {
                "create": [{"label": "c", "weight": 0.25}, {"l1_physical": None}],
                "update": [{"id": 1, "label": "z", "persistent": True}, {"id": 2, "label": "a"}],
                "delete": [3],
            },
        )
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(reply.data["updated"], [1, 2])
        self.assertEqual(reply.data["deleted"], [3])
        self.assertEqual(len(reply.data["created"]), 2)
        self.assertGreater(reply.data["seq"], 3)
        first, second = (self.get(f"/tokens/{token}").data for token in reply.data["created"])
        self.assertEqual((first["label"], first["weight"]), ("c", 0.25))
        self.assertEqual(first["coordinates"]["L1"], [0.0, 0.0, 0.0])
        self.assertEqual((second["weight"], second["coordinates"]["L1"]), (0.5, None))
        self.assertEqual(self.get("/tokens/2").data["label"], "a")
        self.assertEqual(
            self.get("/tokens/1").data["flags"], {"active": True, "persistent": True}
        )
        self.assertEqual(self.get("/tokens/3").status, 404)

    def test_all_or_none(self):
        self.create()
        cases = [
            ({"create": [{}, {"weight": 2}]}, 422, "body.create[1]"),
            ({"create": [{}], "update": [{"id": 1}, {"id": 77}]}, 404, "update[1]"),
            ({"create": [{}], "delete": [1, 99]}, 404, "delete[1]"),
            ({"delete": [1, 1], "create": [{}]}, 422, "body.delete[1]"),
            ({"update": [{"id": 1, "weight": 5}], "create": [{}]}, 422, "body.update[0]"),
            ({"create": [{"label": "x"}, {"label": "x"}]}, 409, "create[1]"),
        ]
        for body, status, where in cases:
            reply = self.post("/tokens/batch", body)
            self.assertEqual(reply.status, status, reply.body)
            self.assertIn(where, reply.error["message"])
        self.assertEqual(self.get("/tokens").data["total"], 1)

    def test_what_is_wrong_is_listed(self):
        reply = self.post(
            "/tokens/batch",
            {
                "create": [{"weight": "x"}, 5, {"colour": 1}, {"l1_physical": {"w": 1}}],
                "update": [{"weight": 1}, {"id": 0}, {"id": 1, "collection": "runtime"}],
                "delete": ["a", 0, -1],
                "burn": [],
            },
        )
        self.assertEqual(reply.status, 422)
        self.assertEqual(
            sorted(reply.fields),
            sorted(
                [
                    "body.burn",
                    "body.create[0].weight",
                    "body.create[1]",
                    "body.create[2].colour",
                    "body.create[3].l1_physical.w",
                    "body.update[0].id",
                    "body.update[1].id",
                    "body.update[1].id",
                    "body.update[2].collection",
                    "body.delete[0]",
                    "body.delete[1]",
                    "body.delete[2]",
                ]
            ),
        )
        for body in ({}, {"create": []}, {"create": [{}] * 4097}, {"create": {}}, {"delete": 3}):
            self.assertEqual(self.post("/tokens/batch", body).status, 422)
        self.assertEqual(self.post("/tokens/batch", b'{"delete":[1],"delete":[1]}').status, 422)
        self.assertEqual(self.get("/tokens/batch").status, 422)

    def test_a_large_one(self):
        reply = self.post("/tokens/batch", {"create": [{"vector": [1, 0.5]}] * 4096})
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(reply.data["created"], list(range(1, 4097)))
        self.assertIs(self.get("/tokens/4096").data["has_vector"], True)


class Examples(ServerTest):
    def test_two_tokens(self):
        reply = self.post("/tokens/examples/create")
        self.assertEqual((reply.status, reply.data["count"]), (200, 2))
        first, second = reply.data["examples"]
        self.assertEqual((first["entity_type"], first["weight"]), (1, 0.7))
        self.assertIs(first["flags"]["persistent"], True)
        self.assertEqual(first["coordinates"]["L1"], [10.5, 20.3, 1.5])
        self.assertEqual((second["entity_type"], second["weight"]), (5, 0.8))
        self.assertEqual(second["coordinates"]["L4"], [0.8, 0.5, 0.3])
        self.assertEqual(self.get("/tokens").data["total"], 2)


class Collections(ServerTest):
    def test_life(self):
        self.assertEqual(
            [c["name"] for c in self.get("/collections").data["collections"]],
            ["runtime", "semantic"],
        )
        reply = self.post("/collections", {"name": "robot.1"})
        self.assertEqual(reply.status, 201, reply.body)
        self.assertEqual(
            reply.data, {"name": "robot.1", "token_count": 0, "active_token_count": 0}
        )
        self.assertEqual(self.post("/collections", {"name": "robot.1"}).status, 200)
        for _ in range(3):
            self.create(collection="robot.1")
        self.create()
        self.assertEqual(self.get("/collections/robot.1").data["token_count"], 3)
        listed = self.get("/collections").data
        self.assertEqual((listed["total"], listed["collections"][2]["token_count"]), (3, 3))
        reply = self.delete("/tokens/admin/clear?collection=robot.1")
        self.assertEqual((reply.status, reply.data["cleared"]), (200, 3))
        self.assertEqual(self.get("/tokens").data["total"], 1)
        self.create(collection="robot.1")
        reply = self.delete("/collections/robot.1")
        self.assertEqual(
            (reply.status, reply.data), (200, {"name": "robot.1", "deleted": 1})
        )
        self.assertEqual(self.get("/collections/robot.1").status, 404)
        self.assertEqual(self.delete("/collections/robot.1").status, 404)
        self.assertEqual(self.get("/collections").data["total"], 2)

    def test_refused(self):
        for name in ("", "UPPER", "x" * 65, "x" * 100, "a b", "a\0b", 5, None):
            reply = self.post("/collections", {"name": name})
            self.assertEqual((reply.status, reply.fields), (422, ["body.name"]))
        self.assertEqual(self.post("/collections", {}).fields, ["body.name"])
        self.assertEqual(self.post("/collections", {"name": "a", "x": 1}).fields, ["body.x"])
        self.assertEqual(self.delete("/collections/runtime").status, 403)
        self.assertEqual(self.delete("/collections/semantic").status, 403)

    def test_clear(self):
        for _ in range(5):
            self.create()
        reply = self.delete("/tokens/admin/clear")
        self.assertEqual((reply.status, reply.data["cleared"]), (200, 5))
        self.assertIn("5", reply.data["message"])
        self.assertEqual(self.delete("/tokens/admin/clear").data["cleared"], 0)
        self.assertEqual(self.create()["id"], 6)  # ids are never used again
        self.assertEqual(self.delete("/tokens/admin/clear?collection=nope").status, 404)
        self.assertEqual(self.delete("/tokens/admin/clear?all=1").status, 422)
        self.assertEqual(self.get("/tokens/admin/clear").status, 405)


class Lists(ServerTest):
    def ids(self, query):
        reply = self.get("/tokens?" + query)
        self.assertEqual(reply.status, 200, reply.body)
        return [token["id"] for token in reply.data["tokens"]]

    def test_order_and_activity(self):
        self.post("/tokens/batch", {"create": [{}] * 12})
        self.assertEqual(self.ids("order=descending&limit=3"), [12, 11, 10])
        self.assertEqual(self.ids("order=descending&limit=3&after=10&offset=2"), [7, 6, 5])
        self.assertEqual(self.ids("order=ascending&limit=2&offset=3"), [4, 5])
        self.assertEqual(self.ids("active=true&limit=2"), [1, 2])
        reply = self.get("/tokens?order=descending&limit=4&after=5")
        self.assertEqual(reply.data["next_after"], 1)
        self.assertEqual(self.get("/tokens?active=yes").fields, ["query.active"])
        self.assertEqual(self.get("/tokens?order=up").fields, ["query.order"])


if __name__ == "__main__":
    unittest.main()
