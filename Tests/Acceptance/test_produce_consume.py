"""Every client's records reach every client: codecs, headers, nulls, sizes, timestamps, acks, idempotence."""

import random
import re
import subprocess
import time
import uuid
from dataclasses import replace

import confluent_kafka
import pytest

from clients import CLIENT_NAMES, CODECS, LIBRARY_NAMES, Confluent, Record, create_topic, end_offset, run
from jvm import JavaError
from wire import Connection, batch_heads, fetch

TEXT = "Überlingen, 12 °C, 水 — naïve café, 🚴 "  # compresses, and is not ASCII


def sample(producer):
    """Records every client can write: text, keys, one set of headers. Values repeat so that codecs have work."""
    return [
        Record(f"{producer} {number}: {TEXT * 8}".encode(), f"key-{number}".encode(), [("from", producer.encode())])
        for number in range(40)
    ]


@pytest.fixture(scope="module")
def written(bootstrap, client_of):
    """Topic per codec, partition per producing client, written once: (topic, partition) by (codec, producer)."""
    places = {}
    for codec in CODECS:
        topic = create_topic(bootstrap, f"matrix-{codec}-{uuid.uuid4().hex[:8]}", len(CLIENT_NAMES))
        for partition, name in enumerate(CLIENT_NAMES):
            client_of(name).produce(bootstrap, topic, sample(name), codec, partition)
            places[codec, name] = topic, partition
    return places


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("producer", CLIENT_NAMES)
@pytest.mark.parametrize("consumer", CLIENT_NAMES)
def test_what_one_client_writes_every_client_reads(bootstrap, client_of, written, codec, producer, consumer):
    topic, partition = written[codec, producer]
    expected = sample(producer)
    records = client_of(consumer).consume(bootstrap, topic, len(expected), partition)
    assert [(r.key, r.value, list(map(tuple, r.headers))) for r in records] == [
        (r.key, r.value, r.headers) for r in expected
    ]
    assert [r.offset for r in records] == list(range(len(expected)))
    assert {r.timestamp_type for r in records} == {"CreateTime"}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("producer", CLIENT_NAMES)
def test_the_producers_codec_is_kept(bootstrap, written, codec, producer):
    """kcat's librdkafka silently sends uncompressed unless Produce is offered from version 0."""
    topic, partition = written[codec, producer]
    with Connection(bootstrap) as connection:
        heads = batch_heads(fetch(connection, topic, 0, partition).records)
    assert {head.codec for head in heads} == {codec}
    assert sum(head.count for head in heads) == 40


# -- odd contents ----------------------------------------------------------------------------------------------------

ODD = [
    Record(b"", b""),
    Record(None, b"tombstone"),
    Record(b"no key", None),
    Record(None, None),
    Record(bytes(range(256)), bytes(range(255, -1, -1))),
    Record(b"headers", None, [("empty", b""), ("null", None), ("twice", b"1"), ("twice", b"2"), ("", b"no name")]),
    Record(b"names", None, [("größe", "läuft".encode()), ("bytes", b"\x00\xff\xfe")]),
]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("producer", LIBRARY_NAMES)
def test_nulls_empties_and_binary_survive(bootstrap, topic, client_of, producer, codec):
    records = ODD
    if producer in ("aiokafka", "kafka-python"):  # these two refuse a record without key and value themselves
        records = [r for r in ODD if not (r.key is None and r.value is None)]
    if producer == "kafka-python":  # and this one a header without a value
        records = [replace(r, headers=[h for h in r.headers if h[1] is not None]) for r in records]
    client_of(producer).produce(bootstrap, topic, records, codec)
    for consumer in LIBRARY_NAMES:
        found = client_of(consumer).consume(bootstrap, topic, len(records))
        assert [r.content[:3] for r in found] == [r.content[:3] for r in records], consumer


def test_kcat_sends_nulls_empties_and_headers(bootstrap, topic, client_of):
    run(["kcat", "-b", bootstrap, "-P", "-t", topic, "-K:", "-Z"], b"k:\n:v\n")
    run(["kcat", "-b", bootstrap, "-P", "-t", topic, "-K:", "-H", "a=1", "-H", "a=2", "-H", "none"], b"k2:\n")
    for name in CLIENT_NAMES:
        records = client_of(name).consume(bootstrap, topic, 3)
        assert [(r.key, r.value) for r in records] == [(b"k", None), (None, b"v"), (b"k2", b"")], name
        assert [tuple(h) for h in records[2].headers] == [("a", b"1"), ("a", b"2"), ("none", None)], name


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ("none", "lz4"))
@pytest.mark.parametrize("producer", CLIENT_NAMES)
def test_values_of_a_million_bytes(bootstrap, topic, client_of, producer, codec):
    # Letters only, for kcat; random, so that compression cannot make them small.
    values = [bytes(random.Random(seed).choices(b"abcdefghijklmnop", k=1_000_000)) for seed in (1, 2, 3)]
    extra = {"message.max.bytes": 4_000_000} if producer == "kcat" else None  # kcat's limit counts its whole input
    client_of(producer).produce(bootstrap, topic, [Record(v) for v in values], codec, properties=extra)
    for consumer in CLIENT_NAMES:
        found = client_of(consumer).consume(bootstrap, topic, 3)
        assert [r.value for r in found] == values, consumer


TOO_LARGE = {
    "confluent": (confluent_kafka.KafkaException, "MSG_SIZE_TOO_LARGE"),
    "kafka-python": (Exception, "MessageSizeTooLarge|RecordTooLarge|MessageTooLarge"),
    "aiokafka": (Exception, "MessageSizeTooLarge"),
    "java": (JavaError, "RecordTooLargeException"),
}


@pytest.mark.parametrize("name", LIBRARY_NAMES)
def test_a_batch_above_max_message_bytes_is_refused(bootstrap, topic, client_of, name):
    """The default limit is 1048588 bytes of batch."""
    client = client_of(name)
    error, pattern = TOO_LARGE[name]
    with pytest.raises(error) as caught:
        client.produce(bootstrap, topic, [Record(b"x" * 1_048_600)])
    assert re.search(pattern, repr(caught.value) + type(caught.value).__name__), caught.value
    client.produce(bootstrap, topic, [Record(b"small")])
    assert [r.value for r in client.consume(bootstrap, topic, 1)] == [b"small"]


def test_too_large_leaves_the_connection_open(bootstrap, topic):
    """One producer, so one connection: the next record goes through without a reconnect."""
    reports = []
    disconnects = []
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "message.max.bytes": 5_000_000, "error_cb": disconnects.append, "linger.ms": 0}
    )
    for value in (b"x" * 2_000_000, b"fits"):
        producer.produce(topic, value, partition=0, on_delivery=lambda error, message: reports.append(error))
        producer.flush(15)
    assert reports[0].code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE
    assert reports[1] is None
    assert disconnects == []


def test_max_message_bytes_of_the_topic_counts(bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), configs={"max.message.bytes": "3000000"})
    client = Confluent()
    client.produce(bootstrap, topic, [Record(b"y" * 2_500_000)])
    assert len(client.consume(bootstrap, topic, 1)[0].value) == 2_500_000
    with pytest.raises(confluent_kafka.KafkaException):
        client.produce(bootstrap, topic, [Record(b"y" * 3_000_100)])


# -- timestamps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("producer", LIBRARY_NAMES)
def test_create_time_is_the_producers(bootstrap, topic, client_of, producer):
    now = int(time.time() * 1000)
    records = [Record(str(delta).encode(), None, [], now + delta) for delta in (0, -5_000, 1, -86_400_000, 0)]
    client_of(producer).produce(bootstrap, topic, records)
    for consumer in CLIENT_NAMES:
        found = client_of(consumer).consume(bootstrap, topic, len(records))
        assert [(r.timestamp, r.timestamp_type) for r in found] == [(r.timestamp, "CreateTime") for r in records], (
            consumer
        )


@pytest.mark.parametrize("codec", ("none", "zstd"))
@pytest.mark.parametrize("producer", LIBRARY_NAMES)
def test_log_append_time_replaces_the_producers(bootstrap, fresh, client_of, producer, codec):
    """The batch's CRC has to be made anew; every client checks it."""
    topic = create_topic(bootstrap, fresh(), configs={"message.timestamp.type": "LogAppendTime"})
    client_of(producer).produce(bootstrap, topic, [Record(b"a", None, [], 1_000), Record(b"b", None, [], 2_000)], codec)
    stamps = set()
    for consumer in CLIENT_NAMES:
        found = client_of(consumer).consume(bootstrap, topic, 2, properties=CHECK_CRC.get(consumer))
        assert [r.timestamp_type for r in found] == ["LogAppendTime"] * 2, consumer
        assert found[0].timestamp == found[1].timestamp > 1_600_000_000_000, consumer
        stamps.add(found[0].timestamp)
    assert len(stamps) == 1


CHECK_CRC = {"confluent": {"check.crcs": True}, "kcat": {"check.crcs": "true"}}


# -- batching and order ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("producer", LIBRARY_NAMES)
def test_many_records_arrive_in_order(bootstrap, topic, client_of, producer):
    records = [Record(f"{number}".encode(), b"k") for number in range(5_000)]
    offsets = client_of(producer).produce(bootstrap, topic, records, "lz4")
    assert offsets == list(range(5_000))
    with Connection(bootstrap) as connection:
        heads = batch_heads(fetch(connection, topic, 0).records)
    assert len(heads) < 1_000, "records were not batched"
    for consumer in ("confluent", "java", "kcat"):
        found = client_of(consumer).consume(bootstrap, topic, 5_000)
        assert [int(r.value) for r in found] == list(range(5_000)), consumer


@pytest.mark.parametrize("acks", (0, 1, -1))
@pytest.mark.parametrize("producer", CLIENT_NAMES)
def test_every_acks_setting(bootstrap, topic, client_of, producer, acks):
    value = {"java": {-1: "all"}.get(acks, str(acks)), "kafka-python": {-1: "all"}.get(acks, acks)}.get(producer, acks)
    extra = {
        "java": {"acks": value, "enable.idempotence": "false"},
        "confluent": {"acks": acks},
        "kcat": {"acks": acks},
        "kafka-python": {"acks": value, "enable_idempotence": False},
        "aiokafka": {"acks": acks},
    }[producer]
    client_of(producer).produce(bootstrap, topic, [Record(b"%d" % n) for n in range(20)], properties=extra)
    found = client_of("confluent").consume(bootstrap, topic, 20)
    assert [r.value for r in found] == [b"%d" % n for n in range(20)]


IDEMPOTENT = {
    "confluent": {"enable.idempotence": True},
    "kcat": {"enable.idempotence": "true"},
    "kafka-python": {"enable_idempotence": True},
    "aiokafka": {"enable_idempotence": True},
    "java": {"enable.idempotence": "true"},
}


@pytest.mark.parametrize("producer", CLIENT_NAMES)
def test_idempotent_producers(bootstrap, topic, client_of, producer):
    records = [Record(b"%d" % n, b"k") for n in range(300)]
    client_of(producer).produce(bootstrap, topic, records, properties=IDEMPOTENT[producer])
    with Connection(bootstrap) as connection:
        heads = batch_heads(fetch(connection, topic, 0).records)
    assert all(head.producer_id >= 0 and head.epoch >= 0 for head in heads)
    assert [head.sequence for head in heads] == [head.base_offset for head in heads]
    assert [r.value for r in client_of("java").consume(bootstrap, topic, 300)] == [r.value for r in records]


# -- topics made by producing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("producer", CLIENT_NAMES)
def test_a_topic_appears_when_it_is_produced_to(bootstrap, fresh, client_of, producer):
    topic = fresh("auto")
    client_of(producer).produce(bootstrap, topic, [Record(b"first")])
    assert [r.value for r in client_of("confluent").consume(bootstrap, topic, 1)] == [b"first"]


def test_an_unknown_topic_is_not_made_by_reading(bootstrap, fresh, java):
    """kcat's consumer asks without allow_auto_topic_creation, Java's is told to."""
    topic = fresh("absent")
    done = subprocess.run(
        ["kcat", "-b", bootstrap, "-C", "-t", topic, "-p", "0", "-e"], capture_output=True, timeout=30
    )
    assert b"Unknown topic or partition" in done.stderr
    java.call(
        "consume",
        bootstrap,
        partitions=[[topic, 0]],
        count=1,
        timeoutMs=500,
        properties={"allow.auto.create.topics": "false"},
        **{"from": 0},
    )
    assert topic not in java.call("listTopics", bootstrap)


def test_auto_creation_can_be_switched_off(make_broker, fresh, java):
    broker = make_broker({"auto.create.topics.enable": "false", "num.partitions": 3})
    topic = fresh("auto")
    with pytest.raises(confluent_kafka.KafkaException) as caught:
        Confluent().produce(
            broker.address,
            topic,
            [Record(b"x")],
            properties={"message.timeout.ms": 10_000, "topic.metadata.propagation.max.ms": 500},
        )
    assert caught.value.args[0].code() in (
        confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
        confluent_kafka.KafkaError._UNKNOWN_TOPIC,
    )
    answers = java.call(
        "produce",
        broker.address,
        topic=topic,
        records=[{"value": None}],
        properties={"max.block.ms": 1500, "delivery.timeout.ms": 3000, "request.timeout.ms": 2000},
    )
    assert answers[0]["error"] == "TimeoutException"


def test_auto_created_topics_have_num_partitions(make_broker, fresh, client_of):
    broker = make_broker({"num.partitions": 3})
    topic = fresh("auto")
    client_of("confluent").produce(broker.address, topic, [Record(b"x")], partition=2)
    assert end_offset(broker.address, topic, 2) == (0, 1)


@pytest.mark.parametrize("name", ("größe", "sp ace", "a/b", "x" * 250, "..", "colon:"))
def test_bad_topic_names_are_refused(bootstrap, java, name):
    answers = java.call("produce", bootstrap, topic=name, records=[{"value": None}], properties={"max.block.ms": 5000})
    assert answers[0]["error"] == "InvalidTopicException"
    with pytest.raises(confluent_kafka.KafkaException) as caught:
        Confluent().produce(bootstrap, name, [Record(b"x")], properties={"message.timeout.ms": 5_000})
    assert caught.value.args[0].code() in (
        confluent_kafka.KafkaError.TOPIC_EXCEPTION,
        confluent_kafka.KafkaError._UNKNOWN_TOPIC,
        confluent_kafka.KafkaError._MSG_TIMED_OUT,
    )
