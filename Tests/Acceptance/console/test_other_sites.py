"""Pages of other sites that are open in the same browser: none of the servers lets them change anything."""

import http.client
import http.server
import json
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from browser import Browser, Failure
from console import wait_until
from console_fixtures import empty_platform as platform  # noqa: F401

CONFIG = {"connector.class": "FileStreamSource", "file": "/etc/hostname", "topic": "evil", "tasks.max": "1"}
CREATE = "CREATE SOURCE CONNECTOR EVIL WITH ('connector.class'='FileStreamSource','file'='/etc/hostname','topic'='evil','tasks.max'='1');"


@pytest.fixture(scope="module")
def other_site():
    """A page of a site that is not ours, on a port of its own."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Other</title><h1>Other</h1>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://other.example:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def page(other_site):
    browser = Browser(flags=["--host-resolver-rules=MAP other.example 127.0.0.1"])
    page = browser.page(other_site)
    page.call("Page.navigate", url=f"{other_site}/")
    page.until("document.title === 'Other'")
    yield page
    browser.close()


def post(url, body, **headers):
    request = urllib.request.Request(url, json.dumps(body).encode(), {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def connectors(platform):
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.connect_port}/connectors", timeout=20) as answer:
        return json.load(answer)


def test_a_link_runs_nothing_that_changes(platform, page):
    def follow(text, run_to="true"):
        address = f"http://127.0.0.1:{platform.console_port}/sql?run=1&sql=" + urllib.parse.quote(text)
        # In a moment, so that the call which asks for it is answered by the page that is left.
        page.js(f"void setTimeout(() => {{ location = {json.dumps(address)}; }}, 20)")

        def arrived():
            try:
                return page.js(
                    f"document.querySelector('textarea')?.value === {json.dumps(text)}"
                    f" && !location.search.includes('run') && {run_to}"
                )
            except Failure:  # between two pages
                return False

        wait_until(arrived, what=f"the SQL page with {text}")

    follow(CREATE)
    for text in ("SHOW STREAMS; " + CREATE, "/* show */ " + CREATE, "EXPLAIN " + CREATE):
        follow(text)
    # One that only looks runs at once; by then the others would have run, too.
    follow("SHOW STREAMS;", "!!document.querySelector('section[aria-label^=\"Result of SHOW STREAMS\"]')")
    assert connectors(platform) == []


def test_a_page_of_another_site_cannot_send(platform, page):
    send = """(async () => { for (const [port, path, body] of %s) await fetch(`http://127.0.0.1:${port}${path}`,
        {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body: JSON.stringify(body)}); return 'sent'; })()"""
    calls = [
        (platform.connect_port, "/connectors", {"name": "evil", "config": CONFIG}),
        (platform.sql_port, "/ksql", {"ksql": CREATE, "streamsProperties": {}}),
        (platform.registry_port, "/subjects/evil/versions", {"schema": '"string"'}),
    ]
    assert page.js(send % json.dumps(calls)) == "sent"
    assert connectors(platform) == []
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.registry_port}/subjects", timeout=20) as answer:
        assert "evil" not in answer.read().decode()


def test_a_websocket_of_another_site_is_not_opened(platform, page):
    opened = page.js(
        "new Promise((resolve) => { const socket = new WebSocket('ws://127.0.0.1:%d/ws/query?request=%s');"
        " socket.onopen = () => resolve(true); socket.onerror = () => resolve(false); })"
        % (platform.sql_port, urllib.parse.quote(json.dumps({"ksql": "SHOW STREAMS;", "streamsProperties": {}})))
    )
    assert opened is False


@pytest.mark.parametrize("origin, opens", [
    (None, True), ("http://127.0.0.1:3000", False), ("http://localhost", False), ("null", False), ("own", True),
    ("http://other.example", False), ("http://127.0.0.1.other.example", False),
])  # fmt: skip
def test_whose_websockets_are_opened(platform, origin, opens):
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    connection = http.client.HTTPConnection("127.0.0.1", platform.sql_port, timeout=20)
    if origin == "own":
        origin = f"http://127.0.0.1:{platform.sql_port}"
    connection.request("GET", "/ws/query?request=%7B%22ksql%22%3A%22x%22%7D", headers=headers | ({"Origin": origin} if origin else {}))
    assert (connection.getresponse().status == 101) is opens
    connection.close()


def test_connect_takes_json_alone(platform):
    url = f"http://127.0.0.1:{platform.connect_port}/connectors"
    body = {"name": "x", "config": CONFIG}
    for type in ("text/plain", "application/x-www-form-urlencoded"):
        assert post(url, body, Content_Type=type) == (415, '{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}')
    assert connectors(platform) == []
    assert post(url, {"name": "x", "config": {}}, Content_Type="application/json; charset=utf-8")[0] == 400
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 400), ("none", 400)):
        assert post(url, {"name": "x", "config": {}}, Content_Type="application/json", Sec_Fetch_Site=site)[0] == status


@pytest.mark.parametrize("path, key, properties", [("/query-stream", "sql", "properties"), ("/query", "ksql", "streamsProperties")])
def test_wrong_settings_of_queries_are_told(platform, path, key, properties):
    url = f"http://127.0.0.1:{platform.sql_port}"
    post(f"{url}/ksql", {"ksql": "CREATE STREAM IF NOT EXISTS R (ID INT KEY) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON', PARTITIONS=1);"}, Content_Type="application/json")
    for name, value in (("auto.offset.reset", "earlyest"), ("ksql.service.id", "x")):
        status, text = post(f"{url}{path}", {key: "SELECT ID FROM R EMIT CHANGES LIMIT 1;", properties: {name: value}}, Content_Type="application/json")
        assert status == 400 and name in text, text
