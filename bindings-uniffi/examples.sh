#!/usr/bin/env bash
# Takes one language's examples out of READMEs, so that the build compiles what people will copy:
# `examples.sh kotlin|java|swift OUT README...`.
#
# An example that begins with its imports is a whole program and goes into a file of its own, unchanged. The others become
# functions, which are given a `session`, the app's own, that some of them speak of.
set -euo pipefail

language="$1" out="$2"
shift 2
rm -rf "$out"
mkdir -p "$out"

case "$language" in
kotlin)
    program="$out/FirstCall.kt" functions="$out/Examples.kt"
    head='@file:Suppress("unused", "UNUSED_VARIABLE", "UNUSED_EXPRESSION")

package ai.celper.examples

import ai.celper.*
import kotlin.time.Duration.Companion.seconds'
    open='suspend fun example%d(session: Session) {' close='}' foot=''
    ;;
java)
    program="$out/FirstCall.java" functions="$out/Examples.java"
    head='import ai.celper.*;
import java.time.Duration;

final class Examples {'
    open='static void example%d(Session session) throws Exception {' close='}' foot='}'
    ;;
swift)
    mkdir -p "$out/FirstCall" "$out/Examples"
    program="$out/FirstCall/main.swift" functions="$out/Examples/Examples.swift"
    head='import Celper

protocol Session: Sendable { func freshToken() async throws -> String }'
    open='func example%d(session: any Session) async throws {' close='}' foot=''
    ;;
esac

{
    echo "$head"
    awk -v language="$language" -v program="$program" -v open="$open" -v close_="$close" '
        $0 == "```" && inside {
            # Swift warns of what is made and not used, as an example may.
            if (!whole && language == "swift" && made) print "_ = client"
            if (!whole) print close_
            inside = 0
            next
        }
        $0 == "```" language { inside = 1; first = 1; whole = 0; made = 0; next }
        inside && first {
            first = 0
            whole = /^import /
            if (!whole) printf "\n" open "\n", ++count
        }
        inside && /^let client/ { made = 1 }
        inside && whole { print >program }
        inside && !whole { print }
    ' "$@"
    echo "$foot"
} >"$functions"
