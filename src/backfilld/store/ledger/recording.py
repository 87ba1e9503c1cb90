"""What the recorder commits: outcomes with their counters, and tries that were not final.

What was committed may have been, too, where nobody heard of it: then it is repeated. That is rare, and looking for each
row before it is written is dear; so a batch is written as if nothing of it were there, and only where that fails as one
of which something is.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TypeVar

import asyncpg

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.failures.fingerprints import fingerprint
from backfilld.domain.backfills.records import Outcome
from backfilld.store.connection.literals import integers, microseconds_before
from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load
from backfilld.store.ledger import session_items as items
from backfilld.store.ledger.entries import Checkpoint, EndedItem, TriedItem

queries = load("ledger.recording")
T = TypeVar("T")

# How a batch fails of which something is there: by a row, or by a counter that would come out greater than the plan is
# long. A batch that cannot be stored may fail of the second, too, and does so again.
WRITTEN_ALREADY = (asyncpg.UniqueViolationError, asyncpg.CheckViolationError)
NOTHING = Decimal(0)
DIGITS = 2_000  # more than any sum of numbers has that an answer can carry


async def record(
    connection: Connection,
    standings: Sequence[Checkpoint],
    ended: Sequence[EndedItem],
    tried: Sequence[TriedItem],
    now: datetime,
) -> set[int]:
    """Commit a batch; the backfills whose fence still stood. Nothing was written for the others."""
    any_retried = True in [item.had_retry for item in ended]
    try:
        statement = queries.record_retried if any_retried else queries.record_outcomes
        return await _record(connection, statement, standings, ended, tried, now)
    except WRITTEN_ALREADY:
        return await _record(connection, queries.record_missing, standings, ended, tried, now)


async def _record(
    connection: Connection,
    statement: str,
    standings: Sequence[Checkpoint],
    ended: Sequence[EndedItem],
    tried: Sequence[TriedItem],
    now: datetime,
) -> set[int]:
    sessions = True in [entry.is_session for entry in ended] or True in [entry.is_session for entry in tried]
    if not tried and not sessions:
        return await _record_outcomes(connection, statement, standings, ended, now)
    async with connection.transaction():
        await _record_tries(connection, standings, tried)
        reached(Point.RECORDER_BETWEEN)
        owned = await _record_outcomes(connection, statement, standings, ended, now)
        if sessions:
            await items.finish(
                connection,
                [entry for entry in ended if entry.is_session and entry.backfill_number in owned],
                [entry for entry in tried if entry.is_session and entry.backfill_number in owned],
            )
            reached(Point.RECORDER_SESSIONS)
        return owned


async def _record_outcomes(
    connection: Connection,
    statement: str,
    standings: Sequence[Checkpoint],
    ended: Sequence[EndedItem],
    now: datetime,
) -> set[int]:
    outcomes = [item.outcome for item in ended]
    statuses = [o.status for o in outcomes]
    answers = [o.http_status for o in outcomes]
    answered_alike = bool(answers) and answers.count(answers[0]) == len(answers)
    error_classes = _unless_all([o.error_class for o in outcomes], None)
    costs = _unless_all([o.credits for o in outcomes], None)
    groups = None if error_classes is None else [_group(o) for o in outcomes]
    rows = await connection.fetch(
        statement,
        [s.backfill_number for s in standings],
        [s.fence for s in standings],
        [s.mark for s in standings],
        [s.throughput for s in standings],
        [s.hand_out_limit for s in standings],
        now,
        None if len(standings) == 1 else [item.backfill_number for item in ended],
        integers([item.position for item in ended]),
        _unless_all(statuses, "succeeded"),
        microseconds_before(now, [o.started_at for o in outcomes]),
        microseconds_before(now, [o.finished_at for o in outcomes]),
        _unless_all([o.attempts for o in outcomes], 1),
        None if answered_alike else answers,
        _unless_all([o.message for o in outcomes], None),
        _unless_all([o.result for o in outcomes], None),
        costs,
        error_classes,
        _unless_all([o.error for o in outcomes], None),
        _unless_all([o.skip_reason for o in outcomes], None),
        groups,
        answers[0] if answered_alike else None,
        [s.failure_counts for s in standings],
        *_counts(standings, ended, statuses),
        *((None, None) if costs is None else _credits(standings, ended)),
        *(() if statement is queries.record_outcomes else _retried(ended)),
    )
    return {row["backfill_number"] for row in rows}


def _retried(ended: Sequence[EndedItem]) -> tuple[list[int], list[int]]:
    """Backfill and position of those that had a retry row."""
    retried = [item for item in ended if item.had_retry]
    return [item.backfill_number for item in retried], [item.position for item in retried]


def _group(outcome: Outcome) -> bytes | None:
    return fingerprint(outcome.error_class, outcome.error) if outcome.status == "failed" else None


def _counts(
    standings: Sequence[Checkpoint], ended: Sequence[EndedItem], statuses: Sequence[str]
) -> tuple[list[int] | None, ...]:
    """How many of each backfill ended with each status."""
    if len(standings) == 1 and statuses.count("succeeded") == len(statuses):
        return [len(statuses)], None, None, None
    counted = Counter((item.backfill_number, item.outcome.status) for item in ended)
    return tuple(
        _unless_all([counted[s.backfill_number, status] for s in standings], 0)
        for status in ("succeeded", "failed", "skipped", "cancelled")
    )


def _credits(standings: Sequence[Checkpoint], ended: Sequence[EndedItem]) -> tuple[list[Decimal], list[Decimal | None]]:
    """What the items of each backfill have cost together, to the last digit, and the dearest of them."""
    spent: dict[int, list[Decimal]] = {s.backfill_number: [] for s in standings}
    for item in ended:
        if item.outcome.credits is not None:
            spent[item.backfill_number].append(item.outcome.credits)
    with localcontext(prec=DIGITS):
        return [sum(each, NOTHING) for each in spent.values()], [max(each, default=None) for each in spent.values()]


async def _record_tries(connection: Connection, standings: Sequence[Checkpoint], tried: Sequence[TriedItem]) -> None:
    if not tried:
        return
    tries = [item.tried for item in tried]
    await connection.fetch(
        queries.record_tries,
        [s.backfill_number for s in standings],
        [s.fence for s in standings],
        [item.backfill_number for item in tried],
        [item.position for item in tried],
        [t.attempt for t in tries],
        [t.counted for t in tries],
        [t.started_at for t in tries],
        [t.finished_at for t in tries],
        [t.next_attempt_at for t in tries],
        [t.error_class for t in tries],
        [t.error for t in tries],
        [t.http_status for t in tries],
        [t.in_doubt for t in tries],
        [t.unknown_since for t in tries],
    )


def _unless_all(values: list[T], usual: T) -> list[T] | None:
    """The list, or None if it says the usual throughout: asyncpg looks at each element of a list most thoroughly."""
    return None if values.count(usual) == len(values) else values
