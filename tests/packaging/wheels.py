"""The wheel of this work tree, or of one that is a release ahead of it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDED = (
    "src", "docs", "hatch_build.py", "pyproject.toml", "README.md", "CHANGELOG.md", "config.example.toml", "LICENSE",
    "requirements.lock", "requirements-external.lock", "requirements-temporal.lock",
)  # fmt: skip


def built(folder: Path) -> Path:
    """The folder with what `make wheel` makes of this work tree: wheel, sdist, all locks."""
    return wheel_and_sdist_of(ROOT, folder)


def built_ahead(version: str, folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """The same for a later version, which also has `files` (text by path below src/backfilld)."""
    tree = folder.with_name(f"{folder.name}-tree")
    tree.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree)
    init = tree / "src/backfilld/__init__.py"
    init.write_text(re.sub(r'^__version__ = ".*"$', f'__version__ = "{version}"', init.read_text(), flags=re.MULTILINE))
    for name, text in (files or {}).items():
        (tree / "src/backfilld" / name).write_text(text)
    return wheel_and_sdist_of(tree, folder)


def wheel_and_sdist_of(tree: Path, folder: Path) -> Path:
    """`folder`, with what was built of any tree, by the locked build backend, without asking any network."""
    uv = Path(sys.executable).with_name("uv")
    how = ("--quiet", "--offline", "--no-build-isolation", "--python", sys.executable)
    done = subprocess.run(
        [uv, "build", *how, "--out-dir", folder, tree],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip

    assert 0 == done.returncode, done.stdout

    for lock in ("requirements.lock", "requirements-external.lock", "requirements-temporal.lock"):
        shutil.copy(tree / lock, folder)
    return folder
