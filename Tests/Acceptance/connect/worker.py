"""A program with a Connect worker, and the worker as its clients see it."""

import contextlib
import json
import os
import sys
from pathlib import Path

import confluent_kafka

sys.path.insert(0, str(Path(__file__).parent.parent))

from process import Broker, binary, free_port, wait_until  # noqa: E402
from registry import Http  # noqa: E402

SHARED = Path(os.environ.get("SWIFTWATER_SHARED", "../shared"))


class Worker(Broker):
    """`swiftwater start` with a broker and a Connect worker, or with `remote` a worker of another broker; `settings` are the
    worker's own, by Connect's names."""

    def __init__(self, folder, properties=None, connect_port=None, remote=None, registry=False, sql=False, settings=None, **options):
        self.connect_port = connect_port or free_port()
        self.registry_port = free_port() if registry else None
        self.sql_port = free_port() if sql else None
        self.remote = remote
        flags = ["--connect", f"127.0.0.1:{self.connect_port}", "--admin", "none"]
        flags += ["--registry", f"127.0.0.1:{self.registry_port}" if registry else "none"]
        if sql:
            flags += ["--sql", f"127.0.0.1:{self.sql_port}"]
        if remote:
            flags += ["--roles", "connect", "--bootstrap-servers", remote]
        if settings:
            flags += ["--connect-config", str(Path(folder) / "worker.properties")]
        super().__init__(folder, properties, flags=flags, **options)
        self.folder.mkdir(exist_ok=True)
        if settings:
            text = "".join(f"{name}={value}\n" for name, value in settings.items())
            (self.folder / "worker.properties").write_text(text)
        self.http = Http(f"http://127.0.0.1:{self.connect_port}")

    def ask(self, method, path, body=None):
        answer = self.http.ask(method, path, body, Content_Type="application/json")
        return answer.status, json.loads(answer.body) if answer.body else None, answer.headers

    def ask_sql(self, path, body=None):
        """The SQL server's answer, whatever its status."""
        answer = Http(f"http://127.0.0.1:{self.sql_port}").ask(
            "GET" if body is None else "POST", path, body, Content_Type="application/json")
        return json.loads(answer.body)

    def sql(self, text):
        """Entities that statements answer with, or the error; queries begin with the oldest records."""
        return self.ask_sql("/ksql", {"ksql": text, "streamsProperties": {"auto.offset.reset": "earliest"}})

    def put(self, name, **config):
        config = {key.replace("__", "."): value for key, value in config.items()}
        status, body, _ = self.ask("PUT", f"/connectors/{name}/config", config)
        assert status in (200, 201), body
        return body

    def status(self, name):
        status, body, _ = self.ask("GET", f"/connectors/{name}/status")
        return body if status == 200 else None

    def states(self, name):
        """("RUNNING", ["RUNNING", ...])"""
        body = self.status(name)
        return (body["connector"]["state"], [task["state"] for task in body["tasks"]]) if body else None

    def wait_running(self, name, tasks=1):
        wait_until(lambda: self.states(name) == ("RUNNING", ["RUNNING"] * tasks), what=f"{name} runs", timeout=30)

    def restart_parts(self, path):
        """Restarts what /connectors/`path` names, and waits until that is over."""
        with self.restarts() as wait:
            answer = self.http.ask("POST", f"/connectors/{path}")
            assert answer.status in (202, 204), answer
            wait(f"/connectors/{path}", answer)

    @contextlib.contextmanager
    def restarts(self):
        """What waits for the restart that a request within asked for. The worker has answered before it begins, so that states
        asked for then may still be those before it; the topic of states tells."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.remote or self.address, "group.id": "restarts"})
        topic = consumer.list_topics("connect-status", 30).topics["connect-status"]
        ends = [confluent_kafka.TopicPartition("connect-status", partition) for partition in topic.partitions]
        for end in ends:
            end.offset = consumer.get_watermark_offsets(end, 30)[1]
        consumer.assign(ends)

        def wait(path, answer):
            restarting, over = restarted(path, answer), set()

            def is_over():
                message = consumer.poll(0.1)
                if message and not message.error() and message.value():
                    key = message.key().decode()
                    if json.loads(message.value())["state"] == "RESTARTING":
                        restarting.discard(key)
                        over.add(key)
                    else:
                        over.discard(key)
                return not restarting and not over

            wait_until(is_over, 30, f"{path} done")

        try:
            yield wait
        finally:
            consumer.close()


def restarted(path, answer):
    """The keys of the states of what restarts by the answer of POST `path`."""
    _, _, name, *rest = path.partition("?")[0].split("/")
    if answer.status == 204:
        return {f"status-task-{name}-{rest[1]}" if rest[0] == "tasks" else f"status-connector-{name}"}
    if answer.status != 202:
        return set()
    body = json.loads(answer.body)
    states = [(f"status-connector-{name}", body["connector"]), *((f"status-task-{name}-{task['id']}", task) for task in body["tasks"])]
    return {key for key, state in states if state["state"] == "RESTARTING"}
