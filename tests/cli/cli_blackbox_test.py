#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command blackbox: of a store that is closed, in use, crashed, damaged, or none."""
import json
import os
import re
import signal
import subprocess
import unittest

from cli_support import BINARY, CliTest


class BlackboxTest(CliTest):
    def events(self, *args):
        return [json.loads(line) for line in self.ok("blackbox", "--json", *args).splitlines()]

    def serve(self):
        process = subprocess.Popen([BINARY, "--store", self.store, "serve", "--listen",
                                    "127.0.0.1:0"], stdout=subprocess.PIPE,
                                   env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn(b"listening", process.stdout.readline())
        return process

    def test_none(self):
        self.fails(3, "no black box", "blackbox")
        self.fails(3, self.store, "blackbox")
        os.makedirs(self.store)
        self.fails(3, "no black box", "blackbox", "--json")
        self.assertEqual(os.listdir(self.store), [])

    def test_errors(self):
        self.fails(2, "the store is given twice, by --store and as 'x'", "blackbox", "x")
        self.fails(2, "unexpected argument 'y'", "blackbox", "x", "y")
        for value in ("0", "1001", "-1", "many"):
            self.fails(2, "--last", "blackbox", "--last", value)

    def test_closed(self):
        self.ok("put", "cup")
        self.ok("put", "saucer")
        events = self.events()
        self.assertEqual([e["number"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual([e["kind"] for e in events].count("open"), 2)
        self.assertEqual([e["kind"] for e in events].count("close"), 2)
        self.assertEqual(events[-1]["seq"], 2)
        self.assertEqual(len({e["process"] for e in events}), 2)
        for event in events:
            self.assertEqual(sorted(event), ["kind", "number", "process", "seq", "text", "thread",
                                             "time", "time_us"])
            self.assertRegex(event["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
            self.assertEqual(int(event["time"][-7:-1]), event["time_us"] % 1000000)
            self.assertTrue(event["text"])
        rows = self.rows("blackbox")
        self.assertEqual(rows, [[e["time"], str(e["seq"]), e["kind"], e["text"]] for e in events])
        self.assertEqual(self.rows("blackbox", "--last", "1"), rows[-1:])
        self.assertEqual(self.rows("blackbox", "-n", "1000"), rows)
        self.assertEqual(self.rows("blackbox", self.store, store=False), rows)
        self.assertEqual(self.events("--last", "2"), events[-2:])

    def test_in_use_and_crashed(self):
        self.ok("put", "cup")
        process = self.serve()
        events = self.events()
        self.assertEqual(events[-1]["process"], process.pid)
        self.assertNotIn("close", [e["kind"] for e in events if e["process"] == process.pid])
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertEqual(self.events(), events)
        path = os.path.join(self.store, "BLACKBOX")
        before = os.stat(path)
        self.events()
        self.assertEqual(os.stat(path).st_mtime_ns, before.st_mtime_ns)

    def test_damaged(self):
        self.ok("put", "cup")
        path = os.path.join(self.store, "BLACKBOX")
        count = len(self.events())
        with open(path, "r+b") as file:
            file.seek(256 + 64)
            file.write(b"\x1b[31m")
        self.assertEqual(len(self.events()), count - 1)  # its checksum is wrong now
        with open(path, "r+b") as file:
            file.write(b"nonsense")
        self.fails(6, "not a black box", "blackbox")
        with open(path, "wb"):
            pass
        self.fails(6, path, "blackbox")
        self.ok("put", "saucer")  # the store makes it anew
        self.assertEqual([e["number"] for e in self.events()][0], 1)
        with open(path, "r+b") as file:
            file.seek(8)
            file.write(bytes([9]))
        self.fails(6, "format version 9", "blackbox")

    def test_a_terminal_is_safe(self):
        self.ok("put", "cup")
        self.assertIsNone(re.search(rb"[\x00-\x08\x0b-\x1f]",
                                    self.run_cli("blackbox").stdout))


if __name__ == "__main__":
    unittest.main()
