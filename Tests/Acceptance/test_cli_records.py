"""Commands on many topics and on records that are no text: patterns, numbers, files, headers; moves of partitions."""

import json
import signal
import struct
import subprocess
from contextlib import contextmanager

import pytest

from clients import create_topic
from process import binary, wait_until
from test_cli import call, swiftwater  # noqa: F401  (a fixture)
from test_sql_queries import SQLBroker


@pytest.mark.parametrize(
    ("format", "text", "code"),
    [("short", "-7", ">h"), ("int", "-7", ">i"), ("long", "1099511627776", ">q"), ("float", "0.5", ">f"), ("double", "0.1", ">d")],
)
def test_numbers_of_kafkas_serializers(swiftwater, topic, client_of, format, text, code):  # noqa: F811
    number = float(text) if "." in text else int(text)
    swiftwater("produce", topic, "--key", text, "--key-format", format, "--value", text, "--value-format", format)
    swiftwater("produce", topic, "-K", ":", "--format", format, given=f"{text}:{text}\n".encode())
    hexadecimal = swiftwater("consume", topic, "-e", "--format", "hex", "--print", "key,value").out.split()
    assert hexadecimal == [struct.pack(code, number).hex()] * 4
    assert swiftwater("consume", topic, "-e", "--format", format, "--print", "key,value").out == f"{text}\t{text}\n" * 2
    lines = swiftwater("consume", topic, "-e", "--format", format, "-o", "json").out
    assert [json.loads(line)["value"] for line in lines.splitlines()] == [number, number]
    swiftwater("produce", topic, "--input", "json", "--format", format, given=lines.encode())
    assert swiftwater("consume", topic, "-e", "--format", format).out == f"{text}\n" * 4


def test_what_is_no_number_is_refused(swiftwater, topic):  # noqa: F811
    assert "not a whole number of 32 bits (int): 7.5" in swiftwater(
        "produce", topic, "--value", "7.5", "--format", "int", code=1).err
    swiftwater("produce", topic, "--value", "abc")
    swiftwater("produce", topic, "--value", "7", "--value-format", "int")
    wrong = swiftwater("consume", topic, "-e", "--value-format", "int", code=1)
    assert "the value has 3 bytes, so it is not a whole number of 32 bits (int)" in wrong.err and "--skip-errors" in wrong.err
    done = swiftwater("consume", topic, "-e", "--value-format", "int", "--skip-errors")
    assert done.out == "7\n" and "skipped" in done.err


def test_numbers_are_those_of_streaming_sql(tmp_path):
    """SQL's format KAFKA is the serializers' own, in both directions."""
    server = SQLBroker(tmp_path).start()
    try:
        server.ksql("CREATE STREAM N (K INT KEY, V DOUBLE) WITH (KAFKA_TOPIC='n', PARTITIONS=1, KEY_FORMAT='KAFKA', VALUE_FORMAT='KAFKA');"
                    "INSERT INTO N (K, V) VALUES (7, 0.1);")  # fmt: skip
        formats = ("--key-format", "int", "--value-format", "double")
        read = lambda: call("consume", "n", "-e", *formats, "--print", "key,value", "-b", server.address)  # noqa: E731
        wait_until(lambda: read().out == "7\t0.1\n", 30, "what SQL wrote")
        done = call("produce", "n", "--key", "-8", "--value", "2.5", *formats, "-b", server.address)
        assert done.code == 0, done.err
        wait_until(lambda: server.rows("SELECT * FROM N;") == [[7, 0.1], [-8, 2.5]], 30, "what was produced")
    finally:
        server.stop()


def test_files_and_base64(swiftwater, topic, tmp_path):  # noqa: F811
    data = bytes(range(256)) * 5 + b"\nline\n"
    (tmp_path / "picture").write_bytes(data)
    (tmp_path / "text").write_text("two\nlines")
    swiftwater("produce", topic, "--key", "k", "--value-file", str(tmp_path / "picture"), "--value-file", str(tmp_path / "text"))
    assert [bytes.fromhex(line) for line in swiftwater("consume", topic, "-e", "--value-format", "hex").out.split()] == [
        data, b"two\nlines"]
    in_base64 = swiftwater("consume", topic, "-e", "--value-format", "base64").out
    swiftwater("produce", topic, "--value-format", "base64", given=in_base64.encode())
    assert swiftwater("consume", topic, "-e", "--value-format", "base64").out == in_base64 * 2
    assert "No such file" in swiftwater("produce", topic, "--value-file", str(tmp_path / "absent"), code=1).err
    swiftwater("produce", topic, "--value-file", str(tmp_path / "text"), "--value", "x", code=64)
    wrong = swiftwater("produce", topic, "--value-file", str(tmp_path / "text"), "--value-format", "json", code=1)
    assert f"{tmp_path / 'text'}: not JSON" in wrong.err


def test_headers_at_the_beginning_of_lines(swiftwater, topic):  # noqa: F811
    swiftwater("produce", topic, "--header-separator", "\\t", "-K", "\\t", "-H", "all=1", given=b"a=1,b=x=y\tk\tv\n\tk\tw\n")
    printed = swiftwater("consume", topic, "-e", "--print", "headers,key,value").out
    assert printed == "all=1,a=1,b=x=y\tk\tv\nall=1\tk\tw\n"
    swiftwater("produce", topic, "--header-separator", "\\t", "-K", "\\t", given=printed.encode())
    assert swiftwater("consume", topic, "-e", "--print", "headers,key,value").out == printed * 2
    assert "line 1: no header separator" in swiftwater("produce", topic, "--header-separator", "|", given=b"x\n", code=1).err


@pytest.fixture
def family(fresh, swiftwater, shared_broker):  # noqa: F811
    """Topics PREFIX-1 and PREFIX-2 and one beside them, each with a record that is its name."""
    prefix = fresh("family")
    names = [f"{prefix}-1", f"{prefix}-2", f"{prefix}x"]
    for name in names:
        create_topic(shared_broker.address, name, partitions=1)
        swiftwater("produce", name, "--value", name)
    return prefix, names


def test_topics_by_pattern(swiftwater, family):  # noqa: F811
    prefix, names = family
    pattern = ("--include", f"{prefix}-.*")
    assert sorted(swiftwater("consume", *pattern, "-e").out.split()) == names[:2]
    assert sorted(swiftwater("consume", names[2], *pattern, "-e").out.split()) == sorted(names)
    assert len(swiftwater("topic", "describe", names[2], names[2], *pattern, "-o", "json").json) == 3
    assert [topic["name"] for topic in swiftwater("topic", "list", *pattern, "-o", "json").json] == names[:2]
    assert [topic["name"] for topic in swiftwater("topic", "describe", *pattern, "-o", "json").json] == names[:2]
    assert [row["topic"] for row in swiftwater("topic", "offsets", *pattern, "-o", "json").json] == names[:2]
    # The whole name has to match.
    assert f"no topic matches '{prefix}'" in swiftwater("consume", "--include", prefix, "-e", code=1).err
    assert swiftwater("topic", "list", "--include", prefix, "-o", "json").json == []
    assert "no regular expression" in swiftwater("consume", "--include", "(", "-e", code=64).err
    assert "--include" in swiftwater("consume", code=64).err
    swiftwater("consume", *pattern, "--partition", "0", code=64)


@pytest.mark.parametrize("protocol", ("classic", "consumer"))
def test_a_group_by_pattern(swiftwater, family, fresh, protocol):  # noqa: F811
    prefix, names = family
    pattern = ("--include", f"{prefix}-.*", "--group", fresh("group"), "--group-protocol", protocol)
    assert sorted(swiftwater("consume", *pattern, "--from", "beginning", "-n", "2").out.split()) == names[:2]
    swiftwater("consume", names[0], *pattern, code=64)


@contextmanager
def following(folder, address, *arguments):
    """`consume` that runs; its argument is called for the lines that it has printed so far."""
    with open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
        process = subprocess.Popen([binary(), "consume", *arguments, "-b", address], stdout=out, stderr=err)

        def read():
            assert process.poll() is None, (folder / "err").read_text()
            return sorted((folder / "out").read_text().split())

        try:
            yield read
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


@pytest.mark.parametrize("start", ("beginning", None))
@pytest.mark.parametrize("group", (False, True))
def test_topics_that_come_to_be_are_followed(swiftwater, family, fresh, shared_broker, tmp_path, group, start):  # noqa: F811
    """From their beginning, wherever the others were begun."""
    prefix, names = family
    options = ["--group", fresh("group"), "-X", "metadata.max.age.ms=500"] if group else []
    options += ["--from", start] if start else []
    with following(tmp_path, shared_broker.address, "--include", f"{prefix}-.*", *options) as read:
        if start:
            wait_until(lambda: read() == names[:2], 60, "the topics that there are")
        else:
            # Where it is at the end it prints what comes from then on.
            wait_until(lambda: swiftwater("produce", names[0], "--value", "since") and "since" in read(), 60, "a record", 0.5)
        create_topic(shared_broker.address, f"{prefix}-3", partitions=2)
        swiftwater("produce", f"{prefix}-3", "--value", "new", "--value", "newer")
        wait_until(lambda: {"new", "newer"} <= set(read()), 60, "the new topic")
        assert start or not set(names) & set(read())


@pytest.mark.parametrize("group", (False, True))
def test_topics_that_are_deleted_end_nothing(swiftwater, family, fresh, shared_broker, tmp_path, group):  # noqa: F811
    prefix, names = family
    options = ["--group", fresh("group"), "-X", "metadata.max.age.ms=500"] if group else []
    with following(tmp_path, shared_broker.address, "--include", f"{prefix}-.*", "--from", "beginning", *options) as read:
        wait_until(lambda: read() == names[:2], 60, "the topics that there are")
        swiftwater("topic", "delete", names[0])
        swiftwater("produce", names[1], "--value", "after")
        wait_until(lambda: "after" in read(), 60, "the topic that is left")
        if group:
            swiftwater("topic", "alter", names[1], "--partitions", "2")
            swiftwater("produce", names[1], "--partition", "1", "--value", "added")
            wait_until(lambda: "added" in read(), 90, "the partition that was added")
        assert read().count("after") == 1 and read().count(names[1]) == 1


def test_partitions_that_are_added_are_followed(swiftwater, family, shared_broker, tmp_path):  # noqa: F811
    prefix, names = family
    with following(tmp_path, shared_broker.address, "--include", f"{prefix}-.*", "--from", "beginning") as read:
        wait_until(lambda: read() == names[:2], 60, "the topics that there are")
        swiftwater("topic", "alter", names[1], "--partitions", "3")
        swiftwater("produce", names[1], "--partition", "2", "--value", "added")
        wait_until(lambda: "added" in read(), 60, "the partition that was added")
        assert read().count(names[1]) == 1


def test_a_topic_that_is_made_anew_at_once_is_read_from_its_beginning(swiftwater, family, shared_broker, tmp_path):  # noqa: F811
    """However many records it has by the time somebody looks: fewer than were read of the old one, as many, more."""
    prefix, names = family
    with following(tmp_path, shared_broker.address, "--include", f"{prefix}-.*", "--from", "beginning") as read:
        wait_until(lambda: read() == names[:2], 60, "the topics that there are")
        for values in (["one"], ["two", "three"], []):
            swiftwater("topic", "delete", names[0])
            create_topic(shared_broker.address, names[0], partitions=1)
            if values:
                swiftwater("produce", names[0], *(word for value in values for word in ("--value", value)))
                wait_until(lambda: set(values) <= set(read()), 60, "records of the new topic")
        swiftwater("produce", names[0], "--value", "last")
        wait_until(lambda: "last" in read(), 60, "the record of the third topic")
        # What was read of a new one before it was known to be new comes again.
        assert set(read()) == {*names[:2], "one", "two", "three", "last"} and read().count("two") == 1


def test_topics_have_their_ids(swiftwater, topic):  # noqa: F811
    def ids(*arguments):
        return {row["name"]: row["id"] for row in swiftwater("topic", "describe", *arguments, "-o", "json").json}

    (id,) = ids(topic).values()
    assert len(id) == 22 and ids("--include", f"{topic}.*")[topic] == id
    swiftwater("topic", "delete", topic)
    swiftwater("topic", "create", topic)
    assert ids(topic)[topic] not in (id, None)


def test_partitions_of_which_something_holds(swiftwater, topic):  # noqa: F811
    for trouble in ("unavailable", "under-replicated", "under-min-isr"):
        assert swiftwater("topic", "describe", topic, "--only", trouble, "-o", "json").json == []
    (row,) = [row for row in swiftwater("topic", "describe", topic, "--only", "at-min-isr", "-o", "json").json if row["partition"] == 0]
    assert row["topic"] == topic and row["inSyncReplicas"] == row["replicas"]
    assert swiftwater("topic", "describe", topic, "--only", "at-min-isr").out.split()[0] == "TOPIC"


def test_moves_of_partitions(swiftwater, topic, tmp_path, shared_broker):  # noqa: F811
    """One broker has nowhere to move them: what is asked of it and what it answers is Kafka's, though."""
    (broker,) = swiftwater("cluster", "describe", "-o", "json").json["brokers"]
    id = str(broker["id"])
    shown = swiftwater("topic", "reassign", topic, "--brokers", id)
    assert shown.out.split()[:4] == ["TOPIC", "PARTITION", "OLD", "NEW"] and "nothing was changed" in shown.err
    plan = swiftwater("topic", "reassign", topic, "--replicas", id, "--partition", "0", "-o", "json")
    assert plan.json == {"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [broker["id"]]}]}
    (tmp_path / "plan.json").write_text(plan.out)
    begun = swiftwater("topic", "reassign", "--file", str(tmp_path / "plan.json"), "--execute")
    assert "have begun" in begun.err
    # What goes back is a plan as well.
    back = "to go back: --file with "
    (line,) = [line for line in begun.out.splitlines() if line.startswith(back)]
    assert json.loads(line.removeprefix(back)) == plan.json
    as_json = swiftwater("topic", "reassign", "--file", str(tmp_path / "plan.json"), "--execute", "-o", "json")
    assert as_json.json == plan.json and back in as_json.err
    assert swiftwater("topic", "reassign", "-o", "json").json == []
    assert swiftwater("topic", "reassign", topic, "--cancel", "--execute").out == "cancelled 0 moves\n"
    assert "there is no broker 7" in swiftwater("topic", "reassign", topic, "--brokers", "7", code=1).err
    assert "need as many brokers" in swiftwater(
        "topic", "reassign", topic, "--brokers", id, "--replication-factor", "2", code=1).err
    assert f"did you mean '{topic}'" in swiftwater("topic", "reassign", topic[:-1], "--brokers", id, code=1).err
    assert "names no partitions" in call("topic", "reassign", "--file", "/dev/stdin", given=b'{"partitions":[]}').err
    for arguments in (["--execute"], [topic, "--brokers", "1,1"], [topic, "--brokers", "x"], ["--brokers", "1"],
                      [topic, "--brokers", "1", "--cancel"], [topic, "--replication-factor", "1"]):  # fmt: skip
        swiftwater("topic", "reassign", *arguments, code=64)


def test_elections_of_leaders(swiftwater, topic):  # noqa: F811
    (row,) = swiftwater("topic", "elect-leaders", topic, "--partition", "0", "-o", "json").json
    assert (row["topic"], row["partition"], row["result"]) == (topic, 0, "not needed")
    assert swiftwater("topic", "elect-leaders", "-o", "json").json == []
    assert swiftwater("topic", "elect-leaders", topic, "--unclean").out.split()[:3] == ["TOPIC", "PARTITION", "RESULT"]
    swiftwater("topic", "elect-leaders", "--unclean", code=64)


def test_offsets_of_a_group_go_to_a_file_and_back(swiftwater, topic, fresh, tmp_path):  # noqa: F811
    group, file = fresh("group"), tmp_path / "offsets"
    swiftwater("produce", topic, given=b"1\n2\n3\n")
    swiftwater("group", "reset-offsets", group, "--topic", f"{topic}:0", "--to-offset", "0", "--execute")
    saved = swiftwater("group", "reset-offsets", group, "--all-topics", "--to-current", "-o", "json").out
    swiftwater("group", "reset-offsets", group, "--all-topics", "--to-latest", "--execute")
    current = lambda: swiftwater("group", "reset-offsets", group, "--all-topics", "--to-current", "-o", "json").json["partitions"][0]["old"]  # noqa: E731
    assert current() > 0
    file.write_text(saved)
    swiftwater("group", "reset-offsets", group, "--from-file", str(file))
    assert current() > 0
    swiftwater("group", "reset-offsets", group, "--from-file", str(file), "--execute")
    assert current() == 0
    file.write_text(f'"{topic}",0,1\n')
    swiftwater("group", "reset-offsets", group, "--from-file", str(file), "--execute")
    assert current() == 1
    file.write_text(f"{topic},70,1\n")
    assert "has no partition 70" in swiftwater("group", "reset-offsets", group, "--from-file", str(file), code=1).err
    file.write_text("what\n")
    assert "line 1 is not TOPIC,PARTITION,OFFSET" in swiftwater(
        "group", "reset-offsets", group, "--from-file", str(file), code=1).err
    swiftwater("group", "reset-offsets", group, "--from-file", str(file), "--all-topics", code=64)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("consume", "t", "--from-beginning"), "--from beginning"), (("topic", "--list"), "swiftwater topic list"),
        (("-b", "h:1", "topic", "list"), "behind the command"), (("produce", "--topic", "t"), "without --topic"),
        (("help", "topics"), "did you mean 'topic'"), (("kafka-reassign-partitions.sh",), "swiftwater topic reassign"),
        (("consume", "t", "-X", "print.key=true"), "--print key,value"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)  # fmt: skip
def test_habits_from_other_tools_are_answered(arguments, said):
    done = call(*arguments)
    assert done.code == 64 and said in done.err, done.err


def test_a_name_that_looks_misspelt_is_the_brokers_to_judge(broker):
    """Brokers of other clusters may have it from a plugin; ours says itself that it has not."""
    arguments = ("broker", "alter", "1", "-c", "log.cleaner.thread=2", "-b", broker.address)
    assert "--force" in call(*arguments).err
    assert "Unknown broker config name: log.cleaner.thread" in call(*arguments, "--force").err


def test_texts_may_begin_with_a_hyphen(swiftwater, topic):  # noqa: F811
    swiftwater("produce", topic, "--key", "-1", "--value", "--no", "--value", "-")
    swiftwater("produce", topic, "-K", "->", "--null-value", "-x", given=b"k->v\nk->-x\n")
    printed = swiftwater("consume", topic, "-e", "--print", "key,value", "--separator", "->", "--null-value", "-x").out
    assert printed == "-1->--no\n-1->-\nk->v\nk->-x\n"
