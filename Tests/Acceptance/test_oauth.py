"""OAUTHBEARER at the broker and bearer tokens at the HTTP ports, with real clients and an issuer of tokens."""

import asyncio
import json
import re
import socket
import struct
import subprocess
import time

import aiokafka
import aiokafka.abc
import confluent_kafka
import kafka
import kafka.net.sasl.oauth
import pytest
import requests
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from clients import JavaClient, Record
from issuer import Issuer, Key, base64url
from jvm import Java, JavaError
from process import Broker, binary, free_port, wait_until
from registry import Http

UNSECURED = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


class Platform(Broker):
    """A broker with tokens on one listener and none asked for on another; registry, worker and SQL server with tokens."""

    def __init__(self, folder, issuer, properties=None, roles="kafka,registry,connect,sql"):
        super().__init__(folder)
        folder.mkdir(exist_ok=True)
        self.issuer, self.roles = issuer, roles
        self.sasl = free_port()
        self.ports = {role: free_port() for role in ("registry", "connect", "sql", "admin")}
        self.users = folder / "users.properties"
        self.users.write_text("ann: MD5:5ebe2294ecd0e0f08eab7690d2a6ee69,admin\n")  # "secret"
        self.users.chmod(0o600)
        own = f"http://127.0.0.1:{self.ports['registry']}"
        settings = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},SASL_PLAINTEXT://127.0.0.1:{self.sasl}",
            "sasl.enabled.mechanisms": "OAUTHBEARER,SCRAM-SHA-256",
            "sasl.oauthbearer.jwks.endpoint.url": issuer.keys_url,
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms": "500",
            "sasl.oauthbearer.expected.audience": issuer.AUDIENCE,
            "sasl.oauthbearer.expected.issuer": issuer.url,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ann;User:ANONYMOUS;User:service",
            "authentication.method": "BEARER",
            "registry.authentication.method": "BASIC,BEARER",
            "http.users.file": self.users,
            "connect.authentication.roles": "admin",
            "ksql.schema.registry.url": own,
            "ksql.schema.registry.bearer.auth.credentials.source": "OAUTHBEARER",
            "ksql.schema.registry.bearer.auth.issuer.endpoint.url": issuer.token_url,
            "ksql.schema.registry.bearer.auth.client.id": "sql",
            "ksql.schema.registry.bearer.auth.client.secret": "sql-secret",
            **(properties or {}),
        }
        self.settings = folder / "server.properties"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items() if value is not None))

    def command(self):
        ports = [part for role, port in self.ports.items() for part in (f"--{role}", f"127.0.0.1:{port}")]
        return [binary(), "start", "--config", str(self.settings), "--data-dir", str(self.data), "--roles", self.roles, *ports]

    @property
    def secured(self):
        return f"127.0.0.1:{self.sasl}"

    def conf(self, token):
        """Of confluent-kafka with a callback."""
        return {
            "bootstrap.servers": self.secured, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": lambda _: (token(), time.time() + 300),
        }  # fmt: skip

    def oidc(self, client):
        return {
            "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": self.issuer.token_url, "sasl.oauthbearer.client.id": client,
            "sasl.oauthbearer.client.secret": client + "-secret", "sasl.oauthbearer.scope": "kafka",
        }  # fmt: skip

    def http(self, role):
        return Http(f"http://127.0.0.1:{self.ports[role]}")


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory, issuer):
    made = Platform(tmp_path_factory.mktemp("oauth") / "server", issuer).start()
    yield made
    made.stop()


@pytest.fixture
def topic(platform, request):
    name = re.sub(r"\W", "-", request.node.name)
    admin = AdminClient({"bootstrap.servers": platform.address})
    admin.create_topics([NewTopic(name, 1)])[name].result(30)
    return name


def bearer(token):
    return {"Authorization": "Bearer " + token}


def round_trip(conf, topic):
    failures = []
    producer = confluent_kafka.Producer(conf)
    producer.produce(topic, b"hello", on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(30) == 0
    assert failures == [None]
    consumer = confluent_kafka.Consumer(conf | {"group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    message = wait_until(lambda: consumer.poll(1), 30)
    consumer.close()
    assert message.error() is None and message.value() == b"hello"


# ---- clients of the broker


def test_confluent_kafka_with_a_callback(platform, topic):
    round_trip(platform.conf(lambda: platform.issuer.token("ann")), topic)


def test_confluent_kafka_with_a_token_endpoint(platform, topic):
    round_trip({"bootstrap.servers": platform.secured, **platform.oidc("ann")}, topic)
    assert ("ann", "kafka") in platform.issuer.given


def test_aiokafka(platform, topic):
    class Provider(aiokafka.abc.AbstractTokenProvider):
        async def token(self):
            return platform.issuer.token("ann", key=platform.issuer.keys[1])

        def extensions(self):
            return {"traceId": "123"}

    async def run():
        options = dict(
            bootstrap_servers=platform.secured, security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER",
            sasl_oauth_token_provider=Provider(),
        )  # fmt: skip
        async with aiokafka.AIOKafkaProducer(**options) as producer:
            await producer.send_and_wait(topic, b"hello")
        async with aiokafka.AIOKafkaConsumer(topic, auto_offset_reset="earliest", **options) as consumer:
            return (await asyncio.wait_for(consumer.getone(), 30)).value

    assert asyncio.run(run()) == b"hello"


def test_kafka_python(platform, topic):
    class Provider(kafka.net.sasl.oauth.AbstractTokenProvider):
        def token(self):
            return platform.issuer.token("ann")

    options = dict(
        bootstrap_servers=platform.secured, security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_provider=Provider(),
    )  # fmt: skip
    producer = kafka.KafkaProducer(**options)
    producer.send(topic, b"hello").get(30)
    producer.close()
    consumer = kafka.KafkaConsumer(topic, auto_offset_reset="earliest", **options)
    assert next(consumer).value == b"hello"
    consumer.close()


@pytest.fixture
def oauth_java(issuer, tmp_path, monkeypatch):
    """A JVM that may ask the issuer (KIP-1139 wants its address in a property of the system)."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.token_url}")
    with Java(tmp_path) as driver:
        yield JavaClient(driver)


def java_properties(platform, client="ann", secret=None):
    package = "org.apache.kafka.common.security.oauthbearer."
    return {
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.token.endpoint.url": platform.issuer.token_url,
        "sasl.login.callback.handler.class": package + "OAuthBearerLoginCallbackHandler",
        "sasl.jaas.config": f'{MODULE} required clientId="{client}" clientSecret="{secret or client + "-secret"}" scope="kafka";',
    }  # fmt: skip


def test_java(platform, topic, oauth_java):
    properties = java_properties(platform)
    oauth_java.produce(platform.secured, topic, [Record(b"hello")], properties=properties)
    found = oauth_java.consume(platform.secured, topic, 1, properties=properties)
    assert [record.value for record in found] == [b"hello"]
    # Whose tokens are for another audience is told what Kafka tells.
    platform.issuer.AUDIENCE = "somebody"
    try:
        with pytest.raises(JavaError) as failure:
            oauth_java.produce(platform.secured, topic, [Record(b"x")], properties=java_properties(platform, "eve"))
    finally:
        platform.issuer.AUDIENCE = Issuer.AUDIENCE
    assert failure.value.type == "SaslAuthenticationException"
    assert failure.value.text == '{"status":"invalid_token"}'


def command(*arguments, ok=True, **environment):
    done = subprocess.run(
        [binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout if ok else done.stderr


@pytest.mark.parametrize("names", ["java", "librdkafka", "file"])
def test_commands_of_the_program(platform, topic, tmp_path, names):
    conf, token = tmp_path / "client.properties", tmp_path / "token"
    token.write_text(platform.issuer.token("ann") + "\n")
    properties = {"java": java_properties(platform), "librdkafka": platform.oidc("ann")}.get(names) or {
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.token.endpoint.url": token.as_uri(),
    }  # fmt: skip
    conf.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    options = ("-b", platform.secured, "--command-config", conf)
    subprocess.run(
        [binary(), "produce", topic, *map(str, options)], input="hello\n", text=True, check=True, timeout=60, capture_output=True
    )
    assert "hello" in command("consume", topic, "--from", "beginning", "-e", *options)
    assert topic in command("topic", "list", *options)
    command("group", "list", *options)


def test_commands_say_why_there_is_no_token(platform, tmp_path):
    conf = tmp_path / "client.properties"
    for properties, words in [
        (java_properties(platform, "ann", "wrong"), "invalid_client"),
        (platform.oidc("ann") | {"sasl.oauthbearer.token.endpoint.url": "http://issuer.example.com/token"}, "https://"),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}, "token.endpoint.url"),
    ]:
        conf.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        said = command("topic", "list", "-b", platform.secured, "--command-config", conf, ok=False)
        assert words in said and "wrong" not in said


# ---- what the broker says, byte by byte


class Wire:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.settimeout(30)

    def close(self):
        self.socket.close()

    def ask(self, api, version, body=b""):
        message = struct.pack(">hhih", api, version, 7, -1) + body
        self.socket.sendall(struct.pack(">i", len(message)) + message)
        head = self.socket.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            raise ConnectionError("closed")
        return self.socket.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)[4:]

    def handshake(self, mechanism=b"OAUTHBEARER"):
        answer = self.ask(17, 1, struct.pack(">h", len(mechanism)) + mechanism)
        return struct.unpack(">h", answer[:2])[0]

    def authenticate(self, data):
        """Code, message, bytes and the session's milliseconds."""
        answer = self.ask(36, 1, struct.pack(">i", len(data)) + data)
        code, size = struct.unpack(">hh", answer[:4])
        at = 4 + max(size, 0)
        text = answer[4:at].decode()
        count = struct.unpack(">i", answer[at : at + 4])[0]
        return code, text, answer[at + 4 : at + 4 + count], struct.unpack(">q", answer[-8:])[0]

    def login(self, token):
        assert self.handshake() == 0
        return self.authenticate(b"n,,\1auth=Bearer " + token.encode() + b"\1\1")


@pytest.fixture
def wire(platform):
    made = Wire(platform.sasl)
    yield made
    made.close()


def bad_tokens(issuer):
    now, right = int(time.time()), issuer.keys[0]
    stranger = Key("first")
    numbers = right.private.public_key()
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    class Symmetric:
        kind, name = "HS256", "first"

        @staticmethod
        def sign(text):
            import hashlib
            import hmac

            pem = numbers.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return hmac.new(pem, text.encode(), hashlib.sha256).digest()

    return {
        "expired": issuer.token(exp=now - 60),
        "not yet valid": issuer.token(nbf=now + 120),
        "another audience": issuer.token(aud="billing"),
        "another issuer": issuer.token(iss="https://elsewhere"),
        "another key": issuer.token(key=stranger),
        "the public key as a secret": issuer.token(key=Symmetric),
        "nobody signed it": issuer.unsigned(),
        "no end": issuer.token(exp=None),
        "no name": issuer.token(sub=None),
        "an extension": issuer.token(header={"crit": ["b64"], "b64": False}),
        "no JSON": base64url(b"x") + "." + base64url(b"y") + ".AA",
        "no token": "AAAA",
        "long": "A" * 200_000,
    }


def test_tokens_that_are_refused(platform):
    mark = platform.log_path.stat().st_size
    for name, token in bad_tokens(platform.issuer).items():
        wire = Wire(platform.sasl)
        assert wire.login(token)[:3] == (0, "", b'{"status":"invalid_token"}'), name
        assert wire.authenticate(b"\1")[:2] == (58, '{"status":"invalid_token"}'), name
        with pytest.raises((ConnectionError, OSError)):
            wire.ask(18, 0)
        wire.close()
    log = wait_until(lambda: platform.log(mark))
    assert "the token has expired" in log
    assert platform.issuer.token().split(".")[0] not in log


@pytest.mark.parametrize("message", [b"", b"n,,", b"n,,\1auth=Basic abc\1\1", b"y,,\1auth=Bearer abc\1\1", b"\xff\1\1", b"\1"])
def test_messages_that_are_none(wire, message):
    assert wire.handshake() == 0
    code, text, data, _ = wire.authenticate(message)
    assert code == 58 and data == b"" and "OAUTHBEARER" in text


def test_nobody_acts_for_another(platform, wire):
    assert wire.handshake() == 0
    token = platform.issuer.token("ann").encode()
    code, text, _, _ = wire.authenticate(b"n,a=bob,\1auth=Bearer " + token + b"\1\1")
    assert code == 58 and "authorization id" in text


def test_a_session_ends_with_its_token_and_another_token_prolongs_it(platform, wire):
    code, _, _, lifetime = wire.login(platform.issuer.token(lifetime=3))
    assert code == 0 and 0 < lifetime <= 3000
    # Not more often than once a second, as in Kafka.
    wait_until(lambda: wire.handshake() == 0, 10)
    # The session is another's: refused.
    code, _, _, lifetime = wire.authenticate(b"n,,\1auth=Bearer " + platform.issuer.token(lifetime=2).encode() + b"\1\1")
    assert code == 0 and 0 < lifetime <= 2000

    def is_over():
        try:
            wire.ask(18, 0)
        except (ConnectionError, OSError):
            return True

    wait_until(is_over, 20)


def test_a_session_stays_its_users(platform, wire):
    assert wire.login(platform.issuer.token(lifetime=60))[0] == 0
    wait_until(lambda: wire.handshake() == 0, 10)
    code, text, _, _ = wire.authenticate(b"n,,\1auth=Bearer " + platform.issuer.token("bob").encode() + b"\1\1")
    assert code == 58 and "Cannot change principals" in text


def test_rules_apply_to_subjects(platform, topic):
    def allowed(user):
        failures = []
        producer = confluent_kafka.Producer(platform.conf(lambda: platform.issuer.token(user)) | {"message.timeout.ms": 10000})
        producer.produce(topic, b"x", on_delivery=lambda error, _: failures.append(error))
        producer.flush(30)
        return failures[0]

    assert allowed("ann") is None
    assert allowed("carl").code() == confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED
    command("acl", "add", "-b", platform.address, "--allow-principal", "User:carl", "--operation", "Write", "--topic", topic)
    wait_until(lambda: allowed("carl") is None)


def test_a_new_key_is_found_and_made_up_ones_cause_no_storm(platform, topic):
    issuer = platform.issuer
    fresh = Key("second")
    issuer.keys.append(fresh)

    def is_taken():
        wire = Wire(platform.sasl)
        try:
            return wire.login(issuer.token(key=fresh))[2] == b""
        finally:
            wire.close()

    wait_until(is_taken, 30, interval=0.2)
    fetches = issuer.fetches
    for number in range(50):
        wire = Wire(platform.sasl)
        assert wire.login(issuer.token(key=fresh, header={"kid": f"made up {number}"}))[2] != b""
        wire.close()
    assert issuer.fetches - fetches <= 2


def test_long_sessions_of_our_own_clients_outlive_their_tokens(platform, tmp_path):
    """A registry of another process, on this cluster by short tokens."""
    issuer = Issuer(0)
    issuer.keys, issuer.url, issuer.lifetime = platform.issuer.keys, platform.issuer.url, 3
    registry = Broker(tmp_path / "registry")
    registry.folder.mkdir()
    port = free_port()
    settings = registry.folder / "registry.properties"
    java = java_properties(platform, "service") | {"sasl.oauthbearer.token.endpoint.url": issuer.token_url}
    settings.write_text("".join(f"kafkastore.{name}={value}\n" for name, value in java.items()) + "kafkastore.topic=_elsewhere\n")
    registry.command = lambda: [
        binary(), "start", "--config", str(settings), "--bootstrap-servers", platform.secured, "--roles", "registry",
        "--registry", f"127.0.0.1:{port}", "--admin", "none", "--data-dir", str(registry.data),
    ]  # fmt: skip
    registry.start()
    try:
        http, ids = Http(f"http://127.0.0.1:{port}"), []
        while len(issuer.given) < 4:
            schema = {"type": "record", "name": "R", "fields": [{"name": f"f{len(ids)}", "type": "int"}]}
            answer = http.register(f"s{len(ids)}", schema)
            assert answer.status == 200, answer
            ids.append(answer.json["id"])
        assert len(set(ids)) == len(ids)
        assert len(http.get("/subjects").json) == len(ids)
    finally:
        registry.stop()
        issuer.stop()


# ---- starts


def test_an_issuer_that_is_not_there_yet(tmp_path):
    port = free_port()

    class Later:
        url, keys_url, token_url, AUDIENCE = (f"http://127.0.0.1:{port}{path}" for path in ("", "/keys", "/token", ""))

    Later.AUDIENCE = Issuer.AUDIENCE
    broker = Platform(tmp_path / "server", Later, roles="kafka").start()
    try:
        assert "the keys of tokens cannot be fetched" in broker.log()
        issuer = Issuer(port)

        def is_taken():
            wire = Wire(broker.sasl)
            try:
                return wire.login(issuer.token())[2] == b""
            finally:
                wire.close()

        wait_until(is_taken, 30, interval=0.2)
        assert issuer.fetches <= 3, "once it has the keys, it leaves the issuer alone"
        issuer.stop()
        assert is_taken(), "keys stay when the issuer is gone"
    finally:
        broker.stop()


def test_keys_in_a_file_and_settings_of_one_listener(tmp_path, issuer):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [key.jwk for key in issuer.keys]}))
    prefix = "listener.name.sasl_plaintext.oauthbearer."
    broker = Platform(
        tmp_path / "server", issuer,
        {
            "sasl.oauthbearer.jwks.endpoint.url": None, "sasl.oauthbearer.expected.audience": None,
            "authentication.method": "NONE",
            prefix + "sasl.oauthbearer.jwks.endpoint.url": keys.as_uri(),
            prefix + "sasl.oauthbearer.sub.claim.name": "client_id",
            prefix + "sasl.server.callback.handler.class":
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
            prefix + "connections.max.reauth.ms": "5000",
        },
        roles="kafka",
    ).start()  # fmt: skip
    try:
        wire = Wire(broker.sasl)
        code, _, data, lifetime = wire.login(issuer.token(aud=None, client_id="app", sub=None))
        assert (code, data) == (0, b"") and 4000 < lifetime <= 5000
        wire.close()
        wire = Wire(broker.sasl)
        assert wire.login(issuer.token())[2] != b"", "it is for an audience"
        wire.close()
    finally:
        broker.stop()


def test_unsecured_tokens_where_they_are_asked_for(tmp_path, issuer, java):
    prefix = "listener.name.sasl_plaintext.oauthbearer."
    broker = Platform(
        tmp_path / "server", issuer,
        {
            "sasl.oauthbearer.jwks.endpoint.url": None, "authentication.method": "NONE",
            prefix + "sasl.server.callback.handler.class": UNSECURED,
        },
        roles="kafka",
    ).start()  # fmt: skip
    try:
        assert "takes unsecured tokens" in broker.log()
        options = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_topics([NewTopic("t", 1)])["t"].result(30)
        unsecured = {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": "principal=ann"}
        round_trip({"bootstrap.servers": broker.secured, **options, **unsecured}, "t")
        jaas = options | {"sasl.jaas.config": f'{MODULE} required unsecuredLoginStringClaim_sub="ann";'}
        assert JavaClient(java).consume(broker.secured, "t", 1, properties=jaas)[0].value == b"hello"
        conf = tmp_path / "client.properties"
        conf.write_text("".join(f"{name}={value}\n" for name, value in jaas.items()))
        assert "t" in command("topic", "list", "-b", broker.secured, "--command-config", conf)
        wire = Wire(broker.sasl)
        assert wire.login(issuer.token())[2] != b"", "a signed one"
        wire.close()
    finally:
        broker.stop()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"sasl.oauthbearer.jwks.endpoint.url": None}, "jwks.endpoint.url is not set"),
        ({"sasl.oauthbearer.jwks.endpoint.url": "http://issuer.example.com/keys"}, "https://"),
        ({"sasl.server.callback.handler.class": "com.example.Mine"}, "OAuthBearerValidatorCallbackHandler"),
        ({"sasl.server.callback.handler.class": UNSECURED}, "unsecured validator"),
        ({"sasl.oauthbearer.clock.skew.seconds": "soon"}, "sasl.oauthbearer.clock.skew.seconds"),
        ({"authentication.method": "KERBEROS"}, "BEARER"),
        ({"sasl.enabled.mechanisms": "GSSAPI"}, "OAUTHBEARER"),
    ],
)
def test_settings_that_are_refused(tmp_path, issuer, changes, words):
    broker = Platform(tmp_path / "server", issuer, changes)
    done = subprocess.run(broker.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and words in done.stderr, done.stderr


# ---- HTTP ports


def test_who_shows_no_token_is_told_how(platform):
    registry = platform.http("registry").get("/subjects")
    assert registry.status == 401 and registry.code == 40101
    challenges = registry.headers.get_all("WWW-Authenticate")
    assert [challenge.split(" ")[0] for challenge in challenges] == ["Basic", "Bearer"]
    connect = platform.http("connect").get("/connectors")
    assert connect.status == 401
    assert connect.headers.get_all("WWW-Authenticate") == ['Bearer realm="Swiftwater connect"']
    assert platform.http("sql").ask("POST", "/ksql", {"ksql": "SHOW STREAMS;"}).status == 401
    assert platform.http("admin").get("/metrics").status == 401
    assert platform.http("admin").get("/healthz").status == 200


@pytest.mark.parametrize("role, path", [("registry", "/subjects"), ("connect", "/connectors"), ("sql", "/info"), ("admin", "/metrics")])
def test_a_token_opens_every_port(platform, role, path):
    token = platform.issuer.token("ann")
    for _ in range(2):
        assert platform.http(role).get(path, **bearer(token)).status == 200
    for name, bad in bad_tokens(platform.issuer).items():
        if name == "long":
            continue  # no header is that long
        answer = platform.http(role).get(path, **bearer(bad))
        assert answer.status == 401, name
        assert 'error="invalid_token"' in answer.headers.get_all("WWW-Authenticate")[-1]


def test_roles_come_from_the_token_or_from_the_file(platform):
    connect, issuer = platform.http("connect"), platform.issuer
    refused = connect.get("/connectors", **bearer(issuer.token("bob")))
    assert refused.status == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert connect.get("/connectors", **bearer(issuer.token("bob", groups=["ops", "admin"]))).status == 200
    assert connect.get("/connectors", **bearer(issuer.token("ann"))).status == 200


def test_passwords_only_where_they_are_taken(platform):
    basic = {"Authorization": "Basic YW5uOnNlY3JldA=="}
    assert platform.http("registry").get("/subjects", **basic).status == 200
    assert platform.http("connect").get("/connectors", **basic).status == 401


def test_a_token_is_over_at_its_end(platform):
    now = int(time.time())
    token = platform.issuer.token("ann", iat=now - 100, exp=now - 26)  # 30 seconds are allowed for clocks
    registry = platform.http("registry")
    assert registry.get("/subjects", **bearer(token)).status == 200
    wait_until(lambda: registry.get("/subjects", **bearer(token)).status == 401)


def test_a_push_query_ends_with_its_token(platform):
    sql, issuer = platform.http("sql"), platform.issuer
    text = "CREATE STREAM pushed (id INT KEY, v INT) WITH (KAFKA_TOPIC='pushed', VALUE_FORMAT='JSON', PARTITIONS=1);"
    assert sql.ask("POST", "/ksql", {"ksql": text}, **bearer(issuer.token("ann")), Content_Type="application/json").status == 200
    query = {"sql": "SELECT * FROM pushed EMIT CHANGES;", "properties": {}}
    with requests.post(sql.url + "/query-stream", json=query, headers=bearer(issuer.token("ann", lifetime=3)), stream=True,
                       timeout=60) as answer:  # fmt: skip
        assert answer.status_code == 200
        # Cut off, not ended: it is no whole answer.
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for _ in answer.iter_content(None):
                pass


def test_curl(platform):
    url = platform.http("registry").url + "/subjects"
    done = subprocess.run(
        ["curl", "-sS", "--oauth2-bearer", platform.issuer.token(), "-w", "%{http_code}", url], capture_output=True, text=True
    )
    assert done.stdout.endswith("200"), done


@pytest.mark.parametrize("source", ["STATIC_TOKEN", "OAUTHBEARER"])
def test_confluents_client_of_the_registry(platform, source):
    conf = {
        "url": platform.http("registry").url, "bearer.auth.credentials.source": source,
        "bearer.auth.logical.cluster": "lsrc-1", "bearer.auth.identity.pool.id": "pool-1",
    }  # fmt: skip
    if source == "STATIC_TOKEN":
        conf["bearer.auth.token"] = platform.issuer.token()
    else:
        conf |= {
            "bearer.auth.issuer.endpoint.url": platform.issuer.token_url, "bearer.auth.client.id": "registry-client",
            "bearer.auth.client.secret": "registry-client-secret", "bearer.auth.scope": "schemas",
        }  # fmt: skip
    assert SchemaRegistryClient(conf).register_schema("confluent-" + source.lower(), Schema('"string"', "AVRO")) > 0


def test_commands_of_the_program_for_http_ports(platform, tmp_path):
    token = tmp_path / "token"
    token.write_text(platform.issuer.token() + "\n")
    command("schema", "list", "--registry", platform.http("registry").url, "--token-file", token)
    command("connect", "list", "--connect-url", platform.http("connect").url, "--token-file", token)
    said = command("schema", "list", "--registry", platform.http("registry").url, ok=False)
    assert "--token-file" in said


@pytest.mark.parametrize("source", ["STATIC_TOKEN", "OAUTHBEARER"])
def test_converters_show_tokens(platform, source):
    connect, name = platform.http("connect"), "datagen-" + source.lower().replace("_", "-")
    prefix = "value.converter."
    config = {
        "connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", "kafka.topic": name, "quickstart": "users",
        "max.interval": "100", "iterations": "3", "tasks.max": "1",
        "value.converter": "io.confluent.connect.avro.AvroConverter",
        prefix + "schema.registry.url": platform.http("registry").url,
        prefix + "bearer.auth.credentials.source": source,
    }  # fmt: skip
    if source == "STATIC_TOKEN":
        config[prefix + "bearer.auth.token"] = platform.issuer.token()
    else:
        config |= {
            prefix + "bearer.auth.issuer.endpoint.url": platform.issuer.token_url,
            prefix + "bearer.auth.client.id": "converter", prefix + "bearer.auth.client.secret": "converter-secret",
        }  # fmt: skip
    headers = bearer(platform.issuer.token("ann"))
    answer = connect.ask("PUT", f"/connectors/{name}/config", config, **headers, Content_Type="application/json")
    assert answer.status in (200, 201), answer
    registry = platform.http("registry")
    wait_until(lambda: f"{name}-value" in registry.get("/subjects", **headers).json, 30)
    connect.ask("DELETE", f"/connectors/{name}", **headers)
    if source == "OAUTHBEARER":
        assert any(client == "converter" for client, _ in platform.issuer.given)


def test_statements_use_the_registry_by_tokens(platform):
    headers = bearer(platform.issuer.token("ann"))
    text = "CREATE STREAM tokens (id INT KEY, v INT) WITH (KAFKA_TOPIC='tokens', VALUE_FORMAT='AVRO', PARTITIONS=1);"
    answer = platform.http("sql").ask("POST", "/ksql", {"ksql": text}, **headers, Content_Type="application/json")
    assert answer.status == 200, answer
    assert "tokens-value" in platform.http("registry").get("/subjects", **headers).json
    assert any(client == "sql" for client, _ in platform.issuer.given)
