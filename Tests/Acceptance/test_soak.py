"""A short run of the soak (Scripts/soak.py); `./dev soak --minutes 20` is the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "Scripts/soak.py"


@pytest.mark.deadline(420)
def test_a_minute_of_soak(program, tmp_path, capsys):
    """The seed is fixed, so that a failure can be run again; what the clients do in between is not."""
    if os.environ.get("BOOTSTRAP"):
        pytest.skip("BOOTSTRAP names an external cluster: there is no process of ours")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--minutes", "1", "--seed", "7", "--folder", str(tmp_path / "soak")],
        env={**os.environ, "SWIFTWATER_BIN": program}, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    with capsys.disabled():
        print("\n" + done.stdout.splitlines()[-1])
