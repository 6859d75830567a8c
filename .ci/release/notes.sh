#!/usr/bin/env bash
# Prints the changelog's section of a version: `notes.sh X.Y.Z`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
awk -v heading="## [$1]" '
    index($0, "## [") == 1 { inside = index($0, heading) == 1; next }
    inside
' CHANGELOG.md | sed -e '/./,$!d'
