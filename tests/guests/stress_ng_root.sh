#!/bin/sh
# Debian's stress-ng with its libraries as a tree for an initramfs. Packages are fetched to out/stress-ng-DEBARCH; exit
# status 77 without network.
#
# Usage: stress_ng_root.sh DEBARCH DIRECTORY
set -eu

[ $# -eq 2 ] || { echo "usage: stress_ng_root.sh DEBARCH DIRECTORY" >&2; exit 2; }
debarch=$1
mkdir -p "$2"
root=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
packages=out/stress-ng-$debarch
mkdir -p "$packages"
exec 9>"$packages/.lock" # of several callers, one unpacks
flock 9
if [ ! -e "$packages/complete" ]; then
    status=0
    list=$(tools/fetch-package -d "$debarch" "$packages" stress-ng) || status=$?
    [ $status -ne 3 ] || exit 77
    [ $status -eq 0 ] || exit 1
    rm -rf "$packages/tree"
    mkdir -p "$packages/tree"
    echo "$list" | while read -r deb; do dpkg-deb -x "$packages/$deb" "$packages/tree"; done
    touch "$packages/complete"
fi
tools/collect-program "$packages/tree" "$root" usr/bin/stress-ng
