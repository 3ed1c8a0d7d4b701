"""A broker that knows its users and has rules about them: both together, as real clients meet them."""

import shutil

import confluent_kafka
import kafka
import pytest
import requests
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from process import binary, free_port
from test_acls import STANDARD, rule
from test_security import ANN, SecureBroker, certificates  # noqa: F401

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

USERS = (("ann", ANN), ("writer", "w"), ("reader", "r"))


class Protected(SecureBroker):
    """Ann may do everything; a registry asks the broker's users for their passwords."""

    def __init__(self, folder, certificates):
        self.registry = f"127.0.0.1:{free_port()}"
        properties = {
            "authorizer.class.name": STANDARD, "super.users": "User:ann", "authentication.method": "BASIC",
            "auto.create.topics.enable": "false",
        }  # fmt: skip
        super().__init__(folder, certificates, properties, USERS)

    def command(self):
        return [
            binary(), "start", "--config", str(self.settings), "--data-dir", str(self.data), "--admin", "none",
            "--roles", "kafka,registry", "--registry", self.registry,
        ]  # fmt: skip

    def admin(self, user="ann", password=ANN, mechanism="SCRAM-SHA-512"):
        return AdminClient(self.conf("SASL_SSL", mechanism, user, password))


@pytest.fixture(scope="module")
def broker(tmp_path_factory, certificates):  # noqa: F811
    broker = Protected(tmp_path_factory.mktemp("protected") / "broker", certificates).start()
    admin = broker.admin()
    for future in admin.create_topics([NewTopic(name, 1) for name in ("ratings", "other")]).values():
        future.result(30)
    rules = [
        rule("WRITE", "TOPIC", "ratings", "User:writer"), rule("READ", "TOPIC", "ratings", "User:reader"),
        rule("READ", "GROUP", "readers", "User:reader"), rule("WRITE", "TOPIC", "ratings", "User:client"),
    ]  # fmt: skip
    for future in admin.create_acls(rules).values():
        future.result(30)
    yield broker
    broker.stop()


def write(properties, topic):
    """What became of a record: None, or the name of the error."""
    told = []
    producer = confluent_kafka.Producer(properties | {"message.timeout.ms": 15000})
    producer.produce(topic, b"x", on_delivery=lambda error, _: told.append(error))
    producer.flush(30)
    return told[0].name() if told[0] else None


@pytest.mark.parametrize(
    "listener, mechanism, user, password, topic, expected",
    [
        ("SASL_SSL", "SCRAM-SHA-256", "writer", "w", "ratings", None),
        ("SASL_PLAINTEXT", "PLAIN", "writer", "w", "ratings", None),
        ("SASL_SSL", "SCRAM-SHA-512", "writer", "w", "other", "TOPIC_AUTHORIZATION_FAILED"),
        ("SASL_SSL", "PLAIN", "reader", "r", "ratings", "TOPIC_AUTHORIZATION_FAILED"),
        ("MUTUAL", None, None, None, "ratings", None),
        ("MUTUAL", None, None, None, "other", "TOPIC_AUTHORIZATION_FAILED"),
        ("SSL", None, None, None, "ratings", "TOPIC_AUTHORIZATION_FAILED"),
        ("PLAINTEXT", None, None, None, "ratings", "TOPIC_AUTHORIZATION_FAILED"),
    ],
)  # fmt: skip
def test_who_may_write(broker, listener, mechanism, user, password, topic, expected):
    assert write(broker.conf(listener, mechanism, user, password), topic) == expected


def test_who_may_read(broker):
    assert write(broker.conf("SASL_SSL", "PLAIN", "writer", "w"), "ratings") is None
    for group, user, password, fine in (("readers", "reader", "r", True), ("others", "reader", "r", False), ("readers", "writer", "w", False)):  # noqa: E501  # fmt: skip
        consumer = confluent_kafka.Consumer(
            broker.conf("SASL_SSL", "SCRAM-SHA-256", user, password)
            | {"group.id": group, "auto.offset.reset": "earliest"}
        )
        try:
            consumer.subscribe(["ratings"])
            got = None
            while got is None:
                got = consumer.poll(30)
            assert (got.error() is None) == fine, (group, user, got.error())
            if not fine:
                assert got.error().code() in (
                    KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED,
                )  # fmt: skip
        finally:
            consumer.close()


def test_topics_that_may_not_be_described_are_hidden(broker):
    client = kafka.KafkaConsumer(
        bootstrap_servers=f"localhost:{broker.ports['SASL_PLAINTEXT']}", security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-256", sasl_plain_username="reader", sasl_plain_password="r",
    )  # fmt: skip
    try:
        assert client.topics() == {"ratings"}
    finally:
        client.close()


def test_who_may_change_users_and_rules(broker):
    change = UserScramCredentialUpsertion("mallory", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"m")
    writer = broker.admin("writer", "w")
    with pytest.raises(KafkaException, match="CLUSTER_AUTHORIZATION_FAILED"):
        writer.alter_user_scram_credentials([change])["mallory"].result(30)
    with pytest.raises(KafkaException, match="CLUSTER_AUTHORIZATION_FAILED"):
        next(iter(writer.create_acls([rule("ALL", "TOPIC", "*", "User:writer")]).values())).result(30)
    admin = broker.admin()  # its futures end with it
    admin.alter_user_scram_credentials([change])["mallory"].result(30)
    assert write(broker.conf("SASL_SSL", "SCRAM-SHA-256", "mallory", "m"), "ratings") == "TOPIC_AUTHORIZATION_FAILED"


def test_the_http_ports_take_the_same_users(broker):
    url = f"http://{broker.registry}/subjects"
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(url, auth=("ann", "wrong"), timeout=30).status_code == 401
    for user, password in (*USERS, ("bob", "builder")):
        answer = requests.get(url, auth=(user, password.encode()), timeout=30)
        assert (answer.status_code, answer.text) == (200, "[]"), user
