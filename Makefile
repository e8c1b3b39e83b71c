# ib-stream. The two commands to know: `make run` and `make test`.

# The commit is what --version tells.
SWIFT_BUILD = BUILD_COMMIT=$$(scripts/commit) swift build -c release --static-swift-stdlib
BIN := .build/release
# What a test did not try is told with its reason.
PYTEST := .venv/bin/python -m pytest -q -rs -p no:cacheprovider

.PHONY: help run build test test-all unit system sanitize fuzz chaos bench bench-segments bench-sealing lint format setup setup-tests clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup:
	@scripts/setup

setup-tests:
	@scripts/setup --tests

build: setup  ## the programs, release flavour, into .build/release
	$(SWIFT_BUILD)

run: build  ## the whole system with a simulated gateway; Ctrl-C stops it
	$(BIN)/ib-stream up --simulate

test: setup-tests build unit system  ## unit tests and system tests, the quick counts (under 20 minutes)

unit: setup-tests  ## the unit tests, under the address sanitizer
	scripts/sanitize address unit

# Most of these tests wait for a fault to be noticed: four at a time keep two cores half busy.
system: build setup-tests  ## the system tests, the quick counts
	IB_STREAM_BIN=$(BIN) $(PYTEST) -n 4 Tests/System

test-all: setup-tests build  ## all tests with the full counts, each fuzz target for 20 s, size and memory of sealing
	IB_STREAM_FULL=1 scripts/sanitize address
	scripts/sanitize thread
	IB_STREAM_BIN=$(BIN) IB_STREAM_FULL=1 $(PYTEST) -v Tests/System
	scripts/fuzz --seconds 20
	$(MAKE) bench-segments bench-sealing

sanitize: setup-tests  ## unit tests and a short slow pipeline under the thread and the address sanitizer
	scripts/sanitize thread
	scripts/sanitize address

chaos: build setup-tests  ## 5 minutes of faults at random with each gateway, then the proof that no tick is missing (CHAOS='--seed 7')
	.venv/bin/python Tests/Chaos/chaos.py --bin $(BIN) $(CHAOS)
	.venv/bin/python Tests/Chaos/chaos.py --gateway adversary --bin $(BIN) $(CHAOS)

fuzz: setup-tests  ## made-up bytes into every decoder, a minute each, guided by coverage
	scripts/fuzz

bench: build setup-tests  ## ticks/s beside a C program and ib_async
	$(MAKE) -C Benchmarks
	.venv/bin/python Benchmarks/run.py --bin $(BIN)

bench-segments:  ## bytes a tick of sealed segments, and how fast they are written and read (QUOTES=FILE.csv: of real quotes)
	$(SWIFT_BUILD) --product SegmentBenchmark
	$(BIN)/SegmentBenchmark $(QUOTES)

bench-sealing:  ## how fast the recorder seals an hour of 12 streams, and of 5,000; its look at a million sealed files
	$(SWIFT_BUILD) --product SealBenchmark
	scripts/seal-benchmark $(BIN)/SealBenchmark 12 6000000
	scripts/seal-benchmark $(BIN)/SealBenchmark 5000 5000000
	scripts/seal-benchmark $(BIN)/SealBenchmark 1000 1000 1000

lint:  ## the style of code and comments, and that what they cite is there
	scripts/check-sources
	scripts/check-comments
	swift format lint --strict -r Sources Tests Benchmarks Package.swift

format:
	swift format -i -r Sources Tests Benchmarks Package.swift

clean:
	rm -rf .build .build-thread .build-address .build-fuzz .venv
