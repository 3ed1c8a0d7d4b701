"""Statements that no one should send: each is answered soon, by an error that says what is wrong, and the server goes on."""

import re

import pytest
import requests

from process import wait_until
from test_statements import SqlBroker

STREAM = "CREATE STREAM R (K STRING KEY, V INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON', PARTITIONS=1);"


@pytest.fixture(scope="module")
def sql(tmp_path_factory):
    broker = SqlBroker(tmp_path_factory.mktemp("hostile")).start()
    sql = broker.sql
    wait_until(lambda: sql.ask("/healthcheck")[1]["serverState"] == "READY")
    sql.run(STREAM + "CREATE STREAM A AS SELECT * FROM R; CREATE STREAM B AS SELECT * FROM A;")
    yield sql
    assert sql.run("SHOW STREAMS;")[0]["streams"]
    broker.stop()


DEEP = "too many nested expressions"
REFUSED = {
    "parentheses": ("CREATE STREAM X AS SELECT " + "(" * 50_000 + "V" + ")" * 50_000 + " FROM R;", DEEP),
    "types": (
        "CREATE STREAM X (V " + "ARRAY<" * 20_000 + "INT" + ">" * 20_000
        + ") WITH (KAFKA_TOPIC='x', VALUE_FORMAT='JSON', PARTITIONS=1);",
        DEEP,
    ),
    "cases": ("CREATE STREAM X AS SELECT " + "CASE WHEN V=1 THEN " * 5000 + "1" + " END" * 5000 + " FROM R;", DEEP),
    "operators": ("CREATE STREAM X AS SELECT K, V" + "+1" * 50_000 + " FROM R;", DEEP),
    "lambdas": ("CREATE STREAM X AS SELECT " + "TRANSFORM(ARRAY[1], x=>" * 300 + "1" + ")" * 300 + " FROM R;", DEEP),
    "negations": ("CREATE STREAM X AS SELECT * FROM R WHERE " + "NOT " * 20_000 + "V=1;", DEEP),
    "joins": (
        "CREATE STREAM X AS SELECT * FROM R"
        + "".join(f" JOIN R R{i} WITHIN 1 SECOND ON R.K = R{i}.K" for i in range(3000)) + ";",
        "at most 100 streams and tables",
    ),
    "no end of a string": ("INSERT INTO R (K, V) VALUES ('" + "x" * 1_000_000 + ", 1);", "line 1:"),
    "no characters": ("\x00\x01\x02" * 1000, "Syntax Error"),
    "a query of itself": ("INSERT INTO A SELECT * FROM A;", "from itself"),
    "a cycle": ("INSERT INTO A SELECT * FROM B;", "records would go round for ever"),
    "a longer cycle": ("INSERT INTO R SELECT * FROM B;", "records would go round for ever"),
    "replaced by what reads it": ("CREATE OR REPLACE STREAM A AS SELECT * FROM B;", "not upgradeable"),
    "types that double": (
        "CREATE TYPE T0 AS STRUCT<A INT, B INT>;"
        + "".join(f"CREATE TYPE T{i} AS STRUCT<A T{i - 1}, B T{i - 1}>;" for i in range(1, 40)), "more than 100000 parts"),
    "a schema of types": (
        "CREATE TYPE M0 AS STRUCT<A INT, B INT>;" + "".join(f"CREATE TYPE M{i} AS STRUCT<A M{i - 1}, B M{i - 1}>;" for i in range(1, 10))
        + "CREATE STREAM X (" + ", ".join(f"C{i} M9" for i in range(200)) + ") WITH (KAFKA_TOPIC='x', VALUE_FORMAT='JSON', PARTITIONS=1);",
        "more than 100000 parts"),
    "long names": (
        f"CREATE TYPE L0 AS STRUCT<{'N' * 20_000} INT>;"
        + "".join(f"CREATE TYPE L{i} AS STRUCT<A L{i - 1}, B L{i - 1}>;" for i in range(1, 14)), "more than 100000 parts"),
    "many large types": (
        "CREATE TYPE P0 AS STRUCT<A INT, B INT>;" + "".join(f"CREATE TYPE P{i} AS STRUCT<A P{i - 1}, B P{i - 1}>;" for i in range(1, 13))
        + "".join(f"CREATE TYPE Q{i} AS STRUCT<A P12>;" for i in range(200)), "All custom types together"),
    "types in types": (
        "CREATE TYPE N0 AS INT;" + "".join(f"CREATE TYPE N{i} AS ARRAY<N{i - 1}>;" for i in range(1, 6000)), "more than 64 levels"),
    "variables of each other": ("DEFINE a='${b}'; DEFINE b='${a}'; CREATE STREAM ${a} AS SELECT * FROM R;", "Got: '${b}'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(sql, what):
    text, message = REFUSED[what]
    status, body = sql.ask("/ksql", {"ksql": text, "streamsProperties": {}})
    assert (status, body["error_code"]) == (400, 40001), str(body)[:500]
    assert re.search(re.escape(message), body["message"]), body["message"][:500]


def test_a_body_that_is_too_long(sql):
    # Answered before all of it has come.
    answer = requests.post(sql.url + "/ksql", json={"ksql": "x" * (9 << 20), "streamsProperties": {}}, timeout=60)
    assert (answer.status_code, answer.json()["error_code"]) == (413, 41300)


def test_a_megabyte_in_one_statement(sql):
    text = "y" * 1_000_000
    assert sql.run(f"INSERT INTO R (K, V) VALUES ('{text}', 1);") == []
    made = sql.run("CREATE STREAM FEW AS SELECT * FROM R WHERE V IN (" + ",".join(map(str, range(20_000))) + ");")
    assert made[0]["commandStatus"]["status"] == "SUCCESS"
    wide = ",".join(f"C{i} INT" for i in range(5000))
    made = sql.run(f"CREATE STREAM WIDE ({wide}) WITH (KAFKA_TOPIC='wide', VALUE_FORMAT='JSON', PARTITIONS=1);")
    assert made[0]["commandStatus"]["status"] == "SUCCESS"


def test_a_long_list_of_keys(sql):
    sql.run("CREATE TABLE BY_K AS SELECT K, COUNT(*) AS N FROM R GROUP BY K;")
    keys = ", ".join(f"'{key}'" for key in range(60_000))
    for condition in (f"K IN ({keys})", f"NOT (K IN ({keys}))", f"K NOT IN ({keys}) AND N > 1"):
        query = {"sql": f"SELECT * FROM BY_K WHERE {condition};", "properties": {}}
        answer = requests.post(sql.url + "/query-stream", json=query, timeout=60)
        assert answer.status_code == 200, answer.text[:500]


def test_many_statements_in_one_request(sql):
    assert len(sql.run("SHOW TYPES;" * 2000)) == 2000
