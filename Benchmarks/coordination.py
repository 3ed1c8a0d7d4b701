"""What groups and transactions cost, for `./dev bench coordination`: latencies, heartbeats of many groups, and
transactional against plain idempotent throughput. Prints a Markdown table.

    coordination.py [--quick]

SWIFTWATER_BIN names the program; the acceptance tests' Python environment has the clients.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ACCEPTANCE = Path(__file__).resolve().parent.parent / "Tests/Acceptance"
sys.path.insert(0, str(ACCEPTANCE))

import confluent_kafka  # noqa: E402

from clients import create_topic  # noqa: E402
from groups_wire import Joined, commit, committed, enter, find_coordinator, heartbeat, leave, rejoin_until_stable, sync  # noqa: E402
from jvm import JVM_FLAGS, Java, class_path  # noqa: E402
from process import Broker  # noqa: E402
from transactions_wire import Transaction  # noqa: E402
from wire import REQUESTS, Connection, encode  # noqa: E402

ROWS = []


def row(name, value, goal=""):
    ROWS.append((name, value, goal))
    print(f"{name}: {value}", file=sys.stderr, flush=True)


def percentiles(samples):
    ordered = sorted(samples)
    pick = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000  # noqa: E731
    return f"p50 {pick(0.5):.2f} ms, p99 {pick(0.99):.2f} ms, max {ordered[-1] * 1000:.1f} ms"


def latencies(broker, count):
    """One request after the other on one connection of an idle broker; the client's own time is in the numbers."""
    topic = create_topic(broker.address, "latency")
    find_coordinator(broker.address)
    find_coordinator(broker.address, kind=1)
    times = {}

    def timed(name, function):
        began = time.perf_counter()
        result = function()
        times.setdefault(name, []).append(time.perf_counter() - began)
        return result

    with Connection(broker.address) as connection:
        for number in range(count):
            group = f"g{number}"
            answer = timed("JoinGroup (two round trips)", lambda: enter(connection, group))  # noqa: B023
            member, generation = answer.member_id, answer.generation_id
            timed("SyncGroup", lambda: sync(connection, group, generation, member, [(member, b"a")]))  # noqa: B023
            timed("Heartbeat", lambda: heartbeat(connection, group, generation, member))  # noqa: B023
            timed("OffsetCommit", lambda: commit(connection, group, topic, 1, generation, member))  # noqa: B023
            timed("OffsetFetch", lambda: committed(connection, group, topic))  # noqa: B023
            timed("LeaveGroup", lambda: leave(connection, group, member))  # noqa: B023
        for generation in ("old", "new"):
            label = {"old": "KIP-98", "new": "KIP-890"}[generation]
            one = timed(
                f"InitProducerId ({label})",
                lambda: Transaction(connection, f"l-{generation}", generation),  # noqa: B023
            )
            for _ in range(count):
                if generation == "old":
                    timed("AddPartitionsToTxn", lambda: one.add(topic))  # noqa: B023
                timed(f"Produce, acks=all ({label})", lambda: one.write(topic, [b"x" * 100]))  # noqa: B023
                # A client that begins again at once is told CONCURRENT_TRANSACTIONS while the markers are written.
                timed(f"EndTxn ({label})", one.commit)
                time.sleep(0.002)
    for name, samples in times.items():
        if len(samples) > 1:
            row(name, percentiles(samples), "p99 under 10 ms")


def heartbeats(broker, seconds, groups=200, members=5, interval=3.0):
    """Each member on a connection of its own sends a heartbeat every three seconds, as clients do by default; the
    requests are encoded before, so that the generator leaves the machine to the broker."""
    connections, frames = [], []
    for number in range(groups):
        group, joined = f"beat{number}", []
        mine = [Connection(broker.address) for _ in range(members)]
        joined = [Joined(connection, group) for connection in mine]
        for member in joined:
            member.ask_to_join(session=60_000, rebalance=60_000)
        rejoin_until_stable(joined, session=60_000, rebalance=60_000)
        for member in joined:
            request = REQUESTS[12](
                version=4, group_id=group, generation_id=member.generation, member_id=member.member,
                group_instance_id=None,
            )  # fmt: skip
            connections.append(member.connection)
            frames.append(encode(request, 7))
    total, ticks = len(connections), os.sysconf("SC_CLK_TCK")

    def processor():
        fields = Path(f"/proc/{broker.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    time.sleep(1)
    before_idle, began = processor(), time.monotonic()
    time.sleep(3)
    idle = (processor() - before_idle) / (time.monotonic() - began)
    before, began, sent = processor(), time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        due = int(now / interval * total)
        while sent < due:
            connection = connections[sent % total]
            connection.socket.sendall(frames[sent % total])
            answer = connection.read_frame()
            assert answer[-3:-1] == b"\x00\x00" or answer[9:11] == b"\x00\x00", answer
            sent += 1
        time.sleep(0.002)
    share = (processor() - before) / (time.monotonic() - began)
    for connection in connections:
        connection.socket.close()
    row(
        f"{groups} groups of {members} members, {sent / (time.monotonic() - began):.0f} heartbeats/s",
        f"{share:.1%} of a core ({idle:.1%} without heartbeats)", "under 3 %",
    )  # fmt: skip


def java_throughput(java, broker, seconds, **options):
    done = subprocess.run(
        [
            "java", "-Xmx1g", "-XX:+UseSerialGC", *[f for f in JVM_FLAGS if f == "-Xshare:auto"], "-cp",
            f"{java.folder}:{class_path()}", "Throughput",
            json.dumps({"bootstrap": broker.address, "seconds": seconds, "bytes": 1000, "partitions": 4, **options}),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["failed"] == 0, found
    return found["perSecond"]


def confluent_throughput(broker, topic, seconds, transactional_id=None):
    settings = {"bootstrap.servers": broker.address, "linger.ms": 5, "batch.size": 131_072, "log_level": 2,
                "enable.idempotence": True, "queue.buffering.max.messages": 20_000}  # fmt: skip
    if transactional_id:
        settings["transactional.id"] = transactional_id
    producer = confluent_kafka.Producer(settings)
    if transactional_id:
        producer.init_transactions(20)
    acknowledged, value, number, begun = 0, bytes(1000), 0, None

    def report(error, _):
        nonlocal acknowledged
        assert error is None, error
        acknowledged += 1

    began = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        if transactional_id and begun is None:
            producer.begin_transaction()
            begun = now
        try:
            producer.produce(topic, value, partition=number % 4, on_delivery=report)
            number += 1
        except BufferError:
            producer.poll(0.005)
        if number % 100 == 0:
            producer.poll(0)
        if transactional_id and now - begun >= 0.1:
            producer.commit_transaction(20)
            begun = None
    if begun is not None:
        producer.commit_transaction(20)
    producer.flush(30)
    return acknowledged / (time.monotonic() - began)


def throughput(java, broker, seconds, rounds):
    """Taken in turns, best of the rounds: on a shared machine the best is what disturbances leave. Each run begins with
    nothing left to write back: else the later of two pays for the gigabytes of the earlier, whose writers the system
    slows down."""

    def settled(measure, *arguments, **options):
        os.sync()
        return measure(*arguments, **options)

    for client in ("Java", "confluent-kafka"):
        plain, transactional = [], []
        for number in range(rounds):
            name = f"{client}-{number}"
            plain_topic = create_topic(broker.address, f"plain-{name}", 4)
            transactional_topic = create_topic(broker.address, f"transactional-{name}", 4)
            if client == "Java":
                plain.append(settled(java_throughput, java, broker, seconds, topic=plain_topic))
                transactional.append(
                    settled(java_throughput, java, broker, seconds, topic=transactional_topic, id=name)
                )
            else:
                plain.append(settled(confluent_throughput, broker, plain_topic, seconds))
                transactional.append(settled(confluent_throughput, broker, transactional_topic, seconds, name))
            for topic in (plain_topic, transactional_topic):
                java.call("deleteTopic", broker.address, topic=topic)
        row(
            f"{client}: records of 1000 bytes, commit every 100 ms",
            f"{max(transactional):,.0f}/s against {max(plain):,.0f}/s plain: {max(transactional) / max(plain):.0%}",
            "at least 70 %",
        )


def main():
    quick = "--quick" in sys.argv
    folder = Path(tempfile.mkdtemp(prefix="swiftwater-bench-"))
    broker = Broker(folder).start()
    (folder / "java").mkdir()
    try:
        with Java(folder / "java") as java:
            latencies(broker, 100 if quick else 1000)
            heartbeats(broker, 6 if quick else 30)
            # Longer runs fill the memory for what is not yet on disk, and measure the disk.
            throughput(java, broker, 3 if quick else 5, 1 if quick else 3)
    finally:
        broker.kill()
        subprocess.run(["rm", "-rf", str(folder)], check=False)
    print("| what | measured | goal |\n|---|---|---|")
    for name, value, goal in ROWS:
        print(f"| {name} | {value} | {goal} |")


if __name__ == "__main__":
    main()
