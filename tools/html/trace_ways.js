/* With probed functions of the guest (crosspage run -probe): the way of the packets through them, up to the transmitting access. */

const guest = data.guest; /* null without probes */

/* Of packet i, from the outermost function on: [{name, ticks}], until the next one's entry, of the last until the access. */
function wayOf(i) {
    const list = guest ? guest.ways[guest.way[i]] : [], stages = [];
    for (let k = 0; k < list.length; k += 2)
        stages.push({name: guest.names[list[k]], ticks: list[k + 1]});
    return stages;
}

function openFunction(row) {
    openBehind(`${guest.names[row.name]}, on the way of packets`, [
        `From its entry to that of the next probed function, or to the access: all time that passed, for ${integer(row.packets)} packets`
        + (row.stages > row.packets ? `, ${integer(row.stages)} times.` : '.')], tableParts(row));
}

/* For the receipt: what was before the access. */
function wayContent(i) {
    const stages = wayOf(i), before = sumOf(stages), after = latency(i);
    if (stages.length === 0)
        return null;
    const rows = stages.map((stage) => {
        const row = guest.rows.find((one) => guest.names[one.name] === stage.name);
        return [number(stage.name, () => openFunction(row)), el('span', {'data-way': stage.name, 'data-ticks': stage.ticks}, cyclesText(stage.ticks)), usText(stage.ticks)];
    });
    const last = ['from the outermost entry to the last bit', cyclesText(before + after), usText(before + after)];
    last.sum = true;
    return [el('h3', {}, 'Before the access: its way through the guest'),
        table([{name: 'function'}, {name: 'cycles', num: true}, {name: '\u00b5s', num: true}],
            [...rows, ['the receipt above', cyclesText(after), usText(after)], last], {wide: false})];
}

function drawWays() {
    if (!guest)
        return;
    const all = guest.rows.flatMap(tableParts), whole = sumOf(all);
    const rows = guest.rows.map((row) => {
        const ticks = sumOf(tableParts(row)), open = () => openFunction(row);
        const cells = [guest.names[row.name], integer(row.packets), number(usText(ticks / guest.packets), open, {'data-function': guest.names[row.name], 'data-ticks': ticks}), share(ticks, whole)];
        cells.open = open;
        return cells;
    });
    const last = ['from the outermost entry to the access', integer(guest.packets), number(usText(whole / guest.packets), () => openBehind('Ways through the guest',
        ['All packets that have one, from the entry of the outermost function to the transmitting access.'], all)), share(whole, whole)];
    last.sum = true;
    section('guest', 'The way through the guest',
        el('p', {}, 'Probed functions that were open at the transmitting access, from the outermost on, and the time from each one\u2019s entry to the next one\u2019s. A packet\u2019s receipt '
            + 'begins where its way ends.'),
        table([{name: 'function'}, {name: 'packets', num: true}, {name: '\u00b5s per packet', num: true}, {name: 'share', num: true}], [...rows, last], {focusable: true}));
}
