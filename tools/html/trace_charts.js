/* Charts by Chart.js. Colours come from the style sheet and follow the reader's scheme; on paper they are the light ones. */

const charts = [];

/* make(colours) returns a Chart.js configuration. */
function addChart(id, make) {
    const canvas = document.getElementById(id);
    if (canvas === null)
        return;
    const chart = {canvas, make, at: null};
    charts.push(chart);
    paint(chart);
}

function paint(chart) {
    if (chart.at !== null)
        chart.at.destroy();
    const colours = {text: colourValue('var(--text)'), soft: colourValue('var(--soft)'), line: colourValue('var(--line)'), back: colourValue('var(--back)')};
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.color = colours.soft;
    Chart.defaults.animation = false;
    Chart.defaults.maintainAspectRatio = false;
    chart.at = new Chart(chart.canvas, chart.make(colours));
}

function watchScheme() {
    const again = () => charts.forEach(paint);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
    matchMedia('print').addEventListener('change', again);
}

/* ---- Stacked bars ---- */

/* bars: [{name, parts: [{name, value}]}] in per cent, lying; series: [{name, colour, open}] in the order of stacking. */
function stackedBars(id, bars, series, unit) {
    addChart(id, (colours) => ({
        type: 'bar',
        data: {
            labels: bars.map((bar) => bar.name),
            datasets: series.map((one) => ({
                label: one.name, backgroundColor: colourValue(one.colour), borderColor: colours.back, borderWidth: {left: 0, right: 1, top: 0, bottom: 0},
                borderSkipped: false, data: bars.map((bar) => bar.parts.get(one.name) || 0), maxBarThickness: 44,
            })),
        },
        options: {
            indexAxis: 'y',
            scales: {
                x: {stacked: true, max: 100, ticks: {callback: (value) => value + ' %'}, grid: {color: colours.line, drawBorder: false}},
                y: {stacked: true, grid: {display: false, drawBorder: false}, ticks: {color: colours.text}},
            },
            plugins: {
                legend: {display: false}, // the table below has the colours
                tooltip: {callbacks: {label: (item) => `${item.dataset.label}: ${fixed(item.raw, 2)} ${unit}`}},
            },
            interaction: {mode: 'nearest', intersect: true},
            onHover: (event, items) => { event.native.target.style.cursor = items.length && series[items[0].datasetIndex].open ? 'pointer' : 'default'; },
            onClick: (event, items) => {
                if (items.length && series[items[0].datasetIndex].open)
                    series[items[0].datasetIndex].open(items[0].index);
            },
        },
    }));
}

function drawLayerChart() {
    const elapsed = data.end - data.start, length = transfer.to - transfer.from;
    const bar = (name, ticks, whole) => {
        const parts = new Map();
        ticks.forEach((value, step) => parts.set(layerName(step), (parts.get(layerName(step)) || 0) + 100 * value / whole));
        return {name, parts};
    };
    const series = data.layers.map((layer, i) => ({
        name: layer.name, colour: layerColour(i),
        open: (index) => openBehind(`${layer.name}, ${index ? 'transfer' : 'whole run'}`, [layer.description],
            index ? transferParts((step) => steps[step].layer === i) : partsOf(data.ticks, data.counts, (step) => steps[step].layer === i), {whole: index ? length : elapsed}),
    }));
    stackedBars('chart-layers', [bar('whole run', data.ticks, elapsed), bar('transfer', transfer.ticks, length)], series, '%');
}

/* The colour of each row of a table: of layers, as far as they go. A row has the same one in both bars and in the table. */
function rowColours(rows) {
    const upper = [4, 5, 6, 7, 8, 9, 10, 1], vmm = [3, 9, 1, 0, 2, 4, 5, 6, 7, 8, 10], colours = new Map();
    let a = 0, b = 0;
    for (const row of rows.filter((one) => one.ticks || one.percent))
        colours.set(row.name, `var(--layer-${/idle$/i.test(row.name) ? 11 : row.vmm ? vmm[b++ % vmm.length] : upper[a++ % upper.length]})`);
    return colours;
}

function drawTableChart(of, i) {
    const length = transfer.to - transfer.from, rows = of.rows.map((row) => ({...row, ticks: sumOf(tableParts(row))})).filter((row) => row.ticks || row.percent);
    const vmm = rows.filter((row) => row.vmm), vmmTicks = vmm.reduce((sum, row) => sum + row.ticks, 0), compares = rows.some((row) => row.percent);
    const ours = (list, whole) => new Map(list.map((row) => [row.name, whole ? 100 * row.ticks / whole : 0]));
    const theirs = (list) => new Map(list.filter((row) => row.percent).map((row) => [row.name, row.percent.value]));
    const upper = rows.filter((row) => !row.vmm), all = ours(upper, length), published = theirs(upper);
    all.set('VMM time', 100 * vmmTicks / length);
    if (of.vmm)
        published.set('VMM time', of.vmm.value);
    const bars = [{name: ['transfer', 'this run'], parts: all}, ...(compares ? [{name: ['transfer', 'published'], parts: published}] : []),
        {name: ['VMM time', 'this run'], parts: ours(vmm, vmmTicks)}, ...(compares ? [{name: ['VMM time', 'published'], parts: theirs(vmm)}] : [])];
    const colours = rowColours(rows);
    const series = [{name: 'VMM time', colour: 'var(--layer-2)', open: () => openBehind('VMM time', ['All rows of the lower half.'], vmm.flatMap(tableParts), {whole: length})},
        ...[...upper, ...vmm].map((row) => ({
            name: row.name, colour: colours.get(row.name),
            open: () => openBehind(row.name, [], tableParts(row), {whole: row.vmm ? vmmTicks : length}),
        }))];
    stackedBars(`chart-table-${i}`, bars, series, '%');
}

/* ---- Latency ---- */

/* At most this many bars, of a round width. */
function histogram(limit) {
    const values = packets.id.map((_, i) => us(latency(i))), low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    const raw = Math.max((high - low) / limit, 1e-3), power = 10 ** Math.floor(Math.log10(raw));
    const width = power * [1, 2, 5, 10].find((step) => step * power >= raw * (1 - 1e-9));
    const first = Math.floor(low / width), bars = new Array(Math.floor(high / width) - first + 1).fill(0);
    values.forEach((value) => { bars[Math.floor(value / width) - first]++; });
    return {width, from: first * width, bars};
}

function drawHistogram() {
    const {width, from, bars} = histogram(60), digits = Math.max(0, Math.ceil(-Math.log10(width)));
    const edge = (i) => (from + i * width).toFixed(digits);
    addChart('chart-latency', (colours) => ({
        type: 'bar',
        data: {labels: bars.map((_, i) => edge(i)), datasets: [{data: bars.map((count) => count || null), backgroundColor: colourValue('var(--accent)'), barPercentage: 1, categoryPercentage: 0.94, minBarLength: 3}]},
        options: {
            scales: {
                x: {title: {display: true, text: `latency, \u00b5s (bars of ${width.toFixed(digits)})`, color: colours.text}, grid: {display: false, drawBorder: false}, ticks: {maxRotation: 0, autoSkipPadding: 14}},
                y: {type: 'logarithmic', min: 0.8, title: {display: true, text: 'packets (logarithmic)', color: colours.text}, grid: {color: colours.line, drawBorder: false},
                    ticks: {callback: (value) => (Number.isInteger(Math.log10(value)) ? integer(value) : null)}},
            },
            plugins: {legend: {display: false}, tooltip: {callbacks: {title: (items) => `${edge(items[0].dataIndex)} to ${edge(items[0].dataIndex + 1)} \u00b5s`, label: (item) => `${integer(item.raw)} packets`}}},
            interaction: {mode: 'index', intersect: false},
            onHover: (event) => { event.native.target.style.cursor = 'pointer'; },
            onClick: (event, items) => {
                if (items.length)
                    setFilter(`latency>=${edge(items[0].index)} latency<${edge(items[0].index + 1)}`);
            },
        },
    }));
}

function drawCharts() {
    if (transfer) {
        drawLayerChart();
        transfer.tables.forEach(drawTableChart);
    }
    if (packetCount)
        drawHistogram();
    watchScheme();
}
