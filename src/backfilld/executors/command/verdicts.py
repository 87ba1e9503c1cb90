"""What the end of a program means for the item.

The exit status decides, as a status code does for HTTP; only a success is read for more.
"""

import errno
import os
import re
import signal

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text, cut_text, without_controls
from backfilld.executors.answers.answer_document import meaning_of, noted_success, plain_success
from backfilld.executors.answers.documents import decoded_text, document_in
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.shortage import lacks_for_program, no_room

KEPT_OF_ERRORS_BYTES = 16_384

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PASSING = frozenset({errno.ETXTBSY, errno.EINTR, errno.EIO})
_NOT_FOUND = frozenset({errno.ENOENT, errno.ENOTDIR})


def exit_verdict(status: int, stdout: bytes, stderr: bytes, *, complete: bool, hide: Hiding) -> Verdict:
    """`status` is minus a signal's number if one killed it; `complete`: `stdout` is all that was written there."""
    if status == 0:
        return _success(stdout, complete=complete, hide=hide)
    said = stderr if stderr.strip() else stdout
    if status < 0:
        what = f"killed by {_signal_name(-status)}"
        return Verdict(VerdictKind.TRY_AGAIN, error_class="killed_by_signal", error=_told(what, said, hide))
    kind = VerdictKind.TRY_AGAIN if status == os.EX_TEMPFAIL else VerdictKind.FAILED
    return Verdict(kind, error_class=f"exit_{status}", error=_told(f"exit status {status}", said, hide))


def timeout_verdict(seconds: float, stderr: bytes, hide: Hiding) -> Verdict:
    """It did not end in time, and was ended."""
    told = _told(f"not done within {seconds:g} s", stderr, hide)
    return Verdict(VerdictKind.TRY_AGAIN, error_class="timeout", error=told)


def start_verdict(problem: OSError, program: str, cwd: str | None) -> Verdict:
    """It could not be started: the machine cannot now, or the workflow names something that there is not."""
    words = os.strerror(problem.errno) if problem.errno else str(problem)
    if lacks_for_program(problem):
        return no_room(f"'{program}' cannot be started now: {words}")
    if problem.errno in _PASSING:
        return _not_started(VerdictKind.UNREACHABLE, "spawn_failed", f"'{program}' cannot be started now: {words}")
    if cwd is not None and problem.filename == cwd:
        return _not_started(VerdictKind.REFUSED, "cwd_not_usable", f"the directory '{cwd}' cannot be used: {words}")
    if problem.errno in _NOT_FOUND:
        return _not_started(VerdictKind.REFUSED, "command_not_found", f"there is no program '{program}': {words}")
    return _not_started(VerdictKind.REFUSED, "command_not_executable", f"'{program}' cannot be started: {words}")


def _not_started(kind: VerdictKind, error_class: str, error: str) -> Verdict:
    return Verdict(kind, error_class=error_class, error=clean_text(error, MESSAGE_BYTES))


def _success(stdout: bytes, *, complete: bool, hide: Hiding) -> Verdict:
    if not complete:
        return noted_success("its output is too long to be read", None)
    document = document_in(stdout)
    if document.oddity is not None:
        return plain_success(None)  # a program may print what it likes
    return meaning_of(document, None, hide)


def _told(what: str, said: bytes, hide: Hiding) -> str:
    """The end of what it said, which is where programs say why."""
    text = _COLOURS.sub("", decoded_text(said[-KEPT_OF_ERRORS_BYTES:])[0])
    if len(said) >= KEPT_OF_ERRORS_BYTES:  # of which the beginning was cut off, perhaps within a secret
        text = hide.without_beginning(text)
    text = hide(without_controls(text)).strip()
    if not text:
        return what
    return f"{what}: {_end_of(text, MESSAGE_BYTES - len(what) - 2)}"


def _end_of(text: str, most_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return cut_text("…" + encoded[-(most_bytes - 3) :].decode(errors="ignore"), most_bytes)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
