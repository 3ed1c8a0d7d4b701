"""The SQL server's statements, by plain HTTP and by the clients that Python programs use."""

import collections
import collections.abc
import json
import urllib.error
import urllib.request

import pytest

from process import Broker, free_port, wait_until


class Sql:
    """Requests to one SQL server."""

    def __init__(self, url):
        self.url = url

    def ask(self, path, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(self, text, **properties):
        status, body = self.ask("/ksql", {"ksql": text, "streamsProperties": properties})
        assert status == 200, body
        return body


class SqlBroker(Broker):
    """A broker, its registry and its SQL server in one process."""

    def __init__(self, folder, properties=None, **options):
        super().__init__(folder, properties, **options)
        self.sql_port, registry_port = free_port(), free_port()
        self.flags += [
            "--sql", f"127.0.0.1:{self.sql_port}", "--registry", f"127.0.0.1:{registry_port}", "--admin", "none",
        ]

    @property
    def sql(self):
        return Sql(f"http://127.0.0.1:{self.sql_port}")


@pytest.fixture
def server(tmp_path):
    broker = SqlBroker(tmp_path).start()
    wait_until(lambda: broker.sql.ask("/healthcheck")[1]["serverState"] == "READY")
    yield broker
    if broker.alive:
        broker.stop()


STREAM = "CREATE STREAM ratings (id INT KEY, stars INT, channel STRING) WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='{}', PARTITIONS=1);"


@pytest.mark.parametrize("value_format", ["JSON", "AVRO", "PROTOBUF", "DELIMITED"])
def test_rows_go_through_a_query(server, value_format):
    sql = server.sql
    sql.run(STREAM.format(value_format))
    made = sql.run("CREATE STREAM poor AS SELECT * FROM ratings WHERE stars < 3;", **{"auto.offset.reset": "earliest"})
    query = made[0]["commandStatus"]["queryId"]
    for stars in (1, 2, 3, 4):
        assert sql.run(f"INSERT INTO ratings VALUES ({stars}, {stars}, 'web');") == []

    def analysis():
        return sql.run(f"EXPLAIN ANALYZE {query};")[0]["queryDescription"]["analysis"]

    wait_until(lambda: analysis()["produced"] == 2, what="two rows of the query")
    assert "written 2" in analysis()["summary"]


def test_a_restarted_server_goes_on(server):
    sql = server.sql
    sql.run(STREAM.format("AVRO") + "CREATE TABLE n AS SELECT channel, COUNT(*) c FROM ratings GROUP BY channel;")
    before = [sql.run(text) for text in ("SHOW STREAMS;", "SHOW TABLES;", "DESCRIBE n;")]
    queries = [query["id"] for query in sql.run("SHOW QUERIES;")[0]["queries"]]
    server.stop()
    server.start()
    wait_until(lambda: sql.ask("/healthcheck")[1]["serverState"] == "READY")
    assert [query["id"] for query in sql.run("SHOW QUERIES;")[0]["queries"]] == queries
    after = [sql.run(text) for text in ("SHOW STREAMS;", "SHOW TABLES;", "DESCRIBE n;")]
    assert after == before


def test_errors(server):
    status, body = server.sql.ask("/ksql", {"ksql": "CREATE STREAM;"})
    assert (status, body["@type"], body["error_code"]) == (400, "statement_error", 40001)
    status, body = server.sql.ask("/ksql", {"ksql": "SELECT 1 FROM x EMIT CHANGES;"})
    assert (status, body["error_code"]) == (400, 40002)
    assert server.sql.ask("/info", Accept="text/html")[0] == 406


def test_the_client_ksqldb(server):
    client = pytest.importorskip("ksqldb").KSQLdbClient(server.sql.url)
    client.ksql(STREAM.format("JSON"))
    assert client.ksql("SHOW STREAMS;")[0]["streams"][0]["name"] == "RATINGS"
    assert any(entry["name"] == "ksql.service.id" for entry in client.get_properties())


def test_the_client_ksql(server):
    for name in ("Iterable", "Mapping", "MutableMapping", "MutableSet"):  # where it looks for them
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    client = pytest.importorskip("ksql").KSQLAPI(server.sql.url)
    client.ksql(STREAM.format("JSON"))
    assert client.ksql("SHOW STREAMS;")[0]["streams"][0]["name"] == "RATINGS"
