"""One number, or a yes or no, from any PostgreSQL: in a read-only transaction, with a time limit there, too."""

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

from backfilld.domain.brakes.verdicts import Seen
from backfilld.engine.brakes.signals import LookFailed
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.sources.sql_connections import SqlConnections

HUGE = 1.7976931348623157e308  # in the place of infinity, which JSON has no word for


class SqlSignal:
    """`query` is one SELECT. With `by_word` its yes is bad, else a boolean counts as 1 or 0."""

    def __init__(self, connections: SqlConnections, query: str, *, seconds: float, by_word: bool) -> None:
        self._connections = connections
        self._query = query
        self._seconds = seconds
        self._by_word = by_word

    async def look(self) -> Seen:
        return seen(await self._fetched(), by_word=self._by_word)

    async def _fetched(self) -> Any:
        try:
            async with self._connections.transaction(self._seconds) as connection:
                rows = await connection.fetch(f"SELECT * FROM (\n{self._query}\n) AS looked LIMIT 2")  # noqa: S608
        except (SourceUnreachable, SourceBroken) as problem:
            raise LookFailed(str(problem)) from problem
        if len(rows) != 1 or len(rows[0]) != 1:
            size = "no row" if not rows else "more than one row" if len(rows) > 1 else f"{len(rows[0])} columns"
            raise LookFailed(f"the query gives {size}; it must give one value")
        return rows[0][0]

    async def close(self) -> None:
        await self._connections.close()


def seen(value: Any, *, by_word: bool) -> Seen:
    """What a value of the database says; LookFailed for NULL, NaN and what is no number."""
    if value is None:
        raise LookFailed("the query gives NULL")
    if isinstance(value, bool):
        return Seen(bad=value, text="the query says yes" if value else "the query says no") if by_word else Seen(value)
    if by_word:
        raise LookFailed("the query gives no boolean, and there is no threshold that a number could be compared with")
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float | Decimal):
        raise LookFailed(f"the query gives {type(value).__name__}, and not a number")
    return Seen(finite(value))


def finite(value: int | float | Decimal) -> float:
    """As a number that can be compared and shown; LookFailed for NaN."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        raise LookFailed("the value is NaN")
    return max(min(number, HUGE), -HUGE)
