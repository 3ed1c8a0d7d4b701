"""The syslog source in the worker: util-linux' logger, Python's handler and plain sockets as senders."""

import json
import logging
import logging.handlers
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import confluent_kafka
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "connect"))

from process import free_port  # noqa: E402
from worker import Worker, wait_until  # noqa: E402


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path / "broker", sql=True).start()
    yield worker
    if worker.alive:
        worker.stop()


def source(port, listener, **more):
    return {
        "connector__class": "io.confluent.connect.syslog.SyslogSourceConnector", "syslog__port": str(port),
        "syslog__listener": listener, "topic": "logs", "confluent__license": "",
        "confluent__topic__bootstrap__servers": "broker:9092",
        "key__converter": "org.apache.kafka.connect.storage.StringConverter",
        "value__converter": "org.apache.kafka.connect.json.JsonConverter", "value__converter__schemas__enable": "false",
    } | more


def start(worker, listener, **more):
    port = free_port()
    worker.put("syslog", **source(port, listener, **more))
    worker.wait_running("syslog")
    return port


def received(worker, count):
    """The values of so many records, once they are there, and their keys."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": worker.address, "group.id": "check", "auto.offset.reset": "earliest"})
    consumer.subscribe(["logs"])
    values, keys = [], []
    deadline = time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        values.append(json.loads(message.value()))
        keys.append(message.key())
    consumer.close()
    assert len(values) == count, values
    return values, keys


def logger(port, *options):
    subprocess.run(
        ["logger", "-n", "127.0.0.1", "-P", str(port), "-t", "shop", "-p", "local3.warning", *options, "order 17 is late"],
        check=True, timeout=30)


FRAMINGS = [
    ("UDP", ["-d", "--rfc3164"], "RFC3164"),
    ("UDP", ["-d", "--rfc5424", "--id=42", "--msgid", "ID1", "--sd-id", "x@1", "--sd-param", r'k="a \] b"'], "RFC5424"),
    ("TCP", ["-T", "--rfc3164"], "RFC3164"),
    ("TCP", ["-T", "--rfc5424", "--octet-count"], "RFC5424"),
]


@pytest.mark.parametrize("listener, options, kind", FRAMINGS)
def test_logger_sends(worker, listener, options, kind):
    port = start(worker, listener)
    before = time.time()
    logger(port, *options)
    [value], [key] = received(worker, 1)
    assert key == b"127.0.0.1"
    assert value["type"] == kind and value["message"] == "order 17 is late"
    assert value["facility"] == 19 and value["level"] == 4
    assert value["host"] == socket.gethostname().split(".")[0] or value["host"] == socket.gethostname()
    assert value["remoteAddress"] == "127.0.0.1"
    assert value["rawMessage"].endswith("order 17 is late") and value["rawMessage"].startswith("<156>")
    # Times of RFC 3164 have no zone and are read as UTC.
    offset = time.localtime().tm_gmtoff if kind == "RFC3164" else 0
    assert abs(value["timestamp"] / 1000 - before - offset) < 30
    assert abs(value["receivedDate"] / 1000 - before) < 30
    if kind == "RFC3164":
        assert value["tag"] == "shop" and value["appName"] is None
    else:
        assert value["appName"] == "shop" and value["version"] == 1
        sent = [element for element in value["structuredData"] if element["id"] == "x@1"] if "--sd-id" in options else []
        assert [element["structuredDataElements"] for element in sent] == ([{"k": "a ] b"}] if "--sd-id" in options else [])
        assert value["messageId"] == ("ID1" if "--msgid" in options else None)


def test_python_logs_by_syslog(worker):
    port = start(worker, "UDP")
    handler = logging.handlers.SysLogHandler(address=("127.0.0.1", port), facility="user")
    handler.ident = "shop: "
    log = logging.getLogger("shop-test")
    log.addHandler(handler)
    log.error("häßlich")
    log.removeHandler(handler)
    [value], _ = received(worker, 1)
    # It sends neither time nor host: the text is kept as it is.
    assert value["type"] == "UNKNOWN" and value["rawMessage"] == "<11>shop: häßlich" and value["message"] is None


def test_messages_by_tls(worker, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = start(
        worker, "TCPSSL", syslog__ssl__cert__chain__path=str(certificate), syslog__ssl__key__path=str(key))
    # Somebody without TLS gets nothing in, and disturbs nobody.
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        plain.sendall(b"<1>not encrypted\n")
        plain.settimeout(10)
        try:
            while plain.recv(100):
                pass
        except ConnectionResetError:
            pass
    context = ssl.create_default_context(cafile=str(certificate))
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as stream:
            text = "<34>1 2003-10-11T22:14:15.003Z h su - ID47 - encrypted"
            stream.sendall(f"{len(text)} {text}".encode())
    [value], _ = received(worker, 1)
    assert value["message"] == "encrypted" and value["timestamp"] == 1065910455003


def test_many_messages_come_once_and_in_order(worker):
    port = start(worker, "TCP", syslog__queue__max__size="100")
    count = 20_000
    with socket.create_connection(("127.0.0.1", port), 30) as stream:
        for first in range(0, count, 100):
            lines = (f"<13>Nov 27 17:59:59 h app[{i}]: message {i}\n" for i in range(first, first + 100))
            stream.sendall("".join(lines).encode())
    values, _ = received(worker, count)
    assert [value["processId"] for value in values] == [str(i) for i in range(count)]


def test_a_port_is_free_again_and_one_in_use_is_told(worker):
    port = start(worker, "TCP")
    for _ in range(3):
        worker.restart_parts("syslog/restart?includeTasks=true")
        worker.wait_running("syslog")
    logger(port, "-T", "--rfc5424")
    received(worker, 1)
    worker.put("other", **source(port, "TCP"))
    wait_until(lambda: worker.states("other") == ("RUNNING", ["FAILED"]))
    assert f"TCP port {port} on 127.0.0.1 is already in use" in worker.status("other")["tasks"][0]["trace"]
    worker.ask("DELETE", "/connectors/syslog")
    wait_until(lambda: worker.ask("POST", "/connectors/other/tasks/0/restart")[0] == 204)
    worker.wait_running("other")


def test_sql_finds_who_is_refused(worker):
    """The talk's author's article: failed logins from syslog."""
    port = start(worker, "UDP")
    for user in ["admin", "root", "admin"]:
        subprocess.run(
            ["logger", "-n", "127.0.0.1", "-P", str(port), "-d", "--rfc3164", "-t", "sshd", "-p", "auth.info", "-i",
             f"Invalid user {user} from 10.0.0.1 port 4711"], check=True, timeout=30)
    received(worker, 3)
    worker.sql("""
        CREATE STREAM logs (host VARCHAR, tag VARCHAR, message VARCHAR, `timestamp` BIGINT)
            WITH (KAFKA_TOPIC='logs', VALUE_FORMAT='JSON');
        CREATE TABLE refused AS SELECT SPLIT(message, ' ')[3] AS login, COUNT(*) AS attempts FROM logs
            WHERE tag = 'sshd' AND message LIKE 'Invalid user %' GROUP BY SPLIT(message, ' ')[3];""")

    def rows():
        answer = worker.ask_sql("/query", {"ksql": "SELECT login, attempts FROM refused;"})
        return sorted(tuple(row["row"]["columns"]) for row in answer if isinstance(row, dict) and "row" in row)

    wait_until(lambda: rows() == [("admin", 2), ("root", 1)])
