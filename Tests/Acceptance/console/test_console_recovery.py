"""What went wrong is put right from the pages: dead letters of a failing sink go back, offsets of a source are moved."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from console import Platform, wait_until
from console_checks import check
from console_fixtures import browser, name, page  # noqa: F401
from console_fixtures import empty_platform as platform  # noqa: F401

JSON = "org.apache.kafka.connect.json.JsonConverter"
STRING = "org.apache.kafka.connect.storage.StringConverter"


class Receiver:
    """What a sink delivers to: it refuses everything until it is told to accept."""

    def __init__(self):
        receiver = self
        self.accepts = False
        self.bodies = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if receiver.accepts:
                    receiver.bodies.append(body)
                self.send_response(200 if receiver.accepts else 400)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/take"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def state(page, wanted):
    page.until(f"document.querySelector('h1')?.parentElement.innerText.includes({json.dumps(wanted)})", 60)


@pytest.mark.deadline(240)
def test_dead_letters_are_mended_and_sent_back(page, platform, name, receiver):
    console = platform.console
    console.send("POST", "/api/topics", {"name": name, "partitions": 1})
    console.send("PUT", f"/api/connect/connectors/{name}/config", {
        "connector.class": "io.confluent.connect.http.HttpSinkConnector", "topics": name, "http.api.url": receiver.url, "max.retries": "0",
        "key.converter": STRING, "value.converter": JSON, "value.converter.schemas.enable": "false", "errors.tolerance": "all",
        "behavior.on.error": "fail", "request.body.format": "json", "batch.json.as.array": "false",
        "errors.deadletterqueue.topic.name": f"{name}-dlq", "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    })  # fmt: skip
    page.open(f"/connectors/{name}", name)
    state(page, "RUNNING")
    # One that the other side refuses, one that is no JSON, and one more.
    console.produce(name, {"n": 1}, key="a")
    console.produce(name, "{broken", key="b", format="string")
    console.produce(name, {"n": 3}, key="c")

    def letters():
        answer = console.ask("GET", f"/api/dead-letters?topic={name}-dlq")
        return answer.json["messages"] if answer.status == 200 else []

    wait_until(lambda: len(letters()) == 3, 60, "three dead letters")
    assert sorted(letter["reason"]["stage"] for letter in letters()) == ["TASK_PUT", "TASK_PUT", "VALUE_CONVERTER"]
    # The oldest come first, which is the order that they go back in.
    two = console.get(f"/api/dead-letters?topic={name}-dlq&limit=2")
    assert ([letter["offset"] for letter in two["messages"]], two["waiting"]) == ([0, 1], 3)
    page.press("Dead letters")
    page.loaded(name)
    page.until("document.querySelectorAll('.message').length === 3")
    page.sees("VALUE_CONVERTER")
    page.sees("400")
    check(page)
    assert page.js("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Send back').disabled")

    # The reason is gone: all go back, the broken one mended.
    receiver.accepts = True
    at = page.js("[...document.querySelectorAll('.message')].findIndex((m) => m.innerText.includes('{broken'))")
    page.js(f"document.querySelectorAll('.message')[{at}].querySelector('button').click()")
    page.sees("Stage")
    page.fill("Repair the value before it goes back", '{"n": 2}')
    page.js("document.querySelector('.check input').click()")
    page.press("Send 3 records back")
    page.sees(f"3 records went back to {name}.")
    wait_until(lambda: len(receiver.bodies) == 3, 60, "three records that arrive")
    assert sorted(json.loads(body)["n"] for body in receiver.bodies) == [1, 2, 3], receiver.bodies
    # What was sent is known as sent: to the page and to the command line.
    page.until("document.querySelectorAll('.message .dead-reason').length === 3 && [...document.querySelectorAll('.message')].every((m) => m.innerText.includes('was sent again'))")
    assert all(letter["sent_again"] for letter in letters())
    sent = console.send("POST", "/api/dead-letters/redrive", {"topic": f"{name}-dlq"})
    assert sent["written"] == 0
    assert len(letters()) == 3


@pytest.mark.deadline(240)
def test_offsets_of_a_source_are_moved_and_reset(page, platform, name, tmp_path):
    console = platform.console
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\nthree\n")
    console.send("PUT", f"/api/connect/connectors/{name}/config", {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "file": str(file), "topic": name,
        "key.converter": STRING, "value.converter": STRING,
    })  # fmt: skip

    def values():
        answer = console.ask("GET", f"/api/topics/{name}/messages?from=earliest&limit=100")
        return [message["value"]["text"] for message in answer.json["messages"]] if answer.status == 200 else []

    wait_until(lambda: values() == ["one", "two", "three"], 60, "three lines")
    wait_until(lambda: console.get(f"/api/connect/connectors/{name}/offsets")["offsets"], 60, "offsets")
    page.open(f"/connectors/{name}/offsets", name)
    page.sees("Offsets can be changed while the connector is stopped")
    assert page.js("document.querySelector('textarea').readOnly")
    page.press("Stop")
    state(page, "STOPPED")
    page.until("document.querySelector('textarea')?.readOnly === false", 30, "offsets that can be edited")
    check(page)
    offsets = json.loads(page.js("document.querySelector('textarea').value"))
    assert offsets["offsets"][0]["offset"]["position"] == len("one\ntwo\nthree\n")
    page.fill("Offsets as JSON", "{broken")
    page.press("Save offsets")
    page.sees("The offsets are not JSON")
    assert page.js("document.querySelector('textarea').value") == "{broken"  # what was written is not lost
    offsets["offsets"][0]["offset"]["position"] = len("one\n")
    page.fill("Offsets as JSON", json.dumps(offsets))
    page.press("Save offsets")
    # As the page writes it: on lines of its own.
    page.until("/\\n +\"position\": 4\\n/.test(document.querySelector('textarea')?.value)", 30, "the saved offset")
    page.press("Resume")
    state(page, "RUNNING")
    wait_until(lambda: values() == ["one", "two", "three", "two", "three"], 60, "two lines again")

    page.press("Stop")
    state(page, "STOPPED")
    page.press("Reset all")
    page.press("Reset")
    page.sees("No offsets yet")
    assert not [row for row in console.get(f"/api/connect/connectors/{name}/offsets")["offsets"] if row["offset"]]
    page.press("Resume")
    state(page, "RUNNING")
    wait_until(lambda: values()[5:] == ["one", "two", "three"], 60, "all lines again")


class Unavailable(BaseHTTPRequestHandler):
    """What a proxy answers while the server behind it is away."""

    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.deadline(180)
def test_live_tail_comes_back_after_refusals(browser, platform, name, tmp_path):
    """A lost connection is taken up by the browser; after an answer that is an error it asks no more, but the page does."""
    platform.console.send("POST", "/api/topics", {"name": name, "partitions": 1})
    console = Platform(tmp_path / "console", of=platform).start()
    page = browser.page(f"http://127.0.0.1:{console.console_port}")
    try:
        page.open(f"/topics/{name}/live", name)
        page.sees("0/s")
        console.stop()
        away = ThreadingHTTPServer(("127.0.0.1", console.console_port), Unavailable)
        threading.Thread(target=away.serve_forever, daemon=True).start()
        page.sees("The server answered 503", 30)
        assert any(path.startswith(f"/api/topics/{name}/tail") for path in Unavailable.asked)
        away.shutdown()
        away.server_close()
        console.start()
        page.until("document.querySelector('.tail-bar').innerText.includes('0/s') && !document.querySelector('main').innerText.includes('503')", 30)
        platform.console.produce(name, {"n": 1})
        page.until("document.querySelectorAll('.message').length === 1")
    finally:
        page.close()
        console.stop()
