#!/bin/sh
# Layer lint: who may include whom (the table below), no cycle of includes, private headers stay at home.
# Usage: layers.sh SOURCE-TREE
set -eu
cd "$1"
find base traces mmu cpu devices binxlate vmm hostworld tools guests tests -name '*.[ch]' -o -name '*.def' |
    LC_ALL=C sort | xargs awk '
BEGIN {
    # A folder may include itself and what stands here. tests may include everything.
    allow["base"] = ""
    allow["traces"] = "base"
    allow["mmu"] = "base traces"
    allow["cpu"] = "base traces mmu"
    allow["devices"] = "base traces mmu"
    allow["binxlate"] = "base traces mmu cpu"
    allow["vmm"] = "base traces mmu cpu devices binxlate"
    allow["hostworld"] = "base traces mmu cpu devices binxlate vmm"
    allow["tools"] = "base traces mmu cpu devices binxlate vmm hostworld"
    allow["guests"] = ""
    for (f in allow) {
        folder[f] = 1
        may[f, f] = 1
        n = split(allow[f], list, " ")
        for (i = 1; i <= n; i++) may[f, list[i]] = 1
    }
    folder["tests"] = 1
}
function complain(text) { print FILENAME ":" FNR ": " text; bad = 1 }
FNR == 1 { source = FILENAME; split(source, part, "/"); from = part[1]; known[source] = 1; count[source] = 0 }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    name = $0; sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
    n = split(name, part, "/")
    if (n == 1) {
        # Only folders that are no layer (guests, tests) include by bare name.
        if (from != "guests" && from != "tests") complain("include \"" name "\" without its folder")
        dir = source; sub(/\/[^\/]*$/, "", dir); name = dir "/" name
        to = from
    } else
        to = part[1]
    if (from != "tests") {
        if (!(to in folder)) { if (from in allow) complain("include of \"" name "\", which is in no layer") }
        else if (!((from, to) in may)) complain(from " may not include " to " (\"" name "\")")
        dir = source; sub(/\/[^\/]*$/, "", dir); home = name; sub(/\/[^\/]*$/, "", home)
        if (name ~ /_priv\.h$/ && index(dir "/", home "/") != 1 && index(home "/", dir "/") != 1)
            complain("private header \"" name "\" of another folder")
    }
    edge[source, ++count[source]] = name
}
# Depth-first search: state 1 on the path, 2 done.
function visit(file,    i) {
    state[file] = 1; path[++depth] = file
    for (i = 1; i <= count[file]; i++) {
        next_file = edge[file, i]
        if (!(next_file in known) || state[next_file] == 2) continue
        if (state[next_file] == 1) {
            text = ""
            for (j = depth; j > 0 && path[j] != next_file; j--) text = path[j] " -> " text
            print "include cycle: " next_file " -> " text next_file; bad = 1
            continue
        }
        visit(next_file)
    }
    state[file] = 2; depth--
}
END { for (file in known) if (!state[file]) visit(file); exit bad }'
