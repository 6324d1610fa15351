# SPDX-License-Identifier: AGPL-3.0-or-later
"""HTTP itself and hostile bodies: verbs, types, sizes, pipelining, malformed JSON."""

import http.client
import json
import socket
import unittest

from http_server import API, Reply, ServerTest, send


def post_head(*lines):
    """The headers of POST /tokens, with further lines."""
    fixed = [f"POST {API}/tokens HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "".join(line + "\r\n" for line in [*fixed, *lines, ""]).encode()


class Verbs(ServerTest):
    def test_wrong_verb(self):
        for method, path, allow in [
            ("DELETE", "/tokens", "GET, POST, HEAD, OPTIONS"),
            ("PATCH", "/tokens/1", "GET, PUT, DELETE, HEAD, OPTIONS"),
            ("POST", "/tokens/1", "GET, PUT, DELETE, HEAD, OPTIONS"),
            ("GET", "/query", "POST, OPTIONS"),
            ("HEAD", "/query", "POST, OPTIONS"),
            ("PUT", "/status", "GET, HEAD, OPTIONS"),
            ("BREW", "/health", "GET, HEAD, OPTIONS"),
        ]:
            with self.subTest(method=method, path=path):
                reply = send(self.connection, method, API + path)
                self.assertEqual((reply.status, reply.headers["allow"]), (405, allow))
                if method != "HEAD":
                    self.check_error(reply, 405, "METHOD_NOT_ALLOWED")

    def test_options(self):
        reply = send(self.connection, "OPTIONS", API + "/tokens/1")
        self.assertEqual((reply.status, reply.raw), (204, b""))
        self.assertEqual(reply.headers["allow"], "GET, PUT, DELETE, HEAD, OPTIONS")
        self.assertEqual(send(self.connection, "OPTIONS", "/nope").status, 404)

    def test_head(self):
        self.create()
        reply = send(self.connection, "HEAD", API + "/tokens/1")
        self.assertEqual((reply.status, reply.raw), (200, b""))
        self.assertGreater(int(reply.headers["content-length"]), 100)
        self.assertEqual(send(self.connection, "HEAD", API + "/tokens/2").status, 404)
        self.assertEqual(self.get("/tokens/1").status, 200)


class MediaType(ServerTest):
    def test_types(self):
        for kind in [
            "application/json",
            "application/json; charset=utf-8",
            "APPLICATION/JSON",
            "application/json ;x=y",
        ]:
            self.assertEqual(
                self.post("/tokens", {}, headers={"Content-Type": kind}).status, 201, kind
            )
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "multipart/form-data",
            "",
            None,
        ]:
            with self.subTest(kind=kind):
                reply = self.post("/tokens", {}, headers={"Content-Type": kind})
                self.check_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE")
        self.assertEqual(self.get("/tokens").data["total"], 4)

    def test_body_where_none_belongs(self):
        self.create()
        self.check_error(self.delete("/tokens/1", body={}), 400, "INVALID_REQUEST")
        self.check_error(self.get("/tokens/1", body=b"x"), 400, "INVALID_REQUEST")
        self.assertEqual(self.get("/tokens/1").status, 200)

    def test_foreign_host(self):
        for host in [
            "example.org",
            "example.org:80",
            "10.0.0.1",
            "127.0.0.1.example.org",
            "[::2]:80",
            "0.0.0.0",
            "localhost.example.org",
        ]:
            self.check_error(
                self.get("/tokens", headers={"Host": host}), 421, "MISDIRECTED_REQUEST"
            )
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.5:99", "[::1]:80", "[::1]"]:
            self.assertEqual(self.get("/tokens", headers={"Host": host}).status, 200, host)


class AnyHost(ServerTest):
    options = ("--any-host",)

    def test_foreign_host(self):
        self.assertEqual(self.get("/tokens", headers={"Host": "example.org"}).status, 200)


class Malformed(ServerTest):
    def refuse(self, body, offset=None):
        reply = self.post("/tokens", body)
        self.check_error(reply, 422, "VALIDATION_ERROR")
        if offset is not None:
            self.assertEqual(reply.fields, [f"body[{offset}]"], body)
            self.assertEqual(reply.error["details"]["errors"][0]["type"], "json_invalid")
        return reply

    def tearDown(self):
        self.assertEqual(self.get("/tokens").data["total"], 0)

    def test_offsets(self):
        for body, offset in [
            (b"   ", 3),
            (b"{", 1),
            (b"}", 0),
            (b'{"weight":0.5', 13),
            (b'{"weight":0.5,}', 14),
            (b'{"weight" 0.5}', 10),
            (b"{weight:1}", 1),
            (b"{'weight':1}", 1),
            (b'{"weight":0.5}x', 14),
            (b'{"weight":0.5}{}', 14),
            (b'{"weight":.5}', 10),
            (b'{"weight":5.}', 12),
            (b'{"weight":+1}', 10),
            (b'{"weight":01}', 10),
            (b'{"weight":-}', 11),
            (b'{"weight":1e}', 12),
            (b'{"weight":0x1}', 11),
            (b'{"weight":NaN}', 10),
            (b'{"weight":Infinity}', 10),
            (b'{"weight":-Infinity}', 11),
            (b'{"weight":nan}', 10),
            (b'{"weight":True}', 10),
            (b'{"weight":1e999}', 10),
            (b'{"weight":-1e999}', 10),
            (b'{"weight":123456789012345678901234567890}', 10),
            (b'{"vector":[1,2', 14),
            (b'{"vector":[1,]}', 13),
            (b'{"vector":[1 2]}', 13),
            (b'{"vector":[}', 11),
            (b'{"label":"a', 11),
            (b'{"label":"\\x"}', 10),
            (b'{"label":"\\u12"}', 10),
            (b'{"label":"\\ud800"}', 10),
            (b'{"label":"a\x01"}', 11),
            (b'{"label":"\xff"}', 10),
            (b'{"label":"\xc0\xaf"}', 10),
            (b'{"label":"\xed\xa0\x80"}', 10),
            (b'{"label":"\xf5\x80\x80\x80"}', 10),
            (b'{"label":"\xe2\x82"}', 10),
            (b"\xef\xbb\xbf{}", 0),
            (b"\x00", 0),
            (b"{}\x00", 2),
        ]:
            with self.subTest(body=body):
                self.refuse(body, offset)

    def test_not_an_object(self):
        for body in [b"[]", b"1", b'"x"', b"null", b"true", b"[{}]"]:
            reply = self.refuse(body)
            self.assertEqual(reply.fields, ["body"])

    def test_empty(self):
        for headers in [{}, {"Content-Length": "0"}]:
            reply = send(self.connection, "POST", API + "/tokens", b"", headers=headers)
            self.check_error(reply, 422, "VALIDATION_ERROR", ["body"])

    def test_duplicates(self):
        self.assertEqual(self.refuse(b'{"weight":1,"weight":1}').fields, ["body.weight"])
        self.assertEqual(self.refuse(b'{"weight":1,"\\u0077eight":1}').fields, ["body.weight"])
        self.assertEqual(
            self.refuse(b'{"l1_physical":{"x":1,"x":2}}').fields, ["body.l1_physical.x"]
        )
        self.assertEqual(
            self.refuse(b'{"l1_physical":null,"l1_physical":{"x":1}}').fields, ["body.l1_physical"]
        )

    def test_deep(self):
        for depth in [33, 1000, 100000]:
            self.refuse(b'{"vector":' + b"[" * depth + b"]" * depth + b"}")
            self.refuse(b'{"a":' * depth + b"1" + b"}" * depth)
            self.refuse(b"[" * depth)
        self.assertEqual(
            self.refuse(b'{"vector":' + b"[" * 9 + b"]" * 9 + b"}").fields, ["body.vector[0]"]
        )

    def test_strange_keys(self):
        self.refuse(json.dumps({"k" * 100000: 1}).encode())
        self.refuse('{"\u732b\u0001":1}'.encode().replace(b"\x01", b"\\u0001"))


class Sizes(ServerTest):
    def test_body_at_the_limit(self):
        body = b'{"weight":0.5' + b" " * (2**20 - 14) + b"}"
        self.assertEqual(len(body), 2**20)
        self.assertEqual(self.post("/tokens", body).status, 201)
        self.check_too_large(self.post("/tokens", body + b" "), 2**20 + 1)
        self.assertEqual(self.get("/tokens").data["total"], 1)

    def check_too_large(self, reply, length):
        self.check_error(reply, 413, "REQUEST_TOO_LARGE")
        self.assertEqual(reply.error["details"]["max_allowed"], 2**20)
        self.assertGreaterEqual(reply.error["details"]["content_length"], length)

    def chunked(self, chunks):
        with self.server.socket() as sock:
            sock.sendall(post_head("Transfer-Encoding: chunked", "Connection: close"))
            for chunk in chunks:
                sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            sock.sendall(b"0\r\n\r\n")
            return read_reply(sock)

    def test_chunked(self):
        self.assertEqual(self.chunked([b'{"weight"', b":", b"0.25}"]).data["weight"], 0.25)
        self.check_error(self.chunked([b'{"weight"', b":"]), 422, "VALIDATION_ERROR", ["body[10]"])
        self.check_error(self.chunked([]), 422, "VALIDATION_ERROR", ["body"])

    def test_chunked_too_large(self):
        self.check_too_large(self.chunked([b" " * 65536] * 17), 2**20 + 1)
        self.check_too_large(self.chunked([b" " * 65536] * 64), 2**20 + 1)
        self.assertEqual(self.get("/tokens").data["total"], 0)

    def test_endless_chunks_are_cut(self):
        with self.assertRaises(OSError):
            self.chunked([b" " * 65536] * 10000)
        self.assertEqual(self.get("/health/live").status, 200)

    def test_huge_announcement_is_refused_at_once(self):
        with self.server.socket() as sock:
            sock.sendall(post_head("Content-Length: 99999999999"))
            self.check_too_large(read_reply(sock), 99999999999)

    def test_expect_continue(self):
        with self.server.socket() as sock:
            sock.sendall(post_head("Expect: 100-continue", "Content-Length: 2000000"))
            self.check_too_large(read_reply(sock), 2000000)
        with self.server.socket() as sock:
            sock.sendall(post_head("Expect: 100-continue", "Content-Length: 2"))
            self.assertTrue(sock.recv(1024).startswith(b"HTTP/1.1 100 "))
            sock.sendall(b"{}")
            self.assertEqual(read_reply(sock).status, 201)

    def test_long_url_and_headers(self):
        self.assertIn(
            self.raw_status("GET /" + "x" * 100000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            [404, 414, 431],
        )
        self.assertIn(
            self.raw_status("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "y" * 100000 + "\r\n\r\n"),
            [413, 431],
        )
        self.assertEqual(self.get("/health/live").status, 200)

    def raw_status(self, text):
        with self.server.socket() as sock:
            try:
                sock.sendall(text.encode())
            except OSError:
                pass  # refused before all of it was sent
            return int(sock.recv(4096).split()[1])


def read_reply(sock):
    """Reads one reply from a socket."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    return Reply(response)


class Connections(ServerTest):
    def test_keep_alive(self):
        self.create()
        sock = self.connection.sock
        for _ in range(100):
            self.assertEqual(self.get("/tokens/1").status, 200)
            self.assertEqual(self.get("/tokens/9").status, 404)
            self.assertEqual(self.post("/tokens", b"{").status, 422)
            self.assertEqual(self.post("/tokens", {"weight": 9}).status, 422)
            self.assertEqual(
                self.post("/tokens", {}, headers={"Content-Type": "text/plain"}).status, 415
            )
        self.assertIs(self.connection.sock, sock, "an error closed the connection")

    def test_pipelining(self):
        body = b'{"weight":0.125}'
        post = post_head(f"Content-Length: {len(body)}")
        count = 50
        requests = b"".join(
            post + body + f"GET {API}/tokens/{i} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            for i in range(1, count + 1)
        )
        with self.server.socket() as sock:
            sock.sendall(
                requests + b"GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            replies = self.read_all(sock)
        self.assertEqual(len(replies), 2 * count + 1)
        self.assertEqual(replies[-1][0], 404)
        for i in range(count):
            self.assertEqual([replies[2 * i][0], replies[2 * i + 1][0]], [201, 200])
            self.assertEqual(replies[2 * i][1]["data"]["id"], i + 1)
            self.assertEqual(replies[2 * i + 1][1]["data"]["id"], i + 1)

    @staticmethod
    def read_all(sock):
        """All replies until the server closes: (status, body)."""
        replies = []
        with sock.makefile("rb") as stream:
            while True:
                line = stream.readline()
                if not line:
                    return replies
                length = 0
                while (header := stream.readline()) != b"\r\n":
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                replies.append((int(line.split()[1]), json.loads(stream.read(length))))

    def test_byte_by_byte(self):
        body = b'{"weight":0.125}'
        head = post_head(f"Content-Length: {len(body)}")
        with self.server.socket() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in head + body:
                sock.sendall(bytes([byte]))
            self.assertEqual(read_reply(sock).data["weight"], 0.125)

    def test_not_http(self):
        for text in [
            b"\x16\x03\x01\x02\x00",
            b"\x00" * 100,
            b"hello\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\r\n" * 100,
        ]:
            with self.server.socket() as sock:
                sock.sendall(text)
            self.assertEqual(self.get("/health/live").status, 200)

    def test_http_1_0(self):
        with self.server.socket() as sock:
            sock.sendall(f"GET {API}/health/live HTTP/1.0\r\n\r\n".encode())
            self.assertEqual(read_reply(sock).status, 200)


class Leavers(ServerTest):
    # What a client left half sent counts as in flight until its connection times out.
    options = ("--drain", "100")

    def test_clients_that_leave(self):
        body = b'{"weight":0.5}'
        head = post_head(f"Content-Length: {len(body)}")
        for cut in [10, len(head), len(head) + 3, len(head) + len(body)]:
            for _ in range(10):
                with self.server.socket() as sock:
                    sock.sendall((head + body)[:cut])
        self.assertEqual(self.get("/health/live").status, 200)


if __name__ == "__main__":
    unittest.main()
