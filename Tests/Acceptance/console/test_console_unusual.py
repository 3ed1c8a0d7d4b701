"""What a stranger brings to the pages: nulls, bytes, what no schema explains, long messages, references, wrong columns."""

import json

from confluent_kafka import Consumer, Producer, TopicPartition
from console import Platform, free_port, wait_until
from console_checks import check, check_quiet
from console_fixtures import browser, name, page  # noqa: F401
from console_fixtures import empty_platform as platform  # noqa: F401


def write(platform, topic, records):
    platform.console.send("POST", "/api/topics", {"name": topic, "partitions": 1})
    producer = Producer({"bootstrap.servers": platform.address})
    for key, value, headers in records:
        producer.produce(topic, key=key, value=value, headers=headers)
    assert producer.flush(20) == 0


def opened(page, number):
    """The text of a message, opened."""
    page.js(f"document.querySelectorAll('.message > button')[{number}].click()")
    return page.js(f"document.querySelectorAll('.message')[{number}].innerText")


def test_nulls_and_bytes_are_told_from_texts(page, platform, name):
    headers = [("none", None), ("bin", b"\xff\x00"), ("", "nameless"), ("blank", "")]
    write(platform, name, [
        (None, b"null", []), (b"null", None, headers), (b"", b"", []),
        (b"framed", b"\x00\x00\x00\x03\xe7rest", []), (b"not framed", b"\x00\xff\xfe\xfd binary", []),
    ])  # fmt: skip
    page.open(f"/topics/{name}?from=earliest", name)
    page.until("document.querySelectorAll('.message').length === 5")
    marked = page.js(
        "[...document.querySelectorAll('.message')].map((m) => ['.key', '.value'].map((side) => m.querySelector(`${side} i`)?.textContent ?? ''))"
    )
    assert marked == [["null", ""], ["", "null"], ["empty", "empty"], ["", ""], ["", ""]]
    texts = [opened(page, number) for number in range(5)]
    assert "no name" in texts[1] and "bytes" in texts[1] and "ff00" in texts[1]
    # Why something is shown as bytes is said, unless the bytes name no schema at all.
    assert "Shown as it is, without a schema: the registry: Schema 999 not found" in texts[3]
    assert "without a schema" not in texts[4] and "00fffefd" in texts[4]
    check(page)


def test_long_message_is_found_and_shown_as_a_whole(page, platform, name):
    value = json.dumps({"pad": "x" * 200_000, "last": {"city": "Tromsø"}}, ensure_ascii=False)
    write(platform, name, [("short", '{"last": {"town": "Oslo"}}', []), ("long", value, [])])
    page.open(f"/topics/{name}", name)
    page.press("By key, JSON path, time, format")
    page.fill("JSON path in the value", "$.last.city")
    page.press("Search")
    page.sees("1 message found in 2")
    page.fill("With", "Oslo")
    page.press("Search")
    page.sees("No message fits")
    page.fill("With", "Tromsø")
    page.press("Search")
    page.sees("1 message found in 2")
    # The address says the same after a reload.
    page.open(page.js("location.pathname + location.search"), name)
    page.sees("1 message found in 2")
    assert "Only the first 64.0 KiB are shown." in opened(page, 0)
    page.press("Show all of the value")
    page.until("document.querySelector('.message .detail').innerText.includes('Tromsø')")
    assert not page.js("document.querySelector('.message').innerText.includes('Only the first')")
    check(page)


def test_bytes_are_written_in_hexadecimal(page, platform, name):
    write(platform, name, [])
    page.open(f"/topics/{name}/produce", name)
    page.fill("Value is", "bytes")
    assert page.js("[...document.querySelectorAll('option')].find((o) => o.value === 'bytes').textContent") == "Bytes, in hexadecimal"
    page.fill("Value", "00 ff fe")
    page.press("Send")
    page.sees("Written to partition 0, offset 0")
    assert platform.console.messages(name)[0]["value"] == {"format": "bytes", "text": "00fffe"}


def test_schema_with_references_is_registered(page, platform, name):
    console = platform.console
    address = {"type": "record", "name": "Address", "namespace": "com.example", "fields": [{"name": "city", "type": "string"}]}
    person = {"type": "record", "name": "Person", "fields": [{"name": "home", "type": "com.example.Address"}]}
    console.send("POST", f"/api/registry/subjects/{name}-address/versions", {"schema": json.dumps(address)})
    page.open("/schemas", "Schemas")
    page.press("Register a schema")
    page.fill("Subject", f"{name}-value")
    page.fill("Schema", json.dumps(person))
    page.press("References to other schemas")
    page.press("Add a reference")
    page.fill("Name of the reference", "com.example.Address")
    page.press("Register")
    page.sees("A reference needs a name")
    page.fill("Subject of the reference", f"{name}-address")
    check(page)
    page.press("Register")
    page.loaded(f"{name}-value")
    page.sees(f"com.example.Address ({name}-address, version 1)")
    # A new version begins with the references of the one before, which may be taken away.
    page.press("New version")
    page.until("document.querySelector('[aria-label=\"Version of the reference\"]')?.value === '1'")
    page.press("Check compatibility and impact")
    page.sees("Compatible: what is registered can be replaced by this.")


def test_offsets_of_a_topic_that_the_group_never_read(page, platform, name):
    first, second = f"{name}-first", f"{name}-second"
    for topic in (first, second):
        write(platform, topic, [(None, f"v{number}", []) for number in range(5)])
    consumer = Consumer({"bootstrap.servers": platform.address, "group.id": name, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(first, 0, 2)], asynchronous=False)
    consumer.close()
    page.open(f"/groups/{name}", name)
    page.press("Move offsets")
    page.fill("Another topic", second)
    page.fill("Move to", "offset")
    page.fill("Offset", "99")
    page.press("Show the plan")
    page.until("document.querySelectorAll('dialog tbody tr').length === 2")
    assert page.text().count("99 is after the end") == 2
    # A plan that is not what would be done goes.
    page.fill("Offset", "3")
    page.until("!document.querySelector('dialog tbody') && document.querySelector('dialog .dialog-foot .primary').disabled")
    page.press("Show the plan")
    page.until("document.querySelectorAll('dialog tbody tr').length === 2")
    check(page)
    page.click("dialog .dialog-foot .primary")
    page.sees("The offsets were moved")
    rows = platform.console.get(f"/api/groups/{name}")["offsets"]
    assert {row["topic"]: row["committed"] for row in rows} == {first: 3, second: 3}


def test_connector_that_is_called_new(page, platform, tmp_path, name):
    write(platform, name, [])
    platform.console.send("PUT", "/api/connect/connectors/new/config", {
        "connector.class": "FileStreamSinkConnector", "topics": name, "file": str(tmp_path / "out"),
    })  # fmt: skip
    wait_until(lambda: platform.console.ask("GET", "/api/connect/connectors/new/status").status == 200, 30, "its status")
    page.open("/connectors", "Connectors")
    page.click("main a.name[href='/connectors/new/status']")
    page.loaded("new")
    page.press("Configuration")
    page.until("location.pathname === '/connectors/new/config'")
    page.press("Tasks")
    page.loaded("new")


def test_panel_says_why_it_draws_nothing_and_shows_fractions(page, platform, name):
    console = platform.console
    write(platform, name, [(None, '{"stars": 4, "note": "a"}', []), (None, '{"stars": 3, "note": "b"}', [])])
    stream = name.replace("-", "_").upper()
    console.ksql(f"CREATE STREAM {stream} (STARS INT, NOTE VARCHAR) WITH (KAFKA_TOPIC='{name}', VALUE_FORMAT='JSON');")

    def panel(title, columns, kind="line", **more):
        sql = f"SET 'auto.offset.reset'='earliest'; SELECT {columns} FROM {stream} EMIT CHANGES;"
        if "AVG" in columns:
            sql = sql.replace(" EMIT", " GROUP BY 1 EMIT")
        return {"title": title, "sql": sql, "kind": kind, "x": "", "y": [], "series": "", "width": 1, **more}

    panels = [
        panel("wrong", "STARS", x="W", y=["N"]), panel("words", "NOTE"), panel("mean", "1 AS K, AVG(STARS) AS A", y=["A"]),
        {**panel("none", "STARS"), "sql": "SELECT * FROM NOT_THERE EMIT CHANGES;"},
    ]  # fmt: skip
    console.send("PUT", f"/api/dashboards/{name}", {"id": name, "title": name, "panels": panels})
    page.open(f"/dashboards/{name}", name)
    page.sees("The query gives no column W, N. It gives STARS.")
    page.sees("Rows come, but none has a number to draw")
    page.sees("NOT_THERE does not exist")
    page.until("!document.querySelector('main').innerText.includes('Waiting for the first rows')")
    page.js("document.querySelector('[aria-label=\"mean: as a table\"]').click()")
    page.until("[...document.querySelectorAll('.panel td')].some((cell) => cell.textContent === '3.5')")
    check(page)


def test_live_tail_says_why_it_is_refused(page, platform, name):
    write(platform, name, [])
    page.open(f"/topics/{name}/live", name)
    page.fill("Only with this JSON path", "$[")
    page.sees("'$[' is no path into JSON")
    page.sees("Not connected")
    page.fill("Only with this JSON path", "$.n")
    page.until("!document.querySelector('main').innerText.includes('is no path') && document.querySelector('.tail-bar').innerText.includes('0/s')")
    platform.console.produce(name, {"n": 1})
    page.until("document.querySelectorAll('.message').length === 1")
    page.complaints = [text for text in page.complaints if "status of 4" not in text]  # the refusal was meant


def test_connector_as_json_is_saved_as_it_is_written(page, platform, tmp_path, name):
    write(platform, name, [])
    page.open("/connectors/new?plugin=FileStreamSinkConnector", "New FileStreamSink sink")
    page.press("JSON")
    good = {"name": name, "config": {"topics": name, "file": str(tmp_path / "out"), "tasks.max": 1, "left.out": None}}
    field = "Configuration as JSON"
    page.fill(field, json.dumps(good))
    page.sees("The worker accepts this configuration.")
    for text, problem in (("null", "This is no object of options"), ("[1]", "This is no object of options"), ('{"topics": "x"', "This is not JSON")):
        page.fill(field, text)
        page.sees(problem)
        # What was valid before is not what is written now.
        page.press("Create connector")
        page.until("document.activeElement === document.querySelector('form textarea')")
        assert platform.console.ask("GET", f"/api/connect/connectors/{name}").status == 404
    good["config"]["tasks.max"] = 2
    page.fill(field, json.dumps(good))
    page.press("Create connector")  # at once, before the worker was asked
    page.loaded(name)
    config = platform.console.get(f"/api/connect/connectors/{name}")["config"]
    assert config["tasks.max"] == "2" and "left.out" not in config


def test_newest_messages_come_first_and_older_ones_follow(page, platform, name):
    write(platform, name, [(None, f"value {number}", []) for number in range(120)])
    shown = "[...document.querySelectorAll('.message .value')].map((e) => Number(e.textContent.split(' ').pop()))"
    page.open(f"/topics/{name}", name)
    page.until(f"{shown}.length === 50")
    assert page.js(shown) == list(range(119, 69, -1))
    opened(page, 0)
    # What comes meanwhile is the next search's, however much it is.
    producer = Producer({"bootstrap.servers": platform.address})
    for number in range(120, 220):
        producer.produce(name, value=f"value {number}")
    assert producer.flush(20) == 0
    page.press("Older messages")
    page.until(f"{shown}.length === 100")
    assert page.js(shown) == list(range(119, 19, -1))
    assert "value 119" in page.js("document.querySelector('.message .detail').innerText")
    page.press("Older messages")
    page.until(f"{shown}.length === 120")
    assert page.js(shown) == list(range(119, -1, -1))
    page.until("![...document.querySelectorAll('button')].some((b) => b.textContent === 'Older messages')")
    check(page)
    page.press("Search")
    page.until(f"{shown}.length === 50 && {shown}[0] === 219")
    page.fill("Begin at", "earliest")
    page.press("Search")
    page.until(f"{shown}.length === 50 && {shown}[0] === 0")
    page.press("More messages")
    page.until(f"{shown}.length === 100 && {shown}[99] === 99")
    # The rest of this list is no part of another one.
    page.fill("Begin at", "last:50")
    page.press("More messages")
    page.until(f"{shown}.length === 50 && {shown}[0] === 219")


def test_older_messages_are_found_between_gaps(page, platform, name):
    """Of a topic that transactions of one record wrote every second offset is one of their ends."""
    platform.console.send("POST", "/api/topics", {"name": name, "partitions": 1})
    producer = Producer({"bootstrap.servers": platform.address, "transactional.id": name, "linger.ms": 0})
    producer.init_transactions(30)
    for number in range(70):
        producer.begin_transaction()
        producer.produce(name, value=f"value {number}")
        producer.commit_transaction(30)
    shown = "[...document.querySelectorAll('.message .value')].map((e) => Number(e.textContent.split(' ').pop()))"
    page.open(f"/topics/{name}", name)
    page.until(f"{shown}.length === 25")
    for _ in range(2):
        page.press("Older messages")
        page.until("!document.body.innerText.includes('Reading…')")
    page.until(f"{shown}.length === 70")
    assert page.js(shown) == list(range(69, -1, -1))
    page.until("![...document.querySelectorAll('button')].some((b) => b.textContent === 'Older messages')")


def test_older_messages_are_told_once_though_times_fall(page, platform, name):
    platform.console.send("POST", "/api/topics", {"name": name, "partitions": 2})
    producer = Producer({"bootstrap.servers": platform.address})
    for number in range(80):
        producer.produce(name, value=f"value {number}", partition=0, timestamp=1_700_000_000_000 - number)
        producer.produce(name, value=f"value {100 + number}", partition=1, timestamp=1_700_000_000_000 + number)
    assert producer.flush(20) == 0
    shown = "[...document.querySelectorAll('.message .value')].map((e) => Number(e.textContent.split(' ').pop()))"
    page.open(f"/topics/{name}", name)
    for count in (50, 100, 150, 160):
        page.until(f"{shown}.length === {count}")
        if count < 160:
            page.press("Older messages")
    values = page.js(shown)
    assert [value for value in values if value < 100] == list(range(79, -1, -1))
    assert [value for value in values if value >= 100] == list(range(179, 99, -1))


def test_lineage_says_what_it_cannot_see(browser, platform, tmp_path):  # noqa: F811
    """Without the worker's answer connectors are missing, and a drawing without them would be believed."""
    alone = Platform(tmp_path / "console", of=platform, flags=["--connect-url", f"http://127.0.0.1:{free_port()}"]).start()
    try:
        lone = browser.page(f"http://127.0.0.1:{alone.console_port}")
        lone.open("/lineage", "Lineage")
        lone.sees("Connectors are missing here: the Connect worker at")
        assert "Queries are missing" not in lone.text()
        check(lone)
        check_quiet(lone)
        lone.close()
    finally:
        alone.stop()
