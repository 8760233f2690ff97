'use strict';
/* What both pages share. The files of a page are put behind each other in the order of pages.cmake and see each other's
 * functions. Text from the data goes into the page as text only (textContent): no string is ever parsed as markup. */

const data = JSON.parse(document.getElementById('data').textContent);

/* An element: el('td', {class: 'num', onclick: f}, child, ...). Children are elements or text; null is nothing. */
function el(name, attributes, ...children) {
    return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
    return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false)
            continue;
        if (key.startsWith('on') && value)
            node.addEventListener(key.slice(2), value);
        else if (key === 'style')
            Object.entries(value).forEach(([name, text]) => node.style.setProperty(name, text));
        else
            node.setAttribute(key, value === true ? '' : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
}

/* ---- Numbers ---- */

const formatters = new Map();

/* With this many digits behind the point; thousands apart by a thin blank at which no line breaks. */
function fixed(value, digits) {
    if (!formatters.has(digits))
        formatters.set(digits, new Intl.NumberFormat('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits}));
    return formatters.get(digits).format(value).replaceAll(',', '\u202f');
}

function integer(value) {
    return fixed(value, 0);
}

/* As many digits as say something. */
function short(value) {
    const size = Math.abs(value);
    return fixed(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 0.1 || size === 0 ? 2 : size >= 0.001 ? 4 : 6);
}

/* A number that opens what is behind it. */
function number(text, open, attributes) {
    return el('button', {class: 'n', type: 'button', onclick: open, 'aria-haspopup': 'dialog', ...attributes}, text);
}

function signed(value, digits) {
    return (value > 0 ? '+' : value < 0 ? '\u2212' : '') + fixed(Math.abs(value), digits);
}

/* ---- Tables ---- */

/* columns: [{name, num}], rows: lists of cells, each an element, a text or null; row.mark and row.sum style it, row.open is
 * what a click anywhere in it does (its number does the same for the keyboard). */
function table(columns, rows, options = {}) {
    const cell = (value, i, tag) => {
        const first = i === 0 && !columns[i].num;
        return el(first ? 'th' : tag, {class: columns[i].num ? 'num' : null, scope: first ? 'row' : null}, value);
    };
    return el('div', {class: 'scroll', tabindex: options.focusable ? 0 : null},
        el('table', {class: options.wide === false ? null : 'wide'},
            options.caption ? el('caption', {}, options.caption) : null,
            el('thead', {}, el('tr', {}, columns.map((column) =>
                el('th', {scope: 'col', class: column.num ? 'num' : null}, column.name)))),
            el('tbody', {}, rows.map((row) =>
                el('tr', {class: (row.sum ? 'sum ' : row.mark ? 'mark ' : '') + (row.open ? 'opens' : ''),
                    onclick: row.open && ((event) => { if (!event.target.closest('button, a')) row.open(); })}, row.map((value, i) => cell(value, i, 'td')))))));
}

function status(name) {
    return name ? el('span', {class: 'status ' + name.replace(/[^a-z]/g, '')}, name) : '';
}

function swatch(colour) {
    return el('span', {class: 'swatch', style: {background: colour}});
}

/* A name with its colour; they stay together where lines break. */
function named(colour, name) {
    return el('span', {class: 'named'}, swatch(colour), el('span', {}, name));
}

/* ---- Sections ---- */

function section(id, title, ...children) {
    const node = el('section', {id, 'aria-labelledby': id + '-title'}, el('h2', {id: id + '-title'}, title), ...children);
    document.getElementById('main').append(node);
    let list = document.querySelector('#sections ul');
    if (list === null) {
        list = el('ul', {});
        document.getElementById('sections').append(list);
    }
    list.append(el('li', {}, el('a', {href: '#' + id}, title)));
    return node;
}

function command(text) {
    return el('pre', {class: 'code', tabindex: 0}, text);
}
