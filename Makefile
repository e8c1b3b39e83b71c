# ib-stream. The two commands to know: `make run` and `make test`.

SWIFT_RELEASE := -c release --static-swift-stdlib
BIN := .build/release
PYTEST := .venv/bin/python -m pytest -q -p no:cacheprovider

.PHONY: help run build test test-all unit system sanitize bench lint format setup setup-tests clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup:
	@scripts/setup

setup-tests:
	@scripts/setup --tests

build: setup  ## the programs, release flavour, into .build/release
	swift build $(SWIFT_RELEASE)

run: build  ## the whole system with a simulated gateway; Ctrl-C stops it
	$(BIN)/ib-stream up --simulate

test: setup-tests build unit system  ## unit tests and system tests, the quick counts (under 12 minutes)

unit: setup-tests
	swift test --disable-xctest

system: build setup-tests
	IB_STREAM_BIN=$(BIN) $(PYTEST) -n 2 Tests/System

test-all: setup-tests build unit sanitize  ## everything with the full counts
	IB_STREAM_BIN=$(BIN) IB_STREAM_FULL=1 $(PYTEST) -v Tests/System

sanitize: setup-tests  ## unit tests and a short slow pipeline under the thread and the address sanitizer
	scripts/sanitize thread
	scripts/sanitize address

bench: build setup-tests  ## ticks/s beside a C program and ib_async
	$(MAKE) -C Benchmarks
	.venv/bin/python Benchmarks/run.py --bin $(BIN)

lint:
	swift format lint --strict -r Sources Tests Package.swift

format:
	swift format -i -r Sources Tests Package.swift

clean:
	rm -rf .build .build-thread .build-address .venv
