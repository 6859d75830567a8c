#!/usr/bin/env bash
# Runs a command with a Swift toolchain around it: `toolchain.sh swift build`.
#
# Uses the machine's own `swift` when there is one of version 6 or later. Otherwise root on a Debian machine gets one:
# Debian 13's, in a chroot that is made once (half a minute, 2.5 GB) in the user's cache, outside the tree. The command
# runs there in this working directory, as the whole repository is mounted under its own path. A machine that can have
# neither is told why in one line, the command is not run, and the exit status is 0.
#
# Where the mounts are made is a mount namespace of this run: however it ends, the system takes them away with it, and
# two runs at once do not see each other's.
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

# The mirror that this machine's apt uses for Debian itself.
mirror() {
    # shellcheck disable=SC2016 # the fields are apt's
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }'
}

# Proxies and the like that this machine's apt needs.
apt_settings() {
    apt-config dump --format '%f "%v";%n' Acquire |
        grep -E '^Acquire::(https?::(Proxy|Timeout)|Check-|Retries|ForceIPv4|ForceIPv6)' || true
}

make_root() {
    local from part settings made=""
    from="$(mirror)"
    [[ -n "$from" ]] || skip "there is no swift 6 here, and apt has no Debian mirror to take one from"
    if ! command -v mmdebstrap >/dev/null; then
        say "installing mmdebstrap"
        { apt-get install -qq --yes --no-install-recommends mmdebstrap ||
            { apt-get update -qq && apt-get install -qq --yes --no-install-recommends mmdebstrap; }; } >/dev/null 2>&1 ||
            skip "there is no swift 6 here, and mmdebstrap cannot be installed"
    fi
    say "making a Debian 13 with Swift in $root, once: about half a minute and 2.5 GB"
    part="$root.part"
    settings="$root.apt"
    apt_settings >"$settings"
    # Once more after a failure: a mirror may have been in the middle of something.
    for _ in 1 2; do
        rm -rf --one-file-system "$part"
        unshare --mount mmdebstrap --quiet --mode=root --variant=apt \
            --aptopt='APT::Install-Recommends "false"' --aptopt="$settings" \
            --include=swiftlang,libc6-dev,libstdc++-14-dev,tzdata,ca-certificates \
            trixie "$part" "$from" >"$root.log" 2>&1 && made=1 && break
    done
    if [[ -z "$made" ]]; then
        rm -rf --one-file-system "$part"
        skip "there is no swift 6 here, and a Debian 13 with one could not be made:" \
            "$(grep -E '^E: ' "$root.log" | tail -n 1) ($root.log)"
    fi
    rm -f "$settings"
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

[[ "$(uname -s)" == Linux ]] || skip "there is no swift 6 here, and only Debian machines can be given one"
[[ "$(id -u)" -eq 0 ]] || skip "there is no swift 6 here, and only root can make a chroot with one"
command -v apt-get >/dev/null || skip "there is no swift 6 here, and no apt to get one with"
unshare --mount --pid --fork --kill-child true 2>/dev/null || skip "there is no swift 6 here, and this root may not mount"

if [[ ! -d "$root" ]]; then
    mkdir -p "$(dirname "$root")"
    # One makes it, and whoever comes meanwhile waits.
    exec 9>"$root.lock"
    flock 9
    [[ -d "$root" ]] || make_root
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
    # Nothing of the host'"'"'s environment but what the build and the tests read.
    keep=(HOME=/root PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}")
    for name in ${!CELPER_@}; do keep+=("$name=${!name}"); done
    exec chroot "$root" /usr/bin/env -i "${keep[@]}" /bin/sh -c '"'"'cd "$1" && shift && exec "$@"'"'"' sh "$directory" "$@"
' bash "$root" "$repository" "$directory" "$@"
