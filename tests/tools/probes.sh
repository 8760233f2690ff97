#!/bin/sh
# -probe, -sample and -symbols with the embedded guest, and what reports make of them: the run is the run without them;
# folded stacks add up to the run's cycles; every packet's way through the guest's functions leads to its access and adds up;
# slices nest.
#
# Usage: probes.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
checks=0 failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# run TRACE OPTION...: trace and statistics without the host's time.
run() {
    trace=$1
    shift
    "$crosspage" run -quiet -m 32 -no-reboot -nic peer -serial null -kernel "$elf" -append "exit=acpi total=100000 write=4096" \
        -trace "$work/$trace" -stats "$work/$trace.stats" "$@" </dev/null
    grep -v host_seconds "$work/$trace.stats" >"$work/$trace.simulated"
    checks=$((checks + 1))
}

# folded TRACE: its lines add up to the cycles of the run, and each is frames and a number.
folded() {
    "$crosspage" report -format folded "$work/$1" >"$work/$1.folded"
    cycles=$(sed -n 's/^  "cycles": \([0-9]*\),$/\1/p' "$work/$1.stats" | head -n 1)
    sum=$(awk '{ sum += $NF } END { printf "%.0f", sum }' "$work/$1.folded")
    [ "$cycles" = "$sum" ] || fail "$1: folded stacks are $sum cycles, the run is $cycles"
    ! grep -qv '^[^;][^;]*\(;[^;][^;]*\)* [0-9][0-9]*$' "$work/$1.folded" || fail "$1: a line is no folded stack"
    checks=$((checks + 2))
}

functions=syscall_dispatch,sys_write,tcp_write,ethernet_send,pcnet_send,pcnet_interrupt,irq_dispatch,task_switch
for hypervisor in none workstation workstation,version=optimized; do
    run bare -hypervisor $hypervisor
    folded bare
    ! grep -q tcp_write "$work/bare.folded" || fail "functions without -probe"
    run probed -hypervisor $hypervisor -probe $functions -sample 5000
    cmp -s "$work/bare.simulated" "$work/probed.simulated" || fail "$hypervisor: probes change the run"
    folded probed
    grep -q '^guest kernel;syscall_dispatch;sys_write;tcp_write;ethernet_send;pcnet_send;OUT;' "$work/probed.folded" ||
        fail "$hypervisor: no access inside of pcnet_send"
    grep -q ';checksum_copy ' "$work/probed.folded" || fail "$hypervisor: no samples of checksum_copy"

    # Names from the file, and addresses without: the same calls.
    nm "$elf" >"$work/System.map"
    addresses=$(for name in $(echo $functions | tr , ' '); do sed -n "s/^\([0-9a-f]*\) . $name\$/0x\1/p" "$work/System.map"; done | tr '\n' ,)
    run map -hypervisor $hypervisor -probe "${addresses%,}" -sample 5000 -symbols "$work/System.map"
    "$crosspage" report -format folded "$work/map" >"$work/map.folded"
    cmp -s "$work/map.folded" "$work/probed.folded" || fail "$hypervisor: other calls by address"

    "$crosspage" report "$work/probed" >"$work/text"
    grep -q 'sum: from the outermost entry to the access .*(difference 0)' "$work/text" || fail "$hypervisor: no way, or it does not add up"
    "$crosspage" report -format csv "$work/probed" >"$work/csv"
    # Bare metal's NIC looks at its descriptors by itself: most of its frames are sent at no access of the guest. Those that
    # waited for an acknowledgement (slow start) come from its interrupt.
    [ $hypervisor = none ] ||
        awk -F, 'NR > 1 { all++; if ($NF ~ /"syscall_dispatch .*ethernet_send pcnet_send"$/) calls++
                          else if ($NF != "\"irq_dispatch ethernet_send pcnet_send\"") { print; bad = 1 } }
                 END { exit bad || all < 50 || calls < 0.8 * all }' "$work/csv" ||
        fail "$hypervisor: packets that came neither from a system call nor from an acknowledgement, or few from calls"
    # What all stages have, in cycles: as columns of the packets, and as the sums of JSON.
    "$crosspage" report -format json "$work/probed" >"$work/json"
    awk -F, 'FNR == NR { if (FNR > 1) columns += $(NF - 1); next }
             /"ways"/ { ways = 1 }
             ways && /"ticks"/ { gsub(/[^0-9]/, ""); if (n++) sum += $0; else whole = $0 }
             END { exit !(columns > 0 && sum == columns && whole == columns) }' "$work/csv" "$work/json" ||
        fail "$hypervisor: ways of packets and of functions differ"
    "$crosspage" report -format summary "$work/probed" | tr -d '",:' | awk '/way_us\./ { sum += $2 } $1 == "way_us" { whole = $2 }
        END { exit !(whole > 0 && sum > 0.999999 * whole && sum < 1.000001 * whole) }' || fail "$hypervisor: the summary's ways do not add up"
    checks=$((checks + 8))

    "$crosspage" report -format chrome "$work/probed" >"$work/chrome"
    awk '/"ph":"B"/ { depth++; slices++ } /"ph":"E"/ { if (--depth < 0) exit 1 } END { exit depth != 0 || slices < 100 }' "$work/chrome" ||
        fail "$hypervisor: Chrome slices do not nest"
    "$crosspage" report -format perfetto "$work/probed" >"$work/perfetto"
    [ "$(grep -ac tcp_write "$work/perfetto")" -gt 0 ] || fail "$hypervisor: no functions in Perfetto's format"
    checks=$((checks + 2))
done

# An engine with probes is compared with the other one, too.
"$crosspage" run -quiet -m 32 -no-reboot -nic peer -serial null -kernel "$elf" -append "exit=acpi total=30000" -hypervisor workstation \
    -engine check,points=50 -probe $functions </dev/null || fail "engines differ with probes"

# refuse PATTERN OPTION...: one line that has it.
refuse() {
    pattern=$1
    shift
    if "$crosspage" run -quiet -m 32 -serial null -append exit=acpi -stop-after 0.01 -trace "$work/t" "$@" </dev/null 2>"$work/err"; then
        fail "$*: is accepted"
    fi
    [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q "$pattern" "$work/err" || fail "$*: $(cat "$work/err")"
    checks=$((checks + 1))
}
objcopy --strip-all "$elf" "$work/stripped"
refuse "no function 'tcp_sendmsg'" -kernel "$elf" -probe tcp_sendmsg
refuse stripped -kernel "$work/stripped" -probe irq_dispatch

run idle -hypervisor none -probe ideal_send 2>"$work/err"
[ "$(wc -l <"$work/err")" -eq 1 ] && grep -q "none of the functions was called" "$work/err" || fail "a function that is not called: $(cat "$work/err")"

echo "$checks checks, $failures failures"
[ $failures -eq 0 ]
