"""Connectors by statements of SQL: CREATE, SHOW, DESCRIBE, DROP."""

import pytest

from worker import Worker, wait_until


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", registry=True, sql=True).start()
    wait_until(lambda: worker.ask_sql("/healthcheck")["serverState"] == "READY", what="the SQL server")
    yield worker
    if worker.alive:
        worker.stop()


def listed(worker, statement="SHOW CONNECTORS;"):
    return {found["name"]: found for found in worker.sql(statement)[0]["connectors"]}


def wait_listed(worker, name):
    wait_until(
        lambda: listed(worker).get(name, {}).get("state") == "RUNNING (1/1 tasks RUNNING)", what=f"{name} runs")


def test_a_source_and_a_sink_from_statements(worker, tmp_path):
    (created,) = worker.sql(
        "CREATE SOURCE CONNECTOR ratings_source WITH ('connector.class'='io.confluent.kafka.connect.datagen.DatagenConnector',"
        "'kafka.topic'='ratings', 'quickstart'='ratings', 'max.interval'='1', 'iterations'='200',"
        "'value.converter'='io.confluent.connect.avro.AvroConverter',"
        f"'value.converter.schema.registry.url'='http://127.0.0.1:{worker.registry_port}');")
    assert created["@type"] == "connector_info"
    # Names without quotes are in upper case, as those of streams.
    assert created["info"]["name"] == "RATINGS_SOURCE" and created["info"]["config"]["kafka.topic"] == "ratings"
    out = tmp_path / "out.txt"
    (created,) = worker.sql(
        "CREATE SINK CONNECTOR `lines` WITH ('connector.class'='FileStreamSink', 'topics'='copied',"
        f"'file'='{out}', 'value.converter'='org.apache.kafka.connect.storage.StringConverter');")
    assert created["info"]["name"] == "lines"
    wait_listed(worker, "lines")
    assert listed(worker)["lines"]["className"] == "FileStreamSink"
    assert set(listed(worker, "SHOW SOURCE CONNECTORS;")) == {"RATINGS_SOURCE"}
    assert set(listed(worker, "LIST SINK CONNECTORS;")) == {"lines"}

    # What a connector writes is a stream, and what a stream writes goes to a connector.
    # Its columns come from the registry, which knows of them once the source has written.
    ratings = "CREATE STREAM ratings WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='AVRO');"
    wait_until(lambda: isinstance(worker.sql(ratings), list), 30, "the stream")
    worker.sql("CREATE STREAM copied WITH (KAFKA_TOPIC='copied', VALUE_FORMAT='DELIMITED', PARTITIONS=1) AS "
               "SELECT rating_id, stars FROM ratings EMIT CHANGES;")
    wait_until(lambda: out.exists() and len(out.read_text().splitlines()) > 10, 60, "lines of the sink")
    identity, stars = out.read_text().splitlines()[0].split(",")
    assert int(identity) > 0 and 1 <= int(stars) <= 5

    (described,) = worker.sql("DESCRIBE CONNECTOR RATINGS_SOURCE;")
    assert described["@type"] == "connector_description"
    assert described["connectorClass"].endswith("DatagenConnector")
    assert described["topics"] == ["ratings"] and [source["name"] for source in described["sources"]] == ["RATINGS"]
    assert described["status"]["connector"]["state"] == "RUNNING"

    assert worker.sql("DROP CONNECTOR `lines`;")[0]["connectorName"] == "lines"
    assert worker.sql("DROP CONNECTOR ratings_source;")[0]["@type"] == "drop_connector"
    wait_until(lambda: listed(worker) == {}, what="no connectors")


def test_statements_that_cannot_be(worker, tmp_path):
    refused = worker.sql("CREATE SOURCE CONNECTOR a WITH ('connector.class'='FileStreamSource', 'topic'='t', 'tasks.max'='x');")
    assert refused["error_code"] == 40001 and "tasks.max" in refused["message"]
    refused = worker.sql("CREATE SINK CONNECTOR a WITH ('connector.class'='com.example.Nothing', 'topics'='t');")
    assert "com.example.Nothing" in refused["message"]
    refused = worker.sql("CREATE SINK CONNECTOR a WITH ('topics'='t');")
    assert "connector.class" in refused["message"]
    assert listed(worker) == {}

    (tmp_path / "in.txt").write_text("a\n")
    create = f"SOURCE CONNECTOR {{}} lines WITH ('connector.class'='FileStreamSource', 'file'='{tmp_path}/in.txt', 'topic'='t');"
    worker.sql("CREATE " + create.format(""))
    assert "already exists" in worker.sql("CREATE " + create.format(""))["message"]
    assert worker.sql("CREATE " + create.format("IF NOT EXISTS"))[0]["@type"] == "warning_entity"
    assert worker.sql("DROP CONNECTOR nothing;")["error_code"] == 40400
    assert worker.sql("DROP CONNECTOR IF EXISTS nothing;")[0]["@type"] == "warning_entity"
    assert worker.sql("DESCRIBE CONNECTOR nothing;")["error_code"] == 40400
    wait_listed(worker, "LINES")
    # Plugins that are there are told.
    (plugins,) = worker.sql("SHOW CONNECTOR PLUGINS;")
    assert any(plugin["className"].endswith("FileStreamSourceConnector") for plugin in plugins["connectorsPlugins"])
