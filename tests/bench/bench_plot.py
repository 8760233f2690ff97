"""The plot, as SVG without any library: how fast each engine runs each kernel in relation to QEMU's translator, which is 1.
A row is a kernel, the axis is logarithmic, a dot is an engine."""

import math
from xml.sax.saxutils import escape

ROW, LEFT, WIDTH, TOP, PANEL_GAP = 18, 150, 560, 74, 40
COLOURS = {"translate": "#c0392b", "interp": "#e67e22", "qemu": "#2c3e50", "qemu-icount": "#7f8c8d", "native": "#2980b9"}
NAMES = {"translate": "crosspage, translator", "interp": "crosspage, interpreter", "qemu": "QEMU TCG",
         "qemu-icount": "QEMU TCG, icount", "native": "native"}


def speeds(run):
    """Rows of (name, set, {engine: speed relative to the base}), and the base."""
    base = "qemu" if "qemu" in run["engines"] else run["reference"]
    rows = []
    for row in run["rows"]:
        one = row["engines"].get(base, {})
        if one.get("status") != "ok":
            continue
        rows.append((row["name"], row["set"], {name: one["seconds"] / result["seconds"] for name, result in row["engines"].items()
                                               if result["status"] == "ok" and result["seconds"] > 0}))
    return rows, base


class Panel:
    """One architecture, drawn from `y` down."""

    def __init__(self, run, y):
        self.run, self.y = run, y
        self.rows, self.base = speeds(run)
        values = [speed for _, _, found in self.rows for speed in found.values()] or [1]
        self.low = math.floor(math.log10(min(values + [0.5])))
        self.high = math.ceil(math.log10(max(values + [2])))
        self.height = TOP + ROW * (len(self.rows) + len({group for _, group, _ in self.rows}))

    def x(self, speed):
        return LEFT + WIDTH * (math.log10(speed) - self.low) / (self.high - self.low)

    def draw(self):
        bottom, out = self.y + self.height, []
        out.append(f'<text x="{LEFT}" y="{self.y + 16}" class="title">{escape(self.run["arch"])}, Linux '
                   f'{escape(self.run["kernel"])}: speed in relation to {escape(NAMES.get(self.base, self.base))}</text>')
        x = LEFT
        for name in self.run["engines"]:
            out.append(f'<circle cx="{x + 5}" cy="{self.y + 34}" r="5" fill="{COLOURS.get(name, "#000")}"/>'
                       f'<text x="{x + 14}" y="{self.y + 38}">{escape(NAMES.get(name, name))}</text>')
            x += 30 + 7 * len(NAMES.get(name, name))
        for power in range(self.low, self.high + 1):
            at = self.x(10 ** power)
            kind = "one" if power == 0 else "grid"
            out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{self.y + TOP - 12}" y2="{bottom}" class="{kind}"/>'
                       f'<text x="{at:.1f}" y="{self.y + TOP - 16}" text-anchor="middle">{10.0 ** power:g}x</text>')
        at, group = self.y + TOP, None
        for name, of, found in self.rows:
            if of != group:
                group = of
                out.append(f'<text x="6" y="{at + 12}" class="set">{escape(group)}</text>')
                at += ROW
            middle = at + ROW / 2
            out.append(f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>')
            ends = [self.x(speed) for speed in found.values()]
            out.append(f'<line x1="{min(ends):.1f}" x2="{max(ends):.1f}" y1="{middle}" y2="{middle}" class="span"/>')
            for engine, speed in found.items():
                out.append(f'<circle cx="{self.x(speed):.1f}" cy="{middle}" r="5" fill="{COLOURS.get(engine, "#000")}">'
                           f'<title>{escape(f"{name}, {NAMES.get(engine, engine)}: {speed:.3g}x")}</title></circle>')
            at += ROW
        return out


def svg(document):
    panels, y = [], 10
    for run in document["runs"]:
        panel = Panel(run, y)
        panels.append(panel)
        y += panel.height + PANEL_GAP
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{y}" font-family="sans-serif" '
             'font-size="12">',
             "<style>.title{font-size:15px;font-weight:bold}.set{font-weight:bold}.grid{stroke:#ddd}"
             ".one{stroke:#2c3e50;stroke-dasharray:4 3}.span{stroke:#bbb;stroke-width:2}</style>",
             '<rect width="100%" height="100%" fill="#fff"/>']
    for panel in panels:
        lines += panel.draw()
    return "\n".join(lines + ["</svg>"]) + "\n"
