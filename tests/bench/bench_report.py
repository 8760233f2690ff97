"""Results: checksums compared, ratios, geometric means, the table, and the JSON document.

The document: {"format": 1, host, clock, runs: [{arch, cpu, kernel, engines: {name: {version}}, reference, rows: [{name, set, count,
engines: {name: {status, seconds, checksum, reason, all}}, ratios: {"qemu/interp": ...}}], means: {set: {ratio: value}}}]}."""

import math
import statistics

SETS = ("boot", "compute", "system", "program")
QEMU = ("qemu", "qemu-icount")
OURS = ("translate", "interp")


def typical(runs, name, clock):
    """One kernel in one engine over all repetitions: the median time, as they differ in more than what else the
    machine does (README.md). One failure fails it."""
    seen = [run[name] for run in runs if name in run]
    if not seen:
        return {"status": "missing"}
    for result in seen:
        if result["status"] != "ok":
            return result
    if len({result["checksum"] for result in seen}) > 1:
        return {"status": "failed", "reason": "the checksum is not the same each time"}
    median = statistics.median(result[clock] for result in seen)
    return {"status": "ok", "seconds": round(median, 6), "checksum": seen[0]["checksum"],
            "all": [[round(result["seconds"], 6), round(result["cpu_seconds"], 6)] for result in seen]}


def judge(row, reference):
    """A checksum that is not the reference's is a failure."""
    expected = row["engines"].get(reference, {}).get("checksum")
    for result in row["engines"].values():
        if result["status"] == "ok" and expected is not None and result["checksum"] != expected:
            result.update(status="failed", reason=f"checksum {result['checksum']}, {reference} has {expected}")


def pairs(engines):
    """The ratios to show, as (dividend, divisor): above 1 is good for QEMU/ours, below 1 for ours/native."""
    ours = [name for name in engines if name in OURS]
    return [(other, name) for name in ours for other in engines if other in QEMU] + \
           [(name, "native") for name in ours if "native" in engines] + \
           ([("qemu", "native")] if {"qemu", "native"} <= set(engines) else [])


def add_ratios(row, engines):
    row["ratios"] = {}
    for dividend, divisor in pairs(engines):
        a, b = row["engines"].get(dividend, {}), row["engines"].get(divisor, {})
        if a.get("status") == b.get("status") == "ok" and min(a["seconds"], b["seconds"]) > 0:
            row["ratios"][f"{dividend}/{divisor}"] = rounded(a["seconds"] / b["seconds"])


def rounded(value):
    """To five digits, wherever they are: a ratio is never rounded to zero, which has no logarithm."""
    return float(f"{value:.5g}")


def geometric_mean(values):
    return rounded(math.exp(sum(math.log(value) for value in values) / len(values)))


def summarize(guest, cpu, requests, engines, runs, clock):
    """One architecture's part of the document. `runs[engine]` is a list of result tables, one per repetition."""
    names = [engine.name for engine in engines]
    reference = "native" if "native" in names else names[0]
    rows = []
    for name, group, count in [("boot", "boot", 1)] + requests:
        row = {"name": name, "set": group, "count": count,
               "engines": {engine: typical(runs[engine], name, clock) for engine in names if name != "boot" or engine != "native"}}
        judge(row, reference)
        add_ratios(row, names)
        rows.append(row)
    means = {}
    for group in SETS[1:]:
        for dividend, divisor in pairs(names):
            ratio = f"{dividend}/{divisor}"
            values = [row["ratios"][ratio] for row in rows if row["set"] == group and ratio in row["ratios"]]
            if values:
                worst = max(values) if divisor == "native" else min(values)
                means.setdefault(group, {})[ratio] = {"mean": geometric_mean(values), "kernels": len(values), "worst": worst}
    return {"arch": guest.arch, "cpu": cpu, "kernel": guest.release, "reference": reference,
            "engines": {engine.name: {"version": engine.version} for engine in engines}, "rows": rows, "means": means}


# ---- The table ----

BUSY = 1.25 # wall-clock time in CPU time from which on the machine had something else to do


def busy(run):
    """A warning if an emulator, which is all computing, did not get the CPU it could have used; None if it did."""
    for name in run["engines"]:
        times = [min(result["all"]) for row in run["rows"] for result in [row["engines"].get(name, {})]
                 if result.get("status") == "ok" and row["name"] != "boot"]
        wall, cpu = sum(time[0] for time in times), sum(time[1] for time in times)
        if name != "native" and cpu > 0 and wall > BUSY * cpu:
            return f"the machine is busy: {name} took {wall:.1f} s for {cpu:.1f} s of CPU time; repeat, or use --clock cpu"
    return None


def cell(result):
    if result is None:
        return "-"
    return f"{result['seconds']:.3f}" if result["status"] == "ok" else result["status"]


def table(run, clock="wall"):
    """The table of one architecture, as text."""
    names = list(run["engines"])
    ratios = [f"{a}/{b}" for a, b in pairs(names)]
    head = ["", *[f"{name} s" for name in names], *ratios]
    lines, notes, group = [head], [], None
    for row in run["rows"]:
        if row["set"] != group:
            group = row["set"]
            lines.append([f"[{group}]"])
        lines.append([f"{row['name']}", *[cell(row["engines"].get(name)) for name in names],
                      *[f"{row['ratios'][ratio]:.2f}" if ratio in row["ratios"] else "-" for ratio in ratios]])
        for name in names:
            result = row["engines"].get(name)
            if result is not None and result["status"] != "ok":
                notes.append(f"{row['name']}, {name}: {result['status']}: {result.get('reason', '')}")
    for group, means in run["means"].items():
        lines.append([f"geometric mean, {group}", *["" for _ in names],
                      *[f"{means[ratio]['mean']:.2f}" if ratio in means else "-" for ratio in ratios]])
        lines.append([f"worst, {group}", *["" for _ in names],
                      *[f"{means[ratio]['worst']:.2f}" if ratio in means else "-" for ratio in ratios]])
    widths = [max(len(line[column]) for line in lines if column < len(line)) for column in range(len(head))]
    out = [f"{run['arch']}, Linux {run['kernel']}, CPU model {run['cpu']}"]
    for line in lines:
        out.append("  ".join(text.ljust(width) if column == 0 else text.rjust(width)
                             for column, (text, width) in enumerate(zip(line, widths))).rstrip())
    warning = busy(run) if clock == "wall" else None
    return "\n".join(out + notes + ([warning] if warning else []))


def failures(document):
    return sum(result["status"] in ("failed", "missing") for run in document["runs"] for row in run["rows"]
               for result in row["engines"].values())
