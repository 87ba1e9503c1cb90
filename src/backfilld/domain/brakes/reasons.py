"""Why a brake holds, in the words of all other reasons."""

from datetime import datetime
from typing import Any

from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.brakes.settings import BrakeSettings, Thresholds
from backfilld.domain.brakes.verdicts import Verdict

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def told_number(value: float) -> str:
    """`14.2`, `1200`, `0.98`: as much of it as people compare."""
    return f"{value:.6g}" if abs(value) < 1e6 or abs(value) >= 1e15 else f"{value:.0f}"


def told_looks(number: int) -> str:
    """`three looks`."""
    word = _WORDS[number] if number < len(_WORDS) else str(number)
    return f"{word} look" if number == 1 else f"{word} looks"


def held_by(settings: BrakeSettings, verdict: Verdict) -> Reason | None:
    """Why nothing starts by the verdict; None if something may."""
    if verdict.holds_since is None:
        return None
    limits = settings.rules.thresholds
    value = None if verdict.seen is None else verdict.seen.value
    if verdict.cause == "value" and limits is not None and value is not None:
        is_bad = limits.is_bad(value)
        return _braked(
            settings,
            verdict.holds_since,
            case="above" if limits.above else "below",
            value=told_number(value if is_bad or verdict.worst is None else verdict.worst),
            now=None if is_bad else told_number(value),
            limit=told_number(limits.hold),
            release=told_number(limits.release),
        )
    if verdict.cause == "blind":
        return blind(settings, verdict.holds_since, verdict.problem)
    return _braked(settings, verdict.holds_since, case="said", why=None if verdict.seen is None else verdict.seen.text)


def blind(settings: BrakeSettings, since: datetime, problem: str | None = None) -> Reason:
    """It sees nothing any more; without `problem` because its last look is too long ago."""
    return _braked(settings, since, case="blind", problem=problem or "no look has ended in time")


def _braked(settings: BrakeSettings, since: datetime, **facts: Any) -> Reason:
    every, looks = told_number(settings.rules.every_seconds), told_looks(settings.rules.release_after)
    return because(ReasonCode.BRAKED, since=since, brake=settings.name, every=every, looks=looks, **facts)


def not_looked_at(settings: BrakeSettings, since: datetime) -> Reason:
    """No look of it has ended since the daemon began."""
    return because(ReasonCode.BRAKED, since=since, case="first", brake=settings.name)


def latched(name: str, at: datetime, value: float, limits: Thresholds | None) -> Reason:
    """It was beyond the critical limit (which may have left the file since), and nobody has reset it."""
    limit = None if limits is None or limits.critical is None else told_number(limits.critical)
    side = None if limits is None or limit is None else ("above" if limits.above else "below")
    return because(ReasonCode.BRAKED_CRITICALLY, since=at, brake=name, value=told_number(value), limit=limit, side=side)
