"""The program under test as a child process: start, stop, kill, restart on the same folder and port."""

import itertools
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path


def binary():
    """The program, from SWIFTWATER_BIN. `./dev test` sets it."""
    path = os.environ.get("SWIFTWATER_BIN")
    assert path, "SWIFTWATER_BIN must name the swiftwater program (./dev test sets it)"
    assert os.access(path, os.X_OK), f"SWIFTWATER_BIN={path} is not an executable file"
    return path


# Below the ports that the system gives to clients' connections, a part for each of the processes that share the tests, and from any
# place in it: what is free now is free still when the server that it is meant for starts.
_parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_size = 17000 // _parts
_first = 15000 + _size * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _parts)
_part = range(_first, _first + _size)
_ports = itertools.cycle(_part)
for _ in range(random.SystemRandom().randrange(_size)):
    next(_ports)
_beside = set()


def free_port(*beside):
    """A port that nothing listens on. `beside`: what else its server listens on, as distances from it; no one is given those later."""
    for port in _ports:
        ports = [port, *(port + distance for distance in beside)]
        if ports[-1] in _part and _beside.isdisjoint(ports) and all(map(_is_free, ports)):
            _beside.update(ports[1:])
            return port


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_until(condition, timeout=20, what=None, interval=0.02):
    """Polls until `condition()` is truthy and returns that value; exceptions of ours are not swallowed."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what or condition} did not hold within {timeout} s"
        time.sleep(interval)


class Broker:
    """One `swiftwater start`. Usable without a running process too (`data`, `address` stay the same)."""

    START_SECONDS_MAX = 60  # a recovery after kill -9 belongs to it

    def __init__(self, folder, properties=None, port=None, flags=(), wrapper=()):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.log_path = self.folder / "broker.log"
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.properties = dict(properties or {})
        self.flags = list(flags)
        self.wrapper = list(wrapper)  # a command that runs the program, as prlimit does
        self.process = None
        self.start_seconds = None

    def command(self):
        sets = [part for name, value in self.properties.items() for part in ("--set", f"{name}={value}")]
        # The default ports of roles that a test does not ask for are others' business.
        for role in ("--connect", "--sql", "--console"):
            if role not in self.flags and "--roles" not in self.flags:
                sets += [role, "none"]
        return [
            *self.wrapper,
            binary(),
            "start",
            "--data-dir",
            str(self.data),
            "--kafka",
            self.address,
            *sets,
            *self.flags,
        ]

    def environment(self):
        return None  # the tests' own

    def start(self):
        """Returns once the program said that it is ready; its own log is in the failure if it never does."""
        assert self.process is None
        began = time.monotonic()
        mark = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment()
            )

        def ready():
            status = self.process.poll()
            assert status is None, f"the broker ended with {status} while starting:\n{self.log(mark)}"
            return re.search(r"ready in", self.log(mark))

        wait_until(ready, self.START_SECONDS_MAX, "'ready in' in the broker's output", 0.005)
        self.start_seconds = time.monotonic() - began
        return self

    def log(self, since=0):
        return self.log_path.read_bytes()[since:].decode(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self):
        return self.process.pid

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds_max=5):
        """SIGTERM; a clean stop is exit code 0 within five seconds."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.poll() is None, f"the broker had ended by itself with {process.poll()}:\n{self.log()[-4000:]}"
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"no clean stop within {seconds_max} s:\n{self.log()[-4000:]}") from None
        assert status == 0, f"exit code {status} on SIGTERM:\n{self.log()[-4000:]}"

    def kill(self):
        """kill -9: nothing is flushed, nothing is said."""
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def restart(self, kill=False):
        self.kill() if kill else self.stop()
        return self.start()

    def status_kib(self, name="VmRSS"):
        """A memory figure of /proc/PID/status in KiB."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1))

    def segment_files(self, topic, partition=0, suffix=".log"):
        """Files of one partition, oldest first. The folder is Kafka's: topic-partition."""
        found = sorted(self.data.glob(f"**/{topic}-{partition}/*{suffix}"))
        assert found, f"no *{suffix} of {topic}-{partition} below {self.data}"
        return found
