"""Topics, configs and cluster questions by the three admin clients: librdkafka's, kafka-python's and Java's."""

import time
import uuid
import warnings

import confluent_kafka
import kafka
import pytest
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from kafka.admin import ConfigResource as PythonConfigResource
from kafka.admin import ConfigResourceType
from kafka.admin import NewTopic as PythonNewTopic

from clients import Confluent, Record, admin, create_topic, end_offset
from jvm import JavaError, rebase
from process import wait_until
from wire import Connection, batch, encode, fetch_request, init_producer_id, produce

Error = confluent_kafka.KafkaError


@pytest.fixture
def client(bootstrap):
    return admin(bootstrap)


@pytest.fixture
def python_admin(bootstrap):
    client = kafka.KafkaAdminClient(bootstrap_servers=bootstrap)
    yield client
    client.close()


def code_of(future):
    """The Kafka error code and text a future of librdkafka's admin client ends with; 0 when it succeeds."""
    try:
        future.result(30)
        return 0, ""
    except confluent_kafka.KafkaException as failed:
        return failed.args[0].code(), failed.args[0].str()


def create(client, name, partitions=1, replicas=1, configs=None, **options):
    new = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=configs or {})
    return code_of(client.create_topics([new], request_timeout=15, **options)[name])


# -- creating --------------------------------------------------------------------------------------------------------

BAD_TOPICS = [  # (name, partitions, replicas, configs, expected code)
    ("", 1, 1, {}, Error.TOPIC_EXCEPTION),
    (".", 1, 1, {}, Error.TOPIC_EXCEPTION),
    ("..", 1, 1, {}, Error.TOPIC_EXCEPTION),
    ("a b", 1, 1, {}, Error.TOPIC_EXCEPTION),
    ("größe", 1, 1, {}, Error.TOPIC_EXCEPTION),
    ("x" * 250, 1, 1, {}, Error.TOPIC_EXCEPTION),
    ("ok-zero", 0, 1, {}, Error.INVALID_PARTITIONS),
    ("ok-replicas", 1, 3, {}, Error.INVALID_REPLICATION_FACTOR),
    ("ok-unknown", 1, 1, {"retention.mss": "1"}, Error.INVALID_CONFIG),
    ("ok-not-a-number", 1, 1, {"retention.ms": "soon"}, Error.INVALID_CONFIG),
    ("ok-below-range", 1, 1, {"retention.ms": "-2"}, Error.INVALID_CONFIG),
    ("ok-policy", 1, 1, {"cleanup.policy": "shred"}, Error.INVALID_CONFIG),
    ("ok-type", 1, 1, {"message.timestamp.type": "Whenever"}, Error.INVALID_CONFIG),
    ("ok-codec", 1, 1, {"compression.type": "rar"}, Error.INVALID_CONFIG),
    ("ok-isr", 1, 1, {"min.insync.replicas": "0"}, Error.INVALID_CONFIG),
    ("ok-boolean", 1, 1, {"unclean.leader.election.enable": "perhaps"}, Error.INVALID_CONFIG),
    ("ok-segment", 1, 1, {"segment.bytes": "-1"}, Error.INVALID_CONFIG),
    ("ok-lags", 1, 1, {"min.compaction.lag.ms": "1000", "max.compaction.lag.ms": "10"}, Error.INVALID_CONFIG),
    ("ok-remote", 1, 1, {"remote.storage.enable": "true"}, Error.INVALID_CONFIG),
]


@pytest.mark.parametrize(
    ("name", "partitions", "replicas", "configs", "expected"), BAD_TOPICS, ids=lambda v: str(v)[:20]
)
def test_bad_topics_are_refused(client, java, bootstrap, name, partitions, replicas, configs, expected):
    if name and partitions > 0:  # librdkafka refuses these two itself, so the wire is asked below
        code, text = create(client, name, partitions, replicas, configs)
        assert code == expected, text
        assert text, "an error has a text"
    answer = java.call(
        "exchange",
        bootstrap,
        requests=[
            {
                "key": 19,
                "version": 5,
                "fields": {
                    "timeoutMs": 5000,
                    "topics": [
                        {
                            "name": name,
                            "numPartitions": partitions,
                            "replicationFactor": replicas,
                            "assignments": [],
                            "configs": [{"name": k, "value": v} for k, v in configs.items()],
                        }
                    ],
                },
            }
        ],
    )[0]["response"]["topics"][0]
    assert answer["errorCode"] == expected and answer["errorMessage"], answer
    assert name not in client.list_topics(timeout=10).topics


def test_an_existing_topic(client, topic, java, bootstrap, python_admin):
    code, text = create(client, topic)
    assert code == Error.TOPIC_ALREADY_EXISTS and topic in text
    with pytest.raises(JavaError) as caught:
        java.call("createTopic", bootstrap, topic=topic, partitions=1, replicas=1)
    assert caught.value.type == "TopicExistsException"
    with pytest.raises(kafka.errors.TopicAlreadyExistsError):
        python_admin.create_topics([PythonNewTopic(topic, 1, 1)])


def test_spaces_around_numbers_and_flags_are_none_of_them(client, fresh):
    topic = fresh()
    code, text = create(client, topic, configs={"retention.ms": " 1000 ", "preallocate": " TRUE "})
    assert code == 0, text


def test_refused_values_have_the_words_of_kafka(client, fresh):
    for name, value, words in (
        ("retention.ms", "-2", "Value must be at least -1"),
        ("retention.ms", "1d", "Not a number of type LONG"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("cleanup.policy", "shred", "String must be one of: compact, delete"),
    ):
        code, text = create(client, fresh(), configs={name: value})
        assert code == Error.INVALID_CONFIG
        assert f"Invalid value {value} for configuration {name}: {words}" in text, text
    code, text = create(client, fresh(), configs={"min.compaction.lag.ms": "1000", "max.compaction.lag.ms": "10"})
    assert "conflict topic config setting min.compaction.lag.ms (1000) > max.compaction.lag.ms (10)" in text, text


def test_names_that_differ_by_dot_and_underscore_collide(client, fresh):
    """Kafka refuses them because its metrics cannot tell them apart."""
    stem = fresh()
    assert create(client, f"{stem}.a")[0] == 0
    assert create(client, f"{stem}_a")[0] == Error.TOPIC_EXCEPTION


def test_replication_factor_above_one_says_how_many_brokers_there_are(client, fresh):
    code, text = create(client, fresh(), replicas=3)
    assert code == Error.INVALID_REPLICATION_FACTOR
    assert "3" in text and "1" in text, text


def test_one_request_with_good_and_bad_topics(client, fresh):
    good, bad = fresh(), "bad name"
    futures = client.create_topics([NewTopic(good, 1, 1), NewTopic(bad, 1, 1)], request_timeout=15)
    assert code_of(futures[good])[0] == 0
    assert code_of(futures[bad])[0] == Error.TOPIC_EXCEPTION


def test_the_same_topic_twice_in_one_request(bootstrap, java, client, fresh):
    topic = fresh()
    entry = {"name": topic, "numPartitions": 1, "replicationFactor": 1, "assignments": [], "configs": []}
    answer = java.call(
        "exchange",
        bootstrap,
        requests=[{"key": 19, "version": 5, "fields": {"timeoutMs": 5000, "topics": [entry, entry]}}],
    )[0]["response"]
    assert {found["errorCode"] for found in answer["topics"]} == {42}
    assert topic not in client.list_topics(timeout=10).topics


def test_validate_only_creates_nothing(client, java, bootstrap, fresh):
    topic = fresh()
    assert create(client, topic, 3, validate_only=True)[0] == 0
    assert topic not in client.list_topics(timeout=10).topics
    assert create(client, topic, configs={"retention.ms": "soon"}, validate_only=True)[0] == Error.INVALID_CONFIG
    shown = java.call("createTopic", bootstrap, topic=topic, partitions=2, replicas=1, validateOnly=True)
    assert shown["partitions"] == 2
    assert topic not in java.call("listTopics", bootstrap)


def test_java_sees_what_was_created(java, bootstrap, fresh):
    topic = fresh()
    made = java.call("createTopic", bootstrap, topic=topic, partitions=3, replicas=1, configs={"retention.ms": "12345"})
    assert made["partitions"] == 3 and made["replicas"] == 1
    assert made["configs"]["retention.ms"]["value"] == "12345"
    shown = java.call("describeTopic", bootstrap, topic=topic)
    assert shown["id"] == made["id"] != "AAAAAAAAAAAAAAAAAAAAAA"
    assert [p["partition"] for p in shown["partitions"]] == [0, 1, 2]
    node = java.call("describeCluster", bootstrap)["nodes"][0]
    assert all(p["leader"] == node and p["replicas"] == [node] and p["isr"] == [node] for p in shown["partitions"])
    assert topic in java.call("listTopics", bootstrap)


def test_partitions_and_replicas_default_to_the_brokers(java, bootstrap, fresh):
    """-1 for both (KIP-464)."""
    made = java.call("createTopic", bootstrap, topic=fresh())
    assert made["partitions"] >= 1 and made["replicas"] == 1


def test_manual_assignment(bootstrap, java, fresh):
    node = java.call("describeCluster", bootstrap)["nodes"][0]

    def ask(assignments):
        topic = {
            "name": fresh(),
            "numPartitions": -1,
            "replicationFactor": -1,
            "configs": [],
            "assignments": [{"partitionIndex": index, "brokerIds": brokers} for index, brokers in assignments],
        }
        answer = java.call(
            "exchange",
            bootstrap,
            requests=[{"key": 19, "version": 5, "fields": {"timeoutMs": 5000, "topics": [topic]}}],
        )[0]["response"]["topics"][0]
        return answer["errorCode"]

    assert ask([(0, [node]), (1, [node])]) == 0
    assert ask([(0, [node + 1])]) == 39
    assert ask([(0, [node]), (2, [node])]) == 39
    assert ask([(0, [node, node])]) == 39


# -- listing, describing, deleting -----------------------------------------------------------------------------------


def test_kafka_python_creates_describes_and_deletes(python_admin, fresh):
    topic = fresh()
    python_admin.create_topics([PythonNewTopic(topic, 2, 1, topic_configs={"cleanup.policy": "compact"})])
    assert topic in python_admin.list_topics()
    shown = [t for t in python_admin.describe_topics([topic])]
    assert len(shown) == 1
    python_admin.delete_topics([topic])
    wait_until(lambda: topic not in python_admin.list_topics(), what="the topic to be gone")


def test_confluent_describes(client, fresh, bootstrap):
    topic = create_topic(bootstrap, fresh(), 2)
    shown = client.describe_topics(confluent_kafka.TopicCollection([topic]))[topic].result(30)
    assert len(shown.partitions) == 2 and shown.topic_id is not None and not shown.is_internal
    absent = client.describe_topics(confluent_kafka.TopicCollection(["absent-" + topic]))["absent-" + topic]
    assert code_of(absent)[0] == Error.UNKNOWN_TOPIC_OR_PART


def test_deleting_what_is_not_there(client, java, bootstrap, fresh):
    topic = fresh()
    assert code_of(client.delete_topics([topic])[topic])[0] == Error.UNKNOWN_TOPIC_OR_PART
    with pytest.raises(JavaError) as caught:
        java.call("deleteTopicById", bootstrap, id="AAAAAAAAAAAAAAAAAAAAJA")
    assert caught.value.type == "UnknownTopicIdException"


def test_a_topic_made_again_starts_clean(client, java, bootstrap, fresh):
    topic = create_topic(bootstrap, fresh(), 2, {"retention.ms": "99999"})
    Confluent().produce(bootstrap, topic, [Record(b"old")] * 10)
    with Connection(bootstrap) as connection:
        producer = init_producer_id(connection)
        assert produce(connection, topic, batch([b"i"], *producer, sequence=0)).error_code == 0
    first = java.call("describeTopic", bootstrap, topic=topic)["id"]
    assert code_of(client.delete_topics([topic])[topic])[0] == 0
    create_topic(bootstrap, topic, 1)
    shown = java.call("describeTopic", bootstrap, topic=topic)
    assert shown["id"] != first and len(shown["partitions"]) == 1
    assert end_offset(bootstrap, topic) == (0, 0)
    assert java.call("describeConfigs", bootstrap, name=topic)["retention.ms"]["source"] != "DYNAMIC_TOPIC_CONFIG"
    assert java.call("describeProducers", bootstrap, topic=topic) == []
    Confluent().produce(bootstrap, topic, [Record(b"new")])
    assert [r.value for r in Confluent().consume(bootstrap, topic, 1)] == [b"new"]


def test_delete_by_topic_id(java, bootstrap, fresh):
    topic = fresh()
    made = java.call("createTopic", bootstrap, topic=topic, partitions=1, replicas=1)
    java.call("deleteTopicById", bootstrap, id=made["id"])
    assert topic not in java.call("listTopics", bootstrap)


def test_deleting_a_topic_ends_a_consumers_wait(bootstrap, client, topic):
    """A parked fetch of a deleted partition must be answered, not forgotten."""
    with Connection(bootstrap, timeout=30) as waiting:
        request = fetch_request([(topic, 0, 0)], 11, max_wait=15_000, min_bytes=1)
        waiting.send(encode(request, 1))
        assert code_of(client.delete_topics([topic])[topic])[0] == 0
        answer = waiting.decode(request, waiting.read_frame(), 1)
        assert answer.responses[0].partitions[0].error_code in (0, 3, 6)


# -- partitions ------------------------------------------------------------------------------------------------------


def test_create_partitions(client, java, bootstrap, topic, fresh):
    Confluent().produce(bootstrap, topic, [Record(b"before")])
    assert code_of(client.create_partitions([NewPartitions(topic, 4)])[topic])[0] == 0
    wait_until(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 4, what="four partitions")
    Confluent().produce(bootstrap, topic, [Record(b"after")], partition=3)
    assert Confluent().consume(bootstrap, topic, 1, partition=3)[0].value == b"after"
    assert Confluent().consume(bootstrap, topic, 1)[0].value == b"before"

    for count, expected in ((4, Error.INVALID_PARTITIONS), (2, Error.INVALID_PARTITIONS)):
        assert code_of(client.create_partitions([NewPartitions(topic, count)])[topic])[0] == expected
    absent = fresh()
    assert code_of(client.create_partitions([NewPartitions(absent, 4)])[absent])[0] == Error.UNKNOWN_TOPIC_OR_PART
    java.call("createPartitions", bootstrap, topic=topic, count=6, validateOnly=True)
    assert len(java.call("describeTopic", bootstrap, topic=topic)["partitions"]) == 4


# -- configs ---------------------------------------------------------------------------------------------------------

TOPIC_CONFIGS = [  # Kafka 4's topic configs with their defaults
    ("cleanup.policy", "delete"), ("compression.type", "producer"), ("delete.retention.ms", "86400000"),
    ("file.delete.delay.ms", "60000"), ("flush.messages", "9223372036854775807"), ("flush.ms", "9223372036854775807"),
    ("index.interval.bytes", "4096"),
    ("max.compaction.lag.ms", "9223372036854775807"), ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "3600000"), ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"), ("min.cleanable.dirty.ratio", "0.5"), ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"), ("preallocate", "false"), ("retention.bytes", "-1"), ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"), ("segment.index.bytes", "10485760"), ("segment.jitter.ms", "0"),
    ("segment.ms", "604800000"), ("unclean.leader.election.enable", "false"), ("local.retention.bytes", "-2"),
    ("local.retention.ms", "-2"), ("remote.log.copy.disable", "false"), ("remote.log.delete.on.disable", "false"),
    ("remote.storage.enable", "false"),
]  # fmt: skip


def test_every_topic_config_is_described(java, bootstrap, topic):
    """Connect and ksqlDB read cleanup.policy this way before they start."""
    shown = java.call("describeConfigs", bootstrap, name=topic)
    missing = [name for name, _ in TOPIC_CONFIGS if name not in shown]
    assert not missing
    different = {name: shown[name]["value"] for name, value in TOPIC_CONFIGS if shown[name]["value"] != value}
    assert not different
    assert {entry["source"] for entry in shown.values()} <= {
        "DEFAULT_CONFIG",
        "STATIC_BROKER_CONFIG",
        "DYNAMIC_DEFAULT_BROKER_CONFIG",
    }
    assert {shown[name]["type"] for name in ("retention.ms", "flush.ms")} == {"LONG"}
    assert shown["cleanup.policy"]["type"] == "LIST" and shown["preallocate"]["type"] == "BOOLEAN"
    assert shown["retention.ms"]["documentation"]
    assert not any(entry["sensitive"] for entry in shown.values())


def test_incremental_alter_by_java(java, bootstrap, topic):
    java.call(
        "alterConfigs",
        bootstrap,
        name=topic,
        operations=[
            ["SET", "retention.ms", "1000"],
            ["SET", "max.message.bytes", "2000000"],
            ["APPEND", "cleanup.policy", "compact"],
        ],
    )
    shown = java.call("describeConfigs", bootstrap, name=topic)
    assert shown["retention.ms"]["value"] == "1000" and shown["retention.ms"]["source"] == "DYNAMIC_TOPIC_CONFIG"
    assert shown["retention.ms"]["synonyms"][0] == "DYNAMIC_TOPIC_CONFIG:retention.ms"
    assert shown["retention.ms"]["synonyms"][-1].startswith("DEFAULT_CONFIG:log.retention")
    assert set(shown["cleanup.policy"]["value"].split(",")) == {"delete", "compact"}
    java.call(
        "alterConfigs",
        bootstrap,
        name=topic,
        operations=[["DELETE", "retention.ms"], ["SUBTRACT", "cleanup.policy", "delete"]],
    )
    shown = java.call("describeConfigs", bootstrap, name=topic)
    assert shown["retention.ms"]["value"] == "604800000" and shown["retention.ms"]["source"] == "DEFAULT_CONFIG"
    assert shown["cleanup.policy"]["value"] == "compact"
    assert shown["max.message.bytes"]["value"] == "2000000"


@pytest.mark.parametrize(
    "operation",
    (
        ["SET", "retention.mss", "1"],
        ["SET", "retention.ms", "soon"],
        ["SET", "segment.bytes", "0"],
        ["SET", "cleanup.policy", "shred"],
        ["APPEND", "retention.ms", "1"],
        ["SET", "min.cleanable.dirty.ratio", "1.5"],
    ),
    ids=lambda operation: " ".join(operation),
)
def test_bad_values_change_nothing(java, bootstrap, topic, operation):
    before = java.call("describeConfigs", bootstrap, name=topic)
    with pytest.raises(JavaError) as caught:
        java.call("alterConfigs", bootstrap, name=topic, operations=[["SET", "retention.ms", "5"], operation])
    # Kafka says INVALID_CONFIG; two operations for one name in one request are an INVALID_REQUEST.
    assert caught.value.type in ("InvalidConfigurationException", "InvalidRequestException") and caught.value.text
    assert java.call("describeConfigs", bootstrap, name=topic) == before


def test_incremental_alter_by_confluent(client, topic):
    def resource(*entries):
        return ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=list(entries))

    change = resource(
        ConfigEntry("retention.ms", "777", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET),
    )
    assert code_of(client.incremental_alter_configs([change])[change])[0] == 0
    plain = ConfigResource(ConfigResource.Type.TOPIC, topic)
    shown = client.describe_configs([plain])[plain].result(30)
    assert shown["retention.ms"].value == "777"
    assert shown["retention.ms"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    bad = resource(ConfigEntry("retention.msss", "1", incremental_operation=AlterConfigOpType.SET))
    code, text = code_of(client.incremental_alter_configs([bad])[bad])
    assert code == Error.INVALID_CONFIG and "retention.msss" in text


def test_alter_replaces_all(client, topic):
    """AlterConfigs (not incremental) drops what the request does not name."""

    def alter(configs):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=configs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return code_of(client.alter_configs([resource])[resource])

    assert alter({"retention.ms": "100", "max.message.bytes": "5000"})[0] == 0
    assert alter({"retention.ms": "200"})[0] == 0
    plain = ConfigResource(ConfigResource.Type.TOPIC, topic)
    shown = client.describe_configs([plain])[plain].result(30)
    assert (shown["retention.ms"].value, shown["max.message.bytes"].value) == ("200", "1048588")
    assert alter({"max.message.bytes": "-7"})[0] == Error.INVALID_CONFIG


def test_kafka_python_configs(python_admin, topic):
    resource = PythonConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.bytes": "4096"})
    python_admin.alter_configs([resource])
    shown = python_admin.describe_configs([PythonConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    assert "4096" in str(shown) and "cleanup.policy" in str(shown)


def test_configs_of_an_absent_topic(client, fresh):
    absent = fresh()
    resource = ConfigResource(ConfigResource.Type.TOPIC, absent)
    assert code_of(client.describe_configs([resource])[resource])[0] == Error.UNKNOWN_TOPIC_OR_PART
    change = ConfigResource(
        ConfigResource.Type.TOPIC,
        absent,
        incremental_configs=[ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)],
    )
    assert code_of(client.incremental_alter_configs([change])[change])[0] == Error.UNKNOWN_TOPIC_OR_PART


def test_configs_asked_by_name(java, bootstrap, topic):
    for version in (1, 4):
        answer = java.call(
            "exchange",
            bootstrap,
            requests=[
                {
                    "key": 32,
                    "version": version,
                    "fields": {
                        "resources": [
                            {
                                "resourceType": 2,
                                "resourceName": topic,
                                "configurationKeys": ["retention.ms", "no.such.config"],
                            }
                        ]
                    },
                }
            ],
        )[0]
        assert [c["name"] for c in answer["response"]["results"][0]["configs"]] == ["retention.ms"]


def test_broker_configs(java, bootstrap):
    node = java.call("describeCluster", bootstrap)["nodes"][0]
    shown = java.call("describeConfigs", bootstrap, type="BROKER", name=str(node))
    for name in (
        "log.segment.bytes",
        "num.partitions",
        "auto.create.topics.enable",
        "message.max.bytes",
        "log.retention.ms",
    ):
        assert name in shown, name
    assert shown["num.partitions"]["value"] is not None


def test_the_default_of_brokers_is_what_was_altered(java, bootstrap):
    """Not what each broker has besides, as `kafka-configs.sh --entity-default --describe` shows it."""
    setting = "log.index.interval.bytes"

    def alter(*operation):
        java.call("alterConfigs", bootstrap, type="BROKER", name="", operations=[operation])

    before = java.call("describeConfigs", bootstrap, type="BROKER", name="")
    assert not {"node.id", "num.partitions", setting} & set(before), before
    alter("SET", setting, "5000")
    try:
        shown = java.call("describeConfigs", bootstrap, type="BROKER", name="")
        assert set(shown) - set(before) == {setting}
        assert shown[setting]["value"] == "5000"
        assert shown[setting]["source"] == "DYNAMIC_DEFAULT_BROKER_CONFIG"
    finally:
        alter("DELETE", setting)


def test_authorized_operations_are_all_there_are(java, bootstrap, topic):
    """As Kafka answers without an authorizer; user interfaces show what they may do by it."""
    client = Confluent()
    client.produce(bootstrap, topic, [Record(b"x")])
    group = f"group-of-{topic}"
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 0, 1)], asynchronous=False)
    consumer.close()
    told = java.call("authorizedOperations", bootstrap, topic=topic, group=group)
    configs = ["ALTER_CONFIGS", "DESCRIBE_CONFIGS"]
    assert told["topic"] == sorted([*configs, "ALTER", "CREATE", "DELETE", "DESCRIBE", "READ", "WRITE"])
    assert set(told["group"]) >= {"DELETE", "DESCRIBE", "READ"}
    assert told["cluster"] == sorted([*configs, "ALTER", "CLUSTER_ACTION", "CREATE", "DESCRIBE", "IDEMPOTENT_WRITE"])


def test_altered_max_message_bytes_works_at_once(client, bootstrap, topic):
    change = ConfigResource(
        ConfigResource.Type.TOPIC,
        topic,
        incremental_configs=[ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET)],
    )
    assert code_of(client.incremental_alter_configs([change])[change])[0] == 0
    with Connection(bootstrap) as connection:
        assert produce(connection, topic, batch([b"x" * 2_000])).error_code == 10
        assert produce(connection, topic, batch([b"x" * 500])).error_code == 0


def test_min_insync_replicas_above_one(java, bootstrap, fresh):
    """There is one replica, so acks=all cannot be promised: NOT_ENOUGH_REPLICAS; acks=1 is."""
    topic = create_topic(bootstrap, fresh(), configs={"min.insync.replicas": "2"})
    with Connection(bootstrap) as connection:
        assert produce(connection, topic, batch([b"x"]), acks=-1).error_code == 19
        assert produce(connection, topic, batch([b"x"]), acks=1).error_code == 0


def test_list_config_resources(java, bootstrap, topic):
    assert f"TOPIC:{topic}" in java.call("listConfigResources", bootstrap)


# -- the cluster -----------------------------------------------------------------------------------------------------


def test_describe_cluster(client, java, python_admin, bootstrap):
    seen = client.describe_cluster().result(30)
    other = java.call("describeCluster", bootstrap)
    third = python_admin.describe_cluster()
    assert seen.cluster_id == other["id"] == third["cluster_id"]
    assert len(seen.nodes) == 1 and seen.controller.id == other["controller"] == third["controller_id"]
    assert f"{seen.nodes[0].host}:{seen.nodes[0].port}" == bootstrap


def test_log_dirs(java, bootstrap, topic):
    Confluent().produce(bootstrap, topic, [Record(b"x" * 5_000)] * 10)
    directories = java.call("describeLogDirs", bootstrap)
    assert len(directories) == 1
    assert directories[0]["path"].startswith("/")
    assert 50_000 < directories[0]["sizes"][f"{topic}-0"] < 60_000
    assert directories[0]["total"] > directories[0]["usable"] > 0


def test_describe_producers(java, bootstrap, topic):
    with Connection(bootstrap) as connection:
        identity = init_producer_id(connection)
        for sequence in (0, 2, 4):
            assert produce(connection, topic, batch([b"a", b"b"], *identity, sequence=sequence)).error_code == 0
        other = init_producer_id(connection)
        assert produce(connection, topic, batch([b"c"], *other, sequence=0)).error_code == 0
    assert other[0] != identity[0]
    shown = {p["id"]: p for p in java.call("describeProducers", bootstrap, topic=topic)}
    assert set(shown) == {identity[0], other[0]}
    assert shown[identity[0]]["lastSequence"] == 5 and shown[identity[0]]["epoch"] == identity[1]
    assert abs(shown[other[0]]["lastTimestamp"] - time.time() * 1000) < 600_000


def test_list_offsets(java, client, bootstrap, topic):
    stamps = [1_700_000_000_000 + delta for delta in (0, 9_000, 4_000)]
    java.call(
        "produce",
        bootstrap,
        topic=topic,
        records=[{"partition": 0, "value": rebase(b"v"), "timestamp": stamp} for stamp in stamps],
    )
    assert java.call("listOffsets", bootstrap, topic=topic, at="earliest")["offset"] == 0
    assert java.call("listOffsets", bootstrap, topic=topic, at="latest")["offset"] == 3
    largest = java.call("listOffsets", bootstrap, topic=topic, at="maxTimestamp")
    assert (largest["offset"], largest["timestamp"]) == (1, stamps[1])
    assert java.call("listOffsets", bootstrap, topic=topic, at=stamps[0] + 1)["offset"] == 1
    assert java.call("listOffsets", bootstrap, topic=topic, at=stamps[1] + 1)["offset"] == -1
    assert java.call("listOffsets", bootstrap, topic=topic, at="earliestLocal")["offset"] == 0
    place = confluent_kafka.TopicPartition(topic, 0)
    for spec, offset in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 3), (OffsetSpec.max_timestamp(), 1)):
        assert client.list_offsets({place: spec})[place].result(30).offset == offset


def test_elect_leaders(java, bootstrap, topic):
    """The preferred leader leads already: ELECTION_NOT_NEEDED."""
    assert java.call("electLeaders", bootstrap, topic=topic, type="PREFERRED") == "ElectionNotNeededException"
    assert (
        java.call("electLeaders", bootstrap, topic="absent-" + topic, type="PREFERRED")
        == "UnknownTopicOrPartitionException"
    )


def test_reassignments(java, bootstrap, topic):
    node = java.call("describeCluster", bootstrap)["nodes"][0]
    assert java.call("listReassignments", bootstrap) == 0
    java.call("alterReassignments", bootstrap, topic=topic, replicas=[node])
    with pytest.raises(JavaError) as caught:
        java.call("alterReassignments", bootstrap, topic=topic, replicas=[node + 1])
    assert caught.value.type == "InvalidReplicaAssignmentException"


def test_quorum(java, bootstrap):
    node = java.call("describeCluster", bootstrap)["nodes"][0]
    quorum = java.call("describeQuorum", bootstrap)
    assert quorum["leader"] == node and quorum["voters"] == [node]


def test_access_is_not_kept(java, bootstrap, topic):
    """As a Kafka broker without an authorizer and without users, so that tools know what they see."""
    for call in ("describeAcls", "createAcls", "deleteAcls"):
        with pytest.raises(JavaError) as caught:
            java.call(call, bootstrap, topic=topic)
        assert caught.value.type == "SecurityDisabledException"
        assert "No Authorizer is configured" in str(caught.value)
    assert java.call("describeUsers", bootstrap) == 0


def test_features(java, bootstrap):
    features = java.call("describeFeatures", bootstrap)
    for name, level in features["finalized"].items():
        assert level <= features["supported"][name], name


def test_offset_for_leader_epoch(java, bootstrap, topic):
    Confluent().produce(bootstrap, topic, [Record(b"x")] * 5)
    epoch = java.call("listOffsets", bootstrap, topic=topic, at="latest")["leaderEpoch"]
    assert epoch >= 0

    def ask(current, wanted):
        fields = {
            "topics": [
                {"topic": topic, "partitions": [{"partition": 0, "currentLeaderEpoch": current, "leaderEpoch": wanted}]}
            ]
        }
        answer = java.call("exchange", bootstrap, requests=[{"key": 23, "version": 4, "fields": fields}])[0]["response"]
        found = answer["topics"][0]["partitions"][0]
        return found["errorCode"], found["leaderEpoch"], found["endOffset"]

    assert ask(-1, epoch) == (0, epoch, 5)
    assert ask(epoch, epoch) == (0, epoch, 5)
    assert ask(epoch + 7, epoch)[0] == 75
    assert ask(-1, epoch + 7) == (0, -1, -1)


def test_metadata_null_is_all_and_empty_is_none(java, bootstrap, topic):
    def ask(topics):
        answer = java.call("exchange", bootstrap, requests=[{"key": 3, "version": 9, "fields": {"topics": topics}}])[0]
        return {found["name"] for found in answer["response"]["topics"]}

    assert ask([]) == set()
    assert topic in ask(None)


def test_metadata_by_topic_id(java, bootstrap, topic):
    topic_id = java.call("describeTopic", bootstrap, topic=topic)["id"]

    def ask(id_):
        answer = java.call(
            "exchange",
            bootstrap,
            requests=[
                {
                    "key": 3,
                    "version": 12,
                    "fields": {"topics": [{"name": None, "topicId": id_}], "allowAutoTopicCreation": False},
                }
            ],
        )[0]["response"]["topics"][0]
        return answer["errorCode"], answer["name"]

    assert ask(topic_id) == (0, topic)
    assert ask("AAAAAAAAAAAAAAAAAAAAJA") == (100, None)


def test_describe_topic_partitions_goes_page_by_page(make_broker, java):
    """As Java and librdkafka describe topics with very many partitions (KIP-966)."""
    broker = make_broker()
    name = "pages-" + uuid.uuid4().hex[:6]
    java.call("createTopic", broker.address, topic=name, partitions=100, replicas=1)
    fields = {"topics": [{"name": name}], "responsePartitionLimit": 30, "cursor": None}
    seen = []
    while True:
        answer = java.call("exchange", broker.address, requests=[{"key": 75, "version": 0, "fields": fields}])[0][
            "response"
        ]
        page = [p["partitionIndex"] for p in answer["topics"][0]["partitions"]]
        assert 0 < len(page) <= 30
        seen += page
        fields["cursor"] = answer["nextCursor"]
        if answer["nextCursor"] is None:
            break
    assert seen == list(range(100))


def test_a_client_that_wants_to_log_in_is_told_at_once(bootstrap):
    """Without an answer to its handshake it would try until its time is over."""
    told = []
    settings = {
        "bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
        "sasl.username": "u", "sasl.password": "p", "error_cb": told.append, "log_level": 0,
    }  # fmt: skip
    client = confluent_kafka.admin.AdminClient(settings)
    wait_until(lambda: client.poll(0.1) or told, what="an error", timeout=20)
    assert "SASL" in told[0].str(), told[0].str()
    assert "not supported by broker" not in told[0].str()
