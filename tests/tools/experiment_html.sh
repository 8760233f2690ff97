#!/bin/sh
# The report and the pictures that `crosspage experiment -o` leaves: pictures are well-formed and hold no script, the page is one file; what
# experiment_html.py does with it in a browser. Exit status 77 (skipped) without chromium.
#
# Usage: experiment_html.sh CROSSPAGE NETTEST.ELF [FOLDER for pictures]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
pictures=${3:+$(cd "$3" && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"

"$crosspage" experiment table1 fig6 network optimizations counterfactual -set total=50k -vary write=1k,2k,4k -against switch.cr3=0us \
    -o lab -quiet -kernel "$elf" >/dev/null
"$crosspage" experiment sensitivity -set total=50k -set hypervisor=none -of latency_us -o tornado -quiet -kernel "$elf" >/dev/null
"$crosspage" experiment fig5 table1 network optimizations -set total=50k -o plain -quiet -kernel "$elf" >/dev/null
# A setting is a stranger's string: this one fails as a run, and is shown.
evil='<img/src=x/onerror=injected=1></script><script>injected=1'
"$crosspage" experiment sweep -set total=50k -vary "hypervisor=workstation,$evil" -o hostile -quiet -kernel "$elf" >/dev/null 2>&1 || true
for file in lab/report.html lab/fig6.svg plain/fig5.svg plain/table1.svg plain/table1-2.svg plain/network.svg plain/network-4.svg plain/optimizations.svg \
    tornado/sensitivity.svg hostile/report.html; do
    [ -s "$file" ] || { echo "FAIL: there is no $file"; exit 1; }
done
python3 - ./*/*.svg <<'END'
import sys
import xml.etree.ElementTree as tree
for path in sys.argv[1:]:
    names = {node.tag.split("}")[1] for node in tree.parse(path).iter()}
    assert names <= {"svg", "title", "style", "rect", "text", "line", "path", "circle", "polyline", "g"}, (path, names)
    text = open(path, encoding="utf-8").read()
    assert "nan" not in text and "inf\"" not in text, path
END
for page in */report.html; do
    [ "$(grep -o '</script' "$page" | wc -l)" -eq 2 ] || { echo "FAIL: $page: a string ends a script"; exit 1; }
done
PATH=$(dirname "$crosspage"):$PATH PYTHONDONTWRITEBYTECODE=1 python3 "$here/experiment_html.py" lab plain tornado hostile ${pictures:+"$pictures"}
