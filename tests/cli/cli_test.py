#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Commands that change and show tokens and connections."""
import json
import os
import pty
import subprocess
import unittest

from cli_support import BINARY, DIMENSIONS, CliTest, many_glove_lines, write_glove

SPACES = ["physical", "sensory", "motor", "emotional", "cognitive", "social", "temporal",
          "abstract"]


class PutTest(CliTest):
    def test_creates_a_token_and_prints_its_id(self):
        self.assertEqual(self.ok("put", "cup"), "1\n")
        self.assertEqual(self.ok("put"), "2\n")
        self.assertEqual(self.json("get", "cup")["id"], 1)
        self.assertIsNone(self.json("get", "#2")["label"])

    def test_json(self):
        made = self.json("put", "cup")
        self.assertEqual((made["id"], made["label"], made["collection"], made["created"],
                          made["version"]), (1, "cup", "runtime", True, 1))
        self.assertGreater(made["seq"], 0)

    def test_every_field(self):
        self.ok("put", "cup", "--weight", "0.25", "--radius", "0.5", "--strength", "1", "--entity",
                "object", "--persistent", "--at", "physical=1.5,-2,0.25", "--at",
                "L4=0.5,0,-0.5", "--vector", "1,2.5,-3")
        token = self.json("get", "cup", "--vector")
        self.assertEqual(token["weight"], 0.25)
        self.assertEqual(token["field_radius"], 0.5)
        self.assertEqual(token["field_strength"], 1)
        self.assertEqual(token["entity"], "object")
        self.assertEqual(token["flags"], ["active", "persistent"])
        self.assertEqual(token["spaces"]["physical"], [1.5, -2, 0.25])
        self.assertEqual(token["spaces"]["emotional"], [0.5, 0, -0.5])
        self.assertEqual([s for s in SPACES if token["spaces"][s] is not None],
                         ["physical", "emotional"])
        self.assertEqual(token["vector"], [1, 2.5, -3])
        self.assertEqual(token["vector_dimensions"], 3)

    def test_changes_what_is_named_and_keeps_the_rest(self):
        self.ok("put", "cup", "--weight", "0.5", "--entity", "3", "--at", "physical=1,2,3")
        changed = self.json("put", "cup", "--radius", "2", "--persistent")
        self.assertFalse(changed["created"])
        self.assertEqual((changed["id"], changed["version"]), (1, 2))
        token = self.json("get", "cup")
        self.assertEqual((token["weight"], token["field_radius"], token["entity"]),
                         (0.5, 2, "state"))
        self.assertEqual(token["flags"], ["active", "persistent"])
        self.assertEqual(token["spaces"]["physical"], [1, 2, 3])
        self.ok("put", "cup", "--no-persistent", "--leave", "physical")
        token = self.json("get", "cup")
        self.assertEqual((token["flags"], token["entity"]), (["active"], "state"))
        self.assertIsNone(token["spaces"]["physical"])

    def test_by_id_renames_and_removes_the_label_and_the_vector(self):
        self.ok("put", "cup", "--vector", "1,2")
        self.assertEqual(self.ok("put", "--id", "1", "mug"), "1\n")
        self.assertEqual(self.json("get", "mug")["id"], 1)
        self.ok("put", "--id", "#1", "--no-label", "--no-vector")
        token = self.json("get", "#1")
        self.assertEqual((token["label"], token["vector_dimensions"]), (None, 0))

    def test_collections(self):
        self.ok("put", "cup")
        self.assertTrue(self.json("put", "cup", "--collection", "robot")["created"])
        self.assertEqual(self.json("get", "cup")["id"], 1)
        self.assertEqual(self.json("get", "cup", "--collection", "robot")["id"], 2)
        self.assertEqual(self.json("stats")["collections"]["robot"], 1)

    def test_labels_that_look_like_ids(self):
        self.assertEqual(self.ok("put", "7"), "1\n")
        self.assertEqual(self.json("get", "7")["id"], 1)
        self.assertEqual(self.json("get", "1")["label"], "7")
        self.assertEqual(self.ok("put", "label:#7"), "2\n")
        self.assertEqual(self.json("get", "label:#7")["label"], "#7")
        self.assertEqual(self.json("get", "#2")["label"], "#7")

    def test_negative_numbers_and_a_label_that_looks_like_an_option(self):
        self.ok("put", "--at", "physical=-1,-2,-3", "--", "--weight")
        self.assertEqual(self.json("get", "--", "--weight")["spaces"]["physical"], [-1, -2, -3])


class GetTest(CliTest):
    def setUp(self):
        super().setUp()
        for label in ("dog", "canine", "animal"):
            self.ok("put", label)
        self.ok("link", "dog", "canine", "--type", "hypernym")
        self.ok("link", "dog", "animal", "--type", "Hypernym")
        self.ok("link", "animal", "dog")

    def test_text(self):
        rows = dict(self.rows("get", "dog"))
        self.assertEqual(rows["id"], "1")
        self.assertEqual(rows["label"], "dog")
        self.assertEqual(rows["collection"], "runtime")
        self.assertEqual(rows["out degree"], "2")
        self.assertEqual(rows["in degree"], "1")
        self.assertEqual(rows["outgoing Hypernym"], "2")
        self.assertEqual(rows["incoming AssociatedWith"], "1")
        self.assertNotIn("vector", rows)

    def test_connections(self):
        token = self.json("get", "dog", "--connections")
        self.assertEqual(token["outgoing_by_type"], {"Hypernym": 2})
        self.assertEqual(token["incoming_by_type"], {"AssociatedWith": 1})
        self.assertEqual(sorted((c["type"], c["source"]["label"], c["target"]["label"])
                                for c in token["connections"]),
                         [("AssociatedWith", "animal", "dog"), ("Hypernym", "dog", "animal"),
                          ("Hypernym", "dog", "canine")])
        rows = self.rows("get", "dog", "--connections", "--limit", "1")
        self.assertEqual([row[1] for row in rows if row[0].startswith("connection ")],
                         ["dog -Hypernym-> animal"])

    def test_vector_goes_back_into_put(self):
        self.ok("put", "dog", "--vector", "0.1,-2,3e-7")
        rows = dict(self.rows("get", "dog", "--vector"))
        self.ok("put", "cat", "--vector", rows["vector"])
        self.assertEqual(self.json("get", "cat", "--vector")["vector"],
                         self.json("get", "dog", "--vector")["vector"])


class GetManyTest(CliTest):
    def test_several(self):
        for label in ("a", "b"):
            self.ok("put", label)
        several = self.json("get", "b", "#1")
        self.assertEqual([token["label"] for token in several["tokens"]], ["b", "a"])
        self.assertEqual(several["tokens"][1], self.json("get", "a"))
        self.assertEqual(self.ok("get", "a", "b").split("\n\n")[0] + "\n", self.ok("get", "a"))
        self.fails(3, "'c'", "get", "a", "c")
        self.assertEqual(self.run_cli("get", "a", "c").stdout, b"")
        self.fails(2, "which token", "get")


class RemoveTest(CliTest):
    def test_removes_tokens_with_their_connections(self):
        for label in ("a", "b", "c"):
            self.ok("put", label)
        self.ok("link", "a", "b")
        self.assertEqual(self.json("rm", "a", "#3"),
                         {"removed": [{"id": 1, "label": "a", "connections": 1},
                                      {"id": 3, "label": "c", "connections": 0}]})
        self.assertEqual(self.json("stats")["token_count"], 1)
        self.assertEqual(self.json("stats")["connection_count"], 0)
        self.assertEqual(self.rows("rm", "b"), [["2", "b", "0"]])

    def test_one_that_is_named_twice_counts_once(self):
        self.ok("put", "a")
        self.assertEqual(len(self.json("rm", "a", "#1", "1")["removed"]), 1)

    def test_none_is_removed_when_one_does_not_exist(self):
        self.ok("put", "a")
        before = self.state()
        self.fails(3, "'b'", "rm", "a", "b")
        self.assertEqual(self.state(), before)


class RemoveCollectionTest(CliTest):
    def setUp(self):
        super().setUp()
        for label in ("a", "b", "c"):
            self.ok("put", "--collection", "session", label)
        self.ok("put", "kept")

    def test_needs_a_word(self):
        self.fails(2, "all 3 tokens of 'session'", "rm", "--collection", "session")
        self.fails(2, "--drop is for", "rm", "--drop", "kept")
        self.fails(2, "--yes is for", "rm", "--yes", "kept")
        self.fails(3, "nothing", "rm", "--collection", "nothing", "--yes")
        self.fails(7, "runtime", "rm", "--collection", "runtime", "--drop", "--yes")
        self.assertEqual(self.ok("count"), "4\n")

    def test_empties(self):
        self.assertEqual(self.ok("rm", "--collection", "session", "--yes"), "3\n")
        self.assertEqual(self.json("count", "--collection", "session"),
                         {"collection": "session", "tokens": 0, "active": 0})
        self.assertEqual(self.json("count"), {"collection": None, "tokens": 1, "active": 1})

    def test_drops(self):
        self.assertEqual(self.json("rm", "--collection", "session", "--drop", "--yes"),
                         {"collection": "session", "removed_count": 3, "dropped": True})
        self.fails(3, "session", "count", "--collection", "session")
        stats = self.json("stats")
        self.assertEqual(stats["collection_count"], 2)
        self.assertNotIn("session", stats["collections"])
        self.fails(3, "'a'", "get", "a")  # is looked for in what is there
        self.ok("put", "--collection", "session", "a")
        self.assertEqual(self.json("get", "a")["collection"], "session")


class LinkTest(CliTest):
    def setUp(self):
        super().setUp()
        for label in ("a", "b", "c"):
            self.ok("put", label)

    def test_link_and_unlink(self):
        self.assertEqual(self.ok("link", "a", "b"), "1\n")
        made = self.json("link", "a", "b", "--type", "Hypernym",
                         "--bidirectional", "--pull", "-2.5", "--distance", "3", "--rigidity",
                         "1", "--confidence", "0.5", "--mutability", "learnable", "--level",
                         "physical", "--inhibitory", "--persistent")
        self.assertEqual(made["id"], 2)
        self.assertEqual(made["connection"]["type"], "Hypernym")
        self.assertEqual(made["connection"]["source"], {"id": 1, "label": "a"})
        self.assertEqual(made["connection"]["target"], {"id": 2, "label": "b"})
        self.assertTrue(made["connection"]["bidirectional"])
        self.assertEqual(self.ok("unlink", "1"), "1\n")
        self.assertEqual(self.json("unlink", "#2", "2"), {"removed": [2, 2]})
        self.assertEqual(self.json("stats")["connection_count"], 0)

    def test_none_is_unlinked_when_one_does_not_exist(self):
        self.ok("link", "a", "b")
        before = self.state()
        self.fails(3, "2", "unlink", "1", "2")
        self.assertEqual(self.state(), before)

    def test_errors(self):
        self.ok("link", "a", "b")
        before = self.state()
        self.fails(7, "1", "link", "a", "b")
        self.fails(2, "self", "link", "a", "a")
        self.fails(2, "--type", "link", "a", "c", "--type", "nothing_like_it")
        self.fails(2, "--pull", "link", "a", "c", "--pull", "nan")
        self.fails(2, "11", "link", "a", "c", "--pull", "11")
        self.fails(2, "--mutability", "link", "a", "c", "--mutability", "sometimes")
        self.fails(2, "a source and a target", "link", "a")
        self.fails(3, "'z'", "link", "a", "z")
        self.fails(2, "id 0 is not a connection", "unlink", "0")
        self.fails(2, "'x'", "unlink", "x")
        self.assertEqual(self.state(), before)


class ListTest(CliTest):
    def setUp(self):
        super().setUp()
        for label in ("a", "b"):
            self.ok("put", label, "--at", "physical=1,2,3", "--at", "motor=0,0,0")
        self.ok("put", "c", "--collection", "robot", "--entity", "goal", "--weight", "0.5")

    def test_text_and_json(self):
        self.assertEqual(self.rows("ls"),
                         [["1", "a", "runtime", "undefined", "1", "physical,motor"],
                          ["2", "b", "runtime", "undefined", "1", "physical,motor"],
                          ["3", "c", "robot", "goal", "0.5", ""]])
        listed = self.json("ls", "--limit", "2")
        self.assertEqual([t["label"] for t in listed["tokens"]], ["a", "b"])
        self.assertEqual(listed["tokens"][0]["spaces"], ["physical", "motor"])
        self.assertEqual(listed["next"], 2)
        rest = self.json("ls", "--after", "2")
        self.assertEqual(([t["id"] for t in rest["tokens"]], rest["next"]), ([3], None))

    def test_limit_that_is_exactly_the_count_has_no_next(self):
        self.assertIsNone(self.json("ls", "--limit", "3")["next"])

    def test_collections(self):
        self.assertEqual([r[1] for r in self.rows("ls", "--collection", "robot")], ["c"])
        self.assertEqual([r[1] for r in self.rows("ls", "--collection", "all")], ["a", "b", "c"])
        self.assertEqual(self.rows("ls", "--collection", "semantic"), [])
        self.fails(3, "nobody", "ls", "--collection", "nobody")

    def test_more_than_a_page(self):
        self.json("load", write_glove(self.path("many.txt"), many_glove_lines(2500)))
        listed = self.json("ls", "--collection", "semantic")["tokens"]
        self.assertEqual([t["label"] for t in listed], [f"w{i}" for i in range(2500)])
        self.assertEqual(len(self.rows("ls", "--collection", "semantic", "--limit", "1000")), 1000)
        self.assertEqual(len(self.rows("ls", "--collection", "semantic", "--limit", "1001")), 1001)


class ListOrderTest(CliTest):
    def test_pages_and_order(self):
        for number in range(1, 8):
            self.ok("put", f"t{number}")
        ids = lambda *args: [row[0] for row in self.rows("ls", *args)]
        self.assertEqual(ids("--offset", "5"), ["6", "7"])
        self.assertEqual(ids("--after", "2", "--offset", "1", "--limit", "2"), ["4", "5"])
        self.assertEqual(ids("--descending", "--limit", "3"), ["7", "6", "5"])
        self.assertEqual(ids("--descending", "--after", "3"), ["2", "1"])
        self.assertEqual(ids("--active"), ["1", "2", "3", "4", "5", "6", "7"])
        page = self.json("ls", "--descending", "--limit", "2")
        self.assertEqual(page["next"], 6)
        self.assertEqual(self.ok("count", "--active"), "7\n")
        self.fails(2, "unexpected argument", "count", "x")


class NeighborsTest(CliTest):
    def setUp(self):
        super().setUp()
        for x in range(5):
            self.ok("put", f"p{x}", "--at", f"physical={x},0,0")
        self.ok("put", "nowhere")
        self.ok("put", "robot arm", "--collection", "robot", "--at", "physical=0,0.5,0")

    def test_of_a_token(self):
        rows = self.rows("neighbors", "p0", "--space", "physical", "--limit", "2")
        self.assertEqual(rows, [["7", "robot arm", "0.5"], ["2", "p1", "1"]])
        answer = self.json("neighbors", "p0", "--space", "L1")
        self.assertEqual([h["label"] for h in answer["hits"]],
                         ["robot arm", "p1", "p2", "p3", "p4"])
        self.assertEqual((answer["space"], answer["token"], answer["at"]),
                         ("physical", 1, [0, 0, 0]))

    def test_within_a_radius(self):
        answer = self.json("neighbors", "p0", "--space", "physical", "--radius", "2")
        self.assertEqual([h["label"] for h in answer["hits"]], ["robot arm", "p1", "p2"])
        self.assertEqual(answer["total"], 3)
        answer = self.json("neighbors", "p0", "--space", "physical", "--radius", "2", "--limit",
                           "1")
        self.assertEqual((len(answer["hits"]), answer["total"]), (1, 3))

    def test_of_a_point_and_in_a_collection(self):
        answer = self.json("neighbors", "--at", "4,0,0", "--space", "physical", "--limit", "1")
        self.assertEqual((answer["hits"][0]["label"], answer["hits"][0]["distance"]), ("p4", 0))
        answer = self.json("neighbors", "p0", "--space", "physical", "--in", "robot")
        self.assertEqual([h["label"] for h in answer["hits"]], ["robot arm"])

    def test_box_metric_and_bound(self):
        near = ("neighbors", "--space", "physical")
        answer = self.json(*near, "--box", "1,-1,-1:3,1,1")
        self.assertEqual([h["label"] for h in answer["hits"]], ["p2", "p1", "p3"])
        self.assertEqual((answer["low"], answer["high"], answer["total"]),
                         ([1, -1, -1], [3, 1, 1], 3))
        self.assertEqual(self.ok(*near, "--box", "1,-1,-1:3,1,1", "--count"), "3\n")
        rows = self.rows(*near, "--at", "1,1,0", "--metric", "manhattan", "--limit", "2")
        self.assertEqual([row[1:] for row in rows], [["p1", "1"], ["robot arm", "1.5"]])
        rows = self.rows(*near, "--at", "3,0,0", "--max-distance", "1")
        self.assertEqual([row[1] for row in rows], ["p3", "p2", "p4"])

    def test_numbers_of_a_place(self):
        near = ("neighbors", "--space", "physical", "--at", "0,0,0", "--radius", "2")
        self.assertEqual(self.ok(*near, "--count"), "4\n")
        answer = self.json(*near, "--density")
        self.assertEqual(answer["count"], 4)
        self.assertAlmostEqual(answer["density"], 4 / (4 / 3 * 3.14159265358979 * 8))
        self.assertEqual(self.ok("neighbors", "p0", "--space", "physical", "--radius", "1",
                                 "--count"), "2\n")
        self.ok("put", "p1", "--radius", "2", "--strength", "1")
        alone = self.json("neighbors", "--space", "physical", "--at", "1,0,0", "--radius", "0.25",
                          "--influence")
        self.assertEqual((alone["influence"], alone["count"]), (1, 1))

    def test_several_spaces(self):
        self.ok("put", "a", "--at", "physical=10,0,0", "--at", "emotional=0.5,0,0")
        self.ok("put", "b", "--at", "physical=12,0,0", "--at", "emotional=0.5,0,0")
        rows = self.rows("neighbors", "a", "--space", "physical", "--weight", "4", "--space",
                         "emotional")
        self.assertEqual([row[1:] for row in rows], [["b", "4"]])
        answer = self.json("neighbors", "--at", "physical=10,0,0", "--at", "emotional=0.5,0,0",
                           "--weight", "2", "--radius", "1")
        self.assertEqual([h["label"] for h in answer["hits"]], ["a"])
        self.assertEqual(answer["spaces"], {"physical": {"at": [10, 0, 0], "weight": 1},
                                            "emotional": {"at": [0.5, 0, 0], "weight": 2}})
        for wrong in (("--at", "1,2,3", "--space", "physical", "--space", "motor"),
                      ("--at", "physical=1,2,3", "--space", "motor"),
                      ("p0", "--space", "physical", "--space", "motor", "--count", "--radius", "1"),
                      ("p0", "--weight", "2"), ("p0", "--space", "physical", "--weight", "0"),
                      ("p0", "--space", "physical", "--weight", "2"), ("p0", "--count"),
                      ("p0", "--box", "0,0,0:1,1,1"), ("--box", "0,0,0"), ("--box", "0,0:1,1,1"),
                      ("--box", "0,0,0:1,1,1", "--radius", "2"),
                      ("--box", "1,1,1:0,0,0", "--space", "physical"),
                      ("p0", "--radius", "1", "--count", "--density"),
                      ("p0", "--radius", "1", "--max-distance", "2"),
                      ("p0", "--max-distance", "-1"), ("p0", "--metric", "cosine")):
            self.fails(2, "", "neighbors", *wrong)

    def test_clusters(self):
        near = ("clusters", "--space", "physical", "--radius", "1")
        self.assertEqual(self.rows(*near), [["1", "6", "4", "1", "1.6666666,0.083333336,0", "2.334821"]])
        self.ok("put", "far", "--at", "physical=9,0,0")
        self.ok("put", "far too", "--at", "physical=9,0,0")
        self.assertEqual([row[1] for row in self.rows(*near, "--min-tokens", "2")], ["6", "2"])
        self.assertEqual(len(self.rows(*near, "--min-tokens", "2", "--limit", "1")), 1)
        answer = self.json(*near, "--members")
        self.assertEqual((answer["space"], answer["radius"], answer["min_tokens"], answer["total"]),
                         ("physical", 1, 3, 1))
        self.assertEqual(list(answer["clusters"][0]),
                         ["tokens", "cores", "lowest_id", "center", "low", "high", "radius"])
        self.assertEqual((answer["clusters"][0]["low"], answer["clusters"][0]["high"]),
                         ([0, 0, 0], [4, 0.5, 0]))
        self.assertEqual([(m["id"], m["cluster"]) for m in answer["members"]],
                         [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (7, 1), (8, 0), (9, 0)])
        self.assertEqual(self.rows(*near, "--members")[6], ["8", "far", "0"])
        self.assertEqual(self.json(*near, "--in", "robot", code=1)["clusters"], [])
        self.ok("grid", "create", "some")
        self.ok("grid", "add", "some", "p1", "p2", "p4")
        self.assertEqual(self.json(*near, "--grid", "some", "--min-tokens", "2")["clusters"][0]["tokens"], 2)
        self.fails(2, "--radius", "clusters", "--space", "physical")
        self.fails(2, "--radius", "clusters", "--radius", "0")
        self.fails(2, "--min-tokens", *near, "--min-tokens", "0")
        self.fails(2, "--metric", *near, "--metric", "cosine")
        self.fails(3, "no grid 'other'", *near, "--grid", "other")

    def test_fields(self):
        fields = ("fields", "--space", "physical")
        self.assertEqual(self.json("fields", "--space", "sensory", code=1),
                         {"space": "sensory", "total": 0, "fields": []})
        for x in range(4):
            self.ok("put", f"f{x}", "--at", f"physical=20,0,0.{x}", "--radius", "0.5")
        rows = self.rows(*fields)
        self.assertEqual([row[:3] for row in rows], [["6", "4", "1"], ["4", "4", "8"]])
        self.assertEqual(len(self.rows(*fields, "--limit", "1")), 1)
        answer = self.json(*fields, "--min-tokens", "4")["fields"][0]
        self.assertEqual(list(answer), ["tokens", "sources", "lowest_id", "center", "radius", "density",
                                        "strength"])
        self.assertAlmostEqual(answer["density"], 4 / (4 / 3 * 3.14159265 * 0.125), places=4)
        self.assertEqual(self.rows(*fields, "--density-threshold", "8", code=1), [])
        self.ok("grid", "create", "five", "--min-field-nodes", "5")
        self.ok("grid", "add", "five", "f0", "f1", "f2", "f3")
        self.rows(*fields, "--grid", "five", code=1)
        self.assertEqual(len(self.rows(*fields, "--grid", "five", "--min-tokens", "3")), 1)
        self.fails(2, "--density-threshold", *fields, "--density-threshold", "-1")

    def test_grids(self):
        self.assertEqual(self.ok("grid", "create", "some"), "1\n")
        self.assertEqual(self.json("grid", "create", "--bucket-size", "2.5", "--min-field-nodes", "7"),
                         {"id": 2, "name": None, "members": 0, "bucket_size": 2.5,
                          "density_threshold": 0.5, "min_field_nodes": 7})
        self.ok("grid", "add", "some", "p1", "p3", "nowhere", "p1")
        self.assertEqual(self.json("grid", "add", "1", "p1", "p4"), {"grid": 1, "added": 1})
        self.assertEqual(self.rows("grid", "list"), [["1", "some", "4"], ["2", "", "0"]])
        near = ("neighbors", "--space", "physical", "--grid", "some")
        rows = self.rows(*near, "--at", "0,0,0")
        self.assertEqual([row[1] for row in rows], ["p1", "p3", "p4"])
        self.assertEqual(self.ok(*near, "--at", "0,0,0", "--radius", "3", "--count"), "2\n")
        self.ok("grid", "remove", "some", "p3")
        self.assertEqual([row[1] for row in self.rows(*near, "p1")], ["p4"])
        self.ok("grid", "drop", "2")
        self.assertEqual([g["name"] for g in self.json("grid", "list")["grids"]], ["some"])
        self.fails(3, "no grid 'other'", "grid", "drop", "other")
        self.fails(3, "no grid '2'", "neighbors", "p0", "--grid", "2")
        self.fails(7, "'some'", "grid", "create", "some")
        self.fails(2, "'Some'", "grid", "create", "Some")
        self.fails(3, "none", "grid", "add", "some", "none")
        for wrong in ((), ("make",), ("create", "a", "b"), ("drop",), ("add", "some"),
                      ("list", "x"), ("create", "--min-field-nodes", "101")):
            self.fails(2, "", "grid", *wrong)

    def test_stats_of_the_spaces(self):
        rows = self.rows("stats", "--spaces")
        self.assertEqual([row[0] for row in rows], SPACES)
        self.assertEqual(rows[0][1:6], ["6", "0,0,0", "4,0.5,0", "1", "0.12"])
        self.assertEqual(rows[1][1:4], ["0", "-", "-"])
        answer = self.json("stats", "--spaces")["indexes"]
        self.assertEqual((answer["physical"]["token_count"], answer["physical"]["high"]),
                         (6, [4, 0.5, 0]))
        self.assertIsNone(answer["motor"]["low"])

    def test_nothing_and_errors(self):
        answer = self.json("neighbors", "--at", "9,9,9", "--space", "physical", "--radius", "1",
                           code=1)
        self.assertEqual(answer["hits"], [])
        self.json("neighbors", "--at", "0,0,0", code=1)
        self.fails(3, "no coordinates in the abstract space", "neighbors", "nowhere")
        self.fails(2, "--at", "neighbors")
        self.fails(2, "--at", "neighbors", "p0", "--at", "1,2,3")
        self.fails(2, "three numbers", "neighbors", "--at", "1,2")
        self.fails(2, "three numbers", "neighbors", "--at", "1,2,3,4")
        self.fails(2, "'' is not", "neighbors", "--at", "1,,3")
        self.fails(2, "--radius", "neighbors", "p0", "--radius", "-1")
        error = self.fails(2, "--space", "neighbors", "p0", "--space", "astral")
        for space in SPACES:
            self.assertIn(space, error)


class StatsTest(CliTest):
    def test_stats(self):
        self.ok("put", "cup", "--vector", ",".join(["1"] * DIMENSIONS))
        stats = self.json("stats", "--hash")
        self.assertEqual((stats["token_count"], stats["label_count"], stats["vector_count"],
                          stats["dimensions"]), (1, 1, 1, DIMENSIONS))
        self.assertEqual(stats["collections"]["runtime"], 1)
        self.assertEqual(stats["applied_seq"], stats["durable_seq"])
        self.assertEqual(sorted(stats["spaces"]), sorted(SPACES))
        self.assertRegex(stats["state_hash"], r"\A[0-9a-f]{16}\Z")
        rows = {(group, key): value for group, key, value in self.rows("stats")}
        self.assertEqual(rows[("Contents", "tokens")], "1")
        self.assertEqual(rows[("Disk", "allocated")], str(stats["disk_bytes"]))
        self.assertEqual(rows[("Store", "uuid")], stats["uuid"])

    def test_memory_by_part(self):
        self.ok("put", "cup", "--vector", ",".join(["1"] * DIMENSIONS))
        memory = self.json("stats", "--memory")["memory"]
        parts = memory["parts"]
        self.assertEqual(memory["bytes"], sum(part["bytes"] for part in parts.values()))
        self.assertEqual(memory["used_bytes"], sum(part["used_bytes"] for part in parts.values()))
        self.assertEqual((parts["tokens"]["items"], parts["tokens"]["used_bytes"]), (1, 64))
        self.assertEqual(parts["vectors"]["used_bytes"], 4 * DIMENSIONS)
        rows = self.rows("stats", "--memory")
        self.assertEqual([row[0] for row in rows], [*parts, "all"])
        self.assertEqual(rows[0][2:4], ["64", "1"])
        self.assertEqual(rows[-1][1], str(sum(int(row[1]) for row in rows[:-1])))

    def test_limits(self):
        def tokens(first):
            return "".join(json.dumps({"op": "create", "label": f"token {i}"}) + "\n"
                           for i in range(first, first + 8000)).encode()
        batch = ("apply", "-", "--batch", "1000")
        self.ok(*batch, "--limits", "seed", stdin=tokens(0))
        self.fails(7, "memory limit of 1200000", *batch, "--memory", "1200000", stdin=tokens(8000))
        self.assertGreaterEqual(self.json("stats")["token_count"], 8000)
        self.ok("rm", "token 7")
        self.fails(2, "neither default nor seed", *batch, "--limits", "none")
        self.fails(2, "from 1048576 on", *batch, "--memory", "10")

    def test_the_store_by_environment_and_by_default(self):
        self.ok("put", "cup", store=None, cwd=self.directory)
        self.assertTrue(os.path.isdir(self.path("neurograph-data")))
        done = subprocess.run([BINARY, "stats", "--json"], capture_output=True, check=True,
                              env=self.environment(NEUROGRAPH_STORE=self.path("neurograph-data")))
        self.assertEqual(json.loads(done.stdout)["token_count"], 1)

    def test_check(self):
        self.ok("put", "cup")
        report = self.json("check")
        self.assertEqual((report["ok"], report["problem_count"], report["first_problem"],
                          report["tokens"]), (True, 0, None, 1))
        self.assertEqual(self.ok("check").splitlines()[-1], "ok")


class TerminalTest(CliTest):
    """What a person sees: aligned columns with a heading."""

    def test_check_of_what_is_missing(self):
        for label in ("a", "b", "c"):
            self.ok("put", label)
            self.ok("checkpoint")
        newest = max(name for name in os.listdir(self.store) if name.endswith(".snap"))
        os.remove(os.path.join(self.store, newest))
        self.ok("hash")  # the one before, and the log behind it
        out = self.ok("check", code=1)
        self.assertIn("1 problem, the first: ", out)
        self.assertIn(f"{newest}: missing, but MANIFEST names it", out)
        os.remove(os.path.join(self.store, "MANIFEST"))
        for args in (["hash"], ["check"], ["stats"], ["put", "d"], ["checkpoint"]):
            self.fails(6, "MANIFEST: missing, but there is a log", *args)
        out = self.ok("check", "--repair", self.path("saved"), code=1)
        self.assertIn("lost: 1 place,", out)
        self.assertIn("3 tokens", out)
        self.assertIn("nothing is lost", self.ok("check", self.path("saved"), "--repair",
                                                 self.path("again"), store=None))

    def on_terminal(self, *args, **environment):
        leader, follower = pty.openpty()
        with subprocess.Popen([BINARY, "--store", self.store, *args], stdout=follower,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              env=self.environment(**environment)) as process:
            os.close(follower)
            shown = b""
            while True:
                try:
                    part = os.read(leader, 65536)
                except OSError:
                    break
                if not part:
                    break
                shown += part
            os.close(leader)
            error = process.stderr.read().decode()
        self.assertEqual(process.returncode, 0, error)
        return shown.decode().replace("\r\n", "\n")

    def test_wide_characters_keep_columns_aligned(self):
        self.ok("put", "日本")
        self.ok("put", "naïve")
        self.ok("put", "cup")
        lines = self.on_terminal("ls", "--color", "never").splitlines()
        self.assertEqual(lines, ["id  label  collection  entity     weight  spaces",
                                 " 1  日本   runtime     undefined       1  ",
                                 " 2  naïve  runtime     undefined       1  ",
                                 " 3  cup    runtime     undefined       1  "])

    def test_twenty_tokens_unless_asked_for_more(self):
        for _ in range(21):
            self.ok("put")
        self.assertEqual(len(self.on_terminal("ls").splitlines()), 21)
        self.assertEqual(len(self.on_terminal("ls", "--limit", "30").splitlines()), 22)

    def test_color(self):
        self.ok("put", "cup")
        self.assertIn("\033[1m", self.on_terminal("ls"))
        self.assertNotIn("\033", self.on_terminal("ls", NO_COLOR="1"))
        self.assertNotIn("\033", self.on_terminal("ls", TERM="dumb"))
        self.assertNotIn("\033", self.on_terminal("ls", "--color", "never"))
        self.assertNotIn("\033", self.ok("ls"))
        self.assertNotIn("\033", self.ok("ls", "--color", "auto"))

    def test_stats_are_for_people(self):
        self.ok("put", "cup")
        shown = self.on_terminal("stats", "--color", "never")
        self.assertIn("\nMemory\n", shown)
        self.assertRegex(shown, r"allocated +[0-9.]+ (B|KiB|MiB)\n")


class OutputTest(CliTest):
    def test_a_result_that_cannot_be_written_is_an_error(self):
        self.ok("put", "cup")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, "--store", self.store, "stats"], stdout=full,
                                  stderr=subprocess.PIPE, check=False, env=self.environment())
        self.assertEqual(done.returncode, 5)
        self.assertRegex(done.stderr.decode(), r"\Aneurograph: stats: cannot write[^\n]+\n\Z")

    def test_json_of_awkward_labels(self):
        labels = ['quo"te', "back\\slash", "日本", "a\u00a0b", "<&>", "🐈", "é" * 500]
        for label in labels:
            self.ok("put", label)
        self.assertEqual([t["label"] for t in self.json("ls")["tokens"]], labels)
        for label in labels:
            self.assertEqual(self.json("get", label)["label"], label)

    def test_control_characters_never_reach_the_terminal(self):
        self.ok("put", "cup")
        error = self.fails(3, "no token", "get", "x\033[31m\nred")
        self.assertNotIn("\033", error)

    def test_quiet(self):
        self.ok("put", "cup")
        done = self.run_cli("neighbors", "--at", "0,0,0", "-q")
        self.assertEqual((done.returncode, done.stderr), (1, b""))
        done = self.run_cli("neighbors", "--at", "0,0,0")
        self.assertIn(b"neurograph: note: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
