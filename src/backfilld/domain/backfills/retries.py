"""Whether an item is tried again, and when.

What a target does to one item is told apart from what happens to the target: a try that never reached
it, or that it asked us to postpone, does not count against `max_attempts` unless other items succeed
meanwhile. A target that refuses *us* costs an item nothing at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.backfills.doubt import asking_again, given_up, not_known_yet, stays_in_doubt
from backfilld.domain.backfills.records import Item, Outcome, Try
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind

LONGEST_WAIT = timedelta(hours=24)
MOST_INTERRUPTIONS = 3
DEFAULT_TIMEOUT_SECONDS = 60.0  # of a try whose workflow does not say
MOST_TRIES = 30_000  # what a smallint holds, with room; at a minute each that is three weeks of an unreachable target
INTERRUPTED = "interrupted"
UNRECORDABLE = "unrecordable"  # what became of an item holds something that cannot be stored
SKIPPED_BY_TARGET = "skipped_by_target"
_SUCCEEDED = VerdictKind.SUCCEEDED  # asked for every item, and a look-up in an enum is a call (until Python 3.12)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with full jitter: before try n+1 a random time up to `base * 2^n`, at most `cap`."""

    base: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(minutes=10)
    floor: timedelta = timedelta(milliseconds=200)

    def wait(self, tries: int, retry_after_seconds: float | None, draw: Callable[[], float]) -> timedelta:
        """How long to wait after `tries` tries. What the target asks for wins, and is never undercut."""
        if retry_after_seconds is not None:
            asked = min(max(0.0, retry_after_seconds), LONGEST_WAIT.total_seconds())
            return timedelta(seconds=asked) + self.floor * draw()
        longest = min(self.cap, self.base * float(2 ** min(tries - 1, 30)))
        return self.floor + longest * draw()


@dataclass(frozen=True, slots=True)
class Held:
    """The target refuses us, or there is no room to start anything: the item goes back as it came."""

    why: str


def judge(
    verdict: Verdict,
    item: Item,
    *,
    started_at: datetime,
    finished_at: datetime,
    max_attempts: int,
    others_succeed: bool,
    backoff: Backoff,
    draw: Callable[[], float],
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> Outcome | Try | Held:
    """What one try means for its item. `others_succeed`: some other item did since this one's last failure."""
    kind = verdict.kind
    if kind is _SUCCEEDED:
        return _succeeded(verdict, item, started_at, finished_at)
    if kind is VerdictKind.REFUSED:
        return Held(verdict.error or "the target refuses us")
    if kind is VerdictKind.NO_ROOM:
        return Held(verdict.error or "this machine has no room")
    if not_known_yet(verdict, item):
        patience = timedelta(seconds=timeout_seconds * max_attempts)
        return _asked_again(verdict, item, started_at, finished_at, patience, backoff, draw)
    if kind in (VerdictKind.SKIPPED, VerdictKind.FAILED):
        return _ended(verdict, item, started_at, finished_at)
    counts = not verdict.is_uncounted and (kind is VerdictKind.TRY_AGAIN or others_succeed)
    counted = item.counted + (1 if counts else 0)
    if counted >= max_attempts or item.attempt >= MOST_TRIES:
        return _ended(verdict, item, started_at, finished_at)
    wait = backoff.wait(item.attempt, verdict.retry_after_seconds, draw)
    return _tried(verdict, item, started_at, finished_at, counted, finished_at + wait, item.unknown_since)


def _asked_again(
    verdict: Verdict,
    item: Item,
    started_at: datetime,
    finished_at: datetime,
    patience: timedelta,
    backoff: Backoff,
    draw: Callable[[], float],
) -> Outcome | Try:
    """Uncounted, for as long as `patience` lasts from the first such answer; with a last question at its end."""
    since = item.unknown_since or finished_at
    until = since + patience
    if finished_at >= until or item.attempt >= MOST_TRIES:
        return _ended(given_up(verdict, since, finished_at), item, started_at, finished_at)
    next_attempt_at = finished_at + backoff.wait(item.attempt, verdict.retry_after_seconds, draw)
    if verdict.retry_after_seconds is None:
        next_attempt_at = min(next_attempt_at, until)
    return _tried(asking_again(verdict), item, started_at, finished_at, item.counted, next_attempt_at, since)


def _tried(
    verdict: Verdict,
    item: Item,
    started_at: datetime,
    finished_at: datetime,
    counted: int,
    next_attempt_at: datetime,
    unknown_since: datetime | None,
) -> Try:
    return Try(
        attempt=item.attempt,
        counted=counted,
        started_at=started_at,
        finished_at=finished_at,
        next_attempt_at=next_attempt_at,
        error_class=verdict.error_class or verdict.kind.value,
        error=verdict.error,
        http_status=verdict.http_status,
        log=verdict.log,
        in_doubt=stays_in_doubt(verdict, item),
        unknown_since=unknown_since,
    )


def _succeeded(verdict: Verdict, item: Item, started_at: datetime, finished_at: datetime) -> Outcome:
    return Outcome(
        "succeeded", started_at, finished_at, item.tries + 1, verdict.message, verdict.result, verdict.credits,
        http_status=verdict.http_status, log=verdict.log,
    )  # fmt: skip


def _ended(verdict: Verdict, item: Item, started_at: datetime, finished_at: datetime) -> Outcome:
    """Skipped, or failed."""
    if verdict.kind is VerdictKind.SKIPPED:
        status = "skipped"
    else:
        status = "failed"
    failed = status == "failed"
    return Outcome(
        status=status,
        started_at=started_at,
        finished_at=finished_at,
        attempts=item.attempt,
        message=verdict.message,
        result=verdict.result,
        credits=verdict.credits,
        error_class=(verdict.error_class or verdict.kind.value) if failed else None,
        error=verdict.error if failed else None,
        http_status=verdict.http_status,
        skip_reason=SKIPPED_BY_TARGET if status == "skipped" else None,
        log=verdict.log,
    )


@dataclass(frozen=True, slots=True)
class LastError:
    """What the last try of an item came to that waits for the next one."""

    error_class: str
    error: str | None
    http_status: int | None


def has_no_try_left(item: Item, max_attempts: int) -> bool:
    """True of one that waits for a try which it does not get any more: fewer are allowed by now.

    What may still be at work under its key is asked once more, and ends by the answer.
    """
    return item.is_retry and item.counted >= max_attempts and item.unknown_since is None


def given_up_after(last: LastError, item: Item, at: datetime) -> Outcome:
    """The outcome of such an item."""
    return Outcome(
        status="failed",
        started_at=item.first_started_at or at,
        finished_at=at,
        attempts=item.tries,
        error_class=last.error_class,
        error=last.error,
        http_status=last.http_status,
    )


def interrupted(item: Item, at: datetime) -> Outcome:
    """The outcome of an item in whose presence the process died once too often."""
    return Outcome(
        status="failed",
        started_at=item.first_started_at or at,
        finished_at=at,
        attempts=item.tries,
        error_class=INTERRUPTED,
        error=f"the process died {item.interruptions} times while this item stood alone in flight",
    )
