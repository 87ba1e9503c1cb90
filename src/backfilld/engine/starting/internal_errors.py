"""What becomes of an exception that nobody foresaw: the end of the one item or attempt on whose way it was raised.

Whatever is wrong with the data of one, or with our handling of it, is the same at the next try and after the next
start. So it is final, and it is written down like any other failure; its neighbours and the daemon go on.
"""

from datetime import datetime

from backfilld.domain.backfills.records import Outcome
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.engine.starting.work_payload import DefinitionUnreadable

INTERNAL = "internal"
EXECUTOR_ERROR = "executor_error"
DEFINITION_INVALID = "definition_invalid"


def in_words(problem: BaseException) -> str:
    """The exception in a line that can be stored."""
    return clean_text(f"{type(problem).__name__}: {problem}", MESSAGE_BYTES)


def verdict_after(problem: Exception, *, started: bool) -> Verdict | None:
    """How a try went whose executor raised `problem`; None: it was the preparation, which would fail again.

    What has been started may have come to the target, and what the machine refused it may give later.
    """
    if not started and not isinstance(problem, OSError):
        return None
    return Verdict(VerdictKind.TRY_AGAIN, error_class=EXECUTOR_ERROR, error=in_words(problem))


def outcome_of(problem: Exception, *, started_at: datetime | None, at: datetime, attempts: int) -> Outcome:
    """How an item or attempt ends on whose way `problem` was raised."""
    if isinstance(problem, DefinitionUnreadable):
        error_class, error = DEFINITION_INVALID, clean_text(str(problem), MESSAGE_BYTES)
    else:
        error_class, error = INTERNAL, in_words(problem)
    return Outcome("failed", started_at or at, at, attempts, error_class=error_class, error=error)
