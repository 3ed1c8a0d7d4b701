"""Groups and transactions by the command line: `group`, `consume --group`, `produce --transactional`."""

import json
import re
import signal
import subprocess

import pytest
from confluent_kafka import Consumer

from clients import create_topic, end_offset, run
from process import binary, wait_until
from test_cli import call

PROTOCOLS = ("classic", "consumer")


@pytest.fixture
def swiftwater(shared_broker):
    """The program, talking to the shared broker; must succeed unless `code` says otherwise."""

    def invoke(*arguments, given=b"", code=0, **options):
        done = call(*arguments, "-b", shared_broker.address, given=given, **options)
        assert done.code == code, f"{arguments}: {done.code}\n{done.out}\n{done.err}"
        return done

    return invoke


@pytest.fixture
def following(shared_broker, tmp_path):
    """Starts `consume --group` in the background and gives its output file; what is left is killed at the end."""
    started = []

    class Following:
        def __init__(self, *arguments):
            self.path = tmp_path / f"out{len(started)}"
            with open(self.path, "wb") as out, open(f"{self.path}.err", "wb") as err:
                self.process = subprocess.Popen(
                    [binary(), "consume", *arguments, "-b", shared_broker.address], stdout=out, stderr=err
                )
            started.append(self)

        @property
        def lines(self):
            return self.path.read_text().splitlines()

        def interrupt(self, seconds_max=10):
            self.process.send_signal(signal.SIGINT)
            code = self.process.wait(seconds_max)
            assert code == 0, f"{code}: {open(f'{self.path}.err').read()}"

    yield Following
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def describe(swiftwater, group, *arguments):
    return swiftwater("group", "describe", group, *arguments, "-o", "json").json[0]


def offsets(swiftwater, group):
    shown = describe(swiftwater, group)["partitions"]
    return {(row["topic"], row["partition"]): row["current"] for row in shown}


# -- consume --group ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_group_remembers(swiftwater, fresh, shared_broker, protocol):
    topic, group = create_topic(shared_broker.address, fresh("seen"), 3), fresh("group")
    swiftwater("produce", topic, given=b"".join(b"%d\n" % n for n in range(30)))
    consume = ("consume", topic, "--group", group, "--group-protocol", protocol, "--from", "beginning")
    first = swiftwater(*consume, "-n", "7").out.split()
    rest = swiftwater(*consume, "-e").out.split()
    assert len(first) == 7 and sorted(map(int, first + rest)) == list(range(30))
    swiftwater("produce", topic, given=b"new\n")
    assert swiftwater(*consume, "-e").out == "new\n"
    shown = describe(swiftwater, group)
    assert shown["state"] == "Empty" and shown["lag"] == 0 and shown["members"] == []


def test_several_topics(swiftwater, fresh, shared_broker):
    one, two = (create_topic(shared_broker.address, fresh("several")) for _ in range(2))
    swiftwater("produce", one, given=b"a\n")
    swiftwater("produce", two, given=b"b\n")
    assert sorted(swiftwater("consume", one, two, "-e").out.split()) == ["a", "b"]
    assert sorted(swiftwater("consume", one, two, "--group", fresh(), "--from", "beginning", "-e").out.split()) == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_share_the_work(swiftwater, following, fresh, shared_broker, protocol):
    topic, group = create_topic(shared_broker.address, fresh("shared"), 4), fresh("group")
    arguments = (topic, "--group", group, "--group-protocol", protocol, "--print", "partition,value", "--from", "beginning")
    one = following(*arguments)
    wait_until(lambda: len(members(swiftwater, group)) == 1, what="the first member")
    two = following(*arguments)

    def is_shared():
        return sorted(len(m["assignment"]) for m in members(swiftwater, group)) == [2, 2]

    wait_until(is_shared, 30, what="two members with two partitions each")
    for partition in range(4):
        swiftwater("produce", topic, "--partition", str(partition), "--value", f"p{partition}")
    wait_until(lambda: len(one.lines) + len(two.lines) == 4, what="four records")
    assert len(one.lines) == len(two.lines) == 2
    two.interrupt()
    wait_until(lambda: [len(m["assignment"]) for m in members(swiftwater, group)] == [4], 30, what="all back at one")
    for partition in range(4):
        swiftwater("produce", topic, "--partition", str(partition), "--value", f"q{partition}")
    wait_until(lambda: len(one.lines) == 6, what="all records at the one that stayed")
    one.interrupt()
    assert describe(swiftwater, group)["lag"] == 0
    assert sorted(one.lines + two.lines) == sorted(f"{p}\t{v}{p}" for p in range(4) for v in "pq")


def members(swiftwater, group):
    """The members of a group that has settled; none before, and while it is not there."""
    try:
        shown = describe(swiftwater, group, "--members")
    except AssertionError as failure:
        if "does not exist" in str(failure):
            return []
        raise
    return shown["members"] if shown["state"] == "Stable" else []


def test_a_stop_takes_the_member_out_at_once(swiftwater, following, fresh, shared_broker):
    topic, group = create_topic(shared_broker.address, fresh("leave")), fresh("group")
    one = following(topic, "--group", group)
    wait_until(lambda: members(swiftwater, group), what="the member")
    one.interrupt()
    assert describe(swiftwater, group)["state"] == "Empty"


def test_other_clients_join_the_same_group(swiftwater, following, fresh, shared_broker):
    """librdkafka's and Java's defaults have the range assignor, as ours."""
    topic, group = create_topic(shared_broker.address, fresh("mixed"), 2), fresh("group")
    other = Consumer(
        {"bootstrap.servers": shared_broker.address, "group.id": group, "auto.offset.reset": "earliest", "client.id": "other"}
    )
    other.subscribe([topic])
    try:
        wait_until(lambda: other.poll(0.1) or other.assignment(), what="the other's assignment")
        one = following(topic, "--group", group, "--from", "beginning")
        wait_until(lambda: not other.poll(0.1) and len(other.assignment()) == 1, 30, what="one partition each")
        shown = wait_until(lambda: members(swiftwater, group), what="a stable group")
        assert sorted(m["client"] for m in shown) == ["other", "swiftwater"]
        one.interrupt()
    finally:
        other.close()


def test_a_killed_member_prints_again_at_most_what_it_had_not_committed(swiftwater, following, fresh, shared_broker):
    topic, group = create_topic(shared_broker.address, fresh("killed")), fresh("group")
    arguments = (topic, "--group", group, "--from", "beginning")
    one = following(*arguments, "-X", "session.timeout.ms=6000")
    swiftwater("produce", topic, given=b"".join(b"%d\n" % n for n in range(100)))
    wait_until(lambda: len(one.lines) == 100, what="all records")
    wait_until(lambda: offsets(swiftwater, group).get((topic, 0)) == 100, what="the commit")
    one.process.kill()
    one.process.wait()
    swiftwater("produce", topic, given=b"after\n")
    # The dead member's session must end first.
    assert swiftwater(*("consume", *arguments), "-n", "1", timeout=60).out == "after\n"


# -- group -----------------------------------------------------------------------------------------------------------


def test_list_and_describe(swiftwater, following, fresh, shared_broker):
    topic, group = create_topic(shared_broker.address, fresh("listed"), 2), fresh("group")
    swiftwater("produce", topic, "--partition", "0", given=b"a\nb\nc\n")
    swiftwater("consume", topic, "--group", group, "--from", "beginning", "-n", "1")
    listed = {g["group"]: g for g in swiftwater("group", "list", "-o", "json").json}
    assert listed[group] == {
        "group": group, "state": "Empty", "type": "classic", "protocol": "consumer", "members": 0, "lag": 2,
    }  # fmt: skip
    assert re.search(rf"^{group} +Empty +classic +consumer +0 +2$", swiftwater("group", "list").out, re.MULTILINE)
    assert group not in swiftwater("group", "list", "--state", "stable").out
    assert group in swiftwater("group", "list", "--state", "empty").out

    one = following(topic, "--group", group, "--group-instance-id", "static", "-X", "client.id=printer")
    wait_until(lambda: members(swiftwater, group), what="the member")
    wait_until(lambda: describe(swiftwater, group)["lag"] == 0, what="everything read")
    shown = describe(swiftwater, group)
    assert shown["state"] == "Stable" and shown["assignor"] == "range"
    assert shown["coordinator"]["port"] == shared_broker.port
    rows = {row["partition"]: row for row in shown["partitions"]}
    assert rows[0]["current"] == 3 and rows[0]["end"] == 3 and rows[0]["lag"] == 0
    assert rows[0]["client"] == "printer" and rows[0]["host"] == "127.0.0.1"
    member = describe(swiftwater, group, "--members")["members"][0]
    assert member["instance"] == "static" and len(member["assignment"]) == 2
    assert describe(swiftwater, group, "--state")["members"] == 1
    text = swiftwater("group", "describe", group).out
    assert re.search(rf"^{topic} +0 +3 +3 +0 +\S+ +127\.0\.0\.1 +printer$", text, re.MULTILINE), text
    assert "static" in swiftwater("group", "describe", group, "--members").out
    one.interrupt()


RESETS = [  # arguments, the offsets of ten records per partition, a second apart, after the reset; it was at 4 and 0
    (("--to-earliest",), (0, 0)),
    (("--to-latest",), (10, 10)),
    (("--to-offset", "7"), (7, 7)),
    (("--to-offset", "99"), (10, 10)),
    (("--shift-by", "3"), (7, 3)),
    (("--shift-by", "-2"), (2, 0)),
    (("--to-current",), (4, 0)),
    (("--to-datetime", "2023-11-14T22:13:25Z"), (5, 5)),
    (("--to-datetime", "@1700000008500"), (9, 9)),
    (("--by-duration", "1s"), (10, 10)),
    (("--by-duration", "P9999D"), (0, 0)),
]


@pytest.mark.parametrize(("arguments", "expected"), RESETS, ids=lambda v: " ".join(map(str, v)))
def test_reset_offsets(swiftwater, fresh, shared_broker, arguments, expected):
    # Records of 2023 are to stay, however long this takes.
    topic = create_topic(shared_broker.address, fresh("reset"), 2, {"retention.ms": "-1"})
    group = fresh("group")
    for partition in range(2):
        lines = "".join(json.dumps({"value": str(n), "timestamp": 1_700_000_000_000 + n * 1000}) + "\n" for n in range(10))
        swiftwater("produce", topic, "-p", str(partition), "--input", "json", given=lines.encode())
    at = {(topic, 0): 4, (topic, 1): 0}
    swiftwater("group", "reset-offsets", group, "-t", f"{topic}:0", "--to-offset", "4", "--execute")
    swiftwater("group", "reset-offsets", group, "-t", f"{topic}:1", "--to-earliest", "--execute")
    assert offsets(swiftwater, group) == at
    dry = swiftwater("group", "reset-offsets", group, "--all-topics", *arguments, "-o", "json")
    assert not dry.json["executed"] and "--execute" in dry.err
    assert [(row["old"], row["new"]) for row in dry.json["partitions"]] == list(zip((4, 0), expected, strict=True))
    assert offsets(swiftwater, group) == at, "a dry run changed something"
    assert swiftwater("group", "reset-offsets", group, "--topic", topic, *arguments, "--execute").err == ""
    assert offsets(swiftwater, group) == {(topic, 0): expected[0], (topic, 1): expected[1]}


def test_what_reset_offsets_refuses(swiftwater, following, fresh, shared_broker):
    topic, group = create_topic(shared_broker.address, fresh("refused")), fresh("group")
    reset = ("group", "reset-offsets", group)
    assert "--topic" in swiftwater(*reset, "--to-earliest", code=64).err
    assert "--to-earliest" in swiftwater(*reset, "--all-topics", code=64).err
    assert "exactly one" in swiftwater(*reset, "--all-topics", "--to-earliest", "--to-latest", code=64).err
    assert "span" in swiftwater(*reset, "-t", topic, "--by-duration", "soon", code=64).err
    assert "time" in swiftwater(*reset, "-t", topic, "--to-datetime", "yesterday", code=64).err
    assert "does not exist" in swiftwater(*reset, "--all-topics", "--to-earliest", code=1).err
    assert "no committed offset" in swiftwater(*reset, "-t", topic, "--shift-by", "1", code=1).err
    assert "partition 9" in swiftwater(*reset, "-t", f"{topic}:9", "--to-earliest", code=1).err
    assert f"'{topic}'" in swiftwater(*reset, "-t", topic[:-1], "--to-earliest", code=1).err
    one = following(topic, "--group", group)
    wait_until(lambda: members(swiftwater, group), what="the member")
    for execute in ((), ("--execute",)):
        said = swiftwater(*reset, "-t", topic, "--to-earliest", *execute, code=1).err
        assert "1 member" in said and "--members" in said, said
    one.interrupt()
    swiftwater(*reset, "-t", topic, "--to-earliest", "--execute")


def test_delete(swiftwater, following, fresh, shared_broker):
    topic, group = create_topic(shared_broker.address, fresh("gone"), 2), fresh("group")
    one = following(topic, "--group", group)
    wait_until(lambda: members(swiftwater, group), what="the member")
    assert "members" in swiftwater("group", "delete", group, code=1).err
    one.interrupt()
    swiftwater("group", "reset-offsets", group, "-t", topic, "--to-latest", "--execute")
    swiftwater("group", "delete", group, "--offsets", "--topic", f"{topic}:1")
    assert list(offsets(swiftwater, group)) == [(topic, 0)]
    assert "no committed offsets" in swiftwater("group", "delete", group, "--offsets", "-t", f"{topic}:1", code=1).err
    said = swiftwater("group", "describe", group[:-1], code=1).err
    assert f"'{group}'" in said, f"the nearest group is not named: {said}"
    assert group in swiftwater("group", "delete", group).out
    assert group not in swiftwater("group", "list").out
    swiftwater("group", "delete", group, code=1)
    assert swiftwater("group", "delete", group, "--if-exists").code == 0


def test_misspelt_and_help():
    assert "list" in call("group", "lst").err
    for verb in ("list", "describe", "reset-offsets", "delete"):
        done = call("group", verb, "--help")
        assert done.code == 0 and "EXAMPLES" in done.out
    assert "reset-offsets" in call("completion", "bash").out
    assert "--partition" in call("consume", "t", "--group", "g", "--partition", "0").err


def written(swiftwater, topic):
    """Records of transactions that are open or over."""
    return len(swiftwater("consume", topic, "-e", "--isolation", "read_uncommitted").out.splitlines())


# -- produce --transactional -----------------------------------------------------------------------------------------


def test_a_transaction_is_seen_whole(swiftwater, fresh, shared_broker):
    topic = create_topic(shared_broker.address, fresh("whole"))
    process = subprocess.Popen(
        [binary(), "produce", topic, "-b", shared_broker.address, "--transactional", fresh("id")],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    wait_until(lambda: written(swiftwater, topic) == 2, what="the open transaction")
    assert swiftwater("consume", topic, "-e").out == ""
    assert swiftwater("consume", topic, "-e", "--isolation", "read_uncommitted").out == "one\ntwo\n"
    _, said = process.communicate(b"three", timeout=30)
    assert process.returncode == 0 and b"3 records" in said, said
    assert swiftwater("consume", topic, "-e").out == "one\ntwo\nthree\n"
    out = run(["kcat", "-b", shared_broker.address, "-C", "-t", topic, "-p", "0", "-e", "-q", "-X", "isolation.level=read_committed"])
    assert out == b"one\ntwo\nthree\n"


def test_ctrl_c_aborts(swiftwater, fresh, shared_broker):
    topic = create_topic(shared_broker.address, fresh("interrupted"))
    process = subprocess.Popen(
        [binary(), "produce", topic, "-b", shared_broker.address, "--transactional", fresh("id")],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"one\n")
    process.stdin.flush()
    wait_until(lambda: written(swiftwater, topic) == 1, what="the open transaction")
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(10) == 130 and b"aborted" in said, said
    process.stdin.close()
    assert swiftwater("consume", topic, "-e").out == ""
    swiftwater("produce", topic, given=b"after\n")
    assert swiftwater("consume", topic, "-e").out == "after\n"


def test_a_bad_line_aborts(swiftwater, fresh, shared_broker):
    topic = create_topic(shared_broker.address, fresh("bad"))
    arguments = ("produce", topic, "--transactional", fresh("id"), "--format", "json")
    said = swiftwater(*arguments, given=b"1\n2\nthree\n", code=1).err
    assert "line 3" in said and "aborted" in said, said
    said = swiftwater(*arguments, "--transaction-size", "2", given=b"1\n2\n3\nfour\n", code=1).err
    assert "2 records before it were committed" in said, said
    assert swiftwater("consume", topic, "-e").out == "1\n2\n"


def test_transactions_by_size(swiftwater, fresh, shared_broker):
    topic = create_topic(shared_broker.address, fresh("size"))
    lines = b"".join(b"%d\n" % n for n in range(1000))
    done = swiftwater("produce", topic, "--transactional", fresh("id"), "--transaction-size", "300", given=lines)
    assert "1000 records" in done.err
    assert swiftwater("consume", topic, "-e").out.encode() == lines
    # Four transactions, each with a marker behind it.
    assert end_offset(shared_broker.address, topic)[1] == 1004
    swiftwater("produce", topic, "--transactional", fresh("id"), given=b"")
    assert end_offset(shared_broker.address, topic)[1] == 1004


def test_a_later_producer_fences_the_earlier(swiftwater, fresh, shared_broker):
    topic, name = create_topic(shared_broker.address, fresh("fenced")), fresh("id")
    process = subprocess.Popen(
        [binary(), "produce", topic, "-b", shared_broker.address, "--transactional", name],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"early\n")
    process.stdin.flush()
    wait_until(lambda: written(swiftwater, topic) == 1, what="the open transaction")
    swiftwater("produce", topic, "--transactional", name, given=b"late\n")
    _, said = process.communicate(b"too late\n", timeout=60)
    assert process.returncode == 1 and b"another producer" in said, said
    assert swiftwater("consume", topic, "-e").out == "late\n"


def test_what_transactions_refuse(swiftwater, topic):
    assert swiftwater("produce", topic, "--transactional", "x", "--acks", "1", code=64).err
    assert swiftwater("produce", topic, "--transaction-size", "5", code=64).err
    assert swiftwater("produce", topic, "--transactional", "", code=64).err
    said = swiftwater("produce", topic, "--transactional", "x", "--transaction-timeout", "90000", given=b"a\n", code=1).err
    assert "timeout" in said, said


def test_the_group_survives_a_kill_of_the_broker(make_broker, fresh):
    broker = make_broker()
    topic = create_topic(broker.address, "t")
    assert call("produce", topic, "-b", broker.address, given=b"a\nb\n").code == 0
    consume = ("consume", topic, "--group", "g", "--from", "beginning", "-b", broker.address)
    assert call(*consume, "-n", "1").out == "a\n"
    broker.restart(kill=True)
    assert call(*consume, "-e").out == "b\n"
    assert call("group", "describe", "g", "-b", broker.address, "-o", "json").json[0]["lag"] == 0
