#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command serve: it listens, holds the store, and stops in order."""
import json
import re
import signal
import socket
import subprocess
import unittest
import urllib.request

from cli_support import BINARY, CliTest


class ServeTest(CliTest):
    def serve(self, *args):
        process = subprocess.Popen([BINARY, "--store", self.store, "serve", "--listen",
                                    "127.0.0.1:0", *args], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        self.assertIsNotNone(found, line)
        return process, int(found.group(1))

    def test_serves_until_it_is_told_to_stop(self):
        self.ok("put", "cup")
        for number in (signal.SIGTERM, signal.SIGINT):
            process, port = self.serve("--io-threads", "1", "--query-threads", "1")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health") as reply:
                self.assertEqual(reply.status, 200)
                json.load(reply)
            self.fails(4, str(process.pid), "stats")
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=30), 0)
            self.assertTrue(self.json("check")["ok"])

    def test_errors(self):
        self.ok("put", "cup")
        before = self.state()
        for args, text in ((["--listen", "nonsense"], "nonsense"),
                           (["--listen", "0.0.0.0:0"], "0.0.0.0"),
                           (["--io-threads", "65"], "--io-threads"),
                           (["--io-threads", "0"], "--io-threads"),
                           (["--body-bytes", "lots"], "--body-bytes"), (["--json"], "--json")):
            self.fails(2, text, "serve", *args)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.fails(5, str(port), "serve", "--listen", f"127.0.0.1:{port}")
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
