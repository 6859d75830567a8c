#!/usr/bin/env bash
# Writes the repository's URL into the npm packages' manifests. npm compares it with the publishing workflow's identity. The
# URL is not stored in the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for folder in bindings-node tests/sandbox/node; do
    (cd "$folder" && npm pkg set repository.type=git "repository.url=git+$GITHUB_SERVER_URL/$GITHUB_REPOSITORY.git")
done
