"""What systemd itself says about the units. Without it the test is left out, but not in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.systemd.unit_files import UNIT

from backfilld.cli.admin.install_service import rendered

pytestmark = pytest.mark.slow

WORST = "15"  # exposure 1.5 of 10


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs systemd-analyze (Debian: systemd)")
    return found


@pytest.fixture(params=["external", "embedded", "of a user"])
def unit(request, tmp_path: Path) -> Path:
    """A unit that would start something that is there, drop-ins appended to it."""
    how = {"embedded": request.param == "embedded", "user": "daemon" if request.param == "of a user" else None}
    file = tmp_path / UNIT
    file.write_text("\n".join(rendered(Path(sys.executable), Path("/etc/backfilld/backfilld.toml"), **how).values()))
    return file


def said(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_it_has_nothing_to_complain_about(systemd_analyze, unit):
    assert (0, "") == said(systemd_analyze, "verify", "--man=no", unit)


def test_it_would_complain_about_a_misspelt_setting(systemd_analyze, unit):
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchDogSec"))
    _, complaint = said(systemd_analyze, "verify", "--man=no", unit)

    assert "WatchDogSec" in complaint


def test_it_grades_the_sandbox_as_tight(systemd_analyze, unit):
    code, report = said(systemd_analyze, "security", "--no-pager", "--offline=true", f"--threshold={WORST}", unit)

    assert 0 == code, report
