"""Scenarios that mostly wait for timeouts, side by side: a module's table of cases runs in a few threads, and each test
only waits for the outcome of its own case."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import confluent_kafka

from clients import create_topic
from members import Members


@dataclass
class Place:
    """Where a scenario happens."""

    bootstrap: str
    java: object
    folder: Path

    def topic(self, partitions=1, configs=None, name=None):
        return create_topic(self.bootstrap, name or f"s-{uuid.uuid4().hex[:12]}", partitions, configs)

    def group(self, **common):
        """Members of a group with a new name, unless it is given."""
        common.setdefault("group", f"g-{uuid.uuid4().hex[:12]}")
        return Members(self.folder / uuid.uuid4().hex[:8], self.bootstrap, self.java, **common)


class Running:
    """The started cases of one module by name."""

    def __init__(self, cases, place, wanted, workers=4):
        self.pool = ThreadPoolExecutor(workers)
        self.futures = {
            name: self.pool.submit(function, place, **options)
            for name, (function, options) in cases.items()
            if name in wanted
        }

    def result(self, name, timeout=240):
        return self.futures[name].result(timeout)


def start(cases, request, bootstrap, java, folder, workers=4):
    """Starts those cases that this session's selection of tests asks for."""
    module = request.module.__name__
    wanted = {
        item.callspec.params["case"]
        for item in request.session.items
        if item.module.__name__ == module and "case" in getattr(getattr(item, "callspec", None), "params", {})
    }
    return Running(cases, Place(bootstrap, java, folder), wanted, workers)


class Feeder:
    """Produces "0", "1", ... to the partitions of a topic in turn, `rate` each second, until it is stopped."""

    def __init__(self, bootstrap, topic, partitions, rate=200, prefix=""):
        self.acknowledged, self.failures, self.ends, self.sent = set(), [], Event(), 0
        self.producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 2,
                "message.timeout.ms": 120_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
            }
        )  # fmt: skip
        self.topic, self.partitions, self.rate, self.prefix = topic, partitions, rate, prefix
        self.thread = Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self):
        while not self.ends.wait(0.05):
            for _ in range(max(1, self.rate // 20)):
                value = f"{self.prefix}{self.sent}"
                self.producer.produce(
                    self.topic, value, partition=self.sent % self.partitions,
                    on_delivery=lambda error, message, value=value: self.report(error, value),
                )  # fmt: skip
                self.sent += 1
            self.producer.poll(0)
        self.producer.flush(60)

    def report(self, error, value):
        if error is None:
            self.acknowledged.add(value)
        else:
            self.failures.append((value, error))

    def stop(self):
        """All that was sent; every record must have been acknowledged."""
        self.ends.set()
        self.thread.join(70)
        assert not self.failures and len(self.acknowledged) == self.sent, self.failures[:3]
        return self.acknowledged
