"""Clients in Go, which share no code with those of the other tests: Sarama, and a kafka-go that is too old.

Debian's packages are taken, whichever of them is installed: IBM's Sarama, or Shopify's from before 2019's end.
"""

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition

from clients import create_topic
from process import Broker, binary, free_port, wait_until
from secured import Certificates

SOURCES = Path(__file__).parent / "go"
PACKAGES = Path(os.environ.get("SWIFTWATER_GOPATH", "/usr/share/gocode"))
IBM, SHOPIFY, KAFKA_GO = "github.com/IBM/sarama", "github.com/Shopify/sarama", "github.com/segmentio/kafka-go"
SARAMA = next((name for name in (IBM, SHOPIFY) if (PACKAGES / "src" / name).is_dir()), None)

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go is missing: apt-get install golang-go")
needs_sarama = pytest.mark.skipif(SARAMA is None, reason="Sarama is missing: apt-get install golang-github-shopify-sarama-dev")
# The versions of Kafka that Sarama may be told to expect; the old one knows none from after 2.3.
VERSIONS = ("0.11.0.0", "2.1.0", "2.3.0") + (("2.8.0", "4.0.0") if SARAMA == IBM else ())


def build(folder, sources, name):
    program = folder / name
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(PACKAGES), "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    done = subprocess.run(
        ["go", "build", "-o", str(program), *map(str, sources)], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return str(program)


@pytest.fixture(scope="session")
def sarama(tmp_path_factory):
    """The program of go/sarama: an order in, answers out."""
    folder = tmp_path_factory.mktemp("sarama")
    sources = []
    for source in sorted((SOURCES / "sarama").glob("*.go")):
        if source.name == "modern.go" and SARAMA != IBM:
            continue
        sources.append(folder / source.name)
        sources[-1].write_text(source.read_text().replace(IBM, SARAMA))
    program = build(folder, sources, "client")

    made = []

    def run(command, bootstrap, **order):
        made.append(Sarama(program, command, bootstrap, order))
        return made[-1]

    yield run
    for client in made:  # those of tests that failed
        client.process.kill()
        client.process.wait()


class Sarama:
    """One order that is being carried out."""

    def __init__(self, program, command, bootstrap, order):
        order |= {"command": command, "bootstrap": [bootstrap]}
        self.process = subprocess.Popen(
            [program, json.dumps(order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def answer(self, timeout=60):
        """The next one; an error of the client's is the test's."""
        line = self.lines.get(timeout=timeout)
        assert line is not None, f"the client ended with {self.process.wait()}"
        answer = json.loads(line)
        assert "error" not in answer, answer
        return answer

    def until(self, name):
        """The answers up to the first with this name, which is the last of them."""
        answers = [self.answer()]
        while name not in answers[-1]:
            answers.append(self.answer())
        return answers

    def error(self):
        answer = json.loads(self.lines.get(timeout=60))
        self.process.wait()
        return answer["error"]

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.go_on()
        assert self.process.wait(60) == 0
        return self


RECORDS = [
    {"key": "k", "value": "long " * 200, "headers": {"a": "b", "empty": ""}, "timestamp": 1700000000123},
    {"key": None, "value": "no key", "headers": {}, "timestamp": 1700000001000},
    {"key": "gone", "value": None, "headers": {}, "timestamp": 1700000002000},
    {"key": "", "value": "", "headers": {}, "timestamp": 1700000003000},
]


def plain(records):
    return [{name: record[name] for name in RECORDS[0]} for record in records]


def consumer(bootstrap, group="unused", **conf):
    return confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"} | conf)


def read_all(bootstrap, topic, count, **conf):
    """The first `count` messages of partition 0, by librdkafka."""
    reader = consumer(bootstrap, **conf)
    reader.assign([TopicPartition(topic, 0, 0)])
    messages = []
    while len(messages) < count:
        message = reader.poll(30)
        assert message is not None and message.error() is None, message and message.error()
        messages.append(message)
    reader.close()
    return messages


@needs_sarama
@pytest.mark.parametrize("version", VERSIONS)
def test_sarama_writes_and_reads(sarama, bootstrap, topic, version):
    written = sarama("produce", bootstrap, version=version, topic=topic, records=RECORDS, idempotent=True).answer()
    assert written["offsets"] == [0, 1, 2, 3]
    read = sarama("consume", bootstrap, version=version, topic=topic, count=4, **{"from": -2}).answer()
    assert plain(read["records"]) == RECORDS and read["high"] == 4
    places = sarama("offsets", bootstrap, version=version, topic=topic, millis=1700000001500).answer()
    assert places == {"oldest": 0, "newest": 4, "at": 2}


@needs_sarama
@pytest.mark.parametrize("codec", ("none", "gzip", "snappy", "lz4", "zstd"))
def test_sarama_and_librdkafka_read_each_other(sarama, bootstrap, topic, codec):
    sarama_knows = codec != "zstd" or SARAMA == IBM  # the old one sends zstd in versions that Kafka refuses it in
    if not sarama_knows:
        refused = sarama("produce", bootstrap, version="2.1.0", topic=topic, records=RECORDS, codec=codec)
        assert "Failed to deliver 4" in refused.error()
        return
    sarama("produce", bootstrap, version="2.1.0", topic=topic, records=RECORDS, codec=codec).answer()
    for message, record in zip(read_all(bootstrap, topic, 4), RECORDS):
        assert message.key() == (None if record["key"] is None else record["key"].encode())
        assert message.value() == (None if record["value"] is None else record["value"].encode())
        assert {name: value.decode() for name, value in message.headers() or []} == record["headers"]
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "compression.type": codec})
    for i in range(50):
        producer.produce(topic, f"{i} of librdkafka" * 20)
    assert producer.flush(30) == 0
    read = sarama("consume", bootstrap, version="2.1.0", topic=topic, count=50, **{"from": 4}).answer()
    assert [record["value"] for record in read["records"]] == [f"{i} of librdkafka" * 20 for i in range(50)]


@needs_sarama
@pytest.mark.parametrize("version", VERSIONS)
def test_members_on_sarama_share_a_topic(sarama, bootstrap, fresh, version):
    topic, group = create_topic(bootstrap, fresh(), 2), fresh("group")
    records = [{"partition": i % 2, "value": str(i)} for i in range(10)]
    sarama("produce", bootstrap, version="2.1.0", topic=topic, records=records).answer()
    first = sarama("group", bootstrap, version=version, topics=[topic], group=group, manual=True)
    assert first.answer()["claims"] == {topic: [0, 1]}
    values = [first.answer()["record"]["value"] for _ in records]
    assert sorted(values) == [str(i) for i in range(10)]

    second = sarama("group", bootstrap, version=version, topics=[topic], group=group)
    claims = [one.until("claims")[-1]["claims"][topic] for one in (first, second)]
    assert sorted(claims) == [[0], [1]]
    second.end()
    assert first.until("claims")[-1]["claims"] == {topic: [0, 1]}
    first.end()
    committed = consumer(bootstrap, group).committed([TopicPartition(topic, n) for n in (0, 1)], timeout=30)
    assert [place.offset for place in committed] == [5, 5]


@needs_sarama
def test_sarama_and_librdkafka_in_one_group(sarama, bootstrap, fresh):
    """Whichever of them leads, its assignment is read by the other."""
    topic, group = create_topic(bootstrap, fresh(), 2), fresh("group")
    other = consumer(bootstrap, group, **{"partition.assignment.strategy": "range"})
    other.subscribe([topic])
    wait_until(lambda: (other.poll(0.1), len(other.assignment()) == 2)[1], 60)
    member = sarama("group", bootstrap, version="2.1.0", topics=[topic], group=group)
    wait_until(lambda: (other.poll(0.1), len(other.assignment()) == 1)[1], 60)
    claims = member.until("claims")[-1]["claims"][topic]
    assert sorted(claims + [place.partition for place in other.assignment()]) == [0, 1]
    other.close()
    assert member.until("claims")[-1]["claims"] == {topic: [0, 1]}
    member.end()


@needs_sarama
def test_sarama_goes_on_after_a_restart(sarama, broker, fresh):
    topic, group = create_topic(broker.address, fresh()), fresh("group")
    member = sarama("group", broker.address, version="2.1.0", topics=[topic], group=group)
    member.until("claims")
    broker.restart(kill=True)
    sarama("produce", broker.address, version="2.1.0", topic=topic, records=RECORDS, idempotent=True).answer()
    assert plain([member.until("record")[-1]["record"] for _ in RECORDS]) == RECORDS
    member.end()


@needs_sarama
@pytest.mark.skipif(SARAMA != IBM, reason="this Sarama knows no transactions, and its admin asks in versions that Kafka 4 has no more")
class TestModernSarama:
    def test_topics(self, sarama, bootstrap, fresh):
        topic = fresh()
        configs = {"cleanup.policy": "compact,delete"}
        admin = sarama("topics", bootstrap, version="2.8.0", topic=topic, partitions=2, configs=configs)
        told = admin.answer()
        assert f"Topic '{topic}' already exists." in told["again"]
        assert told["configs"]["cleanup.policy"] == "compact,delete"
        reader = consumer(bootstrap)
        assert len(reader.list_topics(topic, 30).topics[topic].partitions) == 3
        assert reader.get_watermark_offsets(TopicPartition(topic, 0), 30) == (3, 4)
        admin.end()
        assert topic not in reader.list_topics(timeout=30).topics

    def test_cluster(self, sarama, bootstrap, topic):
        told = sarama("cluster", bootstrap, version="2.8.0", topic=topic).answer()
        assert (told["brokers"], told["listed"], told["folders"], told["moves"], told["moving"]) == (1, 1, 1, 0, "<nil>")
        known, unknown = told["topics"]
        assert known.startswith(f"{topic} 1 ") and unknown.startswith(f"{topic}-none 0 ") and "does not exist" in unknown

    @pytest.mark.parametrize("version", ("0.11.0.0", "2.8.0", "4.0.0"))
    def test_transactions(self, sarama, bootstrap, topic, fresh, version):
        group = fresh("group")
        sarama(
            "transact", bootstrap, version=version, topic=topic, id=fresh("id"), group=group, steps=["commit", "abort", "commit"],
            records=[{"value": "a"}, {"value": "b"}], **{"from": 7},
        ).until("done")
        read = sarama("consume", bootstrap, version=version, topic=topic, count=4, committed=True, **{"from": -2}).answer()
        assert [record["value"] for record in read["records"]] == ["commit-a", "commit-b"] * 2
        messages = read_all(bootstrap, topic, 4, **{"isolation.level": "read_committed"})
        assert [message.value() for message in messages] == [b"commit-a", b"commit-b"] * 2
        assert consumer(bootstrap, group).committed([TopicPartition(topic, 0)], timeout=30)[0].offset == 7

    def test_a_static_member_and_its_group(self, sarama, bootstrap, topic, fresh):
        group = fresh("group")
        sarama("produce", bootstrap, version="2.8.0", topic=topic, records=RECORDS).answer()
        order = dict(version="2.8.0", topics=[topic], group=group, manual=True, instance="one", strategy="sticky")
        member = sarama("group", bootstrap, **order)
        began = member.until("claims")[-1]
        for _ in RECORDS:
            member.until("record")
        told = sarama("groups", bootstrap, version="2.8.0", group=group, topic=topic).answer()
        assert (told["type"], told["state"], told["protocol"], told["offset"], told["metadata"]) == (
            "consumer", "Stable", "sticky", 4, "noted")
        assert told["members"] == {began["member"]: [0]} and "not empty" in told["deletion"]
        member.end()
        again = sarama("group", bootstrap, **order)
        resumed = again.until("claims")[-1]
        assert resumed["claims"] == {topic: [0]} and resumed["member"] != began["member"]
        again.end()

    def test_users_and_rules(self, sarama, make_broker, fresh):
        broker = make_broker({
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS",
        })
        told = sarama("acls", broker.address, version="2.8.0", topic=fresh(), principal="User:ann").answer()
        assert told == {"found": ["User:ann Read"], "deleted": 1, "left": 0}
        told = sarama("users", broker.address, version="2.8.0", user="ann", password="secret").answer()
        assert told == {"failures": "", "iterations": [8192]}


@needs_sarama
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_sarama_by_password_and_tls(sarama, tmp_path, fresh, request):
    certificates = Certificates(tmp_path / "certificates")
    certificates.issue("server", "DNS:localhost")
    settings, ports = tmp_path / "server.properties", {name: free_port() for name in ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL")}
    settings.write_text(
        "listeners=" + ",".join(f"{name}://localhost:{port}" for name, port in ports.items()) + "\n"
        f"ssl.keystore.location={certificates.folder / 'server.both.pem'}\n"
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n")
    broker = Broker(tmp_path)
    subprocess.run(
        [binary(), "user", "create", "ann", "--data-dir", str(broker.data), "--password-stdin"], input="a, 'secret'=\n", text=True,
        check=True, capture_output=True, timeout=60)
    broker.command = lambda: [
        binary(), "start", "--config", str(settings), "--data-dir", str(broker.data), "--admin", "none", "--roles", "kafka"]
    broker.start()
    request.addfinalizer(lambda: broker.alive and broker.kill())
    topic = create_topic(f"localhost:{ports['PLAINTEXT']}", fresh())
    ways = [("SASL_PLAINTEXT", "PLAIN"), ("SASL_SSL", "PLAIN"), ("SASL_SSL", "SCRAM-SHA-256"), ("SASL_SSL", "SCRAM-SHA-512")]
    for number, (listener, mechanism) in enumerate(ways):
        address = f"localhost:{ports[listener]}"
        known = dict(version="2.1.0", mechanism=mechanism, user="ann", authority=certificates.authority * (listener == "SASL_SSL"))
        right = known | {"password": "a, 'secret'="}
        written = sarama("produce", address, topic=topic, records=RECORDS[:1], **right).answer()
        assert written["offsets"] == [number]
        read = sarama("consume", address, topic=topic, count=number + 1, **{"from": -2}, **right).answer()
        assert plain(read["records"]) == RECORDS[:1] * (number + 1)
        assert sarama("produce", address, topic=topic, records=RECORDS[:1], **known, password="wrong").error()
    broker.stop()


@pytest.mark.skipif(
    not (PACKAGES / "src" / KAFKA_GO).is_dir(), reason="kafka-go is missing: apt-get install golang-github-segmentio-kafka-go-dev")
def test_an_old_kafka_go_is_refused_in_words(make_broker, tmp_path, fresh):
    """Debian's is from 2018 and writes message sets; whoever runs the broker reads why it cannot. Nothing is written."""
    broker = make_broker()
    topic = create_topic(broker.address, fresh())
    program = build(tmp_path, [SOURCES / "kafka-go" / "main.go"], "old")
    done = subprocess.run([program, broker.address, topic], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "EOF" in done.stdout + done.stderr, done
    assert "versions of the protocol" in broker.log() and "3 to 13" in broker.log()
    assert consumer(broker.address).get_watermark_offsets(TopicPartition(topic, 0), 30) == (0, 0)
