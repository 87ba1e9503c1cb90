"""How many of a backfill's items failed lately, and whether that is too many.

Counted is what succeeded or failed for good, in the order in which it is recorded. The counts are kept beside the
counters, as text, and go on from there in the next process.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from backfilld.domain.backfill_settings import FailurePolicy

NOT_COUNTED: Final = frozenset({"skipped", "cancelled"})


@dataclass(frozen=True, slots=True)
class Trip:
    """Too many failed: a share of the last `of`, or so many in a row. Named as in the sentence that says so."""

    case: Literal["share", "row"]
    failed: int
    of: int
    limit: str


class FailureCounts:
    """The last `policy.window` results as bits, and how many failed in a row. `trip`: the first that was too much.

    `accepted` tells one counting from the next: whoever resumes what had stopped accepts the failures so far.
    """

    __slots__ = ("_bits", "_failed", "_oldest", "_size", "accepted", "policy", "run", "trip")

    def __init__(self, policy: FailurePolicy, accepted: int = 0) -> None:
        self.policy = policy
        self.accepted = accepted
        self.run = 0
        self.trip: Trip | None = None
        self._bits = self._failed = self._size = 0
        self._oldest = 1 << (policy.window - 1)

    def __repr__(self) -> str:
        return f"<{self._failed} of {self._size} failed, {self.run} in a row, {self.trip}>"

    def note(self, status: str) -> bool:
        """An item ended so. True if that is the one that is too much."""
        if status == "succeeded":
            self.run = 0
            if not self._bits:  # nearly always
                if self._size < self.policy.window:
                    self._size += 1
                return False
            self._push(0)
        elif status == "failed":
            self.run += 1
            self._push(1)
        else:
            return False
        return self.judge()

    def _push(self, failed: int) -> None:
        if self._size < self.policy.window:
            self._size += 1
        elif self._bits & self._oldest:
            self._bits ^= self._oldest
            self._failed -= 1
        self._bits = self._bits << 1 | failed
        self._failed += failed

    def judge(self) -> bool:
        """True if it is too much now, and was not before."""
        policy = self.policy
        if self.trip is not None:
            return False
        if self.run >= policy.max_consecutive_failures:
            self.trip = Trip("row", self.run, self.run, str(policy.max_consecutive_failures))
        elif self._size >= policy.min_sample and self._failed > policy.max_failure_ratio * self._size:
            self.trip = Trip("share", self._failed, self._size, f"{policy.max_failure_ratio * 100:g} %")
        return self.trip is not None

    def under(self, policy: FailurePolicy, accepted: int) -> "FailureCounts":
        """As they go on with these: the same, unless the window is another, or the failures were accepted."""
        if (policy.window, accepted) != (self.policy.window, self.accepted):
            return FailureCounts(policy, accepted)
        self.policy = policy
        return self

    def kept(self) -> str:
        """As text, from which `read` makes the same counts."""
        trip = "null" if self.trip is None else json.dumps(asdict(self.trip))
        return (
            f'{{"window":{self.policy.window},"accepted":{self.accepted},"size":{self._size},"bits":"{self._bits:x}",'
            f'"run":{self.run},"trip":{trip}}}'
        )

    @staticmethod
    def read(text: str | None, policy: FailurePolicy, accepted: int) -> "FailureCounts":
        """Those that were kept, as far as they are still counted (`under`); None: there are none yet."""
        if text is None:
            return FailureCounts(policy, accepted)
        kept: dict[str, Any] = json.loads(text)
        counts = FailureCounts(FailurePolicy(window=kept["window"]), kept["accepted"])
        counts._size, counts._bits, counts.run = kept["size"], int(kept["bits"], 16), kept["run"]
        counts._failed = counts._bits.bit_count()
        counts.trip = None if kept["trip"] is None else Trip(**kept["trip"])
        return counts.under(policy, accepted)
