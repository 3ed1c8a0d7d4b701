"""A read-process-write loop with transactions, as a process of its own, so that it can be killed.

    transact.py '{"client": "confluent", "bootstrap": "...", "group": "g", "id": "T", "input": "in", "output": "out"}'

Each input record becomes one output record with the same value, in a transaction with the input's offset. Whatever
fails, the transaction is aborted and both clients are made anew; confluent's by a new process (exit code 3), because
taking down a producer whose broker is away can hang in librdkafka. With "partitions" those are assigned, which is how a
client without group fencing (aiokafka: KIP-447 is not in it) must do it: one transactional id for each. Every
"abortEvery"-th transaction is aborted on purpose and its records come again.

Events as of children/member.py: `committed` with the number of records, `aborted`, `failed`.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time

OPTIONS = json.loads(sys.argv[1])
CLOSING = threading.Event()
RANDOM = random.Random(OPTIONS.get("seed", 1))
TIMEOUT_MS = OPTIONS.get("transactionMs", 10_000)


def tell(event, **fields):
    sys.stdout.write(json.dumps({"event": event, "at": time.monotonic(), **fields}) + "\n")
    sys.stdout.flush()


def listen():
    for _ in sys.stdin:
        break
    CLOSING.set()


def aborts():
    every = OPTIONS.get("abortEvery", 0)
    return every and RANDOM.randrange(every) == 0


def batch_max():
    return RANDOM.randrange(1, OPTIONS.get("batch", 50) + 1)


def confluent_round():
    import confluent_kafka

    base = {
        "bootstrap.servers": OPTIONS["bootstrap"],
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "log_level": 2,
    }
    if OPTIONS.get("debug"):
        base |= {"debug": OPTIONS["debug"], "log_level": 7}
    # Without "none" librdkafka 2.16 forgets the brokers when the only one is away, but goes on waiting for the
    # forgotten one with TxnOffsetCommit, and for good when the producer is taken down.
    producer = confluent_kafka.Producer(
        base
        | {
            "transactional.id": OPTIONS["id"],
            "transaction.timeout.ms": TIMEOUT_MS,
            "linger.ms": 1,
            "metadata.recovery.strategy": "none",
        }
    )
    producer.init_transactions(30)
    settings = {
        "group.id": OPTIONS["group"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "log_level": 4,  # tells why a partition is read from the beginning
    }
    if OPTIONS.get("protocol") == "consumer":
        settings["group.protocol"] = "consumer"
    else:
        settings |= {"session.timeout.ms": OPTIONS.get("sessionMs", 6000), "heartbeat.interval.ms": 500}
    if OPTIONS.get("debug"):
        settings["log_level"] = 7
    consumer = confluent_kafka.Consumer(base | settings)

    def places_of(partitions):
        """Where to go on, as numbers. A seek while librdkafka asks where a logical offset is makes it ask again half a
        second after the answer that came too late, and then go there, wherever the consumer is by that time."""
        places = consumer.committed(partitions, timeout=20)
        for place in places:
            if place.error:  # which is no "nothing committed yet"
                raise confluent_kafka.KafkaException(place.error)
            if place.offset < 0:
                place.offset = consumer.get_watermark_offsets(place, 20)[0]
        return places

    def on_assign(consumer, partitions):
        try:
            places = places_of(partitions)
        except confluent_kafka.KafkaException as error:
            tell("failed", error=type(error).__name__, message=str(error)[:300])
            os._exit(3)
        if OPTIONS.get("protocol") == "consumer":
            consumer.incremental_assign(places)
        else:
            consumer.assign(places)

    try:
        if OPTIONS.get("partitions"):
            consumer.assign(
                places_of([confluent_kafka.TopicPartition(OPTIONS["input"], n) for n in OPTIONS["partitions"]])
            )
        else:
            consumer.subscribe([OPTIONS["input"]], on_assign=on_assign)
        while not CLOSING.is_set():
            messages = consumer.consume(batch_max(), 0.1)
            failed = next((m.error() for m in messages if m.error()), None)
            if failed and not failed.retriable():
                raise confluent_kafka.KafkaException(failed)
            messages = [m for m in messages if not m.error()]
            if not messages:
                continue
            producer.begin_transaction()
            for message in messages:
                producer.produce(OPTIONS["output"], message.value(), message.key())
            producer.send_offsets_to_transaction(
                consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 20
            )
            if aborts():
                producer.abort_transaction(20)
                places = places_of(consumer.assignment())
                tell("aborted", count=len(messages), places=[[p.partition, p.offset] for p in places])
                for place in places:
                    consumer.seek(place)
                continue
            producer.commit_transaction(20)
            tell("committed", count=len(messages))
    except Exception as error:
        tell("failed", error=type(error).__name__, message=str(error)[:300])
        os._exit(3)  # the transaction is aborted by the next producer with this id
    consumer.close()


def kafka_python_round():
    import kafka
    from kafka.structs import OffsetAndMetadata

    base = {
        "bootstrap_servers": OPTIONS["bootstrap"],
        "reconnect_backoff_ms": 20,
        "reconnect_backoff_max_ms": 200,
        "retry_backoff_ms": 50,
    }
    producer = kafka.KafkaProducer(
        **base, transactional_id=OPTIONS["id"], transaction_timeout_ms=TIMEOUT_MS, acks="all", max_block_ms=30_000
    )
    consumer = None
    try:
        producer.init_transactions()
        consumer = kafka.KafkaConsumer(
            **base,
            group_id=OPTIONS["group"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            session_timeout_ms=OPTIONS.get("sessionMs", 6000),
            heartbeat_interval_ms=500,
            max_poll_records=OPTIONS.get("batch", 50),
        )
        if OPTIONS.get("partitions"):
            consumer.assign([kafka.TopicPartition(OPTIONS["input"], n) for n in OPTIONS["partitions"]])
        else:
            consumer.subscribe([OPTIONS["input"]])
        while not CLOSING.is_set():
            found = consumer.poll(100, max_records=batch_max())
            if not found:
                continue
            producer.begin_transaction()
            sent = [producer.send(OPTIONS["output"], m.value, m.key) for messages in found.values() for m in messages]
            offsets = {p: OffsetAndMetadata(messages[-1].offset + 1, "", -1) for p, messages in found.items()}
            producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
            if aborts():
                producer.abort_transaction()
                tell("aborted", count=len(sent))
                return
            producer.commit_transaction()
            tell("committed", count=len(sent))
    except BaseException:
        try:
            producer.abort_transaction()
        except Exception:
            pass  # as above
        raise
    finally:
        producer.close(timeout=1)
        if consumer is not None:
            consumer.close()


async def aiokafka_round():
    import aiokafka

    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=OPTIONS["bootstrap"],
        transactional_id=OPTIONS["id"],
        transaction_timeout_ms=TIMEOUT_MS,
        retry_backoff_ms=50,
    )
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=OPTIONS["bootstrap"],
        group_id=OPTIONS["group"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        retry_backoff_ms=50,
    )
    started = []
    try:
        await asyncio.wait_for(producer.start(), 30)
        started.append(producer)
        consumer.assign([aiokafka.TopicPartition(OPTIONS["input"], n) for n in OPTIONS["partitions"]])
        await asyncio.wait_for(consumer.start(), 30)
        started.append(consumer)
        while not CLOSING.is_set():
            found = await consumer.getmany(timeout_ms=100, max_records=batch_max())
            if not found:
                continue
            await producer.begin_transaction()
            sent = [
                await producer.send(OPTIONS["output"], m.value, m.key) for messages in found.values() for m in messages
            ]
            offsets = {p: messages[-1].offset + 1 for p, messages in found.items()}
            await asyncio.wait_for(producer.send_offsets_to_transaction(offsets, OPTIONS["group"]), 20)
            if aborts():
                await asyncio.wait_for(producer.abort_transaction(), 20)
                tell("aborted", count=len(sent))
                return
            await asyncio.wait_for(producer.commit_transaction(), 20)
            for future in sent:
                await future
            tell("committed", count=len(sent))
    finally:
        # A transaction that is still open is aborted by the next producer with this id.
        for client in reversed(started):
            try:
                await asyncio.wait_for(client.stop(), 5)
            except (Exception, asyncio.CancelledError):
                pass


threading.Thread(target=listen, daemon=True).start()
tell("started")
while not CLOSING.is_set():
    try:
        match OPTIONS["client"]:
            case "confluent":
                confluent_round()
            case "kafka-python":
                kafka_python_round()
            case "aiokafka":
                asyncio.run(aiokafka_round())
    except Exception as error:
        tell("failed", error=type(error).__name__, message=str(error)[:300])
        time.sleep(0.1)
tell("closed")
