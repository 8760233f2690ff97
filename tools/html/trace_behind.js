/* What is behind a number: steps with their spans and costs, and of a cost its price, status and source. */

/* Parts as a table; each step opens its cost, each row has its price and where that comes from. */
function partsTable(parts, options = {}) {
    const whole = options.whole || sumOf(parts), counted = parts.some((part) => part.count);
    const rows = parts.map((part) => {
        const step = steps[part.step];
        return [
            [named(stepColour(part.step), number(stepName(part.step), () => openStep(part.step, options.packet))), el('div', {class: 'under'}, layerName(part.step))],
            ...(counted ? [part.count ? integer(part.count) : ''] : []),
            el('span', {'data-part': stepName(part.step), 'data-ticks': part.ticks}, cyclesText(part.ticks)),
            usText(part.ticks),
            share(part.ticks, whole),
            step && step.unit ? `${price(step)} / ${step.unit}` : '',
            step ? [status(step.status), el('div', {class: 'under source'}, step.source)] : el('div', {class: 'under source'}, 'no time of the CPU'),
        ];
    });
    const sum = sumOf(parts);
    const last = ['sum', ...(counted ? [''] : []), el('span', {'data-sum': sum}, cyclesText(sum)), usText(sum), share(sum, whole), '', ''];
    last.sum = true;
    return table([{name: 'step'}, ...(counted ? [{name: 'times', num: true}] : []), {name: 'cycles', num: true},
        {name: '\u00b5s', num: true}, {name: 'share', num: true}, {name: 'price, cycles', num: true}, {name: 'status and source'}],
    [...rows, last], {focusable: true});
}

/* notes: what the number is, in words; parts: what it is made of. */
function openBehind(title, notes, parts, options = {}) {
    openDrawer(title, () => [
        ...notes.map((note) => el('p', {}, note)),
        parts.length ? partsTable([...parts].sort((a, b) => b.ticks - a.ticks), options) : null,
        el('p', {class: 'soft'}, 'A step opens its cost and its spans.'),
    ]);
}

/* ---- One step: its cost, and its spans ---- */

function spanList(matches, packet) {
    const found = findSpans(matches, packet || 0, 60);
    if (found.length === 0)
        return el('p', {class: 'soft'}, 'No packet of this page has such a span.');
    return [
        el('h3', {}, found.length < 60 ? `Its ${found.length} spans in packets of this page` : 'Its first 60 spans, packet by packet'),
        table([{name: 'packet'}, {name: 'after its OUT, \u00b5s', num: true}, {name: 'cycles', num: true}, {name: '\u00b5s', num: true}, {name: 'in'}],
            found.map((span) => [
                number(`packet ${packets.id[span.packet]}`, () => showSpan(span)), usText(span.at), cyclesText(span.ticks), usText(span.ticks),
                exitText(span),
            ])),
    ];
}

function showSpan(span) {
    closeDrawer();
    selectPacket(span.packet, {at: span.at, scroll: true});
}

function instructionPrices() {
    if (data.instructions === null)
        return el('p', {}, 'The profile was a file; its section [insn] has the prices of instructions.');
    return table([{name: 'class'}, {name: ''}, {name: 'cycles', num: true}, {name: 'status'}, {name: 'source'}],
        data.instructions.map((price) => [price.name, price.description, short(price.cycles), status(price.status), price.source]));
}

function costFacts(step) {
    const rows = [['layer', `${data.layers[step.layer].name}: ${data.layers[step.layer].description}`], ['what it is', step.description]];
    if (step.unit)
        rows.push(['price', `${price(step)} cycles per ${step.unit}, ${fixed(step.cycles * data.ticks_per_cycle * 1e6 / data.hz, 4)} \u00b5s`],
            ['status', status(step.status)], ['source', step.source || '(none)']);
    return el('dl', {}, rows.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
}

function openStep(step, packet) {
    if (step === QUEUE || step === WIRE)
        return openLink(step);
    const all = sameName(step), whole = all.map((i) => ({step: i, ticks: data.ticks[i], count: data.counts[i]})).filter((part) => part.ticks);
    openDrawer(steps[step].name, () => [
        costFacts(steps[step]),
        steps[step].status === 'overridden' ? el('p', {class: 'bad'}, 'The command line gave this price in place of the profile\u2019s.') : null,
        steps[step].unit ? null : guestNote(steps[step]),
        el('h3', {}, 'In the whole run, by the category it is counted in'),
        table([{name: 'category'}, {name: 'times', num: true}, {name: 'cycles', num: true}, {name: '\u00b5s', num: true}],
            whole.map((part) => [steps[part.step].category, integer(part.count), cyclesText(part.ticks), usText(part.ticks)])),
        spanList((other) => all.includes(other), packet),
        steps[step].name.startsWith('guest.') ? [el('h3', {}, 'Prices of guest instructions'), instructionPrices()] : null,
    ].flat());
}

function guestNote(step) {
    return el('p', {}, step.name === 'idle'
        ? 'Nothing is charged: the CPU waits for the next event.'
        : 'Guest code is simulated instruction by instruction; each instruction costs what its class costs in the profile\u2019s section '
            + '[insn], below. In the monitor\u2019s world kernel code runs translated, at vmm.translated times that.');
}

/* Two parts of a receipt are hardware's time, which passes beside the CPU's. */
function openLink(part) {
    const costs = ['nic.dma', 'nic.latency'].map(stepByName).filter((i) => i >= 0);
    openDrawer(`${layerName(part)}: ${stepName(part)}`, () => (part === QUEUE ? [
        el('p', {}, 'From the moment the physical NIC has the frame (mark TX_NIC) to its first bit on the wire (mark TX_WIRE): the card fetches '
            + 'the descriptor and the frame, then waits until the link is free.'),
        el('h3', {}, 'Prices'),
        table([{name: 'cost'}, {name: 'price, cycles', num: true}, {name: 'status'}, {name: 'source'}],
            costs.map((i) => [number(steps[i].name, () => openStep(i)), `${price(steps[i])} per ${steps[i].unit}`, status(steps[i].status), steps[i].source])),
    ] : [
        el('p', {}, 'From the first bit on the wire (mark TX_WIRE) to the last bit at the other end (mark TX_DELIVERED): preamble, frame and check '
            + 'sequence at the link\u2019s rate, then its delay. Both are properties of the run: -nic rate=, delay= (100 Mb/s unless said otherwise).'),
        command(data.run.command_line || ''),
    ]));
}

/* ---- One packet: its receipt ---- */

function openReceipt(i) {
    openDrawer(`Packet ${packets.id[i]}: receipt`, () => receiptContent(i));
}

function receiptContent(i) {
    const parts = receiptParts(i), whole = latency(i), list = spansOf(i, packets.visit[i]);
    return [
        el('p', {}, `${integer(packets.bytes[i])} bytes; the transmitting access began ${fixed(us(packets.out[i] - data.start), 3)} \u00b5s after power-on. From `
            + 'there to the last bit at the other end:'),
        el('div', {class: 'spark', 'aria-hidden': 'true'}, parts.map((part) =>
            el('span', {title: stepName(part.step), style: {background: stepColour(part.step), flex: `${part.ticks} 0 0`}}))),
        partsTable(parts, {whole, packet: i}),
        el('p', {id: 'receipt-sum', 'data-packet': packets.id[i], 'data-latency': whole},
            sumOf(parts) === whole
                ? `The parts add up to the latency exactly: ${cyclesText(whole)} cycles, ${usText(whole)} \u00b5s.`
                : `The parts add up to ${cyclesText(sumOf(parts))} of ${cyclesText(whole)} cycles.`),
        wayContent(i),
        el('p', {}, el('button', {class: 'plain', type: 'button', onclick: () => { closeDrawer(); selectPacket(i, {scroll: true}); }}, 'Its time line'), ' ',
            `The access itself kept the CPU for ${usText(packets.visit[i])} \u00b5s (${list.length} spans); the next one began `
            + (packets.period[i] ? `${usText(packets.period[i])} \u00b5s after this.` : 'never.')),
    ];
}
