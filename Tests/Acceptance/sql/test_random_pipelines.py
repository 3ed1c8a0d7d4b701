"""Random pipelines over several partitions, with kills, stops, pauses and recreated queries in between, against a model.

What the queries give must not depend on any of that: tables have what the model computes of all records, streams have
each row once. The seed is the test's parameter; SWIFTWATER_SQL_SEEDS=17,18 tries others.
"""

import json
import os
import random
import time
from collections import Counter, defaultdict

import confluent_kafka
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from process import wait_until
from test_nodes import read
from test_statements import SqlBroker

SEEDS = [int(seed) for seed in os.environ.get("SWIFTWATER_SQL_SEEDS", "1,2").split(",")]
EARLIEST = {"auto.offset.reset": "earliest"}
KEYS, KINDS = [f"k{number}" for number in range(11)], [f"h{number}" for number in range(4)]
# Windows are of the time of records: near now, and on a boundary of all of them.
BEGIN = int(time.time()) // 60 * 60_000 - 120_000

FILTERS = [
    ("", lambda row: True),
    (" WHERE V % 3 <> 0", lambda row: row["V"] is not None and row["V"] % 3 != 0),
    (" WHERE H IN ('h1', 'h2') OR V > 20", lambda row: row["H"] in ("h1", "h2") or (row["V"] or 0) > 20),
]


def there(rows):
    return [row["V"] for row in rows if row["V"] is not None]


# Of which no result depends on the order of rows.
AGGREGATES = [
    ("COUNT(*)", len),
    ("SUM(V)", lambda rows: sum(there(rows))),
    ("AVG(V)", lambda rows: sum(there(rows)) / len(there(rows)) if there(rows) else 0.0),
    ("MIN(V)", lambda rows: min(there(rows), default=None)),
    ("MAX(V)", lambda rows: max(there(rows), default=None)),
    ("TOPK(V, 3)", lambda rows: sorted(there(rows), reverse=True)[:3]),
    ("TOPKDISTINCT(V, 3)", lambda rows: sorted(set(there(rows)), reverse=True)[:3]),
    ("COUNT_DISTINCT(V)", lambda rows: len(set(there(rows)))),
    ("HISTOGRAM(H)", lambda rows: dict(Counter(row["H"] for row in rows))),
    ("ARRAY_SORT(COLLECT_LIST(V))", lambda rows: sorted(there(rows)) + [None] * (len(rows) - len(there(rows)))),
    ("ARRAY_SORT(COLLECT_SET(H))", lambda rows: sorted({row["H"] for row in rows})),
]


def windows(kind, times):
    """Which windows there are for rows of these times: a function of a time."""
    if kind == "TUMBLING (SIZE 7 SECONDS)":
        return lambda at: [(at // 7000 * 7000, at // 7000 * 7000 + 7000)]
    if kind == "HOPPING (SIZE 10 SECONDS, ADVANCE BY 4 SECONDS)":
        return lambda at: [(s, s + 10_000) for s in range(at // 4000 * 4000, at - 10_000, -4000)]
    if kind == "SESSION (2 SECONDS)":
        sessions = []
        for at in sorted(set(times)):
            if sessions and at - sessions[-1][1] <= 2000:
                sessions[-1][1] = at
            else:
                sessions.append([at, at])
        return lambda at: [tuple(session) for session in sessions if session[0] <= at <= session[1]]
    return lambda at: [()]


class Pipeline:
    """Statements, and what their sources have by the model. Streams: (key, row, time); tables: row by key."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.statements, self.streams, self.tables, self.results = {}, {}, {}, {}
        self.looked_up = {}
        self.events, self.facts = defaultdict(list), defaultdict(dict)
        self.number = 0
        choose = self.random.choice
        self.partitions = {"S0": self.random.randint(1, 6), "S1": self.random.randint(1, 6)}
        self.formats = {name: (choose(["KAFKA", "JSON", "DELIMITED"]), "JSON") for name in ("S0", "S1", "T0", "T1")}
        self.partitions |= {"T0": self.random.randint(1, 6), "T1": self.random.randint(1, 6)}
        for name in ("S0", "S1"):
            columns = "K STRING KEY, ID BIGINT, H STRING, V BIGINT"
            self.statements[name] = f"CREATE STREAM {name} ({columns}) WITH ({self.of_topic(name)});"
            self.streams[name] = lambda name=name: self.events[name]
        for name in ("T0", "T1"):
            columns = "K STRING PRIMARY KEY, A BIGINT, F STRING"
            self.statements[name] = f"CREATE TABLE {name} ({columns}) WITH ({self.of_topic(name)});"
            self.tables[name] = lambda name=name: self.facts[name]
        makers = [self.copy, self.aggregate, self.join_streams, self.join_tables, self.join_foreign_key, self.join_table]
        for maker in makers + self.random.choices(makers, k=4):
            maker()

    def of_topic(self, name):
        key, value = self.formats[name]
        return f"KAFKA_TOPIC='{name}', KEY_FORMAT='{key}', VALUE_FORMAT='{value}', PARTITIONS={self.partitions[name]}"

    def sink(self, prefix, partitions=None):
        """A name and its WITH."""
        self.number += 1
        name = f"{prefix}{self.number}"
        key = self.random.choice(["KAFKA", "JSON", "DELIMITED", "AVRO", "JSON_SR"])
        parts = [f"KEY_FORMAT='{key}'", f"VALUE_FORMAT='{self.random.choice(['JSON', 'AVRO', 'JSON_SR'])}'"]
        if partitions:
            self.partitions[name] = partitions
            parts.append(f"PARTITIONS={partitions}")
        return name, f"WITH ({', '.join(parts)})"

    def copy(self, source=None, partitions=None):
        """A filter into other formats and partitions, by another key at times."""
        source = source or self.random.choice(list(self.streams))
        name, properties = self.sink("C", partitions or self.random.randint(1, 6))
        where, holds = self.random.choice(FILTERS)
        self.statements[name] = f"CREATE STREAM {name} {properties} AS SELECT * FROM {source}{where};"
        read = self.streams[source]
        self.streams[name] = lambda: [event for event in read() if holds(event[1])]
        self.results[name] = (
            f"SELECT K, ID, H, V, ROWTIME AS TS FROM {name};",
            lambda: [[key, row["ID"], row["H"], row["V"], at] for key, row, at in self.streams[name]()],
        )
        return name

    def keep(self, source, partitions):
        """A copy of a table with as many partitions."""
        name, properties = self.sink("P", partitions)
        self.statements[name] = f"CREATE TABLE {name} {properties} AS SELECT K, A, F FROM {source} WHERE A > 2;"
        read = self.tables[source]
        self.tables[name] = lambda: {k: row for k, row in read().items() if row["A"] > 2}
        self.table_result(name, ["A", "F"], self.tables[name])
        return name

    def table_result(self, name, columns, read):
        self.results[name] = (
            f"SELECT K, {', '.join(columns)} FROM {name};",
            lambda: [[k] + [row.get(column) for column in columns] for k, row in read().items()],
        )

    def aggregate(self):
        source = self.random.choice(list(self.streams))
        name, properties = self.sink("A")
        kind = self.random.choice(
            ["", "TUMBLING (SIZE 7 SECONDS)", "HOPPING (SIZE 10 SECONDS, ADVANCE BY 4 SECONDS)", "SESSION (2 SECONDS)"])
        key = self.random.choice(["K", "H"])
        chosen = self.random.sample(AGGREGATES, 3)
        columns = ", ".join(f"{text} AS R{index}" for index, (text, _) in enumerate(chosen))
        window = f" WINDOW {kind}" if kind else ""
        self.statements[name] = (
            f"CREATE TABLE {name} {properties} AS SELECT {key}, {columns} FROM {source}{window} GROUP BY {key};")
        read = self.streams[source]

        def rows():
            groups, found = defaultdict(list), defaultdict(list)
            for event in read():
                groups[event[0] if key == "K" else event[1]["H"]].append(event)
            for group, events in groups.items():
                place = windows(kind, [at for _, _, at in events])
                for _, row, at in events:
                    for bounds in place(at):
                        found[(group, *bounds)].append(row)
            return [[*group] + [function(rows) for _, function in chosen] for group, rows in found.items()]

        self.results[name] = (f"SELECT * FROM {name};", rows)

    def join_streams(self):
        left = self.random.choice(list(self.streams))
        right = self.copy(partitions=self.partitions[left])
        name, properties = self.sink("W")
        key = self.random.choice(["K", "H"])
        self.statements[name] = (
            f"CREATE STREAM {name} {properties} AS SELECT L.{key} AS J, L.ID AS L, R.ID AS R FROM {left} L"
            f" JOIN {right} R WITHIN (3 SECONDS, 1 SECONDS) GRACE PERIOD 1 HOUR ON L.{key} = R.{key};")
        of = (lambda event: event[0]) if key == "K" else (lambda event: event[1]["H"])
        read_left, read_right = self.streams[left], self.streams[right]
        self.results[name] = (
            f"SELECT J, L, R FROM {name};",
            lambda: [
                [of(a), a[1]["ID"], b[1]["ID"]] for a in read_left() for b in read_right()
                if of(a) == of(b) and a[2] - 3000 <= b[2] <= a[2] + 1000
            ],
        )

    def join_tables(self):
        left = self.random.choice(list(self.tables))
        right = self.keep("T1" if left == "T0" else "T0", self.partitions[left])
        name, properties = self.sink("J")
        kind = self.random.choice(["INNER", "LEFT", "FULL OUTER"])
        key = "ROWKEY" if kind == "FULL OUTER" else "L.K"
        self.statements[name] = (
            f"CREATE TABLE {name} {properties} AS SELECT {key} AS K, L.A AS A, R.A AS B FROM {left} L"
            f" {kind} JOIN {right} R ON L.K = R.K;")
        read_left, read_right = self.tables[left], self.tables[right]

        def rows():
            a, b = read_left(), read_right()
            keys = {"INNER": a.keys() & b.keys(), "LEFT": a.keys(), "FULL OUTER": a.keys() | b.keys()}[kind]
            return {k: {"A": a.get(k, {}).get("A"), "B": b.get(k, {}).get("A")} for k in keys}

        self.table_result(name, ["A", "B"], rows)

    def join_foreign_key(self):
        left, right = self.random.sample(list(self.tables), 2)
        name, properties = self.sink("F")
        kind = self.random.choice(["INNER", "LEFT"])
        self.statements[name] = (
            f"CREATE TABLE {name} {properties} AS SELECT L.K AS K, L.A AS A, R.A AS B FROM {left} L"
            f" {kind} JOIN {right} R ON L.F = R.K;")
        read_left, read_right = self.tables[left], self.tables[right]

        def rows():
            b = read_right()
            return {
                k: {"A": row["A"], "B": b.get(row["F"], {}).get("A")} for k, row in read_left().items()
                if kind == "LEFT" or row["F"] in b
            }

        self.table_result(name, ["A", "B"], rows)

    def join_table(self):
        """A stream meets the rows that the table has by then: they are all there before the stream's records."""
        source = self.random.choice(list(self.streams))
        table = self.keep(self.random.choice(["T0", "T1"]), self.partitions[source])
        name, properties = self.sink("X")
        self.looked_up[name] = table
        kind = self.random.choice(["INNER", "LEFT"])
        self.statements[name] = (
            f"CREATE STREAM {name} {properties} AS SELECT L.H AS J, L.ID AS ID, R.A AS A FROM {source} L"
            f" {kind} JOIN {table} R ON L.H = R.K;")
        read, read_table = self.streams[source], self.tables[table]

        def rows():
            b = read_table()
            return [
                [row["H"], row["ID"], b.get(row["H"], {}).get("A")] for _, row, _ in read()
                if kind == "LEFT" or row["H"] in b
            ]

        self.results[name] = (f"SELECT J, ID, A FROM {name};", rows)


class Run:
    """A pipeline on a server."""

    def __init__(self, pipeline, broker):
        self.pipeline, self.broker, self.random = pipeline, broker, pipeline.random
        self.paused, self.did, self.ids, self.count = [], [], {}, 0
        self.begin()

    @property
    def sql(self):
        return self.broker.sql

    def begin(self):
        wait_until(lambda: self.sql.ask("/healthcheck")[1].get("serverState") == "READY")
        settings = {"bootstrap.servers": self.broker.address, "enable.idempotence": True, "log_level": 0}
        self.producer = confluent_kafka.Producer({**settings, "partitioner": "murmur2_random"})

    def create(self, name):
        made = self.sql.run(self.pipeline.statements[name], **EARLIEST)
        self.ids[name] = made[0]["commandStatus"]["queryId"]

    def write(self, name, key, row, at):
        key = json.dumps(key) if self.pipeline.formats[name][0] == "JSON" else key
        self.producer.produce(name, None if row is None else json.dumps(row), key, timestamp=at)

    def write_fact(self):
        name, key = self.random.choice(["T0", "T1"]), self.random.choice(KEYS + KINDS)
        row = {"A": self.random.randint(0, 9), "F": self.random.choice(KEYS + KINDS)}
        facts = self.pipeline.facts[name]
        if self.random.random() < 0.2:
            row = None
            facts.pop(key, None)
        else:
            facts[key] = row
        self.write(name, key, row, BEGIN)

    def write_event(self):
        name, key = self.random.choice(["S0", "S1"]), self.random.choice(KEYS)
        self.count += 1
        number = None if self.random.random() < 0.05 else self.random.randint(0, 40)
        row = {"ID": self.count, "H": self.random.choice(KINDS), "V": number}
        at = BEGIN + self.random.randrange(120) * 250
        self.pipeline.events[name].append((key, row, at))
        self.write(name, key, row, at)

    def disturb(self):
        self.producer.flush(30)
        leaves = [name for name in self.ids if name[0] in "AJF"]
        what = self.random.choice(["kill", "stop", "pause", "recreate"])
        name = self.random.choice(leaves)
        self.did.append(f"{what} {name}")
        match what:
            case "kill" | "stop":
                self.broker.restart(kill=what == "kill")
                self.begin()
            case "pause":
                self.sql.run(f"PAUSE {self.ids[name]};")
                self.paused.append(name)
            case "recreate":
                self.sql.run(f"DROP TABLE {name}" + self.random.choice([";", " DELETE TOPIC;"]))
                self.create(name)

    def resume(self):
        self.producer.flush(30)
        for name in set(self.paused):
            self.sql.run(f"RESUME {self.ids[name]};")
        self.paused = []

    def differences(self, prefixes=""):
        found = {}
        for name, (text, rows) in self.pipeline.results.items():
            if prefixes and name[0] not in prefixes:
                continue
            status, body = self.sql.ask("/query", {"ksql": text})
            assert status == 200, (text, body)
            assert not [part for part in body if "errorMessage" in part], (text, body)
            have = Counter(json.dumps(part["row"]["columns"], sort_keys=True) for part in body if "row" in part)
            want = Counter(json.dumps(row, sort_keys=True) for row in rows())
            if have != want:
                lacking, more = list((want - have).items())[:5], list((have - want).items())[:5]
                found[name] = f"{self.pipeline.statements[name]} lacks {lacking}, has {more} too"
        return found

    def has_read(self, name, topic):
        """Whether a query has read all records of a topic."""
        group = ConsumerGroupTopicPartitions(f"_confluent-ksql-default_query_{self.ids[name]}")
        client = AdminClient({"bootstrap.servers": self.broker.address, "log_level": 0})
        found = client.list_consumer_group_offsets([group])[group.group_id].result(10).topic_partitions
        offsets = {part.partition: part.offset for part in found if part.topic == topic}
        return all(offsets.get(message.partition(), -1) > message.offset() for message in read(self.broker, topic))

    def settle(self, prefixes=""):
        """Waits until the server has what the model has."""
        deadline = time.monotonic() + 60
        while found := self.differences(prefixes):
            assert time.monotonic() < deadline, "\n".join([*found.values(), f"after {self.did}"])
            time.sleep(0.1)


@pytest.mark.deadline(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_pipelines_end_where_the_model_does(tmp_path, seed):
    pipeline = Pipeline(seed)
    run = Run(pipeline, SqlBroker(tmp_path).start())
    for name in pipeline.statements:
        run.create(name)
    for write, count, prefixes in ((run.write_fact, 60, "PJF"), (run.write_event, 150, "")):
        moments = [index for index in range(count) if run.random.random() < 4 / count]
        for index in range(count):
            write()
            if index in moments:
                run.disturb()
        run.resume()
        run.settle(prefixes)
        for name, table in pipeline.looked_up.items():
            wait_until(lambda: run.has_read(name, table), 60, f"{name} to have read {table}", 0.1)
    run.broker.restart(kill=True)
    run.begin()
    run.settle()
    run.broker.stop(30)
