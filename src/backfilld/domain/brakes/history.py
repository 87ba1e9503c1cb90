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


def history_of(held: Sequence[Held], values: Iterable[float], rules: Rules, windows: Sequence[Calendar]) -> History:
    """In numbers. Of several windows the one that would have suffered most counts."""
    inside = [sum(calendar.open_seconds(one.since, one.until) for one in held) for calendar in windows]
    known = list(values)
    worst = None if rules.thresholds is None or not known else rules.thresholds.worst(known)
    return History(len(held), sum(one.seconds for one in held), max(inside, default=None), worst)
