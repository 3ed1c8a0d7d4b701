"""Who may do what: rules of a broker with an authorizer, as real clients meet them.

The clients here do not say who they are, so that the rules are about User:ANONYMOUS.
"""

import time

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from clients import Confluent, Record, admin, create_topic
from jvm import JavaError
from process import free_port, wait_until
from registry import Http, RegistryBroker, record
from test_cli import call
from test_operations import Admin

STANDARD = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
OPEN = {"authorizer.class.name": STANDARD, "super.users": "User:admin;User:ANONYMOUS"}
STRICT = {"authorizer.class.name": STANDARD, "super.users": "User:admin"}
CLIENTS = ("confluent", "kafka-python", "aiokafka", "kcat", "java")
PROTOCOLS = ("classic", "consumer")


def rule(operation, kind, name, principal="User:ANONYMOUS", permission="ALLOW", pattern="LITERAL", host="*"):
    return AclBinding(
        ResourceType[kind], name, ResourcePatternType[pattern], principal, host, AclOperation[operation],
        AclPermissionType[permission],
    )  # fmt: skip


def matching(kind="ANY", name=None, pattern="ANY", principal=None, host=None, operation="ANY", permission="ANY"):
    return AclBindingFilter(
        ResourceType[kind], name, ResourcePatternType[pattern], principal, host, AclOperation[operation],
        AclPermissionType[permission],
    )  # fmt: skip


def add(broker, *rules):
    client = admin(broker.address)  # its futures end with it
    for future in client.create_acls(list(rules), request_timeout=15).values():
        future.result(30)


def found(broker, **wanted):
    client = admin(broker.address)
    return set(client.describe_acls(matching(**wanted), request_timeout=15).result(30))


@pytest.fixture
def guarded(make_broker):
    """A broker that has `topics` and `rules`, and then asks everybody: `guarded(rules, topics)`."""

    def make(rules=(), topics=()):
        broker = make_broker(OPEN)
        for topic in topics:
            create_topic(broker.address, topic)
        if rules:
            add(broker, *rules)
        broker.stop()
        broker.properties = dict(STRICT)
        return broker.start()

    return make


def denied(error, code):
    """Whether an exception of any client says that something is not permitted."""
    text = f"{type(error).__name__} {error}".lower()
    return code in text.replace("_", "").replace(" ", "")


def test_rules_of_the_admin_client(make_broker):
    broker = make_broker(OPEN)
    client = admin(broker.address)
    rules = [
        rule("READ", "TOPIC", "ratings"),
        rule("WRITE", "TOPIC", "rat", pattern="PREFIXED"),
        rule("ALL", "TOPIC", "*", principal="User:bob", permission="DENY", host="10.0.0.7"),
        rule("READ", "GROUP", "billing"),
        rule("ALTER", "BROKER", "kafka-cluster"),
        rule("WRITE", "TRANSACTIONAL_ID", "mover"),
    ]
    add(broker, *rules)
    add(broker, *rules)
    assert found(broker) == set(rules), "a rule that is there already is not made again"
    assert found(broker, kind="TOPIC") == set(rules[:3])
    assert found(broker, kind="TOPIC", name="ratings", pattern="LITERAL") == {rules[0]}
    assert found(broker, kind="TOPIC", name="ratings", pattern="MATCH") == set(rules[:3])
    assert found(broker, principal="User:bob") == {rules[2]}
    assert found(broker, host="10.0.0.7") == {rules[2]}
    assert found(broker, operation="WRITE") == {rules[1], rules[5]}
    for wrong in (rule("READ", "BROKER", "other"), rule("READ", "TOPIC", "ratings", principal="ann")):
        with pytest.raises(KafkaException) as caught:
            client.create_acls([wrong], request_timeout=15)[wrong].result(30)
        assert caught.value.args[0].code() == KafkaError.INVALID_REQUEST
    wanted = matching(kind="TOPIC", name="ratings", pattern="MATCH")
    removed = client.delete_acls([wanted], request_timeout=15)[wanted].result(30)
    assert set(removed) == set(rules[:3])
    assert found(broker) == set(rules[3:])


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill -9"])
def test_rules_survive(make_broker, kill):
    broker = make_broker(OPEN)
    rules = {rule("READ", "TOPIC", f"topic-{number}") for number in range(50)}
    add(broker, *rules)
    gone = matching(kind="TOPIC", name="topic-7", pattern="LITERAL")
    client = admin(broker.address)
    client.delete_acls([gone], request_timeout=15)[gone].result(30)
    broker.restart(kill=kill)
    assert found(broker) == rules - {rule("READ", "TOPIC", "topic-7")}
    # Without an authorizer they stay where they are and do not count, which the log tells.
    broker.stop()
    broker.properties = {}
    broker.start()
    assert "authorizer.class.name is not set" in broker.log()
    with pytest.raises(KafkaException) as caught:
        add(broker, rule("READ", "TOPIC", "other"))
    assert caught.value.args[0].code() == KafkaError.SECURITY_DISABLED


@pytest.mark.parametrize("name", CLIENTS)
def test_records_for_those_who_may(guarded, client_of, name):
    broker = guarded(
        [
            rule("READ", "TOPIC", "open-", pattern="PREFIXED"),
            rule("WRITE", "TOPIC", "open-", pattern="PREFIXED"),
            rule("DESCRIBE", "TOPIC", "seen"),
            rule("READ", "GROUP", "*"),
        ],
        ["open-1", "seen", "hidden"],
    )
    client = client_of(name)
    client.produce(broker.address, "open-1", [Record(b"one"), Record(b"two")])
    assert [record.value for record in client.consume(broker.address, "open-1", 2)] == [b"one", b"two"]
    for topic in ("seen", "hidden"):
        with pytest.raises(Exception) as caught:  # noqa: B017 each client has its own
            client.produce(broker.address, topic, [Record(b"three")])
        assert denied(caught.value, "topicauthorization") or name == "kcat", repr(caught.value)
    assert "hidden" not in admin(broker.address).list_topics(timeout=10).topics
    log = broker.log()
    assert "not authorized" in log and "ANONYMOUS" in log and "Topic:LITERAL:hidden" in log, log[-3000:]


def test_readers_learn_that_they_may_not(guarded, java):
    broker = guarded([rule("DESCRIBE", "TOPIC", "seen"), rule("READ", "GROUP", "*")], ["seen"])
    with pytest.raises(KafkaException) as caught:
        Confluent().consume(broker.address, "seen", 1)
    assert caught.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(JavaError) as caught:
        java.call("consume", broker.address, partitions=[["seen", 0]], count=1, timeoutMs=10_000, properties={},
                  **{"from": 0})  # fmt: skip
    assert caught.value.type == "TopicAuthorizationException"


def subscribed(broker, protocol, group, *topics, count=1, seconds=30):
    """What a member of a group reads until it has `count` records or an error, which is raised."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address, "group.id": group, "group.protocol": protocol,
            "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 1000,
        }
    )  # fmt: skip
    values = []
    try:
        consumer.subscribe(list(topics))
        deadline = time.monotonic() + seconds
        while len(values) < count:
            assert time.monotonic() < deadline, f"{values} is all there was"
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            values.append((message.topic(), message.value()))
        consumer.commit(asynchronous=False)
        return values
    finally:
        consumer.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_groups(guarded, protocol):
    broker = guarded(
        [
            rule("READ", "TOPIC", "app-a"), rule("WRITE", "TOPIC", "app-", pattern="PREFIXED"),
            rule("READ", "GROUP", "billing"), rule("READ", "TOPIC", "app-b", permission="DENY"),
            rule("DESCRIBE", "TOPIC", "app-b", permission="DENY"),
        ],
        ["app-a", "app-b"],
    )  # fmt: skip
    Confluent().produce(broker.address, "app-a", [Record(b"one"), Record(b"two")])
    assert subscribed(broker, protocol, "billing", "app-a", count=2) == [("app-a", b"one"), ("app-a", b"two")]
    with pytest.raises(KafkaException) as caught:
        subscribed(broker, protocol, "others", "app-a")
    assert caught.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    with pytest.raises(KafkaException) as caught:
        subscribed(broker, protocol, "billing", "app-b")
    assert caught.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_patterns_match_what_may_be_seen(guarded, protocol):
    broker = guarded(
        [
            rule("ALL", "TOPIC", "app-a"), rule("WRITE", "TOPIC", "app-b"), rule("READ", "GROUP", "billing"),
            rule("DESCRIBE", "TOPIC", "app-b", permission="DENY"),
        ],
        ["app-a", "app-b"],
    )  # fmt: skip
    Confluent().produce(broker.address, "app-a", [Record(b"one"), Record(b"two")])
    assert subscribed(broker, protocol, "billing", "^app-.*", count=2) == [("app-a", b"one"), ("app-a", b"two")]


def test_idempotent_producers_need_no_more_than_others(guarded):
    """KIP-679: who may write to any topic may do so idempotently."""
    broker = guarded([rule("WRITE", "TOPIC", "open")], ["open"])
    idempotent = {"enable.idempotence": True}
    Confluent().produce(broker.address, "open", [Record(b"one")], properties=idempotent)


def test_transactions(guarded, java):
    broker = guarded(
        [
            rule("ALL", "TOPIC", "open"), rule("READ", "GROUP", "billing"),
            rule("WRITE", "TRANSACTIONAL_ID", "mover"),
        ],
        ["open", "closed"],
    )  # fmt: skip

    def producer(id):
        return confluent_kafka.Producer({"bootstrap.servers": broker.address, "transactional.id": id})

    mover = producer("mover")
    mover.init_transactions(30)
    mover.begin_transaction()
    mover.produce("open", b"one")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "billing"})
    offsets = [confluent_kafka.TopicPartition("open", 0, 1)]
    mover.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
    mover.commit_transaction(30)
    committed = consumer.committed([confluent_kafka.TopicPartition("open", 0)], timeout=15)
    assert committed[0].offset == 1
    consumer.close()
    # A topic that may not be written to spoils the transaction; the client says so at once if it has heard of it already.
    mover.begin_transaction()
    with pytest.raises(KafkaException) as caught:
        mover.produce("closed", b"two")
        mover.commit_transaction(30)
    assert "authoriz" in str(caught.value).lower() or "failed" in str(caught.value).lower()
    with pytest.raises(KafkaException) as caught:
        producer("other").init_transactions(30)
    assert caught.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_the_admin_of_java(guarded, java):
    broker = guarded(
        [
            rule("DESCRIBE", "BROKER", "kafka-cluster"), rule("DESCRIBE", "TOPIC", "seen"),
            rule("READ", "GROUP", "g"),
        ],
        ["seen"],
    )  # fmt: skip
    assert java.call("describeAcls", broker.address) == 3
    for operation in ("createAcls", "deleteAcls"):
        with pytest.raises(JavaError) as caught:
            java.call(operation, broker.address, topic="seen")
        assert caught.value.type == "ClusterAuthorizationException", operation
    with pytest.raises(JavaError) as caught:
        java.call("listConfigResources", broker.address)
    assert caught.value.type == "ClusterAuthorizationException"


def test_java_makes_and_removes_rules(make_broker, java):
    broker = make_broker(OPEN)
    java.call("createAcls", broker.address, topic="ratings")
    assert found(broker) == {rule("READ", "TOPIC", "ratings", principal="User:bob")}
    assert java.call("deleteAcls", broker.address) == 1
    assert found(broker) == set()


def test_topics_are_made_by_those_who_may(guarded):
    broker = guarded([rule("WRITE", "TOPIC", "new-", pattern="PREFIXED"), rule("CREATE", "TOPIC", "new-a")])
    Confluent().produce(broker.address, "new-a", [Record(b"one")])
    with pytest.raises(KafkaException) as caught:
        Confluent().produce(broker.address, "new-b", [Record(b"one")], properties={"message.timeout.ms": 5000})
    assert caught.value.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._MSG_TIMED_OUT)
    assert "new-b" not in admin(broker.address).list_topics(timeout=10).topics


def test_open_until_there_are_rules(make_broker):
    """How one begins where nobody can say who he is yet."""
    broker = make_broker({**STRICT, "allow.everyone.if.no.acl.found": "true"})
    topic = create_topic(broker.address, "ratings")
    Confluent().produce(broker.address, topic, [Record(b"one")])
    add(broker, rule("READ", "TOPIC", topic))
    with pytest.raises(KafkaException) as caught:
        Confluent().produce(broker.address, topic, [Record(b"two")])
    assert caught.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert [found.value for found in Confluent().consume(broker.address, topic, 1)] == [b"one"]


def test_the_services_of_the_process_go_on(tmp_path):
    """They call the broker by functions, as itself; what their HTTP ports let through is done."""
    broker = RegistryBroker(tmp_path, STRICT)
    sql, connect = (f"127.0.0.1:{free_port()}" for _ in range(2))
    broker.flags += ["--sql", sql, "--connect", connect]
    broker.start()
    try:
        answer = broker.http.register("ratings-value", record("stars"))
        assert answer.status == 200, answer
        assert broker.http.get("/subjects").json == ["ratings-value"]
        statements = "CREATE STREAM s (a INT) WITH (kafka_topic='t', partitions=1, value_format='json');"
        statements += "CREATE STREAM big AS SELECT * FROM s WHERE a > 1 EMIT CHANGES; INSERT INTO s (a) VALUES (2);"
        answer = Http(f"http://{sql}").ask("POST", "/ksql", {"ksql": statements}, Content_Type="application/json")
        assert answer.status == 200, answer
        (tmp_path / "lines.txt").write_text("one\ntwo\n")
        config = {
            "connector.class": "FileStreamSource", "file": str(tmp_path / "lines.txt"), "topic": "lines",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        }  # fmt: skip
        worker = Http(f"http://{connect}")
        answer = worker.ask("PUT", "/connectors/lines/config", config, Content_Type="application/json")
        assert answer.status == 201, answer

        def states():
            answer = worker.get("/connectors/lines/status")
            return answer.status == 200 and [task["state"] for task in answer.json["tasks"]] == ["RUNNING"]

        wait_until(states, what="a running task")
        # To clients the topics of all of them are like any others.
        assert not admin(broker.address).list_topics(timeout=10).topics
        assert "not authorized" not in broker.log()
    finally:
        broker.stop()


def test_the_command_line(make_broker):
    broker = make_broker(OPEN)

    def acl(*arguments, code=0):
        done = call("acl", *arguments, "-b", broker.address)
        assert done.code == code, f"{arguments}: {done.code}\n{done.out}\n{done.err}"
        return done

    assert acl("list", "-o", "json").json == []
    acl("add", "--allow-principal", "User:app", "--producer", "--idempotent", "--topic", "ratings",
        "--transactional-id", "mover")  # fmt: skip
    acl("add", "--allow-principal", "User:app", "--consumer", "--topic", "ratings", "--group", "billing")
    producer = {
        rule("WRITE", "TOPIC", "ratings", "User:app"), rule("DESCRIBE", "TOPIC", "ratings", "User:app"),
        rule("CREATE", "TOPIC", "ratings", "User:app"), rule("WRITE", "TRANSACTIONAL_ID", "mover", "User:app"),
        rule("DESCRIBE", "TRANSACTIONAL_ID", "mover", "User:app"),
        rule("IDEMPOTENT_WRITE", "BROKER", "kafka-cluster", "User:app"),
    }  # fmt: skip
    consumer = {
        rule("READ", "TOPIC", "ratings", "User:app"), rule("DESCRIBE", "TOPIC", "ratings", "User:app"),
        rule("READ", "GROUP", "billing", "User:app"),
    }  # fmt: skip
    assert found(broker) == producer | consumer
    acl("add", "--deny-principal", "User:bob", "--deny-host", "10.0.0.7", "--topic", "rat", "--operation", "Write",
        "--resource-pattern-type", "prefixed")  # fmt: skip
    bob = rule("WRITE", "TOPIC", "rat", "User:bob", "DENY", "PREFIXED", "10.0.0.7")
    assert found(broker, principal="User:bob") == {bob}
    listed = acl("list", "--topic", "ratings", "--resource-pattern-type", "match", "-o", "json").json
    assert {(one["principal"], one["operation"]) for one in listed} == {
        ("User:app", "Read"), ("User:app", "Write"), ("User:app", "Describe"), ("User:app", "Create"),
        ("User:bob", "Write"),
    }  # fmt: skip
    assert "User:bob" in acl("list").out
    removed = acl("remove", "--allow-principal", "User:app", "--producer", "--topic", "ratings", "-o", "json").json
    assert len(removed) == 3
    acl("remove", "--all", "--allow-principal", "User:app")
    assert found(broker) == {bob}
    acl("remove", "--topic", "rat", "--resource-pattern-type", "any")
    assert found(broker) == set()
    assert "did you mean 'Read'" in acl("add", "--allow-principal", "User:a", "--topic", "t", "--operation", "Reed",
                                        code=64).err  # fmt: skip
    assert "did you mean 'remove'" in acl("remov", code=64).err
    assert "User:ann" in acl("add", "--allow-principal", "ann", "--topic", "t", code=64).err
    assert "means nothing for a Group" in acl("add", "--allow-principal", "User:a", "--group", "g", "--operation",
                                              "Write", code=64).err  # fmt: skip


def test_the_command_line_without_an_authorizer(make_broker):
    broker = make_broker()
    done = call("acl", "list", "-b", broker.address)
    assert done.code == 1 and "authorizer.class.name" in done.err


def test_denials_are_counted(make_broker):
    port = free_port()
    broker = make_broker(STRICT, flags=["--admin", f"127.0.0.1:{port}"])
    with pytest.raises(KafkaException):
        Confluent().consume(broker.address, "ratings", 1)
    metrics = Admin(port).metrics()
    assert metrics['swiftwater_authorization_denials_total{operation="Describe"}'] >= 1
    assert metrics["swiftwater_acls"] == 0
