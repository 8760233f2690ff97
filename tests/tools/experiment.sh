#!/bin/sh
# crosspage experiment, end to end and small: the same command again runs nothing, another program or guest would;
# a run that fails is one line and loses no other; an interrupted sweep leaves valid files and goes on; results do not
# depend on how many processes there are; differences of traces.
#
# Usage: experiment.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# experiment STATUS NAME OPTION...: leaves stdout in out, stderr in err
experiment() {
    expected=$1
    shift
    status=0
    "$crosspage" experiment "$@" -kernel "$elf" >out 2>err </dev/null || status=$?
    [ $status -eq "$expected" ] || fail "experiment $*: status $status, not $expected: $(cat err)"
}
says() { grep -q -e "$1" "$2" || fail "$2 lacks '$1': $(cat "$2")"; }
valid() { python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$1" || fail "$1 is no JSON"; }

small="-set total=100k"

# ---- Two hosts ----
# shellcheck disable=SC2086
experiment 0 sweep $small -set @2.0-733 -vary far=peer,native-350,optimized-350 -vary mode=send,recv -o far
says '6 runs, 0 found' err
[ "$(cut -d , -f 3- far/sweep.csv | sort -u | wc -l)" -eq 7 ] || fail "the far end makes no difference: $(cat far/sweep.csv)"
python3 -c 'import json,sys
for run in json.load(open("far/sweep.json"))["runs"]:
    assert (" -- " in run["command"]) == (run["configuration"]["far"] != "peer"), run["command"]
    assert run["metrics"]["throughput_mbps"] > 5, run["label"]' || fail "commands of runs with two hosts"
# shellcheck disable=SC2086
experiment 1 sweep $small -set @2.0-733 -set far.halt=spin
says 'far.halt: the other end of the wire is the scripted peer' out
experiment 2 sweep -set far.frobnicate=1
says "'frobnicate' is no parameter" err

# ---- Order of configurations, as in other results ----

experiment 0 sweep $small -vary write=512,4k -o order
grep -q 'same order' out && fail "an order without -like"
experiment 0 sweep $small -vary write=512,4k -like order -strict
grep -q '^sweep  *same order as nettest: yes (1 of 1 pairs of runs; ties: 0)' out || fail "not its own order: $(grep 'same order' out)"
mkdir -p swapped
sed 's/write=512"/write=tmp"/; s/write=4k"/write=512"/; s/write=tmp"/write=4k"/' order/sweep.json >swapped/sweep.json
experiment 1 sweep $small -vary write=512,4k -like swapped -strict
grep -q 'same order as nettest: no (0 of 1 pairs' out || fail "swapped, and the same: $(grep 'same order' out)"
experiment 0 sweep $small -vary write=512,4k -like swapped
experiment 1 sweep $small -vary write=512,4k -like nowhere
grep -q "is no result of an experiment" err || fail "$(cat err)"

# ---- A report counts each access to a device once, in one register ----

"$crosspage" run -quiet -m 32 -hypervisor workstation -kernel "$elf" -append "exit=acpi total=100000" -nic peer -serial null -trace accesses </dev/null
"$crosspage" report accesses >report
awk '/^Accesses to devices/ { on = 1 } on && $1 == "sum" { sum = $2 + $3; on = 0 }
     $1 == "exit" && ($2 == "IN" || $2 == "OUT" || $2 ~ /^MMIO_/) { exits += $3 }
     END { exit !(sum > 10 && sum - exits < 0.01 && exits - sum < 0.01) }' report || fail "accesses: $(grep -A 14 '^Accesses' report)"

# ---- Resumption ----
# shellcheck disable=SC2086
experiment 0 sweep $small -vary write=1k,4k -o all
says '2 runs, 0 found' err
mv out first
cp -r all/runs runs
# shellcheck disable=SC2086
experiment 0 sweep $small -vary write=1k,4k -o all
says '0 runs, 2 found' err
cmp out first || fail "the second time says something else"
# One more value is one more run, in whatever order.
# shellcheck disable=SC2086
experiment 0 sweep -vary write=4k,2k,1k $small -o all
says '1 runs, 2 found' err
# shellcheck disable=SC2086
experiment 0 sweep $small -vary write=1k,4k -o all -fresh
says '2 runs, 0 found' err
for file in runs/*.json; do cmp "$file" "all/$file" || fail "run again, a record differs"; done
# A damaged record is no record.
for file in all/runs/*.json; do echo '{' >"$file"; done
# shellcheck disable=SC2086
experiment 0 sweep $small -vary write=1k,4k -o all
says '2 runs, 0 found' err
valid all/sweep.json
[ "$(grep -l '"metrics"' all/runs/*.json | wc -l)" -eq 2 ] || fail "damaged records of this sweep are made anew, others left"
[ "$(wc -l <all/sweep.csv)" -eq 3 ] || fail "a row per run: $(cat all/sweep.csv)"
[ "$(ls all/runs | grep -c 'json$')" -eq 3 ] && [ "$(ls all/runs | grep -vc 'json$')" -eq 0 ] ||
    fail "all/runs: $(ls all/runs)"
echo "ok: runs are kept"

# ---- Runs that fail ----
# shellcheck disable=SC2086
experiment 1 sweep $small -vary write=0,1k -vary hypervisor=workstation,xyzzy -o bad
says "unknown hypervisor 'xyzzy'" out
says "it last said 'nettest: bad value: write=0'" out
says '1 runs, 0 found from earlier, 3 failed' err
[ "$(grep -c ',done,' bad/sweep.csv)" -eq 1 ] && [ "$(grep -c ',failed,' bad/sweep.csv)" -eq 3 ] ||
    fail "bad/sweep.csv: $(cut -c 1-200 bad/sweep.csv)"
# shellcheck disable=SC2086
experiment 1 sweep -set stop-after=0.02 $small
says 'the guest did not finish its job (limit)' out
# shellcheck disable=SC2086
experiment 1 sweep -set hypervisor=none -set io-in-vmm=on $small
says "has no option 'io-in-vmm' (wanted: io-in-vmm=on)" out
experiment 1 sweep -set total=100M -timeout 0.01
says 'not done after 0 s' out
echo "ok: failures are lines"

# ---- Interruption ----
# A child of each kind is interrupted somewhere; what is done by then stays.
# On a busy host the signal may come after the last run: then again.
attempts=0 status=0
while [ $status -eq 0 ] && [ $attempts -lt 20 ]; do
    rm -rf cut
    "$crosspage" experiment sweep -set total=1M -vary write=1000:1900:100 -j 2 -o cut -kernel "$elf" >out 2>err </dev/null &
    pid=$!
    while [ "$(ls cut/runs 2>/dev/null | grep -c 'json$')" -lt 2 ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
    kill -INT $pid 2>/dev/null || true
    wait $pid || status=$?
    attempts=$((attempts + 1))
done
[ $status -eq 130 ] || fail "interrupted: status $status: $(cat err)"
says 'interrupted: [0-9]* runs.* not run (the same command goes on)' err
says 'of 10 runs were not run' out
valid cut/sweep.json
done=$(grep -c ',done,' cut/sweep.csv)
left=$(grep -c ',not run,' cut/sweep.csv)
[ "$done" -ge 2 ] && [ $((done + left)) -eq 10 ] || fail "interrupted: $done done, $left left"
[ "$(ls cut/runs | grep -vc 'json$')" -eq 0 ] || fail "leftovers: $(ls cut/runs)"
experiment 0 sweep -set total=1M -vary write=1000:1900:100 -j 2 -o cut
says "$left runs, $done found" err
cp cut/sweep.json once.json
experiment 0 sweep -set total=1M -vary write=1000:1900:100 -j 1 -o whole
cmp once.json whole/sweep.json || fail "interrupted and resumed, the result differs"
echo "ok: interruption after $done of 10"

# ---- Differences ----
experiment 0 counterfactual -set total=100k -against switch.cr3=0us -o both -traces
valid both/counterfactual.json
says 'switch.cr3 .* -100.0 %' out
set -- both/traces/*.trace
[ $# -eq 2 ] || fail "two traces: $*"
"$crosspage" report -diff "$1" "$2" >out 2>err || fail "report -diff: $(cat err)"
says 'add up to that of the sums, exactly' out
"$crosspage" report -diff -format json "$1" "$1" >diff.json || fail "report -diff -format json"
python3 - <<'END' || fail "sums of a difference"
import json
same = json.load(open("diff.json"))
assert all(s["difference_us"] == 0 for v in ("latency", "period") for s in same[v]["steps"])
d = json.load(open("both/counterfactual.json"))["difference"]
for view in ("latency", "period"):
    for side in ("a_ticks", "b_ticks"):
        assert sum(s[side] for s in d[view]["steps"]) == d[view]["total"][side]
        assert sum(s[side] for s in d[view]["layers"]) == d[view]["total"][side]
assert d["period"]["total"]["a_ticks"] > d["period"]["total"]["b_ticks"] * 0.5
END
echo "ok: differences"

# ---- Adaptive experiments, other formats ----
experiment 0 sensitivity -set total=50k -set hypervisor=none -of packet_us -format json
valid out
python3 - <<'END' || fail "sensitivity"
import json
r = json.load(open("out"))
bars = r["plots"][0]["bars"]
assert len(bars) > 2 and [b["name"] for b in bars].count("hw.pci-io") == 1, bars
swing = [abs(b["high"] - b["low"]) for b in bars]
assert swing == sorted(swing, reverse=True)
END
experiment 0 fig5 -set total=100k -format csv
[ "$(wc -l <out)" -eq 3 ] || fail "fig5 as CSV: $(cut -c 1-100 out)"
experiment 1 fig6 -vary write=4096 -set total=1M -set cpu_mhz=3000 -strict # it expects 64 Mb/s
says 'no .* 64 Mb/s on the PC-733' out
# Nothing is left behind, also when nobody reads the table.
mkdir temporary
TMPDIR=$work/temporary "$crosspage" experiment fig5 -set total=100k -kernel "$elf" 2>err </dev/null | true
[ -z "$(ls temporary)" ] || fail "left behind: $(ls temporary)"
echo "ok: formats"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
