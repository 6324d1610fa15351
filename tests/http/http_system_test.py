# SPDX-License-Identifier: AGPL-3.0-or-later
"""Root, health and status; headers and the envelope of every reply."""

import datetime
import unittest
import uuid

from http_server import API, ServerTest, send


class System(ServerTest):
    def test_root(self):
        reply = send(self.connection, "GET", "/")
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.body["name"], "NeuroGraph")
        self.assertEqual(reply.body["storage_backend"], "runtime")
        self.assertEqual(reply.body["version"], self.get("/health").body["meta"]["version"])
        for link in reply.body["links"].values():
            self.assertNotEqual(send(self.connection, "OPTIONS", link).status, 404)

    def test_health(self):
        self.create()
        health = self.get("/health").data
        self.assertEqual(health["status"], "healthy")
        self.assertGreaterEqual(health["uptime_seconds"], 0)
        self.assertEqual(
            health["runtime_metrics"], {"tokens_count": 1, "storage_backend": "runtime"}
        )

    def test_probes(self):
        self.assertEqual(self.get("/health/live").data["status"], "alive")
        self.assertIs(self.get("/health/startup").data["started"], True)
        ready = self.get("/health/ready").data
        self.assertEqual(
            ready,
            {
                "ready": True,
                "checks": {"runtime": "ok", "token_storage": "ok", "grid_storage": "ok"},
            },
        )

    def test_status(self):
        for _ in range(3):
            self.create()
        self.delete("/tokens/2")
        status = self.get("/status").data
        self.assertEqual(status["state"], "running")
        self.assertEqual(status["tokens"], {"total": 2, "active": 2})
        self.assertEqual(status["connections"], {"total": 0, "active": 0})
        self.assertGreater(status["memory_usage_mb"], 1)
        self.assertLess(status["memory_usage_mb"], 4096)
        self.assertGreaterEqual(status["cpu_usage_percent"], 0)
        self.assertEqual(len(status["components"]), 5)
        self.assertEqual(set(status["components"].values()), {"running"})
        self.assertEqual(status["cdna_profile"], 0)
        self.assertEqual(status["storage_backend"], "runtime")
        self.assertEqual(status["requests"], {"in_flight": 1})
        self.assertEqual(status["query_pool"]["queued"], 0)

    def test_memory(self):
        for _ in range(3):
            self.create()
        memory = self.get("/stats/memory").data
        self.assertEqual(memory["bytes"], sum(p["bytes"] for p in memory["parts"].values()))
        self.assertGreaterEqual(memory["limit_bytes"], 10**9)
        self.assertEqual((memory["refused_count"], memory["evicted_connection_count"]), (0, 0))
        tokens = memory["parts"]["tokens"]
        self.assertEqual((tokens["items"], tokens["used_bytes"]), (3, 192))
        self.assertAlmostEqual(tokens["bytes_per_item"], tokens["bytes"] / 3, places=2)
        self.assertTrue(all(p["text"] for p in memory["parts"].values()))
        self.assertEqual(self.put("/stats/memory", {}).status, 405)

    def test_trailing_slash(self):
        for path in ["/health/", "/health/live/", "/health/ready/", "/health/startup/", "/status/"]:
            self.assertEqual(self.get(path).status, 200, path)

    def test_probe_parameters_are_ignored(self):
        self.assertEqual(self.get("/health/live?from=balancer").status, 200)


class Envelope(ServerTest):
    def test_meta(self):
        first, second = self.get("/health/live").body, self.get("/health/live").body
        self.assertEqual(set(first), {"success", "data", "meta", "error"})
        self.assertIs(first["success"], True)
        self.assertIsNone(first["error"])
        meta = first["meta"]
        self.assertEqual(set(meta), {"request_id", "processing_time_ms", "version", "timestamp"})
        self.assertEqual(uuid.UUID(meta["request_id"]).version, 4)
        self.assertEqual(uuid.UUID(meta["request_id"]).variant, uuid.RFC_4122)
        self.assertNotEqual(meta["request_id"], second["meta"]["request_id"])
        self.assertGreaterEqual(meta["processing_time_ms"], 0)
        self.assertRegex(meta["timestamp"], r"\.\d{6}Z$")
        when = datetime.datetime.strptime(meta["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.assertLess(abs((now - when).total_seconds()), 600)

    def test_headers(self):
        for reply in [
            self.get("/health/live"),
            self.get("/nope"),
            self.delete("/tokens/9"),
            self.post("/tokens", b"{"),
        ]:
            self.assertRegex(reply.headers["x-process-time"], r"^\d+\.\d\dms$")
            self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
            self.assertEqual(reply.headers["cache-control"], "no-store")
            self.assertEqual(reply.headers["content-type"], "application/json")
            self.assertTrue(reply.headers["x-correlation-id"])

    def test_correlation(self):
        def sent(value):
            return self.get("/health/live", headers={"X-Correlation-ID": value}).headers[
                "x-correlation-id"
            ]

        self.assertEqual(sent("a.B-c_9"), "a.B-c_9")
        self.assertEqual(sent("x" * 128), "x" * 128)
        for bad in ["x" * 129, "a b", "<script>", "", "é"]:
            self.assertEqual(uuid.UUID(sent(bad)).version, 4)
        one = self.get("/health/live").headers["x-correlation-id"]
        self.assertNotEqual(one, self.get("/health/live").headers["x-correlation-id"])

    def test_errors_share_one_body(self):
        self.check_error(send(self.connection, "GET", "/nope"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(send(self.connection, "GET", API), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/tokens/1/2"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/%ff%fe"), 404, "RESOURCE_NOT_FOUND")
        self.check_error(self.get("/tokens/1"), 404, "RESOURCE_NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
