"""What docs/ says beyond blocks of commands: statements of the SQL reference run, metrics in alerts exist, links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from conftest import EXTERNAL
from process import Broker, binary, free_port

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/sql-reference.md"


@pytest.fixture
def platform(tmp_path):
    """All roles in one process."""
    if EXTERNAL:
        pytest.skip("the documentation is about a platform of ours")
    registry, connect, sql = (f"127.0.0.1:{free_port()}" for _ in range(3))
    flags = ["--registry", registry, "--connect", connect, "--sql", sql, "--admin", "none"]
    broker = Broker(tmp_path, flags=flags).start()
    broker.sql = f"http://{sql}"
    yield broker
    if broker.alive:
        broker.stop()


def shell(platform, *arguments, folder):
    return subprocess.run(
        [binary(), "sql", platform.sql, *map(str, arguments)],
        cwd=folder, timeout=90, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def test_statements_of_the_reference_run_in_their_order(platform, tmp_path):
    text = REFERENCE.read_text()
    statements = "\n".join(re.findall(r"^```sql run\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert statements.count(";") > 50
    (tmp_path / "all.sql").write_text(statements)
    (tmp_path / "more.sql").write_text("SHOW STREAMS;\n")
    done = shell(platform, "-f", "all.sql", folder=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "shown.txt").exists()


def test_properties_of_with_are_the_ones_that_are_known(platform, tmp_path):
    section = REFERENCE.read_text().split("## Properties of WITH")[1].split("\n## ")[0]
    names = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)
    assert len(names) > 20
    unknown = "Invalid config variable"
    for name, statements in [*names, ("NO_SUCH_PROPERTY", "CREATE")]:
        if statements == "INSERT INTO":
            statement = f"INSERT INTO nowhere WITH ({name} = 'x') SELECT * FROM nothing;"
        else:
            topic = "" if name == "KAFKA_TOPIC" else "KAFKA_TOPIC = 'nothing', "
            statement = f"CREATE STREAM s (a INT) WITH ({topic}{name} = 'x');"
        said = shell(platform, "-e", statement, folder=tmp_path).stdout
        assert (unknown in said) == (name == "NO_SUCH_PROPERTY"), f"{statement}\n{said}"


def test_alerts_are_about_metrics_that_exist():
    text = (ROOT / "docs/operations.md").read_text()
    known = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|", text, re.MULTILINE))
    used = set(re.findall(r"\bswiftwater_\w+", text.split("## Alerts")[1]))
    assert used and {re.sub(r"_bucket$", "", name) for name in used} <= known


def anchor(heading):
    """As GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"`|\[|\]\(.*?\)", "", heading).strip().lower())
    return kept.replace(" ", "-")


def test_links_between_documents_lead_somewhere():
    broken = []
    for path in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"\w+:", target):
                continue
            file, _, fragment = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            if not there.exists():
                broken.append(f"{path.name}: {target}")
            elif fragment and there.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
                if fragment not in map(anchor, headings):
                    broken.append(f"{path.name}: {target}")
    assert not broken
