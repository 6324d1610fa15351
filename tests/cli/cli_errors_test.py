#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""What goes wrong: arguments, stores that are absent, busy, damaged or not to be written."""
import glob
import os
import shutil
import subprocess
import unittest

from cli_support import BINARY, CliTest

NOBODY = 65534


class UsageTest(CliTest):
    def test_commands_and_options(self):
        self.fails(2, "no command", store=None)
        self.fails(2, "did you mean 'query'", "qeury", "x", store=None)
        self.fails(2, "unknown command 'frobnicate'", "frobnicate", store=None)
        self.fails(2, "unknown option '--frob'", "stats", "--frob")
        self.fails(2, "unknown option '-x'", "stats", "-x")
        self.fails(2, "ambiguous option '--no'", "put", "--no")
        self.fails(2, "'--limit' needs an argument", "ls", "--limit")
        self.fails(2, "'--json' takes no argument", "ls", "--json=yes")
        self.fails(2, "--color", "ls", "--color", "sometimes")
        self.fails(2, "--store", "--store", "", "ls", store=None)
        for command in ("ls", "serve"):
            self.fails(2, "unexpected argument 'x'", command, "x")
        for command in ("stats", "check", "hash", "checkpoint"):
            self.fails(2, "the store is given twice, by --store and as 'x'", command, "x")
            self.fails(2, "unexpected argument 'y'", command, "x", "y", store=None)
        self.fails(2, "which token", "rm")
        self.fails(2, "which connection", "unlink")
        self.fails(2, "which token", "get")
        self.assertFalse(os.path.exists(self.store))

    def test_general_options_before_and_after_the_command(self):
        self.ok("put", "cup")
        self.assertEqual(self.ok("--json", "ls"), self.ok("ls", "--json"))
        self.assertEqual(self.ok("ls", "--store", self.store, store=None),
                         self.ok("ls", "-s", self.store, store=None))


class PutErrorsTest(CliTest):
    def setUp(self):
        super().setUp()
        self.ok("put", "cup", "--vector", "1,2,3")
        self.before = self.state()

    def tearDown(self):
        self.assertEqual(self.state(), self.before)

    def test_numbers(self):
        for option in ("--weight", "--radius", "--strength"):
            for value in ("", " 1", "1 ", "x", "1x", "nan", "inf", "-inf", "1e400", "0,5"):
                self.fails(2, f"{option}: '{value}'", "put", "cup", f"{option}={value}")
        self.fails(2, "too large", "put", "cup", "--weight", "1e300")

    def test_ranges(self):
        self.fails(2, "2", "put", "cup", "--weight", "2")
        self.fails(2, "weight", "put", "cup", "--weight", "-0.5")
        self.fails(2, "radius", "put", "cup", "--radius", "2.56")
        self.fails(2, "strength", "put", "cup", "--strength", "1.5")
        self.fails(2, "", "put", "cup", "--at", "physical=1e9,0,0")

    def test_a_new_token_is_not_made_either(self):
        self.fails(2, "weight", "put", "mug", "--weight", "2")
        self.fails(3, "'mug'", "get", "mug")

    def test_spaces(self):
        error = self.fails(2, "--at", "put", "cup", "--at", "astral=1,2,3")
        for space in ("physical", "sensory", "motor", "emotional", "cognitive", "social",
                      "temporal", "abstract"):
            self.assertIn(space, error)
        self.fails(2, "SPACE=x,y,z", "put", "cup", "--at", "physical")
        self.fails(2, "three numbers", "put", "cup", "--at", "physical=1,2")
        self.fails(2, "not a finite number", "put", "cup", "--at", "physical=1,nan,2")
        self.fails(2, "--leave", "put", "cup", "--leave", "astral")
        self.fails(2, "physical", "put", "cup", "--at", "physical=1,2,3", "--leave", "physical")

    def test_vectors(self):
        self.fails(2, "2", "put", "cup", "--vector", "1,2")
        self.fails(2, "'nan'", "put", "cup", "--vector", "1,nan,2")
        self.fails(2, "''", "put", "cup", "--vector", "1,,2")
        self.fails(2, "''", "put", "cup", "--vector", "")

    def test_ids_and_labels(self):
        self.fails(2, "id 0 is not a token", "put", "--id", "0", "x")
        self.fails(2, "id 0 is not a token", "get", "0")
        self.fails(2, "id 0 is not a token", "rm", "#0")
        self.fails(3, "9", "put", "--id", "9", "x")
        self.fails(3, "9", "get", "9")
        self.fails(3, "", "get", "99999999999999999999")
        self.fails(2, "--id", "put", "--id", "x")
        self.fails(2, "--id 1", "put", "#1")
        self.fails(2, "empty", "put", "")
        self.fails(2, "", "put", "line\nbreak")
        self.fails(2, "", "put", "x" * 1025)
        self.fails(2, "one label", "put", "a", "b")
        self.fails(2, "--no-label", "put", "cup", "--no-label")
        self.fails(2, "--collection", "put", "--id", "1", "--collection", "other")
        self.fails(2, "--collection", "put", "x", "--collection", "Not Allowed")
        self.fails(2, "--entity", "put", "cup", "--entity", "spaceship")
        self.fails(2, "--entity", "put", "cup", "--entity", "16")

    def test_bytes_that_are_not_utf8(self):
        self.fails(2, "", "put", b"\xff\xfe")


class ConflictTest(CliTest):
    def test_a_label_that_another_token_has(self):
        self.ok("put", "cup")
        self.ok("put", "mug")
        before = self.state()
        self.fails(7, "cup", "put", "--id", "2", "cup")
        self.assertEqual(self.state(), before)


class AbsentStoreTest(CliTest):
    def test_commands_that_read_do_not_make_one(self):
        for command in (["query", "x"], ["path", "a", "b"], ["get", "a"], ["rm", "a"],
                        ["link", "a", "b"], ["unlink", "1"], ["ls"], ["neighbors", "a"],
                        ["stats"], ["check"], ["put", "--id", "1", "x"]):
            self.fails(3, self.store, *command)
        self.assertFalse(os.path.exists(self.store))

    def test_a_path_whose_parent_is_a_file(self):
        with open(self.path("file"), "wb"):
            pass
        self.fails(5, "file", "--store", self.path("file", "store"), "put", "x", store=None)
        self.fails(5, "file", "--store", self.path("file"), "put", "x", store=None)


class BusyTest(CliTest):
    def test_a_second_process_is_told_which_one_has_it(self):
        self.load_words()
        before = self.state()
        with subprocess.Popen([BINARY, "--store", self.store, "apply", "-", "--batch", "1"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=self.environment()) as holder:
            holder.stdin.write(b'{"op":"update","token":"dog","weight":1}\n')
            holder.stdin.flush()
            holder.stdout.readline()
            for command in (["put", "x"], ["stats"], ["serve"]):
                self.fails(4, str(holder.pid), *command)
            holder.stdin.close()
        self.assertEqual(holder.returncode, 0)
        self.assertEqual(self.state()["token_count"], before["token_count"])

    def test_readers_do_not_disturb_each_other_and_keep_writers_out(self):
        self.load_words()
        before = self.state()
        with subprocess.Popen([BINARY, "--store", self.store, "query", "--file", "-", "--json"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=self.environment()) as holder:
            holder.stdin.write(b"dog\n")
            holder.stdin.flush()
            holder.stdout.readline()
            self.ok("stats")
            self.ok("query", "dog")
            for command in (["put", "x"], ["serve"], ["checkpoint"]):
                self.fails(4, "reading", *command)
            holder.stdin.close()
        self.assertEqual(holder.returncode, 0)
        self.assertEqual(self.state(), before)


class DamagedTest(CliTest):
    def largest_log(self):
        return max(glob.glob(os.path.join(self.store, "*.log")), key=os.path.getsize)

    def flip(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x40]))

    def test_a_changed_byte_in_the_middle_of_the_log(self):
        for number in range(40):
            self.ok("put", f"token number {number}")
        path = self.largest_log()
        with open(path, "rb") as file:
            offset = file.read().index(b"token number 7") + 3
        before = self.state()
        self.flip(path, offset)
        error = self.fails(6, os.path.basename(path), "stats")
        self.assertRegex(error, r"\d")
        self.fails(6, os.path.basename(path), "put", "x")
        self.fails(6, os.path.basename(path), "check")
        self.flip(path, offset)
        self.assertEqual(self.state(), before)
        self.assertTrue(self.json("check")["ok"])

    def test_a_file_that_is_no_manifest(self):
        self.ok("put", "x")
        manifest = [path for path in glob.glob(os.path.join(self.store, "*"))
                    if "manifest" in os.path.basename(path).lower()][0]
        with open(manifest, "wb") as file:
            file.write(b"hello\n" * 100)
        self.fails(6, os.path.basename(manifest), "stats")


class ReadOnlyTest(CliTest):
    """Root may write anywhere, so the command runs as somebody who may not."""

    def test_a_directory_that_may_not_be_written(self):
        os.chmod(self.directory, 0o755)
        binary = self.path("neurograph")
        shutil.copy(BINARY, binary)
        os.chmod(binary, 0o755)
        locked = self.path("locked")
        os.mkdir(locked)
        os.chmod(locked, 0o555)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run([binary, "--store", os.path.join(locked, "store"), "put", "x"],
                              capture_output=True, check=False, cwd="/", env=self.environment(),
                              **user)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\Aneurograph: put: [^\n]+\n\Z")
        self.assertEqual(done.stdout, b"")
        self.assertEqual(os.listdir(locked), [])

    def test_a_store_that_may_not_be_written(self):
        self.ok("put", "x")
        before = self.state()
        os.chmod(self.directory, 0o755)
        binary = self.path("neurograph")
        shutil.copy(BINARY, binary)
        os.chmod(binary, 0o755)
        for path in [self.store, *glob.glob(os.path.join(self.store, "*"))]:
            os.chmod(path, 0o555 if os.path.isdir(path) else 0o444)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run([binary, "--store", self.store, "put", "y"], capture_output=True,
                              check=False, cwd="/", env=self.environment(), **user)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\Aneurograph: put: [^\n]+\n\Z")
        for path in [self.store, *glob.glob(os.path.join(self.store, "*"))]:
            os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
