"""Instants at which the daemon can be told to die, so that anyone can try what it promises about them.

Whoever promises that a kill at any instant loses nothing has to be able to choose the instant: inside a
transaction, between a commit and the answer, with a request on its way out. `BACKFILLD_CRASH_AT=NAME:N` makes
the process kill itself the N-th time it passes a point, with SIGKILL and no goodbye. Without the variable a
point costs one look at a global name.
"""

import os
import signal
from dataclasses import dataclass
from enum import StrEnum

from backfilld.domain.errors import did_you_mean

VARIABLE = "BACKFILLD_CRASH_AT"


class Point(StrEnum):
    """Every one there is. *Before commit* is at the end of the transaction, or before a statement that is one."""

    CREATE_BEFORE_COMMIT = "create.before_commit"
    CREATE_AFTER_COMMIT = "create.after_commit"  # and before the answer; so for all that people ask for

    SESSIONS_OPENED = "sessions.opened"  # of a request over past times; the plan is not made of them yet
    SESSIONS_BEFORE_COMMIT = "sessions.before_commit"
    SESSIONS_AFTER_COMMIT = "sessions.after_commit"

    KILL_BEFORE_COMMIT = "kill.before_commit"  # of one attempt of a backfill
    KILL_AFTER_COMMIT = "kill.after_commit"

    PUSH_WORKFLOW_WRITTEN = "push.workflow_written"  # one of several
    PUSH_BEFORE_COMMIT = "push.before_commit"
    PUSH_AFTER_COMMIT = "push.after_commit"

    LEASE_BEFORE_TAKING = "lease.before_taking"
    LEASE_TAKEN = "lease.taken"
    LEASE_BEFORE_RENEWAL = "lease.before_renewal"
    LEASE_RENEWED = "lease.renewed"
    LEASE_BEFORE_RELEASE = "lease.before_release"
    LEASE_RELEASED = "lease.released"

    PLANNER_PAGE_BEFORE_COMMIT = "planner.page.before_commit"
    PLANNER_PAGE_AFTER_COMMIT = "planner.page.after_commit"
    PLANNER_FREEZE_BEFORE_COMMIT = "planner.freeze.before_commit"
    PLANNER_FREEZE_AFTER_COMMIT = "planner.freeze.after_commit"

    READER_PLAN_READ = "reader.plan_read"
    READER_RETRIES_READ = "reader.retries_read"

    GATE_PASSED = "gate.passed"  # in flight for us, and not a byte of it sent
    GATE_SENT = "gate.sent"  # all of it has left our buffers
    TRY_ENDED = "try.ended"  # the target has answered, and nobody has been told

    RECORDER_BEFORE_COMMIT = "recorder.before_commit"
    RECORDER_BETWEEN = "recorder.between"  # the tries of a batch are written, its outcomes are not
    RECORDER_SESSIONS = "recorder.sessions"  # the outcomes of a batch are written, and so are their attempts
    RECORDER_AFTER_COMMIT = "recorder.after_commit"

    ALONE_BEFORE_START = "recovery.alone.before_start"  # not yet committed that an item is about to start by itself
    ALONE_COMMITTED = "recovery.alone.committed"
    ALONE_BEFORE_END = "recovery.alone.before_end"  # its outcome is recorded
    ALONE_ENDED = "recovery.alone.ended"
    CHARGE_BEFORE_COMMIT = "recovery.charge.before_commit"
    CHARGE_AFTER_COMMIT = "recovery.charge.after_commit"

    LIMIT_BEFORE_PAUSE = "limit.before_pause"  # too much failed, or was spent, and is recorded; it is not paused yet
    LIMIT_AFTER_PAUSE = "limit.after_pause"

    END_BEFORE_COMMIT = "end.before_commit"  # every item has its outcome, the backfill has not ended
    END_AFTER_COMMIT = "end.after_commit"

    PAUSE_BEFORE_COMMIT = "pause.before_commit"
    PAUSE_AFTER_COMMIT = "pause.after_commit"
    PAUSE_CONFIRMED = "pause.confirmed"  # the owner obeys, the answer is not sent
    PAUSE_END_BEFORE_COMMIT = "pause.end.before_commit"  # by itself, at the time that was asked for
    PAUSE_END_AFTER_COMMIT = "pause.end.after_commit"
    RESUME_BEFORE_COMMIT = "resume.before_commit"
    RESUME_AFTER_COMMIT = "resume.after_commit"
    CANCEL_BEFORE_COMMIT = "cancel.before_commit"
    CANCEL_AFTER_COMMIT = "cancel.after_commit"
    CANCEL_CONFIRMED = "cancel.confirmed"
    CANCEL_REST_BEFORE_COMMIT = "cancel_rest.before_commit"
    CANCEL_REST_AFTER_COMMIT = "cancel_rest.after_commit"

    EDIT_BEFORE_COMMIT = "edit.before_commit"  # other settings
    EDIT_AFTER_COMMIT = "edit.after_commit"
    EDIT_CONFIRMED = "edit.confirmed"

    OVERRIDE_BEFORE_COMMIT = "override.before_commit"  # the windows count as open for a while, or no more
    OVERRIDE_AFTER_COMMIT = "override.after_commit"
    OVERRIDE_CONFIRMED = "override.confirmed"

    TRY_NOW_BEFORE_COMMIT = "try_now.before_commit"  # target and source are to be asked at once
    TRY_NOW_AFTER_COMMIT = "try_now.after_commit"

    STOP_HEARD = "stop.heard"  # a pause or a cancel is in force at the owner, and whoever asked has not been told
    STOP_ACKNOWLEDGED = "stop.acknowledged"

    STOP_ALL_BEFORE_COMMIT = "stop_all.before_commit"
    STOP_ALL_AFTER_COMMIT = "stop_all.after_commit"
    STOP_ALL_CONFIRMED = "stop_all.confirmed"
    START_ALL_BEFORE_COMMIT = "start_all.before_commit"
    START_ALL_AFTER_COMMIT = "start_all.after_commit"

    BRAKE_LATCH_BEFORE_COMMIT = "brake.latch.before_commit"  # it was critical, and holds until somebody resets it
    BRAKE_LATCH_AFTER_COMMIT = "brake.latch.after_commit"
    BRAKE_RESET_BEFORE_COMMIT = "brake.reset.before_commit"
    BRAKE_RESET_AFTER_COMMIT = "brake.reset.after_commit"
    BRAKE_RELEASE_BEFORE_COMMIT = "brake.release.before_commit"
    BRAKE_RELEASE_AFTER_COMMIT = "brake.release.after_commit"

    NOTICES_BEFORE_COMMIT = "notices.before_commit"  # what was committed with its notice becomes messages
    NOTICES_AFTER_COMMIT = "notices.after_commit"
    DELIVERY_TAKEN = "delivery.taken"  # of a message; nothing is sent
    DELIVERY_ANSWERED = "delivery.answered"  # and nobody has written it down
    DELIVERY_NOTED = "delivery.noted"
    RESEND_BEFORE_COMMIT = "resend.before_commit"  # of messages that nobody tried any more
    RESEND_AFTER_COMMIT = "resend.after_commit"

    FIRE_BEFORE_COMMIT = "fire.before_commit"  # a slot has its attempt, and the schedule has moved
    FIRE_AFTER_COMMIT = "fire.after_commit"
    ATTEMPT_TAKEN = "attempt.taken"  # of those that no backfill carries; so for the next three
    ATTEMPT_BEGUN = "attempt.begun"  # it is written down that it is about to start
    ATTEMPT_BEFORE_END = "attempt.before_end"  # the target has answered
    ATTEMPT_ENDED = "attempt.ended"

    REMEMBER_BEFORE_COMMIT = "last_runs.before_commit"
    REMEMBER_AFTER_COMMIT = "last_runs.after_commit"
    DELETE_BEFORE_COMMIT = "delete.before_commit"
    DELETE_AFTER_COMMIT = "delete.after_commit"
    DIGEST_BEFORE_COMMIT = "digest.before_commit"  # of a page of an ended ledger
    JANITOR_PIECE_REMOVED = "janitor.piece_removed"


@dataclass(slots=True)
class Fuse:
    """Where to die, and how often to pass there before."""

    point: Point
    passes: int = 1

    def burn(self) -> None:
        """Pass once more; the last time does not return."""
        self.passes -= 1
        if self.passes <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


_fuse: Fuse | None = None


def reached(point: Point) -> None:
    """Die here, if this is what was asked for."""
    if _fuse is not None and _fuse.point is point:
        _fuse.burn()


def arm(fuse: Fuse) -> None:
    """From now on `fuse.point` is deadly. Meant for the process of `serve`, which does nothing else."""
    global _fuse  # noqa: PLW0603 - there is one process to kill, and handing it through every part would cost more
    _fuse = fuse


def parse(text: str) -> Fuse:
    """`NAME` or `NAME:N`; ValueError says what is wrong with it."""
    name, colon, count = text.strip().partition(":")
    if name not in set(Point):
        raise ValueError(f"there is no crash point {name!r}{did_you_mean(name, Point)}")
    if colon and not (count.isascii() and count.isdigit() and 0 < int(count[:9])):
        raise ValueError(f"after {name}: must stand the pass at which to die, a whole number from 1 (got {count!r})")
    return Fuse(Point(name), int(count[:9]) if colon else 1)
