#!/bin/sh
# -serial-pace: the same text in both paces, and no time for the line with "instant"; the default is "baud" on the
# bare machine and "instant" where the port is a virtual one.
#
# Usage: serial_pace.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# cycles NAME OPTION...: runs the guest, its console into $work/NAME, and prints the cycles it took.
cycles() {
    name=$1
    shift
    "$crosspage" run -quiet -m 32 -kernel "$elf" -append exit=acpi -serial "file:$work/$name" -stats "$work/stats" "$@" </dev/null
    sed -n 's/.*"cycles": *\([0-9]*\).*/\1/p' "$work/stats" | head -n 1
}

default=$(cycles default)
baud=$(cycles baud -serial-pace baud)
instant=$(cycles instant -serial-pace instant)
virtual=$(cycles virtual -hypervisor workstation)
virtual_instant=$(cycles virtual-instant -hypervisor workstation -serial-pace instant)
virtual_baud=$(cycles virtual-baud -hypervisor workstation -serial-pace baud)
bytes=$(wc -c <"$work/baud")
echo "$bytes bytes: $default cycles by default, $baud at baud rate, $instant without delay"
[ "$bytes" -gt 10 ]
cmp "$work/default" "$work/baud"
head -c "$bytes" "$work/instant" | cmp - "$work/baud" # the guest powers off while its last characters are on the line
[ "$default" -eq "$baud" ]
[ "$virtual" -eq "$virtual_instant" ]
[ "$virtual" -lt "$virtual_baud" ]
# A character at 115200 8N1 takes 87 us: 63000 cycles at 733 MHz.
[ $((baud - instant)) -gt $(((bytes - 1) * 60000)) ]
