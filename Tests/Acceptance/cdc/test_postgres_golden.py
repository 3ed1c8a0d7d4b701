"""The events that the original emits for a rich workload on PostgreSQL, compared one by one, with their schemas."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from database import Connector, driver, payload  # noqa: E402
from postgres import PostgreSQL  # noqa: E402
from test_golden import SHARED  # noqa: E402

CAPTURES = {
    "default": {},
    "string": {
        "decimal.handling.mode": "string", "time.precision.mode": "connect", "binary.handling.mode": "base64",
        "tombstones.on.delete": "false", "hstore.handling.mode": "map", "interval.handling.mode": "string",
        "table.exclude.list": "inv.big",
    },
    "double": {
        "decimal.handling.mode": "double", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
        "provide.transaction.metadata": "true", "include.unknown.datatypes": "true", "skipped.operations": "none",
        "table.exclude.list": "inv.big",
    },
    "unwrap": {
        "transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.add.fields": "op,table,source.schema",
        "transforms.unwrap.delete.tombstone.handling.mode": "rewrite", "transforms.unwrap.add.headers": "op",
        "table.exclude.list": "inv.big",
    },
}


@pytest.fixture(scope="module")
def database():
    if not (SHARED / "postgres").is_dir():
        pytest.skip(f"{SHARED} is missing: SWIFTWATER_SHARED names the folder with cdc-golden")
    if driver() is None:
        pytest.skip("the program ChangeEvents is missing: swift build --product ChangeEvents, or CHANGE_EVENTS=PATH")
    server = PostgreSQL().start()
    yield server
    server.stop()


def with_numbered_transactions(lines, path):
    """Transactions are named by their number and place, which no two servers share: numbers count from the first one, places
    go."""
    lines = list(lines)
    numbers = sorted({int(number) for line in lines for number in re.findall(r'"id": ?"(\d+):\d+"', line)})
    with open(path, "w") as output:
        for line in lines:
            # What transactions call messages the original makes up at every start.
            line = re.sub(r'"io\.debezium[^"]*LogicalDecodingMessageId@[0-9a-f]+"', '"message"', line)
            output.write(re.sub(r'("id": ?)"(\d+):\d+"', lambda found: f'{found[1]}"t{numbers.index(int(found[2]))}"', line))
    return path


@pytest.mark.deadline(300)
@pytest.mark.parametrize(
    "capture,arguments", [(capture, []) for capture in CAPTURES] + [(capture, ["--written"]) for capture in CAPTURES
                                                                 if capture != "unwrap"])
def test_events_equal_the_originals(database, tmp_path, capture, arguments):
    golden = SHARED / "postgres"
    database.renew()
    database.sql((golden / "setup.sql").read_text())
    connector = Connector(tmp_path / "connector", database)
    connector.set(CAPTURES[capture]).start("--until", "pgsrv.inv.done_marker", *arguments)
    connector.wait_for(lambda events: any(event["topic"] == "pgsrv.inv.toasty" for event in events))
    # The original read the log when the workload was over: it knew of a table what the catalog said then.
    connector.process.send_signal(signal.SIGSTOP)
    database.sql((golden / "workload.sql").read_text())
    connector.process.send_signal(signal.SIGCONT)
    assert connector.wait(120) == 0, connector.log.read_text()
    folder = tmp_path / "golden"
    folder.mkdir()
    expected = with_numbered_transactions(open(golden / f"{capture}.events.jsonl"), folder / f"{capture}.events.jsonl")
    (folder / f"{capture}.schemas.json").write_text((golden / f"{capture}.schemas.json").read_text())
    candidate = with_numbered_transactions(open(connector.output), tmp_path / "candidate.jsonl")
    # The END of the last transaction comes behind the marker.
    if capture == "double":
        ends = [line for line in expected.read_text().splitlines() if json.loads(line)["topic"] == "pgsrv.transaction"]
        have = [line for line in candidate.read_text().splitlines() if json.loads(line)["topic"] == "pgsrv.transaction"]
        if len(have) == len(ends) - 1:
            expected.write_text("".join(line + "\n" for line in expected.read_text().splitlines() if line != ends[-1]))
    result = subprocess.run(
        [sys.executable, SHARED / "compare.py", folder / capture, candidate], capture_output=True, text=True)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
