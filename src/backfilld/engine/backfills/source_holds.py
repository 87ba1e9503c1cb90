"""Why a source holds a backfill up, from what it raised."""

from datetime import datetime

from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.sources.base import SourceBusy, SourceRefused, SourceUnreachable

CODES = frozenset({ReasonCode.SOURCE_UNREACHABLE, ReasonCode.SOURCE_REFUSED, ReasonCode.SOURCE_BUDGET})


def held_by(problem: SourceUnreachable, *, since: datetime, until: datetime | None) -> Reason:
    """The reason that says so. It is asked again at `until`."""
    return because(_code(problem), since=since, until=until, problem=str(problem).rstrip("."))


def _code(problem: SourceUnreachable) -> ReasonCode:
    if isinstance(problem, SourceRefused):
        return ReasonCode.SOURCE_REFUSED
    return ReasonCode.SOURCE_BUDGET if isinstance(problem, SourceBusy) else ReasonCode.SOURCE_UNREACHABLE
