#!/usr/bin/env bash
# Takes one language's examples out of the project's pages, so that the build compiles what people will copy:
# `examples.sh kotlin|java|swift OUT`. What an example is: `tests/docs/README.md`.
#
# The README's first call is a whole program, and stays as it is. The others become functions, each in a file of its own with
# its imports at the top, and are given a `session`, the app's own, that some of them speak of.
set -euo pipefail

language="$1" out="$2"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
mapfile -t pages <"$root/tests/docs/pages.txt"
rm -rf "$out"
mkdir -p "$out"
out="$(cd "$out" && pwd -P)"

case "$language" in
kotlin)
    program="$out/FirstCall.kt" functions="$out/Example%d.kt"
    head='@file:Suppress("unused", "UNUSED_VARIABLE", "UNUSED_EXPRESSION")

package ai.celper.examples

import ai.celper.*
import kotlin.time.Duration.Companion.seconds'
    open='suspend fun example%d(session: Session) {' close='}'
    ;;
java)
    program="$out/FirstCall.java" functions="$out/Example%d.java"
    head='import ai.celper.*;
import java.time.Duration;'
    open='final class Example%d {
static void example(Session session) throws Exception {' close='}
}'
    ;;
swift)
    mkdir -p "$out/FirstCall" "$out/Examples"
    program="$out/FirstCall/main.swift" functions="$out/Examples/Example%d.swift"
    head='import Celper'
    open='func example%d(session: any Session) async throws {' close='}'
    printf '%s\n' 'protocol Session: Sendable { func freshToken() async throws -> String }' >"$out/Examples/Session.swift"
    ;;
esac

cd "$root"
awk -v language="$language" -v program="$program" -v functions="$functions" -v head="$head" -v open="$open" -v close_="$close" '
    $0 == "```" && inside {
        inside = 0
        if (whole) close(program)
        else {
            # Swift warns of what is made and not used, as an example may.
            if (language == "swift" && made) body = body "_ = client\n"
            file = sprintf(functions, ++count)
            printf "// %s\n%s\n%s\n" open "\n%s%s\n", place, head, imports, count, body, close_ >file
            close(file)
        }
        next
    }
    $0 == "```" language && !not_run {
        inside = first = 1
        whole = made = 0
        imports = body = ""
        place = FILENAME ":" FNR
        next
    }
    { if ($0 != "") not_run = /^<!-- not run:.*-->$/ }
    !inside { next }
    first { first = 0; whole = FILENAME == "README.md" && /^import / }
    /^let client/ { made = 1 }
    whole { print >program; next }
    /^import / { imports = imports $0 "\n"; next }
    { body = body $0 "\n" }
    END { if (count < 5) { print "there are hardly any examples in " language >"/dev/stderr"; exit 1 } }
' "${pages[@]}"
