"""Registry, Connect worker and SQL server on a Kafka cluster that wants TLS and to know who comes."""

import json
import re
import shutil
import subprocess

import pytest

from process import Broker, binary, free_port, wait_until
from registry import Http
from secured import Certificates, SecuredFront

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

USERS = {"ann": "a, 'secret'=", "we,ird=u": "p"}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.issue("server", "DNS:localhost,IP:127.0.0.1")
    made.issue("other", "DNS:kafka.example.com")
    made.issue("client", "DNS:client")
    return made


@pytest.fixture
def secured(tmp_path, certificates):
    """Makes a secured cluster: the front, and the client's properties for it."""
    made = []

    def make(certificate="server", mechanism="SCRAM-SHA-256", user="ann", password=None, **options):
        port = free_port()
        broker = Broker(tmp_path / f"broker{len(made)}", flags=["--advertised", f"localhost:{port}"])
        broker.folder.mkdir()
        broker.start()
        front = SecuredFront(
            port, broker.port, certificate and str(certificates.folder / f"{certificate}.both.pem"),
            mechanisms=MECHANISMS if mechanism else (), users=USERS, **options,
        )  # fmt: skip
        made.append((broker, front))
        quoted = (password or USERS[user]).replace("\\", "\\\\").replace('"', '\\"')
        properties = {"security.protocol": ("SASL_" if mechanism else "") + ("SSL" if certificate else "PLAINTEXT")}
        if certificate:
            properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": certificates.authority}
        if mechanism:
            properties["sasl.mechanism"] = mechanism
            properties["sasl.jaas.config"] = f'x.LoginModule required username="{user}" password="{quoted}";'
        return front, properties

    yield make
    for broker, front in made:
        front.stop()
        if broker.alive:
            broker.stop()


def call(front, properties, folder, *arguments, given=b"", code=0):
    file = folder / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    done = subprocess.run(
        [binary(), *arguments, "-b", f"localhost:{front.port}", "--command-config", str(file)],
        input=given, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stderr.decode()
    return (done.stdout if code == 0 else done.stderr).decode()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_commands_come_with_their_user(secured, tmp_path, mechanism, user):
    """Topics and records go over librdkafka, groups over connections of the program's own."""
    front, properties = secured(mechanism=mechanism, user=user)
    call(front, properties, tmp_path, "topic", "create", "t")
    call(front, properties, tmp_path, "produce", "t", given=b"a\nb\n")
    said = call(front, properties, tmp_path, "consume", "t", "--group", "g", "--from", "beginning", "--max-messages", "2")
    assert said == "a\nb\n"
    assert "g" in call(front, properties, tmp_path, "group", "list")
    assert set(front.known) == {mechanism}


def test_commands_show_a_certificate(secured, certificates, tmp_path):
    front, properties = secured(mechanism=None, authority=certificates.authority)
    call(front, properties, tmp_path, "group", "list", code=1)
    properties |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(certificates.folder / "client.both.pem")}
    call(front, properties, tmp_path, "topic", "create", "t")
    call(front, properties, tmp_path, "group", "list")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_told(secured, tmp_path, mechanism):
    front, properties = secured(mechanism=mechanism, password="another")
    said = call(front, properties, tmp_path, "topic", "list", code=1)
    assert "invalid credentials with SASL mechanism" in said, said
    assert front.known == []


def test_a_certificate_that_does_not_fit_is_told(secured, tmp_path):
    front, properties = secured(certificate="other")
    assert "certificate" in call(front, properties, tmp_path, "topic", "list", code=1)


@pytest.mark.deadline(240)
def test_all_roles_work_on_a_secured_cluster(secured, tmp_path):
    """Said once, for the registry, what protects connections holds for the other roles, too."""
    front, properties = secured()
    file = tmp_path / "roles.properties"
    file.write_text("".join(f"kafkastore.{name}={value}\n" for name, value in properties.items()))
    ports = {role: free_port() for role in ("registry", "connect", "sql")}
    out = tmp_path / "out.txt"
    flags = [part for role, port in ports.items() for part in (f"--{role}", f"127.0.0.1:{port}")]
    with open(tmp_path / "roles.log", "wb") as log:
        process = subprocess.Popen(
            [binary(), "start", "--roles", "registry,connect,sql", "--bootstrap-servers", f"localhost:{front.port}",
             "--config", str(file), "--admin", "none", *flags], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        registry, connect, sql = (Http(f"http://127.0.0.1:{port}") for port in ports.values())
        wait_until(lambda: "ready in" in (tmp_path / "roles.log").read_text(), what="ready")

        def registered():
            body = {"schema": json.dumps("string")}
            return registry.ask("POST", "/subjects/s/versions", body, Content_Type="application/json").status == 200

        wait_until(registered, timeout=60)

        def put(name, config):
            answer = connect.ask("PUT", f"/connectors/{name}/config", config, Content_Type="application/json")
            return answer.status in (200, 201)

        texts = {"key.converter": "StringConverter", "value.converter": "StringConverter"}
        source = tmp_path / "in.txt"
        source.write_text("one\ntwo\n")
        wait_until(lambda: put("in", texts | {
            "connector.class": "FileStreamSource", "file": str(source), "topic": "lines"}), timeout=60)  # fmt: skip
        assert put("out", texts | {"connector.class": "FileStreamSink", "file": str(out), "topics": "lines"})
        wait_until(lambda: out.exists() and out.read_text() == "one\ntwo\n", timeout=60)
        statement = """CREATE STREAM lines (text VARCHAR) WITH (kafka_topic='lines', value_format='DELIMITED');
            CREATE TABLE counts AS SELECT text, COUNT(*) AS n FROM lines GROUP BY text;"""
        answer = sql.ask("POST", "/ksql", {"ksql": statement, "streamsProperties": {"auto.offset.reset": "earliest"}},
                         Content_Type="application/json")  # fmt: skip
        assert answer.status == 200, answer.body

        def counted():
            answer = sql.ask("POST", "/query", {"ksql": "SELECT * FROM counts;"}, Content_Type="application/json")
            return len(re.findall(rb'"columns":\["(?:one|two)",1\]', answer.body)) == 2

        wait_until(counted, timeout=60)
    finally:
        process.terminate()
        process.wait(30)
