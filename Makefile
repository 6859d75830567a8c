# `make demo` shows it working, `make test` builds and tests everything. Each target works by itself on a clean checkout.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
MVN ?= mvn -q -B
KOTLIN := bindings-uniffi/kotlin
SWIFT := bindings-uniffi/swift

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the main job against the sandbox: status, invite, select, reject, and a refused action
	@$(CARGO) build --locked -p celper --example demo
	@$(CARGO) run --quiet --locked -p celper --example demo

.PHONY: test
test: lint test-rust test-kotlin test-swift ## Build and test everything
	@echo "make test: everything passed"

.PHONY: lint
lint: lint-rust lint-swift ## Format and lint checks, every language

.PHONY: sandbox
sandbox: ## Build target/release/celper-sandbox
	$(CARGO) build --locked --release -p celper-sandbox

.PHONY: kotlin
kotlin: ## Build the Kotlin and Java package: bindings-uniffi/kotlin/target/celper-*.jar
	@cd $(KOTLIN) && $(MVN) -DskipTests package
	@ls $(KOTLIN)/target/celper-*.jar

.PHONY: swift
swift: ## Build the Swift package in bindings-uniffi/swift
	@$(SWIFT)/build.sh swift build -c release

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

.PHONY: lint-swift
lint-swift:
	@$(SWIFT)/toolchain.sh swift format lint --strict --recursive \
		$(addprefix $(SWIFT)/,Package.swift Sources Tests/CelperTests Tests/Consumer/Package.swift)

.PHONY: test-rust
test-rust: ## The core, the sandbox, and what a call allocates
	$(CARGO) test --locked -p celper -p celper-sandbox -p celper-uniffi --all-features
	$(CARGO) test --locked -p celper-bench

.PHONY: test-kotlin
test-kotlin: sandbox ## The Kotlin and Java package against the sandbox, and its library's size
	@rm -rf $(KOTLIN)/target/surefire-reports
	@cd $(KOTLIN) && $(MVN) package
	@grep -h 'Tests run' $(KOTLIN)/target/surefire-reports/*.txt

.PHONY: test-swift
test-swift: sandbox ## The Swift package against the sandbox, and its library's size
	@$(SWIFT)/build.sh ./test.sh

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
	rm -rf $(KOTLIN)/target $(addprefix $(SWIFT)/,.build Generated lib Tests/Consumer/.build Tests/Consumer/Sources)
