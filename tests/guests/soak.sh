#!/bin/sh
# The translator for a long time: does it go on, does it grow, does it stay equal to the interpreter?
#
#     soak.sh [-t SECONDS] [-s SEED] CROSSPAGE GUESTS-FOLDER [ARCH...]      ARCH: i686, amd64 (default: both)
#
# Two things go on at once, for SECONDS (3600):
#
#   one guest that never ends, in one process: stress-ng (all CPU methods, verified), the benchmark's compute and
#   system kernels, over and over, through a code cache so small that it is dropped all the time. Every five seconds
#   the process is looked at: its own memory (RssAnon of /proc/PID/status), mappings and open files must not grow after
#   the first fifth; its console must not fall silent. Each ARCH has its share of the time. Decoded blocks and the soft
#   TLB fill pools of a fixed size, which takes minutes: in a share below ten, memory may grow by those;
#
#   one guest after the other, drawn at random: kernel, hypervisor, what it runs, threshold, size of the code cache and
#   which fast paths are off. Either whole, and then cycles, instructions and state hash must be the interpreter's; or a
#   window of it under -engine check.
#
# The seed is printed; with it the draws come again. Ends with a verdict; exit status 0 or 1. Kernels and packages are
# fetched to out/. Exit status 77 (skipped) without network or on a host without translator.
set -eu

seconds=3600 seed=$(date +%s)
while getopts t:s: letter; do
    case $letter in
    t) seconds=$OPTARG ;;
    s) seed=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { echo "usage: soak.sh [-t SECONDS] [-s SEED] CROSSPAGE GUESTS-FOLDER [ARCH...]" >&2; exit 2; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") guests=$(cd "$2" && pwd)
shift 2
[ $# -gt 0 ] || set -- i686 amd64
arches=$* arch_count=$#
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
lasting='' pid=''
end_all() {
    # The lasting guest's process, then the shell that watches it.
    [ ! -s "$work/pid" ] || kill "$(cat "$work/pid")" 2>/dev/null || true
    [ -z "$lasting" ] || kill "$lasting" 2>/dev/null || true
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 1' INT TERM
begin=$(date +%s) failures=0
deadline=$((begin + seconds))
paths=$(sed -n 's/^PATH([A-Z0-9]*, "\([a-z0-9]*\)".*/\1/p' binxlate/path.def | tr '\n' ' ')
echo "soak: $seconds s, seed $seed"

"$crosspage" run -engine translate -kernel /nonexistent -nographic 2>&1 | grep -q 'cannot run translated code' &&
    { echo "skipped: no translator for this host"; exit 77; }

# ---- Draws ----

# draw N: sets $drawn to 0 .. N-1.
draw() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 4096 % $1))
}

# draw_word WORD...
draw_word() {
    draw $#
    shift "$drawn"
    drawn=$1
}

# Options of the translator, as $options.
draw_options() {
    draw_word 1 1 2 24 200
    options=,threshold=$drawn
    draw_word 1M 1M 2M 8M 128M
    options=$options,cache=$drawn
    for path in $paths; do
        draw 6
        [ "$drawn" -ne 0 ] || options=$options,off=$path
    done
}

# ---- Guests ----

# list DIVISOR SET: what the benchmark program is to run.
list() {
    "$program" list | awk -v by="$1" -v set="$2" '
        $2 == set { n = int($3 / by); printf "%s%s:%d", comma, $1, n < 1 ? 1 : n; comma = "," }'
}

# prepare ARCH: kernel and initramfs.
prepare() {
    status=0
    tools/fetch-kernel "$1" "out/kernel-$1" >"$work/fetch" 2>&1 || status=$?
    [ $status -ne 3 ] || { cat "$work/fetch"; exit 77; }
    [ $status -eq 0 ] || { cat "$work/fetch"; exit 1; }
    debarch=$(cat "out/kernel-$1/debarch")
    program=$guests/bench/bench-$debarch
    mkdir -p "$work/root-$1/bench"
    cp "$program" "$work/root-$1/bench/bench"
    tests/guests/stress_ng_root.sh "$debarch" "$work/root-$1" || exit $?
    cat >"$work/script" <<END
bench() { /bench/bench run "\$1"; }
stress() { /usr/bin/stress-ng --cpu 1 --cpu-method all --verify --cpu-ops "\$1" --no-rand-seed --metrics-brief; }
case \$(busybox cat /proc/cmdline) in
*cp.soak=boot*) ;;
*cp.soak=compute*) bench $(list 200 COMPUTE) ;;
*cp.soak=system*) bench $(list 100 SYSTEM) ;;
*cp.soak=stress*) stress 6 ;;
*cp.soak=endless*)
    while :; do
        bench $(list 100 COMPUTE)
        bench $(list 20 SYSTEM)
        stress 10 || exit 1
    done ;;
esac
END
    tools/mkinitramfs -n "$guests/linux/nettest-$debarch" -s "$work/script" -x "$work/root-$1" "out/kernel-$1" \
        "$work/initrd-$1"
}

# guest ENGINE ARCH HYPERVISOR JOB OPTION...: runs it in place of this shell, behind $limit.
limit=
guest() {
    case $2 in amd64) cpu=x86-64-v2 ;; *) cpu=pentium3 ;; esac
    engine=$1 arch=$2 hypervisor=$3 job=$4
    shift 4
    # shellcheck disable=SC2086 # words or nothing
    exec $limit "$crosspage" run -engine "$engine" -hypervisor "$hypervisor" -cpu $cpu -m 192 -kernel "out/kernel-$arch/vmlinuz" \
        -initrd "$work/initrd-$arch" -append "console=ttyS0,115200 quiet panic=-1 cryptomgr.notests noisapnp cp.run=script cp.soak=$job" \
        -nographic -no-reboot "$@" </dev/null
}

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# ---- The guest that never ends ----

# look PID: own memory in kilobytes, mappings, open files.
look() {
    echo "$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status")" "$(wc -l <"/proc/$1/maps")" \
        "$(find "/proc/$1/fd" -mindepth 1 | wc -l)"
}

# grown FIRST LAST UNIT ALLOWED: fails if LAST is more than FIRST + ALLOWED.
grown() {
    echo "    $3: $1 after a fifth of the time, then at most $2"
    [ "$2" -le $(($1 + $4)) ] || fail "the process grows"
}

# endless ARCH HYPERVISOR OPTIONS SECONDS
endless() {
    silent=0 size=0 first='' memory=0 mappings=0 files=0 started=$(date +%s)
    (guest "translate$3" "$1" "$2" endless -quiet >"$work/lasting" 2>"$work/lasting-errors") &
    pid=$!
    echo $pid >"$work/pid"
    while [ $(($(date +%s) - started)) -lt "$4" ]; do
        sleep 5
        [ -e /proc/$pid/maps ] || break
        # shellcheck disable=SC2046 # three words
        set -- "$1" "$2" "$3" "$4" $(look $pid)
        if [ $(($(date +%s) - started)) -lt $(($4 / 5)) ] || [ -z "$first" ]; then
            first="$5 $6 $7" memory=0 mappings=0 files=0
        fi
        [ "$5" -le "$memory" ] || memory=$5
        [ "$6" -le "$mappings" ] || mappings=$6
        [ "$7" -le "$files" ] || files=$7
        now=$(wc -c <"$work/lasting") silent=$((silent + 5))
        [ "$now" -eq "$size" ] || silent=0
        size=$now
        [ $silent -lt 300 ] || { fail "the guest is silent for $silent s"; break; }
    done
    echo "one guest for $(($(date +%s) - started)) s, $1 under $2, translate$3: $(grep -c successful "$work/lasting") rounds"
    [ -e /proc/$pid/maps ] || { fail "it ended"; tail -n 20 "$work/lasting" "$work/lasting-errors"; }
    kill $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    rm -f "$work/pid"
    if grep -qi 'stress-ng: *\(fail\|error\)\|^BENCH.* fail\|panic' "$work/lasting"; then
        fail "the guest found errors"
        grep -i 'fail\|error\|panic' "$work/lasting" | head -n 20
    fi
    # shellcheck disable=SC2086 # words
    set -- "$4" $first
    if [ "$1" -ge 600 ]; then growth=4096; else growth=81920; fi
    shift
    grown "${1:-0}" "$memory" "kB of its own memory" $growth
    grown "${2:-0}" "$mappings" "mappings" 8
    grown "${3:-0}" "$files" "open files" 0
}

# All ARCHes in turn; prints, and leaves the number of failures.
endless_all() {
    share=$((seconds / arch_count)) hypervisor=workstation
    for arch in $arches; do
        endless "$arch" $hypervisor ,threshold=1,cache=1M $share
        hypervisor=none
    done
    echo $failures >"$work/failures"
}

# ---- Guests at random ----

# ended: what the statistics say.
ended() {
    for name in cycles instructions state_hash; do
        sed -n "s/^  \"$name\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$work/stats"
    done | tr '\n' ' '
}

# one GUEST...: sets $status; 124 when time was over before it ended.
one() {
    status=0 left=$((deadline - $(date +%s)))
    [ $left -gt 0 ] || { status=124; return 0; }
    limit="timeout $left"
    (guest "$@" >"$work/serial" 2>"$work/errors") || status=$?
}

# whole ENGINE ARCH HYPERVISOR JOB: sets $end.
whole() {
    rm -f "$work/stats"
    one "$@" -quiet -stats "$work/stats"
    [ $status -ne 124 ] || return 0
    if [ $status -ne 0 ] || ! grep -q 'crosspage-guest: done' "$work/serial"; then
        fail "$* ended with status $status"
        tail -n 20 "$work/serial" "$work/errors"
    fi
    end=$(ended)
}

whole_count=0 window_count=0 states=0
one_whole() {
    want=$work/end-$1-$2-$3
    if [ ! -e "$want" ]; then
        whole interp "$@"
        [ $status -ne 124 ] || return 0
        echo "$end" >"$want"
    fi
    whole "translate$options" "$@"
    [ $status -ne 124 ] || return 0
    whole_count=$((whole_count + 1))
    [ "$end" = "$(cat "$want")" ] || fail "$* with translate$options: ends with $end, interpreted $(cat "$want")"
}

one_window() {
    draw 40
    length=$((drawn + 5))
    draw_word 1009 20011 100003 1000003
    [ "$drawn" -gt 10000 ] || length=$((length / 5 + 1))
    options=$options,every=$drawn
    one "check$options" "$@" -stop-after $((length / 10)).$((length % 10))
    [ $status -ne 124 ] || return 0
    window_count=$((window_count + 1))
    states=$((states + $(sed -n 's/^crosspage: \([0-9]*\) states.*/\1/p' "$work/errors" || echo 0)))
    if [ $status -ne 0 ] || ! grep -q 'all equal' "$work/errors"; then
        fail "$* with check$options"
        tail -n 80 "$work/errors"
    fi
}

for arch in $arches; do
    prepare "$arch"
done
endless_all >"$work/endless" 2>&1 &
lasting=$!
while [ "$(date +%s)" -lt $deadline ]; do
    # shellcheck disable=SC2086 # words
    draw_word $arches
    arch=$drawn
    draw_word none workstation
    hypervisor=$drawn
    draw_word boot boot compute compute system system stress
    job=$drawn
    draw_options
    draw 3
    if [ "$drawn" -eq 0 ]; then one_window "$arch" "$hypervisor" "$job"; else one_whole "$arch" "$hypervisor" "$job"; fi
done
wait $lasting || true
lasting=''
cat "$work/endless"
failures=$((failures + $(cat "$work/failures" 2>/dev/null || echo 1)))
echo "soak: $(($(date +%s) - begin)) s; $whole_count guests as interpreted, $window_count windows with $states states compared: $failures failures"
[ $failures -eq 0 ]
