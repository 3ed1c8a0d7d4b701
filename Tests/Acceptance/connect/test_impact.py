"""What a candidate schema would break: real streams, queries, connectors and groups, asked for by the registry's API and by
`swiftwater schema check`.
"""

import json
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent.parent))

from registry import Http, RegistryNode  # noqa: E402
from test_cli import call  # noqa: E402
from worker import Worker, wait_until  # noqa: E402


def avro(**fields):
    return {
        "schemaType": "AVRO",
        "schema": json.dumps(
            {"type": "record", "name": "Rating", "fields": [{"name": n, "type": t} for n, t in fields.items()]}),
    }


def protobuf(**fields):
    types = {"int": "int32", "string": "string", "long": "int64"}
    # A field keeps its number, whatever else there is.
    numbers = {"user": 1, "stars": 2, "message": 3, "channel": 4}
    lines = "".join(f"  {types[t]} {n} = {numbers[n]};\n" for n, t in fields.items())
    return {"schemaType": "PROTOBUF", "schema": f'syntax = "proto3";\nmessage Rating {{\n{lines}}}\n'}


def json_schema(**fields):
    types = {"int": "integer", "string": "string", "long": "integer"}
    properties = {
        n: {"type": types[t], **({"connect.type": "int32"} if t == "int" else {})} for n, t in fields.items()}
    return {"schemaType": "JSON", "schema": json.dumps({"type": "object", "properties": properties})}


FORMATS = {
    "AVRO": (avro, "io.confluent.connect.avro.AvroConverter"),
    "PROTOBUF": (protobuf, "io.confluent.connect.protobuf.ProtobufConverter"),
    "JSON_SR": (json_schema, "io.confluent.connect.json.JsonSchemaConverter"),
}
RATING = {"user": "string", "stars": "int", "message": "string"}


class Platform:
    """A process with all parts, and what a test asks of its registry."""

    def __init__(self, worker):
        self.worker = worker
        self.registry = Http(f"http://127.0.0.1:{worker.registry_port}")

    def post(self, path, body):
        answer = self.registry.ask("POST", path, body, Content_Type="application/vnd.schemaregistry.v1+json")
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def register(self, subject, schema):
        return self.post(f"/subjects/{subject}/versions", schema)["id"]

    def level(self, subject, level):
        answer = self.registry.ask("PUT", f"/config/{subject}", {"compatibility": level}, Content_Type="application/json")
        assert answer.status == 200, answer.body

    def impact(self, subject, schema):
        """Found things by kind and name: severity and reason."""
        answer = self.post(f"/compatibility/subjects/{subject}/versions?impact=true", schema)
        assert answer["notAsked"] == []
        found = {}
        for one in answer["impact"]:
            found.setdefault((one["kind"], one["name"]), []).append((one["severity"], one["reason"]))
        return found


@pytest.fixture
def platform(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True, sql=True).start()
    wait_until(lambda: worker.ask_sql("/healthcheck")["serverState"] == "READY", what="the SQL server")
    yield Platform(worker)
    if worker.alive:
        worker.stop()


def run(worker, text):
    answer = worker.sql(text)
    assert isinstance(answer, list), answer
    return answer


def prepare(platform, fmt, folder):
    """The topic and its schema, a stream with two queries behind each other, a sink that names a field, a group."""
    make, converter = FORMATS[fmt]
    worker = platform.worker
    subject = "ratings-value"
    platform.register(subject, make(**RATING))
    platform.level(subject, "NONE")
    run(worker, f"CREATE STREAM ratings WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='{fmt}', PARTITIONS=1);")
    made = run(
        worker,
        f"CREATE STREAM poor WITH (KAFKA_TOPIC='poor', VALUE_FORMAT='{fmt}') AS SELECT USER, MESSAGE FROM ratings "
        "WHERE STARS < 3 EMIT CHANGES;"
        "CREATE TABLE loud WITH (KAFKA_TOPIC='loud', VALUE_FORMAT='JSON') AS SELECT USER, COUNT(*) AS N, "
        "LATEST_BY_OFFSET(MESSAGE) AS LAST FROM poor GROUP BY USER EMIT CHANGES;"
        "CREATE TABLE counted WITH (KAFKA_TOPIC='counted', VALUE_FORMAT='JSON') AS SELECT USER, COUNT(*) AS N "
        "FROM ratings GROUP BY USER EMIT CHANGES;")
    queries = [entity["commandStatus"]["queryId"] for entity in made]
    worker.put(
        "files", connector__class="FileStreamSink", topics="ratings", file=str(folder / "out.txt"),
        key__converter="org.apache.kafka.connect.storage.StringConverter", value__converter=converter,
        transforms="take", transforms__take__type="org.apache.kafka.connect.transforms.ExtractField$Value",
        transforms__take__field="message")
    worker.put(
        "others", connector__class="FileStreamSink", topics="counted", file=str(folder / "other.txt"))
    consumer = Consumer(
        {"bootstrap.servers": worker.address, "group.id": "billing", "auto.offset.reset": "earliest"})
    consumer.subscribe(["ratings"])
    wait_until(lambda: consumer.poll(0.05) is not None or consumer.assignment(), what="a member that reads")
    consumer.commit(offsets=[TopicPartition("ratings", 0, 0)], asynchronous=False)
    return subject, make, queries, consumer


@pytest.mark.deadline(180)
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_field_that_vanishes_is_followed_through_all_parts(platform, fmt, tmp_path):
    subject, make, (poor, loud, counted), consumer = prepare(platform, fmt, tmp_path)
    try:
        found = platform.impact(subject, make(user="string", stars="int"))
        broken = {key for key, entries in found.items() if any(severity == "breaks" for severity, _ in entries)}
        assert {
            ("stream", "RATINGS"), ("stream", "POOR"), ("table", "LOUD"), ("query", poor), ("query", loud),
            ("connector", "files"),
        } <= broken
        assert not {("table", "COUNTED"), ("query", counted), ("connector", "others")} & set(found)
        assert "column MESSAGE (STRING) vanishes" in found["stream", "RATINGS"][0][1]
        assert found["query", poor][0][1] == "reads MESSAGE of RATINGS"
        assert f"by query {poor}" in found["stream", "POOR"][0][1]
        assert "column LAST comes from MESSAGE of POOR" in found["table", "LOUD"][0][1]
        assert "transform 'take' (ExtractField$Value) names field message (STRING), which vanishes" in (
            found["connector", "files"][0][1])
        # Groups of queries and connectors are told as queries and connectors.
        assert [name for kind, name in found if kind == "consumer-group"] == ["billing"]

        # What nobody uses reaches nobody but the readers of all of it.
        found = platform.impact(subject, make(**RATING, channel="string"))
        assert not [key for key in found if key[0] in ("stream", "table", "query", "connector")], found
    finally:
        consumer.close()


@pytest.mark.deadline(180)
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_type_that_changes_breaks_what_cannot_read_it(platform, fmt, tmp_path):
    subject, make, queries, consumer = prepare(platform, fmt, tmp_path)
    consumer.close()
    found = platform.impact(subject, make(**{**RATING, "stars": "string"}))
    severity, reason = found["stream", "RATINGS"][0]
    assert severity == "breaks" and "column STARS is INTEGER, and the schema has STRING" in reason
    # Records that cannot be read reach no query, whether it wants the column or not.
    for query in queries:
        assert found["query", query][0][0] == "breaks"
    # And the engine reads them as the dry run says.
    if fmt == "AVRO":
        found = platform.impact(subject, make(**{**RATING, "stars": "long"}))
        assert "no record with it can be read" in found["stream", "RATINGS"][0][1]


@pytest.mark.deadline(180)
def test_who_writes_to_the_subject_is_told(platform, tmp_path):
    worker = platform.worker
    platform.register("orders-value", avro(id="int", name="string"))
    run(worker, "CREATE STREAM orders WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='AVRO', PARTITIONS=1);")
    (made,) = run(worker, "CREATE STREAM copied WITH (KAFKA_TOPIC='copied', VALUE_FORMAT='AVRO') AS SELECT * FROM orders;")
    query = made["commandStatus"]["queryId"]
    config = dict(
        connector__class="io.confluent.kafka.connect.datagen.DatagenConnector", kafka__topic="users",
        quickstart="users", max__interval="1", iterations="5",
        value__converter="io.confluent.connect.avro.AvroConverter")
    worker.put("users_source", **config)
    wait_until(lambda: "users-value" in json.loads(platform.registry.ask("GET", "/subjects").body), 60, "the source's schema")
    wait_until(lambda: "copied-value" in json.loads(platform.registry.ask("GET", "/subjects").body), 60, "the query's schema")

    # Readers with the candidate could not read what the query writes.
    candidate = {"schema": json.dumps({
        "type": "record", "name": "KsqlDataSourceSchema", "namespace": "io.confluent.ksql.avro_schemas",
        "fields": [{"name": "ID", "type": "string"}]})}
    platform.level("copied-value", "NONE")
    reasons = [reason for severity, reason in platform.impact("copied-value", candidate)["query", query] if severity == "breaks"]
    assert any("goes on writing with version 1, which readers with this schema cannot read" in r for r in reasons), reasons

    users = json.loads(platform.registry.ask("GET", "/subjects/users-value/versions/latest").body)
    schema = json.loads(users["schema"])
    kept = {**schema, "fields": schema["fields"][:-1]}
    found = platform.impact("users-value", {"schema": json.dumps(kept)})
    (severity, reason), = found["connector", "users_source"]
    assert severity == "changes" and "its next schema" in reason, found
    renamed = {**schema, "fields": schema["fields"] + [{"name": "more", "type": "int"}]}
    platform.level("users-value", "NONE")
    (severity, reason), = platform.impact("users-value", {"schema": json.dumps(renamed)})["connector", "users_source"]
    assert severity == "breaks" and "cannot read" in reason


@pytest.mark.deadline(180)
def test_the_command_prints_it_by_kind_and_fails_when_something_breaks(platform, tmp_path):
    subject, make, (poor, *_), consumer = prepare(platform, "AVRO", tmp_path)
    consumer.close()
    candidate = tmp_path / "next.avsc"
    where = ["--registry", f"http://127.0.0.1:{platform.worker.registry_port}"]
    candidate.write_text(make(user="string", stars="int")["schema"])
    done = call("schema", "check", subject, str(candidate), *where)
    assert done.code == 1 and f"compatible with '{subject}'" in done.out, done
    kinds = [line.split("  ")[0] for line in done.out.splitlines() if "WHAT IT WOULD MEET" in line]
    assert kinds == ["STREAM", "TABLE", "QUERY", "CONNECTOR", "CONSUMER GROUP"], done.out
    assert f"{poor}" in done.out and "breaks" in done.out
    assert "would break 2 streams, 1 table, 2 queries, 1 connector and 1 consumer group" in done.err, done.err
    done = call("schema", "check", subject, str(candidate), *where, "-o", "json")
    assert done.code == 1
    assert {"kind": "query", "name": poor, "severity": "breaks", "reason": "reads MESSAGE of RATINGS"} in (
        json.loads(done.out)["impact"])
    candidate.write_text(make(**RATING)["schema"])
    done = call("schema", "check", subject, str(candidate), *where)
    assert done.code == 0, done


def ask(registry, subject, schema):
    answer = registry.http.ask("POST", f"/compatibility/subjects/{subject}/versions?impact=true", schema)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.mark.deadline(180)
def test_parts_in_other_processes_are_asked_by_their_addresses(platform, tmp_path):
    subject, make, queries, consumer = prepare(platform, "AVRO", tmp_path)
    consumer.close()
    worker = platform.worker
    candidate = make(user="string", stars="int")

    def start(name, **urls):
        (tmp_path / name).mkdir()
        flags = [part for flag, url in urls.items() for part in (f"--{flag}-url", url)]
        return RegistryNode(tmp_path / name, worker.address, flags=flags).start()

    named = start(
        "named", ksql=f"http://127.0.0.1:{worker.sql_port}", connect=f"http://127.0.0.1:{worker.connect_port}")
    alone = start("alone")
    # Something answers there, and it is no SQL server; nobody is at the other.
    wrong = start("wrong", ksql=f"http://127.0.0.1:{worker.registry_port}", connect="http://127.0.0.1:1")
    try:
        here = platform.post(f"/compatibility/subjects/{subject}/versions?impact=true", candidate)
        there = ask(named, subject, candidate)
        assert there["notAsked"] == [] and there["impact"] == here["impact"]
        answer = ask(alone, subject, candidate)
        assert [part["part"] for part in answer["notAsked"]] == ["connect", "sql"]
        assert "--ksql-url" in answer["notAsked"][1]["reason"]
        reasons = {part["part"]: part["reason"] for part in ask(wrong, subject, candidate)["notAsked"]}
        assert "connection refused" in reasons["connect"] and "cannot tell" in reasons["sql"], reasons
    finally:
        for registry in (named, alone, wrong):
            registry.stop()
