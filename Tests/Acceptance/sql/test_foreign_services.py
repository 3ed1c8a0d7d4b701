"""A SQL server whose registry and Connect worker are other processes, reached by their HTTP APIs."""

import json
import urllib.request

import pytest

from process import Broker, free_port, wait_until
from test_statements import STREAM, SqlBroker


class Services(Broker):
    """A broker with a registry and a Connect worker, and no SQL server."""

    def __init__(self, folder):
        super().__init__(folder)
        self.registry, self.connect = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.flags = ["--registry", self.registry, "--connect", self.connect, "--sql", "none", "--admin", "none"]


class SqlOnly(SqlBroker):
    """A broker with a SQL server and without a registry of its own."""

    def __init__(self, folder, properties):
        super().__init__(folder, properties)
        self.flags = ["--sql", f"127.0.0.1:{self.sql_port}", "--registry", "none", "--admin", "none"]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    services = Services(tmp_path_factory.mktemp("services")).start()
    broker = SqlOnly(
        tmp_path_factory.mktemp("sql"),
        {
            "ksql.schema.registry.url": f"http://{services.registry}",
            "ksql.connect.url": f"http://{services.connect}",
        },
    ).start()
    wait_until(lambda: broker.sql.ask("/healthcheck")[1]["serverState"] == "READY")
    yield services, broker.sql
    broker.stop()
    services.stop()


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("value_format", ["AVRO", "PROTOBUF", "JSON_SR"])
def test_schemas_are_in_the_other_registry(places, value_format):
    services, sql = places
    name = f"ratings_{value_format.lower()}"
    sql.run(STREAM.format(value_format).replace("ratings", name))
    sql.run(f"CREATE STREAM poor_{name} AS SELECT * FROM {name} WHERE stars < 3;", **{"auto.offset.reset": "earliest"})
    for stars in (1, 2, 3):
        sql.run(f"INSERT INTO {name} VALUES ({stars}, {stars}, 'web');")
    assert f"{name}-value" in get(services.registry, "/subjects")
    assert get(services.registry, f"/subjects/POOR_{name.upper()}-value/versions") == [1]

    def poor():
        body = sql.ask("/query", {"ksql": f"SELECT * FROM poor_{name};"})[1]
        return sorted(part["row"]["columns"] for part in body if "row" in part)

    wait_until(lambda: poor() == [[1, 1, "web"], [2, 2, "web"]], 30, "two rows of the query")
    # Columns come from the registry where a statement names none.
    sql.run(f"CREATE STREAM again_{name} WITH (KAFKA_TOPIC='{name}', VALUE_FORMAT='{value_format}');")
    fields = sql.run(f"DESCRIBE again_{name};")[0]["sourceDescription"]["fields"]
    assert [field["name"] for field in fields] == ["STARS", "CHANNEL"]


def test_connectors_are_in_the_other_worker(places):
    services, sql = places
    made = sql.run(
        "CREATE SOURCE CONNECTOR made_up WITH ('connector.class'='io.confluent.kafka.connect.datagen.DatagenConnector',"
        " 'kafka.topic'='made_up', 'quickstart'='ratings', 'max.interval'='10', 'iterations'='5',"
        " 'value.converter'='org.apache.kafka.connect.json.JsonConverter', 'value.converter.schemas.enable'='false');"
    )
    name = made[0]["info"]["name"]
    assert get(services.connect, "/connectors") == [name]
    listed = sql.run("SHOW CONNECTORS;")[0]["connectors"]
    assert [connector["name"] for connector in listed] == [name]
    assert sql.run(f"DESCRIBE CONNECTOR `{name}`;")[0]["connectorClass"].endswith("DatagenConnector")
    assert any("Datagen" in plugin["className"] for plugin in sql.run("SHOW CONNECTOR PLUGINS;")[0]["connectorsPlugins"])
    sql.run(f"DROP CONNECTOR `{name}`;")
    wait_until(lambda: get(services.connect, "/connectors") == [], 20, "the connector to be gone")
    status, body = sql.ask("/ksql", {"ksql": f"DROP CONNECTOR `{name}`;"})
    assert status >= 400 and name in body["message"]


def test_services_that_do_not_answer(tmp_path):
    """What needs them is refused with the address; the rest goes on."""
    dead = f"http://127.0.0.1:{free_port()}"
    broker = SqlOnly(tmp_path, {"ksql.schema.registry.url": dead, "ksql.connect.url": dead}).start()
    sql = broker.sql
    wait_until(lambda: sql.ask("/healthcheck")[1]["serverState"] == "READY")
    sql.run(STREAM.format("JSON"))
    status, body = sql.ask("/ksql", {"ksql": STREAM.format("AVRO").replace("ratings", "other")})
    assert status >= 400 and dead.removeprefix("http://") in body["message"], body
    status, body = sql.ask("/ksql", {"ksql": "SHOW CONNECTORS;"})
    assert status >= 400 and dead.removeprefix("http://") in body["message"], body
    broker.stop()
