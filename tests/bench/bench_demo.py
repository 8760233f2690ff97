"""The demo's guest, the ways to run it, and what comes of comparing them.

The document: {"format": 1, guest, engine, same: {way: {cycles, instructions, state_hash, trace}}, bytes: {file: size},
ways: {way: {user, system, wall: [seconds], peak_kb}}, ratios: {name: {of, limit, aim, cpu, wall: {best, median, low, high}}}}."""

import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import bench_guest
import bench_profile
from bench_guest import Problem, TREE, helper

ARCHES = {
    # CPU model, memory in MB: as tools/demo has them
    "i686": ("pentium3", 128),
    "i686-pae": ("pentium3", 128),
    "amd64": ("x86-64-v2", 192),
}

WAYS = {
    # way: hypervisor, files written
    "none": ("none", ()),
    "workstation": ("workstation", ()),
    "trace": ("workstation", ("trace",)),
    "trace+pcap": ("workstation", ("trace", "pcap")),
}
REPORT = "report"

RATIOS = {
    # name: dividend, divisor, limit, aim
    "monitor": ("workstation", "none", 2.0, None),
    "trace": ("trace", "workstation", 1.10, 1.03),
    "trace+pcap": ("trace+pcap", "workstation", None, None),
    "report": (REPORT, "workstation", None, None),
}

SILENCE = 600 # seconds after which a run is given up


class Guest:
    """The demo's guest and the command that runs it."""

    def __init__(self, arch, embedded, total, build, out):
        self.binary, self.out = build / "tools/crosspage", out
        if not os.access(self.binary, os.X_OK):
            raise Problem(f"{self.binary} is not built (cmake --preset release && cmake --build build/release)")
        if embedded:
            self.name, self.done = "guests/nettest", b"nettest: done"
            self.words = self.embedded(build, total)
        else:
            self.done = b"crosspage-guest: done"
            self.words = self.debian(arch, build, total)

    def embedded(self, build, total):
        model, memory = ARCHES["i686"]
        return ["-cpu", model, "-m", str(memory), "-kernel", str(build / "guests/nettest/nettest.elf"), "-append",
                f"mode=send total={total} write=4096 ip=10.0.0.1 peer=10.0.0.2 exit=acpi"]

    def debian(self, arch, build, total):
        folder, initramfs = TREE / "out" / f"kernel-{arch}", self.out / f"initramfs-{arch}"
        helper(TREE / "tools/fetch-kernel", arch, folder)
        self.name = f"Debian {arch}, Linux {(folder / 'release').read_text().strip()}"
        debarch = (folder / "debarch").read_text().strip()
        helper(TREE / "tools/mkinitramfs", "-n", build / "guests/linux" / f"nettest-{debarch}", folder, initramfs)
        model, memory = ARCHES[arch]
        return ["-cpu", model, "-m", str(memory), "-kernel", str(folder / "vmlinuz"), "-initrd", str(initramfs), "-append",
                "console=ttyS0,115200 panic=-1 cryptomgr.notests noisapnp cp.run=nettest "
                f"cp.total={total} cp.write=4096 cp.ip=10.0.0.1/24 cp.peer=10.0.0.2"]

    def path(self, kind):
        return self.out / f"demo.{kind}"

    def command(self, way, engine, *more):
        hypervisor, files = WAYS[way]
        outputs = [word for kind in files for word in (f"-{kind}", str(self.path(kind)))]
        return [str(self.binary), "run", "-engine", engine, "-profile", "pc-733", "-hypervisor", hypervisor, *self.words,
                "-nic", "peer,model=pcnet", "-nographic", "-no-reboot", "-quiet", *outputs, *more]

    def run(self, way, engine, *more):
        said, times = timed(self.command(way, engine, *more))
        if self.done not in said:
            raise Problem(f"the guest did not finish ({way}, {engine})")
        return times

    def measure(self, way, engine):
        """One run, and the report on its trace if it wrote nothing but one."""
        for kind in WAYS[way][1]: # an old file's pages would have to be freed within the time
            self.path(kind).unlink(missing_ok=True)
        times = self.run(way, engine)
        if way == "trace":
            times["report"] = timed([str(self.binary), "report", str(self.path("trace"))])[1]
        return times


def profile(guest, engine, rounds):
    """Seconds by purpose of the code, without the monitor and with it: of the rounds in which it took least."""
    ways = {"none": [], "workstation": []}
    for _ in range(rounds):
        for way, seen in ways.items():
            seen.append(bench_profile.group(bench_profile.sample(guest.command(way, engine), guest.path("perf"))))
    return {way: min(seen, key=lambda times: sum(times.values())) for way, seen in ways.items()}


def timed(command):
    """A command's output and what it took: CPU time of all its threads, wall-clock time, largest size in memory."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            said = (errors.read() or output.read()).decode(errors="replace").strip().splitlines()
            raise Problem(f"{' '.join(command[:2])}: {said[-1] if said else f'status {process.returncode}'}")
        return output.read(), {"user": usage.ru_utime, "system": usage.ru_stime, "wall": wall, "peak_kb": usage.ru_maxrss}


# ---- No simulated cycle ----

EQUAL = ("cycles", "instructions", "state_hash")


def compare(guest, engine):
    """What each way's run came to, and that of the trace once more. Untimed: these runs warm the machine up as well."""
    same = {}
    for name, way in [*((way, way) for way in WAYS), ("trace again", "trace")]:
        stats = guest.path("stats")
        guest.run(way, engine, "-stats", str(stats))
        numbers = json.loads(stats.read_text())
        same[name] = {quantity: numbers[quantity] for quantity in EQUAL}
        if way == "trace":
            same[name]["trace"] = hashlib.sha256(guest.path("trace").read_bytes()).hexdigest()
    return same


def differences(same):
    """One line for each quantity that is not what it is without files, or not the same each time."""
    lines = [f"{way}: {name} {same[way][name]}, without files {same['workstation'][name]}"
             for way in same if WAYS.get(way, WAYS["trace"])[1] for name in EQUAL if same[way][name] != same["workstation"][name]]
    if same["trace"]["trace"] != same["trace again"]["trace"]:
        lines.append("trace: not the same bytes each time")
    return lines


# ---- Times ----

def rounded(value):
    return float(f"{value:.4g}")


def ratio(above, below):
    """Of two lists of times, taken in the same rounds: that of the shortest ones, which other work of the machine has disturbed
    least, and the median, least and largest of the rounds'."""
    each = sorted(a / b for a, b in zip(above, below))
    return {"best": rounded(min(above) / min(below)), "median": rounded(statistics.median(each)), "low": rounded(each[0]),
            "high": rounded(each[-1])}


def seconds(runs, clock):
    return [run["user"] + run["system"] if clock == "cpu" else run["wall"] for run in runs]


def summarize(guest, engine, runs, same):
    runs = dict(runs)
    runs[REPORT] = [run["report"] for run in runs["trace"]]
    document = {"format": 1, "guest": guest.name, "engine": engine, "same": same,
                "bytes": {kind: guest.path(kind).stat().st_size for kind in ("trace", "pcap")}, "ways": {}, "ratios": {}}
    for way, list_ in runs.items():
        document["ways"][way] = {name: [round(run[name], 4) for run in list_] for name in ("user", "system", "wall")}
        document["ways"][way]["peak_kb"] = max(run["peak_kb"] for run in list_)
    for name, (above, below, limit, aim) in RATIOS.items():
        document["ratios"][name] = {clock: ratio(seconds(runs[above], clock), seconds(runs[below], clock))
                                    for clock in ("cpu", "wall")}
        document["ratios"][name].update(of=f"{above} / {below}", limit=limit, aim=aim)
    return document


def failures(document, clock):
    """What fails the run: another cycle or state always, a limit only if a clock to judge by is given."""
    lines = differences(document["same"])
    for row in document["ratios"].values():
        if clock is not None and row["limit"] is not None and row[clock]["best"] > row["limit"]:
            lines.append(f"{row['of']} is {row[clock]['best']}, above {row['limit']}")
    return lines


def table(document, clock):
    ways = document["ways"]
    rounds = len(next(iter(ways.values()))["wall"])
    lines = [f"{document['guest']}, {document['engine']}, {rounds} rounds; shortest and median, in seconds", "",
             f"{'':14}{'CPU':>8}{'median':>8}{'user':>8}{'system':>8}{'wall':>8}{'median':>8}{'peak MB':>9}"]
    for way, times in ways.items():
        cpu = [user + system for user, system in zip(times["user"], times["system"])]
        best = cpu.index(min(cpu))
        lines.append(f"{way:14}{min(cpu):8.3f}{statistics.median(cpu):8.3f}{times['user'][best]:8.3f}{times['system'][best]:8.3f}"
                     f"{min(times['wall']):8.3f}{statistics.median(times['wall']):8.3f}{times['peak_kb'] / 1024:9.0f}")
    lines += ["", f"{'ratio of ' + clock + ' time':28}{'best':>8}{'median':>8}{'low':>8}{'high':>8}{'limit':>8}{'aim':>8}"]
    for row in document["ratios"].values():
        one = row[clock]
        goals = [f"{row[name]:8.2f}" if row[name] is not None else f"{'':8}" for name in ("limit", "aim")]
        lines.append(f"{row['of']:28}{one['best']:8.3f}{one['median']:8.3f}{one['low']:8.3f}{one['high']:8.3f}{''.join(goals)}".rstrip())
    lines += ["", "  ".join(f"{kind}: {size} bytes" for kind, size in document["bytes"].items())]
    return "\n".join(lines)
