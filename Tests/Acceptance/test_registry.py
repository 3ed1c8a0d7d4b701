"""The schema registry over plain HTTP: restarts, foreign topics, several nodes, hostile requests, rates."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from clients import end_offset
from process import binary, wait_until
from registry import RegistryBroker, RegistryNode, record


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A broker with a registry. Each test uses subjects of its own."""
    broker = RegistryBroker(tmp_path_factory.mktemp("registry")).start()
    yield broker
    broker.stop()


@pytest.fixture
def make(tmp_path):
    """Makes private processes: `make(RegistryBroker, ...)`, started."""
    made = []

    def start(kind=RegistryBroker, *arguments, **options):
        folder = options.pop("folder", tmp_path / f"node{len(made)}")
        folder.mkdir(exist_ok=True)
        process = kind(folder, *arguments, **options)
        made.append(process)
        return process.start()

    yield start
    for process in made:
        if process.alive:
            process.kill()


def curl(*arguments):
    """The status and the headers, by lower-case names, of what curl was answered."""
    done = subprocess.run(["curl", "-sS", "-i", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n\n")[0].splitlines()
    return int(lines[0].split()[1]), {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}


def test_pages_of_named_origins_only_are_let_in(make):
    node = make(properties={"access.control.allow.origin": "https://ui.example", "access.control.allow.methods": "GET,PUT"})
    ask = ("-X", "OPTIONS", "-H", "Access-Control-Request-Method: PUT", node.url + "/config")
    status, headers = curl("-H", "Origin: https://ui.example", *ask)
    assert status == 200 and headers["access-control-allow-origin"] == "https://ui.example"
    assert "PUT" in headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in curl("-H", "Origin: https://other.example", *ask)[1]
    status, headers = curl("-H", "Origin: https://ui.example", node.url + "/subjects")
    assert status == 200 and headers["access-control-allow-origin"] == "https://ui.example"
    status, headers = curl("-H", "Origin: https://other.example", node.url + "/subjects")
    assert "access-control-allow-origin" not in headers
    assert "access-control-allow-origin" not in curl(node.url + "/subjects")[1]


def topic_records(bootstrap, topic="_schemas"):
    """All records of the schemas topic: (key, value) as text."""
    _, end = end_offset(bootstrap, topic, 0)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "look", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    while consumer.position([TopicPartition(topic, 0)])[0].offset < end:
        message = consumer.poll(5)
        assert message is not None and not message.error()
        value = message.value()
        records.append((message.key().decode(), None if value is None else value.decode()))
    consumer.close()
    return records


# -- the API ---------------------------------------------------------------------------------------------------------


def test_media_types_and_methods(shared):
    http, subject = shared.http, "media"
    assert http.register(subject, record("a")).status == 200
    for accept, expected in (
        (None, "application/vnd.schemaregistry.v1+json"),
        ("*/*", "application/vnd.schemaregistry.v1+json"),
        ("application/json", "application/json"),
        ("application/json, application/vnd.schemaregistry+json", "application/vnd.schemaregistry+json"),
        ("application/vnd.schemaregistry.v1+json; q=0.1, application/json", "application/json"),
    ):
        answer = http.get("/subjects", **({"Accept": accept} if accept else {}))
        assert answer.status == 200 and answer.headers["Content-Type"] == expected, (accept, answer.headers)
    assert http.get("/subjects", Accept="text/html").status == 406
    body = json.dumps({"schema": '"string"'}).encode()
    for kind in ("application/json", "application/octet-stream", "application/vnd.schemaregistry+json"):
        assert http.ask("POST", f"/subjects/{subject}-{len(kind)}/versions", body, Content_Type=kind).status == 200
    refused = http.ask("POST", f"/subjects/{subject}/versions", body, Content_Type="text/plain")
    assert (refused.status, refused.code) == (415, 415)
    head = http.ask("HEAD", f"/subjects/{subject}/versions/1")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 50
    assert http.get("/nothing").json == {"error_code": 404, "message": "HTTP 404 Not Found"}
    assert http.ask("PUT", "/subjects").status == 405


def test_register_evolve_refuse(shared):
    http, subject = shared.http, "evolve-value"
    first = http.register(subject, record("a"))
    assert first.json["version"] == 1
    assert http.register(subject, record("a")).json["id"] == first.json["id"]
    second = http.register(subject, record("a", ("b", "int", 0)))
    assert second.json["version"] == 2
    refused = http.register(subject, record("a", ("c", "int")))
    assert refused.status == 409 and refused.code == 40901
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in refused.json["message"]
    assert "{validateFields: 'false', compatibility: 'BACKWARD'}" in refused.json["message"]
    text = json.dumps(record("a", ("c", "int")))
    checked = http.ask("POST", f"/compatibility/subjects/{subject}/versions/latest?verbose=true", {"schema": text}).json
    assert checked["is_compatible"] is False and len(checked["messages"]) >= 3
    assert http.ask("PUT", f"/config/{subject}", {"compatibility": "NONE"}).json == {"compatibility": "NONE"}
    assert http.register(subject, record("a", ("c", "int"))).json["version"] == 3
    assert http.get(f"/subjects/{subject}/versions").json == [1, 2, 3]
    stored = http.get(f"/schemas/ids/{second.json['id']}").json
    assert json.loads(stored["schema"]) == record("a", ("b", "int", 0))
    assert "schemaType" not in stored


def test_references(shared):
    http = shared.http
    assert http.register("ref-address", record("street", name="acme.Address")).status == 200
    person = record("name", ("address", "acme.Address"), name="acme.Person")
    reference = {"name": "acme.Address", "subject": "ref-address", "version": -1}
    made = http.register("ref-person", person, references=[reference])
    assert made.status == 200, made
    assert made.json["references"] == [{**reference, "version": 1}]
    assert http.get("/subjects/ref-address/versions/1/referencedby").json == [made.json["id"]]
    refused = http.ask("DELETE", "/subjects/ref-address")
    assert (refused.status, refused.code) == (422, 42206)
    missing = http.register("ref-person", person, references=[{**reference, "version": 9}])
    assert (missing.status, missing.code) == (422, 42201)
    bare = http.register("ref-person2", person)
    assert (bare.status, bare.code) == (422, 42201)
    resolved = http.get(f"/schemas/ids/{made.json['id']}?format=resolved").json["schema"]
    assert '"street"' in resolved
    # Sent with everything inside it is the same schema.
    found = http.ask("POST", "/subjects/ref-person", {"schema": resolved})
    assert found.status == 200 and found.json["id"] == made.json["id"], found
    # What is deleted can be referred to no more.
    http.register("ref-gone", record("street", name="acme.Gone"))
    assert http.ask("DELETE", "/subjects/ref-gone/versions/1").status == 200
    gone = {"name": "acme.Gone", "subject": "ref-gone", "version": 1}
    late = http.register("ref-late", record(("gone", "acme.Gone"), name="acme.Late"), references=[gone])
    assert (late.status, late.code) == (422, 42201)
    assert http.ask("DELETE", "/subjects/ref-gone/versions/1?permanent=true").status == 200


def test_names_that_need_escapes(shared):
    http = shared.http
    for subject in ("a/b", "a b", "a:b", "ä", "a%2Fb", "a+b"):
        made = http.register(f"esc {subject}", record("a"))
        assert made.status == 200, made
        assert f"esc {subject}" in http.get("/subjects").json
    assert http.ask("POST", "/subjects/a%0Ab/versions", {"schema": '"string"'}).code == 42208


def test_a_normalised_schema_is_one_schema(shared):
    http, subject = shared.http, "normal"
    messy = '{"fields":[{"type":"int","name":"a"}],"name":"N","type":"record","namespace":""}'
    first = http.ask("POST", f"/subjects/{subject}/versions?normalize=true", {"schema": messy})
    assert first.status == 200
    tidy = json.dumps({"type": "record", "name": "N", "fields": [{"name": "a", "type": "int"}]})
    second = http.ask("POST", f"/subjects/{subject}/versions?normalize=true", {"schema": tidy})
    assert second.json["id"] == first.json["id"]


# -- durability ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill -9"])
def test_a_restart_keeps_everything(make, kill):
    broker = make()
    http = broker.http
    ids = {name: http.register(name, record("a", name[-2:])).json["id"] for name in ("s1", "s2", ":.c:s3")}
    assert http.register("s1", record("a", "s1", ("b", "int", 1))).status == 200
    http.ask("PUT", "/config", {"compatibility": "FULL"})
    http.ask("PUT", "/mode/s2", {"mode": "READONLY"})
    http.ask("DELETE", "/subjects/s1/versions/1")
    before = [http.get(path).json for path in ("/schemas?deleted=true", "/config", "/mode/s2", "/contexts")]
    broker.restart(kill=kill)
    after = [http.get(path).json for path in ("/schemas?deleted=true", "/config", "/mode/s2", "/contexts")]
    assert after == before
    assert http.register(":.c:s3", record("a", "s3")).json["id"] == ids[":.c:s3"]
    assert http.register("s4", record("new")).json["id"] == max(ids["s1"], ids["s2"]) + 2


def test_nothing_acknowledged_is_lost_to_kill_9(make):
    broker = make()
    http, acknowledged, stop = broker.http, {}, threading.Event()

    def write(number):
        count = 0
        while not stop.is_set():
            subject = f"w{number}-{count}"
            try:
                answer = http.register(subject, record("a", subject.replace("-", "_")), timeout=10)
            except Exception:  # the process is gone
                return
            if answer.status == 200:
                acknowledged[subject] = answer.json["id"]
            count += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 100, what="registrations")
    broker.kill()
    stop.set()
    for thread in threads:
        thread.join()
    broker.start()
    assert len(set(acknowledged.values())) == len(acknowledged), "an id was given twice"
    for subject, number in acknowledged.items():
        assert http.get(f"/subjects/{subject}/versions/1").json["id"] == number


def test_takes_over_a_topic_of_another_registry(make):
    """Records as releases 5.0 to 8.0 of the original write them, and some that are none."""
    broker = make()
    admin = AdminClient({"bootstrap.servers": broker.address})
    topic = NewTopic("_schemas", 1, 1, config={"cleanup.policy": "compact"})
    admin.create_topics([topic])["_schemas"].result(30)
    producer = Producer({"bootstrap.servers": broker.address})
    avro = json.dumps(record("a"))
    key = {"keytype": "SCHEMA", "subject": "old", "version": 1, "magic": 0}
    records = [
        ({"keytype": "NOOP", "magic": 0}, None),
        (key, {"subject": "old", "version": 1, "id": 21, "schema": avro, "deleted": False}),
        (
            {"keytype": "SCHEMA", "subject": "old", "version": 2, "magic": 1},
            {
                "subject": "old",
                "version": 2,
                "id": 22,
                "md5": "AAAA",
                "schemaType": "JSON",
                "references": [],
                "metadata": {"properties": {"owner": "x"}},
                "schema": '{"type":"object"}',
                "deleted": False,
            },
        ),
        ({"keytype": "CONFIG", "subject": None, "magic": 0}, {"compatibilityLevel": "NONE"}),
        ({"keytype": "CONFIG", "magic": 0, "subject": "old"}, {"subject": "old", "compatibilityLevel": "FULL"}),
        ({"keytype": "SOMETHING_NEW", "magic": 0}, {"a": 1}),
        ({"keytype": "SCHEMA", "subject": "bad", "version": 1, "magic": 1}, {"id": "x"}),
        ({"keytype": "CONTEXT", "tenant": "default", "context": ".c"}, {"tenant": "default", "context": ".c"}),
        ({"keytype": "SCHEMA", "subject": "gone", "version": 1, "magic": 1}, {"id": 23, "schema": '"int"'}),
        (
            {"keytype": "DELETE_SUBJECT", "subject": "gone", "magic": 0},
            {"subject": "gone", "version": 1},
        ),
    ]
    for key, value in records:
        producer.produce("_schemas", key=json.dumps(key), value=None if value is None else json.dumps(value))
    producer.produce("_schemas", key=b"\xff\xfe", value=b"\x00")
    assert producer.flush(30) == 0
    http = broker.http
    wait_until(lambda: "old" in http.get("/subjects").json, what="the subject")
    assert http.get("/subjects?deleted=true").json == ["gone", "old"]
    assert http.get("/config").json == {"compatibilityLevel": "NONE"}
    assert http.get("/config/old").json == {"compatibilityLevel": "FULL"}
    assert http.get("/contexts").json == [".", ".c"]
    assert http.get("/schemas/ids/21").json["schema"] == avro
    assert http.get("/subjects/old/versions/2").json["metadata"] == {"properties": {"owner": "x"}}
    assert http.register("fresh", record("b")).json["id"] == 24


def test_what_it_writes_is_what_the_original_reads(make):
    broker = make()
    http = broker.http
    http.register("s", record("a"))
    http.register(":.c:s", 'syntax = "proto3"; message M { string a = 1; }', schemaType="PROTOBUF")
    http.ask("PUT", "/config/s", {"compatibility": "FULL"})
    http.ask("PUT", "/config", {"compatibility": "NONE"})
    http.ask("PUT", "/mode", {"mode": "READONLY"})
    http.ask("PUT", "/mode", {"mode": "READWRITE"})
    http.ask("DELETE", "/subjects/s")
    http.ask("DELETE", "/subjects/s?permanent=true")
    records = topic_records(broker.address)
    assert records[0] == ('{"keytype":"NOOP","magic":0}', None)
    keys = [key for key, _ in records]
    assert keys[1:] == [
        '{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
        '{"keytype":"CONTEXT","tenant":"default","context":".c"}',
        '{"keytype":"SCHEMA","subject":":.c:s","version":1,"magic":1}',
        '{"keytype":"CONFIG","subject":"s","magic":0}',
        '{"keytype":"CONFIG","subject":null,"magic":0}',
        '{"keytype":"MODE","subject":null,"magic":0}',
        '{"keytype":"MODE","subject":null,"magic":0}',
        '{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}',
        '{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
        '{"keytype":"CONFIG","subject":"s","magic":0}',
    ]
    value = json.loads(records[1][1])
    assert list(value) == ["subject", "version", "id", "md5", "schema", "deleted"]
    assert json.loads(records[3][1])["schemaType"] == "PROTOBUF"
    assert records[-1][1] is None and records[-2][1] is None


class RegistryWithFile(RegistryBroker):
    """A registry alone that runs with a file as it is written for the original."""

    def __init__(self, folder, bootstrap, text, **options):
        super().__init__(folder, **options)
        self.file = folder / "schema-registry.properties"
        self.file.write_text(
            f"listeners=http://127.0.0.1:{self.registry_port}\nkafkastore.bootstrap.servers=PLAINTEXT://{bootstrap}\n{text}"
        )

    def command(self):
        return [binary(), "start", "--roles", "registry", "--config", str(self.file), "--admin", "none"]


def test_runs_with_the_file_of_the_original(make):
    node = make(
        RegistryWithFile,
        make().address,
        """
kafkastore.topic=_schemas
kafkastore.topic.replication.factor=1
kafkastore.write.max.retries=5
debug=false
host.name=localhost
inter.instance.protocol=http
schema.registry.inter.instance.protocol=http
master.eligibility=true
avro.compatibility.level=full_transitive
subject.search.default.limit=2
subject.search.max.limit=3
kafkagroup.session.timeout.ms=10000
resource.extension.class=io.confluent.dekregistry.web.rest.DekRegistryResourceExtension
metrics.jmx.prefix=kafka.schema.registry
""",
    )
    http = node.http
    for name in ("a", "b", "c", "d"):
        assert http.register(name, record("x")).status == 200
    assert http.get("/config").json == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert http.get("/subjects").json == ["a", "b"]
    assert http.get("/subjects?limit=3").json == ["a", "b", "c"]
    assert http.get("/subjects?limit=4").json == ["a", "b"]


# -- several nodes ---------------------------------------------------------------------------------------------------


@pytest.mark.deadline(180)
def test_two_nodes_one_dies(make):
    broker = make()
    other = make(RegistryNode, broker.address)
    # The registry beside the broker joins with its first write, and finds the other one leading.
    first = broker.http.register("t", record("a"))
    assert first.status == 200 and first.json["id"] == 1, first
    second = other.http.register("t", record("a", ("b", "int", 0)))
    assert second.json["version"] == 2
    for node in (other, broker):
        wait_until(lambda: node.http.get("/subjects/t/versions").json == [1, 2], what="both versions at both nodes")
    # Whoever writes through a follower sees it there at once.
    for number in range(20):
        assert broker.http.register(f"seen-{number}", record("a")).status == 200
        assert broker.http.get(f"/subjects/seen-{number}/versions").json == [1]
        assert broker.http.ask("DELETE", f"/subjects/seen-{number}").json == [1]
    assert broker.http.register("t", record(("a", "int"))).code == 40901
    assert broker.http.ask("PUT", "/config/t", {"compatibility": "NONE"}).json == {"compatibility": "NONE"}
    assert broker.http.ask("DELETE", "/subjects/t/versions/1").json == 1

    other.kill()
    refused = broker.http.register("t", record("z"))
    assert refused.status in (200, 500), refused
    if refused.status == 500:
        assert refused.code in (50003, 50004), refused
    wait_until(lambda: broker.http.register("t", record("z")).status == 200, 60, "a new leader", 0.5)
    assert broker.http.register("u", record("u")).status == 200
    other.start()
    wait_until(lambda: other.http.get("/subjects").json == ["t", "u"], what="the topic read again")
    assert other.http.register("v", record("v")).status == 200


@pytest.mark.deadline(180)
def test_ids_stay_unique_while_nodes_come_and_go(make):
    broker = make()
    nodes = [make(RegistryNode, broker.address) for _ in range(2)]
    given, stop = {}, threading.Event()

    def write(number):
        count, shuffle = 0, random.Random(number)
        while not stop.is_set():
            subject = f"n{number}-{count}"
            http = shuffle.choice([broker, *nodes]).http
            try:
                answer = http.register(subject, record(subject.replace("-", "_")), timeout=30)
            except Exception:  # a node that is away
                stop.wait(0.05)
                continue
            if answer.status == 200:
                given[subject] = answer.json["id"]
                count += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(given) > 30, 60, "registrations")
    for node in nodes:
        node.restart()
        count = len(given)
        wait_until(lambda: len(given) > count + 30, 60, "registrations after a restart")
    stop.set()
    for thread in threads:
        thread.join()
    assert len(set(given.values())) == len(given), "two schemas have one id"
    for subject, number in given.items():
        assert broker.http.get(f"/subjects/{subject}/versions/1").json["id"] == number


def leads(node):
    """Followers refuse what comes with this header, so that no request goes to and fro."""
    answer = node.http.ask("PUT", "/config/who-leads", {"compatibility": "NONE"}, X_Forward="true")
    return answer.status == 200


@pytest.mark.deadline(180)
def test_a_leader_that_was_stopped_cannot_write_over_the_next_one(make):
    """SIGSTOP for longer than its session: it wakes up and still takes itself for the leader."""
    broker = make()
    nodes = [make(RegistryNode, broker.address) for _ in range(2)]
    assert nodes[0].http.register("t", record("a")).status == 200
    wait_until(lambda: any(leads(node) for node in nodes), what="a leader")
    old = next(node for node in nodes if leads(node))
    new = next(node for node in nodes if node is not old)
    os.kill(old.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: leads(new), 60, "another leader", 0.5)
        second = new.http.register("t", record("a", ("b", "int", 0)))
        assert second.json["version"] == 2
        other = new.http.register("other", record("other"))
    finally:
        os.kill(old.pid, signal.SIGCONT)
    third = old.http.register("t", record("a", ("c", "int", 0)))
    assert third.status == 200 and third.json["version"] == 3, third
    assert len({answer.json["id"] for answer in (second, other, third)}) == 3
    for node in nodes:
        assert json.loads(node.http.get("/subjects/t/versions/2").json["schema"]) == record("a", ("b", "int", 0))
        assert node.http.get(f"/schemas/ids/{other.json['id']}").json["schema"] == other.json["schema"]


# -- hostile requests ------------------------------------------------------------------------------------------------


def test_hostile_bodies(shared):
    http = shared.http
    deep = '{"type":"array","items":' * 2000 + '"int"' + "}" * 2000
    wide = json.dumps({"type": "enum", "name": "E", "symbols": [f"S{n}" for n in range(20_000)]})
    cases = [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 200_000, 400),
        (b'{"schema":' + b"1" * 100 + b"}", 422),
        (b'{"schema":{"type":"int"}}', 400),
        (b'{"schema":"\\"int\\"","references":{}}', 400),
        (json.dumps({"schema": deep}).encode(), 422),
        (json.dumps({"schema": '{"type":"record","name":"R","fields":[{"name":"r","type":"R2"}]}'}).encode(), 422),
        (json.dumps({"schema": '{"type":"record","name":"R"}'}).encode(), 422),
        (json.dumps({"schema": "x" * 10_000_000}).encode(), 422),
        (json.dumps({"schema": '"' + "x" * 10_000_000 + '"'}).encode(), 422),
        (json.dumps({"schema": '"int"', "references": [{"name": "a", "subject": "a", "version": 0}]}).encode(), 422),
        (b'{"schema":"' + b"a" * (17 << 20) + b'"}', 413),
    ]
    for body, status in cases:
        began = time.monotonic()
        answer = http.ask("POST", "/subjects/hostile/versions", body)
        assert answer.status == status, (body[:80], answer)
        assert answer.json["error_code"] and answer.json["message"]
        assert time.monotonic() - began < 20, body[:80]
    assert http.ask("POST", "/subjects/hostile/versions", {"schema": wide}).status == 200
    large = record(*[f"field_number_{n}_of_a_large_record" for n in range(60_000)])
    refused = http.register("hostile-large", large)
    assert (refused.status, refused.code) == (422, 42209)
    assert http.get("/subjects").status == 200


def test_small_requests_pass_while_large_ones_are_read(shared):
    """A schema of megabytes is read apart from the threads that answer."""
    http = shared.http
    assert http.register("small", record("a")).status == 200
    large = json.dumps({"schema": json.dumps(record(*[f"f{n}" for n in range(150_000)]))}).encode()
    threads = [
        threading.Thread(target=lambda: http.ask("POST", "/subjects/big", large, timeout=100)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    slowest = 0
    while any(thread.is_alive() for thread in threads):
        began = time.monotonic()
        assert http.get("/schemas/ids/1").status == 200
        slowest = max(slowest, time.monotonic() - began)
    print(f"slowest look-up beside large schemas: {slowest * 1000:.0f} ms")
    assert slowest < 5


def test_broken_connections_and_garbage(shared):
    host, port = "127.0.0.1", shared.registry_port
    shuffle = random.Random(7)
    for _ in range(50):
        with socket.create_connection((host, port)) as connection:
            kind = shuffle.randrange(3)
            if kind == 0:
                connection.sendall(shuffle.randbytes(500))
            elif kind == 1:
                connection.sendall(b"POST /subjects/x/versions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
            else:
                connection.sendall(b"GET /schemas/ids/%zz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert shared.http.get("/subjects").status == 200


# -- rates: printed, judged by wide bounds -----------------------------------------------------------------------------


def test_rates(make):
    """By one client process in Python, which is slower than the registry."""
    import http.client

    broker = make()

    def run(count, threads, call):
        def work(number):
            connection = http.client.HTTPConnection("127.0.0.1", broker.registry_port)
            for index in range(count):
                method, path, body = call(number, index)
                connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200

        workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        began = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return count * threads / (time.monotonic() - began)

    registrations = run(
        100,
        8,
        lambda n, i: (
            "POST",
            f"/subjects/r{n}-{i}/versions",
            json.dumps({"schema": json.dumps(record("a", f"f{n}_{i}"))}),
        ),
    )
    lookups = run(1000, 4, lambda n, i: ("GET", f"/schemas/ids/{i % 700 + 1}", None))
    print(f"{registrations:.0f} registrations/s, {lookups:.0f} look-ups/s by a Python client")
    assert registrations > 50 and lookups > 200

