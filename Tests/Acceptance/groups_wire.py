"""The group requests of one connection, field by field, at chosen versions."""

import select
import time
from dataclasses import dataclass, field

from process import wait_until
from wire import REQUESTS, Connection

JOIN, SYNC, HEARTBEAT, LEAVE, COMMIT, FETCH = 11, 14, 12, 13, 8, 9
CONSUMER = (("range", b"subscription"),)


def find_coordinator(bootstrap, key="any", kind=0, timeout=20):
    """As every client does first: it makes the internal topic, and waits for the coordinator to load.
    `kind` is 0 for groups, 1 for transactional ids."""
    with Connection(bootstrap) as connection:
        request = REQUESTS[10](version=3, key=key, key_type=kind)
        wait_until(lambda: connection.call(request).error_code == 0, timeout, "a coordinator")


def join_request(group, member="", version=5, protocols=CONSUMER, kind="consumer", session=6000, rebalance=6000,
                 instance=None):  # fmt: skip
    request = REQUESTS[JOIN]
    fields = {"rebalance_timeout_ms": rebalance} if version >= 1 else {}
    if version >= 5:
        fields["group_instance_id"] = instance
    named = [request.JoinGroupRequestProtocol(name=name, metadata=data) for name, data in protocols]
    return request(
        version=version, group_id=group, session_timeout_ms=session, member_id=member, protocol_type=kind,
        protocols=named, **fields,
    )  # fmt: skip


def join(connection, group, member="", version=5, **options):
    """One JoinGroup. From v4 on a first one is answered by 79 and the id to come back with."""
    return connection.call(join_request(group, member, version, **options))


def enter(connection, group, version=5, **options):
    """JoinGroup until it is answered with a generation."""
    answer = join(connection, group, "", version, **options)
    if answer.error_code == 79:
        answer = join(connection, group, answer.member_id, version, **options)
    return answer


def sync_request(group, generation, member, assignments=(), version=3, instance=None, kind=None, protocol=None):
    request = REQUESTS[SYNC]
    fields = {"group_instance_id": instance} if version >= 3 else {}
    if version >= 5:
        fields |= {"protocol_type": kind, "protocol_name": protocol}
    given = [request.SyncGroupRequestAssignment(member_id=m, assignment=a) for m, a in assignments]
    return request(
        version=version, group_id=group, generation_id=generation, member_id=member, assignments=given, **fields
    )


def sync(connection, *arguments, **options):
    return connection.call(sync_request(*arguments, **options))


def heartbeat(connection, group, generation, member, version=3, instance=None):
    fields = {"group_instance_id": instance} if version >= 3 else {}
    request = REQUESTS[HEARTBEAT]
    return connection.call(
        request(version=version, group_id=group, generation_id=generation, member_id=member, **fields)
    ).error_code


def leave(connection, group, member="", version=3, instance=None):
    """(error of the group, error of the member or None)."""
    request = REQUESTS[LEAVE]
    if version < 3:
        return connection.call(request(version=version, group_id=group, member_id=member)).error_code, None
    one = request.MemberIdentity(member_id=member, group_instance_id=instance)
    answer = connection.call(request(version=version, group_id=group, members=[one]))
    return answer.error_code, answer.members[0].error_code if answer.members else None


def commit(connection, group, topic, offset, generation=-1, member="", version=7, partition=0, metadata="",
           instance=None, topic_id=None):  # fmt: skip
    """The partition's error code."""
    request = REQUESTS[COMMIT]
    part_class = request.OffsetCommitRequestTopic.OffsetCommitRequestPartition
    fields = {"committed_leader_epoch": -1} if version >= 6 else {}
    part = part_class(partition_index=partition, committed_offset=offset, committed_metadata=metadata, **fields)
    name = {"topic_id": topic_id} if version >= 10 else {"name": topic}
    extra = {"group_instance_id": instance} if version >= 7 else {}
    if 2 <= version <= 4:
        extra["retention_time_ms"] = -1
    answer = connection.call(
        request(
            version=version, group_id=group, generation_id_or_member_epoch=generation, member_id=member,
            topics=[request.OffsetCommitRequestTopic(partitions=[part], **name)], **extra,
        )
    )  # fmt: skip
    return answer.topics[0].partitions[0].error_code


def committed(connection, group, topic, version=5, partition=0, stable=False, topic_id=None):
    """(error, offset, metadata) of one partition."""
    request = REQUESTS[FETCH]
    extra = {"require_stable": stable} if version >= 7 else {}
    if version < 8:
        asked = [request.OffsetFetchRequestTopic(name=topic, partition_indexes=[partition])]
        answer = connection.call(request(version=version, group_id=group, topics=asked, **extra))
        if version >= 2 and answer.error_code:
            return answer.error_code, None, None
    else:
        group_class = request.OffsetFetchRequestGroup
        name = {"topic_id": topic_id} if version >= 10 else {"name": topic}
        asked = [group_class.OffsetFetchRequestTopics(partition_indexes=[partition], **name)]
        member = {"member_id": None, "member_epoch": -1} if version >= 9 else {}
        one = group_class(group_id=group, topics=asked, **member)
        answer = connection.call(request(version=version, groups=[one], **extra)).groups[0]
        if answer.error_code:
            return answer.error_code, None, None
    part = answer.topics[0].partitions[0]
    return part.error_code, part.committed_offset, part.metadata


def describe(connection, group, version=5):
    return connection.call(REQUESTS[15](version=version, groups=[group])).groups[0]


def state(connection, group):
    return describe(connection, group).group_state


@dataclass
class Joined:
    """A member on a connection of its own."""

    connection: Connection
    group: str
    member: str = ""
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    members: list = field(default_factory=list)
    pending: int | None = None
    request: object = None

    def send(self, request):
        """Sends and does not wait: JoinGroup and SyncGroup may take as long as the others need."""
        from wire import encode

        self.connection.correlation += 1
        self.request, self.pending = request, self.connection.correlation
        self.connection.send(encode(request, self.pending))

    def receive(self):
        answer = self.connection.decode(self.request, self.connection.read_frame(), self.pending)
        self.pending = None
        return answer

    def ask_to_join(self, version=5, **options):
        """JoinGroup under way; the round trip for the member id is over."""
        self.send(join_request(self.group, self.member, version, **options))
        if not self.member and version >= 4 and options.get("instance") is None:
            answer = self.receive()
            assert answer.error_code == 79, answer
            self.member = answer.member_id
            self.send(join_request(self.group, self.member, version, **options))

    def joined(self):
        answer = self.receive()
        assert answer.error_code == 0, answer
        self.member, self.generation, self.protocol = answer.member_id, answer.generation_id, answer.protocol_name
        self.leader, self.members = answer.leader, answer.members
        return answer

    @property
    def leads(self):
        return self.leader == self.member

    def ask_to_sync(self, version=3, **options):
        given = [(m.member_id, b"for " + m.member_id.encode()) for m in self.members] if self.leads else []
        self.send(sync_request(self.group, self.generation, self.member, given, version, **options))

    def heartbeat(self, **options):
        return heartbeat(self.connection, self.group, self.generation, self.member, **options)


def assemble(bootstrap, group, count, **options):
    """`count` members that are Stable together."""
    members = [Joined(Connection(bootstrap), group) for _ in range(count)]
    rejoin_until_stable(members, **options)
    return members


def rejoin(members, each=None, timeout=30, **options):
    """Brings all members into one generation. They join whenever they hear of a round, as clients do; `each` gives
    further options by member."""
    deadline = time.monotonic() + timeout
    each = each or [{}] * len(members)
    by_socket = {member.connection.socket: member for member in members}
    for member, own in zip(members, each, strict=True):
        if member.pending is None:
            member.ask_to_join(**{**options, **own})
    while True:
        assert time.monotonic() < deadline, "no generation with all members"
        waiting = [member.connection.socket for member in members if member.pending is not None]
        for ready in select.select(waiting, [], [], 0.05)[0]:
            by_socket[ready].joined()
        generations = {member.generation for member in members}
        if not any(member.pending for member in members) and len(generations) == 1:
            if any(len(member.members) == len(members) for member in members):
                return
        for member, own in zip(members, each, strict=True):
            if member.pending is None and member.heartbeat() in (22, 27):
                member.ask_to_join(**{**options, **own})


def rejoin_until_stable(members, **options):
    rejoin(members, **options)
    for member in members:
        member.ask_to_sync()
    for member in members:
        answer = member.receive()
        assert (answer.error_code, answer.assignment) == (0, b"for " + member.member.encode()), answer
