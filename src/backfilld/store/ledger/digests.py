"""The digest of an ended ledger: evidence of what it said that outlives its rows.

Pages of `PAGE` positions are hashed one after another, each behind the digest of the one before it, so that a ledger of
any length is read in short statements and the work goes on where it was broken off.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from backfilld.crash_points import Point, reached
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("ledger.digests")

PAGE = 5_000  # part of what a digest means: never to be changed
BACKFILLS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Undigested:
    """An ended backfill whose ledger has no digest yet, and how far that has come."""

    number: int
    id: UUID
    digested_to: int
    so_far: bytes
    planned: int


class DigestStore:
    """Makes `backfills.ledger_digest`. Several may do so at once: all come to the same."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_undigested(self) -> list[Undigested]:
        """Whatever `digest` may be called for (some; ask again until none is left), oldest first."""
        rows = await self._pool.fetch(_sql.list_without_digest, BACKFILLS_AT_ONCE)
        return [
            Undigested(row["number"], row["id"], row["digested_to"], row["digest_so_far"], row["planned"])
            for row in rows
        ]

    async def digest(self, ended: Undigested) -> AsyncGenerator[int, None]:
        """Read a ledger to its end; yields after each page how many positions it had.

        The last page makes the digest known, also to the audit log if the backfill was deleted meanwhile.
        """
        since, digest, is_last = ended.digested_to, ended.so_far, False
        while not is_last:
            until = min(since + PAGE, ended.planned)
            is_last = until == ended.planned
            digest = await self._pool.fetchval(_sql.digest_page, ended.number, since, until, digest)
            if not await self._note(ended, since, until, digest, is_last=is_last):
                return  # another daemon was faster, and goes on
            yield until - since
            since = until

    async def _note(self, ended: Undigested, since: int, until: int, digest: bytes, *, is_last: bool) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            noted = await connection.fetchval(_sql.note_digest, ended.number, since, until, digest, is_last)
            if noted is not None and is_last:
                await connection.execute(_sql.complete_evidence, f"backfill/{ended.id}", digest.hex())
            reached(Point.DIGEST_BEFORE_COMMIT)
        return noted is not None
