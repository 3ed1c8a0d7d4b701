"""PostgreSQL's changes on the log of the program itself: whenever it is killed, each row is there once."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from postgres import PostgreSQL  # noqa: E402
from worker import Worker  # noqa: E402

pytestmark = pytest.mark.deadline(240)


def read_all(bootstrap, topic):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed",
                         "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                break
            found.append(json.loads(message.value()) if message.value() else None)
    finally:
        consumer.close()
    return found


@pytest.fixture(scope="module")
def server():
    made = PostgreSQL().start()
    yield made
    made.stop()


@pytest.fixture
def database(server):
    server.renew()
    server.sql("CREATE SCHEMA inv")
    yield server


@pytest.fixture
def worker(tmp_path):
    made = Worker(tmp_path / "broker", settings={"exactly.once.source.support": "enabled"}).start()
    yield made
    if made.alive:
        made.stop()


def config(database, **options):
    base = {name.replace(".", "__"): str(value) for name, value in database.connector(None).items()}
    return {**base, "key__converter": "org.apache.kafka.connect.json.JsonConverter",
            "value__converter": "org.apache.kafka.connect.json.JsonConverter",
            "value__converter__schemas__enable": "false", "transaction__boundary": "connector", **options}


def test_killed_in_snapshot_and_stream_nothing_is_lost_and_nothing_comes_twice(database, worker):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT);"
                 "INSERT INTO inv.t SELECT g, repeat('x', 200) FROM generate_series(1, 30000) g")
    worker.put("pg", **config(database))
    time.sleep(0.4)
    worker.kill()
    stop, last = threading.Event(), [30_000]

    def write():
        while not stop.is_set():
            first = last[0] + 1
            database.sql(f"BEGIN; INSERT INTO inv.t SELECT g, 'w' FROM generate_series({first}, {first + 49}) g; COMMIT")
            last[0] = first + 49
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for pause in (0.3, 1.5, 0.7, 0.9, 1.1):
            worker.start()
            time.sleep(pause)
            worker.kill()
    finally:
        stop.set()
        writer.join()
    worker.start()
    worker.wait_running("pg")

    def changes():
        return [(event["op"], event["after"]["id"]) for event in read_all(worker.address, "pgsrv.inv.t") if event]

    deadline = time.monotonic() + 60
    found = []
    while ("c", last[0]) not in found:
        found = changes()
        assert time.monotonic() < deadline, (len(found), worker.states("pg"))
        time.sleep(0.2)
    assert sorted(number for _, number in found) == list(range(1, last[0] + 1))
    # Changes come behind the snapshot, in their order.
    operations = [operation for operation, _ in found]
    assert operations == sorted(operations, reverse=True) and operations.count("c") > 100
    created = [number for operation, number in found if operation == "c"]
    assert created == list(range(created[0], last[0] + 1))
    # What is on the log the database need not keep.
    deadline = time.monotonic() + 30
    while int(database.value("SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots")) > 1 << 20:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_configuration_is_checked_against_the_server(database, worker):
    plain = {key.replace("__", "."): value for key, value in config(database).items()}

    def errors(**options):
        given = {**plain, "name": "pg", **{key.replace("__", "."): value for key, value in options.items()}}
        status, body, _ = worker.ask("PUT", "/connector-plugins/PostgresConnector/config/validate", given)
        assert status == 200, body
        return {entry["value"]["name"]: entry["value"]["errors"] for entry in body["configs"] if entry["value"]["errors"]}

    assert errors() == {}
    assert "there is pgoutput" in errors(plugin__name="decoderbufs")["plugin.name"][0]
    assert "snapshot.mode" in errors(snapshot__mode="custom")
    assert "Unable to connect" in errors(database__password="wrong")["database.hostname"][0]
    assert "slot.name" in errors(slot__name="Not-Plain")
    assert "table.exclude.list" in errors(table__include__list="a", table__exclude__list="b")
    status, body, _ = worker.ask("GET", "/connector-plugins")
    assert any(plugin["class"].endswith("PostgresConnector") for plugin in body)
