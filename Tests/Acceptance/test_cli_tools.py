"""Commands for what Kafka's own tools do: transactions, brokers, features, log files, measurements."""

import json
import os
import struct
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from clients import create_topic
from secured import Certificates
from test_cli import call, swiftwater  # noqa: F401  (a fixture)
from wire import crc32c


@pytest.fixture
def open_transaction(bootstrap, topic, fresh):
    """A producer that has written a record to `topic` in a transaction that is open."""
    name = fresh("txn")
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush(20)
    return name, producer


def test_an_open_transaction_is_seen_and_terminated(swiftwater, topic, open_transaction):  # noqa: F811
    name, producer = open_transaction
    listed = swiftwater("transaction", "list", "--state", "ongoing", "--id-pattern", f"{name}.*", "-o", "json").json
    assert [(entry["id"], entry["state"]) for entry in listed] == [(name, "Ongoing")]
    assert swiftwater("transaction", "list", "--state", "ongoing", "--older-than", "1h", "-o", "json").json == []
    assert swiftwater("transaction", "list", "--producer-id", str(listed[0]["producerId"]), "-o", "json").json == listed

    described = swiftwater("transaction", "describe", name, "-o", "json").json[0]
    assert described["partitions"] == [{"topic": topic, "partition": 0}]
    assert described["startTimeMs"] > 0 and described["producerId"] == listed[0]["producerId"]
    text = swiftwater("transaction", "describe", name).out
    assert f"partitions:   {topic}-0" in text and "state:        Ongoing" in text

    (seen,) = swiftwater("transaction", "producers", topic, "-o", "json").json
    assert (seen["producerId"], seen["transactionStartOffset"]) == (described["producerId"], 0)
    # Its coordinator knows it, so it does not hang, however short the time.
    assert swiftwater("transaction", "find-hanging", topic, "--older-than", "0s", "-o", "json").json == []

    assert "aborted the transaction" in swiftwater("transaction", "terminate", name).out
    assert swiftwater("consume", topic, "-e").out == ""
    with pytest.raises(KafkaException) as fenced:
        producer.commit_transaction(20)
    assert fenced.value.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)
    assert "no open transaction" in swiftwater("transaction", "terminate", name).out


def test_a_transaction_of_one_partition_is_aborted(swiftwater, topic, open_transaction):  # noqa: F811
    swiftwater("transaction", "abort", topic, "--partition", "0", "--start-offset", "7", code=1)
    name, _ = open_transaction
    place = (topic, "--partition", "0", "--start-offset", "0")
    live = swiftwater("transaction", "abort", *place, code=1)
    assert "is under way" in live.err and f"swiftwater transaction terminate {name}" in live.err and "--force" in live.err
    (seen,) = swiftwater("transaction", "producers", topic, "-o", "json").json
    assert seen["transactionStartOffset"] == 0
    assert "aborted the transaction" in swiftwater("transaction", "abort", *place, "--force").out
    (seen,) = swiftwater("transaction", "producers", topic, "-o", "json").json
    assert seen["transactionStartOffset"] is None
    assert swiftwater("consume", topic, "-e").out == ""
    wrong = swiftwater("transaction", "abort", *place, code=1)
    assert "there is no open transaction" in wrong.err


def test_a_refused_abort_leaves_the_transaction_whole(swiftwater, topic, open_transaction):  # noqa: F811
    _, producer = open_transaction
    swiftwater("transaction", "abort", topic, "--partition", "0", "--start-offset", "0", code=1)
    producer.produce(topic, b"more")
    producer.commit_transaction(20)
    assert swiftwater("consume", topic, "-e").out.split() == ["open", "more"]


def test_transactions_that_are_not_there(swiftwater, open_transaction):  # noqa: F811
    name, _ = open_transaction
    assert f"did you mean '{name}'?" in swiftwater("transaction", "describe", name[:-1], code=1).err
    assert "did you mean 'ongoing'?" in swiftwater("transaction", "list", "--state", "ongonig", code=64).err
    assert "no span of time" in swiftwater("transaction", "list", "--older-than", "soon", code=64).err
    swiftwater("transaction", "terminate", "absent", code=1)


def test_a_brokers_configuration(broker):
    def run(*arguments, code=0):
        done = call(*arguments, "-b", broker.address)
        assert done.code == code, done.err
        return done

    def value(*arguments):
        configs = run("broker", "describe", "1", *arguments, "-o", "json").json[0]["configs"]
        return {config["name"]: (config["value"], config["source"]) for config in configs}

    assert "log.cleaner.threads" not in value()
    assert value("--all-configs")["log.cleaner.threads"] == ("1", "DEFAULT_CONFIG")
    assert "altered broker 1" in run("broker", "alter", "1", "-c", "log.cleaner.threads=2").out
    run("broker", "alter", "--default", "-c", "log.cleaner.threads=3")
    assert value()["log.cleaner.threads"] == ("2", "DYNAMIC_BROKER_CONFIG")
    assert "log.cleaner.threads" in run("broker", "describe", "--default").out
    assert "can be altered" in run("broker", "alter", "1", "--reset", "log.cleaner.threads", "--dry-run").out
    assert value()["log.cleaner.threads"][0] == "2"
    run("broker", "alter", "1", "--reset", "log.cleaner.threads")
    assert value()["log.cleaner.threads"] == ("3", "DYNAMIC_DEFAULT_BROKER_CONFIG")
    assert "'log.cleaner.threads'" in run("broker", "alter", "1", "-c", "log.cleaner.thread=2", code=1).err
    # What brokers tell only once it is set, and what is for one listener.
    for name in ("leader.replication.throttled.rate", "background.threads"):
        run("broker", "alter", "1", "-c", f"{name}=1000")
        run("broker", "alter", "1", "--reset", name)
    assert "did you mean" not in call(
        "broker", "alter", "1", "-c", "listener.name.tls.ssl.keystore.location=/absent", "-b", broker.address).err
    assert "no broker 7" in run("broker", "alter", "7", "-c", "log.cleaner.threads=2", code=1).err
    run("broker", "alter", "-c", "log.cleaner.threads=2", code=64)


def test_a_groups_configuration(swiftwater, fresh):  # noqa: F811
    group = fresh("group")
    assert "consumer.session.timeout.ms" in swiftwater("group", "configs", group, "--all-configs").out
    swiftwater("group", "alter", group, "-c", "consumer.session.timeout.ms=50000")
    (config,) = swiftwater("group", "configs", group, "-o", "json").json
    assert (config["name"], config["value"]) == ("consumer.session.timeout.ms", "50000")
    swiftwater("group", "alter", group, "--delete-config", "consumer.session.timeout.ms")
    assert swiftwater("group", "configs", group, "-o", "json").json == []
    assert "did you mean" in swiftwater("group", "alter", group, "-c", "consumer.session.timeout=5", code=1).err


def test_folders_features_and_apis(swiftwater, topic, shared_broker):  # noqa: F811
    swiftwater("produce", topic, "--value", "x" * 100)
    (folder,) = swiftwater("broker", "log-dirs", "--topic", topic, "-o", "json").json
    assert [entry["topic"] for entry in folder["partitions"]] == [topic] and folder["partitions"][0]["bytes"] > 100
    assert folder["totalBytes"] > 0 and folder["state"] == "ok"
    assert str(shared_broker.data) in swiftwater("broker", "log-dirs", "1").out
    apis = {entry["api"]: entry for entry in swiftwater("broker", "api-versions", "-o", "json").json}
    assert apis["Fetch"]["key"] == 1 and apis["Fetch"]["last"] >= 12
    features = {entry["feature"]: entry for entry in swiftwater("cluster", "features", "-o", "json").json["features"]}
    assert features["transaction.version"]["finalized"] == 2
    quorum = swiftwater("cluster", "quorum", "-o", "json").json
    assert [entry["role"] for entry in quorum["replicas"]] == ["leader"] and quorum["leader"] == 1


def test_offsets_of_positions(swiftwater, bootstrap, fresh):  # noqa: F811
    name = create_topic(bootstrap, fresh(), partitions=2)
    for time in (1000, 3000, 2000):
        swiftwater("produce", name, "--partition", "0", "--timestamp", f"@{time}", "--value", "x")

    def offsets(*arguments):
        rows = swiftwater("topic", "offsets", name, *arguments, "-o", "json").json
        return [row["offset"] for row in rows]

    assert offsets() == [3, 0] and offsets("--at", "beginning") == [0, 0]
    assert offsets("--at", "@1500") == [1, 0] and offsets("--at", "-1") == [2, 0]
    assert offsets("--at", "max-timestamp", "--partition", "0") == [1]
    assert offsets("--at", "2") == [2, 0] and offsets("--at", "1000000") == [3, 0]
    assert "--at never" in swiftwater("topic", "offsets", name, "--at", "never", code=64).err


def test_log_files_are_shown(broker, tmp_path):
    def run(*arguments, given=b"", code=0):
        done = call(*arguments, given=given)
        assert done.code == code, done.err
        return done

    create_topic(broker.address, "t")
    run("produce", "t", "-b", broker.address, "-K", ":", "-z", "zstd", "-H", "a=b", given=b"k:one\nk:\x1b[31mtwo\nk:" + b"a" * 5000 + b"\n")
    run("produce", "t", "-b", broker.address, "--transactional", "x", given=b"three\n")
    broker.stop()
    folder = broker.data / "topics" / "t-0"
    log = folder / f"{0:020}.log"

    batches = [json.loads(line) for line in run("log", "dump", log, "--records", "-o", "json").out.splitlines()]
    assert [batch["isValid"] for batch in batches] == [True] * len(batches)
    assert batches[0]["compression"] == "zstd" and batches[-1]["marker"] == "commit"
    records = [record for batch in batches for record in batch.get("content", [])]
    assert [(record["key"], record["value"]) for record in records] == [
        ("k", "one"), ("k", "\x1b[31mtwo"), ("k", "a" * 5000), (None, "three")]
    assert records[0]["headers"] == [{"key": "a", "value": "b"}]
    text = run("log", "dump", log, "--records").out
    assert "\\u{1b}[31mtwo" in text and "\x1b" not in text and "marker commit" in text and "crc ok" in text

    snapshot = max(folder.glob("*.snapshot"))  # older ones may have stayed
    assert "producerId" in run("log", "dump", snapshot).out
    for name in ("index", "timeindex"):
        run("log", "dump", folder / f"{0:020}.{name}")

    broken = tmp_path / f"{0:020}.log"
    whole = log.read_bytes()
    broken.write_bytes(whole[:-5])
    done = run("log", "dump", broken, code=1)
    assert "no batch at byte" in done.err and "offsets 0-" in done.out
    broken.write_bytes(whole[:70] + bytes([whole[70] ^ 1]) + whole[71:])
    done = run("log", "dump", broken, "--records", code=1)
    assert "checksum of 1 batch is wrong" in done.err and "crc WRONG" in done.out
    for content in (b"", b"\x00" * 61, b"\xff" * 200, struct.pack(">qi", 0, 2**31 - 1) + b"\x00" * 60):
        broken.write_bytes(content)
        run("log", "dump", broken, code=1 if content else 0)
    other = tmp_path / "0.snapshot"
    other.write_bytes(b"\x00\x01" + b"\xff" * 60)
    assert "checksum" in run("log", "dump", other, code=1).err
    assert "no file of a log" in run("log", "dump", tmp_path / "x.txt", code=1).err
    run("log", "dump", tmp_path / "absent.log", code=1)
    # What was found stays told when another file cannot be opened, and those behind it are shown.
    broken.write_bytes(whole[:-5])
    done = run("log", "dump", broken, tmp_path / "absent.log", log, code=1)
    assert "no batch at byte" in done.err and "absent.log" in done.err and "marker commit" in done.out
    pipe = tmp_path / "1.log"
    os.mkfifo(pipe)
    assert "is no file" in run("log", "dump", pipe, code=1).err


def test_broken_records_under_a_right_checksum_are_told_with_their_place(broker, tmp_path):
    create_topic(broker.address, "t")
    for header in ("a\x1b[31m=b", "a=b"):
        assert call("produce", "t", "-b", broker.address, "-H", header, given=b"one\n").code == 0
    broker.stop()
    log = broker.data / "topics" / "t-0" / f"{0:020}.log"
    text = call("log", "dump", log, "--records").out
    assert "\\u{1b}[31m=b" in text and "\x1b" not in text
    whole = log.read_bytes()
    size = 12 + struct.unpack(">i", whole[8:12])[0]
    first = bytearray(whole[:size])
    first[61] = 0x7E  # the length of its only record
    first[17:21] = struct.pack(">I", crc32c(bytes(first[21:])))
    broken = tmp_path / f"{0:020}.log"
    broken.write_bytes(bytes(first) + whole[size:])
    for options in ([], ["-o", "json"]):
        done = call("log", "dump", broken, "--records", *options)
        assert done.code == 1 and "the batch at byte 0" in done.err, done.err
        assert ('"value":"one"' if options else "one  a=b") in done.out  # of the batch behind it


def test_records_of_the_brokers_own_topics_are_decoded(make_broker):
    broker = make_broker(flags=["--roles", "kafka"])
    create_topic(broker.address, "t")
    done = call("produce", "t", "-b", broker.address, "--transactional", "x", given=b"one\n")
    assert done.code == 0, done.err
    done = call("consume", "t", "-e", "--group", "g", "-b", broker.address)
    assert done.code == 0, done.err
    broker.stop()

    def dump(topic, *options):
        for log in sorted((broker.data / "topics").glob(f"{topic}-*/*.log")):
            done = call("log", "dump", log, "--decode", *options)
            assert done.code == 0, done.err
            yield from done.out.splitlines()

    batches = map(json.loads, dump("__consumer_offsets", "-o", "json"))
    records = [record for batch in batches for record in batch.get("content", [])]
    commit = [record for record in records if record["key"]["type"] == "OffsetCommit"][-1]
    assert (commit["key"]["group"], commit["key"]["topic"], commit["key"]["partition"]) == ("g", "t", 0)
    assert commit["value"]["offset"] in (1, 2)  # behind the record, or behind the marker after it
    assert any('"transactionalId":"x"' in line and '"producerEpoch"' in line for line in dump("__transaction_state"))
    (log,) = (broker.data / "topics" / "t-0").glob("*.log")
    assert call("log", "dump", log, "--decode").code == 64


def test_measurements(swiftwater, topic):  # noqa: F811
    written = swiftwater("perf", "produce", topic, "-n", "2000", "--size", "100", "-o", "json").json
    assert (written["records"], written["bytes"]) == (2000, 200_000)
    assert 0 < written["latencyMs"]["p50"] <= written["latencyMs"]["p99"] <= written["latencyMs"]["max"]
    read = swiftwater("perf", "consume", topic, "-o", "json").json
    assert (read["records"], read["bytes"]) == (2000, 200_000)
    assert swiftwater("perf", "consume", topic, "-n", "10", "-o", "json").json["records"] == 10
    few = swiftwater("perf", "consume", topic, "-n", "3000", "--timeout", "10", "-o", "json")
    assert few.json["records"] == 2000 and "read 2000 of 3000" in few.err
    there = swiftwater("perf", "latency", topic, "-n", "5", "-o", "json").json
    assert there["records"] == 5 and there["latencyMs"]["max"] > 0
    slow = swiftwater("perf", "produce", topic, "-n", "40", "--rate", "100", "--idempotent", "-o", "json").json
    assert slow["seconds"] >= 0.3
    assert "records/s" in swiftwater("perf", "produce", topic, "-n", "10").out
    assert "did you mean" in swiftwater("perf", "produce", topic[:-1], code=1).err
    swiftwater("perf", "latency", topic, "--acks", "0", code=64)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.server = made.issue("server", "DNS:localhost,IP:127.0.0.1")
    return made


def with_properties(*properties):
    return [part for text in properties for part in ("-X", text)]


def test_a_port_that_is_spoken_to_in_the_wrong_way_says_what_to_do(make_broker, certificates):
    plain = make_broker(flags=["--roles", "kafka"])
    done = call("topic", "list", "-b", plain.address, "-X", "security.protocol=SSL")
    assert done.code == 1 and "security.protocol=PLAINTEXT" in done.err
    user = with_properties("security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=a", "sasl.password=b")
    done = call("topic", "list", "-b", plain.address, *user)
    assert done.code == 1 and "asks for no user" in done.err

    settings = {
        "ssl.keystore.type": "PEM", "ssl.keystore.location": certificates.server,
        "listener.security.protocol.map": "PLAINTEXT:SSL",
    }  # fmt: skip
    safe = make_broker(settings, flags=["--roles", "kafka"])
    done = call("topic", "list", "-b", safe.address)
    assert done.code == 1 and "security.protocol=SSL" in done.err
    tls = ["-b", safe.address, *with_properties("security.protocol=SSL")]
    done = call("topic", "list", *tls)
    assert done.code == 1 and "ssl.ca.location=FILE" in done.err
    done = call("topic", "list", *tls, *with_properties("ssl.ca.location=/absent/ca.pem"))
    assert done.code == 64 and "ssl.ca.location: cannot read '/absent/ca.pem'" in done.err
    done = call("topic", "list", *tls, *with_properties(f"ssl.ca.location={certificates.authority}"))
    assert done.code == 0, done.err


def test_no_broker_is_named():
    assert call("topic", "list", "-b", " , ").code == 64


def test_a_misspelt_variable_is_told(shared_broker):
    done = call("topic", "list", environment={"SWIFTWATER_BOOTSRAP": "h:1", "SWIFTWATER_BOOTSTRAP": shared_broker.address})
    assert done.code == 0 and "SWIFTWATER_BOOTSRAP is passed over: did you mean SWIFTWATER_BOOTSTRAP?" in done.err
    assert "passed over" not in call("version").err


def test_shells_complete_names_of_the_cluster(swiftwater, topic, shared_broker):  # noqa: F811
    def complete(path, place, *words, address=shared_broker.address, wanted=None):
        # Completion gives up after two seconds, which a busy machine may need.
        deadline = time.monotonic() + 30
        while (found := complete_once(path, place, *words, address=address)) != wanted and time.monotonic() < deadline:
            pass
        return found

    def complete_once(path, place, *words, address):
        line = ["swiftwater", *path, "-b", address, *words]
        done = call("---completion", *path, "--", place, str(len(line) - 1), str(len(line[-1])), *line)
        assert done.code == 0, done.err
        return done.out.split()

    assert complete(["topic", "describe"], "positional@0", topic[:-2], wanted=[topic]) == [topic]
    assert complete(["consume"], "positional@0", topic[:-1], wanted=[topic]) == [topic]
    swiftwater("consume", topic, "--group", topic, "-e")
    assert complete(["group", "describe"], "positional@0", topic, wanted=[topic]) == [topic]
    # Bash would run what stands in it.
    planted = topic + "$(touch${IFS}/tmp/planted)"
    assert swiftwater("consume", topic, "--group", planted, "-e").out == ""
    assert planted in [entry["group"] for entry in swiftwater("group", "list", "-o", "json").json]
    assert complete(["group", "describe"], "positional@0", topic, wanted=[topic]) == [topic]
    swiftwater("group", "delete", planted)
    assert complete(["topic", "describe"], "positional@0", "", address="127.0.0.1:1", wanted=[]) == []


def test_without_names_all_are_described(broker):
    create_topic(broker.address, "one"), create_topic(broker.address, "two")
    call("consume", "one", "--group", "g", "-e", "-b", broker.address)
    assert [topic["name"] for topic in call("topic", "describe", "-b", broker.address, "-o", "json").json] == ["one", "two"]
    assert [group["group"] for group in call("group", "describe", "-b", broker.address, "-o", "json").json] == ["g"]
