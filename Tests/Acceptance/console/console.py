"""A program with everything on, or a console alone, and the console's API as its pages see it."""

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from process import Broker, free_port, wait_until  # noqa: E402, F401
from registry import Http  # noqa: E402

OWN = {"X-Swiftwater-Console": "1"}


class Api:
    """The console's API."""

    def __init__(self, port):
        self.port = port
        self.http = Http(f"http://127.0.0.1:{port}")

    def ask(self, method, path, body=None, headers=OWN, **more):
        return self.http.ask(method, path, body, **{**more, **headers, "Content-Type": "application/json"})

    def get(self, path, **more):
        answer = self.ask("GET", path, **more)
        assert answer.status == 200, f"{path}: {answer}"
        return answer.json

    def send(self, method, path, body=None, status=(200, 201, 204)):
        answer = self.ask(method, path, body)
        assert answer.status in status, f"{method} {path}: {answer}"
        return answer.json if answer.body else None

    def ksql(self, text):
        return self.send("POST", "/api/sql/ksql", {"ksql": text, "streamsProperties": {}})

    def messages(self, topic, query="from=earliest&limit=1000"):
        return self.get(f"/api/topics/{topic}/messages?{query}")["messages"]

    def produce(self, topic, value, key=None, format="json"):
        text = value if isinstance(value, str) else json.dumps(value)
        return self.send(
            "POST",
            f"/api/topics/{topic}/messages",
            {"key": {"format": "string", "text": key} if key else None, "value": {"format": format, "text": text}},
        )


class Stream:
    """Server-sent events, read on a thread until `close`."""

    def __init__(self, port, path):
        import http.client

        self.events = []
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name = None
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line[6:])))
        except (OSError, ValueError, AttributeError):
            return  # closed from the other thread

    def of(self, name):
        return [event for kind, event in list(self.events) if kind == name]

    def close(self):
        import socket

        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()


class Platform(Broker):
    """`swiftwater start` with all roles, or with `of=PLATFORM` a console of its own for another one."""

    def __init__(self, folder, properties=None, of=None, flags=(), **options):
        self.console_port = free_port()
        self.console = Api(self.console_port)
        own = ["--console", f"127.0.0.1:{self.console_port}", "--admin", "none"]
        if of:
            own += ["--roles", "console", "--bootstrap-servers", of.address]
            own += ["--registry-url", of.url(of.registry_port), "--connect-url", of.url(of.connect_port)]
            own += ["--ksql-url", of.url(of.sql_port)]
        else:
            self.registry_port, self.connect_port, self.sql_port = free_port(), free_port(), free_port()
            own += ["--registry", f"127.0.0.1:{self.registry_port}", "--connect", f"127.0.0.1:{self.connect_port}"]
            own += ["--sql", f"127.0.0.1:{self.sql_port}"]
        super().__init__(folder, {"console.inbox": "true", **(properties or {})}, flags=[*own, *flags], **options)
        self.folder.mkdir(exist_ok=True)

    @staticmethod
    def url(port):
        return f"http://127.0.0.1:{port}"

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


def quiet(seconds, count):
    """Whether `count()` stays the same for so long."""
    before = count()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if count() != before:
            return False
        time.sleep(0.2)
    return True
