#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command apply, and the conditions of put and rm: all or nothing, and whose turn it is."""
import json
import unittest

from cli_support import CliTest


def lines(*ops):
    return "".join(json.dumps(op) + "\n" for op in ops).encode()


def create(name, **fields):
    return {"op": "create", "as": name, "label": name, **fields}


class ApplyTest(CliTest):
    def apply(self, *ops, args=(), **more):
        return self.json("apply", "-", *args, stdin=lines(*ops), **more)

    def refuses(self, code, text, *ops, args=()):
        """The error is one line that names the last line, and nothing has happened."""
        before = self.state()
        error = self.fails(code, text, "apply", "-", *args, stdin=lines(*ops))
        self.assertIn(f"standard input line {len(ops)}: ", error)
        self.assertEqual(self.state(), before)

    def test_put_changes_or_creates(self):
        self.ok("put", "cup", "--weight", "0.5", "--persistent")
        done = self.apply(
            {"op": "put", "label": "cup", "weight": 0.25, "persistent": False},
            {"op": "put", "as": "jug", "label": "jug", "entity": "object"},
            {"op": "put", "label": "jug", "weight": 0.75},
            {"op": "put", "label": "cup", "collection": "other"},
            {"op": "connect", "source": "$jug", "target": "#1"})
        ids = [op["id"] for op in done["ops"]]
        self.assertEqual((ids[0], ids[1]), (1, ids[2]))
        self.assertNotEqual(ids[3], 1)
        cup = self.json("get", "#1")
        self.assertEqual((cup["weight"], cup["flags"]), (0.25, ["active"]))
        jug = self.json("get", "jug")
        self.assertEqual((jug["weight"], jug["entity"], jug["version"]), (0.75, "object", 1))
        self.refuses(6, "label: the field is missing", {"op": "put", "weight": 1})

    def test_every_op_in_one_transaction(self):
        self.ok("put", "cup", "--weight", "0.5")
        self.ok("put", "old")
        self.ok("link", "cup", "old")
        done = self.apply(
            create("a", weight=0.8, field_radius=2, field_strength=0.2, entity="concept",
                   persistent=True, spaces={"physical": [1.5, 0, 0.9], "L2": None},
                   vector=[1, 2.5, -3], collection="robot"),
            {"op": "create"},
            {"op": "connect", "as": "c", "source": "$a", "target": "cup", "type": "hypernym",
             "pull": -2.5, "distance": 2, "rigidity": 1, "confidence": 0.2,
             "mutability": "learnable", "levels": ["physical", "L8"], "bidirectional": True,
             "inhibitory": False, "persistent": True},
            {"op": "update", "token": "cup", "weight": 0.25, "if_version": 1},
            {"op": "update", "token": "$a", "vector": None, "spaces": {"physical": None}},
            {"op": "disconnect", "connection": 1},
            {"op": "delete", "token": "#2"})
        self.assertEqual([op["op"] for op in done["ops"]],
                         ["create", "create", "connect", "update", "update", "disconnect",
                          "delete"])
        self.assertEqual([op["line"] for op in done["ops"]], list(range(1, 8)))
        self.assertEqual([op["as"] for op in done["ops"]], ["a", None, "c"] + 4 * [None])
        self.assertEqual(self.json("stats")["applied_seq"], done["seq"])
        made = self.json("get", "#%d" % done["ops"][0]["id"], "--connections", "--vector")
        self.assertEqual((made["label"], made["collection"], made["entity"]),
                         ("a", "robot", "concept"))
        self.assertEqual(made["flags"], ["active", "persistent"])
        self.assertEqual((made["vector"], made["spaces"]["physical"]), ([], None))
        self.assertEqual(len(made["connections"]), 1)
        self.assertEqual(made["connections"][0]["type"], "Hypernym")
        self.assertTrue(made["connections"][0]["bidirectional"])
        cup = self.json("get", "cup")
        self.assertEqual((cup["weight"], cup["version"], cup["in_degree"]), (0.25, 2, 1))
        self.fails(3, "old", "get", "old")
        self.assertTrue(self.json("check")["ok"])

    def test_table_empty_lines_and_a_file(self):
        with open(self.path("ops"), "wb") as file:
            file.write(b"\n  \r\n" + lines(create("a"))[:-1] + b"\r\n\n" + lines(create("b"))[:-1])
        self.assertEqual(self.rows("apply", self.path("ops")),
                         [["3", "create", "1", "a", "1"], ["5", "create", "2", "b", "1"]])

    def test_nothing_at_all(self):
        self.assertEqual(self.json("apply", "-", stdin=b""), {"seq": 0, "ops": []})
        self.assertEqual(self.ok("apply", "-", stdin=b"\n\n"), "")
        self.ok("put", "x")
        self.fails(7, "", "apply", "-", "--if-seq", "7", stdin=b"")
        self.assertEqual(self.json("apply", "-", "--if-seq", "1", stdin=b""), {"seq": 0, "ops": []})

    def test_lines_see_those_before_them(self):
        self.apply(create("a"), {"op": "update", "token": "a", "label": "b"},
                   {"op": "update", "token": "b", "weight": 0.5},
                   {"op": "delete", "token": "$a"}, create("again", label="b"))
        self.assertEqual([row[1] for row in self.rows("ls")], ["b"])

    def test_errors_name_the_line_and_change_nothing(self):
        self.ok("put", "cup", "--vector", "1,2")
        first = create("a")
        for code, text, *ops in (
                (6, "op: the field is missing", first, {}),
                (6, "op: 'x' is none of create", first, {"op": "x"}),
                (6, "an object is expected, not an array", first, [1]),
                (6, "wheight: there is no such field", first, {"op": "create", "wheight": 1}),
                (6, "token: the field does not belong to create", {"op": "create", "token": 1}),
                (6, "source: the field is missing", {"op": "connect", "target": 1}),
                (6, "weight: a number is expected, not a string", create("b", weight="x")),
                (6, "weight: 1e+300 is too large", create("b", weight=1e300)),
                (6, "spaces: three numbers are expected", create("b", spaces={"L1": [1, 2]})),
                (6, "spaces: physical occurs twice",
                 create("b", spaces={"L1": None, "physical": [1, 2, 3]})),
                (6, "vector: no numbers", create("b", vector=[])),
                (6, "vector: more than 4096", create("b", vector=[0] * 4097)),
                (6, "token: id 0 is nothing", {"op": "delete", "token": 0}),
                (6, "if_version: a version", {"op": "delete", "token": 1, "if_version": 0}),
                (6, "entity: 'thing' is neither", create("b", entity="thing")),
                (6, "type: ", {"op": "connect", "source": 1, "target": "$a", "type": "Nonsense"}),
                (2, "weight 2 is outside", first, create("b", weight=2)),
                (2, "as: 'a' is the name of an earlier line", first, {"op": "create", "as": "a"}),
                (7, "cup", first, create("b", label="cup")),
                (2, "dimensions", create("b", vector=[1, 2, 3])),
                (3, 'no line before this one has "as": "b"', first,
                 {"op": "connect", "source": "$a", "target": "$b"}),
                (3, "no token is labelled 'nobody'", first, {"op": "delete", "token": "nobody"}),
                (3, "Token 00000063 not found", first, {"op": "update", "token": 99, "weight": 1}),
                (2, "$a is a token", first, {"op": "disconnect", "connection": "$a"}),
                (2, "is neither an id nor a $name", first, {"op": "disconnect", "connection": "x"}),
                (3, "connection 7", first, {"op": "disconnect", "connection": 7}),
                (7, "version 1, not 5", first, {"op": "update", "token": "cup", "if_version": 5,
                                                "weight": 1})):
            self.refuses(code, text, *ops)
        before = self.state()
        self.fails(6, "standard input line 2: byte ", "apply", "-",
                   stdin=lines(first) + b'{"op":"create",}')
        self.fails(6, "op: the field occurs twice", "apply", "-",
                   stdin=b'{"op":"create","op":"create"}')
        self.fails(6, "label: the field occurs twice", "apply", "-",
                   stdin=b'{"op":"create","label":"a","label":"b"}')
        self.assertEqual(self.state(), before)

    def test_conditions(self):
        self.apply(create("a"))
        seq = self.json("stats")["applied_seq"]
        self.apply(create("b"), args=("--if-seq", str(seq)))
        self.fails(7, f"{seq}", "apply", "-", "--if-seq", str(seq), stdin=lines(create("c")))
        self.assertEqual([row[1] for row in self.rows("ls")], ["a", "b"])

    def test_batches(self):
        ops = [create(f"t{i}") for i in range(10)]
        ops += [{"op": "connect", "source": "$t0", "target": f"$t{i}"} for i in range(1, 10)]
        out = self.ok("--json", "apply", "-", "--batch", "4", "--durability", "interval",
                      stdin=lines(*ops))
        done = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([len(each["ops"]) for each in done], [4, 4, 4, 4, 3])
        self.assertEqual([each["seq"] for each in done], [1, 2, 3, 4, 5])
        stats = self.json("stats")
        self.assertEqual((stats["token_count"], stats["connection_count"]), (10, 9))
        # an error leaves the batches before it, and says so
        ops = [create(f"u{i}") for i in range(5)] + [create("late", label="t0")]
        done = self.run_cli("apply", "-", "--batch", "2", stdin=lines(*ops))
        self.assertEqual(done.returncode, 7)
        self.assertIn("standard input line 6: ", done.stderr.decode())
        self.assertIn("(lines 1..4 are applied, up to seq 7)", done.stderr.decode())
        self.assertEqual(self.json("stats")["token_count"], 14)

    def test_a_transaction_has_limits_and_batches_have_none(self):
        ops = lines(*({"op": "create"} for _ in range(4097)))
        self.ok("put", "x")
        before = self.state()
        self.fails(7, "standard input line 4097: ", "apply", "-", stdin=ops)
        self.assertEqual(self.state(), before)
        self.ok("apply", "-", "--batch", "4096", stdin=ops)
        self.assertEqual(self.json("stats")["token_count"], 4098)

    def test_usage(self):
        self.fails(2, "give a file or -", "apply")
        self.fails(2, "given twice", "apply", "other", "-")
        self.fails(2, "--batch", "apply", "-", "--batch", "0")
        self.fails(2, "--batch", "apply", "-", "--batch", "4097")
        self.fails(2, "--durability: 'soon' is none of", "apply", "-", "--durability", "soon")
        self.fails(3, "No such file", "apply", self.path("nothing"))
        self.assertEqual(self.json("apply", self.store, "-", store=None, stdin=lines(create("a"))),
                         {"seq": 1, "ops": [{"line": 1, "op": "create", "id": 1, "as": "a"}]})


class ConditionTest(CliTest):
    def test_put(self):
        self.ok("put", "cup", "--if-absent")
        self.fails(7, "cup", "put", "cup", "--if-absent", "--weight", "0.5")
        self.ok("put", "cup", "--weight", "0.5", "--if-version", "1")
        before = self.state()
        self.fails(7, "version 2, not 1", "put", "cup", "--weight", "0.25", "--if-version", "1")
        self.fails(7, "no token is labelled 'new'", "put", "new", "--if-version", "1")
        self.fails(2, "--if-absent goes with", "put", "--if-absent")
        self.fails(2, "--if-absent goes with", "put", "--id", "1", "--if-absent", "x")
        self.fails(2, "exclude", "put", "x", "--if-absent", "--if-version", "1")
        self.fails(2, "--if-version goes with", "put", "--if-version", "1")
        self.fails(2, "--if-version", "put", "x", "--if-version", "0")
        self.assertEqual(self.state(), before)
        self.ok("put", "--id", "1", "mug", "--if-version", "2")
        self.assertEqual(self.json("get", "mug")["version"], 3)

    def test_rm(self):
        self.ok("put", "cup")
        self.ok("put", "mug")
        before = self.state()
        self.fails(7, "version 1, not 2", "rm", "cup", "--if-version", "2")
        self.fails(2, "--if-version goes with one token", "rm", "cup", "mug", "--if-version", "1")
        self.assertEqual(self.state(), before)
        self.ok("rm", "cup", "--if-version", "1")
        self.assertEqual([row[1] for row in self.rows("ls")], ["mug"])


if __name__ == "__main__":
    unittest.main()
