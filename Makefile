# Builds, runs and tests the store. `make` alone lists the targets.

# The binary's place is part of the interface: target/release/kv-actor.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help toolchain component build run lint test bench sim soak torture deny

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

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

lint: component ## checks the format, and every warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings

test: lint ## lint, then every test; installs the Debian packages that these need
	scripts/install-debian curl iso-codes jq netcat-openbsd
	cargo test --workspace --locked

bench: build ## figures of the store, beside those of redis-server
	scripts/install-debian redis-server
	cargo run --release --locked --package kv-bench

sim: toolchain ## replays one seed of the simulator: make sim SEED=n
	cargo run --locked --package kv-simulator -- --seed $(or $(SEED),1)

soak: toolchain ## simulates for an hour, or SOAK_MINUTES
	cargo run --release --locked --package kv-simulator -- --histories 1000000 \
		--every-point 1000000 --variants 100 --minutes $(or $(SOAK_MINUTES),60)

deny: toolchain ## checks the licences and sources of the dependencies
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources

torture: build ## kills, full disks, damaged files, races: KILLS=, SEED=, ONLY=, TEN_MILLION=1
	cargo run --release --locked --package kv-torture
