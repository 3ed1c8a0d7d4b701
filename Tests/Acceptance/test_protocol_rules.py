"""What Kafka's broker answers to requests that are odd, repeated or wrong: codes, texts, and the order of its checks.

The requests are built and the answers read by Kafka's own message classes (`Exchange.java`)."""

import socket
import struct
import time

import pytest

from clients import create_topic
from wire import (
    REQUESTS,
    Connection,
    ConnectionClosed,
    WireRecord,
    batch,
    encode,
    fetch_request,
    frame,
    header,
    list_offset,
    produce,
    uvarint,
)

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
METADATA, CREATE, DELETE, CONFIGS, ALTER, INCREMENTAL = 3, 19, 20, 32, 33, 44


@pytest.fixture
def ask(java, bootstrap):
    """One request by api key, version and fields; the answer's fields."""

    def call(key, version, fields, address=bootstrap):
        return java.call("exchange", address, requests=[{"key": key, "version": version, "fields": fields}])[0]["response"]

    return call


@pytest.fixture
def node(java, bootstrap):
    return java.call("describeCluster", bootstrap)["nodes"][0]


def new_topic(name, partitions=1, replicas=1, configs=(), assignments=()):
    return {
        "name": name, "numPartitions": partitions, "replicationFactor": replicas,
        "assignments": [{"partitionIndex": index, "brokerIds": brokers} for index, brokers in assignments],
        "configs": [{"name": name, "value": value} for name, value in configs],
    }  # fmt: skip


def outcomes(entries):
    """(code, text) of each entry."""
    return [(entry["errorCode"], entry["errorMessage"]) for entry in entries]


# -- creating and deleting topics ------------------------------------------------------------------------------------


def creations(ask, *topics, version=7, validate_only=False):
    fields = {"timeoutMs": 5000, "validateOnly": validate_only, "topics": list(topics)}
    return ask(CREATE, version, fields)["topics"]


@pytest.mark.parametrize(
    ("topic", "code", "text"),
    [
        (new_topic("."), 17, "Topic name is invalid: '.' is not allowed"),
        (new_topic(".."), 17, "Topic name is invalid: '..' is not allowed"),
        (new_topic(""), 17, "Topic name is invalid: the empty string is not allowed"),
        (new_topic("__cluster_metadata"), 29, "Authorization failed."),
        (new_topic("a", 0), 37, "Number of partitions was set to an invalid non-positive value."),
        (new_topic("a", 1, 0), 38, "Replication factor must be larger than 0, or -1 to use the default value."),
        (
            new_topic("a", 1, 3),
            38,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because "
            "only 1 broker(s) are registered.",
        ),
        # The settings are looked at before the partitions are.
        (new_topic("a", 0, 1, [("retention.ms", "x")]), 40, "Invalid value x for configuration retention.ms: Not a number of type LONG"),
        (
            new_topic("a", 1, 1, [("retention.ms", None), ("flush.ms", None)]),
            40,
            "Null value not supported for topic configs: retention.ms,flush.ms",
        ),
        (
            new_topic("a", -1, 1, assignments=[(0, [1])]),
            42,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ),
        (
            new_topic("a", 1, -1, assignments=[(0, [1])]),
            42,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            new_topic("a", -1, -1, assignments=[(0, [])]),
            39,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            new_topic("a", -1, -1, assignments=[(0, [777])]),
            39,
            "The manual partition assignment includes broker 777, but no such broker is registered.",
        ),
        (
            new_topic("a", 1, 1, [("cleanup.policy", "compact,,delete")]),
            40,
            "Configuration 'cleanup.policy' values must not be empty.",
        ),
        (
            new_topic("a", 1, 1, [("remote.storage.enable", "true")]),
            40,
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else None,
)  # fmt: skip
def test_refused_topics_and_their_texts(ask, fresh, topic, code, text):
    if topic["name"] == "a":
        topic = {**topic, "name": fresh()}
    for version in (2, 7):
        answer = creations(ask, topic, version=version)[0]
        assert (answer["errorCode"], answer["errorMessage"]) == (code, text)
        assert answer.get("configs", []) == [], "an error has an empty list, not null"


def test_more_replicas_of_a_partition_than_there_are(ask, fresh, node):
    for assignments, text in (
        ([(0, [node, node])], f"The manual partition assignment includes the broker {node} more than once."),
        ([(0, [node]), (0, [node])], "Found multiple manual partition assignments for partition 0"),
        ([(0, [node]), (2, [node])], "partitions should be a consecutive 0-based integer sequence"),
    ):
        assert outcomes(creations(ask, new_topic(fresh(), -1, -1, assignments=assignments))) == [(39, text)]


def test_topics_of_one_request_collide_too(ask, fresh):
    stem = fresh()
    answers = creations(ask, new_topic(f"{stem}.x"), new_topic(f"{stem}_x"))
    assert outcomes(answers) == [
        (0, None), (17, f"Topic '{stem}_x' collides with existing topic: {stem}.x"),
    ]  # fmt: skip


def test_too_many_partitions_make_no_topic_at_all(ask, fresh, bootstrap, java):
    """The bound is one of the request: those before it are not made either."""
    small, large = fresh(), fresh()
    answers = creations(ask, new_topic(small), new_topic(large, 10_000))
    assert outcomes(answers) == [(44, "Excessively large number of partitions per request.")] * 2
    assert not {small, large} & set(java.call("listTopics", bootstrap))


def test_an_item_twice_in_a_list_counts_once(ask, fresh):
    assert outcomes(creations(ask, new_topic(fresh(), configs=[("cleanup.policy", "compact,compact")]))) == [(0, None)]


def deletions(ask, *topics, version=6):
    fields = {"timeoutMs": 5000, "topics": [{"name": name, "topicId": id_} for name, id_ in topics]}
    return ask(DELETE, version, fields)["responses"]


def test_deleting_a_topic_twice_in_a_request(ask, java, bootstrap, topic, fresh):
    """Refused, once: which of them is meant, and whether it is there still, nobody could tell by the answer."""
    topic_id = java.call("describeTopic", bootstrap, topic=topic)["id"]
    assert outcomes(deletions(ask, (topic, NO_ID), (topic, NO_ID))) == [(42, "Duplicate topic name.")]
    assert outcomes(deletions(ask, (None, topic_id), (None, topic_id))) == [(42, "Duplicate topic id.")]
    both = deletions(ask, (topic, NO_ID), (None, topic_id))
    assert (42, "The provided topic name maps to an ID that was already supplied.") in outcomes(both)
    for name in (topic, fresh()):
        old = ask(DELETE, 5, {"timeoutMs": 5000, "topicNames": [name, name]})["responses"]
        assert outcomes(old) == [(42, "Duplicate topic name.")]


def test_where_topics_cannot_be_deleted(make_broker, ask, java):
    broker = make_broker(properties={"delete.topic.enable": "false"})
    create_topic(broker.address, "t")
    for version, code in ((2, 42), (5, 73)):
        answer = ask(DELETE, version, {"timeoutMs": 5000, "topicNames": ["t", "absent", "absent"]}, broker.address)
        assert [entry["errorCode"] for entry in answer["responses"]] == [code] * 3
    assert "t" in java.call("listTopics", broker.address)


def test_more_partitions_twice_in_a_request(ask, topic):
    entry = {"name": topic, "count": 2, "assignments": None}
    answer = ask(37, 3, {"timeoutMs": 5000, "validateOnly": False, "topics": [entry, entry]})["results"]
    assert outcomes(answer) == [(42, "Duplicate topic name.")]


@pytest.mark.parametrize(
    ("assignments", "text"),
    [
        ([[777]], "The manual partition assignment includes broker 777, but no such broker is registered."),
        ([[]], "The manual partition assignment includes an empty replica list."),
        ([[1], [1]], "Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified."),
    ],
)
def test_more_partitions_in_odd_places(ask, topic, assignments, text):
    entry = {"name": topic, "count": 2, "assignments": [{"brokerIds": brokers} for brokers in assignments]}
    answer = ask(37, 3, {"timeoutMs": 5000, "validateOnly": True, "topics": [entry]})["results"]
    assert outcomes(answer) == [(39, text)]


# -- settings --------------------------------------------------------------------------------------------------------


def alter(ask, key, kind, name, *configs, validate_only=False):
    """`configs` are (name, value, operation); the operation only for IncrementalAlterConfigs."""
    entries = [
        {"name": config, "value": value, **({"configOperation": operation} if key == INCREMENTAL else {})}
        for config, value, operation in configs
    ]
    resources = [{"resourceType": kind, "resourceName": name, "configs": entries}]
    answer = ask(key, 1, {"validateOnly": validate_only, "resources": resources})["responses"]
    return outcomes(answer)[0]


def test_null_is_no_value(ask, topic):
    """Not the default either: what is to go back to it is deleted, or not named."""
    for key in (ALTER, INCREMENTAL):
        assert alter(ask, key, 2, topic, ("retention.ms", None, 0), ("flush.ms", None, 0)) == (
            42, "Null value not supported for : retention.ms, flush.ms",
        )  # fmt: skip
        assert alter(ask, key, 2, topic, ("flush.ms", "1", 0), ("flush.ms", "2", 0)) == (
            42, "Error due to duplicate config keys",
        )  # fmt: skip


def test_wrong_settings_are_told_before_the_topic_is_missed(ask, fresh):
    for key in (ALTER, INCREMENTAL):
        absent = fresh()
        assert alter(ask, key, 2, absent, ("retention.ms", "x", 0))[0] == 40
        assert alter(ask, key, 2, absent, ("retention.ms", "1", 0)) == (3, f"The topic '{absent}' does not exist.")
        assert alter(ask, key, 2, "a b", ("retention.ms", "1", 0))[0] == 17
        assert alter(ask, key, 2, "", ("retention.ms", "1", 0)) == (42, "Default topic resources are not allowed.")


def test_the_words_for_lists_that_are_none(ask, topic, node):
    assert alter(ask, INCREMENTAL, 2, topic, ("retention.ms", "1", 2)) == (
        40, "Can't APPEND to key retention.ms because its type is not LIST.",
    )  # fmt: skip
    assert alter(ask, INCREMENTAL, 4, str(node), ("log.retention.ms", "1", 3)) == (
        40, "Config value subtract is not allowed for config key: log.retention.ms",
    )  # fmt: skip


def test_lists_grow_and_shrink(ask, topic):
    def policy():
        fields = {"resources": [{"resourceType": 2, "resourceName": topic, "configurationKeys": ["cleanup.policy"]}]}
        return ask(CONFIGS, 4, fields)["results"][0]["configs"][0]["value"]

    for operation, value, expected in (
        (2, "compact", "delete,compact"),
        (2, "compact", "delete,compact"),
        (3, "delete", "compact"),
        (3, "delete", "compact"),
        (3, "compact", ""),
        (2, "delete", "delete"),
    ):
        assert alter(ask, INCREMENTAL, 2, topic, ("cleanup.policy", value, operation)) == (0, None)
        assert policy() == expected


def test_deleting_a_setting_that_nobody_knows(ask, topic):
    """There is nothing of it to keep, so it is as wished."""
    assert alter(ask, INCREMENTAL, 2, topic, ("no.such.setting", None, 1)) == (0, None)


def test_brokers_that_are_not_there(ask, node):
    other = node + 1
    for key in (ALTER, INCREMENTAL):
        assert alter(ask, key, 4, "x", ("log.retention.ms", "1", 0)) == (42, "Node id must be an integer, but it is: x")
        assert alter(ask, key, 4, str(other), ("log.retention.ms", "1", 0)) == (
            42, f"Unexpected broker id, expected {node}, but received {other}",
        )  # fmt: skip

    def describe(kind, name):
        resources = [{"resourceType": kind, "resourceName": name, "configurationKeys": None}]
        return outcomes(ask(CONFIGS, 4, {"resources": resources})["results"])[0]

    assert describe(4, "x") == (42, "Broker id must be an integer, but it is: x")
    assert describe(4, str(other)) == (
        42, f"Unexpected broker id, expected {node} or empty string, but received {other}",
    )  # fmt: skip
    assert describe(32, "") == (42, "Group name must not be empty")


def test_no_settings_by_name_are_all(ask, topic):
    def count(keys):
        resources = [{"resourceType": 2, "resourceName": topic, "configurationKeys": keys}]
        return len(ask(CONFIGS, 4, {"resources": resources})["results"][0]["configs"])

    assert count([]) == count(None) > 20
    assert count(["no.such.setting"]) == 0


def test_brokers_have_loggers_in_the_list(ask, node):
    found = ask(74, 1, {"resourceTypes": [8, 4]})["configResources"]
    assert [(entry["resourceType"], entry["resourceName"]) for entry in found] == [(4, str(node)), (8, str(node))]
    assert ask(74, 1, {"resourceTypes": [99]})["errorCode"] == 35


def test_subscriptions_to_metrics_of_clients(make_broker, ask):
    """They are kept, as in a Kafka without a plugin that would ask clients for anything (KIP-714)."""
    broker = make_broker()

    def change(*configs, name="slow"):
        resources = [{
            "resourceType": 16, "resourceName": name,
            "configs": [{"name": n, "value": v, "configOperation": o} for n, v, o in configs],
        }]  # fmt: skip
        answer = ask(INCREMENTAL, 1, {"validateOnly": False, "resources": resources}, broker.address)
        return outcomes(answer["responses"])[0]

    def names(version=1):
        fields = {"resourceTypes": [16]} if version else {}
        return [found["resourceName"] for found in ask(74, version, fields, broker.address)["configResources"]]

    def values():
        fields = {"resources": [{"resourceType": 16, "resourceName": "slow", "configurationKeys": None}]}
        return {c["name"]: c["value"] for c in ask(CONFIGS, 4, fields, broker.address)["results"][0]["configs"]}

    assert names() == names(0) == []
    assert change(("metrics", "org.apache.kafka.producer", 0), ("match", "client_id=a.*,client_source_port=9", 0)) == (0, None)
    assert change(("interval.ms", "1000", 0), ("metrics", "org.apache.kafka.consumer", 2)) == (0, None)
    for config, code, text in (
        (("interval.ms", "99", 0), 42, "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"),
        (("interval.ms", "x", 0), 40, "Invalid value x for configuration interval.ms: Not a number of type INT"),
        (("interval", "100", 0), 42, "Unknown client metrics configuration: interval"),
        (("match", "nobody=1", 0), 40, "Illegal client matching pattern: nobody=1"),
        (("match", "client_id", 0), 40, "Illegal client matching pattern: client_id"),
        (("match", "client_id=", 0), 40, "Illegal client matching pattern: client_id="),
        (("match", "client_id=a=b", 0), 40, "Illegal client matching pattern: client_id=a=b"),
        (("match", "client_software_name=a[b", 0), 40, "Illegal client matching pattern: client_software_name=a[b"),
        (("metrics", "a,,b", 0), 40, "Configuration 'metrics' values must not be empty."),
        (("interval.ms", "100", 2), 40, "Can't APPEND to key interval.ms because its type is not LIST."),
    ):
        assert change(config) == (code, text)
    assert change(("interval.ms", "100", 0), name="") == (42, "Subscription name can't be empty")
    expected = {
        "interval.ms": "1000", "match": "client_id=a.*,client_source_port=9",
        "metrics": "org.apache.kafka.producer,org.apache.kafka.consumer",
    }  # fmt: skip
    assert values() == expected and names() == names(0) == ["slow"]
    broker.kill()
    broker.start()
    assert values() == expected and names() == ["slow"]
    assert change(*[(name, None, 1) for name in expected]) == (0, None)
    assert names() == []
    assert values() == {"interval.ms": "300000", "match": "", "metrics": ""}


def test_the_level_of_the_log(make_broker, ask, java):
    """KIP-412: what is shown of the log changes while the broker runs."""
    broker = make_broker()
    node = str(java.call("describeCluster", broker.address)["nodes"][0])

    def alter_level(name, value, operation=0, **options):
        configs = [{"name": name, "value": value, "configOperation": operation}]
        resources = [{"resourceType": 8, "resourceName": node, "configs": configs}]
        fields = {"validateOnly": False, "resources": resources, **options}
        return outcomes(ask(INCREMENTAL, 1, fields, broker.address)["responses"])[0]

    def level():
        return java.call("describeConfigs", broker.address, type="BROKER_LOGGER", name=node)["root"]["value"]

    assert level() == "INFO"
    assert alter_level("root", "DEBUG", validateOnly=True) == (0, None) and level() == "INFO"
    for value in ("DEBUG", "ERROR"):
        assert alter_level("root", value) == (0, None) and level() == value

    def warned():
        """How many lines tell of a client that is too old, after another one came."""
        with socket.create_connection(broker.address.rsplit(":", 1), timeout=30) as old:
            old.sendall(struct.pack(">ihhih", 10, 0, 0, 1, -1))  # Produce 0
            assert old.recv(1) == b""
        return broker.log_path.read_text().count("speaks versions of the protocol")

    assert warned() == 0
    assert alter_level("root", "WARN") == (0, None)
    assert warned() == 1
    assert alter_level("root", "LOUD") == (
        40,
        "Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, "
        "FATAL, INFO, TRACE, WARN",
    )
    assert alter_level("kafka.nothing", "INFO") == (40, "Logger kafka.nothing does not exist!")
    assert alter_level("root", None, 1) == (42, "Removing the log level of the root logger is not allowed")
    assert alter_level("root", "INFO", 2) == (42, "APPEND operation is not allowed for the BROKER_LOGGER resource")
    assert level() == "WARN"


# -- offsets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "since"), [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, None), (-(2**63), None)]
)
def test_special_timestamps_have_a_first_version(ask, topic, timestamp, since):
    """As in Kafka: upstream's `timestampMinSupportedVersion`."""
    for version in range(1, 12):
        part = {"partitionIndex": 0, "currentLeaderEpoch": -1, "timestamp": timestamp}
        answer = ask(2, version, {"replicaId": -1, "isolationLevel": 0, "topics": [{"name": topic, "partitions": [part]}]})
        code = answer["topics"][0]["partitions"][0]["errorCode"]
        assert code == (0 if since and version >= since else 35), version


def test_a_partition_asked_for_twice(ask, topic):
    parts = [{"partitionIndex": 0, "currentLeaderEpoch": -1, "timestamp": stamp} for stamp in (-1, -2)]
    other = {"partitionIndex": 1, "currentLeaderEpoch": -1, "timestamp": -1}
    answer = ask(2, 5, {"replicaId": -1, "topics": [{"name": topic, "partitions": [*parts, other]}]})
    assert [p["errorCode"] for p in answer["topics"][0]["partitions"]] == [42, 42, 3]


def test_offsets_have_the_epoch_of_their_records(make_broker, ask):
    """By it a client asks later whether the log was cut behind its back (KIP-320); that of the end is the present one."""
    broker = make_broker()
    create_topic(broker.address, "t")

    def epoch(timestamp):
        part = {"partitionIndex": 0, "currentLeaderEpoch": -1, "timestamp": timestamp}
        answer = ask(2, 9, {"replicaId": -1, "topics": [{"name": "t", "partitions": [part]}]}, broker.address)
        return answer["topics"][0]["partitions"][0]["leaderEpoch"]

    assert epoch(-2) == -1, "nothing is there yet"
    base = int(time.time() * 1000) - 10_000
    for timestamp in (base, base + 1000):
        with Connection(broker.address) as connection:
            assert produce(connection, "t", batch([WireRecord(b"x", timestamp=timestamp)])).error_code == 0
        broker.kill()
        broker.start()
    first, second, last = epoch(-2), epoch(base + 500), epoch(-1)
    assert 0 <= first < second < last
    assert (epoch(base), epoch(-3), epoch(-4)) == (first, second, first)


# -- metadata --------------------------------------------------------------------------------------------------------


def test_topics_asked_for_twice_are_told_once(ask, java, bootstrap, topic):
    topic_id = java.call("describeTopic", bootstrap, topic=topic)["id"]
    for wanted in ({"name": topic, "topicId": NO_ID}, {"name": None, "topicId": topic_id}):
        answer = ask(METADATA, 12, {"topics": [wanted, wanted], "allowAutoTopicCreation": False})
        assert [found["name"] for found in answer["topics"]] == [topic]


def test_ids_mean_nothing_before_version_12(ask, java, bootstrap, topic):
    topic_id = java.call("describeTopic", bootstrap, topic=topic)["id"]
    for version in (10, 11):
        for wanted in ({"name": None, "topicId": topic_id}, {"name": topic, "topicId": topic_id}):
            answer = ask(METADATA, version, {"topics": [wanted], "allowAutoTopicCreation": False})
            assert [found["errorCode"] for found in answer["topics"]] == [42]


def test_pages_of_topics(ask, fresh):
    """A page that is full ends before the next topic, which is not begun with nothing in it."""
    names = sorted(fresh() for _ in range(3))
    creations(ask, *[new_topic(name, 2) for name in names])
    absent = names[-1] + "-absent"

    def page(limit, cursor, *topics):
        fields = {"topics": [{"name": name} for name in topics], "responsePartitionLimit": limit, "cursor": cursor}
        answer = ask(75, 0, fields)
        return [(t["name"], len(t["partitions"]), t["errorCode"]) for t in answer["topics"]], answer["nextCursor"]

    found, cursor = page(2, None, *names, names[0])
    assert found == [(names[0], 2, 0)]
    assert cursor == {"topicName": names[1], "partitionIndex": 0}
    found, cursor = page(3, cursor, *names)
    assert found == [(names[1], 2, 0), (names[2], 1, 0)]
    assert cursor == {"topicName": names[2], "partitionIndex": 1}
    found, cursor = page(3, cursor, *names, absent)
    assert found == [(names[2], 1, 0), (absent, 0, 3)] and cursor is None
    assert page(0, None, names[0])[0] == [(names[0], 1, 0)], "one at least"
    assert page(10, {"topicName": names[0], "partitionIndex": -1}, names[0])[0] == [(names[0], 0, 42)]


def test_the_largest_page_is_a_setting(make_broker, ask):
    broker = make_broker(properties={"max.request.partition.size.limit": "2"})
    create_topic(broker.address, "t", 5)
    answer = ask(75, 0, {"topics": [], "responsePartitionLimit": 2000, "cursor": None}, broker.address)
    assert [len(t["partitions"]) for t in answer["topics"]] == [2]


def test_endpoints_of_a_kind_that_is_not_there(ask):
    for kind, code, text in (
        (0, 42, "Unsupported endpoint type 0"),
        (2, 114, "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"),
        (9, 115, "Unsupported endpoint type 9"),
    ):
        answer = ask(60, 1, {"includeClusterAuthorizedOperations": False, "endpointType": kind})
        assert (answer["errorCode"], answer["errorMessage"]) == (code, text)


# -- what one broker cannot do ---------------------------------------------------------------------------------------


def test_elections(ask, topic):
    fields = {"timeoutMs": 5000, "topicPartitions": [{"topic": topic, "partitions": [0, 9]}, {"topic": "absent-" + topic, "partitions": [0]}]}
    for kind in (0, 1):
        results = ask(43, 2, {**fields, "electionType": kind})["replicaElectionResults"]
        assert outcomes(results[0]["partitionResult"]) == [
            (84, "Leader election not needed for topic partition."), (3, f"No such partition as {topic}-9"),
        ]  # fmt: skip
        assert outcomes(results[1]["partitionResult"]) == [(3, f"No such topic as absent-{topic}")]
    answer = ask(43, 2, {**fields, "electionType": 7})
    assert answer["errorCode"] == 42
    assert outcomes(answer["replicaElectionResults"][0]["partitionResult"]) == [(42, "Unknown election type 7")] * 2


def test_reassignments_and_their_texts(ask, topic, node):
    def move(name, partition, replicas):
        parts = [{"partitionIndex": partition, "replicas": replicas}]
        answer = ask(45, 1, {"timeoutMs": 5000, "topics": [{"name": name, "partitions": parts}]})
        return outcomes(answer["responses"][0]["partitions"])[0]

    assert move(topic, 0, [node]) == (0, None)
    assert move(topic, 0, None) == (85, "No partition reassignment is in progress.")
    assert move(topic, 9, [node]) == (3, f"Unable to find partition {topic}:9.")
    assert move("absent-" + topic, 0, None) == (3, f"Unable to find a topic named absent-{topic}.")
    assert move(topic, 0, []) == (39, "The manual partition assignment includes an empty replica list.")
    assert move(topic, 0, [node, node]) == (
        39, f"The manual partition assignment includes the broker {node} more than once.",
    )  # fmt: skip


def test_log_directories(ask, java, bootstrap, topic):
    """A partition is in the one directory already; there is no other."""
    path = java.call("describeLogDirs", bootstrap)[0]["path"]
    for version in (1, 2):
        dirs = [
            {"path": path, "topics": [{"name": topic, "partitions": [0, 9]}]},
            {"path": "/no/such/place", "topics": [{"name": topic, "partitions": [0]}]},
        ]
        results = ask(34, version, {"dirs": dirs})["results"]
        assert [[p["errorCode"] for p in result["partitions"]] for result in results] == [[0, 3], [57]]
    assert ask(35, 5, {"topics": None})["results"][0]["isCordoned"] is False


def test_brokers_are_not_taken_off_the_list(ask, node):
    answer = ask(64, 0, {"brokerId": node + 5})
    assert (answer["errorCode"], answer["errorMessage"]) == (
        102, f"Broker ID {node + 5} is not currently registered",
    )  # fmt: skip
    assert ask(64, 0, {"brokerId": node})["errorCode"] == 42


def test_features_stay(ask, java, bootstrap, node):
    def update(feature, level, kind=1):
        updates = [{"feature": feature, "maxVersionLevel": level, "upgradeType": kind}]
        answer = ask(57, 2, {"timeoutMs": 5000, "featureUpdates": updates, "validateOnly": True})
        return answer["errorCode"], answer["errorMessage"]

    failed = "The update failed for all features since the following feature had an error: Invalid update version "
    assert update("group.version", 1) == (0, None)
    assert update("group.version", 0) == (
        95,
        failed + "0 for feature group.version. Can't downgrade the version of this feature without setting the upgrade "
        "type to either safe or unsafe downgrade.",
    )
    assert update("group.version", 0, 2)[0] == 95
    assert update("group.version", 9) == (
        95, failed + f"9 for feature group.version. Local controller {node} only supports versions 0-1",
    )  # fmt: skip
    assert update("no.such", 1) == (
        95, failed + f"1 for feature no.such. Local controller {node} does not support this feature.",
    )  # fmt: skip
    features = java.call("describeFeatures", bootstrap)
    assert features["finalized"]["metadata.version"] == features["supported"]["metadata.version"] == 30  # 4.3-IV0


# -- sessions of fetches ---------------------------------------------------------------------------------------------


def test_a_session_without_partitions_is_over(bootstrap, topic):
    with Connection(bootstrap) as connection:
        opened = connection.call(fetch_request([(topic, 0, 0)], 12, session=(0, 0)))
        assert opened.session_id != 0
        answer = connection.call(fetch_request([], 12, session=(opened.session_id, 1), forgotten=[(topic, [0])]))
        assert (answer.error_code, answer.session_id, answer.responses) == (0, 0, [])
        assert connection.call(fetch_request([], 12, session=(opened.session_id, 2))).error_code == 70


@pytest.mark.parametrize("epoch", (-2, -(2**31), 2, 2**31 - 1))
def test_epochs_that_are_none(bootstrap, topic, epoch):
    """-1 and 0 begin anew; any other number must be the next one."""
    with Connection(bootstrap) as connection:
        opened = connection.call(fetch_request([(topic, 0, 0)], 12, session=(0, 0)))
        answer = connection.call(fetch_request([], 12, session=(opened.session_id, epoch)))
        assert (answer.error_code, answer.session_id) == (71, 0)
        assert connection.call(fetch_request([], 12, session=(opened.session_id, 1))).error_code == 0
        assert connection.call(fetch_request([], 12, session=(1, epoch))).error_code == 70


# -- batches ---------------------------------------------------------------------------------------------------------


def old_message(magic):
    """A message set of one message of magic 0 or 1, as clients before Kafka 0.11 send it; their checksum is not ours."""
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", 0) if magic else b"")
    body += struct.pack(">i", -1) + struct.pack(">i", 1) + b"x"
    return struct.pack(">qiI", 0, 4 + len(body), 0) + body


@pytest.mark.parametrize(
    ("records", "code", "text"),
    [
        (b"", 87, "must have at least one record batch per partition"),
        (batch([b"x"])[:-1], 87, "must have at least one record batch per partition"),
        (old_message(0), 87, "only allowed to contain record batches with magic version 2"),
        (old_message(1), 87, "only allowed to contain record batches with magic version 2"),
        (batch([b"x"]) + batch([b"y"]), 87, "only allowed to contain exactly one record batch per partition"),
        (batch([b"x"], magic=3), 2, "Invalid magic found in record: 3"),
        (batch([b"x"], byte_count=3), 2, "Record size 3 is less than the minimum record overhead (14)"),
    ],
    ids=["none", "cut", "magic 0", "magic 1", "two", "magic 3", "short"],  # the bytes have the time in them
)
def test_what_is_not_one_batch(bootstrap, topic, records, code, text):
    with Connection(bootstrap) as connection:
        answer = produce(connection, topic, records)
        assert answer.error_code == code and text in answer.error_message, answer


def test_records_at_fault_are_named(bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), configs={"cleanup.policy": "compact"})
    now = int(time.time() * 1000)
    with Connection(bootstrap) as connection:
        answer = produce(connection, topic, batch([WireRecord(b"a", b"k"), WireRecord(b"b")]))
        assert [(e.batch_index, e.batch_index_error_message) for e in answer.record_errors] == [
            (1, f"Compacted topic cannot accept message without key in topic partition {topic}-0.")
        ]
        answer = produce(connection, topic, batch([WireRecord(b"a", b"k", timestamp=now + 7_200_000)]))
        assert answer.error_code == 32
        assert answer.error_message == "One or more records have been rejected due to invalid timestamp"


def test_a_batch_larger_than_a_segment(bootstrap, fresh):
    """RECORD_LIST_TOO_LARGE, where the topic would take batches of that size."""
    topic = create_topic(bootstrap, fresh(), configs={"segment.bytes": "1048576", "max.message.bytes": "4000000"})
    with Connection(bootstrap) as connection:
        assert produce(connection, topic, batch([b"x" * 1_100_000])).error_code == 18
        assert produce(connection, topic, batch([b"x" * 1_000_000])).error_code == 0


def test_records_of_a_topic_that_keeps_all_may_be_deleted(bootstrap, fresh, java, ask):
    """Only compaction alone forbids it; a topic without any policy does not (KIP-1161)."""
    for policy, code in (("compact", 44), ("", 0), ("compact,delete", 0), ("delete", 0)):
        topic = create_topic(bootstrap, fresh(), configs={"cleanup.policy": policy})
        with Connection(bootstrap) as connection:
            assert produce(connection, topic, batch([WireRecord(b"x", b"k")])).error_code == 0
        parts = [{"partitionIndex": 0, "offset": -1}]
        answer = ask(21, 2, {"timeoutMs": 5000, "topics": [{"name": topic, "partitions": parts}]})
        assert answer["topics"][0]["partitions"][0]["errorCode"] == code, policy


def test_an_id_without_an_epoch(ask):
    for version, (producer, epoch) in ((3, (5, -1)), (5, (-1, 0)), (5, (-1, -1))):
        fields = {"transactionalId": None, "transactionTimeoutMs": 1000, "producerId": producer, "producerEpoch": epoch}
        answer = ask(22, version, fields)
        assert answer["errorCode"] == (0 if producer == epoch == -1 else 42)


# -- the wire itself -------------------------------------------------------------------------------------------------


def test_an_unknown_version_is_told_the_known_ones_of_that_request_alone(bootstrap):
    with Connection(bootstrap) as connection:
        reader = connection.request(18, 77, b"\x00", flexible=True)
        assert (reader.i16(), reader.i32()) == (35, 1)
        assert (reader.i16(), reader.i16(), reader.i16()) == (18, 0, 4)
        assert reader.rest() == b""


def test_unknown_tags_are_passed_over(bootstrap, topic):
    """In the header, in the request and in its parts: what a newer client says is no harm (KIP-482)."""
    tags = uvarint(2) + uvarint(7) + uvarint(3) + b"abc" + uvarint(10_000) + uvarint(0)
    name = uvarint(len(topic) + 1) + topic.encode()
    body = uvarint(2) + bytes(16) + name + tags + b"\x00\x00" + tags
    head = struct.pack(">hhih", 3, 12, 1, 4) + b"wire" + tags
    with Connection(bootstrap) as connection:
        connection.send(frame(head + body))
        assert topic.encode() in connection.response(1).rest()


@pytest.mark.parametrize("name", (b"a\x00b", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b" ", "ſ".encode()))
def test_names_that_are_none(bootstrap, topic, name):
    """NUL, bytes that are no UTF-8: an error or the end of the connection, and nothing else."""
    bodies = [
        (3, 4, struct.pack(">ih", 1, len(name)) + name + b"\x01"),
        (19, 2, struct.pack(">ih", 1, len(name)) + name + struct.pack(">ihiii", 1, 1, 0, 0, 1000)[:14] + b"\x00" * 5),
        (2, 1, struct.pack(">iih", -1, 1, len(name)) + name + struct.pack(">iiq", 1, 0, -1)),
        (10, 0, struct.pack(">h", len(name)) + name),
    ]
    for key, version, body in bodies:
        with Connection(bootstrap) as connection:
            try:
                connection.request(key, version, body)
            except ConnectionClosed:
                pass
    with Connection(bootstrap) as connection:
        assert list_offset(connection, topic, -1) == (0, -1, 0)


def test_a_half_closed_socket_gets_its_answers(bootstrap, topic):
    """A client that has said all may close its side and still read what it asked for."""
    with Connection(bootstrap) as connection:
        for number in range(1, 4):
            connection.send(frame(header(18, 0, number)))
        connection.socket.shutdown(socket.SHUT_WR)
        for number in range(1, 4):
            assert connection.response(number).i16() == 0
        assert connection.is_closed()


def test_mixed_requests_in_one_piece(bootstrap, topic):
    """Fast ones, ones of the control thread, ones that wait: the answers come in the order of the requests."""
    requests = [
        fetch_request([(topic, 0, 0)], 11, max_wait=300, min_bytes=1),
        REQUESTS[3](version=9, topics=[], allow_auto_topic_creation=False),
        REQUESTS[32](version=1, resources=[REQUESTS[32].DescribeConfigsResource(resource_type=2, resource_name=topic, configuration_keys=None)]),
        REQUESTS[22](version=1, transactional_id=None, transaction_timeout_ms=60_000),
        REQUESTS[2](version=5, replica_id=-1, topics=[]),
        REQUESTS[35](version=1, topics=None),
    ]  # fmt: skip
    with Connection(bootstrap) as connection:
        connection.send(b"".join(encode(request, number) for number, request in enumerate(requests)))
        for number, request in enumerate(requests):
            connection.decode(request, connection.read_frame(), number)
