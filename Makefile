# Warder. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Outside the checkout, so that a fresh clone builds on what an older one has built.
ifeq ($(strip $(CARGO_TARGET_DIR)),)
CARGO_TARGET_DIR := $(HOME)/.cache/warder-target
endif
export CARGO_TARGET_DIR

NEXTEST := cargo nextest run --workspace --locked --profile ci
# Helm's library reads the environment as the process starts.
DEPLOY_PYTHON := HELM_DRIVER=memory tests/.cache/venv-deploy/bin/python
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE := warder:$(VERSION)
# Arguments for the benchmark, for instance BENCH_ARGUMENTS='--seconds 30'.
BENCH_ARGUMENTS :=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## Run both planes with a demo MCP server on this machine; state is kept in .warder/
	@exec cargo run --locked --package warder -- dev --data-dir .warder --demo

.PHONY: test
test: ## Install what the tests need, then run everything
test: setup fmt-check lint build test-doc test-rust test-deploy

.PHONY: check
check: ## Formatting, lints and the house rules
check: fmt-check lint tidy

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint: ## Clippy, with every warning an error
	cargo clippy --workspace --all-targets --locked -- --deny warnings

.PHONY: bench
bench: ## Measure the cost of a call beside a bare proxy (needs wrk and valgrind)
	tests/bench/run.sh $(BENCH_ARGUMENTS)

.PHONY: e2e
e2e: ## Only the end-to-end tests: real binaries, clients, servers and databases
e2e: setup build
	$(NEXTEST) --filterset 'package(e2e)'

.PHONY: conformance
conformance: ## The official conformance suite: tests/conformance/README.md
conformance: setup build
	$(NEXTEST) --filterset 'package(e2e) & test(/^conformance::/)'

.PHONY: openapi
openapi: ## Write control-plane/openapi.json anew from the code
	WARDER_UPDATE_OPENAPI=1 cargo nextest run --workspace --locked --filterset 'package(warder-control-plane) & test(openapi)'
	@git diff --stat -- control-plane/openapi.json

.PHONY: image
image: ## Build the container image (needs docker or podman with BuildKit's cache mounts)
	docker build --file deploy/docker/Dockerfile --tag $(IMAGE) .

.PHONY: chart
chart: ## Test the Helm chart and package it into the target directory
chart: setup-deploy
	$(DEPLOY_PYTHON) -m pytest tests/deploy -k chart
	$(DEPLOY_PYTHON) tests/deploy/package.py $(CARGO_TARGET_DIR)/chart

.PHONY: deny
deny: ## Check advisories, bans, licenses and sources, where cargo-deny is installed
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is not installed: cargo install cargo-deny --locked' >&2; exit 1; }
	cargo deny --locked check

# The parts of the targets above.

.PHONY: setup setup-deploy fmt-check build tidy test-doc test-rust test-deploy
setup:
	tests/tools/setup

setup-deploy:
	tests/tools/setup deploy

fmt-check:
	cargo fmt --all --check

# The end-to-end tests start the binaries that stand beside them.
build:
	cargo build --workspace --bins --locked

tidy:
	cargo nextest run --workspace --locked --filterset 'package(e2e) & binary(tidy)'

test-doc:
	cargo test --workspace --doc --locked

test-rust:
	$(NEXTEST)

test-deploy:
	$(DEPLOY_PYTHON) -m pytest tests/deploy
