"""`swiftwater test`: tests of pipelines, without a server."""

import json
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from process import binary

EXAMPLES = Path(__file__).resolve().parents[2] / "Examples/pipelines"

STATEMENTS = """
CREATE STREAM RATINGS (ID INT KEY, STARS INT) WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM GOOD AS SELECT ID, STARS FROM RATINGS WHERE STARS > 3;
"""


def case(name, stars, **members):
    return {
        "name": name,
        "statements": [line for line in STATEMENTS.splitlines() if line],
        "inputs": [{"topic": "ratings", "key": 1, "value": {"STARS": each}} for each in (2, 5)],
        "outputs": [{"topic": "GOOD", "key": 1, "value": {"STARS": stars}}],
        **members,
    }


def run(*arguments):
    return subprocess.run([binary(), "test", *map(str, arguments)], timeout=60, capture_output=True, text=True)


@pytest.fixture
def cases(tmp_path):
    file = tmp_path / "cases.json"
    file.write_text(
        json.dumps(
            {"tests": [case("right", 5), case("wrong", 4), case("elsewhere", 5, requires=["test-udf"])]}
        )
    )
    return file


def test_the_examples_pass():
    done = run(EXAMPLES)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")
    assert not done.stdout.splitlines()[-1].startswith("0 ")


def test_failures_are_shown_and_counted(cases):
    done = run(cases)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0] == "ok right"
    assert any(line.startswith("FAIL wrong: ") for line in lines)
    assert any(line.startswith("skip elsewhere") for line in lines)
    assert lines[-2:] == ["1 skipped", "1 passed, 1 failed"]


def test_filter_and_skip(cases):
    assert run(cases, "--filter", "^ri").stdout.splitlines()[-1] == "1 passed, 0 failed"
    assert run(cases, "--filter", "(").returncode == 64
    assert run(cases, "--skip-requires", "test-udf", "--filter", "else").stdout.splitlines() == [
        "skip elsewhere: requires test-udf", "1 skipped", "0 passed, 0 failed",
    ]


def test_results_for_build_servers(cases, tmp_path):
    run(cases, "--junit", tmp_path / "results.xml", "--json", tmp_path / "results.json")
    suites = xml.parse(tmp_path / "results.xml").getroot()
    assert len(list(suites.iter("testcase"))) == 3
    assert len(list(suites.iter("failure"))) == 1
    assert json.loads((tmp_path / "results.json").read_text())


def test_plans_and_counters_on_request(cases):
    assert "filter" in run(cases, "--explain", "--filter", "right").stdout.lower()
    assert "filter" in run(cases, "--verbose", "--filter", "wrong").stdout.lower()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tests": 1}'])
def test_a_file_that_is_no_test_is_told(tmp_path, text):
    file = tmp_path / "broken.json"
    file.write_text(text)
    done = run(file)
    assert done.returncode != 0 and "broken.json" in done.stdout + done.stderr
    assert run(tmp_path / "nothing.json").returncode != 0


def test_scripts(tmp_path):
    script = tmp_path / "good.sql"
    script.write_text(
        "--@test: good ratings\n" + STATEMENTS
        + "INSERT INTO RATINGS (ID, STARS) VALUES (1, 5);\nINSERT INTO RATINGS (ID, STARS) VALUES (1, 1);\n"
        + "INSERT INTO RATINGS (ID, STARS) VALUES (2, 4);\n"
        + "ASSERT VALUES GOOD (ID, STARS) VALUES (1, 5);\nASSERT VALUES GOOD (ID, STARS) VALUES (2, 4);\n"
    )
    done = run(script)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed"
