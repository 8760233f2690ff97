/* The time line of one packet, drawn to scale as in the paper's Figure 5: a lane per layer, then the physical NIC and the wire.
 * Pointer or arrow keys say what a span is; Enter or a click opens its cost. */

const line = {packet: 0, whole: false, zoom: 1, spans: [], rects: [], at: -1};
const LANE = 26;

function defaultPacket() {
    return figure5 ? figure5.packet : Math.floor(packetCount / 2);
}

function lineLength(i) {
    const way = latency(i), access = packets.visit[i] || packets.cpu[i];
    return Math.max(line.whole ? Math.max(way, access) : access, 1);
}

/* The CPU's spans, and the two of the hardware. */
function lineSpans(i) {
    const length = lineLength(i), spans = spansOf(i, length), nic = packets.cpu[i], wire = nic + packets.queue[i];
    const hardware = [{at: nic, ticks: packets.queue[i], step: QUEUE}, {at: wire, ticks: packets.wire[i], step: WIRE}];
    return [...spans, ...hardware.filter((span) => span.ticks && span.at < length)];
}

function laneOf(span) {
    return span.step < 0 ? data.layers.length - 1 - span.step : steps[span.step].layer;
}

function laneName(lane) {
    return lane < data.layers.length ? data.layers[lane].name : lane === data.layers.length ? 'physical NIC' : 'wire';
}

function describe(span) {
    const step = steps[span.step];
    return {
        title: `${layerName(span.step)}: ${stepName(span.step)}`,
        time: `${cyclesText(span.ticks)} cycles, ${usText(span.ticks)} \u00b5s, from ${usText(span.at)} \u00b5s`,
        what: span.step < 0 ? 'beside the CPU' : step.description,
        from: span.step < 0 ? '' : [exitText(span), step.status ? `${step.status}: ${step.source}` : ''].filter(Boolean).join('; '),
    };
}

/* Text on it must be dark. */
function isPale(span) {
    return span.step === QUEUE || (span.step >= 0 && [0, 2, 4, 8, 9, 11].includes(steps[span.step].layer));
}

/* ---- Drawing ---- */

function niceStep(range, count) {
    const raw = range / count, power = 10 ** Math.floor(Math.log10(raw));
    return power * [1, 2, 5, 10].find((step) => step * power >= raw);
}

function drawAxis(node, length, x, height) {
    const range = us(length), step = niceStep(range, Math.max(3, x(length) / 90)), digits = Math.max(0, Math.ceil(-Math.log10(step)));
    for (let k = 0; k * step <= range; k++) {
        const at = x(k * step * data.hz * 1e-6);
        node.append(svg('line', {class: 'grid', x1: at, x2: at, y1: 0, y2: height - 18}),
            svg('text', {x: at + (k ? 0 : 2), y: height - 6, 'text-anchor': k ? 'middle' : 'start'}, fixed(k * step, digits) + (k ? '' : ' \u00b5s')));
    }
}

/* The paper's segments, one behind the other, in a lane of their own. */
function drawPublished(node, top, x) {
    let at = 0;
    for (const row of figure5.rows) {
        if (!row.us)
            continue;
        const ticks = row.us.value * data.hz * 1e-6, width = x(at + ticks) - x(at);
        node.append(svg('rect', {class: 'outline', x: x(at), y: top + 5, width, height: LANE - 10}, svg('title', {}, `${row.name}: published ${row.us.value} \u00b5s`)));
        if (width > 34)
            node.append(svg('text', {x: x(at) + width / 2, y: top + LANE / 2 + 4, 'text-anchor': 'middle'}, fixed(row.us.value, 2)));
        at += ticks;
    }
}

function drawLine() {
    const i = line.packet, length = lineLength(i), spans = lineSpans(i), scroll = document.getElementById('line-scroll');
    const lanes = [...new Set(spans.map(laneOf))].sort((a, b) => a - b);
    const compares = !line.whole && figure5 && figure5.us && i === figure5.packet;
    const names = [...lanes.map((lane) => el('div', {title: laneName(lane)}, swatch(laneColour(lane)), laneName(lane))),
        compares ? el('div', {title: 'Sugerman 2001, Figure 5'}, 'published') : null, el('div', {class: 'axis'}, 'from the OUT')];
    document.getElementById('line-names').replaceChildren(...names.filter(Boolean));
    const width = Math.max(scroll.clientWidth, 200) * line.zoom, rows = lanes.length + (compares ? 1 : 0), height = (rows + 1) * LANE;
    const longest = Math.max(length, compares ? figure5.us.value * data.hz * 1e-6 : 0), x = (ticks) => 4 + (width - 24) * ticks / longest;
    const node = svg('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', tabindex: 0, id: 'line-svg',
        'aria-label': `Time line of packet ${packets.id[i]}: ${spans.length} spans. Arrow keys go from span to span, Enter opens one.`});
    drawAxis(node, longest, x, height);
    for (let k = 1; k < rows; k++)
        node.append(svg('line', {class: 'lane', x1: 0, x2: width, y1: k * LANE, y2: k * LANE}));
    line.spans = spans;
    line.rects = spans.map((span, k) => {
        const at = x(span.at), w = Math.max(x(Math.min(span.at + span.ticks, longest)) - at, 0.7), top = lanes.indexOf(laneOf(span)) * LANE + 4;
        const rect = svg('rect', {class: 'span', x: at, y: top, width: w, height: LANE - 8, fill: stepColour(span.step), 'data-span': k, rx: w > 4 ? 1.5 : 0});
        node.append(rect);
        if (w > 40 && span.at + span.ticks <= longest)
            node.append(svg('text', {class: isPale(span) ? 'on' : 'in', x: at + w / 2, y: top + 13, 'text-anchor': 'middle'}, fixed(us(span.ticks), 2)));
        return rect;
    });
    if (compares)
        drawPublished(node, lanes.length * LANE, x);
    scroll.replaceChildren(node);
    watchLine(node);
    line.at = -1;
    document.getElementById('line-title').textContent = `Packet ${packets.id[i]}: `
        + (line.whole ? `to its last bit at the other end, ${usText(latency(i))} \u00b5s` : `from the transmitting access to the next guest instruction, ${usText(length)} \u00b5s`);
    document.getElementById('line-packet').value = packets.id[i];
    showAt(-1);
    drawSpanTable();
}

function laneColour(lane) {
    return lane < data.layers.length ? layerColour(lane) : lane === data.layers.length ? 'var(--queue)' : 'var(--wire)';
}

/* ---- Which span ---- */

function showAt(k) {
    if (line.at >= 0 && line.rects[line.at])
        line.rects[line.at].classList.remove('on');
    line.at = k;
    const node = document.getElementById('line-at');
    if (k < 0) {
        node.replaceChildren(el('span', {class: 'soft'}, data.spans.period[line.packet] < 0
            ? 'This page does not hold the spans of so late a packet: crosspage report -format perfetto shows all.'
            : 'Point at a span, or focus the drawing and use the arrow keys.'));
        return;
    }
    const text = describe(line.spans[k]);
    line.rects[k].classList.add('on');
    node.replaceChildren(el('b', {}, text.title), `: ${text.time}`, el('br', {}), el('span', {class: 'soft'}, `${text.what}. ${text.from}`));
}

function tip(event, k) {
    let node = document.getElementById('tip');
    if (k === null) {
        if (node)
            node.remove();
        return;
    }
    if (!node) {
        node = el('div', {id: 'tip'});
        document.body.append(node);
    }
    const text = describe(line.spans[k]);
    node.replaceChildren(el('b', {}, text.title), text.time, el('br', {}), text.what, text.from ? el('br', {}) : '', text.from);
    const box = node.getBoundingClientRect();
    node.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + 'px';
    node.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + 'px';
}

function watchLine(node) {
    const spanOf = (event) => (event.target.dataset && event.target.dataset.span ? Number(event.target.dataset.span) : null);
    node.addEventListener('pointermove', (event) => {
        const k = spanOf(event);
        tip(event, k);
        if (k !== null && k !== line.at)
            showAt(k);
    });
    node.addEventListener('pointerleave', (event) => tip(event, null));
    node.addEventListener('click', (event) => {
        if (spanOf(event) !== null) {
            tip(event, null);
            openStep(line.spans[spanOf(event)].step, line.packet);
        }
    });
    node.addEventListener('keydown', (event) => {
        const moves = {ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity};
        if (event.key in moves) {
            const k = Math.max(0, Math.min(line.spans.length - 1, line.at + moves[event.key]));
            event.preventDefault();
            showAt(k);
            bringIntoView(k);
        } else if (event.key === 'Enter' && line.at >= 0) {
            openStep(line.spans[line.at].step, line.packet);
        }
    });
}

function bringIntoView(k) {
    const scroll = document.getElementById('line-scroll'), box = line.rects[k].getBBox();
    if (box.x < scroll.scrollLeft || box.x + box.width > scroll.scrollLeft + scroll.clientWidth)
        scroll.scrollLeft = box.x - scroll.clientWidth / 3;
}

function drawSpanTable() {
    const node = document.getElementById('line-spans');
    const draw = () => node.replaceChildren(node.firstElementChild, table(
        [{name: 'from, \u00b5s', num: true}, {name: 'layer'}, {name: 'step'}, {name: 'cycles', num: true}, {name: '\u00b5s', num: true}, {name: 'status'}, {name: 'in'}],
        line.spans.map((span) => [usText(span.at), named(stepColour(span.step), layerName(span.step)),
            number(stepName(span.step), () => openStep(span.step, line.packet)), cyclesText(span.ticks), usText(span.ticks),
            span.step < 0 ? '' : status(steps[span.step].status), span.step < 0 ? 'hardware' : exitText(span)])));
    node.ontoggle = () => { if (node.open) draw(); };
    if (node.open)
        draw();
}

/* ---- The section ---- */

/* at: the span that begins there (ticks after the OUT) is shown. */
function selectPacket(i, options = {}) {
    line.packet = i;
    if (options.at !== undefined && options.at >= packets.visit[i])
        line.whole = true;
    drawButtons();
    drawLine();
    if (options.at !== undefined) {
        const k = line.spans.findIndex((span) => span.at === options.at && span.step >= 0);
        if (k >= 0) {
            showAt(k);
            bringIntoView(k);
        }
    }
    if (options.scroll)
        document.getElementById('line').scrollIntoView({block: 'start'});
    markRow(i);
}

function drawButtons() {
    document.getElementById('line-access').setAttribute('aria-pressed', !line.whole);
    document.getElementById('line-way').setAttribute('aria-pressed', line.whole);
    document.getElementById('line-zoom').textContent = `${line.zoom}\u00d7`;
}

function zoom(factor) {
    const scroll = document.getElementById('line-scroll'), middle = (scroll.scrollLeft + scroll.clientWidth / 2) / line.zoom;
    line.zoom = Math.max(1, Math.min(32, line.zoom * factor));
    drawButtons();
    drawLine();
    scroll.scrollLeft = middle * line.zoom - scroll.clientWidth / 2;
}

function figure5Table() {
    const figure = figure5, median = packets.id[figure.packet], compares = figure.us !== null, whole = packets.visit[figure.packet];
    const cells = (name, parts, published) => {
        const ticks = sumOf(parts);
        const open = () => openBehind(name, [`In the access of median length, packet ${median}.`, ...figureNote(published, '\u00b5s')], parts, {whole, packet: figure.packet});
        const row = [name, number(usText(ticks), open, {'data-ticks': ticks}), share(ticks, whole),
            ...(compares ? [figureCell(published, 2), published ? signed(us(ticks) - published.value, 2) : ''] : [])];
        row.open = open;
        return row;
    };
    const rows = figure.rows.map((row) => cells(row.name, tableParts(row), row.us));
    const last = cells('OUT to the next guest instruction', figure.rows.flatMap(tableParts), figure.us);
    last.sum = true;
    return table([{name: ''}, {name: '\u00b5s', num: true}, {name: 'share', num: true}, ...(compares ? [{name: 'published', num: true}, {name: 'difference', num: true}] : [])],
        [...rows, last], {caption: `The access of median length (packet ${median}) in the parts of Figure 5`, focusable: true});
}

function drawTimeline() {
    const button = (id, text, act, label) => el('button', {class: 'plain', type: 'button', id, onclick: act, 'aria-label': label}, text);
    const view = (whole) => () => { line.whole = whole; line.zoom = 1; drawButtons(); drawLine(); };
    const step = (by) => () => selectPacket((line.packet + by + packetCount) % packetCount);
    section('line', 'One packet, to scale',
        el('p', {id: 'line-title'}),
        el('div', {class: 'bar-controls only-screen'},
            el('span', {class: 'group'}, button('line-access', 'the access', view(false)), button('line-way', 'the whole way', view(true))),
            el('span', {class: 'group'}, button('line-out', '\u2212', () => zoom(0.5), 'zoom out'), button('line-zoom', '1\u00d7', () => zoom(1 / line.zoom), 'no zoom'), button('line-in', '+', () => zoom(2), 'zoom in')),
            el('span', {class: 'group'}, button('line-before', '\u2190', step(-1), 'packet before'), button('line-after', '\u2192', step(1), 'next packet')),
            el('label', {}, 'packet ', el('input', {id: 'line-packet', inputmode: 'numeric', onchange: choosePacket})),
            button('line-receipt', 'its receipt', () => openReceipt(line.packet))),
        el('div', {class: 'line'}, el('div', {class: 'line-names', id: 'line-names', 'aria-hidden': 'true'}), el('div', {class: 'line-scroll', id: 'line-scroll'})),
        el('p', {class: 'line-at', id: 'line-at', 'aria-live': 'polite'}),
        el('details', {id: 'line-spans'}, el('summary', {}, 'All its spans as a table')),
        figure5 ? figure5Table() : null);
    addEventListener('resize', drawLine);
    selectPacket(defaultPacket());
}

function choosePacket(event) {
    const i = packets.id.indexOf(Number(event.target.value));
    event.target.setAttribute('aria-invalid', i < 0);
    if (i >= 0)
        selectPacket(i);
}
