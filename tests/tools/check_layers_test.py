#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/check_layers.py finds each kind of violation, and nothing in a tree without one."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHECKER = os.path.join(ROOT, "tools", "check_layers.py")
SPDX = "/* SPDX-License-Identifier: AGPL-3.0-or-later */\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.write("include/neurograph.h", "#include <stdint.h>\n")
        self.write("src/base/base_error.h", '#include "neurograph.h"\n')
        self.write("src/os/os.h", '#include "base/base_error.h"\n#include <pthread.h>\n')
        self.write("src/index/index_grid.h", '#include "os/os.h"\n#include <immintrin.h>\n')
        self.write("src/index/index_vectors_private.h", '#include "base/base_error.h"\n')
        self.write("src/index/index_kernels.c", '#include "index/index_vectors_private.h"\n')
        self.write("src/store/store.h", '#include "index/index_grid.h"\n')
        self.write("src/store/store_open_test.c", '#include <unistd.h>\n#include "store/store.h"\n')
        self.write("server/server.h", "#include <neurograph.h>\n")
        self.write("cli/cli_serve.c", '#include "server.h"\n#include "neurograph.h"\n')
        self.write("tests/fault/fault_test.c", '#include "store/store.h"\n#include <unistd.h>\n')
        self.write("README.md", "no licence line is wanted here\n", spdx="")

    def write(self, path, text, spdx=SPDX):
        full = os.path.join(self.place.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(spdx + text)

    def findings(self, *more):
        done = subprocess.run([sys.executable, CHECKER, "--root", self.place.name, *more],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        lines = done.stdout.splitlines()
        self.assertEqual(done.returncode, 1 if len(lines) > 1 else 0)
        return lines[:-1]

    def expect(self, *wanted):
        found = self.findings()
        self.assertEqual(len(found), len(wanted), found)
        for text, line in zip(wanted, found):
            self.assertIn(text, line)

    def test_a_tree_that_keeps_the_rules(self):
        self.expect()

    def test_a_lower_folder_includes_a_higher_one(self):
        self.write("src/base/base_mem.c", '\n#include "os/os.h"\n')
        self.expect("src/base/base_mem.c:3: base/ is below os/")

    def test_blanks_do_not_hide_an_include(self):
        self.write("src/base/base_mem.c", ' #  include\t"os/os.h"\n')
        self.expect("base/ is below os/")

    def test_modules_of_index_do_not_see_each_other(self):
        self.write("src/index/index_graph.c", '#include "index/index_grid.h"\n')
        self.expect("index_graph must not see index_grid")

    def test_kernels_belong_to_vectors(self):
        self.write("src/index/index_grid.c", '#include "index/index_kernels.h"\n')
        self.write("src/index/index_kernels.h", "")
        self.expect("index_grid must not see index_vectors")

    def test_system_headers_outside_os(self):
        self.write("src/store/store_open.c", "#include <unistd.h>\n")
        self.expect("<unistd.h> is a system header")

    def test_what_tests_share_is_for_tests(self):
        self.write("src/store/store_testing.h", "#include <unistd.h>\n")
        self.write("src/store/store_read_test.c", '#include "store/store_testing.h"\n')
        self.expect()
        self.write("src/store/store_open.c", '#include "store/store_testing.h"\n')
        self.expect('"store/store_testing.h" is for tests')

    def test_an_include_without_its_folder(self):
        self.write("src/store/store_open.c", '#include "store.h"\n')
        self.expect("write the path from src/")

    def test_an_include_of_nothing(self):
        self.write("src/store/store_open.c", '#include "store/store_lost.h"\n')
        self.expect('"store/store_lost.h" does not exist')

    def test_users_of_the_api_look_inside(self):
        self.write("cli/cli_main.c", '#include "store/store.h"\n')
        self.write("server/server_main.c", '#include "../src/store/store.h"\n')
        self.write("bench/bench_core_read.c", '#include "server.h"\n')
        self.expect("bench/ may include", "cli/ may include", "server/ may include")

    def test_users_have_headers_of_their_own(self):
        self.write("cli/cli.h", "")
        self.write("cli/cli_main.c", '#include "cli.h"\n#include <getopt.h>\n')
        self.expect()

    def test_the_public_header_stands_alone(self):
        self.write("include/neurograph.h", '#include "base/base_error.h"\n#include <pthread.h>\n')
        self.expect("the public header stands alone", "<pthread.h> is not a header of standard C")

    def test_names(self):
        self.write("src/store/open.c", "")
        self.write("src/utils/utils.c", "")
        self.write("src/loose.c", "")
        self.expect("code in src/ stands in src/<layer>/", "does not begin with store_",
                    "utils/ is not a layer")

    def test_a_name_that_is_taken(self):
        self.write("tests/model/fault_test.c", "")
        self.expect("tests/model/fault_test.c:1: the name fault_test.c is taken by tests/fault/")

    def test_licence_line(self):
        self.write("tools/tool.py", "print(1)\n", spdx="#!/usr/bin/env python3\n")
        self.write("src/base/base_mem.c", "\n\n\n" + SPDX, spdx="")
        self.expect("src/base/base_mem.c:1: no line", "tools/tool.py:1: no line")

    def test_long_files(self):
        self.write("src/base/base_mem.c", "\n" * 999)
        self.expect()
        self.write("src/base/base_mem.c", "\n" * 1000)
        self.expect("src/base/base_mem.c:1001: 1001 lines")

    def test_marks_of_unfinished_work(self):
        self.write("src/base/base_mem.c", "/* " + "TO" + "DO: later */\n/* mkstemp(XXXXXX) */\n")
        self.expect("src/base/base_mem.c:2: 'TO" + "DO' marks")

    def test_what_is_not_ours_is_left_alone(self):
        self.write("build/release/loose.c", '#include "store/store.h"\n', spdx="")
        self.write(".cache/other.c", "", spdx="")
        self.expect()

    def test_crowded_root(self):
        for number in range(13):  # README.md and five folders stand there already
            self.write(f"file{number}.md", "", spdx="")
        self.write(".hidden", "", spdx="")
        self.expect()
        self.write("one-more.md", "", spdx="")
        self.expect("20 entries in the root")

    def test_a_library_that_exports_more(self):
        self.write("lib.c", "int ng_one(void) { return 1; }\nint ngi_two(void) { return 2; }\n")
        os.rename(os.path.join(self.place.name, "lib.c"), os.path.join(self.place.name, "lib_c"))
        library = os.path.join(self.place.name, "lib.so")
        subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-shared", "-fPIC",
                        os.path.join(self.place.name, "lib_c"), "-o", library], check=True)
        found = self.findings("--library", library)
        self.assertEqual(len(found), 1, found)
        self.assertIn("exports ngi_two", found[0])


if __name__ == "__main__":
    unittest.main()
