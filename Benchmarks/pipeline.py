"""The demonstration with its generator at full speed: ratings per second, and how far each reader is behind.

    SWIFTWATER_BIN=PROGRAM pipeline.py [--seconds N] [SEARCH_SERVER]

With a search server the talk in full by Scripts/demo.sh, otherwise the pipeline that needs nothing but the program. What a
connector's consumer group has not committed yet counts as lag, so a sink's goes up and down with its commits: what tells is
whether the maximum of the second half is that of the first. `./dev bench pipeline` calls it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERY = 2


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


def platform(pid, program):
    """The process of the platform: the one started, or the script's child."""
    if Path(f"/proc/{pid}/exe").resolve() == Path(program).resolve():
        return pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if Path(f"/proc/{child}/exe").resolve() == Path(program).resolve():
                return int(child)
        except OSError:
            pass  # it has ended meanwhile
    return None


def main():
    arguments = sys.argv[1:]
    seconds = 60
    if "--seconds" in arguments:
        at = arguments.index("--seconds")
        seconds = int(arguments[at + 1])
        del arguments[at:at + 2]
    program, search = os.environ["SWIFTWATER_BIN"], (arguments or [None])[0]
    roles = ("kafka", "registry", "connect", "sql", "console", "admin")
    ports = dict(zip(roles, free_ports(len(roles))))
    options = [part for role in roles for part in (f"--{role}", f"127.0.0.1:{ports[role]}")]
    options += ["--define", "interval=0"]
    command = [ROOT / "Scripts/demo.sh", program, search] if search else [program, "demo"]
    console = f"http://127.0.0.1:{ports['console']}"
    with tempfile.TemporaryDirectory() as folder:
        log = open(f"{folder}/log", "wb")
        process = subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "TMPDIR": folder})
        try:
            samples = measure(process, program, console, seconds)
        except Exception:
            sys.stderr.write(Path(f"{folder}/log").read_text()[-3000:])
            raise
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
    report(samples)


def measure(process, program, console, seconds):
    deadline = time.monotonic() + 90
    while True:
        try:
            edges = get(f"{console}/api/lineage")["edges"]
            if any(edge["to"] == "connector:DATA_LAKE" and edge["lag"] is not None for edge in edges):
                break
        except OSError:
            pass  # it starts
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError("the pipeline did not come up")
        time.sleep(0.5)
    time.sleep(5)
    pid = platform(process.pid, program)
    samples = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(EVERY)
        lags = {}
        for edge in get(f"{console}/api/lineage")["edges"]:
            if edge["lag"] is not None:
                lags[f"{edge['from'].split(':', 1)[1]} → {edge['to'].split(':', 1)[1]}"] = edge["lag"]
        ends = get(f"{console}/api/topics/ratings")["partitions"]
        produced = sum(int(one["end_offset"]) for one in ends)
        samples.append((time.monotonic(), produced, lags, processor_seconds(pid), resident(pid)))
    return samples


def report(samples):
    first, last = samples[0], samples[-1]
    took = last[0] - first[0]
    rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(samples, samples[1:])]
    print("| what | measured | goal |\n|---|---|---|")
    print(f"| ratings per second over {took:.0f} s | {(last[1] - first[1]) / took:,.0f} | 20,000 |")
    print(f"| least and most of {EVERY} s | {min(rates):,.0f} to {max(rates):,.0f} | |")
    print(f"| processor | {(last[3] - first[3]) / took:.2f} cores | |")
    print(f"| memory | {first[4]:.0f} MiB, at the end {last[4]:.0f} MiB | |")
    half = len(samples) // 2
    for name in sorted({name for sample in samples for name in sample[2]}):
        parts = [max((sample[2].get(name, 0) for sample in part), default=0) for part in (samples[:half], samples[half:])]
        print(f"| most lag of {name}, first and second half | {parts[0]:,} / {parts[1]:,} | flat |")


main()
