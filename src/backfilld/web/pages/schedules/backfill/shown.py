"""What a backfill of a schedule would do, slot by slot, in the words of its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from backfilld.domain.schedules import FINISHED_AT
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.operations.sessions.survey import SlotFate, Survey
from backfilld.web.words import numbers, times
from backfilld.web.words.attempts import FILLS, PILLS

FIRST, LAST = 150, 10  # slots that are listed one by one


@dataclass(frozen=True, slots=True)
class SlotShown:
    """A slot: what becomes of it, and why. `session_id`: of the session that it has already."""

    time: str
    word: str
    fill: str
    session_id: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """The panel."""

    to_run: int
    total: int
    left_out: int
    taken: int
    how: str
    span: str
    moves: str
    slots: Sequence[SlotShown | int]  # a number: so many are not listed
    stands: str

    @property
    def short(self) -> str:
        """For where there is room for a line alone."""
        if self.taken:
            return "The name is taken"
        return f"{numbers.thousands(self.to_run)} to run"


def told(survey: Survey, request: ScheduleBackfillRequest, zone: tzinfo, now: datetime) -> Told:
    """All that is worth knowing before it is made."""
    fates = survey.fates
    runs = [one for one in fates if one.fate == "run"]
    taken = sum(one.fate == "taken" for one in fates)

    def clock(at: datetime) -> str:
        return times.clock_time(at, zone, now)

    span = ""
    if runs:
        first, last = clock(runs[0].slot.session_time), clock(runs[-1].slot.session_time)
        span = first if len(runs) == 1 else f"{first} to {last}"
    moves = ""
    if survey.moves_to is not None:
        at = survey.moves_to.session_time
        moves = "the schedule is finished then" if at >= FINISHED_AT else f"it goes on with {clock(at)} then"
    stands = survey.stored.next_session_at
    return Told(
        to_run=len(runs),
        total=len(fates),
        left_out=len(fates) - len(runs) - taken,
        taken=taken,
        how=_how(request, len(runs)),
        span=span,
        moves=moves,
        slots=_listed(fates, zone, now),
        stands="" if request.advance_schedule or stands >= FINISHED_AT else clock(stands),
    )


def _how(request: ScheduleBackfillRequest, count: int) -> str:
    many = request.max_in_flight
    how = "one after another" if many == 1 else f"{many} at once"
    if count == 1:
        how = "by itself"
    parts = [how]
    if request.windows:
        parts.append("in the hours that you have set")
    if request.stop_on_failure:
        parts.append("pausing at the first failure")
    return ", ".join(parts)


def _listed(fates: Sequence[SlotFate], zone: tzinfo, now: datetime) -> list[SlotShown | int]:
    if len(fates) <= FIRST + LAST:
        return [_slot(one, zone, now) for one in fates]
    shown: list[SlotShown | int] = [_slot(one, zone, now) for one in fates[:FIRST]]
    shown.append(len(fates) - FIRST - LAST)
    return [*shown, *(_slot(one, zone, now) for one in fates[-LAST:])]


def _slot(one: SlotFate, zone: tzinfo, now: datetime) -> SlotShown:
    time, mark = times.clock_time(one.slot.session_time, zone, now), one.mark
    if mark is None:
        return SlotShown(time, "runs", "coming", None)
    was = PILLS[mark.status].word.lower()
    words = {
        "run": f"runs again ({was})", "exists": f"left out ({was})", "succeeded": f"left out ({was})",
        "taken": "has an attempt of this name",
    }  # fmt: skip
    return SlotShown(time, words[one.fate], "taken" if one.fate == "taken" else FILLS[mark.status], mark.session_id)
