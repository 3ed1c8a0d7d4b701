"""The sink of Snowflake in the worker, against fakesnow: the protocol of Snowflake's drivers and its SQL on DuckDB.

Needs test-servers/snowflake.sh of SWIFTWATER_SHARED. What is in the tables at the end is read with Snowflake's own connector
for Python.
"""

import datetime
import decimal
import json
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import confluent_kafka
import confluent_kafka.admin
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from worker import SHARED, Worker, free_port, wait_until  # noqa: E402

READER = """
import json, sys
import snowflake.connector
host, port, sql = sys.argv[1:]
with snowflake.connector.connect(
        user="reader", password="x", account="fakesnow", host=host, port=int(port), protocol="http",
        database="SHOP", schema="PUBLIC") as connection:
    print(json.dumps([[str(value) if value is not None else None for value in row] for row in connection.cursor().execute(sql)]))
"""


class Server:
    def __init__(self, folder, python):
        self.folder, self.python, self.port = folder, python, free_port()
        self.process = None
        self.token = None

    def start(self):
        self.process = subprocess.Popen(
            [self.python, str(Path(__file__).parent / "snowflake_server.py"), str(self.port), str(self.folder / "data"),
             str(self.folder / "key.pub")], stdout=open(self.folder / "server.log", "ab"), stderr=subprocess.STDOUT)
        wait_until(self.login, 60, "the server answers")
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=json.dumps(body).encode(), headers={
                "Content-Type": "application/json", "Authorization": f'Snowflake Token="{self.token}"'})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def login(self):
        try:
            answer = self.ask(
                "/session/v1/login-request?databaseName=SHOP&schemaName=PUBLIC", {"data": {"SESSION_PARAMETERS": {}}})
        except OSError:
            return False
        self.token = answer["data"]["token"]
        return True

    def query(self, sql):
        """Rows of texts; none where the table is not there yet."""
        answer = self.ask("/queries/v1/query-request", {"sqlText": sql})
        return answer["data"]["rowset"] if answer["success"] else []

    def run(self, sql):
        answer = self.ask("/queries/v1/query-request", {"sqlText": sql})
        assert answer["success"], answer

    def read(self, sql):
        """With Snowflake's own client."""
        output = subprocess.run(
            [self.python, "-c", READER, "127.0.0.1", str(self.port), sql], capture_output=True, text=True, timeout=60)
        assert output.returncode == 0, output.stderr
        return json.loads(output.stdout)

    def offsets(self, table):
        found = self.query(f"SELECT RECORD_METADATA:offset::VARCHAR FROM SHOP.PUBLIC.{table}")
        return sorted(int(row[0]) for row in found)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    script = (SHARED / "test-servers" / "snowflake.sh").resolve()
    if not script.exists():
        pytest.skip("no test-servers/snowflake.sh of SWIFTWATER_SHARED")
    folder = tmp_path_factory.mktemp("snowflake")
    output = subprocess.run(
        ["bash", str(script), "start", str(folder), str(free_port())], capture_output=True, text=True, timeout=110)
    assert output.returncode == 0, output.stderr
    # What it has installed is wanted, in a server that checks keys and keeps its data.
    subprocess.run(["bash", str(script), "stop", str(folder)], capture_output=True, timeout=60)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "key.pub").write_bytes(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    (folder / "data").mkdir()
    server = Server(folder, str(folder / "venv" / "bin" / "python"))
    encrypted = serialization.BestAvailableEncryption(b"open sesame")
    for name, encryption in [("key", serialization.NoEncryption()), ("encrypted", encrypted)]:
        setattr(server, name, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True, settings={
        "offset.flush.interval.ms": "200", "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider"}).start()
    yield worker
    if worker.alive:
        worker.stop()


@pytest.fixture
def topic():
    return f"orders_{uuid.uuid4().hex[:10]}"


def sink(server, topic, **more):
    body = "".join(server.key.splitlines()[1:-1])
    return {
        "connector__class": "com.snowflake.kafka.connector.SnowflakeSinkConnector", "topics": topic,
        "snowflake__url__name": f"http://127.0.0.1:{server.port}", "snowflake__user__name": "kafka",
        "snowflake__private__key": body, "snowflake__database__name": "SHOP", "snowflake__schema__name": "PUBLIC",
        "snowflake__role__name": "LOADER", "snowflake__ingestion__method": "SNOWPIPE_STREAMING", "buffer__flush__time": "1",
        "key__converter": "org.apache.kafka.connect.storage.StringConverter",
        "value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false",
        **more}


def offsets_of(connector):
    """The table with the offsets of a connector; its name has Java's hash where the connector's is no plain one."""
    number = 0
    for letter in connector:
        number = (number * 31 + ord(letter)) & 0xFFFFFFFF
    number = number - (1 << 32) if number >= 1 << 31 else number
    return f"SNOWFLAKE_KAFKA_CONNECTOR_{connector.replace('-', '_')}_{abs(number)}_OFFSETS".upper()


def produce(worker, topic, records, partition=0):
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for key, value in records:
        producer.produce(
            topic, key=key, value=None if value is None else json.dumps(value), partition=partition,
            headers=[("source", b"shop")])
    assert producer.flush(30) == 0


def test_rows_of_json(worker, server, topic):
    worker.put("snow", **sink(server, topic))
    worker.wait_running("snow")
    produce(worker, topic, [("k0", {"id": 1, "name": "it's \"é\"", "tags": ["a", None], "in": {"x": 1.5}}), ("k1", None)])
    wait_until(lambda: server.offsets(topic) == [0, 1], 40, "two rows")
    rows = server.read(f"SELECT RECORD_METADATA, RECORD_CONTENT FROM {topic} ORDER BY RECORD_METADATA:offset::NUMBER")
    assert json.loads(rows[0][1]) == {"id": 1, "name": "it's \"é\"", "tags": ["a", None], "in": {"x": 1.5}}
    assert json.loads(rows[1][1]) == {}
    metadata = json.loads(rows[0][0])
    assert metadata["CreateTime"] > 0 and metadata["SnowflakeConnectorPushTime"] >= metadata["CreateTime"]
    assert {name: metadata[name] for name in ("topic", "partition", "offset", "key", "headers")} == {
        "topic": topic, "partition": 0, "offset": 0, "key": "k0", "headers": {"source": "shop"}}
    # Whoever reads the configuration does not read the key.
    assert "MII" not in json.dumps(worker.ask("GET", "/connectors/snow/status")[1])


def test_the_converter_of_snowflake_and_a_map_of_tables(worker, server, topic):
    table = f"T_{uuid.uuid4().hex[:8]}".upper()
    worker.put("snow-map", **sink(
        server, topic, snowflake__topic2table__map=f"orders_.*:{table}", behavior__on__null__values="ignore",
        snowflake__private__key=server.encrypted, snowflake__private__key__passphrase="open sesame",
        value__converter="com.snowflake.kafka.connector.records.SnowflakeJsonConverter"))
    worker.wait_running("snow-map")
    produce(worker, topic, [(None, {"n": 1}), (None, None), (None, {"n": 2})])
    wait_until(lambda: server.offsets(table) == [0, 2], 40, "rows without the null")
    assert worker.status("snow-map")["tasks"][0]["state"] == "RUNNING"


def test_a_key_that_is_not_the_users(worker, server, topic):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    worker.put("snow-key", **sink(server, topic, snowflake__private__key=other))
    wait_until(lambda: worker.states("snow-key") == ("RUNNING", ["FAILED"]), 40, "the task fails")
    trace = worker.status("snow-key")["tasks"][0]["trace"]
    assert "390144" in trace and "RSA_PUBLIC_KEY" in trace and "BEGIN" not in trace


def test_avro_with_columns(worker, server, topic):
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    url = f"http://127.0.0.1:{worker.registry_port}"
    fields = [
        {"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"], "default": None},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "raw", "type": "bytes"},
        {"name": "list", "type": {"type": "array", "items": "int"}},
        {"name": "in", "type": {"type": "record", "name": "In", "fields": [{"name": "x", "type": "int"}]}}]
    value = {
        "id": 1, "name": "a", "price": decimal.Decimal("12.30"), "day": datetime.date(2024, 2, 29),
        "at": datetime.datetime(2024, 2, 29, 1, 2, 3, 4000, datetime.timezone.utc), "raw": b"\x00\xff", "list": [1, 2],
        "in": {"x": 7}}
    worker.put("snow-avro", **sink(
        server, topic, snowflake__enable__schematization="true",
        value__converter="io.confluent.connect.avro.AvroConverter", value__converter__schema__registry__url=url))
    worker.wait_running("snow-avro")
    registry = SchemaRegistryClient({"url": url})
    producer = confluent_kafka.Producer({"bootstrap.servers": worker.address})
    for more in [[], [{"name": "note", "type": ["null", {"type": "string"}], "default": None, "doc": "it's new"}]]:
        schema = {"type": "record", "name": "Order", "fields": fields + more}
        serializer = AvroSerializer(registry, json.dumps(schema))
        row = {**value, "id": 1 + len(more), **({"note": "n"} if more else {})}
        producer.produce(topic, serializer(row, SerializationContext(topic, MessageField.VALUE)))
        assert producer.flush(30) == 0
        wait_until(lambda: len(server.offsets(topic)) == 1 + len(more), 40, "the row")  # noqa: B023
    types = {row[0]: row[1] for row in server.query(f"DESCRIBE TABLE SHOP.PUBLIC.{topic}")}
    assert types["ID"].startswith("NUMBER") and types["NAME"].startswith("VARCHAR") and types["PRICE"].startswith("VARCHAR")
    assert types["DAY"] == "DATE" and types["AT"].startswith("TIMESTAMP_NTZ") and types["RAW"].startswith("BINARY")
    # fakesnow has no arrays of its own.
    assert types["LIST"] in ("ARRAY", "VARIANT") and types["IN"] == "VARIANT" and types["NOTE"].startswith("VARCHAR")
    rows = server.read(
        f'SELECT ID, "NAME", PRICE, "DAY", "AT", TO_VARCHAR("RAW", \'HEX\'), "LIST", "IN":x, NOTE FROM {topic} ORDER BY ID')
    assert [row[:4] for row in rows] == [["1", "a", "12.30", "2024-02-29"], ["2", "a", "12.30", "2024-02-29"]]
    assert all(row[4].startswith("2024-02-29 01:02:03.004") for row in rows)
    assert [json.loads(row[6]) for row in rows] == [[1, 2], [1, 2]]
    assert [row[7] for row in rows] == ["7", "7"] and [row[8] for row in rows] == [None, "n"]


def test_columns_follow_json(worker, server, topic):
    server.run(f'CREATE TABLE SHOP.PUBLIC.{topic} (ID NUMBER(38,0) NOT NULL, "old" VARCHAR NOT NULL)')
    worker.put("snow-json", **sink(server, topic, snowflake__enable__schematization="true"))
    worker.wait_running("snow-json")
    produce(worker, topic, [(None, {"id": 1}), (None, {"id": 2, "odd \"name\"; --": [1], "amount": 1.5, "none": None})])
    wait_until(lambda: server.offsets(topic) == [0, 1], 40, "the rows")
    rows = server.read(f'SELECT ID, "ODD ""NAME""; --", AMOUNT, NONE, "old" FROM {topic} ORDER BY ID')
    assert rows == [["1", None, None, None, None], ["2", "[1]", "1.5", None, None]] or json.loads(rows[1][1]) == [1]
    produce(worker, topic, [(None, {"id": None, "amount": 2})])
    wait_until(lambda: server.offsets(topic) == [0, 1, 2], 40, "a null where none was allowed")


def test_rows_that_do_not_fit_become_dead_letters(worker, server, topic):
    server.run(f"CREATE TABLE SHOP.PUBLIC.{topic} (RECORD_METADATA VARIANT, N NUMBER(38,0))")
    options = sink(server, topic, snowflake__enable__schematization="true")
    worker.put("snow-dead", **options)
    produce(worker, topic, [(None, {"n": 1}), (b"bad", {"n": "no number"}), (None, {"n": 3})])
    wait_until(lambda: worker.states("snow-dead") == ("RUNNING", ["FAILED"]), 40, "the task fails")
    trace = worker.status("snow-dead")["tasks"][0]["trace"]
    assert "offset=1" in trace, trace
    worker.put("snow-dead", **options, errors__tolerance="all", errors__deadletterqueue__topic__name="dead",
               errors__deadletterqueue__topic__replication__factor="1")
    wait_until(lambda: server.offsets(topic) == [0, 2], 60, "the good rows")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": worker.address, "group.id": "reader"})
    consumer.assign([confluent_kafka.TopicPartition("dead", 0, 0)])
    letter = wait_until(lambda: consumer.poll(0.2), what="the dead letter")
    assert letter.key() == b"bad" and json.loads(letter.value()) == {"n": "no number"}
    consumer.close()


@pytest.mark.deadline(240)
def test_a_kill_leaves_nothing_out_and_nothing_twice(worker, server, topic):
    worker.put("snow-kill", **sink(server, topic, buffer__count__records="200"))
    worker.wait_running("snow-kill")
    for number in range(2):
        produce(worker, topic, [(None, {"n": n}) for n in range(number * 3000, (number + 1) * 3000)])
        # The group waits for the member that was killed as long as a session lasts, 45 s.
        wait_until(lambda: len(server.offsets(topic)) > number * 3000, 90, "rows on their way")  # noqa: B023
        worker.kill()
        worker.start()
    wait_until(lambda: len(server.offsets(topic)) >= 6000, 90, "all rows")
    assert server.offsets(topic) == list(range(6000))
    count, least, most = server.read(f"SELECT COUNT(DISTINCT RECORD_CONTENT:n), MIN(RECORD_CONTENT:n::INT), "
                                     f"MAX(RECORD_CONTENT:n::INT) FROM {topic}")[0]
    assert (count, least, most) == ("6000", "0", "5999")


@pytest.mark.deadline(180)
def test_tasks_that_write_one_table_at_once(worker, server, topic):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": worker.address})
    for made in admin.create_topics([confluent_kafka.admin.NewTopic(topic, 4, 1)]).values():
        made.result()
    worker.put("snow-many", **sink(server, topic, tasks__max="2", buffer__count__records="100"))
    worker.wait_running("snow-many", tasks=2)
    for partition in range(4):
        produce(worker, topic, [(None, {"n": n}) for n in range(500)], partition)
    wanted = sorted(n for n in range(500) for _ in range(4))
    wait_until(lambda: len(server.offsets(topic)) >= 2000, 90, "all rows")
    assert server.offsets(topic) == wanted
    places = f"SELECT DISTINCT RECORD_METADATA:partition::INT, RECORD_METADATA:offset::INT FROM {topic}"
    assert server.read(f"SELECT COUNT(*) FROM ({places})") == [["2000"]]
    kept = server.query(f"SELECT OFFSET_TOKEN::VARCHAR FROM SHOP.PUBLIC.{offsets_of('snow-many')}")
    assert [row[0] for row in kept] == ["499"] * 4


def test_offsets_that_go_back_double_nothing(worker, server, topic):
    worker.put("snow-back", **sink(server, topic))
    worker.wait_running("snow-back")
    produce(worker, topic, [(None, {"n": n}) for n in range(100)])
    wait_until(lambda: server.offsets(topic) == list(range(100)), 40, "all rows")
    assert worker.ask("PUT", "/connectors/snow-back/stop")[0] in (202, 204)
    wait_until(lambda: worker.status("snow-back")["connector"]["state"] == "STOPPED", 40, "stopped")
    wait_until(lambda: worker.ask("DELETE", "/connectors/snow-back/offsets")[0] == 200, 60, "offsets are gone")
    worker.ask("PUT", "/connectors/snow-back/resume")
    produce(worker, topic, [(None, {"n": 100})])
    wait_until(lambda: 100 in server.offsets(topic), 40, "the new row")
    assert server.offsets(topic) == list(range(101))


def lose(server, topic, connector, offset):
    """As if the transactions behind an offset had never been."""
    server.run(f"DELETE FROM SHOP.PUBLIC.{topic} WHERE RECORD_METADATA:offset::INT > {offset}")
    server.run(f"UPDATE SHOP.PUBLIC.{offsets_of(connector)} SET OFFSET_TOKEN = {offset} WHERE TOPIC = '{topic}'")


def test_what_the_table_has_lost_is_read_again(worker, server, topic):
    worker.put("snow-lost", **sink(server, topic))
    worker.wait_running("snow-lost")
    produce(worker, topic, [(None, {"n": n}) for n in range(100)])
    wait_until(lambda: server.offsets(topic) == list(range(100)), 40, "all rows")
    # Under a task that is at work: it notices with the next row.
    lose(server, topic, "snow-lost", 59)
    produce(worker, topic, [(None, {"n": 100})])
    wait_until(lambda: server.offsets(topic) == list(range(101)), 40, "lost rows and the new one")
    # And under none: Kafka's offsets are at the end, and there is nothing new to read.
    assert worker.ask("PUT", "/connectors/snow-lost/stop")[0] in (202, 204)
    wait_until(lambda: worker.status("snow-lost")["connector"]["state"] == "STOPPED", 40, "stopped")
    kept = worker.ask("GET", "/connectors/snow-lost/offsets")[1]["offsets"]
    assert [entry["offset"]["kafka_offset"] for entry in kept] == [101]
    lose(server, topic, "snow-lost", 59)
    worker.ask("PUT", "/connectors/snow-lost/resume")
    wait_until(lambda: server.offsets(topic) == list(range(101)), 40, "lost rows")
    assert worker.states("snow-lost") == ("RUNNING", ["RUNNING"])


@pytest.mark.deadline(180)
def test_a_server_that_goes_away_and_returns(worker, server, topic):
    worker.put("snow-away", **sink(server, topic))
    worker.wait_running("snow-away")
    produce(worker, topic, [(None, {"n": n}) for n in range(50)])
    wait_until(lambda: server.offsets(topic) == list(range(50)), 40, "rows before")
    server.kill()
    produce(worker, topic, [(None, {"n": n}) for n in range(50, 100)])
    assert worker.states("snow-away") == ("RUNNING", ["RUNNING"])
    server.start()
    wait_until(lambda: server.offsets(topic) == list(range(100)), 90, "rows after")
    assert worker.states("snow-away") == ("RUNNING", ["RUNNING"])


def test_the_configuration_of_the_documentation(worker, server, tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "connectors.md").read_text()
    section = text[text.index("## Snowflake sink"):]
    config = json.loads(section[section.index("```json") + 7:].split("```", 1)[0])
    secrets = tmp_path / "snowflake.properties"
    secrets.write_text("key=" + "".join(server.key.splitlines()[1:-1]) + "\n")
    config |= {"snowflake.url.name": f"http://127.0.0.1:{server.port}", "topics": f"r{uuid.uuid4().hex[:8]}",
               "snowflake.private.key": config["snowflake.private.key"].replace(
                   "/etc/swiftwater/snowflake.properties", str(secrets)),
               "snowflake.database.name": "SHOP", "snowflake.schema.name": "PUBLIC", "buffer.flush.time": "1"}
    worker.put("snow-docs", **config)
    worker.wait_running("snow-docs")
    produce(worker, config["topics"], [("k", {"stars": 5, "message": "fine"})])
    wait_until(lambda: server.offsets(config["topics"]) == [0], 40, "the row")
    assert server.read(f"SELECT STARS, MESSAGE FROM {config['topics']}") == [["5", "fine"]]
