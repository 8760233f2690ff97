#!/bin/sh
# Bad input gets one clear line on standard error and a non-zero status; nothing hangs, nothing crashes.
#
# Usage: bad_input.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
rows=0 failures=0

# refuse STATUS PATTERN ARGUMENT...: the command fails with that status and one line that matches.
refuse() {
    status=$1 pattern=$2
    shift 2
    rows=$((rows + 1))
    got=0
    timeout 60 "$crosspage" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
    lines=$(wc -l <"$work/err")
    if [ $got -ne "$status" ] || [ "$lines" -ne 1 ] || ! grep -q "$pattern" "$work/err"; then
        failures=$((failures + 1))
        echo "FAIL: crosspage $* -> status $got, $lines lines:"
        head -n 5 "$work/err"
    fi
}

run() {
    status=$1 pattern=$2
    shift 2
    refuse "$status" "$pattern" run -quiet -m 32 -stop-after 0.05 "$@"
}

# ---- Command line ----
refuse 2 "did you mean 'run'" rum
refuse 2 "unknown command" xyzzy
run 2 "did you mean '-kernel'" -kernal "$elf"
run 2 "unknown option" -frobnicate
run 2 "needs a value" -kernel
run 2 "nothing to boot"
run 2 "not an option" "$elf"
run 2 "not a size" -kernel "$elf" -m lots
run 2 "memory is" -kernel "$elf" -m 0
run 2 "did you mean 'interp'" -kernel "$elf" -engine intrep
run 2 "no unicast" -kernel "$elf" -nic peer,mac=ff:ff:ff:ff:ff:ff
run 2 "unknown property" -kernel "$elf" -nic peer,colour=red
run 2 "IPv4" -kernel "$elf" -nic peer,ip=10.0.0
run 2 "base=" -kernel "$elf" -rtc base=yesterday
run 2 "unknown value" -kernel "$elf" -d everything
run 2 "simulated seconds" -kernel "$elf" -stop-after never
run 2 "a disk needs" -kernel "$elf" -drive media=disk
run 2 "twice" -kernel "$elf" -hda "$elf" -hda "$elf"
run 1 "unknown hypervisor" -kernel "$elf" -hypervisor vmwear
run 1 "workstation" -kernel "$elf" -hypervisor workstation,zippy=on
run 1 "unknown CPU model" -kernel "$elf" -cpu pentium9
run 1 "profile" -kernel "$elf" -profile pc-9000
run 1 "cost" -kernel "$elf" -cost switch.warp=1us
run 1 "not a number" -kernel "$elf" -cost switch.cr3=fast

# ---- Kernels and initial RAM disks ----
: >"$work/empty"
head -c 6000 "$elf" >"$work/short.elf"
head -c 200000 /dev/urandom >"$work/random"
run 1 "cannot open" -kernel "$work/nosuch"
run 1 "cannot read" -kernel "$work"
run 1 "empty" -kernel "$work/empty"
run 1 "no bootable kernel" -kernel "$work/random"
run 1 "damaged Multiboot" -kernel "$work/short.elf"
run 1 "cannot open" -kernel "$elf" -initrd "$work/nosuch"
printf 'x' | dd of="$work/header" bs=1 seek=510 conv=notrunc 2>/dev/null
{ dd if=/dev/zero bs=1 count=510; printf '\125\252\353\146HdrS\017\002'; dd if=/dev/zero bs=1 count=4000; } >"$work/bz" 2>/dev/null
run 1 "no bootable kernel" -kernel "$work/bz"

# ---- Disks, consoles, outputs ----
run 1 "nosuch" -kernel "$elf" -hda "$work/nosuch"
run 1 "empty\|truncated\|size" -kernel "$elf" -hda "$work/empty"
run 1 "serial\|unknown\|character" -kernel "$elf" -serial telepathy
run 1 "cannot\|serial" -kernel "$elf" -serial file:"$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -trace "$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -pcap "$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -D "$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -stats "$work/no/such/folder"

# ---- Traces ----
refuse 2 "which trace" report
refuse 2 "unknown format" report -format haiku "$elf"
refuse 1 "cannot open" report "$work/nosuch"
refuse 1 "not a readable trace" report "$work/random"
refuse 1 "not a readable trace" report "$work/empty"
"$crosspage" run -quiet -m 32 -kernel "$elf" -append "exit=acpi total=20000" -nic peer -serial null -trace "$work/trace" </dev/null
for bytes in 10 100 1000 $(($(wc -c <"$work/trace") - 20)); do
    head -c $bytes "$work/trace" >"$work/cut"
    refuse 1 "not a readable trace" report "$work/cut"
done
refuse 2 "hexadecimal" disasm 9z

echo "$rows rows, $failures failures"
[ $failures -eq 0 ]
