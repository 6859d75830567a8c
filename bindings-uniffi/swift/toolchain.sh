#!/usr/bin/env bash
# Runs a command with a Swift toolchain: `toolchain.sh swift build`.
#
# Uses the installed `swift` if its version is 6 or later. Otherwise, as root on Debian, it runs the command in a chroot with
# Debian 13's Swift. The first run creates the chroot in the user's cache (30 seconds, 2.5 GB). The repository is mounted in it
# at the same path, so the command runs in the current directory. If neither is possible, this prints the reason, does not run
# the command, and exits with status 0.
#
# The mounts are made in a separate mount namespace: the kernel removes them when the run ends, and parallel runs do not see
# each other's.
set -euo pipefail

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
root="${CELPER_SWIFT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/celper/swift-debian-13}"

say() { echo "swift toolchain: $*" >&2; }
skip() {
    echo "Swift was skipped: $*"
    exit 0
}

own_swift() {
    command -v swift >/dev/null || return 1
    local version
    version="$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\).*/\1/p' | head -n 1)"
    [[ "${version:-0}" -ge 6 ]]
}

# Prints the Debian mirror that this machine's apt uses.
mirror() {
    # shellcheck disable=SC2016 # the fields are apt's
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }'
}

# Prints this machine's apt settings for network access, such as proxies.
apt_settings() {
    apt-config dump --format '%f "%v";%n' Acquire |
        grep -E '^Acquire::(https?::(Proxy|Timeout)|Check-|Retries|ForceIPv4|ForceIPv6)' || true
}

make_root() {
    local from part settings made=""
    from="$(mirror)"
    [[ -n "$from" ]] || skip "swift 6 is not installed, and apt has no Debian mirror to install it from"
    if ! command -v mmdebstrap >/dev/null; then
        say "installing mmdebstrap"
        { apt-get install -qq --yes --no-install-recommends mmdebstrap ||
            { apt-get update -qq && apt-get install -qq --yes --no-install-recommends mmdebstrap; }; } >/dev/null 2>&1 ||
            skip "swift 6 is not installed, and installing mmdebstrap failed"
    fi
    say "creating a Debian 13 chroot with Swift in $root (only once; about 30 seconds, 2.5 GB)"
    part="$root.part"
    settings="$root.apt"
    apt_settings >"$settings"
    # Retry once: a mirror may be inconsistent while it updates.
    for _ in 1 2; do
        rm -rf --one-file-system "$part"
        unshare --mount mmdebstrap --quiet --mode=root --variant=apt \
            --aptopt='APT::Install-Recommends "false"' --aptopt="$settings" \
            --include=swiftlang,libc6-dev,libstdc++-14-dev,tzdata,ca-certificates,git \
            trixie "$part" "$from" >"$root.log" 2>&1 && made=1 && break
    done
    if [[ -z "$made" ]]; then
        rm -rf --one-file-system "$part"
        skip "swift 6 is not installed, and creating a Debian 13 chroot with it failed:" \
            "$(grep -E '^E: ' "$root.log" | tail -n 1) ($root.log)"
    fi
    rm -f "$settings"
    rm -rf --one-file-system "$root"
    mv "$part" "$root"
}

if [[ $# -eq 0 ]]; then
    echo "usage: toolchain.sh COMMAND [ARGUMENT...]" >&2
    exit 2
fi

if own_swift; then
    say "using $(command -v swift)"
    exec "$@"
fi

[[ "$(uname -s)" == Linux ]] || skip "swift 6 is not installed, and only Debian machines can use the chroot"
[[ "$(id -u)" -eq 0 ]] || skip "swift 6 is not installed, and only root can create the chroot"
command -v apt-get >/dev/null || skip "swift 6 is not installed, and neither is apt"
unshare --mount --pid --fork --kill-child true 2>/dev/null || skip "swift 6 is not installed, and mounting is not permitted"

# Without git, SwiftPM cannot use packages by their repository; older versions of this script made such chroots.
complete() { [[ -x "$root/usr/bin/git" ]]; }
if ! complete; then
    mkdir -p "$(dirname "$root")"
    # The lock makes parallel runs wait until the chroot exists.
    exec 9>"$root.lock"
    flock 9
    complete || make_root
    exec 9>&-
fi

case "$PWD/" in
"$repository/"*) directory="$PWD" ;;
*) directory="$repository" ;;
esac

say "using the chroot $root"
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --propagation private --pid --fork --kill-child bash -euo pipefail -c '
    root="$1" repository="$2" directory="$3"
    shift 3
    mkdir -p "$root$repository"
    mount --bind "$repository" "$root$repository"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    # From the host'"'"'s environment, pass only what the build and the tests read.
    keep=(HOME=/root PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}")
    for name in ${!CELPER_@} {HTTP,HTTPS,ALL,NO}_PROXY {http,https,all,no}_proxy; do
        [[ ! -v $name ]] || keep+=("$name=${!name}")
    done
    exec chroot "$root" /usr/bin/env -i "${keep[@]}" /bin/sh -c '"'"'cd "$1" && shift && exec "$@"'"'"' sh "$directory" "$@"
' bash "$root" "$repository" "$directory" "$@"
