"""What the Connect worker and its connectors take, for `./dev bench connect`. Prints a Markdown table.

    connect.py [--rows N] [--big N] [PART...]        PART: cdc, big, sources, sinks, start; all without one

SWIFTWATER_BIN names the program. Servers and clients run on the same machine; "per core" is by the processor time of the
program alone, which also holds where other work runs beside it. MariaDB and PostgreSQL come from Debian's packages; a part
whose server is missing is left out.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import confluent_kafka

TESTS = Path(__file__).resolve().parent.parent / "Tests/Acceptance"
for folder in ("", "cdc", "connect", "connectors"):
    sys.path.insert(0, str(TESTS / folder))

from database import MariaDB  # noqa: E402
from worker import SHARED, Worker, free_port, wait_until  # noqa: E402

ROWS = []
TICKS = os.sysconf("SC_CLK_TCK")


def row(name, value, goal=""):
    ROWS.append((name, value, goal))
    print(f"{name}: {value}", file=sys.stderr, flush=True)


class Bench:
    """A program, and its way through a task: seconds by the clock, seconds of processors, memory at its highest."""

    def __init__(self, folder, settings=None):
        self.worker = Worker(Path(folder) / "broker", settings=settings, registry=True)
        self.worker.START_SECONDS_MAX = 120
        self.worker.start()
        self.consumer = None
        self.topics = set()
        self.checked = 0

    def processor_seconds(self):
        parts = Path(f"/proc/{self.worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / TICKS

    def end(self, topic):
        """Where a topic with one partition ends, of what is committed."""
        if self.consumer is None:
            self.consumer = confluent_kafka.Consumer(
                {"bootstrap.servers": self.worker.address, "group.id": "bench"})
        if topic not in self.topics:
            # A client that has asked for a topic too early does not find it for a long time.
            self.topics = set(self.consumer.list_topics(timeout=10).topics)
            if topic not in self.topics:
                return 0
        return self.consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=10)[1]

    def wait_end(self, topic, offset, timeout=600):
        wait_until(lambda: self.check() and self.end(topic) >= offset, timeout, f"{offset} records of {topic}", 0.02)

    def check(self):
        """Tasks that failed say so; asked now and then, so that the questions do not count."""
        if time.monotonic() - self.checked < 1:
            return True
        self.checked = time.monotonic()
        for name in self.worker.ask("GET", "/connectors")[1]:
            for task in (self.worker.status(name) or {"tasks": []})["tasks"]:
                assert task["state"] != "FAILED" or "configured" in task["trace"], task["trace"]
        return True

    def measure(self, wait):
        """Clock and processor seconds until `wait` returns."""
        clock, processor = time.monotonic(), self.processor_seconds()
        wait()
        return time.monotonic() - clock, self.processor_seconds() - processor

    def avro(self):
        url = f"http://127.0.0.1:{self.worker.registry_port}"
        return {
            f"{part}.converter{name}": value for part in ("key", "value")
            for name, value in (("", "io.confluent.connect.avro.AvroConverter"), (".schema.registry.url", url))}

    def put(self, name, **config):
        self.worker.put(name, **config)

    def drop(self, name):
        self.worker.ask("DELETE", f"/connectors/{name}")

    def reset_peak(self):
        Path(f"/proc/{self.worker.pid}/clear_refs").write_text("5")

    def stop(self):
        if self.consumer:
            self.consumer.close()
        self.worker.stop(60)


def rates(count, seconds, processor, unit):
    return f"{count / seconds:,.0f} {unit}/s, {count / processor:,.0f} per second of a core"


JSON = {
    "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"}


def capture(database, **more):
    return {
        "connector.class": "io.debezium.connector.mysql.MySqlConnector", "database.hostname": "127.0.0.1",
        "database.port": str(database.port), "database.user": "dbz", "database.password": "dbz",
        "database.server.id": "5401", "database.ssl.mode": "disabled", "topic.prefix": "cdc",
        "database.include.list": "demo", "include.schema.changes": "false", **more}


TEN_COLUMNS = (
    "id INT PRIMARY KEY, first_name VARCHAR(50), last_name VARCHAR(50), email VARCHAR(60), gender VARCHAR(10),"
    "club_status VARCHAR(10), comments VARCHAR(90), visits INT, balance DOUBLE, create_ts DATETIME")
TEN_VALUES = (
    "seq, CONCAT('first', seq % 1000), CONCAT('last', seq % 5000), CONCAT('somebody', seq, '@example.com'), 'Female',"
    "'platinum', 'a comment of a length that people write', seq % 77, seq / 7, '2026-01-02 03:04:05'")


def cdc(folder, count):
    database = MariaDB(folder).start("--innodb-buffer-pool-size=512M")
    bench = Bench(folder)
    try:
        database.sql(f"CREATE DATABASE demo; CREATE TABLE demo.t ({TEN_COLUMNS});"
                     f"INSERT INTO demo.t SELECT {TEN_VALUES} FROM seq_1_to_{count}".replace("FROM seq", "FROM demo.seq"))
        for name, converters in (("Avro", bench.avro()), ("JSON", JSON)):
            prefix = f"snapshot-{name.lower()}"
            bench.put(prefix, **capture(database, **{"topic.prefix": prefix}), **converters)
            seconds, processor = bench.measure(lambda: bench.wait_end(f"{prefix}.demo.t", count))  # noqa: B023
            row(f"CDC: snapshot of {count:,} rows of ten columns, {name}", rates(count, seconds, processor, "rows"),
                "100,000 rows/s")
            bench.drop(prefix)
        changes = count // 2
        for name, converters in (("Avro", bench.avro()), ("JSON", JSON)):
            prefix = f"stream-{name.lower()}"
            database.sql(f"DROP TABLE demo.t; CREATE TABLE demo.t ({TEN_COLUMNS});"
                         f"INSERT INTO demo.t SELECT {TEN_VALUES} FROM demo.seq_1_to_1")
            bench.put(prefix, **capture(database, **{"topic.prefix": prefix}), **converters)
            bench.wait_end(f"{prefix}.demo.t", 1)
            bench.worker.ask("PUT", f"/connectors/{prefix}/stop")
            for first in range(2, changes + 2, 1000):
                last = min(first + 999, changes + 1)
                database.sql(f"INSERT INTO demo.t SELECT {TEN_VALUES} FROM demo.seq_{first}_to_{last}")
            bench.worker.ask("PUT", f"/connectors/{prefix}/resume")
            seconds, processor = bench.measure(lambda: bench.wait_end(f"{prefix}.demo.t", changes + 1))  # noqa: B023
            row(f"CDC: {changes:,} changes from the log in transactions of 1,000, {name}",
                rates(changes, seconds, processor, "changes"), "50,000 changes/s per core")
            bench.drop(prefix)
        latency(bench, database)
    finally:
        bench.stop()
        database.stop()


def latency(bench, database, count=2000, pause=0.01):
    """From before the statement until a consumer has the change; the row itself carries the time."""
    database.sql("CREATE TABLE demo.l (id INT PRIMARY KEY, sent BIGINT); INSERT INTO demo.l VALUES (0, 0)")
    bench.put("latency", **capture(database, **{"topic.prefix": "latency", "table.include.list": "demo.l"}), **JSON)
    bench.wait_end("latency.demo.l", 1)
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bench.worker.address, "group.id": "latency", "fetch.wait.max.ms": 100})
    consumer.assign([confluent_kafka.TopicPartition("latency.demo.l", 0, 1)])
    consumer.poll(1)
    found = []

    def read():
        while len(found) < count:
            message = consumer.poll(5)
            if message is None:
                return
            now = time.time_ns()
            if message.error() is None:
                found.append((now // 1000 - json.loads(message.value())["after"]["sent"]) / 1000)

    reader = threading.Thread(target=read)
    reader.start()
    client = subprocess.Popen(
        ["mariadb", "--no-defaults", "-u", "root", "-S", database.socket, "demo"], stdin=subprocess.PIPE)
    for number in range(1, count + 1):
        client.stdin.write(f"INSERT INTO l VALUES ({number}, {time.time_ns() // 1000});\n".encode())
        client.stdin.flush()
        time.sleep(pause)
    client.stdin.close()
    client.wait()
    reader.join()
    consumer.close()
    bench.drop("latency")
    assert len(found) == count, f"{len(found)} of {count} changes arrived"
    parts = statistics.quantiles(found, n=100)
    row(f"CDC: an INSERT is in a consumer's hands, {count:,} of them, 100 a second",
        f"p50 {parts[49]:.1f} ms, p99 {parts[98]:.1f} ms, at most {max(found):.1f} ms", "p99 below 100 ms")


def big(folder, count):
    """One transaction of so many rows: what of it is in memory."""
    database = MariaDB(folder).start("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G")
    bench = Bench(folder)
    try:
        database.sql("CREATE DATABASE demo; CREATE TABLE demo.t (id INT PRIMARY KEY, v VARCHAR(60));"
                     "INSERT INTO demo.t VALUES (0, '')")
        done = 1
        for boundary in ("default", "connector"):
            more = {"transaction.boundary": "connector"} if boundary == "connector" else {}
            if more:
                # The transaction is as long as the source's.
                more["producer.override.transaction.timeout.ms"] = "900000"
            prefix = f"big-{boundary}"
            bench.put(prefix, **capture(database, **{"topic.prefix": prefix}), **more, **JSON)
            bench.wait_end(f"{prefix}.demo.t", done)
            start = bench.end(f"{prefix}.demo.t")
            for size in (count // 10, count):
                bench.reset_peak()
                before = bench.worker.status_kib() / 1024
                database.sql(f"INSERT INTO demo.t SELECT seq + {done}, REPEAT('x', 50) FROM demo.seq_1_to_{size}")
                done += size
                start += size
                seconds, processor = bench.measure(lambda: bench.wait_end(f"{prefix}.demo.t", start))  # noqa: B023
                peak = bench.worker.status_kib("VmHWM") / 1024
                row(f"CDC: a transaction of {size:,} rows, transaction.boundary {boundary}",
                    f"{before:.0f} MiB before, at most {peak:.0f} MiB", "flat")
            bench.drop(prefix)
    finally:
        bench.stop()
        database.stop()


def ratings(bench, count, name="ratings"):
    """Made-up ratings as Avro."""
    bench.put(
        name, **{
            "connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", "kafka.topic": name,
            "quickstart": "ratings", "max.interval": "0", "iterations": str(count), "random.seed": "1"},
        **{**bench.avro(), "key.converter": "org.apache.kafka.connect.storage.StringConverter"})
    return bench.measure(lambda: bench.wait_end(name, count))


def sources(folder, count):
    bench = Bench(folder)
    try:
        seconds, processor = ratings(bench, count)
        row(f"Datagen: {count:,} ratings as Avro", rates(count, seconds, processor, "records"), "100,000 records/s")
        path = Path(folder) / "lines.txt"
        with open(path, "w") as file:
            file.writelines(f"line {number} of a file that has something to say\n" for number in range(count))
        bench.put("lines", **{
            "connector.class": "FileStreamSource", "file": str(path), "topic": "lines",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter"})
        seconds, processor = bench.measure(lambda: bench.wait_end("lines", count))
        row(f"FileStream source: {count:,} lines", rates(count, seconds, processor, "records"), "100,000 records/s")
    finally:
        bench.stop()


def server(name, folder):
    """Starts one of the test servers; None where there is none."""
    script = (SHARED / "test-servers" / f"{name}.sh").resolve()
    if not script.exists():
        print(f"{name} is left out: no {script}", file=sys.stderr)
        return None
    folder = Path(folder) / name
    folder.mkdir()
    output = subprocess.run(
        ["bash", str(script), "start", str(folder), str(free_port())], capture_output=True, text=True, timeout=180)
    if output.returncode:
        print(f"{name} is left out: {output.stderr}", file=sys.stderr)
        return None
    values = dict(line.split("=", 1) for line in output.stdout.splitlines() if "=" in line)
    values["stop"] = lambda: subprocess.run(["bash", str(script), "stop", str(folder)], capture_output=True, timeout=60)
    return values


def sinks(folder, count):
    bench = Bench(folder, {"offset.flush.interval.ms": "1000"})
    group = {"key.converter": "org.apache.kafka.connect.storage.StringConverter", "topics": "ratings"}
    try:
        ratings(bench, count)
        bench.drop("ratings")
        # As lines of JSON, so that formats can be compared.
        size = 190 * count / 1e6
        value = {name: text for name, text in bench.avro().items() if name.startswith("value")}

        def committed(name):
            # What is committed is in the target.
            found = bench.worker.ask("GET", f"/connectors/{name}/offsets")[1].get("offsets") or []
            return bench.check() and found and found[0]["offset"]["kafka_offset"] >= count

        def run(name, title, goal, **config):
            bench.put(name, **{**group, **value, **config})
            seconds, processor = bench.measure(lambda: wait_until(lambda: committed(name), 600, name, 0.1))
            row(title, f"{rates(count, seconds, processor, 'records')}, {size / seconds:.0f} MB/s of JSON", goal)
            bench.drop(name)

        if (Path("/usr/lib/postgresql")).is_dir():
            from test_jdbc import PostgreSQL
            postgres = PostgreSQL(folder)
            try:
                for mode, more in (("insert", {}), ("upsert", {"pk.mode": "record_value", "pk.fields": "rating_id"})):
                    postgres.run(f"CREATE DATABASE {mode}", "postgres")
                    run(f"jdbc-{mode}", f"JDBC sink: PostgreSQL, {mode}", "50,000 rows/s", **{
                        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "insert.mode": mode,
                        "connection.url": postgres.url(mode), "auto.create": "true", **postgres.login(), **more})
            finally:
                postgres.stop()
        for kind in ("Json", "Avro", "Parquet"):
            run(f"folder-{kind.lower()}", f"Folder sink: {kind}", "", **{
                "connector.class": "FileStoreSink", "store.url": f"file://{folder}/lake-{kind}",
                "flush.size": str(count // 4),
                "format.class": f"io.confluent.connect.s3.format.{kind.lower()}.{kind}Format"})
        if store := server("s3", folder):
            os.environ.update({key: text for key, text in store.items() if key.startswith("AWS")})
            boto3 = __import__("boto3")
            boto3.client("s3", endpoint_url=store["S3_ENDPOINT"], region_name="us-east-1").create_bucket(Bucket="lake")
            for kind in ("Json", "Parquet"):
                run(f"s3-{kind.lower()}", f"S3 sink: {kind}, SeaweedFS", "the target's limit", **{
                    "connector.class": "S3Sink", "s3.bucket.name": "lake", "s3.region": "us-east-1",
                    "store.url": store["S3_ENDPOINT"], "aws.access.key.id": store["AWS_ACCESS_KEY_ID"],
                    "aws.secret.access.key": store["AWS_SECRET_ACCESS_KEY"], "flush.size": str(count // 4),
                    "topics.dir": kind, "format.class": f"io.confluent.connect.s3.format.{kind.lower()}.{kind}Format"})
            store["stop"]()
        sink_to_nowhere(bench, run)
    finally:
        bench.stop()


def sink_to_nowhere(bench, run):
    """A server that takes every bulk request at once shows what the sink itself can do."""
    import http.server
    import re

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            count = len(re.findall(rb'^\{"(?:index|create|update|delete)":', body, re.MULTILINE))
            item = {"index": {"status": 201, "result": "created"}}
            self.reply({"errors": False, "items": [item] * count} if self.path.startswith("/_bulk") else {})

        def do_GET(self):
            self.reply({"version": {"number": "8.15.0", "distribution": "elasticsearch"}, "tagline": "You Know, for Search"})

        def do_HEAD(self):
            self.reply({})

        do_PUT = do_GET

        def reply(self, value):
            text = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        def log_message(self, *_):
            pass

    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    run("search", "Elasticsearch sink: a server in Python that only counts", "the target's limit", **{
        "connector.class": "ElasticsearchSink", "connection.url": f"http://127.0.0.1:{receiver.server_port}",
        "key.ignore": "true", "schema.ignore": "true", "batch.size": "5000"})
    receiver.shutdown()


def start(folder, count=20):
    bench = Bench(folder)
    worker = bench.worker
    try:
        (Path(folder) / "empty.txt").write_text("")
        config = {
            "connector.class": "FileStreamSource", "file": f"{folder}/empty.txt", "topic": "t",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter"}
        bench.put("first", **config)
        worker.wait_running("first")
        times = []
        for number in range(10):
            began = time.monotonic()
            bench.put(f"made-{number}", **config)
            wait_until(lambda: worker.states(f"made-{number}") == ("RUNNING", ["RUNNING"]), 20, "it runs", 0.001)  # noqa: B023
            times.append((time.monotonic() - began) * 1000)
        row("a connector from PUT to RUNNING, ten of them",
            f"median {statistics.median(times):.0f} ms, at most {max(times):.0f} ms", "100 ms")
        for name in worker.ask("GET", "/connectors")[1]:
            bench.drop(name)
        wait_until(lambda: worker.ask("GET", "/connectors")[1] == [], 20, "none")
        worker.stop(60)
        worker.start()
        time.sleep(2)
        before = worker.status_kib() / 1024
        for number in range(count):
            bench.put(f"idle-{number}", **{**config, "topic": f"idle-{number}"})
        names = [f"idle-{number}" for number in range(count)]

        def all_run():
            body = worker.ask("GET", "/connectors?expand=status")[1]
            return all(
                [task["state"] for task in body.get(name, {}).get("status", {}).get("tasks", [])] == ["RUNNING"]
                for name in names)

        wait_until(all_run, 30, "all run", 0.005)
        worker.stop(60)
        began = time.monotonic()
        worker.start()
        wait_until(all_run, 30, "all run", 0.005)
        row(f"the whole program from its start until {count} connectors run",
            f"{(time.monotonic() - began) * 1000:.0f} ms", "1 s")
        time.sleep(3)
        more = worker.status_kib() / 1024 - before
        row(f"memory of {count} idle connectors", f"{more:.0f} MiB more than {before:.0f} MiB", "40 MiB")
    finally:
        bench.stop()


def main():
    arguments = sys.argv[1:]
    counts = {"--rows": 1_000_000, "--big": 5_000_000}
    for name in counts:
        if name in arguments:
            at = arguments.index(name)
            counts[name] = int(arguments[at + 1])
            del arguments[at:at + 2]
    parts = {
        "start": start, "sources": lambda folder: sources(folder, counts["--rows"]),
        "sinks": lambda folder: sinks(folder, counts["--rows"]), "cdc": lambda folder: cdc(folder, counts["--rows"]),
        "big": lambda folder: big(folder, counts["--big"])}
    if not shutil.which("mariadb-install-db"):
        print("cdc and big are left out: there is no MariaDB", file=sys.stderr)
        del parts["cdc"], parts["big"]
    for name, part in parts.items():
        if not arguments or name in arguments:
            with tempfile.TemporaryDirectory() as folder:
                part(folder)
    print("| what | measured | goal |\n|---|---|---|")
    for name, value, goal in ROWS:
        print(f"| {name} | {value} | {goal} |")


main()
