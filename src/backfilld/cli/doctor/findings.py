"""What was found, one thing at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "unknown"]
WORST: tuple[State, ...] = ("problem", "warning", "unknown", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was looked at, how it `is`, and what to `do`. `is_vital`: without it no daemon works.

    `unknown`: it could not be looked at, for what it needs was not well.
    """

    what: str
    state: State
    told: str
    do: str | None = None
    is_vital: bool = False


def ok(what: str, told: str) -> Finding:
    return Finding(what, "ok", told)


def warning(what: str, told: str, do: str) -> Finding:
    return Finding(what, "warning", told, do)


def problem(what: str, told: str, do: str, *, vital: bool = False) -> Finding:
    return Finding(what, "problem", told, do, vital)


def unknown(what: str, told: str) -> Finding:
    return Finding(what, "unknown", told)


def worst(findings: Iterable[Finding]) -> State:
    """The state of all of them together."""
    states = {one.state for one in findings}
    return next((state for state in WORST if state in states), "ok")
