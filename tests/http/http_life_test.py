# SPDX-License-Identifier: AGPL-3.0-or-later
"""The life of the server: where it listens, what survives kill -9, how it stops."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from http_protocol_test import post_head, read_reply
from http_server import API, BINARY, Server, ServerTest, send


class Listen(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="neurograph-http-")
        self.addCleanup(shutil.rmtree, self.root, True)

    def refuse(self, address):
        done = subprocess.run(
            [BINARY, "serve", "--store", os.path.join(self.root, "store"), "--listen", address],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertNotEqual(done.returncode, 0, address)
        self.assertNotIn("listening", done.stdout)
        self.assertIn(address, done.stderr)
        return done.stderr

    def test_other_addresses_are_refused(self):
        for address in [
            "0.0.0.0:0",
            "[::]:0",
            "192.0.2.1:8000",
            "example.org:80",
            "localhost.example.org:80",
            "128.0.0.1:0",
        ]:
            self.assertIn("not a loopback address", self.refuse(address), address)

    def test_nonsense_is_refused(self):
        for address in [
            "127.0.0.1",
            "127.0.0.1:",
            ":8000",
            "8000",
            "127.0.0.1:65536",
            "127.0.0.1:x",
            "127.0.0.1:80x",
            "::1:80",
            "[::1]",
            "[::1:80",
            "127.0.0.1:-1",
        ]:
            self.assertIn("HOST:PORT", self.refuse(address), address)

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            self.assertIn("in use", self.refuse(f"127.0.0.1:{holder.getsockname()[1]}"))

    def test_names_of_loopback(self):
        for address, expected in [
            ("localhost:0", "http://127.0.0.1:"),
            ("127.1.2.3:0", "http://127.1.2.3:"),
            ("[::1]:0", "http://[::1]:"),
        ]:
            if address.startswith("[") and not has_ipv6():
                continue
            process = subprocess.Popen(
                [BINARY, "serve", "--store", os.path.join(self.root, "store"), "--listen", address],
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                line = process.stdout.readline()
                self.assertTrue(line.startswith("listening on " + expected), line)
                port = int(line.split(" ")[2].rsplit(":", 1)[1])
                host = expected[len("http://") : -1].strip("[]")
                with socket.create_connection((host, port), timeout=30) as sock:
                    sock.sendall(
                        f"GET {API}/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                    )
                    self.assertEqual(read_reply(sock).status, 200)
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0)


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Durability(ServerTest):
    expected_code = -signal.SIGKILL

    def test_acknowledged_is_there_after_kill(self):
        """64 writers at once; the process is killed in the middle of it; what was acknowledged,
        deleted or changed is found so by the next server."""
        enough = threading.Event()
        acknowledged = []
        lock = threading.Lock()

        def writer(number):
            mine = []
            connection = self.server.connect()
            try:
                for step in range(100000):
                    label = f"{number}/{step}"
                    reply = send(
                        connection, "POST", API + "/tokens", {"label": label, "weight": 0.25}
                    )
                    self.assertEqual(reply.status, 201, reply.body)
                    mine.append([reply.data["id"], label, 0.25])
                    if step % 5 == 1:
                        reply = send(
                            connection, "PUT", f"{API}/tokens/{mine[-1][0]}", {"weight": 0.75}
                        )
                        self.assertEqual(reply.status, 200, reply.body)
                        mine[-1][2] = 0.75
                    if step % 7 == 3:
                        # Whether a delete that is not answered happened is open: not looked at.
                        gone = mine.pop()
                        reply = send(connection, "DELETE", f"{API}/tokens/{gone[0]}")
                        self.assertEqual(reply.status, 204)
                        mine.append([gone[0], None, None])
                    if step == 30:
                        with lock:
                            acknowledged.append(mine)
                            if len(acknowledged) == 64:
                                enough.set()
            except (OSError, ValueError, http.client.HTTPException):
                pass  # killed; whether an unanswered PUT happened is open
            finally:
                connection.close()
                with lock:
                    finished.append(number)

        finished = []
        threads = [threading.Thread(target=writer, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        self.assertTrue(enough.wait(100))
        self.server.signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
        self.assertEqual(self.server.wait()[0], -signal.SIGKILL)
        self.assertEqual(len(finished), 64)

        again = Server(self.server.directory)
        connection = again.connect()
        ids = set()
        checked = 0
        for mine in acknowledged:
            for token_id, label, weight in mine:
                self.assertNotIn(token_id, ids, "an id was given twice")
                ids.add(token_id)
                reply = send(connection, "GET", f"{API}/tokens/{token_id}")
                if label is None:
                    self.assertEqual(reply.status, 404)
                    continue
                self.assertEqual(reply.status, 200, (token_id, label))
                self.assertEqual(reply.data["label"], label)
                self.assertIn(reply.data["weight"], (weight, 0.75))
                checked += 1
        self.assertGreater(checked, 64 * 20)
        connection.close()
        self.assertEqual(again.stop()[0], 0)
        check = subprocess.run(
            [BINARY, "check", "--store", self.server.directory], capture_output=True, text=True
        )
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)


class Lockstep(ServerTest):
    """As many clients as an event loop may be told of at once (128), and its multiples, that all
    write at the same time: each is answered, round after round."""

    def rounds(self, clients):
        body = b'{"weight":0.25}'
        request = post_head(f"Content-Length: {len(body)}") + body
        sockets = [self.server.socket() for _ in range(clients)]
        try:
            for _ in range(10):
                for sock in sockets:
                    sock.sendall(request)
                for sock in sockets:
                    self.assertEqual(read_reply(sock).status, 201)
        finally:
            for sock in sockets:
                sock.close()

    def test_rounds(self):
        for clients in [128, 256]:
            self.rounds(clients)
        self.assertEqual(self.get("/status").data["tokens"]["total"], 3840)


class LockstepOnThreeLoops(Lockstep):
    options = ("--io-threads", "3")


class Restart(ServerTest):
    def test_everything_is_there(self):
        for i in range(20):
            self.create(label=f"t{i}", l3_motor={"x": i})
        before = self.get("/tokens?limit=100").data["tokens"]
        self.end()
        self.server = Server(self.server.directory)
        self.connection = self.server.connect()
        self.assertEqual(self.server.announced_tokens, 20)
        after = self.get("/tokens?limit=100").data["tokens"]
        for token in before + after:
            del token["age_seconds"]
        self.assertEqual(after, before)

    def test_store_in_use(self):
        done = subprocess.run(
            [BINARY, "serve", "--store", self.server.directory, "--listen", "127.0.0.1:0"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("in use", done.stderr)
        self.assertEqual(self.get("/health").status, 200)


class Stop(ServerTest):
    BODY = b'{"label":"late"}'
    HEAD = post_head(f"Content-Length: {len(BODY)}")

    def begin(self):
        """A request in flight, half of its body sent, and the server told to stop."""
        sock = self.server.socket()
        self.addCleanup(sock.close)
        sock.sendall(self.HEAD + self.BODY[:5])
        # The server counts a request when it has read its headers; ask until it has.
        while self.get("/status").data["requests"]["in_flight"] < 2:
            pass
        self.server.signal(signal.SIGTERM)
        try:
            while self.get("/health/ready").status != 503:
                pass
        except ConnectionRefusedError:
            pass  # the last good answer closed the connection, as all do while the server stops
        return sock

    def test_in_flight_is_finished(self):
        sock = self.begin()
        sock.sendall(self.BODY[5:])
        reply = read_reply(sock)
        self.assertEqual(reply.status, 201)
        self.assertEqual(reply.headers["connection"].lower(), "close")
        self.assertEqual(self.server.wait()[0], 0)
        again = Server(self.server.directory)
        connection = again.connect()
        self.assertEqual(
            send(connection, "GET", f"{API}/tokens/{reply.data['id']}").data["label"], "late"
        )
        connection.close()
        self.assertEqual(again.stop()[0], 0)

    def test_new_connections_are_refused(self):
        sock = self.begin()
        with self.assertRaises(ConnectionError):
            self.server.socket().close()
        sock.sendall(self.BODY[5:])
        self.assertEqual(read_reply(sock).status, 201)

    def test_new_requests_are_refused(self):
        kept = self.server.connect()
        self.assertEqual(send(kept, "GET", API + "/tokens").status, 200)
        self.addCleanup(kept.close)
        sock = self.begin()
        reply = send(kept, "POST", API + "/tokens", {})
        self.check_error(reply, 503, "SERVICE_UNAVAILABLE")
        self.assertEqual(reply.headers["retry-after"], "1")
        sock.sendall(self.BODY[5:])
        self.assertEqual(read_reply(sock).status, 201)
        self.assertEqual(self.server.wait()[0], 0)

    def test_ready_says_so(self):
        kept = self.server.connect()
        self.assertEqual(send(kept, "GET", API + "/health/ready").status, 200)
        self.addCleanup(kept.close)
        sock = self.begin()
        reply = send(kept, "GET", API + "/health/ready")
        self.check_error(reply, 503, "SERVICE_UNAVAILABLE")
        self.assertEqual(reply.error["details"], {"ready": False})
        sock.sendall(self.BODY[5:])
        read_reply(sock)

    def test_second_signal_ends_the_wait(self):
        self.begin()
        self.server.signal(signal.SIGTERM)
        code, errors = self.server.wait()
        self.assertEqual(code, 0)
        self.assertIn("1 requests unanswered", errors)


class StopUnderLoad(ServerTest):
    def test_every_reply_is_whole(self):
        """Writers and askers on 16 connections while the server stops: each gets a whole reply or a
        closed connection, and every acknowledged token is there afterwards."""
        ready = threading.Barrier(17)
        acknowledged, problems = [], []

        def client(number):
            connection = self.server.connect()
            try:
                for step in range(100000):
                    reply = send(connection, "POST", API + "/tokens", {"label": f"{number}/{step}"})
                    if reply.status == 201:
                        acknowledged.append((reply.data["id"], f"{number}/{step}"))
                    elif reply.status != 503:
                        problems.append(reply.body)
                    asked = send(connection, "POST", API + "/query", {"text": "x"})
                    if asked.status not in (404, 503):
                        problems.append(asked.body)
                    if step == 5:
                        ready.wait()
            except json.JSONDecodeError as error:
                problems.append(error)
            except (OSError, http.client.HTTPException):
                pass  # closed
            finally:
                connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        ready.wait()
        code, errors = self.server.stop()
        for thread in threads:
            thread.join()
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(problems, [])
        again = Server(self.server.directory)
        connection = again.connect()
        for token_id, label in acknowledged:
            self.assertEqual(
                send(connection, "GET", f"{API}/tokens/{token_id}").data["label"], label
            )
        connection.close()
        self.assertEqual(again.stop()[0], 0)


class SlowDrain(ServerTest):
    options = ("--drain", "50")

    def test_unfinished_request_is_dropped(self):
        with self.server.socket() as sock:
            sock.sendall(Stop.HEAD + Stop.BODY[:5])
            while self.get("/status").data["requests"]["in_flight"] < 2:
                pass
            code, errors = self.server.stop()
            self.assertEqual(code, 0)
            self.assertIn("1 requests unanswered", errors)
            try:
                self.assertEqual(sock.recv(100), b"")
            except ConnectionResetError:
                pass


if __name__ == "__main__":
    unittest.main()
