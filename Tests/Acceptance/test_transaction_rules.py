"""Kafka's rules for transactions, request by request: states, fencing, last stable offset, what survives a crash."""

import base64
import random
import uuid

import pytest

from clients import Confluent, create_topic, end_offset
from groups_wire import committed, find_coordinator
from process import wait_until
from transactions_wire import Transaction, read, stable_offset
from wire import REQUESTS, Connection, api_versions, batch, fetch, init_producer_id, produce

GENERATIONS = ("old", "new")


@pytest.fixture(scope="module", autouse=True)
def coordinator(bootstrap):
    find_coordinator(bootstrap)
    find_coordinator(bootstrap, kind=1)


@pytest.fixture
def connection(bootstrap):
    with Connection(bootstrap) as opened:
        yield opened


PROMISED = {22: (0, 5), 24: (0, 5), 25: (0, 4), 26: (0, 5), 27: (1, 2), 28: (0, 5), 65: (0, 0), 66: (0, 1)}


def test_the_transaction_requests_are_listed(bootstrap):
    listed = api_versions(bootstrap)
    for key, (low, high) in PROMISED.items():
        assert key in listed and listed[key][0] <= low and high <= listed[key][1], (key, listed.get(key))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_is_committed_is_read_and_what_is_aborted_is_not(connection, topic, fresh, generation):
    one = Transaction(connection, fresh("x"), generation)
    one.send(topic, [b"1", b"2"])
    assert stable_offset(connection, topic) == (0, 2)
    assert read(connection, topic) == [] and read(connection, topic, committed=False) == [b"1", b"2"]
    one.commit()
    wait_until(lambda: stable_offset(connection, topic) == (3, 3), 10, "the marker")
    one.send(topic, [b"3"])
    one.abort()
    wait_until(lambda: stable_offset(connection, topic) == (5, 5), 10, "the marker")
    one.send(topic, [b"4"])
    one.commit()
    wait_until(lambda: stable_offset(connection, topic) == (7, 7), 10, "the marker")
    assert read(connection, topic) == [b"1", b"2", b"4"]
    assert read(connection, topic, committed=False) == [b"1", b"2", b"3", b"4"]
    for start, rest in ((1, [b"2", b"4"]), (3, [b"4"]), (4, [b"4"]), (6, [])):
        assert read(connection, topic, start=start) == rest, start


@pytest.mark.parametrize("generation", GENERATIONS)
def test_epochs(connection, topic, fresh, generation):
    """KIP-98: one epoch while a producer lives; KIP-890: a new one with each end."""
    one = Transaction(connection, fresh("x"), generation)
    identity = one.id, one.epoch
    one.send(topic, [b"1"])
    one.commit()
    assert (one.id, one.epoch) == (identity if generation == "old" else (identity[0], identity[1] + 1))
    again = Transaction(connection, one.name, generation)
    assert again.id == identity[0] and again.epoch > one.epoch
    other = Transaction(connection, fresh("x"), generation)
    assert other.id != again.id


def test_starting_refuses(connection, fresh):
    def start(name, timeout, version=4, **fields):
        answer = connection.call(
            REQUESTS[22](
                version=version, transactional_id=name, transaction_timeout_ms=timeout,
                **({"producer_id": -1, "producer_epoch": -1} if version >= 3 else {}) | fields,
            )
        )  # fmt: skip
        return answer.error_code

    assert start("", 1000) == 42
    assert start(fresh("x"), 0) == 50 and start(fresh("x"), -1) == 50
    assert start(fresh("x"), 900_001) == 50, "transaction.max.timeout.ms is 15 minutes"
    assert start(fresh("x"), 900_000) == 0
    assert start(fresh("x"), 1000, producer_id=5, producer_epoch=-1) == 42
    assert start(None, 1000, producer_id=5, producer_epoch=-1) == 42
    assert start(None, 1000, producer_id=-1, producer_epoch=5) == 42
    assert start(None, 0) == 0, "nothing of a transaction is looked at without one"
    one = Transaction(connection, fresh("x"))
    assert start(one.name, 1000, producer_id=one.id + 1_000_000, producer_epoch=0) in (49, 90)
    assert one.start(current=True) == 0, "KIP-360: who knows the current epoch may raise it"
    assert start(one.name, 1000, producer_id=one.id, producer_epoch=one.epoch - 1) in (0, 90)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_ending_refuses(connection, topic, fresh, generation):
    one = Transaction(connection, fresh("x"), generation)
    assert one.end() == 48, "nothing was begun"
    one.send(topic, [b"1"])
    id_, one.id = one.id, one.id + 1_000_000
    assert one.end() == 49
    one.id, one.epoch = id_, one.epoch - 1
    assert one.end() in (47, 90)
    one.epoch += 1
    name, one.name = one.name, fresh("unknown")
    assert one.end() == 49
    one.name = name
    before = one.epoch
    one.commit()
    if generation == "old":
        assert one.end() == 0, "a repeated answer for a repeated request"
        assert one.end(False) == 48, "but not for the opposite"
    else:
        after, one.epoch = one.epoch, before
        assert one.end() == 0 and one.epoch == after, "a retry is told the epoch again"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_older_of_two_producers_is_fenced(bootstrap, topic, fresh, generation):
    """Everything that the older one sends is refused, and its open transaction is aborted."""
    with Connection(bootstrap) as first, Connection(bootstrap) as second:
        older = Transaction(first, fresh("x"), generation)
        older.send(topic, [b"lost"])
        newer = Transaction(second, older.name, generation)
        assert newer.id == older.id and newer.epoch > older.epoch
        wait_until(lambda: stable_offset(first, topic) == (2, 2), 10, "the older transaction is aborted")
        assert older.write(topic, [b"late"])[0] in (47, 90)
        for version in (2, 3):
            assert set(older.add(topic, version=version).values()) == {90}
            assert older.end(version=version) == 90
            assert older.add_offsets("g", version=version) == 90
        for version in (0, 1):
            assert set(older.add(topic, version=version).values()) == {47}
            assert older.end(version=version) == 47
        assert older.commit_offsets("g", topic, 1) in (47, 90)
        assert older.start(current=True) in (47, 90)
        newer.send(topic, [b"kept"])
        newer.commit()
        wait_until(lambda: read(first, topic) == [b"kept"], 10)


@pytest.mark.parametrize("version", range(6))
def test_adding_partitions_at_every_version(connection, topic, fresh, version):
    one = Transaction(connection, fresh("x"))
    assert one.add(topic, version=version) == {0: 0}
    assert one.write(topic, [b"%d" % version])[0] == 0
    assert set(one.add(fresh("absent"), version=version).values()) == {3}
    assert one.add(topic, [0, 9], version=version) == {0: 55, 9: 3}, "one that is wrong spoils the others"
    one.commit()


def test_every_version_of_a_transaction(connection, topic, fresh):
    """InitProducerId, AddOffsetsToTxn, TxnOffsetCommit and EndTxn at their n-th versions."""
    group, count = fresh("g"), 0
    for step in range(5):
        one = Transaction(connection, fresh("x"), start=False)
        assert one.start(version=min(step, 4)) == 0
        assert one.add(topic) == {0: 0}
        assert one.write(topic, [b"x"], version=(3, 5, 8, 9, 10)[step])[0] == 0
        assert one.add_offsets(group, version=min(step, 4)) == 0
        assert one.commit_offsets(group, topic, step, version=min(step, 4)) == 0
        assert one.end(version=min(step, 4)) == 0
        count += 1
        wait_until(lambda: committed(connection, group, topic) == (0, step, ""), 10, f"offsets at {step}")  # noqa: B023
        wait_until(lambda: len(read(connection, topic)) == count, 10)  # noqa: B023


@pytest.mark.parametrize(("version", "code"), [(9, 48), (10, 48), (11, 120)])
def test_records_outside_of_a_transaction_are_refused(connection, topic, fresh, version, code):
    """KIP-890: a partition that was not added, and a transaction that is not open."""
    one = Transaction(connection, fresh("x"))
    assert one.write(topic, [b"stray"], version=version)[0] == code
    assert one.add(topic) == {0: 0}
    assert one.write(topic, [b"1"], version=version)[0] == 0
    one.commit()
    wait_until(lambda: stable_offset(connection, topic) == (2, 2), 10)
    assert one.write(topic, [b"late"], version=version)[0] == code
    assert read(connection, topic, committed=False) == [b"1"]


def test_records_of_the_new_generation_add_their_partition(connection, java, bootstrap, topic, fresh):
    one = Transaction(connection, fresh("x"), "new")
    assert one.write(topic, [b"1"], version=12)[0] == 0
    identifier = java.call("describeTopic", bootstrap, topic=topic)["id"]
    identifier = uuid.UUID(bytes=base64.urlsafe_b64decode(identifier + "=="))
    assert one.write(topic, [b"2"], version=13, identifier=identifier)[0] == 0
    assert java.call("describeTransaction", bootstrap, id=one.name)["partitions"] == [f"{topic}-0"]
    one.commit()
    wait_until(lambda: read(connection, topic) == [b"1", b"2"], 10)


def test_transactional_records_need_their_id(connection, topic, fresh):
    """A transactional batch in a request without a transactional id, and under another one's id."""
    one = Transaction(connection, fresh("x"))
    assert one.add(topic) == {0: 0}
    data = batch([b"x"], one.id, one.epoch, 0, 1 << 4)
    assert produce(connection, topic, data).error_code == 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED, as Kafka says"
    name, one.name = one.name, fresh("other")
    assert one.write(topic, [b"x"])[0] in (48, 49)
    one.name = name
    assert one.write(topic, [b"kept"])[0] == 0
    one.commit()
    wait_until(lambda: read(connection, topic) == [b"kept"], 10)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_offsets_come_with_the_commit(connection, topic, fresh, generation):
    group, one = fresh("g"), Transaction(connection, fresh("x"), generation)

    def commit_offset(offset):
        if generation == "old":
            assert one.add_offsets(group) == 0
        assert one.commit_offsets(group, topic, offset) == 0

    commit_offset(5)
    assert committed(connection, group, topic) == (0, -1, "")
    assert committed(connection, group, topic, version=7, stable=True)[0] == 88, "UNSTABLE_OFFSET_COMMIT"
    assert committed(connection, group, topic, version=8, stable=True)[0] == 88
    one.commit()
    wait_until(lambda: committed(connection, group, topic, version=7, stable=True) == (0, 5, ""), 10)
    commit_offset(9)
    one.abort()
    wait_until(lambda: committed(connection, group, topic, version=7, stable=True)[0] == 0, 10)
    assert committed(connection, group, topic) == (0, 5, "")


def test_offset_commits_are_checked(connection, topic, fresh):
    group, one = fresh("g"), Transaction(connection, fresh("x"))
    assert one.add_offsets("") in (0, 24)
    assert one.add_offsets(group) == 0
    assert one.commit_offsets(group, topic, 1, generation=7, member="stranger") in (22, 25)
    assert one.commit_offsets(group, fresh("absent"), 1) == 3
    one.abort()


def test_a_long_transaction_holds_only_careful_readers(bootstrap, connection, topic, fresh):
    """The last stable offset stays before the first record of the oldest open transaction, whatever ends behind it."""
    with Connection(bootstrap) as other:
        slow, quick = Transaction(connection, fresh("slow")), Transaction(other, fresh("quick"))
        slow.send(topic, [b"slow"])
        for number in range(3):
            quick.send(topic, [b"quick-%d" % number])
            quick.commit() if number != 1 else quick.abort()
        produce(connection, topic, batch([b"plain"]))
        wait_until(lambda: stable_offset(connection, topic) == (0, 8), 10)
        assert read(connection, topic) == []
        assert read(connection, topic, committed=False) == [b"slow", b"quick-0", b"quick-1", b"quick-2", b"plain"]
        slow.abort()
        wait_until(lambda: stable_offset(connection, topic) == (9, 9), 10)
        assert read(connection, topic) == [b"quick-0", b"quick-2", b"plain"]


def test_a_careful_reader_that_waits_is_woken_by_the_marker(bootstrap, connection, topic, fresh):
    """Its fetch has nothing to wait for but the end of the transaction: no record is appended any more."""
    import time

    one = Transaction(connection, fresh("x"))
    one.send(topic, [b"1"])
    with Connection(bootstrap, timeout=30) as reader:
        from wire import encode, fetch_request

        request = fetch_request([(topic, 0, 0)], 11, max_wait=20_000, min_bytes=1, isolation=1)
        reader.correlation += 1
        reader.send(encode(request, reader.correlation))
        time.sleep(0.3)
        began = time.monotonic()
        one.commit()
        answer = reader.decode(request, reader.read_frame(), reader.correlation)
        assert time.monotonic() - began < 5
        assert answer.responses[0].partitions[0].last_stable_offset == 2


def test_aborted_data_over_several_segments(make_broker, fresh):
    """Every fetch names the aborted transactions of its range, also those that began segments before."""
    broker = make_broker()
    topic = create_topic(broker.address, "t", 1, {"internal.segment.bytes": "16384"})
    find_coordinator(broker.address, kind=1)
    generator = random.Random(7)
    expected, everything = [], []
    with Connection(broker.address) as connection:
        producers = [Transaction(connection, f"x{n}") for n in range(4)]
        open_values = {producer: [] for producer in producers}
        for number in range(300):
            producer = generator.choice(producers)
            value = b"%d-" % number + bytes(400)
            producer.send(topic, [value])
            open_values[producer].append(value)
            everything.append(value)
            if generator.random() < 0.2:
                if generator.random() < 0.5:
                    producer.commit()
                    expected += open_values[producer]
                else:
                    producer.abort()
                open_values[producer] = []
        for producer in producers:
            if open_values[producer]:
                producer.abort()
        assert len(broker.segment_files(topic)) >= 5
        for size in (700, 20_000, 1 << 20):
            assert sorted(read(connection, topic, partition_max_bytes=size)) == sorted(expected), size
            assert read(connection, topic, committed=False, partition_max_bytes=size) == everything
        for start in range(0, 300, 37):
            whole = [v for v in read(connection, topic, start=0)]
            assert read(connection, topic, start=start) == [
                v for v in whole if offset_of(connection, topic, v) >= start
            ]
    broker.restart(kill=True)
    with Connection(broker.address) as connection:
        assert sorted(read(connection, topic)) == sorted(expected)
    found = Confluent().consume(
        broker.address, topic, len(expected), properties={"isolation.level": "read_committed", "check.crcs": True}
    )
    assert sorted(r.value for r in found) == sorted(expected)


OFFSETS = {}


def offset_of(connection, topic, value):
    if topic not in OFFSETS:
        from transactions_wire import decode_values

        table, offset = {}, 0
        while True:
            values, markers = decode_values(fetch(connection, topic, offset).records)
            if not values and not markers:
                break
            table |= {v: o for o, _, v in values}
            offset = max(o for o, *_ in values + markers) + 1
        OFFSETS[topic] = table
    return OFFSETS[topic][value]


@pytest.mark.deadline(60)
def test_a_transaction_that_takes_too_long_is_aborted(make_broker, fresh):
    """By the coordinator alone, with a raised epoch: what its producer sends afterwards is refused."""
    broker = make_broker()
    topic = create_topic(broker.address, "t")
    find_coordinator(broker.address)
    find_coordinator(broker.address, kind=1)
    with Connection(broker.address) as connection:
        for generation in GENERATIONS:
            start = end_offset(broker.address, topic)[1]
            one = Transaction(connection, fresh("x"), generation, timeout=3000)
            one.send(topic, [b"late"])
            one.commit_offsets("g", topic, 1) if generation == "new" else None
            wait_until(lambda: stable_offset(connection, topic)[0] == start + 2, 15, "the abort")  # noqa: B023
            assert one.write(topic, [b"later"])[0] in (47, 48, 90, 120)
            assert one.end() in (47, 48, 90)
            assert one.start(timeout=60_000) == 0
            one.send(topic, [b"in time"])
            one.commit()
        wait_until(lambda: read(connection, topic) == [b"in time"] * 2, 10)


def test_plain_idempotent_records_are_none_of_the_coordinators_business(connection, topic):
    identity = init_producer_id(connection)
    assert produce(connection, topic, batch([b"1"], *identity, sequence=0)).error_code == 0
    assert produce(connection, topic, batch([b"2"], *identity, sequence=1, attributes=1 << 4)).error_code == 53
    assert stable_offset(connection, topic) == (1, 1)


# -- what survives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("kill", (False, True), ids=("stopped", "killed"))
def test_an_open_transaction_goes_on_after_a_restart(broker, kill, generation):
    topic = create_topic(broker.address, "t", 2)
    find_coordinator(broker.address)
    find_coordinator(broker.address, kind=1)
    with Connection(broker.address) as connection:
        one = Transaction(connection, "x", generation)
        one.send(topic, [b"1"])
        if generation == "old":
            assert one.add_offsets("g") == 0
        assert one.commit_offsets("g", topic, 4) == 0
    broker.restart(kill=kill)
    with Connection(broker.address) as connection:
        one.connection = connection
        assert stable_offset(connection, topic) == (0, 1)
        wait_until(lambda: committed(connection, "g", topic, version=7, stable=True)[0] == 88, 10)
        assert committed(connection, "g", topic)[:2] == (0, -1)
        one.send(topic, [b"2"])
        one.send(topic, [b"3"], partition=1)
        one.commit()
        wait_until(lambda: read(connection, topic) == [b"1", b"2"], 10)
        assert read(connection, topic, partition=1) == [b"3"]
        wait_until(lambda: committed(connection, "g", topic, version=7, stable=True) == (0, 4, ""), 10)
    broker.restart(kill=kill)
    with Connection(broker.address) as connection:
        assert read(connection, topic) == [b"1", b"2"]
        wait_until(lambda: committed(connection, "g", topic) == (0, 4, ""), 10)
        again = Transaction(connection, "x", generation)
        assert again.id == one.id and again.epoch > one.epoch


def ended(transaction, commit, codes):
    codes.append(transaction.end(commit))
    return codes[-1] not in (14, 15, 16, 51)  # those mean: again


@pytest.mark.deadline(180)
@pytest.mark.parametrize("seed", range(3))
def test_kill_9_between_any_two_requests(broker, seed):
    """After an answered EndTxn the outcome stands, however soon the kill comes; what was not ended can be ended
    after it. The markers of one transaction reach all of its partitions or, for now, none that contradict."""
    generator = random.Random(seed)
    topics = [create_topic(broker.address, f"t{n}", 3) for n in range(2)]
    expected = {(t, p): [] for t in topics for p in range(3)}
    find_coordinator(broker.address, kind=1)
    connection = Connection(broker.address)
    for number in range(12):
        one = Transaction(connection, f"x{generator.randrange(3)}", generator.choice(GENERATIONS))
        written = []
        for _ in range(generator.randrange(1, 6)):
            place = generator.choice(topics), generator.randrange(3)
            value = b"%d.%d" % (number, len(written))
            one.send(place[0], [value], place[1])
            written.append((place, value))
        kill_before, commit = generator.random() < 0.3, generator.random() < 0.6
        if kill_before:
            connection.socket.close()
            broker.restart(kill=True)
            connection = one.connection = Connection(broker.address)
        codes = []
        wait_until(lambda: ended(one, commit, codes), 10, "the end of the transaction")  # noqa: B023
        assert codes[-1] == 0, codes
        if commit:
            for place, value in written:
                expected[place].append(value)
        if generator.random() < 0.6:
            connection.socket.close()
            broker.restart(kill=True)
            connection = Connection(broker.address)
    for (topic, partition), values in expected.items():
        wait_until(
            lambda: len(set(stable_offset(connection, topic, partition))) == 1,  # noqa: B023
            10,
            f"all markers in {topic}-{partition}",
        )
        assert read(connection, topic, partition=partition) == values
    connection.socket.close()
