#!/bin/sh
# Preprocessor lint: differences between hosts live in base/host_* and in the back ends of the translator, CMake
# picks files; elsewhere a file has at most two conditionals besides its include guard, and none that asks for
# the host's system or processor (tests may: some compare with the host CPU).
# Usage: conditionals.sh SOURCE-TREE
set -eu
cd "$1"
find base traces mmu cpu devices binxlate vmm hostworld tools tests -name '*.[ch]' -o -name '*.def' |
    grep -v '^base/host_\|^binxlate/x64/\|^binxlate/a64/' | LC_ALL=C sort | xargs awk '
function finish() { if (count > 2) { print file ": " count " conditionals, limit 2"; bad = 1 } }
FNR == 1 { finish(); file = FILENAME; count = 0; guard = "" }
/^[ \t]*#[ \t]*ifndef[ \t]/ && guard == "" && FILENAME ~ /\.h$/ { guard = $2; next }
/^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)/ {
    # A .def asks whether its includer wants a kind of row: that is expansion, not configuration.
    if (FILENAME ~ /\.def$/) next
    count++
    if (FILENAME !~ /^tests\// && $0 ~ /__(linux|x86_64|i386|aarch64|APPLE|GNUC|clang|unix|BYTE_ORDER|FreeBSD|OpenBSD|NetBSD|ANDROID)|_WIN32|_MSC_VER/) {
        print FILENAME ":" FNR ": asks for the host: " $0; bad = 1
    }
}
END { finish(); exit bad }'
