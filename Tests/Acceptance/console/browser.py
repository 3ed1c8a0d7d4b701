"""Chromium without a window, driven over its DevTools protocol: open, click, type, look, and hear what it complains about."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Finds what a person would name: by the text of a button or link, or by the label of a field. The last open dialog hides
# the page beneath it. Texts that only start with what was asked for come second.
FIND = """
((kind, name) => {
  const dialogs = document.querySelectorAll("dialog[open]");
  const root = dialogs.length ? dialogs[dialogs.length - 1] : document;
  const seen = (e) => e.getClientRects().length > 0;
  const clean = (t) => (t || "").replace(/\\s+/g, " ").replace(/ \\*$/, "").trim();
  const named = (e) => clean(e.getAttribute("aria-label") || (e.labels && e.labels[0] && e.labels[0].textContent) || e.textContent);
  const kinds = { press: "button, a[href], summary, [role=option]", field: "input, textarea, select", any: kind };
  const all = [...root.querySelectorAll(kinds[kind] || kind)].filter(seen);
  if (name === null) return all[0] || null;
  return all.find((e) => named(e) === name) || all.find((e) => named(e).startsWith(name)) || null;
})
"""


class Failure(AssertionError):
    pass


class Browser:
    """One Chromium process with a profile of its own."""

    def __init__(self, program=None, flags=()):
        self.program = program or next(filter(None, map(shutil.which, NAMES)), None)
        assert self.program, "chromium is missing: run ./dev install-deps"
        self.folder = tempfile.mkdtemp(prefix="swiftwater-browser-")
        self.log = open(Path(self.folder) / "log", "wb")
        self.process = subprocess.Popen(
            [self.program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
             "--no-first-run", "--no-default-browser-check", "--force-color-profile=srgb", "--lang=en-GB",
             "--remote-debugging-port=0", f"--user-data-dir={self.folder}", *flags, "about:blank"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": self.folder, "LANG": "C.UTF-8"},
        )  # fmt: skip
        place = Path(self.folder) / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (place.exists() and place.read_text().count("\n") >= 1):
            assert self.process.poll() is None, (Path(self.folder) / "log").read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, "chromium did not open its port within 60 s"
            time.sleep(0.05)
        port, path = place.read_text().split("\n")[:2]
        self.socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None, ping_interval=None)
        self.number = 0
        self.handlers = {}

    def call(self, method, session=None, timeout=60, **params):
        """One command; what happens meanwhile goes to the pages."""
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.socket.send(json.dumps(message))
        deadline = time.monotonic() + timeout
        while True:
            answer = json.loads(self.socket.recv(max(0.01, deadline - time.monotonic())))
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failure(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.hear(answer)

    def hear(self, message):
        handler = self.handlers.get(message.get("sessionId"))
        if handler and "method" in message:
            handler(message["method"], message.get("params", {}))

    def listen(self, seconds):
        """Takes in events for a while."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.hear(json.loads(self.socket.recv(left)))
            except TimeoutError:
                return

    def page(self, base, **options):
        return Page(self, base, **options)

    def close(self):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Page:
    """A tab. `complaints` holds errors of the console, exceptions, refused contents; `requests` every address it asked."""

    def __init__(self, browser, base, width=1440, height=900, dark=False):
        self.browser = browser
        self.base = base
        self.complaints = []
        self.requests = []
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.handlers[self.session] = self.event
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        if dark:
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def call(self, method, **params):
        return self.browser.call(method, session=self.session, **params)

    def event(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(
                f"exception: {details.get('exception', {}).get('description') or details.get('text')}"
            )
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(f"console: {[a.get('value') or a.get('description') for a in params['args']]}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            self.complaints.append(f"log: {entry['text']} {entry.get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def resize(self, width, height=900):
        self.width = width
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def js(self, expression, wait=True):
        """The value of an expression of the page; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=wait, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failure(f"{expression[:200]}: {details.get('exception', {}).get('description') or details['text']}")
        return answer["result"].get("value")

    def until(self, expression, timeout=30, what=None):
        """Waits until an expression holds; the page's text is in the failure."""
        deadline = time.monotonic() + timeout
        while True:
            value = self.js(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failure(
                    f"not within {timeout} s: {what or expression}\nat {self.js('location.href')}\n{self.text()[:3000]}\n{self.complaints}"
                )
            self.browser.listen(0.04)

    def text(self):
        return self.js(
            "(() => { const d = [...document.querySelectorAll('dialog[open]')].pop(); return (d || document.body).innerText; })()"
        )

    def sees(self, text, timeout=30):
        """Waits until a text is on the page."""
        self.until(f"document.body.innerText.includes({json.dumps(text)})", timeout, f"the text {text!r}")

    def open(self, path, heading=None):
        """Loads a deep link afresh and waits for its page."""
        self.call("Page.navigate", url=self.base + path)
        self.loaded(heading)

    def loaded(self, heading=None):
        self.until(
            "document.readyState === 'complete' && !!document.querySelector('main[data-ready] h1')",
            60,
            "a page with a heading",
        )
        if heading:
            self.until(
                f"(document.querySelector('main h1') || {{}}).textContent === {json.dumps(heading)}",
                60,
                f"the heading {heading!r}",
            )
        self.until("!document.querySelector('main .skeleton')", 60, "the end of loading")

    def go(self, path):
        """Follows a link inside the page, as the router does."""
        self.js(
            f"(() => {{ const a = document.createElement('a'); a.href = {json.dumps(path)}; document.body.append(a); a.click(); a.remove(); }})()"
        )

    def _box(self, kind, name, timeout=20):
        query = f"{FIND}({json.dumps(kind)}, {json.dumps(name)})"
        self.until(f"!!({query}) && !({query}).disabled", timeout, f"{kind} {name!r}")
        return self.js(
            f"(() => {{ const e = {query}; e.scrollIntoView({{ block: 'center', inline: 'nearest' }}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        )

    def click_at(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, name):
        """Clicks a button, link or summary by its name."""
        self.click_at(*self._box("press", name))

    def click(self, selector):
        self.click_at(*self._box(selector, None))

    def fill(self, label, value):
        """Sets a field by its label, as if it was typed."""
        query = f"{FIND}('field', {json.dumps(label)})"
        self.until(f"!!({query})", 20, f"field {label!r}")
        if self.js(f"({query}).tagName") == "SELECT":
            self.js(
                f"(() => {{ const e = {query}; e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input', {{ bubbles: true }})); e.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
            )
            return
        # On a busy machine a page that is just being drawn may take the focus between the two steps: then once more.
        for _ in range(4):
            self.js(f"(() => {{ const e = {query}; e.focus(); e.select(); }})()")
            if value:
                self.call("Input.insertText", text=value)
            else:
                self.key("Delete")
            if self.js(f"({query})?.value === {json.dumps(value)}"):
                return
            self.browser.listen(0.2)

    def type(self, text):
        """Types letters one by one, with key events."""
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter, unmodifiedText=letter)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def key(self, key, ctrl=False, shift=False):
        codes = {
            "Enter": 13,
            "Tab": 9,
            "Escape": 27,
            "Delete": 46,
            "Backspace": 8,
            "ArrowDown": 40,
            "ArrowUp": 38,
            "ArrowLeft": 37,
            "ArrowRight": 39,
            " ": 32,
            "Home": 36,
            "End": 35,
        }
        modifiers = (2 if ctrl else 0) | (8 if shift else 0)
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        base = {
            "key": key,
            "code": key if len(key) > 1 else f"Key{key.upper()}",
            "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper())),
            "modifiers": modifiers,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", **base, **({"text": text} if text and not ctrl else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **base)

    def screenshot(self, path, whole=False):
        options = {"format": "png"}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            options |= {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": self.width, "height": min(size["height"], 4000), "scale": 1},
            }
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))

    def close(self):
        self.browser.handlers.pop(self.session, None)
        self.browser.call("Target.closeTarget", targetId=self.target)
