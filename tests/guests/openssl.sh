#!/bin/sh
# Debian's openssl inside the guest: its assembly has variants for AES-NI, SHA, PCLMULQDQ, AVX2, BMI2, and picks by
# CPUID and XCR0. With all of them, with fewer and with none, the same input must give what the host's openssl says.
#
# Usage: openssl.sh [-y HYPERVISOR] [-e ENGINE] [-k FOLDER] CROSSPAGE     -k: keep the serial log there
# Packages are fetched to out/openssl-amd64. Exit status 77 (skipped) without network or without openssl on the host.
set -eu

hypervisor=none engine=interp keep=
while getopts y:e:k: letter; do
    case $letter in
    y) hypervisor=$OPTARG ;;
    e) engine=$OPTARG ;;
    k) keep=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || { echo "usage: openssl.sh [-y HYPERVISOR] [-e ENGINE] [-k FOLDER] CROSSPAGE" >&2; exit 2; }
command -v openssl >/dev/null || { echo "openssl is not installed: skipped"; exit 77; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

packages=out/openssl-amd64 status=0
tools/fetch-kernel amd64 out/kernel-amd64 || status=$?
[ $status -ne 3 ] || exit 77
[ $status -eq 0 ] || exit 1
mkdir -p "$packages"
exec 9>"$packages/.lock" # of several callers, one unpacks
flock 9
if [ ! -e "$packages/complete" ]; then
    tools/fetch-package -d amd64 "$packages" openssl >"$work/list" || status=$?
    [ $status -ne 3 ] || exit 77
    [ $status -eq 0 ] || exit 1
    rm -rf "$packages/tree"
    mkdir -p "$packages/tree"
    while read -r deb; do dpkg-deb -x "$packages/$deb" "$packages/tree"; done <"$work/list"
    touch "$packages/complete"
fi
exec 9>&-
mkdir "$work/root"
tools/collect-program "$packages/tree" "$work/root" usr/bin/openssl
openssl genrsa -out "$work/root/key.pem" 2048 2>/dev/null
# 100,003 bytes: whole vectors and a rest.
awk 'BEGIN { for (i = 0; i < 11112; i++) printf "%08d\n", i * 7919 % 99999989 }' | head -c 100003 >"$work/root/data"

# The operations, for both sides: each prints one line.
cat >"$work/root/operations" <<'END'
export OPENSSL_CONF=/dev/null
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
half=000102030405060708090a0b0c0d0e0f
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do
    echo "$digest $(openssl dgst -r -$digest data | cut -d ' ' -f 1)"
done
for cipher in aes-128-cbc aes-128-ctr; do
    echo "$cipher $(openssl enc -$cipher -K $half -iv $half -in data | openssl dgst -r -sha256 | cut -d ' ' -f 1)"
done
for cipher in aes-256-cbc aes-256-ctr chacha20; do
    echo "$cipher $(openssl enc -$cipher -K $key -iv $half -in data | openssl dgst -r -sha256 | cut -d ' ' -f 1)"
done
openssl enc -aes-256-cbc -K $key -iv $half -in data | openssl enc -d -aes-256-cbc -K $key -iv $half | cmp - data && echo "decrypted"
echo "gmac $(openssl mac -cipher AES-128-GCM -macopt hexkey:$half -macopt hexiv:000102030405060708090a0b -in data GMAC)"
echo "poly1305 $(openssl mac -macopt hexkey:$key -in data Poly1305)"
echo "rsa $(openssl dgst -sha256 -sign key.pem data | openssl dgst -r -sha256 | cut -d ' ' -f 1)"
END
(cd "$work/root" && sh operations) >"$work/expected"

# Bits of CPUID.1 (ECX above EDX) and CPUID.7.EBX to hide: nothing; SHA; SHA, AES and PCLMULQDQ; AVX2, BMI; all vectors.
cat >"$work/script" <<'END'
export PATH=/usr/bin:/bin
cd /
for mask in ~0x0:~0x0 :~0x20000000 ~0x200000200000000:~0x20000000 ~0x0:~0x20000128 ~0x1200020200000000:~0x20000128; do
    echo "BEGIN $mask"
    OPENSSL_ia32cap=$mask sh operations
    echo "END"
done
END
tools/mkinitramfs -s "$work/script" -x "$work/root" out/kernel-amd64 "$work/initrd"
"$crosspage" run -hypervisor "$hypervisor" -engine "$engine" -cpu x86-64-v3 -m 256 -kernel out/kernel-amd64/vmlinuz \
    -initrd "$work/initrd" -append "console=ttyS0,115200 panic=-1 quiet cryptomgr.notests noisapnp cp.run=script" \
    -serial-pace instant -nographic -no-reboot </dev/null >"$work/serial" 2>&1 || status=$?
[ -z "$keep" ] || cp "$work/serial" "$keep"
failures=0
[ $status -eq 0 ] || { echo "FAIL: exit status $status"; failures=1; }
tr -d '\r' <"$work/serial" >"$work/text"
grep '^BEGIN ' "$work/text" >"$work/masks" || true
[ "$(wc -l <"$work/masks")" -eq 5 ] || { echo "FAIL: not all variants ran"; failures=1; }
while read -r _ mask; do
    awk -v mask="$mask" '/^END$/ { on = 0 } on; $1 == "BEGIN" && $2 == mask { on = 1 }' "$work/text" >"$work/got"
    diff "$work/expected" "$work/got" || { echo "FAIL: OPENSSL_ia32cap=$mask"; failures=$((failures + 1)); }
done <"$work/masks"
[ $failures -eq 0 ] || { tail -n 20 "$work/text"; exit 1; }
echo "ok: openssl, 5 variants of $(wc -l <"$work/expected") operations, engine $engine, hypervisor $hypervisor"
