#!/bin/sh
# Two simulated hosts on one wire: a sender and a receiver, natively and in a VM, of different clocks.
#
# Usage: two_hosts.sh CROSSPAGE NETTEST.ELF
#
# Checks: what one sends the other gets; who is named first, which engine runs, and whether anything is recorded change
# nothing; packets have receipts that add up on both hosts (crosspage report refuses otherwise); bad options.
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# host NAME PROFILE HYPERVISOR WORDS [OPTION...]: the options of one host, a word a line.
host() {
    name=$1 profile=$2 hypervisor=$3 words=$4
    shift 4
    printf '%s\n' -profile "$profile" -hypervisor "$hypervisor" -m 32 -kernel "$elf" -append "exit=acpi $words" \
        -serial "file:$name" -stats "$name.stats" "$@" >"$name.options"
}
# pair FIRST SECOND: runs them.
pair() {
    rm -f sender receiver
    IFS='
'
    # shellcheck disable=SC2046
    set -- $(cat "$1.options") -quiet -no-reboot -- $(cat "$2.options")
    unset IFS
    timeout 300 "$crosspage" run "$@" </dev/null >out 2>errors || fail "$row: status $?: $(head -n 2 errors)"
}
sum() { grep -v host_seconds "$1" | sha256sum | cut -d ' ' -f 1; }

send="mode=send total=600000 write=4096"
serve="mode=serve ip=10.0.0.2 peer=10.0.0.1"
for kinds in none,none workstation,none none,workstation workstation,workstation; do
    row="$kinds"
    host sender pc-733 "${kinds%,*}" "$send" -trace sender.trace -pcap pcap
    host receiver pc-350 "${kinds#*,}" "$serve" -trace receiver.trace
    pair sender receiver
    grep -q '^nettest: sent 600000 bytes' sender || fail "$row: nothing sent: $(cat sender)"
    grep -q '^nettest: received 600000 bytes' receiver || fail "$row: nothing received: $(cat receiver)"
    grep -q '^nettest: done' sender || fail "$row: the sender did not finish"
    for name in sender receiver; do
        "$crosspage" report "$name.trace" >report 2>errors || fail "$row: report of the $name: $(head -n 1 errors)"
        clock=$([ $name = sender ] && echo 733.000 || echo 350.000)
        grep -q "simulated at $clock MHz" report || fail "$row: the clock of the $name: $(head -n 1 report)"
        cycles=$(sed -n 's/.*"cycles": \([0-9]*\),/\1/p' $name.stats | head -n 1)
        grep -q "(elapsed $cycles, difference 0)" report || fail "$row: report of the $name, not of $cycles cycles"
    done
    [ "$(sed -n 's/.*"end": "\(.*\)",/\1/p' sender.stats)" = power-off ] || fail "$row: the sender did not end the run"
    first="$(sum sender.stats) $(sum receiver.stats)"
    said=$(head -n 1 sender)

    host sender pc-733 "${kinds%,*}" "$send" -engine interp
    host receiver pc-350 "${kinds#*,}" "$serve" -engine interp
    pair sender receiver
    [ "$first" = "$(sum sender.stats) $(sum receiver.stats)" ] || fail "$row: another engine, or no trace, another run"

    # The run ends with the first host's guest, so here with the receiver's.
    host sender pc-733 "${kinds%,*}" "$send"
    host receiver pc-350 "${kinds#*,}" "$serve"
    pair receiver sender
    [ "$said" = "$(head -n 1 sender)" ] || fail "$row: named second, the sender says $(head -n 1 sender), not $said"
    [ $failures -ne 0 ] || echo "ok: $row: $said"
done

# A gigabit link: the horizon is five times as near.
row="1 Gb/s"
host sender generic-2ghz none "$send" -nic peer,rate=1000
host receiver pc-733 none "$serve"
pair sender receiver
grep -q '^nettest: sent 600000 bytes' sender || fail "$row: nothing sent"

# How Linux 2.2 packs writes: half a segment goes at once, so a packet has two writes of 512 bytes, one of 1024, and
# 4096 bytes are three packets; fewer at first, as bytes wait for slow start's window and fill packets.
# packets WRITE LEAST MOST
packets() {
    row="packets of $1-byte writes"
    host sender pc-733 none "mode=send total=600000 write=$1"
    host receiver pc-733 none "$serve"
    pair sender receiver
    tx=$(sed -n 's/^nettest: packets tx=\([0-9]*\) .*/\1/p' sender)
    [ "${tx:-0}" -ge "$2" ] && [ "$tx" -le "$3" ] || fail "$row: $tx packets, not $2 to $3"
}
packets 512 564 600
packets 1024 564 600
packets 4096 440 450
packets 65536 411 425

# The other way round: the far host sends.
row="source"
host sender pc-733 none "mode=source total=600000 write=4096 ip=10.0.0.2 peer=10.0.0.1"
host receiver pc-350 none "mode=recv total=600000 write=4096"
pair receiver sender
grep -q '^nettest: received 600000 bytes' receiver || fail "$row: nothing received: $(cat receiver)"

# Each host's lines of a log have the stamps of its own clock: a host's time never goes back.
row="log"
host sender pc-733 none "mode=send total=20000 write=4096" -d int -D log
host receiver pc-350 none "$serve"
pair sender receiver
for name in first second; do
    sed -n "s/^$name \[\([0-9]*\)\] .*/\1/p" log >stamps
    [ "$(wc -l <stamps)" -gt 10 ] || fail "$row: $(wc -l <stamps) lines of the $name host"
    sort -n -c stamps || fail "$row: the $name host's clock goes back"
done

# bad TEXT OPTION...: the second host has OPTION.
bad() {
    text=$1
    shift
    status=0
    "$crosspage" run -kernel "$elf" -nographic -- -kernel "$elf" "$@" </dev/null >out 2>errors || status=$?
    [ $status -eq 2 ] || fail "status $status of: $*"
    grep -q -e "$text" errors && [ "$(wc -l <errors)" -eq 1 ] || fail "of $*: $(cat errors)"
}
bad "pcap is of the whole run" -pcap x
bad "unknown option" -frobnicate
bad "compares runs with one host" -engine check
bad "nic none is of the whole run" -nic none
for property in rate=10 delay=5 latency=5 lose=5 limit=5 ip=10.0.0.9; do
    bad "nic ${property%=*} is of the whole run" -nic "peer,$property"
done
# Host-only: the other end is in the host itself, so there cannot be a second one; whichever has it.
for side in first second; do
    row="host-only, $side"
    host sender pc-733 none "$send"
    host receiver pc-733 none "$serve"
    [ $side = first ] && name=sender || name=receiver
    host $name pc-733 workstation,net=host-only "$send"
    IFS='
'
    # shellcheck disable=SC2046
    set -- $(cat sender.options) -quiet -- $(cat receiver.options)
    unset IFS
    status=0
    timeout 60 "$crosspage" run "$@" </dev/null >out 2>errors || status=$?
    [ $status -eq 1 ] && grep -q "net=host-only" errors && [ "$(wc -l <errors)" -eq 1 ] || fail "$row: status $status, $(cat errors)"
done
status=0
"$crosspage" run -kernel "$elf" -nic none -nographic -- -kernel /nonexistent -m 32 </dev/null >out 2>errors || status=$?
[ $status -eq 1 ] && [ "$(wc -l <errors)" -eq 1 ] || fail "no kernel: status $status, $(cat errors)"
[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
