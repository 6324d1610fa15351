#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Help and version, and that docs/cli.md says what the help says."""
import os
import re
import unittest

from cli_support import CliTest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMANDS = ["load", "weave", "anchor", "query", "feedback", "similarity", "odd", "path", "get", "put", "rm", "link", "unlink", "connection",
            "connections", "apply", "ls",
            "count", "find", "index", "neighbors", "nearest", "vectors", "embedding", "grid", "clusters", "fields", "stats", "hash", "check", "checkpoint", "backup", "restore", "follow",
            "blackbox", "serve", "help", "version"]
EXIT_CODES = ["0", "1", "2", "3", "4", "5", "6", "7", "130"]


class HelpTest(CliTest):
    def test_program(self):
        text = self.ok("--help", store=None)
        self.assertEqual(text, self.ok("help", store=None))
        self.assertEqual(text, self.ok("-h", store=None))
        for command in COMMANDS:
            self.assertRegex(text, rf"(?m)^  {command} ")

    def test_commands(self):
        for command in COMMANDS:
            text = self.ok(command, "--help", store=None)
            self.assertEqual(text, self.ok("help", command, store=None))
            self.assertTrue(text.startswith(f"Usage: neurograph {command}"), text)
            for part in ("General options", "Examples", "Exit codes"):
                self.assertIn(f"\n{part}\n", text)
            self.assertTrue(all(len(line) <= 100 for line in text.splitlines()), text)

    def test_help_wins_over_what_is_missing(self):
        self.ok("path", "--help", "one")
        self.assertFalse(os.path.exists(self.store))

    def test_exit_codes(self):
        rows = self.rows("help", "exit-codes", store=None)
        self.assertEqual([row[0] for row in rows], EXIT_CODES)

    def test_json(self):
        every = self.json("help", store=None)
        self.assertEqual(sorted(c["name"] for c in every["commands"]), sorted(COMMANDS))
        self.assertEqual(list(every["exit_codes"]), EXIT_CODES)
        query = self.json("help", "query", store=None)
        self.assertIn("why", [option["name"] for option in query["options"]])
        self.assertEqual(list(self.json("help", "exit-codes", store=None)["exit_codes"]),
                         EXIT_CODES)

    def test_errors(self):
        self.fails(2, "unknown command 'nothing'", "help", "nothing", store=None)
        self.fails(2, "one topic", "help", "get", "put", store=None)
        self.fails(2, "unexpected argument", "version", "x", store=None)

    def test_version(self):
        with open(os.path.join(ROOT, "VERSION"), encoding="ascii") as file:
            version = file.read().strip()
        self.assertEqual(self.ok("version", store=None), f"neurograph {version}\n")
        self.assertEqual(self.ok("--version", store=None), f"neurograph {version}\n")
        self.assertEqual(self.json("version", store=None),
                         {"name": "neurograph", "version": version, "library": version})

    def test_the_reference_has_every_command_option_and_exit_code(self):
        with open(os.path.join(ROOT, "docs", "cli.md"), encoding="utf-8") as file:
            page = file.read()
        every = self.json("help", store=None)
        sections = dict(re.findall(r"(?ms)^### (\S+)\n(.*?)(?=^##|\Z)", page))
        self.assertEqual(sorted(sections), sorted(COMMANDS))
        for command in every["commands"]:
            section = sections[command["name"]]
            named = set(re.findall(r"(?m)^\| `--([a-z-]+)", section))
            self.assertEqual(named, {o["name"] for o in command["options"]}, command["name"])
            usage = f"neurograph {command['name']} {command['arguments']}".strip()
            self.assertIn(usage, section)
            codes = re.search(r"(?m)^Exit codes: (.*)\.$", section)
            self.assertEqual(codes.group(1).split(", "), list(command["exit_codes"]))
        for option in every["general_options"]:
            self.assertRegex(page, rf"(?m)^\| `--{option['name']}\b")
        for code, meaning in every["exit_codes"].items():
            self.assertIn(f"| {code} | {meaning} |", page)


if __name__ == "__main__":
    unittest.main()
