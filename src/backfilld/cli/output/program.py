"""What this program is called where it was started, for commands that people are told to type."""

import os
import shutil
import sys
from pathlib import Path

NAME = "backfilld"


def program(*, anywhere: bool = False) -> str:
    """`backfilld` if a shell finds it, else a path to it that works from here; `anywhere`: also from other folders, and
    in a shell with another PATH."""
    found = shutil.which(NAME)
    beside = Path(sys.executable).parent / NAME
    if anywhere:
        return os.path.abspath(found) if found else str(beside) if beside.exists() else f"{sys.executable} -m {NAME}"
    if found:
        return NAME
    if not beside.exists():
        return f"{sys.executable} -m {NAME}"
    here = os.path.relpath(beside)
    return str(beside) if here.startswith("..") else here
