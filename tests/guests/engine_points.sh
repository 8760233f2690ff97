#!/bin/sh
# The engines are one machine, looked at closely: Debian guests in the interpreter and in the translator side by side,
# with CPU, memory and devices compared byte for byte at 1,000 points of the run, under both hypervisors; then each
# again in other set-ups of the translator, which must end with the same state hash, cycles and instructions.
#
#     engine_points.sh [-p POINTS] [-l] CROSSPAGE GUESTS-FOLDER [ARCH...]      ARCH: i686, i686-pae, amd64, amd64-v3
#
# GUESTS-FOLDER is guests/ of the build folder. The guest boots and runs the compute set of guests/bench, a little of
# each kernel; with -l (about a minute each) there are two: one that only boots, and one that also runs a tenth of what
# tests/bench/run does, system kernels too, and then each goes through every off switch as well. Kernels are fetched to
# out/kernel-ARCH. Exit status 77 (skipped) without network or on a host without translator.
set -eu

points=1000 long=
while getopts p:l letter; do
    case $letter in
    p) points=$OPTARG ;;
    l) long=yes ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { echo "usage: engine_points.sh [-p POINTS] [-l] CROSSPAGE GUESTS-FOLDER [ARCH...]" >&2; exit 2; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") guests=$(cd "$2" && pwd)
shift 2
[ $# -gt 0 ] || set -- i686 amd64
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0 runs=0

"$crosspage" run -engine translate -kernel /nonexistent -nographic 2>&1 | grep -q 'cannot run translated code' &&
    { echo "skipped: no translator for this host"; exit 77; }

engines="translate,threshold=1,cache=1M"
[ -z "$long" ] || for path in $(sed -n 's/^PATH([A-Z0-9]*, "\([a-z0-9]*\)".*/\1/p' binxlate/path.def); do
    engines="$engines translate,off=$path"
done

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# run ENGINE HYPERVISOR [OPTION...]: status in $status, output in serial and errors.
run() {
    engine=$1 hypervisor=$2 status=0
    shift 2
    timeout 900 "$crosspage" run -engine "$engine" -hypervisor "$hypervisor" -cpu "$cpu" -m "$memory" -kernel "$kernel/vmlinuz" \
        -initrd "$work/initrd" -append "console=ttyS0,115200 quiet panic=-1 cryptomgr.notests noisapnp cp.run=$job" \
        -nographic -no-reboot "$@" >"$work/serial" 2>"$work/errors" </dev/null || status=$?
}

# side_by_side NAME HYPERVISOR: at the points; sets $end to how both ended.
side_by_side() {
    run check,points="$points" "$2"
    runs=$((runs + 1))
    if [ $status -ne 0 ] || ! grep -q 'all equal' "$work/errors"; then
        fail "$1 under $2: the engines differ"
        tail -n 80 "$work/errors"
    elif ! grep -q 'crosspage-guest: done' "$work/serial" || grep -q '^BENCH.* fail' "$work/serial"; then
        fail "$1 under $2 has no good end"
        tail -n 20 "$work/serial"
    fi
    echo "$1 under $2:" "$(sed -n 's/^crosspage: \(.*compared in.*\)/\1/p' "$work/errors")"
    end=$(sed -n 's/.*compared in \([0-9]*\) cycles.*/\1/p; s/.*after \([0-9]*\) inst.*hash \([0-9a-f]*\)/\1 \2/p' "$work/errors")
    # shellcheck disable=SC2086,SC2116 # one line
    end=$(echo $end)
}

# compare NAME: side by side, then the other set-ups.
compare() {
    for hypervisor in none workstation; do
        side_by_side "$1" $hypervisor
        for engine in $engines; do
            run "$engine" $hypervisor -quiet -stats "$work/stats"
            got=$(for name in cycles instructions state_hash; do
                sed -n "s/^  \"$name\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$work/stats"
            done)
            # shellcheck disable=SC2086,SC2116 # one line
            got=$(echo $got)
            runs=$((runs + 1))
            [ "$got" = "$end" ] || fail "$1 under $hypervisor, $engine: ends with $got, not $end"
        done
    done
}

# list DIVISOR SET: what the benchmark program is to run.
list() {
    "$program" list | awk -v by="$1" -v sets="$2" '
        index(sets, $2) { n = int($3 / by); printf "%s%s:%d", comma, $1, n < 1 ? 1 : n; comma = "," }'
}

for arch; do
    cpu=pentium3 memory=96 kernel=out/kernel-${arch%-v3} status=0
    case $arch in
    amd64) cpu=x86-64-v2 memory=128 ;;
    amd64-v3) cpu=x86-64-v3 memory=128 ;;
    esac
    tools/fetch-kernel "${arch%-v3}" "$kernel" >"$work/fetch" 2>&1 || status=$?
    [ $status -ne 3 ] || { cat "$work/fetch"; exit 77; }
    [ $status -eq 0 ] || { cat "$work/fetch"; exit 1; }
    program=$guests/bench/bench-$(cat "$kernel/debarch")
    rm -rf "$work/root"
    mkdir -p "$work/root/bench"
    cp "$program" "$work/root/bench/bench"
    if [ -n "$long" ]; then kernels=$(list 10 COMPUTE,SYSTEM); else kernels=$(list 200 COMPUTE); fi
    echo "/bench/bench run $kernels" >"$work/script"
    tools/mkinitramfs -n "$guests/linux/nettest-$(cat "$kernel/debarch")" -s "$work/script" -x "$work/root" "$kernel" \
        "$work/initrd"
    if [ -n "$long" ]; then
        job=none
        compare "boot of $arch"
    fi
    job=script
    compare "boot and compute set of $arch"
done
echo "$runs runs compared, $failures failures"
[ $failures -eq 0 ]
