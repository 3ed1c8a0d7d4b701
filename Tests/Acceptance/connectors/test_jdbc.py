"""The JDBC sink on real databases: PostgreSQL and MariaDB from Debian's packages, each test with a database of its own."""

import base64
import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

import database_files
from process import free_port

pytestmark = pytest.mark.deadline(240)
ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "s3cret word"


def driver():
    """The program JDBCSinkDriver: JDBC_SINK_DRIVER names it, otherwise it is looked for among the builds."""
    given = os.environ.get("JDBC_SINK_DRIVER")
    found = [Path(given)] if given else [
        path for path in ROOT.glob(".build*/*/JDBCSinkDriver") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime) if found else None


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the database did not come up in time"
        time.sleep(0.1)


class PostgreSQL:
    def __init__(self, folder):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
        if not found:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        self.bin, self.port = found[-1], free_port()
        # The server's own user has to get there, which it does not under pytest's folders.
        self.folder = Path(f"/tmp/jdbc-{os.getpid()}-{self.port}")
        self.folder.mkdir(mode=0o755)
        self.user = []
        if os.getuid() == 0:
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
            shutil.chown(self.folder, "postgres")
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.data = self.folder / "data"
        subprocess.run(
            [*self.user, self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256",
             f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [*self.user, self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-c",
             "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "timezone=UTC"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        until(lambda: self.run("SELECT 1", "postgres").returncode == 0)

    def run(self, text, database):
        return subprocess.run(
            [self.bin / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-qAt", "-v",
             "ON_ERROR_STOP=1", "-d", database],
            input=text, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD}, cwd="/")

    def url(self, database):
        return f"jdbc:postgresql://127.0.0.1:{self.port}/{database}"

    def quoted(self, name):
        return f'"{name}"'

    def login(self):
        return {"connection.user": "postgres", "connection.password": PASSWORD}

    def kill(self):
        subprocess.run(["pkill", "-9", "-P", str(self.process.pid)], check=False)
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class MariaDB:
    def __init__(self, folder):
        self.program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        if not Path(self.program).is_file() or not shutil.which("mariadb-install-db"):
            pytest.skip("MariaDB is not installed: apt-get install mariadb-server-core mariadb-client-core")
        self.port = free_port()
        self.folder = Path(f"/tmp/jdbc-{os.getpid()}-{self.port}")
        self.folder.mkdir()
        self.user = ["--user=root"] if os.getuid() == 0 else []
        database_files.make(self.folder)
        self.start()
        made = self.run(
            f"CREATE USER IF NOT EXISTS 'sink'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'sink'@'%';", "")
        assert made.returncode == 0, made.stderr

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--no-defaults", *self.user, f"--datadir={self.folder}/data",
             f"--socket={self.folder}/s", f"--pid-file={self.folder}/pid", database_files.temporary(self.folder), "--bind-address=127.0.0.1",
             f"--port={self.port}", "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=64M",
             "--default-time-zone=+00:00"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.run("SELECT 1", "").returncode == 0)

    def run(self, text, database):
        return subprocess.run(
            ["mariadb", "--no-defaults", "-N", "-B", "-u", "root", "-S", f"{self.folder}/s",
             "--default-character-set=utf8mb4", *([database] if database else [])],
            input=text, capture_output=True, text=True, errors="backslashreplace")

    def url(self, database):
        return f"jdbc:mysql://127.0.0.1:{self.port}/{database}?useSSL=false&serverTimezone=UTC"

    def quoted(self, name):
        return f"`{name}`"

    def login(self):
        return {"connection.user": "sink", "connection.password": PASSWORD}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB], ids=["postgresql", "mariadb"])
def server(request, tmp_path_factory):
    if driver() is None:
        pytest.skip("JDBCSinkDriver is missing: swift build --product JDBCSinkDriver, or JDBC_SINK_DRIVER=PATH")
    made = request.param(tmp_path_factory.mktemp("database"))
    yield made
    made.stop()


class Database:
    def __init__(self, server):
        self.server = server
        self.name = "d" + uuid.uuid4().hex[:10]
        made = server.run(f"CREATE DATABASE {self.name}", "postgres" if isinstance(server, PostgreSQL) else "")
        assert made.returncode == 0, made.stderr
        self.is_postgres = isinstance(server, PostgreSQL)

    def sql(self, text):
        done = self.server.run(text, self.name)
        assert done.returncode == 0, done.stderr
        return done.stdout.replace("\t", "|").strip().splitlines()

    def sink(self, **options):
        settings = {"connection.url": self.server.url(self.name), **self.server.login(), "connection.backoff.ms": 100}
        return Sink({**settings, **{name.replace("_", "."): value for name, value in options.items()}})


class Sink:
    def __init__(self, settings):
        self.process = subprocess.Popen(
            [driver(), *(f"{name}={value}" for name, value in settings.items())], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def put(self, *records):
        self.process.stdin.write(json.dumps(list(records)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        answer = json.loads(line)
        assert PASSWORD not in line
        return answer

    def put_all(self, *records):
        answer = self.put(*records)
        assert answer["error"] is None, answer

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0, self.process.stderr.read()
        assert PASSWORD not in self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.process.kill()


@pytest.fixture
def database(server):
    return Database(server)


def struct(*fields):
    return {"type": "struct", "fields": [
        {"field": name, "type": kind, "optional": optional} if isinstance(kind, str) else {"field": name, **kind}
        for name, kind, optional in fields]}


PERSON = struct(("id", "int32", False), ("name", "string", True))
KEY = struct(("id", "int32", False))


def person(number, name, offset=0):
    return {"offset": offset, "key": {"schema": KEY, "payload": {"id": number}},
            "value": {"schema": PERSON, "payload": {"id": number, "name": name}}}


def gone(number, offset=0):
    return {"offset": offset, "key": {"schema": KEY, "payload": {"id": number}}, "value": None}


def test_creates_and_inserts(database):
    with database.sink(auto_create="true") as sink:
        sink.put_all(*(person(number, f"n{number} \\ \" ' {{,}} é😀") for number in range(1000)), person(1000, None))
    assert database.sql("SELECT count(*), count(name) FROM t") == ["1001|1000"]
    name = "n7 \\ \" ' {,} é😀"
    shown = database.sql("SELECT name FROM t WHERE id = 7")[0]
    # MariaDB's client doubles backslashes.
    assert shown.replace("\\\\", "\\") == name


def test_upsert_and_delete_keep_their_order(database):
    options = {"auto_create": "true", "insert_mode": "upsert", "pk_mode": "record_key", "delete_enabled": "true"}
    with database.sink(**options) as sink:
        sink.put_all(person(1, "a"), person(2, "b"), person(1, "c"), gone(2), person(3, "d"), gone(3), person(3, "e"))
        assert database.sql("SELECT id, name FROM t ORDER BY id") == ["1|c", "3|e"]
        sink.put_all(gone(1), person(3, "f"), person(3, "g"), gone(9))
    assert database.sql("SELECT id, name FROM t ORDER BY id") == ["3|g"]


def test_keys_that_differ_in_zero_bytes_are_one_row(database):
    if not database.is_postgres:
        pytest.skip("MariaDB has zero bytes in texts")
    with database.sink(auto_create="true", insert_mode="upsert", pk_mode="record_key", pk_fields="k") as sink:
        sink.put_all(*(
            {"key": {"schema": {"type": "string", "optional": False}, "payload": key},
             "value": {"schema": struct(("n", "int64", False)), "payload": {"n": number}}}
            for number, key in enumerate(["a", "b", "a\0"])))
    assert database.sql("SELECT k, n FROM t ORDER BY k") == ["a|2", "b|1"]


def test_update(database):
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), other VARCHAR(20));"
                 "INSERT INTO t VALUES (1,'x','o'),(2,'y','p')")
    with database.sink(insert_mode="update", pk_mode="record_key") as sink:
        sink.put_all(person(1, "a"), person(3, "b"), person(1, "c"))
    assert database.sql("SELECT * FROM t ORDER BY id") == ["1|c|o", "2|y|p"]


def test_string_keys_and_quoted_names(database):
    key = {"schema": {"type": "string", "optional": False}, "payload": "k'1\"`"}
    value = {"schema": struct(("A b", "string", False), ("select", "int64", False)), "payload": {"A b": "x", "select": 5}}
    with database.sink(auto_create="true", insert_mode="upsert", pk_mode="record_key", pk_fields="Key One",
                       table_name_format="My-${topic}") as sink:
        sink.put_all({"key": key, "value": value}, {"key": key, "value": value})
    quoted = database.server.quoted
    assert database.sql(
        f"SELECT {quoted('Key One')}, {quoted('A b')}, {quoted('select')} FROM {quoted('My-t')}") == ["k'1\"`|x|5"]


def test_all_types(database):
    def logical(name, kind, **parameters):
        return {"type": kind, "name": name, "version": 1, "optional": True,
                **({"parameters": parameters} if parameters else {})}
    connect = "org.apache.kafka.connect.data."
    schema = struct(
        ("a", "int8", True), ("b", "int16", True), ("c", "int32", True), ("d", "int64", True), ("e", "float", True),
        ("f", "double", True), ("g", "boolean", True), ("h", "string", True), ("i", "bytes", True),
        ("j", logical(connect + "Decimal", "bytes", scale="2"), True), ("k", logical(connect + "Date", "int32"), True),
        ("l", logical(connect + "Time", "int32"), True), ("m", logical(connect + "Timestamp", "int64"), True),
        ("n", logical("io.debezium.time.Date", "int32"), True),
        ("o", logical("io.debezium.time.MicroTimestamp", "int64"), True),
        ("p", logical("io.debezium.time.ZonedTimestamp", "string"), True),
        ("q", logical("io.debezium.time.MicroTime", "int64"), True))
    payload = {"a": -1, "b": -2, "c": -2147483648, "d": 9223372036854775807, "e": 0.5, "f": -2.5e300, "g": True,
               "h": "text", "i": "AAH/", "j": "MDk=", "k": 19000, "l": 3600001, "m": -1, "n": 19000,
               "o": 1600000000123456, "p": "2020-09-13T12:26:40.5Z", "q": 3600000001}
    empty = {name: None for name in payload}
    with database.sink(auto_create="true") as sink:
        sink.put_all({"value": {"schema": schema, "payload": payload}}, {"value": {"schema": schema, "payload": empty}})
    rows = database.sql("SELECT * FROM t")
    if database.is_postgres:
        assert rows[0] == ("-1|-2|-2147483648|9223372036854775807|0.5|-2.5e+300|t|text|\\x0001ff|123.45|2022-01-08|"
                           "01:00:00.001|1969-12-31 23:59:59.999|2022-01-08|2020-09-13 12:26:40.123456|"
                           "2020-09-13 12:26:40.5+00|01:00:00.000001")
    else:
        shown = database.sql("SELECT a,b,c,d,e,f,g,h,hex(i),j,k,l,m,n,o,p,q FROM t")[0]
        assert shown == ("-1|-2|-2147483648|9223372036854775807|0.5|-2.5e300|1|text|0001FF|123.45|2022-01-08|"
                         "01:00:00.001|1969-12-31 23:59:59.999|2022-01-08|2020-09-13 12:26:40.123456|"
                         "2020-09-13 12:26:40.500000|01:00:00.000001")
    assert len(rows) == 2


def test_arrays(database):
    schema = struct(("id", "int32", False), ("tags", {"type": "array", "items": {"type": "string"}}, False),
                    ("numbers", {"type": "array", "items": {"type": "int32", "optional": True}}, False))
    value = {"schema": schema, "payload": {"id": 1, "tags": ["a\"b", "c,d", "{}", "\\"], "numbers": [1, None, -3]}}
    with database.sink(auto_create="true") as sink:
        answer = sink.put({"value": value}, {"value": value})
        if not database.is_postgres:
            assert answer["error"] == "null (ARRAY) type doesn't have a mapping to the SQL database column type"
            return
        assert answer["error"] is None
    assert database.sql("SELECT tags[1], tags[2], tags[3], tags[4], numbers FROM t") == ["a\"b|c,d|{}|\\|{1,NULL,-3}"] * 2


def test_evolves(database):
    wide = struct(("id", "int32", False), ("name", "string", True), ("extra", "int64", True),
                  ("level", {"type": "string", "optional": False, "default": "it's \\"}, False))
    with database.sink(auto_create="true", auto_evolve="true") as sink:
        # MariaDB commits with each change of a table: what the batch had before is known by its offsets from then on.
        sink.put_all(person(1, "a", 0), person(2, "b", 1),
                     {"offset": 2, "value": {"schema": wide, "payload": {"id": 3, "name": "c", "extra": 5}}},
                     person(4, "d", 3))
    rows = [row.replace("\\\\", "\\") for row in database.sql("SELECT * FROM t ORDER BY id")]
    assert [row.replace("NULL", "") for row in rows] == [
        "1|a||it's \\", "2|b||it's \\", "3|c|5|it's \\", "4|d||it's \\"]


def test_debezium_events(database):
    """Truncations in their place, deletions that are skipped, tables after the event's source, bytes of any length."""
    state = {**struct(("id", "int32", False), ("data", "bytes", True), ("note", "string", True)), "optional": True}
    envelope = struct(("before", state, True), ("after", state, True),
                      ("source", struct(("db", "string", False), ("table", "string", False)), False),
                      ("op", "string", False))

    def event(operation, offset, number=None, size=0):
        row = number and {"id": number, "data": base64.b64encode(b"x" * size).decode(), "note": "n" * size}
        return {"offset": offset,
                "key": number and {"schema": KEY, "payload": {"id": number}},
                "value": {"schema": envelope, "payload": {
                    "before": row if operation == "d" else None, "after": None if operation == "d" else row,
                    "source": {"db": "shop", "table": "people"}, "op": operation}}}

    options = {"connector_class": "io.debezium.connector.jdbc.JdbcSinkConnector", "insert_mode": "upsert",
               "schema_evolution": "basic", "primary_key_mode": "record_key", "offsets_table": "sink_offsets",
               "collection_name_format": "${source.db}_${source.table}"}
    user = {"connection_username": database.server.login()["connection.user"]}
    with database.sink(**{**options, **user}) as sink:
        sink.put_all(event("c", 0, 1, 2000), event("t", 1), event("c", 2, 2, 100_000), event("d", 3, 1),
                     {"offset": 4, "key": event("d", 3, 1)["key"], "value": None})
    rows = "SELECT id, length(data), length(note) FROM shop_people ORDER BY id"
    assert database.sql(rows) == ["1|2000|2000", "2|100000|100000"]
    assert database.sql("SELECT next_offset FROM sink_offsets") == ["5"]
    with database.sink(truncate_enabled="true", **{**options, **user}) as sink:
        sink.put_all(event("c", 5, 3, 1), event("t", 6), event("c", 7, 4, 2))
        assert database.sql(rows) == ["4|2|2"]
        sink.put_all(event("t", 8))
    assert database.sql(rows) == []
    assert database.sql("SELECT next_offset FROM sink_offsets") == ["9"]


def test_native_columns_take_texts(database):
    if not database.is_postgres:
        pytest.skip("types of PostgreSQL")
    database.sql("CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('ok', 'bad');"
                 "CREATE TABLE t (id citext PRIMARY KEY, u uuid, j jsonb, m mood, v varchar(3), n numeric(5,2))")
    schema = struct(*((name, "string", True) for name in "ujmv"), ("n", "double", True))
    def item(key, **payload):
        return {"key": {"schema": {"type": "string", "optional": False}, "payload": key},
                "value": {"schema": schema, "payload": {**dict.fromkeys("ujmvn"), **payload}}}
    uuid_text = "6f2c4c1e-1111-4222-8333-444455556666"
    with database.sink(insert_mode="upsert", pk_mode="record_key", pk_fields="id") as sink:
        # Two texts, one key: the statement of many rows cannot have both.
        sink.put_all(item("A", u=uuid_text, j='{"a": [1]}', m="ok", v="abc", n=1.5), item("a", j='{"b": 2}', m="bad"))
        answer = sink.put(item("b", v="too long"))
        assert "value too long for type character varying(3)" in answer["error"]
    assert database.sql("SELECT id, u, j, m FROM t") in (['A||{"b": 2}|bad'], ['a||{"b": 2}|bad'])


def test_bad_records_are_reported(database):
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(4) NOT NULL)")
    records = [person(number, None if number % 40 == 7 else "n" * (5 if number == 60 else 2), number)
               for number in range(100)]
    records.append(person(3, "dup", 100))
    with database.sink(errors_tolerance="all", errors_log_enable="true") as sink:
        answer = sink.put(*records)
        assert answer["error"] is None
        assert answer["reported"] == [7, 47, 60, 87, 100]
    assert database.sql("SELECT count(*) FROM t") == ["96"]
    with database.sink() as sink:
        answer = sink.put(person(500, "x"), person(3, "y"))
        assert answer["error"] and not answer["retriable"]
    assert database.sql("SELECT count(*) FROM t") == ["96"]


def test_a_database_that_went_away(database):
    with database.sink(auto_create="true", offsets_table="sink_offsets", connection_attempts=1,
                       retry_backoff_ms=0) as sink:
        sink.put_all(person(0, "a", 0), person(1, "b", 1))
        database.server.kill()
        answer = sink.put(person(2, "c", 2))
        assert answer["retriable"], answer
        database.server.start()
        sink.put_all(person(1, "b", 1), person(2, "c", 2))
    assert database.sql("SELECT id FROM t ORDER BY id") == ["0", "1", "2"]
    assert database.sql("SELECT next_offset FROM sink_offsets") == ["3"]


def test_offsets_make_each_record_arrive_once(database):
    records = [person(number, "n", number) for number in range(20)]
    for count in (8, 15, 20):
        with database.sink(auto_create="true", offsets_table="sink_offsets") as sink:
            sink.put_all(*records[:count])
    assert database.sql("SELECT count(*), count(DISTINCT id) FROM t") == ["20|20"]
    with database.sink(auto_create="true", offsets_table="sink_offsets") as sink:
        assert sink.put()["sought"] == {"t-0": 20}


def test_a_wrong_password_is_told_without_it(database):
    with database.sink(connection_password="wrong-" + PASSWORD[:3]) as sink:
        answer = sink.put(person(1, "a"))
    assert answer["error"] and not answer["retriable"]
    assert "wrong-" not in answer["error"]
