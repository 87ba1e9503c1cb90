"""Whether this process shall kill itself somewhere: from the environment alone, never from a file.

A file is copied from machine to machine; whoever sets the variable means this one process.
"""

import os
from collections.abc import Mapping

from backfilld.config.faults import ConfigFault
from backfilld.crash_points import VARIABLE, Fuse, parse


def crash_fuse(environ: Mapping[str, str] | None = None) -> Fuse | None:
    """What BACKFILLD_CRASH_AT says; None if it is not set. ValueError if it names no crash point."""
    text = (os.environ if environ is None else environ).get(VARIABLE, "")
    return parse(text) if text.strip() else None


def faults_in_crashing(environ: Mapping[str, str]) -> list[ConfigFault]:
    """What is wrong with the variable."""
    try:
        crash_fuse(environ)
    except ValueError as problem:
        return [ConfigFault(VARIABLE, "", str(problem))]
    return []
