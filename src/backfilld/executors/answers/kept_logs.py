"""What is kept of what a program printed or a target answered: bounded, clean, and without our secrets."""

import re
from dataclasses import replace

from backfilld.domain.backfills.verdicts import Verdict
from backfilld.executors.answers.hiding import NOTHING_HIDDEN, Hiding
from backfilld.executors.base import Work

LOG_BYTES = 65_536

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# As `domain.texts` has it; returns before a line's end are dropped with the other controls.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def kept_log(text: str, hide: Hiding = NOTHING_HIDDEN) -> str:
    """`text` fit to be stored; where it is too long, its beginning and its end."""
    clean = hide(_UNFIT.sub("", _COLOURS.sub("", text)))
    encoded = clean.encode()
    if len(encoded) <= LOG_BYTES:
        return clean
    note = f"\n… {len(encoded) - LOG_BYTES} bytes or more are left out here …\n"
    half = (LOG_BYTES - len(note.encode())) // 2
    return encoded[:half].decode(errors="ignore") + note + encoded[-half:].decode(errors="ignore")


def with_reason(verdict: Verdict, work: Work) -> Verdict:
    """A try that ended before anything was printed or answered has its reason in the log: there people look first."""
    if not work.wants_log or verdict.log is not None or verdict.error is None:
        return verdict
    return replace(verdict, log=kept_log(verdict.error + "\n"))


def two_streams(stdout: str, stderr: str) -> str:
    """What a program wrote, one stream after the other; which is which is said where both have something."""
    if not stderr.strip():
        return stdout
    if not stdout.strip():
        return stderr
    end = "" if stdout.endswith("\n") else "\n"
    return f"{stdout}{end}--- standard error ---\n{stderr}"
