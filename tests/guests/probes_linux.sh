#!/bin/sh
# Probes in an unmodified Debian kernel, whose symbols are in its own memory only: packets' receipts reach back to the
# system call, in both engines alike, and the run is the run without probes.
#
#     probes_linux.sh CROSSPAGE NETTEST [ARCH...]      ARCH: i686 (default), i686-pae, amd64
#
# NETTEST is the Linux program without its ending, build/release/guests/linux/nettest. The guest sends 300 kB, and then prints
# the addresses of the probed functions (and of __switch_to) that its /proc/kallsyms has. With these as -symbols, the same command must see the
# same calls: so what was found in memory, of the kernel and of its modules, is what the kernel says. Kernels are fetched to
# out/kernel-ARCH. Exit status 77 (skipped) without network.
set -eu

[ $# -ge 2 ] || { echo "usage: probes_linux.sh CROSSPAGE NETTEST [ARCH...]" >&2; exit 2; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") nettest=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
shift 2
[ $# -gt 0 ] || set -- i686
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
checks=0 failures=0
fail() {
    echo "FAIL: $arch: $*"
    failures=$((failures + 1))
}

on_the_way="vfs_write tcp_sendmsg __tcp_transmit_skb __ip_queue_xmit dev_hard_start_xmit pcnet32_start_xmit"
others="pcnet32_interrupt pcnet32_poll net_rx_action tcp_v4_rcv __do_softirq schedule do_exit"
functions=$(echo $on_the_way $others | tr ' ' ,)

# run NAME OPTION...: trace, statistics, messages and the serial line's output.
run() {
    name=$1
    shift
    timeout 600 "$crosspage" run -hypervisor workstation -cpu "$cpu" -m 128 -nic peer -kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0,115200 quiet panic=-1 cryptomgr.notests noisapnp cp.run=script" -nographic -no-reboot -quiet \
        -trace "$work/$name" -stats "$work/$name.stats" "$@" </dev/null >"$work/$name.serial" 2>"$work/$name.err" ||
        fail "$name: exit status $?"
    grep -q 'crosspage-guest: done' "$work/$name.serial" || { fail "$name: the guest failed"; tail -n 5 "$work/$name.serial"; }
    [ ! -s "$work/$name.err" ] || fail "$name: $(cat "$work/$name.err")"
    grep -v host_seconds "$work/$name.stats" >"$work/$name.simulated"
}

# same A B WHAT FORMAT...: what two traces say.
same() {
    first=$1 second=$2 what=$3
    shift 3
    for format; do
        "$crosspage" report -format "$format" "$work/$first" >"$work/a"
        "$crosspage" report -format "$format" "$work/$second" >"$work/b"
        cmp -s "$work/a" "$work/b" || { fail "$what: $format differs"; diff "$work/a" "$work/b" | head -n 5; }
        checks=$((checks + 1))
    done
}

for arch; do
    cpu=pentium3 status=0 kernel=out/kernel-$arch
    [ "$arch" != amd64 ] || cpu=x86-64-v2
    tools/fetch-kernel "$arch" "$kernel" >"$work/fetch" 2>&1 || status=$?
    [ $status -ne 3 ] || { cat "$work/fetch"; exit 77; }
    [ $status -eq 0 ] || { cat "$work/fetch"; exit 1; }
    {
        echo "/bin/nettest -s 10.0.0.2 -p 9 -t 300000 -w 4096"
        echo "busybox grep$(printf ' -e " %s\\>"' $on_the_way $others __switch_to) /proc/kallsyms"
    } >"$work/script"
    tools/mkinitramfs -n "$nettest-$(cat "$kernel/debarch")" -s "$work/script" "$kernel" "$work/initrd"

    run bare
    run probed -probe "$functions"
    cmp -s "$work/bare.simulated" "$work/probed.simulated" || fail "probes change the run"

    # The way of the packets; those that an acknowledgement sends come from an interrupt.
    "$crosspage" report "$work/probed" >"$work/text"
    grep -q 'sum: from the outermost entry to the access .*(difference 0)' "$work/text" || fail "no way, or it does not add up"
    "$crosspage" report -format csv "$work/probed" >"$work/csv"
    awk -F, -v way="\"$on_the_way\"" 'NR > 1 { all++; if ($NF == way) calls++; else if ($NF !~ /dev_hard_start_xmit pcnet32_start_xmit"$/) bad++ }
        END { print all " packets, " calls " from the system call on, " bad + 0 " from nowhere"
              exit !(all > 150 && calls > 0.9 * all && !bad) }' "$work/csv" || fail "packets without a way"
    awk '$1 ~ /^(tcp_sendmsg|pcnet32_(start_xmit|interrupt|poll)|__do_softirq)$/ && $2 > 50 && $3 == 0 { n++ } END { exit n != 5 }' \
        "$work/text" || fail "functions that were not seen, or not to return"
    "$crosspage" report -format folded "$work/probed" >"$work/folded"
    cycles=$(sed -n 's/^  "cycles": \([0-9]*\),$/\1/p' "$work/probed.stats" | head -n 1)
    [ "$cycles" = "$(awk '{ sum += $NF } END { printf "%.0f", sum }' "$work/folded")" ] || fail "folded stacks do not add up"
    checks=$((checks + 5))

    tr -d '\r' <"$work/probed.serial" | grep -E '^[0-9a-f]{8,16} [a-zA-Z] [a-z_0-9]*' >"$work/kallsyms" || true
    for name in $on_the_way $others __switch_to; do
        grep -q " $name\\>" "$work/kallsyms" || fail "the guest's kallsyms has no $name"
    done
    run known -probe "$functions" -symbols "$work/kallsyms"
    # From the first packet on; what came before the tables were found is only in one.
    same probed known "symbols from memory and from /proc/kallsyms" csv chrome
    if "$crosspage" run -engine translate -kernel /nonexistent -nographic 2>&1 | grep -q 'cannot run translated code'; then
        echo "no translator for this host: one engine only"
    else
        run interpreted -probe "$functions" -engine interp
        cmp -s "$work/bare.simulated" "$work/interpreted.simulated" || fail "probes change the interpreter's run"
        same probed interpreted "translator and interpreter" folded csv chrome
    fi
done
echo "$checks checks, $failures failures"
[ $failures -eq 0 ]
