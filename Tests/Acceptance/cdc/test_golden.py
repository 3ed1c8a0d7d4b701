"""The events that the original emits for a rich workload, compared one by one, with their schemas."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from database import ROOT, Connector, MariaDB, driver, payload  # noqa: E402

SHARED = Path(os.environ.get("SWIFTWATER_SHARED", ROOT.parent / "shared")) / "cdc-golden"

CAPTURES = {
    "default": {},
    "string": {
        "decimal.handling.mode": "string", "time.precision.mode": "connect", "binary.handling.mode": "base64",
        "bigint.unsigned.handling.mode": "precise", "include.schema.changes": "false", "tombstones.on.delete": "false",
        "table.exclude.list": "demo.big",
    },
    "double": {
        "decimal.handling.mode": "double", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
        "provide.transaction.metadata": "true", "include.schema.changes": "false",
        "column.propagate.source.type": ".*", "table.exclude.list": "demo.big",
    },
    "unwrap": {
        "transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.add.fields": "op,table,source.db", "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
        "transforms.unwrap.add.headers": "op", "include.schema.changes": "false", "table.exclude.list": "demo.big",
    },
}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    if not (SHARED / "mariadb").is_dir():
        pytest.skip(f"{SHARED} is missing: SWIFTWATER_SHARED names the folder with cdc-golden")
    if driver() is None:
        pytest.skip("the program ChangeEvents is missing: swift build --product ChangeEvents, or CHANGE_EVENTS=PATH")
    server = MariaDB(tmp_path_factory.mktemp("mariadb"), ["--version=5.7.19-log"]).start()
    yield server
    server.stop()


def with_numbered_transactions(lines, folder, name):
    """Transactions are named by their place in the log, which no two servers share: names become numbers in the log's order."""
    lines = list(lines)
    places = {(file, int(place)) for line in lines for file, place in re.findall(r'"id": ?"file=([^",]+),pos=(\d+)"', line)}
    numbers = {f"file={file},pos={place}": f"t{number}" for number, (file, place) in enumerate(sorted(places))}

    def rename(value):
        if isinstance(value, dict):
            return {key: numbers[item] if key == "id" and isinstance(item, str) and item in numbers else rename(item)
                    for key, item in value.items()}
        return [rename(item) for item in value] if isinstance(value, list) else value

    path = folder / name
    with open(path, "w") as output:
        for line in lines:
            output.write(json.dumps(rename(json.loads(line)), ensure_ascii=False) + "\n")
    return path


@pytest.mark.deadline(300)
@pytest.mark.parametrize(
    "capture,arguments", [(capture, []) for capture in CAPTURES] + [("default", ["--written"]), ("string", ["--written"]),
                                                                 ("double", ["--written"])])
def test_events_equal_the_originals(database, tmp_path, capture, arguments):
    golden = SHARED / "mariadb"
    database.sql((golden / "setup.sql").read_text())
    connector = Connector(tmp_path / "connector", database, **{"include__schema__comments": "false"})
    connector.set(CAPTURES[capture]).start("--until", "dbserver1.demo.done_marker", *arguments)
    connector.wait_for(lambda events: any(event["topic"] == "dbserver1.demo.zeros"
                                          and (payload(event).get("source") or {}).get("snapshot", "last") == "last"
                                          and payload(event, "key")["id"] == 2 for event in events))
    database.sql((golden / "workload.sql").read_text())
    assert connector.wait(120) == 0, connector.log.read_text()
    folder = tmp_path / "golden"
    folder.mkdir()
    with_numbered_transactions(open(golden / f"{capture}.events.jsonl"), folder, f"{capture}.events.jsonl")
    (folder / f"{capture}.schemas.json").write_text((golden / f"{capture}.schemas.json").read_text())
    candidate = with_numbered_transactions(open(connector.output), tmp_path, "candidate.jsonl")
    # The END of the last transaction comes behind the marker.
    if capture == "double":
        lines = (folder / "double.events.jsonl").read_text().splitlines()
        ends = [line for line in lines if json.loads(line)["topic"] == "dbserver1.transaction"]
        have = [line for line in candidate.read_text().splitlines()
                if json.loads(line)["topic"] == "dbserver1.transaction"]
        if len(have) == len(ends) - 1:
            (folder / "double.events.jsonl").write_text("\n".join(line for line in lines if line != ends[-1]) + "\n")
    result = subprocess.run(
        [sys.executable, SHARED / "compare.py", folder / capture, candidate], capture_output=True, text=True)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
