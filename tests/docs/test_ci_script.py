"""`.ci/run` runs every ring, gives tests that failed one more chance, and nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/run"
RINGS = ["test", "check", "test-slow", "test-clients", "test-browser", "test-engines"]
MAKE = """#!/bin/sh
echo "make $1" >> asked
[ "$1" = "$BROKEN" ] || exit 0
[ -z "$REMEMBERED" ] || { mkdir -p .pytest_cache/v/cache && echo '{}' > .pytest_cache/v/cache/lastfailed; }
echo "make: *** [Makefile:9: $1] Error $CODE" >&2
exit 2
"""
PYTHON = """#!/bin/sh
echo "python $*" >> asked
exit "$AGAIN"
"""


@pytest.fixture
def place(tmp_path):
    """The script where `make` and Python only write down what is asked of them."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci/run")
    programs = tmp_path / "programs"
    for file, text in ((programs / "make", MAKE), (tmp_path / ".venv/bin/python", PYTHON)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    for name in (
        "apt-get",
        "systemd-analyze",
        "systemd-nspawn",
        "debootstrap",
        "mvn",
        "javac",
        "promtool",
        "chromium",
        "man",
    ):
        (programs / name).symlink_to("/bin/true")
    return tmp_path


def run_in(place, *, broken="", code=1, remembered="yes", again=0):
    """Its exit code, what it printed, and what it asked for."""
    told = {"BROKEN": broken, "CODE": str(code), "REMEMBERED": remembered, "AGAIN": str(again)}
    path = f"{place / 'programs'}:{os.environ['PATH']}"
    ended = subprocess.run(
        [place / ".ci/run"], env={"PATH": path} | told, capture_output=True, text=True, timeout=60, check=False
    )
    asked = (place / "asked").read_text().splitlines()
    return ended.returncode, ended.stdout, asked


def test_every_ring_is_run_and_tells_its_minutes(place):
    code, said, asked = run_in(place)

    assert 0 == code
    assert ["make .venv/.setup-test", *(f"make {ring}" for ring in RINGS)] == asked
    for ring in [*RINGS, "together"]:
        assert f"\n{ring} " in said
    assert "minutes" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("ring", "marks"),
    [
        ("test", ""),
        ("test-slow", " -m (slow or hypothesis) and not clients and not browser --hypothesis-profile=thorough"),
        ("test-clients", " -m clients"),
        ("test-browser", " -m browser"),
        ("test-engines", " -m engines"),
    ],
)
@pytest.mark.parametrize("again", [0, 1])
def test_what_failed_is_run_once_more_and_decides(place, ring, marks, again):
    code, _, asked = run_in(place, broken=ring, again=again)

    assert again == code
    assert f"python -m pytest --last-failed --last-failed-no-failures none{marks}" in asked
    assert (f"make {RINGS[-1]}" in asked) == (again == 0 or ring == RINGS[-1])


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(
    "how", [{"code": 2}, {"code": 3}, {"code": 5}, {"remembered": ""}], ids=["interrupted", "broken", "none", "no test"]
)
def test_a_ring_that_breaks_off_gets_no_second_chance(place, ring, how):
    (place / ".pytest_cache/v/cache").mkdir(parents=True)
    (place / ".pytest_cache/v/cache/lastfailed").write_text("{}")  # of a run before

    code, _, asked = run_in(place, broken=ring, **how)

    assert 1 == code
    assert f"make {ring}" == asked[-1]
