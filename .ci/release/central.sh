#!/usr/bin/env bash
# Signs the folder `maven` that `assemble.py` writes, and uploads it to Maven Central: `central.sh FOLDER`.
# The signing key is in MAVEN_GPG_KEY (armoured) and MAVEN_GPG_PASSPHRASE, the user token
# for Central in MAVEN_CENTRAL_USERNAME and MAVEN_CENTRAL_PASSWORD, and the URL of its Publisher API in MAVEN_CENTRAL_API.
# Without a token it only builds the bundle and prints its path.
# It skips a version that Central already has, so that a failed release can be rerun.
set -euo pipefail
cd "$1"
bundle="$(mktemp -d)/celper-central.zip"
pom="$(find . -name '*.pom' | sort | head -n 1)"
name="$(basename "$pom" .pom)"
if [[ -n "${MAVEN_CENTRAL_USERNAME:-}" ]]; then
    token="$(printf '%s:%s' "$MAVEN_CENTRAL_USERNAME" "$MAVEN_CENTRAL_PASSWORD" | base64 -w 0)"
    # Passed on standard input, because other processes can read arguments.
    call() {
        curl --fail-with-body --silent --show-error --config - "$@" <<<"header = \"Authorization: Bearer $token\""
    }
    namespace="$(dirname "${pom#./}" | cut -d / -f 1-2 | tr / .)"
    published="$(call "$MAVEN_CENTRAL_API/published?namespace=$namespace&name=${name%-*}&version=${name##*-}")"
    if [[ "$published" == *true* ]]; then
        echo "$name is already published"
        exit
    fi
fi

GNUPGHOME="$(mktemp -d)"
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME"' EXIT
gpg --batch --quiet --import <<<"$MAVEN_GPG_KEY"

mapfile -d '' -t files < <(find . -type f -print0)
for file in "${files[@]}"; do
    gpg --batch --quiet --pinentry-mode loopback --passphrase-fd 3 --armor --detach-sign "$file" 3<<<"$MAVEN_GPG_PASSPHRASE"
    for sum in md5 sha1; do "${sum}sum" "$file" | cut -d ' ' -f 1 >"$file.$sum"; done
done
zip -q -r "$bundle" .

if [[ -z "${MAVEN_CENTRAL_USERNAME:-}" ]]; then
    echo "$bundle"
    exit
fi
id="$(call --form "bundle=@$bundle" "$MAVEN_CENTRAL_API/upload?publishingType=AUTOMATIC&name=$name")"
for _ in {1..60}; do
    state="$(call --request POST "$MAVEN_CENTRAL_API/status?id=$id")"
    case "$state" in
    *'"PUBLISHED"'* | *'"PUBLISHING"'*) echo "$name: $state" && exit ;;
    *'"FAILED"'*) echo "$name: $state" >&2 && exit 1 ;;
    esac
    sleep 20
done
echo "$name: still not validated: $state" >&2
exit 1
