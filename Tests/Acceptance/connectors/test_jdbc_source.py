"""The JDBC source in a worker, on real databases: SQLite, and PostgreSQL and MariaDB where they are installed."""

import json
import sqlite3
import sys
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from process import wait_until  # noqa: E402
from test_jdbc import PASSWORD, MariaDB, PostgreSQL  # noqa: E402
from test_worker import read_all  # noqa: E402
from worker import Worker  # noqa: E402

pytestmark = pytest.mark.deadline(240)


class SQLite:
    """The same few words as the servers'."""

    def __init__(self, folder):
        self.folder = folder

    def login(self):
        return {}

    def url(self, name):
        return f"jdbc:sqlite:{self.folder}/{name}.db"

    def stop(self):
        pass


@pytest.fixture(scope="module", params=[SQLite, PostgreSQL, MariaDB], ids=["sqlite", "postgresql", "mariadb"])
def server(request, tmp_path_factory):
    made = request.param(tmp_path_factory.mktemp("database"))
    yield made
    made.stop()


class Database:
    def __init__(self, server):
        self.server = server
        self.name = "d" + uuid.uuid4().hex[:10]
        self.kind = type(server).__name__
        if self.kind == "SQLite":
            self.file = sqlite3.connect(f"{server.folder}/{self.name}.db", isolation_level=None)
            return
        made = server.run(f"CREATE DATABASE {self.name}", "postgres" if self.kind == "PostgreSQL" else "")
        assert made.returncode == 0, made.stderr

    def sql(self, text):
        if self.kind == "SQLite":
            if not text.upper().startswith("SELECT"):
                self.file.executescript(text)
                return []
            return ["|".join("NULL" if value is None else str(value) for value in row) for row in self.file.execute(text)]
        done = self.server.run(text, self.name)
        assert done.returncode == 0, done.stderr
        return done.stdout.replace("\t", "|").strip().splitlines()

    def config(self, **options):
        config = {
            "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.url": self.server.url(self.name),
            **self.server.login(), "poll.interval.ms": "200", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "topic.prefix": f"{self.name}-", "connection.backoff.ms": "200",
        }
        return {**config, **{name.replace("_", "."): str(value) for name, value in options.items()}}

    def types(self, postgres, mariadb, sqlite):
        return {"PostgreSQL": postgres, "MariaDB": mariadb, "SQLite": sqlite}[self.kind]

    def partition(self, table):
        return {"protocol": "1", "table": self.types(f"{self.name}.public.{table}", f"{self.name}.{table}", table)}


@pytest.fixture
def database(server):
    return Database(server)


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    worker = Worker(tmp_path_factory.mktemp("worker") / "broker", settings={"offset.flush.interval.ms": "200"}).start()
    yield worker
    if worker.alive:
        worker.stop()


def put(worker, name, config):
    status, body, _ = worker.ask("PUT", f"/connectors/{name}/config", config)
    assert status in (200, 201), body


def rows(worker, topic):
    try:
        return [json.loads(value)["payload"] for value in read_all(worker.address, topic)]
    except Exception:  # no such topic yet
        return []


def until_rows(worker, topic, count):
    wait_until(lambda: len(rows(worker, topic)) >= count, what=f"{count} rows of {topic}", timeout=40)
    return rows(worker, topic)


def offsets(worker, name):
    return worker.ask("GET", f"/connectors/{name}/offsets")[1]["offsets"]


def delete(worker, name):
    worker.ask("DELETE", f"/connectors/{name}")


ID = "id INTEGER NOT NULL PRIMARY KEY"


def test_incrementing(worker, database):
    database.sql(f"CREATE TABLE a ({ID}, name VARCHAR(20)); INSERT INTO a VALUES (1, 'x'), (2, NULL), (3, 'z')")
    name = database.name
    put(worker, name, database.config(mode="incrementing", incrementing_column_name="id", batch_max_rows=2))
    assert until_rows(worker, f"{name}-a", 3) == [{"id": 1, "name": "x"}, {"id": 2, "name": None}, {"id": 3, "name": "z"}]
    database.sql("INSERT INTO a VALUES (7, 'new')")
    assert until_rows(worker, f"{name}-a", 4)[3] == {"id": 7, "name": "new"}
    wait_until(lambda: offsets(worker, name) == [{"partition": database.partition("a"), "offset": {"incrementing": 7}}],
               what="offsets")
    # Offsets are set by hand: the last two rows come again.
    worker.ask("PUT", f"/connectors/{name}/stop")
    wait_until(lambda: worker.states(name) == ("STOPPED", []), what="stopped")
    body = {"offsets": [{"partition": database.partition("a"), "offset": {"incrementing": 2}}]}
    status, answer, _ = worker.ask("PATCH", f"/connectors/{name}/offsets", body)
    assert status == 200, answer
    status, answer, _ = worker.ask(
        "PATCH", f"/connectors/{name}/offsets", {"offsets": [{"partition": {"x": "y"}, "offset": {"incrementing": 2}}]})
    assert status == 500 and "protocol" in answer["message"], answer
    worker.ask("PUT", f"/connectors/{name}/resume")
    assert [row["id"] for row in until_rows(worker, f"{name}-a", 6)] == [1, 2, 3, 7, 3, 7]
    delete(worker, name)


def test_timestamps(worker, database):
    kind = database.types("TIMESTAMP(6)", "DATETIME(6)", "TIMESTAMP")
    database.sql(
        f"CREATE TABLE b ({ID}, changed {kind} NOT NULL);"
        "INSERT INTO b VALUES (1, '2024-01-01 00:00:00.125'), (2, '2024-01-01 00:00:00.125'), (3, '2024-01-01 00:00:01')")
    name = database.name
    put(worker, name, database.config(mode="timestamp", timestamp_column_name="changed", batch_max_rows=1))
    first = until_rows(worker, f"{name}-b", 3)
    assert [row["id"] for row in first] in ([1, 2, 3], [2, 1, 3])
    assert first[0]["changed"] == 1704067200125
    wait_until(lambda: offsets(worker, name)[:1] == [
        {"partition": database.partition("b"), "offset": {"timestamp": 1704067201000, "timestamp_nanos": 0}}], what="offsets")
    database.sql("UPDATE b SET changed = '2024-02-01 00:00:00' WHERE id = 1")
    # A time that is yet to come waits.
    database.sql("INSERT INTO b VALUES (4, '2100-01-01 00:00:00')")
    assert until_rows(worker, f"{name}-b", 4)[3]["id"] == 1
    time.sleep(1)
    assert len(rows(worker, f"{name}-b")) == 4
    delete(worker, name)


def test_both_columns_and_kill(tmp_path, database):
    kind = database.types("TIMESTAMP(6)", "DATETIME(6)", "TIMESTAMP")
    name = database.name
    database.sql(f"CREATE TABLE c ({ID}, changed {kind} NOT NULL)")
    # Many rows have one time, so that cuts of batches fall among them.
    values = ",".join(f"({number}, '2024-01-01 00:00:{number // 100:02}')" for number in range(1, 2001))
    database.sql(f"INSERT INTO c VALUES {values}")
    worker = Worker(tmp_path / "broker", settings={"offset.flush.interval.ms": "100"}).start()
    for mode in ["timestamp+incrementing", "timestamp", "incrementing"]:
        config = database.config(mode=mode, incrementing_column_name="id", timestamp_column_name="changed", batch_max_rows=3,
                                 topic_prefix=f"{mode[-5:]}.{mode[:4]}-")
        put(worker, mode[:4] + mode[-5:], config)
    for _ in range(3):
        time.sleep(0.3)
        worker.kill()
        worker.start()
    for mode in ["timestamp+incrementing", "timestamp", "incrementing"]:
        topic = f"{mode[-5:]}.{mode[:4]}-c"
        wait_until(lambda: {row["id"] for row in rows(worker, topic)} == set(range(1, 2001)), what=f"all rows, {mode}",
                   timeout=60)
    worker.stop()


def test_bulk_and_types(worker, database):
    name = database.name
    database.sql(database.types(
        "CREATE TABLE d (b BOOLEAN, i2 SMALLINT, i8 BIGINT, r REAL, n NUMERIC(10,2), t TEXT, y BYTEA, d DATE, c TIME, z TIMESTAMPTZ, u UUID, j JSONB);"
        "INSERT INTO d VALUES (true, 2, 9007199254740993, 1.5, 12.30, 'é', '\\x00ff', '2024-02-29', '01:02:03', '2024-01-01 02:00:00+02', '00000000-0000-0000-0000-000000000001', '{}')",
        "CREATE TABLE d (b TINYINT(1), i2 SMALLINT, i8 BIGINT, r FLOAT, n DECIMAL(10,2), t TEXT, y BLOB, d DATE, c TIME, z TIMESTAMP NULL);"
        "INSERT INTO d VALUES (1, 2, 9007199254740993, 1.5, 12.30, 'é', X'00ff', '2024-02-29', '01:02:03', '2024-01-01 00:00:00')",
        "CREATE TABLE d (b BOOLEAN, i2 SMALLINT, i8 BIGINT, r REAL, n NUMERIC(10,2), t TEXT, y BLOB, d DATE, c TIME, z TIMESTAMP);"
        "INSERT INTO d VALUES (1, 2, 9007199254740993, 1.5, 12.30, 'é', X'00ff', '2024-02-29', '01:02:03', 1704067200000)"))
    put(worker, name, database.config(mode="bulk", poll_interval_ms=1000))
    first, second = until_rows(worker, f"{name}-d", 2)[:2]
    assert first == second
    assert {key: first[key] for key in ("i2", "i8", "r", "n", "t", "y", "d", "c", "z")} == {
        "i2": 2, "i8": 9007199254740993, "r": 1.5, "n": "BM4=", "t": "é", "y": "AP8=", "d": 19782, "c": 3723000,
        "z": 1704067200000}
    assert first["b"] == database.types(True, 1, True)
    if database.kind == "PostgreSQL":
        assert first["j"] == "{}" and first["u"].endswith("1")
    assert offsets(worker, name) == []
    delete(worker, name)


def test_a_query_and_best_fit(worker, database):
    number = database.types("NUMERIC(9,0)", "INT", "NUMERIC(9,0)")
    database.sql(f"CREATE TABLE e ({ID}, n {number}); CREATE TABLE f ({ID}, w VARCHAR(9));"
                 "INSERT INTO e VALUES (1, 10), (2, 20); INSERT INTO f VALUES (10, 'ten'), (20, 'twenty')")
    name = database.name
    query = "SELECT * FROM (SELECT e.id, e.n, f.w FROM e JOIN f ON f.id = e.n) AS x"
    put(worker, name, database.config(mode="incrementing", incrementing_column_name="id", query=query, numeric_mapping="best_fit",
                                      query_suffix="LIMIT 1", topic_prefix=f"{name}-q"))
    assert until_rows(worker, f"{name}-q", 2) == [{"id": 1, "n": 10, "w": "ten"}, {"id": 2, "n": 20, "w": "twenty"}]
    wait_until(lambda: offsets(worker, name) == [{"partition": {"query": "query"}, "offset": {"incrementing": 2}}], what="offsets")
    delete(worker, name)


def test_new_tables_are_found(worker, database):
    name = database.name
    database.sql(f"CREATE TABLE g1 ({ID}); INSERT INTO g1 VALUES (1); CREATE TABLE no ({ID}); INSERT INTO no VALUES (1)")
    put(worker, name, database.config(mode="incrementing", incrementing_column_name="id", table_blacklist="no", tasks_max=2,
                                      table_poll_interval_ms=500))
    until_rows(worker, f"{name}-g1", 1)
    worker.wait_running(name, tasks=1)
    database.sql(f"CREATE TABLE g2 ({ID}); INSERT INTO g2 VALUES (5)")
    assert until_rows(worker, f"{name}-g2", 1) == [{"id": 5}]
    worker.wait_running(name, tasks=2)
    assert rows(worker, f"{name}-no") == [] and len(rows(worker, f"{name}-g1")) == 1
    delete(worker, name)


def test_into_another_table(worker, database):
    kind = database.types("TIMESTAMP(3)", "DATETIME(3)", "TIMESTAMP")
    name = database.name
    database.sql(f"CREATE TABLE h ({ID}, name VARCHAR(20), n NUMERIC(12,3), at {kind})")
    values = ",".join(f"({number}, 'n{number}', {number}.125, '2024-01-01 00:00:00.{number % 1000:03}')" for number in range(1, 501))
    database.sql(f"INSERT INTO h VALUES {values}; INSERT INTO h VALUES (501, NULL, NULL, NULL)")
    put(worker, name, database.config(mode="incrementing", incrementing_column_name="id"))
    sink = {"connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": f"{name}-h", **database.server.login(),
            "connection.url": database.server.url(name), "table.name.format": "copy", "auto.create": "true",
            "insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter"}
    until_rows(worker, f"{name}-h", 501)
    put(worker, name + "-sink", sink)

    def count():
        try:
            return database.sql("SELECT count(*) FROM copy")
        except (AssertionError, sqlite3.Error):
            return None

    wait_until(lambda: count() == ["501"], what="the copy", timeout=40)
    if database.kind == "SQLite":
        # Times are numbers in what the sink writes.
        shown = "SELECT id, name, n, {} FROM {} ORDER BY id"
        ours = database.sql(shown.format("CAST(round((julianday(at) - 2440587.5) * 86400000.0) AS INTEGER)", "h"))
        assert database.sql(shown.format("at", "copy")) == ours
    else:
        shown = "SELECT id, name, CAST(n AS DECIMAL(12,3)), at FROM {} ORDER BY id"
        assert database.sql(shown.format("copy")) == database.sql(shown.format("h"))
    delete(worker, name)
    delete(worker, name + "-sink")


def problems(worker, config):
    status, body, _ = worker.ask(
        "PUT", "/connector-plugins/JdbcSourceConnector/config/validate", {"name": "x", **config})
    assert status == 200, body
    return {found["value"]["name"]: found["value"]["errors"] for found in body["configs"] if found["value"]["errors"]}


def test_problems(worker, database):
    assert "mode" in problems(worker, database.config())
    assert problems(worker, database.config())["mode"] == ["Query mode must be specified"]
    assert "String must be one of" in problems(worker, database.config(mode="all"))["mode"][0]
    found = problems(worker, database.config(mode="bulk", query="SELECT 1", table_whitelist="t"))
    assert found.keys() == {"query", "table.whitelist"} and "Do not specify table filtering configs" in found["query"][0]
    assert "Timestamp column configuration must be provided" in problems(worker, database.config(mode="timestamp"))["mode"][0]
    assert "No suitable driver" in problems(
        worker, database.config(mode="bulk", connection_url="jdbc:oracle:thin:@h:1521:x"))["connection.url"][0]
    assert problems(worker, database.config(mode="bulk")) == {}


def test_failures_say_what_to_do(worker, database):
    name = database.name
    database.sql(f"CREATE TABLE k ({ID}, maybe INT, name VARCHAR(9))")

    def failure(**options):
        put(worker, name, database.config(**options))

        def traces():
            status = worker.status(name)
            return [task["trace"] for task in status["tasks"] if task["state"] == "FAILED"] if status else []

        wait_until(traces, what="the failure")
        text = traces()[0]
        delete(worker, name)
        wait_until(lambda: worker.status(name) is None, what="deleted")
        assert PASSWORD not in text
        return text

    assert "has no column 'nope'" in failure(mode="incrementing", incrementing_column_name="nope")
    assert "because this column is nullable" in failure(mode="incrementing", incrementing_column_name="maybe")
    if database.kind != "SQLite":
        assert "is no timestamp column" in failure(mode="timestamp", timestamp_column_name="name", validate_non_null="false")
    assert "nope" in failure(mode="bulk", query="SELECT nope FROM k", topic_prefix="k")


def test_the_database_comes_back(worker, database):
    if database.kind == "SQLite":
        pytest.skip("there is no server to stop")
    name = database.name
    database.sql(f"CREATE TABLE m ({ID}); INSERT INTO m VALUES (1)")
    put(worker, name, database.config(mode="incrementing", incrementing_column_name="id"))
    until_rows(worker, f"{name}-m", 1)
    database.server.kill()
    time.sleep(2)
    assert worker.states(name) == ("RUNNING", ["RUNNING"])
    database.server.start()
    database.sql("INSERT INTO m VALUES (2)")
    assert until_rows(worker, f"{name}-m", 2) == [{"id": 1}, {"id": 2}]
    delete(worker, name)
