"""Signals by a file and by a topic, notifications, and columns that are asked for again.

What is expected was seen with Debezium 3.6.3 on the same servers.
"""

import json
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from database import Connector, MariaDB, driver, payload, rows, until  # noqa: E402
from postgres import PostgreSQL  # noqa: E402
from worker import Worker  # noqa: E402

pytestmark = [pytest.mark.deadline(240), pytest.mark.skipif(driver() is None, reason="ChangeEvents is not built")]

TABLES = """
CREATE TABLE inv.signals (id VARCHAR(64) PRIMARY KEY, type VARCHAR(64), data VARCHAR(2048));
CREATE TABLE inv.a (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO inv.a VALUES (1, 'x1'), (2, 'x2'), (3, 'x3'), (4, 'x4'), (5, 'x5');
CREATE TABLE inv.b (id VARCHAR(10), n INT, PRIMARY KEY (id, n));
CREATE TABLE inv.c (id INT PRIMARY KEY);
CREATE TABLE inv.nokey (id INT, v VARCHAR(20));
INSERT INTO inv.nokey VALUES (1, 'a'), (2, 'b');
"""


@pytest.fixture(scope="module", params=["mariadb", "postgres"])
def database(request, tmp_path_factory):
    if request.param == "postgres":
        made = PostgreSQL().start()
        made.sql("CREATE SCHEMA inv")
    else:
        made = MariaDB(tmp_path_factory.mktemp("mariadb")).start()
        made.sql("CREATE DATABASE inv")
    made.sql(TABLES)
    yield made
    made.stop()


def connector(database, folder, **options):
    made = Connector(folder, database)
    made.properties.pop("database.include.list", None)
    made.properties.pop("schema.include.list", None)
    return made.set({
        "topic.prefix": "srv", "signal.data.collection": "inv.signals", "include.schema.changes": "false",
        "table.include.list": "inv.a,inv.b,inv.c,inv.nokey", "signal.enabled.channels": "source,file",
        "signal.file": folder / "signals", "signal.poll.interval.ms": 50, "incremental.snapshot.chunk.size": 2,
        "notification.enabled.channels": "sink,log", "notification.sink.topic.name": "notes", **options})


def notes(events):
    """Notifications as lines: whose they are, what happened and the data in their order."""
    found = []
    for event in events:
        if event["topic"] != "notes":
            continue
        value = payload(event)
        assert payload(event, "key") == {"id": value["id"]} and not event["headers"]
        data = dict(value["additional_data"])
        assert data.pop("connector_name") == "srv"
        own = value["id"] if len(value["id"]) < 30 else value["aggregate_type"].split()[0]
        found.append(" ".join([own, value["type"], *(f"{name}={text}" for name, text in data.items())]))
    return found


def scan(own, table, tables, count, status="SUCCEEDED"):
    return (f"{own} TABLE_SCAN_COMPLETED scanned_collection={table} total_rows_scanned={count} data_collections={tables} "
            f"status={status}")


def chunk(own, table, tables, maximum, last):
    return (f"{own} IN_PROGRESS current_collection_in_progress={table} maximum_key={maximum} data_collections={tables} "
            f"last_processed_key={last}")


def test_signals_of_a_file_and_what_is_told_of_them(database, tmp_path):
    running = connector(database, tmp_path).start()
    try:
        def send(name, kind, until_note, **data):
            text = json.dumps({"id": name, "type": kind, "data": {key.replace("_", "-"): part for key, part in data.items()}})
            (tmp_path / "new").write_text(text + "\n")
            (tmp_path / "new").rename(tmp_path / "signals")
            running.wait_for(lambda events: any(line.startswith(until_note) for line in notes(events)))

        running.wait_for(lambda events: "Initial COMPLETED" in notes(events))
        everything = "inv.a,inv.b,inv.c,inv.nokey,inv.signals"
        expected = ["Initial STARTED"]
        for table, count in (("inv.a", 5), ("inv.b", 0), ("inv.c", 0), ("inv.nokey", 2)):
            expected += [f"Initial IN_PROGRESS current_collection_in_progress={table} "
                         "data_collections=inv.nokey,inv.c,inv.b,inv.a", scan("Initial", table, everything, count)]
        expected.append("Initial COMPLETED")
        assert notes(running.events()) == expected
        # One row is held back until it is known to be the last.
        snapshot = [event["topic"] for event in running.events()]
        assert snapshot[-2:] == ["srv.inv.nokey", "notes"]

        database.sql("INSERT INTO inv.b VALUES ('k''1', 1), ('k2', -5), ('k2', 7)")
        send("f1", "execute-snapshot", "f1 COMPLETED", data_collections=["inv.a", "inv.b"], type="incremental")
        both = "inv.a,inv.b"
        expected += [f"f1 STARTED data_collections={both}", chunk("f1", "inv.a", both, 5, 2), chunk("f1", "inv.a", both, 5, 4),
                     chunk("f1", "inv.a", both, 5, 5), scan("f1", "inv.a", both, 5),
                     chunk("f1", "inv.b", "inv.b", "k2,7", "k2,-5"), chunk("f1", "inv.b", "inv.b", "k2,7", "k2,7"),
                     scan("f1", "inv.b", "inv.b", 3), "f1 COMPLETED"]
        assert notes(running.events()) == expected
        assert [row["id"] for code, row in rows(running.events(), "a") if code == "r"] == [1, 2, 3, 4, 5] * 2
        chunks = [payload(event)["source"] for event in running.events()
                  if event["topic"] == "srv.inv.a" and payload(event)["source"]["snapshot"] == "incremental"]
        assert all(source.get("lsn") is None and source.get("txId") is None for source in chunks) and len(chunks) == 5
        # The connector's own rows are events as well.
        marks = [row["type"] for code, row in rows(running.events(), "signals")]
        assert marks[:2] == ["snapshot-window-open", "snapshot-window-close"]

        send("f2", "execute-snapshot", "f2 COMPLETED", data_collections=["inv.nokey", "inv.missing", "inv.c"])
        expected += ["f2 STARTED data_collections=inv.nokey,inv.c,inv.missing",
                     scan("f2", "inv.nokey", "inv.nokey,inv.c,inv.missing", 0, "NO_PRIMARY_KEY"),
                     scan("f2", "inv.c", "inv.c,inv.missing", 0, "EMPTY"),
                     scan("f2", "inv.missing", "inv.missing", 0, "UNKNOWN_SCHEMA"), "f2 COMPLETED"]
        assert notes(running.events()) == expected

        send("f3", "execute-snapshot", "f3 COMPLETED", data_collections=["inv.a"], additional_conditions=[
            {"data-collection": "inv.a", "filter": "nosuch < 3"}])
        expected += ["f3 STARTED data_collections=inv.a", scan("f3", "inv.a", "inv.a", 0, "SQL_EXCEPTION"), "f3 COMPLETED"]
        assert notes(running.events()) == expected

        before = len(expected)
        send("f4", "execute-snapshot", "Initial COMPLETED", data_collections=["inv.a"], type="blocking",
             additional_conditions=[{"data-collection": "inv.a", "filter": "SELECT * FROM inv.a WHERE id > 3"}])
        running.wait_for(lambda events: len(notes(events)) == before + 4)
        expected += ["Initial STARTED", "Initial IN_PROGRESS current_collection_in_progress=inv.a data_collections=inv.a",
                     scan("Initial", "inv.a", "inv.a", 2), "Initial COMPLETED"]
        assert notes(running.events()) == expected
        assert "[Notification Service]  {id='f3', aggregateType='Incremental Snapshot', type='COMPLETED'," in \
            running.log.read_text()
    finally:
        running.kill()
    # A start without a snapshot says so.
    running = running.start()
    try:
        running.wait_for(lambda events: notes(events) == ["Initial SKIPPED"])
    finally:
        running.kill()


def is_read(database, slot):
    """Whether somebody reads the database's log."""
    if isinstance(database, PostgreSQL):
        return database.value(f"SELECT count(*) FROM pg_replication_slots WHERE slot_name='{slot}' AND active") == "1"
    return "Binlog Dump" in database.value("SHOW PROCESSLIST")


@pytest.mark.parametrize("kind", ["incremental", "blocking"])
def test_a_row_of_the_table_of_signals_is_followed_after_a_kill(database, tmp_path, kind):
    if isinstance(database, MariaDB):
        database.end_readers()
    table = f"w{kind}"
    database.sql(f"CREATE TABLE inv.{table} (id INT PRIMARY KEY); INSERT INTO inv.{table} VALUES (1), (2), (3), (4), (5)")
    running = connector(database, tmp_path, **{
        "snapshot.mode": "no_data", "table.include.list": f"inv.{table}", "slot.name": table,
        "notification.enabled.channels": "", "signal.enabled.channels": "source"}).start()
    try:
        until(lambda: is_read(database, table), what="the reader of the log")
        # The signal's event is stored, and nothing of what it asks for.
        with database.locked(f"inv.{table}"):
            data = json.dumps({"data-collections": [f"inv.{table}"], "type": kind})
            database.sql(f"INSERT INTO inv.signals VALUES ('{table}', 'execute-snapshot', '{data}')")
            running.wait_for(lambda events: rows(events, "signals"))
            until(lambda: running.offsets.exists(), what="the offset")
            running.kill()
        running.start()
        running.wait_for(lambda events: {row["id"] for code, row in rows(events, table) if code == "r"} == {1, 2, 3, 4, 5})
        if kind == "incremental":
            # Nothing twice, though rows of the connector's own have come in between.
            assert [row["id"] for _, row in rows(running.events(), table)] == [1, 2, 3, 4, 5]
    finally:
        running.kill()


def test_columns_are_asked_for_again(database, tmp_path):
    is_postgres = isinstance(database, PostgreSQL)
    key = "id {}, at TIMESTAMP(3) NOT NULL, d DECIMAL(10,2) NOT NULL, t VARCHAR(20) NOT NULL, "
    database.sql("CREATE TABLE inv.r (" + key.format("BIGINT" if is_postgres else "BIGINT UNSIGNED")
                 + "n INT, late VARCHAR(20), " + ("big TEXT, j JSONB, " if is_postgres else "big TEXT, j TEXT, ")
                 + "PRIMARY KEY (id, at, d, t))")
    if is_postgres:
        database.sql("ALTER TABLE inv.r ALTER big SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL")
    row = "18000000000000000000" if not is_postgres else "9000000000000000000"
    options = {"snapshot.mode": "no_data", "table.include.list": "inv.r", "notification.enabled.channels": "",
               "slot.name": "again", "post.processors": "again", "signal.data.collection": "",
               "again.type": "io.debezium.processors.reselect.ReselectColumnsPostProcessor",
               "again.reselect.columns.exclude.list": "inv.r:n"}
    if not is_postgres:
        database.end_readers()
    running = connector(database, tmp_path, **options).start()
    try:
        if is_postgres:
            until(lambda: database.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name='again' AND active") == "1",
                  what="the reader of the log")
        else:
            until(lambda: "Binlog Dump" in database.value("SHOW PROCESSLIST"), what="the reader of the log")
        running.process.send_signal(signal.SIGSTOP)
        database.sql(f"BEGIN; INSERT INTO inv.r VALUES ({row}, '2024-05-06 07:08:09.125', 1.50, 'o''k\\é', NULL, NULL, "
                     f"'{'x' * 9000}', '{{\"a\": \"{'y' * 9000}\"}}'); UPDATE inv.r SET late = 'now', n = 3; COMMIT;"
                     "UPDATE inv.r SET n = NULL;")
        running.process.send_signal(signal.SIGCONT)
        running.wait_for(lambda events: len(rows(events, "r")) == 3)
        # The log has a change a moment before others see the row so.
        running.process.send_signal(signal.SIGSTOP)
        database.sql("UPDATE inv.r SET t = 'other'")
        running.process.send_signal(signal.SIGCONT)
        found = rows(running.wait_for(lambda events: len(rows(events, "r")) == 5), "r")
        assert [code for code, _ in found] == ["c", "u", "u", "d", "c"]
        inserted, changed, emptied, renamed = found[0][1], found[1][1], found[2][1], found[4][1]
        # By the time of the event the row has got its text; n is left out.
        assert inserted["late"] == "now" and inserted["n"] is None and changed["n"] == 3 and emptied["n"] is None
        assert inserted["big"] == "x" * 9000
        # PostgreSQL does not repeat long values that an update left as they were.
        assert all(row["big"] == "x" * 9000 and "y" * 9000 in row["j"] for row in (changed, emptied, renamed))
        assert renamed["t"] == "other" and "Failed to re-select" not in running.log.read_text()
        # A row that is gone by then stays as the log tells it, and the log says so.
        running.process.send_signal(signal.SIGSTOP)
        database.sql("BEGIN; UPDATE inv.r SET n = 5, late = NULL; DELETE FROM inv.r; COMMIT")
        running.process.send_signal(signal.SIGCONT)
        found = rows(running.wait_for(lambda events: len(rows(events, "r")) == 7), "r")
        assert found[5][0] == "u" and found[5][1]["late"] is None and found[5][1]["n"] == 5
        assert found[5][1]["big"] == ("__debezium_unavailable_value" if is_postgres else "x" * 9000)
        assert "Failed to re-select columns for table inv.r" in running.log.read_text()
    finally:
        running.kill()


class TestTopic:
    """Signals in a topic of the worker's own cluster."""

    @pytest.fixture
    def worker(self, tmp_path):
        made = Worker(tmp_path / "broker", settings={"offset.flush.interval.ms": "300"}).start()
        yield made
        if made.alive:
            made.stop()

    @staticmethod
    def records(worker, topic):
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": worker.address, "group.id": "reader", "enable.partition.eof": True,
                             "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = []
        try:
            while True:
                message = consumer.poll(10)
                if message is None or message.error():
                    return found
                found.append(json.loads(message.value()) if message.value() else None)
        finally:
            consumer.close()

    @staticmethod
    def table(database, name, count):
        if isinstance(database, MariaDB):
            database.end_readers()
        numbers = ",".join(f"({number}, 0)" for number in range(1, count + 1))
        database.sql(f"CREATE TABLE inv.{name} (id INT PRIMARY KEY, v INT); INSERT INTO inv.{name} VALUES {numbers}")

    @staticmethod
    def config(database, worker, folder, slot, **options):
        config = {name: value for name, value in database.connector(folder).items() if name != "database.include.list"}
        config |= {"key.converter": "org.apache.kafka.connect.json.JsonConverter",
                   "value.converter": "org.apache.kafka.connect.json.JsonConverter",
                   "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
                   "topic.prefix": "srv", "slot.name": slot, "table.include.list": f"inv.{slot}", "snapshot.mode": "no_data",
                   "signal.data.collection": "inv.signals", "signal.enabled.channels": "source,kafka",
                   "signal.kafka.topic": "signals", "signal.poll.interval.ms": "100", "include.schema.changes": "false",
                   "signal.kafka.bootstrap.servers": worker.address, "notification.enabled.channels": "sink",
                   "notification.sink.topic.name": "notes", "incremental.snapshot.chunk.size": "20", **options}
        return {name.replace(".", "__"): str(value) for name, value in config.items()}

    def test_a_blocking_snapshot_of_a_topic_is_taken_again_after_a_kill(self, database, worker, tmp_path):
        from confluent_kafka import Producer
        for name in ("p1", "p2"):
            self.table(database, name, 100)
        worker.put("p", **self.config(database, worker, tmp_path, "p", **{
            "table.include.list": "inv.p1,inv.p2", "max.batch.size": "10", "max.queue.size": "1000"}))
        worker.wait_running("p")
        until(lambda: is_read(database, "p"), what="the reader of the log")
        # The first table's rows are stored, the second one waits.
        with database.locked("inv.p2"):
            producer = Producer({"bootstrap.servers": worker.address})
            data = {"data-collections": ["inv.p1", "inv.p2"], "type": "blocking"}
            producer.produce("signals", key="srv", value=json.dumps({"id": "b", "type": "execute-snapshot", "data": data}))
            producer.flush()
            until(lambda: len(self.records(worker, "srv.inv.p1")) >= 90, what="the first table's rows")
            worker.kill()
        worker.start()
        for name in ("p1", "p2"):
            until(lambda: {event["after"]["id"] for event in self.records(worker, f"srv.inv.{name}") if event}
                  == set(range(1, 101)), what=f"all rows of {name}")

    def test_a_signal_in_a_topic_is_followed_whenever_the_worker_is_killed(self, database, worker, tmp_path):
        from confluent_kafka import Producer
        self.table(database, "k", 400)
        config = self.config(database, worker, tmp_path, "k")
        producer = Producer({"bootstrap.servers": worker.address})

        def send(name, key="srv"):
            data = {"data-collections": ["inv.k"], "type": "incremental"}
            producer.produce("signals", key=key, value=json.dumps({"id": name, "type": "execute-snapshot", "data": data}))
            producer.flush()

        send("others", key="other")
        producer.produce("signals", key="srv", value="no signal")
        worker.put("k", **config)
        worker.wait_running("k")
        send("first")
        # Anywhere in between; the address stays.
        until(lambda: len(self.records(worker, "srv.inv.k")) >= 40, what="the first chunks")
        worker.kill()
        worker.start()

        def told():
            return [(note["id"], note["type"]) for note in self.records(worker, "notes")]

        until(lambda: ("first", "COMPLETED") in told(), what="the end of the snapshot")
        ids = {event["after"]["id"] for event in self.records(worker, "srv.inv.k") if event}
        assert ids == set(range(1, 401))
        # What is done is not done again.
        send("second")
        until(lambda: ("second", "COMPLETED") in told(), what="the end of the second one")
        worker.stop()
        count = len(told()) if worker.alive else None
        worker.start()
        worker.wait_running("k")
        send("third")
        until(lambda: ("third", "COMPLETED") in told(), what="the end of the third one")
        told = told()
        assert told.count(("second", "STARTED")) == 1 and not any(name == "others" for name, _ in told), (count, told)
