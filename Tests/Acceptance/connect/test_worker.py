"""The worker as a whole: restarts, crashes, several nodes, dead letters."""

import collections
import json
import subprocess

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from worker import Worker, binary, free_port, wait_until


def read_all(bootstrap, topic):
    """Values of all committed records."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    values, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    consumer.close()
    return values


def cli(worker, *arguments):
    done = subprocess.run(
        [binary(), "connect", *arguments, "--connect-url", f"http://127.0.0.1:{worker.connect_port}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


LINES = {"connector__class": "FileStreamSource", "topic": "lines", "value__converter": "StringConverter"}


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker").start()
    yield worker
    if worker.alive:
        worker.stop()


def test_a_connector_runs_at_once(worker, tmp_path):
    (tmp_path / "in.txt").write_text("a\nb\n")
    worker.put("lines", file=str(tmp_path / "in.txt"), **LINES)
    worker.wait_running("lines")
    wait_until(lambda: read_all(worker.address, "lines") == ["a", "b"], what="lines")
    code, text, _ = cli(worker, "list")
    assert code == 0 and "1 RUNNING" in text
    code, text, _ = cli(worker, "status", "lines", "-o", "json")
    assert json.loads(text)["connector"]["state"] == "RUNNING"
    code, _, complaint = cli(worker, "status", "linse")
    assert code == 1 and "did you mean 'lines'?" in complaint


@pytest.mark.deadline(240)
def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path):
    worker = Worker(tmp_path / "broker").start()
    path = tmp_path / "in.txt"
    path.write_text("")
    worker.put("lines", file=str(path), batch__size="50", **LINES)
    written = 0
    for round in range(4):
        # Looked at before there are lines: on a busy machine all may be written before anybody looks.
        before = high_watermark(worker) if "lines" in topics(worker) else 0
        with open(path, "a") as file:
            for _ in range(20_000):
                file.write(f"line {written}\n")
                written += 1
        wait_until(
            lambda: "lines" in topics(worker) and high_watermark(worker) > before, what="lines are on their way", timeout=60)
        worker.kill()
        worker.start()
    worker.wait_running("lines")
    wait_until(lambda: len(read_all(worker.address, "lines")) >= written, what="all lines", timeout=60)
    values = read_all(worker.address, "lines")
    repeated = [value for value, count in collections.Counter(values).items() if count > 1]
    assert not repeated
    assert values == [f"line {number}" for number in range(written)]
    worker.stop()


@pytest.mark.deadline(120)
def test_a_sink_goes_on_at_once_after_a_kill(tmp_path):
    """Its member of before would hold its partitions for as long as its session lasts: here longer than this test."""
    target = tmp_path / "out.txt"
    worker = Worker(
        tmp_path / "broker",
        {"group.consumer.session.timeout.ms": 600_000, "group.consumer.max.session.timeout.ms": 600_000}).start()
    plain = {"value.converter": "org.apache.kafka.connect.storage.StringConverter"}
    admin = AdminClient({"bootstrap.servers": worker.address})
    admin.create_topics([NewTopic("lines", 2, 1)])["lines"].result(10)
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})

    def produce(text):
        for partition in range(2):
            producer.produce("lines", f"{text} {partition}", partition=partition)
        producer.flush(30)

    def arrives(text):
        wanted = {f"{text} {partition}" for partition in range(2)}
        wait_until(lambda: target.exists() and wanted <= set(target.read_text().split("\n")), what=text, timeout=30)

    worker.put("sink", **{
        "connector.class": "FileStreamSink", "tasks.max": "2", "topics": "lines", "file": str(target), **plain})
    produce("first")
    arrives("first")
    for round in range(2):
        worker.kill()
        worker.start()
        produce(f"after kill {round}")
        arrives(f"after kill {round}")
    # A restart is no crash: the task has left, and comes by another name.
    worker.ask("POST", "/connectors/sink/restart?includeTasks=true")
    produce("after restart")
    arrives("after restart")
    worker.stop()


@pytest.mark.deadline(120)
def test_a_source_goes_on_at_once_after_a_kill(tmp_path):
    """The worker's member of before would hold up its group for as long as its session lasts: here longer than this test."""
    worker = Worker(tmp_path / "broker", settings={"session.timeout.ms": 600_000}).start()
    path = tmp_path / "in.txt"
    path.write_text("line 0\n")
    worker.put("lines", file=str(path), **LINES)
    for round in range(3):
        wait_until(
            lambda: "lines" in topics(worker) and read_all(worker.address, "lines") == [f"line {n}" for n in range(round + 1)],  # noqa: B023
            what="all lines, each once", timeout=30)
        worker.kill()
        with open(path, "a") as file:
            file.write(f"line {round + 1}\n")
        worker.start()
    worker.stop()


@pytest.mark.deadline(60)
def test_formats_of_hosted_connectors_name_converters(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True).start()
    generator = {
        "connector.class": "DatagenSource", "quickstart": "users", "max.interval": "1", "iterations": "3"}
    for format in ("JSON", "JSON_SR", "AVRO", "PROTOBUF"):
        topic = f"users-{format}"
        worker.put(topic, **{**generator, "kafka.topic": topic, "output.data.format": format})
        wait_until(lambda: topic in topics(worker) and len(records(worker, topic)) == 3, what=topic)  # noqa: B023
        key, value = records(worker, topic)[0]
        assert key.decode().startswith("User_"), key
        if format == "JSON":
            assert set(json.loads(value)) == {"registertime", "userid", "regionid", "gender"}
        else:
            assert value[0] == 0
    worker.put("keyed", **{
        **generator, "kafka.topic": "keyed", "output.data.format": "JSON", "output.key.format": "JSON",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"})
    wait_until(lambda: "keyed" in topics(worker) and len(records(worker, "keyed")) == 3, what="keyed")
    key, value = records(worker, "keyed")[0]
    assert json.loads(key).startswith("User_") and value.startswith(b"Struct{")
    target = tmp_path / "out.txt"
    worker.put("sink", **{
        "connector.class": "FileStreamSink", "topics": "users-AVRO", "file": str(target), "input.data.format": "AVRO"})
    wait_until(lambda: target.exists() and target.read_text().count("Struct{registertime=") == 3, what="the sink")
    status, body, _ = worker.ask(
        "PUT", "/connectors/wrong/config", {**generator, "kafka.topic": "t", "output.data.format": "XML"})
    assert status == 400 and "Format must be one of: AVRO, BYTES, JSON" in body["message"], body
    worker.stop()


def records(worker, topic):
    """Keys and values of the topic's first partition, as they are now."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": worker.address, "group.id": "records"})
    place = confluent_kafka.TopicPartition(topic, 0, 0)
    _, end = consumer.get_watermark_offsets(place, timeout=10)
    consumer.assign([place])
    found = []
    while len(found) < end:
        message = consumer.poll(2)
        if message is None:
            break  # what is left are the ends of transactions
        if not message.error():
            found.append((message.key(), message.value()))
    consumer.close()
    return found


def topics(worker):
    return AdminClient({"bootstrap.servers": worker.address}).list_topics(timeout=10).topics


def high_watermark(worker):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": worker.address, "group.id": "watch"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition("lines", 0), timeout=10)[1]
    finally:
        consumer.close()


@pytest.mark.deadline(240)
def test_the_work_of_a_killed_worker_is_taken_over(make_broker, tmp_path):
    broker = make_broker({"group.initial.rebalance.delay.ms": "0"}, flags=["--connect", "none"])
    options = {
        "connect.scheduled.rebalance.max.delay.ms": "0",
        "connect.session.timeout.ms": "6000",
        "connect.heartbeat.interval.ms": "500",
        "connect.offset.flush.interval.ms": "500",
        "connect.exactly.once.source.support": "enabled",
    }
    workers = [Worker(tmp_path / f"worker{number}", options, remote=broker.address) for number in range(2)]
    try:
        for worker in workers:
            worker.start()
        path = tmp_path / "in.txt"
        path.write_text("first\n")
        names = ["a", "b", "c", "d"]
        for number, name in enumerate(names):
            workers[number % 2].put(name, file=str(path), **dict(LINES, topic=f"lines-{name}"))
        for name in names:
            workers[0].wait_running(name)

        def owners():
            return {workers[0].status(name)["tasks"][0]["worker_id"] for name in names}

        wait_until(lambda: len(owners()) == 2, what="both work", timeout=60)
        workers[1].kill()
        alive = f"127.0.0.1:{workers[0].connect_port}"
        wait_until(lambda: owners() == {alive}, what="one does all", timeout=60)
        with open(path, "a") as file:
            file.write("second\n")
        for name in names:
            wait_until(
                lambda: read_all(broker.address, f"lines-{name}") == ["first", "second"], what=f"lines of {name}", timeout=30
            )
    finally:
        for worker in workers:
            if worker.alive:
                worker.stop()


def test_dead_letters_are_shown_mended_and_sent_again(worker, tmp_path):
    admin = AdminClient({"bootstrap.servers": worker.address})
    admin.create_topics([NewTopic("lines", 1)])["lines"].result(10)
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for value in ('{"n": 1}', "{broken", '{"n": 2}'):
        producer.produce("lines", value)
    producer.flush(10)
    out = tmp_path / "out.txt"
    worker.put(
        "out",
        connector__class="FileStreamSink",
        file=str(out),
        topics="lines",
        value__converter="JsonConverter",
        value__converter__schemas__enable="false",
        errors__tolerance="all",
        errors__deadletterqueue__topic__name="letters",
        errors__deadletterqueue__context__headers__enable="true",
    )
    wait_until(lambda: "letters" in topics(worker) and read_all(worker.address, "letters") == ["{broken"], what="a letter")
    connection = ("-b", worker.address)
    code, text, _ = cli(worker, "dlq", "list", *connection)
    assert code == 0 and text.split("\n")[1].split() == ["out", "letters", "1", "1"]
    code, text, _ = cli(worker, "dlq", "show", "out", "-o", "json", *connection)
    (letter,) = json.loads(text)
    assert letter["errors"]["stage"] == "VALUE_CONVERTER" and letter["errors"]["offset"] == "1"
    code, text, _ = cli(worker, "dlq", "redrive", "out", "--offset", "0", "--value", '{"n": 3}', *connection)
    assert code == 0 and text == "sent 1 record to 'lines'\n"
    wait_until(lambda: out.exists() and len(out.read_text().splitlines()) == 3, what="three lines")
    code, text, _ = cli(worker, "dlq", "redrive", "out", "--dry-run", *connection)
    assert text == "would send 1 record to 'lines'\n"


def test_options_of_a_worker_come_from_its_file_and_are_checked(tmp_path):
    path = tmp_path / "worker.properties"
    path.write_text("group.id=mine\noffset.flush.interval.ms=100\nkey.convertr=x\n")
    done = subprocess.run(
        [binary(), "start", "--ephemeral", "--kafka", f"127.0.0.1:{free_port()}", "--admin", "none", "--registry", "none"]
        + ["--connect", f"127.0.0.1:{free_port()}", "--connect-config", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 64
    assert "unknown option 'key.convertr' of the Connect worker: did you mean 'key.converter'?" in done.stderr
