#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Installs a build into an empty place and builds a program from there: by pkg-config against the
shared and against the static library, and by find_package."""
import argparse
import os
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <neurograph.h>
#include <stdio.h>
int main(void)
{
    ng_store *store;
    ng_token_id id;
    if (ng_open(NULL, NULL, &store) || ng_token_create(store, NULL, NULL, &id) || ng_close(store))
        return 1;
    printf("%s token %llu\n", ng_version(), (unsigned long long)id);
    return 0;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(neurograph {version} REQUIRED)
foreach(kind shared static)
    add_executable(by_${{kind}} user.c)
    target_link_libraries(by_${{kind}} PRIVATE neurograph::neurograph_${{kind}})
endforeach()
"""


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        sys.exit(f"FAILED ({done.returncode}): {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"FAILED: {what}: got {got!r}, expected {wanted!r}")
    print(f"ok: {what}")


def by_pkg_config(options, work, environment, wanted):
    def flags(*more):
        return run(["pkg-config", "--cflags", "--libs", *more, "neurograph"],
                   env=environment).split()

    expect("version in the .pc file",
           run(["pkg-config", "--modversion", "neurograph"], env=environment), options.version)
    source = os.path.join(work, "user.c")
    for name, linking in (("shared", flags()), ("static", ["-static", *flags("--static")])):
        program = os.path.join(work, f"user_{name}")
        run([options.cc, "-Wall", "-Werror", source, "-o", program, *linking])
        if name == "static":  # must not need the place where the shared library is
            expect("static, by pkg-config", run([program], env={}), wanted)
        else:
            expect("shared, by pkg-config", run([program], env=environment), wanted)


def by_find_package(options, work, environment, wanted):
    with open(os.path.join(work, "CMakeLists.txt"), "w", encoding="utf-8") as file:
        file.write(PROJECT.format(version=options.version))
    build = os.path.join(work, "build")
    run([options.cmake, "-S", work, "-B", build, f"-DCMAKE_C_COMPILER={options.cc}",
         f"-DCMAKE_PREFIX_PATH={environment['NG_PREFIX']}"])
    run([options.cmake, "--build", build])
    for kind in ("shared", "static"):
        expect(f"{kind}, by find_package", run([os.path.join(build, f"by_{kind}")]), wanted)


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "cmake", "cc", "version"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="neurograph-install-") as work:
        # Moved after installing: nothing installed may remember where it was installed.
        prefix, first = os.path.join(work, "prefix"), os.path.join(work, "first")
        run([options.cmake, "--install", options.build, "--prefix", first])
        os.rename(first, prefix)
        folders = {os.path.dirname(os.path.join(folder, name))
                   for folder, _, names in os.walk(prefix) for name in names
                   if name.startswith(("libneurograph.", "neurograph.pc"))}
        lib = next(f for f in folders if not f.endswith("pkgconfig"))
        environment = dict(os.environ, NG_PREFIX=prefix, LD_LIBRARY_PATH=lib,
                           PKG_CONFIG_PATH=os.path.join(lib, "pkgconfig"))
        with open(os.path.join(work, "user.c"), "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        wanted = f"{options.version} token 1"
        by_pkg_config(options, work, environment, wanted)
        by_find_package(options, work, environment, wanted)
        command = os.path.join(prefix, "bin", "neurograph")
        if os.path.exists(command):
            text = run([command, "version"], env={})
            expect("installed command says its version", options.version in text, True)


if __name__ == "__main__":
    main()
