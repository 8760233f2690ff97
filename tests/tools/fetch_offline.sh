#!/bin/sh
# Fetching packages without network: says so (exit status 3), and does without it when everything is there.
# The network is taken away by a private apt configuration whose archive is a closed port of this machine.
#
# Usage: fetch_offline.sh. Exit status 77 (skipped) where there is no dpkg and apt.
set -eu
umask 022 # dpkg-deb packs nothing that only its owner can read

for program in apt-get apt-cache dpkg-deb; do
    command -v $program >/dev/null || { echo "$program is not installed: skipped"; exit 77; }
done
tools=$(cd "$(dirname "$0")/../../tools" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0

mkdir "$work/parts"
echo 'deb [trusted=yes] http://127.0.0.1:9/debian stable main' >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
Acquire::http::Proxy "DIRECT";
Acquire::Retries::Delay "false";
END
export APT_CONFIG="$work/apt.conf"

# expect STATUS PATTERN COMMAND...: the pattern is in what it prints.
expect() {
    status=$1 pattern=$2 got=0
    shift 2
    "$@" >"$work/out" 2>&1 || got=$?
    if [ $got -ne "$status" ] || ! grep -q "$pattern" "$work/out"; then
        failures=$((failures + 1))
        echo "FAIL: $* -> status $got:"
        head -n 5 "$work/out"
    fi
}

# package NAME VERSION FIELD: a Debian package of what is in $work/tree, into $work/new.
package() {
    rm -rf "$work/tree/DEBIAN"
    mkdir -p "$work/tree/DEBIAN" "$work/new"
    printf 'Package: %s\nVersion: %s\nArchitecture: i386\nMaintainer: nobody <nobody@localhost>\nDescription: none\n%s' \
        "$1" "$2" "$3" >"$work/tree/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$work/tree" "$work/new/$1_$2_i386.deb" >/dev/null
}

# ---- Nothing is there ----
expect 3 "no network: cannot download hello (i386)" "$tools/fetch-package" i386 "$work/empty" hello
expect 3 "no network: cannot download hello (i386)" "$tools/fetch-package" -d i386 "$work/empty" hello
expect 3 "no network" "$tools/fetch-kernel" i686 "$work/empty-kernel"

# ---- Packages are there, one in two versions ----
mkdir -p "$work/tree/boot" "$work/tree/lib/modules/7.0-686/kernel"
package linux-image-686 7.0 'Depends: linux-image-7.0-686 (= 7.0)
'
package linux-image-686 10.0~1 'Depends: linux-image-7.0-686 (= 7.0)
'
echo kernel >"$work/tree/boot/vmlinuz-7.0-686"
echo config >"$work/tree/boot/config-7.0-686"
package linux-image-7.0-686 7.0 ''
rm -rf "$work/tree"
mkdir -p "$work/tree/bin"
echo busybox >"$work/tree/bin/busybox"
package busybox-static 1 ''
expect 0 "linux-image-686_10.0~1_i386.deb" "$tools/fetch-package" i386 "$work/new" linux-image-686
expect 3 "no network" "$tools/fetch-package" i386 "$work/new" linux-image-686 hello
expect 0 "Linux 7.0-686 in" "$tools/fetch-kernel" i686 "$work/new"
cmp "$work/new/vmlinuz" - <<END || failures=$((failures + 1))
kernel
END

# ---- Eight calls at a time: one unpacks, the others wait for it ----
for call in 1 2 3 4 5 6 7 8; do
    "$tools/fetch-kernel" --refresh i686 "$work/new" >"$work/call$call" 2>&1 || echo "status $?" >>"$work/call$call" &
done
wait
for call in 1 2 3 4 5 6 7 8; do
    expect 0 "^fetch-kernel: i686: Linux 7.0-686 in" cat "$work/call$call"
    ! grep '^status\|cannot' "$work/call$call" || failures=$((failures + 1))
done

# ---- A finished folder asks nobody ----
rm -f "$work/new/"*.deb
expect 0 "using Linux 7.0-686" "$tools/fetch-kernel" i686 "$work/new"
expect 3 "no network" "$tools/fetch-kernel" --refresh i686 "$work/new"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
