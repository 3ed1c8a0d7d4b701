#!/usr/bin/env bash
# Writes what a release build tells of itself (`swiftwater --version`): the commit with its day, and Swift's version.
# `./dev` runs it; see Sources/swiftwater/Support/BuildInfo.swift for a build without it.
#
#   Scripts/build-info.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

file=Sources/swiftwater/Generated/BuildFacts.swift
if ! commit=$(git rev-parse --short=10 HEAD 2>/dev/null); then
    rm -f "$file" # not a checkout: better nothing than what was true of another
    exit
fi
git diff --quiet HEAD -- || commit+=+
date=$(git show -s --format=%cs HEAD)
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -1)

mkdir -p "$(dirname "$file")"
{
    echo "// Written by Scripts/build-info.sh; not kept in git. A debug build has no use for it: it follows every edit."
    echo "#if !DEBUG"
    echo "extension BuildInfo {"
    echo "    static var commit: String? { \"$commit\" }"
    echo "    static var date: String? { \"$date\" }"
    if [[ -n $version ]]; then echo "    static var swift: String { \"$version\" }"; fi
    echo "}"
    echo "#endif"
} >"$file.new"
# Compilers go by times: an unchanged file stays as it is.
if cmp -s "$file.new" "$file"; then rm "$file.new"; else mv "$file.new" "$file"; fi
