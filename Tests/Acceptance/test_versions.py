"""Version negotiation: what is listed is answered at every listed version, what is not listed closes the connection."""

import asyncio
import struct
import uuid

import aiokafka
import confluent_kafka
import kafka
import pytest

from clients import create_topic, run
from groups_wire import find_coordinator
from jvm import rebase
from wire import RESPONSES, Connection, ConnectionClosed, Reader, api_versions, batch, frame, header, uvarint

API_VERSIONS = 18
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # sixteen zero bytes in Kafka's base64

# What the first release of the broker promises: (api key, a version that must be among those listed).
PROMISED = [
    (0, 0),  # Produce from 0: librdkafka before 2.8 compresses only then (KAFKA-18659)
    (0, 3),
    (0, 11),
    (1, 4),
    (1, 11),
    (1, 17),
    (2, 1),
    (2, 8),
    (2, 10),
    (3, 0),
    (3, 12),
    (18, 0),
    (18, 4),
    (19, 2),
    (19, 7),
    (20, 1),
    (20, 6),
    (21, 0),
    (21, 2),
    (22, 0),
    (22, 4),
    (23, 2),
    (23, 4),
    *((key, n) for key in (29, 30, 31) for n in (1, 3)),  # SECURITY_DISABLED
    (32, 1),
    (32, 4),
    (33, 0),
    (33, 2),
    (35, 1),
    (35, 4),
    (37, 0),
    (37, 3),
    (43, 2),
    (44, 0),
    (44, 1),
    (45, 0),
    (46, 0),
    (48, 1),
    (49, 1),
    (50, 0),
    (55, 0),
    (60, 0),
    (60, 1),
    (61, 0),
    (74, 0),
    (75, 0),
    *((key, n) for key in (38, 41) for n in (1, 3)),  # delegation tokens
    *((key, n) for key in (39, 40) for n in (1, 2)),
    *((8, n) for n in (2, 9)),  # groups
    *((9, n) for n in (1, 9)),
    *((10, n) for n in (0, 6)),
    *((11, n) for n in (0, 9)),
    *((12, n) for n in (0, 4)),
    *((13, n) for n in (0, 5)),
    *((14, n) for n in (0, 5)),
    *((15, n) for n in (0, 6)),
    *((16, n) for n in (0, 5)),
    (42, 2),
    (47, 0),
    *((24, n) for n in (0, 5)),  # transactions
    *((25, n) for n in (0, 4)),
    *((26, n) for n in (0, 5)),
    (27, 1),
    *((28, n) for n in (0, 5)),
    (65, 0),
    (66, 1),
    *((key, n) for key, n in ((76, 1), (77, 1), (78, 1), (78, 2), (79, 1), (79, 2), (90, 0), (90, 1), (91, 0), (92, 0))),  # share groups
    (88, 0),  # streams groups
    (89, 0),
]


@pytest.fixture(scope="module")
def listed(bootstrap):
    return api_versions(bootstrap)


@pytest.mark.parametrize(("key", "version"), PROMISED)
def test_promised_versions_are_listed(listed, key, version):
    assert key in listed
    low, high = listed[key]
    assert low <= version <= high


def test_nothing_unknown_is_listed(listed):
    """Every listed range lies within what Kafka has defined (Produce, Fetch ... start at 0 historically)."""
    for key, (low, high) in listed.items():
        assert 0 <= low <= high, (key, low, high)
        if key in RESPONSES:
            assert high <= RESPONSES[key].max_version, (key, high)


def flexible_body():
    return uvarint(5) + b"test" + uvarint(4) + b"1.0" + b"\x00"


@pytest.mark.parametrize("version", range(5))
def test_api_versions_at_every_version(bootstrap, listed, version):
    """The answer's header is v0 at every version, also at the flexible ones."""
    with Connection(bootstrap) as connection:
        flexible = version >= 3
        reader = connection.request(API_VERSIONS, version, flexible_body() if flexible else b"", flexible)
        assert reader.i16() == 0
        seen = {}
        for _ in range(reader.uvarint() - 1 if flexible else reader.i32()):
            key = reader.i16()
            seen[key] = (reader.i16(), reader.i16())
            if flexible:
                assert reader.tags() == {}
        assert seen == listed
        if version >= 1:
            assert reader.i32() == 0  # throttle time
        if flexible:
            tags = reader.tags()
            assert all(value != b"\xff" * 8 for value in tags.values()), "a default-valued tagged field is written"
        assert reader.rest() == b""


@pytest.mark.parametrize("version", (5, 99, 32767))
def test_an_unknown_api_versions_version_is_answered_in_version_0(bootstrap, listed, version):
    with Connection(bootstrap) as connection:
        reader = connection.request(API_VERSIONS, version, flexible_body(), flexible=True)
        assert reader.i16() == 35
        seen = {reader.i16(): (reader.i16(), reader.i16()) for _ in range(reader.i32())}
        assert seen == {API_VERSIONS: listed[API_VERSIONS]}, "as Kafka since 2.4 (KIP-511)"
        assert reader.rest() == b""
        assert connection.request(API_VERSIONS, 0).i16() == 0, "the connection must stay usable"


@pytest.mark.parametrize("name", (b"", b"with space", b"-dash", b"dot."))
def test_client_software_names_are_checked(bootstrap, name):
    """KIP-511: letters, digits, dots and dashes inside; else INVALID_REQUEST and no list."""
    body = uvarint(len(name) + 1) + name + uvarint(2) + b"1" + b"\x00"
    with Connection(bootstrap) as connection:
        assert connection.request(API_VERSIONS, 3, body, flexible=True).i16() == 42


@pytest.mark.parametrize(
    ("key", "version"), [(4, 0), (5, 0), (7, 0), (52, 0), (500, 0), (32767, 0), (-1, 0), (-32768, 3)]
)
def test_an_unlisted_api_closes_the_connection(bootstrap, listed, key, version):
    assert key not in listed
    with Connection(bootstrap) as connection:
        connection.send(frame(header(key, version) + b"\x00" * 8))
        assert connection.is_closed()


def test_an_unlisted_version_closes_the_connection(bootstrap, listed):
    for key, (low, high) in sorted(listed.items()):
        if key == API_VERSIONS:
            continue
        for version in {high + 1, 32767, -1, low - 1} - {low}:
            with Connection(bootstrap) as connection:
                connection.send(frame(header(key, version, flexible=True) + b"\x00" * 8))
                assert connection.is_closed(), f"api {key} version {version}"
    assert api_versions(bootstrap) == listed


# -- every listed version, judged by Kafka's own classes -------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_topic(bootstrap):
    return create_topic(bootstrap, f"versions-{uuid.uuid4().hex[:8]}", 2)


def requests_of(key, version, topic, topic_id):
    """Meaningful fields of a request per api key, in the JSON form of Kafka's message classes; {} sends defaults."""
    new = f"versions-{key}-{version}-{uuid.uuid4().hex[:8]}"
    partitions = {"topics": [{"name": topic, "topic": topic, "partitionIndexes": [0, 7], "partitions": [0, 1]}]}
    rule = {"principal": "User:bob", "host": "*", "operation": 3, "permissionType": 3}
    acl = {"principalFilter": "User:bob", "hostFilter": None, "operation": 3, "permissionType": 3}
    config = {"configs": [{"name": "retention.ms", "value": "3600000", "configOperation": 0}]}
    table = {
        0: {
            "acks": -1,
            "timeoutMs": 5000,
            "topicData": [
                {
                    "name": topic,
                    "topicId": topic_id,
                    "partitionData": [
                        {"index": 0, "records": rebase(batch([b"v%d" % version]))},
                        {"index": 9, "records": rebase(batch([b"x"]))},
                    ],
                }
            ],
        },
        1: {
            "replicaId": -1,
            "maxWaitMs": 0,
            "minBytes": 0,
            "maxBytes": 1 << 20,
            "sessionId": 0,
            "sessionEpoch": -1,
            "topics": [
                {
                    "topic": topic,
                    "topicId": topic_id,
                    "partitions": [
                        {
                            "partition": number,
                            "currentLeaderEpoch": -1,
                            "fetchOffset": 0,
                            "lastFetchedEpoch": -1,
                            "logStartOffset": -1,
                            "partitionMaxBytes": 1 << 20,
                        }
                        for number in (0, 1, 9)
                    ],
                }
            ],
            "forgottenTopicsData": [],
        },
        2: {
            "replicaId": -1,
            "isolationLevel": 0,
            "topics": [
                {
                    "name": topic,
                    "partitions": [
                        {"partitionIndex": number, "currentLeaderEpoch": -1, "timestamp": -1} for number in (0, 1)
                    ],
                }
            ],
        },
        # Versions below 4 create what they ask for, so those ask only for the topic that exists.
        3: {
            "topics": [
                {"name": name, "topicId": NO_ID} for name in (topic, "absent-" + new)[: 2 if version >= 4 else 1]
            ],
            **({"allowAutoTopicCreation": False} if version >= 4 else {}),
        },
        18: {"clientSoftwareName": "exchange", "clientSoftwareVersion": "1"},
        19: {
            "timeoutMs": 5000,
            "topics": [
                {
                    "name": new,
                    "numPartitions": 2,
                    "replicationFactor": 1,
                    "assignments": [],
                    "configs": [{"name": "retention.ms", "value": "1000"}],
                },
                {"name": topic, "numPartitions": 2, "replicationFactor": 1, "assignments": [], "configs": []},
            ],
        },
        20: {
            "timeoutMs": 5000,
            **(
                {"topics": [{"name": "absent-" + new, "topicId": NO_ID}]}
                if version >= 6
                else {"topicNames": ["absent-" + new]}
            ),
        },
        21: {
            "timeoutMs": 5000,
            "topics": [
                {"name": topic, "partitions": [{"partitionIndex": 1, "offset": 0}, {"partitionIndex": 9, "offset": 0}]}
            ],
        },
        22: {"transactionalId": None, "transactionTimeoutMs": 60000},
        23: {
            "topics": [
                {
                    "topic": topic,
                    "partitions": [
                        {"partition": number, "currentLeaderEpoch": -1, "leaderEpoch": 0} for number in (0, 9)
                    ],
                }
            ]
        },
        29: {"resourceTypeFilter": 2, "resourceNameFilter": topic, "patternTypeFilter": 3, **acl},
        30: {"creations": [{"resourceType": 2, "resourceName": topic, "resourcePatternType": 3, **rule}] * 2},
        31: {"filters": [{"resourceTypeFilter": 2, "resourceNameFilter": topic, "patternTypeFilter": 3, **acl}]},
        32: {
            "resources": [
                {"resourceType": 2, "resourceName": topic, "configurationKeys": None},
                {"resourceType": 4, "resourceName": "1", "configurationKeys": ["log.segment.bytes"]},
                {"resourceType": 2, "resourceName": "absent-" + new, "configurationKeys": None},
            ],
            "includeSynonyms": True,
            **({"includeDocumentation": True} if version >= 3 else {}),
        },
        34: {"dirs": [{"path": "/elsewhere", "topics": [{"name": topic, "partitions": [0]}]}]},
        33: {"validateOnly": True, "resources": [{"resourceType": 2, "resourceName": topic, **config}]},
        35: {"topics": [{"topic": topic, "partitions": [0, 1]}]},
        37: {
            "timeoutMs": 5000,
            "validateOnly": True,
            "topics": [
                {"name": topic, "count": 3, "assignments": None},
                {"name": "absent-" + new, "count": 2, "assignments": None},
            ],
        },
        43: {"timeoutMs": 5000, "electionType": 0, "topicPartitions": [{"topic": topic, "partitions": [0, 9]}]},
        44: {"validateOnly": True, "resources": [{"resourceType": 2, "resourceName": topic, **config}]},
        45: {"timeoutMs": 5000, "topics": [{"name": topic, "partitions": [{"partitionIndex": 0, "replicas": None}]}]},
        46: {"timeoutMs": 5000, "topics": [{"name": topic, "partitionIndexes": [0]}]},
        48: {"components": [{"entityType": "client-id", "matchType": 0, "match": new}], "strict": True},
        49: {
            "entries": [
                {
                    "entity": [{"entityType": "client-id", "entityName": new}],
                    "ops": [
                        {"key": "producer_byte_rate", "value": 1e9, "remove": False},
                        {"key": "consumer_byte_rate", "value": 0.0, "remove": True},
                    ],
                },
                {"entity": [{"entityType": "role", "entityName": None}], "ops": []},
            ],
            "validateOnly": True,
        },
        38: {
            "renewers": [{"principalType": "User", "principalName": "bob"}], "maxLifetimeMs": -1,
            **({"ownerPrincipalType": None, "ownerPrincipalName": None} if version >= 3 else {}),
        },
        39: {"hmac": rebase(b"hmac"), "renewPeriodMs": -1},
        40: {"hmac": rebase(b"hmac"), "expiryTimePeriodMs": -1},
        41: {"owners": None},
        50: {"users": [{"name": "nobody"}]},
        55: {"topics": [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]},
        60: {"includeClusterAuthorizedOperations": True},
        61: partitions,
        64: {"brokerId": 77},
        75: {"topics": [{"name": topic}, {"name": "absent-" + new}], "responsePartitionLimit": 2000, "cursor": None},
    }
    return (table | group_requests(new, topic, topic_id, version)).get(key, {})


def group_requests(new, topic, topic_id, version):
    """Of groups and transactions. Each joins, or names, a group of its own, so that none has to wait for another."""
    offset = {"partitionIndex": 0, "committedOffset": 1, "committedLeaderEpoch": -1, "committedMetadata": "m"}
    offsets = [{"name": topic, "topicId": topic_id, "partitions": [offset, {**offset, "partitionIndex": 9}]}]
    wanted = [{"name": topic, "topicId": topic_id, "partitionIndexes": [0, 9]}]
    member = {"groupId": new, "generationId": 1, "memberId": "nobody", "groupInstanceId": None}
    transaction = {"transactionalId": new, "producerId": 1, "producerEpoch": 0}
    added = [{"name": topic, "partitions": [0, 1]}]
    return {
        8: {**member, "generationIdOrMemberEpoch": -1, "memberId": "", "retentionTimeMs": -1, "topics": offsets},
        9: {"groups": [{"groupId": new, "memberId": None, "memberEpoch": -1, "topics": wanted}]}
        if version >= 8
        else {"groupId": new, "topics": wanted},
        10: {"coordinatorKeys": [new, "other"]} if version >= 4 else {"key": new},
        11: {
            "groupId": new, "sessionTimeoutMs": 6000, "rebalanceTimeoutMs": 1000, "memberId": "",
            "groupInstanceId": None, "protocolType": "consumer", "reason": None,
            "protocols": [{"name": "range", "metadata": rebase(b"m")}],
        },
        12: member,
        13: {"groupId": new, "members": [{"memberId": "nobody", "groupInstanceId": None, "reason": None}]}
        if version >= 3
        else {"groupId": new, "memberId": "nobody"},
        14: {**member, "protocolType": "consumer", "protocolName": "range", "assignments": []},
        15: {"groups": [new, "other"], **({"includeAuthorizedOperations": True} if version >= 3 else {})},
        16: {"statesFilter": [], "typesFilter": []},
        24: {"transactions": [{**transaction, "verifyOnly": False, "topics": added}]}
        if version >= 4
        else {
            "v3AndBelowTransactionalId": new, "v3AndBelowProducerId": 1, "v3AndBelowProducerEpoch": 0,
            "v3AndBelowTopics": added,
        },
        25: {**transaction, "groupId": new},
        26: {**transaction, "committed": True},
        27: {
            "markers": [
                {
                    "producerId": 1 << 40, "producerEpoch": 0, "transactionResult": False, "coordinatorEpoch": 0,
                    "transactionVersion": 0, "topics": [{"name": topic, "partitionIndexes": [9]}],
                }
            ]
        },
        28: {**transaction, **(member if version >= 3 else {"groupId": new}), "topics": offsets},
        42: {"groupsNames": [new]},
        47: {"groupId": new, "topics": [{"name": topic, "partitions": [{"partitionIndex": 0}]}]},
        65: {"transactionalIds": [new]},
        66: {"stateFilters": ["Ongoing", "NoSuchState"], "producerIdFilters": [], "durationFilter": -1},
        68: {
            "groupId": new, "memberId": "m", "memberEpoch": 0, "instanceId": None, "rackId": None,
            "rebalanceTimeoutMs": 1000, "subscribedTopicNames": [topic], "subscribedTopicRegex": None,
            "serverAssignor": None, "topicPartitions": [],
        },
        69: {"groupIds": [new, "other"], "includeAuthorizedOperations": True},
        76: {"groupId": new, "memberId": "m", "memberEpoch": 0, "rackId": None, "subscribedTopicNames": [topic]},
        77: {"groupIds": [new, "other"], "includeAuthorizedOperations": True},
        90: {
            "groups": [
                {"groupId": new, "topics": [{"topicName": topic, "partitions": [0, 9]}]},
                {"groupId": "other", "topics": None},
            ]
        },
        91: {
            "groupId": new,
            "topics": [{"topicName": topic, "partitions": [{"partitionIndex": 0, "startOffset": 0}]}],
        },
        92: {"groupId": new, "topics": [{"topicName": topic}]},
    }  # fmt: skip


def test_every_listed_version_is_answered_as_kafka_would_encode_it(bootstrap, java, listed, sample_topic):
    """One request with content and one with defaults for each of the listed versions. Kafka's class must use up the
    response, and must write the same bytes again."""
    topic_id = java.call("describeTopic", bootstrap, topic=sample_topic)["id"]
    find_coordinator(bootstrap)
    find_coordinator(bootstrap, kind=1)
    wrong = []
    for key, (low, high) in sorted(listed.items()):
        for version in range(low, high + 1):
            if (key, version) in ((0, 0), (0, 1), (0, 2)):
                continue  # listed for librdkafka's sake, never served
            for fields in (requests_of(key, version, sample_topic, topic_id), {} if key != 0 else None):
                if fields is None:
                    continue
                try:
                    answer = java.call(
                        "exchange", bootstrap, requests=[{"key": key, "version": version, "fields": fields}]
                    )[0]
                except Exception as error:
                    wrong.append(f"api {key} v{version} {'defaults' if not fields else ''}: {error}")
                    continue
                if answer.get("unread") or answer.get("differs"):
                    wrong.append(f"api {key} v{version} {'defaults' if not fields else ''}: {answer}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("key", "path", "codes"),
    [  # the error codes of the requests above, in order
        (0, ("responses", 0, "partitionResponses", "errorCode"), [0, 3]),
        (3, ("topics", "errorCode"), [0, 3]),
        (19, ("topics", "errorCode"), [0, 36]),
        (20, ("responses", "errorCode"), [3]),
        (21, ("topics", 0, "partitions", "errorCode"), [0, 3]),
        (23, ("topics", 0, "partitions", "errorCode"), [0, 3]),
        (32, ("results", "errorCode"), [0, 0, 3]),
        (34, ("results", 0, "partitions", "errorCode"), [57]),
        (37, ("results", "errorCode"), [0, 3]),
        *((key, ("errorCode",), 64) for key in (38, 39, 40, 41)),  # by PLAINTEXT nobody gets a token
        (46, ("errorCode",), 0),
        (48, ("errorCode",), 0),
        (49, ("entries", "errorCode"), [0, 42]),
        (61, ("topics", 0, "partitions", "errorCode"), [0, 3]),
        (64, ("errorCode",), 102),
        (75, ("topics", "errorCode"), [0, 3]),
    ],
)
def test_error_codes_per_entry(bootstrap, java, listed, sample_topic, key, path, codes):
    topic_id = java.call("describeTopic", bootstrap, topic=sample_topic)["id"]
    node = java.call("describeCluster", bootstrap)["nodes"][0]
    for version in range(listed[key][0], listed[key][1] + 1):
        if key == 0 and not 3 <= version <= 12 or key == 3 and version < 4:
            continue
        fields = requests_of(key, version, sample_topic, topic_id)
        if key == 32:
            fields["resources"][1]["resourceName"] = str(node)
        answer = java.call("exchange", bootstrap, requests=[{"key": key, "version": version, "fields": fields}])[0]
        if answer.get("skipped"):
            continue
        found = answer["response"]
        for step in path[:-1]:
            found = found[step]
        seen = found[path[-1]] if isinstance(found, dict) else [entry[path[-1]] for entry in found]
        # Kafka answers DescribeTopicPartitions sorted by name, and map-like results in any order.
        assert sorted(seen) == sorted(codes) if isinstance(codes, list) else seen == codes, f"v{version}: {answer}"


def test_produce_0_to_2_is_never_served(bootstrap, listed):
    """Listed only; Kafka answers them with UNSUPPORTED_VERSION or closes. What counts: nothing is appended."""
    if listed[0][0] > 0:
        pytest.skip("not listed")
    with Connection(bootstrap) as connection:
        body = struct.pack(">hii", 1, 1000, 0)
        try:
            connection.request(0, 2, body)
        except ConnectionClosed:
            pass
    assert api_versions(bootstrap) == listed


# -- what real clients make of the list ------------------------------------------------------------------------------


def test_kcat_negotiates(bootstrap):
    text = run(["kcat", "-b", bootstrap, "-L", "-X", "api.version.fallback.ms=0"]).decode()
    assert "1 brokers:" in text and "(controller)" in text


def test_confluent_negotiates(bootstrap):
    logged = []
    client = confluent_kafka.admin.AdminClient({"bootstrap.servers": bootstrap, "error_cb": logged.append})
    assert len(client.list_topics(timeout=10).brokers) == 1
    assert logged == []


def test_kafka_python_negotiates(bootstrap):
    client = kafka.KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        assert len(client.describe_cluster()["brokers"]) == 1
    finally:
        client.close()


def test_aiokafka_negotiates(bootstrap):
    async def negotiate():
        client = aiokafka.AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
        await client.start()
        try:
            return await client.topics()
        finally:
            await client.stop()

    assert asyncio.run(negotiate()) is not None


def test_java_negotiates(bootstrap, java):
    cluster = java.call("describeCluster", bootstrap)
    assert len(cluster["nodes"]) == 1 and cluster["controller"] == cluster["nodes"][0] and cluster["id"]


def test_a_response_never_overtakes(bootstrap):
    """Cheap and dear requests in one burst; answers come in the order of the requests."""
    burst, kinds = b"", []
    for number in range(200):
        key, version = ((API_VERSIONS, 0), (3, 1), (API_VERSIONS, 2), (3, 0))[number % 4]
        burst += frame(
            header(key, version, correlation=number)
            + (struct.pack(">i", -1) if key == 3 and version else b"" if key != 3 else struct.pack(">i", 0))
        )
        kinds.append(key)
    with Connection(bootstrap) as connection:
        connection.send(burst)
        assert [Reader(connection.read_frame()).i32() for _ in kinds] == list(range(200))
