#!/usr/bin/env bash
# Starts the runner that `make runner-kotlin` has built.
set -euo pipefail
target="$(dirname "${BASH_SOURCE[0]}")/target"
# The JDK's own fields are opened to reflection, as they are on Android. The other flags are for a quick start.
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    --add-opens java.base/java.lang=ALL-UNNAMED \
    --add-opens java.base/java.util=ALL-UNNAMED \
    --add-opens java.base/java.util.concurrent.atomic=ALL-UNNAMED \
    -cp "$target/classes:$(<"$target/classpath")" MainKt
