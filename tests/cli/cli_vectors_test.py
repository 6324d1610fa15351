#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fields of vectors on the command line: `vectors`, `nearest`, `put`, `get` and `apply`."""
import unittest

from cli_support import CliTest


class VectorsTest(CliTest):
    def setUp(self):
        super().setUp()
        self.ok("vectors", "image", "--dimensions", "3")
        self.ok("vectors", "click", "--dimensions", "2", "--metric", "dot")

    def nearest(self, *options):
        return [hit["label"] for hit in self.json("nearest", *options)["hits"]]

    def test_fields(self):
        fields = self.json("vectors")["fields"]
        self.assertEqual([(f["name"], f["dimensions"], f["metric"]) for f in fields],
                         [("", 0, "cosine"), ("image", 3, "cosine"), ("click", 2, "dot")])
        self.assertIn("(default)", self.ok("vectors"))
        self.ok("vectors", "--drop", "click")
        self.assertEqual(len(self.json("vectors")["fields"]), 2)
        self.fails(3, "no vector field 'click'", "vectors", "--drop", "click")
        self.fails(7, "already named 'image'", "vectors", "image", "--dimensions", "3")
        self.fails(2, "--dimensions is missing", "vectors", "new")
        self.fails(2, "--dimensions", "vectors", "new", "--dimensions", "1")
        self.fails(2, "cosine, dot, l2", "vectors", "new", "--dimensions", "2", "--metric", "x")
        self.fails(2, "[a-z0-9_.-]", "vectors", "New field", "--dimensions", "2")
        self.fails(2, "--drop goes without", "vectors", "--drop", "image", "--metric", "dot")
        self.fails(2, "NAME", "vectors", "--drop")

    def test_put_and_get(self):
        self.ok("put", "cup", "--vector", "1,2", "--vector", "image=1,-2,3e1", "--vector",
                "click=0.5,1")
        cup = self.json("get", "cup", "--vector")
        self.assertEqual(cup["vector"], [1, 2])
        self.assertEqual(cup["vector_fields"], ["image", "click"])
        self.assertEqual(cup["vectors"], {"image": [1, -2, 30], "click": [0.5, 1]})
        self.assertIn("1,-2,30", self.ok("get", "cup", "--vector"))
        self.ok("put", "cup", "--vector", "click=")
        self.assertEqual(self.json("get", "cup")["vector_fields"], ["image"])
        self.fails(2, "3 dimensions, field 'click' has 2", "put", "cup", "--vector", "click=1,2,3")
        self.fails(3, "no vector field 'none'", "put", "cup", "--vector", "none=1,2")
        self.fails(2, "given twice", "put", "cup", "--vector", "image=1,2,3", "--vector", "image=")
        self.fails(2, "NAME=X,Y", "put", "cup", "--vector", "=1,2")
        self.fails(2, "--vector", "put", "cup", "--vector", "image=1,x,3")

    def test_nearest(self):
        self.ok("put", "a", "--vector", "image=1,0,0", "--tag", "x")
        self.ok("put", "b", "--vector", "image=1,1,0")
        self.ok("put", "c", "--vector", "image=0,0,1", "--tag", "x")
        self.assertEqual(self.nearest("a", "--field", "image"), ["b", "c"])
        self.assertEqual(self.nearest("--vector", "3,0,0", "--field", "image", "-n", "2"),
                         ["a", "b"])
        self.assertEqual(self.nearest("--vector", "1,1,0", "--field", "image", "--tag", "x"),
                         ["a", "c"])
        self.fails(3, "a has no vector in field click", "nearest", "a", "--field", "click")
        self.fails(3, "no vector in the default field", "nearest", "a")
        self.fails(3, "no vector field 'none'", "nearest", "a", "--field", "none")
        self.fails(2, "not both", "nearest", "a", "--vector", "1,2,3")
        self.fails(2, "not both", "nearest")
        self.fails(2, "2 dimensions, field 'image' has 3", "nearest", "--vector", "1,2", "--field",
                   "image")
        self.fails(2, "has no components", "nearest", "a", "--field", "image",
                   "--remove-components", "2")

    def test_apply(self):
        lines = ('{"op": "create", "label": "a", "vectors": {"image": [1, 2, 3], "click": null}}\n'
                 '{"op": "put", "label": "b", "vectors": {"click": [1, 2]}}\n')
        self.ok("apply", "-", stdin=lines.encode())
        self.assertEqual(self.json("get", "a")["vector_fields"], ["image"])
        self.assertEqual(self.json("get", "b", "--vector")["vectors"], {"click": [1, 2]})
        self.ok("apply", "-",
                stdin='{"op": "update", "token": "a", "vectors": {"image": null}}\n'.encode())
        self.assertEqual(self.json("get", "a")["vector_fields"], [])
        for code, text, says in (
            (6, '{"op": "create", "vectors": [1]}', "vectors: an object"),
            (6, '{"op": "create", "vectors": {"image": []}}', "null means no vector"),
            (6, '{"op": "create", "vectors": {"image": [1], "image": [2]}}', "image occurs twice"),
            (3, '{"op": "create", "vectors": {"none": [1, 2]}}', "no vector field 'none'"),
            (2, '{"op": "create", "vectors": {"image": [1, 2]}}',
             "2 dimensions, field 'image' has 3"),
            (6, '{"op": "delete", "token": "a", "vectors": {}}', "does not belong"),
        ):
            self.fails(code, says, "apply", "-", stdin=(text + "\n").encode())


if __name__ == "__main__":
    unittest.main()
