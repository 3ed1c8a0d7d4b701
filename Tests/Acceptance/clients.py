"""One face for five Kafka clients, so that a test can be a table of producers and consumers.

No consumer groups: every consumer assigns its partition itself.
"""

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass, field

import aiokafka
import confluent_kafka
import kafka
from confluent_kafka.admin import AdminClient, NewTopic

from jvm import rebase, unbase
from process import wait_until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass
class Record:
    """A record as sent or as read. `timestamp` in ms; `headers` are (name, bytes or None) in order."""

    value: bytes | None = b""
    key: bytes | None = None
    headers: list = field(default_factory=list)
    timestamp: int | None = None
    offset: int = -1
    timestamp_type: str | None = None

    @property
    def content(self):
        return self.key, self.value, [tuple(pair) for pair in self.headers], self.timestamp


class Confluent:
    """confluent-kafka: librdkafka 2.16."""

    name = "confluent"

    def produce(self, bootstrap, topic, records, codec="none", partition=0, properties=None):
        offsets, failures = {}, []
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "compression.type": codec,
                "linger.ms": 20,
                "message.timeout.ms": 30_000,
                "message.max.bytes": 10_000_000,
                **(properties or {}),
            }
        )

        def delivered(index):
            def report(error, message):
                if error:
                    failures.append(confluent_kafka.KafkaException(error))
                else:
                    offsets[index] = message.offset()

            return report

        for index, record in enumerate(records):
            extra = {} if record.timestamp is None else {"timestamp": record.timestamp}
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                partition=partition,
                headers=record.headers,
                on_delivery=delivered(index),
                **extra,
            )
            producer.poll(0)
        assert producer.flush(40) == 0
        if failures:
            raise failures[0]
        return [offsets[index] for index in range(len(records))]

    def consume(self, bootstrap, topic, count, partition=0, start=0, timeout=20, properties=None):
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "assigned-only",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                **(properties or {}),
            }
        )
        records = []
        try:
            consumer.assign([confluent_kafka.TopicPartition(topic, partition, start)])
            deadline = time.monotonic() + timeout
            while len(records) < count and time.monotonic() < deadline:
                message = consumer.poll(0.1)
                if message is None:
                    continue
                if message.error():
                    raise confluent_kafka.KafkaException(message.error())
                kind, timestamp = message.timestamp()
                records.append(
                    Record(
                        message.value(),
                        message.key(),
                        message.headers() or [],
                        timestamp,
                        message.offset(),
                        {1: "CreateTime", 2: "LogAppendTime"}.get(kind),
                    )
                )
        finally:
            consumer.close()
        return records


class KafkaPython:
    """kafka-python 3.0."""

    name = "kafka-python"

    def produce(self, bootstrap, topic, records, codec="none", partition=0, properties=None):
        producer = kafka.KafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=None if codec == "none" else codec,
            linger_ms=20,
            max_request_size=10_000_000,
            **{"acks": "all", **(properties or {})},
        )
        try:
            sent = [
                producer.send(
                    topic, value=r.value, key=r.key, headers=r.headers, partition=partition, timestamp_ms=r.timestamp
                )
                for r in records
            ]
            producer.flush(30)
            return [future.get(30).offset for future in sent]
        finally:
            producer.close()

    def consume(self, bootstrap, topic, count, partition=0, start=0, timeout=20, properties=None):
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            **{"auto_offset_reset": "none", **(properties or {})},
        )
        records = []
        try:
            target = kafka.TopicPartition(topic, partition)
            consumer.assign([target])
            consumer.seek(target, start)
            deadline = time.monotonic() + timeout
            while len(records) < count and time.monotonic() < deadline:
                for batch in consumer.poll(100).values():
                    for m in batch:
                        kind = {0: "CreateTime", 1: "LogAppendTime"}.get(m.timestamp_type)
                        records.append(Record(m.value, m.key, list(m.headers), m.timestamp, m.offset, kind))
        finally:
            consumer.close()
        return records


class AioKafka:
    """aiokafka 0.14."""

    name = "aiokafka"

    def produce(self, bootstrap, topic, records, codec="none", partition=0, properties=None):
        return asyncio.run(self._produce(bootstrap, topic, records, codec, partition, properties or {}))

    async def _produce(self, bootstrap, topic, records, codec, partition, properties):
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=None if codec == "none" else codec,
            linger_ms=20,
            max_request_size=10_000_000,
            **{"acks": "all", **properties},
        )
        await producer.start()
        try:
            sent = [
                await producer.send(
                    topic, value=r.value, key=r.key, headers=r.headers, partition=partition, timestamp_ms=r.timestamp
                )
                for r in records
            ]
            answers = [await future for future in sent]
            return [None if answer is None else answer.offset for answer in answers]  # None: acks=0
        finally:
            await producer.stop()

    def consume(self, bootstrap, topic, count, partition=0, start=0, timeout=20, properties=None):
        return asyncio.run(self._consume(bootstrap, topic, count, partition, start, timeout, properties or {}))

    async def _consume(self, bootstrap, topic, count, partition, start, timeout, properties):
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            **{"auto_offset_reset": "none", **properties},
        )
        await consumer.start()
        records = []
        try:
            target = aiokafka.TopicPartition(topic, partition)
            consumer.assign([target])
            consumer.seek(target, start)
            deadline = time.monotonic() + timeout
            while len(records) < count and time.monotonic() < deadline:
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    for m in batch:
                        kind = {0: "CreateTime", 1: "LogAppendTime"}.get(m.timestamp_type)
                        records.append(Record(m.value, m.key, list(m.headers), m.timestamp, m.offset, kind))
        finally:
            await consumer.stop()
        return records


class Kcat:
    """Debian's kcat with librdkafka 2.0.2, the oldest client of the table. Text only, one set of headers per run."""

    name = "kcat"

    def produce(self, bootstrap, topic, records, codec="none", partition=0, properties=None):
        settings = [part for name, value in (properties or {}).items() for part in ("-X", f"{name}={value}")]
        for headers, group in by_headers(records):
            marks = [
                part
                for name, value in headers
                for part in ("-H", name if value is None else f"{name}={value.decode()}")
            ]
            text = b"\x02".join((r.key or b"") + b"\x01" + (r.value or b"") for r in group)
            run(
                [
                    "kcat",
                    "-b",
                    bootstrap,
                    "-P",
                    "-t",
                    topic,
                    "-p",
                    str(partition),
                    "-z",
                    codec,
                    "-D",
                    "\\x02",
                    "-K",
                    "\\x01",
                    "-Z",
                    "-X",
                    "linger.ms=20",
                    *marks,
                    *settings,
                ],
                text,
            )
        return None

    def consume(self, bootstrap, topic, count, partition=0, start=0, timeout=20, properties=None):
        settings = [part for name, value in (properties or {}).items() for part in ("-X", f"{name}={value}")]
        output = run(
            [
                "kcat",
                "-b",
                bootstrap,
                "-C",
                "-J",
                "-u",
                "-t",
                topic,
                "-p",
                str(partition),
                "-o",
                str(start),
                "-c",
                str(count),
                "-e",
                "-q",
                *settings,
            ],
            b"",
            timeout,
        )
        records = []
        for line in output.splitlines():
            m = json.loads(line)
            raw = m.get("headers") or []
            pairs = list(zip(raw[::2], [None if v is None else v.encode() for v in raw[1::2]], strict=True))
            encode = lambda text: None if text is None else text.encode()  # noqa: E731
            kind = {"create": "CreateTime", "logappend": "LogAppendTime"}.get(m["tstype"])
            records.append(Record(encode(m["payload"]), encode(m["key"]), pairs, m["ts"], m["offset"], kind))
        return records


def by_headers(records):
    """Runs of records with equal headers."""
    groups = []
    for record in records:
        if not groups or groups[-1][0] != record.headers:
            groups.append((record.headers, []))
        groups[-1][1].append(record)
    return groups


def run(command, given=b"", timeout=30):
    """A command that must succeed; its standard output."""
    done = subprocess.run(command, input=given, capture_output=True, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr.decode(errors='replace')}"
    return done.stdout


class JavaClient:
    """kafka-clients 4.3.0."""

    name = "java"

    def __init__(self, java):
        self.java = java

    def produce(self, bootstrap, topic, records, codec="none", partition=0, properties=None):
        answers = self.java.call(
            "produce",
            bootstrap,
            topic=topic,
            records=[
                {
                    "partition": partition,
                    "key": rebase(r.key),
                    "value": rebase(r.value),
                    "timestamp": r.timestamp,
                    "headers": [[name, rebase(value)] for name, value in r.headers],
                }
                for r in records
            ],
            properties={
                "compression.type": codec,
                "linger.ms": 20,
                "max.request.size": 10_000_000,
                **(properties or {}),
            },
        )
        for answer in answers:
            if "error" in answer:
                from jvm import JavaError

                raise JavaError(answer["error"], answer.get("message"))
        return [answer["offset"] for answer in answers]

    def consume(self, bootstrap, topic, count, partition=0, start=0, timeout=20, properties=None):
        found = self.java.call(
            "consume",
            bootstrap,
            partitions=[[topic, partition]],
            count=count,
            timeoutMs=timeout * 1000,
            properties={"auto.offset.reset": "none", **(properties or {})},
            **{"from": start},
        )
        return [
            Record(
                unbase(r["value"]),
                unbase(r["key"]),
                [(name, unbase(value)) for name, value in r["headers"]],
                r["timestamp"],
                r["offset"],
                r["timestampType"],
            )
            for r in found
        ]


PYTHON_CLIENTS = {client.name: client for client in (Confluent(), KafkaPython(), AioKafka(), Kcat())}
CLIENT_NAMES = (*PYTHON_CLIENTS, "java")
LIBRARY_NAMES = tuple(name for name in CLIENT_NAMES if name != "kcat")


# -- topics, through librdkafka's admin client -----------------------------------------------------------------------


def admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def create_topic(bootstrap, name, partitions=1, configs=None):
    """Creates a topic and returns its name once the broker lists it."""
    client = admin(bootstrap)
    new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=configs or {})
    client.create_topics([new], request_timeout=15)[name].result(30)
    wait_until(lambda: name in client.list_topics(timeout=10).topics, what=f"topic {name} in the metadata")
    return name


def end_offset(bootstrap, topic, partition=0):
    """(first, end) offsets by librdkafka's own query."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "assigned-only"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=15)
    finally:
        consumer.close()
