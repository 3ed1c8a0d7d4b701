"""End-to-end uses that need a broker, a registry and a Connect worker only, each against a program of its own."""

import json
import os
import subprocess
import sys

import pytest

from worker import SHARED, Worker

SCENARIOS = SHARED / "scenarios"
OURS = {"kafka", "sr", "connect"}


def fitting():
    found = []
    for path in sorted(SCENARIOS.glob("*/scenario.json")):
        if set(json.loads(path.read_text())["needs"]) <= OURS:
            found.append(path.parent.name)
    return found


@pytest.mark.deadline(240)
@pytest.mark.parametrize("name", fitting() or [None])
def test_scenario(name, tmp_path):
    if name is None:
        pytest.skip("no scenarios: set SWIFTWATER_SHARED")
    worker = Worker(tmp_path / "broker", registry=True).start()
    try:
        done = subprocess.run(
            [sys.executable, str(SCENARIOS / "run.py"), name],
            env=dict(
                os.environ,
                BOOTSTRAP=worker.address,
                SR_URL=f"http://127.0.0.1:{worker.registry_port}",
                CONNECT_URL=f"http://127.0.0.1:{worker.connect_port}",
            ),
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0 and f"PASS  {name}" in done.stdout, done.stdout + done.stderr
    finally:
        worker.stop()
