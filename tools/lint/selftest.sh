#!/bin/sh
# The lints find what they are for: a small tree with one violation of each kind, each of which must be reported
# by the right lint, and the same tree without them, which must pass.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT INT TERM
cd "$tree"
failures=0

fresh() {
    rm -rf ./*
    for folder in base traces mmu cpu devices binxlate vmm hostworld tools guests tests; do mkdir $folder; done
    cp "$here/../../.clang-format" .
    printf '/* A. */\n#ifndef A_H\n#define A_H\nint a(void);\n#endif\n' >base/a.h
    printf '/* B. */\n#include "base/a.h"\nint a(void)\n{\n    return 0;\n}\n' >base/a.c
    printf '/* C. */\n#include "base/a.h"\n#include "cpu/c_priv.h"\n' >cpu/c.c
    printf '/* D. */\n' >cpu/c_priv.h
}

# expect LINT TEXT: the lint must fail and say TEXT; with an empty TEXT it must pass.
expect() {
    if output=$("$here/$1.sh" "$tree" 2>&1); then ok=yes; else ok=no; fi
    if [ -z "$2" ] && [ $ok = no ] || { [ -n "$2" ] && { [ $ok = yes ] || ! echo "$output" | grep -q "$2"; }; }; then
        echo "FAIL: $1, expected '$2', got: $output"
        failures=$((failures + 1))
    fi
    [ -z "$2" ] || fresh
}

fresh
for lint in layers size conditionals format; do expect $lint ""; done
echo '#include "cpu/c.h"' >>base/a.c && expect layers "base may not include cpu"
echo '#include "devices/x.h"' >>cpu/c.c && expect layers "cpu may not include devices"
echo '#include "devices/x.h"' >>binxlate/a.c && expect layers "binxlate may not include devices"
printf '/* */\n#include "cpu/c_priv.h"\n' >vmm/v.c && expect layers "private header"
echo '#include "a.h"' >>base/a.c && expect layers "without its folder"
echo '#include "base/b.h"' >>base/a.h && echo '#include "base/a.h"' >base/b.h && expect layers "include cycle"
echo 'int x;' >vmm/v.c && expect size "does not begin with a comment"
{ echo '/* */'; yes '' | head -n 800; } >vmm/v.c && expect size "801 lines"
{ printf '/* */\n\nint f(void)\n{\n'; yes '    f();' | head -n 118; echo '}'; } >vmm/v.c && expect size "121 lines"
{ printf '/* */\n\nint f(void)\n{\n'; yes '    f();' | head -n 117; echo '}'; } >vmm/v.c && expect size ""
fresh
printf '#ifdef A\n#endif\n#ifdef B\n#endif\n#ifdef C\n#endif\n' >>base/a.c && expect conditionals "3 conditionals"
printf '#ifdef __linux__\n#endif\n' >>base/a.c && expect conditionals "asks for the host"
printf '#ifdef __linux__\n#endif\n' >>base/host_a.c && expect conditionals ""
fresh
echo 'int   f( void );' >>base/a.h && expect format "clang-format"

state() {
    echo "/* */ $1" >s.c
    cc -c -O1 -fPIC s.c -o s.o
    ar rc libs.a s.o
    if output=$("$here/state.sh" libs.a); then result=clean; else result=mutable; fi
    rm -f s.o libs.a
    [ $result = "$2" ] || { echo "FAIL: state: '$1' is $result: $output"; failures=$((failures + 1)); }
}
state 'int f(void) { static int n; return ++n; }' mutable
state 'int n = 3;' mutable
state 'int n;' mutable
state '_Thread_local int n;' mutable
state 'static const char *const names[] = {"a"}; const char *f(int i) { return names[i]; }' clean
state 'const int table[] = {1, 2}; int f(void) { return table[0]; }' clean

[ $failures -eq 0 ] && echo "lint self-test: all found"
exit $((failures > 0))
