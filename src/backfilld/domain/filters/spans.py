"""Ordering and equality as plain intervals, so that both back ends ask the same question.

Dates: every comparison is a half-open interval of instants, and one of days for records that hold a date alone.
Numbers: records hold decimal fractions of any length, which a reader of JSON rounds to the nearest double;
the intervals here are of the numbers as written, and hold exactly those that are read into the wanted range.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final

from backfilld.domain.filters.dates import FIRST_DAY, NO_DAY, first_day_from
from backfilld.domain.filters.tree import Moment

_TICK: Final = timedelta(microseconds=1)
_DIGITS: Final = 1200  # enough for every double, and for the middle of any two


@dataclass(frozen=True, slots=True)
class DateSpan:
    """Instants from `first` on and before `until` (None: no bound); days likewise, as YYYY-MM-DD."""

    first: datetime | None
    until: datetime | None
    first_day: str
    until_day: str

    def days(self) -> Iterator[str]:
        """Every day of the span, which must have both bounds. Two days only where a calendar skipped one."""
        day = self.first_day
        while day < self.until_day:
            yield day
            if day == date.max.isoformat():
                return
            day = (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def date_span(operator: str, moments: tuple[Moment, ...]) -> DateSpan:
    """The span of a positive operator of order, or of `=`."""
    low = high = moments[0]
    if operator == "between":
        high = moments[1]
    above = operator in (">", ">=")
    below = operator in ("<", "<=")
    first = None if below else low.at + (_TICK if operator == ">" else timedelta())
    until = None if above else high.at + (timedelta() if operator == "<" else _TICK)
    return DateSpan(
        first,
        until,
        FIRST_DAY if first is None else first_day_from(first, low.zone),
        NO_DAY if until is None else first_day_from(until, high.zone),
    )


def number_spans(operator: str, numbers: Iterable[float], *, whole: bool) -> str:
    """The intervals of a positive operator as a PostgreSQL multirange of numerics.

    `whole` says for which records: those written without a decimal point, which are read exactly, or the
    others, which are rounded.
    """
    at_least, above = (_whole_at_least, _whole_above) if whole else (_rounds_to_at_least, _rounds_to_above)
    wanted = list(numbers)
    match operator:
        case "<":
            spans = [_span(None, at_least(wanted[0]))]
        case "<=":
            spans = [_span(None, above(wanted[0]))]
        case ">":
            spans = [_span(above(wanted[0]), None)]
        case ">=":
            spans = [_span(at_least(wanted[0]), None)]
        case "between":
            spans = [_span(at_least(wanted[0]), above(wanted[1]))]
        case _:
            spans = [_span(at_least(number), above(number)) for number in wanted]
    return "{" + ",".join(span for span in spans if span) + "}"


def are_rounded_alike(numbers: Iterable[float]) -> bool:
    """Whether it makes no difference to a comparison if records are written with a decimal point.

    Below 2^53 it does not: doubles hold every whole number, and none lies within half a step of another number.
    """
    return all(abs(number) < 2**53 for number in numbers)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where the numbers begin that are large enough: at `bound`, or (if not `included`) just above it."""

    bound: Decimal
    included: bool


def _span(low: _Cut | None, high: _Cut | None) -> str:
    """From one cut to before the other, as a range literal; empty text if nothing is between."""
    if low == high and low is not None:
        return ""
    start = "(" if low is None else f"{'[' if low.included else '('}{low.bound:f}"
    end = ")" if high is None else f"{high.bound:f}{')' if high.included else ']'}"
    return f"{start},{end}"


def _whole_at_least(number: float) -> _Cut:
    return _Cut(Decimal(number), True)


def _whole_above(number: float) -> _Cut:
    return _Cut(Decimal(number), False)


def _rounds_to_at_least(number: float) -> _Cut:
    double = float(number)
    return _rounds_to(double if double >= number else math.nextafter(double, math.inf))


def _rounds_to_above(number: float) -> _Cut:
    double = float(number)
    return _rounds_to(double if double > number else math.nextafter(double, math.inf))


def _rounds_to(double: float) -> _Cut:
    """The least number that is read as `double`: half-way from the double before, which an even one gets itself."""
    before = math.nextafter(double, -math.inf)
    with localcontext(prec=_DIGITS):
        middle = (Decimal(before) + Decimal(double)) / 2
    (bits,) = struct.unpack("<q", struct.pack("<d", double))
    return _Cut(middle, bits % 2 == 0)
