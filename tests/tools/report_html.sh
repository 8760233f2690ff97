#!/bin/sh
# crosspage report -format html: one file that needs no other, whose numbers are those of the JSON report; what report_html.py
# does with it in a browser. Exit status 77 (skipped) without chromium.
#
# Usage: report_html.sh CROSSPAGE NETTEST.ELF [FOLDER for pictures]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
pictures=${3:+$(cd "$3" && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"

run() { # run TRACE TOTAL OPTION...
    trace=$1 total=$2
    shift 2
    "$crosspage" run -hypervisor workstation -nic peer -nographic -quiet -kernel "$elf" -append "exit=acpi total=$total" -trace "$trace" "$@" \
        </dev/null >/dev/null
    "$crosspage" report -format html -o "${trace%.trace}.html" "$trace"
}
run plain.trace 1000000
run overridden.trace 100000 -cost switch.cr3=2us
run large.trace 17500000
run probed.trace 100000 -probe syscall_dispatch,sys_write,tcp_write,ethernet_send,pcnet_send
"$crosspage" report -format json probed.trace >probed.json
run one.trace 1000 # a packet, and no transfer
"$crosspage" run -nographic -quiet -kernel "$elf" -append "exit=acpi total=1000" -trace none.trace </dev/null >/dev/null || true # and no packet
"$crosspage" report -format html -o none.html none.trace
"$crosspage" report -format json plain.trace >plain.json

# Strings of a trace are a stranger's: here all of them would be markup, if anything let them.
python3 - <<'END'
import gzip, json
evil = "<img src=x onerror=injected=1></script><script>injected=1</script><!--<script>\u2028&lt;\"'"
raw = gzip.open("plain.trace").read()
magic = raw.index(b"\n") + 1
size = shift = 0
at = magic
while True:
    byte = raw[at]; at += 1
    size |= (byte & 127) << shift; shift += 7
    if byte < 128: break
head = json.loads(raw[at:at + size])
def poison(value):
    if isinstance(value, str): return value + evil
    if isinstance(value, list): return [poison(item) for item in value]
    if isinstance(value, dict): return {key: poison(item) for key, item in value.items()}
    return value
for key in head:
    # Layers and categories are names that a reader must know.
    if key in ("steps", "exits", "description"):
        head[key] = ([{k: v if k in ("layer", "category") else poison(v) for k, v in step.items()} for step in head[key]]
                     if key == "steps" else poison(head[key]))
text = json.dumps(head).encode()
def varint(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
gzip.open("hostile.trace", "wb").write(raw[:magic] + varint(len(text)) + text + raw[at + size:])
END
"$crosspage" report -format html -o hostile.html hostile.trace
grep -q 'onerror' hostile.html || { echo "FAIL: the hostile strings did not arrive"; exit 1; }
for page in *.html; do
    [ "$(grep -o '</script' "$page" | wc -l)" -eq 3 ] || { echo "FAIL: $page: a string ends a script"; exit 1; }
    ! grep -o '<\(script\|link\|img\|iframe\)[^>]* \(src\|href\)=' "$page" || { echo "FAIL: $page refers to other files"; exit 1; }
done
grep -q 'Permission is hereby granted' plain.html || { echo "FAIL: the licence of Chart.js is not in the page"; exit 1; }
size=$(wc -c <large.html)
[ "$size" -lt 4000000 ] || { echo "FAIL: a page of $size bytes"; exit 1; }
PYTHONDONTWRITEBYTECODE=1 python3 "$here/report_html.py" plain.json plain.html overridden.html hostile.html large.html one.html none.html probed ${pictures:+"$pictures"}
