"""The console's pages in a real browser: every page opened and used on the real program.

Screenshots stay in $SWIFTWATER_ARTEFACTS/console, or in pytest's temporary folder. CONSOLE_PORT=N uses a console that
runs already (the tests then leave their topics, groups and connectors behind).
"""

import json
import os
import threading
import time
import urllib.parse
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from console import Api, Platform, wait_until
from console_checks import axe, check, check_quiet
from console_fixtures import browser, name, page  # noqa: F401

MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
WIDTHS = (360, 900, 1440)


class Running:
    """A console that somebody else started."""

    def __init__(self, port):
        self.console_port = port
        self.console = Api(port)
        self.address = (
            os.environ.get("CONSOLE_BOOTSTRAP") or self.console.get("/api/about")["services"]["kafka"]["address"]
        )


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """The program with every role, and something to see in each of them."""
    given = os.environ.get("CONSOLE_PORT")
    platform = Running(int(given)) if given else Platform(tmp_path_factory.mktemp("pages")).start()
    console = platform.console
    registry = os.environ.get("CONSOLE_REGISTRY") or console.get("/api/about")["services"]["registry"]["url"]
    console.send("PUT", "/api/connect/connectors/made-ratings/config", {
        "connector.class": "DatagenConnector", "kafka.topic": "ratings", "quickstart": "ratings", "max.interval": "60", "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry,
    })  # fmt: skip
    producer = Producer({"bootstrap.servers": platform.address})
    for number in range(40):
        value = json.dumps(
            {
                "id": number,
                "city": ["Oslo", "Bergen", "Tromsø"][number % 3],
                "note": MARKUP if number == 7 else f"order {number}",
                "nested": {"deep": number * 2},
            }
        )
        producer.produce(
            "orders.all",
            key=f"key-{number}" if number != 7 else MARKUP,
            value=value,
            headers=[("trace", f"t{number}"), (MARKUP, MARKUP)],
        )
    assert producer.flush(20) == 0
    schema = {
        "type": "record",
        "name": "Order",
        "doc": MARKUP,
        "fields": [{"name": "id", "type": "long", "doc": MARKUP}, {"name": "city", "type": "string"}],
    }
    subject = "/api/registry/subjects/orders-value/versions"
    console.send("POST", subject, {"schema": json.dumps(schema)})
    schema["fields"].append(
        {"name": "note", "type": ["null", "string"], "default": None, "doc": "What the customer said"}
    )
    console.send("POST", subject, {"schema": json.dumps(schema)})
    console.send("PUT", f"/api/connect/connectors/{urllib.parse.quote(MARKUP, safe='')}/config", {
        "connector.class": "io.confluent.connect.http.HttpSinkConnector", "topics": "orders.all", "http.api.url": "http://127.0.0.1:1/x", "max.retries": "0",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })  # fmt: skip
    for group in ("billing", f"group {MARKUP}"):
        commit(platform.address, group, "orders.all", 12)
    wait_until(
        lambda: any(topic["name"] == "ratings" and topic["messages"] > 5 for topic in console.get("/api/topics")),
        60,
        "ratings",
    )
    console.ksql(
        "CREATE STREAM RATINGS WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='AVRO');"
        "CREATE STREAM UNHAPPY AS SELECT * FROM RATINGS WHERE STARS < 3 EMIT CHANGES;"
        "CREATE TABLE BY_STARS AS SELECT STARS, COUNT(*) AS N FROM RATINGS GROUP BY STARS EMIT CHANGES;"
    )
    console.ask("POST", "/hooks/slack", {"text": f"*Unhappy* customer {MARKUP}"})
    console.send(
        "PUT", "/api/dashboards/operations", {"id": "operations", "title": f"Operations {MARKUP}", "panels": PANELS}
    )
    yield platform
    if not given:
        platform.stop()


EARLIEST = "SET 'auto.offset.reset'='earliest'; "
PANELS = [
    {"title": "Ratings by stars", "sql": EARLIEST + "SELECT STARS, COUNT(*) AS N FROM RATINGS GROUP BY STARS EMIT CHANGES;", "kind": "bar", "x": "STARS", "y": ["N"], "series": "", "width": 1},
    {"title": "By channel, each 10 s", "sql": EARLIEST + "SELECT CHANNEL, WINDOWSTART AS W, COUNT(*) AS N FROM RATINGS WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY CHANNEL EMIT CHANGES;",
     "kind": "line", "x": "W", "y": ["N"], "series": "CHANNEL", "width": 2},
    {"title": "Unhappy", "sql": "SELECT 1 AS ALL_OF_THEM, COUNT(*) AS N FROM UNHAPPY GROUP BY 1 EMIT CHANGES;", "kind": "number", "x": "", "y": ["N"], "series": "", "width": 1},
    {"title": "Counts", "sql": "SELECT STARS, N FROM BY_STARS;", "kind": "table", "x": "", "y": [], "series": "", "width": 1},
    {"title": "Stars, as they come", "sql": "SELECT STARS FROM RATINGS EMIT CHANGES;", "kind": "area", "x": "", "y": ["STARS"], "series": "", "width": 1},
]  # fmt: skip


def commit(address, group, topic, offset):
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.commit(
        offsets=[TopicPartition(topic, number, offset if number == 0 else 0) for number in partitions],
        asynchronous=False,
    )
    consumer.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = (
        Path(os.environ["SWIFTWATER_ARTEFACTS"]) / "console"
        if os.environ.get("SWIFTWATER_ARTEFACTS")
        else tmp_path_factory.mktemp("pictures")
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


GROUP = urllib.parse.quote(f"group {MARKUP}", safe="")
CONNECTOR = urllib.parse.quote(MARKUP, safe="")
PAGES = [
    ("overview", "/overview"), ("topics", "/topics"), ("topic-messages", "/topics/orders.all?from=earliest"), ("topic-live", "/topics/ratings/live"),
    ("topic-produce", "/topics/orders.all/produce"), ("topic-partitions", "/topics/orders.all/partitions"), ("topic-config", "/topics/orders.all/config"),
    ("topic-groups", "/topics/orders.all/groups"), ("groups", "/groups"), ("group", "/groups/billing"), ("group-markup", f"/groups/{GROUP}"), ("schemas", "/schemas"),
    ("schema", "/schemas/orders-value"), ("schema-register", "/schemas/orders-value/register"), ("schema-settings", "/schemas/orders-value/settings"),
    ("connectors", "/connectors"), ("connector", "/connectors/made-ratings"), ("connector-failed", f"/connectors/{CONNECTOR}"), ("connector-config", "/connectors/made-ratings/config"),
    ("connector-offsets", "/connectors/made-ratings/offsets"), ("connector-dead-letters", f"/connectors/{CONNECTOR}/dead-letters"), ("connectors-new", "/connectors/new"),
    ("connector-new", "/connectors/new?plugin=DatagenConnector"), ("sql", "/sql"), ("query", "/queries/CSAS_UNHAPPY"), ("lineage", "/lineage"), ("lineage-table", "/lineage?view=table"),
    ("dashboards", "/dashboards"), ("dashboard", "/dashboards/operations"), ("dashboard-edit", "/dashboards/operations?edit=1"), ("alerts", "/alerts"), ("missing", "/no/such/page/at/all"),
]  # fmt: skip


def query_id(platform, start="CSAS_UNHAPPY"):
    return next(
        query["id"] for query in platform.console.ksql("SHOW QUERIES;")[0]["queries"] if query["id"].startswith(start)
    )


@pytest.mark.deadline(600)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_at_every_width(browser, platform, pictures, width):
    page = browser.page(f"http://127.0.0.1:{platform.console_port}", width=width, dark=width == 900)
    wrong = []
    paints = {}
    for label, path in PAGES:
        if label == "query":
            path = f"/queries/{query_id(platform)}"
        try:
            page.open(path)
            browser.listen(
                1.2 if label.startswith(("dashboard", "lineage", "topic-live", "overview", "group")) else 0.2
            )
            paints[label] = page.js("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")
            page.screenshot(pictures / f"{label}-{width}.png", whole=True)
            check(page)
            check_quiet(page)
            # What was asked for before the scripts were there is what the page asks first.
            left = page.js("[...early.keys()]")
            assert not left, f"asked for, and not taken: {left}"
        except AssertionError as error:
            wrong.append(f"{label}: {error}")
            page.complaints.clear()
    page.close()
    (pictures / f"first-paint-{width}.json").write_text(json.dumps(paints, indent=1))
    if wrong:
        pytest.fail("\n\n".join(wrong))


@pytest.mark.deadline(600)
def test_axe_finds_nothing(browser, platform):
    pytest.importorskip("axe_core_python")
    wrong = []
    for dark in (False, True):
        page = browser.page(f"http://127.0.0.1:{platform.console_port}", dark=dark)
        for label, path in PAGES:
            if dark and label not in (
                "overview",
                "topic-messages",
                "connector-new",
                "sql",
                "schema",
                "lineage",
                "dashboard",
            ):
                continue
            page.open(f"/queries/{query_id(platform)}" if label == "query" else path)
            browser.listen(0.8)
            wrong += [f"{label}{' (dark)' if dark else ''}: {text}" for text in axe(page)]
        page.close()
    if wrong:
        pytest.fail("\n".join(wrong))


def test_topic_from_creation_to_deletion(page, platform, name, pictures):
    page.open("/topics", "Topics")
    page.press("New topic")
    page.fill("Name", "not a name!")
    page.press("Create topic")
    page.sees("letters, digits, dot, underscore and hyphen")
    check(page)
    page.fill("Name", name)
    page.fill("Partitions", "3")
    page.press("Create topic")
    page.loaded(name)
    page.sees("No messages here")
    page.press("Produce a message")
    page.sees("Add a header")
    page.fill("Key", "customer-1")
    page.fill("Value", '{"city": "Oslo", "amount": 12}')
    page.press("Add a header")
    page.fill("Header name", "source")
    page.fill("Header value", "by hand")
    page.press("Send")
    page.sees("Written to partition")
    page.fill("Key", "customer-2")
    page.fill("Value", '{"city": "Bergen", "amount": 99}')
    page.press("Send")
    wait_until(lambda: len(platform.console.messages(name)) == 2, 20, "two messages")
    page.fill("Value", "{broken")
    page.press("Send")
    page.sees("This is not JSON")

    page.go(f"/topics/{name}")
    page.until("document.querySelectorAll('.message').length === 2")
    page.fill("Search in keys and values", "bergen")
    page.press("Search")
    page.until(
        "document.querySelectorAll('.message').length === 1 && document.querySelector('mark').textContent === 'Bergen'"
    )
    page.click(".message > button")
    page.sees("Partition, offset")
    assert page.js("document.querySelector('.message .detail').innerText.includes('\"amount\": 99')")
    check(page)
    page.screenshot(pictures / "topic-search-1440.png")
    page.open(f"/topics/{name}?path=%24.amount&op=lt&value=50&from=earliest")
    page.until(
        "document.querySelectorAll('.message').length === 1 && document.querySelector('.message').innerText.includes('Oslo')"
    )
    page.fill("Search in keys and values", "nowhere to be found")
    page.press("Search")
    page.sees("No message fits")

    page.go(f"/topics/{name}/config")
    page.loaded(name)
    page.press("Edit retention.ms")
    page.fill("Value", "5400000")
    page.press("Save")
    wait_until(
        lambda: (
            next(c for c in platform.console.get(f"/api/topics/{name}")["configs"] if c["name"] == "retention.ms")[
                "value"
            ]
            == "5400000"
        ),
        20,
        "the new value",
    )
    page.until("!document.querySelector('dialog[open]') && document.querySelector('main').innerText.includes('5400000')")
    page.press("Edit retention.ms")
    page.fill("Value", "soon")
    page.press("Save")
    page.until("!!document.querySelector('dialog .note.error')")
    page.press("Cancel")
    page.complaints = [text for text in page.complaints if "status of 4" not in text]  # the refusal was meant

    page.go(f"/topics/{name}/partitions")
    page.loaded(name)
    page.press("Add partitions")
    page.fill("Partitions in all", "4")
    page.press("Add")
    wait_until(lambda: len(platform.console.get(f"/api/topics/{name}")["partitions"]) == 4, 20, "four partitions")
    page.until("document.querySelectorAll('tbody tr').length === 4")
    page.press("Delete")
    page.fill("Type", name)
    page.press("Delete")
    page.loaded("Topics")
    wait_until(
        lambda: name not in [topic["name"] for topic in platform.console.get("/api/topics")], 20, "the topic's end"
    )


def test_live_tail(page, platform, pictures):
    page.open("/topics/ratings/live", "ratings")
    page.until("document.querySelectorAll('.message').length >= 3", 60)
    page.press("Pause")
    page.sees("paused")
    page.press("Go on")
    page.fill("Only messages with this text", "nobody writes this text")
    page.press("Clear")
    page.browser.listen(1)
    assert page.js("document.querySelectorAll('.message').length") < 200
    page.screenshot(pictures / "topic-live-used-1440.png")


def test_live_tail_of_a_busy_topic_shows_a_sample(page, platform, name):
    """Of thousands of messages a second a few are shown, the others counted; the page is used meanwhile."""
    producer = Producer({"bootstrap.servers": platform.address})
    ends = threading.Event()
    platform.console.send("POST", "/api/topics", {"name": name, "partitions": 1})

    def write():
        number = 0
        while not ends.wait(0.01):
            for _ in range(50):
                producer.produce(name, key=f"k{number}", value=json.dumps({"n": number, "text": "x" * 200}))
                number += 1
            producer.poll(0)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        page.open(f"/topics/{name}/live", name)
        page.until("/, a sample is shown \\([\\d,.]+ left out\\)/.test(document.querySelector('.tail-bar').innerText)", 60, "a sample")
        page.until("document.querySelectorAll('.message').length > 20", 60, "messages")
        page.press("Pause")
        page.sees("passed by")
        page.press("Go on")
        page.fill("Only this key", "k7")
        page.press("Clear")
        page.until("!document.querySelector('.tail-bar').innerText.includes('sample')", 60, "a filter instead of a sample")
        assert page.js("document.querySelectorAll('.message').length") <= 200
    finally:
        ends.set()
        thread.join()
        producer.flush(20)


def test_group_is_reset(page, platform, pictures):
    commit(platform.address, "to-reset", "orders.all", 12)
    page.open("/groups", "Consumer groups")
    page.fill("Filter by group or topic", "to-reset")
    page.press("to-reset")
    page.loaded("to-reset")
    page.until("document.querySelector('.chart svg path, .chart svg circle') !== null", 60, "the lag's chart")
    page.press("Move offsets")
    page.fill("Move to", "earliest")
    page.press("Show the plan")
    page.until("!!document.querySelector('dialog tbody tr')")
    check(page)
    page.screenshot(pictures / "group-reset-1440.png")
    page.click("dialog .dialog-foot .primary")
    page.sees("The offsets were moved")
    wait_until(
        lambda: all(
            row["committed"] == 0
            for row in platform.console.get("/api/groups/to-reset")["offsets"]
            if row["topic"] == "orders.all"
        ),
        20,
        "the beginning",
    )


def test_schema_is_registered_and_compared(page, platform, name, pictures):
    subject = f"{name}-value"
    page.open("/schemas", "Schemas")
    page.press("Register a schema")
    page.fill("Subject", subject)
    first = {"type": "record", "name": "Visit", "fields": [{"name": "id", "type": "long"}]}
    page.fill("Schema", json.dumps(first))
    page.press("Register")
    page.loaded(subject)
    page.press("New version")
    page.loaded(subject)
    page.fill("Schema", json.dumps({**first, "fields": [*first["fields"], {"name": "page", "type": "string"}]}))
    page.press("Check compatibility and impact")
    page.sees("Not compatible")
    check(page)
    page.screenshot(pictures / "schema-impact-1440.png")
    page.fill(
        "Schema", json.dumps({**first, "fields": [*first["fields"], {"name": "page", "type": "string", "default": ""}]})
    )
    page.press("Check compatibility and impact")
    page.sees("Compatible: what is registered")
    page.press("Register")
    page.until("document.querySelectorAll('.diff li.add').length > 0")
    page.screenshot(pictures / "schema-diff-1440.png")
    page.go(f"/schemas/{subject}/settings")
    page.loaded(subject)
    page.fill("Compatibility", "FULL")
    page.js("document.querySelector('main h1').dataset.old = '1'")
    page.press("Save")
    # The page is shown anew; a dialog of the one before would go with it.
    page.until("document.querySelector('main h1') && !document.querySelector('main h1').dataset.old", 30, "the page after the change")
    wait_until(
        lambda: (
            platform.console.get(f"/api/registry/config/{subject}?defaultToGlobal=true")["compatibilityLevel"] == "FULL"
        ),
        20,
        "the level",
    )
    page.press("Delete")
    page.fill("Type", subject)
    page.press("Delete")
    page.loaded("Schemas")
    assert subject not in platform.console.get("/api/registry/subjects")


def test_connector_from_the_form(page, platform, name, pictures):
    page.open("/connectors", "Connectors")
    page.press("New connector")
    page.loaded("New connector")
    page.press("Datagen")
    page.loaded("New Datagen source")
    page.press("Create connector")
    page.until("document.querySelectorAll('[aria-invalid=true]').length >= 2", what="what is missing is marked")
    check(page)
    page.screenshot(pictures / "connector-problems-1440.png")
    page.fill("Connector name", name)
    page.fill("kafka.topic", name)
    page.fill("quickstart", "users")
    page.fill("max.interval", "50")
    page.sees("The worker accepts this configuration")
    page.press("Create connector")
    page.loaded(name)
    page.until("document.querySelector('main .badge.ok')?.textContent === 'RUNNING'", 60)
    # The source makes the topic with its first record.
    wait_until(lambda: platform.console.ask("GET", f"/api/topics/{name}").status == 200, 30, "the topic")
    wait_until(lambda: platform.console.messages(name, "from=earliest&limit=5"), 30, "made-up records")
    page.press("Pause")
    page.until("document.querySelector('h1').parentElement.innerText.includes('PAUSED')", 30)
    page.press("Resume")
    page.until("document.querySelector('h1').parentElement.innerText.includes('RUNNING')", 30)
    page.press("Stop")
    page.until("document.querySelector('h1').parentElement.innerText.includes('STOPPED')", 30)
    # A new one does not take its place.
    page.open("/connectors/new?plugin=DatagenConnector", "New Datagen source")
    page.fill("Connector name", name)
    page.fill("kafka.topic", f"{name}-other")
    page.fill("quickstart", "ratings")
    page.press("Create connector")
    page.sees("already exists")
    page.complaints = [text for text in page.complaints if "status of 409" not in text]  # the refusal was meant
    assert platform.console.get(f"/api/connect/connectors/{name}")["config"]["quickstart"] == "users"
    page.open(f"/connectors/{name}/config", name)
    page.press("JSON")
    page.until("document.querySelector('textarea')?.value.includes('kafka.topic')")
    page.press("Delete")
    page.press("Delete")
    page.loaded("Connectors")
    assert name not in platform.console.get("/api/connect/connectors")


def test_failed_connector_shows_why(page, platform):
    page.open(f"/connectors/{CONNECTOR}", MARKUP)
    page.until("document.querySelector('main').innerText.includes('FAILED')", 60)
    page.sees("connection refused")


def test_sql_completes_runs_and_streams(page, platform, name, pictures):
    stream = name.replace("-", "_").upper()
    page.open("/sql", "SQL")
    page.until("document.querySelector('.schema-tree')?.innerText.includes('RATINGS')")
    page.fill("SQL statements", "")
    page.type("SELECT * FROM unh")
    page.until(
        "document.querySelector('.completions [aria-selected=true]')?.textContent.startsWith('UNHAPPY')",
        what="a completion",
    )
    page.screenshot(pictures / "sql-completion-1440.png")
    page.key("Enter")
    page.type(" EMIT CHANGES LIMIT 3;")
    page.key("Escape")
    assert page.js("document.querySelector('textarea').value") == "SELECT * FROM UNHAPPY EMIT CHANGES LIMIT 3;"
    page.key("Enter", ctrl=True)
    page.until(
        "document.querySelectorAll('section[aria-label^=\"Result of\"] tbody tr').length === 3", 60, "three rows"
    )
    page.until("/3 rows in/.test(document.querySelector('section[aria-label^=\"Result of\"]').innerText)")
    check(page)

    page.fill(
        "SQL statements",
        f"CREATE STREAM {stream} AS SELECT * FROM UNHAPPY WHERE STARS = 1 EMIT CHANGES;\nEXPLAIN {query_id(platform)};\nSHOW FUNCTIONS;",
    )
    page.press("Run")
    page.sees("Created query with ID")
    page.until("document.querySelectorAll('.plan .plan-step').length >= 3", 30, "the plan")
    page.until("document.querySelectorAll('section[aria-label^=\"Result of\"]').length === 3")
    page.screenshot(pictures / "sql-plan-1440.png", whole=True)

    page.fill("Push queries read", "earliest")
    page.fill("SQL statements", "SELECT STARS, COUNT(*) AS N FROM RATINGS GROUP BY STARS EMIT CHANGES;")
    page.press("Run")
    page.until(
        "document.querySelectorAll('section[aria-label^=\"Result of\"] tbody tr').length > 20", 60, "rows that go on"
    )
    page.screenshot(pictures / "sql-rows-1440.png", whole=True)
    page.press("Stop")
    page.sees("Stopped after")
    page.fill("SQL statements", "SELECT STARS, N FROM BY_STARS;")
    page.press("Run")
    page.until(
        "/rows? in/.test(document.querySelector('section[aria-label^=\"Result of\"]')?.innerText)",
        60,
        "a pull query's end",
    )
    page.fill("SQL statements", "SELEC 1;")
    page.press("Run")
    page.until("!!document.querySelector('section[aria-label^=\"Result of\"] .note.error')")
    page.complaints = [text for text in page.complaints if "status of 400" not in text]  # the refusal was meant

    page.go(f"/queries/{query_id(platform, f'CSAS_{stream}')}")
    page.loaded()
    page.sees("Steps and their counters")
    page.press("Pause")
    page.until("document.querySelector('h1').parentElement.innerText.includes('PAUSED')", 30)
    page.press("Terminate")
    page.press("Terminate")
    page.loaded("SQL")
    wait_until(
        lambda: (
            not [
                q for q in platform.console.ksql("SHOW QUERIES;")[0]["queries"] if q["id"].startswith(f"CSAS_{stream}")
            ]
        ),
        20,
        "the query's end",
    )


def test_lineage_by_keyboard_and_as_a_table(page, pictures):
    page.open("/lineage", "Lineage")
    page.until(
        "[...document.querySelectorAll('.graph .node')].some((n) => n.getAttribute('aria-label').includes('made-ratings'))",
        60,
    )
    page.until(
        "[...document.querySelectorAll('.graph .edge text')].some((t) => /\\/s/.test(t.textContent) && !/^0\\/s/.test(t.textContent))",
        60,
        "rates on edges",
    )
    page.js(
        "[...document.querySelectorAll('.graph .node')].find((n) => n.getAttribute('aria-label').startsWith('source connector made-ratings')).focus()"
    )
    page.key("ArrowRight")
    assert "topic ratings" in page.js("document.activeElement.getAttribute('aria-label')")
    page.key("ArrowRight")
    assert "query" in page.js("document.activeElement.getAttribute('aria-label')")
    page.screenshot(pictures / "lineage-lit-1440.png")
    page.press("Table")
    page.until("document.querySelectorAll('tbody tr').length >= 4")
    page.press("Graph")
    page.fill("Only around…", "unhappy")
    page.until(
        "![...document.querySelectorAll('.graph .node')].some((n) => n.getAttribute('aria-label').includes('orders.all'))"
    )


@pytest.mark.deadline(240)
def test_lineage_with_many_parts_by_keyboard(page, platform, pictures):
    """A group that reads 150 topics: too much for one drawing, so a part is looked for, and what is around it shown."""
    names = [f"lots.{number:03}" for number in range(150)]
    admin = AdminClient({"bootstrap.servers": platform.address})
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in names], request_timeout=60).values():
        future.result()
    consumer = Consumer({"bootstrap.servers": platform.address, "group.id": "wide", "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(name, 0, 0) for name in names], asynchronous=False)
    consumer.close()
    nodes = "document.querySelectorAll('.graph .node').length"
    focused = "document.activeElement.getAttribute('aria-label')"
    try:
        wait_until(lambda: len(platform.console.get("/api/lineage")["nodes"]) > 150, 30, "the topics")
        page.open("/lineage", "Lineage")
        page.sees("parts are many for one drawing")
        assert page.js(nodes) == 0
        check(page)
        # By name: the topic and its reader, not what else that reads.
        page.js("document.querySelector('[data-search]').focus()")
        page.type("lots.07")
        page.until(f"{nodes} === 11", 30, "ten topics and their group")
        page.key("Enter")
        assert page.js(focused).startswith("topic lots.07")
        page.key("ArrowDown")
        page.key("f")
        page.until(f"{nodes} === 2", 30, "one topic and its group")
        assert page.js(focused).startswith("topic lots.07")
        page.key("ArrowRight")
        assert page.js(focused).startswith("consumer group wide")
        # One stop of the tab key for the whole drawing.
        assert page.js("document.querySelectorAll('.graph .node[tabindex=\"0\"]').length") == 1
        page.screenshot(pictures / "lineage-around-1440.png")
        # The address says it all.
        address = page.js("location.pathname + location.search")
        page.open(address, "Lineage")
        page.until(f"{nodes} === 2", 30, "one topic and its group")
        page.key("Tab")
        page.press("Show all")
        page.until("document.querySelector('tbody tr') && !document.querySelector('.graph')")
        page.press("Show around made-ratings")
        page.until(f"{nodes} > 2", 30, "the pipeline of ratings")
        page.fill("How far around", "1")
        page.until(f"{nodes} === 2", 30, "neighbours")
        for width in (360, 900):
            page.resize(width)
            page.browser.listen(0.3)
            check(page)
            page.screenshot(pictures / f"lineage-around-{width}.png")
        # Of a drawing of all only what is seen is in the document; scrolling and keys bring the rest.
        page.open("/lineage?all=1", "Lineage")
        drawn = "[...document.querySelectorAll('.graph .node')].map((n) => n.getAttribute('aria-label')).filter((n) => n.startsWith('topic lots.'))"
        page.until(f"{nodes} > 5", 30, "what is seen of it")
        page.js("document.querySelector('.graph-wrap').scrollTop = 1e6")
        page.until(f"{drawn}.length > 2", 30, "the end")
        last = page.js(drawn)
        assert len(last) < 40
        page.js("document.querySelector('.graph-wrap').scrollTop = 4000")
        page.until(f"{drawn}.length > 2 && !{drawn}.includes({json.dumps(last[-1])})", 30, "the middle")
        page.js("[...document.querySelectorAll('.graph .node')].find((n) => n.getAttribute('aria-label').startsWith('topic lots.')).focus()")
        seen = []
        for key in ("Home", "End", "ArrowUp", "ArrowDown", "Home"):
            page.key(key)
            seen.append(page.js(focused))
            place = page.js("document.activeElement.getBoundingClientRect().toJSON()")
            assert 0 <= place["top"] < page.js("innerHeight"), f"{key}: {place}"
        assert seen[0] == seen[4] != seen[1] == seen[3] != seen[2], seen
        page.until(f"{nodes} < 100", 30, "what is seen alone")
        assert page.js("document.querySelectorAll('.graph .node[tabindex=\"0\"]').length") == 1
        page.resize(360)
        page.open("/lineage", "Lineage")
        page.sees("parts are many for one drawing")
        check(page)
        page.screenshot(pictures / "lineage-parts-360.png")
    finally:
        platform.console.send("DELETE", "/api/groups/wide")
        for future in admin.delete_topics(names, request_timeout=60).values():
            future.result()


def test_impact_is_listed_by_kind_with_links(page, platform, pictures):
    """What a registry says a schema would reach, with kinds that this page knows and one that it does not."""
    page.open("/schemas/orders-value/register", "orders-value")
    page.press("Check compatibility and impact")
    page.sees("Compatible: what is registered can be replaced by this.")
    answer = {
        "is_compatible": False, "messages": ["reader has no field 'x'"],
        "impact": [
            {"kind": "query", "name": "CSAS_UNHAPPY_1", "severity": "breaks", "reason": "reads column NOTE"},
            {"kind": "stream", "name": "RATINGS", "severity": "changes", "reason": "column STARS becomes STRING"},
            {"kind": "table", "name": "by `stars`", "severity": "changes", "reason": "its source changes"},
            {"kind": "connector", "name": "made-ratings", "severity": "breaks", "reason": "would be refused"},
            {"kind": "consumer-group", "name": "billing", "reason": "reads the topic"},
            {"kind": "schema", "name": "invoices-value", "reason": "refers to it"},
            {"kind": "data-product", "name": MARKUP, "severity": "breaks", "reason": MARKUP},
        ],
        "notAsked": [{"part": "connect", "reason": "no answer in time"}],
    }  # fmt: skip
    page.js(
        "import(document.querySelector('script[type=module]').src.replace('main.js', 'pages/schema-register.js')).then(({ impactView }) => "
        f"document.querySelector('form [role=status]').replaceChildren(...impactView({json.dumps(answer)})))"
    )
    links = page.js("Object.fromEntries([...document.querySelectorAll('form [role=status] a')].map((a) => [a.textContent, a.getAttribute('href')]))")
    assert links == {
        "CSAS_UNHAPPY_1": "/queries/CSAS_UNHAPPY_1",
        "RATINGS": "/sql?run=1&sql=DESCRIBE%20RATINGS%3B",
        "by `stars`": "/sql?run=1&sql=DESCRIBE%20%60by%20%60%60stars%60%60%60%3B",
        "made-ratings": "/connectors/made-ratings",
        "billing": "/groups/billing",
        "invoices-value": "/schemas/invoices-value",
    }
    heads = page.js("[...document.querySelectorAll('form [role=status] h3')].map((e) => e.textContent)")
    assert heads == ["Queries 1", "Streams 1", "Tables 1", "Connectors 1", "Consumer groups 1", "Schemas 1", "Data product 1"]
    page.sees("connect: no answer in time")
    check(page)
    page.screenshot(pictures / "schema-impact-1440.png", whole=True)
    page.resize(360)
    check(page)
    page.resize(1440)
    page.press("RATINGS")
    page.loaded("SQL")
    page.until("document.querySelector('section[aria-label^=\"Result of\"]')?.innerText.includes('RATING_ID')", 30, "the description")


def test_dashboard_moves_and_is_edited(page, platform, name, pictures):
    page.open("/dashboards/operations", f"Operations {MARKUP}")
    page.until("document.querySelectorAll('.panel .bar').length >= 3", 60, "bars")
    page.until("document.querySelectorAll('.panel .line').length >= 2", 60, "lines")
    page.until("document.querySelectorAll('.panel tbody tr').length >= 1", 60, "rows of the pull query")
    page.until("/\\d/.test(document.querySelector('.big-number').textContent)", 60, "a number")
    drawn = page.js(
        "[...document.querySelectorAll('.panel .bar')].map((b) => b.getAttribute('height')).join() + document.querySelector('.big-number').textContent"
    )
    page.until(
        f"([...document.querySelectorAll('.panel .bar')].map((b) => b.getAttribute('height')).join() + document.querySelector('.big-number').textContent) !== {json.dumps(drawn)}",
        60,
        "movement",
    )
    page.screenshot(pictures / "dashboard-moving-1440.png", whole=True)
    page.js("document.querySelector('.panel svg.plot').focus()")
    page.key("ArrowRight")
    page.until("!document.querySelector('.panel .readout').hidden")
    # With five queries that push, the rest of the console still answers: their streams do not use up the connections.
    page.press("Edit")
    page.until("!!document.querySelector('[aria-label^=\"Edit Ratings\"]')")

    page.open("/dashboards", "Dashboards")
    page.press("New dashboard")
    page.fill("Title", name)
    page.press("Create")
    page.loaded(name)
    page.press("Add a panel")
    page.fill("Title", "All of them")
    page.fill("Shown as", "number")
    page.fill("Query of the panel", "SELECT STARS, N FROM BY_STARS;")
    page.fill("Columns up", "N")
    page.press("Preview")
    page.until("/\\d/.test(document.querySelector('dialog .big-number')?.textContent)", 60, "the preview")
    check(page)
    page.press("Save")
    page.until("/\\d/.test(document.querySelector('main .big-number')?.textContent)", 60, "the panel")
    board = platform.console.get(f"/api/dashboards/{name}")
    assert board["panels"][0]["title"] == "All of them"
    page.press("Edit")
    page.press("Delete")
    page.press("Delete")
    page.loaded("Dashboards")


def test_alerts_arrive(page, platform):
    page.open("/alerts", "Alerts")
    page.sees("*Unhappy* customer <img src=x")
    text = f"Fresh alert {uuid.uuid4().hex}"
    assert platform.console.ask("POST", "/hooks/slack", {"text": text}, headers={}).status == 200
    page.sees(text)


def test_keyboard_alone(page, pictures):
    page.open("/overview", "Overview")
    page.key("Tab")
    assert page.js("document.activeElement.textContent") == "Skip to content"
    # The page stays as it is: loaded again, it would take the focus.
    page.js("document.querySelector('main h1').dataset.stays = 'yes'")
    page.key("Enter")
    page.until("document.activeElement.id === 'main'")
    page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.js("document.activeElement.id") == "main"
    assert page.js("document.querySelector('main h1').dataset.stays") == "yes"
    page.key("g")
    page.key("t")
    page.loaded("Topics")
    assert page.js("document.activeElement.tagName") == "H1"
    page.key("/")
    assert page.js("document.activeElement.getAttribute('aria-label')") == "Filter by name"
    page.type("orders")
    page.until("document.querySelectorAll('tbody tr').length === 1")
    page.key("k", ctrl=True)
    page.until("!!document.querySelector('dialog.palette')")
    page.type("unhap")
    page.until("document.querySelectorAll('.palette li').length >= 2", 30, "what has such a name")
    check(page)
    page.screenshot(pictures / "palette-1440.png")
    page.key("Escape")
    page.until("!document.querySelector('dialog')")
    page.js("document.activeElement.blur()")
    page.key("?", shift=True)
    page.sees("Keyboard shortcuts")
    check(page)
    page.screenshot(pictures / "shortcuts-1440.png")
    page.key("Escape")
    # Focus can be seen wherever it goes.
    page.open("/topics/orders.all?from=earliest", "orders.all")
    for _ in range(30):
        page.key("Tab")
        style = page.js(
            "(() => { const e = document.activeElement; if (e === document.body) return null; const s = getComputedStyle(e); return [s.outlineStyle, parseFloat(s.outlineWidth), e.outerHTML.slice(0, 120)]; })()"
        )
        assert style is None or (style[0] != "none" and style[1] >= 1), style


def test_menu_of_narrow_screens(page):
    page.resize(360)
    page.open("/overview", "Overview")
    assert page.js("getComputedStyle(document.getElementById('nav')).visibility") == "hidden"
    page.press("Menu")
    page.until("getComputedStyle(document.getElementById('nav')).visibility === 'visible'")
    page.browser.listen(0.3)
    check(page)
    page.press("Connectors")
    page.loaded("Connectors")
    page.until("getComputedStyle(document.getElementById('nav')).visibility === 'hidden'")


def test_colours_are_chosen_and_kept(page):
    page.open("/overview", "Overview")
    page.press("Colours: as the system")
    page.press("Colours: light")
    assert page.js("document.documentElement.dataset.theme") == "dark"
    dark = page.js("getComputedStyle(document.body).backgroundColor")
    page.open("/topics", "Topics")
    assert page.js("getComputedStyle(document.body).backgroundColor") == dark
    page.press("Colours: dark")
    assert page.js("document.documentElement.dataset.theme") is None


def test_inline_scripts_and_frames_are_refused(page, browser, platform):
    page.open("/overview", "Overview")
    page.js(
        "(() => { const s = document.createElement('script'); try { s.textContent = 'window.hacked = 1'; } catch {} document.body.append(s); s.remove(); return true; })()"
    )
    page.js(
        "(() => { const b = document.createElement('button'); b.setAttribute('onclick', 'window.hacked = 2'); document.body.append(b); b.click(); b.remove(); return true; })()"
    )
    page.js(
        "(() => { try { const d = document.createElement('div'); d.innerHTML = '<img src=x onerror=\"window.hacked=3\">'; document.body.append(d); setTimeout(() => d.remove(), 50); } catch {} return true; })()"
    )
    browser.listen(0.5)
    assert page.js("window.hacked === undefined")
    assert any("Content Security Policy" in text for text in page.complaints), page.complaints
    answer = platform.console.ask("GET", "/topics/a.b")
    assert (
        "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
        and "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    )
    page.noisy = True


@pytest.mark.deadline(300)
def test_a_thousand_topics(page, platform, pictures):
    admin = AdminClient({"bootstrap.servers": platform.address})
    for future in admin.create_topics(
        [NewTopic(f"many.{number:04}", 1, 1) for number in range(1000)], request_timeout=120
    ).values():
        future.result()
    try:
        page.open("/topics", "Topics")
        page.until("document.querySelector('table').getAttribute('aria-rowcount') > 1000", 60, "a thousand rows")
        assert page.js("document.querySelectorAll('tbody tr').length") < 80
        page.js("document.querySelector('.table-wrap').scrollTop = 1e9")
        page.until("document.querySelector('tbody').innerText.includes('many.0999')")
        check(page)
        page.screenshot(pictures / "topics-1000-1440.png")
        began = time.monotonic()
        page.fill("Filter by name", "many.0777")
        page.until("document.querySelectorAll('tbody tr').length === 1")
        print(f"a thousand topics filtered in {1000 * (time.monotonic() - began):.0f} ms")
    finally:
        for future in admin.delete_topics(
            [f"many.{number:04}" for number in range(1000)], request_timeout=120
        ).values():
            future.result()


def test_sql_shows_numbers_as_they_are(page, platform, name):
    stream = name.replace("-", "_").upper()
    platform.console.ksql(
        f"CREATE STREAM {stream} (ID BIGINT KEY, D DECIMAL(30,10), X DOUBLE, A ARRAY<BIGINT>) WITH (KAFKA_TOPIC='{name}', VALUE_FORMAT='JSON', PARTITIONS=1);"
    )
    page.open("/sql", "SQL")
    page.fill(
        "SQL statements",
        f"INSERT INTO {stream} VALUES (9007199254740993, 12345678901234567890.1234567890, 5.0, ARRAY[9223372036854775807]);",
    )
    page.press("Run")
    page.sees("The row was written.")
    page.fill("Push queries read", "earliest")
    page.fill("SQL statements", f"SELECT * FROM {stream} EMIT CHANGES LIMIT 1;")
    page.press("Run")
    page.until("document.querySelectorAll('section[aria-label^=\"Result of\"] tbody tr').length === 1", 60, "the row")
    cells = page.js(
        "[...document.querySelectorAll('section[aria-label^=\"Result of\"] tbody td')].map((cell) => cell.innerText.trim())"
    )
    for digits in ("9007199254740993", "12345678901234567890.1234567890", "5.0", "[9223372036854775807]"):
        assert digits in cells, cells
    page.fill("Push queries read", "latest")


def test_a_connector_keeps_its_empty_options(page, platform, name):
    config = {
        "connector.class": "DatagenConnector", "kafka.topic": f"pre-{name}", "quickstart": "users", "max.interval": "1000",
        "transforms": "r", "transforms.r.type": "org.apache.kafka.connect.transforms.RegexRouter", "transforms.r.regex": "^pre-",
        "transforms.r.replacement": "",
    }  # fmt: skip
    platform.console.send("PUT", f"/api/connect/connectors/{name}/config", config)
    page.open(f"/connectors/{name}/config", name)
    page.fill("max.interval", "2000")
    page.press("Save")

    def saved():
        return platform.console.get(f"/api/connect/connectors/{name}/config")

    wait_until(lambda: saved()["max.interval"] == "2000", what="the change")
    assert saved()["transforms.r.replacement"] == ""
    page.open("/sql", "SQL")
    platform.console.send("DELETE", f"/api/connect/connectors/{name}")
