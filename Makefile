# `make demo` shows it working, `make test` builds and tests everything. Each target works by itself on a clean checkout.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CARGO ?= cargo

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the main job against the sandbox: status, invite, select, reject, and a refused action
	@$(CARGO) build --locked -p celper --example demo
	@$(CARGO) run --quiet --locked -p celper --example demo

.PHONY: test
test: lint test-rust ## Build and test everything
	@echo "make test: everything passed"

.PHONY: lint
lint: lint-rust ## Format and lint checks, every language

.PHONY: sandbox
sandbox: ## Build target/release/celper-sandbox
	$(CARGO) build --locked --release -p celper-sandbox

.PHONY: bench
bench: bench-rust ## Side-by-side benchmarks

.PHONY: bench-rust
bench-rust: ## The Rust client beside bare reqwest
	$(CARGO) run --locked --release -p celper-bench

.PHONY: lint-rust
lint-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps -p celper -p celper-sandbox --all-features

.PHONY: test-rust
test-rust: ## The core, the sandbox, and what a call allocates
	$(CARGO) test --locked -p celper -p celper-sandbox --all-features
	$(CARGO) test --locked -p celper-bench

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
