#!/usr/bin/env bash
# Publishes the packed npm packages of a folder: `npm.sh FOLDER`. In the release's workflow that is who publishes, with
# provenance; elsewhere it is who has logged in. A package that the registry has already is left alone, so that a release
# that broke off can be run again.
#
# The packages of the platforms come first: once `celper` itself is there, people install it.
set -euo pipefail
cd "$1"

manifest() { tar -xzOf "$1" package/package.json; }
shopt -s nullglob
platforms=() mains=()
for file in *.tgz; do
    if manifest "$file" | grep -q '"optionalDependencies"'; then mains+=("$file"); else platforms+=("$file"); fi
done
[[ ${#mains[@]} -gt 0 ]] || { echo "there is no package in $PWD" >&2 && exit 1; }

for file in "${platforms[@]}" "${mains[@]}"; do
    # shellcheck disable=SC2016 # JavaScript's own
    package="$(manifest "$file" | node -p 'const { name, version } = JSON.parse(fs.readFileSync(0)); `${name}@${version}`')"
    if [[ -n "$(npm view "$package" version 2>/dev/null)" ]]; then
        echo "$package is published already"
    else
        npm publish "./$file" --access public ${ACTIONS_ID_TOKEN_REQUEST_URL:+--provenance}
    fi
done
