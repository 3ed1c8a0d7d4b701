"""The `swiftwater` command line, end to end: what it prints, what it does, how it fails."""

import fcntl
import http.server
import json
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import threading
import time

import pytest

from clients import CODECS, Confluent, Record, create_topic, end_offset, run
from jvm import rebase, unbase
from process import Broker, binary, free_port, wait_until
from wire import Connection, batch_heads, encode, fetch, fetch_request


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()

    @property
    def json(self):
        return json.loads(self.out)


def call(*arguments, given=b"", environment=None, timeout=30):
    """One run of the program without a terminal; it must not print a Swift crash whatever it is given."""
    environment = {**os.environ, **(environment or {})}
    done = Result(
        subprocess.run([binary(), *arguments], input=given, capture_output=True, timeout=timeout, env=environment)
    )
    assert "Fatal error" not in done.err and done.code >= 0, done.err
    return done


@pytest.fixture
def swiftwater(shared_broker):
    """The program, talking to the shared broker; must succeed unless `code` says otherwise."""

    def invoke(*arguments, given=b"", code=0, **options):
        done = call(*arguments, "-b", shared_broker.address, given=given, **options)
        assert done.code == code, f"{arguments}: {done.code}\n{done.out}\n{done.err}"
        return done

    return invoke


# -- start and stop --------------------------------------------------------------------------------------------------


def test_start_says_what_one_needs(broker):
    said = broker.log()
    assert re.search(r"^swiftwater \d+\.\d+", said), said
    assert str(broker.data) in said and broker.address in said
    assert re.search(r"^ready in \d+ ms$", said, re.MULTILINE)
    command = re.search(r"^  try +(swiftwater .*)$", said, re.MULTILINE).group(1)
    done = call(*command.split()[1:])
    assert done.code == 0, "the command it suggests must work"


@pytest.mark.parametrize(
    "number", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP), ids=("SIGTERM", "SIGINT", "SIGHUP")
)
def test_a_signal_stops_it_cleanly(broker, number):
    process, broker.process = broker.process, None
    process.send_signal(number)
    assert process.wait(5) == 0


def test_a_stop_does_not_wait_for_clients(broker):
    """Idle and waiting connections are no reason to stay."""
    create_topic(broker.address, "t")
    waiting, idle = Connection(broker.address), Connection(broker.address)
    waiting.send(encode(fetch_request([("t", 0, 0)], 11, max_wait=60_000, min_bytes=1)))
    broker.stop(seconds_max=5)
    assert waiting.is_closed() and idle.is_closed()


def test_it_is_quiet_when_idle(broker):
    before = broker.log()
    create_topic(broker.address, "t")
    Confluent().produce(broker.address, "t", [Record(b"x")])
    assert broker.log() == before


def test_a_taken_port_names_port_and_flag(broker, tmp_path):
    done = call("start", "--data-dir", str(tmp_path / "other"), "--kafka", broker.address)
    assert done.code == 1
    assert str(broker.port) in done.err and "--kafka" in done.err, done.err


def test_a_locked_folder_names_the_holder(broker):
    done = call("start", "--data-dir", str(broker.data), "--kafka", f"127.0.0.1:{free_port()}")
    assert done.code == 1
    assert str(broker.pid) in done.err and "--data-dir" in done.err, done.err


def test_a_folder_that_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    done = call("start", "--data-dir", str(file), "--kafka", f"127.0.0.1:{free_port()}")
    assert done.code == 1 and str(file) in done.err, done.err


def test_port_0_takes_a_free_one(tmp_path):
    broker = Broker(tmp_path)
    broker.address = "127.0.0.1:0"
    broker.start()
    try:
        port = int(re.search(r"kafka +127\.0\.0\.1:(\d+)", broker.log()).group(1))
        assert port > 0
        assert call("topic", "list", "-b", f"127.0.0.1:{port}").code == 0
    finally:
        broker.stop()


def test_the_advertised_address_is_what_clients_get(make_broker, java):
    broker = make_broker(flags=("--advertised", "localhost:19999"))
    shown = call("cluster", "describe", "-b", broker.address, "-o", "json").json
    assert [(b["host"], b["port"]) for b in shown["brokers"]] == [("localhost", 19999)]


def test_localhost_works_by_name(broker):
    """Where localhost is ::1 too, clients fall back to 127.0.0.1."""
    text = run(["kcat", "-b", f"localhost:{broker.port}", "-L"]).decode()
    assert broker.address in text
    assert call("topic", "list", "-b", f"localhost:{broker.port}").code == 0


def test_an_ipv6_listener(tmp_path):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback address here")
    broker = Broker(tmp_path)
    broker.address = f"[::1]:{broker.port}"
    broker.start()
    try:
        create_topic(broker.address, "t")
        Confluent().produce(broker.address, "t", [Record(b"six")])
        assert run(["kcat", "-b", broker.address, "-C", "-t", "t", "-p", "0", "-e", "-q"]) == b"six\n"
        assert call("consume", "t", "-e", "-b", broker.address).out == "six\n"
    finally:
        broker.stop()


def test_ephemeral_leaves_nothing(tmp_path):
    port = free_port()
    log = open(tmp_path / "log", "wb")
    process = subprocess.Popen(
        [binary(), "start", "--ephemeral", "--kafka", f"127.0.0.1:{port}"], stdout=log, stderr=log
    )
    said = wait_until(lambda: (t := (tmp_path / "log").read_text()) and "ready in" in t and t, what="ready")
    folder = re.search(r"data +(\S+) \(temporary\)", said).group(1)
    assert os.path.isdir(folder)
    Confluent().produce(f"127.0.0.1:{port}", "t", [Record(b"x")])
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert not os.path.exists(folder)


def test_a_terminal_that_is_closed_is_a_clean_stop():
    """Nothing can be printed any more, and nothing temporary stays."""
    ours, theirs = pty.openpty()

    def take_the_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [binary(), "start", "--ephemeral", "--roles", "kafka", "--kafka", "127.0.0.1:0", "--admin", "none"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_the_terminal,
    )
    os.close(theirs)
    said = ""
    while "ready in" not in said:
        said += os.read(ours, 4096).decode()
    folder = re.search(r"data +(\S+) \(temporary\)", said).group(1)
    assert os.path.isdir(folder)
    os.close(ours)
    assert process.wait(10) == 0
    assert not os.path.exists(folder)


def test_a_closed_terminal_may_say_so_twice(broker):
    """The system does, and the shell: that is no hurry."""
    process, broker.process = broker.process, None
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
    assert process.wait(5) == 0


def test_what_nohup_starts_outlives_the_terminal(make_broker):
    broker = make_broker(wrapper=["nohup"])
    broker.process.send_signal(signal.SIGHUP)
    assert call("topic", "list", "-b", broker.address).code == 0
    process, broker.process = broker.process, None
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_roles_that_wait_for_a_cluster_say_so(tmp_path):
    port = free_port()
    flags = ["--bootstrap-servers", f"127.0.0.1:{port}", "--admin", "none"]
    for role in ("registry", "connect"):
        with open(tmp_path / role, "wb") as log:
            process = subprocess.Popen(
                [binary(), "start", "--roles", role, f"--{role}", "127.0.0.1:0", *flags], stdout=log, stderr=log
            )
            try:
                wait_until(lambda: f"127.0.0.1:{port}" in (tmp_path / role).read_text(), what=f"{role}: a warning")
                assert "cannot reach the cluster, trying again" in (tmp_path / role).read_text()
            finally:
                process.kill()
                process.wait()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "num.partitons=3"), 64, "num.partitions"),
        (("--set", "num.partitions=many"), 64, "num.partitions"),
        (("--set", "num.partitions"), 64, "num.partitions"),
        (("--config", "/absent/server.properties"), None, "/absent/server.properties"),
        (("--kafka", "127.0.0.1:99999"), 64, "99999"),
        (("--kafka", "0.0.0.0:9092"), None, "--insecure"),
        (("--roles", "kafka,registri"), 64, "registri"),
        (("--roles", "connect"), 64, "kafka"),
        (("--data-dri", "x"), 64, "--data-dir"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_what_start_refuses(tmp_path, arguments, code, said):
    if "--kafka" not in arguments:
        arguments = (*arguments, "--kafka", f"127.0.0.1:{free_port()}")
    done = call("start", *arguments, environment={"SWIFTWATER_DATA_DIR": str(tmp_path / "data")})
    assert done.code == code if code else done.code != 0
    assert said in done.err, done.err


def test_settings_from_file_environment_and_flags(tmp_path):
    """Flags beat the environment, which beats the file, which beats defaults."""
    file = tmp_path / "server.properties"
    file.write_text("# a comment\nnum.partitions=2\nlog.retention.hours=5\nlog.segment.bytes=2000000\n")
    environment = {"SWIFTWATER_SET_NUM_PARTITIONS": "3", "SWIFTWATER_SET_LOG_RETENTION_HOURS": "6"}
    arguments = ("--config", str(file), "--set", "num.partitions=4")
    shown = {
        v["name"]: v for v in call("config", "show", *arguments, "--all", "-o", "json", environment=environment).json
    }
    assert shown["num.partitions"]["value"] == "4" and "flag" in shown["num.partitions"]["origin"]
    assert shown["log.retention.hours"]["value"] == "6" and "environment" in shown["log.retention.hours"]["origin"]
    assert shown["log.segment.bytes"]["value"] == "2000000" and str(file) in shown["log.segment.bytes"]["origin"]
    assert "default" in shown["auto.create.topics.enable"]["origin"]


def test_the_configuration_file_is_used(make_broker, tmp_path, java):
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=7\n")
    broker = make_broker(flags=("--config", str(file)))
    assert java.call("createTopic", broker.address, topic="t")["partitions"] == 7


# -- topics ----------------------------------------------------------------------------------------------------------


def test_topic_create_list_describe_alter_delete(swiftwater, fresh):
    topic = fresh("cli")
    assert topic in swiftwater("topic", "create", topic, "-p", "3", "-c", "retention.ms=60000").out
    listed = {t["name"]: t for t in swiftwater("topic", "list", "-o", "json").json}
    assert listed[topic]["partitions"] == 3 and listed[topic]["replicas"] == 1 and not listed[topic]["internal"]
    assert re.search(rf"^{topic} +3 +1$", swiftwater("topic", "list").out, re.MULTILINE)

    swiftwater("produce", topic, "--value", "x", "--partition", "2")
    shown = swiftwater("topic", "describe", topic, "-o", "json").json[0]
    assert [(p["partition"], p["startOffset"], p["endOffset"]) for p in shown["partitions"]] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 1),
    ]
    assert {c["name"]: c["value"] for c in shown["configs"]} == {"retention.ms": "60000"}
    text = swiftwater("topic", "describe", topic).out
    assert "retention.ms" in text and "60000" in text

    swiftwater("topic", "alter", topic, "--partitions", "5", "-c", "max.message.bytes=5000", "--reset", "retention.ms")
    shown = swiftwater("topic", "describe", topic, "-o", "json").json[0]
    assert len(shown["partitions"]) == 5
    assert {c["name"]: c["value"] for c in shown["configs"]} == {"max.message.bytes": "5000"}

    swiftwater("topic", "delete", topic)
    assert topic not in [t["name"] for t in swiftwater("topic", "list", "-o", "json").json]
    assert swiftwater("topic", "delete", topic, "--if-exists").code == 0


def test_topic_errors(swiftwater, fresh):
    topic = fresh("errors")
    swiftwater("topic", "create", topic)
    assert "exists" in swiftwater("topic", "create", topic, code=1).err
    assert swiftwater("topic", "create", topic, "--if-not-exists").code == 0
    assert "retention.ms" in swiftwater("topic", "create", fresh(), "-c", "retention.mss=1", code=1).err
    assert "retention.ms" in swiftwater("topic", "alter", topic, "-c", "retention.mss=1", code=1).err
    assert "retention.ms" in swiftwater("topic", "alter", topic, "--reset", "retention.mss", code=1).err
    assert swiftwater("topic", "alter", topic, "-p", "1", code=1).err
    assert swiftwater("topic", "create", "bad name", code=1).err
    assert swiftwater("topic", "create", fresh(), "--replication-factor", "3", code=1).err
    assert swiftwater("topic", "alter", topic, code=64).err
    for verb in (("topic", "describe"), ("topic", "delete"), ("consume",), ("produce",), ("topic", "alter", "-p", "9")):
        said = swiftwater(*verb, topic[:-1], code=1).err
        assert f"'{topic}'" in said, f"{verb} does not name the nearest topic: {said}"


def test_dry_runs_change_nothing(swiftwater, fresh):
    topic = fresh("dry")
    swiftwater("topic", "create", topic, "--dry-run")
    assert topic not in swiftwater("topic", "list").out
    swiftwater("topic", "create", topic)
    swiftwater("topic", "alter", topic, "-p", "4", "-c", "retention.ms=1000", "--dry-run")
    shown = swiftwater("topic", "describe", topic, "-o", "json").json[0]
    assert len(shown["partitions"]) == 1 and shown["configs"] == []


def test_delete_records(swiftwater, fresh, shared_broker):
    topic = fresh("trim")
    swiftwater("topic", "create", topic)
    swiftwater("produce", topic, given=b"".join(b"%d\n" % n for n in range(10)))
    swiftwater("topic", "delete-records", topic, "--before", "4")
    assert end_offset(shared_broker.address, topic) == (4, 10)
    assert swiftwater("consume", topic, "-e").out.split() == ["4", "5", "6", "7", "8", "9"]


# -- produce and consume ---------------------------------------------------------------------------------------------


def test_lines_round_trip(swiftwater, topic):
    lines = ["first", "", "grüße 水", "x" * 10_000, "last without line feed"]
    done = swiftwater("produce", topic, given="\n".join(lines).encode())
    assert "5 records" in done.err
    assert swiftwater("consume", topic, "-e").out == "\n".join(lines) + "\n"


def test_keys_headers_timestamp_partition(swiftwater, fresh, shared_broker, client_of):
    topic = fresh("full")
    swiftwater("topic", "create", topic, "-p", "3")
    swiftwater(
        "produce",
        topic,
        "-K",
        ":",
        "-H",
        "a=1",
        "-H",
        "a=2",
        "--timestamp",
        "@1700000000123",
        "-p",
        "1",
        given=b"k:v:w\n",
    )
    for name in ("java", "kcat", "kafka-python"):
        record = client_of(name).consume(shared_broker.address, topic, 1, partition=1)[0]
        assert record.content == (b"k", b"v:w", [("a", b"1"), ("a", b"2")], 1_700_000_000_123), name
    shown = [json.loads(line) for line in swiftwater("consume", topic, "-e", "-o", "json").out.splitlines()]
    assert len(shown) == 1
    assert (shown[0]["key"], shown[0]["value"], shown[0]["partition"], shown[0]["offset"]) == ("k", "v:w", 1, 0)
    assert shown[0]["timestamp"] == 1_700_000_000_123 and shown[0]["timestampType"] == "CreateTime"
    assert [(h["key"], h["value"]) for h in shown[0]["headers"]] == [("a", "1"), ("a", "2")]
    printed = swiftwater(
        "consume", topic, "-e", "--print", "partition,offset,timestamp,key,value,headers", "--separator", "|"
    ).out
    assert printed == "1|0|1700000000123|k|v:w|a=1,a=2\n"


def test_keyed_records_go_where_javas_go(swiftwater, fresh, java, shared_broker):
    topic = fresh("murmur")
    swiftwater("topic", "create", topic, "-p", "7")
    keys = ["a", "21", "foobar", "key-0", "a-little-bit-long-string", "ü", *(f"k{n}" for n in range(40))]
    swiftwater("produce", topic, "-K", "\\t", given="".join(f"{key}\tv\n" for key in keys).encode())
    mine = {
        (r["key"], r["partition"])
        for r in map(json.loads, swiftwater("consume", topic, "-e", "-o", "json").out.splitlines())
    }
    answers = java.call(
        "produce",
        shared_broker.address,
        topic=topic,
        records=[{"key": rebase(key.encode()), "value": None} for key in keys],
    )
    assert mine == {(key, answer["partition"]) for key, answer in zip(keys, answers, strict=True)}
    # Computed with kafka-clients, see its Utils.murmur2.
    assert {("a", 5), ("21", 3), ("foobar", 0), ("key-0", 0), ("a-little-bit-long-string", 1)} <= mine


@pytest.mark.parametrize("codec", CODECS)
def test_compression_by_the_command_line(swiftwater, topic, codec, shared_broker):
    swiftwater("produce", topic, "-z", codec, given=b"the same line again and again\n" * 500)
    with Connection(shared_broker.address) as connection:
        assert {head.codec for head in batch_heads(fetch(connection, topic, 0).records)} == {codec}
    assert swiftwater("consume", topic, "-e").out == "the same line again and again\n" * 500


@pytest.mark.parametrize("acks", ("0", "1", "all"))
def test_acks_by_the_command_line(swiftwater, topic, acks, shared_broker):
    swiftwater("produce", topic, "--acks", acks, given=b"a\nb\n")
    wait_until(lambda: end_offset(shared_broker.address, topic)[1] == 2, what="two records")


def test_idempotent_by_the_command_line(swiftwater, topic, shared_broker):
    swiftwater("produce", topic, "--idempotent", given=b"a\nb\n")
    with Connection(shared_broker.address) as connection:
        assert batch_heads(fetch(connection, topic, 0).records)[0].producer_id >= 0
    assert swiftwater("produce", topic, "--idempotent", "--acks", "1", code=64).err


def test_formats(swiftwater, topic):
    swiftwater("produce", topic, "--format", "hex", "--value", "00ff10")
    swiftwater("produce", topic, "--format", "json", "--value", '{"a": [1, 2.50, "ü"]}')
    swiftwater("produce", topic, "--null-value", "NULL", "-k", "gone", "--value", "NULL")
    assert swiftwater("consume", topic, "-e", "-n", "1", "--format", "hex").out == "00ff10\n"
    records = [
        json.loads(line)
        for line in swiftwater(
            "consume", topic, "--from", "1", "-e", "-o", "json", "--format", "json", "--key-format", "string"
        ).out.splitlines()
    ]
    assert records[0]["value"] == {"a": [1, 2.5, "ü"]}
    assert records[1]["key"] == "gone" and records[1]["value"] is None
    assert (
        swiftwater("consume", topic, "--from", "2", "-e", "--null-value", "-", "--print", "key,value").out
        == "gone\t-\n"
    )
    said = swiftwater("consume", topic, "-e", "--format", "json", code=1).err
    assert "offset 0" in said and "not JSON" in said
    assert (
        swiftwater("consume", topic, "-e", "--format", "json", "--skip-errors").out == '{"a":[1,2.50,"ü"]}\nnull\n'
    )
    said = swiftwater("produce", topic, "--format", "json", given=b'{"fine": 1}\n{"broken": \n', code=1).err
    assert "line 2" in said and "1 record" in said
    assert swiftwater("produce", topic, "--format", "hex", "--value", "0g", code=1).err


def test_json_lines_copy_a_topic(swiftwater, fresh, shared_broker, java):
    """consume -o json | produce --input json keeps keys, nulls, headers, timestamps and bytes that are no text."""
    one, two = create_topic(shared_broker.address, fresh("from")), create_topic(shared_broker.address, fresh("to"))
    records = [
        Record(b"text", b"k", [("h", b"1"), ("h", None), ("bytes", b"\xff\x00")], 1_700_000_000_000),
        Record(None, b"gone", [], 1_700_000_000_001),
        Record(bytes(range(256)), None, [], 1_700_000_000_002),
        Record(b"", b"", [], 1_700_000_000_003),
    ]
    Confluent().produce(shared_broker.address, one, records)
    lines = swiftwater("consume", one, "-e", "-o", "json").out
    swiftwater("produce", two, "--input", "json", given=lines.encode())
    found = java.call("consume", shared_broker.address, partitions=[[two, 0]], count=4, **{"from": 0})
    assert [
        (unbase(r["key"]), unbase(r["value"]), [(n, unbase(v)) for n, v in r["headers"]], r["timestamp"]) for r in found
    ] == [r.content for r in records]


POSITIONS = [  # (--from, first value seen) in a topic of ten records, a minute apart, the last now
    ("beginning", 0), ("4", 4), ("-3", 7), ("150s", 7), ("1h", 0), ("end", None), ("100", None),
]  # fmt: skip


@pytest.mark.parametrize(("position", "first"), POSITIONS)
def test_positions(swiftwater, topic, shared_broker, position, first):
    now = int(time.time() * 1000)
    Confluent().produce(
        shared_broker.address, topic, [Record(b"%d" % n, None, [], now - (9 - n) * 60_000) for n in range(10)]
    )
    done = swiftwater("consume", topic, "--from", position, "-e", code=0)
    assert done.out.split() == ([] if first is None else [str(n) for n in range(first, 10)])


def test_times_as_positions(swiftwater, topic, shared_broker):
    Confluent().produce(
        shared_broker.address, topic, [Record(b"%d" % n, None, [], 1_700_000_000_000 + n * 1000) for n in range(10)]
    )
    for position in ("@1700000003000", "2023-11-14T22:13:23Z", "2023-11-14T23:13:23+01:00", "2023-11-14T22:13:22.001Z"):
        assert swiftwater("consume", topic, "--from", position, "-e").out.split()[0] == "3", position
    assert swiftwater("consume", topic, "--from", "yesterday", "-e", code=64).err


def test_several_partitions(swiftwater, fresh, shared_broker):
    topic = create_topic(shared_broker.address, fresh("parts"), 4)
    for partition in range(4):
        Confluent().produce(
            shared_broker.address, topic, [Record(b"%d.%d" % (partition, n)) for n in range(50)], partition=partition
        )
    everything = swiftwater("consume", topic, "-e").out.split()
    assert sorted(everything) == sorted(f"{p}.{n}" for p in range(4) for n in range(50))
    for partition in range(4):
        assert [v for v in everything if v.startswith(f"{partition}.")] == [f"{partition}.{n}" for n in range(50)]
    assert {v[0] for v in swiftwater("consume", topic, "-e", "-p", "0,2-3").out.split()} == {"0", "2", "3"}
    assert len(swiftwater("consume", topic, "--from", "beginning", "-n", "7").out.split()) == 7
    assert "9" in swiftwater("consume", topic, "-e", "-p", "9", code=1).err


def test_following_shows_records_as_they_come(swiftwater, topic, shared_broker):
    process = subprocess.Popen(
        [binary(), "consume", topic, "-b", shared_broker.address, "--from", "beginning"], stdout=subprocess.PIPE
    )
    try:
        for number in range(3):
            swiftwater("produce", topic, "--value", f"v{number}")
            assert process.stdout.readline() == b"v%d\n" % number
        process.send_signal(signal.SIGINT)
        assert process.wait(5) in (0, 130, -2)
    finally:
        process.kill()
        process.stdout.close()


def test_following_goes_on_after_a_restart_of_the_broker(broker):
    create_topic(broker.address, "t")
    process = subprocess.Popen(
        [binary(), "consume", "t", "-b", broker.address, "--from", "beginning"], stdout=subprocess.PIPE
    )
    try:
        for number, kill in enumerate((False, True)):
            assert call("produce", "t", "--value", f"v{number}", "-b", broker.address).code == 0
            assert process.stdout.readline() == b"v%d\n" % number
            broker.restart(kill=kill)
        assert call("produce", "t", "--value", "last", "-b", broker.address).code == 0
        assert process.stdout.readline() == b"last\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_typed_line_is_written_at_once(topic, shared_broker):
    """Standard input stays open, as a terminal's does."""
    process = subprocess.Popen([binary(), "produce", topic, "-b", shared_broker.address], stdin=subprocess.PIPE)
    try:
        for number in range(3):
            process.stdin.write(b"line %d\n" % number)
            process.stdin.flush()
            wait_until(lambda: end_offset(shared_broker.address, topic)[1] == number + 1, what="the line")  # noqa: B023
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        process.kill()


def test_producing_to_a_broker_that_goes_away_fails(make_broker):
    broker = make_broker()
    create_topic(broker.address, "t")
    process = subprocess.Popen(
        [binary(), "produce", "t", "-b", broker.address, "--timeout", "3", "-X", "message.timeout.ms=3000"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"first\n")
    process.stdin.flush()
    wait_until(lambda: end_offset(broker.address, "t")[1] == 1, what="the first line")
    broker.kill()
    _, said = process.communicate(b"second\n", timeout=30)
    assert process.returncode == 1 and said.strip(), said


def test_a_closed_pipe_is_quiet(swiftwater, topic, shared_broker):
    Confluent().produce(shared_broker.address, topic, [Record(b"line %d" % n) for n in range(20_000)])
    done = subprocess.run(
        ["bash", "-c", f"'{binary()}' consume {topic} -e -b {shared_broker.address} | head -n 2"],
        capture_output=True,
        timeout=30,
    )
    assert done.stdout == b"line 0\nline 1\n" and done.stderr == b""


def test_a_large_stream_through_the_pipe(swiftwater, topic):
    lines = b"".join(b"%d %s\n" % (n, b"x" * 80) for n in range(100_000))
    assert "100000 records" in swiftwater("produce", topic, "-z", "lz4", given=lines, timeout=60).err
    assert swiftwater("consume", topic, "-e", timeout=60).out.encode() == lines


def test_too_large_a_record(swiftwater, topic):
    said = swiftwater("produce", topic, "-X", "message.max.bytes=5000000", given=b"x" * 2_000_000, code=1).err
    assert "max.message.bytes" in said, said


# -- the rest --------------------------------------------------------------------------------------------------------


def test_no_broker_there():
    port = free_port()
    done = call("topic", "list", "-b", f"127.0.0.1:{port}")
    assert done.code == 1
    assert str(port) in done.err and len(done.err.splitlines()) <= 3, done.err


def test_bootstrap_from_the_environment(shared_broker):
    assert call("topic", "list", environment={"SWIFTWATER_BOOTSTRAP": shared_broker.address}).code == 0


def test_a_listener_that_is_not_kafka():
    """Somebody else's server must not hang the command for ever."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = call("topic", "list", "-b", f"127.0.0.1:{other.getsockname()[1]}", "--timeout", "2")
    assert done.code == 1 and done.err


def test_a_port_that_speaks_http(run_http):
    """Such as the registry's, which stands in the same line of what start prints."""
    done = call("topic", "list", "-b", run_http, "--timeout", "5")
    assert done.code == 1 and "no Kafka broker" in done.err and "9092" in done.err, done.err
    done = call("schema", "list", "--registry", f"http://{run_http}")
    assert done.code == 1 and "404" in done.err and "is it a schema registry" in done.err, done.err


@pytest.fixture
def run_http():
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.do_GET = lambda handler: handler.send_error(404)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_cluster_describe(swiftwater, shared_broker):
    shown = swiftwater("cluster", "describe", "-o", "json").json
    assert [f"{b['host']}:{b['port']}" for b in shown["brokers"]] == [shared_broker.address]
    assert shown["controller"] == shown["brokers"][0]["id"] and shown["id"]
    assert shown["id"] in swiftwater("cluster", "describe").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("topik", "list"), "topic"), (("topic", "lst"), "list"), (("consum", "x"), "consume"), (("consume",), "topic"),
        (("topic", "create", "x", "--partition", "1"), "--partitions"),
        (("topic", "create", "x", "-p", "many"), "many"),
        (("consume", "x", "-o", "xml"), "json"), (("produce", "x", "-z", "rar"), "zstd"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)  # fmt: skip
def test_misspellings_name_the_nearest(arguments, said):
    done = call(*arguments)
    assert done.code == 64 and said in done.err, done.err


def test_help_and_version():
    assert re.fullmatch(r"swiftwater \d+\.\d+\.\d+ \(.*Swift \d+\.\d+.*\)\n", call("version").out)
    assert call("--version").out == call("version").out
    assert set(json.loads(call("version", "-o", "json").out)) >= {"version", "commit", "date", "swift", "build"}
    for command in (
        (),
        ("start",),
        ("topic",),
        ("topic", "create"),
        ("produce",),
        ("consume",),
        ("config", "show"),
        ("completion",),
    ):
        done = call(*command, "--help")
        assert done.code == 0 and "USAGE" in done.out
        assert "EXAMPLES" in done.out or command in ((), ("config",)), command


def commands(*path):
    """All commands, those of commands too."""
    text = call(*path, "--help").out
    yield path, text
    _, _, rest = text.partition("\nSUBCOMMANDS:\n")
    for name in re.findall(r"^  ([a-z-]+)(?:\s|$)", rest.partition("\n\n")[0], re.MULTILINE):
        yield from commands(*path, name)


def test_examples_of_the_help_are_not_wrapped():
    """A line of 80 columns holds each, so that it can be copied."""
    found = dict(commands())
    assert len(found) > 40
    for path, text in found.items():
        _, _, examples = text.partition("\nEXAMPLES\n")
        for line in examples.partition("\n\n")[0].splitlines():
            assert line.startswith("  "), f"{' '.join(path)}: {line}"


def test_a_search_for_tests_that_finds_none_says_so(tmp_path):
    done = call("test", str(tmp_path))
    assert done.code == 0 and done.out == "0 passed, 0 failed\n" and "no tests" in done.err, done.err


@pytest.mark.parametrize("shell", ("bash", "zsh", "fish"))
def test_completion_scripts(shell):
    script = call("completion", shell)
    assert script.code == 0 and "swiftwater" in script.out and "topic" in script.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script.out.encode(), check=True)


def test_kcat_reads_what_the_command_line_writes(swiftwater, topic, shared_broker):
    swiftwater("produce", topic, given=b"hello\n")
    assert run(["kcat", "-b", shared_broker.address, "-C", "-t", topic, "-p", "0", "-e", "-q"]) == b"hello\n"
