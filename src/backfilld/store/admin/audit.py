"""Who did what, when and why: written in the transaction that does it, never changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load

_sql = load("admin.audit")


async def record(
    conn: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    backfill_no: int | None = None,
    reason: str | None = None,
    old: Any = None,
    new: Any = None,
    request_id: UUID | None = None,
) -> None:
    """Write one row. `action` is a verb with its noun (`backfill.pause`), `subject` what it was done to; `old` and
    `new` are JSON values of what changed (None: nothing to show), without secrets."""
    await conn.execute(
        _sql.record_action, at, actor, action, subject, backfill_no, reason, _text(old), _text(new), request_id
    )


def _text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode()
