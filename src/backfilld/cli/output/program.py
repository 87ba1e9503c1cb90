"""What this program is called where it was started, for commands that people are told to type."""

import os
import shutil
import sys
from pathlib import Path

NAME = "backfilld"


def program() -> str:
    """`backfilld` if a shell finds it, else a path to it that works from here."""
    if shutil.which(NAME):
        return NAME
    beside = Path(sys.executable).parent / NAME
    if not beside.exists():
        return f"{sys.executable} -m {NAME}"
    here = os.path.relpath(beside)
    return str(beside) if here.startswith("..") else here
