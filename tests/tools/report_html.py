"""The HTML report in a browser (report_html.sh): its numbers are those of `report -format json`, its table filters, a click opens a
receipt whose parts add up, nothing in a trace becomes markup, nothing is asked of a network.

Usage: report_html.py TRACE.json TRACE.html OVERRIDDEN.html HOSTILE.html LARGE.html ONE.html NONE.html PROBED [FOLDER for pictures]
"""

import json
import os
import sys

from browser import Browser, Checks

checks = Checks()
check, quiet = checks.check, checks.quiet


def numbers(browser, report):
    shown = browser.run("""Object.fromEntries([...document.querySelectorAll('#time [data-layer]')].map((node) =>
        [node.dataset.layer, [Number(node.dataset.ticks), node.textContent.replace(/\\s/g, '')]]))""")
    expected = dict(report["layers"], sum=report["ticks"])
    check(set(shown) == set(expected), f"layers {sorted(shown)}")
    for layer, (ticks, text) in shown.items():
        check(ticks == expected.get(layer) and float(text) == ticks / report["ticks_per_cycle"], f"{layer}: {ticks} {text}, not {expected.get(layer)}")
    steps = browser.run("""(() => { const sums = {}; data.ticks.forEach((ticks, i) => { if (ticks) sums[steps[i].name] = (sums[steps[i].name] || 0) + ticks; });
        return sums; })()""")
    check(steps == report["steps"], "the steps' sums differ")
    check(browser.run("packetCount") == len(report["packets"]), "packets")
    sum_of_parts = browser.run("packets.id.every((_, i) => receiptParts(i).reduce((sum, part) => sum + part.ticks, 0) === latency(i))")
    check(sum_of_parts, "a receipt does not add up")
    # The time line of an access is gapless and has the same steps as its receipt.
    gapless = browser.run("""packets.id.every((_, i) => { let at = 0; return spansOf(i, packets.visit[i]).every((span) => {
        const good = span.at === at; at += span.ticks; return good; }) && at === packets.visit[i]; })""")
    check(gapless, "a time line has gaps")
    same = browser.run("""packets.id.every((_, i) => { const sums = new Map(); spansOf(i, packets.cpu[i]).forEach((span) =>
        sums.set(span.step, (sums.get(span.step) || 0) + span.ticks)); const list = packets.receipts[packets.receipt[i]];
        return list.length === 2 * sums.size && list.every((value, k) => k % 2 || sums.get(value) === list[k + 1]); })""")
    check(same, "spans and receipt of a packet differ")


def filter_packets(browser, text):
    browser.run("document.getElementById('filter').focus(); document.getElementById('filter').select()")
    browser.type(text)
    return browser.run("document.getElementById('filter-says').textContent")


def one_receipt(browser, packet):
    """The one row that is shown opens by a click; its parts, name by name."""
    filter_packets(browser, str(packet["id"]))
    check(browser.run("document.querySelectorAll('#packets-room .row').length") == 1, f"packet {packet['id']}: one row")
    browser.click("#packets-room .row")
    parts = browser.run("""(() => { const sums = {}; document.querySelectorAll('#drawer [data-part]').forEach((node) => {
        sums[node.dataset.part] = (sums[node.dataset.part] || 0) + Number(node.dataset.ticks); }); return sums; })()""")
    whole = browser.run("Number(document.querySelector('#receipt-sum').dataset.latency)")
    expected = dict(packet["steps"])
    expected["DMA, waiting for the link"] = packet["queue"]
    expected["serialization, propagation"] = packet["wire"]
    check(parts == expected, f"packet {packet['id']}: {parts}, not {expected}")
    check(sum(parts.values()) == whole == packet["latency"], f"packet {packet['id']}: {sum(parts.values())}, {whole}, {packet['latency']}")


def use(browser, report):
    every = report["packets"]
    one_receipt(browser, every[3])
    # The second click: the cost of a step, with status, source and spans.
    browser.click("#drawer tbody button.n")
    text = browser.run("document.getElementById('drawer').textContent")
    for word in ("price", "status", "source", "spans"):
        check(word in text, f"behind a step there is no {word}")
    # And back from a span to the time line.
    browser.run("[...document.querySelectorAll('#drawer button.n')].find((node) => node.textContent.startsWith('packet ')).click()")
    check(browser.run("document.getElementById('drawer').open") is False, "a span closes the drawer")
    check(browser.run("line.at >= 0"), "a span is shown on the time line")
    one_receipt(browser, every[len(every) // 2])
    browser.press("Escape")
    check(browser.run("document.getElementById('drawer').open") is False, "Escape closes the drawer")
    # Filters.
    slow = sum(1 for packet in every if packet["latency"] * 1e6 / report["hz"] > 162)
    check(0 < slow < len(every), "the trace has slow and fast packets")
    check(filter_packets(browser, "latency>162").startswith(f"{slow} of "), "latency>162: " + filter_packets(browser, "latency>162"))
    named = sum(1 for packet in every if "nic.irq" in packet["steps"])
    check(filter_packets(browser, "nic.irq latency>0").startswith(f"{named} of "), "nic.irq")
    filter_packets(browser, "nonsense>")
    check(browser.run("document.getElementById('filter').getAttribute('aria-invalid')") == "true", "a wrong filter is marked")
    browser.run("setFilter('')")
    # The keyboard alone.
    browser.run("document.getElementById('packets-view').focus()")
    browser.press("ArrowDown")
    browser.press("Enter")
    check(browser.run("document.getElementById('drawer').open") is True, "Enter opens a receipt")
    check(browser.run("Number(document.querySelector('#receipt-sum').dataset.packet)") == every[1]["id"], "that of the second packet")
    browser.press("Escape")
    browser.run("document.getElementById('line-svg').focus()")
    browser.press("ArrowRight")
    check("cycles" in browser.run("document.getElementById('line-at').textContent"), "an arrow key names a span")
    # Charts are drawn: not all of one colour.
    drawn = browser.run("""[...document.querySelectorAll('canvas')].every((canvas) => {
        const bits = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        return new Set(bits).size > 4; })""")
    check(drawn, "a chart is empty")


def ways(browser, name):
    """Probed functions: as in the JSON report, and with the receipt they add up."""
    with open(name + ".json", encoding="utf-8") as file:
        report = json.load(file)
    browser.open(name + ".html")
    shown = browser.run("Object.fromEntries([...document.querySelectorAll('#guest [data-function]')].map((node) => [node.dataset.function, Number(node.dataset.ticks)]))")
    check(shown == {one["function"]: one["ticks"] for one in report["ways"]["functions"]} and len(shown) == 5, f"ways {shown}")
    packet = report["packets"][-2]
    browser.run(f"openReceipt(packets.id.indexOf({packet['id']}))")
    stages = browser.run("[...document.querySelectorAll('#drawer [data-way]')].map((node) => [node.dataset.way, Number(node.dataset.ticks)])")
    check(stages == [[stage["function"], stage["ticks"]] for stage in packet["way"]] and len(stages) > 3, f"the way of a packet: {stages}")
    quiet(browser, "ways")


def fits(browser, path, width):
    for dark in (False, True):
        browser.window(width, 900, dark)
        browser.open(path)
        check(browser.run("document.documentElement.scrollWidth") <= width, f"wider than {width}")
        if len(sys.argv) > 9:
            browser.picture(os.path.join(sys.argv[9], f"report-{width}-{'dark' if dark else 'light'}.png"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    with Browser() as browser:
        browser.window(1280, 900)
        browser.open(sys.argv[2])
        quiet(browser, "opening")
        numbers(browser, report)
        use(browser, report)
        quiet(browser, "using")
        for width in (1280, 400):
            fits(browser, sys.argv[2], width)
        browser.open(sys.argv[3])
        check(browser.run("document.querySelector('#costs tbody tr .status').textContent") == "overridden", "what was overridden comes first")
        check(browser.run("document.querySelector('#costs tbody tr').textContent").startswith("switch.cr3"), "switch.cr3 was overridden")
        quiet(browser, "overridden")
        browser.open(sys.argv[4])
        browser.run("openReceipt(0); openStep(0); openVisits(); closeDrawer()")
        check(browser.run("window.injected === undefined && document.querySelector('img, iframe, b[onclick]') === null"), "a string of the trace became markup")
        check("onerror" in browser.run("document.body.textContent"), "the hostile strings are not shown as text")
        quiet(browser, "hostile")
        browser.open(sys.argv[5])
        count = browser.run("packetCount")
        # The least of five: this one is in real time, and the host may have other work.
        took = browser.run("""Math.min(...[1, 2, 3, 4, 5].map(() => { const from = performance.now();
            setFilter('latency>160 1'); setFilter('latency>160'); return performance.now() - from; }))""")
        check(count > 11000 and browser.run("document.querySelectorAll('#packets-room .row').length") < 100, f"{count} packets, few rows as elements")
        check(took < 2000, f"filtering {count} packets takes {took:.0f} ms")
        quiet(browser, "large")
        browser.open(sys.argv[6])
        check(browser.run("packetCount") == 1 and browser.run("transfer") is None, "one packet is no transfer")
        browser.run("openReceipt(0)")
        quiet(browser, "one packet")
        browser.open(sys.argv[7])
        check(browser.run("packetCount") == 0 and browser.run("document.querySelectorAll('#time [data-layer]').length") > 1, "no packet: time by layer")
        quiet(browser, "no packet")
        ways(browser, sys.argv[8])
    checks.end()


if __name__ == "__main__":
    main()
