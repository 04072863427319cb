# Builds, runs and tests the store. `make` alone lists the targets.

# The binary's place is part of the interface: target/release/kv-actor.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help toolchain component build run lint test sim soak fuzz mutants torture deny \
	idle-connections node test-node bench-node test-python test-theater theater-puts test-plug composed-get dist rivals bench bench-quick micro instructions instructions-accept

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' Makefile

# rustup reads rust-toolchain.toml and brings the rest.
toolchain:
	@command -v cargo >/dev/null || { \
		echo "make: there is no cargo here; install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || scripts/install-debian gcc libc6-dev

component: toolchain ## builds the store's component, and the guests of the tests
	@scripts/build-component

build: component ## builds target/release/kv-actor, which carries the component
	cargo build --release --locked --package kv-actor

run: build ## runs the store as actor.toml says, on the directory data/
	target/release/kv-actor serve --manifest actor.toml

lint: component ## checks the format, every warning, and that fuzz/Cargo.lock is up to date
	cargo fmt --all --check
	cargo update --quiet --workspace --locked --manifest-path fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --features kv-bench/micro --locked -- --deny warnings

test: lint ## lint, then every test; installs the Debian packages that these need
	scripts/install-debian curl iso-codes jq netcat-openbsd strace
	cargo test --workspace --locked

# Not `npm ci`: the lock names packages for other systems that are in no registry.
node: component ## builds the npm package in packages/node
	cd packages/node && ../../scripts/with-node npm install --no-save --no-audit --no-fund --silent
	cd packages/node && ../../scripts/with-node npm run --silent build

test-node: build node ## the store as a JavaScript module
	scripts/install-debian strace
	cd packages/node && KV_ACTOR=../../target/release/kv-actor ../../scripts/with-node npm test

bench-node: node ## events a second under Node.js, without the cost of syncs
	cd packages/node && ../../scripts/with-node node bench.js

test-python: build ## the store inside a Python program
	scripts/install-debian python3-venv
	python3 -m venv target/python
	target/python/bin/pip install --quiet --requirement examples/embed/requirements.txt
	KV_ACTOR=target/release/kv-actor target/python/bin/python examples/embed/test_embed.py

test-plug: component ## wasi:keyvalue, plugged into applications by the tool `wac`
	wac --version >/dev/null 2>&1 || cargo install --locked wac-cli
	WAC=wac cargo test --locked --package kv-keyvalue-component

composed-get: component ## what a get costs an application that wasi:keyvalue is plugged into
	cargo run --release --locked --package kv-bench --bin composed-get

test-theater: toolchain ## the store in the runtime Theater, which takes minutes to compile
	scripts/install-debian libssl-dev pkg-config
	scripts/build-theater
	cargo test --locked --manifest-path compat/theater/Cargo.toml --target-dir compat/theater/target

theater-puts: toolchain ## what puts cost in Theater, beside a file for each
	scripts/install-debian libssl-dev pkg-config
	scripts/build-theater
	cargo run --locked --manifest-path compat/theater/Cargo.toml \
		--target-dir compat/theater/target --example puts

dist: build node ## everything that can be published, in target/dist/
	@scripts/dist

# The rivals take two minutes to compile, so `make lint` leaves them out.
rivals: build
	scripts/install-debian redis-server
	cargo clippy --package kv-bench --all-targets --all-features --locked -- --deny warnings
	cargo build --release --locked --package kv-bench --features rivals

bench: rivals ## every figure beside those of rivals, in docs/performance.md
	target/release/kv-bench run --results docs

bench-quick: rivals ## the same with fewer keys and runs, in target/bench/
	target/release/kv-bench run --size quick

micro: component ## microbenchmarks of the store's parts
	cargo bench --locked --package kv-bench --features micro

instructions: toolchain ## compares the instructions of operations with those kept
	scripts/install-debian valgrind
	cargo build --release --locked --package kv-bench
	target/release/kv-bench instructions

instructions-accept: toolchain ## keeps the instructions as they are now
	scripts/install-debian valgrind
	cargo build --release --locked --package kv-bench
	target/release/kv-bench instructions --accept

sim: toolchain ## replays one seed of the simulator: make sim SEED=n
	cargo run --locked --package kv-simulator -- --seed $(or $(SEED),1)

soak: fuzz ## fuzzes, then simulates for an hour, or SOAK_MINUTES
	cargo run --release --locked --package kv-simulator -- --histories 1000000 \
		--every-point 1000000 --variants 100 --minutes $(or $(SOAK_MINUTES),60)

fuzz: toolchain ## fuzzes each target for FUZZ_SECONDS (600), or FUZZ_TARGET alone
	scripts/install-debian g++
	scripts/fuzz $(or $(FUZZ_SECONDS),600) $(FUZZ_TARGET)

mutants: toolchain ## changes the log and compaction at each place: MUTANTS='again compaction'
	cargo mutants --version >/dev/null 2>&1 || cargo install --locked cargo-mutants
	scripts/install-debian python3
	scripts/mutants $(MUTANTS)

idle-connections: build ## memory of a server with 10,000 idle clients
	ulimit -n $$(ulimit -H -n) && \
		cargo run --release --locked --package kv-bench --bin idle-connections

deny: toolchain ## checks the licences and sources of the dependencies
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources

torture: build ## kills, full disks, damaged files, races: KILLS=, SEED=, ONLY=, TEN_MILLION=1
	cargo run --release --locked --package kv-torture
