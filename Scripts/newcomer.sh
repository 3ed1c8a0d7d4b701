#!/usr/bin/env bash
# The proof that a fresh Debian 12 with Swift needs no more than ./dev: makes a bare one in a folder, puts Swift and a clone
# of this repository into it, and runs a command there, ./dev build by default.
#
#   Scripts/newcomer.sh [--folder FOLDER] [--swift FOLDER] [--bind FOLDER]... [-- COMMAND...]
#
# FOLDER is a new or an earlier such system (default: /tmp/swiftwater-newcomer); Swift's folder is the one that has usr/bin
# (default: that of the swift on PATH), which the system sees read-only, as it does what --bind names: a mirror of packages,
# say. Needs root. Mounts are made in a namespace of their
# own and end with the script; the folder stays, to be looked at or removed.
set -euo pipefail

fail() {
    printf '%s\n' "newcomer: $*" >&2
    exit 1
}

folder=/tmp/swiftwater-newcomer
swift=
binds=()
command=(./dev build)
while (($# > 0)); do
    case $1 in
    --folder) folder=${2:?--folder takes a folder} && shift 2 ;;
    --swift) swift=${2:?--swift takes a folder} && shift 2 ;;
    --bind) binds+=("$(realpath -e "${2:?--bind takes a folder}")") && shift 2 ;;
    --)
        shift
        command=("$@")
        break
        ;;
    *) fail "takes --folder, --swift, --bind and -- COMMAND, not $1" ;;
    esac
done
((EUID == 0)) || fail "run it as root: it makes a system in a folder"
if [[ -z $swift ]]; then
    program=$(command -v swift) || fail "there is no swift on PATH; name its folder with --swift"
    # Not to its end: `swift` is a link to another program in the same folder.
    swift=$(cd "$(dirname "$program")/../.." && pwd)
fi
[[ -x $swift/usr/bin/swift ]] || fail "there is no usr/bin/swift in $swift"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if ! command -v debootstrap >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
if [[ ! -x $folder/usr/bin/apt-get ]]; then
    echo "newcomer: making a bare Debian 12 in $folder"
    debootstrap --variant=minbase bookworm "$folder" >"$folder.log" 2>&1 || fail "debootstrap failed, see $folder.log"
fi
folder=$(cd "$folder" && pwd)
echo "newcomer: $(chroot "$folder" dpkg-query -W -f '.\n' | wc -l) packages, $(cat "$folder/etc/debian_version")"
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
# What Debian's installer writes, and debootstrap does not.
[[ -e $folder/etc/hosts ]] || printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n' >"$folder/etc/hosts"
rm -rf "$folder/root/swiftwater"
git clone -q "$root" "$folder/root/swiftwater"
for bind in "${binds[@]}"; do mkdir -p "$folder$bind"; done
mkdir -p "$folder/opt/swift"

export folder swift
# shellcheck disable=SC2016  # expanded inside
exec unshare --mount --propagation private bash -euc '
    mount --bind "$swift" "$folder/opt/swift"
    mount -o remount,bind,ro "$folder/opt/swift"
    while [[ $1 != -- ]]; do
        mount --bind "$1" "$folder$1"
        mount -o remount,bind,ro "$folder$1"
        shift
    done
    shift
    mount -t proc proc "$folder/proc"
    mount --rbind /dev "$folder/dev"
    cd "$folder/root/swiftwater"
    exec chroot "$folder" /usr/bin/env -u SWIFTWATER_SWIFT HOME=/root \
        PATH=/opt/swift/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        bash -c "cd /root/swiftwater && exec \"\$@\"" newcomer "$@"
' newcomer "${binds[@]}" -- "${command[@]}"
