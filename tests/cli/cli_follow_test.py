#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""follow and backup of a store that a server has open: copies that survive anything."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
import urllib.request

from cli_support import BINARY, CliTest

PATIENCE_S = 60


class FollowSupport(CliTest):
    def setUp(self):
        super().setUp()
        self.copy = self.path("copy")
        self.port = 0

    def serve(self, *args):
        """Starts the server on the same port as before."""
        process = subprocess.Popen([BINARY, "--store", self.store, "serve", "--listen",
                                    f"127.0.0.1:{self.port}", "--io-threads", "1", *args],
                                   stdout=subprocess.PIPE, env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline().decode()
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line).group(1))
        return process

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def request(self, path, body=None):
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + "/api/v1" + path, data=sent,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return json.load(reply)["data"]

    def create(self, label):
        return self.request("/tokens", {"label": label})["id"]

    def follow(self, *args):
        process = subprocess.Popen([BINARY, "follow", *args], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        out, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out.decode(), errors.decode()

    def wait_for(self, label):
        """Waits until the copy has the label: it is read from the files, for the follower holds
        the lock."""
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit:
            for name in os.listdir(self.copy) if os.path.isdir(self.copy) else []:
                if name.endswith((".log", ".snap")):
                    with open(os.path.join(self.copy, name), "rb") as file:
                        if label.encode() in file.read():
                            return
        self.fail(f"the copy never had {label}")

    def hash_of(self, store):
        return self.json("hash", store, store=None)

    def once(self, *args):
        return self.json("follow", *args, "--once", store=None)


class DirectoryTest(FollowSupport):
    def test_once(self):
        self.ok("put", "cup", "--vector", "1,2,3")
        first = self.once(self.store, self.copy)
        self.assertEqual((first["seq"], first["copied"]), (1, True))
        self.assertEqual(first["state_hash"], self.json("hash")["state_hash"])
        self.assertEqual(self.once(self.store, self.copy)["ops"], 0)
        for label in ("a", "b", "c"):
            self.ok("put", label)
        self.ok("apply", "-", stdin=b'{"op":"create","as":"x"}\n{"op":"connect","source":"$x",'
                                    b'"target":"cup"}\n')
        self.ok("rm", "b")
        again = self.once(self.store, self.copy)
        self.assertEqual((again["seq"], again["ops"], again["copied"]), (6, 5, False))
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))
        self.assertTrue(self.json("check", self.copy, store=None)["ok"])
        self.assertTrue(self.json("stats", self.copy, store=None)["follows"])
        text = self.ok("follow", self.store, self.copy, "--once", store=None)
        self.assertEqual(text, f"{again['state_hash']} 6\n")

    def test_a_source_that_was_taken_back(self):
        """Its files are replaced by an older copy, which goes on: the same seqs say something else."""
        self.ok("put", "one")
        shutil.copytree(self.store, self.path("older"))
        self.ok("put", "two")
        self.once(self.store, self.copy)
        before = self.hash_of(self.copy)
        shutil.rmtree(self.store)
        os.rename(self.path("older"), self.store)
        self.fails(7, "beyond the newest op", "follow", self.store, self.copy, "--once", store=None)
        for label in ("other", "more"):
            self.ok("put", label)
            self.fails(7, "--again", "follow", self.store, self.copy, "--once", store=None)
            self.assertEqual(self.hash_of(self.copy), before)
        again = self.once(self.store, self.copy, "--again")
        self.assertTrue(again["copied"])
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))
        self.ok("put", "last")
        self.assertEqual(self.once(self.store, self.copy)["ops"], 1)

    def test_a_copy_is_only_read(self):
        self.ok("put", "cup")
        self.once(self.store, self.copy)
        for args in (["put", "x"], ["put", "cup", "--weight", "0.5"], ["rm", "cup"]):
            self.fails(7, "follows", *args, "--store", self.copy, store=None)
        self.ok("get", "cup", "--store", self.copy, store=None)
        self.ok("checkpoint", self.copy, store=None)
        self.ok("put", "more")
        self.assertEqual(self.once(self.store, self.copy)["seq"], 2)
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))

    def test_runs_until_it_is_told_to_stop(self):
        self.ok("put", "first")
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.follow(self.store, self.copy, "--interval-ms", "5")
            self.ok("put", f"during-{number.name}")
            self.wait_for(f"during-{number.name}")
            code, out, errors = self.end(process, number)
            self.assertEqual((code, errors), (0, ""))
            self.assertEqual(int(out), self.json("hash")["seq"])
            self.assertEqual(self.hash_of(self.copy), self.json("hash"))

    def retire_log(self):
        """More than a segment of ops, and two checkpoints: the first op is in the log no more."""
        lines = (json.dumps({"op": "create", "label": f"{n:01000}"}) for n in range(72000))
        self.ok("apply", "-", "--batch", "4000", "--durability", "none",
                stdin="\n".join(lines).encode())
        self.ok("checkpoint")
        self.ok("put", "after")
        self.ok("checkpoint")
        self.assertGreater(self.json("stats")["log_first_seq"], 2)

    def test_log_that_is_gone(self):
        self.ok("put", "cup")
        self.once(self.store, self.copy)
        self.retire_log()
        error = self.fails(3, "add --again", "follow", self.store, self.copy, "--once", store=None)
        self.assertIn("anew", error)
        self.assertEqual(self.hash_of(self.copy)["seq"], 1)
        done = self.once(self.store, self.copy, "--again", "--quiet")
        self.assertTrue(done["copied"])
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))
        self.assertEqual(sorted(os.listdir(self.directory)), ["copy", "store"])

    def test_what_is_left_of_a_replacement_is_replaced(self):
        self.ok("put", "cup")
        self.ok("put", "own", "--store", self.path("own"), store=None)
        self.once(self.store, self.copy)
        self.once(self.store, self.copy + ".again")
        self.once(self.path("own"), self.copy, "--again", "--quiet")
        self.assertEqual(self.hash_of(self.copy), self.hash_of(self.path("own")))
        self.assertFalse(os.path.exists(self.copy + ".again"))

    def test_a_stranger_in_the_way_stays(self):
        self.ok("put", "cup")
        self.ok("put", "own", "--store", self.path("own"), store=None)
        self.once(self.store, self.copy)
        self.ok("put", "mine", "--store", self.copy + ".again", store=None)
        self.fails(7, "in the way", "follow", self.path("own"), self.copy, "--once", "--again",
                   "-q", store=None)
        self.assertEqual([row[1] for row in self.rows("ls", "--store", self.copy + ".again",
                                                      store=None)], ["mine"])
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))

    def test_not_a_copy_of_it(self):
        self.ok("put", "cup")
        self.ok("put", "own", "--store", self.path("own"), store=None)
        before = self.hash_of(self.path("own"))
        self.fails(7, "not a copy", "follow", self.store, self.path("own"), "--once", store=None)
        self.fails(7, "not a copy", "follow", self.store, self.path("own"), "--once", "--again",
                   store=None)
        self.assertEqual(self.hash_of(self.path("own")), before)
        self.once(self.store, self.copy)
        error = self.fails(7, "--again", "follow", self.path("own"), self.copy, "--once",
                           store=None)
        self.assertRegex(error, "of another store|cannot go on")
        self.assertEqual(self.once(self.path("own"), self.copy, "--again", "-q")["state_hash"],
                         before["state_hash"])

    def test_errors(self):
        self.fails(2, "which source", "follow", store=None)
        self.fails(2, "unexpected argument 'c'", "follow", "a", "b", "c", store=None)
        self.fails(2, "--interval-ms", "follow", "a", "b", "--interval-ms", "0", store=None)
        self.fails(3, self.path("nothing"), "follow", self.path("nothing"), self.copy, "--once",
                   store=None)
        self.assertFalse(os.path.exists(self.copy))


class ServerTest(FollowSupport):
    def test_follows_a_server_through_its_crashes(self):
        server = self.serve()
        self.create("before")
        process = self.follow(self.url, self.copy)
        self.wait_for("before")
        for turn in range(3):
            self.create(f"turn-{turn}")
            self.wait_for(f"turn-{turn}")
            server.kill()
            server.wait()
            server = self.serve()
            self.create(f"back-{turn}")
            self.wait_for(f"back-{turn}")
        code, out, errors = self.end(process)
        self.assertEqual((code, int(out)), (0, 7))
        self.assertIn(f"{self.url} is away", errors)
        server.terminate()
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))

    def test_the_follower_is_killed(self):
        server = self.serve("--durability", "interval")
        for turn in range(5):
            process = self.follow(self.url, self.copy)
            for number in range(20):
                self.create(f"{turn}/{number}")
            self.wait_for(f"{turn}/{turn * 3}")
            process.kill()
            process.wait()
        done = self.once(self.url, self.copy)
        self.assertEqual(done["seq"], 100)
        server.terminate()
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)
        self.assertEqual(self.hash_of(self.copy), self.json("hash"))

    def test_waits_for_a_server_that_is_not_there_yet(self):
        server = self.serve()
        self.create("cup")
        server.terminate()
        server.wait(timeout=PATIENCE_S)
        process = self.follow(self.url, self.copy)
        self.assertIn("is away", process.stderr.readline().decode())
        self.serve()
        self.wait_for("cup")
        self.assertEqual(self.end(process)[0], 0)

    def test_interrupted_before_there_is_a_copy(self):
        process = self.follow("http://127.0.0.1:1", self.copy)
        self.assertIn("is away", process.stderr.readline().decode())
        code, out, _ = self.end(process)
        self.assertEqual((code, out), (130, ""))
        self.assertFalse(os.path.exists(self.copy))

    def test_errors(self):
        self.fails(5, "127.0.0.1:1", "follow", "http://127.0.0.1:1", self.copy, "--once",
                   store=None)
        self.serve()
        self.fails(6, "Not Found", "follow", self.url + "/elsewhere", self.copy, "--once",
                   store=None)
        for url in ("http://", "http:///x", "HTTPS://:80"):
            self.fails(2, "names no host", "follow", url, self.copy, "--once", store=None)
        self.assertFalse(os.path.exists(self.copy))

    def test_backup_and_restore_through_the_server(self):
        server = self.serve()
        self.create("cup")
        backups = self.path("backups")
        error = self.fails(4, str(server.pid), "backup", backups)
        self.assertIn("neurograph backup http://HOST:PORT DIR", error)
        self.assertFalse(os.path.exists(backups))
        self.fails(3, "no full backup", "backup", self.url, backups, "--incremental", store=None)
        full = self.json("backup", self.url, backups, store=None)
        self.assertEqual((full["file"], full["seq"]),
                         (os.path.join(backups, "%020d.full" % 1), 1))
        self.assertIsNone(self.json("backup", self.url, backups, "--incremental",
                                    store=None)["file"])
        self.create("mug")
        part = self.json("backup", self.url, backups, "--incremental", store=None)
        self.assertEqual((part["after"], part["seq"], part["ops"]), (1, 2, 1))
        self.assertEqual(sorted(name for name in os.listdir(backups) if name != "LOCK"),
                         ["%020d-%020d.incremental" % (1, 2), "%020d.full" % 1])
        self.ok("restore", backups, self.path("restored"), store=None)
        self.ok("restore", self.url, self.path("fetched"), store=None)
        whole = self.run_cli("backup", self.url, "-", store=None)
        self.assertEqual(whole.returncode, 0)
        self.ok("restore", "-", self.path("piped"), store=None, stdin=whole.stdout)
        server.terminate()
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)
        for name in ("restored", "fetched", "piped"):
            self.assertEqual(self.hash_of(self.path(name)), self.json("hash"))
        self.ok("put", "x", "--store", self.path("other"), store=None)
        self.fails(7, "", "backup", self.path("other"), backups, store=None)


if __name__ == "__main__":
    unittest.main()
