"""A disk that fails, and power cuts: acks=all means that the bytes were on the disk before the answer."""

import random
import re
import threading
import time

import confluent_kafka
import pytest

from clients import Confluent, Record, create_topic
from faults import FaultyBroker
from jvm import JavaError
from process import free_port, wait_until
from registry import Http
from test_durability import ConfluentLoad, read_values
from wire import Connection, api_versions, batch, batch_heads, fetch, produce


SQL, CONNECT = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"


@pytest.fixture
def flags():
    """Of the program; roles that are asked for besides the broker."""
    return ()


@pytest.fixture
def faulty(tmp_path, flags):
    broker = FaultyBroker(tmp_path, flags=flags).start()
    yield broker
    broker.inflict(None)
    if broker.alive:
        broker.kill()


# -- power cuts ------------------------------------------------------------------------------------------------------


@pytest.mark.deadline(240)
@pytest.mark.parametrize("seed", range(4))
def test_power_cuts_lose_nothing_acknowledged(faulty, java, seed):
    """Five cuts under load. All that was not synced may be gone or garbled; each record is there exactly once."""
    generator = random.Random(seed)
    faulty.inflict("slow-sync 25")  # so that a cut finds something on its way
    create_topic(faulty.address, "t", 3, {"segment.bytes": "1048576"} if seed % 2 else {})
    java.call("loadStart", faulty.address, name="j0", topic="t", partition=0, properties={
        "enable.idempotence": "true", "acks": "all", "delivery.timeout.ms": "120000", "linger.ms": "1",
        "reconnect.backoff.ms": "20", "reconnect.backoff.max.ms": "200"})  # fmt: skip
    loads = [ConfluentLoad(faulty.address, "t", partition, f"c{partition}") for partition in (1, 2)]

    def counts():
        return [java.call("loadCount", faulty.address, name="j0"), *(load.count for load in loads)]

    def progress(marks):
        return all(now > mark + 100 for now, mark in zip(counts(), marks, strict=True))

    cuts = []
    try:
        for _ in range(5):
            marks = counts()
            wait_until(lambda: progress(marks), 60, f"load from every producer, after {cuts}", 0.05)  # noqa: B023
            time.sleep(generator.uniform(0, 0.5))
            cuts.append(faulty.cut_power(generator))
            faulty.start()
        marks = counts()
        wait_until(lambda: progress(marks), 60, f"load after the last cut, after {cuts}", 0.05)
    finally:
        sent = java.call("loadStop", faulty.address, name="j0")
        totals = [sent["sent"], *(load.stop() for load in loads)]
    assert any(cuts), "no cut took anything away"
    assert [sent["failures"], *(load.failures for load in loads)] == [[], [], []], cuts
    for partition, name in enumerate((b"j0", b"c1", b"c2")):
        values = read_values(faulty.address, "t", partition)
        assert values == [b"%s-%d" % (name, n) for n in range(totals[partition])], cuts


@pytest.mark.deadline(240)
@pytest.mark.parametrize("seed", range(2))
def test_power_cuts_with_many_partitions(faulty, seed):
    """Thirty logs wait for their syncs at the same time."""
    generator = random.Random(seed)
    create_topic(faulty.address, "t", 30)
    faulty.inflict("slow-sync 10")
    load = ConfluentLoad(faulty.address, "t", range(30), "c")
    cuts = []
    try:
        for _ in range(5):
            mark = load.count
            wait_until(lambda: load.count > mark + 600, 60, f"load, after {cuts}", 0.05)  # noqa: B023
            cuts.append(faulty.cut_power(generator))
            faulty.start()
        mark = load.count
        wait_until(lambda: load.count > mark + 600, 60, f"load after the last cut, after {cuts}", 0.05)
    finally:
        sent = load.stop()
    assert not load.failures, cuts
    for partition in range(30):
        expected = [b"c-%d" % n for n in range(partition, sent, 30)]
        assert read_values(faulty.address, "t", partition) == expected, (partition, cuts)


def committed_values(address, topic):
    """The values of partition 0 up to its present end that a reader of committed records gets."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": address, "group.id": "assigned-only", "isolation.level": "read_committed",
        "enable.auto.commit": False, "enable.partition.eof": True})  # fmt: skip
    place = confluent_kafka.TopicPartition(topic, 0, 0)
    try:
        _, end = consumer.get_watermark_offsets(place, timeout=30)
        consumer.assign([place])
        values, deadline = [], time.monotonic() + 30
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                return values
            values.append(message.value())
            if message.offset() >= end - 1:
                return values
        raise AssertionError(f"the end of {topic}, {end}, was not reached")
    finally:
        consumer.close()


@pytest.mark.deadline(240)
@pytest.mark.parametrize("flags", [("--sql", SQL, "--connect", CONNECT, "--registry", "none", "--admin", "none")], ids=["roles"])
@pytest.mark.parametrize("seed", range(2))
def test_power_cuts_and_transactions_of_the_program_itself(faulty, tmp_path, seed):
    """A query and a source, whose records are forced to disk when their transactions commit: each counts once."""
    generator = random.Random(seed)
    faulty.inflict("slow-sync 10")
    create_topic(faulty.address, "n")
    create_topic(faulty.address, "lines")
    lines = tmp_path / "lines.txt"
    lines.touch()
    statements = """
        CREATE STREAM n (v STRING) WITH (KAFKA_TOPIC = 'n', VALUE_FORMAT = 'DELIMITED');
        CREATE STREAM copied WITH (KAFKA_TOPIC = 'copied') AS SELECT UCASE(v) AS v FROM n;
        CREATE TABLE counted AS SELECT 1 AS k, COUNT(*) AS c FROM n GROUP BY 1;"""
    body = {"ksql": statements, "streamsProperties": {"auto.offset.reset": "earliest"}}
    answer = Http(f"http://{SQL}").ask("POST", "/ksql", body, Content_Type="application/json")
    assert answer.status == 200, answer.body
    config = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "file": str(lines), "topic": "lines",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"}
    answer = Http(f"http://{CONNECT}").ask("PUT", "/connectors/lines/config", config, Content_Type="application/json")
    assert answer.status == 201, answer.body
    load = ConfluentLoad(faulty.address, "n", 0, "n")
    cuts, written = [], 0
    try:
        for _ in range(5):
            mark = load.count
            with lines.open("a") as file:
                file.writelines(f"{number}\n" for number in range(written, written + 500))
            written += 500
            copied = len(committed_values(faulty.address, "copied"))
            wait_until(lambda: load.count > mark + 300, 60, f"load, after {cuts}", 0.05)  # noqa: B023
            wait_until(
                lambda: len(committed_values(faulty.address, "copied")) > copied, 60, f"copies, after {cuts}", 0.05)  # noqa: B023
            time.sleep(generator.uniform(0, 0.5))
            cuts.append(faulty.cut_power(generator))
            faulty.start()
    finally:
        sent = load.stop()
    assert any(cuts) and not load.failures, cuts
    expected = [b"N-%d" % number for number in range(sent)]
    wait_until(lambda: len(committed_values(faulty.address, "copied")) >= sent, 60, f"all copies, after {cuts}", 0.2)
    assert committed_values(faulty.address, "copied") == expected, cuts
    wait_until(lambda: len(committed_values(faulty.address, "lines")) >= written, 60, f"all lines, after {cuts}", 0.2)
    assert committed_values(faulty.address, "lines") == [b"%d" % number for number in range(written)], cuts
    ask = {"ksql": "SELECT c FROM counted WHERE k = 1;"}

    def count():
        answer = Http(f"http://{SQL}").ask("POST", "/query", ask, Content_Type="application/json")
        found = re.search(rb'"columns":\[(\d+)\]', answer.body)
        return found and int(found[1])

    wait_until(lambda: count() == sent, 60, f"{sent} counted, after {cuts}", 0.2)


def test_without_syncs_a_power_cut_takes_records(tmp_path):
    """The proof of the proof: Kafka's own default (log.flush=os) loses acknowledged records here."""
    broker = FaultyBroker(tmp_path, {"log.flush": "os"}).start()
    create_topic(broker.address, "t")
    with Connection(broker.address) as connection:
        for number in range(5):
            assert produce(connection, "t", batch([b"%d" % number])).error_code == 0
    broker.cut_power(random.Random(3))
    broker.start()
    assert len(read_values(broker.address, "t")) < 5
    broker.stop()


@pytest.mark.parametrize("seed", range(3))
def test_power_cuts_and_topics(faulty, java, seed):
    """Created, changed and deleted topics are as they were answered."""
    generator = random.Random(seed)
    known = {}
    for round_ in range(6):
        for number in range(generator.randrange(1, 4)):
            name = f"t{round_}-{number}"
            known[name] = java.call("createTopic", faulty.address, topic=name, partitions=2, replicas=1)["id"]
            with Connection(faulty.address) as connection:
                assert produce(connection, name, batch([name.encode()]), partition=1).error_code == 0
        if generator.random() < 0.5:
            name = generator.choice(sorted(known))
            java.call("deleteTopic", faulty.address, topic=name)
            del known[name]
        done = faulty.cut_power(generator)
        faulty.start()
        there = {
            name: java.call("describeTopic", faulty.address, topic=name)["id"]
            for name in java.call("listTopics", faulty.address)
        }
        assert there == known, done
        for name in known:
            assert read_values(faulty.address, name, 1) == [name.encode()], done


def test_kill_then_power_cut(faulty):
    """What recovery found after kill -9 may have been in the page cache only; now it must be synced too."""
    generator = random.Random(1)
    create_topic(faulty.address, "t")
    for number in range(6):
        with Connection(faulty.address) as connection:
            assert produce(connection, "t", batch([b"%d" % number] * 3), acks=-1).error_code == 0
        faulty.restart(kill=True)
        done = faulty.cut_power(generator)
        faulty.start()
        assert read_values(faulty.address, "t") == [b"%d" % n for n in range(number + 1) for _ in range(3)], done


def test_a_clean_stop_syncs_everything(faulty):
    """Also what acks=1 was answered for: a stop, then the machine goes off."""
    generator = random.Random(5)
    create_topic(faulty.address, "t", 3, {"segment.bytes": "1048576"})
    expected = {}
    for round_ in range(3):
        for partition in range(3):
            records = [Record(b"%d/%d" % (round_, n) * 200) for n in range(500)]
            Confluent().produce(faulty.address, "t", records, partition=partition, properties={"acks": 1})
            expected.setdefault(partition, []).extend(r.value for r in records)
        faulty.stop()
        done = faulty.cut_power(generator)
        faulty.start()
        for partition in range(3):
            assert read_values(faulty.address, "t", partition) == expected[partition], done


# -- a disk that fails -----------------------------------------------------------------------------------------------


def test_a_failed_sync_is_never_an_acknowledgement(faulty):
    """The kernel may have dropped the pages, so a later sync proves nothing: the log stays closed for writes until a
    restart has read back what is really there."""
    create_topic(faulty.address, "t")
    create_topic(faulty.address, "other")
    with Connection(faulty.address) as connection:
        assert produce(connection, "t", batch([b"before"])).error_code == 0
        faulty.inflict("fail-sync")
        assert produce(connection, "t", batch([b"lost"])).error_code == 56
        faulty.inflict(None)
        assert produce(connection, "t", batch([b"later"])).error_code == 56
        assert batch_heads(fetch(connection, "t", 0).records)[0].base_offset == 0, "reads go on"
        assert api_versions(faulty.address)
    assert "t-0" in faulty.log() or "fdatasync" in faulty.log(), "a failed disk must be said"
    faulty.kill()
    faulty.start()
    with Connection(faulty.address) as connection:
        assert produce(connection, "t", batch([b"after"])).error_code == 0
    values = read_values(faulty.address, "t")
    assert values[0] == b"before" and values[-1] == b"after"


def test_a_failed_sync_fails_metadata_changes_too(faulty, java):
    faulty.inflict("fail-sync")
    with pytest.raises(JavaError):
        java.call("createTopic", faulty.address, topic="t", partitions=1, replicas=1, properties={
            "default.api.timeout.ms": 3000, "request.timeout.ms": 2000})  # fmt: skip
    assert api_versions(faulty.address)
    faulty.inflict(None)
    faulty.kill()
    faulty.start()
    create_topic(faulty.address, "u")


def test_nobody_else_waits_for_a_slow_sync(faulty):
    """Syncs that take three seconds hold up only those who asked for them."""
    create_topic(faulty.address, "t")
    faulty.inflict("slow-sync 3000")
    finished = []

    def write():
        with Connection(faulty.address) as connection:
            finished.append(produce(connection, "t", batch([b"durable"]), acks=-1).error_code)

    writer = threading.Thread(target=write)
    writer.start()
    began = time.monotonic()
    for _ in range(20):
        assert api_versions(faulty.address)
        with Connection(faulty.address) as connection:
            assert produce(connection, "t", batch([b"quick"]), acks=1).error_code == 0
            assert fetch(connection, "t", 0).error_code == 0
    took = time.monotonic() - began
    assert took < 2.5, f"{took:.2f} s for requests that need no sync"
    writer.join(20)
    assert finished == [0]


def test_writers_share_a_sync(faulty):
    """Forty writers with acks=all and syncs of 0.3 s: one after the other would take twelve seconds."""
    create_topic(faulty.address, "t", 4)
    faulty.inflict("slow-sync 300")
    answers = []

    def write(number):
        with Connection(faulty.address) as connection:
            answers.append(produce(connection, "t", batch([b"x"]), partition=number % 4).error_code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(40)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [0] * 40
    assert time.monotonic() - began < 6


def test_writes_that_fail_and_then_work_again(faulty):
    """ENOSPC needs no restart: nothing was promised, nothing half-written is served."""
    create_topic(faulty.address, "t")
    with Connection(faulty.address) as connection:
        assert produce(connection, "t", batch([b"0"])).error_code == 0
        faulty.inflict("full")
        for acks in (-1, 1):
            assert produce(connection, "t", batch([b"no"]), acks=acks).error_code == 56
        assert batch_heads(fetch(connection, "t", 0).records)[0].count == 1
        faulty.inflict(None)
        wait_until(
            lambda: produce(connection, "t", batch([b"1"])).error_code == 0, 30, "a write after space returned", 0.2
        )
    assert read_values(faulty.address, "t") == [b"0", b"1"]


def test_short_writes_are_continued(faulty):
    """A write may take fewer bytes than it was given."""
    faulty.inflict("short")
    create_topic(faulty.address, "t", 2)
    for partition in (0, 1):
        Confluent().produce(faulty.address, "t", [Record(b"%d" % n * 1_000) for n in range(200)], "lz4", partition)
    faulty.restart()
    for partition in (0, 1):
        assert read_values(faulty.address, "t", partition) == [b"%d" % n * 1_000 for n in range(200)]
