"""`swiftwater demo`, and `./dev demo` as far as it can be tested without building: the script on the program under test."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from process import binary, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "Scripts/demo.sh"
FREE = [part for role in ("kafka", "registry", "connect", "sql", "console", "admin") for part in (f"--{role}", "127.0.0.1:0")]
STAGES = {
    "ratings": [
        "ratings", "schema", "filter", "customers", "join", "change of a customer", "unhappy platinum customers",
        "windowed counts", "pull query", "Slack messages", "data lake", "dashboard", "connectors",
    ],
    "widgets": [
        "widgets", "schema", "filter", "count by production line", "average by sensor", "warehouse", "dashboard", "connectors",
    ],
    "balance": ["stream", "changes of the table", "table"],
}


def environment(folder):
    return {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)}


def demo(folder, *arguments, timeout=180):
    return subprocess.run(
        [binary(), "demo", *FREE, *arguments], env=environment(folder), timeout=timeout, capture_output=True,
        text=True, stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("pipeline", STAGES)
def test_every_stage_is_checked(temporary, pipeline):
    done = demo(temporary, "--once", "--pipeline", pipeline)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^  ok  (.*?): ", done.stdout, re.MULTILINE) == STAGES[pipeline]
    assert done.stderr == ""
    assert list(temporary.iterdir()) == [], "the demonstration left files"


@pytest.mark.parametrize(
    "variable, stage",
    [
        ("alerts=http://127.0.0.1:1/hooks/nobody", "Slack messages"),
        ("lake=file:///proc/nowhere", "data lake"),
        ("change_interval=100000000", "change of a customer"),
        ("examples=/nowhere", "CREATE SOURCE CONNECTOR RATINGS_SOURCE"),
    ],
)
def test_a_stage_that_fails_is_named(temporary, variable, stage):
    done = demo(temporary, "--once", "--define", variable, "--timeout", "15")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"stage '{stage}" in done.stderr, done.stdout + done.stderr
    assert list(temporary.iterdir()) == [], "the demonstration left files"


def test_a_tour_shows_and_explains_every_statement(temporary):
    done = demo(temporary, "--tour", "--rows", "3", "--pipeline", "balance")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (ROOT / "Examples/demo/balance.sql").read_text()
    for line in text.splitlines():
        assert line.removeprefix("-- ") in done.stdout, done.stdout
    # The rows of its queries: bookings, balances.
    assert re.search(r"12345 +50\n +12345 +25\n +12345 +-60\n", done.stdout), done.stdout
    assert re.search(r"12345 +50\n +12345 +75\n +12345 +15\n", done.stdout), done.stdout


def test_a_data_folder_stays_and_is_gone_on_with(temporary, tmp_path):
    for run in range(2):
        done = demo(temporary, "--once", "--data", str(tmp_path / "kept"))
        assert done.returncode == 0, f"run {run}:\n{done.stdout}{done.stderr}"
    balances = [demo(temporary, "--once", "--pipeline", "balance", "--data", str(tmp_path / "b")) for _ in range(2)]
    # The bookings of the first run are there and are not made again.
    assert [done.returncode for done in balances] == [0, 0], balances[1].stdout + balances[1].stderr
    assert list(tmp_path.glob("kept/lake/topics/ratings-enriched/*/*.parquet"))


def test_what_is_no_variable_is_refused(temporary):
    done = demo(temporary, "--define", "intreval=3")
    assert done.returncode == 64 and "no variable 'intreval'" in done.stderr and "interval" in done.stderr


class Running:
    """A demonstration that runs until it is interrupted, in a process group of its own."""

    def __init__(self, command, folder, log):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, env=environment(folder), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def output(self, pattern, seconds=120):
        def there():
            assert self.process.poll() is None, self.log.read_text()
            return re.search(pattern, self.log.read_text(), re.MULTILINE)

        return wait_until(there, seconds, f"{pattern} in the output")

    def interrupt(self, to):
        # Ctrl-C reaches the whole group of the terminal, `kill` only the process.
        if to == "group":
            os.killpg(self.process.pid, signal.SIGINT)
        else:
            self.process.terminate()
        assert self.process.wait(30) == 0, self.log.read_text()
        return self.log.read_text()


@pytest.mark.parametrize("to", ["group", "process"])
def test_it_runs_until_it_is_interrupted(temporary, tmp_path, to):
    taken = free_port()
    with Running([binary(), "demo", *FREE, "--kafka", f"127.0.0.1:{taken}"], temporary, tmp_path / "log") as running:
        running.output(r"the first row, \d+ ms after the start")
        assert f"kafka       127.0.0.1:{taken}" in running.log.read_text()
        other = demo(temporary, "--kafka", f"127.0.0.1:{taken}", "--rows", "2", "--pipeline", "balance")
        assert other.returncode == 0 and f"127.0.0.1:{taken} is taken: kafka is elsewhere" in other.stdout, other
        running.interrupt(to)
    assert list(temporary.iterdir()) == [], "the demonstration left files"


def search_server():
    """The package's program, from SWIFTWATER_SEARCH_SERVER or from this environment."""
    if path := os.environ.get("SWIFTWATER_SEARCH_SERVER"):
        return path
    found = importlib.util.find_spec("noida_db")
    return str(Path(found.submodule_search_locations[0]) / "noida-db") if found else None


def processes(text):
    """Those whose command line has the text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            pass  # it has ended meanwhile
    return found


needs_servers = pytest.mark.skipif(
    not (search_server() and (shutil.which("mariadbd") or os.access("/usr/sbin/mariadbd", os.X_OK))),
    reason="needs MariaDB and the search server of Scripts/demo-requirements.txt",
)


@needs_servers
def test_the_whole_talk(temporary):
    done = subprocess.run(
        [SCRIPT, binary(), search_server(), "--once", *FREE], env=environment(temporary), timeout=300,
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stages = re.findall(r"^  ok  (.*?): ", done.stdout, re.MULTILINE)
    assert stages == STAGES["ratings"][:-3] + ["search index", "search index of alerts", "data lake", "dashboard", "connectors"]
    assert list(temporary.iterdir()) == [], "the demonstration left files"
    wait_until(lambda: not processes(str(temporary)), 10, "the end of every process of the demonstration")


@needs_servers
@pytest.mark.parametrize("to", ["group", "process"])
def test_the_whole_talk_until_it_is_interrupted(temporary, tmp_path, to):
    with Running([SCRIPT, binary(), search_server(), *FREE], temporary, tmp_path / "log") as running:
        running.output(r"the first row, \d+ ms after the start")
        running.output(r"in the database: UPDATE CUSTOMERS")
        running.interrupt(to)
    assert list(temporary.iterdir()) == [], "the demonstration left files"
    wait_until(lambda: not processes(str(temporary)), 10, "the end of every process of the demonstration")


@needs_servers
def test_a_stage_of_the_talk_that_fails_is_named(temporary):
    done = subprocess.run(
        [SCRIPT, binary(), search_server(), "--once", *FREE, "--define", "search=http://127.0.0.1:1", "--timeout", "4"],
        env=environment(temporary), timeout=300, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1 and "SINK_ELASTIC_01" in done.stderr or "search index" in done.stderr, done
    assert list(temporary.iterdir()) == [], "the demonstration left files"
