"""The sink of S3 and folders against SeaweedFS, which checks signatures; what it wrote is read by pyarrow, DuckDB, fastavro.

Needs test-servers/s3.sh of SWIFTWATER_SHARED, or S3_ENDPOINT with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import collections
import gzip
import io
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import SHARED, Worker, free_port, wait_until  # noqa: E402

boto3 = pytest.importorskip("boto3")
duckdb = pytest.importorskip("duckdb")
fastavro = pytest.importorskip("fastavro")
pq = pytest.importorskip("pyarrow.parquet")

PARTITIONER = "io.confluent.connect.storage.partitioner."
FORMAT = "io.confluent.connect.s3.format."
JSON = {"value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Address and credentials of a store."""
    if os.environ.get("S3_ENDPOINT"):
        yield {k: os.environ[k] for k in ("S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return
    script = (SHARED / "test-servers" / "s3.sh").resolve()
    if not script.exists():
        pytest.skip("neither S3_ENDPOINT nor test-servers/s3.sh of SWIFTWATER_SHARED")
    folder = tmp_path_factory.mktemp("s3")
    output = subprocess.run(
        ["bash", str(script), "start", str(folder), str(free_port(1, 2, 3, 100, 101, 102, 103))],
        capture_output=True, text=True, timeout=110)
    assert output.returncode == 0, output.stderr
    yield dict(line.split("=", 1) for line in output.stdout.splitlines() if "=" in line)
    subprocess.run(["bash", str(script), "stop", str(folder)], capture_output=True, timeout=60)


@pytest.fixture
def bucket(store):
    client = boto3.client(
        "s3",
        endpoint_url=store["S3_ENDPOINT"],
        aws_access_key_id=store["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=store["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    name = f"lake-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return Bucket(client, name, store)


class Bucket:
    def __init__(self, client, name, store):
        self.client, self.name, self.store = client, name, store

    def config(self, **config):
        return {
            "connector__class": "io.confluent.connect.s3.S3SinkConnector",
            "s3__bucket__name": self.name,
            "s3__region": "us-east-1",
            "store__url": self.store["S3_ENDPOINT"],
            "aws__access__key__id": self.store["AWS_ACCESS_KEY_ID"],
            "aws__secret__access__key": self.store["AWS_SECRET_ACCESS_KEY"],
            "storage__class": "io.confluent.connect.s3.storage.S3Storage",
            "key__converter": "org.apache.kafka.connect.storage.StringConverter",
            "s3__retry__backoff__ms": "50",
            "retry__backoff__ms": "200",
            **config,
        }

    def keys(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def read(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True).start()
    yield worker
    if worker.alive:
        worker.stop()


def produce(worker, topic, numbers, value=lambda n: {"n": n, "country": "AT" if n % 3 else "DE"}, timestamp=None):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address, "linger.ms": 20})
    for n in numbers:
        producer.produce(
            topic, key=str(n), value=json.dumps(value(n)), partition=0, timestamp=timestamp(n) if timestamp else 0
        )
        producer.poll(0)
    assert producer.flush(30) == 0


def lines(data):
    return [json.loads(line) for line in data.decode().splitlines()]


def test_json_and_names(worker, bucket):
    produce(worker, "orders", range(25))
    worker.put("sink", **bucket.config(topics="orders", flush__size="10", format__class=FORMAT + "json.JsonFormat", **JSON))
    worker.wait_running("sink")
    wait_until(lambda: len(bucket.keys()) == 2, what="two objects")
    assert bucket.keys() == [f"topics/orders/partition=0/orders+0+{n:010d}.json" for n in (0, 10)]
    assert [r["n"] for key in bucket.keys() for r in lines(bucket.read(key))] == list(range(20))


def test_gzip_and_fields(worker, bucket):
    produce(worker, "orders", range(30))
    worker.put(
        "sink",
        **bucket.config(
            topics="orders", flush__size="30", format__class=FORMAT + "json.JsonFormat", s3__compression__type="gzip",
            partitioner__class=PARTITIONER + "FieldPartitioner", partition__field__name="country", **JSON,
        ),
    )  # fmt: skip
    wait_until(lambda: len(bucket.keys()) == 2, what="two objects")
    assert bucket.keys() == [
        "topics/orders/country=AT/orders+0+0000000001.json.gz",
        "topics/orders/country=DE/orders+0+0000000000.json.gz",
    ]
    found = [lines(gzip.decompress(bucket.read(key))) for key in bucket.keys()]
    assert [r["n"] for r in found[1]] == list(range(0, 30, 3))
    assert len(found[0]) == 20


def test_time_partitions(worker, bucket):
    start = 1_369_407_600_000  # 2013-05-24T15:00Z
    produce(worker, "clicks", range(40), timestamp=lambda n: start + n * 360_000)
    worker.put(
        "sink",
        **bucket.config(
            topics="clicks", flush__size="1000", rotate__interval__ms="3600000", format__class=FORMAT + "json.JsonFormat",
            partitioner__class=PARTITIONER + "HourlyPartitioner", locale="en-US", timezone="Europe/Vienna",
            timestamp__extractor="Record", **JSON,
        ),
    )  # fmt: skip
    wait_until(lambda: len(bucket.keys()) == 3, what="three objects")
    assert bucket.keys() == [
        f"topics/clicks/year=2013/month=05/day=24/hour={17 + n}/clicks+0+{10 * n:010d}.json" for n in range(3)
    ]


SCHEMA = """{"type":"record","name":"R","namespace":"a","fields":[{"name":"id","type":"long"},
 {"name":"name","type":["null","string"],"default":null},{"name":"tags","type":{"type":"array","items":"string"}},
 {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}}]}"""


def produce_values(worker, topic, values):
    """Values, each with the Avro schema to write it with."""
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    registry = SchemaRegistryClient({"url": f"http://127.0.0.1:{worker.registry_port}"})
    serializers = {}
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for schema, value in values:
        if schema not in serializers:
            serializers[schema] = AvroSerializer(registry, schema)
        context = SerializationContext(topic, MessageField.VALUE)
        producer.produce(topic, value=serializers[schema](value, context), partition=0)
    assert producer.flush(30) == 0


def produce_avro(worker, topic, count):
    import decimal

    produce_values(worker, topic, [
        (SCHEMA, {
            "id": n, "name": None if n % 4 == 0 else f"n{n}", "tags": ["t"] * (n % 3), "at": 1_000_000 + n,
            "price": decimal.Decimal(n).scaleb(-2),
        })
        for n in range(count)
    ])  # fmt: skip


@pytest.mark.parametrize("kind", ["avro", "parquet"])
def test_schemas(worker, bucket, tmp_path, kind):
    produce_avro(worker, "things", 50)
    worker.put(
        "sink",
        **bucket.config(
            topics="things", flush__size="50", value__converter="io.confluent.connect.avro.AvroConverter",
            value__converter__schema__registry__url=f"http://127.0.0.1:{worker.registry_port}", avro__codec="snappy",
            format__class=FORMAT + ("avro.AvroFormat" if kind == "avro" else "parquet.ParquetFormat"),
        ),
    )  # fmt: skip
    wait_until(lambda: len(bucket.keys()) == 1, what="an object")
    (key,) = bucket.keys()
    data = bucket.read(key)
    if kind == "avro":
        assert key.endswith("things+0+0000000000.avro")
        rows = list(fastavro.reader(io.BytesIO(data)))
    else:
        assert key.endswith("things+0+0000000000.snappy.parquet")
        table = pq.read_table(io.BytesIO(data))
        assert str(table.schema.field("at").type) == "timestamp[ms, tz=UTC]"
        assert str(table.schema.field("price").type) == "decimal128(10, 2)"
        rows = table.to_pylist()
        (tmp_path / "a.parquet").write_bytes(data)
        total = duckdb.sql(f"SELECT count(name), sum(price), sum(len(tags)) FROM '{tmp_path}/a.parquet'").fetchall()[0]
        assert [float(x) for x in total] == [37, 12.25, sum(n % 3 for n in range(50))]
    assert [r["id"] for r in rows] == list(range(50))
    assert [r["tags"] for r in rows] == [["t"] * (n % 3) for n in range(50)]
    assert [r["name"] for r in rows] == [None if n % 4 == 0 else f"n{n}" for n in range(50)]


def avro_values(worker):
    return {
        "value__converter": "io.confluent.connect.avro.AvroConverter",
        "value__converter__schema__registry__url": f"http://127.0.0.1:{worker.registry_port}",
    }


def test_records_that_contain_themselves(worker, bucket):
    tree = json.dumps({"type": "record", "name": "Tree", "namespace": "a", "fields": [
        {"name": "n", "type": "int"}, {"name": "next", "type": ["null", "Tree"], "default": None},
        {"name": "children", "type": {"type": "array", "items": "Tree"}}]})  # fmt: skip

    def node(n, depth):
        children = [node(n * 10 + i, depth - 1) for i in range(2)] if depth else []
        return {"n": n, "next": node(n + 1, depth - 1) if depth else None, "children": children}

    values = [node(n, 4) for n in range(3)]
    produce_values(worker, "trees", [(tree, value) for value in values])
    for kind in ("avro.AvroFormat", "json.JsonFormat"):
        config = bucket.config(topics="trees", flush__size="3", format__class=FORMAT + kind, **avro_values(worker))
        worker.put("to-" + kind[:4], **config)
    wait_until(lambda: len(bucket.keys()) == 2, what="two objects")
    avro, plain = bucket.keys()
    reader = fastavro.reader(io.BytesIO(bucket.read(avro)))
    assert list(reader) == values and reader.writer_schema["connect.version"] == 1
    assert lines(bucket.read(plain)) == values
    config = bucket.config(topics="trees", flush__size="3", format__class=FORMAT + "parquet.ParquetFormat", **avro_values(worker))
    worker.put("to-parquet", **config)
    wait_until(lambda: worker.states("to-parquet") and worker.states("to-parquet")[1] == ["FAILED"], what="the failure")
    assert "contains itself" in worker.status("to-parquet")["tasks"][0]["trace"]


def test_versions_of_a_schema(worker, bucket):
    """The version of the registry's subject says which records are older."""
    first = {"type": "record", "name": "E", "fields": [{"name": "n", "type": "int"}]}
    second = {**first, "fields": [*first["fields"], {"name": "s", "type": "string", "default": "d"}]}
    old, new = json.dumps(first), json.dumps(second)
    produce_values(worker, "events", [
        (old, {"n": 0}), (new, {"n": 1, "s": "a"}), (old, {"n": 2}), (new, {"n": 3, "s": "b"}), (old, {"n": 4}),
        (old, {"n": 5}),
    ])  # fmt: skip
    for mode in ("NONE", "BACKWARD"):
        config = bucket.config(
            topics="events", flush__size="5", schema__compatibility=mode, topics__dir=mode,
            s3__schema__partition__affix__type="SUFFIX", format__class=FORMAT + "json.JsonFormat", **avro_values(worker),
        )  # fmt: skip
        worker.put("to-" + mode, **config)

    def found(mode):
        keys = [key for key in bucket.keys() if key.startswith(mode + "/events/partition=0/schema_name=E/")]
        return [lines(bucket.read(key)) for key in keys]

    # An object is written when another schema comes, or when it is full.
    wait_until(lambda: len(found("NONE")) == 4, what="an object for each change")
    assert found("NONE") == [[{"n": 0}], [{"n": 1, "s": "a"}], [{"n": 2}], [{"n": 3, "s": "b"}]]
    wait_until(lambda: len(found("BACKWARD")) == 2, what="two objects")
    assert found("BACKWARD") == [[{"n": 0}], [{"n": n, "s": s} for n, s in zip(range(1, 6), "adbdd", strict=True)]]


def test_a_wrong_secret_fails_clearly(worker, bucket):
    produce(worker, "orders", range(3))
    config = bucket.config(topics="orders", flush__size="3", format__class=FORMAT + "json.JsonFormat", **JSON)
    config["aws__secret__access__key"] = "this-is-not-it"
    worker.put("sink", **config)
    wait_until(lambda: worker.states("sink") and worker.states("sink")[1] == ["FAILED"], what="the failure", timeout=30)
    trace = worker.status("sink")["tasks"][0]["trace"]
    assert "SignatureDoesNotMatch" in trace and "aws.secret.access.key" in trace
    assert "this-is-not-it" not in trace and "this-is-not-it" not in worker.log_path.read_text()


@pytest.mark.deadline(240)
def test_kill_and_restart_without_duplicates(worker, bucket):
    config = bucket.config(
        topics="orders", flush__size="100", format__class=FORMAT + "json.JsonFormat", offset__flush__interval__ms="500", **JSON
    )
    worker.put("sink", **config)
    worker.wait_running("sink")
    for round_ in range(4):
        produce(worker, "orders", range(round_ * 1000, round_ * 1000 + 1000))
        if round_ < 3:
            time.sleep(0.2 * round_)  # somewhere between nothing and all of it written
            worker.kill()
            worker.start()
    wait_until(lambda: len(bucket.keys()) == 40, what="forty objects", timeout=90)
    counts = collections.Counter(r["n"] for key in bucket.keys() for r in lines(bucket.read(key)))
    assert counts == {n: 1 for n in range(4000)}
    assert bucket.keys() == [f"topics/orders/partition=0/orders+0+{n:010d}.json" for n in range(0, 4000, 100)]


def test_a_folder(worker, tmp_path):
    produce(worker, "orders", range(20))
    worker.put(
        "sink", connector__class="swiftwater.connect.FileStoreSinkConnector", topics="orders", flush__size="10",
        store__url=f"file://{tmp_path}/lake", format__class=FORMAT + "json.JsonFormat",
        key__converter="org.apache.kafka.connect.storage.StringConverter", **JSON,
    )  # fmt: skip
    folder = tmp_path / "lake/topics/orders/partition=0"
    wait_until(lambda: folder.exists() and len(list(folder.glob("[!.]*"))) == 2, what="two files")
    assert [r["n"] for file in sorted(folder.glob("[!.]*")) for r in lines(file.read_bytes())] == list(range(20))
