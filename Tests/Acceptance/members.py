"""Members of consumer groups, each a process: children/member.py, java/Member.java or kcat.

The options of a member, with the defaults of `DEFAULTS`:
    client       confluent, kafka-python, aiokafka, java, kcat
    group, topics or regex
    protocol     classic, or consumer (KIP-848: confluent and java)
    assignor     range, roundrobin, cooperative-sticky; of the new protocol: uniform, range, or none for the default
    instance     group.instance.id
    sessionMs, heartbeatMs, pollMaxMs
    commit       each (after every poll that found records), auto, none
    reset        auto.offset.reset
    debug        the Python clients' own logging, in the member's log
"""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from jvm import JVM_FLAGS, class_path
from process import wait_until

DEFAULTS = {
    "protocol": "classic", "sessionMs": 6000, "heartbeatMs": 300, "pollMaxMs": 300_000, "commit": "each",
    "reset": "earliest", "isolation": "read_uncommitted",
}  # fmt: skip


class Child:
    """A process that tells events in JSON lines and takes commands."""

    def __init__(self, command, log):
        self.events, self.unread, self.lock, self.log = [], [], threading.Lock(), log
        self.started = time.monotonic()
        self.errors = open(log, "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                self.unread.append(line)  # cut off by kill -9
                continue
            with self.lock:
                self.events.append(event)
                self.apply(event)

    def apply(self, event):
        """Subclasses keep their state here; the lock is held."""

    def named(self, *names):
        with self.lock:
            return [event for event in self.events if event["event"] in names]

    def tell(self, **command):
        assert self.alive, f"it has ended by itself with {self.process.returncode}: {self.tail()}"
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    @property
    def alive(self):
        return self.process.poll() is None

    def close(self, timeout=30):
        """As a well-behaved program ends."""
        self.tell(do="close")
        assert self.process.wait(timeout) == 0, self.tail()
        self.reader.join(10)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(10)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def tail(self):
        with self.lock:
            return f"{self.events[-5:]}\n{Path(self.log).read_text(errors='replace')[-3000:]}"


class Member(Child):
    def __init__(self, folder, bootstrap, java=None, **options):
        self.options = {**DEFAULTS, "bootstrap": bootstrap, **options}
        self.assignment, self.records, self.rebalances = set(), [], 0
        client = self.options["client"]
        if client == "kcat":
            command = self.kcat()
        elif client == "java":
            command = ["java", *JVM_FLAGS, "-cp", f"{java.folder}:{class_path()}", "Member", json.dumps(self.options)]
        else:
            child = Path(__file__).parent / "children/member.py"
            command = [sys.executable, str(child), json.dumps(self.options)]
        Path(folder).mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in Path(folder).iterdir())
        super().__init__(command, Path(folder) / f"{client}-{number}.log")
        if client == "kcat":
            self.watch = threading.Thread(target=self.read_kcat_errors, daemon=True)
            self.watch.start()

    def apply(self, event):
        match event["event"]:
            case "records":
                self.records += [tuple(record) for record in event["records"]]
            case "assigned":
                self.assignment |= {tuple(p) for p in event["partitions"]}
                self.rebalances += 1
            case "revoked" | "lost":
                self.assignment -= {tuple(p) for p in event["partitions"]}

    # -- kcat prints its records to one file and its assignments to another

    def kcat(self):
        o = self.options
        settings = {
            "session.timeout.ms": o["sessionMs"], "heartbeat.interval.ms": o["heartbeatMs"],
            "auto.offset.reset": o["reset"], "auto.commit.interval.ms": 200, "isolation.level": o["isolation"],
            "partition.assignment.strategy": o.get("assignor", "range"), "topic.metadata.refresh.interval.ms": 1000,
        }  # fmt: skip
        if o.get("instance"):
            settings["group.instance.id"] = o["instance"]
        topics = ["^" + o["regex"]] if o.get("regex") else o["topics"]
        flags = [part for name, value in settings.items() for part in ("-X", f"{name}={value}")]
        shown = ["-u", "-f", '{"event":"records","at":0,"records":[["%t",%p,%o,"%s"]]}\n']
        return ["kcat", "-b", o["bootstrap"], *flags, *shown, "-G", o["group"], *topics]

    def read_kcat_errors(self):
        """`% Group g rebalanced (memberid m): assigned: t [0], t [1]`, or
        `% Group g rebalanced: incremental assignment of 2 partition(s) (memberid m, COOPERATIVE ...): t [0], t [1]`"""
        at = 0
        while True:
            alive = self.alive
            text = Path(self.log).read_text(errors="replace")
            lines = text[at:].splitlines(keepends=True)
            for line in lines:
                if not line.endswith("\n"):
                    break
                at += len(line)
                if " rebalanced" in line:
                    kind = "assigned" if " assigned:" in line or "incremental assignment" in line else "revoked"
                    partitions = [[t, int(p)] for t, p in re.findall(r"([\w.-]+) \[(\d+)\]", line)]
                    event = {"event": kind, "at": time.monotonic(), "partitions": partitions}
                    with self.lock:
                        self.events.append(event)
                        self.apply(event)
            if not alive:
                return
            time.sleep(0.02)

    def close(self, timeout=30):
        if self.options["client"] == "kcat":
            self.process.terminate()
            self.process.wait(timeout)
            self.reader.join(10)
        else:
            super().close(timeout)

    # -- what tests ask

    def owned(self):
        with self.lock:
            return set(self.assignment)

    def read_count(self):
        with self.lock:
            return len(self.records)

    def values(self):
        with self.lock:
            return [value for *_, value in self.records]


class Members:
    """The members of one scenario; those that still run are killed at its end."""

    def __init__(self, folder, bootstrap, java, **common):
        self.folder, self.bootstrap, self.java, self.common, self.all = folder, bootstrap, java, common, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.all:
            if member.alive:
                member.kill()

    def join(self, **options):
        member = Member(self.folder, self.bootstrap, self.java, **{**self.common, **options})
        self.all.append(member)
        return member

    def settle(self, members, counts, timeout=45):
        """Waits until the members own disjoint sets of partitions of the given sizes, in any order."""

        def settled():
            owned = [member.owned() for member in members]
            whole = set().union(*owned)
            return len(whole) == sum(counts) and sorted(map(len, owned)) == sorted(counts)

        try:
            wait_until(settled, timeout, f"{counts} partitions")
        except AssertionError as error:
            state = "\n".join(f"{m.options['client']} {sorted(m.owned())}\n{m.tail()}" for m in members)
            raise AssertionError(f"{error}\n{state}") from None

    def values(self):
        """All that the group has read."""
        return [value for member in self.all for value in member.values()]
