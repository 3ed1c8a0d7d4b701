"""What docs/operations.md promises of backups: a folder that was stopped, and one that was caught in one moment."""

import os
import shutil
import signal
import subprocess

import pytest

from conftest import EXTERNAL
from process import Broker, binary, wait_until
from registry import RegistryBroker, record

pytestmark = pytest.mark.skipif(bool(EXTERNAL), reason="it is about data folders of ours")


def call(address, *arguments, text=None):
    done = subprocess.run(
        [binary(), *arguments, "-b", address], input=text, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def committed(address, group):
    return call(address, "group", "describe", group, "-o", "json")


def values(address, topic):
    return call(address, "consume", topic, "--from", "beginning", "--exit-at-end", "--print", "value").splitlines()


def test_a_stopped_folder_is_packed_and_unpacked_elsewhere(tmp_path):
    (tmp_path / "old").mkdir()
    old = RegistryBroker(tmp_path / "old").start()
    call(old.address, "topic", "create", "kept", "--partitions", "3", "--config", "retention.ms=7200000")
    call(old.address, "produce", "kept", text="".join(f"v{i}\n" for i in range(1000)))
    call(old.address, "consume", "kept", "--group", "readers", "--from", "beginning", "--exit-at-end")
    assert old.http.register("kept-value", record("a")).status == 200
    before = (call(old.address, "cluster", "describe").splitlines()[0], committed(old.address, "readers"))
    old.stop()
    subprocess.run(["tar", "-C", old.data.parent, "-czf", tmp_path / "backup.tar.gz", old.data.name], check=True)
    shutil.rmtree(old.data)

    new = RegistryBroker(tmp_path / "new", port=old.port)
    new.folder.mkdir()
    subprocess.run(["tar", "-C", new.folder, "-xzpf", tmp_path / "backup.tar.gz"], check=True)
    new.start()
    assert (call(new.address, "cluster", "describe").splitlines()[0], committed(new.address, "readers")) == before
    assert sorted(values(new.address, "kept")) == sorted(f"v{i}" for i in range(1000))
    assert "7200000" in call(new.address, "topic", "describe", "kept")
    assert new.http.get("/subjects").json == ["kept-value"]
    # Its numbers go on where they were.
    call(new.address, "produce", "kept", text="later\n")
    assert len(values(new.address, "kept")) == 1001
    new.stop()


def test_a_snapshot_of_one_moment_has_what_was_acknowledged(tmp_path):
    """A process that stands still while its folder is copied is what a snapshot of a file system is."""
    (tmp_path / "old").mkdir()
    old = Broker(tmp_path / "old").start()
    call(old.address, "topic", "create", "kept")
    call(old.address, "produce", "kept", text="".join(f"v{i}\n" for i in range(5000)))
    os.kill(old.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: "T (stopped)" in open(f"/proc/{old.pid}/status").read(), 10, "the process stands still")
        shutil.copytree(old.data, tmp_path / "new/data")
    finally:
        os.kill(old.pid, signal.SIGCONT)
    call(old.address, "produce", "kept", text="after\n")

    new = Broker(tmp_path / "new").start()
    assert values(new.address, "kept") == [f"v{i}" for i in range(5000)]
    new.stop()
    old.stop()
