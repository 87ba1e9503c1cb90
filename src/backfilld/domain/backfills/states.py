"""Which status may follow which, with the reason for each move.

Every change of a status is a compare-and-set on `may_become(wanted)`, so that this table is the only
place that decides. `running` and `waiting` change into each other by the engine, and where people
change windows; people pause, resume and cancel; whoever loses a race is told the status that won.
"""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a backfill stands."""

    PLANNING = "planning"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED = "failed"


S = Status

MOVES: Final[dict[tuple[Status, Status], str]] = {
    (S.PLANNING, S.RUNNING): "the plan is frozen, and a window is open",
    (S.PLANNING, S.WAITING): "the plan is frozen, and no window is open",
    (S.PLANNING, S.COMPLETED): "the plan is frozen, and nothing in it is left to run",
    (S.PLANNING, S.PAUSED): "somebody paused it, or the plan is frozen and waits for approval",
    (S.PLANNING, S.CANCELLING): "somebody cancelled it",
    (S.PLANNING, S.FAILED): "the plan cannot be made",
    (S.RUNNING, S.WAITING): "the window closed, or only retries are left",
    (S.RUNNING, S.PAUSED): "somebody paused it, the sample is done, or a policy stopped it",
    (S.RUNNING, S.CANCELLING): "somebody cancelled it",
    (S.RUNNING, S.COMPLETED): "every item has an outcome, and none failed",
    (S.RUNNING, S.COMPLETED_WITH_FAILURES): "every item has an outcome, and some failed",
    (S.RUNNING, S.FAILED): "the backfill itself cannot go on",
    (S.WAITING, S.RUNNING): "a window opened, by the clock or by a change, or a retry is due",
    (S.WAITING, S.PAUSED): "somebody paused it, or the sample is done",
    (S.WAITING, S.CANCELLING): "somebody cancelled it",
    (S.WAITING, S.COMPLETED): "the last item ended while it waited",
    (S.WAITING, S.COMPLETED_WITH_FAILURES): "the last item ended while it waited, and some failed",
    (S.WAITING, S.FAILED): "the backfill itself cannot go on",
    (S.PAUSED, S.PLANNING): "resumed, and its plan is not frozen yet",
    (S.PAUSED, S.RUNNING): "resumed, and a window is open",
    (S.PAUSED, S.WAITING): "resumed, and no window is open",
    (S.PAUSED, S.CANCELLING): "somebody cancelled it",
    (S.PAUSED, S.FAILED): "the backfill itself cannot go on",
    (S.CANCELLING, S.CANCELLED): "the last item in flight has ended, and whatever has no outcome is cancelled",
}

ACTIVE: Final = frozenset({S.PLANNING, S.RUNNING, S.WAITING, S.PAUSED, S.CANCELLING})
ENDED: Final = frozenset({S.CANCELLED, S.COMPLETED, S.COMPLETED_WITH_FAILURES, S.FAILED})
RUNNABLE: Final = frozenset({S.PLANNING, S.RUNNING, S.WAITING, S.CANCELLING})  # a daemon may lease these
STARTABLE: Final = frozenset({S.RUNNING, S.WAITING})  # items may start in these


def may_become(wanted: Status) -> frozenset[Status]:
    """The statuses from which `wanted` can be reached in one move."""
    return frozenset(current for current, following in MOVES if following is wanted)


class ReasonCode(StrEnum):
    """Why nothing is starting; or, of `recovering`, why it is not going its way yet."""

    OUTSIDE_WINDOW = "outside_window"
    WAITING_FOR_RETRY = "waiting_for_retry"
    PAUSED_BY_USER = "paused_by_user"
    AWAITING_APPROVAL = "awaiting_approval"
    SAMPLE_DONE = "sample_done"
    TOO_MANY_FAILURES = "too_many_failures"
    BUDGET_EXHAUSTED = "budget_exhausted"
    TARGET_UNREACHABLE = "target_unreachable"
    TARGET_REFUSES = "target_refuses"
    SOURCE_UNREACHABLE = "source_unreachable"
    SOURCE_REFUSED = "source_refused"
    SOURCE_BUDGET = "source_budget"
    ENGINE_UNREACHABLE = "engine_unreachable"
    NO_WORKERS = "no_workers"
    RATE_LIMITED = "rate_limited"
    WAITING_FOR_CAPACITY = "waiting_for_capacity"
    DRAINING = "draining"
    NEVER_OPENS = "never_opens"
    WORKFLOW_DISABLED = "workflow_disabled"
    STOPPED_BY_OPERATOR = "stopped_by_operator"
    BRAKED = "braked"
    BRAKED_CRITICALLY = "braked_critically"
    RECOVERING = "recovering"  # no obstacle: what a killed daemon may have started is repeated first


def end_status(*, failed: int) -> Status:
    """How a backfill ends whose every item has an outcome."""
    return Status.COMPLETED_WITH_FAILURES if failed else Status.COMPLETED
