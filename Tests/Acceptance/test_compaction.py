"""Compacted topics as real clients see them: the last value of each key, tombstones, transactions, kills in between."""

import random
import time

import confluent_kafka
import pytest

from clients import CLIENT_NAMES, Record, create_topic, end_offset
from groups_wire import find_coordinator
from process import wait_until
from transactions_wire import Transaction, read
from wire import Connection

EAGER = {
    "cleanup.policy": "compact", "internal.segment.bytes": "65536", "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0", "delete.retention.ms": "0",
}  # fmt: skip


@pytest.fixture(scope="module")
def cleaning(tmp_path_factory):
    """A broker that looks for dirty logs five times a second."""
    from process import Broker

    broker = Broker(tmp_path_factory.mktemp("cleaning"), {"log.cleaner.backoff.ms": 200}).start()
    yield broker
    broker.stop()


def write(address, topic, pairs):
    """(key, value) pairs; the offset of each."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 5, "batch.size": 8192}
    )
    offsets = [None] * len(pairs)

    def delivered(number):
        def report(error, message):
            assert error is None, error
            offsets[number] = message.offset()

        return report

    for number, (key, value) in enumerate(pairs):
        producer.produce(topic, value, key, partition=0, on_delivery=delivered(number))
        producer.poll(0)
    assert producer.flush(30) == 0
    return offsets


def everything(address, topic, isolation="read_uncommitted"):
    """All records from the beginning to the end as [(offset, key, value)]."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": address, "group.id": "c", "enable.partition.eof": True, "check.crcs": True,
            "isolation.level": isolation, "enable.auto.commit": False, "auto.offset.reset": "earliest",
        }
    )  # fmt: skip
    found = []
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.2):
                if message.error():
                    assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                    return found
                found.append((message.offset(), message.key(), message.value()))
    finally:
        consumer.close()
    raise AssertionError("the end was not reached")


def last_values(records):
    return {key: value for _, key, value in records}


def rounds(keys, count, size=200):
    return [(b"%d" % key, b"%d.%d." % (key, number) + bytes(size)) for number in range(count) for key in range(keys)]


def filler(address, topic):
    """Rolls the segment that is written to, as compaction leaves it alone: a full one of a key that does not count."""
    write(address, topic, [(b"filler", bytes(1000)) for _ in range(140)])


def test_every_client_sees_the_last_value_of_each_key(cleaning, client_of, fresh):
    topic = create_topic(cleaning.address, fresh(), 1, EAGER)
    pairs = rounds(50, 60)
    offsets = dict(zip(write(cleaning.address, topic, pairs), pairs, strict=True))
    filler(cleaning.address, topic)
    found = wait_until(lambda: (r := everything(cleaning.address, topic)) and len(r) < 400 and r, 30, "compaction", 0.3)
    assert found[-1][0] == end_offset(cleaning.address, topic)[1] - 1
    assert [o for o, *_ in found] == sorted({o for o, *_ in found})
    for offset, key, value in found:
        if key != b"filler":
            assert offsets[offset] == (key, value), "a record keeps its offset"
    assert {k: v for k, v in last_values(found).items() if k != b"filler"} == dict(pairs)
    for name in CLIENT_NAMES:
        if name == "kcat":
            continue  # its values end at the first zero byte
        records = client_of(name).consume(cleaning.address, topic, len(found))
        seen = last_values([(r.offset, r.key, r.value) for r in records])
        assert {k: v for k, v in seen.items() if k != b"filler"} == dict(pairs), name


@pytest.mark.parametrize("client", ("confluent", "java"))
def test_tombstones_take_their_keys_away(cleaning, client_of, fresh, client):
    topic = create_topic(cleaning.address, fresh(), 1, EAGER)
    producer = client_of(client)
    producer.produce(cleaning.address, topic, [Record(b"v%d" % n, b"%d" % n) for n in range(20)])
    producer.produce(cleaning.address, topic, [Record(None, b"%d" % n) for n in range(10)])
    seen = last_values(everything(cleaning.address, topic))
    assert seen == {b"%d" % n: None if n < 10 else b"v%d" % n for n in range(20)}

    def gone():
        filler(cleaning.address, topic)  # a tombstone goes in a later round than the one that found it
        time.sleep(0.5)
        seen = last_values(everything(cleaning.address, topic))
        seen.pop(b"filler")
        return seen == {b"%d" % n: b"v%d" % n for n in range(10, 20)}

    wait_until(gone, 30, "tombstones and what they deleted are gone")


def test_tombstones_stay_for_their_time(cleaning, fresh):
    topic = create_topic(cleaning.address, fresh(), 1, {**EAGER, "delete.retention.ms": "3600000"})
    write(cleaning.address, topic, [(b"k", b"v")] * 50 + [(b"k", None)])
    for _ in range(3):
        filler(cleaning.address, topic)
        time.sleep(0.5)
    found = wait_until(
        lambda: (r := [x for x in everything(cleaning.address, topic) if x[1] == b"k"]) and len(r) == 1 and r, 20
    )
    assert found == [(50, b"k", None)]


def test_what_is_young_is_left_alone(cleaning, fresh):
    """min.compaction.lag.ms."""
    topic = create_topic(cleaning.address, fresh(), 1, {**EAGER, "min.compaction.lag.ms": "3600000"})
    pairs = rounds(5, 200)
    write(cleaning.address, topic, pairs)
    filler(cleaning.address, topic)
    time.sleep(2)
    assert len(everything(cleaning.address, topic)) == len(pairs) + 140


def test_transactions_in_a_compacted_topic(cleaning, fresh):
    """Aborted records never come to light, committed ones stay, and what is open is not touched."""
    topic = create_topic(cleaning.address, fresh(), 1, EAGER)
    find_coordinator(cleaning.address, kind=1)
    from wire import WireRecord

    generator, expected = random.Random(5), {}
    with Connection(cleaning.address) as connection:
        one = Transaction(connection, fresh("x"))
        for number in range(200):
            key, value = b"%d" % generator.randrange(20), b"%d." % number + bytes(600)
            one.send(topic, [WireRecord(value, key)])
            if generator.random() < 0.6:
                one.commit()
                expected[key] = value
            else:
                one.abort()
        filler(cleaning.address, topic)
        wait_until(lambda: len(everything(cleaning.address, topic)) < 200, 30, "compaction", 0.3)
        seen = last_values(everything(cleaning.address, topic, "read_committed"))
        seen.pop(b"filler")
        assert seen == expected
        assert set(expected.values()) <= set(read(connection, topic))
        open_one = Transaction(connection, fresh("open"))
        open_one.send(topic, [WireRecord(b"late", b"0")])
        for _ in range(2):
            filler(cleaning.address, topic)
            time.sleep(0.5)
        assert last_values(everything(cleaning.address, topic, "read_committed"))[b"0"] == expected[b"0"]
        open_one.commit()
        wait_until(
            lambda: last_values(everything(cleaning.address, topic, "read_committed"))[b"0"] == b"late",
            20,
            interval=0.3,
        )


def test_both_policies(make_broker, fresh):
    """compact,delete: what is older than retention.ms goes, key or not."""
    broker = make_broker({"log.cleaner.backoff.ms": 200, "log.retention.check.interval.ms": 300})
    address = broker.address
    topic = create_topic(address, fresh(), 1, {**EAGER, "cleanup.policy": "compact,delete", "retention.ms": "3600000"})
    old = int((time.time() - 7200) * 1000)
    # Smaller than a segment: a larger batch is refused.
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "batch.size": 16_384})
    for number in range(200):
        producer.produce(topic, bytes(1000), b"old-%d" % number, timestamp=old)
    assert producer.flush(10) == 0
    write(address, topic, [(b"new-%d" % n, bytes(1000)) for n in range(200)])
    wait_until(lambda: end_offset(address, topic)[0] >= 130, 30, "old segments are deleted", 0.3)
    found = everything(address, topic)
    assert {key for _, key, _ in found} >= {b"new-%d" % n for n in range(200)}


@pytest.mark.deadline(180)
@pytest.mark.parametrize("seed", range(2))
def test_kill_9_while_it_cleans(make_broker, seed):
    """Whatever the moment, the last value of each key is there and every record is one that was written."""
    generator = random.Random(seed)
    broker = make_broker({"log.cleaner.backoff.ms": 100})
    topic = create_topic(broker.address, "t", 1, EAGER)
    written, expected = {}, {}
    for number in range(6):
        pairs = []
        for _ in range(400):
            key = b"%d" % generator.randrange(60)
            value = None if generator.random() < 0.1 else b"%d." % number + generator.randbytes(300)
            pairs.append((key, value))
        written |= dict(zip(write(broker.address, topic, pairs), pairs, strict=True))
        expected |= dict(pairs)
        time.sleep(generator.random() * 0.4)
        broker.restart(kill=True)
        found = everything(broker.address, topic)
        assert all(written[offset] == (key, value) for offset, key, value in found)
        seen = last_values(found)
        alive = {key: value for key, value in expected.items() if value is not None}
        assert {key: value for key, value in seen.items() if value is not None} == alive
    filler(broker.address, topic)
    wait_until(lambda: len(everything(broker.address, topic)) < 1000, 30, "compaction after all those kills", 0.3)
    seen = {k: v for k, v in last_values(everything(broker.address, topic)).items() if k != b"filler"}
    assert {key: value for key, value in seen.items() if value is not None} == alive


def test_a_topic_made_again_under_its_name_begins_empty(cleaning, fresh, java):
    name = create_topic(cleaning.address, fresh(), 1, EAGER)
    write(cleaning.address, name, rounds(20, 50))
    filler(cleaning.address, name)
    java.call("deleteTopic", cleaning.address, topic=name)
    create_topic(cleaning.address, name, 1, EAGER)
    assert end_offset(cleaning.address, name) == (0, 0)
    write(cleaning.address, name, [(b"k", b"v")])
    assert everything(cleaning.address, name) == [(0, b"k", b"v")]


def test_the_offsets_topic_is_compacted(make_broker):
    """Thousands of commits of one group do not stay for ever."""
    from groups_wire import commit, committed

    broker = make_broker({"log.cleaner.backoff.ms": 200, "offsets.topic.segment.bytes": 1_048_576,
                          "offsets.topic.num.partitions": 1})  # fmt: skip
    topic = create_topic(broker.address, "t")
    find_coordinator(broker.address)
    with Connection(broker.address) as connection:
        for number in range(6_000):
            assert commit(connection, "g", topic, number, metadata="x" * 200) == 0
        wait_until(
            lambda: sum(f.stat().st_size for f in broker.segment_files("__consumer_offsets")) < 1_300_000,
            30, "old commits are gone", 0.2,
        )  # fmt: skip
    broker.restart(kill=True)
    with Connection(broker.address) as connection:
        wait_until(lambda: committed(connection, "g", topic)[0] == 0, 10)
        assert committed(connection, "g", topic)[1] == 5_999
