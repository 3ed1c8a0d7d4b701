"""Schemas by the command line: `schema`, and `produce` and `consume` with formats that have schemas."""

import json
import uuid

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from conftest import EXTERNAL
from registry import RegistryBroker, record
from test_cli import call

RATING = record(("id", "long"), ("message", ["null", "string"], None), name="Rating")
ORDER = 'syntax = "proto3";\npackage shop;\nmessage Customer { string name = 1; }\nmessage Order { int64 id = 1; }\n'
USER = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    if EXTERNAL:
        pytest.skip("BOOTSTRAP names an external cluster: there is no process of ours")
    platform = RegistryBroker(tmp_path_factory.mktemp("platform")).start()
    yield platform
    platform.stop()


@pytest.fixture
def swiftwater(platform):
    """The program; must succeed unless `code` says otherwise. Commands of `schema` know no broker."""

    def invoke(*arguments, given=b"", code=0):
        where = ["--registry", platform.url] + ([] if arguments[0] == "schema" else ["-b", platform.address])
        if arguments[0] == "topic":
            where = ["-b", platform.address]
        done = call(*arguments, *where, given=given)
        assert done.code == code, f"{arguments}: {done.code}\n{done.out}\n{done.err}"
        return done

    return invoke


@pytest.fixture
def topic(swiftwater):
    name = f"topic-{uuid.uuid4().hex[:8]}"
    swiftwater("topic", "create", name)
    return name


@pytest.fixture
def schemas(tmp_path):
    """Files of the schemas above, by type."""
    files = {"avro": "rating.avsc", "protobuf": "order.proto", "json-schema": "user.json"}
    texts = {"avro": json.dumps(RATING), "protobuf": ORDER, "json-schema": json.dumps(USER)}
    for kind, name in files.items():
        (tmp_path / name).write_text(texts[kind])
        files[kind] = str(tmp_path / name)
    return files


@pytest.mark.parametrize(
    "kind, line, options",
    [
        ("avro", '{"id":7,"message":{"string":"good"}}', []),
        ("avro", '{"id":-9223372036854775808,"message":null}', []),
        ("protobuf", '{"name":"ann"}', []),
        ("protobuf", '{"id":"9007199254740993"}', ["--value-message", "shop.Order"]),
        ("json-schema", '{"id":12345678901234567890}', []),
    ],
)
def test_what_is_produced_is_consumed(swiftwater, topic, schemas, kind, line, options):
    swiftwater(
        "produce", topic, "--value-format", kind, "--value-schema", schemas[kind], *options, given=line.encode() + b"\n"
    )
    done = swiftwater("consume", topic, "-e", "--value-format", kind)
    assert done.out == line + "\n"
    # Again by the schema that is registered now.
    swiftwater("produce", topic, "--value-format", kind, *options, given=line.encode() + b"\n")
    done = swiftwater("consume", topic, "-e", "--value-format", kind, "-o", "json")
    assert [json.loads(each)["value"] for each in done.out.splitlines()] == [json.loads(line)] * 2


def test_keys_have_schemas_too(swiftwater, topic, schemas):
    swiftwater(
        "produce", topic, "--format", "avro", "--key-schema", schemas["avro"], "--value-schema", schemas["avro"],
        "--key-separator", "\t", given=b'{"id":1,"message":null}\t{"id":2,"message":null}\n',
    )
    done = swiftwater("consume", topic, "-e", "--format", "avro", "--print", "key,value")
    assert done.out == '{"id":1,"message":null}\t{"id":2,"message":null}\n'


def test_the_python_client_reads_what_the_command_wrote(platform, swiftwater, topic, schemas):
    swiftwater(
        "produce", topic, "--value-format", "avro", "--value-schema", schemas["avro"],
        given=b'{"id":7,"message":{"string":"good"}}\n',
    )
    consumer = Consumer({"bootstrap.servers": platform.address, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None and message.error() is None
    decode = AvroDeserializer(SchemaRegistryClient({"url": platform.url}))
    assert decode(message.value(), SerializationContext(topic, MessageField.VALUE)) == {"id": 7, "message": "good"}


@pytest.mark.parametrize("kind", ["avro", "json-schema"])
def test_the_command_reads_what_the_python_client_wrote(platform, swiftwater, topic, kind):
    client = SchemaRegistryClient({"url": platform.url})
    context = SerializationContext(topic, MessageField.VALUE)
    if kind == "avro":
        bytes_ = AvroSerializer(client, json.dumps(RATING))({"id": 3, "message": "x"}, context)
        line = '{"id":3,"message":{"string":"x"}}'
    else:
        bytes_ = JSONSerializer(json.dumps({**USER, "title": "User"}), client)({"id": 3}, context)
        line = '{"id":3}'
    producer = Producer({"bootstrap.servers": platform.address})
    producer.produce(topic, bytes_)
    producer.flush(20)
    assert swiftwater("consume", topic, "-e", "--value-format", kind).out == line + "\n"
    # The same by a member of a group.
    done = swiftwater("consume", topic, "-e", "--group", topic, "--value-format", kind, "--from", "beginning")
    assert done.out == line + "\n"


def test_a_record_without_a_schema_is_told_with_its_place(swiftwater, topic, schemas):
    swiftwater("produce", topic, given=b"plain\n")
    swiftwater(
        "produce", topic, "--value-format", "avro", "--value-schema", schemas["avro"],
        given=b'{"id":1,"message":null}\n',
    )
    done = swiftwater("consume", topic, "-e", "--value-format", "avro", code=1)
    assert "partition 0, offset 0" in done.err and "names no schema" in done.err and "--skip-errors" in done.err
    done = swiftwater("consume", topic, "-e", "--value-format", "avro", "--skip-errors")
    assert done.out == '{"id":1,"message":null}\n'
    assert "skipped" in done.err
    done = swiftwater("consume", topic, "-e", "--value-format", "protobuf", "--skip-errors")
    assert "of the format avro, not protobuf" in done.err


def test_a_record_of_an_unknown_id_is_told(swiftwater, topic):
    swiftwater("produce", topic, "--format", "hex", given=b"007fffffff00\n")
    done = swiftwater("consume", topic, "-e", "--value-format", "avro", code=1)
    assert "id 2147483647" in done.err and "40403" not in done.err


def test_a_value_that_does_not_fit_aborts_the_transaction(swiftwater, topic, schemas):
    done = swiftwater(
        "produce", topic, "--value-format", "avro", "--value-schema", schemas["avro"], "--transactional", topic,
        given=b'{"id":1,"message":null}\n{"id":"x"}\n', code=1,
    )
    assert "line 2" in done.err and "aborted" in done.err
    assert swiftwater("consume", topic, "-e", "--value-format", "avro").out == ""


def test_produce_without_any_schema_says_what_to_do(swiftwater, topic):
    done = swiftwater("produce", topic, "--value-format", "avro", given=b"1\n", code=1)
    assert f"subject '{topic}-value' does not exist" in done.err and "--value-schema" in done.err


def test_register_with_references(swiftwater, tmp_path):
    customer, order = tmp_path / "customer.proto", tmp_path / "order.proto"
    customer.write_text('syntax = "proto3"; package a; message Customer { string name = 1; }')
    order.write_text(
        'syntax = "proto3"; package a; import "customer.proto"; message Order { Customer customer = 1; }'
    )
    done = swiftwater("schema", "register", "order-value", str(order), code=1)
    assert "Customer" in done.err
    swiftwater("schema", "register", "customer", str(customer))
    done = swiftwater(
        "schema", "register", "order-value", str(order), "--reference", "customer.proto=customer:1", "-o", "json"
    )
    assert json.loads(done.out)["version"] == 1
    got = json.loads(swiftwater("schema", "get", "order-value", "-o", "json").out)
    assert got["references"] == [{"name": "customer.proto", "subject": "customer", "version": 1}]
    done = swiftwater("schema", "delete", "customer", code=1)
    assert "reference" in done.err


def test_check_tells_reasons_and_exit_code(swiftwater, topic, schemas, tmp_path):
    subject = f"{topic}-value"
    swiftwater("schema", "register", subject, schemas["avro"])
    wrong = tmp_path / "wrong.avsc"
    wrong.write_text(json.dumps(record(("id", "string"), name="Rating")))
    done = swiftwater("schema", "check", subject, str(wrong), code=1)
    assert "TYPE_MISMATCH" in done.out and "not compatible" in done.err
    done = swiftwater("schema", "check", subject, str(wrong), "-o", "json", code=1)
    assert json.loads(done.out)["compatible"] is False
    swiftwater("schema", "config", subject, "--compatibility", "none")
    done = swiftwater("schema", "check", subject, str(wrong))
    assert done.out == f"compatible with '{subject}'\n"


def test_a_read_only_subject_is_opened_with_its_settings(swiftwater, topic, schemas):
    subject = f"{topic}-value"
    swiftwater("schema", "register", subject, schemas["avro"])
    swiftwater("schema", "config", subject, "--compatibility", "full", "--mode", "readonly")
    opened = swiftwater("schema", "config", subject, "--compatibility", "none", "--mode", "readwrite").out
    assert "none" in opened and "readwrite" in opened
    swiftwater("schema", "config", subject, "--mode", "readonly")
    taken_back = swiftwater("schema", "config", subject, "--reset").out
    assert "backward" in taken_back and "readwrite" in taken_back


def test_check_names_the_groups_that_read_the_topic(swiftwater, topic, schemas):
    swiftwater(
        "produce", topic, "--value-format", "avro", "--value-schema", schemas["avro"],
        given=b'{"id":1,"message":null}\n',
    )
    swiftwater("consume", topic, "-e", "--group", "billing", "--value-format", "avro", "--from", "beginning")
    done = swiftwater("schema", "check", f"{topic}-value", schemas["avro"], "-o", "json")
    assert [each["name"] for each in json.loads(done.out)["impact"] if each["kind"] == "consumer-group"] == ["billing"]


def test_bad_usage_is_told(swiftwater, schemas, tmp_path):
    odd = tmp_path / "schema.txt"
    odd.write_text("{}")
    done = swiftwater("schema", "register", "s", str(odd), code=64)
    assert "--type" in done.err
    assert "no-such-file" in swiftwater("schema", "register", "s", "no-such-file.avsc", code=1).err
    assert "42201" not in swiftwater("schema", "register", "s", str(odd), "--type", "avro", code=1).err


def test_a_registry_that_is_not_there_is_told():
    done = call("schema", "list", "--registry", "127.0.0.1:1")
    assert done.code == 1 and "cannot be reached: connection refused" in done.err
