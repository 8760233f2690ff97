"""The report of experiments in a browser (experiment_html.sh): numbers in tables are those of the result files; each opens its run,
whose steps add up and whose command gives the same numbers, and a step opens a cost with its source; pictures are there and open runs, too.

Usage: experiment_html.py FOLDER PLAIN TORNADO HOSTILE [FOLDER for pictures]
"""

import glob
import json
import os
import subprocess
import sys
import tempfile

from browser import Browser, Checks

checks = Checks()
check, quiet = checks.check, checks.quiet


def value(metrics, expression):
    sign, total = 1, 0
    for word in expression.split():
        if word in "+-":
            sign = 1 if word == "+" else -1
        else:
            total += sign * metrics[word]
    return total


def tables(browser, folder):
    """Every number that says where it comes from is that metric of that run."""
    seen = 0
    for path in glob.glob(os.path.join(folder, "*.json")):
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        if not isinstance(result, dict):
            continue
        metrics = {run["label"]: run.get("metrics", {}) for run in result["runs"]}
        shown = browser.run(f"""[...document.querySelectorAll('#experiment-{result["experiment"]} button[data-run]')].map((node) =>
            [node.dataset.run, node.dataset.metric, node.textContent])""")
        numbers = sum(isinstance(cell, float) for table in result["tables"] for row in table["rows"] for cell in row)
        check(shown or numbers == 0, f"{path}: no number can be opened")
        for run, metric, text in shown:
            text = text.replace("\u202f", "")
            digits = len(text.partition(".")[2])
            check(abs(float(text) - value(metrics[run], metric)) <= 0.51 * 10 ** -digits, f"{path}: {run} {metric} is shown as {text}")
            seen += 1
    check(seen > 100, f"{seen} numbers")


def behind(browser, folder):
    browser.click("#experiment-table1 table button.n[data-run]")
    with open(os.path.join(folder, "table1.json"), encoding="utf-8") as file:
        runs = json.load(file)["runs"]
    label, metric = browser.run("(({dataset}) => [dataset.run, dataset.metric])(document.querySelector('#experiment-table1 table button.n[data-run]'))")
    run = next(run for run in runs if run["label"] == label)
    check(abs(browser.run("Number(document.getElementById('run-value').dataset.value)") - run["metrics"][metric]) < 1e-6, "the value in the drawer")
    total = browser.run("[...document.querySelectorAll('#drawer [data-step]')].reduce((sum, node) => sum + Number(node.dataset.us), 0)")
    check(abs(total - run["metrics"]["packet_us"]) < 1e-6 * total, f"steps add up to {total}, not {run['metrics']['packet_us']}")
    check("crosspage report -format html" in browser.run("document.getElementById('drawer').textContent"), "the command that shows spans")
    browser.click("#drawer tbody button.n")
    text = browser.run("document.getElementById('drawer').textContent")
    for word in ("price", "status", "source"):
        check(word in text, f"behind a step there is no {word}")
    browser.press("Escape")
    check(browser.run("document.getElementById('drawer').open") is False, "Escape closes the drawer")
    # Every step of a run opens something.
    browser.run("""{ const run = data.results[0].runs[0]; group(run, 'step_us').concat(group(run, 'receipt_us'))
        .forEach(([step]) => { (costOf(run, step) ? openCost : openPlain)(run, step); closeDrawer(); }); }""")


def command(browser, folder):
    """What the drawer says to do gives the same numbers."""
    with open(os.path.join(folder, "fig5.json"), encoding="utf-8") as file:
        runs = json.load(file)["runs"]
    for run in runs:
        text = browser.run(f"""(() => {{ const result = data.results.find((one) => one.experiment === 'fig5');
            openRun(result, {json.dumps(run["label"])}, 'packet_us'); const text = document.querySelector('#drawer pre').textContent; closeDrawer(); return text; }})()""")
        place = tempfile.mkdtemp(dir=folder)
        subprocess.run(text, shell=True, check=True, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        browser.open(os.path.join(place, "run.html"))
        ours = browser.run("us(transfer.to - transfer.from) / transfer.packets")
        check(abs(ours - run["metrics"]["packet_us"]) < 1e-6 * ours, f"{run['label']}: {ours} us per packet, not {run['metrics']['packet_us']}")
        check(len(runs) > 1 and browser.run("packetCount") > 10, "packets of a run")
        browser.open(os.path.join(folder, "report.html"))
    quiet(browser, "commands")


def pictures(browser):
    check(browser.run("data.results.every((result) => result.plots.length === document.querySelectorAll(`#experiment-${result.experiment} figure svg`).length)"),
          "a picture is missing")
    browser.run("document.querySelector('figure [data-run]').focus()")
    browser.press("Enter")
    check(browser.run("document.getElementById('drawer').open") is True, "a mark of a picture opens its run")
    browser.press("Escape")


def fits(browser, path, name):
    for width in (1280, 400):
        for dark in (False, True):
            browser.window(width, 900, dark)
            browser.open(path)
            check(browser.run("document.documentElement.scrollWidth") <= width, f"{path} is wider than {width}")
            if len(sys.argv) > 5:
                browser.picture(os.path.join(sys.argv[5], f"{name}-{width}-{'dark' if dark else 'light'}.png"))


def main():
    with Browser() as browser:
        browser.window(1280, 900)
        for folder in sys.argv[1:3]:
            browser.open(os.path.join(folder, "report.html"))
            quiet(browser, folder)
            tables(browser, folder)
            behind(browser, folder)
            pictures(browser)
            quiet(browser, folder)
        command(browser, sys.argv[2])
        fits(browser, os.path.join(sys.argv[2], "report.html"), "experiments")
        browser.window(1280, 900)
        browser.open(os.path.join(sys.argv[3], "report.html"))
        check(browser.run("document.querySelectorAll('#experiment-sensitivity figure [data-run]').length") >= 4, "the tornado has bars")
        quiet(browser, "tornado")
        browser.open(os.path.join(sys.argv[4], "report.html"))
        browser.run("data.results[0].runs.forEach((run) => openRun(data.results[0], run.label, 'packet_us')); closeDrawer()")
        check(browser.run("window.injected === undefined && document.querySelector('img') === null"), "a setting became markup")
        check("onerror" in browser.run("document.body.textContent"), "the hostile setting is not shown as text")
        quiet(browser, "hostile")
    checks.end()


if __name__ == "__main__":
    main()
