"""A database that goes from one test to the next together with its connections, emptied in between.

A new one costs a copy, and every statement must be planned by sessions that know nothing yet: that is half of what
the server does for a test. What a test wrote is read from the server's log (WAL), so that nothing is overlooked; where
more was touched than rows of small tables, the database is not lent again.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import asyncpg

from backfilld.store.connection.address import Located
from backfilld.store.connection.pool import Pool, open_pool

MOST_PAGES = 10  # as many as the planner takes a table for of which it knows nothing
MOST_LOG = 4 << 20  # bytes
LONGEST_SECONDS = 10.0
CLOSING_SECONDS = 5.0
# Pages are tidied by whoever reads them: that changes nothing.
_TOUCHED = """
SELECT DISTINCT CASE reldatabase WHEN 0 THEN 0 ELSE relfilenode END AS file  -- 0: what all databases share
  FROM pg_get_wal_block_info($1, $2, false)
 WHERE reldatabase IN (0, (SELECT oid FROM pg_database WHERE datname = $3))
   AND record_type <> 'FPI_FOR_HINT' AND record_type NOT LIKE 'PRUNE%'
"""
_RELATIONS = """
SELECT pg_relation_filenode(c.oid) AS file, c.oid, c.relkind = 'S' AS is_sequence,
       coalesce(of_toast.relname, of_index.relname, c.relname) AS owner
  FROM pg_class AS c
  LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
  LEFT JOIN pg_class AS of_index ON of_index.oid = i.indrelid
  LEFT JOIN pg_class AS of_toast ON of_toast.reltoastrelid = coalesce(i.indrelid, c.oid)
 WHERE c.relkind IN ('r', 'i', 'S', 't')
   AND 'public'::regnamespace IN (c.relnamespace, of_index.relnamespace, of_toast.relnamespace)
"""
_END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1 AND pid <> ALL($2::integer[])
"""
_HERE = "SELECT pg_current_wal_insert_lsn()"
_WRITTEN_OUT = "SELECT pg_logical_emit_message(true, '', '')"  # to be read, the log must have been
_LARGEST = "SELECT coalesce(max(pg_relation_size(r)), 0) / 8192 FROM unnest($1::oid[]) AS r"
_RESTART = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
# All that DISCARD ALL does, but for the statements that are planned. What was counted is told, so that it can be reset.
_AS_NEW = """
CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all();
DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_stat_force_next_flush()
"""


class Relation(NamedTuple):
    oid: int
    is_sequence: bool
    owner: str  # the table that is meant by an index


class Contents(NamedTuple):
    """What a migrated database consists of; its copies have the same files."""

    relations: Mapping[int, Relation]  # by file
    rows: Mapping[str, Sequence[asyncpg.Record]]  # of the tables that are not empty


async def contents_of(dsn: str) -> Contents:
    connection = await asyncpg.connect(dsn)
    try:
        found = {row["file"]: Relation(*list(row)[1:]) for row in await connection.fetch(_RELATIONS)}
        tables = sorted({one.owner for one in found.values() if not one.is_sequence})
        rows = {table: await connection.fetch(f"TABLE {table}") for table in tables}
    finally:
        await connection.close()
    return Contents(found, {table: kept for table, kept in rows.items() if kept})


_lent: "dict[Located, LentDatabase]" = {}  # by DSN, while somebody has them


@asynccontextmanager
async def pool_of_its_own(database: Located, size: int, **session: str) -> AsyncIterator[Pool]:
    """As `open_pool`; of a lent database it may be one that somebody else has had."""
    lent = None if session else _lent.get(database)
    if lent is not None:
        async with lent.pool(size) as pool:
            yield pool
    else:
        pool = await open_pool(database, size=size, **session)
        try:
            yield pool
        finally:
            await pool.close()


class LentDatabase:
    """One copy of the template. `admin` is a superuser's connection to another database of the server."""

    def __init__(self, name: str, dsn: str, admin: Any, contents: Contents) -> None:
        self.name, self.dsn = name, dsn
        self._admin, self._contents = admin, contents
        self._pools: dict[int, list[Pool]] = defaultdict(list)  # by size, those that nobody has
        self._eraser: Any = None
        self._began = 0

    async def lend(self) -> None:
        """Look where the log is."""
        if self._eraser is None:  # a replica asks nothing of foreign keys, and fires no triggers
            self._eraser = await asyncpg.connect(self.dsn, server_settings={"session_replication_role": "replica"})
        self._began = await self._admin.fetchval(_HERE)
        _lent[self.dsn] = self

    @asynccontextmanager
    async def pool(self, size: int = 10) -> AsyncIterator[Pool]:
        """At most so many connections, which nobody else has meanwhile."""
        spare = self._pools[size]
        pool = spare.pop() if spare else await open_pool(self.dsn, size=size)
        try:
            yield pool
        finally:
            if _sessions_of(pool):
                spare.append(pool)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(pool.close(), CLOSING_SECONDS)  # cut short, it breaks the connections off

    async def take_back(self) -> bool:
        """End what the borrower left behind, and empty the database; False if it cannot be lent again."""
        _lent.pop(self.dsn, None)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._end_sessions()
                return await self._empty()
        except Exception:  # it was broken in a way of its own: nobody gets it
            return False

    def close(self) -> None:
        """Break the connections off."""
        for connected in (*self._spare, *([self._eraser] if self._eraser is not None else ())):
            connected.terminate()
        self._pools.clear()
        self._eraser = None

    @property
    def _spare(self) -> list[Pool]:
        return [pool for pools in self._pools.values() for pool in pools]

    async def _end_sessions(self) -> None:
        """All but ours, which become as new."""
        sessions = [session for pool in self._spare for session in _sessions_of(pool)]
        await asyncio.gather(*(session.execute(_AS_NEW) for session in sessions))
        kept = [session.get_server_pid() for session in (*sessions, self._eraser)]
        await self._admin.execute(_END_OTHERS, self.name, kept)

    async def _empty(self) -> bool:
        await self._eraser.execute("SELECT pg_stat_reset()")
        touched = await self._touched()
        if touched is None or await self._eraser.fetchval(_LARGEST, [one.oid for one in touched]) > MOST_PAGES:
            return False
        tables = {one.owner for one in touched if not one.is_sequence}
        if touched:
            await self._eraser.execute(";".join([_RESTART, *(f"DELETE FROM {table}" for table in tables)]))  # noqa: S608
        for table in tables & set(self._contents.rows):
            await self._eraser.copy_records_to_table(table, records=self._contents.rows[table])
        return True

    async def _touched(self) -> list[Relation] | None:
        """What anything was changed in since the database was lent; None if it is more than we can undo."""
        now = await self._admin.fetchval(_HERE)
        if now == self._began:
            return []
        if now - self._began > MOST_LOG:
            return None
        now = await self._admin.fetchval(_WRITTEN_OUT)
        rows = await self._admin.fetch(_TOUCHED, self._began, now, self.name)
        found = [self._contents.relations.get(row["file"]) for row in rows]
        return None if None in found else found


def _sessions_of(pool: Pool) -> list[Any]:
    """The open connections of a pool; none of one that was closed, or of which somebody has a connection."""
    if pool._closing or pool._closed or any(holder._in_use for holder in pool._holders):
        return []
    return [holder._con for holder in pool._holders if holder._con is not None and not holder._con.is_closed()]
