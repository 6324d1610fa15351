#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Connections: link with every field and --upsert, connection, connections, unlink, apply."""
import json
import unittest

from cli_support import CliTest


class ConnectionsTest(CliTest):
    def setUp(self):
        super().setUp()
        for label in ("dog", "animal", "cat"):
            self.ok("put", label, "--at", "physical=0,0,0")

    def connection(self, number):
        return self.json("connection", str(number))["connection"]

    def ids(self, *options):
        return [int(row[0]) for row in self.rows("connections", *options)]

    def test_link_every_field(self):
        done = self.json(
            "link", "dog", "animal", "-t", "hyper-nym", "--mutability", "learnable", "--pull",
            "-2.5", "--distance", "7.25", "--rigidity", "0.2", "--confidence", "0.8",
            "--learning-rate", "0.4", "--decay-rate", "0.6", "--origin", "7", "--level", "L1",
            "--level", "emotional", "--target", "physical=12.5", "--target", "L6=-0.25", "--set",
            "user,decaying", "--clear", "active", "--bidirectional")
        link = done["connection"]
        self.assertEqual((done["id"], done["created"]), (1, True))
        self.assertEqual((link["type"], link["category"]), ("Hypernym", "Semantic"))
        self.assertEqual(link["flags"], ["bidirectional", "decaying", "user"])
        self.assertEqual(link["levels"], ["physical", "emotional"])
        self.assertEqual(link["target_vector"], {"physical": 12.5, "social": -0.25})
        self.assertEqual((link["pull"], link["distance"], link["origin"]), (-2.5, 7.25, 7))
        self.assertEqual((link["rigidity"], link["stored_confidence"]), (0.2, 0.8))
        self.assertEqual((link["learning_rate"], link["decay_rate"]), (0.4, 0.6))

    def test_upsert(self):
        self.assertEqual(self.ok("link", "dog", "cat"), "1\n")
        self.fails(7, "already joins", "link", "dog", "cat")
        done = self.json("link", "dog", "cat", "--upsert", "--pull", "3")
        self.assertEqual((done["id"], done["created"]), (1, False))
        self.assertEqual(done["connection"]["pull"], 3)
        self.assertTrue(self.json("link", "cat", "dog", "--upsert")["created"])

    def test_target_of_a_token(self):
        self.ok("put", "place", "--at", "temporal=1.5,0,0")
        link = self.json("link", "dog", "cat", "--target-of", "place")["connection"]
        self.assertEqual(link["target_vector"], {"temporal": 1.5})
        self.fails(3, "nowhere", "link", "cat", "dog", "--target-of", "nowhere")

    def test_wrong_options(self):
        before = self.state()
        for option, value in {"--set": "loud", "--clear": "active,loud", "--target": "physical",
                              "--mutability": "fixed", "--level": "L9", "--origin": "-1",
                              "--type": "Magic"}.items():
            self.fails(2, option, "link", "dog", "cat", option, value)
        self.fails(2, "not a number", "link", "dog", "cat", "--target", "physical=x")
        self.fails(2, "both set and cleared", "link", "dog", "cat", "--set", "user", "--clear",
                   "user")
        self.assertEqual(self.state(), before)

    def test_show(self):
        self.ok("link", "dog", "cat", "--mutability", "hypothesis", "--set", "user")
        rows = dict(self.rows("connection", "1"))
        self.assertEqual(rows["connection"], "dog -AssociatedWith-> cat")
        self.assertEqual((rows["mutability"], rows["flags"]), ("hypothesis", "active,user"))
        self.assertEqual((rows["activated"], rows["levels"]), ("never", "none"))
        self.assertEqual(self.connection("#1")["id"], 1)
        self.fails(3, "connection 2 not found", "connection", "2")
        self.fails(2, "id 0", "connection", "0")
        self.fails(2, "'x'", "connection", "x")
        self.fails(2, "give the id", "connection")

    def test_change(self):
        self.ok("link", "dog", "cat", "--type", "cause")
        before = self.connection(1)
        after = self.json("connection", "1", "--pull", "4", "--set", "user")["connection"]
        self.assertEqual(after, {**before, "pull": 4, "flags": ["active", "modified", "user"]})
        self.assertEqual(self.json("connection", "1", "--type", "hypernym")["connection"]
                         ["mutability"], "immutable")
        self.fails(2, "pull_strength 11", "connection", "1", "--pull", "11")
        self.ok("link", "dog", "cat", "--type", "cause")
        self.fails(7, "already joins", "connection", "1", "--type", "cause")

    def test_activate_and_force(self):
        self.ok("put", "far", "--at", "physical=3,4,0")
        self.ok("link", "dog", "far", "--rigidity", "1", "--confidence", "1", "--pull", "2",
                "--distance", "3")
        done = self.json("connection", "1", "--activate", "--force", "physical")
        self.assertEqual(done["connection"]["activation_count"], 1)
        self.assertEqual(done["force"], {"space": "physical", "distance": 5, "force": 4})
        self.assertIsNone(self.json("connection", "1", "--force", "L6")["force"]["force"])
        self.assertIn("force\tphysical\t4 at distance 5",
                      self.ok("connection", "1", "--force", "physical"))

    def test_list(self):
        self.ok("link", "dog", "animal", "--type", "hypernym")
        self.ok("link", "dog", "cat", "--mutability", "hypothesis", "--confidence", "0.2")
        self.ok("link", "cat", "dog", "--type", "cause", "--set", "user", "--clear", "active")
        self.ok("put", "word", "--collection", "semantic")
        self.ok("link", "cat", "word", "--type", "cause")
        self.assertEqual(self.rows("connections", "-n", "1"),
                         [["1", "dog", "Hypernym", "animal", "immutable", "1", "0", "active"]])
        for options, wanted in [
                ([], [1, 2, 3, 4]), (["--type", "cause,hypernym"], [1, 3, 4]),
                (["--category", "Causal"], [3, 4]), (["--mutability", "immutable"], [1]),
                (["--flags", "user"], [3]), (["--flags", "active,!user"], [1, 2, 4]),
                (["--max-confidence", "0.3"], [2]), (["--min-confidence", "0.9"], [1]),
                (["--target-collection", "semantic"], [4]),
                (["--source-collection", "semantic"], []),
                (["--after", "2"], [3, 4]), (["--offset", "3"], [4]),
                (["--category", "Causal", "--offset", "1"], [4])]:
            self.assertEqual(self.ids(*options), wanted, options)
        page = self.json("connections", "-n", "2")
        self.assertEqual((page["next"], len(page["connections"])), (2, 2))
        self.assertEqual(page["connections"][1], self.connection(2) | {
            "confidence": page["connections"][1]["confidence"]})
        self.assertIsNone(self.json("connections", "-n", "4")["next"])

    def test_count(self):
        self.ok("link", "dog", "animal", "--type", "hypernym")
        self.ok("link", "dog", "cat")
        self.assertEqual(self.rows("connections", "--count"),
                         [["Hypernym", "Semantic", "1"], ["AssociatedWith", "Associative", "1"],
                          ["total", "", "2"]])
        counts = self.json("connections", "--count", "--type", "hypernym")
        self.assertEqual(counts, {"total": 1, "active": 1, "by_mutability":
                                  {"immutable": 1, "learnable": 0, "hypothesis": 0},
                                  "by_type": {"Hypernym": 1}})

    def test_list_refused(self):
        for option, value in {"--type": "Magic", "--category": "Magic", "--mutability": "fixed",
                              "--flags": "loud"}.items():
            self.fails(2, option, "connections", option, value)
        self.fails(2, "confidence", "connections", "--min-confidence", "2")
        self.fails(3, "nope", "connections", "--source-collection", "nope")
        self.fails(2, "unexpected", "connections", "7")

    def test_unlink_many(self):
        for target in ("animal", "cat"):
            self.ok("link", "dog", target)
        before = self.state()
        self.fails(3, "connection 9", "unlink", "1", "9")
        self.assertEqual(self.state(), before)
        self.assertEqual(self.json("unlink", "2", "1", "2")["removed"], [2, 1, 2])
        self.assertEqual(self.ids(), [])
        self.assertEqual(self.state()["applied_seq"], before["applied_seq"] + 1)

    def test_apply(self):
        self.ok("link", "dog", "cat")
        ops = [
            {"op": "put_connection", "as": "c", "source": "dog", "target": "animal",
             "type": "hypernym", "user": True},
            {"op": "put_connection", "source": "dog", "target": "cat", "rigidity": 0.2},
            {"op": "update_connection", "connection": "$c", "pull": 2, "active": False,
             "target_vector": {"physical": 1.5}, "origin": 3},
            {"op": "update_connection", "connection": 1, "target_of": "cat", "decaying": True},
            {"op": "activate", "connection": "$c"},
            {"op": "activate", "connection": 1}]
        text = "".join(json.dumps(op) + "\n" for op in ops).encode()
        done = self.json("apply", "-", stdin=text)
        self.assertEqual([op["id"] for op in done["ops"]], [2, 1, 2, 1, 2, 1])
        link = self.connection(2)
        self.assertEqual((link["pull"], link["origin"], link["activation_count"]), (2, 3, 1))
        self.assertEqual(link["target_vector"], {"physical": 1.5})
        self.assertEqual(link["flags"], ["active", "modified", "user"])
        self.assertAlmostEqual(self.connection(1)["rigidity"], 52 / 255, 6)
        before = self.state()
        for text, op in [
                ("connection: the field is missing", {"op": "activate"}),
                ("does not belong", {"op": "activate", "connection": 1, "pull": 1}),
                ("does not belong", {"op": "update_connection", "connection": 1, "source": "cat"}),
                ("source: the field is missing", {"op": "put_connection", "target": "cat"}),
                ("origin", {"op": "update_connection", "connection": 1, "origin": -1}),
                ("target_vector", {"op": "update_connection", "connection": 1,
                                   "target_vector": {"L9": 1}})]:
            self.fails(6, text, "apply", "-", stdin=json.dumps(op).encode() + b"\n")
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
