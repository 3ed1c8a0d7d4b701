"""Kafka's finer rules at the log's edge: what a broker must check, rewrite or refuse, seen through real clients."""

import base64
import os
import struct
import threading
import time
import uuid
import zlib

import confluent_kafka
import cramjam
import lz4.frame
import pytest
import zstandard

from clients import CLIENT_NAMES, LIBRARY_NAMES, Confluent, Record, admin, create_topic, end_offset, run
from jvm import JavaError
from process import wait_until
from wire import (
    REQUESTS,
    Connection,
    WireRecord,
    api_versions,
    batch,
    batch_heads,
    encode,
    fetch,
    fetch_request,
    init_producer_id,
    list_offset,
    produce,
)

NOW = int(time.time() * 1000)


def gzip(data):
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def xerial(data):
    """Snappy as Java frames it: a header, then blocks with their length."""
    blocks = [bytes(cramjam.snappy.compress_raw(data[at : at + 32_768])) for at in range(0, len(data), 32_768)]
    return b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(b)) + b for b in blocks)


FRAMINGS = {  # every framing that clients in the field use
    "gzip": (1, gzip),
    "gzip, two members": (1, lambda data: gzip(data[:7]) + gzip(data[7:])),
    "snappy, raw": (2, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "snappy, xerial": (2, xerial),
    "lz4": (3, lambda data: lz4.frame.compress(data, block_linked=False)),  # Kafka reads no linked blocks
    "zstd": (4, zstandard.compress),
    "zstd without content size": (4, lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data)),
    "zstd, two frames": (4, lambda data: zstandard.compress(data[:7]) + zstandard.compress(data[7:])),
}


# -- the topic's codec -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ("uncompressed", "gzip", "snappy", "lz4", "zstd"))
def test_compression_type_of_the_topic_wins(bootstrap, fresh, client_of, target):
    """The broker unpacks and packs anew; records, headers, times and offsets stay."""
    topic = create_topic(bootstrap, fresh(), configs={"compression.type": target})
    expected = []
    for codec in ("none", "gzip", "snappy", "zstd"):
        records = [Record(f"{codec} {n} ".encode() * 30, b"k", [("h", b"1")], NOW + n) for n in range(20)]
        client_of("java").produce(bootstrap, topic, records, codec)
        expected += records
    with Connection(bootstrap) as connection:
        heads = batch_heads(fetch(connection, topic, 0).records)
    assert {head.codec for head in heads} == {"none" if target == "uncompressed" else target}
    for consumer in LIBRARY_NAMES:
        found = client_of(consumer).consume(bootstrap, topic, len(expected))
        assert [r.content for r in found] == [r.content for r in expected], consumer
        assert [r.offset for r in found] == list(range(len(expected)))


@pytest.mark.parametrize("framing", FRAMINGS, ids=str)
@pytest.mark.parametrize(
    "configs",
    ({}, {"compression.type": "gzip"}, {"cleanup.policy": "compact"}, {"message.timestamp.type": "LogAppendTime"}),
    ids=lambda configs: next(iter(configs), "plain"),
)
def test_every_framing_of_every_codec(bootstrap, fresh, client_of, framing, configs):
    topic = create_topic(bootstrap, fresh(), configs=configs)
    codec, compress = FRAMINGS[framing]
    records = [WireRecord(b"value %d" % n * 10, b"key", timestamp=NOW + n) for n in range(50)]
    with Connection(bootstrap) as connection:
        answer = produce(connection, topic, batch(records, attributes=codec, compress=compress))
        assert answer.error_code == 0, answer
        if "message.timestamp.type" not in configs:
            assert list_offset(connection, topic, NOW + 33)[1:] == (NOW + 33, 33), "looks inside the batch"
    # librdkafka reads the first gzip member only, whoever the broker is.
    for consumer in ("java",) if "members" in framing else ("java", "confluent"):
        found = client_of(consumer).consume(bootstrap, topic, 50)
        assert [r.value for r in found] == [r.value for r in records], consumer


def test_zstd_needs_produce_7_and_fetch_10(bootstrap, topic, fresh):
    """UNSUPPORTED_COMPRESSION_TYPE (KIP-110). For Fetch Kafka looks at the topic's compression.type only: with
    `producer` clients like kafka-python 2.0 fetch with v4 and unpack zstd themselves."""
    data = batch([b"x"], attributes=4, compress=zstandard.compress)
    zstd_topic = create_topic(bootstrap, fresh(), configs={"compression.type": "zstd"})
    with Connection(bootstrap) as connection:
        assert produce(connection, topic, data, version=6).error_code == 76
        for name in (topic, zstd_topic):
            assert produce(connection, name, data, version=7).error_code == 0
            assert fetch(connection, name, 0, version=10).error_code == 0
        assert fetch(connection, zstd_topic, 0, version=9).error_code == 76
        answer = fetch(connection, topic, 0, version=4)
        assert answer.error_code == 0 and batch_heads(answer.records)[0].codec == "zstd"


# -- keys, times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", (None, gzip), ids=("plain", "gzip"))
def test_a_compacted_topic_wants_keys(bootstrap, fresh, compress):
    """INVALID_RECORD, and from Produce v8 the index of each bad record (KIP-467)."""
    topic = create_topic(bootstrap, fresh(), configs={"cleanup.policy": "compact"})
    records = [WireRecord(b"a", b"k"), WireRecord(b"b"), WireRecord(b"c", b""), WireRecord(b"d")]
    with Connection(bootstrap) as connection:
        answer = produce(connection, topic, batch(records, attributes=1 if compress else 0, compress=compress))
        assert answer.error_code == 87 and answer.error_message
        assert [e.batch_index for e in answer.record_errors] == [1, 3]
        assert list_offset(connection, topic, -1)[2] == 0
        assert produce(connection, topic, batch([records[0], records[2]])).error_code == 0


def test_times_out_of_bounds_are_refused(bootstrap, fresh):
    """INVALID_TIMESTAMP, the indexes again; the default allows one hour ahead (KIP-937, KIP-1030)."""
    hour = 3_600_000
    topic = create_topic(bootstrap, fresh(), configs={"message.timestamp.before.max.ms": str(hour)})
    now = int(time.time() * 1000)

    def ask(connection, *deltas):
        answer = produce(connection, topic, batch([WireRecord(b"x", timestamp=now + delta) for delta in deltas]))
        return answer.error_code, [e.batch_index for e in answer.record_errors]

    with Connection(bootstrap) as connection:
        assert ask(connection, 0, -hour // 2, hour // 2) == (0, [])
        assert ask(connection, 0, -2 * hour)[0] == 32
        assert ask(connection, 0, 2 * hour)[0] == 32
        assert list_offset(connection, topic, -1)[2] == 3


# -- producers -------------------------------------------------------------------------------------------------------


def test_sequences_wrap(bootstrap, topic):
    """After 2147483647 comes 0, also inside a batch."""
    top = 2**31 - 1
    with Connection(bootstrap) as connection:
        producer, epoch = init_producer_id(connection)
        assert produce(connection, topic, batch([b"a"] * 2, producer, epoch, sequence=top - 3)).base_offset == 0
        assert produce(connection, topic, batch([b"b"] * 4, producer, epoch, sequence=top - 1)).base_offset == 2
        assert produce(connection, topic, batch([b"c"], producer, epoch, sequence=2)).base_offset == 6
        again = produce(connection, topic, batch([b"b"] * 4, producer, epoch, sequence=top - 1))
        assert (again.error_code, again.base_offset) == (0, 2)
        assert produce(connection, topic, batch([b"d"], producer, epoch, sequence=5)).error_code == 45


def test_a_refused_batch_does_not_count(bootstrap, topic):
    """Sequences follow what was appended: after a refusal the producer sends the same sequence again."""
    with Connection(bootstrap) as connection:
        producer, epoch = init_producer_id(connection)
        assert produce(connection, topic, batch([b"a"], producer, epoch, sequence=0)).error_code == 0
        assert produce(connection, topic, batch([b"x" * 2_000_000], producer, epoch, sequence=1)).error_code == 10
        assert produce(connection, topic, batch([b"b"], producer, epoch, sequence=1)).base_offset == 1


def test_sequences_are_kept_per_partition(bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), 2)
    with Connection(bootstrap) as connection:
        producer, epoch = init_producer_id(connection)
        for partition in (0, 1):
            for sequence in range(3):
                answer = produce(connection, topic, batch([b"x"], producer, epoch, sequence=sequence), partition)
                assert (answer.error_code, answer.base_offset) == (0, sequence)


def test_pipelined_idempotent_batches_with_a_hole(bootstrap, topic):
    """Batch 1 is missing: 2 and 3 are refused, sent again in order they are taken. As Sarama and Java retry."""
    with Connection(bootstrap) as connection:
        producer, epoch = init_producer_id(connection)

        def request(sequence):
            part = REQUESTS[0].TopicProduceData.PartitionProduceData(
                index=0, records=batch([b"%d" % sequence], producer, epoch, sequence=sequence)
            )
            return REQUESTS[0](
                version=9,
                acks=-1,
                timeout_ms=5_000,
                topic_data=[REQUESTS[0].TopicProduceData(name=topic, partition_data=[part])],
            )

        codes = []
        for round_ in ((0, 2, 3), (1, 2, 3)):
            requests = [request(sequence) for sequence in round_]
            connection.send(b"".join(encode(r, n) for n, r in enumerate(requests)))
            for number, sent in enumerate(requests):
                answer = connection.decode(sent, connection.read_frame(), number)
                codes.append(answer.responses[0].partition_responses[0].error_code)
        assert codes == [0, 45, 45, 0, 0, 0]
    assert [r.value for r in Confluent().consume(bootstrap, topic, 4)] == [b"0", b"1", b"2", b"3"]


def test_one_request_for_several_partitions(bootstrap, fresh):
    """Each partition has its own answer; one bad one does not spoil the others."""
    topic = create_topic(bootstrap, fresh(), 3)
    part = REQUESTS[0].TopicProduceData.PartitionProduceData
    data = [
        part(index=0, records=batch([b"a"])),
        part(index=1, records=batch([b"b"], crc=1)),
        part(index=2, records=batch([b"c"])),
        part(index=7, records=batch([b"d"])),
    ]
    with Connection(bootstrap) as connection:
        answer = connection.call(
            REQUESTS[0](
                version=9,
                acks=-1,
                timeout_ms=5_000,
                topic_data=[REQUESTS[0].TopicProduceData(name=topic, partition_data=data)],
            )
        )
        found = {p.index: p.error_code for p in answer.responses[0].partition_responses}
    assert found == {0: 0, 1: 2, 2: 0, 7: 3}


# -- leader epochs, ids ----------------------------------------------------------------------------------------------


def test_leader_epochs_are_checked(bootstrap, topic, java):
    """A client that knows a newer epoch waits (75), one that knows an older one asks for metadata (74)."""
    Confluent().produce(bootstrap, topic, [Record(b"x")])
    epoch = java.call("listOffsets", bootstrap, topic=topic, at="latest")["leaderEpoch"]
    for known, expected in ((-1, 0), (epoch, 0), (epoch + 1, 75), *([(epoch - 1, 74)] if epoch > 0 else [])):
        with Connection(bootstrap) as connection:
            request = fetch_request([(topic, 0, 0)], 11)
            request.topics[0].partitions[0].current_leader_epoch = known
            assert connection.call(request).responses[0].partitions[0].error_code == expected, known
            wanted = REQUESTS[2].ListOffsetsTopic
            part = wanted.ListOffsetsPartition(partition_index=0, timestamp=-1, current_leader_epoch=known)
            answer = connection.call(
                REQUESTS[2](version=5, replica_id=-1, topics=[wanted(name=topic, partitions=[part])])
            )
            assert answer.topics[0].partitions[0].error_code == expected, known


def test_produce_by_an_unknown_topic_id(bootstrap):
    if api_versions(bootstrap)[0][1] < 13:
        pytest.skip("Produce v13 is not offered")
    with Connection(bootstrap) as connection:
        assert produce(connection, None, batch([b"x"]), version=13, topic_id=uuid.uuid4()).error_code == 100


# -- names -----------------------------------------------------------------------------------------------------------


def test_the_longest_name(bootstrap, fresh, java):
    """249 characters, in file names with partition number and whatever deletion appends."""
    topic = (fresh() + "-" + "n" * 249)[:249]
    client = admin(bootstrap)
    for _ in range(2):
        java.call("createTopic", bootstrap, topic=topic, partitions=101, replicas=1)
        Confluent().produce(bootstrap, topic, [Record(b"x")], partition=100)
        assert end_offset(bootstrap, topic, 100) == (0, 1)
        client.delete_topics([topic])[topic].result(30)
        wait_until(lambda: topic not in client.list_topics(timeout=10).topics, what="the topic to be gone")


@pytest.mark.parametrize("name", ("a", "A.b_c-9", "0", "-", "_", "__x", "...", "a..b"))
def test_odd_names(bootstrap, java, name):
    java.call("createTopic", bootstrap, topic=name, partitions=1, replicas=1)
    try:
        Confluent().produce(bootstrap, name, [Record(b"x")])
        assert Confluent().consume(bootstrap, name, 1)[0].value == b"x"
    finally:
        java.call("deleteTopic", bootstrap, topic=name)


# -- kcat's ways to start --------------------------------------------------------------------------------------------


def test_kcat_positions(bootstrap, topic):
    Confluent().produce(bootstrap, topic, [Record(b"%d" % n, None, [], NOW - 100_000 + n * 1000) for n in range(20)])
    for arguments, expected in (
        (["-o", "beginning"], range(20)),
        (["-o", "-3"], range(17, 20)),
        (["-o", "7"], range(7, 20)),
        (["-o", f"s@{NOW - 95_000}"], range(5, 20)),
        (["-o", f"s@{NOW - 95_000}", "-o", f"e@{NOW - 92_000}"], range(5, 8)),
    ):
        text = run(["kcat", "-b", bootstrap, "-C", "-t", topic, "-p", "0", "-e", "-q", *arguments])
        assert [int(v) for v in text.split()] == list(expected), arguments
    text = run(["kcat", "-b", bootstrap, "-Q", "-t", f"{topic}:0:{NOW - 95_000}"]).decode()
    assert f"{topic} [0] offset 5" in text


# -- many at once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acks", (1, -1))
def test_twenty_connections_write_one_partition(bootstrap, topic, acks):
    """Offsets are given once each, and every connection's own order is kept."""
    places = {}
    failures = []

    def write(writer):
        try:
            with Connection(bootstrap) as connection:
                places[writer] = [
                    produce(connection, topic, batch([b"%d %d" % (writer, n)]), acks=acks).base_offset
                    for n in range(50)
                ]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert sorted(offset for mine in places.values() for offset in mine) == list(range(1_000))
    assert all(mine == sorted(mine) for mine in places.values())
    values = [r.value for r in Confluent().consume(bootstrap, topic, 1_000)]
    assert all(
        values[offset] == b"%d %d" % (writer, n) for writer, mine in places.items() for n, offset in enumerate(mine)
    )


def test_readers_follow_writers_over_rolling_segments(bootstrap, fresh, client_of):
    """Three clients follow while three write 30 MB into segments of 1 MiB; everybody sees all, in order."""
    topic = create_topic(bootstrap, fresh(), 3, {"segment.bytes": "1048576"})
    count, value = 2_000, b"%d " + b"x" * 5_000
    found, failures = {}, []

    def follow(name, partition):
        try:
            found[name] = client_of(name).consume(bootstrap, topic, count, partition, timeout=60)
        except Exception as error:
            failures.append(error)

    readers = [
        threading.Thread(target=follow, args=pair) for pair in (("confluent", 0), ("kafka-python", 1), ("aiokafka", 2))
    ]
    for reader in readers:
        reader.start()
    for partition in range(3):
        Confluent().produce(
            bootstrap, topic, [Record(value % n) for n in range(count)], ("none", "lz4", "zstd")[partition], partition
        )
    for reader in readers:
        reader.join(90)
    assert not failures
    for name, records in found.items():
        assert [r.value for r in records] == [value % n for n in range(count)], name
    assert len(found) == 3


def test_a_fetch_outlives_the_deletion_of_its_segments(bootstrap, fresh):
    """The answer is on its way when the topic goes: it arrives whole, or the connection ends; never damaged."""
    topic = create_topic(bootstrap, fresh(), 1, {"segment.bytes": "1048576"})
    Confluent().produce(bootstrap, topic, [Record(bytes([n % 251]) * 50_000) for n in range(400)])  # 20 MB
    with Connection(bootstrap, timeout=30) as connection:
        request = fetch_request([(topic, 0, 0)], 11, max_bytes=50 << 20, partition_max_bytes=50 << 20)
        connection.send(encode(request, 1))
        first = connection.read_exactly(4 + 100_000)
        client = admin(bootstrap)
        client.delete_topics([topic])[topic].result(30)
        announced = struct.unpack(">i", first[:4])[0]
        answer = connection.decode(request, first[4:] + connection.read_exactly(announced - 100_000), 1)
        heads = batch_heads(answer.responses[0].partitions[0].records)
        assert heads and heads[0].base_offset == 0
        assert [h.base_offset + h.last_offset_delta + 1 for h in heads[:-1]] == [h.base_offset for h in heads[1:]]


def test_large_fetches_carry_whole_and_right_batches(bootstrap, fresh):
    """40 MB through one answer, at several starts; sizes on both sides of what may be sent straight from file."""
    topic = create_topic(bootstrap, fresh(), 1, {"segment.bytes": "4194304"})
    Confluent().produce(bootstrap, topic, [Record(b"%06d" % n + b"z" * 20_000) for n in range(2_000)])
    with Connection(bootstrap, timeout=60) as connection:
        for limit in (1, 1_000, 16_000, 70_000, 300_000, 1_100_000, 5_000_000, 60_000_000):
            for start in (0, 137, 1_999):
                answer = fetch(connection, topic, start, max_bytes=limit, partition_max_bytes=limit)
                heads = batch_heads(answer.records)
                assert heads[0].base_offset <= start <= heads[0].base_offset + heads[0].last_offset_delta


@pytest.mark.parametrize("name", CLIENT_NAMES)
def test_clients_survive_a_restart(make_broker, client_of, name):
    """A client made after the restart finds everything under the same address."""
    broker = make_broker()
    create_topic(broker.address, "t")
    client_of(name).produce(broker.address, "t", [Record(b"before")])
    broker.restart(kill=True)
    client_of(name).produce(broker.address, "t", [Record(b"after")])
    assert [r.value for r in client_of(name).consume(broker.address, "t", 2)] == [b"before", b"after"]


# -- the log start inside a batch ------------------------------------------------------------------------------------


def test_times_before_the_log_start_find_the_log_start(bootstrap, topic, client_of):
    """Records below the log start are gone, though their batch is still on disk."""
    base = NOW - 1_000_000
    with Connection(bootstrap) as connection:
        produce(connection, topic, batch([WireRecord(b"%d" % n, timestamp=base + n * 1000) for n in range(10)]))
        client = admin(bootstrap)
        partition = confluent_kafka.TopicPartition(topic, 0, 5)
        client.delete_records([partition])[partition].result(30)
        assert list_offset(connection, topic, base + 2_000)[1:] == (base + 5_000, 5)
        assert list_offset(connection, topic, base + 7_000)[1:] == (base + 7_000, 7)
        assert list_offset(connection, topic, -2)[2] == 5
    for name in LIBRARY_NAMES:
        found = client_of(name).consume(bootstrap, topic, 5, start=5)
        assert [r.offset for r in found] == [5, 6, 7, 8, 9], name


# -- the server's settings -------------------------------------------------------------------------------------------


def test_server_settings_are_the_topics_defaults(make_broker, java):
    broker = make_broker(
        {
            "log.retention.hours": 5,
            "log.retention.minutes": 7,
            "message.max.bytes": 50_000,
            "log.message.timestamp.type": "LogAppendTime",
            "log.segment.bytes": 2_000_000,
            "log.cleanup.policy": "compact",
            "compression.type": "lz4",
        }
    )
    create_topic(broker.address, "t")
    shown = java.call("describeConfigs", broker.address, name="t")
    expected = {
        "retention.ms": "420000",
        "max.message.bytes": "50000",
        "message.timestamp.type": "LogAppendTime",
        "segment.bytes": "2000000",
        "cleanup.policy": "compact",
        "compression.type": "lz4",
    }
    assert {name: shown[name]["value"] for name in expected} == expected
    assert {shown[name]["source"] for name in expected} == {"STATIC_BROKER_CONFIG"}
    with Connection(broker.address) as connection:
        assert produce(connection, "t", batch([WireRecord(os.urandom(60_000), b"k")])).error_code == 10
        assert produce(connection, "t", batch([WireRecord(b"x" * 100, b"k")])).error_code == 0
        assert batch_heads(fetch(connection, "t", 0).records)[0].codec == "lz4"


def test_idle_connections_end_and_waiting_ones_do_not(make_broker):
    broker = make_broker({"connections.max.idle.ms": 1_000})
    create_topic(broker.address, "t")
    with Connection(broker.address) as idle, Connection(broker.address) as waiting:
        request = fetch_request([("t", 0, 0)], 11, max_wait=3_000, min_bytes=1)
        waiting.send(encode(request, 1))
        idle.request(18, 0)
        assert idle.is_closed(within=10)
        assert waiting.decode(request, waiting.read_frame(), 1).responses[0].partitions[0].error_code == 0


def test_the_largest_request_is_a_setting(make_broker):
    broker = make_broker({"socket.request.max.bytes": 50_000})
    create_topic(broker.address, "t")
    with Connection(broker.address) as connection:
        assert produce(connection, "t", batch([b"x" * 40_000])).error_code == 0
        connection.send(struct.pack(">i", 50_001) + bytes(100))
        assert connection.is_closed()


def test_changing_the_brokers_own_configs_is_done_or_refused(bootstrap, java):
    """Never acknowledged without effect."""
    node = str(java.call("describeCluster", bootstrap)["nodes"][0])
    try:
        java.call(
            "alterConfigs", bootstrap, type="BROKER", name=node, operations=[["SET", "log.retention.ms", "86400001"]]
        )
    except JavaError as refused:
        assert refused.type != "UnknownServerException" and refused.text
    else:
        assert (
            java.call("describeConfigs", bootstrap, type="BROKER", name=node)["log.retention.ms"]["value"] == "86400001"
        )
        java.call(
            "alterConfigs", bootstrap, type="BROKER", name=node, operations=[["DELETE", "log.retention.ms"]]
        )


@pytest.mark.parametrize("kind", (0, 1, 8, 16, 32, 99, -1))
def test_configs_of_other_resources_have_an_answer(bootstrap, java, kind):
    """Loggers, client metrics, groups and kinds nobody knows: an answer per resource, no closed connection."""
    fields = {"resources": [{"resourceType": kind, "resourceName": "x", "configurationKeys": None}]}
    answer = java.call("exchange", bootstrap, requests=[{"key": 32, "version": 4, "fields": fields}])[0]["response"]
    assert len(answer["results"]) == 1
    change = {
        "resources": [
            {"resourceType": kind, "resourceName": "x", "configs": [{"name": "a", "value": "b", "configOperation": 0}]}
        ]
    }
    answer = java.call("exchange", bootstrap, requests=[{"key": 44, "version": 1, "fields": change}])[0]["response"]
    assert len(answer["responses"]) == 1 and answer["responses"][0]["errorCode"] != 0


def test_deleting_by_name_and_id_at_once_is_refused(bootstrap, java, topic):
    topic_id = java.call("describeTopic", bootstrap, topic=topic)["id"]
    for state in ({"name": topic, "topicId": topic_id}, {"name": None, "topicId": "AAAAAAAAAAAAAAAAAAAAAA"}):
        answer = java.call(
            "exchange",
            bootstrap,
            requests=[{"key": 20, "version": 6, "fields": {"timeoutMs": 1000, "topics": [state]}}],
        )[0]
        code = answer["response"]["responses"][0]["errorCode"] if answer["response"]["responses"] else 42
        assert code == 42, answer
    assert topic in java.call("listTopics", bootstrap)


def test_acks_1_survives_the_process(make_broker):
    """acks=1 means the page cache has it: kill -9 of the process alone loses nothing."""
    broker = make_broker()
    create_topic(broker.address, "t")
    with Connection(broker.address) as connection:
        for number in range(20):
            assert produce(connection, "t", batch([b"%d" % number]), acks=1).error_code == 0
        broker.kill()
    broker.start()
    assert [r.value for r in Confluent().consume(broker.address, "t", 20)] == [b"%d" % n for n in range(20)]


# -- races -----------------------------------------------------------------------------------------------------------


def test_a_topic_is_created_once(bootstrap, fresh):
    """Twenty clients create the same topic at once: one does, the others hear that it exists."""
    topic = fresh()
    request = REQUESTS[19]
    codes = []

    def create():
        new = request.CreatableTopic(name=topic, num_partitions=2, replication_factor=1, assignments=[], configs=[])
        with Connection(bootstrap) as connection:
            codes.append(connection.call(request(version=5, topics=[new], timeout_ms=5_000)).topics[0].error_code)

    threads = [threading.Thread(target=create) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(codes) == [0] + [36] * 19


def test_the_old_id_of_a_topic_made_again_is_unknown(bootstrap, fresh, java):
    topic = fresh()
    old = java.call("createTopic", bootstrap, topic=topic, partitions=1, replicas=1)["id"]
    java.call("deleteTopic", bootstrap, topic=topic)
    new = java.call("createTopic", bootstrap, topic=topic, partitions=1, replicas=1)["id"]
    assert old != new
    old = uuid.UUID(bytes=base64.urlsafe_b64decode(old + "=="))
    with Connection(bootstrap) as connection:
        assert fetch(connection, old, 0, version=13).error_code == 100
        if api_versions(bootstrap)[0][1] >= 13:
            assert produce(connection, None, batch([b"x"]), version=13, topic_id=old).error_code == 100
    assert end_offset(bootstrap, topic) == (0, 0)


def test_a_topic_deleted_under_load(bootstrap, fresh, java):
    """Producers fail or go on in the new topic; nothing of the old one shows up, nothing hangs."""
    topic = create_topic(bootstrap, fresh(), 2)
    java.call("loadStart", bootstrap, name=topic, topic=topic, partition=0, properties={
        "delivery.timeout.ms": 4000, "request.timeout.ms": 2000, "linger.ms": 0, "max.block.ms": 4000})  # fmt: skip
    wait_until(lambda: java.call("loadCount", bootstrap, name=topic) > 300, what="some load")
    java.call("deleteTopic", bootstrap, topic=topic)
    try:
        java.call("createTopic", bootstrap, topic=topic, partitions=2, replicas=1)
    except JavaError as failed:  # the producer's question for metadata has made it anew, with one partition
        assert failed.type == "TopicExistsException"
        java.call("createPartitions", bootstrap, topic=topic, count=2)
    Confluent().produce(bootstrap, topic, [Record(b"new")], partition=1)
    assert java.call("loadStop", bootstrap, name=topic)["sent"] > 300
    assert [r.value for r in Confluent().consume(bootstrap, topic, 1, 1)] == [b"new"]
