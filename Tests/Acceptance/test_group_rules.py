"""Kafka's rules for groups, request by request: versions, error codes, timers, and what survives a crash."""

import struct
import time

import pytest

from clients import create_topic
from groups_wire import (
    COMMIT,
    FETCH,
    HEARTBEAT,
    JOIN,
    LEAVE,
    SYNC,
    Joined,
    assemble,
    commit,
    committed,
    describe,
    enter,
    find_coordinator,
    heartbeat,
    join,
    leave,
    rejoin,
    rejoin_until_stable,
    state,
    sync,
)
from process import wait_until
from wire import REQUESTS, Connection, api_versions


@pytest.fixture(scope="module", autouse=True)
def coordinator(bootstrap):
    find_coordinator(bootstrap)


@pytest.fixture
def connection(bootstrap):
    with Connection(bootstrap) as opened:
        yield opened


def entered(connection, group, **options):
    """A lone member, Stable: (member id, generation)."""
    answer = enter(connection, group, **options)
    assert answer.error_code == 0 and answer.leader == answer.member_id
    version = 5 if options.get("kind") else 3
    extra = {"kind": options["kind"], "protocol": answer.protocol_name} if version == 5 else {}
    told = sync(connection, group, answer.generation_id, answer.member_id, [(answer.member_id, b"all")], version,
                **extra)  # fmt: skip
    assert (told.error_code, told.assignment) == (0, b"all")
    return answer.member_id, answer.generation_id


# -- every version ---------------------------------------------------------------------------------------------------

PROMISED = {8: (2, 9), 9: (1, 9), 10: (0, 6), 11: (0, 9), 12: (0, 4), 13: (0, 5), 14: (0, 5), 15: (0, 6), 16: (0, 5),
            42: (0, 2), 47: (0, 0)}  # fmt: skip


def test_the_group_requests_are_listed(bootstrap):
    listed = api_versions(bootstrap)
    for key, (low, high) in PROMISED.items():
        assert key in listed and listed[key][0] <= low and high <= listed[key][1], (key, listed.get(key))


def test_a_group_lives_at_every_version(bootstrap, connection, java, topic, fresh):
    """Join, sync, heartbeat, commit, fetch, leave with each request at its n-th version."""
    listed = api_versions(bootstrap)
    topic_id = java.call("describeTopic", bootstrap, topic=topic)["id"]
    import base64
    import uuid

    identifier = uuid.UUID(bytes=base64.urlsafe_b64decode(topic_id + "=="))
    spans = [range(listed[key][0], listed[key][1] + 1) for key in (JOIN, SYNC, HEARTBEAT, LEAVE, COMMIT, FETCH)]
    for step in range(max(map(len, spans))):
        versions = [span[min(step, len(span) - 1)] for span in spans]
        joins, syncs, heartbeats, leaves, commits, fetches = versions
        group = fresh("g")
        answer = enter(connection, group, joins)
        assert (answer.error_code, answer.protocol_name) == (0, "range"), versions
        member, generation = answer.member_id, answer.generation_id
        assert answer.leader == member and [m.member_id for m in answer.members] == [member]
        assert bytes(answer.members[0].metadata) == b"subscription"
        if joins >= 7:
            assert answer.protocol_type == "consumer"
        told = sync(connection, group, generation, member, [(member, b"a")], syncs, kind="consumer", protocol="range")
        assert (told.error_code, told.assignment) == (0, b"a"), versions
        if syncs >= 5:
            assert (told.protocol_type, told.protocol_name) == ("consumer", "range")
        assert heartbeat(connection, group, generation, member, heartbeats) == 0
        assert commit(connection, group, topic, step, generation, member, commits, topic_id=identifier) == 0, versions
        assert committed(connection, group, topic, fetches, topic_id=identifier) == (0, step, ""), versions
        assert leave(connection, group, member, leaves) in ((0, None), (0, 0)), versions
        assert state(connection, group) == "Empty"


@pytest.mark.parametrize("version", range(7))
def test_find_coordinator_names_this_broker(bootstrap, connection, version):
    request = REQUESTS[10]
    fields = {"key_type": 0} if version >= 1 else {}
    fields |= {"coordinator_keys": ["a", "b"]} if version >= 4 else {"key": "a"}
    answer = connection.call(request(version=version, **fields))
    found = answer.coordinators if version >= 4 else [answer]
    assert len(found) == (2 if version >= 4 else 1)
    for one in found:
        assert one.error_code == 0 and f"{one.host}:{one.port}" == bootstrap
    if version >= 4:
        assert [one.key for one in found] == ["a", "b"]


def test_find_coordinator_of_an_unknown_kind(connection):
    answer = connection.call(REQUESTS[10](version=3, key="a", key_type=9))
    assert answer.error_code == 42


def test_describe_and_list_at_every_version(bootstrap, connection, fresh):
    listed = api_versions(bootstrap)
    group, absent = fresh("g"), fresh("absent")
    member, _ = entered(connection, group)
    for version in range(listed[15][0], listed[15][1] + 1):
        found = describe(connection, group, version)
        assert (found.error_code, found.group_state, found.protocol_type) == (0, "Stable", "consumer")
        assert found.protocol_data == "range" and [m.member_id for m in found.members] == [member]
        assert bytes(found.members[0].member_metadata) == b"subscription"
        assert bytes(found.members[0].member_assignment) == b"all"
        assert (found.members[0].client_id, found.members[0].client_host) == ("wire", "/127.0.0.1")
        missing = describe(connection, absent, version)
        assert (missing.error_code, missing.group_state) == ((69, "Dead") if version >= 6 else (0, "Dead"))
    for version in range(listed[16][0], listed[16][1] + 1):
        answer = connection.call(REQUESTS[16](version=version))
        found = {g.group_id: g for g in answer.groups}
        assert answer.error_code == 0 and found[group].protocol_type == "consumer" and absent not in found
        if version >= 4:
            assert found[group].group_state == "Stable"
        if version >= 5:
            assert found[group].group_type == "classic"
    empty = connection.call(REQUESTS[16](version=4, states_filter=["Empty"]))
    assert group not in {g.group_id for g in empty.groups}


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"group": ""}, 24),
        ({"session": 100}, 26),
        ({"session": 10_000_000}, 26),
        ({"session": -1}, 26),
        ({"protocols": ()}, 23),
        ({"kind": ""}, 23),
        ({"member": "never-heard-of"}, 25),
    ],
    ids=str,
)
def test_join_refuses(connection, fresh, options, code):
    options = {"group": fresh("g"), **options}
    assert join(connection, options.pop("group"), **options).error_code == code


def test_join_refuses_what_does_not_fit_the_group(bootstrap, connection, fresh):
    group = fresh("g")
    entered(connection, group, kind="consumer")
    with Connection(bootstrap) as other:
        assert join(other, group, kind="connect").error_code == 23
        assert join(other, group, protocols=(("sticky", b""),)).error_code == 23
        assert join(other, group, member="never-heard-of").error_code == 25
    assert state(connection, group) == "Stable"


def test_a_member_id_is_handed_out_before_joining(connection, fresh):
    """KIP-394: v4 and later must come back with the id they were given; earlier ones are in at once."""
    group = fresh("g")
    first = join(connection, group, version=4)
    assert first.error_code == 79 and first.member_id.startswith("wire-")
    second = join(connection, group, version=4)
    assert second.error_code == 79 and second.member_id != first.member_id
    assert join(connection, group, first.member_id, version=4).error_code == 0
    assert join(connection, fresh("g"), version=3).error_code == 0


def test_members_are_checked(connection, fresh, topic):
    group, absent = fresh("g"), fresh("absent")
    member, generation = entered(connection, group)
    assert heartbeat(connection, group, generation, member) == 0
    for name, code in ((group, 25), (absent, 25), ("", 24)):
        assert heartbeat(connection, name, generation, "stranger") == code, name
        assert sync(connection, name, generation, "stranger").error_code == code, name
    assert heartbeat(connection, group, generation + 1, member) == 22
    assert heartbeat(connection, group, generation - 1, member) == 22
    assert sync(connection, group, generation + 1, member).error_code == 22
    assert sync(connection, group, generation, member, (), 5, kind="connect", protocol="range").error_code == 23
    assert sync(connection, group, generation, member, (), 5, kind="consumer", protocol="other").error_code == 23
    assert sync(connection, group, generation, member, (), 5).error_code == 23, "mandatory since version 5"
    assert sync(connection, absent, generation, member, (), 5, kind="consumer").error_code == 23
    assert leave(connection, group, "stranger") == (0, 25)
    assert leave(connection, group, "stranger", version=2) == (25, None)
    assert leave(connection, absent, "stranger") in ((0, 25), (25, None))
    assert leave(connection, "", "stranger") == (24, None) or leave(connection, "", "stranger")[0] == 24
    assert commit(connection, group, topic, 1, generation, "stranger") == 25
    assert commit(connection, group, topic, 1, generation + 1, member) == 22
    assert commit(connection, group, topic, 1) == 25, "a group with members takes commits of members only"
    assert commit(connection, absent, topic, 1, 3, "stranger") == 22
    assert commit(connection, group, topic, 1, generation, member, metadata="x" * 4097) == 12
    assert commit(connection, group, topic, 1, generation, member, partition=9) == 3
    assert commit(connection, group, fresh("absent"), 1, generation, member) == 3
    assert commit(connection, group, topic, 1, generation, member, metadata="x" * 4096) == 0
    assert committed(connection, group, topic) == (0, 1, "x" * 4096)
    assert committed(connection, absent, topic) == (0, -1, "")
    assert committed(connection, group, topic, partition=9)[:2] == (0, -1)
    assert state(connection, group) == "Stable", "nothing of this has disturbed the group"


def test_instances_are_checked(bootstrap, connection, fresh, topic):
    group = fresh("g")
    first = join(connection, group, instance="i")
    assert first.error_code == 0, "static members have no round trip for the id"
    sync(connection, group, first.generation_id, first.member_id, [(first.member_id, b"a")], instance="i")
    with Connection(bootstrap) as other:
        again = join(other, group, instance="i")
        assert again.error_code == 0 and again.member_id != first.member_id
        assert again.generation_id == first.generation_id, "the same subscription is no reason for a rebalance"
        told = sync(other, group, again.generation_id, again.member_id, instance="i")
        assert (told.error_code, told.assignment) == (0, b"a"), "the assignment is the old one"
        old = (group, first.generation_id, first.member_id)
        assert heartbeat(connection, *old, instance="i") == 82
        assert sync(connection, *old, instance="i").error_code == 82
        assert join(connection, group, first.member_id, instance="i").error_code == 82
        assert commit(connection, group, topic, 1, *old[1:], instance="i") == 82
        assert leave(connection, group, first.member_id, instance="i") == (0, 82)
        assert heartbeat(other, group, again.generation_id, again.member_id, instance="i") == 0
        assert heartbeat(other, group, again.generation_id, again.member_id, instance="nobody") == 25
        assert leave(other, group, instance="i") == (0, 0), "by the instance alone, as admin clients do"
        assert state(connection, group) == "Empty"


def test_delete_refuses(connection, fresh, topic):
    group, absent, other = fresh("g"), fresh("absent"), fresh("g")
    entered(connection, group)
    assert commit(connection, other, topic, 1) == 0
    for version in range(3):
        answer = connection.call(REQUESTS[42](version=version, groups_names=[group, absent]))
        assert {r.group_id: r.error_code for r in answer.results} == {group: 68, absent: 69}
    answer = connection.call(REQUESTS[42](version=2, groups_names=[other, group, other]))
    assert [(r.group_id, r.error_code) for r in answer.results] == [(other, 0), (group, 68)], "each once"
    assert committed(connection, other, topic) == (0, -1, "")


def delete_offset(connection, group, topic, partition=0):
    """(error of the group, error of the partition or None)"""
    request = REQUESTS[47]
    topic_class = request.OffsetDeleteRequestTopic
    part = topic_class.OffsetDeleteRequestPartition(partition_index=partition)
    answer = connection.call(request(version=0, group_id=group, topics=[topic_class(name=topic, partitions=[part])]))
    return answer.error_code, answer.topics[0].partitions[0].error_code if answer.topics else None


def subscription(*topics):
    """ConsumerProtocolSubscription v0."""
    named = b"".join(struct.pack(">h", len(t)) + t.encode() for t in topics)
    return struct.pack(">hi", 0, len(topics)) + named + struct.pack(">i", -1)


def test_offset_delete_refuses(connection, fresh, topic, bootstrap):
    group, other = fresh("g"), create_topic(bootstrap, fresh())
    member, generation = entered(connection, group, protocols=(("range", subscription(topic)),))
    for name in (topic, other):
        assert commit(connection, group, name, 5, generation, member) == 0
    assert delete_offset(connection, group, topic) == (0, 86)
    assert delete_offset(connection, group, other) == (0, 0)
    assert delete_offset(connection, group, fresh("absent"))[1] in (0, 3)
    assert delete_offset(connection, fresh("absent"), topic)[0] == 69
    assert committed(connection, group, topic) == (0, 5, "") and committed(connection, group, other)[1] == -1
    opaque = fresh("g")
    worker, generation = entered(connection, opaque, kind="connect", protocols=(("default", b"\x00"),))
    assert commit(connection, opaque, topic, 1, generation, worker) == 0
    assert delete_offset(connection, opaque, topic)[0] == 68


# -- rounds ----------------------------------------------------------------------------------------------------------


def test_a_lone_consumer_is_assigned_within_300_ms(bootstrap, fresh):
    waits = []
    for _ in range(5):
        with Connection(bootstrap) as connection:
            began = time.monotonic()
            entered(connection, fresh("g"))
            waits.append(time.monotonic() - began)
    assert min(waits) < 0.3 and sorted(waits)[2] < 1, waits


def test_protocols_are_voted_on(bootstrap, fresh):
    """What all can, most of them first; the leader alone is told the members."""
    group = fresh("g")
    members = [Joined(Connection(bootstrap), group) for _ in range(3)]
    lists = [(("a", b"0a"), ("b", b"0b"), ("c", b"0c")), (("c", b"1c"), ("b", b"1b")), (("c", b"2c"), ("b", b"2b"))]

    rejoin(members, [{"protocols": protocols} for protocols in lists])
    assert {m.protocol for m in members} == {"c"}
    assert len({m.generation for m in members}) == 1
    leader = next(m for m in members if m.leads)
    assert {bytes(one.metadata) for one in leader.members} == {b"0c", b"1c", b"2c"}
    assert all(not m.members for m in members if m is not leader)


def test_a_newcomer_starts_a_round_and_those_that_stay_learn_it_by_heartbeat(bootstrap, fresh, topic):
    group = fresh("g")
    first, second = assemble(bootstrap, group, 2)
    generation = first.generation
    third = Joined(Connection(bootstrap), group)
    third.ask_to_join()
    wait_until(lambda: first.heartbeat() == 27, 5, "REBALANCE_IN_PROGRESS")
    assert second.heartbeat() == 27
    assert commit(first.connection, group, topic, 3, generation, first.member) == 0, "commits before revoking are taken"
    assert sync(first.connection, group, generation, first.member).error_code == 27
    members = [first, second, third]
    rejoin_until_stable(members)
    assert {m.generation for m in members} == {generation + 1}
    assert all(m.heartbeat() == 0 for m in members)
    assert heartbeat(first.connection, group, generation, first.member) == 22


def test_commits_wait_for_the_assignment(bootstrap, fresh, topic):
    """Between JoinGroup and SyncGroup, CompletingRebalance: heartbeats are fine, commits are refused with 27."""
    group = fresh("g")
    with Connection(bootstrap) as connection:
        answer = enter(connection, group)
        assert state(connection, group) == "CompletingRebalance"
        assert heartbeat(connection, group, answer.generation_id, answer.member_id) == 0
        assert commit(connection, group, topic, 1, answer.generation_id, answer.member_id) == 27


def test_a_leader_that_joins_again_starts_a_round_a_follower_does_not(bootstrap, fresh):
    group = fresh("g")
    members = assemble(bootstrap, group, 2)
    leader, follower = sorted(members, key=lambda m: not m.leads)
    generation = leader.generation
    follower.ask_to_join()
    answer = follower.joined()
    assert answer.generation_id == generation and not answer.members and answer.leader == leader.member
    follower.ask_to_sync()
    assert follower.receive().assignment == b"for " + follower.member.encode()
    leader.ask_to_join()
    wait_until(lambda: follower.heartbeat() == 27, 5, "the round that the leader started")
    rejoin_until_stable(members)
    assert leader.generation == generation + 1 and leader.leads


def test_who_leaves_starts_a_round(bootstrap, fresh):
    group = fresh("g")
    members = assemble(bootstrap, group, 3)
    gone = next(m for m in members if m.leads)
    rest = [m for m in members if m is not gone]
    assert leave(gone.connection, group, gone.member) == (0, 0)
    assert all(m.heartbeat() == 27 for m in rest)
    rejoin_until_stable(rest)
    assert gone.heartbeat() == 25


@pytest.mark.deadline(60)
def test_who_is_silent_is_removed_without_being_asked(bootstrap, fresh):
    """Nobody sends a request in between: the timer itself must start the round."""
    group = fresh("g")
    first, second = assemble(bootstrap, group, 2, session=6000)
    began = time.monotonic()
    # A join that waits is alive; its answer comes when the other one has been removed.
    wait_until(lambda: first.heartbeat() == 27 or time.monotonic() - began > 5.5, 8, "the end of the session", 0.5)
    first.ask_to_join()
    answer = first.joined()
    assert len(answer.members) == 1 and time.monotonic() - began < 9
    assert second.heartbeat() == 25


@pytest.mark.deadline(60)
def test_a_round_does_not_wait_for_the_dead_longer_than_they_said(bootstrap, fresh):
    """The rebalance timeout, not the session's: a member that heartbeats but does not join again is left behind."""
    group = fresh("g")
    first, second = assemble(bootstrap, group, 2, session=20_000, rebalance=2_000)
    began = time.monotonic()
    third = Joined(Connection(bootstrap), group)
    third.ask_to_join(session=20_000, rebalance=2_000)
    first.ask_to_join(session=20_000, rebalance=2_000)
    answers = [third.joined(), first.joined()]
    assert 1.5 < time.monotonic() - began < 6
    assert max(len(a.members) for a in answers) == 2
    assert second.heartbeat() == 25


@pytest.mark.deadline(60)
def test_a_leader_that_never_syncs_is_removed(bootstrap, fresh):
    """Followers in SyncGroup are told to join again once the rebalance timeout of the round is over."""
    group = fresh("g")
    members = assemble(bootstrap, group, 2, session=6_000, rebalance=3_000)
    leader, follower = sorted(members, key=lambda m: not m.leads)
    leader.ask_to_join(rebalance=3_000)
    follower.ask_to_join(rebalance=3_000)
    leader.joined(), follower.joined()
    follower.ask_to_sync()
    assert follower.receive().error_code in (27, 25)
    assert follower.heartbeat() in (27, 25)


def test_a_hundred_members(bootstrap, fresh):
    group = fresh("g")
    began = time.monotonic()
    members = assemble(bootstrap, group, 100, session=30_000, rebalance=30_000)
    assert all(m.heartbeat() == 0 for m in members)
    for member in members[:50]:
        assert leave(member.connection, group, member.member) == (0, 0)
    rejoin_until_stable(members[50:], session=30_000, rebalance=30_000)
    assert time.monotonic() - began < 30
    found = describe(members[99].connection, group)
    assert len(found.members) == 50 and len({bytes(m.member_assignment) for m in found.members}) == 50
    for member in members:
        member.connection.socket.close()


def test_a_connection_that_ends_during_join_does_not_hold_the_others(bootstrap, fresh):
    group = fresh("g")
    first, second = assemble(bootstrap, group, 2)
    first.ask_to_join()
    first.connection.socket.close()
    second.ask_to_join()
    second.joined()


def test_group_max_size(make_broker, fresh):
    broker = make_broker({"group.max.size": 2})
    find_coordinator(broker.address)
    group = fresh("g")
    members = assemble(broker.address, group, 2)
    with Connection(broker.address) as third:
        assert enter(third, group).error_code == 81
    assert all(m.heartbeat() == 0 for m in members)


def test_session_limits_are_settings(make_broker, fresh):
    broker = make_broker({"group.min.session.timeout.ms": 100, "group.max.session.timeout.ms": 500})
    find_coordinator(broker.address)
    with Connection(broker.address) as connection:
        assert enter(connection, fresh("g"), session=99).error_code == 26
        assert enter(connection, fresh("g"), session=501).error_code == 26
        assert enter(connection, fresh("g"), session=300).error_code == 0


# -- what survives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", (False, True), ids=("stopped", "killed"))
def test_a_group_is_there_after_a_restart(broker, fresh, kill):
    """Members, generation, assignments, offsets: heartbeats go on as if nothing had been."""
    topic = create_topic(broker.address, "t")
    find_coordinator(broker.address)
    group = "g"
    members = assemble(broker.address, group, 3, session=30_000)
    leader = next(m for m in members if m.leads)
    assert commit(leader.connection, group, topic, 42, leader.generation, leader.member, metadata="m") == 0
    before = describe(leader.connection, group).to_dict()
    broker.restart(kill=kill)
    for member in members:
        member.connection = Connection(broker.address)
    assert [m.heartbeat() for m in members] == [0, 0, 0], "also while the coordinator is loading"
    find_coordinator(broker.address)
    wait_until(lambda: describe(members[0].connection, group).error_code == 0, 20, "the coordinator has loaded")
    assert describe(members[0].connection, group).to_dict() == before
    assert committed(members[0].connection, group, topic) == (0, 42, "m")
    fourth = Joined(Connection(broker.address), group)
    fourth.ask_to_join(session=30_000)
    wait_until(lambda: members[0].heartbeat() == 27, 5)
    rejoin_until_stable([*members, fourth], session=30_000)
    assert members[0].generation == leader.generation if members[0] is leader else members[0].generation > 0


@pytest.mark.deadline(60)
def test_members_that_did_not_survive_the_broker_are_removed(broker):
    """Sessions begin anew with the broker; whoever is silent is out without being asked for."""
    find_coordinator(broker.address)
    first, second = assemble(broker.address, "g", 2)
    broker.restart(kill=True)
    first.connection = Connection(broker.address)
    wait_until(lambda: first.heartbeat() == 27, 12, "the other one's session has ended")
    first.ask_to_join()
    assert len(first.joined().members) == 1


def test_every_answered_commit_is_there(broker):
    """Kill -9 right after the answer, ten times."""
    topic = create_topic(broker.address, "t")
    find_coordinator(broker.address)
    for number in range(10):
        with Connection(broker.address) as connection:
            wait_until(lambda: commit(connection, "g", topic, number) == 0, 10, "a commit")  # noqa: B023
            broker.kill()
        broker.start()
        with Connection(broker.address) as connection:
            wait_until(lambda: committed(connection, "g", topic)[0] != 14, 10)  # noqa: B023
            assert committed(connection, "g", topic)[1] == number


def test_deleted_groups_stay_deleted(broker):
    topic = create_topic(broker.address, "t")
    find_coordinator(broker.address)
    with Connection(broker.address) as connection:
        for group in ("kept", "gone"):
            assert commit(connection, group, topic, 5) == 0
        answer = connection.call(REQUESTS[42](version=2, groups_names=["gone"]))
        assert answer.results[0].error_code == 0
    broker.restart(kill=True)
    with Connection(broker.address) as connection:
        wait_until(lambda: committed(connection, "kept", topic)[0] != 14, 10)
        assert committed(connection, "kept", topic)[1] == 5
        assert committed(connection, "gone", topic)[1] == -1
        answer = connection.call(REQUESTS[16](version=4))
        assert {g.group_id for g in answer.groups} == {"kept"}
