#!/bin/sh
# The hosted monitor's optimizations on the embedded guest: every combination of the three runs to its end, in both
# engines alike, its receipts add up, and a packet switches worlds as often as the mechanisms say.
#
# Counts per packet are the difference between two runs of N and 2N datagrams, so that start and end cancel.
#
# Usage: nettest_options.sh CROSSPAGE NETTEST.ELF
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

# run NAME OPTIONS GUEST-WORDS [OPTION...]: leaves serial and stats in the folder NAME.
run() {
    name=$1 options=$2 words=$3
    shift 3
    rm -rf "${work:?}/$name"
    mkdir "$work/$name"
    (cd "$work/$name" && timeout 300 "$crosspage" run -profile pc-733 -hypervisor "workstation,$options" -cpu pentium3 -m 32 \
        -kernel "$elf" -append "exit=acpi $words" -nic "peer,model=$model" -nographic -no-reboot -quiet -stats stats "$@" \
        </dev/null >serial 2>errors) || fail "$options, $words: exit status $?: $(cat "$work/$name/errors")"
    grep -q '^nettest: done' "$work/$name/serial" || fail "$options, $words: no good end: $(cat "$work/$name/serial")"
}
step() {
    awk -v key="\"$2\":" '$1 == key { found = 1 } found && $1 == "\"count\":" { count = $2 + 0; exit }
        END { print count + 0 }' "$work/$1/stats"
}
value() { sed -n "s/^ *\"$2\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$work/$1/stats"; }
field() { sed -n "s/.* $2=\([0-9]*\).*/\1/p" "$work/$1/serial"; }
# more STEP: how much more often in "twice" than in "once"
more() { echo $(($(step twice "$1") - $(step once "$1"))); }
# expect STEP LOW HIGH
expect() {
    count=$(more "$1")
    [ "$count" -ge "$2" ] && [ "$count" -le "$3" ] || fail "$options: $1: $count for $packets packets, expected $2 to $3"
}

model=pcnet packets=200
for options in \
    io-in-vmm=off,send-combining=off,irq-notify=off io-in-vmm=on,send-combining=off,irq-notify=off \
    io-in-vmm=off,send-combining=on,irq-notify=off io-in-vmm=off,send-combining=off,irq-notify=on \
    io-in-vmm=on,send-combining=on,irq-notify=off io-in-vmm=on,send-combining=off,irq-notify=on \
    io-in-vmm=off,send-combining=on,irq-notify=on io-in-vmm=on,send-combining=on,irq-notify=on; do
    for mode in send recv; do
        run interp $options "mode=$mode total=400000 write=4096" -engine interp -trace t.trace
        run translate $options "mode=$mode total=400000 write=4096" -trace t.trace
        for key in cycles instructions state_hash; do
            [ "$(value interp $key)" = "$(value translate $key)" ] || fail "$options, $mode: $key differs between engines"
        done
        for name in interp translate; do
            "$crosspage" report -format csv "$work/$name/t.trace" >"$work/$name/csv" || fail "$options, $mode: CSV"
        done
        cmp "$work/interp/csv" "$work/translate/csv" || fail "$options, $mode: receipts differ between engines"
        for name in tx_errors rx_errors rx_dropped retransmits; do
            [ "$(field interp $name)" -eq 0 ] || fail "$options, $mode: $name"
        done
        # It verifies the sums of every receipt.
        "$crosspage" report "$work/interp/t.trace" >"$work/report" || fail "$options, $mode: report: exit status $?"
        grep -q 'difference 0)' "$work/report" || fail "$options, $mode: layers do not add up"
    done
    run narrow $options "total=100000 write=1000 descriptors=16 txring=1"

    # Only what the driver and the monitor do, so that packets follow each other closely.
    run once $options "mode=udp path=0 write=1472 total=$((1472 * packets))"
    run twice $options "mode=udp path=0 write=1472 total=$((1472 * packets * 2))"
    expect vmapp.lance-send $packets $packets
    expect vmnet.write $packets $packets # the host's own queue may be full: this is faster than the link
    case $options in
    *send-combining=on*) few=0 many=$((packets - packets / 4)) ;;
    *) few=$packets many=$packets ;;
    esac
    case $options in
    io-in-vmm=off,send-combining=off*)
        expect vmm.io-rap $((7 * packets)) $((7 * packets))
        expect vmapp.lance-csr $((4 * packets)) $((4 * packets))
        expect vmm.io-decode $((5 * packets)) $((5 * packets)) ;;
    io-in-vmm=off*) # accesses that are not avoided fetch what waits, and fewer interrupts make fewer of them
        expect vmm.io-decode $packets $((5 * packets - packets / 4)) ;;
    io-in-vmm=on,send-combining=off*)
        expect vmm.rap-move $((7 * packets)) $((7 * packets))
        expect vmm.io-csr $((4 * packets)) $((4 * packets))
        expect vmm.io-pic $((5 * packets)) $((5 * packets + packets))
        expect vmm.io-decode $few $many ;;
    io-in-vmm=on*)
        expect vmm.io-csr 0 $((4 * packets - packets / 2)) # an interrupt for several now and then
        expect vmm.io-decode $few $many ;;
    esac
    case $options in
    # Hardly ever, when all else is done; which of the two runs does it once more is chance.
    *irq-notify=on) expect host.select $((-packets / 10)) $((packets / 10)) ;;
    *) expect vmapp.notified 0 0 ;;
    esac
    echo "ok: $options"
done

# What section 4 of the paper proposes, alone and all together: both engines, receipts, and what each is to avoid.
for options in pic=cheap zero-copy=on bypass=on halt=spin version=optimized,pic=cheap,zero-copy=on,halt=spin \
    version=optimized,pic=cheap,bypass=on; do
    for mode in send recv udp; do
        words="mode=$mode total=400000 write=1400 idle-cr3=keep"
        run interp $options "$words" -engine interp -trace t.trace
        run translate $options "$words"
        for key in cycles instructions state_hash; do
            [ "$(value interp $key)" = "$(value translate $key)" ] || fail "$options, $mode: $key differs between engines"
        done
        for name in tx_errors rx_errors rx_dropped retransmits; do
            [ "$(field interp $name)" -eq 0 ] || fail "$options, $mode: $name"
        done
        "$crosspage" report "$work/interp/t.trace" >"$work/report" || fail "$options, $mode: report: exit status $?"
        case $options in
        *pic=cheap*) [ "$(step interp vmm.pic-move)" -gt 100 ] || fail "$options: no moves" ;;
        *zero-copy*) [ "$(step interp vmnet.copy)" -eq 0 ] || fail "$options: copies" ;;
        bypass*) [ "$(step interp vmnet.write)" -eq 0 ] && [ "$(step interp vmapp.lance-send)" -eq 0 ] || fail "$options: the VMApp sends" ;;
        esac
    done
    echo "ok: $options"
done

# The networks: the wire through another address, and the host itself.
for options in net=nat net=host-only version=optimized,net=nat version=optimized,net=host-only,halt=spin; do
    for mode in send recv; do
        for name in interp translate; do
            run $name $options "mode=$mode total=400000 write=4096" -engine $name -trace t.trace -pcap t.pcap
        done
        for key in cycles instructions state_hash; do
            [ "$(value interp $key)" = "$(value translate $key)" ] || fail "$options, $mode: $key differs between engines"
        done
        cmp "$work/interp/t.pcap" "$work/translate/t.pcap" || fail "$options, $mode: the capture differs"
        for name in tx_errors rx_errors rx_dropped retransmits; do
            [ "$(field interp $name)" -eq 0 ] || fail "$options, $mode: $name"
        done
        "$crosspage" report "$work/interp/t.trace" >"$work/report" || fail "$options, $mode: report: exit status $?"
        case $options in
        *nat*) [ "$(step interp natd.translate)" -ge $(($(field interp tx) + $(field interp rx))) ] || fail "$options: not translated" ;;
        *) [ "$(step interp nic.send)" -eq 0 ] || fail "$options: the card sends" ;;
        esac
    done
    echo "ok: $options"
done

# The idealized NIC: one access for a frame, one for an interrupt, no interrupt for what was sent.
model=ideal
for options in version=2.0 version=optimized send-combining=on bypass=on version=optimized,bypass=on,pic=cheap; do
    for mode in send recv; do
        for name in interp translate; do
            run $name $options "mode=$mode total=400000 write=4096" -engine $name -trace t.trace
        done
        for key in cycles instructions state_hash; do
            [ "$(value interp $key)" = "$(value translate $key)" ] || fail "ideal, $options, $mode: $key differs between engines"
        done
        for name in tx_errors rx_errors rx_dropped retransmits; do
            [ "$(field interp $name)" -eq 0 ] || fail "ideal, $options, $mode: $name"
        done
        [ "$(field interp ideal)" -eq $(($(field interp tx) + $(field interp nic))) ] || fail "ideal, $options, $mode: accesses"
        [ "$(field interp nic)" -le $(($(field interp rx) + 20)) ] || fail "ideal, $options, $mode: interrupts of what was sent"
        "$crosspage" report "$work/interp/t.trace" >"$work/report" || fail "ideal, $options, $mode: report: exit status $?"
    done
    echo "ok: ideal, $options"
done
model=pcnet

# The shape of Table 2: every row is there, and each half adds up to all there is, however the guest halts.
for halt in yield spin; do
    options=version=optimized,halt=$halt
    run table $options "total=1000000 write=4096" -trace t.trace
    "$crosspage" report "$work/table/t.trace" >"$work/report" || fail "$options: report: exit status $?"
    sed -n '/^Transfer in the shape of Table 2/,/^$/p' "$work/report" >"$work/table2"
    awk '/^Inside VMM/ { inside = 1 } / %( |$)/ { for (i = 1; $i != "%"; i++); if (inside) vmm += $(i - 1); else all += $(i - 1); rows++ }
        END { exit !(rows >= 14 && all > 99.9 && all < 100.1 && vmm > 99.9 && vmm < 100.1) }' "$work/table2" ||
        fail "$options: Table 2 does not add up: $(cat "$work/table2")"
    echo "ok: Table 2, halt=$halt"
done
[ "$(step table host.block)" -eq 0 ] || fail "halt=spin: the VMApp blocks"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
