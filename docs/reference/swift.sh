#!/usr/bin/env bash
# Writes the Swift package's reference with DocC, from the compiler's symbol graph. Run it in the package's folder:
# `build.sh ../../docs/reference/swift.sh OUT`, with OUT a folder in target/docs. A DocC warning fails.
set -euo pipefail
out="$1"
rm -rf "$out" .build/reference
mkdir -p .build/reference

# Uses the same flags as the tests, so that neither rebuilds the other's modules.
swift package -Xswiftc -warnings-as-errors dump-symbol-graph --minimum-access-level public --skip-synthesized-members \
    >.build/reference/log 2>&1 || { cat .build/reference/log; exit 1; }
# Only the package's own module; users do not see the generated one.
cp .build/*/symbolgraph/Celper.symbols.json .build/reference/

docc="$(command -v docc || true)"
[[ -n "$docc" ]] || docc="$(dirname "$(readlink -f "$(command -v swift)")")/docc"
[[ -x "$docc" ]] || docc="$(xcrun --find docc 2>/dev/null || true)"
if [[ -z "$docc" ]]; then
    echo "This Swift has no docc: only the symbol graph is written to $out"
    mkdir -p "$out"
    exec cp .build/reference/Celper.symbols.json "$out/"
fi
exec "$docc" convert --additional-symbol-graph-dir .build/reference --fallback-display-name Celper \
    --fallback-bundle-identifier ai.celper --warnings-as-errors --hosting-base-path swift --output-dir "$out"
