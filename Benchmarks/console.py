"""How fast the console is with much to show, for `./dev bench console`: each answer of its API that pages ask for, each page
from the address to what it shows, a live tail of a busy topic, and the first chart of the demonstration. Prints Markdown.

    console.py [api] [pages] [tail] [demo] [--topics N] [--queries N] [--connectors N] [--only TEXT]

SWIFTWATER_BIN names the program. Browser, program and measuring share the cores: "CPU" is the program's processor time for one
answer, which also holds where other work runs beside it. Pages are opened in Chromium with an empty cache the first time and
with a full one the second; "rendered" is when the page has its heading and nothing that still loads.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TESTS = Path(__file__).resolve().parent.parent / "Tests/Acceptance"
sys.path[:0] = [str(TESTS), str(TESTS / "console")]

from browser import Browser  # noqa: E402
from console import Platform, free_port, wait_until  # noqa: E402
from process import binary  # noqa: E402

GOAL = 300
TICKS = os.sysconf("SC_CLK_TCK")
STRING = "org.apache.kafka.connect.storage.StringConverter"

# When the page's own content was last complete, and every gap between two frames.
WATCH = """
window.__rendered = null; window.__gaps = [];
(() => {
  const look = () => {
    const main = document.querySelector("main");
    const done = main && main.dataset.ready && main.querySelector("h1") && !main.querySelector(".skeleton");
    if (done && window.__rendered === null) window.__rendered = performance.now();
    if (!done) window.__rendered = null;
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-ready"] });
  let last = performance.now();
  const frame = (now) => { window.__gaps.push(now - last); if (window.__gaps.length > 100000) window.__gaps.shift(); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})();
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Much:
    """The program with much in it."""

    def __init__(self, folder, options):
        self.options = options
        self.platform = Platform(Path(folder) / "platform")
        self.platform.START_SECONDS_MAX = 120
        self.platform.start()
        self.console = self.platform.console
        self.folder = Path(folder)
        began = time.monotonic()
        self.topics()
        self.connectors()
        self.queries()
        self.others()
        say(f"set up in {time.monotonic() - began:.0f} s")

    def topics(self):
        admin = AdminClient({"bootstrap.servers": self.platform.address})
        names = ["orders", *(f"topic.{number:04}" for number in range(self.options.topics - 1))]
        for at in range(0, len(names), 200):
            made = admin.create_topics([NewTopic(name, 1, 1) for name in names[at : at + 200]], request_timeout=60)
            for future in made.values():
                future.result()
        producer = Producer({"bootstrap.servers": self.platform.address})
        for number in range(2000):
            producer.produce("orders", key=f"k{number % 50}", value=json.dumps({"N": number, "CITY": "Oslo", "KIND": number % 20}))
        for name in names[1:]:
            producer.produce(name, key="k", value='{"a": 1}')
        assert producer.flush(60) == 0
        self.names = names

    def connectors(self):
        for number in range(self.options.connectors):
            if number % 2:
                config = {"connector.class": "FileStreamSinkConnector", "topics": f"topic.{number:04}", "file": str(self.folder / f"out{number}")}
            else:
                config = {"connector.class": "DatagenConnector", "kafka.topic": f"topic.{number:04}", "quickstart": "ratings", "max.interval": "5000"}
            config |= {"key.converter": STRING, "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"}
            self.console.send("PUT", f"/api/connect/connectors/connector-{number:02}/config", config)

    def queries(self):
        self.console.ksql("CREATE STREAM ORDERS (N INT, CITY VARCHAR, KIND INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');")
        # Each tenth reads what the one before writes, so that there are pipelines of some length.
        text, source = "", "ORDERS"
        for number in range(self.options.queries):
            text += f"CREATE STREAM OUT_{number:03} AS SELECT * FROM {source} WHERE KIND <> {number % 20} EMIT CHANGES;"
            source = f"OUT_{number:03}" if number % 10 < 4 else "ORDERS"
            if number % 20 == 19 or number == self.options.queries - 1:
                self.console.ksql(text)
                text = ""
        wait_until(
            lambda: all(set(query["statusCount"]) == {"RUNNING"} for query in self.console.ksql("SHOW QUERIES;")[0]["queries"]),
            300, "queries that run",
        )  # fmt: skip

    def others(self):
        for number in range(20):
            consumer = Consumer({"bootstrap.servers": self.platform.address, "group.id": f"group-{number:02}", "enable.auto.commit": False})
            consumer.commit(offsets=[TopicPartition(name, 0, 0) for name in self.names[number : number + 20]], asynchronous=False)
            consumer.close()
        schema = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}]}
        for number in range(50):
            self.console.send("POST", f"/api/registry/subjects/topic.{number:04}-value/versions", {"schema": json.dumps(schema)})
        panels = [
            {"title": f"Panel {number}", "sql": "SET 'auto.offset.reset'='earliest'; SELECT KIND, COUNT(*) AS N FROM ORDERS GROUP BY KIND EMIT CHANGES;",
             "kind": "bar", "x": "KIND", "y": ["N"], "series": "", "width": 1}
            for number in range(4)
        ]  # fmt: skip
        self.console.send("PUT", "/api/dashboards/all", {"id": "all", "title": "All", "panels": panels})
        self.query = self.console.ksql("SHOW QUERIES;")[0]["queries"][0]["id"]

    def cpu(self):
        fields = Path(f"/proc/{self.platform.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self):
        self.platform.stop()


def ksql(text):
    return ("POST", "/api/sql/ksql", {"ksql": text, "streamsProperties": {}})


def questions(much):
    """What the pages ask, as they ask it."""
    return [
        ("GET", "/api/about", None), ("GET", "/api/overview", None), ("GET", "/api/topics", None), ("GET", "/api/topics/orders", None),
        ("GET", "/api/topics/orders/messages?from=last:50&limit=50", None), ("GET", "/api/groups", None), ("GET", "/api/groups/group-00", None),
        ("GET", "/api/registry/schemas?latestOnly=true", None), ("GET", "/api/connect/connectors?expand=status&expand=info", None),
        ("GET", "/api/connect/connectors/connector-00", None), ("GET", "/api/connect/connector-plugins", None),
        ksql("SHOW QUERIES;"), ksql("DESCRIBE STREAMS; DESCRIBE TABLES;"), ksql(f"EXPLAIN ANALYZE {much.query};"),
        ("GET", "/api/lineage", None), ("GET", "/api/dashboards", None), ("GET", "/api/inbox/messages", None),
    ]  # fmt: skip


def api(much, only):
    rows = []
    for method, path, body in questions(much):
        name = path if body is None else f"{path}: {re.sub(much.query, 'QUERY', body['ksql'])}"
        if only and only not in name:
            continue
        time.sleep(0 if only else 0.1)
        times, size = [], 0
        cpu = 0
        for turn in range(11):
            if turn == 1:
                cpu = much.cpu()
            began = time.monotonic()
            answer = much.console.ask(method, path, body)
            times.append(1000 * (time.monotonic() - began))
            assert answer.status == 200, f"{name}: {answer}"
            size = len(answer.body)
        each = 1000 * (much.cpu() - cpu) / 10
        rows.append((name, f"{times[0]:.0f}", f"{statistics.median(times[1:]):.0f}", f"{max(times[1:]):.0f}", f"{each:.0f}", f"{size / 1000:,.0f}"))
        say(" ".join(rows[-1]))
    return table(("answer", "first, ms", "median, ms", "most, ms", "CPU, ms", "kB"), rows)


def cold(much):
    """The first answers after nobody has looked for so long that nothing is known any more."""
    rows = []
    for path in ("/api/topics", "/api/overview", "/api/lineage", "/api/groups"):
        time.sleep(13)
        cpu, began = much.cpu(), time.monotonic()
        assert much.console.ask("GET", path).status == 200
        elapsed = 1000 * (time.monotonic() - began)
        rows.append((path, f"{elapsed:.0f}", f"{1000 * (much.cpu() - cpu):.0f}"))
        say(" ".join(rows[-1]))
    return table(("first answer after a pause", "ms", "CPU, ms"), rows)


def paths(much):
    return [
        "/overview", "/topics", "/topics/orders", "/topics/orders/live", "/topics/orders/produce", "/topics/orders/partitions",
        "/topics/orders/config", "/topics/orders/groups", "/groups", "/groups/group-00", "/schemas", "/schemas/topic.0000-value",
        "/schemas/topic.0000-value/register", "/connectors", "/connectors/connector-00", "/connectors/connector-00/config",
        "/connectors/connector-00/offsets", "/connectors/new", "/connectors/new?plugin=DatagenConnector", "/sql",
        f"/queries/{urllib.parse.quote(much.query)}", "/lineage", "/lineage?view=table", "/lineage?at=topic%3Aorders&steps=1",
        "/lineage?all=1", "/dashboards", "/dashboards/all", "/alerts",
    ]  # fmt: skip


def rendered(browser, page, path):
    """First paint and complete content of a page, in milliseconds since the navigation; processor time of its thread."""
    page.open(path)
    # What loads by itself may begin again: the last time counts.
    last, since = None, time.monotonic()
    while time.monotonic() - since < 0.4:
        browser.listen(0.05)
        now = page.js("window.__rendered")
        if now is None or now != last:
            last, since = now, time.monotonic()
    paint = page.js("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")
    return paint, last, thread(page)


def thread(page):
    """Milliseconds of a processor that the page's thread has had since the navigation."""
    return 1000 * next(entry["value"] for entry in page.call("Performance.getMetrics")["metrics"] if entry["name"] == "TaskDuration")


def pages(much, browser, only):
    rows = []
    page = browser.page(f"http://127.0.0.1:{much.platform.console_port}")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    page.call("Performance.enable", timeDomain="threadTicks")
    for path in paths(much):
        if only and only not in path:
            continue
        page.call("Network.clearBrowserCache")
        first = rendered(browser, page, path)
        again = sorted((rendered(browser, page, path) for _ in range(3)), key=lambda pair: pair[1])
        went = []
        for _ in range(2):  # by a link inside the console
            page.open("/alerts")
            page.js("window.__rendered = null; delete document.querySelector('main').dataset.ready; window.__went = performance.now()")
            page.go(path)
            page.until("window.__rendered !== null && !document.querySelector('main .skeleton')", 60)
            browser.listen(0.3)
            went.append(page.js("window.__rendered - window.__went"))
        row = [path, first[0], first[1], again[1][0], again[1][1], min(entry[2] for entry in again), min(went)]
        rows.append([row[0], *("–" if value is None else f"{value:.0f}" for value in row[1:])])
        say(" ".join(rows[-1]))
    page.close()
    return table(("page", "paint, empty cache", "rendered, empty cache", "paint", f"rendered (goal {GOAL})", "CPU of the page", "by a link"), rows)


def tail(much, browser):
    """A live tail while a producer writes 5,000 messages a second: how long the page's thread is ever away."""
    stop = threading.Event()
    sent = [0]

    def produce():
        producer = Producer({"bootstrap.servers": much.platform.address, "linger.ms": 5})
        began = time.monotonic()
        while not stop.is_set():
            while sent[0] < 5000 * (time.monotonic() - began):
                producer.produce("orders", key=f"k{sent[0] % 50}", value=json.dumps({"N": sent[0], "CITY": "Bergen", "KIND": sent[0] % 20, "NOTE": "x" * 200}))
                sent[0] += 1
            producer.poll(0.005)
        producer.flush(10)

    thread = threading.Thread(target=produce)
    page = browser.page(f"http://127.0.0.1:{much.platform.console_port}")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    page.open("/topics/orders/live")
    thread.start()
    try:
        page.until("document.querySelectorAll('.message').length >= 3", 60)
        browser.listen(3)
        page.js("window.__gaps.length = 0")
        before, cpu, began = sent[0], much.cpu(), time.monotonic()
        browser.listen(15)
        elapsed = time.monotonic() - began
        gaps = sorted(page.js("window.__gaps"))
        figures = page.js("document.querySelector('.tail-bar [role=status]').textContent")
        shown = page.js("document.querySelectorAll('.message').length")
        clicked = time.monotonic()
        page.press("Pause")
        page.sees("paused")
        clicked = 1000 * (time.monotonic() - clicked)
    finally:
        stop.set()
        thread.join()
        page.close()
    rows = [
        ("written", f"{(sent[0] - before) / elapsed:,.0f} messages/s"), ("the page says", figures), ("messages in the page", str(shown)),
        ("frames", f"{len(gaps) / elapsed:.0f}/s"), ("gap between two frames, median", f"{statistics.median(gaps):.0f} ms"),
        ("99 of 100", f"{gaps[int(len(gaps) * 0.99)]:.0f} ms"), ("longest", f"{gaps[-1]:.0f} ms"), ("over 100 ms", str(sum(gap > 100 for gap in gaps))),
        ("from a click on Pause to its effect", f"{clicked:.0f} ms"), ("program", f"{(much.cpu() - cpu) / elapsed:.2f} cores"),
    ]  # fmt: skip
    return table(("live tail", ""), rows)


def demo(browser, folder):
    """From the start of `swiftwater demo` to the first chart of its dashboard that moves, in an open browser."""
    ports = {role: free_port() for role in ("kafka", "registry", "connect", "sql", "console", "admin")}
    flags = [part for role, port in ports.items() for part in (f"--{role}", f"127.0.0.1:{port}")]
    rows = []
    for turn in range(3):
        began = time.monotonic()
        process = subprocess.Popen(
            [binary(), "demo", *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
        dashboard, head = [], []

        def read():
            for line in process.stdout:
                head.append(line)
                if found := re.search(r"dashboard\s+http://\S+?(/dashboards/\S+)", line):
                    dashboard.append(found[1])

        threading.Thread(target=read, daemon=True).start()
        try:
            wait_until(lambda: dashboard or process.poll() is not None, 60, "the demonstration's dashboard")
            assert dashboard, "".join(head)[-2000:]
            named = time.monotonic() - began
            page = browser.page(f"http://127.0.0.1:{ports['console']}")
            page.open(dashboard[0])
            opened = time.monotonic() - began
            shapes = "[...document.querySelectorAll('.panel .bar, .panel .line, .panel .area')].map((e) => e.getAttribute('d') || e.getAttribute('height')).join()"
            page.until(f"{shapes} !== ''", 60, "a chart")
            drawn = time.monotonic() - began
            before = page.js(shapes)
            page.until(f"{shapes} !== {json.dumps(before)}", 60, "a chart that moves")
            moved = time.monotonic() - began
            page.close()
            rows.append((f"run {turn + 1}", f"{named:.2f}", f"{opened:.2f}", f"{drawn:.2f}", f"{moved:.2f}"))
            say(" ".join(rows[-1]))
        finally:
            process.terminate()
            process.wait(30)
    return table(("`swiftwater demo`", "dashboard is named, s", "page is open, s", "first chart, s", "it moves, s (goal 3)"), rows)


def table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "|".join(["---"] + ["---:"] * (len(titles) - 1)) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], metavar="PART", help="api, pages, tail, demo; all without one")
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--connectors", type=int, default=50)
    parser.add_argument("--only", default="", help="answers and pages with this text only")
    options = parser.parse_args()
    parts = options.parts or ["api", "pages", "tail", "demo"]
    if unknown := set(parts) - {"api", "pages", "tail", "demo"}:
        parser.error(f"there is no part {unknown.pop()}: api, pages, tail, demo")
    with tempfile.TemporaryDirectory(prefix="swiftwater-console-") as folder:
        browser = Browser() if set(parts) - {"api"} else None
        try:
            if set(parts) - {"demo"}:
                much = Much(folder, options)
                try:
                    print(f"{options.topics:,} topics, {options.queries} queries, {options.connectors} connectors.\n")
                    if "api" in parts:
                        print(api(much, options.only))
                        if not options.only:
                            print(cold(much))
                    if "pages" in parts:
                        print(pages(much, browser, options.only))
                    if "tail" in parts:
                        print(tail(much, browser))
                finally:
                    much.stop()
            if "demo" in parts:
                print(demo(browser, folder))
        finally:
            if browser:
                browser.close()


if __name__ == "__main__":
    main()
