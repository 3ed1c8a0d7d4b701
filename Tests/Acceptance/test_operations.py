"""What operators and supervisors see: the admin port, Prometheus, logs, a stop under load, a refused data folder."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import confluent_kafka
import pytest

from clients import Confluent, Record, create_topic
from faults import FaultyBroker
from process import Broker, binary, free_port, wait_until
from wire import REQUESTS, Connection, batch, encode, fetch_request, frame, header, produce


class Admin:
    """curl at the admin port of a broker."""

    def __init__(self, port):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def curl(self, path, *arguments):
        """Status, headers in lower case, body."""
        done = subprocess.run(
            ["curl", "-s", "-S", "-i", "-m", "10", *arguments, self.url + path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        while re.match(r"HTTP/1.1 100", head):
            head, _, body = body.partition("\n\n")
        lines = head.split("\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        return int(lines[0].split()[1]), headers, body

    def metrics(self):
        """Samples by their text in front of the value."""
        status, _, body = self.curl("/metrics")
        assert status == 200
        lines = [line.rsplit(" ", 1) for line in body.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in lines}


@pytest.fixture
def run(make_broker):
    """Starts a broker with an admin port: `broker, admin = run(...)`."""

    def start(properties=None, flags=(), **options):
        port = free_port()
        broker = make_broker(properties, flags=["--admin", f"127.0.0.1:{port}", *flags], **options)
        return broker, Admin(port)

    return start


def test_health_readiness_and_help(run):
    broker, admin = run()
    assert admin.curl("/healthz")[0] == 200
    assert admin.curl("/readyz")[::2] == (200, "ready\n")
    status, headers, body = admin.curl("/")
    assert status == 200 and "/metrics" in body and headers["content-type"].startswith("text/plain")
    assert admin.curl("/metrics", "-I")[1]["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert admin.curl("/metrics", "-I")[2] == ""
    assert admin.curl("/nothing")[0] == 404
    status, headers, _ = admin.curl("/metrics", "-X", "DELETE")
    assert status == 405 and headers["allow"] == "GET, HEAD, OPTIONS"
    assert admin.curl("/healthz", "-X", "OPTIONS")[1]["allow"] == "GET, HEAD, OPTIONS"
    assert admin.curl("/healthz", "-d", "x" * 100)[0] == 405
    broker.stop()


def test_the_admin_port_can_be_off_taken_or_refused(make_broker, tmp_path):
    broker = make_broker(flags=["--admin", "none"])
    assert "admin     none" in broker.log()
    broker.stop()
    taken = free_port()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        command = [binary(), "start", "--data-dir", tmp_path / "x", "--kafka", "127.0.0.1:0"]
        done = subprocess.run(
            [*command, "--admin", f"127.0.0.1:{taken}"], capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 1 and f"port {taken} on 127.0.0.1 is already in use" in done.stderr
        done = subprocess.run([*command, "--admin", "0.0.0.0:0"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 64 and "--insecure" in done.stderr


def test_two_brokers_without_a_word_about_the_admin_port(make_broker):
    brokers = [make_broker(), make_broker()]
    # At most one of them has the default port, and both serve.
    assert sum("admin  http://127.0.0.1:9464" in broker.log() for broker in brokers) <= 1
    for broker in brokers:
        with Connection(broker.address) as connection:
            assert connection.request(18, 0).i16() == 0


def test_metrics_of_real_clients(run):
    broker, admin = run()
    topic = create_topic(broker.address, "ratings")
    client = Confluent()
    client.produce(broker.address, topic, [Record(value=b"v%d" % index) for index in range(100)])
    assert len(client.consume(broker.address, topic, 100)) == 100
    metrics = admin.metrics()
    assert metrics["swiftwater_produced_records_total"] == 100
    assert metrics["swiftwater_fetched_records_total"] >= 100
    assert metrics['swiftwater_topic_log_end_offset{topic="ratings"}'] == 100
    assert metrics['swiftwater_kafka_requests_total{api="Produce"}'] >= 1
    assert metrics['swiftwater_kafka_request_duration_seconds_bucket{api="Produce",le="+Inf"}'] >= 1
    assert metrics["swiftwater_log_sync_duration_seconds_count"] >= 1
    assert metrics["process_resident_memory_bytes"] / 1024 == pytest.approx(broker.status_kib(), rel=0.3)
    with Connection(broker.address) as connection:
        assert produce(connection, "nowhere", batch([b"x"])).error_code == 3
    name = 'swiftwater_kafka_request_errors_total{api="Produce",error="UNKNOWN_TOPIC_OR_PARTITION"}'
    assert admin.metrics()[name] == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_has_nothing_to_say_about_the_metrics(run):
    broker, admin = run()
    create_topic(broker.address, "ratings")
    _, _, text = admin.curl("/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_prometheus_scrapes_as_documented(run, tmp_path):
    """The configuration of docs/operations.md, with this broker's port, in a real Prometheus."""
    broker, admin = run()
    create_topic(broker.address, "ratings")
    text = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
    (config,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", text, re.DOTALL)
    assert "127.0.0.1:9464" in config
    config = config.replace("127.0.0.1:9464", f"127.0.0.1:{admin.port}").replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(config)
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)
    port = free_port()
    process = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    prometheus = Admin(port)

    def ask(query):
        try:
            body = prometheus.curl("/api/v1/query?query=" + query)[2]
        except AssertionError:  # not listening yet
            return None
        return body.startswith("{") and json.loads(body)["data"]["result"]

    try:
        found = wait_until(lambda: ask("swiftwater_topics"), 30, "a scraped sample", 0.2)
        assert found[0]["value"][1] == "1" and found[0]["metric"]["job"] == "swiftwater"
        assert ask("swiftwater_build_info")[0]["metric"]["version"]
        assert ask("up")[0]["value"][1] == "1"
    finally:
        process.terminate()
        process.wait(20)


def test_openmetrics_when_asked_for(run):
    _, admin = run()
    _, headers, body = admin.curl("/metrics", "-H", "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1")
    assert headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert body.endswith("# EOF\n") and "# TYPE swiftwater_produced_records counter\n" in body


def test_abuse_of_the_admin_port_hurts_nobody(run):
    broker, admin = run()
    holders = []
    for _ in range(200):  # more than it takes at a time
        holder = socket.socket()
        holder.connect(("127.0.0.1", admin.port))
        holders.append(holder)
    holders[0].sendall(b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 100_000)
    holders[1].sendall(os.urandom(10_000))
    with Connection(broker.address) as connection:
        assert connection.request(18, 0).i16() == 0
    for holder in holders:
        holder.close()
    assert admin.curl("/healthz")[0] == 200
    assert broker.status_kib() < 120 << 10
    broker.stop()


def test_readiness_tells_of_a_failed_disk(tmp_path):
    broker = FaultyBroker(tmp_path, flags=["--admin", f"127.0.0.1:{free_port()}"])
    admin = Admin(int(broker.flags[1].rsplit(":", 1)[1]))
    broker.start()
    try:
        create_topic(broker.address, "t")
        broker.inflict("fail-sync")
        with Connection(broker.address) as connection:
            produce(connection, "t", batch([b"x"]))
        status, _, body = admin.curl("/readyz")
        assert status == 503 and body.startswith("storage: "), body
        assert admin.curl("/healthz")[0] == 200
        metrics = admin.metrics()
        assert metrics["swiftwater_storage_failed"] == 1 and metrics["swiftwater_ready"] == 0
        assert metrics['swiftwater_storage_failures_total{kind="failed"}'] >= 1
    finally:
        broker.kill()


# ---- logs ------------------------------------------------------------------------------------------------------------


def test_json_logs_are_json_from_start_to_stop(make_broker):
    broker = make_broker(flags=["--admin", "none", "--log-format", "json", "--log-level", "info"], start=False)
    with open(broker.log_path, "ab") as log:
        broker.process = subprocess.Popen(broker.command(), stdout=log, stderr=subprocess.STDOUT)
    wait_until(lambda: '"message":"ready"' in broker.log(), 20)
    with socket.create_connection(("127.0.0.1", broker.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert stranger.recv(1) == b""
    broker.stop()
    lines = [json.loads(line) for line in broker.log().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    messages = [line["message"] for line in lines]
    assert messages[0] == "ready" and messages[-2:] == ["stopping", "stopped"]
    assert lines[0]["kafka"] == broker.address and lines[-2]["signal"] == "SIGTERM"
    assert "closing connection" in messages


def test_json_logs_say_why_a_start_failed(make_broker):
    """A program that reads the log finds the reason in it, of settings as of the data folder."""
    running = make_broker(flags=["--admin", "none"])
    for flags, code, words in (
        (["--set", "num.partitons=3"], 64, "did you mean 'num.partitions'?"),
        (["--data-dir", str(running.data), "--kafka", "127.0.0.1:0"], 1, "process"),
    ):
        done = subprocess.run(
            [binary(), "start", "--log-format", "json", "--admin", "none", "--roles", "kafka", *flags],
            capture_output=True, text=True, timeout=60)
        assert done.returncode == code and not done.stdout
        (line,) = map(json.loads, done.stderr.splitlines())
        assert line["level"] == "critical" and words in line["message"] + line.get("hint", ""), line


@pytest.mark.parametrize("version, hint", ((2, "before Kafka 2.1"), (99, "did not ask")))
def test_the_log_says_which_clients_are_too_old(make_broker, version, hint):
    """A client whose versions are not offered only sees its connection end, as with Kafka: whoever runs the broker is told why."""
    broker = make_broker(flags=["--admin", "none"])
    with socket.create_connection(("127.0.0.1", broker.port)) as old:
        old.sendall(frame(header(0, version, client_id="veteran") + bytes(16)))
        assert old.recv(1) == b""
    broker.stop()
    (line,) = [line for line in broker.log().splitlines() if "versions of the protocol" in line]
    for words in ("WARNING", "veteran", "Produce", f"version={version}", "3 to 13", hint):
        assert words.lower() in line.lower(), (words, line)


def test_silent_when_idle_and_brief_when_abused(make_broker):
    broker = make_broker(flags=["--log-level", "info"])
    began = len(broker.log())
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", broker.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stranger.recv(1) == b""
    broker.stop()
    lines = broker.log()[began:].splitlines()
    assert len(lines) < 30, "\n".join(lines)
    assert re.search(r"hidden=\d+ of=\"closing connection\"", broker.log())


# ---- stopping --------------------------------------------------------------------------------------------------------


def test_requests_already_sent_are_answered_before_the_stop(run):
    """A parked fetch, pipelined produces that wait for the disk, an idle connection: whole answers, then a clean end."""
    broker, admin = run()
    create_topic(broker.address, "t")
    parked, busy, idle = (Connection(broker.address) for _ in range(3))
    idle.request(18, 0)
    fetch = fetch_request([("t", 0, 0)], 11, max_wait=60_000, min_bytes=1 << 20)
    parked.send(encode(fetch, 1))
    sent = 50
    part = REQUESTS[0].TopicProduceData.PartitionProduceData(index=0, records=batch([b"x"]))
    data = REQUESTS[0].TopicProduceData(name="t", partition_data=[part])
    write = REQUESTS[0](version=9, acks=-1, timeout_ms=5_000, topic_data=[data])
    for number in range(sent):
        busy.send(encode(write, number))
    began = time.monotonic()
    process = broker.process
    process.send_signal(signal.SIGTERM)
    for number in range(sent):
        answer = Connection.decode(write, busy.read_frame(), number)
        assert answer.responses[0].partition_responses[0].error_code == 0
    assert Connection.decode(fetch, parked.read_frame(), 1).error_code == 0
    for connection in (parked, busy, idle):
        assert connection.is_closed()
        connection.socket.close()
    assert process.wait(5) == 0
    assert time.monotonic() - began < 5
    broker.process = None
    broker.start()
    assert admin.metrics()['swiftwater_topic_log_end_offset{topic="t"}'] == sent


@pytest.mark.parametrize("rounds", [3])
def test_clients_lose_nothing_over_stops_under_load(run, rounds):
    """A producer with acks=all goes on over restarts: no delivery fails, every record is there once."""
    broker, _ = run()
    create_topic(broker.address, "t")
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 2,
         "message.timeout.ms": 60_000, "reconnect.backoff.max.ms": 200}
    )  # fmt: skip
    failures, delivered, stopped = [], [0], threading.Event()

    def report(error, _):
        if error:
            failures.append(error)
        else:
            delivered[0] += 1

    def load():
        number = 0
        while not stopped.is_set():
            try:
                producer.produce("t", b"%d" % number, on_delivery=report)
                number += 1
            except BufferError:
                pass
            producer.poll(0.0005)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for round_ in range(1, rounds + 1):
            wait_until(lambda: delivered[0] > 500 * round_, 30, "deliveries")
            broker.restart()
    finally:
        stopped.set()
        thread.join()
    assert producer.flush(60) == 0
    assert not failures, failures[:3]
    values = [int(record.value) for record in Confluent().consume(broker.address, "t", delivered[0])]
    assert values == list(range(delivered[0]))


def test_readiness_ends_first(run):
    """While clients are being answered, /readyz tells that the process stops; /healthz stays well."""
    broker, admin = run()
    create_topic(broker.address, "t")
    # The client does not read its end, which keeps the broker waiting for a moment.
    with Connection(broker.address) as silent:
        silent.request(18, 0)
        process, broker.process = broker.process, None
        process.send_signal(signal.SIGTERM)

        def status():
            try:
                return admin.curl("/readyz")[0]
            except AssertionError:
                return None

        wait_until(lambda: status() == 503, 5, "503 of /readyz", 0.005)
        assert process.wait(5) == 0


def test_a_second_signal_ends_at_once(make_broker):
    broker = make_broker(flags=["--admin", "none"])
    with Connection(broker.address) as silent:
        silent.request(18, 0)
        process, broker.process = broker.process, None
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in broker.log(), 5)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) in (0, 130)
    broker.start()
    broker.stop()


# ---- the data folder -------------------------------------------------------------------------------------------------


def refusal(folder, prefix=()):
    """What `start` says about a data folder that it refuses."""
    done = subprocess.run(
        [*prefix, binary(), "start", "--data-dir", folder, "--kafka", "127.0.0.1:0", "--admin", "none"],
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def contents(folder):
    return sorted((str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in Path(folder).glob("**/*"))


@pytest.mark.parametrize(
    "files, said",
    [
        ({"version": "2\n"}, "has version 2, made by a newer program; this program supports version 1"),
        ({"version": "garbage\x1b[2J"}, "holds 'garbage?[2J' instead of the layout's number"),
        ({"version/inside": ""}, "is a folder where a file"),
        ({"thesis.odt": "", "photos/1.jpg": ""}, "holds 'photos', 'thesis.odt' and no data of this program"),
        ({"meta.properties": "", "t-0/00000000000000000000.log": ""}, "log folder of a Kafka broker"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused_and_left_alone(tmp_path, files, said):
    folder = tmp_path / "data"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    before = contents(folder)
    message = refusal(folder)
    assert said in message and "--data-dir" in message
    assert contents(folder) == before


def test_a_folder_without_its_version_is_adopted(make_broker):
    broker = make_broker()
    create_topic(broker.address, "t")
    Confluent().produce(broker.address, "t", [Record(value=b"kept")])
    broker.stop()
    (broker.data / "version").unlink()
    broker.start()
    assert [record.value for record in Confluent().consume(broker.address, "t", 1)] == [b"kept"]
    assert (broker.data / "version").read_text() == "1\n"
    broker.stop()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for path in (folder, *folder.parents):
        if str(path).startswith(str(tmp_path.parents[1])):
            path.chmod(0o755)
    message = refusal(folder, ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
    assert "cannot be used" in message and "Permission denied" in message
    assert contents(folder) == []


def test_who_comes_first_is_told_the_address(tmp_path):
    """Clients that knock while the broker starts get no answer without its address: Java's would never ask again."""
    port, told, over = free_port(), [], threading.Event()

    def knock():
        # Metadata v1 of no topics: the first broker's id, host and port.
        request = struct.pack(">ihhihi", 14, 3, 1, 7, -1, 0)
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as client:
                    client.sendall(request)
                    answer = client.recv(4096)
            except OSError:
                continue
            if len(answer) > 18:
                (length,) = struct.unpack_from(">h", answer, 16)
                told.append((answer[18 : 18 + length].decode(), *struct.unpack_from(">i", answer, 18 + length)))

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        broker = Broker(tmp_path, port=port)
        for _ in range(10):
            broker.start()
            told_before = len(told)
            wait_until(lambda: len(told) > told_before + 4)  # noqa: B023
            broker.stop()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert set(told) == {("127.0.0.1", port)}
