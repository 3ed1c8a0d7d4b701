"""Several SQL servers on one external cluster: they share the tasks of queries, and any of them answers for all.

The cluster is a broker of ours in a process of its own; the nodes have nothing but its address.
"""

import json
import random
import threading
import time
import urllib.error
import urllib.request

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient

from process import Broker, binary, free_port, wait_until

PARTITIONS = 6
GROUPS = 37
FAST = {"ksql.streams.consumer.session.timeout.ms": 6000, "ksql.streams.consumer.heartbeat.interval.ms": 300}


class Node(Broker):
    """`swiftwater start --roles sql` on somebody else's cluster."""

    def __init__(self, folder, cluster, properties=None):
        super().__init__(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cluster = cluster
        self.sql_address = f"127.0.0.1:{free_port()}"
        self.properties = {**FAST, "ksql.service.id": "shared_", **(properties or {})}
        # What other nodes know it by.
        self.node_address = self.properties.get("ksql.internal.listener", self.sql_address).removeprefix("http://")

    def command(self):
        sets = [part for name, value in self.properties.items() for part in ("--set", f"{name}={value}")]
        return [
            binary(), "start", "--roles", "sql", "--bootstrap-servers", self.cluster.address, "--sql", self.sql_address,
            "--data-dir", str(self.data), "--admin", "none", *sets,
        ]

    def start(self):
        super().start()
        wait_until(lambda: self.ask("/healthcheck")[1]["serverState"] == "READY")
        return self

    def ask(self, path, body=None, timeout=60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.sql_address}{path}", data=data)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(self, text, **properties):
        status, body = self.ask("/ksql", {"ksql": text, "streamsProperties": properties})
        assert status == 200, body
        return body

    def rows(self, text, **request):
        """The rows of a pull query."""
        status, body = self.ask("/query", {"ksql": text, "streamsProperties": {}, "requestProperties": request})
        assert status == 200, body
        return [row["row"]["columns"] for row in body if "row" in row]

    def queries(self):
        return {query["id"] for query in self.run("SHOW QUERIES;")[0]["queries"]}

    def partitions(self, query):
        """Source partitions whose tasks this node runs, as its own part of /clusterStatus says."""
        _, body = self.ask("/clusterStatus")
        own = body["clusterStatus"].get(self.node_address, {}).get("activeStandbyPerQuery", {})
        return {entry["partition"] for entry in own.get(query, {}).get("activePartitions", [])}


@pytest.fixture
def cluster(tmp_path):
    broker = Broker(tmp_path / "cluster", flags=["--roles", "kafka", "--admin", "none"])
    broker.folder.mkdir()
    broker.start()
    yield broker
    if broker.alive:
        broker.kill()


@pytest.fixture
def make_node(tmp_path, cluster):
    made = []

    def make(properties=None):
        node = Node(tmp_path / f"node{len(made)}", cluster, properties)
        made.append(node)
        return node.start()

    yield make
    for node in made:
        if node.alive:
            node.kill()


class Feed:
    """Records of the source topic, and what queries must make of them."""

    def __init__(self, cluster):
        self.producer = confluent_kafka.Producer({"bootstrap.servers": cluster.address, "linger.ms": 5})
        self.count = 0

    def write(self, count):
        for number in range(self.count, self.count + count):
            value = json.dumps({"ID": number, "G": f"g{number % GROUPS}", "V": number})
            self.producer.produce("events", value.encode(), str(number % 101).encode())
        self.count += count
        assert self.producer.flush(30) == 0

    @property
    def model(self):
        totals = {}
        for number in range(self.count):
            n, total = totals.get(f"g{number % GROUPS}", (0, 0))
            totals[f"g{number % GROUPS}"] = (n + 1, total + number)
        return totals


def read(cluster, topic):
    """All committed records of a topic."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": cluster.address, "group.id": f"check-{random.random()}",
            "isolation.level": "read_committed", "enable.partition.eof": True, "auto.offset.reset": "earliest",
        }
    )
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in partitions])
    records, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(10)
        assert message is not None, f"no end of {topic}"
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            records.append(message)
    consumer.close()
    return records


def totals(cluster):
    """The table TOTALS as its topic has it."""
    table = {}
    for message in read(cluster, "TOTALS"):
        value = json.loads(message.value())
        table[message.key().decode()] = (value["N"], value["T"])
    return table


CREATE = (
    "CREATE STREAM events (k STRING KEY, id BIGINT, g STRING, v BIGINT)"
    f" WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS={PARTITIONS});"
)
TOTALS = "CREATE TABLE totals AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM events GROUP BY g;"
COPY = "CREATE STREAM copy AS SELECT k, id, v FROM events;"
EARLIEST = {"auto.offset.reset": "earliest"}


def start_queries(node):
    node.run(CREATE)
    made = node.run(TOTALS + COPY, **EARLIEST)
    return [entity["commandStatus"]["queryId"] for entity in made]


def share(nodes, query):
    """Waits until the nodes have the partitions of a query among them, each its part."""

    def settled():
        parts = [node.partitions(query) for node in nodes]
        even = all(len(part) >= PARTITIONS // len(nodes) for part in parts)
        return even and sum(map(len, parts)) == PARTITIONS and set().union(*parts) == set(range(PARTITIONS))

    wait_until(settled, 40, f"an even share of {query} among {len(nodes)} nodes", 0.1)


@pytest.mark.deadline(180)
def test_nodes_share_the_work_and_answer_for_each_other(cluster, make_node):
    a, b = make_node(), make_node()
    table, stream = start_queries(a)
    wait_until(lambda: {table, stream} <= b.queries(), what="the queries on the other node")
    feed = Feed(cluster)
    feed.write(3000)
    share([a, b], table)
    share([a, b], stream)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals")
    for node in (a, b):
        for group in range(GROUPS):
            n, total = feed.model[f"g{group}"]
            assert node.rows(f"SELECT n, t FROM totals WHERE g = 'g{group}';") == [[n, total]]
        everything = node.rows("SELECT g, n, t FROM totals;")
        assert {g: (n, t) for g, n, t in everything} == feed.model and len(everything) == GROUPS
        assert len(node.rows("SELECT g FROM totals LIMIT 5;")) == 5

    # Kafka's tools see who reads what.
    admin = AdminClient({"bootstrap.servers": cluster.address})
    group = f"_confluent-ksql-shared_query_{stream}"
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert len(described.members) == 2
    read_by = [[p.partition for p in member.assignment.topic_partitions] for member in described.members]
    assert sorted(sum(read_by, [])) == list(range(PARTITIONS)) and all(len(part) == 3 for part in read_by)


def shown(node, query):
    """What SHOW QUERIES says of a query."""
    return next(found for found in node.run("SHOW QUERIES;")[0]["queries"] if found["id"] == query)


@pytest.mark.deadline(180)
def test_any_node_speaks_for_all(cluster, make_node):
    # One of them has a port of its own for the other.
    a, b = make_node(), make_node({"ksql.internal.listener": f"http://127.0.0.1:{free_port()}"})
    table, stream = start_queries(a)
    wait_until(lambda: {table, stream} <= b.queries(), what="the queries on the other node")
    share([a, b], table)
    share([a, b], stream)
    beat = {"hostInfo": {"host": "x", "port": 1}, "timestamp": 0}
    assert a.ask("/heartbeat", beat)[0] == 200 and b.ask("/heartbeat", beat)[0] == 404
    feed = Feed(cluster)
    feed.write(1000)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals")
    hosts = {a.node_address: "RUNNING", b.node_address: "RUNNING"}
    for node in (a, b):
        wait_until(lambda: shown(node, table)["statusCount"] == {"RUNNING": 2}, what="both in the count")
        assert shown(node, table)["state"] == "RUNNING"
        described = node.run(f"EXPLAIN {stream};")[0]["queryDescription"]
        assert described["ksqlHostQueryStatus"] == hosts
        partitions = [
            entry["topicPartitionEntity"]["partition"]
            for task in described["tasksMetadata"] for entry in task["topicOffsets"]]
        assert sorted(partitions) == list(range(PARTITIONS))
        analysis = node.run(f"EXPLAIN ANALYZE {stream};")[0]["queryDescription"]["analysis"]
        assert analysis["consumed"] == analysis["produced"] == 1000
        source = node.run("DESCRIBE copy EXTENDED;")[0]["sourceDescription"]
        counted = {
            entry["host"]: entry["value"] for entry in source["clusterStatistics"] if entry["name"] == "total-messages"}
        assert set(counted) == set(hosts) and sum(counted.values()) == 1000
        (group,) = source["queryOffsetSummaries"]
        assert sum(offset["consumerOffset"] for offset in group["topicSummaries"][0]["offsets"]) == 1000

    # A query that stays where it is has the rows that are there.
    here = {"request.ksql.query.pull.skip.forwarding": True}
    parts = [{row[0] for row in node.rows("SELECT g FROM totals;", **here)} for node in (a, b)]
    assert parts[0] and parts[1] and not parts[0] & parts[1] and parts[0] | parts[1] == set(feed.model)
    elsewhere = next(iter(parts[1]))
    body = {"ksql": f"SELECT n FROM totals WHERE g = '{elsewhere}';", "streamsProperties": {}, "requestProperties": here}
    _, refused = a.ask("/query", body)
    assert "skip.forwarding" in json.dumps(refused), refused

    b.kill()
    wait_until(
        lambda: shown(a, table)["statusCount"].get("UNRESPONSIVE") == 1 or shown(a, table)["statusCount"] == {"RUNNING": 1},
        what="the node that does not answer")


@pytest.mark.deadline(300)
@pytest.mark.parametrize("victims", [(0, 1), (1, 0)])
def test_results_are_exact_when_nodes_are_killed_under_load(cluster, make_node, victims):
    nodes = [make_node(), make_node()]
    table, stream = start_queries(nodes[0])
    feed, over = Feed(cluster), threading.Event()

    def load():
        while not over.is_set():
            feed.write(200)
            time.sleep(0.05)

    share(nodes, table)
    writing = threading.Thread(target=load)
    writing.start()
    try:
        for victim in victims:
            time.sleep(random.uniform(0.5, 1.5))  # at no moment in particular
            nodes[victim].kill()
            survivor = nodes[1 - victim]
            share([survivor], table)
            nodes[victim].start()
            share(nodes, table)
    finally:
        over.set()
        writing.join()
    share(nodes, stream)
    wait_until(lambda: len(read(cluster, "COPY")) >= feed.count, 60, "the copy")
    ids = sorted(json.loads(message.value())["ID"] for message in read(cluster, "COPY"))
    assert ids == list(range(feed.count)), "each record is in the copy once"
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals")
    for node in nodes:
        wait_until(
            lambda: {g: (n, t) for g, n, t in node.rows("SELECT g, n, t FROM totals;")} == feed.model, 30, "the rows")


@pytest.mark.deadline(240)
def test_nodes_come_and_go(cluster, make_node):
    a = make_node()
    table, _ = start_queries(a)
    feed = Feed(cluster)
    feed.write(2000)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals of one node")
    b, c = make_node(), make_node()
    share([a, b, c], table)
    feed.write(2000)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals of three nodes")
    a.stop()
    share([b, c], table)
    feed.write(2000)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals of those that stayed")
    rows = {g: (n, t) for g, n, t in c.rows("SELECT g, n, t FROM totals;")}
    assert rows == feed.model


@pytest.mark.deadline(180)
def test_statements_on_any_node_hold_for_all(cluster, make_node):
    a, b = make_node(), make_node()
    table, stream = start_queries(a)
    share([a, b], table)
    feed = Feed(cluster)
    feed.write(500)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals")
    b.run(f"PAUSE {table};")
    states = lambda node: node.run(f"EXPLAIN {table};")[0]["queryDescription"]["state"]  # noqa: E731
    wait_until(lambda: states(a) == "PAUSED", what="the pause on the other node")
    a.run(f"RESUME {table};")
    wait_until(lambda: states(b) == "RUNNING", what="the end of the pause")
    b.run(f"TERMINATE {stream};")
    b.run("DROP TABLE totals DELETE TOPIC;")
    wait_until(lambda: not a.queries(), what="the end of the queries on the other node")
    topics = lambda: set(AdminClient({"bootstrap.servers": cluster.address}).list_topics(timeout=10).topics)  # noqa: E731
    wait_until(lambda: not {t for t in topics() if "query_" in t or t == "TOTALS"}, what="the end of the topics")
    # Both go on with what is made next.
    again = b.run(TOTALS, **EARLIEST)[0]["commandStatus"]["queryId"]
    share([a, b], again)
    wait_until(lambda: totals(cluster) == feed.model, 30, "the totals again")


@pytest.mark.deadline(120)
def test_statements_on_several_nodes_at_once(cluster, make_node):
    nodes, failures = [make_node(), make_node()], []

    def create(index):
        for number in range(8):
            try:
                nodes[index].run(
                    f"CREATE STREAM s_{index}_{number} (v INT) WITH (KAFKA_TOPIC='s_{index}_{number}',"
                    " VALUE_FORMAT='JSON', PARTITIONS=1);")
            except AssertionError as error:
                failures.append(error)

    threads = [threading.Thread(target=create, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    expected = {f"S_{index}_{number}" for index in (0, 1) for number in range(8)}
    for node in nodes:
        wait_until(lambda: {s["name"] for s in node.run("SHOW STREAMS;")[0]["streams"]} >= expected, what="all streams")


@pytest.mark.deadline(120)
def test_push_queries_see_all_partitions(cluster, make_node):
    a, b = make_node(), make_node()
    table, _ = start_queries(a)
    share([a, b], table)
    found = {}

    def follow(node):
        body = json.dumps({"sql": "SELECT id FROM copy EMIT CHANGES LIMIT 400;", "properties": EARLIEST}).encode()
        request = urllib.request.Request(f"http://{node.sql_address}/query-stream", data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = [json.loads(line) for line in answer if line.strip()]
        found[node] = sorted(line[0] for line in lines[1:] if isinstance(line, list))

    wait_until(lambda: "COPY" in {stream["name"] for stream in b.run("SHOW STREAMS;")[0]["streams"]})
    threads = [threading.Thread(target=follow, args=(node,)) for node in (a, b)]
    for thread in threads:
        thread.start()
    Feed(cluster).write(400)
    for thread in threads:
        thread.join()
    assert found == {a: list(range(400)), b: list(range(400))}


@pytest.mark.deadline(120)
def test_nodes_hear_of_each_other(cluster, make_node):
    telling = {"ksql.heartbeat.enable": "true", "ksql.lag.reporting.enable": "true",
               "ksql.lag.reporting.send.interval.ms": 200, "ksql.heartbeat.missed.threshold.ms": 20}
    a, b = make_node(telling), make_node(telling)
    table, _ = start_queries(a)
    feed = Feed(cluster)
    feed.write(500)
    share([a, b], table)

    def status(of):
        return a.ask("/clusterStatus")[1]["clusterStatus"].get(of.sql_address, {})

    wait_until(lambda: status(b).get("hostAlive"), what="a heartbeat of the other node")
    name = f"{table}#Aggregate-Aggregate-Materialize"
    wait_until(lambda: name in status(b)["hostStoreLags"]["stateStoreLags"], what="a report of the other node")
    lags = status(b)["hostStoreLags"]["stateStoreLags"][name]["lagByPartition"]
    assert all(lag["offsetLag"] == 0 for lag in lags.values())
    # What either has of the query either knows.
    shares = [status(node)["activeStandbyPerQuery"][table] for node in (a, b)]
    assert [share["activeStores"] for share in shares] == [["Aggregate-Aggregate-Materialize"]] * 2
    partitions = [entry["partition"] for share in shares for entry in share["activePartitions"]]
    assert sorted(partitions) == list(range(PARTITIONS))
    b.kill()
    wait_until(lambda: status(b).get("hostAlive") is False, what="the silence of the other node")


@pytest.mark.deadline(180)
def test_the_node_that_holds_the_log_shares_when_it_has_an_address(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    broker = Broker(
        tmp_path / "all", {**FAST, "ksql.service.id": "shared_", "ksql.advertised.listener": f"http://{address}/"},
        flags=["--sql", address, "--connect", "none", "--registry", "none", "--admin", "none"])
    broker.folder.mkdir()
    node = Node(tmp_path / "node", broker)
    try:
        broker.start()
        node.start()
        table, stream = start_queries(node)
        feed = Feed(broker)
        feed.write(2000)
        wait_until(lambda: len(node.partitions(table)) == PARTITIONS // 2, 40, "half of the work")
        wait_until(lambda: totals(broker) == feed.model, 30, "the totals")
        wait_until(lambda: len(read(broker, "COPY")) == feed.count, 30, "the copy")
        assert {g: (n, t) for g, n, t in node.rows("SELECT g, n, t FROM totals;")} == feed.model
    finally:
        for process in (node, broker):
            if process.alive:
                process.kill()


def test_standby_reads_are_refused(cluster, tmp_path):
    node = Node(tmp_path / "node", cluster, {"ksql.query.pull.enable.standby.reads": "true"})
    with pytest.raises(AssertionError, match="there are no standby copies of state"):
        node.start()
