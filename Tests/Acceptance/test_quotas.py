"""Quotas: set and read by Kafka's admin client and the command line, felt by real producers, consumers and others.

The clients here do not say who they are: their user is ANONYMOUS.
"""

import base64
import socket
import uuid

import confluent_kafka
import kafka
import pytest
from confluent_kafka.admin import NewTopic

from clients import Confluent, Record, admin, create_topic, end_offset
from groups_wire import find_coordinator
from jvm import JavaError
from process import free_port, wait_until
from share_wire import share_fetch, share_heartbeat
from test_cli import call
from test_operations import Admin
from wire import Connection

# A short memory: of a burst no more than a second is free, so that tests need few bytes.
SHORT = {"quota.window.num": "2"}
RATE = 20_000
SIZE = 5_000
COUNT = 8
VALUE = b"x" * SIZE


def alter(java, broker, entity, validate_only=False, **quotas):
    java.call("alterQuotas", broker.address, entity=entity, quotas=quotas, validateOnly=validate_only)


def described(java, broker, **wanted):
    found = java.call("describeQuotas", broker.address, **wanted)
    return {tuple(sorted(one["entity"].items())): one["quotas"] for one in found}


def entity(**parts):
    return tuple(sorted((name.replace("_", "-"), value) for name, value in parts.items()))


def test_quotas_of_the_admin_client(broker, java):
    assert described(java, broker) == {}
    alter(java, broker, {"user": "ann"}, producer_byte_rate=1000, request_percentage=12.5)
    alter(java, broker, {"user": "ann", "client-id": "app"}, consumer_byte_rate=2000)
    alter(java, broker, {"user": None}, controller_mutation_rate=0.5)
    alter(java, broker, {"client-id": None}, producer_byte_rate=3000)
    alter(java, broker, {"ip": "10.0.0.7"}, connection_creation_rate=5)
    alter(java, broker, {"ip": None}, connection_creation_rate=50)
    every = {
        entity(user="ann"): {"producer_byte_rate": 1000, "request_percentage": 12.5},
        entity(user="ann", client_id="app"): {"consumer_byte_rate": 2000},
        entity(user=None): {"controller_mutation_rate": 0.5},
        entity(client_id=None): {"producer_byte_rate": 3000},
        entity(ip="10.0.0.7"): {"connection_creation_rate": 5},
        entity(ip=None): {"connection_creation_rate": 50},
    }
    assert described(java, broker) == every

    def only(**wanted):
        return set(described(java, broker, **wanted))

    assert only(entity={"user": "ann"}) == {entity(user="ann"), entity(user="ann", client_id="app")}
    assert only(entity={"user": "ann"}, strict=True) == {entity(user="ann")}
    assert only(entity={"user": None}) == {entity(user=None)}
    assert only(types=["user"]) == {entity(user="ann"), entity(user="ann", client_id="app"), entity(user=None)}
    assert only(entity={"user": "ann"}, types=["client-id"]) == {entity(user="ann", client_id="app")}
    assert only(types=["ip"], strict=True) == {entity(ip="10.0.0.7"), entity(ip=None)}
    assert only(entity={"user": "bob"}) == set()

    alter(java, broker, {"user": "ann"}, validate_only=True, producer_byte_rate=7)
    assert described(java, broker) == every, "nothing is changed by a trial"
    alter(java, broker, {"user": "ann"}, producer_byte_rate=None, request_percentage=25)
    alter(java, broker, {"ip": "10.0.0.7"}, connection_creation_rate=None)
    assert described(java, broker, entity={"user": "ann"}, strict=True) == {
        entity(user="ann"): {"request_percentage": 25}
    }
    assert only(types=["ip"]) == {entity(ip=None)}


@pytest.mark.parametrize(
    ("whom", "quotas", "words"),
    [
        ({}, {"producer_byte_rate": 1}, "Invalid empty client quota entity"),
        ({"group": "g"}, {"producer_byte_rate": 1}, "Unhandled client quota entity type"),
        ({"user": ""}, {"producer_byte_rate": 1}, "Empty user not supported"),
        ({"user": "a", "ip": "10.0.0.1"}, {"producer_byte_rate": 1}, "should not be combined"),
        ({"ip": "not-an-address"}, {"connection_creation_rate": 1}, "not a valid IP"),
        ({"user": "a"}, {"connection_creation_rate": 1}, "Invalid configuration key"),
        ({"ip": "10.0.0.1"}, {"producer_byte_rate": 1}, "Invalid configuration key"),
        ({"user": "a"}, {"producer_byte_rate": 0}, "greater than 0"),
        ({"user": "a"}, {"producer_byte_rate": 1.5}, "fractional"),
    ],
)
def test_what_means_nothing_is_refused(shared_broker, java, whom, quotas, words):
    for trial in (True, False):
        with pytest.raises(JavaError) as caught:
            alter(java, shared_broker, whom, trial, **quotas)
        assert caught.value.type == "InvalidRequestException"
        assert words in caught.value.text


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill -9"])
def test_quotas_survive(make_broker, java, kill):
    broker = make_broker(SHORT)
    create_topic(broker.address, "t")
    for number in range(20):
        alter(java, broker, {"user": f"user-{number}"}, producer_byte_rate=number + 1)
    alter(java, broker, {"user": "user-7"}, producer_byte_rate=None)
    alter(java, broker, {"user": "ANONYMOUS"}, producer_byte_rate=RATE)
    before = described(java, broker)
    assert len(before) == 20
    broker.restart(kill=kill)
    assert described(java, broker) == before
    assert confluent_produce(broker, "t") > 0, "they are in force again"


# -- bytes -----------------------------------------------------------------------------------------------------------


def confluent_produce(broker, topic, count=COUNT, **properties):
    """Produces records, each with a request of its own, and returns the longest time that the client was told."""
    times = []
    failures = []
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": broker.address, "batch.num.messages": 1, "linger.ms": 0,
            "throttle_cb": lambda event: times.append(event.throttle_time), **properties,
        }
    )  # fmt: skip
    for _ in range(count):
        producer.produce(topic, VALUE, partition=0, on_delivery=lambda error, _: failures.append(error) if error else 0)
    assert producer.flush(60) == 0
    assert not failures
    return max(times, default=0)


def confluent_consume(broker, topic, count=COUNT):
    times = []
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address, "group.id": "unused",
            "throttle_cb": lambda event: times.append(event.throttle_time),
        }
    )  # fmt: skip
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    try:
        found = 0
        while found < count:
            message = consumer.poll(0.2)
            if message is not None:
                assert not message.error()
                found += 1
        return max(times, default=0)
    finally:
        consumer.close()


def python_produce(broker, topic):
    producer = kafka.KafkaProducer(
        bootstrap_servers=broker.address, batch_size=0, request_timeout_ms=60_000, delivery_timeout_ms=90_000
    )
    try:
        for _ in range(COUNT):
            producer.send(topic, VALUE, partition=0).get(60)
        return max(0, producer.metrics()["producer-metrics"]["throttle-time-max"])
    finally:
        producer.close(5)


def java_produce(java, broker, topic):
    return java.call("produceUnderQuota", broker.address, topic=topic, count=COUNT, size=SIZE)["throttle"]


@pytest.mark.parametrize("name", ["confluent", "kafka-python", "java"])
def test_producers_are_told_and_held_up(make_broker, java, name):
    broker = make_broker(SHORT)
    create_topic(broker.address, "t")

    def produce():
        if name == "java":
            return java_produce(java, broker, "t")
        return confluent_produce(broker, "t") if name == "confluent" else python_produce(broker, "t")

    assert produce() == 0
    alter(java, broker, {"user": "ANONYMOUS"}, producer_byte_rate=RATE)
    assert produce() > 0
    # Every record has arrived, none twice.
    assert len(Confluent().consume(broker.address, "t", 2 * COUNT)) == 2 * COUNT
    alter(java, broker, {"user": "ANONYMOUS"}, producer_byte_rate=None)
    assert produce() == 0


@pytest.mark.parametrize("name", ["confluent", "java"])
def test_consumers_are_told_and_held_up(make_broker, java, name):
    broker = make_broker(SHORT)
    create_topic(broker.address, "t")
    Confluent().produce(broker.address, "t", [Record(VALUE) for _ in range(COUNT)], properties={"batch.num.messages": 1})

    def consume():
        if name == "confluent":
            return confluent_consume(broker, "t")
        found = java.call("consumeUnderQuota", broker.address, topic="t", count=COUNT)
        assert found["count"] == COUNT
        return found["throttle"]

    assert consume() == 0
    alter(java, broker, {"client-id": None}, consumer_byte_rate=RATE)
    assert consume() > 0


def test_members_of_share_groups_are_told_and_held_up(make_broker, java):
    """What they get counts as what consumers get; what they are not told of counts neither as read nor as delivered."""
    port = free_port()
    broker = make_broker(SHORT, flags=["--admin", f"127.0.0.1:{port}"])
    find_coordinator(broker.address)
    topic, member = create_topic(broker.address, "t"), str(uuid.uuid4())
    Confluent().produce(broker.address, topic, [Record(VALUE)] * COUNT, properties={"batch.num.messages": 1})
    earliest = [["SET", "share.auto.offset.reset", "earliest"]]
    java.call("alterConfigs", broker.address, type="GROUP", name="g", operations=earliest)
    described = java.call("describeTopic", broker.address, topic=topic)
    topic_id = uuid.UUID(bytes=base64.urlsafe_b64decode(described["id"] + "=="))
    alter(java, broker, {"client-id": None}, consumer_byte_rate=RATE)
    with Connection(broker.address) as connection:
        connection.socket.settimeout(60)
        assert share_heartbeat(connection, "g", member, 0, [topic])[0] == 0
        found, throttles, epoch = [], [], 0
        while len(found) < COUNT:
            options = {"max_records": 2, "mode": 1, "max_wait": 500, "min_bytes": 1}
            answer = share_fetch(connection, "g", member, epoch, [(topic_id, 0, [])], **options)
            assert answer.error == 0
            throttles.append(answer.throttle_ms)
            assert not (answer.throttle_ms and answer.parts), "who is held up gets nothing"
            for part in answer.parts.values():
                assert part.error == 0
                found += [(n, count) for first, last, count in part.acquired for n in range(first, last + 1)]
            epoch += 1
        assert found == [(number, 1) for number in range(COUNT)]
        assert max(throttles) > 0
        metrics = Admin(port).metrics()
        assert metrics['swiftwater_quota_throttles_total{quota="consumer_byte_rate"}'] > 0
        assert metrics["swiftwater_fetched_records_total"] == COUNT
        assert metrics["swiftwater_fetched_bytes_total"] > COUNT * SIZE


@pytest.mark.parametrize(
    "leaves, properties", [(False, {}), (True, {}), (False, {"connections.max.idle.ms": "300"})], ids=["stays", "leaves", "idle"])
def test_a_producer_without_answers_loses_nothing(make_broker, java, leaves, properties):
    """What it had sent counts, also when it ends its connection while it is held up; and who is held up is not idle."""
    broker = make_broker({**SHORT, **properties})
    create_topic(broker.address, "t")
    alter(java, broker, {"user": "ANONYMOUS"}, producer_byte_rate=RATE)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "acks": 0, "batch.num.messages": 1})
    for _ in range(COUNT):
        producer.produce("t", VALUE, partition=0)
    assert producer.flush(60) == 0
    if leaves:
        del producer
    wait_until(lambda: end_offset(broker.address, "t")[1] == COUNT, 60, "all records are there")


def test_the_most_specific_quota_counts(make_broker, java):
    broker = make_broker(SHORT)
    create_topic(broker.address, "t")
    alter(java, broker, {"client-id": "app"}, producer_byte_rate=RATE)
    alter(java, broker, {"user": "ANONYMOUS", "client-id": "free"}, producer_byte_rate=10**9)
    alter(java, broker, {"user": None}, producer_byte_rate=10**9)
    assert confluent_produce(broker, "t", **{"client.id": "app"}) == 0, "the user goes before the client id"
    alter(java, broker, {"user": None}, producer_byte_rate=RATE)
    assert confluent_produce(broker, "t", **{"client.id": "other"}) > 0
    assert confluent_produce(broker, "t", **{"client.id": "free"}) == 0


# -- requests, topics, connections -----------------------------------------------------------------------------------


def test_time_of_requests(make_broker, java):
    port = free_port()
    broker = make_broker(SHORT, flags=["--admin", f"127.0.0.1:{port}"])
    create_topic(broker.address, "t")
    alter(java, broker, {"client-id": "busy"}, request_percentage=0.0001)
    assert confluent_produce(broker, "t", 2, **{"client.id": "busy"}) > 0
    metrics = Admin(port).metrics()
    assert metrics['swiftwater_quota_throttles_total{quota="request_percentage"}'] > 0
    assert metrics['swiftwater_quota_throttle_seconds_total{quota="request_percentage"}'] > 0
    assert metrics["swiftwater_quota_sensors"] > 0
    assert metrics["swiftwater_quota_throttled_connections"] >= 0


def test_topics_over_a_quota_are_refused(make_broker, java):
    broker = make_broker({"controller.quota.window.num": "2"})
    alter(java, broker, {"user": "ANONYMOUS"}, controller_mutation_rate=0.001)
    java.call("createTopicAtOnce", broker.address, topic="a", partitions=3)
    with pytest.raises(JavaError) as caught:
        java.call("createTopicAtOnce", broker.address, topic="b", partitions=1)
    assert caught.value.type == "ThrottlingQuotaExceededException"
    client = admin(broker.address)
    # librdkafka's version of the request cannot tell: the topic is made, and that client held up for an hour. Others are not.
    client.create_topics([NewTopic("c", 1, 1)], request_timeout=15)["c"].result(30)
    assert {"b", "c"} & set(admin(broker.address).list_topics(timeout=20).topics) == {"c"}
    alter(java, broker, {"user": "ANONYMOUS"}, controller_mutation_rate=None)
    java.call("createTopicAtOnce", broker.address, topic="b", partitions=1)


def test_connections_of_an_address(make_broker, java):
    broker = make_broker(SHORT)
    alter(java, broker, {"ip": "127.0.0.1"}, connection_creation_rate=3)
    alter(java, broker, {"ip": "10.0.0.7"}, connection_creation_rate=1)
    sockets = [socket.create_connection(("127.0.0.1", broker.port), 20) for _ in range(12)]
    for each in sockets:
        each.settimeout(0.1)

    def closed(each):
        try:
            return each.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    wait_until(lambda: any([closed(each) for each in sockets]), what="a connection over the quota is closed")
    for each in sockets:
        each.close()
    # Who is patient gets in.
    assert admin(broker.address).list_topics(timeout=60).brokers


def test_settings_are_described(make_broker, java):
    broker = make_broker({"quota.window.num": "5", "quota.window.size.seconds": "2"})
    found = java.call("describeConfigs", broker.address, type="BROKER", name="1")
    assert found["quota.window.num"]["value"] == "5"
    assert found["quota.window.num"]["readOnly"]
    assert found["quota.window.size.seconds"]["value"] == "2"
    assert found["controller.quota.window.num"]["value"] == "11"
    assert not found["max.connection.creation.rate"]["readOnly"]


# -- command line ----------------------------------------------------------------------------------------------------


def test_the_command_line(broker):
    def quota(*arguments):
        return call("quota", *arguments, "-b", broker.address)

    done = quota("set", "--user", "ann", "--producer-byte-rate", "1048576", "--request-percentage", "12.5")
    assert done.code == 0, done.err
    assert quota("set", "--user", "default", "--client-id", "app", "--consumer-byte-rate", "2048").code == 0
    assert quota("set", "--user", "=default", "--consumer-byte-rate", "7").code == 0
    assert quota("set", "--ip", "10.0.0.7", "--connection-creation-rate", "10").code == 0
    table = [line.split() for line in quota("list").out.splitlines()]
    assert table == [
        ["USER", "CLIENT-ID", "IP", "QUOTA", "VALUE"],
        ["default", "app", "-", "consumer_byte_rate", "2048"],
        ["ann", "-", "-", "producer_byte_rate", "1048576"],
        ["ann", "-", "-", "request_percentage", "12.5"],
        ["=default", "-", "-", "consumer_byte_rate", "7"],
        ["-", "-", "10.0.0.7", "connection_creation_rate", "10"],
    ]
    assert quota("list", "--user", "ann", "-o", "json").json == [
        {"entity": {"user": "ann"}, "quotas": {"producer_byte_rate": 1048576, "request_percentage": 12.5}}
    ]
    assert quota("list", "--user", "default", "-o", "json").json == [
        {"entity": {"client-id": "app", "user": None}, "quotas": {"consumer_byte_rate": 2048}}
    ]
    assert quota("remove", "--user", "ann", "--quota", "request_percentage").out.startswith("removed 1 quota")
    assert quota("remove", "--user", "ann").code == 0
    gone = quota("remove", "--user", "ann")
    assert gone.code == 1 and "no such quota of user 'ann'" in gone.err and "quota list" in gone.err
    refused = quota("set", "--ip", "nowhere", "--connection-creation-rate", "1")
    assert refused.code == 1 and "not a valid IP" in refused.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "--producer-byte-rate", "1"], "name --user, --client-id or --ip"),
        (["set", "--user", "ann"], "say what to set"),
        (["set", "--user", "ann", "--connection-creation-rate", "1"], "no quota of users and client ids"),
        (["set", "--ip", "10.0.0.1", "--user", "ann", "--producer-byte-rate", "1"], "--ip stands alone"),
        (["set", "--user", "ann", "--producer-byte-rate", "0"], "more than 0"),
        (["remove", "--user", "ann", "--quota", "producer_byte_rat"], "did you mean 'producer_byte_rate'"),
        (["remove"], "name --user, --client-id or --ip"),
    ],
)
def test_command_lines_that_mean_nothing(arguments, words):
    done = call("quota", *arguments)
    assert done.code == 64
    assert words in done.err
