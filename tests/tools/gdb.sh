#!/bin/sh
# A guest under gdb: a breakpoint on a function with its callers, finish, a watchpoint, steps. In both engines the same
# text, and at the end the cycles and the state of a run without gdb.
#
# Usage: gdb.sh CROSSPAGE NETTEST.ELF; status 77 without gdb
set -eu

command -v gdb >/dev/null || { echo "skipped: no gdb"; exit 77; }
crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/commands" <<EOD
set pagination off
set confirm off
target remote $work/socket
break net_send_ip
continue
continue
backtrace
finish
delete
watch net.ip_id
continue
delete
stepi 100
next
info registers eip cr0 cr3
monitor info status
break tcp_send_control
continue
delete
detach
EOD

# run NAME OPTION...: the guest alone; the numbers that say how it ended.
run() {
    name=$1
    shift
    timeout 120 "$crosspage" run -quiet -m 32 -nic peer -serial null -kernel "$elf" -append "exit=acpi total=100000" -stats "$work/stats" "$@" \
        </dev/null 2>>"$work/log"
    sed -n '/"cycles"\|"instructions"\|"state_hash"/{p;}' "$work/stats" | head -n 3 >"$work/$name"
}

for hypervisor in none workstation; do
    run plain -hypervisor $hypervisor
    for engine in interp translate; do
        run debugged -hypervisor $hypervisor -engine $engine -gdb "unix:$work/socket" -S &
        while ! [ -S "$work/socket" ]; do
            kill -0 $! || { echo "FAIL: no guest:"; cat "$work/log"; exit 1; }
            sleep 0.05
        done
        timeout 120 gdb -nx -q -batch -x "$work/commands" "$elf" >"$work/text.$engine" 2>&1
        wait $!
        cmp "$work/plain" "$work/debugged"
    done
    cmp "$work/text.interp" "$work/text.translate"
    for expected in 'Breakpoint 1.*net_send_ip' '^#1 .* segment_send' '^#[0-9]* .* entry_common' 'Run till exit\|segment_send' \
        'Hardware watchpoint 2: net.ip_id' '^New value = ' '^cr0 .*0x8' '^stopped' 'Breakpoint 3.*tcp_send_control' 'detached'; do
        grep -q "$expected" "$work/text.interp" || { echo "FAIL: no '$expected' under $hypervisor:"; cat "$work/text.interp"; exit 1; }
    done
    echo "$hypervisor: $(wc -l <"$work/text.interp") lines of gdb's, no cycle's difference"
done
! grep -q 'changed from outside' "$work/log"
