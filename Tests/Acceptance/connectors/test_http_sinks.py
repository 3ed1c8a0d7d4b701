"""The sinks of HTTP and Slack in the worker, against a server that answers as a test wants it."""

import http.server
import json
import sys
import threading
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import Worker, wait_until  # noqa: E402


class Receiver:
    """Keeps every request; `answers` gives status and headers by a function of the request, "ok" otherwise."""

    def __init__(self):
        self.requests = []
        self.answer = lambda request: (200, {}, b"ok")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                request = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
                status, headers, text = outer.answer(request)
                outer.requests.append(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_PUT = do_DELETE = handle_one

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def bodies(self):
        return [request["body"] for request in self.requests]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()


@pytest.fixture
def worker(tmp_path):
    # Offsets soon say what was delivered.
    worker = Worker(tmp_path / "broker", settings={"offset.flush.interval.ms": "200"}).start()
    yield worker
    if worker.alive:
        worker.stop()


TEXTS = {
    "key__converter": "org.apache.kafka.connect.storage.StringConverter",
    "value__converter": "org.apache.kafka.connect.storage.StringConverter"}
JSON = {
    "key__converter": "org.apache.kafka.connect.storage.StringConverter",
    "value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false"}


def http_sink(receiver, **more):
    return {
        "connector__class": "io.confluent.connect.http.HttpSinkConnector", "topics": "calls",
        "http__api__url": receiver.url + "/hook", "retry__backoff__ms": "20", **TEXTS, **more}


def produce(worker, topic, records):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=0)
    assert producer.flush(30) == 0


def read(worker, topic, count):
    """So many records of a topic, from its beginning."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": worker.address, "group.id": "reader"})
    try:
        wait_until(lambda: topic in consumer.list_topics(timeout=10).topics, what=f"topic {topic}")
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        found = []

        def look():
            message = consumer.poll(0.2)
            if message and not message.error():
                found.append(message)
            return len(found) >= count
        wait_until(look, 30, f"{count} records of {topic}")
        return found
    finally:
        consumer.close()


def test_records_are_requests_in_their_order(worker, receiver):
    worker.put("http", **http_sink(
        receiver, http__api__url=receiver.url + "/hook/${key}", headers="X-One:1|X-Two:two",
        auth__type="BASIC", connection__user="me", connection__password="secret-word"))
    worker.wait_running("http")
    produce(worker, "calls", [(f"k {number}", f"value {number}") for number in range(50)])
    wait_until(lambda: len(receiver.requests) == 50, what="all requests")
    assert receiver.bodies == [f"value {number}" for number in range(50)]
    request = receiver.requests[3]
    assert (request["method"], request["path"]) == ("POST", "/hook/k%203")
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["x-one"] == "1" and headers["x-two"] == "two" and headers["authorization"].startswith("Basic ")
    assert "secret-word" not in worker.log()


def test_batches_retries_and_offsets(worker, receiver):
    """A server that is ill for a while gets everything once it is well, and what it took is not sent again."""
    ill = {"count": 3}

    def answer(_):
        ill["count"] -= 1
        return (503, {}, b"ill") if ill["count"] >= 0 else (200, {}, b"ok")

    receiver.answer = answer
    worker.put("http", **http_sink(
        receiver, batch__max__size="10", batch__prefix="[", batch__suffix="]", batch__key__pattern="all",
        request__body__format="json", **JSON))
    worker.wait_running("http")
    produce(worker, "calls", [("k", json.dumps({"n": number})) for number in range(25)])
    delivered = lambda: [  # noqa: E731
        item["n"] for body in receiver.bodies[3:] for item in json.loads(body)]
    wait_until(lambda: len(delivered()) == 25, what="all records")
    assert delivered() == list(range(25))
    assert all(len(json.loads(body)) <= 10 for body in receiver.bodies)
    committed = lambda: worker.ask("GET", "/connectors/http/offsets")[1]["offsets"]  # noqa: E731
    wait_until(lambda: committed() and committed()[0]["offset"]["kafka_offset"] == 25, what="the commit")
    count = len(receiver.requests)
    worker.stop()
    worker.start()
    worker.wait_running("http")
    produce(worker, "calls", [("k", json.dumps({"n": 25}))])
    wait_until(lambda: len(receiver.requests) > count, what="the next record")
    assert [json.loads(body) for body in receiver.bodies[count:]] == [[{"n": 25}]]


def test_answers_are_written_to_topics(worker, receiver):
    receiver.answer = lambda request: (
        (422, {}, b"no such thing") if request["body"] == "bad" else (200, {}, b"thanks for " + request["body"].encode()))
    worker.put("http", **http_sink(
        receiver, max__retries="0", behavior__on__error="log", reporter__bootstrap__servers=worker.address,
        reporter__result__topic__name="answers", reporter__error__topic__name="refusals"))
    worker.wait_running("http")
    produce(worker, "calls", [("a", "one"), ("b", "bad"), ("c", "two")])
    good = read(worker, "answers", 2)
    assert [(json.loads(message.key()), message.value()) for message in good] == [
        ("a", b"thanks for one"), ("c", b"thanks for two")]
    headers = dict(good[1].headers())
    assert headers["input_record_topic"] == b"calls" and headers["input_record_offset"] == b"2"
    assert headers["response_status"] == b"200"
    (bad,) = read(worker, "refusals", 1)
    assert b"422" in bad.value() and dict(bad.headers())["input_record_offset"] == b"1"
    assert worker.states("http") == ("RUNNING", ["RUNNING"])


def test_what_is_refused_ends_the_task_or_becomes_a_dead_letter(worker, receiver):
    receiver.answer = lambda request: (400, {}, b"not like this") if request["body"] == "bad" else (200, {}, b"ok")
    options = http_sink(receiver, max__retries="0")
    worker.put("http", **options)
    produce(worker, "calls", [("a", "one"), ("b", "bad"), ("c", "two")])
    wait_until(lambda: worker.states("http") == ("RUNNING", ["FAILED"]), what="the task fails")
    trace = worker.status("http")["tasks"][0]["trace"]
    assert "400" in trace and "not like this" in trace
    worker.put("http", **options, errors__tolerance="all", errors__deadletterqueue__topic__name="dead",
               errors__deadletterqueue__topic__replication__factor="1",
               errors__deadletterqueue__context__headers__enable="true")
    (letter,) = read(worker, "dead", 1)
    assert letter.value() == b"bad"
    assert b"not like this" in dict(letter.headers())["__connect.errors.exception.message"]
    wait_until(lambda: "two" in receiver.bodies, what="the record behind it")


def test_messages_for_slack(worker, receiver):
    """As a talk shows it: unhappy customers become messages; the same message comes once; Slack says when to wait."""
    told = {"slow": True}

    def answer(_):
        if told["slow"]:
            told["slow"] = False
            return 429, {"Retry-After": "1"}, b"rate_limited"
        return 200, {}, b"ok"

    receiver.answer = answer
    worker.put(
        "slack", connector__class="SlackSink", topics="unhappy", slack__webhook__url=receiver.url + "/services/T0/B0/secret-path",
        message__template=":warning: ${full_name} gave ${stars} stars: ${message}", rate__limit__per__second="1000",
        dedupe__window__ms="60000", retry__backoff__ms="20", **JSON)
    worker.wait_running("slack")
    people = [("Rica", 1, "peanuts & <nothing>"), ("Ruthie", 2, "late"), ("Ruthie", 2, "late"), ("Hashim", 1, "cold")]
    produce(worker, "unhappy", [
        (None, json.dumps({"FULL_NAME": name, "STARS": stars, "MESSAGE": message})) for name, stars, message in people])
    wait_until(lambda: len(receiver.requests) == 4, what="the messages")
    texts = [json.loads(body)["text"] for body in receiver.bodies]
    assert texts == [
        ":warning: Rica gave 1 stars: peanuts &amp; &lt;nothing&gt;",
        ":warning: Rica gave 1 stars: peanuts &amp; &lt;nothing&gt;",  # the one that was to wait
        ":warning: Ruthie gave 2 stars: late", ":warning: Hashim gave 1 stars: cold"]
    assert "secret-path" not in worker.log()
    receiver.answer = lambda _: (404, {}, b"no_service")
    produce(worker, "unhappy", [(None, json.dumps({"FULL_NAME": "x", "STARS": 1, "MESSAGE": "y"}))])
    wait_until(lambda: worker.states("slack") == ("RUNNING", ["FAILED"]), what="the task fails")
    assert "secret-path" not in json.dumps(worker.status("slack"))
