"""Attempts outside of backfills: taken one by one under a lease of their own, and ended under its fence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from backfilld.domain.backfills.records import Outcome, Try
from backfilld.domain.backfills.retries import LONGEST_WAIT as LONGEST_ASKED
from backfilld.domain.stopping import StopOrder
from backfilld.store.admin.stopping import order_of
from backfilld.store.backfills.leases import LENGTH, Holding, Renewal, Word
from backfilld.store.connection.deadlines import connection_within
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.ledger import CLOCKS_DIFFER
from backfilld.store.ledger.session_items import SessionItem

LONGEST_WAIT = LONGEST_ASKED + timedelta(hours=1)  # with room for jitter and for clocks that differ

_sql = load("sessions.live_attempts")
_OF_SESSION = ("attempt_id", "index", "name", "project_id", "timezone", "session_id", "session_uuid", "session_time")
_OF_ATTEMPT = (
    "workflow_id",
    "workflow_name",
    "project_name",
    "revision_id",
    "fence",
    "tries",
    "counted",
    "interruptions",
    "was_under_way",
    "is_charged",
    "repeat_round",
)


@dataclass(frozen=True, slots=True)
class TakenAttempt:
    """An attempt that is ours, as it was when it was taken; and the stop order that was in force then.

    `was_under_way`: its last holder died in the middle of a try; `is_charged`: it stood alone then, and `interruptions`
    has counted that. `repeat_round`: 0 if no try of it was interrupted, or something was heard of it since.
    """

    session: SessionItem
    workflow_id: int
    workflow_name: str
    project_name: str
    revision_id: int
    definition: Mapping[str, Any]
    fence: int
    tries: int
    counted: int
    interruptions: int
    was_under_way: bool
    is_charged: bool
    repeat_round: int
    started_at: datetime | None
    last_failed_at: datetime | None
    in_doubt: bool
    unknown_since: datetime | None
    stop_order: StopOrder

    @property
    def id(self) -> int:
        return self.session.attempt_id

    @property
    def key(self) -> int:
        return self.session.attempt_id


class AttemptUnreadable(Exception):
    """An attempt was taken whose row says nothing that this version understands."""

    def __init__(self, id: int, fence: int, problem: Exception) -> None:
        super().__init__(f"the attempt cannot be read: {type(problem).__name__}: {problem}")
        self.id, self.fence = id, fence


async def count_waiting_alone(pool: Pool) -> int:
    """How many attempts outside of backfills are not finished, and not under way."""
    waiting: int = await pool.fetchval(_sql.count_waiting)
    return waiting


class LiveAttemptStore:
    """`pool` for what is done now and then, `own` for renewals, which wait for nobody."""

    tells_changes = False  # that a workflow was disabled is seen when an attempt is taken, or its try begun

    def __init__(self, pool: Pool, own: Pool, *, instance: str, process: str) -> None:
        self._pool = pool
        self._own = own
        self._instance = instance
        self._process = process

    async def take(self, now: datetime, *, last_round: int) -> TakenAttempt | None:
        """The oldest one that may start now, and is repeated in no later round than `last_round`. AttemptUnreadable."""
        row = await self._pool.fetchrow(
            _sql.take_attempt, self._instance, self._process, LENGTH, now, last_round, LONGEST_WAIT
        )
        if row is None:
            return None
        try:
            return _taken(row)
        except Exception as problem:
            raise AttemptUnreadable(row["attempt_id"], row["fence"], problem) from problem

    async def begin(self, id: int, fence: int, at: datetime, *, alone: bool) -> bool:
        """Say that a try is about to start, and whether it stands alone; False if it may not."""
        return await self._pool.fetchval(_sql.begin_try, id, fence, at, alone) is not None

    async def unname(self, id: int, fence: int) -> None:
        """Say that it stands alone no more."""
        await self._pool.execute(_sql.not_alone, id, fence)

    async def renew(self, held: Sequence[Holding], *, obeys_stop: int, within_seconds: float) -> Renewal:
        """Renew each. TimeoutError if the database does not answer in time."""
        ids, fences = [holding.key for holding in held], [holding.fence for holding in held]
        async with connection_within(self._own, within_seconds) as connection:
            rows = await connection.fetch(_sql.renew_attempts, ids, fences, LENGTH, obeys_stop)
        words = {row["id"]: Word(is_killed=row["is_killed"]) for row in rows}
        return Renewal(words, order_of(rows[0]) if rows else None)

    async def obey(self, held: Sequence[tuple[int, int]], version: int) -> None:
        """Tell whoever waits that a stop order is obeyed here."""
        ids, fences = zip(*held, strict=True)
        await self._pool.execute(_sql.obey_stop, ids, fences, version)

    async def list_killed(self, held: Collection[int]) -> list[int]:
        """Those of ours that somebody wants to be killed."""
        return [row["id"] for row in await self._pool.fetch(_sql.list_killed, list(held))] if held else []

    async def rest(
        self,
        taken: TakenAttempt,
        at: datetime,
        *,
        next_attempt_at: datetime | None,
        tried: Try | None = None,
        cut_off: bool = False,
    ) -> None:
        """Give it back: to be taken again, by anybody, from then on; after a try that was not final, or as it came.

        `cut_off`: it was started, and nobody waited for what comes of it.
        """
        tries, counted = (taken.tries, taken.counted) if tried is None else (tried.attempt, tried.counted)
        failed_at, log = (None, None) if tried is None else (tried.finished_at, tried.log)
        known = taken if tried is None else tried
        await self._pool.execute(
            _sql.rest_attempt, taken.id, taken.fence, next_attempt_at, tries, counted, at, log, failed_at,
            known.in_doubt or cut_off, known.unknown_since,
        )  # fmt: skip

    async def take_back_charge(self, taken: TakenAttempt) -> None:
        """We are alive, and have lost it: nobody died of it."""
        await self._pool.execute(_sql.take_back_charge, taken.id, taken.fence)

    async def finish(self, id: int, fence: int, outcome: Outcome) -> None:
        """End it. A second time changes nothing, and nor does one whose fence has fallen."""
        await self._pool.execute(
            _sql.finish_attempt, id, fence, outcome.finished_at,
            outcome.status in ("succeeded", "skipped"), outcome.status == "cancelled", outcome.attempts,
            outcome.message, outcome.result, outcome.credits, outcome.error_class, outcome.error, outcome.http_status,
            outcome.log,
        )  # fmt: skip

    async def sweep(self, now: datetime, made_before: datetime) -> None:
        """Have killed what is too old; end what nobody runs and is to be killed, or has no workflow any more."""
        await self._pool.execute(_sql.kill_overdue, made_before, now)
        await self._pool.execute(_sql.end_unheld, now, self._instance, self._process)

    async def next_look(self, now: datetime) -> tuple[datetime | None, bool]:
        """When the next retry falls due, and whether something is due already that is not ours.

        What waits since a moment that is still to come, because the clock was set back, waits anew from `now`.
        """
        row = await self._look(now)
        if row["waits_from_ahead"]:
            await self._pool.execute(_sql.wait_anew, now, CLOCKS_DIFFER)
            row = await self._look(now)
        return row["wake_at"], row["waits"]

    async def _look(self, now: datetime) -> asyncpg.Record:
        holder = f"{self._instance}/{self._process}"
        row = await self._pool.fetchrow(_sql.next_look, now, holder, LONGEST_WAIT, CLOCKS_DIFFER)
        assert row is not None  # noqa: S101 - an aggregate always has a row
        return row


def _taken(row: asyncpg.Record) -> TakenAttempt:
    session = SessionItem(**{name: row[name] for name in _OF_SESSION}, params=orjson.loads(row["params"]))
    return TakenAttempt(
        session, **{name: row[name] for name in _OF_ATTEMPT}, definition=orjson.loads(row["definition"]),
        started_at=row["started_at"], last_failed_at=row["last_failed_at"], in_doubt=row["in_doubt"],
        unknown_since=row["unknown_since"], stop_order=order_of(row),
    )  # fmt: skip
