"""The sink of BigQuery in the worker, against bqemulator; rows are read back by its API.

The emulator takes fields and rows that BigQuery refuses, knows no partitions in tables' names, has no fields called offset, and forgets
to add columns to its own tables when their schema is changed. What stands between it and the worker here answers for BigQuery where that counts.

Needs test-servers/bigquery.sh of SWIFTWATER_SHARED, or BIGQUERY_EMULATOR_HOST.
"""

import decimal
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import SHARED, Worker, free_port, wait_until  # noqa: E402

pytestmark = pytest.mark.deadline(240)

DATASET = "lake"


class BigQuery:
    """One request at a time, the worker's and the tests' alike: the emulator gives all of them one connection of its database, and
    may never answer those that meet there."""

    def __init__(self, url):
        self.url = url
        self.turn = threading.Lock()

    def send(self, method, path, body=None):
        """Status and answer as bytes."""
        request = urllib.request.Request(
            self.url + path, method=method, data=body or None, headers={"Content-Type": "application/json"})
        with self.turn:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()

    def ask(self, method, path, body=None):
        """Status and answer."""
        status, answer = self.send(
            method, f"/bigquery/v2/projects/p{path}", None if body is None else json.dumps(body).encode())
        return status, json.loads(answer or b"{}")

    def table(self, name):
        status, table = self.ask("GET", f"/datasets/{DATASET}/tables/{name}")
        return table if status == 200 else None

    def columns(self, name):
        """{"id": "INTEGER REQUIRED"}"""
        fields = (self.table(name) or {}).get("schema", {}).get("fields", [])
        return {field["name"]: f"{field['type']} {field['mode']}" for field in fields}

    def rows(self, name):
        table = self.table(name)
        if not table:
            return []
        status, data = self.ask("GET", f"/datasets/{DATASET}/tables/{name}/data?maxResults=100000")
        # The emulator shows tables before it has made them, and fails at their rows until then.
        if status != 200:
            return []
        return [record(table["schema"]["fields"], row) for row in data.get("rows", [])]


def record(fields, row):
    """A row of the API, in which all is text, by the names of its columns."""
    def value(field, cell):
        if cell is None:
            return None
        if field["mode"] == "REPEATED":
            return [value({**field, "mode": "NULLABLE"}, element["v"]) for element in cell]
        return record(field["fields"], cell) if field["type"] == "RECORD" else cell

    return {field["name"]: value(field, cell["v"]) for field, cell in zip(fields, row["f"])}


@pytest.fixture(scope="module")
def bigquery(tmp_path_factory):
    script = (SHARED / "test-servers" / "bigquery.sh").resolve()
    folder = tmp_path_factory.mktemp("bigquery")
    url = os.environ.get("BIGQUERY_EMULATOR_HOST")
    if not url:
        if not script.exists():
            pytest.skip("neither BIGQUERY_EMULATOR_HOST nor test-servers/bigquery.sh of SWIFTWATER_SHARED")
        output = subprocess.run(
            ["bash", str(script), "start", str(folder), str(free_port(1))], capture_output=True, text=True, timeout=220)
        assert output.returncode == 0, output.stderr
        url = dict(line.split("=", 1) for line in output.stdout.splitlines() if "=" in line)["BIGQUERY_EMULATOR_HOST"]
    server = BigQuery(url)
    server.ask("POST", "/datasets", {"datasetReference": {"projectId": "p", "datasetId": DATASET}})
    yield server
    if not os.environ.get("BIGQUERY_EMULATOR_HOST"):
        subprocess.run(["bash", str(script), "stop", str(folder)], capture_output=True, timeout=60)


class Front:
    """Hands requests on to the emulator, but for what BigQuery would refuse and it does not."""

    def __init__(self, bigquery, port=None):
        front = self
        self.is_closed = False
        self.is_busy = False
        self.partitions = []
        self.ids = []
        self.refusal = lambda row: None
        """A row of insertAll as JSON -> what BigQuery says of it, or None."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                if front.is_closed:
                    # Connections that are open outlive the server.
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if front.is_busy:
                    self.send_response(503)
                    self.send_header("Retry-After", "3600")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                status, answer = front.answer(bigquery, self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port or 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, bigquery, method, path, body):
        found = re.search(r"%24(\d{8})/insertAll$", path)
        if found:
            self.partitions.append(found.group(1))
            path = path.replace("%24" + found.group(1), "")
        if path.endswith("/insertAll"):
            rows = json.loads(body)["rows"]
            words = [self.refusal(row["json"]) for row in rows]
            if any(words):
                errors = [
                    {"index": index, "errors": [
                        {"reason": "invalid", "message": word} if word else {"reason": "stopped", "message": ""}]}
                    for index, word in enumerate(words)]
                return 200, json.dumps({"insertErrors": errors}).encode()
            self.ids += [row["insertId"] for row in rows]
        if method == "PATCH":
            name = path.rsplit("/", 1)[1]
            there = bigquery.columns(name)
            for field in json.loads(body)["schema"]["fields"]:
                if field["name"] not in there:
                    statement = f"ALTER TABLE {DATASET}.{name} ADD COLUMN {field['name']} {field['type']}"
                    status, answer = bigquery.ask("POST", "/queries", {"query": statement, "useLegacySql": False})
                    assert status == 200, answer
        status, answer = bigquery.send(method, path, body.replace(b'"offset"', b'"offset_"'))
        return status, answer.replace(b'"offset_"', b'"offset"')

    def close(self):
        self.is_closed = True
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def front(bigquery):
    front = Front(bigquery)
    yield front
    front.close()


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True, settings={"offset.flush.interval.ms": "200"}).start()
    yield worker
    if worker.alive:
        worker.stop()


@pytest.fixture
def topic():
    return f"orders_{uuid.uuid4().hex[:10]}"


def sink(server, topic, **more):
    return {
        "connector__class": "com.wepay.kafka.connect.bigquery.BigQuerySinkConnector", "topics": topic, "project": "p",
        "defaultDataset": DATASET, "bigQueryEndpoint": server.url, "bigQueryPartitionDecorator": "false",
        "key__converter": "org.apache.kafka.connect.storage.StringConverter",
        "value__converter": "org.apache.kafka.connect.json.JsonConverter", **more}


def struct(**fields):
    """A schema of JsonConverter; a name that ends with an underscore is optional."""
    return {"type": "struct", "optional": False, "fields": [
        {**({"type": kind} if isinstance(kind, str) else kind), "field": name.rstrip("_"), "optional": name.endswith("_")}
        for name, kind in fields.items()]}


def produce(worker, topic, values, key=None):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for value in values:
        producer.produce(topic, key=key, value=None if value is None else json.dumps(value), partition=0)
    assert producer.flush(30) == 0


def numbers(first, last):
    schema = struct(n="int64")
    return [{"schema": schema, "payload": {"n": n}} for n in range(first, last)]


def test_a_table_for_json_with_schemas(worker, bigquery, front, topic):
    worker.put("bq", **sink(front, topic, kafkaDataFieldName="kafka", timestampPartitionFieldName="at",
                            clusteringPartitionFieldNames="id", decimalHandlingMode="NUMERIC"))
    worker.wait_running("bq")
    at = {"type": "int64", "name": "org.apache.kafka.connect.data.Timestamp", "version": 1}
    price = {"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1, "parameters": {"scale": "2"}}
    schema = struct(
        id="int64", name_="string", amount="double", paid="boolean", at=at, price=price, raw_="bytes",
        tags={"type": "array", "items": {"type": "string"}}, counts={
            "type": "map", "keys": {"type": "string"}, "values": {"type": "int32"}}, customer_=struct(city="string"))
    payload = {
        "id": 2**53 + 1, "name": "ä\"\n", "amount": 0.1, "paid": True, "at": 1_577_836_800_123, "price": "AN8=",
        "raw": "AP8=", "tags": ["a", "b"], "counts": {"x": 1}, "customer": {"city": "Køge"}}
    empty = {**payload, "name": None, "raw": None, "tags": [], "counts": {}, "customer": None}
    produce(worker, topic, [{"schema": schema, "payload": value} for value in (payload, empty)] + [None])
    first, second = wait_until(lambda: len(bigquery.rows(topic)) == 2 and bigquery.rows(topic), 40, "the rows")
    assert bigquery.columns(topic) == {
        "id": "INTEGER REQUIRED", "name": "STRING NULLABLE", "amount": "FLOAT REQUIRED", "paid": "BOOLEAN REQUIRED",
        "at": "TIMESTAMP REQUIRED", "price": "NUMERIC REQUIRED", "raw": "BYTES NULLABLE", "tags": "STRING REPEATED",
        "counts": "RECORD REPEATED", "customer": "RECORD NULLABLE", "kafka": "RECORD NULLABLE"}
    table = bigquery.table(topic)
    assert table["timePartitioning"] == {"type": "DAY", "field": "at"}
    assert table["clustering"] == {"fields": ["id"]}
    kafka = first.pop("kafka")
    assert (kafka["topic"], kafka["partition"], kafka["offset_"]) == (topic, "0", "0") and kafka["insertTime"]
    assert decimal.Decimal(first.pop("price")) == decimal.Decimal("2.23")
    assert first == {
        "id": str(2**53 + 1), "name": "ä\"\n", "amount": "0.1", "paid": "true", "at": "1577836800123000", "raw": "AP8=",
        "tags": ["a", "b"], "counts": [{"key": "x", "value": "1"}], "customer": {"city": "Køge"}}
    assert (second["name"], second["raw"], second["tags"], second["counts"], second["customer"]) == (None, None, [], [], None)


def test_avro_and_new_columns(worker, bigquery, front, topic):
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    registry = SchemaRegistryClient({"url": f"http://127.0.0.1:{worker.registry_port}"})
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})

    def send(fields, values):
        serializer = AvroSerializer(registry, json.dumps({"type": "record", "name": "R", "fields": fields}))
        for value in values:
            context = SerializationContext(topic, MessageField.VALUE)
            producer.produce(topic, value=serializer(value, context), partition=0)
        assert producer.flush(30) == 0

    worker.put("bq", **sink(
        front, topic, allowNewBigQueryFields="true", value__converter="io.confluent.connect.avro.AvroConverter",
        value__converter__schema__registry__url=f"http://127.0.0.1:{worker.registry_port}"))
    fields = [
        {"name": "id", "type": "long"}, {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "kind", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
        {"name": "name", "type": ["null", "string"], "default": None}]
    send(fields, [{"id": n, "day": 18_262, "kind": "B", "name": None if n % 2 else f"n{n}"} for n in range(10)])
    wait_until(lambda: len(bigquery.rows(topic)) == 10, 40, "the rows")
    assert bigquery.columns(topic) == {
        "id": "INTEGER REQUIRED", "day": "DATE REQUIRED", "kind": "STRING REQUIRED", "name": "STRING NULLABLE"}
    more = fields + [{"name": "note", "type": ["null", "string"], "default": None}]
    send(more, [{"id": 10, "day": 0, "kind": "A", "name": None, "note": "new"}])
    wait_until(lambda: len(bigquery.rows(topic)) == 11, 40, "the row with a new column")
    assert bigquery.columns(topic)["note"] == "STRING NULLABLE"
    rows = {row["id"]: row for row in bigquery.rows(topic)}
    assert rows["10"] == {"id": "10", "day": "1970-01-01", "kind": "A", "name": None, "note": "new"}
    assert rows["2"] == {"id": "2", "day": "2020-01-01", "kind": "B", "name": "n2", "note": None}
    assert rows["3"]["name"] is None


def test_a_new_column_that_is_not_allowed_ends_the_task(worker, bigquery, front, topic):
    worker.put("bq", **sink(front, topic))
    produce(worker, topic, numbers(0, 1))
    wait_until(lambda: len(bigquery.rows(topic)) == 1, 40, "the row")
    produce(worker, topic, [{"schema": struct(n="int64", extra_="string"), "payload": {"n": 1, "extra": "x"}}])
    wait_until(lambda: worker.states("bq") == ("RUNNING", ["FAILED"]), 40, "the task fails")
    trace = worker.status("bq")["tasks"][0]["trace"]
    assert "New Field found with the name extra" in trace and "allowNewBigQueryFields" in trace
    # With the option it goes on where it was.
    worker.put("bq", **sink(front, topic, allowNewBigQueryFields="true"))
    wait_until(lambda: {row["n"]: row.get("extra") for row in bigquery.rows(topic)} == {"0": None, "1": "x"}, 40, "both rows")


def test_bad_rows_become_dead_letters(worker, bigquery, front, topic):
    front.refusal = lambda row: "Cannot convert value to integer (bad value): x" if row.get("n") == "x" else None
    table = {"tableReference": {"projectId": "p", "datasetId": DATASET, "tableId": topic}, "schema": {
        "fields": [{"name": "n", "type": "INTEGER", "mode": "NULLABLE"}]}}
    assert bigquery.ask("POST", f"/datasets/{DATASET}/tables", table)[0] == 200
    options = sink(front, topic, value__converter__schemas__enable="false")
    worker.put("bq", **options)
    produce(worker, topic, [{"n": 1}, {"n": "x"}, ["no row"], {"n": 3}], key="k")
    wait_until(lambda: worker.states("bq") == ("RUNNING", ["FAILED"]), 40, "the task fails")
    worker.put(
        "bq", **options, errors__tolerance="all", errors__deadletterqueue__topic__name="dead",
        errors__deadletterqueue__topic__replication__factor="1", errors__deadletterqueue__context__headers__enable="true")
    wait_until(lambda: sorted(row["n"] for row in bigquery.rows(topic)) == ["1", "3"], 40, "the good rows")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": worker.address, "group.id": "reader"})
    consumer.assign([confluent_kafka.TopicPartition("dead", 0, 0)])
    letters = {}
    for _ in range(2):
        letter = wait_until(lambda: consumer.poll(0.2), what="a dead letter")
        headers = {name: value.decode() for name, value in letter.headers()}
        letters[letter.value()] = headers["__connect.errors.exception.message"]
    consumer.close()
    assert "Cannot convert value to integer" in letters[b'{"n": "x"}']
    assert "Only Map objects supported" in letters[b'["no row"]']


def test_a_kill_loses_nothing(worker, bigquery, front, topic):
    worker.put("bq", **sink(front, topic))
    worker.wait_running("bq")
    for number in range(2):
        produce(worker, topic, numbers(number * 3000, (number + 1) * 3000))
        # The group waits for the member that was killed as long as a session lasts, 45 s.
        wait_until(lambda: len(front.ids) > number * 3000, 90, "rows on their way")  # noqa: B023
        worker.kill()
        worker.start()
    wait_until(lambda: len({row["n"] for row in bigquery.rows(topic)}) == 6000, 90, "all rows", interval=0.5)
    # What came twice has the id it had before, by which BigQuery knows it.
    assert set(front.ids) == {f"{topic}-0-{n}" for n in range(6000)}


def test_a_server_that_goes_and_comes_back(worker, bigquery, topic):
    front = Front(bigquery)
    worker.put("bq", **sink(front, topic))
    produce(worker, topic, numbers(0, 100))
    wait_until(lambda: len(bigquery.rows(topic)) == 100, 40, "the first rows")
    front.close()
    produce(worker, topic, numbers(100, 200))
    wait_until(lambda: "Attempt 1 of 6 failed" in worker.log(), 40, "an attempt that fails")
    front = Front(bigquery, front.port)
    wait_until(lambda: len(bigquery.rows(topic)) == 200, 60, "the rows that waited")
    assert sorted(int(row["n"]) for row in bigquery.rows(topic)) == list(range(200))
    assert worker.states("bq") == ("RUNNING", ["RUNNING"])
    front.close()


def test_a_pause_ends_when_the_task_is_to(tmp_path, bigquery, front, topic):
    # Neither the pause nor what cancels tasks that do not stop in time ends within this test.
    worker = Worker(tmp_path / "broker", settings={"task.shutdown.graceful.timeout.ms": "3600000"}).start()
    front.is_busy = True
    worker.put("bq", **sink(front, topic, errors__retry__delay__max__ms="3600000"))
    produce(worker, topic, numbers(0, 10))
    wait_until(lambda: "Attempt 1 of 6 failed" in worker.log(), 40, "an attempt that fails")
    front.is_busy = False
    # The old task has ended before a new one begins.
    worker.put("bq", **sink(front, topic, threadPoolSize="9"))
    wait_until(lambda: len(bigquery.rows(topic)) == 10, 40, "the rows")
    worker.stop()


def test_topics_that_become_one_table(worker, bigquery, front, topic):
    names = [f"{topic}.{part}" for part in ("a", "b")]
    options = sink(
        front, ",".join(names), kafkaDataFieldName="kafka", transforms="one",
        transforms__one__type="org.apache.kafka.connect.transforms.RegexRouter", transforms__one__regex=r"(.*)\..*",
        transforms__one__replacement="$1")
    for name in names:
        produce(worker, name, numbers(0, 5))
    worker.put("bq", **options)
    wait_until(lambda: len(bigquery.rows(topic)) == 10, 40, "the rows of both")
    assert sorted(front.ids) == [f"{name}-0-{n}" for name in names for n in range(5)]


def test_structs_without_fields_have_no_column(worker, bigquery, front, topic):
    front.refusal = lambda row: None if set(row) == {"n"} else f"no such field: {sorted(row)}."
    worker.put("bq", **sink(front, topic, allowNewBigQueryFields="true"))
    empty = {"type": "struct", "fields": []}
    schema = struct(n="int64", o=struct(e=empty), l={"type": "array", "items": empty})
    produce(worker, topic, [{"schema": schema, "payload": {"n": n, "o": {"e": {}}, "l": [{}]}} for n in range(2)])
    wait_until(lambda: len(bigquery.rows(topic)) == 2, 40, "the rows")
    assert bigquery.columns(topic) == {"n": "INTEGER REQUIRED"}


def test_partitions_of_days(worker, bigquery, front, topic):
    options = sink(front, topic, bigQueryMessageTimePartitioning="true")
    del options["bigQueryPartitionDecorator"]
    worker.put("bq", **options)
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for n, day in enumerate([1, 1, 2]):
        value = json.dumps({"schema": struct(n="int64"), "payload": {"n": n}})
        producer.produce(topic, value=value, partition=0, timestamp=1_577_836_800_000 + day * 86_400_000)
    assert producer.flush(30) == 0
    wait_until(lambda: len(bigquery.rows(topic)) == 3, 40, "the rows")
    assert sorted(set(front.partitions)) == ["20200102", "20200103"]
    assert bigquery.table(topic)["timePartitioning"] == {"type": "DAY"}


def keyed(values):
    """Records of JsonConverter with a key each; None deletes."""
    key, value = struct(id="int64"), struct(id="int64", name_="string")
    return [
        (json.dumps({"schema": key, "payload": {"id": id}}),
         None if name is None else json.dumps({"schema": value, "payload": {"id": id, "name": name}}))
        for id, name in values]


def send(worker, topic, records):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=0)
    assert producer.flush(30) == 0


def merging(front, topic, **more):
    return sink(front, topic, kafkaKeyFieldName="k", mergeIntervalMs="1000", **{
        "key__converter": "org.apache.kafka.connect.json.JsonConverter", "key__converter__schemas__enable": "true", **more})


def test_rows_are_replaced_and_deleted_by_their_keys(worker, bigquery, front, topic):
    worker.put("bq", **merging(front, topic, upsertEnabled="true", deleteEnabled="true", kafkaDataFieldName="kafka"))
    send(worker, topic, keyed([(1, "a"), (2, "b"), (3, "c"), (1, "d"), (2, None), (4, None)]))

    def names():
        return sorted((row["k"]["id"], row["id"], row["name"]) for row in bigquery.rows(topic))

    wait_until(lambda: names() == [("1", "1", "d"), ("3", "3", "c")], 60, "the rows of both keys")
    assert bigquery.columns(topic) == {
        "id": "INTEGER REQUIRED", "name": "STRING NULLABLE", "kafka": "RECORD NULLABLE", "k": "RECORD NULLABLE"}
    send(worker, topic, keyed([(3, None), (1, "e"), (5, "f")]))
    # Before these are merged: the next process begins with the first record that was not.
    wait_until(lambda: any(id.startswith(f"{topic}-0-8-") for id in front.ids), 40, "the rows on their way")
    worker.kill()
    worker.start()
    wait_until(lambda: names() == [("1", "1", "e"), ("5", "5", "f")], 120, "what the second process merges")

    def offset():
        parts = worker.ask("GET", "/connectors/bq/offsets")[1]["offsets"]
        return parts[0]["offset"]["kafka_offset"] if parts else 0

    wait_until(lambda: offset() == 9, 40, "the offset behind the last record")


@pytest.mark.parametrize("mode, expected", [
    ({"upsertEnabled": "true"}, [("1", "d"), ("2", "b")]),
    ({"deleteEnabled": "true"}, [("1", "a"), ("1", "d")])])
def test_either_of_upserts_and_deletions(worker, bigquery, front, topic, mode, expected):
    worker.put("bq", **merging(front, topic, mergeRecordsThreshold="1", **mode))
    send(worker, topic, keyed([(1, "a"), (2, "b"), (1, "d"), (2, None)]))
    wait_until(lambda: sorted((row["k"]["id"], row["name"]) for row in bigquery.rows(topic)) == expected, 60, "the rows")


def test_the_configuration_of_the_docs(worker, bigquery, front):
    text = (Path(__file__).parents[3] / "docs" / "connectors.md").read_text()
    section = text.split("\n## BigQuery sink\n")[1].split("\n## ")[0]
    config = json.loads(re.search(r"```json\n(.*?)```", section, re.S).group(1))
    name = f"ratings_{uuid.uuid4().hex[:10]}"
    # All but the names of this place, and the key.
    config |= {
        "topics": name, "project": "p", "defaultDataset": DATASET, "bigQueryEndpoint": front.url,
        "value.converter.schema.registry.url": f"http://127.0.0.1:{worker.registry_port}"}
    del config["keyfile"]
    worker.put("bq", **config)
    worker.put(
        "made", **{"connector.class": "DatagenSource", "kafka.topic": name, "quickstart": "ratings", "iterations": "50",
                   "max.interval": "1", "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                   "value.converter": config["value.converter"],
                   "value.converter.schema.registry.url": config["value.converter.schema.registry.url"]})
    wait_until(lambda: len(bigquery.rows(name)) == 50, 60, "the rows")
    assert "REQUIRED" in bigquery.columns(name)["rating_id"]
    assert bigquery.columns(name)["kafka"] == "RECORD NULLABLE"


@pytest.mark.parametrize("option, value, words", [
    ("upsertEnabled", "true", "kafkaKeyFieldName must be specified when upsertEnabled is set to true"), ("enableBatchLoad", "orders", "rows are streamed"),
    ("useStorageWriteApi", "true", "tabledata.insertAll"), ("bigQueryEndpoint", "", "keySource=APPLICATION_DEFAULT"),
    ("keyfile", "/nowhere/key.json", "Failed to access JSON key file")])
def test_what_is_not_there_is_refused(worker, option, value, words):
    config = {name.replace("__", "."): text for name, text in sink(BigQuery("http://127.0.0.1:1"), "t").items()}
    status, body, _ = worker.ask("PUT", "/connectors/bq/config", {**config, option: value})
    assert status == 400 and words in body["message"], body
