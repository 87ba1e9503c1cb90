"""How a brake would have held in the past, by the very rules that it holds by now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.brakes.settings import Rules
from backfilld.domain.brakes.verdicts import Failed, Seen, Verdict, after
from backfilld.domain.windows.openings import Calendar


@dataclass(frozen=True, slots=True)
class Held:
    """One time that it would have held."""

    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class History:
    """What would have been. `in_windows_seconds`: how much of it inside the windows asked about; None: none was."""

    times: int
    held_seconds: float
    in_windows_seconds: float | None
    worst: float | None


def would_have_held(
    samples: Sequence[tuple[datetime, float]], rules: Rules, until: datetime, step: timedelta
) -> list[Held]:
    """When; where samples are missing for longer than `step`, looks failed."""
    verdict, held = Verdict(), list[Held]()
    since: datetime | None = None
    last: datetime | None = None
    for at, value in samples:
        while last is not None and at - last > 1.5 * step:
            last += step
            verdict = after(verdict, Failed("no sample"), rules, last)
            since = _noted(verdict, since, last, held)
        verdict = after(verdict, Seen(value), rules, at)
        since = _noted(verdict, since, at, held)
        last = at
    if since is not None:
        held.append(Held(since, until))
    return held


def _noted(verdict: Verdict, since: datetime | None, at: datetime, held: list[Held]) -> datetime | None:
    if verdict.holds:
        return since or at
    if since is not None:
        held.append(Held(since, at))
    return None


LOOKS_BACK_DAYS = 8


def open_share(held: Sequence[Held], calendar: Calendar | None, now: datetime) -> float:
    """How much of the open time of the last day that had any was not held; 1 where there was none."""
    for days in range(1, LOOKS_BACK_DAYS):
        since = now - timedelta(days=days)
        if _open_seconds(calendar, since, now) > 0:
            since -= timedelta(days=0 if days == 1 else 1)  # its last day may have begun before
            total = _open_seconds(calendar, since, now)
            taken = sum(_open_seconds(calendar, begin, end) for begin, end in _joined(held, since, now))
            return max(0.0, 1.0 - taken / total)
    return 1.0


def _open_seconds(calendar: Calendar | None, since: datetime, until: datetime) -> float:
    return (until - since).total_seconds() if calendar is None else calendar.open_seconds(since, until)


def _joined(held: Sequence[Held], since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """What any of them held, once; within the bounds."""
    found: list[tuple[datetime, datetime]] = []
    for one in sorted(held, key=lambda one: one.since):
        begin, end = max(one.since, since), min(one.until, until)
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        elif begin < end:
            found.append((begin, end))
    return found


def history_of(held: Sequence[Held], values: Iterable[float], rules: Rules, windows: Sequence[Calendar]) -> History:
    """In numbers. Of several windows the one that would have suffered most counts."""
    inside = [sum(calendar.open_seconds(one.since, one.until) for one in held) for calendar in windows]
    known = list(values)
    worst = None if rules.thresholds is None or not known else rules.thresholds.worst(known)
    return History(len(held), sum(one.seconds for one in held), max(inside, default=None), worst)
