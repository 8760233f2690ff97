#!/bin/sh
# -monitor: questions and stops leave a run as it is; commands that change it do and say so; nonsense gets an answer.
#
# Usage: monitor.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap '' PIPE
cd "$work" # the monitor's words end at spaces
trap 'rm -rf "$work"' EXIT INT TERM
failures=0

# run OPTION...: the guest with the monitor on standard input; how it ended into $work/end.
run() {
    timeout 120 "$crosspage" run -m 32 -nic peer -serial null -kernel "$elf" -stats "$work/stats" "$@" >"$work/out" 2>"$work/log"
    sed -n '/"cycles"\|"instructions"\|"state_hash"/p' "$work/stats" | head -n 3 >"$work/end"
}

# has FILE PATTERN...: each is in it.
has() {
    file=$1
    shift
    for pattern in "$@"; do
        grep -q -e "$pattern" "$file" || { failures=$((failures + 1)); echo "FAIL: no '$pattern' in:"; head -n 5 "$file"; }
    done
}

# say LINES: sends them and waits for all their answers; a guest that runs does so for a look's distance at least.
say() {
    kill -0 $guest 2>/dev/null || return 0
    printf "$1" 2>/dev/null >&3 || return 0
    lines=$((lines + $(printf "$1" | wc -l)))
    tries=0
    while [ "$(grep -o '(crosspage)' "$work/out" | wc -l)" -le $lines ] && kill -0 $guest 2>/dev/null; do
        [ $tries -lt 10000 ] || { echo "FAIL: no answer to: $1"; kill $guest; exit 1; }
        sleep 0.01
        tries=$((tries + 1))
    done
}

questions='info registers\ninfo mem\ninfo tlb\ninfo pic\ninfo irq\ninfo lapic\ninfo stats\ninfo cost\ninfo status\nx /3i $pc\nx /4xw $esp\nxp /16xb 0x100000\n'
for hypervisor in none workstation; do
    for engine in interp translate; do
        set -- -hypervisor $hypervisor -engine $engine -append "exit=acpi total=20000000"
        run "$@" </dev/null
        mv "$work/end" "$work/plain"
        # Before the first instruction; and on the way, stopped and not.
        rm -f "$work/in" "$work/out"
        mkfifo "$work/in"
        run "$@" -monitor stdio -S <"$work/in" &
        guest=$!
        exec 3>"$work/in"
        lines=0
        say "$questions"'p $eip\n'
        for i in 1 2 3; do
            say 'cont\n'
            say "$questions"
            say 'stop\n'
            say 'info status\n'
        done
        exec 3>&-
        wait $guest
        cmp "$work/plain" "$work/end" || failures=$((failures + 1))
        has "$work/out" '^rip 000000000010000c' 'paging is off' 'pic0: irr=' 'irq 14 vector' 'lvt timer' '0x000000000010000c:  cli' \
            '0x10000c$' 'stopped$'
        # At each look the layers sum to the cycles.
        awk '/cycles  / { cycles = $NF } /^(.crosspage. )?all  / { looks++; if ($NF != cycles) bad++ } END { exit bad || looks < 2 }' "$work/out" ||
            { failures=$((failures + 1)); echo "FAIL: layers do not sum to the cycles"; }
    done
done
has "$work/out" '00000000c0000000-00000000c1000000 0000000001000000 -rwx' '00000000c0000000: 0000000000000000  4096K -rwx global'

# Changes.
printf 'help\nfrob\nx\np 1/0\np ((((1\np /d (3+4)*2-1\ninfo\ninfo nonsense\nsendkey a-hyper\nsystem_reset\n' |
    run -append exit=acpi -no-reboot -monitor stdio -S
has "$work/out" 'screendump FILE' "unknown command 'frob'" 'usage: x' 'usage: print' ' 13$' 'usage: info' "no such key.*hyper"
has "$work/log" 'changed from outside at clock 0: reset' 'guest reset after 0.000000 s'
printf 'sendkey ctrl-alt-delete\nscreendump screen.txt\nscreendump screen.ppm\nscreendump /nowhere/at/all\nquit\n' |
    run -append exit=acpi -monitor stdio -S
has "$work/log" 'keys ctrl-alt-delete' 'stopped after 0.000000 s'
has "$work/out" "cannot write '/nowhere/at/all'"
[ "$(wc -l <"$work/screen.txt")" -eq 25 ] && [ "$(head -n 1 "$work/screen.ppm")" = P6 ] || failures=$((failures + 1))
head -c 200000 /dev/urandom 2>/dev/null | run -append exit=acpi -monitor stdio
[ $failures -eq 0 ]
