/* Where every cost comes from: those that the run used, those overridden first, then by the time they took. */

function costRows() {
    const seen = new Set(), rows = [];
    steps.forEach((step, i) => {
        if (!step.unit || seen.has(step.name))
            return;
        seen.add(step.name);
        const all = sameName(i), ticks = all.reduce((sum, k) => sum + data.ticks[k], 0), count = all.reduce((sum, k) => sum + data.counts[k], 0);
        rows.push({step, i, ticks, count});
    });
    const rank = (row) => (row.step.status === 'overridden' ? 0 : 1);
    return rows.sort((a, b) => rank(a) - rank(b) || b.ticks - a.ticks || (a.step.name < b.step.name ? -1 : 1));
}

function costTable(rows) {
    const elapsed = data.end - data.start;
    return table([{name: 'cost'}, {name: 'price, cycles', num: true}, {name: '\u00b5s', num: true}, {name: 'times', num: true}, {name: 'of the run', num: true},
        {name: 'status and source'}],
    rows.map((row) => {
        const cells = [[named(stepColour(row.i), number(row.step.name, () => openStep(row.i), {'data-cost': row.step.name})), el('div', {class: 'under'}, layerName(row.i))],
            `${price(row.step)} / ${row.step.unit}`, fixed(row.step.cycles * data.ticks_per_cycle * 1e6 / data.hz, 4), row.count ? integer(row.count) : '',
            row.ticks ? share(row.ticks, elapsed) : '', [status(row.step.status), el('div', {class: 'under source'}, row.step.source)]];
        cells.mark = row.step.status === 'overridden';
        return cells;
    }), {focusable: true});
}

function drawCosts() {
    const rows = costRows(), used = rows.filter((row) => row.ticks || row.count), overridden = rows.filter((row) => row.step.status === 'overridden');
    const unused = rows.filter((row) => !row.ticks && !row.count && row.step.status !== 'overridden'), elapsed = data.end - data.start;
    const byStatus = new Map();
    used.forEach((row) => byStatus.set(row.step.status, (byStatus.get(row.step.status) || 0) + row.ticks));
    const modelled = used.reduce((sum, row) => sum + row.ticks, 0);
    section('costs', 'Costs and their sources',
        el('p', {}, `${used.length} costs were charged; they are ${share(modelled, elapsed)} of the run. The rest is guest instructions`
            + ` and idle time. ${overridden.length ? `${overridden.length} overridden by the command line.` : 'None was overridden.'}`),
        el('ul', {class: 'facts'}, [...byStatus].map(([name, ticks]) => el('li', {}, status(name), ' ', el('b', {}, share(ticks, elapsed)), ' of the run'))),
        el('p', {class: 'soft'}, 'S01 is Sugerman, Venkitachalam, Lim, \u201cVirtualizing I/O Devices on VMware Workstation\u2019s Hosted Virtual Machine Monitor\u201d, USENIX 2001; '
            + 'P6 the Pentium II and III of Intel\u2019s Architecture Optimization Reference Manual. docs/sources.md lists all sources, docs/cost-model.md the choices.'),
        costTable([...overridden, ...used.filter((row) => row.step.status !== 'overridden')]),
        el('details', {}, el('summary', {}, `Costs of the profile that this run did not charge (${unused.length})`), costTable(unused)),
        el('details', {}, el('summary', {}, 'Prices of guest instructions'),
            el('p', {class: 'soft'}, 'A trace does not hold them: these are of this program\u2019s profile of the same name, with the run\u2019s -cost.'), instructionPrices()));
    section('run', 'The run',
        data.run.command_line ? [el('p', {}, 'The same trace again, byte for byte, on any host:'), command(data.run.command_line)] : null,
        el('dl', {}, Object.entries(data.run).filter(([key]) => key !== 'command_line').map(([key, value]) =>
            [el('dt', {}, key), el('dd', {}, typeof value === 'string' ? value || '(none)' : Array.isArray(value) ? value.join(' ') || '(none)' : String(value))])));
}
