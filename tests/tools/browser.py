"""A headless Chromium under our hands: pages are opened from files, clicked, asked, and photographed.

It is driven by the DevTools protocol over two pipes (--remote-debugging-pipe: JSON messages that end with a zero byte), so
nothing but Python is needed. What a page logs as an error, throws, or asks of a network is collected in `complaints`.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
TIMEOUT = 240 # seconds until a browser that says nothing is dead; on a busy host it may take one to start


class Checks:
    """What a test of pages looks at, and how much of it was wrong."""

    def __init__(self):
        self.failures = 0

    def check(self, good, text):
        if not good:
            self.failures += 1
            print("FAIL:", text)

    def quiet(self, browser, what):
        self.check(browser.complaints == [], f"{what}: {len(browser.complaints)} complaints: {browser.complaints[:3]}")
        browser.complaints.clear()

    def end(self):
        print(f"{self.failures} failures")
        sys.exit(self.failures > 0)


class Browser:
    def __init__(self):
        program = shutil.which("chromium")
        if program is None:
            print("chromium is not installed: skipped")
            sys.exit(SKIPPED)
        self.folder = tempfile.mkdtemp(prefix="crosspage-browser-")
        to_child, self.write = os.pipe()
        self.read, from_child = os.pipe()

        # The protocol's file descriptors are 3 (in) and 4 (out); the pipes may have been given just these numbers.
        def arrange():
            spare = [os.dup2(to_child, 100), os.dup2(from_child, 101)]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                   "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
                   "--remote-debugging-pipe", f"--user-data-dir={self.folder}", "about:blank"]
        environment = dict(os.environ, HOME=self.folder)
        self.process = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=arrange, close_fds=False, env=environment)
        os.close(to_child)
        os.close(from_child)
        self.buffer, self.number, self.session, self.complaints, self.loaded = b"", 0, None, [], False
        try:
            self.attach()
        except BaseException:
            self.end()
            raise

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except Exception:
            pass
        self.end()

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- Protocol ----

    def receive(self, until):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser says nothing")
            part = os.read(self.read, 1 << 20)
            if not part:
                raise EOFError("the browser is gone")
            self.buffer += part
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def note(self, event):
        method, what = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = what["exceptionDetails"]
            self.complaints.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + " ".join(str(arg.get("value", arg.get("description"))) for arg in what["args"]))
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.complaints.append("log: " + what["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not what["request"]["url"].startswith(("file:", "data:", "about:", "blob:")):
            self.complaints.append("request: " + what["request"]["url"])

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + TIMEOUT
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.note(answer)

    # ---- Pages ----

    def window(self, width, height, dark=False, media=""):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, path):
        self.loaded = False
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        until = time.monotonic() + TIMEOUT
        while not self.loaded:
            self.note(self.receive(until))

    def run(self, script):
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise RuntimeError(f"{script}: {details.get('exception', {}).get('description', details['text'])}")
        return result["result"].get("value")

    def click(self, selector):
        """A real click of the mouse, in the middle of what is seen of the element."""
        box = self.run(f"""(() => {{ const node = document.querySelector({json.dumps(selector)}); if (!node) return null;
            node.scrollIntoView({{block: 'center'}}); const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; }})()""")
        if box is None:
            raise RuntimeError(f"no element {selector}")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, key, code=None):
        virtual = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowRight": 39, "Tab": 9}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=code or key, windowsVirtualKeyCode=virtual, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key, windowsVirtualKeyCode=virtual)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def picture(self, path, whole=True):
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 9000), "scale": 1},
                    "captureBeyondViewport": True}
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"]))
