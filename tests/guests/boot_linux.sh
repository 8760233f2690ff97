#!/bin/sh
# Unmodified Debian kernels on the simulated machine: boots to a busybox shell on the serial line, types into it,
# powers off; and the kernel has no complaint in its log that it does not have under QEMU too.
#
# Usage: boot_linux.sh [-q] [-n COUNT] [-m WAYS] CROSSPAGE [ARCH...]
#   -q         quick: no comparison of logs
#   -n COUNT   boots in a row of each kind (default 1)
#   -m WAYS    hypervisors to go through (default "none workstation")
#   ARCH       i686, i686-pae, amd64 (default: all)
# Kernels are fetched to out/kernel-ARCH. Exit status 77 (skipped) without network.
set -eu

count=1 ways="none workstation" logs=yes
while getopts qn:m: letter; do
    case $letter in
    q) logs=no ;;
    n) count=$OPTARG ;;
    m) ways=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { echo "usage: boot_linux.sh [-q] [-n COUNT] [-m WAYS] CROSSPAGE [ARCH...]" >&2; exit 2; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
[ $# -gt 0 ] || set -- i686 i686-pae amd64
cd "$(dirname "$0")/../.."
nettest=$(dirname "$crosspage")/../guests/linux/nettest
work=$(mktemp -d)
machine=
trap 'if [ -n "$machine" ]; then kill "$machine" 2>/dev/null || true; fi; rm -rf "$work"' EXIT INT TERM
failures=0
fail() {
    echo "FAIL: $row: $*"
    failures=$((failures + 1))
}

# wait_for TEXT SECONDS: until the serial log has it; false when the machine ends or the time is over.
wait_for() {
    left=$(($2 * 5))
    until grep -q "$1" "$work/serial" 2>/dev/null; do
        [ $left -gt 0 ] && kill -0 "$machine" 2>/dev/null || return 1
        left=$((left - 1))
        sleep 0.2
    done
}

boot_shell() {
    row="$arch, hypervisor $way, boot $boot"
    rm -f "$work/in" "$work/serial"
    mkfifo "$work/in"
    $crosspage run -hypervisor "$way" -cpu "$cpu" -m 192 -kernel "out/kernel-$arch/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0,115200 panic=-1 cryptomgr.notests noisapnp cp.run=shell" -nic peer,model=pcnet -nographic -no-reboot \
        <"$work/in" >"$work/serial" 2>"$work/errors" &
    machine=$!
    exec 3>"$work/in"
    if wait_for '/ #' 600; then
        echo 'echo answer $((6 * 7)); ping -c 1 10.0.0.2 | grep -c "0% packet loss"; exit' >&3
        wait_for 'answer 42' 60 || fail "the shell does not answer"
    else
        fail "no prompt; the end of its log: $(tail -n 3 "$work/serial")"
        kill "$machine" 2>/dev/null || true
    fi
    exec 3>&-
    status=0
    wait "$machine" || status=$?
    machine=
    [ $status -eq 0 ] || fail "exit status $status: $(tail -n 2 "$work/errors")"
    grep -q 'crosspage-guest: done' "$work/serial" || fail "the guest did not finish"
    grep -q 'Power down' "$work/serial" || fail "no power-off"
    echo "ok: $row"
}

# Complaints (level "warning" and worse) without time stamps, addresses and other numbers.
complaints() {
    tr -d '\r' <"$1" | sed -n 's/^<[0-4]>\[[^]]*\] *//p' | sed 's/0x[0-9a-f]*\|[0-9][0-9]*/N/g' | LC_ALL=C sort -u
}

compare_logs() {
    row="$arch: kernel log"
    append="console=ttyS0,115200 panic=-1 quiet cp.run=script"
    "$crosspage" run -cpu "$cpu" -m 192 -kernel "out/kernel-$arch/vmlinuz" -initrd "$work/initrd" -append "$append" \
        -nic peer,model=pcnet -nographic -no-reboot </dev/null >"$work/ours" 2>&1 || fail "exit status $?"
    "qemu-system-$qemu" -M pc -cpu "$qemu_cpu" -m 192 -kernel "out/kernel-$arch/vmlinuz" -initrd "$work/initrd" \
        -append "$append" -nic user,model=pcnet -nographic -no-reboot </dev/null >"$work/theirs" 2>&1 ||
        fail "QEMU: exit status $?"
    complaints "$work/ours" >"$work/ours.set"
    complaints "$work/theirs" >"$work/theirs.set"
    LC_ALL=C comm -23 "$work/ours.set" "$work/theirs.set" >"$work/only"
    [ ! -s "$work/only" ] || fail "complaints QEMU's machine does not get: $(cat "$work/only")"
    echo "ok: $row"
}

printf 'dmesg -r\n' >"$work/script"
for arch; do
    case $arch in
    i686 | i686-pae) cpu=pentium3 qemu_cpu=pentium3 qemu=i386 debarch=i386 ;;
    amd64) cpu=x86-64-v2 qemu_cpu=Nehalem qemu=x86_64 debarch=amd64 ;;
    *) echo "boot_linux: unknown ARCH $arch" >&2; exit 2 ;;
    esac
    status=0
    tools/fetch-kernel "$arch" "out/kernel-$arch" || status=$?
    [ $status -ne 3 ] || exit 77
    [ $status -eq 0 ] || exit 1
    tools/mkinitramfs -n "$nettest-$debarch" -s "$work/script" "out/kernel-$arch" "$work/initrd"
    for way in $ways; do
        boot=1
        while [ $boot -le "$count" ]; do
            boot_shell
            boot=$((boot + 1))
        done
    done
    if [ $logs = yes ] && command -v "qemu-system-$qemu" >/dev/null; then compare_logs; fi
done
[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
