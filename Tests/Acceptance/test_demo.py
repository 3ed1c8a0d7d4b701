"""`./dev demo`, as far as it can be tested without building: the script on the program under test."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from process import binary, wait_until

SCRIPT = Path(__file__).resolve().parents[2] / "Scripts/demo.sh"


def test_bounded_demo_shows_every_rating_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [SCRIPT, binary(), "--once"], env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        timeout=120, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [int(number) for number in re.findall(r'"rating_id":(\d+)', done.stdout)]
    assert sorted(ids) == list(range(1, 41)), done.stdout
    assert list(tmp_path.iterdir()) == [], "the demonstration left files"


@pytest.mark.parametrize("to", ["group", "script"])
def test_demo_runs_until_interrupted_and_leaves_nothing(tmp_path, to):
    log = tmp_path / "log"
    folder = tmp_path / "temporary"
    folder.mkdir()
    with open(log, "wb") as output:
        demo = subprocess.Popen(
            [SCRIPT, binary()], env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )
    try:
        wait_until(lambda: log.read_text().count('"rating_id"') >= 5, 60, "five ratings in the output of the demo")
        # Ctrl-C reaches the whole group of the terminal, `kill` only the script.
        if to == "group":
            os.killpg(demo.pid, signal.SIGINT)
        else:
            demo.terminate()
        assert demo.wait(20) == 0, log.read_text()
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGKILL)
    assert list(folder.iterdir()) == [], "the demonstration left files"
    wait_until(lambda: not group_lives(demo.pid), 10, "the end of every process of the demonstration")


def group_lives(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False
