"""From looks to a verdict: whether a brake holds, since when and why. Nothing here waits, asks or knows the time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from backfilld.domain.brakes.settings import BLIND_AFTER, Rules

Cause = Literal["value", "said", "blind"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look saw: a number, or a plain word on whether it is bad. `text` is what was said, for people.

    `again_after`: it asked not to be looked at before.
    """

    value: float | None = None
    bad: bool = False
    text: str | None = None
    again_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A look that saw nothing."""

    problem: str


Look = Seen | Failed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a brake after its last look.

    `holds_since` None: it does not hold. `worst` is of the present episode, or of the last one. `is_critical`: the last
    look was beyond the critical limit.
    """

    looked_at: datetime | None = None  # None: never
    seen: Seen | None = None  # the last one that saw something
    problem: str | None = None  # of the last look; None: it saw something
    holds_since: datetime | None = None
    cause: Cause | None = None
    worst: float | None = None
    is_critical: bool = False
    bad_in_a_row: int = 0
    good_in_a_row: int = 0
    failed_in_a_row: int = 0

    @property
    def holds(self) -> bool:
        return self.holds_since is not None


def after(verdict: Verdict, look: Look, rules: Rules, at: datetime) -> Verdict:
    """The verdict once `look` has been taken, at `at`."""
    if isinstance(look, Failed):
        return _after_failure(verdict, look, rules, at)
    bad, good = _judged(verdict, look, rules)
    limits, value = rules.thresholds, look.value
    known = replace(
        verdict,
        looked_at=at,
        seen=look,
        problem=None,
        failed_in_a_row=0,
        bad_in_a_row=verdict.bad_in_a_row + 1 if bad else 0,
        good_in_a_row=verdict.good_in_a_row + 1 if good else 0,
        is_critical=limits is not None and value is not None and limits.is_critical(value),
    )
    if verdict.holds and not bad and known.good_in_a_row >= rules.release_after:
        return replace(known, holds_since=None, cause=None)
    if bad and (verdict.holds or known.bad_in_a_row >= rules.hold_after or known.is_critical):
        return _holding(known, look, rules, at)
    return known


def _judged(verdict: Verdict, look: Seen, rules: Rules) -> tuple[bool, bool]:
    """Whether it is bad, and whether it counts for the way back."""
    if rules.thresholds is None or look.value is None or look.bad:
        return look.bad, not look.bad
    bad = rules.thresholds.is_bad(look.value)
    if verdict.cause == "blind":  # it never was bad, so there is no way back to go
        return bad, not bad
    return bad, rules.thresholds.is_good(look.value)


def _holding(known: Verdict, look: Seen, rules: Rules, at: datetime) -> Verdict:
    begins = known.holds_since is None
    worst = look.value if begins else known.worst
    if look.value is not None and rules.thresholds is not None:
        worst = rules.thresholds.worst([look.value] if worst is None else [worst, look.value])
    cause: Cause = "said" if rules.thresholds is None or look.value is None or look.bad else "value"
    return replace(known, holds_since=known.holds_since or at, cause=cause, worst=worst)


def _after_failure(verdict: Verdict, look: Failed, rules: Rules, at: datetime) -> Verdict:
    """One or two failures change nothing; then what cannot be seen is not taken for well, unless somebody said so."""
    failed = verdict.failed_in_a_row + 1
    known = replace(
        verdict, looked_at=at, problem=look.problem, failed_in_a_row=failed, bad_in_a_row=0, good_in_a_row=0
    )
    if failed < BLIND_AFTER:
        return known
    if rules.on_error == "go_on":
        return replace(known, holds_since=None, cause=None, is_critical=False)
    if verdict.holds:
        return known
    return replace(known, holds_since=at, cause="blind", worst=None)
