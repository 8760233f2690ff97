#!/bin/sh
# The same command gives the same run: trace, capture and serial output to the byte, cycles, instructions and
# state hash; in every build of the emulator (release, debug, sanitizers, another compiler), on every host.
#
#     determinism.sh CROSSPAGE NETTEST.ELF [--rebase]
#
# Checks, for the embedded guest:
#   1. each row of runs below gives what nettest.golden says, which is one file for all builds and hosts;
#   2. so do the same command again, with a busy host and low priority, without trace and capture, and with
#      only the reference handlers of the interpreter (-engine interp -fast-paths off), and with the kernel file in
#      another folder.
#
# Traces are hashed unpacked: how zlib packs them is the host's affair. Steps are all of the statistics but the
# host's time. The golden file holds for the guest that one compiler makes; with another compiler's guest only (2)
# is compared, against the first run.
# --rebase writes the golden file anew: a change of costs, devices or CPU moves it, a change of anything else
# must not. Review which rows moved before committing it.
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") rebase=${3:-}
golden=$(cd "$(dirname "$0")" && pwd)/nettest.golden
work=$(mktemp -d)
busy=
# shellcheck disable=SC2086
quiet() { [ -z "$busy" ] || kill $busy 2>/dev/null || true; busy=; }
trap 'quiet; rm -rf "$work"' EXIT INT TERM
# Without debug information, which names the build folder.
objcopy -g "$2" "$work/nettest.elf"
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

hash() { sha256sum | cut -d ' ' -f 1; }
value() { sed -n "s/^  \"$1\": \"\{0,1\}\([0-9a-f]*\).*/\1/p" "$work/stats"; }

# run HYPERVISOR,PROFILE[,TIMING] GUEST-WORDS [OPTION...]: prints the result as words; "-" for a file that was not
# asked for.
run() {
    hypervisor=${1%%,*} profile=${1#*,} timing='' words=$2
    case $profile in *,*) timing="-timing ${profile#*,}" profile=${profile%,*} ;; esac
    shift 2
    rm -f "$work/trace" "$work/pcap" "$work/stats"
    # shellcheck disable=SC2086
    (cd "$work" && $slowly timeout 600 "$crosspage" run -hypervisor "$hypervisor" -profile "$profile" $timing -cpu pentium3 -m 32 \
        -kernel "${folder}nettest.elf" -append "exit=acpi $words" -nic peer,model=pcnet -nographic -no-reboot -quiet -stats stats \
        "$@" </dev/null >serial 2>errors) || { echo "exit status $? $(head -n 3 "$work/errors")"; return; }
    trace=- pcap=-
    [ ! -e "$work/trace" ] || trace=$(gzip -dc "$work/trace" | hash)
    [ ! -e "$work/pcap" ] || pcap=$(hash <"$work/pcap")
    echo "cycles=$(value cycles) instructions=$(value instructions) state=$(value state_hash)" \
        "steps=$(grep -v '_seconds"' "$work/stats" | hash) serial=$(hash <"$work/serial") trace=$trace pcap=$pcap"
}

# same WHAT EXPECTED FOUND
same() {
    [ "$2" = "$3" ] || { fail "$1:"; echo "$2" | tr ' ' '\n' >"$work/a"; echo "$3" | tr ' ' '\n' | diff "$work/a" - || true; }
}

# ---- Rows against the golden file ----

guest=$(hash <"$work/nettest.elf")
compiler=$(readelf -wi "$2" | sed -n 's/.*DW_AT_producer.*): *\(.*clang.*\|GNU C.*\)/\1/p' | LC_ALL=C sort -u | head -n 1)
slowly='' folder='' files="-trace trace -pcap pcap" known=yes
{ read -r golden_compiler; read -r golden_guest; } <"$golden" || true
if [ "$rebase" = --rebase ]; then
    printf '%s\n%s\n' "$compiler" "$guest" >"$golden"
elif [ "$compiler" != "$golden_compiler" ]; then
    echo "the guest is made by $compiler, the golden file's by $golden_compiler: not compared"
    known=no
elif [ "$guest" != "$golden_guest" ]; then
    fail "another guest than nettest.golden's: $0 --rebase"
    known=no
fi
while read -r name kind words; do
    # shellcheck disable=SC2086
    result=$(run "$kind" "$words" $files)
    if [ "$rebase" = --rebase ]; then
        echo "$name $result" >>"$golden"
    elif [ $known = yes ]; then
        same "$name is not as in nettest.golden" "$(sed -n "s/^$name //p" "$golden")" "$result"
    fi
done <<END
send none,pc-733 total=200000 write=4096
receive none,pc-733 mode=recv total=200000 write=4096
send-hosted workstation,pc-733 total=200000 write=4096
send-hosted-350 workstation,pc-350 total=100000 write=1460 descriptors=16
receive-hosted workstation,pc-733 mode=recv total=200000 write=4096
datagrams-hosted workstation,generic-2ghz mode=udp write=1472 total=147200
send-cached none,pc-733,cache total=200000 write=4096
send-cached-hosted workstation,pc-350,cache total=100000 write=4096
END
[ "$rebase" != --rebase ] || exit 0

# ---- The same command in other circumstances ----

words="total=200000 write=4096"
# shellcheck disable=SC2086
for kind in workstation,pc-733 workstation,pc-733,cache; do
    first=$(run $kind "$words" $files)
    # Equal failures would be equal too.
    grep -q '^nettest: done' "$work/serial" || fail "no good end: $first"
    same "the second run differs" "$first" "$(run $kind "$words" $files)"
    bare=$(echo "$first" | sed 's/trace=.*/trace=- pcap=-/')
    same "without trace and capture" "$bare" "$(run $kind "$words")"
    same "interpreter without fast paths" "$bare" "$(run $kind "$words" -engine interp -fast-paths off)"
    folder=$work/
    same "the kernel named with its folder" "$bare" "$(run $kind "$words")"
    folder=''

    # Before the run, but behind the other tests of this host.
    for n in 1 2 3 4 5 6; do
        nice -n 10 timeout 600 sh -c 'while :; do :; done' &
        busy="$busy $!"
    done
    slowly="nice -n 15"
    same "on a busy host" "$first" "$(run $kind "$words" $files)"
    quiet
    slowly=''
done

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
