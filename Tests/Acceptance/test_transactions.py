"""Transactions with real clients: commit, abort, fencing, offsets, and loops that are killed at random times."""

import asyncio
import json
import random
import sys
import time
from pathlib import Path

import aiokafka
import confluent_kafka
import kafka
import pytest

from clients import CLIENT_NAMES, Confluent, Record, create_topic, end_offset
from jvm import JVM_FLAGS, JavaError, class_path, rebase
from members import Child
from process import wait_until
from transactions_wire import Transaction, read, stable_offset
from wire import Connection

PRODUCERS = ("confluent", "kafka-python", "aiokafka", "java")


class Producer:
    """A transactional producer of any client, step by step. `error` is what its refusals are."""

    def __init__(self, client, bootstrap, java, name, timeout=60_000):
        self.client, self.bootstrap, self.java, self.name = client, bootstrap, java, name
        self.key = f"{name}-{random.randrange(1 << 40)}"
        self.error = {
            "confluent": confluent_kafka.KafkaException, "kafka-python": kafka.errors.KafkaError,
            "aiokafka": aiokafka.errors.KafkaError, "java": JavaError,
        }[client]  # fmt: skip
        if client == "confluent":
            self.producer = confluent_kafka.Producer(
                {
                    "bootstrap.servers": bootstrap, "transactional.id": name, "transaction.timeout.ms": timeout,
                    "log_level": 2, "linger.ms": 0,
                }
            )  # fmt: skip
            self.producer.init_transactions(30)
        elif client == "kafka-python":
            self.producer = kafka.KafkaProducer(
                bootstrap_servers=bootstrap, transactional_id=name, transaction_timeout_ms=timeout, acks="all",
                retry_backoff_ms=20,
            )  # fmt: skip
            self.producer.init_transactions()
        elif client == "aiokafka":
            self.loop = asyncio.new_event_loop()
            self.producer = self.loop.run_until_complete(self.started(timeout))
        else:
            properties = {"transactional.id": name, "transaction.timeout.ms": timeout}
            java.call("txnOpen", bootstrap, name=self.key, properties=properties)

    async def started(self, timeout):
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=self.name, transaction_timeout_ms=timeout,
            retry_backoff_ms=20,
        )  # fmt: skip
        await producer.start()
        return producer

    def begin(self):
        match self.client:
            case "java":
                self.java.call("txnBegin", self.bootstrap, name=self.key)
            case "aiokafka":
                self.loop.run_until_complete(self.producer.begin_transaction())
            case _:
                self.producer.begin_transaction()

    def send(self, topic, values, partition=0):
        """Returns once all are acknowledged."""
        match self.client:
            case "java":
                records = [{"partition": partition, "value": rebase(v)} for v in values]
                self.java.call("txnSend", self.bootstrap, name=self.key, topic=topic, records=records)
            case "aiokafka":

                async def send():
                    for future in [await self.producer.send(topic, v, partition=partition) for v in values]:
                        await future

                self.loop.run_until_complete(send())
            case "kafka-python":
                futures = [self.producer.send(topic, v, partition=partition) for v in values]
                self.producer.flush(20)
                for future in futures:
                    future.get(20)
            case "confluent":
                failed = []
                for value in values:
                    self.producer.produce(
                        topic, value, partition=partition, on_delivery=lambda error, _: error and failed.append(error)
                    )
                try:
                    self.producer.flush(20)
                except SystemError as raised:
                    # A fatal error that comes together with a delivery report is raised into the report's callback.
                    raise raised.__cause__ or raised from None
                if failed:
                    raise confluent_kafka.KafkaException(failed[0])

    def offsets(self, group, topic, offset):
        match self.client:
            case "java":
                self.java.call(
                    "txnOffsets", self.bootstrap, name=self.key, group=group, offsets=[[topic, 0, offset, ""]]
                )
            case "aiokafka":
                partition = aiokafka.TopicPartition(topic, 0)
                self.loop.run_until_complete(self.producer.send_offsets_to_transaction({partition: offset}, group))
            case "kafka-python":
                place = {kafka.TopicPartition(topic, 0): kafka.structs.OffsetAndMetadata(offset, "", -1)}
                self.producer.send_offsets_to_transaction(place, group)
            case "confluent":
                consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
                self.producer.send_offsets_to_transaction(
                    [confluent_kafka.TopicPartition(topic, 0, offset)], consumer.consumer_group_metadata(), 20
                )
                consumer.close()

    def end(self, commit=True):
        match self.client:
            case "java":
                self.java.call("txnCommit" if commit else "txnAbort", self.bootstrap, name=self.key)
            case "aiokafka":
                ending = self.producer.commit_transaction if commit else self.producer.abort_transaction
                self.loop.run_until_complete(asyncio.wait_for(ending(), 30))
            case _:
                self.producer.commit_transaction() if commit else self.producer.abort_transaction()

    def close(self):
        match self.client:
            case "java":
                self.java.call("txnClose", self.bootstrap, name=self.key)
            case "aiokafka":

                async def stop():
                    try:
                        await asyncio.wait_for(self.producer.stop(), 5)
                    except Exception:
                        pass  # it was fenced

                self.loop.run_until_complete(stop())
                self.loop.close()
            case "kafka-python":
                self.producer.close(timeout=1)


@pytest.fixture
def producer_of(bootstrap, java):
    made = []

    def make(client, name, **options):
        made.append(Producer(client, bootstrap, java, name, **options))
        return made[-1]

    yield make
    for producer in made:
        producer.close()


COMMITTED = {
    "kcat": {"isolation.level": "read_committed"}, "confluent": {"isolation.level": "read_committed"},
    "kafka-python": {"isolation_level": "read_committed"}, "aiokafka": {"isolation_level": "read_committed"},
    "java": {"isolation.level": "read_committed"},
}  # fmt: skip
ALL = {
    "kcat": {"isolation.level": "read_uncommitted"}, "confluent": {"isolation.level": "read_uncommitted"},
    "kafka-python": {}, "aiokafka": {}, "java": {},
}  # fmt: skip


@pytest.mark.parametrize("client", PRODUCERS)
def test_commit_and_abort_as_every_client_reads_them(bootstrap, topic, fresh, client_of, producer_of, client):
    producer, expected, everything = producer_of(client, fresh("x")), [], []
    for number in range(6):
        values = [b"%d.%d" % (number, n) for n in range(5)]
        producer.begin()
        producer.send(topic, values)
        producer.end(number % 3 != 1)
        everything += values
        expected += values if number % 3 != 1 else []
    with Connection(bootstrap) as connection:
        wait_until(lambda: stable_offset(connection, topic) == (36, 36), 10, "all markers")
    for name in CLIENT_NAMES:
        found = client_of(name).consume(bootstrap, topic, len(expected), properties=COMMITTED[name])
        assert [r.value for r in found] == expected, name
        found = client_of(name).consume(bootstrap, topic, len(everything), properties=ALL[name])
        assert [r.value for r in found] == everything, name
        assert [r.offset for r in found] == [6 * n + m for n in range(6) for m in range(5)], name


@pytest.mark.parametrize("client", PRODUCERS)
def test_an_open_transaction_is_seen_by_careless_readers_only(bootstrap, topic, fresh, client_of, producer_of, client):
    producer = producer_of(client, fresh("x"))
    producer.begin()
    producer.send(topic, [b"open"])
    for name in ("confluent", "java"):
        assert client_of(name).consume(bootstrap, topic, 1, timeout=1, properties=COMMITTED[name]) == []
        assert [r.value for r in client_of(name).consume(bootstrap, topic, 1, properties=ALL[name])] == [b"open"]
    producer.end()
    for name in CLIENT_NAMES:
        found = client_of(name).consume(bootstrap, topic, 1, properties=COMMITTED[name])
        assert [r.value for r in found] == [b"open"], name


@pytest.mark.parametrize("client", PRODUCERS)
def test_offsets_in_transactions(bootstrap, java, topic, fresh, producer_of, client):
    producer, group = producer_of(client, fresh("x")), fresh("g")
    for commit, offset, seen in ((True, 3, 3), (False, 8, 3), (True, 9, 9)):
        producer.begin()
        producer.send(topic, [b"x"])
        producer.offsets(group, topic, offset)
        producer.end(commit)
        wait_until(lambda: java.call("groupOffsets", bootstrap, group=group) == [[topic, 0, seen, ""]], 10)  # noqa: B023


@pytest.mark.parametrize("client", PRODUCERS)
def test_a_zombie_is_fenced(bootstrap, topic, fresh, producer_of, client):
    """Two producers of one transactional id: the older one can do nothing any more; what it had begun is aborted."""
    name = fresh("x")
    older = producer_of(client, name)
    older.begin()
    older.send(topic, [b"lost"])
    newer = producer_of(client, name)
    newer.begin()
    newer.send(topic, [b"kept"])
    with pytest.raises(older.error):
        older.send(topic, [b"lost too"])
        older.end()
    newer.end()
    with Connection(bootstrap) as connection:
        wait_until(lambda: read(connection, topic) == [b"kept"], 10)


def test_clients_with_one_transactional_id_take_over_from_each_other(bootstrap, topic, fresh, producer_of):
    """Old and new generations of the protocol (KIP-890) on one id."""
    name, expected = fresh("x"), []
    for client in ("confluent", "java", "aiokafka", "java", "kafka-python", "confluent"):
        producer = producer_of(client, name)
        for number in range(3):
            producer.begin()
            producer.send(topic, [b"%s-%d" % (client.encode(), number)])
            producer.end(number != 1)
            if number != 1:
                expected.append(b"%s-%d" % (client.encode(), number))
    with Connection(bootstrap) as connection:
        wait_until(lambda: read(connection, topic) == expected, 10)


def test_java_finds_the_second_generation(bootstrap, java):
    features = java.call("describeFeatures", bootstrap)["finalized"]
    assert features["transaction.version"] == 2


# -- what the Java admin client tells --------------------------------------------------------------------------------


def test_admin_calls(bootstrap, java, topic, fresh, producer_of):
    name = fresh("x")
    producer = producer_of("java", name, timeout=55_000)
    producer.begin()
    producer.send(topic, [b"1"])
    listed = java.call("listTransactions", bootstrap)
    assert listed[name][1] == "Ongoing"
    assert name not in java.call("listTransactions", bootstrap, longerThanMs=600_000)
    described = java.call("describeTransaction", bootstrap, id=name)
    assert described["state"] == "Ongoing" and described["timeoutMs"] == 55_000
    assert described["partitions"] == [f"{topic}-0"] and abs(described["started"] / 1000 - time.time()) < 60
    assert described["producerId"] == listed[name][0]
    assert [o[:3] for o in java.call("openTransactions", bootstrap, topic=topic)] == [
        [described["producerId"], described["epoch"], 0]
    ]
    producer.end()
    wait_until(lambda: java.call("listTransactions", bootstrap)[name][1] == "CompleteCommit", 10)
    assert java.call("describeTransaction", bootstrap, id=name)["partitions"] == []
    assert java.call("openTransactions", bootstrap, topic=topic) == []
    with pytest.raises(JavaError) as refused:
        java.call("describeTransaction", bootstrap, id=fresh("unknown"))
    assert refused.value.type == "TransactionalIdNotFoundException"


def test_the_admin_ends_a_hanging_transaction(bootstrap, java, topic, fresh, producer_of):
    """abortTransaction writes the marker past the coordinator (WriteTxnMarkers)."""
    producer = producer_of("confluent", fresh("x"))
    producer.begin()
    producer.send(topic, [b"hanging"])
    (found,) = java.call("openTransactions", bootstrap, topic=topic)
    java.call(
        "abortTransaction", bootstrap, topic=topic, id=found[0], epoch=found[1], coordinatorEpoch=max(0, found[3])
    )
    with Connection(bootstrap) as connection:
        assert stable_offset(connection, topic) == (2, 2)
        assert read(connection, topic) == []
    assert java.call("openTransactions", bootstrap, topic=topic) == []


def test_the_admin_fences(bootstrap, java, topic, fresh, producer_of):
    producer = producer_of("confluent", fresh("x"))
    producer.begin()
    producer.send(topic, [b"1"])
    java.call("fenceProducers", bootstrap, id=producer.name)
    with pytest.raises(confluent_kafka.KafkaException):
        producer.send(topic, [b"2"])
        producer.end()
    with Connection(bootstrap) as connection:
        wait_until(lambda: stable_offset(connection, topic)[0] == 2, 10)
        assert read(connection, topic) == []


def test_the_internal_topic_is_kafkas(bootstrap, java, topic, fresh):
    with Connection(bootstrap) as connection:
        Transaction(connection, fresh("x")).send(topic, [b"1"])
    described = java.call("describeTopic", bootstrap, topic="__transaction_state")
    assert described["internal"] and len(described["partitions"]) == 50
    assert java.call("describeConfigs", bootstrap, name="__transaction_state")["cleanup.policy"]["value"] == "compact"


# -- exactly once ----------------------------------------------------------------------------------------------------


class Loop(Child):
    """children/transact.py or java/Transact.java as a process."""

    def __init__(self, folder, java, **options):
        self.options, self.committed = options, 0
        folder.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in folder.iterdir())
        if options["client"] == "java":
            command = ["java", *JVM_FLAGS, "-cp", f"{java.folder}:{class_path()}", "Transact", json.dumps(options)]
        else:
            command = [sys.executable, str(Path(__file__).parent / "children/transact.py"), json.dumps(options)]
        super().__init__(command, folder / f"{options['id']}-{number}.log")

    def apply(self, event):
        if event["event"] == "committed":
            self.committed += event["count"]


LOOPS = {
    "confluent": [{"client": "confluent"}] * 2,
    "java": [{"client": "java"}] * 2,
    "kafka-python": [
        {"client": "kafka-python", "partitions": [0, 1]},
        {"client": "kafka-python", "partitions": [2, 3]},
    ],
    "aiokafka": [{"client": "aiokafka", "partitions": [0, 1]}, {"client": "aiokafka", "partitions": [2, 3]}],
}


@pytest.mark.deadline(240)
@pytest.mark.parametrize("client", LOOPS)
def test_each_input_has_its_effect_exactly_once(broker, java, tmp_path, client, capsys):
    """Two loops of one group read, write and commit while they and the broker are killed at random times, and every
    eighth transaction is aborted on purpose."""
    generator, count = random.Random(f"loops {client}"), 12_000 if client == "aiokafka" else 3000
    source, target = create_topic(broker.address, "in", 4), create_topic(broker.address, "out", 2)
    for partition in range(4):
        Confluent().produce(
            broker.address, source, [Record(b"%d" % n, b"%d" % n) for n in range(partition, count, 4)], "lz4", partition
        )
    made = 0

    def start(options, number):
        nonlocal made
        made += 1
        return Loop(
            tmp_path / "loops", java, bootstrap=broker.address, group="g", id=f"{client}-{number}", input=source,
            output=target, abortEvery=8, batch=20, seed=made, **options,
        )  # fmt: skip

    loops = [start(options, number) for number, options in enumerate(LOOPS[client])]
    kills = 0

    try:
        deadline = time.monotonic() + 150
        while True:
            seen = committed_count(broker.address, target)
            if len(seen) >= count:
                break
            assert time.monotonic() < deadline, f"{len(seen)} of {count}\n" + "\n".join(loop.tail() for loop in loops)
            time.sleep(generator.uniform(0.3, 1.5))
            for index, loop in enumerate(loops):
                if not loop.alive:  # a confluent loop makes its clients anew by ending
                    assert loop.process.returncode == 3, loop.tail()
                    loops[index] = start(LOOPS[client][index], index)
            if kills >= 8:
                continue
            kills += 1
            if generator.random() < 0.5:
                broker.restart(kill=True)
            else:
                index = generator.randrange(2)
                loops[index].kill()
                loops[index] = start(LOOPS[client][index], index)
        for loop in loops:
            if loop.alive:
                loop.close(60)
        seen = committed_count(broker.address, target)
    finally:
        for loop in loops:
            if loop.alive:
                loop.kill()
    aborted = sum(len(loop.named("aborted")) for loop in loops)
    with capsys.disabled():
        print(f"\n{client}: {count} inputs, {kills} kills, {aborted} aborts on purpose by the last two loops")
    assert sorted(map(int, seen)) == list(range(count)), f"{len(seen)} outputs, {len(set(seen))} different"
    offsets = {p: o for _, p, o, _ in java.call("groupOffsets", broker.address, group="g")}
    assert offsets == {p: end_offset(broker.address, source, p)[1] for p in range(4)}


def committed_count(address, topic):
    """All committed values of both partitions."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": address, "group.id": "check", "enable.auto.commit": False, "log_level": 2,
            "isolation.level": "read_committed", "enable.partition.eof": True, "auto.offset.reset": "earliest",
            "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100,
        }
    )  # fmt: skip
    values, ended = [], set()
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(2)])
        deadline = time.monotonic() + 30
        while len(ended) < 2 and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                if message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                continue
            values.append(message.value())
    finally:
        consumer.close()
    return values
