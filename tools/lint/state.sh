#!/bin/sh
# State lint: no object of our libraries has anything in a writable section, so two labs in one process cannot
# meet. Constant tables of pointers are fine: they lie in .data.rel.ro.
# Usage: state.sh LIBRARY...
set -eu
status=0
for library; do
    objdump -t "$library" | awk -v library="$(basename "$library")" '
    / file format / { object = $1; sub(/:$/, "", object); next }
    # value, seven flag characters, section, size, name; flag 7: "O" object, "d" section or debugging
    /^[0-9a-f]+ / {
        flags = substr($0, index($0, " ") + 1, 7)
        rest = substr($0, index($0, " ") + 9)
        split(rest, part, /[ \t]+/)
        section = part[1]; name = part[3]; size = part[2]
        if (flags ~ /[dfF]/ || size ~ /^0+$/) next
        if (section ~ /^\.(data|bss|tdata|tbss|ldata|lbss)/ && section !~ /^\.data\.rel\.ro/ || section == "*COM*") {
            print library ": " object ": " name " is mutable (" section ")"; bad = 1
        }
    }
    END { exit bad }' || status=1
done
exit $status
