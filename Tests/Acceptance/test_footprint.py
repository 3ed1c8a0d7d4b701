"""How much the process takes. Printed; judged only by bounds so wide that a busy machine keeps them."""

import os
import resource
import time
from pathlib import Path

import pytest

from clients import Confluent, Record, create_topic
from process import Broker, free_port, wait_until
from wire import REQUESTS, Connection, Reader, batch, encode, fetch_request, frame, header, produce


@pytest.fixture
def tell(capsys):
    def print_line(text):
        with capsys.disabled():
            print(f"\n  {text}", end="")

    return print_line


def first_accepted_produce(broker):
    """Seconds from the start of the process until a produce to a new topic is acknowledged by acks=all."""
    began = time.monotonic()
    broker.start()
    with Connection(broker.address) as connection:
        # Asking for the metadata of an absent topic creates it, as clients do.
        asked = REQUESTS[3](
            version=4, topics=[REQUESTS[3].MetadataRequestTopic(name="t")], allow_auto_topic_creation=True
        )
        wait_until(lambda: connection.call(asked).topics[0].error_code == 0, what="the topic", interval=0.001)
        assert produce(connection, "t", batch([b"x"])).error_code == 0
    return time.monotonic() - began


def test_start_to_first_accepted_produce(tmp_path, tell):
    took = []
    for number in range(5):
        broker = Broker(tmp_path / f"b{number}")
        broker.folder.mkdir()
        took.append(first_accepted_produce(broker))
        broker.stop()
    tell(f"empty folder to first accepted produce: {sorted(took)[2] * 1000:.0f} ms (median of 5; aim 100)")
    assert min(took) < 2


def test_idle_memory(broker, tell):
    with Connection(broker.address) as connection:
        assert connection.request(18, 0).i16() == 0
    tell(f"idle memory: {broker.status_kib() / 1024:.1f} MiB resident (aim 40)")
    assert broker.status_kib() < 120 << 10


def test_a_thousand_partitions(broker, java, tell):
    java.call("describeCluster", broker.address)
    before = broker.status_kib()
    began = time.monotonic()
    java.call("createTopic", broker.address, topic="wide", partitions=1000, replicas=1)
    took = time.monotonic() - began
    grown = (broker.status_kib() - before) / 1024
    tell(f"1000 partitions: created in {took:.2f} s (aim 2), {grown:.1f} MiB more (aim 60)")
    assert took < 30 and grown < 200
    for partition in range(0, 1000, 100):
        Confluent().produce(broker.address, "wide", [Record(b"x")], partition=partition)
    files = len(os.listdir(f"/proc/{broker.pid}/fd"))
    broker.restart()
    tell(f"restart with 1000 partitions: {broker.start_seconds:.3f} s, {files} open files before")
    assert len(java.call("describeTopic", broker.address, topic="wide")["partitions"]) == 1000
    assert Confluent().consume(broker.address, "wide", 1, partition=900)[0].value == b"x"


def test_two_thousand_connections(broker, tell):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_200:
        pytest.skip(f"only {hard} file descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_200), hard))
    with Connection(broker.address) as connection:
        connection.request(18, 0)
    before = broker.status_kib()
    held = [Connection(broker.address) for _ in range(2_000)]
    for connection in held:
        connection.send(frame(header(18, 0)))
    for connection in held:
        assert Reader(connection.read_frame()).i32() == 1
    grown = (broker.status_kib() - before) / 1024
    tell(f"2000 idle connections: {grown:.1f} MiB more (aim 60)")
    assert grown < 200
    for connection in held:
        connection.socket.close()


def test_memory_after_a_load(broker, tell):
    """200 MB through produce and consume; the page cache does the keeping, not the process."""
    value = os.urandom(10_000)
    for _ in range(4):
        Confluent().produce(broker.address, "t", [Record(value)] * 5_000, "none")
    assert len(Confluent().consume(broker.address, "t", 20_000, timeout=60)) == 20_000
    tell(
        f"after 200 MB in and out: {broker.status_kib() / 1024:.1f} MiB resident,"
        f" peak {broker.status_kib('VmHWM') / 1024:.1f} (aim 150)"
    )
    assert broker.status_kib() < 400 << 10


def processor_seconds(broker):
    fields = Path(f"/proc/{broker.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_idle_processor_time(broker, tell):
    """With fifty consumers that wait and a few hundred partitions: nothing to do, so nothing done."""
    create_topic(broker.address, "t", 300)
    waiting = [Connection(broker.address) for _ in range(50)]
    for connection in waiting:
        connection.send(encode(fetch_request([("t", 0, 0)], 11, max_wait=60_000, min_bytes=1)))
    time.sleep(1)  # lets the work of creating them end
    before, began = processor_seconds(broker), time.monotonic()
    time.sleep(3)
    used = (processor_seconds(broker) - before) / (time.monotonic() - began)
    tell(f"idle with 50 waiting consumers and 300 partitions: {used * 100:.1f} % of a core")
    assert used < 0.2
    for connection in waiting:
        connection.socket.close()


def test_idle_platform(tmp_path, tell):
    """Every role on an empty folder: nothing asked, so nothing done and nothing said."""
    flags = [part for role in ("registry", "connect", "sql") for part in (f"--{role}", f"127.0.0.1:{free_port()}")]
    broker = Broker(tmp_path, flags=flags).start()
    time.sleep(2)
    before, began, said = processor_seconds(broker), time.monotonic(), broker.log_path.read_text()
    time.sleep(3)
    used = (processor_seconds(broker) - before) / (time.monotonic() - began)
    memory = broker.status_kib()
    tell(f"idle with every role: {used * 100:.1f} % of a core, {memory / 1024:.1f} MiB resident (aims 1 % and 60 MiB)")
    assert used < 0.2
    assert memory < 180 << 10
    assert broker.log_path.read_text() == said
    broker.stop()
