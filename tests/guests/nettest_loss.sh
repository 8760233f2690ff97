#!/bin/sh
# The embedded guest's TCP against a peer that loses frames: the stream arrives whole, and the sender closes gaps
# without standing still, which its timer of 200 ms at least would make it.
#
# Usage: nettest_loss.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
field() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$work/serial"; }
value() { sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$work/stats"; }

# run MODE N LEAST: one of N frames each way is lost; at LEAST so many Mb/s all the same.
run() {
    row="$1, one of $2 lost"
    timeout 300 "$crosspage" run -profile pc-733 -hypervisor none -m 32 -kernel "$elf" \
        -append "exit=acpi mode=$1 total=4000000 write=4096 verify=on" -nic "peer,lose=$2" -nographic -no-reboot -quiet \
        -stats "$work/stats" </dev/null >"$work/serial" 2>&1 || fail "$row: exit status $?"
    grep -q '^nettest: done' "$work/serial" || { fail "$row: no good end: $(cat "$work/serial")"; return; }
    rate=$(sed -n 's/.* \([0-9]*\)\.[0-9]* Mb\/s.*/\1/p' "$work/serial")
    again=$(if [ "$1" = send ]; then field retransmits; else value retransmits; fi)
    [ "$(value lost)" -gt 0 ] && [ "$again" -gt 0 ] || fail "$row: lost $(value lost), sent again $again"
    [ "$rate" -ge "$3" ] || fail "$row: $rate Mb/s"
    echo "$row: $rate Mb/s, $(value lost) lost, $again sent again"
}

for mode in send recv; do
    run $mode 300 90
    run $mode 30 5
    run $mode 7 0 # hardly anything gets through, but all of it in the end
done
run send 100 85 # several in a window, too
run recv 100 50 # once the duplicates all move the window, and so do not count (RFC 5681, section 2): the timer

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
