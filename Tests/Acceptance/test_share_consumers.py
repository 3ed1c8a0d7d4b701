"""Share groups (KIP-932) as Java's KafkaShareConsumer uses them, and as hostile clients do.

What is expected is documented in KIP-932, KIP-1206 (record_limit), KIP-1222 (renew) and Kafka 4.3's documentation.
"""

import base64
import json
import random
import struct
import time
import uuid
import zlib

import pytest

from clients import Confluent, Record, create_topic, end_offset
from groups_wire import find_coordinator
from jvm import JVM_FLAGS, JavaError, class_path, rebase
from members import Child
from process import Broker, wait_until
from share_wire import (
    ACKNOWLEDGE,
    FETCH,
    acknowledge_body,
    decode,
    fetch_body,
    share_acknowledge,
    share_fetch,
    share_heartbeat,
    text,
)
from test_compaction import EAGER, everything, write
from wire import Connection, ConnectionClosed, frame, header, uvarint

# Locks that end after one second, members that hear of changes at once, and compaction that does not wait.
QUICK = {
    "group.share.min.record.lock.duration.ms": 1000, "group.share.min.heartbeat.interval.ms": 200,
    "group.share.heartbeat.interval.ms": 200, "log.cleaner.backoff.ms": 200,
}  # fmt: skip
EXPLICIT = {"share.acknowledgement.mode": "explicit"}
ONE_BY_ONE = {**EXPLICIT, "share.acquire.mode": "record_limit", "max.poll.records": 1}
UNKNOWN_SERVER_ERROR, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST, UNKNOWN_TOPIC_ID = -1, 3, 42, 100
INVALID_RECORD_STATE, SESSION_NOT_FOUND, INVALID_SESSION_EPOCH = 121, 122, 123
GROUP_MAX_SIZE_REACHED, SESSION_LIMIT_REACHED = 81, 133


@pytest.fixture(scope="module")
def sharing(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("sharing"), QUICK).start()
    find_coordinator(broker.address)
    yield broker
    broker.stop()


class Shared:
    """A topic and a group that reads it from its start, by consumers with names."""

    def __init__(self, java, address, partitions=1, configs=None, topic_configs=None):
        self.java, self.address, self.open = java, address, []
        self.group = f"g-{uuid.uuid4().hex[:12]}"
        self.topic = create_topic(address, f"t-{uuid.uuid4().hex[:12]}", partitions, topic_configs)
        self.partitions = {f"{self.topic}-{number}" for number in range(partitions)}
        self.configure(**{"share.auto.offset.reset": "earliest", **(configs or {})})

    def configure(self, **configs):
        operations = [["SET", name, str(value)] for name, value in configs.items()]
        self.java.call("alterConfigs", self.address, type="GROUP", name=self.group, operations=operations)

    def produce(self, values, partition=0, codec="none"):
        records = [Record(value.encode()) for value in values]
        return Confluent().produce(self.address, self.topic, records, codec=codec, partition=partition)

    def call(self, operation, name, **arguments):
        return self.java.call(operation, self.address, name=f"{self.group}-{name}", **arguments)

    def consumer(self, name, properties=None):
        self.call("shareOpen", name, group=self.group, topics=[self.topic], properties=properties or {})
        self.open.append(name)

    def poll(self, name, timeout=15):
        """The records of one poll that found some: [topic, partition, offset, value, delivery count]."""
        return self.call("sharePoll", name, timeoutMs=int(timeout * 1000))

    def values(self, name, count, timeout=15):
        """(value, delivery count) of the next `count` records, in order."""
        found = []
        while len(found) < count:
            more = self.poll(name, timeout)
            assert more, f"{len(found)} of {count} records came: {found[:10]}"
            found += more
        return [(value, deliveries) for *_, value, deliveries in found]

    def acknowledge(self, name, records, type_="ACCEPT"):
        self.call("shareAcknowledge", name, records=records, type=type_)

    def commit(self, name):
        """The one partition's result: None, or the exception's name."""
        answers = self.call("shareCommit", name)
        assert len(answers) == 1 and answers.keys() <= self.partitions, answers
        return next(iter(answers.values()))

    def accept(self, name, records):
        self.acknowledge(name, records)
        assert self.commit(name) is None

    def accept_all(self, name, count, timeout=15):
        """As `values`, of a consumer in explicit mode that accepts each batch."""
        found = []
        while len(found) < count:
            more = self.poll(name, timeout)
            assert more, f"{len(found)} of {count} records came: {found[:10]}"
            self.accept(name, more)
            found += more
        return [(value, deliveries) for *_, value, deliveries in found]

    def close(self, name):
        self.open.remove(name)
        self.call("shareClose", name)

    def close_all(self):
        for name in list(self.open):
            self.close(name)

    def done(self):
        """Whether all partitions are accepted to their ends, as the group's offsets tell."""
        told = self.java.call("shareGroupOffsets", self.address, group=self.group)
        return bool(told) and all(one is not None and one[1] == 0 for one in told.values())


@pytest.fixture
def shared(java, sharing):
    """Makes topics with groups on this file's broker."""
    made = []

    def make(**options):
        made.append(Shared(java, sharing.address, **options))
        return made[-1]

    yield make
    for one in made:
        one.close_all()


def names(count, prefix="v"):
    return [f"{prefix}{number}" for number in range(count)]


def once(values):
    return [(value, 1) for value in values]


# -- delivery --------------------------------------------------------------------------------------------------------


def test_one_consumer_gets_each_record_once(shared):
    s = shared()
    s.produce(names(200))
    s.consumer("a")
    assert s.values("a", 200) == once(names(200))
    s.produce(["later"])
    assert s.values("a", 1) == [("later", 1)]
    assert s.commit("a") is None
    wait_until(s.done)
    s.close("a")
    s.produce(["last"])
    s.consumer("b")
    assert s.values("b", 1) == [("last", 1)]


def test_a_group_starts_at_the_end_unless_told_otherwise(shared):
    s = shared(configs={"share.auto.offset.reset": "latest"})
    s.produce(["before"])
    s.consumer("a")
    # Nobody knows when the first fetch has fixed the start; whatever comes first is not from before it.
    produced = []

    def came():
        produced.append(f"after{len(produced)}")
        s.produce(produced[-1:])
        return s.poll("a", 0.3)

    found = [value for *_, value, _ in wait_until(came)]
    while found[-1] != produced[-1]:
        found += [value for value, _ in s.values("a", 1)]
    assert found == produced[-len(found) :]


def test_a_group_starts_at_the_first_record_that_is_not_too_old(shared):
    s = shared(configs={"share.auto.offset.reset": "by_duration:PT1H"}, partitions=2)
    now = int(time.time() * 1000)
    old, new = now - 2 * 3_600_000, now - 60_000
    # Of the second partition all is too old: it is read from its end.
    for partition, ages in enumerate(([old, old + 1, new, old + 2, now], [old, old])):
        records = [Record(f"{partition}-{at}".encode(), timestamp=age) for at, age in enumerate(ages)]
        Confluent().produce(s.address, s.topic, records, partition=partition)
    s.consumer("a", {**EXPLICIT, "share.acquire.mode": "record_limit"})
    assert sorted(s.accept_all("a", 3)) == once(["0-2", "0-3", "0-4"])

    def begun():
        s.poll("a", 0.3)
        return s.java.call("shareGroupOffsets", s.address, group=s.group)[f"{s.topic}-1"] == [2, 0]

    wait_until(begun)
    Confluent().produce(s.address, s.topic, [Record(b"later", timestamp=old)], partition=1)
    assert s.accept_all("a", 1) == [("later", 1)]
    wait_until(s.done)


def test_a_deleted_topic_leaves_the_others_as_they_are(shared, java):
    s = shared()
    gone = create_topic(s.address, f"gone-{s.topic}")
    s.produce(names(10))
    Confluent().produce(s.address, gone, [Record(b"old")] * 10)
    s.call("shareOpen", "a", group=s.group, topics=[s.topic, gone], properties=ONE_BY_ONE)
    s.open.append("a")
    found = []
    while len({topic for topic, *_ in found}) < 2:
        records = s.poll("a")
        assert records, found
        s.call("shareAcknowledge", "a", records=records, type="ACCEPT")
        assert set(s.call("shareCommit", "a").values()) == {None}
        found += records
    java.call("deleteTopic", s.address, topic=gone)
    wait_until(lambda: list(java.call("shareGroupOffsets", s.address, group=s.group)) == [f"{s.topic}-0"])
    accepted = [value for topic, _, _, value, _ in found if topic == s.topic]
    while len(accepted) < 10:
        records = s.poll("a")
        s.call("shareAcknowledge", "a", records=records, type="ACCEPT")
        s.call("shareCommit", "a")
        accepted += [value for topic, _, _, value, _ in records if topic == s.topic]
    assert accepted == names(10)
    # Another topic by the name, which whoever asks for it creates, is read from its start.
    Confluent().produce(s.address, gone, [Record(b"new")] * 3)
    found = s.values("a", 1, 30)
    assert found == [("new", 1)]
    assert java.call("shareGroupOffsets", s.address, group=s.group)[f"{s.topic}-0"] == [10, 0]


def test_three_consumers_share_one_partition(shared):
    s = shared()
    s.produce(names(300))
    few = {**EXPLICIT, "share.acquire.mode": "record_limit", "max.poll.records": 10}
    for name in "abc":
        s.consumer(name, few)
    # Each holds records of the one partition while the others do.
    held = {name: s.poll(name) for name in "abc"}
    assert all(0 < len(records) <= 10 for records in held.values())
    found = []
    while len(found) < 300:
        for name in "abc":
            records = held.pop(name, None) or s.poll(name, 0.3)
            if records:
                s.accept(name, records)
                found += records
    assert sorted(r[2] for r in found) == list(range(300)) and {r[4] for r in found} == {1}
    assert sorted(r[3] for r in found) == sorted(names(300))
    wait_until(s.done)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_many_partitions_and_consumers(shared, codec):
    s = shared(partitions=8)
    expected = set()
    for partition in range(8):
        values = names(625, f"{partition}-")
        s.produce(values, partition, codec)
        expected |= set(values)
    s.call("shareWork", "all", group=s.group, topics=[s.topic], consumers=4, implicit=True)
    wait_until(lambda: s.call("shareProgress", "all")[1] == 5000, 40, "5000 records, each confirmed")
    told = s.call("shareStop", "all")
    assert told["failures"] == []
    found = [record for _, kind, records in told["events"] if kind == "seen" for record in records]
    assert len(found) == 5000 and {r[3] for r in found} == expected and {r[4] for r in found} == {1}
    wait_until(s.done)


def test_large_records(shared):
    s = shared()
    generator = random.Random(1)
    values = [generator.randbytes(500_000) for _ in range(6)]
    Confluent().produce(s.address, s.topic, [Record(value) for value in values])
    s.consumer("a", EXPLICIT)
    assert s.accept_all("a", 6) == [(f"500000:{zlib.crc32(value)}", 1) for value in values]
    wait_until(s.done)


def test_a_compacted_topic_is_read_to_its_end(shared):
    s = shared(topic_configs=EAGER)
    # Keys that are overwritten leave gaps between those that are not.
    pairs = [(b"same" if n % 3 else b"k%d" % n, b"%d" % n + b"." * 60) for n in range(3000)]
    write(s.address, s.topic, pairs)
    wait_until(lambda: len(everything(s.address, s.topic)) < 2500, 30, "compaction")
    s.consumer("a", EXPLICIT)
    latest = {key: value.decode().split(".")[0] for key, value in pairs}
    found, missing = set(), set(latest.values())
    while missing:
        records = s.poll("a")
        assert records, f"{len(missing)} records did not come, such as {sorted(missing)[:3]}"
        offsets = [r[2] for r in records]
        assert offsets == sorted(set(offsets)) and not found.intersection(offsets)
        found.update(offsets)
        missing -= {pairs[offset][1].decode().split(".")[0] for offset in offsets}
        s.accept("a", records)
    wait_until(s.done)


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_records_of_transactions(shared, java, isolation):
    s = shared(configs={"share.isolation.level": isolation})
    producer = f"p-{s.group}"
    java.call("txnOpen", s.address, name=producer, properties={"transactional.id": producer})
    ends = {"no": "txnAbort", "yes": "txnCommit", "never": "txnAbort"}
    for prefix, end in ends.items():
        java.call("txnBegin", s.address, name=producer)
        records = [{"partition": 0, "value": rebase(value.encode())} for value in names(10, prefix)]
        java.call("txnSend", s.address, name=producer, topic=s.topic, records=records)
        java.call(end, s.address, name=producer)
    java.call("txnClose", s.address, name=producer)
    s.produce(["plain"])
    s.consumer("a", EXPLICIT)
    expected = names(10, "yes") + ["plain"]
    if isolation == "read_uncommitted":
        expected = names(10, "no") + names(10, "yes") + names(10, "never") + ["plain"]
    assert s.accept_all("a", len(expected)) == once(expected)
    wait_until(s.done)


# -- acknowledgement -------------------------------------------------------------------------------------------------


def test_records_are_accepted_released_and_rejected(shared):
    s = shared()
    s.produce(names(4))
    s.consumer("a", EXPLICIT)
    records = s.poll("a")
    while len(records) < 4:
        s.acknowledge("a", records, "RELEASE")
        assert s.commit("a") is None
        records = s.poll("a")
    before = records[1][4]
    s.acknowledge("a", [records[0], records[3]])
    s.acknowledge("a", [records[1]], "RELEASE")
    s.acknowledge("a", [records[2]], "REJECT")
    assert s.commit("a") is None
    again = s.poll("a")
    assert [(r[3], r[4]) for r in again] == [("v1", before + 1)]
    s.accept("a", again)
    s.produce(["end"])
    assert s.accept_all("a", 1) == [("end", 1)]
    wait_until(s.done)
    with pytest.raises(JavaError) as refused:
        s.acknowledge("a", [records[0]])
    assert refused.value.type == "IllegalStateException"


def test_a_record_is_given_up_at_the_delivery_limit(shared):
    s = shared(configs={"share.delivery.count.limit": 2})
    s.produce(["poison"])
    s.consumer("a", EXPLICIT)
    for deliveries in (1, 2):
        records = s.poll("a")
        assert [(r[3], r[4]) for r in records] == [("poison", deliveries)]
        s.acknowledge("a", records, "RELEASE")
        assert s.commit("a") is None
    s.produce(["good"])
    assert s.accept_all("a", 1) == [("good", 1)]
    wait_until(s.done)


def test_a_lock_that_ends_gives_the_record_to_another(shared):
    s = shared(configs={"share.record.lock.duration.ms": 1000})
    s.produce(["slow"])
    s.consumer("a", EXPLICIT)
    held = s.poll("a")
    assert [r[3] for r in held] == ["slow"]
    s.consumer("b", EXPLICIT)
    taken = s.poll("b")
    assert [(r[3], r[4]) for r in taken] == [("slow", 2)]
    s.acknowledge("a", held)
    # The other has it, or had it: whichever the broker says, the first did not get it acknowledged.
    assert s.commit("a") == "InvalidRecordStateException"


def test_a_renewed_lock_does_not_end(shared):
    s = shared(configs={"share.record.lock.duration.ms": 10_000})
    # Both are members before a lock begins, as joining takes its time.
    for name in "ba":
        s.consumer(name, ONE_BY_ONE)
        s.produce([f"for {name}"])
        s.accept(name, s.poll(name))
    s.produce(["renewed", "left"])
    mine, left = s.poll("a"), s.poll("b")
    assert [r[3] for r in mine + left] == ["renewed", "left"]
    # The first renews for longer than the second's lock takes, which began after the first's.
    s.configure(**{"share.record.lock.duration.ms": 60_000})
    s.acknowledge("a", mine, "RENEW")
    assert s.commit("a") is None
    assert [r[3] for r in s.poll("a")] == ["renewed"]
    s.consumer("c", ONE_BY_ONE)
    taken = s.poll("c", 30)
    assert [(r[3], r[4]) for r in taken] == [("left", 2)]
    s.accept("c", taken)
    s.accept("a", mine)
    wait_until(s.done)


def test_what_a_consumer_holds_is_free_when_it_closes(shared):
    s = shared()
    s.produce(names(5))
    s.consumer("a", EXPLICIT)
    held = s.poll("a")
    assert held
    s.consumer("b", EXPLICIT)
    s.close("a")
    # Far sooner than the lock's thirty seconds.
    found = s.accept_all("b", 5)
    assert sorted(v for v, _ in found) == names(5)
    wait_until(s.done)


def test_what_a_killed_consumer_held_comes_to_another(shared, java, tmp_path):
    s = shared(configs={"share.record.lock.duration.ms": 1000})
    s.produce(names(5))
    options = {"bootstrap": s.address, "group": s.group, "topics": [s.topic], "properties": EXPLICIT}
    command = ["java", *JVM_FLAGS, "-cp", f"{java.folder}:{class_path()}", "ShareConsumers", json.dumps(options)]
    child = Child(command, tmp_path / "held.log")
    try:
        wait_until(lambda: child.named("records") or not child.alive, 30, "records of the consumer to be killed")
        assert child.alive, child.tail()
    finally:
        child.kill()
    s.consumer("a", EXPLICIT)
    assert sorted(value for value, _ in s.accept_all("a", 5)) == names(5)
    wait_until(s.done)


def test_records_that_are_deleted_do_not_come(shared, java):
    s = shared()
    s.produce(names(100))
    s.consumer("a", {**EXPLICIT, "share.acquire.mode": "record_limit", "max.poll.records": 10})
    held = s.poll("a")
    assert held[0][2] == 0 and len(held) <= 10
    java.call("deleteRecords", s.address, topic=s.topic, partition=0, before=50)
    s.acknowledge("a", held)
    # What is gone may be acknowledged or be refused.
    assert s.commit("a") in (None, "InvalidRecordStateException")
    found = []
    while not found or found[-1] != "v99":
        records = s.poll("a")
        assert records and all(r[2] >= 50 for r in records), records
        s.accept("a", records)
        found += [r[3] for r in records]
    assert found == names(100)[50:]
    wait_until(s.done)


# -- the broker ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_nothing_confirmed_comes_again_after_a_restart(java, make_broker, kill):
    broker = make_broker(QUICK)
    find_coordinator(broker.address)
    s = Shared(java, broker.address, partitions=2, configs={"share.record.lock.duration.ms": 3000})
    few = {**EXPLICIT, "max.poll.records": 10, "share.acquire.mode": "record_limit"}
    s.call("shareWork", "all", group=s.group, topics=[s.topic], consumers=3, properties=few)
    count = 0

    def more():
        nonlocal count
        count += 200
        for partition in range(2):
            s.produce(names(100, f"{count}-"), partition)

    for number in range(3):
        confirmed = s.call("shareProgress", "all")[1]
        more()
        wait_until(lambda: s.call("shareProgress", "all")[1] > confirmed, 60, "some confirmed")  # noqa: B023
        # However fast the others are: one holds records that it does not acknowledge.
        holder = f"holder{number}"
        s.consumer(holder, few)
        held = []
        while not held:
            more()
            held = s.poll(holder, 1)
        broker.restart(kill=kill)
        s.close(holder)
    wait_until(lambda: s.call("shareProgress", "all")[0] == count, 90, "all records")
    wait_until(s.done, 60)
    told = s.call("shareStop", "all")
    assert not any("ended" in failure or "at work" in failure for failure in told["failures"]), told["failures"]
    confirmed = set()
    for consumer, kind, records in told["events"]:
        places = {tuple(record[:3]) for record in records}
        again = places & confirmed
        assert not again, f"{kind} by {consumer} after it was confirmed: {sorted(again)[:5]}"
        if kind == "confirmed":
            confirmed |= places
    broker.stop()


# -- abuse -----------------------------------------------------------------------------------------------------------


class Raw:
    """A member by its own connection. Ten records wait for it."""

    def __init__(self, shared, java):
        s = self.shared = shared()
        s.produce(names(10))
        described = java.call("describeTopic", s.address, topic=s.topic)
        # Kafka's text of an id is base64 for URLs.
        self.topic = uuid.UUID(bytes=base64.urlsafe_b64decode(described["id"] + "=="))
        self.group, self.member = s.group, str(uuid.uuid4())
        self.connection = Connection(s.address)
        error, epoch = share_heartbeat(self.connection, self.group, self.member, 0, [s.topic])
        assert (error, epoch) == (0, 1)

    def fetch(self, epoch, batches=(), partition=0, **options):
        member = options.pop("member", self.member)
        topic = options.pop("topic", self.topic)
        return share_fetch(self.connection, self.group, member, epoch, [(topic, partition, batches)], **options)

    def acknowledge(self, epoch, *batches, partition=0, topic=None, member=None):
        """(error of the request, error of the partition or None)."""
        topic = topic or self.topic
        partitions = [(topic, partition, batches)] if batches else []
        answer = share_acknowledge(self.connection, self.group, member or self.member, epoch, partitions)
        part = answer.parts.get((topic.bytes, partition))
        return answer.error, part.error if part else None

    def acquire(self):
        """A session whose member holds all ten records; the session's next epoch."""
        return self.fetch_until(0, [(0, 9, 1)])

    def fetch_until(self, epoch, acquired=None):
        """Fetches until there are records; the session's next epoch."""
        while True:
            answer = self.fetch(epoch, max_wait=500, min_bytes=1)
            assert answer.error == 0, answer
            part = answer.parts.get((self.topic.bytes, 0))
            epoch += 1
            if part and part.acquired:
                assert part.error == 0 and (acquired is None or part.acquired == acquired), part
                return epoch


@pytest.fixture
def raw(shared, java, sharing):
    pid = sharing.pid
    one = Raw(shared, java)
    yield one
    one.connection.socket.close()
    assert sharing.alive and sharing.pid == pid, sharing.log()[-4000:]


def test_sessions_have_epochs(raw):
    assert raw.fetch(1).error == SESSION_NOT_FOUND
    assert raw.fetch(7).error == SESSION_NOT_FOUND
    assert raw.acknowledge(1, (0, 0, [1]))[0] == SESSION_NOT_FOUND
    assert raw.acknowledge(-1)[0] == SESSION_NOT_FOUND
    # A session begins with ShareFetch, and without acknowledgements.
    assert raw.acknowledge(0, (0, 0, [1]))[0] == INVALID_SESSION_EPOCH
    assert raw.fetch(0, [(0, 0, [1])]).error == INVALID_REQUEST
    epoch = raw.acquire()
    for wrong in (epoch + 1, epoch - 1 or 99, 2**31 - 1, -2, -(2**31)):
        assert raw.fetch(wrong).error == INVALID_SESSION_EPOCH, wrong
        assert raw.acknowledge(wrong, (0, 0, [1]))[0] == INVALID_SESSION_EPOCH, wrong
    assert raw.fetch(epoch, member=str(uuid.uuid4())).error == SESSION_NOT_FOUND
    # Nothing of this has moved the session.
    assert raw.acknowledge(epoch, (0, 9, [1])) == (0, 0)
    assert raw.acknowledge(-1) == (0, None)
    assert raw.fetch(epoch + 1).error == SESSION_NOT_FOUND


def test_topics_and_partitions_that_are_not_there(raw):
    unknown = uuid.uuid4()
    answer = raw.fetch(0, topic=unknown)
    assert answer.error == 0 and answer.parts[unknown.bytes, 0].error == UNKNOWN_TOPIC_ID
    for epoch, partition in ((1, 1), (2, 2**31 - 1), (3, -1)):
        answer = raw.fetch(epoch, partition=partition)
        assert answer.error == 0 and answer.parts[raw.topic.bytes, partition].error == UNKNOWN_TOPIC_OR_PARTITION
    assert raw.acknowledge(4, (0, 0, [1]), topic=unknown) == (0, UNKNOWN_TOPIC_ID)
    assert raw.acknowledge(5, (0, 0, [1]), partition=1) == (0, UNKNOWN_TOPIC_OR_PARTITION)


WRONG_BATCHES = {
    "backward": [(5, 2, [1])],
    "overlapping": [(0, 5, [1]), (3, 9, [1])],
    "unordered": [(5, 9, [1]), (0, 4, [1])],
    "no type": [(0, 9, [])],
    "two types for ten": [(0, 9, [1, 1])],
    "ten types for two": [(0, 1, [1] * 10)],
    "type 5": [(0, 9, [5])],
    "type -1": [(0, 9, [-1])],
    "type 127": [(0, 9, [1] * 9 + [127])],
    "the whole range of offsets": [(-(2**63), 2**63 - 1, [1, 1])],
}

UNHELD_BATCHES = {
    "beyond the end": [(10, 10, [1])],
    "over the end": [(0, 10, [1])],
    "far away": [(2**62, 2**63 - 1, [1])],
    "all there can be": [(0, 2**63 - 1, [1])],
}


@pytest.mark.parametrize("request_", ["fetch", "acknowledge"])
def test_acknowledgements_that_cannot_be(raw, request_):
    epoch = raw.acquire()
    for what, batches in (WRONG_BATCHES | UNHELD_BATCHES).items():
        if request_ == "acknowledge":
            assert raw.acknowledge(epoch, *batches) == (0, INVALID_REQUEST), what
        else:
            answer = raw.fetch(epoch, batches)
            assert answer.error == 0 and answer.parts[raw.topic.bytes, 0].acknowledge_error == INVALID_REQUEST, what
        epoch += 1
    # None of them has touched what is held. What is done with is passed over; behind it what is not held is refused.
    types = [1, 1, 1, 2, 3, 1, 1, 1, 1, 1]
    assert raw.acknowledge(epoch, (0, 9, types)) == (0, 0)
    assert raw.acknowledge(epoch + 1, (0, 2, [1])) == (0, 0)
    for number, batch in enumerate([(3, 3, [1]), (0, 3, [1]), (4, 4, [2]), (5, 9, [1])]):
        assert raw.acknowledge(epoch + 2 + number, batch) == (0, INVALID_RECORD_STATE), batch
    # A partition that is named is told of, whether or not it is acknowledged anything of it.
    named = [(raw.topic, 0, []), (raw.topic, 7, [])]
    answer = share_acknowledge(raw.connection, raw.group, raw.member, epoch + 6, named)
    assert {place[1]: part.error for place, part in answer.parts.items()} == {0: 0, 7: UNKNOWN_TOPIC_OR_PARTITION}
    part = raw.fetch(epoch + 7, max_wait=5000, min_bytes=1).parts[raw.topic.bytes, 0]
    assert part.acquired == [(3, 3, 2)]


def test_a_record_is_acknowledged_by_its_holder_alone(raw):
    epoch = raw.acquire()
    other = str(uuid.uuid4())
    with Connection(raw.shared.address) as connection:
        assert share_heartbeat(connection, raw.group, other, 0, [raw.shared.topic])[0] == 0
        answer = share_fetch(connection, raw.group, other, 0, [(raw.topic, 0, [])])
        assert answer.error == 0 and not any(part.acquired for part in answer.parts.values())
        answer = share_acknowledge(connection, raw.group, other, 1, [(raw.topic, 0, [(0, 9, [1])])])
        assert answer.parts[raw.topic.bytes, 0].error == INVALID_RECORD_STATE
    assert raw.acknowledge(epoch, (0, 9, [1])) == (0, 0)


def test_who_is_no_member_reads_what_the_group_has_begun(raw):
    """As in Kafka, where the partition's leader does not know the members."""
    s, stranger = raw.shared, str(uuid.uuid4())
    with Connection(s.address) as connection:
        answer = share_fetch(connection, raw.group, stranger, 0, [(raw.topic, 0, [])], max_wait=10_000, min_bytes=1)
        assert answer.parts[raw.topic.bytes, 0].acquired == [(0, 9, 1)]
        answer = share_acknowledge(connection, raw.group, stranger, 1, [(raw.topic, 0, [(0, 9, [1])])])
        assert answer.error == answer.parts[raw.topic.bytes, 0].error == 0
        # Nothing is kept for groups that there are not, nor of what a group does not read.
        for group, topic in ((f"none-{raw.group}", s.topic), (raw.group, create_topic(s.address, f"u-{s.topic}"))):
            described = s.java.call("describeTopic", s.address, topic=topic)
            topic_id = uuid.UUID(bytes=base64.urlsafe_b64decode(described["id"] + "=="))
            answer = share_fetch(connection, group, stranger, 0, [(topic_id, 0, [])])
            assert answer.error == 0 and answer.parts[topic_id.bytes, 0].error == UNKNOWN_SERVER_ERROR
    offsets = s.java.call("shareGroupOffsets", s.address, group=raw.group)
    assert list(offsets) == [f"{s.topic}-0"]


def test_locks_are_not_renewed_where_that_is_not_permitted(raw):
    epoch = raw.acquire()
    raw.shared.configure(**{"share.renew.acknowledge.enable": "false"})
    at = [raw.connection, raw.group, raw.member]
    answer = share_acknowledge(*at, epoch, [(raw.topic, 0, [(0, 9, [4])])], renews=True)
    assert answer.parts[raw.topic.bytes, 0].error == INVALID_RECORD_STATE
    answer = share_acknowledge(*at, epoch + 1, [(raw.topic, 0, [(0, 9, [4])])])
    assert answer.parts[raw.topic.bytes, 0].error == INVALID_REQUEST
    assert raw.acknowledge(epoch + 2, (0, 9, [1])) == (0, 0)


def test_a_connection_that_ends_frees_what_its_member_held(raw):
    raw.acquire()
    raw.connection.socket.close()
    other = str(uuid.uuid4())
    with Connection(raw.shared.address) as connection:
        assert share_heartbeat(connection, raw.group, other, 0, [raw.shared.topic])[0] == 0
        epoch = 0

        def freed():
            nonlocal epoch
            answer = share_fetch(connection, raw.group, other, epoch, [(raw.topic, 0, [])], max_wait=500, min_bytes=1)
            assert answer.error == 0
            epoch += 1
            return [one for part in answer.parts.values() for one in part.acquired]

        # What its member did not acknowledge counts as not delivered.
        assert wait_until(freed) == [(0, 9, 1)]


def test_there_are_no_more_sessions_than_allowed(make_broker):
    broker = make_broker({**QUICK, "group.share.max.size": 3, "group.share.max.share.sessions": 5})
    find_coordinator(broker.address)
    topic = create_topic(broker.address, "t")
    with Connection(broker.address) as connection:
        members = [(f"g{number % 2}", str(uuid.uuid4())) for number in range(6)]
        for group, member in members:
            assert share_heartbeat(connection, group, member, 0, [topic])[0] == 0
        # The group has its own limit.
        assert share_heartbeat(connection, "g0", str(uuid.uuid4()), 0, [topic])[0] == GROUP_MAX_SIZE_REACHED
        assert [share_fetch(connection, *one, 0).error for one in members] == [0] * 5 + [SESSION_LIMIT_REACHED]
        # One that begins anew needs no more room; one that ends makes some.
        assert share_fetch(connection, *members[0], 0).error == 0
        assert share_acknowledge(connection, *members[0], -1).error == 0
        assert share_fetch(connection, *members[5], 0).error == 0
    broker.stop()


WAKES = ("append", "release", "lock", "close", "disconnect", "transaction", "nothing")


@pytest.mark.parametrize("what", WAKES)
def test_who_waits_is_woken(raw, java, what):
    """A fetch that may wait for minutes is answered as soon as there is something to give; else when its time is up."""
    s = raw.shared
    epoch = raw.acquire()
    if what == "lock":
        # The lock of what comes next, which those that are held already do not have.
        assert raw.acknowledge(epoch, (0, 9, [2])) == (0, 0)
        s.configure(**{"share.record.lock.duration.ms": 1000})
        epoch = raw.fetch_until(epoch + 1)
    if what == "transaction":
        s.configure(**{"share.isolation.level": "read_committed"})
        producer = f"p-{s.group}"
        java.call("txnOpen", s.address, name=producer, properties={"transactional.id": producer})
        java.call("txnBegin", s.address, name=producer)
        java.call("txnSend", s.address, name=producer, topic=s.topic, records=[{"partition": 0, "value": rebase(b"x")}])
    other = str(uuid.uuid4())
    with Connection(s.address) as connection:
        assert share_heartbeat(connection, raw.group, other, 0, [s.topic])[0] == 0
        connection.correlation += 1
        wait = 300 if what == "nothing" else 100_000
        body = fetch_body(raw.group, other, 0, [(raw.topic, 0, [])], max_wait=wait, min_bytes=1)
        connection.send(frame(header(FETCH, 2, connection.correlation, flexible=True) + body))
        # The session that it opens shows that it has come.
        wait_until(lambda: share_acknowledge(raw.connection, raw.group, other, 9).error == INVALID_SESSION_EPOCH)
        match what:
            case "append":
                s.produce(["x"])
            case "release":
                assert raw.acknowledge(epoch, (3, 4, [2])) == (0, 0)
            case "close":
                assert raw.acknowledge(-1) == (0, None)
            case "disconnect":
                raw.connection.socket.close()
            case "transaction":
                java.call("txnCommit", s.address, name=producer)
                java.call("txnClose", s.address, name=producer)
        answer = decode(connection.response(connection.correlation), True)
        assert answer.error == 0
        acquired = [one for part in answer.parts.values() for one in part.acquired]
        assert acquired == {
            "append": [(10, 10, 1)], "transaction": [(10, 10, 1)], "release": [(3, 4, 2)], "lock": [(0, 9, 3)],
            "close": [(0, 9, 1)], "disconnect": [(0, 9, 1)], "nothing": [],
        }[what]  # fmt: skip


@pytest.mark.parametrize("how", ["closed", "opened anew"])
def test_a_session_that_is_over_takes_nothing_any_more(raw, how):
    """Its fetch still waits while another connection ends it; what comes then is for others."""
    s, other = raw.shared, str(uuid.uuid4())
    epoch = raw.acquire()
    assert raw.acknowledge(epoch, (0, 9, [1])) == (0, 0)
    waiting = raw.connection
    waiting.correlation += 1
    body = fetch_body(raw.group, raw.member, epoch + 1, [(raw.topic, 0, [])], max_wait=100_000, min_bytes=1)
    waiting.send(frame(header(FETCH, 2, waiting.correlation, flexible=True) + body))
    with Connection(s.address) as connection:
        # Once it has come, the session goes on with the number behind it.
        at = [raw.group, raw.member]
        wait_until(lambda: share_acknowledge(connection, *at, epoch + 2, []).error == 0)
        if how == "closed":
            assert share_acknowledge(connection, *at, -1).error == 0
        else:
            assert share_fetch(connection, *at, 0).error == 0
        # Its end is told at once.
        answer = decode(waiting.response(waiting.correlation), True)
        assert (answer.error, answer.parts) == (SESSION_NOT_FOUND, {})
        s.produce(["x"])
        assert share_heartbeat(connection, raw.group, other, 0, [s.topic])[0] == 0
        answer = share_fetch(connection, raw.group, other, 0, [(raw.topic, 0, [])], max_wait=10_000, min_bytes=1)
        assert answer.parts[raw.topic.bytes, 0].acquired == [(10, 10, 1)]


def test_limits_that_mean_nothing(raw):
    """Sizes and counts at the ends of their types: an answer each, and no more records than there are."""
    for number in (0, -1, -(2**31), 2**31 - 1):
        for name in ("max_wait", "min_bytes", "max_bytes", "max_records", "batch_size"):
            if name == "max_wait" and number > 0:
                continue
            options = {"max_wait": 0, name: number}
            raw.fetch(0, **options)
    for mode in (1, 2, -1, 127):
        raw.fetch(0, mode=mode)
    for partitions in ([(raw.topic, 0, [])] * 500, [(uuid.uuid4(), n, []) for n in range(2000)], []):
        share_fetch(raw.connection, raw.group, raw.member, 0, partitions)
        share_acknowledge(raw.connection, raw.group, raw.member, 1, [(t, p, [(0, 0, [1])]) for t, p, _ in partitions])


COUNT = uvarint(2**31 - 1)


@pytest.mark.parametrize("key", [FETCH, ACKNOWLEDGE])
def test_counts_that_are_not_true(raw, sharing, key):
    """A few bytes that announce billions of elements, and each prefix of a request that is true."""
    before = sharing.status_kib()
    named = text(raw.group) + text(raw.member) + struct.pack(">i", 0)
    head = named + (bytes(22) if key == FETCH else b"\x00")
    one_topic = head + b"\x02" + raw.topic.bytes
    one_partition = one_topic + b"\x02" + bytes(4)
    partitions = [(raw.topic, 0, [(0, 9, [1])])]
    body = fetch_body if key == FETCH else acknowledge_body
    whole = body(raw.group, raw.member, 0, partitions)
    bodies = [COUNT, head + COUNT, one_topic + COUNT, one_partition + COUNT]
    bodies += [one_partition + b"\x02" + bytes(16) + COUNT, head + b"\xff" * 9 + b"\x01"]
    for broken in bodies + [whole[:count] for count in range(len(whole))]:
        with Connection(raw.shared.address) as connection:
            with pytest.raises(ConnectionClosed):
                connection.request(key, 2, broken, flexible=True)
    assert sharing.status_kib() - before < 100 << 10
    assert end_offset(raw.shared.address, raw.shared.topic) == (0, 10)
