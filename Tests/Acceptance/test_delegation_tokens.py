"""Delegation tokens (KIP-48): asked for by Java's Admin and by commands, used by Java's clients and by commands."""

import base64
import hashlib
import hmac
import json
import shutil
import struct
import subprocess
import time

import pytest

from clients import JavaClient, Record
from jvm import JavaError
from process import binary, wait_until
from test_acls import STANDARD
from test_security import ANN, Raw, SecureBroker, certificates, code  # noqa: F401

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

SECRET = "the broker's own secret"
USERS = (("ann", ANN), ("bob", "b"), ("root", "r"))
MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required"


class Tokens(SecureBroker):
    def __init__(self, folder, certificates, properties=None, secret=SECRET):
        found = {"authorizer.class.name": STANDARD, "super.users": "User:root"}
        if secret:
            found["delegation.token.secret.key"] = secret
        super().__init__(folder, certificates, found | (properties or {}), USERS)

    def by(self, user, listener="SASL_SSL"):
        return self.java(listener, "SCRAM-SHA-512", user, dict(USERS)[user])

    def by_token(self, token, mechanism="SCRAM-SHA-256", listener="SASL_SSL"):
        jaas = f'{MODULE} username="{token["id"]}" password="{token["hmac"]}" tokenauth="true";'
        return self.java(listener, mechanism) | {"sasl.jaas.config": jaas}

    def at(self, listener="SASL_SSL"):
        return f"localhost:{self.ports[listener]}"

    def ask(self, *arguments, properties):
        """A command as the client that the properties are for."""
        path = self.folder / "client.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        return subprocess.run(
            [binary(), *arguments, "-b", self.at(), "--command-config", str(path)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@pytest.fixture(scope="module")
def broker(tmp_path_factory, certificates):  # noqa: F811
    made = Tokens(tmp_path_factory.mktemp("tokens") / "broker", certificates).start()
    yield made
    made.stop()


@pytest.fixture
def call(broker, java):
    def call(operation, user="ann", properties=None, listener="SASL_SSL", **arguments):
        return java.call(
            operation, broker.at(listener), properties=properties or broker.by(user, listener), **arguments
        )

    return call


def refused(kind, call):
    with pytest.raises(JavaError) as error:
        call()
    assert error.value.type == kind, error.value


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_java_comes_by_a_token(broker, java, call, fresh, mechanism, listener):
    token, topic = call("createToken"), fresh("t")
    assert token["owner"] == token["requester"] == "User:ann"
    call("createTopic", "root", topic=topic, partitions=1)
    allow(broker, "--operation", "All", "--topic", topic)
    properties, client = broker.by_token(token, mechanism, listener), JavaClient(java)
    client.produce(broker.at(listener), topic, [Record(b"hello")], properties=properties)
    found = client.consume(broker.at(listener), topic, 1, properties=properties)
    assert [record.value for record in found] == [b"hello"]


def allow(broker, *arguments):
    done = broker.ask("acl", "add", "--allow-principal", "User:ann", *arguments, properties=broker.by("root"))
    assert done.returncode == 0, done.stderr


def test_tokens_are_made_seen_renewed_and_ended(broker, call):
    token = call("createToken", renewers=["User:bob"], lifetimeMs=3_600_000)
    assert token["renewers"] == ["User:bob"]
    assert token["ends"] - token["issued"] == 3_600_000 == token["expires"] - token["issued"]
    for user in ("ann", "bob", "root"):
        assert token in call("describeTokens", user)
    assert token in call("describeTokens", owners=["User:bob"])
    assert token not in call("describeTokens", owners=["User:root"])
    assert call("renewToken", "bob", hmac=token["hmac"], periodMs=60_000) < token["expires"]
    assert call("renewToken", hmac=token["hmac"]) == token["ends"]
    refused("DelegationTokenOwnerMismatchException", lambda: call("renewToken", "root", hmac=token["hmac"]))
    refused("DelegationTokenOwnerMismatchException", lambda: call("expireToken", "root", hmac=token["hmac"]))
    refused("DelegationTokenNotFoundException", lambda: call("renewToken", hmac="AAAA"))
    assert call("expireToken", "bob", hmac=token["hmac"], periodMs=1_000_000) < token["ends"]
    call("expireToken", hmac=token["hmac"], periodMs=-1)
    assert token["id"] not in [found["id"] for found in call("describeTokens")]
    refused("DelegationTokenNotFoundException", lambda: call("expireToken", hmac=token["hmac"], periodMs=-1))
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=broker.by_token(token)))


def test_who_may_not_ask(broker, call, java):
    token = call("createToken")
    for operation in ("createToken", "describeTokens"):
        refused(
            "UnsupportedByAuthenticationException",
            lambda operation=operation: call(operation, properties=broker.by_token(token)),
        )
        for listener in ("PLAINTEXT", "SSL"):
            refused(
                "UnsupportedByAuthenticationException",
                lambda operation=operation, listener=listener: call(
                    operation, properties=broker.java(listener), listener=listener
                ),
            )
    # A certificate is as good as a password.
    mutual = call("createToken", properties=broker.java("MUTUAL"), listener="MUTUAL")
    assert mutual["owner"] == "User:client"
    # For others it takes a rule.
    refused("DelegationTokenAuthorizationException", lambda: call("createToken", owner="User:bob"))
    assert call("createToken", "root", owner="User:bob")["owner"] == "User:bob"
    allow(broker, "--operation", "CreateTokens", "--user-principal", "User:bob")
    assert call("createToken", owner="User:bob")["requester"] == "User:ann"
    refused("InvalidPrincipalTypeException", lambda: call("createToken", renewers=["Group:x"]))


def test_a_token_is_what_its_owner_is_and_no_more(broker, java, call, fresh):
    topic = fresh("t")
    call("createTopic", "root", topic=topic, partitions=1)
    token = call("createToken", "bob")
    refused(
        "TopicAuthorizationException",
        lambda: JavaClient(java).produce(broker.at(), topic, [Record(b"x")], properties=broker.by_token(token)),
    )
    # Neither is the HMAC a password, nor a password an HMAC.
    wrong = broker.java("SASL_SSL", "SCRAM-SHA-256", token["id"], token["hmac"])
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=wrong))
    other = broker.by_token({"id": "ann", "hmac": ANN})
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=other))
    other = broker.by_token({"id": token["id"], "hmac": call("createToken", "bob")["hmac"]})
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=other))


def test_commands(broker, fresh):
    ann = broker.by("ann")
    made = broker.ask("token", "create", "--renewer", "User:bob", "--max-lifetime", "2d", "-o", "json", properties=ann)
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)
    assert token["maxMs"] - token["issuedMs"] == 2 * 86_400_000 and token["renewers"] == ["User:bob"]
    shown = broker.ask("token", "describe", properties=ann)
    assert token["id"] in shown.stdout and token["hmac"] not in shown.stdout
    shown = broker.ask("token", "describe", "--show-hmac", properties=ann)
    assert token["hmac"] in shown.stdout
    created = broker.ask("token", "create", properties=ann)
    assert created.returncode == 0, created.stderr
    said = dict(line.split(maxsplit=1) for line in created.stdout.splitlines())
    assert said["owner:"] == "User:ann" and said["id:"] not in shown.stdout and said["hmac:"] != token["hmac"]
    shown = broker.ask("token", "describe", "--show-hmac", properties=ann)
    assert all(text in shown.stdout for text in (said["id:"], said["hmac:"], token["id"], token["hmac"]))
    # The program itself comes by it.
    topic = fresh("t")
    done = broker.ask("topic", "create", topic, properties=broker.by("root"))
    assert done.returncode == 0, done.stderr
    allow(broker, "--operation", "All", "--topic", topic)
    done = broker.ask("topic", "list", properties=broker.by_token(token))
    assert done.returncode == 0 and topic in done.stdout, done.stderr
    done = broker.ask("token", "describe", properties=broker.by_token(token))
    assert done.returncode != 0 and "not by a token" in done.stderr
    done = broker.ask("token", "renew", token["id"], "--period", "1h", properties=broker.by("bob"))
    assert done.returncode == 0 and "expires at" in done.stdout, done.stderr
    done = broker.ask("token", "renew", "no-such-token", properties=ann)
    assert done.returncode != 0 and "there is no delegation token" in done.stderr
    done = broker.ask("token", "expire", token["id"], "--in", "10m", properties=ann)
    assert done.returncode == 0 and "expires at" in done.stdout, done.stderr
    done = broker.ask("token", "expire", token["id"], properties=ann)
    assert done.returncode == 0 and "ended" in done.stdout, done.stderr
    assert token["id"] not in broker.ask("token", "describe", properties=ann).stdout
    done = broker.ask("topic", "list", properties=broker.by_token(token))
    assert done.returncode != 0 and "delegation token" in done.stderr, done.stderr
    said = subprocess.run([binary(), "kafka-delegation-tokens.sh"], capture_output=True, text=True)
    assert "swiftwater token" in said.stderr


@pytest.mark.parametrize("kill", [False, True])
def test_tokens_survive_restarts_and_their_secrets_are_nowhere(tmp_path, certificates, java, kill):  # noqa: F811
    broker = Tokens(tmp_path / "broker", certificates).start()

    def call(operation, properties=None, **arguments):
        return java.call(operation, broker.at(), properties=properties or broker.by("ann"), **arguments)

    token, ended = call("createToken", renewers=["User:bob"]), call("createToken")
    call("expireToken", hmac=ended["hmac"], periodMs=-1)
    token["expires"] = call("renewToken", hmac=token["hmac"], periodMs=3_600_000)
    broker.restart(kill=kill)
    assert call("describeTokens") == [token]
    assert call("describeCluster", properties=broker.by_token(token))["nodes"]
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=broker.by_token(ended)))
    broker.stop()
    # With another secret all HMACs are others.
    text = broker.settings.read_text()
    broker.settings.write_text(text.replace(SECRET, "another"))
    broker.start()
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=broker.by_token(token)))
    assert call("describeTokens")[0]["hmac"] != token["hmac"]
    broker.stop()
    # And without one there are none.
    broker.settings.write_text("".join(line + "\n" for line in text.splitlines() if "delegation.token" not in line))
    broker.start()
    refused("DelegationTokenDisabledException", lambda: call("describeTokens"))
    refused("DelegationTokenDisabledException", lambda: call("createToken"))
    refused("SaslAuthenticationException", lambda: call("describeCluster", properties=broker.by_token(token)))
    broker.stop()
    files = [path.read_bytes() for path in broker.data.rglob("*") if path.is_file()] + [broker.log().encode()]
    # The search is one that finds: what is no secret is there.
    assert any(token["id"].encode() in data for data in files)
    texts = [text.encode() for text in (SECRET, token["hmac"], ended["hmac"])]
    raw = [base64.b64decode(found["hmac"], validate=True) for found in (token, ended)]
    assert [len(data) for data in raw] == [64, 64]
    for secret in texts + raw:
        assert not any(secret in data for data in files)


def test_a_token_that_expires_ends_its_connections_and_is_forgotten(tmp_path, certificates, java, fresh):  # noqa: F811
    broker = Tokens(tmp_path / "broker", certificates, {"delegation.token.expiry.check.interval.ms": "500"}).start()
    token = java.call("createToken", broker.at(), properties=broker.by("ann"), lifetimeMs=20_000)
    assert java.call("describeCluster", broker.at(), properties=broker.by_token(token))["nodes"]
    said = wait_refused(java, broker, token)
    assert said == "SaslAuthenticationException" and time.time() * 1000 >= token["expires"]
    wait_until(lambda: java.call("describeTokens", broker.at(), properties=broker.by("ann")) == [], 20, "no token")
    broker.stop()


def login(client, token, mechanism="SCRAM-SHA-256"):
    """By a token over a raw connection. Returns for how many milliseconds the session lasts."""

    def said(answer):
        assert code(answer) == 0, answer
        count = struct.unpack(">i", answer[4:8])[0]
        return answer[8 : 8 + count].decode(), struct.unpack(">q", answer[8 + count : 16 + count])[0]

    assert code(client.handshake(mechanism)) == 0
    bare = f"n={token['id']},r=abc,tokenauth=true"
    first, _ = said(client.token(b"n,," + bare.encode()))
    nonce, salt, count = (part.split("=", 1)[1] for part in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", token["hmac"].encode(), base64.b64decode(salt), int(count))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without = f"c=biws,r={nonce}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{first},{without}".encode(), "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    return said(client.token(f"{without},p={proof}".encode()))[1]


def test_a_session_ends_with_its_token(broker, call):
    token = call("createToken", lifetimeMs=10_000)
    client = Raw(broker.ports["SASL_PLAINTEXT"])
    assert 0 < login(client, token) <= 10_000

    def ask():
        return client.ask(3, 1, struct.pack(">i", -1))

    assert ask()

    def is_over():
        try:
            ask()
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return True

    wait_until(is_over, 60, "the end of the session")


def wait_refused(java, broker, token):
    kinds = []

    def is_refused():
        try:
            java.call("describeCluster", broker.at(), properties=broker.by_token(token))
        except JavaError as error:
            kinds.append(error.type)
        return bool(kinds)

    wait_until(is_refused, 60, "the end of the token")
    return kinds[0]


def test_the_secret_is_not_shown(broker, call):
    shown = subprocess.run(
        [binary(), "config", "show", "--config", str(broker.settings)], capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0, shown.stderr
    assert "delegation.token.secret.key" in shown.stdout and SECRET not in shown.stdout
    described = json.dumps(call("describeConfigs", "root", type="BROKER", name="1"))
    assert "delegation.token.max.lifetime.ms" in described and SECRET not in described
