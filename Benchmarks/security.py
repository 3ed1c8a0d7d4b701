"""What TLS, SASL and ACLs take of the broker, for `./dev bench security`. Prints a Markdown table.

    security.py [--records N] [--connections N]

SWIFTWATER_BIN names the program. Clients are librdkafka's; they and the broker share the machine, and what is told is the
processor time of the broker alone. It moves by 10 to 30 % where other work runs beside it.
"""

import argparse
import os
import shutil
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path

import confluent_kafka
from confluent_kafka.admin import (
    AclBinding, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType, ResourceType,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests/Acceptance"))

from secured import Certificates  # noqa: E402
from test_security import SecureBroker  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


def processor_seconds(broker):
    parts = Path(f"/proc/{broker.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / TICKS


def measured(broker, body):
    """Processor seconds of the broker while `body` runs."""
    before = processor_seconds(broker)
    body()
    time.sleep(0.2)
    return processor_seconds(broker) - before


def produce(conf, topic, count, byte_count):
    producer = confluent_kafka.Producer(
        conf | {"acks": "1", "linger.ms": 5, "batch.size": 16384, "queue.buffering.max.messages": 200_000})
    value = os.urandom(byte_count)
    for _ in range(count):
        while True:
            try:
                producer.produce(topic, value)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(120) == 0


def consume(conf, topic, count):
    consumer = confluent_kafka.Consumer(conf | {"group.id": "bench"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    seen = 0
    while seen < count:
        seen += len(consumer.consume(10_000, 1))
    consumer.close()


def make_rules(admin):
    """Of them all, those that count are looked for among a thousand others."""
    def rule(kind, name, principal, operation):
        return AclBinding(kind, name, ResourcePatternType.LITERAL, principal, "*", operation, AclPermissionType.ALLOW)

    wanted = [rule(ResourceType.TOPIC, f"t{n}", f"User:u{n}", AclOperation.WRITE) for n in range(1000)]
    wanted += [rule(ResourceType.TOPIC, "t", "User:ann", AclOperation.ALL)]
    for future in admin.create_acls(wanted).values():
        future.result(30)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--records", type=int, default=500_000)
    arguments.add_argument("--connections", type=int, default=300)
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-security-"))
    certificates = Certificates(folder / "certificates")
    certificates.issue("server", "DNS:localhost,IP:127.0.0.1")
    certificates.issue("client", "DNS:client")
    print("| listener | produce, s of a processor per million of 1 KiB | consume |")
    print("|---|---:|---:|")
    cases = [
        ("PLAINTEXT", None, {}), ("SASL_PLAINTEXT", "SCRAM-SHA-512", {}),
        ("SASL_PLAINTEXT", "SCRAM-SHA-512", {"authorizer.class.name": AUTHORIZER, "super.users": "User:root"}),
        ("SSL", None, {}), ("SASL_SSL", "SCRAM-SHA-512", {}),
    ]  # fmt: skip
    try:
        for number, (listener, mechanism, properties) in enumerate(cases):
            broker = SecureBroker(folder / f"broker{number}", certificates, properties, (("ann", "a"), ("root", "r"))).start()
            user = {"user": "ann", "password": "a"} if mechanism else {}
            root = {"user": "root", "password": "r"} if mechanism else {}
            conf = broker.conf(listener, mechanism, **user)
            admin = AdminClient(broker.conf(listener, mechanism, **root))
            for topic in ("warm", "t"):
                admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
            if properties:
                make_rules(admin)
            produce(broker.conf(listener, mechanism, **root), "warm", given.records // 10, 1024)
            written = measured(broker, lambda: produce(conf, "t", given.records, 1024))
            read = measured(broker, lambda: consume(conf, "t", given.records))
            million = given.records / 1_000_000
            name = f"{listener}{', an authorizer with 1001 rules' if properties else ''}"
            print(f"| {name} | {written / million:.2f} | {read / million:.2f} |", flush=True)
            broker.stop()
        broker = SecureBroker(folder / "connections", certificates, users=(("ann", "a"),)).start()
        context = ssl.create_default_context(cafile=certificates.authority)

        def connect(wrapped):
            for _ in range(given.connections):
                with socket.create_connection(("localhost", broker.ports["SSL" if wrapped else "PLAINTEXT"])) as plain:
                    if wrapped:
                        with context.wrap_socket(plain, server_hostname="localhost"):
                            pass

        print("\n| connections | ms of a processor each |\n|---|---:|")
        for wrapped, name in ((False, "plain"), (True, "TLS 1.3, RSA with 2048 bits")):
            seconds = measured(broker, lambda: connect(wrapped))  # noqa: B023
            print(f"| {name} | {seconds * 1000 / given.connections:.2f} |", flush=True)
        broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
