# SPDX-License-Identifier: AGPL-3.0-or-later
"""Feeds, backups, checkpoints, conditions by If-Match, and durability other than sync."""

import json
import os
import signal
import socket
import subprocess
import threading
import unittest

from http_server import API, BINARY, Server, ServerTest, send

FEEDS_MAX = 64
BACKUPS_MAX = 2


class Raw:
    """A reply whose body is bytes."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def error(self):
        return json.loads(self.body)["error"]


class StreamTest(ServerTest):
    def fetch(self, path, connection=None):
        connection = connection or self.connection
        connection.request("GET", API + path)
        return Raw(connection.getresponse())

    def cli(self, *args, stdin=b"", code=0):
        done = subprocess.run(
            [BINARY, "--json", *args], input=stdin, capture_output=True, timeout=60, check=False
        )
        self.assertEqual(done.returncode, code, (args, done.stderr))
        return json.loads(done.stdout) if done.stdout else None

    def state_of(self, stream, name):
        """Restores the stream and returns hash and seq."""
        store = os.path.join(self.root, name)
        self.cli("restore", "-", store, stdin=stream)
        return self.cli("hash", store)


class Feed(StreamTest):
    def test_ops_after_one(self):
        for number in range(5):
            self.create(label=f"t{number}")
        reply = self.fetch("/feed?after=0")
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["content-type"], "application/octet-stream")
        self.assertEqual(reply.headers["x-neurograph-seq"], "5")
        for number in range(5):
            self.assertIn(f"t{number}".encode(), reply.body)
        last = self.fetch("/feed?after=4").body
        self.assertIn(b"t4", last)
        self.assertNotIn(b"t3", last)
        empty = self.fetch("/feed?after=5").body
        self.assertLess(len(empty), len(last))
        self.assertEqual(self.state_of(reply.body, "whole")["seq"], 5)

    def test_max_bytes(self):
        for number in range(20):
            self.create(label=f"label-{number:02}")
        whole = self.fetch("/feed?after=0").body
        seen, after = 0, 0
        while after < 20:
            piece = self.fetch(f"/feed?after={after}&max_bytes=1").body
            self.assertLess(len(piece), len(whole))
            found = piece.count(b"label-")
            self.assertEqual(found, 1)
            seen += found
            after += found
        self.assertEqual(seen, 20)

    def test_waits_for_the_next_op(self):
        self.create()
        answers = []

        def wait():
            connection = self.server.connect(timeout=60)
            answers.append(self.fetch("/feed?after=1&wait_ms=30000", connection))
            connection.close()

        waiting = [threading.Thread(target=wait) for _ in range(8)]
        for thread in waiting:
            thread.start()
        while self.get("/status").data["requests"]["in_flight"] < 9:
            pass
        self.assertEqual(answers, [])
        self.create(label="awaited")
        for thread in waiting:
            thread.join(60)
        self.assertEqual(len(answers), 8)
        for reply in answers:
            self.assertEqual((reply.status, reply.headers["x-neurograph-seq"]), (200, "2"))
            self.assertIn(b"awaited", reply.body)

    def test_an_empty_answer_in_the_end(self):
        self.create()
        reply = self.fetch("/feed?after=1&wait_ms=1")
        self.assertEqual((reply.status, reply.headers["x-neurograph-seq"]), (200, "1"))

    def test_waiting_occupies_no_worker_and_has_a_limit(self):
        self.create()
        connections = [self.server.connect(timeout=60) for _ in range(FEEDS_MAX)]
        for connection in connections:
            connection.request("GET", API + "/feed?after=1&wait_ms=30000")
        while self.get("/status").data["requests"]["in_flight"] < FEEDS_MAX + 1:
            pass
        self.check_error(
            send(self.connection, "GET", API + "/feed?after=1&wait_ms=30000"),
            503,
            "SERVICE_UNAVAILABLE",
        )
        self.assertEqual(self.post("/query", {"text": "x"}).status, 404)
        self.create(label="awaited")
        for connection in connections:
            reply = Raw(connection.getresponse())
            # More than the pool's queue holds at once: some are told to come again.
            self.assertIn(reply.status, (200, 503))
            connection.close()
        self.assertEqual(self.fetch("/feed?after=1&wait_ms=30000").status, 200)

    def test_errors(self):
        self.create()
        for query, fields in (
            ("", ["query.after"]),
            ("?after=x", ["query.after"]),
            ("?after=-1", ["query.after"]),
            ("?after=2", ["query.after"]),
            ("?after=2&wait_ms=1000", ["query.after"]),
            ("?after=18446744073709551616", ["query.after"]),
            ("?after=0&wait_ms=30001", ["query.wait_ms"]),
            ("?after=0&max_bytes=0", ["query.max_bytes"]),
            ("?after=0&max_bytes=16777217", ["query.max_bytes"]),
            ("?after=0&since=1", ["query"]),
        ):
            reply = self.get("/feed" + query)
            self.check_error(reply, 422, "VALIDATION_ERROR", fields)
        self.check_error(self.post("/feed", {}), 405, "METHOD_NOT_ALLOWED")

    def test_a_client_that_leaves(self):
        self.create()
        for _ in range(5):
            with self.server.socket() as sock:
                sock.sendall(
                    f"GET {API}/feed?after=1&wait_ms=200 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                )
        while self.get("/status").data["requests"]["in_flight"] > 1:
            pass
        self.assertEqual(self.fetch("/feed?after=0").status, 200)

    def test_a_stop_does_not_wait_for_them(self):
        self.create()
        connection = self.server.connect(timeout=60)
        connection.request("GET", API + "/feed?after=1&wait_ms=30000")
        while self.get("/status").data["requests"]["in_flight"] < 2:
            pass
        self.server.signal(signal.SIGTERM)
        reply = Raw(connection.getresponse())
        connection.close()
        self.assertEqual((reply.status, reply.error["code"]), (503, "SERVICE_UNAVAILABLE"))
        code, errors = self.server.wait()
        self.assertEqual((code, errors), (0, ""))


class Backup(StreamTest):
    options = ("--timeout", "5")

    def fill(self, count, dimensions=16):
        for number in range(count):
            self.create(label=f"t{number}", vector=[number + 0.5] * dimensions)

    def test_whole_and_incremental(self):
        self.fill(3)
        reply = self.fetch("/admin/backup")
        self.assertEqual((reply.status, reply.headers["transfer-encoding"]), (200, "chunked"))
        self.assertEqual(reply.headers["content-type"], "application/octet-stream")
        self.create(label="later")
        after = self.fetch("/admin/backup?after=3")
        self.assertIn(b"later", after.body)
        self.assertNotIn(b"t2", after.body)
        again = self.fetch("/admin/backup")
        self.assertEqual(self.server.stop()[0], 0)
        now = self.cli("hash", self.server.directory)
        self.assertEqual(self.state_of(again.body, "again"), now)
        self.assertEqual(self.state_of(reply.body, "first")["seq"], 3)

    def test_while_writers_write(self):
        self.fill(50)
        stop = threading.Event()
        written = []

        def write():
            connection = self.server.connect()
            while not stop.is_set():
                send(connection, "POST", API + "/tokens", {"label": f"w{len(written)}"})
                written.append(1)
            connection.close()

        writer = threading.Thread(target=write)
        writer.start()
        streams = [self.fetch("/admin/backup").body for _ in range(3)]
        stop.set()
        writer.join()
        for number, stream in enumerate(streams):
            self.assertGreaterEqual(self.state_of(stream, f"s{number}")["seq"], 50)

    def test_errors(self):
        self.create()
        for query, fields in (
            ("?after=2", ["query.after"]),
            ("?after=x", ["query.after"]),
            ("?before=1", ["query"]),
        ):
            self.check_error(self.get("/admin/backup" + query), 422, "VALIDATION_ERROR", fields)
        self.check_error(self.post("/admin/backup", {}), 405, "METHOD_NOT_ALLOWED")

    def begin(self):
        """A backup that is asked for and not read."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(60)
        sock.connect(("127.0.0.1", self.server.port))
        sock.sendall(f"GET {API}/admin/backup HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assertTrue(sock.recv(1))
        return sock

    def test_two_at_once_and_a_slow_client_is_cut_off(self):
        self.fill(2500, 1024)  # 10 MiB, more than sockets buffer
        slow = [self.begin() for _ in range(BACKUPS_MAX)]
        self.check_error(self.get("/admin/backup"), 503, "SERVICE_UNAVAILABLE")
        self.create(label="meanwhile")
        while self.get("/status").data["requests"]["in_flight"] > 1:
            pass  # until the time-out
        for sock in slow:
            received = b""
            try:
                while piece := sock.recv(1 << 16):
                    received += piece
            except ConnectionResetError:
                pass
            self.assertFalse(received.endswith(b"0\r\n\r\n"))
            sock.close()
        whole = self.fetch("/admin/backup")
        self.assertEqual(whole.status, 200)
        self.assertIn(b"meanwhile", whole.body)

    def test_a_client_that_leaves_frees_its_place(self):
        self.fill(1000, 1024)
        for _ in range(3 * BACKUPS_MAX):
            sock = self.begin()
            sock.close()
            while (reply := self.fetch("/admin/backup")).status == 503:
                pass
            self.assertEqual(reply.status, 200)


class StopDuringBackup(StreamTest):
    options = ("--drain", "50")

    def test_it_ends(self):
        for number in range(2500):
            self.create(vector=[number + 0.5] * 1024)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(60)
            sock.connect(("127.0.0.1", self.server.port))
            sock.sendall(f"GET {API}/admin/backup HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertTrue(sock.recv(1))
            code, errors = self.server.stop()
            self.assertEqual(code, 0)
            self.assertIn("1 requests unanswered", errors)


class Checkpoint(StreamTest):
    def test_report(self):
        for number in range(5):
            self.create(label=f"t{number}")
        reply = self.post("/admin/checkpoint", {})
        self.assertEqual(reply.status, 200)
        self.assertEqual(
            set(reply.data),
            {"seq", "bytes", "segments_removed", "bytes_freed", "lock_ms_max", "seconds"},
        )
        self.assertEqual(reply.data["seq"], 5)
        self.assertGreater(reply.data["bytes"], 0)
        self.assertEqual(self.post("/admin/checkpoint", {}).data["seq"], 5)
        self.assertEqual(self.server.stop()[0], 0)
        self.assertEqual(self.cli("stats", self.server.directory)["recovered_snapshot_seq"], 5)

    def test_a_page_cannot_ask_for_one(self):
        self.check_error(self.post("/admin/checkpoint"), 422, "VALIDATION_ERROR", ["body"])
        self.check_error(
            self.post("/admin/checkpoint", b"{}", headers={"Content-Type": "text/plain"}),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        )
        self.check_error(
            self.post("/admin/checkpoint", {"fast": True}), 422, "VALIDATION_ERROR", ["body.fast"]
        )


class Conditions(StreamTest):
    def check_refused(self, reply, version):
        self.check_error(reply, 412, "PRECONDITION_FAILED")
        self.assertEqual(reply.error["details"]["token"]["version"], version)
        self.assertEqual(reply.headers["etag"], f'"{version}"')

    def test_etag(self):
        reply = self.post("/tokens", {})
        self.assertEqual(reply.headers["etag"], '"1"')
        self.assertEqual(self.get("/tokens/1").headers["etag"], '"1"')
        self.assertEqual(self.put("/tokens/1", {"weight": 1}).headers["etag"], '"2"')
        self.assertNotIn("etag", self.get("/tokens").headers)
        self.assertNotIn("etag", self.get("/tokens/7").headers)

    def test_put(self):
        self.create(label="cup")
        for tag in ('"1"', '"9", "1"', ' "1" ,"2"', "*"):
            version = self.get("/tokens/1").data["version"]
            tag = tag.replace("1", str(version))
            reply = self.put("/tokens/1", {"weight": version / 100}, headers={"If-Match": tag})
            self.assertEqual(reply.status, 200, tag)
            self.assertEqual(reply.data["version"], version + 1)
        for tag in ('"1"', 'W/"5"', '"05"', '""', '"x"', '"1", "2"'):
            self.check_refused(self.put("/tokens/1", {}, headers={"If-Match": tag}), 5)
        for tag in ("5", "'5'", '"5', '"5" "6"', "", "*, 5", ",".join(['"1"'] * 17)):
            reply = self.put("/tokens/1", {"weight": 1}, headers={"If-Match": tag})
            self.check_error(reply, 422, "VALIDATION_ERROR", ["header.If-Match"])
        self.assertEqual(self.get("/tokens/1").data["version"], 5)
        reply = self.put("/tokens/9", {}, headers={"If-Match": "*"})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")

    def test_delete(self):
        self.create()
        self.check_refused(self.delete("/tokens/1", headers={"If-Match": '"2"'}), 1)
        self.assertEqual(self.delete("/tokens/1", headers={"If-Match": '"1"'}).status, 204)
        reply = self.delete("/tokens/1", headers={"If-Match": '"1"'})
        self.check_error(reply, 404, "RESOURCE_NOT_FOUND")

    def test_one_of_many_wins(self):
        """Each writer adds one with If-Match until it has done so ten times: none is lost."""
        self.create(entity_type=0, field_radius=0)

        def add():
            connection = self.server.connect()
            done = 0
            while done < 10:
                token = send(connection, "GET", API + "/tokens/1")
                radius = round(token.data["field_radius"] + 0.01, 2)
                reply = send(
                    connection,
                    "PUT",
                    API + "/tokens/1",
                    {"field_radius": radius},
                    {"If-Match": token.headers["etag"]},
                )
                if reply.status == 200:
                    done += 1
                elif reply.status != 412:
                    raise AssertionError(reply.body)
            connection.close()

        adders = [threading.Thread(target=add) for _ in range(8)]
        for thread in adders:
            thread.start()
        for thread in adders:
            thread.join(60)
        token = self.get("/tokens/1").data
        self.assertEqual((token["field_radius"], token["version"]), (0.8, 81))


class Relaxed(StreamTest):
    options = ("--durability", "interval")

    def test_replies_do_not_wait_and_the_disk_follows(self):
        for number in range(50):
            self.create(label=f"t{number}")
        reply = self.fetch("/feed?after=49&wait_ms=30000")
        self.assertEqual(reply.headers["x-neurograph-seq"], "50")
        self.server.process.kill()
        self.server.wait()
        self.expected_code = -9
        again = Server(self.server.directory)
        self.assertEqual(again.announced_tokens, 50)
        self.assertEqual(again.stop()[0], 0)


class Unsynced(StreamTest):
    options = ("--durability", "none")

    def test_an_orderly_stop_keeps_everything(self):
        for number in range(50):
            self.create(label=f"t{number}")
        self.assertEqual(self.get("/tokens?limit=1").data["total"], 50)
        self.assertEqual(self.server.stop()[0], 0)
        again = Server(self.server.directory)
        self.assertEqual(again.announced_tokens, 50)
        self.assertEqual(again.stop()[0], 0)


class Follower(StreamTest):
    def test_a_copy_is_served_and_not_written(self):
        self.create(label="cup")
        copy = os.path.join(self.root, "copy")
        url = f"http://127.0.0.1:{self.server.port}"
        self.assertEqual(self.cli("follow", url, copy, "--once")["seq"], 1)
        served = Server(copy)
        connection = served.connect()
        self.assertEqual(send(connection, "GET", API + "/tokens/1").data["label"], "cup")
        for method, path, body in (
            ("POST", "/tokens", {}),
            ("PUT", "/tokens/1", {"weight": 1}),
            ("DELETE", "/tokens/1", None),
        ):
            reply = send(connection, method, API + path, body)
            self.check_error(reply, 403, "READ_ONLY")
        # a copy can be followed in its turn
        second = os.path.join(self.root, "second")
        chain = self.cli("follow", f"http://127.0.0.1:{served.port}", second, "--once")
        connection.close()
        self.assertEqual(served.stop()[0], 0)
        self.assertEqual(chain["state_hash"], self.cli("hash", copy)["state_hash"])


if __name__ == "__main__":
    unittest.main()
