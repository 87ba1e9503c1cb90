"""Why nothing is starting: for each reason one text, and all that is known of it as values.

Gate, planner, steering and views say why through here, and nowhere else is such a sentence put together.
A new reason is a new member of `ReasonCode` and a new entry in `ENTRIES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Literal

from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.domain.sentences import Sentence, fill, plain
from backfilld.domain.windows.openings import HORIZON, Calendar

R = ReasonCode
NOTHING: Final[Mapping[str, Any]] = {}
LOOKS_AGAIN_AT_NEVER = timedelta(days=1)  # a year that is out of sight today comes nearer

Group = Literal["attention", "working", "paused", "waiting", "ended"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What there is to know of a code.

    `text` is its sentence; where people act on it differently, one for each case, by name.
    `comes_and_goes`: while a backfill works; each time is told once, with its beginning and its end.
    `waits`: the backfill is `waiting` meanwhile, else `running`. `needs_person`: it may not end by itself.
    """

    text: str | Mapping[str, str]
    comes_and_goes: bool = False
    waits: bool = False
    needs_person: bool = False


ENTRIES: Final[Mapping[ReasonCode, Entry]] = {
    R.OUTSIDE_WINDOW: Entry("Closed now. The next opening starts {until:time}[, {until:in}].", waits=True),
    R.NEVER_OPENS: Entry(
        {
            "none": "Its windows never open: none opens within the next {days:count} days.",
            "excluded": "Its windows never open: every date of the next {days:count} days that has one is excluded.",
        },
        waits=True,
        needs_person=True,
    ),
    R.WAITING_FOR_RETRY: Entry(
        {
            "items": "Only retries are left[: {retrying:count}][, the next {until:in}].",
            "chain": "A session waits to be tried again[, {until:in}]; those behind it wait for its end.",
            "others": "The session before the next one has an attempt that is not finished.",
        },
        comes_and_goes=True,
        waits=True,
    ),
    R.PAUSED_BY_USER: Entry("Paused by {who:name}[ {since:ago}][: “{why}”].[ It goes on by itself {until:time}.]"),
    R.AWAITING_APPROVAL: Entry(
        "The plan is frozen: {to_run:count} to run[, {left_out:count} left out]. Look at it, then approve.",
        needs_person=True,
    ),
    R.SAMPLE_DONE: Entry(
        "The sample[ of {sample:count}] is done[: {succeeded:count} succeeded, {failed:count} failed].",
        needs_person=True,
    ),
    R.TOO_MANY_FAILURES: Entry(
        {
            "share": "It stopped itself: {failed:count} of the last {of:count} failed (limit {limit})."
            "[ Most common: “{common}” ({common_count:count}).] Resuming starts both counts anew.",
            "row": "It stopped itself: the last {failed:count} failed in a row (limit {limit})."
            "[ Most common: “{common}” ({common_count:count}).] Resuming starts both counts anew.",
            "sessions": "It stopped itself: {failed:count} failed. Resume goes on with the sessions after them.",
        },
        needs_person=True,
    ),
    R.BUDGET_EXHAUSTED: Entry(
        "It stopped itself: {used:count} of {cap:count} credits are used, {reserved:count} reserved, {left:count} left;"
        " the next start needs {needs:count}.[ About {more:count} more would finish it.]",
        needs_person=True,
    ),
    R.TARGET_UNREACHABLE: Entry(
        "The target {target:name} cannot be reached since {since:time}[: {problem}].",
        comes_and_goes=True,
        needs_person=True,
    ),
    R.TARGET_REFUSES: Entry(
        "The target refuses us since {since:time}[: {problem}].", comes_and_goes=True, needs_person=True
    ),
    R.SOURCE_UNREACHABLE: Entry(
        "The records cannot be read since {since:time}: {problem}.", comes_and_goes=True, needs_person=True
    ),
    R.SOURCE_REFUSED: Entry(
        "The source refuses us since {since:time}: {problem}.", comes_and_goes=True, needs_person=True
    ),
    R.SOURCE_BUDGET: Entry(
        "The source may not be asked more now[: {problem}][; it goes on {until:time}].", comes_and_goes=True
    ),
    R.ENGINE_UNREACHABLE: Entry(
        "The engine {target:name} cannot be reached since {since:time}[: {problem}]"
        "[; what runs there ({runs:count}) goes on and is found again].",
        comes_and_goes=True,
        needs_person=True,
    ),
    R.NO_WORKERS: Entry(
        "Nobody works on the queue {queue:name} of the engine {engine:name} since {since:time}"
        "[; waiting there: {runs:count}].",
        comes_and_goes=True,
        needs_person=True,
    ),
    R.RATE_LIMITED: Entry(
        "The target asked us to slow down[: {problem}][; the next start is {until:in}].", comes_and_goes=True
    ),
    R.WAITING_FOR_CAPACITY: Entry(
        {
            "places": "All[ {places:count}] places of this daemon are taken[, by {holders}].",
            "lease": "The right to run it cannot be renewed: {problem}.",
            "recorder": "The database takes no outcomes: {problem}[; {outcomes:count} wait].",
            "database": "It waits for the database: {problem}.",
            "machine": "This machine has no room to start more: {problem}.",
        },
        comes_and_goes=True,
    ),
    R.DRAINING: Entry(
        {
            "daemon": "The daemon is stopping[; {in_flight:count} in flight may finish].",
            "cancel": "Cancelled by {who:name}[: “{why}”]; it waits for what is in flight.",
        }
    ),
    R.WORKFLOW_DISABLED: Entry(
        "The workflow {workflow:name} is disabled[ {how}][ since {disabled_at:time}][ by {disabled_by:name}]"
        "[: “{disabled_why}”].",
        needs_person=True,
    ),
    R.RECOVERING: Entry(
        {
            "first": "Repeating what a killed daemon may have started: {begun:count} of at most {items:count};"
            " then at full pace again.",
            "second": "Repeating what a killed daemon may have started, one at a time, since it was killed again"
            " meanwhile: {begun:count} of at most {items:count}; then at full pace again.",
        }
    ),
    R.BRAKED: Entry(
        {
            "above": "Braked by {brake:name} since {since:time}: {value} is more than {limit}[ (now {now})].",
            "below": "Braked by {brake:name} since {since:time}: {value} is less than {limit}[ (now {now})].",
            "said": "Braked by {brake:name} since {since:time}[: {why}].",
            "blind": "Braked by {brake:name} since {since:time}, because it cannot be seen: {problem}.",
            "first": "Braked by {brake:name}, which has not been looked at yet.",
        },
        comes_and_goes=True,
    ),
    R.BRAKED_CRITICALLY: Entry(
        "The brake {brake:name} was at {value} at {since:time}[ (critical {side} {limit})].",
        comes_and_goes=True,
        needs_person=True,
    ),
    R.STOPPED_BY_OPERATOR: Entry("Everything was stopped by {who:name}[ {since:ago}][: “{why}”]."),
}

OUTAGES: Final = frozenset(code for code, entry in ENTRIES.items() if entry.comes_and_goes)
WAITING: Final = frozenset(code for code, entry in ENTRIES.items() if entry.waits)
OF_BREAKERS: Final = frozenset({R.TARGET_UNREACHABLE, R.ENGINE_UNREACHABLE, R.TARGET_REFUSES})
NEWS_FOR: Final = timedelta(days=1)  # so long after its end somebody should look at what failed


def group_of(status: Status, code: ReasonCode | None, *, ended_for: timedelta | None = None) -> Group:
    """Where a list shows it: what needs a person comes first. `ended_for`: how long ago it ended, if it has."""
    if status is Status.FAILED and ended_for is not None and ended_for < NEWS_FOR:
        return "attention"
    if status in ENDED:
        return "ended"
    if code is not None and ENTRIES[code].needs_person:
        return "attention"
    if status is Status.PAUSED or code is R.STOPPED_BY_OPERATOR:
        return "paused"
    return "waiting" if status is Status.WAITING else "working"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a backfill is not starting anything, since when, and until when where that is known.

    `message` is the sentence as it was written when the reason was found; `told` writes it anew. `facts` are the values
    of the text, None for a reason that was written down before there were any.
    """

    code: ReasonCode
    message: str
    since: datetime
    until: datetime | None = None
    facts: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def sentence(self) -> Sentence:
        """The text of the code, with typed parts."""
        return self.sentence_at(None)

    def sentence_at(self, now: datetime | None, known: Mapping[str, Any] = NOTHING) -> Sentence:
        """The same for somebody who reads it `now`; `known` is what is known besides, and newer."""
        if self.facts is None:
            return (self.message,)
        return _sentence(self.code, self.since, self.until, {**self.facts, **known}, now)

    def lasting(self, *known: "Reason | None") -> "Reason":
        """The same, since the earliest moment at which one of `known` says that it held already."""
        return replace(self, since=min([self.since, *(one.since for one in known if one and one.is_like(self))]))

    def is_like(self, other: "Reason") -> bool:
        """Whether it is the same obstacle: of brakes, the same one."""
        return self.code is other.code and (self.facts or {}).get("brake") == (other.facts or {}).get("brake")

    def written(self, zone: tzinfo) -> "Reason":
        """The same, with its message as it is kept and logged: times as in `zone`, with their dates."""
        return replace(self, message=plain(self.sentence, zone))

    def told(self, zone: tzinfo, now: datetime, known: Mapping[str, Any] = NOTHING) -> str:
        """The sentence for somebody who reads it `now`, with times as in `zone`."""
        return plain(self.sentence_at(now, known), zone, now)


def shown(status: Status, reason: Reason | None) -> tuple[Status, ReasonCode | None]:
    """What a timeline says of a status: what comes and goes while a backfill works has rows of its own there."""
    if reason is None or reason.code not in OUTAGES:
        return status, None if reason is None else reason.code
    return Status.RUNNING if status is Status.WAITING else status, None


def because(
    code: ReasonCode, *, since: datetime, until: datetime | None = None, zone: tzinfo = UTC, **facts: Any
) -> Reason:
    """The reason with that code. `facts` are what its text names; `case`, where it has several texts."""
    message = plain(_sentence(code, since, until, facts), zone)
    return Reason(code, message, since, until, facts)


def _sentence(
    code: ReasonCode, since: datetime, until: datetime | None, facts: Mapping[str, Any], now: datetime | None = None
) -> Sentence:
    text = ENTRIES[code].text
    # a reason that was kept when its code had one text names none of several
    chosen = text if isinstance(text, str) else text[facts.get("case", next(iter(text)))]
    return fill(chosen, {**facts, "since": since, "until": until}, now)


def closed(calendar: Calendar, now: datetime, *, begun_at: datetime) -> Reason | None:
    """Why nothing starts by the windows; None while one is open. It waits since they closed, or since it has begun."""
    state = calendar.state(now)
    if state.open:
        return None
    since = max(begun_at, calendar.closed_since(now) or begun_at)
    if state.next_open_at is None:
        opens = replace(calendar, excluded_dates=frozenset()).next_opening(now) is not None
        case = "excluded" if opens else "none"
        return because(R.NEVER_OPENS, since=since, zone=calendar.zone, days=HORIZON.days, case=case)
    return because(R.OUTSIDE_WINDOW, since=since, until=state.next_open_at, zone=calendar.zone)


def looks_again_at(reason: Reason, now: datetime) -> datetime | None:
    """When whoever waits for that reason to end need look again; None if it has to be looked after all the time."""
    if reason.code is R.NEVER_OPENS:
        return now.replace(microsecond=0) + LOOKS_AGAIN_AT_NEVER
    return reason.until if reason.code in (R.OUTSIDE_WINDOW, R.WAITING_FOR_RETRY) else None


@dataclass(frozen=True, slots=True)
class Onwards:
    """Where a backfill goes on that nothing but its windows holds."""

    status: Status
    reason: Reason | None
    wake_at: datetime | None


def onwards(calendar: Calendar | None, now: datetime, *, planned_at: datetime | None) -> Onwards:
    """Planning (None: not planned yet), running, or waiting for its windows (None: always open).

    Said after a resume, and when its plan is frozen.
    """
    if planned_at is None:
        return Onwards(Status.PLANNING, None, now)
    reason = None if calendar is None else closed(calendar, now, begun_at=planned_at)
    if reason is None:
        return Onwards(Status.RUNNING, None, now)
    return Onwards(Status.WAITING, reason, looks_again_at(reason, now))
