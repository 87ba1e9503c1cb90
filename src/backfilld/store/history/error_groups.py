"""Failures by what they have in common: their fingerprint, which is stored when they are recorded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backfilld.domain.backfills.failures.fingerprints import fingerprint
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

AT_ONCE = 1_000

_sql = load("history.error_groups")


@dataclass(frozen=True, slots=True)
class GroupRow:
    """How often failures with this fingerprint occurred, and when."""

    fingerprint: bytes
    failures: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Example:
    """One failure of a group."""

    fingerprint: bytes
    position: int
    entity_id: str
    error_class: str | None
    error: str | None


class ErrorGroups:
    """What failed, as people read it. Failures of before there were groups get theirs here, too."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_groups(self, backfill_number: int, *, only: bytes | None = None, most: int) -> list[GroupRow]:
        """The most frequent first."""
        if only is None:
            rows = await self._pool.fetch(_sql.list_groups, backfill_number, most)
        else:
            rows = await self._pool.fetch(_sql.find_group, backfill_number, only)
        return [GroupRow(*row) for row in rows]

    async def find_bounds(self, backfill_number: int) -> tuple[datetime | None, datetime | None]:
        """When the first of all failed, and when the last."""
        row = await self._pool.fetchrow(_sql.find_bounds, backfill_number)
        return (None, None) if row is None else (row["first_at"], row["last_at"])

    async def list_examples(
        self, backfill_number: int, fingerprints: Sequence[bytes], *, most: int
    ) -> dict[bytes, list[Example]]:
        """The first `most` of each group, in plan order."""
        found: dict[bytes, list[Example]] = {one: [] for one in fingerprints}
        for row in await self._pool.fetch(_sql.list_examples, backfill_number, list(fingerprints), most):
            found[row["fingerprint"]].append(Example(*row))
        return found

    async def group_old(self, backfill_number: int | None = None, *, most: int) -> int:
        """Give failures that have none their group, at most so many (None: of any backfill); how many had none."""
        done = 0
        while done < most:
            rows = await self._pool.fetch(_sql.list_ungrouped, backfill_number, min(AT_ONCE, most - done))
            if not rows:
                break
            made = await asyncio.to_thread(lambda: [fingerprint(row["error_class"], row["error"]) for row in rows])  # noqa: B023 - awaited at once
            numbers, positions = [row["backfill_number"] for row in rows], [row["position"] for row in rows]
            await self._pool.execute(_sql.group_them, numbers, positions, made)
            done += len(rows)
        return done
