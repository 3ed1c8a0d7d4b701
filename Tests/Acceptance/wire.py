"""Kafka's wire protocol by hand: sockets, frames, record batches.

Requests with many fields are built from kafka-python's message classes; everything a client library would refuse to
send (wrong lengths, unknown versions, broken batches) is written here byte by byte.
"""

import io
import socket
import struct
import time
from dataclasses import dataclass, field

from kafka.protocol.api_message import ApiMessage


class ConnectionClosed(Exception):
    """The broker closed the connection (end of stream or reset)."""


class Reader:
    """Reads big-endian fields off one response body; `rest()` tells what is left."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def i8(self):
        return struct.unpack(">b", self.take(1))[0]

    def i16(self):
        return struct.unpack(">h", self.take(2))[0]

    def i32(self):
        return struct.unpack(">i", self.take(4))[0]

    def i64(self):
        return struct.unpack(">q", self.take(8))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def varint(self):
        value = self.uvarint()
        return (value >> 1) ^ -(value & 1)

    def string(self):
        count = self.i16()
        return None if count < 0 else self.take(count).decode()

    def tags(self):
        """A tag section as {tag: bytes}."""
        return {self.uvarint(): self.take(self.uvarint()) for _ in range(self.uvarint())}

    def rest(self):
        return self.data[self.at :]


def string(text):
    """A nullable non-flexible string."""
    return b"\xff\xff" if text is None else struct.pack(">h", len(text.encode())) + text.encode()


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value):
    """Zig-zag, as inside records; 64 bits wide."""
    return uvarint(((value << 1) ^ (value >> 63)) & 0xFFFF_FFFF_FFFF_FFFF)


def header(api_key, version, correlation=1, client_id="wire", flexible=False):
    """A request header: v1, or v2 when `flexible`."""
    return struct.pack(">hhi", api_key, version, correlation) + string(client_id) + (b"\x00" if flexible else b"")


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def encode(message: ApiMessage, correlation=1, client_id="wire"):
    """A kafka-python request as one frame with header."""
    message.with_header(correlation, client_id)
    return bytes(message.encode(header=True, framed=True))


class Connection:
    """One TCP connection to a broker. Every read has a deadline, so a broker that stays silent fails the test."""

    def __init__(self, bootstrap, timeout=15):
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Raw bytes. A peer that has closed already is reported as ConnectionClosed."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionClosed(str(error)) from error

    def read_exactly(self, count):
        data = bytearray()
        while len(data) < count:
            try:
                piece = self.socket.recv(min(count - len(data), 1 << 20))
            except ConnectionResetError as error:
                raise ConnectionClosed(str(error)) from error
            if not piece:
                raise ConnectionClosed(f"end of stream after {len(data)} of {count} bytes")
            data += piece
        return bytes(data)

    def read_frame(self):
        return self.read_exactly(struct.unpack(">i", self.read_exactly(4))[0])

    def request(self, api_key, version, body=b"", flexible=False):
        """Sends a hand-made body; returns a Reader behind the response's correlation id."""
        self.correlation += 1
        self.send(frame(header(api_key, version, self.correlation, flexible=flexible) + body))
        return self.response(self.correlation)

    def response(self, correlation):
        reader = Reader(self.read_frame())
        seen = reader.i32()
        assert seen == correlation, f"response of request {seen} came instead of {correlation}"
        return reader

    def call(self, message: ApiMessage):
        """Sends a kafka-python request (version set) and decodes the answer; every byte of it must be used."""
        self.correlation += 1
        self.send(encode(message, self.correlation))
        if not message.expect_response():
            return None
        return self.decode(message, self.read_frame(), self.correlation)

    @staticmethod
    def decode(message, data, correlation):
        """Strict: the body must end where the layout of this version ends."""
        response_class, version = RESPONSES[message.API_KEY], message.API_VERSION
        stream = io.BytesIO(data)
        head = response_class.parse_header(stream, version=version)
        assert head.correlation_id == correlation, f"answer to {head.correlation_id} came instead of {correlation}"
        flexible = response_class.flexible_version_q(version)
        decoder = response_class._struct.compiled_decode_from(
            version, compact=flexible, tagged=flexible, data_class=response_class
        )
        response, end = decoder(memoryview(data), stream.tell())
        assert end == len(data), f"{response_class.name} v{version}: {len(data) - end} bytes too many"
        return response

    def is_closed(self, within=10):
        """True once the broker has closed its side; False when it is still open after `within` seconds."""
        self.socket.settimeout(within)
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(self.timeout)


def _message_classes(suffix):
    from kafka.protocol import admin, consumer, metadata, producer, sasl

    found = {}
    for module in (admin, consumer, metadata, producer, sasl):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, ApiMessage) and name.endswith(suffix):
                found[value.API_KEY] = value
    return found


REQUESTS = _message_classes("Request")
RESPONSES = _message_classes("Response")


def api_versions(bootstrap):
    """The broker's list as {api key: (lowest, highest)}, by the oldest request there is."""
    with Connection(bootstrap) as connection:
        reader = connection.request(18, 0)
        assert reader.i16() == 0
        return {reader.i16(): (reader.i16(), reader.i16()) for _ in range(reader.i32())}


# -- record batches --------------------------------------------------------------------------------------------------


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF_FFFF


@dataclass
class WireRecord:
    value: bytes | None = b""
    key: bytes | None = None
    headers: list = field(default_factory=list)
    timestamp: int | None = None


def encode_record(record, offset_delta, timestamp_delta):
    def nullable(data):
        return varint(-1) if data is None else varint(len(data)) + data

    body = b"\x00" + varint(timestamp_delta) + varint(offset_delta) + nullable(record.key) + nullable(record.value)
    body += varint(len(record.headers))
    for name, value in record.headers:
        body += varint(len(name.encode())) + name.encode() + nullable(value)
    return varint(len(body)) + body


def batch(records, producer_id=-1, epoch=-1, sequence=-1, attributes=0, magic=2, crc=None, compress=None, **overrides):
    """One record batch v2. `records` are WireRecords or plain values; `overrides` replace header fields
    (last_offset_delta, record_count, base_offset, byte_count) to build batches that lie."""
    records = [record if isinstance(record, WireRecord) else WireRecord(record) for record in records]
    now = int(time.time() * 1000)
    stamps = [now if record.timestamp is None else record.timestamp for record in records]
    base = stamps[0] if stamps else now
    blob = b"".join(encode_record(r, i, stamps[i] - base) for i, r in enumerate(records))
    blob = overrides.get("blob", compress(blob) if compress else blob)
    tail = struct.pack(
        ">hiqqqhii",
        attributes,
        overrides.get("last_offset_delta", len(records) - 1),
        base,
        max(stamps, default=now),
        producer_id,
        epoch,
        sequence,
        overrides.get("record_count", len(records)),
    )
    tail += blob
    crc = crc32c(tail) if crc is None else crc
    rest = struct.pack(">ibI", -1, magic, crc) + tail
    return struct.pack(">qi", overrides.get("base_offset", 0), overrides.get("byte_count", len(rest))) + rest


@dataclass
class BatchHead:
    """The 61-byte head of a fetched batch."""

    base_offset: int
    byte_count: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    epoch: int
    sequence: int
    count: int

    @property
    def codec(self):
        return ("none", "gzip", "snappy", "lz4", "zstd", "?", "?", "?")[self.attributes & 7]


def batch_heads(data):
    """The heads of all whole batches in fetched bytes, with their CRC checked."""
    data, heads, at = bytes(data or b""), [], 0
    while at + 61 <= len(data):
        head = BatchHead(*struct.unpack(">qiibIhiqqqhii", data[at : at + 61]))
        end = at + 12 + head.byte_count
        if end > len(data):
            break
        assert crc32c(data[at + 21 : end]) == head.crc, f"CRC of the batch at offset {head.base_offset}"
        heads.append(head)
        at = end
    return heads


# -- the calls most tests need ---------------------------------------------------------------------------------------


def produce(connection, topic, records, partition=0, acks=-1, version=9, topic_id=None):
    """One Produce of ready batch bytes to one partition; the partition's answer, or None for acks=0."""
    request = REQUESTS[0]
    part = request.TopicProduceData.PartitionProduceData(index=partition, records=records)
    target = {"topic_id": topic_id} if version >= 13 else {"name": topic}
    data = request.TopicProduceData(partition_data=[part], **target)
    response = connection.call(request(version=version, acks=acks, timeout_ms=10_000, topic_data=[data]))
    return response.responses[0].partition_responses[0] if response else None


def fetch(connection, topic, offset, partition=0, version=11, **options):
    """One Fetch of one partition outside of a session; the partition's answer."""
    response = fetch_response(connection, [(topic, partition, offset)], version, **options)
    return response.responses[0].partitions[0]


def fetch_request(
    positions,
    version,
    max_wait=0,
    min_bytes=0,
    max_bytes=50 << 20,
    partition_max_bytes=1 << 20,
    session=(0, -1),
    isolation=0,
    forgotten=(),
):
    """`positions` are (topic name, or id from v13, partition, offset)."""
    request = REQUESTS[1]
    topic_class = request.FetchTopic
    topics = {}
    for topic, partition, offset in positions:
        part = topic_class.FetchPartition(
            partition=partition,
            fetch_offset=offset,
            partition_max_bytes=partition_max_bytes,
            current_leader_epoch=-1,
            last_fetched_epoch=-1,
            log_start_offset=-1,
        )
        topics.setdefault(topic, []).append(part)
    name = "topic_id" if version >= 13 else "topic"
    return request(
        version=version,
        max_wait_ms=max_wait,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        isolation_level=isolation,
        session_id=session[0],
        session_epoch=session[1],
        topics=[topic_class(partitions=parts, **{name: topic}) for topic, parts in topics.items()],
        forgotten_topics_data=[request.ForgottenTopic(partitions=parts, **{name: topic}) for topic, parts in forgotten],
    )


def fetch_response(connection, positions, version=11, **options):
    return connection.call(fetch_request(positions, version, **options))


def list_offset(connection, topic, timestamp, partition=0, version=5, isolation=0):
    """(error, timestamp, offset) of one partition."""
    request = REQUESTS[2]
    part = request.ListOffsetsTopic.ListOffsetsPartition(
        partition_index=partition, timestamp=timestamp, current_leader_epoch=-1
    )
    topics = [request.ListOffsetsTopic(name=topic, partitions=[part])]
    answer = connection.call(request(version=version, replica_id=-1, isolation_level=isolation, topics=topics))
    found = answer.topics[0].partitions[0]
    return found.error_code, found.timestamp, found.offset


def init_producer_id(connection, version=1):
    """(producer id, epoch) for an idempotent producer."""
    answer = connection.call(REQUESTS[22](version=version, transactional_id=None, transaction_timeout_ms=60_000))
    assert answer.error_code == 0
    return answer.producer_id, answer.producer_epoch
