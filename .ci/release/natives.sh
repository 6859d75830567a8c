#!/usr/bin/env bash
# Builds this platform's native packages in target/dist; `make dist` builds the others. It does not use make, so that it runs in
# Bash on Windows. CELPER_LIBC=musl builds for Linux with musl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=target/dist-tools
"$(command -v python3 || command -v python)" -m venv "$tools/venv"
bin="$tools/venv/bin"
[[ -d "$bin" ]] || bin="$tools/venv/Scripts"
"$bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/packages/requirements.txt
while read -r tool; do
    # shellcheck disable=SC2086 # a name and its version
    cargo install --quiet --locked --root "$tools" $tool
done <tests/packages/cargo-tools.txt
(cd bindings-node && npm ci --no-audit --no-fund)
PATH="$PWD/$bin:$PATH" "$bin/python" tests/packages/natives.py
