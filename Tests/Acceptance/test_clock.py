"""The wall clock steps, as an administrator or NTP makes it; timers must follow the clock that does not."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import create_topic
from faults import SteppedBroker
from groups_wire import Joined, assemble, commit, committed, find_coordinator
from process import wait_until
from transactions_wire import Transaction, read, stable_offset
from wire import Connection, batch, produce

DAY = 24 * 3600


@pytest.fixture
def stepped(tmp_path):
    broker = SteppedBroker(tmp_path, {"offsets.retention.check.interval.ms": 300}).start()
    yield broker
    if broker.alive:
        broker.stop()


def test_offsets_expire_by_the_wall_clock(stepped):
    """Seven days after a group became empty; those of a group that lives stay, and so do its members."""
    topic = create_topic(stepped.address, "t")
    find_coordinator(stepped.address)
    with Connection(stepped.address) as connection:
        assert commit(connection, "empty", topic, 5) == 0
        (member,) = assemble(stepped.address, "alive", 1)
        assert commit(connection, "alive", topic, 6, member.generation, member.member) == 0
        stepped.step(6 * DAY)
        time.sleep(1)
        assert committed(connection, "empty", topic)[1] == 5
        stepped.step(8 * DAY)
        wait_until(lambda: committed(connection, "empty", topic)[1] == -1, 10, "the offsets have expired")
        assert member.heartbeat() == 0, "eight days on the wall clock are no silence"
        assert committed(connection, "alive", topic)[1] == 6
        stepped.step(0)
        assert member.heartbeat() == 0


@pytest.mark.parametrize("seconds", (-3000, 3000))
def test_who_is_silent_is_removed_after_a_step(stepped, seconds):
    """Neither later, because the clock went back, nor earlier, because it went ahead."""
    create_topic(stepped.address, "t")
    find_coordinator(stepped.address)
    first, second = assemble(stepped.address, "g", 2)
    began = time.monotonic()
    stepped.step(seconds)
    third = Joined(Connection(stepped.address), "g")
    assert first.heartbeat() == 0 and second.heartbeat() == 0
    wait_until(lambda: first.heartbeat() == 27, 12, "the silent one is removed", 0.2)
    assert time.monotonic() - began > 4
    third.connection.socket.close()


@pytest.mark.parametrize("seconds", (-3000, 3000))
def test_transactions_end_one_way_or_the_other(stepped, seconds):
    """A transaction that was open across the step is committed whole or not at all, and later ones time out as ever."""
    topic = create_topic(stepped.address, "t")
    find_coordinator(stepped.address, kind=1)
    with Connection(stepped.address) as connection:
        one = Transaction(connection, "x")
        one.send(topic, [b"across"])
        stepped.step(seconds)
        time.sleep(0.5)
        code = one.end()
        assert code in (0, 47, 90), code
        wait_until(lambda: len(set(stable_offset(connection, topic))) == 1, 10, "the marker")
        assert read(connection, topic) == ([b"across"] if code == 0 else [])
        late = Transaction(connection, "y", timeout=1000)
        late.send(topic, [b"late"])
        wait_until(lambda: len(set(stable_offset(connection, topic))) == 1, 15, "the timeout's abort")
        assert b"late" not in read(connection, topic)


@pytest.mark.parametrize("seconds", (-3000, 3000))
def test_forces_wait_by_the_clock_that_does_not_step(stepped, seconds):
    """A force waits a moment for producers that were answered to write again; those who write later are not kept."""
    topic = create_topic(stepped.address, "t")

    def write(connection):
        return produce(connection, topic, batch([b"x"]), acks=-1).error_code

    stepped.step(seconds)
    connections = [Connection(stepped.address) for _ in range(4)]
    with ThreadPoolExecutor(len(connections)) as threads:
        for _ in range(50):
            assert set(threads.map(write, connections)) == {0}
    for connection in connections:
        connection.socket.close()
