"""End-to-end uses of Connect, alone and with the registry and the SQL server, each against a program of its own; where a
scenario has a table of MySQL's, a MariaDB server is started for it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "cdc"))

from database import MariaDB  # noqa: E402
from worker import SHARED, Worker, wait_until  # noqa: E402

SCENARIOS = SHARED / "scenarios"
OURS = {"kafka", "sr", "connect", "ksql", "mysql"}


def needs(path):
    return set(json.loads(path.read_text())["needs"])


def fitting():
    """Those that say what Connect or the registry does; what is of SQL alone is tested with the SQL server."""
    found = []
    for path in sorted(SCENARIOS.glob("*/scenario.json")):
        if needs(path) <= OURS and ("connect" in needs(path) or "ksql" not in needs(path)):
            found.append(path.parent.name)
    return found


@pytest.fixture
def database(tmp_path):
    """Starts a MariaDB server when it is asked for, and gives its place as the scenarios want it."""
    started = []

    def start():
        if not shutil.which("mariadb-install-db") or not shutil.which("mysql"):
            pytest.skip("there is no MariaDB: install mariadb-server and mariadb-client")
        folder = tmp_path / "mariadb"
        folder.mkdir()
        started.append(MariaDB(folder).start())
        return {
            "MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(started[0].port), "MYSQL_USER": "dbz", "MYSQL_PASSWORD": "dbz"}

    yield start
    for server in started:
        server.stop()


@pytest.mark.deadline(240)
@pytest.mark.parametrize("name", fitting() or [None])
def test_scenario(name, tmp_path, database):
    if name is None:
        pytest.skip("no scenarios: set SWIFTWATER_SHARED")
    wanted = needs(SCENARIOS / name / "scenario.json")
    environment = dict(os.environ, **(database() if "mysql" in wanted else {}))
    # What the scenarios take for granted of a SQL server.
    properties = {"ksql.streams.auto.offset.reset": "earliest"} if "ksql" in wanted else {}
    worker = Worker(tmp_path / "broker", properties, registry=True, sql="ksql" in wanted).start()
    try:
        if worker.sql_port:
            wait_until(lambda: worker.ask_sql("/healthcheck")["serverState"] == "READY", what="the SQL server")
        done = subprocess.run(
            [sys.executable, str(SCENARIOS / "run.py"), name],
            env=dict(
                environment,
                BOOTSTRAP=worker.address,
                SR_URL=f"http://127.0.0.1:{worker.registry_port}",
                CONNECT_URL=f"http://127.0.0.1:{worker.connect_port}",
                KSQL_URL=f"http://127.0.0.1:{worker.sql_port}",
            ),
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0 and f"PASS  {name}" in done.stdout, done.stdout + done.stderr
    finally:
        worker.stop()
