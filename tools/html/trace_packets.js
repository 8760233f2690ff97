/* The table of packets: thousands of rows, of which only those in view are elements. Filtered, sorted, opened by click or Enter. */

const ROW = 28;
const COLUMNS = [
    {key: 'packet', name: 'packet', value: (i) => packets.id[i], text: (i) => String(packets.id[i])},
    {key: 'bytes', name: 'bytes', value: (i) => packets.bytes[i], text: (i) => integer(packets.bytes[i])},
    {key: 'out', name: 'OUT at, \u00b5s', minor: true, value: (i) => us(packets.out[i] - data.start)},
    {key: 'latency', name: 'latency, \u00b5s', value: (i) => us(latency(i))},
    {key: 'cpu', name: 'CPU, \u00b5s', value: (i) => us(packets.cpu[i])},
    {key: 'queue', name: 'NIC, \u00b5s', minor: true, value: (i) => us(packets.queue[i])},
    {key: 'wire', name: 'wire, \u00b5s', value: (i) => us(packets.wire[i])},
    {key: 'access', name: 'access, \u00b5s', minor: true, value: (i) => us(packets.visit[i])},
    {key: 'period', name: 'to next, \u00b5s', minor: true, value: (i) => us(packets.period[i])},
];
const list = {shown: [], sort: 'out', down: false, at: 0};

/* ---- Filter ---- */

/* A term: "latency>160", "bytes<=1514", a packet's number, or the name of a step or layer in its receipt. Null: no term. */
function term(text) {
    const parts = /^([a-z]+)(<=|>=|<|>|=)(-?[0-9.]+)$/.exec(text);
    if (parts) {
        const column = COLUMNS.find((one) => one.key === parts[1]), limit = Number(parts[3]);
        const compare = {'<': (a) => a < limit, '>': (a) => a > limit, '<=': (a) => a <= limit, '>=': (a) => a >= limit, '=': (a) => a === limit}[parts[2]];
        return column && !Number.isNaN(limit) ? (i) => compare(column.value(i)) : null;
    }
    if (/^[0-9]+$/.test(text))
        return (i) => packets.id[i] === Number(text);
    const wanted = new Set();
    steps.forEach((step, k) => {
        if (step.name.includes(text) || data.layers[step.layer].name.toLowerCase().includes(text))
            wanted.add(k);
    });
    if (wanted.size === 0)
        return null;
    const has = packets.receipts.map((receipt) => receipt.some((value, k) => k % 2 === 0 && wanted.has(value)));
    return (i) => has[packets.receipt[i]];
}

function applyFilter() {
    const input = document.getElementById('filter'), words = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const terms = words.map(term), wrong = words.find((_, k) => terms[k] === null);
    input.setAttribute('aria-invalid', wrong !== undefined);
    if (wrong !== undefined) {
        document.getElementById('filter-says').textContent = `\u201c${wrong}\u201d is no column with a limit, no packet, no step and no layer.`;
        return;
    }
    const column = COLUMNS.find((one) => one.key === list.sort), sign = list.down ? -1 : 1;
    list.shown = packets.id.map((_, i) => i).filter((i) => terms.every((matches) => matches(i)))
        .sort((a, b) => sign * (column.value(a) - column.value(b)) || a - b);
    list.at = 0;
    document.getElementById('filter-says').textContent = `${integer(list.shown.length)} of ${integer(packetCount)} packets`;
    const view = document.getElementById('packets-view');
    view.scrollTop = 0;
    document.getElementById('packets-room').style.height = list.shown.length * ROW + 'px';
    document.getElementById('packets-grid').setAttribute('aria-rowcount', list.shown.length + 1);
    drawRows();
}

function setFilter(text) {
    document.getElementById('filter').value = text;
    applyFilter();
    document.getElementById('packets').scrollIntoView({block: 'start'});
}

/* ---- Rows ---- */

function drawRows() {
    const view = document.getElementById('packets-view'), room = document.getElementById('packets-room');
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 8), last = Math.min(list.shown.length, first + Math.ceil(view.clientHeight / ROW) + 16);
    const rows = [];
    for (let k = first; k < last; k++) {
        const i = list.shown[k];
        rows.push(el('div', {class: 'row' + (i === line.packet ? ' on' : ''), role: 'row', id: `row-${i}`, 'data-row': k, 'aria-rowindex': k + 2,
            'aria-selected': k === list.at, style: {top: k * ROW + 'px'}},
        COLUMNS.map((column) => el('span', {role: 'gridcell', class: column.minor ? 'minor' : null},
            column.text ? column.text(i) : column.key === 'period' && !packets.period[i] ? '' : fixed(column.value(i), 3)))));
    }
    room.replaceChildren(...rows);
    if (list.shown.length)
        view.setAttribute('aria-activedescendant', `row-${list.shown[list.at]}`);
}

function markRow(i) {
    if (document.getElementById('packets-view') === null)
        return;
    const k = list.shown.indexOf(i);
    if (k >= 0)
        list.at = k;
    drawRows();
}

function openRow(k) {
    if (k < 0 || k >= list.shown.length)
        return;
    list.at = k;
    selectPacket(list.shown[k]);
    openReceipt(list.shown[k]);
}

function moveRow(event) {
    const page = Math.floor(document.getElementById('packets-view').clientHeight / ROW) - 1;
    const moves = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
    if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        openRow(list.at);
    } else if (event.key in moves) {
        const view = event.currentTarget;
        event.preventDefault();
        list.at = Math.max(0, Math.min(list.shown.length - 1, list.at + moves[event.key]));
        const top = list.at * ROW;
        if (top < view.scrollTop || top + ROW > view.scrollTop + view.clientHeight)
            view.scrollTop = top - view.clientHeight / 2;
        selectPacket(list.shown[list.at]);
    }
}

function sortBy(key) {
    list.down = list.sort === key ? !list.down : false;
    list.sort = key;
    markSort();
    applyFilter();
}

function markSort() {
    for (const head of document.querySelectorAll('#packets-grid [role=columnheader]'))
        head.setAttribute('aria-sort', head.dataset.key !== list.sort ? 'none' : list.down ? 'descending' : 'ascending');
}

function drawPackets() {
    section('packets', 'All packets',
        el('div', {class: 'chart'}, el('canvas', {id: 'chart-latency', role: 'img', 'aria-label': 'Histogram of latencies; a bar sets the filter of the table below'})),
        el('div', {class: 'bar-controls only-screen'},
            el('input', {id: 'filter', class: 'wide', type: 'search', spellcheck: 'false', placeholder: 'latency>160  bytes<1514  518  host.tick', 'aria-label': 'Filter packets',
                'aria-describedby': 'filter-says', oninput: applyFilter}),
            el('button', {class: 'plain', type: 'button', onclick: () => setFilter('')}, 'all')),
        el('p', {id: 'filter-says', class: 'soft', 'aria-live': 'polite'}),
        el('div', {class: 'packets', role: 'grid', id: 'packets-grid', 'aria-label': 'Packets'},
            el('div', {class: 'row heads', role: 'row', 'aria-rowindex': 1}, COLUMNS.map((column) =>
                el('span', {role: 'columnheader', class: column.minor ? 'minor' : null, 'data-key': column.key},
                    el('button', {type: 'button', onclick: () => sortBy(column.key)}, column.name)))),
            el('div', {class: 'view', id: 'packets-view', role: 'rowgroup', tabindex: 0, onscroll: drawRows, onkeydown: moveRow,
                onclick: (event) => { const row = event.target.closest('[data-row]'); if (row) openRow(Number(row.dataset.row)); }},
            el('div', {id: 'packets-room', role: 'presentation'}))),
        el('p', {class: 'soft only-screen'}, 'A click or Enter opens a packet\u2019s receipt. Filters: a column with a limit (packet, bytes, out, latency, cpu, queue, wire, access, period), '
            + 'a packet\u2019s number, or a step or layer that its receipt has.'));
    markSort();
    applyFilter();
    addEventListener('resize', drawRows);
}
