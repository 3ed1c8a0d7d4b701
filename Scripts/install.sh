#!/usr/bin/env bash
# Installs the program with its completions and manual page; `./dev install` and `./dev package` run it.
#
#   Scripts/install.sh PROGRAM [--prefix FOLDER]
#
# The prefix is /usr/local for root, else ~/.local. What DESTDIR names stands before it, for those who make packages.
# The program is stripped unless STRIP is `none`.
set -euo pipefail

fail() {
    printf '%s\n' "install: $*" >&2
    exit 1
}

(($# > 0)) || fail "takes the program to install"
program=$1
shift
prefix=$HOME/.local
if ((EUID == 0)); then prefix=/usr/local; fi
while (($# > 0)); do
    case $1 in
    --prefix)
        (($# > 1)) || fail "--prefix takes a folder"
        prefix=$2
        shift 2
        ;;
    --prefix=*)
        prefix=${1#--prefix=}
        shift
        ;;
    *) fail "takes --prefix FOLDER, not $1" ;;
    esac
done
[[ -x $program ]] || fail "there is no program $program"
[[ $prefix == /* ]] || fail "the prefix is an absolute path, not $prefix"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${DESTDIR:-}$prefix

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ ${STRIP:-strip} == none ]]; then cp "$program" "$scratch/swiftwater"; else strip -o "$scratch/swiftwater" "$program"; fi
"$program" completion bash >"$scratch/bash"
"$program" completion zsh >"$scratch/zsh"
"$program" completion fish >"$scratch/fish"
"$program" docs manual | gzip -9n >"$scratch/swiftwater.1.gz"

put() { install -D -m "$1" "$2" "$target/$3" || fail "cannot write $target/$3; name another folder with --prefix"; }
put 755 "$scratch/swiftwater" bin/swiftwater
put 644 "$scratch/bash" share/bash-completion/completions/swiftwater
put 644 "$scratch/zsh" share/zsh/site-functions/_swiftwater
put 644 "$scratch/fish" share/fish/vendor_completions.d/swiftwater.fish
put 644 "$scratch/swiftwater.1.gz" share/man/man1/swiftwater.1.gz
if [[ -z ${DESTDIR:-} ]]; then
    put 644 "$root/LICENSE" share/doc/swiftwater/LICENSE
    echo "installed $target/bin/swiftwater, its completions and manual page"
fi
