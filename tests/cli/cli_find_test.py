#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tags, payloads and expiries on the command line; `index` and `find`."""
import time
import unittest

from cli_support import CliTest


class AttributesTest(CliTest):
    def test_put_and_get(self):
        self.ok("put", "cup", "--tag", "blue", "--tag", "a b", "--data", '{"size": 3}', "--ttl",
                "1000")
        cup = self.json("get", "cup")
        self.assertEqual(cup["tags"], ["a b", "blue"])
        self.assertEqual(cup["data"], '{"size": 3}')
        self.assertLess(abs(cup["expires_us"] / 1e6 - time.time() - 1000), 60)
        text = self.ok("get", "cup")
        self.assertIn('{"size": 3}', text)
        self.ok("put", "cup", "--weight", "0.5")  # what is not named stays
        self.assertEqual(self.json("get", "cup")["tags"], ["a b", "blue"])
        self.ok("put", "cup", "--no-tags", "--no-data", "--ttl", "0")
        cup = self.json("get", "cup")
        self.assertEqual((cup["tags"], cup["data"], cup["expires_us"]), ([], None, None))

    def test_put_refuses(self):
        self.fails(2, "--tag excludes --no-tags", "put", "cup", "--tag", "x", "--no-tags")
        self.fails(2, "--data excludes --no-data", "put", "cup", "--data", "x", "--no-data")
        self.fails(2, "--ttl", "put", "cup", "--ttl", "soon")
        self.fails(2, "control code", "put", "cup", "--tag", "a\tb")


class FindTest(CliTest):
    def setUp(self):
        super().setUp()
        self.ok("index", "kind", "--type", "keyword")
        self.ok("put", "apple", "--tag", "red", "--tag", "round", "--data",
                '{"kind": "fruit", "box": {"size": 3}}', "--weight", "0.25")
        self.ok("put", "axe", "--tag", "red", "--data", '{"kind": "tool", "box": {"size": 40}}',
                "--entity", "object", "--at", "physical=1,2,3")
        self.ok("put", "ball", "--tag", "round", "--collection", "toys")
        self.ok("index", "size", "--type", "integer", "--path", "box.size")

    def found(self, *options):
        return [row["label"] for row in self.json("find", *options)["tokens"]]

    def test_conditions(self):
        self.assertEqual(self.found(), ["apple", "axe", "ball"])
        self.assertEqual(self.found("--prefix", "a"), ["apple", "axe"])
        self.assertEqual(self.found("--tag", "red", "--tag", "round"), ["apple"])
        self.assertEqual(self.found("--any-tag", "red", "--any-tag", "round"),
                         ["apple", "axe", "ball"])
        self.assertEqual(self.found("--without-tag", "red"), ["ball"])
        self.assertEqual(self.found("--collection", "toys"), ["ball"])
        self.assertEqual(self.found("--entity", "Object"), ["axe"])
        self.assertEqual(self.found("--in", "physical"), ["axe"])
        self.assertEqual(self.found("--max-weight", "0.5"), ["apple"])
        self.assertEqual(self.found("--min-weight", "0.5"), ["axe", "ball"])
        self.assertEqual(self.found("--until", "1000"), [])
        self.assertEqual(self.found("--since", "1000"), ["apple", "axe", "ball"])

    def test_fields(self):
        self.assertEqual(self.found("--where", "kind=fruit"), ["apple"])
        self.assertEqual(self.found("--where", "kind"), ["apple", "axe"])
        self.assertEqual(self.found("--where", "size>=4"), ["axe"])
        self.assertEqual(self.found("--where", "size<=4", "--where", "kind=tool"), [])
        self.fails(3, "no index 'nothing'", "find", "--where", "nothing=1")
        self.fails(2, "not a number", "find", "--where", "size>=big")
        self.fails(2, "is not NAME", "find", "--where", "size>4")

    def test_pages(self):
        page = self.json("find", "--limit", "2", "--total")
        self.assertEqual((len(page["tokens"]), page["total"], page["next"]), (2, 3, 2))
        page = self.json("find", "--limit", "2", "--after", "2")
        self.assertEqual(([row["tags"] for row in page["tokens"]], page["total"], page["next"]),
                         ([["round"]], None, None))
        self.assertIn("red round", self.ok("find", "--tag", "round"))

    def test_index(self):
        rows = self.json("index")["indexes"]
        self.assertEqual(rows, [
            {"name": "kind", "path": "kind", "type": "keyword", "values": 2},
            {"name": "size", "path": "box.size", "type": "integer", "values": 2}])
        self.ok("index", "--drop", "kind")
        self.assertEqual([row["name"] for row in self.json("index")["indexes"]], ["size"])
        self.assertIn("box.size", self.ok("index"))
        self.fails(3, "no index 'kind'", "index", "--drop", "kind")
        self.fails(2, "--type is missing", "index", "kind")
        self.fails(2, "not keyword, integer", "index", "kind", "--type", "text")
        self.fails(2, "NAME of a field", "index", "--drop")
        self.fails(2, "--drop goes without", "index", "--drop", "size", "--type", "float")


if __name__ == "__main__":
    unittest.main()
