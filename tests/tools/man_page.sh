#!/bin/sh
# The manual page names every option that the program lists, and no other.
#
# Usage: man_page.sh CROSSPAGE CROSSPAGE.1
set -eu

crosspage=$1 page=$2
failures=0
plain=$(sed 's/\\-/-/g; s/\\f[A-Z]/ /g' "$page")
known=" name " # of the sentence about spelling
for command in run report experiment costs disasm; do
    for option in $("$crosspage" help $command | sed -n 's/^  -\([a-zA-Z-]*\) .*/\1/p'); do
        known="$known$option "
        if ! printf '%s\n' "$plain" | grep -q -e "[ \"]-$option\>"; then
            failures=$((failures + 1))
            echo "FAIL: the manual page lacks -$option of $command"
        fi
    done
done
for option in $(printf '%s\n' "$plain" | grep -o -e '[ "]-[a-zA-Z][a-zA-Z-]*' | sed 's/^..//' | sort -u); do
    case $known in *" $option "*) continue ;; esac
    failures=$((failures + 1))
    echo "FAIL: the manual page has -$option, which no command takes"
done
echo "$(echo $known | wc -w) options, $failures failures"
[ $failures -eq 0 ]
