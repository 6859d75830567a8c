#!/usr/bin/env bash
# Writes the Swift package's reference into a folder of target/docs with DocC, from what the compiler knows of the package:
# `build.sh ../../docs/reference/swift.sh OUT`, in the package's folder. A warning of DocC's fails.
set -euo pipefail
out="$1"
rm -rf "$out" .build/reference
mkdir -p .build/reference

# Made with the flags of the tests, so that neither has to build anew what the other built.
swift package -Xswiftc -warnings-as-errors dump-symbol-graph --minimum-access-level public --skip-synthesized-members \
    >.build/reference/log 2>&1 || { cat .build/reference/log; exit 1; }
# The package's own module alone: people do not see the generated one.
cp .build/*/symbolgraph/Celper.symbols.json .build/reference/

docc="$(command -v docc || true)"
[[ -n "$docc" ]] || docc="$(dirname "$(readlink -f "$(command -v swift)")")/docc"
[[ -x "$docc" ]] || docc="$(xcrun --find docc 2>/dev/null || true)"
if [[ -z "$docc" ]]; then
    echo "This Swift has no docc: $out has the symbol graph alone"
    mkdir -p "$out"
    exec cp .build/reference/Celper.symbols.json "$out/"
fi
exec "$docc" convert --additional-symbol-graph-dir .build/reference --fallback-display-name Celper \
    --fallback-bundle-identifier ai.celper --warnings-as-errors --hosting-base-path swift --output-dir "$out"
