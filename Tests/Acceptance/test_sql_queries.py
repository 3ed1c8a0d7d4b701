"""Queries of clients over HTTP: pull, push, PRINT, inserts, WebSocket, with the clients that people use."""

import json
import subprocess
import time

import confluent_kafka
import pytest
import requests
from confluent_kafka.admin import AdminClient, NewTopic
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from process import Broker, free_port, wait_until

DELIMITED = "application/vnd.ksqlapi.delimited.v1"


class SQLBroker(Broker):
    """A broker with a registry and a SQL server."""

    def __init__(self, folder, properties=None, **options):
        self.registry = f"127.0.0.1:{free_port()}"
        self.sql = f"127.0.0.1:{free_port()}"
        flags = ["--registry", self.registry, "--sql", self.sql]
        # Rows of these tests are of 1970: topics that kept them for seven days would not keep them at all.
        super().__init__(folder, {"log.retention.ms": "-1", **(properties or {})}, flags=flags, **options)

    @property
    def url(self):
        return f"http://{self.sql}"

    def ksql(self, text, **properties):
        answer = requests.post(f"{self.url}/ksql", json={"ksql": text, "streamsProperties": properties}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def query(self, text, **properties):
        answer = requests.post(f"{self.url}/query", json={"ksql": text, "streamsProperties": properties}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, text, **properties):
        return [part["row"]["columns"] for part in self.query(text, **properties) if "row" in part]

    def push_count(self):
        """Push queries that run now."""
        listed = self.ksql("SHOW QUERIES;")[0]["queries"]
        return sum(1 for query in listed if query["queryType"] == "PUSH")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    broker = SQLBroker(tmp_path_factory.mktemp("sql")).start()
    broker.ksql(
        "CREATE STREAM CLICKS (USER_ID STRING KEY, PAGE STRING, SPENT INT)"
        " WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=2);"
        "CREATE TABLE TOTALS AS SELECT USER_ID, COUNT(*) AS N, SUM(SPENT) AS S FROM CLICKS GROUP BY USER_ID EMIT CHANGES;",
        **{"auto.offset.reset": "earliest"},
    )
    statements = "".join(
        f"INSERT INTO CLICKS (USER_ID, PAGE, SPENT, ROWTIME) VALUES ('u{i % 5}', 'p{i % 3}', {i}, {1000 + i});"
        for i in range(50)
    )
    broker.ksql(statements)
    wait_until(lambda: sum(row[1] for row in broker.rows("SELECT * FROM TOTALS;")) == 50, what="all clicks counted")
    yield broker
    broker.stop()


def test_pull_queries(server):
    assert server.rows("SELECT * FROM TOTALS WHERE USER_ID = 'u1';") == [["u1", 10, 235]]
    assert server.rows("SELECT N FROM TOTALS WHERE USER_ID IN ('u0', 'nobody');") == [[10]]
    assert server.rows("SELECT USER_ID FROM TOTALS WHERE S > 240 ORDER BY USER_ID DESC;") == [["u4"], ["u3"], ["u2"]]
    assert server.rows("SELECT USER_ID FROM TOTALS ORDER BY USER_ID LIMIT 2 OFFSET 1;") == [["u1"], ["u2"]]
    assert len(server.rows("SELECT * FROM CLICKS;")) == 50
    assert server.query("SELECT * FROM CLICKS LIMIT 3;")[-1] == {"finalMessage": "Limit Reached"}
    assert len(server.rows("SELECT * FROM CLICKS FROM TIMESTAMP 1010 TO TIMESTAMP 1019;")) == 10
    groups = server.rows("SELECT PAGE, COUNT(*) AS N FROM CLICKS GROUP BY PAGE ORDER BY PAGE;")
    assert groups == [["p0", 17], ["p1", 17], ["p2", 16]]


@pytest.mark.parametrize("flag, version", [("--http2-prior-knowledge", "2"), ("--http2", "2"), ("--http1.1", "1.1")])
def test_query_stream_over_each_protocol(server, flag, version):
    body = json.dumps({"sql": "SELECT USER_ID, N FROM TOTALS WHERE USER_ID = 'u2';"})
    result = subprocess.run(
        ["curl", "-sS", "--max-time", "20", flag, "-w", "%{http_version}", "-d", body, f"{server.url}/query-stream"],
        capture_output=True, text=True, check=True,
    )
    head, row, last = result.stdout.split("\n")
    assert json.loads(head)["columnTypes"] == ["STRING", "BIGINT"]
    assert json.loads(row) == ["u2", 10]
    assert last == version


def test_a_push_query_ends_with_its_limit(server):
    parts = server.query("SELECT PAGE FROM CLICKS EMIT CHANGES LIMIT 4;", **{"auto.offset.reset": "earliest"})
    assert parts[0]["header"]["schema"] == "`PAGE` STRING"
    assert len(parts) == 6 and parts[-1] == {"finalMessage": "Limit Reached"}


def test_a_push_query_ends_with_its_client(server):
    # Those of tests before this one have ended, or are about to.
    wait_until(lambda: server.push_count() == 0, what="no push query left")
    answer = requests.post(
        f"{server.url}/query-stream", json={"sql": "SELECT * FROM CLICKS EMIT CHANGES;"}, stream=True, timeout=20
    )
    lines = answer.iter_lines()  # as long as it is kept, so is the connection
    head = json.loads(next(lines))
    assert head["columnNames"] == ["USER_ID", "PAGE", "SPENT"]
    wait_until(lambda: server.push_count() == 1, what="the query to run")
    answer.close()
    wait_until(lambda: server.push_count() == 0, what="the query to end")


def test_close_query(server):
    answer = requests.post(
        f"{server.url}/query-stream", json={"sql": "SELECT * FROM CLICKS EMIT CHANGES;"}, stream=True, timeout=20
    )
    lines = answer.iter_lines()
    query = json.loads(next(lines))["queryId"]
    assert requests.post(f"{server.url}/close-query", json={"queryId": query}, timeout=20).status_code == 200
    assert list(lines) == []
    assert requests.post(f"{server.url}/close-query", json={"queryId": query}, timeout=20).status_code == 400


def test_print(server):
    answer = requests.post(f"{server.url}/query", json={"ksql": "PRINT clicks FROM BEGINNING LIMIT 3;"}, timeout=20)
    lines = answer.text.split("\n")
    assert lines[:2] == ["Key format: KAFKA_STRING", "Value format: JSON or KAFKA_STRING"]
    assert lines[2].startswith("rowtime: 1970/01/01 00:00:01.0") and lines[2].endswith(("partition: 0", "partition: 1"))
    assert len([line for line in lines if line.startswith("rowtime")]) == 3
    missing = requests.post(f"{server.url}/query", json={"ksql": "PRINT CLICKS;"}, timeout=20)
    assert missing.status_code == 400 and "print clicks;" in missing.json()["message"]


def test_inserts_stream(server):
    server.ksql(
        "CREATE STREAM TARGET (K STRING KEY, V INT, D DECIMAL(6, 2))"
        " WITH (KAFKA_TOPIC='target', VALUE_FORMAT='JSON', PARTITIONS=1);"
    )
    # What curl reads from its input it sends while it prints what comes.
    curl = subprocess.Popen(
        ["curl", "-sSN", "--max-time", "60", "--http2-prior-knowledge", "-X", "POST", "-T", ".", f"{server.url}/inserts-stream"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )

    def send(value):
        curl.stdin.write(json.dumps(value).encode() + b"\n")
        curl.stdin.flush()

    send({"target": "target", "properties": {}})
    send({"k": "a", "V": "1", "d": 1.5})
    # Rows are written while the body is open.
    wait_until(lambda: len(server.rows("SELECT * FROM TARGET;")) == 1, what="the first row in the topic")
    # Members that are no columns are passed over, and places too many are rounded.
    send({"`K`": "b", "v": 2, "d": 0.125, "colour": "red"})
    send({"k": "c", "v": "x"})
    output, _ = curl.communicate(timeout=60)
    acks = [json.loads(line) for line in output.splitlines()]
    assert [ack["status"] for ack in acks] == ["ok", "ok", "error"]
    assert [ack["seq"] for ack in acks] == [0, 1, 2]
    assert "V" in acks[2]["message"]
    assert server.rows("SELECT * FROM TARGET;") == [["a", 1, 1.5], ["b", 2, 0.13]]


def test_inserts_stream_refuses_headers(server):
    server.ksql(
        "CREATE STREAM WITH_HEADER (K STRING KEY, V INT, H BYTES HEADER('h'))"
        " WITH (KAFKA_TOPIC='with_header', VALUE_FORMAT='JSON', PARTITIONS=1);"
    )
    lines = [{"target": "WITH_HEADER"}, {"K": "a", "V": 1}, {"K": "b", "V": 2, "H": "aGk="}]
    answer = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "--data-binary", "@-", f"{server.url}/inserts-stream"],
        input="".join(json.dumps(line) + "\n" for line in lines).encode(), capture_output=True, timeout=60, check=True,
    )
    acks = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [ack["status"] for ack in acks] == ["ok", "error"]
    assert "HEADER columns: H" in acks[1]["message"]


@pytest.mark.parametrize("target", ["NOTHING", "`target`", "TOTALS_BY_HOUR"])
def test_inserts_stream_refuses_what_is_no_target(server, target):
    if target == "TOTALS_BY_HOUR":
        server.ksql(
            "CREATE TABLE IF NOT EXISTS TOTALS_BY_HOUR AS SELECT USER_ID, COUNT(*) AS N FROM CLICKS"
            " WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY USER_ID;"
        )
    body = json.dumps({"target": target}) + "\n" + json.dumps({"V": 1}) + "\n"
    answer = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "--data-binary", "@-", f"{server.url}/inserts-stream"],
        input=body.encode(), capture_output=True, timeout=60, check=True,
    )
    error = json.loads(answer.stdout)
    assert (error["@type"], error["error_code"]) == ("generic_error", 40001)
    assert "Cannot insert values into" in error["message"]


def test_inserts_stream_by_upgrade(server):
    """As the Python client `ksql` does: a POST with `Upgrade: h2c`, whose body comes before HTTP/2."""
    server.ksql("CREATE STREAM UPGRADED (ID INT KEY, V STRING) WITH (KAFKA_TOPIC='upgraded', VALUE_FORMAT='JSON', PARTITIONS=1);")
    body = json.dumps({"target": "UPGRADED"}) + "\n" + json.dumps({"ID": 51, "V": "x"}) + "\n"
    answer = subprocess.run(
        ["curl", "-sS", "--http2", "--data-binary", "@-", f"{server.url}/inserts-stream"],
        input=body.encode(), capture_output=True, timeout=60, check=True,
    )
    assert json.loads(answer.stdout) == {"status": "ok", "seq": 0}


def test_inserts_stream_needs_http2(server):
    answer = requests.post(f"{server.url}/inserts-stream", data=b'{"target":"CLICKS"}\n', timeout=20)
    assert (answer.status_code, answer.json()["error_code"]) == (400, 40004)


def test_websocket(server):
    def open_socket(text, **properties):
        request = json.dumps({"ksql": text, "streamsProperties": properties})
        return connect(f"ws://{server.sql}/ws/query?request={requests.utils.quote(request)}")

    with open_socket("SELECT USER_ID, N FROM TOTALS WHERE USER_ID = 'u3';") as socket:
        assert [field["name"] for field in json.loads(socket.recv(20))] == ["USER_ID", "N"]
        assert json.loads(socket.recv(20)) == {"row": {"columns": ["u3", 10]}}
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "done")
    with open_socket("SELECT * FROM CLICKS EMIT CHANGES LIMIT 2;", **{"auto.offset.reset": "earliest"}) as socket:
        messages = [json.loads(socket.recv(20)) for _ in range(4)]
        assert messages[-1] == {"finalMessage": "Limit Reached"}
    with open_socket("SELECT * FROM NOTHING;") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(20)
    assert closed.value.rcvd.code == 1003
    wait_until(lambda: server.push_count() == 0, what="no push query left")
    with open_socket("SELECT * FROM CLICKS EMIT CHANGES;") as socket:
        socket.recv(20)
        wait_until(lambda: server.push_count() == 1, what="the query to run")
    wait_until(lambda: server.push_count() == 0, what="the query to end")


def test_errors(server):
    def refused(path, body, **headers):
        answer = requests.post(server.url + path, json=body, headers=headers, timeout=20)
        return answer.status_code, answer.json().get("error_code"), answer.json().get("message")

    assert refused("/query", {"ksql": "SELECT * FROM NOTHING;"})[:2] == (400, 40001)
    assert refused("/query", {"ksql": "SHOW STREAMS;"})[:2] == (400, 40000)
    assert refused("/query", {"ksql": "SELEC;"})[:2] == (400, 40001)
    assert refused("/query", {})[:2] == (400, 40000)
    assert refused("/query", {"ksql": "SELECT * FROM CLICKS;"}, Accept="text/csv")[0] == 406


def test_slow_clients_are_told_why_their_query_ended(tmp_path):
    """A client that takes nothing for a while loses its query; when it comes back it has what was sent, and the reason."""
    broker = SQLBroker(tmp_path, {"ksql.query.push.stall.timeout.ms": "500"}).start()
    broker.ksql("CREATE STREAM FLOOD (V STRING) WITH (KAFKA_TOPIC='flood', VALUE_FORMAT='JSON', PARTITIONS=1);")
    answer = requests.post(
        f"{broker.url}/query-stream", json={"sql": "SELECT * FROM FLOOD EMIT CHANGES;"}, stream=True, timeout=60
    )
    lines = answer.iter_lines(chunk_size=1 << 16)
    next(lines)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "linger.ms": 5})
    value = json.dumps({"V": "x" * 10_000}).encode()
    for _ in range(3000):
        producer.produce("flood", value)
        producer.poll(0)
    producer.flush(60)
    wait_until(lambda: broker.push_count() == 0, 30, "the query to be ended")
    received = [line for line in lines if line]
    assert 0 < len(received) - 1 < 3000
    end = json.loads(received[-1])
    assert end["@type"] == "generic_error" and "took none of the rows" in end["message"]
    assert "took none of the rows" in broker.log()
    broker.stop()


@pytest.mark.deadline(120)
def test_results_that_their_topic_does_not_take_are_left_out(tmp_path):
    """With ksql.fail.on.production.error=false; flags that refuse new statements say so, and stay beside what there is."""
    properties = {"ksql.fail.on.production.error": "false", "ksql.logging.processing.topic.auto.create": "true",
                  "ksql.streams.auto.offset.reset": "earliest", "ksql.cast.strings.preserve.nulls": "false"}
    broker = SQLBroker(tmp_path, properties).start()
    admin = AdminClient({"bootstrap.servers": broker.address})
    small = NewTopic("small", num_partitions=1, replication_factor=1, config={"max.message.bytes": "1000"})
    admin.create_topics([small])["small"].result(30)
    broker.ksql("CREATE STREAM S (K STRING KEY, V STRING, N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);"
                "CREATE STREAM O WITH (KAFKA_TOPIC='small') AS SELECT K, V, CAST(N AS STRING) AS T FROM S;")
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for number in range(60):
        producer.produce("s", key=f"k{number}", value=json.dumps({"V": "x" * (5000 if number == 30 else 50)}))
    producer.flush(30)

    def read(topic, count):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "read",
                                             "isolation.level": "read_committed"})
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
        found = []
        try:
            wait_until(lambda: found.extend(consumer.consume(100, 0.2)) or len(found) >= count, 60, f"records of {topic}")
        finally:
            consumer.close()
        return found

    copies = read("small", 59)
    assert [record.key() for record in copies] == [b"k%d" % number for number in range(60) if number != 30]
    assert {json.loads(record.value())["T"] for record in copies} == {"null"}
    told = [json.loads(record.value()) for record in read("default_ksql_processing_log", 1)]
    assert [entry["message"]["type"] for entry in told] == [2]
    assert "larger than 1000" in told[0]["message"]["productionError"]["errorMessage"]
    assert told[0]["logger"] == f"processing.{broker.ksql('SHOW QUERIES;')[0]['queries'][0]['id']}"
    refused = requests.post(f"{broker.url}/ksql", json={
        "ksql": "CREATE TABLE F AS SELECT K, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY K EMIT FINAL;",
        "streamsProperties": {"ksql.suppress.enabled": "false"}}, timeout=30)
    assert refused.status_code == 400 and "Suppression is currently disabled" in refused.json()["message"]
    broker.stop()


def test_slow_clients_cost_little(server):
    """A client that reads nothing is cut in the end; the server's memory stays bounded and others are served."""
    topic = "flood"
    server.ksql(f"CREATE STREAM FLOOD (V STRING) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON', PARTITIONS=1);")
    answer = requests.post(
        f"{server.url}/query-stream", json={"sql": "SELECT * FROM FLOOD EMIT CHANGES;"}, stream=True, timeout=60
    )
    producer = confluent_kafka.Producer({"bootstrap.servers": server.address, "linger.ms": 5})
    value = json.dumps({"V": "x" * 1000}).encode()
    for _ in range(100_000):
        producer.produce(topic, value)
        producer.poll(0)
    producer.flush(60)
    time.sleep(1)
    with open(f"/proc/{server.pid}/status") as status:
        memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert memory < 600 << 10, f"{memory} KiB"
    assert server.rows("SELECT * FROM TOTALS WHERE USER_ID = 'u1';")
    answer.close()
