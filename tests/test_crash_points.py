"""Crash points: all of them are used and tried, and nobody comes upon one unawares."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backfilld.config import check, crash_fuse
from backfilld.crash_points import VARIABLE, Fuse, Point, parse, reached

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/backfilld"


def named_in(files: list[Path]) -> set[str]:
    """The points that some files name."""
    return {name for file in files for name in re.findall(r"\bPoint\.([A-Z][A-Z_]+)", file.read_text(encoding="utf-8"))}


def test_every_point_stands_in_the_code():
    assert {point.name for point in Point} == named_in(list(SOURCE.rglob("*.py")))


def test_every_point_has_a_test_that_dies_there():
    assert {point.name for point in Point} == named_in(sorted((ROOT / "tests/crash").glob("test_*.py")))


def test_without_the_variable_nothing_happens():
    for point in Point:
        reached(point)

    assert crash_fuse({}) is None
    assert crash_fuse({VARIABLE: ""}) is None


@pytest.mark.parametrize(
    ("text", "fuse"),
    [
        ("recorder.before_commit", Fuse(Point.RECORDER_BEFORE_COMMIT, 1)),
        (" recorder.before_commit:3 ", Fuse(Point.RECORDER_BEFORE_COMMIT, 3)),
    ],
)
def test_a_point_and_a_pass_can_be_chosen(text: str, fuse: Fuse):
    assert fuse == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate.past", "there is no crash point 'gate.past'; did you mean 'gate.passed'?"),
        ("on the moon", "there is no crash point 'on the moon'"),
        ("gate.passed:0", "after gate.passed: must stand the pass at which to die, a whole number from 1 (got '0')"),
        ("gate.passed:", "after gate.passed: must stand the pass at which to die, a whole number from 1 (got '')"),
        ("gate.passed:²", "after gate.passed: must stand the pass at which to die, a whole number from 1 (got '²')"),
    ],
)  # fmt: skip
def test_what_is_not_a_point_is_a_fault_of_the_configuration(text: str, message: str):
    assert [f"{VARIABLE}: {message}"] == check(None, {VARIABLE: text})


def test_the_process_kills_itself_at_the_chosen_pass():
    program = (
        "from backfilld.crash_points import Fuse, Point, arm, reached\n"
        "arm(Fuse(Point.GATE_PASSED, 2))\n"
        "for name in ('GATE_SENT', 'GATE_PASSED', 'GATE_SENT', 'GATE_PASSED'):\n"
        "    print(name, flush=True)\n"
        "    reached(Point[name])\n"
        "print('lives')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert -signal.SIGKILL == ended.returncode
    assert ["GATE_SENT", "GATE_PASSED", "GATE_SENT", "GATE_PASSED"] == ended.stdout.split()
