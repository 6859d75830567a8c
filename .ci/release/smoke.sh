#!/usr/bin/env bash
# Installs the packages as users do, and makes a call to a port that refuses connections: `smoke.sh RELEASE PLATFORM`, with
# npm's name for the platform. The call needs the native library, its runtime and its errors. Then it runs the demo against the
# sandbox from its pip package.
set -euo pipefail
release="$(cd "$1" && pwd)" platform="$2"
smoke="$(cd "$(dirname "${BASH_SOURCE[0]}")/smoke" && pwd)"
demo="$smoke/../../../bindings-python/examples/demo.py"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "pip on $platform"
"$(command -v python3 || command -v python)" -m venv venv
bin=venv/bin
[[ -d "$bin" ]] || bin=venv/Scripts
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$release/python" celper
"$bin/python" "$smoke/smoke.py"
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$release/python" celper-sandbox
"$bin/python" "$demo" "$bin/celper-sandbox"

echo "npm on $platform"
mkdir node
cp "$release"/npm/celper-[0-9]*.tgz "$release/npm/celper-$platform"-*.tgz "$smoke"/smoke.{mjs,cjs} node/
(cd node && npm install --silent --no-audit --no-fund ./*.tgz && node smoke.mjs && node smoke.cjs)
mkdir sandbox
cp "$release"/npm/celper-sandbox-[0-9]*.tgz "$release/npm/celper-sandbox-$platform"-*.tgz sandbox/
(cd sandbox && npm install --silent --no-audit --no-fund ./*.tgz && npx --no-install celper-sandbox --version)

# The jar's Linux library needs glibc.
if [[ "$platform" != *-musl ]]; then
    echo "the jar on $platform"
    separator=:
    [[ "$platform" != win32-* ]] || separator=';'
    mkdir java
    cp "$release"/maven/ai/celper/celper/*/celper-*.{jar,pom} "$smoke/Smoke.java" java/
    rm -f java/*-{sources,javadoc}.jar
    mvn -q -B -Dstyle.color=never -f java/celper-*.pom dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=.
    (cd java && java -cp ".${separator}*" Smoke.java)
    echo "the sandbox's jars on $platform"
    gson="$(sed -n '/<artifactId>gson/{n;s/.*>\(.*\)<.*/\1/p}' "$release"/maven/ai/celper/celper-sandbox/*/*.pom)"
    mvn -q -B -Dstyle.color=never dependency:copy -Dartifact="com.google.code.gson:gson:$gson" -DoutputDirectory=java
    cp "$release"/maven/ai/celper/celper-sandbox/*/celper-sandbox-*.jar "$smoke/SmokeSandbox.java" java/
    rm -f java/*-{sources,javadoc}.jar
    (cd java && java -cp ".${separator}*" SmokeSandbox.java)
fi
