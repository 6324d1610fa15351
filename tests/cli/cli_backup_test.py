#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""checkpoint, hash, backup, restore, check --repair, and stores that are only read."""
import datetime
import glob
import json
import os
import shutil
import subprocess
import unittest

from cli_support import BINARY, CliTest

NOBODY = 65534


class BackupSupport(CliTest):
    def hash_of(self, store):
        return self.json("hash", store, store=None)

    def fill(self):
        """A few ops of every kind; returns the hash after each."""
        hashes = [None]
        for args in (["put", "cup", "--vector", "1,2,3"], ["put", "table", "--at", "physical=1,2,3"],
                     ["link", "cup", "table"], ["put", "cup", "--weight", "0.5"], ["put", "gone"],
                     ["rm", "gone"]):
            self.ok(*args)
            hashes.append(self.json("hash")["state_hash"])
        return hashes


class CheckpointTest(BackupSupport):
    def test_checkpoint(self):
        self.fill()
        before = self.state()
        done = self.json("checkpoint")
        self.assertEqual(done["seq"], 6)
        self.assertGreater(done["bytes"], 0)
        self.assertEqual(set(done), {"seq", "bytes", "seconds", "segments_removed", "bytes_freed",
                                     "lock_ns_max"})
        self.assertEqual(self.state(), before)
        stats = self.json("stats")
        self.assertEqual((stats["snapshot_seq"], stats["recovered_snapshot_seq"],
                          stats["recovered_ops"]), (6, 6, 0))
        self.assertEqual(stats["snapshot_bytes"], done["bytes"])
        self.ok("put", "later")
        stats = self.json("stats")
        self.assertEqual((stats["recovered_snapshot_seq"], stats["recovered_ops"]), (6, 1))
        self.assertEqual(dict(self.rows("checkpoint", self.store, store=None))["seq"], "7")
        check = self.json("check")
        self.assertTrue(check["ok"])
        self.assertGreaterEqual(check["snapshots"], 1)

    def test_again_without_ops(self):
        self.ok("put", "cup")
        self.ok("checkpoint")
        self.assertEqual(self.json("checkpoint")["seq"], 1)
        self.fails(3, self.path("nothing"), "checkpoint", self.path("nothing"), store=None)
        self.assertFalse(os.path.exists(self.path("nothing")))

    def test_hash(self):
        self.ok("put", "cup")
        text = self.ok("hash")
        self.assertRegex(text, r"\A[0-9a-f]{16} 1\n\Z")
        self.assertEqual(self.json("hash"), {"state_hash": text[:16], "seq": 1})
        self.assertEqual(self.json("stats", "--hash")["state_hash"], text[:16])


class BackupTest(BackupSupport):
    def test_directory(self):
        self.fill()
        backups = self.path("backups")
        full = self.json("backup", backups)
        self.assertEqual(full["file"], os.path.join(backups, "%020d.full" % 6))
        self.assertEqual((full["seq"], full["incremental"], full["tokens"]), (6, False, 2))
        self.assertEqual(full["bytes"], os.path.getsize(full["file"]))
        self.ok("put", "more")
        part = self.json("backup", self.store, backups, "--incremental", store=None)
        self.assertEqual(part["file"], os.path.join(backups, "%020d-%020d.incremental" % (6, 7)))
        self.assertEqual((part["after"], part["seq"], part["ops"]), (6, 7, 1))
        done = self.json("restore", backups, self.path("copy"), store=None)
        self.assertEqual((done["seq"], done["files"], done["tokens"]), (7, 2, 3))
        self.assertEqual(self.hash_of(self.path("copy")), self.json("hash"))
        self.assertNotEqual(self.json("stats", self.path("copy"), store=None)["uuid"],
                            self.json("stats")["uuid"])
        self.assertTrue(self.json("check", self.path("copy"), store=None)["ok"])
        self.ok("put", "own", "--store", self.path("copy"), store=None)
        # one file of it
        self.ok("restore", full["file"], self.path("older"), store=None)
        self.assertEqual(self.hash_of(self.path("older"))["seq"], 6)

    def test_restore_to_every_seq_and_time(self):
        backups = self.path("backups")
        self.ok("put", "first")
        self.ok("backup", backups)
        times, hashes = [], {}
        for seq in range(2, 6):
            self.ok("put", f"t{seq}")
            self.ok("backup", backups, "--incremental")
            times.append(self.json("get", f"t{seq}")["updated_us"])
            hashes[seq] = self.json("hash")["state_hash"]
        for seq, when in zip(range(2, 6), times):
            for name, option in (("s", ["--to-seq", str(seq)]),
                                 ("u", ["--to-time", f"{when // 1000000}.{when % 1000000:06d}"]),
                                 ("t", ["--to-time", self.rfc3339(when)])):
                to = self.path(f"{name}{seq}")
                self.ok("restore", backups, to, *option, store=None)
                self.assertEqual(self.hash_of(to), {"state_hash": hashes[seq], "seq": seq}, option)
        self.fails(3, "", "restore", backups, self.path("x"), "--to-time", "1", store=None)
        self.assertFalse(os.path.exists(self.path("x")))

    @staticmethod
    def rfc3339(us):
        """In another zone than UTC, with microseconds."""
        zone = datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))
        whole = datetime.datetime.fromtimestamp(us // 1000000, zone)
        return whole.replace(microsecond=us % 1000000).isoformat(timespec="microseconds")

    def test_streams(self):
        self.fill()
        whole = self.run_cli("backup", "-")
        self.assertEqual(whole.returncode, 0)
        self.assertIn(b"up to seq 6", whole.stderr)
        self.ok("restore", "-", self.path("copy"), store=None, stdin=whole.stdout)
        self.assertEqual(self.hash_of(self.path("copy")), self.json("hash"))
        part = self.run_cli("backup", "-", "--after", "4", "--quiet")
        self.assertEqual((part.returncode, part.stderr), (0, b""))
        self.assertLess(len(part.stdout), len(whole.stdout) + 1000)
        for damaged in (whole.stdout[:-1], whole.stdout[:600], b"", b"nonsense" * 100,
                        whole.stdout[:700] + b"?" + whole.stdout[701:]):
            self.fails(6, "", "restore", "-", self.path("bad"), store=None, stdin=damaged)
            self.assertFalse(os.path.exists(self.path("bad")))

    def test_errors(self):
        self.ok("put", "cup")
        before = self.state()
        self.fails(2, "give a directory or -", "backup")
        self.fails(2, "given twice", "backup", "other", self.path("b"))
        self.fails(2, "--after goes with -", "backup", self.path("b"), "--after", "1")
        self.fails(2, "--incremental goes with a directory", "backup", "-", "--incremental")
        self.fails(2, "--json has no meaning", "backup", "-", "--json")
        self.fails(2, "where backups come from", "backup", "http://127.0.0.1:1")
        self.fails(3, "", "backup", self.path("b"), "--incremental")
        self.fails(3, "", "backup", self.path("nothing"), self.path("b"), store=None)
        self.fails(5, "127.0.0.1", "backup", "http://127.0.0.1:1", self.path("b"), store=None)
        self.ok("backup", self.path("b"))
        self.fails(7, self.store, "restore", self.path("b"), self.store, store=None)
        self.fails(3, self.path("c"), "restore", self.path("c"), self.path("d"), store=None)
        self.fails(2, "exclude", "restore", "x", "y", "--to-seq", "1", "--to-time", "1", store=None)
        self.fails(2, "which backup", "restore", store=None)
        self.fails(2, "unexpected argument 'z'", "restore", "x", "y", "z", store=None)
        for time in ("", "now", "-1", "0", "1.", "1.x", "2026-01-31", "2026-01-31T12:00:00",
                     "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-31T24:00:00Z",
                     "2026-01-31T12:00:00+1:00", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00.Z",
                     "1960-01-01T00:00:00Z"):
            self.fails(2, "--to-time", "restore", "x", "y", "--to-time", time, store=None)
        self.assertEqual(self.state(), before)
        self.assertFalse(os.path.exists(self.path("d")))

    def test_a_directory_belongs_to_one_store(self):
        self.ok("put", "cup")
        self.ok("backup", self.path("b"))
        self.ok("put", "cup", "--store", self.path("other"), store=None)
        self.fails(7, "", "backup", self.path("other"), self.path("b"), store=None)

    def test_stdout_that_is_full(self):
        self.ok("put", "cup")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, "--store", self.store, "backup", "-"], stdout=full,
                                  stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual(done.returncode, 5)


class ReadOnlyTest(BackupSupport):
    def test_a_store_that_cannot_be_written_is_read(self):
        """Nothing of it changes. Root may write anywhere, so somebody reads who may not."""
        self.fill()
        expected = self.json("hash")
        os.chmod(self.directory, 0o755)
        binary = self.path("neurograph")
        shutil.copy(BINARY, binary)
        os.chmod(binary, 0o755)
        files = {}
        for path in glob.glob(os.path.join(self.store, "*")):
            with open(path, "rb") as file:
                files[path] = file.read()
            os.chmod(path, 0o444)
        os.chmod(self.store, 0o555)
        self.addCleanup(os.chmod, self.store, 0o755)
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o777)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        for args in (["hash"], ["stats"], ["ls"], ["get", "cup"], ["path", "cup", "table"],
                     ["check"], ["neighbors", "--at", "1,2,3", "--space", "physical"],
                     ["backup", self.path("open", "backups")]):
            done = subprocess.run([binary, "--store", self.store, "--json", *args], check=False,
                                  capture_output=True, cwd="/", env=self.environment(), **user)
            self.assertEqual((done.returncode, done.stderr), (0, b""), args)
            if args == ["hash"]:
                self.assertEqual(json.loads(done.stdout), expected)
        for path, content in files.items():
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content, path)
        self.assertEqual(set(files), set(glob.glob(os.path.join(self.store, "*"))))

    def killed_writer(self):
        """A store whose only op was written by a process that was killed; returns its log."""
        with subprocess.Popen([BINARY, "--store", self.store, "apply", "-", "--batch", "1"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            writer.stdin.write(b'{"op":"create","label":"cup"}\n')
            writer.stdin.flush()
            writer.stdout.readline()
            writer.kill()
        return glob.glob(os.path.join(self.store, "*.log"))[0]

    def test_a_torn_tail_is_passed_over(self):
        """What was never acknowledged is not read, and not cut before somebody writes."""
        log = self.killed_writer()
        with open(log, "r+b") as file:
            end = len(file.read().rstrip(b"\0"))
            file.seek((end + 7) // 8 * 8)
            file.write(b"half of an op")
        with open(log, "rb") as file:
            damaged = file.read()
        self.assertEqual(self.json("hash", "-q")["seq"], 1)
        done = self.run_cli("stats")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"passed over", done.stderr)
        with open(log, "rb") as file:
            self.assertEqual(file.read(), damaged)
        done = self.run_cli("put", "next")
        self.assertIn(b"were cut from the log", done.stderr)
        self.assertEqual([row[1] for row in self.rows("ls")], ["cup", "next"])

    def test_several_read_at_once(self):
        self.fill()
        expected = self.ok("hash")
        running = [subprocess.Popen([BINARY, "--store", self.store, "hash"],
                                    stdout=subprocess.PIPE) for _ in range(8)]
        for process in running:
            out, _ = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out.decode()), (0, expected))


class RepairTest(BackupSupport):
    def damage(self):
        """Flips a byte in the middle of the log's third op."""
        self.hashes = self.fill()
        log = sorted(glob.glob(os.path.join(self.store, "*.log")))[0]
        size = self.json("stats")["log_bytes"]
        with open(log, "r+b") as file:
            content = file.read()
            at = content.index(b"table") + 2
            file.seek(at)
            file.write(bytes([content[at] ^ 0xFF]))
        self.assertGreater(size, 0)
        return os.path.basename(log)

    def test_a_damaged_store_says_what_to_do(self):
        name = self.damage()
        for command in ("stats", "check", "hash", "ls"):
            error = self.fails(6, name, command)
            self.assertIn(f"neurograph check {self.store} --repair NEWDIR", error)

    def test_repair(self):
        name = self.damage()
        before = {path: os.path.getsize(path) for path in glob.glob(self.store + "/*")}
        saved = self.path("saved")
        done = self.json("check", "--repair", saved, code=1)
        self.assertIs(done["ok"], False)
        self.assertEqual(done["store"], saved)
        self.assertGreater(len(done["losses"]), 0)
        self.assertEqual(done["losses"][0]["file"], name)
        self.assertGreater(done["losses"][0]["offset"], 0)
        self.assertTrue(all(loss["text"] for loss in done["losses"]))
        self.assertGreaterEqual(done["ops_missing"], 1)
        self.assertEqual(done["tokens"], 1)
        self.assertEqual([row[1] for row in self.rows("ls", "--store", saved, store=None)], ["cup"])
        self.assertTrue(self.json("check", saved, store=None)["ok"])
        self.assertEqual(before, {path: os.path.getsize(path)
                                  for path in glob.glob(self.store + "/*")})
        text = self.ok("check", self.store, "--repair", self.path("again"), store=None, code=1)
        self.assertIn(name, text)
        self.assertRegex(text, r"(?m)^saved up to seq \d+: 1 tokens")
        self.fails(7, saved, "check", "--repair", saved)

    def test_nothing_to_repair(self):
        self.fill()
        done = self.json("check", "--repair", self.path("saved"))
        self.assertEqual((done["ok"], done["losses"], done["ops_missing"]), (True, [], 0))
        self.assertEqual(self.hash_of(self.path("saved")), self.json("hash"))
        self.fails(3, "", "check", self.path("nothing"), "--repair", self.path("x"), store=None)
        self.fails(2, "--repair", "check", "--repair", "")


if __name__ == "__main__":
    unittest.main()
