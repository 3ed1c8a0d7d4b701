"""One member of a consumer group as a process of its own, so that it can be stopped, frozen and killed.

    member.py '{"client": "confluent", "bootstrap": "...", "group": "g", "topics": ["t"], ...}'

Events leave as JSON lines on standard output: `assigned`, `revoked` and `lost` with partitions, `records`, `failed`,
`closed`. Commands come as JSON lines on standard input: {"do": "close"}, {"do": "stall", "seconds": 9} (stops polling).
Member.java is the same for the Java client; the options are listed in members.py.
"""

import asyncio
import json
import logging
import sys
import threading
import time

OPTIONS = json.loads(sys.argv[1])
STATE = {"closing": False, "stall": 0.0}


def tell(event, **fields):
    sys.stdout.write(json.dumps({"event": event, "at": time.monotonic(), **fields}) + "\n")
    sys.stdout.flush()


def listen():
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "stall":
            STATE["stall"] = command["seconds"]
        else:
            STATE["closing"] = True
    STATE["closing"] = True


def pairs(partitions):
    return sorted([p.topic, p.partition] for p in partitions)


def take_stall():
    seconds, STATE["stall"] = STATE["stall"], 0.0
    return seconds


def text(value):
    return None if value is None else value.decode(errors="replace")


def run_confluent():
    import confluent_kafka

    eager = OPTIONS.get("assignor", "range") != "cooperative-sticky"
    settings = {
        "bootstrap.servers": OPTIONS["bootstrap"],
        "group.id": OPTIONS["group"],
        "auto.offset.reset": OPTIONS["reset"],
        "enable.auto.commit": OPTIONS["commit"] == "auto",
        "auto.commit.interval.ms": 200,
        "isolation.level": OPTIONS["isolation"],
        "topic.metadata.refresh.interval.ms": 1000,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "log_level": 2,
    }
    if OPTIONS["protocol"] == "consumer":
        settings["group.protocol"] = "consumer"
        if OPTIONS.get("assignor"):
            settings["group.remote.assignor"] = OPTIONS["assignor"]
        eager = False
    else:
        settings |= {
            "partition.assignment.strategy": OPTIONS.get("assignor", "range"),
            "session.timeout.ms": OPTIONS["sessionMs"],
            "heartbeat.interval.ms": OPTIONS["heartbeatMs"],
        }
    settings["max.poll.interval.ms"] = OPTIONS["pollMaxMs"]
    if OPTIONS.get("instance"):
        settings["group.instance.id"] = OPTIONS["instance"]
    consumer = confluent_kafka.Consumer(settings)

    def assigned(consumer, partitions):
        consumer.assign(partitions) if eager else consumer.incremental_assign(partitions)
        tell("assigned", partitions=pairs(partitions))

    def revoked(consumer, partitions):
        if OPTIONS["commit"] == "each":
            try:
                consumer.commit(asynchronous=False)
            except confluent_kafka.KafkaException:
                pass  # nothing to commit, or the member is no longer one: its records come again
        tell("revoked", partitions=pairs(partitions))
        consumer.unassign() if eager else consumer.incremental_unassign(partitions)

    def lost(consumer, partitions):
        tell("lost", partitions=pairs(partitions))
        consumer.unassign() if eager else consumer.incremental_unassign(partitions)

    topics = ["^" + OPTIONS["regex"]] if OPTIONS.get("regex") else OPTIONS["topics"]
    consumer.subscribe(topics, on_assign=assigned, on_revoke=revoked, on_lost=lost)
    tell("subscribed")
    while not STATE["closing"]:
        time.sleep(take_stall())
        messages = consumer.consume(500, 0.1)
        for message in messages:
            if message.error():
                tell("failed", error=message.error().name(), message=message.error().str())
        records = [[m.topic(), m.partition(), m.offset(), text(m.value())] for m in messages if not m.error()]
        if records:
            tell("records", records=records)
            if OPTIONS["commit"] == "each":
                try:
                    consumer.commit(asynchronous=False)
                except confluent_kafka.KafkaException as error:
                    tell("failed", error=error.args[0].name(), message="commit")
    consumer.close()


def run_kafka_python():
    import kafka
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

    class Listener(kafka.ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned):
            tell("assigned", partitions=pairs(assigned))

        def on_partitions_revoked(self, revoked):
            tell("revoked", partitions=pairs(revoked))

        def on_partitions_lost(self, lost):
            tell("lost", partitions=pairs(lost))

    strategy = {
        "range": RangePartitionAssignor,
        "roundrobin": RoundRobinPartitionAssignor,
        "cooperative-sticky": CooperativeStickyAssignor,
    }[OPTIONS.get("assignor", "range")]
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=OPTIONS["bootstrap"],
        group_id=OPTIONS["group"],
        group_instance_id=OPTIONS.get("instance"),
        partition_assignment_strategy=(strategy,),
        auto_offset_reset=OPTIONS["reset"],
        enable_auto_commit=OPTIONS["commit"] == "auto",
        auto_commit_interval_ms=200,
        session_timeout_ms=OPTIONS["sessionMs"],
        heartbeat_interval_ms=OPTIONS["heartbeatMs"],
        max_poll_interval_ms=OPTIONS["pollMaxMs"],
        isolation_level=OPTIONS["isolation"],
        metadata_max_age_ms=1000,
        reconnect_backoff_ms=20,
        reconnect_backoff_max_ms=200,
        retry_backoff_ms=50,
    )
    if OPTIONS.get("regex"):
        consumer.subscribe(pattern=OPTIONS["regex"], listener=Listener())
    else:
        consumer.subscribe(OPTIONS["topics"], listener=Listener())
    tell("subscribed")
    while not STATE["closing"]:
        time.sleep(take_stall())
        # A poll that times out while JoinGroup is under way loses its answer for good (3.0.12), so it gets time.
        try:
            found = consumer.poll(1000)
        except kafka.errors.KafkaConnectionError:
            # The broker is away: the client's own loop should try again.
            time.sleep(0.1)
            continue
        records = [[m.topic, m.partition, m.offset, text(m.value)] for batch in found.values() for m in batch]
        if records:
            tell("records", records=records)
            if OPTIONS["commit"] == "each":
                try:
                    consumer.commit()
                except kafka.errors.KafkaError as error:
                    tell("failed", error=type(error).__name__, message=f"commit: {error}")
    consumer.close()


async def run_aiokafka():
    import aiokafka
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

    class Listener(aiokafka.ConsumerRebalanceListener):
        async def on_partitions_assigned(self, assigned):
            tell("assigned", partitions=pairs(assigned))

        async def on_partitions_revoked(self, revoked):
            tell("revoked", partitions=pairs(revoked))

    strategy = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=OPTIONS["bootstrap"],
        group_id=OPTIONS["group"],
        group_instance_id=OPTIONS.get("instance"),
        partition_assignment_strategy=(strategy[OPTIONS.get("assignor", "range")],),
        auto_offset_reset=OPTIONS["reset"],
        enable_auto_commit=OPTIONS["commit"] == "auto",
        auto_commit_interval_ms=200,
        session_timeout_ms=OPTIONS["sessionMs"],
        heartbeat_interval_ms=OPTIONS["heartbeatMs"],
        max_poll_interval_ms=OPTIONS["pollMaxMs"],
        isolation_level=OPTIONS["isolation"],
        metadata_max_age_ms=1000,
        retry_backoff_ms=50,
    )
    if OPTIONS.get("regex"):
        consumer.subscribe(pattern=OPTIONS["regex"], listener=Listener())
    else:
        consumer.subscribe(OPTIONS["topics"], listener=Listener())
    tell("subscribed")
    await consumer.start()
    while not STATE["closing"]:
        time.sleep(take_stall())  # blocks the event loop, as a careless program does
        found = await consumer.getmany(timeout_ms=100)
        records = [[m.topic, m.partition, m.offset, text(m.value)] for batch in found.values() for m in batch]
        if records:
            tell("records", records=records)
            if OPTIONS["commit"] == "each":
                try:
                    await consumer.commit()
                except aiokafka.errors.KafkaError as error:
                    tell("failed", error=type(error).__name__, message=f"commit: {error}")
    await consumer.stop()


if OPTIONS.get("debug"):
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(message)s")
threading.Thread(target=listen, daemon=True).start()
match OPTIONS["client"]:
    case "confluent":
        run_confluent()
    case "kafka-python":
        run_kafka_python()
    case "aiokafka":
        asyncio.run(run_aiokafka())
tell("closed")
