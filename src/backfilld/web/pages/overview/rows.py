"""A backfill as a row of the overview."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backfilld.domain.backfills.estimating.ends import Unknown
from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.calendars import shown_zone
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.steering.try_now import ASKED
from backfilld.web.words import numbers, times
from backfilld.web.words.bars import Segment, segments
from backfilld.web.words.sentences import Said, said
from backfilld.web.words.states import Pill, pill

R = ReasonCode
HOUR_HEIGHT, HOUR_STEP = 16, 6


@dataclass(frozen=True, slots=True)
class End:
    """When it will be finished, or was. `text` holds its zone; `at` is None where there are only words."""

    text: str
    at: datetime | None = None
    whole: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Remedy:
    """The one thing that most likely comes next: `verb` is the page that does it; None: a link to look at."""

    word: str
    verb: str
    role: str = "operator"


@dataclass(frozen=True, slots=True)
class Row:
    """What is seen of one."""

    id: UUID
    number: int
    name: str
    pill: Pill
    said: Said
    by: str
    ended: bool
    planned: bool
    percent: str
    counted: str
    bar: Sequence[Segment]
    rate: str
    hour: Sequence[tuple[int, int]]  # x and height of the last hour's bars
    end: End | None
    remedy: Remedy | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that this version cannot read: it hides no other."""

    id: UUID
    number: int
    problem: str


def row_of(seen: tuple[BackfillView, Explanation] | UnreadableRow, now: datetime) -> Row | Unreadable:
    """The row as it stands `now`."""
    if isinstance(seen, UnreadableRow):
        return Unreadable(seen.id, seen.number, str(seen.problem))
    view, explanation = seen
    backfill, counts = view.backfill, view.counts
    zone = shown_zone(backfill)
    return Row(
        id=backfill.id,
        number=backfill.number,
        name=backfill.settings.name or backfill.workflow_name,
        pill=pill(view),
        said=said(explanation.sentences[0], zone, now),
        by=" · ".join([backfill.workflow_name, backfill.settings.entity_type or "sessions", _owner(view)]),
        ended=view.has_ended,
        planned=view.planned,
        percent=numbers.percent(counts.processed + counts.cancelled, counts.total) if view.planned else "",
        counted=_counted(view),
        bar=segments(counts),
        rate=_rate(view),
        hour=_hour(view),
        end=_end(view, now),
        remedy=remedy(view),
    )


def _owner(view: BackfillView) -> str:
    return view.backfill.created_by_name or view.backfill.created_by.partition(":")[0]


def _rate(view: BackfillView) -> str:
    rate = view.throughput_per_minute or 0
    return f"{numbers.thousands(round(rate))}/min" if view.backfill.status is Status.RUNNING and rate >= 0.5 else ""


def _hour(view: BackfillView) -> Sequence[tuple[int, int]]:
    """Nothing where nothing has ended, or nothing goes on."""
    most = max(view.last_hour, default=0)
    if view.backfill.status is not Status.RUNNING or not most:
        return ()
    heights = [-(-HOUR_HEIGHT * count // most) for count in view.last_hour]
    return [(number * HOUR_STEP, height) for number, height in enumerate(heights) if height]


def _counted(view: BackfillView) -> str:
    counts = view.counts
    if not view.planned:
        return f"{numbers.thousands(counts.total)} so far" if counts.total else ""
    if not counts.total:
        return "empty plan"
    return f"{numbers.thousands(counts.processed + counts.cancelled)} of {numbers.thousands(counts.total)}"


def _end(view: BackfillView, now: datetime) -> End | None:
    zone = shown_zone(view.backfill)
    at = view.backfill.completed_at if view.has_ended else view.estimated_completion_at
    if at is not None:
        return End(times.clock_time(at, zone, now), at, times.whole(at, zone), times.place(zone))
    if view.reason is not None and view.reason.code is R.AWAITING_APPROVAL:
        return End("after approval")
    if view.estimate is not None and view.estimate.unknown is Unknown.TOO_FAR:
        return End("not in ten years")
    return None


_REMEDIES = {
    R.AWAITING_APPROVAL: Remedy("Approve…", "resume"),
    R.SAMPLE_DONE: Remedy("Go on…", "resume"),
    R.TOO_MANY_FAILURES: Remedy("Resume…", "resume"),
    R.BUDGET_EXHAUSTED: Remedy("Resume…", "resume"),
    R.PAUSED_BY_USER: Remedy("Resume…", "resume"),
}


def remedy(view: BackfillView) -> Remedy | None:
    """What most likely comes next, if a person is needed for it."""
    if view.has_ended:
        return Remedy("Rerun…", "rerun-failed") if view.counts.failed else None
    if view.reason is not None and view.reason.code in ASKED:
        return Remedy("Try now…", "try-now")
    if view.backfill.status is Status.PAUSED and view.reason is not None:
        return _REMEDIES.get(view.reason.code)
    return None
