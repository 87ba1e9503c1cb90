"""Whether it is this machine that has nothing left, and not the target or the program that is at fault."""

import errno
import os

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text

_LACKING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LACKING_FOR_PROGRAMS = _LACKING | {errno.EAGAIN}  # of processes; of a socket it means something else
NO_ROOM = "no_room"


def shortage_in(problem: BaseException | None) -> str | None:
    """What this machine lacks, if that is behind `problem`, in words; None if it is something else.

    Libraries hide it: a name cannot be resolved, a certificate not be checked. So it is tried, too, whether a
    descriptor can be had at this moment.
    """
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        if isinstance(problem, OSError) and problem.errno in _LACKING:
            return os.strerror(problem.errno)
        seen.add(id(problem))
        problem = problem.__cause__ or problem.__context__
    return shortage_now()


def shortage_now() -> str | None:
    """What is lacking to open a file, in words; None if one can be opened."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as problem:
        if problem.errno in _LACKING:
            return os.strerror(problem.errno)
    return None


def lacks_for_program(problem: OSError) -> bool:
    """Whether a program could not be started for want of descriptors, memory or processes."""
    return problem.errno in _LACKING_FOR_PROGRAMS


def no_room(text: str) -> Verdict:
    """The item goes back as it came."""
    return Verdict(VerdictKind.NO_ROOM, error_class=NO_ROOM, error=clean_text(text, MESSAGE_BYTES))
