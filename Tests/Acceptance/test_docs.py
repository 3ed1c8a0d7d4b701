"""The commands in README.md and docs/ do what the text shows.

A fenced block marked `console run` holds commands (lines that start with `$ `) and their output; `...` in it stands for
anything, also over several lines. The blocks of one file run in order, in one folder, against one platform, whose addresses
take the place of the usual ones.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import EXTERNAL
from process import binary, free_port
from registry import RegistryBroker

ROOT = Path(__file__).resolve().parents[2]
ADDRESS, REGISTRY, CONNECT, SQL = (f"127.0.0.1:{port}" for port in (9092, 8081, 8083, 8088))


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
    broker = RegistryBroker(tmp_path)
    broker.sql, broker.connect = (f"127.0.0.1:{free_port()}" for _ in range(2))
    broker.flags += ["--sql", broker.sql, "--connect", broker.connect]
    broker.start()
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
        SWIFTWATER_SQL=f"http://{broker.sql}",
        SWIFTWATER_CONNECT=f"http://{broker.connect}",
    )
    usual = {
        ADDRESS: broker.address, REGISTRY: broker.url.removeprefix("http://"), CONNECT: broker.connect, SQL: broker.sql,
    }
    folder = tmp_path / "documentation"
    folder.mkdir()
    for block in blocks(path):
        for number, command, expected in block:
            line = command
            for address, actual in usual.items():
                line = line.replace(address, actual)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", line],
                cwd=folder, env=environment, timeout=120,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            output = done.stdout.replace(broker.address, ADDRESS)
            place = f"{path.name}:{number}: {command}"
            assert done.returncode == 0, f"{place}\nended with {done.returncode}:\n{output}"
            pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*")
            assert re.fullmatch(pattern, output.strip(), re.DOTALL), f"{place}\nprinted:\n{output}\nnot:\n{expected}"


def test_documentation_is_found():
    assert documents(), "README.md has no block marked `console run`"
