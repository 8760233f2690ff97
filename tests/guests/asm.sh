#!/bin/sh
# One assembly guest under crosspage, and the same under QEMU and Bochs where they are installed.
#
#     asm.sh CROSSPAGE IMAGE-FOLDER NAME [--rebase]
#
# Checks, in this order:
#   1. what crosspage prints is guests/asm/expect/NAME.txt, byte for byte;
#   2. the same through shadow page tables, under -hypervisor workstation; or, where the monitor hides what the
#      guest is about, what is in guests/asm/expect/NAME.workstation;
#   3. Bochs prints the same, but for the differences in guests/asm/expect/NAME.bochs, if there is such a file;
#   4. QEMU prints the same but for the differences in guests/asm/expect/NAME.qemu (a diff). These are places
#      where QEMU 7.2 departs from the SDM: it does not check segment limits and types, alignment (#AC), some
#      reserved bits and non-canonical addresses, and does not emulate CR4.VME; guests/asm/README.md has the
#      list. Differences that are the same everywhere are evened out by qemu.sed, see there.
#
# --rebase writes the expectations anew from this run: review the change before committing it.
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") images=$(cd "$2" && pwd) name=$3 rebase=${4:-}
expect=$(cd "$(dirname "$0")/../../guests/asm/expect" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"
ln -s "$images/$name.img" disk.img # a name without spaces, wherever the folders are
failures=0

fail() {
    echo "FAIL: $name: $*"
    failures=$((failures + 1))
}

# The CPU each emulator is asked for: 32-bit guests on a Pentium III, guests that need NX or long mode on a
# Nehalem-like one; 1 GB pages need a later Bochs model.
cpu=pentium3 qemu_cpu=pentium3 bochs_cpu=p3_katmai
case $name in
pae | cross | long | long_system | hot_*) cpu=x86-64-v2 qemu_cpu=Nehalem bochs_cpu=corei5_arrandale_m520 ;;
long_paging) cpu=x86-64-v2 qemu_cpu=Nehalem,+pdpe1gb bochs_cpu=corei7_haswell_4770 ;;
avx | pcid) cpu=x86-64-v3 qemu_cpu=Haswell bochs_cpu=corei7_haswell_4770 ;;
esac
# A guest that resets the machine goes on until it leaves by itself. Not under Bochs 2.7: its keyboard controller
# pulls INIT, which keeps MSRs, and after a triple fault its serial port is never ready again.
reboot=-no-reboot with_bochs=yes disk=''
case $name in
reset) reboot='' with_bochs=no ;;
hot_dma) disk="-drive file=disk.img,format=raw,if=ide,snapshot=on" ;;
esac

# run_crosspage HYPERVISOR
run_crosspage() {
    status=0
    # shellcheck disable=SC2086 # words or nothing
    timeout 300 "$crosspage" run -hypervisor "$1" -kernel "$images/$name.elf" -m 64 -cpu $cpu -nographic $reboot $disk -quiet \
        >"$work/crosspage" 2>"$work/errors" </dev/null || status=$?
    # The guest leaves with value 0, which is status 1 (0 << 1 | 1).
    [ $status -eq 1 ] || { fail "crosspage ($1) ended with status $status"; cat "$work/errors"; }
}

run_qemu() {
    # shellcheck disable=SC2086 # words or nothing
    timeout 300 qemu-system-x86_64 $disk -cpu $qemu_cpu -m 64 -kernel "$images/$name.elf" -display none -serial stdio \
        -monitor none -net none -device isa-debug-exit,iobase=0x501,iosize=4 $reboot \
        >"$work/qemu" 2>/dev/null </dev/null || true
}

run_bochs() {
    cat >"$work/bochsrc" <<EOT
display_library: sdl2
cpu: model=$bochs_cpu, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=0
memory: guest=64, host=64
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk.img, mode=volatile, cylinders=2, heads=16, spt=63
boot: disk
clock: sync=none
speaker: enabled=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
com1: enabled=1, mode=file, dev=bochs
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
EOT
    echo c >"$work/bochs.rc"
    SDL_VIDEODRIVER=dummy timeout 300 bochs -q -f bochsrc -rc bochs.rc >/dev/null 2>&1 </dev/null || true
    [ -s "$work/bochs" ]
}

# qemu_difference FILE: what QEMU's output lacks and has beside ours, without positions.
qemu_difference() {
    sed -E -f "$expect/../qemu.sed" "$1" >"$work/even1"
    sed -E -f "$expect/../qemu.sed" "$work/qemu" >"$work/even2"
    diff "$work/even1" "$work/even2" | grep '^[<>]' || true
}

bochs_difference() {
    diff "$expect/$name.txt" "$work/bochs" | grep '^[<>]' || true
}

run_crosspage none
if [ "$rebase" = --rebase ]; then
    [ "$failures" -eq 0 ] || exit 1
    cp "$work/crosspage" "$expect/$name.txt"
    run_qemu
    qemu_difference "$work/crosspage" >"$expect/$name.qemu"
    [ $with_bochs = no ] || ! command -v bochs >/dev/null || ! run_bochs || bochs_difference >"$expect/$name.bochs"
    [ -s "$expect/$name.bochs" ] || rm -f "$expect/$name.bochs"
    exit 0
fi
for hypervisor in none workstation; do
    [ $hypervisor = none ] || run_crosspage $hypervisor
    right=$expect/$name.$hypervisor
    [ -e "$right" ] || right=$expect/$name.txt
    diff "$right" "$work/crosspage" >"$work/diff" ||
        { fail "crosspage under $hypervisor differs:"; head -n 20 "$work/diff"; }
done

if [ $with_bochs = no ]; then
    :
elif command -v bochs >/dev/null && run_bochs; then
    bochs_difference >"$work/found"
    known=$expect/$name.bochs
    [ -e "$known" ] || known=/dev/null
    diff "$known" "$work/found" >"$work/diff" || { fail "Bochs differs in new places:"; head -n 20 "$work/diff"; }
else
    echo "Bochs is not installed or has no SDL: not compared"
fi
if command -v qemu-system-x86_64 >/dev/null; then
    run_qemu
    qemu_difference "$expect/$name.txt" >"$work/found"
    diff "$expect/$name.qemu" "$work/found" >"$work/diff" || { fail "QEMU differs in new places:"; head -n 20 "$work/diff"; }
else
    echo "QEMU is not installed: not compared"
fi
exit $((failures > 0))
