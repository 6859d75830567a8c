#!/usr/bin/env bash
# Extracts one language's examples from the documentation, so that the build compiles them: `examples.sh kotlin|java|swift OUT`.
# `tests/docs/README.md` describes which code blocks are examples.
#
# The README's first call is a complete program and is written unchanged, and so is an example of Kotlin or Java with a class `…Test`, in
# a file of its name: it runs with the tests. Each other example becomes a function in its own file,
# with its imports at the top and a parameter `session`, which stands for the app's own class that some examples use. Swift's are
# written twice more, for the main actor and for a main.swift, where other isolation rules apply.
set -euo pipefail

language="$1" out="$2"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
mapfile -t pages <"$root/tests/docs/pages.txt"
rm -rf "$out"
mkdir -p "$out"
out="$(cd "$out" && pwd -P)"

ending="$language"
case "$language" in
kotlin)
    ending=kt
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
    mkdir -p "$out/Pasted"
    printf '%s\n' 'protocol Session: Sendable { func freshToken() async throws -> String }' >"$out/Examples/Session.swift"
    ;;
esac

cd "$root"
awk -v language="$language" -v program="$program" -v functions="$functions" -v head="$head" -v open="$open" -v close_="$close" -v pasted="$out/Pasted/main" \
    -v tests="$out/" -v ending="$ending" '
    $0 == "```" && inside {
        inside = 0
        if (whole) close(program)
        else if (test) {
            printf "%s\n%s", imports, body >(tests test "." ending)
            close(tests test "." ending)
        } else {
            # Swift warns about an unused constant, and some examples only create a client.
            if (language == "swift" && creates_client) body = body "_ = client\n"
            file = sprintf(functions, ++count)
            printf "// %s\n%s\n%s\n" open "\n%s%s\n", place, head, imports, count, body, close_ >file
            # As a reader pastes it: in a function of the main actor, and in a main.swift.
            if (language == "swift") {
                printf "\n@MainActor func onMainActor%d(session: any Session) async throws {\n%s}\n", count, body >file
                if (body !~ /session/) printf "// %s\n%s\n%s\n%s", place, head, imports, body >(pasted count ".swift")
                close(pasted count ".swift")
            }
            close(file)
        }
        next
    }
    $0 == "```" language && !not_run {
        inside = first = 1
        whole = creates_client = 0
        test = ""
        imports = body = ""
        place = FILENAME ":" FNR
        next
    }
    { if ($0 != "") not_run = /^<!-- not run:.*-->$/ }
    !inside { next }
    first { first = 0; whole = FILENAME == "README.md" && /^import / }
    /^let client/ { creates_client = 1 }
    /^class [A-Za-z]+Test/ && language != "swift" { test = $2; sub(/[^A-Za-z].*/, "", test) }
    whole { print >program; next }
    /^import / { imports = imports $0 "\n"; next }
    { body = body $0 "\n" }
    END { if (count < 5) { print "expected at least 5 examples for " language ", found " count + 0 >"/dev/stderr"; exit 1 } }
' "${pages[@]}"
