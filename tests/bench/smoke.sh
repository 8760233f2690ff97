#!/bin/sh
# tests/bench/run, end to end and small: two kernels under the interpreter and QEMU; both agree on the checksums, and the
# JSON document has every number. Exit status 77 (skipped) without network or QEMU.
#
# Usage: smoke.sh BUILD
set -eu

[ $# -eq 1 ] || { echo "usage: smoke.sh BUILD" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
command -v qemu-system-i386 >/dev/null || { echo "no qemu-system-i386: skipped"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

status=0
"$here/run" -a i686 -k crc:1,getppid:2 -e interp,qemu -b "$build" -o "$work" || status=$?
[ $status -ne 3 ] || exit 77
[ $status -eq 0 ] || exit 1
python3 - "$work/bench.json" <<'END'
import json, sys
rows = {row["name"]: row for row in json.load(open(sys.argv[1]))["runs"][0]["rows"]}
assert set(rows) == {"boot", "crc", "getppid"}, rows.keys()
for row in rows.values():
    for name in ("interp", "qemu"):
        assert row["engines"][name]["status"] == "ok" and row["engines"][name]["seconds"] > 0, row
    assert row["ratios"]["qemu/interp"] > 0, row
for name, checksum in (("crc", "c0f68319"), ("getppid", "000007d0")):
    assert rows[name]["engines"]["interp"]["checksum"] == checksum, rows[name]
END
grep -q '</svg>' "$work/bench.svg"
echo "ok: tests/bench/run"
