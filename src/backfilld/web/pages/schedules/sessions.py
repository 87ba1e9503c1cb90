"""The sessions of a schedule as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import urlencode

from backfilld.domain.sessions.records import Attempt
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.schedules.overview import MOST_LOOKED_AT, OUTCOMES, Outcome
from backfilld.web.words import numbers, times
from backfilld.web.words.attempts import FILLS, PILLS

NAMES: dict[Outcome, str] = {
    "success": "Succeeded", "error": "Failed", "killed": "Killed", "unfinished": "Not ended",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session by its last attempt. `at`: when that ended."""

    id: int
    time: str
    whole: str
    word: str
    fill: str
    attempts: int
    at: datetime | None
    took: str
    said: str
    error_class: str


def row_of(last: Attempt, zone: tzinfo, now: datetime) -> SessionRow:
    if isinstance(last, UnreadableRow):
        time, said = times.clock_time(last.session_time, zone, now), f"This version cannot read it: {last.problem}"
        return SessionRow(last.session_id, time, "", "unreadable", "pending", last.index, None, "", said, "")
    return SessionRow(
        id=last.session_id,
        time=times.clock_time(last.session_time, zone, now),
        whole=times.whole(last.session_time, zone),
        word=PILLS[last.status].word.lower(),
        fill=FILLS[last.status],
        attempts=last.index,
        at=last.finished_at,
        took=took(last),
        said=last.error or last.message or "",
        error_class=last.error_class or "",
    )


def took(attempt: Attempt) -> str:
    if attempt.started_at is None or attempt.finished_at is None:
        return ""
    return times.duration((attempt.finished_at - attempt.started_at).total_seconds())


def chips_of(base: str, chosen: Outcome | None) -> Sequence[dict[str, object]]:
    made: list[dict[str, object]] = [{"name": "All", "address": base, "chosen": chosen is None}]
    return made + [
        {"name": NAMES[one], "address": f"{base}?{urlencode({'status': one})}", "chosen": chosen == one}
        for one in OUTCOMES
    ]


def nothing(chosen: Outcome | None, *, is_later: bool) -> str:
    """What an empty table says."""
    if is_later:
        return "There is nothing older."
    if chosen is None:
        return "It has had no session yet."
    return f"None of the newest {numbers.thousands(MOST_LOOKED_AT)} sessions is {NAMES[chosen].lower()}."
