/* The report of `crosspage experiment`: a section per experiment. A number opens the run that it is of: what it was, its packet taken
 * apart into steps, and of each step the price, its status and source; a step opens its cost. */

const SOURCE = 'Sugerman, Venkitachalam, Lim, USENIX 2001';
const METRICS = new Map(data.metrics.map((name, i) => [name, i]));

/* ---- Runs and their metrics ---- */

function findRun(result, label) {
    return result.runs.find((run) => run.label === label);
}

function metric(run, name) {
    const kept = data.runs[run.key], value = kept && METRICS.has(name) ? kept.values[METRICS.get(name)] : null;
    return value === undefined ? null : value;
}

/* A metric, or a sum of several: "a + b - c". */
function evaluate(run, expression) {
    let sum = 0, sign = 1;
    for (const word of expression.split(/ ([+-]) /)) {
        if (word === '+' || word === '-') {
            sign = word === '+' ? 1 : -1;
            continue;
        }
        const value = metric(run, word);
        if (value === null)
            return null;
        sum += sign * value;
    }
    return sum;
}

/* Those that begin with a group's name: [[what follows the dot, value]]. */
function group(run, name) {
    return data.metrics.filter((one) => one.startsWith(name + '.')).map((one) => [one.slice(name.length + 1), metric(run, one)]).filter(([, value]) => value !== null);
}

function unitOf(name) {
    const first = name.split(/[. ]/)[0], units = {_percent: '%', _us: '\u00b5s', _mbps: 'Mb/s', _per_packet: 'per packet', _seconds: 's'};
    return Object.entries(units).filter(([suffix]) => first.endsWith(suffix)).map(([, unit]) => unit)[0] || '';
}

function profileOf(run) {
    return data.profiles[run.configuration.profile] || null;
}

function costOf(run, name) {
    const profile = profileOf(run);
    return profile ? profile.costs.find((cost) => cost.name === name) || null : null;
}

/* What -cost or a sweep gave in place of the profile's price; of the whole switch, too. */
function overridden(run, name) {
    const own = run.configuration[name], whole = name.startsWith('switch.') && name !== 'switch.cold' ? run.configuration.switch : undefined;
    return own !== undefined ? own : whole !== undefined ? `${whole}, the whole switch` : null;
}

/* ---- Behind a number ---- */

/* The categories of a metric that is a row of the paper's Table 1 or 2. */
function categoriesOf(name) {
    const row = /^(table2|category)_(?:percent|us)\.(.*)$/.exec(name);
    return (row && data.rows[row[1] === 'table2' ? `table2.${row[2]}` : row[2]]) || [];
}

/* Is this step part of the metric (of one of its summands)? Costs that are counted with what caused them have no category of
 * their own: they are part of the rows of causes. */
function isOf(name, cost, step) {
    return name.split(/ [+-] /).some((one) => {
        const categories = categoriesOf(one), caused = ['Other work of the host', 'Emulating the Lance transmit path', 'Emulating the Lance status register'];
        return (cost && one === `layer_percent.${cost.layer}`) || one.endsWith('.' + step) || (one === 'switches_per_packet' && step === 'switch.save')
            || (one === 'idle_percent' && step === 'idle') || (categories.includes('Instructions not requiring virtualization') && step.startsWith('guest.'))
            || (cost && cost.unit !== 'instruction' && categories.some((category) => category === cost.category || (cost.category === '' && caused.includes(category))));
    });
}

function stepTable(run, name) {
    const receipt = new Map(group(run, 'receipt_us')), times = new Map(group(run, 'count_per_packet')), all = group(run, 'step_us');
    const total = metric(run, 'packet_us'), shown = [...all];
    receipt.forEach((value, step) => { if (!shown.some(([other]) => other === step)) shown.push([step, null]); });
    const mine = (step) => isOf(name, costOf(run, step), step);
    const rows = shown.sort((a, b) => mine(b[0]) - mine(a[0]) || (b[1] || 0) - (a[1] || 0)).map(([step, value]) => {
        const cost = costOf(run, step), other = overridden(run, step);
        const row = [[number(step, () => (cost ? openCost : openPlain)(run, step)), el('div', {class: 'under'}, cost ? cost.layer : plainStep(step))],
            times.has(step) ? fixed(times.get(step), 3) : '', value === null ? '' : el('span', {'data-step': step, 'data-us': value}, fixed(value, 3)),
            value === null || !total ? '' : fixed(100 * value / total, 2) + ' %', receipt.has(step) ? fixed(receipt.get(step), 3) : '',
            cost && cost.unit ? (other ? [el('b', {}, other)] : `${fixed(cost.cycles, 1)} / ${cost.unit}`) : '',
            cost ? [status(other ? 'overridden' : cost.status), el('div', {class: 'under source'}, other ? `in place of: ${cost.source}` : cost.source)] : ''];
        row.mark = mine(step);
        return row;
    });
    const sum = all.reduce((s, [, value]) => s + value, 0), out = [...receipt.values()].reduce((s, value) => s + value, 0);
    const last = ['sum', '', fixed(sum, 3), '', receipt.size ? fixed(out, 3) : '', '', ''];
    last.sum = true;
    return table([{name: 'step'}, {name: 'times per packet', num: true}, {name: 'CPU time per packet, \u00b5s', num: true}, {name: 'share', num: true},
        {name: 'in the receipt, \u00b5s', num: true}, {name: 'price, cycles', num: true}, {name: 'status and source'}], [...rows, last], {focusable: true});
}

function plainStep(step) {
    return {'guest.user': 'guest instructions, CPL 3', 'guest.kernel': 'guest instructions', idle: 'nothing to do', queue: 'physical NIC: not the CPU\u2019s time',
        wire: 'not the CPU\u2019s time'}[step] || '';
}

function openRun(result, label, name) {
    const run = findRun(result, label);
    if (run)
        openDrawer(run.title && run.title !== run.label ? `${run.title} (${run.label})` : run.label, () => runContent(result, run, name));
}

function runContent(result, run, name) {
    const kept = data.runs[run.key] || {}, value = name ? evaluate(run, name) : null;
    const figures = result.published.filter((row) => row.run === run.label && row.metric === name);
    const settings = Object.entries(run.configuration).map(([key, text]) => `${key}=${text}`).join(' ');
    return [
        name && value !== null ? el('p', {id: 'run-value', 'data-value': value}, el('code', {}, name), ' is ', el('b', {}, `${short(value)} ${unitOf(name)}`), '.') : null,
        figures.map((row) => el('p', {}, `Published: ${row.published} ${row.unit} (${row.figure}, ${row.row}; ${row.set} set).`)),
        run.status === 'done' ? null : el('p', {class: 'bad'}, `This run is ${run.status}. ${run.error || ''}`),
        kept.values && kept.values.length ? [
            el('h3', {}, 'A packet, step by step'),
            el('p', {class: 'soft'}, 'CPU time per packet is all that the CPU did from one packet to the next, and adds up to packet_us. The receipt is one packet\u2019s way, '
                + 'from the transmitting access to its last bit at the other end, and adds up to latency_us. '
                + 'Marked is what the metric is made of (of a step that counts with the access that caused it, perhaps a part). A step opens its cost.'),
            stepTable(run, name || ''),
            el('h3', {}, 'Its spans'),
            el('p', {}, 'The same run, with every span of every packet, as a report of its own:'),
            command(`${kept.command.replace(/^crosspage run/, 'crosspage run -trace run.trace -nographic')} && crosspage report -format html -min-size ${run.min_size} run.trace -o run.html`),
            el('details', {}, el('summary', {}, `All ${data.metrics.filter((one) => metric(run, one) !== null).length} metrics`),
                table([{name: 'metric'}, {name: 'value', num: true}, {name: 'unit'}], data.metrics.filter((one) => metric(run, one) !== null).map((one) => [one, short(metric(run, one)), unitOf(one)]), {wide: false})),
        ] : null,
        el('h3', {}, 'What it was'),
        el('dl', {}, [['settings', settings], ['state hash', kept.state_hash || ''], ['record', `runs/${run.key}.json`],
            ['profile', `${run.configuration.profile || ''}: ${profileOf(run) ? profileOf(run).description : ''}`]].map(([key, text]) => [el('dt', {}, key), el('dd', {}, text)])),
    ];
}

function openCost(run, name) {
    const cost = costOf(run, name), hz = profileOf(run).hz, other = overridden(run, name);
    openDrawer(name, () => [
        el('dl', {}, [['what it is', cost.description], ['layer', cost.layer], ['category', cost.category || 'that of the access that caused it'],
            ['price in the profile', `${fixed(cost.cycles, 3)} cycles per ${cost.unit}, ${fixed(cost.cycles * 1e6 / hz, 4)} \u00b5s at ${fixed(hz * 1e-6, 0)} MHz`],
            ...(other ? [['in this run', [status('overridden'), ' ', other]]] : []),
            ['status', status(cost.status)], ['source', cost.source]].map(([key, text]) => [el('dt', {}, key), el('dd', {}, text)])),
        el('p', {class: 'soft'}, `S01 is ${SOURCE}. docs/cost-model.md explains the choices; crosspage costs -profile ${run.configuration.profile} lists all.`),
        el('h3', {}, 'Where this run spent it'),
        table([{name: ''}, {name: 'per packet', num: true}], [['times', metric(run, `count_per_packet.${name}`)], ['CPU time, \u00b5s', metric(run, `step_us.${name}`)],
            ['in the receipt, \u00b5s', metric(run, `receipt_us.${name}`)]].map(([what, value]) => [what, value === null ? '0' : fixed(value, 3)]), {wide: false}),
    ]);
}

/* Steps that are no cost: what they are made of. */
function openPlain(run, step) {
    const profile = profileOf(run), says = {
        idle: 'Nothing is charged: the CPU waits for the next event.',
        queue: 'From the moment the physical NIC has the frame to its first bit on the wire: it fetches descriptor and frame, then waits until the link is free.',
        wire: 'From the first bit on the wire to the last bit at the other end: preamble, frame and check sequence at the link\u2019s rate, then its delay '
            + '(settings rate and delay; 100 Mb/s unless said otherwise).',
    };
    const wanted = step === 'queue' ? ['nic.dma', 'nic.latency'] : step.startsWith('guest.') ? profile.costs.filter((cost) => cost.name.startsWith('insn.')).map((cost) => cost.name).concat('vmm.translated') : [];
    openDrawer(`${step}: ${plainStep(step)}`, () => [
        el('p', {}, says[step] || 'Guest code is simulated instruction by instruction; each costs what its class costs in the profile. In the monitor\u2019s world kernel code '
            + 'runs translated, at vmm.translated times that.'),
        wanted.length ? table([{name: 'cost'}, {name: 'cycles', num: true}, {name: 'status'}, {name: 'source'}], wanted.map((name) => costOf(run, name)).map((cost) => {
            const other = overridden(run, cost.name);
            return [cost.name, other || fixed(cost.cycles, 2), status(other ? 'overridden' : cost.status), cost.source];
        })) : null]);
}

/* ---- One experiment ---- */

function picture(result, plot) {
    const parsed = new DOMParser().parseFromString(plot.svg, 'image/svg+xml').documentElement;
    if (parsed.nodeName !== 'svg')
        return null;
    const node = document.importNode(parsed, true);
    for (const mark of node.querySelectorAll('[data-run]')) {
        const open = () => openRun(result, mark.dataset.run, mark.dataset.metric);
        mark.setAttribute('tabindex', '0');
        mark.setAttribute('role', 'button');
        mark.addEventListener('click', open);
        mark.addEventListener('keydown', (event) => { if (event.key === 'Enter') open(); });
    }
    return el('figure', {tabindex: -1}, node);
}

function resultTable(result, from) {
    const micro = (text) => text.replace(/\bus$/, '\u00b5s');
    const columns = from.columns.map((column, i) => ({name: column.unit ? `${column.name}, ${micro(column.unit)}` : column.name, num: from.rows.some((row) => typeof row[i] === 'number')}));
    return table(columns, from.rows.map((row, r) => row.map((cell, c) => {
        const origin = from.origins && from.origins[r] && from.origins[r][c];
        const text = typeof cell === 'number' ? fixed(cell, from.columns[c].digits) : cell === null ? '' : micro(cell);
        return origin && typeof cell === 'number' ? number(text, () => openRun(result, origin[0], origin[1]), {'data-run': origin[0], 'data-metric': origin[1]}) : text;
    })), {caption: from.title, focusable: true});
}

function expectations(result) {
    const marks = {true: ['\u2713', 'good', 'found'], false: ['\u2717', 'bad', 'not found'], null: ['?', 'soft', 'unknown']};
    const side = (text, value) => {
        const colon = text.lastIndexOf(':');
        return colon < 0 ? text : number(short(value), () => openRun(result, text.slice(0, colon), text.slice(colon + 1)));
    };
    return el('ul', {class: 'expected'}, result.expectations.map((row) => {
        const [sign, style, word] = marks[row.found], known = row.found !== null;
        return el('li', {}, el('span', {class: 'found ' + style, title: word, role: 'img', 'aria-label': word}, sign), row.text,
            known ? el('span', {class: 'soft'}, ' (', side(row.left, row.left_value), ` ${row.relation} `, side(row.right, row.right_value), ')') : null);
    }));
}

function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted.length ? sorted[Math.floor(sorted.length / 2)] : null;
}

function errorsText(rows) {
    const errors = rows.filter((row) => row.error_percent !== null).map((row) => Math.abs(row.error_percent));
    return errors.length ? `${rows.length} figures; relative error: median ${fixed(median(errors), 1)} %, mean ${fixed(errors.reduce((a, b) => a + b) / errors.length, 1)} %, `
        + `largest ${fixed(errors.reduce((a, b) => Math.max(a, b)), 1)} %` : `${rows.length} figures`;
}

function publishedTables(result) {
    return [['validation', 'Validation: nothing was fitted to these'], ['calibration', 'Calibration: costs were fitted to these, agreement says nothing']].map(([set, caption]) => {
        const rows = result.published.filter((row) => row.set === set);
        if (rows.length === 0)
            return null;
        return [table([{name: 'figure'}, {name: ''}, {name: 'published', num: true}, {name: 'simulated', num: true}, {name: 'unit'}, {name: 'error, %', num: true}, {name: 'from'}],
            rows.map((row) => {
                const open = () => openRun(result, row.run, row.metric);
                const cells = [row.figure, row.row, fixed(row.published, 2), row.simulated === null ? '' : number(fixed(row.simulated, 2), open, {'data-run': row.run, 'data-metric': row.metric}),
                    row.unit, row.error_percent === null ? '' : signed(row.error_percent, 1), {T: 'text, table', B: 'label', V: 'drawing', C: 'computed'}[row.provenance]];
                cells.open = open;
                return cells;
            }), {caption, focusable: true}), el('p', {class: 'soft'}, errorsText(rows))];
    });
}

/* Receipts of two runs, step by step (counterfactual). */
function differenceTables(result) {
    const difference = result.difference;
    if (!difference)
        return null;
    const second = result.runs[1];
    return [['latency', 'The mean receipt: transmitting access to the last bit'], ['period', 'The mean period: all of the CPU\u2019s time per packet']].map(([view, caption]) => {
        if (!difference[view])
            return null;
        const rows = difference[view].steps.map((step) => [second && costOf(second, step.name) ? number(step.name, () => openCost(second, step.name)) : step.name, step.layer || '',
            fixed(step.a_us, 3), fixed(step.b_us, 3), signed(step.difference_us, 3)]);
        const total = difference[view].total, last = ['sum', '', fixed(total.a_us, 3), fixed(total.b_us, 3), signed(total.difference_us, 3)];
        last.sum = true;
        return table([{name: 'step'}, {name: 'layer'}, {name: 'first, \u00b5s', num: true}, {name: 'second, \u00b5s', num: true}, {name: 'difference', num: true}], [...rows, last], {caption, focusable: true});
    });
}

function runsTable(result) {
    const heads = [['throughput_mbps', 'Mb/s', 2], ['idle_percent', 'idle, %', 2], ['packet_us', '\u00b5s per packet', 2], ['switches_per_packet', 'world switches', 2]];
    return el('details', {}, el('summary', {}, `Its ${result.runs.length} run${result.runs.length === 1 ? '' : 's'}`),
        table([{name: 'run'}, {name: 'status'}, ...heads.map(([, name]) => ({name, num: true}))], result.runs.map((run) => [
            number(run.label, () => openRun(result, run.label, null)), run.status === 'done' ? 'done' : el('span', {class: 'bad'}, `${run.status} ${run.error || ''}`),
            ...heads.map(([name, , digits]) => (metric(run, name) === null ? '' : number(fixed(metric(run, name), digits), () => openRun(result, run.label, name))))])));
}

function drawResult(result) {
    const pictures = result.plots.map((plot) => picture(result, plot)).filter(Boolean), rest = pictures.slice(1);
    section(`experiment-${result.experiment}`, result.experiment,
        el('p', {class: 'question'}, el('b', {}, result.title)),
        el('p', {class: 'soft'}, 'Expected: ', result.expects),
        result.guest_name === 'linux' ? el('p', {class: 'soft'}, 'The guest is a Linux kernel, not the embedded one.') : null,
        result.changes ? el('p', {}, 'Changed by the command line: ', el('code', {}, result.changes)) : null,
        result.complete ? null : el('p', {class: 'bad'}, 'Not all of its runs are done.'),
        pictures.slice(0, 1), expectations(result), result.findings.length ? el('ul', {}, result.findings.map((text) => el('li', {}, text))) : null,
        result.tables.slice(0, 1).map((from) => resultTable(result, from)), rest.length ? el('div', {class: 'wide-figures'}, rest) : null,
        result.tables.slice(1).map((from) => resultTable(result, from)), differenceTables(result), publishedTables(result), runsTable(result));
}

/* ---- The head ---- */

function drawHead() {
    const results = data.results, runs = new Set(results.flatMap((result) => result.runs.map((run) => run.key)));
    const expected = results.flatMap((result) => result.expectations), found = expected.filter((row) => row.found === true).length;
    const validation = results.flatMap((result) => result.published).filter((row) => row.set === 'validation');
    const names = results.map((result) => result.experiment).join(', ');
    document.title = results.length === 1 ? `crosspage experiment: ${names}` : 'crosspage experiments';
    const fact = (name, value) => el('li', {}, name + ' ', el('b', {}, value));
    document.getElementById('head').append(el('h1', {}, results.length === 1 ? results[0].title : 'Experiments'),
        el('ul', {class: 'facts'}, fact('experiments', String(results.length)), fact('runs', String(runs.size)), fact('expectations found', `${found} of ${expected.length}`),
            validation.length ? fact('published figures that nothing was fitted to', errorsText(validation)) : null));
    if (data.bounds)
        document.getElementById('head').append(el('details', {}, el('summary', {}, 'Bounds on the published figures that nothing was fitted to'), el('pre', {class: 'code bounds'}, data.bounds.trim())));
    const first = results[0] || {};
    document.getElementById('foot').append(
        el('p', {}, 'All numbers are simulated and the same on every host. An underlined number, a point or a bar opens its run: a packet step by step, with price, status and '
            + 'source of each; a step opens its cost. Open shapes and dashed lines are published figures (' + SOURCE + ').'),
        el('p', {}, 'Made by ', el('code', {}, 'crosspage experiment'), `, program ${first.build || ''}, guest ${first.guest || ''}.`));
}

drawHead();
data.results.forEach(drawResult);
