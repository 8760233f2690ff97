#!/bin/sh
# The embedded guest under QEMU: its driver against another model of the chip, its TCP against another stack
# (libslirp), its frames through tshark. Each row is one boot; the byte stream must arrive whole, and the
# counts of port accesses must be those of the driver's head comment.
#
# QEMU and its network run in the host's time: on a loaded host an answer may take longer than the guest waits (200 ms
# at least), or more frames come at once than its ring holds. So a row that fails is tried again, twice; what was
# wrong is printed each time, and what the guest does wrong by itself is wrong three times.
#
# Usage: nettest_qemu.sh NETTEST.ELF. Exit status 77 (skipped) when QEMU is not installed or there is no loopback network.
set -eu

elf=nettest.elf here=$(cd "$(dirname "$0")" && pwd)
command -v qemu-system-i386 >/dev/null || { echo "qemu-system-i386 is not installed: skipped"; exit 77; }
"$here/../tools/loopback.sh" || exit $?
work=$(mktemp -d)
cp "$1" "$work/$elf"
cd "$work" # QEMU's options, and the guest's, are words
wire=
trap 'if [ -n "$wire" ]; then kill "$wire" 2>/dev/null || true; fi; rm -rf "$work"' EXIT INT TERM
failures=0

fail() {
    echo "wrong: $row: $*"
    complaints=$((complaints + 1))
}

# try FUNCTION ARGUMENTS: a row, three times at most.
try() {
    row="$*"
    for attempt in 1 2 3; do
        complaints=0
        "$@"
        if [ "$complaints" -eq 0 ]; then
            echo "ok: $row"
            return
        fi
    done
    echo "FAIL: $row"
    failures=$((failures + 1))
}

# field NAME: the value of NAME=... in what the guest printed.
field() {
    sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$work/serial"
}

check_counts() {
    tx=$(field tx) irqs=$(field nic) rounds=$(field rounds)
    [ $(($(field rap) + $(field rdp))) -eq $((2 * tx + 6 * irqs + 4 * rounds)) ] || fail "port accesses"
    [ "$(field pic)" -eq $((5 * irqs)) ] || fail "interrupt controller accesses"
    [ $(($(field tx_only) + $(field both))) -eq "$tx" ] || fail "not one interrupt per packet"
    for name in tx_errors rx_errors rx_dropped; do
        [ "$(field $name)" -eq 0 ] || fail "$name"
    done
}

# The sender's buffer is a..z repeated, started again with every write of $1 bytes.
pattern() {
    awk -v chunk="$1" -v total="$2" 'BEGIN {
        line = ""; while (length(line) < chunk) line = line "abcdefghijklmnopqrstuvwxyz"
        line = substr(line, 1, chunk)
        for (; total >= chunk; total -= chunk) printf "%s", line
        printf "%s", substr(line, 1, total) }'
}

check_capture() {
    command -v tshark >/dev/null || return 0
    tshark -r "$work/pcap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
        -Y "$1" >"$work/bad" 2>/dev/null || fail "tshark cannot read the capture"
    [ ! -s "$work/bad" ] || fail "frames tshark complains about: $(head -n 3 "$work/bad")"
}

wrong='_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0'
resent='tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.out_of_order ||
        tcp.analysis.duplicate_ack || tcp.analysis.lost_segment || tcp.analysis.zero_window'

# Between the chip and libslirp; lossy puts another one there.
network="-device pcnet,netdev=n -netdev user,id=n" after=

# boot SERVER QEMU-OPTIONS GUEST-WORDS: false if there is nothing to look at.
boot() {
    rm -f "$work/received" "$work/serial"
    # shellcheck disable=SC2086
    timeout 120 qemu-system-i386 -M pc -accel tcg -cpu pentium3 -m 32 -nodefaults -display none -no-reboot \
        -serial file:serial -kernel "$elf" \
        $network",restrict=on,guestfwd=tcp:10.0.2.100:7-cmd:$1" $after \
        -object "filter-dump,id=f,netdev=n,file=pcap" $2 \
        -append "ip=10.0.2.15 peer=10.0.2.100 port=7 exit=acpi $3" || { fail "QEMU or time-out"; return 1; }
    grep -q '^nettest: done' "$work/serial" || { fail "no good end: $(cat "$work/serial" 2>&1)"; return 1; }
}

# send WRITE TOTAL GUEST-WORDS QEMU-OPTIONS
send() {
    boot "dd of=received status=none" "$4" "write=$1 total=$2 $3" || return 0
    pattern "$1" "$2" >"$work/expected"
    cmp "$work/expected" "$work/received" || fail "the stream arrived changed"
    check_counts
    check_capture "$wrong || $resent"
}

# receive READ TOTAL GUEST-WORDS QEMU-OPTIONS
receive() {
    boot "head -c $2 /dev/zero" "$4" "mode=recv write=$1 total=$2 $3" || return 0
    check_capture "$wrong"
}

udp() {
    boot true "" "mode=udp write=$1 total=$2 $3" || return 0
    # Datagrams are not answered: twelve accesses and one interrupt each, but for the one ARP.
    [ "$(field tx)" -eq $(($2 / $1 + 1)) ] || fail "number of datagrams"
    [ $(($(field rap) + $(field rdp))) -le $((12 * $(field tx) + 10)) ] || fail "port accesses"
    check_counts
    check_capture "$wrong"
}

# lossy NTH COMMAND...: with every NTH frame of each direction lost.
lossy() {
    nth=$1
    shift
    rm -f "$work/port"
    "$work/lossy_wire" "$nth" >"$work/port" &
    wire=$!
    until [ -s "$work/port" ]; do
        kill -0 $wire || exit 1
        sleep 0.05
    done
    a=$(cat "$work/port")
    usual=$network
    network="-device pcnet,netdev=n -netdev socket,id=n,udp=127.0.0.1:$a,localaddr=127.0.0.1:$((a + 1))
        -netdev socket,id=m,udp=127.0.0.1:$((a + 2)),localaddr=127.0.0.1:$((a + 3))
        -netdev hubport,id=h1,hubid=1,netdev=m -netdev user,id=u"
    after="-netdev hubport,id=h2,hubid=1,netdev=u"
    resent_then=$resent resent=frame.len==0
    "$@"
    network=$usual after= resent=$resent_then
    kill $wire
    wait $wire 2>/dev/null || true
    wire=
}

try send 4096 3000000 "" ""
try send 1460 1460000 "txring=1" ""
try send 65536 2000000 "descriptors=16" ""
try send 37 100000 "" ""
try send 1001 700001 "descriptors=16 txring=3" ""
try send 4096 1000000 "" "-object filter-buffer,id=b,netdev=n,interval=5000"
try receive 4096 3000000 "" ""
try receive 65536 1000000 "descriptors=16" "-object filter-buffer,id=b,netdev=n,interval=5000"
if cc -O1 "$here/lossy_wire.c" -o "$work/lossy_wire"; then
    lossy 25 try send 4096 1000000 "" ""
    lossy 60 try receive 4096 200000 "" ""
fi
try udp 1472 1472000 ""
try udp 1 100 "txring=1 descriptors=16"

# What must be refused: a value that makes no sense (isa-debug-exit turns status s into 2s+1), no answer at all.
bad_option() {
    status=0
    timeout 120 qemu-system-i386 -M pc -nodefaults -display none -no-reboot -serial file:serial -kernel "$elf" \
        -append "total=12q" -device isa-debug-exit,iobase=0x501,iosize=1 || status=$?
    [ "$status" -eq 5 ] && grep -q "bad value: total=12q" "$work/serial" || fail "status $status"
}
try bad_option

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
