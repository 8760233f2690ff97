#!/bin/sh
# A session in an unmodified Debian i686 kernel, recorded and replayed (docs/replay.md): somebody types commands at the shell's prompts
# over a TCP connection, among them a transfer and a ping; the replay in the other engine leaves the same trace, capture, console and
# statistics to the byte. On bare metal, under the monitor, and with a second simulated host at the other end of the wire. Then the
# session at other prices: every command is understood there, too.
#
# Usage: replay_linux.sh CROSSPAGE FOLDER-OF-GUESTS
# The kernel is fetched to out/kernel-i686. Exit status 77 (skipped) without network.
set -eu

"$(dirname "$0")/../tools/loopback.sh" || exit $?
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
guests=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
machine=
trap 'if [ -n "$machine" ]; then kill "$machine" 2>/dev/null || true; fi; rm -rf "$work"' EXIT INT TERM
status=0
[ -e out/kernel-i686/complete ] || tools/fetch-kernel i686 out/kernel-i686 || status=$?
[ $status -ne 3 ] || exit 77
[ $status -eq 0 ] || exit $status
[ -e "$guests/linux/nettest-i386" ] || cmake --build "$guests/.." --target nettest-i386 >/dev/null
tools/mkinitramfs -n "$guests/linux/nettest-i386" out/kernel-i686 "$work/initrd"
kernel=$PWD/out/kernel-i686/vmlinuz
cd "$work"
failures=0
fail() {
    echo "FAIL: $row: $*"
    failures=$((failures + 1))
}
number() { sed -n "s/^  \"$1\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$2"; }

# Types the commands, each when the shell asks for one; leaves what the guest said in "said".
type_commands() {
    left=1200
    until grep -q 'listening on tcp port' errors 2>/dev/null; do
        [ $left -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1
    done
    python3 - "$(sed -n 's/.*listening on tcp port \([0-9]*\).*/\1/p' errors)" <<'END'
import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.settimeout(300)
log = open("said", "wb")
for command in "uname -r", "nettest -s 10.0.0.2 -t 300k", "ping -c 3 10.0.0.2", "cat /proc/interrupts | wc -l", "poweroff -f":
    said = b""
    while not said.endswith((b"/ # ", b"/ # \x1b[6n")):
        said += line.recv(4096) or sys.exit("the connection is gone")
    log.write(said)
    line.sendall(command.encode() + b"\n")
try:
    while more := line.recv(4096):
        log.write(more)
except ConnectionError:
    pass
END
}

for kind in none,interp,translate workstation,translate,interp workstation,translate,translate,second; do
    IFS=, read -r hypervisor engine other second <<END
$kind
END
    row="$hypervisor, $engine then $other${second:+, two hosts}"
    rm -f recorded* replayed* errors said
    set --
    [ -z "$second" ] || set -- -- -kernel "$guests/nettest/nettest.elf" -append "mode=serve ip=10.0.0.2 peer=10.0.0.1" -m 32 -no-reboot \
        -profile pc-350 -serial null -stats recorded.second.stats -trace recorded.second.trace
    timeout 900 "$crosspage" run -kernel "$kernel" -initrd initrd -cpu pentium3 -m 128 -no-reboot -nic peer -hypervisor "$hypervisor" \
        -engine "$engine" -append "console=ttyS0,115200 panic=-1 quiet cryptomgr.notests noisapnp cp.run=shell" \
        -serial tcp:127.0.0.1:0,server -record recorded -trace recorded.trace -pcap recorded.pcap -stats recorded.stats "$@" 2>errors &
    machine=$!
    type_commands || fail "no conversation"
    wait "$machine" || fail "status $?: $(tail -n 1 errors)"
    machine=
    grep -q 'nettest: sent 307200 bytes' said || fail "no transfer: $(tail -n 3 said)"
    grep -q '3 packets received' said || [ -n "$second" ] || fail "no ping"

    set --
    [ -z "$second" ] || set -- -- -stats replayed.second.stats -trace replayed.second.trace
    timeout 900 "$crosspage" run -replay recorded -engine "$other" -serial stdio -trace replayed.trace -pcap replayed.pcap \
        -stats replayed.stats "$@" </dev/null >replayed.out 2>errors || fail "replay: $(cat errors)"
    grep -q 'inputs, ends as recorded' errors || fail "$(cat errors)"
    cmp said replayed.out || fail "another console"
    for file in trace pcap second.trace; do
        [ ! -e recorded.$file ] || cmp recorded.$file replayed.$file || fail "another $file"
    done
    for file in stats second.stats; do
        [ -e recorded.$file ] || continue
        grep -v host_seconds recorded.$file >a
        grep -v host_seconds replayed.$file | cmp - a || fail "another $file"
    done
    [ $failures -ne 0 ] || echo "ok: $row: $(number cycles recorded.stats) cycles"
done

for price in "-hypervisor none" "-hypervisor workstation,version=optimized" "-cost switch.cr3=5us" "-profile pc-350"; do
    row="counterfactual $price"
    # shellcheck disable=SC2086
    timeout 900 "$crosspage" run -replay recorded $price -serial stdio -- -stats other.stats </dev/null >replayed.out 2>errors ||
        fail "status $?"
    grep -q 'COUNTERFACTUAL: \([0-9]*\) of \1 inputs given;' errors || fail "$(tail -n 1 errors)"
    grep -q 'nettest: sent 307200 bytes' replayed.out && grep -q 'reboot: Power down' replayed.out || fail "$(tail -n 5 replayed.out)"
    [ $failures -ne 0 ] || echo "ok: $row: $(tail -n 1 errors)"
done
[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
