"""The stock Java Connect worker on our broker: its group, its three topics, its connectors, a worker that dies."""

import time

import pytest

from clients import Confluent, create_topic, end_offset
from connect import Cluster
from process import wait_until


def running(worker, connectors, tasks=1):
    """{connector: {task: worker}} once all are running."""
    found = {name: worker.tasks(name) for name in connectors}
    if all(
        len(states) == tasks + 1 and all(state == "RUNNING" for state, _ in states.values())
        for states in found.values()
    ):
        return {name: {task: place for task, (_, place) in states.items()} for name, states in found.items()}
    return None


def append(file, numbers):
    """At most a thousand lines at a time: FileStreamSource keeps what is over its batch.size (2000) to itself until the
    file grows again."""
    with open(file, "a") as opened:
        opened.writelines(f"{number}\n" for number in numbers)


@pytest.mark.deadline(400)
def test_two_workers_and_one_dies(broker, java, tmp_path, capsys):
    """FileStream sources and sinks on two workers; kill -9 of one: the other has its tasks within the session timeout
    and a moment, and no line is lost. Sources write in transactions (KIP-618), so none comes twice either."""
    create_topic(broker.address, "lines-0", 2)
    create_topic(broker.address, "lines-1", 2)
    files = [tmp_path / f"source-{n}" for n in range(2)]
    sinks = [tmp_path / f"sink-{n}" for n in range(2)]
    for file in files:
        append(file, range(1000))
    with Cluster(tmp_path / "connect", broker.address) as cluster:
        first, second = cluster.start(), cluster.start()
        for worker in (first, second):
            assert wait_until(lambda: worker.ask("GET", "/"), 60, worker.log)["version"] == "4.3.0"  # noqa: B023
        assert wait_until(lambda: first.ask("GET", "/connectors") == [], 60, first.log)
        plugins = {p["class"] for p in first.ask("GET", "/connector-plugins")}
        assert "org.apache.kafka.connect.file.FileStreamSourceConnector" in plugins
        for n in range(2):
            first.put(
                f"source-{n}",
                {
                    "connector.class": "FileStreamSource", "tasks.max": "1", "file": str(files[n]),
                    "topic": f"lines-{n}",
                },
            )  # fmt: skip
            first.put(
                f"sink-{n}",
                {
                    "connector.class": "FileStreamSink", "tasks.max": "2", "file": str(sinks[n]),
                    "topics": f"lines-{n}",
                    "consumer.override.isolation.level": "read_committed",
                },
            )  # fmt: skip
        sources, sinkers = [f"source-{n}" for n in range(2)], [f"sink-{n}" for n in range(2)]

        def settled(worker):
            one, two = running(worker, sources, 1), running(worker, sinkers, 2)
            return one and two and one | two

        places = wait_until(lambda: settled(first), 60, first.log, 0.2)
        assert {place for tasks in places.values() for place in tasks.values()} == {first.address, second.address}

        def lines(n):
            return sinks[n].read_text().split() if sinks[n].exists() else []

        wait_until(lambda: all(len(set(lines(n))) == 1000 for n in range(2)), 90, "a thousand lines in each sink", 0.1)
        # Tasks run while the workers still settle who has what.
        wait_until(
            lambda: java.call("listGroups", broker.address)["connect-workers"] == ["Classic", "Stable", "connect"],
            60, first.log, 0.5,
        )  # fmt: skip
        assert java.call("listGroups", broker.address)["connect-sink-0"][2] == "consumer"

        for file in files:
            append(file, range(1000, 1500))
        second.kill()
        began = time.monotonic()
        for file in files:
            append(file, range(1500, 2000))
        wait_until(
            lambda: (places := settled(first))
            and {place for tasks in places.values() for place in tasks.values()} == {first.address},
            60, first.log, 0.2,
        )  # fmt: skip
        took = time.monotonic() - began
        wait_until(lambda: all(len(set(lines(n))) == 2000 for n in range(2)), 120, first.log, 0.1)
        for n in range(2):
            assert set(map(int, lines(n))) == set(range(2000)), "nothing is lost on the way to the sink"
            found = []
            for partition in range(2):
                start, end = end_offset(broker.address, f"lines-{n}", partition)
                found += Confluent().consume(
                    broker.address, f"lines-{n}", end - start, partition, start, 3,
                    {"isolation.level": "read_committed"},
                )  # fmt: skip
            assert sorted(int(r.value) for r in found) == list(range(2000)), "each line is in the topic exactly once"

        # What the worker keeps lives in the broker: a restart of it, and a new worker, find everything.
        broker.restart(kill=True)
        third = cluster.start()
        wait_until(
            lambda: (places := settled(third))
            and {place for tasks in places.values() for place in tasks.values()} == {first.address, third.address},
            90, third.log, 0.2,
        )  # fmt: skip
        for file in files:
            append(file, range(2000, 2100))
        wait_until(lambda: all(len(set(lines(n))) == 2100 for n in range(2)), 60, third.log, 0.1)
        first.stop(), third.stop()
    with capsys.disabled():
        print(f"\nConnect: the dead worker's tasks ran elsewhere after {took:.1f} s (session timeout 6 s)")
