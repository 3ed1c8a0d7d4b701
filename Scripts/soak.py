"""The soak behind `./dev soak`: random clients under random faults, and then the account of every record.

    soak.py --minutes N [--seed S] [--folder F] [--keep] [--quick]

Clients of five kinds write and read through one broker: idempotent producers, transactional producers that abort on
purpose, groups whose members are of different libraries, read-process-write loops, a writer of a compacted topic,
topics that come and go. Meanwhile, by a schedule that the printed seed decides, the broker is killed, stopped, frozen,
its disk fills up and its wall clock steps, and clients are killed and frozen. Between two thirds and nine tenths of the
time the broker is left alive, so that its memory can be judged.

At the end everything is healed and read back. Exit code 0: no acknowledged record is lost, none is there twice, each
client within its own guarantee, and the memory was flat. Otherwise 1, with what is wrong and where the files are.
SWIFTWATER_BIN names the program; the acceptance tests' Python environment has the clients.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

ACCEPTANCE = Path(__file__).resolve().parent.parent / "Tests/Acceptance"
sys.path.insert(0, str(ACCEPTANCE))

import confluent_kafka  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

from faults import SteppedBroker  # noqa: E402
from jvm import JVM_FLAGS, Java, class_path  # noqa: E402
from members import Child, Member  # noqa: E402
from process import wait_until  # noqa: E402

PLAIN_PARTITIONS, OUT_PARTITIONS, KEYS = 4, 3, 200
KEPT = {"retention.ms": "-1"}
PROPERTIES = {"log.cleaner.backoff.ms": 2000}
# Backwards the clock goes less than an hour: clients' records would otherwise lie too far in the broker's future
# (message.timestamp.after.max.ms). Forwards less than the day after which idempotent producers are forgotten.
CLOCK_SECONDS = (-50 * 60, 10 * 3600)


def command_of(folder, java, program, java_class, options):
    if options["client"] == "java":
        return ["java", *JVM_FLAGS, "-cp", f"{java.folder}:{class_path()}", java_class, json.dumps(options)]
    return [sys.executable, str(ACCEPTANCE / "children" / program), json.dumps(options)]


class Writer(Child):
    """children/produce.py or java/Produce.java. `acknowledged` are numbers; a transaction is a tuple of them."""

    def __init__(self, folder, java, **options):
        self.options, self.acknowledged = options, set()
        self.transactions = {"committed": [], "aborted": [], "unknown": []}
        self.failed = []
        command = command_of(folder, java, "produce.py", "Produce", options)
        super().__init__(command, folder / f"writer-{options['name']}.log")

    def apply(self, event):
        match event["event"]:
            case "acknowledged":
                self.acknowledged.update(event["numbers"])
            case "failed":
                self.failed.append(event["number"])
            case "committed" | "aborted" | "unknown" as outcome:
                self.transactions[outcome].append(tuple(event["numbers"]))


class Loop(Child):
    """children/transact.py or java/Transact.java."""

    def __init__(self, folder, java, number, **options):
        self.options, self.count = options, 0
        command = command_of(folder, java, "transact.py", "Transact", options)
        super().__init__(command, folder / f"loop-{options['id']}-{number}.log")

    def apply(self, event):
        if event["event"] == "committed":
            self.count += event["count"]


class Soak:
    def __init__(self, arguments):
        self.seconds, self.seed = arguments.minutes * 60, arguments.seed
        self.random = random.Random(self.seed)
        self.folder = Path(arguments.folder or tempfile.mkdtemp(prefix="swiftwater-soak-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disk = self.folder / "disk"
        self.disk.mkdir(exist_ok=True)
        size = "512m" if arguments.minutes <= 5 else "2g"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.disk)], capture_output=True
        )
        self.mounted = mounted.returncode == 0
        self.broker = SteppedBroker(self.disk, PROPERTIES, workshop=self.folder)
        self.broker.log_path = self.folder / "broker.log"
        self.java = Java(self.folder / "java")
        (self.folder / "java").mkdir(exist_ok=True)
        self.writers, self.loops, self.members = [], {}, defaultdict(list)
        self.live, self.churn_errors, self.churned = {}, [], 0
        self.samples, self.incarnation, self.problems, self.faults = [], 0, [], Counter()
        self.healing = False
        self.named, self.ends, self.lock = 0, threading.Event(), threading.Lock()
        self.began = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    # -- what runs

    def admin(self):
        return AdminClient(
            {
                "bootstrap.servers": self.broker.address, "log_level": 0, "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 200,
            }
        )  # fmt: skip

    def create(self, name, partitions, configs=None):
        new = NewTopic(name, num_partitions=partitions, replication_factor=1, config={**KEPT, **(configs or {})})
        client = self.admin()  # which must live until the answer is here
        client.create_topics([new], request_timeout=10)[name].result(20)

    def delete(self, name):
        client = self.admin()
        client.delete_topics([name], request_timeout=10)[name].result(20)

    def writer(self, client, role, topic, partitions, rate, **options):
        self.named += 1
        name = f"{client}.{role}.{self.named}"
        made = Writer(
            self.folder, self.java, client=client, role=role, bootstrap=self.broker.address, topic=topic,
            partitions=partitions, rate=rate, name=name, **options,
        )  # fmt: skip
        self.writers.append(made)
        self.live[("writer", client, role)] = made
        return made

    def loop(self, key, **options):
        self.named += 1
        self.loops[key] = Loop(
            self.folder, self.java, self.named, bootstrap=self.broker.address, input="plain", abortEvery=20,
            seed=self.named, batch=200, transactionMs=20_000, sessionMs=10_000, **options,
        )  # fmt: skip
        self.live[("loop", key)] = self.loops[key]

    def member(self, group, slot, client, **options):
        made = Member(
            self.folder / f"members-{group}", self.broker.address, self.java, client=client, group=group,
            topics=["plain"], sessionMs=8000, heartbeatMs=1000, **options,
        )  # fmt: skip
        self.members[group].append(made)
        self.live[("member", group, slot)] = made

    def restart_child(self, key):
        """A new process in the place of one that was killed."""
        old = self.live[key]
        match key[0]:
            case "writer":
                o = old.options
                extra = {k: o[k] for k in ("transactions", "codec") if k in o}
                self.writer(o["client"], o["role"], o["topic"], o["partitions"], o["rate"], **extra)
            case "loop":
                keep = ("client", "group", "id", "output", "partitions", "protocol")
                self.loop(key[1], **{k: v for k, v in old.options.items() if k in keep})
            case "member":
                keep = ("assignor", "instance", "protocol")
                self.member(
                    key[1], key[2], old.options["client"], **{k: v for k, v in old.options.items() if k in keep}
                )

    def start(self):
        self.broker.start()
        self.java.__enter__()
        self.create("plain", PLAIN_PARTITIONS)
        self.create("transactions", OUT_PARTITIONS, {"segment.bytes": "1048576"})
        self.create(
            "compacted", 2,
            {
                "cleanup.policy": "compact", "internal.segment.bytes": "262144", "min.cleanable.dirty.ratio": "0.1",
                "delete.retention.ms": "600000",
            },
        )  # fmt: skip
        for client, codec in (("confluent", "lz4"), ("java", "zstd"), ("kafka-python", "gzip"), ("aiokafka", "none")):
            self.writer(client, "plain", "plain", PLAIN_PARTITIONS, 60, codec=codec)
        for client in ("confluent", "kafka-python"):
            self.writer(client, "txn", "transactions", OUT_PARTITIONS, 40, transactions=f"writer-{client}")
        # Never killed: its last words about each key are compared with what the compacted topic holds.
        self.writer("confluent", "keys", "compacted", 2, 100, keys=KEYS)
        for key, options in {
            "confluent-0": {"client": "confluent", "group": "loop-confluent"},
            "confluent-1": {"client": "confluent", "group": "loop-confluent"},
            "java-0": {"client": "java", "group": "loop-java"},
            "aiokafka-0": {"client": "aiokafka", "group": "loop-aiokafka", "partitions": [0, 1]},
            "aiokafka-1": {"client": "aiokafka", "group": "loop-aiokafka", "partitions": [2, 3]},
        }.items():
            output = f"out-{options['client']}"
            if output not in self.outputs():
                self.create(output, OUT_PARTITIONS)
            self.loop(key, id=key, output=output, **options)
        # kafka-python 3.0 is not among the members: it may go round in circles after a rebalance, silent for ever.
        for slot, client in enumerate(("confluent", "java", "aiokafka")):
            self.member("mixed", slot, client, assignor="range")
        for slot in range(3):
            self.member("cooperative", slot, "confluent", assignor="cooperative-sticky")
        self.member("static", 0, "confluent", instance="one")
        self.member("static", 1, "aiokafka", instance="two")
        if self.offers_new_protocol():
            for slot, client in enumerate(("confluent", "java")):
                self.member("new", slot, client, protocol="consumer")

    def outputs(self):
        return {loop.options["output"] for loop in self.loops.values()}

    def offers_new_protocol(self):
        from wire import api_versions

        return 68 in api_versions(self.broker.address)

    # -- topics that come and go

    def churn(self):
        """A topic is made, written, read, deleted and made again under its name; it must begin empty each time."""
        number = 0
        while not self.ends.is_set():
            number += 1
            name = f"churn-{number % 3}"
            try:
                self.create(name, 2)
                values = [b"%d.%d" % (number, n) for n in range(20)]
                producer = confluent_kafka.Producer(
                    {"bootstrap.servers": self.broker.address, "enable.idempotence": True, "log_level": 0}
                )
                failed = []
                for n, value in enumerate(values):
                    producer.produce(
                        name, value, partition=n % 2, on_delivery=lambda error, _: error and failed.append(error)
                    )
                if producer.flush(30) or failed:
                    raise confluent_kafka.KafkaException(failed[0] if failed else "not delivered")
                found = self.read(name, 2, False, 30)
                seen = sorted(v for _, _, _, v in found)
                if seen != sorted(values):
                    self.churn_errors.append(f"{name}, incarnation {number}: {seen} instead of {sorted(values)}")
                if {(p, o) for p, o, _, _ in found} != {(n % 2, n // 2) for n in range(20)}:
                    self.churn_errors.append(f"{name}, incarnation {number}: offsets {[f[:2] for f in found]}")
                self.churned += 1
            except (confluent_kafka.KafkaException, TimeoutError):
                pass  # a fault; whatever stands is deleted below
            try:
                self.delete(name)
            except confluent_kafka.KafkaException:
                pass
            while not self.ends.wait(0.5):
                try:
                    if name not in self.admin().list_topics(timeout=10).topics:
                        break
                    self.delete(name)
                except confluent_kafka.KafkaException:
                    pass
            self.ends.wait(1)

    def read(self, topic, partitions, committed=True, timeout=120):
        """[(partition, offset, key, value)] up to the ends that the first reads found."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.broker.address, "group.id": "account", "enable.auto.commit": False,
                "isolation.level": "read_committed" if committed else "read_uncommitted", "log_level": 0,
                "enable.partition.eof": True, "auto.offset.reset": "earliest", "check.crcs": True,
                "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
            }
        )  # fmt: skip
        found, ended, deadline = [], set(), time.monotonic() + timeout
        try:
            consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(partitions)])
            while len(ended) < partitions:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{topic} was not read to its end within {timeout} s")
                for message in consumer.consume(1000, 0.2):
                    error = message.error()
                    if error is None:
                        found.append((message.partition(), message.offset(), message.key(), message.value()))
                    elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        ended.add(message.partition())
        finally:
            consumer.close()
        return found

    # -- faults

    def schedule(self):
        """[(second, fault)]: all that is random about the faults is decided here, from the seed."""
        events, at = [], 5.0
        calm = (self.seconds * 2 / 3, self.seconds * 0.9)
        while at < self.seconds - 5:
            broker_faults = ["kill"] * 4 + ["stop", "freeze"] if not calm[0] <= at <= calm[1] else ["freeze"]
            kinds = broker_faults + ["client kill"] * 4 + ["client freeze", "clock", "clock"]
            if self.mounted:
                kinds.append("disk full")
            kind = self.random.choice(kinds)
            events.append((at, kind, self.random.random()))
            at += self.random.uniform(3, 12)
        return events

    def strike(self, kind, dice):
        """`dice` decides what is open; the choice among clients is made when it comes, in a fixed order."""
        self.faults[kind] += 1
        match kind:
            case "kill" | "stop":
                self.broker.kill() if kind == "kill" else self.broker.stop(30)
                time.sleep(dice * 2)
                self.broker.start()
                self.incarnation += 1
            case "freeze":
                self.broker.process.send_signal(signal.SIGSTOP)
                time.sleep(0.5 + dice * 5)
                self.broker.process.send_signal(signal.SIGCONT)
            case "clock":
                low, high = CLOCK_SECONDS
                seconds = low + dice * (high - low) if dice > 0.3 else low * dice
                self.broker.step(seconds)
                return f"{seconds:+.0f} s"
            case "disk full":
                ballast = self.disk / "ballast"
                subprocess.run(
                    ["dd", "if=/dev/zero", f"of={ballast}", "bs=1M"], capture_output=True
                )  # ends with the space
                time.sleep(1 + dice * 6)
                ballast.unlink()
            case "client kill" | "client freeze":
                keys = sorted((k for k in self.live if k[-1] != "keys"), key=str)
                key = keys[int(dice * len(keys))]
                child = self.live[key]
                if kind == "client kill":
                    child.kill()
                    self.restart_child(key)
                else:
                    child.freeze()
                    time.sleep(9)
                    child.thaw()
                return "/".join(map(str, key[1:]))
        return ""

    def revive(self):
        """Clients that have ended by themselves: idempotent producers may, after a failure that cannot be retried."""
        for key, child in list(self.live.items()):
            if not child.alive and not (self.healing and key[0] == "writer"):
                if key[0] == "loop" and child.process.returncode == 3:  # that is how a confluent loop begins anew
                    self.restart_child(key)
                    continue
                self.faults["ended by itself"] += 1
                self.say(f"{'/'.join(map(str, key))} has ended by itself: {child.tail()[-600:]}")
                if key[-1] == "keys":
                    self.problems.append("the writer of keys has ended")
                else:
                    self.restart_child(key)

    def watch(self):
        """Memory, threads and descriptors of the broker, every second."""
        while not self.ends.wait(1):
            process = self.broker.process
            if process is None:
                continue
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                files = len(os.listdir(f"/proc/{process.pid}/fd"))
            except OSError:
                continue
            kib = {name: int(n) for name, n in re.findall(r"^(VmRSS|RssAnon|Threads):\s+(\d+)", status, re.MULTILINE)}
            if "RssAnon" in kib:
                now = time.monotonic() - self.began
                self.samples.append((now, self.incarnation, kib["RssAnon"], kib["VmRSS"], kib["Threads"], files))

    def report(self):
        if not self.samples:
            return
        at, incarnation, anonymous, resident, threads, files = self.samples[-1]
        done = sum(len(w.acknowledged) + 5 * len(w.transactions["committed"]) for w in self.writers)
        read = sum(m.read_count() for all_ in self.members.values() for m in all_)
        self.say(
            f"broker #{incarnation}: {anonymous / 1024:.0f} MiB of its own ({resident / 1024:.0f} with files), "
            f"{threads} threads, {files} files; {done} records acknowledged, {read} read by groups, "
            f"{self.churned} topics came and went"
        )

    def run(self):
        events = self.schedule()
        self.say(f"seed {self.seed}, {self.seconds / 60:g} minutes, {len(events)} faults, files in {self.folder}")
        if not self.mounted:
            self.say("mounting a tmpfs is not permitted: the disk will not fill up")
        self.start()
        helpers = [threading.Thread(target=f, daemon=True) for f in (self.churn, self.watch)]
        for helper in helpers:
            helper.start()
        started, told = time.monotonic(), 0.0
        for at, kind, dice in [*events, (self.seconds, None, 0)]:
            while (now := time.monotonic() - started) < at:
                if now - told >= 30:
                    told = now
                    self.report()
                self.revive()
                time.sleep(min(0.5, max(0.0, at - now)))
            if kind:
                detail = self.strike(kind, dice)
                self.say(f"{kind} {detail}".rstrip())
        self.report()
        self.account()
        self.ends.set()
        for helper in helpers:
            helper.join(60)

    # -- the account

    def account(self):
        self.say("healing: everything runs, writers end")
        self.broker.step(0)
        self.revive()
        self.healing = True
        for key, child in list(self.live.items()):
            if key[0] == "writer" and child.alive:
                child.tell(do="close")
        for key, child in list(self.live.items()):
            if key[0] == "writer":
                try:
                    child.process.wait(60)
                    child.reader.join(10)
                except subprocess.TimeoutExpired:
                    name = child.options["name"]
                    self.say(f"writer {name} did not end and is killed; its last words: {child.tail()[-600:]}")
                    if child.options["client"] != "kafka-python":  # whose close() may wait for itself
                        self.problems.append(f"writer {name} did not end")
                    child.kill()
        plain = self.read("plain", PLAIN_PARTITIONS)
        self.check_plain(plain)
        self.check_transactions(self.read("transactions", OUT_PARTITIONS))
        self.check_keys(self.read("compacted", 2))
        values = Counter(v for *_, v in plain)
        self.check_groups(set(v.decode() for v in values))
        self.check_loops(values)
        self.problems += self.churn_errors
        if self.churned == 0:
            self.problems.append("no topic came and went")
        self.check_memory()

    def check_plain(self, found):
        """Idempotent: in each partition a writer's numbers rise; every acknowledged one is there."""
        seen, last = defaultdict(set), {}
        for partition, offset, _, value in found:
            name, number = value.decode().rsplit(":", 1)
            number = int(number)
            if number <= last.get((name, partition), -1):
                self.problems.append(f"plain-{partition} offset {offset}: {name} {number} again or out of order")
            last[(name, partition)] = number
            seen[name].add(number)
        acknowledged = failed = 0
        for writer in self.writers:
            if writer.options["role"] != "plain":
                continue
            lost = writer.acknowledged - seen[writer.options["name"]]
            acknowledged += len(writer.acknowledged)
            failed += len(writer.failed)
            if lost:
                self.problems.append(f"{writer.options['name']}: {len(lost)} acknowledged are lost, {sorted(lost)[:5]}")
            if not writer.acknowledged and writer.named("closed"):
                self.problems.append(f"{writer.options['name']} has written nothing")
        self.say(f"plain: {len(found)} records, {acknowledged} acknowledged, {failed} refused to their clients")

    def check_transactions(self, found):
        """Committed: each record once. Aborted: none. Unknown to the client: all or none."""
        seen = Counter(value.decode() for *_, value in found)
        counts = Counter()
        for writer in self.writers:
            name = writer.options["name"]
            for outcome, transactions in writer.transactions.items():
                for numbers in transactions:
                    counts[outcome] += 1
                    times = [seen.pop(f"{name}:{n}", 0) for n in numbers]
                    wanted = {"committed": [(1,)], "aborted": [(0,)], "unknown": [(0,), (1,)]}[outcome]
                    if tuple(set(times)) not in wanted:
                        self.problems.append(f"{name}: a transaction that was {outcome} is there {times} times")
        # What was under way when a writer was killed: whole transactions, at most once.
        open_ones = defaultdict(list)
        for value, times in seen.items():
            name, number = value.rsplit(":", 1)
            open_ones[(name, int(number) // 5)].append(times)
        for (name, number), times in open_ones.items():
            if times != [1] * 5:
                self.problems.append(f"{name}: transaction {number}, of a killed writer, is there {times} times")
        self.say(
            f"transactions: {counts['committed']} committed, {counts['aborted']} aborted, {counts['unknown']} unknown "
            f"to their writer, {len(open_ones)} of killed writers"
        )
        if not counts["committed"] or not counts["aborted"]:
            self.problems.append("too few transactions to tell")

    def check_keys(self, found):
        """The newest value of each key is there, and compaction has taken most of the others."""
        writer = self.live[("writer", "confluent", "keys")]
        newest, last = {}, {}
        for number in writer.acknowledged:
            newest[number % KEYS] = max(number, newest.get(number % KEYS, -1))
        for _, _, key, value in found:
            last[int(key)] = value
        for key, number in newest.items():
            deleted = (number // KEYS) % 7 == 6 and key % 3 == 0
            expected = None if deleted else f"{writer.options['name']}:{number}".encode()
            if last.get(key) != expected and not (deleted and key not in last):
                # A record that was not acknowledged may have come after.
                text = last.get(key)
                if text is None or int(text.rsplit(b":", 1)[1]) < number:
                    self.problems.append(f"compacted: key {key} is {text}, acknowledged was {expected}")
        share = len(found) / max(1, len(writer.acknowledged))
        self.say(f"compacted: {len(found)} of {len(writer.acknowledged)} records are left ({share:.0%})")

    def check_groups(self, values):
        """At least once: whatever is in the topic was read by some member of each group."""
        for group, members in self.members.items():

            def missing(members=members):
                return values.difference(*[set(m.values()) for m in members])

            try:
                wait_until(lambda: not missing(), 90, f"group {group} reads to the end", 1)  # noqa: B023
            except AssertionError:
                left = missing()
                self.problems.append(f"group {group} has not read {len(left)} records, {sorted(left)[:3]}")
                for member in members[-4:]:
                    self.say(f"{group}: {sorted(member.owned())} {member.alive} {member.tail()[-800:]}")
            total = sum(m.read_count() for m in members)
            self.say(f"group {group}: {len(values)} records, read {total} times by {len(members)} members")

    def check_loops(self, values):
        """Exactly once: each output topic has what the input has."""
        for output in sorted(self.outputs()):
            deadline, found = time.monotonic() + 120, []
            while time.monotonic() < deadline:
                self.revive()
                found = self.read(output, OUT_PARTITIONS)
                if len(found) >= len(values):
                    break
                time.sleep(1)
            seen = Counter(v for *_, v in found)
            lost, more = values - seen, seen - values
            if lost or more:
                self.problems.append(
                    f"{output}: {len(lost)} effects missing {list(lost)[:3]}, {len(more)} too many {list(more)[:3]}"
                )
                for loop in self.loops.values():
                    if loop.options["output"] == output:
                        self.say(f"{output}: {loop.alive} {loop.tail()[-800:]}")
            self.say(f"{output}: {len(found)} effects of {len(values)} inputs")

    def check_memory(self):
        """Within the longest life of the broker: the last quarter against the second one."""
        lives = defaultdict(list)
        for at, incarnation, anonymous, *_ in self.samples:
            lives[incarnation].append((at, anonymous))
        longest = max(lives.values(), key=lambda life: life[-1][0] - life[0][0])
        span = longest[-1][0] - longest[0][0]
        if span < 60:
            self.say(f"memory: no life of the broker is long enough to judge ({span:.0f} s)")
            return
        quarter = len(longest) // 4
        early = statistics.median(kib for _, kib in longest[quarter : 2 * quarter]) / 1024
        late = statistics.median(kib for _, kib in longest[-quarter:]) / 1024
        self.say(f"memory: {early:.0f} MiB in the second quarter of {span:.0f} s, {late:.0f} MiB in the last")
        if late > early * 1.2 + 16:
            self.problems.append(f"memory grew from {early:.0f} to {late:.0f} MiB in {span:.0f} s")

    def end(self, keep):
        children = [*self.writers, *self.loops.values(), *(m for all_ in self.members.values() for m in all_)]
        for child in [*children, *self.live.values()]:
            if child.alive:
                child.kill()
        if self.broker.alive:
            try:
                self.broker.stop(30)
            except AssertionError as error:
                self.problems.append(str(error))
        if self.java.process:
            self.java.__exit__()
        if self.mounted:
            if keep or self.problems:
                shutil.copytree(self.disk / "data", self.folder / "data", dirs_exist_ok=True)
            subprocess.run(["umount", "-l", str(self.disk)], check=False)
        if not keep and not self.problems:
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description="random clients under random faults")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--folder", help="where data and logs go; a new temporary folder by default")
    parser.add_argument("--keep", action="store_true", help="keep the folder even when all is well")
    arguments = parser.parse_args()
    soak = Soak(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failure = None
    try:
        soak.run()
    except BaseException as error:
        failure = error
        soak.problems.append(f"the soak itself ended: {type(error).__name__}: {error}")
    finally:
        soak.ends.set()
        soak.end(arguments.keep)
    soak.say("faults: " + ", ".join(f"{n} x {kind}" for kind, n in sorted(soak.faults.items())))
    if soak.problems:
        for problem in soak.problems[:50]:
            soak.say(f"WRONG: {problem}")
        soak.say(f"{len(soak.problems)} problems; seed {soak.seed}, files in {soak.folder}")
        if failure is not None and not isinstance(failure, Exception):
            raise failure
        sys.exit(1)
    soak.say(f"ok: nothing lost, nothing twice; seed {soak.seed}")


if __name__ == "__main__":
    main()
