#!/bin/sh
# The embedded guest on the simulated machine: what one transmitted packet costs in events, exactly, and that
# equal runs are equal to the byte.
#
# Per packet (papers on the hosted monitor; the driver's head comment): 7 accesses to the Lance's address port,
# which the monitor handles, 5 to its data port, each a world switch to the VMApp, one of which transmits; one
# virtual interrupt with 5 accesses to the interrupt controllers. Counted as the difference between two runs
# of N and 2N datagrams, so that start and end cancel.
#
# Usage: nettest_crosspage.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# run NAME HYPERVISOR GUEST-WORDS [OPTION...]: in the folder NAME, where it leaves serial, stats
run() {
    name=$1 way=$2 words=$3
    shift 3
    rm -rf "${work:?}/$name"
    mkdir "$work/$name"
    (cd "$work/$name" && "$crosspage" run -profile pc-733 -hypervisor "$way" -cpu pentium3 -m 32 -kernel "$elf" \
        -append "exit=acpi $words" -nic peer,model=pcnet -nographic -no-reboot -stats stats "$@" </dev/null >serial 2>errors) ||
        fail "$name: exit status $?: $(cat "$work/$name/errors")"
    grep -q '^nettest: done' "$work/$name/serial" || fail "$name: no good end: $(cat "$work/$name/serial")"
}

# step NAME STEP: how often the step was charged. field NAME FIELD: what the guest counted.
step() {
    awk -v key="\"$2\":" '$1 == key { found = 1 } found && $1 == "\"count\":" { count = $2 + 0; exit }
        END { print count + 0 }' "$work/$1/stats"
}
field() { sed -n "s/.* $2=\([0-9]*\).*/\1/p" "$work/$1/serial"; }
value() { sed -n "s/^ *\"$2\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$work/$1/stats"; }

# more KIND WHAT EXPECTED: by how much run "twice" exceeds run "once"
more() {
    difference=$(($($1 twice "$2") - $($1 once "$2")))
    [ $difference -eq "$3" ] || fail "$2: $difference for $packets packets, expected $3"
}

packets=200
run once workstation "mode=udp write=1472 total=$((1472 * packets))"
run twice workstation "mode=udp write=1472 total=$((1472 * packets * 2))"
more field tx $packets
more field nic $packets
more field rap $((7 * packets))
more field rdp $((5 * packets))
more field pic $((5 * packets))
more step vmm.io-rap $((7 * packets))
more step vmapp.lance-send $packets
more step vmapp.lance-csr $((4 * packets))
more step nic.send $packets
# Every virtual interrupt is the Lance's or the timer's; the last ticks fall after the guest has counted.
difference=$(($(step twice vmm.virq-deliver) - $(step once vmm.virq-deliver) - packets))
ticks=$(($(field twice timer) - $(field once timer)))
[ $difference -ge $((ticks - 2)) ] && [ $difference -le $((ticks + 2)) ] ||
    fail "virtual interrupts: $difference besides the packets', $ticks ticks"
echo "ok: events per packet"

# A stream, under both: the guest's own arithmetic, and nothing lost.
for way in none workstation; do
    run stream $way "total=1000000 write=4096"
    [ $(($(field stream rap) + $(field stream rdp))) -eq \
        $((2 * $(field stream tx) + 6 * $(field stream nic) + 4 * $(field stream rounds))) ] ||
        fail "stream, $way: port accesses"
    for name in tx_errors rx_errors rx_dropped retransmits; do
        [ "$(field stream $name)" -eq 0 ] || fail "stream, $way: $name"
    done
    run receive $way "mode=recv total=1000000 write=4096"
    for descriptors in 16 32; do run narrow $way "total=100000 write=1000 descriptors=$descriptors txring=1"; done
    echo "ok: streams, $way"
done

# The same again, and without tracing.
words="total=300000 write=4096"
for name in first second; do run $name workstation "$words" -trace t.trace -pcap t.pcap; done
run plain workstation "$words"
for file in serial t.trace t.pcap; do
    cmp "$work/first/$file" "$work/second/$file" || fail "$file differs"
done
cmp "$work/first/serial" "$work/plain/serial" || fail "serial output differs without tracing"
for name in second plain; do
    for key in cycles instructions state_hash; do
        [ "$(value first $key)" = "$(value $name $key)" ] || fail "$key differs: $name"
    done
done
"$crosspage" report "$work/first/t.trace" >"$work/report" || fail "report: exit status $?"
echo "ok: repeated"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
