# SPDX-License-Identifier: AGPL-3.0-or-later
"""serve --supervise: what starts the server again, what ends it, and that nothing is left behind."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from http_server import API, BINARY, send


class Supervised(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="neurograph-http-")
        self.addCleanup(shutil.rmtree, self.root, True)
        self.store = os.path.join(self.root, "store")
        self.parent = None

    def start(self, *options, **more):
        self.parent = subprocess.Popen(
            [BINARY, "serve", "--supervise", "--store", self.store, "--listen", "127.0.0.1:0"]
            + list(options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )
        self.addCleanup(self.clean)
        self.port = self.announced()

    def clean(self):
        if self.parent.poll() is None:
            self.parent.kill()
        self.parent.communicate(timeout=60)

    def announced(self):
        """Waits for the line of the next child; returns its port."""
        line = self.parent.stdout.readline()
        self.assertTrue(line.startswith("listening on http://127.0.0.1:"), line)
        return int(line.split(" ")[2].rsplit(":", 1)[1])

    def child(self):
        path = f"/proc/{self.parent.pid}/task/{self.parent.pid}/children"
        with open(path, encoding="ascii") as file:
            (pid,) = file.read().split()
        return int(pid)

    @staticmethod
    def state_of(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return send(connection, method, API + path, body)
        finally:
            connection.close()

    def supervision(self):
        return self.request("GET", "/status").data["supervision"]

    def end(self, expected=0):
        out, errors = self.parent.communicate(timeout=60)
        self.assertEqual(self.parent.returncode, expected, errors)
        return errors

    def blackbox(self):
        done = subprocess.run(
            [BINARY, "blackbox", "--json", "--store", self.store],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def assert_gone(self):
        """Nobody serves: connections are refused, and the store can be opened by another."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
            except ConnectionRefusedError:
                break
        while True:
            done = subprocess.run(
                [BINARY, "put", "after", "--store", self.store],
                capture_output=True,
                text=True,
                timeout=60,
            )
            if done.returncode != 4:  # in use
                self.assertEqual(done.returncode, 0, done.stderr)
                return

    def test_killed_children_are_replaced(self):
        self.start()
        self.assertEqual(self.supervision(), {"restarts": 0, "last_reason": None})
        for count, number in enumerate([signal.SIGKILL, signal.SIGABRT, signal.SIGKILL], 1):
            reply = self.request("POST", "/tokens", {"label": f"before {count}"})
            self.assertEqual(reply.status, 201)
            child = self.child()
            os.kill(child, number)
            self.assertEqual(self.announced(), self.port)
            self.assertNotEqual(self.child(), child)
            supervision = self.supervision()
            self.assertEqual(supervision["restarts"], count)
            self.assertIn(f"signal {int(number)} ", supervision["last_reason"])
        self.assertEqual(self.request("GET", "/status").data["tokens"]["total"], 3)
        self.parent.send_signal(signal.SIGTERM)
        errors = self.end().splitlines()
        self.assertEqual(len(errors), 3, errors)
        self.assertIn("restart 1 in 100 ms", errors[0])
        self.assertIn("restart 2 in 200 ms", errors[1])
        self.assertIn("restart 3 in 400 ms", errors[2])
        notes = [event["text"] for event in self.blackbox() if event["kind"] == "host"]
        self.assertEqual([note.split(";")[0] for note in notes],
                         [f"restart {count} by the supervisor" for count in (1, 2, 3)])
        self.assertIn("signal 6", notes[1])

    def test_clients_wait_for_the_next_child(self):
        """A connection made while no child lives is not refused; the next one answers it."""
        self.start()
        child = self.child()
        os.kill(child, signal.SIGSTOP)
        while self.state_of(child) != "T":
            pass
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as early:
            os.kill(child, signal.SIGKILL)
            early.sendall(f"GET {API}/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertTrue(early.recv(100).startswith(b"HTTP/1.1 200"))
        self.parent.send_signal(signal.SIGTERM)
        self.end()

    def test_orderly_stop(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.start()
            child = self.child()
            self.parent.send_signal(number)
            self.assertEqual(self.end(), "")
            self.assertFalse(os.path.exists(f"/proc/{child}"))
            self.assert_gone()

    def test_a_child_that_was_told_to_stop_is_not_replaced(self):
        self.start()
        os.kill(self.child(), signal.SIGTERM)
        self.assertEqual(self.end(), "")
        self.assert_gone()

    def test_signals_of_a_terminal_reach_the_parent_alone(self):
        """Ctrl-C goes to a whole process group; two of them would end the wait for requests."""
        self.start(start_new_session=True)
        child = self.child()
        self.assertEqual(os.getpgid(self.parent.pid), self.parent.pid)
        self.assertEqual(os.getpgid(child), child)
        os.killpg(self.parent.pid, signal.SIGINT)
        self.assertEqual(self.end(), "")

    def test_no_orphan_serves(self):
        self.start()
        self.request("POST", "/tokens", {"label": "kept"})
        self.parent.kill()
        self.end(-signal.SIGKILL)
        self.assert_gone()

    def test_usage_errors_and_a_store_in_use_end_it(self):
        for options, code, text in [
            (["--listen", "0.0.0.0:0"], 2, "not a loopback address"),
            (["--listen", "nonsense"], 2, "nonsense"),
            (["--header-bytes", "1"], 2, "header_bytes_max"),
        ]:
            done = subprocess.run(
                [BINARY, "serve", "--supervise", "--store", self.store, *options],
                capture_output=True, text=True, timeout=60,
            )
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertNotIn("restart", done.stderr)
        self.start()
        done = subprocess.run(
            [BINARY, "serve", "--supervise", "--store", self.store, "--listen", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60,
        )
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("in use", done.stderr)
        self.parent.send_signal(signal.SIGTERM)
        self.end()

    def test_damaged_data_ends_it(self):
        self.start()
        self.request("POST", "/tokens", {"label": "one"})
        with open(os.path.join(self.store, "MANIFEST"), "r+b") as file:
            file.seek(20)
            byte = file.read(1)
            file.seek(20)
            file.write(bytes([byte[0] ^ 1]))
        os.kill(self.child(), signal.SIGKILL)
        errors = self.end(6)
        self.assertIn("restart 1", errors)
        self.assertIn("MANIFEST", errors)

    def test_a_store_that_stopped_is_opened_again(self):
        """The child may write no file beyond its first bytes: the write of an op fails, the store
        stops, and the next child, which has no such limit, goes on with what is on disk."""
        self.start(restore_signals=False)  # SIGXFSZ stays ignored: an error, not a signal
        self.assertEqual(self.request("POST", "/tokens", {"label": "kept"}).status, 201)
        resource.prlimit(self.child(), resource.RLIMIT_FSIZE, (16, 16))
        reply = self.request("POST", "/tokens", {"label": "lost"})
        self.assertEqual(reply.status, 503, reply.body)
        self.announced()
        supervision = self.supervision()
        self.assertEqual(supervision["restarts"], 1)
        self.assertIn("store stopped", supervision["last_reason"])
        status = self.request("GET", "/status").data
        self.assertEqual(status["state"], "running")
        self.assertEqual(status["tokens"]["total"], 1)
        self.assertEqual(self.request("POST", "/tokens", {"label": "lost"}).status, 201)
        self.parent.send_signal(signal.SIGTERM)
        self.assertIn("restart 1 in 100 ms", self.end())

    def test_without_a_supervisor_a_store_that_stopped_stays_readable_about_itself(self):
        plain = subprocess.Popen(
            [BINARY, "serve", "--store", self.store, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, restore_signals=False,
        )
        self.parent = plain
        self.addCleanup(self.clean)
        self.port = self.announced()
        self.assertIsNone(self.supervision())
        self.assertEqual(self.request("POST", "/tokens", {"label": "kept"}).status, 201)
        resource.prlimit(plain.pid, resource.RLIMIT_FSIZE, (16, 16))
        self.assertEqual(self.request("POST", "/tokens", {"label": "lost"}).status, 503)
        status = self.request("GET", "/status").data
        self.assertEqual(status["state"], "degraded")
        self.assertEqual(status["components"]["token_storage"], "latched")
        for field in ["tokens", "connections", "cdna_profile"]:
            self.assertIsNone(status[field])
        self.assertEqual(self.request("GET", "/health/ready").status, 503)
        self.assertIsNone(plain.poll())
        plain.send_signal(signal.SIGTERM)
        plain.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main()
