#!/usr/bin/env bash
# Writes into the npm packages' manifests which repository they are built in. npm compares it with what the workflow that
# publishes them proves about itself, and nothing in the repository knows where it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for folder in bindings-node tests/sandbox/node; do
    (cd "$folder" && npm pkg set repository.type=git "repository.url=git+$GITHUB_SERVER_URL/$GITHUB_REPOSITORY.git")
done
