#!/bin/sh
# Debian's stress-ng inside the guest: every method of its CPU stressor once, results verified. Finds wrong
# arithmetic that no unit test thought of. A minute each; the suite has one.
#
# Usage: stress_ng.sh [-y HYPERVISOR] [-o OPS] [-e ENGINE] CROSSPAGE [ARCH...]     ARCH: i686, amd64 (default: both), or
# amd64-v3: a CPU with AVX2, and the stressors whose code has variants for it.
# Packages are fetched to out/stress-ng-DEBARCH. Exit status 77 (skipped) without network.
set -eu

hypervisor=none ops= engine=interp
while getopts y:o:e: letter; do
    case $letter in
    y) hypervisor=$OPTARG ;;
    o) ops=$OPTARG ;;
    e) engine=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { echo "usage: stress_ng.sh [-y HYPERVISOR] [-o OPS] [-e ENGINE] CROSSPAGE [ARCH...]" >&2; exit 2; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
[ $# -gt 0 ] || set -- i686 amd64
cd "$(dirname "$0")/../.."
nettest=$(dirname "$crosspage")/../guests/linux/nettest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

failures=0
for arch; do
    case $arch in
    i686) debarch=i386 cpu=pentium3 kernel=i686 ;;
    amd64) debarch=amd64 cpu=x86-64-v2 kernel=amd64 ;;
    amd64-v3) debarch=amd64 cpu=x86-64-v3 kernel=amd64 ;;
    *) echo "stress_ng: unknown ARCH $arch" >&2; exit 2 ;;
    esac
    status=0
    tools/fetch-kernel "$kernel" "out/kernel-$kernel" || status=$?
    [ $status -ne 3 ] || exit 77
    [ $status -eq 0 ] || exit 1
    rm -rf "$work/root"
    tests/guests/stress_ng_root.sh "$debarch" "$work/root" || exit $?
    cat >"$work/script" <<END
# One operation is one method: at least as many as there are words in the list of them.
ops=$ops
[ -n "\$ops" ] || ops=\$(/usr/bin/stress-ng --cpu-method which 2>&1 | busybox wc -w)
echo "operations: \$ops"
/usr/bin/stress-ng --cpu 1 --cpu-method all --verify --cpu-ops \$ops --no-rand-seed --metrics-brief
END
    # Compiled for several levels of the ISA, of which they take the best, or string functions that the C library has for
    # each.
    [ "$arch" != amd64-v3 ] || cat >>"$work/script" <<END
for stressor in vecmath vecwide vecfp vecshuf str wcs memcpy matrix funccall rdrand; do
    /usr/bin/stress-ng --\$stressor 1 --\$stressor-ops 60 --verify --no-rand-seed --metrics-brief || exit 1
done
END
    tools/mkinitramfs -n "$nettest-$debarch" -s "$work/script" -x "$work/root" "out/kernel-$kernel" "$work/initrd"
    "$crosspage" run -hypervisor "$hypervisor" -engine "$engine" -cpu $cpu -m 256 -kernel "out/kernel-$kernel/vmlinuz" \
        -initrd "$work/initrd" -append "console=ttyS0,115200 panic=-1 quiet cryptomgr.notests noisapnp cp.run=script" -nic peer,model=pcnet \
        -nographic -no-reboot </dev/null >"$work/serial" 2>&1 || status=$?
    if [ $status -eq 0 ] && grep -q 'successful run completed' "$work/serial" &&
        grep -q 'crosspage-guest: done' "$work/serial" && ! grep -qi 'stress-ng: *\(fail\|error\)' "$work/serial"; then
        echo "ok: stress-ng $debarch, hypervisor $hypervisor," "$(tr -d '\r' <"$work/serial" | grep '^operations')"
    else
        echo "FAIL: stress-ng $debarch, hypervisor $hypervisor: exit status $status"
        tail -n 40 "$work/serial"
        failures=$((failures + 1))
    fi
done
[ $failures -eq 0 ]
