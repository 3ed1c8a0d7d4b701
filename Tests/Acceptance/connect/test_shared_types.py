"""Schemas of which each type uses the one below it twice have 2^n paths through n types. Whoever is asked about one answers,
and the process goes on serving: nothing is followed along all paths.
"""

import json
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients import create_topic  # noqa: E402
from process import free_port  # noqa: E402
from registry import Http  # noqa: E402
from test_cli import call  # noqa: E402
from worker import Worker, wait_until  # noqa: E402

LEVELS = 40
# Far more than any of this takes; what follows all paths takes years.
SECONDS = 60


def avro(lowest, optional=True):
    """`deep` is the type of the highest level; without `optional` there is a value of it in no bytes, if `lowest` has none."""
    inner = {"type": "record", "name": "L0", "fields": lowest}
    for level in range(1, LEVELS):
        kinds = [["null", inner], ["null", f"L{level - 1}"]] if optional else [inner, f"L{level - 1}"]
        fields = [{"name": n, "type": t, **({"default": None} if optional else {})} for n, t in zip("ab", kinds)]
        inner = {"type": "record", "name": f"L{level}", "fields": fields}
    deep = {"name": "deep", "type": ["null", inner], "default": None} if optional else {"name": "deep", "type": inner}
    return {"schemaType": "AVRO", "schema": json.dumps(
        {"type": "record", "name": "Top", "fields": [{"name": "id", "type": "int"}, deep]})}


def protobuf(lowest):
    levels = "".join(f"message L{n} {{ L{n - 1} a = 1; L{n - 1} b = 2; }}\n" for n in range(LEVELS - 1, 0, -1))
    text = f'syntax = "proto3";\nmessage Top {{ int32 id = 1; L{LEVELS - 1} deep = 2; }}\n{levels}message L0 {{ {lowest} }}\n'
    return {"schemaType": "PROTOBUF", "schema": text}


def json_schema(lowest, levels=LEVELS):
    def field(level):
        return {"oneOf": [{"type": "null"}, {"$ref": f"#/definitions/L{level}"}]}

    definitions = {f"L{n}": {"type": "object", "properties": {"a": field(n - 1), "b": field(n - 1)}} for n in range(1, levels)}
    definitions["L0"] = {"type": "object", "properties": lowest}
    return {"schemaType": "JSON", "schema": json.dumps({
        "type": "object", "properties": {"id": {"type": "integer"}, "deep": field(levels - 1)}, "definitions": definitions})}


# Name, a schema, another one of its kind, the payload of a value without `deep`, SQL's format, the converter.
FORMATS = {
    "avro": (
        avro([{"name": "v", "type": "int"}]), avro([{"name": "w", "type": "int", "default": 1}]), bytes([14, 0]), "AVRO",
        "io.confluent.connect.avro.AvroConverter"),
    "empty": (
        avro([], optional=False), avro([{"name": "w", "type": "null", "default": None}], optional=False), bytes([14]), "AVRO",
        "io.confluent.connect.avro.AvroConverter"),
    "protobuf": (
        protobuf("int32 v = 1;"), protobuf("int32 v = 1; int32 w = 2;"), bytes([0, 8, 7]), "PROTOBUF",
        "io.confluent.connect.protobuf.ProtobufConverter"),
    "json": (
        json_schema({"v": {"type": "integer"}}, 20), json_schema({"v": {"type": "string"}}, 20), b'{"id":7}', "JSON_SR",
        "io.confluent.connect.json.JsonSchemaConverter"),
    "json-deep": (
        json_schema({"v": {"type": "integer"}}), json_schema({"v": {"type": "string"}}), b'{"id":7}', "JSON_SR",
        "io.confluent.connect.json.JsonSchemaConverter"),
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    console = free_port()
    worker = Worker(folder, registry=True, sql=True, settings={"offset.flush.interval.ms": "200"})
    worker.flags += ["--console", f"127.0.0.1:{console}"]
    worker.console = Http(f"http://127.0.0.1:{console}")
    worker.start()
    yield worker
    worker.stop()


def ask(http, method, path, body=None, kind="application/json"):
    """Any answer but a failure of the server is one."""
    answer = http.ask(method, path, body, timeout=SECONDS, Content_Type=kind)
    assert answer.status < 500, f"{method} {path}: {answer.body}"
    return answer


# Sinks that write the records; the others need each place of a type by itself, and fail. None can have a value of 2^40 structs, or
# read a JSON Schema that is nested so deep.
WRITERS = {
    "avro": {"lines", "json", "avro"}, "empty": set(), "protobuf": {"lines", "json", "avro"}, "json": {"lines", "json", "avro"},
    "json-deep": set(),
}


def outcome(worker, sink, topic):
    """The offset that a sink has committed, "FAILED", or None while it has come to neither."""
    states = worker.states(sink)
    if states and states[1] == ["FAILED"]:
        return "FAILED"
    consumer = Consumer({"bootstrap.servers": worker.address, "group.id": f"connect-{sink}"})
    try:
        offset = consumer.committed([TopicPartition(topic, 0)], timeout=SECONDS)[0].offset
    finally:
        consumer.close()
    return offset if offset > 0 else None


@pytest.mark.parametrize("name", FORMATS)
def test_everybody_answers(worker, tmp_path, name):
    schema, other, payload, sql_format, converter = FORMATS[name]
    registry = Http(f"http://127.0.0.1:{worker.registry_port}")
    topic, subject = f"deep-{name}", f"deep-{name}-value"
    create_topic(worker.address, topic)
    kind = "application/vnd.schemaregistry.v1+json"
    made = ask(registry, "POST", f"/subjects/{subject}/versions", schema, kind)
    assert made.status == 200, made.body
    number = json.loads(made.body)["id"]
    producer = Producer({"bootstrap.servers": worker.address})
    producer.produce(topic, b"\0" + number.to_bytes(4, "big") + payload)
    producer.flush()

    # Who reads the topic, in all ways there are.
    sinks = {
        "lines": {"connector.class": "FileStreamSink", "file": str(tmp_path / "lines")},
        "flat": {
            "connector.class": "FileStreamSink", "file": str(tmp_path / "flat"), "transforms": "flat",
            "transforms.flat.type": "org.apache.kafka.connect.transforms.Flatten$Value"},
    }
    for form in ("json.JsonFormat", "avro.AvroFormat", "parquet.ParquetFormat"):
        sinks[form.split(".")[0]] = {
            "connector.class": "FileStoreSink", "store.url": f"file://{tmp_path}/{form}", "flush.size": "1",
            "format.class": f"io.confluent.connect.s3.format.{form}"}
    for sink, config in sinks.items():
        worker.put(f"{sink}-{name}", topics=topic, value__converter=converter, **config)
    found = {
        sink: wait_until(lambda sink=sink: outcome(worker, f"{sink}-{name}", topic), SECONDS, f"{sink} has written or failed")
        for sink in sinks}
    assert found == {sink: 1 if sink in WRITERS[name] else "FAILED" for sink in sinks}

    sql = Http(f"http://127.0.0.1:{worker.sql_port}")

    def statement(text):
        return ask(sql, "POST", "/ksql", {"ksql": text, "streamsProperties": {"auto.offset.reset": "earliest"}})

    stream = name.replace("-", "_")
    statement(f"CREATE STREAM {stream}_all WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='{sql_format}');")
    statement(f"CREATE STREAM {stream}_id (id INT) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='{sql_format}');")
    statement(f"DESCRIBE {stream}_all EXTENDED;")
    statement(f"CREATE STREAM {stream}_out AS SELECT id FROM {stream}_id;")

    # Who asks the registry.
    for path in (
        f"/subjects/{subject}/versions/1", f"/schemas/ids/{number}", f"/schemas/ids/{number}?format=resolved",
        f"/schemas/ids/{number}?format=serialized", f"/schemas/ids/{number}/schema", f"/subjects/{subject}/versions/1/schema",
    ):
        ask(registry, "GET", path)
    for query in ("", "?normalize=true"):
        ask(registry, "POST", f"/subjects/{subject}{query}", schema, kind)
    ask(registry, "PUT", f"/config/{subject}", {"compatibility": "FULL_TRANSITIVE"})
    for query in ("", "?verbose=true", "?impact=true", "?normalize=true"):
        ask(registry, "POST", f"/compatibility/subjects/{subject}/versions{query}", other, kind)
    ask(registry, "PUT", f"/config/{subject}", {"compatibility": "NONE"})
    for query in ("", "?normalize=true"):
        ask(registry, "POST", f"/subjects/{subject}/versions{query}", other, kind)
    ask(registry, "POST", f"/compatibility/subjects/{subject}/versions?impact=true", schema, kind)

    # Who looks at it.
    address = f"http://127.0.0.1:{worker.registry_port}"
    call("schema", "diff", subject, "--registry", address, timeout=SECONDS)
    (tmp_path / "candidate").write_text(other["schema"])
    call("schema", "check", subject, str(tmp_path / "candidate"), "--type", schema["schemaType"], "--registry", address,
         timeout=SECONDS)
    call("consume", topic, "-b", worker.address, "--registry", address, "--from", "beginning",
         "--exit-at-end", "--value-format", {"JSON": "json-schema"}.get(schema["schemaType"], schema["schemaType"].lower()),
         timeout=SECONDS)
    ask(worker.console, "GET", f"/api/topics/{topic}/messages")
    ask(sql, "POST", "/query", {"ksql": f"PRINT '{topic}' FROM BEGINNING LIMIT 1;"})
    # A record that nobody reads is none that a query could end with.
    if name != "empty":
        ask(sql, "POST", "/query", {
            "ksql": f"SELECT * FROM {stream}_id EMIT CHANGES LIMIT 1;", "streamsProperties": {"auto.offset.reset": "earliest"}})

    # All of it goes on: sinks are where they were, and one more record comes to them.
    assert worker.ask("GET", "/connectors?expand=status")[0] == 200
    producer.produce(topic, b"\0" + number.to_bytes(4, "big") + payload)
    producer.flush()
    for sink in WRITERS[name]:
        wait_until(lambda sink=sink: outcome(worker, f"{sink}-{name}", topic) in (2, "FAILED"), SECONDS, f"{sink} goes on")
    found = {sink: outcome(worker, f"{sink}-{name}", topic) for sink in sinks}
    assert found == {sink: 2 if sink in WRITERS[name] else "FAILED" for sink in sinks}
    for sink in sinks:
        assert worker.ask("DELETE", f"/connectors/{sink}-{name}")[0] == 204
