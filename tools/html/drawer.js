/* The drawer: what is behind a number, and behind what is shown there. Escape closes it, "Back" goes a step back. */

const drawer = {node: document.getElementById('drawer'), shown: []};

/* make() returns the content; it is made anew when the reader comes back to it. */
function openDrawer(title, make) {
    drawer.shown.push({title, make, scroll: 0});
    showDrawer();
}

function showDrawer() {
    const {node, shown} = drawer, top = shown[shown.length - 1];
    const back = el('button', {class: 'plain', type: 'button', id: 'drawer-back', onclick: drawerBack}, 'Back');
    back.hidden = shown.length < 2;
    node.replaceChildren(
        el('div', {class: 'drawer-bar'}, back, el('h2', {id: 'drawer-title', tabindex: -1}, top.title),
            el('button', {class: 'plain', type: 'button', id: 'drawer-close', onclick: closeDrawer}, 'Close')),
        el('div', {class: 'drawer-body'}, top.make()));
    if (!node.open)
        node.showModal();
    node.scrollTop = top.scroll;
    document.getElementById('drawer-title').focus({preventScroll: true});
}

function drawerBack() {
    drawer.shown.pop();
    showDrawer();
}

function closeDrawer() {
    drawer.node.close();
}

drawer.node.addEventListener('close', () => { drawer.shown = []; });
drawer.node.addEventListener('scroll', () => {
    if (drawer.shown.length)
        drawer.shown[drawer.shown.length - 1].scroll = drawer.node.scrollTop;
});
/* A click beside the drawer closes it. */
drawer.node.addEventListener('click', (event) => {
    if (event.target === drawer.node && event.clientX < drawer.node.getBoundingClientRect().left)
        closeDrawer();
});
