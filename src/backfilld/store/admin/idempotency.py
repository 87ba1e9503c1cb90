"""Answers that were given under an idempotency key, so that a repeated request changes nothing.

An answer is written in the transaction that does what it tells of: either both are there, or neither.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

REMEMBERED_FOR = timedelta(hours=24)

_sql = load("admin.idempotency")


@dataclass(frozen=True, slots=True)
class Key:
    """What a caller chose, and where it counts: `caller` is his identity, `route` names the operation."""

    caller: str
    route: str
    text: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer that was given; `answer` is the JSON value that was stored with it."""

    body_hash: bytes
    status: int
    answer: Any


class IdempotencyStore:
    """The table `idempotency_keys`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, key: Key, *, now: datetime, on: Connection | None = None) -> Remembered | None:
        """The answer that was given under `key` in the last 24 hours."""
        since = now - REMEMBERED_FOR
        row = await (on or self._pool).fetchrow(_sql.find_answer, key.caller, key.route, key.text, since)
        return Remembered(row["body_hash"], row["status"], json.loads(row["answer"])) if row else None

    async def try_lock(self, key: Key, *, on: Connection) -> bool:
        """Take `key` until the transaction of `on` ends; False if another transaction has it."""
        return bool(await on.fetchval(_sql.try_lock_key, f"{key.caller}\n{key.route}\n{key.text}"))

    async def remember(
        self, key: Key, *, body_hash: bytes, status: int, answer: Any, now: datetime, on: Connection
    ) -> None:
        """Keep `answer` (a JSON value) for those who ask again. Whoever calls holds the lock and has found nothing."""
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        await on.execute(_sql.remember_answer, key.caller, key.route, key.text, body_hash, status, text, now)
