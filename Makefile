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
test: lint test-rust test-node ## Build and test everything
	@echo "make test: everything passed"

.PHONY: lint
lint: lint-rust lint-node ## Format and lint checks, every language

.PHONY: sandbox
sandbox: ## Build target/release/celper-sandbox
	$(CARGO) build --locked --release -p celper-sandbox

.PHONY: bench
bench: bench-rust bench-node ## Side-by-side benchmarks

.PHONY: bench-rust
bench-rust: ## The Rust client beside bare reqwest
	$(CARGO) run --locked --release -p celper-bench

.PHONY: node
node: bindings-node/node_modules/.package-lock.json ## Build the npm package, ready to be imported from bindings-node/
	cd bindings-node && npm run build

bindings-node/node_modules/.package-lock.json: bindings-node/package-lock.json
	cd bindings-node && npm ci --no-audit --no-fund
	@touch $@

.PHONY: test-node
test-node: sandbox node ## The npm package
	cd bindings-node && npm test

.PHONY: test-node-versions
test-node-versions: sandbox node ## The npm package on Node 22 and 24
	cd bindings-node/test/runtimes && npm ci --no-audit --no-fund
	cd bindings-node && for version in 22 24; do \
	  test/runtimes/node_modules/node-$$version/bin/node --test --test-reporter=dot \
	    test/{abort,arguments,errors,hostile,lifetime,operations}.test.mjs; \
	done

.PHONY: lint-node
lint-node: bindings-node/node_modules/.package-lock.json
	cd bindings-node && npm run lint

.PHONY: bench-node
bench-node: node ## The Node package beside undici and fetch
	$(CARGO) build --locked --release -p celper-bench
	node tests/bench/node/calls.mjs

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
	rm -rf bindings-node/{dist,node_modules,packed,.runtimes,*.node}
