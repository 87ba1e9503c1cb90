"""What bounds the speed of a backfill, as numbers and in words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import Bound, Estimate, items_per_minute
from backfilld.domain.sentences import Sentence, fill
from backfilld.domain.texts import many


@dataclass(frozen=True, slots=True)
class Limit:
    """What the speed is bounded by: so much, of which so much is in use.

    `name`: whose it is, where it is shared; `items_per_minute`: what it comes to, where that is known.
    """

    what: str
    value: float
    in_use: float | None
    name: str | None = None
    items_per_minute: float | None = None


def limits_of(
    bounds: Iterable[Bound], allowances: Iterable[Allowance], *, per_minute: float | None = None
) -> Iterator[Limit]:
    """What slows work down from outside, and its own pace."""
    for bound in bounds:
        in_use = per_minute if bound.what == "starts_per_minute" else None
        yield Limit(bound.what, bound.value, in_use, bound.name, items_per_minute(bound))
    for one in allowances:
        yield Limit(one.what, one.value, min(one.value, one.used * (one.others + 1)), one.name, items_per_minute(one))


def told(
    bounds: Iterable[Bound], found: Estimate | None, known: Mapping[str, Any] = MappingProxyType({}), *, now: datetime
) -> Iterator[Sentence]:
    """Sentences about what slows work down; of what connections may be asked only where that makes it end later.

    `known`: `others_at_budget`, who has a part of the target's, by name; `turn`: when its pace lets the next one start.
    """
    for bound in bounds:
        facts = {
            "seconds": _short(60 / bound.value),
            "value": _short(bound.value),
            "others": known.get("others_at_budget") or _others(bound.others),
            "turn": known.get("turn"),
        }
        yield fill(BOUND_TEXTS[bound.what], facts, now)
    limiting = None if found is None else found.limited_by
    if isinstance(limiting, Allowance):
        yield told_allowance(limiting)


BOUND_TEXTS: Final[Mapping[str, str]] = {
    "starts_per_minute": "One start every {seconds:count} s ({value:count} a minute asked for)[; the next {turn:in}].",
    "target_starts_per_minute": "The target gets at most {value:count} a minute[, shared with {others}].",
}


def told_allowance(limiting: Allowance) -> Sentence:
    """What the requests that a connection may be asked come to."""
    facts = {
        "name": limiting.name,
        "value": _short(limiting.value),
        "span": "an hour" if limiting.seconds == 3600 else "a minute",
        "others": _others(limiting.others),
        "rate": rounded(items_per_minute(limiting)),
    }
    return fill(
        "Of connection {name} at most {value:count} requests {span} may be asked[, shared with {others}]"
        "[: about {rate:count} items a minute].",
        facts,
    )


def _others(count: int) -> str | None:
    return many(count, "other", "others") if count else None


def _short(value: float) -> int | float:
    rounded = round(float(value), 2)
    return int(rounded) if rounded.is_integer() else rounded


def rounded(per_minute: float | None) -> int | float | None:
    """As much of it as people read."""
    if per_minute is None:
        return None
    return round(per_minute) if per_minute >= 10 else round(per_minute, 1)
