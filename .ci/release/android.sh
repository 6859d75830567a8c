#!/usr/bin/env bash
# Builds the AAR in target/dist/maven. Needs the Android SDK with an NDK, cargo-ndk, Gradle, and Rust's Android targets.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kotlin=bindings-uniffi/kotlin
export ANDROID_NDK_HOME="${ANDROID_NDK_HOME:-${ANDROID_NDK_LATEST_HOME:-}}"

# This also builds a library for this machine, which is not part of the AAR.
CELPER_PROFILE=dev bindings-uniffi/generate.sh kotlin "$kotlin/target/generated-sources/uniffi" target/android-host
project=target/android
rm -rf "$project"
mkdir -p "$project/celper/src/main"
"$kotlin/android-libraries.sh" "$project/celper/src/main/jniLibs"
cp "$kotlin/android.gradle.kts" "$project/celper/build.gradle.kts"
notices="$project/celper/src/main/resources/META-INF"
.ci/release/licenses.sh celper-uniffi "$notices/THIRD-PARTY-LICENSES.txt"
cp LICENSE "$notices/"
cat >"$project/settings.gradle.kts" <<'GRADLE'
pluginManagement { repositories { google(); mavenCentral(); gradlePluginPortal() } }
dependencyResolutionManagement { repositories { google(); mavenCentral() } }
rootProject.name = "celper-android"
include(":celper")
GRADLE
echo 'android.useAndroidX=true' >"$project/gradle.properties"
version="$(python3 .ci/version.py)"
gradle --no-daemon -p "$project" -Pcelper.version="$version" \
    -Pcelper.repository="$PWD/target/dist/maven" :celper:publishReleasePublicationToDistRepository
