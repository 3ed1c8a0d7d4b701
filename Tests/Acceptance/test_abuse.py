"""Clients that are broken, hostile or slow: the process stays up, its memory stays bounded, others are served.

Everything here talks to brokers on loopback that the test started itself, and every loop is bounded.
"""

import contextlib
import os
import random
import resource
import socket
import struct
import threading
import time
import zlib

import cramjam
import pytest
import zstandard

from clients import Confluent, Record, create_topic
from process import Broker, wait_until
from wire import (
    REQUESTS,
    Connection,
    ConnectionClosed,
    Reader,
    WireRecord,
    api_versions,
    batch,
    batch_heads,
    encode,
    fetch,
    fetch_request,
    frame,
    header,
    list_offset,
    produce,
    string,
    uvarint,
)


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """One broker takes all the abuse, so that leaks add up and show."""
    if os.environ.get("BOOTSTRAP"):
        pytest.skip("BOOTSTRAP names an external cluster: there is no process of ours")
    broker = Broker(tmp_path_factory.mktemp("victim")).start()
    create_topic(broker.address, "served")
    Confluent().produce(broker.address, "served", [Record(b"%d" % n) for n in range(10)])
    yield broker
    broker.stop()


@pytest.fixture(autouse=True)
def still_serves(victim):
    """After each test: the same process, its memory in bounds, another client served."""
    pid = victim.pid
    yield
    assert victim.alive and victim.pid == pid, f"the broker ended:\n{victim.log()[-4000:]}"
    found = Confluent().consume(victim.address, "served", 10)
    assert [r.value for r in found] == [b"%d" % n for n in range(10)]
    rss = victim.status_kib() >> 10
    assert rss < 600, f"{rss} MiB resident"


# -- framing ---------------------------------------------------------------------------------------------------------

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + os.urandom(200),
    "zeros": bytes(4_096),
    "ones": b"\xff" * 4_096,
    "length 0": struct.pack(">i", 0),
    "length 7": struct.pack(">i", 7) + bytes(7),
    "length -1": struct.pack(">i", -1) + bytes(64),
    "length min": struct.pack(">i", -(2**31)) + bytes(64),
    "length max": struct.pack(">i", 2**31 - 1) + bytes(64),
    "length above 100 MiB": struct.pack(">i", (100 << 20) + 1) + bytes(64),
    "header cut": frame(struct.pack(">hh", 18, 0)),
    "client id longer than the frame": frame(struct.pack(">hhih", 18, 0, 1, 30_000) + b"x"),
    "client id of negative length": frame(struct.pack(">hhih", 18, 0, 1, -7) + b"x"),
    "client id that is not utf-8": frame(struct.pack(">hhih", 3, 0, 1, 4) + b"\xff\xfe\xc0\x80" + struct.pack(">i", 0)),
}


@pytest.mark.parametrize("kind", GARBAGE, ids=str)
def test_garbage_ends_the_connection_and_nothing_else(victim, kind):
    with Connection(victim.address) as connection:
        try:
            connection.send(GARBAGE[kind])
            connection.socket.shutdown(socket.SHUT_WR)
        except (ConnectionClosed, OSError):
            return
        assert connection.is_closed()


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes(victim, seed):
    generator = random.Random(seed)
    for _ in range(40):
        with Connection(victim.address) as connection:
            try:
                connection.send(generator.randbytes(generator.randrange(1, 3_000)))
                connection.socket.shutdown(socket.SHUT_WR)
                assert connection.is_closed()
            except (ConnectionClosed, OSError):
                pass


def test_truncated_frames(victim):
    """Every prefix of a request, then the end of the stream."""
    whole = encode(fetch_request([("served", 0, 0)], 11))
    for count in range(len(whole)):
        with Connection(victim.address) as connection:
            connection.send(whole[:count])
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.is_closed(), count


def test_a_giant_frame_is_not_allocated(victim):
    """Announces the largest frame allowed and sends none of it, on many connections."""
    before = victim.status_kib()
    held = [Connection(victim.address) for _ in range(50)]
    for connection in held:
        connection.send(struct.pack(">i", 100 << 20) + header(0, 3))
    assert api_versions(victim.address)
    assert victim.status_kib() - before < 200 << 10
    for connection in held:
        connection.socket.close()


BIG = struct.pack(">i", 2**31 - 1)

GIANT_COUNTS = {  # (api key, version, body): at most some thirty bytes that announce billions of elements
    "metadata topics": (3, 1, BIG),
    "metadata topics, compact": (3, 9, uvarint(2**31 - 1)),
    "metadata topics, compact and wider than 32 bits": (3, 9, b"\xff" * 9 + b"\x01"),
    "metadata topic name": (3, 1, struct.pack(">ih", 1, 32_767) + b"x"),
    "produce topics": (0, 3, string(None) + struct.pack(">hi", 1, 1_000) + BIG),
    "produce partitions": (0, 3, string(None) + struct.pack(">hii", 1, 1_000, 1) + string("served") + BIG),
    "produce records": (
        0,
        3,
        string(None) + struct.pack(">hii", 1, 1_000, 1) + string("served") + struct.pack(">ii", 1, 0) + BIG,
    ),
    "produce records, compact": (
        0,
        9,
        b"\x00" + struct.pack(">hi", 1, 1_000) + b"\x02" + uvarint(7) + b"served" + b"\x02" + bytes(4) + uvarint(2**31),
    ),
    "fetch topics": (1, 4, struct.pack(">iiiib", -1, 0, 0, 1, 0) + BIG),
    "fetch partitions": (1, 4, struct.pack(">iiiibi", -1, 0, 0, 1, 0, 1) + string("served") + BIG),
    "fetch, forgotten": (1, 11, struct.pack(">iiiibiii", -1, 0, 0, 1, 0, 0, -1, 0) + BIG),
    "list offsets": (2, 1, struct.pack(">i", -1) + BIG),
    "create topics": (19, 2, BIG),
    "create topics, assignments": (19, 2, struct.pack(">i", 1) + string("big") + struct.pack(">ih", 1, 1) + BIG),
    "create topics, partitions": (
        19,
        2,
        struct.pack(">i", 1) + string("big") + struct.pack(">ih", 2**31 - 1, 1) + struct.pack(">iiib", 0, 0, 1_000, 0),
    ),
    "delete topics": (20, 1, BIG),
    "delete records": (21, 0, BIG),
    "describe configs": (32, 1, BIG),
    "alter configs": (33, 0, BIG),
    "create partitions": (37, 0, BIG),
    "create partitions, count": (
        37,
        0,
        struct.pack(">i", 1) + string("served") + struct.pack(">ii", 2**31 - 1, -1) + struct.pack(">ib", 1_000, 0),
    ),
    "incremental alter configs": (44, 0, BIG),
    "tags": (3, 9, b"\x01\x00\x00\x00" + uvarint(2**31 - 1)),
    "tag length": (3, 9, b"\x01\x00\x00\x00\x01\x05" + uvarint(2**31 - 1)),
    "negative array": (3, 1, struct.pack(">i", -7)),
    "negative string": (3, 1, struct.pack(">ih", 1, -9)),
}


@pytest.mark.parametrize("kind", GIANT_COUNTS, ids=str)
def test_giant_counts_allocate_nothing(victim, kind):
    key, version, body = GIANT_COUNTS[kind]
    flexible = REQUESTS[key].flexible_version_q(version)
    before = victim.status_kib("VmHWM")
    with Connection(victim.address) as connection:
        connection.send(frame(header(key, version, flexible=flexible) + body))
        connection.socket.shutdown(socket.SHUT_WR)
        try:
            assert connection.read_frame(), "an error answer is fine too"
        except (ConnectionClosed, OSError):
            pass
    assert victim.status_kib("VmHWM") - before < 100 << 10


# -- batches that lie ------------------------------------------------------------------------------------------------

# CORRUPT_MESSAGE, INVALID_RECORD, INVALID_REQUEST, MESSAGE_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE
INVALID = (2, 87, 42, 10, 76)

BAD_BATCHES = {
    "empty": b"",
    "wrong crc": batch([b"x"], crc=12345),
    "magic 3": batch([b"x"], magic=3),
    "magic -1": batch([b"x"], magic=-1),
    "shorter than it says": batch([b"x"], byte_count=500),
    "longer than it says": batch([b"x" * 100], byte_count=60),
    "a giant length": batch([b"x"], byte_count=2**31 - 1),
    "a negative length": batch([b"x"], byte_count=-1),
    "cut in the head": batch([b"x"])[:40],
    "cut in the records": batch([b"x" * 50])[:-10],
    "more records than there are": batch([b"x"], record_count=1_000_000, last_offset_delta=999_999),
    "two billion records": batch([b"x"], record_count=2**31 - 1, last_offset_delta=2**31 - 2),
    "fewer records than there are": batch([b"x", b"y"], record_count=1, last_offset_delta=0),
    "a negative count": batch([b"x"], record_count=-1),
    "no records": batch([], record_count=0, last_offset_delta=-1),
    "a last offset that does not fit": batch([b"x", b"y"], last_offset_delta=7),
    "two batches": batch([b"x"]) + batch([b"y"]),
    "a control batch": batch([WireRecord(b"\x00\x00\x00\x00\x00\x00", b"\x00\x00\x00\x01")], attributes=0x20),
    "an unknown codec": batch([b"x"], attributes=7),
    "random records": batch([b"x"], blob=bytes(range(200))),
    "a record longer than the batch": batch([b"x"], blob=b"\xfe\xff\xff\xff\x0f\x00\x00\x00\x00"),
}


@pytest.mark.parametrize("kind", BAD_BATCHES, ids=str)
def test_bad_batches_are_refused_and_not_stored(victim, kind):
    """Kafka checks structure and checksum before it appends; a consumer would stop at such a batch for good."""
    with Connection(victim.address) as connection:
        end = list_offset(connection, "served", -1)[2]
        try:
            answer = produce(connection, "served", BAD_BATCHES[kind], version=9)
        except ConnectionClosed:
            pytest.fail("refused by closing the connection, not by an error code")
        assert answer.error_code in INVALID, answer
        assert list_offset(connection, "served", -1)[2] == end


@pytest.mark.parametrize("codec", (1, 2, 3, 4), ids=("gzip", "snappy", "lz4", "zstd"))
def test_compressed_bytes_that_do_not_unpack_do_no_harm(victim, codec):
    """The broker does not unpack what it need not. Where it must look at keys or times, it says so and goes on."""
    junk = batch([WireRecord(b"x", b"k")], attributes=codec, blob=b"\xff\xff\xff\xff\x0f this is no compressed data")
    plain = create_topic(victim.address, f"junk-{codec}")
    compacted = create_topic(victim.address, f"junk-compacted-{codec}", configs={"cleanup.policy": "compact"})
    with Connection(victim.address) as connection:
        produce(connection, plain, junk)
        list_offset(connection, plain, 0)
        assert fetch(connection, plain, 0).error_code == 0
        assert produce(connection, compacted, junk).error_code in INVALID
        assert produce(connection, plain, batch([b"after"])).error_code == 0


@pytest.mark.parametrize("codec", ("gzip", "zstd", "lz4", "snappy"))
def test_a_decompression_bomb_does_not_fill_memory(victim, codec):
    """A few hundred kB that become 300 MB and more; whatever the answer, memory stays bounded."""
    piece = bytes(1 << 20)
    if codec == "gzip":
        packer = zlib.compressobj(9, wbits=31)
        blob = b"".join(packer.compress(piece) for _ in range(300)) + packer.flush()
    elif codec == "zstd":
        blob = zstandard.compress(bytes(300 << 20))
    elif codec == "lz4":
        blob = bytes(cramjam.lz4.compress(bytes(100 << 20)))
    else:
        blob = bytes(cramjam.snappy.compress_raw(bytes(18 << 20)))
    before = victim.status_kib("VmHWM")
    create_topic(victim.address, f"bomb-{codec}")
    with Connection(victim.address, timeout=30) as connection:
        produce(
            connection,
            f"bomb-{codec}",
            batch([b"x"], attributes=("none", "gzip", "snappy", "lz4", "zstd").index(codec), blob=blob),
        )
        list_offset(connection, f"bomb-{codec}", 0)  # looks inside the batch if it was taken
    assert victim.status_kib("VmHWM") - before < 150 << 10


# -- mutations of valid requests -------------------------------------------------------------------------------------


def valid_requests():
    """One valid request per api and interesting version, as frames."""

    def of(key, version, **fields):
        return encode(REQUESTS[key](version=version, **fields))

    p, c = REQUESTS[0], REQUESTS[19]
    part = p.TopicProduceData.PartitionProduceData(index=0, records=batch([WireRecord(b"v", b"k", [("h", b"1")])]))
    data = [p.TopicProduceData(name="fuzzed", partition_data=[part])]
    topic = [c.CreatableTopic(name="fuzzed", num_partitions=1, replication_factor=1, assignments=[], configs=[])]
    list_topic = REQUESTS[2].ListOffsetsTopic(
        name="fuzzed",
        partitions=[
            REQUESTS[2].ListOffsetsTopic.ListOffsetsPartition(partition_index=0, timestamp=-1, current_leader_epoch=-1)
        ],
    )
    config = REQUESTS[32].DescribeConfigsResource(resource_type=2, resource_name="fuzzed", configuration_keys=None)
    records = REQUESTS[21].DeleteRecordsTopic(
        name="fuzzed", partitions=[REQUESTS[21].DeleteRecordsTopic.DeleteRecordsPartition(partition_index=0, offset=0)]
    )
    return [
        of(18, 0),
        of(18, 3, client_software_name="fuzz", client_software_version="1"),
        of(3, 1, topics=None),
        of(3, 9, topics=[REQUESTS[3].MetadataRequestTopic(name="fuzzed")]),
        of(0, 3, acks=1, timeout_ms=100, topic_data=data),
        of(0, 9, acks=-1, timeout_ms=100, topic_data=data),
        encode(fetch_request([("fuzzed", 0, 0)], 4)),
        encode(fetch_request([("fuzzed", 0, 0)], 11)),
        encode(fetch_request([("fuzzed", 0, 0)], 12)),
        of(2, 1, replica_id=-1, topics=[list_topic]),
        of(2, 6, replica_id=-1, topics=[list_topic]),
        of(19, 2, topics=topic, timeout_ms=100),
        of(19, 5, topics=topic, timeout_ms=100),
        of(21, 0, topics=[records], timeout_ms=100),
        of(22, 1, transactional_id=None, transaction_timeout_ms=1_000),
        of(32, 1, resources=[config]),
        of(32, 4, resources=[config]),
        of(60, 0),
    ]


def mutate(data, generator):
    """A valid frame with some bytes changed, cut, doubled or made extreme; the length prefix mostly still fits."""
    body = bytearray(data[4:])
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        at = generator.randrange(len(body))
        match generator.randrange(6):
            case 0:
                body[at] ^= 1 << generator.randrange(8)
            case 1:
                body[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                body[at : at + 4] = generator.choice(
                    (b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\xff", bytes(4))
                )
            case 3:
                del body[at : at + generator.randrange(1, 9)]
            case 4:
                body[at:at] = generator.randbytes(generator.randrange(1, 9))
            case 5:
                body[at:at] = body[at : at + generator.randrange(1, 20)]
        if not body:
            body = bytearray(b"\x00")
    announced = len(body) + (generator.choice((-3, -1, 1, 1000)) if generator.random() < 0.05 else 0)
    return struct.pack(">i", max(announced, 0)) + bytes(body)


@pytest.mark.parametrize("seed", range(10))
def test_mutated_requests(victim, seed):
    """300 mutants a seed. Each gets an answer, a closed connection, or waits for more bytes; the broker stays up."""
    generator = random.Random(seed)
    originals = valid_requests()
    before = victim.status_kib()
    for number in range(300):
        mutant = mutate(generator.choice(originals), generator)
        with Connection(victim.address) as connection:
            try:
                connection.send(mutant)
                connection.socket.shutdown(socket.SHUT_WR)
                connection.socket.settimeout(10)
                while connection.socket.recv(1 << 16):
                    pass
            except (ConnectionClosed, ConnectionResetError, BrokenPipeError):
                pass
            except TimeoutError:
                # A fetch whose mutated max_wait is long may wait; anything else is a hang.
                assert mutant[4:6] == b"\x00\x01", f"seed {seed} mutant {number} hangs: {mutant.hex()}"
        assert victim.alive, f"seed {seed} mutant {number} ended the broker: {mutant.hex()}\n{victim.log()[-2000:]}"
    assert victim.status_kib() - before < 100 << 10


# -- time and order --------------------------------------------------------------------------------------------------


def test_a_slow_writer_is_served(victim):
    data = encode(REQUESTS[3](version=9, topics=[REQUESTS[3].MetadataRequestTopic(name="served")]))
    with Connection(victim.address) as connection:
        for byte in data:
            connection.send(bytes([byte]))
            time.sleep(0.002)
        assert Reader(connection.read_frame()).i32() == 1


def test_pipelined_requests_are_answered_in_order(victim):
    """Fetches that wait, produces that sync, cheap requests in between, all sent at once."""
    create_topic(victim.address, "pipelined")
    requests = []
    for number in range(100):
        match number % 5:
            case 0:
                part = REQUESTS[0].TopicProduceData.PartitionProduceData(index=0, records=batch([b"%d" % number]))
                data = [REQUESTS[0].TopicProduceData(name="pipelined", partition_data=[part])]
                requests.append(REQUESTS[0](version=9, acks=-1, timeout_ms=5_000, topic_data=data))
            case 1:
                requests.append(fetch_request([("pipelined", 0, 0)], 11, max_wait=5))
            case 2:
                requests.append(REQUESTS[18](version=3, client_software_name="a", client_software_version="1"))
            case 3:
                requests.append(fetch_request([("pipelined", 0, 1_000_000)], 11, max_wait=20, min_bytes=1))
            case 4:
                requests.append(
                    REQUESTS[32](
                        version=4,
                        resources=[
                            REQUESTS[32].DescribeConfigsResource(
                                resource_type=2, resource_name="pipelined", configuration_keys=None
                            )
                        ],
                    )
                )
    with Connection(victim.address) as connection:
        connection.send(b"".join(encode(request, number) for number, request in enumerate(requests)))
        offsets = []
        for number, request in enumerate(requests):
            answer = connection.decode(request, connection.read_frame(), number)
            if request.API_KEY == 0:
                offsets.append(answer.responses[0].partition_responses[0].base_offset)
    assert offsets == list(range(20))


def test_acks_0_has_no_answer(victim):
    create_topic(victim.address, "silent")
    with Connection(victim.address) as connection:
        for number in range(5):
            assert produce(connection, "silent", batch([b"%d" % number]), acks=0) is None
        assert connection.request(18, 0).i16() == 0, "the next answer must be that of the next request"
        wait_until(lambda: list_offset(connection, "silent", -1)[2] == 5, what="five records")


def test_acks_0_with_an_error_closes_the_connection(victim):
    """Kafka's only way to tell a client that asked for no answers."""
    with Connection(victim.address) as connection:
        produce(connection, "absent-topic-for-acks-0", batch([b"x"]), acks=0)
        assert connection.is_closed()


@pytest.mark.parametrize("acks", (2, -2, 100))
def test_other_acks_are_refused(victim, acks):
    with Connection(victim.address) as connection:
        assert produce(connection, "served", batch([b"x"]), acks=acks).error_code == 21


def test_half_open_connections_do_not_hold_others_up(victim):
    """The client is gone without saying so in the middle of a request, many times."""
    for _ in range(200):
        connection = Connection(victim.address)
        connection.send(encode(fetch_request([("served", 0, 0)], 11))[:17])
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()  # a reset
    assert api_versions(victim.address)


def test_clients_that_go_while_their_fetch_waits(victim):
    """Parked fetches of closed connections are dropped: no leak, no write into the void."""
    create_topic(victim.address, "parked")
    for _ in range(300):
        connection = Connection(victim.address)
        connection.send(encode(fetch_request([("parked", 0, 0)], 11, max_wait=60_000, min_bytes=1)))
        connection.socket.close()
    with Connection(victim.address) as connection:
        assert produce(connection, "parked", batch([b"x"])).error_code == 0
        assert batch_heads(fetch(connection, "parked", 0).records)[0].count == 1


def test_a_reader_that_never_reads(victim):
    """Asks for 8 MB a hundred times and reads nothing: the answers must not pile up in memory."""
    create_topic(victim.address, "unread")
    with Connection(victim.address) as writer:
        for number in range(10):
            assert produce(writer, "unread", batch([b"%d" % number * 900_000])).error_code == 0
    before = victim.status_kib()
    with Connection(victim.address) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.socket.settimeout(1)
        request = fetch_request([("unread", 0, 0)], 11, max_bytes=50 << 20, partition_max_bytes=50 << 20)
        try:
            for number in range(100):
                connection.socket.sendall(encode(request, number))
        except (TimeoutError, OSError):
            pass  # the broker has stopped reading: just what it should do
        for _ in range(10):
            assert api_versions(victim.address)
            time.sleep(0.1)
        assert victim.status_kib() - before < 150 << 10


def test_many_half_sent_large_requests(victim):
    """Eighty clients each want to send half of an 8 MB request and then stop. The broker stops reading at its limit,
    and goes on to serve those whose requests are small."""
    before = victim.status_kib()
    half = struct.pack(">i", 8 << 20) + header(0, 9, flexible=True) + bytes(4 << 20)
    held = []
    for _ in range(80):
        connection = Connection(victim.address)
        connection.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sent = 0
            while sent < len(half):
                sent += connection.socket.send(half[sent : sent + (1 << 20)])
        held.append((connection, sent))

    def push():
        """Sends on where the broker reads; True once nobody makes progress."""
        progress = False
        for index, (connection, sent) in enumerate(held):
            with contextlib.suppress(BlockingIOError):
                while sent < len(half):
                    sent += connection.socket.send(half[sent : sent + (1 << 20)])
                    progress = True
            held[index] = connection, sent
        return not progress

    wait_until(push, 30, "the broker to have read what it wants", 0.3)
    assert api_versions(victim.address)
    with Connection(victim.address) as connection:
        assert batch_heads(fetch(connection, "served", 0).records)
    Confluent().produce(victim.address, "small-beside-large", [Record(b"x")])
    assert victim.status_kib() - before < 400 << 10
    for connection, _ in held:
        connection.socket.close()
    with Connection(victim.address) as connection:
        assert produce(connection, "small-beside-large", batch([b"y" * 1_000_000])).error_code == 0


@pytest.mark.deadline(180)
def test_two_thousand_idle_connections(victim):
    """All stay, all are served, and a new one too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2_000
    if hard != resource.RLIM_INFINITY and hard < wanted + 200:
        pytest.skip(f"only {hard} file descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 200), hard))
    before = victim.status_kib()
    held = [Connection(victim.address) for _ in range(wanted)]
    try:
        for connection in held:
            connection.send(frame(header(18, 0)))
        for connection in held:
            assert Reader(connection.read_frame()).i32() == 1
        assert victim.status_kib() - before < 150 << 10
        Confluent().produce(victim.address, "served-too", [Record(b"x")])
        for connection in held[::100]:
            assert connection.request(18, 0).i16() == 0
    finally:
        for connection in held:
            connection.socket.close()


def test_connections_come_and_go_fast(victim):
    def churn():
        for _ in range(250):
            api_versions(victim.address)

    before = victim.status_kib()
    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert victim.status_kib() - before < 60 << 10
    files = len(os.listdir(f"/proc/{victim.pid}/fd"))
    assert files < 500, f"{files} open files"


def test_out_of_file_descriptors(make_broker):
    """More clients than the process may have descriptors: it neither ends nor loses anything, and recovers."""
    broker = make_broker(wrapper=("prlimit", "--nofile=120:120"))
    create_topic(broker.address, "t", 20)
    Confluent().produce(broker.address, "t", [Record(b"before")])
    held = []
    for _ in range(300):
        with contextlib.suppress(OSError):
            held.append(Connection(broker.address))
    time.sleep(0.5)  # lets it try to accept them
    assert broker.alive
    # Those it has are served, also with files still to be opened: an answer each, an error if need be.
    answers = set()
    for partition in range(20):
        try:
            answers.add(produce(held[0], "t", batch([b"during"]), partition).error_code)
        except ConnectionClosed:
            pytest.fail("a connection that it had is closed")
    assert answers <= {0, 56}, answers
    for connection in held:
        connection.socket.close()
    wait_until(lambda: api_versions(broker.address), what="new clients to be served")
    for partition in range(20):
        Confluent().produce(broker.address, "t", [Record(b"after")], partition=partition)
    assert Confluent().consume(broker.address, "t", 1)[0].value == b"before"
