#!/usr/bin/env bash
# Makes a Debian package: program, completions, manual page, and a systemd service. `./dev package` runs it.
#
#   Scripts/package.sh PROGRAM [--output FOLDER]
#
# The libraries that the package depends on are found in the program itself, so it is for the release of Debian that it is
# made on. With SOURCE_DATE_EPOCH the same program makes the same package.
set -euo pipefail

fail() {
    printf '%s\n' "package: $*" >&2
    exit 1
}

(($# > 0)) || fail "takes the program to pack"
program=$(realpath -e "$1") || fail "there is no program $1"
shift
output=$PWD
while (($# > 0)); do
    case $1 in
    --output)
        (($# > 1)) || fail "--output takes a folder"
        output=$2
        shift 2
        ;;
    *) fail "takes --output FOLDER, not $1" ;;
    esac
done
mkdir -p "$output"
output=$(cd "$output" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
files=$root/Packaging/debian
for tool in dpkg-deb dpkg-shlibdeps strip; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install dpkg-dev and binutils"
done

number=$("$program" version -o json | sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p')
[[ -n $number ]] || fail "$program does not tell its version"
architecture=$(dpkg --print-architecture)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree
mkdir -p "$tree/DEBIAN"
# mktemp makes folders that only their owner may enter; the package's are for all.
chmod 755 "$tree"

DESTDIR=$tree STRIP=${STRIP:-strip} "$root/Scripts/install.sh" "$program" --prefix /usr
# Debian's zsh looks for completions of packages here.
mkdir -p "$tree/usr/share/zsh/vendor-completions"
mv "$tree/usr/share/zsh/site-functions/_swiftwater" "$tree/usr/share/zsh/vendor-completions/"
rmdir "$tree/usr/share/zsh/site-functions"
install -D -m 644 "$files/swiftwater.service" "$tree/usr/lib/systemd/system/swiftwater.service"
install -D -m 644 "$files/swiftwater.properties" "$tree/etc/swiftwater/swiftwater.properties"
install -D -m 644 "$files/copyright" "$tree/usr/share/doc/swiftwater/copyright"
gzip -9nc "$root/CHANGELOG.md" >"$scratch/changelog.gz"
install -D -m 644 "$scratch/changelog.gz" "$tree/usr/share/doc/swiftwater/changelog.gz"
for script in postinst prerm postrm; do install -m 755 "$files/$script" "$tree/DEBIAN/$script"; done
echo /etc/swiftwater/swiftwater.properties >"$tree/DEBIAN/conffiles"

# dpkg-shlibdeps wants to stand in a source package.
mkdir -p "$scratch/source/debian"
printf 'Source: swiftwater\n\nPackage: swiftwater\nArchitecture: any\n' >"$scratch/source/debian/control"
depends=$(cd "$scratch/source" && dpkg-shlibdeps -O -e"$tree/usr/bin/swiftwater" 2>"$scratch/shlibdeps.log") || {
    cat "$scratch/shlibdeps.log" >&2
    fail "the libraries of the program are not of Debian packages"
}
depends=${depends#shlibs:Depends=}

cat >"$tree/DEBIAN/control" <<END
Package: swiftwater
Version: $number-1
Architecture: $architecture
Maintainer: The Swiftwater developers <swiftwater@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f1)
Depends: $depends, adduser, tzdata
Recommends: ca-certificates
Section: net
Priority: optional
Description: event-streaming platform in one program
 A durable log with Kafka's protocol, a schema registry with Confluent's API, a
 Connect worker with connectors of its own, and streaming SQL in ksqlDB's
 language. The service listens on loopback and keeps its data in
 /var/lib/swiftwater.
END
(cd "$tree" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)

package=$output/swiftwater_$number-1_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null
echo "$package"
