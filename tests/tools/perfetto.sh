#!/bin/sh
# report -format perfetto: protoc, a reader that is not ours, decodes it; its slices are the spans of the trace (their sum is
# the exported time, their ends meet), and each packet's flow starts in the host and ends on the wire.
#
# Usage: perfetto.sh CROSSPAGE NETTEST.ELF PERFETTO.PROTO
set -eu

crosspage=$1 elf=$2 proto=$3
command -v protoc >/dev/null || { echo "perfetto: no protoc"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

"$crosspage" run -hypervisor workstation -m 32 -nic peer -kernel "$elf" -append "exit=acpi total=60000" -trace "$work/trace" \
    -serial null -quiet </dev/null
"$crosspage" report -format perfetto "$work/trace" -o "$work/perfetto"
"$crosspage" report -format csv "$work/trace" >"$work/csv"
protoc --proto_path="$(dirname "$proto")" --decode=perfetto.Trace "$(basename "$proto")" <"$work/perfetto" >"$work/text"
! grep -q '^ *[0-9][0-9]*:' "$work/text" || { echo "FAIL: fields that the format does not have"; exit 1; }

packets=$(($(wc -l <"$work/csv") - 1))
awk -v packets=$packets '
    /^packet/ { type = track = ticks = flow = last = 0 }
    /^  timestamp:/ { time = $2 }
    /^    type:/ { type = $2 }
    /^    track_uuid:/ { track = $2 }
    /^      uint_value:/ { ticks = $2 }
    /^    flow_ids:/ { flow = $2 }
    /^    terminating_flow_ids:/ { last = $2 }
    /^    name: "wire"/ { wire = uuid }
    /^    uuid:/ { uuid = $2 }
    /^}/ {
        if (type == 1) {
            depth[track]++
            if (depth[track] > 1) bad = bad " overlap on track " track
            if (flow) flows[flow]++
            if (last) { ends++; if (track != wire) bad = bad " flow " last " ends on track " track; if (!flows[last]) lost[last] = 1 }
            if (track > 1 && track < wire) { sum += ticks; slices++; if (!first) first = time }
        }
        if (type == 2) {
            depth[track]--
            if (track > 1 && track < wire) end = time
        }
    }
    END {
        for (id in lost) bad = bad " flow " id " begins nowhere"
        for (id in flows) if (flows[id] < 5) bad = bad " flow " id " passes only " flows[id] " slices"
        if (ends != packets) bad = bad " " ends " flows end, of " packets " packets"
        time = (end - first) / 1e9 * 733e6
        if (sum < time - 2 || sum > time + 2) bad = bad " slices are " sum " cycles of " time
        if (bad) { print "FAIL:" bad; exit 1 }
        print "ok: " slices " slices, " packets " packets"
    }' "$work/text"
