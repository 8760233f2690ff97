#!/bin/sh
# Size lint: files of at most 800 lines (tables in .def are exempt), functions of at most 120, counted from the
# line of the name to the closing brace. Relies on the formatter: only a function's braces stand alone in the
# first column. Every source file begins with a comment that says what it is.
# Usage: size.sh SOURCE-TREE
set -eu
cd "$1"
find base traces mmu cpu devices binxlate vmm hostworld tools guests tests -name '*.[chS]' |
    LC_ALL=C sort | xargs awk '
function finish() { if (lines > 800) { print file ": " lines " lines, limit 800"; bad = 1 } }
FNR == 1 {
    finish(); file = FILENAME; start = 0; blank = 1
    if ($0 !~ /^\/\*/) { print file ":1: does not begin with a comment"; bad = 1 }
}
{ lines = FNR }
/^[A-Za-z_]/ && blank { start = FNR }
{ blank = ($0 == "" || $0 ~ /^[}#]/ || $0 ~ /\*\/$/) }
/^\{$/ { body = start ? start : FNR }
/^\}/ {
    if (body && FNR - body + 1 > 120) {
        print file ":" body ": function of " FNR - body + 1 " lines, limit 120"; bad = 1
    }
    body = 0
}
END { finish(); exit bad }'
