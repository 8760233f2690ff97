"""Where the host's time goes: the demo's guest on bare metal and under the monitor, sampled by perf, samples grouped by what the
code is for.

A sample's function is found by its address, its purpose by the source file of that function."""

import bisect
import re
import shutil
import subprocess

from bench_guest import Problem, helper

RATE = 5000 # samples per second of CPU time

# The first row whose pattern fits the source file, from the top of the tree.
ROWS = [
    ("guest code, translated", r"^\[translated\]$"),
    ("dispatcher, jump cache", r"^binxlate/(dispatch|jump_cache)"),
    ("translating", r"^binxlate/"),
    ("finding and decoding blocks", r"^cpu/(code|decode|block|fetch|insn)"),
    ("instructions interpreted", r"^cpu/"),
    ("soft TLB, page walks", r"^mmu/"),
    ("chips and board", r"^(devices/|vmm/(board|devices|firmware))"),
    ("monitor", r"^vmm/(hv_|vm\.|exit|hypervisor)"),
    ("shadow page tables", r"^vmm/(shadow|pmap)"),
    ("charging, time line", r"^(vmm/(host|cost)|traces/)"),
    ("host's world, wire, peer", r"^hostworld/"),
    ("loading, options, the rest", r"^(vmm|tools|base)/"),
    ("libraries", r"^\[library\]$"),
    ("host kernel", r"^\[kernel\]$"),
]


class Symbols:
    """The functions of a program by address, each with its source file from the top of the tree."""

    def __init__(self, binary):
        folders = "base|traces|mmu|cpu|devices|binxlate|vmm|hostworld|tools"
        place = re.compile(rf".*\b((?:{folders})/[^\t:]*):\d+$")
        self.at = []
        for line in helper("nm", "-l", "-n", "--defined-only", binary).splitlines():
            symbol, _, source = line.partition("\t")
            words, found = symbol.split(), place.match(source)
            if len(words) >= 3 and words[1] in "tTwW":
                self.at.append((int(words[0], 16), found[1] if found else "tools/?"))

    def file(self, address):
        return self.at[bisect.bisect_right(self.at, (address, "~")) - 1][1]


def check():
    if shutil.which("perf") is None:
        raise Problem("perf is not installed (apt-get install linux-perf)")


def sample(command, data):
    """Samples by place: a source file, or one of the brackets above. Times the whole process."""
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(RATE), "-o", str(data), *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Problem(f"perf record: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    symbols, samples = Symbols(command[0]), {}
    report = helper("perf", "report", "-v", "-i", data, "--stdio", "-n", "-t", "|", "--sort", "dso,symbol")
    for line in report.splitlines():
        words = [word.strip() for word in line.split("|")]
        if line.startswith("#") or len(words) < 4:
            continue
        place = place_of(words[2], words[3], symbols, command[0])
        samples[place] = samples.get(place, 0) + int(words[1])
    return samples


def place_of(dso, symbol, symbols, binary):
    if "[k]" in symbol:
        return "[kernel]"
    if dso.endswith(binary.split("/")[-1]):
        return symbols.file(int(symbol.split()[0], 16))
    return "[translated]" if "memfd:" in dso or dso.startswith(("anon", "//anon")) else "[library]"


def group(samples):
    """Seconds by row."""
    seconds = {name: 0 for name, _ in ROWS}
    for place, count in samples.items():
        row = next(name for name, pattern in ROWS if re.match(pattern, place))
        seconds[row] += count / RATE
    return seconds


def table(title, ways):
    """Markdown. `ways` is {way: {row: seconds}}, of two."""
    (first, a), (second, b) = ways.items()
    lines = [title, "", f"| ms | {first} | {second} | more |", "|---|---|---|---|"]
    for row in [name for name, _ in ROWS] + ["all"]:
        x, y = (sum(times.values()) if row == "all" else times[row] for times in (a, b))
        lines.append(f"| {row} | {1000 * x:.0f} | {1000 * y:.0f} | {1000 * (y - x):+.0f} |")
    return "\n".join(lines)
