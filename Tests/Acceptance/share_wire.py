"""ShareFetch and ShareAcknowledge (KIP-932) of one connection, field by field, version 2."""

import struct
from dataclasses import dataclass, field

from wire import Reader, uvarint

FETCH, ACKNOWLEDGE, HEARTBEAT = 78, 79, 76


def text(value):
    return b"\x00" if value is None else uvarint(len(value.encode()) + 1) + value.encode()


def array(elements):
    """A compact array of encoded elements."""
    elements = list(elements)
    return uvarint(len(elements) + 1) + b"".join(elements)


def acknowledgement(first, last, types):
    return struct.pack(">qq", first, last) + array(struct.pack(">b", one) for one in types) + b"\x00"


def topics(partitions):
    """`partitions` are (topic id, partition, [(first, last, types)]); each in a topic entry of its own."""

    def part(number, batches):
        return struct.pack(">i", number) + array(acknowledgement(*batch) for batch in batches) + b"\x00"

    return array(topic.bytes + array([part(number, batches)]) + b"\x00" for topic, number, batches in partitions)


@dataclass
class Part:
    """One partition's answer. `acquired` are (first offset, last offset, delivery count)."""

    error: int
    acknowledge_error: int = 0
    records: bytes | None = None
    acquired: list = field(default_factory=list)


@dataclass
class Answer:
    error: int
    message: str | None
    lock_ms: int
    parts: dict  # (topic id as bytes, partition): Part
    throttle_ms: int = 0


def fetch_body(group, member, epoch, partitions=(), forgotten=(), max_wait=0, min_bytes=0, max_bytes=1 << 20,
               max_records=500, batch_size=500, mode=0, renews=False):  # fmt: skip
    head = text(group) + text(member)
    head += struct.pack(">iiiiiib?", epoch, max_wait, min_bytes, max_bytes, max_records, batch_size, mode, renews)
    forget = array(topic.bytes + array([struct.pack(">i", p)]) + b"\x00" for topic, p in forgotten)
    return head + topics(partitions) + forget + b"\x00"


def acknowledge_body(group, member, epoch, partitions=(), renews=False):
    return text(group) + text(member) + struct.pack(">i?", epoch, renews) + topics(partitions) + b"\x00"


def nullable_text(reader):
    count = reader.uvarint()
    return None if count == 0 else reader.take(count - 1).decode()


def elements(reader, read):
    return [read() for _ in range(reader.uvarint() - 1)]


def decode(reader: Reader, fetched):
    """An answer from behind the correlation id; its last byte must be its end."""

    def acquired():
        one = reader.i64(), reader.i64(), reader.i16()
        reader.tags()
        return one

    def partition():
        index, part = reader.i32(), Part(reader.i16())
        nullable_text(reader)
        if fetched:
            part.acknowledge_error = reader.i16()
            nullable_text(reader)
        reader.take(8)  # leader and its epoch
        reader.tags()
        if fetched:
            count = reader.uvarint()
            part.records = None if count == 0 else reader.take(count - 1)
            part.acquired = elements(reader, acquired)
        reader.tags()
        parts[topic, index] = part

    reader.tags()
    throttle = reader.i32()
    answer = Answer(reader.i16(), nullable_text(reader), reader.i32(), {}, throttle)
    parts = answer.parts
    for _ in range(reader.uvarint() - 1):
        topic = reader.take(16)
        elements(reader, partition)
        reader.tags()

    def endpoint():
        reader.i32(), nullable_text(reader), reader.i32(), nullable_text(reader), reader.tags()

    elements(reader, endpoint)
    reader.tags()
    assert reader.rest() == b"", f"{len(reader.rest())} bytes too many"
    return answer


def share_fetch(connection, *arguments, **options):
    return decode(connection.request(FETCH, 2, fetch_body(*arguments, **options), flexible=True), True)


def share_acknowledge(connection, *arguments, **options):
    return decode(connection.request(ACKNOWLEDGE, 2, acknowledge_body(*arguments, **options), flexible=True), False)


def share_heartbeat(connection, group, member, epoch, subscribed=None):
    """(error, member epoch)."""
    names = b"\x00" if subscribed is None else array(text(name) for name in subscribed)
    body = text(group) + text(member) + struct.pack(">i", epoch) + text(None) + names + b"\x00"
    reader = connection.request(HEARTBEAT, 1, body, flexible=True)
    reader.tags()
    reader.i32()
    error = reader.i16()
    nullable_text(reader), nullable_text(reader)
    return error, reader.i32()
