#!/bin/sh
# -d ITEM: every item writes lines of its own into the -D file, and logging changes no cycle.
#
# Usage: log_items.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0

# run OPTION...: a short transfer under a hypervisor that has all kinds of exits; prints its state hash.
run() {
    "$crosspage" run -quiet -hypervisor workstation -m 32 -nic peer -serial null -kernel "$elf" \
        -append "exit=acpi total=20000" -stats "$work/stats" "$@" </dev/null
    grep -E '"(cycles|state_hash)"' "$work/stats"
}

quiet=$(run)
for row in 'in_asm:0x[0-9a-f]*:' 'int:vector' 'exec:exec 0x' 'io:\(in\|out\) ' 'mmu:_FAULT 0x' 'net:frame [0-9]* to the peer' \
    'cpu_reset:^rax'; do
    item=${row%%:*} pattern=${row#*:}
    rm -f "$work/log"
    logged=$(run -d "$item" -D "$work/log")
    if ! grep -q "$pattern" "$work/log" || [ "$logged" != "$quiet" ]; then
        failures=$((failures + 1))
        echo "FAIL: -d $item: $(wc -l <"$work/log") lines, $(grep -c "$pattern" "$work/log") as expected; $logged"
    fi
done

# The translator: the same blocks in the same order, and what it makes of them.
if "$crosspage" run -engine translate -kernel /nonexistent -nographic 2>&1 | grep -q 'cannot run translated code'; then
    echo "no translator for this host"
else
    for engine in interp translate,threshold=1; do
        logged=$(run -engine $engine -d exec -D "$work/exec-$engine")
        [ "$logged" = "$quiet" ] || { failures=$((failures + 1)); echo "FAIL: -d exec, $engine: $logged"; }
    done
    cmp "$work/exec-interp" "$work/exec-translate,threshold=1" || failures=$((failures + 1))
    logged=$(run -engine translate -d out_asm -D "$work/log")
    for pattern in 'unit 0x' 'guest 0x[0-9a-f]*: mov' 'host  0x[0-9a-f]*: mov'; do
        grep -q "$pattern" "$work/log" && [ "$logged" = "$quiet" ] ||
            { failures=$((failures + 1)); echo "FAIL: -d out_asm: no '$pattern'; $logged"; }
    done
fi
echo "$failures failures"
[ $failures -eq 0 ]
