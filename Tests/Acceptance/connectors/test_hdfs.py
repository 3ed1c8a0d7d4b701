"""The sink of HDFS against a real name node and data node; what it wrote is read by WebHDFS, fastavro and pyarrow.

Needs test-servers/hdfs.sh of SWIFTWATER_SHARED, or WEBHDFS_URL with HDFS_USER.
"""

import io
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import SHARED, Worker, free_port, wait_until  # noqa: E402

fastavro = pytest.importorskip("fastavro")
pq = pytest.importorskip("pyarrow.parquet")

JSON = {"value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false"}


class FileSystem:
    def __init__(self, url, user):
        self.url, self.user = url, user
        self.address = url.removesuffix("/webhdfs/v1")
        self.folder = f"lake-{uuid.uuid4().hex[:12]}"

    def ask(self, path, operation, method="GET"):
        place = urllib.parse.quote(path)
        request = urllib.request.Request(f"{self.url}{place}?op={operation}&user.name={self.user}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def files(self, path=None):
        """Paths below the folder of topics, without those that are being written."""
        path = path or f"/{self.folder}/topics"
        try:
            entries = json.loads(self.ask(path, "LISTSTATUS"))["FileStatuses"]["FileStatus"]
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return []
        found = []
        for entry in entries:
            name = f"{path}/{entry['pathSuffix']}"
            if entry["type"] == "DIRECTORY":
                found += [] if entry["pathSuffix"] == "+tmp" else self.files(name)
            else:
                found.append(name)
        return sorted(found)

    def contents(self, path):
        return self.ask(path, "OPEN")

    def config(self, **more):
        return {
            "connector__class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector", "webhdfs__url": self.address,
            "hdfs__url": "hdfs://127.0.0.1:8020", "hdfs__user": self.user, "topics__dir": f"{self.folder}/topics",
            "logs__dir": f"{self.folder}/logs", "retry__backoff__ms": "100", "topics": "events", "flush__size": "100",
            "key__converter": "org.apache.kafka.connect.storage.StringConverter",
            "format__class": "io.confluent.connect.hdfs3.json.JsonFormat"} | JSON | more


class Server:
    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.script = str((SHARED / "test-servers" / "hdfs.sh").resolve())

    def start(self):
        output = subprocess.run(
            ["bash", self.script, "start", str(self.folder), str(self.port)], capture_output=True, text=True, timeout=280)
        assert output.returncode == 0, output.stderr
        return dict(line.split("=", 1) for line in output.stdout.splitlines() if "=" in line)

    def stop(self):
        subprocess.run(["bash", self.script, "stop", str(self.folder)], capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if os.environ.get("WEBHDFS_URL"):
        yield None
        return
    if not (SHARED / "test-servers" / "hdfs.sh").exists():
        pytest.skip("neither WEBHDFS_URL nor test-servers/hdfs.sh of SWIFTWATER_SHARED")
    made = Server(tmp_path_factory.mktemp("hdfs"), free_port(1, 2, 3, 4))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def address(server):
    return {k: os.environ[k] for k in ("WEBHDFS_URL", "HDFS_USER")} if server is None else server.start()


@pytest.fixture
def lake(address):
    return FileSystem(address["WEBHDFS_URL"], address["HDFS_USER"])


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True, settings={"offset.flush.interval.ms": "500"}).start()
    yield worker
    if worker.alive:
        worker.stop()


def produce(worker, numbers, topic="events", more=lambda n: {}):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address, "linger.ms": 5})
    for n in numbers:
        producer.produce(topic, json.dumps({"n": n} | more(n)), partition=0)
    producer.flush(30)


def lines(lake):
    return [json.loads(line)["n"] for path in lake.files() for line in lake.contents(path).splitlines()]


def covered(lake, folder=""):
    """The offsets that the names of files tell, in order."""
    names = [re.search(r"\+0\+(\d{10})\+(\d{10})\.", path) for path in lake.files() if folder in path]
    return sorted((int(name[1]), int(name[2])) for name in names)


def test_files_of_whole_batches(worker, lake):
    produce(worker, range(250))
    worker.put("lake", **lake.config())
    wait_until(lambda: lines(lake) == list(range(200)), what="two whole files", timeout=60)
    assert lake.files() == [
        f"/{lake.folder}/topics/events/partition=0/events+0+0000000000+0000000099.json",
        f"/{lake.folder}/topics/events/partition=0/events+0+0000000100+0000000199.json"]
    produce(worker, range(250, 300))
    wait_until(lambda: lines(lake) == list(range(300)), what="the third", timeout=60)


def test_avro_and_parquet_by_field(worker, lake):
    fields = [{"type": "int64", "optional": False, "field": "n"}, {"type": "string", "optional": True, "field": "city"}]
    schema = {"type": "struct", "name": "order", "optional": False, "fields": fields}
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for n in range(100):
        value = {"n": n, "city": ["Basel", "Bern"][n % 2]}
        producer.produce("events", json.dumps({"schema": schema, "payload": value}), partition=0)
    producer.flush(30)
    for name, format in [("avro", "avro.AvroFormat"), ("parquet", "parquet.ParquetFormat")]:
        worker.put(name, **lake.config(
            value__converter__schemas__enable="true", topics__dir=f"{lake.folder}/topics/{name}",
            format__class=f"io.confluent.connect.hdfs.{format}",
            partitioner__class="io.confluent.connect.hdfs.partitioner.FieldPartitioner", partition__field__name="city"))
    wait_until(lambda: len(lake.files()) == 4, what="four files", timeout=60)
    found = {}
    for path in lake.files():
        data = io.BytesIO(lake.contents(path))
        rows = list(fastavro.reader(data)) if path.endswith(".avro") else pq.read_table(data).to_pylist()
        kind, folder = path.split("/")[3], path.split("/")[5]
        found[kind, folder] = [row["n"] for row in rows]
    expected = {"city=Basel": list(range(0, 100, 2)), "city=Bern": list(range(1, 100, 2))}
    assert found == {(kind, folder): rows for kind in ["avro", "parquet"] for folder, rows in expected.items()}


@pytest.mark.parametrize("kills", [4])
def test_every_record_once_through_kills(worker, lake, kills):
    count = 10_000
    worker.put("lake", **lake.config(flush__size="173", consumer__override__max__poll__records="200"))
    done = 0
    for kill in range(kills):
        produce(worker, range(done, count * (kill + 1) // (kills + 1)))
        done = count * (kill + 1) // (kills + 1)
        time.sleep(0.15 * (kill + 1))  # varies the moment
        worker.restart(kill=True)
        worker.wait_running("lake")
    produce(worker, range(done, count))
    whole = count // 173 * 173
    wait_until(lambda: len(covered(lake)) * 173 >= whole, what="all whole files", timeout=120)
    assert sorted(lines(lake)) == list(range(whole))


def test_goes_on_when_the_file_system_returns(worker, lake, server):
    if server is None:
        pytest.skip("the file system is somebody else's")
    worker.put("lake", **lake.config(hdfs__retries="1"))
    produce(worker, range(150))
    wait_until(lambda: lines(lake) == list(range(100)), timeout=60)
    server.stop()
    produce(worker, range(150, 400))
    wait_until(lambda: "put failed, trying again" in worker.log(), what="an attempt that failed", timeout=60)
    server.start()
    wait_until(lambda: lines(lake) == list(range(400)), what="the rest", timeout=120)
    assert worker.states("lake") == ("RUNNING", ["RUNNING"])


def test_what_is_wrong_is_told(worker, lake):
    def refused(**more):
        config = {key.replace("__", "."): value for key, value in lake.config(**more).items() if value is not None}
        status, body, _ = worker.ask("PUT", "/connectors/lake/config", config)
        assert status == 400, body
        return body["message"]

    assert "add webhdfs.url=http://127.0.0.1:9870" in refused(webhdfs__url=None)
    assert "Kerberos is not there" in refused(hdfs__authentication__kerberos="true")
    worker.put("lake", **lake.config(hdfs__user="stranger"))
    wait_until(lambda: worker.states("lake") == ("RUNNING", ["FAILED"]), what="a failed task", timeout=60)
    assert "the user 'stranger' (hdfs.user) may not do this" in worker.status("lake")["tasks"][0]["trace"]
