"""What must never happen on PostgreSQL, whatever breaks: a change that is lost or comes in another order."""

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from database import Connector, CutWire, driver, payload, rows, until  # noqa: E402
from postgres import PostgreSQL  # noqa: E402

pytestmark = pytest.mark.deadline(240)


@pytest.fixture(scope="module")
def server():
    if driver() is None:
        pytest.skip("the program ChangeEvents is missing: swift build --product ChangeEvents, or CHANGE_EVENTS=PATH")
    made = PostgreSQL().start()
    yield made
    made.stop()


@pytest.fixture
def database(server):
    server.renew()
    server.sql("CREATE SCHEMA inv")
    yield server


@pytest.fixture
def connector(database, tmp_path):
    made = Connector(tmp_path / "connector", database)
    yield made
    made.kill()


def ids(events, table="t"):
    return [row["id"] for operation, row in rows(events, table) if operation in "cr"]


def is_streaming(database):
    return database.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"


def test_a_snapshot_that_was_interrupted_is_taken_again(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT); INSERT INTO inv.t SELECT g, 'x' FROM generate_series(1, 5000) g")
    connector.set({"max.batch.size": 100}).start("--count", 1200)
    assert connector.wait() == 0
    # The slot is there now: what the next snapshot sees and the slot tells must not come twice.
    database.sql("INSERT INTO inv.t VALUES (5001, 'late'); UPDATE inv.t SET v = 'y' WHERE id = 3; DELETE FROM inv.t WHERE id = 4")
    connector.start()
    connector.wait_for(lambda events: 5001 in ids(events))
    database.sql("INSERT INTO inv.t VALUES (5002, 'behind')")
    connector.wait_for(lambda events: 5002 in ids(events))
    assert sorted(ids(connector.events())) == [1, 2, 3] + list(range(5, 5003))
    assert {operation for operation, _ in rows(connector.events(), "t")} == {"r", "c"}


def test_rows_that_commit_while_a_snapshot_is_taken(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT); INSERT INTO inv.t SELECT g, 'x' FROM generate_series(1, 3000) g")
    stop = threading.Event()
    written = []

    def write():
        number = 10_000
        while not stop.is_set():
            database.sql(f"INSERT INTO inv.t VALUES ({number}, 'w')")
            written.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        connector.set({"max.batch.size": 50})
        # The first two are cut off; the third starts with a slot that is there.
        for count in (700, 1500):
            connector.start("--count", count)
            assert connector.wait() == 0
        connector.start()
        connector.wait_for(lambda events: len(ids(events)) >= 3000 and any(operation == "c" for operation, _ in rows(events, "t")))
    finally:
        stop.set()
        writer.join()
    connector.wait_for(lambda events: set(written) <= set(ids(events)))
    assert sorted(ids(connector.events())) == list(range(1, 3001)) + written


def test_a_big_transaction_goes_on_in_its_middle(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT); INSERT INTO inv.t VALUES (0, 'first')")
    connector.set({"max.batch.size": 500}).start("--count", 1)
    assert connector.wait() == 0
    # COPY writes many rows at one place of the log.
    lines = "\n".join(f"{number}\tx" for number in range(10_001, 20_001))
    database.sql("BEGIN; INSERT INTO inv.t SELECT g, 'x' FROM generate_series(1, 10000) g;\n"
                 f"COPY inv.t FROM STDIN;\n{lines}\n\\.\n"
                 "UPDATE inv.t SET v='y' WHERE id > 19990; DELETE FROM inv.t WHERE id = 7; COMMIT;"
                 "INSERT INTO inv.t VALUES (30000, 'last')")
    seen = []
    for count in (1, 3333, 7000, 3500, 500):
        connector.start("--count", count)
        assert connector.wait() == 0, connector.log.read_text()
        seen += connector.events()
    connector.start()
    connector.wait_for(lambda events: 30000 in ids(events))
    seen += connector.events()
    assert ids(seen) == list(range(1, 20001)) + [30000]
    assert [operation for operation, _ in rows(seen, "t")] == ["c"] * 20000 + ["u"] * 10 + ["d"] + ["c"]


def test_killed_again_and_again_nothing_is_lost(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT)")
    connector.set({"max.batch.size": 20, "poll.interval.ms": 10})
    stop = threading.Event()
    last = [0]

    def write():
        while not stop.is_set():
            first = last[0] + 1
            database.sql(f"BEGIN; INSERT INTO inv.t SELECT g, 'x' FROM generate_series({first}, {first + 49}) g; COMMIT")
            last[0] = first + 49

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    try:
        for _ in range(8):
            connector.start()
            connector.wait_for(lambda events: len(events) > 120)
            connector.kill()
            seen += connector.events()
    finally:
        stop.set()
        writer.join()
    connector.start()
    connector.wait_for(lambda events: last[0] in ids(events))
    seen += connector.events()
    found = ids(seen)
    assert sorted(set(found)) == list(range(1, last[0] + 1))
    # What was printed and not yet noted down comes once more, and nothing else.
    assert len(found) - len(set(found)) <= 8 * 200
    firsts = list(dict.fromkeys(found))
    assert firsts == sorted(firsts)


def test_a_killed_database_comes_back(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (0)")
    connector.start()
    connector.wait_for(lambda events: ids(events) == [0])
    database.sql("INSERT INTO inv.t VALUES (1)")
    connector.wait_for(lambda events: 1 in ids(events))
    database.kill()
    database.start()
    database.sql("INSERT INTO inv.t VALUES (2)")
    connector.wait_for(lambda events: 2 in ids(events))
    database.sql("INSERT INTO inv.t VALUES (3)")
    connector.wait_for(lambda events: 3 in ids(events))
    assert ids(connector.events()) == [0, 1, 2, 3]


def test_a_dropped_connection_is_made_anew(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (0)")
    connector.start()
    connector.wait_for(lambda events: ids(events) == [0])
    for number in range(1, 6):
        until(lambda: is_streaming(database), what="streaming")
        database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        database.sql(f"BEGIN; INSERT INTO inv.t VALUES ({number * 2}); INSERT INTO inv.t VALUES ({number * 2 + 1}); COMMIT")
        connector.wait_for(lambda events: number * 2 + 1 in ids(events))
    assert ids(connector.events()) == [0] + list(range(2, 12))


def test_a_network_that_is_cut_in_the_middle_of_events(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT); INSERT INTO inv.t VALUES (0, '')")
    with CutWire(database.port) as wire:
        connector.set({"database.port": wire.port, "max.batch.size": 100}).start()
        connector.wait_for(lambda events: ids(events) == [0])
        until(lambda: is_streaming(database), what="streaming")
        for number, byte_count in enumerate((10, 3000, 70_000, 400_000)):
            first = number * 5000 + 1
            wire.cut_after(byte_count)
            database.sql(f"INSERT INTO inv.t SELECT g, repeat('x', 150) FROM generate_series({first}, {first + 4999}) g")
            until(lambda: wire.is_cut, what="the cut")
            wire.mend()
            connector.wait_for(lambda events: first + 4999 in ids(events))
    assert ids(connector.events()) == list(range(20_001))
    assert "tried again" in connector.log.read_text()


def test_the_server_hears_of_what_is_stored_and_nothing_else(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (0)")
    connector.set({"status.update.interval.ms": 100}).start()
    connector.wait_for(lambda events: ids(events) == [0])
    confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots"
    before = database.value(confirmed)
    database.sql("INSERT INTO inv.t VALUES (1)")
    connector.wait_for(lambda events: 1 in ids(events))
    until(lambda: database.value(confirmed) != before, what="the confirmation")
    number = [event["offset"]["lsn_commit"] for event in connector.events()]
    assert int(database.value(f"SELECT ({confirmed}) - '0/0'::pg_lsn").split(".")[0]) <= max(
        int(database.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").split(".")[0]), *number)


@pytest.mark.parametrize("mode,again", [("initial", False), ("when_needed", True)])
def test_a_slot_that_is_gone(database, connector, mode, again):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (1)")
    connector.set({"snapshot.mode": mode}).start("--until", "pgsrv.inv.t")
    assert connector.wait() == 0
    until(lambda: database.value("SELECT active FROM pg_replication_slots") == "f", what="the end of the reader")
    database.sql("INSERT INTO inv.t VALUES (2); SELECT pg_drop_replication_slot('golden')")
    connector.start()
    if again:
        connector.wait_for(lambda events: sorted(ids(events)) == [1, 2])
    else:
        assert connector.wait() == 1
        text = connector.log.read_text()
        assert "does not exist any more" in text and "snapshot.mode=when_needed" in text and "secret" not in text


def test_a_slot_that_begins_later(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (1)")
    connector.start("--until", "pgsrv.inv.t")
    assert connector.wait() == 0
    until(lambda: database.value("SELECT active FROM pg_replication_slots") == "f", what="the end of the reader")
    database.sql("INSERT INTO inv.t VALUES (2); SELECT pg_drop_replication_slot('golden');"
                 "SELECT pg_create_logical_replication_slot('golden', 'pgoutput')")
    connector.start()
    assert connector.wait() == 1
    assert "no longer available on the server" in connector.log.read_text()


def test_a_slot_that_another_uses(database, connector, tmp_path):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (1)")
    connector.start()
    connector.wait_for(lambda events: ids(events) == [1])
    until(lambda: is_streaming(database), what="streaming")
    other = Connector(tmp_path / "other", database)
    other.set({"slot.max.retries": 2, "slot.retry.delay.ms": 50}).start()
    assert other.wait() == 1
    assert "is in use" in other.log.read_text() and "slot.name" in other.log.read_text()
    database.sql("INSERT INTO inv.t VALUES (2)")
    connector.wait_for(lambda events: 2 in ids(events))


def test_heartbeats_move_the_offset_along(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); CREATE TABLE public.other (id INT); INSERT INTO inv.t VALUES (1)")
    connector.set({"heartbeat.interval.ms": 100, "status.update.interval.ms": 100,
                   "heartbeat.action.query": "INSERT INTO public.other VALUES (1)"}).start()
    connector.wait_for(lambda events: ids(events) == [1])
    database.sql("INSERT INTO public.other SELECT g FROM generate_series(1, 100) g")
    end = int(database.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").split(".")[0])
    connector.wait_for(lambda events: any(
        event["topic"] == "__debezium-heartbeat.pgsrv" and event["offset"]["lsn_commit"] >= end for event in events))
    until(lambda: int(database.value(
        "SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots").split(".")[0]) >= end,
        what="the confirmation")
    assert int(database.value("SELECT count(*) FROM public.other")) > 100


def test_snapshot_modes(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); INSERT INTO inv.t VALUES (1)")
    connector.set({"snapshot.mode": "initial_only"}).start()
    assert connector.wait() == 0
    assert ids(connector.events()) == [1]
    assert database.value("SELECT count(*) FROM pg_replication_slots") == "0"
    connector.start()
    assert connector.wait() == 0 and connector.events() == []
    connector.offsets.unlink()
    connector.set({"snapshot.mode": "no_data"}).start()
    until(lambda: is_streaming(database), what="streaming")
    database.sql("INSERT INTO inv.t VALUES (2)")
    connector.wait_for(lambda events: ids(events) == [2])
    connector.kill()
    connector.set({"snapshot.mode": "always"}).start()
    connector.wait_for(lambda events: ids(events) == [1, 2])
    database.sql("INSERT INTO inv.t VALUES (3)")
    connector.wait_for(lambda events: ids(events) == [1, 2, 3])
    assert [payload(event)["source"]["snapshot"] for event in connector.events()] == ["first", "last", "false"]


def test_an_incremental_snapshot_among_changes(database, connector):
    database.sql("CREATE TABLE inv.signals (id VARCHAR(200) PRIMARY KEY, type VARCHAR(32), data VARCHAR(2048));"
                 "CREATE TABLE inv.t (id INT, k UUID DEFAULT gen_random_uuid(), v INT, PRIMARY KEY (id, k));"
                 "INSERT INTO inv.t (id, v) SELECT g, 0 FROM generate_series(1, 500) g")
    connector.set({"snapshot.mode": "no_data", "signal.data.collection": "inv.signals",
                   "incremental.snapshot.chunk.size": 40, "table.include.list": "inv.t"}).start()
    until(lambda: is_streaming(database), what="streaming")
    database.sql("INSERT INTO inv.signals VALUES ('go', 'execute-snapshot', "
                 "'{\"data-collections\": [\"inv.t\"], \"type\": \"incremental\"}')")
    for number in range(1, 60):
        database.sql(f"UPDATE inv.t SET v = {number} WHERE id = {number * 8}")
        if number == 20:
            # Goes on where it was.
            connector.kill()
            seen = connector.events()
            connector.start()
    connector.wait_for(lambda events: len({row["id"] for _, row in rows(seen + events, "t")}) == 500)
    wanted = {number: 0 for number in range(1, 501)} | {number * 8: number for number in range(1, 60)}
    connector.wait_for(lambda events: {row["id"]: row["v"] for _, row in rows(seen + events, "t")} == wanted)
    assert {payload(event)["source"]["snapshot"] for event in seen + connector.events()
            if payload(event) and payload(event).get("op") == "r"} == {"incremental"}


def test_a_blocking_snapshot_of_some_rows(database, connector):
    database.sql("CREATE TABLE inv.signals (id VARCHAR(200) PRIMARY KEY, type VARCHAR(32), data VARCHAR(2048));"
                 "CREATE TABLE inv.t (id INT PRIMARY KEY, v INT); INSERT INTO inv.t SELECT g, 10 - g FROM generate_series(1, 5) g")
    connector.set({"snapshot.mode": "no_data", "signal.data.collection": "inv.signals", "table.include.list": "inv.t"}).start()
    until(lambda: is_streaming(database), what="streaming")
    database.sql("INSERT INTO inv.signals VALUES ('b', 'execute-snapshot', '{\"data-collections\": [\"inv.t\"], \"type\": "
                 "\"blocking\", \"additional-conditions\": [{\"data-collection\": \"inv.t\", \"filter\": \"SELECT * FROM "
                 "inv.t WHERE id > 2\"}]}')")
    connector.wait_for(lambda events: len(ids(events)) == 3)
    database.sql("INSERT INTO inv.t VALUES (6, 0)")
    connector.wait_for(lambda events: ids(events) == [3, 4, 5, 6])


def test_tables_without_the_whole_row(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, other INT NOT NULL, v TEXT);"
                 "CREATE UNIQUE INDEX t_other ON inv.t (other); ALTER TABLE inv.t REPLICA IDENTITY USING INDEX t_other;"
                 "CREATE TABLE inv.u (a INT NOT NULL, b TEXT); CREATE UNIQUE INDEX u_a ON inv.u (a);"
                 "ALTER TABLE inv.u REPLICA IDENTITY FULL")
    connector.set({"replica.identity.autoset.values": "inv.f.*:FULL"}).start()
    until(lambda: is_streaming(database), what="streaming")
    database.sql("INSERT INTO inv.t VALUES (1, 10, 'x'); UPDATE inv.t SET other = 11, v = 'y';"
                 "INSERT INTO inv.u VALUES (1, 'x'); UPDATE inv.u SET a = 2; DELETE FROM inv.u; INSERT INTO inv.t VALUES (9, 9, 'end')")
    events = connector.wait_for(lambda events: 9 in ids(events))
    changes = [(event["topic"].split(".")[-1], (payload(event, "key") or {}), (payload(event) or {}).get("op"))
               for event in events]
    # The identity's index says nothing of the key, which stays.
    assert changes == [
        ("t", {"id": 1}, "c"), ("t", {"id": 1}, "u"), ("u", {"a": 1}, "c"), ("u", {"a": 1}, "d"), ("u", {"a": 1}, None),
        ("u", {"a": 2}, "c"), ("u", {"a": 2}, "d"), ("u", {"a": 2}, None), ("t", {"id": 9}, "c")]


@pytest.mark.parametrize("options,message", [
    ({"publication.autocreate.mode": "disabled"}, "CREATE PUBLICATION"),
    ({"publication.autocreate.mode": "filtered", "table.include.list": "inv.none"}, "table.include.list"),
    ({"database.password": "wrong"}, "password authentication failed"),
    ({"database.dbname": "nowhere"}, "does not exist"),
    ({"database.user": "plain"}, "REPLICATION"),
    ({"database.user": "reader"}, "needs SELECT"),
])
def test_what_is_missing_is_told(database, connector, options, message):
    database.run("CREATE USER plain WITH PASSWORD 'secret'")
    database.run("CREATE USER reader WITH REPLICATION PASSWORD 'secret'")
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY); GRANT ALL ON SCHEMA inv TO plain, reader")
    if options.get("database.user") == "reader":
        database.sql("CREATE PUBLICATION golden_pub FOR ALL TABLES")
    connector.set(options).start()
    assert connector.wait() == 1
    assert message in connector.log.read_text() and "secret" not in connector.log.read_text()


def test_the_database_is_killed_in_a_snapshot(database, connector):
    database.sql("CREATE TABLE inv.t (id INT PRIMARY KEY, v TEXT);"
                 "INSERT INTO inv.t SELECT g, repeat('x', 200) FROM generate_series(1, 15000) g")
    connector.start()
    connector.wait_for(lambda events: len(events) > 2000)
    database.kill()
    database.start()
    database.sql("INSERT INTO inv.t VALUES (15001, 'late')")
    connector.wait_for(lambda events: 15001 in ids(events))
    database.sql("INSERT INTO inv.t VALUES (15002, 'behind')")
    connector.wait_for(lambda events: 15002 in ids(events))
    found = rows(connector.events(), "t")
    # The snapshot that was taken again is whole, and the log goes on behind it.
    last = len(found) - 1 - [operation for operation, _ in reversed(found)].index("r")
    assert set(range(1, 15001)) <= {row["id"] for operation, row in found[:last + 1] if operation == "r"}
    marks = [payload(event)["source"]["snapshot"] for event in connector.events() if payload(event)]
    again = len(marks) - 1 - marks[::-1].index("first")
    whole = [row["id"] for operation, row in found[again:]]
    assert sorted(whole) == list(range(1, 15003))
