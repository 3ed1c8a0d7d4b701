"""Made-up records through each kind of converter, read by the deserializers of confluent-kafka."""

import json
import time

import confluent_kafka
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from protobuf_messages import message_class
from worker import Worker, wait_until

FIELDS = {"rating_id": int, "user_id": int, "stars": int, "route_id": int, "rating_time": int, "channel": str, "message": str}
COUNT = 200


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    worker = Worker(tmp_path_factory.mktemp("datagen"), registry=True).start()
    yield worker
    worker.stop()


def read(worker, topic, count):
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": worker.address, "group.id": f"read-{topic}-{count}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found = []
    deadline = time.monotonic() + 60
    try:
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records"
            message = consumer.poll(1)
            if message is None or message.error():
                continue
            found.append(message)
    finally:
        consumer.close()
    return found


def generate(worker, topic, **options):
    worker.put(
        topic,
        connector__class="io.confluent.kafka.connect.datagen.DatagenConnector",
        kafka__topic=topic,
        quickstart="ratings",
        max__interval="1",
        iterations=str(COUNT),
        key__converter="org.apache.kafka.connect.storage.StringConverter",
        **options,
    )
    return read(worker, topic, COUNT)


def check(rows):
    for row in rows:
        assert set(row) == set(FIELDS)
        for name, kind in FIELDS.items():
            assert type(row[name]) is kind, f"{name}: {row[name]!r}"


@pytest.mark.parametrize("kind", ["avro", "json-schema", "protobuf", "json"])
def test_records_are_read_by_stock_deserializers(worker, kind):
    topic = f"ratings-{kind}"
    registry = SchemaRegistryClient({"url": f"http://127.0.0.1:{worker.registry_port}"})
    classes = {
        "avro": "io.confluent.connect.avro.AvroConverter",
        "json-schema": "io.confluent.connect.json.JsonSchemaConverter",
        "protobuf": "io.confluent.connect.protobuf.ProtobufConverter",
        "json": "org.apache.kafka.connect.json.JsonConverter",
    }
    options = {"value__converter": classes[kind]}
    if kind == "json":
        options["value__converter__schemas__enable"] = "false"
    else:
        options["value__converter__schema__registry__url"] = registry_url(worker)
    messages = generate(worker, topic, **options)
    context = SerializationContext(topic, MessageField.VALUE)
    if kind == "avro":
        deserializer = AvroDeserializer(registry)
    elif kind == "json-schema":
        deserializer = JSONDeserializer(registry.get_latest_version(f"{topic}-value").schema.schema_str)
    elif kind == "protobuf":
        text = registry.get_latest_version(f"{topic}-value").schema.schema_str
        deserializer = ProtobufDeserializer(message_class(text), {"use.deprecated.format": False})
    else:
        deserializer = lambda value, _: json.loads(value)  # noqa: E731
    rows = [deserializer(message.value(), context) for message in messages]
    if kind == "protobuf":
        rows = [{field.name: value for field, value in row.ListFields()} for row in rows]
        # Proto3 says nothing about a field that is zero or empty.
        rows = [{name: row.get(name, kind()) for name, kind in FIELDS.items()} for row in rows]
    check(rows)


def registry_url(worker):
    return f"http://127.0.0.1:{worker.registry_port}"


def test_a_generator_that_is_done_fails_as_the_original_and_goes_on_when_asked_for_more(worker):
    messages = generate(worker, "done", value__converter="JsonConverter", value__converter__schemas__enable="false")
    assert len(messages) == COUNT
    wait_until(lambda: worker.states("done") == ("RUNNING", ["FAILED"]), what="the task's end", timeout=30)
    trace = worker.status("done")["tasks"][0]["trace"]
    assert f"Stopping connector: generated the configured {COUNT} number of messages" in trace
    config = worker.ask("GET", "/connectors/done/config")[1]
    status, _, _ = worker.ask("PUT", "/connectors/done/config", dict(config, iterations=str(2 * COUNT)))
    assert status == 200
    read(worker, "done", 2 * COUNT)
