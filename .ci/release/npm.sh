#!/usr/bin/env bash
# Publishes the packed npm packages in a folder: `npm.sh FOLDER`. In the release workflow it publishes as the workflow, with
# provenance; elsewhere as the user who is logged in to npm. It skips packages that the registry already has, so that a
# failed release can be rerun.
#
# It publishes the platform packages first, because users can install `celper` as soon as it is published.
set -euo pipefail
cd "$1"

manifest() { tar -xzOf "$1" package/package.json; }
shopt -s nullglob
platforms=() mains=()
for file in *.tgz; do
    if manifest "$file" | grep -q '"optionalDependencies"'; then mains+=("$file"); else platforms+=("$file"); fi
done
[[ ${#mains[@]} -gt 0 ]] || { echo "no packages in $PWD" >&2 && exit 1; }

for file in "${platforms[@]}" "${mains[@]}"; do
    # shellcheck disable=SC2016 # for JavaScript to expand
    package="$(manifest "$file" | node -p 'const { name, version } = JSON.parse(fs.readFileSync(0)); `${name}@${version}`')"
    if [[ -n "$(npm view "$package" version 2>/dev/null)" ]]; then
        echo "$package is already published"
    else
        npm publish "./$file" --access public ${ACTIONS_ID_TOKEN_REQUEST_URL:+--provenance}
    fi
done
