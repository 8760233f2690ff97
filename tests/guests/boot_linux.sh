#!/bin/sh
# Unmodified Debian kernels on the simulated machine: boots to a busybox shell on the serial line, types into it,
# powers off; and the kernel has no complaint in its log that it does not have under QEMU too.
#
# Usage: boot_linux.sh [-q] [-n COUNT] [-m WAYS] [-r RESETS] [-k FOLDER] CROSSPAGE [ARCH...]
#   -q         quick: no comparison of logs
#   -n COUNT   boots in a row of each kind (default 1)
#   -m WAYS    hypervisors to go through (default "none workstation")
#   -r RESETS  after that, reboots from the shell: the kernel's ways to reset (words of its reboot= option, such as
#              "acpi kbd triple pci"); the second boot must say what the first said
#   -k FOLDER  keeps the serial log and the messages of every boot that fails
#   ARCH       i686, i686-pae, amd64 (default: all), amd64-v3 (the same kernel on a CPU with AVX2)
# Kernels are fetched to out/kernel-ARCH. Exit status 77 (skipped) without network.
#
# The machine is deterministic: to boot the same twice would show nothing. Boot 1 is the machine of the other
# tests; each later one of a row has its own amount of memory, date, cost profile, wire and kernel command line
# (vary), its own manner of typing and of leaving (talk). Typing also depends on the host's clock, as input does.
set -eu

count=1 ways="none workstation" logs=yes resets='' keep=''
while getopts qn:m:r:k: letter; do
    case $letter in
    q) logs=no ;;
    n) count=$OPTARG ;;
    m) ways=$OPTARG ;;
    r) resets=$OPTARG ;;
    k) keep=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { echo "usage: boot_linux.sh [-q] [-n COUNT] [-m WAYS] [-r RESETS] [-k FOLDER] CROSSPAGE [ARCH...]" >&2; exit 2; }
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

# wait_for TEXT SECONDS [LINES]: until the serial log has it, in so many lines (default 1); false when the machine
# ends or the time is over.
wait_for() {
    left=$(($2 * 5))
    until [ "$(grep -c "$1" "$work/serial" 2>/dev/null)" -ge "${3:-1}" ] 2>/dev/null; do
        [ $left -gt 0 ] && kill -0 "$machine" 2>/dev/null || return 1
        left=$((left - 1))
        sleep 0.2
    done
}

# vary NUMBER: the machine and the command line of that boot.
vary() {
    memory=192 date=2000-01-01 profile=pc-733 wire=rate=100 words="cryptomgr.notests noisapnp"
    [ "$1" -gt 1 ] || return 0
    memory=$((96 + $1 * 41)) date=$((2000 + $1))-0$((1 + $1 % 9))-1$(($1 % 10))T$((10 + $1 % 13)):0$(($1 % 9)):17
    case $(($1 % 3)) in 0) profile=pc-350 ;; 1) profile=generic-2ghz ;; esac
    wire=rate=$((10 * (1 + $1 % 10))),delay=$(($1 * 7919))
    case $(($1 % 12)) in
    0) words="noisapnp" ;; # with the self-tests of the ciphers
    1) words="$words nolapic" ;;
    2) words="$words noapic" ;;
    3) words="$words nohz=off highres=off" ;;
    4) words="$words clocksource=acpi_pm" ;;
    5) words="$words idle=poll" ;;
    6) words="$words nokaslr nopti" ;;
    7) words="$words notsc" memory=5000 ;; # more than lies below 4 GB
    8) words="cryptomgr.notests" ;;        # searches for ISA cards
    9) words="$words debug initcall_debug" ;;
    10) words="$words pci=nocrs,noacpi" ;;
    11) words="$words threadirqs" ;;
    esac
}

# type_slowly TEXT: a key at a time, as a person types.
type_slowly() {
    rest=$1
    while [ -n "$rest" ]; do
        tail=${rest#?}
        printf %s "${rest%"$tail"}" >&3
        rest=$tail
        sleep 0.03
    done
    printf '\r' >&3
}

# talk NUMBER: at the prompt, what that boot types and how; ends the guest, whose last words are then in $last.
talk() {
    question='echo answer $((6 * 7)), replies $(ping -c 1 10.0.0.2 | grep -c " 0% packet loss")'
    last='crosspage-guest: done'
    case $(($1 % 5)) in
    0) type_slowly "$question" ;;
    1) echo "$question" >&3 ;;
    2) # more at once than the UART's FIFO and the line's buffer hold while nobody reads
        echo 'sleep 1' >&3
        echo "$question #$(printf %3000s | tr ' ' x)" >&3
        ;;
    3) # while output goes out
        echo 'seq 1 2000' >&3
        wait_for 300 60 || true
        echo "$question" >&3
        ;;
    4) # corrected: ^U kills the line, DEL a character
        printf 'echo answer 41\025ecjo\177\177ho; %s\r' "$question" >&3
        ;;
    esac
    wait_for '^answer 42, replies 1' 60 || fail "the shell does not answer"
    case $(($1 % 3)) in
    0) printf '\004' >&3 ;;
    1) echo exit >&3 ;;
    2)
        echo 'sync; poweroff -f' >&3
        last='Power down'
        ;;
    esac
}

# keep_logs NAME: for -k.
keep_logs() {
    [ -n "$keep" ] || return 0
    mkdir -p "$keep"
    for file in serial errors; do cp "$work/$file" "$keep/$arch-$way-$1.$file"; done
}

boot_shell() {
    row="$arch, hypervisor $way, boot $boot"
    failures_before=$failures
    vary $boot
    rm -f "$work/in" "$work/serial"
    mkfifo "$work/in"
    timeout 1200 "$crosspage" run -hypervisor "$way" -profile $profile -cpu "$cpu" -m $memory -rtc base=$date \
        -kernel "out/kernel-$kernel/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0,115200 panic=-1 $words cp.run=shell" -nic peer,model=pcnet,$wire \
        -nographic -no-reboot <"$work/in" >"$work/serial" 2>"$work/errors" &
    machine=$!
    exec 3>"$work/in"
    # Nobody listens yet to what is typed during the boot, but it must do no harm.
    if [ $((boot % 4)) -eq 2 ] && wait_for 'Linux version' 60; then type_slowly "too early$boot"; fi
    if wait_for '/ #' 600; then
        [ $((boot % 4)) -ne 2 ] || printf '\025' >&3
        talk $boot
    else
        fail "no prompt; the end of its log: $(tail -n 3 "$work/serial"; tail -n 2 "$work/errors")"
        kill "$machine" 2>/dev/null || true
    fi
    status=0
    wait "$machine" || status=$?
    exec 3>&-
    machine=
    [ $status -eq 0 ] || fail "exit status $status: $(tail -n 2 "$work/errors")"
    grep -q 'guest powered off' "$work/errors" || fail "not by power-off: $(tail -n 2 "$work/errors")"
    grep -q "$last" "$work/serial" || fail "the guest did not finish"
    grep -q 'Power down' "$work/serial" || fail "no power-off"
    if [ $failures -eq $failures_before ]; then
        echo "ok: $row ($memory MB, $profile, $words)"
    else
        keep_logs $boot
    fi
}

# kernel_lines NUMBER: what the kernel said in that boot, without times and other numbers, and without its good-bye.
# Also without its measurements of clocks.
kernel_lines() {
    tr -d '\r' <"$work/serial" | awk -v number="$1" '/Linux version/ { boot++ } boot == number' |
        sed -n '/] reboot: Power down/d; /PM: Preparing to enter/d; /] clocksource: /d; /] tsc: /d; s/^\[ *[0-9.]*\] //p' |
        sed 's/0x[0-9a-f]*\|[0-9a-f]*[0-9][0-9a-f]*/N/g' | LC_ALL=C sort -u
}

# reboot_shell WAY-TO-RESET
reboot_shell() {
    row="$arch, hypervisor $way, reboot=$1"
    failures_before=$failures
    rm -f "$work/in" "$work/serial"
    mkfifo "$work/in"
    timeout 1200 "$crosspage" run -hypervisor "$way" -cpu "$cpu" -m 192 -kernel "out/kernel-$kernel/vmlinuz" \
        -initrd "$work/initrd" -append "console=ttyS0,115200 cryptomgr.notests noisapnp reboot=$1 cp.run=shell" \
        -nic peer,model=pcnet -nographic <"$work/in" >"$work/serial" 2>"$work/errors" &
    machine=$!
    exec 3>"$work/in"
    if wait_for '/ #' 600; then
        echo 'ping -c 1 10.0.0.2 >/dev/null; echo boot $((40 + 1)); reboot -f' >&3
        if wait_for 'Linux version' 60 2 && wait_for '/ #' 600 2; then
            echo 'echo answer $((6 * 7)), replies $(ping -c 1 10.0.0.2 | grep -c " 0% packet loss")' >&3
            wait_for '^answer 42, replies 1' 60 || fail "the shell does not answer"
            echo exit >&3
        else
            fail "no second prompt; the end of its log: $(tail -n 3 "$work/serial"; tail -n 2 "$work/errors")"
            kill "$machine" 2>/dev/null || true
        fi
    else
        fail "no prompt; the end of its log: $(tail -n 3 "$work/serial"; tail -n 2 "$work/errors")"
        kill "$machine" 2>/dev/null || true
    fi
    status=0
    wait "$machine" || status=$?
    exec 3>&-
    machine=
    [ $status -eq 0 ] || fail "exit status $status: $(tail -n 2 "$work/errors")"
    grep -q 'crosspage-guest: done' "$work/serial" || fail "the guest did not finish"
    kernel_lines 1 >"$work/first"
    kernel_lines 2 >"$work/second"
    LC_ALL=C comm -13 "$work/first" "$work/second" >"$work/only"
    [ ! -s "$work/only" ] || fail "only the second boot says: $(cat "$work/only")"
    if [ $failures -eq $failures_before ]; then
        echo "ok: $row"
    else
        keep_logs "reboot-$1"
    fi
}

# Compared is the log of a boot that writes all of it to the serial line, which the kernel does with interrupts off:
# whoever loses timer ticks by that is told so (the clocksource watchdog). Complaints (level "warning" and worse)
# without time stamps, addresses and other numbers.
complaints() {
    tr -d '\r' <"$1" | sed -n 's/^<[0-4]>\[[^]]*\] *//p' | sed 's/0x[0-9a-f]*\|[0-9][0-9]*/N/g' | LC_ALL=C sort -u
}

# theirs: the complaints under QEMU. compare_logs: those under a hypervisor that QEMU's machine does not get.
theirs() {
    row="$arch: kernel log under QEMU"
    "qemu-system-$qemu" -M pc -cpu "$qemu_cpu" -m 192 -kernel "out/kernel-$kernel/vmlinuz" -initrd "$work/initrd" \
        -append "$log_append" -nic user,model=pcnet -nographic -no-reboot </dev/null >"$work/theirs" 2>&1 ||
        fail "exit status $?"
    complaints "$work/theirs" >"$work/theirs.set"
}

compare_logs() {
    row="$arch, hypervisor $way: kernel log"
    failures_before=$failures
    "$crosspage" run -hypervisor "$way" -cpu "$cpu" -m 192 -kernel "out/kernel-$kernel/vmlinuz" -initrd "$work/initrd" \
        -append "$log_append" -nic peer,model=pcnet -nographic -no-reboot </dev/null >"$work/ours" 2>&1 ||
        fail "exit status $?"
    # The whole log, twice: from the console, and from dmesg, or there is nothing to compare.
    grep -q '^\[.*Linux version' "$work/ours" || fail "no log on the console"
    grep -q '<[0-9]*>\[.*Linux version' "$work/ours" || fail "no log"
    complaints "$work/ours" >"$work/ours.set"
    LC_ALL=C comm -23 "$work/ours.set" "$work/theirs.set" >"$work/only"
    [ ! -s "$work/only" ] || fail "complaints QEMU's machine does not get: $(cat "$work/only")"
    [ $failures -ne $failures_before ] || echo "ok: $row ($(wc -l <"$work/ours.set") complaints, QEMU $(wc -l <"$work/theirs.set"))"
}

log_append="console=ttyS0,115200 panic=-1 cp.run=script"
printf 'dmesg -r\n' >"$work/script"
for arch; do
    case $arch in
    i686 | i686-pae) cpu=pentium3 qemu_cpu=pentium3 qemu=i386 debarch=i386 kernel=$arch ;;
    amd64) cpu=x86-64-v2 qemu_cpu=Nehalem qemu=x86_64 debarch=amd64 kernel=$arch ;;
    amd64-v3) cpu=x86-64-v3 qemu_cpu=Haswell qemu=x86_64 debarch=amd64 kernel=amd64 ;;
    *) echo "boot_linux: unknown ARCH $arch" >&2; exit 2 ;;
    esac
    status=0
    tools/fetch-kernel "$kernel" "out/kernel-$kernel" || status=$?
    [ $status -ne 3 ] || exit 77
    [ $status -eq 0 ] || exit 1
    tools/mkinitramfs -n "$nettest-$debarch" -s "$work/script" "out/kernel-$kernel" "$work/initrd"
    compare=no
    if [ $logs = yes ] && command -v "qemu-system-$qemu" >/dev/null; then
        compare=yes
        theirs
    fi
    for way in $ways; do
        boot=1
        while [ $boot -le "$count" ]; do
            boot_shell
            boot=$((boot + 1))
        done
        for reset in $resets; do reboot_shell "$reset"; done
        if [ $compare = yes ]; then compare_logs; fi
    done
done
[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
