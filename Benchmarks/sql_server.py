"""What the whole program takes to run SQL, for `./dev bench sql-runtime`: from topic to topic, from insert to row, pull
queries over HTTP, idle queries, the start with them and with much state. Prints a Markdown table.

    sql_server.py DATA [flow] [latency] [pull] [idle] [restore] [--records N] [--rows N]

DATA is what the kit's generate.py wrote (ratings.jsonl, customers.jsonl). SWIFTWATER_BIN names the program. CPU seconds are
those of the program, which is the broker too; clients are processes of their own beside it, and share the cores with it.
Pull queries are asked by wrk.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import confluent_kafka
import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests/Acceptance"))

from process import Broker, free_port, wait_until  # noqa: E402

ROWS = []
TICKS = os.sysconf("SC_CLK_TCK")
SOURCES = """
    CREATE STREAM RATINGS (RATING_ID BIGINT, USER_ID BIGINT, STARS INT, ROUTE_ID INT, RATING_TIME BIGINT, CHANNEL STRING,
        MESSAGE STRING) WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='JSON', TIMESTAMP='RATING_TIME', PARTITIONS=1);
    CREATE TABLE CUSTOMERS (ID STRING PRIMARY KEY, FIRST_NAME STRING, LAST_NAME STRING, EMAIL STRING, CLUB_STATUS STRING)
        WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON', PARTITIONS=1);
"""
QUERIES = {
    "Q1": (
        "1.0",
        "CREATE STREAM OUT1 AS SELECT RATING_ID, USER_ID, STARS, ROUTE_ID, CHANNEL, MESSAGE FROM RATINGS WHERE STARS < 3;",
    ),
    "Q3": (
        "2.5",
        """CREATE STREAM OUT3 AS SELECT CONCAT(C.FIRST_NAME, ' ', C.LAST_NAME) AS FULL_NAME, R.RATING_ID AS RATING_ID,
            R.MESSAGE AS MESSAGE, R.STARS AS STARS, R.CHANNEL AS CHANNEL, C.ID AS CUSTOMER_ID, C.CLUB_STATUS AS CLUB_STATUS,
            C.EMAIL AS EMAIL
        FROM RATINGS R LEFT JOIN CUSTOMERS C ON CAST(R.USER_ID AS STRING) = C.ID WHERE C.FIRST_NAME IS NOT NULL
        PARTITION BY CONCAT(C.FIRST_NAME, ' ', C.LAST_NAME);""",
    ),
    "Q4b": (
        "2.5",
        """CREATE TABLE OUT4 AS SELECT USER_ID, COUNT(*) AS N, AVG(STARS) AS A FROM RATINGS
            WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 5 SECONDS) GROUP BY USER_ID;""",
    ),
}


def row(name, value, goal=""):
    ROWS.append((name, value, goal))
    print(f"{name}: {value}" + (f" (goal {goal})" if goal else ""), file=sys.stderr, flush=True)


class Server(Broker):
    def __init__(self, folder, **properties):
        self.sql = f"127.0.0.1:{free_port()}"
        # Records are of 2023: topics that kept them for seven days would not keep them at all.
        properties = {"log.retention.ms": "-1", **{name.replace("_", "."): value for name, value in properties.items()}}
        super().__init__(folder, properties, flags=["--sql", self.sql, "--registry", "none", "--admin", "none"])

    def ksql(self, text, **properties):
        properties.setdefault("auto.offset.reset", "earliest")
        answer = requests.post(
            f"http://{self.sql}/ksql", json={"ksql": text, "streamsProperties": properties}, timeout=120
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def cpu(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def progress(self, query):
        """What EXPLAIN ANALYZE counts, and how many records are left to read."""
        description = self.ksql(f"EXPLAIN ANALYZE {query};")[0]["queryDescription"]
        analysis = description["analysis"]
        lag = sum(place["lag"] for place in analysis["positions"])
        return analysis, lag

    def caught_up(self, query, records):
        """Waits until a query has read so many records, has nothing left, and has stopped to write."""
        last = -1
        while True:
            analysis, lag = self.progress(query)
            if lag == 0 and analysis["consumed"] >= records and analysis["produced"] == last:
                return analysis
            last = analysis["produced"]
            time.sleep(0.3)


def produce(server, topic, lines, key=None, timestamp=0):
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": server.address, "linger.ms": 20, "batch.size": 500_000,
            "queue.buffering.max.messages": 500_000,
        }
    )  # fmt: skip
    count = 0
    for line in lines:
        while True:
            try:
                producer.produce(topic, line, key(line) if key else None, timestamp=timestamp)
                break
            except BufferError:
                producer.poll(0.05)
        count += 1
    assert producer.flush(300) == 0
    return count


def flow(folder, data, records):
    server = Server(folder).start()
    try:
        server.ksql(SOURCES)
        with open(data / "customers.jsonl", "rb") as file:
            # Before the first rating: a join takes both in the order of their times.
            customers = produce(server, "customers", file, lambda line: str(json.loads(line)["id"]), 1_699_999_000_000)
        with open(data / "ratings.jsonl", "rb") as file:
            produce(server, "ratings", (line for _, line in zip(range(records), file)))
        for name, (goal, sql) in QUERIES.items():
            cpu, began = server.cpu(), time.monotonic()
            query = server.ksql(sql)[0]["commandStatus"]["queryId"]
            done = server.caught_up(query, records + (customers if name == "Q3" else 0))
            used, spent = server.cpu() - cpu, time.monotonic() - began
            value = (
                f"{used / records * 1e6:.2f} CPU s per million, {records / spent / 1000:,.0f} krec/s, "
                f"{done['produced']:,} out"
            )
            row(f"{name}, topic to topic, exactly once, the broker included", value, goal)
            server.ksql(f"TERMINATE {query};")
    finally:
        server.stop()


def percentiles(name, spent, goals):
    spent.sort()
    middle, late = statistics.median(spent), spent[int(len(spent) * 0.99)]
    row(name, f"p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms", goals)


def latency(folder, count=400):
    server = Server(folder).start()
    try:
        server.ksql(SOURCES)
        server.ksql("CREATE STREAM A AS SELECT RATING_ID, STARS FROM RATINGS;")
        server.ksql("CREATE STREAM B AS SELECT RATING_ID FROM A WHERE STARS > 0;")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.address, "linger.ms": 0})
        number = 0
        for name, source, goals in [
            ("insert to push row", "RATINGS", "p50 5 ms, p99 50 ms"),
            ("insert to push row behind two queries, exactly once", "B", "p99 150 ms"),
        ]:
            answer = requests.post(
                f"http://{server.sql}/query-stream",
                json={
                    "sql": f"SELECT RATING_ID FROM {source} EMIT CHANGES;",
                    "properties": {"auto.offset.reset": "latest"},
                },
                stream=True, timeout=60,
            )
            lines = (line for line in answer.iter_lines(chunk_size=1) if line)
            next(lines)
            spent = []
            for _ in range(count):
                number += 1
                record = json.dumps({"RATING_ID": number, "USER_ID": 1, "STARS": 3, "RATING_TIME": 1_700_000_000_000})
                began = time.monotonic()
                producer.produce("ratings", record)
                producer.flush(10)
                # Rows of the first part may be on their way through the queries still.
                while json.loads(next(lines)) != [number]:
                    pass
                spent.append(time.monotonic() - began)
                time.sleep(0.005)
            percentiles(name, spent, goals)
            answer.close()
    finally:
        server.stop()


# One of many bodies, so that the generator's own work is small.
WRK = """
wrk.headers["Content-Type"] = "application/json"
local bodies = {}
init = function()  -- the header Host is set by now
    for key = 1, 10000 do
        bodies[key] = wrk.format("POST", "PATH", nil,
            '{"NAME":"SELECT USER_ID, N FROM TOTALS WHERE USER_ID = ' .. (key - 1) .. ';"}')
    end
end
local key = 0
request = function()
    key = (key + 7919) % 10000
    return bodies[key + 1]
end
"""


def pull(folder, seconds=10):
    if shutil.which("wrk") is None:
        print("wrk is not installed: pull queries over HTTP are left out", file=sys.stderr)
        return
    server = Server(folder).start()
    try:
        server.ksql(SOURCES)
        made = server.ksql("CREATE TABLE TOTALS AS SELECT USER_ID, COUNT(*) AS N FROM RATINGS GROUP BY USER_ID;")
        records = ({"USER_ID": number % 10_000, "RATING_TIME": 1_700_000_000_000} for number in range(20_000))
        produce(server, "ratings", map(json.dumps, records))
        server.caught_up(made[0]["commandStatus"]["queryId"], 20_000)
        sql = {"sql": "SELECT USER_ID, N FROM TOTALS WHERE USER_ID = 7;"}
        one = requests.post(f"http://{server.sql}/query-stream", json=sql, timeout=20)
        assert one.text.splitlines()[1] == "[7,2]", one.text
        for path, name in (("/query", "ksql"), ("/query-stream", "sql")):
            for connections in (1, 32):
                pulled(server, path, name, connections, seconds)
    finally:
        server.stop()


def pulled(server, path, name, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.replace("PATH", path).replace("NAME", name))
        script.flush()
        cpu = server.cpu()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", script.name]
        command.append(f"http://{server.sql}")
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = server.cpu() - cpu
    count = int(re.search(r"(\d+) requests in", output).group(1))
    late = re.search(r"99%\s+(\S+)", output).group(1)
    assert "Non-2xx" not in output, output
    row(
        f"pull queries by key, {path}, HTTP keep-alive, {connections} connections",
        f"{count / seconds:,.0f}/s, {count / used:,.0f} per CPU second, {used / count * 1e6:.1f} us each, p99 {late}",
        "30,000 per core, p99 3 ms",
    )


def idle(folder, count=200, seconds=20):
    server = Server(folder).start()
    try:
        server.ksql(SOURCES)
        before = server.status_kib()
        began = time.monotonic()
        for number in range(count):
            server.ksql(f"CREATE STREAM IDLE_{number} AS SELECT * FROM RATINGS WHERE STARS = {number};")
        row(f"{count} queries made", f"{time.monotonic() - began:.1f} s")
        server.restart()
        wait_until(lambda: all_run(server, count), 60, f"{count} queries to run")
        ready = int(re.findall(r"ready in (\d+) ms", server.log())[-1])
        row(f"start of the program with {count} queries", f"{ready} ms", "1 s")
        time.sleep(3)
        cpu = server.cpu()
        time.sleep(seconds)
        more = (server.status_kib() - before) / 1024
        used = (server.cpu() - cpu) / seconds * 100
        row(f"{count} idle queries", f"{used:.1f} % of a core, {more:.0f} MiB more", "2 %, 150 MiB")
    finally:
        server.stop()


def all_run(server, count):
    answer = requests.post(f"http://{server.sql}/ksql", json={"ksql": "SHOW QUERIES;"}, timeout=60)
    if answer.status_code != 200:
        return False
    return sum(query["state"] == "RUNNING" for query in answer.json()[0]["queries"]) >= count


def restore(folder, rows):
    server = Server(folder).start()
    try:
        server.ksql(
            "CREATE STREAM EVENTS (K STRING KEY, V BIGINT, T STRING)"
            " WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=1);"
        )
        sql = "CREATE TABLE LATEST AS SELECT K, LATEST_BY_OFFSET(T) AS T, COUNT(*) AS N FROM EVENTS GROUP BY K;"
        query = server.ksql(sql)[0]["commandStatus"]["queryId"]
        text = "a text of some length that is kept with its row"
        records = (f'{{"V":{number},"T":"{text} {number}"}}' for number in range(rows))
        produce(server, "events", records, lambda line: "key-" + line[5 : line.index(",")])
        server.caught_up(query, rows)
        for kind, kill in (("a clean stop", False), ("kill -9", True)):
            server.kill() if kill else server.stop(120)
            began = time.monotonic()
            server.start()
            url = f"http://{server.sql}/query-stream"
            sql = {"sql": f"SELECT K, N FROM LATEST WHERE K = 'key-{rows - 1}';"}

            def is_there():
                answer = requests.post(url, json=sql, timeout=60)
                return answer.status_code == 200 and len(answer.text.splitlines()) == 2

            wait_until(is_there, 120, "the last row", 0.05)
            row(f"restart with {rows:,} rows of state after {kind}", f"{time.monotonic() - began:.1f} s", "10 s")
            produce(server, "events", ['{"V":1,"T":"one more"}'], lambda _: f"key-{rows - 1}")
            wait_until(lambda: server.progress(query)[1] == 0, 60, "the last record")
    finally:
        server.stop(120)


def option(name, default):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def main():
    data, wanted = Path(sys.argv[1]), [word for word in sys.argv[2:] if word.isalpha()]
    parts = {
        "flow": lambda folder: flow(folder, data, option("--records", 1_000_000)),
        "latency": latency,
        "pull": pull,
        "idle": idle,
        "restore": lambda folder: restore(folder, option("--rows", 5_000_000)),
    }
    for name, part in parts.items():
        if not wanted or name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                part(folder)
    print("| what | measured | goal |\n|---|---|---|")
    for line in ROWS:
        print("| {} | {} | {} |".format(*line))


if __name__ == "__main__":
    main()
