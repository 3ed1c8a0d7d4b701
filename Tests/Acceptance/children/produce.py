"""A producer as a process of its own, so that it can be killed: NAME:0, NAME:1, ... at a steady rate.

    produce.py '{"client": "confluent", "bootstrap": "...", "topic": "t", "partitions": 4, "name": "p", "rate": 100}'

Without "transactions" it is idempotent: record n goes to partition n % partitions, events are `acknowledged` with
numbers and `failed`. With "transactions" (a transactional id) records go in transactions of five, of which each fourth
is aborted on purpose; events are `committed`, `aborted` and `unknown` with the numbers of one transaction. After a
failure the client is made anew. With "keys" records have the keys 0 ..< keys in turn and now and then no value.
"""

import asyncio
import json
import random
import sys
import threading
import time

OPTIONS = json.loads(sys.argv[1])
CLOSING = threading.Event()
NAME, TOPIC, PARTITIONS = OPTIONS["name"], OPTIONS["topic"], OPTIONS["partitions"]
RANDOM = random.Random(NAME)
TICK = 0.05
PER_TICK = max(1, int(OPTIONS["rate"] * TICK))
UNACKNOWLEDGED_MAX = 2000
next_number = 0


def tell(event, **fields):
    sys.stdout.write(json.dumps({"event": event, "at": time.monotonic(), **fields}) + "\n")
    sys.stdout.flush()


def listen():
    for _ in sys.stdin:
        break
    CLOSING.set()


def record(number):
    """(partition, key, value)"""
    if not OPTIONS.get("keys"):
        return number % PARTITIONS, None, f"{NAME}:{number}".encode()
    key = number % OPTIONS["keys"]
    deleted = (number // OPTIONS["keys"]) % 7 == 6 and key % 3 == 0
    return key % PARTITIONS, str(key).encode(), None if deleted else f"{NAME}:{number}".encode()


class Reports:
    """What deliveries brought since the last tick."""

    def __init__(self):
        self.numbers, self.lock, self.open = [], threading.Lock(), 0

    def done(self, number, error):
        with self.lock:
            self.open -= 1
            if error is None:
                self.numbers.append(number)
        if error is not None:
            tell("failed", number=number, error=str(error)[:200])

    def tell(self):
        with self.lock:
            numbers, self.numbers = self.numbers, []
        if numbers:
            tell("acknowledged", numbers=numbers)


def make_confluent():
    import confluent_kafka

    settings = {
        "bootstrap.servers": OPTIONS["bootstrap"],
        "linger.ms": 5,
        "compression.type": OPTIONS.get("codec", "none"),
        "message.timeout.ms": 180_000,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 500,
        "log_level": 2,
        "enable.idempotence": True,
    }
    if OPTIONS.get("transactions"):
        settings |= {
            "transactional.id": OPTIONS["transactions"],
            "transaction.timeout.ms": 20_000,
            "message.timeout.ms": 15_000,
            "metadata.recovery.strategy": "none",  # see transact.py
        }
    producer = confluent_kafka.Producer(settings)
    if OPTIONS.get("transactions"):
        producer.init_transactions(60)
    return producer


def make_kafka_python():
    import kafka

    settings = {}
    if OPTIONS.get("transactions"):
        settings = {"transactional_id": OPTIONS["transactions"], "transaction_timeout_ms": 20_000}
    producer = kafka.KafkaProducer(
        bootstrap_servers=OPTIONS["bootstrap"],
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        compression_type=None if OPTIONS.get("codec", "none") == "none" else OPTIONS["codec"],
        delivery_timeout_ms=180_000,
        request_timeout_ms=30_000,
        reconnect_backoff_ms=20,
        reconnect_backoff_max_ms=500,
        retry_backoff_ms=50,
        max_block_ms=60_000,
        **settings,
    )
    if OPTIONS.get("transactions"):
        producer.init_transactions()
    return producer


def run_threads():
    """confluent and kafka-python, idempotent."""
    global next_number
    confluent = OPTIONS["client"] == "confluent"
    producer = make_confluent() if confluent else make_kafka_python()
    reports = Reports()
    while not CLOSING.wait(TICK):
        for _ in range(PER_TICK):
            if reports.open >= UNACKNOWLEDGED_MAX:
                break
            number = next_number
            partition, key, value = record(number)
            with reports.lock:
                reports.open += 1
            next_number += 1
            if confluent:
                producer.produce(
                    TOPIC,
                    value,
                    key,
                    partition=partition,
                    on_delivery=lambda error, _, number=number: reports.done(number, error),
                )
            else:
                future = producer.send(TOPIC, value, key, partition=partition)
                future.add_callback(lambda _, number=number: reports.done(number, None))
                future.add_errback(lambda error, number=number: reports.done(number, error))
        if confluent:
            producer.poll(0)
        reports.tell()
    producer.flush(90)
    if not confluent:
        producer.close(timeout=30)
    time.sleep(0.1)
    reports.tell()


async def run_aiokafka():
    global next_number
    import aiokafka

    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=OPTIONS["bootstrap"],
        enable_idempotence=True,
        linger_ms=5,
        compression_type=None if OPTIONS.get("codec", "none") == "none" else OPTIONS["codec"],
        request_timeout_ms=180_000,
        retry_backoff_ms=50,
    )
    await producer.start()
    reports, waiting = Reports(), set()

    def done(future, number):
        waiting.discard(future)
        reports.done(number, future.exception())

    while not CLOSING.is_set():
        await asyncio.sleep(TICK)
        for _ in range(PER_TICK):
            if reports.open >= UNACKNOWLEDGED_MAX:
                break
            number = next_number
            partition, key, value = record(number)
            reports.open += 1
            next_number += 1
            future = await producer.send(TOPIC, value, key, partition=partition)
            waiting.add(future)
            future.add_done_callback(lambda future, number=number: done(future, number))
        reports.tell()
    await asyncio.wait_for(producer.stop(), 90)
    reports.tell()


def run_transactions():
    """confluent and kafka-python, in transactions, until one fails."""
    global next_number
    confluent = OPTIONS["client"] == "confluent"
    producer = make_confluent() if confluent else make_kafka_python()
    pause = 5 / OPTIONS["rate"]
    while not CLOSING.wait(pause):
        numbers = list(range(next_number, next_number + 5))
        next_number += 5
        commits = RANDOM.randrange(4) != 0
        try:
            producer.begin_transaction()
            sent = []
            for number in numbers:
                partition, key, value = record(number)
                if confluent:
                    producer.produce(TOPIC, value, key, partition=partition)
                else:
                    sent.append(producer.send(TOPIC, value, key, partition=partition))
            if confluent:
                producer.commit_transaction(60) if commits else producer.abort_transaction(60)
            else:
                producer.commit_transaction() if commits else producer.abort_transaction()
                if commits:
                    for future in sent:
                        future.get(10)
        except Exception as error:
            tell("unknown" if commits else "aborted", numbers=numbers, error=f"{type(error).__name__}: {error}"[:200])
            if not confluent:
                producer.close(timeout=1)
            return
        tell("committed" if commits else "aborted", numbers=numbers)


threading.Thread(target=listen, daemon=True).start()
tell("started")
if OPTIONS.get("transactions"):
    while not CLOSING.is_set():
        try:
            run_transactions()
        except Exception as error:
            tell("retry", error=f"{type(error).__name__}: {error}"[:200])
            time.sleep(0.2)
elif OPTIONS["client"] == "aiokafka":
    asyncio.run(run_aiokafka())
else:
    run_threads()
tell("closed", sent=next_number)
