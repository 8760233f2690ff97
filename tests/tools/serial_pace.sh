#!/bin/sh
# -serial-pace: the same text in both paces, "baud" as the default, and no time for the line with "instant".
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
bytes=$(wc -c <"$work/baud")
echo "$bytes bytes: $default cycles by default, $baud at baud rate, $instant without delay"
[ "$bytes" -gt 10 ]
cmp "$work/default" "$work/baud"
head -c "$bytes" "$work/instant" | cmp - "$work/baud" # the guest powers off while its last characters are on the line
[ "$default" -eq "$baud" ]
# A character at 115200 8N1 takes 87 us: 63000 cycles at 733 MHz.
[ $((baud - instant)) -gt $(((bytes - 1) * 60000)) ]
