"""The order that nothing may start, anywhere, until it is taken back.

It is about the whole database and not about one backfill: an operator who fears for a target, or has just
restored a backup, should not have to find and pause everything one by one, and then know what to resume.
"""

from dataclasses import dataclass
from datetime import datetime

from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode


@dataclass(frozen=True, slots=True)
class StopOrder:
    """What stands at present. `version` grows with every change; `by` and `since` tell of the last one."""

    version: int
    stopped: bool
    by: str | None = None
    why: str | None = None
    since: datetime | None = None

    @property
    def message(self) -> str:
        """The order as a sentence for people."""
        if (reason := self.reason) is not None:
            return reason.message
        return f"Everything was started by {self.by}" + (f": “{self.why}”." if self.why else ".")

    @property
    def reason(self) -> Reason | None:
        """Why nothing starts; None while everything may."""
        if not self.stopped or self.since is None:
            return None
        return because(ReasonCode.STOPPED_BY_OPERATOR, since=self.since, who=self.by or "somebody", why=self.why)


NEVER_STOPPED = StopOrder(version=0, stopped=False)
