"""Many small queries in one process, and limits of what their state may take."""

import json

import confluent_kafka
import pytest

from process import wait_until
from test_statements import SqlBroker

COUNT = 200


def start(folder, properties=None):
    broker = SqlBroker(folder, properties).start()
    wait_until(lambda: broker.sql.ask("/healthcheck")[1]["serverState"] == "READY")
    return broker


def states(sql):
    status, body = sql.ask("/ksql", {"ksql": "SHOW QUERIES;"})
    return [query["state"] for query in body[0]["queries"]] if status == 200 else []


def rows(sql, text):
    status, body = sql.ask("/query", {"ksql": text})
    assert status == 200, body
    return [part["row"]["columns"] for part in body if "row" in part]


@pytest.mark.deadline(300)
def test_two_hundred_queries_at_once(tmp_path):
    """Each gets its records, exactly once, also after a kill -9 of the process."""
    broker = start(tmp_path)
    sql = broker.sql
    sql.run("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
    for number in range(COUNT):
        sql.run(
            f"CREATE TABLE T{number} AS SELECT V % {number + 1} AS G, COUNT(*) AS N FROM S WHERE V >= {number}"
            f" GROUP BY V % {number + 1};",
            **{"auto.offset.reset": "earliest"},
        )
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for value in range(COUNT):
        producer.produce("s", json.dumps({"V": value}), key="k")
    producer.flush(30)

    def is_counted(times):
        return all(
            sum(row[1] for row in rows(sql, f"SELECT * FROM T{number};")) == (COUNT - number) * times
            for number in range(0, COUNT, 13)
        )

    wait_until(lambda: is_counted(1), 120, "all records counted by every query", 0.5)
    broker.restart(kill=True)
    wait_until(lambda: states(sql) == ["RUNNING"] * COUNT, 120, f"{COUNT} queries to run", 0.5)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for value in range(COUNT):
        producer.produce("s", json.dumps({"V": value}), key="k")
    producer.flush(30)
    wait_until(lambda: is_counted(2), 120, "the records after the crash counted", 0.5)
    broker.stop(30)


@pytest.mark.parametrize("name", ["ksql.query.state.max.bytes", "ksql.state.max.bytes"])
def test_state_has_limits(tmp_path, name):
    """A query that keeps too much fails, says so, and disturbs no other."""
    broker = start(tmp_path, {name: "300000"})
    sql = broker.sql
    sql.run("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
    earliest = {"auto.offset.reset": "earliest"}
    large = sql.run("CREATE TABLE MUCH AS SELECT K, COUNT(*) AS N FROM S GROUP BY K;", **earliest)
    sql.run("CREATE TABLE FEW AS SELECT V, COUNT(*) AS N FROM S GROUP BY V;", **earliest)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for number in range(20_000):
        producer.produce("s", json.dumps({"V": number % 2}), key=f"a key of some length {number}")
    producer.flush(30)
    query = large[0]["commandStatus"]["queryId"]

    def errors():
        description = sql.run(f"EXPLAIN {query};")[0]["queryDescription"]
        return " ".join(error["errorMessage"] for error in description["queryErrors"])

    wait_until(lambda: "300000 are allowed" in errors(), 60, "the error of the large query")
    wait_until(lambda: rows(sql, "SELECT * FROM FEW;") == [[0, 10_000], [1, 10_000]], 60, "the small one to be done")
    broker.stop(30)
