#!/usr/bin/env bash
# Writes the repository's URL into the npm packages' manifests. npm compares it with the publishing workflow's identity, and resolves
# the README's links with it. The URL is not stored in the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
url="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"
for folder in bindings-node tests/sandbox/node; do
    (cd "$folder" && npm pkg set repository.type=git "repository.url=git+$url.git" "repository.directory=$folder" \
        "homepage=$url/tree/main/$folder#readme" "bugs.url=$url/issues")
done
