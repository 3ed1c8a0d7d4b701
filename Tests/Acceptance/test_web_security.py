"""TLS and passwords on the HTTP ports, with real clients: curl, confluent-kafka, Python's ssl, a browser, WebSockets, and the
program's own commands. One process runs all roles with https and passwords, and a pipeline through all of them."""

import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parent / "console"))

from browser import Browser  # noqa: E402
from conftest import EXTERNAL  # noqa: E402
from process import Broker, binary, free_port, wait_until  # noqa: E402
from secured import Certificates  # noqa: E402

ROLES = ("registry", "connect", "sql", "console", "admin")
EXTENSION = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"


class Platform(Broker):
    """All roles, each HTTP port by `scheme`; users ann (role admin) and bob, a role for the admin port."""

    def __init__(self, folder, scheme="https", properties=None, host="127.0.0.1", **options):
        super().__init__(folder, properties, **options)
        self.folder.mkdir(exist_ok=True)
        self.scheme = scheme
        self.certificates = Certificates(self.folder / "tls")
        self.keystore = self.certificates.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.ports = {role: free_port() for role in ROLES}
        for role in ROLES:
            self.flags += [f"--{role}", f"{scheme}://{host}:{self.ports[role]}"]
        self.users = self.folder / "users.properties"
        self.write_users(f"ann: {hashed('ann', 'it is ann').split(': ')[1]},admin", "bob: MD5:" + "9f9d51bc70ef21ca5c14f307980a29d8")
        if scheme == "https":
            self.properties["ssl.keystore.location"] = self.keystore
        self.properties.setdefault("authentication.method", "BASIC")
        self.properties.setdefault("http.users.file", str(self.users))

    def write_users(self, *lines):
        fresh = self.users.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.chmod(0o600)
        fresh.rename(self.users)

    def url(self, role, user="", host="localhost"):
        return f"{self.scheme}://{user + '@' if user else ''}{host}:{self.ports[role]}"

    def curl(self, role, path, *options, user="ann:it is ann", check=True):
        """Status, headers and body by curl."""
        command = ["curl", "-sS", "-i", "--max-time", "60", "--cacert", self.certificates.authority]
        if user:
            command += ["-u", user]
        done = subprocess.run([*command, *options, self.url(role) + path], capture_output=True, text=True)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def ask(self, role, path, *options, user="ann:it is ann"):
        """Status, headers in lower case, and body of the last answer."""
        text = self.curl(role, path, *options, user=user).stdout.replace("\r\n", "\n")
        while True:
            head, _, body = text.partition("\n\n")
            if not re.match(r"HTTP/[\d.]+ 1\d\d", head) or not body.startswith("HTTP/"):
                break
            text = body
        lines = head.split("\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split()[1]), headers, body

    def json(self, role, path, body=None, method=None, user="ann:it is ann"):
        options = ["-X", method] if method else []
        if body is not None:
            options += ["-H", "Content-Type: application/json", "-H", "X-Swiftwater-Console: 1", "-d", json.dumps(body)]
        status, _, text = self.ask(role, path, *options, user=user)
        assert 200 <= status < 300, f"{path}: {status} {text}"
        return json.loads(text) if text else None

    def run(self, *command, check=True, stdin=None, **environment):
        done = subprocess.run(
            [binary(), *command], capture_output=True, text=True, timeout=60, input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            env={**os.environ, "SWIFTWATER_BOOTSTRAP": self.address, **environment},
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done


def hashed(name, password, *options):
    done = subprocess.run(
        [binary(), "config", "password", name, "--iterations", "2000", *options], input=password + "\n", capture_output=True,
        text=True, check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    if EXTERNAL:
        pytest.skip("the ports are those of a process of ours")
    platform = Platform(tmp_path_factory.mktemp("secured"))
    platform.start()
    yield platform
    platform.stop()


# MARK: passwords


PATHS = [("registry", "/subjects", 40101), ("connect", "/connectors", 401), ("sql", "/info", 40100), ("console", "/api/overview", 401)]


@pytest.mark.parametrize("role, path, code", PATHS)
@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
def test_asks_for_a_password(platform, role, path, code, protocol):
    for user in (None, "ann:wrong", "eve:it is ann", "swiftwater-process:x"):
        status, headers, body = platform.ask(role, path, protocol, user=user)
        assert status == 401 and headers["www-authenticate"] == f'basic realm="swiftwater {role}", charset="utf-8"'
        assert json.loads(body)["error_code"] == code and "it is" not in body
    status, _, body = platform.ask(role, path, protocol)
    assert status == 200, body
    line = platform.curl(role, path, protocol).stdout.splitlines()[0]
    assert line.startswith("HTTP/2 " if protocol == "--http2" else "HTTP/1.1 ")


def test_the_admin_port_tells_only_of_health(platform):
    for path in ("/healthz", "/readyz"):
        assert platform.ask("admin", path, user=None)[0] == 200
    for path in ("/", "/metrics"):
        assert platform.ask("admin", path, user=None)[0] == 401
    text = platform.ask("admin", "/metrics")[2]
    counts = dict(re.findall(r'swiftwater_http_authentications_total\{port="admin",outcome="(\w+)"\} (\d+)', text))
    assert int(counts["missing"]) >= 2 and int(counts["allowed"]) >= 1


@pytest.mark.parametrize("path", ["/healthcheck", "/v1/metadata", "/v1/metadata/id"])
def test_what_the_original_leaves_open_is_open(platform, path):
    assert platform.ask("sql", path, user=None)[0] == 200


def test_hashes_of_the_command_and_of_jetty(platform, tmp_path):
    line = hashed("carl", "a,b:c", "--roles", "admin, dev")
    assert re.fullmatch(r"carl: PBKDF2:2000:[\w+/=]+:[\w+/=]+,admin,dev", line)
    assert platform.ask("registry", "/subjects", user="bob:bob")[0] == 200


def test_users_are_read_again_when_the_file_changes(tmp_path):
    platform = Platform(tmp_path, flags=[])
    with_start(platform)
    try:
        assert platform.ask("registry", "/subjects")[0] == 200
        platform.write_users("carl: " + hashed("carl", "new").split(": ")[1])
        assert platform.ask("registry", "/subjects", user="carl:new")[0] == 200
        wait_until(lambda: platform.ask("registry", "/subjects")[0] == 401, what="the end of ann's access")
        platform.write_users("nonsense")
        assert platform.ask("registry", "/subjects", user="carl:new")[0] == 200
        platform.users.chmod(0o644)
        platform.write_users("carl: " + hashed("carl", "new").split(": ")[1])
        log = platform.log()
        assert "it is ann" not in log and "PBKDF2" not in log
    finally:
        platform.stop()


def with_start(platform):
    platform.start()
    return platform


def test_roles(tmp_path):
    platform = with_start(Platform(tmp_path, properties={"console.authentication.roles": "admin", "sql.authentication.method": "NONE"}))
    try:
        assert platform.ask("console", "/api/overview")[0] == 200
        assert platform.ask("console", "/api/overview", user="bob:bob")[0] == 403
        assert platform.ask("registry", "/subjects", user="bob:bob")[0] == 200
        assert platform.ask("sql", "/info", user=None)[0] == 200
    finally:
        platform.stop()


# MARK: TLS


def test_certificates_are_checked_and_plain_requests_are_told_of(platform):
    done = subprocess.run(["curl", "-sS", platform.url("registry") + "/subjects"], capture_output=True, text=True)
    assert done.returncode == 60, done.stderr
    plain = platform.url("registry").replace("https://", "http://")
    done = subprocess.run(["curl", "-sS", "--max-time", "20", plain + "/subjects"], capture_output=True, text=True)
    assert done.returncode != 0
    wait_until(lambda: "speaks plain HTTP to a port that speaks TLS" in platform.log(), what="a word in the log")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_protocols_of_tls(platform, version):
    context = ssl.create_default_context(cafile=platform.certificates.authority)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", platform.ports["sql"])) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.selected_alpn_protocol() == "h2"


def test_certificates_are_read_again_and_bad_ones_are_not_used(tmp_path):
    platform = with_start(Platform(tmp_path))

    def certificate():
        return ssl.get_server_certificate(("127.0.0.1", platform.ports["registry"]))

    try:
        first = certificate()
        other = Path(platform.certificates.issue("later", "DNS:localhost,IP:127.0.0.1"))
        shutil.copy(other, str(platform.keystore) + ".new")
        os.rename(str(platform.keystore) + ".new", platform.keystore)
        second = certificate()
        assert second != first
        assert platform.ask("registry", "/subjects")[0] == 200
        Path(platform.keystore).write_text("no certificate")
        assert certificate() == second
        assert "the one from before stays in force" in platform.log()
    finally:
        platform.stop()


def test_pkcs12_and_certificates_of_clients(tmp_path):
    platform = Platform(tmp_path, properties={"authentication.method": "NONE"})
    folder = platform.certificates.folder
    client = platform.certificates.issue("client", "DNS:client")
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", "server.pem", "-inkey", "server.key", "-out", "server.p12", "-passout", "pass:secret"],
        cwd=folder, check=True, capture_output=True,
    )
    platform.properties |= {
        "ssl.keystore.location": str(folder / "server.p12"), "ssl.keystore.type": "PKCS12", "ssl.keystore.password": "secret",
        "ssl.truststore.location": platform.certificates.authority, "ssl.truststore.type": "PEM",
        "registry.ssl.client.authentication": "REQUIRED", "connect.listeners.https.ssl.client.auth": "required",
    }
    with_start(platform)
    try:
        for role, path in (("registry", "/subjects"), ("connect", "/connectors")):
            assert platform.curl(role, path, user=None, check=False).returncode != 0
            assert platform.ask(role, path, "--cert", client, user=None)[0] == 200
        assert platform.ask("sql", "/info", user=None)[0] == 200
        # The parts of the process do not need one.
        assert platform.json("console", "/api/registry/subjects", user=None) == []
        assert platform.json("console", "/api/connect/connectors", user=None) == []
    finally:
        platform.stop()


@pytest.mark.parametrize(
    "properties, flags, words",
    [
        ({"ssl.keystore.location": ""}, [], "ssl.keystore.location"),
        ({"ssl.keystore.location": "/nowhere.pem"}, [], "'/nowhere.pem' cannot be read"),
        ({"http.nodes.secret": "short"}, [], "openssl rand -hex 32"),
        ({"ssl.enabled.protocols": "TLSv1"}, [], "TLSv1.2, TLSv1.3, not 'TLSv1'"),
        ({"authentication.method": "DIGEST"}, [], "BASIC, BEARER, BASIC,BEARER and NONE"),
        ({"authentication.method": "BEARER"}, [], "oauthbearer.jwks.endpoint.url is not set"),
        ({"http.users.file": "/nowhere"}, [], "'/nowhere' cannot be read"),
        ({"authentication.skip.paths": "*.js"}, [], "'*.js' is no path"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(tmp_path, properties, flags, words):
    platform = Platform(tmp_path)
    platform.properties |= properties
    done = subprocess.run(platform.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and words in done.stderr, done.stdout + done.stderr


def test_passwords_open_other_addresses(tmp_path):
    """With passwords a port may listen anywhere; without TLS it is told that they can be read on the way."""
    platform = Platform(tmp_path, scheme="http", host="0.0.0.0")
    platform.users.chmod(0o644)
    with_start(platform)
    try:
        assert platform.ask("registry", "/subjects")[0] == 200
        assert platform.ask("registry", "/subjects", user=None)[0] == 401
        assert "passwords travel readable" in platform.log() and "chmod 600" in platform.log()
        assert platform.json("console", "/api/registry/subjects") == []
    finally:
        platform.stop()


def test_names_of_the_originals_files(tmp_path):
    """The worker's and the SQL server's own files."""
    platform = Platform(tmp_path, properties={"authentication.method": "NONE"})
    worker = tmp_path / "worker.properties"
    port = platform.ports["connect"]
    worker.write_text(
        f"""
        group.id=web
        key.converter=org.apache.kafka.connect.storage.StringConverter
        value.converter=org.apache.kafka.connect.storage.StringConverter
        listeners=https://127.0.0.1:{port}
        rest.extension.classes={EXTENSION}
        listeners.https.ssl.keystore.location={platform.keystore}
        listeners.https.ssl.keystore.type=PEM
        """
    )
    at = platform.flags.index("--connect")
    platform.flags[at:at + 2] = ["--connect-config", str(worker)]
    command = platform.command()
    at = command.index("--connect")  # `none`, for those that ask for no worker
    platform.command = lambda: command[:at] + command[at + 2:]
    with_start(platform)
    try:
        assert platform.ask("connect", "/connectors", user=None)[0] == 401
        assert platform.ask("connect", "/connectors")[0] == 200
        assert platform.ask("registry", "/subjects", user=None)[0] == 200
    finally:
        platform.stop()


# MARK: clients


def test_the_registry_client_of_confluent(platform):
    client = SchemaRegistryClient({
        "url": platform.url("registry"), "basic.auth.user.info": "ann:it is ann", "ssl.ca.location": platform.certificates.authority,
    })
    schema = Schema('{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}', "AVRO")
    number = client.register_schema("web-value", schema)
    assert client.get_schema(number).schema_str
    wrong = SchemaRegistryClient({
        "url": platform.url("registry"), "basic.auth.user.info": "ann:wrong", "ssl.ca.location": platform.certificates.authority,
    })
    with pytest.raises(Exception) as failure:
        wrong.get_subjects()
    assert "401" in str(failure.value)


def test_our_commands(platform, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("it is ann\n")
    authority = platform.certificates.authority
    with_file = ["--user", "ann", "--password-file", str(secret), "--cacert", authority]
    platform.run("schema", "list", "--registry", platform.url("registry"), *with_file)
    platform.run("schema", "list", "--registry", platform.url("registry", "ann:it%20is%20ann"), SWIFTWATER_CA=authority)
    platform.run("connect", "list", "--connect-url", platform.url("connect"), *with_file)
    platform.run(
        "connect", "list", "--user", "ann", SWIFTWATER_CONNECT=platform.url("connect"), SWIFTWATER_CA=authority,
        SWIFTWATER_PASSWORD="it is ann",
    )
    sql = ["sql", platform.url("sql"), "-e", "SHOW TOPICS;", "--cacert", authority]
    platform.run(*sql, "-u", "ann", SWIFTWATER_SQL_PASSWORD="it is ann")
    platform.run(*sql, "-u", "ann", "--password-file", str(secret))
    platform.run(*sql, "-u", "ann", "-p", "it is ann")
    refused = platform.run(*sql, "-u", "ann", "-p", "wrong", check=False)
    assert refused.returncode != 0 and "-u NAME" in refused.stderr and "wrong" not in refused.stderr
    refused = platform.run("connect", "list", "--connect-url", platform.url("connect"), SWIFTWATER_CA=authority, check=False)
    assert refused.returncode != 0 and "--user NAME" in refused.stderr
    refused = platform.run("schema", "list", "--registry", platform.url("registry"), check=False)
    assert refused.returncode != 0 and "its certificate is not trusted" in refused.stderr
    refused = platform.run(*sql, "-u", "ann", check=False)
    assert refused.returncode != 0 and "--password-file" in refused.stderr


def test_queries_over_a_websocket(platform):
    context = ssl.create_default_context(cafile=platform.certificates.authority)
    platform.json("sql", "/ksql", {"ksql": "CREATE STREAM socket (a INT) WITH (KAFKA_TOPIC='socket', VALUE_FORMAT='JSON', PARTITIONS=1);"})
    request = json.dumps({"ksql": "SELECT * FROM socket EMIT CHANGES LIMIT 1;", "streamsProperties": {"auto.offset.reset": "earliest"}})
    url = platform.url("sql").replace("https://", "wss://") + "/ws/query?request=" + quote(request)
    with pytest.raises(Exception, match="401"):
        connect(url, ssl=context)
    token = base64.b64encode(b"ann:it is ann").decode()
    with connect(url, ssl=context, additional_headers={"Authorization": "Basic " + token}) as queries:
        platform.json("sql", "/ksql", {"ksql": "INSERT INTO socket (a) VALUES (7);"})
        texts = []
        for text in queries:
            texts.append(text)
            if '"columns"' in text:
                break
        assert any("7" in text for text in texts), texts


def test_the_doctor_knows_its_ports(platform):
    done = subprocess.run([binary(), "doctor", *platform.command()[2:]], capture_output=True, text=True, timeout=60)
    lines = [line for line in done.stdout.splitlines() if " port " in line]
    assert len(lines) == 6 and all(line.startswith("ok ") for line in lines), done.stdout + done.stderr
    assert sum("which speaks TLS" in line for line in lines) == 5


# MARK: several nodes


DATAGEN = {
    "connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", "quickstart": "users",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter": "org.apache.kafka.connect.storage.StringConverter",
}


def start_nodes(folder, broker, roles, properties, nodes):
    """Two processes with `roles` on the cluster of a third, with the same certificate and users; appended to `nodes`."""
    first = Platform(folder / "node0")
    for number in range(2):
        node = first if number == 0 else Platform(folder / "node1")
        node.certificates, node.keystore = first.certificates, first.keystore
        node.flags = ["--roles", ",".join(roles), "--bootstrap-servers", broker.address, "--admin", "none"]
        for role in roles:
            node.flags += [f"--{role}", f"https://127.0.0.1:{node.ports[role]}"]
        node.properties |= {
            "ssl.keystore.location": first.keystore, "ssl.truststore.location": first.certificates.authority,
            "host.name": "localhost", "connect.rest.advertised.host.name": "localhost",
            "http.users.file": str(first.users), "connect.offset.storage.partitions": "1", "connect.status.storage.partitions": "1",
            **properties(node),
        }
        nodes.append(with_start(node))


@pytest.mark.deadline(300)
def test_parts_of_a_node_are_known_to_other_nodes(tmp_path):
    """The console and the SQL server of each node have the leaders do what only they can, wherever these are: by the secret of
    the nodes, over https by the authority that is configured."""
    broker = Broker(tmp_path / "broker", flags=["--roles", "kafka", "--admin", "none"])
    broker.folder.mkdir()
    broker.start()
    nodes, secret = [], "5f2c8a1e" * 8

    def properties(node):
        return {
            "http.nodes.secret": secret, "ksql.advertised.listener": f"https://localhost:{node.ports['sql']}",
            "ksql.streams.consumer.session.timeout.ms": "6000", "ksql.streams.consumer.heartbeat.interval.ms": "300",
            "ksql.heartbeat.enable": "true", "ksql.lag.reporting.enable": "true",
        }

    try:
        start_nodes(tmp_path, broker, ("registry", "connect", "sql", "console"), properties, nodes)
        for number, node in enumerate(nodes):
            # By the console of each node, of which one does not lead: schemas and connectors.
            schema = json.dumps({"type": "record", "name": f"N{number}", "fields": []})
            node.json("console", f"/api/registry/subjects/n{number}/versions", {"schema": schema})
            node.json(
                "console", f"/api/connect/connectors/c{number}/config", DATAGEN | {"kafka.topic": f"c{number}"}, method="PUT")
        for node in nodes:
            assert {"n0", "n1"} <= set(node.json("registry", "/subjects"))
            wait_until(lambda: {"c0", "c1"} <= set(node.json("connect", "/connectors")), 60, "both connectors")
        # By the SQL server of each node: a stream's schemas, a connector.
        run_sql(nodes[0], "CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', partitions=4, value_format='AVRO');")
        run_sql(nodes[0], "CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;")
        for number, node in enumerate(nodes):
            wait_until(lambda: "S" in json.dumps(run_sql(node, "SHOW STREAMS;")), 60, "the stream")
            run_sql(node, f"CREATE SOURCE CONNECTOR d{number} WITH ({sql_options(DATAGEN | {'kafka.topic': f'd{number}'})});")
            run_sql(node, f"CREATE STREAM more{number} (v INT) WITH (kafka_topic='more{number}', partitions=1, value_format='AVRO');")
        # Rows of a table, whose tasks both have: each asks the other.
        for row in range(20):
            run_sql(nodes[row % 2], f"INSERT INTO s (id, v) VALUES ('k{row}', {row});")
        for node in nodes:
            def tasks():
                status = node.json("sql", "/clusterStatus")["clusterStatus"]
                return len(status) == 2 and all(
                    entry.get("activeStandbyPerQuery") for entry in status.values()) and status

            wait_until(tasks, 60, "tasks on both nodes")
            wait_until(lambda: len(rows_of(node, "SELECT * FROM t;")) == 20, 60, "all rows of the table")
        for node in nodes:
            assert secret not in node.log()
            for path in ("/subjects", "/connectors"):
                role = "registry" if path == "/subjects" else "connect"
                assert node.ask(role, path, user=f"swiftwater-node:{secret}")[0] == 200
                assert node.ask(role, path, user=f"swiftwater-node:{secret[:-1]}")[0] == 401
            assert secret not in node.run("config", "show", "--set", f"http.nodes.secret={secret}").stdout
    finally:
        for node in nodes:
            if node.alive:
                node.stop(20)
        broker.stop()


@pytest.mark.deadline(240)
@pytest.mark.parametrize("protection", ["secret", "certificates"])
def test_nodes_of_sql_have_a_port_of_their_own_with_tls(tmp_path, protection):
    """By `ksql.internal.listener` with https: who has neither the secret nor a certificate is not answered there."""
    broker = Broker(tmp_path / "broker", flags=["--roles", "kafka", "--admin", "none"])
    broker.folder.mkdir()
    broker.start()
    nodes, secret = [], "5f2c8a1e" * 8

    def properties(node):
        node.internal = free_port()
        found = {
            # Beside loopback, which such a port may be on without --insecure.
            "ksql.internal.listener": f"https://0.0.0.0:{node.internal}", "ksql.advertised.listener": f"https://localhost:{node.internal}",
            "ksql.streams.consumer.session.timeout.ms": "6000", "ksql.streams.consumer.heartbeat.interval.ms": "300",
            "ksql.heartbeat.enable": "true", "ksql.lag.reporting.enable": "true",
        }
        if protection == "secret":
            return found | {"http.nodes.secret": secret}
        return found | {"ksql.internal.ssl.client.authentication": "REQUIRED"}

    def internal(node, *options):
        done = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", "--cacert", node.certificates.authority, *options,
             "-H", "Content-Type: application/json", "-d", "{}", f"https://localhost:{node.internal}/lag"],
            capture_output=True, text=True,
        )
        return done.stdout if done.returncode == 0 else "refused"

    try:
        start_nodes(tmp_path, broker, ("sql",), properties, nodes)
        run_sql(nodes[0], "CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', partitions=4, value_format='JSON');")
        run_sql(nodes[0], "CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;")
        for row in range(20):
            run_sql(nodes[0], f"INSERT INTO s (id, v) VALUES ('k{row}', {row});")
        for node in nodes:
            wait_until(lambda: "\"T\"" in json.dumps(run_sql(node, "SHOW TABLES;")), 60, "the table")
            wait_until(lambda: len(rows_of(node, "SELECT * FROM t;")) == 20, 60, "all rows of the table")

            def alive():
                status = node.json("sql", "/clusterStatus")["clusterStatus"]
                return len(status) == 2 and all(entry["hostAlive"] and entry["activeStandbyPerQuery"] for entry in status.values())

            wait_until(alive, 60, "both nodes alive, with tasks")
            both = ["--cert", node.keystore, "--key", str(node.certificates.folder / "server.key")]
            if protection == "secret":
                assert internal(node) == "401"
                assert internal(node, "-u", "ann:it is ann") == "401"
                assert internal(node, "-u", f"swiftwater-node:{secret}") == "400"  # it is let in, and has said nothing
            else:
                assert internal(node) == "refused"
                assert internal(node, *both) == "400"
            assert secret not in node.log()
    finally:
        for node in nodes:
            if node.alive:
                node.stop(20)
        broker.stop()


def run_sql(node, text):
    return node.json("sql", "/ksql", {"ksql": text, "streamsProperties": {}})


def rows_of(node, text):
    found = node.json("sql", "/query", {"ksql": text, "streamsProperties": {"ksql.query.pull.table.scan.enabled": "true"}})
    return [entry["row"]["columns"] for entry in found if "row" in entry]


def sql_options(options):
    return ", ".join(f"'{name}'='{value}'" for name, value in options.items())


@pytest.mark.deadline(240)
def test_nodes_hand_requests_on_with_their_user(tmp_path):
    """Two processes with registry and worker on the cluster of a third: what the leader does, each of them is asked for."""
    broker = Broker(tmp_path / "broker", flags=["--roles", "kafka", "--admin", "none"])
    broker.folder.mkdir()
    broker.start()
    nodes = []
    try:
        start_nodes(tmp_path, broker, ("registry", "connect"), lambda node: {}, nodes)
        for number, node in enumerate(nodes):
            schema = json.dumps({"type": "record", "name": f"N{number}", "fields": []})
            node.json("registry", f"/subjects/n{number}/versions", {"schema": schema})
            node.json("connect", f"/connectors/c{number}/config", DATAGEN | {"kafka.topic": f"c{number}"}, method="PUT")
        for node in nodes:
            assert node.json("registry", "/subjects") == ["n0", "n1"]
            wait_until(lambda: set(node.json("connect", "/connectors")) == {"c0", "c1"}, 60, "both connectors")
            for name in ("c0", "c1"):
                def state():
                    status, _, text = node.ask("connect", f"/connectors/{name}/status")
                    return status == 200 and [task["state"] for task in json.loads(text)["tasks"]] == ["RUNNING"]
                wait_until(state, 60, "a running task")
            # What workers sign for each other is for nobody else.
            assert node.ask("connect", "/connectors/c0/tasks", "-X", "POST", "-d", "[]", user=None)[0] in (400, 415, 503)
            refused = node.ask("connect", "/connectors/c0/tasks", "-X", "POST", "-H", "Content-Type: application/json", "-d", "[]", user=None)
            assert refused[0] == 400 and "X-Connect-Authorization" in refused[2]
        # Another authority and another certificate: for clients, and for what nodes ask each other.
        renewed = Certificates(tmp_path / "renewed")
        for made, place in ((renewed.issue("server", "DNS:localhost,IP:127.0.0.1"), nodes[0].keystore), (renewed.authority, nodes[0].certificates.authority)):
            fresh = Path(str(place) + ".new")
            shutil.copy(made, fresh)
            fresh.rename(place)
        for number, node in enumerate(nodes):
            schema = json.dumps({"type": "record", "name": f"R{number}", "fields": []})
            node.json("registry", f"/subjects/r{number}/versions", {"schema": schema})
            node.json("connect", f"/connectors/c{1 - number}/config", DATAGEN | {"kafka.topic": f"c{1 - number}", "tasks.max": "2"}, method="PUT")
    finally:
        for node in nodes:
            if node.alive:
                node.stop(20)
        broker.stop()


# MARK: everything together


@pytest.mark.deadline(300)
def test_a_pipeline_through_all_parts_and_the_console_in_a_browser(platform, tmp_path):
    platform.json("connect", "/connectors/ratings/config", {
        "connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", "kafka.topic": "ratings", "quickstart": "ratings",
        "max.interval": "20", "iterations": "300", "value.converter": "io.confluent.connect.avro.AvroConverter",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    }, method="PUT")
    wait_until(lambda: "ratings-value" in platform.json("registry", "/subjects"), 60, "the schema of the connector")
    wait_until(lambda: '"ratings"' in json.dumps(platform.json("sql", "/ksql", {"ksql": "SHOW TOPICS;"})), 60, "its topic")
    platform.json("sql", "/ksql", {
        "ksql": "CREATE STREAM ratings WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='AVRO'); "
                "CREATE STREAM good WITH (KAFKA_TOPIC='good', VALUE_FORMAT='AVRO') AS SELECT * FROM ratings WHERE stars > 3 EMIT CHANGES;",
        "streamsProperties": {"ksql.streams.auto.offset.reset": "earliest"},
    })
    wait_until(lambda: "good-value" in platform.json("registry", "/subjects"), 60, "the schema of the query")
    out = tmp_path / "good.txt"
    platform.json("connect", "/connectors/out/config", {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "topics": "good", "file": str(out),
        "value.converter": "io.confluent.connect.avro.AvroConverter",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    }, method="PUT")
    wait_until(lambda: out.exists() and len(out.read_text().splitlines()) > 5, 60, "rows in the file")
    # What the console tells of the others.
    assert {"ratings", "out"} <= set(platform.json("console", "/api/connect/connectors"))
    assert "good-value" in platform.json("console", "/api/registry/subjects")
    # SQL asks the worker of the process.
    shown = platform.json("sql", "/ksql", {"ksql": "SHOW CONNECTORS;"})
    assert {one["name"] for one in shown[0]["connectors"]} >= {"ratings", "out"}
    checked = platform.json("connect", "/connector-plugins/FileStreamSinkConnector/config/validate", {
        "connector.class": "FileStreamSinkConnector", "topics": "good", "file": str(out), "name": "other",
        "value.converter": "io.confluent.connect.avro.AvroConverter",
    }, method="PUT")
    assert "schema.registry.url" in json.dumps(checked) and "swiftwater-process" not in json.dumps(checked)
    for path in ("/connectors/out/config", "/connectors/ratings/status", "/connectors?expand=info"):
        assert "swiftwater-process" not in json.dumps(platform.json("connect", path))
    assert "swiftwater-process" not in platform.log()
    browser = Browser(flags=["--ignore-certificate-errors"])
    try:
        page = browser.page(platform.url("console"))
        challenges = []
        handle = page.event

        def event(method, params):
            if method == "Fetch.authRequired":
                challenges.append(params["authChallenge"])
                browser.number += 1
                browser.socket.send(json.dumps({
                    "id": browser.number, "sessionId": page.session, "method": "Fetch.continueWithAuth",
                    "params": {"requestId": params["requestId"], "authChallengeResponse": {
                        "response": "ProvideCredentials", "username": "ann", "password": "it is ann"}},
                }))
            elif method == "Fetch.requestPaused":
                browser.number += 1
                browser.socket.send(json.dumps({
                    "id": browser.number, "sessionId": page.session, "method": "Fetch.continueRequest",
                    "params": {"requestId": params["requestId"]},
                }))
            else:
                handle(method, params)

        browser.handlers[page.session] = event
        page.call("Fetch.enable", handleAuthRequests=True, patterns=[{"urlPattern": "*"}])
        page.call("Page.navigate", url=platform.url("console") + "/")

        def text():
            browser.listen(0.1)
            return page.call("Runtime.evaluate", expression="document.body.innerText", returnByValue=True)["result"].get("value") or ""

        wait_until(lambda: "good" in text() or "Topics" in text(), 60, "the first page")
        assert challenges and challenges[0]["realm"] == "Swiftwater console"
        page.call("Page.navigate", url=platform.url("console") + "/connectors")
        wait_until(lambda: "ratings" in text(), 60, "the connectors")
        # What pages use: requests, server-sent events, WebSockets; the browser has the password for each.
        found = page.call("Runtime.evaluate", awaitPromise=True, returnByValue=True, expression="""
            (async () => {
              const answer = await fetch("/api/overview");
              const event = await new Promise((done) => {
                const source = new EventSource("/api/events");
                source.onopen = () => { source.close(); done("open"); };
                source.onerror = () => { source.close(); done("error"); };
              });
              const socket = await new Promise((done) => {
                const socket = new WebSocket("wss://" + location.host + "/api/query");
                socket.onopen = () => { socket.close(); done("open"); };
                socket.onerror = () => done("error");
              });
              return { status: answer.status, event, socket };
            })()""")["result"]["value"]
        assert found == {"status": 200, "event": "open", "socket": "open"}, found
    finally:
        browser.close()
