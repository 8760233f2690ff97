#!/bin/sh
# Format lint: clang-format has nothing to change. Exit status 77 (skipped) without clang-format.
# Usage: format.sh SOURCE-TREE
set -eu
cd "$1"
command -v clang-format >/dev/null || { echo "clang-format is not installed: skipped"; exit 77; }
find base traces mmu cpu devices binxlate vmm hostworld tools guests tests -name '*.[ch]' |
    LC_ALL=C sort | xargs -n 16 -P 2 clang-format --dry-run -Werror --ferror-limit=1
