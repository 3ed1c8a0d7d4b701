"""Streams groups (KIP-1071): the consumer of Kafka Streams' own threads, Kafka's Java Admin, the command line, and members
that only send heartbeats, with Kafka's own classes for the messages."""

import json
import uuid

import pytest
from confluent_kafka import Consumer

from clients import Confluent, Record, create_topic
from groups_wire import find_coordinator
from jvm import JavaError
from process import wait_until
from test_cli import call

# Members hear of news ten times a second.
QUICK = {
    "group.streams.heartbeat.interval.ms": "100", "group.streams.min.heartbeat.interval.ms": "100",
    "group.streams.session.timeout.ms": "30000", "group.streams.min.session.timeout.ms": "1000",
}  # fmt: skip


@pytest.fixture
def quick(make_broker):
    broker = make_broker(QUICK)
    find_coordinator(broker.address)
    return broker


class Application:
    """The threads of one application: they read a topic and count its records by another key."""

    def __init__(self, java, bootstrap, group, topic, stateful=True):
        self.java, self.bootstrap, self.group, self.topic = java, bootstrap, group, topic
        self.names = []
        self.subtopologies = {"0": {"sources": [topic]}}
        if stateful:
            self.repartition, self.changelog = f"{group}-by-key-repartition", f"{group}-counts-changelog"
            self.subtopologies = {
                "0": {"sources": [topic], "sinks": [self.repartition]},
                "1": {"repartitions": [self.repartition], "changelogs": [self.changelog]},
            }

    def open(self, process=None, **options):
        name = f"{self.group}-{uuid.uuid4().hex[:8]}"
        self.java.call(
            "streamsOpen", self.bootstrap, name=name, group=self.group, process=process or name,
            subtopologies=self.subtopologies, properties={"client.id": name}, **options,
        )  # fmt: skip
        self.names.append(name)
        return name

    def look(self, name):
        looked = self.java.call("streamsLook", self.bootstrap, name=name)
        assert looked["failure"] is None, looked
        return looked

    def close(self, name):
        self.names.remove(name)
        looked = self.java.call("streamsClose", self.bootstrap, name=name)
        assert looked["failure"] is None, looked
        return looked

    def close_all(self):
        for name in list(self.names):
            self.close(name)

    def committed(self):
        """Offsets of what is read; members commit where they are in other topics as well."""
        offsets = self.java.call("streamsGroupOffsets", self.bootstrap, group=self.group)
        return {p: offset for p, offset in offsets.items() if p.rpartition("-")[0] == self.topic}

    def tasks(self, role="active"):
        return {name: self.look(name)[role] for name in self.names}

    def settles(self, tasks, timeout=60):
        """Until every task is with exactly one member, and members have about as many as others."""

        def is_settled():
            held = self.tasks()
            counts = [len(one) for one in held.values()]
            return sorted(t for one in held.values() for t in one) == sorted(tasks) and max(counts) - min(counts) <= 1

        wait_until(is_settled, timeout, f"{len(tasks)} tasks with {len(self.names)} members")
        return self.tasks()


def all_tasks(partitions, subtopologies=2):
    return [f"{s}_{p}" for s in range(subtopologies) for p in range(partitions)]


@pytest.fixture
def application(java, quick, fresh):
    topic = create_topic(quick.address, fresh(), 4)
    application = Application(java, quick.address, fresh("app"), topic)
    yield application
    application.close_all()


def test_members_share_tasks_and_hand_them_over(application, java):
    bootstrap, group = application.bootstrap, application.group
    first = application.open()
    assert application.settles(all_tasks(4)) == {first: all_tasks(4)}
    # The broker has made the topics.
    described = java.call("describeStreamsGroup", bootstrap, group=group)
    assert described["state"] == "Stable" and described["epoch"] == described["targetEpoch"]
    assert described["subtopologies"] == {
        "0": {application.topic: None}, "1": {application.repartition: 4, application.changelog: 4},
    }  # fmt: skip
    assert sorted(described["members"][0]["active"]) == sorted(described["members"][0]["target"]) == all_tasks(4)
    shown = json.loads(call("topic", "describe", application.changelog, "-o", "json", "-b", bootstrap).out)
    assert "compact" in json.dumps(shown)
    shown = json.loads(call("topic", "describe", application.repartition, "-o", "json", "-b", bootstrap).out)
    assert "52428800" in json.dumps(shown)
    second = application.open()
    held = application.settles(all_tasks(4))
    assert len(held[first]) == len(held[second]) == 4
    third = application.open()
    application.settles(all_tasks(4))
    application.close(first)
    held = application.settles(all_tasks(4))
    assert set(held) == {second, third}
    assert all(application.look(name)["lost"] == 0 for name in held)


def test_what_is_read_is_committed_and_administrators_see_it(application, java):
    bootstrap, group, topic = application.bootstrap, application.group, application.topic
    for partition in range(4):
        Confluent().produce(bootstrap, topic, [Record(f"{partition}-{n}".encode()) for n in range(25)], partition=partition)
    one, two = application.open(), application.open()
    wanted = {f"{p}-{n}" for p in range(4) for n in range(25)}
    wait_until(lambda: set(application.look(one)["seen"] + application.look(two)["seen"]) == wanted, 60, "all records")
    offsets = {f"{topic}-{p}": 25 for p in range(4)}
    wait_until(lambda: application.committed() == offsets, 30, "commits")
    listed = json.loads(call("group", "list", "--type", "streams", "-o", "json", "-b", bootstrap).out)
    assert [(g["group"], g["type"], g["members"], g["lag"]) for g in listed] == [(group, "streams", 2, 0)]
    described = json.loads(call("group", "describe", group, "-o", "json", "-b", bootstrap).out)[0]
    assert described["type"] == "streams" and described["topologyEpoch"] == 0
    assert sorted(t for m in described["members"] for t in m["active"]) == all_tasks(4)
    assert {(r["topic"], r["partition"], r["current"]) for r in described["partitions"]} >= {
        (topic, p, 25) for p in range(4)
    }
    # Each is with the member that has a task of it.
    members = {m["member"]: m["active"] for m in described["members"]}
    assert all(f"0_{r['partition']}" in members[r["member"]] for r in described["partitions"] if r["topic"] == topic)
    table = call("group", "describe", group, "--members", "-b", bootstrap).out
    assert "STANDBY" in table and "topology:     epoch 0" in table
    with pytest.raises(JavaError) as caught:
        java.call("deleteStreamsGroupOffsets", bootstrap, group=group, partitions=[[topic, 0]])
    assert caught.value.type == "GroupSubscribedToTopicException"
    with pytest.raises(JavaError) as caught:
        java.call("deleteStreamsGroup", bootstrap, group=group)
    assert caught.value.type == "GroupNotEmptyException"
    application.close_all()
    wait_until(lambda: java.call("describeStreamsGroup", bootstrap, group=group)["state"] == "Empty", 20, "an empty group")
    java.call("deleteStreamsGroupOffsets", bootstrap, group=group, partitions=[[topic, 0]])
    assert set(application.committed()) == {f"{topic}-{p}" for p in range(1, 4)}
    java.call("deleteStreamsGroup", bootstrap, group=group)
    with pytest.raises(JavaError) as caught:
        java.call("describeStreamsGroup", bootstrap, group=group)
    assert caught.value.type == "GroupIdNotFoundException"


def test_standbys_are_in_other_processes(application, java, quick):
    done = call(
        "group", "alter", application.group, "--config", "streams.num.standby.replicas=1", "-b", quick.address
    )
    assert done.code == 0, done.err
    names = [application.open("one"), application.open("one"), application.open("two")]
    application.settles(all_tasks(4))

    def has_standbys():
        active, standby = application.tasks(), application.tasks("standby")
        first = {t for n in names[:2] for t in active[n] if t.startswith("1_")}
        second = {t for t in active[names[2]] if t.startswith("1_")}
        return set(standby[names[2]]) == first and {t for n in names[:2] for t in standby[n]} == second

    wait_until(has_standbys, 60, "standbys of the tasks with state")


def test_members_are_told_where_state_is(application):
    one = application.open(endpoint=["one.example", 8080])
    two = application.open(endpoint=["two.example", 8081])
    application.settles(all_tasks(4))

    def is_told():
        for name in (one, two):
            hosts = application.look(name)["hosts"]
            if set(hosts) != {"one.example:8080", "two.example:8081"}:
                return False
            if len({p for held in hosts.values() for p in held}) != 8:
                return False
        return True

    wait_until(is_told, 60, "hosts")


def test_an_application_ends_as_a_whole(application, java):
    one, two = application.open(), application.open()
    application.settles(all_tasks(4))
    java.call("streamsShutdown", application.bootstrap, name=one)
    wait_until(lambda: all(4 in application.look(name)["statuses"] for name in (one, two)), 30, "the status")


@pytest.fixture
def stateless(java, quick, fresh):
    topic = create_topic(quick.address, fresh(), 4)
    application = Application(java, quick.address, fresh("app"), topic, stateful=False)
    yield application
    application.close_all()


def test_a_member_that_is_fenced_begins_anew(stateless, java):
    bootstrap, group, topic, tasks = stateless.bootstrap, stateless.group, stateless.topic, all_tasks(4, subtopologies=1)
    one, two = stateless.open(), stateless.open()
    stateless.settles(tasks)

    def read(letter):
        for partition in range(4):
            values = [Record(f"{letter}{partition}-{n}".encode()) for n in range(10)]
            Confluent().produce(bootstrap, topic, values, partition=partition)
        wanted = {f"{letter}{p}-{n}" for p in range(4) for n in range(10)}
        wait_until(lambda: {v for n in (one, two) for v in stateless.look(n)["seen"]} >= wanted, 60, "all records")

    # Members know where they are in their partitions: who asks for that while it is fenced fails with Kafka as well.
    read("a")
    members = java.call("describeStreamsGroup", bootstrap, group=group)["members"]
    fenced = next(m["id"] for m in members if m["client"] == one)
    # Somebody says in its name that it leaves: it hears that nobody knows it.
    assert Wire(java, bootstrap).beat(group, fenced, -1)["memberEpoch"] == -1
    wait_until(lambda: stateless.look(one)["lost"] == 1, 60, "the loss of its tasks")
    stateless.settles(tasks)
    read("b")
    assert stateless.look(two)["lost"] == 0


def test_tasks_of_a_member_that_is_silent_go_to_others(stateless, java):
    bootstrap, group, topic, tasks = stateless.bootstrap, stateless.group, stateless.topic, all_tasks(4, subtopologies=1)
    call("group", "alter", group, "--config", "streams.session.timeout.ms=15000", "-b", bootstrap)
    one = stateless.open()
    stateless.settles(tasks)
    assert Wire(java, bootstrap).join(group, "silent", [topic])["errorCode"] == 0
    wait_until(lambda: len(stateless.look(one)["active"]) == 2, 60, "half of the tasks")
    stateless.settles(tasks)
    members = java.call("describeStreamsGroup", bootstrap, group=group)["members"]
    assert [m["client"] for m in members] == [one]


def test_an_application_changes_its_protocol_and_back(stateless, java):
    """From the classic protocol to that of streams groups, and back: with the offsets that have been committed."""
    bootstrap, group, topic = stateless.bootstrap, stateless.group, stateless.topic

    def produce(values):
        Confluent().produce(bootstrap, topic, [Record(v.encode()) for v in values], partition=0)

    def read_classic(count):
        consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
        })  # fmt: skip
        try:
            consumer.subscribe([topic])
            values = []

            def has_read():
                message = consumer.poll(1)
                if message is not None and message.error() is None:
                    values.append(message.value().decode())
                return len(values) >= count

            wait_until(has_read, 60, f"{count} records")
            consumer.commit(asynchronous=False)
            return values
        finally:
            consumer.close()

    batches = [[f"{letter}{n}" for n in range(5)] for letter in "abc"]
    produce(batches[0])
    assert read_classic(5) == batches[0]
    produce(batches[1])
    name = stateless.open()
    wait_until(lambda: len(stateless.look(name)["seen"]) >= 5, 60, "records after those that are committed")
    wait_until(lambda: stateless.committed().get(f"{topic}-0") == 10, 30, "commits")
    assert sorted(stateless.close(name)["seen"]) == batches[1]
    produce(batches[2])
    assert read_classic(5) == batches[2]
    listed = json.loads(call("group", "list", "-o", "json", "-b", bootstrap).out)
    assert [g["type"] for g in listed if g["group"] == group] == ["classic"]


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_members_go_on_when_the_broker_was_away(application, quick, kill):
    topic = application.topic
    names = [application.open(), application.open()]
    application.settles(all_tasks(4))
    before = application.tasks()
    Confluent().produce(quick.address, topic, [Record(f"a{n}".encode()) for n in range(50)])
    quick.restart(kill=kill)
    Confluent().produce(quick.address, topic, [Record(f"b{n}".encode()) for n in range(50)])
    wanted = {f"{c}{n}" for c in "ab" for n in range(50)}
    wait_until(lambda: {v for name in names for v in application.look(name)["seen"]} >= wanted, 60, "all records")
    assert application.settles(all_tasks(4)) == before
    assert all(application.look(name)["lost"] == 0 for name in names)


def test_a_rolling_restart_loses_nothing(application, java):
    bootstrap, group, topic = application.bootstrap, application.group, application.topic
    for _ in range(3):
        application.open()
    application.settles(all_tasks(4))
    seen, sent = set(), 0
    for name in list(application.names):
        for partition in range(4):
            values = [f"{partition}-{sent + n}" for n in range(10)]
            Confluent().produce(bootstrap, topic, [Record(v.encode()) for v in values], partition=partition)
        sent += 10
        seen |= set(application.close(name)["seen"])
        application.open()
        application.settles(all_tasks(4))
    wanted = {f"{p}-{n}" for p in range(4) for n in range(sent)}
    wait_until(lambda: seen | {v for n in application.names for v in application.look(n)["seen"]} == wanted, 60, "records")
    offsets = {f"{topic}-{p}": sent for p in range(4)}
    wait_until(lambda: application.committed() == offsets, 30, "commits")


class Wire:
    """Heartbeats, field by field."""

    def __init__(self, java, bootstrap):
        self.java, self.bootstrap = java, bootstrap
        find_coordinator(bootstrap)

    def call(self, key, fields):
        answer = self.java.call("exchange", self.bootstrap, requests=[{"key": key, "version": 0, "fields": fields}])[0]
        assert not answer.get("unread") and not answer.get("differs"), answer
        return answer["response"]

    def beat(self, group, member, epoch, **fields):
        return self.call(88, {"groupId": group, "memberId": member, "memberEpoch": epoch, **fields})

    def join(self, group, member, topics, epoch=0, **fields):
        subtopology = {
            "subtopologyId": "0", "sourceTopics": topics, "sourceTopicRegex": [], "stateChangelogTopics": [],
            "repartitionSinkTopics": [], "repartitionSourceTopics": [], "copartitionGroups": [],
        } | fields.pop("subtopology", {})  # fmt: skip
        return self.beat(
            group, member, 0,
            **{
                "rebalanceTimeoutMs": 5000, "topology": {"epoch": epoch, "subtopologies": [subtopology]},
                "activeTasks": [], "standbyTasks": [], "warmupTasks": [], "processId": member, **fields,
            },
        )  # fmt: skip


@pytest.fixture
def wire(java, bootstrap):
    return Wire(java, bootstrap)


def test_what_is_wrong_is_refused(wire, bootstrap, fresh):
    group, topic, other = fresh("g"), create_topic(bootstrap, fresh(), 2), create_topic(bootstrap, fresh(), 1)

    def code(answer):
        return answer["errorCode"], answer["errorMessage"]

    assert code(wire.beat(group, "m", 1)) == (69, f"Streams group {group} not found.")
    assert code(wire.join("", "m", [topic])) == (42, "GroupId can't be empty.")
    assert code(wire.join(group, "", [topic])) == (42, "MemberId can't be empty.")
    assert code(wire.join(group, "m", [topic], topology=None)) == (42, "Topology must be non-null when (re-)joining.")
    assert code(wire.beat(group, "m", -3))[0] == 42
    assert code(wire.join(group, "m", ["__consumer_offsets"])) == (
        130, "Use of Kafka internal topics __consumer_offsets in a Kafka Streams topology is prohibited.",
    )  # fmt: skip
    assert code(wire.join(group, "m", ["a b"])) == (130, "Topic names a b are not valid topic names.")
    changelog = {"name": "c", "partitions": 3, "replicationFactor": 0, "topicConfigs": []}
    assert code(wire.join(group, "m", [topic], subtopology={"stateChangelogTopics": [changelog]}))[0] == 130
    assert code(wire.join(group, "m", [topic], subtopology={"sourceTopicRegex": ["x.*"]}))[0] == 42

    joined = wire.join(group, "m", [topic], epoch=3)
    assert joined["errorCode"] == 0 and joined["memberEpoch"] == 2 and joined["status"] == []
    assert joined["activeTasks"] == [{"subtopologyId": "0", "partitions": [0, 1]}]
    assert wire.beat(group, "m", 2)["activeTasks"] is None
    assert code(wire.beat(group, "m", 7))[0] == 110
    assert code(wire.beat(group, "nobody", 2))[0] == 25
    assert code(wire.join(group, "n", [topic], epoch=4))[0] == 131
    assert code(wire.join(group, "n", [other], epoch=3)) == (42, "Topology updates are not supported yet.")
    stale = wire.join(group, "n", [topic], epoch=2)
    assert stale["errorCode"] == 0 and [s["statusCode"] for s in stale["status"]] == [0]
    strange = [{"subtopologyId": "9", "partitions": [0]}]
    assert code(wire.beat(group, "m", 2, activeTasks=strange, standbyTasks=[], warmupTasks=[]))[0] == 42
    assert code(wire.beat(group, "m", 2, activeTasks=[]))[0] == 42
    for member in ("m", "n"):
        assert wire.beat(group, member, -1)["memberEpoch"] == -1
    assert code(wire.beat(group, "m", -1))[0] == 25


def test_a_static_member_comes_back(wire, bootstrap, fresh):
    group, topic = fresh("g"), create_topic(bootstrap, fresh(), 2)
    assert wire.join(group, "m1", [topic], instanceId="i", processId="p")["errorCode"] == 0
    assert wire.join(group, "m2", [topic], instanceId="i", processId="p")["errorCode"] == 111
    assert wire.beat(group, "m1", -2, instanceId="i")["memberEpoch"] == -2
    # Nothing is different for the assignment: the process goes on with what is in its folder.
    back = wire.join(group, "m2", [topic], instanceId="i", processId="p")
    assert back["memberEpoch"] == 2 and back["activeTasks"] == [{"subtopologyId": "0", "partitions": [0, 1]}]
    assert wire.beat(group, "m1", 2, instanceId="i")["errorCode"] == 82


def test_topics_that_are_missing_or_cannot_be_made_are_told(wire, bootstrap, fresh):
    group, topic = fresh("g"), fresh()
    missing = wire.join(group, "m", [topic])
    assert [(s["statusCode"], s["statusDetail"]) for s in missing["status"]] == [
        (1, f"Source topics {topic} are missing.")
    ]
    create_topic(bootstrap, topic, 3)
    found = wire.beat(group, "m", missing["memberEpoch"])
    assert found["activeTasks"] == [{"subtopologyId": "0", "partitions": [0, 1, 2]}]

    bad = {
        "name": f"{fresh()}-changelog", "partitions": 0, "replicationFactor": 3,
        "topicConfigs": [{"key": "cleanup.policy", "value": "compact"}],
    }  # fmt: skip
    other = fresh("g")
    joined = wire.join(other, "m", [topic], subtopology={"stateChangelogTopics": [bad]})
    assert [s["statusCode"] for s in joined["status"]] == [3]

    def reason():
        return wire.beat(other, "m", joined["memberEpoch"])["status"][0]["statusDetail"]

    wait_until(lambda: "Creation failed: " + bad["name"] in reason(), 20, "the reason")


def test_settings_have_bounds_and_reach_the_members(wire, java, bootstrap, fresh):
    group, topic = fresh("g"), create_topic(bootstrap, fresh(), 1)

    def alter(name, value):
        java.call("alterConfigs", bootstrap, type="GROUP", name=group, operations=[["SET", name, value]])

    for name, value in (
        ("streams.heartbeat.interval.ms", "4999"), ("streams.session.timeout.ms", "60001"),
        ("streams.num.standby.replicas", "3"), ("streams.num.standby.replicas", "-1"),
        ("streams.initial.rebalance.delay.ms", "-1"), ("streams.assignment.interval.ms", "15001"),
    ):  # fmt: skip
        with pytest.raises(JavaError) as caught:
            alter(name, value)
        assert caught.value.type in ("InvalidConfigurationException", "InvalidRequestException"), (name, value)
    alter("streams.heartbeat.interval.ms", "9000")
    alter("streams.initial.rebalance.delay.ms", "200")
    joined = wire.join(group, "m", [topic])
    assert joined["heartbeatIntervalMs"] == 9000 and joined["memberEpoch"] == 1
    assert [s["statusCode"] for s in joined["status"]] == [5] and joined["activeTasks"] == []
    wait_until(lambda: wire.beat(group, "m", 1)["memberEpoch"] == 2, 20, "the end of the delay")
    features = java.call("describeFeatures", bootstrap)
    assert features["finalized"]["streams.version"] == features["supported"]["streams.version"] == 1
