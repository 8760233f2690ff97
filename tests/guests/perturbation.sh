#!/bin/sh
# Whoever looks changes nothing: the embedded guest with every output switched on, each alone and all at once, ends at
# the cycle and in the state in which it ends with none (contract E1), and so do the receipts of what was traced.
#
# Usage: perturbation.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"
failures=0 runs=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# outcome OPTION...: what the run ended with, as words.
outcome() {
    : >stats
    "$crosspage" run -quiet -m 32 -nic peer -kernel "$elf" -nographic -stats stats "$@" >serial 2>errors </dev/null ||
        echo "status $?: $(head -n 1 errors)"
    for name in cycles instructions state_hash; do
        echo "$name=$(sed -n "s/^  \"$name\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" stats)"
    done
    echo "serial=$(sha256sum <serial | cut -c 1-16)"
}

# Every item of -d.
items=in_asm,int,exec,io,mmu,net,guest_errors,unimp,cpu_reset,out_asm,jit-stats

# compare NAME OPTION...: the run as `setting` with these options more.
compare() {
    what=$1
    shift
    runs=$((runs + 1))
    # shellcheck disable=SC2086
    outcome $setting -append "exit=acpi total=20000 $words" "$@" >seen
    cmp -s plain seen || { fail "$setting, $words: $what"; diff plain seen || true; }
}

engines="interp translate,threshold=1" expected=168
if "$crosspage" run -engine translate -kernel /nonexistent -nographic 2>&1 | grep -q 'cannot run translated code'; then
    engines=interp expected=84
fi

for hypervisor in none workstation workstation,version=optimized; do
    for engine in $engines; do
        for timing in table cache; do
            for words in mode=send mode=recv; do
                setting="-hypervisor $hypervisor -engine $engine -timing $timing"
                # shellcheck disable=SC2086
                outcome $setting -append "exit=acpi total=20000 $words" >plain
                grep -q '^cycles=[1-9]' plain || fail "$setting did not run: $(cat plain)"
                compare trace -trace t
                compare capture -pcap p
                compare log -d $items -D log
                compare probes -trace t -probe pcnet_send,packet_take,irq_dispatch -symbols "$elf"
                compare samples -trace t -sample 1000 -symbols "$elf"
                compare record -record r
                compare all -trace t -pcap p -d $items -D log -record r -sample 777 -probe net_bottom_half -symbols "$elf"
            done
        done
    done
done

[ "$runs" -eq $expected ] || fail "only $runs runs"
[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
echo "$runs runs as without any output"
