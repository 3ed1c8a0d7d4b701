"""Share groups as administrators see them: Kafka's Java Admin, the command line, and members that only send heartbeats."""

import json
import uuid

import pytest

from clients import Confluent, Record, create_topic
from groups_wire import commit, committed, find_coordinator
from jvm import JavaError
from process import wait_until
from test_cli import call
from wire import Connection


class Members:
    """Members of share groups that join and leave, with Kafka's own classes for the messages."""

    def __init__(self, java, bootstrap):
        self.java, self.bootstrap = java, bootstrap
        find_coordinator(bootstrap)

    def heartbeat(self, group, member, epoch, topics=None):
        fields = {
            "groupId": group, "memberId": member, "memberEpoch": epoch, "rackId": None, "subscribedTopicNames": topics,
        }  # fmt: skip
        request = {"key": 76, "version": 1, "fields": fields}
        answer = self.java.call("exchange", self.bootstrap, requests=[request])[0]
        assert not answer.get("unread") and not answer.get("differs"), answer
        return answer["response"]

    def join(self, group, topics, member=None):
        answer = self.heartbeat(group, member or str(uuid.uuid4()), 0, topics)
        assert answer["errorCode"] == 0, answer
        return answer["memberId"]

    def leave(self, group, member):
        assert self.heartbeat(group, member, -1)["errorCode"] == 0


@pytest.fixture
def members(java, bootstrap):
    return Members(java, bootstrap)


def refused(java, bootstrap, call, **arguments):
    with pytest.raises(JavaError) as caught:
        java.call(call, bootstrap, **arguments)
    return caught.value.type


def test_a_group_is_described_and_listed(java, bootstrap, members, fresh):
    topic, group = create_topic(bootstrap, fresh(), 4), fresh("g")
    first, second = members.join(group, [topic]), members.join(group, [topic])
    told = members.heartbeat(group, first, 1)
    assert told["memberEpoch"] == 2 and len(told["assignment"]["topicPartitions"][0]["partitions"]) == 2
    described = java.call("describeShareGroup", bootstrap, group=group)
    assert described["state"] == "Stable" and described["epoch"] == described["targetEpoch"] == 2
    assert {m["id"] for m in described["members"]} == {first, second}
    assert sorted(p for m in described["members"] for p in m["assignment"]) == [[topic, n] for n in range(4)]
    assert all(m["client"] == "exchange" and m["host"] == "/127.0.0.1" and m["epoch"] == 2 for m in described["members"])
    assert java.call("listGroups", bootstrap, types=["share"])[group] == ["Share", "Stable", "share"]
    assert group not in java.call("listGroups", bootstrap, types=["consumer", "classic"])
    assert group not in java.call("listGroups", bootstrap, states=["Empty"])
    assert refused(java, bootstrap, "describeShareGroup", group=fresh("none")) == "GroupIdNotFoundException"
    assert refused(java, bootstrap, "describeGroup", group=group) == "GroupIdNotFoundException"
    # As in Kafka there are no offsets in it for consumers, and none can be committed.
    with Connection(bootstrap) as connection:
        for version in (1, 5, 8, 9):
            assert committed(connection, group, topic, version) == (0, -1, "")
        assert commit(connection, group, topic, 1) == 69
    members.leave(group, first)
    members.leave(group, second)
    assert java.call("listGroups", bootstrap, states=["Empty"])[group] == ["Share", "Empty", "share"]


def test_offsets_are_altered_listed_and_deleted(java, bootstrap, members, fresh):
    topic, other, group = create_topic(bootstrap, fresh(), 2), create_topic(bootstrap, fresh()), fresh("g")
    Confluent().produce(bootstrap, topic, [Record(b"x")] * 5)
    assert refused(java, bootstrap, "alterShareGroupOffsets", group=group, offsets=[[topic, 0, 1]]) == (
        "GroupIdNotFoundException"
    )
    member = members.join(group, [topic])
    # What nobody has fetched from has no offset yet.
    assert java.call("shareGroupOffsets", bootstrap, group=group) == {f"{topic}-0": None, f"{topic}-1": None}
    for operation in (
        ("alterShareGroupOffsets", {"offsets": [[topic, 0, 1]]}), ("deleteShareGroupOffsets", {"topics": [topic]}),
        ("deleteShareGroup", {}),
    ):  # fmt: skip
        assert refused(java, bootstrap, operation[0], group=group, **operation[1]) == "GroupNotEmptyException"
    members.leave(group, member)
    java.call("alterShareGroupOffsets", bootstrap, group=group, offsets=[[topic, 0, 2], [other, 0, 0]])
    assert java.call("shareGroupOffsets", bootstrap, group=group) == {
        f"{topic}-0": [2, 3], f"{topic}-1": None, f"{other}-0": [0, 0],
    }  # fmt: skip
    one = java.call("shareGroupOffsets", bootstrap, group=group, partitions=[[topic, 0], ["absent", 3]])
    assert one == {f"{topic}-0": [2, 3], "absent-3": None}
    unknown = refused(java, bootstrap, "alterShareGroupOffsets", group=group, offsets=[[topic, 9, 0]])
    assert unknown == "UnknownTopicOrPartitionException"
    java.call("deleteShareGroupOffsets", bootstrap, group=group, topics=[topic])
    assert java.call("shareGroupOffsets", bootstrap, group=group) == {f"{other}-0": [0, 0]}
    again = refused(java, bootstrap, "deleteShareGroupOffsets", group=group, topics=[topic])
    assert again == "UnknownTopicOrPartitionException"
    java.call("deleteShareGroup", bootstrap, group=group)
    assert group not in java.call("listGroups", bootstrap)
    assert refused(java, bootstrap, "deleteShareGroup", group=group) == "GroupIdNotFoundException"
    # A new group by the name begins from nothing.
    members.leave(group, members.join(group, [other]))
    assert java.call("shareGroupOffsets", bootstrap, group=group) == {f"{other}-0": None}


def test_groups_and_offsets_outlive_a_kill(java, broker, fresh, tmp_path):
    topic = create_topic(broker.address, fresh(), 3)
    members = Members(java, broker.address)
    members.leave("g", members.join("g", [topic]))
    java.call("alterShareGroupOffsets", broker.address, group="g", offsets=[[topic, 1, 7]])
    member = members.join("h", [topic])
    broker.kill()
    broker.start()
    offsets = {f"{topic}-0": None, f"{topic}-1": [7, 0], f"{topic}-2": None}
    wait_until(lambda: "g" in java.call("listGroups", broker.address))
    found = java.call("shareGroupOffsets", broker.address, group="g")
    assert found.keys() == offsets.keys() and found[f"{topic}-1"][0] == 7 and found[f"{topic}-0"] is None
    described = java.call("describeShareGroup", broker.address, group="h")
    assert [m["id"] for m in described["members"]] == [member] and described["epoch"] == 1
    answer = Members(java, broker.address).heartbeat("h", member, 1)
    assert answer["errorCode"] == 0 and answer["memberEpoch"] == 1


def test_nothing_is_left_of_a_group_that_was_deleted(java, broker, fresh):
    """Not of topics that it lists no more either: a new group by the name begins from nothing, also after a kill."""
    topics = [create_topic(broker.address, fresh()) for _ in range(3)]
    members = Members(java, broker.address)
    for _ in range(3):
        members.leave("g", members.join("g", topics))
        java.call("alterShareGroupOffsets", broker.address, group="g", offsets=[[topic, 0, 0] for topic in topics])
        java.call("deleteShareGroupOffsets", broker.address, group="g", topics=topics[:1])
        assert java.call("shareGroupOffsets", broker.address, group="g") == {f"{t}-0": [0, 0] for t in topics[1:]}
        java.call("deleteTopic", broker.address, topic=topics[1])
        create_topic(broker.address, topics[1])
        java.call("deleteShareGroup", broker.address, group="g")
        broker.kill()
        broker.start()
        find_coordinator(broker.address)
        member = str(uuid.uuid4())
        # While the group's log is read it is to come again (14).
        wait_until(lambda: members.heartbeat("g", member, 0, topics)["errorCode"] == 0)
        assert java.call("shareGroupOffsets", broker.address, group="g") == {f"{topic}-0": None for topic in topics}
        members.leave("g", member)


def test_a_deleted_topic_is_forgotten(java, bootstrap, members, fresh):
    topic, group = create_topic(bootstrap, fresh()), fresh("g")
    members.leave(group, members.join(group, [topic]))
    java.call("alterShareGroupOffsets", bootstrap, group=group, offsets=[[topic, 0, 0]])
    java.call("deleteTopic", bootstrap, topic=topic)
    wait_until(lambda: java.call("shareGroupOffsets", bootstrap, group=group) == {})


DEFAULTS = {
    "share.assignment.interval.ms": "0", "consumer.assignment.interval.ms": "0",
    "share.auto.offset.reset": "latest", "share.delivery.count.limit": "5", "share.heartbeat.interval.ms": "5000",
    "share.isolation.level": "read_uncommitted", "share.partition.max.record.locks": "2000",
    "share.record.lock.duration.ms": "30000", "share.renew.acknowledge.enable": "true",
    "share.session.timeout.ms": "45000",
}  # fmt: skip


def test_settings_of_a_group(java, bootstrap, members, fresh):
    group = fresh("g")

    def alter(name, value):
        java.call("alterConfigs", bootstrap, type="GROUP", name=group, operations=[["SET", name, value]])

    configs = java.call("describeConfigs", bootstrap, type="GROUP", name=group)
    assert {name: configs[name]["value"] for name in DEFAULTS} == DEFAULTS
    for name, value in (
        ("share.auto.offset.reset", "earliest"), ("share.auto.offset.reset", "by_duration:PT1H30M"),
        ("share.isolation.level", "read_committed"), ("share.record.lock.duration.ms", "15000"),
        ("share.delivery.count.limit", "10"), ("share.partition.max.record.locks", "10000"),
        ("share.renew.acknowledge.enable", "false"), ("share.heartbeat.interval.ms", "9000"),
        ("share.assignment.interval.ms", "15000"), ("consumer.assignment.interval.ms", "1000"),
    ):  # fmt: skip
        alter(name, value)
        told = java.call("describeConfigs", bootstrap, type="GROUP", name=group)[name]
        assert told["value"] == value and told["source"] == "DYNAMIC_GROUP_CONFIG"
    for name, value in (
        ("share.auto.offset.reset", "none"), ("share.auto.offset.reset", "by_duration:1h"),
        ("share.auto.offset.reset", "by_duration:-PT1H"), ("share.isolation.level", "committed"),
        ("share.record.lock.duration.ms", "14999"), ("share.record.lock.duration.ms", "60001"),
        ("share.delivery.count.limit", "11"), ("share.delivery.count.limit", "1"),
        ("share.partition.max.record.locks", "99"), ("share.session.timeout.ms", "1000"),
        ("share.heartbeat.interval.ms", "15001"), ("share.renew.acknowledge.enable", "1"), ("share.unknown", "1"),
        ("share.assignment.interval.ms", "15001"), ("consumer.assignment.interval.ms", "-1"),
        # Of Kafka 4.4.
        ("errors.deadletterqueue.topic.name", "dlq.letters"),
    ):  # fmt: skip
        with pytest.raises(JavaError) as caught:
            alter(name, value)
        assert caught.value.type in ("InvalidConfigurationException", "InvalidRequestException"), (name, value)
    answer = members.heartbeat(group, "m", 0, [create_topic(bootstrap, fresh())])
    assert answer["heartbeatIntervalMs"] == 9000


def test_the_feature_is_told(java, bootstrap):
    features = java.call("describeFeatures", bootstrap)
    assert features["finalized"]["share.version"] == features["supported"]["share.version"] == 1


def test_the_command_line(bootstrap, java, members, fresh):
    topic, group = create_topic(bootstrap, fresh(), 2), fresh("g")
    Confluent().produce(bootstrap, topic, [Record(b"x")] * 4)

    def swiftwater(*arguments, code=0):
        done = call(*arguments, "-b", bootstrap)
        assert done.code == code, (arguments, done.out, done.err)
        return done.out.decode() if isinstance(done.out, bytes) else done.out

    member = members.join(group, [topic])
    listed = json.loads(swiftwater("group", "list", "--type", "share", "-o", "json"))
    row = next(row for row in listed if row["group"] == group)
    assert row["type"] == "share" and row["members"] == 1 and row["state"] == "Stable"
    assert all(row["type"] == "share" for row in listed)
    described = json.loads(swiftwater("group", "describe", group, "-o", "json"))[0]
    assert described["assignor"] == "simple" and [m["member"] for m in described["members"]] == [member]
    swiftwater("group", "reset-offsets", group, "--topic", topic, "--to-earliest", "--execute", code=1)
    members.leave(group, member)
    swiftwater("group", "reset-offsets", group, "--topic", topic, "--to-offset", "1", "--execute")
    rows = json.loads(swiftwater("group", "describe", group, "-o", "json"))[0]["partitions"]
    assert [(r["partition"], r["current"], r["lag"]) for r in rows] == [(0, 1, 3), (1, 0, 0)]
    table = swiftwater("group", "describe", group)
    assert "START" in table and "MEMBER " not in table
    swiftwater("group", "delete", group, "--offsets", "--topic", topic)
    assert json.loads(swiftwater("group", "describe", group, "-o", "json"))[0]["partitions"] == []
    swiftwater("group", "delete", group)
    assert group not in java.call("listGroups", bootstrap)
