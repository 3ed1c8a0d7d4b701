"""The console's API on the real program: every endpoint with all roles on, and of a console alone for that program."""

import json
import subprocess
import time
import urllib.parse

import pytest
from console import OWN, Platform, Stream, wait_until
from process import binary

AVRO = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}, {"name": "city", "type": "string"}]})


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("console")).start()
    platform.others = []
    yield platform
    for other in platform.others:
        other.stop()
    platform.stop()


@pytest.fixture(scope="module", params=["own", "foreign"])
def api(request, platform, tmp_path_factory):
    """The console of the process itself, and one in a second process that has nothing but addresses."""
    if request.param == "own":
        yield platform.console
        return
    other = Platform(tmp_path_factory.mktemp("foreign"), of=platform).start()
    platform.others.append(other)  # it ends before the platform does
    yield other.console


@pytest.fixture
def name(request, api):
    """A name of the test's own for each of the two consoles."""
    return f"{request.node.name.split('[')[0].removeprefix('test_')}_{api.port}"


def test_about_and_pages(api, platform):
    about = api.get("/api/about")
    assert about["version"] and about["cluster_id"] and about["inbox"] is True and about["query_socket"] is True
    assert about["build"] == subprocess.run([binary(), "--version"], capture_output=True, text=True).stdout.strip()
    assert platform.address in about["services"]["kafka"]["address"]
    for service, port in (("registry", platform.registry_port), ("connect", platform.connect_port), ("sql", platform.sql_port)):
        assert about["services"][service]["url"] == platform.url(port)
    for path in ("/", "/topics/a.b", "/overview"):
        page = api.ask("GET", path)
        assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert api.ask("GET", path, headers={"If-None-Match": page.headers["ETag"]}).status == 304
    assert api.ask("GET", "/js/there-is-no-such.js").status == 404


def test_other_sites_are_refused(api):
    assert api.ask("GET", "/api/about", headers={"Host": "evil.example.com"}).status == 403
    for headers in ({}, {**OWN, "Origin": "http://evil.example.com"}, {**OWN, "Sec-Fetch-Site": "cross-site"}):
        assert api.ask("POST", "/api/topics", {"name": "evil"}, headers=headers).status == 403
        assert api.ask("POST", "/api/sql/ksql", {"ksql": "SHOW TOPICS;"}, headers=headers).status == 403
    assert "evil" not in [topic["name"] for topic in api.get("/api/topics")]


def test_proxies(api, name):
    assert "AVRO" in api.get("/api/registry/schemas/types")
    assert any("Datagen" in plugin["class"] for plugin in api.get("/api/connect/connector-plugins"))
    assert "KsqlServerInfo" in api.get("/api/sql/info")
    for path in ("/api/registry/%2e%2e/x", "/api/sql/..%2f..%2fx", "/api/connect//evil.example.com"):
        assert api.ask("GET", path).status == 400, path
    api.send("POST", f"/api/registry/subjects/{name}/versions", {"schema": AVRO})
    assert name in api.get("/api/registry/subjects")


def test_topics(api, name):
    api.send("POST", "/api/topics", {"name": name, "partitions": 2, "configs": {"retention.ms": "60000"}})
    assert api.ask("POST", "/api/topics", {"name": name}).status == 409
    for number in range(5):
        api.produce(name, {"n": number}, key="k")

    def row():
        return next((topic for topic in api.get("/api/topics") if topic["name"] == name), None)

    # The list is a second old at most.
    wait_until(lambda: row() and row()["messages"] == 5, what="the messages are counted", timeout=10)
    assert (row()["partitions"], row()["cleanup_policy"], row()["internal"]) == (2, "delete", False)
    topic = api.get(f"/api/topics/{name}")
    assert sum(partition["end_offset"] for partition in topic["partitions"]) == 5
    assert sum(partition["log_bytes"] for partition in topic["partitions"]) > 0
    retention = next(config for config in topic["configs"] if config["name"] == "retention.ms")
    assert (retention["value"], retention["source"]) == ("60000", "topic") and retention["documentation"]
    api.send("PATCH", f"/api/topics/{name}/configs", {"set": {"retention.ms": "90000"}, "delete": []})
    api.send("POST", f"/api/topics/{name}/partitions", {"count": 3})
    used = next(partition["id"] for partition in topic["partitions"] if partition["end_offset"] == 5)
    cut = api.send("POST", f"/api/topics/{name}/truncate", {str(used): 3})
    assert cut["start_offsets"][str(used)] == 3
    assert len(api.messages(name)) == 2
    api.send("DELETE", f"/api/topics/{name}")
    wait_until(lambda: api.ask("GET", f"/api/topics/{name}").status == 404, what="the topic is gone", timeout=10)


def test_messages_with_schemas(api, name):
    api.send("POST", "/api/topics", {"name": name, "partitions": 1})
    api.send("POST", f"/api/registry/subjects/{name}-value/versions", {"schema": AVRO})
    for number in range(20):
        api.produce(name, {"id": number, "city": "Oslo" if number % 2 else "Rome"}, format="avro")
    found = api.messages(name)
    assert [message["value"]["json"]["id"] for message in found] == list(range(20))
    assert found[0]["value"]["format"] == "avro" and found[0]["value"]["schema_id"] > 0
    oslo = api.messages(name, "from=earliest&path=$.city&op=eq&value=Oslo&limit=3")
    assert [message["value"]["json"]["id"] for message in oslo] == [1, 3, 5]
    answer = api.get(f"/api/topics/{name}/messages?from=earliest&limit=7")
    assert len(answer["messages"]) == 7 and not answer["complete"]
    answer = api.get(f"/api/topics/{name}/messages?limit=100&cursor={answer['next']['cursor']}")
    assert [message["offset"] for message in answer["messages"]] == list(range(7, 20))
    assert answer["complete"] and answer["next"] is None
    assert [m["offset"] for m in api.messages(name, "from=last:2")] == [18, 19]
    assert api.ask("POST", f"/api/topics/{name}/messages", {"value": {"format": "avro", "text": '{"id": "x"}'}}).status == 400


@pytest.mark.deadline(60)
def test_a_tail_samples(api, platform, name):
    api.send("POST", "/api/topics", {"name": name, "partitions": 2})
    stream = Stream(api.port, f"/api/topics/{name}/tail")
    wait_until(lambda: stream.of("rate"), what="the tail runs", timeout=10)
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": platform.address, "linger.ms": 5})
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < 4:
        for _ in range(500):
            producer.produce(name, json.dumps({"n": sent}))
            sent += 1
        producer.poll(0)
        time.sleep(max(0, began + sent / 5000 - time.monotonic()))
    producer.flush()
    wait_until(lambda: sum(r["seen"] for r in stream.of("rate")) >= sent, what="all were seen", timeout=10)
    shown = sum(len(event["messages"]) for event in stream.of("messages"))
    rates = stream.of("rate")
    stream.close()
    assert 20 <= shown <= 40 * len(rates), (shown, len(rates))
    assert sum(rate["seen"] for rate in rates) == sent
    assert sum(rate["sampled_out"] for rate in rates) > 0
    assert api.ask("GET", f"/api/topics/no-{name}/tail").status == 404


def test_groups(api, platform, name):
    api.send("POST", "/api/topics", {"name": name, "partitions": 1})
    for number in range(10):
        api.produce(name, {"n": number})
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": platform.address, "group.id": name, "auto.offset.reset": "earliest"})
    consumer.subscribe([name])
    read = 0
    while read < 4:
        message = consumer.poll(5)
        assert message is not None
        read += 1
    consumer.commit(message, asynchronous=False)
    group = api.get(f"/api/groups/{name}")
    assert group["state"] == "Stable" and len(group["members"]) == 1
    assert group["members"][0]["assignments"] == [{"topic": name, "partition": 0}]
    assert (group["offsets"][0]["committed"], group["offsets"][0]["lag"]) == (4, 6)
    busy = api.ask("POST", f"/api/groups/{name}/reset", {"to": "earliest", "dry_run": False})
    assert busy.status == 409, busy
    consumer.close()
    dry = api.send("POST", f"/api/groups/{name}/reset", {"to": "earliest", "dry_run": True})
    assert dry == {"plan": [{"topic": name, "partition": 0, "from": 4, "to": 0, "note": ""}], "applied": False}
    api.send("POST", f"/api/groups/{name}/reset", {"to": "latest", "dry_run": False, "topics": [name]})
    assert api.get(f"/api/groups/{name}")["offsets"][0]["committed"] == 10
    wait_until(lambda: name in [g["id"] for g in api.get("/api/groups")], what="the group is listed", timeout=10)
    api.send("DELETE", f"/api/groups/{name}")
    assert api.ask("GET", f"/api/groups/{name}").status == 404


@pytest.mark.deadline(240)
def test_connectors_queries_lineage_and_dead_letters(api, platform, name, tmp_path):
    """A pipeline with everything, seen as a graph; its bad record becomes a dead letter, is mended and arrives."""
    upper = name.upper()
    api.send("POST", "/api/topics", {"name": f"{name}_in", "partitions": 1})
    api.ksql(
        f"CREATE STREAM {upper} (n INT) WITH (kafka_topic='{name}_in', value_format='JSON');"
        f"CREATE STREAM {upper}_BIG WITH (kafka_topic='{name}_big', value_format='JSON') AS SELECT * FROM {upper} WHERE n > 0;"
    )
    output = tmp_path / "out.txt"
    config = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "file": str(output),
        "topics": f"{name}_big",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": f"{name}_dlq",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
        "my.secret.token": "hunter2",
    }
    api.send("PUT", f"/api/connect/connectors/{name}/config", config)
    stored = api.get(f"/api/connect/connectors/{name}/config")
    assert "hunter2" not in json.dumps(api.get("/api/connect/connectors?expand=info")) + json.dumps(stored)
    api.send("PUT", f"/api/connect/connectors/{name}/config", {**stored, "tasks.max": "1"})
    real = platform.console.http.__class__(platform.url(platform.connect_port)).get(f"/connectors/{name}/config").json
    assert real["my.secret.token"] == "hunter2"
    for number in (1, 2, 3):
        api.produce(f"{name}_in", {"n": number})
    api.produce(f"{name}_big", "this is no JSON", format="string")
    letters = wait_until(
        lambda: api.ask("GET", f"/api/dead-letters?topic={name}_dlq").status == 200
        and api.get(f"/api/dead-letters?topic={name}_dlq")["messages"],
        what="the dead letter",
        timeout=60,
    )
    reason = letters[0]["reason"]
    assert (reason["topic"], reason["connector"], reason["stage"]) == (f"{name}_big", name, "VALUE_CONVERTER")
    wait_until(lambda: any(name in a["title"] and "dead letters" in a["title"] for a in api.get("/api/overview")["attention"]),
               what="the dead letter is told", timeout=30)
    mended = {"partition": letters[0]["partition"], "offset": letters[0]["offset"], "value": {"format": "json", "text": '{"N": 77}'}}
    sent = api.send("POST", "/api/dead-letters/redrive", {"topic": f"{name}_dlq", "messages": [mended]})
    assert sent == {"written": 1, "to": [f"{name}_big"]}
    wait_until(lambda: output.exists() and "77" in output.read_text(), what="the mended record arrives", timeout=30)

    def graph():
        lineage = api.get("/api/lineage")
        edges = {(edge["from"], edge["to"]): edge for edge in lineage["edges"]}
        query = next((n["id"] for n in lineage["nodes"] if n["kind"] == "query" and f"{upper}_BIG" in n["name"]), None)
        wanted = [
            (f"topic:{name}_in", query),
            (query, f"topic:{name}_big"),
            (f"topic:{name}_big", f"connector:{name}"),
            (f"connector:{name}", f"topic:{name}_dlq"),
        ]
        return lineage if all(edge in edges for edge in wanted) and edges[wanted[2]]["lag"] == 0 else None

    # A sink commits its offsets once a minute.
    lineage = wait_until(graph, what="the graph", timeout=130)
    sink = next(node for node in lineage["nodes"] if node["id"] == f"connector:{name}")
    assert (sink["kind"], sink["state"], sink["link"]) == ("connector-sink", "RUNNING", f"/connectors/{name}")
    api.send("DELETE", f"/api/connect/connectors/{name}")


def test_rates(api, name):
    api.send("POST", "/api/topics", {"name": name, "partitions": 1})
    stream = Stream(api.port, f"/api/events?topics={name}")
    wait_until(lambda: len(stream.of("rates")) >= 2, what="two looks", timeout=30)
    for number in range(30):
        api.produce(name, {"n": number})
    wait_until(lambda: any((r["topics"].get(name, {}).get("rate") or 0) > 0 for r in stream.of("rates")), what="a rate", timeout=30)
    # A look may come between two records.
    last = wait_until(
        lambda: next((r for r in stream.of("rates") if r["topics"].get(name, {}).get("end") == 30), None), what="all of it", timeout=30)
    stream.close()
    assert set(last["topics"]) == {name}
    overview = api.get("/api/overview")
    assert {entry["service"]: entry["state"] for entry in overview["health"]} == dict.fromkeys(("kafka", "registry", "connect", "sql"), "ok")
    assert overview["totals"]["topics"] > 0
    # Sizes are looked at every few seconds only.
    wait_until(lambda: api.get("/api/overview")["totals"]["log_bytes"] > 0, what="the size of the logs", timeout=30)
    assert 0 < overview["totals"]["disk_free_bytes"] <= overview["totals"]["disk_total_bytes"]


@pytest.mark.deadline(60)
def test_push_query_streams_and_ends(api, name):
    api.send("POST", "/api/topics", {"name": name, "partitions": 1})
    api.ksql(f"CREATE STREAM {name.upper()} (n INT) WITH (kafka_topic='{name}', value_format='JSON');")
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    body = json.dumps({"sql": f"SELECT * FROM {name.upper()} EMIT CHANGES;", "properties": {"auto.offset.reset": "earliest"}})
    connection.request("POST", "/api/sql/query-stream", body, {**OWN, "Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert "queryId" in json.loads(answer.readline())
    api.produce(name, {"n": 41})
    assert json.loads(answer.readline()) == [41]

    def running():
        listed = api.ksql("SHOW QUERIES;")[0]["queries"]
        return [query for query in listed if query["queryType"] == "PUSH" and name.upper() in query["queryString"]]

    assert running()
    connection.sock.close()
    connection.close()
    answer.close()
    wait_until(lambda: not running(), what="the query ends with its reader", timeout=20)


def test_dashboards(api, name):
    body = {"title": name, "panels": [{"title": "p", "sql": "SELECT 1;", "kind": "number", "y": ["A"]}]}
    api.send("PUT", f"/api/dashboards/{name}", body)
    assert api.get(f"/api/dashboards/{name}")["panels"] == body["panels"]
    assert name in [entry["id"] for entry in api.get("/api/dashboards")]
    assert api.ask("PUT", f"/api/dashboards/{name}", {"title": "x"}).status == 400
    api.send("DELETE", f"/api/dashboards/{name}")
    assert api.ask("GET", f"/api/dashboards/{name}").status == 404


def test_inbox(api, name):
    stream = Stream(api.port, "/api/inbox")
    wait_until(lambda: stream.thread.is_alive(), timeout=5)
    assert api.ask("POST", f"/hooks/{name}", {"text": "Unhappy: Ann"}, headers={}).status == 200
    wait_until(lambda: [m for m in stream.of("message") if m["hook"] == name], what="the message", timeout=10)
    stream.close()
    assert [m["text"] for m in api.get("/api/inbox/messages") if m["hook"] == name] == ["Unhappy: Ann"]


@pytest.mark.deadline(120)
def test_a_thousand_topics(tmp_path):
    from confluent_kafka.admin import AdminClient, NewTopic

    platform = Platform(tmp_path).start()
    api, name = platform.console, "many"
    admin = AdminClient({"bootstrap.servers": platform.address})
    made = admin.create_topics([NewTopic(f"{name}-{number}", 1, 1) for number in range(1000)])
    for future in made.values():
        future.result()
    wait_until(lambda: len(api.get("/api/topics")) >= 1000, what="the topics are listed", timeout=30)
    slowest = {}
    for path in ("/api/topics", "/api/overview", "/api/lineage", "/api/groups", f"/api/topics/{name}-7"):
        times = []
        for _ in range(5):
            began = time.monotonic()
            api.get(path)
            times.append(time.monotonic() - began)
        slowest[path] = sorted(times)[2]
    print({path: f"{seconds * 1000:.0f} ms" for path, seconds in slowest.items()})
    platform.stop(30)


def test_dashboards_survive_a_restart(tmp_path):
    platform = Platform(tmp_path).start()
    platform.console.send("PUT", "/api/dashboards/d", {"title": "kept", "panels": []})
    platform.kill()
    platform.start()
    assert platform.console.get("/api/dashboards/d")["title"] == "kept"
    log = platform.log()
    assert "error" not in log.lower(), log
    platform.stop()


def test_names_with_everything(platform):
    """Names go through paths as they are, escaped."""
    api = platform.console
    subject = "a/b c?d"
    quoted = urllib.parse.quote(subject, safe="")
    api.send("POST", f"/api/registry/subjects/{quoted}/versions", {"schema": '"string"'})
    assert subject in api.get("/api/registry/subjects")
    assert api.get(f"/api/registry/subjects/{quoted}/versions") == [1]
