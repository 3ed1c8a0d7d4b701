"""What must never happen, whatever breaks: a change that is lost or comes in another order, a table read with the columns of
another day."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from database import Connector, CutWire, MariaDB, driver, payload, rows, until  # noqa: E402

pytestmark = pytest.mark.deadline(240)


@pytest.fixture
def database(tmp_path):
    if driver() is None:
        pytest.skip("the program ChangeEvents is missing: swift build --product ChangeEvents, or CHANGE_EVENTS=PATH")
    server = MariaDB(tmp_path).start()
    server.sql("CREATE DATABASE demo CHARACTER SET utf8mb4")
    yield server
    server.stop()


@pytest.fixture
def connector(database, tmp_path):
    made = Connector(tmp_path / "connector", database)
    yield made
    made.kill()


def ids(events, table):
    return [row["id"] for operation, row in rows(events, table) if operation in "cr"]


def test_a_snapshot_that_was_interrupted_is_taken_again(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(20));"
                 "INSERT INTO demo.t SELECT seq, 'x' FROM demo.seq_1_to_5000")
    connector.set({"max.batch.size": 100}).start("--count", 1200)
    connector.wait()
    database.sql("INSERT INTO demo.t VALUES (5001, 'late')")
    connector.start()
    connector.wait_for(lambda events: 5001 in ids(events, "t"))
    assert sorted(ids(connector.events(), "t")) == list(range(1, 5002))


def test_a_big_transaction_goes_on_in_its_middle(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO demo.t VALUES (0, 'first')")
    connector.set({"max.batch.size": 500, "include.schema.changes": "false"}).start("--count", 1)
    assert connector.wait() == 0
    database.sql("BEGIN; INSERT INTO demo.t SELECT seq, 'x' FROM demo.seq_1_to_20000;"
                 "UPDATE demo.t SET v='y' WHERE id > 19990; DELETE FROM demo.t WHERE id = 7; COMMIT;"
                 "INSERT INTO demo.t VALUES (30000, 'last')")
    seen = []
    for count in (1, 3333, 7000, 500):
        connector.start("--count", count)
        assert connector.wait() == 0
        seen += connector.events()
    connector.start()
    connector.wait_for(lambda events: 30000 in ids(events, "t"))
    seen += connector.events()
    assert ids(seen, "t") == list(range(1, 20001)) + [30000]
    assert [operation for operation, _ in rows(seen, "t")] == ["c"] * 20000 + ["u"] * 10 + ["d"] + ["c"]


def test_definitions_are_those_of_their_time(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, a INT); INSERT INTO demo.t VALUES (1, 10)")
    connector.start("--until", "dbserver1.demo.t")
    assert connector.wait() == 0
    for number in range(2, 8):
        database.sql(f"ALTER TABLE demo.t ADD COLUMN c{number} INT DEFAULT {number} FIRST;"
                     f"INSERT INTO demo.t (id, a) VALUES ({number}, {number * 10})")
    seen = []
    # Stops between a definition and its rows, and behind them.
    for _ in range(3):
        connector.start("--count", 3)
        assert connector.wait() == 0
        seen += connector.events()
    connector.start()
    connector.wait_for(lambda events: 7 in ids(events, "t"))
    seen += connector.events()
    created = [row for operation, row in rows(seen, "t") if operation == "c"]
    assert [row["id"] for row in created] == list(range(2, 8))
    for row in created:
        assert row["a"] == row["id"] * 10
        for number in range(2, row["id"] + 1):
            assert row[f"c{number}"] == number
        assert len(row) == 2 + row["id"] - 1


def test_a_killed_database_comes_back(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (0)")
    connector.start()
    connector.wait_for(lambda events: ids(events, "t") == [0])
    database.sql("INSERT INTO demo.t VALUES (1)")
    connector.wait_for(lambda events: 1 in ids(events, "t"))
    database.kill()
    database.start()
    database.sql("INSERT INTO demo.t VALUES (2)")
    connector.wait_for(lambda events: 2 in ids(events, "t"))
    database.sql("INSERT INTO demo.t VALUES (3)")
    connector.wait_for(lambda events: 3 in ids(events, "t"))
    assert ids(connector.events(), "t") == [0, 1, 2, 3]


def test_a_dropped_connection_is_made_anew(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (0)")
    connector.start()
    connector.wait_for(lambda events: ids(events, "t") == [0])
    for number in range(1, 6):
        thread = until(lambda: database.value(
            "SELECT MIN(id) FROM information_schema.processlist WHERE command='Binlog Dump'").replace("NULL", ""),
            what="the connector's connection")
        database.sql(f"KILL {thread}")
        database.sql(f"BEGIN; INSERT INTO demo.t VALUES ({number * 2}); INSERT INTO demo.t VALUES ({number * 2 + 1}); COMMIT")
        connector.wait_for(lambda events: number * 2 + 1 in ids(events, "t"))
    assert ids(connector.events(), "t") == [0] + list(range(2, 12))


def test_a_network_that_is_cut_in_the_middle_of_events(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(200)); INSERT INTO demo.t VALUES (0, '')")
    with CutWire(database.port) as wire:
        connector.set({"database.port": wire.port, "max.batch.size": 100, "include.schema.changes": "false"}).start()
        connector.wait_for(lambda events: ids(events, "t") == [0])
        # Less than an event of the log, and more than what fits into the buffers of sockets.
        for number, byte_count in enumerate((10, 3000, 70_000, 400_000)):
            first = number * 5000 + 1
            wire.cut_after(byte_count)
            database.sql(f"INSERT INTO demo.t SELECT seq, REPEAT('x', 150) FROM demo.seq_{first}_to_{first + 4999}")
            until(lambda: wire.is_cut, what="the cut")
            wire.mend()
            connector.wait_for(lambda events: first + 4999 in ids(events, "t"))
    assert ids(connector.events(), "t") == list(range(20_001))
    assert "tried again" in connector.log.read_text()


def test_a_log_that_is_gone_when_the_network_is_back(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1)")
    with CutWire(database.port) as wire:
        connector.set({"database.port": wire.port}).start()
        connector.wait_for(lambda events: ids(events, "t") == [1])
        until(lambda: is_streaming(database), what="streaming")
        wire.cut()
        database.end_readers()
        database.sql("INSERT INTO demo.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO demo.t VALUES (3); FLUSH BINARY LOGS")
        database.purge()
        wire.mend()
        assert connector.wait() == 1
    text = connector.log.read_text()
    assert "no longer available on the server" in text and "snapshot.mode=when_needed" in text


@pytest.mark.parametrize("mode,again", [("initial", False), ("when_needed", True)])
def test_a_log_that_is_gone(database, connector, mode, again):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1)")
    connector.set({"snapshot.mode": mode}).start("--until", "dbserver1.demo.t")
    assert connector.wait() == 0
    database.end_readers()
    database.sql("INSERT INTO demo.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO demo.t VALUES (3); FLUSH BINARY LOGS")
    database.purge()
    connector.start()
    if again:
        connector.wait_for(lambda events: sorted(ids(events, "t")) == [1, 2, 3])
    else:
        assert connector.wait() == 1
        text = connector.log.read_text()
        assert "no longer available on the server" in text and "snapshot.mode=when_needed" in text
        assert "dbz" not in text.replace("dbserver1", "")


def test_an_incremental_snapshot_among_changes(database, connector):
    database.sql("CREATE TABLE demo.signals (id VARCHAR(200) PRIMARY KEY, type VARCHAR(32), data VARCHAR(2048));"
                 "CREATE TABLE demo.t (id INT PRIMARY KEY, v INT); INSERT INTO demo.t SELECT seq, 0 FROM demo.seq_1_to_500")
    connector.set({"snapshot.mode": "no_data", "signal.data.collection": "demo.signals",
                   "incremental.snapshot.chunk.size": 40, "table.include.list": "demo.t"}).start()
    until(lambda: database.value(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE command='Binlog Dump'") == "1", what="streaming")
    database.sql("INSERT INTO demo.signals VALUES ('go', 'execute-snapshot', "
                 "'{\"data-collections\": [\"demo.t\"], \"type\": \"incremental\"}')")
    for number in range(1, 60):
        database.sql(f"UPDATE demo.t SET v = {number} WHERE id = {number * 8}")
    connector.wait_for(lambda events: len({row["id"] for _, row in rows(events, "t")}) == 500)
    state = {}
    for operation, row in rows(connector.events(), "t"):
        state[row["id"]] = row["v"]
    wanted = {number: 0 for number in range(1, 501)} | {number * 8: number for number in range(1, 60)}
    connector.wait_for(lambda events: {row["id"]: row["v"] for _, row in rows(events, "t")} == wanted)
    marks = {(payload(event)["source"]["snapshot"], payload(event)["source"]["server_id"]) for event in connector.events()
             if payload(event) and payload(event).get("op") == "r" and event["topic"].endswith(".t")}
    assert marks == {("incremental", 223344)}


def test_signals_that_fail_and_a_blocking_snapshot(database, connector):
    database.sql("CREATE TABLE demo.signals (id VARCHAR(200) PRIMARY KEY, type VARCHAR(32), data VARCHAR(2048));"
                 "CREATE TABLE demo.t (id INT PRIMARY KEY, v INT); INSERT INTO demo.t SELECT seq, 10 - seq FROM demo.seq_1_to_5")
    connector.set({"snapshot.mode": "no_data", "signal.data.collection": "demo.signals",
                   "incremental.snapshot.chunk.size": 2, "table.include.list": "demo.t"}).start()
    until(lambda: database.value(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE command='Binlog Dump'") == "1", what="streaming")

    def signal(name, **data):
        text = json.dumps({"data-collections": ["demo.t"], **data}).replace("'", "''")
        database.sql(f"INSERT INTO demo.signals VALUES ('{name}', 'execute-snapshot', '{text}')")

    def only(filter):
        return [{"data-collection": "demo.t", "filter": filter}]

    signal("bad", **{"type": "incremental", "additional-conditions": only("nosuch = 1")})
    signal("wrong", **{"type": "blocking", "additional-conditions": only("SELECT FROM demo.t")})
    signal("good", **{"type": "blocking", "additional-conditions": only("SELECT * FROM demo.t WHERE id < 3")})
    connector.wait_for(lambda events: len(rows(events, "t")) == 2)
    signal("other", **{"type": "incremental", "surrogate-key": "v", "additional-conditions": only("id > 3")})
    connector.wait_for(lambda events: len(rows(events, "t")) == 4)
    database.sql("UPDATE demo.t SET v = 0 WHERE id = 1")
    connector.wait_for(lambda events: len(rows(events, "t")) == 5)
    assert [(operation, row["id"]) for operation, row in rows(connector.events(), "t")] == [
        ("r", 1), ("r", 2), ("r", 5), ("r", 4), ("u", 1)]
    assert [payload(event)["source"]["snapshot"] for event in connector.events()
            if event["topic"].endswith(".t")] == ["first", "last", "incremental", "incremental", "false"]
    text = connector.log.read_text()
    assert "'bad'" in text and "'wrong'" in text


def test_heartbeats_move_the_offset_along(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); CREATE DATABASE other; CREATE TABLE other.t (id INT);"
                 "INSERT INTO demo.t VALUES (1)")
    connector.set({"heartbeat.interval.ms": 100, "poll.interval.ms": 20}).start()
    connector.wait_for(lambda events: ids(events, "t") == [1])
    database.sql("INSERT INTO other.t VALUES (1)")
    end = int(database.value("SHOW MASTER STATUS").split()[1])
    events = connector.wait_for(lambda events: any(
        event["topic"] == "__debezium-heartbeat.dbserver1" and event["offset"]["pos"] >= end for event in events))
    assert ids(events, "t") == [1]


def test_columns_are_masked_and_keys_are_given(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, name VARCHAR(50), mail VARCHAR(50), code INT NOT NULL, x INT);"
                 "INSERT INTO demo.t VALUES (1, 'Alexander', 'a@b.example', 7, 1)")
    connector.set({"column.mask.with.5.chars": "demo.t.mail", "column.truncate.to.3.chars": "demo.t.name",
                   "message.key.columns": "demo.t:code", "column.exclude.list": "demo.t.x"}).start("--until", "dbserver1.demo.t")
    assert connector.wait() == 0
    event = connector.events()[-1]
    assert payload(event)["after"] == {"id": 1, "name": "Ale", "mail": "*****", "code": 7}
    row = next(field for field in event["value"]["schema"]["fields"] if field["field"] == "after")
    assert {field["field"]: field["parameters"] for field in row["fields"] if "parameters" in field} == {
        "name": {"truncateLength": "3"}, "mail": {"masked": "true"}}
    assert payload(event, "key") == {"code": 7}


def test_another_connector_class_and_its_gtids(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1)")
    connector.set({"connector.class": "io.debezium.connector.mariadb.MariaDbConnector"}).start("--until", "dbserver1.demo.t")
    assert connector.wait() == 0
    database.sql("INSERT INTO demo.t VALUES (2), (3)")
    connector.start("--until", "dbserver1.demo.t")
    assert connector.wait() == 0
    source = payload(connector.events()[-1])["source"]
    assert source["connector"] == "mariadb" and source["gtid"].startswith("0-223344-")
    assert connector.events()[-1]["offset"]["gtids"].startswith("0-223344-")


@pytest.mark.parametrize("option", ["--log-bin-compress=ON", "--binlog-checksum=NONE", "--binlog-annotate-row-events=ON"])
def test_other_forms_of_the_log(tmp_path, option):
    if driver() is None:
        pytest.skip("the program ChangeEvents is missing")
    server = MariaDB(tmp_path).start(option, "--log-bin-compress-min-len=10")
    connector = Connector(tmp_path / "connector", server, include__query="true")
    try:
        server.sql("CREATE DATABASE demo; CREATE TABLE demo.t (id INT PRIMARY KEY, v TEXT); INSERT INTO demo.t VALUES (0, '')")
        connector.start()
        connector.wait_for(lambda events: ids(events, "t") == [0])
        server.sql("INSERT INTO demo.t SELECT seq, REPEAT('abc', 100) FROM demo.seq_1_to_50; UPDATE demo.t SET v='new' WHERE id=3;"
                   "DELETE FROM demo.t WHERE id=50")
        connector.wait_for(lambda events: rows(events, "t") and rows(events, "t")[-1][0] == "d")
        found = rows(connector.events(), "t")
        assert [operation for operation, _ in found] == ["r"] + ["c"] * 50 + ["u", "d"]
        assert found[1][1]["v"] == "abc" * 100 and found[-2][1]["v"] == "new"
        if option == "--binlog-annotate-row-events=ON":
            assert payload(connector.events()[-2])["source"]["query"].startswith("DELETE FROM demo.t")
    finally:
        connector.kill()
        server.stop()


def is_streaming(database):
    return database.value("SELECT COUNT(*) FROM information_schema.processlist WHERE command='Binlog Dump'") == "1"


def test_snapshot_mode_always(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1), (2)")
    connector.set({"snapshot.mode": "always", "include.schema.changes": "false"})
    for _ in range(2):
        connector.start("--count", 2)
        assert connector.wait() == 0
        assert [operation for operation, _ in rows(connector.events(), "t")] == ["r", "r"]


def test_snapshot_mode_initial_only(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1), (2)")
    connector.set({"snapshot.mode": "initial_only"}).start()
    assert connector.wait() == 0
    assert ids(connector.events(), "t") == [1, 2]
    database.sql("INSERT INTO demo.t VALUES (3)")
    connector.start()
    assert connector.wait() == 0
    assert ids(connector.events(), "t") == []


def test_snapshot_mode_never_reads_the_log_from_its_beginning(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v INT DEFAULT 5); INSERT INTO demo.t (id) VALUES (1), (2);"
                 "ALTER TABLE demo.t DROP COLUMN v; INSERT INTO demo.t VALUES (3)")
    connector.set({"snapshot.mode": "never"}).start()
    connector.wait_for(lambda events: ids(events, "t") == [1, 2, 3])
    assert rows(connector.events(), "t") == [("c", {"id": 1, "v": 5}), ("c", {"id": 2, "v": 5}), ("c", {"id": 3})]


def test_snapshot_mode_recovery_makes_the_history_anew(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY, v INT); INSERT INTO demo.t VALUES (1, 1)")
    connector.start("--until", "dbserver1.demo.t")
    assert connector.wait() == 0
    (connector.folder / "history.jsonl").unlink()
    database.sql("INSERT INTO demo.t VALUES (2, 2)")
    connector.start()
    assert connector.wait() == 1
    assert "schema history" in connector.log.read_text() and "recovery" in connector.log.read_text()
    connector.set({"snapshot.mode": "recovery"}).start()
    connector.wait_for(lambda events: rows(events, "t") == [("c", {"id": 2, "v": 2})])
    assert (connector.folder / "history.jsonl").stat().st_size > 0


def test_another_server_goes_on_by_gtids(database, connector, tmp_path):
    """A replica that takes over has files of the same names, and other places in them."""
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1)")
    folder = tmp_path / "replica"
    folder.mkdir()
    replica = MariaDB(folder).start("--server-id=55", "--log-slave-updates=ON")
    try:
        replica.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={database.port}, MASTER_USER='dbz',"
                    "MASTER_PASSWORD='dbz', MASTER_USE_GTID=slave_pos; START SLAVE")
        replicated = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='demo' AND table_name='t'"
        until(lambda: replica.value(replicated) == "1", what="the replica")
        connector.set({"connector.class": "io.debezium.connector.mariadb.MariaDbConnector", "snapshot.mode": "initial"})
        connector.start("--until", "dbserver1.demo.t")
        assert connector.wait() == 0
        database.sql("INSERT INTO demo.t VALUES (2)")
        connector.start("--until", "dbserver1.demo.t")
        assert connector.wait() == 0
        database.sql("INSERT INTO demo.t VALUES (3)")
        until(lambda: replica.value("SELECT COUNT(*) FROM demo.t") == "3", what="the replica's rows")
        replica.sql("STOP SLAVE; INSERT INTO demo.t VALUES (4)")
        connector.set({"database.port": replica.port}).start()
        connector.wait_for(lambda events: 4 in ids(events, "t"))
        assert ids(connector.events(), "t") == [3, 4]
    finally:
        connector.kill()
        replica.stop()


def test_gtids_of_other_sources_are_left_out(database, connector):
    database.sql("CREATE TABLE demo.t (id INT PRIMARY KEY); INSERT INTO demo.t VALUES (1)")
    connector.set({"connector.class": "io.debezium.connector.mariadb.MariaDbConnector", "gtid.source.includes": "0,7"})
    connector.start()
    connector.wait_for(lambda events: ids(events, "t") == [1])
    until(lambda: is_streaming(database), what="streaming")
    for domain, number in ((0, 2), (5, 3), (7, 4), (5, 5), (0, 6)):
        database.sql(f"SET gtid_domain_id={domain}; INSERT INTO demo.t VALUES ({number})")
    connector.wait_for(lambda events: 6 in ids(events, "t"))
    assert ids(connector.events(), "t") == [1, 2, 4, 6]
    # Those are passed over when reading goes on, too.
    connector.kill()
    database.end_readers()
    database.sql("SET gtid_domain_id=5; INSERT INTO demo.t VALUES (7); SET gtid_domain_id=0; INSERT INTO demo.t VALUES (8)")
    connector.start()
    connector.wait_for(lambda events: 8 in ids(events, "t"))
    assert 7 not in ids(connector.events(), "t")
