"""The sink of Elasticsearch in the worker, against a server that answers as Elasticsearch does.

Needs test-servers/elasticsearch-like.sh of SWIFTWATER_SHARED, or ELASTICSEARCH_URL.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import SHARED, Worker, free_port, wait_until  # noqa: E402


class Server:
    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return {"status": error.code, **json.loads(error.read() or b"{}")}

    def documents(self, index):
        """By id."""
        self.ask("POST", f"/{index}/_refresh")
        found = self.ask("POST", f"/{index}/_search", {"size": 10_000, "query": {"match_all": {}}})
        return {hit["_id"]: hit["_source"] for hit in found.get("hits", {}).get("hits", [])}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if os.environ.get("ELASTICSEARCH_URL"):
        yield Server(os.environ["ELASTICSEARCH_URL"])
        return
    script = (SHARED / "test-servers" / "elasticsearch-like.sh").resolve()
    if not script.exists():
        pytest.skip("neither ELASTICSEARCH_URL nor test-servers/elasticsearch-like.sh of SWIFTWATER_SHARED")
    folder = tmp_path_factory.mktemp("search")
    output = subprocess.run(
        ["bash", str(script), "start", str(folder), str(free_port())], capture_output=True, text=True, timeout=110)
    assert output.returncode == 0, output.stderr
    yield Server(dict(line.split("=", 1) for line in output.stdout.splitlines() if "=" in line)["ELASTICSEARCH_URL"])
    subprocess.run(["bash", str(script), "stop", str(folder)], capture_output=True, timeout=60)


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", settings={"offset.flush.interval.ms": "200"}).start()
    yield worker
    if worker.alive:
        worker.stop()


@pytest.fixture
def topic():
    return f"Orders-{uuid.uuid4().hex[:10]}"


def sink(server, topic, **more):
    return {
        "connector__class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "topics": topic,
        "connection__url": server.url, "key__converter": "org.apache.kafka.connect.storage.StringConverter",
        "value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false",
        "schema__ignore": "true", "retry__backoff__ms": "20", **more}


def produce(worker, topic, records):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for key, value in records:
        producer.produce(topic, key=key, value=None if value is None else json.dumps(value), partition=0)
    assert producer.flush(30) == 0


def test_documents_by_their_keys(worker, server, topic):
    worker.put("search", **sink(server, topic, behavior__on__null__values="delete"))
    worker.wait_running("search")
    produce(worker, topic, [(f"k{number % 100}", {"n": number}) for number in range(3000)])
    produce(worker, topic, [("k7", None)])
    wanted = {f"k{number}": {"n": 2900 + number} for number in range(100) if number != 7}
    wait_until(lambda: server.documents(topic.lower()) == wanted, 40, "the last document of each key")


@pytest.mark.deadline(240)
def test_a_kill_leaves_nothing_out_and_nothing_twice(worker, server, topic):
    worker.put("search", **sink(server, topic, key__ignore="true", batch__size="100"))
    worker.wait_running("search")
    for number in range(2):
        produce(worker, topic, [(None, {"n": n}) for n in range(number * 3000, (number + 1) * 3000)])
        # The group waits for the member that was killed as long as a session lasts, 45 s.
        wait_until(lambda: len(server.documents(topic.lower())) > number * 3000, 90, "documents on their way")  # noqa: B023
        worker.kill()
        worker.start()
    wait_until(lambda: len(server.documents(topic.lower())) == 6000, 90, "all documents")
    found = server.documents(topic.lower())
    assert found[f"{topic}+0+5999"] == {"n": 5999}
    assert sorted(document["n"] for document in found.values()) == list(range(6000))


def test_a_mapping_from_the_schema(worker, server, topic):
    schema = {
        "type": "struct", "optional": False, "fields": [
            {"field": "id", "type": "int64"}, {"field": "name", "type": "string", "optional": True},
            {"field": "amount", "type": "double"}, {"field": "paid", "type": "boolean"}]}
    worker.put("search", **sink(server, topic, schema__ignore="false", value__converter__schemas__enable="true"))
    worker.wait_running("search")
    produce(worker, topic, [
        ("a", {"schema": schema, "payload": {"id": 1, "name": "x", "amount": 1.5, "paid": True}})])
    wait_until(lambda: len(server.documents(topic.lower())) == 1, 40, "the document")
    mapping = server.ask("GET", f"/{topic.lower()}/_mapping")[topic.lower()]["mappings"]["properties"]
    assert {name: about["type"] for name, about in mapping.items()} == {
        "id": "long", "name": "text", "amount": "double", "paid": "boolean"}


def test_documents_that_are_refused_become_dead_letters(worker, server, topic):
    server.ask("PUT", f"/{topic.lower()}", {"mappings": {"properties": {"n": {"type": "integer"}}}})
    options = sink(server, topic)
    worker.put("search", **options)
    produce(worker, topic, [("a", {"n": 1}), ("b", {"n": "no number"}), ("c", {"n": 3})])
    wait_until(lambda: worker.states("search") == ("RUNNING", ["FAILED"]), 40, "the task fails")
    assert "parsing" in worker.status("search")["tasks"][0]["trace"]
    worker.put("search", **options, behavior__on__malformed__documents="warn", errors__tolerance="all",
               errors__deadletterqueue__topic__name="dead", errors__deadletterqueue__topic__replication__factor="1")
    wait_until(lambda: set(server.documents(topic.lower())) == {"a", "c"}, 40, "the good documents")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": worker.address, "group.id": "reader"})
    consumer.assign([confluent_kafka.TopicPartition("dead", 0, 0)])
    letter = wait_until(lambda: consumer.poll(0.2), what="the dead letter")
    assert letter.key() == b"b" and json.loads(letter.value()) == {"n": "no number"}
    consumer.close()
