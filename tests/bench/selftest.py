"""The benchmark harness finds what it is for: wrong checksums, crashes and silence fail one kernel and not the rest; ratios
and means are what they say; the documents are well-formed. Emulators are stand-ins in sh."""

import sys

sys.dont_write_bytecode = True

import json
import pathlib
import unittest
import xml.etree.ElementTree

import bench_demo
import bench_engines
import bench_guest
import bench_plot
import bench_profile
import bench_report


class Script(bench_engines.Engine):
    """An emulator that is a shell script; $1 is the list of kernels."""

    def __init__(self, text):
        super().__init__("script")
        self.text = text

    def command(self, guest, kernels):
        return ["sh", "-c", self.text, "sh", kernels]


# Runs the list as the guest does; kernels a, b... behave as they are called.
GUEST = """
echo "BENCH boot end 00000000"
for item in $(echo $1 | tr , ' '); do
    name=${item%%:*}
    echo "BENCH $name start"
    case $name in
    crash) echo "something broke" >&2; exit 3 ;;
    silent) sleep 60 ;;
    lost) echo "BENCH lost fail no such file"; continue ;;
    old) echo "BENCH old skip this CPU lacks it"; continue ;;
    esac
    echo "BENCH $name end 00000000"
done
echo "BENCH run end 00000000"
"""


def run(text, *names, limit=60):
    one = bench_engines.Run(Script(text), None, limit)
    one.all([(name, 1) for name in names])
    return one.results


class Engines(unittest.TestCase):
    def test_times_are_from_the_newline_to_the_next_line(self):
        # Each is told from the other by a second and a half, so that a busy host's delays do not matter.
        pause = """
            echo "BENCH boot end 00000000"
            printf "BENCH quick start"; sleep 3; echo
            echo "BENCH quick end 00000000"
            echo "BENCH slow start"; sleep 3
            echo "BENCH slow end 00000000"
            """
        results = run(pause, "quick", "slow")
        self.assertLess(results["quick"]["seconds"], 1.5, "the pause before the newline is not part")
        self.assertGreater(results["slow"]["seconds"], 1.5)
        self.assertEqual(results["boot"]["status"], "ok")

    def test_a_crash_fails_one_kernel(self):
        results = run(GUEST, "a", "crash", "b")
        self.assertEqual([results[name]["status"] for name in ("a", "crash", "b")], ["ok", "failed", "ok"])
        self.assertEqual(results["crash"]["reason"], "something broke")

    def test_silence_fails_one_kernel(self):
        results = run(GUEST, "a", "silent", "b", limit=10)
        self.assertEqual([results[name]["status"] for name in ("a", "silent", "b")], ["ok", "failed", "ok"])

    def test_the_guest_may_fail_or_skip(self):
        results = run(GUEST, "lost", "old", "a")
        self.assertEqual(results["lost"], {"status": "failed", "reason": "no such file"})
        self.assertEqual(results["old"]["status"], "skipped")
        self.assertEqual(results["a"]["status"], "ok")

    def test_no_boot_fails_all(self):
        results = run("echo 'no translator' >&2; exit 2", "a", "b")
        self.assertEqual([results[name]["status"] for name in ("boot", "a", "b")], ["failed"] * 3)
        self.assertIn("no translator", results["b"]["reason"])

    def test_a_guest_that_panics_between_kernels_does_not_go_on_for_ever(self):
        results = run('echo "BENCH boot end 0"', "a", "b")
        self.assertEqual([results[name]["status"] for name in ("a", "b")], ["failed"] * 2)

    def test_a_native_kernel_says_its_own_cpu_time(self):
        one = bench_engines.Run(Script('printf "BENCH a start\\nBENCH a end 1 cpu=0.25\\nBENCH run end 0\\n"'), None, 5)
        one.engine.emulates = False
        one.all([("a", 1)])
        self.assertEqual((one.results["a"]["checksum"], one.results["a"]["cpu_seconds"]), ("1", 0.25))

    def test_firmware_may_write_before_the_line(self):
        results = run('printf "SeaBIOS...BENCH boot end 0\\nBENCH a start\\nBENCH a end 1\\n"', "a")
        self.assertEqual(results["a"]["checksum"], "1")


    def test_each_kernel_is_told_where_its_stack_is(self):
        one = bench_engines.Run(Script('echo "BENCH boot end 0"; echo "BENCH run fail $1"'), None, 5, stack=1664)
        one.all([("a", 1), ("b", 20)])
        self.assertEqual(one.results["a"]["reason"], "a:1@1664,b:20@1664")


class FakeGuest:
    arch, release = "i686", "6.1"


def measured(seconds, checksum="1"):
    return {"status": "ok", "seconds": seconds, "cpu_seconds": 0, "checksum": checksum}


def document():
    engines = [bench_engines.Engine(name) for name in ("interp", "qemu", "native")]
    runs = {
        "interp": [{"boot": measured(3), "a": measured(1), "b": measured(1, "2"), "c": measured(2)},
                   {"boot": measured(5), "a": measured(3), "b": measured(1, "2"), "c": measured(4)}],
        "qemu": [{"boot": measured(2), "a": measured(4), "b": measured(1), "c": measured(3)}],
        "native": [{"a": measured(1), "b": measured(1), "c": {"status": "skipped", "reason": "no"}}],
    }
    requests = [("a", "compute", 1), ("b", "compute", 1), ("c", "compute", 1)]
    run = bench_report.summarize(FakeGuest, "x86-64-v2", requests, engines, runs, "seconds")
    return {"format": 1, "runs": [run]}


class Report(unittest.TestCase):
    def test_a_wrong_checksum_fails(self):
        rows = {row["name"]: row for row in document()["runs"][0]["rows"]}
        self.assertEqual(rows["b"]["engines"]["interp"]["status"], "failed")
        self.assertIn("checksum", rows["b"]["engines"]["interp"]["reason"])
        self.assertEqual(rows["b"]["engines"]["qemu"]["status"], "ok")
        self.assertEqual(bench_report.failures(document()), 1)

    def test_ratios_are_of_the_median_times(self):
        rows = {row["name"]: row for row in document()["runs"][0]["rows"]}
        self.assertEqual(rows["a"]["ratios"], {"qemu/interp": 2, "interp/native": 2, "qemu/native": 4})
        self.assertEqual(rows["b"]["ratios"], {"qemu/native": 1}, "a failed time has no ratio")
        self.assertEqual(rows["boot"]["ratios"], {"qemu/interp": 0.5})

    def test_the_smallest_ratio_has_a_mean(self):
        row = {"engines": {"qemu": measured(0.00001), "interp": measured(30)}}
        bench_report.add_ratios(row, ["qemu", "interp"])
        self.assertEqual(bench_report.geometric_mean(row["ratios"].values()), 3.3333e-07)

    def test_means_are_geometric(self):
        means = document()["runs"][0]["means"]["compute"]
        self.assertEqual(means["qemu/interp"], {"mean": round(2 ** 0.5, 4), "kernels": 2, "worst": 1})
        self.assertEqual(means["interp/native"], {"mean": 2, "kernels": 1, "worst": 2})

    def test_an_unsteady_checksum_fails(self):
        one = bench_report.typical([{"a": measured(1)}, {"a": measured(1, "2")}], "a", "seconds")
        self.assertEqual(one["status"], "failed")

    def test_a_busy_machine_is_noticed(self):
        run = document()["runs"][0]
        self.assertIsNone(bench_report.busy(run))
        for row in run["rows"]:
            for result in row["engines"].values():
                for times in result.get("all", []):
                    times[1] = times[0] / 2
        self.assertIn("busy: interp", bench_report.busy(run))
        self.assertIn("busy", bench_report.table(run))
        self.assertNotIn("busy", bench_report.table(run, "cpu"))

    def test_the_documents_are_well_formed(self):
        json.loads(json.dumps(document()))
        xml.etree.ElementTree.fromstring(bench_plot.svg(document()))
        text = bench_report.table(document()["runs"][0])
        self.assertIn("geometric mean, compute", text)
        self.assertIn("b, interp: failed: checksum 2, native has 1", text)


class DemoGuest:
    """Stands for the demo's guest; its files exist and are empty."""

    name = "stand-in"

    def path(self, kind):
        return pathlib.Path("/dev/null")


def demo_document(trace):
    """Three rounds in which the trace takes as long as given."""
    def runs(*seconds):
        return [{"user": time / 2, "system": time / 2, "wall": time, "peak_kb": 1024} for time in seconds]
    ways = {"none": runs(1, 1, 1), "workstation": runs(2, 1.5, 3), "trace": runs(*trace), "trace+pcap": runs(2, 2, 2)}
    for run, report in zip(ways["trace"], runs(0.5, 0.25, 0.5)):
        run["report"] = report
    same = {way: {"cycles": 7, "instructions": 5, "state_hash": "ab"} for way in [*bench_demo.WAYS, "trace again"]}
    same["trace"]["trace"] = same["trace again"]["trace"] = "cd"
    return bench_demo.summarize(DemoGuest(), "translate", ways, same)


class Demo(unittest.TestCase):
    def test_ratios_are_of_the_shortest_times_and_have_a_spread(self):
        ratios = demo_document([2, 1.8, 3])["ratios"]
        self.assertEqual(ratios["trace"]["cpu"], {"best": 1.2, "median": 1.0, "low": 1.0, "high": 1.2})
        self.assertEqual(ratios["monitor"]["wall"]["best"], 1.5)
        self.assertEqual(ratios["report"]["cpu"]["best"], 0.1667)

    def test_a_slow_trace_fails_only_where_it_is_judged(self):
        slow = demo_document([2, 1.8, 3])
        self.assertEqual(bench_demo.failures(slow, None), [])
        self.assertEqual(bench_demo.failures(slow, "cpu"), ["trace / workstation is 1.2, above 1.1"])
        self.assertEqual(bench_demo.failures(demo_document([2, 1.6, 3]), "cpu"), [])

    def test_another_cycle_or_byte_fails(self):
        document = demo_document([2, 2, 2])
        document["same"]["trace"]["cycles"] = 8
        document["same"]["trace again"]["trace"] = "ef"
        self.assertEqual(bench_demo.failures(document, None), ["trace: cycles 8, without files 7", "trace: not the same bytes each time"])

    def test_the_table_has_every_way_and_ratio(self):
        document = demo_document([2, 2, 2])
        text = bench_demo.table(document, "cpu")
        for name in [*bench_demo.WAYS, *(row["of"] for row in document["ratios"].values())]:
            self.assertIn(name, text)

    def test_samples_are_grouped_by_the_purpose_of_the_code(self):
        seconds = bench_profile.group({"vmm/shadow_fill.c": 10, "vmm/pmap.c": 5, "vmm/hv_none.c": 1, "[translated]": 20,
                                       "traces/recorder.c": 2, "tools/?": 3})
        self.assertEqual(seconds["shadow page tables"], 15 / bench_profile.RATE)
        self.assertEqual(seconds["monitor"], 1 / bench_profile.RATE)
        self.assertEqual(sum(seconds.values()), 41 / bench_profile.RATE)
        text = bench_profile.table("title", {"none": bench_profile.group({}), "workstation": seconds})
        self.assertIn("| shadow page tables | 0 | 3 | +3 |", text)

    def test_every_folder_has_a_purpose(self):
        for folder in ("base", "traces", "mmu", "cpu", "devices", "binxlate", "vmm", "hostworld", "tools"):
            for file in (bench_demo.TREE / folder).glob("*.c"):
                bench_profile.group({f"{folder}/{file.name}": 1})

    def test_a_failed_run_is_one_line(self):
        with self.assertRaisesRegex(bench_guest.Problem, "^sh -c: broken$"):
            bench_demo.timed(["sh", "-c", "echo broken >&2; exit 1"])

    def test_times_are_of_the_whole_process(self):
        times = bench_demo.timed(["sh", "-c", "sleep 0.2; echo out"])
        self.assertEqual(times[0], b"out\n")
        self.assertGreater(times[1]["wall"], 0.19)
        self.assertLess(times[1]["user"] + times[1]["system"], 0.15)


if __name__ == "__main__":
    unittest.main()
