"""`swiftwater doctor`: what it says of a machine, beside a server and without one."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import EXTERNAL
from process import binary, free_port
from registry import RegistryBroker

OFF = ["--registry", "none", "--connect", "none", "--sql", "none", "--console", "none", "--admin", "none"]


def doctor(*arguments, **options):
    return subprocess.run(
        [binary(), "doctor", *map(str, arguments)], timeout=60, capture_output=True, text=True, **options
    )


def findings(*arguments, **options):
    """Exit code, and findings by the name of their check."""
    done = doctor(*arguments, "-o", "json", **options)
    answer = json.loads(done.stdout)
    return done.returncode, {finding["check"]: finding for finding in answer["findings"]}


def test_a_machine_that_is_fit(tmp_path):
    port = free_port()
    code, found = findings("--data-dir", tmp_path / "data", "--kafka", f"127.0.0.1:{port}", *OFF)
    assert found["port kafka"]["verdict"] == "ok" and found["port kafka"]["facts"]["state"] == "free"
    assert found["data folder"]["text"].endswith("is not there yet and can be made")
    assert found["disk space"]["facts"]["free_bytes"] > 0
    assert found["disk speed"]["facts"]["append_ms_p99"] >= 0
    assert {"open files", "memory", "processors", "clock", "libraries"} <= set(found)
    # In a root that is no mount of its own, as after chroot, the kernel does not tell what a folder is on.
    points = {Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()}
    assert ("file system" in found) == bool(points & {tmp_path, *tmp_path.parents})
    assert "unknown" not in found["libraries"]["text"]
    assert code == (1 if any(each["verdict"] == "problem" for each in found.values()) else 0)
    assert not (tmp_path / "data").exists() and list(tmp_path.iterdir()) == []


def test_a_port_that_another_program_has(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        arguments = ["--quick", "--data-dir", tmp_path, "--kafka", f"127.0.0.1:{port}", *OFF]
        code, found = findings(*arguments)
        assert code == 1
        assert found["port kafka"]["verdict"] == "problem"
        assert found["port kafka"]["facts"]["process"] == os.getpid()
        assert found["port kafka"]["facts"]["answers"] is False
        assert "--kafka HOST:PORT" in found["port kafka"]["hint"]
        text = doctor(*arguments)
        assert text.returncode == 1 and "1 problem" in text.stdout and "disk speed" not in text.stdout


@pytest.mark.skipif(bool(EXTERNAL), reason="it is about a server of ours")
def test_beside_the_server_that_has_the_folder(tmp_path):
    server = RegistryBroker(tmp_path)
    server.start()
    registry = f"127.0.0.1:{server.registry_port}"
    flags = ["--quick", "--kafka", server.address, "--registry", registry, *OFF[2:]]
    code, found = findings("--data-dir", server.data, *flags)
    for check in ("port kafka", "port registry"):
        assert found[check]["verdict"] == "ok", found[check]
        assert found[check]["facts"]["answers"] is True and found[check]["facts"]["process"] == server.pid
    assert found["data folder"]["text"].endswith(f"in use by process {server.pid}")
    # For another folder the same ports are taken.
    code, found = findings("--data-dir", tmp_path / "other", *flags)
    assert code == 1 and found["port kafka"]["verdict"] == "problem"
    server.stop()


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange/meta.properties").write_text("")
    for folder, said in (("file/below", "a file stands"), ("strange", "the log folder of a Kafka broker")):
        code, found = findings("--quick", "--data-dir", tmp_path / folder, "--kafka", "127.0.0.1:0", *OFF)
        assert code == 1 and found["data folder"]["verdict"] == "problem" and said in found["data folder"]["text"]
    # Root may write there, but there are no folders but the kernel's own.
    code, found = findings("--quick", "--data-dir", "/proc/swiftwater-data", "--kafka", f"127.0.0.1:{free_port()}", *OFF)
    assert code == 1 and found["data folder"]["verdict"] == "problem"


def test_a_low_limit_of_files(tmp_path):
    done = subprocess.run(
        ["prlimit", "--nofile=512:512", binary(), "doctor", "--quick", "--data-dir", tmp_path, "--kafka", "127.0.0.1:0",
         *OFF],
        timeout=60, capture_output=True, text=True,
    )
    assert done.returncode == 1 and "512 may be open at a time" in done.stdout


def test_the_settings_that_start_refuses_are_refused(tmp_path):
    done = doctor("--kafka", "0.0.0.0:9092")
    assert done.returncode == 64 and "--insecure" in done.stderr
