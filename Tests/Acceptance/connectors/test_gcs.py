"""The sink of Google Cloud Storage in the worker, against a server that speaks as much of its JSON API as that needs."""

import json
import re
import sys
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import Worker, wait_until  # noqa: E402

pytestmark = pytest.mark.deadline(240)


class Bucket:
    def __init__(self):
        bucket = self
        self.objects, self.sessions, self.failures, self.lock = {}, {}, 0, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with bucket.lock:
                    status, headers = bucket.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "2"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        parts = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        if method == "GET":
            return (200 if parts.path == "/storage/v1/b/lake" else 404), {}
        if method == "POST" and query["uploadType"] == "media":
            self.objects[query["name"]] = body
            return 200, {}
        if method == "POST":
            session = uuid.uuid4().hex
            self.sessions[session] = [query["name"], b""]
            return 200, {"Location": f"{self.url}/session/{session}"}
        if method == "DELETE":
            return 499, {}
        session = self.sessions[parts.path.rsplit("/", 1)[1]]
        start, _, total = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", headers["Content-Range"]).groups()
        if start is not None:
            assert int(start) == len(session[1]) and (total != "*" or len(body) % 262144 == 0)
            session[1] += body
        if total == str(len(session[1])):
            self.objects[session[0]] = session[1]
            return 200, {}
        if self.failures:
            self.failures -= 1
            return 503, {}
        return 308, {"Range": f"bytes=0-{len(session[1]) - 1}"} if session[1] else {}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def bucket():
    bucket = Bucket()
    yield bucket
    bucket.close()


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", settings={"offset.flush.interval.ms": "200"}).start()
    yield worker
    if worker.alive:
        worker.stop()


def sink(bucket, **more):
    return {
        "connector__class": "io.confluent.connect.gcs.GcsSinkConnector", "topics": "orders", "gcs__bucket__name": "lake",
        "store__url": bucket.url, "format__class": "io.confluent.connect.gcs.format.json.JsonFormat",
        "key__converter": "org.apache.kafka.connect.storage.StringConverter",
        "value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false", **more}


def produce(worker, values):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for value in values:
        producer.produce("orders", value=json.dumps(value), partition=0)
    assert producer.flush(30) == 0


def test_objects_of_many_records_through_a_kill(worker, bucket):
    worker.put("gcs", **sink(bucket, flush__size="10"))
    produce(worker, [{"n": n} for n in range(25)])
    wait_until(lambda: len(bucket.objects) == 2, 40, "two objects")
    worker.kill()
    worker.start()
    produce(worker, [{"n": n} for n in range(25, 40)])
    wait_until(lambda: len(bucket.objects) == 4, 90, "four objects")
    for start in range(0, 40, 10):
        name = f"topics/orders/partition=0/orders+0+{start:010d}.json"
        assert [json.loads(line)["n"] for line in bucket.objects[name].splitlines()] == list(range(start, start + 10))


def test_large_objects_go_in_parts(worker, bucket):
    bucket.failures = 2
    worker.put("gcs", **sink(bucket, flush__size="30", gcs__part__size="5242880"))
    values = [{"n": n, "text": "x" * 500_000} for n in range(30)]
    produce(worker, values)
    wait_until(lambda: bucket.objects, 60, "the object")
    assert [json.loads(line) for line in bucket.objects["topics/orders/partition=0/orders+0+0000000000.json"].splitlines()] == values
    assert len(bucket.sessions) == 1 and bucket.failures == 0


def test_a_bucket_that_is_not_there(worker, bucket):
    worker.put("gcs", **sink(bucket, flush__size="1", gcs__bucket__name="nowhere"))
    wait_until(lambda: worker.states("gcs") == ("RUNNING", ["FAILED"]), 40, "the task fails")
    assert "Non-existent GCS bucket: nowhere" in worker.status("gcs")["tasks"][0]["trace"]
