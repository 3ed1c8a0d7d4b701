"""Key stores and trust stores of Java: the listeners of Kafka, the HTTPS ports and our own clients take them as they are; a bad one
is told of, and ends nothing that runs."""

import shutil
import socket
import ssl
import subprocess

import pytest

from process import binary, wait_until
from secured import Certificates
from stores import KINDS, PASSWORD, crossed_store, key_store, trust_store, type_of
from test_security import by_confluent, certificates, make_secure, serial  # noqa: F401
from test_web_security import Platform, with_start

pytestmark = pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool makes the stores")


@pytest.mark.parametrize("kind", KINDS)
def test_listeners_and_clients(make_secure, certificates, kind):  # noqa: F811
    """A listener that asks for certificates, with stores of one kind on both sides."""
    trusted = trust_store(certificates, kind)
    broker = make_secure({
        "ssl.keystore.type": type_of(kind), "ssl.keystore.location": key_store(certificates, "server", kind), "ssl.keystore.password": PASSWORD,
        "listener.name.mutual.ssl.truststore.type": type_of(kind), "listener.name.mutual.ssl.truststore.location": trusted,
        "listener.name.mutual.ssl.truststore.password": PASSWORD,
    })  # fmt: skip
    assert by_confluent(broker.conf("MUTUAL"), "t", b"x") == b"x"
    own = {
        "security.protocol": "SSL", "ssl.truststore.type": type_of(kind), "ssl.truststore.location": trusted, "ssl.truststore.password": PASSWORD,
        "ssl.keystore.type": type_of(kind), "ssl.keystore.location": key_store(certificates, "client", kind), "ssl.keystore.password": PASSWORD,
    }  # fmt: skip
    # Java finds out by itself which of the two formats it is.
    for left_out in ((), ("ssl.truststore.type", "ssl.keystore.type")):
        file = broker.folder / "client.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in own.items() if name not in left_out))
        # By librdkafka, and by connections of our own.
        for command in (["topic", "list"], ["group", "list"], ["user", "list"]):
            done = subprocess.run(
                [binary(), *command, "-b", f"localhost:{broker.ports['MUTUAL']}", "--command-config", str(file)],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr


def run_own(broker, properties):
    """Commands that go by librdkafka, and by connections of our own."""
    file = broker.folder / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    for command in (["topic", "list"], ["group", "list"]):
        done = subprocess.run(
            [binary(), *command, "-b", f"localhost:{broker.ports['MUTUAL']}", "--command-config", str(file)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("said", ["PKCS12", "JKS", "PEM", None])
@pytest.mark.parametrize("kind", ["PKCS12", "PEM"])
def test_what_is_in_the_file_counts(make_secure, certificates, kind, said):  # noqa: F811
    broker = make_secure({})
    folder = certificates.folder
    store = str(folder / "client.both.pem") if kind == "PEM" else key_store(certificates, "client", "PKCS12")
    own = {"security.protocol": "SSL", "ssl.truststore.location": certificates.authority, "ssl.keystore.location": store}
    if kind == "PKCS12":
        own["ssl.keystore.password"] = PASSWORD
    if said:
        own |= {"ssl.keystore.type": said, "ssl.truststore.type": said}
    run_own(broker, own)


def test_a_client_shows_the_whole_chain(make_secure, certificates, tmp_path):  # noqa: F811
    """Its certificate is by an authority that only the broker's own authority vouches for."""
    root = certificates.folder

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "ca").write_text("basicConstraints=critical,CA:TRUE\n")
    for name, issuer, key, extra in (
        ("between", root / "ca.pem", root / "ca.key", ["-extfile", "ca"]), ("leaf", "between.pem", "between.key", []),
    ):  # fmt: skip
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", issuer, "-CAkey", key, "-CAcreateserial", "-days", "30", *extra,
                "-out", f"{name}.pem")  # fmt: skip
    openssl("pkcs12", "-export", "-in", "leaf.pem", "-inkey", "leaf.key", "-certfile", "between.pem", "-out", "leaf.p12",
            "-passout", f"pass:{PASSWORD}")  # fmt: skip
    run_own(make_secure({}), {
        "security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.location": certificates.authority,
        "ssl.keystore.type": "PKCS12", "ssl.keystore.location": tmp_path / "leaf.p12", "ssl.keystore.password": PASSWORD,
    })  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_https_ports(tmp_path, kind):
    platform = Platform(tmp_path, properties={"authentication.method": "NONE"})
    client = platform.certificates.issue("client", "DNS:client")
    platform.properties |= {
        "ssl.keystore.location": key_store(platform.certificates, "server", kind), "ssl.keystore.type": type_of(kind),
        "ssl.keystore.password": PASSWORD, "ssl.truststore.location": trust_store(platform.certificates, kind),
        "ssl.truststore.type": type_of(kind), "ssl.truststore.password": PASSWORD, "registry.ssl.client.authentication": "REQUIRED",
    }
    with_start(platform)
    try:
        assert platform.curl("registry", "/subjects", user=None, check=False).returncode != 0
        assert platform.ask("registry", "/subjects", "--cert", client, user=None)[0] == 200
        assert platform.ask("sql", "/info", user=None)[0] == 200
    finally:
        platform.stop()


BAD = ("crossed", "wrong password", "empty", "no key", "another's key in PEM")


def bad(certificates, case):  # noqa: F811
    """Properties of a key store that cannot be used, and words of the refusal."""
    folder = certificates.folder
    properties = {"ssl.keystore.type": "PKCS12", "ssl.keystore.password": PASSWORD}
    if case == "crossed":
        return properties | {"ssl.keystore.location": crossed_store(folder)}, "no certificate of that key"
    if case == "wrong password":
        store = key_store(certificates, "server", "PKCS12")
        return properties | {"ssl.keystore.location": store, "ssl.keystore.password": "wrong"}, "password is another one"
    if case == "empty":
        (folder / "empty.p12").write_bytes(b"")
        return properties | {"ssl.keystore.location": str(folder / "empty.p12")}, "is no key store"
    if case == "no key":
        return properties | {"ssl.keystore.location": trust_store(certificates, "PKCS12")}, "no key store with a private key"
    mixed = folder / "mixed.pem"
    mixed.write_bytes((folder / "server.pem").read_bytes() + (folder / "client.key").read_bytes())
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(mixed)}, "does not belong to its certificate"


@pytest.mark.parametrize("case", BAD)
def test_a_bad_key_store_is_told_of_at_the_start(make_secure, certificates, tmp_path, case):  # noqa: F811
    properties, words = bad(certificates, case)
    broker = make_secure(properties, start=False, users=())
    done = subprocess.run(broker.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 64) and words in done.stderr, f"{done.returncode} {done.stderr}"
    platform = Platform(tmp_path / "platform", properties=properties)
    platform.properties |= properties
    done = subprocess.run(platform.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 64) and words in done.stderr, f"{done.returncode} {done.stderr}"
    for secret in (PASSWORD, "wrong"):
        assert f"'{secret}'" not in done.stderr


def test_a_store_is_read_again_and_a_bad_one_is_not_used(make_secure, certificates, tmp_path):  # noqa: F811
    """On a listener of Kafka and an HTTPS port: the one in force stays, and a good one is taken afterwards."""
    place = tmp_path / "server.p12"

    def put(path):
        fresh = place.with_suffix(".new")
        shutil.copy(path, fresh)
        fresh.rename(place)

    good = key_store(certificates, "server", "PKCS12")
    certificates.issue("later", "DNS:localhost,IP:127.0.0.1")
    later = key_store(certificates, "later", "PKCS12 of old")
    put(good)
    properties = {"ssl.keystore.type": "PKCS12", "ssl.keystore.location": str(place), "ssl.keystore.password": PASSWORD}
    broker = make_secure(properties)
    platform = Platform(tmp_path / "platform")
    platform.properties |= properties
    with_start(platform)
    ports = ((broker, broker.ports["SSL"]), (platform, platform.ports["registry"]))
    try:
        before = [serial(port) for _, port in ports]
        for path in (crossed_store(certificates.folder), bad(certificates, "empty")[0]["ssl.keystore.location"]):
            marks = [len(server.log()) for server, _ in ports]
            put(path)
            for (server, port), mark in zip(ports, marks):
                wait_until(lambda: serial(port) and "cannot be used" in server.log()[mark:])
            assert [serial(port) for _, port in ports] == before
        put(later)
        for (_, port), first in zip(ports, before):
            wait_until(lambda: serial(port) != first)
    finally:
        platform.stop()
    assert by_confluent(broker.conf("SSL"), "t", b"x") == b"x"


def test_an_authority_of_java_that_trusts_nobody_lets_nobody_in(make_secure, certificates, tmp_path):  # noqa: F811
    """A store with another authority in it: the certificate of the client is not trusted."""
    other = trust_store(Certificates(tmp_path / "other"), "JKS")
    broker = make_secure({
        "listener.name.mutual.ssl.truststore.location": other, "listener.name.mutual.ssl.truststore.type": "JKS",
        "listener.name.mutual.ssl.truststore.password": PASSWORD,
    })  # fmt: skip
    context = ssl.create_default_context(cafile=certificates.authority)
    context.load_cert_chain(certificates.folder / "client.both.pem")
    with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
        with socket.create_connection(("127.0.0.1", broker.ports["MUTUAL"]), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(b"\0")
                assert secured.recv(1)

