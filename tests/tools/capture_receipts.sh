#!/bin/sh
# report -pcap: receipts as packet comments, read by tshark; all else of the capture stays. Damaged captures are refused.
#
# Usage: capture_receipts.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$1 elf=$2
command -v tshark >/dev/null || { echo "capture_receipts: no tshark"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
fields() { tshark -r "$1" -T fields -e frame.number -e frame.time_epoch -e frame.interface_id -e frame.len -e tcp.seq -e tcp.checksum 2>/dev/null; }

"$crosspage" run -hypervisor workstation -m 32 -nic peer -kernel "$elf" -append "exit=acpi total=60000" -trace "$work/trace" \
    -pcap "$work/plain" -serial null -quiet </dev/null
"$crosspage" report "$work/trace" -pcap "$work/plain" -o "$work/commented"
fields "$work/plain" >"$work/a"
fields "$work/commented" >"$work/b"
cmp "$work/a" "$work/b" || fail "the capture itself has changed"
[ "$(wc -l <"$work/a")" -gt 100 ] || fail "hardly any packets"

# Every data packet on the wire has a comment whose parts add up to its first line, which is the trace's latency.
packets=$(($("$crosspage" report -format csv "$work/trace" | wc -l) - 1))
tshark -r "$work/commented" -Y 'frame.comment && frame.interface_name == "wire"' -T fields -e frame.comment 2>/dev/null |
    awk '{ gsub(/\\n/, "\n"); print; print "." }' | awk -v packets=$packets '
        / us from the transmitting access/ { total = $1; next }
        /^\.$/ { n++; if (sum < total - 0.01 || sum > total + 0.01) bad = bad " " sum "/" total; sum = 0; next }
        { sum += $NF }
        END { if (n != packets || bad) { print "FAIL: " n " comments, " packets " packets;" bad; exit 1 } }' || fail "comments"

# refuse NAME FILE
refuse() {
    status=0
    "$crosspage" report "$work/trace" -pcap "$2" -o "$work/out" >"$work/errors" 2>&1 || status=$?
    [ $status -eq 1 ] && [ "$(wc -l <"$work/errors")" -eq 1 ] || fail "$1: status $status, $(cat "$work/errors")"
}
size=$(wc -c <"$work/plain")
for cut in 3 11 40 $((size / 2 + 1)) $((size - 2)); do
    head -c $cut "$work/plain" >"$work/cut"
    refuse "cut at $cut" "$work/cut"
done
head -c 5000 /dev/urandom >"$work/noise"
refuse noise "$work/noise"
refuse "no file" "$work/absent"
: >"$work/empty"
refuse "empty file" "$work/empty"
[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
echo "ok: $packets packets"
