#!/bin/sh
# The engines are one machine: the same guest in the interpreter and in the translator gives the same output,
# cycles, instructions and state hash (contract E1).
#
#     engines.sh CROSSPAGE GUESTS-FOLDER
#
# The embedded guest and the assembly guests; engine_points.sh does the same to Debian's kernels.
# GUESTS-FOLDER is guests/ of the build folder. Each guest goes under both hypervisors, and through each row of
# `engines` below: the translator as it comes, from the first execution on, without each of its fast paths, with a
# code cache that is flushed often; and the interpreter with its reference handlers only; and with modelled caches
# (-timing cache), with fewer of these. Exit status 77 (skipped) on a host without translator.
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") guests=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0 runs=0

engines="translate translate,threshold=1 translate,threshold=1,cache=1M reference" all=
for path in $(sed -n 's/^PATH([A-Z0-9]*, "\([a-z0-9]*\)".*/\1/p' "$(dirname "$0")/../../binxlate/path.def"); do
    engines="$engines translate,threshold=1,off=$path" all="$all,off=$path"
done
engines="$engines translate,threshold=1$all"

# run ENGINE OPTION...: prints what the run ended with, as words.
run() {
    case $1 in
    reference) engine="-engine interp -fast-paths off" ;;
    *) engine="-engine $1" ;;
    esac
    shift
    status=0
    rm -f "$work/stats"
    # shellcheck disable=SC2086
    timeout 900 "$crosspage" run $engine "$@" -nographic -quiet -stats "$work/stats" >"$work/serial" 2>"$work/errors" \
        </dev/null || status=$?
    [ -e "$work/stats" ] || echo "no-statistics: $(head -n 1 "$work/errors")"
    for name in cycles instructions state_hash; do
        echo "$name=$(sed -n "s/^  \"$name\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$work/stats" 2>/dev/null)"
    done
    echo "status=$status serial=$(sha256sum <"$work/serial" | cut -c 1-16)"
}

# compare NAME END OPTION...: all engines against the interpreter, under both hypervisors. END is in a good run's
# output.
compare() {
    name=$1 end=$2
    shift 2
    for hypervisor in none workstation; do
        compare_under "$name under $hypervisor" "$end" "$engines" "$@" -hypervisor $hypervisor
        compare_under "$name under $hypervisor with caches" "$end" "translate translate,threshold=1 reference" "$@" \
            -hypervisor $hypervisor -timing cache
    done
}

# compare_under NAME END ENGINES OPTION...
compare_under() {
    what=$1 good=$2 others=$3
    shift 3
    want=$(run interp "$@")
    if ! grep -q "$good" "$work/serial"; then
        echo "FAIL: $what has no good end: $want"
        failures=$((failures + 1))
        return
    fi
    for engine in $others; do
        got=$(run "$engine" "$@")
        runs=$((runs + 1))
        [ "$want" = "$got" ] && continue
        echo "FAIL: $what, $engine: not as interpreted"
        echo "$want" >"$work/want"
        echo "$got" | diff "$work/want" - | grep '^[<>]' || true
        failures=$((failures + 1))
    done
}

"$crosspage" run -engine translate -kernel /nonexistent -nographic 2>&1 | grep -q 'cannot run translated code' &&
    { echo "skipped: no translator for this host"; exit 77; }

assembly() {
    cd "$guests/asm" # for images, whose names are words below
    for image in "$guests"/asm/*.elf; do
        name=$(basename "$image" .elf)
        reboot=-no-reboot cpu=x86-64-v2 disk=''
        case $name in
        reset) reboot='' ;;
        apic_timer | talk) continue ;; # one prints nothing, one waits for what is typed
        avx | pcid) cpu=x86-64-v3 ;;
        hot_dma) disk="-drive file=$name.img,format=raw,if=ide,snapshot=on" ;;
        esac
        # shellcheck disable=SC2086
        compare "$name" '^end' -kernel "$image" -m 64 -cpu $cpu $reboot $disk
    done
}

embedded() {
    for words in "total=60000 write=4096" "mode=recv total=60000 write=4096" "mode=udp write=1472 total=30000"; do
        compare "nettest $words" '^nettest: done' -kernel "$guests/nettest/nettest.elf" -cpu pentium3 -m 32 \
            -append "exit=acpi $words" -nic peer,model=pcnet -no-reboot
    done
}

assembly
embedded
echo "$runs runs compared, $failures failures"
[ $failures -eq 0 ]
