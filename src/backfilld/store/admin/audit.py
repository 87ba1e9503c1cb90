"""Who did what, when and why: written in the transaction that does it, never changed.

But one thing is added later: the digest of a ledger that was deleted before it was made (`store.ledger.digests`)."""

from datetime import datetime
from typing import Any

import orjson

from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.holding import shown
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode
from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load

_sql = load("admin.audit")


async def record(
    conn: Connection,
    actor: Actor,
    action: str,
    subject: str,
    *,
    at: datetime,
    backfill_number: int | None = None,
    reason: str | None = None,
    old: Any = None,
    new: Any = None,
) -> None:
    """Write one row. `action` is a verb with its noun (`backfill.pause`), `subject` what it was done to; `old` and
    `new` are JSON values of what changed (None: nothing to show), without secrets."""
    await conn.execute(
        _sql.record_action, at, actor.identity, action, subject, backfill_number, reason, _text(old), _text(new),
        actor.request_id,
    )  # fmt: skip


async def record_on(
    conn: Connection,
    actor: Actor,
    action: str,
    backfill: Backfill,
    *,
    at: datetime,
    reason: str | None = None,
    old: Any = None,
    new: Any = None,
) -> None:
    """The same of something done to a backfill, which its timeline tells."""
    subject = f"backfill/{backfill.id}"
    await record(conn, actor, action, subject, at=at, backfill_number=backfill.number, reason=reason, old=old, new=new)


def standing_of(backfill: Backfill) -> dict[str, Any]:
    """Where a backfill stands, as the log tells it of all that changes it."""
    status, code = shown(backfill.status, backfill.reason)
    told: dict[str, Any] = {"status": status, "status_reason": code}
    if code is ReasonCode.PAUSED_BY_USER and backfill.reason is not None and backfill.reason.until is not None:
        told["until"] = backfill.reason.until
    return told | {"in_flight": "cancel"} if backfill.cancel_in_flight else told


def _text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode()
