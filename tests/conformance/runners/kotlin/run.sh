#!/usr/bin/env bash
# Starts the runner that `make runner-kotlin` builds.
set -euo pipefail
target="$(dirname "${BASH_SOURCE[0]}")/target"
# --add-opens gives reflection access to the JDK's fields, as on Android. The other flags shorten the start.
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    --add-opens java.base/java.lang=ALL-UNNAMED \
    --add-opens java.base/java.util=ALL-UNNAMED \
    --add-opens java.base/java.util.concurrent.atomic=ALL-UNNAMED \
    -cp "$target/classes:$(<"$target/classpath")" MainKt
