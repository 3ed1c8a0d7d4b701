"""Where a consumer may start, how long a fetch waits, how much it returns, and what a fetch session leaves out."""

import base64
import random
import struct
import threading
import time
import uuid

import confluent_kafka
import kafka
import pytest

from clients import CLIENT_NAMES, CODECS, LIBRARY_NAMES, Confluent, Record, admin, create_topic, end_offset
from jvm import JavaError
from wire import (
    Connection,
    WireRecord,
    api_versions,
    batch,
    batch_heads,
    encode,
    fetch,
    fetch_request,
    fetch_response,
    list_offset,
    produce,
)

BASE = 1_700_000_000_000  # a fixed time, so that expected offsets can be read off the table


def numbered(count, first=0):
    return [Record(b"%d" % n) for n in range(first, first + count)]


@pytest.fixture(scope="module")
def timed(bootstrap, java):
    """Per codec a topic with ten batches of ten records, a second apart: record n has BASE + n seconds."""
    topics = {}
    for codec in CODECS:
        topic = create_topic(bootstrap, f"timed-{codec}-{uuid.uuid4().hex[:8]}", configs={"retention.ms": "-1"})
        for first in range(0, 100, 10):
            records = [
                {"partition": 0, "value": None, "key": None, "timestamp": BASE + n * 1000}
                for n in range(first, first + 10)
            ]
            java.call(
                "produce",
                bootstrap,
                topic=topic,
                records=records,
                properties={"compression.type": codec, "linger.ms": 200},
            )
        topics[codec] = topic
    return topics


# -- where to start --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", (0, 1, 9, 10, 55, 99))
@pytest.mark.parametrize("name", CLIENT_NAMES)
def test_start_at_an_offset_inside_a_batch(bootstrap, timed, client_of, name, start):
    found = client_of(name).consume(bootstrap, timed["zstd"], 100 - start, start=start)
    assert [r.offset for r in found] == list(range(start, 100))


TIMES = [  # (milliseconds after BASE, first offset at or after it)
    (-1, 0), (0, 0), (1, 1), (999, 1), (1_000, 1), (4_500, 5), (9_000, 9), (9_001, 10), (55_000, 55), (98_999, 99),
    (99_000, 99), (99_001, None),
]  # fmt: skip


@pytest.mark.parametrize("codec", CODECS)
def test_offsets_for_times_look_inside_batches(bootstrap, timed, java, codec):
    topic, stamps = timed[codec], [BASE + delta for delta, _ in TIMES]
    expected = [offset for _, offset in TIMES]

    found = java.call("offsets", bootstrap, partitions=[[topic, 0]], times=stamps)[0]
    assert [pair and pair[0] for pair in found["times"]] == expected
    assert [pair[1] for pair in found["times"] if pair] == [BASE + n * 1000 for n in expected if n is not None]
    assert (found["beginning"], found["end"]) == (0, 100)

    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "assigned-only"})
    for stamp, offset in zip(stamps, expected, strict=True):
        answer = consumer.offsets_for_times([confluent_kafka.TopicPartition(topic, 0, stamp)], timeout=10)[0]
        assert answer.offset == (confluent_kafka.OFFSET_END if offset is None else offset), stamp - BASE
    consumer.close()

    reader = kafka.KafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    target = kafka.TopicPartition(topic, 0)
    for stamp, offset in zip(stamps, expected, strict=True):
        answer = reader.offsets_for_times({target: stamp})[target]
        assert (answer and answer.offset) == offset, stamp - BASE
    assert reader.beginning_offsets([target]) == {target: 0}
    assert reader.end_offsets([target]) == {target: 100}
    reader.close()


def test_offsets_for_times_with_times_out_of_order(bootstrap, fresh):
    """The first record at or after the time, not the nearest: offsets decide, not times."""
    topic = create_topic(bootstrap, fresh(), configs={"retention.ms": "-1"})
    deltas = [5_000, 1_000, 9_000, 2_000, 7_000]
    with Connection(bootstrap) as connection:
        produce(connection, topic, batch([WireRecord(b"", timestamp=BASE + delta) for delta in deltas[:3]]))
        produce(connection, topic, batch([WireRecord(b"", timestamp=BASE + delta) for delta in deltas[3:]]))
        for asked, offset in [(0, 0), (5_000, 0), (5_001, 2), (7_001, 2), (9_000, 2), (9_001, -1)]:
            error, timestamp, found = list_offset(connection, topic, BASE + asked)
            assert (error, found) == (0, offset), asked
            assert timestamp == (-1 if offset < 0 else BASE + deltas[offset]), asked


@pytest.mark.parametrize("isolation", (0, 1))
def test_special_timestamps(bootstrap, timed, java, isolation):
    """-1 latest, -2 earliest, -3 largest timestamp (v7), -4 earliest local (v8)."""
    topic = timed["lz4"]
    with Connection(bootstrap) as connection:
        assert list_offset(connection, topic, -1, isolation=isolation) == (0, -1, 100)
        assert list_offset(connection, topic, -2, isolation=isolation) == (0, -1, 0)
        assert list_offset(connection, topic, -3, version=7) == (0, BASE + 99_000, 99)
        if api_versions(bootstrap)[2][1] >= 8:
            assert list_offset(connection, topic, -4, version=8)[2] == 0
        assert list_offset(connection, topic, -1, partition=5)[0] == 3
        assert list_offset(connection, "absent-topic", -1)[0] == 3


def test_an_empty_partition(bootstrap, topic):
    with Connection(bootstrap) as connection:
        assert list_offset(connection, topic, -1) == (0, -1, 0)
        assert list_offset(connection, topic, -2) == (0, -1, 0)
        assert list_offset(connection, topic, BASE) == (0, -1, -1)
        assert list_offset(connection, topic, -3, version=7) == (0, -1, -1)
        answer = fetch(connection, topic, 0)
        assert (answer.error_code, answer.high_watermark, answer.log_start_offset) == (0, 0, 0)
        assert not answer.records


@pytest.mark.parametrize("name", LIBRARY_NAMES)
@pytest.mark.parametrize(("policy", "expected"), (("earliest", 0), ("latest", 100)))
def test_out_of_range_offsets_reset(bootstrap, timed, client_of, name, policy, expected):
    setting = "auto.offset.reset" if name in ("confluent", "java") else "auto_offset_reset"
    if policy == "earliest":
        found = client_of(name).consume(bootstrap, timed["gzip"], 1, start=5_000, properties={setting: policy})
        assert found[0].offset == expected
    else:
        found = client_of(name).consume(
            bootstrap, timed["gzip"], 1, start=5_000, timeout=2, properties={setting: policy}
        )
        assert found == []


@pytest.mark.parametrize("offset", (101, 10**12, -5))
def test_out_of_range_is_error_1_and_at_once(bootstrap, timed, offset):
    with Connection(bootstrap) as connection:
        began = time.monotonic()
        answer = fetch(connection, timed["none"], offset, max_wait=8_000, min_bytes=1)
        assert answer.error_code == 1
        assert not answer.records
        assert time.monotonic() - began < 5, "an error must not wait for max_wait"


def test_java_without_reset_policy_says_out_of_range(bootstrap, timed, client_of):
    with pytest.raises(JavaError) as caught:
        client_of("java").consume(bootstrap, timed["none"], 1, start=5_000)
    assert caught.value.type == "OffsetOutOfRangeException"


def test_unknown_partitions_and_topics(bootstrap, topic):
    with Connection(bootstrap) as connection:
        assert fetch(connection, topic, 0, partition=3).error_code == 3
        assert fetch(connection, "absent-topic", 0).error_code == 3


# -- how long --------------------------------------------------------------------------------------------------------


def test_an_empty_fetch_waits_for_max_wait_and_no_longer(bootstrap, topic):
    with Connection(bootstrap) as connection:
        began = time.monotonic()
        answer = fetch(connection, topic, 0, max_wait=1_000, min_bytes=1)
        took = time.monotonic() - began
        assert answer.error_code == 0 and not answer.records
        assert 0.9 < took < 6, took


def test_a_waiting_fetch_is_woken_by_a_record(bootstrap, topic):
    """With 20 seconds to wait; what comes back shows that it did not sit them out."""
    with Connection(bootstrap, timeout=30) as waiting, Connection(bootstrap) as writing:
        request = fetch_request([(topic, 0, 0)], 11, max_wait=20_000, min_bytes=1)
        waiting.correlation += 1
        waiting.send(encode(request, waiting.correlation))
        produce(writing, topic, batch([b"wake up"]))
        began = time.monotonic()
        answer = waiting.decode(request, waiting.read_frame(), waiting.correlation)
        assert time.monotonic() - began < 5
        assert batch_heads(answer.responses[0].partitions[0].records)[0].count == 1


def test_min_bytes_are_waited_for(bootstrap, topic):
    with Connection(bootstrap, timeout=30) as waiting, Connection(bootstrap) as writing:
        request = fetch_request([(topic, 0, 0)], 11, max_wait=20_000, min_bytes=5_000)
        waiting.correlation += 1
        waiting.send(encode(request, waiting.correlation))
        for _ in range(5):
            produce(writing, topic, batch([b"x" * 1_200]))
        answer = waiting.decode(request, waiting.read_frame(), waiting.correlation)
        heads = batch_heads(answer.responses[0].partitions[0].records)
        assert sum(head.byte_count + 12 for head in heads) >= 5_000


def test_min_bytes_count_over_all_partitions(bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), 3)
    with Connection(bootstrap) as connection:
        for partition in range(3):
            produce(connection, topic, batch([b"x" * 1_000]), partition)
        began = time.monotonic()
        positions = [(topic, partition, 0) for partition in range(3)]
        answer = fetch_response(connection, positions, max_wait=8_000, min_bytes=3_000)
        assert time.monotonic() - began < 5
        assert all(part.records for part in answer.responses[0].partitions)


@pytest.mark.parametrize("name", LIBRARY_NAMES)
def test_a_waiting_consumer_gets_a_record_quickly(bootstrap, topic, client_of, name):
    """Fetches may wait 20 s; ten records one after the other must not take that long."""
    setting = {"confluent": "fetch.wait.max.ms", "java": "fetch.max.wait.ms"}.get(name, "fetch_max_wait_ms")
    timeout = {
        "confluent": {"socket.timeout.ms": 60_000},
        "java": {"request.timeout.ms": 60_000},
        "kafka-python": {"request_timeout_ms": 60_000},
    }.get(name, {})
    found = []

    def read():
        found.extend(client_of(name).consume(bootstrap, topic, 10, timeout=30, properties={setting: 20_000, **timeout}))

    reader = threading.Thread(target=read)
    began = time.monotonic()
    reader.start()
    with Connection(bootstrap) as connection:
        for number in range(10):
            time.sleep(0.1)  # spreads the records over several long polls
            produce(connection, topic, batch([b"%d" % number]))
    reader.join(40)
    assert [r.value for r in found] == [b"%d" % n for n in range(10)]
    assert time.monotonic() - began < 15


# -- how much --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bulky(bootstrap):
    """Two partitions of 20 batches of about 10 kB each."""
    topic = create_topic(bootstrap, f"bulky-{uuid.uuid4().hex[:8]}", 2)
    with Connection(bootstrap) as connection:
        for partition in (0, 1):
            for number in range(20):
                assert produce(connection, topic, batch([b"%d" % number * 5_000]), partition).error_code == 0
    return topic


def test_the_first_batch_comes_whole_even_above_the_limits(bootstrap, bulky):
    with Connection(bootstrap) as connection:
        answer = fetch(connection, bulky, 3, max_bytes=1, partition_max_bytes=1)
        heads = batch_heads(answer.records)
        assert [head.base_offset for head in heads] == [3]


def test_answers_leave_in_the_order_of_the_requests(bootstrap, bulky, topic):
    """The first one waits; the second is ready before it, and comes from the file."""
    requests = [
        fetch_request([(topic, 0, 0)], 11, max_wait=500, min_bytes=1), fetch_request([(bulky, 0, 0)], 11),
        fetch_request([(topic, 0, 0)], 11),
    ]  # fmt: skip
    with Connection(bootstrap) as connection:
        connection.send(b"".join(encode(request, number) for number, request in enumerate(requests)))
        assert [struct.unpack(">i", connection.read_frame()[:4])[0] for _ in requests] == [0, 1, 2]


def test_partition_max_bytes_limits_the_answer(bootstrap, bulky):
    with Connection(bootstrap) as connection:
        heads = batch_heads(fetch(connection, bulky, 0, partition_max_bytes=35_000).records)
        assert 1 <= len(heads) <= 8
        assert sum(head.byte_count + 12 for head in heads) <= 35_000


def test_max_bytes_limits_the_answer_over_partitions(bootstrap, bulky):
    with Connection(bootstrap) as connection:
        answer = fetch_response(connection, [(bulky, 0, 0), (bulky, 1, 0)], max_bytes=40_000)
        total = sum(len(part.records or b"") for part in answer.responses[0].partitions)
        assert 5_000 <= total <= 40_000 + 11_000


def test_small_limits_still_read_everything(bootstrap, bulky, client_of):
    for name, properties in (
        ("java", {"max.partition.fetch.bytes": 1, "fetch.max.bytes": 1}),
        ("confluent", {"max.partition.fetch.bytes": 1, "fetch.message.max.bytes": 1}),
        ("kafka-python", {"max_partition_fetch_bytes": 1, "fetch_max_bytes": 1}),
    ):
        found = client_of(name).consume(bootstrap, bulky, 20, partition=1, properties=properties)
        assert [r.offset for r in found] == list(range(20)), name


@pytest.mark.parametrize("name", LIBRARY_NAMES)
def test_read_committed_equals_read_uncommitted_without_transactions(bootstrap, timed, client_of, name):
    setting = "isolation.level" if name in ("confluent", "java") else "isolation_level"
    found = client_of(name).consume(bootstrap, timed["snappy"], 100, properties={setting: "read_committed"})
    assert [r.offset for r in found] == list(range(100))


def test_last_stable_offset_is_the_high_watermark(bootstrap, timed):
    with Connection(bootstrap) as connection:
        answer = fetch(connection, timed["none"], 0, isolation=1)
        assert (answer.last_stable_offset, answer.high_watermark) == (100, 100)
        assert not answer.aborted_transactions


def test_many_partitions_and_topics_by_one_java_consumer(bootstrap, fresh, java):
    """Uses an incremental fetch session."""
    topics = [create_topic(bootstrap, fresh(), 5) for _ in range(3)]
    client = Confluent()
    for index, topic in enumerate(topics):
        for partition in range(5):
            client.produce(
                bootstrap, topic, [Record(b"%d/%d/%d" % (index, partition, n)) for n in range(20)], partition=partition
            )
    places = [[topic, partition] for topic in topics for partition in range(5)]
    found = java.call(
        "consume", bootstrap, partitions=places, count=300, properties={"max.poll.records": 7}, **{"from": "beginning"}
    )
    assert len(found) == 300
    seen = {}
    for record in found:
        seen.setdefault((record["topic"], record["partition"]), []).append(record["offset"])
    assert all(offsets == list(range(20)) for offsets in seen.values()) and len(seen) == 15


# -- fetch sessions (KIP-227) ----------------------------------------------------------------------------------------


def open_session(connection, positions):
    answer = fetch_response(connection, positions, session=(0, 0))
    assert answer.error_code == 0
    if answer.session_id == 0:
        pytest.skip("the broker refuses sessions, which is legal")
    return answer


def parts(answer):
    return {(t.topic, p.partition_index): p for t in answer.responses for p in t.partitions}


def test_a_session_answers_only_what_changed(bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), 3)
    with Connection(bootstrap) as connection:
        first = open_session(connection, [(topic, n, 0) for n in range(3)])
        assert len(parts(first)) == 3
        quiet = fetch_response(connection, [], session=(first.session_id, 1), max_wait=100)
        assert quiet.error_code == 0 and quiet.session_id == first.session_id and parts(quiet) == {}
        produce(connection, topic, batch([b"new"]), partition=1)
        changed = fetch_response(connection, [], session=(first.session_id, 2), max_wait=5_000, min_bytes=1)
        assert list(parts(changed)) == [(topic, 1)]
        assert batch_heads(parts(changed)[topic, 1].records)[0].count == 1
        moved = fetch_response(connection, [(topic, 1, 1)], session=(first.session_id, 3), max_wait=100)
        assert all(not part.records for part in parts(moved).values())


def test_a_session_forgets_partitions(bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), 2)
    with Connection(bootstrap) as connection:
        first = open_session(connection, [(topic, 0, 0), (topic, 1, 0)])
        for partition in (0, 1):
            produce(connection, topic, batch([b"x"]), partition)
        answer = fetch_response(connection, [], session=(first.session_id, 1), forgotten=[(topic, [0])])
        assert list(parts(answer)) == [(topic, 1)]


def test_a_session_ends(bootstrap, topic):
    with Connection(bootstrap) as connection:
        first = open_session(connection, [(topic, 0, 0)])
        assert fetch_response(connection, [(topic, 0, 0)], session=(first.session_id, -1)).error_code == 0
        assert fetch_response(connection, [], session=(first.session_id, 1)).error_code == 70


def test_wrong_session_ids_and_epochs(bootstrap, topic):
    with Connection(bootstrap) as connection:
        assert fetch_response(connection, [], session=(123_456_789, 1)).error_code == 70
        first = open_session(connection, [(topic, 0, 0)])
        assert fetch_response(connection, [], session=(first.session_id, 7)).error_code == 71


def test_sessions_survive_many_rounds(bootstrap, topic):
    with Connection(bootstrap) as connection:
        session = open_session(connection, [(topic, 0, 0)]).session_id
        at = 0
        for epoch in range(1, 60):
            produce(connection, topic, batch([b"%d" % epoch]))
            answer = fetch_response(connection, [(topic, 0, at)], session=(session, epoch), max_wait=5_000, min_bytes=1)
            heads = batch_heads(parts(answer)[topic, 0].records)
            assert [head.base_offset for head in heads] == [at]
            at += 1


# -- topic ids (Fetch v13+) ------------------------------------------------------------------------------------------


def test_fetch_by_topic_id(bootstrap, topic, java):
    if api_versions(bootstrap)[1][1] < 13:
        pytest.fail("Fetch v13 is not listed")
    text = java.call("describeTopic", bootstrap, topic=topic)["id"]
    topic_id = uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
    with Connection(bootstrap) as connection:
        produce(connection, topic, batch([b"by id"]))
        answer = fetch(connection, topic_id, 0, version=13)
        assert answer.error_code == 0 and batch_heads(answer.records)[0].count == 1
        assert fetch(connection, uuid.uuid4(), 0, version=13).error_code == 100


# -- the start moves -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIBRARY_NAMES)
def test_delete_records_moves_the_start(bootstrap, topic, client_of, java, name):
    Confluent().produce(bootstrap, topic, numbered(50))
    partition = confluent_kafka.TopicPartition(topic, 0, 30)
    client = admin(bootstrap)
    assert client.delete_records([partition])[partition].result(30).low_watermark == 30
    assert end_offset(bootstrap, topic) == (30, 50)
    setting = "auto.offset.reset" if name in ("confluent", "java") else "auto_offset_reset"
    found = client_of(name).consume(bootstrap, topic, 20, start=0, properties={setting: "earliest"})
    assert [r.offset for r in found] == list(range(30, 50))
    with Connection(bootstrap) as connection:
        assert fetch(connection, topic, 29).error_code == 1
        assert fetch(connection, topic, 30).log_start_offset == 30
        assert list_offset(connection, topic, -2) == (0, -1, 30)
    assert java.call("deleteRecords", bootstrap, topic=topic, before=-1) == 50  # -1: everything
    assert end_offset(bootstrap, topic) == (50, 50)
    with pytest.raises(JavaError) as caught:
        java.call("deleteRecords", bootstrap, topic=topic, before=51)
    assert caught.value.type == "OffsetOutOfRangeException"


def test_random_seeks_read_what_was_written(bootstrap, timed):
    """One consumer, many seeks back and forth."""
    generator = random.Random(7)
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "assigned-only",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    place = confluent_kafka.TopicPartition(timed["lz4"], 0, 0)
    consumer.assign([place])
    assert consumer.poll(10) is not None
    for _ in range(30):
        offset = generator.randrange(100)
        consumer.seek(confluent_kafka.TopicPartition(timed["lz4"], 0, offset))
        message = consumer.poll(10)
        assert message is not None and message.error() is None and message.offset() == offset
        assert message.timestamp()[1] == BASE + offset * 1000
    consumer.close()
