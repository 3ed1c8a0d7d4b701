"""A connector in the program's own worker: through REST, converters and transactions into topics."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from database import MariaDB, payload  # noqa: E402
from test_golden import CAPTURES, SHARED, with_numbered_transactions  # noqa: E402
from worker import Worker, free_port, wait_until  # noqa: E402


class Platform(Worker):
    """A broker, a registry and a worker."""

    def __init__(self, folder, properties=None):
        super().__init__(folder, properties)
        self.registry_port = free_port()
        self.flags[self.flags.index("--registry") + 1] = f"127.0.0.1:{self.registry_port}"

    @property
    def registry_url(self):
        return f"http://127.0.0.1:{self.registry_port}"

    def trace(self, name):
        status = self.status(name) or {"connector": {}, "tasks": []}
        return [part.get("trace") for part in [status["connector"], *status["tasks"]] if part.get("trace")]

    def wait_for_failure(self, name):
        """What a task of the connector says that it failed of."""
        return wait_until(lambda: self.trace(name), what=f"{name} fails", timeout=60)[0]


class Topics:
    """All committed records of topics whose names have a prefix, as they come; a topic that appears is read, too."""

    def __init__(self, bootstrap, *prefixes):
        self.prefixes = prefixes
        self.consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "topics", "isolation.level": "read_committed",
             "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 500, "fetch.wait.max.ms": 5})
        self.known = set()
        self.messages = []
        self.decoded = []

    def look(self, timeout=0.2):
        found = {
            (topic, partition)
            for topic, about in self.consumer.list_topics(timeout=10).topics.items()
            if topic.startswith(self.prefixes)
            for partition in about.partitions
        }
        new = found - self.known
        if new:
            self.known = found
            self.consumer.incremental_assign(
                [confluent_kafka.TopicPartition(topic, partition, 0) for topic, partition in new])
        while batch := self.consumer.consume(10_000, timeout):
            for message in batch:
                assert message.error() is None, message.error()
                self.messages.append(message)
        return self.messages

    def events(self):
        """As lines for the comparison; each message is decoded once, however often they are asked for."""
        self.decoded += (
            {"topic": message.topic(), "key": decoded(message.key()), "value": decoded(message.value())}
            for message in self.look()[len(self.decoded):]
        )
        return self.decoded

    def close(self):
        self.consumer.close()


def decoded(data):
    return json.loads(data) if data is not None else None


@pytest.fixture
def platform(tmp_path):
    made = Platform(tmp_path / "broker").start()
    yield made
    if made.alive:
        made.kill()


@pytest.fixture
def database(tmp_path):
    folder = tmp_path / "mariadb"
    folder.mkdir()
    server = MariaDB(folder).start()
    server.sql("CREATE DATABASE demo CHARACTER SET utf8mb4")
    yield server
    server.stop()


def options(database, **more):
    return {
        "connector__class": "io.debezium.connector.mysql.MySqlConnector", "database__hostname": "127.0.0.1",
        "database__port": str(database.port), "database__user": "dbz", "database__password": "dbz",
        "database__server__id": "5401", "database__ssl__mode": "disabled", "topic__prefix": "dbserver1",
        "database__include__list": "demo", "include__schema__changes": "false", "poll__interval__ms": "20",
        "key__converter": "org.apache.kafka.connect.json.JsonConverter",
        "value__converter": "org.apache.kafka.connect.json.JsonConverter",
        "value__converter__schemas__enable": "false", "key__converter__schemas__enable": "false", **more,
    }


@pytest.mark.deadline(300)
@pytest.mark.parametrize("capture", CAPTURES)
def test_topics_equal_the_originals(platform, tmp_path, capture):
    golden = SHARED / "mariadb"
    if not golden.is_dir():
        pytest.skip(f"{SHARED} is missing: SWIFTWATER_SHARED names the folder with cdc-golden")
    folder = tmp_path / "mariadb"
    folder.mkdir()
    database = MariaDB(folder, ["--version=5.7.19-log"]).start()
    topics = Topics(platform.address, "dbserver1", "__debezium")
    try:
        database.sql((golden / "setup.sql").read_text())
        lines = (golden / "connector.properties").read_text().splitlines()
        config = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        config.update(CAPTURES[capture], **{"database.port": str(database.port)})
        config.pop("name")
        for part in ("key", "value"):
            config[f"{part}.converter"] = "org.apache.kafka.connect.json.JsonConverter"
        platform.put("golden", **config)
        platform.wait_running("golden")
        unwrapped = capture == "unwrap"

        def snapshot_is_over():
            assert not platform.trace("golden")
            # The tables come in the order of their names: this is the last one's last row.
            return any(
                event["topic"] == "dbserver1.demo.zeros" and payload(event, "key")["id"] == 2
                and (unwrapped or payload(event)["source"]["snapshot"] == "last")
                for event in topics.events())

        wait_until(snapshot_is_over, 60, "the end of the snapshot")
        database.sql((golden / "workload.sql").read_text())

        def marker_is_there():
            assert not platform.trace("golden")
            return any(message.topic() == "dbserver1.demo.done_marker" for message in topics.look())

        wait_until(marker_is_there, 120, "the last change")
        # The end of the marker's transaction is told behind it.
        wanted = [json.loads(line)["topic"] for line in open(golden / f"{capture}.events.jsonl")]
        told = wanted.count("dbserver1.transaction")
        wait_until(lambda: [m.topic() for m in topics.look()].count("dbserver1.transaction") >= told, 30, "the last end")
        candidate = tmp_path / "candidate.jsonl"
        candidate.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in topics.events()))
        made = tmp_path / "golden"
        made.mkdir()
        with_numbered_transactions(open(golden / f"{capture}.events.jsonl"), made, f"{capture}.events.jsonl")
        (made / f"{capture}.schemas.json").write_text((golden / f"{capture}.schemas.json").read_text())
        candidate = with_numbered_transactions(open(candidate), tmp_path, "numbered.jsonl")
        more = ["--with-schema-changes"] if capture == "default" else []
        result = subprocess.run(
            [sys.executable, SHARED / "compare.py", made / capture, candidate, *more], capture_output=True, text=True)
        print(result.stdout)
        assert result.returncode == 0, result.stdout
    finally:
        topics.close()
        database.stop()


def created(topics, table="dbserver1.demo.t"):
    found = []
    for event in topics.events():
        if event["topic"] == table and event["value"] and event["value"]["op"] in "cr":
            found.append(event["value"]["after"]["id"])
    return found


def watermark(platform, topic):
    """Where a topic ends, with what transactions have written that are still open."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": platform.address, "group.id": "watch", "isolation.level": "read_uncommitted"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=10)[1]
    except confluent_kafka.KafkaException:
        return 0
    finally:
        consumer.close()


def wait_for_rows_on_their_way(platform, before=None, count=3000):
    """Until some more rows have come than `before`; without it, than there are now, or until none come for a while, as after
    a first interruption a fast machine may have had the others at once."""
    is_again = before is None
    last = watermark(platform, "dbserver1.demo.t")
    before = last if is_again else before
    since = time.monotonic()

    def some_came():
        nonlocal last, since
        now = watermark(platform, "dbserver1.demo.t")
        if now != last:
            last, since = now, time.monotonic()
        return now > before + count or (is_again and now >= BIG and time.monotonic() - since > 8)

    wait_until(some_came, 60, "rows on their way", 0.005)


BIG = 150_000
BOUNDARIES = {
    "connector": {"transaction__boundary": "connector", "producer__override__transaction__timeout__ms": "300000"},
    "poll": {"transaction__boundary": "poll"},
    "default": {},
}


@pytest.mark.deadline(300)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_kill_9_in_a_snapshot(platform, database, boundary):
    """A snapshot that was cut off is taken again: its rows come twice, unless it is one transaction."""
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(200));"
                 f"INSERT INTO demo.t SELECT seq, REPEAT('x', 150) FROM demo.seq_1_to_{BIG}")
    platform.put("cdc", **options(database, **BOUNDARIES[boundary]))
    late = []
    for number in (1, 2):
        wait_for_rows_on_their_way(platform, 0 if number == 1 else None)
        platform.kill()
        late.append(BIG + number)
        database.sql(f"INSERT INTO demo.t VALUES ({BIG + number}, 'late')")
        platform.start()
    topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: set(late) <= set(created(topics)), 120, "all rows")
    database.sql("INSERT INTO demo.t VALUES (0, 'last')")
    wait_until(lambda: created(topics)[-1] == 0, 60, "the last row")
    found = created(topics)
    assert sorted(set(found)) == list(range(BIG + 3))
    if boundary == "connector":
        assert len(found) == BIG + 3, "a row came twice"
    # The last snapshot is whole, and nothing of the log comes twice.
    assert found[-BIG - 3:-1] == list(range(1, BIG + 3))
    topics.close()


def change_much(database):
    """One transaction, and a change behind it."""
    database.sql(f"BEGIN; INSERT INTO demo.t SELECT seq, 'x' FROM demo.seq_1_to_{BIG};"
                 f"UPDATE demo.t SET v='y' WHERE id > {BIG - 10}; DELETE FROM demo.t WHERE id = 7; COMMIT;"
                 f"INSERT INTO demo.t VALUES ({BIG + 1}, 'last')")


def expect_all_once(platform):
    topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: created(topics)[-1:] == [BIG + 1], 120, "the last row")
    assert created(topics) == list(range(BIG + 2))
    operations = [
        event["value"] and event["value"]["op"] for event in topics.events() if event["topic"] == "dbserver1.demo.t"]
    assert operations == ["r"] + ["c"] * BIG + ["u"] * 10 + ["d", None, "c"]
    topics.close()


def capture_one_row(platform, database, boundary):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO demo.t VALUES (0, 'first')")
    platform.put("cdc", **options(database, **BOUNDARIES[boundary]))
    topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: len(topics.look()) == 1, 60, "the snapshot")
    topics.close()


@pytest.mark.deadline(300)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_kill_9_in_a_big_transaction(platform, database, boundary):
    capture_one_row(platform, database, boundary)
    change_much(database)
    for before in (2, None, None):
        wait_for_rows_on_their_way(platform, before)
        platform.kill()
        platform.start()
    expect_all_once(platform)


@pytest.mark.deadline(300)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_database_is_killed_in_a_big_transaction(platform, database, boundary):
    capture_one_row(platform, database, boundary)
    change_much(database)
    for before in (2, None):
        wait_for_rows_on_their_way(platform, before)
        database.kill()
        database.start()
    expect_all_once(platform)
    assert platform.states("cdc") == ("RUNNING", ["RUNNING"])


@pytest.mark.deadline(300)
def test_the_database_is_killed_in_a_snapshot(platform, database):
    """The next try begins anew: as one transaction, nothing comes twice."""
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(200));"
                 f"INSERT INTO demo.t SELECT seq, REPEAT('x', 150) FROM demo.seq_1_to_{BIG}")
    platform.put("cdc", **options(
        database, retriable__restart__connector__wait__ms="200", **BOUNDARIES["connector"]))
    for before in (0, None):
        wait_for_rows_on_their_way(platform, before)
        database.kill()
        database.start()
    topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: len(created(topics)) >= BIG, 120, "all rows")
    database.sql("INSERT INTO demo.t VALUES (0, 'last')")
    wait_until(lambda: created(topics)[-1] == 0, 60, "the last row")
    assert created(topics) == [*range(1, BIG + 1), 0]
    topics.close()


@pytest.mark.deadline(240)
def test_kill_9_among_definitions(platform, database):
    """Rows are read with the columns of their time, wherever the task goes on."""
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, a INT); INSERT INTO demo.t VALUES (0, 0)")
    platform.put("cdc", **options(database))
    topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: created(topics) == [0], 60, "the snapshot")
    last = 0
    for _ in range(4):
        for number in range(last + 1, last + 6):
            database.sql(f"ALTER TABLE demo.t ADD COLUMN c{number} INT DEFAULT {number} FIRST;"
                         f"INSERT INTO demo.t (id, a) VALUES ({number}, {number * 10})")
        last += 5
        wait_until(lambda: len(created(topics)) > last - 3, 60, "the first of them")
        # A client is no part of this: what it sees of a broker that is killed is its own business.
        topics.close()
        platform.kill()
        platform.start()
        topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: created(topics)[-1:] == [last], 60, "the last row")
    found = [event["value"]["after"] for event in topics.events() if event["topic"] == "dbserver1.demo.t"]
    assert [row["id"] for row in found] == list(range(last + 1))
    for row in found:
        wanted = {f"c{number}": number for number in range(1, row["id"] + 1)}
        assert row == {**wanted, "id": row["id"], "a": row["id"] * 10}
    topics.close()


@pytest.mark.deadline(180)
def test_a_log_that_is_gone_fails_the_task(platform, database):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1)")
    platform.put("cdc", **options(database))
    topics = Topics(platform.address, "dbserver1")
    wait_until(lambda: created(topics) == [1], 60, "the snapshot")
    assert platform.ask("PUT", "/connectors/cdc/stop")[0] == 204
    wait_until(lambda: platform.states("cdc") == ("STOPPED", []), what="the connector stops")
    database.end_readers()
    database.sql("INSERT INTO demo.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO demo.t VALUES (3); FLUSH BINARY LOGS")
    database.purge()
    assert platform.ask("PUT", "/connectors/cdc/resume")[0] == 202
    trace = platform.wait_for_failure("cdc")
    assert "no longer available on the server" in trace and "snapshot.mode=when_needed" in trace
    assert platform.states("cdc") == ("RUNNING", ["FAILED"])
    # What the trace says helps.
    platform.put("cdc", **options(database, snapshot__mode="when_needed"))
    wait_until(lambda: sorted(set(created(topics))) == [1, 2, 3], 60, "the new snapshot")
    assert platform.states("cdc") == ("RUNNING", ["RUNNING"])
    topics.close()


OLD_NAMES = {
    "connector__class": "io.debezium.connector.mysql.MySqlConnector", "database__hostname": "127.0.0.1",
    "database__user": "dbz", "database__password": "dbz", "database__server__id": "42",
    "database__server__name": "asgard", "table__whitelist": "demo.customers",
    "database__history__kafka__topic": "dbhistory.demo", "include__schema__changes": "false",
    "transforms": "unwrap,extractkey", "transforms__unwrap__type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms__extractkey__type": "org.apache.kafka.connect.transforms.ExtractField$Key",
    "transforms__extractkey__field": "id", "key__converter": "org.apache.kafka.connect.storage.StringConverter",
    "value__converter": "io.confluent.connect.avro.AvroConverter",
}


@pytest.mark.deadline(180)
def test_customers_of_a_talk_follow_live(platform, database):
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer

    database.sql(
        "CREATE TABLE demo.customers (id INT PRIMARY KEY, first_name VARCHAR(50), club_status VARCHAR(8),"
        "create_ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP,"
        "update_ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);"
        "INSERT INTO demo.customers (id, first_name, club_status) VALUES (1, 'Rica', 'bronze'), (2, 'Ruthie', 'platinum')")
    platform.put(
        "SOURCE_MYSQL_01", **OLD_NAMES, database__port=str(database.port),
        database__history__kafka__bootstrap__servers=platform.address,
        value__converter__schema__registry__url=platform.registry_url)
    topics = Topics(platform.address, "asgard")
    wait_until(lambda: len(topics.look()) == 2, 60, lambda: platform.trace("SOURCE_MYSQL_01"))
    read = AvroDeserializer(SchemaRegistryClient({"url": platform.registry_url}))
    first = read(topics.messages[0].value(), None)
    assert topics.messages[0].topic() == "asgard.demo.customers" and topics.messages[0].key() == b"1"
    assert (first["id"], first["first_name"], first["club_status"]) == (1, "Rica", "bronze")
    assert isinstance(first["create_ts"], str)
    database.sql("INSERT INTO demo.customers (id, first_name) VALUES (42, 'Rick');"
                 "UPDATE demo.customers SET club_status='bronze' WHERE id=42;"
                 "UPDATE demo.customers SET club_status='platinum' WHERE id=42; DELETE FROM demo.customers WHERE id=42")
    wait_until(lambda: len(topics.look()) >= 6, 60, lambda: platform.trace("SOURCE_MYSQL_01"))
    changes = [(message.key(), message.value() and read(message.value(), None)) for message in topics.messages[2:]]
    assert all(key == b"42" for key, _ in changes)
    assert [value and value["club_status"] for _, value in changes[:3]] == [None, "bronze", "platinum"]
    assert all(value is None for _, value in changes[3:])
    history = Topics(platform.address, "dbhistory.demo")
    assert any("CREATE TABLE `customers`" in json.loads(message.value())["ddl"] for message in history.look())
    history.close()
    topics.close()
