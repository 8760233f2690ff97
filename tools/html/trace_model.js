/* The trace's data (tools/report_html.c) in words: times, steps, packets and the spans of a time line. All times are ticks. */

const steps = data.steps, packets = data.packets, transfer = data.transfer;
const figure5 = transfer ? transfer.figure5 : null; /* of the access of median length */
const packetCount = packets.id.length;

const QUEUE = -1, WIRE = -2; /* parts of a receipt that are no step: the CPU has no part in them */

function us(ticks) {
    return ticks * 1e6 / data.hz;
}

function cycles(ticks) {
    return ticks / data.ticks_per_cycle;
}

/* The wire's times may end between two cycles. */
function cyclesText(ticks) {
    const value = cycles(ticks);
    return Number.isInteger(value) ? integer(value) : fixed(value, 1);
}

function usText(ticks) {
    return fixed(us(ticks), 3);
}

function share(part, whole) {
    return whole ? fixed(100 * part / whole, 2) + ' %' : '';
}

/* As the profile has it: at most three places. */
function price(step) {
    return fixed(step.cycles, Number.isInteger(step.cycles) ? 0 : Number.isInteger(step.cycles * 10) ? 1 : 3);
}

function stepName(step) {
    return step === QUEUE ? 'DMA, waiting for the link' : step === WIRE ? 'serialization, propagation' : steps[step].name;
}

function layerName(step) {
    return step === QUEUE ? 'physical NIC' : step === WIRE ? 'wire' : data.layers[steps[step].layer].name;
}

function layerColour(layer) {
    return `var(--layer-${layer})`;
}

function stepColour(step) {
    return step === QUEUE ? 'var(--queue)' : step === WIRE ? 'var(--wire)' : layerColour(steps[step].layer);
}

/* What canvas takes: the colour itself. */
function colourValue(colour) {
    const name = /^var\((.*)\)$/.exec(colour);
    return name ? getComputedStyle(document.documentElement).getPropertyValue(name[1]).trim() : colour;
}

/* Variants of a cost share its name: they differ in the category that they are counted in. */
function sameName(step) {
    return steps.map((other, i) => (other.name === steps[step].name ? i : -1)).filter((i) => i >= 0);
}

function stepByName(name) {
    return steps.findIndex((step) => step.name === name);
}

/* Nonzero entries of a list per step, as parts {step, ticks, count}. */
function partsOf(ticks, counts, wanted) {
    const parts = [];
    ticks.forEach((value, step) => {
        if (value && (!wanted || wanted(step)))
            parts.push({step, ticks: value, count: counts ? counts[step] : null});
    });
    return parts;
}

function sumOf(parts) {
    return parts.reduce((sum, part) => sum + part.ticks, 0);
}

/* ---- Packets ---- */

function latency(i) {
    return packets.cpu[i] + packets.queue[i] + packets.wire[i];
}

/* Of the latency: steps in the order in which they came, then what is no CPU time. */
function receiptParts(i) {
    const list = packets.receipts[packets.receipt[i]], parts = [], came = spansOf(i, packets.cpu[i]).map((span) => span.step);
    for (let k = 0; k < list.length; k += 2)
        parts.push({step: list[k], ticks: list[k + 1], count: null});
    parts.sort((a, b) => came.indexOf(a.step) - came.indexOf(b.step));
    parts.push({step: QUEUE, ticks: packets.queue[i], count: null}, {step: WIRE, ticks: packets.wire[i], count: null});
    return parts;
}

/* The spans of [out, out + length) of packet i: {at (from its OUT), ticks, step, exit (-1: the guest), detail}. A period that
 * the page does not hold ends the list. */
function spansOf(i, length) {
    const {chunks, periods, period} = data.spans, list = [];
    let at = 0;
    for (let k = i; k < packetCount && at < length && period[k] >= 0; k++) {
        at = packets.out[k] - packets.out[i];
        for (const index of periods[period[k]]) {
            const chunk = chunks[index];
            for (let c = 2; c < chunk.length && at < length; c += 2) {
                list.push({at, ticks: Math.min(chunk[c + 1], length - at), step: chunk[c], exit: chunk[0], detail: chunk[1]});
                at += chunk[c + 1];
            }
        }
    }
    return list;
}

/* The first `limit` spans that match, beginning in packet `first` and going around. */
function findSpans(matches, first, limit) {
    const {chunks, periods, period} = data.spans, found = [];
    const chunkMatches = chunks.map((chunk) => {
        for (let c = 2; c < chunk.length; c += 2)
            if (matches(chunk[c], chunk[0]))
                return true;
        return false;
    });
    for (let n = 0; n < packetCount && found.length < limit; n++) {
        const i = (first + n) % packetCount;
        let at = 0;
        for (const index of period[i] >= 0 ? periods[period[i]] : []) {
            const chunk = chunks[index];
            for (let c = 2; c < chunk.length; c += 2) {
                if (chunkMatches[index] && matches(chunk[c], chunk[0]) && found.length < limit)
                    found.push({packet: i, at, ticks: chunk[c + 1], step: chunk[c], exit: chunk[0], detail: chunk[1]});
                at += chunk[c + 1];
            }
        }
    }
    return found;
}

function exitText(span) {
    if (span.exit < 0)
        return 'the guest runs';
    const name = data.exits[span.exit], ports = ['IN', 'OUT'];
    return `visit for ${name}` + (span.detail ? ` ${ports.includes(name) ? 'port ' : ''}0x${span.detail.toString(16)}` : '');
}

/* Indexes of packets, ascending by a value. */
function order(value) {
    return packets.id.map((_, i) => i).sort((a, b) => value(a) - value(b) || a - b);
}
