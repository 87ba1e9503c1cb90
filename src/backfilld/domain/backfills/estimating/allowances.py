"""So many requests in any hour, or minute: how long it takes until so many are made, also through closed hours."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.windows.openings import FARTHEST_FINISH, Calendar, Opening


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of a connection: `requests` in any `seconds`, of which `used` are spent now; nothing may be asked before `until`.

    An item costs `per_item` of them, and the plan, if it is still to be made, `first`. Where `others` share it, the
    numbers are the part of each; `value` is the limit as it is written.
    """

    what: str
    requests: float
    seconds: float
    per_item: float
    value: float
    name: str | None = None
    used: float = 0.0
    first: float = 0.0
    until: datetime | None = None
    others: int = 0

    @property
    def is_needed(self) -> bool:
        return self.per_item > 0 or self.first > 0


class Spending:
    """Requests as an allowance lets them be made, from `start` on.

    What is spent now came evenly over the last span, and comes back so; whatever is spent from now on comes back a span
    after it. After a span in which nothing was open, all of it is there again.
    """

    def __init__(self, allowance: Allowance, start: datetime) -> None:
        used = min(allowance.used, allowance.requests)
        self._all = allowance.requests
        self._seconds = allowance.seconds
        self._at_once = allowance.requests - used
        self._comes_back = used / allowance.seconds  # a second
        self._span_began = start
        self._spent = 0.0  # in this span
        self._closed_at = start

    def spend(
        self, requests: float, per_second: float, calendar: Calendar | None, since: datetime
    ) -> datetime | None:  # fmt: skip
        """When so many more are made, at that speed at most; None if not within ten years."""
        left, end = requests, since
        for opening in _openings(calendar, since):
            self._open(opening.opens_at)
            at, left = self._through(opening, left, per_second)
            self._closed_at = end = at
            if left <= 0:
                return end
        return None

    def _open(self, at: datetime) -> None:
        if (at - self._closed_at).total_seconds() >= self._seconds:
            self._span_began, self._spent = at, 0.0
            self._at_once, self._comes_back = self._all, 0.0
            return
        passed = int((at - self._span_began).total_seconds() // self._seconds)
        if passed > 0:
            self._span_began += timedelta(seconds=passed * self._seconds)
            self._spent = 0.0

    def _through(self, opening: Opening, left: float, per_second: float) -> tuple[datetime, float]:
        """Where in the opening that is, and what is left then."""
        at = opening.opens_at
        while at < opening.closes_at:
            phase = (at - self._span_began).total_seconds()
            length = min((opening.closes_at - at).total_seconds(), self._seconds - phase)
            done = min(per_second * length, self._given(phase + length) - self._spent)
            if done >= left:
                return at + timedelta(seconds=min(length, self._until(left, phase, per_second))), 0.0
            left -= done
            self._spent += done
            at += timedelta(seconds=length)
            if phase + length >= self._seconds:
                self._span_began, self._spent = at, 0.0
                at, left = self._whole_spans(at, opening.closes_at, left, per_second)
        return opening.closes_at, left

    def _whole_spans(
        self, at: datetime, closes_at: datetime, left: float, per_second: float
    ) -> tuple[datetime, float]:  # fmt: skip
        """As many spans as are needed whole, at one step: an hour by the hour would take long for a year."""
        each = min(per_second * self._seconds, self._all)
        most = int((closes_at - at).total_seconds() // self._seconds)
        spans = max(0, min(most, int(left // each) - 1)) if each > 0 else most
        self._span_began = at + timedelta(seconds=spans * self._seconds)
        return self._span_began, left - spans * each

    def _given(self, phase: float) -> float:
        return self._at_once + self._comes_back * phase

    def _until(self, requests: float, phase: float, per_second: float) -> float:
        """Seconds from `phase` on until so many more are made."""
        wanted = requests + self._spent - self._at_once
        given = max(0.0, wanted / self._comes_back - phase) if wanted > 0 and self._comes_back > 0 else 0.0
        return max(requests / per_second, given)


def _openings(calendar: Calendar | None, since: datetime) -> Iterator[Opening]:
    until = since + FARTHEST_FINISH
    return iter((Opening(since, until),)) if calendar is None else calendar.openings(since, until)
