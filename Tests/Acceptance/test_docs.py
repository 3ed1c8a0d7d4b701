"""The commands in README.md and docs/ do what the text shows.

A fenced block marked `console run` holds commands (lines that start with `$ `) and their output; `...` in it stands for
anything, also over several lines. The blocks of one file run in order, in one folder, against one broker, whose address
takes the place of 127.0.0.1:9092, and its registry.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import EXTERNAL
from process import binary
from registry import RegistryBroker

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "127.0.0.1:9092"


def unfinished(command):
    """Whether the next line belongs to the command: after a backslash, or inside a here-document."""
    here = re.search(r"<<'(\w+)'", command)
    return command.endswith("\\") or (here and command.splitlines()[-1] != here[1])


def blocks(path):
    """Lists of (line number, command, expected output), one per block to run."""
    found, block = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if block is None:
            if line.startswith("```console") and "run" in line.split():
                block = []
        elif line.startswith("```"):
            found.append(block)
            block = None
        elif line.startswith("$ "):
            block.append([number, line[2:], ""])
        elif unfinished(block[-1][1]):
            block[-1][1] += "\n" + line
        else:
            block[-1][2] += line + "\n"
    return found


def documents():
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths if blocks(path)]


@pytest.fixture
def broker(tmp_path):
    if EXTERNAL:
        pytest.skip("the documentation is about a broker of ours")
    broker = RegistryBroker(tmp_path).start()
    yield broker
    if broker.alive:
        broker.stop()


@pytest.mark.parametrize("path", documents())
def test_commands_of_the_documentation(path, broker, tmp_path):
    environment = dict(
        os.environ,
        PATH=f"{Path(binary()).parent}:{os.environ['PATH']}",
        SWIFTWATER_BOOTSTRAP=broker.address,
        SWIFTWATER_REGISTRY=broker.url,
    )
    folder = tmp_path / "documentation"
    folder.mkdir()
    for block in blocks(path):
        for number, command, expected in block:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command.replace(ADDRESS, broker.address)],
                cwd=folder, env=environment, timeout=60,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            output = done.stdout.replace(broker.address, ADDRESS)
            place = f"{path.name}:{number}: {command}"
            assert done.returncode == 0, f"{place}\nended with {done.returncode}:\n{output}"
            pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*")
            assert re.fullmatch(pattern, output.strip(), re.DOTALL), f"{place}\nprinted:\n{output}\nnot:\n{expected}"


def test_documentation_is_found():
    assert documents(), "README.md has no block marked `console run`"
