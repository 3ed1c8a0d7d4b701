"""Listeners of the broker with TLS and SASL, as real clients and others see them."""

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess

import aiokafka
import confluent_kafka
import kafka
import pytest
from confluent_kafka.admin import (
    AdminClient, NewTopic, ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion,
)  # fmt: skip

from clients import JavaClient, Record
from process import Broker, binary, free_port, wait_until
from registry import Http
from secured import Certificates

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
LISTENERS = ("PLAINTEXT", "SSL", "MUTUAL", "SASL_PLAINTEXT", "SASL_SSL")
ANN = "a, 'secret'="


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.issue("server", "DNS:localhost,IP:127.0.0.1")
    made.issue("client", "DNS:client")
    return made


class SecureBroker(Broker):
    """One broker with a listener of every kind, and the user `ann`."""

    def __init__(self, folder, certificates, properties=None, users=(("ann", ANN),)):
        super().__init__(folder)
        folder.mkdir(exist_ok=True)
        self.certificates = certificates
        self.ports = {name: free_port() for name in LISTENERS}
        self.ports["PLAINTEXT"] = self.port
        self.keystore = folder / "server.pem"
        shutil.copy(certificates.folder / "server.both.pem", self.keystore)
        settings = {
            "listeners": ",".join(f"{name}://localhost:{port}" for name, port in self.ports.items()),
            "listener.security.protocol.map": "MUTUAL:SSL",
            "ssl.keystore.location": self.keystore,
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.truststore.location": certificates.authority,
            "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=(.*?)$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": 'PlainLoginModule required user_bob="builder";',
            **(properties or {}),
        }
        self.settings = folder / "server.properties"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        for user, password in users:
            self.user("create", user, password)

    def command(self):
        return [binary(), "start", "--config", str(self.settings), "--data-dir", str(self.data), "--admin", "none",
                "--roles", "kafka"]  # fmt: skip

    def user(self, verb, user, password, *more):
        """Changes users of the data folder while no broker uses it."""
        done = subprocess.run(
            [binary(), "user", verb, user, "--data-dir", str(self.data), "--password-stdin", *more],
            input=password + "\n", capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def conf(self, listener, mechanism=None, user="ann", password=ANN, **more):
        """librdkafka's properties."""
        kind = {"MUTUAL": "SSL"}.get(listener, listener)
        found = {"bootstrap.servers": f"localhost:{self.ports[listener]}", "security.protocol": kind}
        if kind.endswith("SSL"):
            found["ssl.ca.location"] = self.certificates.authority
        if listener == "MUTUAL":
            found |= {"ssl.certificate.location": str(self.certificates.folder / "client.pem"),
                      "ssl.key.location": str(self.certificates.folder / "client.key")}  # fmt: skip
        if mechanism:
            found |= {"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password}
        return found | more

    def java(self, listener, mechanism=None, user="ann", password=ANN):
        kind = {"MUTUAL": "SSL"}.get(listener, listener)
        found = {"security.protocol": kind}
        if kind.endswith("SSL"):
            found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": self.certificates.authority}
        if listener == "MUTUAL":
            store = self.folder / "client.p12"
            subprocess.run(
                ["openssl", "pkcs12", "-export", "-in", "client.pem", "-inkey", "client.key", "-out", str(store),
                 "-passout", "pass:secret"], cwd=self.certificates.folder, check=True,
            )  # fmt: skip
            found |= {"ssl.keystore.type": "PKCS12", "ssl.keystore.location": str(store), "ssl.keystore.password": "secret"}
        if mechanism:
            module = "plain.Plain" if mechanism == "PLAIN" else "scram.Scram"
            found |= {
                "sasl.mechanism": mechanism,
                "sasl.jaas.config": f"org.apache.kafka.common.security.{module}LoginModule required "
                f'username="{user}" password="{password}";',
            }
        return found

    def command_config(self, listener, mechanism=None, **options):
        path = self.folder / f"{listener}-{mechanism}.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in self.java(listener, mechanism, **options).items()))
        return path


@pytest.fixture(scope="module")
def secure(tmp_path_factory, certificates):
    broker = SecureBroker(tmp_path_factory.mktemp("secure") / "broker", certificates).start()
    yield broker
    broker.stop()


@pytest.fixture
def make_secure(tmp_path, certificates):
    made = []

    def make(properties=None, start=True, **options):
        broker = SecureBroker(tmp_path / f"secure{len(made)}", certificates, properties, **options)
        made.append(broker)
        return broker.start() if start else broker

    yield make
    for broker in made:
        if broker.alive:
            broker.stop()


WAYS = [("SSL", None), ("MUTUAL", None)] + [(name, m) for name in ("SASL_PLAINTEXT", "SASL_SSL") for m in MECHANISMS]


def by_confluent(conf, topic, value):
    failures = []
    producer = confluent_kafka.Producer(conf | {"acks": "all"})
    producer.produce(topic, value, on_delivery=lambda error, _: error and failures.append(error))
    assert producer.flush(30) == 0 and not failures, failures
    consumer = confluent_kafka.Consumer(conf | {"group.id": "g", "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    message = consumer.poll(30)
    assert message is not None and message.error() is None, message and message.error()
    consumer.close()
    return message.value()


def refusal(conf, words, timeout=20):
    """Waits for an error of a client that holds the words."""
    errors = []
    client = confluent_kafka.Producer(conf | {"error_cb": errors.append})

    def told():
        client.poll(0.05)
        return any(words in str(error) for error in errors)

    wait_until(told, timeout, f"an error with '{words}' among {errors}")


@pytest.mark.parametrize("listener, mechanism", WAYS)
def test_confluent_kafka(secure, fresh, listener, mechanism):
    topic = fresh("t")
    assert by_confluent(secure.conf(listener, mechanism), topic, b"hello") == b"hello"
    # Clients are told the address of the listener that they came by.
    brokers = AdminClient(secure.conf(listener, mechanism)).list_topics(timeout=20).brokers
    assert [broker.port for broker in brokers.values()] == [secure.ports[listener]]


@pytest.mark.parametrize("listener, mechanism", WAYS)
def test_java(secure, java, fresh, listener, mechanism):
    client, topic = JavaClient(java), fresh("t")
    address, properties = f"localhost:{secure.ports[listener]}", secure.java(listener, mechanism)
    client.produce(address, topic, [Record(b"hello")], properties=properties)
    assert [r.value for r in client.consume(address, topic, 1, properties=properties)] == [b"hello"]


@pytest.mark.parametrize("listener, mechanism", WAYS)
def test_kcat(secure, fresh, listener, mechanism):
    topic, version = fresh("t"), subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
    numbers = tuple(int(part) for part in re.search(r"librdkafka (\d+)\.(\d+)\.(\d+)", version).groups())
    if mechanism and mechanism.startswith("SCRAM") and numbers < (2, 6, 1):
        # Its nonce is wrong (CVE-2024-56128): Kafka 4 refuses it, too.
        pytest.skip("this kcat's librdkafka repeats the nonce of SCRAM")
    options = [part for name, value in secure.conf(listener, mechanism).items() for part in ("-X", f"{name}={value}")]
    subprocess.run(["kcat", "-P", "-t", topic, *options], input=b"hello\n", check=True, timeout=60)
    said = subprocess.run(
        ["kcat", "-C", "-t", topic, "-e", "-q", "-o", "beginning", *options], check=True, timeout=60, capture_output=True
    )  # fmt: skip
    assert said.stdout == b"hello\n"


def python_options(secure, listener, mechanism):
    conf = secure.conf(listener, mechanism)
    options = {"bootstrap_servers": conf["bootstrap.servers"], "security_protocol": conf["security.protocol"]}
    if mechanism:
        options |= {"sasl_mechanism": mechanism, "sasl_plain_username": "ann", "sasl_plain_password": ANN}
    context = None
    if options["security_protocol"].endswith("SSL"):
        context = ssl.create_default_context(cafile=secure.certificates.authority)
        if listener == "MUTUAL":
            context.load_cert_chain(str(secure.certificates.folder / "client.both.pem"))
    return options | {"ssl_context": context}


@pytest.mark.parametrize("listener, mechanism", WAYS)
def test_kafka_python(secure, fresh, listener, mechanism):
    topic, options = fresh("t"), python_options(secure, listener, mechanism)
    producer = kafka.KafkaProducer(**options)
    producer.send(topic, b"hello").get(30)
    producer.close()
    consumer = kafka.KafkaConsumer(topic, auto_offset_reset="earliest", consumer_timeout_ms=30000, **options)
    assert next(consumer).value == b"hello"
    consumer.close()


@pytest.mark.parametrize("listener, mechanism", WAYS)
def test_aiokafka(secure, fresh, listener, mechanism):
    topic = fresh("t")

    async def run():
        options = python_options(secure, listener, mechanism)
        producer = aiokafka.AIOKafkaProducer(**options)
        await producer.start()
        await producer.send_and_wait(topic, b"hello")
        await producer.stop()
        consumer = aiokafka.AIOKafkaConsumer(topic, auto_offset_reset="earliest", **options)
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), 30)
        await consumer.stop()
        return record.value

    assert asyncio.run(run()) == b"hello"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_wrong_passwords_and_unknown_users_are_told_apart_by_nobody(secure, mechanism):
    words = "Invalid username or password" if mechanism == "PLAIN" else "invalid credentials with SASL mechanism"
    refusal(secure.conf("SASL_SSL", mechanism, password="wrong"), words)
    refusal(secure.conf("SASL_SSL", mechanism, user="nobody"), words)
    wait_until(lambda: "authentication failed" in secure.log())
    assert ANN not in secure.log()


def test_the_users_of_plain_are_those_of_the_file_and_of_the_list(secure, fresh):
    conf = secure.conf("SASL_PLAINTEXT", "PLAIN", user="bob", password="builder")
    assert by_confluent(conf, fresh("t"), b"x") == b"x"
    refusal(secure.conf("SASL_SSL", "PLAIN", user="bob", password="builder"), "Invalid username or password")


def test_a_java_client_is_told_of_a_wrong_password(secure, java, fresh):
    from jvm import JavaError

    for mechanism in MECHANISMS:
        with pytest.raises(JavaError) as failure:
            JavaClient(java).produce(
                f"localhost:{secure.ports['SASL_SSL']}", fresh("t"), [Record(b"x")],
                properties=secure.java("SASL_SSL", mechanism, password="wrong"),
            )  # fmt: skip
        assert failure.value.type == "SaslAuthenticationException"


def test_a_mechanism_that_is_not_offered_is_told_with_those_that_are(make_secure):
    broker = make_secure({"sasl.enabled.mechanisms": "SCRAM-SHA-512"})
    refusal(broker.conf("SASL_PLAINTEXT", "PLAIN"), "SCRAM-SHA-512")


def test_who_has_no_certificate_is_not_let_in(secure):
    conf = secure.conf("MUTUAL")
    del conf["ssl.certificate.location"], conf["ssl.key.location"]
    refusal(conf, "SSL")
    wait_until(lambda: "shows no certificate" in secure.log())


def test_clients_of_another_protocol_find_a_closed_connection_and_a_line_in_the_log(secure):
    def closes(port, data):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(data)
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass

    request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
    closes(secure.ports["SSL"], request)
    wait_until(lambda: "the client does not speak TLS" in secure.log())
    closes(secure.ports["SSL"], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    closes(secure.ports["SASL_PLAINTEXT"], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    for size in (0, 7, 600_000, 2**31 - 1):
        closes(secure.ports["SASL_PLAINTEXT"], struct.pack(">i", size) + b"\0" * 64)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        context = ssl.create_default_context(cafile=secure.certificates.authority)
        with socket.create_connection(("127.0.0.1", secure.ports["SASL_PLAINTEXT"]), timeout=20) as plain:
            context.wrap_socket(plain, server_hostname="localhost")
    assert by_confluent(secure.conf("SASL_SSL", "SCRAM-SHA-256"), "after-garbage", b"x") == b"x"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


class Raw:
    """Frames over a socket."""

    def __init__(self, port=None, socket=None):
        self.socket = socket or connect(port)
        self.number = 0

    def send(self, api, version, body):
        self.number += 1
        frame = struct.pack(">hhih", api, version, self.number, -1) + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def ask(self, api, version, body):
        self.send(api, version, body)
        return self.read()

    def read(self):
        size = struct.unpack(">i", self._exactly(4))[0]
        return self._exactly(size)[4:]

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.socket.recv(min(count - len(data), 1 << 20))
            if not more:
                raise EOFError
            data += more
        return bytes(data)

    def handshake(self, mechanism, version=1):
        return self.ask(17, version, struct.pack(">h", len(mechanism)) + mechanism.encode())

    def token(self, token, version=1):
        return self.ask(36, version, struct.pack(">i", len(token)) + token)


def code(answer):
    return struct.unpack(">h", answer[:2])[0]


def test_before_a_client_is_known_nothing_else_is_answered(secure):
    port = secure.ports["SASL_PLAINTEXT"]
    for api, version, body in ((3, 1, struct.pack(">i", -1)), (0, 9, b"\0" * 20), (1, 4, b"\0" * 40), (42, 0, b"\0\0\0\0")):
        client = Raw(port)
        with pytest.raises((EOFError, ConnectionResetError)):
            client.ask(api, version, body)
    client = Raw(port)
    assert code(client.ask(18, 0, b"")) == 0
    assert code(client.handshake("GSSAPI")) == 33
    with pytest.raises((EOFError, ConnectionResetError)):
        client.read()
    client = Raw(port)
    assert code(client.token(b"\0ann\0x")) == 34
    client = Raw(port)
    assert code(client.handshake("PLAIN", 0)) == 35
    for token in (b"", b"\0", b"\xff" * 100, os.urandom(5000), b"\0ann\0", b"n,,n=ann,r=x"):
        for mechanism in MECHANISMS:
            client = Raw(port)
            assert code(client.handshake(mechanism)) == 0
            answer = client.token(token)
            if mechanism != "PLAIN" and token == b"n,,n=ann,r=x":
                assert code(answer) == 0
                answer = client.token(b"c=biws,r=x,p=" + base64.b64encode(b"x" * 32))
            assert code(answer) == 58
            with pytest.raises((EOFError, ConnectionResetError)):
                client.read()
    client = Raw(port)
    client.handshake("PLAIN")
    assert code(client.token(b"\0ann\0" + ANN.encode())) == 0
    assert code(client.token(b"\0ann\0" + ANN.encode())) == 34  # it is known already
    assert code(client.handshake("PLAIN")) == 34
    assert client.ask(3, 1, struct.pack(">i", -1))


def test_who_does_not_authenticate_anew_is_left(make_secure, java, fresh):
    broker = make_secure({"connections.max.reauth.ms": "2000"})
    client = Raw(broker.ports["SASL_PLAINTEXT"])
    client.handshake("PLAIN")
    answer = client.token(b"\0ann\0" + ANN.encode())
    assert struct.unpack(">q", answer[-8:])[0] == 2000

    def is_left():
        try:
            client.ask(3, 1, struct.pack(">i", -1))
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return True

    wait_until(is_left, 20, "the end of the session")
    # Others do, and notice nothing: the first by the same connection, librdkafka by a new one.
    topic, address = fresh("t"), f"localhost:{broker.ports['SASL_SSL']}"
    properties = broker.java("SASL_SSL", "SCRAM-SHA-512")
    records = [Record(str(i).encode()) for i in range(3)]
    for record in records:
        JavaClient(java).produce(address, topic, [record], properties=properties)
    found = JavaClient(java).consume(address, topic, 3, properties=properties)
    assert [r.value for r in found] == [r.value for r in records]
    conf = broker.conf("SASL_SSL", "SCRAM-SHA-256")
    consumer = confluent_kafka.Consumer(conf | {"group.id": fresh("g"), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values, producer = [], confluent_kafka.Producer(conf)

    def arrived():
        producer.produce(topic, b"more")
        producer.poll(0)
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            values.append(message.value())
        return len(values) >= 12

    wait_until(arrived, 40, "records over several sessions")
    consumer.close()


def test_a_refusal_reaches_a_client_behind_what_it_waits_for(make_secure, fresh):
    """Who shows a wrong password anew while a fetch waits is told so, after the answer to the fetch."""
    broker, topic = make_secure({"connections.max.reauth.ms": "60000"}), fresh("t")
    assert by_confluent(broker.conf("PLAINTEXT"), topic, b"x") == b"x"
    client = Raw(broker.ports["SASL_PLAINTEXT"])
    client.handshake("PLAIN")
    assert code(client.token(b"\0ann\0" + ANN.encode())) == 0
    name = struct.pack(">h", len(topic)) + topic.encode()

    def fetch(milliseconds):
        wanted = struct.pack(">iiiibi", -1, milliseconds, 1, 1 << 20, 0, 1) + name + struct.pack(">iiqi", 1, 0, 1, 1 << 20)
        client.send(1, 4, wanted)

    # Anew no earlier than after a second, for which the fetch waits.
    fetch(1100)
    assert topic.encode() in client.read()
    fetch(2000)
    client.send(17, 1, struct.pack(">h", 5) + b"PLAIN")
    token = b"\0ann\0wrong"
    client.send(36, 1, struct.pack(">i", len(token)) + token)
    assert topic.encode() in client.read()
    assert code(client.read()) == 0
    refused = client.read()
    assert code(refused) == 58 and b"Invalid username or password" in refused
    with pytest.raises((EOFError, ConnectionResetError)):
        client.read()


def salts(broker, user):
    """Salt and iterations that a client is told, by mechanism."""
    told = {}
    for mechanism in MECHANISMS[1:]:
        client = Raw(broker.ports["SASL_PLAINTEXT"])
        client.handshake(mechanism)
        first = client.token(f"n,,n={user},r=nonce".encode()).decode(errors="replace")
        told[mechanism] = re.search(r"s=[^,]+,i=\d+", first).group()
        client.socket.close()
    return told


def test_asking_before_and_after_a_restart_does_not_tell_who_there_is(make_secure):
    broker = make_secure()
    before = {user: salts(broker, user) for user in ("ann", "nobody", "another")}
    assert len({text for told in before.values() for text in told.values()}) == 6
    broker.restart()
    assert {user: salts(broker, user) for user in before} == before
    broker.stop()  # the commands for the folder leave it as it is
    broker.user("create", "carl", "a password")
    broker.start()
    assert {user: salts(broker, user) for user in before} == before
    secret = broker.data / "made-up-users"
    assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.deadline(240)
@pytest.mark.parametrize("listener, mechanism", [("SSL", None), ("SASL_SSL", "SCRAM-SHA-512")])
def test_large_fetches_over_tls_are_whole(secure, fresh, listener, mechanism):
    topic, conf = fresh("large"), secure.conf(listener, mechanism)
    admin = AdminClient(conf)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    producer = confluent_kafka.Producer(conf | {"linger.ms": 20, "queue.buffering.max.kbytes": 200_000})
    sent = hashlib.sha256()
    for _ in range(100):
        value = os.urandom(500_000)
        sent.update(value)
        producer.produce(topic, value)
    assert producer.flush(120) == 0
    for options in ({}, {"fetch.message.max.bytes": 50_000_000, "fetch.max.bytes": 60_000_000}):
        consumer = confluent_kafka.Consumer(conf | {"group.id": "large"} | options)
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        received = hashlib.sha256()
        for _ in range(100):
            message = consumer.poll(30)
            assert message is not None and message.error() is None
            received.update(message.value())
        consumer.close()
        assert received.digest() == sent.digest()


def test_slow_readers_over_tls_hold_little_memory(make_secure):
    """Each asks for 50 MB and reads nothing: a part of the answer is in memory, and the rest in the file."""
    broker = make_secure()
    producer = confluent_kafka.Producer(broker.conf("SSL") | {"queue.buffering.max.kbytes": 200_000})
    for _ in range(100):
        producer.produce("t", os.urandom(500_000))
    assert producer.flush(60) == 0
    before, readers = broker.status_kib(), []
    context = ssl.create_default_context(cafile=broker.certificates.authority)
    for _ in range(20):
        plain = socket.create_connection(("127.0.0.1", broker.ports["SSL"]), timeout=20)
        reader = Raw(socket=context.wrap_socket(plain, server_hostname="localhost"))
        partition = struct.pack(">iqi", 0, 0, 55_000_000)
        body = struct.pack(">iiiibihci", -1, 100, 1, 55_000_000, 0, 1, 1, b"t", 1) + partition
        frame = struct.pack(">hhih", 1, 4, 1, -1) + body
        reader.socket.sendall(struct.pack(">i", len(frame)) + frame)
        readers.append(reader)
    for reader in readers:
        assert struct.unpack(">i", reader._exactly(4))[0] > 50_000_000  # it has begun
    assert broker.status_kib() - before < 200_000
    assert len(readers[0]._exactly(50_000_000)) == 50_000_000
    for reader in readers:
        reader.socket.close()


def test_users_are_changed_by_clients_and_stay(make_secure):
    broker = make_secure()
    admin = AdminClient(broker.conf("SASL_SSL", "SCRAM-SHA-256"))
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
    change = UserScramCredentialUpsertion("carl", info, b"first", b"salt of carl")
    admin.alter_user_scram_credentials([change])["carl"].result(20)
    carl = broker.conf("SASL_SSL", "SCRAM-SHA-512", user="carl", password="first")
    assert by_confluent(carl, "t", b"x") == b"x"
    # By one mechanism alone, but also by PLAIN.
    refusal(carl | {"sasl.mechanism": "SCRAM-SHA-256"}, "invalid credentials")
    assert by_confluent(carl | {"sasl.mechanism": "PLAIN"}, "t", b"x") == b"x"
    found = admin.describe_user_scram_credentials()
    users = found.result(20)
    assert sorted(users) == ["ann", "carl"]
    assert [(c.mechanism, c.iterations) for c in users["carl"].scram_credential_infos] == [(ScramMechanism.SCRAM_SHA_512, 8192)]
    with pytest.raises(confluent_kafka.KafkaException, match="does not exist"):
        admin.describe_user_scram_credentials(["nobody"])["nobody"].result(20)
    for iterations, words in ((4095, "Too few iterations"), (16385, "Too many iterations")):
        change = UserScramCredentialUpsertion("dora", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, iterations), b"p", b"s")
        with pytest.raises(confluent_kafka.KafkaException, match=words):
            admin.alter_user_scram_credentials([change])["dora"].result(20)
    broker.restart()
    assert by_confluent(carl, "t", b"x") == b"x"
    broker.restart(kill=True)
    assert by_confluent(carl, "t", b"x") == b"x"
    admin = AdminClient(broker.conf("SASL_SSL", "SCRAM-SHA-256"))
    deletion = UserScramCredentialDeletion("carl", ScramMechanism.SCRAM_SHA_512)
    admin.alter_user_scram_credentials([deletion])["carl"].result(20)
    refusal(carl, "invalid credentials")
    refusal(carl | {"sasl.mechanism": "PLAIN"}, "Invalid username or password")


def run(*arguments, given="", code=0):
    done = subprocess.run([binary(), *arguments], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_commands_change_users(make_secure, tmp_path):
    broker = make_secure()
    place = ["-b", f"localhost:{broker.ports['SASL_SSL']}", "--command-config",
             str(broker.command_config("SASL_SSL", "SCRAM-SHA-512"))]  # fmt: skip
    (tmp_path / "password").write_text("erik's\nsecond line\n")
    assert run("user", "create", "erik", "--password-file", str(tmp_path / "password"), *place) == "created user 'erik'\n"
    assert "exists already" in run("user", "create", "erik", "--password-stdin", *place, given="x\n", code=1)
    assert by_confluent(broker.conf("SASL_SSL", "PLAIN", "erik", "erik's"), "t", b"x") == b"x"
    run("user", "alter", "erik", "--password-stdin", "--mechanism", "SCRAM-SHA-256", "--iterations", "10000", *place, given="new\n")
    assert by_confluent(broker.conf("SASL_SSL", "SCRAM-SHA-256", "erik", "new"), "t", b"x") == b"x"
    listed = json.loads(run("user", "list", "-o", "json", *place))
    assert {"user": "erik", "mechanism": "SCRAM-SHA-256", "iterations": 10000} in listed
    assert "does not exist" in run("user", "alter", "nobody", "--password-stdin", *place, given="x\n", code=1)
    assert "standard input is no terminal" in run("user", "create", "fritz", *place, code=64)
    assert "SCRAM-SHA-256" in run("user", "delete", "erik", *place)
    assert "does not exist" in run("user", "delete", "erik", *place, code=1)
    # A folder that is in use is left alone.
    said = run("user", "create", "g", "--password-stdin", "--data-dir", str(broker.data), given="x\n", code=1)
    assert "in use" in said
    broker.stop()
    assert "ann" in run("user", "list", "--data-dir", str(broker.data))
    run("user", "alter", "ann", "--password-stdin", "--data-dir", str(broker.data), given="other\n")
    broker.start()
    assert by_confluent(broker.conf("SASL_SSL", "SCRAM-SHA-512", password="other"), "t", b"x") == b"x"


def serial(port):
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain) as secured:
        return hashlib.sha256(secured.getpeercert(True)).hexdigest()


def test_certificates_are_renewed_while_it_runs(make_secure, certificates):
    broker = make_secure()
    port = broker.ports["SSL"]
    before = serial(port)
    broker.keystore.write_text("broken")
    wait_until(lambda: serial(port) and "cannot be used; the one before stays" in broker.log())
    assert serial(port) == before
    certificates.issue("renewed", "DNS:localhost,IP:127.0.0.1")
    shutil.copy(certificates.folder / "renewed.both.pem", broker.keystore)
    wait_until(lambda: serial(port) != before)
    assert by_confluent(broker.conf("SSL"), "t", b"x") == b"x"


def test_a_store_of_pkcs12_and_versions_of_tls(make_secure, certificates, tmp_path):
    store = tmp_path / "server.p12"
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", "server.pem", "-inkey", "server.key", "-certfile", "ca.pem", "-out",
         str(store), "-passout", "pass:a secret"], cwd=certificates.folder, check=True,
    )  # fmt: skip
    broker = make_secure({
        "ssl.keystore.type": "PKCS12", "ssl.keystore.location": store, "ssl.keystore.password": "a secret",
        "listener.name.ssl.ssl.enabled.protocols": "TLSv1.3",
    })  # fmt: skip
    assert by_confluent(broker.conf("SSL"), "t", b"x") == b"x"
    context = ssl.create_default_context(cafile=certificates.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", broker.ports["SSL"]), timeout=20) as plain:
        context.wrap_socket(plain, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", broker.ports["SASL_SSL"]), timeout=20) as plain:
        assert context.wrap_socket(plain, server_hostname="localhost").version() == "TLSv1.2"


@pytest.mark.parametrize("change, words", [
    ({"ssl.keystore.location": "/does/not/exist.pem"}, "'/does/not/exist.pem' cannot be read"),
    ({"ssl.keystore.location": __file__}, "is no key store"),
    ({"ssl.keystore.type": "BKS"}, "ssl.keystore.type"),
    ({"sasl.enabled.mechanisms": "GSSAPI"}, "there is no mechanism 'GSSAPI'"),
    ({"sasl.jaas.config": "hush"}, "sasl.jaas.config of listener"),
])  # fmt: skip
def test_what_cannot_be_used_is_told_at_the_start(make_secure, change, words):
    broker = make_secure(change, start=False, users=())
    done = subprocess.run(broker.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert "hush" not in done.stderr


@pytest.mark.deadline(240)
def test_all_roles_work_on_it(secure, tmp_path):
    file = tmp_path / "roles.properties"
    properties = secure.java("SASL_SSL", "SCRAM-SHA-256")
    file.write_text("".join(f"kafkastore.{name}={value}\n" for name, value in properties.items()))
    ports = {role: free_port() for role in ("registry", "connect", "sql")}
    flags = [part for role, port in ports.items() for part in (f"--{role}", f"127.0.0.1:{port}")]
    with open(tmp_path / "roles.log", "wb") as log:
        process = subprocess.Popen(
            [binary(), "start", "--roles", "registry,connect,sql", "--bootstrap-servers",
             f"localhost:{secure.ports['SASL_SSL']}", "--config", str(file), "--admin", "none", *flags],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        registry, connect, sql = (Http(f"http://127.0.0.1:{port}") for port in ports.values())
        wait_until(lambda: "ready in" in (tmp_path / "roles.log").read_text(), what="ready")

        def registered():
            body = {"schema": json.dumps("string")}
            return registry.ask("POST", "/subjects/s/versions", body, Content_Type="application/json").status == 200

        wait_until(registered, timeout=60)
        (tmp_path / "in.txt").write_text("a\nb\n")
        config = {"connector.class": "FileStreamSource", "file": str(tmp_path / "in.txt"), "topic": "lines", "tasks.max": "1"}

        def made():
            answer = connect.ask("PUT", "/connectors/in/config", config, Content_Type="application/json")
            return answer.status in (200, 201)

        wait_until(made, timeout=60)
        consumer = confluent_kafka.Consumer(secure.conf("MUTUAL") | {"group.id": "lines", "auto.offset.reset": "earliest"})
        consumer.subscribe(["lines"])
        values = []

        def arrived():
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                values.append(message.value())
            return len(values) >= 2

        wait_until(arrived, 60, "the lines of the file")
        consumer.close()
        body = {"ksql": "CREATE STREAM lines (line STRING) WITH (kafka_topic='lines', value_format='kafka');"}
        answer = sql.ask("POST", "/ksql", body, Content_Type="application/json")
        assert answer.status == 200, answer
    finally:
        process.terminate()
        assert process.wait(20) == 0
