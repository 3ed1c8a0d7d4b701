"""The new consumer protocol (KIP-848): real members, Kafka's rules request by request, migration under load."""

import uuid

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient

import scenarios
from clients import Confluent, Record, create_topic, end_offset
from groups_wire import committed, enter
from jvm import JavaError
from members import Members
from process import Broker, wait_until
from scenarios import Feeder
from test_groups import (
    coming_and_going,
    everything_is_read,
    handing_over,
    more_partitions,
    regular_expressions,
)
from test_transactions import Loop
from wire import Connection

# A dead member is noticed after six seconds instead of 45.
QUICK = {
    "group.consumer.min.session.timeout.ms": 1000, "group.consumer.session.timeout.ms": 6000,
    "group.consumer.min.heartbeat.interval.ms": 100, "group.consumer.heartbeat.interval.ms": 500,
    "group.consumer.migration.policy": "bidirectional",
}  # fmt: skip


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A broker with short sessions."""
    broker = Broker(tmp_path_factory.mktemp("quick"), QUICK).start()
    yield broker
    broker.stop()


def mixed_clients(place):
    """Members of both libraries in one group."""
    topic = place.topic(6)
    with place.group(topics=[topic], protocol="consumer") as group, Feeder(place.bootstrap, topic, 6) as feeder:
        members = [group.join(client=client) for client in ("java", "confluent", "java")]
        group.settle(members, [2, 2, 2])
        members[0].close()
        group.settle(members[1:], [3, 3])
        everything_is_read(group, feeder)


def static_members(place, client):
    """Who comes back within the session has its partitions as before; the others keep theirs throughout."""
    topic = place.topic(4)
    with place.group(client=client, topics=[topic], protocol="consumer") as group:
        first = group.join(instance="one")
        group.settle([first], [4])
        second = group.join(instance="two")
        group.settle([first, second], [2, 2])
        kept, owned = first.owned(), second.owned()
        second.close()  # a static member's leave (epoch -2) keeps its place
        second = group.join(instance="two")
        wait_until(lambda: second.owned() == owned, 20, "the old partitions")
        assert first.owned() == kept
        second.kill()
        group.settle([first], [4])


def broker_side_expression(place):
    """RE2 in the broker: the Java client sends the pattern and never sees the topics that do not match."""
    prefix = f"re{uuid.uuid4().hex[:8]}"
    place.topic(2, name=f"{prefix}-a1")
    with place.group(client="java", regex=f"{prefix}-[ab][0-9]+", brokerRegex=True, protocol="consumer") as group:
        member = group.join()
        group.settle([member], [2])
        place.topic(1, name=f"{prefix}-c1")
        place.topic(3, name=f"{prefix}-b22")
        group.settle([member], [5])
        place.java.call("deleteTopic", place.bootstrap, topic=f"{prefix}-a1")
        group.settle([member], [3])


def migration(place, client):
    """A classic group's members are replaced one by one by members of the new protocol, and back again, while records
    flow: the group goes on, and nothing is left out."""
    topic = place.topic(4)
    with place.group(client=client, topics=[topic]) as group, Feeder(place.bootstrap, topic, 4) as feeder:
        name = group.common["group"]

        def kind():
            return place.java.call("listGroups", place.bootstrap)[name][0]

        classic = [group.join(assignor="range") for _ in range(2)]
        group.settle(classic, [2, 2])
        assert kind() == "Classic"
        third = group.join(protocol="consumer")
        group.settle([*classic, third], [1, 1, 2])
        assert kind() == "Consumer"
        for member in classic:
            member.close()
        group.settle([third], [4])
        assert kind() == "Consumer"
        back = group.join(assignor="range")
        group.settle([third, back], [2, 2])
        assert kind() == "Consumer", "as long as one member speaks it"
        third.close()
        group.settle([back], [4])
        wait_until(lambda: kind() == "Classic", 10, "a classic group again")
        everything_is_read(group, feeder)


CASES = {}


def case(name, function, **options):
    CASES[name] = (function, options)


for client in ("confluent", "java"):
    for assignor in ("uniform", "range"):
        case(f"{client}-{assignor}", coming_and_going, client=client, protocol="consumer", assignor=assignor)
    case(f"{client}-hand-over", handing_over, client=client, protocol="consumer")
    case(f"{client}-static", static_members, client=client)
    case(f"{client}-regex", regular_expressions, client=client, protocol="consumer")
    case(f"{client}-partitions", more_partitions, client=client, protocol="consumer")
    case(f"{client}-migration", migration, client=client)
case("mixed", mixed_clients)
case("broker-regex", broker_side_expression)


@pytest.fixture(scope="module")
def running(request, quick, java, tmp_path_factory):
    return scenarios.start(CASES, request, quick.address, java, tmp_path_factory.mktemp("members"))


@pytest.mark.deadline(300)
@pytest.mark.parametrize("case", CASES)
def test_members(running, case):
    running.result(case)


@pytest.mark.deadline(180)
def test_members_live_on_when_the_broker_is_killed(make_broker, java, tmp_path):
    broker = make_broker(QUICK)
    topic = create_topic(broker.address, "t", 4)
    options = {"topics": [topic], "protocol": "consumer"}
    groups = [
        Members(tmp_path / client, broker.address, java, client=client, group=client, **options)
        for client in ("confluent", "java")
    ]
    try:
        with Feeder(broker.address, topic, 4) as feeder:
            for group in groups:
                group.join(), group.join()
            for group in groups:
                group.settle(group.all, [2, 2])
            for _ in range(2):
                marks = [len(set(group.values())) for group in groups]
                broker.restart(kill=True)
                for group, mark in zip(groups, marks, strict=True):
                    wait_until(lambda: len(set(group.values())) > mark + 100, 40, "reading goes on", 0.1)  # noqa: B023
            for group in groups:
                everything_is_read(group, feeder)
        for group in groups:
            for member in group.all:
                member.close()
            name = group.common["group"]
            found = {p: o for _, p, o, _ in java.call("groupOffsets", broker.address, group=name)}
            assert found == {p: end_offset(broker.address, topic, p)[1] for p in range(4)}
    finally:
        for group in groups:
            group.__exit__()


# -- request by request ----------------------------------------------------------------------------------------------

HEARTBEAT, DESCRIBE, COMMIT, FETCH = 68, 69, 8, 9


class Raw:
    """ConsumerGroupHeartbeat by hand, encoded by Kafka's own classes."""

    def __init__(self, java, bootstrap, group, version=1):
        self.java, self.bootstrap, self.group, self.version = java, bootstrap, group, version
        self.member, self.epoch = str(uuid.uuid4()), 0

    def exchange(self, key, version, fields):
        answer = self.java.call(
            "exchange", self.bootstrap, requests=[{"key": key, "version": version, "fields": fields}]
        )[0]
        assert not answer.get("unread") and not answer.get("differs"), answer
        return answer["response"]

    def heartbeat(self, epoch=None, **fields):
        """The response; a good one's epoch is taken over."""
        full = {
            "groupId": self.group, "memberId": self.member, "memberEpoch": self.epoch if epoch is None else epoch,
            "instanceId": None, "rackId": None, "rebalanceTimeoutMs": -1, "subscribedTopicNames": None,
            "serverAssignor": None, "topicPartitions": None, **fields,
        }  # fmt: skip
        if self.version >= 1:
            full.setdefault("subscribedTopicRegex", None)
        answer = self.exchange(HEARTBEAT, self.version, full)
        if answer["errorCode"] == 0:
            self.epoch = answer["memberEpoch"]
            self.member = answer["memberId"] or self.member
        return answer

    def join(self, topics, **fields):
        return self.heartbeat(
            0, **{"rebalanceTimeoutMs": 5000, "subscribedTopicNames": topics, "topicPartitions": [], **fields}
        )


def partitions_of(answer):
    """{topic id: [partitions]} of an answer's assignment; None when it has none."""
    if answer["assignment"] is None:
        return None
    return {t["topicId"]: sorted(t["partitions"]) for t in answer["assignment"]["topicPartitions"]}


@pytest.fixture
def wide(quick, java, fresh):
    """(name, id) of a topic with four partitions."""
    name = create_topic(quick.address, fresh(), 4)
    return name, java.call("describeTopic", quick.address, topic=name)["id"]


def test_two_members_share_by_heartbeats_alone(quick, java, fresh, wide):
    """The first gives back before the second gets: its epoch moves on when it has acknowledged."""
    name, identifier = wide
    first = Raw(java, quick.address, fresh("g"))
    answer = first.join([name])
    assert (answer["errorCode"], answer["memberEpoch"]) == (0, 1) and answer["heartbeatIntervalMs"] == 500
    assert partitions_of(answer) == {identifier: [0, 1, 2, 3]}
    owned = [{"topicId": identifier, "partitions": [0, 1, 2, 3]}]
    first.heartbeat(topicPartitions=owned)
    assert first.heartbeat()["assignment"] is None, "told once"
    second = Raw(java, quick.address, first.group)
    answer = second.join([name])
    assert answer["errorCode"] == 0 and partitions_of(answer) in ({}, None)
    kept = wait_until(lambda: partitions_of(first.heartbeat()), 10, "the first is told to give back")
    assert len(kept[identifier]) == 2
    assert not partitions_of(second.heartbeat()), "they are still owned elsewhere"
    first.heartbeat(topicPartitions=[{"topicId": identifier, "partitions": kept[identifier]}])
    given = wait_until(lambda: partitions_of(second.heartbeat()), 10, "the second has its share")
    assert sorted(kept[identifier] + given[identifier]) == [0, 1, 2, 3]
    assert first.epoch == second.epoch > 1
    left = second.heartbeat(-1)
    assert (left["errorCode"], left["memberEpoch"]) == (0, -1)
    back = wait_until(lambda: partitions_of(first.heartbeat()), 10, "all of them again")
    assert back == {identifier: [0, 1, 2, 3]}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"groupId": ""}, 42),
        ({"memberId": ""}, 42),
        ({"rebalanceTimeoutMs": -1}, 42),
        ({"topicPartitions": None}, 42),
        ({"subscribedTopicNames": None}, 42),
        ({"instanceId": ""}, 42),
        ({"rackId": ""}, 42),
        ({"memberEpoch": -3}, 42),
        ({"memberEpoch": 5}, 25),
        ({"memberEpoch": -1}, 25),
        ({"serverAssignor": "nothing-we-have"}, 112),
        ({"subscribedTopicRegex": "a("}, 128),
    ],
    ids=str,
)
def test_a_first_heartbeat_is_checked(quick, java, fresh, wide, fields, code):
    raw = Raw(java, quick.address, fresh("g"))
    answer = raw.join([wide[0]], **fields) if "memberEpoch" not in fields else raw.heartbeat(fields["memberEpoch"])
    if fields == {"memberEpoch": -1}:
        assert answer["errorCode"] in (25, 69)
    elif fields == {"memberEpoch": 5}:
        assert answer["errorCode"] in (25, 69)
    else:
        assert answer["errorCode"] == code, answer
    assert answer["errorMessage"]


def test_later_heartbeats_are_checked(quick, java, fresh, wide):
    raw = Raw(java, quick.address, fresh("g"))
    assert raw.join([wide[0]])["errorCode"] == 0
    epoch, member = raw.epoch, raw.member
    assert raw.heartbeat(epoch + 3)["errorCode"] == 110
    raw.member = "somebody"
    assert raw.heartbeat(epoch)["errorCode"] == 25
    raw.member = member
    assert raw.heartbeat(epoch)["errorCode"] == 0
    stranger = Raw(java, quick.address, raw.group)
    stranger.member = "stranger"
    assert stranger.heartbeat(-1)["errorCode"] == 25


def test_instances(quick, java, fresh, wide):
    """111 while the place is taken; free after the leave of a static member (-2), and for good after -1."""
    first, second = (Raw(java, quick.address, "") for _ in range(2))
    first.group = second.group = fresh("g")
    owned = partitions_of(first.join([wide[0]], instanceId="i"))
    assert second.join([wide[0]], instanceId="i")["errorCode"] == 111
    assert second.heartbeat(-2, instanceId="i")["errorCode"] in (25, 82)
    assert first.heartbeat(-2, instanceId="i")["errorCode"] == 0
    answer = second.join([wide[0]], instanceId="i")
    assert answer["errorCode"] == 0 and partitions_of(answer) == owned
    assert first.heartbeat(1, instanceId="i")["errorCode"] in (25, 82)


def test_commits_need_the_epoch(quick, java, fresh, wide):
    raw = Raw(java, quick.address, fresh("g"))
    raw.join([wide[0]])

    def commit(epoch, member=None, version=9):
        answer = raw.exchange(
            COMMIT, version,
            {
                "groupId": raw.group, "generationIdOrMemberEpoch": epoch, "memberId": member or raw.member,
                "groupInstanceId": None,
                "topics": [
                    {
                        "name": wide[0],
                        "partitions": [
                            {
                                "partitionIndex": 0, "committedOffset": 3, "committedLeaderEpoch": -1,
                                "committedMetadata": "",
                            }
                        ],
                    }
                ],
            },
        )  # fmt: skip
        return answer["topics"][0]["partitions"][0]["errorCode"]

    def fetched(epoch, member=None):
        answer = raw.exchange(
            FETCH, 9,
            {
                "requireStable": True,
                "groups": [
                    {
                        "groupId": raw.group, "memberId": member or raw.member, "memberEpoch": epoch,
                        "topics": [{"name": wide[0], "partitionIndexes": [0]}],
                    }
                ],
            },
        )["groups"][0]  # fmt: skip
        return answer["errorCode"], [p["committedOffset"] for t in answer["topics"] for p in t["partitions"]]

    assert commit(raw.epoch) == 0
    assert commit(raw.epoch + 1) == 113 and commit(raw.epoch, "somebody") == 25
    assert commit(raw.epoch + 1, version=8) in (22, 113), "older versions know no stale epochs"
    assert fetched(raw.epoch) == (0, [3])
    assert fetched(raw.epoch + 1)[0] == 113 and fetched(raw.epoch, "somebody")[0] == 25
    with Connection(quick.address) as connection:
        assert committed(connection, raw.group, wide[0]) == (0, 3, "")


def test_groups_of_the_other_kind(quick, java, fresh, wide):
    """A group that another protocol type lives in is not entered; an empty classic one is converted."""
    with Connection(quick.address) as connection:
        group = fresh("g")
        assert enter(connection, group, kind="connect", session=30_000).error_code == 0
        assert Raw(java, quick.address, group).join([wide[0]])["errorCode"] != 0
    with Connection(quick.address) as connection:
        group = fresh("g")
        assert java.call("alterGroupOffsets", quick.address, group=group, offsets=[[wide[0], 1, 7, ""]]) is None
        raw = Raw(java, quick.address, group)
        assert raw.join([wide[0]])["errorCode"] == 0
        assert committed(connection, group, wide[0], partition=1) == (0, 7, ""), "the offsets stay"


def test_description(quick, java, tmp_path, wide, fresh):
    """By Java's and librdkafka's admin clients: type, epochs, assignments."""
    group = fresh("g")
    with Members(
        tmp_path / "m", quick.address, java, client="confluent", group=group, topics=[wide[0]], protocol="consumer"
    ) as members:
        member = members.join()
        members.settle([member], [4])
        assert java.call("listGroups", quick.address, types=["Consumer"])[group] == ["Consumer", "Stable", "consumer"]
        found = java.call("describeGroup", quick.address, group=group)
        assert (found["type"], found["state"], found["assignor"]) == ("Consumer", "Stable", "uniform")
        assert found["epoch"] >= 1 and found["members"][0]["epoch"] == found["epoch"]
        assert found["members"][0]["assignment"] == found["members"][0]["target"] == [[wide[0], p] for p in range(4)]
        assert found["members"][0]["upgraded"] in (True, None)
        client = AdminClient({"bootstrap.servers": quick.address})
        described = client.describe_consumer_groups([group], request_timeout=10)[group].result()
        assert described.state.name == "STABLE" and len(described.members[0].assignment.topic_partitions) == 4
        with pytest.raises(JavaError) as refused:
            java.call("deleteGroup", quick.address, group=group)
        assert refused.value.type == "GroupNotEmptyException"
        member.close()
        wait_until(lambda: java.call("listGroups", quick.address)[group][1] == "Empty", 10)
        java.call("deleteGroup", quick.address, group=group)
        assert group not in java.call("listGroups", quick.address)


def test_an_unknown_assignor_is_told_to_clients(quick, fresh, wide):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": quick.address, "group.id": fresh("g"), "group.protocol": "consumer",
            "group.remote.assignor": "nothing-we-have",
        }
    )  # fmt: skip
    try:
        consumer.subscribe([wide[0]])
        message = wait_until(lambda: consumer.poll(0.2), 20, "an error")
        assert message.error().code() in (112, confluent_kafka.KafkaError._FATAL)
    finally:
        consumer.close()


def test_a_group_reads_and_commits_with_transactions(quick, java, fresh, tmp_path):
    """sendOffsetsToTransaction of members of the new protocol, both libraries."""
    source, target = create_topic(quick.address, fresh(), 2), create_topic(quick.address, fresh(), 1)
    for partition in range(2):
        records = [Record(b"%d" % n) for n in range(partition, 200, 2)]
        Confluent().produce(quick.address, source, records, partition=partition)
    loops = [
        Loop(
            tmp_path / client, java, client=client, bootstrap=quick.address, group="eos-new", id=f"eos-{client}",
            input=source, output=target, protocol="consumer",
        )
        for client in ("confluent", "java")
    ]  # fmt: skip
    try:
        wait_until(lambda: sum(loop.committed for loop in loops) == 200, 40, "all committed")
        for loop in loops:
            loop.close()
        found = Confluent().consume(quick.address, target, 200, properties={"isolation.level": "read_committed"})
        assert sorted(int(r.value) for r in found) == list(range(200))
    finally:
        for loop in loops:
            if loop.alive:
                loop.kill()
