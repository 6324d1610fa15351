# SPDX-License-Identifier: AGPL-3.0-or-later
"""Starts the real server for the tests beside this file, and speaks HTTP to it.

NEUROGRAPH_BIN names the binary. Every server listens on a free loopback port, which it prints."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

BINARY = os.environ.get("NEUROGRAPH_BIN", "neurograph")
API = "/api/v1"


class Server:
    """A running server; `directory` is its store."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.process = subprocess.Popen(
            [BINARY, "serve", "--store", directory, "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.line = self.process.stdout.readline()
        found = re.match(
            r"listening on http://127\.0\.0\.1:(\d+) \(store (.*), (\d+) tokens\)", self.line
        )
        if not found:
            self.process.kill()
            raise AssertionError(f"no announcement: {self.line!r} {self.process.stderr.read()!r}")
        self.port = int(found.group(1))
        self.announced_tokens = int(found.group(3))

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def socket(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Waits for the end; returns the exit code and what was written to stderr."""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.raw = response.read()
        self.body = json.loads(self.raw) if self.raw else None

    @property
    def data(self):
        return self.body["data"]

    @property
    def error(self):
        return self.body["error"]

    @property
    def fields(self):
        return [problem["field"] for problem in self.error["details"]["errors"]]


def send(connection, method, path, body=None, headers=None):
    """One request. `body` is a value to send as JSON, or bytes to send as they are."""
    sent = {}
    if body is not None:
        sent["Content-Type"] = "application/json"
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
    sent.update(headers or {})
    connection.request(
        method, path, body=body, headers={k: v for k, v in sent.items() if v is not None}
    )
    return Reply(connection.getresponse())


class ServerTest(unittest.TestCase):
    """One server with an empty store for each test."""

    options = ()

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="neurograph-http-")
        self.addCleanup(shutil.rmtree, self.root, True)
        self.server = Server(os.path.join(self.root, "store"), *self.options)
        self.addCleanup(self.end)
        self.connection = self.server.connect()
        self.addCleanup(self.connection.close)

    def end(self):
        self.connection.close()
        code, errors = self.server.stop()
        if code != getattr(self, "expected_code", 0):
            self.fail(f"the server ended with {code}: {errors}")

    def get(self, path, **more):
        return send(self.connection, "GET", API + path, **more)

    def post(self, path, body=None, **more):
        return send(self.connection, "POST", API + path, body, **more)

    def put(self, path, body=None, **more):
        return send(self.connection, "PUT", API + path, body, **more)

    def delete(self, path, **more):
        return send(self.connection, "DELETE", API + path, **more)

    def create(self, **fields):
        reply = self.post("/tokens", fields)
        self.assertEqual(reply.status, 201, reply.body)
        return reply.data

    def check_error(self, reply, status, code, fields=None):
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(set(reply.body), {"success", "data", "error", "detail", "meta"})
        self.assertIs(reply.body["success"], False)
        self.assertIsNone(reply.body["data"])
        self.assertEqual(set(reply.error), {"code", "message", "details"})
        self.assertEqual(reply.error["code"], code, reply.body)
        self.assertEqual(reply.body["detail"], reply.error["message"])
        self.assertTrue(reply.error["message"])
        if fields is not None:
            self.assertEqual(reply.fields, fields)
            self.assertEqual(reply.error["details"]["count"], len(fields))
