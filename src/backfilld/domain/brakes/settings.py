"""What a brake is, apart from how it looks: when it holds, when it goes on, and what it applies to."""

from dataclasses import dataclass, field
from typing import Literal

OnError = Literal["hold", "go_on"]
STALE_AFTER_LOOKS = 3  # a verdict that is older than so many looks counts as an error
BLIND_AFTER = 3  # failed looks in a row


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Between `hold` and `release` nothing changes, so that it does not flap. `above`: greater values are worse."""

    above: bool
    hold: float
    release: float
    critical: float | None = None

    @staticmethod
    def made(*, above: bool, hold: float, release: float | None, critical: float | None) -> "Thresholds":
        """With the usual way back: a fifth of the limit below it, or a quarter above it."""
        if release is None:
            release = hold - 0.2 * abs(hold) if above else hold + 0.25 * abs(hold)
        return Thresholds(above, hold, release, critical)

    def worst(self, values: list[float]) -> float:
        """Of several samples the one that counts."""
        return max(values) if self.above else min(values)

    def is_bad(self, value: float) -> bool:
        return value > self.hold if self.above else value < self.hold

    def is_good(self, value: float) -> bool:
        """At the way back, or beyond it."""
        return value <= self.release if self.above else value >= self.release

    def is_critical(self, value: float) -> bool:
        if self.critical is None:
            return False
        return value > self.critical if self.above else value < self.critical


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How looks become a verdict. `thresholds` None: the look itself says whether it is bad."""

    thresholds: Thresholds | None = None
    every_seconds: float = 5.0
    timeout_seconds: float = 2.0
    hold_after: int = 1
    release_after: int = 3
    on_error: OnError = "hold"


@dataclass(frozen=True, slots=True)
class Start:
    """Something that wants to start: by which workflow (`project/name`), to which target, and whether a backfill
    made it or a schedule (`live`)."""

    workflow: str
    target: str
    live: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What a brake applies to. `workflows` and `targets` None: any."""

    workflows: frozenset[str] | None = None  # project/name, or project/*
    targets: frozenset[str] | None = None  # origins
    live: bool = False

    def covers(self, start: Start) -> bool:
        """Whether the brake holds that start, while it holds."""
        if start.live and not self.live:
            return False
        if self.targets is not None and start.target not in self.targets:
            return False
        return self.workflows is None or bool(self.workflows & {start.workflow, _all_of_project(start.workflow)})


def _all_of_project(workflow: str) -> str:
    return workflow.partition("/")[0] + "/*"


@dataclass(frozen=True, slots=True)
class BrakeSettings:
    """One brake, as its owner wrote it. `looks_at` is told to people: a URL without secrets, a path, a database."""

    name: str
    kind: str
    looks_at: str
    rules: Rules
    scope: Scope = field(default_factory=Scope)
    source: str = ""  # what it looks at, whole: another text is another brake
