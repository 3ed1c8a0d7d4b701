"""What the schema registry takes, for `./dev bench registry`: registrations and look-ups over HTTP on loopback, the start
with many schemas, and their memory. Prints a Markdown table.

    registry.py [--schemas N]

SWIFTWATER_BIN names the program. The client is plain Python, several threads in one process beside the server, so rates
are bounds from below.
"""

import http.client
import json
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests/Acceptance"))

from registry import RegistryBroker  # noqa: E402

ROWS = []


def row(name, value, goal=""):
    ROWS.append((name, value, goal))
    print(f"{name}: {value}", file=sys.stderr, flush=True)


def schema(number):
    """About 1.1 KB of Avro, each a schema of its own."""
    fields = [
        {"name": f"field_{number}_{i}", "type": ["null", "string"], "default": None, "doc": "a field that holds something"}
        for i in range(10)
    ]
    return json.dumps({"type": "record", "name": f"R{number}", "namespace": "com.acme.events", "fields": fields})


def rate(broker, count, threads, request):
    def work(number):
        connection = http.client.HTTPConnection("127.0.0.1", broker.registry_port)
        for index in range(number, count, threads):
            method, path, body = request(index)
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.monotonic() - began)


def register(prefix):
    def request(index):
        body = json.dumps({"schema": schema(index)})
        return "POST", f"/subjects/{prefix}-{index}-value/versions", body

    return request


def main():
    count = int(sys.argv[sys.argv.index("--schemas") + 1]) if "--schemas" in sys.argv else 20_000
    with tempfile.TemporaryDirectory() as folder:
        broker = RegistryBroker(Path(folder)).start()
        try:
            empty = broker.status_kib()
            one = rate(broker, 500, 1, lambda index: register("one")(index + count))
            row("registrations/s, one client, each durable when answered", f"{one:,.0f}")
            many = rate(broker, count, 16, register("s"))
            row(f"registrations/s, 16 clients, {count:,} schemas of {len(schema(1)):,} bytes", f"{many:,.0f}", "500")
            again = rate(broker, 10_000, 4, register("s"))
            row("registrations/s of what is registered", f"{again:,.0f}")
            by_id = rate(broker, 40_000, 4, lambda index: ("GET", f"/schemas/ids/{index % count + 1}", None))
            row("look-ups/s by id", f"{by_id:,.0f}", "5,000")
            latest = rate(
                broker, 40_000, 4, lambda index: ("GET", f"/subjects/s-{index % count}-value/versions/latest", None)
            )
            row("look-ups/s of latest versions", f"{latest:,.0f}", "5,000")
            broker.restart()
            milliseconds = int(re.findall(r"ready in (\d+) ms", broker.log())[-1])
            row(f"start of the whole program with {count:,} schemas", f"{milliseconds} ms", "1 s")
            more = (broker.status_kib() - empty) / 1024
            row("memory more than without schemas, after the start", f"{more:.0f} MiB", "60 MiB")
        finally:
            broker.stop()
    print("| what | measured | goal |\n|---|---|---|")
    for name, value, goal in ROWS:
        print(f"| {name} | {value} | {goal} |")


main()
