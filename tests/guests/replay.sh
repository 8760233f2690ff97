#!/bin/sh
# Recording what comes from outside, and running it again (docs/replay.md).
#
# Usage: replay.sh CROSSPAGE FOLDER-OF-GUESTS
#
# Checks, with guests/asm/talk, to which the cycle of every byte matters, and nettest as the other host on a wire:
#   1. recording changes nothing: a run without input gives the same trace, capture, output and statistics with and without it;
#   2. a replay in the other engine ends at the same cycle with the same state, and leaves the same trace, capture and output, on
#      bare metal and under the monitor, with input from a pipe and from a TCP connection, ended by the guest and by Ctrl-A X;
#   3. so does one of two hosts on a wire, both typed to;
#   4. -engine check takes a recording;
#   5. a replay on another machine is refused, one at other prices says that it is counterfactual and gets all inputs, and
#      crosspage experiment compares the two;
#   6. damaged recordings are refused with one line.
# Exit status 77 (skipped) without python3 or loopback network.
set -eu

"$(dirname "$0")/../tools/loopback.sh" || exit $?
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
talk=$(cd "$2/asm" && pwd)/talk.elf nettest=$(cd "$2/nettest" && pwd)/nettest.elf
work=$(mktemp -d)
machine=
trap 'if [ -n "$machine" ]; then kill "$machine" 2>/dev/null || true; fi; rm -rf "$work"' EXIT INT TERM
cd "$work"
failures=0
fail() {
    echo "FAIL: $row: $*"
    failures=$((failures + 1))
}
ok() { [ $failures -ne 0 ] || echo "ok: $row${1:+: $1}"; }
number() { sed -n "s/^  \"$1\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$2"; }
# identical A B: what two runs left is the same, to the byte; statistics but for the host's time.
identical() {
    for file in out trace pcap second second.trace; do
        [ -e "$1.$file" ] || continue
        cmp "$1.$file" "$2.$file" || fail "$2.$file differs from $1.$file"
    done
    for file in stats second.stats; do
        [ -e "$1.$file" ] || continue
        grep -v host_seconds "$1.$file" >a
        grep -v host_seconds "$2.$file" | diff a - >difference || fail "$2.$file differs from $1.$file: $(head -n 5 difference)"
    done
}
# wait_for TEXT FILE: until the guest has said it; it has as long as the time limit of its run.
wait_for() {
    left=2000
    until grep -q "$1" "$2" 2>/dev/null; do
        [ $left -gt 0 ] || { fail "never said '$1'"; return 0; }
        left=$((left - 1))
        sleep 0.05
    done
}
# Types into the machine whose output is FILE: answers to what it says, a word in two parts, a paste longer than any FIFO.
type_into() {
    wait_for '^> ' "$1"
    printf 'hello\n'
    wait_for 'line 01' "$1"
    printf 'wor'
    sleep 0.05
    printf 'ld\n'
    wait_for 'line 02' "$1"
    head -c 700 /dev/zero | tr '\0' x
    printf '\n'
    wait_for 'line 03' "$1"
    printf '%b' "$2"
}
# replay STATUS OPTION...: of the recording "recorded", to the files "replayed.*".
replay() {
    expected=$1
    shift
    rm -f replayed.*
    status=0
    timeout 100 "$crosspage" run -replay recorded -stats replayed.stats -trace replayed.trace -pcap replayed.pcap "$@" \
        >replayed.out 2>errors </dev/null || status=$?
    [ $status -eq "$expected" ] || fail "replay $*: status $status: $(head -n 3 errors)"
}
files="-trace recorded.trace -pcap recorded.pcap -stats recorded.stats"

# ---- Recording changes nothing ----

row="no input"
for hypervisor in none workstation; do
    for name in plain recorded; do
        record=$([ $name = plain ] || echo "-record recorded")
        # One name for both, since it is in the trace's header.
        # shellcheck disable=SC2086
        timeout 100 "$crosspage" run -kernel "$nettest" -append "exit=acpi total=200000" -m 32 -nic peer -nographic -no-reboot -quiet \
            -hypervisor $hypervisor -trace trace -pcap pcap -stats stats $record </dev/null >$name.out 2>errors || fail "status $?"
        for file in trace pcap stats; do mv $file $name.$file; done
    done
    identical plain recorded
    replay 0
    identical plain replayed
done
ok "$(number cycles plain.stats) cycles"

# ---- Input, and again in the other engine ----

for hypervisor in none workstation; do
    for engines in interp,translate translate,interp; do
        row="typed to under $hypervisor, $engines"
        rm -f recorded*
        : >recorded.out
        # shellcheck disable=SC2086
        type_into recorded.out 'quit\n' | timeout 100 "$crosspage" run -kernel "$talk" -m 32 -nic peer -nographic -no-reboot \
            -hypervisor $hypervisor -engine "${engines%,*}" -record recorded $files >recorded.out 2>errors || [ $? -eq 1 ] || fail "status $?"
        grep -q '^line 04 of 004' recorded.out || fail "it said: $(tail -n 1 recorded.out)"
        replay 1 -engine "${engines#*,}"
        grep -q 'inputs, ends as recorded' errors || fail "$(cat errors)"
        identical recorded replayed
        ok "$(number cycles recorded.stats) cycles"
    done
done
row="-engine check"
timeout 100 "$crosspage" run -replay recorded -engine check,points=50 >out 2>errors </dev/null || [ $? -eq 1 ] || fail "status $?"
grep -q 'all equal' errors || fail "$(tail -n 1 errors)"
cmp recorded.out out || fail "said something else"
grep -q "both end after $(number instructions recorded.stats) instructions with state hash $(number state_hash recorded.stats)" errors ||
    fail "another end: $(tail -n 1 errors)"
ok

row="ended by Ctrl-A X"
rm -f recorded*
: >recorded.out
# shellcheck disable=SC2086
type_into recorded.out '\001x' | timeout 100 "$crosspage" run -kernel "$talk" -m 32 -nic peer -nographic -record recorded $files \
    >recorded.out 2>errors || fail "status $?"
replay 0
grep -q 'inputs, ends as recorded' errors || fail "$(cat errors)"
identical recorded replayed
ok

# talk_to PORT: types two lines into a guest that waits for a TCP connection.
talk_to() {
    python3 - "$1" <<'END'
import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.settimeout(60)
said = b""
for expected, words in (b"> ", b"hello"), (b"line 01", b"quit"), (b"line 02", b""):
    while expected not in said:
        said += line.recv(4096) or sys.exit("the connection is gone")
    line.sendall(words + b"\n")
END
}
# listening: the port that the machine with the messages FILE listens on.
listening() {
    wait_for 'listening on tcp port' "$1" >&2
    sed -n 's/.*listening on tcp port \([0-9]*\).*/\1/p' "$1"
}

row="TCP"
rm -f recorded*
# shellcheck disable=SC2086
timeout 100 "$crosspage" run -kernel "$talk" -m 32 -nic peer -serial tcp:127.0.0.1:0,server -no-reboot -record recorded $files 2>errors &
machine=$!
talk_to "$(listening errors)" || fail "no connection"
wait "$machine" || [ $? -eq 1 ] || fail "status $?"
machine=
replay 1 -serial stdio
identical recorded replayed
grep -q '^line 01 of 005' replayed.out || fail "it said: $(head -n 2 replayed.out)"
ok

# ---- Two hosts ----

# Both typed to, the second on a TCP connection; and a second one whose frames make the first wait at its horizons.
for hypervisor in none workstation; do
    for second in talk nettest; do
        row="two hosts under $hypervisor, the second with $second"
        rm -f recorded*
        : >recorded.out
        : >errors
        line=file:recorded.second kernel=$nettest
        [ $second = nettest ] || line=tcp:127.0.0.1:0,server kernel=$talk
        (
            [ $second = nettest ] || talk_to "$(listening errors)"
            type_into recorded.out 'quit\n'
        ) | timeout 100 "$crosspage" run -kernel "$talk" -m 32 -nographic -no-reboot -hypervisor $hypervisor \
            -record recorded -trace recorded.trace -pcap recorded.pcap -stats recorded.stats -- \
            -kernel "$kernel" -append "mode=send total=100000 ip=10.0.0.2 peer=10.0.0.1" -m 32 -no-reboot -profile pc-350 \
            -hypervisor workstation -serial $line -stats recorded.second.stats -trace recorded.second.trace \
            >recorded.out 2>errors || [ $? -eq 1 ] || fail "status $?: $(cat errors)"
        replay 1 -engine interp -- -serial file:replayed.second -stats replayed.second.stats -trace replayed.second.trace -engine interp
        grep -q 'inputs, ends as recorded' errors || fail "$(cat errors)"
        identical recorded replayed
        [ $second = nettest ] || grep -q '^line 01 of 005' replayed.second || fail "the second said: $(cat replayed.second)"
        ok "$(number cycles recorded.second.stats) cycles of the second"
    done
done

# ---- The real network: a stream to a process of this host ----

cat >sink <<'END'
import socket, sys, os
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(1)
s.settimeout(60)
open("sink.new", "w").write("%d\n" % s.getsockname()[1])
os.rename("sink.new", "sink.port")
c, peer = s.accept()
while c.recv(65536):
    pass
END
for hypervisor in none workstation; do
    row="-nic user under $hypervisor"
    rm -f recorded* sink.port
    python3 sink &
    machine=$!
    wait_for . sink.port
    # shellcheck disable=SC2086
    timeout 100 "$crosspage" run -kernel "$nettest" -append "exit=acpi total=100000 ip=10.0.2.15 peer=10.0.2.2 port=$(cat sink.port)" -m 32 \
        -nic user -nographic -no-reboot -hypervisor $hypervisor -record recorded $files </dev/null >recorded.out 2>errors || fail "status $?: $(cat errors)"
    wait "$machine" || fail "the sink: $?"
    machine=
    grep -q '^nettest: sent 100000 bytes' recorded.out || fail "$(tail -n 1 recorded.out)"
    replay 0 -engine interp # nobody listens any more
    grep -q 'inputs, ends as recorded' errors || fail "$(cat errors)"
    identical recorded replayed
    ok "$(grep inputs errors)"
done
refuse_other() {
    status=0
    "$crosspage" run -replay recorded -hypervisor none </dev/null >out 2>errors || status=$?
    [ $status -eq 1 ] && grep -q 'frames of the real network answer' errors || fail "other prices: status $status, $(cat errors)"
}
refuse_other

# ---- Another machine, other prices ----

row="one host"
rm -f recorded*
: >recorded.out
# shellcheck disable=SC2086
type_into recorded.out 'quit\n' | timeout 100 "$crosspage" run -kernel "$talk" -m 32 -nic peer -nographic -no-reboot -append words \
    -hypervisor workstation -cost switch.cr3=2us -record recorded $files >recorded.out 2>errors || [ $? -eq 1 ] || fail "status $?"

# refuse TEXT OPTION...: the replay ends with status 1 and one line.
refuse() {
    text=$1
    shift
    status=0
    timeout 100 "$crosspage" run "$@" >out 2>errors </dev/null || status=$?
    [ $status -eq 1 ] && [ "$(wc -l <errors)" -eq 1 ] && grep -q -e "$text" errors || fail "$*: status $status, $(head -n 3 errors)"
}
row="another machine"
refuse "memory is '67108864', recorded: '33554432'" -replay recorded -m 64
refuse "append is 'other', recorded: 'words'" -replay recorded -append other
refuse "another run: kernel is" -replay recorded -kernel "$nettest"
refuse "another run: seed" -replay recorded -seed 5
refuse "another run: serial ports is" -replay recorded -serial null -serial null
refuse "no second host" -replay recorded -- -kernel "$talk"
refuse "can take input" -replay recorded -serial pty
refuse "known are answer and time" -replay recorded,inputs=magic
refuse "one of the two" -replay recorded -record other
replay 1 -m 32 -append words -kernel "$talk" # the same said again
identical recorded replayed
ok

# counterfactual TEXT OPTION...
counterfactual() {
    text=$1
    shift
    replay 1 "$@"
    grep -q "COUNTERFACTUAL replay of .*$text" errors || fail "$*: $(cat errors)"
    grep -q 'COUNTERFACTUAL: \([0-9]*\) of \1 inputs given;' errors || fail "$*: $(cat errors)"
    # What was typed was answers, so the guest understands it at any price.
    for line in '01 of 005' '02 of 005' '03 of 2BC' '04 of 004'; do
        grep -q "^line $line" replayed.out || fail "$*: no line $line: $(grep line replayed.out)"
    done
    [ "$(number cycles replayed.stats)" != "$(number cycles recorded.stats)" ] || fail "$*: the same run"
    "$crosspage" report replayed.trace >report 2>/dev/null
    grep -q 'COUNTERFACTUAL' report || fail "$*: the report does not say so"
}
row="other prices"
counterfactual "switch.cr3 3665.000 cycles, recorded: 1466.000 cycles" -cost switch.cr3=5us
counterfactual "hypervisor none, recorded: workstation" -hypervisor none
counterfactual "hypervisor options version=optimized" -hypervisor workstation,version=optimized
counterfactual "profile pc-350, recorded: pc-733" -profile pc-350
row="simulated time"
replay 1 -replay recorded,inputs=time -hypervisor workstation,version=optimized
grep -q 'inputs=time' errors || fail "$(cat errors)"
ok

row="experiment counterfactual"
timeout 100 "$crosspage" run -kernel "$nettest" -append "exit=acpi total=200000" -m 32 -nic peer -nographic -no-reboot -quiet \
    -hypervisor workstation,irq-notify=on -record transfer </dev/null >out 2>errors || fail "status $?"
timeout 100 "$crosspage" experiment counterfactual -quiet -replay transfer -against io-in-vmm=on >out 2>errors || fail "status $?: $(cat errors)"
grep -q '^A: .*crosspage run -replay transfer$' out || fail "the first run is $(grep '^A:' out)"
grep -q '^B: .*-hypervisor workstation,io-in-vmm=on,irq-notify=on$' out || fail "the second run is $(grep '^B:' out)"
grep -q 'The differences of all steps add up' out || fail "no difference: $(cat out)"
# experiment_refuses TEXT OPTION...
experiment_refuses() {
    text=$1
    shift
    status=0
    "$crosspage" experiment -quiet "$@" >out 2>errors || status=$?
    [ $status -eq 2 ] && [ "$(wc -l <errors)" -eq 1 ] && grep -q -e "$text" errors || fail "$*: status $status, $(head -n 3 errors)"
}
experiment_refuses "is of the experiment 'counterfactual'" fig5 -replay transfer
experiment_refuses "guest is the recording's" counterfactual -replay transfer -kernel "$nettest" -against switch=1us
experiment_refuses "not a readable recording" counterfactual -replay "$nettest" -against switch=1us
if timeout 100 "$crosspage" experiment counterfactual -quiet -replay transfer -against total=1M >out 2>errors; then
    fail "another guest's command line was taken"
fi
grep -q 'what the guests do is in the recording' out || fail "$(cat out errors)"
ok

# ---- Damaged files ----

row="damaged"
refuse "cannot open" -replay nosuch
refuse "not a regular file" -replay .
: >empty
refuse "empty" -replay empty
refuse "something else" -replay "$talk"
refuse "not a readable recording" -replay recorded.trace
size=$(wc -c <recorded)
bytes=0
while [ $bytes -lt "$size" ]; do
    head -c $bytes recorded >cut
    refuse "not a readable recording" -replay cut
    bytes=$((bytes + size / 40 + 1))
done
gzip -dc recorded >plain
{ head -c 20 plain; printf '\377\377'; tail -c +23 plain; } >bent
refuse "not a readable recording" -replay bent
sed 's/^crosspage recording 2/crosspage recording 9/' plain >bent
refuse "another version" -replay bent
# A recording of another program: its last check fails.
replay 1 -replay plain
identical recorded replayed
ok

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
