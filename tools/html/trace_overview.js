/* The head of the page, and where the time went: by layer, by the categories of the paper's tables, how often. */

function drawHead() {
    const run = data.run, seconds = us(data.end - data.start) * 1e-6;
    const fact = (name, value) => el('li', {}, name + ' ', el('b', {}, value));
    const hypervisor = run.hypervisor ? run.hypervisor + (run.hypervisor_options ? ', ' + run.hypervisor_options : '') : '?';
    document.title = `crosspage: ${hypervisor}, ${run.profile || '?'}`;
    document.getElementById('head').append(
        el('h1', {}, 'Where the cycles went'),
        el('ul', {class: 'facts'}, fact('hypervisor', hypervisor), fact('profile', run.profile || '?'),
            fact('guest CPU', run.cpu || '?'), fact('clock', `${fixed(data.hz / data.ticks_per_cycle * 1e-6, 3)} MHz`),
            fact('simulated', [number(fixed(seconds, 6), () => openBehind('The whole run', ['From power-on to its end.'], partsOf(data.ticks, data.counts))), ' s']),
            fact('visits to the hypervisor', number(integer(data.visits), openVisits)), fact('frames', integer(data.frames))));
    document.getElementById('foot').append(
        el('p', {}, 'All numbers are simulated and the same on every host. An underlined one opens what it is made of: steps with their prices and sources '
            + 'there, and a step opens its spans. Times are in cycles of the simulated CPU unless said otherwise.'),
        el('p', {}, 'Made by ', el('code', {}, 'crosspage report -format html'), '. Charts by Chart.js 3.9.1 (MIT licence, in this file).'));
}

function openVisits() {
    openDrawer('Visits to the hypervisor', () => [
        el('p', {}, 'A visit lasts from a guest instruction that exits to the next guest instruction. Of the whole run, by cause:'),
        table([{name: 'exit'}, {name: 'visits', num: true}], data.exits.map((name, exit) => [name, data.exit_counts[exit], exit]).filter((row) => row[1])
            .sort((a, b) => b[1] - a[1]).map(([name, count, exit]) => [name, number(integer(count), () => openExit(exit))]), {wide: false})]);
}

function openExit(exit) {
    openDrawer(`Exit ${data.exits[exit]}`, () => [el('p', {}, `${integer(data.exit_counts[exit])} in the whole run`
        + (transfer ? `, ${integer(transfer.exits[exit])} of them in the transfer, of ${integer(transfer.packets)} packets.` : '.')), spanList((step, of) => of === exit, 0)]);
}

/* ---- Tiles ---- */

function tile(name, value, unit, open) {
    return el('li', {class: 'tile'}, el('span', {class: 'value'}, number(value, open), el('span', {class: 'unit'}, unit)), el('span', {class: 'name'}, name));
}

function transferParts(wanted) {
    return partsOf(transfer.ticks, transfer.counts, wanted);
}

function tiles() {
    const length = transfer.to - transfer.from, n = transfer.packets, all = transferParts();
    const idle = transferParts((step) => data.layers[steps[step].layer].name === 'idle');
    const switches = transferParts((step) => data.layers[steps[step].layer].name === 'world switch');
    const ways = transfer.counts.reduce((sum, count, step) => sum + (steps[step].name === 'switch.save' ? count : 0), 0);
    const direction = transfer.receives ? 'received' : 'sent';
    const list = [
        tile('data packets ' + direction, integer(n + 1), '', () => openBehind('Data packets', [
            `Frames of at least ${data.min_size} bytes that were ${direction}. The transfer lasts from the first one to the last one, so times below are divided by ${integer(n)}.`], all)),
        tile('Ethernet frames', fixed(transfer.bytes * 8 / us(length), 2), 'Mb/s', () => openBehind('Throughput of frames', [
            `${integer(transfer.bytes)} bytes of frames in ${fixed(us(length), 3)} \u00b5s, which went here:`], all)),
        tile('per packet', fixed(us(length) / n, 2), '\u00b5s', () => openBehind('Time per packet', [
            `${fixed(us(length), 3)} \u00b5s for ${integer(n)} packets, which went here:`], all)),
        tile('idle', fixed(100 * sumOf(idle) / length, 2), '%', () => openBehind('Idle time', [
            `${usText(sumOf(idle))} of ${usText(length)} \u00b5s of the transfer.`], idle, {whole: length})),
        tile('world switches per packet', fixed(ways / n, 2), '', () => openBehind('World switches', [
            `${integer(ways)} one-way switches for ${integer(n)} packets (switch.save is charged once for each).`], switches, {whole: length})),
    ];
    if (packetCount) {
        const sorted = order(latency), at = (percent) => sorted[Math.floor(packetCount * percent / 100)];
        for (const percent of [50, 99])
            list.push(tile(percent === 50 ? 'median latency' : `latency, ${percent} % within`, fixed(us(latency(at(percent))), 2), '\u00b5s', () => openReceipt(at(percent))));
    }
    return el('ul', {class: 'tiles'}, list);
}

/* ---- By layer ---- */

function layerTable() {
    const elapsed = data.end - data.start, length = transfer ? transfer.to - transfer.from : 0;
    const inLayer = (layer) => (step) => steps[step].layer === layer;
    const rows = [];
    data.layers.forEach((layer, i) => {
        const run = partsOf(data.ticks, data.counts, inLayer(i)), moved = transfer ? transferParts(inLayer(i)) : [];
        if (run.length === 0)
            return;
        const openRun = () => openBehind(`${layer.name}, whole run`, [layer.description], run, {whole: elapsed});
        const openMoved = () => openBehind(`${layer.name}, transfer`,
            [`${layer.description}. In the whole transfer, of ${integer(transfer.packets)} packets:`], moved, {whole: length});
        const row = [named(layerColour(i), layer.name),
            number(cyclesText(sumOf(run)), openRun, {'data-layer': layer.name, 'data-ticks': sumOf(run)}), number(share(sumOf(run), elapsed), openRun)];
        if (transfer)
            row.push(number(fixed(us(sumOf(moved)) / transfer.packets, 3), openMoved), number(share(sumOf(moved), length), openMoved));
        rows.push(row);
    });
    const run = partsOf(data.ticks, data.counts), last = ['sum', number(cyclesText(sumOf(run)), () => openBehind('The whole run', [
        `Elapsed: ${cyclesText(elapsed)} cycles.`], run), {'data-layer': 'sum', 'data-ticks': sumOf(run)}), share(sumOf(run), elapsed)];
    if (transfer)
        last.push(number(fixed(us(length) / transfer.packets, 3), () => openBehind('The transfer', ['All of its time:'], transferParts())), share(sumOf(transferParts()), length));
    last.sum = true;
    return table([{name: 'layer'}, {name: 'whole run, cycles', num: true}, {name: 'share', num: true},
        ...(transfer ? [{name: 'transfer, \u00b5s per packet', num: true}, {name: 'share', num: true}] : [])], [...rows, last], {focusable: true});
}

/* ---- The paper's tables ---- */

function tableParts(row) {
    return row.parts.map(([step, ticks]) => ({step, ticks, count: null}));
}

function figureCell(figure, digits) {
    return figure ? el('span', {title: figureFrom(figure)}, fixed(figure.value, digits)) : '';
}

function figureFrom(figure) {
    const from = {T: 'from the text or a table', B: 'a label of a figure', V: 'measured in a figure\u2019s drawing', C: 'computed from others'}[figure.from];
    return `${from}; ${figure.set} set: ${figure.set === 'calibration' ? 'costs were fitted to it' : 'nothing was fitted to it'}`;
}

/* What the drawer says of a published figure, if there is one. */
function figureNote(figure, unit) {
    return figure ? [`Published: ${figure.value} ${unit} (Sugerman 2001, ${figureFrom(figure)}).`] : [];
}

function categoryTable(of) {
    const length = transfer.to - transfer.from, rows = of.rows.map((row) => ({...row, ticks: sumOf(tableParts(row))}));
    const vmmRows = rows.filter((row) => row.vmm), vmm = vmmRows.reduce((sum, row) => sum + row.ticks, 0);
    const compares = rows.some((row) => row.percent);
    const colours = rowColours(rows);
    const line = (row, whole) => {
        const average = row.count ? us(row.ticks) / row.count : null, percent = whole ? 100 * row.ticks / whole : 0;
        const open = () => openBehind(row.name, [`${usText(row.ticks)} of ${usText(whole)} \u00b5s ${row.vmm ? 'of VMM time' : 'of the transfer'}`
            + (row.count ? `; ${integer(row.count)} events, the count of its most frequent step.` : '.'),
        ...figureNote(row.percent, '%'), ...figureNote(row.us, '\u00b5s')], tableParts(row), {whole});
        const cells = [named(colours.get(row.name), row.name), row.ticks ? number(fixed(percent, 2), open) : '0', ...(compares ? [figureCell(row.percent, 1), row.percent ? signed(percent - row.percent.value, 1) : ''] : []),
            average !== null && row.ticks ? number(fixed(average, 2), open) : '', ...(compares ? [figureCell(row.us, 2)] : [])];
        cells.open = open;
        return cells;
    };
    const shown = (row) => row.ticks || row.percent;
    const openVmm = () => openBehind('VMM time', ['All rows of the lower half.', ...figureNote(of.vmm, '%')], vmmRows.flatMap(tableParts), {whole: length});
    const total = [named('var(--layer-2)', 'VMM time'), number(fixed(100 * vmm / length, 2), openVmm),
        ...(compares ? [figureCell(of.vmm, 1), of.vmm ? signed(100 * vmm / length - of.vmm.value, 1) : ''] : []), '', ...(compares ? [''] : [])];
    total.sum = true;
    total.open = openVmm;
    const columns = [{name: ''}, {name: 'share, %', num: true}, ...(compares ? [{name: 'published', num: true}, {name: 'difference', num: true}] : []),
        {name: 'average, \u00b5s', num: true}, ...(compares ? [{name: 'published', num: true}] : [])];
    return [
        table(columns, [total, ...rows.filter((row) => !row.vmm && shown(row)).map((row) => line(row, length))],
            {caption: `In the shape of ${of.name}: shares of the transfer`, focusable: true}),
        table(columns, vmmRows.filter(shown).map((row) => line(row, vmm)), {caption: 'Inside VMM time: shares of VMM time', focusable: true}),
    ];
}

/* ---- How often ---- */

function countTable() {
    const rows = [], n = transfer.packets;
    data.exits.forEach((name, exit) => {
        if (transfer.exits[exit])
            rows.push([`exit ${name}`, number(fixed(transfer.exits[exit] / n, 3), () => openExit(exit)), integer(transfer.exits[exit])]);
    });
    const seen = new Set();
    steps.forEach((step, i) => {
        if (seen.has(step.name))
            return;
        seen.add(step.name);
        const parts = sameName(i).map((k) => ({step: k, ticks: transfer.ticks[k], count: transfer.counts[k]})), count = parts.reduce((sum, part) => sum + part.count, 0);
        if (count)
            rows.push([named(stepColour(i), step.name), number(fixed(count / n, 3), () => openBehind(step.name, [
                `${integer(count)} times in the transfer, of ${integer(n)} packets. ${step.description}.`], parts)), integer(count)]);
    });
    return el('details', {}, el('summary', {}, 'How often per data packet: exits and steps'),
        table([{name: ''}, {name: 'per packet', num: true}, {name: 'in the transfer', num: true}], rows, {wide: false}));
}

function drawOverview() {
    if (transfer === null) {
        section('time', 'Time', el('p', {}, `Fewer than two frames of at least ${data.min_size} bytes were sent or received: there are no receipts.`), layerTable());
        return;
    }
    section('time', 'Time by layer', tiles(), el('div', {class: 'chart short'}, el('canvas', {id: 'chart-layers', role: 'img',
        'aria-label': 'Shares of the layers in the whole run and in the transfer; the table below has the numbers'})), layerTable());
    section('categories', 'Time by category', transfer.tables.map((of, i) => [
        el('div', {class: 'chart'}, el('canvas', {id: `chart-table-${i}`, role: 'img', 'aria-label': `The shares of ${of.name} as stacked bars; the tables below have the numbers`})),
        ...categoryTable(of)]).flat(), el('p', {class: 'soft'}, 'Published: Sugerman, Venkitachalam, Lim, USENIX 2001.'), countTable());
}
