"""Pull queries by key again and again: plans are kept and answers come the short way, and nobody can tell by an answer."""

import json
import re
import socket
import subprocess
import threading

import confluent_kafka
import pytest

from process import wait_until
from test_sql_queries import SQLBroker


class KeepAlive:
    """One connection; a request leaves in one piece, as clients that care for time send it."""

    def __init__(self, server):
        host, port = server.sql.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.buffer = b""

    def post(self, path, body, headers=()):
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(data)}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + data)
        return self.answer()

    def answer(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        while len(self.buffer) < length:
            self.fill()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return head.decode(), body.decode()

    def fill(self):
        data = self.socket.recv(65536)
        assert data, "the server closed the connection"
        self.buffer += data

    def rows(self, text, **properties):
        """The rows of /query, and its status when there are none for a reason."""
        head, body = self.post("/query", {"ksql": text, "streamsProperties": properties})
        parts = json.loads(body)
        if head.split()[1] != "200":
            return parts["message"]
        return [part["row"]["columns"] for part in parts if "row" in part]


def counted(server, table):
    return sum(row[0] for row in server.rows(f"SELECT N FROM {table};"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    broker = SQLBroker(tmp_path_factory.mktemp("sql")).start()
    broker.ksql(
        "CREATE STREAM CLICKS (USER_ID STRING KEY, PAGE STRING, SPENT INT)"
        " WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=2);"
        "CREATE TABLE TOTALS AS SELECT USER_ID, COUNT(*) AS N, SUM(SPENT) AS S FROM CLICKS GROUP BY USER_ID;"
        "CREATE TABLE HOURLY AS SELECT USER_ID, COUNT(*) AS N FROM CLICKS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY USER_ID;"
        "CREATE TABLE PAIRS WITH (KEY_FORMAT='JSON') AS SELECT PAGE, SPENT, COUNT(*) AS N FROM CLICKS GROUP BY PAGE, SPENT;"
        "CREATE TABLE SPENDERS AS SELECT SPENT, COUNT(*) AS N FROM CLICKS GROUP BY SPENT;",
        **{"auto.offset.reset": "earliest"},
    )
    users = ["it's", 'say "hi"', "a; DROP TABLE TOTALS", "ä€😀", "", "u1", "u2", "u3", "1", "-- u"]
    statements = "".join(
        "INSERT INTO CLICKS (USER_ID, PAGE, SPENT, ROWTIME) VALUES ('{}', 'p{}', {}, {});".format(
            users[i % 10].replace("'", "''"), i % 3, i % 7 - 3, 1000 + i
        )
        for i in range(70)
    )
    broker.ksql(statements)
    for table in ("TOTALS", "HOURLY", "PAIRS", "SPENDERS"):
        wait_until(lambda table=table: counted(broker, table) == 70, what=f"all clicks in {table}")
    yield broker
    broker.stop()


STATEMENTS = [
    *(f"SELECT * FROM TOTALS WHERE USER_ID = '{user}';" for user in
      ["it''s", 'say "hi"', "a; DROP TABLE TOTALS", "ä€😀", "", "u1", "1", "-- u", "nobody"]),
    "select user_id, s from totals where user_id='u2';",
    "SELECT T.N + 1 AS M, UCASE(USER_ID) FROM TOTALS T WHERE T.USER_ID = 'u1';",
    "SELECT N FROM TOTALS WHERE USER_ID IN ('u3', 'u1', 'nobody', 'u3');",
    "SELECT N FROM TOTALS WHERE USER_ID = 'u3' OR USER_ID = 'u1';",
    "SELECT USER_ID FROM TOTALS WHERE USER_ID IN ('u1', 'u2', 'u3') ORDER BY USER_ID DESC LIMIT 2;",
    "SELECT N FROM TOTALS WHERE USER_ID = 'u1' LIMIT 0;",
    "SELECT N FROM TOTALS WHERE USER_ID = 'u1' LIMIT -1;",
    "SELECT N FROM TOTALS WHERE USER_ID = 'u1' AND N > 1000;",
    "SELECT N = 7 AS SEVEN FROM TOTALS WHERE USER_ID = 'u1';",
    "SELECT * FROM HOURLY WHERE USER_ID = 'u1';",
    "SELECT N FROM HOURLY WHERE USER_ID = 'u1' AND WINDOWSTART >= 0 AND WINDOWEND <= 3600000;",
    "SELECT N FROM HOURLY WHERE USER_ID = 'u1' AND WINDOWSTART > 0;",
    "SELECT * FROM PAIRS WHERE PAGE = 'p1' AND SPENT = 2;",
    "SELECT N FROM PAIRS WHERE SPENT=-3 AND PAGE='p0';",
    *(f"SELECT * FROM SPENDERS WHERE SPENT = {number};" for number in (-3, 0, 3, 99)),
]  # fmt: skip
# The long way, as the short one leaves browsers to it.
LONG = ("Sec-Fetch-Site: none",)


@pytest.mark.parametrize("path", ["/query", "/query-stream"])
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/vnd.ksqlapi.delimited.v1",
                                    "application/vnd.ksql.v1+json", "text/plain;q=0.5, application/*"])  # fmt: skip
def test_both_ways_give_the_same(server, path, accept):
    client = KeepAlive(server)
    headers = [f"Accept: {accept}"] if accept else []
    name = "ksql" if path == "/query" else "sql"

    def plain(answer):
        head, body = answer
        head = re.sub(r"Date: [^\r]*", "Date: now", re.sub(r"Content-Length: \d+", "Content-Length: some", head))
        return head, re.sub(r'"queryId":"query_\d+_\d+"', '"queryId":"q"', body)

    for _ in range(2):
        for text in STATEMENTS:
            long = plain(client.post(path, {name: text}, [*headers, *LONG]))
            assert plain(client.post(path, {name: text}, headers)) == long, text
    assert " 200 OK" in long[0]


def test_http2_gives_the_same(server):
    client = KeepAlive(server)
    command = ["curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", f"{server.url}/query-stream", "-d"]
    for text in STATEMENTS:
        expected = client.post("/query-stream", {"sql": text})[1]
        answer = subprocess.run([*command, json.dumps({"sql": text})], stdout=subprocess.PIPE, text=True, check=True).stdout
        assert re.sub(r"query_\d+_\d+", "q", answer) == re.sub(r"query_\d+_\d+", "q", expected)


@pytest.mark.parametrize(
    "text", ["SELECT * FROM TOTALS WHERE USER_ID = NULL;", "SELECT * FROM NOTHING WHERE USER_ID = 'u1';",
             "SELECT * FROM SPENDERS WHERE SPENT = 'x';", "SELECT * FROM TOTALS WHERE USER_ID = 'u1", "SELECT",
             "SELECT * FROM TOTALS WHERE NOTHING = 'u1';"])  # fmt: skip
def test_mistakes_are_told_every_time(server, text):
    client = KeepAlive(server)
    # A statement of the same kind that is right has been kept.
    assert client.rows("SELECT * FROM TOTALS WHERE USER_ID = 'u1';")[0][:2] == ["u1", 7]
    answers = [client.post("/query", {"ksql": text}, headers) for headers in ((), LONG, ())]
    assert {answer[0].split()[1] for answer in answers} == {"400"}
    assert len({answer[1] for answer in answers}) == 1


def test_ids_are_new_every_time(server):
    client = KeepAlive(server)
    body = {"sql": "SELECT N FROM TOTALS WHERE USER_ID = 'u1';"}
    ids = {json.loads(client.post("/query-stream", body)[1].splitlines()[0])["queryId"] for _ in range(50)}
    assert len(ids) == 50


def test_properties_and_variables_of_a_session(server):
    client = KeepAlive(server)
    scan = "SELECT N FROM TOTALS WHERE USER_ID = 'u1' AND N > 0;"
    key = "SELECT N FROM TOTALS WHERE USER_ID = 'u1';"
    for _ in range(2):
        assert client.rows(key) == client.rows(scan) == [[7]]
        off = {"ksql.query.pull.table.scan.enabled": "false"}
        assert client.rows(key, **off) == [[7]]
        assert "Cannot override property" in client.rows(key, **{"ksql.pull.queries.enable": "false"})
        for user, count in (("u1", 7), ("nobody", None)):
            answer = client.post("/query", {
                "ksql": "SELECT N FROM TOTALS WHERE USER_ID = '${user}';", "sessionVariables": {"user": user},
            })[1]  # fmt: skip
            assert [part["row"]["columns"][0] for part in json.loads(answer) if "row" in part] == ([count] if count else [])


def test_tables_that_change(server):
    client = KeepAlive(server)
    text = "SELECT * FROM CHANGING WHERE K = '1';"
    earliest = {"auto.offset.reset": "earliest"}

    def becomes(rows):
        wait_until(lambda: client.rows(text) == rows, what=f"{rows} instead of {client.rows(text)}")

    server.ksql("CREATE TABLE CHANGING AS SELECT USER_ID AS K, COUNT(*) AS N FROM CLICKS GROUP BY USER_ID;", **earliest)
    becomes([["1", 7]])
    # More columns under the same name.
    server.ksql(
        "CREATE OR REPLACE TABLE CHANGING AS SELECT USER_ID AS K, COUNT(*) AS N, COUNT(*) + 1 AS M FROM CLICKS"
        " GROUP BY USER_ID;", **earliest)  # fmt: skip
    wait_until(lambda: len(client.rows(text)[0]) == 3, what="the new column")
    assert client.rows(text)[0][0] == "1"
    server.ksql("DROP TABLE CHANGING;")
    assert "CHANGING does not exist" in client.rows(text)
    # Another type of the key: the text is cast to it, or is not.
    server.ksql("CREATE TABLE CHANGING AS SELECT SPENT AS K, COUNT(*) AS N FROM CLICKS GROUP BY SPENT;", **earliest)
    number = "SELECT * FROM CHANGING WHERE K = 1;"
    wait_until(lambda: client.rows(number) == [[1, 10]], what="the table by number")
    assert client.rows(text) == client.rows(text)
    server.ksql("DROP TABLE CHANGING;")
    assert "CHANGING does not exist" in client.rows(number)


def test_reads_while_the_table_grows_and_its_query_pauses_and_ends(server):
    """Counts only grow, and what is asked last is what was written."""
    server.ksql(
        "CREATE STREAM BUSY (K STRING KEY, V INT) WITH (KAFKA_TOPIC='busy', VALUE_FORMAT='JSON', PARTITIONS=2);"
        "CREATE TABLE COUNTS AS SELECT K, COUNT(*) AS N FROM BUSY GROUP BY K;", **{"auto.offset.reset": "earliest"}
    )  # fmt: skip
    query = server.ksql("SHOW QUERIES;")[0]["queries"]
    query = next(one["id"] for one in query if one["sinks"] == ["COUNTS"])
    problems, over, asked = [], threading.Event(), [0] * 4

    def ask(reader):
        client = KeepAlive(server)
        last = 0
        while not over.is_set():
            found = client.rows(f"SELECT N FROM COUNTS WHERE K = 'k{reader}';")
            asked[reader] += 1
            if isinstance(found, str):
                # What the drop brings, whichever of its steps is the last.
                if not re.search("does not exist|isn't queryable|does not run|there is no query", found):
                    problems.append(found)
                return
            count = found[0][0] if found else 0
            if count < last:
                problems.append(f"k{reader}: {count} after {last}")
                return
            last = count

    threads = [threading.Thread(target=ask, args=(reader,)) for reader in range(4)]
    for thread in threads:
        thread.start()
    producer = confluent_kafka.Producer({"bootstrap.servers": server.address, "linger.ms": 5})
    for round in range(1, 6):
        for number in range(2000):
            producer.produce("busy", b'{"V":1}', f"k{number % 4}")
        assert producer.flush(30) == 0
        if round == 3:
            server.ksql(f"PAUSE {query};")
            server.ksql(f"RESUME {query};")
        client = KeepAlive(server)
        wait_until(lambda round=round, client=client: all(
            client.rows(f"SELECT N FROM COUNTS WHERE K = 'k{key}';") == [[500 * round]] for key in range(4)))
    assert not problems, problems
    assert all(count > 10 for count in asked)
    server.ksql("DROP TABLE COUNTS;")
    over.set()
    for thread in threads:
        thread.join(30)
    assert not problems, problems


def test_limits_hold_the_short_way(tmp_path):
    broker = SQLBroker(tmp_path, {"ksql.query.pull.max.qps": "5"}).start()
    try:
        broker.ksql(
            "CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);"
            "CREATE TABLE T AS SELECT K, COUNT(*) AS N FROM S GROUP BY K;"
        )
        client = KeepAlive(broker)
        answers = [client.post("/query", {"ksql": "SELECT * FROM T WHERE K = 'a';"}) for _ in range(60)]
        refused = [json.loads(body)["message"] for head, body in answers if head.split()[1] == "429"]
        assert refused and all("rate limit" in text for text in refused)
        assert any(head.split()[1] == "200" for head, _ in answers)
    finally:
        broker.stop()
